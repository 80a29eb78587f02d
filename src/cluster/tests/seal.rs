//! The key of the seal.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::Room;
use crate::api::ManagedExternalSecret;
use crate::clock::{Random, SystemRandom};
use crate::cluster::seal::{SEAL_SECRET, SealProblem, seal};
use crate::seal::Domain;

/// Not random, so that a second key would be seen.
struct Fixed(u8);

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

async fn stored(room: &Room) -> Option<(String, Vec<u8>)> {
    let secret = room.api::<Secret>().get_opt(SEAL_SECRET).await.unwrap()?;
    let ByteString(key) = secret.data.and_then(|mut data| data.remove("key")).unwrap_or_default();
    Some((secret.metadata.resource_version.unwrap(), key))
}

async fn remove(room: &Room) {
    room.api::<Secret>().delete(SEAL_SECRET, &DeleteParams::default()).await.unwrap();
}

// One test, since whether a key was lost is asked of the whole cluster.
#[tokio::test]
async fn the_key_is_made_once_and_neither_a_malformed_nor_a_lost_one_is_replaced() {
    let room = Room::new().await;
    let (client, home) = (&room.client, &room.own.namespace);
    let over = |seal: &crate::seal::Seal| seal.seal(Domain::Claim, &["x"]);

    // Two that start at once agree on one.
    let (one, other) = tokio::join!(seal(client, home, &Fixed(1)), seal(client, home, &Fixed(2)));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(over(&one), over(&other));
    let made = stored(&room).await.unwrap();
    assert!(made.1 == [1; 32] || made.1 == [2; 32]);
    assert_eq!(over(&seal(client, home, &Fixed(3)).await.unwrap()), over(&one), "read, not made");
    assert_eq!(stored(&room).await.unwrap(), made, "not a write");
    let patch = Patch::Merge(json!({"data": {"key": "AAAA"}}));
    let refused = room.api::<Secret>().patch(SEAL_SECRET, &PatchParams::default(), &patch).await;
    assert!(refused.is_err(), "the API server keeps it as it is");

    // Whatever else lies there is left.
    for data in
        [json!({}), json!({"key": "c2hvcnQ="}), json!({"other": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="})]
    {
        remove(&room).await;
        room.secret(json!({"metadata": {"name": SEAL_SECRET}, "data": data})).await;
        let before = stored(&room).await;
        let problem = seal(client, home, &SystemRandom).await.unwrap_err();
        assert_eq!(problem, SealProblem::Malformed(home.clone()));
        assert!(problem.to_string().contains(SEAL_SECRET) && problem.to_string().contains("restore it"));
        assert_eq!(stored(&room).await, before);
    }

    // Gone, while a resource has a secret that it sealed.
    remove(&room).await;
    let mes: ManagedExternalSecret = serde_json::from_value(json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "sealed"},
        "spec": {"partner": {"type": "SalesforceClientSecret"}, "onboard": {"fromSecret": {"name": "seed"}}},
    }))
    .unwrap();
    let resources = room.api::<ManagedExternalSecret>();
    resources.create(&PostParams::default(), &mes).await.unwrap();
    let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:p/n/sealed-AbCdEf";
    let status = json!({"status": {"secret": {"name": "p/n/sealed", "arn": arn}}});
    resources.patch_status("sealed", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let problem = seal(client, home, &SystemRandom).await.unwrap_err();
    assert_eq!(problem, SealProblem::Lost(home.clone()));
    assert!(problem.to_string().contains("backup") && problem.to_string().contains("spec.takeOver"));
    assert_eq!(stored(&room).await, None, "no new key");
    resources.delete("sealed", &DeleteParams::default()).await.unwrap();
    assert!(seal(client, home, &SystemRandom).await.is_ok(), "without such a resource nothing is lost");
}

//! Rotations, the resource itself, and status.

use super::Room;
use crate::api::{ManagedExternalSecret, PartnerAccount, PartnerAccountStatus, Rotation, RotationStatus};
use crate::cluster::{FINALIZER, status};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use mes_core::fault::FaultKind;
use mes_core::journal::Trigger;
use mes_core::names::{ObjectName, Revision, Uid};
use serde_json::json;

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn identity(rotation: &Rotation) -> (Uid, Revision) {
    let revision = Revision::parse(rotation.resource_version().unwrap()).unwrap();
    (Uid::parse(rotation.uid().unwrap()).unwrap(), revision)
}

#[tokio::test]
async fn a_rotation_is_opened_once_and_belongs_to_its_resource() {
    let room = Room::new().await;
    room.namespace.open(&name("crm-1"), Trigger::Schedule).await.unwrap();
    let again = room.namespace.open(&name("crm-1"), Trigger::Request).await.unwrap_err();
    assert_eq!(again.kind, FaultKind::Exists);
    let other: Rotation = serde_json::from_value(json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {"name": "erp-1"}, "spec": {"resourceRef": {"name": "erp"}},
    }))
    .unwrap();
    room.api().create(&PostParams::default(), &other).await.unwrap();
    let [rotation]: [_; 1] = room.namespace.rotations().await.unwrap().try_into().unwrap();
    assert_eq!(rotation.name_any(), "crm-1");
    assert_eq!(rotation.metadata.generate_name.as_deref(), Some("crm-"));
    assert_eq!(rotation.owner_references()[0].uid, room.own.uid.as_str());
    assert_eq!(rotation.spec.trigger, crate::api::Trigger::Schedule);
}

#[tokio::test]
async fn a_record_onto_another_revision_is_a_conflict() {
    let room = Room::new().await;
    room.namespace.open(&name("crm-1"), Trigger::Request).await.unwrap();
    let rotation = room.namespace.rotations().await.unwrap().remove(0);
    let (uid, early) = identity(&rotation);
    let nothing = RotationStatus::default();
    let first = RotationStatus {
        attempt: Some(1),
        phase: Some("Creating".into()),
        baseline: vec!["a".into()],
        ..nothing.clone()
    };
    room.namespace.record(&name("crm-1"), &early, &nothing, &first).await.unwrap();
    let late = room.namespace.record(&name("crm-1"), &early, &nothing, &first).await.unwrap_err();
    assert_eq!(late.kind, FaultKind::Conflict);

    let read = room.namespace.rotations().await.unwrap().remove(0);
    assert_eq!(read.status.as_ref(), Some(&first));
    let (_, onto) = identity(&read);
    let second = RotationStatus { phase: Some("Storing".into()), attempt: Some(1), ..nothing };
    room.namespace.record(&name("crm-1"), &onto, &first, &second).await.unwrap();
    // What is gone is gone: no stale list survives a merge.
    assert_eq!(room.namespace.rotations().await.unwrap().remove(0).status.as_ref(), Some(&second));

    // A Rotation made anew under the name has another revision.
    room.namespace.prune(&name("crm-1"), &uid).await.unwrap();
    room.namespace.open(&name("crm-1"), Trigger::Request).await.unwrap();
    let other = room.namespace.record(&name("crm-1"), &onto, &first, &second).await.unwrap_err();
    assert_eq!(other.kind, FaultKind::Conflict);
}

#[tokio::test]
async fn finalizers_of_others_stay_and_ours_goes_whoever_wrote_it() {
    let room = Room::new().await;
    room.namespace.open(&name("crm-1"), Trigger::Request).await.unwrap();
    let restored = json!({"metadata": {"finalizers": [FINALIZER, "example.com/theirs"]}});
    let patched =
        room.api::<Rotation>().patch("crm-1", &PatchParams::default(), &Patch::Merge(restored)).await.unwrap();
    let (_, onto) = identity(&patched);
    room.namespace.hold_rotation(&name("crm-1"), &onto).await.unwrap();
    room.namespace.release_rotation(&name("crm-1"), &onto).await.unwrap();
    let rotation = room.namespace.rotations().await.unwrap().remove(0);
    assert_eq!(rotation.finalizers(), ["example.com/theirs"]);
    let stale = room.namespace.hold_rotation(&name("crm-1"), &onto).await.unwrap_err();
    assert_eq!(stale.kind, FaultKind::Conflict);
    room.namespace.hold_rotation(&name("crm-1"), &identity(&rotation).1).await.unwrap();
    assert_eq!(room.namespace.rotations().await.unwrap()[0].finalizers(), ["example.com/theirs", FINALIZER]);
    assert_eq!(room.namespace.hold_rotation(&name("crm-2"), &onto).await.unwrap_err().kind, FaultKind::NotFound);
    room.namespace.release_rotation(&name("crm-2"), &onto).await.unwrap();
}

#[tokio::test]
async fn a_rotation_of_the_same_name_is_not_pruned_in_anothers_stead() {
    let room = Room::new().await;
    room.namespace.open(&name("crm-1"), Trigger::Request).await.unwrap();
    let (uid, _) = identity(&room.namespace.rotations().await.unwrap()[0]);
    room.namespace.prune(&name("crm-1"), &Uid::parse("0d5f6b1e").unwrap()).await.unwrap();
    assert_eq!(room.namespace.rotations().await.unwrap().len(), 1);
    room.namespace.prune(&name("crm-1"), &uid).await.unwrap();
    room.namespace.prune(&name("crm-1"), &uid).await.unwrap();
    assert_eq!(room.namespace.rotations().await.unwrap(), []);
}

#[tokio::test]
async fn status_is_written_on_change_only_and_onto_what_was_seen() {
    let room = Room::new().await;
    let seen = room.namespace.resource().await.unwrap().unwrap();
    let mut status = seen.status.clone().unwrap_or_default();
    assert_eq!(room.namespace.publish(&seen, &status).await, Ok(false));
    status.version_id = Some("v1".into());
    assert_eq!(room.namespace.publish(&seen, &status).await, Ok(true));
    let now = room.namespace.resource().await.unwrap().unwrap();
    assert_eq!(now.status.as_ref(), Some(&status));
    assert_eq!(room.namespace.publish(&now, &status).await, Ok(false));
    assert_eq!(room.namespace.publish(&seen, &status).await.unwrap_err().kind, FaultKind::Conflict);
}

#[tokio::test]
async fn the_finalizer_goes_only_from_a_resource_that_nothing_was_written_to_since() {
    let room = Room::new().await;
    let now = async || room.namespace.resource().await.unwrap().unwrap();
    let revision = |seen: &ManagedExternalSecret| Revision::parse(seen.resource_version().unwrap()).unwrap();
    let before = revision(&now().await);
    room.namespace.hold().await.unwrap();
    assert_eq!(room.namespace.release(&before).await.unwrap_err().kind, FaultKind::Conflict);
    let held = now().await;
    assert_eq!(held.finalizers(), [FINALIZER]);
    room.namespace.release(&revision(&held)).await.unwrap();
    assert_eq!(now().await.finalizers(), [""; 0]);
}

#[tokio::test]
async fn a_resource_made_anew_under_the_name_is_not_ours() {
    let room = Room::new().await;
    room.namespace.hold().await.unwrap();
    room.namespace.hold().await.unwrap();
    let held = room.namespace.resource().await.unwrap().unwrap();
    assert_eq!(held.finalizers(), [FINALIZER]);
    let onto = Revision::parse(held.resource_version().unwrap()).unwrap();
    room.namespace.release(&onto).await.unwrap();
    room.api::<ManagedExternalSecret>().delete("crm", &DeleteParams::default()).await.unwrap();
    assert_eq!(room.namespace.resource().await, Ok(None));
    room.namespace.release(&onto).await.unwrap();
    room.resource("crm").await;
    assert_eq!(room.namespace.resource().await, Ok(None));
    assert_eq!(room.namespace.hold().await.unwrap_err().kind, FaultKind::NotFound);
}

#[tokio::test]
async fn an_accounts_status_is_written_on_change_only() {
    let room = Room::new().await;
    let accounts: Api<PartnerAccount> = Api::all(room.client.clone());
    let account: PartnerAccount = serde_json::from_value(json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": room.name},
        "spec": {"partnerTypes": ["SalesforceClientSecret"], "endpoint": "https://acme.my.salesforce.com"},
    }))
    .unwrap();
    let seen = accounts.create(&PostParams::default(), &account).await.unwrap();
    let verified = PartnerAccountStatus { observed_generation: Some(1), ..PartnerAccountStatus::default() };
    assert_eq!(status::account_status(&room.client, &seen, &verified).await, Ok(true));
    let seen = accounts.get(&room.name).await.unwrap();
    assert_eq!(status::account_status(&room.client, &seen, &verified).await, Ok(false));
}

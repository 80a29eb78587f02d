//! The least rights with which this room does its work (SECURITY section 5).

use super::{Room, config, control_plane, rendered, target, version};
use crate::api;
use crate::clock::SystemClock;
use crate::cluster::client::connect;
use crate::cluster::lease::Settings;
use crate::cluster::{Announcer, Campaign, EventKind, Namespace, Notice, SeedSecret, Wanted};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::Api;
use kube::api::DeleteParams;
use mes_core::fault::FaultKind;
use mes_core::journal::Trigger;
use mes_core::names::{ObjectName, Revision, Uid};
use mes_core::scope::Granted;
use mes_core::shown::Ours;
use mes_core::target::{SecretType, TargetSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Gives a user just `rules` in the room's namespace, and connects as that user.
async fn with_rights(room: &Room, rules: &'static str) -> kube::Client {
    let (name, user) = (room.name.clone(), format!("user-{}", room.name));
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: lent, namespace: {name}}}
rules:
{rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: lent, namespace: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: lent}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
"
    );
    tokio::task::spawn_blocking(move || control_plane().kubectl_apply(&manifest).unwrap()).await.unwrap();
    let mut config = config().await;
    config.auth_info.impersonate = Some(user);
    connect(config).unwrap()
}

#[tokio::test]
async fn the_roles_of_a_namespace_are_enough_for_all_that_is_done_there() {
    let room = Room::new().await;
    let client = with_rights(
        &room,
        "- {apiGroups: [managed-secrets.io], resources: [managedexternalsecrets], verbs: [get, list, watch, patch]}
- {apiGroups: [managed-secrets.io], resources: [rotations], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [managed-secrets.io], resources: [managedexternalsecrets/status, rotations/status], verbs: [patch]}
- {apiGroups: [''], resources: [secrets], verbs: [get, list, watch, create, patch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [''], resources: [secrets], verbs: [delete]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [mes-leader], verbs: [get, create, patch]}",
    )
    .await;
    let namespace = Namespace::of(&client, &room.own);
    let resource = namespace.resource().await.unwrap().unwrap();
    let status = api::ManagedExternalSecretStatus { version_id: Some("v".into()), ..Default::default() };
    namespace.publish(&resource, &status).await.unwrap();
    namespace.hold().await.unwrap();
    let held = namespace.resource().await.unwrap().unwrap().metadata.resource_version.unwrap();
    namespace.release(&Revision::parse(held).unwrap()).await.unwrap();
    namespace.seed(&Granted::assume(ObjectName::parse("seed").unwrap())).await.unwrap();

    let name = ObjectName::parse("crm-1").unwrap();
    namespace.open(&name, Trigger::Schedule).await.unwrap();
    let revision = async || {
        let rotation = namespace.rotations().await.unwrap().remove(0);
        Revision::parse(rotation.metadata.resource_version.unwrap()).unwrap()
    };
    let (before, after) =
        (api::RotationStatus::default(), api::RotationStatus { attempt: Some(1), ..Default::default() });
    namespace.record(&name, &revision().await, &before, &after).await.unwrap();
    namespace.hold_rotation(&name, &revision().await).await.unwrap();
    namespace.release_rotation(&name, &revision().await).await.unwrap();
    let announcer = Announcer::new(client.clone(), "mes-0");
    let notice = Notice {
        kind: EventKind::Warning,
        reason: "RegionFailed",
        action: "Replicate",
        note: &Ours("eu-west-1 is unreachable"),
        rotation: None,
    };
    announcer.tell(&room.own, notice, Timestamp::now()).await.unwrap();
    announcer.tell(&room.own, notice, Timestamp::now()).await.unwrap();
    let uid = Uid::parse(namespace.rotations().await.unwrap().remove(0).metadata.uid.unwrap()).unwrap();
    namespace.prune(&name, &uid).await.unwrap();

    let (spec, ours) = (spec(), target("crm"));
    let wanted = Wanted { spec: &spec, name: &ours, with_owner: true };
    let value = rendered(&[("k", "v")]);
    namespace.apply_target(wanted, &value, &version(1), None).await.unwrap();
    let seen = namespace.target(wanted, Some(&value)).await.unwrap().unwrap();
    namespace.apply_target(wanted, &value, &version(2), Some(&(seen.uid, seen.revision))).await.unwrap();
    let seen = namespace.labelled().await.unwrap().unwrap().remove(0);
    namespace.remove_target(&ours, &(seen.uid, seen.revision)).await.unwrap();

    let settings = Settings {
        namespace: room.own.namespace.clone(),
        name: ObjectName::parse("mes-leader").unwrap(),
        identity: "mes-0".into(),
    };
    let campaign = Campaign::start(client, settings, Arc::new(SystemClock));
    assert!(tokio::time::timeout(Duration::from_secs(10), campaign.handle().leads()).await.unwrap());
    campaign.release().await;
    let lease = room.api::<Lease>().get("mes-leader").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
}

fn spec() -> TargetSpec {
    let nothing = BTreeMap::new;
    TargetSpec { name: "crm".into(), type_: SecretType::Opaque, labels: nothing(), annotations: nothing(), data: None }
}

#[tokio::test]
async fn a_strict_role_that_names_its_targets_is_enough_and_reaches_no_other() {
    let room = Room::new().await;
    let rules = "- {apiGroups: [''], resources: [secrets], resourceNames: [crm], verbs: [get, create, patch, delete]}
- {apiGroups: [''], resources: [secrets], resourceNames: [crm-seed], verbs: [get, list, watch]}";
    let namespace = Namespace::of(&with_rights(&room, rules).await, &room.own);
    let spec = spec();
    let seed = json!({"metadata": {"name": "crm-seed"}, "type": "managed-secrets.io/seed", "stringData": {"k": "v"}});
    room.secret(seed).await;
    let seed = namespace.seed(&Granted::assume(ObjectName::parse("crm-seed").unwrap())).await;
    assert!(matches!(seed, Ok(Some(SeedSecret::Seed { .. }))), "{seed:?}");
    let (ours, other) = (target("crm"), target("other"));
    let wanted = Wanted { spec: &spec, name: &ours, with_owner: true };
    let value = rendered(&[("k", "v")]);
    namespace.apply_target(wanted, &value, &version(1), None).await.unwrap();
    let seen = namespace.target(wanted, Some(&value)).await.unwrap().unwrap();
    assert_eq!(seen.intact, Some(true));
    let refused = namespace.apply_target(Wanted { name: &other, ..wanted }, &value, &version(1), None).await;
    assert_eq!(refused.unwrap_err().kind, FaultKind::Denied);
    namespace.remove_target(&ours, &(seen.uid, seen.revision)).await.unwrap();
    assert_eq!(namespace.target(wanted, None).await, Ok(None));
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_named_as_the_cause() {
    let room = Room::new().await;
    let namespaces: Api<NamespaceObject> = Api::all(room.client.clone());
    namespaces.delete(&room.name, &DeleteParams::default()).await.unwrap();
    let name = ObjectName::parse("crm-1").unwrap();
    let fault = room.namespace.open(&name, Trigger::Schedule).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Denied, "NamespaceTerminating"));
}

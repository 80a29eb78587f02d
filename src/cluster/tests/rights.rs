//! The least rights with which this room does its work (SECURITY section 5).

use super::{Room, config, control_plane, rendered, target, version};
use crate::cluster::client::connect;
use crate::cluster::{Namespace, Wanted};
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::Api;
use kube::api::DeleteParams;
use mes_core::fault::FaultKind;
use mes_core::journal::Trigger;
use mes_core::names::ObjectName;
use mes_core::target::{SecretType, TargetSpec};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_strict_role_that_names_its_targets_is_enough_and_reaches_no_other() {
    let room = Room::new().await;
    let (name, user) = (room.name.clone(), format!("strict-{}", room.name));
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: strict, namespace: {name}}}
rules:
- {{apiGroups: [''], resources: [secrets], resourceNames: [crm], verbs: [get, create, patch, delete]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: strict, namespace: {name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: strict}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
"
    );
    tokio::task::spawn_blocking(move || control_plane().kubectl_apply(&manifest).unwrap()).await.unwrap();
    let mut config = config().await;
    config.auth_info.impersonate = Some(user);
    let namespace = Namespace::of(&connect(config).unwrap(), &room.own);

    let nothing = BTreeMap::new;
    let type_ = SecretType::Opaque;
    let spec = TargetSpec { name: "crm".into(), type_, labels: nothing(), annotations: nothing(), data: None };
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

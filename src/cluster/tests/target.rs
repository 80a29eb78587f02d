//! Targets: made, mended, removed, and never by a late write.

use super::{Room, rendered, target, version};
use crate::cluster::Wanted;
use kube::ResourceExt;
use mes_core::facts::{Holder, Target};
use mes_core::fault::FaultKind;
use mes_core::names::{Revision, Uid};
use mes_core::target::{SecretType, TargetSpec};
use serde_json::json;
use std::collections::BTreeMap;

/// What must be in no error.
const CANARY: &str = "canary-7f3f11";

fn spec(type_: SecretType) -> TargetSpec {
    let labels = BTreeMap::from([("team".to_owned(), "payments".to_owned())]);
    TargetSpec { name: "crm".into(), type_, labels, annotations: BTreeMap::new(), data: None }
}

fn onto(seen: &Target) -> (Uid, Revision) {
    (seen.uid.clone(), seen.revision.clone())
}

#[tokio::test]
async fn a_target_is_made_only_where_there_is_none() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    assert_eq!(room.namespace.target(wanted, None).await, Ok(None));
    let value = rendered(&[("password", "one")]);
    // The controller spawns what calls this.
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    sendable(room.namespace.apply_target(wanted, &value, &version(1), None)).await.unwrap();
    let seen = sendable(room.namespace.target(wanted, Some(&value))).await.unwrap().unwrap();
    assert_eq!((seen.holder, seen.intact, seen.version.as_ref()), (Holder::Us, Some(true), Some(&version(1))));
    let late = rendered(&[("password", "two")]);
    let refused = room.namespace.apply_target(wanted, &late, &version(2), None).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Exists);
    assert_eq!(room.data("crm").await["password"], "one");
}

#[tokio::test]
async fn a_late_write_of_an_older_value_is_refused() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    room.namespace.apply_target(wanted, &rendered(&[("k", "1")]), &version(1), None).await.unwrap();
    let early = room.namespace.target(wanted, None).await.unwrap().unwrap();
    assert_eq!(early.intact, None);
    room.namespace.apply_target(wanted, &rendered(&[("k", "2")]), &version(2), Some(&onto(&early))).await.unwrap();
    let late = room.namespace.apply_target(wanted, &rendered(&[("k", "1")]), &version(1), Some(&onto(&early))).await;
    assert_eq!(late.unwrap_err().kind, FaultKind::Conflict);
    assert_eq!(room.data("crm").await["k"], "2");
    let seen = room.namespace.target(wanted, None).await.unwrap().unwrap();
    room.namespace.remove_target(&name, &onto(&seen)).await.unwrap();
    let gone = room.namespace.apply_target(wanted, &rendered(&[("k", "2")]), &version(2), Some(&onto(&seen))).await;
    assert_eq!(gone.unwrap_err().kind, FaultKind::Conflict);
    assert_eq!(room.namespace.target(wanted, None).await, Ok(None));
}

#[tokio::test]
async fn a_foreign_secret_is_told_apart_and_taken_only_with_its_owners_consent() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    room.secret(json!({"metadata": {"name": "crm"}, "stringData": {"password": "theirs", "other": "kept"}})).await;
    let value = rendered(&[("password", "ours")]);
    let seen = room.namespace.target(wanted, Some(&value)).await.unwrap().unwrap();
    assert_eq!((seen.holder, seen.intact, seen.version.clone()), (Holder::Foreign, Some(false), None));
    let refused = room.namespace.apply_target(wanted, &value, &version(1), None).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Exists);
    assert_eq!(room.data("crm").await["password"], "theirs");

    room.edit("crm", json!({"metadata": {"annotations": {"managed-secrets.io/adopt": "erp"}}})).await;
    assert_eq!(room.namespace.target(wanted, None).await.unwrap().unwrap().holder, Holder::Foreign);
    room.edit("crm", json!({"metadata": {"annotations": {"managed-secrets.io/adopt": "crm"}}})).await;
    let seen = room.namespace.target(wanted, None).await.unwrap().unwrap();
    assert_eq!(seen.holder, Holder::Consenting);
    room.namespace.apply_target(wanted, &value, &version(1), Some(&onto(&seen))).await.unwrap();
    let seen = room.namespace.target(wanted, Some(&value)).await.unwrap().unwrap();
    assert_eq!((seen.holder, seen.intact), (Holder::Us, Some(true)));
    assert_eq!(room.data("crm").await["other"], "kept");

    room.edit("crm", json!({"metadata": {"labels": {"managed-secrets.io/resource": "erp"}}})).await;
    assert_eq!(room.namespace.target(wanted, None).await.unwrap().unwrap().holder, Holder::AnotherResource);
}

#[tokio::test]
async fn drift_is_seen_and_mended_and_what_others_add_is_theirs() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    let value = rendered(&[("user", "u"), ("password", "p")]);
    room.namespace.apply_target(wanted, &value, &version(1), None).await.unwrap();
    let edits = [
        json!({"stringData": {"password": "edited"}}),
        json!({"data": {"user": null}}),
        json!({"metadata": {"labels": {"team": "other"}}}),
    ];
    for edit in edits {
        room.edit("crm", edit.clone()).await;
        let seen = room.namespace.target(wanted, Some(&value)).await.unwrap().unwrap();
        assert_eq!(seen.intact, Some(false), "{edit}");
        room.namespace.apply_target(wanted, &value, &version(1), Some(&onto(&seen))).await.unwrap();
        assert_eq!(room.namespace.target(wanted, Some(&value)).await.unwrap().unwrap().intact, Some(true), "{edit}");
    }
    room.edit("crm", json!({"stringData": {"added": "by a person"}})).await;
    assert_eq!(room.namespace.target(wanted, Some(&value)).await.unwrap().unwrap().intact, Some(true));

    // A key that the spec dropped is drift, and goes with the next apply.
    let less = rendered(&[("user", "u")]);
    let seen = room.namespace.target(wanted, Some(&less)).await.unwrap().unwrap();
    assert_eq!(seen.intact, Some(false));
    room.namespace.apply_target(wanted, &less, &version(1), Some(&onto(&seen))).await.unwrap();
    assert_eq!(room.namespace.target(wanted, Some(&less)).await.unwrap().unwrap().intact, Some(true));
    assert_eq!(room.data("crm").await.into_keys().collect::<Vec<_>>(), ["added", "user"]);
}

#[tokio::test]
async fn a_target_that_shall_be_kept_loses_its_owner_reference() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let goes = Wanted { spec: &spec, name: &name, with_owner: true };
    let stays = Wanted { with_owner: false, ..goes };
    let value = rendered(&[("k", "v")]);
    room.namespace.apply_target(goes, &value, &version(1), None).await.unwrap();
    let owners =
        async || room.api::<k8s_openapi::api::core::v1::Secret>().get("crm").await.unwrap().owner_references().len();
    assert_eq!(owners().await, 1);
    assert_eq!(room.namespace.target(goes, Some(&value)).await.unwrap().unwrap().intact, Some(true));
    let seen = room.namespace.target(stays, Some(&value)).await.unwrap().unwrap();
    assert_eq!(seen.intact, Some(false));
    room.namespace.apply_target(stays, &value, &version(1), Some(&onto(&seen))).await.unwrap();
    assert_eq!(owners().await, 0);
    assert_eq!(room.namespace.target(goes, Some(&value)).await.unwrap().unwrap().intact, Some(false));
}

#[tokio::test]
async fn an_error_about_a_secret_carries_no_value() {
    let room = Room::new().await;
    let name = target("crm");
    let (opaque, tls) = (spec(SecretType::Opaque), spec(SecretType::Tls));
    let value = rendered(&[("password", CANARY)]);
    room.namespace
        .apply_target(Wanted { spec: &opaque, name: &name, with_owner: false }, &value, &version(1), None)
        .await
        .unwrap();
    let wanted = Wanted { spec: &tls, name: &name, with_owner: false };
    let keys = rendered(&[("tls.crt", CANARY), ("tls.key", CANARY)]);
    let seen = room.namespace.target(wanted, Some(&keys)).await.unwrap().unwrap();
    assert!(seen.wrong_type);
    let other_type = room.namespace.apply_target(wanted, &keys, &version(2), Some(&onto(&seen))).await.unwrap_err();
    assert_eq!((other_type.kind, other_type.code.as_str()), (FaultKind::Rejected, "Invalid"));

    // A label's value that the API server refuses is quoted in its answer.
    let mut bad = opaque.clone();
    bad.labels.insert("team".into(), format!("{CANARY} !"));
    let bad = Wanted { spec: &bad, name: &name, with_owner: false };
    let refused = room.namespace.apply_target(bad, &value, &version(1), Some(&onto(&seen))).await.unwrap_err();
    assert_eq!(refused.kind, FaultKind::Rejected);

    room.edit("crm", json!({"immutable": true})).await;
    let wanted = Wanted { spec: &opaque, name: &name, with_owner: false };
    let seen = room.namespace.target(wanted, None).await.unwrap().unwrap();
    assert!(seen.immutable && !seen.wrong_type);
    let other = rendered(&[("password", "canary-7f3f11-2")]);
    let immutable = room.namespace.apply_target(wanted, &other, &version(2), Some(&onto(&seen))).await.unwrap_err();
    for fault in [other_type, refused, immutable] {
        assert_eq!(fault.kind, FaultKind::Rejected);
        assert!(!format!("{fault} {fault:?}").contains("canary"), "{fault:?}");
    }
    assert!(!format!("{seen:?} {wanted:?} {other:?}").contains("canary"));
}

#[tokio::test]
async fn a_secret_is_removed_only_as_it_was_seen() {
    let room = Room::new().await;
    let (spec, name) = (spec(SecretType::Opaque), target("crm"));
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    room.secret(json!({"metadata": {"name": "foreign"}})).await;
    room.namespace.apply_target(wanted, &rendered(&[("k", "v")]), &version(1), None).await.unwrap();
    let [seen]: [_; 1] = room.namespace.labelled().await.unwrap().unwrap().try_into().unwrap();
    assert_eq!((seen.name.as_str(), seen.version.as_ref()), ("crm", Some(&version(1))));
    room.edit("crm", json!({"metadata": {"annotations": {"touched": "yes"}}})).await;
    let stale = room.namespace.remove_target(&seen.name, &(seen.uid.clone(), seen.revision)).await.unwrap_err();
    assert_eq!(stale.kind, FaultKind::Conflict);
    let [seen]: [_; 1] = room.namespace.labelled().await.unwrap().unwrap().try_into().unwrap();
    let onto = (seen.uid, seen.revision);
    room.namespace.remove_target(&seen.name, &onto).await.unwrap();
    room.namespace.remove_target(&seen.name, &onto).await.unwrap();
    assert_eq!(room.namespace.labelled().await.unwrap().unwrap(), []);
}

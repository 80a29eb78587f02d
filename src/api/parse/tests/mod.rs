//! The translation, from manifests as people write them and as other versions of us may have left them.

mod examples;
mod rotations;

use std::collections::BTreeMap;

use mes_core::names::{ObjectName, Uid};
use mes_core::partner::{self, aws_types};
use mes_core::reason::Reason;
use mes_core::scope::{AdminReference, Audience, Named, Older, Reference, Source};
use mes_core::spec::{Fate, Onboard};
use serde_json::{Value, json};

use super::*;
use crate::api;

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "payments", "uid": "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11", "resourceVersion": "7",
        "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
    })
}

fn mes(spec: Value) -> api::ManagedExternalSecret {
    with_status(spec, Value::Null)
}

fn with_status(spec: Value, status: Value) -> api::ManagedExternalSecret {
    let object = json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": metadata("crm"), "spec": spec, "status": status,
    });
    serde_json::from_value(object).unwrap()
}

fn store(spec: Value) -> api::SecretsManagerStore {
    let object = json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore",
        "metadata": {"name": "default"}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn account(spec: Value) -> api::PartnerAccount {
    let object = json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount",
        "metadata": {"name": "main"}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

fn crm() -> Value {
    json!({
        "partner": {"type": "BigIDClientSecret"},
        "onboard": {"fromSecret": {"name": "crm-seed"}},
        "rotation": {"engine": "SecretsManager", "schedule": "rate(30 days)"},
        "targets": [{"name": "crm", "data": {"PASSWORD": "$(current.refreshToken)"}}],
    })
}

fn served(mes: &api::ManagedExternalSecret, store: &api::SecretsManagerStore) -> mes_core::spec::Resource {
    let own = own(mes, &uid("cluster"), &uid("namespace")).unwrap();
    let store = super::store(store);
    let named = Named {
        store: store.as_ref().map_or(Reference::Unreadable, Reference::Found),
        account: Reference::NotNamed,
        admin_store: Reference::NotNamed,
        admin_arn: None,
        namespace_labels: Some(&BTreeMap::new()),
        older: &Older::default(),
        partner_type: &aws_types::find,
    };
    resource(mes, own, written(mes), named).unwrap()
}

fn granting() -> Value {
    json!({
        "region": "us-west-2", "prefix": "prod", "rotationRoleARN": "arn:aws:iam::123456789012:role/rotation",
        "grants": [{"namespaceSelector": {}}],
    })
}

#[test]
fn a_manifest_becomes_what_is_wanted_and_granted() {
    let resource = served(&mes(crm()), &store(granting()));
    assert_eq!((resource.generation, resource.held, resource.suspended), (3, false, false));
    assert_eq!(resource.own.namespace.as_str(), "payments");
    let spec = resource.spec.unwrap();
    assert_eq!(spec.onboard, Onboard::FromSecret);
    assert_eq!(spec.scope.store_secret.name.as_str(), "prod/payments/crm");
    assert_eq!(spec.scope.store_secret.access.external_id, "cluster");
    let data = spec.targets[0].data.as_ref().unwrap();
    assert_eq!(data["PASSWORD"].field(), "refreshToken");
}

#[test]
fn what_another_version_wrote_is_refused_by_field_and_the_resource_stays_deletable() {
    let spoilt: [(&str, Value); 9] = [
        ("spec.onboard", json!({"onboard": {"copy": {}}})),
        ("spec.onboard", json!({"onboard": {"mint": {}, "fromSecret": {"name": "x"}}})),
        ("spec.rotation.engine", json!({"rotation": {"engine": "Lambda"}})),
        ("spec.rotation.first", json!({"rotation": {"first": "Never"}})),
        ("spec.targets[].type", json!({"targets": [{"name": "x", "type": "bootstrap.kubernetes.io/token"}]})),
        ("spec.targets[].data", json!({"targets": [{"name": "x", "data": {"a": "$(previous.x)"}}]})),
        ("spec.targets[].labels", json!({"targets": [{"name": "x", "labels": {"managed-secrets.io/resource": "y"}}]})),
        ("spec.regions[].name", json!({"regions": [{"name": "Frankfurt"}]})),
        ("spec.storeRef.secretName", json!({"storeRef": {"secretName": "arn:aws:x"}})),
    ];
    for (field, change) in spoilt {
        let mut spec = crm();
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec["deletion"] = json!({"store": "Delete"});
        let resource = served(&mes(spec), &store(granting()));
        let reason = resource.spec.unwrap_err();
        assert!(reason.to_string().starts_with(field), "{field}: {reason}");
        assert!(reason.is_stalled() && reason.code() == "InvalidSpec");
        assert_eq!(resource.deletion.store, Fate::Remove, "{field}");
    }
}

#[test]
fn a_field_of_a_newer_version_is_passed_over() {
    let mut spec = crm();
    spec["consumers"] = json!({"restart": "Always"});
    assert!(served(&mes(spec), &store(granting())).spec.is_ok());
}

#[test]
fn an_unknown_fate_is_to_keep() {
    let spec = |onboard: Value, deletion: Value| {
        let mut spec = crm();
        spec["onboard"] = onboard;
        spec["deletion"] = deletion;
        served(&mes(spec), &store(granting())).deletion
    };
    let all = json!({"targets": "Delete", "store": "Delete", "partner": "Revoke", "recoveryWindowDays": 9});
    let kept = spec(json!({"mint": {}}), json!({"targets": "Burn", "store": "Archive", "partner": "Sell"}));
    assert_eq!((kept.targets, kept.store, kept.partner), (Fate::Retain, Fate::Retain, Fate::Retain));
    assert_eq!(kept.recovery_window_days, 30);
    let removed = spec(json!({"mint": {}}), all.clone());
    assert_eq!((removed.targets, removed.store, removed.partner), (Fate::Remove, Fate::Remove, Fate::Remove));
    assert_eq!(removed.recovery_window_days, 9);
    // Admission refuses these; what it let through takes nothing of others.
    assert_eq!(spec(json!({"adopt": {}}), all.clone()).store, Fate::Retain);
    assert_eq!(spec(json!({"observe": {}}), all).partner, Fate::Retain);
    assert_eq!(spec(json!({"mint": {}}), json!({"recoveryWindowDays": 0})).recovery_window_days, 7);
}

#[test]
fn each_way_to_onboard_is_read() {
    for (onboard, source) in [
        (json!({"fromSecret": {"name": "s"}}), Source::FromSecret(ObjectName::parse("s").unwrap())),
        (json!({"mint": {}}), Source::Mint),
        (json!({"adopt": {}}), Source::Adopt),
        (json!({"observe": {}}), Source::Observe),
    ] {
        let mut spec = crm();
        spec["onboard"] = onboard;
        assert_eq!(written(&mes(spec)).unwrap().onboard, source);
    }
}

#[test]
fn status_is_noted_only_as_far_as_it_speaks_of_the_current_version() {
    let version = "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1";
    let other = "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-2";
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "X", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({
        "observedGeneration": 3, "versionID": version, "lastRotationTime": "2026-02-01T00:00:00Z",
        "conditions": [condition("Ready", "True"), condition("Onboarded", "True")],
        "regions": [
            {"name": "us-west-2", "state": "InSync", "versionID": version},
            {"name": "eu-west-1", "state": "InSync", "versionID": other},
            {"name": "eu-west-2", "state": "InProgress", "versionID": version},
            {"name": "eu-west-3", "state": "InSync"},
        ],
        "targets": [{"name": "a", "versionID": version}, {"name": "b", "versionID": version, "reason": "X"}, {"name": "c"}],
    });
    let noted = served(&with_status(crm(), status.clone()), &store(granting())).noted;
    assert!(noted.onboarded && noted.settled_generation == Some(3));
    assert_eq!(noted.version.unwrap().as_str(), version);
    assert_eq!(noted.regions.iter().map(|region| region.as_str()).collect::<Vec<_>>(), ["us-west-2"]);
    assert_eq!(noted.targets.iter().map(|target| target.as_str()).collect::<Vec<_>>(), ["a"]);
    for unsettled in [condition("Reconciling", "True"), condition("Stalled", "True")] {
        let mut status = status.clone();
        status["conditions"].as_array_mut().unwrap().push(unsettled);
        assert_eq!(served(&with_status(crm(), status), &store(granting())).noted.settled_generation, None);
    }
}

#[test]
fn annotations_and_finalizers_are_read_from_metadata() {
    let mut mes = mes(crm());
    mes.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    mes.metadata.annotations = Some([(ABANDON.to_owned(), "gone for good".to_owned())].into());
    let resource = served(&mes, &store(granting()));
    assert!(resource.held && resource.abandoned);
}

#[test]
fn an_object_without_identity_is_a_failed_read() {
    let mut mes = mes(crm());
    mes.metadata.uid = None;
    assert!(own(&mes, &uid("cluster"), &uid("namespace")).is_err());
}

#[test]
fn a_grant_that_cannot_be_read_covers_nobody() {
    for to in [
        json!({}),
        json!({"namespaces": []}),
        json!({"namespaces": ["payments"], "namespaceSelector": {}}),
        json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Like", "values": ["pay*"]}]}}),
    ] {
        let mut spec = granting();
        spec["grants"] = json!([to]);
        assert_eq!(super::store(&store(spec.clone())).unwrap().grants[0].to, Audience::Nobody, "{to}");
        let reason = served(&mes(crm()), &store(spec)).spec.unwrap_err();
        assert_eq!(reason.code(), "StoreNotAllowed");
    }
}

#[test]
fn a_store_that_cannot_be_read_is_not_taken_for_another() {
    for (key, value) in [
        ("region", json!("Oregon")),
        ("accountID", json!("12345")),
        ("kmsKeyID", json!("a key")),
        ("rotationRoleARN", json!("rotation")),
        ("regions", json!([{"name": "Frankfurt"}])),
        // A login of a newer version must not become the pod's own.
        ("auth", json!({"webIdentity": {}})),
        ("auth", json!({"assumeRole": {"roleARN": "x"}})),
    ] {
        let mut spec = granting();
        spec[key] = value;
        assert_eq!(super::store(&store(spec.clone())), None, "{key}");
        let reason = served(&mes(crm()), &store(spec)).spec.unwrap_err();
        assert!(matches!(reason, Reason::UnreadableReference { store: true, .. }), "{key}");
    }
}

#[test]
fn an_admin_of_a_newer_kind_is_an_admin_all_the_same() {
    let admin = |admin: Value| super::account(&account(json!({"partnerTypes": ["X"], "admin": admin}))).unwrap().admin;
    assert_eq!(admin(json!({"vault": {}})), Some(AdminReference::Unreadable));
    assert_eq!(
        admin(json!({"secretRef": {"name": "a"}, "storeRef": {"secretName": "b"}})),
        Some(AdminReference::Unreadable)
    );
    let secret = Some(AdminReference::Secret(ObjectName::parse("a").unwrap()));
    assert_eq!(admin(json!({"secretRef": {"name": "a"}})), secret);
    assert!(matches!(
        admin(json!({"storeRef": {"secretName": "b"}})),
        Some(AdminReference::StoreSecret { store, .. }) if store.as_str() == "default"
    ));
    assert_eq!(super::account(&account(json!({"partnerTypes": ["X"]}))).unwrap().admin, None);
}

#[test]
fn the_engine_is_the_operator_unless_said() {
    let mut spec = crm();
    spec["rotation"] = json!({"schedule": "rate(1 day)"});
    assert_eq!(written(&mes(spec)).unwrap().rotation.engine, partner::Engine::Operator);
}

#[test]
fn a_resource_holds_what_it_resolved_to_and_what_its_status_remembers() {
    let status = json!({"identities": ["acme.bigid.cloud/x"], "secret": {"name": "prod/payments/former"}});
    let mes = with_status(crm(), status);
    let holding = |spec| super::holding(&mes, own(&mes, &uid("cluster"), &uid("namespace")).unwrap(), spec);
    let unserved = holding(None);
    assert_eq!(unserved.identities.iter().map(|each| each.as_str()).collect::<Vec<_>>(), ["acme.bigid.cloud/x"]);
    assert_eq!(unserved.secret.as_ref().unwrap().name.as_str(), "prod/payments/former");
    assert_eq!(unserved.targets.iter().map(|each| each.as_str()).collect::<Vec<_>>(), ["crm"]);
    let resource = served(&mes, &store(granting()));
    assert_eq!(holding(resource.spec.as_ref().ok()).secret.unwrap().name.as_str(), "prod/payments/crm");
    let mut observing = mes.clone();
    observing.spec.onboard = api::Onboard { observe: Some(api::Observe {}), ..api::Onboard::default() };
    let own = own(&observing, &uid("cluster"), &uid("namespace")).unwrap();
    assert_eq!(super::holding(&observing, own, None).secret, None, "reading takes nothing");
}

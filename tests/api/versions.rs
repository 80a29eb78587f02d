//! Objects of newer and older versions of us: whatever the server may hold parses, and nothing unknown is written.

use managed_external_secrets::api::{
    Engine, FirstRotation, IntentEffect, ManagedExternalSecret, PartnerAccount, PartnerDeletion, RegionRole,
    RegionState, Revocation, Rotation, SecretsManagerStore, StoreDeletion, TargetDeletion, TargetType, Trigger,
    VersionState,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn object<T: DeserializeOwned>(kind: &str, spec: Value, status: Value) -> T {
    let metadata = json!({"name": "x", "namespace": "payments"});
    let object = json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec, "status": status,
    });
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_resource_of_a_newer_version_parses_and_what_is_not_known_reads_as_such() {
    let spec = json!({
        "partner": {"type": "T", "tier": "gold"},
        "onboard": {"copy": {"from": "elsewhere"}},
        "storeRef": {"name": "default", "kind": "Store"},
        "rotation": {"engine": "Vault", "first": "Tomorrow", "disruption": "Forbid", "overlapDeadline": "48h"},
        "targets": [{"name": "t", "type": "example.com/new", "immutable": true}],
        "consumers": {"restart": "Always"},
        "deletion": {"targets": "Archive", "store": "Archive", "partner": "Archive", "recoveryWindowDays": 7},
    });
    let status = json!({
        "servingRegion": "eu-west-1",
        "versions": [{"id": "v", "state": "Burned"}],
        "regions": [{"name": "a", "role": "Witness", "state": "Lost"}],
    });
    let resource: ManagedExternalSecret = object("ManagedExternalSecret", spec, status);
    let spec = resource.spec;
    assert_eq!(spec.onboard, Default::default(), "a source that is not known is no source");
    let rotation = spec.rotation.unwrap();
    assert_eq!((rotation.engine, rotation.first), (Engine::Unrecognised, Some(FirstRotation::Unrecognised)));
    assert_eq!(spec.targets[0].type_, Some(TargetType::Unrecognised));
    let deletion = spec.deletion.unwrap();
    assert_eq!(deletion.targets, TargetDeletion::Unrecognised);
    assert_eq!(deletion.store, StoreDeletion::Unrecognised);
    assert_eq!(deletion.partner, PartnerDeletion::Unrecognised);
    let status = resource.status.unwrap();
    assert_eq!(status.versions[0].state, VersionState::Unknown);
    assert_eq!(status.regions[0].role, Some(RegionRole::Unrecognised));
    assert_eq!(status.regions[0].state, Some(RegionState::Unrecognised));
}

#[test]
fn a_rotation_of_a_newer_version_parses_and_is_no_plain_request() {
    let spec = json!({"resourceRef": {"name": "crm"}, "trigger": "Alarm", "revocation": "Sooner"});
    let status =
        json!({"intent": {"effect": "Rewind", "epoch": 4}, "snapshot": {"onFailure": "Hold"}, "owed": [{"why": "x"}]});
    let rotation: Rotation = object("Rotation", spec, status);
    assert_eq!(rotation.spec.trigger, Trigger::Unrecognised);
    assert_eq!(rotation.spec.revocation, Revocation::Unrecognised);
    let status = rotation.status.unwrap();
    assert_eq!(status.intent.unwrap().effect, IntentEffect::Unrecognised);
    assert_eq!(status.owed, [Default::default()]);
}

#[test]
fn accounts_and_stores_of_a_newer_version_parse() {
    let spec = json!({"partnerTypes": ["T"], "admin": {"vaultRef": {}}, "grants": [{"groups": ["a"]}], "quota": 3});
    let account: PartnerAccount = object("PartnerAccount", spec, json!({"circuit": "Open"}));
    assert_eq!(account.spec.admin, Some(Default::default()), "an admin somewhere that is not known is in no place");
    let spec =
        json!({"region": "a", "prefix": "p", "lostRegions": ["b"], "events": {"queueURL": "q"}, "auth": {"sso": {}}});
    let store: SecretsManagerStore = object("SecretsManagerStore", spec, json!({"sweepTime": "now"}));
    assert_eq!(store.spec.auth, Some(Default::default()));
}

#[test]
fn objects_without_a_status_or_with_the_least_of_a_spec_parse() {
    let resource: ManagedExternalSecret = object("ManagedExternalSecret", json!({"onboard": {}}), Value::Null);
    assert!(resource.status.is_none() && resource.spec.deletion.is_none());
    let rotation: Rotation = object("Rotation", json!({"resourceRef": {"name": "crm"}}), json!({}));
    assert_eq!(rotation.spec.trigger, Trigger::Request);
}

#[test]
fn what_was_not_recognised_is_never_written() {
    assert!(serde_json::to_value(IntentEffect::Unrecognised).is_err());
    assert!(serde_json::to_value(Trigger::Unrecognised).is_err());
    assert!(serde_json::to_value(Revocation::Unrecognised).is_err());
    assert!(serde_json::to_value(PartnerDeletion::Unrecognised).is_err());
    assert_eq!(serde_json::to_value(VersionState::Unknown).unwrap(), "Unknown");
}

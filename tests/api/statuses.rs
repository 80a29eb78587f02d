//! Statuses: what we write is what is stored and what is read back, whole.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use managed_external_secrets::api::{
    Intent, IntentEffect, ManagedExternalSecretStatus, OwedCredential, PartnerAccountStatus, RegionRole, RegionState,
    RegionStatus, RotationStatus, SecretStatus, SecretsManagerStoreStatus, Snapshot, TargetStatus, VersionState,
    VersionStatus, WaitingFor,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{create, object, patch};

const VERSION: &str = "1f0c6a3e-8a5b-4f1e-9c55-0d8a3f3f6d11-1";

/// A metav1 time: whole seconds.
fn time(second: i64) -> Time {
    Time(Timestamp::from_second(1_790_000_000 + second).unwrap())
}

fn conditions(types: &[&str]) -> Vec<Condition> {
    let condition = |type_: &&str| Condition {
        last_transition_time: time(0),
        message: "What happens, and what to do.".to_owned(),
        observed_generation: Some(1),
        reason: "InService".to_owned(),
        status: "True".to_owned(),
        type_: (*type_).to_owned(),
    };
    types.iter().map(condition).collect()
}

/// `count` of them, told apart.
fn several<T>(count: u8, one: impl Fn(u8) -> T) -> Vec<T> {
    (0..count).map(one).collect()
}

fn made(kind: &str, name: &str, spec: &str) {
    create(&object(kind, name, spec), false).unwrap();
}

/// Writes it to the real server, twice, and reads it back. A field that the schema lacks would be refused.
fn comes_back_whole<S: Serialize + DeserializeOwned + PartialEq + Debug>(kind: &str, name: &str, status: &S) {
    let written = serde_json::to_value(status).unwrap();
    let first = patch(kind, name, &json!({"status": written})).unwrap();
    assert_eq!(first["status"], written);
    assert_eq!(serde_json::from_value::<S>(first["status"].clone()).unwrap(), *status);
    let again = patch(kind, name, &json!({"status": written})).unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"], "written again");
}

#[test]
fn a_resources_status_with_every_field_is_stored_as_it_is() {
    made("ManagedExternalSecret", "status", "{partner: {type: T}, onboard: {fromSecret: {name: s}}}");
    let region = |name: &str, role, state| RegionStatus {
        name: name.to_owned(),
        role: Some(role),
        state: Some(state),
        version_id: Some(VERSION.to_owned()),
        reason: Some("AccessDenied".to_owned()),
    };
    let status = ManagedExternalSecretStatus {
        observed_generation: Some(1),
        conditions: conditions(&["Ready", "Onboarded", "Rotated", "Replicated", "Synced", "Reconciling", "Stalled"]),
        identities: vec!["db.example:5432/payments_a".to_owned()],
        secret: Some(SecretStatus {
            name: "eks-prod/payments/crm".to_owned(),
            arn: "arn:aws:secretsmanager:us-west-2:123456789012:secret:eks-prod/payments/crm-AbCdEf".to_owned(),
        }),
        version_id: Some(VERSION.to_owned()),
        versions: several(10, |n| VersionStatus {
            id: format!("{VERSION}{n}"),
            state: [VersionState::Current, VersionState::Unknown][usize::from(n > 0)],
            stages: vec!["AWSCURRENT".to_owned()],
            partner_id: Some("0xH5e0000000001".to_owned()),
            create_time: Some(time(1)),
            revoke_after_time: Some(time(2)),
        }),
        regions: vec![
            region("us-west-2", RegionRole::Primary, RegionState::InSync),
            region("eu-west-1", RegionRole::Replica, RegionState::InProgress),
            region("eu-west-2", RegionRole::Replica, RegionState::Failed),
            region("eu-west-3", RegionRole::Replica, RegionState::Unreachable),
        ],
        targets: vec![TargetStatus {
            name: "crm".to_owned(),
            version_id: Some(VERSION.to_owned()),
            reason: Some("TargetConflict".to_owned()),
        }],
        active_rotation: Some("crm-8".to_owned()),
        last_rotation_time: Some(time(3)),
        next_rotation_time: Some(time(4)),
        expiration_time: Some(time(5)),
        pending_revocations: Some(1),
    };
    comes_back_whole("ManagedExternalSecret", "status", &status);
}

#[test]
fn a_journal_with_every_field_is_stored_as_it_is() {
    made("Rotation", "status", "{resourceRef: {name: crm}}");
    let mut status = RotationStatus {
        observed_generation: Some(1),
        conditions: conditions(&["Promoted", "Complete", "Failed"]),
        phase: Some("Verifying".to_owned()),
        attempt: Some(3),
        intent: Some(Intent { effect: IntentEffect::Create, time: Some(time(1)), holder: "mes-6d5f-x7k/4".to_owned() }),
        version_id: Some(VERSION.to_owned()),
        superseded_version_id: Some(VERSION.to_owned()),
        candidate_partner_id: Some("0xH5e0000000002".to_owned()),
        aborting: Some(true),
        accepted_count: Some(2),
        slot: Some("payments_b".to_owned()),
        snapshot: Some(Snapshot { overlap: Some("24h".to_owned()) }),
        owed: several(64, |n| OwedCredential {
            partner_id: Some(format!("key-{n}")),
            version_id: Some(VERSION.to_owned()),
            doom_time: (n == 0).then(|| time(2)),
        }),
        baseline: several(64, |n| format!("key-{n}")),
        start_time: Some(time(3)),
        promote_time: Some(time(4)),
        revoke_after_time: Some(time(5)),
        completion_time: Some(time(6)),
        waiting_for: several(20, |n| WaitingFor {
            kind: "Region".to_owned(),
            name: format!("eu-west-{n}"),
            reason: "Unreachable".to_owned(),
        }),
        failed_attempts: Some(2),
        last_failure_time: Some(time(7)),
        last_failure_reason: Some("CandidateRejected".to_owned()),
    };
    for effect in [IntentEffect::Create, IntentEffect::Register, IntentEffect::Promote] {
        status.intent.as_mut().unwrap().effect = effect;
        comes_back_whole("Rotation", "status", &status);
    }
}

#[test]
fn an_accounts_and_a_stores_status_are_stored_as_they_are() {
    made("PartnerAccount", "status", "{partnerTypes: [T]}");
    let status = PartnerAccountStatus { observed_generation: Some(1), conditions: conditions(&["Ready"]) };
    comes_back_whole("PartnerAccount", "status", &status);
    made("SecretsManagerStore", "status", "{region: us-west-2, prefix: eks}");
    let status = SecretsManagerStoreStatus {
        observed_generation: Some(1),
        conditions: conditions(&["Ready", "IsolatedByIAM"]),
        account_id: Some("123456789012".to_owned()),
    };
    comes_back_whole("SecretsManagerStore", "status", &status);
}

#[test]
fn a_status_that_is_none_is_refused_and_never_touches_the_spec() {
    made("ManagedExternalSecret", "refused", "{partner: {type: T}, onboard: {fromSecret: {name: s}}}");
    made("Rotation", "refused", "{resourceRef: {name: crm}}");
    let eleven: Vec<Value> = (0..11).map(|n| json!({"id": format!("v{n}"), "state": "Unknown"})).collect();
    let condition =
        json!({"type": "Ready", "status": "True", "reason": "", "message": "", "lastTransitionTime": time(0)});
    let rows = [
        ("ManagedExternalSecret", json!({"versions": eleven}), "status.versions"),
        ("ManagedExternalSecret", json!({"versions": [{"id": "v", "state": "Burned"}]}), "status.versions[0].state"),
        ("ManagedExternalSecret", json!({"regions": [{"name": "a"}, {"name": "a"}]}), "status.regions[1]"),
        ("ManagedExternalSecret", json!({"conditions": [condition, condition]}), "status.conditions[1]"),
        ("ManagedExternalSecret", json!({"pendingRevocations": -1}), "status.pendingRevocations"),
        ("ManagedExternalSecret", json!({"lastRotationTime": "yesterday"}), "status.lastRotationTime"),
        ("Rotation", json!({"intent": {"holder": "nobody"}}), "status.intent.effect"),
        ("Rotation", json!({"intent": {"effect": "Revoke"}}), "status.intent.effect"),
        ("Rotation", json!({"acceptedCount": "two"}), "status.acceptedCount"),
    ];
    for (kind, status, field) in rows {
        let refusal = patch(kind, "refused", &json!({ "status": status })).expect_err(field);
        assert!(refusal.contains(field), "wants {field}: {refusal}");
    }
    let both = json!({"spec": {"suspend": true}, "status": {"versionID": "v1"}});
    let after = patch("ManagedExternalSecret", "refused", &both).unwrap();
    assert_eq!(after["status"]["versionID"], "v1");
    assert_eq!((&after["spec"]["suspend"], &after["metadata"]["generation"]), (&Value::Null, &json!(1)));
}

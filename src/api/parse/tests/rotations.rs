//! The journal through the wire and back.

use jiff::{SignedDuration, Timestamp};
use mes_core::journal::{Candidate, Entry, Flaw, IntentStep, Outcome, Rejection, Rotation, Trigger};
use mes_core::names::{CredentialId, ObjectName, Slot, Uid, VersionId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use crate::api;

const UID: &str = "7b0a1c9e-2222-4c0e-9b1a-2f6f0a7f3f11";
const OWNER: &str = "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11";

fn object(status: Value) -> api::Rotation {
    let object = json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {
            "name": "crm-7", "namespace": "payments", "uid": UID, "resourceVersion": "42", "generateName": "crm-",
            "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["managed-secrets.io/cleanup"],
            "ownerReferences": [
                {"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "name": "crm", "uid": OWNER},
            ],
        },
        "spec": {"resourceRef": {"name": "crm"}, "trigger": "Schedule"}, "status": status,
    });
    serde_json::from_value(object).unwrap()
}

fn owner() -> Uid {
    Uid::parse(OWNER).unwrap()
}

fn read(rotation: &api::Rotation) -> Rotation {
    journal(std::slice::from_ref(rotation), &owner()).unwrap().rotations.remove(0)
}

fn id(text: &str) -> CredentialId {
    CredentialId::parse(text).unwrap()
}

fn version(number: u16) -> VersionId {
    VersionId::of(&Uid::parse(UID).unwrap(), number)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn intend(number: u16) -> Entry {
    Entry::Intend {
        number,
        version: version(number),
        supersedes: Some(version(900)),
        slot: Some(Slot::parse("payments_b").unwrap()),
        baseline: [id("key-1"), id("key-2")].into(),
        overlap: SignedDuration::from_secs(5400),
    }
}

#[test]
fn metadata_and_spec_are_read() {
    let rotation = read(&object(Value::Null));
    assert_eq!((rotation.name.as_str(), rotation.revision.as_str()), ("crm-7", "42"));
    assert_eq!((rotation.trigger, rotation.owned, rotation.generated), (Trigger::Schedule, Some(true), true));
    assert!(rotation.held && rotation.deleting.is_none() && !rotation.unreadable && rotation.attempt.is_none());
}

#[test]
fn a_restored_object_has_an_owner_that_is_no_more_and_a_persons_has_none() {
    let mut rotation = object(Value::Null);
    let other = Uid::parse("another").unwrap();
    assert_eq!(journal(&[rotation.clone()], &other).unwrap().rotations[0].owned, Some(false));
    rotation.metadata.owner_references = None;
    assert_eq!(read(&rotation).owned, None);
}

#[test]
fn an_object_without_identity_is_a_failed_read_and_no_empty_journal() {
    let mut rotation = object(Value::Null);
    rotation.metadata.resource_version = None;
    assert!(journal(&[rotation], &owner()).is_err());
}

/// A promoted rotation as it stands on the wire.
fn promoted() -> Value {
    let entries = [
        intend(1),
        Entry::Accepted(1),
        Entry::Owe([(id("old"), Some(version(900)))].into()),
        Entry::Promoting,
        Entry::Promoted,
        Entry::Doom(id("old"), None),
    ];
    let status = recorded(&object(Value::Null), &owner(), &entries, "pod-1/4", at(0)).unwrap();
    serde_json::to_value(status).unwrap()
}

#[test]
fn people_see_where_it_stands() {
    let status = promoted();
    assert_eq!(status["phase"], "Revoking");
    assert_eq!(status["versionID"], format!("{UID}-1"));
    assert_eq!(status["snapshot"]["overlap"], "1h30m");
    assert_eq!(status["intent"]["holder"], "pod-1/4");
    let reasons: Vec<_> = status["conditions"].as_array().unwrap().iter().map(|each| each["reason"].as_str()).collect();
    assert_eq!(reasons, [Some("Promoted"), Some("InProgress")]);
    let promoted_at: Timestamp = status["promoteTime"].as_str().unwrap().parse().unwrap();
    let revoke_after: Timestamp = status["revokeAfterTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(promoted_at.duration_until(revoke_after), SignedDuration::from_mins(90));
}

#[test]
fn what_cannot_be_read_is_not_taken_for_empty_and_takes_no_record() {
    let spoilt: [(&str, Value); 13] = [
        ("intent", json!({"effect": "Rollback", "time": "2026-01-01T00:00:00Z"})),
        ("intent", json!({"effect": "Create"})),
        ("intent", Value::Null),
        ("versionID", Value::Null),
        ("versionID", json!("short")),
        ("versionID", json!("a-version-of-somebody-else-with-32-characters")),
        ("attempt", Value::Null),
        ("attempt", json!(2)),
        ("supersededVersionID", json!("short")),
        ("owed", json!([{"versionID": "x"}])),
        ("owed", json!([{"partnerID": "two words"}])),
        ("snapshot", json!({"overlap": "2 days"})),
        ("baseline", json!(["two words"])),
    ];
    for (field, value) in spoilt {
        let mut status = promoted();
        status["promoteTime"] = Value::Null;
        assert!(!read(&object(status.clone())).unreadable, "{field}: it is read before");
        status[field] = value.clone();
        let rotation = object(status);
        let marked = read(&rotation);
        assert!(marked.unreadable, "{field}: {value}");
        for entry in [
            intend(1),
            intend(2),
            Entry::Promoting,
            Entry::Abort,
            Entry::Doom(id("x"), None),
            Entry::End(Outcome::Kept),
        ] {
            assert!(recorded(&rotation, &owner(), &[entry], "pod", at(9)).is_err(), "{field}: {value}");
        }
    }
    let mut promoted_by_nobody = promoted();
    for field in ["attempt", "versionID", "intent", "supersededVersionID", "slot", "baseline", "candidatePartnerID"] {
        promoted_by_nobody.as_object_mut().unwrap().remove(field);
    }
    assert!(read(&object(promoted_by_nobody)).unreadable);
    let mut half_ended = promoted();
    half_ended["completionTime"] = json!("2026-01-01T00:00:00Z");
    assert!(read(&object(half_ended)).unreadable);
}

#[test]
fn a_trigger_that_may_have_meant_more_is_not_run_as_a_request() {
    let mut rotation = object(Value::Null);
    rotation.spec.trigger = api::Trigger::Unrecognised;
    assert!(read(&rotation).unreadable);
    assert!(recorded(&rotation, &owner(), &[intend(1)], "pod", at(0)).is_err());
}

#[test]
fn a_candidate_is_read_whole_and_one_that_is_not_known_is_no_plain_request() {
    let read_candidate = |candidate: Value| {
        let mut wire = serde_json::to_value(object(Value::Null)).unwrap();
        wire["spec"]["trigger"] = json!("Request");
        wire["spec"]["candidate"] = candidate;
        read(&serde_json::from_value(wire).unwrap())
    };
    let secret = read_candidate(json!({"fromSecret": {"name": "crm-new"}}));
    assert_eq!(secret.candidate, Some(Candidate::FromSecret(ObjectName::parse("crm-new").unwrap())));
    let back = read_candidate(json!({"versionID": version(7).as_str()}));
    assert_eq!((back.candidate.as_ref(), back.wanted()), (Some(&Candidate::Version(version(7))), Some(&version(7))));
    assert!(!secret.unreadable && !back.unreadable && secret.pre_empts() && !secret.is_alarm());
    for other in [
        json!({}),
        json!({"fromVault": {"path": "a"}}),
        json!({"versionID": "short"}),
        json!({"fromSecret": {"name": "Upper"}}),
        json!({"fromSecret": {"name": "a"}, "versionID": version(7).as_str()}),
    ] {
        assert!(read_candidate(other.clone()).unreadable, "{other}");
    }
}

#[test]
fn an_unreadable_rotation_is_driven_before_all_others() {
    let mut newer = object(json!({"intent": {"effect": "Rollback"}}));
    newer.metadata.name = Some("crm-9".to_owned());
    newer.metadata.creation_timestamp = Some(Time(at(99)));
    let begun = object(promoted());
    let journal = journal(&[begun, newer], &owner()).unwrap();
    assert_eq!(journal.open().unwrap().name.as_str(), "crm-9");
}

#[test]
fn an_end_of_another_version_is_an_end_and_makes_no_stray() {
    let condition = json!({
        "type": "Failed", "status": "True", "reason": "OfAnotherVersion", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let mut status = promoted();
    status["conditions"] = json!([condition]);
    let rotation = read(&object(status));
    assert_eq!(rotation.ended.map(|(outcome, _)| outcome), Some(Outcome::Kept));
    assert_eq!(rotation.burned().count(), 0);
    let mut half = json!({"conditions": [condition]});
    half["intent"] = json!({"effect": "Rollback"});
    let rotation = read(&object(half));
    assert!(rotation.unreadable && rotation.ended.is_some(), "what is over holds up nobody");
}

#[test]
fn times_are_rounded_up_so_that_nothing_comes_early() {
    let now: Timestamp = "2026-01-01T00:00:00.000000001Z".parse().unwrap();
    let status = recorded(&object(Value::Null), &owner(), &[intend(1)], "pod", now).unwrap();
    assert_eq!(status.intent.unwrap().time.unwrap().0, "2026-01-01T00:00:01Z".parse().unwrap());
}

#[test]
fn what_the_journal_does_not_hold_is_kept() {
    let first = recorded(&object(Value::Null), &owner(), &[intend(1)], "pod-1", at(0)).unwrap();
    let mut rotation = object(Value::Null);
    rotation.status = Some(api::RotationStatus {
        waiting_for: vec![api::WaitingFor { kind: "Region".into(), name: "eu-west-1".into(), reason: String::new() }],
        last_failure_reason: Some("CandidateNotAccepted".into()),
        ..first.clone()
    });
    let second = recorded(&rotation, &owner(), &[Entry::Accepted(1)], "pod-2", at(60)).unwrap();
    assert_eq!(second.start_time, first.start_time);
    assert_eq!(second.intent.as_ref().unwrap().holder, "pod-1", "nobody announced anything");
    assert_eq!((second.waiting_for.len(), second.last_failure_reason.as_deref()), (1, Some("CandidateNotAccepted")));
    rotation.status = Some(second);
    let third = recorded(&rotation, &owner(), &[Entry::Registering], "pod-2", at(60)).unwrap();
    assert_eq!(third.intent.as_ref().unwrap().holder, "pod-2");
    assert_eq!(third.intent.unwrap().effect, api::IntentEffect::Register);
}

#[test]
fn what_does_not_follow_is_not_recorded() {
    for entry in [Entry::Promoting, Entry::Promoted, intend(2), Entry::Paid(id("x"))] {
        assert!(recorded(&object(Value::Null), &owner(), &[entry], "pod", at(0)).is_err());
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let credential = prop_oneof![Just("key-1"), Just("payments_a@v/1"), Just("~x.y:z")].prop_map(id);
    let held = proptest::option::of((1..4_u16).prop_map(version));
    let outcome = proptest::sample::select(vec![
        Outcome::Revoked,
        Outcome::Kept,
        Outcome::RevokedByPartner,
        Outcome::Merged,
        Outcome::Cancelled,
        Outcome::Exhausted,
        Outcome::NotDue,
        Outcome::Restored,
        Outcome::EngineNotSupported,
        Outcome::ResourceDeleted,
        Outcome::PartnerRejected,
        Outcome::CandidateRejected(Rejection::Lost),
        Outcome::CandidateRejected(Rejection::Refused),
        Outcome::CandidateRejected(Rejection::Burned),
        Outcome::CandidateRejected(Rejection::Unchecked),
        Outcome::SeedInvalid(Flaw::Missing),
        Outcome::SeedInvalid(Flaw::Admins),
        Outcome::VersionNotLive,
    ]);
    let overlap = prop_oneof![Just(0), 1..31_600_000_i64].prop_map(SignedDuration::from_secs);
    let slot = proptest::option::of(Just(Slot::parse("payments_b").unwrap()));
    let intend = (1..4_u16, held.clone(), slot, proptest::collection::btree_set(credential.clone(), 0..3), overlap)
        .prop_map(|(number, supersedes, slot, baseline, overlap)| Entry::Intend {
            number,
            version: version(number),
            supersedes,
            slot,
            baseline,
            overlap,
        });
    let entry = prop_oneof![
        4 => intend,
        1 => credential.clone().prop_map(Entry::Candidate),
        2 => (0..4_u8).prop_map(Entry::Accepted),
        1 => Just(Entry::Registering),
        1 => proptest::collection::btree_map(credential.clone(), held.clone(), 0..3).prop_map(Entry::Owe),
        2 => Just(Entry::Promoting),
        2 => Just(Entry::Promoted),
        1 => (credential.clone(), held.clone()).prop_map(|(id, version)| Entry::Doom(id, version)),
        1 => credential.clone().prop_map(Entry::Paid),
        1 => credential.prop_map(Entry::Spare),
        1 => Just(Entry::Abort),
        1 => held.prop_map(|supersedes| Entry::Found {
            version: VersionId::parse("a-version-that-aws-made-by-itself-0001").unwrap(),
            supersedes,
        }),
        1 => outcome.prop_map(Entry::End),
    ];
    proptest::collection::vec(entry, 0..16)
}

proptest! {
    #[test]
    fn every_journal_comes_back_from_the_wire_as_it_was(entries in entries()) {
        let mut journal = read(&object(Value::Null));
        let mut rotation = object(Value::Null);
        for (second, entry) in (0..).zip(&entries) {
            let Ok(after) = journal.clone().with(entry, at(second)) else {
                prop_assert!(recorded(&rotation, &owner(), std::slice::from_ref(entry), "pod", at(second)).is_err());
                continue;
            };
            let status = recorded(&rotation, &owner(), std::slice::from_ref(entry), "pod", at(second)).unwrap();
            let wire = serde_json::to_value(&status).unwrap();
            rotation = object(wire);
            prop_assert_eq!(read(&rotation), after.clone());
            prop_assert_eq!(rotation.status.as_ref(), Some(&status), "JSON loses nothing");
            rotation.status = Some(rotation_status(&after));
            prop_assert_eq!(read(&rotation), after.clone());
            journal = after;
        }
    }

    #[test]
    fn any_status_is_read_without_panic(
        effect in "[A-Za-z]{0,8}", version in "[ -~]{0,40}", overlap in "[ -~]{0,8}", attempt in any::<Option<u16>>(),
    ) {
        let status = json!({
            "attempt": attempt, "versionID": version, "snapshot": {"overlap": overlap},
            "intent": {"effect": effect, "time": "2026-01-01T00:00:00Z"},
        });
        let rotation = read(&object(status));
        prop_assert!(rotation.unreadable || rotation.attempt.is_some_and(|attempt| attempt.step <= IntentStep::Promote));
    }
}

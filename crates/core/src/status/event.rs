//! The events of effects that went well, and of conditions that changed.

use std::collections::BTreeMap;

use super::{Truth, View, printable};
use crate::effect::Effect;
use crate::journal::{Entry, Journal, Outcome, Rotation, Trigger};
use crate::names::ObjectName;
use crate::spec::{Engine, Fate, Resource};

/// An event to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether a person should look.
    pub warning: bool,
    /// `reason`.
    pub reason: &'static str,
    /// `note`.
    pub note: String,
    /// `related`: the Rotation.
    pub rotation: Option<ObjectName>,
}

/// The event of an effect that went well.
pub fn event(effect: &Effect) -> Option<Event> {
    let event = |reason, note: String, rotation: Option<&ObjectName>| {
        Some(Event { warning: false, reason, note: printable(&note), rotation: rotation.cloned() })
    };
    match effect {
        Effect::Mint { version, .. } | Effect::Compose { version, .. } => {
            event("CandidateCreated", format!("a candidate was made and stored as {version}"), None)
        }
        Effect::Bring { version, .. } => {
            event("CandidateCreated", format!("the candidate that a person brought was stored as {version}"), None)
        }
        Effect::Claim => event("TakenBack", "the AWS secret carries the claim of this resource".to_owned(), None),
        Effect::ApplyTarget { target, version, .. } => {
            event("TargetUpdated", format!("Secret {target} carries version {version}"), None)
        }
        Effect::Revoke { credential, proven: false, .. } => Some(Event {
            warning: true,
            reason: "RevokedWithoutProof",
            note: printable(&format!(
                "{credential} was revoked at the partner at once, as its Rotation asks (revocation: AtOnce); a region or Secret that is not known to carry AWSCURRENT may hold a dead credential until it does"
            )),
            rotation: None,
        }),
        // Not announced by any rotation: somebody else's move is undone.
        Effect::Promote { to, from: Some(from), right: None } => Some(Event {
            warning: true,
            reason: "RolledBack",
            note: printable(&format!(
                "AWSCURRENT was put onto {from} by somebody else; the partner refuses it, or it must not be in use again, so it went to {to}, which works"
            )),
            rotation: None,
        }),
        Effect::WriteDebt(debt) => Some(Event {
            warning: true,
            reason: "RevocationOutstanding",
            note: printable(&format!(
                "what is owed at {} outlives what owes it and stands on the AWS secret (labels managed-secrets.io/owed/VERSION); it is revoked from there {}once the partner, its account and the admin credential allow it",
                debt.partner_type.as_ref().map_or("the partner", |name| name.as_str()),
                debt.due().map(|due| format!("not before {due}, ")).unwrap_or_default(),
            )),
            rotation: None,
        }),
        Effect::CloseDebt => event("RevocationsPaid", "the AWS secret owes nothing any more".to_owned(), None),
        Effect::Revoke { credential, .. } => event("Revoked", format!("{credential} was revoked at the partner"), None),
        Effect::Record { rotation, entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::Intend { number: 1, .. } => {
                event("RotationStarted", format!("Rotation {rotation} began"), Some(rotation))
            }
            Entry::Accepted(1) => {
                event("CandidateVerified", "the partner accepts the stored candidate".to_owned(), Some(rotation))
            }
            Entry::Promoted => event("Promoted", "AWSCURRENT is on the new version".to_owned(), Some(rotation)),
            Entry::End(outcome) if outcome.failed() => Some(Event {
                warning: true,
                reason: "RotationFailed",
                note: format!("Rotation {rotation} ended: {}", outcome_code(*outcome)),
                rotation: Some(rotation.clone()),
            }),
            Entry::End(outcome) => event(
                "RotationCompleted",
                format!("Rotation {rotation} ended: {}", outcome_code(*outcome)),
                Some(rotation),
            ),
            _ => None,
        }),
        _ => None,
    }
}

/// The event of what goes with a finalizer while something is left that could be written nowhere: the spec, and with it the
/// secret and the account, can't be resolved. A Rotation that was deleted too is told of before it is gone.
pub fn lost(resource: &Resource, journal: &Journal, effect: &Effect) -> Option<Event> {
    if resource.deleting.is_none() || resource.abandoned || resource.spec.is_ok() {
        return None;
    }
    let left = |goes: &dyn Fn(&Rotation) -> bool| -> Vec<String> {
        journal.waiting().filter(|rotation| goes(rotation)).flat_map(credentials_left).collect()
    };
    let left = match effect {
        Effect::ReleaseRotation { rotation: name, .. } => {
            left(&|rotation| rotation.name == *name && rotation.deleting.is_some())
        }
        Effect::Release { .. } => left(&|_| true).into_iter().chain(promised(resource).map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let note = format!(
        "the finalizer went with its time, and nobody could write down what is left; revoke and delete by hand: {}",
        left.join(", ")
    );
    let lost = Event { warning: true, reason: "RevocationLost", note: printable(&note), rotation: None };
    (!left.is_empty()).then_some(lost)
}

/// The credentials that a rotation owes, and the candidate that it made and did not bring in.
fn credentials_left(rotation: &Rotation) -> impl Iterator<Item = String> {
    let made = rotation.attempt.as_ref().filter(|_| rotation.promoted.is_none() && rotation.candidate.is_none());
    let candidate = made.map(|made| match &made.candidate {
        Some(id) => id.to_string(),
        None => format!("the candidate of version {}", made.version),
    });
    rotation.owed.keys().map(ToString::to_string).chain(candidate)
}

/// What the axes of the deletion would have taken along.
fn promised(resource: &Resource) -> impl Iterator<Item = &'static str> {
    let made = resource.noted.onboarded || resource.noted.secret;
    let partner = (resource.deletion.partner == Fate::Remove).then_some("the credentials in its AWS secret");
    let store = (resource.deletion.store == Fate::Remove).then_some("the AWS secret");
    partner.into_iter().chain(store).filter(move |_| made)
}

/// The events of conditions that changed. `was`: status and reason by type.
pub fn events_of_change(view: &View, was: &BTreeMap<String, (Truth, String)>) -> Vec<Event> {
    let mut events = Vec::new();
    for condition in &view.conditions {
        let before = was.get(condition.kind);
        if before.is_some_and(|(truth, reason)| *truth == condition.truth && *reason == condition.reason) {
            continue;
        }
        let first_true = condition.truth == Truth::True && before.is_none_or(|(truth, _)| *truth != Truth::True);
        let (warning, reason) = match (condition.kind, condition.truth, condition.reason) {
            ("Stalled", Truth::True, reason) => (true, reason),
            ("Onboarded", Truth::True, _) if first_true => (false, "Onboarded"),
            ("Replicated", Truth::True, "InSync") if first_true => (false, "RegionInSync"),
            ("Replicated", Truth::False, "RegionFailed" | "RegionUnreachable") => (true, "RegionFailed"),
            ("Rotated", Truth::False, "PartnerUnavailable") => (true, "PartnerUnavailable"),
            ("Ready", Truth::True, "RevocationHeld") => (true, "RevocationHeld"),
            _ => continue,
        };
        events.push(Event { warning, reason, note: condition.message.clone(), rotation: view.active_rotation.clone() });
    }
    events
}

/// The event of an AWSCURRENT that somebody else moved. `view` is what is about to be told. It is followed, since a person
/// may have had to; where AWS rotates, or others own the secret, it is no news.
pub fn changed_outside(resource: &Resource, journal: &Journal, view: &View) -> Option<Event> {
    let spec = resource.spec.as_ref().ok()?;
    if !matches!(spec.rotation.engine, Engine::Operator(_)) || !resource.noted.onboarded {
        return None;
    }
    let (before, now) = (resource.noted.version.as_ref()?, view.version.as_ref()?);
    let ours = |rotation: &Rotation| rotation.version() == Some(now);
    if before == now || journal.open().is_some_and(ours) || journal.last_promoted().is_some_and(ours) {
        return None;
    }
    let note = format!(
        "AWSCURRENT was moved from {before} to {now} by somebody else; it is followed, and nothing is revoked for it"
    );
    Some(Event {
        warning: true,
        reason: "ChangedOutside",
        note: printable(&note),
        rotation: view.active_rotation.clone(),
    })
}

/// The code of an outcome: reason of conditions `Complete` and `Failed`.
pub fn outcome_code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Revoked => "Revoked",
        Outcome::Kept => "Kept",
        Outcome::RevokedByPartner => "RevokedByPartner",
        Outcome::Merged => "Merged",
        Outcome::Superseded => "Superseded",
        Outcome::Cancelled => "Cancelled",
        Outcome::Exhausted => "Exhausted",
        Outcome::NotDue => "NotDue",
        Outcome::Restored => "Restored",
        Outcome::EngineNotSupported => "EngineNotSupported",
        Outcome::ResourceDeleted => "ResourceDeleted",
        Outcome::PartnerRejected => "PartnerRejected",
        Outcome::CandidateRejected(_) => "CandidateRejected",
        Outcome::SeedInvalid(_) => "SeedInvalid",
        Outcome::VersionNotLive => "VersionNotLive",
    }
}

/// The code of a trigger.
pub fn trigger_code(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Onboarding => "Onboarding",
        Trigger::Schedule => "Schedule",
        Trigger::Expiry => "Expiry",
        Trigger::Request => "Request",
        Trigger::Compromise => "Compromise",
    }
}

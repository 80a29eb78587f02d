//! The journal: a Rotation's status read and written, exactly.
//!
//! Invariant: `read(write(rotation)) == rotation`, also through JSON; what can't be read marks the rotation, which then
//! takes no record.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mes_core::duration;
use mes_core::fault::Fault;
use mes_core::journal::{
    Attempt, Candidate, Entry, Flaw, Illegal, IntentStep, Journal, Outcome, Owed, Rejection, Revocation, Rotation,
    Trigger,
};
use mes_core::names::{CredentialId, ObjectName, Revision, Slot, Uid, VersionId};

use super::{held, part, time};
use crate::api;

/// The Rotations of the resource with UID `owner`, in any order. An object without identity is a failed read.
pub fn journal(rotations: &[api::Rotation], owner: &Uid) -> Result<Journal, Fault> {
    let rotations = rotations.iter().map(|rotation| read(rotation, owner)).collect::<Result<_, _>>()?;
    Ok(Journal { rotations })
}

/// The status after `entries`, recorded by `holder` (the lease's holder and transitions) at `now`, onto this very object.
///
/// Times have whole seconds on the wire and are rounded up: nothing is allowed earlier than it was stated.
pub fn recorded(
    rotation: &api::Rotation,
    owner: &Uid,
    entries: &[Entry],
    holder: &str,
    now: Timestamp,
) -> Result<api::RotationStatus, Illegal> {
    let before = read(rotation, owner).map_err(|_| Illegal)?;
    let now = whole_second(now);
    let announced = |rotation: &Rotation| rotation.attempt.as_ref().map(|attempt| (attempt.step, attempt.time));
    let unchanged = announced(&before);
    let after = entries.iter().try_fold(before, |rotation, entry| rotation.with(entry, now))?;
    let was = rotation.status.clone().unwrap_or_default();
    let mut status = rotation_status(&after);
    let announces = entries.iter().any(|entry| {
        matches!(
            entry,
            Entry::Intend { .. } | Entry::Registering | Entry::Using | Entry::Promoting | Entry::Found { .. }
        )
    });
    if let Some(intent) = &mut status.intent {
        let same = !announces && unchanged == announced(&after);
        intent.holder =
            if same { was.intent.map(|intent| intent.holder).unwrap_or_default() } else { holder.to_owned() };
    }
    status.start_time = was.start_time.or_else(|| status.intent.as_ref().map(|_| Time(now)));
    status.last_failure_reason = status.last_failure_reason.or(was.last_failure_reason);
    status.waiting_for = if after.ended.is_some() { Vec::new() } else { was.waiting_for };
    Ok(status)
}

/// What the journal says, on the wire: without what it does not hold (`startTime`, `waitingFor`, `intent.holder`).
pub fn rotation_status(rotation: &Rotation) -> api::RotationStatus {
    let attempt = rotation.attempt.as_ref();
    let some = |count: u16| Some(count).filter(|count| *count > 0);
    api::RotationStatus {
        observed_generation: Some(GENERATION),
        conditions: conditions(rotation),
        phase: Some(phase(rotation).to_owned()),
        attempt: attempt.map(|attempt| attempt.number),
        intent: attempt.map(|attempt| api::Intent {
            effect: match attempt.step {
                IntentStep::Create => api::IntentEffect::Create,
                IntentStep::Register => api::IntentEffect::Register,
                IntentStep::Promote => api::IntentEffect::Promote,
            },
            time: Some(Time(attempt.time)),
            holder: String::new(),
        }),
        version_id: attempt.map(|attempt| attempt.version.to_string()),
        superseded_version_id: attempt.and_then(|attempt| attempt.supersedes.as_ref()).map(ToString::to_string),
        candidate_partner_id: attempt.and_then(|attempt| attempt.candidate.as_ref()).map(ToString::to_string),
        aborting: Some(true).filter(|_| rotation.aborting),
        accepted_count: attempt.map(|attempt| attempt.accepted).filter(|count| *count > 0),
        slot: attempt.and_then(|attempt| attempt.slot.as_ref()).map(ToString::to_string),
        snapshot: rotation.overlap.map(|overlap| api::Snapshot { overlap: Some(spelled(overlap)) }),
        owed: rotation
            .owed
            .iter()
            .map(|(id, owed)| api::OwedCredential {
                partner_id: Some(id.to_string()),
                version_id: owed.version.as_ref().map(ToString::to_string),
                doom_time: owed.doomed.map(Time),
            })
            .collect(),
        baseline: attempt.iter().flat_map(|attempt| &attempt.baseline).map(ToString::to_string).collect(),
        start_time: None,
        promote_time: rotation.promoted.map(Time),
        revoke_after_time: revoke_after(rotation).map(Time),
        completion_time: rotation.ended.map(|(_, at)| Time(at)),
        waiting_for: Vec::new(),
        failed_attempts: some(rotation.failed_attempts),
        last_failure_time: rotation.last_failure.map(Time),
        last_failure_reason: rotation.ended.and_then(|(outcome, _)| detail(outcome)).map(str::to_owned),
    }
}

/// The spec never changes, so the status always speaks of the first generation.
const GENERATION: i64 = 1;

fn whole_second(now: Timestamp) -> Timestamp {
    let up = i64::from(now.subsec_nanosecond() > 0);
    Timestamp::from_second(now.as_second() + up).unwrap_or(now)
}

fn revoke_after(rotation: &Rotation) -> Option<Timestamp> {
    let owes = rotation.ended.is_none() && !rotation.owed.is_empty();
    rotation.promoted.filter(|_| owes)?.checked_add(rotation.overlap?).ok()
}

/// For people: where it stands.
fn phase(rotation: &Rotation) -> &'static str {
    match (rotation.ended, &rotation.attempt) {
        (Some((outcome, _)), _) if outcome.failed() => "Failed",
        (Some(_), _) => "Complete",
        _ if rotation.aborting => "Aborting",
        _ if rotation.promoted.is_some() => match rotation.owed.values().any(|owed| owed.doomed.is_some()) {
            true => "Revoking",
            false if rotation.owed.is_empty() => "Delivering",
            false => "Overlap",
        },
        (None, None) => "Pending",
        (None, Some(attempt)) => match attempt.step {
            IntentStep::Promote => "Promoting",
            _ if attempt.accepted > 0 || attempt.candidate.is_some() => "Verifying",
            IntentStep::Register => "Activating",
            IntentStep::Create => "Creating",
        },
    }
}

fn conditions(rotation: &Rotation) -> Vec<Condition> {
    let made = rotation.created;
    let condition = |type_: &str, status: &str, reason: &str, since: Timestamp, message: &str| Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: Time(since),
        observed_generation: Some(GENERATION),
    };
    let ended = |failed: bool| rotation.ended.filter(|(outcome, _)| outcome.failed() == failed);
    let promoted = match (rotation.promoted, ended(true)) {
        (Some(at), _) => condition("Promoted", "True", "Promoted", at, in_use(rotation)),
        (None, Some((_, at))) => condition("Promoted", "False", "Aborted", at, "given up before promotion"),
        (None, None) if rotation.aborting && rotation.ended.is_some() => {
            condition("Promoted", "False", "Aborted", made, "given up before promotion")
        }
        (None, None) => condition("Promoted", "False", "InProgress", made, "the old credential is in use"),
    };
    let complete = match (ended(false), ended(true)) {
        (Some((outcome, at)), _) => condition("Complete", "True", name(outcome), at, "nothing is owed any more"),
        (None, Some((_, at))) => condition("Complete", "False", "InProgress", at, "see condition Failed"),
        (None, None) => condition("Complete", "False", "InProgress", made, "see phase and waitingFor"),
    };
    let failed = ended(true).map(|(outcome, at)| condition("Failed", "True", name(outcome), at, why(outcome)));
    [promoted, complete].into_iter().chain(failed).collect()
}

fn in_use(rotation: &Rotation) -> &'static str {
    match rotation.candidate {
        Some(Candidate::FromSecret(_)) => {
            "the credential of candidate.fromSecret is in use; the Secret is not read any more: delete it"
        }
        Some(Candidate::Version(_)) => "the credential of candidate.versionID is in use again",
        Some(Candidate::Unchecked) | None => "the new credential is in use",
    }
}

const OUTCOMES: [Outcome; 24] = [
    Outcome::Revoked,
    Outcome::Kept,
    Outcome::RevokedByPartner,
    Outcome::Merged,
    Outcome::Superseded,
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
    Outcome::SeedInvalid(Flaw::Type),
    Outcome::SeedInvalid(Flaw::Fields),
    Outcome::SeedInvalid(Flaw::Host),
    Outcome::SeedInvalid(Flaw::Identity),
    Outcome::SeedInvalid(Flaw::InUse),
    Outcome::SeedInvalid(Flaw::Admins),
    Outcome::VersionNotLive,
];

fn name(outcome: Outcome) -> &'static str {
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

/// What `lastFailureReason` adds to an end whose reason has several causes.
fn detail(outcome: Outcome) -> Option<&'static str> {
    Some(match outcome {
        Outcome::CandidateRejected(Rejection::Lost) => "ValueLost",
        Outcome::CandidateRejected(Rejection::Refused) => "RefusedByPartner",
        Outcome::CandidateRejected(Rejection::Burned) => "BeingRevoked",
        Outcome::CandidateRejected(Rejection::Unchecked) => "NoAuthorityPolicy",
        Outcome::SeedInvalid(Flaw::Missing) => "SecretMissing",
        Outcome::SeedInvalid(Flaw::Type) => "WrongType",
        Outcome::SeedInvalid(Flaw::Fields) => "WrongFields",
        Outcome::SeedInvalid(Flaw::Host) => "WrongHost",
        Outcome::SeedInvalid(Flaw::Identity) => "IdentityNotAllowed",
        Outcome::SeedInvalid(Flaw::InUse) => "IdentityInUse",
        Outcome::SeedInvalid(Flaw::Admins) => "RotatesOwnAdmin",
        _ => return None,
    })
}

fn why(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Cancelled => "deleted before its promotion; the old credential stays in use",
        Outcome::Exhausted => "every candidate of today was refused or lost; see the resource's conditions",
        Outcome::NotDue => "no schedule or onboarding asks for it; create a Rotation without trigger to rotate now",
        Outcome::Restored => "restored from a backup: it belongs to an earlier resource and was not run",
        Outcome::EngineNotSupported => {
            "nothing here rotates by request: Secrets Manager does by its schedule, or the secret is only observed"
        }
        Outcome::ResourceDeleted => "its resource was deleted before the promotion",
        Outcome::PartnerRejected => "Secrets Manager's rotation failed; see the secret's rotation in AWS",
        Outcome::CandidateRejected(Rejection::Refused) => {
            "the partner refuses the credential of spec.candidate; nothing else has changed; create another Rotation with one that it accepts"
        }
        Outcome::CandidateRejected(Rejection::Burned) => {
            "the credential of spec.candidate is one whose revocation is announced, or the very one that this Compromise is about; nothing else has changed; bring a new one"
        }
        Outcome::CandidateRejected(Rejection::Unchecked) => {
            "spec.candidate: nobody here checks who may bring a candidate of his own (--authority-policy=false), so none is taken; install the chart's policy for people (authorityPolicy: true)"
        }
        Outcome::SeedInvalid(flaw) => match flaw {
            Flaw::Missing => {
                "spec.candidate.fromSecret: there is no such Secret in this namespace; make it, of type managed-secrets.io/seed, then another Rotation"
            }
            Flaw::Type => {
                "spec.candidate.fromSecret: that Secret is not of type managed-secrets.io/seed and was not read; make one of that type, then another Rotation"
            }
            Flaw::Fields => {
                "spec.candidate.fromSecret: the keys or texts of that Secret are not the fields of the partner type (`mes partners TYPE` lists them); mend it, then create another Rotation"
            }
            Flaw::Host => {
                "spec.candidate.fromSecret: the host in that Secret is neither the account's nor the vendor's own; mend it, then create another Rotation"
            }
            Flaw::Identity => {
                "spec.candidate.fromSecret: whom that Secret authenticates can't be told, is not whom spec.partner.parameters of the resource name, or is not granted to this namespace; bring a credential of the resource's own identity"
            }
            Flaw::InUse => {
                "spec.candidate.fromSecret: an older resource of this cluster already rotates whom that Secret authenticates; bring a credential of the resource's own identity"
            }
            Flaw::Admins => {
                "spec.candidate.fromSecret: that is the credential that the account itself logs in with; bring another"
            }
        },
        Outcome::VersionNotLive => {
            "spec.candidate.versionID: that version is gone, given up, refused by the partner, being revoked, or was superseded by a Compromise; nothing has changed; choose one that still lives, or leave the candidate out"
        }
        Outcome::CandidateRejected(Rejection::Lost) => {
            "the value that replaced the credential in use was lost, or the partner refuses it; bring a new one (Rotation with candidate.fromSecret)"
        }
        Outcome::Revoked | Outcome::Kept | Outcome::RevokedByPartner | Outcome::Merged | Outcome::Superseded => "",
    }
}

fn read(rotation: &api::Rotation, owner: &Uid) -> Result<Rotation, Fault> {
    let metadata = &rotation.metadata;
    let trigger = match rotation.spec.trigger {
        api::Trigger::Onboarding => Some(Trigger::Onboarding),
        api::Trigger::Schedule => Some(Trigger::Schedule),
        api::Trigger::Expiry => Some(Trigger::Expiry),
        api::Trigger::Request => Some(Trigger::Request),
        api::Trigger::Compromise => Some(Trigger::Compromise),
        api::Trigger::Unrecognised => None,
    };
    let revocation = match rotation.spec.revocation {
        api::Revocation::WhenProven => Some(Revocation::WhenProven),
        api::Revocation::AtOnce => Some(Revocation::AtOnce),
        api::Revocation::Unrecognised => None,
    };
    let candidate = match &rotation.spec.candidate {
        None => Some(None),
        Some(given) => candidate(given).map(Some),
    };
    let owners =
        metadata.owner_references.iter().flatten().filter(|reference| {
            reference.kind == "ManagedExternalSecret" && reference.api_version.starts_with(api::GROUP)
        });
    let owned = owners.map(|reference| reference.uid == owner.as_str()).reduce(|one, other| one && other);
    let blank = Rotation {
        name: part(metadata.name.as_ref(), ObjectName::parse)?,
        uid: part(metadata.uid.as_ref(), Uid::parse)?,
        revision: part(metadata.resource_version.as_ref(), Revision::parse)?,
        created: metadata.creation_timestamp.as_ref().map(time).ok_or_else(super::not_an_object)?,
        trigger: trigger.unwrap_or(Trigger::Request),
        revocation: revocation.unwrap_or_default(),
        candidate: candidate.clone().unwrap_or_default(),
        owned,
        generated: metadata.generate_name.is_some(),
        held: held(metadata),
        deleting: metadata.deletion_timestamp.as_ref().map(time),
        attempt: None,
        failed_attempts: 0,
        last_failure: None,
        overlap: None,
        promoted: None,
        owed: Default::default(),
        aborting: false,
        ended: None,
        unreadable: false,
    };
    let status = rotation.status.clone().unwrap_or_default();
    let read = trigger.zip(revocation).zip(candidate).and_then(|_| with_status(blank.clone(), &status));
    Ok(read.unwrap_or_else(|| Rotation { unreadable: true, ended: ended(&status), ..blank }))
}

/// `None`: neither of what this version knows, or both. It may have meant more than a plain request.
fn candidate(given: &api::Candidate) -> Option<Candidate> {
    match (&given.from_secret, &given.version_id) {
        (Some(secret), None) => ObjectName::parse(secret.name.as_str()).ok().map(Candidate::FromSecret),
        (None, Some(version)) => VersionId::parse(version.as_str()).ok().map(Candidate::Version),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// `None`: the status says what this version can't take at its word.
fn with_status(blank: Rotation, status: &api::RotationStatus) -> Option<Rotation> {
    let owed = |owed: &api::OwedCredential| {
        let id = CredentialId::parse(owed.partner_id.clone()?).ok()?;
        let version = optional(owed.version_id.as_ref(), VersionId::parse)?;
        Some((id, Owed { version, doomed: owed.doom_time.as_ref().map(time) }))
    };
    let overlap = status.snapshot.as_ref().and_then(|snapshot| snapshot.overlap.as_ref());
    let rotation = Rotation {
        attempt: attempt(status)?,
        failed_attempts: status.failed_attempts.unwrap_or_default(),
        last_failure: status.last_failure_time.as_ref().map(time),
        overlap: overlap.map(|text| spelling(text)).map_or(Some(None), |read| read.map(Some))?,
        promoted: status.promote_time.as_ref().map(time),
        owed: status.owed.iter().map(owed).collect::<Option<_>>()?,
        aborting: status.aborting.unwrap_or_default(),
        ended: ended(status),
        ..blank
    };
    (rotation.ended.is_some() || believable(&rotation, status)).then_some(rotation)
}

/// The attempt: whole, or not there at all.
fn attempt(status: &api::RotationStatus) -> Option<Option<Attempt>> {
    let (Some(number), Some(version), Some(intent)) = (status.attempt, &status.version_id, &status.intent) else {
        let none = status.attempt.is_none() && status.version_id.is_none() && status.intent.is_none();
        let rest = status.superseded_version_id.is_none()
            && status.candidate_partner_id.is_none()
            && status.slot.is_none()
            && status.baseline.is_empty();
        return (none && rest).then_some(None);
    };
    let step = match intent.effect {
        api::IntentEffect::Create => IntentStep::Create,
        api::IntentEffect::Register => IntentStep::Register,
        api::IntentEffect::Promote => IntentStep::Promote,
        api::IntentEffect::Unrecognised => return None,
    };
    let baseline = status.baseline.iter().map(|id| CredentialId::parse(id).ok()).collect::<Option<BTreeSet<_>>>()?;
    Some(Some(Attempt {
        number,
        version: VersionId::parse(version).ok()?,
        supersedes: optional(status.superseded_version_id.as_ref(), VersionId::parse)?,
        slot: optional(status.slot.as_ref(), Slot::parse)?,
        baseline,
        step,
        time: time(intent.time.as_ref()?),
        candidate: optional(status.candidate_partner_id.as_ref(), CredentialId::parse)?,
        accepted: status.accepted_count.unwrap_or_default(),
    }))
}

/// `Some(None)`: not given; `None`: given and malformed.
fn optional<T, E>(text: Option<&String>, parse: impl Fn(String) -> Result<T, E>) -> Option<Option<T>> {
    text.map_or(Some(None), |text| parse(text.clone()).ok().map(Some))
}

/// Whether an open journal is one that we can have written: our own version ids (but for what AWS rotated by itself), an
/// attempt wherever something was promoted, and no end that is only half there.
fn believable(rotation: &Rotation, status: &api::RotationStatus) -> bool {
    let of_aws = |attempt: &Attempt| attempt.step == IntentStep::Promote && rotation.promoted.is_some();
    let ours = |attempt: &Attempt| {
        attempt.number > 0 && (attempt.version == VersionId::of(&rotation.uid, attempt.number) || of_aws(attempt))
    };
    rotation.attempt.as_ref().is_none_or(ours)
        && (rotation.promoted.is_none() || rotation.attempt.is_some())
        && status.completion_time.is_none()
}

/// How it ended. A reason of another version counts as `Kept`: then none of its credentials is taken for a stray.
fn ended(status: &api::RotationStatus) -> Option<(Outcome, Timestamp)> {
    let is_end =
        |condition: &&Condition| matches!(&*condition.type_, "Complete" | "Failed") && condition.status == "True";
    let end = status.conditions.iter().rfind(is_end)?;
    let of_reason = |outcome: &Outcome| name(*outcome) == end.reason && outcome.failed() == (end.type_ == "Failed");
    let whole = |outcome: &Outcome| of_reason(outcome) && detail(*outcome) == status.last_failure_reason.as_deref();
    let known = OUTCOMES.into_iter().find(whole).or_else(|| OUTCOMES.into_iter().find(of_reason));
    let at = status.completion_time.as_ref().unwrap_or(&end.last_transition_time);
    Some((known.unwrap_or(Outcome::Kept), time(at)))
}

/// As `duration::parse` reads it; zero, which it refuses, is `0s`.
fn spelled(overlap: SignedDuration) -> String {
    let seconds = overlap.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let spelled: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if spelled.is_empty() { "0s".to_owned() } else { spelled }
}

fn spelling(text: &str) -> Option<SignedDuration> {
    if text == "0s" { Some(SignedDuration::ZERO) } else { duration::parse(text).ok() }
}

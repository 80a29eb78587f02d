//! Engine `SecretsManager`: schedule, role and metadata are declared to AWS; AWS rotates; we look and tell.
//!
//! Invariant: no value is ever put into such a secret by us (AWS refuses manual writes to it). Each rotation that AWS
//! makes becomes a Rotation object all the same, so that people find every replacement in one place.

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::StoreSecret;
use crate::goals::onboarded::claimed;
use crate::goals::rotated::due;
use crate::journal::{Entry, Outcome, Rotation, Trigger};
use crate::names::Stage;
use crate::reason::Reason;
use crate::spec::Delegation;

/// The rule.
pub fn delegated(case: Case<'_>, wanted: &Delegation) -> Verdict {
    let secret = claimed(case)?;
    if let Some(request) =
        case.journal.waiting().find(|rotation| asked(rotation) && rotation.attempt.is_none() && !rotation.unreadable)
    {
        // `RotateSecret` has no notion of a request that is cancelled, merged or queued: AWS's console or CLI rotates now.
        return case.record(request, vec![Entry::End(Outcome::EngineNotSupported)]);
    }
    declared(case, wanted, secret)?;
    told(case, secret)?;
    late(case, secret)
}

/// By a person.
fn asked(rotation: &Rotation) -> bool {
    matches!(rotation.trigger, Trigger::Request | Trigger::Compromise)
}

/// AWS knows what is wanted. Setting a schedule would rotate at once unless told otherwise, so only the first says so.
fn declared(case: Case<'_>, wanted: &Delegation, secret: &StoreSecret) -> Verdict {
    let Some(seen) = &secret.rotation else { return case.act(Effect::Delegate { immediately: wanted.immediately }) };
    let same = seen.enabled
        && seen.role.as_deref() == Some(wanted.role.as_str())
        && seen.metadata == wanted.metadata
        && (wanted.schedule.is_none() || seen.schedule == wanted.schedule)
        && (wanted.window.is_none() || seen.window == wanted.window);
    let first = seen.role.is_none();
    if same { Ok(()) } else { case.act(Effect::Delegate { immediately: first && wanted.immediately }) }
}

/// Every version that AWS made current has its Rotation object.
fn told(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    let Some(current) = secret.current() else { return Ok(()) };
    let first = (0..=u16::from(u8::MAX))
        .any(|number| crate::names::VersionId::first(&case.resource.own.uid, number) == *current);
    let told =
        case.journal.rotations.iter().any(|rotation| rotation.version() == Some(current) && rotation.ended.is_some());
    if first || told {
        return Ok(());
    }
    let Some(open) = case.journal.open() else { return case.act(due::opening(case, Trigger::Schedule)) };
    if open.unreadable {
        return case.wait(Reason::JournalUnreadable(open.name.clone()), 300);
    }
    let end = Entry::End(Outcome::RevokedByPartner);
    match &open.attempt {
        Some(_) => case.record(open, vec![end]),
        None => {
            let supersedes = secret.labelled(Stage::PREVIOUS).cloned();
            case.record(open, vec![Entry::Found { version: current.clone(), supersedes }, end])
        }
    }
}

/// Whether the sweep shows a rotation of AWS's that is under way or stuck: that is not rest, somebody must look at it.
pub fn under_way(case: Case<'_>) -> bool {
    case.glimpse().sweep.as_ref().is_some_and(|line| {
        let pending =
            line.versions.iter().find(|(_, stages)| stages.iter().any(|stage| stage.as_str() == Stage::PENDING));
        pending.is_some_and(|(version, _)| Some(version) != line.current.as_ref())
    })
}

/// AWS's own rotation is stuck: AWSPENDING stands on a version that is not current, and its date has passed.
fn late(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    let pending = secret.labelled(Stage::PENDING).is_some_and(|version| Some(version) != secret.current());
    let Some(rotation) = secret.rotation.as_ref().filter(|_| pending) else { return Ok(()) };
    match rotation.next.filter(|next| *next >= case.now) {
        Some(next) if rotation.last.is_some() => Err(Step::Wait { reason: Reason::NotDue, until: Some(next) }),
        _ => Err(Step::Wait { reason: Reason::RotationFailed, until: Some(later(case.now, case.bounds().settling)) }),
    }
}

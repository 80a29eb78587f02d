//! Engine `SecretsManager`: schedule, role and metadata are declared to AWS; AWS rotates; we look and tell.
//!
//! Invariant: no value is ever put into such a secret by us (AWS refuses manual writes to it). Each rotation that AWS
//! makes becomes a Rotation object all the same, so that people find every replacement in one place.

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::{ManagedRotation, StoreSecret};
use crate::goals::onboarded::claimed;
use crate::goals::rotated::due;
use crate::journal::{Entry, Outcome, Trigger};
use crate::names::Stage;
use crate::reason::Reason;
use crate::spec::Delegation;

/// The rule.
pub fn delegated(case: Case<'_>, wanted: &Delegation) -> Verdict {
    let secret = claimed(case)?;
    if let Some(request) = case
        .journal
        .waiting()
        .find(|rotation| rotation.trigger == Trigger::Request && rotation.attempt.is_none() && !rotation.unreadable)
    {
        // `RotateSecret` has no notion of a request that is cancelled, merged or queued: AWS's console or CLI rotates now.
        return case.record(request, vec![Entry::End(Outcome::EngineNotSupported)]);
    }
    declared(case, wanted, secret)?;
    told(case, secret)?;
    late(case, secret)
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

/// AWS's own rotation is stuck: AWSPENDING stands on a version that is not current, and its date has passed.
fn late(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    let pending = secret.labelled(Stage::PENDING).is_some_and(|version| Some(version) != secret.current());
    let overdue = matches!(&secret.rotation, Some(ManagedRotation { next: Some(next), .. }) if *next < case.now);
    if pending && (overdue || secret.rotation.as_ref().is_some_and(|rotation| rotation.last.is_none())) {
        return Err(Step::Wait {
            reason: Reason::RotationFailed,
            until: Some(later(case.now, case.bounds().settling)),
        });
    }
    Ok(())
}

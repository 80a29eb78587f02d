//! Rotation in place: the superseded credential dies, now or soon, in the very call that makes the candidate.
//!
//! Invariant: before that call every later write was tried without effect; from it on the rotation only goes forward, by
//! the same stored bytes (a value of ours) or by waiting for what a lost answer left (a partner's). Its value lost and what
//! was in use dead, the account's admin makes another, which takes the place of the lost one; who rotates only itself asks
//! with what is dead never again, and says so. Called by the lines of the protocol that differ here.

use crate::case::Case;
use crate::decide::{Step, Verdict, every};
use crate::facts::{Acceptance, Rehearsed, StoreSecret};
use crate::goals::rotated::{candidate, retirement};
use crate::goals::synced;
use crate::journal::{Attempt, Entry, IntentStep, Outcome, Rejection, Rotation};
use crate::names::{CredentialId, VersionId};
use crate::partner::{Contract, NoReturn};
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// Whether the call from which there is no way back was announced. At onboarding nothing is in use yet, so nothing dies.
pub fn begun(contract: &Contract, rotation: &Rotation) -> bool {
    let from = match contract.no_return() {
        NoReturn::Promote => return false,
        NoReturn::Create => IntentStep::Create,
        NoReturn::Register => IntentStep::Register,
    };
    // For what a person brought no call ends anything.
    rotation.candidate.is_none()
        && rotation.attempt.as_ref().is_some_and(|attempt| attempt.supersedes.is_some() && attempt.step >= from)
}

/// Whether nothing can die any more: AWSCURRENT is refused, and the account's admin can have the partner make another, which
/// takes the place of whatever is there.
pub fn is_out(case: Case<'_>, contract: &Contract, current: Option<&VersionId>) -> Verdict<bool> {
    let Some(current) = current.filter(|_| contract.no_return() == NoReturn::Create) else { return Ok(false) };
    let dead = case.acceptance(current)? == Some(Acceptance::Refused);
    Ok(dead && case.spec()?.scope.admin.is_some() && !case.journal.doomed(current))
}

/// Before the partner makes the candidate: what dies works now, and whoever holds it can be given another.
pub fn prepared(case: Case<'_>, spec: &Spec, secret: &StoreSecret, current: &VersionId) -> Verdict {
    retirement::in_use_works(case, secret)?;
    targets(case, spec, current)
}

/// Before our own value takes the place of what is in use: every later write, with the very bytes.
pub fn rehearsed(case: Case<'_>, spec: &Spec, candidate: &VersionId) -> Verdict {
    every([case.rehearsed(Rehearsed::Label, candidate), targets(case, spec, candidate)])
}

fn targets(case: Case<'_>, spec: &Spec, version: &VersionId) -> Verdict {
    every(spec.scope.targets.keys().map(|target| {
        // The cluster would take it all the same: whose the Secret is, is ours to respect.
        if let Some(why) = case.target(target)?.and_then(synced::conflict) {
            return Err(Step::Blocked(Reason::TargetConflict { target: target.clone(), why }));
        }
        case.rehearsed(Rehearsed::Target(target.clone()), version)
    }))
}

/// The end of the superseded credential, known to come: final.
pub fn doom(superseded: &VersionId) -> Option<Entry> {
    let id = CredentialId::parse(superseded.as_str()).ok()?;
    Some(Entry::Doom(id, Some(superseded.clone())))
}

/// A create was announced, its call is over, and no value came of it. Holds if another may be made: what it would have ended
/// still works, and either the account's admin makes the next one before that dies, or the time is over that the partner
/// would have left it, so that there surely was no effect. Once it is dead, [`may_give_up`] judges.
pub fn without_effect(case: Case<'_>, contract: &Contract, attempt: &Attempt, announced: &Mark) -> Verdict {
    let Some(superseded) = &attempt.supersedes else { return Ok(()) };
    let left_some_time = contract.grace().is_some_and(|grace| !grace.is_zero());
    match case.acceptance(superseded)? {
        // Had it an effect, this one dies when its grace ends, and nobody has the other: the admin makes one more meanwhile.
        Some(Acceptance::Accepted) if left_some_time && case.spec()?.scope.admin.is_some() => Ok(()),
        Some(Acceptance::Accepted) => {
            case.over_by(announced, contract.grace().unwrap_or_default(), Reason::GraceRunning)
        }
        Some(_) => Ok(()),
        None => case.wait(Reason::Settling, 2),
    }
}

/// Whether a rotation that somebody cancelled makes another all the same: what is in use is dead, or may die.
pub fn goes_on(case: Case<'_>, contract: &Contract, rotation: &Rotation, secret: &StoreSecret) -> Verdict<bool> {
    let dead = begun(contract, rotation) && is_out(case, contract, secret.current())?;
    Ok(dead || may_die(case, contract, rotation))
}

/// Whether what is in use dies when its grace ends, if the announced call had an effect. So long no number of attempts is the
/// last; the bound of a day (`mints`) holds.
pub fn may_die(case: Case<'_>, contract: &Contract, rotation: &Rotation) -> bool {
    let (true, Some(attempt)) = (begun(contract, rotation), &rotation.attempt) else { return false };
    let announced = candidate::mark(rotation, attempt, IntentStep::Create);
    let grace = contract.grace().unwrap_or_default();
    !grace.is_zero() && case.over_by(&announced, grace, Reason::GraceRunning).is_err()
}

/// P3 in place: an attempt is given up only where something else works, or where nothing does and another (`again`) may be
/// made. A candidate that is refused, or that somebody's move of AWSCURRENT passed by, is all there is otherwise.
pub fn may_give_up(
    case: Case<'_>,
    contract: &Contract,
    rotation: &Rotation,
    secret: &StoreSecret,
    again: bool,
) -> Verdict {
    if !begun(contract, rotation) || again && is_out(case, contract, secret.current())? {
        return Ok(());
    }
    let current = secret.current().filter(|current| !case.journal.doomed(current));
    match current.map(|current| case.acceptance(current)).transpose()?.flatten() {
        Some(Acceptance::Accepted) => Ok(()),
        _ => lost(case, rotation),
    }
}

/// Whether AWSCURRENT, which somebody moved midway, is to be followed: it works, and its end was not announced.
pub fn followed(case: Case<'_>, secret: &StoreSecret) -> Verdict<bool> {
    let current = secret.current().filter(|current| !case.journal.doomed(current));
    let accepted = current.map(|current| case.acceptance(current)).transpose()?.flatten();
    Ok(accepted == Some(Acceptance::Accepted))
}

/// The value that replaced the one in use is lost or refused. What was superseded is dead or dying: nothing is owed.
fn lost<T>(case: Case<'_>, rotation: &Rotation) -> Verdict<T> {
    let dead = rotation.owed.iter().filter(|(_, owed)| owed.doomed.is_some()).map(|(id, _)| Entry::Paid(id.clone()));
    case.record(rotation, dead.chain([Entry::End(Outcome::CandidateRejected(Rejection::Lost))]).collect())
}

/// A debt that the partner pays by itself: the superseded credential is gone once the candidate is in force, or, where it
/// is left some time, once it is refused. It is not revoked, and at some partners must not even be tried again.
pub fn replaced(
    case: Case<'_>,
    contract: &Contract,
    rotation: &Rotation,
    id: &CredentialId,
    version: &VersionId,
) -> Verdict {
    let dies_at_once = contract.grace().is_none_or(|grace| grace.is_zero());
    if !dies_at_once && case.acceptance(version)? == Some(Acceptance::Accepted) {
        return case.wait(Reason::GraceRunning, 30);
    }
    let doom = Entry::Doom(id.clone(), Some(version.clone()));
    case.record(rotation, vec![doom, Entry::Paid(id.clone())])
}

/// Nothing can be undone any more, whoever asks for it.
pub fn unstoppable(case: Case<'_>, rotation: &Rotation) -> bool {
    case.resource.contract().is_some_and(|contract| begun(contract, rotation))
}

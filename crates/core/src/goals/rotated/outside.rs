//! AWSCURRENT where somebody else put it.
//!
//! Invariant: what no rotation of ours put there is tried before anything carries it, and what must not be in use, or is
//! refused where another of ours is accepted, does not stay (P20, R12, T30): AWSCURRENT goes to what works, from where it is.
//! Without a driver of ours nobody can try, and others decide. Called by `onboarded` and `synced`.

use jiff::Timestamp;

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::{Acceptance, StoreSecret};
use crate::goals::onboarded::accepted;
use crate::goals::rotated::{in_place, promotion};
use crate::names::VersionId;
use crate::partner::Contract;
use crate::reason::Reason;

/// Holds if `current` may be carried: a rotation of ours put it there, it was followed before, or it works now.
pub fn fit(case: Case<'_>, current: &VersionId) -> Verdict {
    if case.resource.contract().is_none() || known(case, current) {
        return Ok(());
    }
    accepted(case, current)
}

/// Holds if AWSCURRENT may stay where it is; else it goes forward, where something of ours works.
pub fn followed(case: Case<'_>, secret: &StoreSecret, current: &VersionId) -> Verdict {
    let Some(contract) = case.resource.contract() else { return Ok(()) };
    let dying = |open| in_place::begun(contract, open) && open.promoted.is_none();
    if case.journal.open().is_some_and(dying) {
        // What dies in place is known to, and its candidate is on its way.
        return Ok(());
    }
    let refused = if case.journal.unfit(current) {
        Reason::CredentialRejected
    } else {
        match fit(case, current) {
            Err(Step::Blocked(reason)) => {
                spread(case, contract, current)?;
                reason
            }
            // It works: who may list says whose bytes it has.
            Ok(()) if promotion::is_burned(case, secret, current)? => Reason::CredentialRejected,
            verdict => return verdict,
        }
    };
    match promotion::way_forward(case, secret)? {
        Some(to) => case.act(Effect::Promote { to, from: Some(current.clone()), right: None }),
        // Its end was announced, and it may live a while.
        None if case.acceptance(current)? == Some(Acceptance::Accepted) => Ok(()),
        None => Err(Step::Blocked(refused)),
    }
}

fn known(case: Case<'_>, current: &VersionId) -> bool {
    // Where trying is using, a candidate of ours that somebody was faster with is tried by its rotation, which announces that.
    let pure = case.resource.contract().is_some_and(Contract::verification_is_pure);
    let by_us = [case.journal.last_promoted(), case.journal.open().filter(|open| open.promoting() || !pure)];
    case.resource.noted.version.as_ref() == Some(current)
        || by_us.into_iter().flatten().any(|rotation| rotation.version() == Some(current))
}

/// Holds once a refusal of what somebody stored proves something: it may be as new at the partner as in the store.
fn spread(case: Case<'_>, contract: &Contract, current: &VersionId) -> Verdict {
    let made: Option<Timestamp> = case.versions()?.and_then(|versions| versions.get(current)).copied();
    // A list that does not have it yet says nothing of its age.
    let Some(made) = made else { return case.wait(Reason::Settling, 5) };
    let until = later(made, contract.propagation.max(case.bounds().acceptance));
    match until > case.now {
        true => Err(Step::Wait { reason: Reason::CandidateNotAccepted, until: Some(until) }),
        false => Ok(()),
    }
}

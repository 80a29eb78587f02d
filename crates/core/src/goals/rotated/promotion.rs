//! The commit point: what must be revoked is written down first, then AWSCURRENT moves by compare-and-swap.
//!
//! Invariant: AWSCURRENT moves only onto a candidate accepted in this very pass, only from the version recorded (S9), and
//! once it may have moved there is no abort (P8). The label decides whether it moved; the journal remembers when.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::{Acceptance, StoreSecret};
use crate::goals::rotated::{acting, brought, candidate, in_place, known};
use crate::journal::{Attempt, Entry, IntentStep, Outcome, Rotation};
use crate::names::{CredentialId, Stage, VersionId};
use crate::partner::Contract;
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// Whether AWSCURRENT has reached the candidate (P9: AWSPREVIOUS says that it did and went on).
pub fn passed(rotation: &Rotation, secret: &StoreSecret) -> bool {
    if rotation.promoted.is_some() {
        return true;
    }
    let Some(attempt) = &rotation.attempt else { return false };
    // AWS puts AWSCURRENT on the first version of a secret by itself: at onboarding the label alone says nothing, nor does
    // the announcement of a first use that was not accepted yet.
    let by_aws = attempt.supersedes.is_none() && (attempt.step < IntentStep::Promote || attempt.accepted == 0);
    !by_aws && (secret.has(&attempt.version, Stage::CURRENT) || secret.has(&attempt.version, Stage::PREVIOUS))
}

/// That it passed is recorded, with what is owed if a person was faster than `Promoting`.
pub fn noted<'a>(case: Case<'a>, rotation: &'a Rotation) -> Verdict<&'a Attempt> {
    let Some(attempt) = &rotation.attempt else { return case.wait(Reason::Settling, 2) };
    if rotation.promoted.is_some() {
        return Ok(attempt);
    }
    let mut entries = Vec::new();
    if attempt.step < IntentStep::Promote {
        let secret = crate::goals::onboarded::claimed(case)?;
        entries.extend(debts(case, case.spec()?, rotation, attempt, secret)?);
    }
    entries.push(Entry::Promoted);
    case.record(rotation, entries)
}

/// Lines 8 and 9: owed, announced, moved.
pub fn promoted(case: Case<'_>, spec: &Spec, rotation: &Rotation, attempt: &Attempt, secret: &StoreSecret) -> Verdict {
    unmoved(case, rotation, attempt, secret)?;
    if let Some(right) = case.right(rotation, IntentStep::Promote) {
        // Where this attempt found it, or, in place, where somebody put it since, onto what is dead.
        let from = secret.current().cloned();
        return case.act(Effect::Promote { to: attempt.version.clone(), from, right: Some(right) });
    }
    if attempt.step < IntentStep::Promote {
        brought::is_new(case, spec, secret, rotation, attempt)?;
    } else {
        case.over(&Mark::announced(rotation, attempt), Reason::Settling)?;
    }
    // Announced anew, it owes what a person put there meanwhile, too.
    let owed = debts(case, spec, rotation, attempt, secret)?;
    case.record(rotation, owed.into_iter().chain([Entry::Promoting]).collect())
}

/// P17: somebody moved AWSCURRENT meanwhile. That is a decision, and this attempt was made for another one; but in place
/// only what works is followed.
fn unmoved(case: Case<'_>, rotation: &Rotation, attempt: &Attempt, secret: &StoreSecret) -> Verdict {
    if !moved(attempt, secret) || in_place::unstoppable(case, rotation) && !in_place::followed(case, secret)? {
        return Ok(());
    }
    let Some(contract) = case.resource.contract() else { return case.wait(Reason::Settling, 2) };
    candidate::give_up(case, contract, rotation, secret)
}

fn moved(attempt: &Attempt, secret: &StoreSecret) -> bool {
    attempt.supersedes.is_some() && secret.current() != attempt.supersedes.as_ref()
}

/// Line 7 where trying is using: it has the conditions and the right of the promotion, and is announced with it.
pub fn used(
    case: Case<'_>,
    contract: &Contract,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict {
    if moved(attempt, secret) {
        return candidate::give_up(case, contract, rotation, secret);
    }
    match case.right(rotation, IntentStep::Promote) {
        Some(_) => Ok(()),
        None if attempt.step < IntentStep::Promote => {
            brought::is_new(case, case.spec()?, secret, rotation, attempt)?;
            let owed = debts(case, case.spec()?, rotation, attempt, secret)?;
            case.record(rotation, owed.into_iter().chain([Entry::Using]).collect())
        }
        None => {
            case.over(&Mark::announced(rotation, attempt), Reason::Settling)?;
            case.record(rotation, vec![Entry::Using])
        }
    }
}

/// Line 10: the candidate is AWSCURRENT and accepted now; or a person decided otherwise, and nothing is revoked.
pub fn in_force(case: Case<'_>, rotation: &Rotation, attempt: &Attempt, secret: &StoreSecret) -> Verdict {
    let current = secret.current();
    if current == Some(&attempt.version) {
        return match case.acceptance(&attempt.version)? {
            Some(Acceptance::Accepted) => Ok(()),
            Some(_) => Err(Step::Blocked(Reason::CredentialRejected)),
            None => case.wait(Reason::Settling, 2),
        };
    }
    match current {
        // P20: doom is final. Moved back onto what is being revoked, it goes forward again, to what works.
        Some(current) if case.journal.unfit(current) || burns(case, rotation, secret, current)? => {
            forward(case, secret, current)
        }
        // P11: moved back or on by a person: both live, this rotation ends, the next one owes the loser.
        Some(_) => {
            settled(case, secret)?;
            case.record(rotation, vec![Entry::End(Outcome::Kept)])
        }
        None => case.wait(Reason::Settling, 5),
    }
}

/// P18: a Describe that is older than the journal is not believed.
pub fn settled(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    let Some(last) = case.journal.last_promoted() else { return Ok(()) };
    let seen = |attempt: &Attempt| {
        secret.has(&attempt.version, Stage::CURRENT) || secret.has(&attempt.version, Stage::PREVIOUS)
    };
    if last.attempt.as_ref().is_none_or(seen) {
        return Ok(());
    }
    case.over(&Mark::Promoted(last.uid.clone()), Reason::Settling)
}

/// Whether a compromise that moved AWSCURRENT owes the very credential that the current version holds, whichever of its
/// versions is written down (R12): then nobody is given it.
pub fn is_burned(case: Case<'_>, secret: &StoreSecret, current: &VersionId) -> Verdict<bool> {
    match case.journal.open() {
        Some(open) if open.promoted.is_some() && open.version() != Some(current) => burns(case, open, secret, current),
        _ => Ok(false),
    }
}

/// Whether a compromise owes the very credential that a version holds.
fn burns(case: Case<'_>, rotation: &Rotation, secret: &StoreSecret, version: &VersionId) -> Verdict<bool> {
    if !rotation.is_alarm() {
        return Ok(false);
    }
    let owes = |of: &VersionId| rotation.owed.values().any(|owed| owed.version.as_ref() == Some(of));
    let listed = case.credentials(acting(case.spec()?, secret)?, known(case, secret))?;
    let its = listed.iter().filter(|credential| credential.versions.contains(version));
    Ok(its
        .into_iter()
        .any(|credential| rotation.owed.contains_key(&credential.id) || credential.versions.iter().any(owes)))
}

/// P20 without a candidate of its own: from what must not be in use AWSCURRENT goes where it works.
pub fn forward(case: Case<'_>, secret: &StoreSecret, unfit: &VersionId) -> Verdict {
    match way_forward(case, secret)? {
        Some(to) => case.act(Effect::Promote { to, from: Some(unfit.clone()), right: None }),
        None => Err(Step::Blocked(Reason::CredentialRejected)),
    }
}

/// The version that AWSCURRENT may go to: AWSPREVIOUS, which is where it was before somebody moved it, or the newest that a
/// rotation promoted. Accepted now, and not itself on its way out.
pub fn way_forward(case: Case<'_>, secret: &StoreSecret) -> Verdict<Option<VersionId>> {
    let mut promoted: Vec<&Rotation> =
        case.journal.rotations.iter().filter(|rotation| rotation.promoted.is_some()).collect();
    promoted.sort_by_key(|rotation| std::cmp::Reverse(rotation.promoted));
    let promoted = promoted.into_iter().filter_map(Rotation::version);
    for version in secret.labelled(Stage::PREVIOUS).into_iter().chain(promoted) {
        let elsewhere = secret.current() != Some(version) && !case.journal.unfit(version);
        if elsewhere && case.acceptance(version)? == Some(Acceptance::Accepted) {
            return Ok(Some(version.clone()));
        }
    }
    Ok(None)
}

/// P7: every live credential of our versions but the candidate's, and the superseded one even if it is not listed.
fn debts(
    case: Case<'_>,
    spec: &Spec,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict<Vec<Entry>> {
    let superseded = attempt.supersedes.as_ref();
    let listed = brought::listed(case, spec, secret, rotation, attempt)?;
    let mut owed: BTreeMap<CredentialId, Option<VersionId>> = BTreeMap::new();
    for credential in listed
        .iter()
        .filter(|credential| !credential.versions.is_empty() && !credential.versions.contains(&attempt.version))
    {
        let version =
            superseded.filter(|version| credential.versions.contains(*version)).or(credential.versions.first());
        owed.insert(credential.id.clone(), version.cloned());
    }
    let listed_superseded = |version: &VersionId| listed.iter().any(|credential| credential.versions.contains(version));
    let announced = |version: &VersionId| case.journal.doomed(version);
    if let Some(version) = superseded.filter(|version| !listed_superseded(version) && !announced(version))
        && let Ok(id) = CredentialId::parse(version.as_str())
    {
        owed.insert(id, Some(version.clone()));
    }
    Ok(std::iter::once(Entry::Owe(owed)).chain(brought::spared(rotation, attempt, listed)).collect())
}

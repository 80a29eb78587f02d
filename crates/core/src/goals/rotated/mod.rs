//! `Rotated`: as fresh as asked, and nothing owed. The protocol of a rotation, in order.
//!
//! Each line ends in `?`; the first that does not hold is the next step. There is no state machine and no phase to
//! restore after a crash: labels at AWS, the partner and the journal say which lines hold. Rules named P… are those of
//! `docs/protocol.md`.

pub mod brought;
pub mod candidate;
pub mod delegated;
pub mod due;
pub mod in_place;
pub mod mints;
pub mod orphans;
pub mod outside;
pub mod promotion;
pub mod retirement;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::case::Case;
use crate::decide::{Step, Verdict, every};
use crate::effect::{Acting, Effect};
use crate::facts::StoreSecret;
use crate::goals::onboarded::claimed;
use crate::goals::standing;
use crate::journal::{Attempt, Entry, Outcome, Rotation};
use crate::names::VersionId;
use crate::partner::Contract;
use crate::reason::Reason;
use crate::spec::{Engine, Fate, Onboard, Resource, Spec};

/// The rule. `served`: the first value is known to work.
pub fn rotated(case: Case<'_>, served: bool) -> Verdict {
    let spec = match case.spec() {
        Ok(spec) => spec,
        Err(refused) => return retirement::indebted(case).and(Err(refused)),
    };
    match &spec.rotation.engine {
        Engine::None => {
            due::answered(case)?;
            housekeeping(case)
        }
        Engine::SecretsManager(delegation) => {
            if !served {
                return Err(Step::Wait { reason: Reason::NotOnboarded, until: None });
            }
            delegated::delegated(case, delegation)?;
            housekeeping(case)
        }
        Engine::Operator(contract) => brought::awaited(case, operated(case, spec, contract, served)),
    }
}

fn operated(case: Case<'_>, spec: &Spec, contract: &Contract, served: bool) -> Verdict {
    due::answered(case)?;
    let onboarded = case.resource.noted.onboarded;
    let open = if onboarded { case.journal.open() } else { case.journal.open_first() };
    let Some(rotation) = open else {
        housekeeping(case)?;
        if !served {
            return Err(Step::Wait { reason: Reason::NotOnboarded, until: None });
        }
        return every([standing(case, spec), due::due(case, spec)]);
    };
    if rotation.unreadable {
        return case.wait(Reason::JournalUnreadable(rotation.name.clone()), 300);
    }
    let secret = claimed(case)?;
    if !served && spec.onboard != Onboard::Mint {
        return Err(Step::Wait { reason: Reason::NotOnboarded, until: None });
    }
    // That a first value is in use is told by the status. Begun before it says so, a rotation would supersede nothing: what
    // is in use would be owed by nobody, and in place it would die without a rehearsal.
    let none_yet = spec.onboard == Onboard::Mint && case.journal.last_promoted().is_none();
    if rotation.attempt.is_none() && !case.resource.noted.onboarded && !none_yet {
        return case.wait(Reason::NotOnboarded, 2);
    }
    let passed = promotion::passed(rotation, secret);
    let undoable = !rotation.promoting() && !passed && !in_place::begun(contract, rotation);
    let heir = brought::heir(case, rotation)?;
    if (rotation.cancelled() || heir.is_some()) && undoable && !rotation.aborting {
        return case.record(rotation, vec![Entry::Abort]);
    }
    if rotation.aborting {
        let ended = candidate::undone_as(case, spec, contract, rotation, secret, heir)?;
        return retirement::undone(case, spec, rotation, secret, heir, ended);
    }
    let attempt =
        if passed { promotion::noted(case, rotation)? } else { brought_in(case, spec, contract, rotation, secret)? };
    if let Some(heir) = heir {
        return handed_over(case, rotation, heir, secret);
    }
    released(case, spec, rotation, secret, superseded(case, spec, rotation, attempt, secret))?;
    let outcome = match attempt.supersedes {
        None => Outcome::Kept,
        Some(_) if contract.in_place() && rotation.candidate.is_none() => Outcome::RevokedByPartner,
        Some(_) => Outcome::Revoked,
    };
    case.record(rotation, vec![Entry::End(outcome)])
}

/// Lines 10 to 14: the candidate is in force everywhere, and what it superseded is gone.
fn superseded(case: Case<'_>, spec: &Spec, rotation: &Rotation, attempt: &Attempt, secret: &StoreSecret) -> Verdict {
    retirement::overlapped(case, spec, rotation)?;
    promotion::in_force(case, rotation, attempt, secret)?;
    if !rotation.at_once() {
        retirement::delivered(case, spec, attempt)?;
    }
    retirement::retired(case, spec, rotation, secret)?;
    retirement::clean(case, rotation, secret)?;
    retirement::forgotten(case, rotation, secret)
}

/// A person deleted it, and what it owes can't be paid for too long: that goes onto the secret, and the Rotation goes (R13).
fn released(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret, verdict: Verdict) -> Verdict {
    let Some(deleting) = rotation.deleting.filter(|_| rotation.held) else { return verdict };
    let at = standing::released_at(case.resource, deleting, case.bounds());
    match verdict {
        Err(Step::Wait { .. } | Step::Blocked(_)) if case.now >= at => {
            standing::stands(case, spec, secret, &standing::left_by(rotation, secret))?;
            case.act(Effect::ReleaseRotation { rotation: rotation.name.clone(), onto: rotation.revision.clone() })
        }
        Err(Step::Wait { reason, until }) => {
            Err(Step::Wait { reason, until: Some(until.map_or(at, |until| until.min(at))) })
        }
        verdict => verdict,
    }
}

/// What stands on the secret and no rotation owes: of one that was deleted, gave up, or had another resource.
fn standing(case: Case<'_>, spec: &Spec) -> Verdict {
    if !standing::may_stand(case) {
        return Ok(());
    }
    let secret = claimed(case)?;
    standing::paid(case, spec, secret)?;
    standing::closed(case, secret)
}

/// P19: what a promoted rotation owes is owed by the one that pre-empts it before it ends. What AWSCURRENT holds now is not
/// owed yet: the heir owes it with its own promotion; nor is what it wants back.
fn handed_over(case: Case<'_>, rotation: &Rotation, heir: &Rotation, secret: &StoreSecret) -> Verdict {
    held(case, heir)?;
    let wanted = heir.wanted().map(|version| case.journal.same_bytes(version)).unwrap_or_default();
    let mut entries = Vec::new();
    for (id, owed) in &rotation.owed {
        let in_use = owed.version.is_some() && owed.version.as_ref() == secret.current();
        let doomed = owed.doomed.is_some();
        let taken = heir.owed.get(id).is_some_and(|taken| !doomed || taken.doomed.is_some());
        let wanted = owed.version.as_ref().is_some_and(|version| wanted.contains(version));
        if taken || (in_use || wanted) && !doomed {
            continue;
        }
        entries.push(if doomed {
            Entry::Doom(id.clone(), owed.version.clone())
        } else {
            Entry::Owe([(id.clone(), owed.version.clone())].into())
        });
    }
    if entries.is_empty() {
        return case.record(rotation, vec![Entry::End(Outcome::Superseded)]);
    }
    case.record(heir, entries)
}

/// Lines 4 to 9, which bring the candidate in; they hold until AWSCURRENT is on it.
pub(crate) fn brought_in<'a>(
    case: Case<'a>,
    spec: &Spec,
    contract: &Contract,
    rotation: &'a Rotation,
    secret: &StoreSecret,
) -> Verdict<&'a Attempt> {
    held(case, rotation)?;
    let attempt = candidate::intended(case, spec, contract, rotation, secret)?;
    candidate::stored(case, contract, rotation, attempt, secret)?;
    candidate::registered(case, spec, contract, rotation, attempt, secret)?;
    candidate::accepted(case, contract, rotation, attempt, secret)?;
    promotion::promoted(case, spec, rotation, attempt, secret)?;
    Ok(attempt)
}

/// What the rule would say if nothing outside changed, as far as that takes no question; `None`: look closer.
pub fn at_rest(case: Case<'_>) -> Option<Verdict> {
    let spec = case.resource.spec.as_ref().ok()?;
    let kept_up = due::answered(case).is_ok();
    match (&spec.rotation.engine, case.journal.open()) {
        _ if !kept_up || standing::may_stand(case) => None,
        (_, None) => {
            let at_rest = housekeeping(case).and_then(|()| match spec.rotation.engine {
                Engine::Operator(_) => due::due(case, spec),
                Engine::SecretsManager(_) | Engine::None => Ok(()),
            });
            match at_rest {
                Err(Step::Act(_) | Step::Look(_)) => None,
                _ if matches!(spec.rotation.engine, Engine::SecretsManager(_)) && delegated::under_way(case) => None,
                rest => Some(rest),
            }
        }
        // Without a promotion there is no overlap that it could rest in; a deleted one is let go in time.
        (Engine::Operator(_), Some(rotation))
            if rotation.deleting.is_none() && case.journal.heirs(rotation).is_empty() =>
        {
            retirement::overlapped(case, spec, rotation).err().map(Err)
        }
        _ => None,
    }
}

/// P1: our finalizers are on the Rotation and its resource before anything is intended.
///
/// One that a resource at rest does without, and that is still there, may be on its way off: decided upon when no rotation
/// waited, that release would land after the intent. So it is taken off first, which moves the revision that the release was
/// decided at, and put on again.
fn held(case: Case<'_>, rotation: &Rotation) -> Verdict {
    let at_rest = !promises(case.resource) && case.journal.rotations.iter().all(|each| !each.held);
    match (rotation.held, case.resource.held) {
        (true, true) => Ok(()),
        (true, false) => case.act(Effect::Hold),
        (false, true) if at_rest => release(case),
        (false, _) => {
            case.act(Effect::HoldRotation { rotation: rotation.name.clone(), onto: rotation.revision.clone() })
        }
    }
}

/// Whether a deletion has more to do than to forget.
fn promises(resource: &Resource) -> bool {
    resource.deletion.store == Fate::Remove || resource.deletion.partner == Fate::Remove
}

fn release<T>(case: Case<'_>) -> Verdict<T> {
    case.act(Effect::Release { onto: case.resource.revision.clone() })
}

/// Finalizers go when nothing is owed any more, and the history keeps its length.
fn housekeeping(case: Case<'_>) -> Verdict {
    if let Some(done) = case.journal.rotations.iter().find(|rotation| rotation.ended.is_some() && rotation.held) {
        return match told(case, done) {
            true => case.act(Effect::ReleaseRotation { rotation: done.name.clone(), onto: done.revision.clone() }),
            false => case.wait(Reason::Settling, 2),
        };
    }
    let needed = promises(case.resource);
    let owing = case.journal.open().is_some();
    if needed && !case.resource.held && case.resource.spec.is_ok() {
        return case.act(Effect::Hold);
    }
    if !needed && !owing && case.resource.held {
        return release(case);
    }
    // Only what was made by `generateName` is collected: a manifest in Git would be made again, and rotate again.
    let mut ended: Vec<&Rotation> = case
        .journal
        .rotations
        .iter()
        .filter(|rotation| rotation.ended.is_some() && rotation.generated && rotation.deleting.is_none())
        .collect();
    ended.sort_by_key(|rotation| (rotation.created, rotation.name.clone()));
    match ended.len().checked_sub(case.bounds().history) {
        Some(surplus) if surplus > 0 => {
            ended.first().map_or(Ok(()), |oldest| case.act(Effect::Prune { rotation: oldest.name.clone() }))
        }
        _ => Ok(()),
    }
}

/// Whether the status tells of this promotion, or the Rotation stays and does. Once it is gone nothing else does, and what is
/// due counts from the status. The status counts in seconds.
fn told(case: Case<'_>, done: &Rotation) -> bool {
    let told = case.resource.noted.last_rotation.map(Timestamp::as_second);
    done.deleting.is_none() || done.promoted.is_none_or(|promoted| told >= Some(promoted.as_second()))
}

/// With whose rights the partner is asked: the account's admin, or the credential in use.
pub(crate) fn acting(spec: &Spec, secret: &StoreSecret) -> Verdict<Acting> {
    match (&spec.scope.admin, secret.current()) {
        (Some(_), _) => Ok(Acting::Admin),
        (None, Some(current)) => Ok(Acting::As(current.clone())),
        (None, None) => Err(Step::Blocked(Reason::SecretMissing(spec.scope.store_secret.name.clone()))),
    }
}

/// Every version of ours whose bytes the partner may hold: the labelled ones and those that the journal speaks of.
pub(crate) fn known(case: Case<'_>, secret: &StoreSecret) -> BTreeSet<VersionId> {
    let mut known: BTreeSet<VersionId> = secret.versions.keys().cloned().collect();
    for rotation in &case.journal.rotations {
        known.extend(rotation.burned().chain(rotation.wanted().cloned()));
        known.extend(
            rotation.attempt.iter().flat_map(|attempt| attempt.supersedes.iter().chain([&attempt.version]).cloned()),
        );
        known.extend(rotation.owed.values().filter_map(|owed| owed.version.clone()));
    }
    known
}

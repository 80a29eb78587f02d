//! The candidate: intended, stored, registered, accepted. All that can still be undone.
//!
//! Invariant: no credential is made at a partner without a durable record made before (I3); an announced create is made
//! once, by who announced it (P4); an attempt is given up by one record alone (P3).

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::{Acting, Effect, Right};
use crate::facts::{Acceptance, Credential, StoreSecret};
use crate::goals::rotated::{acting, brought, in_place, known, mints, orphans, promotion, retirement};
use crate::journal::{Attempt, Entry, IntentStep, Outcome, Rotation};
use crate::names::{Slot, Tag, VersionId};
use crate::partner::{Chooser, Contract, NoReturn, Overlap};
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// Line 4: an attempt is announced.
pub fn intended<'a>(
    case: Case<'a>,
    spec: &Spec,
    contract: &Contract,
    rotation: &'a Rotation,
    secret: &StoreSecret,
) -> Verdict<&'a Attempt> {
    if let Some(attempt) = &rotation.attempt {
        return Ok(attempt);
    }
    alone(case, rotation)?;
    match rotation.candidate {
        Some(_) => brought::intend(case, spec, rotation, secret, 1),
        None => intend(case, spec, contract, rotation, secret, 1),
    }
}

/// P1: no other rotation can begin. One that was to be next until this one overtook it may have its intent on its way; only
/// with its finalizer on does it have one, so that is taken off, and put on again when its turn comes.
fn alone(case: Case<'_>, rotation: &Rotation) -> Verdict {
    let mut others = case.journal.waiting().filter(|each| each.uid != rotation.uid);
    match others.find(|each| each.held && each.attempt.is_none() && each.owed.is_empty()) {
        Some(next) => case.act(Effect::ReleaseRotation { rotation: next.name.clone(), onto: next.revision.clone() }),
        None => Ok(()),
    }
}

/// Line 5: the candidate's bytes are in the store, read by id (P2).
pub fn stored(
    case: Case<'_>,
    contract: &Contract,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict {
    if rotation.candidate.is_some() {
        return brought::stored(case, rotation, attempt);
    }
    if attempt.step > IntentStep::Create {
        return Ok(());
    }
    if let Some(stored) = case.version(&attempt.version)? {
        if !stored.problems.is_empty() {
            return give_up(case, contract, rotation, secret);
        }
        // It is there, so the superseded one is dead or dying: nothing may go back to it (P20 leads forward from it).
        let doomed = |version: &VersionId| case.journal.doomed(version);
        return match &attempt.supersedes {
            Some(superseded) if contract.no_return() == NoReturn::Create && !doomed(superseded) => {
                case.record(rotation, in_place::doom(superseded).into_iter().collect())
            }
            _ => Ok(()),
        };
    }
    let Some(right) = case.right(rotation, IntentStep::Create) else {
        // Announced by another process, or the answer was lost: it may still be on its way.
        let announced = mark(rotation, attempt, IntentStep::Create);
        case.over(&announced, Reason::Settling)?;
        if in_place::begun(contract, rotation) {
            in_place::without_effect(case, contract, attempt, &announced)?;
        }
        return give_up(case, contract, rotation, secret);
    };
    if attempt.number > 1 && contract.chooser == Chooser::Partner {
        orphans::made_way(case, contract, rotation, secret)?;
    }
    let basis = attempt.supersedes.clone();
    case.act(match contract.chooser {
        Chooser::Caller => {
            Effect::Compose { version: attempt.version.clone(), basis, slot: attempt.slot.clone(), right }
        }
        Chooser::Partner => {
            let tag = Tag::of(&case.resource.own.cluster, &attempt.version);
            Effect::Mint { version: attempt.version.clone(), basis, tag, acting: acting(case.spec()?, secret)?, right }
        }
    })
}

/// Line 6: a candidate of our own making is accepted by the partner because we told it so.
pub fn registered(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict {
    let in_place = contract.in_place();
    let done = attempt.step > IntentStep::Register || attempt.accepted > 0;
    if contract.chooser == Chooser::Partner || rotation.candidate.is_some() || done && !in_place {
        return Ok(());
    }
    if attempt.step < IntentStep::Register {
        may_fill(case, spec, contract, rotation, attempt, secret)?;
        let superseded = attempt.supersedes.as_ref().filter(|_| in_place);
        return case
            .record(rotation, superseded.and_then(in_place::doom).into_iter().chain([Entry::Registering]).collect());
    }
    if case.acceptance(&attempt.version)? == Some(Acceptance::Accepted) {
        return Ok(());
    }
    match case.right(rotation, IntentStep::Register) {
        Some(right) => {
            // What the slot holds is known in the pass of the call, not of its record: somebody may have filled it since.
            if !in_place {
                may_fill(case, spec, contract, rotation, attempt, secret)?;
            }
            case.act(Effect::Register { version: attempt.version.clone(), acting: acting(spec, secret)?, right })
        }
        // Registered, and not accepted yet; or announced by a process that is gone. The same bytes again change
        // nothing, so once every older call is over, the newest included, they are announced anew.
        None => {
            let since = case.first_saw(&mark(rotation, attempt, IntentStep::Register));
            if !in_place && case.now.duration_since(since) >= patience(case, contract) {
                return give_up(case, contract, rotation, secret);
            }
            case.over(&Mark::announced(rotation, attempt), Reason::CandidateNotAccepted)?;
            may_fill(case, spec, contract, rotation, attempt, secret)?;
            case.record(rotation, vec![Entry::Registering])
        }
    }
}

/// Line 7: the stored bytes, read back in this very pass, are accepted, as often in a row as the contract asks.
pub fn accepted(
    case: Case<'_>,
    contract: &Contract,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict {
    let pure = contract.verification_is_pure();
    if !pure {
        promotion::used(case, contract, rotation, attempt, secret)?;
    }
    match case.acceptance(&attempt.version)? {
        Some(Acceptance::Accepted) if attempt.accepted >= contract.successes => Ok(()),
        Some(Acceptance::Accepted) => {
            // Used, it has put the superseded one on its way out.
            let superseded = attempt.supersedes.as_ref().filter(|_| !pure && rotation.candidate.is_none());
            let doom = superseded.filter(|version| !case.journal.doomed(version)).and_then(in_place::doom);
            let accepted = Entry::Accepted(attempt.accepted.saturating_add(1));
            case.record(rotation, std::iter::once(accepted).chain(doom).collect())
        }
        Some(Acceptance::Alien | Acceptance::Malformed) if attempt.step < IntentStep::Promote || !pure => {
            refused(case, contract, rotation, secret)
        }
        // As often as the contract asks, in a row.
        Some(_) if attempt.accepted > 0 && contract.successes > 1 && attempt.step < IntentStep::Promote => {
            case.record(rotation, vec![Entry::Accepted(0)])
        }
        Some(_) => {
            let since = case.first_saw(&mark(rotation, attempt, attempt.step.min(IntentStep::Register)));
            let brought = rotation.candidate.is_some();
            let patience = if brought { brought::patience(contract) } else { patience(case, contract) };
            if case.now.duration_since(since) < patience {
                return case.wait(Reason::CandidateNotAccepted, 2);
            }
            refused(case, contract, rotation, secret)
        }
        None => case.wait(Reason::Settling, 2),
    }
}

/// The stored candidate is refused: one that we asked for is followed by another, one that a person brought by none.
fn refused<T>(case: Case<'_>, contract: &Contract, rotation: &Rotation, secret: &StoreSecret) -> Verdict<T> {
    if rotation.candidate.is_some() {
        return brought::refuse(case, rotation);
    }
    give_up(case, contract, rotation, secret)
}

/// How long a refusal of the candidate still proves nothing.
fn patience(case: Case<'_>, contract: &Contract) -> SignedDuration {
    contract.propagation.max(case.bounds().acceptance)
}

/// P3: the attempt is given up by announcing the next one, or, at the end of patience, the rotation is.
pub fn give_up<T>(case: Case<'_>, contract: &Contract, rotation: &Rotation, secret: &StoreSecret) -> Verdict<T> {
    let made = rotation.attempt.as_ref().map_or(0, |attempt| attempt.number);
    let cancelled = rotation.deleting.is_some() && !in_place::goes_on(case, contract, rotation, secret)?;
    let spent = made >= case.bounds().attempts && !in_place::may_die(case, contract, rotation);
    let last = spent || cancelled || brought::heir(case, rotation)?.is_some();
    in_place::may_give_up(case, contract, rotation, secret, !last)?;
    if last {
        return case.record(rotation, vec![Entry::Abort]);
    }
    if rotation.candidate.is_some() {
        return brought::intend(case, case.spec()?, rotation, secret, made.saturating_add(1));
    }
    let began = rotation.attempt.as_ref().map(|attempt| case.first_saw(&mark(rotation, attempt, IntentStep::Create)));
    let earliest = began.map_or(case.now, |began| later(began, case.bounds().spacing));
    if case.now < earliest {
        return Err(Step::Wait { reason: Reason::AttemptsSpaced, until: Some(earliest) });
    }
    intend(case, case.spec()?, contract, rotation, secret, made.saturating_add(1))
}

/// How a rotation that undid itself ended.
pub fn undone_as(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    secret: &StoreSecret,
    heir: Option<&Rotation>,
) -> Verdict<Outcome> {
    let made = rotation.attempt.as_ref().map_or(0, |attempt| attempt.number);
    match rotation.deleting.is_some() {
        true => Ok(Outcome::Cancelled),
        false if heir.is_some() => Ok(Outcome::Superseded),
        false if rotation.candidate.is_some() => brought::undone_as(case, spec, contract, rotation, secret),
        // Also where what it made way for is gone again: it did not fail.
        false if made < case.bounds().attempts => Ok(Outcome::Superseded),
        false => Ok(Outcome::Exhausted),
    }
}

fn intend<T>(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    secret: &StoreSecret,
    number: u16,
) -> Verdict<T> {
    promotion::settled(case, secret)?;
    let current = secret.current().filter(|_| case.resource.noted.onboarded).cloned();
    let acting = acting(spec, secret)?;
    if let Acting::As(version) = &acting {
        // It acts with its own rights: dead, it can't replace itself, and a person must bring a new one.
        match case.acceptance(version)? {
            Some(Acceptance::Accepted) => {}
            Some(_) => return Err(Step::Blocked(Reason::CredentialRejected)),
            None => return case.wait(Reason::Settling, 2),
        }
    }
    let listed = case.credentials(acting, known(case, secret))?;
    // What this announcement gives up is a stray from then on, not before. Where nothing works there is no proof by which
    // to revoke: what is there is replaced, or goes once something works.
    let out = in_place::is_out(case, contract, current.as_ref())?;
    if !out {
        orphans::swept(case, spec, rotation, secret, listed)?;
    }
    mints::allowed(case, rotation)?;
    placed(case, contract, secret, listed)?;
    let slot = slot(spec, contract, secret, listed);
    orphans::room(case, spec, contract, rotation, secret, listed, slot.as_ref())?;
    if let Some(current) = current.as_ref().filter(|_| contract.no_return() == NoReturn::Create && !out) {
        in_place::prepared(case, spec, secret, current)?;
    }
    let baseline: BTreeSet<_> = listed.iter().map(|credential| credential.id.clone()).collect();
    case.record(
        rotation,
        vec![Entry::Intend {
            number,
            version: VersionId::of(&rotation.uid, number),
            supersedes: current,
            slot,
            baseline,
            overlap: if rotation.is_alarm() { SignedDuration::ZERO } else { spec.rotation.overlap },
        }],
    )
}

/// Which slot AWSCURRENT is in is known: the list shows it there, or it is in none, since it is refused. A list can be older
/// than what is in use (F11), and the slot that is in use looks empty then.
fn placed(case: Case<'_>, contract: &Contract, secret: &StoreSecret, listed: &[Credential]) -> Verdict {
    let in_slots = contract.overlap == Overlap::TwoSlots;
    let Some(current) = secret.current().filter(|_| in_slots && retirement::in_use(case)) else { return Ok(()) };
    if listed.iter().any(|credential| credential.versions.contains(current)) {
        return Ok(());
    }
    retirement::refused(case, current)
}

/// The slot that AWSCURRENT is not in, where there are slots: an empty one first.
fn slot(spec: &Spec, contract: &Contract, secret: &StoreSecret, listed: &[Credential]) -> Option<Slot> {
    if contract.in_place() {
        return spec.slots.first().cloned();
    }
    let current = secret.current();
    let holding = |slot: &Slot| listed.iter().find(|credential| credential.slot.as_ref() == Some(slot));
    let taken = |slot: &&Slot| {
        holding(slot).is_some_and(|credential| current.is_some_and(|current| credential.versions.contains(current)))
    };
    let free: Vec<&Slot> = spec.slots.iter().filter(|slot| !taken(slot)).collect();
    free.iter().find(|slot| holding(slot).is_none()).or(free.first()).map(|slot| (*slot).clone())
}

/// P13, P21: the slot is empty or holds what we may overwrite, and no older call on it is under way.
fn may_fill(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    attempt: &Attempt,
    secret: &StoreSecret,
) -> Verdict {
    let Some(slot) = &attempt.slot else { return Ok(()) };
    // A revocation or registration of an earlier rotation or attempt that lands late would hit this value.
    let earlier = case.journal.rotations.iter().filter(|each| each.ended.is_some() && each.attempt.is_some());
    for ended in earlier {
        case.over(&Mark::End(ended.uid.clone()), Reason::Settling)?;
    }
    if attempt.number > 1 {
        case.over(&mark(rotation, attempt, IntentStep::Create), Reason::Settling)?;
    }
    let listed = case.credentials(acting(spec, secret)?, known(case, secret))?;
    placed(case, contract, secret, listed)?;
    let Some(there) = listed.iter().find(|credential| credential.slot.as_ref() == Some(slot)) else { return Ok(()) };
    if there.versions.contains(&attempt.version) {
        return Ok(());
    }
    if contract.in_place() && !there.versions.is_empty() {
        return in_place::rehearsed(case, spec, &attempt.version);
    }
    let harmless = |version: &VersionId| rotation.burned().any(|burned| burned == *version);
    let in_use = retirement::in_use(case);
    let live = in_use && secret.current().is_some_and(|current| there.versions.contains(current));
    if live || !there.versions.iter().any(harmless) {
        return case.wait(Reason::QuotaUsedByOthers(Some(slot.clone())), 30);
    }
    retirement::nobody_holds(case, spec, secret, &there.versions)?;
    if in_use { retirement::in_use_works(case, secret) } else { Ok(()) }
}

pub(super) fn mark(rotation: &Rotation, attempt: &Attempt, step: IntentStep) -> Mark {
    Mark::Intent(Right { rotation: rotation.uid.clone(), attempt: attempt.number, step })
}

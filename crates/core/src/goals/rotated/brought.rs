//! A candidate of a person's own: a new credential in a Secret, or an earlier version that still lives.
//!
//! Invariant: it is tried before anything gives way or is written for it, and its stored bytes again before AWSCURRENT
//! moves; nothing is made at the partner for it, and, being its person's, it is no stray when it is given up. What is doomed,
//! given up or superseded by a compromise comes back by no rotation (R12). Called by the lines of the protocol that differ.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::{Acting, Effect};
use crate::facts::{Acceptance, Credential, Seed, StoreSecret};
use crate::fault::{FaultKind, Place};
use crate::goals::rotated::{acting, in_place, known, mints, promotion};
use crate::journal::{Attempt, Candidate, Entry, Flaw, IntentStep, Outcome, Rejection, Rotation};
use crate::names::VersionId;
use crate::partner::Contract;
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// What a person brought, as far as it is known before anything is written for it.
enum Found {
    /// It may go on.
    Good,
    /// There is no such Secret yet.
    Missing,
    /// It can't be.
    Refused(Outcome),
}

/// How a waiting rotation ends because of what its person brought, if it does. What is unknown is not refused.
pub fn refused(case: Case<'_>, rotation: &Rotation) -> Verdict<Option<Outcome>> {
    if rotation.candidate == Some(Candidate::Unchecked) {
        return Ok(Some(Outcome::CandidateRejected(Rejection::Unchecked)));
    }
    if !case.resource.noted.onboarded {
        return Ok(None);
    }
    match found(case, rotation) {
        Ok(Found::Refused(outcome)) => Ok(Some(outcome)),
        Ok(Found::Missing) if late(case, rotation) => Ok(Some(Outcome::SeedInvalid(Flaw::Missing))),
        Err(look @ Step::Look(_)) => Err(look),
        Ok(Found::Good | Found::Missing) | Err(_) => Ok(None),
    }
}

/// The rotation that `running` makes way for now (P19): a candidate only once it is known to be good, so that a wrong one
/// disturbs nothing.
pub fn heir<'a>(case: Case<'a>, running: &Rotation) -> Verdict<Option<&'a Rotation>> {
    for next in case.journal.heirs(running) {
        if next.candidate.is_some() && !case.resource.noted.onboarded {
            continue;
        }
        match found(case, next) {
            Ok(Found::Good) => return Ok(Some(next)),
            Err(look @ Step::Look(_)) => return Err(look),
            Ok(Found::Missing | Found::Refused(_)) | Err(_) => {}
        }
    }
    Ok(None)
}

/// While a candidate waits for its Secret behind a running rotation, what that one waits for is no reason to rest: nobody
/// tells of a Secret that came.
pub fn awaited(case: Case<'_>, verdict: Verdict) -> Verdict {
    let unknown = |next: &&Rotation| matches!(found(case, next), Ok(Found::Missing) | Err(Step::Wait { .. }));
    let behind = |running: &Rotation| case.journal.heirs(running).iter().any(unknown);
    let served = case.resource.noted.onboarded;
    let waits = served && case.journal.open().is_some_and(|running| !running.unreadable && behind(running));
    match verdict {
        Err(Step::Wait { reason, until }) if waits => {
            let soon = later(case.now, SignedDuration::from_secs(5));
            Err(Step::Wait { reason, until: Some(until.map_or(soon, |until| until.min(soon))) })
        }
        verdict => verdict,
    }
}

/// Line 4: an attempt is announced. Nothing is made at the partner, so nothing is listed, and no room is needed there: both
/// would ask with the rights of what may be dead.
pub fn intend<T>(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret, number: u16) -> Verdict<T> {
    promotion::settled(case, secret)?;
    if number == 1 {
        match (found(case, rotation)?, &rotation.candidate) {
            (Found::Good, _) => {}
            (Found::Refused(outcome), _) => return case.record(rotation, vec![Entry::End(outcome)]),
            (Found::Missing, Some(Candidate::FromSecret(name))) => {
                return case.wait(Reason::CandidateMissing(name.clone()), 5);
            }
            (Found::Missing, _) => return case.wait(Reason::Settling, 5),
        }
    }
    mints::allowed(case, rotation)?;
    over(case, spec, rotation)?;
    case.record(
        rotation,
        vec![Entry::Intend {
            number,
            version: VersionId::of(&rotation.uid, number),
            supersedes: secret.current().cloned(),
            slot: None,
            baseline: BTreeSet::new(),
            overlap: if rotation.is_alarm() { SignedDuration::ZERO } else { spec.rotation.overlap },
        }],
    )
}

/// P14, P21: a revocation or registration of an earlier rotation that lands late would end what a person put into that place
/// since.
fn over(case: Case<'_>, spec: &Spec, rotation: &Rotation) -> Verdict {
    let earlier = case.journal.rotations.iter().filter(|each| each.ended.is_some() && each.attempt.is_some());
    for ended in earlier.filter(|_| !spec.slots.is_empty()) {
        case.over(&Mark::End(ended.uid.clone()), Reason::Settling)?;
    }
    for (id, _) in rotation.owed.iter().filter(|(_, owed)| owed.doomed.is_some()) {
        case.over(&Mark::Doom(rotation.uid.clone(), id.clone()), Reason::RevocationAnnounced(id.clone()))?;
    }
    Ok(())
}

/// Before the promotion: holds unless what was brought is there already under a version that must not come back. It has a
/// version of its own by now, so that its bytes tell (P12, R12).
pub fn is_new(case: Case<'_>, spec: &Spec, secret: &StoreSecret, rotation: &Rotation, attempt: &Attempt) -> Verdict {
    if rotation.candidate.is_none() {
        return Ok(());
    }
    let listed = listed(case, spec, secret, rotation, attempt)?;
    if comes_back(case, rotation, attempt, listed) { refuse(case, rotation) } else { Ok(()) }
}

fn comes_back(case: Case<'_>, rotation: &Rotation, attempt: &Attempt, listed: &[Credential]) -> bool {
    let stolen = attempt.supersedes.as_ref().filter(|_| rotation.is_alarm());
    let its = listed.iter().filter(|each| each.versions.contains(&attempt.version)).flat_map(|each| &each.versions);
    its.filter(|of| **of != attempt.version).any(|of| case.journal.unfit(of) || stolen == Some(of))
}

/// Line 5: its bytes are in the store under this rotation's own version (P10), put by whoever comes by.
pub fn stored(case: Case<'_>, rotation: &Rotation, attempt: &Attempt) -> Verdict {
    if attempt.step > IntentStep::Create {
        return Ok(());
    }
    if let Some(stored) = case.version(&attempt.version)? {
        return if stored.problems.is_empty() { Ok(()) } else { refuse(case, rotation) };
    }
    let Some(candidate) = &rotation.candidate else { return case.wait(Reason::Settling, 5) };
    // AWSCURRENT was moved over the last attempt: what that one stored is what this one is about.
    let before = attempt.number.checked_sub(1).filter(|number| *number > 0);
    if let Some(before) = before.map(|number| VersionId::of(&rotation.uid, number))
        && case.version(&before)?.is_some()
    {
        return case.act(Effect::Bring { version: attempt.version.clone(), from: Candidate::Version(before) });
    }
    match found(case, rotation)? {
        Found::Good => case.act(Effect::Bring { version: attempt.version.clone(), from: candidate.clone() }),
        Found::Missing | Found::Refused(_) => refuse(case, rotation),
    }
}

/// It is refused: there is no other attempt. The rotation undoes itself, and tells why at its end.
pub fn refuse<T>(case: Case<'_>, rotation: &Rotation) -> Verdict<T> {
    case.record(rotation, vec![Entry::Abort])
}

/// For how long a refusal of it proves nothing: it may be as new at the partner as one of our own making.
pub fn patience(contract: &Contract) -> SignedDuration {
    contract.propagation
}

/// How a rotation ends that undid itself: by what its person brought, or because it made way.
pub fn undone_as(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    secret: &StoreSecret,
) -> Verdict<Outcome> {
    let by_candidate = match rotation.candidate {
        Some(Candidate::Version(_)) => Outcome::VersionNotLive,
        _ => Outcome::CandidateRejected(Rejection::Refused),
    };
    let stored = match &rotation.attempt {
        Some(attempt) => case.version(&attempt.version)?.map(|stored| (attempt, stored.problems.is_empty())),
        None => None,
    };
    match stored {
        // Trying it would bring it into force.
        Some(_) if !contract.verification_is_pure() => Ok(by_candidate),
        Some((attempt, true)) if case.acceptance(&attempt.version)? == Some(Acceptance::Accepted) => {
            let listed = acting_before(case, spec, secret, rotation, attempt)
                .and_then(|acting| case.credentials(acting, known(case, secret)));
            match listed {
                Err(look @ Step::Look(_)) => Err(look),
                Ok(listed) if comes_back(case, rotation, attempt, listed) => Ok(match by_candidate {
                    Outcome::CandidateRejected(_) => Outcome::CandidateRejected(Rejection::Burned),
                    not_live => not_live,
                }),
                _ if attempt.number >= case.bounds().attempts => Ok(Outcome::Exhausted),
                _ => Ok(Outcome::Superseded),
            }
        }
        Some(_) => Ok(by_candidate),
        None => match found(case, rotation)? {
            Found::Good => Ok(Outcome::Superseded),
            Found::Missing => Ok(Outcome::SeedInvalid(Flaw::Missing)),
            Found::Refused(outcome) => Ok(outcome),
        },
    }
}

/// What lives at the partner, as far as that can be asked before the promotion: what was brought and comes into force by its
/// use can't list before that, where no admin acts, and what is in use may be dead: the next rotation owes what else lives.
pub fn listed<'a>(
    case: Case<'a>,
    spec: &Spec,
    secret: &StoreSecret,
    rotation: &Rotation,
    attempt: &Attempt,
) -> Verdict<&'a [Credential]> {
    if rotation.candidate.is_some() && spec.scope.admin.is_none() && attempt.accepted == 0 {
        return Ok(&[]);
    }
    case.credentials(acting_before(case, spec, secret, rotation, attempt)?, known(case, secret))
}

/// With whose rights the partner is asked before the promotion: where no admin acts, and what is in use may be dead by a
/// person's hand or by a rotation in place, with those of the candidate once it is accepted.
fn acting_before(
    case: Case<'_>,
    spec: &Spec,
    secret: &StoreSecret,
    rotation: &Rotation,
    attempt: &Attempt,
) -> Verdict<Acting> {
    let may_be_dead = rotation.candidate.is_some() || in_place::unstoppable(case, rotation);
    match &spec.scope.admin {
        None if may_be_dead && attempt.accepted > 0 => Ok(Acting::As(attempt.version.clone())),
        _ => acting(spec, secret),
    }
}

/// Whether what a rotation that makes way has left is ended by its heir instead: what is in use is dead, so that nothing may
/// be ended beside it, or nobody has rights that the partner takes; and `heir` brings what works.
pub fn left_to(spec: &Spec, heir: Option<&Rotation>, why_not: &Step) -> bool {
    let dead = match why_not {
        // What can't be told apart may be what the heir brings, which no version holds yet.
        Step::Blocked(Reason::CredentialRejected) | Step::Wait { reason: Reason::OrphanSuspected(_), .. } => true,
        Step::Wait { reason: Reason::Fault(fault), .. } => {
            let refused = matches!(fault.kind, FaultKind::Denied | FaultKind::Rejected);
            fault.place == Place::Partner && refused && spec.scope.admin.is_none()
        }
        _ => false,
    };
    dead && heir.is_some_and(|heir| heir.candidate.is_some())
}

/// What was taken over and is the candidate's own credential: not owed.
pub fn spared(rotation: &Rotation, attempt: &Attempt, listed: &[Credential]) -> Vec<Entry> {
    let its = |credential: &&Credential| credential.versions.contains(&attempt.version);
    let own = |version: &VersionId| listed.iter().filter(its).any(|credential| credential.versions.contains(version));
    let spared =
        rotation.owed.iter().filter(|(_, owed)| owed.doomed.is_none() && owed.version.as_ref().is_some_and(own));
    spared.map(|(id, _)| Entry::Spare(id.clone())).collect()
}

/// Every version that no rotation brings back: it was given up, is another's candidate, or must not be in use.
fn barred(case: Case<'_>, rotation: &Rotation, version: &VersionId) -> bool {
    let others = || case.journal.rotations.iter().filter(|each| each.uid != rotation.uid);
    let under_way =
        |each: &Rotation| each.ended.is_none() && each.promoted.is_none() && each.version() == Some(version);
    // A revocation that stands on the secret was announced there, and that is final.
    let standing = case.facts.store_secret().is_some_and(|secret| secret.owes(version));
    case.journal.unfit(version)
        || standing
        || others().any(|each| under_way(each) || each.burned().any(|burned| burned == *version))
}

fn found(case: Case<'_>, rotation: &Rotation) -> Verdict<Found> {
    match &rotation.candidate {
        None => Ok(Found::Good),
        Some(Candidate::Unchecked) => Ok(Found::Refused(Outcome::CandidateRejected(Rejection::Unchecked))),
        Some(Candidate::FromSecret(name)) => Ok(match case.brought(name)? {
            None => Found::Missing,
            Some(seed) => of_seed(seed),
        }),
        Some(Candidate::Version(version)) => {
            let lives = !barred(case, rotation, version) && lives(case, version)?;
            Ok(if lives { Found::Good } else { Found::Refused(Outcome::VersionNotLive) })
        }
    }
}

fn lives(case: Case<'_>, version: &VersionId) -> Verdict<bool> {
    let Some(stored) = case.version(version)? else { return Ok(false) };
    let pure = case.resource.contract().is_some_and(Contract::verification_is_pure);
    Ok(stored.problems.is_empty() && (!pure || case.acceptance(version)? == Some(Acceptance::Accepted)))
}

fn of_seed(seed: &Seed) -> Found {
    let flaw = match seed {
        Seed::Accepted { .. } => return Found::Good,
        Seed::Refused => return Found::Refused(Outcome::CandidateRejected(Rejection::Refused)),
        Seed::WrongType => Flaw::Type,
        Seed::Malformed(_) => Flaw::Fields,
        Seed::WrongHost => Flaw::Host,
        Seed::NotGranted(_) => Flaw::Identity,
        Seed::InUse(_) => Flaw::InUse,
        Seed::Admins => Flaw::Admins,
    };
    Found::Refused(Outcome::SeedInvalid(flaw))
}

/// Whoever brings a candidate makes its Secret first, or right after: one that never comes must not hold up the others.
fn late(case: Case<'_>, rotation: &Rotation) -> bool {
    case.now >= later(rotation.created, case.bounds().acceptance)
}

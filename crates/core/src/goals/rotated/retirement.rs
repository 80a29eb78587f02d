//! Proof of disuse, overlap, revocation.
//!
//! Invariant: a credential is revoked only when a record doomed it, every older call is over, and, read in this very
//! pass, every region and target carries the new version and AWSCURRENT is accepted without it (P11-P15). Any of these
//! unknown is a visible wait. A person's `revocation: AtOnce` stands for regions and targets, and for nothing else.

use std::collections::BTreeSet;

use crate::case::{Case, later};
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Acceptance, Credential, Holder, StoreSecret};
use crate::goals::onboarded::{claimed, owned};
use crate::goals::rotated::{acting, brought, in_place, known, orphans};
use crate::goals::standing;
use crate::journal::{Attempt, Entry, Outcome, Owed, Rotation};
use crate::names::{CredentialId, Region, Stage, VersionId};
use crate::partner::Activation;
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// Line 12: both lived side by side for as long as was asked, when it began or since.
pub fn overlapped(case: Case<'_>, spec: &Spec, rotation: &Rotation) -> Verdict {
    let Some(promoted) = rotation.promoted else { return Ok(()) };
    if rotation.is_alarm() {
        return Ok(());
    }
    // Doom is final: an overlap that was lengthened since does not put it off.
    if rotation.owed.values().all(|owed| owed.doomed.is_some()) {
        return Ok(());
    }
    let overlap = rotation.overlap.unwrap_or_default().max(spec.rotation.overlap);
    let until = later(promoted, overlap);
    if case.now >= until { Ok(()) } else { Err(Step::Wait { reason: Reason::WaitingForOverlap, until: Some(until) }) }
}

/// Line 11: every holder holds the candidate.
pub fn delivered(case: Case<'_>, spec: &Spec, attempt: &Attempt) -> Verdict {
    let secret = claimed(case)?;
    holders_carry(case, spec, secret, &attempt.version)
}

/// Every holder holds AWSCURRENT.
pub fn delivered_current(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    match secret.current() {
        Some(current) => holders_carry(case, spec, secret, current),
        None => case.wait(Reason::Settling, 5),
    }
}

fn holders_carry(case: Case<'_>, spec: &Spec, secret: &StoreSecret, version: &VersionId) -> Verdict {
    let regions = regions(spec, secret).into_iter().map(|region| match case.replica(region)? {
        Some(replica) if replica.current.as_ref() == Some(version) => Ok(()),
        _ => case.wait(Reason::RegionCarriesOld(region.clone()), 2),
    });
    let targets = spec.scope.targets.keys().map(|name| match case.target(name)? {
        Some(seen)
            if seen.holder == Holder::Us && seen.version.as_ref() == Some(version) && seen.intact == Some(true) =>
        {
            Ok(())
        }
        _ => case.wait(Reason::TargetCarriesOld(name.clone()), 2),
    });
    // So does a Secret that the spec dropped and that is still labelled as ours.
    let dropped = std::iter::once_with(|| {
        let old = case.labelled()?.iter().find(|secret| secret.version.as_ref() != Some(version));
        old.map_or(Ok(()), |secret| case.wait(Reason::TargetCarriesOld(secret.name.clone()), 5))
    });
    every(regions.chain(targets).chain(dropped))
}

/// Line 13: what is owed is revoked, one after the other.
pub fn retired(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    every(rotation.owed.iter().map(|(id, owed)| pay(case, spec, rotation, secret, id, owed)))
}

/// While a grant is withdrawn nothing new is done, and what was superseded under it is still revoked, once all is proven
/// that is proven otherwise: the overlap is over, AWSCURRENT is the candidate and accepted, and every holder carries it.
/// What is not delivered yet stays as it is, and so does its debt.
pub fn indebted(case: Case<'_>) -> Verdict {
    let (Some(debts), Some(rotation)) = (&case.resource.debts, case.journal.indebted()) else { return Ok(()) };
    let Some(attempt) = &rotation.attempt else { return Ok(()) };
    overlapped(case, debts, rotation)?;
    let secret = owned(case, debts)?;
    if secret.current() != Some(&attempt.version) {
        return case.wait(Reason::Settling, 60);
    }
    holders_carry(case, debts, secret, &attempt.version)?;
    retired(case, debts, rotation, secret)
}

/// One revocation: gate, doom, over, gate again, revoke, paid on the answer.
pub fn pay(
    case: Case<'_>,
    spec: &Spec,
    rotation: &Rotation,
    secret: &StoreSecret,
    id: &CredentialId,
    owed: &Owed,
) -> Verdict {
    if owed.doomed.is_some() && case.tries().answered(&rotation.uid, id) {
        return case.record(rotation, vec![Entry::Paid(id.clone())]);
    }
    if let (Some(contract), Some(version)) = (case.resource.contract(), &owed.version) {
        let superseded = rotation.attempt.as_ref().and_then(|attempt| attempt.supersedes.as_ref());
        let by_partner = contract.in_place() && rotation.candidate.is_none();
        if by_partner && superseded == Some(version) && rotation.promoted.is_some() {
            return in_place::replaced(case, contract, rotation, id, version);
        }
    }
    let acting = acting(spec, secret)?;
    let listed = case.credentials(acting.clone(), known(case, secret))?;
    // Its id may have changed (a role's credential is named after one of the versions that hold its bytes).
    let holds =
        |credential: &&Credential| owed.version.as_ref().is_some_and(|version| credential.versions.contains(version));
    let there: Vec<&Credential> =
        listed.iter().filter(|credential| credential.id == *id || holds(credential)).collect();
    let at_once = at_once(case, rotation, owed);
    gate(case, spec, Some(rotation), secret, &there, id, owed, at_once)?;
    if owed.doomed.is_none() {
        return case.record(rotation, vec![Entry::Doom(id.clone(), owed.version.clone())]);
    }
    let (announced, waits) = (Mark::Doom(rotation.uid.clone(), id.clone()), Reason::RevocationAnnounced(id.clone()));
    if at_once {
        case.settled(&announced, waits)?
    } else {
        case.over(&announced, waits)?
    }
    match (there.iter().any(|credential| credential.main), secret.current()) {
        // It is still the main one: the new one becomes it first, which puts this one on its way out.
        (true, Some(current)) if activates(case) => case.act(Effect::Activate { version: current.clone(), acting }),
        _ => {
            let version = owed
                .version
                .clone()
                .or_else(|| there.iter().find_map(|credential| credential.versions.first().cloned()));
            let proven = !at_once || proven(case, spec, secret, &there, owed)?;
            let credential = at_partner(id, owed, &there).clone();
            case.act(Effect::Revoke { debtor: rotation.uid.clone(), credential, version, proven, acting })
        }
    }
}

/// What the partner calls it. A list that was older than the credential did not show it when it came to be owed: the debt
/// then has its version's name, by which no partner knows anything, and would answer that it is gone.
pub fn at_partner<'a>(id: &'a CredentialId, owed: &Owed, there: &[&'a Credential]) -> &'a CredentialId {
    let by_version = owed.version.as_ref().is_some_and(|version| version.as_str() == id.as_str());
    there.first().filter(|_| by_version).map_or(id, |credential| &credential.id)
}

/// Whether a person's word stands for the proof: only for what was current before, never for strays.
fn at_once(case: Case<'_>, rotation: &Rotation, owed: &Owed) -> bool {
    let stray = |version: &VersionId| orphans::given_up(case).contains(version);
    rotation.at_once() && owed.version.as_ref().is_some_and(|version| !stray(version))
}

/// Whether nobody holds it all the same. What can't be read is not proven, and holds nothing up here.
fn proven(case: Case<'_>, spec: &Spec, secret: &StoreSecret, there: &[&Credential], owed: &Owed) -> Verdict<bool> {
    let listed = there.iter().flat_map(|credential| credential.versions.iter().cloned());
    match nobody_holds(case, spec, secret, &listed.chain(owed.version.clone()).collect()) {
        Ok(()) => Ok(true),
        Err(look @ Step::Look(_)) => Err(look),
        Err(_) => Ok(false),
    }
}

/// Whether a credential is ended by making another the main one first.
pub(crate) fn activates(case: Case<'_>) -> bool {
    case.resource.contract().is_some_and(|contract| contract.activation == Activation::AfterPromotion)
}

/// P13: ours beyond doubt, not what AWSCURRENT holds, wanted and held by nobody, and AWSCURRENT is accepted now. `debtor`: the
/// rotation that owes it; absent = it stands on the secret.
#[allow(clippy::too_many_arguments, reason = "each is a part of the proof")]
pub fn gate(
    case: Case<'_>,
    spec: &Spec,
    debtor: Option<&Rotation>,
    secret: &StoreSecret,
    there: &[&Credential],
    id: &CredentialId,
    owed: &Owed,
    at_once: bool,
) -> Verdict {
    let foreign =
        |credential: &&&Credential| credential.versions.is_empty() && orphans::tagged(case, credential).is_none();
    // A name alone, which nothing of ours bears out, is no proof whose it is.
    let unknown = there.is_empty() && owed.version.is_none();
    if unknown || there.iter().any(|credential| foreign(&credential)) {
        return case.wait(Reason::OrphanSuspected(id.clone()), 60);
    }
    let listed = there.iter().flat_map(|credential| credential.versions.iter().cloned());
    let tagged = there.iter().filter_map(|credential| orphans::tagged(case, credential));
    let versions: BTreeSet<VersionId> = listed.chain(tagged).chain(owed.version.clone()).collect();
    let wanted = case.journal.waiting().filter(|open| !open.aborting).filter_map(Rotation::version);
    if wanted.into_iter().any(|version| versions.contains(version)) {
        return case.wait(Reason::Settling, 5);
    }
    // What a rollback wants lives until that one ends; but not what it wants behind a compromise, which burns it.
    let burns = debtor.is_some_and(Rotation::is_alarm);
    let others = case.journal.waiting().filter(|open| !burns && debtor.is_none_or(|debtor| open.uid != debtor.uid));
    let wanted =
        others.filter_map(Rotation::wanted).any(|wanted| !case.journal.same_bytes(wanted).is_disjoint(&versions));
    if wanted && owed.doomed.is_none() {
        return case.wait(Reason::Settling, 5);
    }
    if !at_once {
        nobody_holds(case, spec, secret, &versions)?;
    }
    if !in_use(case) {
        return Ok(());
    }
    if secret.current().is_none_or(|current| versions.contains(current)) {
        return case.wait(Reason::Settling, 5);
    }
    in_use_works(case, secret)
}

/// Whether anything was ever served. Before that nothing is in use, wherever AWS put the label by itself: all that is
/// here are strays of a mint.
pub fn in_use(case: Case<'_>) -> bool {
    case.resource.noted.onboarded || case.journal.last_promoted().is_some()
}

/// AWSCURRENT is accepted now: what is about to end is not all that works.
pub fn in_use_works(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    let Some(current) = secret.current() else { return case.wait(Reason::Settling, 5) };
    match case.acceptance(current)? {
        Some(Acceptance::Accepted) => Ok(()),
        Some(_) => Err(Step::Blocked(Reason::CredentialRejected)),
        None => case.wait(Reason::Settling, 2),
    }
}

/// No region, target or Secret that is still labelled as ours holds any of these versions. Unread or unknown holds them.
pub fn nobody_holds(case: Case<'_>, spec: &Spec, secret: &StoreSecret, versions: &BTreeSet<VersionId>) -> Verdict {
    let held = |version: &Option<VersionId>| version.as_ref().is_some_and(|version| versions.contains(version));
    let regions = regions(spec, secret).into_iter().map(|region| match case.replica(region)? {
        Some(replica) if held(&replica.current) => case.wait(Reason::RegionCarriesOld(region.clone()), 2),
        Some(_) | None => Ok(()),
    });
    let targets = spec.scope.targets.keys().map(|name| match case.target(name)? {
        Some(seen) if seen.holder == Holder::Us && (held(&seen.version) || seen.intact != Some(true)) => {
            case.wait(Reason::TargetCarriesOld(name.clone()), 2)
        }
        Some(_) | None => Ok(()),
    });
    let dropped = std::iter::once_with(|| {
        let old = case.labelled()?.iter().find(|secret| secret.version.is_none() || held(&secret.version));
        old.map_or(Ok(()), |secret| case.wait(Reason::TargetCarriesOld(secret.name.clone()), 5))
    });
    every(regions.chain(targets).chain(dropped))
}

/// A replica that the spec no longer names still serves whoever reads it there.
fn regions<'a>(spec: &'a Spec, secret: &'a StoreSecret) -> BTreeSet<&'a Region> {
    spec.replicas.iter().map(|region| &region.name).chain(secret.replication.keys()).collect()
}

/// Line 14: no late stray, and AWSPENDING on no version (P22: AWS would refuse to rotate).
pub fn clean(case: Case<'_>, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    let spec = case.spec()?;
    let listed = case.credentials(acting(spec, secret)?, known(case, secret))?;
    orphans::swept(case, spec, rotation, secret, listed)?;
    match secret.labelled(Stage::PENDING) {
        Some(version) => case.act(Effect::Discard { version: version.clone() }),
        None => Ok(()),
    }
}

/// What a compromise superseded keeps no label: AWSPREVIOUS says where one may go back to (R12).
pub fn forgotten(case: Case<'_>, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    match secret.labelled(Stage::PREVIOUS).filter(|previous| rotation.is_alarm() && case.journal.unfit(previous)) {
        Some(previous) => case.act(Effect::Forget { version: previous.clone() }),
        None => Ok(()),
    }
}

/// A rotation that is being undone: every call that was announced is over, its strays are gone, its label is off.
pub fn undone(
    case: Case<'_>,
    spec: &Spec,
    rotation: &Rotation,
    secret: &StoreSecret,
    heir: Option<&Rotation>,
    ended: Outcome,
) -> Verdict {
    if rotation.attempt.is_some() {
        case.over(&Mark::Abort(rotation.uid.clone()), Reason::Settling)?;
        // For what a person brought nothing was made at the partner, and what is in use may be dead.
        if rotation.candidate.is_none() {
            match strays_gone(case, spec, rotation, secret) {
                Ok(()) if !in_use(case) => stray_refused(case, rotation, secret)?,
                Err(why_not) if !brought::left_to(spec, heir, &why_not) => return Err(why_not),
                Ok(()) | Err(_) => {}
            }
        }
        if let Some(pending) =
            secret.labelled(Stage::PENDING).filter(|version| rotation.burned().any(|burned| burned == **version))
        {
            return case.act(Effect::Discard { version: pending.clone() });
        }
    }
    // What it took over from another is nobody's once it ends: it goes onto the secret, and is paid from there.
    if rotation.pre_empts() && case.resource.contract().is_some() {
        standing::stands(case, spec, secret, &standing::left_by(rotation, secret))?;
    }
    case.record(rotation, vec![Entry::End(ended)])
}

/// AWS put AWSCURRENT onto the first value by itself. That was revoked, and a partner may accept it for a while yet: with no
/// Rotation left that tells so, it would be taken for one that works.
fn stray_refused(case: Case<'_>, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    let stray = secret.current().filter(|current| rotation.burned().any(|burned| burned == **current));
    stray.map_or(Ok(()), |stray| refused(case, stray))
}

/// Nobody logs in with this version.
pub fn refused(case: Case<'_>, version: &VersionId) -> Verdict {
    match case.acceptance(version)? {
        Some(Acceptance::Accepted) | None => case.wait(Reason::Settling, 5),
        Some(_) => Ok(()),
    }
}

fn strays_gone(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    let listed = case.credentials(acting(spec, secret)?, known(case, secret))?;
    orphans::swept(case, spec, rotation, secret, listed)?;
    orphans::told_apart(case, rotation, listed)
}

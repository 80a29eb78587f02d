//! Proof of disuse, overlap, revocation.
//!
//! Invariant: a credential is revoked only when a record doomed it, every older call is over, and, read in this very
//! pass, every region and target carries the new version and AWSCURRENT is accepted without it (P11-P15). Any of these
//! unknown is a visible wait.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Acceptance, Holder, StoreSecret};
use crate::goals::rotated::{acting, candidate, known, orphans};
use crate::journal::{Attempt, Entry, Outcome, Owed, Rotation};
use crate::names::{CredentialId, Region, Stage, VersionId};
use crate::partner::Activation;
use crate::reason::Reason;
use crate::spec::Spec;
use crate::tries::Mark;

/// Line 12: both lived side by side for as long as was asked, when it began or since.
pub fn overlapped(case: Case<'_>, spec: &Spec, rotation: &Rotation) -> Verdict {
    let Some(promoted) = rotation.promoted else { return Ok(()) };
    if rotation.owed.is_empty() {
        return Ok(());
    }
    let overlap = rotation.overlap.unwrap_or_default().max(spec.rotation.overlap);
    let until = promoted + overlap;
    if case.now >= until { Ok(()) } else { Err(Step::Wait { reason: Reason::WaitingForOverlap, until: Some(until) }) }
}

/// Line 11: every holder holds the candidate.
pub fn delivered(case: Case<'_>, spec: &Spec, attempt: &Attempt) -> Verdict {
    let secret = crate::goals::onboarded::claimed(case)?;
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
    // A replica that the spec no longer names still serves whoever reads it there.
    let regions: BTreeSet<&Region> =
        spec.replicas.iter().map(|region| &region.name).chain(secret.replication.keys()).collect();
    let regions = regions.into_iter().map(|region| match case.replica(region)? {
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
    let acting = acting(spec, secret)?;
    let listed = case.credentials(acting.clone(), known(case, secret))?;
    let there = listed.iter().find(|credential| credential.id == *id);
    gate(case, secret, there.map(|credential| &credential.versions), id)?;
    if owed.doomed.is_none() {
        return case.record(rotation, vec![Entry::Doom(id.clone(), owed.version.clone())]);
    }
    case.over(&Mark::Doom(rotation.uid.clone(), id.clone()), Reason::RevocationAnnounced(id.clone()))?;
    let activates = case.resource.contract().is_some_and(|contract| contract.activation == Activation::AfterPromotion);
    match (there.is_some_and(|credential| credential.main), secret.current()) {
        // It is still the main one: the new one becomes it first, which puts this one on its way out.
        (true, Some(current)) if activates => case.act(Effect::Activate { version: current.clone(), acting }),
        _ => {
            let version =
                owed.version.clone().or_else(|| there.and_then(|credential| credential.versions.first().cloned()));
            case.act(Effect::Revoke { debtor: rotation.uid.clone(), credential: id.clone(), version, acting })
        }
    }
}

/// P13: not what AWSCURRENT holds, ours beyond doubt, and AWSCURRENT is accepted now.
fn gate(case: Case<'_>, secret: &StoreSecret, versions: Option<&BTreeSet<VersionId>>, id: &CredentialId) -> Verdict {
    if versions.is_some_and(BTreeSet::is_empty) {
        return case.wait(Reason::OrphanSuspected(id.clone()), 60);
    }
    let Some(current) = secret.current() else {
        // Before the first promotion nothing is in use yet; only strays of a mint can be here.
        return if case.resource.noted.onboarded { case.wait(Reason::Settling, 5) } else { Ok(()) };
    };
    if versions.is_some_and(|versions| versions.contains(current)) {
        return if case.resource.noted.onboarded { case.wait(Reason::Settling, 5) } else { Ok(()) };
    }
    if !case.resource.noted.onboarded {
        return Ok(());
    }
    match case.acceptance(current)? {
        Some(Acceptance::Accepted) => Ok(()),
        Some(_) => Err(Step::Blocked(Reason::CredentialRejected)),
        None => case.wait(Reason::Settling, 2),
    }
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

/// A rotation that is being undone: every call that was announced is over, its strays are gone, its label is off.
pub fn undone(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret, ended: Outcome) -> Verdict {
    if rotation.attempt.is_some() {
        case.over(&Mark::Abort(rotation.uid.clone()), Reason::Settling)?;
        let listed = case.credentials(acting(spec, secret)?, known(case, secret))?;
        orphans::swept(case, spec, rotation, secret, listed)?;
        orphans::told_apart(case, rotation, listed)?;
        if let Some(pending) =
            secret.labelled(Stage::PENDING).filter(|version| rotation.burned().any(|burned| burned == **version))
        {
            return case.act(Effect::Discard { version: pending.clone() });
        }
    }
    let outcome = if ended == Outcome::Cancelled { candidate::undone_as(rotation) } else { ended };
    case.record(rotation, vec![Entry::End(outcome)])
}

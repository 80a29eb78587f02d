//! `Deleted`: gone along the three axes, each proven at the remote.
//!
//! Order: an open rotation is undone, or goes on to its promotion → targets are removed, or get what was promoted → replicas →
//! credentials at the partner → the secret → finalizers. The deletion itself, read live, is the announcement of every
//! revocation here (PROTOCOL 3). An adopted or observed secret is never deleted.
//!
//! Nobody is held for nothing: a resource for which nothing was ever made ([`untouched`]) goes though its spec, its store or its
//! account can't be used, and what only waits for its overlap is written on the AWS secret at once (R13).

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::case::Case;
use crate::debt::Debt;
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Bounds, Credential, Ownership, StoreSecret};
use crate::goals::rotated::{self, orphans, promotion, retirement};
use crate::goals::{standing, synced};
use crate::journal::{Entry, Outcome, Owed, Rotation};
use crate::names::VersionId;
use crate::reason::Reason;
use crate::spec::{Fate, Resource, Spec};
use crate::tries::Mark;

/// The rule.
pub fn deleted(case: Case<'_>) -> Verdict {
    let resource = case.resource;
    if !resource.held && case.journal.rotations.iter().all(|rotation| !rotation.held) {
        return Ok(());
    }
    if !resource.abandoned {
        match settled(case) {
            Err(Step::Wait { reason, .. } | Step::Blocked(reason))
                if untouched(case) && (resource.spec.is_err() || reason.is_stalled() || is_late(case)) => {}
            Err(Step::Wait { reason: Reason::WaitingForOverlap, .. }) if writable(case) => outlived(case)?,
            // Nor does a finalizer that went with the bound come back.
            Err(Step::Wait { .. } | Step::Blocked(_) | Step::Act(Effect::HoldRotation { .. })) if is_late(case) => {
                outlived(case)?;
            }
            verdict => verdict?,
        }
    }
    if let Some(rotation) = case.journal.rotations.iter().find(|rotation| rotation.held) {
        return case.act(Effect::ReleaseRotation { rotation: rotation.name.clone(), onto: rotation.revision.clone() });
    }
    if resource.held { case.act(Effect::Release { onto: resource.revision.clone() }) } else { Ok(()) }
}

/// Until when the finalizers of a resource that is being deleted stay at most.
pub fn released_at(resource: &Resource, bounds: &Bounds) -> Option<Timestamp> {
    resource.deleting.map(|deleting| standing::released_at(resource, deleting, bounds))
}

fn is_late(case: Case<'_>) -> bool {
    released_at(case.resource, case.bounds()).is_some_and(|at| case.now >= at)
}

/// Whether nothing was ever made for the resource, at the partner or in AWS, as far as status, journal, this pass and this
/// process tell: it was never in service, no AWS secret was seen under its name, no attempt was announced and nothing is owed.
/// What can't be read may be there.
pub fn untouched(case: Case<'_>) -> bool {
    let noted = &case.resource.noted;
    let served = noted.onboarded || noted.secret || noted.version.is_some() || noted.last_rotation.is_some();
    let carried = !noted.regions.is_empty() || !noted.targets.is_empty();
    let swept = case.glimpse().sweep.as_ref().is_some_and(|line| line.arn.is_some() || !line.versions.is_empty());
    let seen = swept || case.facts.store_secret().is_some();
    let made = |effect: &Effect| {
        matches!(effect, Effect::CreateSecret | Effect::CreateManaged { .. } | Effect::Onboard { .. } | Effect::Claim)
    };
    !served && !carried && !seen && !case.tries().may_have(made) && case.journal.rotations.iter().all(owes_nothing)
}

/// Whether all that is owed can be written on the AWS secret: then nobody has to be held until an overlap is over.
fn writable(case: Case<'_>) -> bool {
    let (Ok(spec), Some(secret)) = (&case.resource.spec, case.facts.store_secret()) else { return false };
    let there = |owed: &Owed| owed.version.as_ref().is_some_and(|version| secret.versions.contains_key(version));
    let held = case.journal.waiting().all(|rotation| !rotation.unreadable && rotation.owed.values().all(there));
    let debt = Debt::of(case.resource, spec, case.journal);
    held && debt.parameters.len() == spec.parameters.len() && debt.texts().is_some()
}

/// What is left is written on the AWS secret, which is not deleted while it owes. Of what can't be resolved nobody can write
/// anything: it is named (event `RevocationLost`), as what no version holds.
fn outlived(case: Case<'_>) -> Verdict {
    let Ok(spec) = &case.resource.spec else { return Ok(()) };
    let found = case.store_secret()?;
    let is_there = |secret: &&StoreSecret| secret.ownership == Ownership::Ours && !secret.scheduled_for_deletion;
    let Some(secret) = found.filter(is_there) else { return Ok(()) };
    if case.resource.contract().is_some() {
        return standing::stands(case, spec, secret, &owing(case, secret));
    }
    gone(case, spec, secret)
}

/// Every version whose credential is still to be revoked, as far as the journal tells: what is owed, and the candidates of
/// what never came to its end. What AWSCURRENT is on only where that was promised.
fn owing(case: Case<'_>, secret: &StoreSecret) -> BTreeSet<VersionId> {
    let mut owing = BTreeSet::new();
    for rotation in &case.journal.rotations {
        owing.extend(standing::left_by(rotation, secret));
        // What a person brought is theirs.
        if rotation.ended.is_none() && rotation.candidate.is_none() {
            owing.extend(rotation.burned());
            owing.extend(rotation.version().filter(|_| rotation.promoted.is_none()).cloned());
        }
    }
    match case.resource.deletion.partner {
        Fate::Remove => owing.extend(secret.versions.keys().cloned()),
        Fate::Retain => owing.retain(|version| secret.current() != Some(version)),
    }
    owing
}

/// The deletion along its axes, but for the finalizers: also of what is left of a resource on its AWS secret.
pub fn settled(case: Case<'_>) -> Verdict {
    let axes = case.resource.deletion;
    let keeps_all = axes.targets == Fate::Retain && axes.store == Fate::Retain && axes.partner == Fate::Retain;
    let spec = match &case.resource.spec {
        Ok(spec) => spec,
        // What can't be resolved can't be reached: with nothing to take along it goes, else a person mends it.
        Err(_) if keeps_all && case.journal.waiting().all(owes_nothing) => return Ok(()),
        Err(reason) => return Err(Step::Blocked(reason.clone())),
    };
    let found = case.store_secret()?;
    if axes.partner == Fate::Remove && case.resource.contract().is_some() {
        reachable(case, spec, found)?;
    }
    let secret = found.filter(|secret| secret.ownership == Ownership::Ours);
    if let Some(secret) = secret {
        decided(case, spec, secret)?;
    }
    targets(case)?;
    let Some(secret) = secret.filter(|secret| !secret.scheduled_for_deletion) else { return Ok(()) };
    if axes.removes_secret(&spec.onboard) {
        replicas(case, secret)?;
    }
    match axes.partner {
        Fate::Remove => credentials(case, spec, secret)?,
        Fate::Retain => owed(case, spec, secret)?,
    }
    gone(case, spec, secret)?;
    standing::closed(case, secret)
}

/// Whether no credential of it is left to be revoked: nothing was announced that may have made one, and nothing superseded.
fn owes_nothing(rotation: &Rotation) -> bool {
    rotation.attempt.is_none() && rotation.owed.is_empty() && !rotation.unreadable
}

/// The secret itself, which owes nothing any more.
fn gone(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    if !case.resource.deletion.removes_secret(&spec.onboard) {
        return Ok(());
    }
    replicas(case, secret)?;
    case.act(Effect::DeleteSecret { recovery_window_days: case.resource.deletion.recovery_window_days })
}

/// What was superseded is revoked also where the axis keeps what is in use: otherwise whoever deletes loses a revocation.
fn owed(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    if case.resource.contract().is_none() {
        return Ok(());
    }
    let open: Vec<_> = case.journal.waiting().filter(|open| open.promoted.is_some() && !open.unreadable).collect();
    // In a namespace that goes no Secret stays.
    let stay = case.resource.deletion.targets == Fate::Retain && case.resource.namespace_deleting.is_none();
    if stay && !open.is_empty() {
        synced::kept(case, spec, secret)?;
    }
    let rotations = open.into_iter().map(|rotation| {
        retirement::overlapped(case, spec, rotation)?;
        retirement::retired(case, spec, rotation, secret)
    });
    every(rotations.chain([standing::paid(case, spec, secret)]))
}

/// What was promised to be revoked is known by its bytes alone: while they can't be read, the promise can't be kept, and
/// a person says so (annotation `managed-secrets.io/abandon`) or brings the secret back.
fn reachable(case: Case<'_>, spec: &Spec, found: Option<&StoreSecret>) -> Verdict {
    let begun = case.journal.rotations.iter().any(|rotation| rotation.attempt.is_some());
    if !case.resource.noted.onboarded && !begun {
        return Ok(());
    }
    let name = || spec.scope.store_secret.name.clone();
    // With `store: Delete` it is our own doing, after the revocations.
    let kept = case.resource.deletion.store == Fate::Retain;
    match found {
        Some(secret) if secret.ownership != Ownership::Ours => Err(Step::Blocked(Reason::OwnershipContested(name()))),
        Some(secret) if secret.scheduled_for_deletion && kept => {
            Err(Step::Blocked(Reason::SecretScheduledForDeletion(name())))
        }
        None if kept => Err(Step::Blocked(Reason::SecretMissing(name()))),
        Some(_) | None => Ok(()),
    }
}

/// An open rotation is undone before its commit point, and brought past it after.
fn decided(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    let Some(open) = case.journal.open() else { return Ok(()) };
    if open.unreadable {
        return case.wait(Reason::JournalUnreadable(open.name.clone()), 300);
    }
    if open.attempt.is_none() {
        return case.record(open, vec![Entry::End(Outcome::ResourceDeleted)]);
    }
    if open.aborting {
        return retirement::undone(case, spec, open, secret, None, Outcome::ResourceDeleted);
    }
    let passed = promotion::passed(open, secret);
    match case.resource.contract() {
        _ if passed => promotion::noted(case, open).map(drop),
        // From here it only goes forward, and verified like any other.
        Some(contract) if open.promoting() || rotated::in_place::begun(contract, open) => {
            rotated::brought_in(case, spec, contract, open, secret).map(drop)
        }
        _ => case.record(open, vec![Entry::Abort]),
    }
}

fn targets(case: Case<'_>) -> Verdict {
    if case.resource.deletion.targets == Fate::Retain {
        return Ok(());
    }
    let ours = case.labelled()?.first();
    ours.map_or(Ok(()), |secret| {
        case.act(Effect::RemoveTarget {
            target: secret.name.clone(),
            onto: (secret.uid.clone(), secret.revision.clone()),
        })
    })
}

/// AWS refuses to delete a secret that has replicas.
fn replicas(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    every(secret.replication.keys().map(|region| case.act(Effect::RemoveReplica { region: region.clone() })))
}

/// Every credential whose bytes a version of ours holds, AWSCURRENT's last.
fn credentials(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    if case.resource.contract().is_none() {
        return Ok(());
    }
    case.over(&Mark::Deletion, Reason::Deleting)?;
    // What it found under way may have gone on to its promotion since: a list that is older than that does not show it (F11).
    if let Some(last) = case.journal.last_promoted() {
        case.over(&Mark::Promoted(last.uid.clone()), Reason::Deleting)?;
    }
    let acting = rotated::acting(spec, secret)?;
    let listed = case.credentials(acting.clone(), rotated::known(case, secret))?;
    let current = secret.current();
    let holds_current =
        |versions: &std::collections::BTreeSet<_>| current.is_some_and(|current| versions.contains(current));
    let is_ours =
        |credential: &&Credential| !credential.versions.is_empty() || orphans::tagged(case, credential).is_some();
    let mut ours: Vec<_> = listed.iter().filter(is_ours).collect();
    ours.sort_by_key(|credential| holds_current(&credential.versions));
    let debtor = &case.resource.own.uid;
    let owed = ours.into_iter().find(|credential| !case.tries().answered(debtor, &credential.id));
    owed.map_or(Ok(()), |credential| match current {
        // A main credential ends only by becoming the former one: the newer one takes its place first. Where there is no
        // newer one nothing can, and a person must know what is left.
        Some(current) if retirement::activates(case) && credential.main => {
            let other = listed.iter().any(|other| !other.main && other.versions.contains(current));
            if !other {
                return Err(Step::Blocked(Reason::StillMain));
            }
            case.act(Effect::Activate { version: current.clone(), acting })
        }
        _ => {
            let version = credential.versions.first().cloned();
            case.act(Effect::Revoke {
                debtor: debtor.clone(),
                credential: credential.id.clone(),
                version,
                proven: true,
                acting,
            })
        }
    })
}

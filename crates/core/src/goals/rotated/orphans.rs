//! Step 0 of every rotation: list, reconcile, then create.
//!
//! Invariant: only what a *record* gave up is a stray (P3, P5); a credential that merely is not known is reported, never
//! revoked (R7). Whoever's credential uses up the partner's limit, it is not ours to end.

use std::collections::BTreeSet;

use crate::case::Case;
use crate::decide::Verdict;
use crate::facts::{Credential, StoreSecret};
use crate::goals::rotated::{acting, known, promotion, retirement};
use crate::journal::{Owed, Rotation};
use crate::names::{Slot, VersionId};
use crate::partner::{Contract, Recognised};
use crate::reason::Reason;
use crate::spec::Spec;

/// Line 2: credentials of attempts that were given up are revoked, one after the other.
pub fn swept(case: Case<'_>, spec: &Spec, rotation: &Rotation, secret: &StoreSecret, listed: &[Credential]) -> Verdict {
    let given_up = given_up(case);
    let own: BTreeSet<VersionId> = if rotation.aborting { BTreeSet::new() } else { rotation.burned().collect() };
    let stray = |credential: &&Credential| {
        let slot_of_this = credential.slot.is_some() && credential.versions.iter().all(|version| own.contains(version));
        // What a person put in use although it was given up is a decision, unless its revocation was announced.
        let chosen =
            retirement::in_use(case) && secret.current().is_some_and(|current| credential.versions.contains(current));
        if lost(case, credential) {
            return true;
        }
        // A slot of this rotation's own earlier attempt is overwritten by its next one, with the same checks.
        !chosen
            && !credential.versions.is_empty()
            && !slot_of_this
            && credential.versions.iter().all(|version| given_up.contains(version))
    };
    let in_use = retirement::in_use(case);
    if let Some(unfit) = secret.current().filter(|current| in_use && case.journal.unfit(current)) {
        return promotion::forward(case, secret, unfit);
    }
    for credential in listed.iter().filter(stray) {
        if paid(case, rotation, credential) {
            continue;
        }
        let owed = rotation.owed.get(&credential.id).cloned().unwrap_or_else(|| {
            let version = credential.versions.first().cloned().or_else(|| tagged(case, credential));
            Owed { version, doomed: None }
        });
        retirement::pay(case, spec, rotation, secret, &credential.id, &owed)?;
    }
    Ok(())
}

/// Line 3: the partner has room for one more.
pub fn room(
    case: Case<'_>,
    spec: &Spec,
    contract: &Contract,
    rotation: &Rotation,
    secret: &StoreSecret,
    listed: &[Credential],
    slot: Option<&Slot>,
) -> Verdict {
    let ours_now: BTreeSet<VersionId> = rotation.burned().chain(rotation.version().cloned()).collect();
    // What this announcement gives up makes way before the next create (`made_way`), and holds no place until then.
    let pending = |credential: &Credential| {
        let held = !credential.versions.is_empty();
        let own = held && credential.versions.iter().all(|version| ours_now.contains(version));
        let marked = !held && tagged(case, credential).is_some_and(|version| ours_now.contains(&version));
        own || marked || unrecognised(contract, rotation, credential)
    };
    let others: Vec<&Credential> = listed.iter().filter(|credential| !pending(credential)).collect();
    let foreign_in_slot = slot.and_then(|slot| {
        others.iter().find(|credential| credential.slot.as_ref() == Some(slot) && credential.versions.is_empty())
    });
    if foreign_in_slot.is_some() {
        return case.wait(Reason::QuotaUsedByOthers(slot.cloned()), 30);
    }
    if contract.in_place() {
        // It takes the place of what is there.
        return Ok(());
    }
    if limit(spec, contract).is_none_or(|limit| others.len() < limit) {
        return Ok(());
    }
    // Full. What an earlier rotation left of ours (kept by a person's decision) is paid here, through the same gate.
    let current = secret.current();
    let left = others.iter().find(|credential| {
        !credential.versions.is_empty() && current.is_none_or(|current| !credential.versions.contains(current))
    });
    match left {
        Some(credential) => {
            let version = credential.versions.first().cloned();
            if paid(case, rotation, credential) {
                return case.wait(Reason::Settling, 5);
            }
            if !rotation.at_once() {
                retirement::delivered_current(case, spec, secret)?;
            }
            let owed = rotation.owed.get(&credential.id).cloned().unwrap_or(Owed { version, doomed: None });
            retirement::pay(case, spec, rotation, secret, &credential.id, &owed)
        }
        // What a lost put of ours left and what a person staged look the same: neither has a version or a mark, and both
        // came after the baseline of some rotation. So it is named and left (R7; PROTOCOL 5, "an untagged orphan needs a
        // person"), whatever an earlier journal, which is no authority, says of it.
        None => {
            let orphan = others
                .iter()
                .find(|credential| credential.versions.is_empty() && !credential.main && credential.slot.is_none());
            let unmarked = matches!(contract.recognised, Recognised::ByValue | Recognised::ByDifference);
            match orphan.filter(|_| unmarked) {
                Some(orphan) => case.wait(Reason::LastPlaceTaken(orphan.id.clone()), 60),
                None => case.wait(Reason::QuotaUsedByOthers(None), 60),
            }
        }
    }
}

/// Before an attempt that follows another makes its credential: where there is no room for it beside what the earlier one left,
/// that goes first.
pub fn made_way(case: Case<'_>, contract: &Contract, rotation: &Rotation, secret: &StoreSecret) -> Verdict {
    let spec = case.spec()?;
    let Some(limit) = limit(spec, contract).filter(|_| !contract.in_place()) else { return Ok(()) };
    let listed = case.credentials(acting(spec, secret)?, known(case, secret))?;
    if listed.len() < limit { Ok(()) } else { swept(case, spec, rotation, secret, listed) }
}

/// How many may live at the partner at once.
fn limit(spec: &Spec, contract: &Contract) -> Option<usize> {
    contract.live_limit.into_iter().chain(spec.live_limit).min().map(usize::from)
}

/// The partner answered that it is revoked, that was recorded, and it is listed still: the list is older than the answer, or
/// the partner lies. To announce it anew would be answered at once by what is remembered, and so on without a pause.
fn paid(case: Case<'_>, rotation: &Rotation, credential: &Credential) -> bool {
    !rotation.owed.contains_key(&credential.id) && case.tries().answered(&rotation.uid, &credential.id)
}

/// The version that a credential with our marker was made for.
pub fn tagged(case: Case<'_>, credential: &Credential) -> Option<VersionId> {
    let by_tag = case.resource.contract().is_some_and(|contract| contract.recognised == Recognised::ByTag);
    credential.tag.as_ref().filter(|_| by_tag)?.version(&case.resource.own.cluster)
}

/// Ours by its marker, its value lost, and no attempt under way: its Rotation gave it up, ended or is gone.
fn lost(case: Case<'_>, credential: &Credential) -> bool {
    let wanted =
        |version: &VersionId| case.journal.waiting().any(|open| !open.aborting && open.version() == Some(version));
    credential.versions.is_empty() && tagged(case, credential).is_some_and(|version| !wanted(&version))
}

/// A partner that accepts a candidate late, and does not show its bytes, can't say yet that it is ours. While we hold
/// the bytes it will: a rotation that is undone waits for that, since nobody else would ever revoke it.
pub fn told_apart(case: Case<'_>, rotation: &Rotation, listed: &[Credential]) -> Verdict {
    let (Some(contract), Some(attempt)) = (case.resource.contract(), &rotation.attempt) else { return Ok(()) };
    match listed.iter().find(|credential| unrecognised(contract, rotation, credential)) {
        Some(credential) if case.version(&attempt.version)?.is_some() => {
            case.wait(Reason::OrphanSuspected(credential.id.clone()), 5)
        }
        _ => Ok(()),
    }
}

/// Made after this rotation's baseline, and shown again by the partner: our own candidate, of which the answer was lost
/// or which is not accepted yet. The next create gives it back.
fn unrecognised(contract: &Contract, rotation: &Rotation, credential: &Credential) -> bool {
    let baseline = rotation.attempt.as_ref().map(|attempt| &attempt.baseline);
    contract.readable_again
        && credential.versions.is_empty()
        && !credential.main
        && baseline.is_some_and(|baseline| !baseline.contains(&credential.id))
}

/// Every version that a record gave up and that no rotation promoted. Not what a person brought: it is theirs, and may be in
/// use elsewhere or, rolled back to, be one of ours.
pub(super) fn given_up(case: Case<'_>) -> BTreeSet<VersionId> {
    let ours = case.journal.rotations.iter().filter(|rotation| rotation.candidate.is_none());
    ours.flat_map(Rotation::burned).collect()
}

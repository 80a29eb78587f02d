//! Debts that stand on the AWS secret: written there before a finalizer goes, and paid from there (R13).
//!
//! Invariant: a credential is revoked only while its own version has the label, and through the gate of every other
//! revocation. The label is the announcement: it is final, and every older call is over before the revocation. Called by
//! `goals::{rotated,deleted}`, whether the resource is there or only its secret is left.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::case::{Case, later};
use crate::debt::{Debt, Promised};
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Bounds, Credential, StoreSecret};
use crate::goals::rotated::{acting, known, retirement};
use crate::journal::{Owed, Rotation};
use crate::names::{CredentialId, VersionId};
use crate::reason::Reason;
use crate::spec::{Resource, Spec};
use crate::tries::Mark;

/// Until when our finalizer stays on what was deleted at `deleting` while something can't be done: a day, and a quarter of an
/// hour once its namespace goes.
pub fn released_at(resource: &Resource, deleting: Timestamp, bounds: &Bounds) -> Timestamp {
    let alone = later(deleting, bounds.release);
    resource.namespace_deleting.map_or(alone, |going| alone.min(later(going, bounds.release_in_terminating)))
}

/// Holds once each of these versions that the store still has is marked as owed, and the secret says how it is paid.
pub fn stands(case: Case<'_>, spec: &Spec, secret: &StoreSecret, versions: &BTreeSet<VersionId>) -> Verdict {
    let mut debt = Debt::of(case.resource, spec, case.journal);
    // What stands there already keeps its term, which may be of a journal that is gone.
    let before = secret.debt.as_ref().filter(|_| secret.owed().next().is_some());
    debt.after = debt.after.max(before.and_then(|before| before.after));
    // What the partner confirmed in this very deletion is owed no more, whatever the journal says.
    let confirmed = |version: &VersionId| {
        CredentialId::parse(version.as_str()).is_ok_and(|id| case.tries().answered(&case.resource.own.uid, &id))
    };
    let unmarked = versions.iter().filter(|version| !secret.owes(version) && !confirmed(version));
    let unmarked: Vec<&VersionId> = unmarked.collect();
    let there = if unmarked.is_empty() { None } else { case.versions()? };
    let mut unmarked = unmarked.into_iter().filter(|version| there.is_some_and(|there| there.contains_key(*version)));
    let next = unmarked.next();
    let nothing = next.is_none() && secret.owed().next().is_none() && debt.promised == Promised::default();
    if nothing || debt.texts().is_none() {
        return Ok(());
    }
    if secret.debt.as_deref() != Some(&debt) {
        return case.act(Effect::WriteDebt(debt));
    }
    next.map_or(Ok(()), |version| case.act(Effect::MarkOwed { version: version.clone() }))
}

/// Holds once nothing of what stands on the secret lives any more.
pub fn paid(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    every(secret.owed().map(|version| pay(case, spec, secret, version)))
}

/// Holds once the secret says that it owes nothing.
pub fn closed(case: Case<'_>, secret: &StoreSecret) -> Verdict {
    if secret.debt.is_some() { case.act(Effect::CloseDebt) } else { Ok(()) }
}

/// Whether something may stand on the secret, as far as is known without asking.
pub fn may_stand(case: Case<'_>) -> bool {
    match (case.facts.store_secret(), &case.glimpse().sweep) {
        (Some(secret), _) => secret.debt.is_some() || secret.owed().next().is_some(),
        (None, Some(line)) => line.debt.is_some() || line.owed().next().is_some(),
        (None, None) => false,
    }
}

/// What a rotation took over, or revokes as announced, and can't pay itself any more. What AWSCURRENT is on is not owed.
pub fn left_by(rotation: &Rotation, secret: &StoreSecret) -> BTreeSet<VersionId> {
    let versions = rotation.owed.values().filter_map(|owed| owed.version.clone());
    versions.filter(|version| secret.current() != Some(version)).collect()
}

fn pay(case: Case<'_>, spec: &Spec, secret: &StoreSecret, version: &VersionId) -> Verdict {
    let debtor = &case.resource.own.uid;
    let Ok(name) = CredentialId::parse(version.as_str()) else { return Ok(()) };
    let in_use = secret.current() == Some(version) && case.resource.deleting.is_none();
    // Whoever took the secret back, or moved AWSCURRENT there, uses it: then nobody owes it.
    if in_use || case.tries().answered(debtor, &name) {
        return case.act(Effect::UnmarkOwed { version: version.clone() });
    }
    if let Some(until) = secret.debt.as_ref().and_then(|debt| debt.due()).filter(|due| case.now < *due) {
        return Err(Step::Wait { reason: Reason::WaitingForOverlap, until: Some(until) });
    }
    let acting = acting(spec, secret)?;
    let listed = case.credentials(acting.clone(), known(case, secret))?;
    let there: Vec<&Credential> = listed.iter().filter(|credential| credential.versions.contains(version)).collect();
    let owed = Owed { version: Some(version.clone()), doomed: None };
    retirement::gate(case, spec, None, secret, &there, &name, &owed, false)?;
    let credential = retirement::at_partner(&name, &owed, &there).clone();
    case.over(&Mark::Owed(version.clone()), Reason::RevocationAnnounced(credential.clone()))?;
    match (there.iter().any(|credential| credential.main), secret.current()) {
        (true, Some(current)) if retirement::activates(case) => {
            case.act(Effect::Activate { version: current.clone(), acting })
        }
        (true, _) if retirement::activates(case) => Err(Step::Blocked(Reason::StillMain)),
        _ => case.act(Effect::Revoke {
            debtor: debtor.clone(),
            credential,
            version: Some(version.clone()),
            proven: true,
            acting,
        }),
    }
}

//! `Replicated`: every wanted region serves AWSCURRENT, as read there.
//!
//! Invariant: `InSync` alone proves nothing, since it may describe the write before; a region's own answer does. Another
//! secret of our name in a region is never overwritten. A replica goes only with `deletion.store: Delete`.

use crate::case::Case;
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Ownership, Replication, ReplicationState, StoreSecret};
use crate::names::VersionId;
use crate::reason::Reason;
use crate::spec::{Fate, Onboard, Spec, WantedRegion};

/// Seconds between two looks at a replica that is on its way.
const AGAIN: i64 = 2;

/// The rule.
pub fn replicated(case: Case<'_>) -> Verdict {
    let spec = case.spec()?;
    if spec.onboard == Onboard::Observe {
        return Ok(());
    }
    let Some(secret) = case.store_secret()? else { return not_yet() };
    if secret.ownership != Ownership::Ours {
        return not_yet();
    }
    let Some(current) = secret.current() else { return not_yet() };
    let wanted = spec.replicas.iter().map(|region| serves(case, secret, region, current));
    every(wanted.chain([surplus(case, spec, secret)]))
}

fn not_yet() -> Verdict {
    Err(Step::Wait { reason: Reason::NotOnboarded, until: None })
}

fn serves(case: Case<'_>, secret: &StoreSecret, wanted: &WantedRegion, current: &VersionId) -> Verdict {
    let region = &wanted.name;
    let replicate = || Effect::Replicate { region: region.clone(), kms_key: wanted.kms_key.clone() };
    match secret.replication.get(region) {
        None => case.act(replicate()),
        Some(Replication { state: ReplicationState::Failed, name_taken: true, .. }) => {
            Err(Step::Blocked(Reason::RegionFailed { region: region.clone(), name_taken: true }))
        }
        // AWS does not try again by itself; the same call does. In between, people see that it failed.
        Some(Replication { state: ReplicationState::Failed, .. }) => case.act(replicate()).map_err(|step| match step {
            Step::Wait { until, .. } => {
                Step::Wait { reason: Reason::RegionFailed { region: region.clone(), name_taken: false }, until }
            }
            act => act,
        }),
        Some(Replication { state: ReplicationState::InProgress, .. }) => {
            case.wait(Reason::ReplicaInProgress(region.clone()), AGAIN)
        }
        Some(Replication { state: ReplicationState::InSync, .. }) => match case.replica(region)? {
            Some(replica) if replica.current.as_ref() == Some(current) => Ok(()),
            Some(_) | None => case.wait(Reason::RegionCarriesOld(region.clone()), AGAIN),
        },
    }
}

/// A replica that is no longer wanted: left, unless the store's axis says otherwise. AWS deletes it at once.
fn surplus(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    if case.resource.deletion.store == Fate::Retain {
        return Ok(());
    }
    let surplus = secret.replication.keys().find(|region| !spec.regions().any(|wanted| wanted == *region));
    surplus.map_or(Ok(()), |region| case.act(Effect::RemoveReplica { region: region.clone() }))
}

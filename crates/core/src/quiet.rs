//! Why quiet costs nothing: nothing is read while the glimpse is as it was when all held.
//!
//! Invariant: at rest, a resource asks AWS and the partner nothing; the sweep of its store and the metadata watch of its
//! targets tell when that ends. After a restart a settled resource waits for the first sweep.

use crate::case::Case;
use crate::decide::{Step, Verdict};
use crate::goals::rotated;
use crate::reason::Reason;

/// The verdict on `Rotated` if everything else is known to hold without asking; `None`: look closer.
pub fn at_rest(case: Case<'_>) -> Option<Verdict> {
    let resource = case.resource;
    let (spec, noted, glimpse) = (resource.spec.as_ref().ok()?, &resource.noted, case.glimpse());
    let settled = noted.onboarded && noted.settled_generation == Some(resource.generation);
    if !settled || glimpse.verify_due || glimpse.read_again {
        return None;
    }
    let current = noted.version.as_ref()?;
    let targets_rest = spec.targets.iter().all(|target| {
        let seen = glimpse.targets.iter().find(|(name, _)| name.as_str() == target.name);
        seen.is_some_and(|(name, (revision, _))| case.tries().is_settled(name, revision, current))
    });
    // A label on a Secret that the spec does not name: it holds a version, or is to go.
    let strangers = glimpse.targets.keys().any(|name| !spec.targets.iter().any(|target| target.name == name.as_str()));
    let regions_rest = spec.replicas.iter().all(|region| noted.regions.contains(&region.name));
    let rest = rotated::at_rest(case)?;
    let Some(sweep) = &glimpse.sweep else {
        // A sweep that never comes must not put off what has a time of its own.
        let until = match rest {
            Err(Step::Wait { until, .. }) => until,
            _ => None,
        };
        return Some(Err(Step::Wait { reason: Reason::AwaitingSweep, until }));
    };
    let same = sweep.current.as_ref() == Some(current) && !sweep.scheduled_for_deletion;
    (same && regions_rest && targets_rest && !strangers).then_some(rest)
}

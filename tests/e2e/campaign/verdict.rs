//! What must be so at the end of each campaign, whatever struck.

use serde_json::Value;

use super::{NAMESPACE, REGIONS, Sums, pair};
use crate::world::World;

/// How many credentials accept a login that should not: of each pair exactly one does. A pair of which none does counts too.
pub(super) fn left_over(world: &World, resources: &[String]) -> usize {
    let logins = |resource: &String| {
        let [one, other] = pair(resource);
        world.logins(&[&one, &other]).abs_diff(1)
    };
    resources.iter().map(logins).sum()
}

/// What is not as it must be: nobody was refused, each rotation has ended as it should, each resource is whole.
/// `reachable`: PostgreSQL was there all the time. No value is in what this tells.
pub(super) fn wrong(world: &World, resources: &[String], sums: &Sums, reachable: bool) -> Vec<String> {
    let seen = &sums.seen;
    let (accepted, unreachable) = (seen.accepted, seen.unreachable.len() as u64);
    let mut wrong = seen.refused.clone();
    if accepted < sums.took.as_secs() {
        wrong.push(format!("the prober was hardly at work: {:?}", seen.unreachable.first()));
    }
    if reachable && unreachable * 50 > accepted {
        wrong.push(format!("{unreachable} logins failed, the first: {:?}", seen.unreachable.first()));
    }
    for resource in resources {
        let of_it = sums.rotations.iter().filter(|rotation| rotation.resource == *resource);
        // One of them is the onboarding's.
        if of_it.clone().count() < 2 {
            wrong.push(format!("{resource} was not rotated"));
        }
        let badly = of_it
            .filter(|rotation| !["Revoked", "Kept", "Merged"].contains(&rotation.outcome.as_deref().unwrap_or("none")));
        wrong.extend(badly.map(|rotation| format!("{rotation:?}")));
        wrong.extend(not_whole(world, resource).into_iter().map(|what| format!("{resource}: {what}")));
    }
    wrong
}

/// What of its labels, roles and holders is not as it should be.
fn not_whole(world: &World, resource: &str) -> Vec<String> {
    let secret = format!("e2e/{NAMESPACE}/{resource}");
    let mut wrong = Vec::new();
    let mut labels: Vec<String> = world.labels(&secret).into_values().flatten().collect();
    labels.sort();
    if labels != ["AWSCURRENT", "AWSPREVIOUS"] {
        wrong.push(format!("its labels are {labels:?}"));
    }
    let [one, other] = pair(resource);
    let logins = world.logins(&[&one, &other]);
    if logins != 1 {
        wrong.push(format!("{logins} of its two roles accept a login"));
    }
    let Some(current) = world.stored(REGIONS[0], &secret) else {
        wrong.push("it has no AWSCURRENT".to_owned());
        return wrong;
    };
    let behind = REGIONS[1..].iter().filter(|region| world.stored(region, &secret).as_ref() != Some(&current));
    wrong.extend(behind.map(|region| format!("{region} does not hold AWSCURRENT")));
    let current: Value = serde_json::from_str(&current).unwrap_or_default();
    let held = world.data(NAMESPACE, resource);
    let fields = current.as_object().into_iter().flatten();
    let differ = fields.filter(|(field, value)| held.get(*field).map(String::as_str) != value.as_str());
    wrong.extend(differ.map(|(field, _)| format!("its target's {field} is not AWSCURRENT's")));
    if !world.logs_in(NAMESPACE, resource) {
        wrong.push("its target does not log in".to_owned());
    }
    wrong
}

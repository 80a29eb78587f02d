//! What must be so at the end of each campaign, whatever struck.

use serde_json::Value;

use super::pacer::Known;
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

/// The prober was at work, nobody was refused, each rotation has ended as it should, and each resource is whole.
pub(super) fn judge(world: &World, resources: &[String], rotations: &[Known], sums: &Sums) {
    assert!(sums.seen.refused.is_empty(), "{:?}", sums.seen.refused);
    assert!(
        sums.seen.accepted > sums.seen.unreachable.len() as u64,
        "the prober was at work: {:?}",
        sums.seen.unreachable
    );
    assert!(rotations.len() >= resources.len(), "rotations went on: {rotations:?}");
    for rotation in rotations {
        let outcome = rotation.outcome.as_deref().unwrap_or("none");
        assert!(["Revoked", "Kept", "Merged"].contains(&outcome), "{rotation:?}");
    }
    assert_eq!(left_over(world, resources), 0, "of each pair exactly one role accepts a login");
    resources.iter().for_each(|resource| whole(world, resource));
}

/// Its labels are where they should be, and its holders hold AWSCURRENT, which logs in.
fn whole(world: &World, resource: &str) {
    let secret = format!("e2e/{NAMESPACE}/{resource}");
    let mut labels: Vec<String> = world.labels(&secret).into_values().flatten().collect();
    labels.sort();
    assert_eq!(labels, ["AWSCURRENT", "AWSPREVIOUS"], "{resource}");
    let current = world.stored(REGIONS[0], &secret).expect("a value");
    for region in &REGIONS[1..] {
        // Not assert_eq: a failure prints no value.
        assert!(world.stored(region, &secret).as_ref() == Some(&current), "{resource}: {region} holds AWSCURRENT");
    }
    let current: Value = serde_json::from_str(&current).expect("JSON");
    let held = world.data(NAMESPACE, resource);
    for (field, value) in current.as_object().expect("fields") {
        assert!(
            held.get(field).map(String::as_str) == value.as_str(),
            "{resource}: the target's {field} is AWSCURRENT's"
        );
    }
    assert!(world.logs_in(NAMESPACE, resource), "{resource}: AWSCURRENT logs in");
}

//! `kill -9` at random moments.

use std::time::Duration;

use super::watched::Watched;
use super::{Campaign, Plan};
use crate::world::world;

#[test]
fn no_login_is_refused_while_the_operator_is_killed_at_random_moments_of_rotations() {
    let world = world();
    let mut campaign = Campaign::prepare(&world, Plan { name: "kills", faults: "kills", few: 3, reachable: true });
    let mut operator = Watched::start(&world, "kills-0");
    campaign.begin();
    let mut number = 0;
    while campaign.goes_on() {
        let moment = campaign.moment(&mut operator, Duration::from_secs(25));
        number += 1;
        // With a Lease of its own the next process leads at once, while calls of the dead one may still land; every third
        // one has the Lease of the dead one, as a pod that restarts has, and waits until it has run out.
        operator.replace(&format!("kills-{}", number - u64::from(number % 3 == 2)));
        campaign.struck(&moment);
    }
    campaign.end(operator, "");
}

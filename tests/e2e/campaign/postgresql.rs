//! PostgreSQL goes away in the middle of rotations and comes back: in order (fast) or as in a crash (immediate).

use std::time::Duration;

use rand::Rng;

use super::watched::Watched;
use super::{Campaign, Plan};
use crate::world::world;

#[test]
fn no_login_is_refused_while_postgresql_is_stopped_and_started_in_the_middle_of_rotations() {
    let world = world();
    let mut campaign =
        Campaign::prepare(&world, Plan { name: "postgresql", faults: "restarts", few: 2, reachable: false });
    let mut operator = Watched::start(&world, "postgresql");
    campaign.begin();
    let (mut fast, longest) = (true, if campaign.is_long() { 20_000 } else { 3_000 });
    while campaign.goes_on() {
        let moment = campaign.moment(&mut operator, Duration::from_secs(25));
        let down = Duration::from_millis(campaign.random.random_range(0..longest));
        match fast {
            true => world.postgres.stop_fast(),
            false => world.postgres.stop(),
        }
        campaign.wait(down, &mut operator);
        world.postgres.start_again().expect("PostgreSQL comes back");
        campaign.struck(&format!("{moment}; {}, down for {down:?}", if fast { "fast" } else { "immediate" }));
        fast = !fast;
    }
    assert_eq!(operator.restarts(), 0, "a partner that is away ends nobody");
    campaign.end(operator, "");
}

//! The API server goes away in the middle of rotations and comes back; then etcd below it.
//!
//! Longer than the Lease can be renewed, the operator ends by itself; whoever starts it again is a kubelet.

use std::time::Duration;

use rand::Rng;

use super::watched::Watched;
use super::{Campaign, Plan, foreign};
use crate::world::world;

#[test]
fn no_login_is_refused_while_the_api_server_and_etcd_are_stopped_and_started_in_the_middle_of_rotations() {
    if foreign(
        "no_login_is_refused_while_the_api_server_and_etcd_are_stopped_and_started_in_the_middle_of_rotations",
        "stop its API server",
    ) {
        return;
    }
    let world = world();
    let mut campaign =
        Campaign::prepare(&world, Plan { name: "control-plane", faults: "outages", few: 2, reachable: true });
    let mut operator = Watched::start(&world, "control-plane");
    campaign.begin();
    let (mut api_server, longest) = (true, if campaign.is_long() { 40_000 } else { 6_000 });
    while campaign.goes_on() {
        let moment = campaign.moment(&mut operator, Duration::from_secs(45));
        let down = Duration::from_millis(campaign.random.random_range(5_000..longest));
        let who = if api_server {
            world.plane.stop_api_server().expect("our own");
            campaign.wait(down, &mut operator);
            world.plane.start_api_server().expect("the API server comes back");
            "the API server"
        } else {
            world.plane.stop_etcd().expect("our own");
            campaign.wait(down, &mut operator);
            world.plane.start_etcd().expect("etcd comes back");
            "etcd"
        };
        api_server = !api_server;
        campaign.struck(&format!("{moment}; {who}, down for {down:?}"));
    }
    let restarts = operator.restarts();
    campaign.end(
        operator,
        &format!(", {restarts} starts of an operator that had ended without its Lease or its API server"),
    );
}

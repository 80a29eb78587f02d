//! Storms: however often a Rotation is asked for and deleted, a resource has three candidates in any 24 hours (T20).

use jiff::SignedDuration;
use mes_core::decide::Step;
use mes_core::reason::Reason;
use mes_core::spec::Onboard;

use super::safe;
use crate::world::{Kind, Outcome, World};

/// Asks whenever nothing is under way, and deletes each Rotation after so many effects.
fn storm(kind: Kind, deleted_after: usize) -> World {
    let mut world = World::new(kind, Onboard::FromSecret);
    world.bounds.mints_per_day = 3;
    let (mut asked, mut effects) = (0, 0);
    for _ in 0..1200 {
        if world.resource.noted.onboarded && world.journal.waiting().next().is_none() {
            (asked, effects) = (asked + 1, 0);
            world.request(&format!("crm-byhand{asked}"));
        }
        if let Some(effect) = world.pass(|_| Outcome::Fine) {
            safe(&world, &effect, &[]);
            effects += 1;
            let open = world.journal.open().map(|open| open.name.clone());
            if let Some(open) = open.filter(|_| effects == deleted_after) {
                world.delete_rotation(&open);
            }
        }
    }
    world
}

#[test]
fn t20_rotations_asked_for_and_deleted_without_end_make_three_candidates_a_day() {
    let day = SignedDuration::from_hours(24);
    let mut full = 0;
    for kind in Kind::ALL {
        for deleted_after in 1..14 {
            let world = storm(kind, deleted_after);
            for four in world.mints.windows(4) {
                let within = four[3].duration_since(four[0]);
                assert!(
                    within >= day,
                    "{kind:?}: four in {within:?}, deleted after {deleted_after}: {:?}",
                    world.mints
                );
            }
            // The bound is not kept by making nothing: a day's three are made, and the next day's.
            let days = world.mints.len() > 4;
            full += usize::from(days);
        }
    }
    assert!(full > 60, "only {full} storms met the bound");
}

#[test]
fn a_request_beyond_the_bound_waits_and_says_until_when() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.bounds.mints_per_day = 1;
    let mut asked = false;
    for _ in 0..400 {
        if let (Err(Step::Wait { reason: Reason::MintsOfTheDay { most: 1, until }, until: Some(wakes) }), ..) =
            world.decided()
        {
            assert_eq!(until, wakes);
            assert_eq!(until.duration_since(world.mints[0]), SignedDuration::from_hours(24));
            let told = Reason::MintsOfTheDay { most: 1, until }.to_string();
            assert!(told.contains("--mints-per-day") && told.contains(&until.to_string()), "{told}");
            return;
        }
        let rests = world.journal.waiting().next().is_none() && !world.mints.is_empty();
        if rests && !asked {
            asked = true;
            world.request("crm-byhand");
        }
        world.pass(|_| Outcome::Fine);
    }
    panic!("it never waited: {:#?} {:?}", world.journal, world.mints);
}

//! A resource that is deleted and made again under its name, at every effect of a life, with a call of the old one still on
//! its way: it takes its own secret back, and what was on its way hits nothing of the new one.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use mes_core::decide::{Goal, Step};
use mes_core::effect::Effect;
use mes_core::journal::{Entry, Outcome as Ended};
use mes_core::names::Uid;
use mes_core::reason::Reason;
use mes_core::spec::{Deletion, Fate, Onboard};
use world::{Kind, Outcome, World};

const LIVES: [(Kind, Onboard); 4] = [
    (Kind::Slots, Onboard::FromSecret),
    (Kind::Staged, Onboard::FromSecret),
    (Kind::Tagged, Onboard::FromSecret),
    (Kind::Slots, Onboard::Mint),
];
const RETAIN: Deletion =
    Deletion { targets: Fate::Retain, store: Fate::Retain, partner: Fate::Retain, recovery_window_days: 30 };

fn another_namespace() -> Uid {
    Uid::parse("99999999-0000-4000-8000-000000000000").unwrap()
}

/// The world before each effect of a life that rotates once after it was onboarded, with the effect and what decided it.
fn each_moment(kind: Kind, onboard: &Onboard) -> Vec<(World, Effect, mes_core::facts::Facts)> {
    let mut world = World::new(kind, onboard.clone());
    let (mut moments, mut requested) = (Vec::new(), false);
    for _ in 0..400 {
        if let (Err(Step::Act(effect)), _, facts) = world.decided() {
            moments.push((world.clone(), effect, facts));
        } else if world.resource.noted.onboarded && world.journal.waiting().next().is_none() {
            if requested {
                return moments;
            }
            requested = true;
            world.request("crm-byhand");
        }
        world.pass(|_| Outcome::Fine);
    }
    panic!("{kind:?} never came to rest: {:#?}", world.journal);
}

/// What holds at every instant of the new one's life: what is served authenticates.
fn safe(world: &World, told: &str) {
    if world.resource.noted.onboarded {
        let current = world.current().unwrap_or_else(|| panic!("no AWSCURRENT {told}"));
        assert!(world.is_live(current) || world.journal.doomed(current), "AWSCURRENT is dead {told}: {world:#?}");
    }
}

/// Until it is onboarded and at rest, or waits for a person; whether it is at rest.
fn settles(world: &mut World, told: &str) -> bool {
    let mut idle = 0;
    for _ in 0..600 {
        idle = if world.pass(|_| Outcome::Fine).is_some() { 0 } else { idle + 1 };
        safe(world, told);
        let rested = world.resource.noted.onboarded && world.journal.waiting().next().is_none();
        if idle > 8 && rested {
            return true;
        }
    }
    false
}

/// The late call is done in the name of the old one, and is not news to the new one.
fn lands(world: &mut World, by: &(Uid, Uid), effect: &Effect, facts: &mes_core::facts::Facts) {
    let tries = world.tries.clone();
    world.late = Some(by.clone());
    world.legal_or_refused = true;
    world.finish(effect, facts.clone(), Outcome::Fine);
    world.late = None;
    world.tries = tries;
}

/// A partner knows no precondition. Such a call is made under our finalizer alone, so that whoever is made again while it is
/// on its way had it taken off by hand; then it lands before the new one looks, or nothing can be promised.
fn is_of_the_partner(effect: &Effect) -> bool {
    matches!(effect, Effect::Mint { .. } | Effect::Register { .. } | Effect::Activate { .. } | Effect::Revoke { .. })
}

/// What the cluster holds of the new resource: nothing that was on its way may change it.
fn cluster(world: &World) -> String {
    let rotations: Vec<_> = world.journal.rotations.iter().filter(|rotation| rotation.owned != Some(false)).collect();
    format!("{} {rotations:?}", world.resource.held)
}

#[test]
fn t23_made_again_at_any_effect_it_takes_its_own_back_and_no_late_call_writes_into_it() {
    let mut lives = 0;
    for (kind, onboard) in LIVES {
        for (at, (moment, effect, facts)) in each_moment(kind, &onboard).into_iter().enumerate() {
            let by = moment.who();
            for (restored, passes) in [(false, 0), (false, 3), (false, 12), (true, 0), (true, 4)] {
                let told = format!(
                    "{kind:?} {onboard:?} before effect {at} {effect:?}, restored {restored}, late by {passes}"
                );
                if passes > 0 && is_of_the_partner(&effect) {
                    continue;
                }
                let mut world = moment.clone();
                world.made_again(None, restored);
                for _ in 0..passes {
                    world.pass(|_| Outcome::Fine);
                    safe(&world, &told);
                }
                let before = cluster(&world);
                lands(&mut world, &by, &effect, &facts);
                assert_eq!(cluster(&world), before, "{told}");
                safe(&world, &told);
                let rests = settles(&mut world, &told);
                assert!(rests, "{told} never rests: {world:#?}");
                assert_eq!(world.claim.as_ref(), Some(&world.who()), "{told}");
                assert_eq!(world.target.as_ref().map(|(_, version)| version), world.current(), "{told}");
                lives += 1;
            }
        }
    }
    println!("{lives} lives");
}

#[test]
fn t23_deleted_in_order_at_any_effect_and_made_again_it_serves_the_same_version_where_one_was_served() {
    for (kind, onboard) in LIVES {
        for (at, (moment, effect, _)) in each_moment(kind, &onboard).into_iter().enumerate() {
            let told = format!("{kind:?} {onboard:?} before effect {at} {effect:?}");
            let mut world = moment;
            world.delete_resource(RETAIN);
            // What a target that stays still carries is owed for a day, and then stands on the secret.
            for _ in 0..1000 {
                if world.pass(|_| Outcome::Fine).is_none() && !world.resource.held {
                    break;
                }
            }
            assert!(!world.resource.held, "{told}: it goes: {world:#?}");
            let served = world.current().filter(|current| world.is_live(current)).cloned();
            world.made_again(None, false);
            for _ in 0..3 {
                world.pass(|_| Outcome::Fine);
            }
            if served.is_some() {
                assert_eq!(world.current(), served.as_ref(), "{told}");
            }
            assert!(settles(&mut world, &told), "{told} never rests: {world:#?}");
        }
    }
}

#[test]
fn t23_in_a_namespace_that_was_made_again_it_is_anothers_secret_and_nothing_is_done() {
    for (kind, onboard) in LIVES {
        for (at, (moment, effect, facts)) in each_moment(kind, &onboard).into_iter().enumerate() {
            if !moment.made {
                continue;
            }
            let told = format!("{kind:?} {onboard:?} before effect {at} {effect:?}");
            let by = moment.who();
            for late in [false, true] {
                let mut world = moment.clone();
                world.made_again(Some(another_namespace()), false);
                if late {
                    lands(&mut world, &by, &effect, &facts);
                }
                let before = (world.live.clone(), world.stages.clone(), world.target.clone());
                for _ in 0..40 {
                    let (_, decision, _) = world.decided();
                    let told_so = decision.verdict(Goal::Onboarded);
                    let refused = matches!(told_so, Some(Err(Step::Blocked(Reason::SecretOwnedByAnother(_)))));
                    assert!(refused, "{told}: {told_so:?}");
                    // The old one's Rotation, which came late, is told off; nothing else is done.
                    let done = world.pass(|_| Outcome::Fine);
                    let told_off = |entries: &Vec<Entry>| *entries == [Entry::End(Ended::Restored)];
                    let only = |effect: Effect| matches!(effect, Effect::Record { entries, .. } if told_off(&entries));
                    assert!(done.clone().is_none_or(only), "{told}: {done:?}");
                }
                assert_eq!((world.live, world.stages, world.target), before, "{told}");
            }
        }
    }
}

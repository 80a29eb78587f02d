//! At most so many candidates a day.

use jiff::SignedDuration;
use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::journal::{Candidate, Entry, Revocation};
use mes_core::names::ObjectName;
use mes_core::reason::Reason;

use super::world::{Kind, Outcome, World};
use super::{act, pass, rested, rotated, rotation};

fn announces(world: &mut World) -> bool {
    let intends = |entry: &Entry| matches!(entry, Entry::Intend { .. });
    matches!(rotated(world), Err(Step::Act(Effect::Record { entries, .. })) if entries.iter().any(intends))
}

/// Its finalizers are on it: what is next is its attempt.
fn asked(world: &mut World, name: &str) {
    world.request(name);
    act(world);
    act(world);
}

#[test]
fn a_day_after_a_candidate_was_made_another_may_be_and_what_came_in_is_none() {
    let mut world = rested(Kind::Tagged);
    world.bounds.mints_per_day = 1;
    asked(&mut world, "crm-byhand");
    let made = *world.mints.last().unwrap();
    let until = made + SignedDuration::from_hours(24);
    let reason = Reason::MintsOfTheDay { most: 1, until };
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason: reason.clone(), until: Some(until) }));
    // A person's own is one, too.
    let mut own = world.clone();
    own.made_by_hand("crm-new", false);
    let new = ObjectName::parse("crm-new").unwrap();
    own.journal.rotations.last_mut().unwrap().candidate = Some(Candidate::FromSecret(new));
    assert_eq!(rotated(&mut own), Err(Step::Wait { reason: reason.clone(), until: Some(until) }));
    world.now = until - SignedDuration::from_secs(1);
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason, until: Some(until) }));
    world.now = until;
    assert!(announces(&mut world));
}

#[test]
fn an_alarm_may_make_as_many_again() {
    let mut world = rested(Kind::Tagged);
    world.bounds.mints_per_day = 1;
    world.alarm("crm-alarm", Revocation::WhenProven);
    pass(&mut world, 60);
    assert_eq!((rotation(&world, "crm-alarm").ended.is_some(), world.mints.len()), (true, 2));
    world.alarm("crm-again", Revocation::WhenProven);
    pass(&mut world, 2);
    assert!(!announces(&mut world), "the second of that day");
}

#[test]
fn a_candidate_whose_value_was_lost_is_one_of_the_day() {
    let mut world = rested(Kind::Tagged);
    world.bounds.mints_per_day = 2;
    asked(&mut world, "crm-byhand");
    assert!(announces(&mut world));
    act(&mut world);
    world.until("the create", |effect| matches!(effect, Effect::Mint { .. }));
    world.pass(|_| Outcome::Torn);
    let mut spent = false;
    for _ in 0..60 {
        spent |= matches!(rotated(&mut world), Err(Step::Wait { reason: Reason::MintsOfTheDay { most: 2, .. }, .. }));
        pass(&mut world, u32::from(!spent));
    }
    assert!(spent, "{:#?}", world.journal);
    assert_eq!(rotation(&world, "crm-byhand").attempt.as_ref().unwrap().number, 1);
}

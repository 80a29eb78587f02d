//! Rules of rotation in place, each at the moment in a life where it counts.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use mes_core::decide::{Goal, Step};
use mes_core::effect::Effect;
use mes_core::facts::{Look, Rehearsed, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{IntentStep, Outcome as Ended, Rejection};
use mes_core::names::{Stage, TargetName, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::{Deletion, Fate, Onboard};
use world::{Kind, Live, Outcome, World};

fn begun(kind: Kind, what: &str, stop: impl Fn(&Effect) -> bool) -> World {
    let mut world = World::new(kind, Onboard::FromSecret);
    world.until(what, stop);
    world
}

fn pass(world: &mut World, times: u32) {
    for _ in 0..times {
        world.pass(|_| Outcome::Fine);
    }
}

fn is_register(effect: &Effect) -> bool {
    matches!(effect, Effect::Register { .. })
}

fn is_mint(effect: &Effect) -> bool {
    matches!(effect, Effect::Mint { .. })
}

fn first_end(world: &World) -> Option<Ended> {
    world.journal.rotations.iter().find_map(|rotation| rotation.ended).map(|(outcome, _)| outcome)
}

fn candidate(world: &World) -> VersionId {
    world.journal.open().and_then(|open| open.version()).cloned().unwrap()
}

fn told(world: &mut World) -> Option<Reason> {
    let (_, decision, _) = world.decided();
    match decision.verdict(Goal::Rotated) {
        Some(Err(Step::Wait { reason, .. } | Step::Blocked(reason))) => Some(reason.clone()),
        _ => None,
    }
}

#[test]
fn nothing_dies_while_a_write_that_must_follow_would_not_be_taken() {
    let refused = || Sight::Rehearsal(Err(Fault::new(Place::Cluster, FaultKind::Denied, "403")));
    let target = Rehearsed::Target(TargetName::parse("crm").unwrap());
    for write in [Rehearsed::Label, target.clone()] {
        let mut world =
            begun(Kind::InPlaceCaller, "a stored candidate", |effect| matches!(effect, Effect::Compose { .. }));
        let version = candidate(&world);
        world.answers.insert(Look::Rehearsal { write: write.clone(), version }, refused());
        pass(&mut world, 60);
        assert!(world.current().is_some_and(|current| world.is_live(current)), "{:#?}", world.journal);
        assert_eq!(told(&mut world), Some(Reason::NotRehearsed(write)));
        world.answers.clear();
        pass(&mut world, 120);
        assert!(world.journal.waiting().next().is_none());
    }
    // The partner's own value is not there yet: the Secret is tried with the bytes that it has.
    let mut world = begun(
        Kind::InPlacePartner,
        "an intent",
        |effect| matches!(effect, Effect::Record { entries, .. } if matches!(entries[0], mes_core::journal::Entry::Intend { .. })),
    );
    let version = world.current().cloned().unwrap();
    world.answers.insert(Look::Rehearsal { write: target, version }, refused());
    pass(&mut world, 60);
    assert_eq!((world.creates, world.live.len()), (0, 1));
}

#[test]
fn deleted_after_the_point_of_no_return_it_runs_to_its_end_and_before_it_nothing_has_died() {
    for (kind, stop) in [
        (Kind::InPlaceCaller, is_register as fn(&Effect) -> bool),
        (Kind::InPlacePartner, is_mint),
        (Kind::Grace, is_mint),
    ] {
        let mut world = begun(kind, "the point of no return", stop);
        let name = world.journal.open().unwrap().name.clone();
        world.delete_rotation(&name);
        let next = candidate(&world);
        let reached = (0..30).any(|_| {
            pass(&mut world, 1);
            world.current() == Some(&next)
        });
        assert!(reached && world.is_live(&next), "{kind:?} {:#?}", world.journal);
    }
    let mut world = begun(Kind::InPlaceCaller, "a stored candidate", |effect| matches!(effect, Effect::Compose { .. }));
    let (name, before) = (world.journal.open().unwrap().name.clone(), world.current().cloned());
    world.delete_rotation(&name);
    while world.journal.rotations.iter().any(|rotation| rotation.name == name) {
        assert!(world.journal.rotations.iter().all(|rotation| rotation.promoted.is_none()));
        pass(&mut world, 1);
    }
    assert!(world.current() == before.as_ref() && world.is_live(&before.unwrap()));
}

#[test]
fn a_resource_deleted_after_the_point_of_no_return_takes_the_candidate_along_and_leaves_nothing() {
    let mut world = begun(Kind::InPlaceCaller, "the point of no return", is_register);
    world.delete_resource(Deletion {
        targets: Fate::Remove,
        store: Fate::Retain,
        partner: Fate::Remove,
        recovery_window_days: 30,
    });
    pass(&mut world, 120);
    assert!(world.live.is_empty() && !world.resource.held, "{:?} {:#?}", world.live, world.journal);
}

#[test]
fn a_role_emptied_by_hand_after_the_register_is_given_the_same_bytes_again() {
    let mut world = begun(Kind::InPlaceCaller, "the promotion", |effect| matches!(effect, Effect::Promote { .. }));
    let next = candidate(&world);
    world.live.clear();
    pass(&mut world, 120);
    assert_eq!(world.current(), Some(&next), "{:#?}", world.journal);
    assert!(world.is_live(&next) && world.journal.waiting().next().is_none());
}

#[test]
fn a_role_that_somebody_gave_another_password_midway_is_left_alone() {
    let mut world = begun(Kind::InPlaceCaller, "the promotion", |effect| matches!(effect, Effect::Promote { .. }));
    let slot = world.spec().slots.first().cloned();
    world.live = [Live { bytes: 9000, slot: slot.clone(), main: true, tag: None }].into();
    pass(&mut world, 120);
    assert!(world.live.iter().any(|live| live.bytes == 9000), "{:#?}", world.journal);
    assert_eq!(told(&mut world), Some(Reason::QuotaUsedByOthers(slot)));
}

#[test]
fn a_create_whose_value_is_lost_is_never_repeated_by_who_rotates_itself_and_a_person_is_asked() {
    for kind in [Kind::InPlacePartner, Kind::Grace] {
        let mut world = begun(kind, "the create", is_mint);
        // To ask with what was rotated away already ends all of them at some partners.
        world.without_admin();
        world.pass(|_| Outcome::Torn);
        pass(&mut world, 6000);
        assert_eq!(first_end(&world), Some(Ended::CandidateRejected(Rejection::Lost)), "{:#?}", world.journal);
        assert_eq!(world.creates, 1, "{kind:?}");
    }
}

#[test]
fn where_nothing_works_any_more_the_admin_makes_another_and_the_outage_ends() {
    let mut world = begun(Kind::InPlacePartner, "the create", is_mint);
    world.pass(|_| Outcome::Torn);
    assert!(!world.is_live(world.current().unwrap()), "the old one is dead, and nobody has the new one");
    pass(&mut world, 6000);
    assert_eq!(first_end(&world), Some(Ended::RevokedByPartner), "{:#?}", world.journal);
    assert_eq!(world.creates, 2);
    let current = world.current().unwrap();
    assert!(world.is_live(current) && world.live.len() == 1, "{:?}", world.live);
    assert_eq!(world.target.as_ref().map(|(_, version)| version), Some(current));
}

#[test]
fn who_cancels_what_may_have_put_an_end_to_what_is_in_use_does_not_stop_it() {
    for (kind, outage) in [(Kind::InPlacePartner, true), (Kind::Grace, false)] {
        let mut world = begun(kind, "the create", is_mint);
        let name = world.journal.open().unwrap().name.clone();
        world.pass(|_| Outcome::Torn);
        world.delete_rotation(&name);
        for _ in 0..6000 {
            world.pass(|_| Outcome::Fine);
            assert!(outage || world.is_live(world.current().unwrap()), "{:#?}", world.journal);
        }
        assert!(world.is_live(world.current().unwrap()) && world.live.len() == 1, "{kind:?} {:#?}", world.journal);
        assert!(world.creates >= 2, "{kind:?}");
    }
}

#[test]
fn who_cancels_a_rotation_that_was_asked_for_is_heard_only_once_nothing_can_die_of_it() {
    let asked = |admin: bool, outcome: Outcome| {
        let mut world = World::new(Kind::Grace, Onboard::FromSecret);
        pass(&mut world, 400);
        assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
        world.request("crm-byhand");
        world.until("the create", is_mint);
        let before = world.creates;
        if !admin {
            world.without_admin();
        }
        world.pass(|_| outcome);
        let name = world.journal.open().unwrap().name.clone();
        world.delete_rotation(&name);
        for _ in 0..6000 {
            world.pass(|_| Outcome::Fine);
            assert!(world.is_live(world.current().unwrap()), "{:#?}", world.journal);
        }
        world.creates - before
    };
    assert_eq!(asked(true, Outcome::Torn), 2, "one was lost, and what is in use would die with its grace");
    assert_eq!(asked(false, Outcome::CrashBefore), 0, "the grace is over, and it works still");
}

#[test]
fn each_attempt_lost_there_is_an_end_and_the_next_rotation_that_is_asked_for_ends_the_outage() {
    let mut world = begun(Kind::InPlacePartner, "the create", is_mint);
    for attempt in 1..=world.bounds.attempts {
        world.until("a create", is_mint);
        world.pass(|_| Outcome::Torn);
        assert_eq!(world.creates, u32::from(attempt));
    }
    pass(&mut world, 100);
    assert_eq!(first_end(&world), Some(Ended::CandidateRejected(Rejection::Lost)), "{:#?}", world.journal);
    world.request("crm-again");
    pass(&mut world, 400);
    assert!(world.is_live(world.current().unwrap()) && world.live.len() == 1, "{:#?}", world.journal);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
}

#[test]
fn while_the_old_one_has_its_grace_the_admin_makes_another_for_the_one_that_was_lost() {
    let mut world = begun(Kind::Grace, "the create", is_mint);
    world.pass(|_| Outcome::Torn);
    for _ in 0..6000 {
        world.pass(|_| Outcome::Fine);
        let current = world.current().cloned().unwrap();
        assert!(world.is_live(&current), "{:#?}", world.journal);
    }
    assert_eq!(first_end(&world), Some(Ended::RevokedByPartner), "{:#?}", world.journal);
    assert_eq!(world.creates, 2);
}

#[test]
fn while_what_is_in_use_may_die_of_its_grace_no_attempt_is_the_last() {
    let mut world = begun(Kind::Grace, "the create", is_mint);
    world.bounds.attempts = 2;
    for lost in 1..=3 {
        world.until("a create", is_mint);
        world.pass(|_| Outcome::Torn);
        assert_eq!(world.creates, lost);
    }
    for _ in 0..6000 {
        world.pass(|_| Outcome::Fine);
        assert!(world.is_live(world.current().unwrap()), "{:#?}", world.journal);
    }
    assert_eq!((first_end(&world), world.creates), (Some(Ended::RevokedByPartner), 4), "{:#?}", world.journal);
    // Once it surely lives, they are counted.
    let mut world = begun(Kind::Grace, "the create", is_mint);
    world.bounds.attempts = 1;
    world.without_admin();
    world.pass(|_| Outcome::CrashBefore);
    pass(&mut world, 6000);
    assert_eq!(first_end(&world), Some(Ended::Exhausted), "{:#?}", world.journal);
    assert_eq!(world.journal.rotations[0].attempt.as_ref().unwrap().number, 1);
}

#[test]
fn a_create_that_surely_had_no_effect_is_followed_by_another_attempt() {
    for kind in [Kind::InPlacePartner, Kind::Grace] {
        let mut world = begun(kind, "the create", is_mint);
        world.pass(|_| Outcome::CrashBefore);
        let first = world.journal.open().unwrap().attempt.as_ref().unwrap().number;
        pass(&mut world, 6000);
        let last = world.journal.last_promoted().expect("promoted");
        assert!(first == 1 && last.attempt.as_ref().unwrap().number == 2, "{:#?}", world.journal);
        assert_eq!(world.creates, 1, "{kind:?}");
    }
}

#[test]
fn awscurrent_moved_midway_onto_what_is_dead_is_taken_from_there() {
    let mut world = begun(Kind::InPlaceCaller, "a life", |_| true);
    pass(&mut world, 150);
    world.request("crm-byhand");
    world.until("the promotion", |effect| matches!(effect, Effect::Promote { .. }));
    let next = candidate(&world);
    // The seed's version, dead since the first rotation.
    let seed = VersionId::first(&world.resource.own.uid, 0);
    let from = world.current().cloned().unwrap();
    let label = |name: &str| Stage::parse(name).unwrap();
    world.stages.get_mut(&from).unwrap().remove(&label(Stage::CURRENT));
    world.stages.entry(seed).or_default().insert(label(Stage::CURRENT));
    pass(&mut world, 120);
    assert_eq!(world.current(), Some(&next), "{:#?}", world.journal);
    assert!(world.is_live(&next) && world.journal.waiting().next().is_none());
}

#[test]
fn a_first_use_is_announced_by_the_process_that_makes_it() {
    let mut world = begun(
        Kind::FirstUse,
        "the first use",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&mes_core::journal::Entry::Using)),
    );
    assert_eq!(world.live.iter().filter(|live| !live.main).count(), 1, "made, and not used");
    world.pass(|_| Outcome::CrashAfter);
    // Announced by a process that is gone: another waits until its call is over, and announces it anew.
    let next = world.until("the announcement anew", |effect| matches!(effect, Effect::Record { .. }));
    assert!(matches!(next, Effect::Record { entries, .. } if entries == [mes_core::journal::Entry::Using]));
    assert_eq!(world.live.iter().filter(|live| !live.main).count(), 1, "still not used");
    let step = world.journal.open().unwrap().attempt.as_ref().unwrap().step;
    assert_eq!(step, IntentStep::Promote);
    pass(&mut world, 30);
    assert!(world.journal.last_promoted().is_some());
}

#[test]
fn a_first_value_that_is_made_active_by_its_use_is_tried_for_as_long_as_any_other() {
    let mut world = World::new(Kind::FirstUse, Onboard::Mint);
    world.until("its announced use", |effect| {
        matches!(effect, Effect::Record { entries, .. } if entries.iter().any(|entry| matches!(entry, mes_core::journal::Entry::Using)))
    });
    let version = candidate(&world);
    let refused = Sight::Acceptance(Ok(Some(mes_core::facts::Acceptance::Refused)));
    world.answers.insert(Look::Acceptance(version), refused);
    pass(&mut world, 3);
    assert_eq!(told(&mut world), Some(Reason::CandidateNotAccepted));
    world.answers.clear();
    pass(&mut world, 60);
    assert!(world.resource.noted.onboarded && world.journal.waiting().next().is_none(), "{:#?}", world.journal);
    assert_eq!((world.creates, world.live.len()), (1, 1));
}

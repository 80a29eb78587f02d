//! The candidate before its promotion: stored, registered, tried, given up.

use jiff::SignedDuration;
use mes_core::decide::{Goal, Step};
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, Outcome as Ended, Rejection, Revocation};
use mes_core::names::{Slot, TargetName, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::{Engine, Onboard};

use super::world::{Kind, Live, Outcome, World};
use super::{
    act, candidate, effect, ended, is_intend, is_mint, is_promote, is_register, listing, pass, passes, recorded,
    records, rested, rotated, rotating, rotation, says, waits,
};

/// A requested rotation that is about to do this, at a partner that asks for so many acceptances in a row.
fn requested(kind: Kind, successes: u8, what: &str, stop: impl Fn(&Effect) -> bool) -> World {
    let mut world = rested(kind);
    let Engine::Operator(contract) = &mut world.resource.spec.as_mut().unwrap().rotation.engine else { panic!("ours") };
    contract.successes = successes;
    world.request("crm-byhand");
    world.until(what, stop);
    world
}

/// The first one is refused for as long as it takes.
fn second_attempt(world: &mut World) {
    passes(world, |world| {
        says(world, Acceptance::Refused);
        rotation(world, "crm-byhand").attempt.as_ref().unwrap().number == 2
    });
}

/// It is given up: by another attempt, or by waiting for one.
fn given_up(world: &mut World) -> bool {
    match rotated(world) {
        Err(Step::Act(effect)) => records(&effect, |entry| matches!(entry, Entry::Intend { number: 2, .. })),
        Err(Step::Wait { reason: Reason::AttemptsSpaced, .. }) => true,
        _ => false,
    }
}

#[test]
fn a_stored_candidate_is_read_back_until_something_follows_from_it_and_not_again() {
    for kind in [Kind::Slots, Kind::Tagged] {
        let mut world = requested(kind, 1, "Promote", is_promote);
        let silent = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
        world.answers.insert(Look::Version(candidate(&world)), Sight::Version(Err(silent)));
        assert!(matches!(rotated(&mut world), Err(Step::Act(effect)) if is_promote(&effect)), "{kind:?}");
    }
}

#[test]
fn where_making_it_ends_the_old_one_that_is_written_down_once_it_is_stored_and_elsewhere_it_is_not() {
    for kind in [Kind::InPlacePartner, Kind::Grace] {
        let mut world = requested(kind, 2, "Mint", is_mint);
        let old = world.current().cloned().unwrap();
        pass(&mut world, 1);
        let verdict = rotated(&mut world);
        let (name, entries) = recorded(&verdict);
        assert_eq!(name, "crm-byhand");
        assert!(matches!(entries, [Entry::Doom(_, Some(doomed))] if *doomed == old), "{entries:?}");
        act(&mut world);
        assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Accepted(1)], "once");
    }
    let mut world = requested(Kind::Tagged, 2, "Mint", is_mint);
    pass(&mut world, 1);
    assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Accepted(1)]);
    // Used, it puts the old one on its way out.
    let mut world = requested(Kind::FirstUse, 2, "Using", |effect| records(effect, |entry| *entry == Entry::Using));
    act(&mut world);
    let entries = world.until("Accepted", |effect| records(effect, |entry| matches!(entry, Entry::Accepted(_))));
    assert!(records(&entries, |entry| matches!(entry, Entry::Doom(..))), "{entries:?}");
}

#[test]
fn a_registered_value_that_is_refused_is_registered_anew_for_as_long_as_patience_lasts() {
    let mut world = requested(Kind::Slots, 1, "Register", is_register);
    world.pass(|_| Outcome::CrashBefore);
    says(&mut world, Acceptance::Refused);
    let _ = world.decided();
    let patience = world.now + world.bounds.acceptance;
    world.now = patience - SignedDuration::from_nanos(1);
    assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Registering]);
    world.now = patience;
    assert!(given_up(&mut world));
    // In place there is nothing to go back to.
    let mut world = requested(Kind::InPlaceCaller, 1, "Register", is_register);
    world.pass(|_| Outcome::CrashBefore);
    let _ = world.decided();
    world.now += SignedDuration::from_hours(1);
    assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Registering]);
    // Announced and made anew, it is waited for as long again, though the first call is long over.
    act(&mut world);
    assert!(is_register(&act(&mut world)));
    says(&mut world, Acceptance::Refused);
    assert_eq!(waits(&mut world), Reason::CandidateNotAccepted);
    world.now += SignedDuration::from_hours(1);
    assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Registering]);
}

#[test]
fn an_accepted_value_that_is_refused_again_is_not_registered_again_but_counted_anew() {
    let mut world =
        requested(Kind::Slots, 3, "Accepted", |effect| records(effect, |entry| *entry == Entry::Accepted(2)));
    says(&mut world, Acceptance::Refused);
    assert_eq!(recorded(&rotated(&mut world)).1, [Entry::Accepted(0)]);
    // Counted already, or nothing to count, or announced: it is waited for.
    let waiting = |successes: u8, what: &str, stop: &dyn Fn(&Effect) -> bool| {
        let mut world = requested(Kind::Tagged, successes, what, stop);
        says(&mut world, Acceptance::Refused);
        waits(&mut world)
    };
    let first = |effect: &Effect| records(effect, |entry| *entry == Entry::Accepted(1));
    assert_eq!(waiting(3, "the first", &first), Reason::CandidateNotAccepted);
    let promoting = |effect: &Effect| records(effect, |entry| *entry == Entry::Promoting);
    assert_eq!(waiting(1, "Promoting", &promoting), Reason::CandidateNotAccepted);
    assert_eq!(waiting(3, "Promote", &is_promote), Reason::CandidateNotAccepted);
}

#[test]
fn t42_bytes_that_can_be_nobodys_are_given_up_at_once_unless_awscurrent_may_be_on_its_way() {
    let accepted = |effect: &Effect| records(effect, |entry| matches!(entry, Entry::Accepted(_)));
    for answer in [Acceptance::Alien, Acceptance::Malformed] {
        let mut world = requested(Kind::Tagged, 1, "Accepted", accepted);
        says(&mut world, answer);
        assert!(given_up(&mut world));
        let mut world = requested(Kind::Tagged, 1, "Promote", is_promote);
        says(&mut world, answer);
        assert_eq!(waits(&mut world), Reason::CandidateNotAccepted);
        // Where its use was announced as the promotion is, nothing has moved yet.
        let mut world = requested(Kind::FirstUse, 1, "Using", |effect| records(effect, |entry| *entry == Entry::Using));
        act(&mut world);
        says(&mut world, answer);
        assert!(given_up(&mut world));
    }
}

#[test]
fn a_refusal_proves_something_once_patience_is_over_and_the_next_attempt_keeps_its_distance() {
    let mut world = requested(Kind::Tagged, 1, "Mint", is_mint);
    let announced = rotation(&world, "crm-byhand").attempt.as_ref().unwrap().time;
    pass(&mut world, 1);
    says(&mut world, Acceptance::Refused);
    let patience = world.bounds.acceptance;
    world.now = announced + patience - SignedDuration::from_nanos(1);
    assert_eq!(waits(&mut world), Reason::CandidateNotAccepted);
    world.now = announced + patience;
    assert!(given_up(&mut world));
    world.bounds.spacing = SignedDuration::from_mins(10);
    let earliest = announced + world.bounds.spacing;
    let spaced = Err(Step::Wait { reason: Reason::AttemptsSpaced, until: Some(earliest) });
    assert_eq!(rotated(&mut world), spaced);
    world.now = earliest - SignedDuration::from_nanos(1);
    assert_eq!(rotated(&mut world), spaced);
    world.now = earliest;
    assert!(matches!(recorded(&rotated(&mut world)).1, [Entry::Intend { number: 2, .. }]));
}

#[test]
fn a_rotation_that_undid_itself_says_whether_it_made_way_or_used_up_its_attempts() {
    for (attempts, stays, expected) in [
        (1, true, Ended::Superseded),
        (2, true, Ended::Superseded),
        (2, false, Ended::Superseded),
        (1, false, Ended::Exhausted),
    ] {
        let mut world = requested(Kind::Tagged, 1, "Mint", is_mint);
        world.bounds.attempts = attempts;
        pass(&mut world, 1);
        world.alarm("crm-alarm", Revocation::WhenProven);
        assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &[Entry::Abort][..]));
        act(&mut world);
        if !stays {
            world.journal.rotations.pop();
        }
        passes(&mut world, |world| ended(world, "crm-byhand").is_some());
        assert_eq!(ended(&world, "crm-byhand"), Some(expected), "{attempts} {stays}");
    }
}

// Slots

#[test]
fn the_slot_of_an_attempt_that_was_given_up_is_filled_only_when_its_calls_are_over_and_the_first_at_once() {
    let mut world =
        requested(Kind::Slots, 1, "Intend", |effect| records(effect, |entry| matches!(entry, Entry::Intend { .. })));
    let (began, over) = (world.now, world.bounds.deadline * 2 + world.bounds.settling);
    world.until("Register", is_register);
    assert!(world.now.duration_since(began) < over);
    second_attempt(&mut world);
    let again = rotation(&world, "crm-byhand").attempt.as_ref().unwrap().time;
    world.until("Registering", |effect| records(effect, |entry| *entry == Entry::Registering));
    assert!(world.now.duration_since(again) >= over, "after {}", world.now.duration_since(again));
}

#[test]
fn a_slot_with_a_value_that_is_in_use_or_another_rotations_is_not_overwritten() {
    let second = || {
        let mut world = requested(Kind::Slots, 1, "Register", is_register);
        let first = candidate(&world);
        second_attempt(&mut world);
        world.answers.clear();
        world.until("Registering", |effect| records(effect, |entry| *entry == Entry::Registering));
        (world, first)
    };
    let (mut world, first) = second();
    let slot = rotation(&world, "crm-byhand").attempt.clone().unwrap().slot;
    let held = world.live.clone();
    world.moved_by_hand(&first);
    assert_eq!(waits(&mut world), Reason::QuotaUsedByOthers(slot.clone()), "a person uses it");
    let (mut world, first) = second();
    let target = TargetName::parse("crm").unwrap();
    let Sight::Target(Ok(Some(mut there))) = world.answer(&Look::Target(target.clone())) else { panic!("it is there") };
    there.version = Some(first);
    world.answers.insert(Look::Target(target.clone()), Sight::Target(Ok(Some(there))));
    assert_eq!(waits(&mut world), Reason::TargetCarriesOld(target), "it was tried");
    let (mut world, _) = second();
    world.live.retain(|live| live.slot != slot);
    world.live.insert(Live { bytes: 8000, slot: slot.clone(), main: true, tag: None });
    assert_eq!(waits(&mut world), Reason::QuotaUsedByOthers(slot.clone()), "nobody knows whose it is");
    let seed = VersionId::first(&world.resource.own.uid, 0);
    world.live.retain(|live| live.slot != slot);
    world.live.insert(Live { bytes: world.bytes[&seed].0, slot: slot.clone(), main: true, tag: None });
    assert_eq!(waits(&mut world), Reason::QuotaUsedByOthers(slot), "another's");
    assert_eq!(held.len(), 2);
}

// In place

#[test]
fn in_place_a_candidate_that_is_refused_for_good_is_told_as_lost_and_followed_by_none() {
    for kind in [Kind::InPlacePartner, Kind::Grace] {
        let mut world = requested(kind, 1, "Mint", is_mint);
        let old = world.current().cloned().unwrap();
        pass(&mut world, 2);
        says(&mut world, Acceptance::Alien);
        let verdict = rotated(&mut world);
        let lost = Entry::End(Ended::CandidateRejected(Rejection::Lost));
        let paid = recorded(&verdict).1;
        assert!(matches!(paid, [Entry::Paid(_), end] if *end == lost), "{paid:?}");
        // But where somebody made something else current that works, it is that.
        world.bytes.insert(VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap(), (8000, None));
        world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
        world.moved_by_hand(&VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap());
        assert!(given_up(&mut world), "{old:?}");
    }
}

#[test]
fn a_wall_clock_that_is_set_while_a_call_may_be_under_way_makes_it_no_older() {
    for set in [SignedDuration::from_hours(1), -SignedDuration::from_hours(1)] {
        let mut world = requested(Kind::Tagged, 1, "Mint", is_mint);
        world.pass(|_| Outcome::CrashBefore);
        let waiting = rotated(&mut world);
        let Err(Step::Wait { reason: Reason::Settling, until: Some(until) }) = waiting else { panic!("{waiting:?}") };
        world.now += set;
        world.tries.shift(set);
        let told = rotated(&mut world);
        assert_eq!(told, Err(Step::Wait { reason: Reason::Settling, until: Some(until + set) }));
        world.now = until + set;
        assert!(given_up(&mut world));
    }
}

// F11: a list may be older than what is in use.

#[test]
fn no_slot_is_chosen_or_filled_before_the_partner_shows_which_one_is_in_use_unless_that_is_refused() {
    let is_intend = |effect: &Effect| records(effect, |entry| matches!(entry, Entry::Intend { .. }));
    let is_registering = |effect: &Effect| records(effect, |entry| *entry == Entry::Registering);
    let unshown = |world: &mut World| {
        let current = world.current().cloned().unwrap();
        let (list, mut shown) = listing(world);
        shown.retain(|credential| !credential.versions.contains(&current));
        world.answers.insert(list, Sight::Credentials(Ok(Some(shown))));
        Look::Acceptance(current)
    };
    let waits_for_it = |what: &str, stop: &dyn Fn(&Effect) -> bool| {
        let mut world = requested(Kind::Slots, 1, what, stop);
        let accepted = unshown(&mut world);
        assert_eq!(waits(&mut world), Reason::Settling, "{what}");
        world.answers.insert(accepted.clone(), Sight::Acceptance(Ok(None)));
        assert_eq!(waits(&mut world), Reason::Settling, "{what}");
        world.answers.insert(accepted, Sight::Acceptance(Ok(Some(Acceptance::Refused))));
        let next = rotated(&mut world);
        assert!(matches!(&next, Err(Step::Act(effect)) if stop(effect)), "{what}: {next:?}");
    };
    waits_for_it("Intend", &is_intend);
    waits_for_it("Registering", &is_registering);
    waits_for_it("Register", &is_register);
    // Elsewhere nothing takes another's place.
    let mut world = requested(Kind::Tagged, 1, "Intend", is_intend);
    unshown(&mut world);
    assert!(matches!(rotated(&mut world), Err(Step::Act(effect)) if is_intend(&effect)));
}

#[test]
fn a_slot_is_filled_only_when_every_call_of_an_earlier_rotation_on_it_is_over() {
    let mut world = World::new(Kind::Slots, Onboard::FromSecret);
    world.until("the end of the first", |effect| records(effect, |entry| matches!(entry, Entry::End(_))));
    world.pass(|_| Outcome::Fine);
    let ended = world.now;
    world.request("crm-byhand");
    world.until("Register", |effect| matches!(effect, Effect::Register { .. }));
    let over = world.bounds.deadline * 2 + world.bounds.settling;
    assert!(world.now.duration_since(ended) >= over, "{} after the end", world.now.duration_since(ended));
}

#[test]
fn a_burned_value_in_the_slot_is_not_overwritten_while_the_partner_refuses_awscurrent() {
    let (mut world, _) =
        rotating(Kind::Slots, "Accepted", |effect| records(effect, |entry| matches!(entry, Entry::Accepted(_))));
    // The partner never accepts the first candidate, so a second one takes its slot.
    world.answers.insert(Look::Acceptance(candidate(&world)), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    world.until(
        "Registering",
        |effect| matches!(effect, Effect::Record { attempt: Some(2), entries, .. } if *entries == [Entry::Registering]),
    );
    let current = world.current().cloned().unwrap();
    world.answers.insert(Look::Acceptance(current), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    let (next, ..) = world.decided();
    assert_eq!(effect(&next), None, "the other slot may be all that works");
}

#[test]
fn a_foreign_value_in_the_idle_slot_is_left_and_named() {
    let (mut world, _) = rotating(Kind::Slots, "Intend", is_intend);
    let slot = Slot::parse("b").unwrap();
    let foreign = Live { bytes: 9000, slot: Some(slot.clone()), main: true, tag: None };
    world.live.insert(foreign.clone());
    let (_, decision, _) = world.decided();
    let waits = decision.verdict(Goal::Rotated).cloned();
    assert!(
        matches!(&waits, Some(Err(Step::Wait { reason: Reason::QuotaUsedByOthers(Some(named)), .. })) if *named == slot),
        "{waits:?}"
    );
    pass(&mut world, 120);
    assert!(world.live.contains(&foreign));
}

#[test]
fn a_value_that_somebody_puts_into_the_slot_after_its_registration_was_announced_is_left() {
    let mut world = World::new(Kind::Slots, Onboard::FromSecret);
    world.until("Register", |effect| matches!(effect, Effect::Register { .. }));
    let slot = Slot::parse("b").unwrap();
    let foreign = Live { bytes: 9000, slot: Some(slot), main: true, tag: None };
    world.live.insert(foreign.clone());
    let (next, ..) = world.decided();
    assert_eq!(effect(&next), None);
    pass(&mut world, 120);
    assert!(world.live.contains(&foreign), "{:#?}", world.journal);
    // Its owner consents.
    world.live.remove(&foreign);
    world.until("the end", |effect| records(effect, |entry| *entry == Entry::End(Ended::Revoked)));
}

#[test]
fn acceptances_that_a_refusal_interrupts_are_counted_anew() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    let mut contract = *world.resource.contract().unwrap();
    contract.successes = 3;
    world.resource.spec.as_mut().unwrap().rotation.engine = Engine::Operator(contract);
    world.until("the third", |effect| records(effect, |entry| *entry == Entry::Accepted(3)));
    let look = Look::Acceptance(candidate(&world));
    world.answers.insert(look.clone(), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    world.pass(|_| Outcome::Fine);
    world.answers.remove(&look);
    let (next, ..) = world.decided();
    assert!(effect(&next).is_some_and(|effect| records(effect, |entry| *entry == Entry::Accepted(1))), "{next:?}");
}

//! When a rotation starts, under which name, and what becomes of those that wait.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Candidate, Entry, Outcome as Ended, Owed, Revocation, Trigger};
use mes_core::names::{CredentialId, ObjectName, VersionId};
use mes_core::reason::Reason;
use mes_core::schedule::Schedule;
use mes_core::spec::{Engine, Onboard};
use mes_core::status::{View, view};

use super::world::{Kind, Outcome, World};
use super::{act, deleted_now, ended, is_mint, judged, pass, records, rested, rotated, rotating, rotation};

fn scheduled(world: &mut World, rate: &str) {
    world.resource.spec.as_mut().unwrap().rotation.schedule = Some(Schedule::parse(rate, None, None).unwrap());
}

fn opened(effect: &Effect) -> (&str, Trigger) {
    let Effect::Open { rotation, trigger } = effect else { panic!("{effect:?}") };
    (rotation.as_str(), *trigger)
}

fn opens(world: &mut World) -> String {
    match rotated(world) {
        Err(Step::Act(effect)) => opened(&effect).0.to_owned(),
        other => panic!("{other:?}"),
    }
}

/// How it would end now without having begun, if it does.
fn ends(world: &mut World, name: &str) -> Option<Ended> {
    match rotated(world) {
        Err(Step::Act(Effect::Record { rotation, entries, .. })) if rotation.as_str() == name => match entries[..] {
            [Entry::End(outcome)] => Some(outcome),
            _ => None,
        },
        _ => None,
    }
}

fn shown(world: &mut World) -> View {
    let (_, decision, facts) = world.decided();
    view(&world.resource, &facts, &world.journal, &decision, &BTreeMap::new(), world.now)
}

fn promoted(world: &World) -> Timestamp {
    world.journal.last_promoted().and_then(|last| last.promoted).unwrap()
}

#[test]
fn the_day_after_the_attempts_were_used_up_the_next_rotation_starts_at_once() {
    let mut world = rested(Kind::Tagged);
    scheduled(&mut world, "rate(4 hours)");
    world.request("crm-byhand");
    let failed = world.now;
    world.journal.rotations.last_mut().unwrap().ended = Some((Ended::Exhausted, failed));
    let until = failed + SignedDuration::from_hours(24);
    world.now = until - SignedDuration::from_secs(1);
    let waits = Err(Step::Wait { reason: Reason::AttemptsSpaced, until: Some(until) });
    assert_eq!(rotated(&mut world), waits);
    assert_eq!(shown(&mut world).next_rotation, Some(Some(until)));
    // What is due later than that starts at its own time, and where nothing is, nothing starts.
    scheduled(&mut world, "rate(30 hours)");
    let Err(Step::Wait { reason: Reason::NotDue, until: Some(later) }) = rotated(&mut world) else {
        panic!("it waits")
    };
    assert!(later > until);
    world.resource.spec.as_mut().unwrap().rotation.schedule = None;
    assert_eq!((rotated(&mut world), shown(&mut world).next_rotation), (Ok(()), Some(None)));
    scheduled(&mut world, "rate(4 hours)");
    world.now = until;
    assert_eq!(opened(&act(&mut world)).1, Trigger::Schedule);
}

#[test]
fn status_says_when_the_next_rotation_starts_and_that_one_is_overdue_once_its_window_has_passed() {
    let mut world = rested(Kind::Tagged);
    assert_eq!(shown(&mut world).next_rotation, Some(None), "only on request");
    scheduled(&mut world, "rate(4 hours)");
    let next = shown(&mut world).next_rotation.flatten().unwrap();
    assert!(next > world.now && next > promoted(&world), "{next}");
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason: Reason::NotDue, until: Some(next) }));
    world.now = next;
    assert_eq!(shown(&mut world).next_rotation, Some(Some(next)), "now");
    world.now = next + SignedDuration::from_secs(30);
    assert_eq!(shown(&mut world).next_rotation, Some(Some(next)), "what is due is written once");
    let ready = |world: &mut World| {
        let conditions = shown(world).conditions;
        conditions.into_iter().find(|condition| condition.kind == "Ready").unwrap().reason
    };
    assert_eq!(ready(&mut world), "InService");
    // It stood still for days.
    world.now += SignedDuration::from_hours(72);
    assert_eq!(ready(&mut world), "RotationOverdue");
    let late = shown(&mut world).next_rotation;
    world.now += SignedDuration::from_secs(30);
    assert_eq!(shown(&mut world).next_rotation, late);
}

#[test]
fn a_rotation_is_named_by_the_highest_number_ever_and_one_and_jokes_do_not_count() {
    let mut world = rested(Kind::Tagged);
    scheduled(&mut world, "rate(4 hours)");
    world.now += SignedDuration::from_hours(8);
    world.bounds.history = 9;
    let [first] = &world.journal.rotations[..] else { panic!("{:#?}", world.journal) };
    assert_eq!(first.name.as_str(), "crm-1");
    for (earlier, next) in [("crm-7", "crm-8"), ("crm-1000000000", "crm-8"), ("crm-999999999", "crm-1000000000")] {
        world.request(earlier);
        world.journal.rotations.last_mut().unwrap().ended = Some((Ended::Cancelled, world.now));
        assert_eq!(opens(&mut world), next, "after {earlier}");
    }
}

#[test]
fn a_name_that_somebody_squats_is_passed_by_and_one_that_merely_failed_is_tried_again() {
    for (kind, name) in [(FaultKind::Exists, "crm-3"), (FaultKind::Unsent, "crm-2")] {
        let mut world = rested(Kind::Tagged);
        scheduled(&mut world, "rate(4 hours)");
        world.now += SignedDuration::from_hours(8);
        let (verdict, mut facts) = judged(&mut world);
        let Err(Step::Act(effect)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(opened(&effect).0, "crm-2");
        facts.tried(&effect, &Err(Fault::new(Place::Cluster, kind, "Test")), world.now);
        world.tries = facts.tries().clone();
        world.now += SignedDuration::from_hours(1);
        assert_eq!(opens(&mut world), name);
    }
}

#[test]
fn what_waits_and_is_deleted_or_restored_ends_before_it_begins() {
    let mut world = rested(Kind::Tagged);
    world.request("crm-byhand");
    let now = world.now;
    let waiting = world.journal.rotations.last_mut().unwrap();
    (waiting.held, waiting.deleting) = (true, Some(now));
    assert_eq!(ends(&mut world, "crm-byhand"), Some(Ended::Cancelled));
    world.journal.rotations.last_mut().unwrap().owned = Some(false);
    assert_eq!(ends(&mut world, "crm-byhand"), Some(Ended::Restored));
    // The operator's own is owned by its resource.
    let waiting = world.journal.rotations.last_mut().unwrap();
    (waiting.owned, waiting.deleting) = (Some(true), None);
    act(&mut world);
    assert_eq!(ended(&world, "crm-byhand"), None);
}

#[test]
fn a_trigger_of_the_operators_with_a_candidate_is_a_forgery_also_when_it_is_due() {
    let mut world = rested(Kind::Tagged);
    scheduled(&mut world, "rate(4 hours)");
    world.now += SignedDuration::from_hours(8);
    world.made_by_hand("crm-new", false);
    world.bring("crm-forged", Candidate::FromSecret(ObjectName::parse("crm-new").unwrap()));
    world.journal.rotations.last_mut().unwrap().trigger = Trigger::Schedule;
    assert_eq!(ends(&mut world, "crm-forged"), Some(Ended::NotDue));
    world.journal.rotations.last_mut().unwrap().candidate = None;
    act(&mut world);
    act(&mut world);
    assert!(rotation(&world, "crm-forged").held, "due, and driven");
}

#[test]
fn a_first_value_is_minted_by_its_rotation_alone_and_once() {
    let forged = |change: &dyn Fn(&mut World)| {
        let mut world = World::new(Kind::Tagged, Onboard::Mint);
        world.until("Open", |effect| matches!(effect, Effect::Open { .. }));
        world.request("crm-forged");
        world.journal.rotations.last_mut().unwrap().trigger = Trigger::Onboarding;
        change(&mut world);
        ends(&mut world, "crm-forged") == Some(Ended::NotDue)
    };
    assert!(!forged(&|_| {}), "asked for by nobody else, it is the one that mints");
    assert!(forged(&|world| world.journal.rotations.last_mut().unwrap().trigger = Trigger::Schedule));
    assert!(forged(&|world| world.resource.noted.onboarded = true));
    assert!(forged(&|world| {
        world.request("crm-0");
        let before = world.journal.rotations.last_mut().unwrap();
        (before.promoted, before.ended) = (Some(world.now), Some((Ended::Kept, world.now)));
    }));
    assert!(forged(&|world| world.resource.spec.as_mut().unwrap().onboard = Onboard::FromSecret));
}

#[test]
fn a_second_alarm_is_answered_by_the_first_only_if_that_does_all_that_it_asks_for() {
    let second = |first: Revocation, second: Revocation| {
        let mut world = rested(Kind::Tagged);
        world.alarm("crm-a", first);
        world.alarm("crm-b", second);
        world.now += SignedDuration::from_secs(5);
        world.until("the candidate", is_mint);
        ended(&world, "crm-b")
    };
    use Revocation::{AtOnce, WhenProven};
    assert_eq!(second(WhenProven, WhenProven), Some(Ended::Merged));
    assert_eq!(second(AtOnce, WhenProven), Some(Ended::Merged));
    assert_eq!(second(AtOnce, AtOnce), Some(Ended::Merged));
    assert_eq!(second(WhenProven, AtOnce), None, "it revokes sooner");
}

#[test]
fn an_alarm_is_never_merged_into_a_request_nor_once_it_took_over_what_another_owed() {
    let waiting = |running: Trigger, owes: bool| {
        let mut world = rested(Kind::Tagged);
        world.alarm("crm-a", Revocation::WhenProven);
        world.until("the candidate", is_mint);
        let (before, now) = (rotation(&world, "crm-a").created, world.now);
        world.journal.rotations.last_mut().unwrap().trigger = running;
        world.alarm("crm-b", Revocation::WhenProven);
        let alarm = world.journal.rotations.last_mut().unwrap();
        alarm.created = before;
        if owes {
            let id = CredentialId::parse("taken-over").unwrap();
            alarm.owed.insert(id, Owed { version: None, doomed: Some(now) });
        }
        ends(&mut world, "crm-b")
    };
    assert_eq!(waiting(Trigger::Compromise, false), Some(Ended::Merged));
    assert_eq!(waiting(Trigger::Compromise, true), None);
    assert_eq!(waiting(Trigger::Request, false), None);
}

#[test]
fn a_request_is_merged_only_into_a_first_attempt_that_was_announced_after_it_and_goes_on() {
    let request = |change: &dyn Fn(&mut World)| {
        let mut world = rested(Kind::Tagged);
        world.request("crm-a");
        world.until("the candidate", is_mint);
        world.request("crm-b");
        let announced = rotation(&world, "crm-a").attempt.as_ref().unwrap().time;
        world.journal.rotations.last_mut().unwrap().created = announced - SignedDuration::from_secs(1);
        change(&mut world);
        ends(&mut world, "crm-b")
    };
    fn running(world: &mut World) -> &mut mes_core::journal::Rotation {
        world.journal.rotations.iter_mut().find(|rotation| rotation.name.as_str() == "crm-a").unwrap()
    }
    assert_eq!(request(&|_| {}), Some(Ended::Merged));
    let at_the_same_time = |world: &mut World| {
        let announced = running(world).attempt.as_ref().unwrap().time;
        world.journal.rotations.last_mut().unwrap().created = announced;
    };
    assert_eq!(request(&at_the_same_time), None);
    assert_eq!(request(&|world| running(world).aborting = true), None);
    let deleted = |world: &mut World| {
        let now = world.now;
        (running(world).held, running(world).deleting) = (true, Some(now));
    };
    assert_eq!(request(&deleted), None);
    assert_eq!(request(&|world| running(world).attempt.as_mut().unwrap().number = 2), None);
}

#[test]
fn a_credential_that_was_adopted_is_replaced_once_where_that_is_asked_for() {
    let mut world = rested(Kind::Tagged);
    world.journal.rotations.clear();
    let spec = world.resource.spec.as_mut().unwrap();
    (spec.onboard, spec.rotation.first_immediately) = (Onboard::Adopt, true);
    world.resource.noted.last_rotation = None;
    assert_eq!(opened(&act(&mut world)).1, Trigger::Onboarding);
    world.journal.rotations.clear();
    world.resource.noted.last_rotation = Some(world.now);
    assert_eq!(rotated(&mut world), Ok(()));
    world.resource.noted.last_rotation = None;
    world.resource.spec.as_mut().unwrap().onboard = Onboard::FromSecret;
    assert_eq!(rotated(&mut world), Ok(()), "AWSCURRENT is no seed of ours");
    world.now += SignedDuration::from_mins(1);
    world.resource.noted.version = Some(VersionId::first(&world.resource.own.uid, 0));
    assert_eq!(rotated(&mut world), Ok(()), "AWS knows better than a status that is late");
    world.moved_by_hand(&VersionId::first(&world.resource.own.uid, 0));
    assert_eq!(opened(&act(&mut world)).1, Trigger::Onboarding);
    world.journal.rotations.clear();
    world.resource.noted.last_rotation = Some(world.now);
    assert_eq!(rotated(&mut world), Ok(()), "a person went back to the seed");
}

#[test]
fn a_rotation_that_moved_awscurrent_and_was_deleted_goes_only_once_the_status_tells_of_it() {
    let mut world = rested(Kind::Tagged);
    let promoted = promoted(&world);
    let (now, done) = (world.now, &mut world.journal.rotations[0]);
    (done.held, done.deleting, done.promoted) = (true, Some(now), Some(promoted + SignedDuration::from_millis(7)));
    for untold in [None, Some(promoted - SignedDuration::from_secs(1))] {
        world.resource.noted.last_rotation = untold;
        let verdict = rotated(&mut world);
        assert!(matches!(verdict, Err(Step::Wait { reason: Reason::Settling, .. })), "{verdict:?}");
    }
    let released = |world: &mut World| matches!(rotated(world), Err(Step::Act(Effect::ReleaseRotation { .. })));
    // The status counts in seconds.
    world.resource.noted.last_rotation = Some(promoted);
    assert!(released(&mut world));
    world.resource.noted.last_rotation = None;
    world.journal.rotations[0].promoted = None;
    assert!(released(&mut world), "nothing is to be told of it");
    (world.journal.rotations[0].promoted, world.journal.rotations[0].deleting) = (Some(promoted), None);
    assert!(released(&mut world), "it stays, and tells");
}

#[test]
fn a_rotation_starts_at_its_very_time() {
    let mut world = rested(Kind::Tagged);
    let promoted = promoted(&world);
    let Engine::Operator(contract) = &mut world.resource.spec.as_mut().unwrap().rotation.engine else { panic!() };
    contract.lifetime = Some(SignedDuration::from_hours(30));
    let ends = promoted + SignedDuration::from_hours(20);
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason: Reason::NotDue, until: Some(ends) }));
    world.now = ends - SignedDuration::from_nanos(1);
    assert!(matches!(rotated(&mut world), Err(Step::Wait { .. })));
    world.now = ends;
    assert_eq!(opened(&act(&mut world)).1, Trigger::Expiry);
    world.journal.rotations.pop();
    scheduled(&mut world, "rate(4 hours)");
    assert_eq!(opened(&act(&mut world)).1, Trigger::Schedule, "both are due");
}

#[test]
fn where_nothing_rotates_a_request_is_told_so() {
    let mut world = rested(Kind::Tagged);
    let spec = world.resource.spec.as_mut().unwrap();
    (spec.onboard, spec.rotation.engine) = (Onboard::Observe, Engine::None);
    world.request("crm-byhand");
    assert_eq!(ends(&mut world, "crm-byhand"), Some(Ended::EngineNotSupported));
    pass(&mut world, 3);
    assert_eq!(ended(&world, "crm-byhand"), Some(Ended::EngineNotSupported));
}

#[test]
fn a_rotation_that_used_up_its_attempts_is_followed_by_none_of_our_own_for_a_day() {
    let (mut world, _) = rotating(Kind::Tagged, "Mint", is_mint);
    world.bounds.attempts = 2;
    let began = world.now;
    let mut creates = 0;
    while world.now.duration_since(began) < SignedDuration::from_hours(20) {
        // The partner makes a candidate each time, and never accepts it.
        if let Some(open) = world.journal.open().and_then(|open| open.version().cloned()) {
            world.answers.insert(Look::Acceptance(open), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
        }
        if matches!(world.pass(|_| Outcome::Fine), Some(Effect::Mint { .. })) {
            creates += 1;
        }
    }
    assert_eq!(creates, 2, "a day's: {:#?}", world.journal.rotations.len());
    world.answers.clear();
    world.request("crm-byhand");
    pass(&mut world, 120);
    assert!(world.journal.last_promoted().is_some(), "a person may still ask: {:#?}", world.journal);
}

#[test]
fn a_minted_value_that_is_refused_after_its_promotion_opens_no_further_rotations() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    let current = world.current().cloned().unwrap();
    world.answers.insert(Look::Acceptance(current), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    pass(&mut world, 120);
    assert_eq!(world.journal.rotations.len(), 1, "{:#?}", world.journal);
}

#[test]
fn the_first_replacement_happens_once_also_after_a_lost_status() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    pass(&mut world, 120);
    assert_eq!(world.journal.rotations.len(), 1);
    world.resource.noted = Default::default();
    world.crash();
    pass(&mut world, 120);
    assert_eq!(world.journal.rotations.len(), 1, "{:#?}", world.journal);
}

#[test]
fn while_aws_does_not_answer_what_waits_is_not_ended_as_due_to_nothing() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.until("Open", |effect| matches!(effect, Effect::Open { .. }));
    pass(&mut world, 1);
    let name = world.journal.open().unwrap().name.clone();
    world.resource.noted.version = None;
    let unanswered = Fault::new(Place::SecretsManager, FaultKind::Unsent, "Test");
    world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Err(unanswered)));
    let verdict = rotated(&mut world);
    assert!(matches!(verdict, Err(Step::Wait { .. })), "{verdict:?}");
    world.answers.clear();
    pass(&mut world, 120);
    assert_eq!((world.journal.rotations.len(), world.journal.last_promoted().map(|last| &last.name)), (1, Some(&name)));
}

#[test]
fn a_restart_a_relist_and_an_edit_rotate_nothing() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    pass(&mut world, 120);
    let creates = world.creates;
    world.crash();
    pass(&mut world, 120);
    world.resource.generation += 1;
    world.resource.spec.as_mut().unwrap().rotation.overlap = SignedDuration::from_hours(5);
    pass(&mut world, 120);
    assert_eq!(world.creates, creates);
}

#[test]
fn a_credential_that_the_partner_ends_is_replaced_at_two_thirds_of_its_life_and_at_the_schedule_if_that_is_sooner() {
    let begun = |schedule: Option<&str>| {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        pass(&mut world, 120);
        let promoted = world.journal.last_promoted().and_then(|last| last.promoted).expect("the seed was replaced");
        let Ok(spec) = &mut world.resource.spec else { panic!("served") };
        let Engine::Operator(contract) = &mut spec.rotation.engine else { panic!("ours") };
        contract.lifetime = Some(SignedDuration::from_hours(30 * 24));
        spec.rotation.schedule = schedule.map(|schedule| Schedule::parse(schedule, None, None).unwrap());
        for _ in 0..60 {
            world.pass(|_| Outcome::Fine);
            if let Some(next) = world.journal.rotations.iter().find(|each| each.created > promoted) {
                return (next.trigger, next.created.duration_since(promoted).as_hours() / 24);
            }
        }
        panic!("never: {:#?}", world.journal);
    };
    assert_eq!(begun(None), (Trigger::Expiry, 20));
    assert_eq!(begun(Some("rate(90 days)")), (Trigger::Expiry, 20));
    assert_eq!(begun(Some("rate(7 days)")).0, Trigger::Schedule);
}

#[test]
fn an_expiry_that_no_life_bears_out_rotates_nothing() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    pass(&mut world, 120);
    let before = world.creates;
    world.request("crm-forged");
    world.journal.rotations.last_mut().unwrap().trigger = Trigger::Expiry;
    pass(&mut world, 120);
    let forged = world.journal.rotations.iter().find(|each| each.name.as_str() == "crm-forged").unwrap();
    assert_eq!(forged.ended.map(|(outcome, _)| outcome), Some(Ended::NotDue));
    assert_eq!(world.creates, before);
}

#[test]
fn a_squatted_highest_number_leaves_names_for_rotations() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.until("Open", |effect| matches!(effect, Effect::Open { .. }));
    world.request("crm-18446744073709551615");
    world.journal.rotations[0].ended = Some((Ended::Cancelled, world.now));
    let opens = world.until("Open", |effect| matches!(effect, Effect::Open { .. }));
    let Effect::Open { rotation, .. } = opens else { unreachable!() };
    assert_eq!(rotation, ObjectName::parse("crm-1").unwrap());
}

#[test]
fn a_request_is_not_merged_into_a_rotation_that_is_being_given_up() {
    let (mut world, _) = rotating(Kind::Tagged, "Mint", is_mint);
    deleted_now(&mut world);
    world.pass(|_| Outcome::Fine);
    world.request("crm-byhand");
    world.journal.rotations.last_mut().unwrap().created = jiff::Timestamp::UNIX_EPOCH;
    pass(&mut world, 120);
    let request = world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == "crm-byhand").unwrap();
    assert_eq!(request.ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{:#?}", world.journal);
}

#[test]
fn t28_where_no_policy_checks_the_right_to_it_an_alarm_is_a_plain_request() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.alarm("crm-alarm", Revocation::AtOnce);
    let plain = world.journal.clone().without_authority();
    let [rotation] = &plain.rotations[..] else { panic!("{plain:?}") };
    assert_eq!((rotation.trigger, rotation.revocation), (Trigger::Request, Revocation::WhenProven));
    assert!(!rotation.pre_empts() && !rotation.at_once());
}

//! Rules one by one, each at the moment in a life where it counts. The trace that breaks without the rule is in its name
//! (PROTOCOL section 6).

#[allow(dead_code, reason = "the model uses the rest of its world")]
#[path = "model/world.rs"]
mod world;

use jiff::SignedDuration;
use mes_core::decide::{Goal, Step, Verdict};
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Ownership, Seed, Sight, StoreSecret};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, IntentStep, Outcome as Ended, Revocation, Trigger};
use mes_core::names::{ObjectName, Region, Slot, Stage, VersionId};
use mes_core::reason::Reason;
use mes_core::schedule::Schedule;
use mes_core::spec::{Deletion, Engine, Fate, Onboard};
use world::{Kind, Live, Outcome, World};

const REVOKE_ALL: Deletion =
    Deletion { targets: Fate::Remove, store: Fate::Retain, partner: Fate::Remove, recovery_window_days: 30 };

fn records(effect: &Effect, entry: impl Fn(&Entry) -> bool) -> bool {
    matches!(effect, Effect::Record { entries, .. } if entries.iter().any(entry))
}

fn is_intend(effect: &Effect) -> bool {
    records(effect, |entry| matches!(entry, Entry::Intend { .. }))
}

fn is_promote(effect: &Effect) -> bool {
    matches!(effect, Effect::Promote { .. })
}

fn act(next: &Verdict) -> Option<&Effect> {
    match next {
        Err(Step::Act(effect)) => Some(effect),
        _ => None,
    }
}

/// Onboarded from a seed; its first rotation is about to do what `stop` names.
fn rotating(kind: Kind, what: &str, stop: impl Fn(&Effect) -> bool) -> (World, Effect) {
    let mut world = World::new(kind, Onboard::FromSecret);
    let effect = world.until(what, stop);
    (world, effect)
}

fn calm(world: &mut World) {
    for _ in 0..120 {
        world.pass(|_| Outcome::Fine);
    }
}

fn candidate(world: &World) -> VersionId {
    world.journal.open().and_then(|open| open.version()).cloned().unwrap()
}

fn superseded(world: &World) -> VersionId {
    world.journal.open().and_then(|open| open.attempt.as_ref()).and_then(|attempt| attempt.supersedes.clone()).unwrap()
}

fn deleted_now(world: &mut World) {
    let name = world.journal.open().unwrap().name.clone();
    world.delete_rotation(&name);
}

// P3, P8, P17

#[test]
fn a_last_attempt_whose_awscurrent_was_moved_before_the_promotion_is_undone_and_ends() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    world.bounds.attempts = 1;
    let (candidate, seed) = (candidate(&world), world.current().cloned().unwrap());
    let other = VersionId::parse("a-value-that-a-person-put-by-hand-01").unwrap();
    world.bytes.insert(other.clone(), world.bytes[&seed].clone());
    world.moved_by_hand(&other);
    calm(&mut world);
    assert!(!world.is_live(&candidate), "its credential is a stray: {:#?}", world.journal);
    assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Exhausted));
}

#[test]
fn a_rotation_deleted_after_a_person_promoted_its_candidate_runs_to_its_end() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let candidate = candidate(&world);
    world.moved_by_hand(&candidate);
    deleted_now(&mut world);
    calm(&mut world);
    assert!(world.journal.waiting().next().is_none(), "it ended: {:#?}", world.journal);
    assert_eq!(world.live.len(), 1, "{:?}", world.live);
    assert!(world.is_live(&candidate));
}

#[test]
fn a_resource_deleted_after_a_person_promoted_the_candidate_is_gone_in_the_end() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let candidate = candidate(&world);
    world.moved_by_hand(&candidate);
    world.delete_resource(REVOKE_ALL);
    calm(&mut world);
    assert!(!world.resource.held && world.live.is_empty(), "{:#?} {:?}", world.journal, world.live);
}

// R4

#[test]
fn an_adopted_secret_whose_tags_were_all_taken_off_is_contested_and_an_observed_one_is_claimed_when_it_is_adopted() {
    let mut world = World::new(Kind::Slots, Onboard::FromSecret);
    calm(&mut world);
    let Sight::StoreSecret(Ok(Some(secret))) = world.answer(&Look::StoreSecret) else { panic!("it is there") };
    let untagged = StoreSecret { ownership: Ownership::Nobodys, ..secret };
    world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Ok(Some(untagged))));
    world.resource.spec.as_mut().unwrap().onboard = Onboard::Adopt;
    // An edit was made, so that everything is read again.
    world.resource.generation += 1;
    assert!(world.resource.noted.onboarded && !world.resource.noted.observed);
    let (next, decision, _) = world.decided();
    assert!(act(&next).is_none(), "{next:?}");
    let told = decision.verdict(Goal::Onboarded);
    assert!(matches!(told, Some(Err(Step::Blocked(Reason::OwnershipContested(_))))), "{told:?}");
    world.resource.noted.observed = true;
    let (next, ..) = world.decided();
    assert_eq!(act(&next), Some(&Effect::Claim), "{next:?}");
}

// P13

#[test]
fn a_stray_that_a_region_still_serves_is_not_revoked() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let (candidate, seed) = (candidate(&world), world.current().cloned().unwrap());
    // A person tried the candidate and went back; the region has not heard of the second move.
    world.moved_by_hand(&candidate);
    world.moved_by_hand(&seed);
    world.stages.values_mut().for_each(|stages| stages.retain(|stage| stage.as_str() != Stage::PREVIOUS));
    world.replica = Some(Some(candidate.clone()));
    deleted_now(&mut world);
    for _ in 0..120 {
        let held = world.replica.clone();
        world.pass(|_| Outcome::Fine);
        world.replica = held;
    }
    assert!(world.is_live(&candidate), "a region serves it: {:#?}", world.journal);
    world.replica = Some(Some(seed));
    calm(&mut world);
    assert!(!world.is_live(&candidate), "and now none does: {:#?}", world.journal);
}

#[test]
fn a_revocation_that_the_partner_confirms_and_does_not_list_is_not_announced_again_and_again() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    deleted_now(&mut world);
    world.until("a revocation", |effect| matches!(effect, Effect::Revoke { .. }));
    let listed = world.live.clone();
    let mut effects = 0;
    while world.journal.waiting().next().is_some() {
        effects += usize::from(world.pass(|_| Outcome::Fine).is_some());
        world.live.clone_from(&listed);
        assert!(effects < 10, "{effects} effects: {:#?}", world.journal);
    }
}

#[test]
fn a_stray_is_kept_while_a_region_does_not_answer() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let candidate = candidate(&world);
    deleted_now(&mut world);
    let region = Look::Replica(Region::parse("eu-west-1").unwrap());
    let fault = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
    world.answers.insert(region.clone(), Sight::Replica(Err(fault)));
    calm(&mut world);
    assert!(world.is_live(&candidate), "unread is a holder: {:#?}", world.journal);
    world.answers.remove(&region);
    calm(&mut world);
    assert!(!world.is_live(&candidate), "{:#?}", world.journal);
}

#[test]
fn what_is_waited_for_without_end_is_looked_at_more_and_more_seldom_and_seen_soon_enough_when_it_comes() {
    let (mut world, _) =
        rotating(Kind::Slots, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let superseded = world.current().cloned().unwrap();
    let day = world.now + jiff::SignedDuration::from_hours(24);
    let mut passes = 0;
    while world.now < day {
        // A copy that stays behind.
        world.replica = Some(Some(superseded.clone()));
        world.pass(|_| Outcome::Fine);
        passes += 1;
    }
    assert!((24 * 12..24 * 12 + 120).contains(&passes), "{passes} passes in a day");
    assert!(world.is_live(&superseded));
    let before = world.now;
    world.replica = Some(world.current().cloned());
    calm(&mut world);
    assert!(!world.is_live(&superseded), "{:#?}", world.journal);
    let told = world.journal.rotations.iter().filter_map(|rotation| rotation.ended).map(|(_, at)| at).max().unwrap();
    assert!(told.duration_since(before) < jiff::SignedDuration::from_mins(7), "{before} {told}");
}

#[test]
fn a_debt_whose_bytes_awscurrent_holds_is_never_revoked_whatever_the_journal_calls_it() {
    let (mut world, _) = rotating(Kind::Tagged, "Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    let candidate = candidate(&world);
    let open = &mut world.journal.rotations[0];
    for owed in open.owed.values_mut() {
        owed.version = Some(candidate.clone());
    }
    let lie: Vec<_> = open.owed.values().cloned().collect();
    open.owed =
        lie.into_iter().map(|owed| (mes_core::names::CredentialId::parse("not-listed").unwrap(), owed)).collect();
    calm(&mut world);
    assert!(world.is_live(&candidate));
}

#[test]
fn what_another_open_rotation_wants_is_not_revoked_to_make_room() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let wanted = candidate(&world);
    // An older Rotation that began too (a restored object) finds no room, and the candidate beside AWSCURRENT.
    world.request("crm-older");
    let mut older = world.journal.rotations.pop().unwrap();
    older.created = jiff::Timestamp::UNIX_EPOCH;
    older.held = true;
    older.attempt = world.journal.rotations[0].attempt.clone().map(|attempt| mes_core::journal::Attempt {
        version: VersionId::of(&older.uid, 1),
        step: IntentStep::Create,
        accepted: 0,
        ..attempt
    });
    world.journal.rotations.push(older);
    if let Ok(spec) = &mut world.resource.spec {
        spec.live_limit = Some(2);
    }
    calm(&mut world);
    assert!(world.is_live(&wanted), "{:#?}", world.journal);
}

// P11, P16, P18, P20

#[test]
fn a_stale_describe_after_the_promotion_ends_no_rotation() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    let before = world.answer(&Look::StoreSecret);
    let debts = |world: &World| world.journal.rotations[0].owed.len();
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    world.pass(|_| Outcome::Fine);
    world.resource.spec.as_mut().unwrap().rotation.overlap = SignedDuration::ZERO;
    world.journal.rotations[0].overlap = None;
    world.answers.insert(Look::StoreSecret, before);
    world.pass(|_| Outcome::Fine);
    world.answers.clear();
    assert_eq!(debts(&world), 1);
    calm(&mut world);
    assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{:#?}", world.journal);
    assert_eq!(world.live.len(), 1);
}

#[test]
fn a_stale_describe_writes_no_older_value_into_a_target() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    let before = world.answer(&Look::StoreSecret);
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    world.pass(|_| Outcome::Fine);
    world.answers.insert(Look::StoreSecret, before);
    let (next, ..) = world.decided();
    assert!(!matches!(act(&next), Some(Effect::ApplyTarget { .. })), "{next:?}");
}

#[test]
fn a_doomed_version_goes_into_no_target() {
    let (mut world, _) = rotating(Kind::Tagged, "Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    let (candidate, superseded) = (candidate(&world), superseded(&world));
    world.moved_by_hand(&superseded);
    let (next, ..) = world.decided();
    let forward = Effect::Promote { to: candidate, from: Some(superseded), right: None };
    assert_eq!(act(&next), Some(&forward), "forward, and nothing else first");
}

#[test]
fn awscurrent_on_a_doomed_stray_goes_forward_to_what_works() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let (candidate, seed) = (candidate(&world), world.current().cloned().unwrap());
    deleted_now(&mut world);
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    world.moved_by_hand(&candidate);
    let moved = world.until("the way forward", is_promote);
    assert_eq!(moved, Effect::Promote { to: seed, from: Some(candidate), right: None });
    calm(&mut world);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
}

#[test]
fn awscurrent_on_a_burned_candidate_is_a_decision_and_ends_the_rotation() {
    let (mut world, _) =
        rotating(Kind::Tagged, "Promoting", |effect| records(effect, |entry| *entry == Entry::Promoting));
    let candidate = candidate(&world);
    deleted_now(&mut world);
    world.pass(|_| Outcome::Fine);
    assert!(world.journal.rotations[0].aborting);
    world.moved_by_hand(&candidate);
    calm(&mut world);
    assert!(world.is_live(&candidate), "it is in use: {:#?}", world.journal);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
}

#[test]
fn a_promotion_that_another_process_announced_anew_is_left_to_it_until_its_call_is_over() {
    let announces = |effect: &Effect| records(effect, |entry| *entry == Entry::Promoting);
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    world.crash();
    world.until("Promoting anew", announces);
    let other = world.tries.clone();
    world.pass(|_| Outcome::Fine);
    let (announced, its) = (world.now, std::mem::replace(&mut world.tries, other));
    let (next, ..) = world.decided();
    assert_eq!(act(&next), None, "both would have the right to the same call");
    world.until("Promoting by the other", announces);
    let over = world.bounds.deadline * 2 + world.bounds.settling;
    assert!(world.now.duration_since(announced) >= over - SignedDuration::from_secs(1));
    world.tries = its;
    world.until("the end", |effect| records(effect, |entry| matches!(entry, Entry::End(_))));
}

// P21

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
    assert_eq!(act(&next), None, "the other slot may be all that works");
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
    calm(&mut world);
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
    assert_eq!(act(&next), None);
    calm(&mut world);
    assert!(world.live.contains(&foreign), "{:#?}", world.journal);
    // Its owner consents.
    world.live.remove(&foreign);
    world.until("the end", |effect| records(effect, |entry| *entry == Entry::End(Ended::Revoked)));
}

// K in a row

#[test]
fn acceptances_that_a_refusal_interrupts_are_counted_anew() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    let mut contract = *world.resource.contract().unwrap();
    contract.successes = 3;
    world.resource.spec.as_mut().unwrap().rotation.engine = mes_core::spec::Engine::Operator(contract);
    world.until("the third", |effect| records(effect, |entry| *entry == Entry::Accepted(3)));
    let look = Look::Acceptance(candidate(&world));
    world.answers.insert(look.clone(), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    world.pass(|_| Outcome::Fine);
    world.answers.remove(&look);
    let (next, ..) = world.decided();
    assert!(act(&next).is_some_and(|effect| records(effect, |entry| *entry == Entry::Accepted(1))), "{next:?}");
}

// S12, L3

#[test]
fn a_rotation_that_used_up_its_attempts_is_followed_by_none_of_our_own_for_a_day() {
    let (mut world, _) = rotating(Kind::Tagged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
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
    calm(&mut world);
    assert!(world.journal.last_promoted().is_some(), "a person may still ask: {:#?}", world.journal);
}

#[test]
fn a_minted_value_that_is_refused_after_its_promotion_opens_no_further_rotations() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    let current = world.current().cloned().unwrap();
    world.answers.insert(Look::Acceptance(current), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
    calm(&mut world);
    assert_eq!(world.journal.rotations.len(), 1, "{:#?}", world.journal);
}

#[test]
fn the_first_replacement_happens_once_also_after_a_lost_status() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    calm(&mut world);
    assert_eq!(world.journal.rotations.len(), 1);
    world.resource.noted = Default::default();
    world.crash();
    calm(&mut world);
    assert_eq!(world.journal.rotations.len(), 1, "{:#?}", world.journal);
}

#[test]
fn a_restart_a_relist_and_an_edit_rotate_nothing() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    calm(&mut world);
    let creates = world.creates;
    world.crash();
    calm(&mut world);
    world.resource.generation += 1;
    world.resource.spec.as_mut().unwrap().rotation.overlap = SignedDuration::from_hours(5);
    calm(&mut world);
    assert_eq!(world.creates, creates);
}

#[test]
fn a_credential_that_the_partner_ends_is_replaced_at_two_thirds_of_its_life_and_at_the_schedule_if_that_is_sooner() {
    let begun = |schedule: Option<&str>| {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        calm(&mut world);
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
    calm(&mut world);
    let before = world.creates;
    world.request("crm-forged");
    world.journal.rotations.last_mut().unwrap().trigger = Trigger::Expiry;
    calm(&mut world);
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
    let (mut world, _) = rotating(Kind::Tagged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
    deleted_now(&mut world);
    world.pass(|_| Outcome::Fine);
    world.request("crm-byhand");
    world.journal.rotations.last_mut().unwrap().created = jiff::Timestamp::UNIX_EPOCH;
    calm(&mut world);
    let request = world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == "crm-byhand").unwrap();
    assert_eq!(request.ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{:#?}", world.journal);
}

// Tags

#[test]
fn a_tagged_credential_whose_value_was_lost_is_revoked_by_its_tag() {
    let (mut world, _) = rotating(Kind::Tagged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
    world.pass(|_| Outcome::Torn);
    assert_eq!(world.live.len(), 2);
    calm(&mut world);
    assert_eq!(world.live.len(), 1, "{:?} {:#?}", world.live, world.journal);
}

#[test]
fn a_tagged_credential_of_a_rotation_that_is_gone_is_revoked_and_anothers_is_not() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.until("Intend", is_intend);
    let gone = VersionId::parse("77777777-0000-4000-8000-000000000000-1").unwrap();
    let tag = |cluster: &str| mes_core::names::Tag::of(&mes_core::names::Uid::parse(cluster).unwrap(), &gone);
    let ours = Live { bytes: 7001, slot: None, main: false, tag: Some(tag(world.resource.own.cluster.as_str())) };
    let others = Live { bytes: 7002, slot: None, main: false, tag: Some(tag("99999999-0000-4000-8000-000000000000")) };
    world.live.extend([ours.clone(), others.clone()]);
    calm(&mut world);
    assert!(!world.live.contains(&ours), "{:?}", world.live);
    assert!(world.live.contains(&others), "another cluster's");
}

// Journals that this version can't read

#[test]
fn nothing_is_recorded_in_a_journal_that_is_not_understood() {
    for deleting in [false, true] {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        world.until("Open", |effect| matches!(effect, Effect::Open { .. }));
        world.request("crm-1");
        let now = world.now;
        let rotation = &mut world.journal.rotations[0];
        (rotation.unreadable, rotation.owned, rotation.held, rotation.deleting) = (true, Some(false), true, Some(now));
        if deleting {
            world.delete_resource(REVOKE_ALL);
        }
        let (next, ..) = world.decided();
        assert!(!matches!(act(&next), Some(Effect::Record { .. })), "{next:?}");
        let text = format!("{next:?}");
        assert!(text.contains("JournalUnreadable"), "{text}");
    }
}

#[test]
fn what_an_attempt_left_makes_way_before_the_next_is_made_at_a_partner_that_has_room_for_two() {
    for fate in [Outcome::Torn, Outcome::Lost, Outcome::CrashAfter] {
        let (mut world, _) = rotating(Kind::Tagged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
        if let Ok(spec) = &mut world.resource.spec {
            spec.live_limit = Some(2);
        }
        world.pass(|_| fate);
        for _ in 0..120 {
            world.pass(|_| Outcome::Fine);
            assert!(world.live.len() <= 2, "{fate:?}: {:?}", world.live);
        }
        assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{fate:?}");
        assert_eq!(world.live.len(), 1, "{fate:?}");
    }
}

#[test]
fn what_an_attempt_left_makes_way_where_there_is_no_room_beside_it_and_not_where_there_is() {
    let next = |limit: u8| {
        let (mut world, _) = rotating(Kind::Tagged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
        if let Ok(spec) = &mut world.resource.spec {
            spec.live_limit = Some(limit);
        }
        world.pass(|_| Outcome::Torn);
        world.until("another attempt", is_intend);
        world.pass(|_| Outcome::Fine);
        // A person's, in the place that there was a moment ago.
        world.live.insert(Live { bytes: 7, slot: None, main: false, tag: None });
        assert_eq!(world.live.len(), 3);
        world.until("what is next", |effect| matches!(effect, Effect::Mint { .. } | Effect::Revoke { .. }))
    };
    assert!(matches!(next(2), Effect::Revoke { .. }), "{:?}", next(2));
    assert!(matches!(next(4), Effect::Mint { .. }), "{:?}", next(4));
}

/// What stands staged without a version of ours: lost by a rotation that was given up, or made by a person.
fn with_an_unknown_pair(by_us: bool) -> World {
    let (mut world, _) = rotating(Kind::Staged, "Mint", |effect| matches!(effect, Effect::Mint { .. }));
    if by_us {
        world.pass(|_| Outcome::Torn);
    }
    deleted_now(&mut world);
    calm(&mut world);
    if !by_us {
        world.live.insert(Live { bytes: 7, slot: None, main: false, tag: None });
    }
    world.request("crm-9");
    calm(&mut world);
    world
}

#[test]
fn a_staged_pair_whose_value_was_lost_is_named_as_a_persons_is_and_never_ended() {
    for by_us in [true, false] {
        let mut world = with_an_unknown_pair(by_us);
        let unknown = world.live.iter().find(|live| !live.main).cloned().unwrap();
        let (_, decision, _) = world.decided();
        let waits = decision.verdict(Goal::Rotated).cloned();
        let Some(Err(Step::Wait { reason, .. })) = &waits else { panic!("{waits:?}") };
        assert!(matches!(reason, Reason::LastPlaceTaken(_)), "{reason:?}");
        assert_eq!(reason.code(), "OrphanSuspected");
        assert!(reason.to_string().contains(&format!("unknown-{}", unknown.bytes)), "{reason}");
        assert!(world.live.contains(&unknown), "whose it is, nobody knows");
        // Its owner answers by deleting it.
        world.live.remove(&unknown);
        let creates = world.creates;
        calm(&mut world);
        assert_eq!(world.creates, creates + 1, "{:#?}", world.journal);
    }
}

// Deletion

#[test]
fn a_resource_that_promised_to_revoke_does_not_go_while_its_secret_is_missing() {
    for (answer, code) in
        [("gone", "SecretMissing"), ("scheduled", "SecretScheduledForDeletion"), ("taken", "OwnershipContested")]
    {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        world.resource.deletion = REVOKE_ALL;
        calm(&mut world);
        assert!(world.resource.held);
        let Sight::StoreSecret(Ok(Some(secret))) = world.answer(&Look::StoreSecret) else { unreachable!() };
        let changed = match answer {
            "gone" => None,
            "scheduled" => Some(StoreSecret { scheduled_for_deletion: true, ..secret }),
            _ => Some(StoreSecret { ownership: mes_core::facts::Ownership::Anothers, ..secret }),
        };
        world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Ok(changed)));
        world.delete_resource(REVOKE_ALL);
        calm(&mut world);
        assert!(world.resource.held, "{answer}: let go with {:?} alive", world.live);
        let (next, ..) = world.decided();
        assert!(matches!(&next, Err(Step::Blocked(reason)) if reason.code() == code), "{answer}: {next:?}");
        world.resource.abandoned = true;
        calm(&mut world);
        assert!(!world.resource.held, "a person may give it up");
    }
}

#[test]
fn a_resource_deleted_at_the_end_of_the_promotion_takes_both_credentials_along() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    world.delete_resource(REVOKE_ALL);
    calm(&mut world);
    assert!(world.live.is_empty() && !world.resource.held && world.target.is_none(), "{:?}", world.live);
}

#[test]
fn a_main_pair_that_the_partner_cannot_end_is_told_and_a_person_may_let_it_go() {
    let mut world = World::new(Kind::Staged, Onboard::FromSecret);
    world.resource.deletion = REVOKE_ALL;
    calm(&mut world);
    world.delete_resource(REVOKE_ALL);
    calm(&mut world);
    assert!(world.resource.held && world.target.is_none(), "the other axes are gone along");
    assert_eq!(world.live.len(), 1, "of the two pairs the superseded one is revoked: {:?}", world.live);
    assert_eq!(world.decided().0, Err(Step::Blocked(Reason::StillMain)));
    // Either way out: the promise is taken back, or given up.
    let mut kept = world.clone();
    kept.resource.deletion.partner = Fate::Retain;
    world.resource.abandoned = true;
    for world in [&mut kept, &mut world] {
        calm(world);
        assert!(!world.resource.held);
    }
}

#[test]
fn a_deletion_in_the_overlap_puts_the_newer_pair_in_place_of_the_main_one_and_revokes_that() {
    let (mut world, _) =
        rotating(Kind::Staged, "Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    let (old, new) = (superseded(&world), candidate(&world));
    world.delete_resource(REVOKE_ALL);
    calm(&mut world);
    assert!(!world.is_live(&old) && world.is_live(&new), "{:?}", world.live);
    assert_eq!(world.decided().0, Err(Step::Blocked(Reason::StillMain)));
}

// Slow

#[test]
fn a_pass_that_is_always_slower_than_the_deadline_says_what_is_slow_until_it_is_quick_again() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    calm(&mut world);
    world.request("crm-9");
    let slow = |look: &Look| matches!(look, Look::Credentials { .. });
    let pass = |world: &mut World, seconds: i64| {
        world.tries.saw(&world.journal, false, world.now);
        let mut glimpse = world.glimpse();
        glimpse.read_again = true;
        let mut facts = mes_core::facts::Facts::at_a_glance(glimpse, world.bounds.clone(), world.tries.clone());
        for _ in 0..50 {
            facts.expire(world.now);
            let decision = mes_core::decide::decide(&world.resource, &facts, &world.journal, world.now);
            let next = decision.next();
            let Err(Step::Look(questions)) = next else {
                let was = std::collections::BTreeMap::new();
                let view = mes_core::status::view(&world.resource, &facts, &world.journal, &decision, &was, world.now);
                world.tries = facts.tries().clone();
                return (next, view.conditions);
            };
            for question in questions {
                let asked = world.now;
                world.now += SignedDuration::from_secs(if slow(&question) { seconds } else { 0 });
                facts.took(&question, asked, world.now);
                facts.learn(question.clone(), world.answer(&question), world.now);
            }
        }
        panic!("it looks for ever and tells nobody");
    };
    // The Rotation's finalizer comes first.
    let held = world.until("HoldRotation", |effect| matches!(effect, Effect::HoldRotation { .. }));
    let facts = world.decided().2;
    world.finish(&held, facts, Outcome::Fine);
    let deadline = world.bounds.deadline.as_secs();
    let (next, conditions) = pass(&mut world, deadline);
    assert!(matches!(&next, Err(Step::Wait { reason: Reason::Fault(_), until: Some(_) })), "{next:?}");
    let rotated = conditions.iter().find(|condition| condition.kind == "Rotated").unwrap();
    assert_eq!(rotated.reason, "PartnerUnavailable");
    assert!(rotated.message.contains("--deadline") && rotated.message.contains("the partner"), "{}", rotated.message);
    let ready = conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
    assert_eq!(ready.truth, mes_core::status::Truth::True, "nobody who reads it is affected");
    // Quick again, after the pause.
    world.now += SignedDuration::from_secs(deadline);
    let (next, conditions) = pass(&mut world, 0);
    assert!(act(&next).is_some_and(is_intend), "{next:?}");
    assert!(conditions.iter().all(|condition| !condition.message.contains("--deadline")));
}

// Quiet

#[test]
fn a_resource_that_waits_for_the_first_sweep_still_wakes_when_its_overlap_has_passed() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    world.pass(|_| Outcome::Fine);
    let open = world.journal.open().unwrap();
    let ends = open.promoted.unwrap() + open.overlap.unwrap();
    world.now = ends - SignedDuration::from_mins(30);
    world.resource.noted.settled_generation = Some(world.resource.generation);
    world.resource.noted.version = world.current().cloned();
    let mut glimpse = world.glimpse();
    glimpse.sweep = None;
    let facts = mes_core::facts::Facts::at_a_glance(glimpse, world.bounds.clone(), world.tries.clone());
    let next = mes_core::decide::decide(&world.resource, &facts, &world.journal, world.now).next();
    assert_eq!(next, Err(Step::Wait { reason: Reason::AwaitingSweep, until: Some(ends) }));
}

#[test]
fn a_seed_that_is_refused_makes_nothing_anywhere() {
    for (seed, code) in
        [(Seed::Refused, "SeedRejected"), (Seed::WrongType, "SeedInvalid"), (Seed::WrongHost, "SeedInvalid")]
    {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        world.answers.insert(Look::Seed, Sight::Seed(Ok(Some(seed))));
        calm(&mut world);
        assert!(!world.made, "{code}");
        let (_, decision, _) = world.decided();
        let told = decision.verdict(Goal::Onboarded).cloned();
        assert!(matches!(&told, Some(Err(Step::Blocked(reason))) if reason.code() == code), "{told:?}");
    }
}

#[test]
fn at_once_a_region_that_does_not_answer_holds_nothing_up_and_the_event_says_so() {
    for (revocation, expected) in [(Revocation::AtOnce, true), (Revocation::WhenProven, false)] {
        let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
        for _ in 0..200 {
            world.pass(|_| Outcome::Fine);
        }
        assert!(world.resource.noted.onboarded && world.journal.waiting().next().is_none());
        let silent = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
        let region = Region::parse("eu-west-1").unwrap();
        world.answers.insert(Look::Replica(region), Sight::Replica(Err(silent)));
        world.alarm("crm-alarm", revocation);
        let mut told = Vec::new();
        for _ in 0..100 {
            if let Some(effect @ Effect::Revoke { .. }) = world.pass(|_| Outcome::Fine) {
                told.push(mes_core::status::event(&effect).unwrap().reason);
            }
        }
        let reasons: &[&str] = if expected { &["RevokedWithoutProof"] } else { &[] };
        assert_eq!(told, reasons, "{revocation:?}");
    }
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

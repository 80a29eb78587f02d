//! Rules of the goals beside `rotated` (those are in `tests/rotated`), each at the moment in a life where it counts: onboarding,
//! targets, deletion, and what is told of a slow pass.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use jiff::SignedDuration;
use mes_core::decide::{Goal, Step};
use mes_core::effect::Effect;
use mes_core::facts::{Look, Ownership, Seed, Sight, StoreSecret};
use mes_core::journal::Entry;
use mes_core::reason::Reason;
use mes_core::spec::{Deletion, Fate, Onboard};
use world::moments::{candidate, effect, is_intend, is_promote, is_promoting, records, rotating, superseded};
use world::{Kind, Outcome, World};

const REVOKE_ALL: Deletion =
    Deletion { targets: Fate::Remove, store: Fate::Retain, partner: Fate::Remove, recovery_window_days: 30 };

fn calm(world: &mut World) {
    for _ in 0..120 {
        world.pass(|_| Outcome::Fine);
    }
}

#[test]
fn a_resource_deleted_after_a_person_promoted_the_candidate_is_gone_in_the_end() {
    let (mut world, _) = rotating(Kind::Tagged, "Promoting", is_promoting);
    let candidate = candidate(&world);
    world.moved_by_hand(&candidate);
    world.delete_resource(REVOKE_ALL);
    calm(&mut world);
    assert!(!world.resource.held && world.live.is_empty(), "{:#?} {:?}", world.journal, world.live);
}

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
    assert!(effect(&next).is_none(), "{next:?}");
    let told = decision.verdict(Goal::Onboarded);
    assert!(matches!(told, Some(Err(Step::Blocked(Reason::OwnershipContested(_))))), "{told:?}");
    world.resource.noted.observed = true;
    let (next, ..) = world.decided();
    assert_eq!(effect(&next), Some(&Effect::Claim), "{next:?}");
}

#[test]
fn a_stale_describe_writes_no_older_value_into_a_target() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    let before = world.answer(&Look::StoreSecret);
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    world.pass(|_| Outcome::Fine);
    world.answers.insert(Look::StoreSecret, before);
    let (next, ..) = world.decided();
    assert!(!matches!(effect(&next), Some(Effect::ApplyTarget { .. })), "{next:?}");
}

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
        assert!(!matches!(effect(&next), Some(Effect::Record { .. })), "{next:?}");
        let text = format!("{next:?}");
        assert!(text.contains("JournalUnreadable"), "{text}");
    }
}

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
    // The finalizers come first.
    let held = world.until("Hold", |effect| matches!(effect, Effect::Hold));
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
    assert!(effect(&next).is_some_and(is_intend), "{next:?}");
    assert!(conditions.iter().all(|condition| !condition.message.contains("--deadline")));
}

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

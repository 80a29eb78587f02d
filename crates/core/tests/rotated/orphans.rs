//! What an earlier attempt or somebody else left, before anything new is made.

use jiff::SignedDuration;
use mes_core::decide::{Goal, Step};
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Replica, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, IntentStep, Outcome as Ended, Revocation};
use mes_core::names::{CredentialId, Region, Stage, Tag, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::Onboard;

use super::world::{Kind, Live, Outcome, World};
use super::{
    act, asks, candidate, deleted_now, ended, is_intend, is_mint, is_promoting, listing, pass, passes, promoting,
    recorded, records, rested, rotated, rotating, rotation, waits,
};

/// Its finalizers are on it: what is next is its attempt.
fn asked(world: &mut World) {
    world.request("crm-next");
    act(world);
    act(world);
}

#[test]
fn what_a_rotation_that_is_gone_left_is_ended_before_anything_new_is_announced() {
    let mut world = rested(Kind::Tagged);
    let gone = VersionId::parse("77777777-0000-4000-8000-000000000000-1").unwrap();
    let tag = Tag::of(&world.resource.own.cluster, &gone);
    world.live.insert(Live { bytes: 8000, slot: None, main: false, tag: Some(tag) });
    asked(&mut world);
    let verdict = rotated(&mut world);
    assert!(matches!(recorded(&verdict).1, [Entry::Doom(_, Some(version))] if *version == gone), "{verdict:?}");
}

#[test]
fn an_attempt_that_was_given_up_is_ended_before_the_one_after_the_next_is_announced() {
    let mut world = rested(Kind::Tagged);
    asked(&mut world);
    let first = VersionId::of(&rotation(&world, "crm-next").uid, 1);
    let third = |effect: &Effect| records(effect, |entry| matches!(entry, Entry::Intend { number: 3, .. }));
    let mut stored = false;
    passes(&mut world, |world| {
        if let Some(version) = rotation(world, "crm-next").version().cloned() {
            world.answers.insert(Look::Acceptance(version), Sight::Acceptance(Ok(Some(Acceptance::Refused))));
        }
        stored |= world.is_live(&first);
        matches!(rotated(world), Err(Step::Act(effect)) if third(&effect))
    });
    assert!(stored && !world.is_live(&first), "{:?}", world.live);
}

#[test]
fn the_partner_is_asked_what_there_is_before_an_attempt_and_not_again_before_its_first_create() {
    let lists = |look: &Look| matches!(look, Look::Credentials { .. });
    let mut world = rested(Kind::Tagged);
    asked(&mut world);
    assert!(asks(&world, lists).is_some());
    world.until("Mint", is_mint);
    assert_eq!(asks(&world, lists), None);
    // Of our own making: it takes no place before it is registered.
    let mut world = rested(Kind::Slots);
    asked(&mut world);
    world.until("Compose", |effect| matches!(effect, Effect::Compose { .. }));
    world.pass(|_| Outcome::CrashBefore);
    world.until("Compose", |effect| matches!(effect, Effect::Compose { .. }));
    assert_eq!(rotation(&world, "crm-next").attempt.as_ref().unwrap().number, 2);
    assert_eq!(asks(&world, lists), None);
}

/// A person went back in the overlap: of two places none is free.
fn full() -> (World, VersionId) {
    let mut world = rested(Kind::Untagged);
    world.request("crm-byhand");
    world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    pass(&mut world, 1);
    let left = world.current().cloned().unwrap();
    let back = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    world.moved_by_hand(&back);
    passes(&mut world, |world| ended(world, "crm-byhand").is_some());
    assert_eq!((ended(&world, "crm-byhand"), world.live.len()), (Some(Ended::Kept), 2));
    pass(&mut world, 5);
    (world, left)
}

#[test]
fn what_was_kept_makes_room_once_all_carry_what_is_in_use_or_at_once_on_a_persons_word() {
    for (revocation, waits_first) in [(Revocation::WhenProven, true), (Revocation::AtOnce, false)] {
        let (mut world, left) = full();
        world.alarm("crm-alarm", revocation);
        act(&mut world);
        act(&mut world);
        let region = Region::parse("eu-west-1").unwrap();
        let behind = Sight::Replica(Ok(Some(Replica { current: None })));
        world.answers.insert(Look::Replica(region.clone()), behind);
        if waits_first {
            assert_eq!(waits(&mut world), Reason::RegionCarriesOld(region));
            world.answers.clear();
        }
        let verdict = rotated(&mut world);
        assert!(matches!(recorded(&verdict).1, [Entry::Doom(_, Some(version))] if *version == left), "{verdict:?}");
    }
}

#[test]
fn of_several_that_take_the_last_place_the_same_is_named_in_whatever_order_the_partner_lists_them() {
    let mut world = rested(Kind::Untagged);
    for bytes in [8000, 8001] {
        world.live.insert(Live { bytes, slot: None, main: false, tag: None });
    }
    asked(&mut world);
    let (list, mut shown) = listing(&world);
    for _ in 0..2 {
        shown.reverse();
        world.answers.insert(list.clone(), Sight::Credentials(Ok(Some(shown.clone()))));
        assert_eq!(waits(&mut world), Reason::LastPlaceTaken(CredentialId::parse("unknown-8000").unwrap()));
    }
}

#[test]
fn a_last_place_that_is_taken_is_named_if_it_may_be_ours_and_is_somebodys_if_it_is_in_force() {
    for (main, expected) in [
        (false, Reason::LastPlaceTaken(CredentialId::parse("unknown-8000").unwrap())),
        (true, Reason::QuotaUsedByOthers(None)),
    ] {
        let mut world = rested(Kind::Untagged);
        world.live.insert(Live { bytes: 8000, slot: None, main, tag: None });
        asked(&mut world);
        assert_eq!(waits(&mut world), expected);
        world.live.retain(|live| live.bytes != 8000);
        world.until("Intend", is_intend);
    }
}

#[test]
fn a_stray_that_the_partner_says_is_revoked_and_lists_still_is_paid() {
    let mut world = rested(Kind::Tagged);
    asked(&mut world);
    world.until("Promoting", is_promoting);
    world.delete_rotation(&rotation(&world, "crm-next").name.clone());
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    let listed = world.live.clone();
    pass(&mut world, 1);
    world.live = listed;
    let verdict = rotated(&mut world);
    assert!(matches!(recorded(&verdict), ("crm-next", [Entry::Paid(_)])), "{verdict:?}");
}

#[test]
fn what_aws_made_current_by_itself_and_was_revoked_is_waited_for_until_the_partner_refuses_it_and_is_never_served() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.until("Mint", is_mint);
    pass(&mut world, 1);
    let (open, first) = (world.journal.open().unwrap().clone(), world.current().cloned().unwrap());
    world.delete_rotation(&open.name);
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    pass(&mut world, 2);
    // A partner that feels its own revocation late; then AWS is slow.
    for answer in [Some(Acceptance::Accepted), None] {
        world.answers.insert(Look::Acceptance(first.clone()), Sight::Acceptance(Ok(answer)));
        pass(&mut world, 20);
        assert_eq!(waits(&mut world), Reason::Settling);
        assert_eq!(ended(&world, open.name.as_str()), None);
        assert!(!world.resource.noted.onboarded, "nothing is in use");
    }
    world.answers.clear();
    passes(&mut world, |world| world.resource.noted.onboarded);
    assert_ne!(world.current(), Some(&first));
}

#[test]
fn before_the_first_value_is_in_use_a_label_that_aws_put_on_a_stray_keeps_it_from_nothing() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.until("Mint", is_mint);
    pass(&mut world, 1);
    let (name, first) = (world.journal.open().unwrap().name.clone(), world.current().cloned().unwrap());
    world.delete_rotation(&name);
    passes(&mut world, |world| world.journal.rotations.iter().all(|rotation| rotation.name != name));
    assert!(!world.is_live(&first), "{:#?}", world.journal);
}

// Where the partner shows a pending one again

#[test]
fn a_lost_candidate_that_the_next_create_gives_back_takes_no_place() {
    let mut world = rested(Kind::Staged);
    asked(&mut world);
    world.until("Mint", is_mint);
    world.pass(|_| Outcome::Torn);
    let creates = world.creates;
    passes(&mut world, |world| ended(world, "crm-next").is_some());
    assert_eq!((ended(&world, "crm-next"), world.creates), (Some(Ended::Revoked), creates));
}

#[test]
fn a_rotation_that_is_undone_waits_until_the_partner_shows_its_stored_candidate_for_what_it_is() {
    for stored in [true, false] {
        let mut world = rested(Kind::Staged);
        asked(&mut world);
        world.until("Mint", is_mint);
        world.pass(|_| if stored { Outcome::Fine } else { Outcome::Torn });
        world.delete_rotation(&rotation(&world, "crm-next").name.clone());
        act(&mut world);
        let _ = world.decided();
        world.now += SignedDuration::from_mins(1);
        let (list, mut shown) = listing(&world);
        shown.iter_mut().filter(|credential| !credential.main).for_each(|credential| credential.versions.clear());
        let pending = shown.iter().find(|credential| !credential.main).unwrap().id.clone();
        world.answers.insert(list, Sight::Credentials(Ok(Some(shown))));
        if stored {
            assert_eq!(waits(&mut world), Reason::OrphanSuspected(pending));
            world.answers.clear();
            assert!(matches!(recorded(&rotated(&mut world)).1, [Entry::Doom(..)]));
        } else {
            let cancelled = Entry::End(Ended::Cancelled);
            assert_eq!(recorded(&rotated(&mut world)), ("crm-next", &[cancelled][..]), "nobody ever will");
        }
    }
}

#[test]
fn the_first_create_of_a_rotation_asks_for_no_list_beyond_that_of_its_announcement() {
    let mut world = rested(Kind::Untagged);
    world.request("crm-byhand");
    world.until("the create", is_mint);
    assert_eq!(asks(&world, |look| matches!(look, Look::Credentials { .. })), None);
}

#[test]
fn a_stray_that_a_region_still_serves_is_not_revoked() {
    let mut world = promoting(Kind::Tagged);
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
    pass(&mut world, 120);
    assert!(!world.is_live(&candidate), "and now none does: {:#?}", world.journal);
}

#[test]
fn a_revocation_that_the_partner_confirms_and_does_not_list_is_not_announced_again_and_again() {
    let mut world = promoting(Kind::Tagged);
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
    let mut world = promoting(Kind::Tagged);
    let candidate = candidate(&world);
    deleted_now(&mut world);
    let region = Look::Replica(Region::parse("eu-west-1").unwrap());
    let fault = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
    world.answers.insert(region.clone(), Sight::Replica(Err(fault)));
    pass(&mut world, 120);
    assert!(world.is_live(&candidate), "unread is a holder: {:#?}", world.journal);
    world.answers.remove(&region);
    pass(&mut world, 120);
    assert!(!world.is_live(&candidate), "{:#?}", world.journal);
}

#[test]
fn what_another_open_rotation_wants_is_not_revoked_to_make_room() {
    let mut world = promoting(Kind::Tagged);
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
    pass(&mut world, 120);
    assert!(world.is_live(&wanted), "{:#?}", world.journal);
}

#[test]
fn a_tagged_credential_whose_value_was_lost_is_revoked_by_its_tag() {
    let (mut world, _) = rotating(Kind::Tagged, "Mint", is_mint);
    world.pass(|_| Outcome::Torn);
    assert_eq!(world.live.len(), 2);
    pass(&mut world, 120);
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
    pass(&mut world, 120);
    assert!(!world.live.contains(&ours), "{:?}", world.live);
    assert!(world.live.contains(&others), "another cluster's");
}

#[test]
fn what_an_attempt_left_makes_way_before_the_next_is_made_at_a_partner_that_has_room_for_two() {
    for fate in [Outcome::Torn, Outcome::Lost, Outcome::CrashAfter] {
        let (mut world, _) = rotating(Kind::Tagged, "Mint", is_mint);
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
        let (mut world, _) = rotating(Kind::Tagged, "Mint", is_mint);
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
    let (mut world, _) = rotating(Kind::Staged, "Mint", is_mint);
    if by_us {
        world.pass(|_| Outcome::Torn);
    }
    deleted_now(&mut world);
    pass(&mut world, 120);
    if !by_us {
        world.live.insert(Live { bytes: 7, slot: None, main: false, tag: None });
    }
    world.request("crm-9");
    pass(&mut world, 120);
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
        pass(&mut world, 120);
        assert_eq!(world.creates, creates + 1, "{:#?}", world.journal);
    }
}

//! The order of the lines: who is driven, who makes way for whom, what is rest, and what is tidied up.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::fault::FaultKind;
use mes_core::journal::{Candidate, Entry, Outcome as Ended, Owed, Revocation, Rotation, Trigger};
use mes_core::names::{CredentialId, ObjectName, VersionId};
use mes_core::reason::Reason;
use mes_core::schedule::Schedule;
use mes_core::spec::{Deletion, Engine, Fate, Onboard};

use super::world::{Kind, World};
use super::{act, ended, glanced, pass, recorded, rested, rotated, rotation, waits};

const REVOKE: Deletion =
    Deletion { targets: Fate::Retain, store: Fate::Retain, partner: Fate::Remove, recovery_window_days: 30 };

fn id(text: &str) -> CredentialId {
    CredentialId::parse(text).unwrap()
}

/// A rotation in its overlap: AWSCURRENT moved from the first to the second, and the first is owed.
fn overlapping(kind: Kind) -> (World, VersionId, VersionId) {
    let world = super::overlapping(kind);
    let old = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    let new = world.current().cloned().unwrap();
    (world, old, new)
}

fn owing(world: &mut World) -> &mut Rotation {
    world.journal.rotations.iter_mut().find(|rotation| rotation.name.as_str() == "crm-byhand").unwrap()
}

// P19

#[test]
fn an_alarm_takes_over_what_a_promoted_rotation_owes_before_that_one_ends() {
    let (mut world, old, _) = overlapping(Kind::Tagged);
    let (owed, _) = owing(&mut world).owed.first_key_value().map(|(id, owed)| (id.clone(), owed.clone())).unwrap();
    world.alarm("crm-alarm", Revocation::WhenProven);
    assert!(matches!(act(&mut world), Effect::HoldRotation { rotation, .. } if rotation.as_str() == "crm-alarm"));
    let owe = Entry::Owe(BTreeMap::from([(owed.clone(), Some(old.clone()))]));
    assert_eq!(recorded(&rotated(&mut world)), ("crm-alarm", &[owe][..]));
    act(&mut world);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &[Entry::End(Ended::Superseded)][..]));
    // Announced meanwhile, that is taken over too.
    owing(&mut world).owed.get_mut(&owed).unwrap().doomed = Some(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-alarm", &[Entry::Doom(owed, Some(old))][..]));
    act(&mut world);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &[Entry::End(Ended::Superseded)][..]));
}

#[test]
fn what_is_in_use_again_is_not_taken_over_unless_its_end_was_announced() {
    for doomed in [false, true] {
        let (mut world, old, _) = overlapping(Kind::Tagged);
        world.moved_by_hand(&old);
        let now = world.now;
        owing(&mut world).owed.values_mut().for_each(|owed| owed.doomed = Some(now).filter(|_| doomed));
        // Nobody knows a version of this one.
        owing(&mut world).owed.insert(id("nameless"), Owed { version: None, doomed: None });
        world.alarm("crm-alarm", Revocation::WhenProven);
        act(&mut world);
        let verdict = rotated(&mut world);
        let (name, entries) = recorded(&verdict);
        assert_eq!((name, entries.len()), ("crm-alarm", if doomed { 2 } else { 1 }), "{entries:?}");
        assert!(entries.contains(&Entry::Owe(BTreeMap::from([(id("nameless"), None)]))), "{entries:?}");
        assert_eq!(entries.iter().any(|entry| matches!(entry, Entry::Doom(..))), doomed);
    }
}

#[test]
fn what_a_rollback_wants_back_it_does_not_owe() {
    let (mut world, old, _) = overlapping(Kind::Tagged);
    world.bring("crm-back", Candidate::Version(old));
    act(&mut world);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &[Entry::End(Ended::Superseded)][..]));
}

// How it ends

#[test]
fn where_the_partner_ends_the_old_credential_the_rotation_says_so_but_not_of_what_a_person_brought() {
    for kind in [Kind::InPlaceCaller, Kind::InPlacePartner] {
        let mut world = rested(kind);
        assert_eq!(ended(&world, "crm-1"), Some(Ended::RevokedByPartner), "{kind:?}");
        world.made_by_hand("crm-new", true).unwrap();
        world.bring("crm-own", Candidate::FromSecret(ObjectName::parse("crm-new").unwrap()));
        pass(&mut world, 200);
        assert_eq!(ended(&world, "crm-own"), Some(Ended::Revoked), "{kind:?}");
    }
    assert_eq!(ended(&rested(Kind::Tagged), "crm-1"), Some(Ended::Revoked));
    let mut minted = World::new(Kind::InPlacePartner, Onboard::Mint);
    pass(&mut minted, 200);
    assert_eq!(ended(&minted, "crm-1"), Some(Ended::Kept), "it superseded nothing");
}

#[test]
fn a_rotation_does_not_begin_before_the_status_says_that_something_is_in_use() {
    for onboard in [Onboard::Mint, Onboard::FromSecret] {
        let mut world = World::new(Kind::Tagged, onboard);
        pass(&mut world, 200);
        world.request("crm-byhand");
        world.resource.noted.onboarded = false;
        assert_eq!(waits(&mut world), Reason::NotOnboarded);
        world.resource.noted.onboarded = true;
        assert!(matches!(act(&mut world), Effect::Hold | Effect::HoldRotation { .. }));
    }
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    world.until("the first value", |effect| matches!(effect, Effect::Open { .. }));
    world.journal.rotations.clear();
    world.request("crm-byhand");
    world.resource.noted.onboarded = false;
    assert_eq!(waits(&mut world), Reason::NotOnboarded);
}

// Rest

#[test]
fn in_its_overlap_a_rotation_rests_until_that_ends_unless_something_else_is_to_be_done() {
    let (mut world, ..) = overlapping(Kind::Tagged);
    world.resource.noted.settled_generation = Some(world.resource.generation);
    world.resource.noted.version = world.current().cloned();
    world.crash();
    world.tries.first_glimpse(&world.glimpse().targets);
    let ends = rotation(&world, "crm-byhand").promoted.unwrap() + SignedDuration::from_hours(1);
    let rests = Err(Step::Wait { reason: Reason::WaitingForOverlap, until: Some(ends) });
    assert_eq!(glanced(&world), rests);
    let looks = |change: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        matches!(glanced(&world), Err(Step::Look(_)))
    };
    assert!(looks(&|world| world.now = ends), "it is over");
    assert!(looks(&|world| world.alarm("crm-alarm", Revocation::WhenProven)), "it makes way");
    assert!(looks(&|world| owing(world).promoted = None));
    // A request that waits behind it is no reason to look; one that is to be ended is.
    assert!(!looks(&|world| world.request("crm-next")));
    let forged = |world: &mut World| {
        world.request("crm-next");
        world.journal.rotations.last_mut().unwrap().trigger = Trigger::Schedule;
    };
    assert!(looks(&forged));
}

#[test]
fn what_is_due_at_rest_is_done_only_after_a_closer_look() {
    let mut world = rested(Kind::Tagged);
    world.resource.noted.settled_generation = Some(world.resource.generation);
    world.tries.first_glimpse(&world.glimpse().targets);
    assert_eq!(glanced(&world), Ok(()));
    world.resource.spec.as_mut().unwrap().rotation.schedule =
        Some(Schedule::parse("rate(4 hours)", None, None).unwrap());
    assert!(matches!(glanced(&world), Err(Step::Wait { reason: Reason::NotDue, .. })));
    world.now += SignedDuration::from_hours(8);
    assert!(matches!(glanced(&world), Err(Step::Look(_))));
}

// Finalizers and history

#[test]
fn a_resource_is_held_while_its_deletion_promises_something_or_a_rotation_is_open_and_no_longer() {
    let mut world = rested(Kind::Tagged);
    assert_eq!(rotated(&mut world), Ok(()));
    world.resource.held = true;
    assert_eq!(rotated(&mut world), Err(Step::Act(world.release())));
    world.resource.deletion = REVOKE;
    assert_eq!(rotated(&mut world), Ok(()));
    world.resource.held = false;
    assert_eq!(rotated(&mut world), Err(Step::Act(Effect::Hold)));
    // Somebody else rotates it from now on, and what was begun is still open.
    let (mut world, ..) = overlapping(Kind::Tagged);
    assert!(world.resource.held);
    world.resource.spec.as_mut().unwrap().rotation.engine = Engine::None;
    assert_eq!(rotated(&mut world), Ok(()));
    owing(&mut world).ended = Some((Ended::Kept, jiff::Timestamp::UNIX_EPOCH));
    owing(&mut world).held = false;
    assert_eq!(rotated(&mut world), Err(Step::Act(world.release())));
}

// P1

#[test]
fn a_finalizer_that_may_be_on_its_way_off_is_written_anew_before_anything_is_intended() {
    let mut world = rested(Kind::Tagged);
    world.resource.held = true;
    let at_rest = rotated(&mut world);
    assert_eq!(at_rest, Err(Step::Act(world.release())));
    let late = world.release();
    world.request("crm-byhand");
    assert_eq!(act(&mut world), late, "by now it is not too late");
    assert!(matches!(act(&mut world), Effect::HoldRotation { .. }));
    assert_eq!(act(&mut world), Effect::Hold);
    assert!(matches!(recorded(&rotated(&mut world)), ("crm-byhand", [Entry::Intend { number: 1, .. }])));
    assert_eq!(world.perform(&late).unwrap_err().kind, FaultKind::Conflict);
    assert!(world.resource.held);
    // None is on its way where a deletion promises something,
    for deletion in [REVOKE, Deletion { store: Fate::Remove, partner: Fate::Retain, ..REVOKE }] {
        let mut world = rested(Kind::Tagged);
        (world.resource.held, world.resource.deletion) = (true, deletion);
        world.request("crm-byhand");
        assert!(matches!(act(&mut world), Effect::HoldRotation { .. }), "{deletion:?}");
        assert!(matches!(recorded(&rotated(&mut world)), ("crm-byhand", [Entry::Intend { number: 1, .. }])));
    }
    // … nor where another rotation has had it written anew.
    let (mut world, ..) = overlapping(Kind::Tagged);
    world.alarm("crm-alarm", Revocation::WhenProven);
    assert!(matches!(act(&mut world), Effect::HoldRotation { rotation, .. } if rotation.as_str() == "crm-alarm"));
}

#[test]
fn the_intent_of_a_rotation_that_another_overtook_lands_no_more() {
    let overtaken = || {
        let mut world = rested(Kind::Tagged);
        world.request("crm-byhand");
        assert!(matches!(act(&mut world), Effect::HoldRotation { .. }));
        assert_eq!(act(&mut world), Effect::Hold);
        let Err(Step::Act(late)) = rotated(&mut world) else { panic!("no intent") };
        world.alarm("crm-alarm", Revocation::WhenProven);
        assert!(matches!(act(&mut world), Effect::HoldRotation { rotation, .. } if rotation.as_str() == "crm-alarm"));
        (world, late)
    };
    let (mut world, late) = overtaken();
    assert!(matches!(act(&mut world), Effect::ReleaseRotation { rotation, .. } if rotation.as_str() == "crm-byhand"));
    assert!(matches!(recorded(&rotated(&mut world)), ("crm-alarm", [Entry::Intend { number: 1, .. }])));
    assert_eq!(world.perform(&late).unwrap_err().kind, FaultKind::Conflict);
    pass(&mut world, 200);
    let ends = [ended(&world, "crm-alarm"), ended(&world, "crm-byhand")];
    assert_eq!(ends, [Some(Ended::Revoked), Some(Ended::Merged)]);
    // What it took over from another, it holds.
    let (mut world, _) = overtaken();
    let owed = Owed { version: None, doomed: None };
    owing(&mut world).owed.insert(id("crm-elsewhere"), owed);
    assert!(matches!(recorded(&rotated(&mut world)), ("crm-alarm", [Entry::Intend { number: 1, .. }])));
}

#[test]
fn of_the_rotations_that_the_operator_made_the_oldest_go_once_there_are_more_than_are_kept() {
    let mut world = rested(Kind::Tagged);
    world.bounds.history = 3;
    world.journal.rotations.clear();
    world.resource.spec.as_mut().unwrap().rotation.first_immediately = false;
    for (name, created) in [("crm-4", 2), ("crm-2", 1), ("crm-3", 1)] {
        world.request(name);
        let rotation = world.journal.rotations.last_mut().unwrap();
        rotation.created = jiff::Timestamp::UNIX_EPOCH + SignedDuration::from_hours(created);
        rotation.ended = Some((Ended::Revoked, rotation.created));
    }
    assert_eq!(rotated(&mut world), Ok(()), "as many as are kept");
    let another = |world: &World, change: fn(&mut Rotation)| {
        let mut world = world.clone();
        world.request("crm-0");
        let rotation = world.journal.rotations.last_mut().unwrap();
        rotation.created = jiff::Timestamp::UNIX_EPOCH;
        rotation.ended = Some((Ended::Revoked, rotation.created));
        change(rotation);
        match rotated(&mut world) {
            Err(Step::Act(Effect::Prune { rotation })) => Some(rotation.to_string()),
            Ok(()) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(another(&world, |_| {}).as_deref(), Some("crm-0"));
    assert_eq!(another(&world, |rotation| rotation.generated = false), None, "a manifest in Git");
    assert_eq!(
        another(&world, |rotation| rotation.deleting = Some(jiff::Timestamp::UNIX_EPOCH)),
        None,
        "on its way out"
    );
    let younger =
        |rotation: &mut Rotation| rotation.created = jiff::Timestamp::UNIX_EPOCH + SignedDuration::from_hours(9);
    assert_eq!(another(&world, younger).as_deref(), Some("crm-2"), "of the same age by name");
    // What is still being undone is none of them.
    world.bounds.history = 2;
    world.resource.spec.as_mut().unwrap().rotation.engine = Engine::None;
    (world.journal.rotations[1].ended, world.journal.rotations[1].aborting) = (None, true);
    assert_eq!(rotated(&mut world), Ok(()));
}

//! AWSCURRENT where somebody else put it.

use std::collections::BTreeMap;

use mes_core::decide::{Goal, Step, Verdict};
use mes_core::effect::Effect;
use mes_core::facts::{Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, Outcome as Ended, Owed, Revocation};
use mes_core::names::{CredentialId, Stage, VersionId};
use mes_core::reason::Reason;

use super::world::{Kind, Live, Outcome, World};
use super::{
    candidate, deleted_now, effect, ended, is_mint, is_promote, pass, promoting, rested, rotated, rotating, superseded,
};

fn onboarded(world: &mut World) -> Verdict {
    world.decided().1.verdict(Goal::Onboarded).cloned().unwrap()
}

/// A person puts these bytes under a version of his own and makes that current.
fn put(world: &mut World, version: &str, bytes: u32) -> VersionId {
    let version = VersionId::parse(version).unwrap();
    world.bytes.insert(version.clone(), (bytes, None));
    world.moved_by_hand(&version);
    version
}

fn goes(to: &VersionId, from: &VersionId) -> Verdict {
    Err(Step::Act(Effect::Promote { to: to.clone(), from: Some(from.clone()), right: None }))
}

fn silent(world: &mut World, version: &VersionId) {
    let fault = Fault::new(Place::Partner, FaultKind::Unknown, "Timeout");
    world.answers.insert(Look::Acceptance(version.clone()), Sight::Acceptance(Err(fault)));
}

#[test]
fn what_was_found_to_work_or_put_there_by_a_rotation_is_not_tried_anew() {
    let mut world = rested(Kind::Tagged);
    let current = world.current().cloned().unwrap();
    silent(&mut world, &current);
    assert_eq!(onboarded(&mut world), Ok(()));
    let rotations = std::mem::take(&mut world.journal.rotations);
    assert_eq!(onboarded(&mut world), Ok(()), "noted");
    world.journal.rotations = rotations;
    world.resource.noted.version = None;
    assert_eq!(onboarded(&mut world), Ok(()), "a rotation's");
    world.journal.rotations.clear();
    assert!(onboarded(&mut world).is_err(), "nobody knows it");
}

#[test]
fn a_candidate_that_somebody_made_current_first_is_tried_unless_trying_it_is_using_it() {
    for (kind, tried) in [(Kind::Tagged, true), (Kind::FirstUse, false)] {
        let mut world = rested(kind);
        world.request("crm-byhand");
        world.until("the put", is_mint);
        pass(&mut world, 1);
        let candidate = world.journal.open().and_then(|open| open.version()).cloned().unwrap();
        world.moved_by_hand(&candidate);
        silent(&mut world, &candidate);
        assert_eq!(onboarded(&mut world).is_err(), tried, "{kind:?}");
    }
}

#[test]
fn a_dead_version_does_not_stay_current_while_a_rotation_is_under_way_either() {
    let mut world = rested(Kind::Tagged);
    let good = world.current().cloned().unwrap();
    world.request("crm-byhand");
    world.until("the create", is_mint);
    let dead = put(&mut world, "put-by-a-person-0123456789abcdef01", 8000);
    let made = BTreeMap::from([(dead.clone(), world.now)]);
    world.answers.insert(Look::Versions, Sight::Versions(Ok(Some(made))));
    // It may be as new at the partner as in the store.
    let until = world.now + world.bounds.acceptance;
    let waits = Err(Step::Wait { reason: Reason::CandidateNotAccepted, until: Some(until) });
    assert_eq!(onboarded(&mut world), waits);
    world.now = until - jiff::SignedDuration::from_secs(1);
    assert_eq!(onboarded(&mut world), waits);
    world.now = until;
    assert_eq!(onboarded(&mut world), goes(&good, &dead));
    // Not before a list says how old it is.
    world.answers.insert(Look::Versions, Sight::Versions(Ok(Some(BTreeMap::new()))));
    assert!(matches!(onboarded(&mut world), Err(Step::Wait { reason: Reason::Settling, .. })));
}

#[test]
fn in_place_what_dies_is_left_where_it_is_until_its_candidate_is_promoted() {
    let mut world = rested(Kind::InPlaceCaller);
    world.request("crm-byhand");
    world.until("the promotion", |effect| matches!(effect, Effect::Promote { .. }));
    assert!(!world.is_live(world.current().unwrap()));
    assert_eq!(onboarded(&mut world), Ok(()));
    let dead = world.current().cloned().unwrap();
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    pass(&mut world, 1);
    let promoted = world.current().cloned().unwrap();
    world.moved_by_hand(&dead);
    assert_eq!(onboarded(&mut world), goes(&promoted, &dead));
}

#[test]
fn what_is_on_its_way_out_is_carried_for_as_long_as_it_works_where_nothing_else_does() {
    let mut world = rested(Kind::Tagged);
    let current = world.current().cloned().unwrap();
    let now = world.now;
    let doomed = Owed { version: Some(current.clone()), doomed: Some(now) };
    world.journal.rotations[0].owed.insert(CredentialId::parse("announced").unwrap(), doomed);
    assert_eq!(onboarded(&mut world), Ok(()));
    world.dies(&current);
    assert_eq!(onboarded(&mut world), Err(Step::Blocked(Reason::CredentialRejected)));
}

#[test]
fn from_a_dead_version_it_goes_to_what_is_accepted_and_fit_though_another_was_there_last() {
    for lives in [true, false] {
        let mut world = rested(Kind::Tagged);
        let stolen = world.current().cloned().unwrap();
        world.alarm("crm-alarm", Revocation::WhenProven);
        pass(&mut world, 120);
        let good = world.current().cloned().unwrap();
        if lives {
            let bytes = world.bytes[&stolen].0;
            world.live.insert(Live { bytes, slot: None, main: false, tag: None });
        }
        let dead = put(&mut world, "put-by-a-person-0123456789abcdef01", 8000);
        let made = BTreeMap::from([(dead.clone(), jiff::Timestamp::UNIX_EPOCH)]);
        world.answers.insert(Look::Versions, Sight::Versions(Ok(Some(made))));
        let previous = Stage::parse(Stage::PREVIOUS).unwrap();
        world.stages.retain(|_, stages| !stages.contains(&previous));
        world.stages.entry(stolen).or_default().insert(previous);
        assert_eq!(onboarded(&mut world), goes(&good, &dead), "{lives}");
    }
}

/// A compromise that moved AWSCURRENT and can't revoke yet, since a region stays behind.
fn alarmed() -> (World, VersionId, VersionId) {
    let mut world = rested(Kind::Tagged);
    let stolen = world.current().cloned().unwrap();
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    pass(&mut world, 1);
    let candidate = world.current().cloned().unwrap();
    (world, stolen, candidate)
}

#[test]
fn the_stolen_bytes_under_another_version_are_not_followed_while_their_compromise_is_open() {
    // Named after the first of its versions, the credential has another name from then on, or keeps it.
    for name in ["0-put-by-a-person-0123456789abcdef", "z-put-by-a-person-0123456789abcdef"] {
        let (mut world, stolen, candidate) = alarmed();
        let bytes = world.bytes[&stolen].0;
        let copy = put(&mut world, name, bytes);
        assert_eq!(onboarded(&mut world), goes(&candidate, &copy));
        assert_eq!(rotated(&mut world), goes(&candidate, &copy));
        // The journal may know it by its name alone.
        for owed in world.journal.rotations.last_mut().unwrap().owed.values_mut() {
            owed.version = None;
        }
        let attempt = world.journal.rotations.last_mut().unwrap().attempt.as_mut().unwrap();
        attempt.supersedes = Some(VersionId::parse("unknown-0123456789abcdef0123456789").unwrap());
        let told = onboarded(&mut world);
        assert_eq!(told == goes(&candidate, &copy), name.starts_with('z'), "{told:?}");
    }
}

#[test]
fn until_a_compromise_has_moved_awscurrent_what_it_is_about_stays_in_use() {
    let mut world = rested(Kind::Tagged);
    let current = world.current().cloned().unwrap();
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.until("the create", is_mint);
    let taken_over = Owed { version: Some(current), doomed: None };
    let alarm = world.journal.rotations.last_mut().unwrap();
    alarm.owed.insert(CredentialId::parse("taken-over").unwrap(), taken_over);
    assert_eq!(onboarded(&mut world), Ok(()));
    world.target = None;
    let synced = world.decided().1.verdict(Goal::Synced).cloned();
    assert!(matches!(synced, Some(Err(Step::Act(Effect::ApplyTarget { .. })))), "{synced:?}");
}

#[test]
fn what_else_works_is_followed_also_while_a_compromise_is_open() {
    let (mut world, ..) = alarmed();
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    let other = put(&mut world, "put-by-a-person-0123456789abcdef01", 8000);
    assert_eq!(onboarded(&mut world), Ok(()));
    pass(&mut world, 80);
    assert_eq!(world.current(), Some(&other));
    assert_eq!(ended(&world, "crm-alarm"), Some(Ended::Kept));
}

#[test]
fn a_person_may_go_back_in_the_overlap_and_nothing_is_revoked() {
    let mut world = rested(Kind::Tagged);
    let old = world.current().cloned().unwrap();
    world.request("crm-byhand");
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    pass(&mut world, 1);
    let new = world.current().cloned().unwrap();
    world.moved_by_hand(&old);
    assert_eq!(onboarded(&mut world), Ok(()));
    pass(&mut world, 80);
    assert_eq!((world.current(), ended(&world, "crm-byhand")), (Some(&old), Some(Ended::Kept)));
    assert!(world.is_live(&old) && world.is_live(&new));
}

#[test]
fn a_doomed_version_goes_into_no_target() {
    let (mut world, _) = rotating(Kind::Tagged, "Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    let (candidate, superseded) = (candidate(&world), superseded(&world));
    world.moved_by_hand(&superseded);
    let (next, ..) = world.decided();
    let forward = Effect::Promote { to: candidate, from: Some(superseded), right: None };
    assert_eq!(effect(&next), Some(&forward), "forward, and nothing else first");
}

#[test]
fn awscurrent_on_a_doomed_stray_goes_forward_to_what_works() {
    let mut world = promoting(Kind::Tagged);
    let (candidate, seed) = (candidate(&world), world.current().cloned().unwrap());
    deleted_now(&mut world);
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    world.moved_by_hand(&candidate);
    let moved = world.until("the way forward", is_promote);
    assert_eq!(moved, Effect::Promote { to: seed, from: Some(candidate), right: None });
    pass(&mut world, 120);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
}

#[test]
fn awscurrent_on_a_burned_candidate_is_a_decision_and_ends_the_rotation() {
    let mut world = promoting(Kind::Tagged);
    let candidate = candidate(&world);
    deleted_now(&mut world);
    world.pass(|_| Outcome::Fine);
    assert!(world.journal.rotations[0].aborting);
    world.moved_by_hand(&candidate);
    pass(&mut world, 120);
    assert!(world.is_live(&candidate), "it is in use: {:#?}", world.journal);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
}

//! The commit point: what is owed is written down first, and AWSCURRENT moves from where it was found.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use mes_core::decide::{Step, Verdict};
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Sight};
use mes_core::journal::{Candidate, Entry, Outcome as Ended, Revocation};
use mes_core::names::{CredentialId, ObjectName, Stage, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::{Engine, Onboard};

use super::world::{Kind, Live, Outcome, World};
use super::{
    act, candidate, deleted_now, effect, is_promote, is_promoting, is_register, pass, promoting, records, requested,
    rested, rotated, rotating, waits,
};

fn owes(effect: &Effect) -> BTreeMap<CredentialId, Option<VersionId>> {
    let Effect::Record { entries, .. } = effect else { panic!("{effect:?}") };
    let owed = entries.iter().filter_map(|entry| if let Entry::Owe(owed) = entry { Some(owed.clone()) } else { None });
    owed.flatten().collect()
}

fn successes(world: &mut World, successes: u8) {
    let Engine::Operator(contract) = &mut world.resource.spec.as_mut().unwrap().rotation.engine else { panic!("ours") };
    contract.successes = successes;
}

// P4

#[test]
fn what_a_process_that_is_gone_announced_is_announced_anew_once_its_call_is_surely_over() {
    let using = |effect: &Effect| records(effect, |entry| *entry == Entry::Using);
    let next = |entry: &Entry| matches!(entry, Entry::Intend { number: 2, .. });
    type Call = (Kind, fn(&Effect) -> bool, Outcome, fn(&Entry) -> bool);
    let calls: [Call; 5] = [
        (Kind::Tagged, |effect| matches!(effect, Effect::Mint { .. }), Outcome::CrashBefore, next),
        (Kind::Slots, |effect| matches!(effect, Effect::Compose { .. }), Outcome::CrashBefore, next),
        (Kind::Slots, is_register, Outcome::CrashBefore, |entry| *entry == Entry::Registering),
        (Kind::Tagged, is_promote, Outcome::CrashBefore, |entry| *entry == Entry::Promoting),
        (Kind::FirstUse, using, Outcome::CrashAfter, |entry| *entry == Entry::Using),
    ];
    for (kind, call, fate, expected) in calls {
        // The first rotation: no call of another is waited for.
        let mut world = World::new(kind, Onboard::FromSecret);
        let announced = world.until("the call", call);
        world.pass(|_| fate);
        let gone = world.now;
        let again = world.until("a record", |effect| matches!(effect, Effect::Record { .. }));
        assert!(records(&again, expected), "{announced:?} {again:?}");
        let over = world.bounds.deadline * 2 + world.bounds.settling;
        assert!(
            world.now.duration_since(gone) >= over,
            "{announced:?} {again:?} after {}",
            world.now.duration_since(gone)
        );
    }
}

#[test]
fn what_a_person_put_before_a_promotion_was_announced_anew_is_owed_too() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    let (from, put) =
        (world.current().cloned().unwrap(), VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap());
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    world.bytes.insert(put.clone(), (8000, None));
    world.moved_by_hand(&put);
    world.moved_by_hand(&from);
    world.crash();
    let anew = world.until("Promoting anew", |effect| records(effect, |entry| *entry == Entry::Promoting));
    assert!(owes(&anew).values().flatten().any(|version| *version == put), "{anew:?}");
}

// P18

#[test]
fn a_describe_that_shows_the_last_promotion_is_believed_at_once() {
    let mut world = rested(Kind::Tagged);
    world.crash();
    world.alarm("crm-alarm", Revocation::WhenProven);
    act(&mut world);
    act(&mut world);
    let next = rotated(&mut world);
    assert!(
        matches!(&next, Err(Step::Act(effect)) if records(effect, |entry| matches!(entry, Entry::Intend { .. }))),
        "{next:?}"
    );
}

#[test]
fn no_attempt_is_announced_upon_a_describe_that_is_older_than_the_last_promotion() {
    let plain: fn(&mut World) = |world| world.alarm("crm-alarm", Revocation::WhenProven);
    let own: fn(&mut World) = |world| {
        world.made_by_hand("crm-new", false);
        world.bring("crm-own", Candidate::FromSecret(ObjectName::parse("crm-new").unwrap()));
    };
    for ask in [plain, own] {
        let mut world = rested(Kind::Tagged);
        ask(&mut world);
        act(&mut world);
        act(&mut world);
        world.crash();
        let before = VersionId::first(&world.resource.own.uid, 0);
        let Sight::StoreSecret(Ok(Some(mut stale))) = world.answer(&Look::StoreSecret) else { panic!("it is there") };
        stale.versions = BTreeMap::from([(before, BTreeSet::from([Stage::parse(Stage::CURRENT).unwrap()]))]);
        world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Ok(Some(stale))));
        assert_eq!(waits(&mut world), Reason::Settling);
    }
}

// P9

#[test]
fn the_label_that_aws_puts_on_a_first_value_is_no_promotion_before_that_was_announced() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    successes(&mut world, 3);
    let told = world.until("the end of the trial", |effect| {
        records(effect, |entry| matches!(entry, Entry::Promoting | Entry::Promoted))
    });
    assert!(is_promoting(&told), "{told:?}");
    assert_eq!(world.journal.open().unwrap().attempt.as_ref().unwrap().accepted, 3);
}

#[test]
fn what_is_owed_is_written_down_with_the_announcement_and_not_again_with_the_promotion() {
    let (mut world, announced) = requested(Kind::Tagged, "Promoting", is_promoting);
    assert_eq!(owes(&announced).into_values().collect::<Vec<_>>(), [world.current().cloned()]);
    let promoted = world.until("Promoted", |effect| records(effect, |entry| *entry == Entry::Promoted));
    assert!(matches!(&promoted, Effect::Record { entries, .. } if entries[..] == [Entry::Promoted]), "{promoted:?}");
    // A person was faster.
    let (mut world, _) = requested(Kind::Tagged, "Promoting", is_promoting);
    let (old, new) = (world.current().cloned(), candidate(&world));
    world.moved_by_hand(&new);
    let Err(Step::Act(noted)) = rotated(&mut world) else { panic!("{:?}", rotated(&mut world)) };
    assert!(records(&noted, |entry| *entry == Entry::Promoted));
    assert_eq!(owes(&noted).into_values().collect::<Vec<_>>(), [old]);
}

// P7

#[test]
fn a_superseded_credential_is_owed_once_by_its_name_and_also_where_it_is_not_listed() {
    let owed = |change: &dyn Fn(&mut World, VersionId)| {
        let (mut world, _) = requested(Kind::Tagged, "Promoting", is_promoting);
        let current = world.current().cloned().unwrap();
        change(&mut world, current.clone());
        let Err(Step::Act(effect)) = rotated(&mut world) else { panic!("{:?}", rotated(&mut world)) };
        assert!(is_promoting(&effect), "{effect:?}");
        (owes(&effect).into_iter().map(|(id, version)| (id.to_string(), version)).collect::<Vec<_>>(), current)
    };
    let (owes, current) = owed(&|world, current| world.dies(&current));
    assert_eq!(owes, [(current.to_string(), Some(current))], "not listed");
    let (owes, current) = owed(&|world, current| {
        // Named after the first of its versions.
        let copy = VersionId::parse("0-copy-0123456789abcdef0123456789ab").unwrap();
        world.bytes.insert(copy.clone(), world.bytes[&current].clone());
        world.stages.entry(copy).or_default().insert(Stage::parse("staged-by-hand").unwrap());
    });
    assert_eq!(owes, [("0-copy-0123456789abcdef0123456789ab".to_owned(), Some(current))], "listed");
    let (owes, _) = owed(&|world, current| {
        let now = world.now;
        let announced = mes_core::journal::Owed { version: Some(current.clone()), doomed: Some(now) };
        world.journal.rotations[0].owed.insert(CredentialId::parse("announced").unwrap(), announced);
        world.dies(&current);
    });
    assert_eq!(owes, [], "its end is another's");
}

// P17

#[test]
fn an_attempt_that_awscurrent_was_moved_away_from_is_given_up_wherever_that_went() {
    for lives in [true, false] {
        let (mut world, _) = requested(Kind::Tagged, "Promote", is_promote);
        let other = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
        world.bytes.insert(other.clone(), (8000, None));
        if lives {
            world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
        }
        world.moved_by_hand(&other);
        let next = rotated(&mut world);
        let intends = |entry: &Entry| matches!(entry, Entry::Intend { number: 2, .. });
        assert!(matches!(&next, Err(Step::Act(effect)) if records(effect, intends)), "{next:?}");
    }
    // Nor is there another attempt once a person deleted it or something goes before it.
    let deleted: fn(&mut World) = |world| {
        let name = world.journal.open().unwrap().name.clone();
        world.delete_rotation(&name);
    };
    let alarmed: fn(&mut World) = |world| world.alarm("crm-alarm", Revocation::WhenProven);
    for change in [deleted, alarmed] {
        let (mut world, _) = requested(Kind::Tagged, "Promote", is_promote);
        let other = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
        world.bytes.insert(other.clone(), (8000, None));
        world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
        world.moved_by_hand(&other);
        change(&mut world);
        let next = rotated(&mut world);
        assert!(matches!(&next, Err(Step::Act(effect)) if records(effect, |entry| *entry == Entry::Abort)), "{next:?}");
    }
    // In place only what works is followed.
    for lives in [true, false] {
        let (mut world, _) = requested(Kind::InPlaceCaller, "Promote", is_promote);
        let (new, other) = (candidate(&world), VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap());
        world.bytes.insert(other.clone(), (8000, None));
        if lives {
            world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
        }
        world.moved_by_hand(&other);
        match rotated(&mut world) {
            Err(Step::Act(Effect::Promote { to, from, right: Some(_) })) if !lives => {
                assert_eq!((to, from), (new, Some(other)));
            }
            Err(Step::Act(Effect::Record { entries, .. })) if lives => {
                assert!(matches!(entries[..], [Entry::Intend { number: 2, .. }]), "{entries:?}");
            }
            next => panic!("{lives} {next:?}"),
        }
    }
}

// P11

#[test]
fn nothing_is_revoked_while_awscurrent_is_refused_or_nobody_can_say() {
    for answer in [Some(Acceptance::Refused), None] {
        let (mut world, _) = requested(Kind::Tagged, "a revocation", |effect| matches!(effect, Effect::Revoke { .. }));
        let current = world.current().cloned().unwrap();
        world.answers.insert(Look::Acceptance(current), Sight::Acceptance(Ok(answer)));
        let next: Verdict = rotated(&mut world);
        assert!(!matches!(next, Err(Step::Act(_)) | Ok(())), "{next:?}");
        world.answers.clear();
        pass(&mut world, 30);
        assert_eq!(world.live.len(), 1);
        assert!(world.now.duration_since(world.mints[0]) > SignedDuration::from_hours(1));
    }
}

#[test]
fn a_last_attempt_whose_awscurrent_was_moved_before_the_promotion_is_undone_and_ends() {
    let (mut world, _) = rotating(Kind::Tagged, "Promote", is_promote);
    world.bounds.attempts = 1;
    let (candidate, seed) = (candidate(&world), world.current().cloned().unwrap());
    let other = VersionId::parse("a-value-that-a-person-put-by-hand-01").unwrap();
    world.bytes.insert(other.clone(), world.bytes[&seed].clone());
    world.moved_by_hand(&other);
    pass(&mut world, 120);
    assert!(!world.is_live(&candidate), "its credential is a stray: {:#?}", world.journal);
    assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Exhausted));
}

#[test]
fn a_rotation_deleted_after_a_person_promoted_its_candidate_runs_to_its_end() {
    let mut world = promoting(Kind::Tagged);
    let candidate = candidate(&world);
    world.moved_by_hand(&candidate);
    deleted_now(&mut world);
    pass(&mut world, 120);
    assert!(world.journal.waiting().next().is_none(), "it ended: {:#?}", world.journal);
    assert_eq!(world.live.len(), 1, "{:?}", world.live);
    assert!(world.is_live(&candidate));
}

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
    pass(&mut world, 120);
    assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{:#?}", world.journal);
    assert_eq!(world.live.len(), 1);
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
    assert_eq!(effect(&next), None, "both would have the right to the same call");
    world.until("Promoting by the other", announces);
    let over = world.bounds.deadline * 2 + world.bounds.settling;
    assert!(world.now.duration_since(announced) >= over - SignedDuration::from_secs(1));
    world.tries = its;
    world.until("the end", |effect| records(effect, |entry| matches!(entry, Entry::End(_))));
}

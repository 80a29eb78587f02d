//! Proof of disuse, overlap, revocation.

use jiff::SignedDuration;
use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::facts::{Holder, Labelled, Look, Replica, Sight, Target};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Candidate, Entry, Outcome as Ended, Owed, Revocation};
use mes_core::names::{CredentialId, Region, Revision, Stage, TargetName, Uid, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::Onboard;

use super::world::{Kind, Live, Outcome, World};
use super::{
    act, candidate, ended, is_promoting, pass, promoting, records, requested, rested, rotated, rotating, rotation,
    waits,
};

fn is_doom(effect: &Effect) -> bool {
    records(effect, |entry| matches!(entry, Entry::Doom(..)))
}

fn dooms(world: &mut World) -> bool {
    matches!(rotated(world), Err(Step::Act(effect)) if is_doom(&effect))
}

fn target() -> TargetName {
    TargetName::parse("crm").unwrap()
}

fn region() -> Region {
    Region::parse("eu-west-1").unwrap()
}

/// The cluster says this of the target from now on.
fn seen(world: &mut World, change: impl FnOnce(&mut Target)) {
    world.answers.clear();
    let Sight::Target(Ok(Some(mut there))) = world.answer(&Look::Target(target())) else { panic!("it is there") };
    change(&mut there);
    world.answers.insert(Look::Target(target()), Sight::Target(Ok(Some(there))));
}

/// A Secret that the spec does not name is still labelled as ours.
fn dropped(world: &mut World, version: Option<VersionId>) {
    world.answers.clear();
    let (name, uid) =
        (TargetName::parse("dropped").unwrap(), Uid::parse("55555555-0000-4000-8000-000000000001").unwrap());
    let dropped = Labelled { name, uid, revision: Revision::parse("1").unwrap(), version };
    world.answers.insert(Look::Labelled, Sight::Labelled(Ok(Some(vec![dropped]))));
}

fn replicated(world: &mut World, current: Option<VersionId>) {
    world.answers.clear();
    let replica = Some(Replica { current });
    world.answers.insert(Look::Replica(region()), Sight::Replica(Ok(replica)));
}

// P13

#[test]
fn nothing_is_revoked_before_every_region_target_and_dropped_secret_carries_the_new_version() {
    let (mut world, _) = requested(Kind::Tagged, "Doom", is_doom);
    let (new, old) = (world.current().cloned(), rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes);
    for current in [old.clone(), None] {
        replicated(&mut world, current);
        assert_eq!(waits(&mut world), Reason::RegionCarriesOld(region()));
    }
    world.answers.insert(Look::Replica(region()), Sight::Replica(Ok(None)));
    assert_eq!(waits(&mut world), Reason::RegionCarriesOld(region()));
    let changes: [&dyn Fn(&mut Target); 5] = [
        &|target| target.version.clone_from(&old),
        &|target| target.version = None,
        &|target| target.intact = Some(false),
        &|target| target.intact = None,
        &|target| target.holder = Holder::AnotherResource,
    ];
    for change in changes {
        seen(&mut world, change);
        assert_eq!(waits(&mut world), Reason::TargetCarriesOld(target()));
    }
    for version in [old, None] {
        dropped(&mut world, version);
        assert_eq!(waits(&mut world), Reason::TargetCarriesOld(TargetName::parse("dropped").unwrap()));
    }
    dropped(&mut world, new);
    assert!(dooms(&mut world));
}

#[test]
fn a_stray_that_a_target_of_ours_may_hold_is_kept_and_what_a_strangers_holds_is_no_matter() {
    let (mut world, _) = requested(Kind::Tagged, "Promoting", is_promoting);
    let stray = world.journal.open().and_then(|open| open.version()).cloned();
    let current = world.current().cloned();
    world.delete_rotation(&rotation(&world, "crm-byhand").name.clone());
    world.until("Doom", is_doom);
    let kept: [&dyn Fn(&mut Target); 3] =
        [&|target| target.version.clone_from(&stray), &|target| target.intact = Some(false), &|target| {
            target.intact = None
        }];
    for change in kept {
        seen(&mut world, change);
        assert_eq!(waits(&mut world), Reason::TargetCarriesOld(target()));
    }
    for version in [stray.clone(), None] {
        dropped(&mut world, version);
        assert_eq!(waits(&mut world), Reason::TargetCarriesOld(TargetName::parse("dropped").unwrap()));
    }
    replicated(&mut world, stray.clone());
    assert_eq!(waits(&mut world), Reason::RegionCarriesOld(region()));
    seen(&mut world, |target| (target.holder, target.version) = (Holder::Foreign, stray));
    assert!(dooms(&mut world));
    dropped(&mut world, current);
    assert!(dooms(&mut world));
}

#[test]
fn what_nobody_knows_for_ours_is_named_and_never_revoked() {
    let owed = |id: &str, version: Option<&str>| {
        let (mut world, _) = requested(Kind::Untagged, "Doom", is_doom);
        world.live.insert(Live { bytes: 8000, slot: None, main: false, tag: None });
        let version = version.map(|version| VersionId::parse(version).unwrap());
        let id = CredentialId::parse(id).unwrap();
        let open = world.journal.rotations.iter_mut().find(|each| each.name.as_str() == "crm-byhand").unwrap();
        open.owed = [(id.clone(), Owed { version, doomed: None })].into();
        (waits(&mut world), Reason::OrphanSuspected(id))
    };
    let (told, expected) = owed("nowhere", None);
    assert_eq!(told, expected, "a name alone");
    let (told, expected) = owed("unknown-8000", Some("a-version-that-is-gone-0123456789"));
    assert_eq!(told, expected, "the name is another's now");
}

#[test]
fn what_a_waiting_rollback_may_want_is_kept_for_it_but_not_from_a_compromise_that_needs_its_place() {
    // Nobody can say yet whether it lives, so nothing makes way for it.
    let (mut world, _) = requested(Kind::Tagged, "Doom", is_doom);
    let old = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    world.bring("crm-back", Candidate::Version(old.clone()));
    let silent = Fault::new(Place::Partner, FaultKind::Unknown, "Timeout");
    world.answers.insert(Look::Acceptance(old.clone()), Sight::Acceptance(Err(silent)));
    assert_eq!(waits(&mut world), Reason::Settling);
    let other = VersionId::parse("another-version-0123456789abcdef0").unwrap();
    let silent = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
    world.answers.insert(Look::Version(other.clone()), Sight::Version(Err(silent)));
    world.journal.rotations.last_mut().unwrap().candidate = Some(Candidate::Version(other));
    assert!(dooms(&mut world), "it wants something else");
    // Of two places one is left of what a person went back from.
    let (mut world, _) = requested(Kind::Untagged, "Doom", is_doom);
    let (old, new) =
        (rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap(), world.current().cloned());
    world.moved_by_hand(&old);
    pass(&mut world, 60);
    assert_eq!((ended(&world, "crm-byhand"), world.live.len()), (Some(Ended::Kept), 2));
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.bring("crm-back", Candidate::Version(new.clone().unwrap()));
    act(&mut world);
    act(&mut world);
    let next = rotated(&mut world);
    let room = |entry: &Entry| matches!(entry, Entry::Doom(_, version) if *version == new);
    assert!(matches!(&next, Err(Step::Act(effect)) if records(effect, room)), "{next:?}");
}

#[test]
fn a_revocation_is_made_only_when_every_call_older_than_its_announcement_is_over() {
    let (mut world, _) = requested(Kind::Tagged, "Doom", is_doom);
    let announced = world.now;
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    let over = world.bounds.deadline * 2 + world.bounds.settling;
    assert!(world.now.duration_since(announced) >= over, "after {}", world.now.duration_since(announced));
}

#[test]
fn a_debt_that_no_list_showed_in_time_is_revoked_by_the_name_that_the_partner_lists_and_any_other_by_its_own() {
    let revoked = |owed_as: Option<&str>| {
        let (mut world, _) = requested(Kind::Tagged, "Doom", is_doom);
        let open = world.journal.rotations.last_mut().unwrap();
        let (id, owed) = open.owed.pop_first().unwrap();
        let old = owed.version.clone().unwrap();
        assert_eq!(id.as_str(), old.as_str(), "by its version");
        open.owed.insert(owed_as.map_or(id, |name| CredentialId::parse(name).unwrap()), owed);
        let copy = VersionId::parse("0-copy-0123456789abcdef0123456789ab").unwrap();
        world.bytes.insert(copy.clone(), world.bytes[&old].clone());
        world.stages.entry(copy).or_default().insert(Stage::parse("staged-by-hand").unwrap());
        match world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. })) {
            Effect::Revoke { credential, version, .. } => (credential.to_string(), version == Some(old)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(revoked(None), ("0-copy-0123456789abcdef0123456789ab".to_owned(), true));
    assert_eq!(revoked(Some("its-own-name")), ("its-own-name".to_owned(), true));
}

#[test]
fn at_once_it_waits_for_the_store_alone_and_says_whether_it_was_proven_all_the_same() {
    for (carried, expected) in [(true, true), (false, false)] {
        let mut world = rested(Kind::Tagged);
        world.alarm("crm-alarm", Revocation::AtOnce);
        let doom = world.until("Doom", is_doom);
        let Effect::Record { entries, .. } = &doom else { panic!("{doom:?}") };
        let Some(Entry::Doom(_, stolen)) = entries.first().cloned() else { panic!("{doom:?}") };
        let announced = world.now;
        if !carried {
            replicated(&mut world, stolen);
        }
        let revoke = world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
        assert!(matches!(revoke, Effect::Revoke { proven, .. } if proven == expected), "{revoke:?}");
        let took = world.now.duration_since(announced);
        assert!(took >= world.bounds.settling && took < world.bounds.deadline * 2, "{took}");
    }
}

#[test]
fn a_main_credential_makes_way_by_activation_also_when_its_name_has_changed() {
    let is_activate = |effect: &Effect| matches!(effect, Effect::Activate { .. });
    let (mut world, _) = requested(Kind::Staged, "Activate", is_activate);
    let old = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    // Named after the first of the versions that hold its bytes.
    let copy = VersionId::parse("0-copy-0123456789abcdef0123456789ab").unwrap();
    world.bytes.insert(copy.clone(), world.bytes[&old].clone());
    world.stages.entry(copy).or_default().insert(Stage::parse("staged-by-hand").unwrap());
    let next = rotated(&mut world);
    assert!(matches!(&next, Err(Step::Act(effect)) if is_activate(effect)), "{next:?}");
}

// In place

#[test]
fn what_the_partner_ends_by_itself_is_paid_once_it_is_refused_and_what_else_is_owed_is_revoked() {
    let promoted = |effect: &Effect| records(effect, |entry| *entry == Entry::Promoted);
    for (kind, waits_for) in
        [(Kind::InPlacePartner, None), (Kind::InPlaceCaller, None), (Kind::Grace, Some(Reason::GraceRunning))]
    {
        let (mut world, _) = requested(kind, "Promoted", promoted);
        let old = world.journal.open().unwrap().attempt.clone().unwrap().supersedes.unwrap();
        world.resource.spec.as_mut().unwrap().rotation.overlap = SignedDuration::ZERO;
        // What an earlier one left is nothing that this call ended.
        let left = VersionId::parse("a-version-left-0123456789abcdef01").unwrap();
        world.bytes.insert(left.clone(), (8000, None));
        world.live.insert(Live { bytes: 8000, slot: None, main: false, tag: None });
        let open = world.journal.rotations.last_mut().unwrap();
        open.overlap = None;
        open.owed
            .insert(CredentialId::parse(left.as_str()).unwrap(), Owed { version: Some(left.clone()), doomed: None });
        if kind != Kind::Grace {
            // Not even tried again: at some partners that would lock an account.
            let accepted = Sight::Acceptance(Ok(Some(mes_core::facts::Acceptance::Accepted)));
            world.answers.insert(Look::Acceptance(old.clone()), accepted);
        }
        let (mut waited, mut revoked) = (false, Vec::new());
        for _ in 0..400 {
            waited |= matches!(rotated(&mut world), Err(Step::Wait { reason: Reason::GraceRunning, .. }));
            if let Some(Effect::Revoke { version, .. }) = world.pass(|_| super::Outcome::Fine) {
                revoked.extend(version);
            }
        }
        assert_eq!((waited, revoked), (waits_for.is_some(), vec![left]), "{kind:?} {:#?}", world.journal);
        assert_eq!(ended(&world, "crm-byhand"), Some(Ended::RevokedByPartner));
    }
}

// R13

#[test]
fn what_an_undone_rotation_took_over_stands_on_the_secret_and_what_a_plain_one_meant_to_supersede_does_not() {
    for alarm in [false, true] {
        let mut world = rested(Kind::Tagged);
        world.bounds.attempts = 1;
        match alarm {
            true => world.alarm("crm-other", Revocation::WhenProven),
            false => world.request("crm-other"),
        }
        world.until("Promote", |effect| matches!(effect, Effect::Promote { .. }));
        let old = rotation(&world, "crm-other").attempt.clone().unwrap().supersedes.unwrap();
        // A person goes elsewhere first, and may come back to what a plain rotation meant to supersede.
        let other = VersionId::parse("a-value-that-a-person-put-by-hand-01").unwrap();
        world.bytes.insert(other.clone(), (8000, None));
        world.live.insert(Live { bytes: 8000, slot: None, main: false, tag: None });
        world.moved_by_hand(&other);
        let mut stood = Vec::new();
        while ended(&world, "crm-other").is_none() {
            if let Some(Effect::MarkOwed { version }) = world.pass(|_| super::Outcome::Fine) {
                stood.push(version);
            }
        }
        assert_eq!(ended(&world, "crm-other"), Some(Ended::Exhausted));
        assert_eq!(stood.contains(&old), alarm, "{stood:?} {:#?}", world.journal);
    }
}

// R12

#[test]
fn a_compromise_takes_the_label_off_what_it_burned_and_off_nothing_else() {
    let mut world = rested(Kind::Tagged);
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.until("the end", |effect| matches!(effect, Effect::Forget { .. }));
    let seed = VersionId::first(&world.resource.own.uid, 0);
    let previous = Stage::parse(Stage::PREVIOUS).unwrap();
    world.stages.retain(|_, stages| !stages.contains(&previous));
    world.stages.entry(seed).or_default().insert(previous);
    let next = rotated(&mut world);
    assert!(
        matches!(&next, Err(Step::Act(effect)) if records(effect, |entry| matches!(entry, Entry::End(_)))),
        "{next:?}"
    );
}

#[test]
fn what_is_waited_for_without_end_is_looked_at_more_and_more_seldom_and_seen_soon_enough_when_it_comes() {
    let mut world = promoting(Kind::Slots);
    let superseded = world.current().cloned().unwrap();
    let day = world.now + SignedDuration::from_hours(24);
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
    pass(&mut world, 120);
    assert!(!world.is_live(&superseded), "{:#?}", world.journal);
    let told = world.journal.rotations.iter().filter_map(|rotation| rotation.ended).map(|(_, at)| at).max().unwrap();
    assert!(told.duration_since(before) < SignedDuration::from_mins(7), "{before} {told}");
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
    pass(&mut world, 120);
    assert!(world.is_live(&candidate));
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

//! Rules of a person's own candidate, and of what must not be in use again, each at the moment in a life where it counts.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use mes_core::effect::Effect;
use mes_core::facts::{Look, Seed, Sight};
use mes_core::journal::{Candidate, Flaw, Outcome as Ended, Rejection, Revocation};
use mes_core::names::{ObjectName, Stage, VersionId};
use mes_core::spec::Onboard;
use world::{Kind, Live, Outcome, World};

fn pass(world: &mut World, times: u32) {
    for _ in 0..times {
        world.pass(|_| Outcome::Fine);
    }
}

/// Onboarded, its seed replaced, at rest.
fn rested(kind: Kind) -> World {
    let mut world = World::new(kind, Onboard::FromSecret);
    pass(&mut world, 200);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
    world
}

fn secret(name: &str) -> Candidate {
    Candidate::FromSecret(ObjectName::parse(name).unwrap())
}

fn ended(world: &World, name: &str) -> Option<Ended> {
    let rotation = world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == name);
    rotation.and_then(|rotation| rotation.ended).map(|(outcome, _)| outcome)
}

/// The partner accepts the bytes of a version again.
fn lives_again(world: &mut World, version: &VersionId) {
    let bytes = world.bytes[version].0;
    world.live.insert(Live { bytes, slot: None, main: false, tag: None });
}

/// At rest after a compromise; the version that it superseded.
fn burned(revocation: Revocation) -> (World, VersionId) {
    let mut world = rested(Kind::Tagged);
    let stolen = world.current().cloned().unwrap();
    world.alarm("crm-alarm", revocation);
    pass(&mut world, 120);
    assert_eq!(ended(&world, "crm-alarm"), Some(Ended::Revoked), "{:#?}", world.journal);
    assert!(!world.is_live(&stolen));
    (world, stolen)
}

#[test]
fn t30_a_rotation_brings_back_no_version_that_a_compromise_superseded() {
    for revocation in [Revocation::WhenProven, Revocation::AtOnce] {
        for lives in [false, true] {
            let (mut world, stolen) = burned(revocation);
            if lives {
                lives_again(&mut world, &stolen);
            }
            let current = world.current().cloned();
            world.bring("crm-back", Candidate::Version(stolen));
            pass(&mut world, 60);
            assert_eq!(ended(&world, "crm-back"), Some(Ended::VersionNotLive), "{:#?}", world.journal);
            assert_eq!(world.current(), current.as_ref());
        }
    }
    // Asked for while the compromise is under way: behind it, and so too late.
    let mut world = rested(Kind::Tagged);
    let stolen = world.current().cloned().unwrap();
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.until("a promotion", |effect| matches!(effect, Effect::Promote { .. }));
    world.bring("crm-back", Candidate::Version(stolen.clone()));
    pass(&mut world, 120);
    assert_eq!(ended(&world, "crm-alarm"), Some(Ended::Revoked), "{:#?}", world.journal);
    assert_eq!(ended(&world, "crm-back"), Some(Ended::VersionNotLive));
    assert!(!world.is_live(&stolen));
}

#[test]
fn t30_a_burned_or_dead_version_that_somebody_makes_current_is_not_delivered_and_does_not_stay() {
    let dead = || {
        let mut world = rested(Kind::Tagged);
        let former = world.current().cloned().unwrap();
        world.request("crm-byhand");
        pass(&mut world, 120);
        assert!(!world.is_live(&former));
        (world, former)
    };
    let mut alive = burned(Revocation::WhenProven);
    lives_again(&mut alive.0, &alive.1);
    for (mut world, bad) in [burned(Revocation::AtOnce), alive, dead()] {
        let good = world.current().cloned().unwrap();
        world.moved_by_hand(&bad);
        let mut back = false;
        for _ in 0..40 {
            world.pass(|_| Outcome::Fine);
            assert_ne!(world.target.as_ref().map(|(_, version)| version), Some(&bad), "it was delivered");
            back |= world.current() == Some(&good);
        }
        assert!(back && world.current() == Some(&good), "{:#?} {:?}", world.journal, world.stages);
    }
}

#[test]
fn what_somebody_makes_current_and_the_partner_accepts_is_followed_and_delivered() {
    let mut world = rested(Kind::Tagged);
    let version = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
    world.bytes.insert(version.clone(), (8000, None));
    world.moved_by_hand(&version);
    let target = world.target.clone();
    pass(&mut world, 3);
    assert_eq!(world.target, target, "not before it is accepted");
    assert_ne!(world.resource.noted.version.as_ref(), Some(&version));
    world.moved_by_hand(&version);
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    pass(&mut world, 10);
    assert_eq!(world.current(), Some(&version));
    assert_eq!(world.target.as_ref().map(|(_, version)| version), Some(&version));
}

#[test]
fn a_compromise_leaves_no_label_that_says_where_one_may_go_back_to() {
    let (world, stolen) = burned(Revocation::WhenProven);
    assert!(!world.stages.contains_key(&stolen), "{:?}", world.stages);
    assert!(world.stages.values().flatten().all(|stage| stage.as_str() == Stage::CURRENT), "{:?}", world.stages);
}

#[test]
fn a_candidate_that_is_refused_disturbs_nothing_and_is_never_put() {
    let reject = |seed: Option<Seed>| {
        let mut world = rested(Kind::Tagged);
        world.request("crm-byhand");
        world.until("a promotion", |effect| matches!(effect, Effect::Promote { .. }));
        let name = ObjectName::parse("crm-new").unwrap();
        match seed {
            Some(seed) => drop(world.answers.insert(Look::Brought(name), Sight::Seed(Ok(Some(seed))))),
            None => drop(world.secrets.insert(name, (7777, None))),
        }
        world.bring("crm-own", secret("crm-new"));
        let mut brought = false;
        for _ in 0..120 {
            brought |= matches!(world.pass(|_| Outcome::Fine), Some(Effect::Bring { .. }));
        }
        assert!(!brought);
        assert_eq!(ended(&world, "crm-byhand"), Some(Ended::Revoked), "what ran went on: {:#?}", world.journal);
        ended(&world, "crm-own").unwrap()
    };
    assert_eq!(reject(None), Ended::CandidateRejected(Rejection::Refused));
    assert_eq!(reject(Some(Seed::WrongType)), Ended::SeedInvalid(Flaw::Type));
    assert_eq!(reject(Some(Seed::Malformed(vec![]))), Ended::SeedInvalid(Flaw::Fields));
    assert_eq!(reject(Some(Seed::WrongHost)), Ended::SeedInvalid(Flaw::Host));
    assert_eq!(reject(Some(Seed::NotGranted(None))), Ended::SeedInvalid(Flaw::Identity));
    assert_eq!(reject(Some(Seed::Admins)), Ended::SeedInvalid(Flaw::Admins));
}

#[test]
fn a_secret_that_comes_after_its_rotation_is_waited_for_and_one_that_never_comes_is_told() {
    for comes in [true, false] {
        let mut world = rested(Kind::Tagged);
        world.bring("crm-own", secret("crm-new"));
        pass(&mut world, 2);
        assert_eq!(ended(&world, "crm-own"), None);
        if comes {
            world.made_by_hand("crm-new", false);
        }
        pass(&mut world, 120);
        let expected = if comes { Ended::Revoked } else { Ended::SeedInvalid(Flaw::Missing) };
        assert_eq!(ended(&world, "crm-own"), Some(expected), "{:#?}", world.journal);
    }
}

#[test]
fn what_waits_without_having_begun_ends_when_a_candidate_begins_and_a_later_request_is_served() {
    let mut world = rested(Kind::Tagged);
    world.request("crm-before");
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    pass(&mut world, 10);
    assert_eq!(ended(&world, "crm-before"), Some(Ended::Superseded), "{:#?}", world.journal);
    world.request("crm-after");
    pass(&mut world, 240);
    assert_eq!((ended(&world, "crm-own"), ended(&world, "crm-after")), (Some(Ended::Revoked), Some(Ended::Revoked)));
}

#[test]
fn what_a_person_brought_and_gave_up_is_left_to_him() {
    let mut world = rested(Kind::Tagged);
    let bytes = world.made_by_hand("crm-new", false).unwrap();
    world.bring("crm-own", secret("crm-new"));
    world.until("a promotion", |effect| matches!(effect, Effect::Promote { .. }));
    let own = world.journal.open().unwrap();
    assert!(own.promoting());
    let mut world = rested(Kind::Tagged);
    world.made_by_hand("crm-new", false).unwrap();
    world.bring("crm-own", secret("crm-new"));
    world.until("the put", |effect| matches!(effect, Effect::Bring { .. }));
    pass(&mut world, 1);
    world.delete_rotation(&ObjectName::parse("crm-own").unwrap());
    pass(&mut world, 80);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
    assert!(world.live.iter().any(|live| live.bytes == bytes), "{:?}", world.live);
    assert!(world.stages.values().flatten().all(|stage| stage.as_str() != Stage::PENDING), "{:?}", world.stages);
}

#[test]
fn where_no_policy_checks_the_right_to_it_a_candidate_is_never_looked_at_nor_a_plain_request() {
    let mut world = rested(Kind::Tagged);
    let current = world.current().cloned();
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    world.journal = world.journal.clone().without_authority();
    pass(&mut world, 20);
    assert_eq!(ended(&world, "crm-own"), Some(Ended::CandidateRejected(Rejection::Unchecked)));
    assert_eq!(world.current(), current.as_ref());
}

/// A person puts the bytes of a version into the Secret `name`.
fn copied(world: &mut World, name: &str, version: &VersionId) {
    let bytes = world.bytes[version].clone();
    world.secrets.insert(ObjectName::parse(name).unwrap(), bytes);
}

#[test]
fn bytes_whose_revocation_is_announced_come_back_by_no_secret_either() {
    for kind in [Kind::Tagged, Kind::Slots] {
        let mut world = rested(kind);
        let before = world.current().cloned().unwrap();
        world.request("crm-byhand");
        world.until("a revocation", |effect| matches!(effect, Effect::Revoke { .. }));
        assert!(world.is_live(&before));
        copied(&mut world, "crm-old", &before);
        world.bring("crm-own", secret("crm-old"));
        pass(&mut world, 300);
        assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
        let told = ended(&world, "crm-own");
        assert!(matches!(told, Some(Ended::CandidateRejected(Rejection::Burned | Rejection::Refused))), "{told:?}");
        let current = world.current().cloned().unwrap();
        assert!(world.is_live(&current) && world.bytes[&current] != world.bytes[&before]);
    }
}

#[test]
fn a_compromise_never_ends_with_the_very_credential_that_it_is_about() {
    for by_version in [true, false] {
        let mut world = rested(Kind::Tagged);
        let stolen = world.current().cloned().unwrap();
        copied(&mut world, "crm-same", &stolen);
        world.alarm("crm-alarm", Revocation::WhenProven);
        let candidate = if by_version { Candidate::Version(stolen.clone()) } else { secret("crm-same") };
        world.journal.rotations.last_mut().unwrap().candidate = Some(candidate);
        pass(&mut world, 300);
        assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
        let told = ended(&world, "crm-alarm");
        assert!(
            matches!(told, Some(Ended::CandidateRejected(Rejection::Burned) | Ended::VersionNotLive)),
            "{by_version} {told:?}"
        );
        assert_eq!(world.current(), Some(&stolen));
        // And a plain one replaces it.
        world.alarm("crm-plain", Revocation::WhenProven);
        pass(&mut world, 300);
        assert_eq!(ended(&world, "crm-plain"), Some(Ended::Revoked));
        assert!(!world.is_live(&stolen));
    }
}

#[test]
fn a_candidate_that_dies_after_it_was_stored_ends_though_nothing_else_works() {
    let mut world = rested(Kind::Tagged);
    world.without_admin();
    let current = world.current().cloned().unwrap();
    let bytes = world.made_by_hand("crm-new", false).unwrap();
    world.dies(&current);
    world.bring("crm-own", secret("crm-new"));
    world.until("the put", |effect| matches!(effect, Effect::Bring { .. }));
    pass(&mut world, 1);
    world.live.retain(|live| live.bytes != bytes);
    pass(&mut world, 200);
    assert_eq!(ended(&world, "crm-own"), Some(Ended::CandidateRejected(Rejection::Refused)), "{:#?}", world.journal);
}

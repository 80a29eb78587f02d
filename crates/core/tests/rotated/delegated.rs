//! Engine `SecretsManager`: what is declared to AWS, and what is told of its rotations.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use mes_core::decide::{Goal, Step, Verdict};
use mes_core::effect::Effect;
use mes_core::facts::{Facts, Look, ManagedRotation, Seed, Sight, StoreSecret};
use mes_core::journal::{Entry, Outcome as Ended, Revocation, Trigger};
use mes_core::names::{PartnerTypeName, RoleArn, Stage, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::{Delegation, Engine, Onboard};

use super::world::{Kind, World};
use super::{act, ended, recorded, rested, rotated, waits};

const ROLE: &str = "arn:aws:iam::123456789012:role/rotation";

fn delegation() -> Delegation {
    Delegation {
        partner_type: PartnerTypeName::parse("BigIDClientSecret").unwrap(),
        metadata: BTreeMap::from([("host".to_owned(), "one".to_owned())]),
        role: RoleArn::parse(ROLE).unwrap(),
        schedule: Some("rate(10 days)".to_owned()),
        window: Some("3h".to_owned()),
        immediately: true,
    }
}

fn declared() -> ManagedRotation {
    ManagedRotation {
        enabled: true,
        schedule: Some("rate(10 days)".to_owned()),
        window: Some("3h".to_owned()),
        role: Some(ROLE.to_owned()),
        metadata: delegation().metadata,
        ..ManagedRotation::default()
    }
}

fn wants(world: &mut World, delegation: Delegation) {
    world.resource.spec.as_mut().unwrap().rotation.engine = Engine::SecretsManager(delegation);
}

/// AWS says this of the secret from now on.
fn aws(world: &mut World, change: impl FnOnce(&mut StoreSecret)) {
    world.answers.remove(&Look::StoreSecret);
    let Sight::StoreSecret(Ok(Some(mut secret))) = world.answer(&Look::StoreSecret) else { panic!("it is there") };
    secret.rotation = Some(declared());
    change(&mut secret);
    world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Ok(Some(secret))));
}

/// Served, at rest, and AWS knows all that is wanted.
fn delegated() -> World {
    let mut world = rested(Kind::Tagged);
    wants(&mut world, delegation());
    aws(&mut world, |_| {});
    assert_eq!(rotated(&mut world), Ok(()));
    world
}

fn version(text: &str) -> VersionId {
    VersionId::parse(text).unwrap()
}

fn stages(of: &[&str]) -> BTreeSet<Stage> {
    of.iter().map(|stage| Stage::parse(*stage).unwrap()).collect()
}

/// AWS rotated: this is current now, and what was is AWSPREVIOUS.
fn rotated_by_aws(world: &mut World) -> (VersionId, VersionId) {
    let (new, old) = (version("made-by-aws-0123456789abcdef012345"), world.current().cloned().unwrap());
    let versions =
        BTreeMap::from([(new.clone(), stages(&[Stage::CURRENT])), (old.clone(), stages(&[Stage::PREVIOUS]))]);
    aws(world, |secret| secret.versions = versions);
    (new, old)
}

fn declares(immediately: bool) -> Verdict {
    Err(Step::Act(Effect::Delegate { immediately }))
}

#[test]
fn each_difference_from_what_aws_knows_is_declared_and_rotates_nothing_at_once() {
    let changes: [fn(&mut ManagedRotation); 5] = [
        |rotation| rotation.enabled = false,
        |rotation| rotation.role = Some("arn:aws:iam::123456789012:role/other".to_owned()),
        |rotation| rotation.metadata.clear(),
        |rotation| rotation.schedule = Some("rate(90 days)".to_owned()),
        |rotation| rotation.window = None,
    ];
    for change in changes {
        let mut world = delegated();
        aws(&mut world, |secret| change(secret.rotation.as_mut().unwrap()));
        assert_eq!(rotated(&mut world), declares(false));
    }
    // Wanted without a schedule or a window, any of AWS's own is none.
    let mut world = delegated();
    wants(&mut world, Delegation { schedule: None, window: None, ..delegation() });
    assert_eq!(rotated(&mut world), Ok(()));
}

#[test]
fn only_the_first_declaration_rotates_at_once_where_that_is_asked_for() {
    for immediately in [true, false] {
        let mut world = delegated();
        wants(&mut world, Delegation { immediately, ..delegation() });
        aws(&mut world, |secret| secret.rotation = None);
        assert_eq!(rotated(&mut world), declares(immediately));
        aws(&mut world, |secret| secret.rotation.as_mut().unwrap().role = None);
        assert_eq!(rotated(&mut world), declares(immediately));
    }
}

#[test]
fn nothing_is_declared_before_the_first_value_is_served() {
    let mut world = World::new(Kind::Tagged, Onboard::FromSecret);
    wants(&mut world, delegation());
    world.answers.insert(Look::Seed, Sight::Seed(Ok(Some(Seed::Refused))));
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason: Reason::NotOnboarded, until: None }));
}

#[test]
fn each_version_that_aws_made_current_has_its_rotation_object() {
    let mut world = delegated();
    let (new, old) = rotated_by_aws(&mut world);
    let opens = rotated(&mut world);
    assert!(matches!(&opens, Err(Step::Act(Effect::Open { trigger: Trigger::Schedule, .. }))), "{opens:?}");
    act(&mut world);
    let name = world.journal.open().unwrap().name.to_string();
    let found = Entry::Found { version: new, supersedes: Some(old) };
    let end = Entry::End(Ended::RevokedByPartner);
    assert_eq!(recorded(&rotated(&mut world)), (name.as_str(), &[found.clone(), end.clone()][..]));
    // Found by a process that died before it said so: only the end is missing.
    let open = world.journal.rotations.last_mut().unwrap();
    *open = open.clone().with(&found, world.now).unwrap();
    assert_eq!(recorded(&rotated(&mut world)), (name.as_str(), &[end][..]));
    act(&mut world);
    assert_eq!(ended(&world, &name), Some(Ended::RevokedByPartner));
    assert_eq!(rotated(&mut world), Ok(()));
}

#[test]
fn what_came_in_is_no_rotation_of_awss() {
    let mut world = delegated();
    world.journal.rotations.clear();
    let first = VersionId::first(&world.resource.own.uid, 0);
    aws(&mut world, |secret| secret.versions = BTreeMap::from([(first, stages(&[Stage::CURRENT]))]));
    assert_eq!(rotated(&mut world), Ok(()));
}

#[test]
fn a_request_or_an_alarm_is_told_that_aws_alone_rotates_and_one_that_nobody_can_read_is_left() {
    let mut world = delegated();
    rotated_by_aws(&mut world);
    world.request("crm-byhand");
    world.alarm("crm-alarm", Revocation::WhenProven);
    let end = [Entry::End(Ended::EngineNotSupported)];
    assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &end[..]));
    act(&mut world);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-alarm", &end[..]));
    let alarm = world.journal.rotations.last_mut().unwrap();
    alarm.unreadable = true;
    let unreadable = Reason::JournalUnreadable(alarm.name.clone());
    assert_eq!(waits(&mut world), unreadable);
}

#[test]
fn a_rotation_of_awss_that_stands_still_is_told_once_its_date_has_passed() {
    let until = |verdict: Verdict| match verdict {
        Err(Step::Wait { reason, until }) => (reason, until),
        other => panic!("{other:?}"),
    };
    let mut world = delegated();
    let (now, pending) = (world.now, version("pending-at-aws-0123456789abcdef01"));
    let stands = |world: &mut World, last, next| {
        aws(world, |secret| {
            secret.versions.insert(pending.clone(), stages(&[Stage::PENDING]));
            let rotation = secret.rotation.as_mut().unwrap();
            (rotation.last, rotation.next) = (last, next);
        });
        until(rotated(world))
    };
    let (past, soon) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(1));
    assert_eq!(stands(&mut world, Some(past), Some(soon)), (Reason::NotDue, Some(soon)));
    let failed = (Reason::RotationFailed, Some(now + world.bounds.settling));
    assert_eq!(stands(&mut world, Some(past), Some(past)), failed);
    assert_eq!(stands(&mut world, Some(past), None), failed);
    assert_eq!(stands(&mut world, None, Some(soon)), failed, "the first one did not come through");
    // AWS leaves AWSPENDING where it put AWSCURRENT.
    let current = world.current().cloned().unwrap();
    aws(&mut world, |secret| {
        secret.versions.insert(current, stages(&[Stage::CURRENT, Stage::PENDING]));
    });
    assert_eq!(rotated(&mut world), Ok(()));
}

#[test]
fn a_rotation_of_awss_that_the_sweep_shows_under_way_is_looked_at_and_no_rest() {
    let mut world = delegated();
    world.resource.noted.settled_generation = Some(world.resource.generation);
    world.tries.first_glimpse(&world.glimpse().targets);
    let asks = |world: &World, pending: Option<VersionId>| {
        let mut glimpse = world.glimpse();
        let line = glimpse.sweep.as_mut().unwrap();
        if let Some(version) = pending {
            line.versions.entry(version).or_default().extend(stages(&[Stage::PENDING]));
        }
        let facts = Facts::at_a_glance(glimpse, world.bounds.clone(), world.tries.clone());
        let decision = mes_core::decide::decide(&world.resource, &facts, &world.journal, world.now);
        (matches!(decision.next(), Err(Step::Look(_))), decision.verdict(Goal::Rotated).cloned())
    };
    assert_eq!(asks(&world, None), (false, Some(Ok(()))));
    assert_eq!(asks(&world, world.current().cloned()), (false, Some(Ok(()))));
    assert!(asks(&world, Some(version("pending-at-aws-0123456789abcdef01"))).0);
}

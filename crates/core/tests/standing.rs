//! Debts that outlive their Rotation or their resource: written on the AWS secret before a finalizer goes, paid from there.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use mes_core::decide::{Step, outlived};
use mes_core::effect::Effect;
use mes_core::facts::{Facts, Look, Sight, Target};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, Journal, Revocation};
use mes_core::names::{TargetName, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::{Deletion, Fate, Onboard};
use world::{Kind, Outcome, World};

const RETAIN: Deletion =
    Deletion { targets: Fate::Retain, store: Fate::Retain, partner: Fate::Retain, recovery_window_days: 30 };
const KINDS: [Kind; 4] = [Kind::Slots, Kind::Staged, Kind::Tagged, Kind::Untagged];

/// The partner, its account or the admin credential is gone.
fn partner_gone(world: &mut World, gone: bool) {
    let fault = || Fault::new(Place::Partner, FaultKind::Denied, "AdminMissing");
    world.blind = gone.then(fault);
}

/// A resource in its second life that has just superseded what was in use, with everything delivered.
fn superseded(kind: Kind) -> (World, VersionId) {
    let mut world = World::new(kind, Onboard::FromSecret);
    rest(&mut world);
    let old = world.current().unwrap().clone();
    world.request("crm-byhand");
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    while world.target.as_ref().map(|(_, version)| version) != world.current() {
        world.pass(|_| Outcome::Fine);
    }
    world.pass(|_| Outcome::Fine);
    assert!(world.is_live(&old) && world.journal.indebted().is_some());
    (world, old)
}

fn rest(world: &mut World) {
    let mut idle = 0;
    for _ in 0..3000 {
        idle = if world.pass(|_| Outcome::Fine).is_some() { 0 } else { idle + 1 };
        let open = world.journal.waiting().next().is_some() || world.resource.deleting.is_some() && world.resource.held;
        if idle > 6 && !open {
            return;
        }
    }
    panic!("it never rests: {world:#?}");
}

fn owed(world: &World) -> BTreeSet<VersionId> {
    let Sight::StoreSecret(Ok(Some(secret))) = world.answer(&Look::StoreSecret) else { return BTreeSet::new() };
    secret.owed().cloned().collect()
}

/// What a sweep does with a secret whose resource is gone; the reason for which it rests, if it does not succeed.
fn sweeps(world: &mut World) -> Option<Reason> {
    let promised = world.debt.clone().expect("it owes").promised;
    world.journal = Journal::default();
    world.resource.noted.onboarded = true;
    world.resource.deletion.partner = if promised.partner { Fate::Remove } else { Fate::Retain };
    world.resource.deletion.store = if promised.store.is_some() { Fate::Remove } else { Fate::Retain };
    let mut last = None;
    for _ in 0..60 {
        world.tries.saw(&world.journal, true, world.now);
        let mut facts = Facts::at_a_glance(world.glimpse(), world.bounds.clone(), world.tries.clone());
        loop {
            match outlived(&world.resource, &facts, world.now) {
                Err(Step::Look(questions)) => {
                    for question in questions {
                        facts.learn(question.clone(), world.answer(&question), world.now);
                    }
                }
                Err(Step::Act(effect)) => {
                    assert!(safe(world, &effect), "{effect:?}");
                    world.finish(&effect, facts, Outcome::Fine);
                    last = None;
                    break;
                }
                Err(Step::Wait { reason, .. } | Step::Blocked(reason)) => {
                    world.tries = facts.tries().clone();
                    last = Some(reason);
                    break;
                }
                Ok(()) => return None,
            }
        }
        world.now += SignedDuration::from_mins(5);
    }
    Some(last.expect("it comes to rest"))
}

/// What is in use anywhere is never ended, but where that was promised.
fn safe(world: &World, effect: &Effect) -> bool {
    let Effect::Revoke { version: Some(version), .. } = effect else { return true };
    let bytes = |version: &VersionId| world.bytes.get(version).map(|(bytes, _)| *bytes);
    let held = world.current().into_iter().chain(world.target.as_ref().map(|(_, version)| version));
    let promised = world.debt.as_ref().is_some_and(|debt| debt.promised.partner);
    promised || held.map(bytes).all(|held| held != bytes(version))
}

#[test]
fn t19_a_namespace_whose_partner_and_admin_are_gone_goes_within_its_bound_and_the_debt_is_paid_later() {
    for kind in KINDS {
        let (mut world, old) = superseded(kind);
        partner_gone(&mut world, true);
        world.delete_resource(RETAIN);
        world.resource.namespace_deleting = Some(world.now);
        let deadline = world.now + SignedDuration::from_mins(16);
        while world.resource.held {
            world.longest_sleep = SignedDuration::from_secs(60);
            let effect = world.pass(|_| Outcome::Fine);
            if matches!(effect, Some(Effect::ReleaseRotation { .. } | Effect::Release { .. })) {
                assert_eq!(owed(&world), BTreeSet::from([old.clone()]), "{kind:?}: written before any finalizer goes");
                assert!(world.debt.is_some());
            }
            assert!(world.now <= deadline, "{kind:?}: {:#?}", world.journal);
        }
        assert!(world.is_live(&old));
        world.crash();
        let why = sweeps(&mut world).expect("the partner is gone");
        assert!(matches!(why, Reason::Fault(_) | Reason::AccessDenied(_)), "{why:?}");
        partner_gone(&mut world, false);
        assert_eq!(sweeps(&mut world), None, "{kind:?}");
        assert!(!world.is_live(&old) && world.is_live(&world.current().unwrap().clone()));
        assert!(owed(&world).is_empty() && world.debt.is_none());
    }
}

#[test]
fn t29_a_resource_deleted_at_any_effect_loses_no_revocation() {
    let mut lives = 0;
    for kind in KINDS {
        let (mut life, _) = superseded(kind);
        life.request("crm-again");
        for at in 0..60 {
            let mut world = life.clone();
            for gone in [false, true] {
                partner_gone(&mut world, gone);
                world.delete_resource(RETAIN);
                world.longest_sleep = SignedDuration::from_mins(10);
                let bound = world.now + SignedDuration::from_hours(25);
                while world.resource.held {
                    world.pass(|_| Outcome::Fine);
                    assert!(world.now < bound, "{kind:?} {at} {gone}: {:?} {:#?}", world.decided().0, world.journal);
                }
                partner_gone(&mut world, false);
                // Nobody carries it to the Secrets that stay, once it is gone.
                let current = world.current().unwrap().clone();
                assert_eq!(world.target.as_ref().map(|(_, version)| version), Some(&current), "{kind:?} {at} {gone}");
                if world.debt.is_some() {
                    assert_eq!(sweeps(&mut world), None, "{kind:?} {at} {gone}: {:?} {:?}", world.live, world.stages);
                }
                let ours = |live: &&world::Live| !world.lost.contains(&live.bytes);
                let live: Vec<u32> = world.live.iter().filter(ours).map(|live| live.bytes).collect();
                assert_eq!(live, [world.bytes[&current].0], "{kind:?} {at} {gone}: {:?}", world.stages);
                lives += 1;
                world = life.clone();
            }
            life.pass(|_| Outcome::Fine);
        }
    }
    assert_eq!(lives, KINDS.len() * 120);
}

#[test]
fn t29_a_deleted_rotation_leaves_its_debt_on_the_secret_and_its_resource_pays_it() {
    for kind in KINDS {
        let (mut world, old) = superseded(kind);
        let name = world.journal.open().unwrap().name.clone();
        world.longest_sleep = SignedDuration::from_mins(10);
        // Overlap and announcement pass; the partner does not come back for a day.
        partner_gone(&mut world, true);
        world.delete_rotation(&name);
        let bound = world.now + SignedDuration::from_hours(24);
        while world.journal.rotations.iter().any(|rotation| rotation.name == name) {
            world.pass(|_| Outcome::Fine);
            assert!(world.now < bound + SignedDuration::from_mins(30), "{kind:?}");
        }
        assert!(world.now >= bound && world.is_live(&old));
        assert_eq!(owed(&world), BTreeSet::from([old.clone()]));
        partner_gone(&mut world, false);
        rest(&mut world);
        assert!(!world.is_live(&old), "{kind:?}: {:?} {:?}", world.live, world.stages);
        assert!(owed(&world).is_empty() && world.debt.is_none());
        assert!(world.is_live(&world.current().unwrap().clone()));
    }
}

#[test]
fn t29_what_only_waits_for_its_overlap_is_written_at_once_and_nobody_is_held_until_it_is_over() {
    for kind in KINDS {
        let (mut world, old) = superseded(kind);
        let due = world.journal.indebted().unwrap().promoted.unwrap() + SignedDuration::from_hours(1);
        world.delete_resource(RETAIN);
        let began = world.now;
        while world.resource.held {
            world.pass(|_| Outcome::Fine);
            assert!(world.now.duration_since(began) < SignedDuration::from_secs(60), "{kind:?}: {:#?}", world.journal);
        }
        assert_eq!(owed(&world), BTreeSet::from([old.clone()]));
        let written = world.debt.clone().unwrap();
        assert!(written.due().is_some_and(|at| at >= due && at <= due + SignedDuration::from_secs(1)), "{kind:?}");

        // Whoever takes it back and leaves again, without a journal of his own, does not shorten it.
        world.journal = Journal::default();
        (world.resource.held, world.resource.deleting) = (true, None);
        world.delete_resource(RETAIN);
        while world.resource.held {
            let effect = world.pass(|_| Outcome::Fine);
            assert!(!matches!(effect, Some(Effect::WriteDebt(_) | Effect::Revoke { .. })), "{kind:?}: {effect:?}");
            assert!(world.now < due, "{kind:?}");
        }
        assert_eq!(world.debt, Some(written));
        assert_eq!(sweeps(&mut world), None, "{kind:?}");
        assert!(!world.is_live(&old) && world.now >= due && world.is_live(&world.current().unwrap().clone()));
    }
}

#[test]
fn what_no_tag_can_say_is_waited_for_by_the_resource_itself() {
    let (mut world, old) = superseded(Kind::Tagged);
    let long = |number: u32| (format!("parameter{number}"), "x".repeat(100));
    world.resource.spec.as_mut().unwrap().parameters = (0..5).map(long).collect();
    world.delete_resource(RETAIN);
    while world.resource.held {
        let effect = world.pass(|_| Outcome::Fine);
        assert!(!matches!(effect, Some(Effect::WriteDebt(_))));
    }
    assert!(!world.is_live(&old), "it was held until it was paid");
}

#[test]
fn a_secret_that_owes_is_not_deleted_and_a_promised_revocation_is_kept_after_the_resource() {
    for (kind, partner) in [(Kind::Tagged, Fate::Retain), (Kind::Tagged, Fate::Remove), (Kind::Slots, Fate::Remove)] {
        let (mut world, old) = superseded(kind);
        let current = world.current().unwrap().clone();
        partner_gone(&mut world, true);
        world.delete_resource(Deletion { store: Fate::Remove, partner, ..RETAIN });
        world.longest_sleep = SignedDuration::from_mins(10);
        while world.resource.held {
            let effect = world.pass(|_| Outcome::Fine);
            assert!(!matches!(effect, Some(Effect::DeleteSecret { .. })), "it owes");
        }
        assert!(world.made && world.is_live(&old));
        partner_gone(&mut world, false);
        assert_eq!(sweeps(&mut world), None);
        assert!(!world.made && !world.is_live(&old));
        assert_eq!(world.is_live(&current), partner == Fate::Retain, "{partner:?}");
    }
}

#[test]
fn what_a_target_that_stays_still_holds_is_not_revoked_from_the_secret() {
    let (mut world, old) = superseded(Kind::Tagged);
    let (revision, _) = world.target.clone().unwrap();
    world.target = Some((revision, old.clone()));
    // Nobody can write it.
    let name = TargetName::parse("crm").unwrap();
    let Sight::Target(Ok(Some(seen))) = world.answer(&Look::Target(name.clone())) else { panic!("it is there") };
    let immutable = Target { immutable: true, ..seen };
    world.answers.insert(Look::Target(name), Sight::Target(Ok(Some(immutable))));
    partner_gone(&mut world, true);
    world.delete_resource(RETAIN);
    world.longest_sleep = SignedDuration::from_mins(10);
    while world.resource.held {
        world.pass(|_| Outcome::Fine);
    }
    partner_gone(&mut world, false);
    assert!(matches!(sweeps(&mut world), Some(Reason::TargetCarriesOld(_))));
    assert!(world.is_live(&old) && owed(&world).contains(&old));
}

#[test]
fn what_a_compromise_took_over_is_paid_though_it_was_given_up() {
    // Where the partner has room for one more: else what is owed is paid before.
    let (mut world, old) = superseded(Kind::Tagged);
    world.alarm("crm-alarm", Revocation::WhenProven);
    world.longest_sleep = SignedDuration::from_mins(10);
    // It takes over what is owed, and then no candidate of its own is ever accepted.
    world.until("Mint", |effect| matches!(effect, Effect::Mint { .. } | Effect::Compose { .. }));
    let alarm = world.journal.rotations.iter().find(|rotation| rotation.is_alarm()).unwrap();
    assert!(!alarm.owed.is_empty() && world.is_live(&old), "{:#?}", world.journal);
    let name = alarm.name.clone();
    world.bounds.attempts = 1;
    world.refuses_candidates = true;
    for _ in 0..2000 {
        world.pass(|_| Outcome::Fine);
        if world.journal.rotations.iter().all(|rotation| rotation.name != name || rotation.ended.is_some()) {
            break;
        }
    }
    rest(&mut world);
    assert!(!world.is_live(&old), "{:#?} {:?}", world.journal, world.stages);
    assert!(world.is_live(&world.current().unwrap().clone()) && owed(&world).is_empty());
}

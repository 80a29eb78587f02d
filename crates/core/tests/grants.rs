//! What becomes of a rotation when a grant is withdrawn in the middle of it: nothing new is done, what holders carry stays,
//! and what was superseded is still revoked, by the proofs that any revocation asks for.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::facts::{Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, Outcome as Ended};
use mes_core::names::{Identity, ObjectName, Region, VersionId};
use mes_core::reason::Reason;
use mes_core::scope::Debts;
use mes_core::spec::{Onboard, Spec};
use world::{Kind, Outcome, World};

const KINDS: [Kind; 3] = [Kind::Slots, Kind::Staged, Kind::Tagged];

fn is_payment(effect: &Effect) -> bool {
    match effect {
        Effect::Record { entries, .. } => entries.iter().all(|entry| matches!(entry, Entry::Doom(..) | Entry::Paid(_))),
        Effect::Revoke { .. } | Effect::Activate { .. } => true,
        _ => false,
    }
}

fn is_promoted(effect: &Effect) -> bool {
    matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted))
}

/// The grant is gone; the shell remembers what it granted if it has seen it with the debt.
fn withdrawn(world: &mut World, remembered: bool) -> Spec {
    let refused = Reason::StoreNotAllowed(ObjectName::parse("default").unwrap());
    assert!(Debts::are_left_by(&refused));
    let granted = world.spec().clone();
    world.resource.debts = remembered.then(|| Debts::of(&granted));
    world.resource.spec = Err(refused);
    granted
}

fn again(world: &mut World, granted: Spec) {
    world.resource.spec = Ok(granted);
    world.resource.debts = None;
}

/// So many passes, and all that they did. `odd`: every so many effects goes wrong in this way.
fn passes(world: &mut World, count: usize, odd: Option<(usize, Outcome)>) -> Vec<Effect> {
    let mut number = 0;
    let all = (0..count).filter_map(|_| {
        world.pass(|_| {
            number += 1;
            odd.filter(|(every, _)| number % every == 0).map_or(Outcome::Fine, |(_, outcome)| outcome)
        })
    });
    all.collect()
}

/// In the overlap of its first rotation, every holder served: the version that is superseded.
fn in_overlap(kind: Kind) -> (World, VersionId) {
    let mut world = World::new(kind, Onboard::FromSecret);
    world.until("Promoted", is_promoted);
    let superseded = world.journal.open().and_then(|open| open.attempt.clone()).unwrap().supersedes.unwrap();
    for _ in 0..30 {
        world.pass(|_| Outcome::Fine);
        let carried = world.target.as_ref().map(|(_, version)| version.clone());
        if carried.as_ref() == world.current() && world.journal.indebted().is_some() {
            assert!(world.is_live(&superseded));
            return (world, superseded);
        }
    }
    panic!("never delivered: {:#?}", world.journal);
}

#[test]
fn t03_after_a_grant_is_withdrawn_what_was_superseded_is_revoked_and_nothing_else_is_done() {
    for kind in KINDS {
        for odd in [None, Some((2, Outcome::Lost)), Some((3, Outcome::Refused))] {
            let (mut world, superseded) = in_overlap(kind);
            let (current, target) = (world.current().cloned().unwrap(), world.target.clone());
            let (stages, replica) = (world.stages.clone(), world.replica.clone());
            let granted = withdrawn(&mut world, true);
            let done = passes(&mut world, 200, odd);
            assert!(done.iter().all(is_payment), "{kind:?} {odd:?}: {done:#?}");
            assert!(!world.is_live(&superseded), "{kind:?} {odd:?}: {:#?}", world.journal);
            assert!(world.is_live(&current) && world.journal.indebted().is_none());
            assert_eq!((&world.target, &world.stages, &world.replica), (&target, &stages, &replica), "all stays");
            // The rest of the rotation waits for the grant.
            assert_eq!(world.journal.waiting().count(), 1);
            again(&mut world, granted);
            passes(&mut world, 60, None);
            assert_eq!(world.journal.rotations[0].ended.map(|(ended, _)| ended), Some(Ended::Revoked), "{kind:?}");
        }
    }
}

#[test]
fn t24_after_an_edit_to_an_account_that_does_not_grant_nothing_is_done_but_payments() {
    let identity = || Identity::parse("db.example.com/payments_a").unwrap();
    for kind in KINDS {
        for refused in [
            Reason::AccountNotAllowed(ObjectName::parse("other").unwrap()),
            Reason::IdentityNotAllowed(identity()),
            Reason::IdentityInUse(identity()),
        ] {
            let (mut world, superseded) = in_overlap(kind);
            let (stages, target, replica) = (world.stages.clone(), world.target.clone(), world.replica.clone());
            let granted = world.spec().clone();
            world.resource.debts = Debts::are_left_by(&refused).then(|| Debts::of(&granted));
            world.resource.spec = Err(refused.clone());
            let done = passes(&mut world, 100, None);
            assert!(done.iter().all(is_payment), "{kind:?} {refused:?}: {done:#?}");
            assert_eq!((&world.stages, &world.target, &world.replica), (&stages, &target, &replica), "{refused:?}");
            assert_eq!(world.is_live(&superseded), matches!(refused, Reason::IdentityInUse(_)), "{kind:?} {refused:?}");
        }
    }
}

#[test]
fn t03_a_process_that_never_saw_the_grant_pays_nothing_and_asks_nothing() {
    for kind in KINDS {
        let (mut world, superseded) = in_overlap(kind);
        let granted = withdrawn(&mut world, false);
        world.crash();
        for _ in 0..50 {
            let (next, _, facts) = world.decided();
            assert!(matches!(next, Err(Step::Blocked(Reason::StoreNotAllowed(_)))), "{next:?}");
            assert_eq!(facts.store_secret(), None, "nothing was looked at");
            world.pass(|_| Outcome::Fine);
        }
        assert!(world.is_live(&superseded));
        again(&mut world, granted);
        passes(&mut world, 200, None);
        assert!(!world.is_live(&superseded));
    }
}

#[test]
fn t03_a_grant_withdrawn_at_any_other_moment_of_a_rotation_stops_every_effect() {
    for kind in KINDS {
        let mut world = World::new(kind, Onboard::FromSecret);
        // One effect further each time, up to the promotion.
        loop {
            let mut stopped = world.clone();
            let before = (stopped.live.clone(), stopped.stages.clone(), stopped.target.clone());
            withdrawn(&mut stopped, true);
            assert_eq!(passes(&mut stopped, 40, None), vec![], "{kind:?}: {:#?}", stopped.journal);
            assert_eq!((stopped.live, stopped.stages, stopped.target), before);
            let effect = world.until("the next effect", |_| true);
            let over = is_promoted(&effect);
            world.pass(|_| Outcome::Fine);
            if over {
                break;
            }
        }
    }
}

#[test]
fn t03_a_debt_is_not_paid_while_a_holder_carries_the_old_version_or_can_not_be_read() {
    let region = || Look::Replica(Region::parse("eu-west-1").unwrap());
    for kind in KINDS {
        // The target was not written yet.
        let mut world = World::new(kind, Onboard::FromSecret);
        world.until("Promoted", is_promoted);
        let superseded = world.journal.open().and_then(|open| open.attempt.clone()).unwrap().supersedes.unwrap();
        world.pass(|_| Outcome::Fine);
        if world.target.as_ref().is_none_or(|(_, version)| Some(version) != world.current()) {
            let granted = withdrawn(&mut world, true);
            assert_eq!(passes(&mut world, 100, None), vec![], "{kind:?}");
            assert!(world.is_live(&superseded));
            again(&mut world, granted);
            passes(&mut world, 200, None);
            assert!(!world.is_live(&superseded));
        }
        // A region does not answer, or answers with the old one.
        let (world, superseded) = in_overlap(kind);
        let fault = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
        for answer in [
            Sight::Replica(Err(fault.clone())),
            Sight::Replica(Ok(Some(mes_core::facts::Replica { current: Some(superseded.clone()) }))),
        ] {
            let mut world = world.clone();
            world.answers.insert(region(), answer);
            withdrawn(&mut world, true);
            assert_eq!(passes(&mut world, 100, None), vec![], "{kind:?}");
            assert!(world.is_live(&superseded));
            world.answers.clear();
            passes(&mut world, 100, None);
            assert!(!world.is_live(&superseded));
        }
    }
}

#[test]
fn t03_a_debt_whose_bytes_awscurrent_holds_again_is_not_paid() {
    for kind in KINDS {
        let (mut world, superseded) = in_overlap(kind);
        world.moved_by_hand(&superseded);
        withdrawn(&mut world, true);
        assert_eq!(passes(&mut world, 200, None), vec![], "{kind:?}: {:#?}", world.journal);
        assert!(world.is_live(&superseded));
    }
}

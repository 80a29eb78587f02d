//! Laws of every decision, over random scenes. Each seed is a scene; a failing one is printed by proptest and lives it again.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

#[allow(dead_code, reason = "other tests use the rest")]
mod scene;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use mes_core::decide::{Step, Verdict, every};
use mes_core::effect::Effect;
use mes_core::facts::Look;
use mes_core::names::{Revision, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::Onboard;
use mes_core::tries::Tries;
use proptest::prelude::*;
use scene::{Dice, Scene};
use world::{Kind, Outcome, World};

/// What takes something away, or puts something in the place of what was there.
fn destroys(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Revoke { .. }
            | Effect::Activate { .. }
            | Effect::RemoveReplica { .. }
            | Effect::RemoveTarget { .. }
            | Effect::DeleteSecret { .. }
            | Effect::Promote { .. }
            | Effect::Register { .. }
            | Effect::Discard { .. }
            | Effect::Forget { .. }
    )
}

fn acts(verdict: &Verdict) -> Option<&Effect> {
    match verdict {
        Err(Step::Act(effect)) => Some(effect),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_decision_is_total_deterministic_and_asks_nothing_twice(seed: u64) {
        let scene = Scene::of(seed);
        let (one, asked) = scene.whole(None);
        let (other, again) = scene.whole(None);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(asked, again);
        prop_assert!(!matches!(one.next(), Err(Step::Look(_))));
    }

    /// Where a question could not be answered, a goal destroys only what it would destroy with the answer too; or, with the
    /// answer, it has something else to do first that hides it.
    #[test]
    fn what_could_not_be_read_destroys_nothing(seed: u64) {
        let scene = Scene::of(seed);
        let (seeing, asked) = scene.whole(None);
        for question in &asked {
            let (blind, _) = scene.whole(Some(question));
            for (goal, verdict) in &blind.goals {
                let Some(effect) = acts(verdict).filter(|effect| destroys(effect)) else { continue };
                let known = seeing.verdict(*goal);
                prop_assert!(
                    known.is_some_and(|known| acts(known).is_some()),
                    "{:?} without {:?}; with it {:?}", effect, question, known
                );
            }
        }
    }

    #[test]
    fn a_suspended_resource_acts_nowhere(seed: u64) {
        let mut scene = Scene::of(seed);
        scene.world.resource.suspended = true;
        scene.world.resource.deleting = None;
        let (decision, _) = scene.whole(None);
        for (goal, verdict) in &decision.goals {
            prop_assert!(acts(verdict).is_none(), "{:?}: {:?}", goal, verdict);
        }
    }

    /// After a restart nobody has a right: only the way forward from what must not be in use, or is refused, moves
    /// AWSCURRENT without one (P20).
    #[test]
    fn no_announced_call_is_made_without_its_right(seed: u64) {
        let mut scene = Scene::of(seed);
        scene.world.crash();
        let (decision, _) = scene.whole(None);
        for effect in decision.goals.iter().filter_map(|(_, verdict)| acts(verdict)) {
            prop_assert!(effect.right().is_none(), "{:?}", effect);
            let announced = matches!(effect, Effect::Mint { .. } | Effect::Compose { .. } | Effect::Register { .. });
            prop_assert!(!announced, "{:?}", effect);
            if let Effect::Promote { from, .. } = effect {
                let unfit = |from: &VersionId| scene.world.journal.unfit(from) || !scene.accepts(from);
                prop_assert!(from.as_ref().is_some_and(unfit), "{:?}", effect);
            }
        }
    }

    #[test]
    fn every_record_follows_what_its_journal_holds(seed: u64) {
        let scene = Scene::of(seed);
        let (decision, _) = scene.whole(None);
        for effect in decision.goals.iter().filter_map(|(_, verdict)| acts(verdict)) {
            let Effect::Record { uid, onto, entries, .. } = effect else { continue };
            let rotation = scene.world.journal.rotations.iter().find(|rotation| rotation.uid == *uid).unwrap();
            prop_assert_eq!(&rotation.revision, onto);
            let recorded = entries.iter().try_fold(rotation.clone(), |rotation, entry| rotation.with(entry, scene.world.now));
            prop_assert!(recorded.is_ok(), "{:?} onto {:#?}", entries, rotation);
        }
    }

    /// A retry of what just failed waits: no step loops hot.
    #[test]
    fn an_effect_that_failed_is_not_decided_again_at_once(seed: u64) {
        let scene = Scene::of(seed);
        let (decision, _) = scene.whole(None);
        let Some(effect) = acts(&decision.next()).cloned() else { return Ok(()) };
        let fault = scene::any_fault(&mut Dice(seed));
        let mut again = scene;
        for _ in 0..2 {
            again.world.tries.tried(&effect, &Err(fault.clone()), again.world.now);
        }
        let (decision, _) = again.whole(None);
        let next = decision.next();
        prop_assert_ne!(acts(&next), Some(&effect));
    }

    #[test]
    fn the_next_step_is_the_first_look_or_act_else_the_earliest_wait_else_the_first_block(steps in steps()) {
        let next = every(steps.clone());
        let mut looks = BTreeSet::new();
        let mut act = None;
        for step in steps.iter().filter_map(|verdict| verdict.as_ref().err()) {
            match step {
                Step::Look(questions) => looks.extend(questions.clone()),
                Step::Act(effect) => { act = Some(effect.clone()); break; }
                _ => {}
            }
        }
        let waits = steps.iter().filter_map(|verdict| match verdict {
            Err(Step::Wait { until, .. }) => Some(until.unwrap_or(Timestamp::MAX)),
            _ => None,
        }).min();
        match next {
            Ok(()) => prop_assert!(steps.iter().all(Result::is_ok)),
            Err(Step::Look(questions)) => prop_assert_eq!(questions, looks),
            Err(Step::Act(effect)) => { prop_assert!(looks.is_empty()); prop_assert_eq!(Some(effect), act); }
            Err(Step::Wait { until, .. }) => {
                prop_assert!(looks.is_empty() && act.is_none());
                prop_assert_eq!(Some(until.unwrap_or(Timestamp::MAX)), waits);
            }
            Err(Step::Blocked(reason)) => {
                prop_assert!(looks.is_empty() && act.is_none() && waits.is_none());
                let first = steps.iter().find_map(|verdict| match verdict { Err(Step::Blocked(first)) => Some(first), _ => None });
                prop_assert_eq!(first, Some(&reason));
            }
        }
    }

    /// Nothing is told to people that a terminal, a log or a page can't show, and every message says something.
    #[test]
    fn every_reason_has_a_code_and_a_printable_message(seed: u64) {
        let (decision, _) = Scene::of(seed).whole(None);
        for (_, verdict) in &decision.goals {
            let Err(Step::Wait { reason, .. } | Step::Blocked(reason)) = verdict else { continue };
            let text = reason.to_string();
            prop_assert!(!text.is_empty() && text.len() <= 1024 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
            prop_assert!(reason.code().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Verdict>> {
    let until = prop_oneof![
        Just(None),
        (0i64..5).prop_map(|seconds| Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)))
    ];
    let step = prop_oneof![
        3 => Just(Ok(())),
        1 => prop_oneof![Just(Look::Seed), Just(Look::StoreSecret), Just(Look::Labelled)].prop_map(|look| Err(Step::Look(BTreeSet::from([look])))),
        1 => prop_oneof![Just(Effect::Hold), Just(Effect::Release { onto: Revision::parse("1").unwrap() })].prop_map(|effect| Err(Step::Act(effect))),
        2 => until.prop_map(|until| Err(Step::Wait { reason: Reason::Settling, until })),
        2 => prop_oneof![Just(Reason::SeedRejected), Just(Reason::CredentialRejected)].prop_map(|reason| Err(Step::Blocked(reason))),
    ];
    proptest::collection::vec(step, 0..7)
}

#[test]
fn at_rest_nothing_is_asked_and_nothing_done_and_each_change_ends_it() {
    for kind in [Kind::Slots, Kind::Staged, Kind::Tagged] {
        let mut world = World::new(kind, Onboard::FromSecret);
        for _ in 0..150 {
            world.pass(|_| Outcome::Fine);
        }
        world.crash();
        world.resource.noted.settled_generation = Some(world.resource.generation);
        world.tries.first_glimpse(&world.glimpse().targets);
        let asks = |world: &World, change: &dyn Fn(&mut mes_core::facts::Glimpse)| {
            let mut glimpse = world.glimpse();
            change(&mut glimpse);
            let facts = mes_core::facts::Facts::at_a_glance(glimpse, world.bounds.clone(), world.tries.clone());
            matches!(
                mes_core::decide::decide(&world.resource, &facts, &world.journal, world.now).next(),
                Err(Step::Look(_))
            )
        };
        assert!(!asks(&world, &|_| {}), "{kind:?} is at rest");
        assert!(asks(&world, &|glimpse| glimpse.verify_due = true));
        assert!(asks(&world, &|glimpse| glimpse.read_again = true));
        assert!(asks(&world, &|glimpse| glimpse.targets.clear()), "a target is gone");
        assert!(asks(&world, &|glimpse| {
            for (revision, _) in glimpse.targets.values_mut() {
                *revision = Revision::parse("edited").unwrap();
            }
        }));
        assert!(asks(&world, &|glimpse| glimpse.sweep.as_mut().unwrap().current = None));
        assert!(asks(&world, &|glimpse| glimpse.sweep.as_mut().unwrap().scheduled_for_deletion = true));
        world.resource.generation += 1;
        assert!(asks(&world, &|_| {}), "the spec was edited");
        world.resource.generation -= 1;
        world.request("crm-byhand");
        let facts = mes_core::facts::Facts::at_a_glance(world.glimpse(), world.bounds.clone(), Tries::default());
        let next = mes_core::decide::decide(&world.resource, &facts, &world.journal, world.now).next();
        assert!(matches!(next, Err(Step::Look(_) | Step::Act(_))), "a request ends it: {next:?}");
    }
}

//! The rules of `goals/rotated`, a module for each of its files: what a line of the protocol asks for, at the moment in a
//! life where it counts. `cargo xtask mutants` tells which line no test here or elsewhere asks for.

mod brought;
mod candidate;
mod delegated;
mod due;
mod kept;
mod mints;
mod orphans;
mod outside;
mod promotion;
mod retirement;
#[allow(dead_code, reason = "the model uses the rest of its world")]
#[path = "../world/mod.rs"]
mod world;

use mes_core::decide::{Goal, Step, Verdict, decide};
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Credential, Facts, Look, Sight};
use mes_core::journal::{Entry, Outcome as Ended, Rotation};
use mes_core::reason::Reason;
use mes_core::spec::Onboard;
use world::moments::{
    candidate, effect, is_intend, is_mint, is_promote, is_promoting, is_register, records, rotating, superseded,
};
use world::{Kind, Outcome, World};

fn pass(world: &mut World, times: u32) {
    for _ in 0..times {
        world.pass(|_| Outcome::Fine);
    }
}

/// Passes until this holds.
fn passes(world: &mut World, mut stop: impl FnMut(&mut World) -> bool) {
    for _ in 0..600 {
        if stop(world) {
            return;
        }
        pass(world, 1);
    }
    panic!("it never came: {:#?}", world.journal);
}

/// The same, about to announce its promotion.
fn promoting(kind: Kind) -> World {
    rotating(kind, "Promoting", is_promoting).0
}

/// The open rotation is deleted.
fn deleted_now(world: &mut World) {
    let name = world.journal.open().unwrap().name.clone();
    world.delete_rotation(&name);
}

/// Onboarded, its seed replaced, at rest.
fn rested(kind: Kind) -> World {
    let mut world = World::new(kind, Onboard::FromSecret);
    pass(&mut world, 200);
    assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
    world
}

/// A requested rotation that is about to do this.
fn requested(kind: Kind, what: &str, stop: impl Fn(&Effect) -> bool) -> (World, Effect) {
    let mut world = rested(kind);
    world.request("crm-byhand");
    let effect = world.until(what, stop);
    (world, effect)
}

/// What the goal says now, whatever the others have to do first, and the facts that it says so from.
fn judged(world: &mut World) -> (Verdict, Facts) {
    let (_, mut decision, mut facts) = world.decided();
    loop {
        let verdict = decision.verdict(Goal::Rotated).cloned().unwrap();
        let Err(Step::Look(questions)) = verdict else { return (verdict, facts) };
        for question in questions {
            let sight = world.answer(&question);
            facts.learn(question, sight, world.now);
        }
        decision = decide(&world.resource, &facts, &world.journal, world.now);
    }
}

fn rotated(world: &mut World) -> Verdict {
    judged(world).0
}

/// The question like this that the goal asks now, if it does.
fn asks(world: &World, like: impl Fn(&Look) -> bool) -> Option<Look> {
    let mut facts = Facts::at_a_glance(world.glimpse(), world.bounds.clone(), world.tries.clone());
    loop {
        let decision = decide(&world.resource, &facts, &world.journal, world.now);
        let Some(Err(Step::Look(questions))) = decision.verdict(Goal::Rotated) else { return None };
        for question in questions {
            if like(question) {
                return Some(question.clone());
            }
            facts.learn(question.clone(), world.answer(question), world.now);
        }
    }
}

/// The list that the goal asks for now, and what it shows.
fn listing(world: &World) -> (Look, Vec<Credential>) {
    let listing = asks(world, |look| matches!(look, Look::Credentials { .. })).unwrap();
    let Sight::Credentials(Ok(Some(shown))) = world.answer(&listing) else { panic!("it answers") };
    (listing, shown)
}

/// What the goal does now is done.
fn act(world: &mut World) -> Effect {
    let (verdict, facts) = judged(world);
    let Err(Step::Act(effect)) = verdict else { panic!("nothing to do: {verdict:?}") };
    world.finish(&effect, facts, Outcome::Fine);
    effect
}

/// What is next with nothing asked: at rest, or a look.
fn glanced(world: &World) -> Verdict {
    let facts = Facts::at_a_glance(world.glimpse(), world.bounds.clone(), world.tries.clone());
    decide(&world.resource, &facts, &world.journal, world.now).next()
}

fn waits(world: &mut World) -> Reason {
    match rotated(world) {
        Err(Step::Wait { reason, .. }) => reason,
        other => panic!("no wait: {other:?}"),
    }
}

/// A requested rotation in its overlap.
fn overlapping(kind: Kind) -> World {
    let mut world = rested(kind);
    world.request("crm-byhand");
    let rests = |world: &mut World| matches!(rotated(world), Err(Step::Wait { reason: Reason::WaitingForOverlap, .. }));
    passes(&mut world, |world| rests(world) && world.decided().0 == rotated(world));
    world
}

/// The partner says this of the candidate from now on.
fn says(world: &mut World, answer: Acceptance) {
    let version = candidate(world);
    world.answers.insert(Look::Acceptance(version), Sight::Acceptance(Ok(Some(answer))));
}

/// The entries that the goal wants recorded now, and in which rotation.
fn recorded(verdict: &Verdict) -> (&str, &[Entry]) {
    match verdict {
        Err(Step::Act(Effect::Record { rotation, entries, .. })) => (rotation.as_str(), entries),
        other => panic!("no record: {other:?}"),
    }
}

fn rotation<'a>(world: &'a World, name: &str) -> &'a Rotation {
    world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == name).unwrap()
}

fn ended(world: &World, name: &str) -> Option<Ended> {
    rotation(world, name).ended.map(|(outcome, _)| outcome)
}

//! L1 from every state: one leader that nothing disturbs brings it to rest, whatever others left on its way.
//!
//! What this walk has passed once it knows, so that each state is walked through once. Called by `rules.rs`.

use std::hash::{DefaultHasher, Hash, Hasher};

use mes_core::decide::{Step, Verdict};
use mes_core::names::Stage;

use crate::search::{Search, Stale};
use crate::state::{Left, State};
use crate::world::{Kind, World};

const NOTHING: Left = Left { faults: 0, hands: 0, pauses: 0, stale: 0, rotations: 0 };

/// More steps than any rest takes.
const MOST: usize = 600;

/// The rule that is broken where it comes to rest, or that it does.
pub(crate) fn broken(search: &Search, from: &State) -> Option<&'static str> {
    let mut state = from.clone();
    state.left = NOTHING;
    for call in std::mem::take(&mut state.late) {
        state = search.landed(&state, call);
    }
    for who in 0..state.leaders.len() {
        if let Some(call) = state.leaders[who].decided.take() {
            state = search.landed(&state, call);
        }
    }
    state.leaders.truncate(1);
    let (mut passed, mut more) = (Vec::new(), 0_u8);
    for _ in 0..MOST {
        let here = key(&state, more);
        if search.rests.lock().unwrap().contains(&here) {
            search.rests.lock().unwrap().extend(passed);
            return None;
        }
        passed.push(here);
        if let Some(next) = search.undisturbed(&state) {
            state = next;
            continue;
        }
        match judged(search, &state) {
            Rest::Broken(rule) => return Some(rule),
            Rest::Persons(next) => state = *next,
            // What a person's decision left alive, the next rotations owe.
            Rest::Good if more < 2 && state.past.hands && state.slim.deleting.is_none() => {
                more += 1;
                state = search.asked(&state);
            }
            Rest::Good => {
                let rule = clean(search, &state);
                if rule.is_none() {
                    search.rests.lock().unwrap().extend(passed);
                }
                return rule;
            }
            Rest::Told => {
                search.rests.lock().unwrap().extend(passed);
                return None;
            }
        }
    }
    Some("L1")
}

enum Rest {
    Good,
    /// It waits for a person, and says so.
    Told,
    /// It waits for a person, who did what was asked for.
    Persons(Box<State>),
    Broken(&'static str),
}

fn judged(search: &Search, state: &State) -> Rest {
    let world = search.world(state);
    let waits = world.journal.waiting().next().is_some();
    let theirs: Vec<u32> = state.past.strangers.iter().chain(&world.lost).copied().collect();
    let there = world.live.iter().any(|live| theirs.contains(&live.bytes));
    if world.resource.deleting.is_some() {
        return match world.resource.held || world.journal.rotations.iter().any(|rotation| rotation.held) {
            // A main pair ends only by another's taking its place: told (`StillMain`).
            true if world.kind == Kind::Staged && world.live.len() - theirs.len() == 1 => Rest::Told,
            true => Rest::Broken("S15"),
            false => Rest::Good,
        };
    }
    match () {
        // Nothing works but what nobody knows: a person brings a new one.
        () if world.told_lost() => Rest::Told,
        // Nothing tells a lost credential from somebody's: its owner ends it, and so it goes on.
        () if waits && there => {
            let mut next = state.clone();
            next.slim.live.retain(|live| !theirs.contains(&live.bytes));
            next.slim.lost.clear();
            Rest::Persons(Box::new(next))
        }
        () if waits => Rest::Broken("L1"),
        () => Rest::Good,
    }
}

/// At rest one credential lives, and no label is left that should not be.
fn clean(search: &Search, state: &State) -> Option<&'static str> {
    let world = search.world(state);
    let ours: Vec<u32> = world
        .live
        .iter()
        .filter(|live| live.tag.is_some() || !state.past.unlabelled.contains(&live.bytes))
        .map(|live| live.bytes)
        .filter(|bytes| !state.past.strangers.contains(bytes) && !told_apart_by_none(&world, *bytes))
        .collect();
    if world.resource.deleting.is_some() {
        return (!ours.is_empty()).then_some("S15");
    }
    let current = world.current().and_then(|current| world.bytes.get(current)).map(|(bytes, _)| *bytes);
    let labels = |stage: &Stage| [Stage::CURRENT, Stage::PREVIOUS].contains(&stage.as_str());
    match () {
        () if world.current().is_none_or(|current| world.journal.unfit(current)) => Some("P20"),
        () if world.stages.values().flatten().any(|stage| !labels(stage)) => Some("P22"),
        () if ours.iter().any(|bytes| Some(*bytes) != current) => Some("P5"),
        () if current.is_none_or(|current| !ours.contains(&current)) => Some("S1"),
        () if world.target.as_ref().map(|(_, version)| version) != world.current() => Some("L1"),
        () if world.resource.held && world.resource.deletion.partner == mes_core::spec::Fate::Retain => Some("L1"),
        () => None,
    }
}

/// A lost value without a mark is its owner's to end.
fn told_apart_by_none(world: &World, bytes: u32) -> bool {
    world.kind != Kind::Tagged && world.lost.contains(&bytes)
}

fn key(state: &State, more: u8) -> u64 {
    let mut hasher = DefaultHasher::new();
    (state, more).hash(&mut hasher);
    hasher.finish()
}

impl Search {
    /// What the one leader does next; `None`: nothing moves any more.
    fn undisturbed(&self, state: &State) -> Option<State> {
        let pass = self.pass(state, 0, Stale::Nothing)?;
        if let Err(Step::Act(effect)) = pass.next {
            return Some(self.acts(state, effect, pass.used));
        }
        let waits = matches!(pass.next, Verdict::Err(Step::Wait { until: Some(_), .. }));
        let mut world = pass.world;
        world.settle(&pass.decision);
        if world.resource.noted != state.slim.noted || pass.used.is_some() {
            return Some(self.ended(state));
        }
        let next = waits.then(|| Self::tick(state))?;
        (key(&next, 0) != key(state, 0)).then_some(next)
    }
}

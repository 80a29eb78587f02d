//! The state space of the protocol, exhausted: `decide` as it ships, in a world with faults, searched by stateright.
//!
//! A state is the journal, Secrets Manager's versions and labels, what lives at the partner, the region's and the target's
//! copies, what each leader has in its head, the calls on their way, and what may still go wrong. From each state every
//! pass of every leader is taken, with every fate of its effect; leaders pause between decision and call, and between the
//! making of a candidate and its put; Describes and lists show one of the three states before; people move and delete labels,
//! make credentials, ask for rotations, alarms and rollbacks, cancel them, delete the resource. Every rule of the protocol
//! and S1 to S3, S7, S8, S10, S15 is a property (`rules.rs`), and from each state one leader alone must come to rest (L1,
//! `rest.rs`). `broken.rs` takes rules out one by one, and each is caught by its property.
//!
//! Bounds (`bounds.rs`) are budgets along a path: of faults (a crash before, after or during a call, an answer lost, a call
//! that never comes, comes late or is refused, a create without its put), hands, pauses, stale answers, rotations. Time is
//! ticks: D and the settling are one, Over three, a grace twelve, the overlap none; one goes by only where a leader waits for
//! it, and no call outlives the tick after its pass began. What is not in here: pauses of repeated effects, clocks as numbers,
//! caps, schedules, first values, a person's own candidate in a Secret, looks of one pass at different moments but for stale
//! ones. `MES_STATES_WHOLE=1 cargo test --profile sim -p mes-core --test states -- --nocapture` goes further and takes a
//! quarter of an hour; `MES_STATES_KIND=Slots` searches one contract, and `MES_STATES_TIMES=1` tells of each search.

#![allow(
    clippy::disallowed_methods,
    reason = "the environment says how far a search goes, and each tells how long it took"
)]

mod bounds;
mod broken;
mod hands;
mod rest;
mod rules;
mod search;
mod state;
#[path = "../world/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of this world")]
mod world;

use std::collections::BTreeSet;
use std::time::Instant;

use bounds::Bounds;
use search::{Action, Search};
use state::State;
use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model, Path};
use world::Kind;

/// What happened on the way to a state, an action a line, and the state.
fn told(path: Path<State, Action>) -> String {
    let last = path.last_state().clone();
    let actions: String = path.into_actions().iter().map(|action| format!("  {}\n", short(action))).collect();
    let state::Slim { journal, live, stages, target, bytes, .. } = last.slim;
    format!("{actions}{journal:#?}\nlive {live:?}\nstages {stages:?}\ntarget {target:?}\nbytes {bytes:?}")
}

/// With the UIDs of this world in a letter.
fn short(action: &Action) -> String {
    let long = [("-0000-4000-8000-", ".."), ("33333333..000000000000-0", "seed"), ("44444444..000000000", "r")];
    let alarms = [("88888888..000000000", "alarm"), ("99999999..000000000", "back")];
    long.into_iter().chain(alarms).fold(format!("{action:?}"), |text, (long, short)| text.replace(long, short))
}

/// Every state within these bounds: how many there are, and what breaks a rule.
fn exhausted(kind: Kind, bounds: Bounds) -> (usize, Vec<String>) {
    let began = Instant::now();
    let checker = Search::new(kind, bounds).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let broken = checker
        .discoveries()
        .into_iter()
        .filter(|(name, _)| !matches!(checker.discovery_classification(name), DiscoveryClassification::Example));
    let broken: Vec<String> =
        broken.map(|(name, path)| format!("{kind:?} {bounds:?}: not {name}:\n{}", told(path))).collect();
    assert!(checker.is_done() || !broken.is_empty());
    if std::env::var_os("MES_STATES_TIMES").is_some() {
        println!("{kind:?} {bounds:?}: {} in {:?}", checker.unique_state_count(), began.elapsed());
    }
    (checker.unique_state_count(), broken)
}

#[test]
fn every_state_within_the_bounds_keeps_every_rule() {
    let whole = std::env::var_os("MES_STATES_WHOLE").is_some();
    let bounds = if whole { bounds::WHOLE } else { bounds::EVERY_RUN };
    let only = std::env::var("MES_STATES_KIND").ok();
    let mut broken = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| only.as_ref().is_none_or(|only| format!("{kind:?}") == *only)) {
        let mut states = Vec::new();
        for bounds in bounds {
            let (count, told) = exhausted(kind, *bounds);
            states.push(count);
            broken.extend(told);
        }
        println!("{} states of {kind:?}: {states:?}", states.iter().sum::<usize>());
    }
    assert!(broken.is_empty(), "{} of them:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_rule_taken_out_is_caught_by_its_property() {
    let mut missed = BTreeSet::new();
    let all = broken::all();
    for broken in &all {
        let mut search = Search::new(broken.kind, broken.bounds);
        search.base.judge = broken.judge;
        search.blind = broken.blind;
        search.walks = ["L1", "P5", "P20", "P22", "S15"].contains(&broken.rule);
        let named = |name: &&str| name.split(' ').next() == Some(broken.rule);
        let rule = search.properties().iter().map(|property| property.name).find(named).expect("a property of that id");
        let wanted = HasDiscoveries::AnyOf([rule].into());
        let checker = search.checker().finish_when(wanted).spawn_bfs().join();
        if checker.discovery(rule).is_none() {
            let others: Vec<&str> = checker.discoveries().into_keys().collect();
            missed.insert(format!(
                "{}: {}; {} states, {others:?}",
                broken.rule,
                broken.how,
                checker.unique_state_count()
            ));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    println!("{} rules taken out, each caught by its property", all.len());
}

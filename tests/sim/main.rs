//! The simulated world: the unmodified controller on paused time, over the sandbox, with whatever can go wrong.
//!
//! `cargo xtask sim` runs the tests of this program with an environment of its own; without one they stay short.

mod determinism;
mod faults;
mod invariants;
mod plug;
mod process;
mod run;
mod scenario;
mod synthetic;
mod world;

use faults::Plan;
use run::{Setup, run};

#[test]
fn first() {
    let name = std::env::var("MES_SIM_SCENARIO").unwrap_or_else(|_| "mint-and-rotate/SynTag".to_owned());
    let scenario = scenario::all().into_iter().find(|each| each.name == name).unwrap();
    let began = std::time::Instant::now();
    let report = run(Setup { seed: 1, plan: Plan::Calm, scenario, silence: 24 });
    for line in &report.trace {
        println!("{line}");
    }
    println!("{} steps, {:?} in {:?}", report.steps.len(), report.effects, began.elapsed());
    for broken in &report.broken {
        println!("{broken}");
    }
    assert!(report.broken.is_empty());
}

//! The simulated world: the unmodified controller on paused time, over the sandbox, with whatever can go wrong.
//!
//! `cargo xtask sim` runs the tests of this program with an environment of its own; without one they stay short.

mod campaign;
mod determinism;
mod faults;
mod invariants;
mod lease;
mod plug;
mod process;
mod run;
mod sabotage;
mod scenario;
mod synthetic;
mod world;

use std::time::Instant;

use campaign::Size;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn undisturbed_every_scenario_ends_at_rest_and_goes_the_same_way_twice() {
    let began = Instant::now();
    let (served, refused) = campaign::served();
    println!("cells: {} served: {}; refused: {}", served.len(), served.join(", "), refused.join(", "));
    assert!(served.len() >= 6, "{served:?}");
    assert!(campaign::calm(&Size::of_environment()).told("calm", began));
}

#[test]
fn a_crash_or_a_lost_reply_at_any_call_breaks_nothing() {
    let began = Instant::now();
    assert!(campaign::exhaustive(&Size::of_environment()).told("exhaustive", began));
}

#[test]
fn two_crashes_or_lost_replies_break_nothing() {
    let began = Instant::now();
    assert!(campaign::pairs(&Size::of_environment()).told("pairs", began));
}

#[test]
fn chaos_over_several_resources_breaks_nothing_and_ends_at_rest() {
    let began = Instant::now();
    assert!(campaign::random(&Size::of_environment()).told("random", began));
}

#[test]
fn each_way_to_break_a_rule_is_caught_by_its_checker() {
    assert!(campaign::broken(Instant::now()));
}

/// L4.
#[test]
fn a_partner_out_of_reach_delays_no_other_partners_rotation() {
    let took = |dead: bool| {
        let scenario = scenario::neighbours(dead);
        let report = run::run(run::Setup { seed: 1, plan: faults::Plan::Calm, scenario, silence: 0, sabotage: None });
        assert!(report.broken.is_empty(), "{:?}", report.broken);
        report.rotations
    };
    let (calm, disturbed) = (took(false), took(true));
    assert!(disturbed["a"] > 2300, "it waits for its partner: {disturbed:?}");
    assert!(disturbed["b"] <= calm["b"] + 10, "{disturbed:?}, undisturbed {calm:?}");
}

/// `MES_SIM_SEED`: one seed with its whole trace; `MES_SIM_AT` with `MES_SIM_SCENARIO`: one schedule.
#[test]
fn one_run() {
    let text = |name: &str| std::env::var(name).ok();
    let setup = match (text("MES_SIM_SEED"), text("MES_SIM_AT")) {
        (Some(seed), _) => campaign::of_seed(seed.parse().expect("a number"), &campaign::served().0, campaign::DAY),
        (None, Some(schedule)) => {
            let name = text("MES_SIM_SCENARIO").unwrap_or_default();
            campaign::of_schedule(&name, &schedule).expect("a scenario's whole name, and a schedule like 386:F2,401:F4")
        }
        (None, None) => return,
    };
    let report = run::run(setup);
    report.trace.iter().for_each(|line| println!("{line}"));
    println!("effects: {:?}", report.effects);
    report.broken.iter().for_each(|broken| println!("{broken}"));
    assert!(report.broken.is_empty());
}

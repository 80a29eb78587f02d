//! The simulated world: the unmodified controller on paused time, over the sandbox, with whatever can go wrong.
//!
//! `cargo xtask sim` runs the tests of this program with an environment of its own; without one they stay short.

mod call;
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
mod threats;
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

/// A run without faults, whose silence is nobody's question.
fn undisturbed(scenario: scenario::Scenario) -> run::Report {
    run::run(run::Setup { seed: 1, plan: faults::Plan::Calm, scenario, silence: 0, sabotage: None })
}

/// L4.
#[test]
fn a_partner_out_of_reach_delays_no_other_partners_rotation() {
    let took = |dead: bool| {
        let report = undisturbed(scenario::neighbours(dead));
        assert!(report.broken.is_empty(), "{:?}", report.broken);
        report.rotations
    };
    let (calm, disturbed) = (took(false), took(true));
    assert!(disturbed["a"] > 2300, "it waits for its partner: {disturbed:?}");
    assert!(disturbed["b"] <= calm["b"] + 10, "{disturbed:?}, undisturbed {calm:?}");
}

/// L7.
#[test]
fn what_expires_is_replaced_before_it_does_though_its_partner_is_out_of_reach_for_a_third_of_its_life() {
    let ran = |from: i64, seconds: i64| undisturbed(scenario::expiring(from.unsigned_abs(), seconds));
    let third = synthetic::LIFETIME.as_secs() / 3;
    for from in [120, third / 2, third, 2 * third - 60] {
        // But for the two minutes that a rotation takes.
        let report = ran(from, third - 120);
        assert!(report.broken.is_empty(), "out of reach from {from} s on: {:?}", report.broken);
        assert!(report.effects["partner.create"] >= 2, "{from}: {:?}", report.effects);
    }
    let dead = ran(2 * third - 60, 2 * third);
    assert!(dead.broken.iter().any(|broken| broken.id == "S1"), "a longer one is noticed: {:?}", dead.broken);
}

/// L9.
#[test]
fn after_a_restart_a_partner_is_asked_no_more_than_it_allows_and_what_is_due_stays_spread() {
    const RESOURCES: usize = 16;
    const LIMIT: u32 = 60;
    let ran = |killed: bool| {
        let report = undisturbed(scenario::crowd(RESOURCES, LIMIT, killed));
        assert!(report.broken.is_empty(), "{:?}", report.broken);
        report
    };
    let report = ran(true);
    let times = |report: &run::Report, verb: &str| -> Vec<i64> {
        let such = report.steps.iter().filter(|named| named.verb.starts_with(verb));
        such.map(|named| named.at.duration_since(world::BEGINNING).as_secs()).collect()
    };
    let asked = times(&report, "partner.");
    let within_a_minute = |from: &i64| asked.iter().filter(|at| (*from..from + 60).contains(*at)).count();
    let most = asked.iter().map(within_a_minute).max().unwrap_or_default();
    // The first ones are those that mint.
    let begun_in =
        |report| times(report, "kube.POST rotations").into_iter().filter(|at| *at > 3600).collect::<Vec<_>>();
    let begun = begun_in(&report);
    assert!(most <= LIMIT as usize + 1, "{most} calls within a minute");
    assert_eq!(begun.len(), RESOURCES, "each is rotated once: {begun:?}");
    assert_eq!(begun, begun_in(&ran(false)), "each at its own moment, which is chance, as if nothing had been killed");
    let killed = i64::try_from(scenario::CROWD_KILLED).expect("within a day");
    assert!(begun[0] < killed && begun[RESOURCES - 1] > killed + 900, "the window is as wide as it was: {begun:?}");
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

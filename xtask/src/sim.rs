//! `cargo xtask sim`: the simulated world for as many seeds, schedules and jobs as asked, built for speed. Called by `main`.
//!
//! The campaigns are tests of `tests/sim`; here they get an environment in which nothing is left out.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use clap::Args;

use crate::cargo::cargo;
use crate::failure::{Failure, Result, Tried};

/// What cargo calls the program, in the profile that is built for it. Also for `test`.
pub(crate) const PROGRAM: [&str; 6] = ["--profile", "sim", "-p", "managed-external-secrets", "--test", "sim"];

/// What is to be run; without any of these: every campaign, with 500 seeds.
#[derive(Debug, Args)]
pub struct Arguments {
    /// All that a release is judged by: every campaign with 20,000 seeds (or `--seeds`), each way to break a rule, and the
    /// state space of the protocol at its widest; takes hours
    #[arg(long, conflicts_with_all = ["seed", "scenario", "broken"])]
    whole: bool,
    /// Random worlds: so many seeds
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    from: u64,
    /// One seed, with its whole trace
    #[arg(long, value_name = "S", conflicts_with_all = ["seeds", "scenario"])]
    seed: Option<u64>,
    /// All schedules of the scenarios with this in their names
    #[arg(long, value_name = "NAME", conflicts_with = "seeds")]
    scenario: Option<String>,
    /// One schedule of a scenario, with its whole trace: calls by number, each with a fault (F1 crash before it, F2 after
    /// its effect, F3 after its answer, F4 its answer is lost, F22 the process stands still before it); empty: undisturbed
    #[arg(long, value_name = "386:F2,401:F4", requires = "scenario")]
    at: Option<String>,
    /// Whether each way to break a rule is caught by its checker; with `--scenario S15`: those with this in their names
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    broken: bool,
    /// Runs at the same time; as many as there are processors, if absent
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

/// What a release asks for.
const SEEDS: u64 = 20_000;

/// Runs what is asked for, prints what was found, and in the last line how much passed. Whether nothing was found.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let tests: &[&str] = match arguments {
        Arguments { whole: true, .. } => &EVERYTHING,
        Arguments { seed: Some(_), .. } | Arguments { at: Some(_), .. } => &["one_run"],
        Arguments { broken: true, .. } => &["each_way_"],
        Arguments { seeds: Some(_), .. } => &["chaos_"],
        Arguments { scenario: Some(_), .. } => &["undisturbed_", "a_crash_", "two_crashes_"],
        _ => &EVERYTHING,
    };
    let mut command = cargo();
    command.args(["test", "--quiet", "--locked"]).args(PROGRAM).arg("--").args(tests);
    command.args(["--nocapture", "--test-threads", "1"]).env("MES_SIM_WHOLE", "1");
    let set = [
        ("MES_SIM_SEEDS", arguments.seeds.or(arguments.whole.then_some(SEEDS)).map(|seeds| seeds.to_string())),
        ("MES_SIM_FROM", Some(arguments.from.to_string())),
        ("MES_SIM_SEED", arguments.seed.map(|seed| seed.to_string())),
        ("MES_SIM_SCENARIO", arguments.scenario.clone()),
        ("MES_SIM_AT", arguments.at.clone()),
        ("MES_SIM_JOBS", arguments.jobs.map(|jobs| jobs.to_string())),
    ];
    command.envs(set.into_iter().filter_map(|(name, text)| Some((name, text?))));
    let (mut passed, mut failed) = (0, 0);
    // First, since it is the shortest and looks the furthest.
    if arguments.whole {
        println!("the state space of the protocol");
        let mut command = cargo();
        command.args(["test", "--quiet", "--locked", "--profile", "sim", "-p", "mes-core", "--test", "states", "--"]);
        command.args(["--nocapture", "--test-threads", "1"]).env("MES_STATES_WHOLE", "1");
        (passed, failed) = told(command)?;
    }
    let (more_passed, more_failed) = told(command)?;
    (passed, failed) = (passed + more_passed, failed + more_failed);
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Runs it, lets what it says through, and gives how much passed and failed by its sums.
fn told(mut command: Command) -> Result<(u64, u64)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .tried(|| "starting cargo".into())?;
    let output = child.stdout.take().ok_or_else(|| Failure::new("cargo has no output"))?;
    let (mut passed, mut failed) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line.tried(|| "reading what the simulation says".into())?;
        if let Some((more_passed, more_failed)) = counted(&line) {
            passed += more_passed;
            failed += more_failed;
        }
        println!("{line}");
    }
    let status = child.wait().tried(|| "waiting for the simulation".into())?;
    // One run tells no sum of its own; and what ended before it told one has failed.
    match (status.success(), passed + failed, failed) {
        (true, 0, _) => Ok((1, 0)),
        (false, _, 0) => Ok((passed, 1)),
        _ => Ok((passed, failed)),
    }
}

/// The tests of the program that are campaigns.
const EVERYTHING: [&str; 6] = ["undisturbed_", "a_crash_", "two_crashes_", "chaos_", "each_way_", "threats::"];

/// `sim random: 500 passed, 0 failed (61 s)`
fn counted(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("sim ")?.split_once(": ")?;
    let mut numbers = counts.split(", ").map(|part| part.split(' ').next()?.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn a_campaign_s_sum_is_read_and_no_other_line() {
        assert_eq!(counted("sim random: 500 passed, 3 failed (61 s)"), Some((500, 3)));
        assert_eq!(counted("sim pairs: 40 passed, 0 failed, 7 left out for want of time (9 s)"), Some((40, 0)));
        assert_eq!(counted("  random: 100 of 500, 0 failed"), None);
    }
}

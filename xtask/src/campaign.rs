//! `cargo xtask campaign`: faults at random moments of rotations, on real servers, for as long as asked, one campaign after the
//! other. Called by `main`.
//!
//! The campaigns are tests of `tests/e2e/campaign`; here they last, over more resources.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use clap::{Args, ValueEnum};

use crate::failure::{Failure, Result, Tried};
use crate::test;

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Campaign {
    /// kill -9 of the operator
    Kills,
    /// The leader stands still beyond its Lease, another takes over and rotates, the first one wakes
    Pauses,
    /// PostgreSQL stops, in order or as in a crash, and starts again
    Postgresql,
    /// The API server, then etcd, stops and starts again
    ControlPlane,
}

impl Campaign {
    /// The module of its test.
    fn module(self) -> &'static str {
        match self {
            Self::Kills => "kills",
            Self::Pauses => "pauses",
            Self::Postgresql => "postgresql",
            Self::ControlPlane => "control_plane",
        }
    }
}

/// What is to be run; without any of these: every campaign, ten minutes each.
#[derive(Debug, Args)]
pub struct Arguments {
    /// For how long faults strike, each campaign
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Only this campaign; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Campaign>,
    /// The moments of an earlier run, as far as the machine repeats itself; each campaign prints its own
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// Runs what is asked for, prints each campaign's sums again at the end, and in the last line those of all. Whether nothing was
/// found.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let all = Campaign::value_variants().iter().copied();
    let wanted: Vec<Campaign> = all.filter(|each| arguments.only.is_empty() || arguments.only.contains(each)).collect();
    let mut command = test::end_to_end()?;
    command.args(wanted.iter().map(|each| format!("campaign::{}::", each.module())));
    command.args(["--nocapture", "--test-threads", "1"]).env("MES_E2E_MINUTES", arguments.minutes.to_string());
    command.envs(arguments.seed.map(|seed| ("MES_E2E_SEED", seed.to_string())));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().tried(|| "starting e2e".into())?;
    let output = child.stderr.take().ok_or_else(|| Failure::new("e2e has no output"))?;
    let mut sums = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.tried(|| "reading what the campaigns say".into())?;
        let line = String::from_utf8_lossy(&line).into_owned();
        eprintln!("{line}");
        sums.extend(line.starts_with("campaign ").then_some(line));
    }
    let status = child.wait().tried(|| "waiting for the campaigns".into())?;
    println!();
    sums.iter().for_each(|sum| println!("{sum}"));
    let passed = sums.iter().filter(|sum| sum.contains(": passed in ")).count();
    let fine = status.success() && passed == wanted.len();
    let counted = |what: &str| sums.iter().filter_map(|sum| number_before(sum, what)).sum::<u64>();
    println!(
        "{passed} of {} campaigns passed{}: {} rotations ended, {} logins accepted, {} refused, {} left over",
        wanted.len(),
        if fine == (passed == wanted.len()) { "" } else { ", and something else failed" },
        counted(" rotations ended"),
        counted(" logins accepted"),
        counted(" refused"),
        counted(" left over"),
    );
    Ok(fine)
}

/// The number that stands before these words.
fn number_before(line: &str, words: &str) -> Option<u64> {
    line.split_once(words)?.0.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_before;

    #[test]
    fn the_numbers_of_a_campaign_s_sum_are_read() {
        let sum = "campaign kills: passed in 11 min 02 s: 40 kills, 381 rotations ended, 5800 logins accepted, 0 refused, 3 \
                   failed otherwise, 0 reads failed, 0 left over";
        assert_eq!(number_before(sum, " rotations ended"), Some(381));
        assert_eq!(number_before(sum, " logins accepted"), Some(5800));
        assert_eq!(number_before(sum, " refused"), Some(0));
        assert_eq!(number_before(sum, " left over"), Some(0));
        assert_eq!(number_before(sum, " restarts"), None);
    }
}

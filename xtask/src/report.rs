//! How checks and tests ended, counted. Called by `lint` and `test`.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::Write;
use std::ops::AddAssign;
use std::time::Duration;

use crate::progress::short;

/// The variable that names the file to which [`skip`] adds its lines.
pub const SKIPPED: &str = "MES_TEST_SKIPPED";

/// To be called by a test that can't run here, before it returns: `skip("a_role_is_revoked", "no PostgreSQL: …")`.
/// libtest knows nothing between passed and failed at run time, and keeps what a passed test prints to itself; so the
/// line goes to a file that `cargo xtask test` reads, which then counts the test as skipped and says why.
pub fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    let Some(path) = std::env::var_os(SKIPPED) else { return };
    // One write: several tests of a process append to it at a time.
    let line = format!("{test}: {}\n", why.replace('\n', " "));
    let written =
        File::options().create(true).append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(cause) = written {
        panic!("{test} can't be counted as skipped: {cause}");
    }
}

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not; all that is known about why.
    Failed(String),
    /// It could not be tried; why.
    Skipped(String),
}

impl Outcome {
    /// Prints how the check `name` ended, and counts it.
    pub fn told(self, name: &str, took: Duration) -> Tally {
        let took = short(took);
        match self {
            Self::Passed => {
                println!("  ok       {name} ({took})");
                Tally { passed: 1, ..Tally::default() }
            }
            Self::Failed(why) => {
                println!("  FAILED   {name} ({took}):\n{}", why.trim_end());
                Tally { failed: 1, ..Tally::default() }
            }
            Self::Skipped(why) => {
                println!("  skipped  {name}: {why}");
                Tally { skipped: 1, ..Tally::default() }
            }
        }
    }
}

/// Counted checks and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that hold.
    pub passed: u64,
    /// Those that don't.
    pub failed: u64,
    /// Those that could not be tried.
    pub skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

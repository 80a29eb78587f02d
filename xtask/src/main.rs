//! `cargo xtask COMMAND`: the habits of a developer.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use xtask::test::Class;
use xtask::{Failure, bench, campaign, demo, fuzz, generate, lint, mutants, sim, test};

/// Habits of a developer of Managed External Secrets.
///
/// Servers and tools are kept in $XDG_CACHE_HOME/managed-external-secrets (~/.cache by default).
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The product on real parts, in three stories: PostgreSQL, Salesforce, and BigID rotated by AWS
    Demo {
        /// End by itself when the stories are told; fails if a step does
        #[arg(long)]
        once: bool,
    },
    /// Lint, unit, model, sandbox, API table and end-to-end tests; the last line counts them
    Test {
        /// Only this class; may be given several times
        #[arg(long, value_enum)]
        only: Vec<Class>,
        #[command(flatten)]
        tests: Tests,
    },
    /// What the operator takes: time, memory, writes and calls, with many resources
    Bench {
        /// How many resources
        #[arg(long, value_name = "N")]
        size: u32,
        /// What they are
        #[arg(long, value_enum, default_value = "mint")]
        kind: bench::Kind,
        /// The program `mes` to be measured; this checkout's, built for release, if absent
        #[arg(long, value_name = "PATH")]
        operator: Option<PathBuf>,
        /// An older program `mes`: both are measured by turns, and compared; fails where counts differ, or where the newer
        /// takes more than 1.1 times the processor time or memory
        #[arg(long, value_name = "PATH")]
        against: Option<PathBuf>,
        /// How often each is measured
        #[arg(long, value_name = "N", default_value_t = 3, requires = "against")]
        pairs: u32,
    },
    /// The end-to-end tests alone
    E2e {
        #[command(flatten)]
        tests: Tests,
    },
    /// Faults at random moments of rotations, on real servers, under applications that log in ten times a second
    Campaign(campaign::Arguments),
    /// Feeds every parser of outside text what nobody would write, at release, and tells the totals
    Fuzz {
        /// For how long, each target
        #[arg(long, value_name = "N", default_value_t = 10)]
        minutes: u32,
        /// Only targets with this in their names
        #[arg(long, value_name = "PART")]
        target: Option<String>,
    },
    /// The unmodified controller in a simulated world where whatever can go wrong does, checked after every change
    Sim(sim::Arguments),
    /// Whether a test of the core notices each small change of the rotation protocol; takes hours
    Mutants {
        /// Only changes with this in their names, such as a file's
        #[arg(long, value_name = "PART")]
        only: Option<String>,
        /// Only changes to lines that are not in this commit
        #[arg(long, value_name = "COMMIT")]
        since: Option<String>,
    },
    /// What can be said of the code without running the product
    Lint,
    /// Makes the files that are made from the code: CRDs, chart, docs
    Generate {
        /// Change nothing, and fail if something would change
        #[arg(long)]
        check: bool,
    },
}

#[derive(Args)]
struct Tests {
    /// Use this context of your kubeconfig instead of a control plane of our own
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// For the test programs: a part of a test's name, or flags such as --nocapture
    #[arg(last = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(command: Command) -> Result<bool, Failure> {
    match command {
        Command::Demo { once } => demo::run(once).map(|()| true),
        Command::Bench { size, kind, operator, against: Some(older), pairs } => {
            bench::compare(size, kind, operator.as_deref(), &older, pairs)
        }
        Command::Bench { size, kind, operator, against: None, .. } => {
            bench::run(size, kind, operator.as_deref()).map(|()| true)
        }
        Command::Test { only, tests } => run_tests(&only, tests),
        Command::E2e { tests } => run_tests(&[Class::E2e], tests),
        Command::Campaign(arguments) => campaign::run(&arguments),
        Command::Fuzz { minutes, target } => fuzz::run(minutes, target.as_deref()),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Mutants { only, since } => mutants::run(only.as_deref(), since.as_deref()),
        Command::Lint => {
            let tally = lint::run();
            println!("{tally}");
            Ok(tally.failed == 0)
        }
        Command::Generate { check } => {
            let changed = generate::run(check)?;
            let verb = if check { "differs from the code" } else { "written" };
            changed.iter().for_each(|path| println!("{verb}: {path}"));
            Ok(!check || changed.is_empty())
        }
    }
}

fn run_tests(only: &[Class], tests: Tests) -> Result<bool, Failure> {
    let tally = test::run(only, tests.context.as_deref(), &tests.arguments)?;
    println!("{tally}");
    Ok(tally.failed == 0)
}

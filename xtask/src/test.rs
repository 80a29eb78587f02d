//! `cargo xtask test`: everything that judges the product, class by class, counted.
//!
//! cargo builds all test programs at once, and Go the control plane meanwhile; then each program runs by itself, so
//! that a class is a set of programs and nothing is built twice with other features. The class of a program follows
//! from its package and name (see [`Class::of`]): a new test file is in a class without a line here. The classes run one
//! after the other, but for the models and the simulation: they take the processor's time that the others leave, above
//! all the end-to-end tests, which wait more than they work. Called by `main`.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::Value;

use crate::binaries::{Tool, find_or_build};
use crate::cargo::cargo;
use crate::control_plane::CONTEXT;
use crate::failure::{Failure, Result, Tried};
use crate::lint;
use crate::progress::short;
use crate::report::{Outcome, SKIPPED, Tally};
use crate::scratch::Scratch;
use crate::sim;

/// By which seed proptest draws its cases.
const PROPERTIES: &str = "PROPTEST_RNG_SEED";

/// A class of checks and tests, in the order in which they run: first what can run while Go builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Class {
    /// `cargo xtask lint`
    Lint,
    /// Laws, models and properties of the core
    Model,
    /// The sandbox against documented behaviour
    Sandbox,
    /// Tests beside the code, some of them on real servers, and examples in its documentation
    Unit,
    /// The servers that xtask starts
    Servers,
    /// Manifests on a real API server, examples, chart, partners
    Api,
    /// The product on real parts, end to end
    E2e,
}

impl Class {
    /// The class of a test program; none for `tidy`, which is part of the lint.
    fn of(package: &str, target: &str, kind: &str) -> Option<Self> {
        match (package, target, kind) {
            (_, _, "lib" | "bin") => Some(Self::Unit),
            ("mes-core", ..) => Some(Self::Model),
            ("sandbox", ..) => Some(Self::Sandbox),
            ("xtask", ..) => Some(Self::Servers),
            (_, "tidy", _) => None,
            (_, "fuzz" | "sim", _) => Some(Self::Model),
            (_, "e2e", _) => Some(Self::E2e),
            _ => Some(Self::Api),
        }
    }

    fn needs_a_control_plane(self) -> bool {
        matches!(self, Self::Unit | Self::Servers | Self::Api | Self::E2e)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Lint => "lint",
            Self::Unit => "unit",
            Self::Model => "model",
            Self::Sandbox => "sandbox",
            Self::Servers => "servers",
            Self::Api => "API table",
            Self::E2e => "end to end",
        }
    }
}

/// Runs the classes asked for (none = all), `arguments` going to each test program; prints each class with its time,
/// and gives the sum. With `context`, on that cluster. An error is something that kept us from counting at all.
pub fn run(only: &[Class], context: Option<&str>, arguments: &[String]) -> Result<Tally> {
    let wanted: Vec<Class> =
        Class::value_variants().iter().copied().filter(|class| only.is_empty() || only.contains(class)).collect();
    let control_plane =
        wanted.iter().any(|class| class.needs_a_control_plane()).then(|| build_control_plane(context.is_some()));
    let mut sum = Tally::default();
    let mut told = Vec::new();
    let mut count = |title: &'static str, tally: Tally, took: Duration| {
        sum += tally;
        told.push(format!("{title:<12} {tally} ({})", short(took)));
    };

    if wanted.contains(&Class::Lint) {
        let began = Instant::now();
        heading("lint");
        count("lint", lint::run(), began.elapsed());
    }
    let mut control_plane = ControlPlaneBuild(control_plane);
    if wanted.iter().any(|&class| class != Class::Lint) {
        let began = Instant::now();
        heading("build of the tests");
        match build() {
            Ok(programs) => {
                let run = Run { programs: &programs, context, arguments };
                let rest: Vec<Class> = wanted.iter().copied().filter(|&class| class != Class::Lint).collect();
                run.all(&rest, &mut control_plane, &mut count)?;
            }
            Err(failure) => {
                let tally = Outcome::Failed(failure.to_string()).told("cargo", began.elapsed());
                count("build", tally, began.elapsed());
            }
        }
    }

    heading("in all");
    told.iter().for_each(|line| println!("{line}"));
    Ok(sum)
}

/// What the classes are run with.
#[derive(Clone, Copy)]
struct Run<'a> {
    programs: &'a [Program],
    context: Option<&'a str>,
    arguments: &'a [String],
}

impl Run<'_> {
    /// These classes, each told when it is over; the models' last, if they ran beside others.
    fn all(
        self,
        wanted: &[Class],
        control_plane: &mut ControlPlaneBuild,
        count: &mut impl FnMut(&'static str, Tally, Duration),
    ) -> Result<()> {
        let aside = wanted.len() > 1 && wanted.contains(&Class::Model);
        std::thread::scope(|scope| {
            let models = aside.then(|| {
                println!("the models and the simulation run beside what follows, and are told at the end");
                scope.spawn(move || {
                    let (began, mut said) = (Instant::now(), Vec::new());
                    let tally = self.class(Class::Model, Pace::Patient, &mut said);
                    (tally, said, began.elapsed())
                })
            });
            for &class in wanted.iter().filter(|&&class| !(aside && class == Class::Model)) {
                let began = Instant::now();
                heading(class.title());
                let tally = match control_plane.ready_for(class) {
                    Ok(()) => self.class(class, Pace::Quick, &mut io::stdout())?,
                    Err(why) => Outcome::Failed(why).told("the control plane", began.elapsed()),
                };
                count(class.title(), tally, began.elapsed());
            }
            if let Some(models) = models {
                let (tally, said, took) = models.join().map_err(|_| Failure::new("the models' thread panicked"))?;
                heading(Class::Model.title());
                io::stdout().write_all(&said).tried(|| "telling of the models".into())?;
                count(Class::Model.title(), tally?, took);
            }
            Ok(())
        })
    }

    fn class(self, class: Class, pace: Pace, told: &mut dyn Write) -> Result<Tally> {
        let mut tally = Tally::default();
        for program in self.programs.iter().filter(|program| program.class == class) {
            let mut command = program.command(pace);
            command.args(self.arguments);
            // A change is judged by the same cases each time; the search for new ones is `cargo test`'s, whose seeds differ.
            if std::env::var_os(PROPERTIES).is_none() {
                command.env(PROPERTIES, "1");
            }
            if program.is_the_simulation() {
                // Of schedules a sample; `cargo xtask sim` runs them whole.
                command.env("MES_SIM_SECONDS", "5").env("MES_SIM_SEEDS", "500");
            }
            if class == Class::E2e {
                // They wait more than they work, and each of these threads has a control plane of its own.
                command.env("RUST_TEST_THREADS", "5");
            }
            if let Some(context) = self.context {
                command.env(CONTEXT, context);
            }
            tally += run_tests(&program.name, command, told)?;
        }
        if class == Class::Unit {
            let mut command = cargo();
            command.args(["test", "--workspace", "--doc", "--locked", "--quiet"]);
            tally += run_tests("examples in the documentation", command, told)?;
        }
        Ok(tally)
    }
}

/// Whether a program has its share of the processors, or what others leave.
#[derive(Clone, Copy)]
enum Pace {
    Quick,
    Patient,
}

fn heading(title: &str) {
    println!("\n== {title}");
}

/// Go's part of the work, beside cargo's.
struct ControlPlaneBuild(Option<JoinHandle<Result<()>>>);

fn build_control_plane(there_is_one: bool) -> JoinHandle<Result<()>> {
    let tools = if there_is_one { &[Tool::Kubectl, Tool::Helm][..] } else { &Tool::ALL };
    std::thread::spawn(|| find_or_build(tools).map(|_| ()))
}

impl ControlPlaneBuild {
    /// Waits for it before the first class that needs it; tells why it failed at each.
    fn ready_for(&mut self, class: Class) -> Result<(), String> {
        if !class.needs_a_control_plane() {
            return Ok(());
        }
        let Some(build) = self.0.take() else { return Ok(()) };
        let outcome = build.join().unwrap_or_else(|_| Err(Failure::new("the build of the control plane panicked")));
        outcome.map_err(|failure| {
            let why = failure.to_string();
            let again = why.clone();
            self.0 = Some(std::thread::spawn(move || Err(Failure::new(again))));
            why
        })
    }
}

/// A test program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    class: Class,
    /// `PACKAGE::TARGET`
    name: String,
    /// The folder of its package, in which it runs.
    folder: PathBuf,
    path: PathBuf,
}

/// The program of the end-to-end tests, built, to be run with a test's name; what it needs of a control plane it builds
/// itself. For `campaign`.
pub fn end_to_end() -> Result<Command> {
    let programs = built(&["--workspace"])?;
    let program = programs.iter().find(|program| program.class == Class::E2e);
    program
        .map(|program| program.command(Pace::Quick))
        .ok_or_else(|| Failure::new("there is no program of end-to-end tests"))
}

impl Program {
    fn is_the_simulation(&self) -> bool {
        self.name.ends_with("::sim")
    }

    /// As cargo runs it.
    fn command(&self, pace: Pace) -> Command {
        let mut command = match pace {
            Pace::Quick => Command::new(&self.path),
            Pace::Patient => {
                let mut nice = Command::new("nice");
                nice.args(["-n", "15"]).arg(&self.path);
                nice
            }
        };
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

/// The test programs of the whole workspace, and the simulation built for speed instead of the workspace's.
fn build() -> Result<Vec<Program>> {
    let mut programs = built(&["--workspace"])?;
    programs.retain(|program| !program.is_the_simulation());
    programs.extend(built(&sim::PROGRAM)?);
    programs.sort_by(|one, other| (one.class, &one.name).cmp(&(other.class, &other.name)));
    Ok(programs)
}

fn built(what: &[&str]) -> Result<Vec<Program>> {
    let mut command = cargo();
    command.arg("test").args(what).args(["--no-run", "--locked", "--quiet"]);
    command.arg("--message-format=json-render-diagnostics");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().tried(|| "starting cargo".into())?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo test --no-run failed ({}); its errors are above", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| program(&message)).collect())
}

/// The test program that a message of cargo's is about, if it is about one.
fn program(message: &Value) -> Option<Program> {
    if message["profile"]["test"] != Value::Bool(true) {
        return None;
    }
    let path = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    // `path+file:///…/crates/core#mes-core@0.1.0`, or `…/xtask#0.1.0` where the folder has the package's name.
    let (place, name) = message["package_id"].as_str()?.rsplit_once('#')?;
    let package = match name.split_once('@') {
        Some((package, _)) => package,
        None => place.rsplit('/').next()?,
    };
    let target = message["target"]["name"].as_str()?;
    let class = Class::of(package, target, message["target"]["kind"][0].as_str()?)?;
    Some(Program { class, name: format!("{package}::{target}"), folder, path })
}

/// Runs a program of libtest's, or cargo running some, and counts by its lines `test result: …`. What it prints goes
/// to `told`.
fn run_tests(name: &str, mut command: Command, told: &mut dyn Write) -> Result<Tally> {
    let mut say = |line: std::fmt::Arguments<'_>| writeln!(told, "{line}").tried(|| format!("telling of {name}"));
    let scratch = Scratch::new("tests")?;
    let skips = scratch.path().join("skipped");
    let mut child = command
        .env(SKIPPED, &skips)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .tried(|| format!("starting {name}"))?;
    let output = child.stdout.take().ok_or_else(|| Failure::new(format!("{name} has no output")))?;
    say(format_args!("-- {name}"))?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.tried(|| format!("reading what {name} says"))?;
        let line = String::from_utf8_lossy(&line);
        if let Some(counted) = result_line(&line) {
            tally += counted;
        }
        if !line.trim().is_empty() {
            say(format_args!("   {line}"))?;
        }
    }
    let status = child.wait().tried(|| format!("waiting for {name}"))?;
    let skips = fs::read_to_string(&skips).unwrap_or_default();
    for skip in skips.lines() {
        say(format_args!("   skipped: {skip}"))?;
        // libtest saw it pass.
        tally.passed = tally.passed.saturating_sub(1);
        tally.skipped += 1;
    }
    if !status.success() && tally.failed == 0 {
        tally +=
            Outcome::Failed(format!("it ended with {status} before it told its result")).told(name, Duration::ZERO);
    }
    Ok(tally)
}

/// `test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn result_line(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let part = counts.split(';').map(str::trim).find_map(|part| part.strip_suffix(what));
        part.and_then(|number| number.trim().parse().ok())
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_of_libtest_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.01s";
        assert_eq!(result_line(line), Some(Tally { passed: 12, failed: 3, skipped: 1 }));
        assert_eq!(result_line("running 12 tests"), None);
    }

    #[test]
    fn a_new_test_file_of_the_product_belongs_to_a_class() {
        assert_eq!(Class::of("managed-external-secrets", "never_seen", "test"), Some(Class::Api));
        assert_eq!(Class::of("managed-external-secrets", "tidy", "test"), None);
        assert_eq!(Class::of("managed-external-secrets", "fuzz", "test"), Some(Class::Model));
        assert_eq!(Class::of("managed-external-secrets", "sim", "test"), Some(Class::Model));
        assert_eq!(Class::of("mes-core", "mes_core", "lib"), Some(Class::Unit));
    }

    #[test]
    fn a_package_is_read_from_both_forms_of_its_id() {
        let message = |id: &str| {
            serde_json::json!({
                "profile": {"test": true}, "executable": "/x", "manifest_path": "/w/xtask/Cargo.toml", "package_id": id,
                "target": {"name": "t", "kind": ["test"]},
            })
        };
        assert_eq!(program(&message("path+file:///w/xtask#0.1.0")).unwrap().name, "xtask::t");
        assert_eq!(program(&message("path+file:///w/crates/core#mes-core@0.1.0")).unwrap().class, Class::Model);
    }

    #[test]
    fn a_program_that_crashes_is_a_failure() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'running 3 tests'; exit 101"]);
        assert_eq!(run_tests("crash", command, &mut Vec::new()).unwrap(), Tally { failed: 1, ..Tally::default() });
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let mut command = Command::new("sh");
        let said = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        command.args(["-c", &format!("echo 'a_test: no PostgreSQL' >> \"${SKIPPED}\"; echo '{said}'")]);
        assert_eq!(run_tests("skip", command, &mut Vec::new()).unwrap(), Tally { passed: 2, failed: 0, skipped: 1 });
    }
}

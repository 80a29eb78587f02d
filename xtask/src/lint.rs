//! `cargo xtask lint`: what can be said of the code without running the product. Called by `main` and `test`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use crate::cargo::cargo;
use crate::failure::{Result, Tried};
use crate::progress::Progress;
use crate::report::{Outcome, Tally};
use crate::{deny, generate};

/// What it says of the code, and how that is found out.
type Check = (&'static str, fn() -> Result<Outcome>);

/// Runs every check, also after one failed, tells each, and gives how many held.
pub fn run() -> Tally {
    let checks: [Check; 7] = [
        ("rustfmt", || cargo_passes("rustfmt", &["fmt", "--all", "--check"])),
        ("clippy", || {
            cargo_passes(
                "clippy",
                &["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            )
        }),
        ("licences, duplicates, sources", deny::tree),
        ("advisories", deny::advisories),
        ("arrows between rooms", || {
            // Of the whole workspace, as `test` builds it: alone it would have other features, and its crates be built twice.
            cargo_passes("tidy", &["test", "--quiet", "--locked", "--workspace", "--test", "tidy"])
        }),
        ("nothing left unfinished", unfinished),
        ("generated files", generated),
    ];
    let mut tally = Tally::default();
    for (name, check) in checks {
        let began = Instant::now();
        let outcome = check().unwrap_or_else(|failure| Outcome::Failed(failure.to_string()));
        tally += outcome.told(name, began.elapsed());
    }
    tally
}

fn cargo_passes(name: &str, arguments: &[&str]) -> Result<Outcome> {
    let mut command = cargo();
    command.args(arguments);
    passes(name, &mut command)
}

/// Whether the command ends well; all that it said, if not.
pub(crate) fn passes(name: &str, command: &mut Command) -> Result<Outcome> {
    let log = log(name)?;
    match Progress::quietly(name).run(command, &log, |_| String::new()) {
        Ok(_) => Ok(Outcome::Passed),
        Err(failure) => match fs::read_to_string(&log) {
            Ok(said) if !said.trim().is_empty() => Ok(Outcome::Failed(said)),
            _ => Err(failure),
        },
    }
}

pub(crate) fn log(name: &str) -> Result<PathBuf> {
    let folder = crate::workspace_root().join("target/xtask");
    fs::create_dir_all(&folder).tried(|| format!("making {}", folder.display()))?;
    Ok(folder.join(format!("{name}.log")))
}

/// Marks of unfinished work in what is committed. Written in two parts here, so as not to find themselves.
fn unfinished() -> Result<Outcome> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimpl", "emented!(")];
    let mut found = String::new();
    for path in sources()? {
        // Of another project, with its own marks.
        if path.ends_with("LICENSE") || path.ends_with("kwok_stages.yaml") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                let shown = path.strip_prefix(crate::workspace_root()).unwrap_or(&path).display();
                found.push_str(&format!("{shown}:{}: {}\n", number + 1, line.trim()));
            }
        }
    }
    Ok(if found.is_empty() { Outcome::Passed } else { Outcome::Failed(found) })
}

/// Files that are committed, or new and not ignored.
fn sources() -> Result<Vec<PathBuf>> {
    let root = crate::workspace_root();
    let listed = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .tried(|| "starting git, to list the files of the repository".into())?;
    if !listed.status.success() {
        let why = String::from_utf8_lossy(&listed.stderr);
        return Err(crate::Failure::new(format!("git ls-files failed: {}", why.trim())));
    }
    let names = String::from_utf8_lossy(&listed.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(|name| root.join(name)).collect())
}

fn generated() -> Result<Outcome> {
    if generate::FILES.is_empty() {
        return Ok(Outcome::Skipped("no file is declared as generated in xtask/src/generate.rs".into()));
    }
    let changed = generate::run(true)?;
    Ok(match changed.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed(format!("run `cargo xtask generate` and commit: {}", changed.join(", "))),
    })
}

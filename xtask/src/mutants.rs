//! `cargo xtask mutants`: whether a test of the core notices each small change of the rotation protocol. Called by `main`.
//!
//! Which files, and which changes make no difference and why: `.cargo/mutants.toml`. Two rounds, since most changes are
//! noticed by programs that take a second, and only for the others it pays to run the models.

use std::path::{Path, PathBuf};
use std::{fs, process};

use crate::failure::{Failure, Result, Tried};
use crate::installed::installed;

const VERSION: &str = "27.1.0";
const ROUNDS: [&[&str]; 2] = [
    &["goals", "rotated", "brought", "grants", "in_place", "leaving", "made_again", "standing"],
    &["laws", "journals", "model"],
];

/// Tries every change whose name has `part` in it (none: all) to lines that `since`, a commit, does not have (none: all), and
/// prints the totals. Whether all were noticed.
pub fn run(part: Option<&str>, since: Option<&str>) -> Result<bool> {
    let program = installed("cargo-mutants", VERSION)?;
    let output = crate::workspace_root().join("target/xtask");
    let newer = since.map(|commit| newer(commit, &output)).transpose()?;
    let lists = output.join("mutants.out");
    if lists.exists() {
        fs::remove_dir_all(&lists).tried(|| format!("removing {}", lists.display()))?;
    }
    let (mut caught, mut unviable) = (0, 0);
    for programs in ROUNDS {
        let mut command = process::Command::new(&program);
        command.current_dir(crate::workspace_root()).args([
            "mutants",
            "--iterate",
            "--package",
            "mes-core",
            "--output",
        ]);
        command.arg(&output).args(part.map(|part| ["--re", part]).iter().flatten());
        command.args(newer.iter().flat_map(|newer| [Path::new("--in-diff"), newer])).arg("--");
        command.args(programs.iter().flat_map(|program| ["--test", program]));
        let status = command.status().tried(|| "starting cargo-mutants".into())?;
        // 2 and 3: something was missed, or ran out of time.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            return Err(Failure::new(format!("cargo-mutants failed ({status}); see {}", lists.display())));
        }
        caught += lines(&lists, "caught.txt").len();
        unviable += lines(&lists, "unviable.txt").len();
        // With none left, the next round would leave these lists there, to be counted twice.
        if ["missed.txt", "timeout.txt"].iter().all(|name| lines(&lists, name).is_empty()) {
            break;
        }
    }
    let (missed, late) = (lines(&lists, "missed.txt"), lines(&lists, "timeout.txt").len());
    missed.iter().for_each(|missed| println!("missed: {missed}"));
    let total = caught + missed.len() + unviable + late;
    println!("{total} mutants, {caught} caught, {} missed, {unviable} unviable, {late} timed out", missed.len());
    Ok(missed.is_empty())
}

/// A file that says which lines of the core this commit does not have.
fn newer(commit: &str, folder: &Path) -> Result<PathBuf> {
    let mut git = process::Command::new("git");
    git.current_dir(crate::workspace_root()).args(["diff", commit, "--", "crates/core/src"]);
    let told = git.output().tried(|| "starting git".into())?;
    if !told.status.success() {
        let why = String::from_utf8_lossy(&told.stderr);
        return Err(Failure::new(format!("git knows no difference to {commit:?}: {}", why.trim())));
    }
    fs::create_dir_all(folder).tried(|| format!("making {}", folder.display()))?;
    let path = folder.join("newer.diff");
    fs::write(&path, told.stdout).tried(|| format!("writing {}", path.display()))?;
    Ok(path)
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

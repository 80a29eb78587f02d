//! `cargo xtask fuzz`: the targets of `tests/fuzz` for as long as asked, optimised and with every debug assertion, one after
//! the other. Called by `main`.

use std::process::Stdio;

use crate::cargo::cargo;
use crate::failure::{Failure, Result, Tried};

/// The package's test program; each of its tests is a target.
const PROGRAM: [&str; 4] = ["-p", "managed-external-secrets", "--test", "fuzz"];

/// Runs each target whose name contains `target` (none: all) for so many minutes, and prints their totals. Whether nothing
/// was found.
pub fn run(minutes: u32, target: Option<&str>) -> Result<bool> {
    let targets: Vec<String> =
        targets()?.into_iter().filter(|name| target.is_none_or(|part| name.contains(part))).collect();
    if targets.is_empty() {
        return Err(Failure::new(format!("no target has {:?} in its name", target.unwrap_or_default())));
    }
    let mut totals = Vec::new();
    let mut fine = true;
    for name in targets {
        println!("fuzzing {name} for {minutes} min");
        let mut command = cargo();
        command.args(["test", "--profile", "sim", "--quiet", "--locked"]).args(PROGRAM).args([
            "--",
            "--exact",
            &name,
            "--nocapture",
        ]);
        let output = command
            .env("MES_FUZZ_SECONDS", (u64::from(minutes) * 60).to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .tried(|| "starting cargo".into())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let total = text.lines().find(|line| line.starts_with("fuzz "));
        fine &= output.status.success() && total.is_some();
        let total = total.map_or_else(|| format!("fuzz {name}: FOUND SOMETHING; it is printed above"), str::to_owned);
        // Also now: what comes after may take hours, or the machine with it.
        println!("{total}");
        totals.push(total);
    }
    println!();
    totals.iter().for_each(|total| println!("{total}"));
    Ok(fine)
}

fn targets() -> Result<Vec<String>> {
    let mut command = cargo();
    command.args(["test", "--profile", "sim", "--quiet", "--locked"]).args(PROGRAM).args(["--", "--list"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().tried(|| "starting cargo".into())?;
    if !output.status.success() {
        return Err(Failure::new(format!("the fuzz targets can't be built ({}); the errors are above", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect())
}

//! Tools that are crates themselves (cargo-deny, cargo-mutants): built once, at a pinned version, into the cache.
//! Called by `deny` and `mutants`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::binaries::{cache, locked};
use crate::cargo::cargo;
use crate::failure::{Result, Tried};
use crate::progress::Progress;

/// The program of the crate `name` at `version`; built while others who want it wait, if it is not there yet.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let home = cache()?.join(format!("tools/{name}-{version}"));
    let program = home.join("bin").join(name);
    if !program.is_file() {
        fs::create_dir_all(&home).tried(|| format!("making {}", home.display()))?;
        let _lock = locked(&home.join(".lock"), name)?;
        if !program.is_file() {
            let mut install = cargo();
            // Unoptimised: a new machine waits for it, and what it does takes seconds either way.
            install
                .args(["install", "--debug", "--quiet", "--locked", name, "--version", version, "--root"])
                .arg(&home)
                .env("CARGO_PROFILE_DEV_DEBUG", "0");
            Progress::begin(format!("building {name}"), Some(Duration::from_secs(150))).run(
                &mut install,
                &home.join("build.log"),
                |_| String::new(),
            )?;
        }
    }
    Ok(program)
}

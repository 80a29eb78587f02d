//! `cargo deny` for the lint: installed once into the cache, and never waiting long for a network.
//!
//! The advisory database: fetched where the network is there; else a copy in the folder that `MES_ADVISORY_DB` names
//! (by default `../shared/advisory-db` beside the workspace); else the last one fetched. Called by `lint`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::binaries::{cache, locked};
use crate::cargo::cargo;
use crate::failure::{Failure, Result, Tried};
use crate::installed::installed;
use crate::lint::{log, passes};
use crate::progress::Progress;
use crate::report::Outcome;

const VERSION: &str = "0.20.2";
/// How cargo-deny names its clone of `https://github.com/RustSec/advisory-db`.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Licences, duplicates and sources of all crates.
pub(crate) fn tree() -> Result<Outcome> {
    let deny = CargoDeny::find_or_install()?;
    passes("deny", deny.check().args(["bans", "licenses", "sources"]))
}

/// Known vulnerabilities, yanked and unmaintained crates.
pub(crate) fn advisories() -> Result<Outcome> {
    let deny = CargoDeny::find_or_install()?;
    if let Err(why) = deny.database() {
        return Ok(Outcome::Skipped(why.to_string()));
    }
    passes("advisories", deny.check().arg("advisories"))
}

struct CargoDeny {
    program: PathBuf,
    /// `deny.toml` with our place for the database.
    config: PathBuf,
    databases: PathBuf,
}

impl CargoDeny {
    fn find_or_install() -> Result<Self> {
        let program = installed("cargo-deny", VERSION)?;
        let databases = cache()?.join("advisory-dbs");
        let ours = crate::workspace_root().join("deny.toml");
        let text = fs::read_to_string(&ours).tried(|| format!("reading {}", ours.display()))?;
        // cargo-deny has no flag for it.
        let place = format!("[advisories]\ndb-path = {:?}", databases.display().to_string());
        let config = log("deny")?.with_file_name("deny.toml");
        fs::write(&config, text.replacen("[advisories]", &place, 1))
            .tried(|| format!("writing {}", config.display()))?;
        // Offline, `cargo metadata` wants the crates of every platform in place.
        let mut fetch = cargo();
        fetch.args(["fetch", "--quiet", "--locked"]);
        Progress::quietly("fetching crates").run(&mut fetch, &log("fetch")?, |_| String::new())?;
        Ok(Self { program, config, databases })
    }

    fn check(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(crate::workspace_root()).arg("--config").arg(&self.config);
        command.args(["--offline", "check", "-D", "warnings"]);
        command
    }

    /// Brings the database into place by the first way that works.
    fn database(&self) -> Result<()> {
        let database = self.databases.join(DATABASE);
        fs::create_dir_all(&self.databases).tried(|| format!("making {}", self.databases.display()))?;
        let _lock = locked(&self.databases.join(".lock"), "the advisory database")?;
        if self.fetch().is_ok() {
            return Ok(());
        }
        let copy = std::env::var_os("MES_ADVISORY_DB")
            .map_or_else(|| crate::workspace_root().join("../shared/advisory-db"), PathBuf::from);
        if copy.join("crates").is_dir() {
            return adopt(&copy, &database);
        }
        if database.join(".git/FETCH_HEAD").is_file() {
            return Ok(());
        }
        Err(Failure::new(
            "the advisory database can't be fetched from github.com/RustSec, and MES_ADVISORY_DB names no copy of it",
        ))
    }

    fn fetch(&self) -> Result<Duration> {
        let mut command = Command::new(&self.program);
        command.current_dir(crate::workspace_root()).arg("--config").arg(&self.config).args(["fetch", "db"]);
        // Never ask for a password, never wait for a silent server.
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1")
            .env("GIT_HTTP_LOW_SPEED_TIME", "10");
        Progress::quietly("fetching advisories").at_most(Duration::from_secs(60)).run(
            &mut command,
            &log("advisories-fetch")?,
            |_| String::new(),
        )
    }
}

/// Makes a plain copy of the database into what cargo-deny takes for its clone: a commit, and a time of fetching.
fn adopt(copy: &Path, database: &Path) -> Result<()> {
    if database.exists() {
        fs::remove_dir_all(database).tried(|| format!("removing {}", database.display()))?;
    }
    let script = r#"
        cp -R "$1" "$2" && chmod -R u+w "$2" && cd "$2" && rm -rf .git && git init --quiet && git add --all &&
        git -c user.name=lint -c user.email=lint@localhost -c commit.gpgsign=false commit --quiet -m "a copy" &&
        touch .git/FETCH_HEAD
    "#;
    let done = Command::new("sh")
        .args(["-ec", script, "adopt"])
        .args([copy, database])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .output()
        .tried(|| "starting sh".into())?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(Failure::new(format!("copying the advisory database from {}: {}", copy.display(), why.trim())))
}

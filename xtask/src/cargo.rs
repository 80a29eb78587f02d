//! What `cargo` knows of this workspace. Called by `servers` (through their users), `test`, `demo`, `bench`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::{Failure, Result, Tried};

/// `cargo`, at the root of the workspace; the one that runs us, where there is one.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace_root());
    // `cargo run` told us of our own package. Build scripts that watch these (ring's does) would run again, and with them
    // everything above TLS be built anew, each time that a person's cargo and ours take turns.
    for (name, _) in std::env::vars_os() {
        let of_a_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds every program of the workspace, so that none is stale, and gives their paths by name (`mes`, `sandbox`).
/// All in one go: cargo would build their dependencies twice with other features otherwise.
pub fn binaries(release: bool) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--workspace", "--bins", "--message-format=json-render-diagnostics"]);
    if release {
        command.arg("--release");
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().tried(|| "starting cargo".into())?;
    if !output.status.success() {
        return Err(Failure::new(format!("cargo build failed ({}); its errors are above", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect())
}

//! The operator as a process on this machine, as the chart would run it: the arguments and the environment of the
//! rendered Deployment, a token of its ServiceAccount, and so exactly the chart's rights.
//!
//! What differs is in [`Operator::differences`], to be printed. Called by `demo` and `bench`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::outside::is_up;
use crate::control_plane::ControlPlane;
use crate::failure::{Failure, Result, Tried};
use crate::scratch::{Ending, Scratch, Server, free_port};

/// The chart's manifests, as `cargo xtask generate` renders and commits them.
pub const RENDERED: &str = "charts/rendered/demo.yaml";

/// What the rendered Deployment says of its container, and what is put in its place.
pub struct Plan {
    program: PathBuf,
    flags: BTreeMap<String, String>,
    environment: Vec<(String, String)>,
    changed: Vec<String>,
    port: u16,
    kubeconfig: PathBuf,
}

/// The operator's process, gone when dropped.
pub struct Operator {
    // The server before its directory: they are dropped in this order.
    server: Server,
    port: u16,
    _scratch: Scratch,
}

impl Plan {
    /// Of the rendered manifests, which must be applied already: `program` with their arguments, where `instead` (a
    /// flag's name without dashes, and its value; empty for a flag that takes none) replaces and adds.
    pub fn new(plane: &ControlPlane, manifests: &str, program: &Path, instead: &[(&str, String)]) -> Result<Self> {
        let deployment = deployment(manifests)?;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let (namespace, account) = (
            deployment["metadata"]["namespace"].as_str().unwrap_or_default(),
            deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or_default(),
        );
        let mut flags = BTreeMap::new();
        for argument in container["args"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some((name, value)) =
                argument.strip_prefix("--").map(|flag| flag.split_once('=').unwrap_or((flag, "")))
            {
                flags.insert(name.to_owned(), value.to_owned());
            }
        }
        let known = flags_of(program)?;
        let mut changed = Vec::new();
        flags.retain(|name, _| {
            let knows = known.contains(name);
            if !knows {
                changed.push(format!("without --{name}, which it does not know"));
            }
            knows
        });
        let port = free_port()?;
        let listen = ("listen", format!("127.0.0.1:{port}"));
        for (name, value) in instead.iter().chain([&listen]) {
            if flags.insert((*name).to_owned(), value.clone()).as_ref() != Some(value) {
                changed.push(written(name, value));
            }
        }
        // What the Deployment takes from its pod, and what it sets.
        let mut environment =
            vec![("MES_NAMESPACE".to_owned(), namespace.to_owned()), ("POD_NAME".to_owned(), "mes-demo".to_owned())];
        for variable in container["env"].as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
                environment.push((name.to_owned(), value.to_owned()));
            }
        }
        let kubeconfig = plane.service_account_kubeconfig(namespace, account)?;
        Ok(Self { program: program.to_owned(), flags, environment, changed, port, kubeconfig })
    }

    /// The flags that are not as the Deployment has them, as they would be typed.
    pub fn differences(&self) -> &[String] {
        &self.changed
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&self) -> Result<Operator> {
        let scratch = Scratch::new("operator")?;
        let mut command = Command::new(&self.program);
        // What whoever runs us has set for themselves is not the operator's: a pod has none of it.
        let theirs = |name: &str| name.starts_with("AWS_") || name.starts_with("MES_") || name == "RUST_LOG";
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(theirs)) {
            command.env_remove(name);
        }
        command.arg("run").args(self.flags.iter().map(|(name, value)| written(name, value)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).env("KUBECONFIG", &self.kubeconfig);
        let mut server = scratch.start("operator", &command, Ending::Kill)?;
        let ready = format!("http://127.0.0.1:{}/ready", self.port);
        server.wait_until(Duration::from_secs(60), || is_up(&ready))?;
        Ok(Operator { server, port: self.port, _scratch: scratch })
    }
}

impl Operator {
    /// Its process id; none when it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Where `/live`, `/ready` and `/metrics` are served on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file of its log.
    pub fn log(&self) -> &Path {
        self.server.log()
    }

    /// Ends it as `kill -9` does.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// A failure with the last lines of its log, if it has ended.
    pub fn ended(&mut self) -> Option<Failure> {
        let status = self.server.ended()?;
        Some(self.server.failure(&format!("ended by itself ({status})")))
    }

    /// The last lines of its log.
    pub fn last_words(&self, lines: usize) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

/// The flags that a program's `run` takes. An older one knows fewer than this checkout's Deployment has.
fn flags_of(program: &Path) -> Result<BTreeSet<String>> {
    let told = || format!("asking {} for its flags", program.display());
    let help = Command::new(program).args(["run", "--help"]).output().tried(told)?;
    if !help.status.success() {
        return Err(Failure::new(format!("{}: `run --help` ended with {}", told(), help.status)));
    }
    let help = String::from_utf8_lossy(&help.stdout);
    let words = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    Ok(words.map(|flag| flag.split(['=', '[', ',', '`']).next().unwrap_or_default().to_owned()).collect())
}

fn written(name: &str, value: &str) -> String {
    if value.is_empty() { format!("--{name}") } else { format!("--{name}={value}") }
}

/// The Deployment among rendered manifests.
fn deployment(manifests: &str) -> Result<Value> {
    let document = manifests
        .split("\n---\n")
        .find(|document| document.lines().any(|line| line == "kind: Deployment"))
        .ok_or_else(|| Failure::new(format!("{RENDERED} has no Deployment; `cargo xtask generate` renders it")))?;
    serde_yaml::from_str(document).tried(|| format!("reading the Deployment of {RENDERED}"))
}

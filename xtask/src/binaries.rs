//! The programs of a control plane: found, or built once from a pinned Go module.
//!
//! Order for each tool: `KUBEBUILDER_ASSETS`, then the user's cache, then `go build` into the cache. The cache is
//! `$XDG_CACHE_HOME/managed-external-secrets/control-plane-DIGEST/TOOL` (`~/.cache` by default), DIGEST being of the
//! module's `go.mod` and `go.sum` and of how we build: the next checkout of the same versions starts at once, another
//! version has a place of its own. One module for all of them: three quarters of Helm's packages and most of kwok's are
//! Kubernetes', and are compiled once where their versions are the same. A program appears in its place by renaming,
//! whole or not at all, and a lock lets one run build while others wait. Called by `control_plane`, and by `test`, which
//! builds while cargo does.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result, Tried};
use crate::progress::Progress;

/// Part of the digest: raise it when `build` does something else with the same versions.
const RECIPE: &str = "1";

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// The store below the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Garbage collection, namespaces, ServiceAccounts, Deployments.
    KubeControllerManager,
    /// Gives pods a node.
    KubeScheduler,
    /// The client.
    Kubectl,
    /// Pretends that pods run.
    Kwok,
    /// Renders and installs charts.
    Helm,
}

/// Where a tool comes from, and how long it takes on two cores.
struct Origin {
    package: &'static str,
    /// Alone, with nothing cached. The largest pays for what the others share with it.
    alone: Duration,
    /// When a larger one is built anyway; an estimate by the packages that it does not share.
    beside: Duration,
}

impl Tool {
    /// Every tool.
    pub const ALL: [Self; 7] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::Kwok,
        Self::Helm,
    ];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Kwok => "kwok",
            Self::Helm => "helm",
        }
    }

    fn origin(self) -> Origin {
        let of = |package, alone, beside| Origin {
            package,
            alone: Duration::from_secs(alone),
            beside: Duration::from_secs(beside),
        };
        match self {
            Self::Etcd => of("go.etcd.io/etcd/server/v3", 31, 10),
            Self::KubeApiserver => of("k8s.io/kubernetes/cmd/kube-apiserver", 400, 150),
            Self::KubeControllerManager => of("k8s.io/kubernetes/cmd/kube-controller-manager", 390, 150),
            Self::KubeScheduler => of("k8s.io/kubernetes/cmd/kube-scheduler", 300, 20),
            Self::Kubectl => of("k8s.io/kubernetes/cmd/kubectl", 150, 40),
            Self::Kwok => of("sigs.k8s.io/kwok/cmd/kwok", 100, 20),
            Self::Helm => of("helm.sh/helm/v4/cmd/helm", 180, 60),
        }
    }

    /// What `go build` calls the program: the last part of the package, without a major version.
    fn built_as(self) -> &'static str {
        match self {
            Self::Etcd => "server",
            other => other.name(),
        }
    }
}

/// The paths of the tools asked for, each found or built.
pub fn find_or_build(tools: &[Tool]) -> Result<BTreeMap<Tool, PathBuf>> {
    let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
    for &tool in tools {
        match from_assets(tool) {
            Some(path) => _ = found.insert(tool, path),
            None => missing.push(tool),
        }
    }
    if !missing.is_empty() {
        let home = Home::pinned()?;
        if !home.absent(&missing).is_empty() {
            home.build(&missing)?;
        }
        found.extend(missing.into_iter().map(|tool| (tool, home.path(tool))));
    }
    Ok(found)
}

/// The user's cache folder of this project: `$XDG_CACHE_HOME` or `~/.cache`, then `managed-external-secrets`.
pub fn cache() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("managed-external-secrets"))
        .ok_or_else(|| Failure::new("no place for a cache: set HOME or XDG_CACHE_HOME to an absolute path"))
}

/// The lock that a file is: taken until the returned file is dropped. Says so when another run holds it.
pub fn locked(path: &Path, what: &str) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .tried(|| format!("opening {}", path.display()))?;
    let mut waiting = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                waiting
                    .get_or_insert_with(|| Progress::begin(format!("another run builds {what}; waiting for it"), None))
                    .tick(String::new);
                std::thread::sleep(Duration::from_millis(200));
            }
            Err(TryLockError::Error(cause)) => return Err(cause).tried(|| format!("locking {}", path.display())),
        }
    }
}

fn from_assets(tool: Tool) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?).join(tool.name());
    path.is_file().then_some(path)
}

/// The Go module `tests/control-plane`, and where its programs are kept.
struct Home {
    source: PathBuf,
    cache: PathBuf,
    go_mod: String,
}

impl Home {
    fn pinned() -> Result<Self> {
        let source = crate::workspace_root().join("tests/control-plane");
        let read = |name: &str| {
            let path = source.join(name);
            fs::read_to_string(&path).tried(|| format!("reading {}", path.display()))
        };
        let go_mod = read("go.mod")?;
        let digest = Sha256::new().chain_update(RECIPE).chain_update(&go_mod).chain_update(read("go.sum")?).finalize();
        let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let cache = cache()?.join(format!("control-plane-{digest}"));
        Ok(Self { source, cache, go_mod })
    }

    fn path(&self, tool: Tool) -> PathBuf {
        self.cache.join(tool.name())
    }

    fn absent(&self, tools: &[Tool]) -> Vec<Tool> {
        tools.iter().copied().filter(|&tool| !self.path(tool).is_file()).collect()
    }

    fn build(&self, tools: &[Tool]) -> Result<()> {
        fs::create_dir_all(&self.cache).tried(|| format!("making {}", self.cache.display()))?;
        let _lock = locked(&self.cache.join(".lock"), &names(tools.iter().copied()))?;
        // Another run may have built them while we waited.
        let absent = self.absent(tools);
        if absent.is_empty() {
            return Ok(());
        }
        go_is_there()?;
        let half_built = self.cache.join(format!(".building-{}", std::process::id()));
        self.sweep()?;
        let mut go = Command::new("go");
        go.current_dir(&self.source)
            .args(["build", "-v", "-trimpath", "-ldflags", &self.linker_flags(), "-o"])
            .arg(format!("{}/", half_built.display()))
            .args(absent.iter().map(|tool| tool.origin().package))
            // A go.work of the user, or flags of theirs, must not choose other versions than ours.
            .env("GOWORK", "off")
            .env("GOFLAGS", "-mod=readonly");
        let log = self.cache.join("build.log");
        Progress::begin(format!("building {}", names(absent.iter().copied())), Some(estimate(&absent))).run(
            &mut go,
            &log,
            |log| format!("{} Go packages compiled", packages(log)),
        )?;
        for tool in absent {
            let from = half_built.join(tool.built_as());
            fs::rename(&from, self.path(tool)).tried(|| format!("keeping {}", from.display()))?;
        }
        self.sweep()
    }

    /// Removes what killed runs left half built. Only under the lock.
    fn sweep(&self) -> Result<()> {
        let entries = fs::read_dir(&self.cache).tried(|| format!("reading {}", self.cache.display()))?;
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(".building-")) {
            fs::remove_dir_all(entry.path()).tried(|| format!("removing {}", entry.path().display()))?;
        }
        Ok(())
    }

    /// Strips symbols, and tells Kubernetes' programs their version: from the module alone they know only
    /// `v0.0.0-master`, which a chart's `kubeVersion` refuses.
    fn linker_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        if let Some(version) = kubernetes_version(&self.go_mod) {
            let mut parts = version.trim_start_matches('v').split('.');
            let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
                for (name, value) in [
                    ("gitVersion", version),
                    ("gitMajor", major),
                    ("gitMinor", minor),
                    ("gitTreeState", "clean"),
                    ("gitCommit", ""),
                ] {
                    flags.push_str(&format!(" -X {package}.{name}={value}"));
                }
            }
        }
        flags
    }
}

/// The version of `k8s.io/kubernetes` that a `go.mod` requires, as `v1.37.2`.
fn kubernetes_version(go_mod: &str) -> Option<&str> {
    go_mod
        .lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix("k8s.io/kubernetes "))?
        .split_whitespace()
        .next()
}

fn go_is_there() -> Result<()> {
    match Command::new("go").arg("version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Failure::new(
            "Go is needed to build the control plane, and `go version` does not run. Install Go 1.26 or newer, or set \
             KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl, or name a cluster by --context",
        )),
    }
}

/// What it takes on this machine if nothing is cached, by what each takes on two cores.
fn estimate(tools: &[Tool]) -> Duration {
    let largest = tools.iter().copied().max_by_key(|tool| tool.origin().alone);
    let took = |&tool: &Tool| if Some(tool) == largest { tool.origin().alone } else { tool.origin().beside };
    let on_two: Duration = tools.iter().map(took).sum();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    // Linking does not get faster with cores; past eight little is gained.
    on_two * 2 / u32::try_from(cores.clamp(1, 8)).unwrap_or(8)
}

/// `go build -v` prints a package a line when it has to be compiled.
fn packages(log: &str) -> usize {
    log.lines().filter(|line| !line.starts_with("go: ") && !line.starts_with('#')).count()
}

fn names(tools: impl Iterator<Item = Tool>) -> String {
    tools.map(Tool::name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_of_kubernetes_is_read_from_go_mod() {
        let go_mod = "require (\n\tk8s.io/kubectl v0.37.2 // indirect\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n";
        assert_eq!(kubernetes_version(go_mod), Some("v1.37.2"));
        assert_eq!(kubernetes_version("require k8s.io/kubernetes v1.36.0"), Some("v1.36.0"));
        assert_eq!(kubernetes_version("require k8s.io/api v0.37.2"), None);
    }

    #[test]
    fn each_tool_is_declared_in_the_module_that_it_is_built_from() {
        let home = Home::pinned().unwrap();
        for tool in Tool::ALL {
            assert!(home.go_mod.contains(tool.origin().package), "{}", tool.name());
        }
    }

    #[test]
    fn tools_share_what_they_take() {
        let together = estimate(&[Tool::KubeApiserver, Tool::KubeControllerManager]);
        assert!(together < estimate(&[Tool::KubeApiserver]) + estimate(&[Tool::KubeControllerManager]));
    }
}

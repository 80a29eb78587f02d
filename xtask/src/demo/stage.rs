//! What the stories and the bench stand on: a control plane with the chart in it, a real PostgreSQL, the sandbox; all
//! built and started at the same time, since each waits for something else.
//!
//! Called by `demo` and `bench`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::operator::{Plan, RENDERED};
use super::outside::Outside;
use crate::binaries::find_or_build;
use crate::cargo;
use crate::control_plane::{CONTEXT, ControlPlane, Options};
use crate::failure::{Failure, Result, Tried};
use crate::progress::Progress;
use crate::servers::{PostgreSql, Sandbox};

/// Everything outside of the operator, running; gone when dropped.
pub struct Stage {
    /// The cluster.
    pub plane: ControlPlane,
    /// The database server.
    pub postgres: PostgreSql,
    /// AWS and Salesforce.
    pub sandbox: Sandbox,
    /// How to ask the sandbox.
    pub outside: Outside,
    manifests: String,
    programs: BTreeMap<String, PathBuf>,
}

const NAMESPACES: &str = include_str!("manifests/namespaces.yaml");
const PLATFORM: &str = include_str!("manifests/platform.yaml");

/// The short bounds under which a person can watch; the defaults are made for AWS as it is.
pub const SHORT: [(&str, &str); 7] = [
    ("deadline", "3s"),
    ("settling", "1s"),
    ("sweep-interval", "2s"),
    ("acceptance", "30s"),
    ("attempts", "50"),
    ("mints-per-day", "1000"),
    ("spacing", "1s"),
];

impl Stage {
    /// Builds what is missing and starts everything but the operator. `release`: programs as they are shipped. `audit`:
    /// the API server writes down who asked what.
    pub fn set(release: bool, audit: bool) -> Result<Self> {
        if std::env::var_os(CONTEXT).is_some_and(|context| !context.is_empty()) {
            return Err(Failure::new(format!("this makes a cluster of its own and removes it again: unset {CONTEXT}")));
        }
        let path = crate::workspace_root().join(RENDERED);
        let manifests = std::fs::read_to_string(&path).tried(|| format!("reading {}", path.display()))?;
        let (programs, plane, postgres) = std::thread::scope(|scope| {
            let programs = scope.spawn(move || build(release));
            let plane = scope.spawn(move || start_plane(audit));
            let postgres = scope.spawn(PostgreSql::start);
            let lost = |_| Failure::new("a thread of this program panicked");
            Ok::<_, Failure>((
                programs.join().map_err(lost)?,
                plane.join().map_err(lost)?,
                postgres.join().map_err(lost)?,
            ))
        })?;
        let (programs, plane, postgres) = (programs?, plane?, postgres?);
        let sandbox = Sandbox::start(program(&programs, "sandbox")?, &[])?;
        let outside = Outside::new(sandbox.url());
        let stage = Self { plane, postgres, sandbox, outside, manifests, programs };
        stage.plane.kubectl_apply(NAMESPACES)?;
        stage.plane.kubectl_apply(&stage.manifests)?;
        stage.plane.kubectl_apply(&stage.platform()?)?;
        Ok(stage)
    }

    /// The operator to be started: `program`, or the one that was built, with `bounds` and what loopback needs.
    pub fn operator(&self, program_path: Option<PathBuf>, bounds: &[(&str, &str)]) -> Result<Plan> {
        let partners = self.sandbox.directory().join("loopback-partners.txt");
        let salesforce = self.sandbox.partners().trim_start_matches("https://");
        let lines = format!(
            "acme.my.salesforce.com {salesforce} {}\n{} {} {}\n",
            self.sandbox.ca_pem_path().display(),
            self.postgres.host(),
            self.postgres.host_port(),
            self.postgres.ca_pem_path().display(),
        );
        std::fs::write(&partners, lines).tried(|| format!("writing {}", partners.display()))?;
        let mut instead: Vec<(&str, String)> =
            bounds.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        instead.push(("log-format", "text".into()));
        instead.push(("allow-store-endpoints", String::new()));
        instead.push(("loopback-partners", partners.display().to_string()));
        let program = match program_path {
            Some(path) => path,
            None => program(&self.programs, "mes")?.clone(),
        };
        Plan::new(&self.plane, &self.manifests, &program, &instead)
    }

    fn platform(&self) -> Result<String> {
        let ca = self.postgres.ca_pem_path();
        let ca = std::fs::read_to_string(ca).tried(|| format!("reading {}", ca.display()))?;
        Ok(PLATFORM
            .replace("{store}", self.sandbox.url())
            .replace("{host}", self.postgres.host())
            .replace("{admin-password}", self.postgres.admin_password())
            // As lines of a YAML block of four spaces.
            .replace("{ca}", ca.trim_end().replace('\n', "\n    ").as_str()))
    }
}

fn start_plane(audit: bool) -> Result<ControlPlane> {
    // Whoever counts by the log wants all of it in one file.
    let flags = if audit { vec!["--audit-log-maxsize=100000".to_owned()] } else { Vec::new() };
    let options = Options { controller_manager: true, audit, api_server_flags: flags, ..Options::default() };
    find_or_build(&options.tools())?;
    ControlPlane::start(&options)
}

/// Builds in a thread of its own, so that this one can say that it still does.
fn build(release: bool) -> Result<BTreeMap<String, PathBuf>> {
    let began = Instant::now();
    let (what, estimate) = match release {
        true => ("cargo build --release of the operator and the sandbox", 420),
        false => ("cargo build of the operator and the sandbox", 200),
    };
    let mut progress = Progress::begin(what, Some(Duration::from_secs(estimate)));
    let builder = std::thread::spawn(move || cargo::binaries(release));
    while !builder.is_finished() {
        let pause = if began.elapsed() < Duration::from_secs(5) { 20 } else { 200 };
        std::thread::sleep(Duration::from_millis(pause));
        progress.tick(String::new);
    }
    let programs = builder.join().map_err(|_| Failure::new("the thread that builds panicked"))??;
    progress.done();
    Ok(programs)
}

fn program<'a>(programs: &'a BTreeMap<String, PathBuf>, name: &str) -> Result<&'a PathBuf> {
    programs.get(name).ok_or_else(|| Failure::new(format!("cargo built no program {name}")))
}

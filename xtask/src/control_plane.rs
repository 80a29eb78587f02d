//! A real Kubernetes control plane on loopback, for one run.
//!
//! etcd and kube-apiserver always; kube-controller-manager, kube-scheduler and kwok where asked. Its state lives in a
//! scratch directory, its ports are free ones, its certificates are made for the run. Instead, any cluster: with
//! `MES_TEST_CONTEXT=NAME` in the environment (what `--context NAME` sets) nothing is started, and everything here
//! goes to that context of the user's kubeconfig. Called by tests, `demo` and `bench`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::binaries::{Tool, find_or_build};
use crate::certificates::{Authority, signing_key};
use crate::failure::{Failure, Result, Tried};
use crate::scratch::{Ending, Scratch, Server, free_port, random_hex};

/// The variable that names a context of the user's kubeconfig, to be used instead of a control plane of ours.
pub const CONTEXT: &str = "MES_TEST_CONTEXT";

const READY_WITHIN: Duration = Duration::from_secs(120);
const KWOK_STAGES: &str = include_str!("kwok_stages.yaml");

/// What runs beside etcd and kube-apiserver.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// ServiceAccounts, garbage collection, Deployments, deletion of namespaces. Without it none of these happen, and
    /// pods are admitted without a ServiceAccount.
    pub controller_manager: bool,
    /// Gives pods a node.
    pub scheduler: bool,
    /// One node, `node-1`, on which pods are said to run (no container, no log).
    pub kwok: bool,
    /// Every request is a line of JSON in [`ControlPlane::audit_log`], without bodies.
    pub audit: bool,
    /// Flags appended to kube-apiserver's.
    pub api_server_flags: Vec<String>,
}

impl Options {
    /// The tools that a control plane of these options needs.
    pub fn tools(&self) -> Vec<Tool> {
        let mut tools = vec![Tool::Etcd, Tool::KubeApiserver, Tool::Kubectl];
        let optional = [
            (self.controller_manager, Tool::KubeControllerManager),
            (self.scheduler, Tool::KubeScheduler),
            (self.kwok, Tool::Kwok),
        ];
        tools.extend(optional.into_iter().filter_map(|(wanted, tool)| wanted.then_some(tool)));
        tools
    }
}

/// A cluster to test against: one of ours, gone when dropped, or a context of the user's.
pub struct ControlPlane {
    // Servers before the scratch directory: they are dropped in this order.
    own: Option<Own>,
    access: Access,
    kubectl: PathBuf,
    scratch: Scratch,
}

/// How to reach the API server as an administrator.
struct Access {
    url: String,
    ca: PathBuf,
    token: Option<String>,
    kubeconfig: PathBuf,
}

/// The servers of a control plane that we started.
struct Own {
    _workers: Vec<Server>,
    api_server: Mutex<Option<Server>>,
    etcd: Mutex<Option<Server>>,
    etcd_ports: [u16; 2],
    tools: BTreeMap<Tool, PathBuf>,
    port: u16,
    arguments: Vec<String>,
}

impl ControlPlane {
    /// Starts one (about 6 s once the programs are built), or takes the context named by `MES_TEST_CONTEXT`.
    pub fn start(options: &Options) -> Result<Self> {
        if let Some(context) = std::env::var(CONTEXT).ok().filter(|context| !context.is_empty()) {
            return Self::of_context(&context);
        }
        let tools = find_or_build(&options.tools())?;
        let mut attempts = 1;
        loop {
            match Self::start_once(options, &tools) {
                // Between our look at a free port and its use, somebody else took it.
                Err(failure) if attempts < 3 && failure.to_string().contains("address already in use") => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    /// A context of the user's kubeconfig. Needs a `kubectl`: of `KUBEBUILDER_ASSETS`, the cache, or the PATH.
    pub fn of_context(context: &str) -> Result<Self> {
        let kubectl = match Command::new("kubectl").args(["version", "--client"]).output() {
            Ok(output) if output.status.success() => PathBuf::from("kubectl"),
            _ => find_or_build(&[Tool::Kubectl])?.remove(&Tool::Kubectl).unwrap_or_default(),
        };
        let output = Command::new(&kubectl)
            .args(["config", "view", "--raw", "--minify", "--flatten", "--output=json", "--context", context])
            .output()
            .tried(|| "starting kubectl".into())?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("reading the context {context} of your kubeconfig: {}", why.trim())));
        }
        let config: Value = serde_json::from_slice(&output.stdout).tried(|| format!("reading context {context}"))?;
        let scratch = Scratch::new("context")?;
        let cluster = &config["clusters"][0]["cluster"];
        let access = Access {
            url: cluster["server"].as_str().unwrap_or_default().to_owned(),
            ca: scratch.write("ca.base64", cluster["certificate-authority-data"].as_str().unwrap_or_default())?,
            token: config["users"][0]["user"]["token"].as_str().map(str::to_owned),
            kubeconfig: scratch.write("admin.kubeconfig", &output.stdout)?,
        };
        let ca = scratch.write("ca.crt", "")?;
        let decoded = Command::new("base64").arg("-d").arg(&access.ca).output().tried(|| "starting base64".into())?;
        std::fs::write(&ca, decoded.stdout).tried(|| format!("writing {}", ca.display()))?;
        let plane = Self { own: None, access: Access { ca, ..access }, kubectl, scratch };
        plane.kubectl_ok(["get", "--raw", "/readyz"])?;
        Ok(plane)
    }

    fn start_once(options: &Options, tools: &BTreeMap<Tool, PathBuf>) -> Result<Self> {
        let scratch = Scratch::new("control-plane")?;
        let files = Files::write(&scratch, options.audit)?;
        let etcd_ports = [free_port()?, free_port()?];
        let etcd = start_etcd(&scratch, &tools[&Tool::Etcd], etcd_ports)?;
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let token = random_hex(24)?;
        scratch.write("tokens.csv", format!("{token},admin,admin,system:masters\n"))?;
        let kubeconfig = scratch.write("admin.kubeconfig", kubeconfig(&url, &files.ca, "admin", &token))?;
        let own = Own {
            _workers: Vec::new(),
            api_server: Mutex::new(None),
            etcd: Mutex::new(Some(etcd)),
            etcd_ports,
            tools: tools.clone(),
            port,
            arguments: files.api_server_arguments(&scratch, etcd_ports[0], port, options),
        };
        let kubectl = tools[&Tool::Kubectl].clone();
        let access = Access { url, ca: files.ca, token: Some(token), kubeconfig };
        let mut plane = Self { own: Some(own), access, kubectl, scratch };
        plane.start_api_server()?;
        let mut workers = Vec::new();
        if options.controller_manager {
            workers.push(plane.start_controller_manager(&tools[&Tool::KubeControllerManager], &files.signing_key)?);
        }
        if options.scheduler {
            workers.push(plane.start_worker("kube-scheduler", &tools[&Tool::KubeScheduler], &LEADERLESS)?);
        }
        if options.kwok {
            workers.push(plane.start_kwok(&tools[&Tool::Kwok])?);
        }
        if let Some(own) = &mut plane.own {
            own._workers = workers;
        }
        if options.controller_manager {
            // Pods and token requests of a test's first line need it.
            plane.wait_for("the ServiceAccount default", ["get", "serviceaccount", "default", "-n", "default"])?;
        }
        Ok(plane)
    }

    /// The administrator's kubeconfig (group `system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.access.kubeconfig
    }

    /// Where the API server is, as `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.access.url
    }

    /// The certificates to check the API server by: a PEM file.
    pub fn ca(&self) -> &Path {
        &self.access.ca
    }

    /// The administrator's bearer token; none where a foreign context does without.
    pub fn admin_token(&self) -> Option<&str> {
        self.access.token.as_deref()
    }

    /// The folder for this run's files: logs, kubeconfigs. Goes with the control plane.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Where the audit lines are, if [`Options::audit`] was set.
    pub fn audit_log(&self) -> PathBuf {
        self.scratch.path().join("audit.log")
    }

    /// The program `kubectl` that fits this cluster.
    pub fn kubectl_program(&self) -> &Path {
        &self.kubectl
    }

    /// `kubectl` as administrator, prepared with kubeconfig and a cache of its own: arguments may be added.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        // The cache below HOME is kept by host and port, and our ports come again with other contents.
        command.arg("--kubeconfig").arg(&self.access.kubeconfig).arg("--cache-dir");
        command.arg(self.scratch.path().join("kubectl-cache")).stdin(Stdio::null());
        command
    }

    /// Runs `kubectl ARGUMENTS` as administrator and gives all of what came, also after a refusal.
    pub fn kubectl<I, S>(&self, arguments: I) -> Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.kubectl_command().args(arguments).output().tried(|| "starting kubectl".into())
    }

    /// As [`Self::kubectl`], but gives the standard output, and an error that quotes kubectl's if it failed.
    pub fn kubectl_ok<I, S>(&self, arguments: I) -> Result<String>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        succeeded(self.kubectl(arguments)?)
    }

    /// Runs `kubectl ARGUMENTS` with `input` as its standard input: for `-f -`.
    pub fn kubectl_with<I, S>(&self, arguments: I, input: &str) -> Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut child = self
            .kubectl_command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .tried(|| "starting kubectl".into())?;
        let mut pipe = child.stdin.take().ok_or_else(|| Failure::new("kubectl has no standard input"))?;
        let input = input.to_owned();
        // In a thread of its own: kubectl may answer before it has read all, and both pipes may be full.
        let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
        let output = child.wait_with_output().tried(|| "waiting for kubectl".into())?;
        // A kubectl that ended without reading says why itself.
        let _ = writer.join();
        Ok(output)
    }

    /// Applies manifests server-side, and waits until CustomResourceDefinitions among them are served.
    pub fn kubectl_apply(&self, manifests: &str) -> Result<()> {
        succeeded(self.kubectl_with(["apply", "--server-side", "-f", "-"], manifests)?)?;
        if manifests.contains("kind: CustomResourceDefinition") {
            self.kubectl_ok(["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"])?;
            self.served()?;
        }
        Ok(())
    }

    /// Waits until each custom kind can be listed: a kind that is established may still answer 429, "storage is
    /// (re)initializing", for a second or two.
    fn served(&self) -> Result<()> {
        let path = r#"jsonpath={range .items[*]}{.spec.names.plural}.{.spec.group}{"\n"}{end}"#;
        let kinds = self.kubectl_ok(["get", "crd", "-o", path])?;
        let kinds = kinds.split_whitespace().collect::<Vec<_>>().join(",");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match self.kubectl_ok(["get", &kinds, "--all-namespaces", "--chunk-size=1", "-o", "name"]) {
                Ok(_) => return Ok(()),
                Err(failure) if Instant::now() > until => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// A kubeconfig with a token of a ServiceAccount, good for 24 hours: exactly that account's rights.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name)?;
        self.scratch
            .write(&format!("{namespace}.{name}.kubeconfig"), kubeconfig(self.url(), self.ca(), name, token.trim()))
    }

    /// A token of a ServiceAccount by the TokenRequest API, good for 24 hours.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let token = self.kubectl_ok(["create", "token", name, "--namespace", namespace, "--duration=24h"])?;
        Ok(token.trim().to_owned())
    }

    /// Kills kube-apiserver; etcd and the rest stay. An error on a cluster that is not ours.
    pub fn stop_api_server(&self) -> Result<()> {
        self.own()?.api_server().take();
        Ok(())
    }

    /// Starts kube-apiserver, again on the same port, and waits until it is ready. Nothing happens if it runs.
    pub fn start_api_server(&self) -> Result<()> {
        let own = self.own()?;
        let mut slot = own.api_server();
        if slot.is_some() {
            return Ok(());
        }
        let mut command = Command::new(&own.tools[&Tool::KubeApiserver]);
        command.args(&own.arguments);
        let mut server = self.scratch.start("kube-apiserver", &command, Ending::Kill)?;
        // A process of kubectl costs 50 ms of processor time: first wait for the socket.
        server.wait_until(READY_WITHIN, || TcpStream::connect(("127.0.0.1", own.port)).is_ok())?;
        let ready = || matches!(self.kubectl(["get", "--raw", "/readyz"]), Ok(output) if output.status.success());
        server.wait_until(READY_WITHIN, ready)?;
        *slot = Some(server);
        drop(slot);
        self.wait_for("the namespace default", ["get", "namespace", "default"])
    }

    /// Kills etcd; the API server stays, and answers nothing that it has to look up. An error on a cluster that is not ours.
    pub fn stop_etcd(&self) -> Result<()> {
        self.own()?.etcd().take();
        Ok(())
    }

    /// Starts etcd, again on the same ports and data, and waits until the API server answers from it. Nothing happens if it
    /// runs.
    pub fn start_etcd(&self) -> Result<()> {
        let own = self.own()?;
        let mut slot = own.etcd();
        if slot.is_none() {
            *slot = Some(start_etcd(&self.scratch, &own.tools[&Tool::Etcd], own.etcd_ports)?);
        }
        drop(slot);
        self.wait_for("the namespace default", ["get", "namespace", "default"])
    }

    fn start_controller_manager(&self, program: &Path, signing_key: &Path) -> Result<Server> {
        let key = format!("--service-account-private-key-file={}", signing_key.display());
        let ca = format!("--root-ca-file={}", self.ca().display());
        let flags = ["--kube-api-qps=300", "--kube-api-burst=600", &key, &ca];
        self.start_worker("kube-controller-manager", program, &[&LEADERLESS[..], &flags].concat())
    }

    fn start_kwok(&self, program: &Path) -> Result<Server> {
        let stages = self.scratch.write("kwok.yaml", KWOK_STAGES)?;
        let config = format!("--config={}", stages.display());
        let server = self.start_worker("kwok", program, &["--manage-all-nodes=true", &config])?;
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "node-1", "labels": {"kubernetes.io/hostname": "node-1", "kubernetes.io/os": "linux"}},
            "status": {
                "capacity": {"cpu": "64", "memory": "256Gi", "pods": "10000"},
                "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "10000"},
            },
        });
        succeeded(self.kubectl_with(["create", "-f", "-"], &node.to_string())?)?;
        let waited = self.kubectl_ok(["wait", "--for=condition=Ready", "--timeout=60s", "node/node-1"]);
        waited.map_err(|failure| server.failure(&format!("did not make its node ready ({failure})")))?;
        Ok(server)
    }

    fn start_worker(&self, name: &'static str, program: &Path, flags: &[&str]) -> Result<Server> {
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(&self.access.kubeconfig).args(flags);
        self.scratch.start(name, &command, Ending::Kill)
    }

    fn wait_for<const N: usize>(&self, what: &str, question: [&str; N]) -> Result<()> {
        let start = Instant::now();
        loop {
            let output = self.kubectl(question)?;
            if output.status.success() {
                return Ok(());
            }
            if start.elapsed() > READY_WITHIN {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(Failure::new(format!("{what} did not come within {} s: {why}", READY_WITHIN.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn own(&self) -> Result<&Own> {
        self.own.as_ref().ok_or_else(|| {
            Failure::new(format!(
                "the API server of a foreign context is not ours to stop: unset {CONTEXT} for this test"
            ))
        })
    }
}

impl Own {
    fn api_server(&self) -> MutexGuard<'_, Option<Server>> {
        self.api_server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn etcd(&self) -> MutexGuard<'_, Option<Server>> {
        self.etcd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One replica of each: no election, and no port of its own that somebody could take.
const LEADERLESS: [&str; 2] = ["--leader-elect=false", "--secure-port=0"];

/// Files that the API server and its clients read.
struct Files {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    signing_key: PathBuf,
    signing_public_key: PathBuf,
    audit_policy: Option<PathBuf>,
}

impl Files {
    fn write(scratch: &Scratch, audit: bool) -> Result<Self> {
        let authority = Authority::new("control plane of one run")?;
        let identity = authority.issue(&["127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1"])?;
        let (private, public) = signing_key()?;
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\n\
                      rules: [{level: Metadata}]\n";
        Ok(Self {
            ca: scratch.write("ca.crt", authority.pem())?,
            certificate: scratch.write("apiserver.crt", identity.certificate)?,
            key: scratch.write("apiserver.key", identity.key)?,
            signing_key: scratch.write("service-accounts.key", private)?,
            signing_public_key: scratch.write("service-accounts.pub", public)?,
            audit_policy: audit.then(|| scratch.write("audit-policy.yaml", policy)).transpose()?,
        })
    }

    fn api_server_arguments(&self, scratch: &Scratch, etcd: u16, port: u16, options: &Options) -> Vec<String> {
        let directory = scratch.path().display();
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            // Nobody reaches this API server by the Service `kubernetes`, and a loopback endpoint is refused.
            "--endpoint-reconciler-type=none".into(),
            format!("--cert-dir={directory}"),
            format!("--tls-cert-file={}", self.certificate.display()),
            format!("--tls-private-key-file={}", self.key.display()),
            format!("--service-account-signing-key-file={}", self.signing_key.display()),
            format!("--service-account-key-file={}", self.signing_public_key.display()),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--token-auth-file={directory}/tokens.csv"),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
        ];
        if !options.controller_manager {
            // Nobody would make the ServiceAccount `default`, for which every pod would wait.
            arguments.push("--disable-admission-plugins=ServiceAccount".into());
        }
        if let Some(policy) = &self.audit_policy {
            arguments.push(format!("--audit-policy-file={}", policy.display()));
            arguments.push(format!("--audit-log-path={directory}/audit.log"));
        }
        arguments.extend(options.api_server_flags.iter().cloned());
        arguments
    }
}

fn start_etcd(scratch: &Scratch, program: &Path, [clients, peers]: [u16; 2]) -> Result<Server> {
    let mut command = Command::new(program);
    command
        .arg(format!("--data-dir={}", scratch.path().join("etcd").display()))
        .arg(format!("--listen-client-urls=http://127.0.0.1:{clients}"))
        .arg(format!("--advertise-client-urls=http://127.0.0.1:{clients}"))
        .arg(format!("--listen-peer-urls=http://127.0.0.1:{peers}"))
        .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peers}"))
        .arg(format!("--initial-cluster=default=http://127.0.0.1:{peers}"))
        .args(["--unsafe-no-fsync", "--log-level=warn"]);
    let mut server = scratch.start("etcd", &command, Ending::Kill)?;
    server.wait_until(READY_WITHIN, || TcpStream::connect(("127.0.0.1", clients)).is_ok())?;
    Ok(server)
}

/// A kubeconfig of one context, as JSON, which is YAML.
fn kubeconfig(url: &str, ca: &Path, user: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "mes", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "mes", "context": {"cluster": "mes", "user": user}}],
        "current-context": "mes",
    });
    format!("{config:#}\n")
}

fn succeeded(output: Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("kubectl failed ({}): {}", output.status, why.trim())))
}

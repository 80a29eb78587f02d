//! Everything that the end-to-end tests stand on: a real control plane, a real PostgreSQL, the sandbox for AWS and
//! Salesforce, and the operator as a process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::iam;
use crate::read::Reader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Door, Entry, Options as SandboxOptions, Served, Setup};
use serde_json::{Value, json};
use xtask::control_plane::{ControlPlane, Options};
use xtask::scratch::{Scratch, free_port};
use xtask::servers::PostgreSql;

/// What all tests of this program share.
pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) postgres: PostgreSql,
    pub(crate) sandbox: Served,
    pub(crate) scratch: Scratch,
    /// A kubeconfig with the token of the operator's ServiceAccount.
    pub(crate) account: PathBuf,
    /// UID of `kube-system`.
    cluster: String,
    /// The policies that the sandbox judges by.
    policies: Mutex<Setup>,
    reader: Reader,
    _runtime: tokio::runtime::Runtime,
}

/// The operator's process; stopped when dropped.
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
    listen: u16,
}

/// Most of a test is waiting, so as many worlds as there are test threads stand side by side, and one more for the test
/// that needs two.
static WORLDS: [LazyLock<Mutex<World>>; 6] = [const { LazyLock::new(|| Mutex::new(World::start())) }; 6];

/// By how much a shared machine with other work may be slower than one of one's own. What holds is never waited for longer.
const SLOWER: u64 = 4;

/// A world of one's own, for one test at a time: counts and faults of its sandbox are everybody's in it.
pub(crate) fn world() -> MutexGuard<'static, World> {
    loop {
        for world in &WORLDS {
            match world.try_lock() {
                Ok(free) => return without_debts(free),
                // A test that failed left a world that stands as well as before.
                Err(TryLockError::Poisoned(free)) => return without_debts(PoisonError::into_inner(free)),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What resources of earlier tests left owing (they were deleted in an overlap, or their roles are gone) is taken off by a
/// person: else the operators of later tests would go on asking about it.
fn without_debts(world: MutexGuard<'static, World>) -> MutexGuard<'static, World> {
    const OWED: &str = "managed-secrets.io/owed";
    let mut page = Value::Null;
    loop {
        let mut asked = json!({"Filters": [{"Key": "tag-key", "Values": [OWED]}]});
        if page.is_string() {
            asked["NextToken"] = page;
        }
        let listed = world.aws("us-west-2", "ListSecrets", &asked);
        let found = listed["SecretList"].as_array().expect("a list of secrets");
        for secret in
            found.iter().filter(|secret| secret["PrimaryRegion"].is_null() || secret["PrimaryRegion"] == "us-west-2")
        {
            world.aws("us-west-2", "UntagResource", &json!({"SecretId": secret["ARN"], "TagKeys": [OWED]}));
        }
        page = listed["NextToken"].clone();
        if page.is_null() {
            return world;
        }
    }
}

impl World {
    fn start() -> Self {
        // Whoever set one before us set the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plane = ControlPlane::start(&Options { controller_manager: true, audit: true, ..Options::default() })
            .expect("a control plane");
        let postgres = PostgreSql::start().expect("PostgreSQL");
        let scratch = Scratch::new("e2e").expect("a folder");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let options = SandboxOptions { dir: Some(scratch.path().to_path_buf()), ..SandboxOptions::default() };
        let sandbox = runtime.block_on(sandbox::serve(options)).expect("the sandbox");
        let cluster = plane.kubectl_ok(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
        let reader = Reader::new(&plane, runtime.handle());
        let mut world = Self {
            plane,
            postgres,
            sandbox,
            scratch,
            account: PathBuf::new(),
            cluster: cluster.expect("kube-system"),
            policies: Mutex::new(iam::principals()),
            reader,
            _runtime: runtime,
        };
        world.prepare();
        world.account =
            world.plane.service_account_kubeconfig("mes-system", "mes").expect("a token of the ServiceAccount");
        world
    }

    fn prepare(&self) {
        let url = self.sandbox.url();
        let host = self.postgres.host();
        let (password, ca) =
            (self.postgres.admin_password(), std::fs::read_to_string(self.postgres.ca_pem_path()).expect("a CA"));
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mes-system"}}));
        for namespace in ["payments", "privacy", "orders"] {
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"db": "main"}}}));
        }
        self.install();
        self.lend("orders");
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/admin", "metadata": {"name": "aws-keys", "namespace": "mes-system"},
            "stringData": {"accessKeyID": "AKIAMESOPERATOR00001", "secretAccessKey": "not-verified-by-the-sandbox"}}));
        iam::admit(self, "e2e", &iam::REGIONS, &iam::ADOPTED, iam::To::Role);
        let endpoint = format!("postgresql://{host}:5432/postgres");
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/admin", "metadata": {"name": "pg-main-admin", "namespace": "mes-system"},
            "stringData": {"username": "admin", "password": password, "endpoint": endpoint, "ca.crt": ca}}));
        self.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "default"},
            "spec": {"region": "us-west-2", "accountID": "123456789012", "auth": {"secretRef": {"name": "aws-keys"}, "assumeRole": {"roleARN": iam::role("e2e")}}, "endpoint": url, "prefix": "e2e",
                "kmsKeyID": iam::key("us-west-2"),
                "regions": [{"name": "eu-west-1", "kmsKeyID": iam::key("eu-west-1")}, {"name": "ap-southeast-2", "kmsKeyID": iam::key("ap-southeast-2")}],
                "rotationRoleARN": "arn:aws:iam::123456789012:role/mes-rotation",
                "grants": [{"namespaceSelector": {}}, {"namespaces": ["payments"], "manage": ["legacy/{namespace}/*"], "observe": ["shared/*"]}]}}));
        self.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "pg-main"},
            "spec": {"partnerTypes": ["PostgreSQLRole"], "endpoint": endpoint, "caBundle": ca, "privateNetworks": ["127.0.0.1/32"],
                "admin": {"secretRef": {"name": "pg-main-admin"}},
                "grants": [{"namespaceSelector": {"matchLabels": {"db": "main"}}, "identities": ["{namespace}_*"]}]}}));
    }

    /// The UID of `kube-system`.
    pub(crate) fn cluster(&self) -> String {
        self.cluster.clone()
    }

    /// AWS's clock goes on and the operator's does not, so its sessions live on, as they do where both are the same.
    pub(crate) fn advance(&self, by: SignedDuration) {
        self.sandbox.with(|sandbox| {
            sandbox.advance(by);
            sandbox.prolong_sessions(by);
        });
    }

    /// Adds policies to those that the sandbox judges by.
    pub(crate) fn judge(&self, more: Setup) {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        policies.merge(more);
        self.sandbox.with(|sandbox| sandbox.judge_by(Some(&policies))).expect("policies that can be read");
    }

    /// The chart's manifests as they are committed: definitions, ServiceAccount, roles, bindings, both admission policies.
    /// Its Deployment stays without a pod, since nothing schedules here; the process runs beside it with the same rights.
    pub(crate) fn install(&self) {
        let rendered = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/rendered/demo.yaml");
        self.plane
            .kubectl_apply(&std::fs::read_to_string(rendered).expect("the rendered chart"))
            .expect("the chart applies");
    }

    /// Binds the chart's roles in a namespace, as its values do for those that they name.
    pub(crate) fn lend(&self, namespace: &str) {
        for role in ["mes-namespace", "mes-collect"] {
            self.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": role, "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": "mes", "namespace": "mes-system"}]}));
        }
    }

    /// Lets the operator read any Secret of its own namespace and hold any Lease there. The chart names each; some tests
    /// make them as they go.
    pub(crate) fn lend_home(&self) {
        let name = json!({"name": "every-admin", "namespace": "mes-system"});
        self.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}]}));
        self.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "every-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "mes", "namespace": "mes-system"}]}));
    }

    /// Applies one object, server-side.
    pub(crate) fn apply(&self, object: &Value) {
        self.plane.kubectl_apply(&object.to_string()).expect("applied");
    }

    /// What `kubectl get` with these words shows; `Null` for an object that is not there.
    pub(crate) fn get(&self, what: &[&str]) -> Value {
        self.reader.get(what)
    }

    /// Two roles that may not log in, and a database.
    pub(crate) fn roles(&self, names: &[&str]) {
        for name in names {
            self.postgres.psql(&format!("DROP ROLE IF EXISTS {name}")).expect("dropped");
            self.postgres.psql(&format!("CREATE ROLE {name} NOLOGIN")).expect("made");
        }
    }

    /// Takes the roles of a test along, whoever may still log in: their names begin like those of others.
    pub(crate) fn drop_roles(&self, prefix: &str) {
        let sql = format!("SELECT rolname FROM pg_roles WHERE rolname LIKE '{}%'", prefix.replace('_', "\\_"));
        for name in self.postgres.psql(&sql).expect("listed").lines() {
            self.postgres.psql(&format!("DROP ROLE {name}")).expect("dropped");
        }
    }

    /// Waits until `holds`, or fails with what was seen last: for as long as that takes at worst on a machine of one's own,
    /// times [`SLOWER`].
    pub(crate) fn eventually<T>(
        &self,
        what: &str,
        seconds: u64,
        mut holds: impl FnMut(&Self) -> Result<T, String>,
    ) -> T {
        let seconds = seconds * SLOWER;
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            match holds(self) {
                Ok(found) => return found,
                Err(seen) if Instant::now() > until => panic!("{what}: not within {seconds} s; last seen: {seen}"),
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Waits for a condition of an object.
    pub(crate) fn condition(
        &self,
        what: &[&str],
        kind: &str,
        status: &str,
        reason: Option<&str>,
        seconds: u64,
    ) -> Value {
        self.eventually(&format!("{what:?} {kind}={status} {reason:?}"), seconds, |world| {
            let object = world.get(what);
            let found = condition_of(&object, kind);
            let fits = found["status"] == status && reason.is_none_or(|reason| found["reason"] == reason);
            if fits { Ok(object) } else { Err(format!("{}", object["status"])) }
        })
    }

    /// Writes which partners are reached on this machine.
    pub(crate) fn partners(&self) -> PathBuf {
        let partners = self.scratch.path().join("partners.txt");
        let salesforce =
            format!("acme.my.salesforce.com {} {}", self.sandbox.partners_addr(), self.sandbox.ca_path().display());
        let postgres =
            format!("{} {} {}", self.postgres.host(), self.postgres.host_port(), self.postgres.ca_pem_path().display());
        std::fs::write(&partners, format!("{salesforce}\n{postgres}\n")).expect("written");
        partners
    }

    /// Starts the operator with short bounds and these further arguments.
    pub(crate) fn operator(&self, more: &[&str]) -> Operator {
        self.operator_with(&[], more)
    }

    /// The same, with these variables in its environment.
    pub(crate) fn operator_with(&self, variables: &[(&str, &str)], more: &[&str]) -> Operator {
        let partners = self.partners();
        let listen = free_port().expect("a port");
        let log = self.scratch.path().join(format!("operator-{listen}.log"));
        let output = File::create(&log).expect("a log");
        let address = format!("127.0.0.1:{listen}");
        let bounds = [
            ["--listen", &address],
            ["--log-level", "trace"],
            ["--deadline", "3s"],
            ["--settling", "1s"],
            ["--acceptance", "30s"],
            ["--attempts", "50"],
            ["--mints-per-day", "1000"],
            ["--spacing", "1s"],
            ["--sweep-interval", "2s"],
        ];
        let child = Command::new(env!("CARGO_BIN_EXE_mes"))
            .args(["run", "--log-format", "text", "--allow-store-endpoints"])
            .arg("--loopback-partners")
            .arg(&partners)
            .args(bounds.iter().filter(|[flag, _]| !more.contains(flag)).flatten())
            .args(more)
            .env("KUBECONFIG", &self.account)
            .env("POD_NAME", "mes-0")
            .envs(variables.iter().copied())
            .stdout(output.try_clone().expect("a log"))
            .stderr(output)
            .stdin(Stdio::null())
            .spawn()
            .expect("the operator");
        Operator { child, log, listen }
    }
}

/// A condition of an object; `Null` if it is not there.
pub(crate) fn condition_of<'a>(object: &'a Value, kind: &str) -> &'a Value {
    const NONE: &Value = &Value::Null;
    object["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|each| each["type"] == kind))
        .unwrap_or(NONE)
}

impl Operator {
    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and waits: the Lease is given back, so that the next one leads at once.
    pub(crate) fn stop(&mut self) {
        let told = self.signal("TERM");
        let until = Instant::now() + Duration::from_secs(20);
        while told && Instant::now() < until {
            if self.ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Sends it a signal; whether that went well.
    pub(crate) fn signal(&self, signal: &str) -> bool {
        let told = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        told.is_ok_and(|status| status.success())
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves.
    pub(crate) fn port(&self) -> u16 {
        self.listen
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it writes that.
    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if !self.ended() {
            self.stop();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the operator's last words\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

impl World {
    /// Whether the credential in a target logs in at the real server.
    pub(crate) fn logs_in(&self, namespace: &str, target: &str) -> bool {
        let held = self.data(namespace, target);
        let text = |key: &str| held.get(key).cloned().unwrap_or_default();
        self.postgres
            .psql_as(&text("username"), &text("password"), "SELECT 1")
            .is_ok_and(|output| output.status.success())
    }

    /// How many of these roles may log in.
    pub(crate) fn logins(&self, names: &[&str]) -> usize {
        let listed = names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(",");
        let sql = format!("SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname IN ({listed})");
        self.postgres.psql(&sql).expect("counted").trim().parse().expect("a number")
    }

    /// What a Secret holds, decoded; empty if it is not there.
    pub(crate) fn data(&self, namespace: &str, secret: &str) -> BTreeMap<String, String> {
        let secret = self.get(&["secret", "-n", namespace, secret]);
        let entries = secret["data"].as_object().into_iter().flatten();
        let decoded = entries.map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).expect("base64");
            (key.clone(), String::from_utf8(bytes).expect("text"))
        });
        decoded.collect()
    }

    /// Makes a Rotation by `kubectl create`, as a person does, and tells its name.
    pub(crate) fn request_rotation(&self, namespace: &str, resource: &str) -> String {
        let rotation = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
            "metadata": {"generateName": format!("{resource}-"), "namespace": namespace}, "spec": {"resourceRef": {"name": resource}}});
        let arguments = ["create", "-o", "jsonpath={.metadata.name}", "-f", "-"];
        let made = self.plane.kubectl_with(arguments, &rotation.to_string()).expect("kubectl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).expect("a name")
    }

    /// The Rotations of a resource, oldest first.
    pub(crate) fn rotations(&self, namespace: &str, resource: &str) -> Vec<Value> {
        let selector = format!("spec.resourceRef.name={resource}");
        let list = self.get(&["rot", "-n", namespace, "--field-selector", &selector]);
        let mut all = list["items"].as_array().cloned().unwrap_or_default();
        all.sort_by_key(|each| each["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
        all
    }

    /// Deletes an object and waits until it is gone.
    pub(crate) fn delete(&self, what: &[&str]) {
        let arguments: Vec<&str> =
            ["delete", "--ignore-not-found", "--timeout=300s"].iter().chain(what).copied().collect();
        self.plane.kubectl_ok(&arguments).expect("deleted");
    }

    /// A call to Secrets Manager by somebody else than the operator, in this region; what it answered.
    pub(crate) fn aws(&self, region: &str, operation: &str, body: &Value) -> Value {
        let scope = format!("AKIASOMEBODYELSE0001/20260101/{region}/secretsmanager/aws4_request");
        let request = http::Request::post("http://sandbox/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(bytes::Bytes::from(body.to_string()))
            .expect("a request");
        self.sandbox.with(|aws| aws.call(Door::Aws, &request, Timestamp::now())).json()
    }

    /// The labels of each version of a secret in the primary region that has any.
    pub(crate) fn labels(&self, secret: &str) -> BTreeMap<String, Vec<String>> {
        let described = self.aws("us-west-2", "DescribeSecret", &json!({"SecretId": secret}));
        serde_json::from_value(described["VersionIdsToStages"].clone()).unwrap_or_default()
    }

    /// The current value of a secret in a region, as text; `None` if it is not there.
    pub(crate) fn stored(&self, region: &str, secret: &str) -> Option<String> {
        let told = self.aws(region, "GetSecretValue", &json!({"SecretId": secret}));
        told["SecretString"].as_str().map(str::to_owned)
    }

    /// The number of the sandbox's last call, to ask [`Self::calls`] for those that follow.
    pub(crate) fn mark(&self) -> u64 {
        self.sandbox.with(|sandbox| sandbox.log(0).last().map_or(0, |entry| entry.number))
    }

    /// What the operator called at AWS and Salesforce since `mark`.
    pub(crate) fn calls(&self, mark: u64) -> Vec<Entry> {
        let mine = |entry: &Entry| !entry.caller.contains("AKIASOMEBODYELSE0001");
        self.sandbox.with(|sandbox| sandbox.log(mark).into_iter().filter(mine).collect())
    }
}

/// The operations that a call at AWS or Salesforce changes something with.
pub(crate) fn writes(entry: &Entry) -> bool {
    const READS: [&str; 9] = [
        "AssumeRole",
        "DescribeSecret",
        "GetSecretValue",
        "BatchGetSecretValue",
        "ListSecrets",
        "GetCallerIdentity",
        "token",
        "main_pair",
        "list_staged",
    ];
    !READS.contains(&entry.operation.as_str()) && entry.operation != "consumers" && entry.operation != "usage"
}

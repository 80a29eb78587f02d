//! The resources of a run, and what they need outside: roles, apps and seeds, secrets of others.
//!
//! Objects go in by way of `kubectl proxy`, four at a time: a `kubectl create` of thousands holds itself back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Kind;
use crate::demo::outside;
use crate::demo::stage::Stage;
use crate::failure::{Failure, Result, Tried};
use crate::scratch::{Ending, Scratch, Server};

/// Foreign Secrets beside `observe`, as External Secrets Operator had them when it was measured, and their size.
pub(super) const FOREIGN: u32 = 5_000;
const FOREIGN_BYTES: usize = 3_000;

const NAMESPACE: &str = "payments";

/// A way to the API server in plain HTTP, on loopback, gone when dropped.
pub(super) struct Proxy {
    _server: Server,
    url: String,
    _scratch: Scratch,
}

impl Proxy {
    pub(super) fn start(stage: &Stage) -> Result<Self> {
        let scratch = Scratch::new("proxy")?;
        let mut command = stage.plane.kubectl_command();
        command.args(["proxy", "--port=0", "--address=127.0.0.1"]);
        let mut server = scratch.start("kubectl-proxy", &command, Ending::Kill)?;
        let log = server.log().to_owned();
        let mut heard = None;
        server.wait_until(Duration::from_secs(20), || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            heard = said.lines().find_map(|line| line.strip_prefix("Starting to serve on ")).map(str::to_owned);
            heard.is_some()
        })?;
        let address = heard.ok_or_else(|| Failure::new("kubectl proxy does not say where it listens"))?;
        Ok(Self { _server: server, url: format!("http://{}", address.trim()), _scratch: scratch })
    }

    /// Creates objects `0..count`, four at a time.
    pub(super) fn create(&self, path: &str, count: u32, object: impl Fn(u32) -> Value + Sync) -> Result<()> {
        let next = AtomicU32::new(0);
        let url = format!("{}{path}", self.url);
        let work = || {
            let agent = outside::agent();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let body = object(number).to_string();
                let request = agent.post(&url).header("content-type", "application/json");
                let status = request.send(body).tried(|| format!("creating an object at {path}"))?.status();
                if !status.is_success() {
                    return Err(Failure::new(format!("creating an object at {path}: {status}")));
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(Failure::new("a thread that creates objects panicked")))
            })
        })
    }
}

/// What must be there before the resources `0..count` are created.
pub(super) fn prepare(stage: &Stage, proxy: &Proxy, kind: Kind, count: u32) -> Result<()> {
    let secrets = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    match kind {
        Kind::Mint => {
            let roles = format!(
                "DO $$ BEGIN FOR i IN 0..{} LOOP EXECUTE format('CREATE ROLE payments_%s_a NOLOGIN', i); \
                 EXECUTE format('CREATE ROLE payments_%s_b NOLOGIN', i); END LOOP; END $$",
                count.saturating_sub(1)
            );
            stage.postgres.psql(&roles).map(|_| ())
        }
        Kind::FromSecret => {
            let seeds = (0..count).map(|number| {
                let app = stage.outside.post("salesforce/apps", &json!({"name": format!("app-{number}")}))?;
                Ok(json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed",
                    "metadata": {"name": format!("seed-{number}")}, "stringData": app}))
            });
            let seeds = seeds.collect::<Result<Vec<Value>>>()?;
            proxy.create(&secrets, count, |number| seeds.get(number as usize).cloned().unwrap_or_default())
        }
        Kind::Observe => {
            for number in 0..count {
                let value = json!({"username": format!("user-{number}"), "password": format!("of-the-bench-{number}")});
                let body = json!({"Name": format!("shared/{number}"), "SecretString": value.to_string(),
                    "ClientRequestToken": format!("00000000-0000-4000-8000-{number:012}")});
                stage.outside.aws("us-west-2", "CreateSecret", &body)?;
            }
            let filling = "x".repeat(FOREIGN_BYTES);
            proxy.create(&secrets, FOREIGN, |number| {
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("foreign-{number}")},
                    "stringData": {"filling": filling}})
            })
        }
    }
}

/// Creates the resources `from..from + count`, and gives how long that took.
pub(super) fn create(proxy: &Proxy, kind: Kind, from: u32, count: u32) -> Result<Duration> {
    let began = Instant::now();
    let path = format!("/apis/managed-secrets.io/v1alpha1/namespaces/{NAMESPACE}/managedexternalsecrets");
    proxy.create(&path, count, |number| resource(kind, from + number))?;
    Ok(began.elapsed())
}

/// The name of a resource.
pub(super) fn name(number: u32) -> String {
    format!("bench-{number}")
}

fn resource(kind: Kind, number: u32) -> Value {
    let name = name(number);
    let spec = match kind {
        Kind::Mint => json!({
            "partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"dbname": "postgres",
                "username": format!("payments_{number}_a"), "alternateUsername": format!("payments_{number}_b")}},
            "onboard": {"mint": {}}, "rotation": {"schedule": "rate(7 days)"}, "targets": [{"name": name}]}),
        Kind::FromSecret => json!({
            "partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}},
            "onboard": {"fromSecret": {"name": format!("seed-{number}")}},
            "rotation": {"schedule": "rate(30 days)", "first": "Scheduled"}, "targets": [{"name": name}]}),
        Kind::Observe => json!({
            "onboard": {"observe": {}}, "storeRef": {"secretName": format!("shared/{number}")},
            "targets": [{"name": name}]}),
    };
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": name}, "spec": spec})
}

//! A control plane with the chart on it, and requests by whoever is to be tried: a person, or the operator's real token.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use xtask::ControlPlane;
use xtask::binaries::{Tool, find_or_build};
use xtask::control_plane::Options;

const VALUES: [&str; 2] = ["--values", "charts/rendered/demo-values.yaml"];

/// An API server with the chart installed, and its clients.
pub(crate) struct Server {
    pub(crate) plane: ControlPlane,
    runtime: Runtime,
    people: Mutex<BTreeMap<String, Client>>,
    operator: Client,
}

/// What an API server answered: the status, and its words if it refused.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) said: String,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    content: &'static str,
    body: Value,
    headers: Vec<(&'static str, &'static str)>,
}

impl Server {
    /// Starts one, and installs the chart with these further values.
    pub(crate) fn with_chart(values: &[&str]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = Options { controller_manager: true, ..Options::default() };
        let plane = ControlPlane::start(&options).expect("a control plane");
        for namespace in ["mes-system", "payments", "privacy", "orders"] {
            plane.kubectl_ok(["create", "namespace", namespace]).unwrap();
        }
        plane.kubectl_apply(&rendered(values)).expect("the chart applies");
        plane.kubectl_apply(include_str!("rollouts.yaml")).expect("a kind shaped as Argo's");
        let token = plane.service_account_token("mes-system", "mes").unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let operator = runtime.block_on(async {
            let mut config = config(&plane).await;
            config.auth_info = kube::config::AuthInfo { token: Some(token.into()), ..Default::default() };
            Client::try_from(config).unwrap()
        });
        Self { plane, runtime, people: Mutex::default(), operator }
    }

    /// Asks as a person of this name; `admin` is in `system:masters`.
    pub(crate) fn person(&self, name: &str, ask: &Ask) -> Answer {
        let mut people = self.people.lock().unwrap();
        let client = people.entry(name.to_owned()).or_insert_with(|| {
            self.runtime.block_on(async {
                let mut config = config(&self.plane).await;
                if name != "admin" {
                    config.auth_info.impersonate = Some(name.to_owned());
                }
                Client::try_from(config).unwrap()
            })
        });
        self.asked(client, ask)
    }

    /// Asks with the token of the operator's ServiceAccount.
    pub(crate) fn operator(&self, ask: &Ask) -> Answer {
        self.asked(&self.operator, ask)
    }

    fn asked(&self, client: &Client, ask: &Ask) -> Answer {
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.path);
        for (name, value) in ask.headers.iter().chain(&[("content-type", ask.content)]) {
            request = request.header(*name, *value);
        }
        let body = if ask.body.is_null() { Vec::new() } else { ask.body.to_string().into_bytes() };
        match self.runtime.block_on(client.request_text(request.body(body).unwrap())) {
            Ok(_) => Answer { code: 200, said: String::new() },
            Err(kube::Error::Api(status)) => Answer { code: status.code, said: status.message.clone() },
            Err(other) => panic!("{ask:?}: {other}"),
        }
    }

    /// Makes an object as the administrator.
    pub(crate) fn apply(&self, object: &Value) {
        self.plane.kubectl_apply(&object.to_string()).expect("applied");
    }

    /// Takes both policies away, as whoever installs with `authorityPolicy: false` and `leash: false`.
    pub(crate) fn delete_policies(&self) {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            self.plane.kubectl_ok(["delete", kind, "mes-authority", "mes-leash"]).unwrap();
        }
    }

    /// Waits until the API server has forgotten both policies.
    pub(crate) fn wait_until_without_policies(&self) {
        let base = "/apis/managed-secrets.io/v1alpha1";
        let people = merge(&format!("{base}/partneraccounts/probe/status"), &json!({"status": {}}));
        let ours = merge(
            &format!("{base}/namespaces/payments/managedexternalsecrets/crm"),
            &json!({"spec": {"suspend": true}}),
        );
        for _ in 0..150 {
            if self.person("admin", &people).code == 200 && self.operator(&ours).code == 200 {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!("the policies are still enforced after 30 s");
    }

    /// Waits until the API server enforces both policies: it learns of them by a watch.
    pub(crate) fn wait_for_policies(&self) {
        let (status, foreign) = (json!({"status": {}}), secret("payments", "not-ours", "Opaque", json!({})));
        self.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "probe"}, "spec": {"partnerTypes": ["PostgreSQLRole"]}}));
        let people = merge("/apis/managed-secrets.io/v1alpha1/partneraccounts/probe/status", &status);
        let ours = create("/api/v1/namespaces/payments/secrets", &foreign);
        for _ in 0..150 {
            let both = [self.person("admin", &people), self.operator(&ours)];
            if both.iter().all(|answer| answer.code == 403) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        panic!("the policies are not enforced within 30 s");
    }
}

/// What the chart renders with the demo's values and these.
pub(crate) fn rendered(values: &[&str]) -> String {
    let helm = find_or_build(&[Tool::Helm]).expect("helm").remove(&Tool::Helm).expect("helm");
    let mut command = Command::new(helm);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["template", "mes", "charts/managed-external-secrets", "--namespace", "mes-system"]);
    let output = command.args(VALUES).args(values.iter().flat_map(|value| ["--set", value])).output().expect("helm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn config(plane: &ControlPlane) -> Config {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

pub(crate) fn get(path: impl Into<String>) -> Ask {
    ask(Method::GET, path.into(), "application/json", Value::Null)
}

/// A POST, dry.
pub(crate) fn create(path: &str, body: &Value) -> Ask {
    ask(Method::POST, format!("{path}?dryRun=All"), "application/json", body.clone())
}

/// A POST that is not dry: of subresources that know no dry run.
pub(crate) fn post(path: &str, body: &Value) -> Ask {
    ask(Method::POST, path.to_owned(), "application/json", body.clone())
}

/// A merge patch, dry.
pub(crate) fn merge(path: &str, body: &Value) -> Ask {
    ask(Method::PATCH, format!("{path}?dryRun=All"), "application/merge-patch+json", body.clone())
}

/// A JSON patch, dry.
pub(crate) fn json_patch(path: &str, body: &Value) -> Ask {
    ask(Method::PATCH, format!("{path}?dryRun=All"), "application/json-patch+json", body.clone())
}

/// A server-side apply, forced, dry.
pub(crate) fn apply(path: &str, body: &Value) -> Ask {
    let path = format!("{path}?fieldManager=managed-secrets.io&force=true&dryRun=All");
    ask(Method::PATCH, path, "application/apply-patch+yaml", body.clone())
}

pub(crate) fn put(path: &str, body: &Value) -> Ask {
    ask(Method::PUT, format!("{path}?dryRun=All"), "application/json", body.clone())
}

/// The same request, for real.
pub(crate) fn now(ask: &Ask) -> Ask {
    Ask { path: ask.path.replace("?dryRun=All", ""), ..ask.clone() }
}

/// A deletion, dry.
pub(crate) fn delete(path: &str) -> Ask {
    ask(Method::DELETE, format!("{path}?dryRun=All"), "application/json", Value::Null)
}

fn ask(method: Method, path: String, content: &'static str, body: Value) -> Ask {
    Ask { method, path, content, body, headers: Vec::new() }
}

impl Ask {
    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// A Secret with one key and these labels.
pub(crate) fn secret(namespace: &str, name: &str, type_: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": {"name": name, "namespace": namespace, "labels": labels}, "data": {"k": "dg=="}})
}

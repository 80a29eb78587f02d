//! One API server for all tests of this program, with the committed definitions. It ends with the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use xtask::ControlPlane;
use xtask::control_plane::Options;

static SERVER: LazyLock<ControlPlane> = LazyLock::new(|| {
    let server = ControlPlane::start(&Options::default()).expect("a control plane starts");
    for file in yaml_files("crds") {
        server.kubectl_apply(&fs::read_to_string(file).unwrap()).expect("the server takes the definitions");
    }
    // A kind of somebody else's, so that the example of Argo CD has a place to go.
    server.kubectl_apply(include_str!("argo_application.yaml")).unwrap();
    for namespace in ["payments", "privacy", "argocd", "server-side", "client-side"] {
        server.kubectl_ok(["create", "namespace", namespace]).unwrap();
    }
    server
});

/// The server; the first caller waits until it serves our kinds.
pub(crate) fn server() -> &'static ControlPlane {
    &SERVER
}

/// A client of it, for what a table asks hundreds of times: a kubectl takes a tenth of a second to start.
static CLIENT: LazyLock<(Runtime, Client)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kubeconfig = Kubeconfig::read_from(server().kubeconfig()).unwrap();
    let client = runtime.block_on(async {
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    });
    (runtime, client)
});

/// Creates an object of a kind of ours, as strictly as kubectl: an unknown field is an error. Gives the server's words.
pub(crate) fn create(manifest: &Value, dry_run: bool) -> Result<Value, String> {
    let path = collection(manifest["kind"].as_str().unwrap());
    let dry_run = if dry_run { "&dryRun=All" } else { "" };
    ask(Method::POST, &format!("{path}?fieldValidation=Strict{dry_run}"), "application/json", manifest)
}

/// Merges `patch` into the object, or into its status, as strictly.
pub(crate) fn patch(kind: &str, name: &str, patch: &Value) -> Result<Value, String> {
    let status = if patch.get("status").is_some() { "/status" } else { "" };
    let path = format!("{}/{name}{status}?fieldValidation=Strict", collection(kind));
    ask(Method::PATCH, &path, "application/merge-patch+json", patch)
}

/// `spec` as an object of a kind of ours.
pub(crate) fn object(kind: &str, name: &str, spec: &str) -> Value {
    let spec: Value = serde_yaml::from_str(spec).unwrap_or_else(|error| panic!("{spec}: {error}"));
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Where the objects of a kind are; those with a namespace, in `payments`.
fn collection(kind: &str) -> String {
    let namespace = if matches!(kind, "ManagedExternalSecret" | "Rotation") { "/namespaces/payments" } else { "" };
    format!("/apis/managed-secrets.io/v1alpha1{namespace}/{}s", kind.to_lowercase())
}

fn ask(method: Method, path: &str, content: &str, body: &Value) -> Result<Value, String> {
    let (runtime, client) = &*CLIENT;
    let request = Request::builder().method(method).uri(path).header("Content-Type", content);
    let request = request.body(body.to_string().into_bytes()).unwrap();
    runtime.block_on(client.request(request)).map_err(|error| match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("{path}: {other}"),
    })
}

/// The YAML files of a folder of the repository, by name.
pub(crate) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(
        !files.is_empty() && files.iter().all(|file| file.extension().is_some_and(|extension| extension == "yaml"))
    );
    files
}

/// What kubectl said, wherever it said it.
pub(crate) fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}").trim().to_owned()
}

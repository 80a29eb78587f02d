//! What the API server says, asked over one connection: a process of kubectl for each look costs a tenth of a second of
//! processor time, and most of these tests look until something is so.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::runtime::Handle;
use xtask::ControlPlane;

/// Reads as an administrator.
pub(crate) struct Reader {
    client: Client,
    runtime: Handle,
}

impl Reader {
    pub(crate) fn new(plane: &ControlPlane, runtime: &Handle) -> Self {
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { client, runtime: runtime.clone() }
    }

    /// What `kubectl get` with these words shows: an object, or a list of them; `Null` for an object that is not there.
    pub(crate) fn get(&self, what: &[&str]) -> Value {
        let request = http::Request::get(path(what)).body(Vec::new()).expect("a request");
        let mut found = match self.runtime.block_on(self.client.request::<Value>(request)) {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 404 => return Value::Null,
            Err(error) => panic!("{what:?}: {error}"),
        };
        // As kubectl does: who manages what is not what these tests ask.
        let hide =
            |object: &mut Value| object["metadata"].as_object_mut().map(|metadata| metadata.remove("managedFields"));
        match found["items"].as_array_mut() {
            Some(items) => items.iter_mut().for_each(|item| drop(hide(item))),
            None => drop(hide(&mut found)),
        }
        found
    }
}

/// Where the API server has what these words of kubectl's ask for.
fn path(what: &[&str]) -> String {
    let (kind, words) = what.split_first().expect("a kind");
    let (api, plural) = match *kind {
        "mes" => ("apis/managed-secrets.io/v1alpha1", "managedexternalsecrets"),
        "rot" => ("apis/managed-secrets.io/v1alpha1", "rotations"),
        "pacct" => ("apis/managed-secrets.io/v1alpha1", "partneraccounts"),
        "smstore" => ("apis/managed-secrets.io/v1alpha1", "secretsmanagerstores"),
        "secret" => ("api/v1", "secrets"),
        "namespace" => ("api/v1", "namespaces"),
        "lease" => ("apis/coordination.k8s.io/v1", "leases"),
        "events.events.k8s.io" => ("apis/events.k8s.io/v1", "events"),
        "crd" => ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
        other => panic!("where is a {other}?"),
    };
    let (mut namespace, mut name, mut query) = (None, None, url::form_urlencoded::Serializer::new(String::new()));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut next = || *words.next().expect("a word after the flag");
        match *word {
            "-n" => namespace = Some(next()),
            "-l" => drop(query.append_pair("labelSelector", next())),
            "--field-selector" => drop(query.append_pair("fieldSelector", next())),
            flag if flag.starts_with('-') => panic!("{flag} is not known here"),
            word => name = Some(word),
        }
    }
    let within = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let name = name.map(|name| format!("/{name}")).unwrap_or_default();
    format!("/{api}{within}/{plural}{name}?{}", query.finish())
}

//! This room against a real API server.

mod client;
mod event;
mod journal;
mod lease;
mod rights;
mod seal;
mod seed;
mod target;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt};
use mes_core::names::{self, ObjectName, TargetName, Uid, VersionId};
use mes_core::scope::Granted;
use mes_core::secret::Sensitive;
use mes_core::spec::Own;
use serde_json::json;
use xtask::ControlPlane;
use xtask::control_plane::Options;

use super::client::connect;
use super::{Namespace, Rendered};
use crate::api::{self, ManagedExternalSecret};

/// One for all tests of the process: it ends with it.
fn control_plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::start(&Options::default()).unwrap();
        let manifests: Vec<_> = api::definitions().iter().map(|crd| serde_yaml::to_string(crd).unwrap()).collect();
        plane.kubectl_apply(&manifests.join("\n---\n")).unwrap();
        plane
    })
}

async fn config() -> Config {
    let plane = tokio::task::spawn_blocking(control_plane).await.unwrap();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

/// A namespace of its own with the resource `crm` in it.
struct Room {
    client: Client,
    name: String,
    own: Granted<Own>,
    namespace: Namespace,
}

impl Room {
    async fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("room-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let client = connect(config().await).unwrap();
        let namespace: NamespaceObject = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let made = Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let mut room = Self::of(client, &name, &made.uid().unwrap(), "00000000-0000-0000-0000-000000000000");
        let resource = room.resource("crm").await;
        room = Self::of(room.client, &name, &made.uid().unwrap(), &resource.uid().unwrap());
        room
    }

    fn of(client: Client, name: &str, namespace_uid: &str, uid: &str) -> Self {
        let own = Granted::assume(Own {
            cluster: Uid::parse("c").unwrap(),
            namespace: names::Namespace::parse(name).unwrap(),
            namespace_uid: Uid::parse(namespace_uid).unwrap(),
            name: ObjectName::parse("crm").unwrap(),
            uid: Uid::parse(uid).unwrap(),
            created: Timestamp::UNIX_EPOCH,
        });
        let namespace = Namespace::of(&client, &own);
        Self { client, name: name.to_owned(), own, namespace }
    }

    /// A resource made in the namespace.
    async fn resource(&self, name: &str) -> ManagedExternalSecret {
        let manifest = json!({
            "apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name},
            "spec": {"onboard": {"observe": {}}, "storeRef": {"secretName": "shared/smtp"}},
        });
        let resource: ManagedExternalSecret = serde_json::from_value(manifest).unwrap();
        self.api().create(&PostParams::default(), &resource).await.unwrap()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// A Secret made by somebody else.
    async fn secret(&self, manifest: serde_json::Value) -> Secret {
        let secret: Secret = serde_json::from_value(manifest).unwrap();
        let by_a_person = PostParams { field_manager: Some("kubectl".into()), ..PostParams::default() };
        self.api().create(&by_a_person, &secret).await.unwrap()
    }

    /// Somebody else edits a Secret.
    async fn edit(&self, name: &str, patch: serde_json::Value) {
        let by_a_person = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
        self.api::<Secret>().patch(name, &by_a_person, &Patch::Merge(patch)).await.unwrap();
    }

    /// The texts of a Secret as the API server has them now.
    async fn data(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.api::<Secret>().get(name).await.unwrap();
        let text = |bytes: k8s_openapi::ByteString| String::from_utf8(bytes.0).unwrap();
        secret.data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, text(bytes))).collect()
    }
}

fn rendered(fields: &[(&str, &str)]) -> Rendered {
    fields.iter().map(|(key, text)| ((*key).to_owned(), Sensitive::new((*text).to_owned()))).collect()
}

fn version(n: u16) -> VersionId {
    VersionId::of(&Uid::parse("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11").unwrap(), n)
}

fn target(name: &str) -> Granted<TargetName> {
    Granted::assume(TargetName::parse(name).unwrap())
}

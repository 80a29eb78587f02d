//! People who ask for a rotation of each resource as soon as its last one has ended, and remember how each ended: the operator
//! keeps few.
//!
//! In a thread of its own. What can't be asked or read while the API server is away is asked and read later.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::world::{World, condition_of};

const EVERY: Duration = Duration::from_secs(1);

/// A rotation as it was seen last: its resource, and the reason with which it ended.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) resource: String,
    pub(super) outcome: Option<String>,
}

type Rotations = BTreeMap<String, Known>;

pub(super) struct Pacer {
    turns: Arc<AtomicU64>,
    hushed: Arc<AtomicBool>,
    stopped: Arc<AtomicBool>,
    known: Arc<Mutex<Rotations>>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    pub(super) fn start(world: &World, namespace: &str, resources: Vec<String>) -> Self {
        let kubeconfig = world.plane.kubeconfig().to_path_buf();
        let path = format!("/apis/managed-secrets.io/v1alpha1/namespaces/{namespace}/rotations");
        let (turns, hushed, stopped, known) = (Arc::default(), Arc::default(), Arc::default(), Arc::default());
        let mut pacer = Self { turns, hushed, stopped, known, thread: None };
        let (hushed, stopped, known) = (pacer.hushed.clone(), pacer.stopped.clone(), pacer.known.clone());
        let turns = pacer.turns.clone();
        pacer.thread = Some(std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let client = client(&kubeconfig).await;
                while !stopped.load(Ordering::Relaxed) {
                    // Nobody waits longer for an API server that is going away.
                    let turn = turn(&client, &path, &resources, &hushed, &known);
                    let _ = tokio::time::timeout(Duration::from_secs(10), turn).await;
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(EVERY).await;
                }
            });
        }));
        pacer
    }

    /// From now on nothing more is asked for; returns when what was asked for last has been seen.
    pub(super) fn hush(&self) {
        self.hushed.store(true, Ordering::Relaxed);
        let before = self.turns.load(Ordering::Relaxed);
        while self.turns.load(Ordering::Relaxed) < before + 2 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many have ended.
    pub(super) fn ended(&self) -> usize {
        locked(&self.known).values().filter(|known| known.outcome.is_some()).count()
    }

    /// Those that were not seen to end.
    pub(super) fn open(&self) -> Vec<String> {
        locked(&self.known)
            .values()
            .filter(|known| known.outcome.is_none())
            .map(|known| known.resource.clone())
            .collect()
    }

    /// All that were ever seen.
    pub(super) fn stop(mut self) -> Vec<Known> {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the pacer ends by itself");
        }
        locked(&self.known).values().cloned().collect()
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

fn locked(known: &Mutex<Rotations>) -> MutexGuard<'_, Rotations> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

async fn turn(client: &Client, path: &str, resources: &[String], hushed: &AtomicBool, known: &Mutex<Rotations>) {
    let hush = hushed.load(Ordering::Relaxed);
    let request = http::Request::get(path).body(Vec::new()).expect("a request");
    let Ok(list) = client.request::<Value>(request).await else { return };
    let mut busy = Vec::new();
    for rotation in list["items"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resource = text(&rotation["spec"]["resourceRef"]["name"]);
        if !resources.contains(&resource) {
            continue;
        }
        let complete = condition_of(rotation, "Complete");
        let failed = condition_of(rotation, "Failed");
        let ended = [complete, failed].into_iter().find(|condition| condition["status"] == "True");
        if ended.is_none() {
            busy.push(resource.clone());
        }
        let outcome = ended.map(|condition| text(&condition["reason"]));
        locked(known).insert(text(&rotation["metadata"]["uid"]), Known { resource, outcome });
    }
    for resource in resources.iter().filter(|resource| !hush && !busy.contains(resource)) {
        let rotation = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
            "metadata": {"generateName": format!("{resource}-")}, "spec": {"resourceRef": {"name": resource}}});
        let request = http::Request::post(path).header("content-type", "application/json");
        let request = request.body(rotation.to_string().into_bytes()).expect("a request");
        let Ok(made) = client.request::<Value>(request).await else { return };
        let uid = made["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        locked(known).entry(uid).or_insert(Known { resource: resource.clone(), outcome: None });
    }
}

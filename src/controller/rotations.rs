//! The cached Rotations, by the resource that they name: a pass reads its own without walking over everybody's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, ResourceExt};
use tokio::sync::watch as signal;

use super::watch::Wakes;
use crate::api::Rotation;

/// Namespace and resource.
type Owner = (String, String);
type Index = BTreeMap<Owner, BTreeMap<String, Arc<Rotation>>>;

/// All Rotations of the cluster.
pub(super) struct Rotations {
    index: Mutex<Index>,
    listed: signal::Sender<bool>,
}

impl Rotations {
    pub(super) fn new() -> Self {
        Self { index: Mutex::default(), listed: signal::Sender::new(false) }
    }

    /// Those of one resource.
    pub(super) fn of(&self, namespace: &str, resource: &str) -> Vec<Arc<Rotation>> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = (namespace.to_owned(), resource.to_owned());
        index.get(&owner).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }

    /// Waits until all were listed once.
    pub(super) async fn ready(&self) {
        // The sender lives as long as this: there is always an end to wait for.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    /// Watches for ever, and wakes the resource of each Rotation that changed.
    pub(super) async fn follow(self: Arc<Self>, api: Api<Rotation>, wakes: Wakes) {
        let events = watch(api, watcher::Config::default()).default_backoff();
        futures::pin_mut!(events);
        let mut listing = Index::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listing.clear(),
                Ok(Event::InitApply(rotation)) => insert(&mut listing, rotation),
                Ok(Event::InitDone) => {
                    *self.index.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut listing);
                    self.listed.send_replace(true);
                }
                Ok(Event::Apply(rotation)) => {
                    let (namespace, resource) = owner(&rotation);
                    insert(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner), rotation);
                    // The receiver lives as long as the controller: without it nobody is to be woken.
                    let _ = wakes.send(ObjectRef::new(&resource).within(&namespace));
                }
                Ok(Event::Delete(rotation)) => {
                    let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
                    let owner = owner(&rotation);
                    let left = index.get_mut(&owner).map(|all| {
                        all.remove(&rotation.name_any());
                        all.len()
                    });
                    if left == Some(0) {
                        index.remove(&owner);
                    }
                    drop(index);
                    let _ = wakes.send(ObjectRef::new(&owner.1).within(&owner.0));
                }
                Err(_) => tracing::warn!(kind = "Rotation", "a watch failed; it is tried again"),
            }
        }
    }
}

fn insert(index: &mut Index, rotation: Rotation) {
    index.entry(owner(&rotation)).or_default().insert(rotation.name_any(), Arc::new(rotation));
}

/// A Rotation's spec is immutable, so it never moves from one resource to another.
fn owner(rotation: &Rotation) -> Owner {
    (rotation.namespace().unwrap_or_default(), rotation.spec.resource_ref.name.clone())
}

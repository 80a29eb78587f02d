//! What the controller-manager does by itself: garbage collection by owners, deletion of namespaces.
//!
//! Invariant: an object goes when it has owners and none of them is there; an owner of the same name and another UID is
//! not it; of a kind that is not served, nothing is known, and nothing is done. Called by `mod`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ApiServer;
use super::delete::{Deleted, FOREGROUND, ORPHAN, is_over};
use super::kind::Kind;
use super::metadata::{finalizers, is_deleted, text};
use super::store::Key;

impl ApiServer {
    /// One step: namespaces that are being deleted lose their contents, then their own finalizer; objects whose owners
    /// are gone are deleted; owners that wait for their dependents are released. Gives how many objects went.
    ///
    /// Call it again until [`ApiServer::revision`] stays the same: what one step deletes may be the owner of more.
    pub fn collect(&mut self, now: Timestamp) -> usize {
        let objects: Vec<(Key, Arc<Value>)> =
            self.store.all().map(|(key, object)| (key.clone(), object.clone())).collect();
        let mut went = 0;
        for (key, _) in &objects {
            let Some(object) = self.store.get(key).cloned() else { continue };
            let Some(kind) = self.kind_of(&key.resource) else { continue };
            let gone = if kind.kind == "Namespace" && is_deleted(&object) {
                self.empty(key, &object, now)
            } else {
                let waiting = self.release(key, &object);
                waiting + self.orphaned(&kind, key, now)
            };
            went += gone;
        }
        went
    }

    /// Deletes what is in the namespace; if nothing is, takes the finalizer `kubernetes` off it.
    fn empty(&mut self, key: &Key, namespace: &Value, now: Timestamp) -> usize {
        let inside: Vec<(Key, Arc<Value>)> = self
            .store
            .all()
            .filter(|(each, _)| each.namespace == key.name)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        if inside.is_empty() {
            let mut object = namespace.clone();
            if let Some(all) = object["spec"]["finalizers"].as_array_mut() {
                all.retain(|each| each != "kubernetes");
            }
            return self.written(key, namespace, object);
        }
        inside.iter().map(|(key, object)| self.doomed(key, object, now)).sum()
    }

    /// Deletes an object without owners that are there, and takes off it those that are not.
    fn orphaned(&mut self, kind: &Kind, key: &Key, now: Timestamp) -> usize {
        let Some(object) = self.store.get(key).cloned() else { return 0 };
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let states: Vec<Owner> = owners.iter().map(|owner| self.owner(kind, key, owner)).collect();
        let has = |state: Owner| states.contains(&state);
        if owners.is_empty() || has(Owner::Unknown) || is_deleted(&object) {
            return 0;
        }
        if !has(Owner::There) {
            return self.doomed(key, &object, now);
        }
        if has(Owner::Gone) {
            let left: Vec<Value> = owners
                .into_iter()
                .zip(&states)
                .filter(|(_, state)| **state != Owner::Gone)
                .map(|(owner, _)| owner)
                .collect();
            let mut fewer = Value::clone(&object);
            fewer["metadata"]["ownerReferences"] = json!(left);
            self.store.put(key.clone(), fewer);
        }
        0
    }

    /// Whether the owner that an object names is there. Waiting for its dependents, it is as good as gone.
    fn owner(&self, kind: &Kind, key: &Key, owner: &Value) -> Owner {
        let known =
            self.kinds.iter().find(|each| owner["apiVersion"] == each.api_version() && owner["kind"] == each.kind);
        let Some(known) = known else { return Owner::Unknown };
        if known.namespaced && !kind.namespaced {
            return Owner::Unknown;
        }
        let place = Key {
            resource: known.resource(),
            namespace: if known.namespaced { key.namespace.clone() } else { String::new() },
            name: owner["name"].as_str().unwrap_or_default().to_owned(),
        };
        match self.store.get(&place).filter(|found| owner["uid"] == text(found, "uid")) {
            None => Owner::Gone,
            Some(found) if is_deleted(found) && finalizers(found).contains(&FOREGROUND) => Owner::Waiting,
            Some(_) => Owner::There,
        }
    }

    /// Takes `foregroundDeletion` off an owner without dependents that block it, and `orphan` off one whose dependents
    /// were let go.
    fn release(&mut self, key: &Key, object: &Value) -> usize {
        let waits = finalizers(object).into_iter().find(|each| [FOREGROUND, ORPHAN].contains(each)).map(str::to_owned);
        let Some(waits) = waits.filter(|_| is_deleted(object)) else { return 0 };
        let uid = text(object, "uid").to_owned();
        let names = |owner: &Value| owner["uid"] == uid.as_str();
        let dependents: Vec<(Key, Arc<Value>)> = self
            .store
            .all()
            .filter(|(_, each)| each["metadata"]["ownerReferences"].as_array().is_some_and(|all| all.iter().any(names)))
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        let blocks = |owner: &Value| names(owner) && owner["blockOwnerDeletion"] == true;
        if waits == FOREGROUND {
            let all = |each: &Value| each["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            if dependents.iter().any(|(_, each)| all(each).iter().any(blocks)) {
                return 0;
            }
        } else {
            for (place, dependent) in dependents {
                let mut free = Value::clone(&dependent);
                if let Some(all) = free["metadata"]["ownerReferences"].as_array_mut() {
                    all.retain(|owner| !names(owner));
                }
                self.store.put(place, free);
            }
        }
        let mut released = object.clone();
        let left: Vec<&str> = finalizers(object).into_iter().filter(|each| *each != waits).collect();
        released["metadata"]["finalizers"] = json!(left);
        self.written(key, object, released)
    }

    /// Writes what changed; what nothing keeps any more goes.
    fn written(&mut self, key: &Key, before: &Value, after: Value) -> usize {
        if is_over(&after) {
            self.store.remove(key);
            return 1;
        }
        if *before != after {
            self.store.put(key.clone(), after);
        }
        0
    }

    fn doomed(&mut self, key: &Key, object: &Arc<Value>, now: Timestamp) -> usize {
        let Some(kind) = self.kind_of(&key.resource) else { return 0 };
        match self.doom(&kind, key, object, Some("Background"), now) {
            Deleted::Gone(_) => 1,
            Deleted::Marked(_) => 0,
        }
    }

    fn kind_of(&self, resource: &str) -> Option<Arc<Kind>> {
        self.kinds.iter().find(|kind| kind.resource() == resource).cloned()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    There,
    /// Being deleted, dependents first.
    Waiting,
    Gone,
    Unknown,
}

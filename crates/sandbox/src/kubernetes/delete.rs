//! Deletions: preconditions, finalizers, what waits.
//!
//! Invariant: an object with a finalizer is marked and stays; it goes with the write that takes its last one. Called by
//! `mod`, `write` and `collect`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ApiServer;
use super::kind::Kind;
use super::metadata::{self, finalizers, is_deleted, text};
use super::ownership::second;
use super::request::Call;
use super::status::{Answered, Refusal};
use super::store::Key;

/// Dependents first: what this finalizer waits for.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Dependents are let go.
pub(super) const ORPHAN: &str = "orphan";

/// What a deletion came to.
pub(super) enum Deleted {
    /// The object as it was.
    Gone(Arc<Value>),
    /// It waits for its finalizers, and is so now.
    Marked(Arc<Value>),
}

/// Nothing keeps the object any more.
pub(super) fn is_over(object: &Value) -> bool {
    let contents =
        object["kind"] == "Namespace" && object["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    is_deleted(object) && finalizers(object).is_empty() && !contents
}

impl ApiServer {
    /// DELETE of one object, with the options of body or query.
    pub(super) fn delete(&mut self, call: &Call, name: &str, now: Timestamp) -> Answered<Deleted> {
        let options = if call.body.is_empty() { json!({}) } else { call.object()? };
        let key = call.key(name);
        let live = self.store.get(&key).cloned().ok_or_else(|| Refusal::not_found(&call.kind, name))?;
        for (field, of, place) in [("uid", "UID", "uid"), ("resourceVersion", "ResourceVersion", "resourceVersion")] {
            let (said, is) = (options["preconditions"][field].as_str(), text(&live, place));
            if let Some(said) = said.filter(|said| *said != is) {
                let why = format!("Precondition failed: {of} in precondition: {said}, {of} in object meta: {is}");
                return Err(Refusal::conflict(&call.kind, name, &why));
            }
        }
        if call.kind.kind == "Namespace" && ["default", "kube-system", "kube-public"].contains(&name) {
            return Err(Refusal::forbidden(&call.kind, name, "this namespace may not be deleted"));
        }
        let dry_run = call.dry_run()? || options["dryRun"].as_array().is_some_and(|all| !all.is_empty());
        if dry_run {
            return Ok(Deleted::Gone(live));
        }
        let policy = options["propagationPolicy"].as_str().or_else(|| call.query.text("propagationPolicy"));
        Ok(self.doom(&call.kind, &key, &live, policy, now))
    }

    /// Deletes the object, or marks it.
    pub(super) fn doom(
        &mut self,
        kind: &Kind,
        key: &Key,
        live: &Arc<Value>,
        policy: Option<&str>,
        now: Timestamp,
    ) -> Deleted {
        let mut object = Value::clone(live);
        let wanted = match policy {
            Some("Foreground") => Some(FOREGROUND),
            Some("Orphan") => Some(ORPHAN),
            _ => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| !finalizers(live).contains(wanted)) {
            let mut all: Vec<&str> = finalizers(live);
            all.push(wanted);
            object["metadata"]["finalizers"] = json!(all);
        }
        if !is_deleted(live) {
            let fields = metadata::fields(&mut object);
            fields.insert("deletionTimestamp".to_owned(), json!(second(now)));
            if kind.namespaced || !kind.native {
                fields.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            }
            if let Some(generation) = live["metadata"]["generation"].as_u64() {
                fields.insert("generation".to_owned(), json!(generation + 1));
            }
            if kind.kind == "Namespace" {
                object["status"]["phase"] = json!("Terminating");
            }
        }
        if is_over(&object) {
            self.store.remove(key);
            return Deleted::Gone(live.clone());
        }
        Deleted::Marked(if object == **live { live.clone() } else { self.store.put(key.clone(), object) })
    }
}

/// What is said of an object that is gone.
pub(super) fn told(kind: &Kind, object: &Value) -> Value {
    let mut details = json!({"name": text(object, "name"), "kind": kind.plural, "uid": text(object, "uid")});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

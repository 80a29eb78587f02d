//! Watches: who is to be told what.
//!
//! Invariant: a watch is told each change of its objects once, in order; an object that stops matching is deleted for
//! it, one that begins to is added. What it would have to be told of a past that is forgotten is error 410, and its end.
//! Called by `mod`.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ApiServer;
use super::kind::Kind;
use super::list::shown;
use super::request::{Call, Form};
use super::selector::Selector;
use super::status::{Answered, Cause, Refusal};
use super::store::Change;

/// How often a watch that wants bookmarks gets one.
const BOOKMARKS: SignedDuration = SignedDuration::from_secs(60);

/// A watch, as far as it was told.
#[derive(Debug)]
pub struct Watch {
    kind: Arc<Kind>,
    namespace: String,
    selector: Selector,
    form: Form,
    /// Up to which revision it was told.
    told: u64,
    /// What it is to be told first.
    first: VecDeque<Value>,
    /// When its next bookmark is due.
    bookmark: Option<Timestamp>,
    /// When it ends.
    deadline: Option<Timestamp>,
    over: bool,
}

impl Watch {
    /// Whether nothing will come any more: the connection is to be closed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// When it is to be read even if nothing changes: for its next bookmark or its end.
    pub fn due(&self) -> Option<Timestamp> {
        if self.over { None } else { self.bookmark.into_iter().chain(self.deadline).min() }
    }

    fn event(&self, what: &str, object: &Value) -> Value {
        json!({"type": what, "object": shown(&self.kind, self.form, object)})
    }

    fn bookmark(&self, revision: u64) -> Value {
        let object = json!({"metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null}});
        self.event("BOOKMARK", &object)
    }

    /// What the change is to this watch.
    fn seen(&self, change: &Change) -> Option<Value> {
        let elsewhere = !self.namespace.is_empty() && change.key.namespace != self.namespace;
        if elsewhere || change.key.resource != self.kind.resource() {
            return None;
        }
        let matching = |object: &Option<Arc<Value>>| object.clone().filter(|object| self.selector.matches(object));
        match (matching(&change.before), matching(&change.after)) {
            (None, None) => None,
            (None, Some(after)) => Some(self.event("ADDED", &after)),
            (Some(_), Some(after)) => Some(self.event("MODIFIED", &after)),
            (Some(before), None) => {
                let mut gone = Value::clone(&before);
                gone["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                Some(self.event("DELETED", &gone))
            }
        }
    }
}

impl ApiServer {
    /// Begins a watch, of a collection or of one object.
    pub(super) fn watch(&self, call: &Call, now: Timestamp) -> Answered<Watch> {
        let selector = Selector::of(&call.kind, &call.query, call.name.as_deref())?;
        let wanted = call.query.number("resourceVersion")?.unwrap_or_default();
        let initial = call.query.flag("sendInitialEvents");
        let not_older = call.query.text("resourceVersionMatch");
        if initial != (not_older == Some("NotOlderThan")) {
            let why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refusal::invalid_options("ListOptions", &[Cause::forbidden("resourceVersionMatch", why)]));
        }
        let seconds = call.query.number("timeoutSeconds")?.and_then(|seconds| i64::try_from(seconds).ok());
        let later = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok();
        let mut watch = Watch {
            kind: call.kind.clone(),
            namespace: call.namespace.clone(),
            selector,
            form: call.form,
            told: wanted,
            first: VecDeque::new(),
            bookmark: call.query.flag("allowWatchBookmarks").then_some(now.checked_add(BOOKMARKS).ok()).flatten(),
            deadline: seconds.filter(|seconds| *seconds > 0).and_then(later),
            over: false,
        };
        if wanted == 0 || initial {
            let namespace = Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty());
            let resource = call.kind.resource();
            let there = self.store.of(&resource, namespace).filter(|(_, object)| watch.selector.matches(object));
            watch.first = there.map(|(_, object)| watch.event("ADDED", object)).collect();
            watch.told = self.store.revision();
        }
        if initial && watch.bookmark.is_some() {
            let mut end = watch.bookmark(watch.told);
            end["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            watch.first.push_back(end);
        }
        Ok(watch)
    }

    /// The lines that the watch has to be told since it was read last; none if there is nothing to tell.
    ///
    /// Read it after each change, and when it is [`Watch::due`]; close it when it [`Watch::is_over`].
    pub fn read(&mut self, watch: &mut Watch, now: Timestamp) -> Vec<Bytes> {
        if watch.over {
            return Vec::new();
        }
        let mut events: Vec<Value> = watch.first.drain(..).collect();
        match self.store.since(watch.told) {
            Some(changes) => {
                events.extend(changes.iter().filter_map(|change| watch.seen(change)));
                watch.told = watch.told.max(self.store.revision());
            }
            None => {
                let message = format!("too old resource version: {} ({})", watch.told, self.store.revision());
                events.push(json!({"type": "ERROR", "object": Refusal::expired(message).object()}));
                watch.over = true;
            }
        }
        if !watch.over && watch.bookmark.is_some_and(|due| due <= now) {
            events.push(watch.bookmark(watch.told));
            watch.bookmark = now.checked_add(BOOKMARKS).ok();
        }
        watch.over |= watch.deadline.is_some_and(|deadline| deadline <= now);
        let line = |event: &Value| {
            let mut line = serde_json::to_vec(event).unwrap_or_default();
            line.push(b'\n');
            Bytes::from(line)
        };
        events.iter().map(line).collect()
    }
}

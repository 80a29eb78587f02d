//! Events about a resource (`events.k8s.io/v1`).
//!
//! Invariant: an Event is a courtesy; its loss stops nothing, and only shown types can be in its note. kube's Recorder
//! is not used because it drops a changed note for six minutes. Called by `controller::reconcile` on change only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PostParams};
use kube::{Client, Resource};
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::{ObjectName, Uid};
use mes_core::scope::Granted;
use mes_core::shown::Shown;
use mes_core::spec::Own;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::namespace::parameters;
use super::{FIELD_MANAGER, fault};
use crate::api::{ManagedExternalSecret, Rotation};

/// `reportingController` of our Events.
const CONTROLLER: &str = "managed-secrets.io/operator";
/// How long the API server keeps an Event by default: after that, the same one is made anew.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// SECURITY section 8: what is shown is at most this long.
const LONGEST_NOTE: usize = 256;

/// How an Event is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody may have to act.
    Warning,
}

/// What happened.
#[derive(Clone, Copy)]
pub struct Notice<'a> {
    /// How it is marked.
    pub kind: EventKind,
    /// API.md section 2: `Promoted`, `RegionFailed`, …
    pub reason: &'static str,
    /// What was being done, as one word.
    pub action: &'static str,
    /// For people.
    pub note: &'a (dyn Shown + Sync),
    /// The Rotation that it belongs to.
    pub rotation: Option<(&'a ObjectName, &'a Uid)>,
}

/// Writes Events. One a process: it remembers what it wrote, so that a repetition counts instead of piling up.
#[derive(Clone)]
pub struct Announcer {
    client: Client,
    instance: Arc<str>,
    written: Arc<Mutex<BTreeMap<String, Series>>>,
}

#[derive(Clone, Copy)]
struct Series {
    count: i32,
    last: Timestamp,
}

impl Announcer {
    /// `instance`: who reports, such as the pod's name.
    pub fn new(client: Client, instance: &str) -> Self {
        Self { client, instance: instance.into(), written: Arc::default() }
    }

    /// Tells of the resource `own` what happened at `now`. The same notice again is counted on the Event that is there.
    ///
    /// A fault is to be counted and forgotten: nothing waits for an Event.
    pub async fn tell(&self, own: &Granted<Own>, notice: Notice<'_>, now: Timestamp) -> Result<(), Fault> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), own.namespace.as_str());
        let event = self.event(own, notice, now);
        let name = event.metadata.name.clone().unwrap_or_default();
        let mut count = self.count(&name, now);
        // Twice: the Event that we know of may be collected by now, and one that we don't know may be there.
        let mut outcome = self.write(&events, &event, count, now).await;
        match &outcome {
            Err(fault) if fault.kind == FaultKind::Exists && count == 0 => count = 1,
            Err(fault) if fault.kind == FaultKind::NotFound && count > 0 => count = 0,
            _ => return self.remember(name, count, now, outcome),
        }
        outcome = self.write(&events, &event, count, now).await;
        self.remember(name, count, now, outcome)
    }

    /// Makes the Event, or counts on the one that was told `count` times.
    async fn write(&self, events: &Api<Event>, event: &Event, count: i32, now: Timestamp) -> Result<(), Fault> {
        if count == 0 {
            let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            return events.create(&parameters, event).await.map(drop).map_err(|error| fault::of(&error));
        }
        let series = json!({"series": {"count": count.saturating_add(1), "lastObservedTime": MicroTime(now)}});
        let name = event.metadata.name.as_deref().unwrap_or_default();
        let patched = events.patch(name, &parameters(), &Patch::Merge(series)).await;
        patched.map(drop).map_err(|error| fault::of(&error))
    }

    fn event(&self, own: &Own, notice: Notice<'_>, now: Timestamp) -> Event {
        let note = printable(&notice.note.to_string());
        let rotation = notice.rotation.map_or("", |(_, uid)| uid.as_str());
        let parts = [own.uid.as_str(), notice.reason, notice.action, &note, rotation];
        Event {
            metadata: ObjectMeta {
                name: Some(name(own.name.as_str(), &parts)),
                namespace: Some(own.namespace.as_str().to_owned()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            type_: Some(format!("{:?}", notice.kind)),
            reason: Some(notice.reason.to_owned()),
            action: Some(notice.action.to_owned()),
            note: Some(note),
            regarding: Some(reference::<ManagedExternalSecret>(own, own.name.as_str(), own.uid.as_str())),
            related: notice.rotation.map(|(name, uid)| reference::<Rotation>(own, name.as_str(), uid.as_str())),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.chars().take(128).collect()),
            ..Event::default()
        }
    }

    /// How often the Event was told, as far as this process knows.
    fn count(&self, name: &str, now: Timestamp) -> i32 {
        let mut written = self.written();
        written.retain(|_, series| now.duration_since(series.last) < KEPT);
        written.get(name).map_or(0, |series| series.count)
    }

    fn remember(&self, name: String, before: i32, last: Timestamp, outcome: Result<(), Fault>) -> Result<(), Fault> {
        if outcome.is_ok() {
            self.written().insert(name, Series { count: before.saturating_add(1), last });
        }
        outcome
    }

    fn written(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Series>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reference<K: Resource<DynamicType = ()>>(own: &Own, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: Some(own.namespace.as_str().to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// A name that the same notice has again, in another process too: 16 hexadecimal digits over all that is told.
fn name(resource: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{resource}.{digits}")
}

/// Printable ASCII, shortened.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(LONGEST_NOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_note_is_another_event_and_no_two_parts_run_together() {
        assert_eq!(name("crm", &["a", "b"]), name("crm", &["a", "b"]));
        assert_ne!(name("crm", &["a", "b"]), name("crm", &["a", "c"]));
        assert_ne!(name("crm", &["ab", ""]), name("crm", &["a", "b"]));
        assert!(name("crm", &["a"]).starts_with("crm.") && name("crm", &["a"]).len() == 20);
    }

    #[test]
    fn a_note_is_one_short_printable_line() {
        assert_eq!(printable("a\nb\u{1b}[0mé"), "a?b?[0m?");
        assert_eq!(printable(&"x".repeat(1000)).len(), LONGEST_NOTE);
    }
}

//! A namespace of its own on one side, and the short words in which rows ask.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::sides::{Side, StandIn, Told, real};

/// Runs a row on both sides, and fails unless it holds on both.
pub(crate) fn on_both(row: impl Fn(&World)) {
    let stand_in = StandIn::new();
    let sides: [(&str, &dyn Side); 2] = [("the stand-in", &stand_in), ("the real one", real())];
    let holds_not_on = sides.into_iter().filter(|(name, side)| {
        let outcome = catch_unwind(AssertUnwindSafe(|| row(&World::new(*side))));
        outcome.inspect_err(|_| eprintln!("… on {name}")).is_err()
    });
    let names: Vec<&str> = holds_not_on.map(|(name, _)| name).collect();
    assert!(names.is_empty(), "does not hold on {}", names.join(", nor on "));
}

/// A namespace of a side.
pub(crate) struct World<'a> {
    side: &'a dyn Side,
    pub(crate) namespace: String,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl<'a> World<'a> {
    fn new(side: &'a dyn Side) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let namespace = format!("row-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let world = Self { side, namespace };
        world.post("/api/v1/namespaces", &json!({"metadata": {"name": world.namespace}})).is(201);
        world
    }

    /// The path of the namespace's Secrets.
    pub(crate) fn secrets(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.namespace)
    }

    /// The path of its widgets.
    pub(crate) fn widgets(&self) -> String {
        format!("/apis/fidelity.example.com/v1/namespaces/{}/widgets", self.namespace)
    }

    /// The path of its Rotations.
    pub(crate) fn rotations(&self) -> String {
        format!("/apis/managed-secrets.io/v1alpha1/namespaces/{}/rotations", self.namespace)
    }

    /// The path of a Secret that is made now.
    pub(crate) fn secret(&self, name: &str) -> String {
        self.post(&self.secrets(), &json!({"metadata": {"name": name}, "stringData": {"k": "v"}})).is(201);
        format!("{}/{name}", self.secrets())
    }

    /// The path of a widget that is made now.
    pub(crate) fn widget(&self, name: &str, spec: Value) -> String {
        self.post(&self.widgets(), &widget(name, spec)).is(201);
        format!("{}/{name}", self.widgets())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", None)
    }

    /// What is at the path.
    pub(crate) fn read(&self, path: &str) -> Value {
        self.get(path).is(200)
    }

    pub(crate) fn post(&self, path: &str, object: &Value) -> Answer {
        self.ask("POST", path, "application/json", Some(object))
    }

    pub(crate) fn put(&self, path: &str, object: &Value) -> Answer {
        self.ask("PUT", path, "application/json", Some(object))
    }

    pub(crate) fn merge(&self, path: &str, patch: &Value) -> Answer {
        self.ask("PATCH", path, "application/merge-patch+json", Some(patch))
    }

    pub(crate) fn json_patch(&self, path: &str, patch: &Value) -> Answer {
        self.ask("PATCH", path, "application/json-patch+json", Some(patch))
    }

    /// Server-side apply. `manager` may be followed by more of a query.
    pub(crate) fn apply(&self, path: &str, manager: &str, object: &Value) -> Answer {
        self.ask("PATCH", &with(path, &format!("fieldManager={manager}")), "application/apply-patch+yaml", Some(object))
    }

    pub(crate) fn delete(&self, path: &str, options: &Value) -> Answer {
        self.ask("DELETE", path, "application/json", Some(options))
    }

    /// As metadata alone.
    pub(crate) fn metadata(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        // A list is asked for with the list's own name.
        let collection =
            ["/secrets", "/widgets"].iter().any(|end| path.split('?').next().unwrap_or_default().ends_with(end));
        let list = if collection { "List" } else { "" };
        let accept = format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1");
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.send(request(method, path, content, &accept, body))
    }

    pub(crate) fn ask(&self, method: &str, path: &str, content: &str, body: Option<&Value>) -> Answer {
        self.send(request(method, path, content, "application/json", body))
    }

    fn send(&self, request: Request<Bytes>) -> Answer {
        let (status, body) = self.side.ask(request);
        Answer { status, body }
    }

    /// A watch of the path, whose query may have begun.
    pub(crate) fn watch(&self, path: &str) -> Events<'a> {
        let path = with(path, "watch=1&timeoutSeconds=60");
        Events(self.side.watch(request("GET", &path, "", "application/json", None)))
    }

    pub(crate) fn watch_metadata(&self, path: &str) -> Events<'a> {
        let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        Events(self.side.watch(request("GET", &with(path, "watch=1&timeoutSeconds=60"), "", accept, None)))
    }

    /// Waits until the controllers have made it so.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..400 {
            if holds() {
                return;
            }
            if !self.side.step() {
                break;
            }
        }
        assert!(holds(), "not in time: {what}");
    }

    /// Gives the controllers time for what they should not do.
    pub(crate) fn rest(&self) {
        for _ in 0..10 {
            self.side.step();
        }
    }

    pub(crate) fn forget(&self) {
        self.side.forget();
    }
}

impl Answer {
    /// The body, of an answer with this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The answer is a refusal with this status and reason. Gives its details.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, reason: &str) -> Value {
        let body = self.is(status);
        assert_eq!((&body["kind"], &body["status"]), (&json!("Status"), &json!("Failure")), "{body}");
        assert_eq!((&body["reason"], &body["code"]), (&json!(reason), &json!(status)), "{body}");
        body["details"].clone()
    }

    /// The answer is a 422 with these causes, by reason and field, in any order. One that is told twice counts once: the
    /// real one judges the metadata of a custom resource twice.
    #[track_caller]
    pub(crate) fn invalid(self, causes: &[(&str, &str)]) {
        let details = self.refused(422, "Invalid");
        let mut wanted: Vec<(String, String)> =
            causes.iter().map(|(reason, field)| ((*reason).to_owned(), (*field).to_owned())).collect();
        wanted.sort();
        let mut found = found(&details);
        found.dedup();
        assert_eq!(found, wanted, "{details}");
    }
}

/// The causes of a refusal by reason and field, in order.
pub(crate) fn found(details: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let causes = details["causes"].as_array().into_iter().flatten();
    let mut found: Vec<_> = causes.map(|cause| (text(&cause["reason"]), text(&cause["field"]))).collect();
    found.sort();
    found
}

/// The events of a watch.
pub(crate) struct Events<'a>(Box<dyn Told + 'a>);

impl Events<'_> {
    /// The next event, which must be of this type. Gives its object.
    #[track_caller]
    pub(crate) fn next(&mut self, what: &str) -> Value {
        let event = self.0.next().unwrap_or_else(|| panic!("no event, instead of {what}"));
        assert_eq!(event["type"], what, "{event}");
        event["object"].clone()
    }

    /// The next event, by its type and the name of its object.
    pub(crate) fn told(&mut self) -> (String, String) {
        let event = self.0.next().expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

/// A widget as it is sent.
pub(crate) fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "fidelity.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

/// A text of the object's metadata.
pub(crate) fn meta(object: &Value, name: &str) -> String {
    object["metadata"][name].as_str().unwrap_or_default().to_owned()
}

/// Who owns what: manager, operation and subresource, with the fields.
pub(crate) fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut owners: Vec<(String, Value)> = entries
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let subresource = text("subresource");
            let slash = if subresource.is_empty() { "" } else { "/" };
            (format!("{} {}{slash}{subresource}", text("manager"), text("operation")), entry["fieldsV1"].clone())
        })
        .collect();
    owners.sort_by(|one, other| one.0.cmp(&other.0));
    owners
}

/// Names of a list, in order.
pub(crate) fn names(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| meta(item, "name")).collect()
}

fn with(path: &str, query: &str) -> String {
    format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' })
}

fn request(method: &str, path: &str, content: &str, accept: &str, body: Option<&Value>) -> Request<Bytes> {
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    let mut request =
        Request::builder().method(method).uri(path).header("accept", accept).header("user-agent", "row/1");
    if !content.is_empty() {
        request = request.header("content-type", content);
    }
    request.body(bytes).unwrap()
}

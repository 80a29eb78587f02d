//! What the API server says when it refuses: `Status` objects with the reason, code and details of the real one.
//!
//! Every refusal of the stand-in is made here. A message is the real one's where it was seen, and is for people: no test
//! should need it. Called by every file of `kubernetes`.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::kind::Kind;

/// One cause of a refusal (`details.causes[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) message: String,
}

impl Cause {
    pub(super) fn new(reason: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, field: field.into(), message: message.into() }
    }

    pub(super) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("FieldValueInvalid", field, message)
    }

    pub(super) fn required(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("FieldValueRequired", field, message)
    }

    pub(super) fn forbidden(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("FieldValueForbidden", field, message)
    }
}

/// A request that was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

pub(super) type Answered<T> = Result<T, Refusal>;

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self { code, reason, message: message.into(), details }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message, Value::Null)
    }

    /// A path that leads nowhere: it speaks of no object.
    pub(super) fn not_served() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource", json!({}))
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(404, "NotFound", message, of_resource(kind, name))
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", json!({}))
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message, Value::Null)
    }

    pub(super) fn unsupported_media_type(content: &str) -> Self {
        let message = format!("the body of the request was in an unknown format: {content}");
        Self::new(415, "UnsupportedMediaType", message, Value::Null)
    }

    pub(super) fn exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(409, "AlreadyExists", message, of_resource(kind, name))
    }

    /// The revision that was named is not the object's.
    pub(super) fn stale(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::new(409, "Conflict", message, of_resource(kind, name))
    }

    /// An apply that would take fields of others.
    pub(super) fn owned_by_others(causes: &[Cause]) -> Self {
        let plural = if causes.len() == 1 { "" } else { "s" };
        let message = format!("Apply failed with {} conflict{plural}: {}", causes.len(), told(causes));
        Self::new(409, "Conflict", message, json!({"causes": written(causes)}))
    }

    pub(super) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let qualified = if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) };
        let details = json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": written(causes)});
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {}", told(causes)), details)
    }

    /// The query, and not an object, is wrong.
    pub(super) fn invalid_options(kind: &str, causes: &[Cause]) -> Self {
        let details = json!({"group": "meta.k8s.io", "kind": kind, "causes": written(causes)});
        Self::new(422, "Invalid", format!("{kind}.meta.k8s.io \"\" is invalid: {}", told(causes)), details)
    }

    pub(super) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        let mut details = of_resource(kind, name);
        let cause = Cause::new(
            "NamespaceTerminating",
            "metadata.namespace",
            format!("namespace {namespace} is being terminated"),
        );
        details["causes"] = written(&[cause]);
        Self::new(403, "Forbidden", message, details)
    }

    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Self::new(403, "Forbidden", message, of_resource(kind, name))
    }

    /// What was before this revision is forgotten.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message, Value::Null)
    }

    /// A revision that is yet to come.
    pub(super) fn too_large(wanted: u64, now: u64) -> Self {
        let message = format!("Too large resource version: {wanted}, current: {now}");
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        Self::new(504, "Timeout", message, json!({"causes": causes, "retryAfterSeconds": 1}))
    }

    /// An applied object that the schema does not have. The real one gives it no reason.
    pub(super) fn untyped(message: impl Into<String>) -> Self {
        Self::new(500, "", message, Value::Null)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message, Value::Null)
    }

    /// As a `Status` object.
    pub(super) fn object(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if self.reason.is_empty() {
            status.as_object_mut().map(|status| status.remove("reason"));
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        json_response(self.code, &self.object())
    }
}

/// `kind` is the resource's plural here, as in the real one: only what is invalid is named by its kind.
fn of_resource(kind: &Kind, name: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind.plural});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    details
}

fn written(causes: &[Cause]) -> Value {
    let one = |cause: &Cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field});
    causes.iter().map(one).collect()
}

fn told(causes: &[Cause]) -> String {
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect::<Vec<_>>().join(", ")
}

/// A whole answer of JSON.
pub(super) fn json_response(code: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    // Only codes of this room come here, and all of them are valid.
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

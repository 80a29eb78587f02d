//! The operator's Lease as the API server of the sandbox answers about it, without the cost: every two seconds of a run it
//! is written, and a whole apply with its field ownership takes longer than all the rest of a quiet hour.
//!
//! Invariant: for the requests that `cluster::lease` makes, which are a read and an apply that is forced, the answers are
//! those of [`ApiServer`](sandbox::kubernetes::ApiServer) but for what nobody reads of them; the test below holds both
//! beside one another. Called by `world`.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

/// One Lease, or its place.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    held: Option<Value>,
    revision: u64,
}

impl Lease {
    /// Answers a read or an apply.
    pub(crate) fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let asked = if request.method() == Method::GET { Value::Null } else { body(request.body()) };
        let (status, told) = match (&self.held, request.method()) {
            (None, &Method::GET) => (404, refusal(request, 404, "NotFound")),
            (Some(held), &Method::GET) => (200, held.clone()),
            (held, _) if stale(held.as_ref(), &asked["metadata"]) => (409, refusal(request, 409, "Conflict")),
            (held, _) => (if held.is_none() { 201 } else { 200 }, self.write(asked)),
        };
        let mut response = Response::new(Bytes::from(told.to_string()));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }

    fn write(&mut self, mut asked: Value) -> Value {
        self.revision += 1;
        asked["metadata"]["uid"] = json!("5eed0000-0000-4000-8000-000000000001");
        // No object has revision 1.
        asked["metadata"]["resourceVersion"] = json!((self.revision + 1).to_string());
        self.held = Some(asked.clone());
        asked
    }
}

/// Whether the apply is for another state than the one that is there.
fn stale(held: Option<&Value>, named: &Value) -> bool {
    match held {
        None => !named["uid"].is_null(),
        Some(held) => {
            let differs = |field: &str| !named[field].is_null() && named[field] != held["metadata"][field];
            differs("uid") || differs("resourceVersion")
        }
    }
}

fn body(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or(Value::Null)
}

fn refusal(request: &Request<Bytes>, code: u16, reason: &str) -> Value {
    let name = request.uri().path().rsplit('/').next();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "the Lease",
        "reason": reason, "code": code, "details": {"name": name, "group": "coordination.k8s.io", "kind": "leases"}})
}

#[test]
fn the_lease_is_answered_as_the_api_server_of_the_sandbox_does() {
    use sandbox::kubernetes::{ApiServer, Reply};
    const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/mes";
    let (mut lease, mut server) = (Lease::default(), ApiServer::new(1));
    let now = crate::world::BEGINNING;
    // Uid and revision are each one's own: `last` names the last answer's, `old` the one before.
    let mut seen = [Vec::new(), Vec::new()];
    let asked: [(&str, Value); 8] = [
        ("GET", Value::Null),
        ("uid", json!({"holderIdentity": "a", "renewTime": "2026-03-01T00:00:00.000000Z"})),
        ("none", json!({"holderIdentity": "a", "renewTime": "2026-03-01T00:00:01.000000Z"})),
        ("none", json!({"holderIdentity": "b", "renewTime": "2026-03-01T00:00:02.000000Z"})),
        ("GET", Value::Null),
        ("last", json!({"holderIdentity": "a", "renewTime": "2026-03-01T00:00:03.000000Z"})),
        ("old", json!({"holderIdentity": "b", "renewTime": "2026-03-01T00:00:04.000000Z"})),
        ("last", json!({"leaseDurationSeconds": 1, "renewTime": "2026-03-01T00:00:05.000000Z"})),
    ];
    for (onto, spec) in asked {
        let mut answers = Vec::new();
        for (which, told) in seen.iter_mut().enumerate() {
            let last: Value = told.last().cloned().unwrap_or_default();
            let old: Value = told.iter().rev().nth(1).cloned().unwrap_or_default();
            let metadata = match onto {
                "uid" => json!({"name": "mes", "uid": "5eed0000-0000-4000-8000-000000000009", "resourceVersion": "7"}),
                "none" => json!({"name": "mes", "resourceVersion": "1"}),
                "old" => json!({"name": "mes", "uid": old["uid"], "resourceVersion": old["resourceVersion"]}),
                _ => json!({"name": "mes", "uid": last["uid"], "resourceVersion": last["resourceVersion"]}),
            };
            let manifest =
                json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec});
            let request = match onto {
                "GET" => Request::get(PATH).body(Bytes::new()),
                _ => Request::patch(format!("{PATH}?fieldManager=mes&force=true"))
                    .header("content-type", "application/apply-patch+yaml")
                    .body(Bytes::from(manifest.to_string())),
            };
            let request = request.expect("a request");
            let response = match which {
                0 => lease.answer(&request),
                _ => match server.answer(&request, now) {
                    Reply::Whole(response) => response,
                    Reply::Watch(_) => panic!("no watch"),
                },
            };
            let body = body(response.body());
            if response.status().is_success() && onto != "GET" {
                told.push(body["metadata"].clone());
            }
            answers.push((
                response.status().as_u16(),
                body["reason"].clone(),
                body["details"].clone(),
                body["spec"].clone(),
            ));
        }
        assert_eq!(answers[0], answers[1], "{onto} {spec}");
    }
    assert!(seen.iter().all(|told| told.len() == 3), "one was made, two followed: {seen:?}");
}

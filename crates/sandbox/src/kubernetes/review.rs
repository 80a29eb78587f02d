//! What is asked of no object: rights and the version.
//!
//! Everybody may everything: rights are a matter of the real server, where the chart's roles are tested. Called by `mod`.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::status::{Answered, Refusal, json_response};

/// The answer, if the request is such a question.
pub(super) fn answer(request: &Request<Bytes>) -> Answered<Option<Response<Bytes>>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/version") => Ok(Some(json_response(200, &version()))),
        (&Method::GET, "/readyz" | "/livez") => Ok(Some(Response::new(Bytes::from_static(b"ok")))),
        (&Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews") => {
            let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
            let urls = json!({"verbs": ["*"], "nonResourceURLs": ["*"]});
            let status = json!({"resourceRules": [all], "nonResourceRules": [urls], "incomplete": false});
            reviewed(request, status).map(Some)
        }
        (&Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
            reviewed(request, json!({"allowed": true})).map(Some)
        }
        _ => Ok(None),
    }
}

fn reviewed(request: &Request<Bytes>, status: Value) -> Answered<Response<Bytes>> {
    let mut review: Value =
        serde_json::from_slice(request.body()).map_err(|error| Refusal::bad_request(error.to_string()))?;
    review["status"] = status;
    Ok(json_response(201, &review))
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"})
}

//! Calls: who asks, what comes back, and how people, plans and checkers call them.
//!
//! Invariant: a name holds nothing of a body but what AWS calls the secret. Called by `world` and `plug`.

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use sandbox::kubernetes::Watch;
use serde_json::{Value, json};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Kubernetes,
    Aws,
    Partner,
}

/// One call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) door: Door,
    pub(crate) request: Request<Bytes>,
}

/// What comes back.
pub(crate) enum Reply {
    Whole(Response<Bytes>),
    Watch(Watch),
}

/// A call as people and plans know it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// When it was asked.
    pub(crate) at: Timestamp,
    pub(crate) door: Door,
    /// `sm.PutSecretValue`, `kube.PATCH rotations/status`, `partner.create`.
    pub(crate) verb: String,
    /// Whom it is about.
    pub(crate) about: String,
    /// Whether it may change something outside.
    pub(crate) mutates: bool,
    /// Whether it counts as a step of the operator: a watch does not.
    pub(crate) counts: bool,
}

impl Named {
    pub(crate) fn is_lease(&self) -> bool {
        self.door == Door::Kubernetes && self.verb.ends_with(" leases")
    }
}

/// Its name, asked then. Nothing of its body but what AWS calls the secret.
pub(crate) fn named(call: &Call, at: Timestamp) -> Named {
    match call.door {
        Door::Kubernetes => of_kubernetes(&call.request, at),
        Door::Aws => of_aws(&call.request, at),
        Door::Partner => of_partner(&call.request, at),
    }
}

fn of_kubernetes(request: &Request<Bytes>, at: Timestamp) -> Named {
    let parts: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
    // api/v1/… or apis/GROUP/VERSION/…
    let rest = if parts.first() == Some(&"api") { &parts[2.min(parts.len())..] } else { &parts[3.min(parts.len())..] };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (kind, name, sub) = match rest {
        [kind, name, sub, ..] => (*kind, *name, format!("/{sub}")),
        [kind, name] => (*kind, *name, String::new()),
        [kind] => (*kind, "", String::new()),
        [] => ("", "", String::new()),
    };
    let watch = request.uri().query().unwrap_or_default().split('&').any(|pair| pair.starts_with("watch="));
    let verb = if watch { "WATCH" } else { request.method().as_str() };
    let reads = request.method() == Method::GET || kind == "selfsubjectrulesreviews";
    Named {
        at,
        door: Door::Kubernetes,
        verb: format!("kube.{verb} {kind}{sub}"),
        about: format!("{namespace}/{name}"),
        mutates: !reads,
        counts: !watch,
    }
}

fn of_aws(request: &Request<Bytes>, at: Timestamp) -> Named {
    const READS: [&str; 4] = ["DescribeSecret", "GetSecretValue", "ListSecrets", "ListSecretVersionIds"];
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("secretsmanager."));
    let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
    let about = ["SecretId", "Name"].iter().find_map(|key| body[*key].as_str()).unwrap_or_default();
    let region = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let region = region.and_then(|text| text.split('/').nth(2)).unwrap_or_default();
    Named {
        at,
        door: Door::Aws,
        verb: format!("sm.{}", operation.unwrap_or("sts")),
        about: format!("{region} {}", about.rsplit(':').next().unwrap_or_default()),
        mutates: operation.is_some_and(|operation| !READS.contains(&operation)),
        counts: true,
    }
}

fn of_partner(request: &Request<Bytes>, at: Timestamp) -> Named {
    let parts: Vec<&str> = request.uri().path().split('/').skip(3).collect();
    let (account, rest) = parts.split_first().map_or(("", &[][..]), |(account, rest)| (*account, rest));
    let verb = match (request.method(), rest) {
        (&Method::POST, ["login"]) => "login",
        (&Method::POST, ["whose"]) => "whose",
        (&Method::GET, _) => "list",
        (&Method::POST, ["credentials"]) => "create",
        (&Method::PUT, _) => "register",
        (&Method::DELETE, _) => "revoke",
        (&Method::POST, ["main", _]) => "activate",
        _ => "unknown",
    };
    let host = request.headers().get("host").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let tail = rest.get(1).copied().unwrap_or_default();
    Named {
        at,
        door: Door::Partner,
        verb: format!("partner.{verb}"),
        about: format!("{}/{account} {tail}", host.split('.').next().unwrap_or_default()).trim().to_owned(),
        mutates: !matches!(verb, "login" | "whose" | "list"),
        counts: true,
    }
}

/// What a write of a status says: no value is in one (C1).
pub(crate) fn written(named: &Named, call: &Call) -> String {
    let status = named.verb == "kube.PATCH managedexternalsecrets/status";
    if status { String::from_utf8_lossy(call.request.body()).chars().take(600).collect() } else { String::new() }
}

/// How it is told.
pub(crate) fn status(reply: &Reply) -> String {
    match reply {
        Reply::Whole(response) => response.status().as_str().to_owned(),
        Reply::Watch(_) => "watch".to_owned(),
    }
}

/// An error as the door tells it.
pub(crate) fn refused(door: Door, status: u16) -> Response<Bytes> {
    let body = match door {
        Door::Kubernetes => {
            let reason = match status {
                403 => "Forbidden",
                409 => "Conflict",
                429 => "TooManyRequests",
                _ => "InternalError",
            };
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "struck",
                "reason": reason, "code": status})
        }
        Door::Aws => {
            let code = match status {
                403 => "AccessDeniedException",
                429 => "ThrottlingException",
                _ => "InternalServiceError",
            };
            json!({"__type": code, "message": "struck"})
        }
        Door::Partner => json!({"error": "Struck"}),
    };
    let wire = if door == Door::Aws && status < 500 { 400 } else { status };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = http::StatusCode::from_u16(wire).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

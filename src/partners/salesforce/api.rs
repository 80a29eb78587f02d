//! The calls of the Connect REST API for staged credentials, and the token endpoint.
//!
//! Invariant: one function a call; bytes of pairs and tokens are parsed straight into secret types. Of an error only a
//! code of [`CODES`], or the status, is kept. Called by the driver alone.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::secret::{Sensitive, Value};
use serde::Deserialize;

use crate::partners::answer::{self, Secret};
use crate::partners::doors::rejected;
use crate::partners::encode::{self, Segment, Target};
use crate::partners::{Bound, Destination, Doors};

pub(super) const KEY: &str = "consumerKey";
pub(super) const SECRET: &str = "consumerSecret";

/// Salesforce's error codes that say more than the status, and what they are.
const CODES: &[(&str, FaultKind)] = &[
    // The org's daily requests are used up; told as 403.
    ("REQUEST_LIMIT_EXCEEDED", FaultKind::Throttled),
    // "Allow access to External Client App consumer secrets via REST API" is off.
    ("FUNCTIONALITY_NOT_ENABLED", FaultKind::Denied),
    ("INSUFFICIENT_ACCESS", FaultKind::Denied),
    ("INVALID_SESSION_ID", FaultKind::Denied),
    ("LIMIT_EXCEEDED", FaultKind::Limit),
    ("SERVER_UNAVAILABLE", FaultKind::Unknown),
];

/// A consumer key with its secret.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Sensitive,
    pub(super) secret: Sensitive,
}

/// What stands in the staged slot.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) id: String,
    pub(super) state: State,
    /// Its bytes, where Salesforce shows them.
    pub(super) pair: Option<Pair>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Made, never main.
    Active,
    /// Former main, on its way out; or a state that we don't know, which is never touched.
    Other,
}

impl Pair {
    /// Whether `value` has these bytes.
    pub(super) fn is_of(&self, value: &Value) -> bool {
        let same = |field: &str, text: &Sensitive| value.get(field).is_some_and(|held| held.same(text));
        same(KEY, &self.key) & same(SECRET, &self.secret)
    }
}

/// An access token for the pair in `value`; `None`: the org definitely refuses the pair.
pub(super) async fn login(doors: &Doors, to: Destination<'_>, value: &Value) -> Result<Option<Sensitive>, Fault> {
    let (Some(key), Some(secret)) = (value.get(KEY), value.get(SECRET)) else { return Err(rejected("NoPair")) };
    let form = [("grant_type", "client_credentials"), ("client_id", key.expose()), ("client_secret", secret.expose())];
    let body = Bytes::copy_from_slice(encode::form(&form).expose().as_bytes());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/services/oauth2/token")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .map_err(|_| rejected("Target"))?;
    let response = doors.http.send(to, request).await?;
    match response.status() {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => refusal(&response).map(|()| None),
        _ => answer::read::<Token>(&response).map(|token| Some(token.access_token.0)),
    }
}

/// `Ok`: these bytes are refused. Other errors of the endpoint say nothing of them.
fn refusal(response: &Response<Bytes>) -> Result<(), Fault> {
    let told: OAuthError = answer::parse(response.body())?;
    match told.error.0.expose() {
        "invalid_client_id" | "invalid_client" | "invalid_client_credentials" => Ok(()),
        _ => Err(answer::fault(response)),
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: Secret,
}

#[derive(Deserialize)]
struct OAuthError {
    error: Secret,
}

/// The API of one consumer, with one token.
pub(super) struct Api<'a> {
    doors: &'a Doors,
    to: Destination<'a>,
    token: Sensitive,
    /// The consumer's path.
    consumer: Target,
}

impl<'a> Api<'a> {
    /// For the consumer that `value` is of.
    pub(super) fn of(
        doors: &'a Doors,
        bound: &'a Bound,
        verb: &'static str,
        token: Sensitive,
        value: &Value,
    ) -> Result<Self, Fault> {
        let segment = |text: Option<&str>, code| text.and_then(Segment::of).ok_or_else(|| rejected(code));
        let version = segment(bound.parameter("apiVersion"), "NoApiVersion")?;
        let app = segment(value.get("appId").map(Sensitive::expose), "NoAppId")?;
        let consumer = segment(value.get("consumerId").map(Sensitive::expose), "NoConsumerId")?;
        let consumer = Target::at("/services/data")
            .segment(&version)
            .then("/apps/oauth/credentials")
            .segment(&app)
            .segment(&consumer);
        Ok(Self { doors, to: bound.destination(super::describe(), verb), token, consumer })
    }

    /// The main pair, shown again and again.
    pub(super) async fn main_pair(&self) -> Result<Pair, Fault> {
        let response = self.call(Method::GET, self.consumer("?part=keyandsecret"), None).await?;
        answer::read::<Told>(&response)?.pair().ok_or_else(|| unknown("UnexpectedJson"))
    }

    /// What is staged: none, or one. Read the main pair first: here an unknown app looks like an empty slot.
    pub(super) async fn staged(&self) -> Result<Vec<Staged>, Fault> {
        match self.call(Method::GET, self.consumer("/staged"), None).await {
            Ok(response) => answer::read::<Entries>(&response)?.all(),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Whether `value` has the main or the staged pair. A staged one whose bytes are not shown is taken for it.
    pub(super) async fn has(&self, value: &Value) -> Result<bool, Fault> {
        if self.main_pair().await?.is_of(value) {
            return Ok(true);
        }
        let staged = self.staged().await?;
        Ok(staged.iter().any(|staged| staged.pair.as_ref().is_none_or(|pair| pair.is_of(value))))
    }

    /// Stages a new pair.
    pub(super) async fn stage(&self) -> Result<Pair, Fault> {
        let response = self.call(Method::POST, self.consumer("/staged"), Some("{}")).await?;
        let mut made = answer::read::<Entries>(&response)?.all()?;
        made.pop().and_then(|made| made.pair).ok_or_else(|| unknown("UnexpectedJson"))
    }

    /// Makes the staged pair the main one.
    pub(super) async fn rotate(&self, staged: &Staged) -> Result<(), Fault> {
        let body = Some(r#"{"command":"rotate"}"#);
        self.call(Method::PATCH, self.staged_path(staged)?, body).await.map(drop)
    }

    /// Ends the staged pair. Already gone is fine.
    pub(super) async fn delete(&self, staged: &Staged) -> Result<(), Fault> {
        match self.call(Method::DELETE, self.staged_path(staged)?, None).await {
            Err(fault) if fault.kind != FaultKind::NotFound => Err(fault),
            _ => Ok(()),
        }
    }

    fn consumer(&self, rest: &'static str) -> Target {
        self.consumer.clone().then(rest)
    }

    fn staged_path(&self, staged: &Staged) -> Result<Target, Fault> {
        let id = Segment::of(&staged.id).ok_or_else(|| unknown("UnexpectedId"))?;
        Ok(self.consumer("/staged").segment(&id))
    }

    /// A successful answer to one call below the consumer. A body always goes along with `POST`: without one the server
    /// hangs and resets the connection.
    async fn call(&self, method: Method, target: Target, body: Option<&'static str>) -> Result<Response<Bytes>, Fault> {
        let bearer = Sensitive::new(format!("Bearer {}", self.token.expose()));
        let mut bearer = HeaderValue::from_str(bearer.expose()).map_err(|_| unknown("UnexpectedToken"))?;
        bearer.set_sensitive(true);
        let mut request = Request::builder().method(method).uri(target.as_str());
        request = request.header(AUTHORIZATION, bearer);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Bytes::from_static(body.unwrap_or_default().as_bytes());
        let response = self.doors.http.send(self.to, request.body(body).map_err(|_| rejected("Target"))?).await?;
        match answer::succeeded(&response) {
            Ok(()) => Ok(response),
            Err(fault) => Err(coded(fault, &response)),
        }
    }
}

/// The fault with Salesforce's own code, if it is one that we know: any other text may be a value.
fn coded(fault: Fault, response: &Response<Bytes>) -> Fault {
    let Ok(told) = answer::parse::<Vec<ApiError>>(response.body()) else { return fault };
    let first = told.first().map(|error| error.error_code.0.expose());
    match CODES.iter().find(|(code, _)| Some(*code) == first) {
        Some((code, kind)) => Fault { retry_after: fault.retry_after, ..Fault::new(Place::Partner, *kind, code) },
        None => fault,
    }
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(rename = "errorCode")]
    error_code: Secret,
}

/// Staged entries, in a list or (as one client saw it) alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entries {
    Wrapped {
        #[serde(rename = "stagedCredentials")]
        all: Vec<Told>,
    },
    Alone(Told),
}

#[derive(Deserialize)]
struct Told {
    id: Option<String>,
    state: Option<String>,
    key: Option<Secret>,
    secret: Option<Secret>,
}

impl Told {
    fn pair(self) -> Option<Pair> {
        Some(Pair { key: self.key?.0, secret: self.secret?.0 })
    }
}

impl Entries {
    fn all(self) -> Result<Vec<Staged>, Fault> {
        let told = match self {
            Self::Wrapped { all } => all,
            Self::Alone(told) => vec![told],
        };
        let staged = told.into_iter().map(|mut told| {
            let id = told.id.take().ok_or_else(|| unknown("UnexpectedJson"))?;
            let active = told.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("active"));
            let state = if active { State::Active } else { State::Other };
            Ok(Staged { id, state, pair: told.pair() })
        });
        staged.collect()
    }
}

fn unknown(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn entries(body: &str) -> Result<Vec<Staged>, Fault> {
        answer::read::<Entries>(&answered(200, body))?.all()
    }

    #[test]
    fn both_shapes_of_a_staged_answer_are_read() {
        let wrapped =
            r#"{"stagedCredentials":[{"id":"0Hz1","key":"k","secret":"s","state":"active","url":"/x"}],"url":"/y"}"#;
        let flat = r#"{"id":"0Hz1","key":"k","secret":"s","state":"Active"}"#;
        for body in [wrapped, flat] {
            let staged = entries(body).unwrap().pop().unwrap();
            assert_eq!((staged.id.as_str(), staged.state), ("0Hz1", State::Active));
            assert_eq!(staged.pair.unwrap().secret.expose(), "s");
        }
        assert!(entries(r#"{"stagedCredentials":[],"url":"/y"}"#).unwrap().is_empty());
        assert_eq!(entries(r#"{"message":"canary"}"#).unwrap_err().code.as_str(), "UnexpectedJson");
    }

    #[test]
    fn a_state_that_we_do_not_know_is_never_taken_for_a_pending_one() {
        for state in ["rotated", "expiring", ""] {
            let body = format!(r#"{{"stagedCredentials":[{{"id":"0Hz1","state":"{state}"}}]}}"#);
            let staged = entries(&body).unwrap().pop().unwrap();
            assert_eq!(staged.state, State::Other, "{state}");
            assert!(staged.pair.is_none());
        }
    }

    #[test]
    fn only_a_code_that_we_know_is_shown() {
        let told = |status: u16, code: &str| {
            let response = answered(status, &format!(r#"[{{"errorCode":"{code}","message":"canary"}}]"#));
            coded(answer::fault(&response), &response)
        };
        let limited = told(403, "REQUEST_LIMIT_EXCEEDED");
        assert_eq!((limited.kind, limited.code.as_str()), (FaultKind::Throttled, "REQUEST_LIMIT_EXCEEDED"));
        let hostile = told(400, "CANARY0123456789");
        assert_eq!((hostile.kind, hostile.code.as_str()), (FaultKind::Rejected, "400"));
    }

    #[test]
    fn only_a_definite_word_of_the_token_endpoint_is_a_refusal() {
        let told = |status, body: &str| refusal(&answered(status, body)).map_err(|fault| fault.kind);
        assert_eq!(told(400, r#"{"error":"invalid_client_id","error_description":"x"}"#), Ok(()));
        assert_eq!(told(401, r#"{"error":"invalid_client"}"#), Ok(()));
        assert_eq!(told(400, r#"{"error":"unsupported_grant_type"}"#), Err(FaultKind::Rejected));
        assert_eq!(told(400, "<html>"), Err(FaultKind::Unknown));
    }
}

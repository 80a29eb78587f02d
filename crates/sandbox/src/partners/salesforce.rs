//! Salesforce External Client Apps: token endpoint and staged OAuth credentials.
//!
//! Invariant: a consumer has a main pair and at most one staged, so at most two pairs log in. After `rotate` the former
//! main pair sits in the staged slot, in state *rotated*, for thirty days. Facts from the calls of sfdx-hardis and
//! Infisical and from Salesforce's help page; what they leave open is marked *undocumented*.

use std::{collections::HashMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::body::{Answer, Content, Outcome, respond};
use crate::knobs::Knobs;
use crate::secrets_manager::Failure;

/// What the maker of an app is told. The only place where the stand-in tells a pair besides Salesforce's own calls.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// `https://HOST`.
    pub base_uri: String,
    /// Begins with `0x`.
    pub app_id: String,
    /// The consumer's id.
    pub consumer_id: String,
    /// `client_id` of the main pair.
    pub consumer_key: String,
    /// `client_secret` of the main pair.
    pub consumer_secret: String,
}

#[derive(Default)]
pub(crate) struct Salesforce {
    apps: Vec<Consumer>,
    tokens: HashMap<String, Token>,
}

struct Consumer {
    host: String,
    name: String,
    app_id: String,
    consumer_id: String,
    main: Pair,
    staged: Option<Staged>,
    /// Revoked pairs that still log in, until when.
    lingering: Vec<(Pair, Timestamp)>,
    /// "External Client App Developer" and "View Client Secret".
    may_manage: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    key: String,
    secret: String,
}

struct Staged {
    id: String,
    pair: Pair,
    state: State,
    accepted_from: Timestamp,
    /// When Salesforce removes a rotated pair by itself.
    ends: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Rotated,
}

struct Token {
    host: String,
    may_manage: bool,
    expires: Timestamp,
}

/// A refusal: status, error code, message.
type Refusal = (u16, &'static str, &'static str);

const NOT_FOUND: Refusal = (404, "NOT_FOUND", "The requested resource does not exist");

/// The operation's name, for faults and counts.
pub(crate) fn operation(request: &Request<Bytes>) -> &'static str {
    let path = request.uri().path();
    if path == "/services/oauth2/token" {
        return "token";
    }
    let parts = parts(path);
    match (request.method(), parts.as_slice()) {
        (&Method::GET, ["usage"]) => "usage",
        (&Method::GET, ["credentials", _]) => "consumers",
        (&Method::GET, ["credentials", _, _]) => "main_pair",
        (&Method::GET, ["credentials", _, _, "staged"]) => "list_staged",
        (&Method::POST, ["credentials", _, _, "staged"]) => "stage",
        (&Method::PATCH, ["credentials", _, _, "staged", _]) => "rotate",
        (&Method::DELETE, ["credentials", _, _, "staged", _]) => "delete_staged",
        _ => "unknown",
    }
}

/// The path below `/services/data/vXX.X/apps/oauth/`; empty if it is another, or the version is older than v65.0.
fn parts(path: &str) -> Vec<&str> {
    let below = path.strip_prefix("/services/data/v").and_then(|rest| rest.split_once("/apps/oauth/"));
    match below {
        Some((version, rest)) if version.parse::<f32>().is_ok_and(|version| version >= 65.0) => {
            rest.trim_end_matches('/').split('/').collect()
        }
        _ => Vec::new(),
    }
}

impl Salesforce {
    pub(crate) fn make_app(&mut self, host: &str, name: &str, may_manage: bool, random: &mut StdRng) -> App {
        let host = host.to_ascii_lowercase();
        let made = Consumer {
            name: name.to_owned(),
            app_id: format!("0x{}", letters(random, 16)),
            consumer_id: format!("888{}", letters(random, 15)),
            main: pair(random),
            staged: None,
            lingering: Vec::new(),
            may_manage,
            host,
        };
        let told = App {
            base_uri: format!("https://{}", made.host),
            app_id: made.app_id.clone(),
            consumer_id: made.consumer_id.clone(),
            consumer_key: made.main.key.clone(),
            consumer_secret: made.main.secret.clone(),
        };
        self.apps.push(made);
        told
    }

    /// Each app without its secrets: which pairs it has, and how many of them log in now.
    pub(crate) fn apps(&self, now: Timestamp) -> Value {
        let told = self.apps.iter().map(|app| {
            let staged = app.staged.as_ref().filter(|staged| staged.ends > now);
            json!({"host": app.host, "name": app.name, "appId": app.app_id, "consumerId": app.consumer_id,
                "mayManage": app.may_manage, "live": app.live(now),
                "staged": staged.map(|staged| json!({"id": staged.id, "state": staged.state.told()}))})
        });
        told.collect()
    }

    pub(crate) fn logs_in(&self, key: &str, secret: &str, now: Timestamp) -> (bool, usize) {
        let wanted = Pair { key: key.to_owned(), secret: secret.to_owned() };
        let knows =
            |app: &&Consumer| app.knows(key, now) || app.staged.as_ref().is_some_and(|staged| staged.pair.key == key);
        self.apps.iter().find(knows).map_or((false, 0), |app| (app.accepts(&wanted, now), app.live(now)))
    }

    /// AWS's own rotation of a secret of type `SalesforceClientSecret`. `None`: Salesforce refused. `Some(None)`: the
    /// app isn't of this stand-in. AWS follows "the guidance provided by Salesforce", here: stage, then rotate.
    pub(crate) fn rotated_by_aws(
        &mut self,
        fields: &Map<String, Value>,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Option<Option<(String, String)>> {
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        let found = self.apps.iter_mut().find(|app| app.app_id == text("appId"));
        let Some(app) = found else { return Some(None) };
        let held = Pair { key: text("consumerKey").to_owned(), secret: text("consumerSecret").to_owned() };
        if !app.accepts(&held, now) || !app.may_manage {
            return None;
        }
        let fresh = pair(random);
        app.staged = Some(Staged {
            id: staged_id(random),
            pair: std::mem::replace(&mut app.main, fresh.clone()),
            state: State::Rotated,
            accepted_from: now,
            ends: in_thirty_days(now),
        });
        Some(Some((fresh.key, fresh.secret)))
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Answer {
        for app in &mut self.apps {
            app.staged.take_if(|staged| staged.ends <= now);
            app.lingering.retain(|(_, until)| now < *until);
        }
        if request.uri().path() == "/services/oauth2/token" {
            return Answer::reply(self.token(request, host, now, knobs, random));
        }
        // Without a body the real server hangs, then resets the connection.
        if operation(request) == "stage" && request.body().is_empty() {
            return Answer { delay: Duration::from_secs(1), outcome: Outcome::Closed };
        }
        let answered = self.admit(request, host, now, knobs).and_then(|()| {
            let parts = parts(request.uri().path());
            self.act(request, &parts, host, now, knobs, random)
        });
        Answer::reply(match answered {
            Ok(Value::Null) => respond(204, "application/json", ""),
            Ok(told) => {
                let status = if request.method() == Method::POST { 201 } else { 200 };
                respond(status, "application/json;charset=UTF-8", told.to_string())
            }
            Err(refusal) => refused(refusal),
        })
    }

    fn token(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Response<Content> {
        let no = |code: &str, description: &str| {
            respond(400, "application/json", json!({"error": code, "error_description": description}).to_string())
        };
        if request.method() != Method::POST {
            return no("invalid_request", "must use HTTP POST");
        }
        let form: HashMap<String, String> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        if form.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return no("unsupported_grant_type", "grant type not supported");
        }
        let Some(held) = credentials(request, &form) else {
            return no("invalid_request", "missing client credentials");
        };
        let of_host = || self.apps.iter().filter(|app| app.host == host);
        let Some(app) = of_host().find(|app| app.accepts(&held, now)) else {
            // The one that Salesforce tells apart: an unknown key, and a known key with a wrong secret.
            let known = of_host().any(|app| app.knows(&held.key, now));
            return if known {
                no("invalid_client", "invalid client credentials")
            } else {
                no("invalid_client_id", "client identifier invalid")
            };
        };
        let expires = now.checked_add(SignedDuration::from_secs(knobs.salesforce_token_seconds.min(1 << 32) as i64));
        let access_token = format!("00D{}!{}", letters(random, 12), letters(random, 80));
        let told = json!({"access_token": access_token, "instance_url": format!("https://{host}"),
            "id": format!("https://login.salesforce.com/id/00D{}/005{}", letters(random, 15), letters(random, 15)),
            "token_type": "Bearer", "scope": "api", "issued_at": now.as_millisecond().to_string(),
            "signature": STANDARD.encode(letters(random, 32)), "api_instance_url": "https://api.salesforce.com"});
        let may_manage = app.may_manage;
        let expires = expires.unwrap_or(Timestamp::MAX);
        self.tokens.insert(access_token, Token { host: host.to_owned(), may_manage, expires });
        respond(200, "application/json;charset=UTF-8", told.to_string())
    }

    fn admit(&self, request: &Request<Bytes>, host: &str, now: Timestamp, knobs: &Knobs) -> Result<(), Refusal> {
        let header = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).and_then(|token| self.tokens.get(token));
        match token {
            Some(token) if token.host == host && token.expires > now => {
                if !token.may_manage {
                    return Err((403, "INSUFFICIENT_ACCESS", "You don't have access to this resource."));
                }
                if !knobs.salesforce_secrets_via_rest && operation(request) != "usage" {
                    return Err((
                        403,
                        "FUNCTIONALITY_NOT_ENABLED",
                        "This feature is not currently enabled for this user.",
                    ));
                }
                Ok(())
            }
            _ => Err((401, "INVALID_SESSION_ID", "Session expired or invalid")),
        }
    }

    fn act(
        &mut self,
        request: &Request<Bytes>,
        parts: &[&str],
        host: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Result<Value, Refusal> {
        if operation(request) == "usage" {
            let apps = self.apps.iter().filter(|app| app.host == host);
            let apps: Vec<Value> = apps
                .map(|app| json!({"developerName": app.name, "identifier": app.app_id, "type": "ExternalClientApp"}))
                .collect();
            return Ok(json!({"apps": apps, "currentPageUrl": request.uri().path(), "nextPageUrl": null}));
        }
        let app_id = *parts.get(1).ok_or(NOT_FOUND)?;
        let prefix: String = request.uri().path().split("/apps/oauth/").take(1).collect();
        let app = self.apps.iter_mut().find(|app| app.host == host && app.app_id == app_id).ok_or(NOT_FOUND)?;
        let url = format!("{prefix}/apps/oauth/credentials/{app_id}/{}", app.consumer_id);
        if parts.get(2).is_some_and(|consumer| *consumer != app.consumer_id) {
            return Err(NOT_FOUND);
        }
        match operation(request) {
            "consumers" => Ok(json!({"consumers": [{"id": app.consumer_id, "key": app.main.key, "name": app.name,
                "stagedCredentialsUrl": format!("{url}/staged"), "url": url}],
                "currentPageUrl": request.uri().path(), "nextPageUrl": null})),
            "main_pair" => match request.uri().query() {
                Some("part=keyandsecret") => Ok(json!({"key": app.main.key, "secret": app.main.secret})),
                Some("part=key") => Ok(json!({"key": app.main.key})),
                _ => Ok(json!({"id": app.consumer_id, "name": app.name, "url": url})),
            },
            "list_staged" => {
                // Undocumented: whether it is 404 or an empty list when nothing is staged.
                let staged = app.staged.as_ref().ok_or(NOT_FOUND)?;
                let told = staged.told(&url, knobs.salesforce_staged_shows_secret);
                Ok(json!({"stagedCredentials": [told], "url": format!("{url}/staged")}))
            }
            "stage" => {
                if serde_json::from_slice::<Map<String, Value>>(request.body()).is_err() {
                    return Err((400, "JSON_PARSER_ERROR", "The HTTP entity body is not valid JSON."));
                }
                if app.staged.is_some() {
                    // Undocumented: code and words. One staged entry for each consumer.
                    return Err((400, "LIMIT_EXCEEDED", "A staged credential already exists for this consumer."));
                }
                let lag = SignedDuration::from_millis(knobs.salesforce_acceptance_lag_ms.min(1 << 40) as i64);
                let staged = Staged {
                    id: staged_id(random),
                    pair: pair(random),
                    state: State::Active,
                    accepted_from: now.checked_add(lag).unwrap_or(Timestamp::MAX),
                    ends: Timestamp::MAX,
                };
                let told = staged.told(&url, true);
                app.staged = Some(staged);
                if knobs.salesforce_flat_staged {
                    return Ok(told);
                }
                Ok(json!({"stagedCredentials": [told], "url": format!("{url}/staged")}))
            }
            "rotate" => {
                let body: Map<String, Value> = serde_json::from_slice(request.body())
                    .map_err(|_| (400, "JSON_PARSER_ERROR", "The HTTP entity body is not valid JSON."))?;
                let staged = app.staged.as_mut().filter(|staged| parts.get(4) == Some(&staged.id.as_str()));
                let staged = staged.ok_or(NOT_FOUND)?;
                if body.get("command") != Some(&json!("rotate")) || staged.state != State::Active {
                    return Err((400, "INVALID_INPUT", "The command can't be applied to this staged credential."));
                }
                std::mem::swap(&mut staged.pair, &mut app.main);
                // Undocumented: whether the slot keeps its id. A new one makes a client list before it deletes.
                staged.id = staged_id(random);
                staged.state = State::Rotated;
                staged.accepted_from = now;
                staged.ends = in_thirty_days(now);
                Ok(staged.told(&url, false))
            }
            "delete_staged" => {
                let found = app.staged.take_if(|staged| parts.get(4) == Some(&staged.id.as_str()));
                let found = found.ok_or(NOT_FOUND)?;
                let lag = SignedDuration::from_millis(knobs.salesforce_revocation_lag_ms.min(1 << 40) as i64);
                if found.live(now) && !lag.is_zero() {
                    app.lingering.push((found.pair, now.checked_add(lag).unwrap_or(Timestamp::MAX)));
                }
                Ok(Value::Null)
            }
            _ => Err(NOT_FOUND),
        }
    }
}

impl Consumer {
    fn accepts(&self, held: &Pair, now: Timestamp) -> bool {
        self.accepted(now).any(|pair| pair == held)
    }

    fn knows(&self, key: &str, now: Timestamp) -> bool {
        self.accepted(now).any(|pair| pair.key == key)
    }

    fn live(&self, now: Timestamp) -> usize {
        self.accepted(now).count()
    }

    /// The pairs that log in now.
    fn accepted(&self, now: Timestamp) -> impl Iterator<Item = &Pair> {
        let staged = self.staged.as_ref().filter(move |staged| staged.live(now)).map(|staged| &staged.pair);
        let lingering = self.lingering.iter().filter(move |(_, until)| now < *until).map(|(pair, _)| pair);
        std::iter::once(&self.main).chain(staged).chain(lingering)
    }
}

impl Staged {
    fn live(&self, now: Timestamp) -> bool {
        self.accepted_from <= now && now < self.ends
    }

    fn told(&self, url: &str, with_pair: bool) -> Value {
        let mut told = json!({"id": self.id, "state": self.state.told(), "url": format!("{url}/staged/{}", self.id)});
        if with_pair {
            told["key"] = self.pair.key.clone().into();
            told["secret"] = self.pair.secret.clone().into();
        }
        told
    }
}

impl State {
    fn told(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotated => "rotated",
        }
    }
}

/// A planted error, as Salesforce tells errors.
pub(crate) fn told_failure(failure: &Failure) -> Response<Content> {
    let told = json!([{"errorCode": failure.code, "message": failure.message}]);
    respond(failure.status, "application/json;charset=UTF-8", told.to_string())
}

fn refused((status, code, message): Refusal) -> Response<Content> {
    respond(status, "application/json;charset=UTF-8", json!([{"errorCode": code, "message": message}]).to_string())
}

/// From the form or from `Authorization: Basic`, which Salesforce takes both.
fn credentials(request: &Request<Bytes>, form: &HashMap<String, String>) -> Option<Pair> {
    if let (Some(key), Some(secret)) = (form.get("client_id"), form.get("client_secret")) {
        return Some(Pair { key: key.clone(), secret: secret.clone() });
    }
    let header = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (key, secret) = text.split_once(':')?;
    Some(Pair { key: key.to_owned(), secret: secret.to_owned() })
}

fn pair(random: &mut StdRng) -> Pair {
    let secret: String = (0..64).map(|_| format!("{:X}", random.random_range(0..16))).collect();
    Pair { key: format!("3MVG9{}", letters(random, 80)), secret }
}

fn staged_id(random: &mut StdRng) -> String {
    format!("0Hz{}", letters(random, 15))
}

fn letters(random: &mut StdRng, count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..count).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

fn in_thirty_days(now: Timestamp) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(30 * 24)).unwrap_or(Timestamp::MAX)
}

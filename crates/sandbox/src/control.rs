//! The control API: JSON over HTTP below `/_sandbox/`, on AWS's endpoint. Called by `world`.
//!
//! ```text
#![doc = include_str!("control.txt")]
//! ```

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::body::{Content, respond};
use crate::faults::Fault;
use crate::iam::Setup;
use crate::knobs::Knobs;
use crate::world::Sandbox;

/// The text above, for `GET /_sandbox/` and `--help`.
pub const HELP: &str = include_str!("control.txt");

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NewApp {
    host: String,
    name: String,
    may_manage: bool,
}

impl Default for NewApp {
    fn default() -> Self {
        Self { host: "acme.my.salesforce.com".into(), name: "managed".into(), may_manage: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
struct Login {
    consumer_key: String,
    consumer_secret: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    offset_seconds: Option<i64>,
    advance_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Reset {
    seed: Option<u64>,
}

/// Answers a control call. A mistake is a 400 or 404 that says what is wrong.
pub(crate) fn answer(world: &mut Sandbox, request: &Request<Bytes>, now: Timestamp) -> Response<Content> {
    match act(world, request, now) {
        Ok(Value::String(text)) => respond(200, "text/plain; charset=utf-8", text),
        Ok(told) => respond(200, "application/json", told.to_string()),
        Err((status, message)) => respond(status, "application/json", json!({"error": message}).to_string()),
    }
}

/// Twenty years.
const FARTHEST: i64 = 20 * 366 * 86_400;

type Refusal = (u16, String);

fn act(world: &mut Sandbox, request: &Request<Bytes>, now: Timestamp) -> Result<Value, Refusal> {
    let path = request.uri().path().trim_start_matches("/_sandbox").trim_matches('/');
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method(), parts.as_slice()) {
        (&Method::GET, [""]) => Ok(HELP.into()),
        (&Method::POST, ["reset"]) => {
            let reset: Reset = read(request)?;
            *world = reset.seed.map_or_else(Sandbox::default, Sandbox::new);
            Ok(json!({}))
        }
        (&Method::GET, ["knobs"]) => knobs(world),
        (&Method::POST | &Method::PATCH, ["knobs"]) => {
            let named: Map<String, Value> = read(request)?;
            let mut all = json!(world.knobs());
            for (name, value) in named {
                all[name] = value;
            }
            let turned: Knobs = serde_json::from_value(all).map_err(|error| (400, error.to_string()))?;
            world.turn(now, |knobs| *knobs = turned);
            knobs(world)
        }
        (&Method::DELETE, ["knobs"]) => {
            world.turn(now, |knobs| *knobs = Knobs::default());
            knobs(world)
        }
        (&Method::GET, ["clock"]) => Ok(clock(world, now)),
        (&Method::POST, ["clock"]) => {
            let set: Clock = read(request)?;
            let from = set.offset_seconds.unwrap_or_else(|| world.shift.as_secs());
            let seconds = from.saturating_add(set.advance_seconds.unwrap_or(0));
            // Everything due on the way happens: a clock at the end of time would rotate until then.
            if !(-FARTHEST..=FARTHEST).contains(&seconds) {
                return Err((400, format!("the clock can be shifted by {FARTHEST} seconds (twenty years) at most")));
            }
            world.shift = SignedDuration::from_secs(seconds);
            let shifted = world.now(now);
            world.settle(shifted);
            Ok(clock(world, now))
        }
        (&Method::GET, ["faults"]) => {
            let list = world.faults.planted().iter().map(|(id, fault)| json!({"id": id, "fault": fault}));
            Ok(list.collect())
        }
        (&Method::POST, ["faults"]) => {
            let fault: Fault = read(request)?;
            Ok(json!({"id": world.plant(fault)}))
        }
        (&Method::DELETE, ["faults"]) => {
            world.clear_faults();
            Ok(json!({}))
        }
        (&Method::DELETE, ["faults", id]) => {
            let pulled = id.parse().is_ok_and(|id| world.faults.pull(id));
            if pulled { Ok(json!({})) } else { Err((404, format!("no fault {id} is planted"))) }
        }
        (&Method::GET, ["counts"]) => Ok(json!(world.counts())),
        (&Method::DELETE, ["counts"]) => {
            world.journal.clear_counts();
            Ok(json!({}))
        }
        (&Method::GET, ["log"]) => {
            let query = request.uri().query().unwrap_or_default();
            let after = query.strip_prefix("after=").and_then(|number| number.parse().ok()).unwrap_or(0);
            Ok(json!(world.log(after)))
        }
        (&Method::DELETE, ["log"]) => {
            world.journal.clear_entries();
            Ok(json!({}))
        }
        (&Method::GET, ["sessions", access_key]) => {
            let tags = world.session_tags(access_key).ok_or_else(|| (404, "no such session".to_owned()))?;
            let tags: Map<String, Value> =
                tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
            Ok(json!({"tags": tags}))
        }
        (&Method::PUT, ["iam"]) => {
            let setup: Setup = read(request)?;
            world.judge_by(Some(&setup)).map_err(|error| (400, error))?;
            Ok(json!({}))
        }
        (&Method::DELETE, ["iam"]) => {
            world.judge_by(None).map_err(|error| (400, error))?;
            Ok(json!({}))
        }
        (&Method::GET, ["iam", "judgements"]) => Ok(json!(world.judgements())),
        (&Method::GET, ["salesforce", "apps"]) => {
            let now = world.now(now);
            Ok(world.partners.salesforce.apps(now))
        }
        (&Method::POST, ["salesforce", "apps"]) => {
            let app: NewApp = read(request)?;
            Ok(json!(world.salesforce_app(&app.host, &app.name, app.may_manage)))
        }
        (&Method::POST, ["salesforce", "logs-in"]) => {
            let login: Login = read(request)?;
            let (logs_in, live) = world.salesforce_logs_in(&login.consumer_key, &login.consumer_secret, now);
            Ok(json!({"logs_in": logs_in, "live": live}))
        }
        _ => Err((404, format!("no {} /_sandbox/{path}; see GET /_sandbox/", request.method()))),
    }
}

fn knobs(world: &Sandbox) -> Result<Value, Refusal> {
    Ok(json!(world.knobs()))
}

fn clock(world: &Sandbox, now: Timestamp) -> Value {
    json!({"now": world.now(now).to_string(), "offset_seconds": world.shift.as_secs()})
}

fn read<T: serde::de::DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Refusal> {
    let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
    serde_json::from_slice(body).map_err(|error| (400, format!("the body can't be read: {error}")))
}

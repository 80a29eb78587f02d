//! The plan of what goes wrong: which calls, how often, in which way.
//!
//! Invariant: a call meets at most one fault, the first in the plan that fits it; a fault that is used up is gone.
//! Asked by `world` once for each call, filled through `Sandbox::plant` or `/_sandbox/faults`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde::{Deserialize, Serialize};

use crate::body::{Answer, Content, Outcome, respond};
use crate::secrets_manager::Failure;

/// One fault: it strikes the calls that fit every selector that is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `secretsmanager`, `sts` or `salesforce`.
    #[serde(default)]
    pub door: Option<String>,
    /// `PutSecretValue`, `AssumeRole`, `stage`, …
    #[serde(default)]
    pub operation: Option<String>,
    /// AWS region of the call.
    #[serde(default)]
    pub region: Option<String>,
    /// A part of the caller's ARN or access key (at Salesforce: of the host).
    #[serde(default)]
    pub caller: Option<String>,
    /// A part of the secret's name or ARN as the call gives it (at Salesforce: of the path).
    #[serde(default)]
    pub resource: Option<String>,
    /// Fitting calls that pass before it strikes.
    #[serde(default)]
    pub skip: u64,
    /// Calls that it strikes; absent: every one.
    #[serde(default)]
    pub count: Option<u64>,
    /// Whether the call takes effect before its caller is told something else. `delay`, `drop_reply` and `slow` always
    /// let it.
    #[serde(default)]
    pub effect: bool,
    /// What the caller meets.
    pub fate: Fate,
}

/// What a struck call meets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fate {
    /// An error of AWS's, by name.
    Error {
        /// `InternalServiceError`, `AccessDeniedException`, …
        code: String,
        /// HTTP status; 500 for `InternalServiceError`, else 400, if absent.
        #[serde(default)]
        status: Option<u16>,
        /// The message.
        #[serde(default)]
        message: String,
    },
    /// `ThrottlingException` (at a partner: 429 without a body).
    Throttle,
    /// The answer comes late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The call takes effect, the connection closes without an answer.
    DropReply,
    /// The connection closes before the call takes effect.
    Close,
    /// No answer ever comes.
    Silence,
    /// The connection closes at once, and the call takes effect later all the same.
    Late {
        /// Milliseconds until it does.
        ms: u64,
    },
    /// An HTML page where JSON was expected.
    Html {
        /// HTTP status; 200 if absent.
        #[serde(default)]
        status: Option<u16>,
    },
    /// A redirect.
    Redirect {
        /// `Location`.
        location: String,
    },
    /// A bare status, with `Retry-After` if given (`"999999999"`, `"-1"`, `"soon"`).
    Status {
        /// HTTP status.
        status: u16,
        /// The header's text as it is.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// A body of so many bytes.
    Huge {
        /// Bytes.
        bytes: u64,
    },
    /// This body, as JSON.
    Body {
        /// HTTP status; 200 if absent.
        #[serde(default)]
        status: Option<u16>,
        /// The body.
        body: String,
    },
    /// An error of AWS's or of the partner's that quotes the request back: its body and its `Authorization` in the message,
    /// and its body in a header.
    Echo {
        /// As of `error`.
        code: String,
        /// As of `error`.
        #[serde(default)]
        status: Option<u16>,
    },
    /// The true answer, byte by byte.
    Slow {
        /// Milliseconds for each byte.
        ms: u64,
    },
}

/// What a fault is compared with.
pub(crate) struct Struck<'a> {
    pub(crate) door: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) region: &'a str,
    pub(crate) caller: &'a str,
    pub(crate) access_key: &'a str,
}

/// The plan.
#[derive(Default)]
pub(crate) struct FaultPlan {
    faults: Vec<(u64, Fault)>,
    numbered: u64,
}

impl FaultPlan {
    pub(crate) fn plant(&mut self, fault: Fault) -> u64 {
        self.numbered += 1;
        self.faults.push((self.numbered, fault));
        self.numbered
    }

    pub(crate) fn pull(&mut self, id: u64) -> bool {
        let before = self.faults.len();
        self.faults.retain(|(own, _)| *own != id);
        self.faults.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn planted(&self) -> &[(u64, Fault)] {
        &self.faults
    }

    /// The fate of a call. `subject` tells the secret or path that it is about, and is asked only if a fault selects
    /// by it.
    pub(crate) fn fate(&mut self, call: &Struck<'_>, subject: impl Fn() -> String) -> Option<(Fate, bool)> {
        let place = self.faults.iter_mut().position(|(_, fault)| {
            let fits = fault.fits(call) && fault.resource.as_ref().is_none_or(|part| subject().contains(part));
            if fits && fault.skip > 0 {
                fault.skip -= 1;
                return false;
            }
            fits && fault.count != Some(0)
        })?;
        let fault = &mut self.faults[place].1;
        let told = (fault.fate.clone(), fault.effect);
        if let Some(count) = &mut fault.count {
            *count -= 1;
            if *count == 0 {
                self.faults.remove(place);
            }
        }
        Some(told)
    }
}

impl Fault {
    /// One that strikes every call, to be narrowed by its selectors.
    #[must_use]
    pub fn of(fate: Fate) -> Self {
        Self {
            door: None,
            operation: None,
            region: None,
            caller: None,
            resource: None,
            skip: 0,
            count: None,
            effect: false,
            fate,
        }
    }

    fn fits(&self, call: &Struck<'_>) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.door, call.door)
            && same(&self.operation, call.operation)
            && same(&self.region, call.region)
            && self.caller.as_ref().is_none_or(|part| call.caller.contains(part) || call.access_key.contains(part))
    }
}

impl Fate {
    /// Whether the call takes effect whatever the fault says.
    pub(crate) fn lets_pass(&self) -> bool {
        matches!(self, Self::Delay { .. } | Self::DropReply | Self::Slow { .. })
    }

    /// What the caller meets, given the true answer if the call took effect.
    pub(crate) fn strike(
        &self,
        request: &Request<Bytes>,
        truth: Option<Answer>,
        mut tell: impl FnMut(&Failure) -> Response<Content>,
    ) -> Answer {
        let respond_with = |response| Answer { delay: Duration::ZERO, outcome: Outcome::Reply(response) };
        match self {
            Self::Error { code, status, message } => respond_with(tell(&failure(code, *status, message.clone()))),
            Self::Echo { code, status } => {
                let body = String::from_utf8_lossy(request.body());
                let told = request.headers().get(header::AUTHORIZATION).and_then(|told| told.to_str().ok());
                let message = format!("{body} {}", told.unwrap_or_default());
                let mut response = tell(&failure(code, *status, message));
                put(&mut response, header::WARNING, &format!("299 - {body}"));
                respond_with(response)
            }
            Self::Throttle => respond_with(tell(&Failure::new("ThrottlingException", "Rate exceeded"))),
            Self::Delay { ms } => {
                let mut answer = truth.unwrap_or(Answer { delay: Duration::ZERO, outcome: Outcome::Closed });
                answer.delay += Duration::from_millis(*ms);
                answer
            }
            Self::DropReply | Self::Close | Self::Late { .. } => {
                Answer { delay: Duration::ZERO, outcome: Outcome::Closed }
            }
            Self::Silence => Answer { delay: Duration::ZERO, outcome: Outcome::Silence },
            Self::Html { status } => {
                let page =
                    "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Down</h1></body></html>";
                respond_with(respond(status.unwrap_or(200), "text/html; charset=utf-8", page))
            }
            Self::Redirect { location } => {
                let mut response = respond(302, "text/plain", "");
                put(&mut response, header::LOCATION, location);
                respond_with(response)
            }
            Self::Status { status, retry_after } => {
                let mut response = respond(*status, "application/json", "");
                if let Some(text) = retry_after {
                    put(&mut response, header::RETRY_AFTER, text);
                }
                respond_with(response)
            }
            Self::Huge { bytes } => {
                let mut response = respond(200, "application/json", Bytes::new());
                *response.body_mut() = Content::Endless(*bytes);
                respond_with(response)
            }
            Self::Body { status, body } => {
                respond_with(respond(status.unwrap_or(200), "application/json", body.clone()))
            }
            Self::Slow { ms } => {
                let mut answer = truth.unwrap_or(Answer { delay: Duration::ZERO, outcome: Outcome::Closed });
                if let Outcome::Reply(response) = &mut answer.outcome
                    && let Content::Whole(bytes) = response.body().clone()
                {
                    *response.body_mut() = Content::Drip(bytes, Duration::from_millis(*ms));
                }
                answer
            }
        }
    }
}

fn failure(code: &str, status: Option<u16>, message: String) -> Failure {
    let server = code == "InternalServiceError" || code == "InternalFailure";
    Failure { code: code.to_owned(), status: status.unwrap_or(if server { 500 } else { 400 }), message }
}

fn put(response: &mut Response<Content>, name: http::HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

//! What goes back to a caller: an answer, or the lack of one, and a body whole, endless or dripping.
//!
//! Invariant: whatever [`Outcome`] says, the effect of the call is already decided; only the telling differs.
//! Made by `world`, told over HTTP by `serve`, read as it is by a test in process.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use serde_json::Value;
use tokio::time::Interval;

/// The answer to one call: after `delay`, `outcome`.
#[derive(Debug)]
pub struct Answer {
    /// How long the caller waits.
    pub delay: Duration,
    /// What the caller then gets.
    pub outcome: Outcome,
}

/// What a caller gets.
#[derive(Debug)]
pub enum Outcome {
    /// A response.
    Reply(Response<Content>),
    /// The connection closes without a response.
    Closed,
    /// Nothing, for ever: the caller must time out by itself.
    Silence,
}

/// The bytes of a response. `Debug` tells their number only: they can be a value.
#[derive(Clone)]
pub enum Content {
    /// All at once.
    Whole(Bytes),
    /// So many bytes of filler, to see who reads without a limit.
    Endless(u64),
    /// The bytes one by one, each after the pause.
    Drip(Bytes, Duration),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Endless(size) => write!(f, "{size} bytes of filler"),
            Self::Drip(bytes, pause) => write!(f, "{} bytes, one each {pause:?}", bytes.len()),
        }
    }
}

impl Answer {
    pub(crate) fn reply(response: Response<Content>) -> Self {
        Self { delay: Duration::ZERO, outcome: Outcome::Reply(response) }
    }

    /// HTTP status of the reply; 0 if there is none.
    pub fn status(&self) -> u16 {
        match &self.outcome {
            Outcome::Reply(response) => response.status().as_u16(),
            _ => 0,
        }
    }

    /// The body as JSON; `Null` if there is no reply or it isn't JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes()).unwrap_or(Value::Null)
    }

    /// The whole body; empty if there is none or it does not come at once.
    pub fn bytes(&self) -> Bytes {
        match &self.outcome {
            Outcome::Reply(response) => match response.body() {
                Content::Whole(bytes) | Content::Drip(bytes, _) => bytes.clone(),
                Content::Endless(_) => Bytes::new(),
            },
            _ => Bytes::new(),
        }
    }
}

/// A response with this status, type and body.
pub(crate) fn respond(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::Whole(bytes.into()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// [`Content`] on its way over HTTP.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    Endless(u64),
    Drip(Bytes, Interval),
}

const FILLER: &[u8] = &[b'x'; 16 * 1024];

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        match content {
            Content::Whole(bytes) => Self::Whole((!bytes.is_empty()).then_some(bytes)),
            Content::Endless(size) => Self::Endless(size),
            Content::Drip(bytes, pause) => {
                Self::Drip(bytes, tokio::time::interval(pause.max(Duration::from_millis(1))))
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Endless(0) => None,
            Self::Endless(left) => {
                let size = (*left).min(FILLER.len() as u64);
                *left -= size;
                Some(Bytes::from_static(&FILLER[..size as usize]))
            }
            Self::Drip(bytes, _) if bytes.is_empty() => None,
            Self::Drip(bytes, interval) => {
                ready!(interval.poll_tick(cx));
                Some(bytes.split_to(1))
            }
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Endless(0))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Endless(left) => http_body::SizeHint::with_exact(*left),
            Self::Drip(bytes, _) => http_body::SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

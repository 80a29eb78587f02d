//! HTTPS to partners: one exchange, one connection.
//!
//! Invariant (SECURITY section 7, step 8): no redirect, no proxy, no content coding; headers and body bounded; the whole
//! exchange ends within its budget. Until the request's first byte could leave, a failure is `Unsent`; from then on
//! `Unknown`. No pool: a partner is asked a few times an hour, and each connection is judged anew.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::rt::TokioIo;
use mes_core::fault::{Fault, FaultKind, Place};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dialer::{Dialed, Dialer, refused, unsent};
use super::sockets::Stream;
use super::{Destination, Http, trust};

const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 32 * 1024;
const MOST_BODY_BYTES: usize = 1024 * 1024;

/// The real door.
pub(super) struct Https {
    dialer: std::sync::Arc<Dialer>,
    budget: Duration,
}

impl Https {
    pub(super) fn new(dialer: std::sync::Arc<Dialer>, budget: Duration) -> Self {
        Self { dialer, budget }
    }

    async fn opened(&self, to: Destination<'_>) -> Result<(TlsStream<Stream>, String), Fault> {
        let Dialed { stream, tls, name, host } = self.dialer.dial(to, "https").await?;
        let stream =
            TlsConnector::from(tls).connect(name, stream).await.map_err(|error| unsent(trust::code(&error, "Tls")))?;
        Ok((stream, host))
    }
}

#[async_trait]
impl Http for Https {
    async fn send(&self, to: Destination<'_>, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let deadline = Instant::now() + self.budget;
        let opened = timeout_at(deadline, self.opened(to)).await;
        let (stream, host) = opened.map_err(|_| unsent("ConnectTimeout"))??;
        let request = addressed(request, &to.origin.path, &host, to.origin.port)?;
        timeout_at(deadline, exchanged(stream, request)).await.map_err(|_| unknown("Timeout"))?
    }
}

/// The request below the origin's path, to the origin's host.
fn addressed(request: Request<Bytes>, below: &str, host: &str, port: u16) -> Result<Request<Full<Bytes>>, Fault> {
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().filter(|target| target.as_str().starts_with('/'));
    let relative = parts.uri.scheme().is_none() && parts.uri.authority().is_none();
    let target = target.filter(|_| relative).ok_or_else(|| refused("Target"))?;
    let whole = format!("{}{}", below.trim_end_matches('/'), target);
    parts.uri = whole.parse::<Uri>().map_err(|_| refused("Target"))?;
    let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    parts.headers.insert(HOST, HeaderValue::from_str(&authority).map_err(|_| refused("Host"))?);
    parts.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    parts.headers.insert(USER_AGENT, HeaderValue::from_static("managed-external-secrets"));
    Ok(Request::from_parts(parts, Full::new(body)))
}

async fn exchanged<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| unsent("Connection"))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(|error| unknown(broken(&error)))?;
        read(response).await
    };
    // The connection is polled beside the exchange and ends with it: a task would outlive its call.
    tokio::pin!(asked);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answer = &mut asked => answer,
        _ = &mut connection => asked.await,
    }
}

/// A head that is too large is a parse error to hyper, too.
fn broken(error: &hyper::Error) -> &'static str {
    if error.is_parse() { "NotHttp" } else { "ConnectionLost" }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Response<Bytes>, Fault> {
    if response.status().is_redirection() {
        return Err(unknown("Redirect"));
    }
    // hyper's own bound is tried before each read, and one read may overshoot it.
    let head: usize = response.headers().iter().map(|(name, text)| name.as_str().len() + text.len()).sum();
    if head > MOST_HEADER_BYTES {
        return Err(unknown("HeadersTooLarge"));
    }
    if response.headers().contains_key(CONTENT_ENCODING) {
        return Err(unknown("ContentEncoding"));
    }
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MOST_BODY_BYTES).collect().await.map_err(|error| {
        unknown(if error.downcast_ref::<LengthLimitError>().is_some() { "TooLarge" } else { "ConnectionLost" })
    })?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}

fn unknown(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, code)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

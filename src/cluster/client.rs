//! The client of the API server: one stack of layers over any bottom.
//!
//! Invariant: no layer retries (kube's own would repeat a call for minutes, POST included), and every request but a
//! watch ends within a set time, its body included. Called by `cli::run` with a TLS bottom, and by simulations with one
//! of their own; who leads writes through [`led`] alone.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use kube::Client;
use kube::client::{Body, ConfigExt};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use super::LeaseHandle;

/// The longest that a request which is no watch may take, from the first byte sent to the last one read.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that the head of a watch's answer may take; its events have kube-runtime's own idle timeout.
const WATCH_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// After this long without a byte the kernel asks whether the other side is still there: a watch may be silent.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// No usable answer came in time: what was asked may have happened.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
pub(crate) struct TimedOut(Duration);

/// The Lease could end before the write does: nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("the Lease could end before the write does")]
pub(crate) struct LeaseEnding;

/// A client whose requests go to `bottom`. `home` is the namespace that a context names, or the pod's own.
pub fn over<S, B>(bottom: S, home: impl Into<String>) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    over_within(bottom, home, REQUEST_TIMEOUT)
}

/// A client of the API server that `config` names, with its certificates and credentials.
///
/// Fails where the configuration does: an unreadable certificate, an unusable proxy.
pub fn connect(config: kube::Config) -> kube::Result<Client> {
    connect_within(config, REQUEST_TIMEOUT)
}

/// As [`connect`], for a caller that can't wait for as long (the Lease).
pub fn connect_within(config: kube::Config, timeout: Duration) -> kube::Result<Client> {
    if let Some(proxy) = &config.proxy_url {
        // Named rather than passed by: whoever set it wants nothing to go another way.
        let proxy_url = Box::new(proxy.clone());
        return Err(kube::Error::ProxyProtocolDisabled { proxy_url, protocol_feature: "kube/http-proxy" });
    }
    let home = config.default_namespace.clone();
    #[expect(clippy::disallowed_methods, reason = "the API server alone is reached so; partners go through the dialer")]
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(timeout / 2));
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build(connector);
    let bottom = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(over_within(bottom, home, timeout))
}

pub(super) fn over_within<S, B>(bottom: S, home: impl Into<String>, timeout: Duration) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Client::new(Deadline { inner: bottom.map_err(Into::into), timeout }, home)
}

/// As `client`, but a write begins only with enough left of the Lease for all of it. Asked at the bottom and not where a write
/// is decided: a process that stood still beyond its Lease wakes anywhere between the two.
pub fn led(client: &Client, lease: &LeaseHandle) -> Client {
    let home = client.default_namespace().to_owned();
    let (client, lease) = (client.clone(), lease.clone());
    let bottom = tower::service_fn(move |request: Request<Body>| {
        let may_begin = request.method().is_safe() || lease.allows_a_call(REQUEST_TIMEOUT);
        let client = client.clone();
        async move {
            if !may_begin {
                return Err(BoxError::from(LeaseEnding));
            }
            client.send(request).await.map_err(BoxError::from)
        }
    });
    Client::new(bottom, home)
}

/// Ends every request in time.
struct Deadline<S> {
    inner: S,
    timeout: Duration,
}

impl<S, B> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError> + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watch = is_watch(request.uri().query().unwrap_or_default());
        let timeout = if watch { WATCH_HEAD_TIMEOUT } else { self.timeout };
        let answer = self.inner.call(request);
        let whole = async move {
            let response = answer.await?;
            if watch {
                return Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()));
            }
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.map_err(Into::into)?.to_bytes();
            Ok(Response::from_parts(head, Full::new(bytes).map_err(|never| match never {}).boxed_unsync()))
        };
        Box::pin(async move { tokio::time::timeout(timeout, whole).await.map_err(|_| TimedOut(timeout))? })
    }
}

fn is_watch(query: &str) -> bool {
    query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1")
}

//! Every door of the controller, at its bottom: kube's service, the SDK's HTTP, the partners' HTTP, time and randomness.
//!
//! Invariant: above this file runs the unmodified product. A call is one step of the world: it is numbered, its fate is
//! asked, it takes some time, takes effect or not, and is answered or not. A dead process's calls never come back.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use jiff::Timestamp;
use kube::client::Body;
use managed_external_secrets::aws::Transport;
use managed_external_secrets::clock::{Clock, Random};
use managed_external_secrets::partners::Doors;
use managed_external_secrets::partners::doors::{Console, Destination, Http, Login, Session};
use mes_core::fault::{Fault, FaultKind, Place};
use sandbox::kubernetes::Watch;
use tower::BoxError;

use crate::call::{Call, Door, Reply};
use crate::world::World;

/// A process of the operator, with its doors.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) number: u32,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.number)
    }
}

impl Process {
    /// The transport that the AWS adapter stands on.
    pub(crate) fn aws(&self) -> Transport {
        let connector = SharedHttpConnector::new(self.clone());
        Transport {
            http: http_client_fn(move |_, _| connector.clone()),
            time: SharedTimeSource::new(self.clone()),
            sleep: SharedAsyncSleep::new(TokioSleep::new()),
            ambient: SharedCredentialsProvider::new(Credentials::new("AKIAMESOPERATOR00001", "s", None, None, "sim")),
        }
    }

    /// The doors to partners.
    pub(crate) fn doors(&self) -> Doors {
        Doors { http: Arc::new(self.clone()), console: Arc::new(self.clone()) }
    }

    /// One call. `None`: no answer ever came (the connection broke).
    async fn call(&self, call: Call) -> Option<Reply> {
        self.world.call(self.number, call).await
    }
}

impl Clock for Process {
    fn now(&self) -> Timestamp {
        let skew = self.world.lock().skew;
        self.world.now() + skew
    }
}

impl Random for Process {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.fill(bytes);
    }
}

impl TimeSource for Process {
    fn now(&self) -> SystemTime {
        self.world.now().into()
    }
}

impl HttpConnector for Process {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let process = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (head, body) = request.into_parts();
            let body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
            let request = Request::from_parts(head, body);
            match Process::call(&process, Call { door: Door::Aws, request }).await {
                Some(Reply::Whole(response)) => HttpResponse::try_from(response.map(SdkBody::from))
                    .map_err(|error| ConnectorError::user(error.into())),
                Some(Reply::Watch(_)) | None => Err(ConnectorError::io("connection reset".into())),
            }
        })
    }
}

#[async_trait]
impl Http for Process {
    async fn send(&self, to: Destination<'_>, request: Request<Bytes>) -> Result<Response<Bytes>, Fault> {
        let (mut head, body) = request.into_parts();
        let host = http::HeaderValue::from_str(&to.origin.host)
            .map_err(|_| Fault::new(Place::Partner, FaultKind::Rejected, "Host"))?;
        head.headers.insert(http::header::HOST, host);
        let request = Request::from_parts(head, body);
        match self.call(Call { door: Door::Partner, request }).await {
            Some(Reply::Whole(response)) => Ok(response),
            Some(Reply::Watch(_)) | None => Err(Fault::new(Place::Partner, FaultKind::Unknown, "ConnectionLost")),
        }
    }
}

#[async_trait]
impl Console for Process {
    async fn login(&self, _: Destination<'_>, _: &Login<'_>) -> Result<Option<Box<dyn Session>>, Fault> {
        Err(Fault::new(Place::Partner, FaultKind::Unsent, "NoConsole"))
    }
}

impl tower::Service<Request<Body>> for Process {
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let process = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let until = ends(head.uri.query().unwrap_or_default());
            let request = Request::from_parts(head, body);
            match Process::call(&process, Call { door: Door::Kubernetes, request }).await {
                Some(Reply::Whole(response)) => {
                    Ok(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
                }
                Some(Reply::Watch(watch)) => Ok(Response::new(watched(process, watch, until))),
                None => Err("connection reset".into()),
            }
        })
    }
}

/// For how long a watch is wanted.
fn ends(query: &str) -> Duration {
    let seconds = query.split('&').find_map(|pair| pair.strip_prefix("timeoutSeconds="));
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(290))
}

/// Until its next bookmark.
async fn due(process: &Process, watch: &Watch) {
    match watch.due().map(|due| due.duration_since(process.world.now())) {
        Some(wait) => tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

/// The lines of a watch, as they come due, until its time is up.
fn watched(process: Process, watch: Watch, wanted: Duration) -> UnsyncBoxBody<Bytes, BoxError> {
    let until = tokio::time::Instant::now() + wanted;
    let lines = stream::unfold((process, watch), move |(process, mut watch)| async move {
        loop {
            let world = process.world.clone();
            let changed = world.changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match process.world.read(process.number, &mut watch).await {
                None => return Some((Err(BoxError::from("the watch was cut")), (process, watch))),
                Some(lines) if !lines.is_empty() => {
                    let whole = lines.iter().flat_map(|line| line.iter().copied()).collect::<Vec<u8>>();
                    return Some((Ok(Frame::data(Bytes::from(whole))), (process, watch)));
                }
                Some(_) if watch.is_over() => return None,
                Some(_) => {}
            }
            tokio::select! {
                biased;
                () = &mut changed => {}
                () = tokio::time::sleep_until(until) => return None,
                () = due(&process, &watch) => {}
            }
        }
    });
    StreamBody::new(lines.boxed()).boxed_unsync()
}

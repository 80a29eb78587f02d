//! `/live`, `/ready` and `/metrics` over HTTP.
//!
//! Invariant: reads alone; nothing here changes state or shows more than names of our own parts and metrics. Called by
//! `cli::run`, which binds the socket, so that a taken port fails the start.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::{CONTENT_TYPE as OPEN_METRICS, Metrics};

/// Connections at once: a probe, a scraper and somebody curious.
const CONNECTIONS: usize = 32;
/// The longest that a connection may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// After this long without an answer, `accept` is tried again (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What must be there before the process can do its work. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Readiness {
    /// Ready once all of `parts` are.
    pub fn of(parts: impl IntoIterator<Item = &'static str>) -> Self {
        Self(Arc::new(Mutex::new(parts.into_iter().map(|part| (part, false)).collect())))
    }

    /// Whether `part` is there, from now on.
    pub fn set(&self, part: &'static str, there: bool) {
        self.parts().insert(part, there);
    }

    /// The parts that are missing, sorted.
    pub fn missing(&self) -> Vec<&'static str> {
        self.parts().iter().filter(|(_, there)| !**there).map(|(part, _)| *part).collect()
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<&'static str, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers on `listener` for as long as it is polled.
pub async fn serve(listener: TcpListener, readiness: Readiness, metrics: Metrics) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (readiness, metrics) = (readiness.clone(), metrics.clone());
        let answering = service_fn(move |request: Request<Incoming>| {
            let response = answer(request.method(), request.uri().path(), &readiness, &metrics);
            async move { Ok::<_, Infallible>(response) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), answering);
        tokio::spawn(async move {
            // A client that went away is its own affair.
            let _ = connection.await;
            drop(seat);
        });
    }
}

fn answer(method: &Method, path: &str, readiness: &Readiness, metrics: &Metrics) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/live" => plain(StatusCode::OK, "live\n".to_owned()),
        "/ready" => match readiness.missing().as_slice() {
            [] => plain(StatusCode::OK, "ready\n".to_owned()),
            missing => plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready, missing: {}\n", missing.join(", "))),
        },
        "/metrics" => of(StatusCode::OK, OPEN_METRICS, metrics.encode()),
        _ => plain(StatusCode::NOT_FOUND, "there are /live, /ready and /metrics\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    of(status, "text/plain; charset=utf-8", text)
}

fn of(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn metrics() -> Metrics {
        Metrics::new(Arc::new(SystemClock), true)
    }

    async fn text(response: Response<Full<Bytes>>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn ready_names_what_is_missing() {
        let readiness = Readiness::of(["lease", "caches"]);
        let ready = || answer(&Method::GET, "/ready", &readiness, &metrics());
        readiness.set("lease", true);
        assert_eq!(ready().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text(ready()).await, "not ready, missing: caches\n");
        readiness.set("caches", true);
        assert_eq!(ready().status(), StatusCode::OK);
        assert_eq!(answer(&Method::POST, "/live", &readiness, &metrics()).status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&Method::GET, "/debug/pprof", &readiness, &metrics()).status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_real_socket_serves_metrics() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Readiness::default(), metrics()));
        #[expect(clippy::disallowed_methods, reason = "a test asks its own server on loopback")]
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answered = String::new();
        stream.read_to_string(&mut answered).await.unwrap();
        assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
        assert!(answered.contains("mes_build_info{") && answered.trim_end().ends_with("# EOF"), "{answered}");
        server.abort();
    }
}

//! The client: what is an absence, what a silence, what a refusal.

use super::{Room, config, target};
use crate::cluster::client::{connect, led, over};
use crate::cluster::{LeaseHandle, Namespace, Wanted, fault};
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use mes_core::fault::FaultKind;
use mes_core::target::{SecretType, TargetSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn spec() -> TargetSpec {
    let nothing = BTreeMap::new;
    TargetSpec { name: "crm".into(), type_: SecretType::Opaque, labels: nothing(), annotations: nothing(), data: None }
}

async fn read(room: &Room, client: kube::Client) -> Result<bool, FaultKind> {
    let (spec, name) = (spec(), target("crm"));
    let namespace = Namespace::of(&client, &room.own);
    let wanted = Wanted { spec: &spec, name: &name, with_owner: false };
    namespace.target(wanted, None).await.map(|found| found.is_some()).map_err(|fault| fault.kind)
}

/// A client whose every answer is this one.
fn answering(status: u16, body: &'static str) -> kube::Client {
    let service = tower::service_fn(move |_: Request<Body>| async move {
        Ok::<_, Infallible>(Response::builder().status(status).body(Full::from(body)).unwrap())
    });
    over(service, "default")
}

#[tokio::test]
async fn absent_is_only_what_the_api_server_says_of_that_object() {
    let room = Room::new().await;
    assert_eq!(read(&room, room.client.clone()).await, Ok(false));
    let not_served = r#"{"kind":"Status","status":"Failure","reason":"NotFound","details":{},"code":404}"#;
    assert_eq!(read(&room, answering(404, not_served)).await, Err(FaultKind::Rejected));
    assert_eq!(read(&room, answering(404, "<html>no such page</html>")).await, Err(FaultKind::Rejected));
    assert_eq!(read(&room, answering(200, "<html>log in</html>")).await, Err(FaultKind::Unknown));
    assert_eq!(read(&room, answering(503, "")).await, Err(FaultKind::Unknown));
    assert_eq!(
        read(&room, answering(429, "Too many requests, please try again later.")).await,
        Err(FaultKind::Throttled)
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_was_sent_nothing() {
    let room = Room::new().await;
    let mut config = config().await;
    config.cluster_url = "https://127.0.0.1:1".parse().unwrap();
    assert_eq!(read(&room, connect(config).unwrap()).await, Err(FaultKind::Unsent));
}

#[tokio::test]
async fn who_is_not_allowed_is_denied_and_not_told_that_nothing_is_there() {
    let room = Room::new().await;
    let mut config = config().await;
    config.auth_info.impersonate = Some("nobody".into());
    assert_eq!(read(&room, connect(config).unwrap()).await, Err(FaultKind::Denied));
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_given_up() {
    let service = tower::service_fn(|_: Request<Body>| async {
        let endless = http_body_util::StreamBody::new(futures::stream::pending::<
            Result<http_body::Frame<bytes::Bytes>, Infallible>,
        >());
        Ok::<_, Infallible>(Response::new(endless))
    });
    let client = crate::cluster::client::over_within(service, "default", Duration::from_millis(50));
    let error = Api::<Secret>::namespaced(client, "default").get("crm").await.unwrap_err();
    let fault = fault::of(&error);
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unknown, "Timeout"));
}

#[tokio::test(start_paused = true)]
async fn no_write_is_sent_when_the_lease_could_end_before_it() {
    let sent = Arc::new(AtomicU32::new(0));
    let count = sent.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(Full::from(r#"{"kind":"Secret","apiVersion":"v1","metadata":{}}"#))) }
    });
    let secrets = Api::<Secret>::namespaced(led(&over(service, "default"), &LeaseHandle::just_renewed()), "default");
    let write = async || secrets.patch("crm", &PatchParams::default(), &Patch::Merge(json!({}))).await;
    write().await.expect("there is time");
    tokio::time::advance(Duration::from_secs(6)).await;
    let fault = fault::of(&write().await.expect_err("less than a write's ten seconds are left"));
    assert!(fault.surely_nothing_happened(), "{fault}");
    assert_eq!((fault.code.as_str(), sent.load(Ordering::Relaxed)), ("LeaseEnding", 1));
    secrets.get("crm").await.expect("what is read changes nothing");
}

//! Leading: acquired, handed over, lost.

use super::{Room, config};
use crate::clock::{SystemClock, SystemRandom};
use crate::cluster::client::{connect_within, over};
use crate::cluster::lease::{Campaign, End, REQUEST_TIMEOUT, Settings, identity};
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use mes_core::names::{Namespace, ObjectName};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn settings(namespace: &str, host: &str) -> Settings {
    Settings {
        namespace: Namespace::parse(namespace).unwrap(),
        name: ObjectName::parse("mes-leader").unwrap(),
        identity: identity(host, &SystemRandom),
    }
}

async fn campaign(room: &Room, host: &str) -> Campaign {
    let client = connect_within(config().await, REQUEST_TIMEOUT).unwrap();
    Campaign::start(client, settings(&room.name, host), Arc::new(SystemClock))
}

#[tokio::test]
async fn a_released_lease_is_taken_at_once_and_there_is_never_more_than_one_leader() {
    let room = Room::new().await;
    let first = campaign(&room, "mes-0").await;
    let mut leader = first.handle();
    assert!(!leader.is_leader() && !leader.allows_a_call(Duration::ZERO));
    assert!(leader.leads().await);
    assert!(leader.is_leader() && leader.allows_a_call(Duration::from_secs(10)));
    assert!(!leader.allows_a_call(Duration::from_secs(15)));
    assert!(leader.holder().starts_with("mes-0_") && leader.holder().ends_with("/0"));

    let second = campaign(&room, "mes-1").await;
    let mut next = second.handle();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(leader.is_leader() && !next.is_leader());
    assert_eq!(first.release().await, End::Released);
    assert!(!leader.is_leader());
    let lease = room.api::<Lease>().get("mes-leader").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
    let since = Instant::now();
    assert!(next.leads().await);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert!(next.holder().ends_with("/1"), "{}", next.holder());
    second.release().await;
}

#[tokio::test]
async fn a_dead_leaders_lease_runs_out_by_the_watchers_own_clock() {
    let room = Room::new().await;
    // A record of a process that is gone, with times far in the future: nobody's clock but ours counts.
    let dead = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mes-leader"},
        "spec": {
            "holderIdentity": "mes-9_dead", "leaseDurationSeconds": 15, "leaseTransitions": 4,
            "renewTime": "2099-01-01T00:00:00.000000Z",
        },
    });
    let by = PatchParams::apply("somebody");
    room.api::<Lease>().patch("mes-leader", &by, &Patch::Apply(dead)).await.unwrap();
    let since = Instant::now();
    let next = campaign(&room, "mes-1").await;
    assert!(next.handle().leads().await);
    assert!((14..22).contains(&since.elapsed().as_secs()), "{:?}", since.elapsed());
    assert!(next.handle().holder().ends_with("/5"));
    next.release().await;
}

#[tokio::test]
async fn a_leader_that_finds_another_holder_stops_leading_and_says_so() {
    let room = Room::new().await;
    let mut first = campaign(&room, "mes-0").await;
    let mut handle = first.handle();
    assert!(handle.leads().await);
    let usurped = json!({"spec": {"holderIdentity": "mes-1_aaaaaaaa", "renewTime": "2099-01-01T00:00:00.000000Z"}});
    room.api::<Lease>().patch("mes-leader", &PatchParams::default(), &Patch::Merge(usurped)).await.unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(12), first.ended()).await, Ok(End::Lost));
    assert!(!handle.is_leader() && !handle.allows_a_call(Duration::ZERO));
    handle.ended().await;
    // It must not take away what another holds.
    let lease = room.api::<Lease>().get("mes-leader").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity.as_deref(), Some("mes-1_aaaaaaaa"));
}

#[tokio::test]
async fn leading_ends_by_our_own_clock_while_the_api_server_is_silent() {
    let silent = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&silent);
    let service = tower::service_fn(move |request: Request<Body>| {
        let silent = Arc::clone(&switch);
        async move {
            if silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let absent = json!({
                "kind": "Status", "status": "Failure", "reason": "NotFound", "details": {"name": "mes-leader"}, "code": 404,
            });
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "mes-leader", "uid": "u", "resourceVersion": "7"}, "spec": {},
            });
            let (status, body) = if request.method() == "GET" { (404, absent) } else { (200, lease) };
            let body = Full::from(body.to_string());
            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    });
    let mut leading = Campaign::start(over(service, "x"), settings("x", "mes-0"), Arc::new(SystemClock));
    let mut handle = leading.handle();
    assert!(handle.leads().await && handle.allows_a_call(Duration::from_secs(10)));
    silent.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(8)).await;
    // The last renewal is eight to ten seconds old: a call of ten seconds could outlive the lease, a short one not.
    assert!(handle.is_leader() && handle.allows_a_call(Duration::from_secs(2)));
    assert!(!handle.allows_a_call(Duration::from_secs(10)));
    assert_eq!(tokio::time::timeout(Duration::from_secs(4), leading.ended()).await, Ok(End::Lost));
    assert!(!handle.is_leader());
}

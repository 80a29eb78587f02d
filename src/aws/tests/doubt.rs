//! What a call that failed says, and what it never says: a failed read is never absence.

use super::*;

#[tokio::test]
async fn a_lost_reply_is_of_unknown_fate_and_is_not_repeated() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    world.strike("PutSecretValue", Fate::DropReply);
    let fault = secret.put_first(&version(1), &value("one")).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unknown);
    assert!(!fault.surely_nothing_happened());
    assert_eq!(world.calls_of("PutSecretValue"), 1);
    assert_eq!(described(&secret).await.current(), Some(&version(1)));
}

#[tokio::test]
async fn a_failed_read_is_never_absence() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    let server = || Fate::Error { code: "InternalServiceError".to_owned(), status: None, message: String::new() };
    let denied = || Fate::Error { code: "AccessDeniedException".to_owned(), status: None, message: String::new() };
    for (fate, kind) in [
        (Fate::Throttle, FaultKind::Throttled),
        (server(), FaultKind::Unknown),
        (denied(), FaultKind::Denied),
        (Fate::Html { status: None }, FaultKind::Unknown),
        (Fate::Html { status: Some(502) }, FaultKind::Unknown),
        (Fate::Close, FaultKind::Unknown),
        (Fate::Status { status: 503, retry_after: None }, FaultKind::Unknown),
    ] {
        world.strike("DescribeSecret", fate.clone());
        assert_eq!(kind_and_code(secret.describe().await).0, kind, "{fate:?}");
        world.strike("GetSecretValue", fate.clone());
        assert_eq!(kind_and_code(secret.read(&version(1)).await).0, kind, "{fate:?}");
    }
    assert!(described(&secret).await.current().is_some());
}

#[tokio::test]
async fn a_call_is_over_in_its_time_and_one_that_was_not_sent_is_told_as_such() {
    let world = world_within(Duration::from_millis(300)).await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    world.strike("DescribeSecret", Fate::Silence);
    let began = std::time::Instant::now();
    assert_eq!(kind_and_code(secret.describe().await), (FaultKind::Unknown, "Timeout".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(3));

    // A role that is not given in time: the call that it was for was not sent.
    world.strike("AssumeRole", Fate::Silence);
    let assumed = world.secret(|remote| remote.access.role = Some(RoleArn::parse(ROLE).unwrap()));
    let fault = assumed.put_pending(&version(1), &value("x")).await.unwrap_err();
    assert_eq!((fault.place, fault.kind), (Place::Sts, FaultKind::Unsent));
    assert_eq!(world.calls_of("PutSecretValue"), 0);

    // Nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = world.secret(|remote| remote.access.endpoint = Some(format!("http://{free}")));
    let fault = nowhere.create().await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "Unreachable"));
}

#[tokio::test]
async fn a_host_that_takes_no_connection_and_one_that_nobody_vouches_for_get_nothing() {
    let world = world().await;
    // Its queue is full, so that the system drops what knocks.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap().into_std().unwrap();
    let address = full.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test knocks at its own server on loopback")]
    let knock = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100));
    let _waiting: Vec<_> = std::iter::repeat_with(knock).map_while(Result::ok).collect();
    let deaf = world.secret(|remote| remote.access.endpoint = Some(format!("http://{address}")));
    assert_eq!(kind_and_code(deaf.create().await), (FaultKind::Unsent, "Unreachable".to_owned()));

    // The partners' door speaks TLS by a CA that the system does not know.
    let strange = format!("https://{}", world.served.partners_addr());
    let strange = world.secret(|remote| remote.access.endpoint = Some(strange));
    assert_eq!(kind_and_code(strange.create().await), (FaultKind::Unsent, "Unreachable".to_owned()));
}

#[tokio::test]
async fn one_unreachable_region_hides_no_other() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    for away in [AWAY, "us-east-1"] {
        secret.replicate(&region(away), None).await.unwrap();
    }
    described(&secret).await;
    world.turn(|knobs| {
        knobs.unreachable_regions.insert(AWAY.to_owned(), Unreachable::Unavailable);
    });
    assert_eq!(kind_and_code(secret.replica(&region(AWAY)).await).0, FaultKind::Unknown);
    assert_eq!(secret.replica(&region("us-east-1")).await, Ok(Some(Replica { current: Some(version(1)) })));
}

//! Who asks: roles, their sessions, and static keys that are exchanged (T35).

use super::*;

#[tokio::test]
async fn t35_a_role_is_assumed_once_a_namespace_with_external_id_name_and_tags() {
    let world = world().await;
    let role = |remote: &mut RemoteSecret| remote.access.role = Some(RoleArn::parse(ROLE).unwrap());
    world.turn(|knobs| {
        knobs.role_external_ids.insert(ROLE.to_owned(), CLUSTER.to_owned());
    });
    let secret = world.secret(role);
    let elsewhere = region(AWAY);
    let (first, second, away) = tokio::join!(secret.describe(), secret.read_current(), secret.replica(&elsewhere));
    assert!(first.unwrap().is_none() && second.unwrap().is_none() && away.unwrap().is_none());
    world.secret(role).create().await.unwrap();
    assert_eq!(world.calls_of("AssumeRole"), 1);
    let callers: BTreeSet<String> = world
        .calls()
        .into_iter()
        .filter(|(operation, _)| operation != "AssumeRole")
        .map(|(_, caller)| caller)
        .collect();
    assert_eq!(callers, BTreeSet::from(["arn:aws:sts::123456789012:assumed-role/mes-store/mes-pay".to_owned()]));

    let other = world.secret(|remote| {
        role(remote);
        remote.claim.namespace = Namespace::parse("n".repeat(63)).unwrap();
    });
    other.describe().await.unwrap();
    assert_eq!(world.calls_of("AssumeRole"), 2);
    let key = secret.session.credentials().await.unwrap();
    let tags = world.served.with(|sandbox| sandbox.session_tags(key.access_key_id()).unwrap().to_vec());
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(tags, [pair("mes-cluster", CLUSTER), pair("mes-namespace", "pay")]);
}

/// A clock that a test moves on.
#[derive(Debug, Clone, Default)]
struct Shifted(Arc<AtomicUsize>);

impl aws_smithy_async::time::TimeSource for Shifted {
    fn now(&self) -> std::time::SystemTime {
        std::time::SystemTime::now() + Duration::from_secs(self.0.load(Ordering::SeqCst) as u64)
    }
}

#[tokio::test]
async fn a_session_is_renewed_before_it_ends_and_after_aws_has_ended_it() {
    let (shifted, plain) = (Shifted::default(), world().await);
    let transport = Transport {
        time: aws_smithy_async::time::SharedTimeSource::new(shifted.clone()),
        ..plain.aws.0.transport.clone()
    };
    let door = &plain.aws.0;
    let (home, counted) = (door.home.clone(), door.counted.clone());
    let aws = Aws::new(transport, plain.keys.clone(), home, counted, Duration::from_secs(10), key(1));
    let world = World { aws, ..plain };
    let secret = || world.secret(|remote| remote.access.role = Some(RoleArn::parse(ROLE).unwrap()));
    for (seconds, assumed) in [(0, 1), (3200, 1), (3400, 2), (3500, 2)] {
        shifted.0.store(seconds, Ordering::SeqCst);
        secret().describe().await.unwrap();
        assert_eq!(world.calls_of("AssumeRole"), assumed, "after {seconds} s");
    }
    world.served.with(|sandbox| sandbox.advance(jiff::SignedDuration::from_hours(2)));
    // Nobody above hears of it: one more call, with a new session.
    secret().describe().await.unwrap();
    assert_eq!(world.calls_of("AssumeRole"), 3);
    // A session that is over again at once is no news twice.
    let ended = || Fate::Error { code: "ExpiredTokenException".to_owned(), status: Some(400), message: String::new() };
    let described = world.calls_of("DescribeSecret");
    world.strike("DescribeSecret", ended());
    world.strike("DescribeSecret", ended());
    let told = (FaultKind::Denied, "ExpiredTokenException".to_owned());
    assert_eq!(kind_and_code(secret().describe().await), told);
    assert_eq!(world.calls_of("DescribeSecret") - described, 2);
}

#[tokio::test]
async fn a_session_that_aws_has_ended_is_renewed_also_after_it_asked_whose_it_is() {
    let world = world().await;
    let secret = world.secret(|remote| {
        remote.access.role = Some(RoleArn::parse(ROLE).unwrap());
        // Where the store declares none, the session is asked before the first secret is made.
        remote.account = None;
    });
    secret.describe().await.unwrap();
    world.served.with(|sandbox| sandbox.advance(jiff::SignedDuration::from_hours(2)));
    secret.create().await.unwrap();
    assert_eq!(world.calls_of("AssumeRole"), 2);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_a_fault_of_sts_and_nothing_is_sent() {
    let world = world().await;
    world.turn(|knobs| knobs.refused_roles.push(ROLE.to_owned()));
    let secret = world.secret(|remote| remote.access.role = Some(RoleArn::parse(ROLE).unwrap()));
    let fault = secret.create().await.unwrap_err();
    assert_eq!((fault.place, fault.kind, fault.code.as_str()), (Place::Sts, FaultKind::Denied, "AccessDenied"));
    world.turn(|knobs| knobs.refused_roles.clear());
    for fate in [Fate::DropReply, Fate::Html { status: None }, Fate::Status { status: 503, retry_after: None }] {
        world.strike("AssumeRole", fate.clone());
        let fault = secret.create().await.unwrap_err();
        assert_eq!((fault.place, fault.kind), (Place::Sts, FaultKind::Unsent), "{fate:?}");
    }
    assert_eq!(world.calls_of("CreateSecret"), 0);
}

#[tokio::test]
async fn exchanged_static_keys_are_read_again_once_aws_refuses_the_old_ones() {
    let world = world().await;
    let keyed = |name: &str| {
        let name = ObjectName::parse(name).unwrap();
        world.secret(|remote| remote.access.keys = Some(name))
    };
    keyed("keys").create().await.unwrap();
    keyed("keys").describe().await.unwrap();
    assert_eq!(world.keys.read.load(Ordering::SeqCst), 1);
    world.turn(|knobs| knobs.refused_access_keys.push("AKIASTATIC0".to_owned()));
    assert_eq!(kind_and_code(keyed("keys").describe().await).0, FaultKind::Denied);
    assert!(keyed("keys").describe().await.unwrap().is_some());
    assert!(world.calls().iter().any(|(_, caller)| caller.ends_with("AKIASTATIC1")));
    let fault = keyed("missing").describe().await.unwrap_err();
    assert_eq!((fault.place, fault.kind, fault.code.as_str()), (Place::Cluster, FaultKind::Denied, "KeysMissing"));
}

#[tokio::test]
async fn a_stores_identity_says_what_is_wrong_with_it() {
    let world = world().await;
    assert_eq!(world.aws.identity(&world.store(|_| ())).await.unwrap().as_str(), "123456789012");
    world.turn(|knobs| knobs.refused_access_keys.push("AKIAPOD".to_owned()));
    let fault = world.aws.identity(&world.store(|_| ())).await.unwrap_err();
    assert_eq!((fault.place, fault.kind), (Place::Sts, FaultKind::Denied));
    let missing = world.store(|access| access.keys = Some(ObjectName::parse("missing").unwrap()));
    assert_eq!(kind_and_code(world.aws.identity(&missing).await).1, "KeysMissing");
}

//! The adapter against the sandbox's Secrets Manager and STS, over HTTP with the real wire protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use mes_core::facts::{self, Ownership, Replica, ReplicationState};
use mes_core::names::{
    AccountId, KmsKey, Namespace, ObjectName, PartnerTypeName, RoleArn, SecretName, Stage, Uid, VersionId,
};
use mes_core::secret::{Sensitive, Value};
use mes_core::spec::{Access, Claim, Delegation};
use sandbox::{Fate, Served, Unreachable};

use super::*;

const HOME: &str = "eu-west-1";
const AWAY: &str = "eu-central-1";
const CLUSTER: &str = "3b0f2f0e-0000-4000-8000-000000000001";
const ROLE: &str = "arn:aws:iam::123456789012:role/mes-store";
const CANARY: &str = "canary-7f3d9b";

struct World {
    served: Served,
    aws: Aws,
    counts: Arc<Mutex<Vec<String>>>,
    keys: Arc<Keys>,
}

/// Static keys in a Secret, whose access key is exchanged at each reading after the first.
#[derive(Default)]
struct Keys {
    read: AtomicUsize,
}

#[async_trait]
impl KeySource for Keys {
    async fn keys(&self, secret: &ObjectName) -> Result<Option<StaticKeys>, Fault> {
        let n = self.read.fetch_add(1, Ordering::SeqCst);
        Ok((secret.as_str() == "keys").then(|| StaticKeys {
            access_key_id: format!("AKIASTATIC{n}"),
            secret_access_key: Sensitive::new("static".to_owned()),
            session_token: None,
        }))
    }
}

fn key(byte: u8) -> Seal {
    Seal::with(&[byte; Seal::KEY]).unwrap()
}

async fn world() -> World {
    world_within(Duration::from_secs(10)).await
}

async fn world_within(limit: Duration) -> World {
    let served = sandbox::serve(sandbox::Options { seed: Some(1), ..Default::default() }).await.unwrap();
    served.with(|sandbox| sandbox.turn(jiff::Timestamp::now(), |knobs| knobs.replication_lag_ms = 0));
    let counts = Arc::new(Mutex::new(Vec::new()));
    let counted: Counted = {
        let counts = counts.clone();
        Arc::new(move |verb, region, code| counts.lock().unwrap().push(format!("{verb} {region} {code}")))
    };
    let pod = Credentials::new("AKIAPOD", "secret", None, None, "test");
    let transport = Transport { ambient: SharedCredentialsProvider::new(pod), ..Transport::real() };
    let keys = Arc::new(Keys::default());
    let home = Namespace::parse("mes-system").unwrap();
    let aws = Aws::new(transport, keys.clone(), home, counted, limit, key(1));
    World { served, aws, counts, keys }
}

impl World {
    fn remote(&self) -> RemoteSecret {
        RemoteSecret {
            store: ObjectName::parse("default").unwrap(),
            access: Access {
                endpoint: Some(self.served.url()),
                keys: None,
                role: None,
                external_id: CLUSTER.to_owned(),
            },
            account: Some(AccountId::parse("123456789012").unwrap()),
            primary: region(HOME),
            name: SecretName::parse("mes/pay/crm").unwrap(),
            kms_key: None,
            claim: Claim {
                owner: "mes/pay/crm".to_owned(),
                cluster: uid(CLUSTER),
                namespace: Namespace::parse("pay").unwrap(),
                namespace_uid: uid("namespace-1"),
                uid: uid("resource-1"),
            },
            tags: BTreeMap::from([("team".to_owned(), "pay".to_owned())]),
            take_over: BTreeSet::new(),
            read_only: false,
        }
    }

    fn secret(&self, change: impl FnOnce(&mut RemoteSecret)) -> StoreSecret {
        let mut remote = self.remote();
        change(&mut remote);
        self.aws.secret(&Granted::assume(remote))
    }

    fn store(&self, change: impl FnOnce(&mut Access)) -> StoreAt {
        let mut access = self.remote().access;
        change(&mut access);
        StoreAt::new(access, region(HOME), uid(CLUSTER))
    }

    fn turn(&self, set: impl FnOnce(&mut sandbox::Knobs)) {
        self.served.with(|sandbox| sandbox.turn(jiff::Timestamp::now(), set));
    }

    fn strike(&self, operation: &str, fate: Fate) {
        let fault = sandbox::Fault {
            door: None,
            operation: Some(operation.to_owned()),
            region: None,
            caller: None,
            resource: None,
            skip: 0,
            count: Some(1),
            effect: false,
            fate,
        };
        self.served.with(|sandbox| sandbox.plant(fault));
    }

    /// The calls that the sandbox saw, `operation caller`.
    fn calls(&self) -> Vec<(String, String)> {
        self.served.with(|sandbox| sandbox.log(0)).into_iter().map(|entry| (entry.operation, entry.caller)).collect()
    }

    fn calls_of(&self, operation: &str) -> usize {
        self.calls().iter().filter(|(each, _)| each == operation).count()
    }
}

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn version(n: u16) -> VersionId {
    VersionId::of(&uid("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11"), n)
}

fn value(password: &str) -> Value {
    let field = |name: &str, text: &str| (name.to_owned(), Sensitive::new(text.to_owned()));
    [field("username", "app"), field("password", password)].into_iter().collect()
}

fn password(value: &Value) -> &str {
    value.get("password").unwrap().expose()
}

async fn described(secret: &StoreSecret) -> facts::StoreSecret {
    secret.describe().await.unwrap().unwrap()
}

fn kind_and_code<T>(answer: Result<T, Fault>) -> (FaultKind, String) {
    let fault = answer.err().expect("a fault");
    (fault.kind, fault.code.as_str().to_owned())
}

#[tokio::test]
async fn a_secret_is_made_filled_promoted_replicated_and_deleted() {
    let world = world().await;
    let secret = world.secret(|_| ());
    assert_eq!(secret.describe().await, Ok(None));

    secret.create().await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.ownership, Ownership::Ours);
    assert!(seen.versions.is_empty() && seen.rotation.is_none() && seen.replica_of.is_none());
    assert!(secret.read_current().await.unwrap().is_none());

    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.put_pending(&version(2), &value("two")).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.current(), Some(&version(1)));
    assert_eq!(seen.labelled(Stage::PENDING), Some(&version(2)));
    assert_eq!(password(&secret.read(&version(2)).await.unwrap().unwrap()), "two");
    assert!(secret.read(&version(3)).await.unwrap().is_none());

    secret.promote(&version(2), Some(&version(1))).await.unwrap();
    secret.discard_pending(&version(2)).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.current(), Some(&version(2)));
    assert_eq!(seen.labelled(Stage::PREVIOUS), Some(&version(1)));
    assert_eq!(seen.labelled(Stage::PENDING), None);
    let (told, current) = secret.read_current().await.unwrap().unwrap();
    assert_eq!((told, password(&current)), (version(2), "two"));

    let key = KmsKey::parse("alias/away").unwrap();
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(None));
    secret.replicate(&region(AWAY), Some(&key)).await.unwrap();
    // The copy is made by the next call that finds it due.
    let seen = described(&secret).await;
    assert_eq!(seen.replication[&region(AWAY)].state, ReplicationState::InSync);
    assert_eq!(seen.replication[&region(AWAY)].kms_key.as_deref(), Some("alias/away"));
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(Some(Replica { current: Some(version(2)) })));

    assert_eq!(kind_and_code(secret.delete(30).await), (FaultKind::WrongState, "HasReplicas".to_owned()));
    secret.remove_replica(&region(AWAY)).await.unwrap();
    secret.delete(7).await.unwrap();
    assert!(described(&secret).await.scheduled_for_deletion);
    let refused = (FaultKind::WrongState, "ScheduledForDeletion".to_owned());
    assert_eq!(kind_and_code(secret.read(&version(2)).await), refused);
    assert_eq!(kind_and_code(secret.put_pending(&version(3), &value("x")).await), refused);
    assert_eq!(kind_and_code(secret.create().await), refused);
}

#[tokio::test]
async fn a_promotion_from_a_version_that_is_not_current_moves_nothing() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.put_pending(&version(2), &value("two")).await.unwrap();
    for from in [None, Some(version(2))] {
        let (kind, _) = kind_and_code(secret.promote(&version(2), from.as_ref()).await);
        assert_eq!(kind, FaultKind::Conflict);
    }
    secret.promote(&version(2), Some(&version(1))).await.unwrap();
    assert_eq!(kind_and_code(secret.promote(&version(2), Some(&version(1))).await).0, FaultKind::Conflict);
    assert_eq!(described(&secret).await.current(), Some(&version(2)));
}

#[tokio::test]
async fn the_same_bytes_again_are_a_success_and_other_bytes_are_refused() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    assert_eq!(kind_and_code(secret.create().await).0, FaultKind::Exists);
    secret.put_first(&version(1), &value("one")).await.unwrap();
    for _ in 0..2 {
        secret.put_pending(&version(2), &value("two")).await.unwrap();
    }
    assert_eq!(kind_and_code(secret.put_pending(&version(2), &value("other")).await).0, FaultKind::Exists);
    assert_eq!(password(&secret.read(&version(2)).await.unwrap().unwrap()), "two");
}

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

#[tokio::test]
async fn t55_a_strangers_secret_of_our_name_in_another_region_is_no_replica() {
    let world = world().await;
    let stranger = world.secret(|remote| remote.primary = region(AWAY));
    stranger.create().await.unwrap();
    stranger.put_first(&version(7), &value("strange")).await.unwrap();
    let secret = world.secret(|_| ());
    // Before a Describe it is met by name, afterwards by ARN.
    secret.create().await.unwrap();
    assert_eq!(world.secret(|_| ()).replica(&region(AWAY)).await, Ok(None));
    described(&secret).await;
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(None));
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.replicate(&region(AWAY), None).await.unwrap();
    let replication = &described(&secret).await.replication[&region(AWAY)];
    assert_eq!((replication.state, replication.name_taken), (ReplicationState::Failed, true));
    assert_eq!(password(&stranger.read_current().await.unwrap().unwrap().1), "strange");
}

#[tokio::test]
async fn t02_what_was_decided_upon_one_secret_never_meets_another_of_its_name() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    described(&secret).await;
    // Deleted, and after its window made anew by somebody.
    secret.delete(7).await.unwrap();
    world.served.with(|sandbox| sandbox.advance(jiff::SignedDuration::from_hours(24 * 40)));
    let anew = world.secret(|remote| remote.claim.uid = uid("resource-2"));
    anew.create().await.unwrap();
    assert_eq!(kind_and_code(secret.put_first(&version(1), &value("one")).await).0, FaultKind::NotFound);
    assert!(described(&anew).await.versions.is_empty());
    // A fresh Describe sees what is there now.
    assert_eq!(described(&secret).await.ownership, Ownership::OursBefore(Some(uid("resource-2"))));
}

#[tokio::test]
async fn an_answer_about_another_secret_is_never_ours() {
    let world = world().await;
    let secret = world.secret(|_| ());
    let told = |arn: &str| secret.ours(&region(HOME), Some(arn), FaultKind::Denied).is_ok();
    let ours = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-AbC123";
    assert!(told(ours));
    for other in [
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mes/pay/crm-AbC123",
        "arn:aws:secretsmanager:eu-west-1:210987654321:secret:mes/pay/crm-AbC123",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-2-AbC123",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/cr-AbC123",
        "arn:aws:ssm:eu-west-1:123456789012:secret:mes/pay/crm-AbC123",
        "",
    ] {
        assert!(!told(other), "{other}");
    }
    assert!(secret.ours(&region(HOME), None, FaultKind::Denied).is_err());
    // Once it is described, another suffix is another secret.
    secret.know(Some(Arn::parse(ours).unwrap()));
    assert!(told(ours) && !told(&ours.replace("AbC123", "XyZ789")));
}

#[tokio::test]
async fn a_secret_of_another_account_is_not_taken_for_ours() {
    let world = world().await;
    world.secret(|_| ()).create().await.unwrap();
    let other = |remote: &mut RemoteSecret| remote.account = Some(AccountId::parse("999999999999").unwrap());
    let wrong = world.secret(other);
    assert_eq!(kind_and_code(wrong.describe().await), (FaultKind::Denied, "WrongAccount".to_owned()));
    let made = world.secret(|remote| {
        other(remote);
        remote.name = SecretName::parse("mes/pay/other").unwrap();
    });
    let fault = made.create().await.unwrap_err();
    assert!(!fault.surely_nothing_happened(), "it was made, in the wrong account");
}

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
async fn an_observed_secret_is_read_from_a_replica_and_never_written() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.replicate(&region(AWAY), None).await.unwrap();
    described(&secret).await;
    let observed = world.secret(|remote| {
        remote.primary = region(AWAY);
        remote.read_only = true;
    });
    assert_eq!(described(&observed).await.replica_of, Some(region(HOME)));
    assert_eq!(password(&observed.read(&version(1)).await.unwrap().unwrap()), "one");
    let before = world.calls().len();
    let refused = (FaultKind::Undeclared, "ReadOnly".to_owned());
    assert_eq!(kind_and_code(observed.create().await), refused);
    assert_eq!(kind_and_code(observed.claim().await), refused);
    assert_eq!(kind_and_code(observed.put_pending(&version(2), &value("x")).await), refused);
    assert_eq!(kind_and_code(observed.promote(&version(2), None).await), refused);
    assert_eq!(kind_and_code(observed.delete(30).await), refused);
    assert_eq!(world.calls().len(), before);
    // Where a replica is not only observed, AWS refuses by itself.
    let replica = world.secret(|remote| remote.primary = region(AWAY));
    let refused = kind_and_code(replica.put_pending(&version(2), &value("x")).await);
    assert_eq!(refused, (FaultKind::WrongState, "ReplicaSecret".to_owned()));
}

#[tokio::test]
async fn plain_text_is_a_field_where_it_is_observed_and_unusable_where_it_is_ours() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    let client = secret.session.client(&region(HOME)).await.unwrap();
    let put = client.put_secret_value().secret_id("mes/pay/crm").secret_string(CANARY);
    put.client_request_token(version(1).as_str()).send().await.map_err(drop).unwrap();
    assert_eq!(kind_and_code(secret.read_current().await), (FaultKind::Rejected, "NotAnObject".to_owned()));
    let observed = world.secret(|remote| remote.read_only = true);
    let (_, value) = observed.read_current().await.unwrap().unwrap();
    assert_eq!(value.get("value").unwrap().expose(), CANARY);
    let admin = world.aws.admin(&Granted::assume(Admin::StoreSecret(world.remote().into()))).unwrap();
    assert!(admin.read_current().await.unwrap().is_some());
}

#[tokio::test]
async fn a_secret_that_others_made_is_claimed_with_nothing_else_changed() {
    let world = world().await;
    let secret = world.secret(|_| ());
    let client = secret.session.client(&region(HOME)).await.unwrap();
    let theirs = aws_sdk_secretsmanager::types::Tag::builder().key("made-by").value("terraform").build();
    client.create_secret().name("mes/pay/crm").tags(theirs).send().await.map_err(drop).unwrap();
    assert_eq!(described(&secret).await.ownership, Ownership::Nobodys);
    secret.claim().await.unwrap();
    assert_eq!(described(&secret).await.ownership, Ownership::Ours);
    let answer = client.describe_secret().secret_id("mes/pay/crm").send().await.map_err(drop).unwrap();
    let keys: Vec<&str> = answer.tags().iter().filter_map(|tag| tag.key()).collect();
    assert!(
        keys.contains(&"made-by")
            && !keys.contains(&"team")
            && keys.contains(&"managed-secrets.io/seal")
            && keys.len() == 7,
        "{keys:?}"
    );
    let stranger = world.secret(|remote| remote.claim.cluster = uid("another-cluster"));
    assert_eq!(described(&stranger).await.ownership, Ownership::Anothers);
}

#[tokio::test]
async fn awss_own_rotation_is_declared_and_described() {
    let world = world().await;
    world.turn(|knobs| knobs.rotation_lag_ms = 0);
    let secret = world.secret(|_| ());
    let bigid: Value = ["hostname", "refreshToken"]
        .map(|name| (name.to_owned(), Sensitive::new(format!("{name}.example.com"))))
        .into_iter()
        .collect();
    let partner_type = PartnerTypeName::parse("BigIDClientSecret").unwrap();
    secret.create_managed(&version(0), &bigid, &partner_type).await.unwrap();
    let delegation = Delegation {
        partner_type,
        metadata: BTreeMap::new(),
        role: RoleArn::parse("arn:aws:iam::123456789012:role/mes-rotation").unwrap(),
        schedule: Some("rate(10 days)".to_owned()),
        window: Some("4h".to_owned()),
        immediately: true,
    };
    secret.delegate(&delegation, true).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.secret_type.as_deref(), Some("BigIDClientSecret"));
    let rotation = seen.rotation.clone().unwrap();
    assert!(rotation.enabled && !rotation.lambda);
    assert_eq!(rotation.schedule, delegation.schedule);
    assert_eq!(rotation.window, delegation.window);
    assert_eq!(rotation.role.as_deref(), Some(delegation.role.as_str()));
    assert_ne!(seen.current(), Some(&version(0)), "AWS has rotated at once");
    // AWS refuses manual writes to such a secret; we must be told, not believe.
    assert!(secret.put_pending(&version(1), &bigid).await.is_err());
}

#[tokio::test]
async fn a_sweep_finds_what_is_claimed_and_what_is_named_page_by_page() {
    let world = world().await;
    let named = |n: usize| SecretName::parse(format!("mes/pay/{n}")).unwrap();
    for n in 0..120 {
        world.secret(|remote| remote.name = named(n)).create().await.unwrap();
    }
    world.secret(|remote| remote.name = named(119)).delete(7).await.unwrap();
    world.secret(|remote| remote.name = named(0)).put_first(&version(1), &value("one")).await.unwrap();
    for n in 120..123 {
        let other = |remote: &mut RemoteSecret| {
            remote.name = named(n);
            remote.claim.cluster = uid("another-cluster");
        };
        world.secret(other).create().await.unwrap();
    }
    let lines = world.aws.sweep(&world.store(|_| ()), &BTreeSet::from([named(121)])).await.unwrap();
    assert_eq!(lines.len(), 121);
    assert_eq!(lines[&named(0)].current, Some(version(1)));
    assert!(lines[&named(0)].changed.is_some());
    assert!(lines[&named(119)].scheduled_for_deletion);
    assert!(lines.contains_key(&named(121)) && !lines.contains_key(&named(120)));
    assert_eq!(world.calls_of("ListSecrets"), 3);

    let denied = Fate::Error { code: "AccessDeniedException".to_owned(), status: None, message: String::new() };
    world.strike("ListSecrets", denied);
    let swept = world.aws.sweep(&world.store(|_| ()), &BTreeSet::new()).await;
    assert_eq!(kind_and_code(swept).0, FaultKind::Denied);
}

#[tokio::test]
async fn a_sweep_lists_as_the_pod_in_its_own_account_and_as_the_role_in_another() {
    let world = world().await;
    for (account, lister) in [
        ("123456789012", "arn:aws:iam::123456789012:user/AKIAPOD"),
        ("210987654321", "arn:aws:sts::210987654321:assumed-role/mes-store/mes-_sweep"),
    ] {
        let role = RoleArn::parse(format!("arn:aws:iam::{account}:role/mes-store")).unwrap();
        let store = world.store(|access| access.role = Some(role));
        world.aws.sweep(&store, &BTreeSet::new()).await.unwrap();
        let (_, caller) = world.calls().into_iter().rfind(|(operation, _)| operation == "ListSecrets").unwrap();
        assert_eq!(caller, lister);
        assert_eq!(world.aws.identity(&store).await.unwrap().as_str(), account);
    }
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

#[tokio::test]
async fn every_call_is_counted_once_by_operation_region_and_code() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.describe().await.unwrap();
    world.strike("CreateSecret", Fate::Throttle);
    secret.create().await.unwrap_err();
    secret.create().await.unwrap();
    let counts = world.counts.lock().unwrap().clone();
    let expected = [
        "DescribeSecret eu-west-1 ResourceNotFoundException",
        "CreateSecret eu-west-1 ThrottlingException",
        "CreateSecret eu-west-1 OK",
    ];
    assert_eq!(counts, expected);
    assert_eq!(world.calls().len(), 3, "the SDK repeats nothing");
}

/// Writes of a subscriber, kept.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_is_in_a_log_of_ours_or_in_a_fault() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("managed_external_secrets=trace")
        .with_writer(move || writer.clone())
        .finish();
    let world = world().await;
    // A callsite that is first met on another test's thread, where nobody listens, is never asked again if there is
    // one subscriber alone; with a second one, every subscriber is asked.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value(CANARY)).await.unwrap();
    let mut faults = vec![secret.put_first(&version(1), &value(&format!("{CANARY}-2"))).await.unwrap_err()];
    let said = format!("refused: {CANARY}");
    for code in ["InvalidRequestException", "AccessDeniedException", "not a code"] {
        world.strike("GetSecretValue", Fate::Error { code: code.to_owned(), status: None, message: said.clone() });
        faults.push(secret.read(&version(1)).await.unwrap_err());
    }
    drop(guard);
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("PutSecretValue") && log.contains("GetSecretValue"), "{log}");
    assert!(!format!("{faults:?}").contains(CANARY));
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn the_futures_may_move_between_threads() {
    fn moves<T: Send>(_: T) {}
    fn check(secret: &StoreSecret, aws: &Aws, store: &StoreAt, delegation: &Delegation) {
        moves(secret.describe());
        moves(secret.replica(&secret.secret.primary));
        moves(secret.read_current());
        moves(secret.create());
        moves(secret.delegate(delegation, true));
        moves(aws.identity(store));
        let named = BTreeSet::new();
        moves(aws.sweep(store, &named));
    }
    let _ = check;
}

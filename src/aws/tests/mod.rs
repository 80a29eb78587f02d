//! The adapter against the sandbox's Secrets Manager and STS, over HTTP with the real wire protocol.

mod doubt;
mod identity;
mod lives;
mod sessions;
mod sweep;
mod told;

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
        let fault =
            sandbox::Fault { operation: Some(operation.to_owned()), count: Some(1), ..sandbox::Fault::of(fate) };
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

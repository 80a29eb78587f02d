//! One client a region and session, all on the same connections; and the sessions that are alive.
//!
//! Invariant: a client never outlives the credentials that it was made with. Called by [`super::Aws`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::Client;
use mes_core::names::{Namespace, Region, Uid};
use mes_core::spec::Access;

use super::Counted;
use super::credentials::{KeySource, Role, Session, Source};
use super::transport::Transport;

/// What every request names itself with (`app/…` of its user agent), to be found in CloudTrail.
const APP: &str = "managed-external-secrets";
/// The session tag `mes-namespace` of what is done for a whole store. No namespace has this name.
const SWEEP: &str = "_sweep";

/// For whom a session of an assumed role is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum For {
    /// A namespace of this cluster.
    Namespace(Uid, Namespace),
    /// The store as a whole.
    Store(Uid),
}

/// The sessions that are alive.
pub(super) struct Sessions {
    transport: Transport,
    keys: Arc<dyn KeySource>,
    counted: Counted,
    alive: Mutex<BTreeMap<Key, Arc<Session>>>,
}

/// Endpoint, keys and role, the region in which STS is asked, and for whom (`None`: the identity below a role).
type Key = (Access, Region, Option<For>);

impl Sessions {
    pub(super) fn new(transport: Transport, keys: Arc<dyn KeySource>, counted: Counted) -> Self {
        Self { transport, keys, counted, alive: Mutex::default() }
    }

    /// The session in which a store is reached for somebody. Makes no call.
    pub(super) fn of(&self, access: &Access, home: &Region, whom: For) -> Arc<Session> {
        let base = self.base(access, home);
        let Some(arn) = &access.role else { return base };
        self.alive((access.clone(), home.clone(), Some(whom.clone())), || {
            let (cluster, namespace) = match whom {
                For::Namespace(cluster, namespace) => (cluster, namespace.as_str().to_owned()),
                For::Store(cluster) => (cluster, SWEEP.to_owned()),
            };
            Source::Role(Role { base, arn: arn.clone(), external_id: access.external_id.clone(), cluster, namespace })
        })
    }

    /// The session below a store's role: the pod's own identity, or static keys.
    pub(super) fn base(&self, access: &Access, home: &Region) -> Arc<Session> {
        let below = Access { role: None, external_id: String::new(), ..access.clone() };
        self.alive((below, home.clone(), None), || match &access.keys {
            Some(secret) => Source::Keys(secret.clone(), self.keys.clone()),
            None => Source::Ambient,
        })
    }

    fn alive(&self, key: Key, source: impl FnOnce() -> Source) -> Arc<Session> {
        // A poisoned lock holds a map that is whole: nothing between its changes panics.
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = alive.get(&key) {
            return session.clone();
        }
        // Namespaces come and go; what only this map still knows, and holds nothing that lives, goes.
        alive.retain(|_, session| Arc::strong_count(session) > 1 || !session.is_idle());
        let (transport, counted) = (self.transport.clone(), self.counted.clone());
        let session = Session::new(transport, counted, key.0.endpoint.clone(), key.1.clone(), source());
        alive.entry(key).or_insert(Arc::new(session)).clone()
    }
}

/// The clients of one session, a region each.
#[derive(Default)]
pub(super) struct Clients(BTreeMap<Region, Client>);

impl Clients {
    pub(super) fn of(&mut self, region: &Region, config: impl FnOnce() -> SdkConfig) -> Client {
        self.0.entry(region.clone()).or_insert_with(|| Client::new(&config())).clone()
    }
}

/// How a service is spoken to in one region.
pub(super) fn config(
    transport: &Transport,
    endpoint: Option<&str>,
    credentials: &Credentials,
    region: &Region,
) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(transport.http.clone())
        .time_source(transport.time.clone())
        .sleep_impl(transport.sleep.clone())
        .region(aws_config::Region::new(region.as_str().to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
        // Credentials are held by `Session`, which says a fault of STS as such; the SDK's cache would hide it.
        .identity_cache(IdentityCache::no_cache())
        // The core paces tries. The SDK's would repeat a call whose fate is unknown, and overrun its time.
        .retry_config(RetryConfig::disabled())
        // Answers are small and a call is over within seconds anyhow.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(endpoint.map(str::to_owned));
    config.set_app_name(AppName::new(APP).ok());
    config.build()
}

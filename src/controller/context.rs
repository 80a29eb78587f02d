//! What every pass of this process shares: doors, caches, memory, settings.

use std::sync::Arc;
use std::time::Duration;

use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use mes_core::facts::Bounds;
use mes_core::names::{Namespace, Uid};
use mes_core::spec::Own;

use super::budget::Budget;
use super::claims::Claims;
use super::memory::Memory;
use super::outside::Outside;
use super::rotations::Rotations;
use super::sweep::Sweeps;
use super::tally::Tally;
use super::watch::Targets;
use crate::api::{ManagedExternalSecret, PartnerAccount, SecretsManagerStore};
use crate::aws::Aws;
use crate::cluster::{Announcer, Home, LeaseHandle};
use crate::partners::Registry;

/// The longest that one call to AWS or a partner may take, all in all.
pub const CALL: Duration = Duration::from_secs(10);

/// Settings of the operator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's own namespace.
    pub home: Namespace,
    /// Bounds that rules count with.
    pub bounds: Bounds,
    /// Between two sweeps of a store.
    pub sweep: Duration,
    /// Between two tries of AWSCURRENT at its partner.
    pub verify: Duration,
    /// Passes at the same time.
    pub concurrency: u16,
    /// Who reports events: the pod's name.
    pub instance: String,
    /// Whether an admission policy checks people's right to `override`: otherwise their Rotations are plain requests.
    pub authority_policy: bool,
    /// Whether a store's `endpoint` may be any URL. Otherwise only AWS's own hosts over https.
    pub any_store_endpoint: bool,
}

/// The caches.
#[derive(Clone)]
pub(super) struct Caches {
    pub(super) resources: Store<ManagedExternalSecret>,
    pub(super) rotations: Arc<Rotations>,
    pub(super) accounts: Store<PartnerAccount>,
    pub(super) stores: Store<SecretsManagerStore>,
    pub(super) namespaces: Store<PartialObjectMeta<k8s_openapi::api::core::v1::Namespace>>,
}

impl Caches {
    /// Whether this very resource is still there.
    pub(super) fn lives(&self, own: &Own) -> bool {
        let cached = self.resources.get(&ObjectRef::new(own.name.as_str()).within(own.namespace.as_str()));
        cached.is_some_and(|mes| mes.metadata.uid.as_deref() == Some(own.uid.as_str()))
    }
}

/// What every pass shares.
pub(super) struct Context {
    pub(super) outside: Outside,
    pub(super) settings: Settings,
    pub(super) cluster: Uid,
    pub(super) aws: Aws,
    pub(super) home: Home,
    pub(super) announcer: Announcer,
    pub(super) registry: Registry,
    pub(super) lease: LeaseHandle,
    pub(super) tally: Arc<dyn Tally>,
    pub(super) caches: Caches,
    pub(super) memory: Memory,
    pub(super) claims: Claims,
    pub(super) budget: Arc<Budget>,
    pub(super) sweeps: Arc<Sweeps>,
    pub(super) targets: Arc<Targets>,
    pub(super) began: tokio::time::Instant,
    /// Whether every cache is whole: before that nothing is decided.
    pub(super) ready: std::sync::atomic::AtomicBool,
}

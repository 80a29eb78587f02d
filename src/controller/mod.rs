//! Runs the decision over all resources. It holds no rule.
//!
//! One controller: a Rotation has none of its own, it is the journal of its resource. What wakes a resource is in
//! `watch`, what it may touch in `reach`, the loop in `reconcile`, bytes in `look` and `perform` alone.

mod claims;
mod context;
mod look;
mod memory;
mod outside;
mod perform;
mod publish;
mod reach;
mod reconcile;
mod subject;
mod sweep;
mod watch;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Namespace as KubernetesNamespace;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{ObjectName, Region, Uid};
use mes_core::secret::Sensitive;
use tokio::sync::mpsc;

pub use context::{CALL, Settings};
pub use outside::Outside;

use crate::api::{ManagedExternalSecret, PartnerAccount, Rotation, SecretsManagerStore};
use crate::aws::{Aws, KeySource, StaticKeys};
use crate::cluster::{Announcer, Home, LeaseHandle};
use crate::partners;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::Readiness;
use context::{Caches, Context};

/// Reads static AWS keys for the AWS room, which never imports the cluster's.
struct Keys(Home);

#[async_trait]
impl KeySource for Keys {
    async fn keys(&self, secret: &ObjectName) -> Result<Option<StaticKeys>, Fault> {
        let Some(value) = self.0.keys(secret).await? else { return Ok(None) };
        let text = |key: &str| value.get(key).map(|text| Sensitive::new(text.expose().to_owned()));
        let id = value.get("accessKeyID").map(|id| id.expose().to_owned());
        Ok(id.zip(text("secretAccessKey")).map(|(access_key_id, secret_access_key)| StaticKeys {
            access_key_id,
            secret_access_key,
            session_token: text("sessionToken"),
        }))
    }
}

/// Runs until `stop`, as leader. The caller waits for the lease, and ends the process when it is lost.
///
/// `cluster` is the UID of namespace `kube-system`. Every call to AWS or a partner begins only while `lease` allows it.
pub async fn run(
    outside: Outside,
    settings: Settings,
    cluster: Uid,
    lease: LeaseHandle,
    metrics: Metrics,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let client = outside.cluster.clone();
    let (wakes, mut woken) = mpsc::unbounded_channel::<ObjectRef<ManagedExternalSecret>>();
    let resources = Controller::new(Api::<ManagedExternalSecret>::all(client.clone()), watcher::Config::default());
    let sweeps = Arc::new(sweep::Sweeps::new(wakes.clone()));
    let targets = Arc::new(watch::Targets::new(client.clone(), wakes.clone(), resources.store()));
    let caches = caches(&client, resources.store(), &wakes, &sweeps);
    let counted = {
        let metrics = metrics.clone();
        Arc::new(move |verb: &'static str, _: &Region, code: &str| {
            metrics.counted(Place::SecretsManager, "", verb, code)
        })
    };
    let home = Home::of(&client, &settings.home);
    let context = Arc::new(Context {
        cluster,
        aws: Aws::new(outside.aws.clone(), Arc::new(Keys(home.clone())), counted, CALL),
        home,
        announcer: Announcer::new(client.clone(), &settings.instance),
        registry: partners::registry(),
        lease,
        metrics,
        memory: memory::Memory::default(),
        claims: claims::Claims::default(),
        began: outside.clock.now(),
        ready: std::sync::atomic::AtomicBool::new(false),
        caches,
        sweeps,
        targets,
        settings,
        outside,
    });
    let following = tokio::spawn(context.targets.clone().follow());
    let concurrency = context.settings.concurrency;
    let starting = context.clone();
    let gate = async move {
        ready(&starting).await;
        readiness.set("caches", true);
        sweep::rounds(starting).await;
    };
    let rounds = tokio::spawn(gate);
    let woken = futures::stream::poll_fn(move |waker| woken.poll_recv(waker));
    let by_rotation = |rotation: Rotation| {
        rotation.namespace().map(|namespace| ObjectRef::new(&rotation.spec.resource_ref.name).within(&namespace))
    };
    let running = resources
        .with_config(Config::default().concurrency(concurrency))
        .watches(Api::<Rotation>::all(client), watcher::Config::default(), by_rotation)
        .reconcile_on(woken)
        .graceful_shutdown_on(stop)
        .run(pass, |mes, fault, context| reconcile::after_fault(&mes, fault, &context), context)
        .for_each(|_| async {});
    running.await;
    rounds.abort();
    following.abort();
}

async fn pass(
    mes: Arc<ManagedExternalSecret>,
    context: Arc<Context>,
) -> Result<kube::runtime::controller::Action, Fault> {
    context.targets.look_again();
    if !context.is_ready() {
        // Before the caches are whole nothing is decided: an account that is not cached yet is not absent.
        return Err(Fault::new(Place::Cluster, FaultKind::Unsent, "CachesNotReady"));
    }
    reconcile::reconcile(mes, context).await
}

impl Context {
    fn is_ready(&self) -> bool {
        self.ready.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// Waits until every cache is whole, and fills the index of who was first.
async fn ready(context: &Context) {
    let caches = &context.caches;
    let whole = |kind: &'static str| move |_| tracing::info!(kind, "cached");
    tokio::join!(
        listed(&caches.resources).map(whole("ManagedExternalSecret")),
        caches.rotations.wait_until_ready().map(whole("Rotation")),
        caches.accounts.wait_until_ready().map(whole("PartnerAccount")),
        caches.stores.wait_until_ready().map(whole("SecretsManagerStore")),
        caches.namespaces.wait_until_ready().map(whole("Namespace")),
    );
    context.targets.look_again();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(30), context.targets.ready()).await;
    for mes in context.caches.resources.state() {
        // A resource whose namespace is not cached yet is indexed by its first pass.
        let _ = subject::Subject::cached(context, &mes);
    }
    context.ready.store(true, std::sync::atomic::Ordering::Release);
    for mes in context.caches.resources.state() {
        context.sweeps.wake_one(&mes);
    }
}

/// A store keeps one waker for all that wait for it, and the controller waits for this one, too: where it asked last, we
/// would never be woken, and never be ready. So we ask again and again.
async fn listed(
    resources: &kube::runtime::reflector::Store<ManagedExternalSecret>,
) -> Result<(), kube::runtime::reflector::store::WriterDropped> {
    let again = std::time::Duration::from_millis(100);
    loop {
        if let Ok(outcome) = tokio::time::timeout(again, resources.wait_until_ready()).await {
            return outcome;
        }
    }
}

fn caches(
    client: &kube::Client,
    resources: kube::runtime::reflector::Store<ManagedExternalSecret>,
    wakes: &watch::Wakes,
    sweeps: &Arc<sweep::Sweeps>,
) -> Caches {
    let wake_where = |which: fn(&ManagedExternalSecret, &str) -> bool| {
        let (resources, wakes, sweeps) = (resources.clone(), wakes.clone(), sweeps.clone());
        move |name: String| {
            sweeps.look_again();
            for mes in resources.state().iter().filter(|mes| which(mes, &name)) {
                let _ = wakes.send(ObjectRef::from_obj(&**mes));
            }
        }
    };
    let of_account = wake_where(|mes, name| {
        mes.spec.partner.iter().filter_map(|partner| partner.account_ref.as_ref()).any(|account| account.name == name)
    });
    let of_store =
        wake_where(|mes, name| mes.spec.store_ref.as_ref().map_or("default", |store| store.name.as_str()) == name);
    let of_namespace = wake_where(|mes, name| mes.metadata.namespace.as_deref() == Some(name));
    Caches {
        rotations: watch::follow(Api::<Rotation>::all(client.clone()), |_| {}),
        accounts: watch::follow(Api::<PartnerAccount>::all(client.clone()), move |account: &PartnerAccount| {
            of_account(account.name_any())
        }),
        stores: watch::follow(Api::<SecretsManagerStore>::all(client.clone()), move |store: &SecretsManagerStore| {
            of_store(store.name_any())
        }),
        namespaces: watch::follow(
            Api::<PartialObjectMeta<KubernetesNamespace>>::all(client.clone()),
            move |namespace: &PartialObjectMeta<KubernetesNamespace>| of_namespace(namespace.name_any()),
        ),
        resources,
    }
}

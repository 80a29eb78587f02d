//! Runs the decision over all resources. It holds no rule.
//!
//! One controller: a Rotation has none of its own, it is the journal of its resource. What wakes a resource is in
//! `watch`, what it may touch in `reach`, the loop in `reconcile`, bytes in `look` and `perform` alone.

mod budget;
mod claims;
mod context;
mod debts;
mod look;
mod memory;
mod outside;
mod pass_clock;
mod perform;
mod publish;
mod reach;
mod reconcile;
mod rotations;
mod subject;
mod sweep;
mod tally;
mod unpaid;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace as KubernetesNamespace;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{ObjectName, Region, Uid};
use mes_core::secret::Sensitive;
use tokio::sync::mpsc;

pub use context::{CALL, Settings};
pub use outside::Outside;
pub use tally::{Line, Tally};

use crate::api::{ManagedExternalSecret, PartnerAccount, Rotation, SecretsManagerStore};
use crate::aws::{Aws, KeySource, StaticKeys};
use crate::cluster::{Announcer, Home, LeaseHandle, client};
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
/// `cluster` is the UID of namespace `kube-system`. Every write, and every call to AWS or a partner, begins only while `lease`
/// allows it.
pub async fn run(
    outside: Outside,
    settings: Settings,
    cluster: Uid,
    lease: LeaseHandle,
    tally: Arc<dyn Tally>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let outside = Outside { cluster: client::led(&outside.cluster, &lease), ..outside };
    let client = outside.cluster.clone();
    let (wakes, mut woken) = mpsc::unbounded_channel::<ObjectRef<ManagedExternalSecret>>();
    let resources = Controller::new(Api::<ManagedExternalSecret>::all(client.clone()), watcher::Config::default());
    let sweeps = Arc::new(sweep::Sweeps::new(wakes.clone()));
    let targets = Arc::new(watch::Targets::new(client.clone(), wakes.clone(), resources.store()));
    let caches = caches(&client, resources.store(), &wakes, &sweeps);
    let counted = {
        let tally = tally.clone();
        Arc::new(move |verb: &'static str, _: &Region, code: &str| tally.called(Place::SecretsManager, verb, code))
    };
    let home = Home::of(&client, &settings.home);
    let context = Arc::new(Context {
        cluster,
        aws: Aws::new(
            outside.aws.clone(),
            Arc::new(Keys(home.clone())),
            settings.home.clone(),
            counted,
            CALL,
            outside.seal.clone(),
        ),
        home,
        announcer: Announcer::new(client.clone(), &settings.instance),
        registry: outside.registry,
        lease,
        tally,
        memory: memory::Memory::default(),
        claims: claims::Claims::default(),
        budget: Arc::default(),
        began: tokio::time::Instant::now(),
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
        starting.tally.ready();
        sweep::rounds(starting).await;
    };
    let rounds = tokio::spawn(gate);
    let burying = tokio::spawn(bury(context.clone()));
    let woken = futures::stream::poll_fn(move |waker| woken.poll_recv(waker));
    let running = resources
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(woken)
        .graceful_shutdown_on(stop)
        .run(pass, |mes, fault, context| reconcile::after_fault(&mes, fault, &context), context)
        .for_each(|_| async {});
    running.await;
    rounds.abort();
    burying.abort();
    following.abort();
}

/// Wakes whoever stands back for a resource that went without a pass.
async fn bury(context: Arc<Context>) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if context.is_ready() {
            context.sweeps.wake_each(&context.claims.forget_the_dead(|own| context.caches.lives(own)));
        }
    }
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
    tokio::join!(
        cached(&caches.resources),
        caches.rotations.ready(),
        cached(&caches.accounts),
        cached(&caches.stores),
        cached(&caches.namespaces)
    );
    tracing::info!("the caches are whole");
    context.targets.look_again();
    let _ = tokio::time::timeout(Duration::from_secs(30), context.targets.ready()).await;
    for mes in context.caches.resources.state() {
        // A resource whose namespace is not cached yet is indexed by its first pass.
        let _ = subject::Subject::cached(context, &mes);
    }
    context.ready.store(true, std::sync::atomic::Ordering::Release);
    for mes in context.caches.resources.state() {
        context.sweeps.wake_one(&mes);
    }
}

/// Waits until a cache was listed once.
async fn cached<K>(store: &Store<K>)
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    // kube 5.0 wakes only the last of several waiters (DelayedInit keeps one waker), and the controller's own runner is
    // another: asked anew, it answers at once.
    while tokio::time::timeout(Duration::from_millis(200), store.wait_until_ready()).await.is_err() {}
}

fn caches(
    client: &kube::Client,
    resources: Store<ManagedExternalSecret>,
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
    let rotations = Arc::new(rotations::Rotations::new());
    tokio::spawn(rotations.clone().follow(Api::<Rotation>::all(client.clone()), wakes.clone()));
    Caches {
        rotations,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector::store::Writer;
    use kube::runtime::watcher::Event;

    use super::*;

    #[tokio::test]
    async fn a_cache_that_somebody_else_waits_for_too_is_seen_to_be_whole() {
        let mut writer = Writer::<ConfigMap>::default();
        let (ours, theirs) = (writer.as_reader(), writer.as_reader());
        let waiting = tokio::spawn(async move { cached(&ours).await });
        tokio::task::yield_now().await;
        let other = tokio::spawn(async move { theirs.wait_until_ready().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        other.abort();
    }
}

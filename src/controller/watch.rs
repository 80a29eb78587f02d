//! What wakes a resource: its own changes, its Rotations, the accounts and stores it names, its targets, its seed.
//!
//! Invariant: of Secrets only metadata is watched, by our label or by the seed's type, one namespace at a time, and only
//! names, revisions and our version annotation are kept: an annotation of kubectl may hold values. Where that is
//! forbidden, the Secrets that a role names are watched one by one (`named`); a namespace that lends nothing at all is
//! looked at each minute.

mod named;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, reflector, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use mes_core::names::{Namespace, ObjectName, Revision, TargetName, VersionId};
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, mpsc};

use crate::api::ManagedExternalSecret;
use crate::cluster::{RESOURCE_LABEL, SEED_TYPE, VERSION_ANNOTATION, lent_by_name};

/// How often a namespace that can't be watched is looked at, and whether the names that a role lends are others.
const POLL: Duration = Duration::from_secs(60);

/// Wakes resources.
pub(super) type Wakes = mpsc::UnboundedSender<ObjectRef<ManagedExternalSecret>>;

type Entry = (ObjectName, Revision, Option<VersionId>);
type Seen = BTreeMap<TargetName, Entry>;

/// Our labelled Secrets, by namespace, as the watches have them.
pub(super) struct Targets {
    client: Client,
    wakes: Wakes,
    resources: Store<ManagedExternalSecret>,
    namespaces: Mutex<BTreeMap<Namespace, Seen>>,
    listed: Mutex<BTreeSet<Namespace>>,
    changed: Notify,
}

impl Targets {
    pub(super) fn new(client: Client, wakes: Wakes, resources: Store<ManagedExternalSecret>) -> Self {
        Self {
            client,
            wakes,
            resources,
            namespaces: Mutex::default(),
            listed: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The targets that carry the label of this resource.
    pub(super) fn of(
        &self,
        namespace: &Namespace,
        resource: &ObjectName,
    ) -> BTreeMap<TargetName, (Revision, Option<VersionId>)> {
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = namespaces.get(namespace).into_iter().flatten();
        seen.filter(|(_, (owner, ..))| owner == resource)
            .map(|(name, (_, revision, version))| (name.clone(), (revision.clone(), version.clone())))
            .collect()
    }

    /// Watches every namespace that has a resource, for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut tasks: BTreeMap<Namespace, tokio::task::JoinHandle<()>> = BTreeMap::new();
        loop {
            let wanted = self.wanted();
            tasks.retain(|namespace, task| {
                let keep = wanted.contains(namespace);
                if !keep {
                    task.abort();
                    self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
                }
                keep
            });
            for namespace in wanted {
                tasks.entry(namespace.clone()).or_insert_with(|| tokio::spawn(self.clone().namespace(namespace)));
            }
            let _ = tokio::time::timeout(Duration::from_secs(2), self.changed.notified()).await;
        }
    }

    /// Waits until each namespace that has a resource was listed once, or could not be.
    pub(super) async fn ready(&self) {
        while !self.wanted().is_subset(&self.listed.lock().unwrap_or_else(PoisonError::into_inner)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A resource came or went.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    fn wanted(&self) -> BTreeSet<Namespace> {
        self.resources.state().iter().filter_map(|mes| Namespace::parse(mes.namespace()?).ok()).collect()
    }

    async fn namespace(self: Arc<Self>, namespace: Namespace) {
        let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(self.client.clone(), namespace.as_str());
        loop {
            let targets = watch(secrets.clone(), watcher::Config::default().labels(RESOURCE_LABEL));
            let seeds = watch(secrets.clone(), watcher::Config::default().fields(&format!("type={SEED_TYPE}")));
            // Each ends when it is forbidden, and both need the same right.
            tokio::select! {
                // By their order and not by chance: a simulation goes the same way twice.
                biased;
                () = self.targets(&namespace, targets) => {}
                () = self.seeds(&namespace, seeds) => {}
            }
            match lent_by_name(&self.client, &namespace).await {
                Ok(names) if !names.is_empty() => self.named(&namespace, &names).await,
                Ok(_) | Err(_) => self.refused(&namespace).await,
            }
        }
    }

    async fn targets(
        &self,
        namespace: &Namespace,
        events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<Secret>>>>,
    ) {
        pin_mut!(events);
        let mut listing = Seen::new();
        loop {
            match events.next().await {
                None => return,
                Some(Ok(Event::Init)) => listing.clear(),
                Some(Ok(Event::InitApply(secret))) => {
                    if let Some((name, entry)) = entry(&secret) {
                        listing.insert(name, entry);
                    }
                }
                Some(Ok(Event::InitDone)) => {
                    let owners: BTreeSet<ObjectName> = listing.values().map(|(owner, ..)| owner.clone()).collect();
                    self.namespaces
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(namespace.clone(), std::mem::take(&mut listing));
                    self.has_listed(namespace);
                    owners.iter().for_each(|owner| self.wake(namespace, owner));
                }
                Some(Ok(Event::Apply(secret))) => {
                    let Some((name, found)) = entry(&secret) else { continue };
                    let owner = found.0.clone();
                    let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
                    namespaces.entry(namespace.clone()).or_default().insert(name, found);
                    drop(namespaces);
                    self.wake(namespace, &owner);
                }
                Some(Ok(Event::Delete(secret))) => {
                    let Ok(name) = TargetName::parse(secret.name_any()) else { continue };
                    let gone = self
                        .namespaces
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_mut(namespace)
                        .and_then(|seen| seen.remove(&name));
                    if let Some((owner, ..)) = gone {
                        self.wake(namespace, &owner);
                    }
                }
                Some(Err(error)) if forbidden(&error) => return,
                Some(Err(_)) => self.refused(namespace).await,
            }
        }
    }

    async fn seeds(
        &self,
        namespace: &Namespace,
        events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<Secret>>>>,
    ) {
        pin_mut!(events);
        loop {
            match events.next().await {
                None => return,
                Some(Ok(Event::Apply(seed) | Event::InitApply(seed) | Event::Delete(seed))) => {
                    self.seed_changed(namespace, &seed.name_any());
                }
                Some(Ok(Event::Init | Event::InitDone)) => {}
                Some(Err(error)) if forbidden(&error) => return,
                Some(Err(_)) => self.refused(namespace).await,
            }
        }
    }

    /// Watching failed, or nothing is lent: what is not at rest is looked at again in a minute.
    async fn refused(&self, namespace: &Namespace) {
        self.has_listed(namespace);
        tokio::time::sleep(POLL).await;
        self.wake_where(namespace, |_| true);
    }

    /// The Secret `name` came, changed or went: wakes whoever names it as the seed.
    fn seed_changed(&self, namespace: &Namespace, name: &str) {
        self.wake_where(namespace, |mes| mes.spec.onboard.from_secret.as_ref().is_some_and(|seed| seed.name == name));
    }

    fn has_listed(&self, namespace: &Namespace) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.clone());
    }

    fn wake(&self, namespace: &Namespace, resource: &ObjectName) {
        // The receiver lives as long as the controller: without it nobody is to be woken.
        let _ = self.wakes.send(ObjectRef::new(resource.as_str()).within(namespace.as_str()));
    }

    fn wake_where(&self, namespace: &Namespace, which: impl Fn(&Arc<ManagedExternalSecret>) -> bool) {
        for mes in self
            .resources
            .state()
            .iter()
            .filter(|mes| mes.namespace().as_deref() == Some(namespace.as_str()) && which(mes))
        {
            let _ = self.wakes.send(ObjectRef::from_obj(&**mes));
        }
    }
}

/// Whether the API server refused for want of a right.
fn forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status)
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code == 403,
        _ => false,
    }
}

fn entry(secret: &PartialObjectMeta<Secret>) -> Option<(TargetName, Entry)> {
    let name = TargetName::parse(secret.name_any()).ok()?;
    let owner = ObjectName::parse(secret.labels().get(RESOURCE_LABEL)?.as_str()).ok()?;
    let revision = Revision::parse(secret.resource_version()?).ok()?;
    let version = secret.annotations().get(VERSION_ANNOTATION).and_then(|id| VersionId::parse(id.as_str()).ok());
    Some((name, (owner, revision, version)))
}

/// Keeps a cache of all `K`, and calls `seen` with each that changed.
pub(super) fn follow<K>(api: Api<K>, seen: impl Fn(&K) + Send + Sync + 'static) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let writer = Writer::<K>::default();
    let store = writer.as_reader();
    let events = reflector(writer, watch(api, watcher::Config::default()).default_backoff());
    tokio::spawn(async move {
        let events = events.into_stream().filter_map(|event| async {
            match event {
                Ok(Event::Apply(object) | Event::Delete(object) | Event::InitApply(object)) => Some(object),
                Ok(Event::Init | Event::InitDone) => None,
                Err(_) => {
                    tracing::warn!(kind = %K::kind(&()), "a watch failed; it is tried again");
                    None
                }
            }
        });
        pin_mut!(events);
        while let Some(object) = events.next().await {
            seen(&object);
        }
    });
    store
}

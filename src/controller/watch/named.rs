//! The watch of a namespace that lends Secrets by name and not all: one stream a Secret (`metadata.name=NAME`).
//!
//! Invariant: the same as in `watch`: metadata alone, kept by name. A list and a watch with that selector pass with a
//! role that names the Secret, while those by label or type are refused. Called by `watch` once the wide one was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use mes_core::names::{Namespace, ObjectName, TargetName};
use tokio::time::{Instant, interval_at};

use super::{POLL, Targets, entry, forbidden};
use crate::cluster::lent_by_name;

type Metadata = PartialObjectMeta<Secret>;
type Events = SelectAll<futures::stream::BoxStream<'static, (ObjectName, watcher::Result<Event<Metadata>>)>>;

impl Targets {
    /// Follows these Secrets until the role names others, or refuses one.
    pub(super) async fn named(&self, namespace: &Namespace, names: &BTreeSet<ObjectName>) {
        self.forget_all_but(namespace, names);
        let mut events = self.events(namespace, names);
        let mut listed: BTreeMap<ObjectName, Option<Metadata>> = BTreeMap::new();
        let mut pending = names.clone();
        let mut again = interval_at(Instant::now() + POLL, POLL);
        loop {
            let (name, event) = tokio::select! {
                biased;
                _ = again.tick() => {
                    match lent_by_name(&self.client, namespace).await {
                        Ok(now) if now != *names => return,
                        Ok(_) | Err(_) => continue,
                    }
                }
                next = events.next() => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            match event {
                Ok(Event::Init) => {
                    listed.insert(name, None);
                }
                Ok(Event::InitApply(secret)) => {
                    listed.insert(name, Some(secret));
                }
                Ok(Event::InitDone) => {
                    self.is(namespace, &name, listed.remove(&name).flatten().as_ref());
                    pending.remove(&name);
                    if pending.is_empty() {
                        self.has_listed(namespace);
                    }
                }
                Ok(Event::Apply(secret)) => self.is(namespace, &name, Some(&secret)),
                Ok(Event::Delete(_)) => self.is(namespace, &name, None),
                Err(error) if forbidden(&error) => return,
                // The stream begins anew by itself, after a while.
                Err(_) => {}
            }
        }
    }

    fn events(&self, namespace: &Namespace, names: &BTreeSet<ObjectName>) -> Events {
        let secrets: Api<Metadata> = Api::namespaced(self.client.clone(), namespace.as_str());
        select_all(names.iter().map(|name| {
            let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
            let name = name.clone();
            watch(secrets.clone(), only).default_backoff().map(move |event| (name.clone(), event)).boxed()
        }))
    }

    /// The Secret `name` is now as `found`: wakes whoever it belongs to or belonged to, and whose seed it is.
    fn is(&self, namespace: &Namespace, name: &ObjectName, found: Option<&Metadata>) {
        self.seed_changed(namespace, name.as_str());
        let Ok(target) = TargetName::parse(name.as_str()) else { return };
        let now = found.and_then(entry).map(|(_, entry)| entry);
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = namespaces.entry(namespace.clone()).or_default();
        let before = match now.clone() {
            Some(entry) => seen.insert(target, entry),
            None => seen.remove(&target),
        };
        drop(namespaces);
        if before != now {
            let owners: BTreeSet<_> = before.into_iter().chain(now).map(|(owner, ..)| owner).collect();
            owners.iter().for_each(|owner| self.wake(namespace, owner));
        }
    }

    fn forget_all_but(&self, namespace: &Namespace, names: &BTreeSet<ObjectName>) {
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = namespaces.entry(namespace.clone()).or_default();
        seen.retain(|target, _| names.iter().any(|name| name.as_str() == target.as_str()));
    }
}

//! Who was there first: identities, AWS secrets and targets, each held by the oldest resource that names it.
//!
//! Invariant: of two resources that name one thing, the older (creation time, then UID) has it, in whatever order they are
//! seen. Filled from the cache before the first pass, kept by every pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use mes_core::names::{Identity, Namespace, ObjectName, SecretName, TargetName, Uid};
use mes_core::scope::Older;
use mes_core::spec::Own;

/// A resource's age: smaller is older.
type Age = (Timestamp, Uid);

/// What one resource names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) identities: BTreeSet<Identity>,
    pub(super) secret: Option<(ObjectName, SecretName)>,
    pub(super) targets: BTreeSet<TargetName>,
}

#[derive(Debug, Default)]
struct Index {
    named: BTreeMap<Uid, (Namespace, Named)>,
    identities: BTreeMap<Identity, BTreeSet<Age>>,
    secrets: BTreeMap<(ObjectName, SecretName), BTreeSet<Age>>,
    targets: BTreeMap<(Namespace, TargetName), BTreeSet<Age>>,
}

/// The index over all resources.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Index>);

impl Claims {
    /// Notes what a resource names, in place of what it named before.
    pub(super) fn note(&self, own: &Own, named: Named) {
        let mut index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if index.named.get(&own.uid).is_some_and(|(_, before)| *before == named) {
            return;
        }
        index.withdraw(own.created, &own.uid);
        let age = || (own.created, own.uid.clone());
        for identity in &named.identities {
            index.identities.entry(identity.clone()).or_default().insert(age());
        }
        if let Some(secret) = &named.secret {
            index.secrets.entry(secret.clone()).or_default().insert(age());
        }
        for target in &named.targets {
            index.targets.entry((own.namespace.clone(), target.clone())).or_default().insert(age());
        }
        index.named.insert(own.uid.clone(), (own.namespace.clone(), named));
    }

    /// Forgets a resource that is gone.
    pub(super) fn forget(&self, created: Timestamp, uid: &Uid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).withdraw(created, uid);
    }

    /// What older resources have of what this one names.
    pub(super) fn older(&self, own: &Own, named: &Named, granted: impl Fn(&Identity) -> bool) -> Older {
        let index = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = (own.created, own.uid.clone());
        let taken = |ages: Option<&BTreeSet<Age>>| ages.and_then(BTreeSet::first).is_some_and(|oldest| *oldest < age);
        Older {
            // A value may name any identity that the account grants: all that are taken are handed over.
            identities: index
                .identities
                .iter()
                .filter(|(identity, ages)| granted(identity) && taken(Some(ages)))
                .map(|(identity, _)| identity.clone())
                .collect(),
            secrets: named.secret.iter().filter(|secret| taken(index.secrets.get(*secret))).cloned().collect(),
            targets: named
                .targets
                .iter()
                .filter(|target| taken(index.targets.get(&(own.namespace.clone(), (*target).clone()))))
                .cloned()
                .collect(),
        }
    }
}

impl Index {
    fn withdraw(&mut self, created: Timestamp, uid: &Uid) {
        let Some((namespace, named)) = self.named.remove(uid) else { return };
        let age = (created, uid.clone());
        for identity in named.identities {
            remove(&mut self.identities, &identity, &age);
        }
        if let Some(secret) = named.secret {
            remove(&mut self.secrets, &secret, &age);
        }
        for target in named.targets {
            remove(&mut self.targets, &(namespace.clone(), target), &age);
        }
    }
}

fn remove<K: Ord>(map: &mut BTreeMap<K, BTreeSet<Age>>, key: &K, age: &Age) {
    if let Some(ages) = map.get_mut(key) {
        ages.remove(age);
        if ages.is_empty() {
            map.remove(key);
        }
    }
}

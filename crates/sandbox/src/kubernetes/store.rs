//! The objects, and every change to them in order: what etcd is to the real one.
//!
//! Invariant: each write has a revision of its own, which is the object's `resourceVersion`; the first is 2, as in
//! etcd, so no object ever has 1. The past can be read back as far as it was not compacted. Called by all of
//! `kubernetes`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

/// Where an object is. Ordered as a list gives them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// [`super::kind::Kind::resource`]
    pub(super) resource: String,
    /// Empty for what has none.
    pub(super) namespace: String,
    pub(super) name: String,
}

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    changes: Vec<Change>,
    revision: u64,
    /// What happened up to and including this is forgotten.
    compacted: u64,
}

impl Store {
    pub(super) fn new() -> Self {
        Self { objects: BTreeMap::new(), changes: Vec::new(), revision: 1, compacted: 0 }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// All objects.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Those of a resource, in order; of one namespace, if one is named.
    pub(super) fn of<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let first = Key {
            resource: resource.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        self.objects.range(first..).take_while(move |(key, _)| {
            key.resource == resource && namespace.is_none_or(|namespace| key.namespace == namespace)
        })
    }

    /// As [`Self::of`], as it was at `revision`. `None`: that is forgotten.
    pub(super) fn at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        revision: u64,
    ) -> Option<BTreeMap<Key, Arc<Value>>> {
        let mut then: BTreeMap<_, _> =
            self.of(resource, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        let concerns =
            |key: &Key| key.resource == resource && namespace.is_none_or(|namespace| key.namespace == namespace);
        for change in self.since(revision)?.iter().rev().filter(|change| concerns(&change.key)) {
            match &change.before {
                Some(before) => then.insert(change.key.clone(), before.clone()),
                None => then.remove(&change.key),
            };
        }
        Some(then)
    }

    /// Every change after `revision`. `None`: some of them are forgotten.
    pub(super) fn since(&self, revision: u64) -> Option<&[Change]> {
        let first = self.changes.partition_point(|change| change.revision <= revision);
        (revision >= self.compacted).then(|| &self.changes[first..])
    }

    /// Writes the object, and gives it as it is now.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let after = Arc::new(object);
        let before = self.objects.insert(key.clone(), after.clone());
        self.changes.push(Change { revision: self.revision, key, before, after: Some(after.clone()) });
        after
    }

    /// Takes the object away.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(before) = self.objects.remove(key) else { return };
        self.revision += 1;
        self.changes.push(Change { revision: self.revision, key: key.clone(), before: Some(before), after: None });
    }

    /// Forgets what happened before `revision`.
    pub(super) fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
        let first = self.changes.partition_point(|change| change.revision <= self.compacted);
        self.changes.drain(..first);
    }
}

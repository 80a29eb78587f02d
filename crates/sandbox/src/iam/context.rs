//! What a request says about itself: the keys that conditions and variables read.
//!
//! Invariant: a key is absent, or has at least one value; its name has no case. Which keys hold many values is fixed
//! here, by the service authorization reference. Filled by `secrets_manager::authorization`, `kms` and `sts`.

use std::collections::BTreeMap;

/// Keys that hold many values in one request: they may be compared by `ForAllValues` and `ForAnyValue` alone.
const MULTIVALUED: &[&str] = &["aws:tagkeys", "secretsmanager:addreplicaregions", "sts:transitivetagkeys"];

/// The context of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Says one value of a key.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<String>) {
        self.0.entry(key.to_ascii_lowercase()).or_default().push(value.into());
    }

    /// Says a key if it has a value.
    pub(crate) fn put_some(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// The values of a key; none if it is absent.
    pub(super) fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The value of a key that has one.
    pub(super) fn single(&self, key: &str) -> Option<&str> {
        match self.values(key) {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// Whether a key, in lower case, may hold many values.
pub(super) fn is_multivalued(key: &str) -> bool {
    MULTIVALUED.contains(&key)
}

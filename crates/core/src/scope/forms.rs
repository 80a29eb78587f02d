//! The texts of grants and endpoints, for tests that feed them anything. Not in the shipped binary: the feature is off there.
//!
//! Invariant: nothing is granted here, only read as [`super::resolve`] reads it. Called by `tests/fuzz`.

use super::endpoint::Endpoint;
use super::pattern::Pattern;
use crate::names::Namespace;

/// Host, port and path of an endpoint of this scheme; `None`: it is none.
pub fn endpoint(scheme: &str, text: &str) -> Option<(String, u16, String)> {
    Endpoint::parse(scheme, text).map(|endpoint| (endpoint.host, endpoint.port, endpoint.path))
}

/// Whether a pattern of a grant covers `name` for `namespace`.
pub fn covers(pattern: &str, namespace: &Namespace, name: &str) -> bool {
    Pattern::parse(pattern, namespace).is_some_and(|pattern| pattern.covers(name))
}

//! The definitions of the API as files: what `crds/` and the chart hold.
//!
//! Invariant: a function of the code alone, so that a test can hold the committed files to it. Called by `cli` and by
//! `cargo xtask generate`.

use crate::api;

/// One `(file name, YAML)` a kind, in the order in which `kubectl apply` may take them.
///
/// # Errors
/// Only if a definition can't be written as YAML, which is a fault of ours.
pub fn crds() -> Result<Vec<(String, String)>, serde_yaml::ser::Error> {
    let definitions = api::definitions().into_iter();
    definitions
        .map(|crd| {
            let name = format!("{}_{}.yaml", api::GROUP, crd.spec.names.plural);
            Ok((name, serde_yaml::to_string(&crd)?))
        })
        .collect()
}

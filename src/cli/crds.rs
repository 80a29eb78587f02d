//! `mes crds`, and the definitions of the API as files: what `crds/` and the chart hold.
//!
//! Invariant: a function of the code alone, so that a test can hold the committed files to it. Called by `cli` and by
//! `cargo xtask generate`.

use super::Error;
use crate::api;

/// What `mes crds` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the definition of this plural, such as rotations
    plural: Option<String>,
}

/// All definitions as one stream of YAML, or one of them.
pub(super) fn run(arguments: &Args) -> Result<String, Error> {
    let all = crds()?;
    let Some(plural) = &arguments.plural else {
        return Ok(all.into_iter().map(|(_, yaml)| yaml).collect::<Vec<_>>().join("---\n"));
    };
    let wanted = file_name(plural);
    let found = all.into_iter().find(|(name, _)| *name == wanted);
    found.map(|(_, yaml)| yaml).ok_or_else(|| Error::UnknownKind(plural.clone()))
}

/// One `(file name, YAML)` a kind, in the order in which `kubectl apply` may take them.
///
/// # Errors
/// Only if a definition can't be written as YAML, which is a fault of ours.
pub fn crds() -> Result<Vec<(String, String)>, serde_yaml::ser::Error> {
    let definitions = api::definitions().into_iter();
    definitions.map(|crd| Ok((file_name(&crd.spec.names.plural), serde_yaml::to_string(&crd)?))).collect()
}

fn file_name(plural: &str) -> String {
    format!("{}_{plural}.yaml", api::GROUP)
}

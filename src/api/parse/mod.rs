//! The one translation between the API on the wire and what `mes-core` decides upon.
//!
//! Invariant: total over whatever the API server may hold. What this version does not understand is never read as absent,
//! empty or granted: a spec becomes a `Reason`, an account or store is unreadable, a grant covers nobody, a deletion axis
//! is Retain, a journal takes no record. Called by `controller::{subject,perform,sweep}`.

mod admins;
mod resource;
mod rotation;
mod status;

pub use admins::{account, store};
pub use resource::{holding, own, resource, written};
pub use rotation::{journal, recorded, rotation_status};
pub use status::{conditions_of, merged, status};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::Malformed;

/// Our finalizer, on resources and Rotations alike.
pub const FINALIZER: &str = "managed-secrets.io/cleanup";

/// Annotation of a resource that gives up what is owed.
pub const ABANDON: &str = "managed-secrets.io/abandon";

fn time(time: &Time) -> jiff::Timestamp {
    time.0
}

fn held(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// An object without what every stored object has: the answer was no answer.
fn not_an_object() -> Fault {
    Fault::new(Place::Cluster, FaultKind::Unknown, "NotAnObject")
}

/// A part of an object's metadata.
fn part<T>(text: Option<&String>, parse: impl Fn(String) -> Result<T, Malformed>) -> Result<T, Fault> {
    text.and_then(|text| parse(text.clone()).ok()).ok_or_else(not_an_object)
}

#[cfg(test)]
mod tests;

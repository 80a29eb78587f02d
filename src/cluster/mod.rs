//! The only place that writes to the cluster.
//!
//! Invariant: every namespaced call of a resource goes through [`Namespace`], which reaches one namespace and no other;
//! every destructive or overwriting call carries the UID or revision that it was decided upon; no text of the API server
//! leaves this room, only a [`Fault`](mes_core::fault::Fault). Called by `controller` and `cli::run`.

pub mod admin;
pub mod client;
mod event;
mod fault;
mod journal;
pub mod lease;
mod lent;
mod merge;
mod namespace;
pub mod seal;
pub mod status;
mod target;
#[cfg(test)]
mod tests;

pub use admin::Home;
pub use event::{Announcer, EventKind, Notice};
pub use lease::{Campaign, LeaseHandle};
pub use lent::lent_by_name;
pub use namespace::Namespace;
pub use target::{Rendered, SeedSecret, Wanted};

/// The one field manager of everything that we apply, so that a later apply takes back what an earlier one set.
pub const FIELD_MANAGER: &str = "managed-secrets.io";
pub use crate::api::parse::FINALIZER;
/// Label of a target: the name of its resource.
pub const RESOURCE_LABEL: &str = "managed-secrets.io/resource";
/// Annotation of a target: the version that it carries.
pub const VERSION_ANNOTATION: &str = "managed-secrets.io/version-id";
/// Annotation of a foreign Secret: the name of the resource that may take it over.
pub const ADOPT_ANNOTATION: &str = "managed-secrets.io/adopt";
/// Type of a Secret that holds a first value.
pub const SEED_TYPE: &str = "managed-secrets.io/seed";
/// Type of a Secret that holds an admin credential or static keys, in the operator's own namespace.
pub const ADMIN_TYPE: &str = "managed-secrets.io/admin";

/// No object ever has this revision. An apply with it and without a UID creates, or is refused with a conflict where
/// the object is there: the API server takes no other "create only" from an apply, and a POST needs a right without a
/// name, which a strict install does not give.
const NO_SUCH_REVISION: &str = "1";

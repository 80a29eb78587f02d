//! The API `managed-secrets.io/v1alpha1` as it stands on the wire: four kinds, their schemas and their rules.
//!
//! Invariant: whatever the API server may hold parses. A field or an enum value of a newer or an older version of us is
//! skipped or read as *unrecognised*, never an error: one such object must not stop the watch over all others.
//! What the values mean is decided in `mes-core`; the only bridge is `parse`. Called by `cluster`, `controller` and
//! `cli::crds`.

// The derive copies each struct, `pub` and all, into a function body, where nothing can reach it; and the columns of one
// kind, each with its path, look like one attribute given twice.
#![allow(unreachable_pub, clippy::duplicated_attributes)]

mod managed_external_secret;
pub mod parse;
mod partner_account;
mod rotation;
mod secrets_manager_store;

pub use managed_external_secret::{
    Adopt, Deletion, Disruption, Engine, FirstRotation, ManagedExternalSecret, ManagedExternalSecretSpec,
    ManagedExternalSecretStatus, Mint, Observe, Onboard, Partner, PartnerDeletion, RegionRole, RegionSpec, RegionState,
    RegionStatus, RotationPolicy, SecretStatus, StoreDeletion, StoreRef, TargetDeletion, TargetSpec, TargetStatus,
    TargetType, VersionState, VersionStatus,
};
pub use partner_account::{
    AccountGrant, AccountLimits, Admin, AdminStoreRef, PartnerAccount, PartnerAccountSpec, PartnerAccountStatus,
};
pub use rotation::{
    Candidate, Intent, IntentEffect, OwedCredential, Revocation, Rotation, RotationSpec, RotationStatus, Snapshot,
    Trigger, WaitingFor,
};
pub use secrets_manager_store::{
    AssumeRole, SecretsManagerStore, SecretsManagerStoreSpec, SecretsManagerStoreStatus, StoreAuth, StoreGrant,
    StoreLimits, StoreRegion,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::Rule;
use kube::{CustomResourceExt, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The API group of all four kinds, and the prefix of every label, annotation, tag and Secret type of ours.
pub const GROUP: &str = "managed-secrets.io";

/// Name of an object: in the same namespace for namespaced kinds, else of the cluster. No field takes a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = (
        r"self.matches(r'^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        "name must be the name of a Kubernetes object: lower-case letters, digits, '-' and '.', as `kubectl get` prints it"
    ))]
    pub name: String,
}

/// The definitions of all four kinds as they are installed and as `crds/` holds them.
///
/// Differs from `T::crd()` in two ways. No field is `nullable`, so absent has one spelling in the store: of an explicit
/// null (a chart that renders an empty key) the API server makes nothing at a create, and names the field that it refuses
/// at a server-side apply. And no `format` that Kubernetes does not know, about which it would warn at each apply.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all =
        vec![ManagedExternalSecret::crd(), Rotation::crd(), PartnerAccount::crd(), SecretsManagerStore::crd()];
    let schemas = all.iter_mut().flat_map(|crd| &mut crd.spec.versions);
    for schema in schemas.filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut()) {
        plain(schema);
    }
    all
}

/// Removes, at every depth, what [`definitions`] names.
fn plain(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.format.take_if(|format| !matches!(format.as_str(), "int32" | "int64" | "date-time"));
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        plain(property);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => plain(item),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(plain),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &mut schema.additional_properties {
        plain(value);
    }
}

/// A CEL rule whose refusal points at `path`, a field below the place of the rule.
///
/// The API server then prints no value, while a rule on a string repeats it, into logs and audits too. So rules over what
/// a person may have put a secret into (an endpoint, PEM text) stand on the parent.
fn rule(path: &str, cel: &str, sentence: &str) -> Rule {
    Rule::new(cel).message(sentence).field_path(path)
}

/// `parameters`: at most 32 strings. A value is bounded so that CEL stays within its budget.
fn parameters(_: &mut SchemaGenerator) -> Schema {
    strings(32, 1024)
}

/// A map of at most `entries` strings of at most `length` characters each.
fn strings(entries: u32, length: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": entries,
        "additionalProperties": { "type": "string", "maxLength": length },
    })
}

/// The store that is meant where none is named.
fn default_store() -> String {
    "default".to_owned()
}

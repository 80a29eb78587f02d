//! `ManagedExternalSecret`: one third-party credential, as a team declares it, and what has become of it.
//!
//! Invariant: what is *fixed once onboarded* is told by rules at the root, on `oldSelf.status.versionID`: a transition
//! rule on an optional field itself is passed by removing the field, then adding it anew.

mod deletion;
mod rotation_policy;
mod status;
mod target;

pub use deletion::{Deletion, PartnerDeletion, StoreDeletion, TargetDeletion};
pub use rotation_policy::{Disruption, Engine, FirstRotation, RotationPolicy};
pub use status::{
    ManagedExternalSecretStatus, RegionRole, RegionState, RegionStatus, SecretStatus, TargetStatus, VersionState,
    VersionStatus,
};
pub use target::{TargetSpec, TargetType};

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectRef, default_store, parameters, rule};

/// What a team wants of one credential.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "managed-secrets.io",
    version = "v1alpha1",
    kind = "ManagedExternalSecret",
    namespaced,
    status = "ManagedExternalSecretStatus",
    shortname = "mes",
    category = "managed-secrets",
    derive = "PartialEq",
    doc = "One third-party credential: onboarded into AWS Secrets Manager, rotated at the partner, replicated across regions and delivered into Secrets of this namespace.",
    selectable = ".spec.partner.type",
    selectable = ".spec.partner.accountRef.name",
    printcolumn(name = "Partner", type_ = "string", json_path = ".spec.partner.type"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Last Rotated", type_ = "date", json_path = ".status.lastRotationTime"),
    printcolumn(name = "Next Rotation", type_ = "string", json_path = ".status.nextRotationTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Account", type_ = "string", priority = 1, json_path = ".spec.partner.accountRef.name"),
    printcolumn(name = "Secret", type_ = "string", priority = 1, json_path = ".status.secret.name"),
    printcolumn(name = "Version", type_ = "string", priority = 1, json_path = ".status.versionID"),
    printcolumn(name = "Rotation", type_ = "string", priority = 1, json_path = ".status.activeRotation"),
    // No path: the schema of metadata is the server\'s, and it takes no path into it.
    validation = (
        "self.metadata.name.size() <= 52",
        "metadata.name must have at most 52 characters: its Rotations and its secret in AWS are named after it"
    ),
    validation = rule(
        ".spec.partner.type",
        "!oldSelf.?status.?versionID.hasValue() || has(oldSelf.spec.onboard.observe) \
         || (has(self.spec.partner) && has(oldSelf.spec.partner) && self.spec.partner.type == oldSelf.spec.partner.type)",
        "spec.partner.type is fixed once the credential is onboarded: make a new ManagedExternalSecret for the other partner"
    ),
    validation = rule(
        ".spec.onboard",
        "!oldSelf.?status.?versionID.hasValue() \
         || (has(oldSelf.spec.onboard.observe) && (has(self.spec.onboard.observe) || has(self.spec.onboard.adopt))) \
         || (has(oldSelf.spec.onboard.fromSecret) && has(self.spec.onboard.fromSecret)) \
         || (has(oldSelf.spec.onboard.mint) && has(self.spec.onboard.mint)) \
         || (has(oldSelf.spec.onboard.adopt) && has(self.spec.onboard.adopt))",
        "spec.onboard is fixed once the credential is onboarded, only observe may become adopt: make a new ManagedExternalSecret"
    ),
    validation = rule(
        ".spec.storeRef.name",
        "!oldSelf.?status.?versionID.hasValue() || (has(self.spec.storeRef) && has(oldSelf.spec.storeRef) \
         ? self.spec.storeRef.name == oldSelf.spec.storeRef.name \
         : (!has(self.spec.storeRef) || self.spec.storeRef.name == 'default') \
         && (!has(oldSelf.spec.storeRef) || oldSelf.spec.storeRef.name == 'default'))",
        "spec.storeRef.name is fixed once the credential is onboarded: make a new ManagedExternalSecret in the other store"
    ),
    validation = rule(
        ".spec.storeRef.secretName",
        "!oldSelf.?status.?versionID.hasValue() || (self.spec.?storeRef.?secretName.hasValue() \
         ? oldSelf.spec.?storeRef.?secretName.hasValue() && self.spec.storeRef.secretName == oldSelf.spec.storeRef.secretName \
         : !oldSelf.spec.?storeRef.?secretName.hasValue())",
        "spec.storeRef.secretName is fixed once the credential is onboarded: make a new ManagedExternalSecret for the other secret"
    ),
    validation = rule(
        ".spec.rotation.engine",
        "!oldSelf.?status.?versionID.hasValue() || (has(self.spec.rotation) && self.spec.rotation.engine == 'SecretsManager') \
         == (has(oldSelf.spec.rotation) && oldSelf.spec.rotation.engine == 'SecretsManager')",
        "spec.rotation.engine is fixed once the credential is onboarded: make a new ManagedExternalSecret under the other engine"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".partner",
        "has(self.partner) || has(self.onboard.observe)",
        "spec.partner is required: name its type (`mes partners` lists them); only onboard.observe goes without a partner"
    ),
    validation = rule(
        ".partner",
        "!has(self.partner) || !has(self.onboard.observe)",
        "spec.partner must be absent with onboard.observe, which only reads: remove it, or use onboard.adopt to have the credential rotated"
    ),
    validation = rule(
        ".rotation",
        "!has(self.rotation) || !has(self.onboard.observe)",
        "spec.rotation must be absent with onboard.observe, which only reads: remove it, or use onboard.adopt to have the credential rotated"
    ),
    validation = rule(
        ".regions",
        "!has(self.regions) || self.regions.size() == 0 || !has(self.onboard.observe)",
        "spec.regions must be absent with onboard.observe, which only reads: the owner of the secret replicates it"
    ),
    validation = rule(
        ".partner.accountRef",
        "!has(self.onboard.mint) || self.?partner.?accountRef.hasValue()",
        "spec.partner.accountRef is required with onboard.mint: name the PartnerAccount whose admin makes the credential"
    ),
    validation = rule(
        ".rotation.engine",
        "!has(self.onboard.mint) || self.?rotation.?engine.orValue('Operator') == 'Operator'",
        "spec.rotation.engine must be Operator with onboard.mint: Secrets Manager makes no first credential; use onboard.fromSecret"
    ),
    validation = rule(
        ".storeRef.secretName",
        "self.?storeRef.?secretName.hasValue() || !(has(self.onboard.adopt) || has(self.onboard.observe))",
        "spec.storeRef.secretName is required with onboard.adopt and onboard.observe: name the existing secret in the store"
    ),
    validation = rule(
        ".storeRef.secretName",
        "!self.?storeRef.?secretName.hasValue() || has(self.onboard.adopt) || has(self.onboard.observe)",
        "spec.storeRef.secretName is only for onboard.adopt and onboard.observe: remove it, the store's prefix, the namespace and metadata.name make the name"
    ),
    validation = rule(
        ".deletion.store",
        "self.?deletion.?store.orValue('Retain') == 'Retain' || !(has(self.onboard.adopt) || has(self.onboard.observe))",
        "spec.deletion.store must be Retain with onboard.adopt and onboard.observe: the secret was somebody else's first, delete it there"
    ),
    validation = rule(
        ".deletion.partner",
        "self.?deletion.?partner.orValue('Retain') == 'Retain' || !has(self.onboard.observe)",
        "spec.deletion.partner must be Retain with onboard.observe, which only reads"
    )
)]
pub struct ManagedExternalSecretSpec {
    /// Who issued the credential. Required, but absent with `onboard.observe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<Partner>,
    /// Where the first value comes from: exactly one. Its kind is fixed once onboarded, but `observe` may become `adopt`.
    pub onboard: Onboard,
    /// The store in AWS Secrets Manager; absent = the SecretsManagerStore `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<StoreRef>,
    /// Every region that must serve the secret. The store's own always does; list it to set its key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RegionSpec>,
    /// When and how the credential is rotated; absent = only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationPolicy>,
    /// Secrets of this namespace that carry the value; absent = none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<TargetSpec>,
    /// What becomes of what was made when this object is deleted; absent = everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// true = change nothing anywhere; a rotation under way holds at its next safe point. Deletion is still honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// The issuer of the credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Partner {
    /// Type of credential, such as PostgreSQLRole; `mes partners` lists them. Fixed once onboarded.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z][A-Za-z0-9]*$')",
        "partner.type must be letters and digits and begin with a letter, as `mes partners` prints it"
    ))]
    pub type_: String,
    /// The PartnerAccount to work with; absent = the credential rotates itself, at the vendor's own hosts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<ObjectRef>,
    /// What the type wants to know; `mes partners TYPE` lists the keys. Never a secret. Identity keys are fixed once onboarded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    #[x_kube(validation = (
        "!('adminSecretArn' in self)",
        "partner.parameters must not hold adminSecretArn: the admin credential is the PartnerAccount's (spec.admin), name it by accountRef"
    ))]
    pub parameters: BTreeMap<String, String>,
}

/// Where the first value comes from. A member that a newer version added reads as none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "[has(self.fromSecret), has(self.mint), has(self.adopt), has(self.observe)].exists_one(given, given)",
    "onboard must hold exactly one of fromSecret, mint, adopt and observe"
))]
pub struct Onboard {
    /// A Secret of this namespace, of type managed-secrets.io/seed, its keys the fields of the credential. Read until onboarded, unused from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_secret: Option<ObjectRef>,
    /// Have the partner make the credential: nobody ever knows it. Needs partner.accountRef and engine Operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mint: Option<Mint>,
    /// Take over the secret that storeRef.secretName names; the store must grant it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,
    /// Only read the secret that storeRef.secretName names; somebody else rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<Observe>,
}

/// Mint takes no inputs of its own: endpoint and admin are the account's, the rest is in partner.parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mint {}

/// Adopt takes no inputs of its own: the secret is storeRef.secretName.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Adopt {}

/// Observe takes no inputs of its own: the secret is storeRef.secretName.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observe {}

/// A store, and the secret in it where it is not ours by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreRef {
    /// The SecretsManagerStore. Fixed once onboarded.
    #[serde(default = "default_store")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = (
        "self.matches(r'^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        "storeRef.name must be the name of a SecretsManagerStore, as `kubectl get smstore` prints it"
    ))]
    pub name: String,
    /// Name of the existing secret in AWS, only with adopt and observe. Never an ARN. Fixed once onboarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z0-9/_+=.@-]+$')",
        "storeRef.secretName must be the name of a secret, not an ARN: letters, digits and / _ + = . @ -"
    ))]
    pub secret_name: Option<String>,
}

/// A region that must serve the secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.kmsKeyID) || !self.kmsKeyID.startsWith('arn:') || self.kmsKeyID.split(':')[3] == self.name",
    "regions[].kmsKeyID is a key of another region than regions[].name: name a key of that region, or alias/…"
))]
pub struct RegionSpec {
    /// AWS region, such as eu-west-1.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = (
        "self.matches(r'^([a-z]+-)+[0-9]+$')",
        "regions[].name must be an AWS region such as eu-west-1"
    ))]
    pub name: String,
    /// KMS key of this region: a key id, ARN or alias/…; absent = the store's key for that region.
    #[serde(rename = "kmsKeyID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = (
        "self.matches(r'^(alias/[A-Za-z0-9/_-]+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+)$')",
        "regions[].kmsKeyID must be the id of a KMS key, its ARN, or alias/…"
    ))]
    pub kms_key_id: Option<String>,
}

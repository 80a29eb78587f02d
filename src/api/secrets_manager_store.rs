//! `SecretsManagerStore`: an account of AWS Secrets Manager, and which namespaces may use it for what.
//!
//! Invariant: closed by default (no grant, no use), and the prefix never changes: it is the name and the owner tag of
//! everything that was made here.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{ObjectRef, rule, strings};

/// An account of AWS Secrets Manager, how to log in there, and who may use it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "managed-secrets.io",
    version = "v1alpha1",
    kind = "SecretsManagerStore",
    status = "SecretsManagerStoreStatus",
    shortname = "smstore",
    category = "managed-secrets",
    derive = "PartialEq",
    doc = "An account and region of AWS Secrets Manager, set up by the platform's admin: how to log in, how secrets are named, and which namespaces may use it.",
    printcolumn(name = "Region", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "Prefix", type_ = "string", json_path = ".spec.prefix"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Account ID", type_ = "string", priority = 1, json_path = ".status.accountID")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".region",
        "self.region == oldSelf.region",
        "spec.region cannot change in this version: make a new SecretsManagerStore in the other region"
    ),
    validation = rule(
        ".prefix",
        "self.prefix == oldSelf.prefix",
        "spec.prefix is fixed, it is the name and owner tag of every secret that was made here: make a new SecretsManagerStore"
    ),
    validation = rule(
        ".endpoint",
        "!has(self.endpoint) || (isURL(self.endpoint) && url(self.endpoint).getScheme() in ['http', 'https'] \
         && url(self.endpoint).getHostname() != '' \
         && !self.endpoint.contains('@') && !self.endpoint.contains('?') && !self.endpoint.contains('#'))",
        "spec.endpoint must be an https:// URL with a host, without user, query and fragment"
    ),
    validation = rule(
        ".auth.assumeRole.roleARN",
        "!has(self.accountID) || !self.?auth.?assumeRole.hasValue() || self.auth.assumeRole.roleARN.contains('::' + self.accountID + ':')",
        "spec.auth.assumeRole.roleARN is of another account than spec.accountID: a role works in its own account only"
    )
)]
pub struct SecretsManagerStoreSpec {
    /// Primary region: every write goes here.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = (
        "self.matches(r'^([a-z]+-)+[0-9]+$')",
        "spec.region must be an AWS region such as us-west-2"
    ))]
    pub region: String,
    /// Account to work in, 12 digits (quote it); the operator refuses to work in another. Absent = whichever the login leads to.
    #[serde(rename = "accountID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    #[x_kube(validation = ("self.matches(r'^[0-9]{12}$')", "spec.accountID must be the 12 digits of an AWS account, in quotes"))]
    pub account_id: Option<String>,
    /// How to log in; absent = the pod's own identity (IRSA, Pod Identity).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<StoreAuth>,
    /// URL to call instead of AWS's own, such as a VPC endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub endpoint: Option<String>,
    /// First part of every secret's name, PREFIX/NAMESPACE/NAME, and of its owner tag: one a cluster. Fixed.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z0-9_+=.@-]+$')",
        "spec.prefix must be letters, digits and _ + = . @ - without a slash, so that no prefix lies within another"
    ))]
    pub prefix: String,
    /// KMS key of the primary region: id, ARN or alias/…; absent = AWS's own key.
    #[serde(rename = "kmsKeyID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = (
        "self.matches(r'^(alias/[A-Za-z0-9/_-]+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+)$')",
        "spec.kmsKeyID must be the id of a KMS key, its ARN, or alias/…"
    ))]
    pub kms_key_id: Option<String>,
    /// Tags of every secret that is made here, beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "tags")]
    #[x_kube(validation = (
        "self.all(key, !key.startsWith('managed-secrets.io/') && !key.startsWith('aws:'))",
        "spec.tags must not hold keys of managed-secrets.io/, which are the operator's, or of aws:, which are AWS's: remove them"
    ))]
    pub tags: BTreeMap<String, String>,
    /// Role with which Secrets Manager itself rotates (engine SecretsManager).
    #[serde(rename = "rotationRoleARN", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = (
        "self.matches(r'^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$')",
        "spec.rotationRoleARN must be the ARN of an IAM role: arn:aws:iam::123456789012:role/NAME"
    ))]
    pub rotation_role_arn: Option<String>,
    /// UIDs of namespaces, or of clusters (of their namespace kube-system), whose secrets may be taken back here after a disaster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 36)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = (
            "self.all(uid, uid.matches(r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'))",
            "spec.takeOver[] must be UIDs: kubectl get namespace NAME -o jsonpath={.metadata.uid}"
        )
    )]
    pub take_over: Vec<String>,
    /// Regions that a resource may ask for, each with its default key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<StoreRegion>,
    /// Who may use this store; they add up; absent = nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grants: Vec<StoreGrant>,
    /// What Secrets Manager may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<StoreLimits>,
}

fn tags(_: &mut SchemaGenerator) -> Schema {
    strings(40, 256)
}

/// How to log in: one of the two, or a role assumed with the Secret's keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.secretRef) || has(self.assumeRole)",
    "auth must hold secretRef, assumeRole or both; leave auth out to log in as the pod"
))]
pub struct StoreAuth {
    /// A Secret of the operator's namespace with static keys: for a try, not for production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectRef>,
    /// A role to assume, in one session a namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
}

/// A role to assume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct AssumeRole {
    /// ARN of the role.
    #[serde(rename = "roleARN")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = (
        "self.matches(r'^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$')",
        "auth.assumeRole.roleARN must be the ARN of an IAM role: arn:aws:iam::123456789012:role/NAME"
    ))]
    pub role_arn: String,
    /// External id, always sent; absent = the UID of the namespace kube-system.
    #[serde(rename = "externalID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
}

/// A region that a resource may ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = (
    "!has(self.kmsKeyID) || !self.kmsKeyID.startsWith('arn:') || self.kmsKeyID.split(':')[3] == self.name",
    "regions[].kmsKeyID is a key of another region than regions[].name: name a key of that region, or alias/…"
))]
pub struct StoreRegion {
    /// AWS region, such as eu-west-1.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = (
        "self.matches(r'^([a-z]+-)+[0-9]+$')",
        "regions[].name must be an AWS region such as eu-west-1"
    ))]
    pub name: String,
    /// KMS key of that region, unless a resource names its own: id, ARN or alias/…; absent = AWS's own key.
    #[serde(rename = "kmsKeyID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = (
        "self.matches(r'^(alias/[A-Za-z0-9/_-]+|mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+)$')",
        "regions[].kmsKeyID must be the id of a KMS key, its ARN, or alias/…"
    ))]
    pub kms_key_id: Option<String>,
}

/// Namespaces, and the existing secrets that they may take over or read beside their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.namespaces) != has(self.namespaceSelector)",
    "grants[] must hold exactly one of namespaces and namespaceSelector; every namespace is namespaceSelector: {}"
))]
pub struct StoreGrant {
    /// Names of namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Namespaces by label; {} = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Existing secrets that they may adopt: a name, or a prefix and *; {namespace} stands for the namespace. Never another namespace's under this prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(validation = (
        r"self.all(name, name.matches(r'^([^{}*]|\{namespace\}[_./:])*(\{namespace\}|\*)?$'))",
        "grants[].manage[] must be exact or end in one *, and {namespace} must end it or be followed by one of _ . / : (else {namespace}-* lets one namespace reach another)"
    ))]
    pub manage: Vec<String>,
    /// Existing secrets that they may observe: patterns as in manage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 512)))]
    #[x_kube(validation = (
        r"self.all(name, name.matches(r'^([^{}*]|\{namespace\}[_./:])*(\{namespace\}|\*)?$'))",
        "grants[].observe[] must be exact or end in one *, and {namespace} must end it or be followed by one of _ . / : (else {namespace}-* lets one namespace reach another)"
    ))]
    pub observe: Vec<String>,
}

/// What Secrets Manager may be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreLimits {
    /// Calls a second, of all operations and regions together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub requests_per_second: Option<u32>,
}

/// What the operator last saw; written on change only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsManagerStoreStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, IsolatedByIAM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Account that the login leads to.
    #[serde(rename = "accountID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    pub account_id: Option<String>,
}

//! What has become of a credential, for people and for `kubectl wait`.
//!
//! Invariant: a reading, never authority: nothing is revoked, deleted or overwritten because it stands here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw; written on change only, never authority for anything destructive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedExternalSecretStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Onboarded, Rotated, Replicated, Synced; Reconciling and Stalled only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// HOST/IDENTITY of the credential at the partner; each belongs to one resource of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub identities: Vec<String>,
    /// The secret in AWS Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretStatus>,
    /// Version that is AWSCURRENT. Set once onboarded.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version_id: Option<String>,
    /// The latest versions of the secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub versions: Vec<VersionStatus>,
    /// Each region, as read there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<RegionStatus>,
    /// Each target Secret, as read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<TargetStatus>,
    /// Name of the Rotation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub active_rotation: Option<String>,
    /// When AWSCURRENT was last promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rotation_time: Option<Time>,
    /// When the next rotation is due by schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,
    /// When the partner will let the credential expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// How many superseded credentials are still to be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_revocations: Option<u32>,
}

/// The secret in AWS Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct SecretStatus {
    /// Name of the secret.
    #[schemars(length(max = 512))]
    pub name: String,
    /// ARN in the primary region.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 2048))]
    pub arn: String,
}

/// One version of the secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// Version id in AWS.
    #[schemars(length(max = 64))]
    pub id: String,
    /// What the version is to us.
    #[serde(default)]
    pub state: VersionState,
    /// Staging labels, as read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub stages: Vec<String>,
    /// Id of the credential at the partner, where it has one.
    #[serde(rename = "partnerID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub partner_id: Option<String>,
    /// When AWS made the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<Time>,
    /// When its credential may be revoked at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_after_time: Option<Time>,
}

/// What a version is to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VersionState {
    Candidate,
    Current,
    Superseded,
    Revoked,
    /// Not known, or of a newer version of us.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One region, as read there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegionStatus {
    /// AWS region.
    #[schemars(length(max = 32))]
    pub name: String,
    /// Whether writes go here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RegionRole>,
    /// Whether the region serves what it shall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RegionState>,
    /// Version that is AWSCURRENT there.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version_id: Option<String>,
    /// Why not InSync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
}

/// Whether writes go to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegionRole {
    Primary,
    Replica,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// Whether a region serves what it shall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RegionState {
    InSync,
    InProgress,
    Failed,
    Unreachable,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// One target Secret, as read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Version that it carries.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version_id: Option<String>,
    /// Why it does not carry AWSCURRENT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
}

//! What becomes of what was made: three axes, each defaulting to no loss.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of what was made: three things, three answers, each defaulting to no loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// The target Secrets: also of an entry that is removed from spec.targets.
    #[serde(default)]
    pub targets: TargetDeletion,
    /// The secret in AWS and its replicas: also of a region that is removed from spec.regions.
    #[serde(default)]
    pub store: StoreDeletion,
    /// The credential at the partner.
    #[serde(default)]
    pub partner: PartnerDeletion,
    /// How long AWS keeps a deleted secret, 7 to 30 days.
    #[serde(default = "recovery_window_days")]
    #[schemars(range(min = 7, max = 30))]
    pub recovery_window_days: u8,
}

impl Default for Deletion {
    fn default() -> Self {
        Self {
            targets: TargetDeletion::default(),
            store: StoreDeletion::default(),
            partner: PartnerDeletion::default(),
            recovery_window_days: recovery_window_days(),
        }
    }
}

fn recovery_window_days() -> u8 {
    30
}

/// What becomes of the target Secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetDeletion {
    #[default]
    Retain,
    Delete,
    /// Of a newer version of us; never written. Nothing is lost on doubt: to be read as Retain.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// What becomes of the secret in AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StoreDeletion {
    #[default]
    Retain,
    Delete,
    /// Of a newer version of us; never written. Nothing is lost on doubt: to be read as Retain.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// What becomes of the credential at the partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PartnerDeletion {
    #[default]
    Retain,
    Revoke,
    /// Of a newer version of us; never written. Nothing is lost on doubt: to be read as Retain.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

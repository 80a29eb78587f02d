//! `Rotation`: one attempt to replace a credential; its status is the journal that is written before each effect.
//!
//! Invariant: the spec never changes, and the journal alone tells what was about to happen when a process died. It has no
//! controller of its own: the reconcile of its `ManagedExternalSecret` drives it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectRef, rule};

/// What is to be rotated, and why.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "managed-secrets.io",
    version = "v1alpha1",
    kind = "Rotation",
    namespaced,
    status = "RotationStatus",
    shortname = "rot",
    category = "managed-secrets",
    derive = "PartialEq",
    doc = "One rotation of a ManagedExternalSecret: create one to have it rotated now, wait for its conditions Promoted (the new credential is in use) and Complete (the old one is dead).",
    selectable = ".spec.resourceRef.name",
    selectable = ".spec.trigger",
    printcolumn(name = "Resource", type_ = "string", json_path = ".spec.resourceRef.name"),
    printcolumn(name = "Trigger", type_ = "string", json_path = ".spec.trigger"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Promoted", type_ = "date", json_path = ".status.promoteTime"),
    printcolumn(name = "Completed", type_ = "date", json_path = ".status.completionTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Version", type_ = "string", priority = 1, json_path = ".status.versionID"),
    printcolumn(name = "Attempt", type_ = "integer", priority = 1, json_path = ".status.attempt"),
    printcolumn(name = "Revoke After", type_ = "string", priority = 1, json_path = ".status.revokeAfterTime"),
    validation = rule(
        ".spec",
        "self.spec == oldSelf.spec",
        "spec of a Rotation is fixed: create another Rotation, and delete this one to cancel it before its promotion"
    ),
    validation = rule(
        ".spec.revocation",
        "self.spec.revocation != 'AtOnce' || self.spec.trigger == 'Compromise'",
        "AtOnce revokes without proof that nobody holds the old credential: only with trigger Compromise"
    ),
    validation = rule(
        ".spec.candidate",
        "!has(self.spec.candidate) || self.spec.trigger in ['Request', 'Compromise']",
        "a candidate of your own is for trigger Request or Compromise: the others have the partner make a new credential"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct RotationSpec {
    /// The ManagedExternalSecret of this namespace that is to be rotated.
    pub resource_ref: ObjectRef,
    /// Why. People write Request, or Compromise where somebody has the credential who should not: then a running rotation makes way, no overlap is kept, and every earlier credential of ours is revoked. The operator proves the others from facts and refuses them (NotDue) if they do not hold.
    #[serde(default)]
    pub trigger: Trigger,
    /// When the earlier credentials are revoked: WhenProven = once every region and target carries the new one; AtOnce (only with Compromise) = right after the promotion, whoever still holds them.
    #[serde(default)]
    pub revocation: Revocation,
    /// A credential of your own, in place of a new one that the partner makes: exactly one of fromSecret and versionID. Tried at the partner before anything gives way to it; a running rotation that is no Compromise then makes way. What was in use is revoked as ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
}

/// A credential that a person wants in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.fromSecret) != has(self.versionID)",
    "candidate must hold exactly one of fromSecret and versionID"
))]
pub struct Candidate {
    /// A Secret of this namespace, of type managed-secrets.io/seed, its keys the fields of the credential, as for onboard.fromSecret. Read until it is stored; delete it once the Rotation is Promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_secret: Option<ObjectRef>,
    /// An earlier version of the AWS secret whose credential the partner still accepts (status.versions of the resource): it is rolled back to. One that is revoked, given up, or was superseded by a Compromise does not come back (VersionNotLive).
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 32, max = 64))]
    #[x_kube(validation = (
        r"self.matches(r'^[!-~]+$')",
        "versionID must be the id of a version of the AWS secret, as status.versions of the resource prints it"
    ))]
    pub version_id: Option<String>,
}

/// Why a rotation was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trigger {
    Onboarding,
    Schedule,
    Expiry,
    #[default]
    Request,
    Compromise,
    /// Of a newer version of us; never written. Not to be run as a plain Request: it may have meant more.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// When the earlier credentials are revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Revocation {
    #[default]
    WhenProven,
    AtOnce,
    /// Of a newer version of us; never written. What it waits for is not known: the rotation is not run.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The journal: written before each effect, so that a crash between any two calls loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Promoted, Complete, Failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where it stands, for people: Pending, Creating, Storing, Verifying, Activating, Promoting, Delivering, Overlap, Revoking, Aborting, Complete, Failed, or one that a newer version adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub phase: Option<String>,
    /// Number of the attempt, from 1; with the UID of this object it makes versionID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u16>,
    /// The effect that was about to happen, good for one call of the process that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Version that this attempt makes, also its ClientRequestToken.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version_id: Option<String>,
    /// Version that was AWSCURRENT when the attempt was intended.
    #[serde(rename = "supersededVersionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub superseded_version_id: Option<String>,
    /// Id at the partner of the credential in versionID, where it has one.
    #[serde(rename = "candidatePartnerID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub candidate_partner_id: Option<String>,
    /// true = given up: nothing more is promoted, what was made is taken back. Final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborting: Option<bool>,
    /// How often in a row the partner accepted the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_count: Option<u8>,
    /// The slot that the candidate takes, such as the role of two that rests; set with the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub slot: Option<String>,
    /// The resource's settings at the start: later edits may lengthen, never shorten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// Credentials that this rotation must revoke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub owed: Vec<OwedCredential>,
    /// Ids that the partner listed before the first create, where it has no tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 256)))]
    pub baseline: Vec<String>,
    /// When the first attempt was intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When versionID was seen as AWSCURRENT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote_time: Option<Time>,
    /// When the superseded credential may be revoked at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_after_time: Option<Time>,
    /// When nothing was owed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What still holds it up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub waiting_for: Vec<WaitingFor>,
    /// How many attempts failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<u16>,
    /// When the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_time: Option<Time>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub last_failure_reason: Option<String>,
}

/// An effect that was about to happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Which effect.
    pub effect: IntentEffect,
    /// When it was written, by the writer's clock: for people, nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Who wrote it: the lease's holder and its count of transitions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub holder: String,
}

/// An effect that cannot be repeated blindly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IntentEffect {
    Create,
    Register,
    Promote,
    /// Of a newer version of us; never written. Its fate is unknown: nothing is created, promoted or revoked on it.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The resource's settings at the start of the rotation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Snapshot {
    /// How long the superseded credential lives on after promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub overlap: Option<String>,
}

/// A credential that must be revoked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwedCredential {
    /// Id at the partner, where it has one.
    #[serde(rename = "partnerID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub partner_id: Option<String>,
    /// Version that holds it, where it is known.
    #[serde(rename = "versionID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version_id: Option<String>,
    /// When its revocation was announced. Final: no target is given it from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doom_time: Option<Time>,
}

/// Something that holds a rotation up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct WaitingFor {
    /// Kind of thing, such as Secret, Region or Partner.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Why it holds the rotation up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub reason: String,
}

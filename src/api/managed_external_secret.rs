//! `ManagedExternalSecret`: one third-party credential, as a team declares it, and what has become of it.
//!
//! Invariant: what is *fixed once onboarded* is told by rules at the root, on `oldSelf.status.versionID`: a transition
//! rule on an optional field itself is passed by removing the field, then adding it anew.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{ObjectRef, default_store, parameters, rule, strings};

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
    validation = (
        "self.metadata.name.size() <= 52",
        "metadata.name must have at most 52 characters: its Rotations and its secret in AWS are named after it"
    ),
    validation = rule(
        ".spec.partner.type",
        "!oldSelf.?status.?versionID.hasValue() || has(oldSelf.spec.onboard.observe) \
         || self.spec.?partner.?type.orValue('') == oldSelf.spec.?partner.?type.orValue('')",
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
        "!oldSelf.?status.?versionID.hasValue() \
         || self.spec.?storeRef.?name.orValue('default') == oldSelf.spec.?storeRef.?name.orValue('default')",
        "spec.storeRef.name is fixed once the credential is onboarded: make a new ManagedExternalSecret in the other store"
    ),
    validation = rule(
        ".spec.storeRef.secretName",
        "!oldSelf.?status.?versionID.hasValue() \
         || self.spec.?storeRef.?secretName.orValue('') == oldSelf.spec.?storeRef.?secretName.orValue('')",
        "spec.storeRef.secretName is fixed once the credential is onboarded: make a new ManagedExternalSecret for the other secret"
    ),
    validation = rule(
        ".spec.rotation.engine",
        "!oldSelf.?status.?versionID.hasValue() \
         || self.spec.?rotation.?engine.orValue('Operator') == oldSelf.spec.?rotation.?engine.orValue('Operator')",
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

/// When and how the credential is rotated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".window",
        "!has(self.window) || has(self.schedule)",
        "rotation.window needs rotation.schedule: add a schedule, or remove the window"
    ),
    validation = rule(
        ".timeZone",
        "!has(self.timeZone) || has(self.schedule)",
        "rotation.timeZone needs rotation.schedule: add a schedule, or remove the time zone"
    ),
    validation = rule(
        ".timeZone",
        "!has(self.timeZone) || self.engine != 'SecretsManager'",
        "rotation.timeZone does not go with engine SecretsManager, which reads schedules in UTC: remove it"
    ),
    validation = rule(
        ".overlap",
        "!has(self.overlap) || self.engine != 'SecretsManager'",
        "rotation.overlap does not go with engine SecretsManager, where AWS decides when the old credential ends: remove it"
    )
)]
pub struct RotationPolicy {
    /// Operator = this operator rotates. SecretsManager = AWS's own rotation for the types that it knows. Fixed once onboarded.
    #[serde(default)]
    pub engine: Engine,
    /// rate(30 days), rate(12 hours) or cron(0 2 ? * SUN *), Secrets Manager's grammar, four hours apart at least; absent = only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = (
        r"self.matches(r'^(rate\([1-9][0-9]{0,4} (hours?|days?)\)|cron\([^ ()]+( [^ ()]+){5}\))$')",
        "rotation.schedule must be rate(N hours), rate(N days) or cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR) with all six fields, such as cron(0 2 ? * SUN *)"
    ))]
    pub schedule: Option<String>,
    /// How long after a due time a rotation may still start: 1h to 24h. Needs a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = (
        "self.matches(r'^([1-9]|1[0-9]|2[0-4])h$')",
        "rotation.window must be whole hours from 1h to 24h, such as 3h"
    ))]
    pub window: Option<String>,
    /// IANA name of the zone in which the schedule is read, such as Europe/Berlin; absent = UTC. Needs a schedule, not with SecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$')",
        "rotation.timeZone must be an IANA name such as Europe/Berlin or UTC"
    ))]
    pub time_zone: Option<String>,
    /// Immediate = rotate as soon as onboarded. Absent = Immediate with onboard.fromSecret, otherwise Scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstRotation>,
    /// How long the superseded credential lives on after promotion, such as 1h30m; absent = 24h, half the interval or the partner's limit, whichever is least. Not with SecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = (
        "self.matches(r'^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') && self != ''",
        "rotation.overlap must be hours, minutes and seconds in this order, such as 48h, 1h30m or 0s; days are not understood"
    ))]
    pub overlap: Option<String>,
}

/// Who rotates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    #[default]
    Operator,
    SecretsManager,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// When the first rotation after onboarding happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FirstRotation {
    Immediate,
    Scheduled,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// A Secret of this namespace that carries the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".type",
        "!has(self.type) || self.type != 'kubernetes.io/dockerconfigjson'",
        "targets[].type kubernetes.io/dockerconfigjson is not delivered in this version, which fills keys with $(current.FIELD) only: use Opaque"
    ),
    validation = rule(
        ".data",
        "!has(self.type) || self.type != 'kubernetes.io/tls' || (has(self.data) && 'tls.crt' in self.data && 'tls.key' in self.data)",
        "targets[].data must hold tls.crt and tls.key for type kubernetes.io/tls"
    ),
    validation = rule(
        ".data",
        "!has(self.type) || self.type != 'kubernetes.io/basic-auth' || (has(self.data) && ('username' in self.data || 'password' in self.data))",
        "targets[].data must hold username or password for type kubernetes.io/basic-auth"
    ),
    validation = rule(
        ".data",
        "!has(self.type) || self.type != 'kubernetes.io/ssh-auth' || (has(self.data) && 'ssh-privatekey' in self.data)",
        "targets[].data must hold ssh-privatekey for type kubernetes.io/ssh-auth"
    )
)]
pub struct TargetSpec {
    /// Name of the Secret. One that exists and is not ours is taken only with its annotation managed-secrets.io/adopt.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = (
        "self.matches(r'^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
        "targets[].name must be the name of a Secret: lower-case letters, digits, '-' and '.'"
    ))]
    pub name: String,
    /// Type of the Secret; absent = Opaque. The types of Kubernetes need their keys in data.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<TargetType>,
    /// Labels of the Secret, literally.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    #[x_kube(validation = (
        "self.all(key, !key.startsWith('managed-secrets.io/'))",
        "targets[].labels must not hold keys of managed-secrets.io/, which are the operator's: remove them"
    ))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the Secret, literally.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    #[x_kube(validation = (
        "self.all(key, !key.startsWith('managed-secrets.io/'))",
        "targets[].annotations must not hold keys of managed-secrets.io/, which are the operator's: remove them"
    ))]
    pub annotations: BTreeMap<String, String>,
    /// Key of the Secret -> $(current.FIELD); absent = each field of the credential under its own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "data")]
    #[x_kube(
        validation = (
            r"self.all(key, self[key].matches(r'^\$\(current\.[A-Za-z0-9_.-]+\)$'))",
            "targets[].data: only $(current.FIELD) is understood in this version, with nothing before or after it: name one field of the credential a key"
        ),
        validation = (
            "self.size() > 0",
            "targets[].data must hold a key: fill it, or leave it out to deliver each field under its own name"
        )
    )]
    pub data: BTreeMap<String, String>,
}

fn labels(_: &mut SchemaGenerator) -> Schema {
    strings(32, 63)
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    strings(32, 4096)
}

fn data(_: &mut SchemaGenerator) -> Schema {
    strings(64, 256)
}

/// The types of Secret that may be written: those whose meaning is known. A ServiceAccount's token or a bootstrap token
/// would grant something to whoever may write this object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TargetType {
    #[default]
    Opaque,
    #[serde(rename = "kubernetes.io/tls")]
    Tls,
    #[serde(rename = "kubernetes.io/dockerconfigjson")]
    DockerConfigJson,
    #[serde(rename = "kubernetes.io/basic-auth")]
    BasicAuth,
    #[serde(rename = "kubernetes.io/ssh-auth")]
    SshAuth,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

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

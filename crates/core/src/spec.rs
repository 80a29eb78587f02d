//! What is wanted: a resource that is always readable, and a spec that is complete and granted.
//!
//! Invariant: a [`Spec`] exists only as a result of [`crate::scope::resolve`], since its [`Scope`] holds `Granted<…>`.
//! A resource whose spec is broken is still deletable: `deletion` and `own` are read apart from it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::names::{
    AccountId, Identity, KmsKey, Namespace, ObjectName, PartnerTypeName, Region, Revision, RoleArn, SecretName, Slot,
    TargetName, Uid, VersionId,
};
use crate::partner::{Contract, PartnerType};
use crate::reason::Reason;
use crate::schedule::Schedule;
use crate::scope::{Debts, Granted, IdentityGrants};
use crate::target::TargetSpec;

/// Whose resource this is: its coordinates in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// UID of namespace `kube-system`: the cluster's id.
    pub cluster: Uid,
    /// The namespace.
    pub namespace: Namespace,
    /// The namespace's UID: a re-made namespace does not inherit.
    pub namespace_uid: Uid,
    /// The resource's name.
    pub name: ObjectName,
    /// The resource's UID.
    pub uid: Uid,
    /// When the resource was made.
    pub created: Timestamp,
}

/// A ManagedExternalSecret, as far as it can be read.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its coordinates.
    pub own: Granted<Own>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion`.
    pub revision: Revision,
    /// When its deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// When its namespace's deletion was asked for.
    pub namespace_deleting: Option<Timestamp>,
    /// Whether our finalizer is on it.
    pub held: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Why what is owed is given up (annotation `managed-secrets.io/abandon`).
    pub abandoned: bool,
    /// The deletion axes.
    pub deletion: Deletion,
    /// What an earlier pass found and wrote to `.status`: never authority for anything destructive.
    pub noted: Noted,
    /// What is wanted and granted, or why it can't be served.
    pub spec: Result<Spec, Reason>,
    /// Where `spec` is refused because a grant was withdrawn: what pays for what was superseded under it, if this process
    /// has seen it granted.
    pub debts: Option<Debts>,
}

/// What `.status` remembers. It saves reads, and decides nothing that can't be undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// `Onboarded=True` was reached.
    pub onboarded: bool,
    /// It was reached by observing: no claim of ours was ever on the secret.
    pub observed: bool,
    /// `status.secret`: an AWS secret was seen under its name, whosever it was.
    pub secret: bool,
    /// `status.observedGeneration` at which all goals held (`Ready=True`, nothing reconciling).
    pub settled_generation: Option<i64>,
    /// AWSCURRENT as last seen.
    pub version: Option<VersionId>,
    /// Regions that served it, InSync.
    pub regions: BTreeSet<Region>,
    /// Targets that carried it.
    pub targets: BTreeSet<TargetName>,
    /// `status.lastRotationTime`.
    pub last_rotation: Option<Timestamp>,
}

/// What goes along when the resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Native Secrets.
    pub targets: Fate,
    /// The AWS secret and its replicas.
    pub store: Fate,
    /// The credentials at the partner.
    pub partner: Fate,
    /// Days in which the AWS secret can be restored: 7 to 30.
    pub recovery_window_days: u8,
}

impl Deletion {
    /// Whether the AWS secret goes along: only one that was made for the resource, never one that was there before it.
    pub fn removes_secret(&self, onboard: &Onboard) -> bool {
        self.store == Fate::Remove && matches!(onboard, Onboard::FromSecret | Onboard::Mint)
    }
}

/// Kept, or taken along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// Left as it is.
    #[default]
    Retain,
    /// Deleted or revoked.
    Remove,
}

/// Where the first value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onboard {
    /// A Secret of type `managed-secrets.io/seed` in the same namespace.
    FromSecret,
    /// Made by the operator: nobody ever knew it.
    Mint,
    /// An existing AWS secret, taken over.
    Adopt,
    /// An existing AWS secret, only read.
    Observe,
}

/// Who rotates, with all that it needs: neither can be wanted without.
#[derive(Debug, Clone)]
pub enum Engine {
    /// We do, by this contract.
    Operator(Contract),
    /// AWS does (managed external secrets).
    SecretsManager(Delegation),
    /// Nobody: the secret is only observed.
    None,
}

/// What is declared to AWS for its own rotation (`RotateSecret`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// The secret's `Type`.
    pub partner_type: PartnerTypeName,
    /// `ExternalSecretRotationMetadata`, with `adminSecretArn` where the account has one.
    pub metadata: BTreeMap<String, String>,
    /// `ExternalSecretRotationRoleArn`: the store's, never a resource's.
    pub role: RoleArn,
    /// `ScheduleExpression`, as written; absent = rotation is not scheduled.
    pub schedule: Option<String>,
    /// `Duration`, as written.
    pub window: Option<String>,
    /// `RotateImmediately`.
    pub immediately: bool,
}

/// What is wanted of a rotation.
#[derive(Debug, Clone)]
pub struct RotationSpec {
    /// Who rotates.
    pub engine: Engine,
    /// When; absent = only on request.
    pub schedule: Option<Schedule>,
    /// Whether the onboarded credential is replaced at once.
    pub first_immediately: bool,
    /// How long both credentials live at least.
    pub overlap: SignedDuration,
}

/// A region that must serve the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRegion {
    /// Its name.
    pub name: Region,
    /// The key there; absent = AWS's own key of that region.
    pub kms_key: Option<KmsKey>,
}

/// What is wanted, complete and granted.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The partner type; absent with `observe`.
    pub partner: Option<&'static PartnerType>,
    /// All that this resource may touch.
    pub scope: Scope,
    /// The partner's parameters, the account's included.
    pub parameters: BTreeMap<String, String>,
    /// Where the first value comes from.
    pub onboard: Onboard,
    /// Rotation.
    pub rotation: RotationSpec,
    /// Regions beside the primary that must serve the secret.
    pub replicas: Vec<WantedRegion>,
    /// Native Secrets.
    pub targets: Vec<TargetSpec>,
    /// `live_credentials` of the account: the lower of it and the contract's limit.
    pub live_limit: Option<u8>,
    /// Two slots of a slot contract, in order; empty for others.
    pub slots: Vec<Slot>,
}

/// All that a resource may touch: made by [`crate::scope::resolve`] alone.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its secret in Secrets Manager.
    pub store_secret: Granted<RemoteSecret>,
    /// The one place that its credentials may be sent to.
    pub origin: Option<Granted<Origin>>,
    /// The account's admin credential.
    pub admin: Option<Granted<Admin>>,
    /// Its seed.
    pub seed: Option<Granted<ObjectName>>,
    /// Its targets, less those that an older resource has: a target of the spec that is not here is never written.
    pub targets: BTreeMap<TargetName, Granted<TargetName>>,
    /// Who it rotates, as far as parameters say; several for alternating users. Empty: the value says it.
    pub identities: BTreeSet<Granted<Identity>>,
    /// Which identities it may rotate at all: asked again with each value.
    pub identity_grants: IdentityGrants,
}

/// A secret in Secrets Manager, as a resource may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSecret {
    /// The store's name.
    pub store: ObjectName,
    /// How the store is reached.
    pub access: Access,
    /// The account that it must lie in.
    pub account: Option<AccountId>,
    /// The primary region.
    pub primary: Region,
    /// Its name.
    pub name: SecretName,
    /// Its key in the primary region.
    pub kms_key: Option<KmsKey>,
    /// The claim that we put on it and look for.
    pub claim: Claim,
    /// Tags of the store, put on what we make.
    pub tags: BTreeMap<String, String>,
    /// UIDs of namespaces or clusters whose secrets may be taken back (`takeOver`).
    pub take_over: BTreeSet<Uid>,
    /// Only read: `observe`.
    pub read_only: bool,
}

/// How Secrets Manager is reached for one store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access {
    /// URL that replaces AWS's own endpoints, for all regions of the store.
    pub endpoint: Option<String>,
    /// Secret in the operator's own namespace with static keys; absent = the pod's own identity.
    pub keys: Option<ObjectName>,
    /// Role to assume.
    pub role: Option<RoleArn>,
    /// `ExternalId`, sent whenever a role is assumed.
    pub external_id: String,
}

/// Whose a secret in AWS is: what the tags `managed-secrets.io/…` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `<prefix>/<namespace>/<name>`.
    pub owner: String,
    /// UID of the cluster.
    pub cluster: Uid,
    /// The namespace.
    pub namespace: Namespace,
    /// UID of the namespace.
    pub namespace_uid: Uid,
    /// UID of the resource: a fence.
    pub uid: Uid,
}

/// The one place that a credential may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `https`, `postgresql`, …: fixed by the partner type.
    pub scheme: String,
    /// ASCII host, lower case.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path below which everything is asked (without trailing slash); a database's name for SQL.
    pub path: String,
    /// PEM of the roots that replace the built-in ones.
    pub ca_bundle: Option<String>,
    /// Networks that the host may resolve to beside public ones (CIDR).
    pub private_networks: Vec<String>,
    /// Whether an account names it; otherwise it must be one of the vendor's own hosts.
    pub account: Option<ObjectName>,
}

/// An admin credential, by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admin {
    /// A Secret of type `managed-secrets.io/admin` in the operator's own namespace.
    Secret(ObjectName),
    /// A secret of a store.
    StoreSecret(Box<RemoteSecret>),
}

impl Resource {
    /// What may be looked at: what is granted, or what a withdrawn grant leaves for payments.
    pub fn reachable(&self) -> Option<&Spec> {
        self.spec.as_ref().ok().or(self.debts.as_deref())
    }

    /// The value of `spec.rotation`'s engine, where the spec can be served or debts be paid.
    pub fn contract(&self) -> Option<&Contract> {
        match &self.reachable()?.rotation.engine {
            Engine::Operator(contract) => Some(contract),
            Engine::SecretsManager(_) | Engine::None => None,
        }
    }
}

impl Spec {
    /// Every region that must serve the secret, the primary first.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        std::iter::once(&self.scope.store_secret.primary).chain(self.replicas.iter().map(|region| &region.name))
    }
}

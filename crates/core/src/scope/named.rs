//! What a resource names: accounts and stores as their admins wrote them, and who was there before.
//!
//! Invariant: a part of an account or store that can't be read grants nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::grants::Audience;
use crate::names::{
    AccountId, Arn, Identity, KmsKey, ObjectName, Region, RoleArn, SecretName, SecretOfStore, TargetName, Uid,
};
use crate::partner::{Parameters, PartnerType};
use crate::spec::Own;

/// What a reference names, as found.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference<'a, T> {
    /// Nothing is named.
    NotNamed,
    /// Surely not there. A failed read is no `Absent`: then nothing is resolved in this pass.
    Absent,
    /// There, but not of a form that this version reads.
    Unreadable,
    /// There.
    Found(&'a T),
}

// Derived, they would ask the same of `T`.
impl<T> Clone for Reference<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Reference<'_, T> {}

/// All that one resource's references name, read now.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// `spec.storeRef.name`.
    pub store: Reference<'a, Store>,
    /// `spec.partner.accountRef`.
    pub account: Reference<'a, Account>,
    /// The store of the account's admin credential, where `spec.admin.storeRef` names one.
    pub admin_store: Reference<'a, Store>,
    /// ARN of that admin secret as AWS answered it, once somebody has looked. Needed by engine `SecretsManager` alone.
    pub admin_arn: Option<&'a Arn>,
    /// Labels of the resource's namespace. `None`: it is gone, and only a debt is paid that was sealed while it was served: then
    /// a selector speaks of it, since nobody can say any more that it did not.
    pub namespace_labels: Option<&'a BTreeMap<String, String>>,
    /// What older resources of the cluster hold.
    pub older: &'a Older,
    /// The partner type of this name, exactly: the registry's.
    pub partner_type: &'a dyn Fn(&str) -> Option<&'static PartnerType>,
}

/// What resources hold that are older than this one (by creation time, then UID): the younger never takes it.
#[derive(Debug, Clone, Default)]
pub struct Older {
    /// Identities at partners, of the whole cluster.
    pub identities: Held,
    /// Secrets, of resources that manage them (not those that observe), of the whole cluster.
    pub secrets: BTreeSet<SecretOfStore>,
    /// Targets, of the resource's own namespace.
    pub targets: BTreeSet<TargetName>,
}

/// Identities that are held, asked one at a time: thousands are, and a resource and its value name one or two.
#[derive(Clone)]
pub struct Held(Arc<dyn Fn(&Identity) -> bool + Send + Sync>);

impl Held {
    /// Those that `holds` holds of.
    pub fn by(holds: impl Fn(&Identity) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Whether this one is.
    pub fn has(&self, identity: &Identity) -> bool {
        (self.0)(identity)
    }
}

impl Default for Held {
    fn default() -> Self {
        Self::by(|_| false)
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// What one resource of the cluster holds, also while it is not served: another's claim must not fall to whoever comes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Whose.
    pub own: Own,
    /// Its identities, by its parameters and by what its status remembers of its value.
    pub identities: BTreeSet<Identity>,
    /// Its secret; absent if it only observes.
    pub secret: Option<SecretOfStore>,
    /// Its targets.
    pub targets: BTreeSet<TargetName>,
}

/// A PartnerAccount's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: ObjectName,
    /// `partnerTypes`.
    pub partner_types: BTreeSet<String>,
    /// `endpoint`, as written.
    pub endpoint: Option<String>,
    /// `caBundle`, PEM.
    pub ca_bundle: Option<String>,
    /// `privateNetworks`, CIDR.
    pub private_networks: Vec<String>,
    /// `parameters`: fixed for all users.
    pub parameters: Parameters,
    /// `admin`.
    pub admin: Option<AdminReference>,
    /// `grants`: none = nobody.
    pub grants: Vec<AccountGrant>,
    /// `limits.requestsPerMinute`.
    pub requests_per_minute: Option<u32>,
    /// `limits.liveCredentials`.
    pub live_credentials: Option<u8>,
}

/// Where the admin credential of an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminReference {
    /// `secretRef.name`: in the operator's own namespace.
    Secret(ObjectName),
    /// `storeRef`.
    StoreSecret {
        /// The store.
        store: ObjectName,
        /// The secret's name in AWS.
        name: SecretName,
    },
    /// A member that a newer version added: an admin there is, so what it may do is granted by identity alone.
    Unreadable,
}

/// One of an account's grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountGrant {
    /// To which namespaces.
    pub to: Audience,
    /// Patterns of identities; empty without an admin = any that the value itself proves.
    pub identities: Vec<String>,
}

/// A SecretsManagerStore's spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its name.
    pub name: ObjectName,
    /// `region`: the primary.
    pub region: Region,
    /// `accountID`.
    pub account: Option<AccountId>,
    /// `endpoint`.
    pub endpoint: Option<String>,
    /// `auth.secretRef.name`.
    pub keys: Option<ObjectName>,
    /// `auth.assumeRole.roleARN`.
    pub role: Option<RoleArn>,
    /// `auth.assumeRole.externalID`.
    pub external_id: Option<String>,
    /// `prefix`.
    pub prefix: String,
    /// `kmsKeyID`: of the primary region.
    pub kms_key: Option<KmsKey>,
    /// `tags`.
    pub tags: BTreeMap<String, String>,
    /// `rotationRoleARN`.
    pub rotation_role: Option<RoleArn>,
    /// `takeOver`.
    pub take_over: BTreeSet<Uid>,
    /// `regions` with their default keys.
    pub regions: BTreeMap<Region, Option<KmsKey>>,
    /// `grants`: none = nobody.
    pub grants: Vec<StoreGrant>,
    /// `limits.requestsPerSecond`.
    pub requests_per_second: Option<u32>,
}

/// One of a store's grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreGrant {
    /// To which namespaces.
    pub to: Audience,
    /// Patterns of existing secrets that may be adopted.
    pub manage: Vec<String>,
    /// Patterns of existing secrets that may be observed.
    pub observe: Vec<String>,
}

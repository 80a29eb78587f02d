//! `PartnerAccount`: a place at a partner, the admin credential for it, and which namespaces may rotate which identities.
//!
//! Invariant: closed by default. No grant, no use; an admin credential can rotate everybody's credential at the partner, so
//! a grant beside an admin names identities, not only namespaces.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{ObjectRef, default_store, parameters, rule};

/// Where the partner is, who logs in there as admin, and who may use it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "managed-secrets.io",
    version = "v1alpha1",
    kind = "PartnerAccount",
    status = "PartnerAccountStatus",
    shortname = "pacct",
    category = "managed-secrets",
    derive = "PartialEq",
    doc = "A place at a partner, set up by the platform's admin: its endpoint, its admin credential, and which namespaces may rotate which identities there.",
    printcolumn(
        name = "Type",
        type_ = "string",
        description = "The first of spec.partnerTypes.",
        json_path = ".spec.partnerTypes[0]"
    ),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec.endpoint"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".grants",
        "!has(self.admin) || !has(self.grants) || self.grants.all(grant, has(grant.identities) && grant.identities.size() > 0)",
        "spec.grants[].identities is required where spec.admin is set: an admin can rotate everybody's credential, so name the identities that these namespaces may have"
    ),
    validation = rule(
        ".endpoint",
        "!has(self.endpoint) || (isURL(self.endpoint) && url(self.endpoint).getHostname() != '')",
        "spec.endpoint must be a URL with a host, such as https://acme.example or postgresql://db.example:5432/postgres"
    ),
    validation = rule(
        ".endpoint",
        "!has(self.endpoint) || (!self.endpoint.contains('@') && !self.endpoint.contains('?') && !self.endpoint.contains('#'))",
        "spec.endpoint must have no user, query or fragment: credentials belong in the Secret of spec.admin, options in spec.parameters"
    ),
    validation = rule(
        ".endpoint",
        "!has(self.endpoint) || !self.endpoint.startsWith('http:')",
        "spec.endpoint must be reached over TLS: https://"
    ),
    validation = rule(
        ".caBundle",
        "!has(self.caBundle) || self.caBundle.contains('-----BEGIN CERTIFICATE-----')",
        "spec.caBundle must be certificates in PEM: -----BEGIN CERTIFICATE-----"
    ),
    validation = rule(
        ".caBundle",
        "!has(self.caBundle) || !self.caBundle.contains('PRIVATE KEY-----')",
        "spec.caBundle must not hold a private key: certificates only, this object is public. Take that key as disclosed"
    )
)]
pub struct PartnerAccountSpec {
    /// Types of credential that this place issues; `mes partners` lists them.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = (
            "self.all(type, type.matches(r'^[A-Za-z][A-Za-z0-9]*$'))",
            "spec.partnerTypes[] must be letters and digits and begin with a letter, as `mes partners` prints them"
        )
    )]
    pub partner_types: Vec<String>,
    /// URL of the place, without user, query and fragment; absent = the vendor's host. Must equal the key `endpoint` of the admin Secret, so that editing this object cannot send the credential elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub endpoint: Option<String>,
    /// Certificates in PEM that sign the endpoint's; absent = the public roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// Private networks (CIDR) that the endpoint's name may resolve to; absent = none. Inside the cluster: the exact address, /32 or /128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 49)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = (
            "self.all(network, isCIDR(network))",
            "spec.privateNetworks[] must be networks such as 10.20.0.0/16, one address is 10.20.0.1/32"
        )
    )]
    pub private_networks: Vec<String>,
    /// Parameters for all users of this account; a resource that repeats a key with another value is refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "parameters")]
    #[x_kube(validation = (
        "!('adminSecretArn' in self)",
        "spec.parameters must not hold adminSecretArn: name the admin credential by spec.admin"
    ))]
    pub parameters: BTreeMap<String, String>,
    /// The admin credential; absent = only credentials that rotate themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Who may use this account; they add up; absent = nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub grants: Vec<AccountGrant>,
    /// What this account may be asked; absent = the partner's limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<AccountLimits>,
}

/// Where the admin credential is. A member that a newer version added reads as none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.secretRef) != has(self.storeRef)",
    "admin must hold exactly one of secretRef and storeRef"
))]
pub struct Admin {
    /// A Secret of the operator's namespace, of type managed-secrets.io/admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectRef>,
    /// A secret in AWS Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<AdminStoreRef>,
}

/// A secret in a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminStoreRef {
    /// The SecretsManagerStore.
    #[serde(default = "default_store")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Name of the secret in AWS, not its ARN.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z0-9/_+=.@-]+$')",
        "admin.storeRef.secretName must be the name of a secret, not an ARN: letters, digits and / _ + = . @ -"
    ))]
    pub secret_name: String,
}

/// Namespaces, and the identities that they may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.namespaces) != has(self.namespaceSelector)",
    "grants[] must hold exactly one of namespaces and namespaceSelector; every namespace is namespaceSelector: {}"
))]
pub struct AccountGrant {
    /// Names of namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    pub namespaces: Vec<String>,
    /// Namespaces by label; {} = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Identities at the partner: exact, or a prefix and *; {namespace} stands for the namespace. Required with an admin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(validation = (
        r"self.all(identity, identity.matches(r'^([^{}*]|\{namespace\}[_./:])*(\{namespace\}|\*)?$'))",
        "grants[].identities[] must be exact or end in one *, and {namespace} must end it or be followed by one of _ . / : (else {namespace}-* lets one namespace reach another)"
    ))]
    pub identities: Vec<String>,
}

/// What an account may be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountLimits {
    /// Requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub requests_per_minute: Option<u32>,
    /// Credentials of one identity that may live at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub live_credentials: Option<u8>,
}

/// What the operator last saw; written on change only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnerAccountStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

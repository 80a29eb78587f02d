//! Where the value is delivered: Secrets of the resource's own namespace.
//!
//! Invariant: nothing of what stands here can make a Secret that grants something by its type or by our own keys.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::api::{rule, strings};

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

// Only types whose meaning is known: a ServiceAccount's token or a bootstrap token would grant something to whoever may
// write this object.
/// Type of the Secret; absent = Opaque. The types of Kubernetes need their keys in data.
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

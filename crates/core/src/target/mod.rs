//! What a native Secret carries: the keys of a target rendered from one version of a credential.
//!
//! Invariant: pure and total; substitution only, so that rendering cannot fail by a *value* and is no oracle for who may
//! only create resources. No error holds a text of a value. Called by `controller::perform` (bytes) and by the API's
//! parser (templates).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use thiserror::Error;

use crate::partner::format::showable;
use crate::secret::{Sensitive, Value};

/// The most bytes of all texts of a Secret together: Kubernetes' own limit.
pub const LONGEST_SECRET: usize = 1024 * 1024;

/// The types of Secret that are written. Anything else (service account tokens, bootstrap tokens, Helm releases, …) would
/// let a team make the operator mint power: there is no variant for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretType {
    /// `Opaque`.
    #[default]
    Opaque,
    /// `kubernetes.io/tls`: `tls.crt` and `tls.key`.
    Tls,
    /// `kubernetes.io/basic-auth`: `username` or `password`.
    BasicAuth,
    /// `kubernetes.io/ssh-auth`: `ssh-privatekey`.
    SshAuth,
}

/// Domains of labels and annotations by which other controllers take a Secret for more than its bytes: Argo CD's
/// repositories and clusters, reflectors that copy it into other namespaces, tokens, Helm releases, a Jenkins credential.
/// The chart's leash knows the same list, and a test holds the two together.
pub const ACTED_UPON: [&str; 19] = [
    "managed-secrets.io",
    "kubernetes.io",
    "k8s.io",
    "x-k8s.io",
    "argoproj.io",
    "emberstack.com",
    "mittwald.de",
    "appscode.com",
    "helm.sh",
    "cert-manager.io",
    "external-secrets.io",
    "fluxcd.io",
    "cattle.io",
    "jenkins.io",
    "konghq.com",
    "tekton.dev",
    "crossplane.io",
    "bitnami.com",
    "openshift.io",
];

/// Whether another controller may act upon a Secret because of this key of its labels or annotations: whether its prefix
/// is one of [`ACTED_UPON`] or below it. `app.kubernetes.io/` only describes, and is free.
pub fn acted_upon(key: &str) -> bool {
    let Some((prefix, _)) = key.split_once('/') else { return false };
    let below = |domain: &str| prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    prefix != "app.kubernetes.io" && ACTED_UPON.iter().any(|domain| below(domain))
}

/// A target as a resource declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// The Secret's name.
    pub name: String,
    /// Its type.
    pub type_: SecretType,
    /// Its labels, beside ours.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, beside ours.
    pub annotations: BTreeMap<String, String>,
    /// Key to template; `None`: each field of the value is a key.
    pub data: Option<BTreeMap<String, Template>>,
}

/// What stands behind a key: for now exactly one field of the current value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    field: String,
}

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Text beside the reference, a filter, or no reference.
    #[error("must be exactly $(current.FIELD), for example $(current.password), with nothing before or after it")]
    NotAReference,
    /// The field's name has characters that no field has.
    #[error("names no field: between $(current. and ) letters, digits, '_', '-' and '.' are allowed, at most 64")]
    FieldName,
}

/// Why a target cannot be rendered (reason `TemplateInvalid`).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// Templates name fields that the value has not.
    #[error("targets[{target}].data refers to fields that the value has not: {}; it has {}", list(.fields), list(.known))]
    MissingFields {
        /// The target.
        target: String,
        /// The fields.
        fields: BTreeSet<String>,
        /// The fields that there are.
        known: BTreeSet<String>,
    },
    /// The Secret's type needs keys that are not there.
    #[error("targets[{target}] of type {type_} needs {keys}: map it in targets[{target}].data")]
    MissingKeys {
        /// The target.
        target: String,
        /// Its type.
        type_: SecretType,
        /// What it needs, in words.
        keys: &'static str,
    },
    /// Keys that Kubernetes refuses.
    #[error("targets[{target}] has keys that a Secret cannot have: {}; keys are of letters, digits, '-', '_' and '.', at most 253; map the fields in targets[{target}].data", list(.keys))]
    InvalidKeys {
        /// The target.
        target: String,
        /// The keys, as far as they may be shown.
        keys: BTreeSet<String>,
    },
    /// More than Kubernetes takes.
    #[error(
        "targets[{target}] is larger than the {LONGEST_SECRET} bytes of a Secret: map fewer fields in targets[{target}].data"
    )]
    TooLarge {
        /// The target.
        target: String,
    },
}

impl SecretType {
    /// As Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opaque => "Opaque",
            Self::Tls => "kubernetes.io/tls",
            Self::BasicAuth => "kubernetes.io/basic-auth",
            Self::SshAuth => "kubernetes.io/ssh-auth",
        }
    }

    /// The type of this name; `None`: not on the allow-list.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Opaque, Self::Tls, Self::BasicAuth, Self::SshAuth].into_iter().find(|known| known.name() == name)
    }

    /// What the type needs and the keys lack, in words.
    fn lacking<'a>(self, keys: impl Fn(&str) -> bool + 'a) -> Option<&'static str> {
        let (holds, words) = match self {
            Self::Opaque => (true, ""),
            Self::Tls => (keys("tls.crt") && keys("tls.key"), "the keys tls.crt and tls.key"),
            Self::BasicAuth => (keys("username") || keys("password"), "the key username or password"),
            Self::SshAuth => (keys("ssh-privatekey"), "the key ssh-privatekey"),
        };
        (!holds).then_some(words)
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Template {
    /// Reads `$(current.FIELD)`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let inner = text.strip_prefix("$(current.").and_then(|rest| rest.strip_suffix(')'));
        let field =
            inner.filter(|inner| !inner.contains(['(', ')', '$', '|', ' '])).ok_or(TemplateError::NotAReference)?;
        if !is_key(field, 64) {
            return Err(TemplateError::FieldName);
        }
        Ok(Self { field: field.to_owned() })
    }

    /// The field of the current value that it stands for.
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// The keys and texts of a target, from the value that AWSCURRENT holds.
pub fn render(target: &TargetSpec, value: &Value) -> Result<BTreeMap<String, Sensitive>, RenderError> {
    let name = || target.name.clone();
    let pairs: Vec<(&str, &str)> = match &target.data {
        Some(data) => data.iter().map(|(key, template)| (key.as_str(), template.field())).collect(),
        None => value.names().map(|field| (field, field)).collect(),
    };
    let keys: BTreeSet<_> =
        pairs.iter().filter(|(key, _)| !is_key(key, 253)).map(|(key, _)| showable(key).to_owned()).collect();
    if !keys.is_empty() {
        return Err(RenderError::InvalidKeys { target: name(), keys });
    }
    let fields: BTreeSet<_> =
        pairs.iter().filter(|(_, field)| value.get(field).is_none()).map(|(_, field)| (*field).to_owned()).collect();
    if !fields.is_empty() {
        let known = value.names().map(|field| showable(field).to_owned()).collect();
        return Err(RenderError::MissingFields { target: name(), fields, known });
    }
    if let Some(keys) = target.type_.lacking(|wanted| pairs.iter().any(|(key, _)| *key == wanted)) {
        return Err(RenderError::MissingKeys { target: name(), type_: target.type_, keys });
    }
    let texts = || pairs.iter().filter_map(|(key, field)| Some((*key, value.get(field)?.expose())));
    if texts().map(|(_, text)| text.len()).sum::<usize>() > LONGEST_SECRET {
        return Err(RenderError::TooLarge { target: name() });
    }
    Ok(texts().map(|(key, text)| (key.to_owned(), Sensitive::new(text.to_owned()))).collect())
}

/// Whether a text can be a key of a Secret, with at most `longest` bytes. `.` and `..` cannot: they would be paths.
fn is_key(text: &str, longest: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(plain) && text != "." && !text.starts_with("..")
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

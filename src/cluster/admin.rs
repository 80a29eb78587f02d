//! Secrets of the operator's own namespace: admin credentials of accounts, static keys of stores.
//!
//! Invariant: read by name, one at a time, and only of type `managed-secrets.io/admin`, so that no object of a platform
//! team can make the operator log in with a Secret that was meant for something else. Called by `controller::reach`.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use mes_core::facts::Answer;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{Namespace, ObjectName};
use mes_core::secret::{Sensitive, Value};

use super::target::texts;
use super::{ADMIN_TYPE, fault};

/// The operator's own namespace.
#[derive(Clone)]
pub struct Home {
    secrets: Api<Secret>,
}

/// The keys of a static AWS credential: ours, then AWS's own spellings (environment, shared file).
const KEYS: [(&str, &[&str]); 3] = [
    ("accessKeyID", &["accessKeyId", "AWS_ACCESS_KEY_ID", "aws_access_key_id"]),
    ("secretAccessKey", &["AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"]),
    ("sessionToken", &["AWS_SESSION_TOKEN", "aws_session_token"]),
];

impl Home {
    /// The Secrets of `namespace`, which is the operator's own: from its flags, never from an object.
    pub fn of(client: &Client, namespace: &Namespace) -> Self {
        Self { secrets: Api::namespaced(client.clone(), namespace.as_str()) }
    }

    /// The admin credential in the Secret `name`: its fields, with `endpoint` and, where it has one, `ca.crt`.
    ///
    /// [`FaultKind::Rejected`] with code `WrongSecretType` or `NotText`: there, and not to be used.
    pub async fn admin(&self, name: &ObjectName) -> Answer<Value> {
        let Some(secret) = fault::absent(name.as_str(), self.secrets.get(name.as_str()).await)? else {
            return Ok(None);
        };
        let right_type = secret.type_.as_deref() == Some(ADMIN_TYPE);
        let (value, not_text) = texts(secret.data);
        match (right_type, not_text.is_empty()) {
            (false, _) => Err(rejected("WrongSecretType")),
            (true, false) => Err(rejected("NotText")),
            (true, true) => Ok(Some(value)),
        }
    }

    /// The static AWS keys in the Secret `name`: exactly `accessKeyID`, `secretAccessKey` and, where there is one,
    /// `sessionToken`. AWS's own spellings are taken for ours.
    ///
    /// [`FaultKind::Rejected`] with code `WrongSecretType`, `NotText` or `KeysMissing`: there, and not to be used.
    pub async fn keys(&self, name: &ObjectName) -> Answer<Value> {
        let Some(found) = self.admin(name).await? else { return Ok(None) };
        let keys = spelt(&found);
        let whole = ["accessKeyID", "secretAccessKey"].iter().all(|key| keys.get(key).is_some());
        if whole { Ok(Some(keys)) } else { Err(rejected("KeysMissing")) }
    }
}

fn spelt(found: &Value) -> Value {
    let text = |key: &str, others: &[&str]| {
        let spellings = std::iter::once(key).chain(others.iter().copied());
        spellings.filter_map(|spelling| found.get(spelling)).find(|text| !text.expose().trim().is_empty())
    };
    // Trimmed: a key that `kubectl create secret --from-file` read ends in a line break.
    let trimmed = |text: &Sensitive| Sensitive::new(text.expose().trim().to_owned());
    KEYS.iter().filter_map(|(key, others)| Some(((*key).to_owned(), trimmed(text(key, others)?)))).collect()
}

fn rejected(code: &str) -> Fault {
    Fault::new(Place::Cluster, FaultKind::Rejected, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(fields: &[(&str, &str)]) -> Value {
        fields.iter().map(|(key, text)| ((*key).to_owned(), Sensitive::new((*text).to_owned()))).collect()
    }

    #[test]
    fn the_spellings_of_aws_are_taken_and_nothing_else() {
        let found = value(&[("AWS_ACCESS_KEY_ID", "AKIA\n"), ("aws_secret_access_key", "s"), ("region", "eu-west-1")]);
        assert!(spelt(&found).same(&value(&[("accessKeyID", "AKIA"), ("secretAccessKey", "s")])));
        let both = value(&[("accessKeyID", "ours"), ("AWS_ACCESS_KEY_ID", "theirs"), ("sessionToken", "")]);
        assert!(spelt(&both).same(&value(&[("accessKeyID", "ours")])));
    }
}

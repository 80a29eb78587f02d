//! The documents in `docs/iam`, filled for one store: the one way in which tests get them.
//!
//! Invariant: a word in capitals that has no value leaves no trace: its entry goes, and a statement that thereby has no
//! resource or compares with nothing goes whole. Called by tests and by whoever wants a sandbox that judges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Entity, Setup};

/// The documents by name.
pub const DOCUMENTS: [(&str, &str); 9] = [
    ("mes-base", include_str!("../../../../docs/iam/mes-base.json")),
    ("mes-base-trust-irsa", include_str!("../../../../docs/iam/mes-base-trust-irsa.json")),
    ("mes-store", include_str!("../../../../docs/iam/mes-store.json")),
    ("mes-store-optional", include_str!("../../../../docs/iam/mes-store-optional.json")),
    ("mes-store-trust", include_str!("../../../../docs/iam/mes-store-trust.json")),
    ("mes-rotation", include_str!("../../../../docs/iam/mes-rotation.json")),
    ("mes-rotation-trust", include_str!("../../../../docs/iam/mes-rotation-trust.json")),
    ("key-policy", include_str!("../../../../docs/iam/key-policy.json")),
    ("organisation-guard", include_str!("../../../../docs/iam/organisation-guard.json")),
];

/// What the words in capitals stand for, in one account.
#[derive(Clone, Debug)]
pub struct Install {
    /// Account of the store, twelve digits; also that of the operator.
    pub account: String,
    /// Name of the store's role: `mes-store`, where a cluster has one store.
    pub store_role: String,
    /// Region of the store.
    pub primary: String,
    /// Its replica regions.
    pub replicas: Vec<String>,
    /// Its prefix.
    pub prefix: String,
    /// UID of `kube-system`.
    pub cluster: String,
    /// Namespace of the operator.
    pub operator_namespace: String,
    /// ARNs of the keys in the store's region.
    pub primary_keys: Vec<String>,
    /// ARNs of the keys in its replica regions.
    pub replica_keys: Vec<String>,
    /// Names of secrets that are adopted or observed, with wildcards, and ARNs of their keys.
    pub adopted: (Vec<String>, Vec<String>),
    /// ARNs of admin secrets and of their keys.
    pub admin: (Vec<String>, Vec<String>),
    /// Partner types that AWS rotates.
    pub types: Vec<String>,
    /// Keys of the store's own tags.
    pub tag_keys: Vec<String>,
    /// Clusters that the store takes over from.
    pub take_over: Vec<String>,
}

impl Install {
    /// ARN of a role of the account.
    pub fn role(&self, name: &str) -> String {
        format!("arn:aws:iam::{}:role/{name}", self.account)
    }

    /// The three roles under the documents, and the keys. Access keys are for the caller to add.
    pub fn setup(&self) -> Setup {
        let entity = |trust: &str, policies: &[&str]| Entity {
            trust: Some(self.document(trust, &self.primary)),
            policies: policies.iter().map(|name| ((*name).to_owned(), self.document(name, &self.primary))).collect(),
        };
        let principals = BTreeMap::from([
            (self.role("mes-base"), entity("mes-base-trust-irsa", &["mes-base"])),
            (self.role(&self.store_role), entity("mes-store-trust", &["mes-store", "mes-store-optional"])),
            (self.role("mes-rotation"), entity("mes-rotation-trust", &["mes-rotation"])),
        ]);
        let every = [&self.primary_keys, &self.replica_keys, &self.adopted.1, &self.admin.1];
        let keys = every.into_iter().flatten().map(|arn| {
            let region = arn.split(':').nth(3).unwrap_or_default();
            (arn.clone(), self.document("key-policy", region))
        });
        Setup { principals, keys: keys.collect(), ..Setup::default() }
    }

    /// A user under the same documents, for a store without a role: the path of one namespace stands where the tag did.
    pub fn user(&self, namespace: &str) -> Entity {
        let policy = |name: &str| {
            let text = self.document(name, &self.primary).to_string();
            let text = text.replace("${aws:PrincipalTag/mes-namespace}", namespace);
            (name.to_owned(), serde_json::from_str(&text).unwrap_or_default())
        };
        Entity { trust: None, policies: ["mes-base", "mes-store", "mes-store-optional"].map(policy).into() }
    }

    /// One document, filled; `Null` if there is none of that name. `region` is the region of a key.
    pub fn document(&self, name: &str, region: &str) -> Value {
        let text = DOCUMENTS.iter().find(|(known, _)| *known == name).map_or("null", |(_, text)| text);
        let text = text.replace(":role/mes-store\"", &format!(":role/{}\"", self.store_role));
        let mut document: Value = serde_json::from_str(&text).unwrap_or_default();
        let words = self.words(region);
        if let Some(statements) = document["Statement"].as_array_mut() {
            let filled = statements.iter().filter_map(|statement| fill(statement, &words)).collect();
            *statements = filled;
        }
        document
    }

    /// Longer words first: some are part of others.
    fn words(&self, region: &str) -> Vec<(&'static str, Vec<String>)> {
        let one = |text: &str| vec![text.to_owned()];
        let mut words = vec![
            ("OPERATOR_ACCOUNT", one(&self.account)),
            ("OPERATOR_NAMESPACE", one(&self.operator_namespace)),
            ("ACCOUNT", one(&self.account)),
            ("PRIMARY_KEY_ARN", self.primary_keys.clone()),
            ("REPLICA_KEY_ARN", self.replica_keys.clone()),
            ("ADOPTED_KEY_ARNS", self.adopted.1.clone()),
            ("ADOPTED_NAMES", self.adopted.0.clone()),
            ("ADMIN_SECRET_ARN", self.admin.0.clone()),
            ("ADMIN_KEY_ARNS", self.admin.1.clone()),
            ("TAKE_OVER_CLUSTER_UIDS", self.take_over.clone()),
            ("STORE_TAG_KEYS", self.tag_keys.clone()),
            ("OIDC_PROVIDER", one("oidc.example.com")),
            ("THIS_REGION", one(region)),
            ("PRIMARY", one(&self.primary)),
            ("REPLICA", self.replicas.clone()),
            ("PREFIX", one(&self.prefix)),
            ("CLUSTER", one(&self.cluster)),
            ("TYPES", self.types.clone()),
            ("BREAKGLASS", one("break-glass")),
        ];
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        words
    }
}

/// `None`: nothing is left of it.
fn fill(value: &Value, words: &[(&'static str, Vec<String>)]) -> Option<Value> {
    match value {
        Value::String(text) => match texts(text, words).as_slice() {
            [] => None,
            [one] => Some(json!(one)),
            many => Some(json!(many)),
        },
        Value::Array(all) => {
            let filled: Vec<Value> = all
                .iter()
                .filter_map(|one| fill(one, words))
                .flat_map(|one| match one {
                    Value::Array(many) => many,
                    one => vec![one],
                })
                .collect();
            (!filled.is_empty()).then_some(Value::Array(filled))
        }
        Value::Object(all) => {
            // A key can hold a word: `OIDC_PROVIDER:aud`.
            let member = |(key, one): (&String, &Value)| Some((texts(key, words).pop()?, fill(one, words)?));
            all.iter().map(member).collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
        }
        other => Some(other.clone()),
    }
}

/// A text for each value of the words in it.
fn texts(text: &str, words: &[(&'static str, Vec<String>)]) -> Vec<String> {
    let Some((place, (word, values))) = words.iter().enumerate().find(|(_, (word, _))| text.contains(word)) else {
        return vec![text.to_owned()];
    };
    values.iter().flat_map(|value| texts(&text.replace(word, value), &words[place + 1..])).collect()
}

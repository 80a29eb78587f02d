//! A secret as the service keeps it, and how it is told on the wire.
//!
//! Invariant: a label sits on at most one version; a version without a label and without a value does not stay.
//! Built by `versions`, `replication` and `rotation`, read by `listing`.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::schedule::Rules;

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
pub(crate) const PENDING: &str = "AWSPENDING";

/// What a version holds. Shared, so that a replica or a draft costs no copy of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Contents {
    Text(Arc<str>),
    Binary(Arc<[u8]>),
}

#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) id: String,
    /// Absent in the placeholder that `RotateSecret` makes.
    pub(crate) contents: Option<Contents>,
    pub(crate) labels: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) accessed: Option<Timestamp>,
    pub(crate) kms_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Pair {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

#[derive(Clone, Default)]
pub(crate) struct Rotation {
    pub(crate) enabled: bool,
    pub(crate) lambda: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) metadata: Vec<Pair>,
    pub(crate) rules: Option<Rules>,
    pub(crate) last: Option<Timestamp>,
    pub(crate) next: Option<Timestamp>,
    /// The version of a rotation that runs now.
    pub(crate) running: Option<String>,
    /// The appointment that holds; one with another ticket is of an older setting, or of a namesake. 0: none.
    pub(crate) ticket: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaState {
    InSync,
    InProgress,
    Failed,
}

#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) region: String,
    pub(crate) kms_key: Option<String>,
    pub(crate) state: ReplicaState,
    pub(crate) message: Option<String>,
    pub(crate) overwrite: bool,
}

#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) name: String,
    /// The six characters at the end of the ARN, the same in every region.
    pub(crate) suffix: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) description: Option<String>,
    pub(crate) kms_key: Option<String>,
    pub(crate) kind: Option<String>,
    /// The AWS service that made it for itself.
    pub(crate) owning_service: Option<String>,
    pub(crate) tags: Vec<Pair>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) accessed: Option<Timestamp>,
    /// When it goes for good; present while it is scheduled for deletion.
    pub(crate) deleted: Option<Timestamp>,
    pub(crate) versions: Vec<Version>,
    pub(crate) rotation: Rotation,
    pub(crate) policy: Option<String>,
    /// Present on every secret that is or has a replica.
    pub(crate) primary_region: Option<String>,
    pub(crate) replicas: Vec<Replica>,
    /// What readers still see until the instant, with the knob of eventual consistency on.
    pub(crate) stale: Option<(Timestamp, Box<Secret>)>,
}

impl Contents {
    pub(crate) fn tell(&self, into: &mut Map<String, Value>) {
        match self {
            Self::Text(text) => into.insert("SecretString".into(), Value::String(text.to_string())),
            Self::Binary(bytes) => into.insert("SecretBinary".into(), Value::String(STANDARD.encode(bytes))),
        };
    }
}

impl Version {
    pub(crate) fn carries(&self, label: &str) -> bool {
        self.labels.iter().any(|own| own == label)
    }
}

impl Secret {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:secretsmanager:{}:{}:secret:{}-{}", self.region, self.account, self.name, self.suffix)
    }

    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(crate) fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id)
    }

    pub(crate) fn holder(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.carries(label))
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.primary_region.as_ref().is_some_and(|primary| *primary != self.region)
    }

    /// What a reader sees by label or in a list: the secret itself, or its past while consistency lags.
    pub(crate) fn seen(&self, now: Timestamp) -> &Secret {
        match &self.stale {
            Some((until, past)) if now < *until => past,
            _ => self,
        }
    }

    pub(crate) fn replication_status(&self) -> Value {
        self.replicas.iter().map(Replica::told).collect()
    }

    /// `DescribeSecret`, and with `SecretVersionsToStages` an entry of `ListSecrets`.
    pub(crate) fn described(&self, listed: bool) -> Map<String, Value> {
        let mut told = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                told.insert(key.into(), value);
            }
        };
        put("ARN", Some(self.arn().into()));
        put("Name", Some(self.name.clone().into()));
        put("Type", self.kind.clone().map(Value::from));
        put("OwningService", self.owning_service.clone().map(Value::from));
        put("Description", self.description.clone().map(Value::from));
        put("KmsKeyId", self.kms_key.clone().map(Value::from));
        let rotation = &self.rotation;
        let configured = rotation.enabled || rotation.rules.is_some() || rotation.role.is_some();
        put("RotationEnabled", configured.then(|| rotation.enabled.into()));
        put("RotationLambdaARN", rotation.lambda.clone().map(Value::from));
        put("RotationRules", rotation.rules.as_ref().map(Rules::told));
        put("ExternalSecretRotationMetadata", (!rotation.metadata.is_empty()).then(|| json!(rotation.metadata)));
        put("ExternalSecretRotationRoleArn", rotation.role.clone().map(Value::from));
        put("LastRotatedDate", rotation.last.map(epoch));
        put("NextRotationDate", rotation.next.map(epoch));
        put("LastChangedDate", Some(epoch(self.changed)));
        put("LastAccessedDate", self.accessed.map(day));
        put("DeletedDate", self.deleted.map(epoch));
        put("Tags", Some(json!(self.tags)));
        put("CreatedDate", Some(epoch(self.created)));
        put("PrimaryRegion", self.primary_region.clone().map(Value::from));
        let stages: Map<String, Value> = self
            .versions
            .iter()
            .filter(|version| !version.labels.is_empty())
            .map(|version| (version.id.clone(), json!(version.labels)))
            .collect();
        let stages = (!stages.is_empty()).then_some(Value::Object(stages));
        put(if listed { "SecretVersionsToStages" } else { "VersionIdsToStages" }, stages);
        if !listed && !self.replicas.is_empty() {
            put("ReplicationStatus", Some(self.replication_status()));
        }
        told
    }
}

impl Replica {
    fn told(&self) -> Value {
        let (state, default_message) = match self.state {
            ReplicaState::InSync => ("InSync", Some("Replication succeeded")),
            ReplicaState::InProgress => ("InProgress", None),
            ReplicaState::Failed => ("Failed", None),
        };
        let mut told = json!({"Region": self.region, "Status": state,
            "KmsKeyId": self.kms_key.as_deref().unwrap_or("alias/aws/secretsmanager")});
        if let Some(message) = self.message.as_deref().or(default_message) {
            told["StatusMessage"] = message.into();
        }
        told
    }
}

/// Seconds since the epoch with milliseconds, as the JSON protocol tells time.
pub(crate) fn epoch(at: Timestamp) -> Value {
    json!(at.as_millisecond() as f64 / 1000.0)
}

/// `LastAccessedDate` is told by the day.
pub(crate) fn day(at: Timestamp) -> Value {
    json!((at.as_second().div_euclid(86_400) * 86_400) as f64)
}

//! What a test may set: lags, failures, refusals.
//!
//! Every knob has a default under which the stand-in is a quick and well-behaved AWS. Set in process through
//! `Sandbox::turn`, over HTTP through `/_sandbox/knobs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The knobs. Over HTTP each is set by its name; one that is not named keeps what it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Milliseconds from a write until it is in a replica region.
    pub replication_lag_ms: u64,
    /// Regions to which replication fails, with the `StatusMessage`.
    pub replication_failures: BTreeMap<String, String>,
    /// `ReplicationStatus` stays `InSync` after a write until the copy is made, and so describes the previous write.
    pub stale_in_sync: bool,
    /// Regions that do not answer, and how.
    pub unreachable_regions: BTreeMap<String, Unreachable>,
    /// Milliseconds for which a read by label, `DescribeSecret` and the lists still see the past. A read by version id
    /// sees the present.
    pub consistency_lag_ms: u64,
    /// AWS's published rates for each account and region.
    pub throttling: bool,
    /// Milliseconds that the service's own rotation takes.
    pub rotation_lag_ms: u64,
    /// How every rotation by the service fails; `null`: it succeeds.
    pub rotation_failure: Option<RotationFailure>,
    /// Milliseconds after which the service tries a failed rotation again by itself (AWS does not publish its own).
    pub rotation_retry_ms: u64,
    /// `PutSecretValue` and `UpdateSecret` refuse values for a secret that has a `Type` and a value.
    pub refuse_manual_writes: bool,
    /// Role ARNs that nobody may assume, `sts` and the service's rotation alike.
    pub refused_roles: Vec<String>,
    /// Role ARNs that want an external id.
    pub role_external_ids: BTreeMap<String, String>,
    /// Access keys that AWS does not know.
    pub refused_access_keys: Vec<String>,
    /// Access keys that belong to another account: key id to account id.
    pub access_key_accounts: BTreeMap<String, String>,
    /// The KMS keys that exist (key id, alias or ARN, as they are given to the API); `null`: every well-formed one.
    pub kms_keys: Option<Vec<String>>,
    /// KMS keys that exist and are disabled.
    pub disabled_kms_keys: Vec<String>,
    /// Regions that exist and are enabled.
    pub regions: Vec<String>,
    /// Calls that the log keeps, the newest.
    pub log_limit: usize,
    /// Milliseconds from `POST …/staged` until the token endpoint accepts the staged pair.
    pub salesforce_acceptance_lag_ms: u64,
    /// Milliseconds for which a revoked pair still logs in.
    pub salesforce_revocation_lag_ms: u64,
    /// Seconds that a Salesforce access token lives.
    pub salesforce_token_seconds: u64,
    /// "Allow access to External Client App consumer secrets via REST API" of the org.
    pub salesforce_secrets_via_rest: bool,
    /// `POST …/staged` answers the pair flat instead of in `stagedCredentials` (two implementations in the field differ).
    pub salesforce_flat_staged: bool,
    /// `GET …/staged` tells the key and secret of the staged pair.
    pub salesforce_staged_shows_secret: bool,
}

/// How a region does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreachable {
    /// The connection closes.
    Close,
    /// HTTP 503 without a body.
    Unavailable,
    /// Nothing ever comes.
    Silence,
}

/// How the service's own rotation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationFailure {
    /// Before a value: AWSPENDING stays on an empty version.
    EmptyPending,
    /// After the value, before promotion: AWSPENDING stays on a version with a value.
    PendingWithValue,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            replication_lag_ms: 200,
            replication_failures: BTreeMap::new(),
            stale_in_sync: false,
            unreachable_regions: BTreeMap::new(),
            consistency_lag_ms: 0,
            throttling: false,
            rotation_lag_ms: 200,
            rotation_failure: None,
            rotation_retry_ms: 3_600_000,
            refuse_manual_writes: true,
            refused_roles: Vec::new(),
            role_external_ids: BTreeMap::new(),
            refused_access_keys: Vec::new(),
            access_key_accounts: BTreeMap::new(),
            kms_keys: None,
            disabled_kms_keys: Vec::new(),
            regions: REGIONS.iter().map(ToString::to_string).collect(),
            log_limit: 100_000,
            salesforce_acceptance_lag_ms: 0,
            salesforce_revocation_lag_ms: 0,
            salesforce_token_seconds: 7_200,
            salesforce_secrets_via_rest: true,
            salesforce_flat_staged: false,
            salesforce_staged_shows_secret: false,
        }
    }
}

/// The commercial regions that are enabled without opting in, and a few that a test may want.
const REGIONS: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

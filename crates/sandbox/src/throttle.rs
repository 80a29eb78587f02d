//! AWS's published rates, per account, region and family of operations. Asked by `world` if the knob is on.
//!
//! Source: Secrets Manager quotas (reference_limits). A bucket holds one second's worth.

use std::collections::HashMap;

use jiff::Timestamp;

#[derive(Default)]
pub(crate) struct Throttle {
    buckets: HashMap<(String, String, &'static str), (Timestamp, f64)>,
}

impl Throttle {
    /// Whether the caller's account may make this call now. For a cross-account call the *caller's* account pays.
    pub(crate) fn admits(&mut self, account: &str, region: &str, operation: &str, now: Timestamp) -> bool {
        let (family, rate) = family(operation);
        let bucket = self.buckets.entry((account.to_owned(), region.to_owned(), family)).or_insert((now, rate));
        let passed = now.duration_since(bucket.0).as_secs_f64().max(0.0);
        *bucket = (now, (bucket.1 + passed * rate).min(rate));
        let admitted = bucket.1 >= 1.0;
        if admitted {
            bucket.1 -= 1.0;
        }
        admitted
    }
}

fn family(operation: &str) -> (&'static str, f64) {
    match operation {
        "GetSecretValue" => ("get", 10_000.0),
        "DescribeSecret" => ("describe", 40_000.0),
        "BatchGetSecretValue" => ("batch", 100.0),
        "ListSecrets" => ("list", 100.0),
        "PutSecretValue"
        | "UpdateSecret"
        | "UpdateSecretVersionStage"
        | "ReplicateSecretToRegions"
        | "RemoveRegionsFromReplication"
        | "StopReplicationToReplica" => ("write", 50.0),
        "RotateSecret" | "CancelRotateSecret" => ("rotate", 50.0),
        "TagResource" | "UntagResource" => ("tag", 50.0),
        "CreateSecret" => ("create", 50.0),
        "DeleteSecret" => ("delete", 50.0),
        "RestoreSecret" => ("restore", 50.0),
        "ListSecretVersionIds" => ("versions", 50.0),
        "GetRandomPassword" => ("password", 50.0),
        _ => ("policy", 50.0),
    }
}

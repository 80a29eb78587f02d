//! Whatever is called in whatever order, the invariants of labels hold, and a replica comes to equal its primary.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sandbox::{Door, Sandbox};
use serde_json::{Value, json};

const LABELS: [&str; 4] = ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "mine"];

#[derive(Clone, Debug)]
enum Step {
    Put {
        version: u8,
        labels: Vec<usize>,
    },
    Update {
        version: u8,
    },
    Swap {
        label: usize,
        from: Option<u8>,
        to: Option<u8>,
    },
    /// AWSCURRENT from wherever it is.
    Promote {
        to: u8,
    },
    Rotate {
        version: u8,
    },
    Cancel,
    Wait {
        seconds: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let version = 0..6_u8;
    prop_oneof![
        (version.clone(), prop::collection::vec(0..LABELS.len(), 1..3))
            .prop_map(|(version, labels)| Step::Put { version, labels }),
        version.clone().prop_map(|version| Step::Update { version }),
        (0..LABELS.len(), prop::option::of(version.clone()), prop::option::of(version.clone()))
            .prop_map(|(label, from, to)| Step::Swap { label, from, to }),
        version.clone().prop_map(|to| Step::Promote { to }),
        version.prop_map(|version| Step::Rotate { version }),
        Just(Step::Cancel),
        (0..2_i64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn id(version: u8) -> String {
    format!("{version:032}")
}

struct Caller {
    world: Sandbox,
    now: Timestamp,
}

impl Caller {
    fn call(&mut self, region: &str, operation: &str, body: Value) -> (u16, Value) {
        let request = Request::post("/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential=A/1/{region}/secretsmanager/aws4_request"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let answer = self.world.call(Door::Aws, &request, self.now);
        (answer.status(), answer.json())
    }

    fn take(&mut self, step: &Step) -> u16 {
        let (operation, body) = match step {
            Step::Wait { seconds } => {
                self.now += SignedDuration::from_secs(*seconds);
                return 200;
            }
            Step::Put { version, labels } => {
                let labels: Vec<&str> = labels.iter().map(|label| LABELS[*label]).collect();
                let value = json!({"hostname": "h", "refreshToken": id(*version)}).to_string();
                let body = json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": id(*version),
                    "VersionStages": labels});
                ("PutSecretValue", body)
            }
            Step::Update { version } => {
                let body = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": id(*version)});
                ("UpdateSecret", body)
            }
            Step::Swap { label, from, to } => {
                let mut body = json!({"SecretId": "s", "VersionStage": LABELS[*label]});
                for (key, version) in [("RemoveFromVersionId", from), ("MoveToVersionId", to)] {
                    if let Some(version) = version {
                        body[key] = id(*version).into();
                    }
                }
                ("UpdateSecretVersionStage", body)
            }
            Step::Promote { to } => {
                let from = self.call("us-east-1", "GetSecretValue", json!({"SecretId": "s"})).1["VersionId"].clone();
                let body = json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": from,
                    "MoveToVersionId": id(*to)});
                ("UpdateSecretVersionStage", body)
            }
            Step::Rotate { version } => {
                let role = "arn:aws:iam::123456789012:role/rotation";
                let body = json!({"SecretId": "s", "ClientRequestToken": id(*version),
                    "ExternalSecretRotationRoleArn": role});
                ("RotateSecret", body)
            }
            Step::Cancel => ("CancelRotateSecret", json!({"SecretId": "s"})),
        };
        self.call("us-east-1", operation, body).0
    }

    /// Version id to labels.
    fn stages(&mut self, region: &str) -> Value {
        self.call(region, "DescribeSecret", json!({"SecretId": "s"})).1["VersionIdsToStages"].clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_label_sits_on_one_version_awscurrent_stays_and_replicas_follow(steps in prop::collection::vec(step(), 1..40)) {
        let mut aws = Caller { world: Sandbox::new(1), now: "2026-01-01T00:00:00Z".parse().unwrap() };
        aws.world.turn(aws.now, |knobs| knobs.refuse_manual_writes = false);
        let create = json!({"Name": "s", "Type": "BigIDClientSecret", "ClientRequestToken": id(9),
            "SecretString": json!({"hostname": "h", "refreshToken": "t"}).to_string(),
            "AddReplicaRegions": [{"Region": "eu-west-1"}]});
        prop_assert_eq!(aws.call("us-east-1", "CreateSecret", create).0, 200);
        for step in &steps {
            let before = aws.stages("us-east-1");
            let status = aws.take(step);
            let stages = aws.stages("us-east-1");
            if status != 200 {
                prop_assert_eq!(&before, &stages, "a refused call left a trace: {:?}", step);
            }
            let mut seen = BTreeSet::new();
            for label in stages.as_object().unwrap().values().flat_map(|labels| labels.as_array().unwrap()) {
                prop_assert!(seen.insert(label.as_str().unwrap().to_owned()), "{label} twice after {step:?}");
            }
            prop_assert!(seen.contains("AWSCURRENT"), "no AWSCURRENT after {step:?}");
            let current = aws.call("us-east-1", "GetSecretValue", json!({"SecretId": "s"})).0;
            prop_assert_eq!(current, 200, "AWSCURRENT without a value after {:?}", step);
        }
        aws.now += SignedDuration::from_secs(5);
        let primary = aws.stages("us-east-1");
        let mut replica = aws.stages("eu-west-1");
        // The placeholder of a rotation is the primary's own: everything else is the same.
        for (version, labels) in primary.as_object().unwrap() {
            let read = json!({"SecretId": "s", "VersionId": version});
            if aws.call("us-east-1", "GetSecretValue", read).0 == 200 {
                prop_assert_eq!(&replica[version], labels);
            } else {
                replica[version] = labels.clone();
            }
        }
        prop_assert_eq!(replica, primary);
    }
}

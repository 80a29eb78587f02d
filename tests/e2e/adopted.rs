//! What lies below a name that a store grants to a team, and is not the team's all the same: tried kind by kind.

use bytes::Bytes;
use jiff::Timestamp;
use sandbox::Door;
use serde_json::{Value, json};

use crate::bad_input::{all_roles, aws, turn};
use crate::iam::{ACCOUNT, granted};
use crate::world::{World, condition_of, world, writes};

const OTHER_ACCOUNT: &str = "999999999999";
const OTHER_KEY: &str = "AKIAOFANOTHERACCOUNT";

/// The granted one, and each kind with the condition that tells why it is not taken.
const KINDS: [(&str, &str, &str); 15] = [
    ("granted", "Ready", "InService"),
    // IAM: its owner has not tagged it for this namespace of this cluster.
    ("untagged", "Stalled", "AccessDenied"),
    ("tagged-for-another-namespace", "Stalled", "AccessDenied"),
    ("tagged-for-another-cluster", "Stalled", "AccessDenied"),
    // The claim on it is somebody else's, or is not sealed.
    ("claimed-by-another", "Stalled", "SecretOwnedByAnother"),
    ("claim-forged", "Stalled", "SecretOwnedByAnother"),
    // AWS does something with it that a put would break.
    ("of-a-service", "Stalled", "SecretOwnedByAnother"),
    ("rotated-by-lambda", "Stalled", "RotatedElsewhere"),
    ("with-a-type", "Stalled", "RotatedElsewhere"),
    ("a-replica", "Stalled", "SecretOwnedByAnother"),
    ("being-deleted", "Stalled", "SecretScheduledForDeletion"),
    // The store leads elsewhere: there is none of that name.
    ("in-another-region", "Reconciling", "SecretNotFound"),
    ("in-another-account", "Reconciling", "SecretNotFound"),
    ("absent", "Reconciling", "SecretNotFound"),
    // A name that leads up is nobody's to grant.
    ("..", "Stalled", "SecretNameNotAllowed"),
];

fn name_of(kind: &str) -> String {
    format!("legacy/payments/{kind}")
}

fn role_of(place: usize) -> String {
    format!("payments_kind{place}_a")
}

/// One call to Secrets Manager in another account.
fn elsewhere(world: &World, operation: &str, body: &Value) {
    let scope = format!("{OTHER_KEY}/20260101/us-west-2/secretsmanager/aws4_request");
    let request = http::Request::post("http://sandbox/")
        .header("x-amz-target", format!("secretsmanager.{operation}"))
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = world.sandbox.with(|sandbox| sandbox.call(Door::Aws, &request, Timestamp::now()));
    assert_eq!(answer.status(), 200, "{}", answer.json());
}

/// Makes them as their owners did: each would be the namespace's to take, but for what it is called after.
fn make(world: &World) {
    let cluster = world.cluster();
    let tag = |key: &str, value: String| json!({"Key": format!("managed-secrets.io/{key}"), "Value": value});
    let claim = |kind: &str, cluster: &str, namespace: &str, uid: &str| {
        let owner = format!("e2e/{namespace}/{kind}");
        let parts = [("owner", owner.as_str()), ("cluster", cluster), ("namespace", namespace), ("namespace-uid", uid)];
        let more = [("uid", "00000000-0000-4000-8000-000000000001".to_owned()), ("seal", "0".repeat(64))];
        let parts = parts.map(|(key, value)| (key, value.to_owned())).into_iter().chain(more);
        parts.map(|(key, value)| tag(key, value)).collect::<Vec<_>>()
    };
    let own = world.get(&["namespace", "payments"])["metadata"]["uid"].as_str().unwrap().to_owned();
    for (place, (kind, ..)) in KINDS.iter().enumerate() {
        let value = json!({"host": world.postgres.host(), "port": "5432", "dbname": "postgres", "username": role_of(place),
            "password": "made-by-terraform-once"});
        let for_us = granted(world, "payments");
        let tags = match *kind {
            "untagged" => vec![],
            "tagged-for-another-namespace" => vec![granted(world, "orders")],
            "tagged-for-another-cluster" => {
                vec![tag("grant", format!("{}/payments/any", "7c1de1a8-0000-4000-8000-000000000000"))]
            }
            "claimed-by-another" => {
                let theirs = "7c1de1a8-0000-4000-8000-000000000000";
                claim(kind, theirs, "orders", theirs).into_iter().chain([for_us]).collect()
            }
            "claim-forged" => claim(kind, &cluster, "payments", &own).into_iter().chain([for_us]).collect(),
            _ => vec![for_us],
        };
        let mut body = json!({"Name": name_of(kind), "SecretString": value.to_string(), "Tags": tags,
            "ClientRequestToken": format!("by-a-person-000000000000000000001{place:03}")});
        let in_region = |region: &str, body: &Value| {
            let made = world.aws(region, "CreateSecret", body);
            assert!(made["ARN"].is_string(), "{kind}: {made}");
        };
        match *kind {
            "absent" | ".." => continue,
            "in-another-region" => in_region("eu-west-1", &body),
            "a-replica" => {
                body["AddReplicaRegions"] = json!([{"Region": "us-west-2"}]);
                in_region("eu-west-1", &body);
            }
            "in-another-account" => elsewhere(world, "CreateSecret", &body),
            "with-a-type" => {
                body["Type"] = "BigIDClientSecret".into();
                in_region("us-west-2", &body);
            }
            _ => in_region("us-west-2", &body),
        }
    }
    let id = |kind: &str| name_of(kind);
    let lambda = "arn:aws:lambda:us-west-2:123456789012:function:rotate";
    aws(
        world,
        "RotateSecret",
        &json!({"SecretId": id("rotated-by-lambda"), "RotationLambdaARN": lambda, "RotateImmediately": false,
            "RotationRules": {"AutomaticallyAfterDays": 30}}),
    );
    aws(world, "DeleteSecret", &json!({"SecretId": id("being-deleted"), "RecoveryWindowInDays": 7}));
    assert!(world.sandbox.with(|sandbox| sandbox.owned_by("us-west-2", &id("of-a-service"), "rds")));
    world.eventually("the replica is there", 30, |world| {
        let told = world.aws("eu-west-1", "DescribeSecret", &json!({"SecretId": id("a-replica")}));
        if told["ReplicationStatus"][0]["Status"] == "InSync" { Ok(()) } else { Err(told.to_string()) }
    });
}

/// All of them as they are: versions, labels and values of both accounts, and what is told of each.
fn as_they_are(world: &World) -> Vec<String> {
    let mut all = world.sandbox.with(|sandbox| {
        let accounts = [ACCOUNT, OTHER_ACCOUNT];
        let shown = accounts.iter().flat_map(|account| sandbox.secrets(account));
        let theirs =
            shown.filter(|shown| shown.name.starts_with("legacy/payments/") && shown.name != name_of("granted"));
        theirs.map(|shown| format!("{shown:?}")).collect::<Vec<_>>()
    });
    for region in ["us-west-2", "eu-west-1"] {
        for (kind, ..) in KINDS.iter().filter(|(kind, ..)| *kind != "granted") {
            let mut told = world.aws(region, "DescribeSecret", &json!({"SecretId": name_of(kind)}));
            told.as_object_mut().unwrap().remove("LastAccessedDate");
            all.push(told.to_string());
        }
    }
    all
}

fn adopts(place: usize, kind: &str) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": format!("kind-{place}"), "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"},
                "parameters": {"username": role_of(place), "alternateUsername": format!("payments_kind{place}_b"), "dbname": "postgres"}},
            "onboard": {"adopt": {}}, "storeRef": {"secretName": name_of(kind)}, "rotation": {},
            "targets": [{"name": format!("kind-{place}")}]}})
}

#[test]
fn t01_inside_the_grants_fourteen_kinds_of_secrets_that_are_not_the_teams_are_left_alone_each_for_its_reason() {
    let world = world();
    turn(&world, |knobs| drop(knobs.access_key_accounts.insert(OTHER_KEY.to_owned(), OTHER_ACCOUNT.to_owned())));
    world.sandbox.with(|sandbox| sandbox.judge_by(None)).unwrap();
    make(&world);
    world.judge(sandbox::Setup::default());
    // Each would log in: only the granted one may.
    for place in 0..KINDS.len() {
        let role = role_of(place);
        world.roles(&[&role, &format!("payments_kind{place}_b")]);
        world.postgres.psql(&format!("ALTER ROLE {role} LOGIN PASSWORD 'made-by-terraform-once'")).unwrap();
    }
    let (before, roles, mark) = (as_they_are(&world), all_roles(&world), world.mark());
    let operator = world.operator(&[]);
    // An ARN, whole or in part, is no name: the API server refuses it.
    for arn in [
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:legacy/payments/granted",
        "secret:legacy/payments/granted",
    ] {
        let mut named = adopts(99, "granted");
        named["spec"]["storeRef"]["secretName"] = arn.into();
        let answer = world.plane.kubectl_with(["create", "-f", "-"], &named.to_string()).unwrap();
        let said = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(!answer.status.success() && said.contains("spec.storeRef.secretName"), "{said}");
    }
    let items: Vec<Value> = KINDS.iter().enumerate().map(|(place, (kind, ..))| adopts(place, kind)).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    for (place, (kind, condition, reason)) in KINDS.iter().enumerate() {
        let name = format!("kind-{place}");
        let mes = world.condition(&["mes", "-n", "payments", &name], condition, "True", Some(reason), 60);
        println!("{kind}: {reason}: {}", condition_of(&mes, condition)["message"]);
        assert_eq!(world.data("payments", &name).is_empty(), *kind != "granted", "{kind}");
    }
    // Looked at again and again, they stay as they are.
    std::thread::sleep(std::time::Duration::from_secs(6));
    let calls = world.calls(mark);
    let about = |name: &Option<String>| name.as_ref().is_none_or(|name| !name.contains(&name_of("granted")));
    let loud = calls.iter().filter(|call| call.operation == "GetSecretValue" || writes(call));
    let done: Vec<_> = loud.filter(|call| about(&call.resource) && call.outcome == "ok").collect();
    assert!(done.is_empty(), "{done:?}");
    assert_eq!((as_they_are(&world), all_roles(&world)), (before, roles));
    let read =
        |operation: &str| calls.iter().filter(|call| call.operation == operation && call.outcome == "ok").count();
    assert!(read("GetSecretValue") >= 1 && read("TagResource") == 1, "the granted one was read and claimed");

    let names: Vec<String> = (0..KINDS.len()).map(|place| format!("kind-{place}")).collect();
    let mut arguments = vec!["mes", "-n", "payments"];
    arguments.extend(names.iter().map(String::as_str));
    world.delete(&arguments);
    world.delete(&["secret", "-n", "payments", "kind-0"]);
    world.drop_roles("payments_kind");
    drop(operator);
}

//! The documents of `docs/iam` on the stand-in: what they allow, to whom, on what; nothing else.
//!
//! Every call is a request with the access key of a real session: `AssumeRole` with tags from the operator's base role.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Door, Entity, Install, Sandbox};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const CLUSTER: &str = "c1u5ter0-0000-4000-8000-000000000000";
const PRIMARY: &str = "us-west-2";
const REPLICA: &str = "eu-west-1";
const KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/11111111-1111-4111-8111-111111111111";
const REPLICA_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-4222-8222-222222222222";
const THEIR_KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/33333333-3333-4333-8333-333333333333";
const ADMIN_KEY: &str = "arn:aws:kms:us-west-2:123456789012:key/44444444-4444-4444-8444-444444444444";
const ADMIN_SECRET: &str = "arn:aws:secretsmanager:us-west-2:123456789012:secret:admin/bigid-??????";
const ROTATION_ROLE: &str = "arn:aws:iam::123456789012:role/mes-rotation";

/// Access keys: the pod's base role, and a person who may everything.
const POD: &str = "AKIAPOD";
const PERSON: &str = "AKIAPERSON";

struct Aws {
    world: Sandbox,
    now: Timestamp,
}

fn install() -> Install {
    Install {
        account: ACCOUNT.into(),
        store_role: "mes-store".into(),
        primary: PRIMARY.into(),
        replicas: vec![REPLICA.into()],
        prefix: "mes".into(),
        cluster: CLUSTER.into(),
        operator_namespace: "mes-system".into(),
        primary_keys: vec![KEY.into()],
        replica_keys: vec![REPLICA_KEY.into()],
        adopted: (vec!["legacy/${aws:PrincipalTag/mes-namespace}/*".into()], vec![THEIR_KEY.into()]),
        admin: (vec![ADMIN_SECRET.into()], vec![ADMIN_KEY.into()]),
        types: vec!["BigIDClientSecret".into()],
        tag_keys: vec!["team".into()],
        take_over: Vec::new(),
    }
}

impl Aws {
    fn new() -> Self {
        let mut world = Sandbox::new(7);
        let now = "2026-01-01T10:20:00Z".parse().unwrap();
        let mut setup = install().setup();
        let everything =
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        let person = format!("arn:aws:iam::{ACCOUNT}:user/person");
        let policies = BTreeMap::from([("everything".to_owned(), everything)]);
        setup.principals.insert(person.clone(), Entity { trust: None, policies });
        for policy in setup.keys.values_mut() {
            let administrators = json!({"Sid": "Administrators", "Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": person}});
            policy["Statement"].as_array_mut().unwrap().push(administrators);
        }
        setup.access_keys = BTreeMap::from([(POD.to_owned(), install().role("mes-base")), (PERSON.to_owned(), person)]);
        world.judge_by(Some(&setup)).unwrap();
        world.turn(now, |knobs| knobs.refuse_manual_writes = false);
        Self { world, now }
    }

    fn call(&mut self, access_key: &str, region: &str, operation: &str, body: &Value) -> sandbox::Answer {
        let scope = format!("{access_key}/20260101/{region}/secretsmanager/aws4_request");
        let request = Request::post("http://sandbox/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.world.call(Door::Aws, &request, self.now)
    }

    /// `ok`, or the name of the refusal and its message.
    fn told(&mut self, access_key: &str, region: &str, operation: &str, body: &Value) -> (String, String) {
        let answer = self.call(access_key, region, operation, body);
        if answer.status() == 200 {
            return ("ok".into(), String::new());
        }
        let told = answer.json();
        let message = told["Message"].as_str().or(told["message"].as_str()).unwrap_or_default();
        (told["__type"].as_str().unwrap().to_owned(), message.to_owned())
    }

    fn by_person(&mut self, operation: &str, body: Value) -> Value {
        let answer = self.call(PERSON, PRIMARY, operation, &body);
        assert_eq!(answer.status(), 200, "{operation}: {}", answer.json());
        answer.json()
    }

    fn sts(&mut self, access_key: &str, form: &[(&str, &str)]) -> sandbox::Answer {
        let scope = format!("{access_key}/20260101/{PRIMARY}/sts/aws4_request");
        let body = form.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&");
        let request = Request::post("http://sandbox/")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(body))
            .unwrap();
        self.world.call(Door::Aws, &request, self.now)
    }

    /// A session of `mes-store` for a namespace: its access key.
    fn session(&mut self, namespace: &str) -> String {
        let answer = self.sts(POD, &assume(namespace));
        let xml = text(&answer);
        assert_eq!(answer.status(), 200, "{xml}");
        xml.split("<AccessKeyId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }
}

fn text(answer: &sandbox::Answer) -> String {
    String::from_utf8_lossy(&answer.bytes()).into_owned()
}

fn assume(namespace: &str) -> Vec<(&str, &str)> {
    vec![
        ("Action", "AssumeRole"),
        ("RoleArn", "arn:aws:iam::123456789012:role/mes-store"),
        ("RoleSessionName", "mes-session"),
        ("ExternalId", CLUSTER),
        ("Tags.member.1.Key", "mes-cluster"),
        ("Tags.member.1.Value", CLUSTER),
        ("Tags.member.2.Key", "mes-namespace"),
        ("Tags.member.2.Value", namespace),
    ]
}

fn tags(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn claim(namespace: &str) -> Value {
    tags(&[
        ("managed-secrets.io/cluster", CLUSTER),
        ("managed-secrets.io/namespace", namespace),
        ("managed-secrets.io/owner", "mes/payments/crm"),
        ("team", "payments"),
    ])
}

fn value(text: &str) -> String {
    json!({"hostname": "acme.bigid.cloud", "refreshToken": text}).to_string()
}

fn token(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

/// Where a call goes: folder of the secret, and how it is tagged and encrypted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Own,
    OtherNamespace,
    OtherPrefix,
    Adopted,
    Foreign,
}

const PLACES: [Place; 5] = [Place::Own, Place::OtherNamespace, Place::OtherPrefix, Place::Adopted, Place::Foreign];

impl Place {
    fn folder(self) -> &'static str {
        match self {
            Self::Own => "mes/payments",
            Self::OtherNamespace => "mes/orders",
            Self::OtherPrefix => "mes-other/payments",
            Self::Adopted => "legacy/payments",
            Self::Foreign => "somebody",
        }
    }

    /// What stands there before: as the operator makes it, or as its owner tagged it.
    fn prepare(self, aws: &mut Aws) -> String {
        let (key, tags) = match self {
            Self::Own | Self::OtherPrefix => (KEY, claim("payments")),
            Self::OtherNamespace => (KEY, claim("orders")),
            Self::Adopted => (THEIR_KEY, tags(&[("managed-secrets.io/grant", &format!("{CLUSTER}/payments/crm"))])),
            Self::Foreign => (THEIR_KEY, tags(&[("managed-secrets.io/grant", &format!("{CLUSTER}/orders/crm"))])),
        };
        let name = format!("{}/crm", self.folder());
        let made = aws.by_person(
            "CreateSecret",
            json!({"Name": name, "SecretString": value("one"), "KmsKeyId": key,
            "ClientRequestToken": token(1), "Tags": tags, "Type": "BigIDClientSecret"}),
        );
        made["ARN"].as_str().unwrap().to_owned()
    }
}

/// Operation, body (with the secret's ARN in `SecretId`), region, and the places where it is allowed.
type Row = (&'static str, Value, &'static str, &'static [Place]);

fn rows() -> Vec<Row> {
    use Place::{Adopted, Own};
    const BOTH: &[Place] = &[Own, Adopted];
    const OWN: &[Place] = &[Own];
    const NONE: &[Place] = &[];
    let replica = json!([{"Region": REPLICA, "KmsKeyId": REPLICA_KEY}]);
    let policy = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    vec![
        ("DescribeSecret", json!({}), PRIMARY, BOTH),
        ("GetSecretValue", json!({}), PRIMARY, BOTH),
        (
            "PutSecretValue",
            json!({"SecretString": value("two"), "ClientRequestToken": token(2), "VersionStages": ["AWSPENDING"]}),
            PRIMARY,
            BOTH,
        ),
        ("UpdateSecretVersionStage", json!({"VersionStage": "AWSCURRENT", "MoveToVersionId": token(1)}), PRIMARY, BOTH),
        ("TagResource", json!({"Tags": tags(&[("managed-secrets.io/owner", "mes/payments/crm")])}), PRIMARY, BOTH),
        ("ReplicateSecretToRegions", json!({"AddReplicaRegions": replica}), PRIMARY, BOTH),
        (
            "CreateSecret",
            json!({"SecretString": value("new"), "KmsKeyId": KEY, "ClientRequestToken": token(9), "Tags": claim("payments")}),
            PRIMARY,
            OWN,
        ),
        ("RemoveRegionsFromReplication", json!({"RemoveReplicaRegions": [REPLICA]}), PRIMARY, OWN),
        ("DeleteSecret", json!({"RecoveryWindowInDays": 7}), PRIMARY, OWN),
        (
            "RotateSecret",
            json!({"ExternalSecretRotationRoleArn": ROTATION_ROLE, "ClientRequestToken": token(3)}),
            PRIMARY,
            OWN,
        ),
        ("DeleteSecret", json!({"ForceDeleteWithoutRecovery": true}), PRIMARY, NONE),
        ("UpdateSecret", json!({"Description": "x"}), PRIMARY, NONE),
        ("RestoreSecret", json!({}), PRIMARY, NONE),
        ("CancelRotateSecret", json!({}), PRIMARY, NONE),
        ("UntagResource", json!({"TagKeys": ["team"]}), PRIMARY, NONE),
        ("ListSecretVersionIds", json!({}), PRIMARY, BOTH),
        ("GetResourcePolicy", json!({}), PRIMARY, NONE),
        ("PutResourcePolicy", json!({"ResourcePolicy": policy}), PRIMARY, NONE),
        ("DeleteResourcePolicy", json!({}), PRIMARY, NONE),
        ("ValidateResourcePolicy", json!({"ResourcePolicy": policy}), PRIMARY, NONE),
        ("StopReplicationToReplica", json!({}), REPLICA, NONE),
        ("BatchGetSecretValue", json!({}), PRIMARY, NONE),
        ("ListSecrets", json!({}), PRIMARY, NONE),
        ("GetRandomPassword", json!({}), PRIMARY, NONE),
        ("AssociateCrossAccountReplica", json!({}), PRIMARY, NONE),
        ("DisassociateCrossAccountReplica", json!({}), PRIMARY, NONE),
    ]
}

#[test]
fn t37_a_namespaces_session_may_exactly_what_the_matrix_of_26_operations_says() {
    let rows = rows();
    assert_eq!(rows.len(), 26);
    let mut allowed = 0;
    for (operation, body, region, places) in &rows {
        for place in PLACES {
            let mut aws = Aws::new();
            let arn = place.prepare(&mut aws);
            if matches!(*operation, "RemoveRegionsFromReplication" | "StopReplicationToReplica") {
                let replica = json!([{"Region": REPLICA, "KmsKeyId": REPLICA_KEY}]);
                aws.by_person("ReplicateSecretToRegions", json!({"SecretId": arn, "AddReplicaRegions": replica}));
                aws.wait(2);
            }
            let session = aws.session("payments");
            let mut body = body.clone();
            match *operation {
                "CreateSecret" => body["Name"] = format!("{}/new", place.folder()).into(),
                "BatchGetSecretValue" => body["SecretIdList"] = json!([arn]),
                "ListSecrets" | "GetRandomPassword" => {}
                _ => body["SecretId"] = arn.replace(PRIMARY, region).into(),
            }
            let (code, message) = aws.told(&session, region, operation, &body);
            let wanted = if places.contains(&place) { "ok" } else { "AccessDeniedException" };
            assert_eq!(code, wanted, "{operation} {place:?} {body}: {message}");
            allowed += usize::from(code == "ok");
            if code != "ok" {
                let user = "arn:aws:sts::123456789012:assumed-role/mes-store/mes-session";
                let begins =
                    format!("User: {user} is not authorized to perform: secretsmanager:{operation} on resource: ");
                assert!(message.starts_with(&begins), "{message}");
            }
        }
    }
    assert_eq!(allowed, 18, "of 130 cells");
}

#[test]
fn t37_the_base_role_lists_names_and_reads_nothing() {
    for (operation, body, region, _) in rows() {
        let mut aws = Aws::new();
        let arn = Place::Own.prepare(&mut aws);
        let mut body = body.clone();
        body["SecretId"] = arn.replace(PRIMARY, region).into();
        body["Name"] = "mes/payments/new".into();
        body["SecretIdList"] = json!([arn]);
        let (code, message) = aws.told(POD, region, operation, &body);
        let wanted = if operation == "ListSecrets" { "ok" } else { "AccessDeniedException" };
        assert_eq!(code, wanted, "{operation}: {message}");
    }
}

#[test]
fn t35_the_role_is_assumed_with_the_clusters_external_id_and_both_tags_alone() {
    let mut aws = Aws::new();
    let code = |aws: &mut Aws, form: &[(&str, &str)]| {
        let answer = aws.sts(POD, form);
        (answer.status(), text(&answer).contains("<Code>AccessDenied</Code>"))
    };
    assert_eq!(code(&mut aws, &assume("payments")), (200, false));
    let without = |key: &str| assume("payments").into_iter().filter(|(name, _)| *name != key).collect::<Vec<_>>();
    let with = |key: &str, value: &'static str| {
        let put = |(name, old)| if name == key { (name, value) } else { (name, old) };
        assume("payments").into_iter().map(put).collect::<Vec<_>>()
    };
    let untagged: Vec<_> = assume("x").into_iter().filter(|(name, _)| !name.starts_with("Tags")).collect();
    let mut more = assume("payments");
    more.extend([("Tags.member.3.Key", "admin"), ("Tags.member.3.Value", "true")]);
    for form in [
        without("ExternalId"),
        with("ExternalId", "another-cluster"),
        with("Tags.member.1.Value", "another-cluster"),
        with("Tags.member.2.Key", "namespace"),
        untagged,
        more,
    ] {
        assert_eq!(code(&mut aws, &form), (403, true), "{form:?}");
    }
    let session = aws.session("payments");
    let answer = aws.sts(&session, &assume("orders"));
    assert_eq!(answer.status(), 403, "a namespace's session becomes no other's");
}

#[test]
fn t21_a_foreign_key_or_region_is_refused_though_it_is_forced() {
    let mut aws = Aws::new();
    Place::Own.prepare(&mut aws);
    let session = aws.session("payments");
    let keys = [
        Some("arn:aws:kms:us-west-2:999999999999:key/11111111-1111-4111-8111-111111111111"),
        Some(THEIR_KEY),
        Some("alias/somebody"),
        Some("33333333-3333-4333-8333-333333333333"),
        None,
    ];
    for key in keys {
        let body = json!({"Name": "mes/payments/new", "SecretString": value("x"), "KmsKeyId": key, "Tags": claim("payments"), "ClientRequestToken": token(4)});
        assert_eq!(aws.told(&session, PRIMARY, "CreateSecret", &body).0, "AccessDeniedException", "{key:?}");
    }
    let own_key = json!({"Name": "mes/payments/new", "SecretString": value("x"), "KmsKeyId": "11111111-1111-4111-8111-111111111111", "Tags": claim("payments"), "ClientRequestToken": token(4)});
    assert_eq!(aws.told(&session, PRIMARY, "CreateSecret", &own_key).0, "ok", "the same key by its id");
    for (region, key) in [
        ("ap-southeast-2", Value::Null),
        (REPLICA, json!("arn:aws:kms:eu-west-1:123456789012:key/55555555-5555-4555-8555-555555555555")),
    ] {
        let body = json!({"SecretId": "mes/payments/crm", "AddReplicaRegions": [{"Region": region, "KmsKeyId": key}]});
        assert_eq!(
            aws.told(&session, PRIMARY, "ReplicateSecretToRegions", &body).0,
            "AccessDeniedException",
            "{region}"
        );
    }
    let mut elsewhere = own_key;
    elsewhere["KmsKeyId"] = REPLICA_KEY.into();
    assert_eq!(aws.told(&session, REPLICA, "CreateSecret", &elsewhere).0, "AccessDeniedException");
}

#[test]
fn t55_a_conflict_in_the_replica_region_is_never_overwritten_though_it_is_forced() {
    let mut aws = Aws::new();
    let arn = Place::Own.prepare(&mut aws);
    let theirs = json!({"Name": "mes/payments/crm", "SecretString": "theirs", "ClientRequestToken": token(5)});
    assert_eq!(aws.told(PERSON, REPLICA, "CreateSecret", &theirs).0, "ok");
    let session = aws.session("payments");
    let mut body = json!({"SecretId": arn, "AddReplicaRegions": [{"Region": REPLICA, "KmsKeyId": REPLICA_KEY}], "ForceOverwriteReplicaSecret": true});
    let (code, message) = aws.told(&session, PRIMARY, "ReplicateSecretToRegions", &body);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.ends_with("with an explicit deny in an identity-based policy"), "{message}");
    body["ForceOverwriteReplicaSecret"] = false.into();
    assert_eq!(aws.told(&session, PRIMARY, "ReplicateSecretToRegions", &body).0, "ok");
    aws.wait(2);
    let described = aws.by_person("DescribeSecret", json!({"SecretId": arn}));
    assert_eq!(described["ReplicationStatus"][0]["Status"], "Failed");
    let there = aws.call(PERSON, REPLICA, "GetSecretValue", &json!({"SecretId": "mes/payments/crm"})).json();
    assert_eq!(there["SecretString"], "theirs");
}

#[test]
fn t53_the_operator_can_not_write_the_tag_that_grants_it_a_secret() {
    let mut aws = Aws::new();
    let session = aws.session("payments");
    for place in PLACES {
        let arn = place.prepare(&mut aws);
        let body =
            json!({"SecretId": arn, "Tags": tags(&[("managed-secrets.io/grant", &format!("{CLUSTER}/payments/x"))])});
        assert_eq!(aws.told(&session, PRIMARY, "TagResource", &body).0, "AccessDeniedException", "{place:?}");
    }
    let mut with_grant = claim("payments");
    with_grant.as_array_mut().unwrap().push(json!({"Key": "managed-secrets.io/grant", "Value": "x"}));
    let body = json!({"Name": "mes/payments/new", "SecretString": value("x"), "KmsKeyId": KEY, "Tags": with_grant, "ClientRequestToken": token(4)});
    assert_eq!(aws.told(&session, PRIMARY, "CreateSecret", &body).0, "AccessDeniedException");
}

#[test]
fn t58_a_secret_of_another_cluster_under_the_same_prefix_is_neither_read_nor_written() {
    let mut aws = Aws::new();
    let body = json!({"Name": "mes/payments/theirs", "SecretString": value("x"), "KmsKeyId": KEY, "ClientRequestToken": token(4),
        "Tags": tags(&[("managed-secrets.io/cluster", "another-cluster"), ("managed-secrets.io/namespace", "payments")])});
    let arn = aws.by_person("CreateSecret", body)["ARN"].clone();
    let session = aws.session("payments");
    let told = |aws: &mut Aws, operation, mut body: Value| {
        body["SecretId"] = arn.clone();
        aws.told(&session, PRIMARY, operation, &body).0
    };
    assert_eq!(told(&mut aws, "DescribeSecret", json!({})), "ok", "to see whose it is");
    for (operation, body) in [
        ("GetSecretValue", json!({})),
        ("PutSecretValue", json!({"SecretString": "x", "ClientRequestToken": token(6)})),
        ("TagResource", json!({"Tags": tags(&[("managed-secrets.io/cluster", CLUSTER)])})),
        ("DeleteSecret", json!({"RecoveryWindowInDays": 7})),
        ("RotateSecret", json!({"ExternalSecretRotationRoleArn": ROTATION_ROLE})),
    ] {
        assert_eq!(told(&mut aws, operation, body), "AccessDeniedException", "{operation}");
    }
}

#[test]
fn an_admin_secret_is_read_in_the_operators_own_session_and_in_no_namespaces() {
    let mut aws = Aws::new();
    aws.by_person(
        "CreateSecret",
        json!({"Name": "admin/bigid", "SecretString": "x", "KmsKeyId": ADMIN_KEY, "ClientRequestToken": token(1)}),
    );
    for (namespace, wanted) in
        [("mes-system", "ok"), ("payments", "AccessDeniedException"), ("_sweep", "AccessDeniedException")]
    {
        let session = aws.session(namespace);
        let body = json!({"SecretId": "admin/bigid"});
        assert_eq!(aws.told(&session, PRIMARY, "GetSecretValue", &body).0, wanted, "{namespace}");
        let body = json!({"SecretId": "admin/bigid", "SecretString": "y", "ClientRequestToken": token(2)});
        assert_eq!(aws.told(&session, PRIMARY, "PutSecretValue", &body).0, "AccessDeniedException", "{namespace}");
    }
}

#[test]
fn the_session_of_no_namespace_lists_and_holds_nothing_else() {
    let mut aws = Aws::new();
    let arn = Place::Own.prepare(&mut aws);
    let session = aws.session("_sweep");
    assert_eq!(aws.told(&session, PRIMARY, "ListSecrets", &json!({})).0, "ok");
    assert_eq!(aws.told(&session, PRIMARY, "DescribeSecret", &json!({"SecretId": arn})).0, "AccessDeniedException");
}

#[test]
fn t59_the_rotation_role_rotates_its_path_and_its_types_alone() {
    let rotates = |name: &str, kind: &str| {
        let mut aws = Aws::new();
        let text = match kind {
            "PaddleApiKey" => json!({"api_key": "abc"}).to_string(),
            _ => value("one"),
        };
        let body =
            json!({"Name": name, "SecretString": text, "KmsKeyId": KEY, "ClientRequestToken": token(1), "Type": kind});
        aws.by_person("CreateSecret", body);
        let rotate =
            json!({"SecretId": name, "ClientRequestToken": token(2), "ExternalSecretRotationRoleArn": ROTATION_ROLE});
        let (code, message) = aws.told(PERSON, PRIMARY, "RotateSecret", &rotate);
        if code != "ok" {
            return message;
        }
        aws.wait(2);
        let described = aws.by_person("DescribeSecret", json!({"SecretId": name}));
        let stages = described["VersionIdsToStages"][token(2)].to_string();
        if stages.contains("AWSCURRENT") { "rotated".to_owned() } else { "failed".to_owned() }
    };
    assert_eq!(rotates("mes/payments/crm", "BigIDClientSecret"), "rotated");
    assert_eq!(rotates("mes/payments/pay", "PaddleApiKey"), "failed", "a type that the role is not for");
    let refused = format!("Secrets Manager is unable to assume role {ROTATION_ROLE}.");
    assert_eq!(rotates("somebody/crm", "BigIDClientSecret"), refused, "a source outside the prefix");
}

#[test]
fn t05_only_the_accounts_own_role_can_be_passed_to_a_rotation() {
    let mut aws = Aws::new();
    let arn = Place::Own.prepare(&mut aws);
    let session = aws.session("payments");
    for role in [
        "arn:aws:iam::123456789012:role/admin",
        "arn:aws:iam::999999999999:role/mes-rotation",
        "arn:aws:iam::123456789012:role/mes-store",
    ] {
        let body = json!({"SecretId": arn, "ExternalSecretRotationRoleArn": role, "ClientRequestToken": token(3)});
        assert_eq!(aws.told(&session, PRIMARY, "RotateSecret", &body).0, "AccessDeniedException", "{role}");
    }
    let lambda = json!({"SecretId": arn, "RotationLambdaARN": "arn:aws:lambda:us-west-2:123456789012:function:f"});
    assert_eq!(aws.told(&session, PRIMARY, "RotateSecret", &lambda).0, "AccessDeniedException");
}

#[test]
fn a_key_is_used_through_secrets_manager_for_ones_own_path_alone() {
    // A person moves a secret of our path to a key that is not ours: its value is out of reach, with KMS's own words.
    let mut aws = Aws::new();
    let arn = Place::Own.prepare(&mut aws);
    aws.by_person("UpdateSecret", json!({"SecretId": arn, "KmsKeyId": ADMIN_KEY}));
    let session = aws.session("payments");
    let (code, message) = aws.told(&session, PRIMARY, "GetSecretValue", &json!({"SecretId": arn}));
    assert_eq!((code.as_str(), message.as_str()), ("AccessDeniedException", "Access to KMS is not allowed"));
    let judged = aws.world.judgements();
    let uses = judged.iter().filter(|each| each.action == "kms:Decrypt" && !each.allowed).count();
    assert_eq!(uses, 1, "{judged:#?}");
}

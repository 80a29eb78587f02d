//! Every request of the operator to AWS is judged: by the documents of `docs/iam`, filled for each store of the tests.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{Entity, Install, Setup};
use serde_json::{Value, json};

use crate::world::{World, world};

/// The account of everything here.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The access keys of the pod's base role.
pub(crate) const POD: &str = "AKIAMESOPERATOR00001";
/// The access keys of a person who may everything.
pub(crate) const PERSON: &str = "AKIASOMEBODYELSE0001";

/// The customer's key of a region.
pub(crate) fn key(region: &str) -> String {
    let digit = match region {
        "us-west-2" => "1",
        "eu-west-1" => "2",
        _ => "3",
    };
    numbered(region, digit)
}

/// The key of secrets that somebody else made, and that of admin secrets.
const THEIR_KEYS: [&str; 2] = ["4", "5"];

fn numbered(region: &str, digit: &str) -> String {
    let part = |length| digit.repeat(length);
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}-{}-4{}-8{}-{}", part(8), part(4), part(3), part(3), part(12))
}

/// The role of the store with this prefix.
pub(crate) fn role(prefix: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/mes-store-{prefix}")
}

/// The tag by which the owner of a secret lets a namespace adopt or observe it.
pub(crate) fn granted(world: &World, namespace: &str) -> Value {
    json!({"Key": "managed-secrets.io/grant", "Value": format!("{}/{namespace}/any", world.cluster())})
}

/// Whom a store's documents are for.
pub(crate) enum To<'a> {
    /// The role of the store, in a session a namespace.
    Role,
    /// Static keys without a role, for one namespace.
    Keys(&'a str, &'a str),
}

/// Regions of the store `default`, the primary first, and its grants' patterns.
pub(crate) const REGIONS: [&str; 3] = ["us-west-2", "eu-west-1", "ap-southeast-2"];
pub(crate) const ADOPTED: [&str; 2] = ["legacy/{namespace}/*", "shared/*"];

/// A store's documents; `adopted` are its grants' patterns.
fn store(prefix: &str, regions: &[&str], adopted: &[&str], world: &World) -> Install {
    let (primary, replicas) = regions.split_first().expect("a region");
    let [theirs, admin] = THEIR_KEYS.map(|digit| vec![numbered(primary, digit)]);
    Install {
        account: ACCOUNT.into(),
        store_role: format!("mes-store-{prefix}"),
        primary: (*primary).into(),
        replicas: replicas.iter().map(ToString::to_string).collect(),
        prefix: prefix.into(),
        cluster: world.cluster(),
        operator_namespace: "mes-system".into(),
        primary_keys: vec![key(primary)],
        replica_keys: replicas.iter().map(|region| key(region)).collect(),
        adopted: (
            adopted.iter().map(|name| name.replace("{namespace}", "${aws:PrincipalTag/mes-namespace}")).collect(),
            theirs,
        ),
        admin: (
            ["pg", "datadog", "datadog2"]
                .map(|name| format!("arn:aws:secretsmanager:{primary}:{ACCOUNT}:secret:admin/{name}-??????"))
                .to_vec(),
            admin,
        ),
        types: vec!["BigIDClientSecret".into(), "DatadogApiKey".into()],
        tag_keys: vec![],
        take_over: vec![],
    }
}

/// Lets the operator use a store: `adopted` are its grants' patterns.
pub(crate) fn admit(world: &World, prefix: &str, regions: &[&str], adopted: &[&str], to: To<'_>) {
    let install = store(prefix, regions, adopted, world);
    let mut setup = install.setup();
    if let To::Keys(access_key, namespace) = to {
        let user = format!("arn:aws:iam::{ACCOUNT}:user/{access_key}");
        setup.principals = BTreeMap::from([(user.clone(), install.user(namespace))]);
        setup.access_keys = BTreeMap::from([(access_key.to_owned(), user.clone())]);
        for policy in setup.keys.values_mut() {
            *policy = serde_json::from_str(&policy.to_string().replace(&role(prefix), &user)).expect("a policy");
        }
    }
    for policy in setup.keys.values_mut() {
        let statements = policy["Statement"].as_array_mut().expect("statements");
        statements.push(json!({"Sid": "Administrators", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/{PERSON}")}}));
    }
    world.judge(setup);
}

/// Who there is before any store: the pod, and a person.
pub(crate) fn principals() -> Setup {
    let everything =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let somebody = format!("arn:aws:iam::{ACCOUNT}:user/{PERSON}");
    let base = format!("arn:aws:iam::{ACCOUNT}:role/mes-base");
    Setup {
        principals: BTreeMap::from([
            (
                somebody.clone(),
                Entity { trust: None, policies: BTreeMap::from([("everything".to_owned(), everything)]) },
            ),
            (base.clone(), Entity::default()),
        ]),
        access_keys: BTreeMap::from([(PERSON.to_owned(), somebody), (POD.to_owned(), base)]),
        ..Setup::default()
    }
}

/// What the documents allow and nothing here does, each with its reason.
const UNUSED: [(&str, &str); 5] = [
    // Only where the operator's account is another than the store's.
    ("mes-store-optional/SweepFromAnotherAccount", "secretsmanager:ListSecrets"),
    // An admin secret is read, and never described before: the operator's part of it is `GetSecretValue`.
    ("mes-store-optional/AdminSecrets", "secretsmanager:DescribeSecret"),
    // AWS's own rotation: its functions for partners with an admin secret, and for passwords, are not in the sandbox.
    ("mes-rotation/Admin", "secretsmanager:DescribeSecret"),
    ("mes-rotation/Admin", "secretsmanager:GetSecretValue"),
    ("mes-rotation/Password", "secretsmanager:GetRandomPassword"),
];

/// Statement and action of everything that the filled documents of these principals allow.
fn allowed(setup: &Setup) -> BTreeSet<(String, String)> {
    let mut pairs = BTreeSet::new();
    for (name, policy) in setup.principals.values().flat_map(|entity| &entity.policies) {
        for statement in policy["Statement"].as_array().into_iter().flatten().filter(|each| each["Effect"] == "Allow") {
            let actions = statement["Action"].as_array().cloned().unwrap_or_else(|| vec![statement["Action"].clone()]);
            let sid = statement["Sid"].as_str().unwrap_or_default();
            let pair = |action: &Value| (format!("{name}/{sid}"), action.as_str().unwrap_or_default().to_owned());
            pairs.extend(actions.iter().map(pair));
        }
    }
    pairs
}

#[test]
fn the_documents_allow_what_the_operator_calls_and_nothing_that_it_never_calls() {
    let world = world();
    world.roles(&["payments_iam_a", "payments_iam_b", "payments_iam_c", "payments_iam_d"]);
    world.sandbox.with(sandbox::Sandbox::forget_judgements);
    let operator = world.operator(&[]);

    // The admin credential of one account lies in AWS, with a key of its own.
    let admin = json!({"username": "admin", "password": world.postgres.admin_password(), "ca.crt": std::fs::read_to_string(world.postgres.ca_pem_path()).unwrap(),
        "endpoint": format!("postgresql://{}:5432/postgres", world.postgres.host())});
    let made = |name: &str, value: &Value, digit: &str, token: &str, tags: Value| {
        let made = world.aws(
            "us-west-2",
            "CreateSecret",
            &json!({"Name": name, "SecretString": value.to_string(), "KmsKeyId": numbered("us-west-2", digit),
            "ClientRequestToken": token, "Tags": tags}),
        );
        assert!(made["ARN"].is_string(), "{made}");
    };
    made("admin/pg", &admin, THEIR_KEYS[1], "00000000-0000-0000-0000-000000000aa1", json!([]));
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "pg-stored"},
        "spec": {"partnerTypes": ["PostgreSQLRole"], "endpoint": admin["endpoint"], "caBundle": admin["ca.crt"], "privateNetworks": ["127.0.0.1/32"],
            "admin": {"storeRef": {"secretName": "admin/pg"}}, "grants": [{"namespaces": ["payments"], "identities": ["{namespace}_*"]}]}}));

    // Made, rotated, copied, and taken away with everything.
    let regions = json!([{"name": "us-west-2"}, {"name": "eu-west-1"}]);
    let resource = |name: &str, roles: [&str; 2], more: &Value| {
        let mut spec = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-stored"}, "parameters": {"username": roles[0], "alternateUsername": roles[1], "dbname": "postgres"}},
            "rotation": {"overlap": "2s"}, "regions": regions, "targets": [{"name": name}]});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": "payments"}, "spec": spec}));
    };
    let deletion = json!({"store": "Delete", "recoveryWindowDays": 7});
    resource("iam-made", ["payments_iam_a", "payments_iam_b"], &json!({"onboard": {"mint": {}}, "deletion": deletion}));
    // Somebody else's, taken with consent.
    world.postgres.psql("ALTER ROLE payments_iam_c LOGIN PASSWORD 'of-somebody-else'").unwrap();
    let theirs = json!({"host": world.postgres.host(), "port": "5432", "dbname": "postgres", "username": "payments_iam_c", "password": "of-somebody-else"});
    made(
        "legacy/payments/iam",
        &theirs,
        THEIR_KEYS[0],
        "00000000-0000-0000-0000-000000000aa2",
        json!([granted(&world, "payments")]),
    );
    let adopt = json!({"onboard": {"adopt": {}}, "storeRef": {"secretName": "legacy/payments/iam"}});
    resource("iam-taken", ["payments_iam_c", "payments_iam_d"], &adopt);
    // One that AWS rotates.
    world.apply(&crate::partners::bigid_seed("iam-bigid"));
    world.apply(&crate::partners::bigid("iam-bigid"));
    for name in ["iam-made", "iam-taken"] {
        world.condition(&["mes", "-n", "payments", name], "Ready", "True", Some("InService"), 90);
        let rotation = world.request_rotation("payments", name);
        world.condition(&["rot", "-n", "payments", &rotation], "Complete", "True", Some("Revoked"), 90);
    }
    world.condition(&["mes", "-n", "privacy", "iam-bigid"], "Rotated", "True", None, 60);
    world.delete(&["mes", "-n", "payments", "iam-made", "iam-taken"]);
    world.delete(&["mes", "-n", "privacy", "iam-bigid"]);

    let judgements = world.sandbox.with(|sandbox| sandbox.judgements());
    let refused: Vec<_> = judgements.iter().filter(|each| !each.allowed && each.principal.contains("/mes-")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let used: BTreeSet<(String, String)> = judgements
        .iter()
        .flat_map(|each| each.by.iter().map(|by| (by.clone(), each.action.clone())))
        .filter(|(by, _)| by.starts_with("mes-"))
        .collect();
    let never: BTreeSet<(String, String)> =
        allowed(&store("e2e", &REGIONS, &ADOPTED, &world).setup()).difference(&used).cloned().collect();
    let expected = UNUSED.map(|(statement, action)| (statement.to_owned(), action.to_owned()));
    assert_eq!(never, BTreeSet::from(expected), "allowed and never used");

    // The admin credential was read as the operator itself, and by no team's session.
    let readers: BTreeSet<String> = world
        .sandbox
        .with(|sandbox| sandbox.log(0))
        .into_iter()
        .filter(|call| {
            call.resource.as_ref().is_some_and(|arn| arn.contains(":secret:admin/pg-")) && !call.caller.contains(PERSON)
        })
        .map(|call| call.caller)
        .collect();
    assert_eq!(readers, BTreeSet::from([format!("arn:aws:sts::{ACCOUNT}:assumed-role/mes-store-e2e/mes-mes-system")]));
    world.delete(&["partneraccount", "pg-stored"]);
    world.drop_roles("payments_iam_");
    drop(operator);
}

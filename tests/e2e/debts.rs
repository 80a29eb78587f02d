//! What is owed outlives its Rotation, its resource and its namespace: it stands on the AWS secret, and is paid from there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{Operator, World, world, writes};

/// A resource of two PostgreSQL roles in service, a Rotation of which has just superseded the first credential: both live,
/// and one is owed. Gives the roles, the Rotation, and the version that is owed.
fn superseded(world: &World, namespace: &str, name: &str, more: &Value) -> ([String; 2], String, String) {
    let roles = ["a", "b"].map(|role| format!("{namespace}_{}_{role}", name.replace('-', "_")));
    world.roles(&[&roles[0], &roles[1]]);
    let mut resource = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": namespace},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": roles[0], "alternateUsername": roles[1], "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": "15s"}, "targets": [{"name": name}]}});
    for (key, value) in more.as_object().expect("an object") {
        resource["spec"][key] = value.clone();
    }
    world.apply(&resource);
    world.condition(&["mes", "-n", namespace, name], "Ready", "True", Some("InService"), 90);
    let current = |labels: &Vec<String>| labels.iter().any(|label| label == "AWSCURRENT");
    let old = world.labels(&stored_name(namespace, name)).into_iter().find(|(_, labels)| current(labels));
    let (old, _) = old.expect("AWSCURRENT");
    let rotation = world.request_rotation(namespace, name);
    world.eventually("promoted and delivered", 60, |world| {
        let told = world.get(&["rot", "-n", namespace, &rotation])["status"].clone();
        let now = world.labels(&stored_name(namespace, name));
        let moved = now.get(&old).is_none_or(|labels| !current(labels));
        let delivered = world.get(&["secret", "-n", namespace, name])["metadata"]["annotations"].to_string();
        let done = told["owed"][0]["versionID"] == old.as_str() && moved && !delivered.contains(&old);
        if done { Ok(()) } else { Err(told.to_string()) }
    });
    assert_eq!(world.logins(&[&roles[0], &roles[1]]), 2);
    (roles, rotation, old)
}

fn stored_name(namespace: &str, name: &str) -> String {
    format!("e2e/{namespace}/{name}")
}

fn owed_label(version: &str) -> String {
    format!("managed-secrets.io/owed/{version}")
}

/// The versions of a secret that are marked as owed, and what its tag says.
fn standing(world: &World, secret: &str) -> (Vec<String>, String) {
    let labels = world.labels(secret).into_iter();
    let owed = labels.filter(|(version, labels)| labels.contains(&owed_label(version))).map(|(version, _)| version);
    let described = world.aws("us-west-2", "DescribeSecret", &json!({"SecretId": secret}));
    let tags = described["Tags"].as_array().cloned().unwrap_or_default();
    let tag = tags.iter().find(|tag| tag["Key"] == "managed-secrets.io/owed");
    (owed.collect(), tag.and_then(|tag| tag["Value"].as_str()).unwrap_or_default().to_owned())
}

fn paid(world: &World, secret: &str, roles: &[String; 2]) {
    world.eventually("the debt is paid", 90, |world| {
        let seen = (standing(world, secret), world.logins(&[&roles[0], &roles[1]]));
        if seen == ((Vec::new(), String::new()), 1) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

fn works(world: &World, secret: &str) -> bool {
    let value: Value = serde_json::from_str(&world.stored("us-west-2", secret).expect("a value")).expect("JSON");
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    world.postgres.psql_as(&text("username"), &text("password"), "SELECT 1").is_ok_and(|output| output.status.success())
}

fn operator(world: &World) -> Operator {
    world.operator(&["--release", "4s", "--release-in-terminating", "2s"])
}

/// How many secrets of store `default` owe something after their resource.
fn owing(operator: &Operator) -> u32 {
    let url = format!("http://127.0.0.1:{}/metrics", operator.port());
    let output = std::process::Command::new("curl").args(["-s", &url]).output().expect("curl");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = told.lines().find_map(|line| line.strip_prefix("mes_owing_secrets{store=\"default\"} "));
    line.and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// The account's admin credential, taken away until it is put back.
fn without_admin(world: &World) -> Value {
    let admin = world.get(&["secret", "-n", "mes-system", "pg-main-admin"]);
    world.delete(&["secret", "-n", "mes-system", "pg-main-admin"]);
    json!({"apiVersion": "v1", "kind": "Secret", "type": admin["type"], "data": admin["data"],
        "metadata": {"name": "pg-main-admin", "namespace": "mes-system"}})
}

#[test]
fn t19_a_namespace_goes_though_the_admin_is_gone_and_its_debt_is_paid_when_it_is_back() {
    let world = world();
    world.apply(
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving", "labels": {"db": "main"}}}),
    );
    world.lend("leaving");
    let operator = operator(&world);
    let (roles, _, old) = superseded(&world, "leaving", "crm", &json!({}));
    let secret = stored_name("leaving", "crm");
    let before = owing(&operator);
    let admin = without_admin(&world);
    // What lends the operator its rights is gone before everything else.
    world.delete(&["rolebinding", "-n", "leaving", "mes-namespace", "mes-collect"]);
    let began = Instant::now();
    world.plane.kubectl_ok(["delete", "namespace", "leaving", "--wait=false"]).unwrap();
    world.eventually("the namespace is gone", 90, |world| {
        let left = world.get(&["namespace", "leaving"]);
        if left.is_null() { Ok(()) } else { Err(left["status"].to_string()) }
    });
    println!("the namespace went within {:?}", began.elapsed());
    assert_eq!(standing(&world, &secret), (vec![old], "pg-main/PostgreSQLRole".to_owned()));
    assert_eq!(world.logins(&[&roles[0], &roles[1]]), 2, "nobody can revoke it");
    world.eventually("it is counted", 30, |_| {
        let owing = owing(&operator);
        if owing == before + 1 { Ok(()) } else { Err(format!("{owing}, and {before} before")) }
    });
    world.apply(&admin);
    paid(&world, &secret, &roles);
    assert!(works(&world, &secret), "what is in use lives on");
    let mark = world.mark();
    std::thread::sleep(Duration::from_secs(6));
    let after: Vec<_> = world.calls(mark).into_iter().filter(writes).collect();
    assert!(after.is_empty(), "nothing is done any more: {after:?}");
    drop(operator);
    world.drop_roles("leaving_crm_");
}

#[test]
fn t29_a_resource_or_a_rotation_deleted_in_its_overlap_loses_no_revocation() {
    let world = world();
    let operator = operator(&world);
    let (roles, _, old) = superseded(&world, "payments", "lost", &json!({}));
    let (others, rotation, other) = superseded(&world, "payments", "kept", &json!({}));
    world.delete(&["mes", "-n", "payments", "lost"]);
    let (secret, others_secret) = (stored_name("payments", "lost"), stored_name("payments", "kept"));
    let (owed, by) = standing(&world, &secret);
    assert_eq!((owed, by.as_str()), (vec![old], "pg-main/PostgreSQLRole"));
    world.delete(&["rot", "-n", "payments", &rotation]);
    assert_eq!(standing(&world, &others_secret).0, [other]);
    paid(&world, &secret, &roles);
    paid(&world, &others_secret, &others);
    for name in ["lost", "kept"] {
        assert!(world.logs_in("payments", name) && works(&world, &stored_name("payments", name)));
    }
    let events = world.get(&["events.events.k8s.io", "-n", "payments"]).to_string();
    assert!(events.contains("RevocationOutstanding"), "told while the resource was there");
    drop(operator);
    world.plane.kubectl_ok(["delete", "mes", "-n", "payments", "kept"]).unwrap_or_default();
    world.delete(&["secret", "-n", "payments", "lost", "kept"]);
    for prefix in ["payments_lost_", "payments_kept_"] {
        world.drop_roles(prefix);
    }
}

#[test]
fn t29_a_promised_revocation_is_kept_and_the_secret_is_deleted_only_when_it_owes_nothing() {
    let world = world();
    let operator = operator(&world);
    let all = json!({"deletion": {"store": "Delete", "partner": "Revoke", "recoveryWindowDays": 7}});
    let (roles, ..) = superseded(&world, "payments", "promised", &all);
    let secret = stored_name("payments", "promised");
    let admin = without_admin(&world);
    world.delete(&["mes", "-n", "payments", "promised"]);
    let scheduled = |world: &World| {
        !world.aws("us-west-2", "DescribeSecret", &json!({"SecretId": secret}))["DeletedDate"].is_null()
    };
    assert!(!scheduled(&world), "it owes");
    assert_eq!(standing(&world, &secret).0.len(), 2, "what is in use was promised too");
    assert_eq!(world.logins(&[&roles[0], &roles[1]]), 2);
    world.apply(&admin);
    world.eventually("everything is revoked, then the secret deleted", 90, |world| {
        let seen = (world.logins(&[&roles[0], &roles[1]]), scheduled(world));
        if seen == (0, true) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    drop(operator);
    world.delete(&["secret", "-n", "payments", "promised"]);
    world.drop_roles("payments_promised_");
}

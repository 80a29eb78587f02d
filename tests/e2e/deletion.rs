//! What goes and what stays: deletion along its axes, suspension, a cancelled rotation, regions, foreign Secrets.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::iam::granted;
use crate::world::{World, condition_of, world, writes};

/// A minted PostgreSQL resource of two roles `payments_NAME_a` and `_b`, in service.
fn minted(world: &World, name: &str, more: &Value) -> [String; 2] {
    let role = name.replace('-', "_");
    let roles = [format!("payments_{role}_a"), format!("payments_{role}_b")];
    world.roles(&[&roles[0], &roles[1]]);
    let mut spec = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": roles[0], "alternateUsername": roles[1], "dbname": "postgres"}},
        "onboard": {"mint": {}}, "rotation": {"overlap": "2s"}, "targets": [{"name": name}]});
    for (key, value) in more.as_object().expect("an object") {
        spec[key] = value.clone();
    }
    world.apply(&resource(name, &spec));
    world.condition(&["mes", "-n", "payments", name], "Ready", "True", Some("InService"), 90);
    roles
}

fn resource(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": "payments"}, "spec": spec})
}

fn stored_name(name: &str) -> String {
    format!("e2e/payments/{name}")
}

/// Whether AWS has the secret in a region, and whether it is scheduled for deletion there.
fn there(world: &World, region: &str, secret: &str) -> (bool, bool) {
    let described = world.aws(region, "DescribeSecret", &json!({"SecretId": secret}));
    (described["ARN"].is_string(), !described["DeletedDate"].is_null())
}

fn logins(world: &World, roles: &[String; 2]) -> usize {
    world.logins(&[&roles[0], &roles[1]])
}

#[test]
fn deletion_keeps_targets_store_and_partner_unless_an_axis_says_otherwise() {
    let world = world();
    let operator = world.operator(&[]);
    let keeps = minted(&world, "keeps", &json!({"regions": [{"name": "eu-west-1"}]}));
    let targets = minted(&world, "del-targets", &json!({"deletion": {"targets": "Delete"}}));
    let store = minted(
        &world,
        "del-store",
        &json!({"deletion": {"store": "Delete", "recoveryWindowDays": 7}, "regions": [{"name": "eu-west-1"}]}),
    );
    let partner = minted(&world, "del-partner", &json!({"deletion": {"partner": "Revoke"}}));
    let all = minted(
        &world,
        "del-all",
        &json!({"deletion": {"targets": "Delete", "store": "Delete", "partner": "Revoke"}, "regions": [{"name": "eu-west-1"}, {"name": "ap-southeast-2"}]}),
    );
    let mark = world.mark();
    world.delete(&["mes", "-n", "payments", "keeps", "del-targets", "del-store", "del-partner", "del-all"]);

    let gone = |name: &str| world.data("payments", name).is_empty();
    assert!(!gone("keeps") && world.logs_in("payments", "keeps"), "by default nothing goes");
    assert_eq!(there(&world, "us-west-2", &stored_name("keeps")), (true, false));
    assert_eq!(there(&world, "eu-west-1", &stored_name("keeps")), (true, false));
    assert_eq!(logins(&world, &keeps), 1);

    // Kubernetes collects it after its owner, in its own time: of kinds that are new it hears every half minute.
    world.eventually(
        "the target goes",
        90,
        |_| if gone("del-targets") { Ok(()) } else { Err("it is there".to_owned()) },
    );
    assert_eq!((there(&world, "us-west-2", &stored_name("del-targets")), logins(&world, &targets)), ((true, false), 1));

    assert!(!gone("del-store") && world.logs_in("payments", "del-store"));
    assert_eq!(there(&world, "us-west-2", &stored_name("del-store")), (true, true), "scheduled for deletion");
    assert_eq!(there(&world, "eu-west-1", &stored_name("del-store")), (false, false), "the replica went before");
    assert_eq!(logins(&world, &store), 1);

    assert!(!gone("del-partner"), "the target stays, with a dead credential");
    assert_eq!((there(&world, "us-west-2", &stored_name("del-partner")), logins(&world, &partner)), ((true, false), 0));

    world.eventually("the target goes", 90, |_| if gone("del-all") { Ok(()) } else { Err("it is there".to_owned()) });
    assert_eq!((there(&world, "us-west-2", &stored_name("del-all")), logins(&world, &all)), ((true, true), 0));
    for region in ["eu-west-1", "ap-southeast-2"] {
        assert_eq!(there(&world, region, &stored_name("del-all")), (false, false));
    }
    let calls = world.calls(mark);
    let at = |operation: &str| {
        let fits = |call: &&sandbox::Entry| {
            call.operation == operation && call.resource.as_ref().is_some_and(|arn| arn.contains("/del-all"))
        };
        calls.iter().filter(fits).map(|call| call.number).collect::<Vec<_>>()
    };
    assert!(at("RemoveRegionsFromReplication").iter().max() < at("DeleteSecret").iter().min(), "replicas first");
    world.delete(&["secret", "-n", "payments", "keeps", "del-store", "del-partner"]);
    for prefix in ["payments_keeps_", "payments_del_"] {
        world.drop_roles(prefix);
    }
    drop(operator);
}

#[test]
fn t18_an_adopted_and_an_observed_secret_are_never_deleted() {
    let world = world();
    let operator = world.operator(&[]);
    world.roles(&["payments_keep_a", "payments_keep_b"]);
    world.postgres.psql("ALTER ROLE payments_keep_a LOGIN PASSWORD 'of-somebody-else'").unwrap();
    let value = json!({"host": world.postgres.host(), "port": "5432", "dbname": "postgres", "username": "payments_keep_a", "password": "of-somebody-else"});
    for (name, text, token) in [
        ("legacy/payments/keep", value.to_string(), "00000000-0000-0000-0000-0000000000d1"),
        ("shared/keep", "{\"a\":\"b\"}".to_owned(), "00000000-0000-0000-0000-0000000000d2"),
    ] {
        let made = world.aws(
            "us-west-2",
            "CreateSecret",
            &json!({"Name": name, "SecretString": text, "ClientRequestToken": token, "Tags": [granted(&world, "payments")]}),
        );
        assert!(made["ARN"].is_string(), "{made}");
    }
    let adopted = |deletion: &Value| {
        resource(
            "adopt-keep",
            &json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_keep_a", "alternateUsername": "payments_keep_b"}},
            "onboard": {"adopt": {}}, "storeRef": {"secretName": "legacy/payments/keep"}, "rotation": {}, "targets": [{"name": "adopt-keep"}], "deletion": deletion}),
        )
    };
    let observed = |deletion: &Value| {
        resource(
            "observe-keep",
            &json!({"onboard": {"observe": {}}, "storeRef": {"secretName": "shared/keep"}, "targets": [{"name": "observe-keep"}], "deletion": deletion}),
        )
    };
    for refused in [
        adopted(&json!({"store": "Delete"})),
        observed(&json!({"store": "Delete"})),
        observed(&json!({"partner": "Revoke"})),
    ] {
        let output = world.plane.kubectl_with(["apply", "--server-side", "-f", "-"], &refused.to_string()).unwrap();
        assert!(!output.status.success(), "the API refuses it");
    }
    world.apply(&adopted(&json!({"targets": "Delete", "partner": "Revoke"})));
    world.apply(&observed(&json!({"targets": "Delete"})));
    for name in ["adopt-keep", "observe-keep"] {
        world.condition(&["mes", "-n", "payments", name], "Ready", "True", None, 60);
    }
    let mark = world.mark();
    world.delete(&["mes", "-n", "payments", "adopt-keep", "observe-keep"]);
    let taken_away = ["DeleteSecret", "RemoveRegionsFromReplication", "StopReplicationToReplica"];
    let calls = world.calls(mark);
    assert!(calls.iter().all(|call| !taken_away.contains(&call.operation.as_str())), "{calls:?}");
    for (name, secret) in [("adopt-keep", "legacy/payments/keep"), ("observe-keep", "shared/keep")] {
        assert_eq!(there(&world, "us-west-2", secret), (true, false), "{secret} stays");
        world.eventually("the target goes", 90, |world| {
            if world.data("payments", name).is_empty() { Ok(()) } else { Err(format!("{name} is there")) }
        });
    }
    assert_eq!(
        world.logins(&["payments_keep_a", "payments_keep_b"]),
        0,
        "what the partner axis says is done all the same"
    );
    world.drop_roles("payments_keep_");
    drop(operator);
}

#[test]
fn while_suspended_nothing_outside_changes_and_afterwards_all_is_made_up_for() {
    let world = world();
    let operator = world.operator(&[]);
    minted(&world, "halted", &json!({}));
    world
        .plane
        .kubectl_ok(["patch", "mes", "-n", "payments", "halted", "--type=merge", "-p", "{\"spec\":{\"suspend\":true}}"])
        .unwrap();
    world.condition(&["mes", "-n", "payments", "halted"], "Ready", "True", Some("Suspended"), 30);
    let mark = world.mark();
    let before = world.data("payments", "halted");
    let rotation = world.request_rotation("payments", "halted");
    world
        .plane
        .kubectl_ok([
            "patch",
            "secret",
            "-n",
            "payments",
            "halted",
            "--type=merge",
            "-p",
            "{\"stringData\":{\"password\":\"drifted\"}}",
        ])
        .unwrap();
    world
        .plane
        .kubectl_ok([
            "patch",
            "mes",
            "-n",
            "payments",
            "halted",
            "--type=merge",
            "-p",
            "{\"spec\":{\"regions\":[{\"name\":\"eu-west-1\"}]}}",
        ])
        .unwrap();
    std::thread::sleep(Duration::from_secs(8));
    let written: Vec<_> = world.calls(mark).into_iter().filter(writes).collect();
    assert!(written.is_empty(), "{written:?}");
    assert_eq!(world.data("payments", "halted")["password"], "drifted", "nor is a target mended");
    let begun = world.get(&["rot", "-n", "payments", &rotation]);
    assert!(begun["status"]["intent"].is_null() && begun["status"]["startTime"].is_null(), "{begun}");
    world
        .plane
        .kubectl_ok([
            "patch",
            "mes",
            "-n",
            "payments",
            "halted",
            "--type=merge",
            "-p",
            "{\"spec\":{\"suspend\":false}}",
        ])
        .unwrap();
    world.condition(&["rot", "-n", "payments", &rotation], "Complete", "True", Some("Revoked"), 60);
    assert_ne!(world.data("payments", "halted")["password"], before["password"]);
    assert!(world.logs_in("payments", "halted"));
    assert_eq!(there(&world, "eu-west-1", &stored_name("halted")), (true, false));
    world.delete(&["mes", "-n", "payments", "halted"]);
    world.delete(&["secret", "-n", "payments", "halted"]);
    world.drop_roles("payments_halted_");
    drop(operator);
}

#[test]
fn a_rotation_deleted_before_its_promotion_is_undone() {
    let world = world();
    let app = world.sandbox.with(|sandbox| sandbox.salesforce_app("acme.my.salesforce.com", "undone", true));
    let live = || {
        world
            .sandbox
            .with(|sandbox| sandbox.salesforce_logs_in(&app.consumer_key, &app.consumer_secret, Timestamp::now()))
    };
    let lag = |ms| {
        world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), |knobs| knobs.salesforce_acceptance_lag_ms = ms))
    };
    let operator = world.operator(&[]);
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": "undone-seed", "namespace": "payments"},
        "stringData": {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": app.base_uri, "appId": app.app_id, "consumerId": app.consumer_id}}));
    world.apply(&resource("undone", &json!({"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}}, "onboard": {"fromSecret": {"name": "undone-seed"}},
        "rotation": {"first": "Scheduled", "schedule": "rate(30 days)", "overlap": "2s"}, "targets": [{"name": "undone"}]})));
    world.condition(&["mes", "-n", "payments", "undone"], "Ready", "True", Some("InService"), 60);
    let before = world.data("payments", "undone");
    let pending =
        |world: &World| world.labels(&stored_name("undone")).values().flatten().any(|label| label == "AWSPENDING");
    // The partner takes its time to accept a candidate: until then it can't be promoted, nor even be told apart.
    lag(15_000);
    let rotation = world.request_rotation("payments", "undone");
    world.eventually(
        "a candidate in the store",
        30,
        |world| if pending(world) { Ok(()) } else { Err("none".to_owned()) },
    );
    world.plane.kubectl_ok(["delete", "rot", "-n", "payments", &rotation, "--wait=false"]).unwrap();
    world.eventually("the Rotation is gone", 60, |world| {
        let found = world.get(&["rot", "-n", "payments", &rotation]);
        if found.is_null() { Ok(()) } else { Err(found["status"].to_string()) }
    });
    lag(0);
    assert!(!pending(&world), "AWSPENDING is off");
    assert_eq!(live(), (true, 1), "the candidate is dead, what was in use lives");
    assert_eq!(world.data("payments", "undone"), before);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(live(), (true, 1));
    let next = world.request_rotation("payments", "undone");
    world.condition(&["rot", "-n", "payments", &next], "Complete", "True", Some("Revoked"), 90);
    assert!(!live().0);
    world.delete(&["mes", "-n", "payments", "undone"]);
    world.delete(&["secret", "-n", "payments", "undone", "undone-seed"]);
    drop(operator);
}

#[test]
fn a_region_is_added_and_one_taken_off_the_list_is_left_and_told() {
    let world = world();
    let operator = world.operator(&[]);
    minted(&world, "moving", &json!({"regions": [{"name": "eu-west-1"}]}));
    let patch = |regions: &str| {
        let patch = format!("{{\"spec\":{{\"regions\":{regions}}}}}");
        world.plane.kubectl_ok(["patch", "mes", "-n", "payments", "moving", "--type=merge", "-p", &patch]).unwrap();
    };
    let regions = |mes: &Value| -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = mes["status"]["regions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|region| (text(&region["name"]), text(&region["state"]), text(&region["reason"])))
            .collect();
        all.sort();
        all
    };
    let expect = |wanted: &[(&str, &str, &str)]| {
        let wanted: Vec<_> =
            wanted.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect();
        world.eventually("status.regions", 60, |world| {
            let seen = regions(&world.get(&["mes", "-n", "payments", "moving"]));
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
        });
    };
    patch("[{\"name\":\"eu-west-1\"},{\"name\":\"ap-southeast-2\"}]");
    expect(&[("ap-southeast-2", "InSync", ""), ("eu-west-1", "InSync", ""), ("us-west-2", "InSync", "")]);
    assert!(world.stored("ap-southeast-2", &stored_name("moving")).is_some());
    patch("[{\"name\":\"ap-southeast-2\"}]");
    expect(&[("ap-southeast-2", "InSync", ""), ("eu-west-1", "InSync", "Retained"), ("us-west-2", "InSync", "")]);
    assert_eq!(there(&world, "eu-west-1", &stored_name("moving")), (true, false), "left where it is");
    world
        .plane
        .kubectl_ok([
            "patch",
            "mes",
            "-n",
            "payments",
            "moving",
            "--type=merge",
            "-p",
            "{\"spec\":{\"deletion\":{\"store\":\"Delete\"}}}",
        ])
        .unwrap();
    expect(&[("ap-southeast-2", "InSync", ""), ("us-west-2", "InSync", "")]);
    assert_eq!(there(&world, "eu-west-1", &stored_name("moving")), (false, false), "removed where the axis says so");
    world.delete(&["mes", "-n", "payments", "moving"]);
    world.delete(&["secret", "-n", "payments", "moving"]);
    world.drop_roles("payments_moving_");
    drop(operator);
}

#[test]
fn a_target_is_mended_and_a_foreign_secret_is_taken_only_with_its_owners_consent() {
    let world = world();
    let operator = world.operator(&[]);
    minted(&world, "mended", &json!({}));
    let before = world.data("payments", "mended");
    let mended = |what: &str| {
        world.eventually(what, 30, |world| {
            let held = world.data("payments", "mended");
            if held == before { Ok(()) } else { Err("not as before".to_owned()) }
        });
    };
    world
        .plane
        .kubectl_ok([
            "patch",
            "secret",
            "-n",
            "payments",
            "mended",
            "--type=merge",
            "-p",
            "{\"stringData\":{\"password\":\"drifted\"}}",
        ])
        .unwrap();
    mended("a changed value is mended");
    world.delete(&["secret", "-n", "payments", "mended"]);
    mended("a deleted target is made again");
    world
        .plane
        .kubectl_ok([
            "patch",
            "secret",
            "-n",
            "payments",
            "mended",
            "--type=merge",
            "-p",
            "{\"data\":{\"password\":null}}",
        ])
        .unwrap();
    mended("a removed key is mended");

    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "foreign", "namespace": "payments"}, "stringData": {"kept": "by-its-owner"}}));
    world
        .plane
        .kubectl_ok([
            "patch",
            "mes",
            "-n",
            "payments",
            "mended",
            "--type=merge",
            "-p",
            "{\"spec\":{\"targets\":[{\"name\":\"mended\"},{\"name\":\"foreign\"}]}}",
        ])
        .unwrap();
    let mes = world.condition(&["mes", "-n", "payments", "mended"], "Synced", "False", Some("TargetConflict"), 30);
    let message = condition_of(&mes, "Synced")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("foreign") && message.contains("managed-secrets.io/adopt"), "{message}");
    assert_eq!(world.data("payments", "foreign").into_keys().collect::<Vec<_>>(), ["kept"], "not touched");
    world
        .plane
        .kubectl_ok(["annotate", "secret", "-n", "payments", "foreign", "managed-secrets.io/adopt=mended"])
        .unwrap();
    world.plane.kubectl_ok(["annotate", "mes", "-n", "payments", "mended", "managed-secrets.io/sync=now"]).unwrap();
    world.condition(&["mes", "-n", "payments", "mended"], "Synced", "True", None, 60);
    assert!(world.logs_in("payments", "foreign"), "taken over with consent");
    world.delete(&["mes", "-n", "payments", "mended"]);
    world.delete(&["secret", "-n", "payments", "mended", "foreign"]);
    world.drop_roles("payments_mended_");
    drop(operator);
}

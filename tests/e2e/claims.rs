//! Whose a secret in AWS is, against whoever would take it, inherit it, or use a store that was not meant for it.

use sandbox::Setup;
use serde_json::{Value, json};

use crate::bad_input::{
    Row, app, aws, clear, deeds, fields, from_seed, logs_in, make, now, resource, room, seed, stalled, store, text,
    told, value_of,
};
use crate::world::{World, condition_of, world, writes};

/// A resource from a seed with a target of its own name.
fn delivered(seed: &str) -> Value {
    let mut spec = from_seed(seed);
    spec["targets"] = json!([{"name": format!("{seed}-target")}]);
    spec
}

fn in_service(world: &World, namespace: &str, name: &str) -> Value {
    world.condition(&["mes", "-n", namespace, name], "Ready", "True", Some("InService"), 90)
}

/// Everything that the operator did at AWS after a call, about one secret.
fn touched(world: &World, mark: u64, secret: &str) -> Vec<String> {
    let part = format!("secret:{secret}");
    let about = |name: &str| name == secret || name.contains(&part);
    let calls = world.calls(mark).into_iter();
    calls
        .filter(|call| call.resource.as_ref().is_some_and(|name| about(name)) && call.operation != "DescribeSecret")
        .map(|call| call.operation)
        .collect()
}

/// Asks the operator to read again now, and waits until it has had the time.
fn read_again(world: &World, namespace: &str, name: &str) {
    let again = format!("managed-secrets.io/sync={}", now(world));
    world.plane.kubectl_ok(["annotate", "--overwrite", "mes", "-n", namespace, name, &again]).unwrap();
}

#[test]
fn t03_a_store_or_account_without_grants_serves_nobody_and_a_withdrawn_grant_stops_every_effect_but_payments() {
    const ROOM: &str = "ungranted";
    let world = world();
    room(&world, ROOM);
    let mut closed = store(&world, "ungranted-closed", ROOM);
    closed["spec"].as_object_mut().unwrap().remove("grants");
    world.apply(&closed);
    let account = |grants: Value| {
        json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "ungranted"},
            "spec": {"partnerTypes": ["PostgreSQLRole"], "endpoint": format!("postgresql://{}:5432/postgres", world.postgres.host()), "admin": {"secretRef": {"name": "pg-main-admin"}}, "grants": grants}})
    };
    world.apply(&account(json!([])));
    let app = app(&world, "ungranted");
    seed(&world, ROOM, "kept", &fields(&app));
    let mut no_store = from_seed("kept");
    no_store["storeRef"] = json!({"name": "ungranted-closed"});
    let no_account = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "ungranted"}, "parameters": {"username": "u_a", "alternateUsername": "u_b", "dbname": "postgres"}},
        "onboard": {"mint": {}}});
    let rows: [Row; 2] = [
        stalled("no-store", no_store, "StoreNotAllowed", &["spec.storeRef", "ungranted-closed", "spec.grants"]),
        stalled(
            "no-account",
            no_account,
            "AccountNotAllowed",
            &["spec.partner.accountRef", "ungranted", "spec.grants"],
        ),
    ];
    let before = now(&world);
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(deeds(&world, before), Vec::<String>::new(), "nothing was asked of AWS or a partner");

    // Withdrawn in the overlap of a rotation.
    let mut spec = delivered("kept");
    spec["rotation"]["overlap"] = "12s".into();
    world.apply(&resource(ROOM, "kept", &spec));
    in_service(&world, ROOM, "kept");
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": "kept-now", "namespace": ROOM}, "spec": {"resourceRef": {"name": "kept"}}}));
    world.condition(&["rot", "-n", ROOM, "kept-now"], "Promoted", "True", None, 60);
    let promoted = world.get(&["mes", "-n", ROOM, "kept"]);
    world.eventually("delivered", 20, |world| {
        let target = text(&world.get(&["secret", "-n", ROOM, "kept-target"]), "consumerSecret");
        if target == app.consumer_secret { Err(promoted["status"].to_string()) } else { Ok(()) }
    });
    let mut withdrawn = store(&world, ROOM, ROOM);
    withdrawn["spec"]["grants"] = json!([]);
    world.apply(&withdrawn);
    world.condition(&["mes", "-n", ROOM, "kept"], "Stalled", "True", Some("StoreNotAllowed"), 60);
    let (mark, target) = (now(&world), world.get(&["secret", "-n", ROOM, "kept-target"]));
    // What is owed is paid all the same: the one pair takes the other's place, which is ended.
    world.eventually("the former pair is ended", 40, |world| {
        let told = || world.get(&["rot", "-n", ROOM, "kept-now"])["status"].to_string();
        if logs_in(world, &app).0 { Err(told()) } else { Ok(()) }
    });
    let paid: Vec<String> = deeds(&world, mark).iter().map(|deed| deed.split(' ').next().unwrap().to_owned()).collect();
    let payments = ["GetSecretValue", "list_staged", "consumers", "rotate", "delete_staged"];
    assert!(paid.iter().all(|deed| payments.contains(&deed.as_str())), "nothing but the payment: {paid:?}");
    assert_eq!(world.get(&["secret", "-n", ROOM, "kept-target"])["data"], target["data"]);
    world.condition(&["mes", "-n", ROOM, "kept"], "Stalled", "True", Some("StoreNotAllowed"), 10);
    // The rotation ends once it is granted again.
    world.apply(&store(&world, ROOM, ROOM));
    world.condition(&["rot", "-n", ROOM, "kept-now"], "Complete", "True", Some("Revoked"), 60);
    clear(&world, ROOM);
    world.plane.kubectl_ok(["delete", "smstore", "ungranted-closed"]).unwrap();
    world.plane.kubectl_ok(["delete", "pacct", "ungranted"]).unwrap();
    drop(operator);
}

#[test]
fn t33_a_resource_that_is_deleted_and_made_again_twenty_times_takes_its_own_back_and_makes_nothing() {
    const ROOM: &str = "again";
    let world = world();
    room(&world, ROOM);
    let app = app(&world, "again");
    seed(&world, ROOM, "crm", &fields(&app));
    let operator = world.operator(&[]);
    let manifest = resource(ROOM, "crm", &delivered("crm"));
    world.apply(&manifest);
    let first = in_service(&world, ROOM, "crm")["status"]["versionID"].clone();
    let mark = now(&world);
    for _ in 0..20 {
        world.delete(&["mes", "-n", ROOM, "crm"]);
        world.apply(&manifest);
        assert_eq!(in_service(&world, ROOM, "crm")["status"]["versionID"], first);
    }
    let written: Vec<String> = world.calls(mark).into_iter().filter(writes).map(|call| call.operation).collect();
    assert!(written.iter().all(|operation| operation == "TagResource"), "the claim alone is renewed: {written:?}");
    assert_eq!(written.len(), 20);
    assert_eq!(logs_in(&world, &app), (true, 1));
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn t53_a_secret_whose_tags_were_taken_away_or_forged_is_contested_never_read_and_its_target_stays() {
    const ROOM: &str = "tagged";
    let world = world();
    room(&world, ROOM);
    let (app, victims) = (app(&world, "tagged"), app(&world, "tagged-victim"));
    let operator = world.operator(&[]);
    seed(&world, ROOM, "stripped", &fields(&app));
    world.apply(&resource(ROOM, "stripped", &delivered("stripped")));
    in_service(&world, ROOM, "stripped");
    let id = format!("{ROOM}/{ROOM}/stripped");
    let before = text(&world.get(&["secret", "-n", ROOM, "stripped-target"]), "consumerSecret");
    let tags = aws(&world, "DescribeSecret", &json!({"SecretId": id}))["Tags"].clone();

    // P14 copies the whole claim onto its victim, which this namespace may adopt by name.
    let value = value_of(fields(&victims));
    let victim = format!("legacy/{ROOM}/victim");
    let token = "by-a-person-00000000000000000000053";
    aws(
        &world,
        "CreateSecret",
        &json!({"Name": victim, "SecretString": value.to_string(), "Tags": tags, "ClientRequestToken": token}),
    );
    let adopts = json!({"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}}, "onboard": {"adopt": {}},
        "storeRef": {"secretName": victim}, "targets": [{"name": "victim-target"}]});
    let mark = now(&world);
    let rows = [stalled("victim", adopts, "SecretOwnedByAnother", &["legacy/tagged/victim", "spec.takeOver"])];
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(touched(&world, mark, &victim), Vec::<String>::new(), "not read, not written");

    // Ours, without its seal, with a cut one, without any tag.
    let seal = tags.as_array().unwrap().iter().find(|tag| tag["Key"] == "managed-secrets.io/seal").unwrap();
    let cut = seal["Value"].as_str().unwrap()[..40].to_owned();
    let keys: Vec<Value> = tags.as_array().unwrap().iter().map(|tag| tag["Key"].clone()).collect();
    for attack in ["cut", "seal", "all"] {
        match attack {
            "cut" => {
                let tag = json!([{"Key": "managed-secrets.io/seal", "Value": cut}]);
                aws(&world, "TagResource", &json!({"SecretId": id, "Tags": tag}))
            }
            "seal" => aws(&world, "UntagResource", &json!({"SecretId": id, "TagKeys": ["managed-secrets.io/seal"]})),
            _ => aws(&world, "UntagResource", &json!({"SecretId": id, "TagKeys": keys})),
        };
        let mark = now(&world);
        read_again(&world, ROOM, "stripped");
        world.condition(&["mes", "-n", ROOM, "stripped"], "Stalled", "True", Some("OwnershipContested"), 60);
        assert_eq!(touched(&world, mark, &id), Vec::<String>::new(), "{attack}: neither read nor written");
        let target = world.get(&["secret", "-n", ROOM, "stripped-target"]);
        assert_eq!(text(&target, "consumerSecret"), before, "{attack}");
        // Its owner puts the tags back: it goes on.
        aws(&world, "TagResource", &json!({"SecretId": id, "Tags": tags}));
        read_again(&world, ROOM, "stripped");
        in_service(&world, ROOM, "stripped");
    }
    assert_eq!((logs_in(&world, &app), logs_in(&world, &victims)), ((true, 1), (true, 1)));
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn t54_whoever_squats_our_name_with_our_tags_and_our_token_gets_nothing_promoted_or_delivered() {
    const ROOM: &str = "squatted";
    let world = world();
    room(&world, ROOM);
    let (app, squatters) = (app(&world, "squatted"), app(&world, "squatter"));
    let operator = world.operator(&[]);
    // It waits for its seed, so its UID and with it its first token are known before its secret is made.
    world.apply(&resource(ROOM, "crm", &delivered("crm")));
    world.condition(&["mes", "-n", ROOM, "crm"], "Reconciling", "True", Some("SeedMissing"), 60);
    let object = world.get(&["mes", "-n", ROOM, "crm"]);
    let uid = |what: &[&str]| world.get(what)["metadata"]["uid"].as_str().unwrap().to_owned();
    let (own, namespace, cluster) =
        (object["metadata"]["uid"].as_str().unwrap(), uid(&["namespace", ROOM]), uid(&["namespace", "kube-system"]));
    let id = format!("{ROOM}/{ROOM}/crm");
    let tags: Vec<Value> = [
        ("owner", id.as_str()),
        ("cluster", &cluster),
        ("namespace", ROOM),
        ("namespace-uid", &namespace),
        ("uid", own),
        ("seal", &"0".repeat(64)),
    ]
    .iter()
    .map(|(key, value)| json!({"Key": format!("managed-secrets.io/{key}"), "Value": value}))
    .collect();
    let value = value_of(fields(&squatters));
    aws(
        &world,
        "CreateSecret",
        &json!({"Name": id, "SecretString": value.to_string(), "Tags": tags, "ClientRequestToken": format!("{own}-0")}),
    );
    let mark = now(&world);
    seed(&world, ROOM, "crm", &fields(&app));
    let stalled = world.condition(&["mes", "-n", ROOM, "crm"], "Stalled", "True", Some("SecretOwnedByAnother"), 60);
    let message = condition_of(&stalled, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&id) && message.contains("delete or rename it"), "{message}");
    assert_eq!(touched(&world, mark, &id), Vec::<String>::new());
    assert_eq!(world.get(&["secret", "-n", ROOM, "crm-target"]), Value::Null);
    // The remedy that the message names.
    aws(&world, "DeleteSecret", &json!({"SecretId": id, "ForceDeleteWithoutRecovery": true}));
    in_service(&world, ROOM, "crm");
    assert_eq!(text(&world.get(&["secret", "-n", ROOM, "crm-target"]), "consumerSecret"), app.consumer_secret);
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn t58_of_two_clusters_on_one_account_and_prefix_the_second_writes_nothing() {
    const ROOM: &str = "twice";
    let (one, other) = (world(), world());
    let (first, second) = (one.operator(&[]), other.operator(&[]));
    let app = app(&one, "twice");
    for world in [&one, &other] {
        room(world, ROOM);
        seed(world, ROOM, "crm", &fields(&app));
    }
    other.apply(&store(&one, ROOM, ROOM));
    // Without IAM, which alone would keep the second out: its external id is not the first one's.
    one.sandbox.with(|sandbox| sandbox.judge_by(None)).expect("not judged");
    one.apply(&resource(ROOM, "crm", &delivered("crm")));
    in_service(&one, ROOM, "crm");
    let id = format!("{ROOM}/{ROOM}/crm");
    let as_it_was = |world: &World| {
        let mut told = aws(world, "DescribeSecret", &json!({"SecretId": id}));
        told.as_object_mut().unwrap().remove("LastAccessedDate");
        told
    };
    let (before, mark) = (as_it_was(&one), now(&one));
    other.apply(&resource(ROOM, "crm", &delivered("crm")));
    let told = other.condition(&["mes", "-n", ROOM, "crm"], "Stalled", "True", Some("SecretOwnedByAnother"), 60);
    let message = condition_of(&told, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("spec.takeOver"), "{message}");
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(touched(&one, mark, &id), Vec::<String>::new(), "neither a value read nor a write");
    assert_eq!(as_it_was(&one), before);
    assert_eq!(other.get(&["secret", "-n", ROOM, "crm-target"]), Value::Null);
    assert_eq!(logs_in(&one, &app), (true, 1));
    in_service(&one, ROOM, "crm");
    clear(&other, ROOM);
    clear(&one, ROOM);
    one.judge(Setup::default());
    drop((first, second));
}

#[test]
fn t61_a_namespace_that_was_made_again_inherits_only_what_take_over_names() {
    const ROOM: &str = "reborn";
    let world = world();
    room(&world, ROOM);
    let app = app(&world, "reborn");
    let operator = world.operator(&[]);
    let begin = || {
        seed(&world, ROOM, "crm", &fields(&app));
        world.apply(&resource(ROOM, "crm", &delivered("crm")));
    };
    begin();
    let version = in_service(&world, ROOM, "crm")["status"]["versionID"].clone();
    let before = world.get(&["namespace", ROOM])["metadata"]["uid"].clone();
    world.delete(&["namespace", ROOM]);
    world.eventually("the namespace is gone", 90, |world| match world.get(&["namespace", ROOM]) {
        Value::Null => Ok(()),
        there => Err(there["status"].to_string()),
    });
    room(&world, ROOM);
    let id = format!("{ROOM}/{ROOM}/crm");
    let mark = now(&world);
    begin();
    let told = world.condition(&["mes", "-n", ROOM, "crm"], "Stalled", "True", Some("SecretOwnedByAnother"), 60);
    let message = condition_of(&told, "Stalled")["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&id) && message.contains("spec.takeOver"), "{message}");
    assert_eq!(touched(&world, mark, &id), Vec::<String>::new(), "neither read nor written");
    assert_eq!(world.get(&["secret", "-n", ROOM, "crm-target"]), Value::Null);
    // One line of the platform's.
    let mut vouched = store(&world, ROOM, ROOM);
    vouched["spec"]["takeOver"] = json!([before]);
    world.apply(&vouched);
    assert_eq!(in_service(&world, ROOM, "crm")["status"]["versionID"], version);
    // Sealed for this namespace from now on: the line may go.
    world.apply(&store(&world, ROOM, ROOM));
    read_again(&world, ROOM, "crm");
    std::thread::sleep(std::time::Duration::from_secs(5));
    in_service(&world, ROOM, "crm");
    assert_eq!(logs_in(&world, &app), (true, 1));
    clear(&world, ROOM);
    drop(operator);
}

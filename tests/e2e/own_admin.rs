//! The credential that an account itself logs in with, in the hands of a tenant: as a seed, as an adopted secret, put into a
//! secret by others, swapped in between a look and a write. Rotated, it would lock out every other resource of the account.

use sandbox::{App, Fate};
use serde_json::{Value, json};

use crate::bad_input::{
    HOST, Row, app, aws, changed, clear, fields, from_seed, logs_in, make, now, resource, room, secret, seed, stalled,
    strike, told, value_of,
};
use crate::iam::granted;
use crate::partners::only_the_stores_role_was_ever_passed;
use crate::world::{World, condition_of, world, writes};

/// An account whose admin's pair is `admin`'s, and which grants `room` every app.
fn account(world: &World, room: &str, admin: &App) {
    let endpoint = format!("https://{HOST}");
    secret(
        world,
        "mes-system",
        room,
        "managed-secrets.io/admin",
        &[("consumerKey", &admin.consumer_key), ("consumerSecret", &admin.consumer_secret), ("endpoint", &endpoint)],
    );
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": room},
        "spec": {"partnerTypes": ["SalesforceClientSecret"], "endpoint": endpoint, "admin": {"secretRef": {"name": room}},
            "grants": [{"namespaces": [room], "identities": ["*"]}]}}));
}

fn forget(world: &World, room: &str) {
    clear(world, room);
    world.delete(&["pacct", room]);
    world.delete(&["secret", "-n", "mes-system", room]);
}

fn by(account: &str, seed: &str) -> Value {
    let mut spec = from_seed(seed);
    spec["partner"]["accountRef"] = json!({"name": account});
    spec["targets"] = json!([{"name": format!("{seed}-target")}]);
    spec
}

fn own_admin(name: &'static str, spec: Value) -> Row {
    stalled(name, spec, "RotatesOwnAdmin", &["admin credential of its own"])
}

/// The fields of `app`, with the pair of `admin`.
fn posing<'a>(app: &'a App, admin: &'a App) -> Vec<(&'a str, &'a str)> {
    let pair = changed(app, "consumerKey", &admin.consumer_key);
    pair.into_iter()
        .map(|(name, text)| (name, if name == "consumerSecret" { &admin.consumer_secret } else { text }))
        .collect()
}

/// What the operator asked of the partner, and what it wrote in AWS, since `mark`.
fn deeds(world: &World, mark: u64) -> Vec<String> {
    let calls = world.calls(mark).into_iter().filter(|call| call.door == "salesforce" || writes(call));
    calls.map(|call| format!("{} {}", call.operation, call.resource.unwrap_or_default())).collect()
}

#[test]
fn t04_no_seed_no_adopted_secret_and_no_stored_value_with_the_admins_bytes_is_tried_or_rotated() {
    const ROOM: &str = "lockout";
    let world = world();
    room(&world, ROOM);
    let (admin, tenants) = (app(&world, "lockout-admin"), app(&world, "lockout-tenant"));
    account(&world, ROOM, &admin);
    // The admin's own, whole; under the tenant's own identity; and its secret alone.
    seed(&world, ROOM, "whole", &fields(&admin));
    seed(&world, ROOM, "posing", &posing(&tenants, &admin));
    seed(&world, ROOM, "secret", &changed(&tenants, "consumerSecret", &admin.consumer_secret));
    let adopted = format!("legacy/{ROOM}/posing");
    let value = value_of(posing(&tenants, &admin)).to_string();
    let token = "by-a-person-00000000000000000000004";
    aws(
        &world,
        "CreateSecret",
        &json!({"Name": adopted, "SecretString": value, "ClientRequestToken": token, "Tags": [granted(&world, ROOM)]}),
    );
    let mut adopts = by(ROOM, "adopted");
    adopts["onboard"] = json!({"adopt": {}});
    adopts["storeRef"] = json!({"secretName": adopted});
    let rows = [
        own_admin("whole", by(ROOM, "whole")),
        own_admin("posing", by(ROOM, "posing")),
        own_admin("secret", by(ROOM, "secret")),
        own_admin("adopted", adopts),
    ];
    let mark = now(&world);
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(deeds(&world, mark), Vec::<String>::new(), "nothing was asked of the partner, nothing written");
    for row in &rows {
        assert!(world.data(ROOM, &format!("{}-target", row.name)).is_empty(), "{}", row.name);
    }

    // An honest one, into whose secret somebody puts the admin's pair later: it is not rotated, on request either.
    seed(&world, ROOM, "honest", &fields(&tenants));
    world.apply(&resource(ROOM, "honest", &by(ROOM, "honest")));
    world.condition(&["mes", "-n", ROOM, "honest"], "Ready", "True", Some("InService"), 60);
    let put = json!({"SecretId": format!("{ROOM}/{ROOM}/honest"), "SecretString": value, "ClientRequestToken": token});
    aws(&world, "PutSecretValue", &put);
    let mark = now(&world);
    let rotation = world.request_rotation(ROOM, "honest");
    let mes = world.condition(&["mes", "-n", ROOM, "honest"], "Stalled", "True", Some("RotatesOwnAdmin"), 60);
    println!("{}", condition_of(&mes, "Stalled")["message"]);
    std::thread::sleep(std::time::Duration::from_secs(5));
    let ended = world.get(&["rot", "-n", ROOM, &rotation]);
    assert_eq!(ended["status"]["promoteTime"], Value::Null, "{}", ended["status"]);
    let effects = ["stage", "rotate", "delete_staged", "PutSecretValue", "UpdateSecretVersionStage"];
    let done = deeds(&world, mark);
    assert!(!done.iter().any(|deed| effects.iter().any(|effect| deed.starts_with(effect))), "{done:?}");
    assert_eq!((logs_in(&world, &admin), logs_in(&world, &tenants)), ((true, 1), (true, 1)));
    forget(&world, ROOM);
    drop(operator);
}

#[test]
fn t04_a_seed_that_becomes_the_admins_between_look_and_write_is_not_stored() {
    const ROOM: &str = "swapped";
    let world = world();
    room(&world, ROOM);
    let (admin, tenants) = (app(&world, "swapped-admin"), app(&world, "swapped-tenant"));
    account(&world, ROOM, &admin);
    seed(&world, ROOM, "crm", &fields(&tenants));
    // Each look tries the seed at its partner, whose answer takes a while: what was tried is not what is there then.
    strike(&world, "salesforce", Some("token"), None, Fate::Delay { ms: 3_000 });
    let operator = world.operator(&["--deadline", "10s"]);
    let mark = now(&world);
    world.apply(&resource(ROOM, "crm", &by(ROOM, "crm")));
    let after = |operation: &str, mark: u64| {
        world.eventually(operation, 60, |world| {
            let calls = world.calls(mark);
            let found = calls.iter().find(|call| call.operation == operation);
            found.map(|call| call.number).ok_or_else(|| format!("{calls:?}"))
        })
    };
    // The look between the secret's making and the write of its first value.
    after("token", after("CreateSecret", mark));
    seed(&world, ROOM, "crm", &posing(&tenants, &admin));
    world.condition(&["mes", "-n", ROOM, "crm"], "Stalled", "True", Some("RotatesOwnAdmin"), 60);
    assert!(operator.log().contains("SeedChanged"), "the write looked at the seed again");
    assert!(world.labels(&format!("{ROOM}/{ROOM}/crm")).is_empty(), "no version was ever stored");
    assert_eq!(world.calls(mark).iter().filter(|call| call.operation == "PutSecretValue").count(), 0);
    assert_eq!((logs_in(&world, &admin), logs_in(&world, &tenants)), ((true, 1), (true, 1)));
    // The honest one put back: it goes on.
    world.sandbox.with(|sandbox| sandbox.clear_faults());
    seed(&world, ROOM, "crm", &fields(&tenants));
    world.condition(&["mes", "-n", ROOM, "crm"], "Ready", "True", Some("InService"), 60);
    forget(&world, ROOM);
    drop(operator);
}

/// Datadog's admin in AWS, with an API key of its own.
const ADMINS_KEY: (&str, &str) = ("0123456789abcdef0123456789abcdef", "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11");

fn admin_in_aws(world: &World, name: &str, (key, id): (&str, &str), token: &str) -> String {
    let value = json!({"adminApiKey": key, "adminApiKeyId": id, "adminAppKey": "ddapp_of-the-admin", "adminAppKeyId": "app-of-the-admin",
        "serviceAccountId": "sa-admin", "site": "datadoghq.eu"});
    let made = aws(
        world,
        "CreateSecret",
        &json!({"Name": name, "Type": "DatadogAdminKey", "SecretString": value.to_string(), "ClientRequestToken": token}),
    );
    made["ARN"].as_str().unwrap().to_owned()
}

fn datadog(room: &str, admin: &str) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": room},
        "spec": {"partnerTypes": ["DatadogApiKey"], "admin": {"storeRef": {"name": room, "secretName": admin}},
            "grants": [{"namespaces": [room], "identities": ["api-key/*"]}]}})
}

fn by_aws(room: &str, seed: &str) -> Value {
    json!({"partner": {"type": "DatadogApiKey", "accountRef": {"name": room}}, "onboard": {"fromSecret": {"name": seed}},
        "rotation": {"engine": "SecretsManager", "schedule": "rate(30 days)"}, "targets": [{"name": format!("{seed}-target")}]})
}

#[test]
fn t05_aws_is_told_of_the_accounts_admin_alone_and_never_to_rotate_it() {
    const ROOM: &str = "datadog";
    const SECRET: &str = "datadog/datadog/fair";
    let world = world();
    room(&world, ROOM);
    world.sandbox.with(sandbox::Sandbox::forget_judgements);
    let arn = admin_in_aws(&world, "admin/datadog", ADMINS_KEY, "by-a-person-00000000000000000000501");
    let others =
        admin_in_aws(&world, "admin/others", ("f".repeat(32).as_str(), "-"), "by-a-person-00000000000000000000502");
    world.apply(&datadog(ROOM, "admin/datadog"));
    let mut theirs = datadog("datadog-of-others", "admin/others");
    theirs["spec"]["admin"]["storeRef"]["name"] = ROOM.into();
    world.apply(&theirs);
    let (made_up, own_id) = ("00112233445566778899aabbccddeeff", "1e4f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f12");
    let seeds = [
        ("fair", [("apiKey", made_up), ("apiKeyId", own_id)]),
        ("whole", [("apiKey", ADMINS_KEY.0), ("apiKeyId", ADMINS_KEY.1)]),
        // Who has admin's rights needs no more than the id of what it shall end.
        ("id", [("apiKey", made_up), ("apiKeyId", ADMINS_KEY.1)]),
        ("key", [("apiKey", ADMINS_KEY.0), ("apiKeyId", own_id)]),
    ];
    seeds.iter().for_each(|(name, fields)| seed(&world, ROOM, name, fields));
    let operator = world.operator(&["--deadline", "10s"]);

    // A team names no admin and no role, however it spells them, and no account that is not granted to it.
    for key in ["adminSecretArn", "AdminSecretArn", "rotationRoleARN"] {
        let mut spec = by_aws(ROOM, "fair");
        spec["partner"]["parameters"] = json!({key: others});
        let name = format!("raises-{}", key.to_lowercase());
        let object = resource(ROOM, &name, &spec).to_string();
        let answer = world.plane.kubectl_with(["create", "-f", "-"], &object).unwrap();
        if answer.status.success() {
            world.condition(&["mes", "-n", ROOM, &name], "Stalled", "True", Some("InvalidParameters"), 60);
        } else {
            assert!(String::from_utf8_lossy(&answer.stderr).contains("adminSecretArn"), "{key}");
        }
    }
    let adopted = format!("legacy/{ROOM}/whole");
    let value = value_of(seeds[1].1).to_string();
    let token = "by-a-person-00000000000000000000504";
    aws(
        &world,
        "CreateSecret",
        &json!({"Name": adopted, "Type": "DatadogApiKey", "SecretString": value, "ClientRequestToken": token,
            "Tags": [granted(&world, ROOM)]}),
    );
    let mut adopts = by_aws(ROOM, "adopted");
    adopts["onboard"] = json!({"adopt": {}});
    adopts["storeRef"] = json!({"secretName": adopted});
    let rows = [
        own_admin("adopted", adopts),
        own_admin("whole", by_aws(ROOM, "whole")),
        own_admin("id", by_aws(ROOM, "id")),
        own_admin("key", by_aws(ROOM, "key")),
        stalled("of-others", by_aws("datadog-of-others", "fair"), "AccountNotAllowed", &["datadog-of-others"]),
    ];
    let mark = now(&world);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(deeds(&world, mark), Vec::<String>::new(), "nothing is made of them");

    world.plane.kubectl_ok(["delete", "mes", "--all", "-n", ROOM, "--timeout=300s"]).unwrap();

    // Swapped in after it was looked at: while the admin's secret is read to compare it.
    let mark = now(&world);
    strike(&world, "secretsmanager", Some("GetSecretValue"), Some("admin/datadog"), Fate::Delay { ms: 3_000 });
    world.apply(&resource(ROOM, "fair", &by_aws(ROOM, "fair")));
    world.eventually("the admin's secret is read", 60, |world| {
        let calls = world.calls(mark);
        if calls.iter().any(|call| call.operation == "GetSecretValue") { Ok(()) } else { Err(format!("{calls:?}")) }
    });
    seed(&world, ROOM, "fair", &seeds[1].1);
    world.condition(&["mes", "-n", ROOM, "fair"], "Stalled", "True", Some("RotatesOwnAdmin"), 60);
    assert!(operator.log().contains("SeedChanged"), "the call that makes the secret looked at the seed again");
    assert_eq!(deeds(&world, mark), Vec::<String>::new(), "and was not made");
    world.sandbox.with(|sandbox| sandbox.clear_faults());

    // The fair one is AWS's to rotate, by the account's admin and the store's role.
    seed(&world, ROOM, "fair", &seeds[0].1);
    world.condition(&["mes", "-n", ROOM, "fair"], "Ready", "True", None, 60);
    let described = || aws(&world, "DescribeSecret", &json!({"SecretId": SECRET}));
    let metadata = json!([{"Key": "adminSecretArn", "Value": arn}]);
    assert_eq!(described()["ExternalSecretRotationMetadata"], metadata);
    assert_eq!(described()["ExternalSecretRotationRoleArn"], "arn:aws:iam::123456789012:role/mes-rotation");
    let rotated = world.eventually("AWS has rotated it", 60, |world| {
        let held: Value =
            serde_json::from_str(&world.stored("us-west-2", SECRET).unwrap_or_default()).unwrap_or_default();
        if held["apiKey"] == made_up || held.is_null() { Err("not yet".to_owned()) } else { Ok(held) }
    });

    // The platform makes what the team has the account's admin: AWS is not told so.
    let key = (rotated["apiKey"].as_str().unwrap(), "another");
    admin_in_aws(&world, "admin/datadog2", key, "by-a-person-00000000000000000000503");
    let rotations = || world.calls(0).iter().filter(|call| call.operation == "RotateSecret").count();
    let before = rotations();
    world.apply(&datadog(ROOM, "admin/datadog2"));
    world.condition(&["mes", "-n", ROOM, "fair"], "Stalled", "True", Some("RotatesOwnAdmin"), 60);
    assert_eq!((rotations(), &described()["ExternalSecretRotationMetadata"]), (before, &metadata));
    world.apply(&datadog(ROOM, "admin/datadog"));
    world.condition(&["mes", "-n", ROOM, "fair"], "Ready", "True", None, 60);

    // The admin's own was read by the operator alone, and is as it was.
    let about = |arn: &str| arn.contains(":secret:admin/");
    for call in world.calls(0).iter().filter(|call| call.resource.as_deref().is_some_and(about)) {
        assert_eq!(call.operation, "GetSecretValue", "{call:?}");
        assert!(call.caller.ends_with("/mes-mes-system"), "{call:?}");
    }
    let stored: Value = serde_json::from_str(&world.stored("us-west-2", "admin/datadog").unwrap()).unwrap();
    assert_eq!(
        (stored["adminApiKey"].as_str(), stored["adminApiKeyId"].as_str()),
        (Some(ADMINS_KEY.0), Some(ADMINS_KEY.1))
    );
    only_the_stores_role_was_ever_passed(&world);
    clear(&world, ROOM);
    world.delete(&["pacct", ROOM, "datadog-of-others"]);
    drop(operator);
}

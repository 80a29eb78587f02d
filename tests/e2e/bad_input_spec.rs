//! A spec that asks for what is not, or may not be: told from the spec alone, before anything outside is asked.

use serde_json::{Value, json};

use crate::bad_input::{alive, all_roles, clear, deeds, described, make, now, room, stalled, told, waiting};
use crate::iam;
use crate::world::world;

const ROOM: &str = "badspec";

fn minted(parameters: &Value) -> Value {
    json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": parameters},
        "onboard": {"mint": {}}})
}

fn roles() -> Value {
    json!({"username": "badspec_a", "alternateUsername": "badspec_b", "dbname": "postgres"})
}

fn later_roles() -> Value {
    json!({"username": "badspec_c", "alternateUsername": "badspec_d", "dbname": "postgres"})
}

fn with(key: &str, value: &Value) -> Value {
    let mut spec = minted(&roles());
    spec[key] = value.clone();
    spec
}

fn partner(type_: &str, parameters: &Value, engine: &str) -> Value {
    json!({"partner": {"type": type_, "parameters": parameters}, "onboard": {"fromSecret": {"name": "no-such-seed"}},
        "rotation": {"engine": engine}})
}

#[test]
fn a_spec_that_asks_for_what_is_not_names_the_field_and_the_remedy_and_asks_nobody() {
    let world = world();
    world.roles(&["badspec_a", "badspec_b", "badspec_c", "badspec_d"]);
    room(&world, ROOM);
    let account = |name: &str, types: &[&str], namespace: &str| {
        json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": name},
            "spec": {"partnerTypes": types, "endpoint": "postgresql://db.invalid:5432/postgres",
                "admin": {"secretRef": {"name": "pg-main-admin"}},
                "grants": [{"namespaces": [namespace], "identities": ["*"]}]}})
    };
    world.apply(&account("badspec-orders", &["PostgreSQLRole"], "orders"));
    world.apply(&account("badspec-type", &["SalesforceClientSecret"], ROOM));
    let foreign = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "badspec-orders"},
        "spec": {"region": "us-west-2", "endpoint": world.sandbox.url(), "prefix": "badspec-orders",
            "auth": {"secretRef": {"name": "aws-keys"}}, "grants": [{"namespaces": ["orders"]}]}});
    world.apply(&foreign);
    let by_account = |name: &str| {
        let mut spec = minted(&roles());
        spec["partner"]["accountRef"]["name"] = name.into();
        spec
    };
    let by_store = |name: &str| with("storeRef", &json!({"name": name}));
    let rotation = |text: Value| with("rotation", &text);
    let rows = [
        stalled(
            "unknown-type",
            partner("Nobody2", &json!({}), "Operator"),
            "UnknownPartnerType",
            &["spec.partner.type", "`mes partners` lists them"],
        ),
        stalled(
            "unknown-parameter",
            partner("SalesforceClientSecret", &json!({"apiversion": "v65.0"}), "Operator"),
            "InvalidParameters",
            &[
                "spec.partner.parameters.apiversion is unknown",
                "mend its spelling",
                "spec.partner.parameters.apiVersion is missing",
                "v65.0",
            ],
        ),
        stalled(
            "parameter-of-none",
            partner("BigIDClientSecret", &json!({"days": "60"}), "SecretsManager"),
            "InvalidParameters",
            &["spec.partner.parameters.days is unknown", "has no parameters; remove it"],
        ),
        stalled(
            "malformed-parameter",
            minted(
                &json!({"username": "x\"; ALTER ROLE postgres", "alternateUsername": "badspec_b", "dbname": "postgres"}),
            ),
            "InvalidParameters",
            &["spec.partner.parameters.username must be the name of a role"],
        ),
        stalled(
            "missing-parameter",
            minted(&json!({"alternateUsername": "badspec_b", "dbname": "postgres"})),
            "InvalidParameters",
            &["spec.partner.parameters.username is missing"],
        ),
        stalled(
            "one-role",
            minted(&json!({"username": "badspec_a", "dbname": "postgres"})),
            "DisruptionNotAllowed",
            &["spec.rotation.disruption", "set it to Allow", "alternateUsername"],
        ),
        stalled(
            "reserved-role",
            minted(&json!({"username": "postgres", "alternateUsername": "badspec_b", "dbname": "postgres"})),
            "IdentityNotAllowed",
            &["spec.partner", "postgres is reserved", "name a principal of its own"],
        ),
        stalled(
            "foreign-role",
            minted(&json!({"username": "orders_a", "alternateUsername": "badspec_b", "dbname": "postgres"})),
            "IdentityNotAllowed",
            &["spec.partner", "orders_a", "spec.grants[].identities"],
        ),
        stalled(
            "engine-ours-only",
            {
                let mut spec = partner("PostgreSQLRole", &roles(), "SecretsManager");
                spec["partner"]["accountRef"] = json!({"name": "pg-main"});
                spec
            },
            "EngineNotSupported",
            &["spec.rotation.engine", "leave out engine"],
        ),
        stalled(
            "engine-awss-only",
            partner("BigIDClientSecret", &json!({}), "Operator"),
            "EngineNotSupported",
            &["spec.rotation.engine", "set engine: SecretsManager"],
        ),
        stalled(
            "never-fires",
            rotation(json!({"schedule": "cron(0 2 31 2 ? *)"})),
            "InvalidSchedule",
            &["spec.rotation.schedule never fires", "check day-of-month against month"],
        ),
        stalled(
            "too-often",
            rotation(json!({"schedule": "cron(0 0/2 * * ? *)"})),
            "InvalidSchedule",
            &["spec.rotation.schedule", "four hours"],
        ),
        stalled(
            "too-often-rate",
            rotation(json!({"schedule": "rate(2 hours)"})),
            "InvalidSchedule",
            &["spec.rotation.schedule", "four hours"],
        ),
        stalled(
            "unknown-zone",
            rotation(json!({"schedule": "cron(0 2 * * ? *)", "timeZone": "Europe/Atlantis"})),
            "InvalidSchedule",
            &["spec.rotation.timeZone", "Europe/Berlin"],
        ),
        stalled(
            "overlap-too-long",
            rotation(json!({"schedule": "rate(1 day)", "overlap": "48h"})),
            "InvalidOverlap",
            &["spec.rotation.overlap"],
        ),
        stalled(
            "region-unknown",
            with("regions", &json!([{"name": "xx-nowhere-9"}])),
            "RegionNotAllowed",
            &["spec.regions", "xx-nowhere-9", "administrators list it in spec.regions"],
        ),
        stalled(
            "region-not-allowed",
            with("regions", &json!([{"name": "eu-west-1"}, {"name": "eu-central-1"}])),
            "RegionNotAllowed",
            &["spec.regions", "eu-central-1"],
        ),
        stalled(
            "no-account",
            {
                let mut spec = minted(&roles());
                spec["onboard"] = json!({"fromSecret": {"name": "no-such-seed"}});
                spec["partner"].as_object_mut().unwrap().remove("accountRef");
                spec
            },
            "AccountRequired",
            &["spec.partner.accountRef", "needs a PartnerAccount"],
        ),
        stalled(
            "account-of-others",
            by_account("badspec-orders"),
            "AccountNotAllowed",
            &["spec.partner.accountRef", "badspec-orders", "spec.grants"],
        ),
        stalled(
            "account-of-another-type",
            by_account("badspec-type"),
            "AccountNotAllowed",
            &["spec.partner.accountRef", "badspec-type", "spec.partnerTypes"],
        ),
        stalled(
            "store-of-others",
            by_store("badspec-orders"),
            "StoreNotAllowed",
            &["spec.storeRef", "badspec-orders", "spec.grants"],
        ),
        stalled(
            "secret-of-others",
            json!({"onboard": {"observe": {}}, "storeRef": {"secretName": "legacy/orders/x"}}),
            "SecretNameNotAllowed",
            &["spec.storeRef.secretName", "legacy/orders/x", "spec.grants[].manage or observe"],
        ),
        waiting(
            "account-missing",
            by_account("badspec-later"),
            "AccountNotFound",
            &["spec.partner.accountRef", "waiting for PartnerAccount badspec-later"],
        ),
        waiting(
            "store-missing",
            {
                let mut spec = by_store("badspec-later");
                spec["partner"]["parameters"] = later_roles();
                spec
            },
            "StoreNotFound",
            &["spec.storeRef", "waiting for SecretsManagerStore badspec-later"],
        ),
        waiting(
            "secret-missing",
            json!({"onboard": {"observe": {}}, "storeRef": {"secretName": "legacy/badspec/x"}}),
            "SecretNotFound",
            &["spec.storeRef.secretName", "legacy/badspec/x"],
        ),
    ];
    let (roles_before, calls_before) = (all_roles(&world), now(&world));
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(deeds(&world, calls_before), Vec::<String>::new(), "nobody was asked for a value or a change");
    assert_eq!(all_roles(&world), roles_before, "no role changed");
    assert!(rows.iter().all(|row| described(&world, &format!("{ROOM}/{ROOM}/{}", row.name)).is_none()));

    // What is missing appears later: the resource goes on by itself, with nobody touching it.
    let mut later = foreign.clone();
    later["metadata"]["name"] = "badspec-later".into();
    later["spec"]["prefix"] = "badspec-later".into();
    let role = iam::role("badspec-later");
    iam::admit(&world, "badspec-later", &["us-west-2"], &[], iam::To::Role);
    later["spec"]["auth"]["assumeRole"] = json!({"roleARN": role});
    later["spec"]["kmsKeyID"] = iam::key("us-west-2").into();
    later["spec"]["grants"] = json!([{"namespaces": [ROOM]}]);
    world.apply(&later);
    world.condition(&["mes", "-n", ROOM, "store-missing"], "Ready", "True", None, 60);
    assert!(described(&world, "badspec-later/badspec/store-missing").is_some());

    // Two resources want one identity: the older one has it, the younger is told, and no role changes.
    let (roles_before, calls_before) = (all_roles(&world), now(&world));
    let younger = [stalled(
        "younger",
        minted(&later_roles()),
        "IdentityInUse",
        &["spec.partner", "badspec_", "delete one of the two"],
    )];
    std::thread::sleep(std::time::Duration::from_millis(1100));
    make(&world, ROOM, &younger);
    told(&world, ROOM, &younger, 30);
    assert_eq!((all_roles(&world), deeds(&world, calls_before)), (roles_before, Vec::new()));

    // An account that appears later.
    let mut account = account("badspec-later", &["PostgreSQLRole"], ROOM);
    let main = world.get(&["pacct", "pg-main"]);
    for field in ["endpoint", "caBundle", "privateNetworks"] {
        account["spec"][field] = main["spec"][field].clone();
    }
    world.apply(&account);
    world.condition(&["mes", "-n", ROOM, "account-missing"], "Ready", "True", None, 60);

    // The older one is gone, and nobody touches the younger: it goes on by itself.
    world.delete(&["mes", "-n", ROOM, "store-missing"]);
    world.eventually("the younger is woken", 20, |world| {
        let mes = world.get(&["mes", "-n", ROOM, "younger"]);
        if mes["status"].to_string().contains("IdentityInUse") { Err(mes["status"].to_string()) } else { Ok(()) }
    });

    alive(&operator);
    clear(&world, ROOM);
    world.plane.kubectl_ok(["delete", "pacct", "badspec-orders", "badspec-type", "badspec-later"]).unwrap();
    world.plane.kubectl_ok(["delete", "smstore", "badspec-orders", "badspec-later"]).unwrap();
    drop(operator);
}

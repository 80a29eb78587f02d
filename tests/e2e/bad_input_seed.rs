//! A seed that is no credential of its type: told by field, and nothing is made at AWS or the partner from it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox::{App, Fate};
use serde_json::{Value, json};

use crate::bad_input::{
    alive, app, aws, changed, clear, deeds, described, fields, from_seed, logs_in, make, now, resource, room, secret,
    seed, stalled, strike, text, told, waiting,
};
use crate::world::{World, condition_of, world};

const ROOM: &str = "badseed";

/// What a seed's Secret looks like, beside its name: type and fields.
type Wrong<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

fn current(world: &World, name: &str) -> Value {
    let value = aws(world, "GetSecretValue", &json!({"SecretId": format!("{ROOM}/{ROOM}/{name}")}));
    serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap()
}

#[test]
fn a_seed_that_is_no_credential_of_its_type_is_told_by_field_and_nothing_is_made_of_it() {
    let world = world();
    room(&world, ROOM);
    let good = app(&world, "seed-good");
    let long = "s".repeat(5000);
    let (typed, opaque) = ("managed-secrets.io/seed", "Opaque");
    let without: Vec<(&str, &str)> = fields(&good).into_iter().filter(|(name, _)| *name != "consumerSecret").collect();
    let wrong: Vec<Wrong<'_>> = vec![
        ("missing", typed, without),
        ("surplus", typed, fields(&good).into_iter().chain([("password", "x")]).collect()),
        ("unshowable", typed, fields(&good).into_iter().chain([(&*"n".repeat(65).leak(), "x")]).collect()),
        ("empty", typed, changed(&good, "consumerSecret", "")),
        ("long", typed, changed(&good, "consumerSecret", &long)),
        ("malformed", typed, changed(&good, "baseUri", "http://acme.my.salesforce.com/")),
        ("elsewhere", typed, changed(&good, "baseUri", "https://evil.example")),
        ("all-at-once", typed, vec![("consumerKey", ""), ("baseUri", "x"), ("appId", "1"), ("extra", "y")]),
        ("wrong-type", opaque, fields(&good).to_vec()),
        (
            "refused",
            typed,
            changed(&good, "consumerSecret", "0000000000000000000000000000000000000000000000000000000000000000"),
        ),
    ];
    for (name, type_, fields) in &wrong {
        secret(&world, ROOM, name, type_, fields);
    }
    let mut binary = json!({"apiVersion": "v1", "kind": "Secret", "type": typed, "metadata": {"name": "binary", "namespace": ROOM}, "data": {}});
    for (key, text) in fields(&good) {
        binary["data"][key] = STANDARD.encode(text).into();
    }
    binary["data"]["consumerSecret"] = STANDARD.encode([0xff, 0xfe, 0x00]).into();
    world.apply(&binary);
    // By an account, the value must name the account's host, whoever rotates.
    let account = |name: &str, type_: &str, endpoint: &str| {
        world.apply(
            &json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": name},
            "spec": {"partnerTypes": [type_], "endpoint": endpoint, "grants": [{"namespaces": [ROOM]}]}}),
        );
    };
    account("badseed-sales", "SalesforceClientSecret", "https://acme.my.salesforce.com");
    account("badseed-bigid", "BigIDClientSecret", "https://acme.bigid.cloud");
    seed(&world, ROOM, "other-host", &changed(&good, "baseUri", "https://evil.my.salesforce.com"));
    seed(
        &world,
        ROOM,
        "other-host-aws",
        &[("hostname", "evil.bigid.cloud"), ("refreshToken", "seedseed1234567890abcdef")],
    );
    let mut other_host = from_seed("other-host");
    other_host["partner"]["accountRef"] = json!({"name": "badseed-sales"});
    let other_host_aws = json!({"partner": {"type": "BigIDClientSecret", "accountRef": {"name": "badseed-bigid"}},
        "onboard": {"fromSecret": {"name": "other-host-aws"}}, "rotation": {"engine": "SecretsManager"}});
    let row = |name, reason, says| stalled(name, from_seed(name), reason, says);
    let invalid = |name, says| row(name, "SeedInvalid", says);
    let rows = [
        invalid("missing", &["spec.onboard.fromSecret: field consumerSecret is missing: add it"]),
        invalid("surplus", &["spec.onboard.fromSecret: field password is not a field of this type: remove it"]),
        invalid("unshowable", &["(a name that is not shown) is not a field of this type: remove it"]),
        invalid("empty", &["spec.onboard.fromSecret: field consumerSecret is empty: give it a text"]),
        invalid("long", &["field consumerSecret is longer than 4096 bytes: shorten it"]),
        invalid(
            "malformed",
            &["field baseUri must be https://DOMAIN.my.salesforce.com without port, path or trailing slash"],
        ),
        invalid("elsewhere", &["field baseUri must be https://DOMAIN.my.salesforce.com"]),
        invalid(
            "all-at-once",
            &[
                "consumerKey is empty",
                "consumerSecret is missing",
                "baseUri must",
                "appId must be 0x",
                "consumerId is missing",
                "extra is not a field",
            ],
        ),
        invalid("binary", &["field consumerSecret must be text in UTF-8"]),
        invalid(
            "wrong-type",
            &["spec.onboard.fromSecret", "not of type managed-secrets.io/seed and was not read; make one of that type"],
        ),
        row(
            "refused",
            "SeedRejected",
            &["spec.onboard.fromSecret", "the partner refuses the seed", "put a valid credential into it"],
        ),
        stalled("other-host", other_host, "EndpointMismatch", &["spec.partner.accountRef", "the host in the value"]),
        stalled("other-host-aws", other_host_aws, "EndpointMismatch", &["spec.partner.accountRef", "make them equal"]),
        waiting(
            "absent",
            from_seed("absent"),
            "SeedMissing",
            &["spec.onboard.fromSecret", "waiting for Secret absent of type managed-secrets.io/seed"],
        ),
    ];
    let before = now(&world);
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(deeds(&world, before), Vec::<String>::new(), "nothing was made and nothing read");
    assert_eq!(logs_in(&world, &good), (true, 1));
    for row in &rows {
        assert!(described(&world, &format!("{ROOM}/{ROOM}/{}", row.name)).is_none(), "{}", row.name);
    }
    let log = operator.log();
    assert!(!log.contains(&good.consumer_secret) && !log.contains(&good.consumer_key));

    // Mended, or there at last: each goes on by itself.
    for name in ["missing", "absent", "refused"] {
        let fresh = app(&world, name);
        seed(&world, ROOM, name, &fields(&fresh));
        let mes = world.condition(&["mes", "-n", ROOM, name], "Ready", "True", Some("InService"), 60);
        assert_eq!(condition_of(&mes, "Onboarded")["reason"], "Seeded");
        assert!(condition_of(&mes, "Stalled").is_null(), "{name}");
        assert_eq!(current(&world, name)["consumerSecret"], fresh.consumer_secret);
        assert_eq!(logs_in(&world, &fresh), (true, 1));
    }
    alive(&operator);
    clear(&world, ROOM);
    world.plane.kubectl_ok(["delete", "pacct", "badseed-sales", "badseed-bigid"]).unwrap();
    drop(operator);
}

#[test]
fn a_seed_that_is_changed_midway_counts_as_it_is_then_and_not_at_all_after_onboarding() {
    const ROOM: &str = "badseed2";
    let world = world();
    room(&world, ROOM);
    let (first, second): (App, App) = (app(&world, "midway"), app(&world, "midway-new"));
    seed(&world, ROOM, "midway", &fields(&first));
    strike(&world, "secretsmanager", Some("PutSecretValue"), Some(ROOM), Fate::Throttle);
    let operator = world.operator(&[]);
    let mut spec = from_seed("midway");
    spec["targets"] = json!([{"name": "midway-target"}]);
    world.apply(&resource(ROOM, "midway", &spec));
    let name = format!("{ROOM}/{ROOM}/midway");
    world.eventually("the secret is made, without a value", 30, |world| {
        let there = described(world, &name).is_some_and(|secret| secret["VersionIdsToStages"].is_null());
        let asked = world
            .sandbox
            .with(|sandbox| sandbox.log(0))
            .iter()
            .any(|entry| entry.operation == "PutSecretValue" && entry.fault.is_some());
        if there && asked { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let mes = world.get(&["mes", "-n", ROOM, "midway"]);
    assert_ne!(condition_of(&mes, "Ready")["status"], "True");
    assert!(world.get(&["secret", "-n", ROOM, "midway-target"]).is_null());
    seed(&world, ROOM, "midway", &fields(&second));
    world.sandbox.with(|sandbox| sandbox.clear_faults());
    world.plane.kubectl_ok(["annotate", "mes", "midway", "-n", ROOM, "managed-secrets.io/sync=now"]).unwrap();
    world.eventually("in service", 60, |world| {
        let mes = world.get(&["mes", "-n", ROOM, "midway"]);
        let told = condition_of(&mes, "Onboarded")["reason"] == "Seeded";
        if told { Ok(()) } else { Err(mes["status"].to_string()) }
    });
    let value = aws(&world, "GetSecretValue", &json!({"SecretId": name}));
    let value: Value = serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap();
    assert_eq!(value["consumerSecret"], second.consumer_secret);
    world.condition(&["mes", "-n", ROOM, "midway"], "Ready", "True", Some("InService"), 30);
    assert_eq!(text(&world.get(&["secret", "-n", ROOM, "midway-target"]), "consumerSecret"), second.consumer_secret);

    // Once onboarded the seed is unused: another one, or none, changes nothing.
    let before = now(&world);
    let third = app(&world, "midway-late");
    seed(&world, ROOM, "midway", &fields(&third));
    world.plane.kubectl_ok(["delete", "secret", "midway", "-n", ROOM]).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(
        deeds(&world, before).iter().all(|deed| !deed.starts_with("PutSecretValue")),
        "{:?}",
        deeds(&world, before)
    );
    assert_eq!((logs_in(&world, &first), logs_in(&world, &second)), ((true, 1), (true, 1)));
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

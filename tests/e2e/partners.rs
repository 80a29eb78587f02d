//! Salesforce, AWS's own engine, and secrets that others made: as a user sees them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sandbox::App;
use sandbox::RotationFailure;
use serde_json::{Value, json};

use crate::iam::{self, granted};
use crate::world::{World, condition_of, world, writes};

const HOST: &str = "acme.my.salesforce.com";

fn seed_of(app: &App, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": name, "namespace": "payments"},
        "stringData": {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": app.base_uri,
            "appId": app.app_id, "consumerId": app.consumer_id}})
}

/// Whether the pair that a Secret holds logs in at the stand-in, and how many pairs of its app are live.
fn salesforce(world: &World, key: &str, secret: &str) -> (bool, usize) {
    world.sandbox.with(|sandbox| sandbox.salesforce_logs_in(key, secret, Timestamp::now()))
}

fn of_target(world: &World, target: &str) -> BTreeMap<String, String> {
    world.data("payments", target)
}

/// The first rotation of a resource, complete.
fn first_rotation(world: &World, resource: &str) -> Value {
    world.eventually(&format!("the first rotation of {resource}"), 90, |world| {
        let rotations = world.rotations("payments", resource);
        let complete = rotations.iter().find(|each| condition_of(each, "Complete")["status"] == "True");
        complete.cloned().ok_or_else(|| format!("{rotations:?}"))
    })
}

#[test]
fn a_salesforce_pair_from_a_seed_replaces_itself_at_once_and_the_old_one_is_dead() {
    let world = world();
    let app = world.sandbox.with(|sandbox| sandbox.salesforce_app(HOST, "crm", true));
    let operator = world.operator(&[]);
    world.apply(&seed_of(&app, "crm-seed"));
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "crm", "namespace": "payments"},
        "spec": {"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}}, "onboard": {"fromSecret": {"name": "crm-seed"}},
            "rotation": {"schedule": "rate(30 days)", "overlap": "3s"}, "targets": [{"name": "crm"}]}}));
    let mes = world.condition(&["mes", "-n", "payments", "crm"], "Onboarded", "True", Some("Seeded"), 60);
    assert_eq!(condition_of(&mes, "Onboarded")["reason"], "Seeded");
    let rotation = first_rotation(&world, "crm");
    assert_eq!(condition_of(&rotation, "Complete")["reason"], "Revoked");
    assert_eq!(rotation["spec"]["trigger"], "Onboarding");
    let held = of_target(&world, "crm");
    assert_ne!(held["consumerKey"], app.consumer_key);
    assert_eq!(held["appId"], app.app_id, "what is not rotated stays");
    assert_eq!(
        salesforce(&world, &held["consumerKey"], &held["consumerSecret"]),
        (true, 1),
        "the new pair alone lives"
    );
    assert!(!salesforce(&world, &app.consumer_key, &app.consumer_secret).0, "the seed's pair is dead");
    world.condition(&["mes", "-n", "payments", "crm"], "Ready", "True", Some("InService"), 30);
    world.delete(&["mes", "-n", "payments", "crm"]);
    world.delete(&["secret", "-n", "payments", "crm", "crm-seed"]);
    drop(operator);
}

#[test]
fn a_salesforce_pair_is_rotated_by_an_admin_and_waits_until_the_partner_accepts_the_new_one() {
    let world = world();
    let (admin, app) = world
        .sandbox
        .with(|sandbox| (sandbox.salesforce_app(HOST, "admin", true), sandbox.salesforce_app(HOST, "billing", false)));
    let endpoint = format!("https://{HOST}");
    world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), |knobs| knobs.salesforce_acceptance_lag_ms = 5_000));
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/admin", "metadata": {"name": "salesforce-admin", "namespace": "mes-system"},
        "stringData": {"consumerKey": admin.consumer_key, "consumerSecret": admin.consumer_secret, "endpoint": endpoint}}));
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "salesforce-prod"},
        "spec": {"partnerTypes": ["SalesforceClientSecret"], "endpoint": endpoint, "parameters": {"apiVersion": "v65.0"},
            "admin": {"secretRef": {"name": "salesforce-admin"}}, "grants": [{"namespaces": ["payments"], "identities": [app.app_id]}]}}));
    let operator = world.operator(&[]);
    world.apply(&seed_of(&app, "billing-seed"));
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "billing", "namespace": "payments"},
        "spec": {"partner": {"type": "SalesforceClientSecret", "accountRef": {"name": "salesforce-prod"}}, "onboard": {"fromSecret": {"name": "billing-seed"}},
            "rotation": {"schedule": "cron(0 2 ? * SUN *)", "window": "3h", "timeZone": "Europe/Berlin", "overlap": "3s"}, "targets": [{"name": "billing"}]}}));
    let staged = world.eventually("a staged pair", 60, |world| {
        let calls = world.calls(0);
        let staged = calls.iter().rfind(|call| call.operation == "stage");
        staged.map(|_| Timestamp::now()).ok_or_else(|| "none".to_owned())
    });
    let rotation = first_rotation(&world, "billing");
    assert_eq!(condition_of(&rotation, "Complete")["reason"], "Revoked");
    let promoted: Timestamp = rotation["status"]["promoteTime"].as_str().unwrap().parse().unwrap();
    assert!(promoted.duration_since(staged) >= SignedDuration::from_secs(3), "not promoted before it was accepted");
    let held = of_target(&world, "billing");
    assert_eq!(salesforce(&world, &held["consumerKey"], &held["consumerSecret"]), (true, 1));
    assert!(!salesforce(&world, &app.consumer_key, &app.consumer_secret).0, "the seed's pair is dead");
    assert!(salesforce(&world, &admin.consumer_key, &admin.consumer_secret).0, "the admin's own is as it was");
    let account = world.condition(&["pacct", "salesforce-prod"], "Ready", "True", Some("Verified"), 30);
    assert_eq!(account["spec"]["endpoint"], endpoint);
    world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), |knobs| knobs.salesforce_acceptance_lag_ms = 0));
    world.delete(&["mes", "-n", "payments", "billing"]);
    world.delete(&["secret", "-n", "payments", "billing", "billing-seed"]);
    world.delete(&["pacct", "salesforce-prod"]);
    world.delete(&["secret", "-n", "mes-system", "salesforce-admin"]);
    drop(operator);
}

pub(crate) fn bigid(name: &str) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": "privacy"},
        "spec": {"partner": {"type": "BigIDClientSecret"}, "onboard": {"fromSecret": {"name": format!("{name}-seed")}},
            "rotation": {"engine": "SecretsManager", "schedule": "rate(30 days)", "window": "4h"},
            "regions": [{"name": "eu-west-1"}], "targets": [{"name": name}]}})
}

pub(crate) fn bigid_seed(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": format!("{name}-seed"), "namespace": "privacy"},
        "stringData": {"hostname": "acme.bigid.cloud", "refreshToken": "seedseed1234567890abcdef"}})
}

/// The value in the target, once it is AWSCURRENT's in both regions and another than `before`.
fn followed(world: &World, name: &str, before: &str) -> String {
    let secret = format!("e2e/privacy/{name}");
    world.eventually(&format!("the target of {name} follows"), 60, |world| {
        let held = world.data("privacy", name).remove("refreshToken").unwrap_or_default();
        let stored = |region| -> String {
            let text = world.stored(region, &secret).unwrap_or_default();
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            value["refreshToken"].as_str().unwrap_or_default().to_owned()
        };
        let same = held == stored("us-west-2") && held == stored("eu-west-1");
        if same && held != before && !held.is_empty() { Ok(held) } else { Err("an older value".to_owned()) }
    })
}

#[test]
fn a_secret_that_aws_rotates_is_made_declared_delivered_and_followed_without_a_put() {
    let world = world();
    let operator = world.operator(&[]);
    let mark = world.mark();
    world.apply(&bigid_seed("bigid"));
    world.apply(&bigid("bigid"));
    world.condition(&["mes", "-n", "privacy", "bigid"], "Ready", "True", None, 60);
    // AWS rotates at once: the seed was seen by people.
    let first = followed(&world, "bigid", "seedseed1234567890abcdef");
    let described = world.aws("us-west-2", "DescribeSecret", &json!({"SecretId": "e2e/privacy/bigid"}));
    assert_eq!(described["Type"], "BigIDClientSecret");
    assert_eq!(described["ExternalSecretRotationRoleArn"], "arn:aws:iam::123456789012:role/mes-rotation");
    assert_eq!(described["RotationRules"]["ScheduleExpression"], "rate(30 days)");
    assert_eq!(described["RotationRules"]["Duration"], "4h");
    assert_eq!(described["RotationEnabled"], true);

    world.advance(SignedDuration::from_hours(31 * 24));
    let second = followed(&world, "bigid", &first);
    let current =
        world.labels("e2e/privacy/bigid").into_iter().find(|(_, labels)| labels.contains(&"AWSCURRENT".to_owned()));
    let current = current.unwrap().0;
    world.eventually("a Rotation for what AWS did", 30, |world| {
        let rotations = world.rotations("privacy", "bigid");
        let told = rotations.iter().find(|each| each["status"]["versionID"] == current.as_str());
        let ended = told.is_some_and(|each| {
            condition_of(each, "Complete")["status"] == "True"
                && condition_of(each, "Complete")["reason"] == "RevokedByPartner"
        });
        if ended { Ok(()) } else { Err(format!("{rotations:?}")) }
    });
    assert_ne!(second, first);
    let asked = world.request_rotation("privacy", "bigid");
    world.condition(&["rot", "-n", "privacy", &asked], "Failed", "True", Some("EngineNotSupported"), 30);
    let calls = world.calls(mark);
    let count =
        |operation: &str| calls.iter().filter(|call| call.operation == operation && call.outcome == "ok").count();
    assert_eq!((count("CreateSecret"), count("RotateSecret")), (1, 1));
    only_the_stores_role_was_ever_passed(&world);
    assert_eq!(calls.iter().filter(|call| call.operation == "PutSecretValue").count(), 0, "never written by hand");
    world.condition(&["mes", "-n", "privacy", "bigid"], "Ready", "True", Some("InService"), 30);
    world.delete(&["mes", "-n", "privacy", "bigid"]);
    world.delete(&["secret", "-n", "privacy", "bigid", "bigid-seed"]);
    drop(operator);
}

/// T05: every RotateSecret of this run asked IAM whether its role may be passed.
pub(crate) fn only_the_stores_role_was_ever_passed(world: &World) {
    let judged = world.sandbox.with(|sandbox| sandbox.judgements());
    let passed: Vec<_> = judged.iter().filter(|each| each.action == "iam:PassRole").collect();
    assert!(!passed.is_empty(), "RotateSecret is judged");
    for each in passed {
        assert_eq!(each.resource, "arn:aws:iam::123456789012:role/mes-rotation", "{each:?}");
        assert!(each.allowed, "{each:?}");
    }
}

#[test]
fn a_rotation_that_fails_at_aws_is_shown_with_its_reason_and_heals() {
    let world = world();
    let operator = world.operator(&[]);
    let set = |failure| {
        world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), |knobs| knobs.rotation_failure = failure))
    };
    set(Some(RotationFailure::PendingWithValue));
    world.apply(&bigid_seed("bigid-late"));
    world.apply(&bigid("bigid-late"));
    world.condition(&["mes", "-n", "privacy", "bigid-late"], "Rotated", "False", Some("RotationFailed"), 60);
    let held = followed(&world, "bigid-late", "");
    assert_eq!(held, "seedseed1234567890abcdef", "what works is delivered meanwhile");
    world.condition(&["mes", "-n", "privacy", "bigid-late"], "Ready", "True", None, 30);
    set(None);
    world.advance(SignedDuration::from_hours(2));
    followed(&world, "bigid-late", &held);
    world.condition(&["mes", "-n", "privacy", "bigid-late"], "Rotated", "True", None, 30);
    world.delete(&["mes", "-n", "privacy", "bigid-late"]);
    world.delete(&["secret", "-n", "privacy", "bigid-late", "bigid-late-seed"]);
    drop(operator);
}

#[test]
fn an_adopted_secret_is_claimed_kept_and_rotated_on_request() {
    let world = world();
    let operator = world.operator(&[]);
    world.roles(&["payments_ad_a", "payments_ad_b"]);
    world.postgres.psql("ALTER ROLE payments_ad_a LOGIN PASSWORD 'made-by-terraform-once'").unwrap();
    let value = json!({"host": world.postgres.host(), "port": "5432", "dbname": "postgres", "username": "payments_ad_a", "password": "made-by-terraform-once"});
    let made = world.aws("us-west-2", "CreateSecret", &json!({"Name": "legacy/payments/ad", "SecretString": value.to_string(),
        "Description": "by Terraform", "ClientRequestToken": "00000000-0000-0000-0000-0000000000ad", "Tags": [{"Key": "team", "Value": "payments"}, granted(&world, "payments")]}));
    assert!(made["ARN"].is_string(), "{made}");
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "ad", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_ad_a", "alternateUsername": "payments_ad_b"}},
            "onboard": {"adopt": {}}, "storeRef": {"secretName": "legacy/payments/ad"}, "rotation": {"schedule": "rate(60 days)", "overlap": "3s"}, "targets": [{"name": "ad"}]}}));
    world.condition(&["mes", "-n", "payments", "ad"], "Ready", "True", Some("InService"), 60);
    assert_eq!(
        world.data("payments", "ad")["password"],
        "made-by-terraform-once",
        "nothing is rotated before its time"
    );
    let rotation = world.request_rotation("payments", "ad");
    world.condition(&["rot", "-n", "payments", &rotation], "Complete", "True", Some("Revoked"), 60);
    assert_eq!(world.data("payments", "ad")["username"], "payments_ad_b");
    assert!(world.logs_in("payments", "ad"));
    assert_eq!(world.logins(&["payments_ad_a", "payments_ad_b"]), 1);
    let described = world.aws("us-west-2", "DescribeSecret", &json!({"SecretId": "legacy/payments/ad"}));
    let tags: BTreeMap<String, String> = described["Tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!((tags["team"].as_str(), tags["managed-secrets.io/owner"].as_str()), ("payments", "e2e/payments/ad"));
    assert_eq!(described["Description"], "by Terraform");

    // Another one that the store does not grant is left as it is.
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "ad-foreign", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_fo_a", "alternateUsername": "payments_fo_b"}},
            "onboard": {"adopt": {}}, "storeRef": {"secretName": "legacy/orders/ad"}, "rotation": {}, "targets": [{"name": "ad-foreign"}]}}));
    world.condition(&["mes", "-n", "payments", "ad-foreign"], "Stalled", "True", Some("SecretNameNotAllowed"), 30);
    world.delete(&["mes", "-n", "payments", "ad", "ad-foreign"]);
    world.delete(&["secret", "-n", "payments", "ad"]);
    world.drop_roles("payments_ad_");
    drop(operator);
}

fn observer(name: &str, store: &str, secret: &str) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": "payments"},
        "spec": {"onboard": {"observe": {}}, "storeRef": {"name": store, "secretName": secret}, "targets": [{"name": name}]}})
}

#[test]
fn an_observed_secret_is_delivered_and_followed_also_as_text_and_from_a_replica_and_never_written() {
    let world = world();
    let operator = world.operator(&[]);
    let url = world.sandbox.url();
    iam::admit(&world, "e2e-eu", &["eu-west-1"], &["shared/*"], iam::To::Role);
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "europe"},
        "spec": {"region": "eu-west-1", "accountID": "123456789012", "auth": {"secretRef": {"name": "aws-keys"}, "assumeRole": {"roleARN": iam::role("e2e-eu")}}, "endpoint": url, "prefix": "e2e-eu",
            "grants": [{"namespaces": ["payments"], "observe": ["shared/*"]}]}}));
    let make = |name: &str, value: &str, token: &str| {
        let made = world.aws(
            "us-west-2",
            "CreateSecret",
            &json!({"Name": name, "SecretString": value, "ClientRequestToken": token, "Tags": [granted(&world, "payments")],
            "AddReplicaRegions": [{"Region": "eu-west-1"}]}),
        );
        assert!(made["ARN"].is_string(), "{made}");
    };
    make("shared/smtp", "{\"user\":\"mail\",\"password\":\"one-by-others\"}", "00000000-0000-0000-0000-000000000001");
    make("shared/plain", "just-text-of-others", "00000000-0000-0000-0000-000000000002");
    let mark = world.mark();
    world.apply(&observer("smtp", "default", "shared/smtp"));
    world.apply(&observer("plain", "default", "shared/plain"));
    world.apply(&observer("smtp-eu", "europe", "shared/smtp"));
    for name in ["smtp", "plain", "smtp-eu"] {
        let mes = world.condition(&["mes", "-n", "payments", name], "Ready", "True", None, 60);
        assert_eq!(condition_of(&mes, "Onboarded")["reason"], "Observed");
    }
    assert_eq!(world.data("payments", "smtp")["password"], "one-by-others");
    assert_eq!(
        world.data("payments", "plain"),
        BTreeMap::from([("value".to_owned(), "just-text-of-others".to_owned())])
    );
    assert_eq!(world.data("payments", "smtp-eu")["password"], "one-by-others");
    world.aws(
        "us-west-2",
        "PutSecretValue",
        &json!({"SecretId": "shared/smtp", "ClientRequestToken": "00000000-0000-0000-0000-000000000003",
        "SecretString": "{\"user\":\"mail\",\"password\":\"two-by-others\"}"}),
    );
    world.eventually("both follow", 30, |world| {
        let held = ["smtp", "smtp-eu"].map(|name| world.data("payments", name)["password"].clone());
        if held.iter().all(|held| held == "two-by-others") { Ok(()) } else { Err(format!("{held:?}")) }
    });
    let written: Vec<_> = world.calls(mark).into_iter().filter(writes).collect();
    assert!(written.is_empty(), "{written:?}");
    let foreign = observer("smtp-foreign", "default", "private/smtp");
    world.apply(&foreign);
    world.condition(&["mes", "-n", "payments", "smtp-foreign"], "Stalled", "True", Some("SecretNameNotAllowed"), 30);
    world.delete(&["mes", "-n", "payments", "smtp", "plain", "smtp-eu", "smtp-foreign"]);
    world.delete(&["secret", "-n", "payments", "smtp", "plain", "smtp-eu"]);
    world.delete(&["smstore", "europe"]);
    drop(operator);
}

//! What a tenant can name and must not reach: refused before anybody is asked, and in the same words whether it is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{World, condition_of, world, writes};

/// Outside what the store `default` grants to `payments`: `legacy/{namespace}/*`, `shared/*`, and its own path.
const OUTSIDE: [&str; 14] = [
    "e2e/orders/db",
    "e2e/orders/db/deeper",
    "e2e/privacy/bigid",
    "e2e/orders",
    "e2e2/payments/db",
    "legacy/orders/ad",
    "legacy/payments-x/ad",
    "legacy/payments",
    "legacy/payments/deep/er",
    "legacy/payments/../orders/ad",
    "shared/deep/er",
    "shared2/smtp",
    "admin/pg",
    "x/shared/smtp",
];

fn as_it_is(world: &World, name: &str) -> Value {
    let mut described = world.aws("us-west-2", "DescribeSecret", &json!({"SecretId": name}));
    described.as_object_mut().expect("an answer").remove("LastAccessedDate");
    described
}

fn wanted(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": name, "namespace": "payments"}, "spec": spec})
}

/// With `mint` and `fromSecret` nobody names a secret of AWS: what they reach is their own name, where somebody else's may
/// lie. It is described, and that is all; nothing is made at the partner either.
fn minted_and_seeded_ones_leave_a_strangers_secret_of_their_name_as_it_is(world: &World) {
    let app = world.sandbox.with(|sandbox| sandbox.salesforce_app("acme.my.salesforce.com", "t01", true));
    let names = ["t01-mint", "t01-seed"];
    for name in names {
        let body = json!({"Name": format!("e2e/payments/{name}"), "SecretString": "{\"a\":\"b\"}",
            "ClientRequestToken": "00000000-0000-0000-0000-000000000a99", "Tags": [crate::iam::granted(world, "payments")]});
        let made = world.aws("us-west-2", "CreateSecret", &body);
        assert!(made["ARN"].is_string(), "{made}");
    }
    let all = || names.map(|name| as_it_is(world, &format!("e2e/payments/{name}")));
    let before = all();
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": "t01-seed-seed", "namespace": "payments"},
        "stringData": {"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret, "baseUri": app.base_uri,
            "appId": app.app_id, "consumerId": app.consumer_id}}));
    world.roles(&["payments_t01_ma", "payments_t01_mb"]);
    let (mark, roles) = (world.mark(), crate::bad_input::all_roles(world));
    let roles_of = json!({"username": "payments_t01_ma", "alternateUsername": "payments_t01_mb", "dbname": "postgres"});
    world.apply(&wanted(
        "t01-mint",
        &json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": roles_of},
        "onboard": {"mint": {}}, "targets": [{"name": "t01-mint"}]}),
    ));
    world.apply(&wanted(
        "t01-seed",
        &json!({"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}},
        "onboard": {"fromSecret": {"name": "t01-seed-seed"}}, "targets": [{"name": "t01-seed"}]}),
    ));
    for name in names {
        world.condition(&["mes", "-n", "payments", name], "Stalled", "True", Some("SecretOwnedByAnother"), 60);
        assert!(world.data("payments", name).is_empty(), "{name}");
    }
    let calls = world.calls(mark);
    let loud: Vec<_> = calls.iter().filter(|call| writes(call) || call.operation == "GetSecretValue").collect();
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!((all(), crate::bad_input::all_roles(world)), (before, roles));
    world.delete(&["mes", "-n", "payments", "t01-mint", "t01-seed"]);
    world.delete(&["secret", "-n", "payments", "t01-seed-seed"]);
    world.drop_roles("payments_t01_");
    for name in names {
        let body = json!({"SecretId": format!("e2e/payments/{name}"), "ForceDeleteWithoutRecovery": true});
        world.aws("us-west-2", "DeleteSecret", &body);
    }
}

#[test]
fn t01_a_secret_outside_the_grants_is_neither_read_nor_written_and_refused_alike_whether_it_is_there() {
    let world = world();
    // Every second one is there, open to the namespace by its owner's tag: only the store's grants keep it.
    let there: Vec<&str> = OUTSIDE.into_iter().step_by(2).collect();
    for (place, name) in there.iter().enumerate() {
        let token = format!("00000000-0000-0000-0000-00000000a{place:03}");
        let body = json!({"Name": name, "SecretString": "{\"a\":\"b\"}", "ClientRequestToken": token, "Tags": [crate::iam::granted(&world, "payments")]});
        let made = world.aws("us-west-2", "CreateSecret", &body);
        assert!(made["ARN"].is_string() || made["__type"] == "ResourceExistsException", "{made}");
    }
    let before: Vec<Value> = there.iter().map(|name| as_it_is(&world, name)).collect();
    let mark = world.mark();
    let operator = world.operator(&[]);
    // Each is observed by one resource and adopted by another.
    let wishes: Vec<(String, &str, Value)> = OUTSIDE
        .iter()
        .enumerate()
        .flat_map(|(place, name)| {
            let roles = json!({"username": format!("payments_t01_{place}a"), "alternateUsername": format!("payments_t01_{place}b"), "dbname": "postgres"});
            let adopted = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": roles},
                "onboard": {"adopt": {}}, "rotation": {}});
            [(format!("t01-{place}"), *name, json!({"onboard": {"observe": {}}})), (format!("t01-adopt-{place}"), *name, adopted)]
        })
        .collect();
    let items: Vec<Value> = wishes
        .iter()
        .map(|(resource, name, wish)| {
            let mut spec = wish.clone();
            spec["storeRef"] = json!({"secretName": name});
            spec["targets"] = json!([{"name": resource}]);
            wanted(resource, &spec)
        })
        .collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let mut told = BTreeSet::new();
    for (resource, name, _) in &wishes {
        let mes =
            world.condition(&["mes", "-n", "payments", resource], "Stalled", "True", Some("SecretNameNotAllowed"), 60);
        let message = condition_of(&mes, "Stalled")["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(name), "{message}");
        told.insert(message.replace(name, "NAME"));
        assert!(world.data("payments", resource).is_empty(), "{resource}");
    }
    assert_eq!(told.len(), 1, "refused in the same words: {told:?}");
    let quiet = ["AssumeRole", "GetCallerIdentity", "ListSecrets"];
    let loud: Vec<_> = world.calls(mark).into_iter().filter(|call| !quiet.contains(&call.operation.as_str())).collect();
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!(there.iter().map(|name| as_it_is(&world, name)).collect::<Vec<_>>(), before);
    let mut arguments = vec!["mes", "-n", "payments"];
    arguments.extend(wishes.iter().map(|(resource, ..)| resource.as_str()));
    world.delete(&arguments);
    minted_and_seeded_ones_leave_a_strangers_secret_of_their_name_as_it_is(&world);
    for name in &there {
        world.aws("us-west-2", "DeleteSecret", &json!({"SecretId": name, "ForceDeleteWithoutRecovery": true}));
    }
    drop(operator);
}

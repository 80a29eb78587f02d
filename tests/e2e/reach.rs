//! What a tenant can name and must not reach: refused before anybody is asked, and in the same words whether it is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{World, condition_of, world};

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
    let items: Vec<Value> = OUTSIDE
        .iter()
        .enumerate()
        .map(|(place, name)| {
            json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": format!("t01-{place}"), "namespace": "payments"},
                "spec": {"onboard": {"observe": {}}, "storeRef": {"secretName": name}, "targets": [{"name": format!("t01-{place}")}]}})
        })
        .collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let mut told = BTreeSet::new();
    for (place, name) in OUTSIDE.iter().enumerate() {
        let resource = format!("t01-{place}");
        let mes =
            world.condition(&["mes", "-n", "payments", &resource], "Stalled", "True", Some("SecretNameNotAllowed"), 60);
        let message = condition_of(&mes, "Stalled")["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(name), "{message}");
        told.insert(message.replace(name, "NAME"));
        assert!(world.data("payments", &resource).is_empty(), "{resource}");
    }
    assert_eq!(told.len(), 1, "refused in the same words: {told:?}");
    let quiet = ["AssumeRole", "GetCallerIdentity", "ListSecrets"];
    let loud: Vec<_> = world.calls(mark).into_iter().filter(|call| !quiet.contains(&call.operation.as_str())).collect();
    assert!(loud.is_empty(), "{loud:?}");
    assert_eq!(there.iter().map(|name| as_it_is(&world, name)).collect::<Vec<_>>(), before);
    let names: Vec<String> = (0..OUTSIDE.len()).map(|place| format!("t01-{place}")).collect();
    let mut arguments = vec!["mes", "-n", "payments"];
    arguments.extend(names.iter().map(String::as_str));
    world.delete(&arguments);
    for name in &there {
        world.aws("us-west-2", "DeleteSecret", &json!({"SecretId": name, "ForceDeleteWithoutRecovery": true}));
    }
    drop(operator);
}

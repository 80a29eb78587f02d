//! What rest costs: no write to the cluster but the Lease, no call to Secrets Manager but the sweep's.
//!
//! `MES_E2E_IDLE_RESOURCES` and `MES_E2E_IDLE_SECONDS` set how many and how long (20 and 60 unless set).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{World, condition_of, world};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What others than Kubernetes' own programs wrote to the cluster since then: verb, resource and name, counted.
fn written(world: &World, since: Timestamp) -> BTreeMap<String, usize> {
    let audit = std::fs::read_to_string(world.plane.audit_log()).expect("an audit log");
    let mut counted = BTreeMap::new();
    for line in audit.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let at: Timestamp = entry["requestReceivedTimestamp"].as_str().unwrap_or_default().parse().expect("a time");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let read = ["get", "list", "watch"].contains(&text(&entry["verb"]).as_str());
        if at < since || read || text(&entry["userAgent"]).starts_with("kube") {
            continue;
        }
        let object = &entry["objectRef"];
        let what = format!("{} {} {}", text(&entry["verb"]), text(&object["resource"]), text(&object["name"]));
        *counted.entry(what).or_insert(0) += 1;
    }
    counted
}

#[test]
fn at_rest_nothing_is_written_but_the_lease_and_nothing_asked_but_the_sweep() {
    let world = world();
    let resources = number("MES_E2E_IDLE_RESOURCES", 20);
    let seconds = number("MES_E2E_IDLE_SECONDS", 60);
    let role = |number: u64, half: char| format!("orders_idle_{number}_{half}");
    let all: Vec<String> = (0..resources).flat_map(|number| [role(number, 'a'), role(number, 'b')]).collect();
    world.roles(&all.iter().map(String::as_str).collect::<Vec<_>>());
    // As shipped: sixteen resources at a time share this machine, and a pass must fit into D.
    let operator = world.operator(&["--deadline", "30s"]);
    let items: Vec<Value> = (0..resources)
        .map(|number| {
            json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": format!("idle-{number}"), "namespace": "orders"},
                "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": role(number, 'a'), "alternateUsername": role(number, 'b'), "dbname": "postgres"}},
                    "onboard": {"mint": {}}, "rotation": {"schedule": "rate(7 days)"}, "regions": [{"name": "eu-west-1"}], "targets": [{"name": format!("idle-{number}")}]}})
        })
        .collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    world.eventually("all are in service", 60 + 5 * resources, |world| {
        let list = world.get(&["mes", "-n", "orders"]);
        let served = |each: &&Value| {
            condition_of(each, "Ready")["reason"] == "InService" && condition_of(each, "Reconciling").is_null()
        };
        let serving = list["items"].as_array().into_iter().flatten().filter(served).count() as u64;
        if serving == resources { Ok(()) } else { Err(format!("{serving} of {resources}")) }
    });
    world.eventually("quiet", 120, |world| {
        std::thread::sleep(Duration::from_secs(8));
        let lately = Timestamp::now() - SignedDuration::from_secs(8);
        let others: Vec<_> = written(world, lately).into_keys().filter(|what| !what.contains(" leases ")).collect();
        if others.is_empty() { Ok(()) } else { Err(format!("{others:?}")) }
    });

    let (since, mark) = (Timestamp::now(), world.mark());
    std::thread::sleep(Duration::from_secs(seconds));
    let written = written(&world, since);
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for call in world.calls(mark) {
        *asked.entry(call.operation).or_insert(0) += 1;
    }
    eprintln!("idle: {resources} resources, {seconds} s: written {written:?}, asked {asked:?}");
    assert_eq!(written.keys().collect::<Vec<_>>(), ["patch leases mes-leader"]);
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["GetCallerIdentity", "ListSecrets"]);
    world.delete(&["mes", "-n", "orders", "--all"]);
    world.delete(&["secret", "-n", "orders", "-l", "managed-secrets.io/resource"]);
    world.drop_roles("orders_idle_");
    drop(operator);
}

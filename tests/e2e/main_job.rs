//! Onboarded, rotated, replicated, delivered, revoked: as a user sees it.

use serde_json::json;

use crate::world::{condition_of, world};

#[test]
fn a_minted_postgresql_role_is_made_replicated_delivered_and_rotated_on_request() {
    let world = world();
    world.roles(&["payments_a", "payments_b"]);
    let operator = world.operator(&[]);
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "orders-db", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_a", "alternateUsername": "payments_b", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"schedule": "rate(7 days)", "overlap": "3s"},
            "regions": [{"name": "us-west-2"}, {"name": "eu-west-1"}, {"name": "ap-southeast-2"}], "targets": [{"name": "orders-db"}]}}));
    let mes = world.condition(&["mes", "-n", "payments", "orders-db"], "Ready", "True", None, 90);
    assert_eq!(condition_of(&mes, "Onboarded")["reason"], "Minted");
    let first = mes["status"]["versionID"].as_str().unwrap().to_owned();
    assert!(world.logs_in("payments", "orders-db"), "the target's credential logs in");
    assert_eq!(mes["status"]["regions"].as_array().unwrap().len(), 3);

    let made = world.plane.kubectl_with(["create", "-f", "-"], &json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {"generateName": "orders-db-", "namespace": "payments"}, "spec": {"resourceRef": {"name": "orders-db"}}}).to_string()).unwrap();
    assert!(made.status.success());
    let rotation = String::from_utf8(made.stdout).unwrap();
    let rotation = rotation.split(['/', ' ']).nth(1).unwrap().to_owned();
    world.condition(&["rot", "-n", "payments", &rotation], "Promoted", "True", None, 60);
    let done = world.condition(&["rot", "-n", "payments", &rotation], "Complete", "True", Some("Revoked"), 60);
    assert_eq!(done["status"]["phase"], "Complete");
    let mes = world.condition(&["mes", "-n", "payments", "orders-db"], "Ready", "True", Some("InService"), 30);
    assert_ne!(mes["status"]["versionID"], first.as_str());
    assert!(world.logs_in("payments", "orders-db"));
    let logins = world
        .postgres
        .psql("SELECT count(*) FROM pg_roles WHERE rolname IN ('payments_a', 'payments_b') AND rolcanlogin")
        .unwrap();
    assert_eq!(logins.trim(), "1", "exactly one of the two roles may log in");
    drop(operator);
}

//! One role whose password is replaced in place: nothing is given up before everything that follows was tried.

use serde_json::json;

use crate::world::{World, condition_of, world};

const ROLE: &str = "payments_solo";

/// An admission policy that refuses every change of the target, and its binding.
fn refuse_the_target(world: &World) {
    world.apply(&json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "solo-frozen"},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]}]},
            "validations": [{"expression": "object.metadata.name != 'solo-db'", "message": "frozen"}]}}));
    world.apply(&json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "solo-frozen"},
        "spec": {"policyName": "solo-frozen", "validationActions": ["Deny"]}}));
    world.eventually("the policy to hold", 60, |world| {
        let patch = r#"{"metadata":{"annotations":{"frozen":"no"}}}"#;
        let tried = ["-n", "payments", "patch", "secret", "solo-db", "--dry-run=server", "-p", patch];
        let output = world.plane.kubectl(tried).map_err(|error| error.to_string())?;
        if output.status.success() { Err("taken".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn one_role_is_rotated_in_place_only_once_every_later_write_would_be_taken_and_a_killed_process_ends_it() {
    let world = world();
    world.roles(&[ROLE]);
    world.lend_home();
    let mut operator = world.operator(&["--lease-name", "solo-1"]);
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "solo-db", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": ROLE, "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"schedule": "rate(7 days)", "disruption": "Allow"},
            "regions": [{"name": "eu-west-1"}], "targets": [{"name": "solo-db"}]}}));
    world.condition(&["mes", "-n", "payments", "solo-db"], "Ready", "True", Some("InService"), 90);
    let first = world.data("payments", "solo-db");
    assert!(world.logs_in("payments", "solo-db"));

    // The target can't be written: the old password lives on, and the Rotation says what it waits for.
    refuse_the_target(&world);
    let rotation = world.request_rotation("payments", "solo-db");
    world.eventually("the wait to be told", 60, |world| {
        let waiting = world.get(&["rot", "-n", "payments", &rotation])["status"]["waitingFor"].to_string();
        if waiting.contains("NotRehearsed") { Ok(()) } else { Err(waiting) }
    });
    assert!(world.logs_in("payments", "solo-db"), "nothing was registered");
    assert_eq!(world.data("payments", "solo-db")["password"], first["password"]);

    // It can again; the process dies as soon as the role has the new password, and the next one ends the rotation.
    world.delete(&["validatingadmissionpolicybinding", "solo-frozen"]);
    world.delete(&["validatingadmissionpolicy", "solo-frozen"]);
    world.eventually("the point of no return", 120, |world| {
        let effect = world.get(&["rot", "-n", "payments", &rotation])["status"]["intent"]["effect"].clone();
        if effect == "Register" || effect == "Promote" { Ok(()) } else { Err(effect.to_string()) }
    });
    operator.kill();
    drop(operator);
    let operator = world.operator(&["--lease-name", "solo-2"]);
    let done =
        world.condition(&["rot", "-n", "payments", &rotation], "Complete", "True", Some("RevokedByPartner"), 120);
    assert_eq!(condition_of(&done, "Promoted")["status"], "True");
    assert_eq!(done["status"]["attempt"], 1, "no second value was made");
    world.condition(&["mes", "-n", "payments", "solo-db"], "Ready", "True", Some("InService"), 60);
    let now = world.data("payments", "solo-db");
    assert_eq!(now["username"], first["username"]);
    assert_ne!(now["password"], first["password"]);
    assert!(world.logs_in("payments", "solo-db"));
    let old = world.postgres.psql_as(ROLE, &first["password"], "select 1").unwrap();
    assert!(!old.status.success(), "the old password is dead");
    world.delete(&["mes", "-n", "payments", "solo-db"]);
    world.delete(&["secret", "-n", "payments", "solo-db"]);
    world.drop_roles(ROLE);
    drop(operator);
}

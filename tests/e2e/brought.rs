//! A person's own candidate against a real PostgreSQL: back to an earlier version, a new credential in a Secret, and what is
//! refused without a trace. What a compromise superseded comes back by none of them, nor by hand.

use serde_json::{Value, json};

use crate::world::{World, condition_of, world};

const HERE: &str = "payments";

fn database(name: &str, roles: &[&str; 2], overlap: &str) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": HERE},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": roles[0], "alternateUsername": roles[1], "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": overlap}, "targets": [{"name": name}]}})
}

/// Makes a Rotation with this candidate, as a person does.
fn bring(world: &World, name: &str, resource: &str, candidate: &Value) {
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": name, "namespace": HERE},
        "spec": {"resourceRef": {"name": resource}, "candidate": candidate}}));
}

fn alarm(world: &World, name: &str, resource: &str) {
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": name, "namespace": HERE},
        "spec": {"resourceRef": {"name": resource}, "trigger": "Compromise"}}));
}

/// A seed of `role`, as it would be brought for onboarding.
fn seed(world: &World, name: &str, type_: &str, role: &str, password: &str) {
    let port = "5432".to_owned();
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": {"name": name, "namespace": HERE},
        "stringData": {"host": world.postgres.host(), "port": port, "dbname": "postgres", "username": role, "password": password}}));
}

fn labelled(world: &World, resource: &str, label: &str) -> Option<String> {
    let labels = world.labels(&format!("e2e/{HERE}/{resource}"));
    labels.into_iter().find(|(_, labels)| labels.iter().any(|each| each == label)).map(|(version, _)| version)
}

fn current(world: &World, resource: &str) -> String {
    labelled(world, resource, "AWSCURRENT").expect("AWSCURRENT")
}

fn in_service(world: &World, resource: &str) -> Value {
    world.condition(&["mes", "-n", HERE, resource], "Ready", "True", Some("InService"), 90)
}

fn cleared(world: &World, resource: &str, secrets: &[&str], roles: &str) {
    world.delete(&["rot", "-n", HERE, "--field-selector", &format!("spec.resourceRef.name={resource}")]);
    world.delete(&["mes", "-n", HERE, resource]);
    for secret in secrets.iter().chain([&resource]) {
        world.delete(&["secret", "-n", HERE, secret]);
    }
    world.drop_roles(roles);
}

#[test]
fn a_rollback_within_the_overlap_puts_the_earlier_credential_back_and_a_version_that_is_dead_stays_dead() {
    let world = world();
    let roles = ["payments_rb_a", "payments_rb_b"];
    world.roles(&roles);
    let operator = world.operator(&[]);
    world.apply(&database("rb", &roles, "30m"));
    in_service(&world, "rb");
    let (first, held) = (current(&world, "rb"), world.data(HERE, "rb"));
    let newer = world.request_rotation(HERE, "rb");
    world.condition(&["rot", "-n", HERE, &newer], "Promoted", "True", None, 60);
    world.eventually("the newer one is delivered", 30, |world| {
        let now = world.data(HERE, "rb");
        if now["username"] != held["username"] { Ok(()) } else { Err("the earlier one".to_owned()) }
    });
    let second = current(&world, "rb");
    // The rollback keeps an overlap too, and takes this one.
    world.apply(&database("rb", &roles, "3s"));
    bring(&world, "rb-back", "rb", &json!({"versionID": first}));
    let back = world.condition(&["rot", "-n", HERE, "rb-back"], "Complete", "True", Some("Revoked"), 90);
    assert_eq!(condition_of(&back, "Promoted")["status"], "True");
    world.condition(&["rot", "-n", HERE, &newer], "Complete", "True", Some("Superseded"), 10);
    in_service(&world, "rb");
    assert_eq!(world.data(HERE, "rb"), held, "the very bytes of before");
    assert!(world.logs_in(HERE, "rb"));
    assert_eq!(world.logins(&roles), 1, "the newer one was owed, and is dead");
    assert_eq!(json!(current(&world, "rb")), back["status"]["versionID"], "under a version of its own");
    assert_eq!(labelled(&world, "rb", "AWSPENDING"), None);

    let before = current(&world, "rb");
    let mark = world.mark();
    for (name, version) in [("rb-dead", second.as_str()), ("rb-never", "0d5f6b1e-6b6e-5c0e-9b1a-2f6f0a7f3f11")] {
        bring(&world, name, "rb", &json!({"versionID": version}));
        let refused = world.condition(&["rot", "-n", HERE, name], "Failed", "True", Some("VersionNotLive"), 60);
        assert!(refused["status"]["versionID"].is_null(), "nothing was begun: {}", refused["status"]);
    }
    let puts = world.calls(mark).into_iter().filter(|call| call.operation == "PutSecretValue").count();
    assert_eq!((current(&world, "rb"), puts), (before, 0));
    assert!(world.logs_in(HERE, "rb"));
    cleared(&world, "rb", &[], "payments_rb_");
    drop(operator);
}

#[test]
fn a_credential_of_ones_own_heals_what_somebody_changed_and_one_that_is_refused_leaves_no_trace() {
    let world = world();
    let roles = ["payments_own_a", "payments_own_b"];
    world.roles(&roles);
    let operator = world.operator(&[]);
    world.apply(&database("own", &roles, "3s"));
    in_service(&world, "own");
    let (first, held) = (current(&world, "own"), world.data(HERE, "own"));
    let role = held["username"].clone();

    // Refused: by the partner, by its type, by its fields, for its identity, and since it is not there.
    seed(&world, "own-wrong", "managed-secrets.io/seed", &role, "not-the-password");
    seed(&world, "own-opaque", "Opaque", &role, &held["password"]);
    seed(&world, "own-foreign", "managed-secrets.io/seed", "orders_own_a", "whatever-it-is");
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/seed", "metadata": {"name": "own-half", "namespace": HERE},
        "stringData": {"username": role, "pasword": "misspelt"}}));
    let mark = world.mark();
    for (secret, reason, detail) in [
        ("own-wrong", "CandidateRejected", "RefusedByPartner"),
        ("own-opaque", "SeedInvalid", "WrongType"),
        ("own-foreign", "SeedInvalid", "IdentityNotAllowed"),
        ("own-half", "SeedInvalid", "WrongFields"),
    ] {
        bring(&world, secret, "own", &json!({"fromSecret": {"name": secret}}));
        let refused = world.condition(&["rot", "-n", HERE, secret], "Failed", "True", Some(reason), 60);
        assert_eq!(refused["status"]["lastFailureReason"], detail, "{}", refused["status"]);
        let told = condition_of(&refused, "Failed")["message"].as_str().unwrap();
        assert!(told.contains("spec.candidate") && told.is_ascii(), "{told}");
        assert!(refused["status"]["versionID"].is_null(), "nothing was begun: {}", refused["status"]);
    }
    let writes = |operation: &str| world.calls(mark).iter().filter(|call| call.operation == operation).count();
    assert_eq!((writes("PutSecretValue"), writes("UpdateSecretVersionStage")), (0, 0));
    assert_eq!((current(&world, "own"), world.data(HERE, "own")), (first.clone(), held.clone()));
    assert!(world.logs_in(HERE, "own"));
    in_service(&world, "own");

    // Somebody changes the password of the role in use: what is stored is dead.
    world.postgres.psql(&format!("ALTER ROLE {role} PASSWORD 'changed-by-hand-Zq7'")).unwrap();
    assert!(!world.logs_in(HERE, "own"));
    // The Rotation may come before its Secret.
    bring(&world, "own-heal", "own", &json!({"fromSecret": {"name": "own-new"}}));
    world.eventually("the wait is told", 30, |world| {
        let waits = world.get(&["rot", "-n", HERE, "own-heal"])["status"]["waitingFor"].to_string();
        if waits.contains("SeedMissing") && waits.contains("own-new") { Ok(()) } else { Err(waits) }
    });
    seed(&world, "own-new", "managed-secrets.io/seed", &role, "changed-by-hand-Zq7");
    let healed = world.condition(&["rot", "-n", HERE, "own-heal"], "Complete", "True", Some("Revoked"), 90);
    let told = condition_of(&healed, "Promoted")["message"].as_str().unwrap();
    assert!(told.contains("delete it"), "{told}");
    in_service(&world, "own");
    let now = world.data(HERE, "own");
    assert_eq!((now["username"].as_str(), now["password"].as_str()), (role.as_str(), "changed-by-hand-Zq7"));
    assert!(world.logs_in(HERE, "own"));
    assert_ne!(current(&world, "own"), first);
    // And is rotated as any other from then on.
    let next = world.request_rotation(HERE, "own");
    world.condition(&["rot", "-n", HERE, &next], "Complete", "True", Some("Revoked"), 60);
    assert!(world.logs_in(HERE, "own") && world.logins(&roles) == 1);
    assert!(!operator.log().contains("changed-by-hand-Zq7"));
    cleared(&world, "own", &["own-wrong", "own-opaque", "own-foreign", "own-half", "own-new"], "payments_own_");
    drop(operator);
}

#[test]
fn t28_where_nobody_checks_who_may_a_candidate_is_refused_and_never_looked_at() {
    let world = world();
    let roles = ["payments_nap_a", "payments_nap_b"];
    world.roles(&roles);
    let operator = world.operator(&["--authority-policy=false"]);
    world.apply(&database("nap", &roles, "3s"));
    in_service(&world, "nap");
    let before = current(&world, "nap");
    bring(&world, "nap-own", "nap", &json!({"fromSecret": {"name": "nap-new"}}));
    bring(&world, "nap-back", "nap", &json!({"versionID": before}));
    for name in ["nap-own", "nap-back"] {
        let refused = world.condition(&["rot", "-n", HERE, name], "Failed", "True", Some("CandidateRejected"), 60);
        assert_eq!(refused["status"]["lastFailureReason"], "NoAuthorityPolicy");
    }
    assert_eq!(current(&world, "nap"), before, "and no plain request was made of it");
    cleared(&world, "nap", &[], "payments_nap_");
    drop(operator);
}

#[test]
fn t30_what_a_compromise_superseded_comes_back_neither_by_a_rotation_nor_by_hand() {
    let world = world();
    let roles = ["payments_burn_a", "payments_burn_b"];
    world.roles(&roles);
    let operator = world.operator(&[]);
    world.apply(&database("burn", &roles, "3s"));
    in_service(&world, "burn");
    let (stolen, held) = (current(&world, "burn"), world.data(HERE, "burn"));
    alarm(&world, "burn-alarm", "burn");
    world.condition(&["rot", "-n", HERE, "burn-alarm"], "Complete", "True", Some("Revoked"), 90);
    let good = current(&world, "burn");
    assert_ne!(good, stolen);
    assert_eq!(labelled(&world, "burn", "AWSPREVIOUS"), None, "no label says that one may go back");

    bring(&world, "burn-back", "burn", &json!({"versionID": stolen}));
    world.condition(&["rot", "-n", HERE, "burn-back"], "Failed", "True", Some("VersionNotLive"), 60);

    // Whoever has AWS alone moves the label, also while the stolen password lives once more.
    for lives_again in [false, true] {
        if lives_again {
            let (role, password) = (&held["username"], &held["password"]);
            world.postgres.psql(&format!("ALTER ROLE {role} LOGIN PASSWORD '{password}'")).unwrap();
        }
        in_service(&world, "burn");
        let moved = json!({"SecretId": format!("e2e/{HERE}/burn"), "VersionStage": "AWSCURRENT", "MoveToVersionId": stolen, "RemoveFromVersionId": good});
        let answer = world.aws("us-west-2", "UpdateSecretVersionStage", &moved);
        assert!(answer["ARN"].is_string(), "{answer}");
        let mut carried = Vec::new();
        // A sweep every two seconds, and what it takes to look.
        world.eventually("AWSCURRENT goes forward again", 12, |world| {
            carried.push(world.data(HERE, "burn")["password"].clone());
            if current(world, "burn") == good { Ok(()) } else { Err("the stolen one is current".to_owned()) }
        });
        carried.push(world.data(HERE, "burn")["password"].clone());
        assert!(!carried.contains(&held["password"]), "it was delivered");
        assert!(world.logs_in(HERE, "burn"));
    }
    in_service(&world, "burn");
    cleared(&world, "burn", &[], "payments_burn_");
    drop(operator);
}

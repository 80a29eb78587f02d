//! The strict install: the whole main job with nothing but named Secrets.

use std::process::Command;

use serde_json::{Value, json};
use xtask::binaries::{Tool, find_or_build};

use crate::bad_input::{app, fields, from_seed, logs_in, secret, seed};
use crate::world::{World, condition_of, world};

const ROOM: &str = "payments";
const STRICT: &str = "install=strict,namespaces=null,strict[0].namespace=payments,strict[0].targets={st-crm,st-db,st-extra},strict[0].seeds={st-seed}";

/// The strict install in place of the one that lends whole namespaces, for as long as this lives.
struct Strict<'a>(&'a World);

impl<'a> Strict<'a> {
    fn install(world: &'a World) -> Self {
        world.plane.kubectl_ok(["delete", "rolebinding", "--all", "-n", ROOM]).expect("taken back");
        let helm = find_or_build(&[Tool::Helm]).expect("helm").remove(&Tool::Helm).expect("helm");
        let mut command = Command::new(helm);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["template", "mes", "charts/managed-external-secrets"]);
        command.args(["--namespace", "mes-system", "--values", "charts/rendered/demo-values.yaml", "--set", STRICT]);
        let output = command.output().expect("helm");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        world.plane.kubectl_apply(&String::from_utf8(output.stdout).expect("YAML")).expect("the strict install");
        Self(world)
    }
}

impl Drop for Strict<'_> {
    fn drop(&mut self) {
        let role = ["delete", "rolebinding,role", "mes-strict", "-n", ROOM];
        self.0.plane.kubectl_ok(role).expect("taken back");
        self.0.install();
    }
}

/// What the operator asked of the Secrets of teams since the audit log had `after` bytes, and got.
fn granted(world: &World, after: usize) -> Vec<Value> {
    let audit = std::fs::read_to_string(world.plane.audit_log()).expect("an audit log");
    let lines = audit[after..].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = lines.filter(|line| {
        line["user"]["username"] == "system:serviceaccount:mes-system:mes"
            && line["objectRef"]["resource"] == "secrets"
            && line["objectRef"]["namespace"] == ROOM
            && line["responseStatus"]["code"].as_u64().is_some_and(|code| code < 400)
    });
    ours.collect()
}

#[test]
fn the_strict_install_does_the_whole_main_job_with_named_secrets_alone() {
    let world = world();
    let _strict = Strict::install(&world);
    let audited = std::fs::metadata(world.plane.audit_log()).expect("an audit log").len();
    world.roles(&["payments_st_a", "payments_st_b"]);
    let operator = world.operator(&[]);
    let made = |name: &str, spec: &Value| {
        world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": ROOM}, "spec": spec}));
    };
    // Minted at PostgreSQL, replicated, delivered.
    let db = |targets: Value| {
        json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "payments_st_a", "alternateUsername": "payments_st_b", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": "2s"}, "regions": [{"name": "us-west-2"}, {"name": "eu-west-1"}], "targets": targets, "deletion": {"targets": "Delete"}})
    };
    made("st-db", &db(json!([{"name": "st-db"}, {"name": "st-extra"}])));
    // Onboarded from a seed that comes later: its watch wakes the resource.
    let mut crm = from_seed("st-seed");
    crm["targets"] = json!([{"name": "st-crm"}]);
    made("st-crm", &crm);
    let mes = |name: &'static str| ["mes", "-n", ROOM, name];
    world.condition(&mes("st-crm"), "Reconciling", "True", Some("SeedMissing"), 60);
    let app = app(&world, "st-app");
    seed(&world, ROOM, "st-seed", &fields(&app));
    world.condition(&mes("st-crm"), "Ready", "True", Some("InService"), 20);
    world.condition(&mes("st-db"), "Ready", "True", Some("InService"), 60);
    assert!(world.logs_in(ROOM, "st-db") && world.logs_in(ROOM, "st-extra"));
    assert!(logs_in(&world, &app).0);

    // Rotated, the old one revoked: nobody holds it, which is read Secret by Secret.
    for name in ["st-db", "st-crm"] {
        let before = world.data(ROOM, name);
        let rotation = world.request_rotation(ROOM, name);
        world.condition(&["rot", "-n", ROOM, &rotation], "Complete", "True", Some("Revoked"), 90);
        assert_ne!(world.data(ROOM, name), before, "{name} carries the new one");
    }
    assert!(world.logs_in(ROOM, "st-db"));
    assert!(!logs_in(&world, &app).0, "the seed's pair is revoked");

    // Drift is repaired at once: by a watch of each name, not by the hourly check.
    for (what, name) in [("overwritten", "st-db"), ("deleted", "st-crm")] {
        let before = world.data(ROOM, name);
        match what {
            "deleted" => world.delete(&["secret", "-n", ROOM, name]),
            _ => secret(&world, ROOM, name, "Opaque", &[("password", "drifted")]),
        }
        world.eventually(&format!("{name}, {what}, is mended"), 15, |world| {
            if world.data(ROOM, name) == before { Ok(()) } else { Err(what.to_owned()) }
        });
    }

    // A target that is no longer wanted goes, as its resource says.
    made("st-db", &db(json!([{"name": "st-db"}])));
    world.eventually("the dropped target goes", 30, |world| {
        if world.get(&["secret", "-n", ROOM, "st-extra"]).is_null() { Ok(()) } else { Err("it is there".to_owned()) }
    });

    // A name that the values lack is told, and the others are served all the same.
    made("st-db", &db(json!([{"name": "st-db"}, {"name": "st-unnamed"}])));
    let told = world.condition(&mes("st-db"), "Synced", "False", Some("TargetForbidden"), 60);
    assert!(condition_of(&told, "Synced")["message"].as_str().unwrap().contains("st-unnamed"), "{told}");
    assert!(world.logs_in(ROOM, "st-db") && world.get(&["secret", "-n", ROOM, "st-unnamed"]).is_null());

    // All of it by name.
    let named = ["st-crm", "st-db", "st-extra", "st-seed"];
    let all = granted(&world, usize::try_from(audited).unwrap());
    assert!(all.len() > 20, "{}", all.len());
    for line in &all {
        let (name, uri) =
            (line["objectRef"]["name"].as_str().unwrap_or_default(), line["requestURI"].as_str().unwrap());
        assert!(
            named.contains(&name) || named.iter().any(|name| uri.contains(&format!("metadata.name%3D{name}"))),
            "{uri}"
        );
    }
    println!("{} calls to Secrets, each by name", all.len());
    made("st-db", &db(json!([{"name": "st-db"}])));
    world.delete(&["mes", "-n", ROOM, "st-db", "st-crm"]);
    world.delete(&["secret", "-n", ROOM, "st-seed", "st-crm", "st-db"]);
    world.drop_roles("payments_st_");
    drop(operator);
}

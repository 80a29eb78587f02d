//! Objects that another version of the operator made: what this one does not know is told, never read as something else.

use serde_json::json;

use crate::bad_input::{
    alive, app, clear, deeds, fields, from_seed, logs_in, now, resource, room, seed, stalled, told,
};
use crate::world::world;

const ENGINE: &str =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/rotation/properties/engine/enum";

#[test]
fn what_another_version_wrote_is_told_where_it_counts_and_pruned_where_it_does_not() {
    const ROOM: &str = "badversion";
    let world = world();
    room(&world, ROOM);
    let (one, other) = (app(&world, "version"), app(&world, "version-newer"));
    seed(&world, ROOM, "unknown-fields", &fields(&one));
    seed(&world, ROOM, "newer-engine", &fields(&other));
    let before = now(&world);
    let operator = world.operator(&[]);

    // A newer version's engine, made while its CRDs were served; then an older operator with its own CRDs.
    let mut spec = from_seed("newer-engine");
    spec["rotation"] = json!({"engine": "Quantum", "schedule": "rate(7 days)"});
    let crd = "managedexternalsecrets.managed-secrets.io";
    let known = world.get(&["crd", crd]).pointer(ENGINE).cloned().unwrap();
    let patch = |patch: serde_json::Value| {
        world.plane.kubectl_ok(["patch", "crd", crd, "--type=json", "-p", &patch.to_string()]).unwrap();
    };
    patch(json!([{"op": "remove", "path": ENGINE}]));
    let newer = resource(ROOM, "newer-engine", &spec).to_string();
    world.eventually("the newer CRD is served", 20, |world| {
        world.plane.kubectl_apply(&newer).map_err(|error| error.to_string())
    });
    patch(json!([{"op": "add", "path": ENGINE, "value": known}]));
    let rows = [stalled(
        "newer-engine",
        spec,
        "InvalidSpec",
        &["spec.rotation.engine must be Operator or SecretsManager", "all that this version knows"],
    )];
    told(&world, ROOM, &rows, 30);
    assert_eq!(deeds(&world, before), Vec::<String>::new());
    assert_eq!(logs_in(&world, &other), (true, 1));

    // Unknown fields that nobody validated: the API server drops them, and the rest is served.
    let mut unknown = resource(ROOM, "unknown-fields", &from_seed("unknown-fields"));
    unknown["spec"]["approvals"] = json!({"required": 2});
    unknown["spec"]["rotation"]["dryRun"] = true.into();
    let made = world.plane.kubectl_with(["create", "--validate=false", "-f", "-"], &unknown.to_string()).unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mes = world.condition(&["mes", "-n", ROOM, "unknown-fields"], "Ready", "True", Some("InService"), 60);
    assert!(mes["spec"]["approvals"].is_null() && mes["spec"]["rotation"]["dryRun"].is_null());

    // What this version can't read it can still delete.
    world.plane.kubectl_ok(["delete", "mes", "newer-engine", "-n", ROOM, "--timeout=300s"]).unwrap();
    assert_eq!(logs_in(&world, &other), (true, 1));
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

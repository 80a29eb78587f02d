//! Targets that are taken: left as they are, to the revision.

use serde_json::{Value, json};

use crate::bad_input::{
    Row, alive, app, aws, clear, fields, from_seed, make, resource, room, secret, seed, stalled, text, told,
};
use crate::iam::granted;
use crate::world::{World, condition_of, world};

const ROOM: &str = "badtarget";

fn revision(world: &World, name: &str) -> Value {
    world.get(&["secret", "-n", ROOM, name])["metadata"]["resourceVersion"].clone()
}

#[test]
fn a_target_that_is_taken_is_left_as_it_is_and_the_others_are_served() {
    let world = world();
    room(&world, ROOM);
    secret(&world, ROOM, "foreign", "Opaque", &[("theirs", "kept")]);
    secret(&world, ROOM, "consents-to-another", "Opaque", &[("theirs", "kept")]);
    world
        .plane
        .kubectl_ok(["annotate", "secret", "-n", ROOM, "consents-to-another", "managed-secrets.io/adopt=somebody-else"])
        .unwrap();
    secret(&world, ROOM, "typed", "kubernetes.io/basic-auth", &[("username", "theirs"), ("password", "kept")]);
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "immutable": true, "stringData": {"theirs": "kept"},
        "metadata": {"name": "immutable", "namespace": ROOM, "annotations": {"managed-secrets.io/adopt": "immutable"}}}));
    world.plane.kubectl_ok(["annotate", "secret", "-n", ROOM, "typed", "managed-secrets.io/adopt=typed"]).unwrap();
    let operator = world.operator(&[]);
    let spec = |name: &str, targets: &Value| {
        let seeds = format!("seed-{name}");
        seed(&world, ROOM, &seeds, &fields(&app(&world, name)));
        let mut spec = from_seed(&seeds);
        spec["targets"] = targets.clone();
        spec
    };
    world.apply(&resource(ROOM, "elder", &spec("elder", &json!([{"name": "of-elder"}]))));
    world.condition(&["mes", "-n", ROOM, "elder"], "Ready", "True", Some("InService"), 60);
    let names = ["foreign", "consents-to-another", "typed", "immutable", "of-elder"];
    let before = names.map(|name| revision(&world, name));
    let conflict = |name: &'static str, target: &str, says: &'static [&'static str]| {
        let targets = json!([{"name": target}, {"name": format!("{name}-free")}]);
        stalled(name, spec(name, &targets), "TargetConflict", says)
    };
    let template = json!([{"name": "template-target", "data": {"password": "$(current.noSuchField)"}}]);
    // A secret of AWS has at most 64 KiB; as often as a target may name it, that is more than a Secret takes.
    let keys: serde_json::Map<_, _> = (0..60).map(|n| (format!("key-{n}"), json!("$(current.blob)"))).collect();
    aws(
        &world,
        "CreateSecret",
        &json!({"Name": "legacy/badtarget/large", "Tags": [granted(&world, "badtarget")], "ClientRequestToken": "by-a-person-000000000000000000000000", "SecretString": json!({"blob": "x".repeat(30_000)}).to_string()}),
    );
    let large = json!({"onboard": {"observe": {}}, "storeRef": {"secretName": "legacy/badtarget/large"},
        "targets": [{"name": "large-target", "data": keys}]});
    let rows: Vec<Row> = vec![
        conflict(
            "foreign-taker",
            "foreign",
            &[
                "spec.targets[foreign]",
                "not ours and was left as it is",
                "kubectl annotate secret foreign managed-secrets.io/adopt=",
            ],
        ),
        conflict("another-taker", "consents-to-another", &["spec.targets[consents-to-another]", "left as it is"]),
        conflict("younger-taker", "of-elder", &["spec.targets[of-elder]", "another resource", "choose another name"]),
        conflict("immutable", "immutable", &["spec.targets[immutable]", "immutable; delete it"]),
        conflict("typed", "typed", &["spec.targets[typed]", "type can't change", "delete it"]),
        stalled(
            "template",
            spec("template", &template),
            "TemplateInvalid",
            &["spec.targets[template-target].data", "noSuchField", "it has appId, baseUri, consumerId"],
        ),
        stalled(
            "large",
            large,
            "TemplateInvalid",
            &["spec.targets[large-target]", "is larger than the 1048576 bytes", "map fewer fields"],
        ),
    ];
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    assert_eq!(names.map(|name| revision(&world, name)), before, "what is not ours was not written");
    assert_eq!(text(&world.get(&["secret", "-n", ROOM, "foreign"]), "theirs"), "kept");
    for row in &rows[..5] {
        // One that is stuck holds up no other.
        let free = world.get(&["secret", "-n", ROOM, &format!("{}-free", row.name)]);
        assert!(!text(&free, "consumerSecret").is_empty(), "{}", row.name);
        let mes = world.get(&["mes", "-n", ROOM, row.name]);
        assert_eq!(condition_of(&mes, "Synced")["reason"], "TargetConflict");
        assert_eq!(condition_of(&mes, "Onboarded")["status"], "True");
    }

    for name in ["template-target", "large-target"] {
        assert!(world.get(&["secret", "-n", ROOM, name]).is_null(), "{name}");
    }

    // Consent given on the thing that is taken: taken at once.
    world
        .plane
        .kubectl_ok(["annotate", "secret", "-n", ROOM, "foreign", "managed-secrets.io/adopt=foreign-taker"])
        .unwrap();
    world.plane.kubectl_ok(["annotate", "mes", "-n", ROOM, "foreign-taker", "managed-secrets.io/sync=1"]).unwrap();
    world.condition(&["mes", "-n", ROOM, "foreign-taker"], "Ready", "True", Some("InService"), 60);
    let taken = world.get(&["secret", "-n", ROOM, "foreign"]);
    assert_eq!(text(&taken, "theirs"), "kept", "what its owner put there stays");
    assert!(!text(&taken, "consumerSecret").is_empty());
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

//! Reads: selectors, pages, metadata alone.

use serde_json::json;

use crate::world::{World, meta, names};

/// Four Secrets with labels and types.
fn four(world: &World) {
    for (name, labels, type_) in [
        ("a", json!({"team": "x", "tier": "1"}), "example.com/one"),
        ("b", json!({"team": "y"}), "Opaque"),
        ("c", json!({"team": "x"}), "Opaque"),
        ("d", json!({}), "example.com/one"),
    ] {
        world.post(&world.secrets(), &json!({"metadata": {"name": name, "labels": labels}, "type": type_})).is(201);
    }
}

rows! {
    fn a_label_selector_picks(world) {
        four(world);
        let picked = |selector: &str| names(&world.read(&format!("{}?labelSelector={selector}", world.secrets())));
        assert_eq!(picked("team=x"), ["a", "c"]);
        assert_eq!(picked("team"), ["a", "b", "c"]);
        assert_eq!(picked("team=x,!tier"), ["c"]);
        assert_eq!(picked("team!=x"), ["b", "d"]);
        assert_eq!(picked("team%20in%20(x,y)"), ["a", "b", "c"]);
        assert_eq!(picked("team%20notin%20(x)"), ["b", "d"]);
        world.get(&format!("{}?labelSelector=a%20b", world.secrets())).refused(400, "BadRequest");
    }

    fn a_field_selector_picks_by_name_and_type(world) {
        four(world);
        let picked = |selector: &str| names(&world.read(&format!("{}?fieldSelector={selector}", world.secrets())));
        assert_eq!(picked("metadata.name%3Da"), ["a"]);
        assert_eq!(picked("type%3Dexample.com/one"), ["a", "d"]);
        assert_eq!(picked("metadata.name%3Db,type%3Dexample.com/one"), [""; 0]);
        assert_eq!(picked("metadata.name!%3Da,type%3D%3Dexample.com/one"), ["d"]);
        world.get(&format!("{}?fieldSelector=immutable%3Dtrue", world.secrets())).refused(400, "BadRequest");
    }

    fn a_field_selector_picks_by_what_the_definition_allows(world) {
        world.widget("a", json!({"owner": "x"}));
        world.widget("b", json!({"owner": "y"}));
        let list = |selector: &str| format!("{}?fieldSelector={selector}", world.widgets());
        assert_eq!(names(&world.read(&list("spec.owner%3Dy"))), ["b"]);
        world.get(&list("spec.color%3Dred")).refused(400, "BadRequest");
    }

    fn a_list_says_what_it_is_and_of_when(world) {
        world.widget("a", json!({"owner": "x"}));
        let list = world.read(&world.widgets());
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("WidgetList"), &json!("fidelity.example.com/v1")));
        let revision: u64 = meta(&list, "resourceVersion").parse().unwrap();
        assert!(revision >= meta(&list["items"][0], "resourceVersion").parse().unwrap());
        assert_eq!(list["items"][0]["kind"], "Widget");
        world.secret("a");
        let list = world.read(&world.secrets());
        assert_eq!((&list["kind"], list["items"][0].get("kind")), (&json!("SecretList"), None));
        assert_eq!(world.read(&format!("{}?labelSelector=none", world.secrets()))["items"], json!([]));
    }

    fn all_namespaces_are_listed_in_order(world) {
        world.widget("b", json!({"owner": "x"}));
        world.widget("a", json!({"owner": "x"}));
        let list = world.read("/apis/fidelity.example.com/v1/widgets");
        let ours: Vec<String> =
            list["items"].as_array().unwrap().iter().filter(|item| meta(item, "namespace") == world.namespace).map(|item| meta(item, "name")).collect();
        assert_eq!(ours, ["a", "b"]);
    }

    fn pages_are_of_one_revision(world) {
        four(world);
        let first = world.read(&format!("{}?limit=2", world.secrets()));
        assert_eq!(names(&first), ["a", "b"]);
        assert_eq!(first["metadata"]["remainingItemCount"], 2);
        world.delete(&format!("{}/c", world.secrets()), &json!({})).is(200);
        world.secret("e");
        let second = world.read(&format!("{}?limit=2&continue={}", world.secrets(), meta(&first, "continue")));
        assert_eq!(names(&second), ["c", "d"]);
        assert_eq!(meta(&second, "resourceVersion"), meta(&first, "resourceVersion"));
        assert_eq!(second["metadata"].get("continue"), None);
        world.get(&format!("{}?limit=2&continue=nonsense", world.secrets())).refused(400, "BadRequest");
    }

    fn the_past_can_be_listed(world) {
        world.secret("a");
        let then = meta(&world.read(&world.secrets()), "resourceVersion");
        world.secret("b");
        let past = format!("{}?resourceVersion={then}&resourceVersionMatch=Exact&limit=9", world.secrets());
        assert_eq!(names(&world.read(&past)), ["a"]);
        let later = format!("{}?resourceVersion={then}&resourceVersionMatch=NotOlderThan", world.secrets());
        assert_eq!(names(&world.read(&later)), ["a", "b"]);
    }

    fn metadata_alone_is_given_where_it_is_asked_for(world) {
        let path = world.secret("a");
        let whole = world.read(&path);
        let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": whole["metadata"]});
        assert_eq!(world.metadata("GET", &path, None).is(200), partial);
        let list = world.metadata("GET", &world.secrets(), None).is(200);
        assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1")));
        assert_eq!(list["items"], json!([partial]));
        let patched = world.metadata("PATCH", &path, Some(&json!({"metadata": {"labels": {"a": "b"}}, "data": {"x": "eA=="}})));
        let patched = patched.is(200);
        assert_eq!((&patched["kind"], patched.get("data")), (&json!("PartialObjectMetadata"), None));
        assert_eq!(world.read(&path)["data"]["x"], "eA==");
        assert_eq!(world.metadata("GET", &format!("{}/none", world.secrets()), None).refused(404, "NotFound")["name"], "none");
    }
}

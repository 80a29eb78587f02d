//! Watches: what they are told, from when, and when they end.

use serde_json::json;

use crate::world::{World, meta};

fn since(world: &World, path: &str, more: &str) -> String {
    format!("{path}?resourceVersion={}{more}", meta(&world.read(path), "resourceVersion"))
}

rows! {
    fn a_watch_is_told_what_happened_since(world) {
        let mut events = world.watch(&since(world, &world.widgets(), ""));
        let path = world.widget("a", json!({"owner": "x"}));
        world.merge(&path, &json!({"spec": {"owner": "y"}})).is(200);
        world.merge(&format!("{path}/status"), &json!({"status": {"count": 1}})).is(200);
        // What changes nothing is no event.
        world.merge(&path, &json!({"spec": {"owner": "y"}})).is(200);
        let last = world.read(&path);
        world.delete(&path, &json!({})).is(200);
        assert_eq!(events.next("ADDED")["spec"]["owner"], "x");
        assert_eq!(events.next("MODIFIED")["spec"]["owner"], "y");
        assert_eq!(events.next("MODIFIED"), last);
        let gone = events.next("DELETED");
        assert_eq!(gone["spec"], last["spec"]);
        let number = |object| meta(object, "resourceVersion").parse::<u64>().unwrap();
        assert!(number(&gone) > number(&last));
    }

    fn a_watch_from_the_past_is_told_what_it_missed(world) {
        let from = since(world, &world.secrets(), "");
        let path = world.secret("a");
        world.delete(&path, &json!({})).is(200);
        world.secret("b");
        let mut events = world.watch(&from);
        let told: Vec<_> = (0..3).map(|_| events.told()).collect();
        let told: Vec<(&str, &str)> = told.iter().map(|(what, name)| (what.as_str(), name.as_str())).collect();
        assert_eq!(told, [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b")]);
    }

    fn a_watch_without_a_revision_begins_with_what_is_there(world) {
        world.secret("a");
        let mut events = world.watch(&format!("{}?labelSelector=!none", world.secrets()));
        assert_eq!(events.told(), ("ADDED".to_owned(), "a".to_owned()));
        world.secret("b");
        assert_eq!(events.told(), ("ADDED".to_owned(), "b".to_owned()));
    }

    fn initial_events_end_with_a_bookmark(world) {
        world.widget("a", json!({"owner": "x"}));
        let query = "?sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let mut events = world.watch(&format!("{}{query}", world.widgets()));
        assert_eq!(meta(&events.next("ADDED"), "name"), "a");
        let end = events.next("BOOKMARK");
        assert_eq!((&end["kind"], &end["metadata"]["annotations"]["k8s.io/initial-events-end"]), (&json!("Widget"), &json!("true")));
        world.widget("b", json!({"owner": "x"}));
        assert_eq!(meta(&events.next("ADDED"), "name"), "b");
        let half = format!("{}?watch=1&sendInitialEvents=true", world.widgets());
        world.get(&half).refused(422, "Invalid");
    }

    fn what_stops_matching_is_deleted_for_the_watch(world) {
        let mut events = world.watch(&since(world, &world.widgets(), "&labelSelector=team"));
        let path = world.widget("a", json!({"owner": "x"}));
        let label = |team| json!({"metadata": {"labels": {"team": team}}});
        world.merge(&path, &label(Some("x"))).is(200);
        world.merge(&path, &label(Some("y"))).is(200);
        let gone = world.merge(&path, &label(None)).is(200);
        world.merge(&path, &label(Some("z"))).is(200);
        assert_eq!(events.next("ADDED")["metadata"]["labels"]["team"], "x");
        assert_eq!(events.next("MODIFIED")["metadata"]["labels"]["team"], "y");
        // As it was when it matched, with the revision at which it did no more.
        let left = events.next("DELETED");
        assert_eq!((&left["metadata"]["labels"]["team"], meta(&left, "resourceVersion")), (&json!("y"), meta(&gone, "resourceVersion")));
        assert_eq!(events.next("ADDED")["metadata"]["labels"]["team"], "z");
    }

    fn a_watch_of_one_object_or_one_type_is_told_of_that_alone(world) {
        let mut one = world.watch(&since(world, &world.secrets(), "&fieldSelector=metadata.name%3Db"));
        let mut seeds = world.watch(&since(world, &world.secrets(), "&fieldSelector=type%3Dexample.com/seed"));
        let mut widgets = world.watch(&since(world, &world.widgets(), "&fieldSelector=spec.owner%3Dy"));
        world.secret("a");
        world.secret("b");
        world.post(&world.secrets(), &json!({"metadata": {"name": "c"}, "type": "example.com/seed"})).is(201);
        let path = world.widget("a", json!({"owner": "x"}));
        world.merge(&path, &json!({"spec": {"owner": "y"}})).is(200);
        assert_eq!(one.told(), ("ADDED".to_owned(), "b".to_owned()));
        assert_eq!(seeds.told(), ("ADDED".to_owned(), "c".to_owned()));
        assert_eq!(widgets.told(), ("ADDED".to_owned(), "a".to_owned()));
    }

    fn what_waits_for_a_finalizer_is_modified_and_then_deleted(world) {
        let mut events = world.watch(&since(world, &world.secrets(), ""));
        world.post(&world.secrets(), &json!({"metadata": {"name": "a", "finalizers": ["example.com/a"]}})).is(201);
        let path = format!("{}/a", world.secrets());
        world.delete(&path, &json!({})).is(200);
        world.merge(&path, &json!({"metadata": {"finalizers": null}})).is(200);
        events.next("ADDED");
        assert!(!meta(&events.next("MODIFIED"), "deletionTimestamp").is_empty());
        let gone = events.next("DELETED");
        assert!(!meta(&gone, "deletionTimestamp").is_empty());
        // The write that took the last finalizer is the deletion, and never was stored.
        assert_eq!(gone["metadata"]["finalizers"], json!(["example.com/a"]));
    }

    fn a_watch_of_metadata_is_told_no_more(world) {
        let mut events = world.watch_metadata(&since(world, &world.secrets(), ""));
        let path = world.secret("a");
        let whole = world.read(&path);
        let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": whole["metadata"]});
        assert_eq!(events.next("ADDED"), partial);
        world.delete(&path, &json!({})).is(200);
        assert_eq!(events.next("DELETED")["kind"], "PartialObjectMetadata");
    }

    fn a_watch_from_a_forgotten_revision_is_told_that_it_is_gone(world) {
        world.widget("a", json!({"owner": "x"}));
        world.forget();
        let mut events = world.watch(&format!("{}?resourceVersion=1", world.widgets()));
        let error = events.next("ERROR");
        assert_eq!((&error["kind"], &error["code"]), (&json!("Status"), &json!(410)));
        assert_eq!(error["reason"], "Expired");
    }

    fn a_watch_of_all_namespaces_is_told_of_ours(world) {
        let from = meta(&world.read(&world.widgets()), "resourceVersion");
        let mut events = world.watch(&format!("/apis/fidelity.example.com/v1/widgets?resourceVersion={from}"));
        let name = world.namespace.clone();
        world.widget(&name, json!({"owner": "x"}));
        // Rows beside this one write too.
        while events.told() != ("ADDED".to_owned(), name.clone()) {}
    }
}

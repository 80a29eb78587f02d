//! Deletions: finalizers, preconditions, owners, namespaces.

use serde_json::{Value, json};

use crate::world::{World, meta, widget};

fn held(world: &World) -> String {
    let mut object = widget("a", json!({"owner": "x"}));
    object["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    world.post(&world.widgets(), &object).is(201);
    format!("{}/a", world.widgets())
}

/// A Secret owned by the object at the path.
fn owned(world: &World, name: &str, owner: &Value) -> String {
    let reference = json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta(owner, "name"), "uid": meta(owner, "uid"),
    });
    world.post(&world.secrets(), &json!({"metadata": {"name": name, "ownerReferences": [reference]}})).is(201);
    format!("{}/{name}", world.secrets())
}

rows! {
    fn what_is_deleted_is_gone_and_named_with_its_uid(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let uid = meta(&world.read(&path), "uid");
        let told = world.delete(&path, &json!({})).is(200);
        assert_eq!((&told["kind"], &told["status"]), (&json!("Status"), &json!("Success")));
        let details = json!({"name": "a", "group": "fidelity.example.com", "kind": "widgets", "uid": uid});
        assert_eq!(told["details"], details);
        world.get(&path).refused(404, "NotFound");
        world.delete(&path, &json!({})).refused(404, "NotFound");
        let path = world.secret("a");
        assert_eq!(world.delete(&path, &json!({})).is(200)["details"]["kind"], "secrets");
    }

    fn a_name_may_be_used_again_by_another_object(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let first = world.read(&path);
        world.delete(&path, &json!({})).is(200);
        world.widget("a", json!({"owner": "x"}));
        let second = world.read(&path);
        assert_ne!(meta(&first, "uid"), meta(&second, "uid"));
        assert_ne!(meta(&first, "resourceVersion"), meta(&second, "resourceVersion"));
    }

    fn a_finalizer_keeps_what_is_deleted(world) {
        let path = held(world);
        let marked = world.delete(&path, &json!({})).is(200);
        assert_eq!((&marked["kind"], &marked["metadata"]["generation"]), (&json!("Widget"), &json!(2)));
        assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 0);
        assert!(!meta(&marked, "deletionTimestamp").is_empty());
        assert_eq!(world.read(&path), marked);
        // Deleted again, nothing changes.
        assert_eq!(world.delete(&path, &json!({})).is(200), marked);
        let one = world.merge(&path, &json!({"metadata": {"finalizers": ["example.com/two"]}})).is(200);
        assert_eq!(one["metadata"]["deletionTimestamp"], marked["metadata"]["deletionTimestamp"]);
        assert_eq!(world.read(&path), one);
        world.merge(&path, &json!({"metadata": {"finalizers": []}})).is(200);
        world.get(&path).refused(404, "NotFound");
    }

    fn what_is_being_deleted_can_still_be_written(world) {
        let path = held(world);
        world.delete(&path, &json!({})).is(200);
        world.merge(&path, &json!({"spec": {"size": 1}})).is(200);
        let status = world.merge(&format!("{path}/status"), &json!({"status": {"phase": "Going"}})).is(200);
        assert_eq!(status["status"]["phase"], "Going");
        world.post(&world.widgets(), &widget("a", json!({"owner": "x"}))).refused(409, "AlreadyExists");
    }

    fn no_finalizer_comes_to_what_is_being_deleted(world) {
        let path = held(world);
        world.delete(&path, &json!({})).is(200);
        let more = json!({"metadata": {"finalizers": ["example.com/one", "example.com/three"]}});
        world.merge(&path, &more).invalid(&[("FieldValueForbidden", "metadata.finalizers")]);
        world.merge(&path, &json!({"metadata": {"deletionTimestamp": null}})).is(200);
        assert!(!meta(&world.read(&path), "deletionTimestamp").is_empty());
    }

    fn a_deletion_is_of_what_was_seen(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let seen = world.read(&path);
        let only = |uid: &str, revision: &str| json!({"preconditions": {"uid": uid, "resourceVersion": revision}});
        let (uid, revision) = (meta(&seen, "uid"), meta(&seen, "resourceVersion"));
        let other = json!({"preconditions": {"uid": "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11"}});
        assert_eq!(world.delete(&path, &other).refused(409, "Conflict")["name"], "a");
        world.delete(&path, &only(&uid, "5")).refused(409, "Conflict");
        world.delete(&path, &only(&uid, &revision)).is(200);
    }

    fn what_has_no_owner_left_goes(world) {
        let owner = world.widget("owner", json!({"owner": "x"}));
        let seen = world.read(&owner);
        let path = owned(world, "owned", &seen);
        world.rest();
        world.get(&path).is(200);
        world.delete(&owner, &json!({"propagationPolicy": "Background"})).is(200);
        world.until("the owned is gone", || world.get(&path).status == 404);
    }

    fn an_owner_of_the_name_and_another_uid_is_none(world) {
        let mut seen = world.read(&world.widget("owner", json!({"owner": "x"})));
        seen["metadata"]["uid"] = json!("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11");
        let path = owned(world, "owned", &seen);
        world.until("the owned is gone", || world.get(&path).status == 404);
    }

    fn the_owned_may_be_let_go(world) {
        let owner = world.widget("owner", json!({"owner": "x"}));
        let path = owned(world, "owned", &world.read(&owner));
        world.delete(&owner, &json!({"propagationPolicy": "Orphan"})).is(200);
        world.until("the owner is gone", || world.get(&owner).status == 404);
        world.rest();
        assert_eq!(world.read(&path)["metadata"].get("ownerReferences"), None);
    }

    fn a_namespace_that_is_being_deleted_takes_nothing_new_and_waits_for_what_is_held(world) {
        let held = held(world);
        let secret = world.secret("b");
        let namespace = format!("/api/v1/namespaces/{}", world.namespace);
        let marked = world.delete(&namespace, &json!({})).is(200);
        assert_eq!((&marked["kind"], &marked["status"]["phase"]), (&json!("Namespace"), &json!("Terminating")));
        let details = world.post(&world.secrets(), &json!({"metadata": {"name": "c"}})).refused(403, "Forbidden");
        assert_eq!(details["causes"][0]["reason"], "NamespaceTerminating");
        assert_eq!(details["causes"][0]["field"], "metadata.namespace");
        world.until("what is not held is gone", || world.get(&secret).status == 404);
        world.until("what is held is marked", || !meta(&world.read(&held), "deletionTimestamp").is_empty());
        world.get(&namespace).is(200);
        world.merge(&held, &json!({"metadata": {"finalizers": null}})).is(200);
        world.until("the namespace is gone", || world.get(&namespace).status == 404);
    }
}

//! Server-side apply: who owns what, conflicts, what is given up.

use serde_json::{Value, json};

use crate::world::{found, meta, owners, widget};

fn secret(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": data})
}

rows! {
    fn an_apply_makes_what_is_not_there(world) {
        let path = format!("{}/a", world.widgets());
        let made = world.apply(&path, "one", &widget("a", json!({"owner": "x", "tags": ["t"], "ports": [{"name": "p"}]}))).is(201);
        // What the server put there itself belongs to nobody.
        let owned = json!({"f:spec": {
            "f:owner": {}, "f:tags": {"v:\"t\"": {}}, "f:ports": {"k:{\"name\":\"p\"}": {".": {}, "f:name": {}}},
        }});
        assert_eq!(owners(&made), [("one Apply".to_owned(), owned)]);
        assert_eq!(made["spec"]["color"], "red");
        assert_eq!(made["metadata"]["generation"], 1);
    }

    fn an_apply_without_a_manager_is_refused(world) {
        let path = format!("{}/a?force=true", world.widgets());
        let object = widget("a", json!({"owner": "x"}));
        world.ask("PATCH", &path, "application/apply-patch+yaml", Some(&object)).refused(422, "Invalid");
    }

    fn the_same_apply_again_changes_nothing(world) {
        let path = format!("{}/a", world.widgets());
        let object = widget("a", json!({"owner": "x", "texts": {"a": "1"}}));
        let first = world.apply(&path, "one", &object).is(201);
        assert_eq!(world.apply(&path, "one", &object).is(200), first);
    }

    fn what_another_owns_is_a_conflict_that_names_it(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "texts": {"a": "1"}, "size": 1}))).is(201);
        let other = widget("a", json!({"owner": "x", "texts": {"a": "2", "b": "2"}, "size": 2}));
        let details = world.apply(&path, "two", &other).refused(409, "Conflict");
        let cause = |field: &str| ("FieldManagerConflict".to_owned(), field.to_owned());
        assert_eq!(found(&details), [cause(".spec.size"), cause(".spec.texts.a")]);
        // The same value is shared, and no conflict.
        let shared = world.apply(&path, "two", &widget("a", json!({"owner": "x"}))).is(200);
        assert_eq!(owners(&shared)[1], ("two Apply".to_owned(), json!({"f:spec": {"f:owner": {}}})));
        assert_eq!(owners(&shared)[0].1["f:spec"]["f:owner"], json!({}));
    }

    fn force_takes_the_field(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "size": 1}))).is(201);
        let taken = world.apply(&path, "two&force=true", &widget("a", json!({"owner": "x", "size": 2}))).is(200);
        assert_eq!(owners(&taken), [
            ("one Apply".to_owned(), json!({"f:spec": {"f:owner": {}}})),
            ("two Apply".to_owned(), json!({"f:spec": {"f:owner": {}, "f:size": {}}})),
        ]);
        assert_eq!(taken["spec"]["size"], 2);
    }

    fn what_is_given_up_goes_unless_another_owns_it(world) {
        let path = format!("{}/a", world.secrets());
        world.apply(&path, "one", &secret(json!({"alone": "MQ==", "shared": "MQ=="}))).is(201);
        world.apply(&path, "two", &secret(json!({"shared": "MQ=="}))).is(200);
        world.merge(&path, &json!({"data": {"theirs": "MQ=="}})).is(200);
        let less = world.apply(&path, "one", &secret(json!({}))).is(200);
        assert_eq!(less["data"], json!({"shared": "MQ==", "theirs": "MQ=="}));
        let none = world.apply(&path, "two", &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})).is(200);
        assert_eq!(none["data"], json!({"theirs": "MQ=="}));
    }

    fn the_last_field_of_a_map_takes_the_map_with_it(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "texts": {"a": "1"}, "tags": ["t"]}))).is(201);
        let less = world.apply(&path, "one", &widget("a", json!({"owner": "x"}))).is(200);
        assert_eq!(less["spec"], json!({"owner": "x", "color": "red"}));
    }

    fn an_edit_takes_a_field_from_who_applied_it(world) {
        let path = format!("{}/a", world.secrets());
        let applied = secret(json!({"user": "MQ==", "password": "MQ=="}));
        world.apply(&path, "one", &applied).is(201);
        let edited = world.merge(&format!("{path}?fieldManager=person"), &json!({"data": {"password": "Mg=="}})).is(200);
        assert_eq!(owners(&edited), [
            ("one Apply".to_owned(), json!({"f:data": {"f:user": {}}})),
            ("person Update".to_owned(), json!({"f:data": {"f:password": {}}})),
        ]);
        let details = world.apply(&path, "one", &applied).refused(409, "Conflict");
        assert_eq!(found(&details), [("FieldManagerConflict".to_owned(), ".data.password".to_owned())]);
        let mended = world.apply(&path, "one&force=true", &applied).is(200);
        assert_eq!(owners(&mended), [("one Apply".to_owned(), json!({"f:data": {"f:password": {}, "f:user": {}}}))]);
        let removed = world.merge(&path, &json!({"data": {"user": null}})).is(200);
        assert_eq!(owners(&removed), [("one Apply".to_owned(), json!({"f:data": {"f:password": {}}}))]);
    }

    fn an_apply_and_a_patch_of_one_name_own_apart(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x"}))).is(201);
        let both = world.merge(&format!("{path}?fieldManager=one"), &json!({"spec": {"owner": "y", "size": 1}})).is(200);
        assert_eq!(owners(&both), [("one Update".to_owned(), json!({"f:spec": {"f:owner": {}, "f:size": {}}}))]);
        // So the next apply of the same name meets itself as another.
        let details = world.apply(&path, "one", &widget("a", json!({"owner": "x"}))).refused(409, "Conflict");
        assert_eq!(found(&details), [("FieldManagerConflict".to_owned(), ".spec.owner".to_owned())]);
    }

    fn a_set_is_shared_item_by_item(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "tags": ["a", "b"]}))).is(201);
        let both = world.apply(&path, "two", &widget("a", json!({"tags": ["b", "c"]}))).is(200);
        assert_eq!(both["spec"]["tags"], json!(["a", "b", "c"]));
        let less = world.apply(&path, "one", &widget("a", json!({"owner": "x"}))).is(200);
        assert_eq!(less["spec"]["tags"], json!(["b", "c"]));
    }

    fn a_list_with_keys_is_shared_field_by_field(world) {
        let path = format!("{}/a", world.widgets());
        let one = json!({"owner": "x", "ports": [{"name": "p", "number": 1}, {"name": "q", "number": 2}]});
        world.apply(&path, "one", &widget("a", one)).is(201);
        let two = widget("a", json!({"ports": [{"name": "p", "protocol": "UDP"}, {"name": "r"}]}));
        let both = world.apply(&path, "two", &two).is(200);
        assert_eq!(both["spec"]["ports"], json!([
            {"name": "p", "number": 1, "protocol": "UDP"}, {"name": "q", "number": 2, "protocol": "TCP"},
            {"name": "r", "protocol": "TCP"},
        ]));
        let less = world.apply(&path, "one", &widget("a", json!({"owner": "x"}))).is(200);
        assert_eq!(less["spec"]["ports"], json!([{"name": "p", "protocol": "UDP"}, {"name": "r", "protocol": "TCP"}]));
    }

    fn a_plain_list_and_an_atomic_map_are_one_value(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "order": ["a"], "place": {"left": 1}}))).is(201);
        let two = widget("a", json!({"order": ["b"], "place": {"top": 1}}));
        let details = world.apply(&path, "two", &two).refused(409, "Conflict");
        let cause = |field: &str| ("FieldManagerConflict".to_owned(), field.to_owned());
        assert_eq!(found(&details), [cause(".spec.order"), cause(".spec.place")]);
        let forced = world.apply(&path, "two&force=true", &two).is(200);
        assert_eq!((&forced["spec"]["order"], &forced["spec"]["place"]), (&json!(["b"]), &json!({"top": 1})));
    }

    fn an_apply_of_status_owns_under_its_subresource(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let status = |conditions: Value| {
            let mut object = widget("a", json!({"owner": "ignored"}));
            object["status"] = json!({"conditions": conditions});
            object
        };
        let ready = status(json!([{"type": "Ready", "status": "True"}]));
        let applied = world.apply(&format!("{path}/status"), "one", &ready).is(200);
        assert_eq!(applied["spec"]["owner"], "x");
        let item = json!({".": {}, "f:status": {}, "f:type": {}});
        let fields = json!({"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": item}}});
        assert_eq!(owners(&applied)[0], ("one Apply/status".to_owned(), fields));
        let other = status(json!([{"type": "Synced", "status": "True"}]));
        let both = world.apply(&format!("{path}/status"), "two", &other).is(200);
        assert_eq!(both["status"]["conditions"].as_array().unwrap().len(), 2);
        let details = world.apply(&format!("{path}/status"), "two", &status(json!([{"type": "Ready", "status": "False"}])));
        assert_eq!(found(&details.refused(409, "Conflict"))[0].1, ".status.conditions[type=\"Ready\"].status");
    }

    fn the_object_is_applied_without_its_status(world) {
        let path = format!("{}/a", world.widgets());
        let mut object = widget("a", json!({"owner": "x"}));
        object["status"] = json!({"phase": "Ready"});
        let made = world.apply(&path, "one", &object).is(201);
        assert_eq!(made.get("status"), None);
        assert_eq!(owners(&made), [("one Apply".to_owned(), json!({"f:spec": {"f:owner": {}}}))]);
    }

    fn status_of_what_is_not_there_is_not_found(world) {
        let path = format!("{}/a/status", world.widgets());
        let mut object = widget("a", json!({"owner": "x"}));
        object["status"] = json!({"phase": "Ready"});
        world.apply(&path, "one", &object).refused(404, "NotFound");
    }

    fn an_apply_onto_a_revision_that_never_was_only_makes(world) {
        let path = format!("{}/a", world.secrets());
        let mut object = secret(json!({"k": "MQ=="}));
        object["metadata"]["resourceVersion"] = json!("1");
        world.apply(&path, "one&force=true", &object).is(201);
        object["data"]["k"] = json!("Mg==");
        world.apply(&path, "one&force=true", &object).refused(409, "Conflict");
        assert_eq!(world.read(&path)["data"]["k"], "MQ==");
    }

    fn an_apply_with_a_uid_makes_nothing(world) {
        let path = format!("{}/a", world.secrets());
        let mut object = secret(json!({"k": "MQ=="}));
        object["metadata"]["uid"] = json!("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11");
        object["metadata"]["resourceVersion"] = json!("5");
        world.apply(&path, "one&force=true", &object).refused(409, "Conflict");
        world.get(&path).refused(404, "NotFound");
    }

    fn an_apply_goes_onto_the_uid_and_revision_that_it_names(world) {
        let path = world.secret("a");
        let seen = world.read(&path);
        let mut object = secret(json!({"k": "Mg=="}));
        object["metadata"]["uid"] = seen["metadata"]["uid"].clone();
        object["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"].clone();
        let applied = world.apply(&path, "one&force=true", &object).is(200);
        world.apply(&path, "one&force=true", &object).refused(409, "Conflict");
        object["metadata"]["resourceVersion"] = json!(meta(&applied, "resourceVersion"));
        object["metadata"]["uid"] = json!("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11");
        world.apply(&path, "one&force=true", &object).invalid(&[("FieldValueInvalid", "metadata.uid")]);
    }

    fn owners_and_labels_are_given_up_one_by_one(world) {
        let path = format!("{}/a", world.secrets());
        let owner = |uid: &str| json!({"apiVersion": "v1", "kind": "Secret", "name": "b", "uid": uid});
        let mut object = secret(json!({"k": "MQ=="}));
        object["metadata"]["ownerReferences"] = json!([owner("u1")]);
        object["metadata"]["labels"] = json!({"team": "x"});
        object["metadata"]["finalizers"] = json!(["example.com/a"]);
        let made = world.apply(&path, "one", &object).is(201);
        assert_eq!(owners(&made)[0].1["f:metadata"], json!({
            "f:labels": {"f:team": {}}, "f:finalizers": {"v:\"example.com/a\"": {}},
            "f:ownerReferences": {"k:{\"uid\":\"u1\"}": {}},
        }));
        let theirs = json!({"metadata": {"ownerReferences": [owner("u1"), owner("u2")], "labels": {"other": "y"}}});
        world.merge(&path, &theirs).is(200);
        let less = world.apply(&path, "one", &secret(json!({"k": "MQ=="}))).is(200);
        assert_eq!(less["metadata"]["ownerReferences"], json!([owner("u2")]));
        assert_eq!(less["metadata"]["labels"], json!({"other": "y"}));
        assert_eq!(less["metadata"].get("finalizers"), None);
    }

    fn an_applied_object_has_no_managed_fields_of_its_own(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let mut object = world.read(&path);
        object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        world.apply(&path, "one", &object).refused(400, "BadRequest");
    }

    fn an_applied_field_that_nobody_declared_is_refused(world) {
        let path = format!("{}/a", world.widgets());
        assert_eq!(world.apply(&path, "one", &widget("a", json!({"owner": "x", "extra": 1}))).status, 500);
        world.get(&path).refused(404, "NotFound");
    }

    fn an_apply_may_be_a_dry_run(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one&dryRun=All", &widget("a", json!({"owner": "x"}))).is(201);
        world.get(&path).refused(404, "NotFound");
    }

    fn an_apply_is_judged_as_a_whole(world) {
        let path = format!("{}/a", world.widgets());
        world.apply(&path, "one", &widget("a", json!({"size": 1}))).invalid(&[("FieldValueRequired", "spec.owner")]);
        world.apply(&path, "one", &widget("a", json!({"owner": "x", "size": 11}))).invalid(&[("FieldValueInvalid", "spec.size")]);
    }

    fn a_lease_is_taken_by_whoever_saw_it_last(world) {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/a", world.namespace);
        let lease = |holder: &str, onto: &str| json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a", "resourceVersion": onto},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
        });
        let first = world.apply(&path, "op&force=true", &lease("one", "1")).is(201);
        world.apply(&path, "op&force=true", &lease("two", "1")).refused(409, "Conflict");
        let revision = meta(&first, "resourceVersion");
        let second = world.apply(&path, "op&force=true", &lease("two", &revision)).is(200);
        assert_eq!(second["spec"]["holderIdentity"], "two");
        world.apply(&path, "op&force=true", &lease("one", &revision)).refused(409, "Conflict");
    }

    fn an_event_is_made_once_and_counted_by_a_patch(world) {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", world.namespace);
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a.1"},
            "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Promoted", "action": "Promote",
            "note": "done", "reportingController": "example.com/op", "reportingInstance": "op-1",
            "regarding": {"kind": "Widget", "name": "a", "namespace": world.namespace},
        });
        world.post(&path, &event).is(201);
        world.post(&path, &event).refused(409, "AlreadyExists");
        let series = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"}});
        assert_eq!(world.merge(&format!("{path}/a.1"), &series).is(200)["series"]["count"], 2);
        world.merge(&format!("{path}/a.2"), &series).refused(404, "NotFound");
    }
}

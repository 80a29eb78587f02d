//! Objects: made, replaced, patched; revisions, generations, status.

use serde_json::{Value, json};

use crate::world::{meta, owners, widget};

rows! {
    fn a_new_object_has_uid_revision_time_and_generation_one(world) {
        let made = world.post(&world.widgets(), &widget("a", json!({"owner": "x"}))).is(201);
        assert_eq!(made["metadata"]["generation"], 1);
        assert_eq!(meta(&made, "uid").len(), 36);
        assert!(meta(&made, "resourceVersion").parse::<u64>().unwrap() > 1);
        assert_eq!(meta(&made, "creationTimestamp").len(), "2026-01-01T00:00:00Z".len());
        assert_eq!(meta(&made, "namespace"), world.namespace);
        assert_eq!(world.read(&format!("{}/a", world.widgets())), made);
    }

    fn a_secret_has_no_generation(world) {
        let path = world.secret("a");
        assert_eq!(world.read(&path)["metadata"].get("generation"), None);
    }

    fn a_second_object_of_a_name_is_refused(world) {
        world.widget("a", json!({"owner": "x"}));
        let details = world.post(&world.widgets(), &widget("a", json!({"owner": "y"}))).refused(409, "AlreadyExists");
        assert_eq!(details, json!({"name": "a", "group": "fidelity.example.com", "kind": "widgets"}));
    }

    fn a_missing_object_is_named_in_the_refusal(world) {
        let details = world.get(&format!("{}/none", world.secrets())).refused(404, "NotFound");
        assert_eq!(details, json!({"name": "none", "kind": "secrets"}));
        let details = world.delete(&format!("{}/none", world.widgets()), &json!({})).refused(404, "NotFound");
        assert_eq!(details["name"], "none");
        world.merge(&format!("{}/none", world.widgets()), &json!({})).refused(404, "NotFound");
        world.merge(&format!("{}/none/status", world.widgets()), &json!({})).refused(404, "NotFound");
    }

    fn a_kind_that_is_not_served_is_not_found_without_a_name(world) {
        let path = format!("/api/v1/namespaces/{}/nothings/a", world.namespace);
        let details = world.get(&path).refused(404, "NotFound");
        assert_eq!(details.get("name"), None);
        let path = format!("/apis/fidelity.example.com/v1/namespaces/{}/nothings/a", world.namespace);
        assert_eq!(world.get(&path).status, 404);
        assert_eq!(world.get("/apis/nobody.example.com/v1/nothings").status, 404);
    }

    fn nothing_is_made_in_a_namespace_that_is_not_there(world) {
        let secret = json!({"metadata": {"name": "a"}});
        let details = world.post("/api/v1/namespaces/nowhere/secrets", &secret).refused(404, "NotFound");
        assert_eq!((&details["name"], &details["kind"]), (&json!("nowhere"), &json!("namespaces")));
    }

    fn an_object_of_another_namespace_kind_or_name_is_a_bad_request(world) {
        let elsewhere = json!({"metadata": {"name": "a", "namespace": "default"}});
        world.post(&world.secrets(), &elsewhere).refused(400, "BadRequest");
        let mut other = widget("a", json!({"owner": "x"}));
        other["kind"] = json!("Gadget");
        world.post(&world.widgets(), &other).invalid(&[("FieldValueInvalid", "kind")]);
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        world.post(&world.secrets(), &map).refused(400, "BadRequest");
        other["apiVersion"] = json!("fidelity.example.com/v2");
        world.post(&world.widgets(), &other).refused(400, "BadRequest");
        let path = world.widget("a", json!({"owner": "x"}));
        let mut renamed = world.read(&path);
        renamed["metadata"]["name"] = json!("b");
        world.put(&path, &renamed).refused(400, "BadRequest");
    }

    fn a_name_is_generated_from_its_beginning(world) {
        let object = json!({"metadata": {"generateName": "crm-"}});
        let (one, other) = (world.post(&world.secrets(), &object).is(201), world.post(&world.secrets(), &object).is(201));
        for made in [&one, &other] {
            assert_eq!((meta(made, "name").len(), meta(made, "generateName")), (9, "crm-".to_owned()));
            assert!(meta(made, "name").starts_with("crm-"));
        }
        assert_ne!(meta(&one, "name"), meta(&other, "name"));
        // A name beside it is the name.
        let named = json!({"metadata": {"generateName": "crm-", "name": "crm-1"}});
        assert_eq!(meta(&world.post(&world.secrets(), &named).is(201), "name"), "crm-1");
    }

    fn an_object_without_a_name_is_invalid(world) {
        world.post(&world.secrets(), &json!({"metadata": {}})).invalid(&[("FieldValueRequired", "metadata.name")]);
    }

    fn names_labels_and_finalizers_have_rules(world) {
        let invalid = |metadata: Value, field: &str| {
            let cause = [("FieldValueInvalid", field)];
            world.post(&world.secrets(), &json!({"metadata": metadata})).invalid(&cause);
        };
        invalid(json!({"name": "A"}), "metadata.name");
        invalid(json!({"name": "a", "labels": {"team": "no spaces !"}}), "metadata.labels");
        invalid(json!({"name": "a", "labels": {"/team": "x"}}), "metadata.labels");
        invalid(json!({"name": "a", "annotations": {"a b": "x"}}), "metadata.annotations");
        let half = json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "b", "uid": ""}]});
        let cause = [("FieldValueRequired", "metadata.ownerReferences[0].uid")];
        world.post(&world.secrets(), &json!({"metadata": half})).invalid(&cause);
    }

    fn an_object_with_a_revision_is_not_made(world) {
        let mut object = widget("a", json!({"owner": "x"}));
        object["metadata"]["resourceVersion"] = json!("5");
        assert_eq!(world.post(&world.widgets(), &object).status, 500);
    }

    fn a_stale_resource_version_is_a_conflict(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let early = world.read(&path);
        let mut next = early.clone();
        next["spec"]["owner"] = json!("y");
        let written = world.put(&path, &next).is(200);
        assert!(written["metadata"]["resourceVersion"] != early["metadata"]["resourceVersion"]);
        let details = world.put(&path, &next).refused(409, "Conflict");
        assert_eq!(details, json!({"name": "a", "group": "fidelity.example.com", "kind": "widgets"}));
        assert_eq!(world.read(&path), written);
    }

    fn a_patch_with_a_stale_revision_is_a_conflict(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let early = meta(&world.read(&path), "resourceVersion");
        let patch = |count: u64| json!({"metadata": {"resourceVersion": early}, "status": {"count": count}});
        world.merge(&format!("{path}/status"), &patch(1)).is(200);
        world.merge(&format!("{path}/status"), &patch(2)).refused(409, "Conflict");
        world.merge(&path, &json!({"metadata": {"resourceVersion": early, "labels": {"a": "b"}}})).refused(409, "Conflict");
        // Without a revision there is nothing to be stale.
        world.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).is(200);
        assert_eq!(world.read(&path)["status"]["count"], 1);
    }

    fn a_put_without_a_revision_is_taken_for_a_secret_alone(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        world.put(&path, &widget("a", json!({"owner": "y"}))).invalid(&[("FieldValueInvalid", "metadata.resourceVersion")]);
        let path = world.secret("a");
        let put = world.put(&path, &json!({"metadata": {"name": "a"}, "data": {"x": "eA=="}})).is(200);
        assert_eq!(put["data"], json!({"x": "eA=="}));
    }

    fn a_put_onto_nothing_is_not_found(world) {
        world.put(&format!("{}/a", world.secrets()), &json!({"metadata": {"name": "a"}})).refused(404, "NotFound");
        let mut object = widget("a", json!({"owner": "x"}));
        object["metadata"]["resourceVersion"] = json!("5");
        world.put(&format!("{}/a", world.widgets()), &object).refused(404, "NotFound");
    }

    fn a_put_with_another_uid_is_a_conflict(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let mut other = world.read(&path);
        other["metadata"]["uid"] = json!("0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11");
        world.put(&path, &other).refused(409, "Conflict");
    }

    fn a_patch_with_another_uid_changes_an_immutable_field(world) {
        let other = json!({"metadata": {"uid": "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11", "labels": {"a": "b"}}});
        let path = world.widget("a", json!({"owner": "x"}));
        world.merge(&path, &other).invalid(&[("FieldValueInvalid", "metadata.uid")]);
        let path = world.secret("a");
        world.merge(&path, &other).invalid(&[("FieldValueInvalid", "metadata.uid")]);
    }

    fn a_patch_of_status_with_another_uid_is_taken(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let before = world.read(&path);
        let patch = json!({"metadata": {"uid": "other"}, "status": {"phase": "Ready"}});
        let after = world.merge(&format!("{path}/status"), &patch).is(200);
        assert_eq!((&after["metadata"]["uid"], &after["status"]), (&before["metadata"]["uid"], &json!({"phase": "Ready"})));
    }

    fn a_write_that_changes_nothing_keeps_the_revision(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let before = world.read(&path);
        assert_eq!(world.put(&path, &before).is(200), before);
        assert_eq!(world.merge(&path, &json!({"spec": {"owner": "x"}})).is(200), before);
        assert_eq!(world.merge(&format!("{path}/status"), &json!({})).is(200)["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
        assert_eq!(world.read(&path), before);
    }

    fn generation_rises_with_the_spec_alone(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let generation = || world.read(&path)["metadata"]["generation"].clone();
        world.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).is(200);
        world.merge(&format!("{path}/status"), &json!({"status": {"count": 3}})).is(200);
        assert_eq!(generation(), 1);
        world.merge(&path, &json!({"spec": {"size": 2}})).is(200);
        assert_eq!(generation(), 2);
        world.merge(&path, &json!({"metadata": {"generation": 9}})).is(200);
        assert_eq!(generation(), 2);
    }

    fn the_object_itself_is_written_without_its_status(world) {
        let mut object = widget("a", json!({"owner": "x"}));
        object["status"] = json!({"phase": "Made"});
        assert_eq!(world.post(&world.widgets(), &object).is(201).get("status"), None);
        let path = format!("{}/a", world.widgets());
        world.merge(&format!("{path}/status"), &json!({"status": {"phase": "Ready"}})).is(200);
        world.merge(&path, &json!({"status": {"phase": "Edited"}, "spec": {"size": 2}})).is(200);
        assert_eq!(world.read(&path)["status"], json!({"phase": "Ready"}));
        let mut whole = world.read(&path);
        whole.as_object_mut().unwrap().remove("status");
        assert_eq!(world.put(&path, &whole).is(200)["status"], json!({"phase": "Ready"}));
    }

    fn status_is_written_without_spec_and_metadata(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let patch = json!({
            "metadata": {"labels": {"a": "b"}, "finalizers": ["example.com/a"]},
            "spec": {"owner": "y"}, "status": {"phase": "Ready", "unknown": 1},
        });
        let after = world.merge(&format!("{path}/status"), &patch).is(200);
        assert_eq!(after["metadata"].get("labels"), None);
        assert_eq!(after["metadata"].get("finalizers"), None);
        assert_eq!((&after["spec"]["owner"], &after["status"]), (&json!("x"), &json!({"phase": "Ready"})));
    }

    fn a_null_in_a_merge_patch_takes_away(world) {
        let path = world.widget("a", json!({"owner": "x", "size": 3, "texts": {"a": "1", "b": "2"}}));
        let after = world.merge(&path, &json!({"spec": {"size": null, "texts": {"a": null}}})).is(200);
        assert_eq!(after["spec"], json!({"owner": "x", "color": "red", "texts": {"b": "2"}}));
    }

    fn a_json_patch_is_done_whole_or_not_at_all(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        let test = |owner: &str| json!([
            {"op": "add", "path": "/spec/size", "value": 3}, {"op": "test", "path": "/spec/owner", "value": owner},
        ]);
        world.json_patch(&path, &test("y")).refused(422, "Invalid");
        assert_eq!(world.read(&path)["spec"].get("size"), None);
        assert_eq!(world.json_patch(&path, &test("x")).is(200)["spec"]["size"], 3);
    }

    fn what_is_no_json_or_no_known_patch_is_refused(world) {
        let path = world.widget("a", json!({"owner": "x"}));
        world.ask("PATCH", &path, "application/strategic-merge-patch+json", Some(&json!({}))).refused(415, "UnsupportedMediaType");
        world.ask("POST", &world.secrets(), "application/json", Some(&json!("text"))).refused(400, "BadRequest");
    }

    fn a_dry_run_answers_as_if_and_stores_nothing(world) {
        let dry = |path: &str| format!("{path}?dryRun=All");
        let made = world.post(&dry(&world.widgets()), &widget("a", json!({"owner": "x"}))).is(201);
        assert_eq!((made["metadata"].get("resourceVersion"), meta(&made, "uid").len()), (None, 36));
        world.get(&format!("{}/a", world.widgets())).refused(404, "NotFound");
        world.post(&dry(&world.widgets()), &widget("a", json!({"owner": "X"}))).refused(422, "Invalid");
        let path = world.widget("a", json!({"owner": "x"}));
        let before = world.read(&path);
        let patched = world.merge(&dry(&path), &json!({"spec": {"owner": "y"}})).is(200);
        assert_eq!((&patched["spec"]["owner"], &patched["metadata"]["generation"]), (&json!("y"), &json!(2)));
        assert_eq!(patched["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
        world.delete(&path, &json!({"dryRun": ["All"]})).is(200);
        world.ask("DELETE", &dry(&path), "", None).is(200);
        assert_eq!(world.read(&path), before);
        // Where there are options in the body, those in the query don't count.
        world.delete(&dry(&path), &json!({})).is(200);
        world.get(&path).refused(404, "NotFound");
    }

    fn what_somebody_writes_is_theirs(world) {
        let path = format!("{}?fieldManager=maker", world.widgets());
        world.post(&path, &widget("a", json!({"owner": "x"}))).is(201);
        let path = format!("{}/a", world.widgets());
        let made = json!({"f:spec": {".": {}, "f:color": {}, "f:owner": {}}});
        assert_eq!(owners(&world.read(&path)), [("maker Update".to_owned(), made)]);
        world.merge(&format!("{path}?fieldManager=editor"), &json!({"spec": {"owner": "y", "size": 1}})).is(200);
        world.merge(&format!("{path}/status?fieldManager=editor"), &json!({"status": {"count": 1}})).is(200);
        assert_eq!(owners(&world.read(&path)), [
            ("editor Update".to_owned(), json!({"f:spec": {"f:owner": {}, "f:size": {}}})),
            ("editor Update/status".to_owned(), json!({"f:status": {".": {}, "f:count": {}}})),
            ("maker Update".to_owned(), json!({"f:spec": {".": {}, "f:color": {}}})),
        ]);
    }

    fn who_names_no_manager_is_called_as_its_program(world) {
        let path = world.secret("a");
        let fields = json!({"f:data": {".": {}, "f:k": {}}, "f:type": {}});
        assert_eq!(owners(&world.read(&path)), [("row Update".to_owned(), fields)]);
    }

    fn everybody_may_ask_what_they_may_do(world) {
        let question = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": world.namespace},
        });
        let answer = world.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &question).is(201);
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert!(answer["status"]["resourceRules"].as_array().unwrap().contains(&all), "{answer}");
        let attributes = json!({"namespace": world.namespace, "verb": "get", "resource": "secrets"});
        let question = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes},
        });
        let answer = world.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &question).is(201);
        assert_eq!(answer["status"]["allowed"], true);
        assert_eq!(world.read("/version")["major"], "1");
    }
}

//! What a definition says of its objects: pruned, defaulted, refused.

use serde_json::json;

use crate::world::widget;

rows! {
    fn what_is_unknown_is_pruned(world) {
        let spec = json!({"owner": "x", "extra": 1, "ports": [{"name": "a", "extra": 1}], "free": {"any": {"thing": 1}}});
        let path = world.widget("a", spec);
        let stored = world.read(&path)["spec"].clone();
        assert_eq!(stored, json!({
            "owner": "x", "color": "red", "free": {"any": {"thing": 1}}, "ports": [{"name": "a", "protocol": "TCP"}],
        }));
    }

    fn what_is_unknown_is_refused_where_strictness_is_asked_for(world) {
        let path = format!("{}?fieldValidation=Strict", world.widgets());
        world.post(&path, &widget("a", json!({"owner": "x", "extra": 1}))).refused(400, "BadRequest");
        let path = format!("{}?fieldValidation=Strict", world.secrets());
        world.post(&path, &json!({"metadata": {"name": "a"}, "extra": 1})).refused(400, "BadRequest");
        world.post(&world.secrets(), &json!({"metadata": {"name": "a"}, "extra": 1})).is(201);
    }

    fn a_null_is_kept_only_where_it_may_be(world) {
        let path = world.widget("a", json!({"owner": "x", "color": null, "size": null, "note": null}));
        assert_eq!(world.read(&path)["spec"], json!({"owner": "x", "color": "red", "note": null}));
    }

    fn each_fault_is_a_cause_with_its_field(world) {
        let refused = |spec, reason, field| {
            world.post(&world.widgets(), &widget("a", spec)).invalid(&[(reason, field)]);
        };
        refused(json!({}), "FieldValueRequired", "spec.owner");
        refused(json!({"owner": ""}), "FieldValueInvalid", "spec.owner");
        refused(json!({"owner": "X"}), "FieldValueInvalid", "spec.owner");
        refused(json!({"owner": "x", "color": "blue"}), "FieldValueNotSupported", "spec.color");
        refused(json!({"owner": "x", "size": 0}), "FieldValueInvalid", "spec.size");
        refused(json!({"owner": "x", "size": 11}), "FieldValueInvalid", "spec.size");
        refused(json!({"owner": "x", "since": "noon"}), "FieldValueTypeInvalid", "spec.since");
        refused(json!({"owner": "x", "tags": ["a", "b", "a"]}), "FieldValueDuplicate", "spec.tags[2]");
        refused(json!({"owner": "x", "tags": ["a", "b", "c", "d"]}), "FieldValueTooMany", "spec.tags");
        refused(json!({"owner": "x", "texts": {"a": "", "b": "", "c": ""}}), "FieldValueTooMany", "spec.texts");
        refused(json!({"owner": "x", "ports": [{"name": "a"}, {"name": "a"}]}), "FieldValueDuplicate", "spec.ports[1]");
        refused(json!({"owner": "x", "ports": [{"name": 1}]}), "FieldValueTypeInvalid", "spec.ports[0].name");
        refused(json!({"owner": "abcdefghijk"}), "FieldValueTooLong", "spec.owner");
    }

    fn a_status_is_judged_too(world) {
        let path = format!("{}/status", world.widget("a", json!({"owner": "x"})));
        world.merge(&path, &json!({"status": {"count": -1}})).invalid(&[("FieldValueInvalid", "status.count")]);
        let half = json!({"status": {"conditions": [{"type": "Ready"}]}});
        world.merge(&path, &half).invalid(&[("FieldValueRequired", "status.conditions[0].status")]);
    }

    fn our_own_definition_is_served(world) {
        let rotation = json!({
            "apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": "crm-1"},
            "spec": {"resourceRef": {"name": "crm"}},
        });
        let made = world.post(&world.rotations(), &rotation).is(201);
        assert_eq!(made["spec"], json!({"resourceRef": {"name": "crm"}, "revocation": "WhenProven", "trigger": "Request"}));
        let path = format!("{}/crm-1/status", world.rotations());
        let status = json!({"status": {"attempt": 70000, "phase": "Creating"}});
        world.merge(&path, &status).invalid(&[("FieldValueInvalid", "status.attempt")]);
        assert_eq!(world.merge(&path, &json!({"status": {"attempt": 1}})).is(200)["status"], json!({"attempt": 1}));
    }
}

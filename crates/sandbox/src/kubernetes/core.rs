//! The core kinds that the operator uses, as structural schemas with the list types of the real ones.
//!
//! Invariant: no more fields than something here needs; what is not listed is pruned, as a real server drops what its
//! type does not have. Called by `kind`.

use serde_json::{Value, json};

use super::kind::Kind;

/// The kinds: namespaces, secrets, config maps, leases, and events.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        native("", "Namespace", "namespaces", namespace()),
        native("", "Secret", "secrets", secret()),
        native("", "ConfigMap", "configmaps", config_map()),
        native("coordination.k8s.io", "Lease", "leases", lease()),
        native("events.k8s.io", "Event", "events", event()),
    ]
}

fn native(group: &str, kind: &str, plural: &str, fields: Value) -> Kind {
    let mut schema = json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata(),
    }});
    for (field, of) in fields.as_object().into_iter().flatten() {
        schema["properties"][field] = of.clone();
    }
    let selectable = match kind {
        "Secret" => vec!["type".to_owned()],
        "Namespace" => vec!["status.phase".to_owned()],
        "Event" => {
            ["reason", "type", "reportingController", "regarding.name", "regarding.uid"].map(str::to_owned).into()
        }
        _ => Vec::new(),
    };
    Kind {
        group: group.to_owned(),
        version: "v1".to_owned(),
        list: format!("{kind}List"),
        plural: plural.to_owned(),
        namespaced: kind != "Namespace",
        status: kind == "Namespace",
        selectable,
        schema,
        native: true,
        unconditional: kind != "Lease",
        creates_on_update: matches!(kind, "Lease" | "Event"),
        generation: false,
        kind: kind.to_owned(),
    }
}

/// `ObjectMeta`.
pub(super) fn metadata() -> Value {
    let text = || json!({"type": "string"});
    let texts = || json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({"type": "object", "properties": {
        "name": text(), "generateName": text(), "namespace": text(), "uid": text(), "selfLink": text(),
        "resourceVersion": text(), "generation": {"type": "integer"},
        "creationTimestamp": time(), "deletionTimestamp": time(), "deletionGracePeriodSeconds": {"type": "integer"},
        "labels": texts(), "annotations": texts(),
        "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                "apiVersion": text(), "kind": text(), "name": text(), "uid": text(),
                "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
            }},
        },
        "managedFields": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time", "nullable": true})
}

fn secret() -> Value {
    json!({
        "type": {"type": "string"}, "immutable": {"type": "boolean"},
        "data": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
        "stringData": {"type": "object", "additionalProperties": {"type": "string"}},
    })
}

fn config_map() -> Value {
    json!({
        "immutable": {"type": "boolean"},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
        "binaryData": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    })
}

fn namespace() -> Value {
    json!({
        "spec": {"type": "object", "properties": {"finalizers": {"type": "array", "items": {"type": "string"}}}},
        "status": {"type": "object", "properties": {
            "phase": {"type": "string"},
            "conditions": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "properties": {
                    "type": {"type": "string"}, "status": {"type": "string"}, "reason": {"type": "string"},
                    "message": {"type": "string"}, "lastTransitionTime": time(),
                }},
            },
        }},
    })
}

fn lease() -> Value {
    json!({"spec": {"type": "object", "properties": {
        "holderIdentity": {"type": "string"}, "leaseDurationSeconds": {"type": "integer"},
        "leaseTransitions": {"type": "integer"}, "acquireTime": time(), "renewTime": time(),
        "preferredHolder": {"type": "string"}, "strategy": {"type": "string"},
    }}})
}

fn event() -> Value {
    let reference = || {
        let fields = ["apiVersion", "kind", "namespace", "name", "uid", "resourceVersion", "fieldPath"];
        let mut properties = json!({});
        for field in fields {
            properties[field] = json!({"type": "string"});
        }
        json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": properties})
    };
    json!({
        "eventTime": time(), "type": {"type": "string"}, "reason": {"type": "string"}, "action": {"type": "string"},
        "note": {"type": "string"}, "reportingController": {"type": "string"}, "reportingInstance": {"type": "string"},
        "regarding": reference(), "related": reference(),
        "series": {"type": "object", "properties": {"count": {"type": "integer"}, "lastObservedTime": time()}},
        "deprecatedCount": {"type": "integer"}, "deprecatedFirstTimestamp": time(), "deprecatedLastTimestamp": time(),
        "deprecatedSource": {"type": "object", "properties": {
            "component": {"type": "string"}, "host": {"type": "string"},
        }},
    })
}

//! What one object may hold at most.

use serde_json::Value;

/// Every list, map and free text below `schema` that has no upper bound.
fn unbounded(schema: &Value, path: &str, found: &mut Vec<String>) {
    let lacks = |bound: &str| schema[bound].is_null();
    let free = match schema["type"].as_str() {
        Some("array") => lacks("maxItems"),
        Some("string") => lacks("maxLength") && lacks("enum") && lacks("format"),
        Some("object") => !lacks("additionalProperties") && lacks("maxProperties"),
        _ => false,
    };
    if free {
        found.push(path.to_owned());
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        unbounded(below, &format!("{path}.{name}"), found);
    }
    for below in [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|below| below.is_object()) {
        unbounded(below, &format!("{path}[]"), found);
    }
}

/// A team writes these two kinds; what an administrator writes may select as Kubernetes lets it.
#[test]
fn t22_every_list_map_and_text_that_a_team_writes_has_an_upper_bound() {
    for plural in ["managedexternalsecrets", "rotations"] {
        let file = format!("{}/crds/managed-secrets.io_{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = Vec::new();
        unbounded(spec, "spec", &mut found);
        assert!(spec["properties"].as_object().is_some_and(|fields| !fields.is_empty()));
        assert_eq!(found, Vec::<String>::new(), "{plural}");
    }
}

#[test]
fn a_list_a_map_and_a_text_without_a_bound_are_found() {
    let schema = serde_json::json!({"type": "object", "properties": {
        "list": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "number": {"type": "integer"}}});
    let mut found = Vec::new();
    unbounded(&schema, "spec", &mut found);
    assert_eq!(found, ["spec.list", "spec.map", "spec.map[]"]);
}

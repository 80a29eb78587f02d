//! What one object may hold at most, and which of its fields say where a credential goes.

use serde_json::Value;

/// Bytes of a spec, at the most: nearly all of it the eight targets. etcd takes 1.5 MiB in one request.
const LARGEST: u64 = 1_600_000;

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

/// Every field below `schema` whose name says that it is a place, or whom to believe there.
fn places(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let lower = name.to_lowercase();
        // `ca` as a word alone: it is also in "revocation".
        let authority = lower == "ca"
            || name.starts_with("ca") && name[2..].starts_with(char::is_uppercase)
            || name.contains("Ca")
            || name.contains("CA");
        if authority || ["url", "host", "endpoint"].iter().any(|word| lower.contains(word)) {
            found.push(format!("{path}.{name}"));
        }
        places(below, &format!("{path}.{name}"), found);
    }
    for below in [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|below| below.is_object()) {
        places(below, &format!("{path}[]"), found);
    }
}

fn spec_of(plural: &str) -> Value {
    let file = format!("{}/crds/managed-secrets.io_{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
    let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Where an admin credential is sent is said by the account, and by the admin Secret that must agree with it. A second
/// field would be a second way to send it elsewhere: whoever adds one writes its threat down first.
#[test]
fn t14_no_field_but_the_accounts_and_the_stores_says_where_to_go_or_whom_to_believe() {
    let mut found = Vec::new();
    for plural in ["managedexternalsecrets", "partneraccounts", "rotations", "secretsmanagerstores"] {
        assert!(spec_of(plural)["properties"].as_object().is_some_and(|fields| !fields.is_empty()), "{plural}");
        places(&spec_of(plural), plural, &mut found);
    }
    found.sort();
    assert_eq!(found, ["partneraccounts.caBundle", "partneraccounts.endpoint", "secretsmanagerstores.endpoint"]);
    let folder = format!("{}/crds", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 4, "a new kind is listed here");
}

#[test]
fn a_field_that_names_a_place_is_found_however_deep() {
    let schema = serde_json::json!({"properties": {
        "hooks": {"items": {"properties": {"webhookURL": {"type": "string"}, "name": {"type": "string"}}}},
        "tls": {"properties": {"caFile": {"type": "string"}}},
        "each": {"additionalProperties": {"properties": {"hostname": {"type": "string"}}}}}});
    let mut found = Vec::new();
    places(&schema, "spec", &mut found);
    found.sort();
    assert_eq!(found, ["spec.each[].hostname", "spec.hooks[].webhookURL", "spec.tls.caFile"]);
}

/// An expression may ask the authorizer twice at the most, so the policy has a line for each target: a ninth target without
/// a ninth line would be written unasked.
#[test]
fn t08_the_policy_for_people_asks_about_every_target_that_the_schema_allows() {
    let allowed = spec_of("managedexternalsecrets")["properties"]["targets"]["maxItems"].as_u64().unwrap();
    let chart = format!("{}/charts/managed-external-secrets/templates/policies.yaml", env!("CARGO_MANIFEST_DIR"));
    let chart = std::fs::read_to_string(chart).unwrap();
    let (_, lines) = chart.split_once("{{- range $at := until ").unwrap();
    let (asked, lines) = lines.split_once(" }}").unwrap();
    let (each, _) = lines.split_once("{{- end }}").unwrap();
    assert!(each.contains("name(variables.targets[{{ $at }}]).check('patch')"), "{each}");
    assert_eq!(asked.parse(), Ok(allowed));
}

/// The bytes of the largest JSON that `schema` takes, where every letter is one byte.
fn largest(schema: &Value) -> u64 {
    let bound = |name: &str| schema[name].as_u64();
    if let Some(texts) = schema["enum"].as_array() {
        return texts.iter().map(|text| text.to_string().len() as u64).max().unwrap_or_default();
    }
    match schema["type"].as_str() {
        Some("string") => bound("maxLength").unwrap_or(64) + 2,
        Some("array") => bound("maxItems").unwrap() * (largest(&schema["items"]) + 1) + 2,
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields: u64 = fields.map(|(name, below)| name.len() as u64 + 4 + largest(below)).sum();
            let entries = &schema["additionalProperties"];
            // A key of a label or annotation has 316 letters and a slash at the most.
            let entries =
                if entries.is_object() { bound("maxProperties").unwrap() * (largest(entries) + 321) } else { 0 };
            fields + entries + 2
        }
        _ => 20,
    }
}

/// What a team can make us parse is held by the schema alone, whatever the API server and etcd take; a wider bound is a
/// decision. Nothing is open to any JSON, so nothing is deeper than the schema.
#[test]
fn t22_the_largest_spec_that_the_schema_takes_fits_one_request_of_etcd_and_is_no_deeper_than_the_schema() {
    for plural in ["managedexternalsecrets", "rotations"] {
        let spec = spec_of(plural);
        println!("{plural}: {} bytes", largest(&spec));
        assert!(largest(&spec) < LARGEST, "{plural}: {} bytes", largest(&spec));
        assert!(!spec.to_string().contains("x-kubernetes-preserve-unknown-fields"), "{plural}");
    }
}

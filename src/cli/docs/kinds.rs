//! A page for each kind: what it is, an example, its columns and every field, from its definition.
//!
//! Called by `cli::docs`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{GENERATED, code, row};
use crate::api;
use crate::cli::Error;

/// An example of each kind; those of `examples/` are applied to a real API server by a test.
const EXAMPLES: [(&str, &str); 4] = [
    ("managedexternalsecrets", include_str!("../../../examples/01-salesforce.yaml")),
    ("partneraccounts", include_str!("../../../examples/03-postgresql.yaml")),
    ("secretsmanagerstores", include_str!("../../../examples/11-tenancy.yaml")),
    (
        "rotations",
        "# Rotate crm now: kubectl create -f - (the name is made by the API server)\napiVersion: managed-secrets.io/v1alpha1\n\
         kind: Rotation\nmetadata: {generateName: crm-, namespace: payments}\nspec: {resourceRef: {name: crm}}\n",
    ),
];

/// Types of Kubernetes itself, which its own documentation explains.
const FOREIGN: [&str; 2] = ["conditions", "namespaceSelector"];

pub(super) fn page(plural: &str) -> Result<String, Error> {
    let found = api::definitions().into_iter().find(|crd| crd.spec.names.plural == plural);
    let crd = serde_json::to_value(found.ok_or_else(|| Error::UnknownKind(plural.to_owned()))?)?;
    let (names, version) = (&crd["spec"]["names"], &crd["spec"]["versions"][0]);
    let schema = &version["schema"]["openAPIV3Schema"];
    let scope = if crd["spec"]["scope"] == "Cluster" { "of the whole cluster" } else { "in a namespace" };
    let mut text = format!(
        "# {}\n\n{GENERATED}\n\n{} It is an object {scope}; kubectl also knows it as `{}`.\n",
        plain(&names["kind"]),
        plain(&schema["description"]),
        plain(&names["shortNames"][0]),
    );
    if let Some((_, example)) = EXAMPLES.iter().find(|(of, _)| *of == plural) {
        let _ = write!(text, "\n```yaml\n{example}```\n");
    }
    columns(&mut text, &version["additionalPrinterColumns"]);
    for part in ["spec", "status"] {
        let _ = write!(text, "\n## {part}\n\n{}\n\n", plain(&schema["properties"][part]["description"]));
        text.push_str(&row(["field", "type", "meaning"]));
        text.push_str(&row(["---"; 3]));
        fields(&mut text, "", &schema["properties"][part]);
    }
    Ok(text)
}

fn columns(text: &mut String, columns: &Value) {
    text.push_str("\n## Columns of `kubectl get`\n\n");
    text.push_str(&row(["column", "field", ""]));
    text.push_str(&row(["---"; 3]));
    for column in columns.as_array().into_iter().flatten() {
        let wide = if column["priority"].as_i64().unwrap_or(0) > 0 { "with `-o wide`" } else { "" };
        text.push_str(&row([plain(&column["name"]), &code(plain(&column["jsonPath"])), wide]));
    }
}

/// One row for each property below `path`, depth first.
fn fields(text: &mut String, path: &str, schema: &Value) {
    let required: BTreeSet<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let list = property["type"] == "array";
        let below = if list { &property["items"] } else { property };
        let path = format!("{path}{name}{}", if list { "[]" } else { "" });
        let mark = if required.contains(name.as_str()) { "required. " } else { "" };
        text.push_str(&row([&code(&path), &kind_of(property), &format!("{mark}{}", meaning(property))]));
        if !FOREIGN.contains(&name.as_str()) {
            fields(text, &format!("{path}."), below);
        }
    }
}

fn kind_of(schema: &Value) -> String {
    match plain(&schema["type"]) {
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => "map of string".to_owned(),
        plain_type => plain(&schema["format"]).split_once("int").map_or(plain_type, |_| "integer").to_owned(),
    }
}

fn meaning(schema: &Value) -> String {
    let mut all = vec![plain(&schema["description"]).to_owned()];
    let texts = |values: &Value| {
        let texts = values.as_array().into_iter().flatten().filter_map(Value::as_str).map(code);
        texts.collect::<Vec<_>>().join(", ")
    };
    let listed = if schema["enum"].is_array() { &schema["enum"] } else { &schema["items"]["enum"] };
    if listed.is_array() {
        all.push(format!("One of {}.", texts(listed)));
    }
    match &schema["default"] {
        Value::Null => {}
        Value::String(default) => all.push(format!("Default `{default}`.")),
        default => all.push(format!("Default `{default}`.")),
    }
    all.retain(|part| !part.is_empty());
    all.join(" ")
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_every_kind_is_explained() {
        for crd in api::definitions() {
            let page = page(&crd.spec.names.plural).unwrap();
            for line in page.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")) {
                // A column that is always shown needs no words.
                assert!(line.contains("| `."), "{}: {line}", crd.spec.names.kind);
            }
            assert!(page.contains("```yaml"), "{} has an example", crd.spec.names.kind);
        }
    }

    #[test]
    fn a_kind_that_is_not_ours_is_refused_with_those_that_are() {
        let error = page("secrets").unwrap_err().to_string();
        assert!(error.contains("managedexternalsecrets"), "{error}");
    }
}

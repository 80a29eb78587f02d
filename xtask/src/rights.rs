//! The exact rights of the operator in each install, as a page: read off what the chart renders, so that it can't differ.
//!
//! Called by `generate`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::failure::{Failure, Result, Tried};

/// Each install, and the values that make it beside the demo's.
const INSTALLS: [(&str, &str); 3] = [
    ("namespaces", "namespaces={payments}"),
    ("cluster", "install=cluster,namespaces=null"),
    (
        "strict",
        "install=strict,namespaces=null,strict[0].namespace=payments,strict[0].targets={crm},strict[0].seeds={crm-seed}",
    ),
];

const HEAD: &str = "<!-- Made by `cargo xtask generate` from the rendered chart. -->\n\
# Rights of the operator\n\n\
What the ServiceAccount `mes` holds in each install of [the chart](install.md), with namespace `payments`, its target `crm`\n\
and its seed `crm-seed`, and the admin credentials that the demo names. Beyond the roles stands the leash (an admission\n\
policy): of these rights, the API server lets it use only those that the work needs.\n";

/// The page. `render` gives the chart's manifests with these values (`--set`).
pub fn page(render: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut page = HEAD.to_owned();
    for (install, values) in INSTALLS {
        let objects = objects(&render(values)?)?;
        let _ = write!(
            page,
            "\n## {install}\n\n| where | role | resources | names | verbs |\n| --- | --- | --- | --- | --- |\n"
        );
        for row in rows(&objects)? {
            let _ = writeln!(page, "{row}");
        }
    }
    Ok(page)
}

fn objects(manifests: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> =
        serde_yaml::from_multiple(manifests).tried(|| "reading what the chart renders".into())?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn rows(objects: &[Value]) -> Result<BTreeSet<String>> {
    let mut rows = BTreeSet::new();
    let bindings = objects.iter().filter(|object| text(object, "/kind").ends_with("RoleBinding"));
    for binding in bindings {
        let wide = binding["kind"] == "ClusterRoleBinding";
        let place = if wide { "the cluster" } else { text(binding, "/metadata/namespace") };
        let (kind, name) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let role = objects.iter().find(|object| object["kind"] == kind && text(object, "/metadata/name") == name);
        let role =
            role.ok_or_else(|| Failure::new(format!("a binding of the chart names {kind} {name}, which it lacks")))?;
        for rule in role["rules"].as_array().into_iter().flatten() {
            let (groups, names) = (list(&rule["apiGroups"]), list(&rule["resourceNames"]));
            let group = if groups.is_empty() { String::new() } else { format!(" ({groups})") };
            let names = if names.is_empty() { "all".to_owned() } else { names };
            let (resources, verbs) = (list(&rule["resources"]), list(&rule["verbs"]));
            rows.insert(format!("| {place} | {name} | {resources}{group} | {names} | {verbs} |"));
        }
    }
    Ok(rows)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list, but empty ones: the group of Kubernetes' first kinds has no name.
fn list(value: &Value) -> String {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = "kind: ClusterRole
metadata: {name: mes-namespace}
rules: [{apiGroups: [''], resources: [secrets], resourceNames: [crm], verbs: [get, patch]}]
---
kind: RoleBinding
metadata: {name: x, namespace: payments}
roleRef: {kind: ClusterRole, name: mes-namespace}
";

    #[test]
    fn each_rule_of_a_bound_role_is_a_row_and_a_role_that_is_not_there_an_error() {
        let page = page(|_| Ok(CHART.to_owned())).unwrap();
        assert_eq!(page.matches("| payments | mes-namespace | secrets | crm | get, patch |").count(), 3, "{page}");
        let broken = CHART.replace("kind: ClusterRole\nmeta", "kind: Role\nmeta");
        assert!(super::page(|_| Ok(broken.clone())).unwrap_err().to_string().contains("mes-namespace"));
    }
}

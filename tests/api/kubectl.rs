//! What a person at kubectl gets to see.

use serde_json::Value;

use crate::server::{said, server};

fn created(manifest: &str) {
    server().kubectl_apply(manifest).unwrap();
}

#[test]
fn short_names_a_category_and_fields_to_select_by() {
    created(
        "{apiVersion: managed-secrets.io/v1alpha1, kind: ManagedExternalSecret, metadata: {name: select, namespace: server-side}, \
         spec: {partner: {type: Selected, accountRef: {name: acme}}, onboard: {mint: {}}}}",
    );
    created(
        "{apiVersion: managed-secrets.io/v1alpha1, kind: Rotation, metadata: {name: select-1, namespace: server-side}, \
         spec: {resourceRef: {name: select}}}",
    );
    let get = |arguments: &[&str]| {
        let always = ["get", "-n", "server-side", "-o", "name"];
        server().kubectl_ok(always.iter().chain(arguments)).unwrap()
    };
    assert!(get(&["managed-secrets"]).contains("rotation.managed-secrets.io/select-1"));
    assert!(get(&["mes", "--field-selector=spec.partner.type=Selected"]).contains("/select"));
    assert_eq!(get(&["mes", "--field-selector=spec.partner.type=Other"]), "");
    assert!(get(&["mes", "--field-selector=spec.partner.accountRef.name=acme"]).contains("/select"));
    assert!(get(&["rot", "--field-selector=spec.resourceRef.name=select,spec.trigger=Request"]).contains("/select-1"));
    assert_eq!(get(&["rot", "--field-selector=spec.resourceRef.name=other"]), "");
    for cluster in ["pacct", "smstore"] {
        server().kubectl_ok(["get", cluster]).unwrap();
    }
}

#[test]
fn columns_tell_at_a_glance_what_is_in_service_and_since_when() {
    created(
        "{apiVersion: managed-secrets.io/v1alpha1, kind: ManagedExternalSecret, metadata: {name: columns, namespace: client-side}, \
         spec: {partner: {type: PostgreSQLRole, accountRef: {name: acme}}, onboard: {mint: {}}}}",
    );
    let status = r#"{"status": {"lastRotationTime": "2020-01-01T00:00:00Z", "nextRotationTime": "2999-01-01T00:00:00Z",
        "versionID": "v1", "secret": {"name": "eks/client-side/columns"}, "activeRotation": "columns-2", "conditions": [
        {"type": "Ready", "status": "True", "reason": "Rotating", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}"#;
    let patch = ["patch", "mes", "columns", "-n", "client-side", "--type=merge", "--subresource=status", "-p", status];
    server().kubectl_ok(patch).unwrap();
    let shown = server().kubectl_ok(["get", "mes", "columns", "-n", "client-side", "-o", "wide"]).unwrap();
    let mut lines = shown.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
    let titles: Vec<&str> = lines.next().unwrap().collect();
    assert_eq!(
        titles,
        [
            "NAME",
            "PARTNER",
            "READY",
            "STATUS",
            "LAST ROTATED",
            "NEXT ROTATION",
            "AGE",
            "ACCOUNT",
            "SECRET",
            "VERSION",
            "ROTATION"
        ]
    );
    let cells: Vec<&str> = lines.next().unwrap().collect();
    assert_eq!(cells[..4], ["columns", "PostgreSQLRole", "True", "Rotating"]);
    assert!(cells[4].ends_with('y') || cells[4].ends_with('d'), "{cells:?}");
    assert_eq!(cells[5], "2999-01-01T00:00:00Z");
    assert_eq!(cells[7..], ["acme", "eks/client-side/columns", "v1", "columns-2"]);
    server().kubectl_ok(["wait", "mes/columns", "-n", "client-side", "--for=condition=Ready", "--timeout=5s"]).unwrap();
}

#[test]
fn every_field_is_explained() {
    for file in crate::server::yaml_files("crds") {
        let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut silent = Vec::new();
        for part in ["spec", "status"] {
            unexplained(&schema["properties"][part], part, &mut silent);
        }
        assert!(silent.is_empty(), "{}: no description: {silent:?}", crd["metadata"]["name"]);
    }
    let explained = server().kubectl_ok(["explain", "mes.spec.rotation.schedule"]).unwrap();
    assert!(explained.contains("cron(0 2 ? * SUN *)"), "{explained}");
}

fn unexplained(schema: &Value, path: &str, silent: &mut Vec<String>) {
    if schema["description"].as_str().is_none_or(str::is_empty) {
        silent.push(path.to_owned());
    }
    let schema = if schema["items"].is_object() { &schema["items"] } else { schema };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        unexplained(property, &format!("{path}.{name}"), silent);
    }
}

#[test]
fn an_explicit_null_is_dropped_or_refused_and_never_stored() {
    let manifest = "{apiVersion: managed-secrets.io/v1alpha1, kind: ManagedExternalSecret, metadata: {name: nulls, namespace: server-side}, \
         spec: {partner: {type: T, accountRef: null}, onboard: {fromSecret: {name: s}, mint: null}, storeRef: null, suspend: null}}";
    let refused = said(&server().kubectl_with(["apply", "--server-side", "-f", "-"], manifest).unwrap());
    for field in ["spec.onboard.mint", "spec.partner.accountRef", "spec.storeRef", "spec.suspend"] {
        assert!(refused.contains(&format!("{field} in body must be of type")), "{refused}");
    }
    assert!(server().kubectl_with(["create", "-f", "-"], manifest).unwrap().status.success());
    let read = server().kubectl_ok(["get", "mes", "nulls", "-n", "server-side", "-o", "jsonpath={.spec}"]).unwrap();
    let spec: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(spec, serde_json::json!({"partner": {"type": "T"}, "onboard": {"fromSecret": {"name": "s"}}}));
}

#[test]
fn a_refusal_never_repeats_what_may_be_a_secret() {
    let account = "{apiVersion: managed-secrets.io/v1alpha1, kind: PartnerAccount, metadata: {name: x}, spec: {partnerTypes: [T], ";
    let store = "{apiVersion: managed-secrets.io/v1alpha1, kind: SecretsManagerStore, metadata: {name: x}, \
         spec: {region: us-west-2, prefix: p, ";
    let resource = "{apiVersion: managed-secrets.io/v1alpha1, kind: ManagedExternalSecret, metadata: {name: x, namespace: payments}, \
         spec: {partner: {type: T}, onboard: {fromSecret: {name: s}}, ";
    let long = "hunter2".repeat(1000);
    let rows = [
        (account, "endpoint: 'https://root:hunter2@acme.example'".to_owned()),
        (account, "endpoint: 'root:hunter2@acme.example'".to_owned()),
        (account, "endpoint: 'http://acme.example/hunter2'".to_owned()),
        (account, "endpoint: 'https://acme.example/?token=hunter2'".to_owned()),
        (account, format!("endpoint: {long}")),
        (account, "caBundle: hunter2".to_owned()),
        (account, "caBundle: '-----BEGIN CERTIFICATE----- hunter2 -----BEGIN PRIVATE KEY-----'".to_owned()),
        (account, "parameters: {adminSecretArn: hunter2}".to_owned()),
        (account, format!("parameters: {{token: {long}}}")),
        (store, "endpoint: 'https://root:hunter2@127.0.0.1'".to_owned()),
        (store, "endpoint: hunter2".to_owned()),
        (resource, "targets: [{name: t, data: {PASSWORD: hunter2}}]".to_owned()),
        (resource, format!("targets: [{{name: t, data: {{PASSWORD: {long}}}}}]")),
        (resource, format!("targets: [{{name: t, annotations: {{password: {long}}}}}]")),
    ];
    for (base, more) in rows {
        let answer =
            server().kubectl_with(["create", "--dry-run=server", "-f", "-"], &format!("{base}{more}}}}}")).unwrap();
        assert!(!answer.status.success(), "{more} was taken");
        assert!(!said(&answer).contains("hunter2"), "{}", said(&answer));
    }
}

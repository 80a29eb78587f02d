//! The chart on the real API server: what it renders is taken, what it grants is exactly what is documented, what is
//! wrong in its values is refused with the field's name; and what `mes partners` prints is taken there too.
//!
//! One control plane for all tests of this program, with kwok: its pod stands for ours.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use clap::CommandFactory;
use managed_external_secrets::cli::Cli;
use serde_json::Value;
use xtask::ControlPlane;
use xtask::binaries::{Tool, find_or_build};
use xtask::control_plane::Options;

const CHART: &str = "charts/managed-external-secrets";
const DEMO: [&str; 2] = ["--values", "charts/rendered/demo-values.yaml"];

static HELM: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    find_or_build(&[Tool::Helm]).expect("helm is built").remove(&Tool::Helm).expect("helm is what was built")
});

/// With the demo's release installed: once, by whoever asks first.
static INSTALLED: LazyLock<ControlPlane> = LazyLock::new(|| {
    let options = Options { controller_manager: true, scheduler: true, kwok: true, ..Options::default() };
    let plane = ControlPlane::start(&options).expect("a control plane starts");
    for namespace in ["mes-system", "payments", "privacy", "orders"] {
        plane.kubectl_ok(["create", "namespace", namespace]).unwrap();
    }
    // Nothing but the restricted profile of Pod Security may run where the operator does.
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    plane.kubectl_ok(["label", "namespace", "mes-system", restricted]).unwrap();
    let install = ["install", "mes", CHART, "--namespace", "mes-system", "--wait", "--timeout", "2m"];
    told(&plane, &[&install[..], &DEMO].concat());
    plane
});

fn helm(arguments: &[&str]) -> Output {
    let root = env!("CARGO_MANIFEST_DIR");
    Command::new(&*HELM).args(arguments).current_dir(root).output().expect("helm starts")
}

/// Helm against the control plane; an error is this test's.
fn told(plane: &ControlPlane, arguments: &[&str]) -> String {
    let kubeconfig = plane.kubeconfig().to_string_lossy().into_owned();
    let output = helm(&[arguments, &["--kubeconfig", &kubeconfig]].concat());
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "helm {arguments:?}: {said}{why}");
    said.into_owned()
}

fn rendered(more: &[&str]) -> Result<String, String> {
    let template = ["template", "mes", CHART, "--namespace", "mes-system"];
    let output = helm(&[&template[..], &DEMO, more].concat());
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn objects(yaml: &str) -> Vec<Value> {
    let documents = serde_yaml::from_multiple::<Value>(yaml).expect("YAML");
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn the_chart_passes_helms_own_lint() {
    for values in [&[][..], &DEMO] {
        let output = helm(&[&["lint", "--strict", CHART], values].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_committed_rendering_is_what_the_chart_renders() {
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/rendered/demo.yaml"));
    assert!(committed.unwrap() == rendered(&[]).unwrap(), "charts/rendered/demo.yaml: run cargo xtask generate");
}

#[test]
fn the_api_server_takes_what_is_rendered_as_the_demo_applies_it() {
    let manifests = rendered(&[]).unwrap();
    // By another name: the server has the release that Helm installed.
    let output = INSTALLED
        .kubectl_with(["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"], &manifests)
        .unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{why}");
    assert!(!why.contains("Warning"), "{why}");
    let taken = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(taken, objects(&manifests).len());
}

#[test]
fn helm_installs_it_into_a_restricted_namespace_and_uninstalling_keeps_the_definitions() {
    let plane = &*INSTALLED;
    let deployment = plane.kubectl_ok(["get", "deployment", "mes", "-n", "mes-system", "-o", "json"]).unwrap();
    let deployment: Value = serde_json::from_str(&deployment).unwrap();
    assert_eq!(deployment.pointer("/status/availableReplicas"), Some(&Value::from(1)), "kwok's pod stands for ours");
    // A release of its own, so that the other tests keep theirs.
    plane.kubectl_ok(["create", "namespace", "second"]).unwrap();
    let values = ["--set", "fullnameOverride=second,crds.install=false,namespaces={orders}"];
    let install = ["install", "second", CHART, "--namespace", "second", "--wait", "--timeout", "2m"];
    told(plane, &[&install[..], &DEMO, &values].concat());
    told(plane, &["uninstall", "second", "--namespace", "second", "--wait"]);
    assert!(!plane.kubectl(["get", "clusterrole", "second-operator"]).unwrap().status.success());
    for object in objects(&rendered(&[]).unwrap()) {
        if object["kind"] == "CustomResourceDefinition" {
            assert_eq!(text(&object, "/metadata/annotations/helm.sh~1resource-policy"), "keep");
        }
    }
    plane.kubectl_ok(["get", "crd", "managedexternalsecrets.managed-secrets.io"]).unwrap();
}

/// `kubectl auth can-i`, as the operator.
fn may(verb: &str, resource: &str, namespace: &str) -> bool {
    let operator = "--as=system:serviceaccount:mes-system:mes";
    let asked: Vec<&str> = resource.split(' ').collect();
    let arguments = [&["auth", "can-i", verb], &asked[..], &["--namespace", namespace, operator]].concat();
    let output = INSTALLED.kubectl(arguments).unwrap();
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => true,
        "no" => false,
        other => panic!("{other}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn the_operator_may_do_what_its_roles_say() {
    let ours = "managed-secrets.io";
    for (verbs, resource, namespace) in [
        ("get list watch", format!("partneraccounts.{ours}"), "default"),
        ("patch", format!("secretsmanagerstores.{ours} --subresource=status"), "default"),
        ("get list watch", "namespaces".into(), "default"),
        // Our own kinds everywhere, also where nothing is lent.
        ("get list watch patch", format!("managedexternalsecrets.{ours}"), "orders"),
        ("get list watch create patch delete", format!("rotations.{ours}"), "orders"),
        ("patch", format!("rotations.{ours} --subresource=status"), "orders"),
        ("get list watch create patch delete", "secrets".into(), "payments"),
        ("create patch", "events.events.k8s.io".into(), "privacy"),
        ("get create patch", "leases.coordination.k8s.io/mes-leader".into(), "mes-system"),
        ("get", "secrets/pg-main-admin".into(), "mes-system"),
        ("get", "secrets/aws-keys".into(), "mes-system"),
        ("get create patch", "secrets/mes-seal".into(), "mes-system"),
    ] {
        for verb in verbs.split(' ') {
            assert!(may(verb, &resource, namespace), "{verb} {resource} in {namespace}");
        }
    }
}

#[test]
fn the_operator_may_do_nothing_else() {
    let ours = "managed-secrets.io";
    for (verbs, resource, namespace) in [
        // A namespace that lends nothing, and those that never may.
        ("get list watch create patch delete", "secrets".into(), "orders"),
        ("get list watch create patch delete", "secrets".into(), "kube-system"),
        ("create", "events.events.k8s.io".into(), "orders"),
        // Its own: the Secrets that the values name, and not one more.
        ("list watch create patch delete", "secrets".into(), "mes-system"),
        ("get", "secrets/another".into(), "mes-system"),
        ("patch delete update", "secrets/pg-main-admin".into(), "mes-system"),
        ("delete update list watch", "secrets/mes-seal".into(), "mes-system"),
        ("get patch", "leases.coordination.k8s.io/another".into(), "mes-system"),
        ("update deletecollection", "secrets".into(), "payments"),
        // Whoever writes these is root here.
        ("create update patch delete", format!("partneraccounts.{ours}"), "default"),
        ("create update delete", format!("managedexternalsecrets.{ours}"), "payments"),
        ("update", format!("rotations.{ours}"), "payments"),
        ("create", "pods".into(), "payments"),
        ("create", "pods --subresource=exec".into(), "payments"),
        ("create", "serviceaccounts --subresource=token".into(), "payments"),
        ("patch update create delete", "deployments.apps".into(), "payments"),
        ("get", "configmaps".into(), "payments"),
        ("create escalate bind", "clusterroles.rbac.authorization.k8s.io".into(), "payments"),
        ("impersonate", "users".into(), "payments"),
        ("patch", "namespaces".into(), "payments"),
    ] {
        for verb in verbs.split(' ') {
            assert!(!may(verb, &resource, namespace), "{verb} {resource} in {namespace}");
        }
    }
}

/// Each right as `binding's namespace or *: group/resource[names] verb`.
fn rights(objects: &[Value]) -> BTreeSet<String> {
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut all = BTreeSet::new();
    for binding in objects.iter().filter(|object| text(object, "/kind").ends_with("RoleBinding")) {
        assert_eq!(text(binding, "/subjects/0/name"), "mes");
        assert_eq!(binding["subjects"].as_array().map(Vec::len), Some(1));
        let wide = binding["kind"] == "ClusterRoleBinding";
        let place = if wide { "*" } else { text(binding, "/metadata/namespace") };
        let (kind, name) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        let role = objects.iter().find(|object| object["kind"] == kind && text(object, "/metadata/name") == name);
        for rule in role.expect("a binding names a role of the chart")["rules"].as_array().unwrap() {
            let names = strings(&rule["resourceNames"]);
            let names = if names.is_empty() { String::new() } else { format!("[{}]", names.join(" ")) };
            for group in strings(&rule["apiGroups"]) {
                for resource in strings(&rule["resources"]) {
                    let verbs = strings(&rule["verbs"]).join(" ");
                    all.insert(format!("{place}: {group}/{resource}{names} {verbs}"));
                }
            }
        }
    }
    all
}

#[test]
fn every_right_that_the_chart_gives_the_operator_is_in_this_list() {
    let of = |values: &[&str]| rights(&objects(&rendered(values).unwrap()));
    let expected = |lent: Vec<String>| -> BTreeSet<String> { everywhere().into_iter().chain(lent).collect() };
    assert_eq!(of(&[]), expected(["payments", "privacy"].into_iter().flat_map(lent).collect()));
    assert_eq!(of(&["--set", "install=cluster,namespaces=null"]), expected(lent("*").collect()));
    let strict = [
        "/secrets[crm orders-db] get list watch create patch delete",
        "/secrets[crm-seed] get list watch",
        "events.k8s.io/events create patch",
    ];
    assert_eq!(of(&STRICT), expected(strict.map(|right| format!("payments: {right}")).to_vec()));
}

const STRICT: [&str; 2] = [
    "--set",
    "install=strict,namespaces=null,strict[0].namespace=payments,strict[0].targets={crm,orders-db},strict[0].seeds={crm-seed}",
];

/// What a namespace lends, or with `*` all do.
fn lent(namespace: &'static str) -> impl Iterator<Item = String> {
    let mut all = vec![
        "/secrets get list watch create patch".to_owned(),
        "/secrets delete".to_owned(),
        "/pods get list".to_owned(),
        "events.k8s.io/events create patch".to_owned(),
    ];
    all.extend(
        ["deployments", "statefulsets", "daemonsets", "replicasets"].map(|kind| format!("apps/{kind} get list")),
    );
    all.extend(["jobs", "cronjobs"].map(|kind| format!("batch/{kind} get list")));
    all.into_iter().map(move |right| format!("{namespace}: {right}"))
}

/// What every install gives.
fn everywhere() -> Vec<String> {
    let ours = "*: managed-secrets.io";
    vec![
        format!("{ours}/partneraccounts get list watch"),
        format!("{ours}/secretsmanagerstores get list watch"),
        format!("{ours}/partneraccounts/status patch"),
        format!("{ours}/secretsmanagerstores/status patch"),
        "*: /namespaces get list watch".to_owned(),
        format!("{ours}/managedexternalsecrets get list watch patch"),
        format!("{ours}/rotations get list watch create patch delete"),
        format!("{ours}/managedexternalsecrets/status patch"),
        format!("{ours}/rotations/status patch"),
        "mes-system: coordination.k8s.io/leases[mes-leader] get create patch".to_owned(),
        "mes-system: /secrets[pg-main-admin salesforce-admin aws-keys] get".to_owned(),
        "mes-system: /secrets[mes-seal] get create patch".to_owned(),
    ]
}

#[test]
fn without_the_values_nothing_of_a_namespace_and_no_secret_may_be_touched() {
    let bare = rendered(&["--set", "namespaces=null,adminSecrets=null"]).unwrap();
    for right in rights(&objects(&bare)) {
        let seal = right == "mes-system: /secrets[mes-seal] get create patch";
        assert!(seal || !right.contains("/secrets ") && !right.contains("/secrets["), "{right}");
    }
    for values in [&[][..], &["--set", "install=cluster,namespaces=null"], &STRICT] {
        let without = rendered(&[values, &["--set", "collect=false"]].concat()).unwrap();
        let rights = rights(&objects(&without));
        assert!(!rights.iter().any(|right| right.contains("/secrets") && right.contains("delete")), "{rights:?}");
    }
}

#[test]
fn people_get_the_rights_of_view_edit_and_admin_and_never_status() {
    for (role, verb, resource, expected) in [
        ("view", "list", "rotations", true),
        ("view", "create", "rotations", false),
        ("edit", "create", "rotations", true),
        ("edit", "update", "rotations", false),
        ("edit", "patch", "managedexternalsecrets", true),
        ("edit", "rotate", "managedexternalsecrets", true),
        ("edit", "override", "managedexternalsecrets", false),
        ("admin", "override", "managedexternalsecrets", true),
        ("admin", "patch", "managedexternalsecrets --subresource=status", false),
        ("admin", "get", "partneraccounts", false),
        ("admin", "create", "secretsmanagerstores", false),
    ] {
        let plane = &*INSTALLED;
        let (user, binding) = (format!("--user={role}er"), format!("people-{role}"));
        let bind = ["create", "rolebinding", &binding, "-n", "payments", &format!("--clusterrole={role}"), &user];
        plane.kubectl(bind).unwrap();
        let who = format!("--as={role}er");
        let (resource, rest) = resource.split_once(' ').map_or((resource, None), |(one, two)| (one, Some(two)));
        let resource = format!("{resource}.managed-secrets.io");
        let mut asked = vec!["auth", "can-i", verb, &resource, "-n", "payments", &who];
        asked.extend(rest);
        // The role is put together by the controller manager, a moment after its parts are there.
        let answer = |_| {
            plane.kubectl(&asked).unwrap().status.success() == expected || {
                std::thread::sleep(std::time::Duration::from_millis(300));
                false
            }
        };
        assert!((0..30).any(answer), "{role} {verb} {resource}: not {expected}");
    }
}

#[test]
fn a_wrong_value_is_refused_with_its_name_and_what_it_must_be() {
    for (set, field, what) in [
        ("operator.sweepInterval=5x", "/operator/sweepInterval", "pattern"),
        ("operator.sweepInterval=", "/operator/sweepInterval", "pattern"),
        ("operator.history=-1", "/operator/history", "minimum"),
        ("replicas=2", "/replicas", "maximum"),
        ("operator.concurrency=many", "/operator/concurrency", "want integer"),
        ("log.format=xml", "/log/format", "'json', 'text'"),
        ("image.digest=latest", "/image/digest", "pattern"),
        ("namespaces={Payments}", "/namespaces/0", "pattern"),
        ("namespaces=payments", "/namespaces", "want array"),
        ("adminSecrets={a/b}", "/adminSecrets/0", "pattern"),
        ("image.repo=x", "/image", "'repo' not allowed"),
        ("replica=2", "''", "'replica' not allowed"),
        ("extraArgs={run}", "/extraArgs/0", "pattern"),
        ("fullnameOverride=", "/fullnameOverride", "minLength"),
        ("namespaces={kube-system}", "namespaces: kube-system", "may not lend"),
        ("namespaces={mes-system}", "namespaces: mes-system", "may not lend"),
        ("image.repository=", "image.repository", "docs/install.md"),
        ("install=everything", "/install", "'namespaces', 'cluster', 'strict'"),
        ("install=cluster", "namespaces: is of install namespaces", "remove it"),
        ("install=strict", "namespaces: is of install namespaces", "remove it"),
        ("strict[0].namespace=payments", "strict: is of install strict", "remove it"),
        ("strict[0].targets={crm}", "/strict/0", "missing property 'namespace'"),
        ("strict[0].namespace=payments,strict[0].secrets={crm}", "/strict/0", "'secrets' not allowed"),
        ("install=strict,namespaces=null,strict[0].namespace=kube-system", "strict: kube-system", "may not lend"),
        ("install=strict,namespaces=null,strict[0].namespace=mes-system", "strict: mes-system", "may not lend"),
        ("authorityPolicy=off", "/authorityPolicy", "want boolean"),
        ("leash.enabled=true", "/leash", "want boolean"),
        ("networkPolicy.ports={0}", "/networkPolicy/ports/0", "minimum"),
        ("networkPolicy.privateNetworks={10.0.0.1}", "/networkPolicy/privateNetworks/0", "pattern"),
    ] {
        let refusal = rendered(&["--set", set]).expect_err(set);
        assert!(refusal.contains(field) && refusal.contains(what), "{set}: {refusal}");
    }
}

#[test]
fn the_pod_is_as_restricted_as_kubernetes_knows_and_mounts_a_token_of_ten_minutes_alone() {
    let all = objects(&rendered(&[]).unwrap());
    let pod = &all.iter().find(|object| object["kind"] == "Deployment").unwrap()["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 1, "no other volume, no emptyDir");
    let token = pod.pointer("/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds");
    assert_eq!(token, Some(&Value::from(600)));
    assert!(container["env"].as_array().unwrap().iter().any(|env| env["name"] == "AWS_EC2_METADATA_DISABLED"));
}

#[test]
fn each_policy_is_on_and_can_be_switched_off_by_itself() {
    let of = |values: &[&str]| -> Vec<String> {
        let all = objects(&rendered(values).unwrap());
        let admission = all.iter().filter(|object| text(object, "/apiVersion").starts_with("admissionregistration"));
        admission.map(|object| format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"))).collect()
    };
    let both =
        |name: &str| [format!("ValidatingAdmissionPolicy {name}"), format!("ValidatingAdmissionPolicyBinding {name}")];
    let mut all = of(&[]);
    all.sort();
    let mut expected = [both("mes-authority"), both("mes-leash")].concat();
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(of(&["--set", "authorityPolicy=false"]), both("mes-leash"));
    assert_eq!(of(&["--set", "leash=false"]), both("mes-authority"));
    assert!(of(&["--set", "leash=false,authorityPolicy=false"]).is_empty());
    // They speak of the operator by the names of this installation.
    let output = helm(&[
        "template",
        "x",
        CHART,
        "--namespace",
        "elsewhere",
        "--set",
        "fullnameOverride=other,image.repository=x",
    ]);
    let elsewhere = String::from_utf8(output.stdout).unwrap();
    assert_eq!(elsewhere.matches("'system:serviceaccount:elsewhere:other'").count(), 2);
    assert!(!elsewhere.contains("mes-system"), "{elsewhere}");
}

#[test]
fn t09_the_leash_and_the_parser_know_the_same_powerful_keys() {
    let leash = rendered(&[]).unwrap();
    let pattern =
        leash.lines().find_map(|line| line.trim().strip_prefix("expression: \"'^([a-z0-9.-]+[.])?(")).unwrap();
    let domains = pattern.strip_suffix(")/'\"").unwrap().replace("[.]", ".");
    assert_eq!(domains.split('|').collect::<Vec<_>>(), mes_core::target::ACTED_UPON);
}

#[test]
fn the_wide_install_and_a_missing_policy_are_warned_of() {
    // Notes are shown by an installation alone; a dry one on the server needs no release.
    let notes = |values: &str| {
        let install = [
            "install",
            "noted",
            CHART,
            "--namespace",
            "mes-system",
            "--dry-run=server",
            "--set",
            "fullnameOverride=noted,crds.install=false",
            "--set",
            values,
        ];
        let said = told(&INSTALLED, &[&install[..], &DEMO].concat());
        said.split_once("NOTES:").unwrap().1.to_owned()
    };
    let cluster = notes("install=cluster,namespaces=null");
    assert!(cluster.contains("WARNING: install `cluster`") && cluster.contains("kube-system"), "{cluster}");
    assert!(!notes("replicas=1").contains("WARNING"));
    assert!(notes("leash=false").contains("without `leash`"));
    assert!(notes("authorityPolicy=false").contains("without `authorityPolicy`"));
    let strict = notes(STRICT[1]);
    assert!(strict.contains("payments: targets crm, orders-db; seeds crm-seed"), "{strict}");
}

#[test]
fn the_network_policy_lets_nothing_in_but_metrics_and_nothing_out_to_private_networks() {
    let of = |values: &[&str]| {
        let all = objects(&rendered(values).unwrap());
        all.into_iter().find(|object| object["kind"] == "NetworkPolicy")
    };
    let policy = of(&[]).unwrap();
    let spec = &policy["spec"];
    assert_eq!(spec["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    assert_eq!(spec["ingress"].as_array().unwrap().len(), 1);
    assert_eq!(spec["egress"].as_array().unwrap().len(), 3, "names, the API server, outside");
    let outside = &spec["egress"][2]["to"][0]["ipBlock"];
    assert_eq!(outside["except"].as_array().unwrap().len(), 5);
    let all = of(&[
        "--set",
        "networkPolicy.privateNetworks={10.1.0.0/16},networkPolicy.podIdentity=true,networkPolicy.apiServer={10.0.0.1/32}",
    ]);
    let egress = all.unwrap()["spec"]["egress"].clone();
    assert_eq!(egress[1]["to"][0]["ipBlock"]["cidr"], "10.0.0.1/32");
    assert_eq!(egress[3]["to"][0]["ipBlock"]["cidr"], "10.1.0.0/16");
    assert_eq!(egress[4]["to"][0]["ipBlock"]["cidr"], "169.254.170.23/32");
    assert!(of(&["--set", "networkPolicy.enabled=false"]).is_none());
}

#[test]
fn the_program_takes_every_argument_that_the_chart_passes() {
    let full = "operator.clusterCIDRs={10.0.0.0/8,fd00::/8},operator.selfRotatingHosts={*.example.com}";
    for more in [&[][..], &["--set", full]] {
        let all = objects(&rendered(more).unwrap());
        let deployment = all.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let arguments = deployment.pointer("/spec/template/spec/containers/0/args").unwrap().as_array().unwrap();
        let arguments: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
        let parsed = Cli::command().try_get_matches_from([&["mes"], &arguments[..]].concat());
        assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
    }
}

#[test]
fn what_mes_partners_prints_is_taken_by_the_api_server() {
    let mes = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mes")).args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    let list = mes(&["partners"]).unwrap();
    let types: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert!(types.len() > 18, "{list}");
    let mut manifests = String::new();
    for known in &types {
        let resource = mes(&["partners", known]).unwrap();
        assert_eq!(objects(&resource).last().unwrap()["kind"], "ManagedExternalSecret", "{known}");
        manifests.push_str(&format!("{resource}---\n"));
        if let Some(account) = mes(&["partners", known, "--account"]) {
            manifests.push_str(&format!("{account}---\n"));
        }
    }
    let dry_run = ["apply", "-n", "payments", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    let output = INSTALLED.kubectl_with(dry_run, &manifests).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

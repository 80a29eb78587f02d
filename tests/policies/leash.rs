//! The operator's leash alone: its ServiceAccount is given every right, so that what is refused is refused by the policy.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::server::{Answer, Ask, Server, apply, create, delete, json_patch, merge, post, put, secret};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::with_chart(&[]);
    server.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "everything"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "mes", "namespace": "mes-system"}]}));
    server.apply(&secret("payments", "ours", "Opaque", json!({"managed-secrets.io/resource": "crm"})));
    server.apply(&secret("payments", "foreign", "Opaque", json!({})));
    for (name, resource) in [("consents", "crm"), ("consents-to-another", "other")] {
        let mut consenting = secret("payments", name, "Opaque", json!({}));
        consenting["metadata"]["annotations"] =
            json!({"managed-secrets.io/adopt": resource, "argocd.argoproj.io/kept": "x"});
        server.apply(&consenting);
    }
    server.apply(&secret("kube-system", "theirs", "Opaque", json!({})));
    server.apply(&secret("mes-system", "pg-main-admin", "managed-secrets.io/admin", json!({})));
    server.apply(&secret("mes-system", "mes-seal", "Opaque", json!({})));
    for kind in &KINDS {
        server.apply(&kind.object());
    }
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "crm", "namespace": "payments"},
        "spec": {"partner": {"type": "SalesforceClientSecret"}, "onboard": {"fromSecret": {"name": "crm-seed"}}}}));
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "pg"}, "spec": {"partnerTypes": ["PostgreSQLRole"]}}));
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "default"}, "spec": {"region": "us-west-2", "accountID": "123456789012", "prefix": "x"}}));
    server.wait_for_policies();
    server
});

/// A kind of workload, and where its pod template is.
struct Kind {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    template: &'static str,
    /// A field of its spec that is none of the template's, and another value of it.
    field: (&'static str, &'static str),
}

const KINDS: [Kind; 5] = [
    Kind {
        group: "apps/v1",
        kind: "Deployment",
        plural: "deployments",
        template: "/spec/template",
        field: ("/spec/replicas", "5"),
    },
    Kind {
        group: "apps/v1",
        kind: "StatefulSet",
        plural: "statefulsets",
        template: "/spec/template",
        field: ("/spec/replicas", "5"),
    },
    Kind {
        group: "apps/v1",
        kind: "DaemonSet",
        plural: "daemonsets",
        template: "/spec/template",
        field: ("/spec/minReadySeconds", "5"),
    },
    Kind {
        group: "batch/v1",
        kind: "CronJob",
        plural: "cronjobs",
        template: "/spec/jobTemplate/spec/template",
        field: ("/spec/suspend", "true"),
    },
    Kind {
        group: "argoproj.io/v1alpha1",
        kind: "Rollout",
        plural: "rollouts",
        template: "/spec/template",
        field: ("/spec/replicas", "5"),
    },
];

impl Kind {
    fn object(&self) -> Value {
        let restart = if self.kind == "CronJob" { "Never" } else { "Always" };
        let template = json!({"metadata": {"labels": {"app": "web"}, "annotations": {"theirs": "kept", "version.managed-secrets.io/gone": "a"}},
            "spec": {"restartPolicy": restart, "containers": [{"name": "web", "image": "web:1"}]}});
        let selector = json!({"matchLabels": {"app": "web"}});
        let spec = match self.kind {
            "CronJob" => {
                json!({"schedule": "0 0 1 1 *", "suspend": false, "jobTemplate": {"metadata": {"labels": {"job": "web"}}, "spec": {"template": template}}})
            }
            "DaemonSet" => json!({"selector": selector, "template": template, "minReadySeconds": 1}),
            "StatefulSet" => json!({"selector": selector, "template": template, "replicas": 1, "serviceName": "web"}),
            _ => json!({"selector": selector, "template": template, "replicas": 1}),
        };
        json!({"apiVersion": self.group, "kind": self.kind, "metadata": {"name": "web", "namespace": "payments", "labels": {"app": "web"}}, "spec": spec})
    }

    fn path(&self) -> String {
        format!("/apis/{}/namespaces/payments/{}", self.group, self.plural)
    }
}

type Row = (String, Ask, Option<&'static str>);

fn row(says: &str, ask: Ask, refused: Option<&'static str>) -> Row {
    (says.to_owned(), ask, refused)
}

/// Puts every row to the API server and tells all that came out otherwise.
fn judge(rows: &[Row]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(says, ask, refused)| {
            let answer = SERVER.operator(ask);
            println!("{says}: {} {}", answer.code, answer.said);
            let right = match refused {
                None => answer.code == 200,
                Some(words) => refused_by_the_leash(&answer) && answer.said.contains(words),
            };
            (!right).then(|| format!("{says}: wanted {refused:?}, is {} {}", answer.code, answer.said))
        })
        .collect();
    println!("{} requests", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn refused_by_the_leash(answer: &Answer) -> bool {
    [403, 422].contains(&answer.code) && answer.said.contains("leash:")
}

const SECRETS: &str = "/api/v1/namespaces/payments/secrets";

#[test]
fn of_secrets_the_operator_writes_its_own_and_those_that_consent() {
    let of = |resource: &str| json!({"managed-secrets.io/resource": resource});
    let named = |namespace: &str, name: &str| format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let mine = |namespace: &str, name: &str| secret(namespace, name, "Opaque", of("crm"));
    let label = |resource: Value| json!({"metadata": {"labels": {"managed-secrets.io/resource": resource}}});
    let data = json!({"data": {"k": "dw=="}});
    let rows = [
        row("create a target", apply(&named("payments", "new"), &mine("payments", "new")), None),
        row("create one by POST", create(SECRETS, &mine("payments", "new")), None),
        row(
            "create one for nobody",
            create(SECRETS, &secret("payments", "new", "Opaque", json!({}))),
            Some("names its resource"),
        ),
        row("write a target", apply(&named("payments", "ours"), &mine("payments", "ours")), None),
        row("delete a target", delete(&named("payments", "ours")), None),
        row(
            "give a target to another resource",
            merge(&named("payments", "ours"), &label(json!("other"))),
            Some("never changes its resource"),
        ),
        row(
            "take its resource off a target",
            merge(&named("payments", "ours"), &label(Value::Null)),
            Some("names its resource"),
        ),
        row(
            "write a foreign Secret",
            apply(&named("payments", "foreign"), &mine("payments", "foreign")),
            Some("does not consent"),
        ),
        row(
            "label a foreign Secret",
            merge(&named("payments", "foreign"), &label(json!("crm"))),
            Some("does not consent"),
        ),
        row(
            "consent for its owner",
            merge(
                &named("payments", "foreign"),
                &json!({"metadata": {"annotations": {"managed-secrets.io/adopt": "crm"}}}),
            ),
            Some("leash"),
        ),
        row("delete a foreign Secret", delete(&named("payments", "foreign")), Some("does not consent")),
        row("delete all Secrets", delete(SECRETS), Some("does not consent")),
        row("take one that consents", apply(&named("payments", "consents"), &mine("payments", "consents")), None),
        row("delete one that consents", delete(&named("payments", "consents")), Some("does not consent")),
        row(
            "take one that consents to another",
            apply(&named("payments", "consents-to-another"), &mine("payments", "consents-to-another")),
            Some("does not consent"),
        ),
        row(
            "replace a foreign Secret",
            put(&named("payments", "foreign"), &mine("payments", "foreign")),
            Some("does not consent"),
        ),
        row(
            "write into kube-system",
            create("/api/v1/namespaces/kube-system/secrets", &mine("kube-system", "new")),
            Some("reserved namespace"),
        ),
        row(
            "write into kube-public",
            create("/api/v1/namespaces/kube-public/secrets", &mine("kube-public", "new")),
            Some("reserved namespace"),
        ),
        row("delete in kube-system", delete(&named("kube-system", "theirs")), Some("leash")),
        row("write an admin credential", merge(&named("mes-system", "pg-main-admin"), &data), Some("leash")),
        row("delete an admin credential", delete(&named("mes-system", "pg-main-admin")), Some("leash")),
        row(
            "another Secret of its own namespace",
            create("/api/v1/namespaces/mes-system/secrets", &mine("mes-system", "new")),
            Some("reserved namespace"),
        ),
        row(
            "write the seal",
            apply(&named("mes-system", "mes-seal"), &secret("mes-system", "mes-seal", "Opaque", json!({}))),
            None,
        ),
        row("delete the seal", delete(&named("mes-system", "mes-seal")), Some("leash")),
        row(
            "the seal of another namespace",
            apply(&named("payments", "mes-seal"), &secret("payments", "mes-seal", "Opaque", json!({}))),
            Some("names its resource"),
        ),
    ];
    judge(&rows);
}

#[test]
fn t09_types_labels_and_annotations_that_grant_something_are_refused_when_they_are_forced() {
    let types = [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
        "kubernetes.io/dockercfg",
        "managed-secrets.io/admin",
        "managed-secrets.io/seed",
        "istio.io/key-and-cert",
    ];
    let labels = [
        "argocd.argoproj.io/secret-type",
        "kubernetes.io/bootstrapping",
        "jenkins.io/credentials-type",
        "konghq.com/credential",
        "sealedsecrets.bitnami.com/sealed-secrets-key",
        "cluster.x-k8s.io/cluster-name",
        "operator.fluxcd.io/managed",
        "controller.cert-manager.io/fao",
    ];
    let annotations = [
        "reflector.v1.k8s.emberstack.com/reflection-allowed",
        "replicator.v1.mittwald.de/replicate-to",
        "kubed.appscode.com/sync",
        "kubernetes.io/service-account.name",
        "tekton.dev/git-0",
        "managed-secrets.io/adopt",
        "meta.helm.sh/release-name",
    ];
    let forced = |type_: &str, labels: Value, annotations: Value| {
        let mut secret = secret("payments", "powerful", type_, labels);
        secret["metadata"]["labels"]["managed-secrets.io/resource"] = "crm".into();
        secret["metadata"]["annotations"] = annotations;
        secret
    };
    let mut rows = Vec::new();
    for type_ in types {
        // What a type asks for, so that the type alone is wrong.
        let mut made = forced(type_, json!({}), json!({"kubernetes.io/service-account.name": "default"}));
        made["data"][".dockercfg"] = "e30=".into();
        rows.push(row(type_, create(SECRETS, &made), Some("leash: Secret type")));
    }
    for key in labels {
        rows.push(row(
            key,
            create(SECRETS, &forced("Opaque", json!({key: "repository"}), json!({}))),
            Some("leash: a label"),
        ));
        rows.push(row(
            key,
            merge(&format!("{SECRETS}/ours"), &json!({"metadata": {"labels": {key: "x"}}})),
            Some("leash: a label"),
        ));
    }
    for key in annotations {
        rows.push(row(
            key,
            create(SECRETS, &forced("Opaque", json!({}), json!({key: "true"}))),
            Some("leash: an annotation"),
        ));
        rows.push(row(
            key,
            merge(&format!("{SECRETS}/ours"), &json!({"metadata": {"annotations": {key: "x"}}})),
            Some("leash: an annotation"),
        ));
    }
    rows.push(row(
        "what only describes",
        create(
            SECRETS,
            &forced("Opaque", json!({"team": "a", "app.kubernetes.io/name": "web"}), json!({"example.com/owner": "a"})),
        ),
        None,
    ));
    judge(&rows);
}

#[test]
fn of_a_workload_the_operator_writes_the_version_stamp_and_nothing_else() {
    let mut rows = Vec::new();
    for kind in &KINDS {
        let (web, at) = (format!("{}/web", kind.path()), kind.template);
        let mut change = |what: &str, op: &str, path: String, value: Value, refused| {
            let patch = if op == "remove" {
                json!([{"op": op, "path": path}])
            } else {
                json!([{"op": op, "path": path, "value": value}])
            };
            rows.push(row(&format!("{} {what}", kind.kind), json_patch(&web, &patch), refused));
        };
        const NOT: Option<&str> = Some("leash:");
        let stamp = format!("{at}/metadata/annotations/version.managed-secrets.io~1crm");
        change("stamp", "add", stamp, json!("v2"), None);
        change(
            "stamp of before",
            "replace",
            format!("{at}/metadata/annotations/version.managed-secrets.io~1gone"),
            json!("b"),
            None,
        );
        change(
            "stamp taken off",
            "remove",
            format!("{at}/metadata/annotations/version.managed-secrets.io~1gone"),
            Value::Null,
            NOT,
        );
        change("annotation", "add", format!("{at}/metadata/annotations/other"), json!("x"), NOT);
        change("annotation of theirs", "replace", format!("{at}/metadata/annotations/theirs"), json!("x"), NOT);
        change("annotation taken off", "remove", format!("{at}/metadata/annotations/theirs"), Value::Null, NOT);
        change("label of the template", "add", format!("{at}/metadata/labels/more"), json!("x"), NOT);
        change("image", "replace", format!("{at}/spec/containers/0/image"), json!("evil:1"), NOT);
        change("serviceAccountName", "add", format!("{at}/spec/serviceAccountName"), json!("default"), NOT);
        change("env", "add", format!("{at}/spec/containers/0/env"), json!([{"name": "A", "value": "b"}]), NOT);
        change("command", "add", format!("{at}/spec/containers/0/command"), json!(["sh"]), NOT);
        change(
            "hostPath",
            "add",
            format!("{at}/spec/volumes"),
            json!([{"name": "root", "hostPath": {"path": "/"}}]),
            NOT,
        );
        change("hostNetwork", "add", format!("{at}/spec/hostNetwork"), json!(true), NOT);
        change("label of its own", "add", "/metadata/labels/more".into(), json!("x"), NOT);
        change("annotation of its own", "add", "/metadata/annotations".into(), json!({"keda.sh/paused": "true"}), NOT);
        let (field, value) = kind.field;
        change(field, "replace", field.into(), serde_json::from_str(value).unwrap(), NOT);
        if kind.kind == "CronJob" {
            change("schedule", "replace", "/spec/schedule".into(), json!("* * * * *"), NOT);
            change("backoffLimit", "add", "/spec/jobTemplate/spec/backoffLimit".into(), json!(1), NOT);
            change("label of the job", "add", "/spec/jobTemplate/metadata/labels/more".into(), json!("x"), NOT);
        }
        if ["Deployment", "Rollout"].contains(&kind.kind) {
            change("paused", "add", "/spec/paused".into(), json!(true), NOT);
        }
        let mut another = kind.object();
        another["metadata"]["name"] = "another".into();
        rows.push(row(&format!("{} made", kind.kind), create(&kind.path(), &another), Some("never created")));
        rows.push(row(&format!("{} deleted", kind.kind), delete(&web), Some("never created or deleted")));
        rows.push(row(
            &format!("all of {} deleted", kind.kind),
            delete(&kind.path()),
            Some("never created or deleted"),
        ));
    }
    judge(&rows);
}

#[test]
fn of_our_own_kinds_the_operator_writes_finalizers_and_status_and_no_spec() {
    let base = "/apis/managed-secrets.io/v1alpha1";
    let mes = format!("{base}/namespaces/payments/managedexternalsecrets");
    let rotation = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": "crm-1"}, "spec": {"resourceRef": {"name": "crm"}, "trigger": "Schedule"}});
    let another = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "x"}, "spec": {"partner": {"type": "SalesforceClientSecret"}, "onboard": {"fromSecret": {"name": "s"}}}});
    let finalizer = json!({"metadata": {"finalizers": ["managed-secrets.io/cleanup"]}});
    judge(&[
        row("a finalizer", merge(&format!("{mes}/crm"), &finalizer), None),
        row("status", merge(&format!("{mes}/crm/status"), &json!({"status": {"versionID": "a"}})), None),
        row("a Rotation by schedule", create(&format!("{base}/namespaces/payments/rotations"), &rotation), None),
        row("a spec", merge(&format!("{mes}/crm"), &json!({"spec": {"suspend": true}})), Some("never writes a spec")),
        row("a resource", create(&mes, &another), Some("never writes a spec")),
        row("a resource deleted", delete(&format!("{mes}/crm")), Some("never writes a spec")),
        row(
            "an account's endpoint",
            merge(
                &format!("{base}/partneraccounts/pg"),
                &json!({"spec": {"endpoint": "postgresql://evil.example:5432/x"}}),
            ),
            Some("never writes a spec"),
        ),
        row("an account deleted", delete(&format!("{base}/partneraccounts/pg")), Some("never writes a spec")),
        row(
            "a store's endpoint",
            merge(
                &format!("{base}/secretsmanagerstores/default"),
                &json!({"spec": {"endpoint": "https://evil.example"}}),
            ),
            Some("never writes a spec"),
        ),
        row(
            "an account's status",
            merge(&format!("{base}/partneraccounts/pg/status"), &json!({"status": {"observedGeneration": 1}})),
            None,
        ),
    ]);
}

#[test]
fn the_leash_binds_the_operator_and_nobody_else() {
    for ask in [
        merge(&format!("{SECRETS}/foreign"), &json!({"data": {"k": "dw=="}})),
        delete("/apis/apps/v1/namespaces/payments/deployments/web"),
        create(SECRETS, &secret("payments", "t", "helm.sh/release.v1", json!({}))),
    ] {
        assert_eq!(SERVER.person("admin", &ask).code, 200, "{ask:?}");
    }
    // Who may be anybody is not bound: that is why no role of ours holds `impersonate`.
    let as_admin = post(&format!("{SECRETS}?dryRun=All"), &secret("payments", "t", "Opaque", json!({})));
    assert!(refused_by_the_leash(&SERVER.operator(&as_admin)));
    assert_eq!(
        SERVER
            .operator(
                &as_admin.header("impersonate-user", "system:admin").header("impersonate-group", "system:masters")
            )
            .code,
        200
    );
}

//! What a stolen token of the operator is good for: each call of the list, with the real token, in each install.

use serde_json::{Value, json};

use crate::server::{Answer, Ask, Server, apply, create, delete, get, json_patch, merge, post, put, secret};

/// What an install may answer with success.
#[derive(Clone, Copy, PartialEq)]
enum Only {
    /// No install.
    Nowhere,
    /// *cluster*: it reads every Secret, and reports Events everywhere; its notes warn of it.
    InCluster,
}

use Only::{InCluster, Nowhere};

/// The install, with its values.
const INSTALLS: [(&str, &[&str]); 3] = [
    ("namespaces", &[]),
    ("cluster", &["install=cluster,namespaces=null"]),
    (
        "strict",
        &[
            "install=strict,namespaces=null,strict[0].namespace=payments,strict[0].targets={crm},strict[0].seeds={crm-seed}",
        ],
    ),
];

fn prepare(server: &Server) {
    server.apply(&secret("payments", "foreign", "Opaque", json!({})));
    server.apply(&secret("payments", "crm", "Opaque", json!({"managed-secrets.io/resource": "crm"})));
    server.apply(&secret("orders", "theirs", "Opaque", json!({})));
    server.apply(&secret("kube-system", "theirs", "Opaque", json!({})));
    server.apply(&secret("mes-system", "another", "Opaque", json!({})));
    server.apply(&secret("mes-system", "pg-main-admin", "managed-secrets.io/admin", json!({})));
    let template =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
    server.apply(
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "payments"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}}),
    );
    server.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "payments"}, "spec": template["spec"]}));
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "crm", "namespace": "payments"},
        "spec": {"partner": {"type": "SalesforceClientSecret"}, "onboard": {"fromSecret": {"name": "crm-seed"}}}}));
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": "pg"}, "spec": {"partnerTypes": ["PostgreSQLRole"]}}));
    server.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "default"}, "spec": {"region": "us-west-2", "accountID": "123456789012", "prefix": "x"}}));
}

fn calls() -> Vec<(String, Ask, Only)> {
    let mut all: Vec<(String, Ask, Only)> = Vec::new();
    let mut call = |says: &str, ask: Ask, only: Only| all.push((says.to_owned(), ask, only));
    let secrets = |namespace: &str| format!("/api/v1/namespaces/{namespace}/secrets");
    let ours = json!({"managed-secrets.io/resource": "crm"});

    call("list Secrets of the cluster", get("/api/v1/secrets"), InCluster);
    call("watch Secrets of the cluster", get("/api/v1/secrets?watch=1&timeoutSeconds=1"), InCluster);
    call(
        "metadata of all Secrets",
        get("/api/v1/secrets").header("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"),
        InCluster,
    );
    call("list Secrets of a namespace that lends none", get(secrets("orders")), InCluster);
    call("get a Secret there", get(format!("{}/theirs", secrets("orders"))), InCluster);
    call("get a Secret of kube-system", get(format!("{}/theirs", secrets("kube-system"))), InCluster);
    call("get another Secret of mes-system", get(format!("{}/another", secrets("mes-system"))), InCluster);
    call("list Secrets of mes-system", get(secrets("mes-system")), InCluster);
    let admin = format!("{}/pg-main-admin", secrets("mes-system"));
    call("patch an admin credential", merge(&admin, &json!({"data": {"k": "dw=="}})), Nowhere);
    call(
        "apply an admin credential",
        apply(&admin, &secret("mes-system", "pg-main-admin", "managed-secrets.io/admin", json!({}))),
        Nowhere,
    );
    call("delete an admin credential", delete(&admin), Nowhere);
    for type_ in [
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "helm.sh/release.v1",
        "kubernetes.io/dockercfg",
        "managed-secrets.io/admin",
        "example.com/other",
    ] {
        let mut made = secret("payments", "made", type_, ours.clone());
        made["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "default"});
        made["data"][".dockercfg"] = "e30=".into();
        call(&format!("POST a Secret of type {type_}"), create(&secrets("payments"), &made), Nowhere);
    }
    call(
        "POST a Secret that is nobody's",
        create(&secrets("payments"), &secret("payments", "made", "Opaque", json!({}))),
        Nowhere,
    );
    call(
        "POST a Secret in a namespace that lends none",
        create(&secrets("orders"), &secret("orders", "made", "Opaque", json!({}))),
        Nowhere,
    );
    call(
        "POST a Secret in kube-system",
        create(&secrets("kube-system"), &secret("kube-system", "made", "Opaque", ours.clone())),
        Nowhere,
    );
    let foreign = format!("{}/foreign", secrets("payments"));
    call("put a foreign Secret", put(&foreign, &secret("payments", "foreign", "Opaque", ours.clone())), Nowhere);
    call("patch a foreign Secret", merge(&foreign, &json!({"data": {"k": "dw=="}})), Nowhere);
    call("label a foreign Secret as ours", merge(&foreign, &json!({"metadata": {"labels": ours}})), Nowhere);
    call(
        "consent for a foreign Secret's owner",
        merge(&foreign, &json!({"metadata": {"annotations": {"managed-secrets.io/adopt": "crm"}}})),
        Nowhere,
    );
    call("delete a foreign Secret", delete(&foreign), Nowhere);
    call("delete all Secrets of a namespace", delete(&secrets("payments")), Nowhere);
    call("delete a Secret of kube-system", delete(&format!("{}/theirs", secrets("kube-system"))), Nowhere);

    let web = "/apis/apps/v1/namespaces/payments/deployments/web";
    for (what, path, value) in [
        ("image", "/spec/template/spec/containers/0/image", json!("evil:1")),
        ("serviceAccountName", "/spec/template/spec/serviceAccountName", json!("mes")),
        ("env", "/spec/template/spec/containers/0/env", json!([{"name": "A", "value": "b"}])),
        ("volumes", "/spec/template/spec/volumes", json!([{"name": "s", "secret": {"secretName": "foreign"}}])),
        ("hostPath", "/spec/template/spec/volumes", json!([{"name": "root", "hostPath": {"path": "/"}}])),
        ("replicas", "/spec/replicas", json!(0)),
        ("paused", "/spec/paused", json!(true)),
        ("labels", "/spec/template/metadata/labels/more", json!("x")),
        ("foreign annotation", "/spec/template/metadata/annotations", json!({"other": "x"})),
    ] {
        call(
            &format!("{what} of a Deployment"),
            json_patch(web, &json!([{"op": "add", "path": path, "value": value}])),
            Nowhere,
        );
    }
    call("scale a Deployment", merge(&format!("{web}/scale"), &json!({"spec": {"replicas": 0}})), Nowhere);
    let pod = json!({"containers": [{"name": "web", "image": "evil:1"}]});
    for (kind, plural) in [("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")]
    {
        let made = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "made"}, "spec": {"serviceName": "x", "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}});
        call(
            &format!("create a {kind}"),
            create(&format!("/apis/apps/v1/namespaces/payments/{plural}"), &made),
            Nowhere,
        );
    }
    call(
        "create a CronJob",
        create(
            "/apis/batch/v1/namespaces/payments/cronjobs",
            &json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "made"}}),
        ),
        Nowhere,
    );
    call(
        "create a Job",
        create(
            "/apis/batch/v1/namespaces/payments/jobs",
            &json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "made"}}),
        ),
        Nowhere,
    );
    call("delete a Deployment", delete(web), Nowhere);
    call(
        "restart a Rollout",
        merge(
            "/apis/argoproj.io/v1alpha1/namespaces/payments/rollouts/web",
            &json!({"spec": {"restartAt": "2026-01-01T00:00:00Z"}}),
        ),
        Nowhere,
    );

    let pods = "/api/v1/namespaces/payments/pods";
    call(
        "create a pod",
        create(pods, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made"}, "spec": pod})),
        Nowhere,
    );
    call(
        "create a pod in mes-system",
        create(
            "/api/v1/namespaces/mes-system/pods",
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made"}, "spec": pod}),
        ),
        Nowhere,
    );
    for subresource in ["exec?command=sh&stdout=true", "attach?stdout=true", "portforward?ports=80"] {
        call(&format!("pods/{subresource}"), post(&format!("{pods}/web/{subresource}"), &Value::Null), Nowhere);
        call(&format!("pods/{subresource} by GET"), get(format!("{pods}/web/{subresource}")), Nowhere);
    }
    call(
        "pods/ephemeralcontainers",
        merge(
            &format!("{pods}/web/ephemeralcontainers"),
            &json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "evil:1"}]}}),
        ),
        Nowhere,
    );
    call("pods/log", get(format!("{pods}/web/log")), Nowhere);
    call(
        "evict a pod",
        post(
            &format!("{pods}/web/eviction?dryRun=All"),
            &json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}),
        ),
        Nowhere,
    );
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["x"]}});
    call(
        "a token of another ServiceAccount",
        post("/api/v1/namespaces/payments/serviceaccounts/default/token", &token),
        Nowhere,
    );
    call("a token of its own", post("/api/v1/namespaces/mes-system/serviceaccounts/mes/token", &token), Nowhere);

    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "made"}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    let binding = |kind: &str| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "made"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [{"kind": "ServiceAccount", "name": "mes", "namespace": "mes-system"}]})
    };
    call("create a Role", create(&format!("{rbac}/namespaces/payments/roles"), &role("Role")), Nowhere);
    call(
        "create a RoleBinding",
        create(&format!("{rbac}/namespaces/payments/rolebindings"), &binding("RoleBinding")),
        Nowhere,
    );
    call("create a ClusterRole", create(&format!("{rbac}/clusterroles"), &role("ClusterRole")), Nowhere);
    call(
        "create a ClusterRoleBinding (bind)",
        create(&format!("{rbac}/clusterrolebindings"), &binding("ClusterRoleBinding")),
        Nowhere,
    );
    call(
        "widen its own ClusterRole (escalate)",
        merge(
            &format!("{rbac}/clusterroles/mes-operator"),
            &json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
        ),
        Nowhere,
    );
    call("impersonate a user", get("/api/v1/namespaces").header("impersonate-user", "admin"), Nowhere);
    call(
        "impersonate system:masters",
        get("/api/v1/namespaces").header("impersonate-user", "x").header("impersonate-group", "system:masters"),
        Nowhere,
    );
    let admission = "/apis/admissionregistration.k8s.io/v1";
    for (kind, plural) in [
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ] {
        call(
            &format!("create a {kind}"),
            create(
                &format!("{admission}/{plural}"),
                &json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "made"}}),
            ),
            Nowhere,
        );
    }
    call("delete the leash", delete(&format!("{admission}/validatingadmissionpolicies/mes-leash")), Nowhere);
    call("unbind the leash", delete(&format!("{admission}/validatingadmissionpolicybindings/mes-leash")), Nowhere);
    call(
        "soften the leash",
        merge(
            &format!("{admission}/validatingadmissionpolicies/mes-leash"),
            &json!({"spec": {"failurePolicy": "Ignore"}}),
        ),
        Nowhere,
    );
    call(
        "change a definition",
        merge(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rotations.managed-secrets.io",
            &json!({"metadata": {"labels": {"a": "b"}}}),
        ),
        Nowhere,
    );
    call(
        "delete a definition",
        delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rotations.managed-secrets.io"),
        Nowhere,
    );
    call("nodes/proxy", get("/api/v1/nodes/node-1/proxy/pods"), Nowhere);
    call("list nodes", get("/api/v1/nodes"), Nowhere);
    call(
        "a certificate",
        create(
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            &json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "made"}}),
        ),
        Nowhere,
    );

    let base = "/apis/managed-secrets.io/v1alpha1";
    call(
        "spec of a resource",
        merge(&format!("{base}/namespaces/payments/managedexternalsecrets/crm"), &json!({"spec": {"suspend": true}})),
        Nowhere,
    );
    call(
        "create a resource",
        create(
            &format!("{base}/namespaces/payments/managedexternalsecrets"),
            &json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "made"}}),
        ),
        Nowhere,
    );
    call("delete a resource", delete(&format!("{base}/namespaces/payments/managedexternalsecrets/crm")), Nowhere);
    call(
        "spec of an account",
        merge(
            &format!("{base}/partneraccounts/pg"),
            &json!({"spec": {"endpoint": "postgresql://evil.example:5432/x"}}),
        ),
        Nowhere,
    );
    call(
        "spec of a store",
        merge(
            &format!("{base}/secretsmanagerstores/default"),
            &json!({"spec": {"grants": [{"namespaceSelector": {}}]}}),
        ),
        Nowhere,
    );
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "another"}});
    call(
        "apply another Lease",
        apply("/apis/coordination.k8s.io/v1/namespaces/mes-system/leases/another", &lease),
        Nowhere,
    );
    call("POST a Lease", create("/apis/coordination.k8s.io/v1/namespaces/mes-system/leases", &lease), Nowhere);
    call(
        "get a Lease of kube-system",
        get("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"),
        Nowhere,
    );
    call("read ConfigMaps", get("/api/v1/namespaces/payments/configmaps"), Nowhere);
    call(
        "write a ConfigMap",
        create(
            "/api/v1/namespaces/kube-system/configmaps",
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}}),
        ),
        Nowhere,
    );
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "made", "namespace": "orders"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "x", "reportingInstance": "x", "action": "x", "reason": "x", "type": "Normal", "regarding": {"kind": "Secret", "namespace": "orders", "name": "x"}});
    call(
        "an Event in a namespace that lends nothing",
        create("/apis/events.k8s.io/v1/namespaces/orders/events", &event),
        InCluster,
    );
    call(
        "label a namespace",
        merge("/api/v1/namespaces/orders", &json!({"metadata": {"labels": {"db": "main"}}})),
        Nowhere,
    );
    all
}

#[test]
fn t36_with_the_real_token_nothing_but_the_work_can_be_done_in_any_install() {
    let calls = calls();
    let mut table: Vec<Vec<Answer>> = Vec::new();
    let mut without: Vec<Vec<Answer>> = Vec::new();
    for (_, values) in INSTALLS {
        let server = Server::with_chart(values);
        prepare(&server);
        server.wait_for_policies();
        table.push(calls.iter().map(|(_, ask, _)| server.operator(ask)).collect());
        server.delete_policies();
        server.wait_until_without_policies();
        without.push(calls.iter().map(|(_, ask, _)| server.operator(ask)).collect());
    }
    println!("| call | namespaces | cluster | strict | without the policies |\n| --- | --- | --- | --- | --- |");
    let mut wrong = Vec::new();
    for (index, (says, _, only)) in calls.iter().enumerate() {
        let (answers, bare) =
            (table.iter().map(|column| &column[index]), without.iter().map(|column| column[index].code));
        let cells: Vec<String> = answers.map(|answer| format!("{}{}", answer.code, by(answer))).collect();
        println!(
            "| {says} | {} | {} |",
            cells.join(" | "),
            bare.map(|code| code.to_string()).collect::<Vec<_>>().join(" ")
        );
        for (column, (install, _)) in INSTALLS.iter().enumerate() {
            let (with, without) = (&table[column][index], &without[column][index]);
            let allowed = *only == InCluster && *install == "cluster";
            if allowed != (with.code == 200) || !(allowed || [403, 422].contains(&with.code)) {
                wrong.push(format!("{says} in {install}: {} {}", with.code, with.said));
            }
            // Without the policies only what the leash itself refused may be answered otherwise (T63).
            if with.code != without.code && by(with) != " leash" {
                wrong
                    .push(format!("{says} in {install}: {} with the policies and {} without", with.code, without.code));
            }
        }
    }
    println!("{} calls in {} installs", calls.len(), INSTALLS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // In *strict* no foreign thing is reached even without the leash.
    let reached: Vec<&str> =
        (0..calls.len()).filter(|&index| without[2][index].code == 200).map(|index| calls[index].0.as_str()).collect();
    println!("strict without the leash: {reached:?}");
    assert!(reached.iter().all(|says| says.starts_with("spec of a resource")), "{reached:?}");
}

/// Who refused: the roles, or the leash.
fn by(answer: &Answer) -> &'static str {
    match answer.said.contains("leash:") {
        true => " leash",
        false if answer.code == 200 => "",
        false => " roles",
    }
}

//! The policy for people: what each may declare, ask for and name.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::server::{Ask, Server, create, json_patch, merge, secret};

const GROUP: &str = "managed-secrets.io/v1alpha1";
/// The id of a version; whether there is such a one, the policy does not ask.
const EARLIER: &str = "0d5f6b1e-6b6e-5c0e-9b1a-2f6f0a7f3f11";
const HERE: &str = "/apis/managed-secrets.io/v1alpha1/namespaces/payments";

/// With people: each has a role in `payments`, and nothing more.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::with_chart(&[]);
    let mes = |verbs: &str| {
        format!("{{apiGroups: [managed-secrets.io], resources: [managedexternalsecrets], verbs: [{verbs}]}}")
    };
    let using = |kind: &str, name: &str| {
        format!("{{apiGroups: [managed-secrets.io], resources: [{kind}], resourceNames: [{name}], verbs: [use]}}")
    };
    let make =
        "{apiGroups: [managed-secrets.io], resources: [managedexternalsecrets], verbs: [create, patch]}".to_owned();
    let rotate = "{apiGroups: [managed-secrets.io], resources: [rotations], verbs: [create]}".to_owned();
    let (store, account) = (using("secretsmanagerstores", "default"), using("partneraccounts", "pg"));
    let seed = "{apiGroups: [''], resources: [secrets], resourceNames: [crm-seed, rollback], verbs: [get]}".to_owned();
    let target = "{apiGroups: [''], resources: [secrets], resourceNames: [crm], verbs: [patch]}".to_owned();
    let status = "{apiGroups: [managed-secrets.io], resources: ['*/status'], verbs: [patch, update]}".to_owned();
    let people = [
        // P2: may make, and use the store; no Secret.
        ("creator", vec![make.clone(), store.clone()]),
        ("seeder", vec![make.clone(), store.clone(), seed.clone()]),
        ("target-writer", vec![make.clone(), store.clone(), seed.clone(), target.clone()]),
        ("account-user", vec![make.clone(), store.clone(), account.clone()]),
        ("without-use", vec![make.clone(), seed.clone(), target.clone()]),
        ("asker", vec![rotate.clone()]),
        ("crm-rotator", vec![rotate.clone(), "{apiGroups: [managed-secrets.io], resources: [managedexternalsecrets], resourceNames: [crm], verbs: [rotate]}".to_owned()]),
        ("rotator", vec![rotate.clone(), mes("rotate")]),
        ("overrider", vec![rotate.clone(), mes("rotate, override")]),
        ("candidate-reader", vec![rotate, mes("rotate, override"), seed]),
        ("status-writer", vec![status]),
    ];
    let mut manifests = String::new();
    for (name, rules) in &people {
        manifests.push_str(&format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}, namespace: payments}}\nrules:\n- {}\n\
             ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}, namespace: payments}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {name}}}]\n",
            rules.join("\n- ")
        ));
    }
    server.plane.kubectl_apply(&manifests).unwrap();
    for (name, role, namespace) in [
        ("edit", "edit", "payments"),
        ("admin-of-it", "admin", "payments"),
        ("edit-use", "mes-use", "payments"),
        ("edit", "edit", "orders"),
        ("view", "view", "payments"),
    ] {
        let person = if name == "edit-use" { "edit-and-use" } else { name };
        server
            .plane
            .kubectl_ok([
                "create",
                "rolebinding",
                &format!("people-{name}"),
                "-n",
                namespace,
                &format!("--clusterrole={role}"),
                &format!("--user={person}"),
                "--user=edit-and-use",
            ])
            .unwrap();
    }
    for name in ["crm-seed", "other", "crm", "rollback"] {
        server.apply(&secret("payments", name, "Opaque", json!({})));
    }
    server.apply(&resource("crm", Value::Null));
    server.apply(&json!({"apiVersion": GROUP, "kind": "Rotation", "metadata": {"name": "crm-1", "namespace": "payments"}, "spec": {"resourceRef": {"name": "crm"}}}));
    server.apply(&json!({"apiVersion": GROUP, "kind": "PartnerAccount", "metadata": {"name": "pg"}, "spec": {"partnerTypes": ["PostgreSQLRole"]}}));
    server.apply(&json!({"apiVersion": GROUP, "kind": "SecretsManagerStore", "metadata": {"name": "default"}, "spec": {"region": "us-west-2", "accountID": "123456789012", "prefix": "x"}}));
    server.wait_for_policies();
    // The aggregated roles are put together by the controller manager.
    let rotation = rotation("crm", json!({}));
    for _ in 0..100 {
        if server.person("admin-of-it", &rotation).code == 200 {
            return server;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("role admin was not put together: {:?}", server.person("admin-of-it", &rotation));
});

fn resource(name: &str, more: Value) -> Value {
    let mut spec = json!({"partner": {"type": "SalesforceClientSecret"}, "onboard": {"fromSecret": {"name": "crm-seed"}}, "targets": [{"name": "crm"}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": GROUP, "kind": "ManagedExternalSecret", "metadata": {"name": name, "namespace": "payments"}, "spec": spec})
}

fn made(more: Value) -> Ask {
    create(&format!("{HERE}/managedexternalsecrets"), &resource("new", more))
}

/// So many targets, the first of which is `crm`.
fn many(count: usize) -> Value {
    (0..count).map(|at| json!({"name": if at == 0 { "crm".to_owned() } else { format!("crm-{at}") }})).collect()
}

fn rotation(resource: &str, more: Value) -> Ask {
    let mut spec = json!({"resourceRef": {"name": resource}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    create(
        &format!("{HERE}/rotations"),
        &json!({"apiVersion": GROUP, "kind": "Rotation", "metadata": {"generateName": "r-"}, "spec": spec}),
    )
}

fn edit(patch: Value) -> Ask {
    merge(&format!("{HERE}/managedexternalsecrets/crm"), &patch)
}

#[test]
fn whoever_names_something_may_use_read_or_write_it_himself() {
    let mint = json!({"onboard": {"mint": {}}, "partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg"}}, "targets": []});
    let no_targets = json!({"targets": []});
    let rolled = |more: Value| rotation("crm", more);
    let status = |path: &str| {
        merge(
            &format!("/apis/managed-secrets.io/v1alpha1/{path}/status"),
            &json!({"status": {"observedGeneration": 9}}),
        )
    };
    const STORE: Option<&str> = Some("spec.storeRef: you may not use SecretsManagerStore default in this namespace");
    const ACCOUNT: Option<&str> = Some("spec.partner.accountRef: you may not use PartnerAccount pg");
    const TARGET: Option<&str> = Some("spec.targets: you may not patch Secret ");
    const SEED: Option<&str> = Some("you may not get Secret");
    const STATUS: Option<&str> = Some("only the operator writes status");
    const ROTATE: Option<&str> = Some("you may not rotate");
    const OVERRIDE: Option<&str> = Some("need the verb override");
    const TRIGGER: Option<&str> = Some("only the operator creates rotations of that trigger");
    let orders = |name: &str| {
        create("/apis/managed-secrets.io/v1alpha1/namespaces/orders/managedexternalsecrets", &{
            let mut object = resource(name, json!({}));
            object["metadata"]["namespace"] = "orders".into();
            object
        })
    };
    let rows: Vec<(&str, &str, Ask, Option<&str>)> = vec![
        // Stores and accounts.
        ("edit alone uses no store", "edit", made(json!({})), STORE),
        ("edit with use", "edit-and-use", made(json!({})), None),
        ("use of one namespace is none of another", "edit-and-use", orders("new"), STORE),
        ("the default store is named by silence", "without-use", made(json!({})), STORE),
        (
            "another store than the one that he may use",
            "target-writer",
            made(json!({"storeRef": {"name": "another"}})),
            Some("SecretsManagerStore another"),
        ),
        ("the store that he may use", "target-writer", made(json!({"storeRef": {"name": "default"}})), None),
        ("an account without use", "seeder", made(mint.clone()), ACCOUNT),
        ("an account with use", "account-user", made(mint.clone()), None),
        (
            "an account added without use",
            "edit",
            edit(json!({"spec": {"partner": {"accountRef": {"name": "pg"}}}})),
            ACCOUNT,
        ),
        (
            "an account added with use",
            "edit-and-use",
            edit(json!({"spec": {"partner": {"accountRef": {"name": "pg"}}}})),
            None,
        ),
        (
            "a store changed without use",
            "edit",
            edit(json!({"spec": {"storeRef": {"name": "another"}}})),
            Some("SecretsManagerStore another"),
        ),
        ("a store written out is no change", "edit", edit(json!({"spec": {"storeRef": {"name": "default"}}})), None),
        ("whoever may everything", "admin", made(mint), None),
        // Each name costs the API server a question, and it answers so many of them alone.
        ("as many targets as the schema allows", "edit-and-use", made(json!({"targets": many(8)})), None),
        (
            "one of them not his own",
            "target-writer",
            made(json!({"targets": many(8)})),
            Some("you may not patch Secret crm-1 yourself"),
        ),
        // Edits of something else ask for nothing.
        ("suspend without use", "edit", edit(json!({"spec": {"suspend": true}})), None),
        ("suspend by whoever may patch it alone", "creator", edit(json!({"spec": {"suspend": true}})), None),
        (
            "an annotation",
            "creator",
            edit(json!({"metadata": {"annotations": {"managed-secrets.io/sync": "1"}}})),
            None,
        ),
        ("a schedule", "edit", edit(json!({"spec": {"rotation": {"schedule": "rate(30 days)"}}})), None),
        // Seeds.
        ("t07 a seed that he may not get", "creator", made(no_targets.clone()), SEED),
        ("t07 a seed that he may get", "seeder", made(no_targets.clone()), None),
        (
            "t07 another Secret than the one that he may get",
            "seeder",
            made(json!({"targets": [], "onboard": {"fromSecret": {"name": "other"}}})),
            SEED,
        ),
        (
            "t07 a seed changed to one that he may not get",
            "seeder",
            edit(json!({"spec": {"onboard": {"fromSecret": {"name": "other"}}}})),
            SEED,
        ),
        (
            "t07 a seed that does not exist",
            "creator",
            made(json!({"targets": [], "onboard": {"fromSecret": {"name": "absent"}}})),
            SEED,
        ),
        // Targets.
        ("t08 a target that he may not patch", "seeder", made(json!({})), TARGET),
        ("t08 a target that he may patch", "target-writer", made(json!({})), None),
        (
            "t08 a second one that he may not patch",
            "target-writer",
            made(json!({"targets": [{"name": "crm"}, {"name": "other"}]})),
            TARGET,
        ),
        (
            "t08 an absent name that he may not patch",
            "target-writer",
            made(json!({"targets": [{"name": "absent"}]})),
            TARGET,
        ),
        (
            "t08 one added that he may not patch",
            "target-writer",
            edit(json!({"spec": {"targets": [{"name": "crm"}, {"name": "other"}]}})),
            TARGET,
        ),
        (
            "a target's form is no new target",
            "creator",
            edit(json!({"spec": {"targets": [{"name": "crm", "labels": {"a": "b"}}]}})),
            None,
        ),
        ("a target taken out", "creator", edit(json!({"spec": {"targets": []}})), None),
        // Status.
        ("status of a resource", "status-writer", status("namespaces/payments/managedexternalsecrets/crm"), STATUS),
        ("status of a Rotation", "status-writer", status("namespaces/payments/rotations/crm-1"), STATUS),
        ("status by whoever may everything", "admin", status("namespaces/payments/managedexternalsecrets/crm"), STATUS),
        ("journal by whoever may everything", "admin", status("namespaces/payments/rotations/crm-1"), STATUS),
        ("status of an account", "admin", status("partneraccounts/pg"), STATUS),
        ("status of a store", "admin", status("secretsmanagerstores/default"), STATUS),
        (
            "status in a creation is dropped",
            "edit-and-use",
            create(&format!("{HERE}/managedexternalsecrets"), &{
                let mut object = resource("new", json!({}));
                object["status"] = json!({"versionID": "forged"});
                object
            }),
            None,
        ),
        // Rotations.
        ("a Rotation without rotate", "asker", rotation("crm", json!({})), ROTATE),
        ("a Rotation with rotate", "rotator", rotation("crm", json!({})), None),
        ("rotate of one resource", "crm-rotator", rotation("crm", json!({})), None),
        ("rotate of one resource is none of another", "crm-rotator", rotation("other", json!({})), ROTATE),
        ("edit rotates", "edit", rotation("crm", json!({})), None),
        ("view rotates nothing", "view", rotation("crm", json!({})), Some("cannot create resource \"rotations\"")),
        ("a Rotation of something absent", "asker", rotation("absent", json!({})), ROTATE),
        ("t28 trigger Schedule", "rotator", rolled(json!({"trigger": "Schedule"})), TRIGGER),
        ("t28 trigger Onboarding", "rotator", rolled(json!({"trigger": "Onboarding"})), TRIGGER),
        ("t28 trigger Expiry", "overrider", rolled(json!({"trigger": "Expiry"})), TRIGGER),
        ("t28 trigger Schedule by an admin", "admin-of-it", rolled(json!({"trigger": "Schedule"})), TRIGGER),
        (
            "t28 trigger Onboarding by whoever may everything",
            "admin",
            rolled(json!({"trigger": "Onboarding"})),
            TRIGGER,
        ),
        ("trigger Request written out", "rotator", rolled(json!({"trigger": "Request"})), None),
        ("Compromise without override", "rotator", rolled(json!({"trigger": "Compromise"})), OVERRIDE),
        ("Compromise by edit", "edit", rolled(json!({"trigger": "Compromise"})), OVERRIDE),
        ("Compromise with override", "overrider", rolled(json!({"trigger": "Compromise"})), None),
        ("Compromise by admin", "admin-of-it", rolled(json!({"trigger": "Compromise"})), None),
        (
            "revocation AtOnce without override",
            "rotator",
            rolled(json!({"trigger": "Compromise", "revocation": "AtOnce"})),
            OVERRIDE,
        ),
        (
            "revocation AtOnce with override",
            "overrider",
            rolled(json!({"trigger": "Compromise", "revocation": "AtOnce"})),
            None,
        ),
        ("revocation WhenProven written out", "rotator", rolled(json!({"revocation": "WhenProven"})), None),
        (
            "t28 a version to roll back to, without override",
            "rotator",
            rolled(json!({"candidate": {"versionID": EARLIER}})),
            OVERRIDE,
        ),
        (
            "a version to roll back to, with override",
            "overrider",
            rolled(json!({"candidate": {"versionID": EARLIER}})),
            None,
        ),
        (
            "t28 a value of one's own without override",
            "rotator",
            rolled(json!({"candidate": {"fromSecret": {"name": "rollback"}}})),
            OVERRIDE,
        ),
        (
            "a value of one's own that he may not get",
            "overrider",
            rolled(json!({"candidate": {"fromSecret": {"name": "rollback"}}})),
            SEED,
        ),
        (
            "a value of one's own that he may get",
            "candidate-reader",
            rolled(json!({"candidate": {"fromSecret": {"name": "rollback"}}})),
            None,
        ),
        (
            "another value than the one that he may get",
            "candidate-reader",
            rolled(json!({"candidate": {"fromSecret": {"name": "other"}}})),
            SEED,
        ),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(says, who, ask, refused)| {
            let answer = SERVER.person(who, ask);
            println!("{says} ({who}): {} {}", answer.code, answer.said);
            let right = match refused {
                None => answer.code == 200,
                Some(words) => answer.code == 403 && answer.said.contains(words),
            };
            (!right).then(|| format!("{says} ({who}): wanted {refused:?}, is {} {}", answer.code, answer.said))
        })
        .collect();
    println!("{} requests", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_policy_for_people_does_not_bind_the_operator() {
    for ask in [
        rotation("crm", json!({"trigger": "Schedule"})),
        merge(&format!("{HERE}/managedexternalsecrets/crm/status"), &json!({"status": {"versionID": EARLIER}})),
        merge(
            &format!("{HERE}/managedexternalsecrets/crm"),
            &json!({"metadata": {"finalizers": ["managed-secrets.io/cleanup"]}}),
        ),
    ] {
        assert_eq!(SERVER.operator(&ask).code, 200, "{ask:?}");
    }
}

#[test]
fn the_api_server_finds_no_fault_in_the_types_of_either_policy() {
    let read = || {
        let list = SERVER.plane.kubectl_ok(["get", "validatingadmissionpolicy", "-o", "json"]).unwrap();
        serde_json::from_str::<Value>(&list).unwrap()["items"].as_array().unwrap().clone()
    };
    // Told by a controller, some time after the policy is there.
    let checked = |policy: &Value| policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
    for _ in 0..100 {
        let policies = read();
        if policies.iter().all(checked) {
            assert_eq!(policies.len(), 2);
            for policy in policies {
                let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
                assert!(warnings.is_null(), "{}: {warnings:#}", policy["metadata"]["name"]);
            }
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("{:#}", json!(read()));
}

#[test]
fn t24_no_way_leads_from_one_identity_to_another() {
    let full = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg"}, "parameters": {"username": "payments_a", "alternateUsername": "payments_b", "dbname": "payments"}},
        "onboard": {"mint": {}}, "storeRef": {"name": "default"}, "rotation": {"engine": "Operator"}, "targets": []});
    SERVER.apply(&resource("fixed", full));
    let path = format!("{HERE}/managedexternalsecrets/fixed");
    // Nobody but the operator writes status.
    let status = SERVER.operator(&crate::server::now(&merge(
        &format!("{path}/status"),
        &json!({"status": {"versionID": "onboarded"}}),
    )));
    assert_eq!(status.code, 200, "{}", status.said);
    let before = SERVER
        .plane
        .kubectl_ok(["get", "mes", "fixed", "-n", "payments", "-o", "jsonpath={.metadata.resourceVersion}"])
        .unwrap();
    // Field, and another value of it; each by change, by removal, and by removal followed by adding another.
    let fields = [
        ("/spec/partner/type", json!("SalesforceClientSecret")),
        ("/spec/storeRef", json!({"name": "another"})),
        ("/spec/onboard", json!({"fromSecret": {"name": "crm-seed"}})),
        ("/spec/partner", json!({"type": "SalesforceClientSecret"})),
        ("/spec/rotation/engine", json!("SecretsManager")),
    ];
    let mut rows = 0;
    for (field, other) in fields {
        for patch in [
            json!([{"op": "replace", "path": field, "value": other}]),
            json!([{"op": "remove", "path": field}]),
            json!([{"op": "remove", "path": field}, {"op": "add", "path": field, "value": other}]),
        ] {
            let answer = SERVER.person("admin", &json_patch(&path, &patch));
            let to_default = ["/spec/storeRef", "/spec/rotation/engine"].contains(&field);
            let silent = to_default && patch[0]["op"] == "remove" && patch[1].is_null();
            println!("{patch}: {} {}", answer.code, answer.said);
            // Absent, they are what they were: the default. The next step would be refused as a change.
            assert_eq!(answer.code, if silent { 200 } else { 422 }, "{patch}: {}", answer.said);
            rows += 1;
        }
    }
    // Remove really, then add: the way around a rule on an optional field itself.
    let removed = SERVER
        .person("admin", &crate::server::now(&json_patch(&path, &json!([{"op": "remove", "path": "/spec/storeRef"}]))));
    assert_eq!(removed.code, 200, "{}", removed.said);
    let added = SERVER.person(
        "admin",
        &json_patch(&path, &json!([{"op": "add", "path": "/spec/storeRef", "value": {"name": "another"}}])),
    );
    assert_eq!(added.code, 422, "{}", added.said);
    println!("{} requests, from revision {before}", rows + 2);
}

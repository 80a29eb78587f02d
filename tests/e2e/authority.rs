//! Attacks of people on the operator, each twice: with the chart's admission policies, and with them deleted.
//!
//! The policies are a courtesy and a leash. What bounds a tenant are the operator's own checks, so that all but what a
//! person may not declare comes out the same.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bad_input::{
    Row, all_roles, app, clear, deeds, fields, from_seed, make, resource, room, secret, seed, stalled, told, turn,
};
use crate::world::{World, world};

/// Runs `attack` with the policies and without them, in a room of its own named after `id`; they are back when this ends.
fn twice(id: &str, attack: impl Fn(&World, &str, bool)) {
    let world = world();
    for policies in [true, false] {
        println!("--- {}", if policies { "with the policies" } else { "with the policies deleted" });
        let _put_back = (!policies).then(|| Deleted::from(&world));
        let room_name = format!("{id}-{policies}");
        room(&world, &room_name);
        attack(&world, &room_name, policies);
    }
}

/// Both policies gone, for as long as this lives.
pub(crate) struct Deleted<'a>(&'a World);

impl<'a> Deleted<'a> {
    pub(crate) fn from(world: &'a World) -> Self {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            world.plane.kubectl_ok(["delete", kind, "mes-authority", "mes-leash"]).expect("deleted");
        }
        enforced(world, false);
        Self(world)
    }
}

impl Drop for Deleted<'_> {
    fn drop(&mut self) {
        self.0.install();
        enforced(self.0, true);
    }
}

/// Waits until the API server has noticed.
fn enforced(world: &World, wanted: bool) {
    let status = ["patch", "smstore", "default", "--subresource=status", "--type=merge", "--dry-run=server"];
    world.eventually("the policies are as wanted", 30, |world| {
        let patched = world.plane.kubectl(status.iter().chain(&["-p", "{\"status\":{\"observedGeneration\":0}}"]));
        let refused = !patched.expect("kubectl").status.success();
        if refused == wanted { Ok(()) } else { Err(format!("refused: {refused}")) }
    });
}

/// `kubectl create`, as a person of this name.
fn creates(world: &World, person: &str, object: &Value) -> Output {
    world.plane.kubectl_with(["create", "--as", person, "-f", "-"], &object.to_string()).expect("kubectl")
}

/// Whether a person may create: always, but for what the policy asks for.
fn may_create(world: &World, object: &Value, allowed: bool, words: &str) {
    let output = creates(world, "creator", object);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{}: {}", object["metadata"]["name"], if output.status.success() { "created" } else { said.trim() });
    assert_eq!(output.status.success(), allowed, "{said}");
    assert!(allowed || (said.contains("Forbidden") || said.contains("forbidden")) && said.contains(words), "{said}");
}

/// Someone who may make resources and use the store, and no Secret.
fn creator(world: &World, namespace: &str) {
    let name = json!({"name": "creator", "namespace": namespace});
    world.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": [
        {"apiGroups": ["managed-secrets.io"], "resources": ["managedexternalsecrets", "rotations"], "verbs": ["create"]},
        {"apiGroups": ["managed-secrets.io"], "resources": ["managedexternalsecrets"], "verbs": ["rotate"]},
        {"apiGroups": ["managed-secrets.io"], "resources": ["secretsmanagerstores", "partneraccounts"], "verbs": ["use"]}]}));
    world.apply(&json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "creator"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "creator"}]}));
}

fn revision(world: &World, namespace: &str, name: &str) -> Value {
    world.get(&["secret", "-n", namespace, name])["metadata"]["resourceVersion"].clone()
}

#[test]
fn t07_a_secret_of_another_type_is_no_seed_whoever_names_it() {
    twice("t07", |world, room_name, policies| {
        creator(world, room_name);
        let fields = fields(&app(world, room_name)).map(|(key, text)| (key.to_owned(), text.to_owned()));
        let texts: Vec<(&str, &str)> = fields.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        let certificate = xtask::certificates::Authority::new("t07").unwrap().issue(&["t07"]).unwrap();
        let tls = [("tls.crt", certificate.certificate.as_str()), ("tls.key", certificate.key.as_str())];
        secret(world, room_name, "opaque", "Opaque", &texts);
        secret(world, room_name, "helm", "helm.sh/release.v1", &texts);
        secret(world, room_name, "tls", "kubernetes.io/tls", &[&texts[..], &tls].concat());
        world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "token", "namespace": room_name, "annotations": {"kubernetes.io/service-account.name": "default"}}}));
        let says = &["spec.onboard.fromSecret", "not of type managed-secrets.io/seed and was not read"];
        let rows = ["opaque", "helm", "tls", "token"].map(|name| stalled(name, from_seed(name), "SeedInvalid", says));
        let before = world.mark();
        let operator = world.operator(&[]);
        make(world, room_name, &rows);
        told(world, room_name, &rows, 60);
        assert_eq!(deeds(world, before), Vec::<String>::new(), "nothing was made of them");
        // Of Secrets, all that was listed with values was asked for by name and the seed's type.
        for uri in lists(world, room_name) {
            assert!(uri.contains("type%3Dmanaged-secrets.io%2Fseed") || uri.contains("labelSelector="), "{uri}");
        }

        // Someone who can't read the Secret himself does not get that far.
        may_create(
            world,
            &resource(room_name, "by-creator", &from_seed("opaque")),
            !policies,
            "you may not get Secret opaque",
        );
        if !policies {
            told(world, room_name, &[stalled("by-creator", Value::Null, "SeedInvalid", says)], 60);
        }
        clear(world, room_name);
        drop(operator);
    });
}

/// What the operator listed of a namespace's Secrets.
fn lists(world: &World, namespace: &str) -> Vec<String> {
    let audit = std::fs::read_to_string(world.plane.audit_log()).expect("an audit log");
    let lines = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = lines.filter(|line| {
        line["user"]["username"] == "system:serviceaccount:mes-system:mes"
            && line["objectRef"]["resource"] == "secrets"
            && line["objectRef"]["namespace"] == namespace
            && line["verb"] == "list"
    });
    ours.filter_map(|line| line["requestURI"].as_str().map(str::to_owned)).collect()
}

#[test]
fn t08_an_existing_secret_is_written_with_its_owners_consent_alone() {
    twice("t08", |world, room_name, policies| {
        creator(world, room_name);
        secret(world, room_name, "foreign", "Opaque", &[("theirs", "kept")]);
        secret(world, room_name, "of-another", "Opaque", &[("theirs", "kept")]);
        let consent = "managed-secrets.io/adopt=somebody-else";
        world.plane.kubectl_ok(["annotate", "secret", "-n", room_name, "of-another", consent]).unwrap();
        let before = ["foreign", "of-another"].map(|name| revision(world, room_name, name));
        let operator = world.operator(&[]);
        let wants = |name: &str, target: &str| {
            seed(world, room_name, &format!("seed-{name}"), &fields(&app(world, &format!("{room_name}-{name}"))));
            let mut spec = from_seed(&format!("seed-{name}"));
            spec["targets"] = json!([{"name": target}]);
            spec
        };
        let says = &["left as it is"];
        let rows: Vec<Row> = vec![
            stalled("foreign-taker", wants("foreign-taker", "foreign"), "TargetConflict", says),
            stalled("another-taker", wants("another-taker", "of-another"), "TargetConflict", says),
        ];
        make(world, room_name, &rows);
        told(world, room_name, &rows, 60);
        assert_eq!(["foreign", "of-another"].map(|name| revision(world, room_name, name)), before, "not one write");

        // A name that nobody has yet, and that some pod may mount once it is there.
        let minted = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": "x_a", "alternateUsername": "x_b", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "targets": [{"name": "optional"}]});
        may_create(
            world,
            &resource(room_name, "by-creator", &minted),
            !policies,
            "you may not patch Secret optional yourself",
        );
        clear(world, room_name);
        drop(operator);
    });
}

#[test]
fn t09_labels_annotations_and_types_that_grant_something_are_never_written() {
    twice("t09", |world, room_name, _| {
        let operator = world.operator(&[]);
        // Types that no target may have: refused by the schema.
        for type_ in [
            "kubernetes.io/service-account-token",
            "bootstrap.kubernetes.io/token",
            "helm.sh/release.v1",
            "kubernetes.io/dockercfg",
            "managed-secrets.io/admin",
        ] {
            let mut spec = from_seed("seed");
            spec["targets"] = json!([{"name": "powerful", "type": type_}]);
            let output = world
                .plane
                .kubectl_with(["create", "-f", "-"], &resource(room_name, "typed", &spec).to_string())
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains("spec.targets[0].type"), "{type_}: {said}");
        }
        let labels = [
            "argocd.argoproj.io/secret-type",
            "jenkins.io/credentials-type",
            "konghq.com/credential",
            "cluster.x-k8s.io/cluster-name",
            "sealedsecrets.bitnami.com/sealed-secrets-key",
            "kubernetes.io/x",
            "managed.cattle.io/x",
        ];
        let annotations = [
            "reflector.v1.k8s.emberstack.com/reflection-allowed",
            "replicator.v1.mittwald.de/replicate-to",
            "kubed.appscode.com/sync",
            "kubernetes.io/service-account.name",
            "tekton.dev/git-0",
            "meta.helm.sh/release-name",
            "cert-manager.io/allow-direct-injection",
            "kubectl.kubernetes.io/last-applied-configuration",
        ];
        let keys = labels.iter().map(|key| ("labels", *key)).chain(annotations.iter().map(|key| ("annotations", *key)));
        let rows: Vec<Row> = keys
            .enumerate()
            .map(|(number, (map, key))| {
                let mut spec = from_seed("seed");
                spec["targets"] = json!([{"name": format!("powerful-{number}"), map: {key: "repository"}}]);
                let name: &'static str = format!("row-{number}").leak();
                stalled(name, spec, "InvalidSpec", &["targets[].labels and annotations", "controllers act upon"])
            })
            .collect();
        let before = world.mark();
        make(world, room_name, &rows);
        told(world, room_name, &rows, 60);
        assert_eq!(deeds(world, before), Vec::<String>::new());
        let made = world.get(&["secret", "-n", room_name]);
        assert!(made.is_null() || made["items"].as_array().is_some_and(Vec::is_empty), "{made}");
        println!("{} rows", rows.len() + 5);
        clear(world, room_name);
        drop(operator);
    });
}

#[test]
fn t14_an_account_that_points_elsewhere_alone_sends_nothing_anywhere() {
    twice("t14", |world, room_name, _| {
        let main = world.get(&["pacct", "pg-main"]);
        let account = |endpoint: Value, ca: Value| {
            world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": room_name},
                "spec": {"partnerTypes": ["PostgreSQLRole"], "endpoint": endpoint, "caBundle": ca, "privateNetworks": ["127.0.0.1/32"],
                    "admin": {"secretRef": {"name": "pg-main-admin"}}, "grants": [{"namespaces": [room_name], "identities": ["t14_*"]}]}}));
        };
        let (endpoint, ca) = (main["spec"]["endpoint"].clone(), main["spec"]["caBundle"].clone());
        account(endpoint.clone(), ca.clone());
        world.roles(&["t14_a", "t14_b"]);
        let operator = world.operator(&[]);
        world.apply(&resource(room_name, "db", &json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": room_name}, "parameters": {"username": "t14_a", "alternateUsername": "t14_b", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": "2s"}, "targets": [{"name": "db"}]})));
        let db = ["mes", "-n", room_name, "db"];
        world.condition(&db, "Ready", "True", Some("InService"), 90);
        let (roles, held) = (all_roles(world), world.data(room_name, "db"));
        let other_ca = xtask::certificates::Authority::new("of an attacker").unwrap().pem().to_owned();
        let evil = json!(endpoint.as_str().unwrap().replace(world.postgres.host(), "evil.example.com"));
        for (endpoint, ca) in [(evil, ca.clone()), (endpoint.clone(), json!(other_ca))] {
            let mark = operator.log().len();
            account(endpoint, ca);
            // At rest nobody asks the partner; whatever makes the operator ask finds the two endpoints unequal.
            let rotation = world.request_rotation(room_name, "db");
            world.eventually("the mismatch is told", 30, |world| {
                let (mes, rotation) = (world.get(&db), world.get(&["rot", "-n", room_name, &rotation]));
                let told =
                    [&mes, &rotation].iter().any(|object| object["status"].to_string().contains("EndpointMismatch"));
                if told { Ok(()) } else { Err(format!("{} {}", mes["status"], rotation["status"])) }
            });
            std::thread::sleep(Duration::from_secs(3));
            assert_eq!(all_roles(world), roles, "no role was touched");
            assert_eq!(world.data(room_name, "db"), held, "the target stays");
            assert!(!operator.log()[mark..].contains("evil.example.com"), "the other host is not even looked up");
            world.delete(&["rot", "-n", room_name, &rotation]);
        }
        account(endpoint, ca);
        world.condition(&db, "Ready", "True", Some("InService"), 60);
        clear(world, room_name);
        world.delete(&["pacct", room_name]);
        world.drop_roles("t14_");
        drop(operator);
    });
}

#[test]
fn t28_a_persons_rotation_is_a_plain_request_whatever_trigger_it_claims() {
    twice("t28", |world, room_name, policies| {
        creator(world, room_name);
        let operator = world.operator(&[]);
        seed(world, room_name, "seed", &fields(&app(world, room_name)));
        world.apply(&resource(room_name, "crm", &from_seed("seed")));
        let mes = world.condition(&["mes", "-n", room_name, "crm"], "Ready", "True", Some("InService"), 60);
        for trigger in ["Schedule", "Onboarding"] {
            let name = trigger.to_lowercase();
            let claimed = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": name, "namespace": room_name},
                "spec": {"resourceRef": {"name": "crm"}, "trigger": trigger}});
            may_create(world, &claimed, !policies, "only the operator creates rotations of that trigger");
            if !policies {
                world.condition(&["rot", "-n", room_name, &name], "Failed", "True", Some("NotDue"), 60);
            }
        }
        let now = world.get(&["mes", "-n", room_name, "crm"]);
        assert_eq!(now["status"]["versionID"], mes["status"]["versionID"], "nothing was rotated");
        clear(world, room_name);
        drop(operator);
    });
}

#[test]
fn t32_who_may_everything_applies_a_tenants_file_and_gets_what_the_tenant_was_granted() {
    twice("t32", |world, room_name, _| {
        world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": room_name},
            "spec": {"partnerTypes": ["PostgreSQLRole"], "endpoint": "postgresql://elsewhere.example.com:5432/postgres",
                "admin": {"secretRef": {"name": "pg-main-admin"}}, "grants": [{"namespaces": ["orders"], "identities": ["*"]}]}}));
        let minted = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": room_name}, "parameters": {"username": "postgres", "alternateUsername": "admin", "dbname": "postgres"}},
            "onboard": {"mint": {}}, "targets": [{"name": "stolen"}]});
        let rows = [stalled("thief", minted, "AccountNotAllowed", &["spec.partner.accountRef"])];
        let (before, roles) = (world.mark(), all_roles(world));
        let operator = world.operator(&[]);
        // `make` applies as the administrator of the cluster, in `system:masters`.
        make(world, room_name, &rows);
        told(world, room_name, &rows, 60);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(deeds(world, before), Vec::<String>::new(), "not one call");
        assert_eq!(all_roles(world), roles);
        assert!(!operator.log().contains("elsewhere.example.com"));
        assert!(world.get(&["secret", "-n", room_name, "stolen"]).is_null());
        turn(world, |_| {});
        clear(world, room_name);
        world.delete(&["pacct", room_name]);
        drop(operator);
    });
}

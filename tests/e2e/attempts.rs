//! Twenty attempts of a team that may edit one namespace, its manifests applied by a cluster-admin as GitOps does, to get
//! one byte, one rotation or one revocation of another namespace. None works, and the victim goes on undisturbed.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox::Entry;
use serde_json::{Value, json};

use crate::authority::Deleted;
use crate::bad_input::{Row, secret, seed, stalled as row, told};
use crate::world::{Operator, World, world};

const ROOM: &str = "mallory";
const VICTIM: &str = "orders";
const ROLES: [&str; 2] = ["orders_vault_a", "orders_vault_b"];

/// Everything of the victim that must stay as it is.
#[derive(Debug, PartialEq)]
struct Untouched {
    labels: BTreeMap<String, Vec<String>>,
    stored: Option<String>,
    target: (Value, BTreeMap<String, String>),
    verifiers: String,
    rotations: Vec<Value>,
}

fn victim(world: &World) -> Untouched {
    let name = "e2e/orders/vault";
    let target = world.get(&["secret", "-n", VICTIM, "vault"]);
    let sql =
        "SELECT rolname, rolpassword, rolcanlogin FROM pg_authid WHERE rolname LIKE 'orders\\_vault\\_%' ORDER BY 1";
    Untouched {
        labels: world.labels(name),
        stored: world.stored("us-west-2", name),
        target: (target["metadata"]["resourceVersion"].clone(), world.data(VICTIM, "vault")),
        verifiers: world.postgres.psql(sql).expect("read"),
        rotations: world.rotations(VICTIM, "vault"),
    }
}

/// A role of a PostgreSQL with these parameters, minted.
fn role(parameters: &Value) -> Value {
    json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": parameters},
        "onboard": {"mint": {}}, "rotation": {"overlap": "1s"}, "targets": [{"name": "loot"}]})
}

fn own() -> Value {
    own_pair("mallory_a", "mallory_b")
}

fn own_pair(username: &str, alternate: &str) -> Value {
    json!({"username": username, "alternateUsername": alternate, "dbname": "postgres"})
}

fn with(mut base: Value, key: &str, value: &str) -> Value {
    base[key] = value.into();
    base
}

fn from_seed(name: &str, parameters: &Value) -> Value {
    let mut spec = role(parameters);
    spec["onboard"] = json!({"fromSecret": {"name": name}});
    spec
}

fn taken(onboard: &str, secret: &str) -> Value {
    let mut spec = json!({"onboard": {onboard: {}}, "storeRef": {"secretName": secret}, "targets": [{"name": "loot"}]});
    if onboard == "adopt" {
        spec["partner"] = role(&own())["partner"].clone();
    }
    spec
}

fn mes(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": name, "namespace": ROOM}, "spec": spec})
}

fn stalled(name: &'static str, spec: Value, reason: &'static str) -> Row {
    row(name, spec, reason, &["spec."])
}

/// A listener that counts what reaches it.
fn listener() -> (u16, Arc<AtomicUsize>) {
    let listening = TcpListener::bind("127.0.0.1:0").expect("bound");
    let (port, heard) = (listening.local_addr().expect("bound").port(), Arc::new(AtomicUsize::new(0)));
    let counted = heard.clone();
    std::thread::spawn(move || {
        for stream in listening.incoming() {
            let read = stream.and_then(|mut stream| stream.read(&mut [0; 256]));
            counted.fetch_add(1 + read.unwrap_or(0), Ordering::SeqCst);
        }
    });
    (port, heard)
}

fn create(world: &World, object: &Value) -> Output {
    world.plane.kubectl_with(["create", "-f", "-"], &object.to_string()).expect("kubectl")
}

/// What the API server says to this.
fn refused_outright(world: &World, what: &str, object: &Value, words: &str) {
    let answer = create(world, object);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(!answer.status.success() && said.contains(words), "{what}: {said}");
    println!("{what}: refused by the API server");
}

#[test]
fn twenty_attempts_of_a_tenant_reach_nothing_of_another_namespace() {
    attempted(&world(), true);
}

#[test]
fn t63_with_the_policies_deleted_the_same_twenty_attempts_reach_nothing_either() {
    let world = world();
    let _put_back = Deleted::from(&world);
    attempted(&world, false);
}

fn attempted(world: &World, policies: bool) {
    world
        .apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROOM, "labels": {"db": "main"}}}));
    world.lend(ROOM);
    world.roles(&ROLES);
    world.roles(&["mallory_a", "mallory_b", "mallory_y", "mallory_z"]);
    let (port, heard) = listener();
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": "vault-only"},
        "spec": {"region": "us-west-2", "accountID": "123456789012", "auth": {"secretRef": {"name": "aws-keys"}}, "endpoint": world.sandbox.url(),
            "prefix": "vault-only", "grants": [{"namespaces": [VICTIM]}]}}));
    let account = world.get(&["pacct", "pg-main"]);
    let mut private = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount",
        "metadata": {"name": "pg-orders"}, "spec": account["spec"]});
    private["spec"]["grants"] = json!([{"namespaces": [VICTIM], "identities": ["*"]}]);
    world.apply(&private);

    let operator = world.operator(&[]);
    let spec = json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"},
            "parameters": {"username": ROLES[0], "alternateUsername": ROLES[1], "dbname": "postgres"}},
        "onboard": {"mint": {}}, "rotation": {"overlap": "1s"}, "targets": [{"name": "vault"}]});
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": "vault", "namespace": VICTIM}, "spec": spec}));
    world.condition(&["mes", "-n", VICTIM, "vault"], "Ready", "True", Some("InService"), 90);
    let before = victim(world);
    let mark = world.mark();

    // Seeds of the attacker's own making.
    let host = world.postgres.host();
    let pair = |user: &'static str, host: String, port: String| {
        vec![
            ("host", host),
            ("port", port),
            ("dbname", "postgres".to_owned()),
            ("username", user.to_owned()),
            ("password", "guess-guess-guess-1".to_owned()),
        ]
    };
    let make = |name: &str, fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(key, text)| (*key, text.as_str())).collect();
        seed(world, ROOM, name, &fields);
    };
    make("seed-theirs", pair(ROLES[0], host.to_string(), "5432".to_owned()));
    make("seed-elsewhere", pair("mallory_e", host.to_string(), port.to_string()));
    secret(world, ROOM, "opaque", "Opaque", &[("username", "mallory_a"), ("password", "x")]);

    let other = |spec: Value, at: &str, what: Value| {
        let mut spec = spec;
        spec[at] = what;
        spec
    };
    let mut their_account = role(&own());
    their_account["partner"]["accountRef"]["name"] = "pg-orders".into();
    let injected = "mallory_a\"; ALTER ROLE orders_vault_a PASSWORD 'x";
    let rows = [
        stalled("a01-their-role", role(&with(own(), "username", ROLES[0])), "IdentityNotAllowed"),
        stalled("a02-their-role-as-second", role(&with(own(), "alternateUsername", ROLES[1])), "IdentityNotAllowed"),
        stalled("a03-superuser", role(&with(own(), "username", "postgres")), "IdentityNotAllowed"),
        stalled("a04-sql-in-a-name", role(&with(own(), "username", injected)), "InvalidParameters"),
        stalled("a05-dsn-in-a-name", role(&with(own(), "dbname", "postgres host=127.0.0.1")), "InvalidParameters"),
        stalled("a06-homoglyph", role(&with(own(), "username", "mall\u{43e}ry_a")), "InvalidParameters"),
        stalled("a07-adopt-theirs", taken("adopt", "e2e/orders/vault"), "SecretNameNotAllowed"),
        stalled("a08-adopt-their-legacy", taken("adopt", "legacy/orders/vault"), "SecretNameNotAllowed"),
        stalled("a09-observe-theirs", taken("observe", "e2e/orders/vault"), "SecretNameNotAllowed"),
        stalled("a10-their-store", other(role(&own()), "storeRef", json!({"name": "vault-only"})), "StoreNotAllowed"),
        stalled("a11-their-account", their_account, "AccountNotAllowed"),
        stalled(
            "a12-seed-names-their-role",
            from_seed("seed-theirs", &own_pair("mallory_c", "mallory_d")),
            "SeedInvalid",
        ),
        stalled(
            "a13-seed-leads-the-admin-here",
            from_seed("seed-elsewhere", &own_pair("mallory_e", "mallory_f")),
            "EndpointMismatch",
        ),
        stalled("a14-any-secret-as-a-seed", from_seed("opaque", &own_pair("mallory_g", "mallory_h")), "SeedInvalid"),
        stalled(
            "a15-their-region",
            other(role(&own_pair("mallory_i", "mallory_j")), "regions", json!([{"name": "us-gov-west-1"}])),
            "RegionNotAllowed",
        ),
    ];
    let items: Vec<Value> = rows.iter().map(|row| mes(row.name, &row.spec)).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    refused_outright(
        world,
        "a16 a seed of another namespace",
        &mes("a16", &from_seed("orders/vault", &own())),
        "spec.onboard.fromSecret.name",
    );
    refused_outright(
        world,
        "a17 a target of another namespace",
        &mes("a17", &other(role(&own()), "targets", json!([{"name": "orders/vault"}]))),
        "spec.targets[0].name",
    );
    let delete = json!({"store": "Delete", "partner": "Revoke", "targets": "Delete"});
    refused_outright(
        world,
        "a18 an adopted secret, deleted",
        &mes("a18", &other(taken("adopt", "e2e/orders/vault"), "deletion", delete)),
        "spec.deletion.store",
    );
    // A Rotation here, of the name there.
    let rotation = |name: &str, of: &str| {
        json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {"name": name, "namespace": ROOM}, "spec": {"resourceRef": {"name": of}}})
    };
    world.apply(&rotation("a19", "vault"));
    told(world, ROOM, &rows, 60);
    forged(world, operator, &rotation("a20", "mine"), &before, policies);

    assert_eq!(heard.load(Ordering::SeqCst), 0, "nothing was sent to the attacker's own listener");
    let theirs = |entry: &&Entry| entry.resource.as_deref().is_some_and(|name| name.contains("orders/vault"));
    let calls = world.calls(mark);
    let asked: Vec<&Entry> = calls.iter().filter(theirs).filter(|entry| entry.operation != "DescribeSecret").collect();
    assert!(asked.is_empty(), "{asked:?}");
    assert!(world.data(ROOM, "loot").is_empty());
    assert_eq!(victim(world), before);
    assert!(world.logs_in(VICTIM, "vault"));
    world.plane.kubectl_ok(["delete", "rot,mes", "--all", "-n", ROOM, "--wait=false"]).unwrap();
    // What pretends to owe somebody else's credential is held, since nobody can prove that it is paid: a person lets it go.
    let held = world.plane.kubectl_ok(["get", "rot,mes", "-n", ROOM, "-o", "name"]).unwrap();
    for name in held.split_whitespace() {
        let released = json!({"metadata": {"finalizers": null}}).to_string();
        // It may be gone by now.
        let _ = world.plane.kubectl(["patch", name, "-n", ROOM, "--type=merge", "-p", released.as_str()]);
    }
    world.delete(&["pacct", "pg-orders"]);
    world.delete(&["smstore", "vault-only"]);
    world.delete(&["mes", "-n", VICTIM, "vault"]);
    world.delete(&["secret", "-n", VICTIM, "vault"]);
    world.drop_roles("orders_vault_");
    world.drop_roles("mallory_");
}

/// a20: a record of a resource of one's own that owes what is somebody else's, already announced. A person that writes
/// status is refused where the policy stands, whoever it is; without it the record is read and nothing of theirs is revoked.
fn forged(world: &World, mut operator: Operator, rotation: &Value, before: &Untouched, policies: bool) {
    let mut mine = role(&own_pair("mallory_y", "mallory_z"));
    mine["targets"] = json!([{"name": "mine"}]);
    world.apply(&mes("mine", &mine));
    world.condition(&["mes", "-n", ROOM, "mine"], "Ready", "True", Some("InService"), 60);
    operator.stop();
    world.apply(rotation);
    let version = before.labels.keys().next().unwrap();
    let owed: Vec<Value> = ROLES.iter().map(|role| json!({"partnerID": format!("{role}@{version}"), "versionID": version, "doomTime": "2020-01-01T00:00:00Z"})).collect();
    let status = json!({"status": {"attempt": 1, "versionID": version, "promoteTime": "2020-01-01T00:00:00Z", "snapshot": {"overlap": "0s"}, "owed": owed,
        "intent": {"effect": "Promote", "time": "2020-01-01T00:00:00Z", "holder": "mes-0"}}}).to_string();
    let patch = ["patch", "rot", "a20", "-n", ROOM, "--subresource=status", "--type=merge", "-p", &status];
    let answer = world.plane.kubectl(patch).expect("kubectl");
    assert_eq!(answer.status.success(), !policies, "{}", String::from_utf8_lossy(&answer.stderr));
    let operator = world.operator(&[]);
    world.eventually("a20 is looked at", 30, |world| {
        let seen = world.get(&["rot", "-n", ROOM, "a20"]);
        if seen["status"]["conditions"].is_null() { Err(seen["status"].to_string()) } else { Ok(()) }
    });
    std::thread::sleep(Duration::from_secs(12));
    println!("a20: {}", world.get(&["rot", "-n", ROOM, "a20"])["status"]);
    assert_eq!(victim(world), *before);
    drop(operator);
}

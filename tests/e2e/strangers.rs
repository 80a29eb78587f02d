//! Who wants what was not granted, and a partner that makes what nobody should keep: nothing is asked, nothing is kept.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use sandbox::Fate;
use serde_json::{Value, json};

use crate::bad_input::{alive, app, clear, fields, from_seed, resource, room, seed, strike};
use crate::world::{Operator, World, condition_of, world};

/// How often the operator logged in at PostgreSQL, by the server's own log.
fn logins(world: &World) -> usize {
    let log = world.postgres.ca_pem_path().with_file_name("postgresql.log");
    let log = std::fs::read_to_string(log).unwrap();
    log.lines().filter(|line| line.contains("application_name=managed-external-secrets")).count()
}

#[test]
fn t04_a_role_that_is_not_granted_powerful_or_only_looks_granted_is_refused_without_a_connection() {
    const ROOM: &str = "strangers";
    let world = world();
    room(&world, ROOM);
    world.roles(&["strangers_a", "strangers_b", "orders_a"]);
    world.postgres.psql("alter system set log_connections = on").unwrap();
    world.postgres.psql("select pg_reload_conf()").unwrap();
    let hostile = [
        "orders_a",
        "postgres",
        "pg_monitor",
        "pg_read_all_data",
        "admin",
        "x\"; ALTER ROLE postgres SUPERUSER; --",
        "STRANGERS_A",
        "Strangers_a",
        "str\u{0430}ngers_a",
        "\u{ff53}trangers_a",
        "strangers_a\0x",
        "../sys",
        "strangers_a/../postgres",
        "strangers-x_a",
        "strangers",
        "strangers_*",
        " strangers_a",
        "strangers_a\n",
        "strangers_a' or '1'='1",
        "%73trangers_a",
    ];
    let spec = |one: &str, other: &str| {
        json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"},
            "parameters": {"username": one, "alternateUsername": other, "dbname": "postgres"}},
            "onboard": {"mint": {}}, "targets": [{"name": "taken"}]})
    };
    let operator = world.operator(&[]);
    let (before, mark) = (logins(&world), world.mark());
    let mut made = BTreeSet::new();
    for (number, role) in hostile.iter().enumerate() {
        for (place, spec) in [("first", spec(role, "strangers_b")), ("second", spec("strangers_a", role))] {
            let name = format!("{place}-{number}");
            let output =
                world.plane.kubectl_with(["create", "-f", "-"], &resource(ROOM, &name, &spec).to_string()).unwrap();
            // What the schema refuses never gets to us.
            if output.status.success() {
                made.insert(name);
            }
        }
    }
    assert!(made.len() > hostile.len(), "{made:?}");
    world.eventually("all are refused", 60, |world| {
        let list = world.get(&["mes", "-n", ROOM]);
        let items = list["items"].as_array().unwrap();
        let reason = |mes: &Value| condition_of(mes, "Stalled")["reason"].as_str().unwrap_or_default().to_owned();
        let refusals = ["IdentityNotAllowed", "InvalidParameters", "InvalidIdentity"];
        let open = items.iter().filter(|mes| !refusals.contains(&reason(mes).as_str()));
        let open: Vec<String> = open.map(|mes| format!("{} {}", mes["metadata"]["name"], mes["status"])).collect();
        if open.is_empty() && items.len() == made.len() { Ok(()) } else { Err(open.join("; ")) }
    });
    assert_eq!(logins(&world), before, "the server's log shows no connection");
    let calls: Vec<String> =
        world.calls(mark).into_iter().filter(crate::world::writes).map(|call| call.operation).collect();
    assert_eq!(calls, Vec::<String>::new());
    // And one that is granted does connect: the count can move.
    let mut granted = spec("strangers_a", "strangers_b");
    granted["targets"] = json!([{"name": "granted-target"}]);
    world.apply(&resource(ROOM, "granted", &granted));
    world.condition(&["mes", "-n", ROOM, "granted"], "Ready", "True", None, 60);
    assert!(logins(&world) > before);
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
    world.drop_roles("strangers_");
    world.drop_roles("orders_");
}

#[test]
fn t43_what_a_hostile_partner_makes_is_never_kept_and_current_and_target_stay() {
    const ROOM: &str = "poison";
    let world = world();
    room(&world, ROOM);
    let app = app(&world, "poisoned");
    seed(&world, ROOM, "crm", &fields(&app));
    let mut spec = from_seed("crm");
    spec["targets"] = json!([{"name": "crm-target"}]);
    world.apply(&resource(ROOM, "crm", &spec));
    let operator = world.operator(&[]);
    world.condition(&["mes", "-n", ROOM, "crm"], "Ready", "True", Some("InService"), 60);
    let secret = format!("{ROOM}/{ROOM}/crm");
    let (stored, delivered) = (world.stored("us-west-2", &secret), world.data(ROOM, "crm-target"));
    assert!(stored.is_some() && !delivered.is_empty());
    let (key, secret_of_old) = ("3MVG9aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789", app.consumer_secret.clone());
    let fine = "0123456789ABCDEF0123456789ABCDEF";
    let hostile: [(&str, String, String); 10] = [
        ("newline", key.into(), format!("{fine}\n")),
        ("NUL", key.into(), format!("{fine}\0")),
        ("escape", key.into(), format!("{fine}\u{1b}[2J")),
        ("masked", key.into(), "***".into()),
        ("empty", key.into(), String::new()),
        ("the same as old", app.consumer_key.clone(), secret_of_old),
        ("1 MiB", key.into(), fine.repeat(1 << 14)),
        ("too weak", key.into(), "hunter2".into()),
        ("monotonous", key.into(), "0".repeat(64)),
        ("another language", key.into(), "\u{0430}".repeat(40)),
    ];
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {"name": "crm-poisoned", "namespace": ROOM}, "spec": {"resourceRef": {"name": "crm"}}}));
    for (what, key, made) in &hostile {
        let body =
            json!({"stagedCredentials": [{"id": "0Hz1", "key": key, "secret": made, "state": "active"}]}).to_string();
        let mark = world.mark();
        strike(&world, "salesforce", Some("stage"), Some(&app.app_id), Fate::Body { status: Some(201), body });
        world.eventually(&format!("{what} was made"), 60, |world| {
            let staged = world.calls(mark).iter().any(|call| call.operation == "stage");
            if staged { Ok(()) } else { Err(world.get(&["rot", "-n", ROOM, "crm-poisoned"])["status"].to_string()) }
        });
        std::thread::sleep(std::time::Duration::from_millis(300));
        let puts = world.calls(mark).into_iter().filter(|call| call.operation == "PutSecretValue").count();
        assert_eq!(puts, 0, "{what}");
        assert_eq!(world.stored("us-west-2", &secret), stored, "{what}: AWSCURRENT");
        assert_eq!(world.data(ROOM, "crm-target"), delivered, "{what}: the target");
        world.sandbox.with(|sandbox| sandbox.clear_faults());
        if what == &hostile.last().unwrap().0 {
            break;
        }
    }
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn t46_foreign_secrets_with_values_in_their_annotations_are_never_in_our_memory_or_lists() {
    const ROOM: &str = "cached";
    const ANNOTATED: &str = "annotated-c4N4ry-5f1e";
    const HELD: &str = "held-c4N4ry-5f1e-in-data";
    let world = world();
    room(&world, ROOM);
    let applied =
        json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":{{\"p\":\"{ANNOTATED}\"}}}}")});
    let foreign = |number: usize| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("foreign-{number}"), "namespace": ROOM,
            "annotations": applied, "labels": {"app": "foreign"}}, "stringData": {"password": HELD}})
    };
    let items: Vec<Value> = (0..1000).map(foreign).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let app = app(&world, "cached");
    seed(&world, ROOM, "crm", &fields(&app));
    let mut spec = from_seed("crm");
    spec["targets"] = json!([{"name": "crm-target"}]);
    let began = jiff::Timestamp::now();
    let operator = world.operator(&[]);
    world.apply(&resource(ROOM, "crm", &spec));
    world.condition(&["mes", "-n", ROOM, "crm"], "Ready", "True", Some("InService"), 60);
    std::thread::sleep(std::time::Duration::from_secs(3));
    for canary in [ANNOTATED.to_owned(), HELD.to_owned(), base64(HELD)] {
        assert!(!in_memory(&operator, canary.as_bytes()), "{canary} is in the memory of the process");
    }
    // The search finds what is there.
    assert!(in_memory(&operator, b"managed-secrets.io/resource"));

    let audit = std::fs::read_to_string(world.plane.audit_log()).unwrap();
    let mut lists = 0;
    for line in audit.lines() {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let at: jiff::Timestamp = entry["requestReceivedTimestamp"].as_str().unwrap_or_default().parse().unwrap();
        let ours = entry["user"]["username"] == "system:serviceaccount:mes-system:mes";
        let listing = entry["verb"] == "list" || entry["verb"] == "watch";
        if at < began || !ours || !listing || entry["objectRef"]["resource"] != "secrets" {
            continue;
        }
        lists += 1;
        let asked = entry["requestURI"].as_str().unwrap();
        let selected =
            asked.contains("labelSelector=managed-secrets.io") || asked.contains("type%3Dmanaged-secrets.io");
        assert!(selected && entry["objectRef"]["namespace"] != Value::Null, "unselected: {asked}");
    }
    assert!(lists > 0);
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Whether these bytes are anywhere in the process: root may look, nobody else.
fn in_memory(operator: &Operator, wanted: &[u8]) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", operator.pid())).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{}/mem", operator.pid())).unwrap();
    let mut looked = 0;
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap().min(64 << 20)];
        memory.seek(SeekFrom::Start(from)).unwrap();
        let Ok(length) = memory.read(&mut bytes) else { continue };
        looked += length;
        if bytes[..length].windows(wanted.len()).any(|window| window == wanted) {
            return true;
        }
    }
    assert!(looked > 1 << 20, "{looked} bytes were looked at");
    false
}

//! A credential that is a canary goes through everything that works and everything that fails, at the loudest level of
//! logs; afterwards it is nowhere that people, machines or other processes read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use sandbox::Fate;
use serde_json::{Value, json};

use crate::bad_input::{alive, app, changed, clear, fields, from_seed, resource, room, secret, seed, strike, turn};
use crate::world::{Operator, World, world};

const ROOM: &str = "canary";

/// The forms in which text is found in logs: raw, JSON, URL, hexadecimal, and base64 wherever it begins in the encoded text.
fn forms(canary: &str) -> BTreeMap<&'static str, String> {
    let inner = |offset: usize, engine: &dyn Fn(&[u8]) -> String| {
        let mut text = vec![b'x'; offset];
        text.extend_from_slice(canary.as_bytes());
        // Groups of four characters that hold nothing but the canary.
        let encoded = engine(&text);
        let (first, last) = (offset.div_ceil(3) * 4, text.len() / 3 * 4);
        encoded[first..last].to_owned()
    };
    let standard = |bytes: &[u8]| STANDARD.encode(bytes);
    let url = |bytes: &[u8]| URL_SAFE.encode(bytes);
    let json = serde_json::to_string(canary).unwrap().trim_matches('"').to_owned();
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = url::form_urlencoded::byte_serialize(canary.as_bytes()).collect();
    BTreeMap::from([
        ("raw", canary.to_owned()),
        ("JSON", json.clone()),
        ("JSON in JSON", serde_json::to_string(&json).unwrap().trim_matches('"').to_owned()),
        ("URL", percent),
        ("hexadecimal", hex.clone()),
        ("HEXADECIMAL", hex.to_uppercase()),
        ("base64", inner(0, &standard)),
        ("base64 at 1", inner(1, &standard)),
        ("base64 at 2", inner(2, &standard)),
        ("base64url", inner(0, &url)),
        ("base64url at 1", inner(1, &url)),
        ("base64url at 2", inner(2, &url)),
    ])
}

#[expect(clippy::disallowed_methods, reason = "the test reads the operator's own metrics; no partner is dialled")]
fn metrics(operator: &Operator) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", operator.port())).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("mes_"), "{answer}");
    answer
}

/// Everything that leaves the process beside the calls that carry the credential.
fn outlets(world: &World, operator: &Operator) -> Vec<(&'static str, String)> {
    let process = |file: &str| std::fs::read(format!("/proc/{}/{file}", operator.pid())).unwrap();
    let process = |file: &str| String::from_utf8_lossy(&process(file)).into_owned();
    let all = |kind: &str| world.plane.kubectl_ok(["get", kind, "-A", "-o", "json", "--show-managed-fields"]).unwrap();
    vec![
        ("log", operator.log()),
        ("resources", all("mes")),
        ("Rotations", all("rot")),
        ("accounts", all("pacct")),
        ("stores", all("smstore")),
        ("events", all("events.events.k8s.io")),
        ("leases", all("leases")),
        ("metrics", metrics(operator)),
        ("arguments", process("cmdline")),
        ("environment", process("environ")),
    ]
}

#[test]
fn a_canary_is_found_once_it_is_there() {
    let forms = forms("ca\"na/ry+0 1\\2~");
    for (text, form) in [
        (r#"{"password":"ca\"na/ry+0 1\\2~"}"#.to_owned(), "JSON"),
        (STANDARD.encode("ca\"na/ry+0 1\\2~"), "base64"),
        (STANDARD.encode("1ca\"na/ry+0 1\\2~"), "base64 at 1"),
        (STANDARD.encode("22ca\"na/ry+0 1\\2~yy"), "base64 at 2"),
        (STANDARD.encode("333ca\"na/ry+0 1\\2~yy"), "base64"),
        ("x=ca%22na%2Fry%2B0+1%5C2%7E".to_owned(), "URL"),
    ] {
        assert!(text.contains(&forms[form]), "{form}: {text} holds {}", forms[form]);
    }
}

#[test]
fn t47_a_canary_as_credential_is_in_no_log_event_status_metric_argument_or_environment() {
    let world = world();
    world.roles(&["canary_a", "canary_b", "canary_c", "canary_d"]);
    room(&world, ROOM);
    // What people choose for passwords at worst: every form of it differs.
    let password = "c4N4ry\"pa/ss+w0rd \\~%&=1";
    let quoted = password.replace('\'', "''");
    for role in ["canary_a", "canary_c"] {
        world.postgres.psql(&format!("ALTER ROLE {role} LOGIN PASSWORD '{quoted}'")).unwrap();
    }
    let wrong = "c4N4ry-that-is-refused-by-the-partner";
    let (one, other, third) = (app(&world, "canary"), app(&world, "canary-fails"), app(&world, "canary-alien"));
    let account = world.get(&["pacct", "pg-main"]);
    let host = account["spec"]["endpoint"]
        .as_str()
        .unwrap()
        .trim_start_matches("postgresql://")
        .split(':')
        .next()
        .unwrap()
        .to_owned();
    let database = |role: &'static str, password: &'static str| {
        [
            ("host", host.clone()),
            ("port", "5432".into()),
            ("dbname", "postgres".into()),
            ("username", role.into()),
            ("password", password.to_owned()),
        ]
    };
    let seeds: [(&str, Vec<(&str, String)>); 4] = [
        ("role", database("canary_a", password).to_vec()),
        ("role-refused", database("canary_c", wrong).to_vec()),
        (
            "role-surplus",
            database("canary_c", password).into_iter().chain([(password_key(), password.to_owned())]).collect(),
        ),
        ("role-malformed", database("canary_c", "c4N4ry\nwith-a-line-break").to_vec()),
    ];
    for (name, texts) in &seeds {
        let texts: Vec<(&str, &str)> = texts.iter().map(|(key, text)| (*key, text.as_str())).collect();
        seed(&world, ROOM, name, &texts);
    }
    seed(&world, ROOM, "sales", &fields(&one));
    seed(&world, ROOM, "sales-fails", &fields(&other));
    seed(&world, ROOM, "sales-alien", &changed(&third, "appId", "0xNobodysApp0"));
    secret(&world, ROOM, "taken", "Opaque", &[("theirs", "kept")]);
    let operator = world.operator_with(&[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")], &[]);
    let role = |seed: &str, letters: [&str; 2]| {
        json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"},
            "parameters": {"username": format!("canary_{}", letters[0]), "alternateUsername": format!("canary_{}", letters[1]), "dbname": "postgres"}},
            "onboard": {"fromSecret": {"name": seed}}, "rotation": {"first": "Scheduled", "overlap": "1s"}})
    };
    let mut specs: Vec<(&str, Value)> = vec![
        ("role", role("role", ["a", "b"])),
        ("role-refused", role("role-refused", ["c", "d"])),
        ("role-surplus", role("role-surplus", ["c", "d"])),
        ("role-malformed", role("role-malformed", ["c", "d"])),
    ];
    for name in ["sales", "sales-fails", "sales-alien"] {
        specs.push((name, from_seed(name)));
    }
    for (name, spec) in &mut specs {
        spec["targets"] = json!([{"name": format!("{name}-target")}, {"name": "taken"}]);
        spec["regions"] = json!([{"name": "eu-west-1"}]);
    }
    let items: Vec<Value> = specs.iter().map(|(name, spec)| resource(ROOM, name, spec)).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let delivered = |world: &World, name: &str| world.get(&["secret", "-n", ROOM, &format!("{name}-target")]);
    for name in ["role", "sales", "sales-fails"] {
        world.eventually(name, 60, |world| {
            if delivered(world, name).is_null() {
                Err(world.get(&["mes", "-n", ROOM, name])["status"].to_string())
            } else {
                Ok(())
            }
        });
    }
    assert_eq!(crate::bad_input::text(&delivered(&world, "role"), "password"), password);

    // Every fault of the table strikes while it is read, rotated and refused.
    let mut canaries = vec![
        password.to_owned(),
        wrong.to_owned(),
        "c4N4ry\nwith-a-line-break".to_owned(),
        one.consumer_secret.clone(),
        one.consumer_key.clone(),
        other.consumer_secret.clone(),
        third.consumer_secret.clone(),
    ];
    let rotate = |world: &World, name: &str, number: usize| {
        world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": format!("{name}-{number}"), "namespace": ROOM},
            "spec": {"resourceRef": {"name": name}}}));
    };
    turn(&world, |knobs| knobs.salesforce_staged_shows_secret = true);
    rotate(&world, "role", 1);
    rotate(&world, "sales", 1);
    rotate(&world, "sales-fails", 1);
    let echo = |code: &str| Fate::Error {
        code: code.to_owned(),
        status: Some(400),
        message: format!("refused: {password} {}", other.consumer_secret),
    };
    for fate in [
        Fate::Html { status: Some(200) },
        Fate::Status { status: 503, retry_after: Some("soon".into()) },
        Fate::Redirect { location: format!("https://evil.example/{}", other.consumer_secret) },
        Fate::DropReply,
        echo(&other.consumer_secret),
        echo("INVALID_INPUT"),
    ] {
        let planted = strike(&world, "salesforce", None, Some(&other.app_id), fate);
        std::thread::sleep(std::time::Duration::from_millis(1200));
        world.sandbox.with(|sandbox| sandbox.clear_faults());
        assert!(planted > 0);
    }
    for fate in [
        echo("InternalServiceError"),
        echo("InvalidParameterException"),
        Fate::DropReply,
        Fate::Throttle,
        Fate::Html { status: Some(502) },
    ] {
        strike(&world, "secretsmanager", None, Some(ROOM), fate);
        std::thread::sleep(std::time::Duration::from_millis(1200));
        world.sandbox.with(|sandbox| sandbox.clear_faults());
    }
    for name in ["role-1", "sales-1", "sales-fails-1"] {
        world.condition(&["rot", "-n", ROOM, name], "Promoted", "True", None, 120);
    }
    // What was made meanwhile is a secret as well.
    for (name, key) in [("role", "password"), ("sales", "consumerSecret"), ("sales-fails", "consumerSecret")] {
        let fresh = world.eventually("delivered", 30, |world| {
            let text = crate::bad_input::text(&delivered(world, name), key);
            if canaries.contains(&text) { Err("the old one".to_owned()) } else { Ok(text) }
        });
        canaries.push(fresh);
    }
    let found: Vec<String> = outlets(&world, &operator)
        .iter()
        .flat_map(|(outlet, text)| {
            assert!(!text.is_empty(), "{outlet}");
            let forms = canaries.iter().flat_map(|canary| forms(canary));
            forms
                .filter(|(_, encoded)| text.contains(encoded.as_str()))
                .map(|(form, encoded)| {
                    let place = text.find(encoded.as_str()).unwrap();
                    let around: String =
                        text[..place].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                    format!("{form} in the {outlet}, after: {around}")
                })
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
    assert!(operator.log().contains(" TRACE ") || operator.log().contains("DEBUG"), "it was loud");
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

/// A name of a field that is itself a secret, as a hasty `kubectl create secret` makes it.
fn password_key() -> &'static str {
    "c4N4ry-as-a-field-name"
}

//! A credential that is a canary goes through everything that works and everything that fails, at the loudest level of
//! logs; afterwards it is nowhere that people, machines or other processes read.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::{Fate, Fault};
use serde_json::{Value, json};

use crate::bad_input::{
    alive, app, changed, clear, fields, from_seed, now, resource, room, secret, seed, strike, turn,
};
use crate::outlets::{self, found, objects};
use crate::world::{World, world};

const ROOM: &str = "canary";
/// The target that a policy refuses with its value in the message.
const QUOTED: &str = "quoted-by-a-policy";

/// Every library that has values, requests or answers in hand, asked to tell all that it can.
const LOUD: &str = "trace,hyper=trace,hyper_util=trace,h2=trace,http=trace,rustls=trace,tokio_rustls=trace,tower=trace,\
    tower_http=trace,kube=trace,kube_client=trace,kube_runtime=trace,aws_config=trace,aws_runtime=trace,aws_sigv4=trace,\
    aws_credential_types=trace,aws_smithy_runtime=trace,aws_smithy_runtime_api=trace,aws_smithy_http=trace,\
    aws_smithy_http_client=trace,aws_smithy_types=trace,aws_sdk_secretsmanager=trace,aws_sdk_sts=trace,\
    tokio_postgres=trace,postgres_protocol=trace,tokio=trace,mio=trace,want=trace,managed_external_secrets=trace,mes_core=trace";

/// Two policies of the cluster's owner that tell values: one refuses a Secret and quotes it in the error, one lets every
/// Secret pass with a warning that quotes all of it.
fn quote(world: &World) {
    let rules = json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]});
    let here = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ROOM}}});
    for (name, action, holds, says) in [
        ("quotes-values", "Deny", format!("object.metadata.name != '{QUOTED}'"), "'refused: ' + object.data.password"),
        ("warns-of-values", "Warn", "false".to_owned(), "object.data.map(key, object.data[key]).join(' ') + ' is odd'"),
    ] {
        world.apply(&json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {"failurePolicy": "Fail", "matchConstraints": rules, "validations": [{"expression": holds, "messageExpression": says}]}}));
        world.apply(&json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": [action], "matchResources": here}}));
    }
    let probe = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": QUOTED, "namespace": ROOM}, "stringData": {"password": "a probe"}});
    world.eventually("both policies speak", 20, |world| {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let told = world.plane.kubectl_with(arguments, &probe.to_string()).unwrap();
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        let both = told.contains("refused: YSBwcm9iZQ==") && told.contains("YSBwcm9iZQ== is odd");
        if both { Ok(()) } else { Err(told) }
    });
}

/// The policies bind nobody else: other tests share the cluster.
struct Quoting<'a>(&'a World);

impl Drop for Quoting<'_> {
    fn drop(&mut self) {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            let names = ["delete", "--ignore-not-found", kind, "quotes-values", "warns-of-values"];
            self.0.plane.kubectl_ok(names).expect("taken back");
        }
    }
}

/// One call of this operation, about this, is struck; the next one passes.
fn strike_once(world: &World, door: &str, operation: &str, resource: Option<&str>, fate: Fate) {
    let fault = Fault {
        door: Some(door.to_owned()),
        operation: Some(operation.to_owned()),
        resource: resource.map(str::to_owned),
        count: Some(1),
        ..Fault::of(fate)
    };
    world.sandbox.with(|sandbox| sandbox.plant(fault));
}

/// Which operations were struck since the call of this number.
fn struck(world: &World, after: u64) -> BTreeSet<String> {
    let log = world.sandbox.with(|sandbox| sandbox.log(after));
    log.into_iter().filter(|entry| entry.fault.is_some()).map(|entry| entry.operation).collect()
}

fn delivered(world: &World, name: &str) -> Value {
    world.get(&["secret", "-n", ROOM, &format!("{name}-target")])
}

/// Asks for everything to be read again.
fn look_again(world: &World, word: &str) {
    let word = format!("managed-secrets.io/sync={word}");
    world.plane.kubectl_ok(["annotate", "mes", "--all", "-n", ROOM, "--overwrite", &word]).unwrap();
}

#[test]
fn t47_a_canary_as_credential_is_in_no_log_event_status_metric_argument_or_environment() {
    let world = world();
    world.roles(&["canary_a", "canary_b", "canary_c", "canary_d"]);
    room(&world, ROOM);
    quote(&world);
    let _quoting = Quoting(&world);
    let audited = std::fs::metadata(world.plane.audit_log()).expect("an audit log").len();
    let began = now(&world);
    // What people choose for passwords at worst: every form of it differs.
    let password = "c4N4ry\"pa/ss+w0rd \\~%&=1";
    let quoted = password.replace('\'', "''");
    for role in ["canary_a", "canary_c"] {
        world.postgres.psql(&format!("ALTER ROLE {role} LOGIN PASSWORD '{quoted}'")).unwrap();
    }
    let wrong = "c4N4ry-that-is-refused-by-the-partner";
    let broken = "c4N4ry\nwith-a-line-break";
    let (one, other, third) = (app(&world, "canary"), app(&world, "canary-fails"), app(&world, "canary-alien"));
    let database = |role: &'static str, password: &'static str| {
        [
            ("host", world.postgres.host()),
            ("port", "5432"),
            ("dbname", "postgres"),
            ("username", role),
            ("password", password),
        ]
    };
    seed(&world, ROOM, "role", &database("canary_a", password));
    seed(&world, ROOM, "role-refused", &database("canary_c", wrong));
    let surplus = [&database("canary_c", password)[..], &[("c4N4ry-as-a-field-name", password)]].concat();
    seed(&world, ROOM, "role-surplus", &surplus);
    seed(&world, ROOM, "role-malformed", &database("canary_c", broken));
    seed(&world, ROOM, "sales", &fields(&one));
    seed(&world, ROOM, "sales-fails", &fields(&other));
    seed(&world, ROOM, "sales-alien", &changed(&third, "appId", "0xNobodysApp0"));
    secret(&world, ROOM, "taken", "Opaque", &[("theirs", "kept")]);
    let mut canaries: Vec<String> = [
        password,
        wrong,
        broken,
        &one.consumer_secret,
        &one.consumer_key,
        &other.consumer_secret,
        &third.consumer_secret,
        // What everybody's credentials are made with.
        world.postgres.admin_password(),
        "not-verified-by-the-sandbox",
    ]
    .map(str::to_owned)
    .to_vec();

    let operator = world.operator_with(&[("RUST_BACKTRACE", "full")], &["--log-level", LOUD]);
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
    specs[0].1["targets"].as_array_mut().unwrap().push(json!({"name": QUOTED}));
    let items: Vec<Value> = specs.iter().map(|(name, spec)| resource(ROOM, name, spec)).collect();
    // Each call that carries a value is quoted back once.
    let echo = || Fate::Echo { code: "InternalServiceError".to_owned(), status: None };
    for name in ["canary/role", "canary/sales"] {
        strike_once(&world, "secretsmanager", "CreateSecret", Some(name), echo());
    }
    strike_once(&world, "salesforce", "token", None, Fate::Echo { code: "INVALID".to_owned(), status: Some(500) });
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    for name in ["role", "sales", "sales-fails"] {
        world.eventually(name, 180, |world| {
            let there = !delivered(world, name).is_null();
            if there { Ok(()) } else { Err(world.get(&["mes", "-n", ROOM, name])["status"].to_string()) }
        });
    }
    assert_eq!(crate::bad_input::text(&delivered(&world, "role"), "password"), password);
    let mut seen = found(&canaries, &objects(&world));

    // Rotated, while each call that carries the next one is quoted back once, or answered with half of a value.
    turn(&world, |knobs| knobs.salesforce_staged_shows_secret = true);
    for operation in ["PutSecretValue", "UpdateSecretVersionStage"] {
        for name in ["role", "sales"] {
            strike_once(&world, "secretsmanager", operation, Some(name), echo());
        }
    }
    let half =
        format!("{{\"Name\":\"canary/sales\",\"SecretString\":\"{} {}", one.consumer_secret, password.escape_default());
    let half = Fate::Body { status: Some(200), body: half };
    strike_once(&world, "secretsmanager", "GetSecretValue", Some("canary/sales"), half);
    for operation in ["stage", "rotate", "list_staged", "main_pair"] {
        let echo = Fate::Echo { code: "INVALID".to_owned(), status: Some(500) };
        strike_once(&world, "salesforce", operation, None, echo);
    }
    for name in ["role", "sales", "sales-fails"] {
        world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": format!("{name}-1"), "namespace": ROOM},
            "spec": {"resourceRef": {"name": name}}}));
    }
    for name in ["role-1", "sales-1", "sales-fails-1"] {
        world.condition(&["rot", "-n", ROOM, name], "Promoted", "True", None, 180);
    }
    // What was made meanwhile is a secret as well.
    for (name, key) in [("role", "password"), ("sales", "consumerSecret"), ("sales-fails", "consumerSecret")] {
        let fresh = world.eventually("delivered", 120, |world| {
            let text = crate::bad_input::text(&delivered(world, name), key);
            if canaries.contains(&text) { Err("the old one".to_owned()) } else { Ok(text) }
        });
        canaries.push(fresh);
    }
    seen.extend(found(&canaries, &objects(&world)));
    let quoted_back = struck(&world, began);
    for operation in ["CreateSecret", "PutSecretValue", "GetSecretValue", "token", "stage"] {
        assert!(quoted_back.contains(operation), "{operation} was never quoted back: {quoted_back:?}");
    }

    // One fault at a time, each for a moment, over everything.
    let error = |code: &str| Fate::Error {
        code: code.to_owned(),
        status: Some(400),
        message: format!("refused: {password} {}", other.consumer_secret),
    };
    let refused = |code: &str| Fate::Echo { code: code.to_owned(), status: Some(400) };
    let faults = [
        ("salesforce", Fate::Html { status: Some(200) }),
        ("salesforce", Fate::Status { status: 503, retry_after: Some(other.consumer_secret.clone()) }),
        ("salesforce", Fate::Redirect { location: format!("https://evil.example/{}", other.consumer_secret) }),
        ("salesforce", Fate::DropReply),
        ("salesforce", error(&other.consumer_secret)),
        ("salesforce", refused("INVALID_INPUT")),
        ("secretsmanager", Fate::DropReply),
        ("secretsmanager", Fate::Html { status: Some(502) }),
        ("secretsmanager", error("InvalidParameterException")),
        ("secretsmanager", error(&one.consumer_secret)),
        ("secretsmanager", Fate::Throttle),
        ("secretsmanager", refused("AccessDeniedException")),
        ("sts", refused("AccessDenied")),
    ];
    for (number, (door, fate)) in faults.into_iter().enumerate() {
        let after = now(&world);
        strike(&world, door, None, None, fate);
        look_again(&world, &number.to_string());
        let until = std::time::Instant::now() + Duration::from_millis(1500);
        while struck(&world, after).is_empty() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        world.sandbox.with(|sandbox| sandbox.clear_faults());
        seen.extend(found(&canaries, &objects(&world)));
    }

    // The API server refused the operator's write as it refused the probe: with the value in the error.
    let audit = outlets::audit(&world, audited);
    let refused = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        line["user"]["username"] == "system:serviceaccount:mes-system:mes"
            && line["objectRef"]["name"] == QUOTED
            && line["verb"] == "patch"
            && line["responseStatus"]["code"] == 422
    };
    assert!(audit.lines().any(refused), "no policy refused the operator");
    seen.extend(found(&canaries, &outlets::outlets(&world, &operator, audited)));
    assert_eq!(seen, Vec::<String>::new());
    let log = operator.log();
    assert!(log.contains(" TRACE ") || log.contains("DEBUG"), "it was loud");
    alive(&operator);
    // What was refused again and again is asked again only after minutes, but by a process that does not know.
    drop(operator);
    let operator = world.operator(&[]);
    clear(&world, ROOM);
    drop(operator);
}

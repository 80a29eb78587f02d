//! Partners that are down, slow or strange, and admin credentials that are wrong, missing or revoked midway: the rotation
//! waits, says why, and loses nothing.

use sandbox::{App, Fate};
use serde_json::{Value, json};

use crate::bad_input::{Row, alive, all_roles, app, clear, fields, from_seed, logs_in, make, room, seed, strike, told};
use crate::world::{World, condition_of, world};

fn rotation(world: &World, room: &str, name: &str) {
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
        "metadata": {"name": format!("{name}-now"), "namespace": room}, "spec": {"resourceRef": {"name": name}}}));
}

fn waits(world: &World, room: &str, name: &str) -> Value {
    world.get(&["rot", "-n", room, &format!("{name}-now")])["status"].clone()
}

#[test]
fn a_partner_that_is_down_slow_or_strange_holds_the_rotation_and_nothing_is_lost() {
    const ROOM: &str = "badpartner";
    let world = world();
    room(&world, ROOM);
    let status = |status, after: &str| Fate::Status { status, retry_after: Some(after.to_owned()) };
    // What each resource's app answers, and the code that is told.
    let strange: [(&str, Fate, &str); 9] = [
        ("down", Fate::Close, ""),
        ("broken", status(503, "soon"), "503"),
        ("slow", Fate::Silence, ""),
        ("dripping", Fate::Slow { ms: 2000 }, ""),
        ("html", Fate::Html { status: Some(200) }, "NotJson"),
        ("huge", Fate::Huge { bytes: 100_000_000 }, ""),
        ("busy", status(429, "999999999"), "429"),
        ("busy-too", status(429, "-1"), "429"),
        ("redirect", Fate::Redirect { location: "https://evil.example/services/oauth2/token".to_owned() }, "Redirect"),
    ];
    let apps: Vec<App> = strange.iter().map(|(name, ..)| app(&world, name)).collect();
    let rows: Vec<Row> = strange
        .iter()
        .zip(&apps)
        .map(|((name, _, code), app)| {
            seed(&world, ROOM, name, &fields(app));
            let mut spec = from_seed(name);
            spec["targets"] = json!([{"name": format!("{name}-target")}]);
            Row {
                name,
                spec,
                condition: "Rotated",
                status: "False",
                reason: "PartnerUnavailable",
                says: if code.is_empty() {
                    &["spec.partner", "tried again by itself"]
                } else {
                    Vec::leak(vec!["spec.partner", code, "tried again by itself"])
                },
            }
        })
        .collect();
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    for row in &rows {
        world.condition(&["mes", "-n", ROOM, row.name], "Ready", "True", Some("InService"), 60);
    }
    for ((name, fate, _), app) in strange.iter().zip(&apps) {
        strike(&world, "salesforce", None, Some(&app.app_id), fate.clone());
        rotation(&world, ROOM, name);
    }
    told(&world, ROOM, &rows, 60);
    for (row, app) in rows.iter().zip(&apps) {
        let mes = world.get(&["mes", "-n", ROOM, row.name]);
        assert_eq!(condition_of(&mes, "Ready")["status"], "True", "{}: in service all the while", row.name);
        crate::bad_input::told_by_an_event(
            &world,
            ROOM,
            row.name,
            "PartnerUnavailable",
            condition_of(&mes, "Rotated")["message"].as_str().unwrap(),
        );
        assert!(logs_in(&world, app).0, "{}", row.name);
        let status = waits(&world, ROOM, row.name);
        assert!(condition_of(&json!({"status": status}), "Failed").is_null(), "{}: {status}", row.name);
    }
    assert!(!operator.log().contains("evil.example"), "nobody went where the redirect points");

    // It answers again: all but the one that asked for an hour of patience go through, without anybody's help.
    world.sandbox.with(|sandbox| sandbox.clear_faults());
    for (row, app) in rows.iter().zip(&apps).filter(|(row, _)| row.name != "busy") {
        let done = world.condition(
            &["rot", "-n", ROOM, &format!("{}-now", row.name)],
            "Complete",
            "True",
            Some("Revoked"),
            120,
        );
        assert!(!logs_in(&world, app).0, "{}: the old pair is revoked: {}", row.name, done["status"]);
    }
    assert_eq!(logs_in(&world, &apps[6]), (true, 1), "nothing is done to who said to wait");
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn an_admin_credential_that_is_missing_wrong_or_revoked_midway_is_told_and_no_password_changes() {
    const ROOM: &str = "badadmin";
    let world = world();
    room(&world, ROOM);
    world.roles(&[
        "badadmin_a",
        "badadmin_b",
        "badadmin_c",
        "badadmin_d",
        "badadmin_e",
        "badadmin_f",
        "badadmin_g",
        "badadmin_h",
    ]);
    let admin = world.get(&["secret", "-n", "mes-system", "pg-main-admin"]);
    let right = |key: &str| crate::bad_input::text(&admin, key);
    let main = world.get(&["pacct", "pg-main"]);
    let secret = |name: &str, type_: &str, password: &str, endpoint: &str| {
        world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": {"name": name, "namespace": "mes-system"},
            "stringData": {"username": right("username"), "password": password, "endpoint": endpoint, "ca.crt": right("ca.crt")}}));
    };
    let (typed, endpoint) = ("managed-secrets.io/admin", right("endpoint"));
    secret("badadmin-wrong", typed, "not-the-password", &endpoint);
    secret("badadmin-opaque", "Opaque", &right("password"), &endpoint);
    secret("badadmin-moved", typed, &right("password"), "postgresql://elsewhere.invalid:5432/postgres");
    let minted = |account: &str, letters: &str| {
        let (one, other) = letters.split_at(1);
        json!({"partner": {"type": "PostgreSQLRole", "accountRef": {"name": account},
            "parameters": {"username": format!("badadmin_{one}"), "alternateUsername": format!("badadmin_{other}"), "dbname": "postgres"}},
            "onboard": {"mint": {}}, "targets": [{"name": account}]})
    };
    for name in ["badadmin-missing", "badadmin-wrong", "badadmin-opaque", "badadmin-moved"] {
        let mut account = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "PartnerAccount", "metadata": {"name": name},
            "spec": {"partnerTypes": ["PostgreSQLRole"], "admin": {"secretRef": {"name": name}},
                "grants": [{"namespaces": [ROOM], "identities": ["{namespace}_*"]}]}});
        for field in ["endpoint", "caBundle", "privateNetworks"] {
            account["spec"][field] = main["spec"][field].clone();
        }
        world.apply(&account);
    }
    let row = |name, spec, reason, status, says| Row { name, spec, condition: "Ready", status, reason, says };
    let rows = [
        row(
            "missing",
            minted("badadmin-missing", "ab"),
            "Onboarding",
            "False",
            &["spec.partner.accountRef", "spec.admin is not there"][..],
        ),
        row("wrong", minted("badadmin-wrong", "cd"), "Onboarding", "False", &["spec.partner", "28P01", "renew it"]),
        row(
            "opaque",
            minted("badadmin-opaque", "ef"),
            "Onboarding",
            "False",
            &["spec.partner.accountRef", "must be of type managed-secrets.io/admin"],
        ),
        row(
            "moved",
            minted("badadmin-moved", "gh"),
            "EndpointMismatch",
            "False",
            &["spec.partner.accountRef", "endpoint", "make them equal"],
        ),
    ];
    let before = all_roles(&world);
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    for (account, reason, words) in [
        ("badadmin-missing", "AdminMissing", "spec.admin.secretRef"),
        ("badadmin-wrong", "AdminRejected", "refuses the admin credential"),
        ("badadmin-opaque", "AdminInvalid", "managed-secrets.io/admin"),
    ] {
        let told = world.condition(&["pacct", account], "Ready", "False", Some(reason), 30);
        let message = condition_of(&told, "Ready")["message"].as_str().unwrap().to_owned();
        println!("pacct/{account}: {reason}: {message}");
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(all_roles(&world), before, "no role was touched");

    // Right at last.
    for name in ["badadmin-missing", "badadmin-wrong"] {
        secret(name, typed, &right("password"), &endpoint);
    }
    for name in ["missing", "wrong"] {
        world.condition(&["mes", "-n", ROOM, name], "Ready", "True", Some("InService"), 90);
        assert!(world.logs_in(ROOM, &format!("badadmin-{name}")));
    }

    // Revoked midway: the rotation waits, what is in use stays in use, and with a right one it goes through.
    let before = all_roles(&world);
    secret("badadmin-wrong", typed, "revoked", &endpoint);
    rotation(&world, ROOM, "wrong");
    let revoked = [Row {
        name: "wrong",
        spec: Value::Null,
        condition: "Rotated",
        status: "False",
        reason: "PartnerUnavailable",
        says: &["spec.partner", "28P01", "renew it"],
    }];
    told(&world, ROOM, &revoked, 30);
    world.condition(&["pacct", "badadmin-wrong"], "Ready", "False", Some("AdminRejected"), 30);
    let mes = world.get(&["mes", "-n", ROOM, "wrong"]);
    assert_eq!(condition_of(&mes, "Ready")["status"], "True");
    assert!(world.logs_in(ROOM, "badadmin-wrong"));
    assert_eq!(all_roles(&world), before);
    secret("badadmin-wrong", typed, &right("password"), &endpoint);
    world.condition(&["rot", "-n", ROOM, "wrong-now"], "Promoted", "True", None, 90);
    assert!(world.logs_in(ROOM, "badadmin-wrong"));
    alive(&operator);
    clear(&world, ROOM);
    for name in ["badadmin-missing", "badadmin-wrong", "badadmin-opaque", "badadmin-moved"] {
        world.plane.kubectl_ok(["delete", "pacct", name]).unwrap();
        world.plane.kubectl_ok(["delete", "secret", "-n", "mes-system", name, "--ignore-not-found"]).unwrap();
    }
    drop(operator);
}

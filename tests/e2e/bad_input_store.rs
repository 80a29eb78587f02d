//! Stores that don't answer as they should, and AWS secrets that are not ours to touch: told, held, left to the byte.

use std::collections::BTreeMap;

use sandbox::{Fate, Fault, Setup};
use serde_json::{Value, json};

use crate::bad_input::{
    Row, alive, app, aws, changed, clear, deeds, described, fields, from_seed, logs_in, make, now, resource, room,
    seed, stalled, store, text, told, turn, value_of, waiting,
};
use crate::iam::{self, To};
use crate::world::{World, condition_of, world};
use xtask::scratch::free_port;

/// Store, access key, reason of the store's Ready, its words, condition of the resource (type, status, reason), its words.
type Wrong = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str, &'static str),
    &'static [&'static str],
);

/// Static keys for a store, in the operator's namespace.
fn keys(world: &World, name: &str, id: &str) {
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": "managed-secrets.io/admin",
        "metadata": {"name": name, "namespace": "mes-system"},
        "stringData": {"accessKeyID": id, "secretAccessKey": "not-verified"}}));
}

/// Strikes every call with these keys.
fn strike_caller(world: &World, door: Option<&str>, caller: &str, fate: Fate) {
    let fault = Fault { door: door.map(str::to_owned), caller: Some(caller.to_owned()), ..Fault::of(fate) };
    world.sandbox.with(|sandbox| sandbox.plant(fault));
}

#[test]
fn a_store_that_does_not_answer_as_it_should_is_told_there_and_at_each_resource_and_mends_by_itself() {
    const ROOM: &str = "badstore";
    let world = world();
    room(&world, ROOM);
    let wrong: [Wrong; 8] = [
        (
            "unknown-keys",
            "AKIAUNKNOWN000000001",
            "AuthFailed",
            "spec.auth",
            ("Stalled", "True", "AccessDenied"),
            &["spec.storeRef", "InvalidClientTokenId", "spec.auth"],
        ),
        (
            "other-account",
            "AKIAOTHERACCOUNT0001",
            "WrongAccount",
            "spec.accountID",
            ("Stalled", "True", "AccessDenied"),
            &["spec.storeRef", "another AWS account", "spec.accountID"],
        ),
        (
            "no-keys",
            "",
            "AuthFailed",
            "spec.auth",
            ("Stalled", "True", "AccessDenied"),
            &["spec.storeRef", "spec.auth"],
        ),
        (
            "forbidden",
            "AKIAFORBIDDEN0000001",
            "AccessDenied",
            "spec.auth",
            ("Stalled", "True", "AccessDenied"),
            &["spec.storeRef", "AccessDeniedException", "spec.auth"],
        ),
        (
            "closed",
            "AKIACLOSED0000000001",
            "Unreachable",
            "spec.endpoint",
            ("Ready", "Unknown", "NotObserved"),
            &["spec.storeRef", "ConnectionLost", "tried again by itself"],
        ),
        (
            "nobody-there",
            "AKIANOBODY0000000001",
            "Unreachable",
            "spec.endpoint",
            ("Ready", "Unknown", "NotObserved"),
            &["spec.storeRef", "Unreachable", "tried again by itself"],
        ),
        (
            "throttled",
            "AKIATHROTTLED0000001",
            "Unreachable",
            "spec.endpoint",
            ("Ready", "Unknown", "NotObserved"),
            &["spec.storeRef", "Throttling", "tried again by itself"],
        ),
        (
            "html",
            "AKIAHTML000000000001",
            "Unreachable",
            "spec.endpoint",
            ("Ready", "Unknown", "NotObserved"),
            &["spec.storeRef", "tried again by itself"],
        ),
    ];
    turn(&world, |knobs| {
        knobs.refused_access_keys.push("AKIAUNKNOWN000000001".to_owned());
        knobs.access_key_accounts.insert("AKIAOTHERACCOUNT0001".to_owned(), "999999999999".to_owned());
    });
    let denied = || Fate::Error { code: "AccessDeniedException".to_owned(), status: None, message: String::new() };
    strike_caller(&world, Some("secretsmanager"), "AKIAFORBIDDEN0000001", denied());
    strike_caller(&world, None, "AKIACLOSED0000000001", Fate::Close);
    strike_caller(&world, Some("secretsmanager"), "AKIATHROTTLED0000001", Fate::Throttle);
    strike_caller(&world, None, "AKIAHTML000000000001", Fate::Html { status: Some(502) });
    let mut apps = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for (name, key, _, _, (condition, status, reason), says) in wrong {
        if !key.is_empty() {
            keys(&world, &format!("badstore-{name}"), key);
        }
        let mut store = store(&world, &format!("badstore-{name}"), ROOM);
        store["spec"]["auth"] = json!({"secretRef": {"name": format!("badstore-{name}")}});
        let key = if key.is_empty() { "AKIANOKEYS0000000001" } else { key };
        let prefix = format!("badstore-{name}");
        iam::admit(&world, &prefix, &["us-west-2", "eu-west-1"], &["legacy/{namespace}/*"], To::Keys(key, ROOM));
        if name == "nobody-there" {
            store["spec"]["endpoint"] = format!("http://127.0.0.1:{}", free_port().unwrap()).into();
        }
        world.apply(&store);
        let app = app(&world, name);
        seed(&world, ROOM, name, &fields(&app));
        apps.push(app);
        let mut spec = from_seed(name);
        spec["storeRef"] = json!({"name": format!("badstore-{name}")});
        rows.push(Row { name, spec, condition, status, reason, says });
    }
    let before = now(&world);
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    for (name, _, reason, words, ..) in wrong {
        let store = world.condition(&["smstore", &format!("badstore-{name}")], "Ready", "False", Some(reason), 30);
        let message = condition_of(&store, "Ready")["message"].as_str().unwrap().to_owned();
        println!("smstore/badstore-{name}: {reason}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
    let quiet = |deed: &String| deed.starts_with("GetCallerIdentity") || deed.starts_with("ListSecrets");
    assert_eq!(deeds(&world, before).into_iter().filter(|deed| !quiet(deed)).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(apps.iter().all(|app| logs_in(&world, app) == (true, 1)));

    // Mended where it was wrong: each goes on by itself.
    world.sandbox.with(|sandbox| sandbox.clear_faults());
    turn(&world, |knobs| {
        knobs.refused_access_keys.clear();
        knobs.access_key_accounts.clear();
    });
    keys(&world, "badstore-no-keys", "AKIANOKEYS0000000001");
    world.apply(&{
        let mut mended = store(&world, "badstore-nobody-there", ROOM);
        mended["spec"]["auth"] = json!({"secretRef": {"name": "badstore-nobody-there"}});
        mended
    });
    for (name, ..) in wrong {
        world.condition(&["smstore", &format!("badstore-{name}")], "Ready", "True", Some("Verified"), 60);
        world.condition(&["mes", "-n", ROOM, name], "Ready", "True", Some("InService"), 90);
    }
    alive(&operator);
    clear(&world, ROOM);
    for (name, ..) in wrong {
        world.plane.kubectl_ok(["delete", "smstore", &format!("badstore-{name}")]).unwrap();
        world.plane.kubectl_ok(["delete", "secret", "-n", "mes-system", &format!("badstore-{name}")]).unwrap();
    }
    drop(operator);
}

fn made(world: &World, name: &str, value: &Value, more: &Value) -> Value {
    let mut body = json!({"Name": name, "SecretString": value.to_string(), "ClientRequestToken": format!("by-a-person-{:0>24}", name.len())});
    for (key, text) in more.as_object().unwrap() {
        body[key] = text.clone();
    }
    if name.starts_with("legacy/") {
        let mut tags = body["Tags"].as_array().cloned().unwrap_or_default();
        tags.push(iam::granted(world, "badaws"));
        body["Tags"] = tags.into();
    }
    aws(world, "CreateSecret", &body);
    described(world, name).unwrap()
}

#[test]
fn an_aws_secret_that_is_not_ours_to_touch_is_left_to_the_byte() {
    const ROOM: &str = "badaws";
    let world = world();
    room(&world, ROOM);
    let good = app(&world, "aws-good");
    let value = value_of(fields(&good));
    let claim = |owner: &str| {
        json!({"Tags": [{"Key": "managed-secrets.io/owner", "Value": owner}, {"Key": "managed-secrets.io/cluster", "Value": "another-cluster"},
        {"Key": "managed-secrets.io/namespace", "Value": ROOM}, {"Key": "managed-secrets.io/namespace-uid", "Value": "another"}, {"Key": "managed-secrets.io/uid", "Value": "another"}]})
    };
    let none = json!({});
    let wrong = |app: &sandbox::App| value_of(changed(app, "consumerSecret", &"0".repeat(64)));
    let bigid = json!({"hostname": "acme.bigid.cloud", "refreshToken": "token"});
    let untouched = [
        ("legacy/badaws/scheduled", made(&world, "legacy/badaws/scheduled", &value, &none)),
        ("legacy/badaws/owned", made(&world, "legacy/badaws/owned", &value, &claim("other/badaws/owned"))),
        ("legacy/badaws/by-aws", made(&world, "legacy/badaws/by-aws", &bigid, &json!({"Type": "BigIDClientSecret"}))),
        ("legacy/badaws/malformed", made(&world, "legacy/badaws/malformed", &json!({"password": "x"}), &none)),
        ("legacy/badaws/refused", made(&world, "legacy/badaws/refused", &wrong(&good), &none)),
        ("badaws/badaws/taken", made(&world, "badaws/badaws/taken", &value, &none)),
        ("badaws/badaws/forged", made(&world, "badaws/badaws/forged", &value, &claim("badaws/badaws/forged"))),
        ("badaws/badaws/doomed", made(&world, "badaws/badaws/doomed", &value, &none)),
    ];
    for name in ["legacy/badaws/scheduled", "badaws/badaws/doomed"] {
        aws(&world, "DeleteSecret", &json!({"SecretId": name, "RecoveryWindowInDays": 30}));
    }
    let mut empty = json!({"Name": "legacy/badaws/empty"});
    empty["Description"] = "no value".into();
    empty["Tags"] = json!([iam::granted(&world, ROOM)]);
    aws(&world, "CreateSecret", &empty);
    seed(&world, ROOM, "seed", &fields(&good));
    let adopted = |name: &str| {
        json!({"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}}, "onboard": {"adopt": {}},
            "storeRef": {"secretName": format!("legacy/badaws/{name}")}, "targets": [{"name": format!("target-{name}")}]})
    };
    let mut keyed = from_seed("seed");
    keyed["regions"] = json!([{"name": "us-west-2", "kmsKeyID": "alias/no-such-key"}]);
    // IAM allows the key behind that alias, which then can't be used.
    let alias = format!("arn:aws:kms:us-west-2:{}:alias/no-such-key", iam::ACCOUNT);
    let aliases = BTreeMap::from([(alias, iam::key("us-west-2"))]);
    world.judge(Setup { aliases, ..Setup::default() });
    turn(&world, |knobs| knobs.kms_keys = Some(vec![iam::key("us-west-2"), iam::key("eu-west-1")]));
    let rows = [
        stalled(
            "scheduled",
            adopted("scheduled"),
            "SecretScheduledForDeletion",
            &["legacy/badaws/scheduled", "everything is held", "aws secretsmanager restore-secret"],
        ),
        stalled(
            "owned",
            adopted("owned"),
            "SecretOwnedByAnother",
            &["legacy/badaws/owned", "left as it is", "spec.takeOver"],
        ),
        stalled("by-aws", adopted("by-aws"), "RotatedElsewhere", &["spec.rotation.engine", "turn its rotation off"]),
        stalled("malformed", adopted("malformed"), "CredentialRejected", &["AWSCURRENT", "bring a new credential"]),
        stalled("refused", adopted("refused"), "CredentialRejected", &["AWSCURRENT", "bring a new credential"]),
        stalled("empty", adopted("empty"), "SecretMissing", &["legacy/badaws/empty", "AWSCURRENT"]),
        waiting("absent", adopted("absent"), "SecretNotFound", &["spec.storeRef.secretName", "legacy/badaws/absent"]),
        stalled(
            "taken",
            from_seed("seed"),
            "SecretOwnedByAnother",
            &["badaws/badaws/taken", "left as it is", "delete or rename it"],
        ),
        stalled("forged", from_seed("seed"), "SecretOwnedByAnother", &["badaws/badaws/forged", "spec.takeOver"]),
        stalled("doomed", from_seed("seed"), "SecretScheduledForDeletion", &["badaws/badaws/doomed", "restore-secret"]),
        stalled("keyed", keyed, "AccessDenied", &["spec.regions[].kmsKeyID", "EncryptionFailure", "name another"]),
    ];
    let as_they_are = || untouched.iter().map(|(name, _)| described(&world, name).unwrap()).collect::<Vec<_>>();
    let before = (now(&world), as_they_are());
    let operator = world.operator(&[]);
    make(&world, ROOM, &rows);
    told(&world, ROOM, &rows, 60);
    let after = as_they_are();
    let without_access = |mut secret: Value| {
        secret.as_object_mut().unwrap().remove("LastAccessedDate");
        secret
    };
    for (before, after) in before.1.into_iter().zip(after) {
        assert_eq!(without_access(before), without_access(after));
    }
    let quiet = |deed: &String| deed.starts_with("GetSecretValue") || deed.starts_with("CreateSecret ");
    let loud: Vec<_> = deeds(&world, before.0).into_iter().filter(|deed| !quiet(deed)).collect();
    assert_eq!(loud, Vec::<String>::new(), "reads, and the create that the key refuses, are all");
    assert_eq!(logs_in(&world, &good), (true, 1));
    assert!(
        world.get(&["secret", "-n", ROOM])["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|secret| secret["metadata"]["name"] == "seed")
    );

    // What was absent is there later.
    turn(&world, |knobs| knobs.kms_keys = None);
    let late = app(&world, "aws-late");
    let value = value_of(fields(&late));
    made(&world, "legacy/badaws/absent", &value, &none);
    world.condition(&["mes", "-n", ROOM, "absent"], "Ready", "True", Some("InService"), 60);
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

#[test]
fn what_a_person_does_to_the_labels_is_tried_before_anything_carries_it_and_told() {
    const ROOM: &str = "badlabels";
    let world = world();
    room(&world, ROOM);
    let (one, other, third) = (app(&world, "labels"), app(&world, "labels-other"), app(&world, "labels-third"));
    let operator = world.operator(&[]);
    for (name, app) in [("moved", &one), ("pending", &other), ("gone", &third)] {
        seed(&world, ROOM, name, &fields(app));
        let mut spec = from_seed(name);
        spec["targets"] = json!([{"name": format!("{name}-target")}]);
        spec["rotation"]["overlap"] = "2s".into();
        world.apply(&resource(ROOM, name, &spec));
    }
    for name in ["moved", "pending", "gone"] {
        world.condition(&["mes", "-n", ROOM, name], "Ready", "True", Some("InService"), 60);
    }
    let id = |name: &str| format!("{ROOM}/{ROOM}/{name}");

    // AWSCURRENT put by hand onto a value that the partner refuses: seen, and nothing is given it while the partner may only
    // be slow to accept it (that AWSCURRENT goes back afterwards is tried in `brought`); nothing is revoked.
    let before = now(&world);
    let by_hand = "by-a-person-0000000000000000000001";
    let bad = value_of(changed(&one, "consumerSecret", "BAD0"));
    aws(
        &world,
        "PutSecretValue",
        &json!({"SecretId": id("moved"), "SecretString": bad.to_string(), "ClientRequestToken": by_hand}),
    );
    world.eventually("it is seen", 30, |world| {
        let mes = world.get(&["mes", "-n", ROOM, "moved"]);
        let versions = mes["status"]["versions"].as_array().cloned().unwrap_or_default();
        let seen = versions.iter().any(|version| version["id"] == by_hand && version["state"] == "Current");
        if seen { Ok(()) } else { Err(mes["status"].to_string()) }
    });
    std::thread::sleep(std::time::Duration::from_secs(5));
    let carried = text(&world.get(&["secret", "-n", ROOM, "moved-target"]), "consumerSecret");
    assert_eq!(carried, one.consumer_secret, "the target keeps what works");
    let labels = described(&world, &id("moved")).unwrap()["VersionIdsToStages"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 2, "{labels}");
    let done: Vec<_> = deeds(&world, before)
        .into_iter()
        .filter(|deed| !deed.starts_with("GetSecretValue") && !deed.starts_with("usage"))
        .collect();
    assert!(done.iter().all(|deed| !deed.starts_with("Put") && !deed.starts_with("delete")), "{done:?}");
    assert_eq!(logs_in(&world, &one), (true, 1));

    // AWSCURRENT taken away with the secret: targets are kept.
    aws(&world, "DeleteSecret", &json!({"SecretId": id("gone"), "RecoveryWindowInDays": 7}));
    let row =
        [stalled("gone", json!({}), "SecretScheduledForDeletion", &["badlabels/badlabels/gone", "restore-secret"])];
    told(&world, ROOM, &row, 30);
    assert_eq!(text(&world.get(&["secret", "-n", ROOM, "gone-target"]), "consumerSecret"), third.consumer_secret);
    aws(&world, "RestoreSecret", &json!({"SecretId": id("gone")}));
    world.condition(&["mes", "-n", ROOM, "gone"], "Ready", "True", Some("InService"), 60);

    // AWSPENDING left by somebody else: its bytes are never promoted, and the rotation goes through.
    let strange = "by-a-person-0000000000000000000002";
    aws(
        &world,
        "PutSecretValue",
        &json!({"SecretId": id("pending"), "SecretString": "{\"stranger\":\"1\"}", "ClientRequestToken": strange, "VersionStages": ["AWSPENDING"]}),
    );
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "metadata": {"name": "pending-now", "namespace": ROOM}, "spec": {"resourceRef": {"name": "pending"}}}));
    world.condition(&["rot", "-n", ROOM, "pending-now"], "Complete", "True", Some("Revoked"), 60);
    let labels = described(&world, &id("pending")).unwrap()["VersionIdsToStages"].clone();
    let stages: Vec<String> = labels.as_object().unwrap().values().map(Value::to_string).collect();
    assert_eq!((stages.len(), labels[strange].is_null()), (2, true), "{labels}");
    assert!(!logs_in(&world, &other).0, "the old pair is revoked");
    assert!(!text(&world.get(&["secret", "-n", ROOM, "pending-target"]), "consumerSecret").is_empty());
    alive(&operator);
    clear(&world, ROOM);
    drop(operator);
}

//! Bad input: what a person sees of it, and that nothing else happened.
//!
//! Each row is a resource with one thing wrong. Rows that need the same set-up are made together and waited for together.
//! A row says condition, reason and the words of the message that name field and remedy; every reason of `Stalled` is an
//! event too. What the schema refuses is tried by the table of the API and not again here.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use sandbox::{App, Door, Entry, Fate, Fault, Knobs};
use serde_json::{Value, json};

use crate::iam;
use crate::world::{Operator, World, condition_of};

/// The Salesforce host of the sandbox that the operator reaches.
pub(crate) const HOST: &str = "acme.my.salesforce.com";

/// What is to be said of one resource.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) spec: Value,
    pub(crate) condition: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) says: &'static [&'static str],
}

/// A person must act.
pub(crate) fn stalled(name: &'static str, spec: Value, reason: &'static str, says: &'static [&'static str]) -> Row {
    Row { name, spec, condition: "Stalled", status: "True", reason, says }
}

/// Something else must come.
pub(crate) fn waiting(name: &'static str, spec: Value, reason: &'static str, says: &'static [&'static str]) -> Row {
    Row { name, spec, condition: "Reconciling", status: "True", reason, says }
}

/// Makes a namespace whose databases are served by `pg-main`, and a store of its own with the namespace's name.
pub(crate) fn room(world: &World, namespace: &str) {
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"db": "main", "bad": "input"}}}));
    world.lend(namespace);
    world.lend_home();
    world.apply(&store(world, namespace, namespace));
}

/// A store like `default`, for one namespace.
pub(crate) fn store(world: &World, name: &str, namespace: &str) -> Value {
    iam::admit(world, name, &["us-west-2", "eu-west-1"], &["legacy/{namespace}/*"], iam::To::Role);
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "SecretsManagerStore", "metadata": {"name": name},
        "spec": {"region": "us-west-2", "accountID": "123456789012", "auth": {"secretRef": {"name": "aws-keys"}, "assumeRole": {"roleARN": iam::role(name)}},
            "kmsKeyID": iam::key("us-west-2"),
            "endpoint": world.sandbox.url(), "prefix": name, "regions": [{"name": "eu-west-1", "kmsKeyID": iam::key("eu-west-1")}],
            "rotationRoleARN": "arn:aws:iam::123456789012:role/mes-rotation",
            "grants": [{"namespaces": [namespace], "manage": ["legacy/{namespace}/*"], "observe": ["legacy/{namespace}/*"]}]}})
}

/// Takes everything of a room away; the operator must run.
pub(crate) fn clear(world: &World, namespace: &str) {
    world.sandbox.with(|sandbox| sandbox.clear_faults());
    world.plane.kubectl_ok(["delete", "rot,mes", "--all", "-n", namespace, "--timeout=300s"]).unwrap();
    world.plane.kubectl_ok(["delete", "smstore", namespace, "--ignore-not-found"]).unwrap();
    world.plane.kubectl_ok(["delete", "namespace", namespace, "--wait=false"]).unwrap();
}

/// A resource of a room.
pub(crate) fn resource(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec["storeRef"]["name"].is_null() {
        spec["storeRef"]["name"] = namespace.into();
    }
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// Makes the resources of all rows at once.
pub(crate) fn make(world: &World, namespace: &str, rows: &[Row]) {
    let items: Vec<Value> = rows.iter().map(|row| resource(namespace, row.name, &row.spec)).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
}

/// Waits until all rows are told as they shall be: the condition, its words, and the event where a person must act.
pub(crate) fn told(world: &World, namespace: &str, rows: &[Row], seconds: u64) {
    let all = world.eventually("all rows are told", seconds, |world| {
        let list = world.get(&["mes", "-n", namespace]);
        let all: BTreeMap<String, Value> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| (each["metadata"]["name"].as_str().unwrap().to_owned(), each.clone()))
            .collect();
        let wrong: Vec<String> = rows.iter().filter_map(|row| row.mismatch(&all[row.name])).collect();
        if wrong.is_empty() { Ok(all) } else { Err(wrong.join("\n")) }
    });
    for row in rows {
        let object = &all[row.name];
        let message = condition_of(object, row.condition)["message"].as_str().unwrap();
        println!("{namespace}/{}: {}={} {}: {message}", row.name, row.condition, row.status, row.reason);
        assert_eq!(condition_of(object, row.condition)["observedGeneration"], object["metadata"]["generation"]);
        if row.condition == "Stalled" {
            let ready = condition_of(object, "Ready");
            assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!(row.reason)), "{}", row.name);
            told_by_an_event(world, namespace, row.name, row.reason, message);
        }
    }
}

/// The event of a reason: a warning about this resource with the condition's words, as far as an event holds them.
pub(crate) fn told_by_an_event(world: &World, namespace: &str, name: &str, reason: &str, message: &str) {
    let event = world.eventually(&format!("event {reason} about {name}"), 10, |world| {
        let events = world.get(&["events.events.k8s.io", "-n", namespace]);
        let found = events["items"].as_array().unwrap().iter().find(|event| {
            event["regarding"]["name"] == name && event["reason"] == reason && event["type"] == "Warning"
        });
        found.cloned().ok_or_else(|| "none".to_owned())
    });
    let note = event["note"].as_str().unwrap();
    assert!(
        message.starts_with(note) && !note.is_empty(),
        "{name}: the event says {note:?}, the condition {message:?}"
    );
}

impl Row {
    fn mismatch(&self, object: &Value) -> Option<String> {
        let found = condition_of(object, self.condition);
        let message = found["message"].as_str().unwrap_or_default();
        let says = self.says.iter().all(|words| message.contains(words));
        let fits = found["status"] == self.status && found["reason"] == self.reason && says;
        let all = || object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        (!fits).then(|| {
            let short = all()
                .iter()
                .map(|each| format!("{}={} {} ({})", each["type"], each["status"], each["reason"], each["message"]))
                .collect::<Vec<_>>();
            let Self { name, condition, status, reason, says, .. } = self;
            format!("{name}: wanted {condition}={status} {reason} with {says:?}, is {}", short.join("; "))
        })
    }
}

/// A Secret with these texts.
pub(crate) fn secret(world: &World, namespace: &str, name: &str, type_: &str, fields: &[(&str, &str)]) {
    let data: BTreeMap<&str, &str> = fields.iter().copied().collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "Secret", "type": type_,
        "metadata": {"name": name, "namespace": namespace}, "stringData": data}));
}

/// A seed with these fields.
pub(crate) fn seed(world: &World, namespace: &str, name: &str, fields: &[(&str, &str)]) {
    secret(world, namespace, name, "managed-secrets.io/seed", fields);
}

/// The fields of an app's main pair.
pub(crate) fn fields(app: &App) -> [(&str, &str); 5] {
    [
        ("consumerKey", &app.consumer_key),
        ("consumerSecret", &app.consumer_secret),
        ("baseUri", &app.base_uri),
        ("appId", &app.app_id),
        ("consumerId", &app.consumer_id),
    ]
}

/// A value with these fields, as Secrets Manager holds it.
pub(crate) fn value_of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    fields.into_iter().map(|(key, text)| (key.to_owned(), json!(text))).collect::<serde_json::Map<_, _>>().into()
}

/// The fields of an app, one of them changed.
pub(crate) fn changed<'a>(app: &'a App, field: &'a str, text: &'a str) -> Vec<(&'a str, &'a str)> {
    let kept = fields(app).into_iter().filter(|(name, _)| *name != field);
    kept.chain([(field, text)]).collect()
}

/// Salesforce from a seed, rotated on request only.
pub(crate) fn from_seed(seed: &str) -> Value {
    json!({"partner": {"type": "SalesforceClientSecret", "parameters": {"apiVersion": "v65.0"}},
        "onboard": {"fromSecret": {"name": seed}}, "rotation": {"first": "Scheduled", "overlap": "2s"}})
}

/// A new app of the sandbox, which may manage itself.
pub(crate) fn app(world: &World, name: &str) -> App {
    world.sandbox.with(|sandbox| sandbox.salesforce_app(HOST, name, true))
}

/// Whether an app's pair logs in, and how many pairs of its app are live.
pub(crate) fn logs_in(world: &World, app: &App) -> (bool, usize) {
    world.sandbox.with(|sandbox| sandbox.salesforce_logs_in(&app.consumer_key, &app.consumer_secret, Timestamp::now()))
}

/// One call to Secrets Manager by somebody who is not the operator.
pub(crate) fn aws(world: &World, operation: &str, body: &Value) -> Value {
    let request = Request::post("/")
        .header("x-amz-target", format!("secretsmanager.{operation}"))
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIASOMEBODYELSE0001/20260101/us-west-2/secretsmanager/aws4_request",
        )
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let answer = world.sandbox.with(|sandbox| sandbox.call(Door::Aws, &request, Timestamp::now()));
    let told = answer.json();
    assert_eq!(answer.status(), 200, "{operation}: {told}");
    told
}

/// What `DescribeSecret` tells; `None`: there is no such secret.
pub(crate) fn described(world: &World, name: &str) -> Option<Value> {
    let listed = aws(
        world,
        "ListSecrets",
        &json!({"IncludePlannedDeletion": true, "MaxResults": 100, "Filters": [{"Key": "name", "Values": [name]}]}),
    );
    let there = listed["SecretList"].as_array().unwrap().iter().any(|secret| secret["Name"] == name);
    there.then(|| aws(world, "DescribeSecret", &json!({"SecretId": name})))
}

/// The calls of the operator after a number that can change something at AWS or a partner, or read a value from AWS.
pub(crate) fn deeds(world: &World, after: u64) -> Vec<String> {
    const QUIET: [&str; 7] =
        ["AssumeRole", "ListSecrets", "DescribeSecret", "GetCallerIdentity", "token", "usage", "main_pair"];
    let log = world.sandbox.with(|sandbox| sandbox.log(after));
    let ours = |entry: &&Entry| !entry.caller.contains("AKIASOMEBODYELSE0001");
    let loud = |entry: &&Entry| !QUIET.contains(&entry.operation.as_str());
    log.iter()
        .filter(ours)
        .filter(loud)
        .map(|entry| format!("{} {}", entry.operation, entry.resource.clone().unwrap_or_default()))
        .collect()
}

/// The number of the last call.
pub(crate) fn now(world: &World) -> u64 {
    world.sandbox.with(|sandbox| sandbox.log(0).last().map_or(0, |entry| entry.number))
}

/// Turns knobs of the sandbox.
pub(crate) fn turn(world: &World, set: impl FnOnce(&mut Knobs)) {
    world.sandbox.with(|sandbox| sandbox.turn(Timestamp::now(), set));
}

/// Strikes every call through a door, of one operation where one is named.
pub(crate) fn strike(world: &World, door: &str, operation: Option<&str>, resource: Option<&str>, fate: Fate) -> u64 {
    let fault = Fault {
        door: Some(door.to_owned()),
        operation: operation.map(str::to_owned),
        resource: resource.map(str::to_owned),
        ..Fault::of(fate)
    };
    world.sandbox.with(|sandbox| sandbox.plant(fault))
}

/// Every role of the server with its password's verifier: equal if nobody changed one.
pub(crate) fn all_roles(world: &World) -> String {
    world.postgres.psql("SELECT rolname, rolcanlogin, rolpassword FROM pg_authid ORDER BY rolname").unwrap()
}

/// A text of a Secret.
pub(crate) fn text(secret: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap()).unwrap()
}

/// Whether the operator is still the process that was started.
pub(crate) fn alive(operator: &Operator) {
    assert!(std::path::Path::new(&format!("/proc/{}/cmdline", operator.pid())).exists(), "the operator runs");
}

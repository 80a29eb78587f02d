//! What only the stand-in has: its seed, its memory, its clock. The rest is asserted of it and of a real server alike, in
//! `tests/fidelity`.

use super::*;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn ask(server: &mut ApiServer, method: &str, path: &str, body: Value) -> (u16, Value) {
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header("content-type", content).body(body).unwrap();
    match server.answer(&request, Timestamp::UNIX_EPOCH) {
        Reply::Whole(response) => (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap()),
        Reply::Watch(_) => panic!("{path} is a watch"),
    }
}

fn watch(server: &mut ApiServer, path: &str) -> Watch {
    let request = Request::builder().uri(path).body(Bytes::new()).unwrap();
    match server.answer(&request, Timestamp::UNIX_EPOCH) {
        Reply::Watch(watch) => watch,
        Reply::Whole(response) => panic!("{response:?}"),
    }
}

fn told(server: &mut ApiServer, watch: &mut Watch, seconds: i64) -> Vec<String> {
    let now = Timestamp::from_second(seconds).unwrap();
    let events = server.read(watch, now).into_iter().map(|line| serde_json::from_slice::<Value>(&line).unwrap());
    events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

fn secret(name: &str) -> Value {
    json!({"metadata": {"name": name}, "stringData": {"k": "v"}})
}

#[test]
fn the_same_seed_and_calls_make_the_same_world() {
    let world = |seed| {
        let mut server = ApiServer::new(seed);
        ask(&mut server, "POST", SECRETS, json!({"metadata": {"generateName": "a-"}}));
        server.objects("secrets").cloned().collect::<Vec<_>>()
    };
    assert_eq!(world(1), world(1));
    assert_ne!(world(1), world(2));
}

#[test]
fn a_watch_that_needs_a_forgotten_past_is_told_so_and_ends() {
    let mut server = ApiServer::new(0);
    let since = server.revision();
    let path = format!("{SECRETS}?watch=1&resourceVersion={since}");
    let (mut slow, mut quick) = (watch(&mut server, &path), watch(&mut server, &path));
    ask(&mut server, "POST", SECRETS, secret("a"));
    assert_eq!(told(&mut server, &mut quick, 0), ["ADDED"]);
    let revision = server.revision();
    server.compact(revision);
    assert_eq!(told(&mut server, &mut slow, 0), ["ERROR"]);
    assert!(slow.is_over() && told(&mut server, &mut slow, 0).is_empty());
    ask(&mut server, "DELETE", &format!("{SECRETS}/a"), Value::Null);
    assert_eq!(told(&mut server, &mut quick, 0), ["DELETED"]);
}

#[test]
fn bookmarks_and_the_end_come_by_the_clock_that_is_handed_in() {
    let mut server = ApiServer::new(0);
    let mut watch = watch(
        &mut server,
        &format!("{SECRETS}?watch=true&allowWatchBookmarks=true&timeoutSeconds=100&resourceVersion=4"),
    );
    assert_eq!(watch.due(), Timestamp::from_second(60).ok());
    assert!(told(&mut server, &mut watch, 59).is_empty());
    assert_eq!(told(&mut server, &mut watch, 60), ["BOOKMARK"]);
    assert_eq!(watch.due(), Timestamp::from_second(100).ok());
    assert!(told(&mut server, &mut watch, 100).is_empty() && watch.is_over());
}

#[test]
fn pages_of_a_forgotten_past_are_expired() {
    let mut server = ApiServer::new(0);
    for name in ["a", "b", "c"] {
        assert_eq!(ask(&mut server, "POST", SECRETS, secret(name)).0, 201);
    }
    let (_, first) = ask(&mut server, "GET", &format!("{SECRETS}?limit=2"), Value::Null);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let next = format!("{SECRETS}?limit=2&continue={token}");
    ask(&mut server, "DELETE", &format!("{SECRETS}/c"), Value::Null);
    let (_, second) = ask(&mut server, "GET", &next, Value::Null);
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    let revision = server.revision();
    server.compact(revision);
    let (status, expired) = ask(&mut server, "GET", &next, Value::Null);
    assert_eq!((status, &expired["reason"]), (410, &json!("Expired")));
}

#[test]
fn owners_and_namespaces_take_what_is_theirs_with_them() {
    let mut server = ApiServer::new(0);
    ask(&mut server, "POST", "/api/v1/namespaces", json!({"metadata": {"name": "n"}}));
    let secrets = "/api/v1/namespaces/n/secrets";
    let owner = ask(&mut server, "POST", secrets, secret("owner")).1;
    let mut owned = secret("owned");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Secret", "name": "owner", "uid": owner["metadata"]["uid"]}]);
    ask(&mut server, "POST", secrets, owned);
    let mut held = secret("held");
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    ask(&mut server, "POST", secrets, held);
    assert_eq!(server.collect(Timestamp::UNIX_EPOCH), 0);
    ask(&mut server, "DELETE", &format!("{secrets}/owner"), Value::Null);
    assert_eq!(server.collect(Timestamp::UNIX_EPOCH), 1);
    ask(&mut server, "DELETE", "/api/v1/namespaces/n", Value::Null);
    assert_eq!(server.collect(Timestamp::UNIX_EPOCH), 0);
    assert_eq!(ask(&mut server, "POST", secrets, secret("late")).0, 403);
    let free = json!({"metadata": {"finalizers": null}});
    assert_eq!(ask(&mut server, "PATCH", &format!("{secrets}/held"), free).0, 200);
    assert_eq!(server.collect(Timestamp::UNIX_EPOCH), 1);
    assert_eq!(ask(&mut server, "GET", "/api/v1/namespaces/n", Value::Null).0, 404);
    assert_eq!(server.objects("secrets").count(), 0);
}

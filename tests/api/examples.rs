//! `examples/`: taken by the server as they are, and quiet when applied again, as GitOps does every few minutes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::server::{said, server, yaml_files};

/// Both tests apply the same objects, so one at a time.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn examples_applied_twice_server_side_write_once_and_differ_in_nothing() {
    quiet(&["--server-side"]);
}

#[test]
fn examples_applied_twice_client_side_write_once_and_differ_in_nothing() {
    quiet(&[]);
}

#[test]
fn the_examples_are_the_scenarios_that_this_version_can_do() {
    let number = |name: &str| name.split('-').next().unwrap().parse::<u8>().unwrap();
    let files = yaml_files("examples");
    let numbers: Vec<u8> = files.iter().map(|file| number(file.file_name().unwrap().to_str().unwrap())).collect();
    assert_eq!(numbers, [1, 2, 3, 5, 7, 11, 14, 15, 16]);
}

fn quiet(how: &[&str]) {
    let _one = ONE.lock();
    let folder = yaml_files("examples")[0].parent().unwrap().to_str().unwrap().to_owned();
    let apply = || server().kubectl_ok(["apply", "-f", &folder].iter().chain(how)).unwrap();
    apply();
    let first = revisions(&folder);
    assert!(first.len() >= 12, "{first:?}");
    apply();
    assert_eq!(revisions(&folder), first, "the second apply wrote");
    let difference = server().kubectl(["diff", "-f", &folder].iter().chain(how)).unwrap();
    assert!(difference.status.success() && difference.stdout.is_empty(), "{}", said(&difference));
    server().kubectl_ok(["delete", "-f", &folder]).unwrap();
}

/// Kind and name -> resourceVersion, of all objects of the examples.
fn revisions(folder: &str) -> BTreeMap<String, String> {
    let list: Value = serde_json::from_str(&server().kubectl_ok(["get", "-f", folder, "-o", "json"]).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let name = format!("{} {}", text(&item["kind"]), text(&item["metadata"]["name"]));
            (name, text(&item["metadata"]["resourceVersion"]))
        })
        .collect()
}

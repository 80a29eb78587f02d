//! The judge is judged: bad samples must be found, good ones not.

use std::path::Path;

use super::paths::named;
use super::{arrows, by_hand, depends_on, foreign_words, shape, unchecked};

fn faults(path: &str, text: &str) -> usize {
    let found = arrows(Path::new(path), text);
    found.iter().for_each(|fault| println!("{fault}"));
    found.len()
}

#[test]
fn a_path_is_found_however_it_is_written() {
    for (text, path) in [
        ("use crate::aws::Region;", "crate::aws::Region"),
        ("use crate::{clock::Clock, aws::{self, read}};", "crate::aws::read"),
        ("use {crate::aws as store, std::fmt};", "crate::aws"),
        ("pub(crate) use super::super::aws::*;", "crate::aws::*"),
        ("fn f() { let x = crate::aws::read(); }", "crate::aws::read"),
        ("impl From<crate::aws::Fault> for X {}", "crate::aws::Fault"),
        ("mod tests { use super::super::super::aws; }", "crate::aws"),
    ] {
        let modules = ["partners".to_owned(), "salesforce".to_owned()];
        let found: Vec<String> = named(text, &modules).into_iter().map(|named| named.path.join("::")).collect();
        assert!(found.contains(&path.to_owned()), "{text}: {found:?}");
    }
}

#[test]
fn comments_strings_and_characters_name_nothing() {
    let text = r##"
        //! crate::aws::one
        /* crate::aws::two /* nested */ crate::aws::three */
        const A: &str = "crate::aws::four \" crate::aws::five";
        const B: &str = r#"crate::aws::six " crate::aws::seven"#;
        fn f<'a>(quote: &'a char) -> bool { *quote == '"' || *quote == '\'' }
        const C: &str = "crate::aws::eight";
    "##;
    assert_eq!(faults("src/cluster/target.rs", text), 0);
}

#[test]
fn a_room_names_only_what_the_arrows_allow() {
    assert_eq!(faults("src/cluster/target.rs", "use crate::api::Rotation;\nuse super::client;"), 0);
    assert_eq!(faults("src/cluster/target.rs", "use crate::aws::Region;"), 1);
    assert_eq!(faults("src/partners/salesforce.rs", "use crate::{clock::Random, cluster::Fault};"), 1);
    assert_eq!(faults("src/clock.rs", "use super::controller;"), 1);
    assert_eq!(faults("src/clock.rs", "mod tests { use super::*; }"), 0);
    assert_eq!(faults("src/controller/look.rs", "use crate::cli::run;"), 1);
    assert_eq!(faults("src/main.rs", "use managed_external_secrets::cli;"), 0);
    assert_eq!(faults("src/main.rs", "use managed_external_secrets::aws;"), 1);
    assert_eq!(faults("src/newroom/mod.rs", "use crate::api;"), 1, "a room without a row is told");
}

#[test]
fn a_path_or_a_statement_that_is_made_by_hand_is_found() {
    let found = |path: &str, text: &str| by_hand(Path::new(path), text).len();
    for text in [
        "let path = format!(\"/apps/{id}\");",
        "let path = format!(\"{base}/{id}\");",
        "let path = format!(\n    \"/apps/{id}\"\n);",
        "let url = format!(\"https://{host}\");",
        "let query = format!(\"?part={part}\");",
        "write!(out, \"alter role {role} nologin\")?;",
        "let sql = format!(\"SELECT {column}\");",
    ] {
        assert_eq!(found("src/partners/acme.rs", text), 1, "{text}");
        assert_eq!(found("src/partners/encode.rs", text), 0);
        assert_eq!(found("src/cli/run.rs", text), 0);
    }
    for text in ["let tag = format!(\"{slot}@{version}\");", "let fixed = \"/apps\";", "// format!(\"/{x}\")"] {
        assert_eq!(found("src/partners/acme.rs", text), 0, "{text}");
    }
    assert_eq!(unchecked(Path::new("src/x.rs"), "config.dangerous().set_certificate_verifier(any);").len(), 2);
    assert_eq!(unchecked(Path::new("src/x.rs"), "#[cfg(test)]\nuse danger_;"), Vec::<String>::new());
}

#[test]
fn the_sdk_the_cluster_and_sockets_each_have_one_home() {
    assert_eq!(faults("src/aws/read.rs", "use aws_sdk_secretsmanager::Client;"), 0);
    assert_eq!(faults("src/controller/look.rs", "use aws_sdk_secretsmanager::Client;"), 1);
    assert_eq!(faults("src/partners/salesforce.rs", "use kube::Client;"), 1);
    assert_eq!(faults("src/partners/doors/dialer.rs", "use tokio::net::TcpStream;"), 0);
    assert_eq!(faults("src/partners/salesforce.rs", "use tokio::net::{self, TcpStream};"), 1);
    assert_eq!(faults("src/cluster/client.rs", "use hyper_util::client::legacy::connect::HttpConnector;"), 0);
    assert_eq!(faults("src/cluster/target.rs", "use hyper_util::client::legacy::connect::HttpConnector;"), 1);
    assert_eq!(faults("src/partners/postgresql.rs", "async fn f() { tokio_postgres::connect() }"), 1);
}

#[test]
fn nothing_shipped_names_a_stand_in_and_stand_ins_name_nothing_of_ours() {
    assert_eq!(faults("src/cli/run.rs", "use sandbox::World;"), 1);
    assert_eq!(faults("src/aws/read.rs", "#[cfg(test)] mod tests { use sandbox::World; }"), 0);
    assert_eq!(faults("crates/sandbox/src/world.rs", "use mes_core::names::Region;"), 1);
    assert_eq!(faults("crates/sandbox/src/main.rs", "use sandbox::World;"), 0);
    assert_eq!(faults("xtask/src/demo.rs", "use managed_external_secrets::api;"), 1);
}

#[test]
fn the_core_does_nothing() {
    assert_eq!(faults("crates/core/src/decide.rs", "use std::collections::BTreeMap; use std::time::Duration;"), 0);
    assert_eq!(faults("crates/core/src/decide.rs", "use std::time::Instant;"), 1);
    assert_eq!(faults("crates/core/src/scope.rs", "use std::net::{IpAddr, TcpStream};"), 1);
    assert_eq!(faults("crates/core/src/decide.rs", "use std::{env, fs::File};"), 2);
    assert_eq!(faults("crates/core/src/decide.rs", "pub async fn f() {}"), 1);
    let manifest = "[dependencies]\njiff.workspace = true\ntokio = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
    let found = depends_on("crates/core/Cargo.toml", manifest, |name| name != "jiff");
    assert_eq!(found, ["crates/core/Cargo.toml: [dependencies] must not have tokio"]);
}

#[test]
fn length_name_and_words_of_a_file_are_held() {
    let long = "fn f() {}\n".repeat(601);
    assert_eq!(shape(Path::new("src/aws/read.rs"), &long).len(), 1);
    let tested = format!("{}#[cfg(test)]\n{long}", &long[..5000]);
    assert_eq!(shape(Path::new("src/aws/read.rs"), &tested).len(), 0);
    assert_eq!(shape(Path::new("src/aws/tests.rs"), &long).len(), 0);
    assert_eq!(shape(Path::new("src/main.rs"), &long[..410]).len(), 1);
    assert_eq!(shape(Path::new("src/aws/utils.rs"), "").len(), 1);
    assert_eq!(shape(Path::new("src/common/read.rs"), "").len(), 1);
    assert_eq!(foreign_words(Path::new("README.md"), concat!("see /wo", "rk/main")).len(), 1);
    assert_eq!(foreign_words(Path::new("Cargo.lock"), concat!("crates", ".io")).len(), 0);
}

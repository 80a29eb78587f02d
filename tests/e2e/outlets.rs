//! Everything that leaves the operator's process beside the calls that carry a credential, as text to be searched, and the
//! forms in which a credential is found in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::world::{Operator, World};

/// Of a canary so much is looked for, so that a text which was cut is found too.
const PREFIX: usize = 12;

/// A name of an outlet and what came out of it.
pub(crate) type Outlet = (&'static str, String);

/// The forms in which text is found in logs: raw, JSON, URL, hexadecimal, and base64 wherever it begins in the encoded text.
pub(crate) fn forms(canary: &str) -> BTreeMap<&'static str, String> {
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
    let bytes = format!("{:?}", canary.as_bytes());
    BTreeMap::from([
        ("raw", canary.to_owned()),
        ("JSON", json.clone()),
        ("JSON in JSON", serde_json::to_string(&json).unwrap().trim_matches('"').to_owned()),
        ("URL", percent),
        ("hexadecimal", hex.clone()),
        ("HEXADECIMAL", hex.to_uppercase()),
        ("a list of bytes", bytes.trim_matches(['[', ']']).to_owned()),
        ("base64", inner(0, &standard)),
        ("base64 at 1", inner(1, &standard)),
        ("base64 at 2", inner(2, &standard)),
        ("base64url", inner(0, &url)),
        ("base64url at 1", inner(1, &url)),
        ("base64url at 2", inner(2, &url)),
    ])
}

/// Where the beginning of a canary is found, in which form, and after what.
pub(crate) fn found(canaries: &[String], outlets: &[Outlet]) -> Vec<String> {
    let prefix = |canary: &String| canary.char_indices().nth(PREFIX).map_or(canary.len(), |(end, _)| end);
    let sought: Vec<(&str, String)> =
        canaries.iter().flat_map(|canary| forms(&canary[..prefix(canary)])).collect::<Vec<_>>();
    let mut found = Vec::new();
    for (outlet, text) in outlets {
        assert!(!text.is_empty(), "nothing came out of the {outlet}");
        for (form, encoded) in &sought {
            if let Some(place) = text.find(encoded.as_str()) {
                let before: Vec<char> = text[..place].chars().rev().take(200).collect();
                found.push(format!("{form} in the {outlet}, after: {}", before.iter().rev().collect::<String>()));
            }
        }
    }
    found
}

/// All outlets as they are now. `audited`: the length of the API server's audit log when the test began.
pub(crate) fn outlets(world: &World, operator: &Operator, audited: u64) -> Vec<Outlet> {
    let process = |file: &str| std::fs::read(format!("/proc/{}/{file}", operator.pid())).unwrap();
    let process = |file: &str| String::from_utf8_lossy(&process(file)).into_owned();
    let mut outlets = objects(world);
    outlets.extend([
        ("log", operator.log()),
        ("metrics", metrics(operator)),
        ("arguments", process("cmdline")),
        ("environment", process("environ")),
        ("open files", open_files(operator)),
        ("metadata of Secrets", secrets(world)),
        ("API server's audit log", audit(world, audited)),
        ("lists, tags and descriptions of AWS", told_by_aws(world)),
    ]);
    outlets
}

/// What people read in the cluster. It is overwritten as things go on: a test looks more than once.
pub(crate) fn objects(world: &World) -> Vec<Outlet> {
    let kinds = "mes,rot,pacct,smstore,events.events.k8s.io,leases";
    let all = world.plane.kubectl_ok(["get", kinds, "-A", "-o", "json", "--show-managed-fields"]).unwrap();
    vec![("resources, Rotations, accounts, stores, events and leases", all)]
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

/// What each descriptor of the process is, and the bytes of those that are files, deleted ones included.
fn open_files(operator: &Operator) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(format!("/proc/{}/fd", operator.pid())).unwrap().flatten() {
        // One that was closed meanwhile is none.
        let Ok(link) = std::fs::read_link(entry.path()) else { continue };
        writeln!(text, "{}", link.display()).unwrap();
        if std::fs::metadata(entry.path()).is_ok_and(|file| file.is_file()) {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(text.contains("socket:"), "{text}");
    text
}

/// Every Secret of the cluster without its data.
fn secrets(world: &World) -> String {
    let list = world.plane.kubectl_ok(["get", "secrets", "-A", "-o", "json", "--show-managed-fields"]).unwrap();
    let mut list: Value = serde_json::from_str(&list).unwrap();
    for secret in list["items"].as_array_mut().unwrap() {
        secret.as_object_mut().unwrap().remove("data");
        secret.as_object_mut().unwrap().remove("stringData");
    }
    list.to_string()
}

/// What the API server wrote of every request since its audit log had so many bytes.
pub(crate) fn audit(world: &World, audited: u64) -> String {
    let mut log = std::fs::File::open(world.plane.audit_log()).expect("an audit log");
    log.seek(SeekFrom::Start(audited)).unwrap();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    text
}

/// Everything at AWS that is no value: lists, descriptions with tags and labels, and who called under which names.
fn told_by_aws(world: &World) -> String {
    let mut text = String::new();
    for region in ["us-west-2", "eu-west-1"] {
        let mut ask = json!({"IncludePlannedDeletion": true, "MaxResults": 100});
        loop {
            let listed = world.aws(region, "ListSecrets", &ask);
            for secret in listed["SecretList"].as_array().unwrap() {
                let described = world.aws(region, "DescribeSecret", &json!({"SecretId": secret["ARN"]}));
                let policy = world.aws(region, "GetResourcePolicy", &json!({"SecretId": secret["ARN"]}));
                writeln!(text, "{secret}\n{described}\n{policy}").unwrap();
            }
            match listed["NextToken"].as_str() {
                Some(token) => ask["NextToken"] = token.into(),
                None => break,
            }
        }
    }
    assert!(text.contains("managed-secrets.io/owner"), "{text}");
    let (calls, judged) = world.sandbox.with(|sandbox| (sandbox.log(0), sandbox.judgements()));
    for call in calls {
        writeln!(text, "{}", serde_json::to_string(&call).unwrap()).unwrap();
    }
    writeln!(text, "{judged:?}").unwrap();
    text
}

#[test]
fn a_canary_is_found_once_it_is_there() {
    let canary = "ca\"na/ry+0 1\\2~ and more of it";
    let cut: String = canary.chars().take(PREFIX + 3).collect();
    for (text, form) in [
        (format!("{{\"password\":{}}}", serde_json::to_string(&cut).unwrap()), "JSON"),
        (STANDARD.encode(&cut), "base64"),
        (STANDARD.encode(format!("1{cut}")), "base64 at 1"),
        (STANDARD.encode(format!("22{cut}yy")), "base64 at 2"),
        (STANDARD.encode(format!("333{cut}yy")), "base64"),
        (URL_SAFE.encode(format!("1{cut}")), "base64url at 1"),
        ("x=ca%22na%2Fry%2B0+1%5C2%7E".to_owned(), "URL"),
        (format!("{:?}", cut.as_bytes()), "a list of bytes"),
        ("{\\\"password\\\":\\\"ca\\\\\\\"na/ry+0 1\\\\\\\\2".to_owned(), "JSON in JSON"),
    ] {
        let found = found(&[canary.to_owned()], &[("text", text.clone())]);
        assert!(
            found.iter().any(|found| found.starts_with(&format!("{form} in the text"))),
            "{form}: {text}: {found:?}"
        );
    }
    assert_eq!(found(&[canary.to_owned()], &[("text", "ca\"na/ry".to_owned())]), Vec::<String>::new());
}

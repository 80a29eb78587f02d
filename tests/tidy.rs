//! The tree is as ARCHITECTURE.md draws it: which room names which, what only one room may name, how long a file gets.
//!
//! Run by `cargo xtask lint`. Reads source as text (`tidy/paths.rs`), so that it also sees code that is not compiled here.

#[path = "tidy/capabilities.rs"]
mod capabilities;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/tests.rs"]
mod tests;
#[path = "tidy/threats.rs"]
mod threats;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use paths::{Named, named};

/// The rooms of `src`, and what each may name of the others. `core ← clock ← partners`; `core ← api ← cluster`;
/// `core ← aws`; `{api, aws, partners, cluster} ← controller ← cli ← main`; `telemetry ← cli`. The clock is a leaf that
/// cluster (its lease) and telemetry name, too; the seal another, for aws and cluster. The core is a crate of its own, which all may name.
const ARROWS: [(&str, &[&str]); 10] = [
    ("clock", &[]),
    ("seal", &[]),
    ("api", &[]),
    ("aws", &["seal"]),
    ("telemetry", &["clock"]),
    ("partners", &["clock"]),
    ("cluster", &["api", "clock", "seal"]),
    ("controller", &["api", "aws", "clock", "cluster", "partners", "seal"]),
    ("cli", &["api", "aws", "clock", "cluster", "controller", "partners", "telemetry"]),
    ("main", &["cli"]),
];

/// Crates that only some rooms may name, by the beginning of their names.
const CRATES: [(&str, &[&str]); 10] = [
    ("aws_sdk_", &["aws"]),
    ("aws_config", &["aws"]),
    ("aws_smithy_", &["aws"]),
    ("aws_credential_types", &["aws"]),
    ("kube", &["api", "cluster", "controller", "cli"]),
    ("kube_runtime", &["controller"]),
    ("k8s_openapi", &["api", "cluster", "controller", "cli"]),
    ("tokio_postgres", &["partners/doors"]),
    ("sandbox", &[]),
    ("xtask", &[]),
];

/// What opens a socket or resolves a name, wherever it comes from: only in `src/partners/doors`. The one way out
/// beside it is to the API server, whose address is the kubeconfig's: `HttpConnector` in `src/cluster/client.rs`.
const SOCKETS: [&str; 8] = [
    "HttpConnector",
    "TcpSocket",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixDatagram",
    "UnixStream",
    "lookup_host",
];

/// What the core may depend on; and what of `std` it may not touch, nor `async`.
const CORE_DEPENDENCIES: [&str; 3] = ["jiff", "thiserror", "zeroize"];
const NOT_IN_CORE: [&str; 4] = ["env", "fs", "process", "thread"];
/// Of `std::time` and `std::net`, the plain values.
const VALUES: [&str; 5] = ["Duration", "IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"];

/// Names of ours, for rooms that must not know us.
const OURS: [&str; 4] = ["managed_external_secrets", "mes_core", "sandbox", "xtask"];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] = ["common", "helper", "helpers", "manager", "misc", "shared", "util", "utils"];

/// Lines, without tests at the end of a file.
const LONGEST_FILE: usize = 600;
/// A file of tests alone may list many cases.
const LONGEST_TESTS: usize = 1000;
const LONGEST_MAIN: usize = 40;

/// Words that belong to a machine or to how the code came about, not to the repository. In two parts each, so that this
/// file does not find itself.
const FOREIGN_WORDS: [&str; 9] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("Cla", "ude"),
    concat!("Anth", "ropic"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".org"),
    concat!("proxy.golang", ".org"),
];

#[test]
fn every_arrow_between_rooms_is_as_drawn() {
    let root = root();
    let mut faults = Vec::new();
    for path in files(&root).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let relative = path.strip_prefix(&root).unwrap();
        faults.extend(arrows(relative, &std::fs::read_to_string(&path).unwrap()));
    }
    none(&faults);
}

/// T40: a path, a URL or a statement that `format!` makes takes any text; `src/partners/encode.rs` takes ids alone.
#[test]
fn t40_no_path_url_or_statement_is_formatted() {
    none(&in_sources(by_hand));
}

/// T44: nothing in the program can turn the check of a certificate off.
#[test]
fn t44_no_check_of_a_certificate_can_be_turned_off() {
    none(&in_sources(unchecked));
}

fn in_sources(judge: fn(&Path, &str) -> Vec<String>) -> Vec<String> {
    let root = root();
    let ships = ["src", "crates/core/src"].into_iter().flat_map(|folder| files(&root.join(folder)));
    ships
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .flat_map(|path| judge(path.strip_prefix(&root).unwrap(), &std::fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn packages_depend_as_drawn() {
    let root = root();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut faults = Vec::new();
    for (manifest, forbidden) in [
        ("Cargo.toml", &["sandbox", "xtask"][..]),
        ("crates/sandbox/Cargo.toml", &["mes-core", "managed-external-secrets", "xtask"]),
        ("xtask/Cargo.toml", &["mes-core", "managed-external-secrets", "sandbox"]),
    ] {
        faults.extend(depends_on(manifest, &read(manifest), |name| forbidden.contains(&name)));
    }
    let core = "crates/core/Cargo.toml";
    faults.extend(depends_on(core, &read(core), |name| !CORE_DEPENDENCIES.contains(&name)));
    none(&faults);
}

#[test]
fn every_file_is_short_and_named_for_what_is_inside() {
    let root = root();
    let mut faults = Vec::new();
    for path in files(&root) {
        let relative = path.strip_prefix(&root).unwrap();
        // Not text: nothing to read.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        faults.extend(shape(relative, &text));
        faults.extend(foreign_words(relative, &text));
    }
    none(&faults);
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// What is wrong with the names in this file of Rust, whose path is from the root of the workspace.
fn arrows(path: &Path, text: &str) -> Vec<String> {
    let place = path.to_string_lossy().replace('\\', "/");
    let Some((package, inner)) = package(&place) else { return Vec::new() };
    let modules = module_path(inner);
    named(text, &modules)
        .into_iter()
        .filter_map(|named| {
            let fault = match package {
                Package::Root => in_root(inner, &modules, &named),
                Package::Core => in_core(&named),
                Package::Sandbox | Package::Xtask => ours(package, &named),
            };
            fault.map(|fault| format!("{place}:{}: {} {fault}", named.line, named.path.join("::")))
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Package {
    Root,
    Core,
    Sandbox,
    Xtask,
}

/// The package that a source file ships with, and its path below that package's `src`.
fn package(place: &str) -> Option<(Package, &str)> {
    [
        ("src/", Package::Root),
        ("crates/core/src/", Package::Core),
        ("crates/sandbox/src/", Package::Sandbox),
        ("xtask/src/", Package::Xtask),
    ]
    .into_iter()
    .find_map(|(folder, package)| place.strip_prefix(folder).map(|inner| (package, inner)))
}

/// `aws/read.rs` → `[aws, read]`; `aws/mod.rs` → `[aws]`; `lib.rs` → `[]`.
fn module_path(inner: &str) -> Vec<String> {
    let mut modules: Vec<String> = inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if modules.last().is_some_and(|last| last == "mod") || modules == ["lib"] {
        modules.pop();
    }
    modules
}

fn in_root(inner: &str, modules: &[String], named: &Named) -> Option<String> {
    let room = modules.first()?; // None: lib.rs, which declares the rooms
    let first = named.path.first()?;
    let tests = named.within.iter().any(|module| module == "tests" || module.ends_with("_tests"));
    if first == "crate" || (first == "managed_external_secrets" && room == "main") {
        let other = named.path.get(1)?;
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == room) else {
            return Some(format!("is in the room `{room}`, which has no row in tests/tidy.rs"));
        };
        let fine = other == room || allowed.contains(&other.as_str());
        return (!fine).then(|| format!("goes against the arrows: {room} may name {allowed:?}"));
    }
    if named.path.len() > 1 || named.is_use {
        for (beginning, rooms) in CRATES {
            let is_it = if beginning.ends_with('_') { first.starts_with(beginning) } else { first == beginning };
            let allowed = rooms.iter().any(|room| inner.starts_with(&format!("{room}/")));
            // Tests beside the code may use stand-ins: they don't ship.
            let exempt = tests && OURS.contains(&beginning);
            if is_it && !allowed && !exempt {
                return Some(format!("is for {rooms:?} alone"));
            }
        }
    }
    let socket = named.path.iter().any(|part| SOCKETS.contains(&part.as_str()));
    let api_server = inner == "cluster/client.rs" && named.path.iter().any(|part| part == "HttpConnector");
    (socket && !api_server && !tests && !inner.starts_with("partners/doors/"))
        .then(|| "opens a socket outside partners/doors".into())
}

fn in_core(named: &Named) -> Option<String> {
    let is = |at: usize, names: &[&str]| named.path.get(at).is_some_and(|part| names.contains(&part.as_str()));
    let acts = is(1, &NOT_IN_CORE) || (is(1, &["net", "time"]) && !is(2, &VALUES));
    if is(0, &["async"]) || (is(0, &["std"]) && acts) {
        return Some("has no place in the core, which decides and does nothing".into());
    }
    let foreign = ["managed_external_secrets", "sandbox", "xtask", "kube", "tokio", "rand"];
    (named.path.len() > 1 && is(0, &foreign)).then(|| "is nothing that the core knows".into())
}

fn ours(package: Package, named: &Named) -> Option<String> {
    let own = if package == Package::Xtask { "xtask" } else { "sandbox" };
    let first = named.path.first().filter(|first| OURS.contains(&first.as_str()) && *first != own)?;
    ((named.path.len() > 1 || named.is_use) && first != "crate")
        .then(|| "is ours: this package imports nothing of ours".into())
}

/// The shipped dependencies of a manifest that are forbidden there.
fn depends_on(manifest: &str, text: &str, forbidden: impl Fn(&str) -> bool) -> Vec<String> {
    let mut section = String::new();
    let mut faults = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let shipped =
            section == "dependencies" || section == "build-dependencies" || section.ends_with(".dependencies");
        if shipped
            && section != "workspace.dependencies"
            && !name.is_empty()
            && !name.starts_with('#')
            && forbidden(name)
        {
            faults.push(format!("{manifest}: [{section}] must not have {name}"));
        }
    }
    faults
}

/// The lines that ship: without comments and the tests at the end of a file or in a file of their own.
fn shipped<'a>(path: &Path, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let tests = path.file_stem().is_some_and(|name| name == "tests" || name.to_string_lossy().ends_with("_tests"));
    let lines = text.lines().take_while(move |line| !tests && *line != "#[cfg(test)]").enumerate();
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(number, line)| (number + 1, line))
}

/// Texts that a driver or a door formats into what is a path, a URL or a statement.
fn by_hand(path: &Path, text: &str) -> Vec<String> {
    if !path.starts_with("src/partners") || path == Path::new("src/partners/encode.rs") {
        return Vec::new();
    }
    let made = |line: &str| {
        let literals = line.split('"').skip(1).step_by(2);
        literals.filter(|text| text.contains('{')).any(|text| is_target(text) || is_statement(text))
    };
    let mut faults = Vec::new();
    let mut formats = false;
    for (number, line) in shipped(path, text) {
        // The literal may stand on the line after.
        let begins = ["format!(", "write!(", "writeln!(", "format_args!("].iter().any(|by| line.contains(by));
        if (begins || formats) && made(line) {
            faults.push(format!("{}:{number}: made by hand: put it together in partners/encode.rs", path.display()));
        }
        formats = begins && !line.contains('"');
    }
    faults
}

fn is_target(text: &str) -> bool {
    text.starts_with('/') || text.starts_with('?') || text.contains("://") || text.contains("}/")
}

fn is_statement(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let verbs =
        ["alter", "create", "delete", "drop", "grant", "insert", "reset", "revoke", "select", "set", "update", "with"];
    verbs.contains(&first.as_str()) && text.contains(' ')
}

fn unchecked(path: &Path, text: &str) -> Vec<String> {
    let words = [
        "dangerous",
        "danger_",
        "ServerCertVerifier",
        "set_certificate_verifier",
        "with_custom_certificate_verifier",
        "accept_invalid",
        "insecure",
        "InsecureSkip",
        "ssl_mode(SslMode::Prefer",
    ];
    let mut faults = Vec::new();
    for (number, line) in shipped(path, text) {
        for word in words.iter().filter(|word| line.contains(**word)) {
            faults.push(format!("{}:{number}: `{word}` would let a false certificate pass", path.display()));
        }
    }
    faults
}

fn shape(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if path.extension().is_none_or(|end| end != "rs") {
        return faults;
    }
    for part in path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()) {
        if EMPTY_NAMES.contains(&part.trim_end_matches(".rs")) {
            faults.push(format!("{}: the name `{part}` says nothing of what is inside", path.display()));
        }
    }
    let tests = path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|name| name == "tests" || name.to_string_lossy().ends_with("_tests"));
    let limit = match tests {
        _ if path == Path::new("src/main.rs") => LONGEST_MAIN,
        true => LONGEST_TESTS,
        false => LONGEST_FILE,
    };
    let lines = text.lines().take_while(|line| tests || *line != "#[cfg(test)]").count();
    if lines > limit {
        faults.push(format!("{}: {lines} lines, more than {limit}: one idea a file", path.display()));
    }
    faults
}

fn foreign_words(path: &Path, text: &str) -> Vec<String> {
    // Written by cargo and Go, which name their registries.
    if path.file_name().is_some_and(|name| name == "Cargo.lock" || name == "go.sum") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in FOREIGN_WORDS.iter().filter(|word| line.contains(**word)) {
            faults.push(format!("{}:{}: `{word}` has no place in the repository", path.display(), number + 1));
        }
    }
    faults
}

fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).into()
}

/// Every file of the repository, without what git and cargo keep there.
fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            let built = folder == root && name.starts_with("target");
            if kind.is_dir() && name != ".git" && !built && name != "node_modules" {
                folders.push(entry.path());
            } else if kind.is_file() && name != ".git" {
                found.insert(entry.path());
            }
        }
    }
    found
}

//! Where an account or a value says that its partner is.
//!
//! Invariant: one spelling a place, so that two texts are the same place exactly if they read the same: lower-case host,
//! explicit port, no user, query, fragment, escape or dot segment. No spelling of an address but the plain ones.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    /// With its leading slash for https; the database's name for SQL; else empty.
    pub(super) path: String,
}

/// How a scheme writes its places.
struct Scheme {
    prefix: &'static str,
    port: u16,
    database: bool,
    expected: &'static str,
}

const HTTPS: Scheme = Scheme {
    prefix: "https://",
    port: 443,
    database: false,
    expected: "https://HOST, perhaps with :PORT and a path, without user, query and fragment",
};
const POSTGRESQL: Scheme = Scheme {
    prefix: "postgresql://",
    port: 5432,
    database: true,
    expected: "postgresql://HOST:PORT/DATABASE without user, query and fragment",
};

fn scheme(name: &str) -> &'static Scheme {
    if name == "postgresql" { &POSTGRESQL } else { &HTTPS }
}

/// What an endpoint of this scheme looks like, as the end of "must be …".
pub(super) fn expected(scheme_name: &str) -> &'static str {
    scheme(scheme_name).expected
}

impl Endpoint {
    /// Reads `text` as a place of this scheme; `None`: it is none.
    pub(super) fn parse(scheme_name: &str, text: &str) -> Option<Self> {
        let scheme = scheme(scheme_name);
        let rest = text.strip_prefix(scheme.prefix)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority_of(authority, scheme.port)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if scheme.database {
            return segment(path).then(|| Self { host, port, path: path.to_owned() });
        }
        match path {
            "" => Some(Self { host, port, path: String::new() }),
            path if path.split('/').all(segment) => Some(Self { host, port, path: format!("/{path}") }),
            _ => None,
        }
    }
}

fn authority_of(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, port) = bracketed.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (address.to_string(), if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => {
            let (name, port) = match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            };
            (name.to_ascii_lowercase(), port)
        }
    };
    let port = port.map_or(Some(default), number)?;
    (text.starts_with('[') || is_host(&host)).then_some((host, port))
}

fn number(text: &str) -> Option<u16> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// A name whose last label begins with a letter, or four plain numbers: `0x7f.1` and `2130706433` are neither.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let named = || host.split('.').next_back().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic()));
    host.len() <= 253 && host.split('.').all(label) && (named() || host.parse::<Ipv4Addr>().is_ok())
}

fn segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

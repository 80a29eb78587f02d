//! `--loopback-partners FILE`: partners that stand on this machine, for tests and the demo.
//!
//! Invariant: for the hosts of the file alone it replaces the resolver, allows 127/8 and replaces the roots; name check,
//! TLS and every other rule stay. Read once at start by `cli/run`; not in the chart.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Hosts that stand on this machine.
#[derive(Debug, Clone, Default)]
pub struct Loopback(BTreeMap<String, Place>);

/// Where one stands, and by whose authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) ca: String,
}

/// A line of the file that can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackProblem {
    /// Not three words, or an address that is not of 127/8.
    #[error("--loopback-partners, line {line}: must be HOST 127.0.0.1:PORT CA.pem")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// The file of the authority can't be read.
    #[error("--loopback-partners, line {line}: the file of the authority cannot be read ({kind})")]
    Authority {
        /// Counted from 1.
        line: usize,
        /// Why.
        kind: std::io::ErrorKind,
    },
}

impl Loopback {
    /// Reads the text of the file: a line a host, `HOST 127.0.0.1:PORT CA.pem`; blank lines and those after `#` are
    /// skipped. Relative files are taken from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, LoopbackProblem> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let written = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        written.map(|(number, line)| entry(number, line, folder)).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn place(&self, host: &str) -> Option<&Place> {
        self.0.get(host)
    }
}

fn entry(line: usize, text: &str, folder: &Path) -> Result<(String, Place), LoopbackProblem> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [host, address, ca] = words[..] else { return Err(LoopbackProblem::Line { line }) };
    let address: SocketAddr = address.parse().map_err(|_| LoopbackProblem::Line { line })?;
    if !matches!(address.ip(), IpAddr::V4(v4) if v4.is_loopback()) {
        return Err(LoopbackProblem::Line { line });
    }
    let ca = std::fs::read_to_string(folder.join(ca))
        .map_err(|error| LoopbackProblem::Authority { line, kind: error.kind() })?;
    Ok((host.to_ascii_lowercase(), Place { address, ca }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        let folder = std::env::temp_dir().join(format!("loopback-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("ca.pem"), "PEM").unwrap();
        let read = |text: &str| Loopback::parse(text, &folder);
        let taken = read("# demo\n\nAcme.my.salesforce.com 127.0.0.1:8443 ca.pem\n").unwrap();
        assert_eq!(taken.place("acme.my.salesforce.com").unwrap().address.port(), 8443);
        assert!(taken.place("other.my.salesforce.com").is_none());
        for bad in ["a.example 10.0.0.1:443 ca.pem", "a.example [::1]:443 ca.pem", "a.example 127.0.0.1 ca.pem", "a b"]
        {
            assert!(matches!(read(bad), Err(LoopbackProblem::Line { line: 1 })), "{bad}");
        }
        assert!(matches!(
            read("\na.example 127.0.0.1:1 none.pem"),
            Err(LoopbackProblem::Authority { line: 2, kind: std::io::ErrorKind::NotFound })
        ));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! The sandbox as a process of its own, as the demo and the bench use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::scratch::{Ending, Scratch, Server};

/// A running sandbox, gone when dropped.
pub struct Sandbox {
    // The server before its directory: they are dropped in this order.
    server: Server,
    url: String,
    partners: String,
    ca: PathBuf,
    scratch: Scratch,
}

impl Sandbox {
    /// Starts `program` (see [`crate::cargo::binaries`]) on free ports of loopback, with more `arguments`, and waits
    /// until it says where it listens.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let scratch = Scratch::new("sandbox")?;
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--partners-listen", "127.0.0.1:0", "--dir"]).arg(scratch.path());
        command.args(arguments);
        let mut server = scratch.start("sandbox", &command, Ending::Kill)?;
        let log = server.log().to_owned();
        let said = |beginning| said(&log, beginning);
        let mut heard = None;
        server.wait_until(Duration::from_secs(20), || {
            heard = said("listening on ").zip(said("partners on ")).zip(said("ca "));
            heard.is_some()
        })?;
        let ((url, partners), ca) = heard.ok_or_else(|| Failure::new("the sandbox does not say where it listens"))?;
        Ok(Self { server, url, partners, ca: ca.into(), scratch })
    }

    /// AWS's endpoint and the control API, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The partners' APIs, as `https://127.0.0.1:PORT`.
    pub fn partners(&self) -> &str {
        &self.partners
    }

    /// The authority that the partners' certificates are by: a PEM file.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca
    }

    /// Its process id, to measure what it takes.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The folder for its files, gone with it.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }
}

/// A line counts only when it is whole.
fn said(log: &Path, beginning: &str) -> Option<String> {
    let log = fs::read_to_string(log).ok()?;
    let whole = log.rsplit_once('\n')?.0;
    whole.lines().find_map(|line| line.strip_prefix(beginning)).map(|rest| rest.trim().to_owned())
}

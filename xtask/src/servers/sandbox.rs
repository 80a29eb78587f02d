//! The sandbox as a process of its own, as the demo and the bench use it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::scratch::{Ending, Scratch, Server};

/// What it prints before its address.
const LISTENING: &str = "listening on ";

/// A running sandbox, gone when dropped.
pub struct Sandbox {
    // The server before its directory: they are dropped in this order.
    server: Server,
    url: String,
    scratch: Scratch,
}

impl Sandbox {
    /// Starts `program` (see [`crate::cargo::binaries`]) on a free port of loopback, with more `arguments`, and waits
    /// until it says where it listens.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let scratch = Scratch::new("sandbox")?;
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let mut server = scratch.start("sandbox", &command, Ending::Kill)?;
        let log = server.log().to_owned();
        server.wait_until(Duration::from_secs(20), || said(&log, LISTENING).is_some())?;
        let url = said(&log, LISTENING).ok_or_else(|| Failure::new("the sandbox does not say where it listens"))?;
        Ok(Self { server, url, scratch })
    }

    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The rest of the first line that it printed with this beginning: for the paths and addresses that it tells.
    pub fn said(&self, beginning: &str) -> Option<String> {
        said(self.server.log(), beginning)
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

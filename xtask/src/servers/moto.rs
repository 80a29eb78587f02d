//! moto, an emulator of Secrets Manager that is not ours: a second opinion for the sandbox. Called by the sandbox's tests.
//!
//! Chosen among those that can be had as a package (`crates/sandbox/tests/matrix/second.rs` tells where it errs): it is the
//! one that most of our field tests against, and of an Apache licence.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries::{cache, locked};
use crate::failure::{Failure, Result, Tried};
use crate::progress::Progress;
use crate::scratch::{Ending, Scratch, Server, free_port};

const VERSION: &str = "5.2.5";
const REQUIREMENTS: &str = include_str!("moto.txt");
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running moto, gone when dropped.
pub struct Moto {
    // The server before its directory: they are dropped in this order.
    _server: Server,
    url: String,
    _scratch: Scratch,
}

impl Moto {
    /// Starts one on a free port of loopback (about 2 s). Installs it by pip into the cache where it is missing.
    pub fn start() -> Result<Self> {
        let program = find_or_install()?;
        let scratch = Scratch::new("moto")?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut server = scratch.start("moto", &command, Ending::Kill)?;
        server.wait_until(READY_WITHIN, || TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { _server: server, url: format!("http://127.0.0.1:{port}"), _scratch: scratch })
    }

    /// AWS's endpoint, as `http://127.0.0.1:PORT`. `POST /moto-api/reset` empties it.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn find_or_install() -> Result<PathBuf> {
    let tools = cache()?.join("tools");
    let home = tools.join(format!("moto-{VERSION}"));
    let program = home.join("bin/moto_server");
    if whole(&home) {
        return Ok(program);
    }
    fs::create_dir_all(&tools).tried(|| format!("making {}", tools.display()))?;
    let _lock = locked(&tools.join("moto.lock"), "moto")?;
    if whole(&home) {
        return Ok(program);
    }
    let log = tools.join("moto.log");
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv", "--clear"]).arg(&home);
    Progress::begin("making a place for moto", Some(Duration::from_secs(15)))
        .run(&mut environment, &log, |_| String::new())
        .map_err(|failure| {
            Failure::new(format!("moto needs Python 3.10 or newer with venv (on Debian: python3-venv): {failure}"))
        })?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).tried(|| format!("writing {}", requirements.display()))?;
    let mut install = Command::new(home.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "-r"]);
    install.arg(&requirements);
    Progress::begin("installing moto by pip", Some(Duration::from_secs(60)))
        .run(&mut install, &log, |_| String::new())?;
    fs::write(home.join("whole"), "").tried(|| format!("writing into {}", home.display()))?;
    Ok(program)
}

/// Whether an installation came to its end.
fn whole(home: &Path) -> bool {
    home.join("whole").is_file()
}

//! A real PostgreSQL on loopback, as strict as the product asks for: TLS only, by an authority of the run; SCRAM only,
//! so that channel binding can be required; no Unix socket, no password-less way in.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::binaries::{cache, locked};
use crate::certificates::Authority;
use crate::failure::{Failure, Result, Tried};
use crate::progress::Progress;
use crate::scratch::{Ending, Scratch, Server, User, free_port, random_hex};

/// The names in its certificate; the first is the one that our manifests and docs use.
const NAMES: [&str; 3] = ["pg-main.databases.svc", "localhost", "127.0.0.1"];
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL of one run, gone when dropped. Its superuser is `admin`, its database `postgres`.
pub struct PostgreSql {
    // The server before its directory: they are dropped in this order.
    server: Mutex<Option<Server>>,
    programs: Programs,
    user: Option<User>,
    port: u16,
    admin_password: String,
    ca: PathBuf,
    scratch: Scratch,
}

impl PostgreSql {
    /// Starts one (about 2 s) whose certificate is for `pg-main.databases.svc`, `localhost` and 127.0.0.1. Installs
    /// PostgreSQL by apt where it is missing and we are root.
    pub fn start() -> Result<Self> {
        Self::start_for(&[])
    }

    /// As [`Self::start`], with more names in its certificate.
    pub fn start_for(more_names: &[&str]) -> Result<Self> {
        let programs = Programs::find_or_install()?;
        let scratch = Scratch::new("postgresql")?;
        let authority = Authority::new("PostgreSQL of one run")?;
        let identity = authority.issue(&[&NAMES[..], more_names].concat())?;
        let postgresql = Self {
            server: Mutex::new(None),
            programs,
            user: unprivileged()?,
            port: free_port()?,
            admin_password: random_hex(16)?,
            ca: scratch.write("ca.crt", authority.pem())?,
            scratch,
        };
        postgresql.write_for_the_server("server.crt", &identity.certificate)?;
        postgresql.write_for_the_server("server.key", &identity.key)?;
        postgresql.initialise()?;
        postgresql.start_again()?;
        Ok(postgresql)
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn host_port(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The first name of its certificate: the host that a strict client must ask for.
    pub fn host(&self) -> &'static str {
        NAMES[0]
    }

    /// The authority that its certificate is by: a PEM file.
    pub fn ca_pem_path(&self) -> &Path {
        &self.ca
    }

    /// The password of its superuser `admin`.
    pub fn admin_password(&self) -> &str {
        &self.admin_password
    }

    /// Runs SQL as `admin` and gives the rows, unaligned, without a header; an error that quotes psql's if it failed.
    pub fn psql(&self, sql: &str) -> Result<String> {
        let output = self.psql_as("admin", &self.admin_password, sql)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        let why = String::from_utf8_lossy(&output.stderr);
        Err(Failure::new(format!("psql failed ({}): {}", output.status, why.trim())))
    }

    /// Logs in as `user` over TLS with the name checked and channel binding required, runs SQL, and gives all of what
    /// came: `status` tells whether login and SQL went well.
    pub fn psql_as(&self, user: &str, password: &str, sql: &str) -> Result<Output> {
        // By a file: arguments and environment of a process can be read by others.
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        let name = format!("pgpass-{}", random_hex(6)?);
        let password_file = self.scratch.write(&name, format!("*:*:*:*:{escaped}\n"))?;
        let output = Command::new(&self.programs.psql)
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d"])
            .arg(format!(
                "host={} hostaddr=127.0.0.1 port={} user='{}' dbname=postgres sslmode=verify-full sslrootcert='{}' \
                 channel_binding=require connect_timeout=10 passfile='{}'",
                self.host(),
                self.port,
                user.replace('\\', "\\\\").replace('\'', "\\'"),
                self.ca.display(),
                password_file.display(),
            ))
            .env_remove("PGPASSWORD")
            .stdin(Stdio::from(
                fs::File::open(self.scratch.write(&format!("{name}.sql"), sql)?).tried(|| "reading SQL".into())?,
            ))
            .output()
            .tried(|| format!("starting {}", self.programs.psql.display()));
        for file in [&password_file, &self.scratch.path().join(format!("{name}.sql"))] {
            fs::remove_file(file).tried(|| format!("removing {}", file.display()))?;
        }
        output
    }

    /// Ends the server as a crash would (its immediate shutdown); its data stay. Nothing happens if it is stopped.
    pub fn stop(&self) {
        self.running().take();
    }

    /// Ends the server in order, as `pg_ctl stop --mode=fast` does: sessions are cut off, and a checkpoint is written.
    /// Nothing happens if it is stopped.
    pub fn stop_fast(&self) {
        if let Some(mut server) = self.running().take() {
            server.stop_by("INT");
        }
    }

    /// Starts the server on the same port and data, and waits until `admin` can log in. Nothing happens if it runs.
    pub fn start_again(&self) -> Result<()> {
        let mut slot = self.running();
        if slot.is_some() {
            return Ok(());
        }
        let directory = self.scratch.path().display();
        let mut command = Command::new(&self.programs.postgres);
        command.arg("-D").arg(self.data());
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("port={}", self.port),
            "unix_socket_directories=",
            "ssl=on",
            &format!("ssl_cert_file={directory}/server.crt"),
            &format!("ssl_key_file={directory}/server.key"),
            "password_encryption=scram-sha-256",
            "fsync=off",
        ] {
            command.args(["-c", setting]);
        }
        let mut server = self.scratch.start("postgresql", &command, Ending::Quit { user: self.user })?;
        server.wait_until(READY_WITHIN, || TcpStream::connect(("127.0.0.1", self.port)).is_ok())?;
        server.wait_until(READY_WITHIN, || self.psql("select 1").is_ok())?;
        *slot = Some(server);
        Ok(())
    }

    fn initialise(&self) -> Result<()> {
        let data = self.data();
        fs::create_dir(&data).tried(|| format!("making {}", data.display()))?;
        self.give_to_the_server(&data)?;
        let password_file = self.write_for_the_server("admin-password", &self.admin_password)?;
        let mut command = Command::new(&self.programs.initdb);
        command
            .args(["-A", "scram-sha-256", "-U", "admin", "--no-sync", "--encoding=UTF8", "--locale=C", "--pwfile"])
            .arg(&password_file)
            .arg("-D")
            .arg(&data)
            .current_dir(self.scratch.path())
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            use std::os::unix::process::CommandExt;
            command.uid(user.uid).gid(user.gid);
        }
        let output = command.output().tried(|| format!("starting {}", self.programs.initdb.display()))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("initdb failed ({}): {}", output.status, why.trim())));
        }
        fs::remove_file(&password_file).tried(|| format!("removing {}", password_file.display()))?;
        let rules = data.join("pg_hba.conf");
        fs::write(&rules, "hostssl all all 127.0.0.1/32 scram-sha-256\n")
            .tried(|| format!("writing {}", rules.display()))
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    fn write_for_the_server(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.scratch.write(name, content)?;
        self.give_to_the_server(&path)?;
        Ok(path)
    }

    fn give_to_the_server(&self, path: &Path) -> Result<()> {
        let Some(user) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .tried(|| format!("giving {} to the user of PostgreSQL", path.display()))
    }

    fn running(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The programs of PostgreSQL.
struct Programs {
    initdb: PathBuf,
    postgres: PathBuf,
    psql: PathBuf,
}

impl Programs {
    fn find_or_install() -> Result<Self> {
        if let Some(programs) = Self::find() {
            return Ok(programs);
        }
        install()?;
        Self::find()
            .ok_or_else(|| Failure::new("PostgreSQL was installed, but initdb, postgres and psql are not there"))
    }

    fn find() -> Option<Self> {
        Some(Self { initdb: program("initdb")?, postgres: program("postgres")?, psql: program("psql")? })
    }
}

/// On the PATH, or where Debian keeps what is not meant for it; the newest version there.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(found) = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file()) {
        return Some(found);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| version(path));
    versions.into_iter().rev().map(|path| path.join("bin").join(name)).find(|path| path.is_file())
}

fn install() -> Result<()> {
    let by_hand = "PostgreSQL is needed (initdb, postgres and psql, version 13 or newer)";
    if !is_root()? {
        return Err(Failure::new(format!("{by_hand}: install it, on Debian by `sudo apt-get install postgresql`")));
    }
    if program("apt-get").is_none() {
        return Err(Failure::new(format!("{by_hand}, and there is no apt-get here: install it")));
    }
    let cache = cache()?;
    fs::create_dir_all(&cache).tried(|| format!("making {}", cache.display()))?;
    let _lock = locked(&cache.join("apt.lock"), "PostgreSQL")?;
    if Programs::find().is_some() {
        return Ok(());
    }
    let _quiet = NoAutostart::new()?;
    let log = cache.join("apt.log");
    let apt = |what: &str, arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        Progress::begin(what, Some(Duration::from_secs(60))).run(&mut command, &log, |_| String::new())
    };
    let install = ["install", "--yes", "--no-install-recommends", "postgresql"];
    if apt("installing PostgreSQL by apt", &install).is_err() {
        // Its lists may be old or missing.
        apt("reading apt's lists", &["update"])?;
        apt("installing PostgreSQL by apt", &install)?;
    }
    Ok(())
}

/// While it lives, packages don't start their servers at installation.
struct NoAutostart {
    made: bool,
}

impl NoAutostart {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn new() -> Result<Self> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let made = match fs::File::options().write(true).create_new(true).mode(0o755).open(Self::POLICY) {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n").tried(|| format!("writing {}", Self::POLICY))?;
                true
            }
            // Somebody has a policy already: theirs stays.
            Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(cause) => return Err(cause).tried(|| format!("writing {}", Self::POLICY)),
        };
        Ok(Self { made })
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if self.made {
            let _ = fs::remove_file(Self::POLICY);
        }
    }
}

/// Whom the server runs as: PostgreSQL refuses root. None = ourselves.
fn unprivileged() -> Result<Option<User>> {
    if !is_root()? {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(uid), Some(gid)) = (id("-u", &[name]), id("-g", &[name])) {
            return Ok(Some(User { uid, gid }));
        }
    }
    Err(Failure::new("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody"))
}

fn is_root() -> Result<bool> {
    id("-u", &[]).map(|uid| uid == 0).ok_or_else(|| Failure::new("`id -u` does not tell who we are"))
}

fn id(flag: &str, name: &[&str]) -> Option<u32> {
    let output = Command::new("id").arg(flag).args(name).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

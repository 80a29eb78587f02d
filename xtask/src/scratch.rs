//! A directory for one run, and servers that can't outlive it.
//!
//! Invariant: whatever ends this process (return, panic, Ctrl-C, `kill -9`), its servers end and its directory goes.
//! A destructor alone can't hold that, and the kernel's parent-death signal needs unsafe code. So a small shell, the
//! *watchdog*, in a process group of its own, reads a pipe that only we hold: at the end of the pipe it kills what it
//! was told of, and removes the directory. Every server is started held back until the watchdog knows it.
//! Called by `control_plane` and `servers`.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, Tried};

/// Words of the pipe: `start SIGNAL PID`, `stop SIGNAL PID`, `keep`, `end`. QUIT for PostgreSQL, which then takes its
/// own children and shared memory along; KILL for all others, whose data nobody wants.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM
alive=' '
keep=
while read -r word signal pid; do
  case $word in
    start) alive="$alive$signal:$pid " ;;
    stop) case $alive in *" $signal:$pid "*) alive="${alive%% $signal:$pid *} ${alive#* $signal:$pid }" ;; esac ;;
    keep) keep=yes ;;
    end) break ;;
  esac
done
for entry in $alive; do kill "-${entry%%:*}" "${entry#*:}" 2>/dev/null; done
if [ "$alive" != ' ' ]; then sleep 1; fi
for entry in $alive; do kill -KILL "-${entry#*:}" 2>/dev/null; done
if [ -z "$keep" ]; then rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }; fi
"#;

/// Waits for one line before it becomes the server, so that no server runs unknown to the watchdog.
const HELD_BACK: &str = r#"read -r go && exec "$@" </dev/null"#;

/// The pipe to the watchdog.
type Line = Arc<Mutex<ChildStdin>>;

/// A directory of this run below the system's folder for temporary files; see the module.
/// With `MES_TEST_KEEP=1` in the environment the directory stays, for its logs.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    watchdog: Child,
    line: Line,
}

impl Scratch {
    /// Makes the directory `mes-NAME-…` (0755: a server may run as another user) and starts its watchdog.
    pub fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("mes-{name}-{}", &random_hex(6)?));
        fs::DirBuilder::new().mode(0o755).create(&path).tried(|| format!("making {}", path.display()))?;
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .tried(|| "starting the watchdog (sh)".into())?;
        let line = watchdog.stdin.take().ok_or_else(|| Failure::new("the watchdog has no pipe"))?;
        let scratch = Self { path, watchdog, line: Arc::new(Mutex::new(line)) };
        if std::env::var_os("MES_TEST_KEEP").is_some_and(|keep| keep == "1") {
            eprintln!("MES_TEST_KEEP=1: {} will be kept", scratch.path.display());
            tell(&scratch.line, "keep")?;
        }
        Ok(scratch)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only we can read (0600), and gives its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(name);
        File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_ref()))
            .tried(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Starts `command` as a server: its output goes to `NAME.log` in the directory; it ends with us.
    pub fn start(&self, name: &'static str, command: &Command, ending: Ending) -> Result<Server> {
        let log = self.path.join(format!("{name}.log"));
        let output =
            File::options().create(true).append(true).open(&log).tried(|| format!("opening {}", log.display()))?;
        let mut held = Command::new("sh");
        held.args(["-c", HELD_BACK, name]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => held.env(key, value),
                None => held.env_remove(key),
            };
        }
        if let Ending::Quit { user: Some(user), .. } = ending {
            held.uid(user.uid).gid(user.gid);
        }
        let errors = output.try_clone().tried(|| format!("opening {}", log.display()))?;
        let mut child = held
            .current_dir(command.get_current_dir().unwrap_or(&self.path))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .tried(|| format!("starting {name}"))?;
        let word = ending.word();
        let told = tell(&self.line, &format!("start {word} {}", child.id()));
        let mut go = child.stdin.take().ok_or_else(|| Failure::new(format!("{name} has no pipe")))?;
        let server = Server { name, child: Some(child), log, line: Arc::clone(&self.line), ending };
        told?;
        writeln!(go, "go").tried(|| format!("starting {name}"))?;
        Ok(server)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing to do about a failure here: a watchdog that can't be told has ended, or sees the pipe's end later.
        let _ = tell(&self.line, "end");
        let _ = self.watchdog.wait();
    }
}

/// How a server is told to end, and as whom it runs.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// SIGKILL to its process group: its data is of no worth.
    Kill,
    /// SIGQUIT: PostgreSQL's immediate shutdown, which ends its children too. As `user` where given.
    Quit { user: Option<User> },
}

impl Ending {
    fn word(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit { .. } => "QUIT",
        }
    }
}

/// A user of this machine, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Option<Child>,
    log: PathBuf,
    line: Line,
    ending: Ending,
}

impl Server {
    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id while it is not stopped.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// A failure about this server, with the last lines of its log.
    pub fn failure(&self, sentence: &str) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
        Failure::new(format!("{} {sentence}; the end of its log:\n  {tail}", self.name))
    }

    /// Polls `ready` each 50 ms until it holds; fails when the server ends before, or after `limit`.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Err(self.failure(&format!("ended before it was ready ({status})")));
            }
            if ready() {
                return Ok(());
            }
            if start.elapsed() > limit {
                return Err(self.failure(&format!("was not ready after {} s", limit.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it now, and waits until it has ended. Nothing happens if it has ended already.
    pub fn stop(&mut self) {
        self.stop_by(self.ending.word());
    }

    /// Ends it by another signal than its own, such as `INT`; as [`Self::stop`] if that has not helped within 5 s.
    pub fn stop_by(&mut self, word: &str) {
        let Some(mut child) = self.child.take() else { return };
        let pid = child.id();
        if child.try_wait().ok().flatten().is_none() {
            signal(word, &pid.to_string());
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(5) && child.try_wait().ok().flatten().is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // The group too: whatever the server started, or the server itself if it did not listen.
        signal("KILL", &format!("-{pid}"));
        let _ = child.wait();
        let _ = tell(&self.line, &format!("stop {} {pid}", self.ending.word()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The shell's own `kill`: the program of that name is not on every machine, and a system call is unsafe code.
fn signal(signal: &str, target: &str) {
    let _ = Command::new("sh")
        .args(["-c", r#"kill "-$1" "$2" 2>/dev/null"#, "kill", signal, target])
        .stdin(Stdio::null())
        .status();
}

fn tell(line: &Line, words: &str) -> Result<()> {
    let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(line, "{words}").tried(|| "telling the watchdog".into())
}

/// `bytes` random bytes of the system, in hexadecimal.
pub fn random_hex(bytes: usize) -> Result<String> {
    use std::io::Read;
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut buffer))
        .tried(|| "reading /dev/urandom".into())?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A port of 127.0.0.1 that was free a moment ago. Somebody else may take it first: callers start anew then.
pub fn free_port() -> Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .tried(|| "looking for a free port".into())
}

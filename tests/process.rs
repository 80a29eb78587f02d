//! `mes run` as a process: what it refuses to start with, and what others of the machine get out of it.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use xtask::scratch::Scratch;

const CANARY: &str = "c4N4ry-of-a-variable";

fn mes() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mes"));
    command.args(["run", "--listen", "127.0.0.1:0"]).env_clear().stdin(Stdio::null());
    command
}

fn ended(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

#[test]
fn t47_with_a_variable_that_would_print_or_send_bodies_elsewhere_nothing_starts() {
    for variable in [
        "LOG_SENSITIVE_BODIES",
        "SSLKEYLOGFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_STS",
        "KUBE_RS_DEBUG_IMPERSONATE_USER",
        "KUBE_RS_DEBUG_OVERRIDE_URL",
    ] {
        let mut command = mes();
        command.env(variable, CANARY);
        let output = ended(command);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{variable}: {told}");
        assert!(told.contains(&format!("refusing to start: the environment variable {variable} ")), "{told}");
        assert!(told.contains("unset it") && !told.contains(CANARY) && output.stdout.is_empty(), "{told}");
    }
}

#[test]
fn a_pattern_of_hosts_that_is_none_is_refused_with_what_would_be() {
    for bad in ["*.com", "*", "10.0.0.1", "https://example.com", "*.svc.cluster.local"] {
        let mut command = mes();
        command.args(["--self-rotating-hosts", bad]);
        let output = ended(command);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("--self-rotating-hosts") && told.contains("at least two labels"), "{told}");
    }
}

/// A kubeconfig of an API server that takes connections and never answers.
fn kubeconfig(scratch: &Scratch, listener: &TcpListener) -> std::path::PathBuf {
    let path = scratch.path().join("kubeconfig");
    let server = format!("http://{}", listener.local_addr().unwrap());
    let text = serde_json::json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]});
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn t38_no_core_is_written_and_the_process_is_nobodys_to_look_into() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scratch = Scratch::new("process").unwrap();
    // As another user than root, whom the kernel lets look into everything; a copy that this user reaches.
    let copy = scratch.path().join("mes");
    // By a process: a file that we hold open for writing goes to whatever another test starts, and is "busy" until that ends.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_mes")).arg(&copy).status().unwrap().success());
    let config = kubeconfig(&scratch, &listener);
    for (path, mode) in [(scratch.path(), 0o755), (copy.as_path(), 0o755), (config.as_path(), 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let ours = std::fs::metadata("/proc/self").unwrap().uid();
    let uid = if ours == 0 { 65532 } else { ours };
    let mut command = Command::new(&copy);
    command.args(["run", "--listen", "127.0.0.1:0"]).env_clear().env("KUBECONFIG", &config);
    if ours == 0 {
        command.uid(uid).gid(uid);
    }
    let child = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let process = format!("/proc/{}", child.0.id());
    // Once it asks the API server, it has begun.
    listener.set_nonblocking(true).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while listener.accept().is_err() {
        assert!(Instant::now() < until, "it never asked the API server");
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let of_user = status.lines().any(|line| line.starts_with("Uid:") && line.contains(&uid.to_string()));
    assert!(of_user, "{status}");
    // Of a process that is not dumpable the kernel gives the files to root (proc(5)), and ptrace asks the same.
    let owner = std::fs::metadata(format!("{process}/environ")).unwrap().uid();
    assert_eq!(owner, 0, "PR_SET_DUMPABLE");
    let limits = std::fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    drop(child);
}

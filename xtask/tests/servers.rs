//! The servers that everything else is tested against, started for real. Needs the programs of the control plane and
//! PostgreSQL; builds or installs what is missing.

use std::process::Command;
use std::time::{Duration, Instant};

use xtask::control_plane::Options;
use xtask::{ControlPlane, PostgreSql};

type Outcome = Result<(), xtask::Failure>;

#[test]
fn a_control_plane_collects_garbage_runs_pods_and_survives_its_api_server_and_its_etcd() -> Outcome {
    let plane =
        ControlPlane::start(&Options { controller_manager: true, scheduler: true, kwok: true, ..Options::default() })?;
    plane.kubectl_apply(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: \
         {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}}}",
    )?;
    plane.kubectl_ok(["rollout", "status", "deployment/web", "--timeout=60s"])?;

    plane.stop_api_server()?;
    assert!(!plane.kubectl(["get", "namespaces", "--request-timeout=2s"])?.status.success());
    plane.start_api_server()?;
    assert!(plane.kubectl_ok(["get", "deployments"])?.contains("web"));

    plane.stop_etcd()?;
    assert!(!plane.kubectl(["get", "deployments", "--request-timeout=2s"])?.status.success());
    plane.start_etcd()?;
    assert!(plane.kubectl_ok(["get", "deployments"])?.contains("web"));
    Ok(())
}

#[test]
fn a_service_account_has_its_own_rights_and_no_more() -> Outcome {
    let plane = ControlPlane::start(&Options { controller_manager: true, audit: true, ..Options::default() })?;
    plane.kubectl_ok(["create", "serviceaccount", "reader"])?;
    plane.kubectl_ok(["create", "role", "reads", "--verb=get,list", "--resource=configmaps"])?;
    plane.kubectl_ok(["create", "rolebinding", "reads", "--role=reads", "--serviceaccount=default:reader"])?;
    let kubeconfig = plane.service_account_kubeconfig("default", "reader")?;
    let as_reader = |resource: &str| {
        let mut kubectl = Command::new(plane.kubectl_program());
        kubectl.arg("--kubeconfig").arg(&kubeconfig).args(["get", resource]).output().unwrap()
    };
    assert!(as_reader("configmaps").status.success());
    let refused = as_reader("secrets");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"), "{refused:?}");
    let audit = std::fs::read_to_string(plane.audit_log()).unwrap();
    assert!(audit.contains("system:serviceaccount:default:reader"));
    Ok(())
}

#[test]
fn postgresql_takes_only_tls_with_the_right_password_and_comes_back_with_its_data() -> Outcome {
    let postgresql = PostgreSql::start()?;
    postgresql.psql("create role app login password 'one'; create table kept (id int)")?;
    assert!(postgresql.psql_as("app", "one", "select 1")?.status.success());
    assert!(!postgresql.psql_as("app", "two", "select 1")?.status.success());
    let plain = format!("host=127.0.0.1 port={} user=admin dbname=postgres sslmode=disable", postgresql.port());
    let plain = Command::new("psql").args(["-w", "-X", "-c", "select 1", "-d", &plain]).output().unwrap();
    assert!(String::from_utf8_lossy(&plain.stderr).contains("no encryption"), "{plain:?}");

    for stop in [PostgreSql::stop, PostgreSql::stop_fast] {
        stop(&postgresql);
        assert!(postgresql.psql("select 1").is_err());
        postgresql.start_again()?;
        assert_eq!(postgresql.psql("select count(*) from kept")?, "0");
    }
    Ok(())
}

/// The test runs itself as another process, which starts PostgreSQL and hangs, and kills it as nothing can catch.
#[test]
fn nothing_stays_of_a_process_that_was_killed() -> Outcome {
    const SIGN: &str = "MES_TEST_HANGS_WITH_A_SERVER";
    if std::env::var_os(SIGN).is_some() {
        let postgresql = PostgreSql::start()?;
        std::fs::write(std::env::var_os(SIGN).unwrap(), postgresql.ca_pem_path().to_str().unwrap()).unwrap();
        std::thread::sleep(Duration::from_secs(600));
    }
    let note = std::env::temp_dir().join(format!("mes-hangs-{}", std::process::id()));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_stays_of_a_process_that_was_killed"])
        .env(SIGN, &note)
        .spawn()
        .unwrap();
    let ca = eventually(|| std::fs::read_to_string(&note).ok().filter(|path| !path.is_empty()));
    let directory = std::path::Path::new(&ca).parent().unwrap().to_owned();
    let postmaster = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
    let pid = postmaster.lines().next().unwrap().to_owned();
    let alive = || Command::new("sh").args(["-c", &format!("kill -0 {pid}")]).output().unwrap().status.success();
    assert!(alive());

    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&note).unwrap();
    eventually(|| (!directory.exists() && !alive()).then_some(()));
    Ok(())
}

fn eventually<T>(mut question: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "did not happen within 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

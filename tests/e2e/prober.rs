//! An application that has no patience: ten times a second it logs in with what its Secret holds at that moment.
//!
//! In threads of its own, so that nothing that a test waits for holds it up. A login is refused when the server says so;
//! any other failure (a machine too busy to answer within ten seconds) counts apart.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinSet;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::world::World;

/// Between two logins.
const EVERY: Duration = Duration::from_millis(100);
/// Logins at the same time at the most: on a machine that is busy with other things they become rarer, not a heap.
const AT_ONCE: usize = 4;

/// What a prober has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Logins that were accepted.
    pub(crate) accepted: u64,
    /// When the server refused a login, and what it said.
    pub(crate) refused: Vec<String>,
    /// What else kept a probe from its login.
    pub(crate) failed: Vec<String>,
}

/// Probes until it is stopped.
pub(crate) struct Prober {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

struct Server {
    kubeconfig: PathBuf,
    ca: PathBuf,
    host: &'static str,
    port: u16,
    namespace: String,
    target: String,
}

impl Prober {
    /// Starts to log in at the world's PostgreSQL with what `target` holds.
    pub(crate) fn start(world: &World, namespace: &str, target: &str) -> Self {
        let server = Arc::new(Server {
            kubeconfig: world.plane.kubeconfig().to_path_buf(),
            ca: world.postgres.ca_pem_path().to_path_buf(),
            host: world.postgres.host(),
            port: world.postgres.port(),
            namespace: namespace.to_owned(),
            target: target.to_owned(),
        });
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopped, noted) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(probe(server, stopped, noted));
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// Ends, and tells what was seen.
    pub(crate) fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the prober ends by itself");
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was seen up to now.
    pub(crate) fn so_far(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn probe(server: Arc<Server>, stop: Arc<AtomicBool>, seen: Arc<Mutex<Seen>>) {
    let kubeconfig = Kubeconfig::read_from(&server.kubeconfig).expect("a kubeconfig");
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    let secrets: Api<Secret> = Api::namespaced(kube::Client::try_from(config).expect("a client"), &server.namespace);
    let tls = MakeRustlsConnect::new(trusting(&server.ca));
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut probes = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        while probes.try_join_next().is_some() {}
        if probes.len() >= AT_ONCE {
            continue;
        }
        let (server, secrets, tls, seen) = (server.clone(), secrets.clone(), tls.clone(), seen.clone());
        probes.spawn(async move {
            let outcome = tokio::time::timeout(Duration::from_secs(10), login(&server, &secrets, tls)).await;
            let now = jiff::Timestamp::now();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(Ok(())) => seen.accepted += 1,
                Ok(Err(Failed::Refused(what))) => seen.refused.push(format!("{now} {what}")),
                Ok(Err(Failed::Other(what))) => seen.failed.push(format!("{now} {what}")),
                Err(_) => seen.failed.push(format!("{now} no answer within ten seconds")),
            }
        });
    }
    while probes.join_next().await.is_some() {}
}

enum Failed {
    Refused(String),
    Other(String),
}

/// What the Secret holds now, tried at once.
#[expect(clippy::disallowed_methods, reason = "the prober is a workload: it logs in as one does")]
async fn login(server: &Server, secrets: &Api<Secret>, tls: MakeRustlsConnect) -> Result<(), Failed> {
    let secret = secrets.get(&server.target).await.map_err(|error| Failed::Other(error.to_string()))?;
    let text = |key: &str| {
        let bytes =
            secret.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| Failed::Other(format!("no {key}")))?;
        String::from_utf8(bytes.0.clone()).map_err(|_| Failed::Other(format!("{key} is no text")))
    };
    let (user, password, database) = (text("username")?, text("password")?, text("dbname")?);
    let mut config = tokio_postgres::Config::new();
    config
        .host(server.host)
        .hostaddr(std::net::Ipv4Addr::LOCALHOST.into())
        .port(server.port)
        .user(&user)
        .password(password)
        .dbname(database)
        .ssl_mode(SslMode::Require)
        .channel_binding(ChannelBinding::Require);
    match config.connect(tls).await {
        Ok((client, connection)) => {
            let driven = tokio::spawn(connection);
            drop(client);
            let _ = driven.await;
            Ok(())
        }
        Err(error) => match error.as_db_error() {
            Some(told) if told.code().code().starts_with("28") => {
                Err(Failed::Refused(format!("{user}: {} {}", told.code().code(), told.message())))
            }
            _ => Err(Failed::Other(format!("{user}: {error}"))),
        },
    }
}

fn trusting(ca: &PathBuf) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).expect("a CA") {
        roots.add(certificate.expect("a certificate")).expect("a CA's certificate");
    }
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

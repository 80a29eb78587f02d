//! Applications that have no patience: ten times a second one of them logs in with what its Secret holds at that moment, and
//! with what each region of its AWS secret holds, where that differs.
//!
//! In threads of its own, so that nothing that a test waits for holds it up. A login is refused when the server says that
//! these bytes may not enter; a server that can't be reached, or is too busy to answer within ten seconds, counts apart.
//! While the API server does not answer, an application goes on with what it read last, as a pod does with what it mounted.
//! Called by the campaigns.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::iam;
use crate::world::World;

/// Between two applications' turns.
const EVERY: Duration = Duration::from_millis(100);
/// Turns at the same time at the most: on a machine that is busy with other things they become rarer, not a heap.
const AT_ONCE: usize = 4;

/// An application: where it finds its credential.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    /// Its Secret.
    pub(crate) target: String,
    /// Its AWS secret.
    pub(crate) secret: String,
    /// Where that one is, the primary region too.
    pub(crate) regions: Vec<&'static str>,
}

/// What a prober has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Logins that were accepted.
    pub(crate) accepted: u64,
    /// When the server refused a login, and what it said.
    pub(crate) refused: Vec<String>,
    /// Logins that failed otherwise: nobody there, starting or stopping, no answer in time.
    pub(crate) unreachable: Vec<String>,
    /// Reads of a Secret or a region that failed.
    pub(crate) unread: Vec<String>,
}

/// Probes until it is stopped.
pub(crate) struct Prober {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What logs in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    user: String,
    password: String,
    database: String,
}

struct Outside {
    kubeconfig: PathBuf,
    ca: PathBuf,
    host: &'static str,
    port: u16,
    aws: String,
    namespace: String,
    /// What each target held when it was read last.
    mounted: Mutex<BTreeMap<String, Held>>,
}

impl Prober {
    /// Starts to log in at the world's PostgreSQL with what these hold.
    pub(crate) fn start(world: &World, namespace: &str, applications: Vec<Application>) -> Self {
        let outside = Arc::new(Outside {
            kubeconfig: world.plane.kubeconfig().to_path_buf(),
            ca: world.postgres.ca_pem_path().to_path_buf(),
            host: world.postgres.host(),
            port: world.postgres.port(),
            aws: world.sandbox.url().trim_start_matches("http://").to_owned(),
            namespace: namespace.to_owned(),
            mounted: Mutex::default(),
        });
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopped, noted) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
            runtime.block_on(probe(outside, applications, stopped, noted));
        });
        Self { stop, seen, thread: Some(thread) }
    }

    /// Ends, and tells what was seen.
    pub(crate) fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the prober ends by itself");
        }
        self.so_far()
    }

    /// What was seen up to now.
    pub(crate) fn so_far(&self) -> Seen {
        locked(&self.seen).clone()
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn probe(outside: Arc<Outside>, applications: Vec<Application>, stop: Arc<AtomicBool>, seen: Arc<Mutex<Seen>>) {
    let kubeconfig = Kubeconfig::read_from(&outside.kubeconfig).expect("a kubeconfig");
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    let secrets: Api<Secret> = Api::namespaced(kube::Client::try_from(config).expect("a client"), &outside.namespace);
    let tls = MakeRustlsConnect::new(trusting(&outside.ca));
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut turns = JoinSet::new();
    for application in applications.iter().cycle() {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        while turns.try_join_next().is_some() {}
        if turns.len() >= AT_ONCE {
            continue;
        }
        let (outside, secrets, tls, seen) = (outside.clone(), secrets.clone(), tls.clone(), seen.clone());
        let application = application.clone();
        turns.spawn(async move {
            for (held, places) in holders(&outside, &secrets, &application, &seen).await {
                let outcome = tokio::time::timeout(Duration::from_secs(10), login(&outside, &held, tls.clone())).await;
                let said =
                    |what: &str| format!("{} {} as held by {places:?}: {what}", jiff::Timestamp::now(), held.user);
                let mut seen = locked(&seen);
                match outcome {
                    Ok(Ok(())) => seen.accepted += 1,
                    Ok(Err(Failed::Refused(what))) => seen.refused.push(said(&what)),
                    Ok(Err(Failed::Unreachable(what))) => seen.unreachable.push(said(&what)),
                    Err(_) => seen.unreachable.push(said("no answer within ten seconds")),
                }
            }
        });
    }
    while turns.join_next().await.is_some() {}
}

/// What the holders of an application's credential hold now, and which of them the same.
async fn holders(
    outside: &Outside,
    secrets: &Api<Secret>,
    application: &Application,
    seen: &Mutex<Seen>,
) -> BTreeMap<Held, Vec<&'static str>> {
    let mut found: BTreeMap<Held, Vec<&'static str>> = BTreeMap::new();
    let unread =
        |place: &str, why: String| locked(seen).unread.push(format!("{} {place}: {why}", jiff::Timestamp::now()));
    let limit = Duration::from_secs(5);
    let read = tokio::time::timeout(limit, target(secrets, &application.target)).await;
    match read.unwrap_or_else(|_| Err("no answer within five seconds".to_owned())) {
        Ok(held) => {
            locked(&outside.mounted).insert(application.target.clone(), held.clone());
            found.entry(held).or_default().push("the target");
        }
        Err(why) => {
            unread(&application.target, why);
            let mounted = locked(&outside.mounted).get(&application.target).cloned();
            mounted.into_iter().for_each(|held| found.entry(held).or_default().push("the target, read before"));
        }
    }
    for region in &application.regions {
        match region_of(outside, region, &application.secret).await {
            Ok(held) => found.entry(held).or_default().push(region),
            Err(why) => unread(region, why),
        }
    }
    found
}

async fn target(secrets: &Api<Secret>, name: &str) -> Result<Held, String> {
    let secret = secrets.get(name).await.map_err(|error| error.to_string())?;
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| format!("no {key}"))?;
        String::from_utf8(bytes.0.clone()).map_err(|_| format!("{key} is no text"))
    };
    Ok(Held { user: text("username")?, password: text("password")?, database: text("dbname")? })
}

/// What `GetSecretValue` gives there, asked as an application does.
#[expect(clippy::disallowed_methods, reason = "the prober is a workload: it asks AWS as one does")]
async fn region_of(outside: &Outside, region: &str, secret: &str) -> Result<Held, String> {
    let scope = format!("{}/20260101/{region}/secretsmanager/aws4_request", iam::PERSON);
    let request = http::Request::post("/")
        .header("host", &outside.aws)
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
        .body(Full::new(Bytes::from(json!({"SecretId": secret}).to_string())))
        .expect("a request");
    let stream = tokio::net::TcpStream::connect(&outside.aws).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let driven = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    driven.abort();
    let told: serde_json::Value = serde_json::from_slice(&body).map_err(|_| format!("no JSON, {status}"))?;
    let value = told["SecretString"].as_str().ok_or_else(|| format!("{status} {}", told["__type"]))?;
    let value: serde_json::Value = serde_json::from_str(value).map_err(|_| "a value that is no JSON".to_owned())?;
    let text = |key: &str| value[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key}"));
    Ok(Held { user: text("username")?, password: text("password")?, database: text("dbname")? })
}

enum Failed {
    Refused(String),
    Unreachable(String),
}

#[expect(clippy::disallowed_methods, reason = "the prober is a workload: it logs in as one does")]
async fn login(outside: &Outside, held: &Held, tls: MakeRustlsConnect) -> Result<(), Failed> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(outside.host)
        .hostaddr(std::net::Ipv4Addr::LOCALHOST.into())
        .port(outside.port)
        .user(&held.user)
        .password(&held.password)
        .dbname(&held.database)
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
            Some(told) if refuses(told.code()) => {
                Err(Failed::Refused(format!("{} {}", told.code().code(), told.message())))
            }
            _ => Err(Failed::Unreachable(error.to_string())),
        },
    }
}

/// Whether these bytes may not enter. A server that starts or stops refuses everybody, and says so by another code.
fn refuses(code: &SqlState) -> bool {
    [&SqlState::INVALID_PASSWORD, &SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(&code)
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

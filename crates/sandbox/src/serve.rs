//! The world behind HTTP: AWS and the control API in plain HTTP, the partners over TLS by a CA made at start.
//!
//! Invariant: the lock is held for the step and never while a delay passes or bytes go out. Started by `main` and by
//! tests in process; dropping [`Served`] ends it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::AbortHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::body::{Body, Outcome};
use crate::world::{Door, Sandbox};

/// The largest request that is read; AWS's largest is a value of 64 KiB.
const LARGEST: usize = 1 << 20;

/// Where to listen and what to begin with.
#[derive(Clone, Debug)]
pub struct Options {
    /// For AWS and the control API. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// For the partners.
    pub partners_listen: SocketAddr,
    /// Where `ca.pem` is written; absent: a folder of this process below the system's temporary folder.
    pub dir: Option<PathBuf>,
    /// Seed of every id; absent: another each time.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen: loopback, partners_listen: loopback, dir: None, seed: None }
    }
}

/// A sandbox that serves. It ends when this is dropped.
pub struct Served {
    world: Arc<Mutex<Sandbox>>,
    listen: SocketAddr,
    partners_listen: SocketAddr,
    /// The temporary folder that goes with this.
    own_dir: Option<PathBuf>,
    ca_path: PathBuf,
    ca_pem: String,
    tasks: Vec<AbortHandle>,
}

/// Starts to serve on the current tokio runtime.
///
/// # Errors
/// An address that can't be bound, a folder that can't be written.
pub async fn serve(options: Options) -> io::Result<Served> {
    let world = Arc::new(Mutex::new(options.seed.map_or_else(Sandbox::default, Sandbox::new)));
    let (acceptor, ca_pem) = authority().map_err(io::Error::other)?;
    let own_dir = options.dir.is_none();
    let dir = options
        .dir
        .unwrap_or_else(|| std::env::temp_dir().join(format!("sandbox-{}-{}", std::process::id(), unique())));
    tokio::fs::create_dir_all(&dir).await?;
    let ca_path = dir.join("ca.pem");
    tokio::fs::write(&ca_path, &ca_pem).await?;
    let aws = TcpListener::bind(options.listen).await?;
    let partners = TcpListener::bind(options.partners_listen).await?;
    let (listen, partners_listen) = (aws.local_addr()?, partners.local_addr()?);
    let tasks = vec![
        tokio::spawn(accept(aws, None, Arc::clone(&world))).abort_handle(),
        tokio::spawn(accept(partners, Some(acceptor), Arc::clone(&world))).abort_handle(),
    ];
    Ok(Served { world, listen, partners_listen, own_dir: own_dir.then_some(dir), ca_path, ca_pem, tasks })
}

impl Served {
    /// `http://127.0.0.1:PORT`: endpoint of Secrets Manager and STS, and of the control API below `/_sandbox/`.
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The address at which every partner host is served over TLS.
    pub fn partners_addr(&self) -> SocketAddr {
        self.partners_listen
    }

    /// The file with the CA that signed the partners' certificate.
    pub fn ca_path(&self) -> &Path {
        &self.ca_path
    }

    /// The same CA as text.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Uses the world itself: knobs, faults, counts, log, apps. Keep it short, every call waits meanwhile.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut Sandbox) -> T) -> T {
        use_it(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        if let Some(dir) = &self.own_dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, world: Arc<Mutex<Sandbox>>) {
    // Connections end with the listener: the set aborts them when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: give those that are open a chance to close.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let world = Arc::clone(&world);
        let tls = tls.clone();
        connections.spawn(async move {
            match tls {
                None => converse(stream, Door::Aws, world).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, Door::Partner, world).await;
                    }
                }
            }
        });
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
    world: Arc<Mutex<Sandbox>>,
) {
    let service = service_fn(move |request| answer(door, Arc::clone(&world), request));
    // An error here is a caller who went away, or a connection that was to close without an answer.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without a response.
async fn answer(
    door: Door,
    world: Arc<Mutex<Sandbox>>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body: Bytes = Limited::new(body, LARGEST).collect().await?.to_bytes();
    let request = http::Request::from_parts(head, body);
    let answer = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        world.call(door, &request, Timestamp::now())
    };
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.outcome {
        Outcome::Reply(response) => Ok(response.map(Body::from)),
        Outcome::Closed => Err("the connection closes without an answer".into()),
        Outcome::Silence => std::future::pending().await,
    }
}

/// A CA of this process, and an acceptor with a certificate for every partner host.
fn authority() -> Result<(TlsAcceptor, String), Box<dyn std::error::Error + Send + Sync>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "sandbox CA");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    let names = ["*.my.salesforce.com", "*.sandbox.my.salesforce.com", "*.develop.my.salesforce.com", "localhost"];
    let mut names: Vec<String> = names.map(ToOwned::to_owned).to_vec();
    names.push("127.0.0.1".into());
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "partners of the sandbox");
    leaf.use_authority_key_identifier_extension = true;
    leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&leaf_key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), ca.pem()))
}

fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

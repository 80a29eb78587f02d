//! The only way to a socket of a partner: SECURITY section 7, steps 1 to 7, in order.
//!
//! Invariant: a name is resolved once, every answer is judged, and the connection goes to a judged address, so that a
//! second answer of the resolver never matters. TLS always, by the name that was granted. Whatever is refused here was
//! surely not sent. Called by the doors alone.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::spec::Origin;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::Destination;
use super::address::Networks;
use super::host::{self, Name};
use super::loopback::Loopback;
use super::sockets::{self, Sockets, Stream};

const RESOLVING: Duration = Duration::from_secs(5);
const CONNECTING: Duration = Duration::from_secs(5);
const MOST_ANSWERS: usize = 16;

/// What the operator's flags say of egress.
#[derive(Debug, Clone)]
pub struct Egress {
    /// `--loopback-partners`; empty in production.
    pub loopback: Loopback,
    /// `--cluster-domain`.
    pub cluster_domain: String,
    /// Networks of pods, services and nodes, and the API server's address.
    pub cluster_networks: Vec<IpNet>,
    /// `--self-rotating-hosts`: beside the vendors' own, exact or `*.suffix`.
    pub self_rotating_hosts: Vec<String>,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            loopback: Loopback::default(),
            cluster_domain: "cluster.local".to_owned(),
            cluster_networks: Vec::new(),
            self_rotating_hosts: Vec::new(),
        }
    }
}

/// Opens connections that the egress guard admits.
pub(super) struct Dialer {
    egress: Egress,
    public: Arc<ClientConfig>,
    sockets: Arc<dyn Sockets>,
}

/// A connection to a judged address, and how TLS is to be spoken over it.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    /// The host in TLS's form.
    pub(super) host: String,
}

impl Dialer {
    pub(super) fn new(egress: Egress) -> Self {
        Self::over(egress, Arc::new(sockets::System))
    }

    /// As [`Self::new`], with other sockets: tests count there.
    pub(super) fn over(egress: Egress, sockets: Arc<dyn Sockets>) -> Self {
        let public = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self { egress, public: Arc::new(client(public)), sockets }
    }

    /// Connects to the origin, which must be of `scheme`. Any fault: surely nothing was sent.
    pub(super) async fn dial(&self, to: Destination<'_>, scheme: &str) -> Result<Dialed, Fault> {
        let origin: &Origin = to.origin;
        let name = self.admitted(to, scheme)?;
        let tls = self.trust(origin, &name)?;
        let server = ServerName::try_from(name.tls.clone()).map_err(|_| refused("Host"))?;
        let addresses = self.resolved(origin, &name).await?;
        let stream = self.connected(&addresses).await?;
        Ok(Dialed { stream, tls, name: server, host: name.tls })
    }

    /// Steps 1 to 3.
    fn admitted(&self, to: Destination<'_>, scheme: &str) -> Result<Name, Fault> {
        let origin: &Origin = to.origin;
        let by_account = origin.account.is_some();
        let name =
            host::admitted(&origin.host, by_account, &self.egress.cluster_domain).ok_or_else(|| refused("Host"))?;
        if origin.scheme != scheme || origin.port == 0 || (!by_account && origin.port != 443) {
            return Err(refused("Port"));
        }
        let own = || self.egress.self_rotating_hosts.iter().any(|pattern| host::matches(pattern, &name.tls));
        if !by_account && !to.partner.is_vendor_host(&name.tls) && !own() {
            return Err(refused("NotAVendorHost"));
        }
        Ok(name)
    }

    /// Steps 4 and 5.
    async fn resolved(&self, origin: &Origin, name: &Name) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(place) = self.egress.loopback.place(&name.tls) {
            return Ok(vec![place.address]);
        }
        let asked = self.sockets.resolve(&name.asked, origin.port);
        let answers = timeout(RESOLVING, asked).await.map_err(|_| unsent("ResolveTimeout"))?;
        let answers = answers.map_err(|_| unsent("Unresolved"))?;
        judged(&answers, &self.networks(origin, name)?)?;
        Ok(answers)
    }

    fn networks(&self, origin: &Origin, name: &Name) -> Result<Networks, Fault> {
        let listed = match origin.account {
            Some(_) => origin.private_networks.iter().map(|text| text.parse::<IpNet>()).collect::<Result<_, _>>(),
            None => Ok(Vec::new()),
        };
        let listed = listed.map_err(|_| refused("PrivateNetworks"))?;
        Ok(Networks { listed, cluster: self.egress.cluster_networks.clone(), alone: name.of_cluster })
    }

    /// Step 6: to the first judged address that answers, never to the name.
    async fn connected(&self, addresses: &[SocketAddr]) -> Result<Stream, Fault> {
        let judged: BTreeSet<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
        let attempt = async {
            for address in addresses {
                if let Ok(connected) = self.sockets.connect(*address).await {
                    return Some(connected);
                }
            }
            None
        };
        let connected = timeout(CONNECTING, attempt).await.map_err(|_| unsent("ConnectTimeout"))?;
        let (stream, peer) = connected.ok_or_else(|| unsent("Unreachable"))?;
        if !judged.contains(&peer) {
            return Err(refused("Peer"));
        }
        // Small requests; without it a lost acknowledgement costs 40 ms. Not being able to is no reason to stop.
        let _ = stream.set_nodelay(true);
        Ok(sockets::bounded(stream))
    }

    /// Step 7: the account's authority alone, where it has one.
    fn trust(&self, origin: &Origin, name: &Name) -> Result<Arc<ClientConfig>, Fault> {
        let own = self.egress.loopback.place(&name.tls).map(|place| place.ca.as_str()).or(origin.ca_bundle.as_deref());
        let Some(pem) = own else { return Ok(self.public.clone()) };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| refused("CaBundle"))?;
            roots.add(certificate).map_err(|_| refused("CaBundle"))?;
        }
        if roots.is_empty() {
            return Err(refused("CaBundle"));
        }
        Ok(Arc::new(client(roots)))
    }
}

/// One bad answer refuses the whole set: a mixed answer is an attack or an accident, and both want a person.
fn judged(answers: &[SocketAddr], networks: &Networks) -> Result<(), Fault> {
    if answers.is_empty() {
        return Err(unsent("Unresolved"));
    }
    if answers.len() > MOST_ANSWERS || !answers.iter().all(|answer| networks.admit(answer.ip())) {
        return Err(refused("Address"));
    }
    Ok(())
}

fn client(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        // Both versions are compiled in (feature tls12) and ring has suites for both.
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Refused by our own guard.
pub(super) fn refused(code: &str) -> Fault {
    Fault::new(Place::Guard, FaultKind::Unsent, code)
}

/// Not reached.
pub(super) fn unsent(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unsent, code)
}

#[cfg(test)]
#[path = "dialer_tests.rs"]
mod tests;

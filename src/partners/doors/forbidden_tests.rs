//! T12: every spelling of a forbidden address, on every way to it. Counted where sockets are opened.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::ObjectName;
use mes_core::partner::aws_types;
use mes_core::scope::Granted;
use mes_core::spec::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::dialer::{Dialer, Egress};
use super::http::Https;
use super::sockets::Sockets;
use super::{Destination, Http};

const HOST: &str = "acme.my.salesforce.com";
const GOOD: &str = "8.8.8.8";

/// A spelling as somebody would write it for a host, and the address that a lenient reader takes it for.
#[rustfmt::skip]
const SPELLINGS: &[(&str, &str)] = &[
    // This machine.
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1.", "127.0.0.1"), ("127.1", "127.0.0.1"), ("127.0.1", "127.0.0.1"),
    ("2130706433", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("0x7F.0x0.0x0.0x1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"),
    ("0177.0.0.1", "127.0.0.1"), ("017700000001", "127.0.0.1"), ("0177.0x0.0.1", "127.0.0.1"), ("00127.0.0.1", "127.0.0.1"),
    ("127.255.255.254", "127.255.255.254"), ("127.0.0.2", "127.0.0.2"), ("127.127", "127.0.0.127"),
    ("１２７.0.0.1", "127.0.0.1"), ("127。0。0。1", "127.0.0.1"), ("①②⑦.0.0.1", "127.0.0.1"), ("%31%32%37.0.0.1", "127.0.0.1"),
    ("0", "0.0.0.0"), ("0.0.0.0", "0.0.0.0"), ("0x0", "0.0.0.0"), ("0.1.2.3", "0.1.2.3"),
    ("localhost", "127.0.0.1"), ("LOCALHOST", "127.0.0.1"), ("localhost.", "127.0.0.1"), ("a.localhost", "127.0.0.1"),
    ("ip6-localhost", "::1"), ("localhost.localdomain.local", "127.0.0.1"), ("ｌocalhost", "127.0.0.1"),
    ("[::1]", "::1"), ("::1", "::1"), ("[0:0:0:0:0:0:0:1]", "::1"), ("[0000::0001]", "::1"), ("[::]", "::"), ("[::1%25lo]", "::1"),
    ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"), ("[::ffff:7f00:1]", "::ffff:7f00:1"), ("[::127.0.0.1]", "::127.0.0.1"),
    ("[::ffff:0:127.0.0.1]", "::ffff:0:127.0.0.1"), ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
    ("[2002:7f00:1::]", "2002:7f00:1::"), ("[2001:0:7f00:1::1]", "2001:0:7f00:1::1"),
    ("[2001:0:808:808::80ff:fffe]", "2001:0:808:808::80ff:fffe"), ("[0:0:0:0:0:ffff:7f00:0001]", "::ffff:7f00:1"),
    // The cloud's metadata, pod identity, task credentials.
    ("169.254.169.254", "169.254.169.254"), ("169.254.169.254.", "169.254.169.254"), ("2852039166", "169.254.169.254"),
    ("0xa9fea9fe", "169.254.169.254"), ("0xA9.0xFE.0xA9.0xFE", "169.254.169.254"), ("0251.0376.0251.0376", "169.254.169.254"),
    ("169.254.43518", "169.254.169.254"), ("169.16689662", "169.254.169.254"), ("169.254.170.2", "169.254.170.2"),
    ("169.254.170.23", "169.254.170.23"), ("[fd00:ec2::254]", "fd00:ec2::254"), ("[fd00:ec2::23]", "fd00:ec2::23"),
    ("[fd00:0ec2:0:0::0254]", "fd00:ec2::254"), ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
    ("[::ffff:a9fe:a9fe]", "::ffff:a9fe:a9fe"), ("[::a9fe:a9fe]", "::a9fe:a9fe"), ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
    ("[2002:a9fe:a9fe::1]", "2002:a9fe:a9fe::1"), ("metadata.google.internal", "169.254.169.254"),
    ("metadata.google.internal.", "169.254.169.254"), ("metadata", "169.254.169.254"), ("168.63.129.16", "168.63.129.16"),
    ("100.100.100.200", "100.100.100.200"), ("0x64646464c8", "100.100.100.200"), ("192.0.0.192", "192.0.0.192"),
    ("[fe80::1]", "fe80::1"), ("[fe80::a9fe:a9fe%25eth0]", "fe80::a9fe:a9fe"), ("[febf::1]", "febf::1"),
    // The cluster, and other private networks.
    ("kubernetes", "10.96.0.1"), ("kubernetes.default", "10.96.0.1"), ("kubernetes.default.svc", "10.96.0.1"),
    ("kubernetes.default.svc.cluster.local", "10.96.0.1"), ("Kubernetes.Default.SVC.", "10.96.0.1"), ("10.96.0.1", "10.96.0.1"),
    ("10-96-0-1.default.pod.cluster.local", "10.96.0.1"), ("cluster.local", "10.96.0.1"), ("10.0.0.1", "10.0.0.1"),
    ("10.1", "10.0.0.1"), ("0xa.1", "10.0.0.1"), ("012.0.0.1", "10.0.0.1"), ("167772161", "10.0.0.1"), ("172.16.0.1", "172.16.0.1"),
    ("172.31.255.255", "172.31.255.255"), ("192.168.0.1", "192.168.0.1"), ("192.168.1", "192.168.0.1"), ("3232235521", "192.168.0.1"),
    ("100.64.0.1", "100.64.0.1"), ("198.18.0.1", "198.18.0.1"), ("[fc00::1]", "fc00::1"), ("[fd12:3456::1]", "fd12:3456::1"),
    ("[fec0::1]", "fec0::1"), ("[64:ff9b:1::a00:1]", "64:ff9b:1::a00:1"), ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1"),
    ("[64:ff9b::10.0.0.1]", "64:ff9b::10.0.0.1"), ("[2002:a00:1::]", "2002:a00:1::"), ("1.0.0.127.in-addr.arpa", "127.0.0.1"),
    // No partner's at all.
    ("224.0.0.1", "224.0.0.1"), ("239.255.255.255", "239.255.255.255"), ("240.0.0.1", "240.0.0.1"), ("255.255.255.255", "255.255.255.255"),
    ("[ff02::1]", "ff02::1"), ("192.0.2.1", "192.0.2.1"), ("203.0.113.1", "203.0.113.1"), ("[2001:db8::1]", "2001:db8::1"),
    // Other hosts with the right one in them.
    ("acme.my.salesforce.com@127.0.0.1", "127.0.0.1"), ("acme.my.salesforce.com:443@10.0.0.1", "10.0.0.1"),
    ("127.0.0.1#.my.salesforce.com", "127.0.0.1"), ("127.0.0.1/.my.salesforce.com", "127.0.0.1"),
    ("127.0.0.1?.my.salesforce.com", "127.0.0.1"), ("127.0.0.1\\.my.salesforce.com", "127.0.0.1"),
    ("127.0.0.1\r\n.my.salesforce.com", "127.0.0.1"), ("127.0.0.1\0.my.salesforce.com", "127.0.0.1"),
    ("127.0.0.1 .my.salesforce.com", "127.0.0.1"), ("127.0.0.1%00.my.salesforce.com", "127.0.0.1"),
];

/// Sockets that answer as they are told, and remember whom they were to reach.
#[derive(Default)]
struct Scripted {
    /// What the resolver says, one answer after the other; the last one for ever.
    answers: Mutex<VecDeque<Vec<SocketAddr>>>,
    resolved: AtomicUsize,
    connects: Mutex<Vec<IpAddr>>,
    /// Who really takes the connections to [`GOOD`].
    server: Option<SocketAddr>,
}

#[async_trait]
impl Sockets for Scripted {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        self.resolved.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    #[expect(clippy::disallowed_methods, reason = "the stand-in of a partner, on loopback")]
    async fn connect(&self, address: SocketAddr) -> io::Result<(TcpStream, IpAddr)> {
        self.connects.lock().unwrap().push(address.ip());
        let server = self.server.ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok((TcpStream::connect(server).await?, address.ip()))
    }
}

impl Scripted {
    fn answering(answers: &[&[IpAddr]], server: Option<SocketAddr>) -> Arc<Self> {
        let answer = |all: &&[IpAddr]| all.iter().map(|address| SocketAddr::new(*address, 443)).collect();
        let answers = Mutex::new(answers.iter().map(answer).collect());
        Arc::new(Self { answers, server, ..Self::default() })
    }

    fn connects(&self) -> Vec<IpAddr> {
        self.connects.lock().unwrap().clone()
    }
}

/// An HTTPS server that gives every request this answer and keeps the connection. The address, its CA, and how many
/// connections and requests it saw.
async fn server(answer: String) -> (SocketAddr, String, Arc<[AtomicUsize; 2]>) {
    let authority = xtask::certificates::Authority::new("of the test").unwrap();
    let identity = authority.issue(&[HOST]).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let counted = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer, seen) = (acceptor.clone(), answer.clone(), counted.clone());
            seen[0].fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    seen[1].fetch_add(1, Ordering::Relaxed);
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                    let _ = stream.flush().await;
                }
            });
        }
    });
    (address, authority.pem().to_owned(), seen)
}

fn origin(host: &str, account: bool, ca: Option<&str>) -> Origin {
    Origin {
        scheme: "https".to_owned(),
        host: host.to_owned(),
        port: 443,
        path: String::new(),
        ca_bundle: ca.map(str::to_owned),
        private_networks: Vec::new(),
        account: account.then(|| ObjectName::parse("acme").unwrap()),
    }
}

fn door(sockets: &Arc<Scripted>) -> Https {
    let egress = Egress { cluster_networks: vec!["10.96.0.0/12".parse().unwrap()], ..Egress::default() };
    Https::new(Arc::new(Dialer::over(egress, sockets.clone())), Duration::from_secs(10))
}

async fn ask(door: &Https, origin: &Origin) -> Result<u16, Fault> {
    let granted = Granted::assume(origin.clone());
    let partner = aws_types::find("SalesforceClientSecret").unwrap();
    let to = Destination { origin: &granted, partner, verb: "verify" };
    let request = http::Request::get("/").body(Bytes::new()).unwrap();
    door.send(to, request).await.map(|answer| answer.status().as_u16())
}

/// The address, and each IPv6 address that carries it.
fn in_ipv6(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V4(v4) = address else { return vec![address] };
    let bits = u128::from(u32::from(v4));
    let at = |prefix: u128, bits: u128| IpAddr::V6(Ipv6Addr::from(prefix | bits));
    vec![
        at(0xffff << 32, bits),
        at(0xffff << 48, bits),
        at(0x0064_ff9b_u128 << 96, bits),
        at(0x2002_u128 << 112, bits << 80),
        at(0x2001_0000_u128 << 96, bits << 64),
        at((0x2001_0000_u128 << 96) | (0x0808_0808_u128 << 64), bits ^ 0xffff_ffff),
    ]
}

#[test]
fn the_spellings_are_many_and_no_two_alike() {
    let once: std::collections::BTreeSet<_> = SPELLINGS.iter().map(|(text, _)| text).collect();
    assert!(once.len() >= 80 && once.len() == SPELLINGS.len(), "{}", once.len());
}

#[tokio::test]
async fn t12_no_spelling_of_a_forbidden_address_is_dialled_directly() {
    for (spelling, address) in SPELLINGS {
        for account in [true, false] {
            // A resolver that finds something for anything: with a public answer a host that slips through is connected to.
            for answer in [address, GOOD] {
                let sockets = Scripted::answering(&[&[answer.parse().unwrap()]], None);
                let fault = ask(&door(&sockets), &origin(spelling, account, None)).await.unwrap_err();
                assert_eq!(fault.kind, FaultKind::Unsent, "{spelling:?}: {fault:?}");
                // Asked with its last dot, this is a name of the world's, and held to public addresses.
                let worlds = *spelling == "kubernetes.default" && account;
                // A service of the cluster is resolved for an account, and held to addresses that the account lists.
                let service = spelling.to_lowercase().contains(".svc") && account;
                let reached = if worlds && answer == GOOD { vec![GOOD.parse().unwrap()] } else { Vec::<IpAddr>::new() };
                assert_eq!(sockets.connects(), reached, "{spelling:?} by an account: {account}");
                let resolved = sockets.resolved.load(Ordering::Relaxed);
                assert!(resolved == 0 || worlds || service, "{spelling:?} by an account: {account}");
            }
        }
    }
}

#[tokio::test]
async fn t12_no_name_that_resolves_to_a_forbidden_address_is_dialled_alone_mixed_or_over_ipv6() {
    let good: IpAddr = GOOD.parse().unwrap();
    for (spelling, address) in SPELLINGS {
        let address: IpAddr = address.parse().unwrap();
        let carried = in_ipv6(address);
        let mut sets: Vec<Vec<IpAddr>> = vec![vec![address], vec![good, address], vec![address, good]];
        sets.extend(carried.into_iter().map(|v6| vec![v6]));
        for (account, set) in [true, false].into_iter().flat_map(|account| sets.iter().map(move |set| (account, set))) {
            let sockets = Scripted::answering(&[set], None);
            let fault = ask(&door(&sockets), &origin(HOST, account, None)).await.unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "Address"), "{spelling:?} {set:?}");
            assert_eq!(sockets.connects(), [] as [IpAddr; 0], "{spelling:?} {set:?}");
            assert_eq!(sockets.resolved.load(Ordering::Relaxed), 1);
        }
    }
}

#[tokio::test]
async fn t12_a_second_answer_of_the_resolver_neither_redirects_a_dial_nor_rides_on_an_open_connection() {
    let good: IpAddr = GOOD.parse().unwrap();
    let (address, ca, seen) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()).await;
    let of_ours = origin(HOST, true, Some(&ca));
    for (number, (spelling, forbidden)) in SPELLINGS.iter().enumerate() {
        let forbidden: IpAddr = forbidden.parse().unwrap();
        let sockets = Scripted::answering(&[&[good], &[forbidden]], Some(address));
        let door = door(&sockets);
        assert_eq!(ask(&door, &of_ours).await, Ok(200), "{spelling:?}");
        assert_eq!(sockets.resolved.load(Ordering::Relaxed), 1, "resolved once a dial");
        // The server keeps the first connection open: whoever pooled it would ask again without a look.
        let fault = ask(&door, &of_ours).await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "Address"), "{spelling:?}");
        assert_eq!(sockets.connects(), [good], "{spelling:?}");
        let seen = [0, 1].map(|at| seen[at].load(Ordering::Relaxed));
        assert_eq!(seen, [number + 1; 2], "one request a connection");
    }
}

#[tokio::test]
async fn t12_no_redirect_leads_to_a_forbidden_address() {
    let good: IpAddr = GOOD.parse().unwrap();
    for (number, (spelling, forbidden)) in SPELLINGS.iter().enumerate() {
        let header: String = spelling.chars().filter(|c| !c.is_control()).collect();
        let status = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"][number % 5];
        let scheme = ["https", "http"][number % 2];
        let answer = format!("HTTP/1.1 {status}\r\nlocation: {scheme}://{header}/latest\r\ncontent-length: 0\r\n\r\n");
        let (address, ca, _) = server(answer).await;
        let sockets = Scripted::answering(&[&[good], &[forbidden.parse().unwrap()]], Some(address));
        let fault = ask(&door(&sockets), &origin(HOST, true, Some(&ca))).await.unwrap_err();
        assert_eq!(fault.code.as_str(), "Redirect", "{spelling:?}");
        assert_eq!((sockets.connects(), sockets.resolved.load(Ordering::Relaxed)), (vec![good], 1), "{spelling:?}");
    }
}

#[tokio::test]
async fn t12_a_connection_that_reached_somebody_else_is_dropped() {
    struct Elsewhere(SocketAddr);
    #[async_trait]
    impl Sockets for Elsewhere {
        async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            Ok(vec![SocketAddr::new(GOOD.parse().unwrap(), 443)])
        }
        #[expect(clippy::disallowed_methods, reason = "the stand-in of a partner, on loopback")]
        async fn connect(&self, _: SocketAddr) -> io::Result<(TcpStream, IpAddr)> {
            Ok((TcpStream::connect(self.0).await?, Ipv4Addr::LOCALHOST.into()))
        }
    }
    let (address, ca, seen) = server(String::new()).await;
    let dialer = Dialer::over(Egress::default(), Arc::new(Elsewhere(address)));
    let door = Https::new(Arc::new(dialer), Duration::from_secs(10));
    let fault = ask(&door, &origin(HOST, true, Some(&ca))).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "Peer"));
    assert_eq!(seen[1].load(Ordering::Relaxed), 0);
}

//! Partners that lie, flood, stall and downgrade, below TLS and above it: every driver ends in time with a fault, nothing
//! secret reaches who is not proven, and nothing is asked off the origin's own paths.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use managed_external_secrets::partners::{Bound, Partner};
use mes_core::facts::Acceptance;
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::{Identity, ObjectName, Slot};
use mes_core::scope::Granted;
use mes_core::secret::Value;
use mes_core::spec::Origin;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use xtask::scratch::Scratch;

use crate::bench::{driver, tag, value, version, with};

const ORG: &str = "acme.my.salesforce.com";
const DATABASE: &str = "pg-main.databases.svc";
const BUDGET: Duration = Duration::from_secs(2);
const PASSWORD: &str = "c4N4ry-password-0123456789";
const KEY: &str = "3MVG9aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789";

/// A certificate with its key, and the authority that the client is told to believe.
struct Tls {
    acceptor: TlsAcceptor,
    ca: PathBuf,
    _scratch: Scratch,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    SelfSigned,
    Name,
    Expired,
    NotYet,
    OtherAuthority,
}

fn tls(host: &str, flaw: Flaw) -> Tls {
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    };
    // Of one name, as an attacker would make it.
    let ((believed, pem), (other, _)) = (authority("partners"), authority("partners"));
    let key = KeyPair::generate().unwrap();
    let name = if flaw == Flaw::Name { "evil.example" } else { host };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    match flaw {
        Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Flaw::NotYet => params.not_before = date_time_ymd(2090, 1, 1),
        _ => {}
    }
    let certificate = match flaw {
        Flaw::SelfSigned => params.self_signed(&key),
        Flaw::OtherAuthority => params.signed_by(&key, &other),
        _ => params.signed_by(&key, &believed),
    };
    let certificate = CertificateDer::from(certificate.unwrap().der().to_vec());
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let scratch = Scratch::new("hostile").unwrap();
    let ca = scratch.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    Tls { acceptor: TlsAcceptor::from(Arc::new(config)), ca, _scratch: scratch }
}

/// What a server read of its clients, decrypted.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn of(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

/// A listener that gives each connection to `serve`; its port.
async fn listen<F, S>(serve: S) -> u16
where
    S: Fn(TcpStream) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

fn origin(scheme: &str, host: &str, port: u16) -> Granted<Origin> {
    Granted::assume(Origin {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        port,
        path: String::new(),
        ca_bundle: None,
        private_networks: Vec::new(),
        account: Some(ObjectName::parse("main").unwrap()),
    })
}

fn pair() -> Value {
    value([
        ("baseUri", "https://acme.my.salesforce.com"),
        ("appId", "0xH5k000000001"),
        ("consumerId", "888k000000001"),
        ("consumerKey", KEY),
        ("consumerSecret", PASSWORD),
    ])
}

fn org(acting: Value) -> Bound {
    let identity = Identity::parse(format!("{ORG}/0xH5k000000001")).unwrap();
    let parameters = [("apiVersion".to_owned(), "v65.0".to_owned())].into();
    Bound::new(origin("https", ORG, 443), Some(acting), parameters, Vec::new())
        .granting([Granted::assume(identity)].into())
}

fn login() -> Value {
    value([("host", DATABASE), ("port", "5432"), ("dbname", "postgres"), ("username", "app_a"), ("password", PASSWORD)])
}

fn database() -> Bound {
    let slots = ["app_a", "app_b"].map(|slot| Slot::parse(slot).unwrap()).to_vec();
    let identity = |role: &str| Granted::assume(Identity::parse(format!("{DATABASE}/{role}")).unwrap());
    let admin = value([("username", "rotator"), ("password", PASSWORD)]);
    Bound::new(origin("postgresql", DATABASE, 5432), Some(admin), Default::default(), slots)
        .granting(["app_a", "app_b"].map(identity).into())
}

async fn timed<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let began = Instant::now();
    let told = call.await;
    assert!(began.elapsed() < 2 * BUDGET, "it ended after {:?}", began.elapsed());
    told
}

/// Reads a request's head and what came with it.
async fn request(stream: &mut (impl AsyncRead + Unpin), heard: &Heard) -> Option<String> {
    let mut buffer = vec![0; 1 << 16];
    let length = stream.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
    heard.of(&buffer[..length]);
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Writes for ever, or until the other side has had enough; how much it took.
async fn flood(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), head: &[u8], endless: &[u8]) -> usize {
    let mut taken = 0;
    let mut next = head;
    while stream.write_all(next).await.is_ok() && stream.flush().await.is_ok() {
        taken += next.len();
        next = endless;
        if next.is_empty() {
            // Silence: the client must end it.
            let _ = stream.read(&mut [0; 16]).await;
            break;
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_whatever_a_partner_answers_each_call_ends_in_time_and_no_more_is_read_than_an_answer_may_have() {
    let deep = "[".repeat(200_000);
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{deep}", deep.len());
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 20\r\n\r\n\x1f\u{8b}\u{8}0000000000000000";
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let table: [(&str, String, String); 17] = [
        ("huge", "HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n".into(), "x".repeat(1 << 14)),
        ("endless chunks", head.into(), format!("4000\r\n{}\r\n", "x".repeat(1 << 14))),
        ("endless small chunks", head.into(), "1\r\nx\r\n".repeat(1000)),
        ("an endless chunk extension", head.into(), format!("1;{}", "x".repeat(1 << 14))),
        ("an endless header", "HTTP/1.1 200 OK\r\nx: ".into(), "x".repeat(1 << 14)),
        ("endless headers", "HTTP/1.1 200 OK\r\n".into(), "x: y\r\n".repeat(1000)),
        ("a flood of 103", String::new(), "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100)),
        ("a flood of 100", String::new(), "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)),
        ("silence", String::new(), String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\nconte".into(), String::new()),
        ("half a body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".into(), String::new()),
        ("deep", long, String::new()),
        ("gzip", gzip.into(), String::new()),
        ("HTML", "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>".into(), String::new()),
        ("another type", "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[{}]".into(), String::new()),
        ("another protocol", "220 mail.example ESMTP\r\n".into(), "250 OK\r\n".repeat(1000)),
        (
            "an upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".into(),
            String::new(),
        ),
    ];
    for (what, head, endless) in table {
        let tls = tls(ORG, Flaw::None);
        let taken = Arc::new(Mutex::new(0));
        let (acceptor, told) = (tls.acceptor.clone(), taken.clone());
        let port = listen(move |stream| {
            let (acceptor, told, head, endless) = (acceptor.clone(), told.clone(), head.clone(), endless.clone());
            async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                request(&mut stream, &Heard::default()).await;
                let taken = flood(&mut stream, head.as_bytes(), endless.as_bytes()).await;
                *told.lock().unwrap() += taken;
            }
        })
        .await;
        let partner = driver("SalesforceClientSecret", ORG, port, &tls.ca, BUDGET);
        let fault = timed(partner.verify(&org(pair()), &pair())).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unknown, "{what}: {fault:?}");
        assert!(!format!("{fault:?} {fault}").contains("xxxx"), "{what}");
        // Two MiB that we read, and what the kernel holds between us.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let taken = *taken.lock().unwrap();
        assert!(taken < 24 << 20, "{what}: {taken} bytes were taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_a_flood_below_tls_ends_too() {
    for (scheme, head, endless) in [
        ("https", Vec::new(), vec![0x16; 1 << 14]),
        ("https", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Vec::new()),
        ("https", Vec::new(), Vec::new()),
        ("postgresql", b"S".to_vec(), vec![0x16; 1 << 14]),
        ("postgresql", b"N".to_vec(), Vec::new()),
        ("postgresql", b"E".to_vec(), vec![b'x'; 1 << 14]),
        ("postgresql", Vec::new(), Vec::new()),
    ] {
        let tls = tls(if scheme == "https" { ORG } else { DATABASE }, Flaw::None);
        let port = listen(move |mut stream| {
            let (head, endless) = (head.clone(), endless.clone());
            async move {
                let _ = stream.read(&mut [0; 4096]).await;
                flood(&mut stream, &head, &endless).await;
            }
        })
        .await;
        let told = match scheme {
            "https" => {
                let partner = driver("SalesforceClientSecret", ORG, port, &tls.ca, BUDGET);
                timed(partner.verify(&org(pair()), &pair())).await
            }
            _ => {
                let partner = driver("PostgreSQLRole", DATABASE, port, &tls.ca, BUDGET);
                timed(partner.verify(&database(), &login())).await
            }
        };
        assert_eq!(told.unwrap_err().kind, FaultKind::Unsent, "{scheme}");
    }
}

/// A message of PostgreSQL's protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// A PostgreSQL server up to its first words about the login, which are `words`; what it heard after TLS stood, and before.
async fn rogue(answer: u8, words: Vec<u8>, endless: Vec<u8>) -> (u16, Heard, Heard, Tls) {
    let tls = tls(DATABASE, Flaw::None);
    let (plain, secret) = (Heard::default(), Heard::default());
    let (acceptor, heard) = (tls.acceptor.clone(), (plain.clone(), secret.clone()));
    let port = listen(move |mut stream| {
        let (acceptor, (plain, secret), words, endless) =
            (acceptor.clone(), heard.clone(), words.clone(), endless.clone());
        async move {
            let mut asked = [0; 8];
            if stream.read_exact(&mut asked).await.is_err() || stream.write_all(&[answer]).await.is_err() {
                return;
            }
            if answer != b'S' {
                // Whoever goes on without TLS is heard here.
                let _ = stream.write_all(&words).await;
                while request(&mut stream, &plain).await.is_some() {}
                return;
            }
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            request(&mut stream, &secret).await;
            if stream.write_all(&words).await.is_err() {
                return;
            }
            let _ = stream.flush().await;
            if !endless.is_empty() {
                flood(&mut stream, &endless, &endless).await;
            }
            while request(&mut stream, &secret).await.is_some() {}
        }
    })
    .await;
    (port, plain, secret, tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_rogue_server_that_asks_for_less_than_a_bound_login_gets_no_password() {
    let auth = |code: u32, rest: &[u8]| message(b'R', &[&code.to_be_bytes()[..], rest].concat());
    let ready = [auth(0, b""), message(b'Z', b"I")].concat();
    let canary = format!("SERROR\0C28P01\0M{PASSWORD}\0\0");
    let notices = message(b'N', &[b'x'; 4000]);
    let table: [(&str, u8, Vec<u8>, Vec<u8>); 15] = [
        ("no TLS, then cleartext", b'N', auth(3, b""), Vec::new()),
        ("no TLS, then MD5", b'N', auth(5, b"salt"), Vec::new()),
        ("no TLS, and in", b'N', ready.clone(), Vec::new()),
        ("cleartext", b'S', auth(3, b""), Vec::new()),
        ("MD5", b'S', auth(5, b"salt"), Vec::new()),
        ("Kerberos", b'S', auth(2, b""), Vec::new()),
        ("GSS", b'S', auth(7, b""), Vec::new()),
        ("SSPI", b'S', auth(9, b""), Vec::new()),
        ("SCRAM without channel binding", b'S', auth(10, b"SCRAM-SHA-256\0\0"), Vec::new()),
        ("an unknown mechanism", b'S', auth(10, b"PLAIN\0\0"), Vec::new()),
        ("no mechanism", b'S', auth(10, b"\0"), Vec::new()),
        ("in without a login", b'S', ready, Vec::new()),
        ("an error with the password in it", b'S', message(b'E', canary.as_bytes()), Vec::new()),
        ("endless notices", b'S', Vec::new(), notices),
        ("a message of 2 GiB", b'S', [&b"R"[..], &0x7fff_ffff_u32.to_be_bytes()].concat(), vec![b'x'; 1 << 14]),
    ];
    for (what, answer, words, endless) in table {
        let (port, plain, secret, tls) = rogue(answer, words, endless).await;
        let partner = driver("PostgreSQLRole", DATABASE, port, &tls.ca, BUDGET);
        let verified = timed(partner.verify(&database(), &login())).await;
        let listed = timed(partner.list(&database(), &[(version(1), login())])).await;
        if what.starts_with("an error") {
            // A server with the right certificate may refuse: that is its word, and nothing was given to it.
            assert_eq!(verified, Ok(Acceptance::Refused));
            assert_eq!(listed.unwrap_err().kind, FaultKind::Denied);
        } else {
            for fault in [verified.unwrap_err(), listed.unwrap_err()] {
                assert_eq!(fault.kind, FaultKind::Unsent, "{what}: {fault:?}");
                assert!(!format!("{fault:?}").contains(PASSWORD));
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (plain, secret) = (plain.text(), secret.text());
        assert_eq!(plain, "", "{what}: nothing goes on without TLS");
        assert!(!secret.contains(PASSWORD) && !secret.contains("md5"), "{what}");
        // Only the start of a session: its own message has no type, and names the user.
        if answer == b'S' {
            assert!(secret.contains("app_a") && secret.contains("rotator"), "{what}: {secret:?}");
            assert!(!secret.contains("SCRAM"), "{what}: no login was begun");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_server_whose_certificate_is_not_the_hosts_by_the_accounts_authority_is_never_spoken_to() {
    for (flaw, code) in [
        (Flaw::SelfSigned, "CertificateIssuer"),
        (Flaw::Name, "CertificateName"),
        (Flaw::Expired, "CertificateExpired"),
        (Flaw::NotYet, "Certificate"),
        (Flaw::OtherAuthority, "CertificateIssuer"),
    ] {
        let (tls_org, heard) = (tls(ORG, flaw), Heard::default());
        let (acceptor, told) = (tls_org.acceptor.clone(), heard.clone());
        let port = listen(move |stream| {
            let (acceptor, told) = (acceptor.clone(), told.clone());
            async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    while request(&mut stream, &told).await.is_some() {}
                }
            }
        })
        .await;
        let partner = driver("SalesforceClientSecret", ORG, port, &tls_org.ca, BUDGET);
        let fault = timed(partner.verify(&org(pair()), &pair())).await.unwrap_err();
        refused(flaw, &fault, code);

        let tls_database = tls(DATABASE, flaw);
        let (acceptor, told) = (tls_database.acceptor.clone(), heard.clone());
        let port = listen(move |mut stream| {
            let (acceptor, told) = (acceptor.clone(), told.clone());
            async move {
                let mut asked = [0; 8];
                let _ = stream.read_exact(&mut asked).await;
                let _ = stream.write_all(b"S").await;
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    while request(&mut stream, &told).await.is_some() {}
                }
            }
        })
        .await;
        let partner = driver("PostgreSQLRole", DATABASE, port, &tls_database.ca, BUDGET);
        let fault = timed(partner.verify(&database(), &login())).await.unwrap_err();
        refused(flaw, &fault, code);
        assert_eq!(heard.text(), "", "{flaw:?}: nothing was said");
    }
}

/// One that is its own authority may be told as no server's, one by an authority of the same name as ill signed.
fn refused(flaw: Flaw, fault: &Fault, code: &str) {
    assert_eq!(fault.kind, FaultKind::Unsent, "{flaw:?}: {fault:?}");
    let told = fault.code.as_str();
    assert!(told == code || (code == "CertificateIssuer" && told == "Certificate"), "{flaw:?}: {told}");
}

/// An org whose answers are well formed, and whose every text is this one.
async fn liar(text: &'static str) -> (u16, Heard, Tls) {
    let (tls, heard) = (tls(ORG, Flaw::None), Heard::default());
    let (acceptor, told) = (tls.acceptor.clone(), heard.clone());
    let port = listen(move |stream| {
        let (acceptor, told) = (acceptor.clone(), told.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let Some(asked) = request(&mut stream, &told).await else { return };
            let staged = json!({"id": text, "key": text, "secret": text, "state": "active", "url": text});
            let body = if asked.starts_with("POST /services/oauth2/token ") {
                json!({"access_token": "token", "instance_url": text, "id": text, "token_type": text, "api_instance_url": text})
            } else if asked.contains("?part=") {
                // The pair in use is told truly, or nothing more would be asked.
                json!({"key": KEY, "secret": PASSWORD, "url": text, "nextPageUrl": text})
            } else {
                json!({"stagedCredentials": [staged], "url": text, "stagedCredentialsUrl": text, "nextPageUrl": text,
                    "currentPageUrl": text})
            };
            let body = body.to_string();
            let header: String = text.chars().filter(|c| (' '..='~').contains(c)).collect();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nlocation: {header}\r\ncontent-location: {header}\r\nlink: <{header}>; rel=next\r\n\
                 refresh: 0; url={header}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
            while request(&mut stream, &told).await.is_some() {}
        }
    })
    .await;
    (port, heard, tls)
}

const HOSTILE: &[&str] = &[
    "https://evil.example/services/data/v65.0/next",
    "//evil.example/next",
    "/services/data/v65.0/apps/oauth/credentials/0xOTHER/staged",
    "../../../../admin",
    "..%2f..%2fadmin",
    "%2e%2e/%2e%2e/admin",
    "%2fadmin",
    "x/../../y",
    "..",
    ".",
    "",
    "x\r\nHost: evil.example\r\n\r\nDELETE /admin HTTP/1.1",
    "x?part=keyandsecret",
    "x#y",
    "x;y",
    "x\\..\\y",
    "x\0y",
    "'; DROP TABLE users; --",
    "x y",
    "\u{202e}txt",
    "ⅿain",
    "@evil.example",
    "http://169.254.169.254/latest/meta-data/",
];

#[tokio::test(flavor = "multi_thread")]
async fn t40_no_field_of_an_answer_leads_off_the_origin_or_off_the_path_of_the_app() {
    const PREFIX: &str = "/services/data/v65.0/apps/oauth/credentials/0xH5k000000001/888k000000001";
    for text in HOSTILE {
        let (port, heard, tls) = liar(text).await;
        let partner = driver("SalesforceClientSecret", ORG, port, &tls.ca, BUDGET);
        every_verb(partner.as_ref()).await;
        let heard = heard.text();
        let lines = heard.lines().filter(|line| line.ends_with(" HTTP/1.1"));
        let targets: Vec<&str> = lines.filter_map(|line| line.split(' ').nth(1)).collect();
        assert!(targets.len() >= 6, "{text:?}: {heard}");
        for target in targets {
            let rest = target.strip_prefix(PREFIX);
            let fine = target == "/services/oauth2/token"
                || rest.is_some_and(|rest| ["?part=keyandsecret", "/staged"].contains(&rest));
            assert!(fine, "{text:?}: {target}");
        }
        assert!(heard.lines().filter(|line| line.starts_with("host: ")).all(|line| line == format!("host: {ORG}")));
    }
}

/// Whatever they give: this is about what they ask.
async fn every_verb(partner: &dyn Partner) {
    let known = [(version(1), pair())];
    let id = mes_core::names::CredentialId::parse(version(1).as_str()).unwrap();
    let staged = with(&pair(), "consumerSecret", "another-secret-0123456789");
    let _ = partner.verify(&org(pair()), &pair()).await;
    let _ = partner.list(&org(pair()), &known).await;
    let _ = partner.create(&org(pair()), Some(&pair()), &tag()).await;
    let _ = partner.activate(&org(pair()), &staged).await;
    let _ = partner.revoke(&org(pair()), &id, Some(&staged)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_value_for_another_host_is_sent_nowhere() {
    let heard = Heard::default();
    let told = heard.clone();
    let port = listen(move |mut stream| {
        let told = told.clone();
        async move {
            told.of(b"connected");
            request(&mut stream, &told).await;
        }
    })
    .await;
    // The dialer would reach the other host, if anybody asked it to.
    for host in ["evil.my.salesforce.com", "evil.databases.svc"] {
        let tls = tls(host, Flaw::None);
        let partner = driver("SalesforceClientSecret", "evil.my.salesforce.com", port, &tls.ca, BUDGET);
        let elsewhere = with(&pair(), "baseUri", "https://evil.my.salesforce.com");
        assert_eq!(partner.verify(&org(pair()), &elsewhere).await, Ok(Acceptance::Alien));
        assert_eq!(partner.create(&org(pair()), Some(&elsewhere), &tag()).await.unwrap_err().kind, FaultKind::Rejected);
        let partner = driver("PostgreSQLRole", "evil.databases.svc", port, &tls.ca, BUDGET);
        let elsewhere = with(&login(), "host", "evil.databases.svc");
        assert_eq!(partner.verify(&database(), &elsewhere).await, Ok(Acceptance::Alien));
        assert_eq!(partner.register(&database(), &elsewhere).await.unwrap_err().kind, FaultKind::Rejected);
    }
    assert_eq!(heard.text(), "", "the listener took no connection");
}

use super::*;
use mes_core::names::ObjectName;
use mes_core::partner::aws_types;
use mes_core::scope::Granted;

fn origin(host: &str, account: bool) -> Origin {
    Origin {
        scheme: "https".to_owned(),
        host: host.to_owned(),
        port: 443,
        path: String::new(),
        ca_bundle: None,
        private_networks: Vec::new(),
        account: account.then(|| ObjectName::parse("acme").unwrap()),
    }
}

async fn refusal(origin: Origin, egress: Egress) -> String {
    let granted = Granted::assume(origin);
    let partner = aws_types::find("SalesforceClientSecret").unwrap();
    let to = Destination { origin: &granted, partner, verb: "list" };
    let fault = Dialer::new(egress).dial(to, "https").await.map(|_| ()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsent, "{fault:?}");
    fault.code.as_str().to_owned()
}

#[tokio::test]
async fn what_the_guard_refuses_is_surely_not_sent() {
    let plain = Egress::default;
    assert_eq!(refusal(origin("127.0.0.1", true), plain()).await, "Host");
    assert_eq!(refusal(origin("localhost", true), plain()).await, "Host");
    assert_eq!(refusal(origin("evil.example", false), plain()).await, "NotAVendorHost");
    assert_eq!(refusal(origin("acme.my.salesforce.com.evil.example", false), plain()).await, "NotAVendorHost");
    assert_eq!(refusal(Origin { port: 22, ..origin("a.my.salesforce.com", false) }, plain()).await, "Port");
    assert_eq!(refusal(Origin { port: 0, ..origin("a.example", true) }, plain()).await, "Port");
    assert_eq!(refusal(Origin { scheme: "http".to_owned(), ..origin("a.example", true) }, plain()).await, "Port");
    let ca = |pem: &str| Origin { ca_bundle: Some(pem.to_owned()), ..origin("a.example", true) };
    assert_eq!(refusal(ca("not a certificate"), plain()).await, "CaBundle");
    assert_eq!(
        refusal(ca("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), plain()).await,
        "CaBundle"
    );
}

#[test]
fn one_bad_answer_refuses_the_whole_set() {
    let read = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    let code =
        |texts: &[&str], networks: &Networks| judged(&read(texts), networks).map_err(|fault| fault.code.to_string());
    let none = Networks::default();
    assert_eq!(code(&["8.8.8.8:443", "[2001:4860:4860::8888]:443"], &none), Ok(()));
    assert_eq!(code(&["8.8.8.8:443", "127.0.0.1:443"], &none), Err("Address".to_owned()));
    assert_eq!(code(&["8.8.8.8:443", "10.0.0.1:443"], &none), Err("Address".to_owned()));
    assert_eq!(code(&["8.8.8.8:443"; 17], &none), Err("Address".to_owned()));
    assert_eq!(code(&[], &none), Err("Unresolved".to_owned()));
}

#[test]
fn private_networks_are_only_an_accounts_and_must_be_networks() {
    let dialer = Dialer::new(Egress::default());
    let name = host::admitted("db.example", true, "cluster.local").unwrap();
    let listing = |account, networks: &[&str]| Origin {
        private_networks: networks.iter().map(|text| (*text).to_owned()).collect(),
        ..origin("db.example", account)
    };
    assert_eq!(dialer.networks(&listing(true, &["10.0.0.0/8"]), &name).unwrap().listed.len(), 1);
    assert!(dialer.networks(&listing(false, &["10.0.0.0/8"]), &name).unwrap().listed.is_empty());
    assert!(dialer.networks(&listing(true, &["10.0.0.0/33"]), &name).is_err());
}

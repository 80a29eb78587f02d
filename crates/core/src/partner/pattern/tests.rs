use super::*;
use crate::partner::aws_types;

const UUID: &str = "0d5f6b1e-6b6e-5c0e-9b1a-2f6f0a7f3f11";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIB+/a=\nMIIB\n-----END PRIVATE KEY-----\n";

#[test]
fn no_spelling_of_an_address_passes_for_a_host_of_salesforce() {
    let check = |uri: &str| {
        aws_types::find("SalesforceClientSecret").unwrap().format.field("baseUri").unwrap().pattern.accepts(uri)
    };
    assert!(check("https://acme.my.salesforce.com"));
    let refused = [
        "https://acme.my.salesforce.com/",
        "https://acme.my.salesforce.com:443",
        "https://acme.my.salesforce.com?x",
        "https://acme.my.salesforce.com#x",
        "https://user@acme.my.salesforce.com",
        "https://evil.com/#.my.salesforce.com",
        "https://evil.com\\.my.salesforce.com",
        "https://.my.salesforce.com",
        "https://acme..my.salesforce.com",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com.",
        "https://evil.com",
        "https://169.254.169.254",
        "https://[::1].my.salesforce.com",
        "https://аcme.my.salesforce.com",
        "https:// acme.my.salesforce.com",
        "https://-acme.my.salesforce.com",
        "https://evil.com/.my.salesforce.com",
        "HTTPS://acme.my.salesforce.com",
    ];
    for uri in refused {
        assert!(!check(uri), "{uri}");
    }
}

#[test]
fn hosts_are_names_and_never_addresses() {
    for host in ["a.bc", "acme.bigid.cloud", "xn--bcher-kva.example", "1a.example.com"] {
        assert!(Pattern::HOST.accepts(host), "{host}");
    }
    for host in [
        "",
        "localhost",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "a.b.0x7f",
        "::1",
        "a.b.",
        ".a.bc",
        "a b.cd",
        "a.b:1",
        "a_b.cd",
        "bücher.example",
        "a/b.cd",
    ] {
        assert!(!Pattern::HOST.accepts(host), "{host}");
    }
    assert!(!Pattern::HOST.accepts(&format!("{}.com", "a".repeat(64))));
    assert!(!Pattern::HOST.accepts(&format!("{}com", "abc.".repeat(63))));
}

#[test]
fn shapes_take_what_they_say() {
    let cases: [(Pattern, &[&str], &[&str]); 6] = [
        (Pattern::UUID, &[UUID], &["", "0d5f6b1e6b6e5c0e9b1a2f6f0a7f3f11", "0d5f6b1e-6b6e-5c0e-9b1a-2f6f0a7f3f1g"]),
        (Pattern::PORT, &["1", "5432", "65535"], &["0", "65536", "05432", "+1", "a", ""]),
        (
            Pattern::HTTPS_URL,
            &["https://a.example.com", "https://a.example.com:8443/x/y-z", "https://a.example.com/x"],
            &[
                "https://a.example.com/",
                "https://a.example.com/x/",
                "https://a.example.com//x",
                "https://a.example.com/../x",
                "https://a.example.com:0",
                "https://a.example.com:x",
                "https://a.example.com/?q",
                "ftp://a.example.com",
                "https://10.0.0.1",
            ],
        ),
        (
            Pattern::PEM,
            &[PEM, "MIIB+/a=", "-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMIIB\r\n-----END ENCRYPTED PRIVATE KEY-----"],
            &[
                "",
                "-----BEGIN PRIVATE KEY-----\nMIIB",
                "-----BEGIN X-----\n-----END X-----",
                "not base64!",
                "MIIB\u{0}",
                "-----",
            ],
        ),
        (Pattern::LINE, &["a b", "pässword", "<x>"], &["", " a", "a ", "a\nb", "a\u{7f}"]),
        (Pattern::TOKEN, &["a\"b'c", "~"], &["a b", "pässword", "a\u{7f}"]),
    ];
    for (pattern, good, bad) in cases {
        good.iter().for_each(|text| assert!(pattern.accepts(text), "{text:?} is {}", pattern.expected));
        bad.iter().for_each(|text| assert!(!pattern.accepts(text), "{text:?} is not {}", pattern.expected));
    }
}

//! Names, patterns and endpoints as somebody would write them who wants what is not theirs.

use proptest::prelude::*;

use super::super::endpoint::Endpoint;
use super::super::pattern::Pattern;
use super::*;

fn covers(pattern: &str, namespace: &str, name: &str) -> bool {
    let namespace = Namespace::parse(namespace).unwrap();
    Pattern::parse(pattern, &namespace).is_some_and(|pattern| pattern.covers(name))
}

#[test]
fn a_pattern_covers_what_it_says() {
    assert!(covers("0xH5e0000000001", "pay", "0xH5e0000000001"));
    assert!(covers("{namespace}_*", "pay", "pay_orders"));
    assert!(covers("legacy/{namespace}/*", "pay", "legacy/pay/mail"));
    assert!(covers("team:{namespace}", "pay", "team:pay"));
    assert!(covers("*", "pay", "anything") && covers("project/*", "pay", "project/4711"));
}

#[test]
fn a_pattern_covers_nothing_of_another_namespace() {
    for (pattern, namespace, name) in [
        ("{namespace}_*", "pay", "pay-ments_x"),
        ("{namespace}_*", "pay", "Pay_x"),
        ("{namespace}_*", "pay", "pay"),
        ("{namespace}", "pay", "pay-ments"),
        ("legacy/{namespace}/*", "pay", "legacy/pay-ments/x"),
        ("legacy/*", "pay", "legacy/payments/x"),
        ("*", "pay", "a/b"),
        ("exact", "pay", "exactly"),
        ("exact", "pay", "xexact"),
        // Not of the form: nothing at all.
        ("{namespace}-*", "pay", "pay-x"),
        ("{namespace}*", "pay", "payments_x"),
        ("{namespace}x", "pay", "payx"),
        ("a*b", "pay", "axb"),
        ("**", "pay", "x"),
        ("{other}_*", "pay", "{other}_x"),
        ("{namespace", "pay", "{namespace"),
        ("", "pay", ""),
    ] {
        assert!(!covers(pattern, namespace, name), "{pattern} for {namespace} covers {name}");
    }
}

#[test]
fn no_grant_reaches_below_the_prefix_of_another_namespace() {
    for name in ["prod/payroll/x", "prod/payments-x/y", "prod/x", "prod//x", "prod/payroll/../payments/x", "a/../b"] {
        for source in [Source::Adopt, Source::Observe] {
            let mut world = existing(source, name);
            let all: Vec<String> =
                vec!["*".into(), "prod/*".into(), "prod/payroll/*".into(), "prod/payments-x/*".into(), name.to_owned()];
            world.store().grants[0].manage = all.clone();
            world.store().grants[0].observe = all;
            assert_eq!(world.refusal().code(), "SecretNameNotAllowed", "{name}");
        }
    }
}

#[test]
fn t04_an_identity_that_only_looks_like_a_granted_one_is_refused() {
    for forged in [
        "payroll_a",
        "Payments_a",
        "PAYMENTS_A",
        "payments",
        "payments-x_a",
        "payments_a/../payroll_a",
        "pаyments_a", // Cyrillic а
        "payments_\u{0430}",
        "payments_a\0",
        "payments_*",
        "payments_a ",
        " payments_a",
        "payments_a b",
        "pg_monitor",
        "postgres",
        "x\"; ALTER ROLE postgres LOGIN; --",
    ] {
        let mut world = minted();
        drop(world.partner().parameters.insert("username".into(), forged.to_owned()));
        let code = world.refusal().code();
        assert!(["IdentityNotAllowed", "InvalidParameters"].contains(&code), "{forged}: {code}");
    }
}

#[test]
fn t24_an_edit_to_another_account_serves_nothing_that_this_account_does_not_grant() {
    let edited = |endpoint: &str, grant: AccountGrant| {
        let mut world = minted();
        world.spec();
        world.partner().account = Some(object("other"));
        world.account = Some(Account {
            name: object("other"),
            grants: vec![grant],
            ..account("PostgreSQLRole", Some(endpoint), &[])
        });
        world
    };
    let (same, other) = ("postgresql://db.example.com/postgres", "postgresql://db2.example.com/postgres");
    let grant = |namespace: &str, identities: &str| AccountGrant {
        to: to(&[namespace]),
        identities: vec![identities.to_owned()],
    };
    assert_eq!(edited(same, grant("orders", "*")).refusal(), Reason::AccountNotAllowed(object("other")));
    assert_eq!(edited(same, grant("payments", "orders_*")).refusal().code(), "IdentityNotAllowed");
    // Granted there too, but the stored value is of the former server: it is sent to neither.
    let spec = edited(other, grant("payments", "payments_*")).spec();
    let stored = value(&[("host", "db.example.com"), ("username", "payments_a"), ("password", "c4nary-v4lue")]);
    assert_eq!(origin_of(&spec, &stored).unwrap_err(), Seed::WrongHost);
    assert_eq!(inspect_seed(&spec, &stored, None).unwrap_err(), Seed::WrongHost);
}

#[test]
fn an_endpoint_has_one_spelling_and_nothing_beside_it() {
    for (text, host, port, path) in [
        ("https://Acme.Example.com", "acme.example.com", 443, ""),
        ("https://acme.example.com:8443/api/v1/", "acme.example.com", 8443, "/api/v1"),
        ("https://10.20.0.5", "10.20.0.5", 443, ""),
        ("https://[FD00:0:0::5]:8200", "fd00::5", 8200, ""),
        ("https://localhost:8443", "localhost", 8443, ""),
    ] {
        let expected = Endpoint { host: host.to_owned(), port, path: path.to_owned() };
        assert_eq!(Endpoint::parse("https", text), Some(expected), "{text}");
    }
    for bad in [
        "",
        "acme.example.com",
        "http://acme.example.com",
        "HTTPS://acme.example.com",
        "https://",
        "https:///path",
        "https://user@acme.example.com",
        "https://acme.example.com@evil.example.com",
        "https://acme.example.com:8443@evil.example.com",
        "https://acme.example.com?x=y",
        "https://acme.example.com#x",
        "https://acme.example.com\\@evil.example.com",
        "https://acme.example.com/../x",
        "https://acme.example.com/%2e%2e",
        "https://acme.example.com//x",
        "https://acme.example.com:0",
        "https://acme.example.com:65536",
        "https://acme.example.com:+443",
        "https://acme.example.com:",
        "https://acme.example.com.",
        "https://acme .example.com",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://127.1",
        "https://0177.0.0.1",
        "https://[::1",
        "https://[::1]x",
        "https://[fe80::1%25eth0]",
        "https://а.example.com",
    ] {
        assert_eq!(Endpoint::parse("https", bad), None, "{bad}");
    }
    for bad in [
        "postgresql://db.example.com",
        "postgresql://db.example.com/",
        "postgresql://db.example.com/a/b",
        "postgres://db/x",
    ] {
        assert_eq!(Endpoint::parse("postgresql", bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn no_two_resources_of_a_store_have_the_same_secret(
        one in ("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?"),
        other in ("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", "[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?"),
    ) {
        let name_of = |(namespace, name): &(String, String)| -> Option<String> {
            ObjectName::parse(name.as_str()).ok()?;
            let mut world = seeded();
            world.own = own(namespace, name);
            world.store().grants[0].to = to(&[namespace]);
            Some(world.spec().scope.store_secret.name.to_string())
        };
        let (Some(first), Some(second)) = (name_of(&one), name_of(&other)) else { return Ok(()) };
        prop_assert_eq!(one == other, first == second);
        let mut parts = first.splitn(3, '/');
        prop_assert_eq!((parts.next(), parts.next(), parts.next()), (Some("prod"), Some(&*one.0), Some(&*one.1)));
    }

    #[test]
    fn no_pattern_with_a_namespace_covers_what_it_covers_for_another(
        before in "[a-z/_]{0,4}",
        end in "[_./:][a-z]{0,3}\\*?|",
        one in "[a-z]([a-z-]{0,3}[a-z])?",
        other in "[a-z]([a-z-]{0,3}[a-z])?",
        rest in "[a-z_:.-]{0,4}",
    ) {
        prop_assume!(one != other);
        let pattern = format!("{before}{{namespace}}{end}");
        let name = format!("{before}{one}{}{rest}", end.trim_end_matches('*'));
        prop_assert!(!(covers(&pattern, &one, &name) && covers(&pattern, &other, &name)));
    }

    #[test]
    fn any_text_is_read_without_panic_and_grants_at_most_itself(pattern in ".{0,24}", name in ".{0,24}") {
        let _ = covers(&pattern, "pay", &name);
        let _ = Endpoint::parse("https", &pattern);
        let _ = Endpoint::parse("postgresql", &format!("postgresql://{pattern}"));
    }
}

//! Which host names may be dialled: SECURITY section 7, steps 1 and 3.
//!
//! Invariant: a name, never an address in any spelling, and never one that means this machine or the cluster, save a
//! service that an account names. Called by the dialer.

use url::Host;

/// A host that may be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// ASCII, lower case, no trailing dot: for TLS.
    pub(super) tls: String,
    /// What the resolver is asked, with trailing dot: no search list.
    pub(super) asked: String,
    /// Whether it is a service of this cluster.
    pub(super) of_cluster: bool,
}

/// Takes `host` if it may be dialled; `account`: an account names it. `None`: refused.
pub(super) fn admitted(host: &str, account: bool, cluster_domain: &str) -> Option<Name> {
    // One spelling: `%41` for `A` is nobody's way to write a host but an attacker's.
    if host.contains('%') {
        return None;
    }
    let Ok(Host::Domain(name)) = Host::parse(host) else { return None };
    let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
    let labels: Vec<&str> = name.split('.').collect();
    // WHATWG lets `*`, `!` and the like through, which no partner's name has.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &&str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    if labels.len() < 2 || !labels.iter().all(label) || name.len() > 253 {
        return None;
    }
    let suffix = format!(".svc.{cluster_domain}");
    let service = name.strip_suffix(&suffix).or_else(|| name.strip_suffix(".svc"));
    if let Some(service) = service {
        let whole = service.split('.').count() == 2;
        let asked = format!("{service}{suffix}.");
        return (account && whole).then_some(Name { tls: name, asked, of_cluster: true });
    }
    let of_cluster = name == cluster_domain || name.ends_with(&format!(".{cluster_domain}"));
    let special = ["localhost", "local", "internal", "arpa", "svc"];
    let top = labels.last().copied().unwrap_or_default();
    (!of_cluster && !special.contains(&top)).then(|| Name { asked: format!("{name}."), tls: name, of_cluster: false })
}

/// Whether `host` is `pattern`, or at least one label below its `*.suffix`.
pub(super) fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|label| suffix.starts_with('.') && !label.is_empty()),
        None => host == pattern,
    }
}

/// Whether `pattern` is a host name, or `*.` and a suffix of at least two labels, as [`matches`] reads them: lower case, no
/// trailing dot, nothing of the cluster or of this machine.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    let suffix = pattern.strip_prefix("*.").unwrap_or(pattern);
    admitted(suffix, false, "cluster.local").is_some_and(|name| name.tls == suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_the_operators_flag_has_at_least_two_labels_after_its_star() {
        for fine in ["api.example.com", "*.example.com", "*.eu.example.com"] {
            assert!(is_pattern(fine), "{fine}");
        }
        for bad in [
            "",
            "*",
            "*.com",
            "**.example.com",
            "*example.com",
            "a.*.example.com",
            "Example.com",
            "example.com.",
            "127.0.0.1",
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
        for bad in ["https://example.com", "*.0.0.1", "*.svc.cluster.local", "*.in.local"] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn only_a_name_is_dialled_never_an_address_in_any_spelling() {
        let refused = [
            "",
            ".",
            "..",
            "localhost",
            "localhost.",
            "a.localhost",
            "printer.local",
            "metadata.google.internal",
            "1.0.0.127.in-addr.arpa",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "[::1]",
            "::1",
            "single",
            "user@example.com",
            "example.com:443",
            "example.com/path",
            "example.com#x",
            "exa mple.com",
            "example..com",
            "example.com\n",
            "１２７.0.0.1",
            "%31%32%37.0.0.1",
            "*.example.com",
            "exam%70le.com",
        ];
        for host in refused {
            assert_eq!(admitted(host, true, "cluster.local"), None, "{host:?}");
        }
        let name = admitted("Acme.My.Salesforce.COM.", false, "cluster.local").unwrap();
        assert_eq!((name.tls.as_str(), name.asked.as_str()), ("acme.my.salesforce.com", "acme.my.salesforce.com."));
        assert_eq!(admitted("bücher.example", false, "cluster.local").unwrap().tls, "xn--bcher-kva.example");
    }

    #[test]
    fn a_service_of_the_cluster_is_dialled_only_for_an_account_and_by_its_whole_name() {
        let service = admitted("pg-main.databases.svc", true, "cluster.local").unwrap();
        assert!(service.of_cluster);
        assert_eq!(service.asked, "pg-main.databases.svc.cluster.local.");
        assert_eq!(service.tls, "pg-main.databases.svc");
        assert_eq!(
            admitted("pg-main.databases.svc.cluster.local", true, "cluster.local").unwrap().asked,
            service.asked
        );
        assert_eq!(admitted("pg-main.databases.svc", false, "cluster.local"), None);
        for host in ["a.svc", "a.b.c.svc", "a.b.pod.cluster.local", "cluster.local", "x.cluster.local"] {
            assert_eq!(admitted(host, true, "cluster.local"), None, "{host}");
        }
    }

    #[test]
    fn a_star_stands_for_at_least_one_label() {
        assert!(matches("*.my.salesforce.com", "acme.my.salesforce.com"));
        assert!(!matches("*.my.salesforce.com", "my.salesforce.com"));
        assert!(!matches("*.my.salesforce.com", "evilmy.salesforce.com"));
        assert!(!matches("*.my.salesforce.com", "acme.my.salesforce.com.evil.example"));
        assert!(matches("api.example", "api.example") && !matches("api.example", "x.api.example"));
    }
}

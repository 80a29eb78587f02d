//! Which addresses a partner may have: classes of SECURITY section 7, step 5.
//!
//! Invariant: an address that carries another one (v4-mapped, v4-compatible, NAT64, 6to4, Teredo) is judged by itself and
//! by what it carries, so that no spelling gets round a class. One bad answer refuses the whole set. Called by the dialer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What an address may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Anybody's.
    Public,
    /// Only inside a network that the account lists.
    Private,
    /// Never a partner's, whatever anybody lists: this machine, its link, the cloud's metadata.
    Never,
}

const NEVER: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::/32",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
];

const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "fc00::/7",
    "fec0::/10",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
];

/// What an account and the cluster say of addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Networks {
    /// The account's `privateNetworks`.
    pub(super) listed: Vec<IpNet>,
    /// Networks of pods, services and nodes, and the API server: only what is listed alone (/32, /128).
    pub(super) cluster: Vec<IpNet>,
    /// Whether every address must be listed alone: the host is a name of the cluster's own.
    pub(super) alone: bool,
}

impl Networks {
    /// Whether a connection may go to `address`.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        parts(address).into_iter().all(|part| {
            let class = class_of(part);
            let listed = self.listed.iter().any(|network| network.contains(&part));
            let listed_alone = self.listed.iter().any(|network| is_alone(network) && network.addr() == part);
            let guarded = self.alone || self.cluster.iter().any(|network| network.contains(&part));
            class != Class::Never && (class == Class::Public || listed) && (!guarded || listed_alone)
        })
    }
}

fn is_alone(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

fn class_of(address: IpAddr) -> Class {
    if within(NEVER, address) {
        Class::Never
    } else if within(PRIVATE, address) {
        Class::Private
    } else {
        Class::Public
    }
}

fn within(networks: &[&str], address: IpAddr) -> bool {
    // A literal that is no network would open a class: then it holds everything. A test reads each.
    networks.iter().any(|text| text.parse::<IpNet>().map_or(true, |network| network.contains(&address)))
}

/// The address and those that it carries; a v4-mapped one is the v4 address in another spelling.
fn parts(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(v6) = address else { return vec![address] };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return vec![v4.into()];
    }
    let carried = carried(v6);
    let outer = IpAddr::V6(v6);
    std::iter::once(outer).chain(carried.into_iter().map(IpAddr::V4)).collect()
}

fn carried(v6: Ipv6Addr) -> Vec<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // v4-compatible; `::` and `::1` are told by their own class.
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0) && (g, h) != (0, 0) && (g, h) != (0, 1) => vec![v4(g, h)],
        // SIIT, `::ffff:0:a.b.c.d`.
        (0, 0) if (c, d, e, f) == (0, 0, 0xffff, 0) => vec![v4(g, h)],
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => vec![v4(g, h)],
        (0x2002, _) => vec![v4(b, c)],
        // Teredo: the server's address, and the client's with every bit turned.
        (0x2001, 0) => vec![v4(c, d), v4(!g, !h)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of_text(text: &str) -> Class {
        parts(text.parse().unwrap()).into_iter().map(class_of).max().unwrap()
    }

    #[test]
    fn every_network_of_the_table_is_one() {
        for text in NEVER.iter().chain(PRIVATE) {
            let network: IpNet = text.parse().unwrap();
            assert_eq!(network.trunc(), network, "{text}");
        }
    }

    #[test]
    fn an_address_is_classed_in_every_spelling() {
        use Class::{Never, Private, Public};
        let table = [
            ("0.0.0.0", Never),
            ("0.1.2.3", Never),
            ("127.0.0.1", Never),
            ("127.255.255.254", Never),
            ("169.254.169.254", Never),
            ("169.254.170.23", Never),
            ("224.0.0.1", Never),
            ("239.255.255.255", Never),
            ("240.0.0.1", Never),
            ("255.255.255.255", Never),
            ("168.63.129.16", Never),
            ("100.100.100.200", Never),
            ("192.0.0.192", Never),
            ("::", Never),
            ("::1", Never),
            ("0:0:0:0:0:0:0:1", Never),
            ("fe80::1", Never),
            ("febf:ffff::1", Never),
            ("ff02::1", Never),
            ("fd00:ec2::254", Never),
            ("::ffff:127.0.0.1", Never),
            ("::ffff:7f00:1", Never),
            ("::ffff:169.254.169.254", Never),
            ("::ffff:0.0.0.0", Never),
            ("::127.0.0.1", Never),
            ("::169.254.169.254", Never),
            ("::ffff:0:127.0.0.1", Never),
            ("64:ff9b::127.0.0.1", Never),
            ("64:ff9b::a9fe:a9fe", Never),
            ("64:ff9b::168.63.129.16", Never),
            ("2002:7f00:1::", Never),
            ("2002:a9fe:a9fe::1", Never),
            ("2001:0:7f00:1::1", Never),
            ("2001:0:808:808::80ff:fffe", Never),
            ("2001:0:808:808:0:0:5601:5601", Never),
            ("10.0.0.1", Private),
            ("10.255.255.255", Private),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("192.168.1.1", Private),
            ("100.64.0.1", Private),
            ("100.127.255.255", Private),
            ("192.0.0.1", Private),
            ("192.0.2.1", Private),
            ("192.88.99.1", Private),
            ("198.18.0.1", Private),
            ("198.19.255.255", Private),
            ("198.51.100.7", Private),
            ("203.0.113.7", Private),
            ("fc00::1", Private),
            ("fd12:3456::1", Private),
            ("fec0::1", Private),
            ("64:ff9b:1::1", Private),
            ("100::1", Private),
            ("2001:db8::1", Private),
            ("2001:10::1", Private),
            ("3fff::1", Private),
            ("5f00::1", Private),
            ("2002:808:808::1", Private),
            ("2001:0:808:808::f7f7:f7f7", Private),
            ("::ffff:10.0.0.1", Private),
            ("::10.0.0.1", Private),
            ("64:ff9b::10.0.0.1", Private),
            ("8.8.8.8", Public),
            ("1.1.1.1", Public),
            ("11.0.0.1", Public),
            ("172.15.255.255", Public),
            ("172.32.0.1", Public),
            ("192.167.255.255", Public),
            ("100.63.255.255", Public),
            ("100.128.0.1", Public),
            ("169.253.255.255", Public),
            ("223.255.255.255", Public),
            ("::ffff:8.8.8.8", Public),
            ("64:ff9b::8.8.8.8", Public),
            ("2606:4700::1111", Public),
            ("2001:4860:4860::8888", Public),
        ];
        assert!(table.len() >= 60);
        for (text, expected) in table {
            assert_eq!(class_of_text(text), expected, "{text}");
        }
    }

    fn networks(listed: &[&str], cluster: &[&str], alone: bool) -> Networks {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Networks { listed: read(listed), cluster: read(cluster), alone }
    }

    fn admits(networks: &Networks, text: &str) -> bool {
        networks.admit(text.parse().unwrap())
    }

    #[test]
    fn a_private_address_is_admitted_only_where_listed_and_loopback_never() {
        let none = networks(&[], &[], false);
        assert!(admits(&none, "8.8.8.8") && !admits(&none, "10.1.2.3"));
        let ten = networks(&["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"], &[], false);
        assert!(admits(&ten, "10.1.2.3") && admits(&ten, "::ffff:10.1.2.3"));
        assert!(!admits(&ten, "192.168.0.1") && !admits(&ten, "127.0.0.1") && !admits(&ten, "169.254.169.254"));
        // NAT64 of a listed address: the outer is public, the inner listed.
        assert!(admits(&ten, "64:ff9b::10.1.2.3") && !admits(&ten, "64:ff9b::192.168.0.1"));
        // 6to4 of a listed address: the outer is not listed.
        assert!(!admits(&ten, "2002:a01:203::1"));
    }

    #[test]
    fn an_address_of_the_cluster_is_admitted_only_where_listed_alone() {
        let wide = networks(&["10.0.0.0/8"], &["10.96.0.0/12"], false);
        assert!(admits(&wide, "10.1.2.3") && !admits(&wide, "10.96.0.10"));
        let alone = networks(&["10.0.0.0/8", "10.96.0.10/32"], &["10.96.0.0/12"], false);
        assert!(admits(&alone, "10.96.0.10") && !admits(&alone, "10.96.0.11"));
        // A public address that is the API server's.
        let api = networks(&[], &["8.8.4.4/32"], false);
        assert!(!admits(&api, "8.8.4.4") && admits(&api, "8.8.8.8"));
        let named = networks(&["10.0.0.0/8"], &[], true);
        assert!(!admits(&named, "10.1.2.3") && !admits(&named, "8.8.8.8"));
    }
}

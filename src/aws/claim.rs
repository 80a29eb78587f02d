//! Tags ↔ [`Claim`]: whose a secret in AWS is (R4).
//!
//! Invariant: a secret is ours only if every part of the claim is; a part that is missing or strange makes it somebody
//! else's. Called by [`super::read`] and [`super::write`].

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::Tag;
use mes_core::facts::Ownership;
use mes_core::names::Uid;
use mes_core::spec::{Claim, RemoteSecret};

/// `<prefix>/<namespace>/<name>`.
const OWNER: &str = "managed-secrets.io/owner";
/// UID of the cluster. Sweeps look for it.
pub(super) const CLUSTER: &str = "managed-secrets.io/cluster";
/// The namespace's name, for IAM.
const NAMESPACE: &str = "managed-secrets.io/namespace";
/// The namespace's UID.
const NAMESPACE_UID: &str = "managed-secrets.io/namespace-uid";
/// The resource's UID.
const UID: &str = "managed-secrets.io/uid";

/// The tags of a claim alone: what is put on a secret that others made.
pub(super) fn tags(claim: &Claim) -> Vec<Tag> {
    pairs(claim).map(|(key, value)| tag(key, value)).into()
}

/// The tags of what we make: the store's, and our claim over them.
pub(super) fn tags_of_ours(secret: &RemoteSecret) -> Vec<Tag> {
    let mut all: BTreeMap<&str, &str> = secret.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    all.extend(pairs(&secret.claim));
    all.into_iter().map(|(key, value)| tag(key, value)).collect()
}

/// Whose a secret with these tags is.
pub(super) fn ownership(tags: &[Tag], secret: &RemoteSecret) -> Ownership {
    let claim = &secret.claim;
    let said = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
    if pairs(claim).iter().all(|(key, _)| said(key).is_none()) {
        return Ownership::Nobodys;
    }
    let Some(owner) = said(OWNER) else { return Ownership::Anothers };
    let here =
        said(CLUSTER) == Some(claim.cluster.as_str()) && said(NAMESPACE_UID) == Some(claim.namespace_uid.as_str());
    let taken_over = || {
        [CLUSTER, NAMESPACE_UID]
            .into_iter()
            .filter_map(said)
            .any(|uid| secret.take_over.iter().any(|each| each.as_str() == uid))
    };
    if owner == claim.owner && here {
        match said(UID) {
            Some(uid) if uid == claim.uid.as_str() => Ownership::Ours,
            other => Ownership::OursBefore(other.and_then(|uid| Uid::parse(uid).ok())),
        }
    } else if owner == claim.owner && taken_over() {
        Ownership::OursBefore(said(UID).and_then(|uid| Uid::parse(uid).ok()))
    } else if here && parent(owner) == parent(&claim.owner) {
        Ownership::Neighbours(owner.to_owned())
    } else {
        Ownership::Anothers
    }
}

fn pairs(claim: &Claim) -> [(&'static str, &str); 5] {
    [
        (OWNER, claim.owner.as_str()),
        (CLUSTER, claim.cluster.as_str()),
        (NAMESPACE, claim.namespace.as_str()),
        (NAMESPACE_UID, claim.namespace_uid.as_str()),
        (UID, claim.uid.as_str()),
    ]
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// `<prefix>/<namespace>`: a resource's name has no slash.
fn parent(owner: &str) -> Option<&str> {
    owner.rsplit_once('/').map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mes_core::names::{Namespace, ObjectName, Region, SecretName};
    use mes_core::spec::Access;

    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn secret() -> RemoteSecret {
        let claim = Claim {
            owner: "mes/pay/crm".to_owned(),
            cluster: uid("cluster-1"),
            namespace: Namespace::parse("pay").unwrap(),
            namespace_uid: uid("ns-1"),
            uid: uid("res-1"),
        };
        RemoteSecret {
            store: ObjectName::parse("default").unwrap(),
            access: Access { endpoint: None, keys: None, role: None, external_id: "cluster-1".to_owned() },
            account: None,
            primary: Region::parse("eu-west-1").unwrap(),
            name: SecretName::parse("mes/pay/crm").unwrap(),
            kms_key: None,
            claim,
            tags: BTreeMap::from([("team".to_owned(), "pay".to_owned()), (OWNER.to_owned(), "forged".to_owned())]),
            take_over: BTreeSet::from([uid("cluster-0"), uid("ns-0")]),
            read_only: false,
        }
    }

    /// The ownership of a secret with our tags, some of them changed (`""` takes it away).
    fn with(changes: &[(&str, &str)]) -> Ownership {
        let secret = secret();
        let mut tags = tags_of_ours(&secret);
        for (key, value) in changes {
            tags.retain(|tag| tag.key() != Some(*key));
            if !value.is_empty() {
                tags.push(tag(key, value));
            }
        }
        ownership(&tags, &secret)
    }

    #[test]
    fn what_we_make_is_ours_and_the_stores_tags_cannot_forge_a_claim() {
        assert_eq!(with(&[]), Ownership::Ours);
        assert_eq!(tags_of_ours(&secret()).len(), 6);
        assert_eq!(tags(&secret().claim).len(), 5);
    }

    #[test]
    fn a_secret_without_claim_tags_is_nobodys_even_if_its_owner_grants_it() {
        let granted = [tag("managed-secrets.io/grant", "cluster-1/pay/crm"), tag("team", "x")];
        assert_eq!(ownership(&granted, &secret()), Ownership::Nobodys);
        assert_eq!(ownership(&[], &secret()), Ownership::Nobodys);
    }

    #[test]
    fn an_earlier_resource_of_the_same_namespace_left_it_to_us() {
        assert_eq!(with(&[(UID, "res-0")]), Ownership::OursBefore(Some(uid("res-0"))));
        assert_eq!(with(&[(UID, "")]), Ownership::OursBefore(None));
        assert_eq!(with(&[(UID, "no uid!")]), Ownership::OursBefore(None));
    }

    #[test]
    fn a_made_again_namespace_or_cluster_inherits_only_by_take_over() {
        assert_eq!(with(&[(NAMESPACE_UID, "ns-2")]), Ownership::Anothers);
        assert_eq!(with(&[(CLUSTER, "cluster-2")]), Ownership::Anothers);
        assert_eq!(with(&[(NAMESPACE_UID, "ns-0"), (UID, "res-0")]), Ownership::OursBefore(Some(uid("res-0"))));
        assert_eq!(with(&[(CLUSTER, "cluster-0"), (NAMESPACE_UID, "ns-9")]), Ownership::OursBefore(Some(uid("res-1"))));
        assert_eq!(with(&[(CLUSTER, "cluster-0"), (OWNER, "mes/pay/other")]), Ownership::Anothers);
    }

    #[test]
    fn another_name_in_our_namespace_is_a_neighbour_and_everything_else_anothers() {
        assert_eq!(with(&[(OWNER, "mes/pay/crm-old")]), Ownership::Neighbours("mes/pay/crm-old".to_owned()));
        assert_eq!(with(&[(OWNER, "mes/other/crm")]), Ownership::Anothers);
        assert_eq!(with(&[(OWNER, "mes/pay/crm-old"), (NAMESPACE_UID, "ns-2")]), Ownership::Anothers);
        assert_eq!(with(&[(OWNER, "")]), Ownership::Anothers);
        assert_eq!(with(&[(CLUSTER, "")]), Ownership::Anothers);
        assert_eq!(with(&[(NAMESPACE_UID, "")]), Ownership::Anothers);
    }
}

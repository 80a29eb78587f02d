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

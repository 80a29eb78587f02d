//! Tags ↔ [`Claim`]: whose a secret in AWS is (R4).
//!
//! Invariant: a secret is ours only if every part of the claim is, and sealed for the very account, region and name where
//! it lies; a part that is missing or strange makes it somebody else's. Whoever may write tags there can copy or invent all
//! but the seal. Called by [`super::read`] and [`super::write`].

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::Tag;
use mes_core::debt::Debt;
use mes_core::facts::Ownership;
use mes_core::names::{Namespace, Region, SecretName, Uid};
use mes_core::spec::{Claim, RemoteSecret};

use crate::seal::{Domain, Seal};

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

/// HMAC over all of the above and where the secret is.
const SEAL: &str = "managed-secrets.io/seal";

/// With whose rights what is owed is paid: `<account>/<partner type>`; empty = nothing is.
const OWED: &str = "managed-secrets.io/owed";
/// With which parameters.
const OWED_PARAMETERS: &str = "managed-secrets.io/owed-parameters";
/// On which terms: not before when, and what a deleted resource promised beside.
const OWED_TERMS: &str = "managed-secrets.io/owed-terms";
/// HMAC over these, the claim and where the secret is.
const OWED_SEAL: &str = "managed-secrets.io/owed-seal";

/// The tags of a claim alone: what is put on a secret that others made. `account`: where the secret is.
pub(super) fn tags(secret: &RemoteSecret, account: &str, seal: &Seal) -> Vec<Tag> {
    let sealed = sealed(secret, account, seal);
    pairs(&secret.claim).into_iter().chain([(SEAL, sealed.as_str())]).map(|(key, value)| tag(key, value)).collect()
}

/// The tags of what we make: the store's, and our claim over them.
pub(super) fn tags_of_ours(secret: &RemoteSecret, account: &str, seal: &Seal) -> Vec<Tag> {
    let sealed = sealed(secret, account, seal);
    let mut all: BTreeMap<&str, &str> = secret.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    all.extend(pairs(&secret.claim));
    all.insert(SEAL, &sealed);
    all.into_iter().map(|(key, value)| tag(key, value)).collect()
}

/// Whose a secret with these tags is, in `account` and the store's region, under the name that we ask for.
///
/// A claim of this namespace counts by its seal alone, and so does a neighbour's. What the store's `takeOver` names is
/// taken without one: its key is another cluster's, or lost, and the store's administrators vouch for it.
pub(super) fn ownership(tags: &[Tag], secret: &RemoteSecret, account: &str, seal: &Seal) -> Ownership {
    let claim = &secret.claim;
    let said = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
    if pairs(claim).iter().all(|(key, _)| said(key).is_none()) && said(SEAL).is_none() {
        return Ownership::Nobodys;
    }
    let Some(owner) = said(OWNER) else { return Ownership::Anothers };
    let is_sealed = || {
        let told: Option<Vec<&str>> = pairs(claim).iter().map(|(key, _)| said(key)).collect();
        told.zip(said(SEAL)).is_some_and(|(told, sealed)| {
            seal.is_over(Domain::Claim, &placed(&told, account, &secret.primary, &secret.name), sealed)
        })
    };
    let here =
        said(CLUSTER) == Some(claim.cluster.as_str()) && said(NAMESPACE_UID) == Some(claim.namespace_uid.as_str());
    let taken_over = || {
        [CLUSTER, NAMESPACE_UID]
            .into_iter()
            .filter_map(said)
            .any(|uid| secret.take_over.iter().any(|each| each.as_str() == uid))
    };
    if owner == claim.owner && here && is_sealed() {
        match said(UID) {
            Some(uid) if uid == claim.uid.as_str() => Ownership::Ours,
            other => Ownership::OursBefore(other.and_then(|uid| Uid::parse(uid).ok())),
        }
    } else if owner == claim.owner && taken_over() {
        Ownership::OursBefore(said(UID).and_then(|uid| Uid::parse(uid).ok()))
    } else if here && parent(owner) == parent(&claim.owner) && owner != claim.owner && is_sealed() {
        Ownership::Neighbours(owner.to_owned())
    } else {
        Ownership::Anothers
    }
}

/// The tags of what a secret owes; `None`: nothing any more (the operator may not take tags off), or what no tag can hold.
pub(super) fn owing(debt: Option<&Debt>, secret: &RemoteSecret, account: &str, seal: &Seal) -> Vec<Tag> {
    let Some(texts) = debt.and_then(Debt::texts) else { return vec![tag(OWED, ""), tag(OWED_SEAL, "")] };
    let told = pairs(&secret.claim).map(|(_, value)| value);
    let told: Vec<&str> = told.into_iter().chain(texts.iter().map(String::as_str)).collect();
    let sealed = seal.seal(Domain::Debt, &placed(&told, account, &secret.primary, &secret.name));
    let keys = [OWED, OWED_PARAMETERS, OWED_TERMS, OWED_SEAL];
    keys.into_iter().zip(texts.iter().chain([&sealed])).map(|(key, value)| tag(key, value)).collect()
}

/// What a secret in `account` owes, and under which claim, if its tags say so and both are sealed: no tag that somebody else
/// wrote makes us end anything.
pub(super) fn owed(
    tags: &[Tag],
    account: &str,
    primary: &Region,
    name: &SecretName,
    seal: &Seal,
) -> Option<(Claim, Debt)> {
    let said = |key: &str| tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value);
    let debt = Debt::read([said(OWED)?, said(OWED_PARAMETERS)?, said(OWED_TERMS)?])?;
    let claim = Claim {
        owner: said(OWNER)?.to_owned(),
        cluster: Uid::parse(said(CLUSTER)?).ok()?,
        namespace: Namespace::parse(said(NAMESPACE)?).ok()?,
        namespace_uid: Uid::parse(said(NAMESPACE_UID)?).ok()?,
        uid: Uid::parse(said(UID)?).ok()?,
    };
    let told = pairs(&claim).map(|(_, value)| value);
    let owed: Vec<&str> = told.into_iter().chain([said(OWED)?, said(OWED_PARAMETERS)?, said(OWED_TERMS)?]).collect();
    let whole = seal.is_over(Domain::Claim, &placed(&told, account, primary, name), said(SEAL)?)
        && seal.is_over(Domain::Debt, &placed(&owed, account, primary, name), said(OWED_SEAL)?);
    whole.then_some((claim, debt))
}

fn sealed(secret: &RemoteSecret, account: &str, seal: &Seal) -> String {
    let told = pairs(&secret.claim).map(|(_, value)| value);
    seal.seal(Domain::Claim, &placed(&told, account, &secret.primary, &secret.name))
}

/// What is sealed: what its tags say, and where the secret is, so that tags copied to another prove nothing.
fn placed<'a>(told: &[&'a str], account: &'a str, primary: &'a Region, name: &'a SecretName) -> Vec<&'a str> {
    told.iter().copied().chain([account, primary.as_str(), name.as_str()]).collect()
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

    use mes_core::debt::Promised;
    use mes_core::names::ObjectName;
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

    const ACCOUNT: &str = "123456789012";

    fn key(byte: u8) -> Seal {
        Seal::with(&[byte; Seal::KEY]).unwrap()
    }

    fn change(tags: &mut Vec<Tag>, changes: &[(&str, &str)]) {
        for (key, value) in changes {
            tags.retain(|tag| tag.key() != Some(*key));
            if !value.is_empty() {
                tags.push(tag(key, value));
            }
        }
    }

    /// The ownership of a secret with our tags, some of them changed (`""` takes it away) by who has no key.
    fn forged(changes: &[(&str, &str)]) -> Ownership {
        let secret = secret();
        let mut tags = tags_of_ours(&secret, ACCOUNT, &key(1));
        change(&mut tags, changes);
        ownership(&tags, &secret, ACCOUNT, &key(1))
    }

    /// The same, of what another resource of this cluster sealed.
    fn by(claims: impl FnOnce(&mut Claim)) -> Ownership {
        let mut theirs = secret();
        claims(&mut theirs.claim);
        ownership(&tags_of_ours(&theirs, ACCOUNT, &key(1)), &secret(), ACCOUNT, &key(1))
    }

    #[test]
    fn what_we_make_is_ours_and_the_stores_tags_cannot_forge_a_claim() {
        assert_eq!(forged(&[]), Ownership::Ours);
        assert_eq!(tags_of_ours(&secret(), ACCOUNT, &key(1)).len(), 7);
        assert_eq!(tags(&secret(), ACCOUNT, &key(1)).len(), 6);
    }

    #[test]
    fn a_secret_without_claim_tags_is_nobodys_even_if_its_owner_grants_it() {
        let granted = [tag("managed-secrets.io/grant", "cluster-1/pay/crm"), tag("team", "x")];
        assert_eq!(ownership(&granted, &secret(), ACCOUNT, &key(1)), Ownership::Nobodys);
        assert_eq!(ownership(&[], &secret(), ACCOUNT, &key(1)), Ownership::Nobodys);
    }

    #[test]
    fn an_earlier_resource_of_the_same_namespace_left_it_to_us() {
        assert_eq!(by(|claim| claim.uid = uid("res-0")), Ownership::OursBefore(Some(uid("res-0"))));
    }

    #[test]
    fn t53_a_tag_that_is_forged_truncated_or_missing_makes_it_anothers() {
        let whole = tags(&secret(), ACCOUNT, &key(1));
        let said = whole.iter().find(|tag| tag.key() == Some(SEAL)).and_then(Tag::value).unwrap().to_owned();
        for changes in [
            &[(SEAL, "")][..],
            &[(SEAL, "0")],
            &[(SEAL, &said[..63])],
            &[(SEAL, &said.to_uppercase())],
            &[(SEAL, &"0".repeat(64))],
            &[(UID, "res-0")],
            &[(UID, "")],
            &[(UID, "no uid!")],
            &[(NAMESPACE, "other")],
            &[(NAMESPACE, "")],
            &[(OWNER, "")],
            &[(OWNER, "mes/pay/crm-old")],
            &[(CLUSTER, "")],
            &[(CLUSTER, "cluster-2")],
            &[(NAMESPACE_UID, "")],
            &[(NAMESPACE_UID, "ns-2")],
        ] {
            assert_eq!(forged(changes), Ownership::Anothers, "{changes:?}");
        }
        assert_eq!(ownership(&[tag(SEAL, &said)], &secret(), ACCOUNT, &key(1)), Ownership::Anothers, "a seal alone");
    }

    #[test]
    fn t53_a_seal_copied_to_another_name_region_or_account_or_by_another_key_proves_nothing() {
        let whole = tags(&secret(), ACCOUNT, &key(1));
        let mut elsewhere = secret();
        elsewhere.primary = Region::parse("us-west-2").unwrap();
        let mut renamed = secret();
        renamed.name = SecretName::parse("legacy/pay/victim").unwrap();
        for (place, account, seal) in [
            (elsewhere, ACCOUNT, key(1)),
            (renamed, ACCOUNT, key(1)),
            (secret(), "210987654321", key(1)),
            (secret(), ACCOUNT, key(2)),
        ] {
            assert_eq!(ownership(&whole, &place, account, &seal), Ownership::Anothers);
        }
    }

    #[test]
    fn t61_a_made_again_namespace_or_cluster_inherits_only_by_take_over() {
        assert_eq!(by(|claim| claim.namespace_uid = uid("ns-2")), Ownership::Anothers);
        assert_eq!(by(|claim| claim.cluster = uid("cluster-2")), Ownership::Anothers);
        let before = |uid_before: &str| Ownership::OursBefore(Some(uid(uid_before)));
        // Taken over by what the store's administrators name: the seal is another cluster's, or there is none.
        for seal in ["", "0"] {
            assert_eq!(forged(&[(NAMESPACE_UID, "ns-0"), (UID, "res-0"), (SEAL, seal)]), before("res-0"));
            assert_eq!(forged(&[(CLUSTER, "cluster-0"), (NAMESPACE_UID, "ns-9"), (SEAL, seal)]), before("res-1"));
        }
        assert_eq!(forged(&[(CLUSTER, "cluster-0"), (OWNER, "mes/pay/other")]), Ownership::Anothers);
    }

    #[test]
    fn t53_a_debt_that_is_forged_copied_or_of_another_key_is_none() {
        let debt = Debt {
            account: ObjectName::parse("pg-main").ok(),
            promised: Promised { partner: true, store: None },
            ..Debt::default()
        };
        let at = |mut changed: RemoteSecret, account: &str, key_of: u8, changes: &[(&str, &str)]| {
            let mut tags = tags(&secret(), ACCOUNT, &key(1));
            tags.extend(owing(Some(&debt), &secret(), ACCOUNT, &key(1)));
            for (name, value) in changes {
                tags.retain(|tag| tag.key() != Some(*name));
                tags.push(tag(name, value));
            }
            changed.tags.clear();
            owed(&tags, account, &changed.primary, &changed.name, &key(key_of))
        };
        assert_eq!(at(secret(), ACCOUNT, 1, &[]), Some((secret().claim, debt.clone())));
        let elsewhere = RemoteSecret { name: SecretName::parse("mes/pay/victim").unwrap(), ..secret() };
        assert_eq!(at(elsewhere, ACCOUNT, 1, &[]), None);
        assert_eq!(at(secret(), "210987654321", 1, &[]), None);
        assert_eq!(at(secret(), ACCOUNT, 2, &[]), None);
        for forged in [(OWED, "pg-other/"), (OWED, ""), (OWED_TERMS, ""), (OWED_PARAMETERS, "username=b")] {
            assert_eq!(at(secret(), ACCOUNT, 1, &[forged]), None, "{forged:?}");
        }
        for forged in [(OWED_SEAL, ""), (UID, "res-2"), (NAMESPACE, "other"), (SEAL, "")] {
            assert_eq!(at(secret(), ACCOUNT, 1, &[forged]), None, "{forged:?}");
        }
        let mut paid = tags(&secret(), ACCOUNT, &key(1));
        paid.extend(owing(None, &secret(), ACCOUNT, &key(1)));
        assert_eq!(owed(&paid, ACCOUNT, &secret().primary, &secret().name, &key(1)), None);
    }

    #[test]
    fn a_cluster_that_lost_its_key_takes_its_own_back_by_naming_itself() {
        let mut secret = secret();
        let tags = tags_of_ours(&secret, ACCOUNT, &key(1));
        assert_eq!(ownership(&tags, &secret, ACCOUNT, &key(2)), Ownership::Anothers);
        secret.take_over.insert(uid("cluster-1"));
        assert_eq!(ownership(&tags, &secret, ACCOUNT, &key(2)), Ownership::OursBefore(Some(uid("res-1"))));
    }

    #[test]
    fn another_name_in_our_namespace_is_a_neighbour_and_everything_else_anothers() {
        let neighbour = |claim: &mut Claim| claim.owner = "mes/pay/crm-old".to_owned();
        assert_eq!(by(neighbour), Ownership::Neighbours("mes/pay/crm-old".to_owned()));
        assert_eq!(by(|claim| claim.owner = "mes/other/crm".to_owned()), Ownership::Anothers);
        assert_eq!(
            by(|claim| {
                neighbour(claim);
                claim.namespace_uid = uid("ns-2");
            }),
            Ownership::Anothers
        );
    }
}

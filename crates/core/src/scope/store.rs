//! Which secret in Secrets Manager, in which regions, with which keys.

use std::collections::BTreeSet;

use super::grants::Audience;
use super::pattern::Pattern;
use super::{Granted, Named, Reference, Source, Store, Written};
use crate::names::{KmsKey, ObjectName, Region, SecretName, SecretOfStore};
use crate::reason::Reason;
use crate::spec::{Access, Claim, Own, RemoteSecret, WantedRegion};

/// The store, if it is there and serves the namespace.
pub(super) fn granted<'a>(own: &Own, name: &ObjectName, named: &Named<'a>) -> Result<&'a Store, Reason> {
    let store = match named.store {
        Reference::Found(store) => store,
        Reference::Unreadable => return Err(Reason::UnreadableReference { store: true, name: name.clone() }),
        Reference::NotNamed | Reference::Absent => return Err(Reason::StoreNotFound(name.clone())),
    };
    let serves = store.grants.iter().any(|grant| includes(&grant.to, own, named));
    if serves { Ok(store) } else { Err(Reason::StoreNotAllowed(name.clone())) }
}

pub(super) fn includes(audience: &Audience, own: &Own, named: &Named<'_>) -> bool {
    audience.includes(&own.namespace, named.namespace_labels)
}

/// The resource's secret, with the key of its primary region.
pub(super) fn secret(
    own: &Own,
    written: &Written,
    store: &Store,
    named: &Named<'_>,
) -> Result<Granted<RemoteSecret>, Reason> {
    let name = match &written.secret_name {
        None => own_name(own, store)?,
        Some(name) => existing(own, written, name, store, named)?,
    };
    let read_only = written.onboard == Source::Observe;
    let key =
        written.regions.iter().find(|region| region.name == store.region).and_then(|region| region.kms_key.clone());
    let secret = remote(own, store, name, key.or_else(|| store.kms_key.clone()), read_only);
    let held = SecretOfStore { store: store.name.clone(), name: secret.name.clone() };
    if !read_only && named.older.secrets.contains(&held) {
        return Err(Reason::SecretOwnedByAnother(secret.name));
    }
    Ok(Granted(secret))
}

/// The account's admin secret in `store`: only ever read.
pub(super) fn admin(own: &Own, store: &Store, name: &SecretName) -> RemoteSecret {
    remote(own, store, name.clone(), None, true)
}

fn remote(own: &Own, store: &Store, name: SecretName, kms_key: Option<KmsKey>, read_only: bool) -> RemoteSecret {
    RemoteSecret {
        store: store.name.clone(),
        access: Access {
            endpoint: store.endpoint.clone(),
            keys: store.keys.clone(),
            role: store.role.clone(),
            external_id: store.external_id.clone().unwrap_or_else(|| own.cluster.to_string()),
        },
        account: store.account.clone(),
        primary: store.region.clone(),
        name,
        kms_key,
        claim: Claim {
            owner: format!("{}/{}/{}", store.prefix, own.namespace, own.name),
            cluster: own.cluster.clone(),
            namespace: own.namespace.clone(),
            namespace_uid: own.namespace_uid.clone(),
            uid: own.uid.clone(),
        },
        tags: store.tags.clone(),
        take_over: store.take_over.clone(),
        read_only,
    }
}

/// `<prefix>/<namespace>/<name>`: a namespace holds no slash, so no two resources of one store have the same.
fn own_name(own: &Own, store: &Store) -> Result<SecretName, Reason> {
    SecretName::parse(format!("{}/{}/{}", store.prefix, own.namespace, own.name))
        .map_err(|_| Reason::UnreadableReference { store: true, name: store.name.clone() })
}

/// An existing secret, by the store's grants. Never one below `<prefix>/<another namespace>/`, whatever they say.
fn existing(
    own: &Own,
    written: &Written,
    name: &SecretName,
    store: &Store,
    named: &Named<'_>,
) -> Result<SecretName, Reason> {
    let patterns =
        store.grants.iter().filter(|grant| includes(&grant.to, own, named)).flat_map(|grant| match written.onboard {
            Source::Adopt => &*grant.manage,
            Source::Observe => &*grant.observe,
            Source::FromSecret(_) | Source::Mint => &[],
        });
    let granted =
        patterns.filter_map(|text| Pattern::parse(text, &own.namespace)).any(|each| each.covers(name.as_str()));
    // The way to rename: what lies below the namespace's own path is its own, and the claim on it is proven at AWS.
    let renamed = written.onboard == Source::Adopt && below(name, store) == Some(own.namespace.as_str());
    let anothers = below(name, store).is_some_and(|namespace| namespace != own.namespace.as_str());
    let dots = name.as_str().split('/').any(|segment| segment == "." || segment == "..");
    if (granted || renamed) && !anothers && !dots {
        Ok(name.clone())
    } else {
        Err(Reason::SecretNameNotAllowed(name.clone()))
    }
}

/// The part after the store's prefix, if the name lies below it.
fn below<'a>(name: &'a SecretName, store: &Store) -> Option<&'a str> {
    let rest = name.as_str().strip_prefix(&store.prefix)?.strip_prefix('/')?;
    Some(rest.split_once('/').map_or(rest, |(namespace, _)| namespace))
}

/// The regions beside the primary: each allowed by the store, once, with the resource's or the store's key.
pub(super) fn replicas(written: &Written, store: &Store) -> Result<Vec<WantedRegion>, Reason> {
    let mut seen: BTreeSet<&Region> = BTreeSet::new();
    if written.onboard == Source::Observe && !written.regions.is_empty() {
        return Err(Reason::InvalidSpec {
            field: "regions",
            expected: "absent with onboard.observe, which only reads",
        });
    }
    let mut replicas = Vec::new();
    for region in &written.regions {
        if !seen.insert(&region.name) {
            return Err(Reason::InvalidSpec { field: "regions", expected: "a list that names each region once" });
        }
        if region.name == store.region {
            continue;
        }
        let Some(default) = store.regions.get(&region.name) else {
            return Err(Reason::RegionNotAllowed(region.name.clone()));
        };
        let kms_key = region.kms_key.clone().or_else(|| default.clone());
        replicas.push(WantedRegion { name: region.name.clone(), kms_key });
    }
    Ok(replicas)
}

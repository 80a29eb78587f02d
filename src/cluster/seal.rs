//! The key of the seal: Secret `mes-seal` in the operator's own namespace, made once.
//!
//! Invariant: a key that is there is never written over, whatever it is; where it was lost, nothing takes its place, since
//! every secret that was sealed with it would be a stranger's. Called by `cli::run`, as leader, before anything is done.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client};
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::Namespace;
use zeroize::{Zeroize, Zeroizing};

use super::{FIELD_MANAGER, NO_SUCH_REVISION, fault};
use crate::api::ManagedExternalSecret;
use crate::clock::Random;
use crate::seal::Seal;

/// The Secret's name: fixed, so that the operator's Role can name it.
pub const SEAL_SECRET: &str = "mes-seal";
/// Its one key.
const KEY: &str = "key";

/// Why there is no seal to work with. The operator does not start.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealProblem {
    /// It is there, and is no key.
    #[error(
        "Secret mes-seal in namespace {0} holds no key: data.key must be 32 bytes; it was left as it is; restore it from a backup"
    )]
    Malformed(Namespace),
    /// It is gone, and there are resources whose secrets it sealed.
    #[error(
        "Secret mes-seal in namespace {0} is gone, and with it the proof of which secrets in AWS are this cluster's; restore it from a backup. If there is none: make it anew (kubectl create secret generic mes-seal -n {0} --from-file=key=FILE, FILE being 32 random bytes), and name the UID of namespace kube-system in spec.takeOver of each SecretsManagerStore until every resource is in service"
    )]
    Lost(Namespace),
    /// It could not be read or made.
    #[error(
        "Secret mes-seal in namespace {namespace} can't be read or made: {fault}; the chart's Role of that namespace allows get, create and patch of it"
    )]
    Unreadable {
        /// The operator's own namespace.
        namespace: Namespace,
        /// Why.
        fault: Fault,
    },
}

/// The seal of this cluster: read, or made where there never was one.
pub async fn seal(client: &Client, home: &Namespace, random: &dyn Random) -> Result<Seal, SealProblem> {
    let unreadable = |fault| SealProblem::Unreadable { namespace: home.clone(), fault };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), home.as_str());
    if let Some(found) = read(&secrets, home).await? {
        return Ok(found);
    }
    if has_sealed(client).await.map_err(unreadable)? {
        return Err(SealProblem::Lost(home.clone()));
    }
    make(&secrets, random).await.map_err(unreadable)?;
    // Not the bytes that were sent: whoever else made it meanwhile was first, and what is stored is what counts.
    read(&secrets, home).await?.ok_or_else(|| unreadable(fault::invalid("SealNotThere")))
}

async fn read(secrets: &Api<Secret>, home: &Namespace) -> Result<Option<Seal>, SealProblem> {
    let found = fault::absent(SEAL_SECRET, secrets.get(SEAL_SECRET).await);
    let found = found.map_err(|fault| SealProblem::Unreadable { namespace: home.clone(), fault })?;
    let Some(secret) = found else { return Ok(None) };
    let mut data = secret.data.unwrap_or_default();
    let seal = data.get(KEY).and_then(|ByteString(key)| Seal::with(key));
    data.values_mut().for_each(|ByteString(bytes)| bytes.zeroize());
    seal.map(Some).ok_or_else(|| SealProblem::Malformed(home.clone()))
}

/// Whether a resource of this cluster has a secret that it must have sealed. Status is no authority for anything that
/// is done, but enough to do nothing.
async fn has_sealed(client: &Client) -> Result<bool, Fault> {
    let resources: Api<ManagedExternalSecret> = Api::all(client.clone());
    let listed = resources.list(&ListParams::default()).await.map_err(|error| fault::of(&error))?;
    let sealed = |mes: &ManagedExternalSecret| {
        let secret = mes.status.as_ref().and_then(|status| status.secret.as_ref());
        mes.spec.onboard.observe.is_none() && secret.is_some_and(|secret| !secret.arn.is_empty())
    };
    Ok(listed.items.iter().any(sealed))
}

/// Makes it with random bytes, if there is none.
async fn make(secrets: &Api<Secret>, random: &dyn Random) -> Result<(), Fault> {
    let mut key = Zeroizing::new([0; Seal::KEY]);
    random.fill(&mut *key);
    let mut secret = Secret {
        type_: Some("Opaque".to_owned()),
        // The API server refuses to change it from then on, whoever asks.
        immutable: Some(true),
        data: Some([(KEY.to_owned(), ByteString(key.to_vec()))].into()),
        ..Secret::default()
    };
    secret.metadata.name = Some(SEAL_SECRET.to_owned());
    secret.metadata.resource_version = Some(NO_SUCH_REVISION.to_owned());
    secret.metadata.annotations = Some([("managed-secrets.io/about".to_owned(), ABOUT.to_owned())].into());
    let written = secrets.patch_metadata(SEAL_SECRET, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(&secret)).await;
    for ByteString(bytes) in secret.data.iter_mut().flat_map(|data| data.values_mut()) {
        bytes.zeroize();
    }
    match written.map(drop).map_err(|error| fault::of(&error)) {
        Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::Exists) => Ok(()),
        made => made,
    }
}

/// For whoever finds it.
const ABOUT: &str =
    "Seals this cluster's claims on secrets in AWS. Keep it in your backups: without it the operator does not start.";

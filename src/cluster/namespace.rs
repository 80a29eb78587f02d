//! All that one resource may reach in the cluster: its own namespace.
//!
//! Invariant: made of `Granted<Own>` alone, and the only maker of namespaced clients, so no name that a team writes can
//! lead to another namespace. The methods are in `target`, `journal` and `event`; here is the resource itself.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource};
use mes_core::facts::Answer;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{Revision, Uid};
use mes_core::scope::Granted;
use mes_core::spec::Own;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{FIELD_MANAGER, FINALIZER, fault, merge};
use crate::api::{ManagedExternalSecret, ManagedExternalSecretStatus, Rotation};

/// One resource's reach in the cluster.
pub struct Namespace {
    pub(super) own: Granted<Own>,
    pub(super) client: Client,
    pub(super) secrets: Api<Secret>,
    pub(super) rotations: Api<Rotation>,
    resources: Api<ManagedExternalSecret>,
}

impl Namespace {
    /// The reach of the resource `own`.
    pub fn of(client: &Client, own: &Granted<Own>) -> Self {
        let namespace = own.namespace.as_str();
        Self {
            own: own.clone(),
            client: client.clone(),
            secrets: Api::namespaced(client.clone(), namespace),
            rotations: Api::namespaced(client.clone(), namespace),
            resources: Api::namespaced(client.clone(), namespace),
        }
    }

    /// The resource, read now. `None`: gone, or another one of the same name has taken its place.
    pub async fn resource(&self) -> Answer<ManagedExternalSecret> {
        let name = self.own.name.as_str();
        let found = fault::absent(name, self.resources.get(name).await)?;
        Ok(found.filter(|resource| resource.metadata.uid.as_deref() == Some(self.own.uid.as_str())))
    }

    /// Makes the status of the resource, as `seen`, `status`. Gives whether anything had to be written.
    ///
    /// [`FaultKind::Conflict`]: the resource is no longer as `seen`.
    pub async fn publish(
        &self,
        seen: &ManagedExternalSecret,
        status: &ManagedExternalSecretStatus,
    ) -> Result<bool, Fault> {
        let before = seen.status.clone().unwrap_or_default();
        let Some(change) = merge::difference(&before, status)? else { return Ok(false) };
        let patch = json!({"metadata": precondition(&seen.metadata)?, "status": change});
        let written = self.resources.patch_status(self.own.name.as_str(), &parameters(), &Patch::Merge(patch)).await;
        written.map(|_| true).map_err(|error| fault::of(&error))
    }

    /// Our finalizer onto the resource. Nothing happens if it is there.
    pub async fn hold(&self) -> Result<(), Fault> {
        let Some(seen) = self.metadata(&self.resources, self.own.name.as_str()).await? else { return Err(gone()) };
        self.same_resource(&seen)?;
        with_finalizer(&self.resources, &seen, true).await
    }

    /// Our finalizer off the resource, which must be at revision `onto`. Nothing happens if it is gone.
    ///
    /// [`FaultKind::Conflict`]: it was written since; what was announced meanwhile may need the finalizer.
    pub async fn release(&self, onto: &Revision) -> Result<(), Fault> {
        let Some(seen) = self.metadata(&self.resources, self.own.name.as_str()).await? else { return Ok(()) };
        if self.same_resource(&seen).is_err() {
            return Ok(());
        }
        same_revision(&seen, onto)?;
        with_finalizer(&self.resources, &seen, false).await
    }

    /// What owns a thing that shall go with the resource.
    pub(super) fn owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: ManagedExternalSecret::api_version(&()).into_owned(),
            kind: ManagedExternalSecret::kind(&()).into_owned(),
            name: self.own.name.as_str().to_owned(),
            uid: self.own.uid.as_str().to_owned(),
            controller: Some(true),
            // Needs a right on the owner's finalizers where the admission plugin for it is on; nothing of ours needs it.
            block_owner_deletion: None,
        }
    }

    /// The metadata of the object called `name`, read now.
    pub(super) async fn metadata<K>(&self, api: &Api<K>, name: &str) -> Result<Option<ObjectMeta>, Fault>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug + Resource<DynamicType = ()>,
    {
        let found: Option<PartialObjectMeta<K>> = fault::absent(name, api.get_metadata(name).await)?;
        Ok(found.map(|object| object.metadata))
    }

    fn same_resource(&self, seen: &ObjectMeta) -> Result<(), Fault> {
        if seen.uid.as_deref() == Some(self.own.uid.as_str()) { Ok(()) } else { Err(gone()) }
    }
}

/// Writes our finalizer, or takes it off, leaving those of others.
///
/// A merge patch of the whole list at the revision read, and no apply: a finalizer that came with a restored object has
/// other managers, and an apply would leave it there for ever.
pub(super) async fn with_finalizer<K>(api: &Api<K>, seen: &ObjectMeta, wanted: bool) -> Result<(), Fault>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource<DynamicType = ()>,
{
    let mut finalizers = seen.finalizers.clone().unwrap_or_default();
    if finalizers.iter().any(|each| each == FINALIZER) == wanted {
        return Ok(());
    }
    finalizers.retain(|each| each != FINALIZER);
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    }
    let mut metadata = precondition(seen)?;
    metadata["finalizers"] = json!(finalizers);
    let name = seen.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({"metadata": metadata}));
    api.patch_metadata(name, &parameters(), &patch).await.map(drop).map_err(|error| fault::of(&error))
}

/// The revision of what was seen: a patch with it is refused once the object has changed, or another one has its name,
/// since no two writes of a cluster have the same. A UID beside it would be ignored in a patch of status.
pub(super) fn precondition(seen: &ObjectMeta) -> Result<serde_json::Value, Fault> {
    let revision = seen.resource_version.as_ref().ok_or_else(|| fault::invalid("NoRevision"))?;
    Ok(json!({"resourceVersion": revision}))
}

/// Holds if what was seen is at this revision.
pub(super) fn same_revision(seen: &ObjectMeta, onto: &Revision) -> Result<(), Fault> {
    let (_, revision) = identity(seen)?;
    if revision == *onto { Ok(()) } else { Err(Fault::new(Place::Cluster, FaultKind::Conflict, "Conflict")) }
}

/// The UID and revision of what was seen, as types.
pub(super) fn identity(seen: &ObjectMeta) -> Result<(Uid, Revision), Fault> {
    let uid = Uid::parse(seen.uid.clone().unwrap_or_default()).map_err(|_| fault::invalid("NoUID"))?;
    let revision = Revision::parse(seen.resource_version.clone().unwrap_or_default());
    Ok((uid, revision.map_err(|_| fault::invalid("NoRevision"))?))
}

/// Writes that are no apply go under our name too.
pub(super) fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn gone() -> Fault {
    Fault::new(Place::Cluster, FaultKind::NotFound, "NotFound")
}

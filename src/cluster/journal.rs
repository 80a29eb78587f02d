//! The Rotations of one resource: listed, opened, recorded, held, pruned.
//!
//! Invariant: a record goes onto the very revision that it was decided upon, or is refused with a conflict; the object
//! is created once under its name. Called by `controller::subject` (list) and `controller::perform`.

use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PostParams, Preconditions};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::Trigger;
use mes_core::names::{ObjectName, Revision, Uid};
use serde_json::json;

use super::namespace::{parameters, same_revision, with_finalizer};
use super::{FIELD_MANAGER, Namespace, fault, merge};
use crate::api;

impl Namespace {
    /// All Rotations that name the resource, by the selectable field `spec.resourceRef.name`, read now.
    pub async fn rotations(&self) -> Result<Vec<api::Rotation>, Fault> {
        let ours = ListParams::default().fields(&format!("spec.resourceRef.name={}", self.own.name));
        self.rotations.list(&ours).await.map(|list| list.items).map_err(|error| fault::of(&error))
    }

    /// Makes the Rotation `name`, owned by the resource. [`FaultKind::Exists`]: there is one of that name.
    pub async fn open(&self, name: &ObjectName, trigger: Trigger) -> Result<(), Fault> {
        let rotation = api::Rotation {
            metadata: ObjectMeta {
                name: Some(name.as_str().to_owned()),
                // Says that no person chose the name, so that the history's limit may collect it.
                generate_name: Some(format!("{}-", self.own.name)),
                owner_references: Some(vec![self.owner()]),
                ..ObjectMeta::default()
            },
            spec: api::RotationSpec {
                resource_ref: api::ObjectRef { name: self.own.name.as_str().to_owned() },
                trigger: written(trigger),
                revocation: api::Revocation::WhenProven,
                candidate: None,
            },
            status: None,
        };
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.rotations.create(&parameters, &rotation).await.map(drop).map_err(|error| fault::of(&error))
    }

    /// Makes the status of the Rotation `name`, which was `before` at revision `onto`, `after`.
    ///
    /// [`FaultKind::Conflict`]: it is no longer at that revision, or another Rotation has the name: no two writes of a
    /// cluster have the same revision, so it tells the object too.
    pub async fn record(
        &self,
        name: &ObjectName,
        onto: &Revision,
        before: &api::RotationStatus,
        after: &api::RotationStatus,
    ) -> Result<(), Fault> {
        // Written even where nothing differs: an intent announced anew must prove that nobody else wrote since.
        let change = merge::difference(before, after)?.unwrap_or_else(|| json!({}));
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": onto.as_str()}, "status": change}));
        let written = self.rotations.patch_status(name.as_str(), &parameters(), &patch).await;
        written.map(drop).map_err(|error| fault::of(&error))
    }

    /// Our finalizer onto the Rotation `name`, which must be at revision `onto`.
    pub async fn hold_rotation(&self, name: &ObjectName, onto: &Revision) -> Result<(), Fault> {
        let not_found = || Fault::new(Place::Cluster, FaultKind::NotFound, "NotFound");
        let seen = self.metadata(&self.rotations, name.as_str()).await?.ok_or_else(not_found)?;
        same_revision(&seen, onto)?;
        with_finalizer(&self.rotations, &seen, true).await
    }

    /// Our finalizer off the Rotation `name`, which must be at revision `onto`. Nothing happens if it is gone.
    pub async fn release_rotation(&self, name: &ObjectName, onto: &Revision) -> Result<(), Fault> {
        let Some(seen) = self.metadata(&self.rotations, name.as_str()).await? else { return Ok(()) };
        same_revision(&seen, onto)?;
        with_finalizer(&self.rotations, &seen, false).await
    }

    /// Deletes the Rotation `name` if it is the one with `uid`. Nothing happens if that is gone.
    pub async fn prune(&self, name: &ObjectName, uid: &Uid) -> Result<(), Fault> {
        let only = Preconditions { uid: Some(uid.as_str().to_owned()), resource_version: None };
        let deleted = self.rotations.delete(name.as_str(), &DeleteParams::background().preconditions(only)).await;
        match fault::absent(name.as_str(), deleted) {
            Ok(_) => Ok(()),
            // Another Rotation has the name: the one that was meant is gone.
            Err(fault) if fault.kind == FaultKind::Conflict => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

fn written(trigger: Trigger) -> api::Trigger {
    match trigger {
        Trigger::Onboarding => api::Trigger::Onboarding,
        Trigger::Schedule => api::Trigger::Schedule,
        Trigger::Expiry => api::Trigger::Expiry,
        Trigger::Request => api::Trigger::Request,
        Trigger::Compromise => api::Trigger::Compromise,
    }
}

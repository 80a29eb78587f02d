//! What a ManagedExternalSecret says, in the core's own types: what is always readable, and what may be refused.

use jiff::Timestamp;

use crate::names::{ObjectName, Revision, SecretName};
use crate::partner::{Engine, Parameters};
use crate::spec::{Deletion, Noted, Own, WantedRegion};
use crate::target::TargetSpec;

/// What is read of a resource however broken its spec is.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its coordinates.
    pub own: Own,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion`.
    pub revision: Revision,
    /// When its deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// When its namespace's deletion was asked for.
    pub namespace_deleting: Option<Timestamp>,
    /// Whether our finalizer is on it.
    pub held: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Annotation `managed-secrets.io/abandon`.
    pub abandoned: bool,
    /// The deletion axes; what is not understood reads as Retain.
    pub deletion: Deletion,
    /// What `.status` remembers.
    pub noted: Noted,
}

/// The rest of a spec: well formed by itself, not yet granted.
#[derive(Debug, Clone)]
pub struct Written {
    /// `spec.partner`; absent with `observe`.
    pub partner: Option<WrittenPartner>,
    /// `spec.onboard`.
    pub onboard: Source,
    /// `spec.storeRef.name`.
    pub store: ObjectName,
    /// `spec.storeRef.secretName`.
    pub secret_name: Option<SecretName>,
    /// `spec.regions`, as written; a key only where the resource names one.
    pub regions: Vec<WantedRegion>,
    /// `spec.rotation`.
    pub rotation: WrittenRotation,
    /// `spec.targets`.
    pub targets: Vec<TargetSpec>,
}

impl Written {
    /// What of it still counts once the resource is being deleted: nothing is scheduled or begun any more.
    pub(super) fn leaving(&self) -> Self {
        let engine = self.rotation.engine;
        let rotation = WrittenRotation { engine, disruption: true, ..WrittenRotation::default() };
        Self { rotation, ..self.clone() }
    }
}

/// `spec.partner`.
#[derive(Debug, Clone)]
pub struct WrittenPartner {
    /// `type`.
    pub type_name: String,
    /// `accountRef.name`.
    pub account: Option<ObjectName>,
    /// `parameters`.
    pub parameters: Parameters,
}

/// `spec.onboard`: exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `fromSecret.name`.
    FromSecret(ObjectName),
    /// `mint`.
    Mint,
    /// `adopt`.
    Adopt,
    /// `observe`.
    Observe,
}

/// `spec.rotation`, its texts not yet read.
#[derive(Debug, Clone)]
pub struct WrittenRotation {
    /// `engine`.
    pub engine: Engine,
    /// `schedule`.
    pub schedule: Option<String>,
    /// `window`.
    pub window: Option<String>,
    /// `timeZone`.
    pub zone: Option<String>,
    /// `first`; absent = by source.
    pub first: Option<First>,
    /// `overlap`.
    pub overlap: Option<String>,
    /// `disruption: Allow`.
    pub disruption: bool,
}

/// `spec.rotation.first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// As soon as onboarded.
    Immediate,
    /// By schedule.
    Scheduled,
}

impl Default for WrittenRotation {
    fn default() -> Self {
        Self {
            engine: Engine::Operator,
            schedule: None,
            window: None,
            zone: None,
            first: None,
            overlap: None,
            disruption: false,
        }
    }
}

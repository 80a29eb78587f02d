//! Everything that the program can do to the world, one variant each. Plain data: no plaintext, only version ids.
//!
//! Each effect carries its own precondition (the revision, label or owner it was decided upon), so that one decided on
//! stale facts is refused by the other side instead of doing harm. Performed in `controller/perform.rs` alone.

use crate::debt::Debt;
use crate::journal::{Candidate, Entry, IntentStep, Trigger};
use crate::names::{CredentialId, KmsKey, ObjectName, Region, Revision, Slot, Tag, TargetName, Uid, VersionId};

/// With whose rights a partner is asked: a decision, so the core's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Acting {
    /// The account's admin credential.
    Admin,
    /// The credential itself, with the bytes of this version.
    As(VersionId),
}

/// The right to make one announced call: only for the process that wrote the announcement, and only once (P4, P8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right {
    /// The Rotation.
    pub rotation: Uid,
    /// The attempt.
    pub attempt: u16,
    /// What was announced.
    pub step: IntentStep,
}

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Our finalizer onto the resource.
    Hold,
    /// … and off it, at this revision.
    Release {
        /// The resource's revision.
        onto: Revision,
    },
    /// Our finalizer onto a Rotation, at this revision.
    HoldRotation {
        /// Which.
        rotation: ObjectName,
        /// Its revision.
        onto: Revision,
    },
    /// … and off it.
    ReleaseRotation {
        /// Which.
        rotation: ObjectName,
        /// Its revision.
        onto: Revision,
    },
    /// `CreateSecret` without a value, with our claim and key.
    CreateSecret,
    /// `CreateSecret` of an AWS-rotated secret, with `Type` and the seed's value under this version id.
    CreateManaged {
        /// `ClientRequestToken`.
        version: VersionId,
    },
    /// `TagResource`: our claim onto an adopted secret, or the new resource's UID onto one taken back.
    Claim,
    /// `RotateSecret`: schedule, role and metadata declared to AWS.
    Delegate {
        /// Whether AWS rotates at once.
        immediately: bool,
    },
    /// The seed's value put as the first version.
    Onboard {
        /// `ClientRequestToken`.
        version: VersionId,
    },
    /// The partner makes a candidate, which is put as AWSPENDING in the same arm.
    Mint {
        /// `ClientRequestToken`.
        version: VersionId,
        /// The version whose other fields it keeps.
        basis: Option<VersionId>,
        /// The marker left at the partner.
        tag: Tag,
        /// With whose rights.
        acting: Acting,
        /// The announcement that it spends.
        right: Right,
    },
    /// A candidate of our own making put as AWSPENDING.
    Compose {
        /// `ClientRequestToken`.
        version: VersionId,
        /// The version whose other fields it keeps.
        basis: Option<VersionId>,
        /// The slot that it is for.
        slot: Option<Slot>,
        /// The announcement that it spends.
        right: Right,
    },
    /// A candidate that a person brought put as AWSPENDING. Nothing is made at the partner, and the same bytes under the
    /// same token are the same put: so it needs no right.
    Bring {
        /// `ClientRequestToken`.
        version: VersionId,
        /// Where its bytes are.
        from: Candidate,
    },
    /// The stored candidate made acceptable at the partner.
    Register {
        /// Its version.
        version: VersionId,
        /// With whose rights.
        acting: Acting,
        /// The announcement that it spends.
        right: Right,
    },
    /// The promoted credential made the main one, which dooms the other.
    Activate {
        /// Its version.
        version: VersionId,
        /// With whose rights.
        acting: Acting,
    },
    /// `UpdateSecretVersionStage` of AWSCURRENT, compare-and-swap.
    Promote {
        /// To this version.
        to: VersionId,
        /// From this one (`RemoveFromVersionId`); `None`: no version has the label.
        from: Option<VersionId>,
        /// The announcement that it spends; `None` for the way forward from what must not be in use (P20).
        right: Option<Right>,
    },
    /// AWSPENDING taken off this version.
    Discard {
        /// The version that has it.
        version: VersionId,
    },
    /// AWSPREVIOUS taken off this version, whose credential a compromise ended.
    Forget {
        /// The version that has it.
        version: VersionId,
    },
    /// The secret's tags say how what it owes is paid (R13).
    WriteDebt(Debt),
    /// … and that it owes nothing.
    CloseDebt,
    /// The label of what is owed onto this version.
    MarkOwed {
        /// Which.
        version: VersionId,
    },
    /// … and off it.
    UnmarkOwed {
        /// Which.
        version: VersionId,
    },
    /// A credential ended at the partner.
    Revoke {
        /// The Rotation that owes it, or the resource that is being deleted.
        debtor: Uid,
        /// Which.
        credential: CredentialId,
        /// A version with its bytes, so that the driver proves that it ends just that one.
        version: Option<VersionId>,
        /// Whether it is proven that nobody holds it; else a person's word stands for that.
        proven: bool,
        /// With whose rights.
        acting: Acting,
    },
    /// `ReplicateSecretToRegions`, one region.
    Replicate {
        /// Where to.
        region: Region,
        /// The key there.
        kms_key: Option<KmsKey>,
    },
    /// `RemoveRegionsFromReplication`, one region: deletes the replica at once.
    RemoveReplica {
        /// Where.
        region: Region,
    },
    /// `DeleteSecret` with a recovery window.
    DeleteSecret {
        /// Days, 7 to 30.
        recovery_window_days: u8,
    },
    /// The bytes of a version written into a native Secret by server-side apply.
    ApplyTarget {
        /// Which.
        target: TargetName,
        /// The version, which must still be AWSCURRENT when its bytes are read.
        version: VersionId,
        /// Onto this revision; `None`: create.
        onto: Option<(Uid, Revision)>,
    },
    /// A native Secret of ours deleted.
    RemoveTarget {
        /// Which.
        target: TargetName,
        /// At this revision.
        onto: (Uid, Revision),
    },
    /// A Rotation object made.
    Open {
        /// Its name.
        rotation: ObjectName,
        /// Why.
        trigger: Trigger,
    },
    /// Entries written into a Rotation's status.
    Record {
        /// Which.
        rotation: ObjectName,
        /// Its UID.
        uid: Uid,
        /// Its present attempt.
        attempt: Option<u16>,
        /// Onto this revision.
        onto: Revision,
        /// In order.
        entries: Vec<Entry>,
    },
    /// A Rotation of the history deleted.
    Prune {
        /// Which.
        rotation: ObjectName,
    },
}

impl Effect {
    /// The announcement that the effect spends, if it needs one.
    pub fn right(&self) -> Option<&Right> {
        match self {
            Self::Mint { right, .. } | Self::Compose { right, .. } | Self::Register { right, .. } => Some(right),
            Self::Promote { right, .. } => right.as_ref(),
            _ => None,
        }
    }

    /// A stable name: metric label and log field.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Release { .. } => "release",
            Self::HoldRotation { .. } => "hold-rotation",
            Self::ReleaseRotation { .. } => "release-rotation",
            Self::CreateSecret => "create-secret",
            Self::CreateManaged { .. } => "create-managed",
            Self::Claim => "claim",
            Self::Delegate { .. } => "delegate",
            Self::Onboard { .. } => "onboard",
            Self::Mint { .. } => "mint",
            Self::Compose { .. } => "compose",
            Self::Bring { .. } => "bring",
            Self::Register { .. } => "register",
            Self::Activate { .. } => "activate",
            Self::Promote { .. } => "promote",
            Self::Discard { .. } => "discard",
            Self::Forget { .. } => "forget",
            Self::WriteDebt(_) => "write-debt",
            Self::CloseDebt => "close-debt",
            Self::MarkOwed { .. } => "mark-owed",
            Self::UnmarkOwed { .. } => "unmark-owed",
            Self::Revoke { .. } => "revoke",
            Self::Replicate { .. } => "replicate",
            Self::RemoveReplica { .. } => "remove-replica",
            Self::DeleteSecret { .. } => "delete-secret",
            Self::ApplyTarget { .. } => "apply-target",
            Self::RemoveTarget { .. } => "remove-target",
            Self::Open { .. } => "open",
            Self::Record { .. } => "record",
            Self::Prune { .. } => "prune",
        }
    }
}

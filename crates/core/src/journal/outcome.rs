//! How a rotation ended, and why it failed.
//!
//! Invariant: an end is told once, and each cause that a person would mend otherwise is one of its own. Called by whoever
//! records or reads a Rotation.

/// How a rotation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The superseded credential was revoked.
    Revoked,
    /// Nothing had to be revoked, or it was kept on purpose.
    Kept,
    /// The partner or its engine revoked it.
    RevokedByPartner,
    /// An earlier rotation satisfied the request.
    Merged,
    /// A compromise or a person's own candidate came, and took over what it owed.
    Superseded,
    /// Given up before promotion: a person deleted it.
    Cancelled,
    /// Given up: as many candidates as a day allows were refused or lost.
    Exhausted,
    /// Made by hand with a trigger that the facts do not bear out.
    NotDue,
    /// Restored from a backup: its owner reference names an earlier resource.
    Restored,
    /// The engine takes no rotation by request.
    EngineNotSupported,
    /// The resource was deleted before promotion.
    ResourceDeleted,
    /// AWS's own rotation failed.
    PartnerRejected,
    /// The candidate is lost or refused, and no other attempt is made.
    CandidateRejected(Rejection),
    /// The Secret of a person's own candidate is no seed for its resource.
    SeedInvalid(Flaw),
    /// The version of a rollback is gone, refused, given up, or superseded by a compromise.
    VersionNotLive,
}

impl Outcome {
    /// Whether the rotation failed (condition `Failed`), or is complete (condition `Complete`).
    pub fn failed(self) -> bool {
        matches!(
            self,
            Self::Cancelled
                | Self::Exhausted
                | Self::NotDue
                | Self::Restored
                | Self::EngineNotSupported
                | Self::ResourceDeleted
                | Self::PartnerRejected
                | Self::CandidateRejected(_)
                | Self::SeedInvalid(_)
                | Self::VersionNotLive
        )
    }
}

/// What was wrong with the Secret of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flaw {
    /// There is none of that name.
    Missing,
    /// It is not of type `managed-secrets.io/seed`.
    Type,
    /// Its keys or texts are not the type's fields.
    Fields,
    /// Its host is neither the account's nor the vendor's own.
    Host,
    /// Whom it authenticates can't be told, or is not granted.
    Identity,
    /// An older resource has its identity.
    InUse,
    /// It is what the account logs in with.
    Admins,
}

/// Why a candidate was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rejection {
    /// It replaced the credential in use, and its value was lost or is refused: a person brings a new one.
    Lost,
    /// The partner refuses what a person brought.
    Refused,
    /// Its revocation is announced, or it is what a compromise is about.
    Burned,
    /// A person brought it where nobody checks who may.
    Unchecked,
}

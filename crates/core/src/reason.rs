//! Every reason of a wait or a block: its code (API), whether a person must act, and the message with the remedy.
//!
//! All texts that people read about a resource are born here, from types that may be shown; none comes from outside.

use std::fmt;

use jiff::Timestamp;

use crate::duration::DurationProblem;
use crate::facts::Rehearsed;
use crate::fault::{Fault, FaultKind, Place};
use crate::names::{CredentialId, Identity, ObjectName, Region, SecretName, Slot, TargetName};
use crate::partner::{FieldProblem, IdentityProblem, IntervalProblem, OverlapProblem, ParameterProblem, Unsafe};
use crate::schedule::ScheduleError;
use crate::target::RenderError;

/// Why something is not, or not yet, as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    // Stalled: a person must act.
    /// The spec holds what this version does not take; mostly another version's admission let it in.
    InvalidSpec {
        /// The field, below `spec`.
        field: &'static str,
        /// What it must be, as the end of "must be …".
        expected: &'static str,
    },
    /// The overlap is no duration.
    InvalidDuration(DurationProblem),
    /// The account or store is of a form that this version does not read.
    UnreadableReference {
        /// Whether it is the store.
        store: bool,
        /// Its name.
        name: ObjectName,
    },
    /// The account has no endpoint of the kind that the type needs.
    InvalidEndpoint {
        /// The account.
        account: ObjectName,
        /// What is expected, as the end of "must be …".
        expected: &'static str,
    },
    /// The account has no admin credential, and the type or `mint` needs one.
    AdminRequired(ObjectName),
    /// AWS's engine needs the account's admin credential in the resource's own store.
    AdminElsewhere(ObjectName),
    /// The store has no role for AWS's engine.
    RotationRoleMissing(ObjectName),
    /// `spec.partner.type` is not known.
    UnknownPartnerType,
    /// A parameter is unknown, missing, malformed or fixed by the account.
    InvalidParameters(Vec<ParameterProblem>),
    /// Whom the credential is at the partner can't be told, or nobody may manage it.
    InvalidIdentity(IdentityProblem),
    /// The schedule is no schedule.
    InvalidSchedule(ScheduleError),
    /// The schedule is too slow for the type.
    InvalidInterval(IntervalProblem),
    /// The overlap can't be kept.
    InvalidOverlap(OverlapProblem),
    /// The partner type needs an account.
    AccountRequired,
    /// The account does not serve this namespace or type.
    AccountNotAllowed(ObjectName),
    /// The account does not grant the identity.
    IdentityNotAllowed(Identity),
    /// An older resource has the identity.
    IdentityInUse(Identity),
    /// The account's endpoint is not that of its admin credential, or of the value.
    EndpointMismatch,
    /// The credential is the one that the account logs in with.
    RotatesOwnAdmin,
    /// Rotation in place was not allowed.
    DisruptionNotAllowed,
    /// The contract can't be kept safely.
    ContractUnsafe(Unsafe),
    /// The engine does not rotate this type.
    EngineNotSupported {
        /// Whether AWS does.
        aws_does: bool,
    },
    /// AWS rotates the secret.
    RotatedElsewhere,
    /// The store does not serve this namespace.
    StoreNotAllowed(ObjectName),
    /// The store does not grant the secret's name.
    SecretNameNotAllowed(SecretName),
    /// The secret is another's.
    SecretOwnedByAnother(SecretName),
    /// Another resource took the claim back.
    OwnershipContested(SecretName),
    /// The secret, or its AWSCURRENT, is gone.
    SecretMissing(SecretName),
    /// The secret is scheduled for deletion.
    SecretScheduledForDeletion(SecretName),
    /// The store does not allow the region.
    RegionNotAllowed(Region),
    /// The seed is not what the type wants.
    SeedInvalid(SeedProblem),
    /// The partner refuses the seed.
    SeedRejected,
    /// The partner refuses AWSCURRENT.
    CredentialRejected,
    /// What deletion shall revoke is the partner's main credential, which it ends only when another one replaces it.
    StillMain,
    /// The target is taken.
    TargetConflict {
        /// Which.
        target: TargetName,
        /// By whom, or why.
        why: Conflict,
    },
    /// The target can't be rendered.
    TemplateInvalid {
        /// Which.
        target: TargetName,
        /// Why.
        problem: RenderError,
    },
    /// AWS or the cluster refuses a call that the operator needs.
    AccessDenied(Fault),

    // Waiting for something that may come by itself, or by another object.
    /// The seed is not there.
    SeedMissing(ObjectName),
    /// The Secret of a person's own candidate is not there.
    CandidateMissing(ObjectName),
    /// The secret to adopt or observe is not there.
    SecretNotFound(SecretName),
    /// The account is not there.
    AccountNotFound(ObjectName),
    /// The store is not there.
    StoreNotFound(ObjectName),
    /// The account's admin secret in AWS has not been seen yet.
    AdminUnseen(ObjectName),
    /// The first value is on its way.
    Onboarding,
    /// There is no first value yet.
    NotOnboarded,
    /// The resource is being deleted.
    Deleting,
    /// Suspended by its owner.
    Suspended,
    /// The first sweep of the store has not been made.
    AwaitingSweep,
    /// A replica is being made.
    ReplicaInProgress(Region),
    /// A replica failed.
    RegionFailed {
        /// Where.
        region: Region,
        /// Whether another secret has the name there.
        name_taken: bool,
    },
    /// A region does not answer.
    RegionUnreachable(Region),
    /// No Secret of another region is written: the cluster refuses it.
    TargetForbidden(TargetName),
    /// A read or an effect failed; the same is tried again.
    Fault(Fault),
    /// A write that comes after the point of no return would not be taken.
    NotRehearsed(Rehearsed),
    /// The partner ends the superseded credential by itself, and has not yet.
    GraceRunning,
    /// Done, but not yet seen.
    Settling,
    /// The candidate is not accepted yet.
    CandidateNotAccepted,
    /// Attempts of today are used up or spaced.
    AttemptsSpaced,
    /// As many candidates were made within 24 hours as the operator makes.
    MintsOfTheDay {
        /// How many that is.
        most: usize,
        /// Until when no other is made.
        until: Timestamp,
    },
    /// Nothing to do before the next rotation.
    NotDue,
    /// The rotation waits for a region.
    RegionCarriesOld(Region),
    /// The rotation waits for a target.
    TargetCarriesOld(TargetName),
    /// The overlap has not passed.
    WaitingForOverlap,
    /// A revocation was announced and waits until every older call is over.
    RevocationAnnounced(CredentialId),
    /// The slot, or the last live credential that the partner allows, is taken by somebody else.
    QuotaUsedByOthers(Option<Slot>),
    /// A credential that no version of ours holds takes the last place that the partner allows: a lost one of ours, or
    /// somebody's.
    LastPlaceTaken(CredentialId),
    /// An untagged credential may be a lost one of ours.
    OrphanSuspected(CredentialId),
    /// A Rotation's status is of a form that this version does not read.
    JournalUnreadable(ObjectName),
    /// AWS's rotation is under way or late.
    RotationFailed,
}

/// What is wrong with a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedProblem {
    /// Not of type `managed-secrets.io/seed`.
    WrongType,
    /// Fields.
    Fields(Vec<FieldProblem>),
    /// Its host is not allowed.
    Host,
    /// Whom it authenticates is not what the parameters say.
    Identity,
}

/// Why a target can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It belongs to somebody who did not consent.
    Foreign,
    /// It belongs to another resource.
    AnotherResource,
    /// It is immutable.
    Immutable,
    /// It has another type.
    WrongType,
}

impl Reason {
    /// The reason as a fault suggests it: what a person must mend is said as such.
    pub fn of_fault(fault: &Fault) -> Self {
        match (fault.place, fault.kind, fault.code.as_str()) {
            (_, _, "EndpointMismatch") => Self::EndpointMismatch,
            (_, _, "RotatesOwnAdmin") => Self::RotatesOwnAdmin,
            (Place::SecretsManager | Place::Sts, FaultKind::Denied, _)
            | (_, _, "KeysMissing" | "EndpointNotAllowed" | "WrongSecretType" | "NotText") => {
                Self::AccessDenied(fault.clone())
            }
            _ => Self::Fault(fault.clone()),
        }
    }

    /// Whether a person must act (condition `Stalled`).
    pub fn is_stalled(&self) -> bool {
        matches!(
            self,
            Self::UnknownPartnerType
                | Self::InvalidSpec { .. }
                | Self::InvalidDuration(_)
                | Self::UnreadableReference { .. }
                | Self::InvalidEndpoint { .. }
                | Self::AdminRequired(_)
                | Self::AdminElsewhere(_)
                | Self::RotationRoleMissing(_)
                | Self::InvalidParameters(_)
                | Self::InvalidIdentity(_)
                | Self::InvalidSchedule(_)
                | Self::InvalidInterval(_)
                | Self::InvalidOverlap(_)
                | Self::AccountRequired
                | Self::AccountNotAllowed(_)
                | Self::IdentityNotAllowed(_)
                | Self::IdentityInUse(_)
                | Self::EndpointMismatch
                | Self::RotatesOwnAdmin
                | Self::DisruptionNotAllowed
                | Self::ContractUnsafe(_)
                | Self::EngineNotSupported { .. }
                | Self::RotatedElsewhere
                | Self::StoreNotAllowed(_)
                | Self::SecretNameNotAllowed(_)
                | Self::SecretOwnedByAnother(_)
                | Self::OwnershipContested(_)
                | Self::SecretMissing(_)
                | Self::SecretScheduledForDeletion(_)
                | Self::RegionNotAllowed(_)
                | Self::SeedInvalid(_)
                | Self::SeedRejected
                | Self::CredentialRejected
                | Self::StillMain
                | Self::TargetConflict { .. }
                | Self::TemplateInvalid { .. }
                | Self::AccessDenied(_)
        )
    }

    /// The code: what conditions and `waitingFor` carry.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownPartnerType => "UnknownPartnerType",
            Self::InvalidIdentity(IdentityProblem::Reserved { .. }) => "IdentityNotAllowed",
            Self::InvalidParameters(_) | Self::InvalidIdentity(_) => "InvalidParameters",
            Self::InvalidSchedule(_) | Self::InvalidInterval(_) => "InvalidSchedule",
            Self::InvalidOverlap(_) | Self::InvalidDuration(_) => "InvalidOverlap",
            Self::InvalidSpec { .. } => "InvalidSpec",
            Self::UnreadableReference { store: true, .. } => "StoreNotAllowed",
            Self::UnreadableReference { store: false, .. } => "AccountNotAllowed",
            Self::InvalidEndpoint { .. } => "EndpointMismatch",
            Self::AccountRequired | Self::AdminRequired(_) => "AccountRequired",
            Self::AdminElsewhere(_) | Self::RotationRoleMissing(_) => "EngineNotSupported",
            Self::AccountNotAllowed(_) => "AccountNotAllowed",
            Self::IdentityNotAllowed(_) => "IdentityNotAllowed",
            Self::IdentityInUse(_) => "IdentityInUse",
            Self::EndpointMismatch => "EndpointMismatch",
            Self::RotatesOwnAdmin => "RotatesOwnAdmin",
            Self::DisruptionNotAllowed => "DisruptionNotAllowed",
            Self::ContractUnsafe(_) => "ContractUnsafe",
            Self::EngineNotSupported { .. } => "EngineNotSupported",
            Self::RotatedElsewhere => "RotatedElsewhere",
            Self::StoreNotAllowed(_) => "StoreNotAllowed",
            Self::SecretNameNotAllowed(_) => "SecretNameNotAllowed",
            Self::SecretOwnedByAnother(_) => "SecretOwnedByAnother",
            Self::OwnershipContested(_) => "OwnershipContested",
            Self::SecretMissing(_) => "SecretMissing",
            Self::SecretScheduledForDeletion(_) => "SecretScheduledForDeletion",
            Self::RegionNotAllowed(_) => "RegionNotAllowed",
            Self::SeedInvalid(_) => "SeedInvalid",
            Self::SeedRejected => "SeedRejected",
            Self::CredentialRejected => "CredentialRejected",
            Self::StillMain => "StillMain",
            Self::TargetConflict { .. } => "TargetConflict",
            Self::TemplateInvalid { .. } => "TemplateInvalid",
            Self::AccessDenied(_) => "AccessDenied",
            Self::SeedMissing(_) | Self::CandidateMissing(_) => "SeedMissing",
            Self::SecretNotFound(_) => "SecretNotFound",
            Self::AccountNotFound(_) | Self::AdminUnseen(_) => "AccountNotFound",
            Self::StoreNotFound(_) => "StoreNotFound",
            Self::Onboarding => "Onboarding",
            Self::NotOnboarded => "NotOnboarded",
            Self::Deleting => "Deleting",
            Self::Suspended => "Suspended",
            Self::AwaitingSweep => "AwaitingSweep",
            Self::ReplicaInProgress(_) => "InProgress",
            Self::RegionFailed { .. } => "RegionFailed",
            Self::RegionUnreachable(_) => "RegionUnreachable",
            Self::TargetForbidden(_) => "TargetForbidden",
            Self::Fault(fault) if fault.place == Place::Partner => "PartnerUnavailable",
            Self::Fault(_) => "ReadFailed",
            Self::NotRehearsed(_) => "NotRehearsed",
            Self::GraceRunning => "GraceRunning",
            Self::Settling => "Settling",
            Self::CandidateNotAccepted => "CandidateNotAccepted",
            Self::AttemptsSpaced | Self::MintsOfTheDay { .. } => "AttemptsSpaced",
            Self::NotDue => "NotDue",
            Self::RegionCarriesOld(_) | Self::TargetCarriesOld(_) => "WaitingForProof",
            Self::WaitingForOverlap => "WaitingForOverlap",
            Self::RevocationAnnounced(_) => "WaitingForPartner",
            Self::QuotaUsedByOthers(_) => "QuotaUsedByOthers",
            Self::LastPlaceTaken(_) | Self::OrphanSuspected(_) => "OrphanSuspected",
            Self::JournalUnreadable(_) | Self::RotationFailed => "RotationFailed",
        }
    }
}

impl fmt::Display for Reason {
    /// The message: the field, what is wrong, the remedy. Printable ASCII, at most 1,024 characters by its parts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPartnerType => f.write_str("spec.partner.type: not a type that this operator knows; `mes partners` lists them"),
            Self::InvalidSpec { field, expected } => write!(f, "spec.{field} must be {expected}"),
            Self::InvalidDuration(problem) => write!(f, "spec.rotation.overlap {problem}"),
            Self::UnreadableReference { store: true, name } => write!(f, "spec.storeRef: SecretsManagerStore {name} holds what this version of the operator does not read; its administrators mend it, or upgrade the operator"),
            Self::UnreadableReference { store: false, name } => write!(f, "spec.partner.accountRef: PartnerAccount {name} holds what this version of the operator does not read; its administrators mend it, or upgrade the operator"),
            Self::InvalidEndpoint { account, expected } => write!(f, "spec.partner.accountRef: spec.endpoint of PartnerAccount {account} must be {expected}; its administrators set it there and in the admin Secret's key endpoint"),
            Self::AdminRequired(account) => write!(f, "spec.partner.accountRef: PartnerAccount {account} has no admin credential, which this needs; its administrators set spec.admin"),
            Self::AdminElsewhere(account) => write!(f, "spec.rotation.engine: Secrets Manager rotates with an admin credential of its own account; the administrators of PartnerAccount {account} set spec.admin.storeRef to the store of this resource"),
            Self::RotationRoleMissing(store) => write!(f, "spec.rotation.engine: SecretsManagerStore {store} names no role with which Secrets Manager may rotate; its administrators set spec.rotationRoleARN"),
            Self::InvalidParameters(problems) => list(f, problems.iter().map(ToString::to_string)),
            Self::InvalidIdentity(problem) => write!(f, "spec.partner: {problem}"),
            Self::InvalidSchedule(problem) => write!(f, "spec.{problem}"),
            Self::InvalidInterval(problem) => write!(f, "spec.{problem}"),
            Self::InvalidOverlap(problem) => write!(f, "spec.{problem}"),
            Self::AccountRequired => f.write_str("spec.partner.accountRef: this partner type needs a PartnerAccount; ask the platform's administrators for one"),
            Self::AccountNotAllowed(name) => write!(f, "spec.partner.accountRef: PartnerAccount {name} does not serve this namespace and type; its administrators grant it in spec.grants and spec.partnerTypes"),
            Self::IdentityNotAllowed(identity) => write!(f, "spec.partner: the account does not grant {identity} to this namespace; its administrators grant it in spec.grants[].identities"),
            Self::IdentityInUse(identity) => write!(f, "spec.partner: an older resource of this cluster already rotates {identity}; delete one of the two"),
            Self::EndpointMismatch => f.write_str("spec.partner.accountRef: the account's endpoint, the key `endpoint` of its admin Secret and the host in the value must be the same; make them equal"),
            Self::RotatesOwnAdmin => f.write_str("spec.partner: this is the credential that the account itself logs in with; give the account an admin credential of its own"),
            Self::DisruptionNotAllowed => f.write_str("spec.rotation.disruption: with these parameters the old credential dies when the new one is made; set it to Allow, or give a second principal (PostgreSQLRole: parameter alternateUsername)"),
            Self::ContractUnsafe(problem) => write!(f, "spec.partner.type: not rotated by the operator: {problem}"),
            Self::EngineNotSupported { aws_does: true } => f.write_str("spec.rotation.engine: the operator does not rotate this type itself; set engine: SecretsManager, AWS does"),
            Self::EngineNotSupported { aws_does: false } => f.write_str("spec.rotation.engine: AWS does not rotate this type; leave out engine, the operator does"),
            Self::RotatedElsewhere => f.write_str("spec.rotation.engine: AWS rotates this secret; turn its rotation off, or set engine: SecretsManager where AWS has the type"),
            Self::StoreNotAllowed(name) => write!(f, "spec.storeRef: SecretsManagerStore {name} does not serve this namespace; its administrators grant it in spec.grants"),
            Self::SecretNameNotAllowed(name) => write!(f, "spec.storeRef.secretName: {name} is not granted to this namespace; the store's administrators grant it in spec.grants[].manage or observe"),
            Self::SecretOwnedByAnother(name) => write!(f, "the AWS secret {name} belongs to somebody else and was left as it is; delete or rename it, or let the store's administrators name its owner's UID in spec.takeOver"),
            Self::OwnershipContested(name) => write!(f, "the claim on AWS secret {name} was changed by another; nothing is written until its tags managed-secrets.io/* are put back, or this resource is deleted and made again"),
            Self::SecretMissing(name) => write!(f, "the AWS secret {name} or its AWSCURRENT is gone; targets are kept; restore it, or delete and make the resource again"),
            Self::SecretScheduledForDeletion(name) => write!(f, "the AWS secret {name} is scheduled for deletion; everything is held; restore it with `aws secretsmanager restore-secret`"),
            Self::RegionNotAllowed(region) => write!(f, "spec.regions: the store does not allow {region}; its administrators list it in spec.regions"),
            Self::SeedInvalid(SeedProblem::WrongType) => f.write_str("spec.onboard.fromSecret: that Secret is not of type managed-secrets.io/seed and was not read; make one of that type"),
            Self::SeedInvalid(SeedProblem::Host) => f.write_str("spec.onboard.fromSecret: the host in the seed is neither the account's nor the vendor's own"),
            Self::SeedInvalid(SeedProblem::Identity) => f.write_str("spec.onboard.fromSecret: whom the seed authenticates can't be told, or is not whom spec.partner.parameters name"),
            Self::SeedInvalid(SeedProblem::Fields(problems)) => {
                f.write_str("spec.onboard.fromSecret: ")?;
                list(f, problems.iter().map(|problem| format!("{problem}")))
            }
            Self::SeedRejected => f.write_str("spec.onboard.fromSecret: the partner refuses the seed; nothing was made; put a valid credential into it"),
            Self::CredentialRejected => f.write_str("the partner refuses AWSCURRENT; bring a new credential: a Secret of type managed-secrets.io/seed and a Rotation whose candidate.fromSecret names it"),
            Self::StillMain => f.write_str("spec.deletion.partner: the partner ends its main credential only when another replaces it; replace it or delete the app there, then set this to Retain, or: kubectl annotate mes NAME managed-secrets.io/abandon=<why>"),
            Self::TargetConflict { target, why } => match why {
                Conflict::Foreign => write!(f, "spec.targets[{target}]: that Secret is not ours and was left as it is; to hand it over: kubectl annotate secret {target} managed-secrets.io/adopt=<this resource>"),
                Conflict::AnotherResource => write!(f, "spec.targets[{target}]: that Secret belongs to another resource; choose another name"),
                Conflict::Immutable => write!(f, "spec.targets[{target}]: that Secret is immutable; delete it, it is then made again"),
                Conflict::WrongType => write!(f, "spec.targets[{target}]: a Secret's type can't change; delete it, it is then made again, or set the type it has"),
            },
            Self::TemplateInvalid { problem, .. } => write!(f, "spec.{problem}"),
            Self::AccessDenied(fault) => denied(f, fault),
            Self::SeedMissing(name) => write!(f, "spec.onboard.fromSecret: waiting for Secret {name} of type managed-secrets.io/seed"),
            Self::CandidateMissing(name) => write!(f, "spec.candidate.fromSecret: waiting for Secret {name} of type managed-secrets.io/seed"),
            Self::SecretNotFound(name) => write!(f, "spec.storeRef.secretName: waiting for AWS secret {name}"),
            Self::AccountNotFound(name) => write!(f, "spec.partner.accountRef: waiting for PartnerAccount {name}"),
            Self::AdminUnseen(account) => write!(f, "spec.partner.accountRef: waiting for the admin secret of PartnerAccount {account} in AWS"),
            Self::StoreNotFound(name) => write!(f, "spec.storeRef: waiting for SecretsManagerStore {name}"),
            Self::Onboarding => f.write_str("the first value is on its way"),
            Self::NotOnboarded => f.write_str("there is no first value yet"),
            Self::Deleting => f.write_str("being deleted"),
            Self::Suspended => f.write_str("suspended: nothing changes anywhere until spec.suspend is false"),
            Self::AwaitingSweep => f.write_str("waiting for the first sweep of the store"),
            Self::ReplicaInProgress(region) => write!(f, "replication to {region} is under way"),
            Self::RegionFailed { region, name_taken: true } => write!(f, "replication to {region} failed: another secret has the name there and was left as it is; delete or rename it"),
            Self::RegionFailed { region, name_taken: false } => write!(f, "replication to {region} failed; check its KMS key and whether the region is enabled"),
            Self::RegionUnreachable(region) => write!(f, "Secrets Manager in {region} does not answer"),
            Self::TargetForbidden(target) => write!(f, "spec.targets[{target}]: the operator may not read or write this Secret; bind ClusterRole mes-namespace in this namespace or, with install strict, name the Secret in the chart's values"),
            Self::Fault(fault) => failed(f, fault),
            Self::NotRehearsed(Rehearsed::Label) => f.write_str("spec.storeRef: the old credential dies when the new one is made, and the move of a label was tried first: Secrets Manager does not take it"),
            Self::NotRehearsed(Rehearsed::Target(target)) => write!(f, "spec.targets[{target}]: the old credential dies when the new one is made, and this Secret was tried first: the cluster does not take it"),
            Self::GraceRunning => f.write_str("the partner ends the superseded credential by itself, and still accepts it"),
            Self::Settling => f.write_str("done, and not yet seen"),
            Self::CandidateNotAccepted => f.write_str("the partner does not accept the candidate yet"),
            Self::AttemptsSpaced => f.write_str("waiting before the next attempt"),
            Self::MintsOfTheDay { most, until } => write!(f, "{most} candidates were made within 24 hours, which is all that --mints-per-day allows a resource; the next one is made from {until} on"),
            Self::NotDue => f.write_str("nothing to do before the next rotation"),
            Self::RegionCarriesOld(region) => write!(f, "{region} does not serve the new version yet"),
            Self::TargetCarriesOld(target) => write!(f, "Secret {target} does not carry the new version yet"),
            Self::WaitingForOverlap => f.write_str("both credentials live until the overlap has passed"),
            Self::RevocationAnnounced(id) => write!(f, "the revocation of {id} is announced"),
            Self::QuotaUsedByOthers(Some(slot)) => write!(f, "{slot} has a password that is not ours and was left as it is; its owner frees it with: ALTER ROLE \"{slot}\" NOLOGIN PASSWORD NULL"),
            Self::QuotaUsedByOthers(None) => f.write_str("credentials that are not ours use up what the partner allows; delete one there"),
            Self::LastPlaceTaken(id) => write!(f, "{id} takes the last place that the partner allows and was left as it is: an earlier rotation lost it, or a person made it, which can't be told apart; delete it at the partner if nobody uses it, and the rotation goes on by itself"),
            Self::OrphanSuspected(id) => write!(f, "{id} may be a lost candidate of ours; whoever owns it deletes it at the partner"),
            Self::JournalUnreadable(name) => write!(f, "the status of Rotation {name} is of a form that this version does not read; upgrade the operator, or delete that Rotation if you know that it had not begun"),
            Self::RotationFailed => f.write_str("AWS's rotation failed; see the secret's rotation in AWS"),
        }
    }
}

/// A store that refuses: a person must act, and which one depends on what refuses.
fn denied(f: &mut fmt::Formatter<'_>, fault: &Fault) -> fmt::Result {
    match fault.code.as_str() {
        "WrongAccount" => f.write_str("spec.storeRef: the store's credentials are of another AWS account than its spec.accountID says; nothing is asked there; its administrators correct one of the two"),
        "KeysMissing" => f.write_str("spec.storeRef: the Secret that the store's spec.auth.secretRef names is not there, or lacks accessKeyID and secretAccessKey; its administrators add them"),
        "WrongSecretType" | "NotText" => f.write_str("spec.storeRef: the Secret that the store's spec.auth.secretRef names must be of type managed-secrets.io/admin and hold text; its administrators make it so"),
        "EndpointNotAllowed" => f.write_str("spec.storeRef: the store's spec.endpoint is no host of AWS's over https; its administrators correct it, or the operator's flag --allow-store-endpoints lets it be"),
        "EncryptionFailure" | "DecryptionFailure" | "AccessDeniedByKms" => write!(f, "spec.regions[].kmsKeyID: {fault}: the KMS key that the resource or its store names is missing, disabled or not for the operator; name another, or mend its key policy"),
        _ => write!(f, "spec.storeRef: {fault}: the store's credentials are wrong or their rights do not reach; its administrators check spec.auth and the IAM policy"),
    }
}

/// Something outside that did not do as asked, and may by itself.
fn failed(f: &mut fmt::Formatter<'_>, fault: &Fault) -> fmt::Result {
    match (fault.place, fault.kind, fault.code.as_str()) {
        (_, _, "AdminMissing") => f.write_str("spec.partner.accountRef: the admin credential that the PartnerAccount names in spec.admin is not there; its administrators put it there"),
        (_, _, "AdminInvalid") => f.write_str("spec.partner.accountRef: the Secret that the PartnerAccount names in spec.admin must be of type managed-secrets.io/admin and hold text; its administrators make it so"),
        (place, _, Fault::TOO_SLOW) => too_slow(f, place),
        (Place::Guard, _, "StoreNotChecked") => f.write_str("spec.storeRef: the store has not been checked yet"),
        (Place::SecretsManager | Place::Sts, ..) => write!(f, "spec.storeRef: {fault}; tried again by itself"),
        (Place::Partner, FaultKind::Denied, _) => write!(f, "spec.partner: {fault}: the credential that acts there, the account's admin or the resource's own, is refused or lacks rights; renew it or grant them"),
        (Place::Partner | Place::Guard, ..) => write!(f, "spec.partner: {fault}; tried again by itself"),
        (Place::Cluster, ..) => write!(f, "{fault}; tried again by itself"),
    }
}

/// Everything answers, and yet nothing may be done: what was seen is older than D allows when it is all there.
fn too_slow(f: &mut fmt::Formatter<'_>, place: Place) -> fmt::Result {
    let field = match place {
        Place::Partner | Place::Guard => "spec.partner",
        Place::SecretsManager | Place::Sts => "spec.storeRef",
        Place::Cluster => "spec.targets",
    };
    write!(
        f,
        "{field}: {place} answers so slowly that what was seen is too old to act upon; nothing is done until it is quicker, or the operator's administrators raise --deadline"
    )
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = String>) -> fmt::Result {
    let items: Vec<String> = items.take(8).collect();
    f.write_str(&items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Place, kind: FaultKind, code: &str) -> (bool, String) {
        let reason = Reason::of_fault(&Fault::new(place, kind, code));
        (reason.is_stalled(), reason.to_string())
    }

    #[test]
    fn a_failure_outside_names_the_field_that_leads_to_it_and_whoever_can_mend_it() {
        use FaultKind::{Denied, Rejected, Throttled, Unknown, Unsent};
        for (place, kind, code, stalled, field, remedy) in [
            (Place::Sts, Denied, "InvalidClientTokenId", true, "spec.storeRef", "check spec.auth"),
            (Place::Sts, Denied, "WrongAccount", true, "spec.storeRef", "correct one of the two"),
            (Place::Cluster, Denied, "KeysMissing", true, "spec.storeRef", "administrators add them"),
            (Place::Cluster, Rejected, "WrongSecretType", true, "spec.storeRef", "managed-secrets.io/admin"),
            (Place::Guard, Denied, "EndpointNotAllowed", true, "spec.storeRef", "--allow-store-endpoints"),
            (Place::SecretsManager, Denied, "EncryptionFailure", true, "spec.regions[].kmsKeyID", "name another"),
            (Place::SecretsManager, Throttled, "ThrottlingException", false, "spec.storeRef", "tried again"),
            (Place::Guard, Denied, "AdminMissing", false, "spec.partner.accountRef", "administrators put it there"),
            (Place::Partner, Denied, "InvalidClient", false, "spec.partner", "renew it"),
            (Place::Partner, Unknown, "NotJson", false, "spec.partner", "tried again"),
            (Place::Partner, Unsent, "ConnectionRefused", false, "spec.partner", "tried again"),
            (Place::Partner, Unsent, Fault::TOO_SLOW, false, "spec.partner", "raise --deadline"),
            (Place::SecretsManager, Unsent, Fault::TOO_SLOW, false, "spec.storeRef", "raise --deadline"),
            (Place::Cluster, Unsent, Fault::TOO_SLOW, false, "spec.targets", "raise --deadline"),
        ] {
            let (is_stalled, message) = told(place, kind, code);
            assert_eq!(is_stalled, stalled, "{code}");
            assert!(message.starts_with(field) && message.contains(remedy), "{code}: {message}");
            assert!(message.len() <= 256, "an event holds it whole: {message}");
        }
    }
}

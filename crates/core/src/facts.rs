//! What is seen: the questions that a rule may ask, the answers, and what is known at a glance without asking.
//!
//! Invariant: unread, unknown (the read failed), absent and present are four values, and nothing here holds secret
//! bytes. Facts live for one pass; they are older than [`Bounds::deadline`] never when an effect is decided upon.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::debt::Debt;
use crate::effect::{Acting, Effect};
use crate::fault::Fault;
use crate::names::{
    Arn, CredentialId, Identity, ObjectName, Region, Revision, Slot, Stage, Tag, TargetName, Uid, VersionId,
};
use crate::partner::FieldProblem;
use crate::spec::Claim;
use crate::target::RenderError;
use crate::tries::Tries;

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Look {
    /// The seed: there, of the type's format, accepted?
    Seed,
    /// The Secret of a person's own candidate, asked as a seed is; tried at the partner only where trying changes nothing.
    /// Answered by [`Sight::Seed`].
    Brought(ObjectName),
    /// `DescribeSecret` in the primary region.
    StoreSecret,
    /// `DescribeSecret` of the replica in this region.
    Replica(Region),
    /// Whether this version has a value, read by id (P2).
    Version(VersionId),
    /// The stored bytes of this version, read by id and tried at the partner now.
    Acceptance(VersionId),
    /// What lives at the partner, and which of these versions each holds.
    Credentials {
        /// With whose rights.
        acting: Acting,
        /// The versions whose bytes are compared.
        known: BTreeSet<VersionId>,
    },
    /// A native Secret, read live.
    Target(TargetName),
    /// All our Secrets in the namespace by label: one that the spec dropped still holds its version.
    Labelled,
    /// When each version of our secret was made, also those without labels: Secrets Manager keeps each for a day at least.
    Versions,
    /// Whether a later write would be taken, tried without effect: asked before a call from which there is no way back.
    Rehearsal {
        /// The write.
        write: Rehearsed,
        /// The version whose bytes it would carry.
        version: VersionId,
    },
}

/// A write that comes after the point of no return.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rehearsed {
    /// The move of a staging label in Secrets Manager.
    Label,
    /// The native Secret.
    Target(TargetName),
}

/// What every reading function gives: there, surely not there, or it could not be read.
pub type Answer<T> = Result<Option<T>, Fault>;

/// The answer to a [`Look`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// To `Seed` and `Brought`.
    Seed(Answer<Seed>),
    /// To `StoreSecret`.
    StoreSecret(Answer<StoreSecret>),
    /// To `Replica`.
    Replica(Answer<Replica>),
    /// To `Version`.
    Version(Answer<Stored>),
    /// To `Acceptance`.
    Acceptance(Answer<Acceptance>),
    /// To `Credentials`.
    Credentials(Answer<Vec<Credential>>),
    /// To `Target`.
    Target(Answer<Target>),
    /// To `Labelled`.
    Labelled(Answer<Vec<Labelled>>),
    /// To `Versions`.
    Versions(Answer<BTreeMap<VersionId, Timestamp>>),
    /// To `Rehearsal`: present = it would be taken; absent = what it would carry is not there.
    Rehearsal(Answer<()>),
}

/// A seed, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seed {
    /// A Secret of that name which is not of type `managed-secrets.io/seed`: not read.
    WrongType,
    /// Its keys or texts are not the type's fields.
    Malformed(Vec<FieldProblem>),
    /// Its host is not the account's, or not one of the vendor's own.
    WrongHost,
    /// Its identity can't be told, contradicts the parameters (`None`), or is not one that the account grants.
    NotGranted(Option<Identity>),
    /// An older resource of the cluster has its identity.
    InUse(Identity),
    /// It is the credential that the account logs in with.
    Admins,
    /// Well formed, but the partner refuses it.
    Refused,
    /// Well formed and accepted; where it is not tried (engine `SecretsManager`, or trying would be using) well formed.
    Accepted {
        /// Whom it authenticates: `HOST/IDENTITY`.
        identity: Option<Identity>,
    },
}

/// A secret in Secrets Manager, as `DescribeSecret` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSecret {
    /// Its full ARN, as answered.
    pub arn: Arn,
    /// Whose it is, by its tags.
    pub ownership: Ownership,
    /// `Type` of an AWS managed external secret.
    pub secret_type: Option<String>,
    /// Owned by another AWS service.
    pub owning_service: bool,
    /// AWS's own rotation, where it is or was on.
    pub rotation: Option<ManagedRotation>,
    /// Labelled versions.
    pub versions: BTreeMap<VersionId, BTreeSet<Stage>>,
    /// Set on a replica: where its primary is, if that is another region.
    pub replica_of: Option<Region>,
    /// Scheduled for deletion.
    pub scheduled_for_deletion: bool,
    /// Replicas, as the primary sees them.
    pub replication: BTreeMap<Region, Replication>,
    /// How what its versions are marked with is paid, where its tags say so under our seal.
    pub debt: Option<Box<Debt>>,
}

/// What the claim tags say, compared with ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Ours, of this very resource.
    Ours,
    /// Ours by cluster, namespace and name, of an earlier resource with this UID (or of a namespace or cluster that
    /// the store's `takeOver` names).
    OursBefore(Option<Uid>),
    /// Nobody's: no claim tags.
    Nobodys,
    /// An owner of this prefix and namespace under another name, which may be gone (rename).
    Neighbours(String),
    /// Somebody else's.
    Anothers,
}

/// AWS's own rotation of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ManagedRotation {
    /// `RotationEnabled`.
    pub enabled: bool,
    /// A Lambda rotates it: never ours.
    pub lambda: bool,
    /// `ScheduleExpression`.
    pub schedule: Option<String>,
    /// `Duration`.
    pub window: Option<String>,
    /// `ExternalSecretRotationRoleArn`.
    pub role: Option<String>,
    /// `ExternalSecretRotationMetadata`.
    pub metadata: BTreeMap<String, String>,
    /// `LastRotatedDate`.
    pub last: Option<Timestamp>,
    /// `NextRotationDate`.
    pub next: Option<Timestamp>,
}

/// A replica as the primary reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// `ReplicationStatus.Status`.
    pub state: ReplicationState,
    /// Whether the message says that another secret has the name there.
    pub name_taken: bool,
    /// `KmsKeyId`.
    pub kms_key: Option<String>,
}

/// `ReplicationStatus.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicationState {
    /// Reported in sync (it may describe the write before).
    InSync,
    /// Under way, or a state that this version does not know.
    InProgress,
    /// Failed.
    Failed,
}

/// A replica as its own region tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// AWSCURRENT there.
    pub current: Option<VersionId>,
}

/// A version with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What is wrong with its fields, if anything.
    pub problems: Vec<FieldProblem>,
    /// Targets that it can't be rendered into.
    pub renders: BTreeMap<TargetName, RenderError>,
}

/// What the partner says to the stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// They log in, as the granted identity.
    Accepted,
    /// They don't.
    Refused,
    /// They log in as somebody else, or point to another host: never used.
    Alien,
    /// They are not of the type's format.
    Malformed,
}

/// A credential that lives at the partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Our marker on it, where the partner takes one.
    pub tag: Option<Tag>,
    /// The asked-for versions whose bytes it has.
    pub versions: BTreeSet<VersionId>,
    /// The slot that it fills, in a slot contract.
    pub slot: Option<Slot>,
    /// Whether it is the main one where one is (Salesforce: not the staged one).
    pub main: bool,
}

/// A native Secret, as far as it may be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its UID.
    pub uid: Uid,
    /// Its revision.
    pub revision: Revision,
    /// Whose it is.
    pub holder: Holder,
    /// The version that it says it carries.
    pub version: Option<VersionId>,
    /// Whether its data, type, labels and annotations are what that version renders to. `None`: the version's bytes
    /// could not be read, so nobody knows.
    pub intact: Option<bool>,
    /// Whether its type differs from the wanted one (a Secret's type can't change).
    pub wrong_type: bool,
    /// Whether it is immutable.
    pub immutable: bool,
    /// What rendering the version found missing or surplus.
    pub render: Option<RenderError>,
}

/// Who holds a native Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This resource.
    Us,
    /// Nobody of ours, and its owner consents (annotation `managed-secrets.io/adopt`).
    Consenting,
    /// Another resource.
    AnotherResource,
    /// Somebody who did not consent.
    Foreign,
}

/// One of our Secrets, found by its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its name.
    pub name: TargetName,
    /// Its UID.
    pub uid: Uid,
    /// Its revision.
    pub revision: Revision,
    /// The version that it says it carries.
    pub version: Option<VersionId>,
}

/// What is known without asking, from watches and the sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// Our secret's line in the last sweep of its store; `None`: no sweep has seen it yet.
    pub sweep: Option<SweepLine>,
    /// Our labelled Secrets, by the metadata watch.
    pub targets: BTreeMap<TargetName, (Revision, Option<VersionId>)>,
    /// Whether AWSCURRENT is to be tried at the partner again.
    pub verify_due: bool,
    /// Whether somebody asked that everything be read again (annotation `managed-secrets.io/sync`).
    pub read_again: bool,
}

/// A secret as `ListSecrets` shows it: may lag by minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepLine {
    /// Its ARN.
    pub arn: Option<Arn>,
    /// AWSCURRENT.
    pub current: Option<VersionId>,
    /// Every labelled version.
    pub versions: BTreeMap<VersionId, BTreeSet<Stage>>,
    /// `LastChangedDate`.
    pub changed: Option<Timestamp>,
    /// Scheduled for deletion.
    pub scheduled_for_deletion: bool,
    /// What it owes, and under whose claim, where its tags say so under our seal.
    pub debt: Option<(Claim, Debt)>,
}

/// Settings of the operator that rules count with (PROTOCOL section 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// D: from the first look of a pass to the end of its one call.
    pub deadline: SignedDuration,
    /// What the store takes to settle.
    pub settling: SignedDuration,
    /// How long a candidate may be refused before it is given up.
    pub acceptance: SignedDuration,
    /// Candidates of one rotation at the most.
    pub attempts: u16,
    /// Candidates of one resource in any 24 hours, over all its Rotations.
    pub mints_per_day: u16,
    /// Between two attempts.
    pub spacing: SignedDuration,
    /// Complete and failed Rotations kept a resource.
    pub history: usize,
    /// When a promotion or revocation counts as overdue.
    pub overdue: SignedDuration,
    /// How long a finalizer stays on what was deleted while what it waits for can't be done.
    pub release: SignedDuration,
    /// The same once the namespace is being deleted, from then on.
    pub release_in_terminating: SignedDuration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            deadline: SignedDuration::from_secs(30),
            settling: SignedDuration::from_secs(60),
            acceptance: SignedDuration::from_mins(10),
            attempts: 3,
            mints_per_day: 3,
            spacing: SignedDuration::from_mins(10),
            history: 3,
            overdue: SignedDuration::from_hours(1),
            release: SignedDuration::from_hours(24),
            release_in_terminating: SignedDuration::from_mins(15),
        }
    }
}

/// All that one pass knows.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Known without asking.
    pub glimpse: Glimpse,
    /// Settings.
    pub bounds: Bounds,
    tries: Tries,
    seen: BTreeMap<Look, Sight>,
    began: Option<Timestamp>,
    slowest: Option<(SignedDuration, Look)>,
    expired: bool,
}

impl Facts {
    /// What is known before anything is asked.
    pub fn at_a_glance(glimpse: Glimpse, bounds: Bounds, tries: Tries) -> Self {
        Self { glimpse, bounds, tries, seen: BTreeMap::new(), began: None, slowest: None, expired: false }
    }

    /// Notes how long an answer took: a fact is as old as its question, and what is slow must be named.
    pub fn took(&mut self, look: &Look, asked: Timestamp, answered: Timestamp) {
        self.began = Some(self.began.map_or(asked, |began| began.min(asked)));
        let time = answered.duration_since(asked);
        if self.slowest.as_ref().is_none_or(|(slowest, _)| *slowest < time) {
            self.slowest = Some((time, look.clone()));
        }
    }

    /// Takes in an answer. A partner may list in any order: in that of the ids, the same one of several is named each time.
    pub fn learn(&mut self, look: Look, mut sight: Sight, now: Timestamp) {
        self.began.get_or_insert(now);
        if let Sight::Credentials(Ok(Some(listed))) = &mut sight {
            listed.sort_by(|one, other| one.id.cmp(&other.id));
        }
        self.tries.looked(&look, &sight, now);
        self.seen.insert(look, sight);
    }

    /// Takes in how an effect went. The world has moved, so what was seen is dropped.
    pub fn tried(&mut self, effect: &Effect, outcome: &Result<(), Fault>, now: Timestamp) {
        self.tries.tried(effect, outcome, now);
        self.seen.clear();
        self.began = None;
    }

    /// Whether what was seen is too old to act upon; then it is dropped, and the pass looks again.
    ///
    /// A second time in a row the slowest question is put off for D: else a pass that is always slower than D would look
    /// for ever, and nobody would ever be told why nothing moves.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let old = self.began.is_some_and(|began| now.duration_since(began) > self.bounds.deadline * 2 / 3);
        if old {
            self.seen.clear();
            self.began = None;
            let slowest = self.slowest.take();
            if let Some((_, look)) = slowest.filter(|_| self.expired) {
                self.tries.too_slow(&look, self.bounds.deadline, now);
            }
            self.expired = true;
        }
        old
    }

    /// What was tried lately.
    pub fn tries(&self) -> &Tries {
        &self.tries
    }

    /// The secret as this pass saw it, if it did.
    pub fn store_secret(&self) -> Option<&StoreSecret> {
        match self.seen(&Look::StoreSecret)? {
            Sight::StoreSecret(Ok(seen)) => seen.as_ref(),
            _ => None,
        }
    }

    /// A target as this pass saw it, if it did.
    pub fn target(&self, name: &TargetName) -> Option<&Target> {
        match self.seen(&Look::Target(name.clone()))? {
            Sight::Target(Ok(seen)) => seen.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn seen(&self, look: &Look) -> Option<&Sight> {
        self.seen.get(look)
    }
}

impl From<&StoreSecret> for SweepLine {
    fn from(seen: &StoreSecret) -> Self {
        Self {
            arn: Some(seen.arn.clone()),
            current: seen.current().cloned(),
            versions: seen.versions.clone(),
            changed: None,
            scheduled_for_deletion: seen.scheduled_for_deletion,
            // A Describe is made for a resource, which pays by itself.
            debt: None,
        }
    }
}

impl StoreSecret {
    /// The version with this label.
    pub fn labelled(&self, stage: &str) -> Option<&VersionId> {
        self.versions
            .iter()
            .find(|(_, stages)| stages.iter().any(|each| each.as_str() == stage))
            .map(|(version, _)| version)
    }

    /// AWSCURRENT.
    pub fn current(&self) -> Option<&VersionId> {
        self.labelled(Stage::CURRENT)
    }

    /// The versions whose credentials are marked as owed: each by a label of its own, which proves nothing elsewhere.
    pub fn owed(&self) -> impl Iterator<Item = &VersionId> {
        owed(&self.versions)
    }

    /// Whether this version is marked as owed.
    pub fn owes(&self, version: &VersionId) -> bool {
        self.owed().any(|owed| owed == version)
    }

    /// Whether `version` has this label.
    pub fn has(&self, version: &VersionId, stage: &str) -> bool {
        self.versions.get(version).is_some_and(|stages| stages.iter().any(|each| each.as_str() == stage))
    }
}

impl SweepLine {
    /// The versions whose credentials are marked as owed.
    pub fn owed(&self) -> impl Iterator<Item = &VersionId> {
        owed(&self.versions)
    }
}

fn owed(versions: &BTreeMap<VersionId, BTreeSet<Stage>>) -> impl Iterator<Item = &VersionId> {
    let marked = |(version, stages): &(&VersionId, &BTreeSet<Stage>)| {
        Stage::owed(version).is_some_and(|label| stages.contains(&label))
    };
    versions.iter().filter(marked).map(|(version, _)| version)
}

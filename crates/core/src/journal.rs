//! The journal of a resource: its Rotation objects. It holds only what can't be observed again, which is intent.
//!
//! Invariant: [`Rotation::with`] is the whole table of what may be recorded when; every other pair is [`Illegal`].
//! A record is written before the effect it announces, with a resourceVersion precondition. Written by the effect
//! `Record`, read by the rules; a journal is never authority for something destructive, which is proven at the remote.

mod outcome;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::names::{CredentialId, ObjectName, Revision, Slot, Uid, VersionId};
pub use outcome::{Flaw, Outcome, Rejection};

/// All Rotation objects of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// In any order.
    pub rotations: Vec<Rotation>,
}

/// One attempt to replace a credential, as its object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The object's name.
    pub name: ObjectName,
    /// Its UID: version ids are made of it.
    pub uid: Uid,
    /// Its `resourceVersion`: the precondition of the next record.
    pub revision: Revision,
    /// When the object was made.
    pub created: Timestamp,
    /// Why it was made.
    pub trigger: Trigger,
    /// Whether its revocations wait for proof.
    pub revocation: Revocation,
    /// What a person wants in use in place of a new credential of the partner's.
    pub candidate: Option<Candidate>,
    /// Whether its owner reference names the resource of today: `Some(false)` is a restored object, `None` a person's.
    pub owned: Option<bool>,
    /// Whether the object was made by `generateName`, so that history limits may collect it.
    pub generated: bool,
    /// Whether our finalizer is on it.
    pub held: bool,
    /// When its deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// The attempt under way, or the last one.
    pub attempt: Option<Attempt>,
    /// Every version id that an attempt of this rotation gave up.
    pub failed_attempts: u16,
    /// When an attempt was given up last.
    pub last_failure: Option<Timestamp>,
    /// The overlap as it was when the rotation started: later edits may lengthen, never shorten it.
    pub overlap: Option<SignedDuration>,
    /// When AWSCURRENT was seen on the candidate.
    pub promoted: Option<Timestamp>,
    /// What must be revoked.
    pub owed: BTreeMap<CredentialId, Owed>,
    /// It is being undone.
    pub aborting: bool,
    /// How it ended, and when.
    pub ended: Option<(Outcome, Timestamp)>,
    /// Its status holds what this version can't read (another version of us, or a hand): nobody knows what it was about to
    /// do, so it is driven before all others and nothing can be recorded in it, hence nothing announced, promoted or doomed.
    pub unreadable: bool,
}

/// One try at a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1, 2, …
    pub number: u16,
    /// The version that it writes (`ClientRequestToken`).
    pub version: VersionId,
    /// AWSCURRENT when it began.
    pub supersedes: Option<VersionId>,
    /// The slot that it fills, where the contract has slots.
    pub slot: Option<Slot>,
    /// Ids listed before the first create, where the partner has no tags.
    pub baseline: BTreeSet<CredentialId>,
    /// The last announced effect.
    pub step: IntentStep,
    /// When it was announced (by the writer's clock: for people; bounds count from the observer's own).
    pub time: Timestamp,
    /// The candidate's id at the partner, once listed.
    pub candidate: Option<CredentialId>,
    /// How often in a row the stored bytes were accepted.
    pub accepted: u8,
}

/// Which of two rotations goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Alarm,
    Own,
    Plain,
}

/// An effect that is announced before it is done, in the order of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IntentStep {
    /// Make the candidate and store it as AWSPENDING.
    Create,
    /// Make the partner accept it (caller-chosen values).
    Register,
    /// Move AWSCURRENT.
    Promote,
}

/// A credential that this rotation must revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// A version that holds its bytes, where one does.
    pub version: Option<VersionId>,
    /// When its revocation was announced: final.
    pub doomed: Option<Timestamp>,
}

/// Why a rotation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trigger {
    /// The first value, or the replacement of the seed.
    Onboarding,
    /// The schedule.
    Schedule,
    /// Two thirds of the credential's life have passed.
    Expiry,
    /// A person.
    Request,
    /// A person: whoever should not have it has it. Pre-empts (P19), and no minimum overlap holds its revocations up.
    Compromise,
}

/// What the revocations of a rotation wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Revocation {
    /// That every holder carries the new version.
    #[default]
    WhenProven,
    /// Nothing but the promotion: a person's explicit word, and only with `Compromise`.
    AtOnce,
}

/// A candidate of a person's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Candidate {
    /// The credential in this Secret of the resource's namespace, a seed as for onboarding.
    FromSecret(ObjectName),
    /// The credential that an earlier version of the secret holds.
    Version(VersionId),
    /// Asked for where nobody checks who may (T28): never looked at.
    Unchecked,
}

/// Something recorded in a Rotation's status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// An attempt is announced: its candidate is about to be made. Gives up the attempt before it.
    Intend {
        /// Its number.
        number: u16,
        /// The version that it writes.
        version: VersionId,
        /// AWSCURRENT as found.
        supersedes: Option<VersionId>,
        /// The slot that it fills.
        slot: Option<Slot>,
        /// What was listed before (attempt 1 only; later ones keep it).
        baseline: BTreeSet<CredentialId>,
        /// The overlap wanted now.
        overlap: SignedDuration,
    },
    /// The candidate's id at the partner.
    Candidate(CredentialId),
    /// The stored bytes were accepted so often in a row.
    Accepted(u8),
    /// The candidate is about to be registered.
    Registering,
    /// The candidate is about to be used for the first time, which at this partner brings it into force: as `Promoting`,
    /// but before anybody can know whether it is accepted.
    Using,
    /// What must be revoked.
    Owe(BTreeMap<CredentialId, Option<VersionId>>),
    /// AWSCURRENT is about to move. No abort from here.
    Promoting,
    /// AWSCURRENT was seen on the candidate.
    Promoted,
    /// A revocation is about to happen: final.
    Doom(CredentialId, Option<VersionId>),
    /// The partner answered that it is revoked.
    Paid(CredentialId),
    /// It is what the candidate holds, so it is not owed after all.
    Spare(CredentialId),
    /// It is undone from here.
    Abort,
    /// AWS rotated by itself: what was found.
    Found {
        /// The version now current.
        version: VersionId,
        /// The one before.
        supersedes: Option<VersionId>,
    },
    /// It is over.
    End(Outcome),
}

/// An entry that the table does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this entry does not follow what the journal holds")]
pub struct Illegal;

impl Journal {
    /// The rotation that is driven now: the one that began, else by rank, else the oldest that waits.
    pub fn open(&self) -> Option<&Rotation> {
        self.waiting().min_by_key(|rotation| rotation.order())
    }

    /// The same while there is no first value: a candidate of a person's own has nothing to take the place of, and waits.
    pub fn open_first(&self) -> Option<&Rotation> {
        let begins = |rotation: &&Rotation| rotation.candidate.is_none() || rotation.attempt.is_some();
        self.waiting().filter(begins).min_by_key(|rotation| rotation.order())
    }

    /// The rotations that `running` makes way for (P19), the first first: what has not begun and goes before it. A compromise
    /// goes before all but another, a person's own candidate before all others and before an earlier one.
    pub fn heirs(&self, running: &Rotation) -> Vec<&Rotation> {
        let begun = running.attempt.is_some() || running.aborting;
        let later =
            |rotation: &Rotation| begun || (rotation.created, &rotation.name) > (running.created, &running.name);
        let comes = |rotation: &&Rotation| {
            let before = rotation.rank() < running.rank()
                || rotation.rank() == Rank::Own && running.rank() == Rank::Own && later(rotation);
            before
                && rotation.uid != running.uid
                && rotation.attempt.is_none()
                && !rotation.aborting
                && !rotation.unreadable
                && rotation.owned != Some(false)
                && !rotation.cancelled()
        };
        let mut heirs: Vec<&Rotation> = self.waiting().filter(comes).collect();
        heirs.sort_by_key(|rotation| (rotation.rank(), rotation.created, &rotation.name));
        heirs
    }

    /// The same where nobody's right to more than a plain request was checked (T28): an alarm is a request, and a candidate
    /// that has not begun is never looked at.
    pub fn without_authority(mut self) -> Self {
        for rotation in &mut self.rotations {
            if rotation.trigger == Trigger::Compromise {
                rotation.trigger = Trigger::Request;
                rotation.revocation = Revocation::WhenProven;
            }
            if rotation.candidate.is_some() && rotation.attempt.is_none() {
                rotation.candidate = Some(Candidate::Unchecked);
            }
        }
        self
    }

    /// Every rotation that has not ended.
    pub fn waiting(&self) -> impl Iterator<Item = &Rotation> {
        self.rotations.iter().filter(|rotation| rotation.ended.is_none())
    }

    /// The newest rotation that moved AWSCURRENT.
    pub fn last_promoted(&self) -> Option<&Rotation> {
        self.rotations.iter().filter(|rotation| rotation.promoted.is_some()).max_by_key(|rotation| rotation.promoted)
    }

    /// Whether the revocation of this version's credential was announced by any rotation: that is final (P12).
    pub fn doomed(&self, version: &VersionId) -> bool {
        let owed = self.rotations.iter().flat_map(|rotation| rotation.owed.values());
        owed.filter(|owed| owed.doomed.is_some()).any(|owed| owed.version.as_ref() == Some(version))
    }

    /// Whether nothing may be in use with the bytes of this version any more: their end was announced, or a compromise
    /// superseded them (R12).
    pub fn unfit(&self, version: &VersionId) -> bool {
        let same = self.same_bytes(version);
        let burned = |rotation: &Rotation| {
            let superseded = rotation.attempt.iter().filter_map(|attempt| attempt.supersedes.as_ref());
            let owed = rotation.owed.values().filter_map(|owed| owed.version.as_ref());
            superseded.chain(owed).any(|version| same.contains(version))
        };
        let mut alarms = self.rotations.iter().filter(|rotation| rotation.is_alarm() && rotation.promoted.is_some());
        same.iter().any(|version| self.doomed(version)) || alarms.any(burned)
    }

    /// Every version that is known to hold the bytes of this one: a rollback writes those of an earlier one anew (P10).
    pub fn same_bytes(&self, version: &VersionId) -> BTreeSet<VersionId> {
        let copies = |rotation: &Rotation| match (&rotation.candidate, &rotation.attempt) {
            (Some(Candidate::Version(of)), Some(attempt)) => {
                let attempts = newest(attempt.number);
                attempts.map(|number| (of.clone(), VersionId::of(&rotation.uid, number))).collect()
            }
            _ => Vec::new(),
        };
        let copies: Vec<(VersionId, VersionId)> = self.rotations.iter().flat_map(copies).collect();
        let mut same = BTreeSet::from([version.clone()]);
        loop {
            let known = same.len();
            for (one, other) in &copies {
                if same.contains(one) || same.contains(other) {
                    same.extend([one.clone(), other.clone()]);
                }
            }
            if same.len() == known {
                return same;
            }
        }
    }

    /// The rotation that has moved AWSCURRENT and still owes a revocation.
    pub fn indebted(&self) -> Option<&Rotation> {
        self.open()
            .filter(|open| open.promoted.is_some() && !open.owed.is_empty() && !open.unreadable && !open.aborting)
    }

    /// How many revocations are still owed, over all rotations.
    pub fn pending_revocations(&self) -> usize {
        self.waiting().map(|rotation| rotation.owed.len()).sum()
    }
}

impl Rotation {
    /// Whether it makes a running one give way.
    pub fn pre_empts(&self) -> bool {
        self.rank() < Rank::Plain
    }

    /// Whether somebody has the earlier credentials who should not.
    pub fn is_alarm(&self) -> bool {
        self.trigger == Trigger::Compromise
    }

    fn order(&self) -> impl Ord + '_ {
        let begun = self.attempt.is_some() || self.aborting;
        (!self.unreadable, !begun, self.rank(), self.created, &self.name)
    }

    fn rank(&self) -> Rank {
        match self.candidate {
            _ if self.is_alarm() => Rank::Alarm,
            Some(_) => Rank::Own,
            None => Rank::Plain,
        }
    }

    /// The version whose credential a rollback wants.
    pub fn wanted(&self) -> Option<&VersionId> {
        match &self.candidate {
            Some(Candidate::Version(version)) => Some(version),
            Some(Candidate::FromSecret(_) | Candidate::Unchecked) | None => None,
        }
    }

    /// Whether what was current before is revoked without proof that nobody holds it.
    pub fn at_once(&self) -> bool {
        self.is_alarm() && self.revocation == Revocation::AtOnce
    }

    /// Whether a person deleted it and nothing stands against that: what it took over from another, nobody else would pay.
    pub fn cancelled(&self) -> bool {
        let took_over = self.pre_empts() && !self.owed.is_empty();
        self.deleting.is_some() && !took_over
    }

    /// Whether AWSCURRENT may already be on its way: no abort from here.
    pub fn promoting(&self) -> bool {
        self.promoted.is_some() || self.attempt.as_ref().is_some_and(|attempt| attempt.step == IntentStep::Promote)
    }

    /// The version of its present attempt.
    pub fn version(&self) -> Option<&VersionId> {
        self.attempt.as_ref().map(|attempt| &attempt.version)
    }

    /// The versions of the attempts that this rotation gave up: their credentials are strays, but for those that a person
    /// brought.
    ///
    /// The newest of them at most ([`newest`]).
    pub fn burned(&self) -> impl Iterator<Item = VersionId> {
        let last = self.attempt.as_ref().map_or(0, |attempt| attempt.number);
        let all = self.aborting || self.ended.is_some_and(|(outcome, _)| outcome.failed());
        newest(last).filter(move |number| all || *number < last).map(|number| VersionId::of(&self.uid, number))
    }

    /// The rotation after `entry`, recorded at `now`; the one table of what may follow what.
    pub fn with(mut self, entry: &Entry, now: Timestamp) -> Result<Self, Illegal> {
        if self.ended.is_some() || self.unreadable {
            return Err(Illegal);
        }
        match entry {
            Entry::Intend { number, version, supersedes, slot, baseline, overlap } => {
                let before = self.attempt.as_ref();
                let follows = *number == before.map_or(1, |attempt| attempt.number.saturating_add(1));
                if !follows || self.aborting || self.promoted.is_some() || *version != VersionId::of(&self.uid, *number)
                {
                    return Err(Illegal);
                }
                if before.is_some() {
                    self.failed_attempts = self.failed_attempts.saturating_add(1);
                    self.last_failure = Some(now);
                }
                let baseline = before.map_or_else(|| baseline.clone(), |attempt| attempt.baseline.clone());
                self.overlap = self.overlap.max(Some(*overlap));
                self.attempt = Some(Attempt {
                    number: *number,
                    version: version.clone(),
                    supersedes: supersedes.clone(),
                    slot: slot.clone(),
                    baseline,
                    step: IntentStep::Create,
                    time: now,
                    candidate: None,
                    accepted: 0,
                });
            }
            Entry::Candidate(id) => self.undecided()?.candidate = Some(id.clone()),
            Entry::Accepted(count) => self.undecided()?.accepted = *count,
            Entry::Registering => self.announce(IntentStep::Register, now)?,
            Entry::Using => self.announce(IntentStep::Promote, now)?,
            Entry::Promoting => {
                if self.undecided()?.accepted == 0 {
                    return Err(Illegal);
                }
                self.announce(IntentStep::Promote, now)?;
            }
            Entry::Owe(owed) => {
                for (id, version) in owed {
                    self.owed.entry(id.clone()).or_insert_with(|| Owed { version: version.clone(), doomed: None });
                }
            }
            Entry::Promoted => {
                // The label decides, not `Promoting`: a person may have moved AWSCURRENT onto the candidate first.
                match &mut self.attempt {
                    Some(attempt) if !self.aborting => attempt.step = IntentStep::Promote,
                    _ => return Err(Illegal),
                }
                self.promoted = self.promoted.or(Some(now));
            }
            Entry::Doom(id, version) => {
                let owed =
                    self.owed.entry(id.clone()).or_insert_with(|| Owed { version: version.clone(), doomed: None });
                owed.doomed = owed.doomed.or(Some(now));
            }
            Entry::Paid(id) => {
                // Only what was announced can have been paid: a revocation without its Doom is a bug, not a fact.
                if self.owed.get(id).is_none_or(|owed| owed.doomed.is_none()) {
                    return Err(Illegal);
                }
                self.owed.remove(id);
            }
            Entry::Spare(id) => {
                if self.owed.get(id).is_none_or(|owed| owed.doomed.is_some()) {
                    return Err(Illegal);
                }
                self.owed.remove(id);
            }
            Entry::Abort => {
                // Once `Promoting` is recorded the rules allow it only where AWSCURRENT went elsewhere or the candidate is
                // refused (P3, P17), which no table of records can tell.
                if self.promoted.is_some() {
                    return Err(Illegal);
                }
                self.aborting = true;
            }
            Entry::Found { version, supersedes } => {
                if self.attempt.is_some() || self.aborting {
                    return Err(Illegal);
                }
                self.attempt = Some(Attempt {
                    number: 1,
                    version: version.clone(),
                    supersedes: supersedes.clone(),
                    slot: None,
                    baseline: BTreeSet::new(),
                    step: IntentStep::Promote,
                    time: now,
                    candidate: None,
                    accepted: 0,
                });
                self.promoted = Some(now);
            }
            Entry::End(outcome) => {
                if !outcome.failed() && !self.owed.is_empty() && *outcome == Outcome::Revoked {
                    return Err(Illegal);
                }
                self.ended = Some((*outcome, now));
            }
        }
        Ok(self)
    }

    fn undecided(&mut self) -> Result<&mut Attempt, Illegal> {
        if self.aborting || self.promoted.is_some() {
            return Err(Illegal);
        }
        self.attempt.as_mut().ok_or(Illegal)
    }

    fn announce(&mut self, step: IntentStep, now: Timestamp) -> Result<(), Illegal> {
        let attempt = self.undecided()?;
        // The same step may be announced anew (its writer lost the right to call), never an earlier one: but the same stored
        // bytes may be registered again at any time, since a place that takes one value may have been emptied by hand.
        if attempt.step > step && step != IntentStep::Register {
            return Err(Illegal);
        }
        attempt.step = step;
        attempt.time = now;
        Ok(())
    }
}

/// The newest 256 of so many attempts: each is read and compared, and a number in a journal is no reason to read thousands.
fn newest(last: u16) -> std::ops::RangeInclusive<u16> {
    last.saturating_sub(255).max(1)..=last
}

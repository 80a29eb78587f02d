//! What was tried lately, and when it may be tried again: all back-off arithmetic, and the rights to make announced calls.
//!
//! In memory only, one a resource, kept between passes by `controller/memory.rs`. It paces every repeated look and
//! effect, failed or not, so that no step loops hot. A restart forgets it: then every right is gone, and every record
//! of unknown fate is first seen anew, which is just what P3 and P4 ask for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::decide::{Decision, Step};
use crate::effect::{Effect, Right};
use crate::facts::{Acceptance, Look, Rehearsed, Sight};
use crate::fault::{Fault, FaultKind, Place};
use crate::journal::{Attempt, Entry, IntentStep, Journal, Rotation};
use crate::names::{CredentialId, Revision, TargetName, Uid, VersionId};
use crate::reason::Reason;

/// A record whose age counts from when this process first saw it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// An announced effect of an attempt.
    Intent(Right),
    /// The newest announcement of it, by when it was written: announced anew, its call is waited for anew.
    Announced(Right, Timestamp),
    /// An announced revocation.
    Doom(Uid, CredentialId),
    /// A rotation given up.
    Abort(Uid),
    /// The end of a rotation.
    End(Uid),
    /// A promotion.
    Promoted(Uid),
    /// The resource's own deletion.
    Deletion,
    /// The label that says that a version's credential is owed.
    Owed(VersionId),
}

impl Mark {
    /// The newest announcement of an attempt: whoever wrote it may make its call, and nobody else until that is over.
    pub fn announced(rotation: &Rotation, attempt: &Attempt) -> Self {
        let right = Right { rotation: rotation.uid.clone(), attempt: attempt.number, step: attempt.step };
        Self::Announced(right, attempt.time)
    }
}

/// What was tried lately for one resource.
#[derive(Debug, Clone, Default)]
pub struct Tries {
    looks: BTreeMap<Look, Failed>,
    effects: BTreeMap<Effect, Failed>,
    rights: BTreeMap<Right, Timestamp>,
    first_seen: BTreeMap<Mark, Timestamp>,
    answered: BTreeSet<(Uid, CredentialId)>,
    verified: Option<(VersionId, Timestamp)>,
    settled_targets: BTreeMap<TargetName, (Revision, VersionId)>,
    waits: Vec<(Reason, Timestamp)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    fault: Option<Fault>,
    count: u32,
    at: Timestamp,
}

/// Until when something is not to be tried, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// When it may be tried again.
    pub until: Timestamp,
    /// What went wrong the last time; `None`: it went well and is not yet seen.
    pub fault: Option<Fault>,
}

impl Tries {
    /// Notes an answer.
    pub fn looked(&mut self, look: &Look, sight: &Sight, now: Timestamp) {
        let fault = match sight {
            Sight::Seed(Err(fault))
            | Sight::StoreSecret(Err(fault))
            | Sight::Replica(Err(fault))
            | Sight::Version(Err(fault))
            | Sight::Acceptance(Err(fault))
            | Sight::Credentials(Err(fault))
            | Sight::Target(Err(fault))
            | Sight::Labelled(Err(fault))
            | Sight::Versions(Err(fault))
            | Sight::Rehearsal(Err(fault)) => Some(fault.clone()),
            _ => None,
        };
        match fault {
            Some(fault) => note(&mut self.looks, look, Some(fault), now),
            None => drop(self.looks.remove(look)),
        }
        if let Sight::StoreSecret(Ok(Some(secret))) = sight {
            self.first_seen.retain(|mark, _| !matches!(mark, Mark::Owed(version) if !secret.owes(version)));
            for version in secret.owed() {
                self.first_seen.entry(Mark::Owed(version.clone())).or_insert(now);
            }
        }
        if let (Look::Acceptance(version), Sight::Acceptance(Ok(Some(Acceptance::Accepted)))) = (look, sight) {
            self.verified = Some((version.clone(), now));
        }
    }

    /// Notes that a question was answered too late to act upon what was seen, and puts it off for `pause`.
    pub fn too_slow(&mut self, look: &Look, pause: SignedDuration, now: Timestamp) {
        let place = match look {
            Look::Seed | Look::Brought(_) | Look::Acceptance(_) | Look::Credentials { .. } => Place::Partner,
            Look::StoreSecret
            | Look::Replica(_)
            | Look::Version(_)
            | Look::Versions
            | Look::Rehearsal { write: Rehearsed::Label, .. } => Place::SecretsManager,
            Look::Target(_) | Look::Labelled | Look::Rehearsal { write: Rehearsed::Target(_), .. } => Place::Cluster,
        };
        let seconds = u32::try_from(pause.as_secs()).unwrap_or(u32::MAX);
        note(&mut self.looks, look, Some(Fault::new(place, FaultKind::Unsent, Fault::TOO_SLOW).after(seconds)), now);
    }

    /// Moves every moment by as much as the clock was set since they were noted: what is remembered ages by no wall.
    pub fn shift(&mut self, by: SignedDuration) {
        let moments = self.looks.values_mut().chain(self.effects.values_mut()).map(|failed| &mut failed.at);
        let moments = moments.chain(self.rights.values_mut()).chain(self.first_seen.values_mut());
        let moments = moments.chain(self.verified.iter_mut().map(|(_, at)| at));
        for moment in moments.chain(self.waits.iter_mut().map(|(_, at)| at)) {
            // Beyond what a timestamp holds nobody waits for it either way.
            *moment = moment.checked_add(by).unwrap_or(*moment);
        }
    }

    /// Notes how an effect went; grants, spends or keeps rights.
    pub fn tried(&mut self, effect: &Effect, outcome: &Result<(), Fault>, now: Timestamp) {
        note(&mut self.effects, effect, outcome.as_ref().err().cloned(), now);
        self.waits.clear();
        if let Some(right) = effect.right() {
            // A put that was throttled after the create was sent is of unknown fate too: the adapter says so by the
            // kind of its fault (P4). Only what was surely without effect may be tried again by this right.
            let spent = outcome.as_ref().err().is_none_or(|fault| !fault.surely_nothing_happened());
            if spent {
                self.rights.remove(right);
            }
        }
        match (effect, outcome) {
            (Effect::Record { uid, attempt, entries, .. }, Ok(())) => self.recorded(uid, *attempt, entries, now),
            (Effect::Revoke { debtor, credential, version, .. }, Ok(())) => {
                self.answered.insert((debtor.clone(), credential.clone()));
                // What stands on the secret is named by its version alone.
                let by_version = version.as_ref().and_then(|version| CredentialId::parse(version.as_str()).ok());
                self.answered.extend(by_version.map(|id| (debtor.clone(), id)));
            }
            _ => {}
        }
    }

    /// Grants the rights that a record just written announces: to this process, from now on.
    fn recorded(&mut self, rotation: &Uid, attempt: Option<u16>, entries: &[Entry], now: Timestamp) {
        for entry in entries {
            let (number, step) = match entry {
                Entry::Intend { number, .. } => (Some(*number), IntentStep::Create),
                Entry::Registering => (attempt, IntentStep::Register),
                Entry::Promoting | Entry::Using => (attempt, IntentStep::Promote),
                _ => continue,
            };
            let Some(attempt) = number else { continue };
            let right = Right { rotation: rotation.clone(), attempt, step };
            // Announced anew, the age of an attempt still counts from its first announcement: patience has an end.
            self.first_seen.entry(Mark::Intent(right.clone())).or_insert(now);
            self.rights.insert(right, now);
        }
    }

    /// Whether this process may make the announced call, `deadline` (D) after its record at the latest.
    pub fn has_right(&self, right: &Right, deadline: SignedDuration, now: Timestamp) -> bool {
        self.rights.get(right).is_some_and(|granted| now.duration_since(*granted) <= deadline)
    }

    /// Notes every record that this process sees for the first time, and forgets those that are gone.
    pub fn saw(&mut self, journal: &Journal, deleting: bool, now: Timestamp) {
        let deletion = deleting.then_some(Mark::Deletion);
        let marks: BTreeSet<Mark> = journal.rotations.iter().flat_map(marks).chain(deletion).collect();
        self.first_seen.retain(|mark, _| marks.contains(mark) || matches!(mark, Mark::Owed(_)));
        for mark in marks {
            self.first_seen.entry(mark).or_insert(now);
        }
    }

    /// When this process first saw `mark`; `None`: not yet.
    pub fn first_saw(&self, mark: &Mark) -> Option<Timestamp> {
        self.first_seen.get(mark).copied()
    }

    /// Whether the partner answered that this credential of that rotation is revoked.
    pub fn answered(&self, rotation: &Uid, credential: &CredentialId) -> bool {
        self.answered.contains(&(rotation.clone(), credential.clone()))
    }

    /// When AWSCURRENT was last accepted at the partner, as far as this process knows.
    pub fn verified(&self, version: &VersionId) -> Option<Timestamp> {
        self.verified.as_ref().filter(|(verified, _)| verified == version).map(|(_, at)| *at)
    }

    /// Notes that a target was seen intact.
    pub fn settle(&mut self, target: TargetName, revision: Revision, version: VersionId) {
        self.settled_targets.insert(target, (revision, version));
    }

    /// Takes targets as they are first seen by this process for untouched: each has its full check within an interval.
    pub fn first_glimpse(&mut self, targets: &BTreeMap<TargetName, (Revision, Option<VersionId>)>) {
        for (name, (revision, version)) in targets {
            if let Some(version) = version {
                self.settled_targets.entry(name.clone()).or_insert_with(|| (revision.clone(), version.clone()));
            }
        }
    }

    /// Whether a target was seen intact at this revision with this version.
    pub fn is_settled(&self, target: &TargetName, revision: &Revision, version: &VersionId) -> bool {
        self.settled_targets.get(target).is_some_and(|(at, carried)| at == revision && carried == version)
    }

    /// Notes what a pass ended with waiting for: since when is kept while nothing is done.
    pub fn waiting(&mut self, decision: &Decision, now: Timestamp) {
        let before = std::mem::take(&mut self.waits);
        let since = |reason: &Reason| before.iter().find(|(told, _)| told == reason).map_or(now, |(_, since)| *since);
        let reasons = decision.goals.iter().filter_map(|(_, verdict)| match verdict {
            Err(Step::Wait { reason, .. }) => Some(reason.clone()),
            _ => None,
        });
        self.waits = reasons.map(|reason| (reason.clone(), since(&reason))).collect();
    }

    /// For how long this has been waited for, with nothing done meanwhile.
    pub fn waited(&self, reason: &Reason, now: Timestamp) -> SignedDuration {
        let since = self.waits.iter().find(|(told, _)| told == reason);
        since.map_or(SignedDuration::ZERO, |(_, since)| now.duration_since(*since))
    }

    /// Until when this question is not to be asked again.
    pub fn pause_of_look(&self, look: &Look, now: Timestamp) -> Option<Pause> {
        self.looks.get(look).and_then(|failed| pause(failed, now))
    }

    /// Until when this effect is not to be tried again.
    pub fn pause_of_effect(&self, effect: &Effect, now: Timestamp) -> Option<Pause> {
        self.effects.get(effect).and_then(|failed| pause(failed, now))
    }

    /// Whether an effect of this kind was tried lately that may have happened.
    pub fn may_have(&self, which: impl Fn(&Effect) -> bool) -> bool {
        let happened = |failed: &Failed| failed.fault.as_ref().is_none_or(|fault| !fault.surely_nothing_happened());
        self.effects.iter().any(|(effect, failed)| which(effect) && happened(failed))
    }

    /// The last fault of this effect, whenever it was.
    pub fn fault_of_effect(&self, effect: &Effect) -> Option<&Fault> {
        self.effects.get(effect).and_then(|failed| failed.fault.as_ref())
    }
}

fn marks(rotation: &Rotation) -> Vec<Mark> {
    let mut marks: Vec<Mark> = rotation
        .owed
        .iter()
        .filter(|(_, owed)| owed.doomed.is_some())
        .map(|(id, _)| Mark::Doom(rotation.uid.clone(), id.clone()))
        .collect();
    if let Some(attempt) = &rotation.attempt {
        for step in [IntentStep::Create, IntentStep::Register, IntentStep::Promote] {
            if step <= attempt.step {
                marks.push(Mark::Intent(Right { rotation: rotation.uid.clone(), attempt: attempt.number, step }));
            }
        }
        marks.push(Mark::announced(rotation, attempt));
    }
    if rotation.aborting {
        marks.push(Mark::Abort(rotation.uid.clone()));
    }
    if rotation.promoted.is_some() {
        marks.push(Mark::Promoted(rotation.uid.clone()));
    }
    if rotation.ended.is_some() {
        marks.push(Mark::End(rotation.uid.clone()));
    }
    marks
}

fn note<K: Ord + Clone>(map: &mut BTreeMap<K, Failed>, key: &K, fault: Option<Fault>, now: Timestamp) {
    let before = map.get(key).filter(|before| before.fault.is_some() == fault.is_some());
    let count = before.map_or(1, |before| before.count.saturating_add(1));
    map.insert(key.clone(), Failed { fault, count, at: now });
    // An entry is of use for minutes; the map of a long life must not grow with every version id that ever was.
    if map.len() > 64 {
        map.retain(|_, failed| now.duration_since(failed.at) < SignedDuration::from_hours(1));
    }
}

/// How long to wait after the `count`-th failure in a row, in seconds: growing by kind, with what the other side asked for
/// as the least.
fn back_off(fault: &Fault, count: u32) -> u32 {
    let doublings = count.saturating_sub(1).min(10);
    let (first, most) = match fault.kind {
        FaultKind::Conflict => (0, 5),
        FaultKind::NotFound | FaultKind::Exists => (1, 60),
        FaultKind::Unsent | FaultKind::Unknown | FaultKind::Throttled => (1, 60),
        FaultKind::WrongState | FaultKind::Limit => (15, 900),
        FaultKind::Denied | FaultKind::Rejected | FaultKind::Undeclared => (30, 900),
    };
    let grown = u32::max(first, 1).saturating_mul(1 << doublings);
    let wait = if first == 0 && count == 1 { 0 } else { grown.min(most) };
    wait.max(fault.retry_after.unwrap_or(0))
}

fn pause(failed: &Failed, now: Timestamp) -> Option<Pause> {
    let seconds = match &failed.fault {
        Some(fault) => back_off(fault, failed.count),
        // Done, but not yet seen: stores are eventually consistent, so the same effect waits a little, then longer.
        None => 1 << failed.count.min(6),
    };
    let until = failed.at.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX);
    (until > now).then(|| Pause { until, fault: failed.fault.clone() })
}

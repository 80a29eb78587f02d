//! A state of the search: the world without what never changes, what each leader has in its head, what is on its way.
//!
//! Invariant: two states of one hash go on alike. So times are ages in whole ticks, which end at [`OLD`]; a revision is the
//! one there or an older one; of the journal's times only their order counts.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use mes_core::effect::{Acting, Effect, Right};
use mes_core::journal::{Entry, IntentStep, Journal, Rotation};
use mes_core::names::{CredentialId, ObjectName, Revision, Slot, Stage, Tag, Uid, VersionId};
use mes_core::spec::Noted;
use mes_core::tries::{Mark, Tries};

use crate::world::{Live, World};

/// D, and what the store takes to settle. Over(x) is three of them, a candidate's patience too, a partner's grace twelve.
pub(crate) const TICK: SignedDuration = SignedDuration::from_mins(5);

/// The age from which on nothing depends on it.
const OLD: u8 = 16;

/// What of the world changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slim {
    pub(crate) now: Timestamp,
    pub(crate) journal: Journal,
    pub(crate) stages: BTreeMap<VersionId, BTreeSet<Stage>>,
    pub(crate) bytes: BTreeMap<VersionId, (u32, Option<Slot>)>,
    pub(crate) live: BTreeSet<Live>,
    pub(crate) next_bytes: u32,
    pub(crate) replica: Option<Option<VersionId>>,
    pub(crate) target: Option<(u32, VersionId)>,
    pub(crate) minted: BTreeSet<Tag>,
    pub(crate) deaths: BTreeMap<u32, Timestamp>,
    pub(crate) lost: BTreeSet<u32>,
    pub(crate) noted: Noted,
    pub(crate) made: bool,
    pub(crate) claim: Option<(Uid, Uid)>,
    pub(crate) held: bool,
    pub(crate) revision: Revision,
    pub(crate) deleting: Option<Timestamp>,
    /// Rotations that ever were: their UIDs are made of it.
    pub(crate) opened: u32,
}

/// One process that believes to lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leader {
    /// Ticks since it first saw each record; what it did not see a tick ago is not here.
    seen: BTreeMap<Mark, u8>,
    rights: BTreeMap<Right, u8>,
    answered: BTreeSet<(Uid, CredentialId)>,
    /// The call that it decided upon and has not made yet.
    pub(crate) decided: Option<Call>,
}

/// A call on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) effect: Effect,
    /// Of a mint whose candidate is made: the bytes that are still to be put.
    pub(crate) put: Option<u32>,
    /// Ticks since the pass that decided it began.
    pub(crate) age: u8,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// Crashes, lost answers, calls that land late or never, refusals.
    pub(crate) faults: u8,
    /// What people do.
    pub(crate) hands: u8,
    /// Calls that are made some time after they were decided upon.
    pub(crate) pauses: u8,
    /// Describes and lists that show what was before.
    pub(crate) stale: u8,
    /// Rotations that are asked for once all is at rest.
    pub(crate) rotations: u8,
}

/// What no fact tells, and rules are judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// Rules that were broken on the way here.
    pub(crate) broken: BTreeSet<&'static str>,
    /// Versions that ever were AWSCURRENT.
    pub(crate) was_current: BTreeSet<VersionId>,
    /// Whether a person moved AWSCURRENT.
    pub(crate) moved: bool,
    /// Onto what.
    pub(crate) moved_onto: BTreeSet<VersionId>,
    /// Bytes that a person left without AWSCURRENT and AWSPREVIOUS, or put and took out of use: nothing says that they are
    /// ours, or were in use.
    pub(crate) unlabelled: BTreeSet<u32>,
    /// Whether a person took AWSPREVIOUS off, which hides where AWSCURRENT was (PROTOCOL 5).
    pub(crate) hidden: bool,
    /// Whether a person did anything that leaves more than one credential.
    pub(crate) hands: bool,
    /// Bytes that are no rotation's.
    pub(crate) strangers: BTreeSet<u32>,
}

impl Past {
    /// Whether a person's deed hides that AWSCURRENT was there (PROTOCOL 5).
    pub(crate) fn hides(&self, world: &World, version: &VersionId) -> bool {
        let bytes = world.bytes.get(version);
        self.hidden || bytes.is_some_and(|(bytes, _)| self.unlabelled.contains(bytes))
    }
}

/// A state of the search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    pub(crate) slim: Slim,
    /// Labels and live credentials as they were before their last change, and for how long that may be shown.
    pub(crate) before: Before,
    pub(crate) leaders: Vec<Leader>,
    /// Calls whose answer was given up, and which land all the same.
    pub(crate) late: Vec<Call>,
    pub(crate) left: Left,
    pub(crate) past: Past,
}

/// What a stale answer may show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Before {
    /// The last three, the newest first.
    pub(crate) stages: Vec<(BTreeMap<VersionId, BTreeSet<Stage>>, u8)>,
    pub(crate) live: Option<(BTreeSet<Live>, u8)>,
}

impl Slim {
    pub(crate) fn of(world: &World, opened: u32) -> Self {
        Self {
            now: world.now,
            journal: world.journal.clone(),
            stages: world.stages.clone(),
            bytes: world.bytes.clone(),
            live: world.live.clone(),
            next_bytes: world.next_bytes,
            replica: world.replica.clone(),
            target: world.target.clone(),
            minted: world.minted.clone(),
            deaths: world.deaths.clone(),
            lost: world.lost.clone(),
            noted: world.resource.noted.clone(),
            made: world.made,
            claim: world.claim.clone(),
            held: world.resource.held,
            revision: world.resource.revision.clone(),
            deleting: world.resource.deleting,
            opened,
        }
    }

    /// The whole world, with what never changes from `base`.
    pub(crate) fn world(&self, base: &World) -> World {
        let mut world = base.clone();
        world.now = self.now;
        world.journal = self.journal.clone();
        world.stages = self.stages.clone();
        world.bytes = self.bytes.clone();
        // A value is as old as it need be.
        world.made_at = self.bytes.keys().map(|version| (version.clone(), Timestamp::UNIX_EPOCH)).collect();
        world.live = self.live.clone();
        world.next_bytes = self.next_bytes;
        world.replica = self.replica.clone();
        world.target = self.target.clone();
        world.minted = self.minted.clone();
        world.deaths = self.deaths.clone();
        world.lost = self.lost.clone();
        world.resource.noted = self.noted.clone();
        world.made = self.made;
        world.claim = self.claim.clone();
        world.resource.held = self.held;
        world.resource.revision = self.revision.clone();
        world.resource.deleting = self.deleting;
        world.revision = self.opened * 100;
        world
    }
}

impl Leader {
    /// What it has in its head, as `decide` is told it at `now`.
    pub(crate) fn tries(&self, journal: &Journal, now: Timestamp) -> Tries {
        let mut tries = Tries::default();
        let ages: BTreeSet<u8> = self.seen.values().copied().collect();
        for age in ages.into_iter().rev() {
            let seen: BTreeSet<&Mark> = self.seen.iter().filter(|(_, at)| **at >= age).map(|(mark, _)| mark).collect();
            let then = Journal { rotations: journal.rotations.iter().map(|each| as_seen(each, &seen)).collect() };
            tries.saw(&then, seen.contains(&Mark::Deletion), now - TICK * i32::from(age));
        }
        tries.saw(journal, self.seen.contains_key(&Mark::Deletion), now);
        for (right, age) in &self.rights {
            tries.tried(&granting(right), &Ok(()), now - TICK * i32::from(*age));
        }
        // Long ago, so that nothing waits for it.
        let long_ago = now - TICK * 1000;
        for (debtor, credential) in &self.answered {
            tries.tried(&answered(debtor, credential), &Ok(()), long_ago);
        }
        tries
    }

    /// Whether every call that is older than this doom is over; at once: whether the store has settled since.
    pub(crate) fn is_over(&self, debtor: &Uid, credential: &CredentialId, at_once: bool) -> bool {
        let age = self.seen.get(&Mark::Doom(debtor.clone(), credential.clone())).copied().unwrap_or(0);
        age >= if at_once { 1 } else { 3 }
    }

    /// How a call of its own went.
    pub(crate) fn heard(&mut self, effect: &Effect, done: bool, surely_not: bool) {
        if let Some(right) = effect.right().filter(|_| !surely_not) {
            self.rights.remove(right);
        }
        match effect {
            Effect::Record { uid, attempt, entries, .. } if done => {
                for entry in entries {
                    let (number, step) = match entry {
                        Entry::Intend { number, .. } => (Some(*number), IntentStep::Create),
                        Entry::Registering => (*attempt, IntentStep::Register),
                        Entry::Promoting | Entry::Using => (*attempt, IntentStep::Promote),
                        _ => continue,
                    };
                    if let Some(attempt) = number {
                        self.rights.insert(Right { rotation: uid.clone(), attempt, step }, 0);
                    }
                }
            }
            Effect::Revoke { debtor, credential, .. } if done => {
                self.answered.insert((debtor.clone(), credential.clone()));
            }
            _ => {}
        }
    }

    /// What it saw of announcements that were made anew since is nothing any more.
    fn forgets(&mut self, journal: &Journal) {
        let newest: BTreeSet<Mark> = journal.rotations.iter().flat_map(marks).collect();
        self.seen.retain(|mark, _| !matches!(mark, Mark::Announced(..)) || newest.contains(mark));
    }

    /// A tick goes by. One that is about to make its call looks at nothing meanwhile.
    pub(crate) fn waits(&mut self, journal: &Journal, deleting: bool) {
        let marks: BTreeSet<Mark> =
            journal.rotations.iter().flat_map(marks).chain(deleting.then_some(Mark::Deletion)).collect();
        self.seen.retain(|mark, _| marks.contains(mark));
        if self.decided.is_none() {
            for mark in marks {
                self.seen.entry(mark).or_insert(0);
            }
        }
        self.seen.values_mut().for_each(|age| *age = (*age + 1).min(OLD));
        self.rights.values_mut().for_each(|age| *age += 1);
        self.rights.retain(|_, age| *age <= 1);
        if let Some(call) = &mut self.decided {
            call.age += 1;
        }
    }
}

/// A rotation with nothing in it but what was seen then.
fn as_seen(rotation: &Rotation, seen: &BTreeSet<&Mark>) -> Rotation {
    let mut then = rotation.clone();
    let uid = || rotation.uid.clone();
    then.owed.retain(|id, _| seen.contains(&Mark::Doom(uid(), id.clone())));
    then.attempt = rotation.attempt.clone().and_then(|attempt| {
        let saw = |step: &IntentStep| {
            seen.contains(&Mark::Intent(Right { rotation: uid(), attempt: attempt.number, step: *step }))
        };
        let steps = [IntentStep::Create, IntentStep::Register, IntentStep::Promote];
        let step = steps.into_iter().filter(saw).max()?;
        let right = Right { rotation: uid(), attempt: attempt.number, step: attempt.step };
        let newest = seen.contains(&Mark::Announced(right, attempt.time));
        let time = if newest { attempt.time } else { Timestamp::UNIX_EPOCH };
        Some(mes_core::journal::Attempt { step, time, ..attempt })
    });
    then.aborting &= seen.contains(&Mark::Abort(uid()));
    then.promoted = then.promoted.filter(|_| seen.contains(&Mark::Promoted(uid())));
    then.ended = then.ended.filter(|_| seen.contains(&Mark::End(uid())));
    then
}

/// The records whose age counts.
fn marks(rotation: &Rotation) -> Vec<Mark> {
    let uid = || rotation.uid.clone();
    let doomed = rotation.owed.iter().filter(|(_, owed)| owed.doomed.is_some());
    let mut marks: Vec<Mark> = doomed.map(|(id, _)| Mark::Doom(uid(), id.clone())).collect();
    if let Some(attempt) = &rotation.attempt {
        let steps = [IntentStep::Create, IntentStep::Register, IntentStep::Promote];
        let announced = steps.into_iter().filter(|step| *step <= attempt.step);
        let right = Right { rotation: uid(), attempt: attempt.number, step: attempt.step };
        marks.push(Mark::Announced(right, attempt.time));
        marks.extend(announced.map(|step| Mark::Intent(Right { rotation: uid(), attempt: attempt.number, step })));
    }
    marks.extend(rotation.aborting.then(|| Mark::Abort(uid())));
    marks.extend(rotation.promoted.map(|_| Mark::Promoted(uid())));
    marks.extend(rotation.ended.map(|_| Mark::End(uid())));
    marks
}

fn granting(right: &Right) -> Effect {
    let entry = match right.step {
        IntentStep::Create => Entry::Intend {
            number: right.attempt,
            version: VersionId::of(&right.rotation, right.attempt),
            supersedes: None,
            slot: None,
            baseline: BTreeSet::new(),
            overlap: SignedDuration::ZERO,
        },
        IntentStep::Register => Entry::Registering,
        IntentStep::Promote => Entry::Promoting,
    };
    Effect::Record {
        rotation: ObjectName::parse("granted").unwrap(),
        uid: right.rotation.clone(),
        attempt: Some(right.attempt),
        onto: older(),
        entries: vec![entry],
    }
}

fn answered(debtor: &Uid, credential: &CredentialId) -> Effect {
    Effect::Revoke {
        debtor: debtor.clone(),
        credential: credential.clone(),
        version: None,
        proven: true,
        acting: Acting::Admin,
    }
}

/// The revision of whatever was written last.
pub(crate) fn newest() -> Revision {
    Revision::parse("1").unwrap()
}

/// Any revision before that.
pub(crate) fn older() -> Revision {
    Revision::parse("0").unwrap()
}

impl State {
    /// Written objects get the newest revision again, and calls that were decided upon an older one keep that.
    pub(crate) fn settle_revisions(&mut self) {
        let written: BTreeSet<ObjectName> = self
            .slim
            .journal
            .rotations
            .iter_mut()
            .filter(|rotation| rotation.revision != newest())
            .map(|rotation| {
                rotation.revision = newest();
                rotation.name.clone()
            })
            .collect();
        let resource_written = self.slim.revision != newest();
        self.slim.revision = newest();
        let target_written = self.slim.target.as_ref().is_some_and(|(revision, _)| *revision != 1);
        if let Some((revision, _)) = &mut self.slim.target {
            *revision = 1;
        }
        for call in self.calls() {
            match &mut call.effect {
                Effect::HoldRotation { rotation, onto }
                | Effect::ReleaseRotation { rotation, onto }
                | Effect::Record { rotation, onto, .. }
                    if written.contains(rotation) =>
                {
                    *onto = older();
                }
                Effect::Release { onto } if resource_written => *onto = older(),
                Effect::ApplyTarget { onto: Some((_, onto)), .. } | Effect::RemoveTarget { onto: (_, onto), .. }
                    if target_written =>
                {
                    *onto = older();
                }
                _ => {}
            }
        }
        let Slim { journal, .. } = &self.slim;
        self.leaders.iter_mut().for_each(|leader| leader.forgets(journal));
        // Processes are alike.
        self.leaders.sort();
        self.late.sort();
    }

    fn calls(&mut self) -> impl Iterator<Item = &mut Call> {
        self.leaders.iter_mut().filter_map(|leader| leader.decided.as_mut()).chain(&mut self.late)
    }
}

impl Hash for Leader {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (mark, age) in &self.seen {
            match mark {
                Mark::Announced(right, _) => (0, right, age).hash(state),
                mark => (1, mark, age).hash(state),
            }
        }
        (&self.rights, &self.answered, &self.decided).hash(state);
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { slim, before, leaders, late, left, past } = self;
        let mut promoted: Vec<Timestamp> =
            slim.journal.rotations.iter().filter_map(|rotation| rotation.promoted).collect();
        promoted.sort();
        for rotation in &slim.journal.rotations {
            hash_rotation(rotation, &slim.journal, &promoted, state);
        }
        (&slim.stages, &slim.bytes, &slim.live, slim.next_bytes, &slim.replica, &slim.target).hash(state);
        (&slim.minted, &slim.lost, slim.made, &slim.claim, slim.held, slim.deleting.is_some(), slim.opened).hash(state);
        for (bytes, at) in &slim.deaths {
            let left = at.duration_since(slim.now).max(SignedDuration::ZERO).as_secs();
            (bytes, (left + TICK.as_secs() - 1) / TICK.as_secs()).hash(state);
        }
        (slim.noted.onboarded, &slim.noted.version, &slim.noted.regions, slim.noted.last_rotation.is_some())
            .hash(state);
        (before, leaders, late, left, past).hash(state);
    }
}

fn hash_rotation(rotation: &Rotation, journal: &Journal, promoted: &[Timestamp], state: &mut impl Hasher) {
    (&rotation.uid, rotation.trigger, rotation.revocation, &rotation.candidate, rotation.owned).hash(state);
    (rotation.held, rotation.deleting.is_some(), rotation.aborting, rotation.unreadable, rotation.failed_attempts)
        .hash(state);
    rotation.promoted.map(|at| promoted.iter().position(|each| *each == at)).hash(state);
    rotation.ended.map(|(outcome, _)| outcome).hash(state);
    for (id, owed) in &rotation.owed {
        (id, &owed.version, owed.doomed.is_some()).hash(state);
    }
    if let Some(attempt) = &rotation.attempt {
        (attempt.number, &attempt.supersedes, &attempt.slot, &attempt.baseline, attempt.step).hash(state);
        (&attempt.candidate, attempt.accepted).hash(state);
        // Asked for before this one began: those are satisfied by it.
        let waiting = journal.waiting().filter(|_| rotation.ended.is_none());
        waiting.filter(|other| other.created < attempt.time).count().hash(state);
    }
}

//! All that a rule may know, and the only way to know it.
//!
//! Invariant: a rule reads a fact through a method here and `?`. What was not read becomes a look, what could not be
//! read a wait, and only present and absent go on. So no rule can forget to read, or take "failed" for "absent".

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::decide::{Step, Verdict};
use crate::effect::{Acting, Effect, Right};
use crate::facts::{
    Acceptance, Answer, Bounds, Credential, Facts, Glimpse, Labelled, Look, Rehearsed, Replica, Seed, Sight,
    StoreSecret, Stored, Target,
};
use crate::journal::{Entry, IntentStep, Journal, Rotation};
use crate::names::{ObjectName, Region, TargetName, VersionId};
use crate::reason::Reason;
use crate::spec::{Resource, Spec};
use crate::tries::{Mark, Tries};

/// `time` and `by`, or the end of the calendar: a journal may hold any time and any duration.
pub(crate) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The longest pause between two looks at something that is waited for: the operator's own interval of sweeps.
const SELDOM: SignedDuration = SignedDuration::from_mins(5);

/// One pass over one resource.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// What is wanted.
    pub resource: &'a Resource,
    /// What was intended.
    pub journal: &'a Journal,
    /// The time of this pass.
    pub now: Timestamp,
    pub(crate) facts: &'a Facts,
}

impl<'a> Case<'a> {
    /// The spec, if it is complete and granted.
    pub fn spec(self) -> Verdict<&'a Spec> {
        self.resource.spec.as_ref().map_err(|reason| {
            if reason.is_stalled() {
                Step::Blocked(reason.clone())
            } else {
                Step::Wait { reason: reason.clone(), until: None }
            }
        })
    }

    /// Our secret; `None`: surely absent.
    pub fn store_secret(self) -> Verdict<Option<&'a StoreSecret>> {
        self.ask(Look::StoreSecret, |sight| if let Sight::StoreSecret(answer) = sight { Some(answer) } else { None })
    }

    /// The replica in a region. A failed read is that region's trouble and is shown as such.
    pub fn replica(self, region: &Region) -> Verdict<Option<&'a Replica>> {
        let asked = self.ask(Look::Replica(region.clone()), |sight| {
            if let Sight::Replica(answer) = sight { Some(answer) } else { None }
        });
        asked.map_err(|step| match step {
            Step::Wait { until, .. } => Step::Wait { reason: Reason::RegionUnreachable(region.clone()), until },
            other => other,
        })
    }

    /// The seed.
    pub fn seed(self) -> Verdict<Option<&'a Seed>> {
        self.ask(Look::Seed, |sight| if let Sight::Seed(answer) = sight { Some(answer) } else { None })
    }

    /// The Secret of a person's own candidate.
    pub fn brought(self, name: &ObjectName) -> Verdict<Option<&'a Seed>> {
        self.ask(Look::Brought(name.clone()), |sight| if let Sight::Seed(answer) = sight { Some(answer) } else { None })
    }

    /// Whether a version has a value, by id.
    pub fn version(self, version: &VersionId) -> Verdict<Option<&'a Stored>> {
        self.ask(
            Look::Version(version.clone()),
            |sight| if let Sight::Version(answer) = sight { Some(answer) } else { None },
        )
    }

    /// What the partner says to the stored bytes of a version now; `None`: it has no value.
    pub fn acceptance(self, version: &VersionId) -> Verdict<Option<Acceptance>> {
        let asked = self.ask(Look::Acceptance(version.clone()), |sight| {
            if let Sight::Acceptance(answer) = sight { Some(answer) } else { None }
        });
        asked.map(|acceptance| acceptance.copied())
    }

    /// What lives at the partner.
    pub fn credentials(self, acting: Acting, known: BTreeSet<VersionId>) -> Verdict<&'a [Credential]> {
        let asked = self.ask(Look::Credentials { acting, known }, |sight| {
            if let Sight::Credentials(answer) = sight { Some(answer) } else { None }
        })?;
        Ok(asked.map(Vec::as_slice).unwrap_or_default())
    }

    /// A native Secret, live.
    pub fn target(self, name: &TargetName) -> Verdict<Option<&'a Target>> {
        self.ask(
            Look::Target(name.clone()),
            |sight| if let Sight::Target(answer) = sight { Some(answer) } else { None },
        )
    }

    /// All our native Secrets in the namespace, live.
    pub fn labelled(self) -> Verdict<&'a [Labelled]> {
        let asked =
            self.ask(Look::Labelled, |sight| if let Sight::Labelled(answer) = sight { Some(answer) } else { None })?;
        Ok(asked.map(Vec::as_slice).unwrap_or_default())
    }

    /// When each version of our secret was made, labelled or not.
    pub fn versions(self) -> Verdict<Option<&'a BTreeMap<VersionId, Timestamp>>> {
        self.ask(Look::Versions, |sight| if let Sight::Versions(answer) = sight { Some(answer) } else { None })
    }

    /// Holds if a later write would be taken (tried without effect); else a wait that names it.
    pub fn rehearsed(self, write: Rehearsed, version: &VersionId) -> Verdict {
        let look = Look::Rehearsal { write: write.clone(), version: version.clone() };
        let asked = self.ask(look, |sight| if let Sight::Rehearsal(answer) = sight { Some(answer) } else { None });
        match asked {
            Ok(Some(())) => Ok(()),
            Ok(None) => self.wait(Reason::NotRehearsed(write), 10),
            Err(Step::Wait { until, .. }) => Err(Step::Wait { reason: Reason::NotRehearsed(write), until }),
            Err(step) => Err(step),
        }
    }

    /// What is known without asking.
    pub fn glimpse(self) -> &'a Glimpse {
        &self.facts.glimpse
    }

    /// What was tried lately.
    pub fn tries(self) -> &'a Tries {
        self.facts.tries()
    }

    /// Settings.
    pub fn bounds(self) -> &'a Bounds {
        &self.facts.bounds
    }

    /// Next is this effect; or a wait, if the resource is suspended or the same was tried lately.
    pub fn act<T>(self, effect: Effect) -> Verdict<T> {
        if self.resource.suspended && self.resource.deleting.is_none() {
            return Err(Step::Wait { reason: Reason::Suspended, until: None });
        }
        Err(match self.tries().pause_of_effect(&effect, self.now) {
            None => Step::Act(effect),
            Some(pause) => {
                let reason = pause.fault.as_ref().map_or(Reason::Settling, Reason::of_fault);
                Step::Wait { reason, until: Some(pause.until) }
            }
        })
    }

    /// Next are these entries in a rotation's journal.
    pub fn record<T>(self, rotation: &Rotation, entries: Vec<Entry>) -> Verdict<T> {
        self.act(Effect::Record {
            rotation: rotation.name.clone(),
            uid: rotation.uid.clone(),
            attempt: rotation.attempt.as_ref().map(|attempt| attempt.number),
            onto: rotation.revision.clone(),
            entries,
        })
    }

    /// The right to make an announced call, if this process has it.
    pub fn right(self, rotation: &Rotation, step: IntentStep) -> Option<Right> {
        let attempt = rotation.attempt.as_ref()?;
        let right = Right { rotation: rotation.uid.clone(), attempt: attempt.number, step };
        self.tries().has_right(&right, self.bounds().deadline, self.now).then_some(right)
    }

    /// Holds once every call older than this record is over: 2 D + settling since this process first saw it.
    pub fn over(self, mark: &Mark, reason: Reason) -> Verdict {
        self.over_by(mark, SignedDuration::ZERO, reason)
    }

    /// The same, and `more` time beyond it.
    pub fn over_by(self, mark: &Mark, more: SignedDuration, reason: Reason) -> Verdict {
        let calls = later(self.first_saw(mark), self.bounds().deadline * 2);
        let over = later(later(calls, self.settling()), more);
        if self.now >= over { Ok(()) } else { Err(Step::Wait { reason, until: Some(over) }) }
    }

    /// Holds once the store has settled since this process first saw a record.
    pub fn settled(self, mark: &Mark, reason: Reason) -> Verdict {
        let until = later(self.first_saw(mark), self.settling());
        if self.now >= until { Ok(()) } else { Err(Step::Wait { reason, until: Some(until) }) }
    }

    fn settling(self) -> SignedDuration {
        let asked = self.resource.contract().and_then(|contract| contract.settling).unwrap_or_default();
        asked.max(self.bounds().settling)
    }

    /// When this process first saw a record.
    pub fn first_saw(self, mark: &Mark) -> Timestamp {
        self.tries().first_saw(mark).unwrap_or(self.now)
    }

    /// A wait of some seconds from now; the longer it lasts, the more seldom all is read again, since each look costs
    /// calls: at most an eighth of what was waited already, and [`SELDOM`].
    pub fn wait<T>(self, reason: Reason, seconds: i64) -> Verdict<T> {
        let waited = self.tries().waited(&reason, self.now) / 8;
        let pause = SignedDuration::from_secs(seconds).max(waited.min(SELDOM));
        Err(Step::Wait { reason, until: Some(later(self.now, pause)) })
    }

    fn ask<T>(self, look: Look, pick: fn(&Sight) -> Option<&Answer<T>>) -> Verdict<Option<&'a T>> {
        match self.facts.seen(&look).and_then(pick) {
            Some(Ok(found)) => Ok(found.as_ref()),
            Some(Err(fault)) => {
                let until = self.tries().pause_of_look(&look, self.now).map(|pause| pause.until);
                Err(Step::Wait { reason: Reason::of_fault(fault), until: Some(until.unwrap_or(self.now)) })
            }
            None => Err(match self.tries().pause_of_look(&look, self.now) {
                Some(pause) => {
                    let reason = pause.fault.as_ref().map_or(Reason::Settling, Reason::of_fault);
                    Step::Wait { reason, until: Some(pause.until) }
                }
                None => Step::Look(BTreeSet::from([look])),
            }),
        }
    }
}

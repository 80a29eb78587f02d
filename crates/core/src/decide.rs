//! The decision: which goals hold, and what is next for the first that does not.
//!
//! ## Guarantees
//! Total and deterministic: the same resource, facts, journal and time give the same decision, and no input panics.
//! Conditions and the next step are two readings of the same verdicts, so they can't disagree.
//!
//! Called by `controller/reconcile.rs` in a loop: decide, look or act, decide again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::case::Case;
use crate::effect::Effect;
use crate::facts::{Facts, Look};
use crate::goals;
use crate::journal::Journal;
use crate::quiet;
use crate::reason::Reason;
use crate::spec::Resource;

/// Ok: it holds. Err: not yet, and this is next.
pub type Verdict<T = ()> = Result<T, Step>;

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask the world these questions.
    Look(BTreeSet<Look>),
    /// Do this.
    Act(Effect),
    /// Wait; at the latest until then, where a time is known, else until something changes.
    Wait {
        /// Why.
        reason: Reason,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// A person must act.
    Blocked(Reason),
}

/// What is wanted of a resource; each is a condition, a rule and a file of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Goal {
    /// The store holds a first value and it is ours.
    Onboarded,
    /// Every wanted region serves it.
    Replicated,
    /// Every target carries it.
    Synced,
    /// It is as fresh as asked, and nothing is owed.
    Rotated,
    /// It is gone, along the three axes.
    Deleted,
}

/// Every goal with its verdict, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The goals.
    pub goals: Vec<(Goal, Verdict)>,
}

impl Decision {
    /// What is next over all goals.
    pub fn next(&self) -> Verdict {
        every(self.goals.iter().map(|(_, verdict)| verdict.clone()))
    }

    /// The verdict on one goal, where it was judged.
    pub fn verdict(&self, goal: Goal) -> Option<&Verdict> {
        self.goals.iter().find(|(each, _)| *each == goal).map(|(_, verdict)| verdict)
    }
}

/// Judges every goal of `resource` from what is known at `now`.
pub fn decide(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let case = Case { resource, journal, now, facts };
    if resource.deleting.is_some() {
        return Decision { goals: vec![(Goal::Deleted, goals::deleted::deleted(case))] };
    }
    if let Some(rest) = quiet::at_rest(case) {
        let held = [Goal::Onboarded, Goal::Replicated, Goal::Synced].map(|goal| (goal, Ok(())));
        return Decision { goals: held.into_iter().chain([(Goal::Rotated, rest)]).collect() };
    }
    let onboarded = goals::onboarded::onboarded(case);
    // Until the first value is known to work, nothing carries it, whatever labels it has (PROTOCOL 2b).
    let served = onboarded.is_ok() || resource.noted.onboarded;
    let after = |rule: fn(Case<'_>) -> Verdict| {
        if served { rule(case) } else { Err(Step::Wait { reason: Reason::NotOnboarded, until: None }) }
    };
    let goals = vec![
        (Goal::Replicated, after(goals::replicated::replicated)),
        (Goal::Synced, after(goals::synced::synced)),
        (Goal::Rotated, goals::rotated::rotated(case, served)),
    ];
    Decision { goals: std::iter::once((Goal::Onboarded, onboarded)).chain(goals).collect() }
}

/// What is next for an AWS secret that owes something after its resource, as [`decide`] would say were it still there:
/// `resource` is made of the secret's own debt, and has no journal.
pub fn outlived(resource: &Resource, facts: &Facts, now: Timestamp) -> Verdict {
    let journal = Journal::default();
    goals::deleted::settled(Case { resource, journal: &journal, now, facts })
}

/// All of these: the first look or act in order (looks that come together are asked together), else the earliest wait,
/// else the first block.
pub fn every(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let (mut looks, mut wait, mut blocked) = (BTreeSet::new(), None::<Step>, None);
    for verdict in verdicts {
        match verdict {
            Ok(()) => {}
            Err(Step::Look(questions)) => looks.extend(questions),
            Err(act @ Step::Act(_)) if looks.is_empty() => return Err(act),
            Err(Step::Act(_)) => break,
            Err(step @ Step::Wait { .. }) => {
                let earlier = wait.as_ref().is_none_or(|before| sooner(&step, before));
                if earlier {
                    wait = Some(step);
                }
            }
            Err(step @ Step::Blocked(_)) => blocked = blocked.or(Some(step)),
        }
    }
    if !looks.is_empty() {
        return Err(Step::Look(looks));
    }
    wait.or(blocked).map_or(Ok(()), Err)
}

fn sooner(step: &Step, than: &Step) -> bool {
    match (step, than) {
        (Step::Wait { until: Some(one), .. }, Step::Wait { until: Some(other), .. }) => one < other,
        (Step::Wait { until: Some(_), .. }, Step::Wait { until: None, .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn wait(seconds: Option<i64>) -> Verdict {
        let until = seconds.map(|seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds));
        Err(Step::Wait { reason: Reason::Settling, until })
    }

    fn look(look: Look) -> Verdict {
        Err(Step::Look(BTreeSet::from([look])))
    }

    #[test]
    fn looks_that_come_before_an_act_are_asked_together() {
        let next = every([
            Ok(()),
            look(Look::Seed),
            wait(Some(1)),
            look(Look::StoreSecret),
            Err(Step::Act(Effect::Hold)),
            look(Look::Labelled),
        ]);
        assert_eq!(next, Err(Step::Look(BTreeSet::from([Look::Seed, Look::StoreSecret]))));
    }

    #[test]
    fn an_act_goes_before_any_wait_and_the_earliest_wait_before_a_block() {
        assert_eq!(every([wait(Some(1)), Err(Step::Act(Effect::Hold))]), Err(Step::Act(Effect::Hold)));
        let blocked = || Err(Step::Blocked(Reason::SeedRejected));
        assert_eq!(every([blocked(), wait(None), wait(Some(9)), wait(Some(3))]), wait(Some(3)));
        assert_eq!(every([blocked(), Ok(())]), blocked());
        assert_eq!(every([Ok(()), Ok(())]), Ok(()));
    }
}

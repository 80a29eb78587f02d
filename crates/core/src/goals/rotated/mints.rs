//! At most so many candidates a day, whoever asks for them and however often (R12, T20).
//!
//! Invariant: counted from facts. Secrets Manager keeps every version for a day at least and says when it was made, also
//! when the Rotation that made it is deleted; a candidate whose value never reached it is known by its Rotation's attempt,
//! as long as that is there. Asked before each attempt, of every rotation.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::journal::Rotation;
use crate::names::VersionId;
use crate::reason::Reason;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Holds if one more candidate may be made now.
pub fn allowed(case: Case<'_>, rotation: &Rotation) -> Verdict {
    let own = &case.resource.own.uid;
    let mut made = announced(case);
    // What the store says of a version is when it was made; the journal says when it was last spoken of.
    let stored = case.versions()?.into_iter().flatten();
    made.extend(stored.filter(|(version, _)| version.is_attempts()).map(|(version, at)| (version.clone(), *at)));
    made.retain(|version, _| !version.as_str().starts_with(own.as_str()));
    let mut times: Vec<Timestamp> = made.into_values().filter(|at| later(*at, DAY) > case.now).collect();
    times.sort();
    let most = most(case, rotation);
    match times.len().checked_sub(most) {
        Some(first) => {
            let until = times.get(first).map(|at| later(*at, DAY));
            Err(Step::Wait { reason: Reason::MintsOfTheDay { most, until: until.unwrap_or(case.now) }, until })
        }
        None => Ok(()),
    }
}

/// A compromise may use as many again: a day that others used up, by schedule or on purpose, must not keep a stolen
/// credential alive.
fn most(case: Case<'_>, rotation: &Rotation) -> usize {
    let most = usize::from(case.bounds().mints_per_day.max(1));
    if rotation.is_alarm() { most.saturating_mul(2) } else { most }
}

/// The versions of every attempt that the journal knows, and a time at which it was still under way. A time to come, which
/// a clock or a hand wrote, is no longer ago than now.
fn announced(case: Case<'_>) -> BTreeMap<VersionId, Timestamp> {
    let mut announced = BTreeMap::new();
    for rotation in &case.journal.rotations {
        let Some(attempt) = &rotation.attempt else { continue };
        let failed = rotation.last_failure.unwrap_or(attempt.time);
        announced.extend(rotation.burned().map(|version| (version, failed.min(case.now))));
        announced.insert(attempt.version.clone(), attempt.time.min(case.now));
    }
    announced
}

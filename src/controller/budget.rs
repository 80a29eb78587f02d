//! Requests a store and an account may be asked: what their administrators' `limits` say, spread evenly.
//!
//! Invariant: nobody is asked more often than its limit allows, whoever asks; whoever would wait longer than a few
//! seconds is told to come again, so that one busy account holds up no other's passes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mes_core::fault::{Fault, FaultKind, Place};
use tokio::time::Instant;

/// The longest that a pass waits for its turn.
const PATIENCE: Duration = Duration::from_secs(3);

/// When each may be asked next, by name.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<BTreeMap<String, Instant>>);

impl Budget {
    /// Waits for the turn of one request to `name`, which may be asked once in `every`. A fault: not within patience,
    /// and nothing was sent.
    pub(super) async fn turn(&self, place: Place, name: &str, every: Option<Duration>) -> Result<(), Fault> {
        let Some(every) = every else { return Ok(()) };
        let at = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = turns.get(name).copied().unwrap_or(now).max(now);
            if at.duration_since(now) > PATIENCE {
                let seconds = u32::try_from(at.duration_since(now).as_secs()).unwrap_or(u32::MAX);
                return Err(Fault::new(place, FaultKind::Unsent, "BudgetUsedUp").after(seconds));
            }
            turns.insert(name.to_owned(), at + every);
            at
        };
        tokio::time::sleep_until(at).await;
        Ok(())
    }
}

/// One request in this time, for so many in `span`.
pub(super) fn every(requests: Option<u32>, span: Duration) -> Option<Duration> {
    requests.filter(|requests| *requests > 0).map(|requests| span / requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn turns_are_spread_evenly_and_who_comes_too_early_is_told_when() {
        let budget = Budget::default();
        let every = every(Some(60), Duration::from_secs(60));
        let began = Instant::now();
        assert!(budget.turn(Place::Partner, "pg", every).await.is_ok());
        assert!(began.elapsed() < Duration::from_millis(500), "the first goes at once");
        let turns = futures::future::join_all((0..5).map(|_| budget.turn(Place::Partner, "pg", every))).await;
        let refused: Vec<_> = turns.iter().filter_map(|turn| turn.as_ref().err()).collect();
        assert_eq!(refused.len(), 2, "patience holds for three of five");
        assert!(refused.iter().all(|fault| fault.surely_nothing_happened() && fault.retry_after.is_some()));
        assert!(budget.turn(Place::Partner, "another", every).await.is_ok(), "one busy account holds up no other");
        assert!(budget.turn(Place::Partner, "pg", None).await.is_ok(), "no limit, no turn");
    }
}

//! What AWS secrets owe after their resources and could not be paid: when it is tried again, and what is news of it.
//!
//! Invariant: what stays as it is costs ever less (L10): it is tried at the next sweep, then after twice the time, at last once
//! an hour; whatever changed at a store or an account has all tried at once. Called by `debts`, kept by `sweep`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mes_core::names::{ObjectName, SecretOfStore};
use tokio::time::Instant;

/// The longest until it is tried again, and until people are told of the same once more.
const LONGEST: Duration = Duration::from_secs(3600);

/// Of this process alone: the next one tries all at once.
#[derive(Debug, Default)]
pub(super) struct Unpaid(Mutex<BTreeMap<SecretOfStore, Tried>>);

#[derive(Debug)]
struct Tried {
    why: &'static str,
    told: Instant,
    wait: Duration,
    next: Instant,
}

impl Unpaid {
    /// Whether it is to be tried now.
    pub(super) fn is_due(&self, owing: &SecretOfStore) -> bool {
        self.lock().get(owing).is_none_or(|tried| tried.next <= Instant::now())
    }

    /// It could not be paid, for this reason (a code). Gives whether to tell people. `sweep`: from one sweep to the next.
    pub(super) fn failed(&self, owing: &SecretOfStore, why: &'static str, sweep: Duration) -> bool {
        let now = Instant::now();
        let mut all = self.lock();
        let before = all.get(owing).filter(|tried| tried.why == why);
        let wait = before.map_or(Duration::ZERO, |tried| (tried.wait * 2).clamp(sweep, LONGEST.max(sweep)));
        let told = before.map(|tried| tried.told).filter(|told| now.duration_since(*told) < LONGEST);
        all.insert(owing.clone(), Tried { why, told: told.unwrap_or(now), wait, next: now + wait });
        told.is_none()
    }

    /// Forgets all of this store but those.
    pub(super) fn keep(&self, store: &ObjectName, those: &[&SecretOfStore]) {
        self.lock().retain(|owing, _| owing.store != *store || those.contains(&owing));
    }

    /// It was paid.
    pub(super) fn paid(&self, owing: &SecretOfStore) {
        self.lock().remove(owing);
    }

    /// Something changed that may have been in the way.
    pub(super) fn look_again(&self) {
        let now = Instant::now();
        self.lock().values_mut().for_each(|tried| (tried.wait, tried.next) = (Duration::ZERO, now));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SecretOfStore, Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mes_core::names::SecretName;

    use super::*;

    const SWEEP: Duration = Duration::from_secs(300);

    fn owing(name: &str) -> SecretOfStore {
        let store = ObjectName::parse("default").expect("a name");
        SecretOfStore { store, name: SecretName::parse(name).expect("a name") }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_unpaid_is_tried_more_and_more_seldom_and_told_when_it_changes_and_once_an_hour() {
        let (unpaid, one) = (Unpaid::default(), owing("mes/one"));
        let (mut tried, mut told) = (Vec::new(), Vec::new());
        for sweep in 0..60 {
            if unpaid.is_due(&one) {
                tried.push(sweep);
                if unpaid.failed(&one, "TargetCarriesOld", SWEEP) {
                    told.push(sweep);
                }
            }
            tokio::time::advance(SWEEP).await;
        }
        assert_eq!(tried, [0, 1, 2, 4, 8, 16, 28, 40, 52]);
        assert_eq!(told, [0, 16, 28, 40, 52]);
        assert!(unpaid.failed(&one, "WaitingForPartner", SWEEP), "another reason is news");
        assert!(unpaid.is_due(&one), "and tried at the next sweep");
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_changed_at_a_store_or_an_account_has_all_tried_at_once() {
        let (unpaid, one, other) = (Unpaid::default(), owing("mes/one"), owing("mes/other"));
        for owing in [&one, &one, &one, &other] {
            unpaid.failed(owing, "StoreUnreachable", SWEEP);
        }
        assert!(!unpaid.is_due(&one) && unpaid.is_due(&other));
        unpaid.look_again();
        assert!(unpaid.is_due(&one));
        assert!(!unpaid.failed(&one, "StoreUnreachable", SWEEP), "told already");
        unpaid.paid(&one);
        assert!(unpaid.failed(&one, "StoreUnreachable", SWEEP), "owed anew");
        unpaid.keep(&one.store, &[&one]);
        assert!(unpaid.failed(&other, "StoreUnreachable", SWEEP), "a person took it off meanwhile");
        assert!(!unpaid.failed(&one, "StoreUnreachable", SWEEP));
    }
}

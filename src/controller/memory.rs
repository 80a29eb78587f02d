//! What this process remembers of each resource between passes. A restart forgets it, on purpose: see `Tries`.
//!
//! Invariant: its moments are those of the pass that reads them: where the wall clock was set since, they are moved with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use mes_core::names::Uid;
use mes_core::scope::Debts;
use mes_core::spec::Spec;
use mes_core::tries::Tries;

use super::pass_clock::PassClock;

/// What is remembered of one resource.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    /// What was tried lately.
    pub(super) tries: Tries,
    /// The value of annotation `managed-secrets.io/sync` that was acted upon.
    pub(super) synced: Option<Option<String>>,
    /// When everything was read last.
    pub(super) checked: Option<Timestamp>,
    /// What pays for what is owed, should a grant be withdrawn: kept while something is owed.
    pub(super) debts: Option<Arc<Debts>>,
    /// When this process began, by the wall clock by which all this was written down.
    origin: Option<Timestamp>,
}

/// By less than this the clock is not set but led, or read at another moment.
const SET: SignedDuration = SignedDuration::from_secs(1);

impl Remembered {
    /// As this pass reads the time.
    fn on(&mut self, clock: &PassClock) {
        let by = clock.origin().duration_since(self.origin.unwrap_or(clock.origin()));
        if self.origin.is_some() && by.abs() < SET {
            return;
        }
        self.origin = Some(clock.origin());
        self.tries.shift(by);
        self.checked = self.checked.and_then(|at| at.checked_add(by).ok());
    }
}

/// By UID.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<Uid, Remembered>>);

impl Memory {
    pub(super) fn of(&self, resource: &Uid, clock: &PassClock) -> Remembered {
        let mut remembered = self.lock().get(resource).cloned().unwrap_or_default();
        remembered.on(clock);
        remembered
    }

    pub(super) fn keep(&self, resource: &Uid, tries: Tries, clock: &PassClock) {
        let mut memory = self.lock();
        let remembered = memory.entry(resource.clone()).or_default();
        remembered.on(clock);
        remembered.tries = tries;
    }

    pub(super) fn synced(&self, resource: &Uid, value: Option<String>) {
        self.lock().entry(resource.clone()).or_default().synced = Some(value);
    }

    pub(super) fn checked(&self, resource: &Uid, synced: Option<String>, clock: &PassClock) {
        let mut memory = self.lock();
        let remembered = memory.entry(resource.clone()).or_default();
        remembered.on(clock);
        remembered.synced = Some(synced);
        remembered.checked = Some(clock.now());
    }

    /// Remembers what was granted when something was owed under it.
    pub(super) fn owes(&self, resource: &Uid, granted: Option<&Spec>) {
        let mut memory = self.lock();
        match (granted, memory.get_mut(resource)) {
            (None, None) => {}
            (None, Some(remembered)) => remembered.debts = None,
            (Some(spec), _) => {
                memory.entry(resource.clone()).or_default().debts = Some(Arc::new(Debts::of(spec)));
            }
        }
    }

    /// What was granted when something was owed under it, if that is still so.
    pub(super) fn debts(&self, resource: &Uid) -> Option<Debts> {
        self.lock().get(resource)?.debts.as_deref().cloned()
    }

    pub(super) fn forget(&self, resource: &Uid) {
        self.lock().remove(resource);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uid, Remembered>> {
        // A panic while it was held left whole entries: each is replaced in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What this process remembers of each resource between passes. A restart forgets it, on purpose: see `Tries`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use mes_core::names::Uid;
use mes_core::scope::Debts;
use mes_core::spec::Spec;
use mes_core::tries::Tries;

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
}

/// By UID.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<BTreeMap<Uid, Remembered>>);

impl Memory {
    pub(super) fn of(&self, resource: &Uid) -> Remembered {
        self.lock().get(resource).cloned().unwrap_or_default()
    }

    pub(super) fn keep(&self, resource: &Uid, tries: Tries) {
        self.lock().entry(resource.clone()).or_default().tries = tries;
    }

    pub(super) fn synced(&self, resource: &Uid, value: Option<String>) {
        self.lock().entry(resource.clone()).or_default().synced = Some(value);
    }

    pub(super) fn checked(&self, resource: &Uid, synced: Option<String>, at: Timestamp) {
        let mut memory = self.lock();
        let remembered = memory.entry(resource.clone()).or_default();
        remembered.synced = Some(synced);
        remembered.checked = Some(at);
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

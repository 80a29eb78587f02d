//! What this process remembers of each resource between passes. A restart forgets it, on purpose: see `Tries`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use mes_core::names::Uid;
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

    pub(super) fn forget(&self, resource: &Uid) {
        self.lock().remove(resource);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uid, Remembered>> {
        // A panic while it was held left whole entries: each is replaced in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

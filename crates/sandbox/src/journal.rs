//! What was called: a count by operation and caller, and the newest calls one by one.
//!
//! Invariant: no value and no body is ever in here, only names.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

/// One call as it is remembered.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The call's number, from 1, over all doors.
    pub number: u64,
    /// When, by the shifted clock, RFC 3339.
    pub at: String,
    /// `secretsmanager`, `sts` or `salesforce`.
    pub door: String,
    /// `GetSecretValue`, `AssumeRole`, `stage`, …
    pub operation: String,
    /// ARN of the caller (at Salesforce: the host).
    pub caller: String,
    /// AWS region; empty at a partner.
    pub region: String,
    /// ARN of the secret, or path at a partner; absent if the call was about none, or about one that is not there.
    pub resource: Option<String>,
    /// `ok`, the name of the error, or `HTTP` and the status at a partner.
    pub outcome: String,
    /// The fault that struck, if one did.
    pub fault: Option<&'static str>,
}

/// Counts of calls: `door.operation`, then caller.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Default)]
pub(crate) struct Journal {
    numbered: u64,
    counts: HashMap<String, HashMap<String, u64>>,
    entries: VecDeque<Entry>,
}

impl Journal {
    pub(crate) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    pub(crate) fn write(&mut self, entry: Entry, limit: usize) {
        let name = format!("{}.{}", entry.door, entry.operation);
        let callers = match self.counts.get_mut(&name) {
            Some(callers) => callers,
            None => self.counts.entry(name).or_default(),
        };
        match callers.get_mut(&entry.caller) {
            Some(count) => *count += 1,
            None => {
                callers.insert(entry.caller.clone(), 1);
            }
        }
        self.entries.push_back(entry);
        while self.entries.len() > limit {
            self.entries.pop_front();
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let callers = |callers: &HashMap<String, u64>| callers.iter().map(|(who, n)| (who.clone(), *n)).collect();
        self.counts.iter().map(|(name, by)| (name.clone(), callers(by))).collect()
    }

    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.number > number)
    }

    pub(crate) fn clear_counts(&mut self) {
        self.counts.clear();
    }

    pub(crate) fn clear_entries(&mut self) {
        self.entries.clear();
    }
}

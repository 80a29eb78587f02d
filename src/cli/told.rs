//! What the controller tells, handed to metrics and readiness.

use mes_core::fault::{Fault, Place};
use mes_core::journal::{Outcome, Trigger};
use mes_core::names::{ObjectName, PartnerTypeName, Uid};

use crate::controller::{Line, Tally};
use crate::telemetry::metrics::{self, Metrics};
use crate::telemetry::server::Readiness;

/// The receiver of what the controller tells.
pub struct Told {
    /// Counts, and how each resource looks.
    pub metrics: Metrics,
    /// Whether the caches are whole.
    pub readiness: Readiness,
}

impl Tally for Told {
    fn rotation_ended(&self, partner_type: Option<&PartnerTypeName>, trigger: Trigger, outcome: Outcome) {
        self.metrics.rotation_ended(partner_type, trigger, outcome);
    }

    fn called(&self, place: Place, verb: &'static str, code: &str) {
        self.metrics.counted(place, "", verb, code);
    }

    fn failed(&self, fault: &Fault) {
        self.metrics.reconcile_failed(fault);
    }

    fn observe(&self, uid: &Uid, line: Line) {
        let Line { namespace, name, partner_type, ready, reason, pending_revocations, overdue_since } = line;
        let line = metrics::Line { namespace, name, partner_type, ready, reason, pending_revocations, overdue_since };
        self.metrics.observe(uid, line);
    }

    fn forget(&self, uid: &Uid) {
        self.metrics.forget(uid);
    }

    fn owing(&self, store: &ObjectName, secrets: usize) {
        self.metrics.owing(store, secrets);
    }

    fn ready(&self) {
        self.readiness.set("caches", true);
    }
}

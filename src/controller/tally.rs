//! What the controller tells of itself: counts, and how each resource looks. `cli::run` hands it to the metrics; the
//! controller knows nothing of their form.

use jiff::Timestamp;
use mes_core::fault::{Fault, Place};
use mes_core::journal::{Outcome, Trigger};
use mes_core::names::{Namespace, ObjectName, PartnerTypeName, Uid};
use mes_core::shown::Code;

/// A resource as it looks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
    /// Its partner type; absent with `observe`.
    pub partner_type: Option<PartnerTypeName>,
    /// Condition `Ready`; `None`: Unknown.
    pub ready: Option<bool>,
    /// Its reason.
    pub reason: Code,
    /// Superseded credentials that are still to be revoked.
    pub pending_revocations: usize,
    /// Since when a rotation is late.
    pub overdue_since: Option<Timestamp>,
}

/// Who is told.
pub trait Tally: Send + Sync {
    /// A rotation ended.
    fn rotation_ended(&self, partner_type: Option<&PartnerTypeName>, trigger: Trigger, outcome: Outcome);
    /// A call to AWS was answered with `code`, or not.
    fn called(&self, place: Place, verb: &'static str, code: &str);
    /// A fault cut a pass short, or an effect failed.
    fn failed(&self, fault: &Fault);
    /// How a resource looks now.
    fn observe(&self, uid: &Uid, line: Line);
    /// A resource is gone.
    fn forget(&self, uid: &Uid);
    /// How many AWS secrets of a store owe something after their resource.
    fn owing(&self, store: &ObjectName, secrets: usize);
    /// Every cache is whole.
    fn ready(&self);
}

//! Who leads: acquire, renew or yield, and whether a call may still begin.
//!
//! Invariant: no clock but the observer's own monotonic one counts. Another's lease ends 15 s after *we first saw* its
//! record unchanged, whatever times that record states, as in client-go: clocks of two machines are never compared.
//! A lease is advisory: what protects a rotation is the store's compare-and-swap. Called by `cluster::lease` and by the
//! controller before each outside call. All moments are durations since a fixed point of the process's monotonic clock.

use std::time::Duration;

/// How long a record stands after it was first seen. Also what is written as `leaseDurationSeconds`.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a leader goes on trying to renew before it gives up leading.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two tries.
pub const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// What the Lease object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `holderIdentity`; `None` or empty: released.
    pub holder: Option<String>,
    /// `leaseTransitions`.
    pub transitions: u32,
    /// `renewTime` as written, only to see that it changed.
    pub renewed: Option<String>,
}

/// A record and when this process first saw it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was read.
    pub record: Record,
    /// When, by our own monotonic clock.
    pub since: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody holds it: write ourselves as holder, with this many transitions, onto what was read.
    Acquire {
        /// For `leaseTransitions`.
        transitions: u32,
    },
    /// It is ours: write a new `renewTime`, the transitions unchanged.
    Renew,
    /// Another holds it, by our clock at least until then.
    Yield {
        /// When to look again at the latest.
        until: Duration,
    },
}

impl Seen {
    /// What was read `now`. A record that is as it was keeps the moment at which it was first seen.
    pub fn observe(before: Option<Self>, record: Record, now: Duration) -> Self {
        match before {
            Some(seen) if seen.record == record => seen,
            _ => Self { record, since: now },
        }
    }
}

/// What `me` does at `now`, the Lease being as `lease` (`None`: surely absent). `me` must be unique to the process, not
/// to the pod's name, or a restarted process would renew what its predecessor's calls still run under.
pub fn evaluate(lease: Option<&Seen>, me: &str, now: Duration) -> Standing {
    let Some(seen) = lease else { return Standing::Acquire { transitions: 0 } };
    let acquire = Standing::Acquire { transitions: seen.record.transitions.saturating_add(1) };
    let until = seen.since.saturating_add(LEASE_DURATION);
    match seen.record.holder.as_deref() {
        None | Some("") => acquire,
        Some(holder) if holder == me => Standing::Renew,
        Some(_) if until <= now => acquire,
        Some(_) => Standing::Yield { until },
    }
}

/// Whether a call that takes at most `budget` may begin at `now`: only with more than that left of the lease.
/// `renewed` is the moment *before* the last successful write was sent, since another counts from when it saw it;
/// `None`: never held, so never.
pub fn allows_a_call(renewed: Option<Duration>, now: Duration, budget: Duration) -> bool {
    renewed.is_some_and(|renewed| renewed.saturating_add(LEASE_DURATION) > now.saturating_add(budget))
}

/// Whether leading must end at `now`: no renewal has succeeded within the deadline.
pub fn is_lost(renewed: Duration, now: Duration) -> bool {
    renewed.saturating_add(RENEW_DEADLINE) <= now
}

#[cfg(test)]
mod tests;

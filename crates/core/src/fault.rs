//! The one error of everything outside: where it happened, of what kind, with a short code. No text from outside.
//!
//! Made by the adapters, carried unread through look and perform, judged by the rules and by [`crate::tries`].
//! Nobody branches on more than kind and place, hence one struct and not an enum a boundary.

use std::fmt;

use crate::shown::Code;

/// Which neighbour answered, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The Kubernetes API server.
    Cluster,
    /// AWS Secrets Manager.
    SecretsManager,
    /// AWS Security Token Service.
    Sts,
    /// The partner's own API or server.
    Partner,
    /// Our own guard, before anything was sent.
    Guard,
}

/// What kind of failure it was: the retry class and whether an effect can have happened follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// Not allowed: credentials or rights are wrong. A person must act; retried slowly.
    Denied,
    /// Surely not there.
    NotFound,
    /// There already, and not the same.
    Exists,
    /// A precondition did not hold: somebody else wrote first. Read again.
    Conflict,
    /// The request itself is refused and will be again.
    Rejected,
    /// The thing is in a state that refuses the call (a secret scheduled for deletion, a previous rotation not complete).
    WrongState,
    /// Too many calls. `retry_after` of [`Fault`] may say when again.
    Throttled,
    /// A quota is used up (versions, labels, live credentials).
    Limit,
    /// Never sent: no connection, our own guard, a missing right to call. Surely without effect.
    Unsent,
    /// Sent, and no usable answer came: it may have happened, or may still happen.
    Unknown,
    /// Our own declaration and code disagree (a verb that the contract does not have).
    Undeclared,
}

/// A failed look or effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// Of what kind.
    pub kind: FaultKind,
    /// The other side's short code (error name, HTTP status, SQLSTATE) or our own.
    pub code: Code,
    /// Seconds after which the other side wants to be asked again, already capped by the adapter.
    pub retry_after: Option<u32>,
}

impl Fault {
    /// The code of an answer that came, but too late to act upon what was seen beside it (PROTOCOL, D).
    pub const TOO_SLOW: &str = "PassLongerThanDeadline";

    /// A fault of `kind` at `place` with a short code.
    pub fn new(place: Place, kind: FaultKind, code: &str) -> Self {
        Self { place, kind, code: Code::parse(code), retry_after: None }
    }

    /// The same, with the time the other side asked for (seconds; capped at an hour, since it may be absurd).
    pub fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds.min(3600)), ..self }
    }

    /// A call did not begin, since the Lease could end before it does.
    pub fn lease_ending() -> Self {
        Self::new(Place::Guard, FaultKind::Unsent, "LeaseEnding")
    }

    /// Whether the call surely had no effect, so that the same attempt may be made again.
    pub fn surely_nothing_happened(&self) -> bool {
        !matches!(self.kind, FaultKind::Unknown | FaultKind::Exists)
    }

    /// The stable category: metric label and part of reasons.
    pub fn category(&self) -> &'static str {
        match self.kind {
            FaultKind::Denied => "denied",
            FaultKind::NotFound => "not-found",
            FaultKind::Exists => "exists",
            FaultKind::Conflict => "conflict",
            FaultKind::Rejected => "rejected",
            FaultKind::WrongState => "wrong-state",
            FaultKind::Throttled => "throttled",
            FaultKind::Limit => "limit",
            FaultKind::Unsent => "unsent",
            FaultKind::Unknown => "unknown",
            FaultKind::Undeclared => "undeclared",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "the API server",
            Self::SecretsManager => "Secrets Manager",
            Self::Sts => "AWS STS",
            Self::Partner => "the partner",
            Self::Guard => "the egress guard",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {} ({})", self.place, self.code, self.category())
    }
}

impl std::error::Error for Fault {}

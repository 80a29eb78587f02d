//! When a credential is rotated: Secrets Manager's own grammar, in a zone of one's choice.
pub mod cron;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// When a rotation may start.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: SignedDuration,
}

/// A time in which a rotation may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub opens: Timestamp,
    /// Until just before then.
    pub closes: Timestamp,
}

/// What a schedule says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The window in which the next rotation starts: open now, or the next to open.
    pub window: Window,
    /// When the window closed that should have seen it, if it was missed.
    pub overdue_since: Option<Timestamp>,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Neither rate nor cron.
    #[error("rotation.schedule is neither rate(…) nor cron(…): write for example rate(30 days) or cron(0 2 ? * SUN *)")]
    NotASchedule,
}

impl Due {
    /// Whether a rotation may start at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.window.opens <= now && now < self.window.closes
    }
}

impl Schedule {
    /// Reads `rotation.schedule`, `rotation.window` and `rotation.timeZone`.
    pub fn parse(_expression: &str, _window: Option<&str>, _zone: Option<&str>) -> Result<Self, ScheduleError> {
        Err(ScheduleError::NotASchedule)
    }

    /// The window after a rotation at `last` (or, before any, after the onboarding): when the next one is due.
    /// `None` only at the end of the calendar.
    pub fn next(&self, _last: Timestamp) -> Option<Window> {
        None
    }

    /// What holds at `now`, the last rotation having been at `last`.
    pub fn due(&self, _last: Timestamp, _now: Timestamp) -> Option<Due> {
        None
    }

    /// The shortest time between two windows.
    pub fn interval(&self) -> SignedDuration {
        self.interval
    }
}

/// When to start within a window: the same moment for the same `spread` (a hash of the resource's UID), in its first
/// half, so that the rotation also ends inside and that not all start on the hour.
pub fn due_within(window: &Window, spread: u64) -> Timestamp {
    let half = window.opens.duration_until(window.closes).as_secs() / 2;
    let offset = u64::try_from(half).ok().and_then(|half| spread.checked_rem(half)).unwrap_or_default();
    let offset = SignedDuration::from_secs(i64::try_from(offset).unwrap_or_default());
    window.opens.checked_add(offset).unwrap_or(window.opens)
}

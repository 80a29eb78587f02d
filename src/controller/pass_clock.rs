//! The time of one pass: the wall's as it began, and from then on the monotonic clock's.
//!
//! Invariant: what a process remembers grows old by its own monotonic clock (PROTOCOL.md, `Over`). A wall clock that is set
//! while it runs ages nothing: within a pass it is not asked again, and between passes what is remembered is moved by as much
//! as it was set. Made by `reconcile` and `debts`; `memory` moves by it.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock::Clock;

/// The time of one pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct PassClock {
    wall: Timestamp,
    began: Instant,
    origin: Instant,
}

impl PassClock {
    /// A pass begins. `origin`: any fixed moment of this process.
    pub(super) fn begin(clock: &dyn Clock, origin: Instant) -> Self {
        Self { wall: clock.now(), began: Instant::now(), origin }
    }

    /// Now, as far as this pass is concerned.
    pub(super) fn now(&self) -> Timestamp {
        later(self.wall, self.began.elapsed())
    }

    /// The origin, on the wall as this pass reads it.
    pub(super) fn origin(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.began.duration_since(self.origin)).unwrap_or(SignedDuration::MAX);
        self.wall.checked_sub(since).unwrap_or(Timestamp::MIN)
    }
}

fn later(time: Timestamp, by: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Wall(Mutex<Timestamp>);

    impl Clock for Wall {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_moves_the_origin_and_no_pass_that_has_begun() {
        let (wall, origin) = (Wall(Mutex::new(Timestamp::UNIX_EPOCH)), Instant::now());
        let hour = SignedDuration::from_hours(1);
        let before = PassClock::begin(&wall, origin);
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        *wall.0.lock().unwrap() = Timestamp::UNIX_EPOCH + hour;
        assert_eq!(before.now(), Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1));
        let after = PassClock::begin(&wall, origin);
        assert_eq!(after.now(), Timestamp::UNIX_EPOCH + hour);
        assert_eq!(after.origin().duration_since(before.origin()), SignedDuration::from_mins(59));
    }
}

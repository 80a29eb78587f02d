//! Time and randomness: the two things that are taken from nowhere.
//!
//! The only place of the shell that reads the clock or draws random bytes, so that a simulation can plug its own.
//! Given to the controller in `Outside`, and to `Partner::compose`.

use jiff::Timestamp;
use rand::TryRngCore;

/// Where the controller takes the time from.
pub trait Clock: Send + Sync {
    /// The time now (UTC). Whole seconds are enough for every rule.
    fn now(&self) -> Timestamp;
}

/// Where a composed credential takes its randomness from.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random bytes fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // No weaker source may stand in: a credential made without entropy is worse than a stopped process.
        rand::rngs::OsRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
    }
}

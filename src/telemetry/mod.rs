//! What the process tells of itself: logs, metrics, health.
//!
//! Invariant: nothing here can carry a secret; see each module for how. Called by `cli::run`.

pub mod environment;
pub mod logs;
pub mod metrics;
pub mod server;

//! What the process tells of itself, and what it keeps to itself: logs, metrics, health; environment, memory.
//!
//! Invariant: nothing here can carry a secret; see each module for how. Called by `cli::run`.

pub mod environment;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod server;

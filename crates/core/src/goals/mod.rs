//! The goals: a condition, a rule and a file of one name.

pub mod deleted;
pub mod onboarded;
pub mod replicated;
pub mod rotated;
pub mod standing;
pub mod synced;

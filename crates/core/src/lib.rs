//! What the operator decides, and nothing of how it is done.
//!
//! This crate is pure: no async, no Kubernetes, no AWS, no clock, no randomness, no environment. Time and ids are
//! arguments; secret bytes never enter a decision. The shell (`managed-external-secrets`) asks [`decide::decide`] what
//! comes next, looks or acts once, and asks again.
#![deny(missing_docs)]

pub mod case;
pub mod debt;
pub mod decide;
pub mod duration;
pub mod effect;
pub mod facts;
pub mod fault;
pub mod goals;
pub mod journal;
pub mod lease;
pub mod names;
pub mod partner;
pub mod quiet;
pub mod reason;
pub mod schedule;
pub mod scope;
pub mod secret;
pub mod shown;
pub mod spec;
pub mod status;
pub mod target;
pub mod tries;

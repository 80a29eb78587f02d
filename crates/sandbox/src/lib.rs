//! Stand-ins for everything outside: AWS Secrets Manager in several regions, STS, the partners' APIs, and the API
//! server of Kubernetes ([`kubernetes`]).
//!
//! Imports nothing of ours and is never shipped, so that no mistake of the operator is repeated here. One value,
//! [`Sandbox`], answers calls in process and without a clock; [`serve`] puts the same value behind HTTP. What can be
//! set from outside is [`Knobs`] and [`Fault`]; over HTTP see [`control`].

pub mod body;
pub mod control;
pub mod faults;
pub mod iam;
pub mod journal;
pub mod knobs;
pub mod kubernetes;
pub mod partners;
pub mod secrets_manager;
mod serve;
mod sts;
mod throttle;
mod world;

pub use body::{Answer, Content, Outcome};
pub use faults::{Fate, Fault};
pub use iam::{Entity, Install, Judgement, Setup};
pub use journal::{Counts, Entry};
pub use knobs::{Knobs, RotationFailure, Unreachable};
pub use partners::{salesforce::App, synthetic};
pub use secrets_manager::Shown;
pub use serve::{Options, Served, serve};
pub use world::{ACCOUNT, Door, Sandbox};

//! The operator's shell: it looks, acts and reports. Every rule is in `mes-core`.

pub mod api;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod controller;
pub mod partners;
pub mod seal;
pub mod telemetry;

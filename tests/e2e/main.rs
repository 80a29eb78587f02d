//! The main job, end to end, on real parts.

mod attempts;
mod authority;
mod bad_input;
mod bad_input_partner;
mod bad_input_seed;
mod bad_input_spec;
mod bad_input_store;
mod bad_input_target;
mod bad_input_version;
mod campaign;
mod canary;
mod claims;
mod deletion;
mod iam;
mod idle;
mod in_place;
mod main_job;
mod outlets;
mod partners;
mod prober;
mod reach;
mod read;
mod schedule;
mod strangers;
mod strict;
mod world;

//! The main job, end to end, on real parts.

mod bad_input;
mod bad_input_seed;
mod bad_input_spec;
mod campaign;
mod deletion;
mod idle;
mod main_job;
mod partners;
mod prober;
mod world;

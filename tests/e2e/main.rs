//! The main job, end to end, on real parts.

mod campaign;
mod deletion;
mod idle;
mod main_job;
mod partners;
mod prober;
mod schedule;
mod world;

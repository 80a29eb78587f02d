//! The main job, end to end, on real parts.

mod main_job;
mod world;

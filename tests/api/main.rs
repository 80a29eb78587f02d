//! The API as people meet it: its definitions on a real API server, what that takes and what it refuses, and with which
//! sentence.

mod accounts;
mod bounds;
mod examples;
mod files;
mod kubectl;
mod resources;
mod rotations;
mod rules;
mod server;
mod statuses;
mod stores;
mod table;
mod updates;
mod versions;

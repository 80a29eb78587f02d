//! Habits of a developer, in Rust: what `cargo xtask` does, and the real servers that tests run against.
//!
//! The library starts servers: [`control_plane`] (etcd, kube-apiserver and company), [`servers`] (PostgreSQL, the
//! sandbox, moto). Tests of the root package and of the sandbox depend on it, so it imports nothing of ours and stays
//! light. Everything here blocks; no server outlives the process that started it (see [`scratch`]).

pub mod bench;
pub mod binaries;
pub mod campaign;
pub mod cargo;
pub mod certificates;
pub mod control_plane;
pub mod demo;
pub mod deny;
pub mod failure;
pub mod fuzz;
pub mod generate;
mod installed;
pub mod lint;
pub mod mutants;
pub mod progress;
pub mod report;
pub mod rights;
pub mod scratch;
pub mod servers;
pub mod sim;
pub mod test;

pub use control_plane::ControlPlane;
pub use failure::{Failure, Result};
pub use report::skip;
pub use servers::{Moto, PostgreSql, Sandbox};

use std::path::Path;

/// The root of the workspace that this crate was built from.
pub fn workspace_root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

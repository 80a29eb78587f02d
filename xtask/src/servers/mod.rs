//! Servers that our product talks to, beside the control plane: a real PostgreSQL, and the sandbox that stands in for
//! what can't be had offline. Called by tests, `demo` and `bench`.

mod postgresql;
mod sandbox;

pub use self::postgresql::PostgreSql;
pub use self::sandbox::Sandbox;

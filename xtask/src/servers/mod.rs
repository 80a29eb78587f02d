//! Servers that our product talks to, beside the control plane: a real PostgreSQL, the sandbox that stands in for what
//! can't be had offline, and an emulator that the sandbox is held against. Called by tests, `demo` and `bench`.

mod moto;
mod postgresql;
mod sandbox;

pub use self::moto::Moto;
pub use self::postgresql::PostgreSql;
pub use self::sandbox::Sandbox;

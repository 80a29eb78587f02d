//! The chart's admission policies and roles on a real API server: each request, and what it is answered.
//!
//! Nothing of the operator runs here but its token. What it does under the policies is seen in `e2e`.

mod leash;
mod people;
mod server;
mod token;

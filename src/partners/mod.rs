//! The only place that talks to partners. A partner is one file here and one line in [`registry`](mod@registry).
//!
//! Invariant: every call goes through [`doors`], to the origin that the credential was granted for; nothing that a partner
//! answers is echoed. Called by `controller/{look,perform}.rs` through [`Partner`], and by `mes partners` for the types.

mod answer;
pub mod bound;
mod compose;
pub mod doors;
mod encode;
pub mod partner;
mod postgresql;
pub mod registry;
mod salesforce;
mod within;

pub use bound::Bound;
pub use doors::{Destination, Doors};
pub use partner::Partner;
pub use registry::{Registry, registry};

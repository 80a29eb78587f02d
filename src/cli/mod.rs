//! See LAYOUT.

pub mod crds;
pub mod run;
mod told;

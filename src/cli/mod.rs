//! See LAYOUT.

pub mod crds;

//! See LAYOUT.

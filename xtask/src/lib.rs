//! Habits of a developer, in Rust.

//! What the sandbox's API server claims, asserted of it and of a real kube-apiserver by the same rows.
//!
//! A row is a sentence; it asks and asserts through [`world::World`], once on each side, and fails if it holds on one
//! alone. Where they differ the real one is right: mend the stand-in, never the row.

/// Each row becomes a test that runs on both sides.
macro_rules! rows {
    ($(fn $name:ident($world:ident) $body:block)*) => {
        $(#[test]
        fn $name() {
            crate::world::on_both(|$world: &crate::world::World| $body);
        })*
    };
}

mod applies;
mod deletions;
mod objects;
mod reads;
mod schemas;
mod secrets;
mod sides;
mod watches;
mod world;

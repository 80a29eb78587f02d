//! From what is written and named to `Granted<…>` and a `Spec`, or a `Reason`: every reference and every grant (R1-R3).
//!
//! Invariant: the only maker of [`Granted`], and adapters take nothing else.

use std::ops::Deref;

/// Proof that a resource may use this: made by [`resolve`](self) alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted<T>(T);

impl<T> Granted<T> {
    /// For tests of adapters, which have no resource to resolve. Not in the shipped binary: the feature is off there.
    #[cfg(feature = "assume-granted")]
    pub fn assume(thing: T) -> Self {
        Self(thing)
    }
}

impl<T> Deref for Granted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

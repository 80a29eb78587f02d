//! What went wrong in a command of ours, told for the person who typed it.
//!
//! Nobody branches on these errors: they are read. So one type that holds a sentence, which names what was tried and,
//! where there is one, the remedy. Used by every module of this crate.

use std::fmt::{self, Display};

/// A sentence for a person: what was tried, what happened, what to do.
pub struct Failure(String);

/// The result of everything here.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure told in one sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// As `Display`: tests that `unwrap` a result shall show the sentence, not a struct.
impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, formatter)
    }
}

impl std::error::Error for Failure {}

/// Adds what was tried to an error that does not know it ("No such file or directory").
pub trait Tried<T> {
    /// `sentence` is what was tried; the cause follows after a colon.
    fn tried(self, sentence: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Display> Tried<T> for std::result::Result<T, E> {
    fn tried(self, sentence: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Failure(format!("{}: {cause}", sentence())))
    }
}

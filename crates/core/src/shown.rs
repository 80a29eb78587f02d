//! What may leave the process (rule R10): the sealed trait of types that condition messages, events, logs, metric
//! labels and CLI cells are built from.
//!
//! Invariant: no implementation for `String`, `&str` or an error type. Text from outside passes only through
//! [`Code::parse`], which keeps short identifiers and turns everything else into `Unrecognised`.

use std::fmt;

use crate::names;

/// A short code from outside that is safe to show: an AWS error name, an HTTP status, an SQLSTATE.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(String);

impl Code {
    /// Keeps `^[A-Za-z0-9_.:-]{1,64}$`; anything else becomes `Unrecognised`, since it may hold a value.
    pub fn parse(text: &str) -> Self {
        let plain =
            (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c));
        Self(if plain { text.to_owned() } else { "Unrecognised".to_owned() })
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What may be shown. Sealed: an implementation is a decision of this module.
pub trait Shown: sealed::Sealed + fmt::Display {}

macro_rules! shown {
    ($($name:ty),* $(,)?) => {$( impl sealed::Sealed for $name {} impl Shown for $name {} )*};
}

shown!(
    Code,
    u8,
    u16,
    u32,
    u64,
    usize,
    i64,
    jiff::Timestamp,
    names::Namespace,
    names::ObjectName,
    names::TargetName,
    names::Uid,
    names::Revision,
    names::Region,
    names::AccountId,
    names::SecretName,
    names::Arn,
    names::RoleArn,
    names::VersionId,
    names::Stage,
    names::CredentialId,
    names::Tag,
    names::PartnerTypeName,
    names::Identity,
    names::Slot,
);

/// Text that the program itself wrote: a literal in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ours(pub &'static str);

impl fmt::Display for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A sentence of ours about types that may be shown (a reason's or an event's), made printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed(String);

impl Printed {
    /// Printable ASCII of at most 1,024 characters.
    pub fn parse(sentence: &str) -> Self {
        Self(crate::status::printable(sentence))
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

shown!(Ours, Printed, crate::reason::Reason, crate::fault::Fault);

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn text_from_outside_is_shown_only_if_it_is_a_short_code() {
        assert_eq!(Code::parse("ResourceNotFoundException").as_str(), "ResourceNotFoundException");
        assert_eq!(Code::parse("28P01").as_str(), "28P01");
        for hostile in ["", "two words", "<html>", "a\nb", "é", &"x".repeat(65)] {
            assert_eq!(Code::parse(hostile).as_str(), "Unrecognised");
        }
    }
}

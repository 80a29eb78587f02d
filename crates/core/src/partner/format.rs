//! What one version of a credential looks like: its fields, and the check that every value passes before it is written,
//! sent or delivered, whoever made it (a person's seed, the partner, a stranger in AWS).
//!
//! Invariant: a problem names a field and what is expected there, never a text. Formats are data that is built at compile
//! time, in [`super::aws_types`] for AWS's types and in a driver's own file for the others.

use std::fmt;

use super::pattern::Pattern;
use crate::secret::{Sensitive, Value};

/// The most that a value may take as JSON: Secrets Manager's limit in bytes.
pub const LONGEST_VALUE: usize = 65_536;

/// One field of a credential.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, exactly: also the key in AWS's JSON and the default key in a target.
    pub name: &'static str,
    /// Whether a value without it is refused.
    pub required: bool,
    /// Whether a rotation changes it.
    pub rotated: bool,
    /// Whether its text may be shown (host, user name, id). Otherwise it is a secret.
    pub public: bool,
    /// What its text must look like.
    pub pattern: Pattern,
    /// Most bytes that it may have.
    pub longest: usize,
    /// One line for people.
    pub doc: &'static str,
}

impl Field {
    /// A field that every value has. Secret and fixed until said otherwise; at most 4,096 bytes.
    pub const fn required(name: &'static str, pattern: Pattern, doc: &'static str) -> Self {
        Self { name, required: true, rotated: false, public: false, pattern, longest: 4096, doc }
    }

    /// A field that a value may have.
    pub const fn optional(name: &'static str, pattern: Pattern, doc: &'static str) -> Self {
        Self { required: false, ..Self::required(name, pattern, doc) }
    }

    /// The same field, changed by each rotation.
    pub const fn rotated(self) -> Self {
        Self { rotated: true, ..self }
    }

    /// The same field, whose text may be shown.
    pub const fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// The same field with another limit, in bytes.
    pub const fn at_most(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// What stands in a seed to fill in, in place of the text.
    fn placeholder(&self) -> String {
        format!("<{}: {}>", self.doc, self.pattern.expected)
    }

    fn problem(&self, text: &str) -> Option<ProblemKind> {
        if text.is_empty() {
            return Some(ProblemKind::Empty);
        }
        if text == self.placeholder() {
            return Some(ProblemKind::Placeholder);
        }
        if text.len() > self.longest {
            return Some(ProblemKind::TooLong { longest: self.longest });
        }
        (!self.pattern.accepts(text)).then_some(ProblemKind::Malformed { expected: self.pattern.expected })
    }
}

/// All fields of a credential of one type.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The fields, in the order in which people read them.
    pub fields: &'static [Field],
    /// Of these fields a value has at most one: with two, the identity that is granted need not be the one that is used.
    pub exclusive: &'static [&'static str],
}

impl Format {
    /// A format of these fields.
    pub const fn new(fields: &'static [Field]) -> Self {
        Self { fields, exclusive: &[] }
    }

    /// The same format, in which at most one of these fields may be given.
    pub const fn at_most_one_of(self, exclusive: &'static [&'static str]) -> Self {
        Self { exclusive, ..self }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether `value` has exactly the fields of this format, each as its pattern says, and fits Secrets Manager.
    /// All problems are told at once, in the order of the fields, then the surplus names.
    pub fn check(&self, value: &Value) -> Result<(), Vec<FieldProblem>> {
        let declared = self.fields.iter().filter_map(|field| {
            let kind = match value.get(field.name) {
                None if field.required => Some(ProblemKind::Missing),
                None => None,
                Some(text) => field.problem(text.expose()),
            }?;
            Some(FieldProblem { field: field.name.to_owned(), kind })
        });
        let surplus = value
            .names()
            .filter(|name| self.field(name).is_none())
            .map(|name| FieldProblem { field: showable(name).to_owned(), kind: ProblemKind::Surplus });
        let rivals = self.exclusive.iter().filter(|name| value.get(name).is_some()).skip(1);
        let rivals = rivals.map(|name| FieldProblem {
            field: (*name).to_owned(),
            kind: ProblemKind::Exclusive { fields: self.exclusive },
        });
        let whole = (json_length(value) > LONGEST_VALUE)
            .then(|| FieldProblem { field: String::new(), kind: ProblemKind::ValueTooLarge });
        let problems: Vec<_> = declared.chain(surplus).chain(rivals).chain(whole).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// A seed to fill in: each field that a person provides, with a placeholder that says what is expected there.
    /// [`Format::check`] refuses each placeholder, so that an unfilled seed is never taken for a credential.
    pub fn seed(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.fields.iter().filter(|field| field.required).map(|field| (field.name, field.placeholder()))
    }
}

/// What is wrong with one field of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name; empty where the value as a whole is meant.
    pub field: String,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// The ways in which a field can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Required and not there.
    Missing,
    /// There, and the type has no such field.
    Surplus,
    /// There without a text.
    Empty,
    /// Still the placeholder of the seed to fill in.
    Placeholder,
    /// More bytes than the field may have.
    TooLong {
        /// How many it may have.
        longest: usize,
    },
    /// Not what the field's pattern wants, or with control characters.
    Malformed {
        /// What it wants, as the end of "must be …".
        expected: &'static str,
    },
    /// Given beside another of these fields.
    Exclusive {
        /// Of which at most one may be given.
        fields: &'static [&'static str],
    },
    /// The whole value is larger than Secrets Manager takes.
    ValueTooLarge,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match self.kind {
            ProblemKind::Missing => write!(f, "field {field} is missing: add it"),
            ProblemKind::Surplus => write!(f, "field {field} is not a field of this type: remove it"),
            ProblemKind::Empty => write!(f, "field {field} is empty: give it a text"),
            ProblemKind::Placeholder => {
                write!(f, "field {field} still holds its placeholder: put the credential's text there")
            }
            ProblemKind::TooLong { longest } => write!(f, "field {field} is longer than {longest} bytes: shorten it"),
            ProblemKind::Malformed { expected } => write!(f, "field {field} must be {expected}"),
            ProblemKind::Exclusive { fields } => {
                write!(f, "field {field} is one too many: give at most one of {}", fields.join(", "))
            }
            ProblemKind::ValueTooLarge => {
                write!(
                    f,
                    "the whole value is longer than {LONGEST_VALUE} bytes as JSON, the limit of Secrets Manager: shorten it"
                )
            }
        }
    }
}

/// A field name as it may be shown: itself if it looks like a name, else a fixed text, because a stranger's JSON may have
/// anything, also a value, where a name should be.
pub(crate) fn showable(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) { name } else { "(a name that is not shown)" }
}

/// Length in bytes of the value as compact JSON.
fn json_length(value: &Value) -> usize {
    let members = value.iter().map(|(name, text)| quoted_length(name) + 1 + quoted_sensitive(text));
    let (count, bytes) = members.fold((0_usize, 0_usize), |(count, bytes), member| (count + 1, bytes + member));
    2 + bytes + count.saturating_sub(1)
}

fn quoted_sensitive(text: &Sensitive) -> usize {
    quoted_length(text.expose())
}

fn quoted_length(text: &str) -> usize {
    2 + text
        .chars()
        .map(|character| match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            control if u32::from(control) < 0x20 => 6,
            other => other.len_utf8(),
        })
        .sum::<usize>()
}

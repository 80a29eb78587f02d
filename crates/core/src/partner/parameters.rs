//! The parameters of a partner type and their check.
//!
//! Invariant: what is not in the type's table is refused, so that no parameter can widen a scope or name an admin secret.

use std::fmt;

use super::{Parameters, PartnerType, Pattern};

/// AWS's metadata key for the admin secret. Never a parameter: it comes from the account that grants it.
pub const ADMIN_SECRET_ARN: &str = "adminSecretArn";

/// The most bytes of a parameter: AWS's limit for a metadata value.
const LONGEST: usize = 2048;

/// One parameter of a partner type.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The key, exactly; AWS's metadata key where AWS has the type.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What holds if it is absent.
    pub default: Option<&'static str>,
    /// What its text must look like.
    pub pattern: Pattern,
    /// One line for people.
    pub doc: &'static str,
}

impl Parameter {
    /// A parameter that must be given.
    pub const fn required(name: &'static str, pattern: Pattern, doc: &'static str) -> Self {
        Self { name, required: true, default: None, pattern, doc }
    }

    /// A parameter that may be given.
    pub const fn optional(name: &'static str, pattern: Pattern, doc: &'static str) -> Self {
        Self { required: false, ..Self::required(name, pattern, doc) }
    }

    /// The same parameter with what holds in its absence.
    pub const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

/// What is wrong with one parameter (reason `InvalidParameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterProblem {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub kind: ParameterProblemKind,
}

/// The ways in which a parameter can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterProblemKind {
    /// Required and not there.
    Missing {
        /// What is expected.
        expected: &'static str,
    },
    /// Not a parameter of this type.
    Unknown {
        /// Those that are.
        known: Vec<&'static str>,
    },
    /// Given with another text than the account's, which holds for all its users.
    FixedByAccount,
    /// The admin secret, which only an account may name.
    AdminSecret,
    /// Not what is expected.
    Malformed {
        /// What is, as the end of "must be …".
        expected: &'static str,
    },
    /// More bytes than AWS takes.
    TooLong,
}

impl fmt::Display for ParameterProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = super::format::showable(&self.key);
        write!(f, "spec.partner.parameters.{key} ")?;
        match &self.kind {
            ParameterProblemKind::Missing { expected } => write!(f, "is missing: it must be {expected}"),
            ParameterProblemKind::Unknown { known } if known.is_empty() => {
                f.write_str("is unknown: this type has no parameters; remove it")
            }
            ParameterProblemKind::Unknown { known } => {
                write!(f, "is unknown: this type has {}; remove it or mend its spelling", known.join(", "))
            }
            ParameterProblemKind::FixedByAccount => {
                f.write_str("is fixed by the PartnerAccount to another text: leave it out")
            }
            ParameterProblemKind::AdminSecret => {
                f.write_str("is not for a team to set: name a PartnerAccount with an admin in spec.partner.accountRef")
            }
            ParameterProblemKind::Malformed { expected } => write!(f, "must be {expected}"),
            ParameterProblemKind::TooLong => write!(f, "is longer than {LONGEST} bytes: shorten it"),
        }
    }
}

impl PartnerType {
    /// Whether the parameters are those of this type. All problems at once, those of given keys first, by name.
    pub fn check_parameters(&self, parameters: &Parameters) -> Result<(), Vec<ParameterProblem>> {
        let given = parameters.iter().filter_map(|(key, text)| {
            self.parameter_problem(key, text).map(|kind| ParameterProblem { key: key.clone(), kind })
        });
        let missing =
            self.parameters.iter().filter(|known| known.required && !parameters.contains_key(known.name)).map(
                |known| ParameterProblem {
                    key: known.name.to_owned(),
                    kind: ParameterProblemKind::Missing { expected: known.pattern.expected },
                },
            );
        let problems: Vec<_> = given.chain(missing).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The rotation metadata that AWS gets: what is given (AWS knows its own defaults), and the admin secret as the account
    /// grants it. Nothing of a value is ever in it: CloudTrail shows it. Check the parameters first.
    pub fn metadata(&self, parameters: &Parameters, admin_secret_arn: Option<&str>) -> Parameters {
        let given = parameters.iter().filter(|(key, _)| self.parameters.iter().any(|known| known.name == key.as_str()));
        let given = given.map(|(key, text)| (key.clone(), text.clone()));
        given.chain(admin_secret_arn.map(|arn| (ADMIN_SECRET_ARN.to_owned(), arn.to_owned()))).collect()
    }

    fn parameter_problem(&self, key: &str, text: &str) -> Option<ParameterProblemKind> {
        if key == ADMIN_SECRET_ARN {
            return Some(ParameterProblemKind::AdminSecret);
        }
        let Some(known) = self.parameters.iter().find(|known| known.name == key) else {
            return Some(ParameterProblemKind::Unknown {
                known: self.parameters.iter().map(|known| known.name).collect(),
            });
        };
        if text.len() > LONGEST {
            return Some(ParameterProblemKind::TooLong);
        }
        (!known.pattern.accepts(text)).then_some(ParameterProblemKind::Malformed { expected: known.pattern.expected })
    }
}

//! What is known of a partner type before any call: its format, parameters, identity, hosts, engines and contracts.
//!
//! Invariant: data that is built at compile time. AWS's eighteen types are the table [`aws_types`], the only home of
//! their formats; the driver of a type that we rotate ourselves adds [`PartnerType::operated`], or declares a type of its
//! own. Read by the resolver, the goals and `mes partners`.

pub mod aws_types;
pub mod contract;
pub mod format;
pub mod made;
mod parameters;
pub mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use thiserror::Error;

pub use contract::{Activation, Chooser, Contract, NoReturn, Overlap, OverlapProblem, Recognised, Unsafe};
pub use format::{Field, FieldProblem, Format, ProblemKind};
pub use parameters::{ADMIN_SECRET_ARN, Parameter, ParameterProblem, ParameterProblemKind};
pub use pattern::{Pattern, Shape};

use crate::secret::Value;

/// `spec.partner.parameters`, the account's own merged in.
pub type Parameters = BTreeMap<String, String>;

/// Who performs a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// This operator, by a driver.
    Operator,
    /// AWS: managed external secrets.
    SecretsManager,
}

/// One type of credential at one partner.
#[derive(Clone, Copy, Debug)]
pub struct PartnerType {
    /// As in `spec.partner.type`; AWS's own name where AWS has the type.
    pub name: &'static str,
    /// The partner's name for people.
    pub partner: &'static str,
    /// The fields of its value.
    pub format: Format,
    /// Its parameters; for AWS's types AWS's metadata keys, less the admin secret, which is always ours to set.
    pub parameters: &'static [Parameter],
    /// What the credential is at the partner, in words that grants are matched against. One entry an identity (two
    /// alternating users: two); each the first form whose `{names}` are all known from parameters or public fields.
    pub identities: &'static [&'static [&'static str]],
    /// Identities that no grant covers: exact, or a prefix and `*`.
    pub reserved: &'static [&'static str],
    /// How its hosts are spoken to: the scheme of an account's endpoint, `https` or `postgresql`.
    pub scheme: &'static str,
    /// Where the value says which host it belongs to.
    pub host: Host,
    /// The vendor's own hosts, exact or `*.suffix`, to which a credential without account may be sent. Empty: rotation by
    /// the operator always needs a `PartnerAccount`.
    pub vendor_hosts: &'static [&'static str],
    /// How the operator rotates it, if it does.
    pub operator: Option<Operated>,
    /// How AWS rotates it, if it does.
    pub secrets_manager: Option<Delegated>,
}

/// What the operator's own engine needs: the contract by parameters and by whether an admin credential acts.
#[derive(Clone, Copy, Debug)]
pub struct Operated {
    /// `None`: cannot be rotated so; with `admin` false usually because it needs an account with an admin credential.
    pub contract: fn(&Parameters, bool) -> Option<&'static Contract>,
    /// The format of the account's admin credential, less `endpoint` and `ca.crt`, which every admin Secret may have.
    pub admin: Option<&'static Format>,
}

/// What AWS's engine needs and promises.
#[derive(Clone, Copy, Debug)]
pub struct Delegated {
    /// Whether AWS acts with another secret's credential.
    pub admin: AdminSecret,
    /// The longest interval that AWS takes.
    pub interval: IntervalLimit,
    /// Whether old and new live side by side, in words for people.
    pub overlap: &'static str,
}

/// AWS's admin secret of a type, named by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminSecret {
    /// The credential always rotates itself.
    None,
    /// It rotates itself unless an admin secret of this type is named.
    Optional(&'static str),
    /// It needs an admin secret of this type.
    Required(&'static str),
    /// It needs an admin secret of this type if the field of its value has one of these texts.
    RequiredIf {
        /// The admin secret's type.
        of_type: &'static str,
        /// A public field of the value.
        field: &'static str,
        /// The texts for which an admin is required.
        is: &'static [&'static str],
    },
}

impl AdminSecret {
    /// The type that an admin secret must have, if one may be named at all.
    pub const fn of_type(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Optional(of_type) | Self::Required(of_type) | Self::RequiredIf { of_type, .. } => Some(*of_type),
        }
    }

    /// Whether this value (`None`: not yet known) cannot be rotated by AWS without an admin secret.
    pub fn is_required(&self, value: Option<&Value>) -> bool {
        match self {
            Self::None | Self::Optional(_) => false,
            Self::Required(_) => true,
            Self::RequiredIf { field, is, .. } => {
                value.and_then(|value| value.get(field)).is_some_and(|text| is.contains(&text.expose()))
            }
        }
    }
}

/// The longest rotation interval that a type allows; the shortest is four hours for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalLimit {
    /// No limit beyond the schedule grammar's 999 days.
    None,
    /// At most so many days.
    AtMostDays(u16),
    /// Shorter than the days of this parameter, or of its default.
    BelowParameter(&'static str),
}

/// Which host a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The value does not say: the vendor has one for all.
    Vendor,
    /// A field holds an https address.
    Url(&'static str),
    /// A field holds the host's name.
    Name(&'static str),
    /// A field is a part of the host's name.
    Within {
        /// What precedes the field's text.
        prefix: &'static str,
        /// The field.
        field: &'static str,
        /// What follows it.
        suffix: &'static str,
    },
}

impl Host {
    /// The field of the value that decides the host, if one does.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Vendor => None,
            Self::Url(field) | Self::Name(field) | Self::Within { field, .. } => Some(field),
        }
    }

    /// The host that this value names, in lower case; `None` if the value does not say. Check the format first.
    pub fn of(&self, value: &Value) -> Option<String> {
        let text = value.get(self.field()?)?.expose();
        let host = match self {
            Self::Vendor => return None,
            Self::Url(_) => text.strip_prefix("https://")?.split(['/', ':']).next()?.to_owned(),
            Self::Name(_) => text.to_owned(),
            Self::Within { prefix, suffix, .. } => format!("{prefix}{text}{suffix}"),
        };
        Some(host.to_ascii_lowercase())
    }
}

/// The identity of a credential cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityProblem {
    /// Neither the parameters nor the value has what the identity is made of.
    #[error(
        "the credential's identity at the partner needs {needed}: set it in spec.partner.parameters, or have it in the value"
    )]
    Unknown {
        /// The forms of the identity that is missing, as `project/{projectId}`.
        needed: String,
    },
    /// A part of it has a character that would let it pass for another identity.
    #[error(
        "{name} has a character that an identity at the partner cannot hold: '/', '*' and control characters are refused"
    )]
    Forged {
        /// The parameter or field.
        name: String,
    },
    /// It is an identity that nobody may manage.
    #[error(
        "identity {identity} is reserved: it is never rotated, whatever an account grants; name a principal of its own"
    )]
    Reserved {
        /// The identity.
        identity: String,
    },
}

impl PartnerType {
    /// This type, rotated by the operator too: what a driver says of one of AWS's types.
    pub const fn operated(self, operated: Operated) -> Self {
        Self { operator: Some(operated), ..self }
    }

    /// The contract under the operator's own engine; `None`: not with these parameters and this (absent) admin.
    pub fn contract(&self, parameters: &Parameters, admin: bool) -> Option<&'static Contract> {
        (self.operator?.contract)(parameters, admin)
    }

    /// The engines that rotate this type.
    pub fn engines(&self) -> BTreeSet<Engine> {
        let operator = self.operator.map(|_| Engine::Operator);
        operator.into_iter().chain(self.secrets_manager.map(|_| Engine::SecretsManager)).collect()
    }

    /// Whether the operator can rotate it only through a `PartnerAccount`, because the vendor has no hosts of its own.
    pub const fn needs_account(&self) -> bool {
        self.vendor_hosts.is_empty()
    }

    /// Whether a host is one of the vendor's own.
    pub fn is_vendor_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.vendor_hosts.iter().any(|known| match known.strip_prefix('*') {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|label| !label.is_empty()),
            None => host == **known,
        })
    }

    /// Whether an identity is one that nobody may manage.
    pub fn is_reserved(&self, identity: &str) -> bool {
        self.reserved.iter().any(|reserved| match reserved.strip_suffix('*') {
            Some(prefix) => identity.starts_with(prefix),
            None => identity == *reserved,
        })
    }

    /// What the credential is at the partner: one identity, or one for each of two alternating users. Parameters win over
    /// the value's public fields; a secret field is never read. Compare them with grants, and with other resources'.
    pub fn identities(
        &self,
        parameters: &Parameters,
        value: Option<&Value>,
    ) -> Result<BTreeSet<String>, IdentityProblem> {
        let known = |name: &str| {
            let public = || self.format.field(name).filter(|field| field.public);
            let field = || public().and_then(|field| value?.get(field.name)).map(|text| text.expose());
            parameters.get(name).map(String::as_str).or_else(field)
        };
        let mut identities = BTreeSet::new();
        for forms in self.identities {
            let Some(form) = forms.iter().find(|form| names(form).all(|name| known(name).is_some())) else {
                return Err(IdentityProblem::Unknown { needed: forms.join(" or ") });
            };
            let identity = filled(form, known)?;
            if self.is_reserved(&identity) {
                return Err(IdentityProblem::Reserved { identity });
            }
            identities.insert(identity);
        }
        Ok(identities)
    }

    /// The names of parameters and public fields that an identity may be made of: fixed once onboarded.
    pub fn identity_names(&self) -> BTreeSet<&'static str> {
        self.identities.iter().flat_map(|forms| forms.iter()).flat_map(names).collect()
    }

    /// What is wrong with an interval under engine `SecretsManager`, as the end of "interval …"; `None`: nothing.
    pub fn interval_problem(&self, parameters: &Parameters, interval: SignedDuration) -> Option<IntervalProblem> {
        let limit = self.secrets_manager?.interval;
        let days = |days: u32| SignedDuration::from_hours(i64::from(days) * 24);
        match limit {
            IntervalLimit::None => None,
            IntervalLimit::AtMostDays(most) => {
                let problem = IntervalProblem::AtMost { most, type_name: self.name };
                (interval > days(u32::from(most))).then_some(problem)
            }
            IntervalLimit::BelowParameter(key) => {
                let default = || self.parameters.iter().find(|known| known.name == key).and_then(|known| known.default);
                let below = parameters.get(key).map(String::as_str).or_else(default)?.parse().ok()?;
                (interval >= days(below)).then_some(IntervalProblem::Below { key, below })
            }
        }
    }
}

/// Why a schedule is too slow for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IntervalProblem {
    /// The partner's credential would expire first.
    #[error(
        "rotation.schedule rotates less often than every {most} days, the longest that {type_name} allows; rotate more often"
    )]
    AtMost {
        /// Days.
        most: u16,
        /// The type.
        type_name: &'static str,
    },
    /// The life that a parameter gives the credential is too short.
    #[error(
        "rotation.schedule must rotate more often than the {below} days of partner.parameters.{key}; shorten the interval or raise {key}"
    )]
    Below {
        /// The parameter.
        key: &'static str,
        /// Its days.
        below: u32,
    },
}

/// The `{names}` of a form.
pub(crate) fn names<'a>(form: &&'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    form.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

pub(crate) fn filled<'a>(
    form: &'static str,
    known: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, IdentityProblem> {
    let mut identity = String::new();
    for (index, part) in form.split('{').enumerate() {
        let Some((name, literal)) = part.split_once('}').filter(|_| index > 0) else {
            identity.push_str(part);
            continue;
        };
        let text = known(name).unwrap_or_default();
        // `.` and `..` are one level of a path, and another place.
        let leads_elsewhere = matches!(text, "" | "." | "..");
        if leads_elsewhere || text.chars().any(|c| c == '/' || c == '*' || c.is_control()) {
            return Err(IdentityProblem::Forged { name: name.to_owned() });
        }
        identity.push_str(text);
        identity.push_str(literal);
    }
    Ok(identity)
}

#[cfg(test)]
pub(crate) mod tests;

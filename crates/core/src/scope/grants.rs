//! To whom a grant speaks: namespaces by name or by label.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::Namespace;

/// The namespaces that a grant speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// By name.
    Namespaces(BTreeSet<String>),
    /// By label.
    Selector(Selector),
    /// Of none: neither, both, or something that this version does not read.
    Nobody,
}

/// A label selector; the empty one selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

/// One of `matchExpressions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub values: BTreeSet<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Present and one of these.
    In,
    /// Absent or none of these.
    NotIn,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
}

impl Audience {
    /// Whether the namespace of this name with these labels is meant; without labels ([`super::Named`]) any selector means it.
    pub(super) fn includes(&self, namespace: &Namespace, labels: Option<&BTreeMap<String, String>>) -> bool {
        match self {
            Self::Namespaces(names) => names.contains(namespace.as_str()),
            Self::Selector(selector) => labels.is_none_or(|labels| selector.selects(labels)),
            Self::Nobody => false,
        }
    }
}

impl Selector {
    fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.requirements.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }
}

impl Requirement {
    fn holds(&self, label: Option<&String>) -> bool {
        match self.operator {
            Operator::In => label.is_some_and(|label| self.values.contains(label)),
            Operator::NotIn => label.is_none_or(|label| !self.values.contains(label)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

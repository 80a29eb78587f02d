//! What is owed on an AWS secret that nobody's resource may be waited for: enough to pay it, as the secret's tags say (R13).
//!
//! A version whose credential is to be revoked has a staging label of its own ([`Stage::owed`]); the tags say with whose
//! rights, and what else its deleted resource promised. Written by the effects `WriteDebt` and `MarkOwed`, read by
//! `goals::standing` and, of a secret without a resource, by `controller/debts.rs`.
//!
//! Invariant: a debt is a statement of ours only under its seal (`aws::claim`), and no grant: whoever pays it asks the account
//! and the store again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::case::later;
use crate::journal::{Journal, Rotation};
use crate::names::{ObjectName, PartnerTypeName, Stage, VersionId};
use crate::spec::{Fate, Resource, Spec};

/// The longest text of a tag.
const LONGEST: usize = 256;

/// How a debt is paid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Debt {
    /// The account whose admin credential acts; absent = the credential in use acts itself.
    pub account: Option<ObjectName>,
    /// Its partner type.
    pub partner_type: Option<PartnerTypeName>,
    /// The type's parameters, as far as a tag can hold them.
    pub parameters: BTreeMap<String, String>,
    /// When both have lived side by side for as long as was asked, in seconds since 1970: not paid before.
    pub after: Option<i64>,
    /// What the resource promised to take along when it was deleted, and had not yet.
    pub promised: Promised,
}

/// The deletion axes that are `Delete` or `Revoke`, less that of targets, which go by their owner reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Promised {
    /// Every credential at the partner, AWSCURRENT's too.
    pub partner: bool,
    /// The AWS secret, recoverable for so many days.
    pub store: Option<u8>,
}

impl Debt {
    /// What pays for `resource`; what was promised counts once its deletion was asked for.
    pub fn of(resource: &Resource, spec: &Spec, journal: &Journal) -> Self {
        let axes = resource.deletion;
        let promised = Promised {
            partner: axes.partner == Fate::Remove,
            store: axes.removes_secret(&spec.onboard).then_some(axes.recovery_window_days),
        };
        let parameters = spec.parameters.iter().filter(|(key, text)| is_word(key) && is_word(text));
        Self {
            account: spec.scope.origin.as_ref().and_then(|origin| origin.account.clone()),
            partner_type: spec.partner.and_then(|partner| PartnerTypeName::parse(partner.name).ok()),
            parameters: parameters.map(|(key, text)| (key.clone(), text.clone())).collect(),
            after: journal.waiting().filter_map(|open| overlapped(open, spec)).max(),
            promised: resource.deleting.map(|_| promised).unwrap_or_default(),
        }
    }

    /// When it is due, if that is not at once.
    pub fn due(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.after?).ok()
    }

    /// The three texts: with whose rights, with which parameters, and on which terms. `None`: a tag can't hold them.
    pub fn texts(&self) -> Option<[String; 3]> {
        let account = self.account.as_ref().map(ObjectName::as_str).unwrap_or_default();
        let partner_type = self.partner_type.as_ref().map(PartnerTypeName::as_str).unwrap_or_default();
        let parameters: Vec<String> = self.parameters.iter().map(|(key, text)| format!("{key}={text}")).collect();
        let terms = [
            self.promised.partner.then(|| "partner".to_owned()),
            self.promised.store.map(|days| format!("store={days}")),
            self.after.map(|after| format!("after={after}")),
        ];
        let terms: Vec<String> = terms.into_iter().flatten().collect();
        let texts = [format!("{account}/{partner_type}"), parameters.join(" "), terms.join(" ")];
        texts.iter().all(|text| text.len() <= LONGEST).then_some(texts)
    }

    /// What [`Debt::texts`] gave. `None`: nothing is owed, or it is of a form that this version does not read.
    pub fn read([rights, parameters, terms]: [&str; 3]) -> Option<Self> {
        let (account, partner_type) = rights.split_once('/')?;
        let parsed = |text: &str| if text.is_empty() { Some(None) } else { ObjectName::parse(text).ok().map(Some) };
        let partner_type = match partner_type {
            "" => None,
            text => Some(PartnerTypeName::parse(text).ok()?),
        };
        let words = |text| str::split(text, ' ').filter(|word| !word.is_empty());
        let parameters = words(parameters).map(|word| word.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())));
        let mut debt = Self {
            account: parsed(account)?,
            partner_type,
            parameters: parameters.collect::<Option<_>>()?,
            after: None,
            promised: Promised::default(),
        };
        for word in words(terms) {
            match word.split_once('=') {
                None if word == "partner" => debt.promised.partner = true,
                Some(("after", after)) => debt.after = Some(after.parse().ok()?),
                Some(("store", days)) => debt.promised.store = Some(days.parse().ok()?),
                _ => return None,
            }
        }
        Some(debt)
    }
}

impl Stage {
    /// The label on a version whose credential is owed.
    pub fn owed(version: &VersionId) -> Option<Self> {
        Self::parse(format!("managed-secrets.io/owed/{version}")).ok()
    }
}

/// When the overlap of a rotation has passed that owes what is not announced yet.
fn overlapped(rotation: &Rotation, spec: &Spec) -> Option<i64> {
    let waits = !rotation.is_alarm() && rotation.owed.values().any(|owed| owed.doomed.is_none());
    let promoted = rotation.promoted.filter(|_| waits)?;
    Some(later(promoted, rotation.overlap.unwrap_or_default().max(spec.rotation.overlap)).as_second().saturating_add(1))
}

/// What a tag takes, less what separates one word from the next.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:+-@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let whole = Debt {
            account: ObjectName::parse("pg-main").ok(),
            partner_type: PartnerTypeName::parse("PostgreSQLRole").ok(),
            parameters: [("username", "pay_a"), ("dbname", "pay.db")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            after: Some(1_767_225_600),
            promised: Promised { partner: true, store: Some(30) },
        };
        let bare = Debt { partner_type: whole.partner_type.clone(), ..Debt::default() };
        for debt in [whole.clone(), bare] {
            let texts = debt.texts().unwrap();
            assert_eq!(Debt::read(texts.each_ref().map(String::as_str)), Some(debt));
        }
        assert_eq!(whole.texts().unwrap()[0], "pg-main/PostgreSQLRole");
        for unread in [["", "", ""], ["No Name/X", "", ""], ["a/b c", "", ""], ["a/X", "k", ""], ["a/X", "", "all"]] {
            assert_eq!(Debt::read(unread), None, "{unread:?}");
        }
    }

    #[test]
    fn what_no_tag_holds_is_not_written() {
        let account = ObjectName::parse("a".repeat(253).replacen('a', "b", 1)).ok();
        let debt = Debt { account, partner_type: PartnerTypeName::parse("PostgreSQLRole").ok(), ..Debt::default() };
        assert_eq!(debt.texts(), None);
    }
}

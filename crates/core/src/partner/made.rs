//! What a partner made, before it is kept: a hostile or broken one must not get a value into AWS or a target that nobody
//! could log in with, that everybody could guess, or that is the old one under a new version.
//!
//! Invariant: an answer holds no text of the value. Called by `controller::perform` between the partner's answer and the put.

use super::{Field, Format};
use crate::secret::{Sensitive, Value};

/// Fewest bytes of a secret that a partner makes: 16 letters and digits are some 95 bits. The shortest that any documented
/// type issues has 20.
pub const SHORTEST: usize = 16;

/// Fewest different characters in one.
const VARIED: usize = 5;

/// Why a value is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Not of its type's format: a field missing or surplus, a control character, too long.
    Malformed,
    /// Shown masked, as `****`: the partner gave a picture of the secret.
    Masked,
    /// Short or monotonous: to be guessed.
    TooWeak,
    /// The secrets of the value that it was made from.
    Unchanged,
}

impl Unfit {
    /// Its code in a fault.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "MalformedCandidate",
            Self::Masked => "MaskedCandidate",
            Self::TooWeak => "WeakCandidate",
            Self::Unchanged => "UnchangedCandidate",
        }
    }
}

/// Whether `made`, which the partner chose, is a new credential of this format; `basis` is what it was made from.
pub fn check(format: &Format, made: &Value, basis: Option<&Value>) -> Result<(), Unfit> {
    format.check(made).map_err(|_| Unfit::Malformed)?;
    let secrets = || format.fields.iter().filter(|field| field.rotated && !field.public);
    let held = secrets().filter_map(|field| Some((field, made.get(field.name)?)));
    held.clone().try_for_each(|(field, text)| strong(field, text))?;
    let old = |(field, text): (&Field, &Sensitive)| {
        basis.and_then(|basis| basis.get(field.name)).is_some_and(|old| old.same(text))
    };
    if held.clone().next().is_some() && held.into_iter().all(old) { Err(Unfit::Unchanged) } else { Ok(()) }
}

fn strong(field: &Field, text: &Sensitive) -> Result<(), Unfit> {
    let text = text.expose();
    if text.contains("***") || text.contains("\u{2022}\u{2022}") {
        return Err(Unfit::Masked);
    }
    let different: std::collections::BTreeSet<char> = text.chars().collect();
    let weak = text.len() < SHORTEST || different.len() < VARIED;
    if field.required && weak { Err(Unfit::TooWeak) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partner::aws_types;

    fn value(key: &str, secret: &str) -> Value {
        let fields = [
            ("consumerKey", key),
            ("consumerSecret", secret),
            ("baseUri", "https://acme.my.salesforce.com"),
            ("appId", "0xH5k000000001"),
            ("consumerId", "888k000000001"),
        ];
        fields.into_iter().map(|(name, text)| (name.to_owned(), Sensitive::new(text.to_owned()))).collect()
    }

    const KEY: &str = "3MVG9aBcDeFgHiJkLmNoPqRsTuVwXyZ";
    const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF";

    #[test]
    fn t43_what_a_partner_made_is_kept_only_if_it_is_a_new_credential_that_nobody_guesses() {
        let format = &aws_types::find("SalesforceClientSecret").unwrap().format;
        let old = value("3MVG9anotherKeyOfTheSameApp", "FEDCBA9876543210FEDCBA9876543210");
        let verdict = |secret: &str| check(format, &value(KEY, secret), Some(&old));
        assert_eq!(verdict(SECRET), Ok(()));
        for (bad, why) in [
            (SECRET.to_owned() + "\n", Unfit::Malformed),
            (format!("{SECRET}\r\nX-Header: y"), Unfit::Malformed),
            (format!("{SECRET}\0"), Unfit::Malformed),
            (format!("{SECRET}\u{1b}[2J"), Unfit::Malformed),
            (format!("{SECRET} x"), Unfit::Malformed),
            (String::new(), Unfit::Malformed),
            ("x1y2z3".repeat(200_000), Unfit::Malformed),
            ("***".to_owned(), Unfit::Masked),
            (format!("{}4321", "*".repeat(28)), Unfit::Masked),
            ("short1".to_owned(), Unfit::TooWeak),
            ("0".repeat(64), Unfit::TooWeak),
            ("abab".repeat(16), Unfit::TooWeak),
        ] {
            assert_eq!(verdict(&bad), Err(why), "{:?}", bad.chars().take(40).collect::<String>());
        }
        // A quote is a character like others: whoever renders it must quote it.
        assert_eq!(verdict("0123\"456'789\\ABCDEF\"};"), Ok(()));
        assert_eq!(check(format, &old, Some(&old)), Err(Unfit::Unchanged));
        assert_eq!(check(format, &old, None), Ok(()));
    }
}

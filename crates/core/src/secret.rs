//! The only types that hold secret bytes.
//!
//! Invariant: no `Clone`, `PartialEq`, `Hash`, `Display` or `Serialize`, and a `Debug` that shows nothing. Facts,
//! effects and the journal derive those traits, so the compiler keeps values out of them. Made by the adapters at the
//! edge, borrowed by format checks and rendering, zeroised when dropped.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// One secret text. Zeroised on drop; `Debug` prints `<redacted>`.
///
/// What does not compile:
/// ```compile_fail,E0277
/// let secret = mes_core::secret::Sensitive::new("x".to_owned());
/// println!("{secret}");
/// ```
/// ```compile_fail,E0599
/// let secret = mes_core::secret::Sensitive::new("x".to_owned());
/// let _ = secret.clone();
/// ```
/// ```compile_fail,E0369
/// let secret = || mes_core::secret::Sensitive::new("x".to_owned());
/// let _ = secret() == secret();
/// ```
///
/// A fact can't hold one, since facts are compared and cloned:
/// ```compile_fail,E0277
/// fn compared<T: PartialEq + Clone>() {}
/// compared::<mes_core::facts::Sight>();
/// compared::<mes_core::secret::Value>();
/// ```
pub struct Sensitive(Zeroizing<String>);

impl Sensitive {
    /// Takes ownership of `text`, which is zeroised on drop.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The bytes themselves. Call it only where they are sent, compared or rendered.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether both hold the same text, in time that depends on the length alone.
    pub fn same(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (l, r)| difference | (l ^ r)) == 0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// One version of a credential: field name to secret text. Names are public (the partner type declares them), texts are not.
pub struct Value(BTreeMap<String, Sensitive>);

impl Value {
    /// The text of a field, if the value has it.
    pub fn get(&self, field: &str) -> Option<&Sensitive> {
        self.0.get(field)
    }

    /// The field names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All fields, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sensitive)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text))
    }

    /// This value with some fields replaced or added: how a candidate is made from the current value.
    pub fn replacing(&self, fields: impl IntoIterator<Item = (String, Sensitive)>) -> Self {
        let kept = self.0.iter().map(|(name, text)| (name.clone(), Sensitive::new(text.expose().to_owned())));
        kept.chain(fields).collect()
    }

    /// Whether both hold the same fields with the same texts.
    pub fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((name, text), (name2, text2))| name == name2 && text.same(text2))
    }
}

impl FromIterator<(String, Sensitive)> for Value {
    fn from_iter<I: IntoIterator<Item = (String, Sensitive)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

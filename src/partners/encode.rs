//! Outside text made part of a path, a form or a statement: the only makers of such parts.
//!
//! Invariant: what comes out is one path segment, one form value, one SQL identifier or one SQL literal, whatever went in;
//! what can't be one is refused. Drivers use `format!` on these types alone.

use std::fmt;

use mes_core::secret::Sensitive;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path, percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment(String);

impl Segment {
    /// Any text but the empty one and those that mean another place (`.`, `..`).
    pub(super) fn of(text: &str) -> Option<Self> {
        (!matches!(text, "" | "." | "..")).then(|| Self(utf8_percent_encode(text, ESCAPED).to_string()))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A body of type `application/x-www-form-urlencoded`.
pub(super) fn form(fields: &[(&'static str, &str)]) -> Sensitive {
    let encoded: Vec<String> =
        fields.iter().map(|(name, text)| format!("{name}={}", utf8_percent_encode(text, ESCAPED))).collect();
    Sensitive::new(encoded.join("&"))
}

/// A quoted SQL identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier(String);

impl Identifier {
    /// 1 to 63 bytes (PostgreSQL cuts off longer ones, which would name another role) without control characters.
    pub(super) fn of(name: &str) -> Option<Self> {
        let whole = (1..=63).contains(&name.len()) && !name.chars().any(char::is_control);
        whole.then(|| Self(format!("\"{}\"", name.replace('"', "\"\""))))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A quoted SQL literal. No `Display`: it may hold a verifier, so it only becomes part of a [`Sensitive`].
pub(super) struct Literal(Sensitive);

impl Literal {
    /// A text without control characters and backslashes, which mean something where `standard_conforming_strings` is off.
    pub(super) fn of(text: &str) -> Option<Self> {
        let plain = !text.chars().any(|c| c.is_control() || c == '\\');
        plain.then(|| Self(Sensitive::new(format!("'{}'", text.replace('\'', "''")))))
    }

    /// The literal with its quotes.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment() {
        let segment = |text: &str| Segment::of(text).map(|segment| segment.to_string());
        for (text, expected) in [
            ("0xH5k000000001", "0xH5k000000001"),
            ("a/b", "a%2Fb"),
            ("../x", "..%2Fx"),
            ("a?part=b#c", "a%3Fpart%3Db%23c"),
            ("a b%2F", "a%20b%252F"),
            ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(segment(text).as_deref(), Some(expected));
        }
        for refused in ["", ".", ".."] {
            assert_eq!(segment(refused), None);
        }
    }

    #[test]
    fn a_form_value_adds_no_field() {
        assert_eq!(form(&[("a", "1&b=2"), ("c", "x y+%")]).expose(), "a=1%26b%3D2&c=x%20y%2B%25");
    }

    #[test]
    fn an_identifier_stays_one_identifier() {
        let identifier = |name: &str| Identifier::of(name).map(|identifier| identifier.to_string());
        assert_eq!(identifier("app_a").as_deref(), Some("\"app_a\""));
        assert_eq!(identifier("x\" SUPERUSER; --").as_deref(), Some("\"x\"\" SUPERUSER; --\""));
        for refused in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert_eq!(identifier(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn a_literal_stays_one_literal() {
        let literal = |text: &str| Literal::of(text).map(|literal| literal.expose().to_owned());
        assert_eq!(literal("SCRAM-SHA-256$4096:x$y:z").as_deref(), Some("'SCRAM-SHA-256$4096:x$y:z'"));
        assert_eq!(literal("a' OR '1'='1").as_deref(), Some("'a'' OR ''1''=''1'"));
        for refused in ["a\\' --", "a\0"] {
            assert_eq!(literal(refused), None, "{refused:?}");
        }
    }
}

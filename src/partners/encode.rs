//! Outside text made part of a path, a form or a statement: the only makers of such parts, and of the whole.
//!
//! Invariant: what comes out is one path segment, one form value, one SQL identifier or one SQL literal, whatever went in;
//! what can't be one is refused. A path and a statement are put together here alone, of words of the source and of these:
//! tests/tidy.rs finds a `format!` that makes one elsewhere.

use mes_core::secret::Sensitive;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment(String);

impl Segment {
    /// An id of 1 to 200 letters, digits and `.`, `_`, `~`, `:`, `-`, but for `.` and `..`, which mean another place.
    /// Nothing is percent-encoded: a server that decodes before it splits would take `%2F` for a slash.
    pub(super) fn of(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:-".contains(&byte);
        let id = (1..=200).contains(&text.len()) && text.bytes().all(plain) && !matches!(text, "." | "..");
        id.then(|| Self(text.to_owned()))
    }
}

/// Path and query of a request: words of the source, and segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target(String);

impl Target {
    /// Begins with a text of the source, which begins with a slash.
    pub(super) fn at(fixed: &'static str) -> Self {
        Self(fixed.to_owned())
    }

    /// The same, followed by a text of the source.
    pub(super) fn then(mut self, fixed: &'static str) -> Self {
        self.0.push_str(fixed);
        self
    }

    /// The same, followed by a slash and this segment.
    pub(super) fn segment(mut self, segment: &Segment) -> Self {
        self.0.push('/');
        self.0.push_str(&segment.0);
        self
    }

    /// For the request.
    pub(super) fn as_str(&self) -> &str {
        &self.0
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

/// A quoted SQL literal. No `Display`: it may hold a verifier, so it only becomes part of a [`Sensitive`].
pub(super) struct Literal(Sensitive);

impl Literal {
    /// A text without control characters and backslashes, which mean something where `standard_conforming_strings` is off.
    pub(super) fn of(text: &str) -> Option<Self> {
        let plain = !text.chars().any(|c| c.is_control() || c == '\\');
        plain.then(|| Self(Sensitive::new(format!("'{}'", text.replace('\'', "''")))))
    }
}

/// A part of a statement.
pub(super) enum Sql<'a> {
    /// Words of the source.
    Words(&'static str),
    /// A name.
    Identifier(&'a Identifier),
    /// A text.
    Literal(&'a Literal),
}

/// One statement of these parts.
pub(super) fn statement(parts: &[Sql<'_>]) -> Sensitive {
    let texts = || {
        parts.iter().map(|part| match part {
            Sql::Words(words) => words,
            Sql::Identifier(name) => name.0.as_str(),
            Sql::Literal(text) => text.0.expose(),
        })
    };
    // Room for all of it: growing would leave copies of a verifier behind.
    let mut whole = String::with_capacity(texts().map(str::len).sum());
    texts().for_each(|text| whole.push_str(text));
    Sensitive::new(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t40_a_segment_is_an_id_and_nothing_that_leads_elsewhere() {
        let segment = |text: &str| Segment::of(text).map(|segment| segment.0);
        for id in ["0xH5k000000001", "0Hz1", "v65.0", "a.b_c~d:e-f", "...", &"x".repeat(200)] {
            assert_eq!(segment(id).as_deref(), Some(id));
        }
        for refused in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "%2e%2e",
            "a%2fb",
            "a%252fb",
            "a?part=b",
            "a#c",
            "a;b",
            "a b",
            "a\r\nHost: evil",
            "a\0",
            "ü",
            "＃",
            "a@b",
            "a&b",
            "1' OR '1'='1",
            &"x".repeat(201),
        ] {
            assert_eq!(segment(refused), None, "{refused:?}");
        }
        let target = Target::at("/apps").segment(&Segment::of("0x1").unwrap()).then("/staged");
        assert_eq!(target.as_str(), "/apps/0x1/staged");
    }

    #[test]
    fn a_form_value_adds_no_field() {
        assert_eq!(form(&[("a", "1&b=2"), ("c", "x y+%")]).expose(), "a=1%26b%3D2&c=x%20y%2B%25");
    }

    #[test]
    fn an_identifier_stays_one_identifier() {
        let identifier = |name: &str| Identifier::of(name).map(|identifier| identifier.0);
        assert_eq!(identifier("app_a").as_deref(), Some("\"app_a\""));
        assert_eq!(identifier("x\" SUPERUSER; --").as_deref(), Some("\"x\"\" SUPERUSER; --\""));
        for refused in ["", "a\0b", "a\nb", &"x".repeat(64)] {
            assert_eq!(identifier(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn a_literal_stays_one_literal() {
        let literal = |text: &str| Literal::of(text).map(|literal| literal.0.expose().to_owned());
        assert_eq!(literal("SCRAM-SHA-256$4096:x$y:z").as_deref(), Some("'SCRAM-SHA-256$4096:x$y:z'"));
        assert_eq!(literal("a' OR '1'='1").as_deref(), Some("'a'' OR ''1''=''1'"));
        for refused in ["a\\' --", "a\0"] {
            assert_eq!(literal(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn a_statement_is_its_words_with_names_and_texts_between_them() {
        let (name, text) = (Identifier::of("a\"b").unwrap(), Literal::of("c'd").unwrap());
        let parts = [Sql::Words("alter role "), Sql::Identifier(&name), Sql::Words(" password "), Sql::Literal(&text)];
        assert_eq!(statement(&parts).expose(), "alter role \"a\"\"b\" password 'c''d'");
    }
}

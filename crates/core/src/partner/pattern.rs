//! What the text of a field or parameter must look like: small matchers, each with its words for people.
//!
//! Invariant: total on any text, linear in its length, and no control character passes (line breaks only in PEM).
//! A regular expression engine would be a dependency of the core for a dozen shapes.

/// A shape of a text, and how a person is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    shape: Shape,
    /// The shape in words, as the end of "must be …".
    pub expected: &'static str,
}

/// The shapes that fields and parameters have.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any text of one line without control characters, not beginning or ending with a blank.
    Line,
    /// Printable ASCII without blanks: what fits into a header or a form.
    Token,
    /// ASCII letters, digits and these others.
    Word {
        /// What is allowed beside letters and digits.
        others: &'static str,
    },
    /// Hexadecimal digits, so many.
    Hex {
        /// Fewest.
        shortest: usize,
        /// Most.
        longest: usize,
    },
    /// One of these prefixes, then something of another shape.
    Prefixed {
        /// The allowed prefixes.
        prefixes: &'static [&'static str],
        /// What follows.
        rest: &'static Shape,
    },
    /// Letters, digits and these others, so many bytes.
    Sized {
        /// What is allowed beside letters and digits.
        others: &'static str,
        /// Fewest.
        shortest: usize,
        /// Most.
        longest: usize,
    },
    /// Exactly one of these texts.
    OneOf(&'static [&'static str]),
    /// A decimal number without sign or leading zero.
    Integer {
        /// Smallest.
        least: u32,
        /// Largest.
        most: u32,
    },
    /// `8-4-4-4-12` hexadecimal digits.
    Uuid,
    /// A fully qualified domain name: at least two labels, no trailing dot, no address.
    Host,
    /// `https://`, a host, perhaps a port and a path; no user, query, fragment or trailing slash.
    HttpsUrl,
    /// The same, with at most one trailing slash.
    HttpsUrlPerhapsSlash,
    /// The same, as bare origin below this suffix (empty: any): no port, no path.
    HttpsOrigin {
        /// With its leading dot, for example `.my.salesforce.com`.
        suffix: &'static str,
    },
    /// A private or public key in PEM, or its base64 body without the markers; line breaks allowed.
    Pem,
    /// `vN.N`, at least this one.
    ApiVersion {
        /// The lowest major version.
        least: u32,
    },
    /// `YYYY-MM-DD`.
    Date,
}

impl Pattern {
    /// A shape and its words, which end the sentence "must be …".
    pub const fn new(shape: Shape, expected: &'static str) -> Self {
        Self { shape, expected }
    }

    /// Any text of one line.
    pub const LINE: Self =
        Self::new(Shape::Line, "one line of text without control characters and without blanks around it");
    /// A secret that partners make.
    pub const TOKEN: Self = Self::new(Shape::Token, "printable ASCII without blanks");
    /// An identifier.
    pub const WORD: Self = Self::new(Shape::Word { others: "-_." }, "made of letters, digits, '-', '_' and '.'");
    /// A UUID.
    pub const UUID: Self = Self::new(Shape::Uuid, "a UUID");
    /// A host name.
    pub const HOST: Self = Self::new(Shape::Host, "a fully qualified host name, without scheme, port or trailing dot");
    /// A TCP port.
    pub const PORT: Self = Self::new(Shape::Integer { least: 1, most: 65_535 }, "a port number");
    /// An https address.
    pub const HTTPS_URL: Self =
        Self::new(Shape::HttpsUrl, "an https:// address without user, query, fragment or trailing slash");
    /// A key in PEM.
    pub const PEM: Self = Self::new(Shape::Pem, "a key in PEM, with or without its BEGIN and END lines");

    /// Whether it takes any line, as a name does that people choose. What a partner numbers its things with is narrower.
    pub fn is_any_line(&self) -> bool {
        matches!(self.shape, Shape::Line)
    }

    /// Whether the text has this shape.
    pub fn accepts(&self, text: &str) -> bool {
        self.shape.accepts(text)
    }
}

impl Shape {
    /// Whether the text has this shape. The empty text has none.
    pub fn accepts(&self, text: &str) -> bool {
        match *self {
            Self::Line => !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control),
            Self::Token => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()),
            Self::Word { others } => !text.is_empty() && text.chars().all(|c| word(c, others)),
            Self::Hex { shortest, longest } => {
                (shortest..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            Self::Prefixed { prefixes, rest } => {
                prefixes.iter().filter_map(|prefix| text.strip_prefix(prefix)).any(|rest_of| rest.accepts(rest_of))
            }
            Self::Sized { others, shortest, longest } => {
                (shortest..=longest).contains(&text.len()) && text.chars().all(|c| word(c, others))
            }
            Self::OneOf(texts) => texts.contains(&text),
            Self::Integer { least, most } => number(text).is_some_and(|number| (least..=most).contains(&number)),
            Self::Uuid => uuid(text),
            Self::Host => host(text),
            Self::HttpsUrl => text.strip_prefix("https://").is_some_and(authority_and_path),
            Self::HttpsUrlPerhapsSlash => Self::HttpsUrl.accepts(text.strip_suffix('/').unwrap_or(text)),
            Self::HttpsOrigin { suffix } => text
                .strip_prefix("https://")
                .is_some_and(|name| host(name) && name.to_ascii_lowercase().ends_with(suffix)),
            Self::Pem => pem(text),
            Self::ApiVersion { least } => text
                .strip_prefix('v')
                .and_then(|version| version.split_once('.'))
                .is_some_and(|(major, minor)| number(major).is_some_and(|m| m >= least) && number(minor).is_some()),
            Self::Date => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        }
    }
}

fn word(character: char, others: &str) -> bool {
    character.is_ascii_alphanumeric() || others.contains(character)
}

/// A decimal number as it is usually written: no sign, no leading zero.
fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || !text.starts_with('0');
    (plain && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// A name, never an address in any spelling: the last label must have a letter first and be longer than one.
fn host(text: &str) -> bool {
    let labels = || text.split('.');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let top = |label: &str| label.len() > 1 && label.starts_with(|c: char| c.is_ascii_alphabetic());
    text.len() <= 253 && labels().count() >= 2 && labels().all(label) && labels().next_back().is_some_and(top)
}

fn authority_and_path(text: &str) -> bool {
    let (authority, path) = match text.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (text, None),
    };
    let name = match authority.split_once(':') {
        Some((name, port)) if number(port).is_some_and(|port| (1..=65_535).contains(&port)) => name,
        Some(_) => return false,
        None => authority,
    };
    let segment = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.chars().all(|c| word(c, "-._~"))
    };
    host(name) && path.is_none_or(|path| path.split('/').all(segment))
}

fn pem(text: &str) -> bool {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let marker = |line: &str| line.starts_with("-----") && line.ends_with("-----") && line.len() > 10;
    let marker_text = |line: &str| line.trim_matches('-').chars().all(|c| word(c, " "));
    let body = |line: &str| line.chars().all(|c| word(c, "+/="));
    let markers = lines().filter(|line| marker(line)).count();
    let ends_marked = lines().next().is_some_and(marker) && lines().next_back().is_some_and(marker);
    let allowed = lines().all(|line| if marker(line) { marker_text(line) } else { body(line) });
    let control = text.chars().any(|c| c.is_control() && c != '\n' && c != '\r');
    !control && allowed && lines().any(|line| !marker(line)) && (markers == 0 || (markers == 2 && ends_marked))
}

#[cfg(test)]
mod tests;

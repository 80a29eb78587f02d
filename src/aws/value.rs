//! `SecretString` ↔ [`Value`]: a JSON object, one field each.
//!
//! Invariant: any text is a value or a fault without a byte of it; nothing panics. Equal values render to equal bytes,
//! on which AWS's idempotency of `ClientRequestToken` rests. Called by [`super::read`] and [`super::write`].
//!
//! Not parsed through `serde_json::Value`: that would leave copies of every text behind and round numbers, whose text
//! is the credential (`007` aside, `1.10` is not `1.1`).

use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::secret::{Sensitive, Value};
use serde::de::{Deserialize, IgnoredAny};
use serde_json::Deserializer;

/// The field that plain text becomes, where it is taken.
const PLAIN: &str = "value";

/// What becomes of a text that is no JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// The field `value`: for secrets that others keep (`observe`).
    Field,
    /// A fault: what we keep is an object.
    Refused,
}

/// Reads `text`. Strings are taken as they are, everything else as its JSON text, as it was written.
/// A field that is written twice has its last text, as with every JSON reader. Fault: `NotAnObject`.
pub(super) fn parse(text: &str, plain: Plain) -> Result<Value, Fault> {
    match (object(text), plain) {
        (Some(fields), _) => Ok(fields.into_iter().collect()),
        (None, Plain::Field) => Ok([(PLAIN.to_owned(), Sensitive::new(text.to_owned()))].into_iter().collect()),
        (None, Plain::Refused) => Err(Fault::new(Place::SecretsManager, FaultKind::Rejected, "NotAnObject")),
    }
}

/// Renders `value`. The SDK takes the text and does not zeroise it; we keep no copy.
pub(super) fn render(value: &Value) -> String {
    // Room for every escape but the rare `\u00XX`, so that growing does not leave copies on the heap.
    let room = value.iter().map(|(name, text)| 6 + 2 * (name.len() + text.expose().len())).sum::<usize>() + 2;
    let mut out = String::with_capacity(room);
    let mut before = '{';
    for (name, text) in value.iter() {
        out.push(before);
        quote(name, &mut out);
        out.push(':');
        quote(text.expose(), &mut out);
        before = ',';
    }
    if before == '{' {
        out.push(before);
    }
    out.push('}');
    out
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for each in text.chars() {
        match each {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
}

/// The fields of a JSON object, or nothing if the text is none.
fn object(text: &str) -> Option<Vec<(String, Sensitive)>> {
    // Whole and well formed first: then what follows only finds where each value begins and ends.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut rest = text.trim_start().strip_prefix('{')?.trim_start();
    let mut fields = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = next::<String>(rest)?;
        let (raw, after) = raw(after.trim_start().strip_prefix(':')?.trim_start())?;
        fields.push((name, text_of(raw)?));
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Some(fields)
}

fn text_of(raw: &str) -> Option<Sensitive> {
    if !raw.starts_with('"') {
        return Some(Sensitive::new(raw.to_owned()));
    }
    serde_json::from_str(raw).ok().map(Sensitive::new)
}

/// The JSON value at the beginning of `text`, as written, and what follows it.
fn raw(text: &str) -> Option<(&str, &str)> {
    let (_, after) = next::<IgnoredAny>(text)?;
    Some(text.split_at(text.len() - after.len()))
}

fn next<'a, T: Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str)> {
    let mut values = Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

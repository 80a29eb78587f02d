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

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn fields(text: &str) -> Vec<(String, String)> {
        let value = parse(text, Plain::Refused).unwrap();
        value.iter().map(|(name, text)| (name.to_owned(), text.expose().to_owned())).collect()
    }

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn strings_are_taken_as_they_are_and_the_rest_as_it_was_written() {
        let text = r#" { "a" : "x\"\u00e9\n", "b":1.10,"c":true, "d":null ,"e":{"f": [1, "}"]},"g":123456789012345678901234567890 } "#;
        let expected = [
            pair("a", "x\"é\n"),
            pair("b", "1.10"),
            pair("c", "true"),
            pair("d", "null"),
            pair("e", r#"{"f": [1, "}"]}"#),
            pair("g", "123456789012345678901234567890"),
        ];
        assert_eq!(fields(text), expected);
        assert_eq!(fields("{}"), []);
    }

    #[test]
    fn what_is_no_object_is_the_field_value_where_it_is_observed_and_a_fault_elsewhere() {
        for text in ["hunter2", "", "\"quoted\"", "12", "[1]", "{\"a\":1", "{\"a\":1} trailing", "{\"a\":\"\\ud800\"}"]
        {
            let observed = parse(text, Plain::Field).unwrap();
            assert_eq!(observed.names().collect::<Vec<_>>(), ["value"]);
            assert_eq!(observed.get("value").unwrap().expose(), text);
            let fault = parse(text, Plain::Refused).unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Rejected, "NotAnObject"));
        }
    }

    #[test]
    fn what_is_rendered_is_read_as_the_same_and_renders_to_the_same_bytes() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..500 {
            let mut text = || (0..random.random_range(0..12)).map(|_| random.random::<char>()).collect::<String>();
            let value: Value = (0..4).map(|n| (format!("{}{n}", text()), Sensitive::new(text()))).collect();
            let rendered = render(&value);
            let read = parse(&rendered, Plain::Refused).unwrap();
            assert!(read.same(&value));
            assert_eq!(render(&read), rendered);
            assert!(serde_json::from_str::<serde_json::Value>(&rendered).is_ok());
        }
        assert_eq!(render(&Value::from_iter([])), "{}");
        assert!(
            parse(
                &render(&[("\u{1}".to_owned(), Sensitive::new("\u{1f}\"\\".to_owned()))].into_iter().collect()),
                Plain::Refused
            )
            .is_ok()
        );
    }

    /// Whatever text there is, it is a value or a fault, and it is an object exactly if another reader says so.
    #[test]
    fn any_text_is_a_value_or_a_fault() {
        let mut random = StdRng::seed_from_u64(11);
        let parts = [
            "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "1", "-", "1e9", "true", "null", " ", "\\",
            "\\u00e9", "é", "\u{0}", "{}",
        ];
        let mut objects = 0;
        for _ in 0..50_000 {
            let length = random.random_range(0..10);
            let mut text: String = (0..length).map(|_| parts[random.random_range(0..parts.len())]).collect();
            if random.random_bool(0.5) {
                text = format!("{{\"k\":{text}}}");
            }
            let object = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|read| read.is_object());
            assert_eq!(parse(&text, Plain::Refused).is_ok(), object, "{text}");
            assert!(parse(&text, Plain::Field).is_ok());
            objects += usize::from(object);
        }
        assert!(objects > 500, "the texts hardly reach objects: {objects}");
    }

    #[test]
    fn deep_nesting_is_no_stack_overflow() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        assert!(parse(&deep, Plain::Refused).is_ok());
    }
}

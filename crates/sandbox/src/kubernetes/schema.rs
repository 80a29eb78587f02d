//! Structural schemas: what is pruned, defaulted and refused.
//!
//! Rules in CEL (`x-kubernetes-validations`) are not judged: there is no interpreter in this tree. Called by `write`.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::shape::{duplicates, field};
use super::status::Cause;

/// Takes out what the schema does not have, and nulls where none may be. Gives the places of what was unknown.
pub(super) fn prune(value: &mut Value, schema: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_below(value, schema, "", &mut unknown);
    unknown
}

fn prune_below(value: &mut Value, schema: &Value, path: &str, unknown: &mut Vec<String>) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match value {
        Value::Object(map) => {
            map.retain(|name, value| {
                let known = field(schema, name);
                let declared = known.is_object() || (known == true);
                if !declared && !open {
                    unknown.push(join(path, name));
                    return false;
                }
                open || !value.is_null() || known["nullable"] == true
            });
            for (name, value) in map {
                prune_below(value, field(schema, name), &join(path, name), unknown);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                prune_below(item, &schema["items"], &format!("{path}[{at}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Puts defaults where nothing is.
pub(super) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, known) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = known.get("default").filter(|_| !map.contains_key(name)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in map {
                default(value, field(schema, name));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| default(item, &schema["items"])),
        _ => {}
    }
}

/// What is wrong with the value.
pub(super) fn faults(value: &Value, schema: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(value, schema, "", &mut causes);
    causes
}

/// The reason of a value of a wrong type.
pub(super) const WRONG_TYPE: &str = "FieldValueTypeInvalid";

fn check(value: &Value, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = wrong_type(value, schema) {
        let message = format!("Invalid value: \"{}\": must be of type {wanted}", type_of(value));
        causes.push(Cause::new(WRONG_TYPE, path, message));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
        causes.push(Cause::new("FieldValueNotSupported", path, message));
    }
    match value {
        Value::String(text) => check_text(text, schema, path, causes),
        Value::Number(number) => check_number(number.as_f64().unwrap_or_default(), schema, path, causes),
        Value::Array(items) => check_items(value, items, schema, path, causes),
        Value::Object(map) => check_fields(map, schema, path, causes),
        Value::Null | Value::Bool(_) => {}
    }
}

fn wrong_type<'a>(value: &Value, schema: &'a Value) -> Option<&'a str> {
    let wanted = schema["type"].as_str()?;
    let right = match wanted {
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        wanted => type_of(value) == wanted,
    };
    (!right).then_some(wanted)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_text(text: &str, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count() as u64;
    if let Some(longest) = count(schema, "maxLength").filter(|longest| length > *longest) {
        causes.push(Cause::new("FieldValueTooLong", path, format!("Too long: may not be more than {longest} bytes")));
    }
    if let Some(shortest) = count(schema, "minLength").filter(|shortest| length < *shortest) {
        let message = format!("Invalid value: \"{text}\": should be at least {shortest} chars long");
        causes.push(Cause::invalid(path, message));
    }
    let unlike = |pattern: &&str| !regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
    if let Some(pattern) = schema["pattern"].as_str().filter(unlike) {
        causes.push(Cause::invalid(path, format!("Invalid value: \"{text}\": should match '{pattern}'")));
    }
    if schema["format"] == "date-time" && text.parse::<Timestamp>().is_err() {
        causes.push(Cause::invalid(path, format!("Invalid value: \"{text}\": must be of type date-time")));
    }
}

fn check_number(number: f64, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        let message = format!("Invalid value: {number}: should be greater than or equal to {least}");
        causes.push(Cause::invalid(path, message));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        causes.push(Cause::invalid(path, format!("Invalid value: {number}: should be less than or equal to {most}")));
    }
}

fn check_items(value: &Value, items: &[Value], schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let many = items.len() as u64;
    if let Some(most) = count(schema, "maxItems").filter(|most| many > *most) {
        let message = format!("Too many: {many}: must have at most {most} items");
        causes.push(Cause::new("FieldValueTooMany", path, message));
    }
    if let Some(least) = count(schema, "minItems").filter(|least| many < *least) {
        causes.push(Cause::invalid(path, format!("Invalid value: {many}: should have at least {least} items")));
    }
    for at in duplicates(value, schema) {
        causes.push(Cause::new("FieldValueDuplicate", format!("{path}[{at}]"), "Duplicate value"));
    }
    for (at, item) in items.iter().enumerate() {
        check(item, &schema["items"], &format!("{path}[{at}]"), causes);
    }
}

fn check_fields(map: &Map<String, Value>, schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let many = map.len() as u64;
    if let Some(most) = count(schema, "maxProperties").filter(|most| many > *most) {
        let message = format!("Too many: {many}: must have at most {most} items");
        causes.push(Cause::new("FieldValueTooMany", path, message));
    }
    if let Some(least) = count(schema, "minProperties").filter(|least| many < *least) {
        causes.push(Cause::invalid(path, format!("Invalid value: {many}: should have at least {least} properties")));
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !map.contains_key(*name)) {
        causes.push(Cause::required(join(path, name), "Required value"));
    }
    for (name, value) in map {
        let known = field(schema, name);
        let place = if schema["properties"][name].is_null() { format!("{path}[{name}]") } else { join(path, name) };
        check(value, known, &place, causes);
    }
}

/// A bound, which a generator may have written as `255.0`.
fn count(schema: &Value, bound: &str) -> Option<u64> {
    schema[bound].as_u64().or_else(|| schema[bound].as_f64().map(|bound| bound as u64))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unknown_is_pruned_and_what_is_missing_gets_its_default() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string", "default": "x"},
            "b": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {"type": "string"}}}},
            "d": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }});
        let mut value = json!({"a": null, "b": {"k": {"c": "1", "e": 2}}, "d": {"f": 1}, "g": 1});
        assert_eq!(prune(&mut value, &schema), ["g", "b.k.e"]);
        default(&mut value, &schema);
        assert_eq!(value, json!({"a": "x", "b": {"k": {"c": "1"}}, "d": {"f": 1}}));
    }

    #[test]
    fn each_fault_names_its_field_and_reason() {
        let schema = json!({"type": "object", "required": ["r"], "properties": {
            "r": {}, "t": {"type": "string", "maxLength": 2, "pattern": "^a"}, "e": {"type": "string", "enum": ["A"]},
            "n": {"type": "integer", "minimum": 1.0}, "time": {"type": "string", "format": "date-time"},
            "s": {"type": "array", "x-kubernetes-list-type": "set", "maxItems": 1, "items": {"type": "string"}},
        }});
        let value = json!({"t": "bcd", "e": "B", "n": 0, "time": "noon", "s": ["x", "x", 3]});
        let found: Vec<(&str, String)> =
            faults(&value, &schema).into_iter().map(|cause| (cause.reason, cause.field)).collect();
        for wanted in [
            ("FieldValueRequired", "r"),
            ("FieldValueTooLong", "t"),
            ("FieldValueInvalid", "t"),
            ("FieldValueNotSupported", "e"),
            ("FieldValueInvalid", "n"),
            ("FieldValueInvalid", "time"),
            ("FieldValueTooMany", "s"),
            ("FieldValueDuplicate", "s[1]"),
            (WRONG_TYPE, "s[2]"),
        ] {
            assert!(found.contains(&(wanted.0, wanted.1.to_owned())), "{wanted:?} in {found:?}");
        }
    }
}

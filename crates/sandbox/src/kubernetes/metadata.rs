//! `ObjectMeta`: what the server keeps, what a writer may say, and names.
//!
//! Called by `write`.

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::status::Cause;

/// All annotations of an object together, in bytes.
const LONGEST_ANNOTATIONS: usize = 256 * 1024;

/// What only the server sets, taken from the object as it is.
const KEPT: [&str; 5] =
    ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace"];

/// A text of the metadata; empty if it is missing.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"][name].as_str().unwrap_or_default()
}

/// The metadata, which every object here has.
pub(super) fn fields(object: &mut Value) -> &mut Map<String, Value> {
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    match metadata {
        Value::Object(map) => map,
        // Made an object just above.
        _ => unreachable!(),
    }
}

/// The finalizers.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether somebody deleted it.
pub(super) fn is_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// Keeps in `after` what no write changes. Gives what it tried to.
pub(super) fn inherit(before: &Value, after: &mut Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let uid = text(after, "uid").to_owned();
    if !uid.is_empty() && uid != text(before, "uid") {
        causes.push(Cause::invalid("metadata.uid", format!("Invalid value: \"{uid}\": field is immutable")));
    }
    if is_deleted(before) {
        let old = finalizers(before);
        let new: Vec<&str> = finalizers(after).into_iter().filter(|each| !old.contains(each)).collect();
        if !new.is_empty() {
            let why = format!(
                "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {new:?}"
            );
            causes.push(Cause::forbidden("metadata.finalizers", why));
        }
    }
    let metadata = fields(after);
    metadata.insert("uid".to_owned(), before["metadata"]["uid"].clone());
    for name in KEPT {
        match before["metadata"].get(name) {
            Some(value) => metadata.insert(name.to_owned(), value.clone()),
            None => metadata.remove(name),
        };
    }
    causes
}

/// What is wrong with names, labels, annotations and owners.
pub(super) fn faults(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(object, "name");
    let valid = if kind.kind == "Namespace" { is_label(name) } else { is_subdomain(name) };
    if !valid {
        let why = format!(
            "Invalid value: \"{name}\": a lowercase RFC 1123 name must consist of lower case alphanumeric characters, '-' or '.'"
        );
        causes.push(Cause::invalid("metadata.name", why));
    }
    let map = |name: &str| object["metadata"][name].as_object().into_iter().flatten();
    for (key, value) in map("labels") {
        let value = value.as_str().unwrap_or_default();
        if !is_qualified(key) {
            causes
                .push(Cause::invalid("metadata.labels", format!("Invalid value: \"{key}\": name part must be valid")));
        }
        if !is_label_value(value) {
            causes.push(Cause::invalid("metadata.labels", format!("Invalid value: \"{value}\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'")));
        }
    }
    let mut size = 0;
    for (key, value) in map("annotations") {
        size += key.len() + value.as_str().unwrap_or_default().len();
        if !is_qualified(&key.to_lowercase()) {
            let why = format!("Invalid value: \"{key}\": name part must be valid");
            causes.push(Cause::invalid("metadata.annotations", why));
        }
    }
    if size > LONGEST_ANNOTATIONS {
        let why = format!("Too long: may not be more than {LONGEST_ANNOTATIONS} bytes");
        causes.push(Cause::new("FieldValueTooLong", "metadata.annotations", why));
    }
    for finalizer in finalizers(object).into_iter().filter(|each| !is_qualified(each)) {
        let why = format!("Invalid value: \"{finalizer}\": name part must be valid");
        causes.push(Cause::invalid("metadata.finalizers", why));
    }
    causes.extend(owners(object));
    causes
}

fn owners(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut controllers = 0;
    for (at, owner) in object["metadata"]["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                let place = format!("metadata.ownerReferences[{at}].{field}");
                causes.push(Cause::invalid(place, "Invalid value: \"\": must not be empty"));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let why = "Invalid value: Only one reference can have Controller set to true";
        causes.push(Cause::invalid("metadata.ownerReferences", why));
    }
    causes
}

/// `example.com/name` or `name`.
fn is_qualified(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63 && value.bytes().all(inner) && ends(value.bytes().next()) && ends(value.bytes().last())
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

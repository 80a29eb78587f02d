//! The rules of Secrets: `stringData`, types and their keys, immutability, size.
//!
//! Called by `write`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::status::{Answered, Cause, Refusal};

/// All values of a Secret together, in bytes.
const LONGEST: usize = 1024 * 1024;

/// The keys that a type wants.
const WANTED: [(&str, &[&str]); 3] = [
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

/// As a Secret is stored: `stringData` in `data`, a type. Refuses what is no base64.
pub(super) fn normalise(secret: &mut Value) -> Answered<()> {
    let Some(fields) = secret.as_object_mut() else { return Ok(()) };
    let texts = fields.remove("stringData");
    if let Some(Value::Object(texts)) = texts
        && !texts.is_empty()
    {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        for (key, text) in texts {
            data[key] = json!(STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    }
    if fields.get("type").and_then(Value::as_str).is_none_or(str::is_empty) {
        fields.insert("type".to_owned(), json!("Opaque"));
    }
    let data = fields.get("data").and_then(Value::as_object).into_iter().flatten();
    match data.map(|(_, value)| STANDARD.decode(value.as_str().unwrap_or_default())).find_map(Result::err) {
        Some(error) => {
            Err(Refusal::bad_request(format!("Secret in version \"v1\" cannot be handled as a Secret: {error}")))
        }
        None => Ok(()),
    }
}

/// What is wrong with the Secret, as made of `before`.
pub(super) fn faults(before: Option<&Value>, secret: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let data = secret["data"].as_object();
    let mut size = 0;
    for (key, value) in data.into_iter().flatten() {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if key.is_empty() || key.len() > 253 || !key.bytes().all(named) || [".", ".."].contains(&key.as_str()) {
            let why = format!(
                "Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
            );
            causes.push(Cause::invalid(format!("data[{key}]"), why));
        }
        size += STANDARD.decode(value.as_str().unwrap_or_default()).map_or(0, |bytes| bytes.len());
    }
    if size > LONGEST {
        causes.push(Cause::new("FieldValueTooLong", "data", format!("Too long: may not be more than {LONGEST} bytes")));
    }
    let has = |key: &str| data.is_some_and(|data| data.contains_key(key));
    let wanted = WANTED.iter().find(|(type_, _)| secret["type"] == *type_);
    for key in wanted.into_iter().flat_map(|(_, keys)| *keys).filter(|key| !has(key)) {
        causes.push(Cause::required(format!("data[{key}]"), "Required value"));
    }
    if secret["type"] == "kubernetes.io/basic-auth" && !has("username") && !has("password") {
        causes.push(Cause::required("data[username]", "Required value"));
        causes.push(Cause::required("data[password]", "Required value"));
    }
    causes.extend(before.into_iter().flat_map(|before| changed(before, secret)));
    causes
}

fn changed(before: &Value, after: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if before["type"] != after["type"] {
        causes.push(Cause::invalid("type", format!("Invalid value: {}: field is immutable", after["type"])));
    }
    if before["immutable"] == true {
        let why = "Forbidden: field is immutable when `immutable` is set";
        if after["immutable"] != true {
            causes.push(Cause::forbidden("immutable", why));
        }
        let data = |secret: &Value| secret["data"].as_object().cloned().unwrap_or_default();
        if data(before) != data(after) {
            causes.push(Cause::forbidden("data", why));
        }
    }
    causes
}

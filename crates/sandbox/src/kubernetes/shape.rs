//! Objects as trees of fields: which lists are sets or maps, what an object sets, what two differ in, how one is merged
//! onto another.
//!
//! The list and map types come from the schema's `x-kubernetes-list-type`, `-list-map-keys` and `-map-type`; a list of
//! no type is one value. After `structured-merge-diff`. Called by `ownership` and `schema`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Fields, Path};

/// What two objects differ in. A container that is new or gone counts as well as what is in it.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) added: Fields,
    pub(super) modified: Fields,
    pub(super) removed: Fields,
}

/// How a value is taken apart.
enum Parts<'a> {
    /// Not at all.
    One,
    Fields(&'a Map<String, Value>),
    /// Items by their step.
    Items(Vec<(String, &'a Value)>),
}

/// The schema of a field.
pub(super) fn field<'a>(schema: &'a Value, name: &str) -> &'a Value {
    match &schema["properties"][name] {
        Value::Null => &schema["additionalProperties"],
        known => known,
    }
}

fn parts<'a>(value: &'a Value, schema: &Value) -> Parts<'a> {
    match value {
        Value::Object(map) if schema["x-kubernetes-map-type"] != "atomic" => Parts::Fields(map),
        Value::Array(items) => match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Parts::Items(items.iter().map(|item| (format!("v:{item}"), item)).collect()),
            Some("map") => Parts::Items(items.iter().map(|item| (key(item, schema), item)).collect()),
            _ => Parts::One,
        },
        _ => Parts::One,
    }
}

/// `k:{"uid":"…"}`
fn key(item: &Value, schema: &Value) -> String {
    let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let keys: BTreeMap<&str, &Value> = names
        .map(|name| match &item[name] {
            Value::Null => (name, &schema["items"]["properties"][name]["default"]),
            value => (name, value),
        })
        .collect();
    format!("k:{}", serde_json::to_string(&keys).unwrap_or_default())
}

fn below<'a>(schema: &'a Value, step: &str) -> &'a Value {
    match step.strip_prefix("f:") {
        Some(name) => field(schema, name),
        None => &schema["items"],
    }
}

/// The steps of a set or map that occur twice.
pub(super) fn duplicates(value: &Value, schema: &Value) -> Vec<usize> {
    let Parts::Items(items) = parts(value, schema) else { return Vec::new() };
    let seen = |at: usize| items[..at].iter().any(|(step, _)| *step == items[at].0);
    (0..items.len()).filter(|at| seen(*at)).collect()
}

/// What an applied object sets.
pub(super) fn set_by(value: &Value, schema: &Value) -> Fields {
    let mut fields = Fields::default();
    collect(value, schema, &mut Vec::new(), &mut fields);
    fields
}

fn collect(value: &Value, schema: &Value, path: &mut Path, fields: &mut Fields) {
    match parts(value, schema) {
        Parts::One => {
            fields.0.insert(path.clone());
        }
        Parts::Fields(map) => {
            for (name, value) in map {
                path.push(format!("f:{name}"));
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                if empty || schema["properties"][name].is_null() {
                    fields.0.insert(path.clone());
                }
                collect(value, field(schema, name), path, fields);
                path.pop();
            }
        }
        Parts::Items(items) => {
            let set = schema["x-kubernetes-list-type"] == "set";
            for (step, item) in items {
                path.push(step);
                fields.0.insert(path.clone());
                if !set {
                    collect(item, &schema["items"], path, fields);
                }
                path.pop();
            }
        }
    }
}

/// What `after` differs from `before` in.
pub(super) fn difference(before: &Value, after: &Value, schema: &Value) -> Difference {
    let mut found = Difference::default();
    compare(Some(before), Some(after), schema, &mut Vec::new(), &mut found);
    found
}

fn compare(before: Option<&Value>, after: Option<&Value>, schema: &Value, path: &mut Path, found: &mut Difference) {
    let (before, after) = (before.filter(|value| !value.is_null()), after.filter(|value| !value.is_null()));
    let sides = (children(before, schema), children(after, schema));
    match sides {
        (Some(old), Some(new)) => {
            for step in old.keys().chain(new.keys().filter(|step| !old.contains_key(*step))) {
                path.push(step.clone());
                let (old, new) = (old.get(step).copied(), new.get(step).copied());
                compare(old, new, below(schema, step), path, found);
                path.pop();
            }
        }
        // A container against a plain value: changed as a whole.
        _ if before.is_some() && after.is_some() && before != after => {
            found.modified.0.insert(path.clone());
        }
        _ => {}
    }
    match (before, after) {
        (None, Some(_)) => found.added.0.insert(path.clone()),
        (Some(_), None) => found.removed.0.insert(path.clone()),
        _ => false,
    };
}

/// The parts by step; of a missing value none, so that all of the other side counts. `None`: it is one value.
fn children<'a>(value: Option<&'a Value>, schema: &Value) -> Option<BTreeMap<String, &'a Value>> {
    let Some(value) = value else { return Some(BTreeMap::new()) };
    match parts(value, schema) {
        Parts::One => None,
        Parts::Fields(map) => Some(map.iter().map(|(name, value)| (format!("f:{name}"), value)).collect()),
        Parts::Items(items) => Some(items.into_iter().collect()),
    }
}

/// `applied` merged onto `live`: fields and items that it does not name stay.
pub(super) fn merge(live: &Value, applied: &Value, schema: &Value) -> Value {
    match (live, applied) {
        (Value::Object(old), Value::Object(new)) if schema["x-kubernetes-map-type"] != "atomic" => {
            let mut merged = old.clone();
            for (name, value) in new {
                let whole = match old.get(name) {
                    Some(old) => merge(old, value, field(schema, name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), whole);
            }
            Value::Object(merged)
        }
        (Value::Array(old), Value::Array(new)) => {
            let (Parts::Items(olds), Parts::Items(news)) = (parts(live, schema), parts(applied, schema)) else {
                return applied.clone();
            };
            let mut merged = old.clone();
            for ((step, value), whole) in news.iter().zip(new) {
                match olds.iter().position(|(each, _)| each == step) {
                    Some(at) => merged[at] = merge(&old[at], value, &schema["items"]),
                    None => merged.push(whole.clone()),
                }
            }
            Value::Array(merged)
        }
        _ => applied.clone(),
    }
}

/// Takes a place out of an object, and what is empty for it.
pub(super) fn remove(value: &mut Value, path: &[String], schema: &Value) {
    let Some((step, rest)) = path.split_first() else { return };
    if let Some(name) = step.strip_prefix("f:") {
        let Some(map) = value.as_object_mut() else { return };
        let Some(inner) = map.get_mut(name) else { return };
        if !rest.is_empty() {
            remove(inner, rest, field(schema, name));
        }
        let empty = inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty);
        if rest.is_empty() || empty {
            map.remove(name);
        }
        return;
    }
    let at = match parts(value, schema) {
        Parts::Items(items) => items.iter().position(|(each, _)| each == step),
        _ => None,
    };
    let (Some(at), Some(items)) = (at, value.as_array_mut()) else { return };
    if rest.is_empty() {
        items.remove(at);
    } else {
        remove(&mut items[at], rest, &schema["items"]);
    }
}

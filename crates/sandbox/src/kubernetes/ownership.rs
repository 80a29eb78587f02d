//! Who owns which field: `metadata.managedFields`, kept by every write, and the merge of server-side apply.
//!
//! Invariant: after a write the writer owns what it set or changed; what another manager owned and lost a conflict over
//! or saw removed, it owns no more. An apply that gives a field up removes it, unless somebody else owns it. After
//! `structured-merge-diff` (`merge.Updater`) and apiserver's `fieldmanager`. Called by `write`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fields::{Fields, Path, shown};
use super::shape;
use super::status::Cause;

/// Who writes, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    /// `Apply` or `Update`.
    pub(super) operation: String,
    pub(super) name: String,
    pub(super) api_version: String,
    pub(super) subresource: String,
}

type Owners = BTreeMap<Manager, (Fields, String)>;

/// What no manager owns: the server's own.
const UNOWNED: [&str; 9] = [
    "f:name",
    "f:namespace",
    "f:creationTimestamp",
    "f:selfLink",
    "f:uid",
    "f:generation",
    "f:managedFields",
    "f:resourceVersion",
    "f:deletionTimestamp",
];

/// Which fields the endpoint can write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All there is: the kind has no status of its own.
    Everything,
    AllButStatus,
    Status,
}

impl Scope {
    fn keeps(self, path: &Path) -> bool {
        let status = path.first().is_some_and(|first| first == "f:status");
        match self {
            Self::Everything => true,
            Self::AllButStatus => !status,
            Self::Status => status,
        }
    }

    fn owned(self, fields: Fields) -> Fields {
        let servers = |path: &Path| match path.as_slice() {
            [] => true,
            [first] => ["f:apiVersion", "f:kind", "f:metadata"].contains(&first.as_str()),
            [first, second] => first == "f:metadata" && UNOWNED.contains(&second.as_str()),
            _ => path[0] == "f:metadata" && path[1] == "f:managedFields",
        };
        Fields(fields.0.into_iter().filter(|path| self.keeps(path) && !servers(path)).collect())
    }
}

/// Notes in `after` that `manager` made it of `before` by a write that is no apply.
pub(super) fn update(
    before: &Value,
    after: &mut Value,
    schema: &Value,
    scope: Scope,
    manager: Manager,
    now: Timestamp,
) {
    let difference = shape::difference(before, after, schema);
    let touched = scope.owned(difference.added.or(&difference.modified));
    let mut owners = read(before);
    for (fields, _) in owners.values_mut() {
        *fields = fields.minus(&touched).minus(&difference.removed);
    }
    if !touched.is_empty() {
        let own = owners.entry(manager).or_default();
        *own = (own.0.or(&touched), second(now));
    }
    write(after, owners);
}

/// What an apply makes of `live`: the object with its owners. `Err`: others own what it would change.
pub(super) fn apply(
    live: &Value,
    applied: &Value,
    schema: &Value,
    scope: Scope,
    (manager, force): (Manager, bool),
    now: Timestamp,
) -> Result<Value, Vec<Cause>> {
    let mut merged = shape::merge(live, applied, schema);
    let before = read(live);
    let mut owners = before.clone();
    let set = scope.owned(shape::set_by(applied, schema));
    let last = owners.get(&manager).cloned();
    let time = last.as_ref().map_or_else(|| second(now), |(_, time)| time.clone());
    owners.insert(manager.clone(), (set.clone(), time));
    if let Some((last, _)) = &last {
        give_up(&mut merged, last, &owners, schema);
    }

    let difference = shape::difference(live, &merged, schema);
    let touched = scope.owned(difference.added.or(&difference.modified));
    let others = owners.iter().filter(|(other, _)| **other != manager);
    let conflicts: Vec<(Manager, String, Fields)> = others
        .map(|(other, (fields, time))| (other.clone(), time.clone(), fields.and(&touched)))
        .filter(|(.., fields)| !fields.is_empty())
        .collect();
    if !force && !conflicts.is_empty() {
        return Err(conflicts.iter().flat_map(causes).collect());
    }
    for (other, (fields, _)) in &mut owners {
        if *other != manager {
            *fields = fields.minus(&touched);
        }
        *fields = fields.minus(&difference.removed);
    }
    let same = touched.is_empty() && scope.owned(difference.removed).is_empty();
    if !same || last.map(|(last, _)| last) != Some(set) {
        if let Some((_, time)) = owners.get_mut(&manager) {
            *time = second(now);
        }
    }
    write(&mut merged, owners);
    Ok(merged)
}

/// Takes out of `merged` what was applied last time, and is set now by nobody.
fn give_up(merged: &mut Value, last: &Fields, owners: &Owners, schema: &Value) {
    let mut given_up: Vec<&Path> =
        last.0.iter().filter(|path| !owners.values().any(|(fields, _)| fields.reaches(path))).collect();
    // What is deeper first: a container goes with the last of its items.
    given_up.sort_by_key(|path| std::cmp::Reverse(path.len()));
    for path in given_up {
        shape::remove(merged, path, schema);
    }
}

fn causes((other, time, fields): &(Manager, String, Fields)) -> Vec<Cause> {
    let subresource = match other.subresource.as_str() {
        "" => String::new(),
        subresource => format!(" with subresource \"{subresource}\""),
    };
    let when = if other.operation == "Update" { format!(" at {time}") } else { String::new() };
    let message = format!("conflict with \"{}\"{subresource} using {}{when}", other.name, other.api_version);
    fields.0.iter().map(|path| Cause::new("FieldManagerConflict", shown(path), message.clone())).collect()
}

fn read(object: &Value) -> Owners {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    entries
        .map(|entry| {
            let manager = Manager {
                operation: text(entry, "operation"),
                name: text(entry, "manager"),
                api_version: text(entry, "apiVersion"),
                subresource: text(entry, "subresource"),
            };
            (manager, (Fields::read(&entry["fieldsV1"]), text(entry, "time")))
        })
        .collect()
}

/// In the real one's order: applies first, then by time, then by name.
fn write(object: &mut Value, owners: Owners) {
    let mut entries: Vec<(Manager, (Fields, String))> =
        owners.into_iter().filter(|(_, (fields, _))| !fields.is_empty()).collect();
    entries.sort_by(|(one, (_, first)), (other, (_, second))| {
        (&one.operation, first, &one.name, &one.api_version, &one.subresource).cmp(&(
            &other.operation,
            second,
            &other.name,
            &other.api_version,
            &other.subresource,
        ))
    });
    let written: Vec<Value> = entries
        .into_iter()
        .map(|(manager, (fields, time))| {
            let mut entry = json!({
                "manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version,
                "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields.written(),
            });
            if !manager.subresource.is_empty() {
                entry["subresource"] = json!(manager.subresource);
            }
            entry
        })
        .collect();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if !written.is_empty() {
            metadata.insert("managedFields".to_owned(), Value::Array(written));
        }
    }
}

/// As all times of the API server are: to the second.
pub(super) fn second(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

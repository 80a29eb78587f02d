//! Sets of fields, as `managedFields` writes them.
//!
//! A step of a path is written as in `fieldsV1`: `f:name`, `k:{"uid":"…"}` for an item by its keys, `v:"…"` for an item
//! of a set. Called by `shape` and `ownership`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// A place in an object.
pub(super) type Path = Vec<String>;

/// Places in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(pub(super) BTreeSet<Path>);

impl Fields {
    /// From a `fieldsV1`.
    pub(super) fn read(written: &Value) -> Self {
        let mut fields = Self::default();
        read(written, &mut Vec::new(), &mut fields.0);
        fields
    }

    /// As `fieldsV1`.
    pub(super) fn written(&self) -> Value {
        let mut whole = json!({});
        for path in &self.0 {
            let mut node = &mut whole;
            for step in path {
                // Every node here is an object: made so above or just now.
                node = &mut node[step.as_str()];
                if node.is_null() {
                    *node = json!({});
                }
            }
        }
        mark(&mut whole, &mut Vec::new(), &self.0);
        whole
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    pub(super) fn or(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the place or one below it is among these.
    pub(super) fn reaches(&self, path: &[String]) -> bool {
        self.0.range(path.to_vec()..).next().is_some_and(|first| first.starts_with(path))
    }
}

/// `.data.user`, `.metadata.ownerReferences[uid="…"]`: as conflicts name it.
pub(super) fn shown(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        match step.split_once(':') {
            Some(("f", name)) => text.push_str(&format!(".{name}")),
            Some(("k", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                text.push_str(&format!("[{}]", keys.join(",")));
            }
            Some((_, value)) => text.push_str(&format!("[={value}]")),
            None => text.push_str(step),
        }
    }
    text
}

fn read(written: &Value, path: &mut Path, fields: &mut BTreeSet<Path>) {
    let Some(map) = written.as_object() else { return };
    if !path.is_empty() && (map.is_empty() || map.contains_key(".")) {
        fields.insert(path.clone());
    }
    for (step, below) in map.iter().filter(|(step, _)| *step != ".") {
        path.push(step.clone());
        read(below, path, fields);
        path.pop();
    }
}

/// A place that is meant itself and has others below it is marked with a dot.
fn mark(node: &mut Value, path: &mut Path, fields: &BTreeSet<Path>) {
    let Some(map) = node.as_object_mut() else { return };
    for (step, below) in map.iter_mut() {
        path.push(step.clone());
        mark(below, path, fields);
        path.pop();
    }
    if !map.is_empty() && fields.contains(path) {
        map.insert(".".to_owned(), json!({}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let written = json!({
            "f:data": {".": {}, "f:a.b": {}},
            "f:metadata": {"f:finalizers": {"v:\"x/y\"": {}}, "f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}},
        });
        let fields = Fields::read(&written);
        assert_eq!(fields.0.len(), 4);
        assert_eq!(fields.written(), written);
        let owner = ["f:metadata", "f:ownerReferences", "k:{\"uid\":\"u\"}"].map(str::to_owned);
        assert_eq!(shown(&owner), ".metadata.ownerReferences[uid=\"u\"]");
        assert!(fields.reaches(&owner[..2]) && !fields.reaches(&["f:met".to_owned()]));
    }
}

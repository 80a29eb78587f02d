//! Status patches: what changed, as a JSON merge patch.
//!
//! Invariant: a field that neither side names is not touched, so what a newer version of us wrote survives; equal sides
//! give no patch, so that status is written on change only. Called by `journal`, `namespace` and `status`.

use mes_core::fault::Fault;
use serde::Serialize;
use serde_json::{Map, Value};

use super::fault;

/// The merge patch that makes `after` of `before`; `None`: they are equal.
pub(super) fn difference(before: &impl Serialize, after: &impl Serialize) -> Result<Option<Value>, Fault> {
    let value = |side: Result<Value, serde_json::Error>| side.map_err(|_| fault::invalid("StatusInvalid"));
    let before = value(serde_json::to_value(before))?;
    let after = value(serde_json::to_value(after))?;
    Ok(changed(&before, &after))
}

fn changed(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let written = new.iter().filter_map(|(key, value)| match old.get(key) {
        Some(before) => Some((key.clone(), changed(before, value)?)),
        None => Some((key.clone(), value.clone())),
    });
    let patch: Map<String, Value> = removed.chain(written).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::changed;
    use serde_json::json;

    #[test]
    fn equal_sides_give_no_patch() {
        let side = json!({"a": [1, {"b": 2}], "c": {"d": null}});
        assert_eq!(changed(&side, &side), None);
    }

    #[test]
    fn what_is_gone_becomes_null_and_what_stays_is_not_named() {
        let before = json!({"phase": "Storing", "attempt": 1, "owed": [1], "map": {"x": 1, "y": 2}});
        let after = json!({"phase": "Verifying", "attempt": 1, "map": {"y": 3}});
        let patch = json!({"phase": "Verifying", "owed": null, "map": {"x": null, "y": 3}});
        assert_eq!(changed(&before, &after), Some(patch));
    }
}

//! The form of the table test: a manifest a row, what it says, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use crate::server::{create, object};

/// A manifest, and what the server is to make of it.
pub(crate) struct Row {
    says: &'static str,
    manifest: Value,
    then: Then,
}

/// What the server is to make of a manifest.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// It takes it, and drops none of its fields.
    Taken,
    /// It refuses it at this field, with a sentence that holds these words of the remedy.
    Refused(&'static str, &'static str),
}

/// A row of a kind of ours: `spec` in YAML, named `x`.
pub(crate) fn row(kind: &str, says: &'static str, spec: &str, then: Then) -> Row {
    Row { says, manifest: object(kind, "x", spec), then }
}

/// As [`row`], with metadata of its own.
pub(crate) fn named(kind: &str, says: &'static str, metadata: Value, spec: &str, then: Then) -> Row {
    let mut manifest = object(kind, "x", spec);
    manifest["metadata"] = metadata;
    Row { says, manifest, then }
}

/// Puts every row to the server, as `kubectl create --dry-run=server` does, and tells all that came out otherwise.
pub(crate) fn judge(rows: &[Row]) {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.says).collect();
    assert_eq!(names.len(), rows.len(), "two rows say the same");
    let wrong: Vec<String> = rows.iter().filter_map(wrongly).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
    println!("{} manifests", rows.len());
}

fn wrongly(row: &Row) -> Option<String> {
    let why = misjudged(&create(&row.manifest, true), row.then)?;
    Some(format!("{}: {why}\n{}", row.says, row.manifest))
}

/// All that the server has said in refusing, in this process.
pub(crate) fn refusals() -> String {
    REFUSALS.lock().unwrap().join("\n")
}

static REFUSALS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Why an answer of the server is not what was to come.
pub(crate) fn misjudged(answer: &Result<Value, String>, then: Then) -> Option<String> {
    if let Err(said) = answer {
        REFUSALS.lock().unwrap().push(said.clone());
    }
    match (answer, then) {
        (Ok(_), Then::Taken) => None,
        (Err(said), Then::Taken) => Some(format!("refused: {said}")),
        (Ok(_), Then::Refused(..)) => Some("taken".to_owned()),
        // A pattern is no sentence.
        (Err(said), _) if said.contains("in body should match") => Some(format!("refused by a pattern: {said}")),
        (Err(said), Then::Refused(field, remedy)) => {
            (!said.contains(field) || !said.contains(remedy)).then(|| format!("wants `{field}` and `{remedy}`: {said}"))
        }
    }
}

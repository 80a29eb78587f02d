//! The form of the table test: a manifest a row, what it says, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;

use crate::server::{said, server};

/// A manifest, and what the server is to make of it.
pub(crate) struct Row {
    says: &'static str,
    manifest: String,
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
    let namespace = if matches!(kind, "ManagedExternalSecret" | "Rotation") { ", namespace: payments" } else { "" };
    named(kind, says, &format!("{{name: x{namespace}}}"), spec, then)
}

/// As [`row`], with the metadata too.
pub(crate) fn named(kind: &str, says: &'static str, metadata: &str, spec: &str, then: Then) -> Row {
    let manifest =
        format!("apiVersion: managed-secrets.io/v1alpha1\nkind: {kind}\nmetadata: {metadata}\nspec: {}\n", spec.trim());
    Row { says, manifest, then }
}

/// Puts every row to the server, as `kubectl create --dry-run=server` does, and tells all that came out otherwise.
pub(crate) fn judge(rows: &[Row]) {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.says).collect();
    assert_eq!(names.len(), rows.len(), "two rows say the same");
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(4)) {
            scope.spawn(|| part.iter().filter_map(wrongly).for_each(|why| wrong.lock().unwrap().push(why)));
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

fn wrongly(row: &Row) -> Option<String> {
    let output = server().kubectl_with(["create", "--dry-run=server", "-f", "-"], &row.manifest).unwrap();
    let why = misjudged(output.status.success(), &said(&output), row.then)?;
    Some(format!("{}: {why}\n{}", row.says, row.manifest))
}

/// Why an answer of kubectl is not what was to come.
pub(crate) fn misjudged(taken: bool, said: &str, then: Then) -> Option<String> {
    match then {
        Then::Taken if taken => None,
        Then::Taken => Some(format!("refused: {said}")),
        Then::Refused(..) if taken => Some("taken".to_owned()),
        // A pattern is no sentence.
        Then::Refused(..) if said.contains("in body should match") => Some(format!("refused by a pattern: {said}")),
        Then::Refused(field, remedy) => {
            (!said.contains(field) || !said.contains(remedy)).then(|| format!("wants `{field}` and `{remedy}`: {said}"))
        }
    }
}

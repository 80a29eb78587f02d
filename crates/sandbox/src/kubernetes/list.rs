//! Reads: one object, a list with its pages, and the forms in which objects are given.
//!
//! Invariant: all pages of a list are of one revision. Called by `mod`, and `watch` for the forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::ApiServer;
use super::kind::Kind;
use super::request::{Call, Form};
use super::selector::Selector;
use super::status::{Answered, Refusal};
use super::store::Key;

impl ApiServer {
    /// GET of one object.
    pub(super) fn object(&self, call: &Call, name: &str) -> Answered<Arc<Value>> {
        self.store.get(&call.key(name)).cloned().ok_or_else(|| Refusal::not_found(&call.kind, name))
    }

    /// GET of a collection.
    pub(super) fn list(&self, call: &Call) -> Answered<Value> {
        let selector = Selector::of(&call.kind, &call.query, None)?;
        let (revision, after) = self.from(call)?;
        let found = self.then(call, revision)?;
        let mut matching = found
            .iter()
            .filter(|(key, object)| after.as_ref().is_none_or(|after| *key > after) && selector.matches(object));
        let limit = call.query.number("limit")?.filter(|limit| *limit > 0).unwrap_or(u64::MAX);
        let mut items = Vec::new();
        let mut last = None;
        for (key, object) in matching.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            items.push(item(&call.kind, call.form, object));
            last = Some(key);
        }
        let left = matching.count();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(last) = last.filter(|_| left > 0) {
            metadata["continue"] = json!(token(revision, last));
            if call.query.text("labelSelector").is_none() && call.query.text("fieldSelector").is_none() {
                metadata["remainingItemCount"] = json!(left);
            }
        }
        let (version, kind) = match call.form {
            Form::Whole => (call.kind.api_version(), call.kind.list.as_str()),
            Form::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList"),
        };
        Ok(json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items}))
    }

    /// At which revision to read, and after which object to go on.
    fn from(&self, call: &Call) -> Answered<(u64, Option<Key>)> {
        let now = self.store.revision();
        if let Some(token) = call.query.text("continue") {
            let (revision, key) = read_token(&call.kind, token)
                .ok_or_else(|| Refusal::bad_request("continue key is not valid: the token can't be read"))?;
            return Ok((revision, Some(key)));
        }
        let wanted = call.query.number("resourceVersion")?.unwrap_or_default();
        if wanted > now {
            return Err(Refusal::too_large(wanted, now));
        }
        match call.query.text("resourceVersionMatch") {
            Some("Exact") => Ok((wanted, None)),
            _ => Ok((now, None)),
        }
    }

    fn then(&self, call: &Call, revision: u64) -> Answered<BTreeMap<Key, Arc<Value>>> {
        let namespace = Some(call.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let expired = || {
            Refusal::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
            )
        };
        self.store.at(&call.kind.resource(), namespace, revision).ok_or_else(expired)
    }
}

/// The object in the form asked for.
pub(super) fn shown(kind: &Kind, form: Form, object: &Value) -> Value {
    match form {
        Form::Whole => {
            let mut object = object.clone();
            object["apiVersion"] = json!(kind.api_version());
            object["kind"] = json!(kind.kind);
            object
        }
        Form::Metadata => {
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
        }
    }
}

/// As an item of a list: those of a built-in kind do not say what they are.
fn item(kind: &Kind, form: Form, object: &Value) -> Value {
    let mut item = shown(kind, form, object);
    if kind.native && form == Form::Whole {
        item.as_object_mut().map(|fields| (fields.remove("apiVersion"), fields.remove("kind")));
    }
    item
}

fn token(revision: u64, last: &Key) -> String {
    URL_SAFE_NO_PAD
        .encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": [last.namespace, last.name]}).to_string())
}

fn read_token(kind: &Kind, token: &str) -> Option<(u64, Key)> {
    let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let text = |at: usize| read["start"][at].as_str().map(str::to_owned);
    Some((read["rv"].as_u64()?, Key { resource: kind.resource(), namespace: text(0)?, name: text(1)? }))
}

//! Writes: create, replace, patch, apply.
//!
//! Invariant: every write of an object goes through [`ApiServer::made`] or [`ApiServer::changed`], which judge the whole
//! object as it would be, and store nothing if anything is wrong, if nothing is new, or if it is a dry run. Called by
//! `mod`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ApiServer;
use super::metadata::{self, text};
use super::ownership::{self, Manager, Scope, second};
use super::request::Call;
use super::status::{Answered, Cause, Refusal};
use super::store::Key;
use super::{schema, secrets};

/// An object that was written, and whether it is new.
pub(super) type Written = (Arc<Value>, bool);

impl ApiServer {
    /// POST to a collection.
    pub(super) fn create(&mut self, call: &Call, now: Timestamp) -> Answered<Written> {
        let mut object = call.object()?;
        identified(call, &object)?;
        if !text(&object, "resourceVersion").is_empty() {
            return Err(Refusal::internal("resourceVersion should not be set on objects to be created"));
        }
        let prefix = text(&object, "generateName").to_owned();
        if text(&object, "name").is_empty() && !prefix.is_empty() {
            let name = format!("{prefix}{}", self.ids.suffix());
            metadata::fields(&mut object).insert("name".to_owned(), json!(name));
        }
        self.made(call, object, None, now)
    }

    /// PUT.
    pub(super) fn replace(&mut self, call: &Call, name: &str, now: Timestamp) -> Answered<Written> {
        let object = call.object()?;
        identified(call, &object)?;
        let said = text(&object, "name");
        if said != name {
            let why = format!("the name of the object ({said}) does not match the name on the URL ({name})");
            return Err(Refusal::bad_request(why));
        }
        let Some(live) = self.store.get(&call.key(name)).cloned() else {
            return match call.kind.creates_on_update && call.subresource.is_empty() {
                true => self.made(call, object, None, now),
                false => Err(Refusal::not_found(&call.kind, name)),
            };
        };
        let (said, is) = (text(&object, "uid"), text(&live, "uid"));
        if !said.is_empty() && said != is {
            let why = format!("Precondition failed: UID in precondition: {said}, UID in object meta: {is}");
            return Err(Refusal::conflict(&call.kind, name, &why));
        }
        if text(&object, "resourceVersion").is_empty() && !call.kind.unconditional {
            let why = "Invalid value: 0: must be specified for an update";
            return Err(Refusal::invalid(&call.kind, name, &[Cause::invalid("metadata.resourceVersion", why)]));
        }
        self.changed(call, &live, object, false, now)
    }

    /// PATCH of any kind.
    pub(super) fn patch(&mut self, call: &Call, name: &str, now: Timestamp) -> Answered<Written> {
        let live = self.store.get(&call.key(name)).cloned();
        if call.content == "application/apply-patch+yaml" {
            return self.apply(call, name, live, now);
        }
        let live = live.ok_or_else(|| Refusal::not_found(&call.kind, name))?;
        let mut object = Value::clone(&live);
        match call.content.as_str() {
            "application/merge-patch+json" => json_patch::merge(&mut object, &call.object()?),
            "application/json-patch+json" => {
                let patch: json_patch::Patch = serde_json::from_slice(&call.body)
                    .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
                json_patch::patch(&mut object, &patch)
                    .map_err(|error| Refusal::invalid(&call.kind, name, &[Cause::invalid("", error.to_string())]))?;
            }
            other => return Err(Refusal::unsupported_media_type(other)),
        }
        self.changed(call, &live, object, false, now)
    }

    fn apply(&mut self, call: &Call, name: &str, live: Option<Arc<Value>>, now: Timestamp) -> Answered<Written> {
        let mut applied = call.object()?;
        identified(call, &applied)?;
        if call.query.text("fieldManager").is_none() {
            let cause = Cause::required("fieldManager", "Required value: is required for apply patch");
            return Err(Refusal::invalid_options("PatchOptions", &[cause]));
        }
        if !applied["metadata"]["managedFields"].is_null() {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let said = text(&applied, "name");
        if !said.is_empty() && said != name {
            let why = format!("the name of the object ({said}) does not match the name on the URL ({name})");
            return Err(Refusal::bad_request(why));
        }
        metadata::fields(&mut applied).insert("name".to_owned(), json!(name));
        let force = call.query.flag("force");
        if call.kind.kind == "Secret" {
            schema::prune(&mut applied, &call.kind.schema);
        }
        let manager = manager(call, "Apply");
        let empty = json!({"metadata": {}});
        let before = live.as_deref().unwrap_or(&empty);
        let merged = ownership::apply(before, &applied, &call.kind.schema, scope(call), (manager, force), now)
            .map_err(|causes| Refusal::owned_by_others(&causes))?;
        match live {
            Some(live) => self.changed(call, &live, merged, true, now),
            None if !call.subresource.is_empty() => Err(Refusal::not_found(&call.kind, name)),
            None if !text(&applied, "uid").is_empty() => {
                let why = format!(
                    "uid mismatch: the provided object specified uid {}, and no existing object was found",
                    text(&applied, "uid")
                );
                Err(Refusal::conflict(&call.kind, name, &why))
            }
            None => {
                let owners = merged["metadata"]["managedFields"].clone();
                self.made(call, merged, Some(owners), now)
            }
        }
    }

    /// A new object. `owners`: who owns its fields; none: the caller owns all.
    fn made(&mut self, call: &Call, mut object: Value, owners: Option<Value>, now: Timestamp) -> Answered<Written> {
        let kind = call.kind.clone();
        placed(call, &mut object)?;
        normalise(call, &mut object)?;
        let name = text(&object, "name").to_owned();
        if name.is_empty() {
            let cause = Cause::required("metadata.name", "Required value: name or generateName is required");
            return Err(Refusal::invalid(&kind, "", &[cause]));
        }
        self.open(call, &name)?;
        if kind.status {
            // Only `/status` writes it.
            object.as_object_mut().map(|fields| fields.remove("status"));
        }
        let fields = metadata::fields(&mut object);
        for servers in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"]
        {
            fields.remove(servers);
        }
        fields.insert("uid".to_owned(), json!(self.ids.uid()));
        fields.insert("creationTimestamp".to_owned(), json!(second(now)));
        if kind.generation {
            fields.insert("generation".to_owned(), json!(1));
        }
        if kind.kind == "Namespace" {
            fields.entry("labels").or_insert_with(|| json!({}))["kubernetes.io/metadata.name"] = json!(name);
        }
        match owners {
            Some(owners) => {
                metadata::fields(&mut object).insert("managedFields".to_owned(), owners);
            }
            None => {
                let nothing = json!({});
                ownership::update(&nothing, &mut object, &kind.schema, scope(call), manager(call, "Update"), now);
            }
        }
        if kind.kind == "Namespace" {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({"phase": "Active"});
        }
        self.judge(call, None, &object)?;
        let key = Key { resource: kind.resource(), namespace: call.namespace.clone(), name: name.clone() };
        if self.store.get(&key).is_some() {
            return Err(Refusal::exists(&kind, &name));
        }
        let made = if call.dry_run()? { Arc::new(object) } else { self.store.put(key, object) };
        Ok((made, true))
    }

    /// `object` in the place of `live`. `owned`: it says already who owns what.
    fn changed(
        &mut self,
        call: &Call,
        live: &Arc<Value>,
        mut object: Value,
        owned: bool,
        now: Timestamp,
    ) -> Answered<Written> {
        let kind = call.kind.clone();
        let name = text(live, "name").to_owned();
        placed(call, &mut object)?;
        normalise(call, &mut object)?;
        let said = text(&object, "resourceVersion");
        if !said.is_empty() && said != text(live, "resourceVersion") {
            return Err(Refusal::stale(&kind, &name));
        }
        let mut object = within(call, live, object);
        let mut causes = metadata::inherit(live, &mut object);
        if text(&object, "name") != name {
            causes.push(Cause::invalid("metadata.name", "field is immutable"));
        }
        metadata::fields(&mut object).insert("resourceVersion".to_owned(), live["metadata"]["resourceVersion"].clone());
        if !owned {
            ownership::update(live, &mut object, &kind.schema, scope(call), manager(call, "Update"), now);
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid(&kind, &name, &causes));
        }
        if kind.generation && call.subresource.is_empty() && !same_but_metadata(live, &object, kind.status) {
            let generation = live["metadata"]["generation"].as_u64().unwrap_or_default();
            metadata::fields(&mut object).insert("generation".to_owned(), json!(generation + 1));
        }
        self.judge(call, Some(live), &object)?;
        if call.dry_run()? {
            return Ok((Arc::new(object), false));
        }
        if object == **live {
            return Ok((live.clone(), false));
        }
        let key = call.key(&name);
        if super::delete::is_over(&object) {
            self.store.remove(&key);
            return Ok((Arc::new(object), false));
        }
        Ok((self.store.put(key, object), false))
    }

    /// Whether something may be made where the call is.
    fn open(&self, call: &Call, name: &str) -> Answered<()> {
        if !call.kind.namespaced {
            return Ok(());
        }
        let key = Key { resource: "namespaces".to_owned(), namespace: String::new(), name: call.namespace.clone() };
        match self.store.get(&key) {
            None => Err(Refusal::not_found(&self.namespaces(), &call.namespace)),
            Some(namespace) if metadata::is_deleted(namespace) => {
                Err(Refusal::terminating(&call.kind, name, &call.namespace))
            }
            Some(_) => Ok(()),
        }
    }

    /// Refuses an object that breaks a rule. What was broken before and is not touched is let be.
    fn judge(&self, call: &Call, before: Option<&Value>, object: &Value) -> Answered<()> {
        let kind = &call.kind;
        let mut causes = metadata::faults(kind, object);
        causes.extend(schema::faults(object, &kind.schema));
        if let Some(before) = before {
            let old = schema::faults(before, &kind.schema);
            causes.retain(|cause| !old.contains(cause));
        }
        if kind.kind == "Secret" {
            causes.extend(secrets::faults(before, object));
        }
        if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, text(object, "name"), &causes)) }
    }
}

/// Refuses an object that says that it is of another kind.
fn identified(call: &Call, object: &Value) -> Answered<()> {
    let (kind, version) = (&call.kind, call.kind.api_version());
    let said = |name: &str| object[name].as_str().unwrap_or_default();
    if said("kind").is_empty() && !kind.native {
        return Err(Refusal::bad_request("Object 'Kind' is missing"));
    }
    if !said("apiVersion").is_empty() && said("apiVersion") != version {
        let why = format!(
            "the API version in the data ({}) does not match the expected API version ({version})",
            said("apiVersion")
        );
        return Err(Refusal::bad_request(why));
    }
    if !said("kind").is_empty() && said("kind") != kind.kind {
        let why = format!("the object provided is a {}, and not a {}", said("kind"), kind.kind);
        return Err(Refusal::bad_request(why));
    }
    Ok(())
}

/// Refuses an object of another namespace than the path's.
fn placed(call: &Call, object: &mut Value) -> Answered<()> {
    object["apiVersion"] = json!(call.kind.api_version());
    object["kind"] = json!(call.kind.kind);
    let said = text(object, "namespace");
    if !said.is_empty() && said != call.namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let fields = metadata::fields(object);
    if call.kind.namespaced {
        fields.insert("namespace".to_owned(), json!(call.namespace));
    }
    Ok(())
}

/// Prunes, puts defaults, and refuses what can't be decoded.
fn normalise(call: &Call, object: &mut Value) -> Answered<()> {
    let kind = &call.kind;
    let unknown = schema::prune(object, &kind.schema);
    if call.query.text("fieldValidation") == Some("Strict") && !unknown.is_empty() {
        let unknown: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
        let what = format!("{} in version \"{}\" cannot be handled as a {}", kind.kind, kind.version, kind.kind);
        return Err(Refusal::bad_request(format!("{what}: strict decoding error: {}", unknown.join(", "))));
    }
    schema::default(object, &kind.schema);
    if kind.native {
        let faults = schema::faults(object, &kind.schema);
        if let Some(wrong) = faults.iter().find(|cause| cause.reason == schema::WRONG_TYPE) {
            let what = format!("{} in version \"{}\" cannot be handled as a {}", kind.kind, kind.version, kind.kind);
            return Err(Refusal::bad_request(format!("{what}: {}: {}", wrong.field, wrong.message)));
        }
    }
    if kind.kind == "Secret" { secrets::normalise(object) } else { Ok(()) }
}

/// What of `object` the endpoint takes; the rest is as it was.
fn within(call: &Call, live: &Value, mut object: Value) -> Value {
    let take = |from: &Value, to: &mut Value, name: &str| {
        match from.get(name) {
            Some(value) => to[name] = value.clone(),
            None => drop(to.as_object_mut().map(|fields| fields.remove(name))),
        };
    };
    match call.subresource.as_str() {
        "" => {
            if call.kind.status {
                take(live, &mut object, "status");
            }
            if call.kind.kind == "Namespace" {
                take(live, &mut object, "spec");
            }
            object
        }
        endpoint => {
            let mut kept = live.clone();
            take(&object, &mut kept, if endpoint == "status" { "status" } else { "spec" });
            take(&object["metadata"], &mut kept["metadata"], "managedFields");
            kept
        }
    }
}

fn same_but_metadata(one: &Value, other: &Value, status: bool) -> bool {
    let fields = |object: &Value| {
        let mut fields = object.clone();
        if let Some(map) = fields.as_object_mut() {
            map.remove("metadata");
            if status {
                map.remove("status");
            }
        }
        fields
    };
    fields(one) == fields(other)
}

fn scope(call: &Call) -> Scope {
    match call.subresource.as_str() {
        "status" => Scope::Status,
        _ if call.kind.status => Scope::AllButStatus,
        _ => Scope::Everything,
    }
}

fn manager(call: &Call, operation: &str) -> Manager {
    Manager {
        operation: operation.to_owned(),
        name: call.manager.clone(),
        api_version: call.kind.api_version(),
        subresource: call.subresource.clone(),
    }
}

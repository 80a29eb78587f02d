//! The API server of Kubernetes, as far as the operator and its tests ask it.
//!
//! A value without clock, randomness of its own, threads or sockets: the time is an argument, UIDs come of a seed. It
//! does optimistic locking, merge and JSON patches, server-side apply with field ownership, structural schemas,
//! the status subresource, generations, finalizers, selectors, pages, metadata-only answers, watches that expire, and
//! what the controller-manager does about owners and namespaces. It does not: authorization (everybody may
//! everything), admission, CEL, conversion between versions, YAML, strategic merge patches, discovery. What it claims is asserted
//! of it and of a real one by the same tests (`tests/fidelity`). Called by simulations.

mod collect;
mod core;
mod delete;
mod fields;
mod ids;
mod kind;
mod list;
mod metadata;
mod ownership;
mod request;
mod review;
mod schema;
mod secrets;
mod selector;
mod shape;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod write;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use delete::Deleted;
use ids::Ids;
use kind::Kind;
use list::shown;
use request::Call;
use status::{Answered, Refusal, json_response};
use store::{Key, Store};
pub use watch::Watch;

/// The namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// An API server with all that it stores.
#[derive(Debug)]
pub struct ApiServer {
    kinds: Vec<Arc<Kind>>,
    store: Store,
    ids: Ids,
}

/// What a request is answered.
#[derive(Debug)]
pub enum Reply {
    /// At once and as a whole.
    Whole(Response<Bytes>),
    /// Status 200, `application/json`, and lines until the end of the watch: see [`ApiServer::read`].
    Watch(Watch),
}

impl ApiServer {
    /// A server with the core kinds (namespaces, secrets, config maps, leases, events) and the namespaces that are
    /// always there. `seed`: what UIDs and generated names are made of.
    pub fn new(seed: u64) -> Self {
        Self::serving(Kind::core().into_iter().map(Arc::new).collect(), seed)
    }

    /// A server as [`Self::new`] makes one that serves the kinds which this one serves.
    pub fn emptied(&self, seed: u64) -> Self {
        Self::serving(self.kinds.clone(), seed)
    }

    fn serving(kinds: Vec<Arc<Kind>>, seed: u64) -> Self {
        let mut server = Self { kinds, store: Store::new(), ids: Ids::new(seed) };
        for name in NAMESPACES {
            let uid = server.ids.uid();
            let object = json!({
                "metadata": {
                    "name": name, "uid": uid, "creationTimestamp": "1970-01-01T00:00:00Z",
                    "labels": {"kubernetes.io/metadata.name": name},
                },
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
                "apiVersion": "v1", "kind": "Namespace",
            });
            let key = Key { resource: "namespaces".to_owned(), namespace: String::new(), name: name.to_owned() };
            server.store.put(key, object);
        }
        server
    }

    /// Serves the kind that a CustomResourceDefinition (`apiextensions.k8s.io/v1`, as JSON) defines, in the version that
    /// is stored. One of the same name is replaced. Fails where the definition lacks something.
    pub fn define(&mut self, crd: &Value) -> Result<(), String> {
        let kind = Kind::defined(crd)?;
        self.kinds.retain(|each| each.resource() != kind.resource());
        self.kinds.push(Arc::new(kind));
        Ok(())
    }

    /// Answers a request of the REST API at the instant `now`.
    pub fn answer(&mut self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        match self.answered(request, now) {
            Ok(reply) => reply,
            Err(refusal) => Reply::Whole(refusal.response()),
        }
    }

    /// All objects of a resource, by its plural (`secrets`), as they are stored.
    pub fn objects<'a>(&'a self, plural: &'a str) -> impl Iterator<Item = &'a Value> {
        let of = move |resource: &str| resource.split('.').next() == Some(plural);
        self.store.all().filter(move |(key, _)| of(&key.resource)).map(|(_, object)| &**object)
    }

    /// The revision of the last change to anything.
    pub fn revision(&self) -> u64 {
        self.store.revision()
    }

    /// Forgets the changes up to and including revision `before`: watches and pages that need them get 410.
    pub fn compact(&mut self, before: u64) {
        self.store.compact(before);
    }

    fn namespaces(&self) -> Arc<Kind> {
        // Core kinds are there from the start, and no definition takes them away: their group is empty.
        self.kinds[0].clone()
    }

    fn answered(&mut self, request: &Request<Bytes>, now: Timestamp) -> Answered<Reply> {
        if let Some(answer) = review::answer(request)? {
            return Ok(Reply::Whole(answer));
        }
        let call = Call::of(&self.kinds, request)?;
        let name = call.name.clone();
        let reply = match (request.method(), name.as_deref()) {
            (&Method::GET, _) if call.query.flag("watch") => return self.watch(&call, now).map(Reply::Watch),
            (&Method::GET, None) => json_response(200, &self.list(&call)?),
            (&Method::GET, Some(name)) => {
                json_response(200, &shown(&call.kind, call.form, &*self.object(&call, name)?))
            }
            (&Method::POST, None) => written(&call, self.create(&call, now)?),
            (&Method::PUT, Some(name)) => written(&call, self.replace(&call, name, now)?),
            (&Method::PATCH, Some(name)) => written(&call, self.patch(&call, name, now)?),
            (&Method::DELETE, Some(name)) if call.subresource.is_empty() => match self.delete(&call, name, now)? {
                Deleted::Gone(object) => json_response(200, &delete::told(&call.kind, &object)),
                Deleted::Marked(object) => json_response(200, &shown(&call.kind, call.form, &object)),
            },
            _ => return Err(Refusal::method_not_allowed()),
        };
        Ok(Reply::Whole(reply))
    }
}

fn written(call: &Call, (object, new): write::Written) -> Response<Bytes> {
    json_response(if new { 201 } else { 200 }, &shown(&call.kind, call.form, &object))
}

//! What a request asks for: path, query and headers, read once.
//!
//! Called by `mod`.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

use super::kind::Kind;
use super::status::{Answered, Refusal};
use super::store::Key;

/// Who does it and how, of a write.
pub(super) struct Call {
    pub(super) kind: Arc<Kind>,
    /// Empty for what has none, and for a list over all namespaces.
    pub(super) namespace: String,
    /// None for a collection.
    pub(super) name: Option<String>,
    /// `status`; empty for the object itself.
    pub(super) subresource: String,
    pub(super) query: Query,
    pub(super) form: Form,
    /// The field manager: as named, or as the client calls itself.
    pub(super) manager: String,
    pub(super) content: String,
    pub(super) body: Bytes,
}

/// How objects are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// `PartialObjectMetadata`
    Metadata,
}

/// The query's pairs.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value; none if it is missing or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| matches!(value, "true" | "1" | "True"))
    }

    pub(super) fn number(&self, name: &str) -> Answered<Option<u64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let wrong = || Refusal::bad_request(format!("invalid value for query parameter {name}: {text}"));
        text.parse().map(Some).map_err(|_| wrong())
    }
}

impl Call {
    /// Fails where the path leads nowhere.
    pub(super) fn of(kinds: &[Arc<Kind>], request: &Request<Bytes>) -> Answered<Self> {
        let path: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let (group, version, rest) = match path.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::not_served()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) => {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, None, ""),
            [plural, name] => (*plural, Some((*name).to_owned()), ""),
            [plural, name, subresource] => (*plural, Some((*name).to_owned()), *subresource),
            _ => return Err(Refusal::not_served()),
        };
        let kind = kinds
            .iter()
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
            .ok_or_else(Refusal::not_served)?;
        let known = match subresource {
            "" => true,
            "status" => kind.status,
            "finalize" => kind.kind == "Namespace",
            _ => false,
        };
        let placed = if kind.namespaced { name.is_none() || !namespace.is_empty() } else { namespace.is_empty() };
        if !known || !placed {
            return Err(Refusal::not_served());
        }
        let query = Query::of(request.uri().query().unwrap_or_default());
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent = text(header::USER_AGENT).split('/').next().unwrap_or_default();
        let manager = query.text("fieldManager").unwrap_or(agent).to_owned();
        Ok(Self {
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            name,
            subresource: subresource.to_owned(),
            form: Form::asked(text(header::ACCEPT))?,
            manager,
            content: text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_owned(),
            body: request.body().clone(),
            query,
        })
    }

    /// Where the object called `name` is.
    pub(super) fn key(&self, name: &str) -> Key {
        Key { resource: self.kind.resource(), namespace: self.namespace.clone(), name: name.to_owned() }
    }

    /// Nothing is stored.
    pub(super) fn dry_run(&self) -> Answered<bool> {
        match self.query.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => {
                Err(Refusal::bad_request(format!("Unsupported value: \"{other}\": supported values: \"All\"")))
            }
        }
    }

    /// The body, which must be a JSON object.
    pub(super) fn object(&self) -> Answered<Value> {
        match serde_json::from_slice(&self.body) {
            Ok(object @ Value::Object(_)) => Ok(object),
            Ok(_) => Err(Refusal::bad_request("json: cannot unmarshal into Go value of type map[string]interface {}")),
            Err(error) => Err(Refusal::bad_request(format!("the object provided is unrecognized: {error}"))),
        }
    }
}

impl Form {
    /// The first form of the header that is known here. None but JSON is.
    fn asked(accept: &str) -> Answered<Self> {
        if accept.is_empty() {
            return Ok(Self::Whole);
        }
        let known = accept.split(',').find_map(|each| {
            let mut parts = each.split(';').map(str::trim);
            let json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
            let of = parts.find_map(|part| part.strip_prefix("as="));
            match (json, of) {
                (true, None) => Some(Self::Whole),
                (true, Some("PartialObjectMetadata" | "PartialObjectMetadataList")) => Some(Self::Metadata),
                _ => None,
            }
        });
        known.ok_or_else(Refusal::not_acceptable)
    }
}

//! What is served: the kinds, from a table of core kinds and from CustomResourceDefinitions.
//!
//! Invariant: every kind has a structural schema, `metadata` included, so that pruning, defaults, checks and field
//! ownership know no other source. Of a definition only the version that is stored is served. Called by all of
//! `kubernetes`.

use serde_json::{Value, json};

use super::core;

/// A kind that is served.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) list: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    /// It has a status that only `/status` writes.
    pub(super) status: bool,
    /// Fields for field selectors, beside name and namespace: as written (`spec.trigger`).
    pub(super) selectable: Vec<String>,
    /// Structural schema of the whole object.
    pub(super) schema: Value,
    /// Built in: decoded into a type, so a wrong one is a bad request, and items of a list carry no kind.
    pub(super) native: bool,
    /// A PUT may come without a resourceVersion.
    pub(super) unconditional: bool,
    /// A PUT may create.
    pub(super) creates_on_update: bool,
    /// `metadata.generation` is kept.
    pub(super) generation: bool,
}

impl Kind {
    /// `rotations.managed-secrets.io`, or `secrets` for the core group.
    pub(super) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `managed-secrets.io/v1alpha1`, or `v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The kinds that are there without a definition.
    pub(super) fn core() -> Vec<Self> {
        core::kinds()
    }

    /// The kind that a CustomResourceDefinition (v1, as JSON) defines.
    pub(super) fn defined(crd: &Value) -> Result<Self, String> {
        let text = |value: &Value, what: &str| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("CustomResourceDefinition without {what}"))
        };
        let spec = &crd["spec"];
        let names = &spec["names"];
        let kind = text(&names["kind"], "spec.names.kind")?;
        let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let version = versions
            .iter()
            .find(|version| version["storage"] == true)
            .ok_or_else(|| format!("CustomResourceDefinition of {kind} without a stored version"))?;
        let selectable = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            return Err(format!("CustomResourceDefinition of {kind} without spec.versions[].schema.openAPIV3Schema"));
        }
        Ok(Self {
            group: text(&spec["group"], "spec.group")?,
            version: text(&version["name"], "spec.versions[].name")?,
            list: names["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned),
            plural: text(&names["plural"], "spec.names.plural")?,
            namespaced: spec["scope"] == "Namespaced",
            status: version["subresources"]["status"].is_object(),
            selectable: selectable
                .iter()
                .filter_map(|field| Some(field["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
                .collect(),
            schema: whole(schema),
            native: false,
            unconditional: false,
            creates_on_update: false,
            generation: true,
            kind,
        })
    }
}

/// The schema with what every object has.
fn whole(schema: &Value) -> Value {
    let mut whole = schema.clone();
    let properties = whole.as_object_mut().map(|schema| schema.entry("properties").or_insert_with(|| json!({})));
    if let Some(properties) = properties {
        properties["apiVersion"] = json!({"type": "string"});
        properties["kind"] = json!({"type": "string"});
        properties["metadata"] = core::metadata();
    }
    whole
}

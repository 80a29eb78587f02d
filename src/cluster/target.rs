//! Native Secrets of one resource's namespace: seeds are read, targets are read, applied and removed.
//!
//! Invariant: a target is written onto the UID and revision that it was seen with, or only where there is none, so a
//! late write can't hit a newer value (P16); what is foreign is told apart here and refused by the rules. Bytes are
//! compared inside [`Namespace::target`] and leave it never; answers to writes are asked for without data. Called by
//! `controller::look` and `controller::perform`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, HeaderValue};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{PartialObjectMeta, Request};
use mes_core::facts::{Answer, Holder, Labelled, Target};
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::{ObjectName, Revision, TargetName, Uid, VersionId};
use mes_core::scope::Granted;
use mes_core::secret::{Sensitive, Value};
use mes_core::target::TargetSpec;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use zeroize::{Zeroize, Zeroizing};

use super::namespace::identity;
use super::{
    ADOPT_ANNOTATION, FIELD_MANAGER, NO_SUCH_REVISION, Namespace, RESOURCE_LABEL, SEED_TYPE, VERSION_ANNOTATION, fault,
    lent_by_name,
};

/// The keys and texts of a target, as `mes_core::target::render` gives them.
pub type Rendered = BTreeMap<String, Sensitive>;

/// Answers with metadata alone: no data comes back from a write.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// A target as it shall be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the resource declares.
    pub spec: &'a TargetSpec,
    /// Its name, granted.
    pub name: &'a Granted<TargetName>,
    /// Whether it goes when the resource goes (`deletion.targets: Delete`): by an owner reference.
    pub with_owner: bool,
}

/// The Secret that a resource names as its seed.
#[derive(Debug)]
pub enum SeedSecret {
    /// There, and not of type `managed-secrets.io/seed`: its values were not read.
    WrongType,
    /// A seed.
    Seed {
        /// Its keys and texts.
        value: Value,
        /// Keys whose bytes are no UTF-8 text: not in `value`.
        not_text: BTreeSet<String>,
        /// Which Secret, at which revision.
        seen: (Uid, Revision),
    },
}

impl Namespace {
    /// The seed `name`, read now. A Secret of another type is not read.
    pub async fn seed(&self, name: &Granted<ObjectName>) -> Answer<SeedSecret> {
        let fields = format!("metadata.name={},type={SEED_TYPE}", **name);
        let found =
            self.secrets.list(&ListParams::default().fields(&fields)).await.map_err(|error| fault::of(&error))?;
        let Some(secret) = found.items.into_iter().next() else {
            let other = self.metadata(&self.secrets, name.as_str()).await?;
            return Ok(other.map(|_| SeedSecret::WrongType));
        };
        let seen = identity(&secret.metadata)?;
        let (value, not_text) = texts(secret.data);
        Ok(Some(SeedSecret::Seed { value, not_text, seen }))
    }

    /// The Secret `wanted`, read now and compared with `rendered`, the keys that it shall carry; `None`: they could not
    /// be read, so nobody knows whether it is intact. Its `render` is left to the caller.
    pub async fn target(&self, wanted: Wanted<'_>, rendered: Option<&Rendered>) -> Answer<Target> {
        let name = wanted.name.as_str();
        let Some(secret) = fault::absent(name, self.secrets.get(name).await)? else { return Ok(None) };
        let (uid, revision) = identity(&secret.metadata)?;
        let wrong_type = secret.type_.as_deref().unwrap_or("Opaque") != wanted.spec.type_.name();
        let intact = rendered.map(|rendered| !wrong_type && self.is_intact(wanted, rendered, &secret));
        let target = Target {
            uid,
            revision,
            holder: self.holder(&secret.metadata),
            version: carried(&secret.metadata),
            intact,
            wrong_type,
            immutable: secret.immutable.unwrap_or(false),
            render: None,
        };
        forget(secret.data);
        Ok(Some(target))
    }

    /// All Secrets with the resource's label, metadata only. Where they may not be listed, those that a role names.
    pub async fn labelled(&self) -> Answer<Vec<Labelled>> {
        let ours = ListParams::default().labels(&format!("{RESOURCE_LABEL}={}", self.own.name));
        let found = match self.secrets.list_metadata(&ours).await.map_err(|error| fault::of(&error)) {
            Ok(list) => list.items.into_iter().map(|object| object.metadata).collect(),
            Err(refused) if refused.kind == FaultKind::Denied => self.labelled_by_name(refused).await?,
            Err(fault) => return Err(fault),
        };
        let lines = found.into_iter().map(|metadata| {
            let name = metadata.name.clone().unwrap_or_default();
            let (uid, revision) = identity(&metadata)?;
            let name = TargetName::parse(name).map_err(|_| fault::invalid("NoName"))?;
            Ok(Labelled { name, uid, revision, version: carried(&metadata) })
        });
        lines.collect::<Result<_, _>>().map(Some)
    }

    /// Each Secret that a role names, read one by one. Where none is named, nothing is known: `refused`.
    async fn labelled_by_name(&self, refused: Fault) -> Result<Vec<ObjectMeta>, Fault> {
        let names = lent_by_name(&self.client, &self.own.namespace).await?;
        if names.is_empty() {
            return Err(refused);
        }
        let mut ours = Vec::new();
        for name in names {
            let found = self.metadata(&self.secrets, name.as_str()).await?;
            ours.extend(found.filter(|seen| label(seen) == self.own.name.as_str()));
        }
        Ok(ours)
    }

    /// Makes the Secret `wanted` carry `rendered`, the bytes of `version`: onto the UID and revision that it was seen
    /// with, or, without, only if there is none.
    ///
    /// [`FaultKind::Exists`]: there is one. [`FaultKind::Conflict`]: it is no longer as it was seen.
    /// [`FaultKind::Rejected`]: its type is another, or it is immutable.
    pub async fn apply_target(
        &self,
        wanted: Wanted<'_>,
        rendered: &Rendered,
        version: &VersionId,
        onto: Option<&(Uid, Revision)>,
    ) -> Result<(), Fault> {
        self.write(wanted, rendered, version, onto, PatchParams::apply(FIELD_MANAGER).force()).await
    }

    /// Whether the cluster would take [`Namespace::apply_target`] now, onto what is there: tried by a dry run, which passes
    /// authorization, admission and validation, and changes nothing. The faults are those of the write.
    pub async fn rehearse(&self, wanted: Wanted<'_>, rendered: &Rendered, version: &VersionId) -> Result<(), Fault> {
        let seen = self.metadata(&self.secrets, wanted.name.as_str()).await?;
        let onto = seen.as_ref().map(identity).transpose()?;
        let dry = PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER).force() };
        self.write(wanted, rendered, version, onto.as_ref(), dry).await
    }

    async fn write(
        &self,
        wanted: Wanted<'_>,
        rendered: &Rendered,
        version: &VersionId,
        onto: Option<&(Uid, Revision)>,
        parameters: PatchParams,
    ) -> Result<(), Fault> {
        let labels = [(RESOURCE_LABEL, self.own.name.as_str())];
        let annotations = [(VERSION_ANNOTATION, version.as_str())];
        let manifest = Manifest {
            api_version: "v1",
            kind: "Secret",
            metadata: Metadata {
                name: wanted.name.as_str(),
                uid: onto.map(|(uid, _)| uid.as_str()),
                resource_version: onto.map_or(NO_SUCH_REVISION, |(_, revision)| revision.as_str()),
                labels: borrowed(&wanted.spec.labels).chain(labels).collect(),
                annotations: borrowed(&wanted.spec.annotations).chain(annotations).collect(),
                owner_references: wanted.with_owner.then(|| self.owner()).into_iter().collect(),
            },
            type_: wanted.spec.type_.name(),
            data: Encoded(rendered),
        };
        let written = self.secrets.patch_metadata(wanted.name.as_str(), &parameters, &Patch::Apply(manifest)).await;
        written.map(drop).map_err(|error| match fault::of(&error) {
            fault if fault.kind == FaultKind::Conflict && onto.is_none() => Fault { kind: FaultKind::Exists, ..fault },
            fault => fault,
        })
    }

    /// Deletes the Secret `name` if it is as it was seen. Nothing happens if it is gone.
    pub async fn remove_target(&self, name: &TargetName, onto: &(Uid, Revision)) -> Result<(), Fault> {
        let seen =
            Preconditions { uid: Some(onto.0.as_str().to_owned()), resource_version: Some(onto.1.as_str().to_owned()) };
        let deletion = DeleteParams::background().preconditions(seen);
        let request = Request::new(self.secrets.resource_url()).delete(name.as_str(), &deletion);
        let mut request = request.map_err(|error| fault::of(&kube::Error::BuildRequest(error)))?;
        request.headers_mut().insert(ACCEPT, METADATA_ONLY);
        let deleted = self.client.request_status::<PartialObjectMeta<Secret>>(request).await;
        fault::absent(name.as_str(), deleted).map(drop)
    }

    fn holder(&self, seen: &ObjectMeta) -> Holder {
        let own = self.own.name.as_str();
        let label = label(seen);
        let consent = seen.annotations.as_ref().and_then(|all| all.get(ADOPT_ANNOTATION)).map_or("", String::as_str);
        let owned_by_another = seen.owner_references.iter().flatten().any(|owner| self.is_another_of_ours(owner));
        match label {
            _ if owned_by_another => Holder::AnotherResource,
            "" if consent == own => Holder::Consenting,
            "" => Holder::Foreign,
            label if label == own => Holder::Us,
            _ => Holder::AnotherResource,
        }
    }

    /// A resource of our name and an earlier UID is no other: the Secret stays with the name.
    fn is_another_of_ours(&self, owner: &OwnerReference) -> bool {
        let ours = self.owner();
        owner.kind == ours.kind && owner.api_version == ours.api_version && owner.name != ours.name
    }

    fn is_intact(&self, wanted: Wanted<'_>, rendered: &Rendered, secret: &Secret) -> bool {
        let metadata = &secret.metadata;
        let data = secret.data.as_ref();
        let carries = |(key, text): (&String, &Sensitive)| {
            data.and_then(|data| data.get(key)).is_some_and(|ByteString(bytes)| bytes == text.expose().as_bytes())
        };
        let owned = metadata.owner_references.iter().flatten().any(|owner| owner.uid == self.own.uid.as_str());
        rendered.iter().all(carries)
            && holds(metadata.labels.as_ref(), &wanted.spec.labels)
            && holds(metadata.annotations.as_ref(), &wanted.spec.annotations)
            && (owned || !wanted.with_owner)
            && self.sets_nothing_else(wanted, rendered, metadata)
    }

    /// Whether all that an earlier apply of ours set is still wanted. What others added is theirs, and left alone.
    fn sets_nothing_else(&self, wanted: Wanted<'_>, rendered: &Rendered, metadata: &ObjectMeta) -> bool {
        let own = |known: &BTreeMap<String, String>, ours: &str, key: &str| key == ours || known.contains_key(key);
        let spec = wanted.spec;
        let ours = metadata.managed_fields.iter().flatten();
        ours.filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
            .filter_map(|entry| entry.fields_v1.as_ref())
            .all(|fields| {
                set(&fields.0, "/f:data").all(|key| rendered.contains_key(key))
                    && set(&fields.0, "/f:metadata/f:labels").all(|key| own(&spec.labels, RESOURCE_LABEL, key))
                    && set(&fields.0, "/f:metadata/f:annotations")
                        .all(|key| own(&spec.annotations, VERSION_ANNOTATION, key))
                    && (wanted.with_owner || fields.0.pointer("/f:metadata/f:ownerReferences").is_none())
            })
    }
}

/// The keys that a set of managed fields names below `path`.
fn set<'a>(fields: &'a serde_json::Value, path: &str) -> impl Iterator<Item = &'a str> {
    let keys = fields.pointer(path).and_then(serde_json::Value::as_object).into_iter().flat_map(|map| map.keys());
    keys.filter_map(|key| key.strip_prefix("f:"))
}

fn holds(seen: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, text)| seen.and_then(|seen| seen.get(key)) == Some(text))
}

/// The resource that a Secret names as its own; empty: none.
fn label(seen: &ObjectMeta) -> &str {
    seen.labels.as_ref().and_then(|labels| labels.get(RESOURCE_LABEL)).map_or("", String::as_str)
}

fn carried(seen: &ObjectMeta) -> Option<VersionId> {
    let version = seen.annotations.as_ref()?.get(VERSION_ANNOTATION)?;
    VersionId::parse(version.as_str()).ok()
}

fn borrowed(map: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(key, text)| (key.as_str(), text.as_str()))
}

/// The texts of a Secret's data, and the keys whose bytes are none.
pub(super) fn texts(data: Option<BTreeMap<String, ByteString>>) -> (Value, BTreeSet<String>) {
    let mut not_text = BTreeSet::new();
    let mut fields = Vec::new();
    for (key, ByteString(bytes)) in data.unwrap_or_default() {
        match String::from_utf8(bytes) {
            Ok(text) => fields.push((key, Sensitive::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                not_text.insert(key);
            }
        }
    }
    (fields.into_iter().collect(), not_text)
}

fn forget(data: Option<BTreeMap<String, ByteString>>) {
    for mut bytes in data.unwrap_or_default().into_values() {
        bytes.0.zeroize();
    }
}

/// A Secret as it is applied. Borrows its texts, and shows none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    #[serde(rename = "type")]
    type_: &'static str,
    data: Encoded<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    resource_version: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<OwnerReference>,
}

impl fmt::Debug for Manifest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}", self.metadata.name)
    }
}

struct Encoded<'a>(&'a Rendered);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, text) in self.0 {
            let mut encoded = Zeroizing::new(String::with_capacity(text.expose().len() / 3 * 4 + 4));
            STANDARD.encode_string(text.expose(), &mut encoded);
            map.serialize_entry(key, encoded.as_str()).map_err(|_| S::Error::custom("a key that can't be written"))?;
        }
        map.end()
    }
}

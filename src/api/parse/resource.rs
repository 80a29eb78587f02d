//! What a team writes: a ManagedExternalSecret.

use std::collections::BTreeSet;

use kube::ResourceExt;
use mes_core::fault::Fault;
use mes_core::names::{
    Identity, KmsKey, Namespace, ObjectName, Region, Revision, SecretName, SecretOfStore, TargetName, Uid, VersionId,
};
use mes_core::partner::Engine;
use mes_core::reason::Reason;
use mes_core::scope::{self, First, Frame, Holding, Named, Source, Written, WrittenPartner, WrittenRotation};
use mes_core::spec::{Deletion, Fate, Noted, Own, Resource, Spec, WantedRegion};
use mes_core::target::{SecretType, TargetSpec, Template, acted_upon};

use super::{ABANDON, held, part, time};
use crate::api;

/// The coordinates of a resource, in the cluster with `cluster` as UID, in a namespace with this UID.
pub fn own(mes: &api::ManagedExternalSecret, cluster: &Uid, namespace_uid: &Uid) -> Result<Own, Fault> {
    let metadata = &mes.metadata;
    Ok(Own {
        cluster: cluster.clone(),
        namespace: part(metadata.namespace.as_ref(), Namespace::parse)?,
        namespace_uid: namespace_uid.clone(),
        name: part(metadata.name.as_ref(), ObjectName::parse)?,
        uid: part(metadata.uid.as_ref(), Uid::parse)?,
        created: metadata.creation_timestamp.as_ref().map(time).ok_or_else(super::not_an_object)?,
    })
}

/// The resource, with all that its references name; `written` is that of [`written`], which says what to look up.
/// An error: what no API server gives.
pub fn resource(
    mes: &api::ManagedExternalSecret,
    own: Own,
    written: Result<Written, Reason>,
    named: Named<'_>,
) -> Result<Resource, Fault> {
    Ok(scope::resolve(frame(mes, own)?, written, named))
}

/// What the resource holds against younger ones: as resolved, where it is served (`spec`), and as its status remembers.
pub fn holding(mes: &api::ManagedExternalSecret, own: Own, spec: Option<&Spec>) -> Holding {
    let status = mes.status.clone().unwrap_or_default();
    let resolved = spec.into_iter().flat_map(|spec| &spec.scope.identities).map(|identity| (**identity).clone());
    let remembered = status.identities.iter().filter_map(|identity| Identity::parse(identity).ok());
    let store = mes.spec.store_ref.as_ref().map_or("default", |store| &store.name);
    let remembered_secret = || SecretName::parse(status.secret.as_ref()?.name.clone()).ok();
    let secret = spec.map(|spec| spec.scope.store_secret.name.clone()).or_else(remembered_secret);
    let secret_of_store = ObjectName::parse(store).ok().zip(secret).map(|(store, name)| SecretOfStore { store, name });
    Holding {
        own,
        identities: resolved.chain(remembered).collect(),
        secret: secret_of_store.filter(|_| mes.spec.onboard.observe.is_none()),
        targets: mes.spec.targets.iter().filter_map(|target| TargetName::parse(&target.name).ok()).collect(),
    }
}

fn frame(mes: &api::ManagedExternalSecret, own: Own) -> Result<Frame, Fault> {
    Ok(Frame {
        own,
        generation: mes.metadata.generation.unwrap_or_default(),
        revision: part(mes.metadata.resource_version.as_ref(), Revision::parse)?,
        deleting: mes.metadata.deletion_timestamp.as_ref().map(time),
        namespace_deleting: None,
        held: held(&mes.metadata),
        suspended: mes.spec.suspend.unwrap_or_default(),
        abandoned: mes.annotations().contains_key(ABANDON),
        deletion: deletion(&mes.spec),
        noted: mes.status.as_ref().map(noted).unwrap_or_default(),
    })
}

/// Nothing is lost on doubt: what this version does not know, and what admission should have refused, is Retain.
fn deletion(spec: &api::ManagedExternalSecretSpec) -> Deletion {
    let written = spec.deletion.clone().unwrap_or_default();
    let observed = spec.onboard.observe.is_some();
    let others = observed || spec.onboard.adopt.is_some();
    let fate = |remove| if remove { Fate::Remove } else { Fate::Retain };
    Deletion {
        targets: fate(written.targets == api::TargetDeletion::Delete),
        store: fate(written.store == api::StoreDeletion::Delete && !others),
        partner: fate(written.partner == api::PartnerDeletion::Revoke && !observed),
        recovery_window_days: written.recovery_window_days.clamp(7, 30),
    }
}

fn noted(status: &api::ManagedExternalSecretStatus) -> Noted {
    let is_true = |kind: &str| status.conditions.iter().any(|each| each.type_ == kind && each.status == "True");
    let settled = is_true("Ready") && !is_true("Reconciling") && !is_true("Stalled");
    let version = status.version_id.as_ref().and_then(|id| VersionId::parse(id).ok());
    let regions = status.regions.iter().filter(|region| {
        region.state == Some(api::RegionState::InSync)
            && region.version_id.is_some()
            && region.version_id == status.version_id
    });
    let targets = status.targets.iter().filter(|target| {
        target.version_id.is_some() && target.version_id == status.version_id && target.reason.is_none()
    });
    Noted {
        onboarded: is_true("Onboarded"),
        observed: status.conditions.iter().any(|each| each.type_ == "Onboarded" && each.reason == "Observed"),
        secret: status.secret.is_some(),
        settled_generation: status.observed_generation.filter(|_| settled),
        version,
        regions: regions.filter_map(|region| Region::parse(&region.name).ok()).collect(),
        targets: targets.filter_map(|target| TargetName::parse(&target.name).ok()).collect::<BTreeSet<_>>(),
        last_rotation: status.last_rotation_time.as_ref().map(time),
    }
}

/// The spec in core types, not yet granted. The error names the field that this version does not take.
pub fn written(mes: &api::ManagedExternalSecret) -> Result<Written, Reason> {
    let spec = &mes.spec;
    let (store, secret_name) = match &spec.store_ref {
        Some(reference) => (reference.name.as_str(), reference.secret_name.as_ref()),
        None => ("default", None),
    };
    Ok(Written {
        partner: spec.partner.as_ref().map(partner).transpose()?,
        onboard: source(&spec.onboard)?,
        store: ObjectName::parse(store).map_err(|_| invalid("storeRef.name", "the name of a SecretsManagerStore"))?,
        secret_name: secret_name
            .map(|name| {
                SecretName::parse(name).map_err(|_| invalid("storeRef.secretName", "the name of a secret, not an ARN"))
            })
            .transpose()?,
        regions: spec.regions.iter().map(region).collect::<Result<_, _>>()?,
        rotation: spec.rotation.as_ref().map(rotation).transpose()?.unwrap_or_default(),
        targets: spec.targets.iter().map(target).collect::<Result<_, _>>()?,
    })
}

fn invalid(field: &'static str, expected: &'static str) -> Reason {
    Reason::InvalidSpec { field, expected }
}

fn partner(partner: &api::Partner) -> Result<WrittenPartner, Reason> {
    let account = partner.account_ref.as_ref().map(|reference| ObjectName::parse(&reference.name)).transpose();
    Ok(WrittenPartner {
        type_name: partner.type_.clone(),
        account: account.map_err(|_| invalid("partner.accountRef.name", "the name of a PartnerAccount"))?,
        parameters: partner.parameters.clone(),
    })
}

fn source(onboard: &api::Onboard) -> Result<Source, Reason> {
    match onboard {
        api::Onboard { from_secret: Some(secret), mint: None, adopt: None, observe: None } => {
            ObjectName::parse(&secret.name)
                .map(Source::FromSecret)
                .map_err(|_| invalid("onboard.fromSecret.name", "the name of a Secret"))
        }
        api::Onboard { from_secret: None, mint: Some(_), adopt: None, observe: None } => Ok(Source::Mint),
        api::Onboard { from_secret: None, mint: None, adopt: Some(_), observe: None } => Ok(Source::Adopt),
        api::Onboard { from_secret: None, mint: None, adopt: None, observe: Some(_) } => Ok(Source::Observe),
        _ => Err(invalid(
            "onboard",
            "exactly one of fromSecret, mint, adopt and observe, which is all that this version knows",
        )),
    }
}

fn region(region: &api::RegionSpec) -> Result<WantedRegion, Reason> {
    let name = Region::parse(&region.name).map_err(|_| invalid("regions[].name", "an AWS Region such as eu-west-1"))?;
    let kms_key = region.kms_key_id.as_ref().map(KmsKey::parse).transpose();
    let kms_key = kms_key.map_err(|_| invalid("regions[].kmsKeyID", "the id of a KMS key, its ARN, or alias/…"))?;
    Ok(WantedRegion { name, kms_key })
}

fn rotation(policy: &api::RotationPolicy) -> Result<WrittenRotation, Reason> {
    let engine = match policy.engine {
        api::Engine::Operator => Engine::Operator,
        api::Engine::SecretsManager => Engine::SecretsManager,
        api::Engine::Unrecognised => {
            return Err(invalid("rotation.engine", "Operator or SecretsManager, which is all that this version knows"));
        }
    };
    let first = match policy.first {
        None => None,
        Some(api::FirstRotation::Immediate) => Some(First::Immediate),
        Some(api::FirstRotation::Scheduled) => Some(First::Scheduled),
        Some(api::FirstRotation::Unrecognised) => {
            return Err(invalid("rotation.first", "Immediate or Scheduled, which is all that this version knows"));
        }
    };
    Ok(WrittenRotation {
        engine,
        schedule: policy.schedule.clone(),
        window: policy.window.clone(),
        zone: policy.time_zone.clone(),
        first,
        overlap: policy.overlap.clone(),
        disruption: policy.disruption == api::Disruption::Allow,
    })
}

fn target(target: &api::TargetSpec) -> Result<TargetSpec, Reason> {
    let type_ = match target.type_ {
        None | Some(api::TargetType::Opaque) => SecretType::Opaque,
        Some(api::TargetType::Tls) => SecretType::Tls,
        Some(api::TargetType::BasicAuth) => SecretType::BasicAuth,
        Some(api::TargetType::SshAuth) => SecretType::SshAuth,
        Some(api::TargetType::DockerConfigJson | api::TargetType::Unrecognised) => {
            return Err(invalid(
                "targets[].type",
                "Opaque, kubernetes.io/tls, kubernetes.io/basic-auth or kubernetes.io/ssh-auth",
            ));
        }
    };
    let mut keys = target.labels.keys().chain(target.annotations.keys());
    if keys.any(|key| acted_upon(key)) {
        return Err(invalid(
            "targets[].labels and annotations",
            "without keys that controllers act upon, such as those of managed-secrets.io/, *.kubernetes.io/ (but \
             app.kubernetes.io/), argocd.argoproj.io/ or of reflectors",
        ));
    }
    let template = |(key, text): (&String, &String)| {
        let template = Template::parse(text);
        template.map(|template| (key.clone(), template)).map_err(|_| {
            invalid(
                "targets[].data",
                "of texts that are exactly $(current.FIELD), which is all that this version knows",
            )
        })
    };
    let data = target.data.iter().map(template).collect::<Result<_, _>>()?;
    Ok(TargetSpec {
        name: target.name.clone(),
        type_,
        labels: target.labels.clone(),
        annotations: target.annotations.clone(),
        data: Some(data).filter(|_| !target.data.is_empty()),
    })
}

//! What platform admins write: accounts and stores.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::ResourceExt;
use mes_core::names::{AccountId, KmsKey, Malformed, ObjectName, Region, RoleArn, SecretName, Uid};
use mes_core::scope::{
    Account, AccountGrant, AdminReference, Audience, Operator, Requirement, Selector, Store, StoreGrant,
};

use crate::api;

/// A PartnerAccount as the resolver takes it; `None`: it is of no form that this version reads.
pub fn account(account: &api::PartnerAccount) -> Option<Account> {
    let spec = &account.spec;
    let limits = spec.limits.clone().unwrap_or_default();
    Some(Account {
        name: ObjectName::parse(account.name_any()).ok()?,
        partner_types: spec.partner_types.iter().cloned().collect(),
        endpoint: spec.endpoint.clone(),
        ca_bundle: spec.ca_bundle.clone(),
        private_networks: spec.private_networks.clone(),
        parameters: spec.parameters.clone(),
        admin: spec.admin.as_ref().map(admin),
        grants: spec
            .grants
            .iter()
            .map(|grant| AccountGrant {
                to: audience(&grant.namespaces, grant.namespace_selector.as_ref()),
                identities: grant.identities.clone(),
            })
            .collect(),
        requests_per_minute: limits.requests_per_minute,
        live_credentials: limits.live_credentials,
    })
}

fn admin(admin: &api::Admin) -> AdminReference {
    let read = match (&admin.secret_ref, &admin.store_ref) {
        (Some(secret), None) => ObjectName::parse(&secret.name).ok().map(AdminReference::Secret),
        (None, Some(store)) => ObjectName::parse(&store.name)
            .ok()
            .zip(SecretName::parse(&store.secret_name).ok())
            .map(|(store, name)| AdminReference::StoreSecret { store, name }),
        _ => None,
    };
    read.unwrap_or(AdminReference::Unreadable)
}

/// A SecretsManagerStore as the resolver takes it; `None`: it is of no form that this version reads.
pub fn store(store: &api::SecretsManagerStore) -> Option<Store> {
    let spec = &store.spec;
    let auth = spec.auth.clone().unwrap_or_default();
    // An `auth` of a newer kind must not fall back to the pod's own identity.
    if spec.auth.is_some() && auth.secret_ref.is_none() && auth.assume_role.is_none() {
        return None;
    }
    let region = |region: &api::StoreRegion| {
        Some((Region::parse(&region.name).ok()?, optional(&region.kms_key_id, KmsKey::parse)?))
    };
    Some(Store {
        name: ObjectName::parse(store.name_any()).ok()?,
        region: Region::parse(&spec.region).ok()?,
        account: optional(&spec.account_id, AccountId::parse)?,
        endpoint: spec.endpoint.clone(),
        keys: optional(&auth.secret_ref.map(|secret| secret.name), ObjectName::parse)?,
        role: optional(&auth.assume_role.as_ref().map(|role| role.role_arn.clone()), RoleArn::parse)?,
        external_id: auth.assume_role.and_then(|role| role.external_id),
        prefix: spec.prefix.clone(),
        kms_key: optional(&spec.kms_key_id, KmsKey::parse)?,
        tags: spec.tags.clone(),
        rotation_role: optional(&spec.rotation_role_arn, RoleArn::parse)?,
        // One that can't be read names nobody.
        take_over: spec.take_over.iter().filter_map(|uid| Uid::parse(uid).ok()).collect(),
        regions: spec.regions.iter().map(region).collect::<Option<_>>()?,
        grants: spec
            .grants
            .iter()
            .map(|grant| StoreGrant {
                to: audience(&grant.namespaces, grant.namespace_selector.as_ref()),
                manage: grant.manage.clone(),
                observe: grant.observe.clone(),
            })
            .collect(),
        requests_per_second: spec.limits.as_ref().and_then(|limits| limits.requests_per_second),
    })
}

/// `Some(None)`: not given; `None`: given and malformed.
fn optional<T>(text: &Option<String>, parse: impl Fn(String) -> Result<T, Malformed>) -> Option<Option<T>> {
    text.clone().map(|text| parse(text).ok()).map_or(Some(None), |read| read.map(Some))
}

/// Exactly one of names and selector, else nobody.
fn audience(names: &[String], selector: Option<&LabelSelector>) -> Audience {
    match (names, selector) {
        ([_, ..], None) => Audience::Namespaces(names.iter().cloned().collect()),
        ([], Some(selector)) => self::selector(selector).map_or(Audience::Nobody, Audience::Selector),
        _ => Audience::Nobody,
    }
}

fn selector(selector: &LabelSelector) -> Option<Selector> {
    let requirements = selector.match_expressions.iter().flatten().map(|expression| {
        let operator = match expression.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => return None,
        };
        let values = expression.values.iter().flatten().cloned().collect();
        Some(Requirement { key: expression.key.clone(), operator, values })
    });
    Some(Selector {
        labels: selector.match_labels.clone().unwrap_or_default(),
        requirements: requirements.collect::<Option<_>>()?,
    })
}

//! Which Secrets of a namespace the operator may read by name, where it may not read all: asked of the API server.
//!
//! Invariant: an answer is what our roles say now, and never that a Secret is there or not. It may lack rights that
//! another authorizer than RBAC gives, so it is asked only where the wide right was refused. Called by `target` and by
//! `controller::watch`.

use std::collections::BTreeSet;

use k8s_openapi::api::authorization::v1::{ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use mes_core::fault::Fault;
use mes_core::names::{Namespace, ObjectName};

use super::fault;

/// The names of the Secrets in `namespace` that our roles name for reading; empty where they name none.
///
/// Every Secret that we ever wrote there is among them, as long as its name was not taken out of the role.
pub async fn lent_by_name(client: &Client, namespace: &Namespace) -> Result<BTreeSet<ObjectName>, Fault> {
    let spec = SelfSubjectRulesReviewSpec { namespace: Some(namespace.as_str().to_owned()) };
    let question = SelfSubjectRulesReview { spec, ..SelfSubjectRulesReview::default() };
    let reviews = Api::<SelfSubjectRulesReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &question).await.map_err(|error| fault::of(&error))?;
    let rules = answer.status.map(|status| status.resource_rules).unwrap_or_default();
    let names = rules.into_iter().filter(reads_secrets).flat_map(|rule| rule.resource_names.unwrap_or_default());
    Ok(names.filter_map(|name| ObjectName::parse(name).ok()).collect())
}

fn reads_secrets(rule: &ResourceRule) -> bool {
    let holds =
        |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|each| each == wanted || each == "*");
    holds(&rule.api_groups, "")
        && holds(&rule.resources, "secrets")
        && rule.verbs.iter().any(|verb| verb == "get" || verb == "*")
}

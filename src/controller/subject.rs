//! One resource with its journal and its reach: from the cache for quiet, read live for action.
//!
//! Invariant: nothing is done on the word of a cache. A pass that finds something to do starts again on a live read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use kube::runtime::reflector::ObjectRef;
use mes_core::debt::Debt;
use mes_core::facts::{Facts, Glimpse};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::Journal;
use mes_core::names::{ObjectName, SecretName, SecretOfStore, Uid};
use mes_core::reason::Reason;
use mes_core::scope::{Debts, Holding, Named, Older, Reference, Written};
use mes_core::spec::{Claim, Own, Resource};
use serde_json::json;

use super::budget::every;
use super::context::Context;
use super::pass_clock::PassClock;
use super::reach::{Reach, Turn};
use crate::api::{self, ManagedExternalSecret, parse};

/// Annotation by which a person asks that everything be read again.
const SYNC: &str = "managed-secrets.io/sync";

/// One resource of one pass.
pub(super) struct Subject {
    pub(super) mes: Arc<ManagedExternalSecret>,
    pub(super) rotations: Vec<api::Rotation>,
    pub(super) resource: Resource,
    pub(super) journal: Journal,
    pub(super) reach: Reach,
}

impl Subject {
    /// As the caches have it. No call.
    pub(super) fn cached(context: &Context, mes: &Arc<ManagedExternalSecret>) -> Result<Self, Fault> {
        let (namespace, name) = (mes.metadata.namespace.as_deref(), mes.metadata.name.as_deref());
        let rotations = context.caches.rotations.of(namespace.unwrap_or_default(), name.unwrap_or_default());
        let rotations = rotations.iter().map(|rotation| (**rotation).clone()).collect();
        Self::of(context, mes.clone(), rotations)
    }

    /// Read live: the object and its Rotations. `None`: gone.
    pub(super) async fn live(&self, context: &Context) -> Result<Option<Self>, Fault> {
        let Some(mes) = self.reach.namespace.resource().await? else { return Ok(None) };
        let rotations = self.reach.namespace.rotations().await?;
        Self::of(context, Arc::new(mes), rotations).map(Some)
    }

    /// What is known without asking. `acted`: this pass has changed something since all was read.
    pub(super) fn at_a_glance(&self, context: &Context, clock: &PassClock, acted: bool) -> Facts {
        let own = &*self.resource.own;
        let remembered = context.memory.of(&own.uid, clock);
        let mut tries = remembered.tries;
        tries.saw(&self.journal, self.resource.deleting.is_some(), clock.now());
        let targets = context.targets.of(&own.namespace, &own.name);
        if self.resource.noted.settled_generation == Some(self.resource.generation) {
            tries.first_glimpse(&targets);
        }
        context.memory.keep(&own.uid, tries.clone(), clock);
        let sweep = self.resource.spec.as_ref().ok().and_then(|spec| {
            let secret = &spec.scope.store_secret;
            context.sweeps.line(&secret.store, &secret.name)
        });
        let asked = annotation(&self.mes);
        let glimpse = Glimpse {
            sweep,
            targets,
            verify_due: self.verify_due(context, clock),
            // The first sight of the annotation in this process is no news.
            read_again: acted || remembered.synced.as_ref().is_some_and(|synced| *synced != asked),
        };
        if remembered.synced.is_none() {
            context.memory.synced(&own.uid, asked);
        }
        Facts::at_a_glance(glimpse, context.settings.bounds.clone(), tries)
    }

    /// When everything is to be read again, and AWSCURRENT tried at its partner; `None`: not before it is onboarded.
    pub(super) fn next_check(&self, context: &Context, clock: &PassClock) -> Option<jiff::Timestamp> {
        if !self.resource.noted.onboarded || self.resource.suspended {
            return None;
        }
        let interval = SignedDuration::try_from(context.settings.verify).unwrap_or(SignedDuration::MAX);
        // After a restart each resource has its own moment within one interval, so that partners see no burst.
        let spread = || clock.origin() + SignedDuration::from_secs(spread(&self.resource.own.uid, interval.as_secs()));
        Some(context.memory.of(&self.resource.own.uid, clock).checked.map_or_else(spread, |last| last + interval))
    }

    fn verify_due(&self, context: &Context, clock: &PassClock) -> bool {
        let rejected = self.mes.status.iter().flat_map(|status| &status.conditions);
        let rejected = rejected.into_iter().any(|each| each.type_ == "Ready" && each.reason == "CredentialRejected");
        rejected || self.next_check(context, clock).is_some_and(|at| at <= clock.now())
    }

    /// Everything was read by now, and the annotation of this object acted upon.
    pub(super) fn checked(&self, context: &Context, clock: &PassClock) {
        context.memory.checked(&self.resource.own.uid, annotation(&self.mes), clock);
    }

    /// What is left of a resource on its AWS secret: as the sealed debt says, granted anew, and younger than every resource, so
    /// that none of those that live is kept from anything, and nothing that one of them holds is touched. `None`: a debt of
    /// another version of us.
    pub(super) fn outlived(context: &Context, secret: &SecretOfStore, claim: &Claim, debt: &Debt) -> Option<Self> {
        let mes: ManagedExternalSecret = serde_json::from_value(wire_of_a_debt(secret, claim, debt)).ok()?;
        let namespace = context.caches.namespaces.get(&ObjectRef::new(claim.namespace.as_str()));
        let namespace = namespace.filter(|found| found.metadata.uid.as_deref() == Some(claim.namespace_uid.as_str()));
        let labels = namespace.as_ref().map(|found| found.metadata.labels.clone().unwrap_or_default());
        let own = parse::own(&mes, &context.cluster, &claim.namespace_uid).ok()?;
        let (mut resource, turns) = resolve(context, &mes, own, parse::written(&mes), labels.as_ref()).ok()?;
        // It was in service: nothing may be ended unless AWSCURRENT works.
        resource.noted.onboarded = true;
        let mut reach = Reach::of(context, &resource, turns);
        reach.namespace_is_gone = namespace.is_none();
        Some(Self { mes: Arc::new(mes), rotations: Vec::new(), resource, journal: Journal::default(), reach })
    }

    fn of(context: &Context, mes: Arc<ManagedExternalSecret>, rotations: Vec<api::Rotation>) -> Result<Self, Fault> {
        let namespace = mes.metadata.namespace.clone().unwrap_or_default();
        let cached = context.caches.namespaces.get(&ObjectRef::new(&namespace));
        let cached = cached.ok_or_else(|| unsent("NamespaceUnseen"))?;
        let uid = cached
            .metadata
            .uid
            .clone()
            .and_then(|uid| Uid::parse(uid).ok())
            .ok_or_else(|| unsent("NamespaceUnseen"))?;
        let own = parse::own(&mes, &context.cluster, &uid)?;
        let labels: BTreeMap<String, String> = cached.metadata.labels.clone().unwrap_or_default();
        let written = parse::written(&mes);
        let (mut resource, turns) = resolve(context, &mes, own, written, Some(&labels))?;
        let holding = parse::holding(&mes, Own::clone(&resource.own), resource.spec.as_ref().ok());
        context.sweeps.wake_each(&context.claims.note(holding, stands_back(&mes, &resource)));
        resource.namespace_deleting = cached.metadata.deletion_timestamp.as_ref().map(|time| time.0);
        let journal = parse::journal(&rotations, &resource.own.uid)?;
        let journal = if context.settings.authority_policy { journal } else { journal.without_authority() };
        resource.debts = debts(context, &resource, &journal);
        let reach = Reach::of(context, &resource, turns);
        Ok(Self { mes, rotations, resource, journal, reach })
    }
}

/// As its team might have written it: what else it said is not needed to pay.
fn wire_of_a_debt(secret: &SecretOfStore, claim: &Claim, debt: &Debt) -> serde_json::Value {
    let name = claim.owner.rsplit_once('/').map_or("", |(_, name)| name);
    let own_name = claim.owner == secret.name.as_str();
    let store_ref = if own_name {
        json!({"name": secret.store.as_str()})
    } else {
        json!({"name": secret.store.as_str(), "secretName": secret.name.as_str()})
    };
    let onboard = if own_name { json!({"fromSecret": {"name": name}}) } else { json!({"adopt": {}}) };
    let account = debt.account.as_ref().map(|account| json!({"name": account.as_str()}));
    json!({
        "apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret",
        "metadata": {
            "name": name, "namespace": claim.namespace.as_str(), "uid": claim.uid.as_str(),
            "creationTimestamp": "9999-12-30T00:00:00Z", "deletionTimestamp": "9999-12-30T00:00:00Z",
            "resourceVersion": "0",
        },
        "spec": {
            "partner": {
                "type": debt.partner_type.as_ref().map_or("", |name| name.as_str()),
                "accountRef": account, "parameters": debt.parameters,
            },
            "onboard": onboard, "storeRef": store_ref,
            "rotation": {"engine": "Operator", "disruption": "Allow"},
            "deletion": {
                "store": if debt.promised.store.is_some() { "Delete" } else { "Retain" },
                "partner": if debt.promised.partner { "Revoke" } else { "Retain" },
                "recoveryWindowDays": debt.promised.store.unwrap_or(30),
            },
        },
    })
}

fn resolve(
    context: &Context,
    mes: &ManagedExternalSecret,
    own: Own,
    written: Result<Written, Reason>,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<(Resource, (Turn, Turn)), Fault> {
    let account_name = written.as_ref().ok().and_then(|written| written.partner.as_ref()?.account.clone());
    let store_name = written.as_ref().ok().map(|written| written.store.clone());
    let account = account_name
        .as_ref()
        .map(|name| context.caches.accounts.get(&ObjectRef::new(name.as_str())).map(|found| parse::account(&found)));
    let store = store_name.as_ref().map(|name| store_of(context, name));
    let admin_secret = account.as_ref().and_then(|found| match found.as_ref()?.as_ref()?.admin.as_ref()? {
        mes_core::scope::AdminReference::StoreSecret { store, name } => Some((store.clone(), name.clone())),
        mes_core::scope::AdminReference::Secret(_) | mes_core::scope::AdminReference::Unreadable => None,
    });
    let admin_store = admin_secret.as_ref().map(|(store, _)| store_of(context, store));
    let admin_arn = admin_secret.as_ref().and_then(|(store, name)| context.sweeps.line(store, name)?.arn);
    let asked = asked(mes, &own, written.as_ref().ok(), store.as_ref().and_then(|store| store.as_ref()?.as_ref()));
    let caches = context.caches.clone();
    let older: Older = context.claims.older(&own, &asked, move |own| caches.lives(own));
    let registry = context.registry;
    let named = Named {
        store: reference(&store),
        account: reference(&account),
        admin_store: reference(&admin_store),
        admin_arn: admin_arn.as_ref(),
        namespace_labels: labels,
        older: &older,
        partner_type: &|name| registry.partner_type(name),
    };
    let resource = parse::resource(mes, own, written, named)?;
    let found_store = store.as_ref().and_then(|found| found.as_ref()?.as_ref());
    let found_account = account.as_ref().and_then(|found| found.as_ref()?.as_ref());
    let of_store =
        found_store.map(|store| (store.name.to_string(), every(store.requests_per_second, Duration::from_secs(1))));
    let of_account = found_account
        .map(|account| (account.name.to_string(), every(account.requests_per_minute, Duration::from_secs(60))));
    let turn = |prefix: &str, turn: Option<Turn>| {
        turn.map_or_else(Turn::default, |(name, every)| (format!("{prefix}/{name}"), every))
    };
    Ok((resource, (turn("store", of_store), turn("account", of_account))))
}

/// Whether an older resource has what this one wants: by its spec, or by what its last pass found in a value or a target.
fn stands_back(mes: &ManagedExternalSecret, resource: &Resource) -> bool {
    let told = mes
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .any(|each| ["IdentityInUse", "SecretOwnedByAnother", "TargetConflict"].contains(&each.reason.as_str()));
    told || matches!(resource.spec, Err(Reason::IdentityInUse(_) | Reason::SecretOwnedByAnother(_)))
}

/// What a resource is about to ask for, whoever has it.
fn asked(
    mes: &ManagedExternalSecret,
    own: &Own,
    written: Option<&Written>,
    store: Option<&mes_core::scope::Store>,
) -> Holding {
    let path = |store: &mes_core::scope::Store| {
        SecretName::parse(format!("{}/{}/{}", store.prefix, own.namespace, own.name)).ok()
    };
    let secret = written.zip(store).and_then(|(written, store)| {
        let name = written.secret_name.clone().or_else(|| path(store))?;
        Some(SecretOfStore { store: written.store.clone(), name })
    });
    Holding { secret, ..parse::holding(mes, own.clone(), None) }
}

fn store_of(context: &Context, name: &ObjectName) -> Option<Option<mes_core::scope::Store>> {
    context.caches.stores.get(&ObjectRef::new(name.as_str())).map(|found| parse::store(&found))
}

fn reference<T>(found: &Option<Option<Option<T>>>) -> Reference<'_, T> {
    match found {
        None => Reference::NotNamed,
        Some(None) => Reference::Absent,
        Some(Some(None)) => Reference::Unreadable,
        Some(Some(Some(found))) => Reference::Found(found),
    }
}

/// What a withdrawn grant leaves to pay with. While nothing is owed, nothing is remembered.
fn debts(context: &Context, resource: &Resource, journal: &Journal) -> Option<Debts> {
    let owes = journal.indebted().is_some();
    let uid = &resource.own.uid;
    match &resource.spec {
        Ok(spec) => {
            context.memory.owes(uid, Some(spec).filter(|_| owes));
            None
        }
        Err(refused) => context.memory.debts(uid).filter(|_| owes && Debts::are_left_by(refused)),
    }
}

fn annotation(mes: &ManagedExternalSecret) -> Option<String> {
    mes.metadata.annotations.as_ref()?.get(SYNC).cloned()
}

/// A number below `below` that is always the same for one UID.
pub(super) fn spread(uid: &Uid, below: i64) -> i64 {
    let hash = uid.spread();
    i64::try_from(hash % u64::try_from(below.max(1)).unwrap_or(1)).unwrap_or(0)
}

fn unsent(code: &str) -> Fault {
    Fault::new(Place::Cluster, FaultKind::Unsent, code)
}

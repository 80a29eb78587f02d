//! Paces the sweeps of all stores, wakes what changed, and says how stores and accounts are.
//!
//! Invariant: at rest, one walk of `ListSecrets` a store and interval is all that AWS is asked. What a sweep shows is a
//! hint: whoever acts reads again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use mes_core::debt::Debt;
use mes_core::facts::{StoreSecret, SweepLine};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{AccountId, ObjectName, SecretName, SecretOfStore};
use mes_core::scope::{AdminReference, Store};
use mes_core::spec::{Access, Claim, Own};
use mes_core::status::{self, Truth};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;

use super::context::Context;
use super::debts;
use super::subject::Subject;
use super::unpaid::Unpaid;
use super::watch::Wakes;
use crate::api::{
    ManagedExternalSecret, PartnerAccount, PartnerAccountStatus, SecretsManagerStore, SecretsManagerStoreStatus, parse,
};
use crate::aws::StoreAt;
use crate::cluster::status::{account_status, store_status};

/// What is known of the stores and accounts.
pub(super) struct Sweeps {
    stores: Mutex<BTreeMap<ObjectName, Known>>,
    accounts: Mutex<BTreeMap<ObjectName, Option<Fault>>>,
    /// Secrets whose debt is being paid right now.
    paying: Mutex<BTreeSet<SecretOfStore>>,
    /// What secrets owe and could not be paid.
    pub(super) unpaid: Unpaid,
    wakes: Wakes,
    again: Notify,
}

#[derive(Debug, Clone, Default)]
struct Known {
    lines: Option<BTreeMap<SecretName, SweepLine>>,
    /// Checked once: whose account it is, or why that is not known.
    identity: Option<Result<AccountId, Fault>>,
    refusal: Option<Fault>,
}

impl Sweeps {
    pub(super) fn new(wakes: Wakes) -> Self {
        Self {
            stores: Mutex::default(),
            accounts: Mutex::default(),
            paying: Mutex::default(),
            unpaid: Unpaid::default(),
            wakes,
            again: Notify::new(),
        }
    }

    /// The line of a secret in its store's last sweep. `None`: not swept yet; a secret that the sweep did not show has
    /// an empty line.
    pub(super) fn line(&self, store: &ObjectName, secret: &SecretName) -> Option<SweepLine> {
        let stores = self.lock();
        let lines = stores.get(store)?.lines.as_ref()?;
        Some(lines.get(secret).cloned().unwrap_or_default())
    }

    /// Whether a store was checked since this process began.
    pub(super) fn has_seen(&self, store: &ObjectName) -> bool {
        self.lock().contains_key(store)
    }

    /// Why a store must not be asked: not checked yet, or not what its administrators say it is.
    pub(super) fn refusal(&self, store: &ObjectName) -> Option<Fault> {
        match self.lock().get(store) {
            None => Some(Fault::new(Place::Guard, FaultKind::Unsent, "StoreNotChecked")),
            Some(known) => known.refusal.clone(),
        }
    }

    /// A Describe told more than the last sweep.
    pub(super) fn learn(&self, store: &ObjectName, secret: &SecretName, seen: &StoreSecret) {
        if let Some(lines) = self.lock().get_mut(store).and_then(|known| known.lines.as_mut()) {
            lines.insert(secret.clone(), seen.into());
        }
    }

    /// What the last call with an account's admin credential said.
    pub(super) fn note_account(&self, account: &ObjectName, fault: Option<Fault>) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = accounts.insert(account.clone(), fault.clone());
        if before.flatten().map(|fault| fault.kind) != fault.map(|fault| fault.kind) {
            self.look_again();
        }
    }

    /// Whether what a secret owes after its resource is being paid right now: whoever takes it back waits for that.
    pub(super) fn is_being_paid(&self, secret: &SecretOfStore) -> bool {
        self.paying.lock().unwrap_or_else(PoisonError::into_inner).contains(secret)
    }

    /// Says so until what is given is dropped.
    pub(super) fn pays(&self, secret: &SecretOfStore) -> impl Drop {
        self.paying.lock().unwrap_or_else(PoisonError::into_inner).insert(secret.clone());
        Paying(self, secret.clone())
    }

    /// The secret owes nothing any more.
    pub(super) fn paid(&self, owing: &SecretOfStore) {
        self.unpaid.paid(owing);
        let mut stores = self.lock();
        let line = stores.get_mut(&owing.store).and_then(|known| known.lines.as_mut()?.get_mut(&owing.name));
        if let Some(line) = line {
            line.debt = None;
        }
    }

    /// Wakes one resource.
    pub(super) fn wake_one(&self, mes: &ManagedExternalSecret) {
        let _ = self.wakes.send(ObjectRef::from_obj(mes));
    }

    /// Wakes these resources.
    pub(super) fn wake_each(&self, all: &[Own]) {
        for own in all {
            let _ = self.wakes.send(ObjectRef::new(own.name.as_str()).within(own.namespace.as_str()));
        }
    }

    /// A store or account changed: the next round begins now.
    pub(super) fn look_again(&self) {
        self.unpaid.look_again();
        self.again.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectName, Known>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Paying<'a>(&'a Sweeps, SecretOfStore);

impl Drop for Paying<'_> {
    fn drop(&mut self) {
        self.0.paying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Rounds for ever: each interval all stores, sooner those that changed.
pub(super) async fn rounds(context: Arc<Context>) {
    let mut last: BTreeMap<String, (tokio::time::Instant, Option<i64>)> = BTreeMap::new();
    // A store's debts are paid beside its sweeps, which a partner that does not answer must not hold up. They end with this.
    let mut payers: BTreeMap<String, JoinSet<()>> = BTreeMap::new();
    loop {
        let stores = context.caches.stores.state();
        for store in &stores {
            let (name, generation) = (store.name_any(), store.metadata.generation);
            let due =
                last.get(&name).is_none_or(|(at, seen)| at.elapsed() >= context.settings.sweep || *seen != generation);
            if due && context.lease.is_leader() {
                last.insert(name.clone(), (tokio::time::Instant::now(), generation));
                round(&context, store).await;
                let payer = payers.entry(name.clone()).or_default();
                while payer.try_join_next().is_some() {}
                if let (true, Ok(store)) = (payer.is_empty(), ObjectName::parse(name)) {
                    payer.spawn(debts::pay(context.clone(), store));
                }
            }
        }
        for account in context.caches.accounts.state() {
            if context.lease.is_leader() {
                check_account(&context, &account).await;
            }
        }
        last.retain(|name, _| stores.iter().any(|store| store.name_any() == *name));
        let soonest = last.values().map(|(at, _)| context.settings.sweep.saturating_sub(at.elapsed())).min();
        let pause =
            soonest.unwrap_or(Duration::from_secs(60)).clamp(Duration::from_millis(200), Duration::from_secs(60));
        let _ = tokio::time::timeout(pause, context.sweeps.again.notified()).await;
    }
}

async fn round(context: &Context, wire: &SecretsManagerStore) {
    let Some(store) = parse::store(wire) else { return };
    let at = StoreAt::new(access(context, &store), store.region.clone(), context.cluster.clone());
    let refusal = allowed(context, &store);
    let identity = match refusal.clone() {
        Some(refused) => Err(refused),
        None => context.aws.identity(&at).await,
    };
    let refusal = refusal.or_else(|| wrong_account(&store, &identity));
    let first = {
        let mut stores = context.sweeps.lock();
        let known = stores.entry(store.name.clone()).or_default();
        known.refusal = refusal.clone();
        known.identity = Some(identity.clone());
        known.lines.is_none()
    };
    let swept = match (&refusal, &identity) {
        (None, Ok(_)) => context.aws.sweep(&at, &named(context, &store)).await,
        (Some(fault), _) | (None, Err(fault)) => Err(fault.clone()),
    };
    let (mut listed, mut refused) = (true, None);
    let lines = match &swept {
        Ok(lines) => Some(lines.clone()),
        Err(fault) if fault.kind == FaultKind::Denied && refusal.is_none() && identity.is_ok() => {
            listed = false;
            match described(context, &store).await {
                Ok(lines) => Some(lines),
                Err(fault) => {
                    refused = Some(fault);
                    None
                }
            }
        }
        Err(fault) => {
            context.tally.failed(fault);
            None
        }
    };
    if let Some(lines) = lines {
        take(context, &store.name, lines);
    } else if first {
        // Whoever waits for the store shows why by asking it himself.
        wake(context, &store.name, |_| true);
    }
    let fault = identity.as_ref().err().cloned().or(refused).or_else(|| swept.err().filter(|_| listed));
    tell_store(context, wire, &store, identity.ok(), fault.as_ref(), listed).await;
}

/// The lines of a sweep; whose line changed is woken, and who uses an admin secret that was found or is gone.
fn take(context: &Context, store: &ObjectName, lines: BTreeMap<SecretName, SweepLine>) {
    let before = context.sweeps.lock().get_mut(store).and_then(|known| known.lines.replace(lines.clone()));
    let changed = |secret: &SecretName| match &before {
        None => true,
        Some(before) => {
            let (was, is) = (before.get(secret), lines.get(secret));
            was.map(|line| (&line.versions, line.scheduled_for_deletion))
                != is.map(|line| (&line.versions, line.scheduled_for_deletion))
        }
    };
    wake(context, store, changed);
    let arn = |lines: Option<&BTreeMap<SecretName, SweepLine>>, secret: &SecretName| lines?.get(secret)?.arn.clone();
    let found = |secret: &SecretName| arn(before.as_ref(), secret) != arn(Some(&lines), secret);
    let accounts = context.caches.accounts.state().into_iter();
    let accounts = accounts
        .filter(|account| admin_secret(account).is_some_and(|secret| secret.store == *store && found(&secret.name)));
    let accounts: BTreeSet<String> = accounts.map(|account| account.name_any()).collect();
    if accounts.is_empty() {
        return;
    }
    for mes in context.caches.resources.state() {
        let account = mes.spec.partner.as_ref().and_then(|partner| partner.account_ref.as_ref());
        if account.is_some_and(|account| accounts.contains(account.name.as_str())) {
            context.sweeps.wake_one(&mes);
        }
    }
}

fn wake(context: &Context, store: &ObjectName, which: impl Fn(&SecretName) -> bool) {
    for mes in context.caches.resources.state() {
        if secret_of(context, &mes).is_some_and(|secret| secret.store == *store && which(&secret.name)) {
            let _ = context.sweeps.wakes.send(ObjectRef::from_obj(&*mes));
        }
    }
}

/// The secrets of a store that owe something after their resource, as its last sweep saw them.
pub(super) fn owing(context: &Context, store: &ObjectName) -> Vec<(SecretOfStore, Claim, Debt)> {
    let stores = context.sweeps.lock();
    let lines = stores.get(store).and_then(|known| known.lines.as_ref());
    let owing = lines.into_iter().flatten().filter(|(_, line)| !line.scheduled_for_deletion);
    let owing = owing.filter_map(|(secret, line)| Some((secret.clone(), line.debt.clone()?)));
    owing.map(|(name, (claim, debt))| (SecretOfStore { store: store.clone(), name }, claim, debt)).collect()
}

/// Which secret of which store a resource means, as far as that can be told without its grants.
pub(super) fn secret_of(context: &Context, mes: &ManagedExternalSecret) -> Option<SecretOfStore> {
    let reference = mes.spec.store_ref.as_ref();
    let store = reference.map_or("default", |reference| reference.name.as_str());
    let explicit = reference.and_then(|reference| reference.secret_name.clone());
    let name = match explicit {
        Some(name) => name,
        None => {
            let prefix = &context.caches.stores.get(&ObjectRef::new(store))?.spec.prefix;
            format!("{prefix}/{}/{}", mes.namespace()?, mes.name_any())
        }
    };
    Some(SecretOfStore { store: ObjectName::parse(store).ok()?, name: SecretName::parse(name).ok()? })
}

/// Names that carry no claim of ours: observed, about to be adopted, or an account's admin credential.
fn named(context: &Context, store: &Store) -> BTreeSet<SecretName> {
    let resources = context.caches.resources.state();
    let explicit = resources
        .iter()
        .filter(|mes| mes.spec.store_ref.as_ref().is_some_and(|reference| reference.secret_name.is_some()));
    let admins = context.caches.accounts.state().into_iter().filter_map(|account| admin_secret(&account));
    explicit
        .filter_map(|mes| secret_of(context, mes))
        .chain(admins)
        .filter(|secret| secret.store == store.name)
        .map(|secret| secret.name)
        .collect()
}

/// Which secret of which store holds an account's admin credential, where one does.
fn admin_secret(account: &PartnerAccount) -> Option<SecretOfStore> {
    let reference = account.spec.admin.as_ref()?.store_ref.as_ref()?;
    let store = ObjectName::parse(reference.name.as_str()).ok()?;
    Some(SecretOfStore { store, name: SecretName::parse(reference.secret_name.as_str()).ok()? })
}

/// Where IAM forbids the list: one Describe a secret. Fails if that is forbidden too, for every one of them.
async fn described(context: &Context, store: &Store) -> Result<BTreeMap<SecretName, SweepLine>, Fault> {
    let mut lines = BTreeMap::new();
    let (mut answered, mut denied) = (false, None);
    for mes in context.caches.resources.state() {
        let Some(secret) = secret_of(context, &mes).filter(|secret| secret.store == store.name) else { continue };
        let Ok(subject) = Subject::cached(context, &mes) else { continue };
        let Ok(asked) = subject.reach.store() else { continue };
        match asked.describe().await {
            Ok(Some(seen)) => {
                answered = true;
                lines.insert(secret.name, (&seen).into());
            }
            Ok(None) => answered = true,
            // Unknown is not absent: what was known stays.
            Err(fault) => {
                denied = denied.or(Some(fault).filter(|fault| fault.kind == FaultKind::Denied));
                if let Some(line) = context.sweeps.line(&store.name, &secret.name) {
                    lines.insert(secret.name, line);
                }
            }
        }
    }
    match denied {
        Some(fault) if !answered => Err(fault),
        _ => Ok(lines),
    }
}

fn access(context: &Context, store: &Store) -> Access {
    Access {
        endpoint: store.endpoint.clone(),
        keys: store.keys.clone(),
        role: store.role.clone(),
        external_id: store.external_id.clone().unwrap_or_else(|| context.cluster.to_string()),
    }
}

/// An endpoint of its own would receive every value of the store: only AWS's hosts, unless the operator's flag says so.
fn allowed(context: &Context, store: &Store) -> Option<Fault> {
    let endpoint = store.endpoint.as_deref()?;
    (!is_of_aws(endpoint) && !context.settings.any_store_endpoint)
        .then(|| Fault::new(Place::Guard, FaultKind::Denied, "EndpointNotAllowed"))
}

/// Read as the client reads it: a host is what a URL says it is, not what stands before the first slash.
fn is_of_aws(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().unwrap_or_default();
    let aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|suffix| host.ends_with(suffix));
    url.scheme() == "https" && plain && aws
}

fn wrong_account(store: &Store, identity: &Result<AccountId, Fault>) -> Option<Fault> {
    let wanted = store.account.as_ref()?;
    match identity {
        Ok(account) if account == wanted => None,
        Ok(_) => Some(Fault::new(Place::Sts, FaultKind::Denied, "WrongAccount")),
        // Not known whose it is: nothing is made there until it is.
        Err(fault) => Some(fault.clone()),
    }
}

async fn tell_store(
    context: &Context,
    wire: &SecretsManagerStore,
    store: &Store,
    account: Option<AccountId>,
    fault: Option<&Fault>,
    listed: bool,
) {
    let wrong = store.account.as_ref().zip(account.as_ref()).is_some_and(|(wanted, is)| wanted != is);
    let (truth, reason, message) = match fault {
        _ if wrong => (
            Truth::False,
            "WrongAccount",
            "spec.accountID: the credentials belong to another account; nothing is asked there".to_owned(),
        ),
        None if listed => (Truth::True, "Verified", "the account answers and lists its secrets".to_owned()),
        None => (
            Truth::True,
            "VerifiedWithoutList",
            "the account answers; ListSecrets is refused, so each secret is described".to_owned(),
        ),
        Some(fault) => {
            let reason = match (fault.place, fault.kind) {
                (Place::Guard, _) | (Place::SecretsManager, FaultKind::Denied) => "AccessDenied",
                (Place::Sts | Place::Cluster, FaultKind::Denied | FaultKind::NotFound | FaultKind::Rejected) => {
                    "AuthFailed"
                }
                _ => "Unreachable",
            };
            (
                Truth::False,
                reason,
                format!("{fault}; check spec.auth, the Secret or role that it names, and spec.endpoint"),
            )
        }
    };
    let ready = status::Condition { kind: "Ready", truth, reason, message: status::printable(&message) };
    let isolated = match &store.role {
        Some(_) => status::Condition {
            kind: "IsolatedByIAM",
            truth: Truth::True,
            reason: "SessionPerNamespace",
            message: "a tagged session a namespace".to_owned(),
        },
        None => status::Condition {
            kind: "IsolatedByIAM",
            truth: Truth::False,
            reason: "NoRole",
            message: "without spec.auth.assumeRole IAM does not tell namespaces apart".to_owned(),
        },
    };
    let before = wire.status.clone().unwrap_or_default();
    let (generation, now) = (wire.metadata.generation.unwrap_or_default(), context.outside.clock.now());
    let after = SecretsManagerStoreStatus {
        observed_generation: Some(generation),
        conditions: parse::merged(&before.conditions, &[ready, isolated], &[], generation, now),
        account_id: account.map(|account| account.to_string()).or(before.account_id.clone()),
    };
    if let Err(fault) = store_status(&context.outside.cluster, wire, &after).await {
        context.tally.failed(&fault);
    }
}

async fn check_account(context: &Context, wire: &PartnerAccount) {
    let Some(account) = parse::account(wire) else { return };
    let known = account.partner_types.iter().all(|name| context.registry.partner_type(name).is_some());
    let last =
        context.sweeps.accounts.lock().unwrap_or_else(PoisonError::into_inner).get(&account.name).cloned().flatten();
    let told =
        |truth, reason, message: &str| status::Condition { kind: "Ready", truth, reason, message: message.to_owned() };
    let ready = match &account.admin {
        _ if !known => {
            told(Truth::False, "UnknownPartnerType", "spec.partnerTypes: one is not known; `mes partners` lists them")
        }
        None => told(Truth::True, "NoAdmin", "credentials rotate themselves"),
        Some(AdminReference::Secret(name)) => match (context.home.admin(name).await, last) {
            (Ok(None), _) => {
                told(Truth::False, "AdminMissing", "spec.admin.secretRef: no such Secret in the operator's namespace")
            }
            (Ok(Some(value)), _) if value.get("endpoint").is_none() => told(
                Truth::False,
                "AdminInvalid",
                "spec.admin.secretRef: the Secret needs the key endpoint, equal to spec.endpoint",
            ),
            (Err(fault), _) if fault.kind == FaultKind::Rejected => told(
                Truth::False,
                "AdminInvalid",
                "spec.admin.secretRef: the Secret must be of type managed-secrets.io/admin and hold text",
            ),
            (Err(fault), _) if fault.kind == FaultKind::Denied => told(
                Truth::False,
                "AdminMissing",
                "spec.admin.secretRef: the operator may not read that Secret; name it in the chart's value adminSecrets",
            ),
            (Err(_), _) => return,
            (Ok(Some(_)), Some(fault)) if fault.kind == FaultKind::Denied => {
                told(Truth::False, "AdminRejected", "the partner refuses the admin credential")
            }
            (Ok(Some(_)), Some(fault)) if matches!(fault.kind, FaultKind::Unsent | FaultKind::Unknown) => {
                told(Truth::False, "Unreachable", "the partner does not answer")
            }
            (Ok(Some(_)), _) => told(Truth::True, "Verified", "the admin credential is there"),
        },
        Some(AdminReference::Unreadable) => {
            told(Truth::False, "AdminInvalid", "spec.admin: of a form that this version does not read")
        }
        Some(AdminReference::StoreSecret { .. }) => match last {
            Some(fault) if fault.kind == FaultKind::Denied => {
                told(Truth::False, "AdminRejected", "the partner or the store refuses the admin credential")
            }
            _ => told(Truth::True, "Verified", "the admin credential lies in the store"),
        },
    };
    let before = wire.status.clone().unwrap_or_default();
    let (generation, now) = (wire.metadata.generation.unwrap_or_default(), context.outside.clock.now());
    let conditions: Vec<Condition> = parse::merged(&before.conditions, &[ready], &[], generation, now);
    let after = PartnerAccountStatus { observed_generation: Some(generation), conditions };
    if let Err(fault) = account_status(&context.outside.cluster, wire, &after).await {
        context.tally.failed(&fault);
    }
}

#[cfg(test)]
mod tests {
    use super::is_of_aws;

    #[test]
    fn t35_a_stores_endpoint_is_a_host_of_aws_over_https_however_it_is_spelled() {
        for endpoint in [
            "https://secretsmanager.us-west-2.amazonaws.com",
            "https://vpce-1-a.secretsmanager.us-west-2.vpce.amazonaws.com:443/",
            "https://secretsmanager.cn-north-1.amazonaws.com.cn",
            "https://SECRETSMANAGER.us-west-2.api.aws",
        ] {
            assert!(is_of_aws(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://secretsmanager.us-west-2.amazonaws.com",
            "https://amazonaws.com",
            "https://evilamazonaws.com",
            "https://amazonaws.com.evil.example",
            "https://evil.example#.amazonaws.com",
            "https://evil.example?.amazonaws.com",
            "https://evil.example\\.amazonaws.com",
            "https://x.amazonaws.com@evil.example",
            "https://a@x.amazonaws.com",
            "https://127.0.0.1/.amazonaws.com",
            "secretsmanager.us-west-2.amazonaws.com",
            "",
        ] {
            assert!(!is_of_aws(endpoint), "{endpoint}");
        }
    }
}

//! Status of the cluster-scoped kinds: accounts and stores.
//!
//! Invariant: written on change only, onto the object that was seen. Called by `controller::sweep` and by whatever
//! checks accounts.

use kube::api::{Api, Patch};
use kube::{Client, Resource};
use mes_core::fault::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::namespace::{parameters, precondition};
use super::{fault, merge};
use crate::api::{PartnerAccount, PartnerAccountStatus, SecretsManagerStore, SecretsManagerStoreStatus};

/// Makes the status of the account, as `seen`, `status`. Gives whether anything had to be written.
pub async fn account_status(
    client: &Client,
    seen: &PartnerAccount,
    status: &PartnerAccountStatus,
) -> Result<bool, Fault> {
    publish(client, seen, &seen.status.clone().unwrap_or_default(), status).await
}

/// Makes the status of the store, as `seen`, `status`. Gives whether anything had to be written.
pub async fn store_status(
    client: &Client,
    seen: &SecretsManagerStore,
    status: &SecretsManagerStoreStatus,
) -> Result<bool, Fault> {
    publish(client, seen, &seen.status.clone().unwrap_or_default(), status).await
}

async fn publish<K, T>(client: &Client, seen: &K, before: &T, after: &T) -> Result<bool, Fault>
where
    K: Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
    T: Serialize,
{
    let Some(change) = merge::difference(before, after)? else { return Ok(false) };
    let patch = Patch::Merge(json!({"metadata": precondition(seen.meta())?, "status": change}));
    let name = seen.meta().name.as_deref().unwrap_or_default();
    let written = Api::<K>::all(client.clone()).patch_status(name, &parameters(), &patch).await;
    written.map(|_| true).map_err(|error| fault::of(&error))
}

//! What of a store changed, for a page of a hundred secrets a call; and whose account it is.
//!
//! Invariant: a line is a glimpse that may lag by minutes, never a reason to write. A listing that ends early is a
//! fault and no listing. Called by `controller/sweep` for a whole store, which is why it takes [`StoreAt`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use mes_core::facts::SweepLine;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{AccountId, Arn, Region, SecretName, Stage, Uid, VersionId};
use mes_core::spec::Access;

use super::credentials::Session;
use super::regions::For;
use super::{Aws, account_of, claim, read};

/// Secrets a page: the most that `ListSecrets` gives.
const PAGE: i32 = 100;
/// Values a filter: the most that `ListSecrets` takes.
const VALUES: usize = 10;
/// Pages of the largest account (500,000 secrets), doubled: a token that leads in a circle ends.
const PAGES: usize = 10_000;

/// A store as a whole: its coordinates, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAt {
    access: Access,
    primary: Region,
    cluster: Uid,
}

impl StoreAt {
    /// The coordinates of a store: how it is reached, its region, and the cluster (UID of `kube-system`) whose secrets
    /// are looked for.
    pub fn new(access: Access, primary: Region, cluster: Uid) -> Self {
        Self { access, primary, cluster }
    }
}

impl Aws {
    /// The account that the store's credentials belong to (`GetCallerIdentity`, which needs no right): proof that they
    /// are valid and its role can be assumed. Faults are of STS, or of the cluster where keys are missing.
    pub async fn identity(&self, store: &StoreAt) -> Result<AccountId, Fault> {
        let session = self.0.sessions.of(&store.access, &store.primary, For::Store(store.cluster.clone()));
        self.within(session.identity()).await
    }

    /// `ListSecrets` in the store's region, a page after the other: all secrets that this cluster has claimed, and
    /// those of `named`, which carry no claim of ours (observed, or about to be adopted). Secrets that are scheduled for
    /// deletion are among them. `Denied`: the store may not be listed; describe its secrets one by one.
    pub async fn sweep(
        &self,
        store: &StoreAt,
        named: &BTreeSet<SecretName>,
    ) -> Result<BTreeMap<SecretName, SweepLine>, Fault> {
        let session = self.sweeper(store).await?;
        let claimed = vec![
            filter(FilterNameStringType::TagKey, [claim::CLUSTER.to_owned()]),
            filter(FilterNameStringType::TagValue, [store.cluster.to_string()]),
        ];
        let mut lines = self.list(&session, store, claimed, |_| true).await?;
        if named.iter().any(|name| !lines.contains_key(name)) {
            let by_name = match prefixes(named) {
                Some(prefixes) => vec![filter(FilterNameStringType::Name, prefixes)],
                None => Vec::new(),
            };
            lines.extend(self.list(&session, store, by_name, |name| named.contains(name)).await?);
        }
        Ok(lines)
    }

    /// Who lists: the identity below the role where it is of the same account (its policy allows listing names, and
    /// the role's doesn't), else the role with the session tag of no namespace.
    async fn sweeper(&self, store: &StoreAt) -> Result<std::sync::Arc<Session>, Fault> {
        if let Some(role) = &store.access.role {
            let base = self.0.sessions.base(&store.access, &store.primary);
            let account = self.within(base.account()).await?;
            if role.as_str().split(':').nth(4) == Some(account.as_str()) {
                return Ok(base);
            }
        }
        Ok(self.0.sessions.of(&store.access, &store.primary, For::Store(store.cluster.clone())))
    }

    async fn list(
        &self,
        session: &Session,
        store: &StoreAt,
        filters: Vec<Filter>,
        wanted: impl Fn(&SecretName) -> bool,
    ) -> Result<BTreeMap<SecretName, SweepLine>, Fault> {
        let mut lines = BTreeMap::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let (filters, from) = (&filters, token.take());
            let send = |client: Client| {
                client
                    .list_secrets()
                    .max_results(PAGE)
                    .include_planned_deletion(true)
                    .set_filters((!filters.is_empty()).then(|| filters.clone()))
                    .set_next_token(from.clone())
                    .send()
            };
            let page = self.call("ListSecrets", session, &store.primary, send).await?;
            for entry in page.secret_list() {
                // A name that we can't have declared is none of ours.
                let Some(name) = entry.name().and_then(|name| SecretName::parse(name).ok()) else { continue };
                if wanted(&name) {
                    let line = self.line(store, &name, entry)?;
                    lines.insert(name, line);
                }
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(lines);
            }
        }
        Err(Fault::new(Place::SecretsManager, FaultKind::Unknown, "EndlessListing"))
    }

    fn line(&self, store: &StoreAt, name: &SecretName, entry: &SecretListEntry) -> Result<SweepLine, Fault> {
        let versions: BTreeMap<VersionId, BTreeSet<Stage>> = read::versions(entry.secret_versions_to_stages())?;
        let current = versions.iter().find(|(_, stages)| stages.iter().any(|each| each.as_str() == Stage::CURRENT));
        let arn = entry.arn().and_then(|arn| Arn::parse(arn).ok());
        let account = arn.as_ref().and_then(account_of).unwrap_or_default();
        let debt = claim::owed(entry.tags(), account, &store.primary, name, &self.0.seal);
        Ok(SweepLine {
            current: current.map(|(version, _)| version.clone()),
            changed: entry.last_changed_date().map(read::timestamp).transpose()?,
            scheduled_for_deletion: entry.deleted_date().is_some(),
            debt: debt.filter(|(claim, _)| claim.cluster == store.cluster),
            versions,
            arn,
        })
    }
}

fn filter(key: FilterNameStringType, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().key(key).set_values(Some(values.into_iter().collect())).build()
}

/// At most ten prefixes that cover every name: the names themselves while they are few, else their folders, as deep as
/// the ten allow. `None`: no ten prefixes do, so everything is listed.
///
/// A page costs the same whatever it holds, so a folder with strangers in it is cheaper than a call for ten names.
fn prefixes(names: &BTreeSet<SecretName>) -> Option<BTreeSet<String>> {
    let deepest = names.iter().map(|name| name.as_str().matches('/').count()).max().unwrap_or_default();
    let whole = names.iter().map(|name| name.to_string()).collect();
    let at_depth = |depth| names.iter().map(|name| folder(name.as_str(), depth).to_owned()).collect();
    std::iter::once(whole)
        .chain((1..=deepest).rev().map(at_depth))
        .find(|found: &BTreeSet<String>| found.len() <= VALUES)
}

/// The first `depth` folders of a name, with the slash; the name itself where it has fewer.
fn folder(name: &str, depth: usize) -> &str {
    match name.match_indices('/').nth(depth - 1) {
        Some((at, _)) => &name[..=at],
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: impl IntoIterator<Item = String>) -> BTreeSet<SecretName> {
        all.into_iter().map(|name| SecretName::parse(name).unwrap()).collect()
    }

    #[test]
    fn few_names_are_asked_for_by_name_and_many_by_their_folder() {
        let few = names((0..10).map(|n| format!("shared/a/{n}")));
        assert_eq!(prefixes(&few).unwrap().len(), 10);
        let many = names((0..5000).map(|n| format!("shared/{}/{n}", n % 7)));
        assert_eq!(prefixes(&many).unwrap(), (0..7).map(|n| format!("shared/{n}/")).collect());
        let wide = names((0..5000).map(|n| format!("shared/{n}/x")));
        assert_eq!(prefixes(&wide).unwrap(), BTreeSet::from(["shared/".to_owned()]));
        assert_eq!(prefixes(&names((0..11).map(|n| format!("flat{n}")))), None);
    }
}

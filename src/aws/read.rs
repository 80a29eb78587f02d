//! What is asked of Secrets Manager about one secret: describe, replica, read.
//!
//! Invariant: `Ok(None)` only where AWS said that it is not there; everything else that is not an answer is a fault.
//! Values are read by version id, never by a label that may move meanwhile, but in [`StoreSecret::read_current`], which
//! tells the id. Called by `controller/look` and `controller/perform`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::types::{ReplicationStatusType, StatusType};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use mes_core::facts::{self, Answer, ManagedRotation, Replica, Replication, ReplicationState};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{Arn, Region, Stage, VersionId};
use mes_core::secret::Value;
use zeroize::Zeroizing;

use super::value::{self, Plain};
use super::{StoreSecret, account_of, claim, in_region_of};

impl StoreSecret {
    /// `DescribeSecret` in the store's region, by name: a secret that was made anew under it is seen as it is.
    /// What is written afterwards meets the secret that this tells, and no other.
    pub async fn describe(&self) -> Answer<facts::StoreSecret> {
        self.know(None);
        let name = self.secret.name.as_str();
        let answer = self.call("DescribeSecret", |client| client.describe_secret().secret_id(name).send()).await;
        let Some(answer) = there(answer)? else { return Ok(None) };
        let arn = self.ours(&self.secret.primary, answer.arn(), FaultKind::Denied)?;
        self.know(Some(arn.clone()));
        self.seen(arn, &answer).map(Some)
    }

    /// `DescribeSecret` of the replica in `region`. A secret of the same name there which is not a replica of ours is
    /// no replica: `Ok(None)`.
    pub async fn replica(&self, region: &Region) -> Answer<Replica> {
        let id = self.arn().map_or_else(|| self.secret.name.to_string(), |arn| in_region_of(&arn, region));
        let send = |client: aws_sdk_secretsmanager::Client| client.describe_secret().secret_id(&id).send();
        let answer = self.aws.call("DescribeSecret", &self.session, region, send).await;
        let Some(answer) = there(answer)? else { return Ok(None) };
        let of_ours = self.ours(region, answer.arn(), FaultKind::Denied).is_ok();
        if !of_ours || answer.primary_region() != Some(self.secret.primary.as_str()) {
            return Ok(None);
        }
        let versions = versions(answer.version_ids_to_stages())?;
        let current =
            versions.into_iter().find(|(_, stages)| stages.iter().any(|each| each.as_str() == Stage::CURRENT));
        Ok(Some(Replica { current: current.map(|(version, _)| version) }))
    }

    /// `ListSecretVersionIds` with those that have no labels: when each was made. "Secrets Manager doesn't remove versions
    /// created less than 24 hours ago". More than 1,000 of them are no answer (`TooManyVersions`).
    pub async fn versions(&self) -> Answer<BTreeMap<VersionId, Timestamp>> {
        const PAGES: usize = 10;
        let (id, mut token, mut all) = (self.id(), None::<String>, BTreeMap::new());
        for _ in 0..PAGES {
            let send = |client: aws_sdk_secretsmanager::Client| {
                let asked = client.list_secret_version_ids().secret_id(&id).include_deprecated(true);
                asked.set_next_token(token.clone()).send()
            };
            let Some(page) = there(self.call("ListSecretVersionIds", send).await)? else { return Ok(None) };
            self.ours(&self.secret.primary, page.arn(), FaultKind::Denied)?;
            for told in page.versions() {
                let version = told.version_id().and_then(|version| VersionId::parse(version).ok());
                let (Some(version), Some(made)) = (version, told.created_date()) else {
                    return Err(unusable("UnreadableAnswer"));
                };
                all.insert(version, timestamp(made)?);
            }
            match page.next_token() {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(Some(all)),
            }
        }
        Err(unusable("TooManyVersions"))
    }

    /// `GetSecretValue` of one version. `Ok(None)`: the version (or the secret) is not there, or has no value yet.
    /// Faults: `NotAnObject` unless the secret is only observed, `SecretBinary`, `WrongVersion`.
    pub async fn read(&self, version: &VersionId) -> Answer<Value> {
        let id = self.id();
        let send = |client: aws_sdk_secretsmanager::Client| {
            client.get_secret_value().secret_id(&id).version_id(version.as_str()).send()
        };
        let answer = self.call("GetSecretValue", send).await;
        let Some(answer) = there(answer)? else { return Ok(None) };
        let (told, value) = self.opened(answer)?;
        if told == *version { Ok(Some(value)) } else { Err(unusable("WrongVersion")) }
    }

    /// `GetSecretValue` of AWSCURRENT, and which version that is. `Ok(None)`: no secret, or none is current.
    pub async fn read_current(&self) -> Answer<(VersionId, Value)> {
        let id = self.id();
        let send = |client: aws_sdk_secretsmanager::Client| client.get_secret_value().secret_id(&id).send();
        match there(self.call("GetSecretValue", send).await)? {
            Some(answer) => self.opened(answer).map(Some),
            None => Ok(None),
        }
    }

    fn opened(&self, mut answer: GetSecretValueOutput) -> Result<(VersionId, Value), Fault> {
        let text = answer.secret_string.take().map(Zeroizing::new);
        self.ours(&self.secret.primary, answer.arn(), FaultKind::Denied)?;
        let version = answer.version_id().and_then(|version| VersionId::parse(version).ok());
        let version = version.ok_or_else(|| unusable("UnreadableAnswer"))?;
        let Some(text) = text else {
            return Err(Fault::new(Place::SecretsManager, FaultKind::Rejected, "SecretBinary"));
        };
        let plain = if self.secret.read_only { Plain::Field } else { Plain::Refused };
        Ok((version, value::parse(&text, plain)?))
    }

    fn seen(&self, arn: Arn, answer: &DescribeSecretOutput) -> Result<facts::StoreSecret, Fault> {
        let primary = answer.primary_region().filter(|region| *region != self.secret.primary.as_str());
        let replica_of = primary.map(|region| Region::parse(region).map_err(|_| unusable("UnreadableAnswer")));
        let (account, seal) = (account_of(&arn).unwrap_or_default(), &self.aws.0.seal);
        let ownership = claim::ownership(answer.tags(), &self.secret, account, seal);
        let owed = claim::owed(answer.tags(), account, &self.secret.primary, &self.secret.name, seal);
        Ok(facts::StoreSecret {
            arn,
            ownership,
            secret_type: answer.r#type().filter(|text| !text.is_empty()).map(str::to_owned),
            owning_service: answer.owning_service().is_some_and(|service| !service.is_empty()),
            rotation: rotation(answer)?,
            versions: versions(answer.version_ids_to_stages())?,
            replica_of: replica_of.transpose()?,
            // Named differently in two answers, and documented as "scheduled for": its presence is the signal.
            scheduled_for_deletion: answer.deleted_date().is_some(),
            replication: replication(answer.replication_status()),
            debt: owed.filter(|(claim, _)| *claim == self.secret.claim).map(|(_, debt)| Box::new(debt)),
        })
    }
}

/// Every version with its labels. A label that we can't name is left out: no rule asks for it.
pub(super) fn versions(
    told: Option<&HashMap<String, Vec<String>>>,
) -> Result<BTreeMap<VersionId, BTreeSet<Stage>>, Fault> {
    told.into_iter()
        .flatten()
        .map(|(version, stages)| {
            let version = VersionId::parse(version.as_str()).map_err(|_| unusable("UnreadableAnswer"))?;
            Ok((version, stages.iter().filter_map(|stage| Stage::parse(stage.as_str()).ok()).collect()))
        })
        .collect()
}

pub(super) fn timestamp(told: &DateTime) -> Result<Timestamp, Fault> {
    // Nanoseconds of a second are below 2^30.
    Timestamp::new(told.secs(), told.subsec_nanos() as i32).map_err(|_| unusable("UnreadableAnswer"))
}

/// Not found is an answer; every other fault stays one.
fn there<T>(answer: Result<T, Fault>) -> Answer<T> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(fault) if fault.place == Place::SecretsManager && fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn unusable(code: &str) -> Fault {
    Fault::new(Place::SecretsManager, FaultKind::Unknown, code)
}

fn rotation(answer: &DescribeSecretOutput) -> Result<Option<ManagedRotation>, Fault> {
    let metadata = answer.external_secret_rotation_metadata();
    let ever = answer.rotation_enabled().is_some()
        || answer.rotation_lambda_arn().is_some()
        || answer.rotation_rules().is_some()
        || answer.external_secret_rotation_role_arn().is_some()
        || !metadata.is_empty();
    if !ever {
        return Ok(None);
    }
    let rules = answer.rotation_rules();
    Ok(Some(ManagedRotation {
        enabled: answer.rotation_enabled().unwrap_or_default(),
        lambda: answer.rotation_lambda_arn().is_some_and(|arn| !arn.is_empty()),
        // Not `AutomaticallyAfterDays`: AWS calculates it beside an expression, and it would differ forever.
        schedule: rules.and_then(|rules| rules.schedule_expression()).map(str::to_owned),
        window: rules.and_then(|rules| rules.duration()).map(str::to_owned),
        role: answer.external_secret_rotation_role_arn().map(str::to_owned),
        metadata: metadata
            .iter()
            .filter_map(|item| Some((item.key()?.to_owned(), item.value().unwrap_or_default().to_owned())))
            .collect(),
        last: answer.last_rotated_date().map(timestamp).transpose()?,
        next: answer.next_rotation_date().map(timestamp).transpose()?,
    }))
}

fn replication(told: &[ReplicationStatusType]) -> BTreeMap<Region, Replication> {
    let each = told.iter().filter_map(|status| {
        let region = Region::parse(status.region()?).ok()?;
        let state = match status.status() {
            Some(StatusType::InSync) => ReplicationState::InSync,
            Some(StatusType::Failed) => ReplicationState::Failed,
            // Newer states (`Pending`, `Detached`) are not in sync, and that is all that a rule needs to know.
            _ => ReplicationState::InProgress,
        };
        let name_taken = status.status_message().is_some_and(|message| message.contains("already exists"));
        Some((region, Replication { state, name_taken, kms_key: status.kms_key_id().map(str::to_owned) }))
    });
    each.collect()
}

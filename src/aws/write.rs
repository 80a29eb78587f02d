//! What is done to one secret: one API call each.
//!
//! Invariant: no call here overwrites what it was not told of. `PutSecretValue` always names its labels (without them
//! AWS moves AWSCURRENT at once), AWSCURRENT moves by compare-and-swap alone, and deletion always has a window.
//! Never called, since each destroys or moves without a precondition: `UpdateSecret`, `RestoreSecret`,
//! `ForceDeleteWithoutRecovery`, `ForceOverwriteReplicaSecret`. Called by `controller/perform`.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretOutput;
use aws_sdk_secretsmanager::types::{ExternalSecretRotationMetadataItem, ReplicaRegionType, RotationRulesType};
use mes_core::debt::Debt;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{KmsKey, PartnerTypeName, Region, Stage, VersionId};
use mes_core::secret::Value;
use mes_core::spec::Delegation;

use super::{StoreSecret, account_of, claim, value};

impl StoreSecret {
    /// `CreateSecret` without a value, with claim, tags and key in the same call. `Exists`: the name is taken; describe
    /// it to see by whom.
    pub async fn create(&self) -> Result<(), Fault> {
        self.writable()?;
        let account = self.account().await?;
        let (secret, tags) = (&self.secret, claim::tags_of_ours(&self.secret, &account, &self.aws.0.seal));
        let send = |client: Client| {
            client
                .create_secret()
                .name(secret.name.as_str())
                .set_kms_key_id(secret.kms_key.as_ref().map(KmsKey::to_string))
                .set_tags(Some(tags.clone()))
                .send()
        };
        let answer = self.call("CreateSecret", send).await?;
        self.made(&answer)
    }

    /// `CreateSecret` with `Type` and the first value under `version`, for a secret that AWS rotates: its value is
    /// never put afterwards.
    pub async fn create_managed(
        &self,
        version: &VersionId,
        value: &Value,
        partner_type: &PartnerTypeName,
    ) -> Result<(), Fault> {
        self.writable()?;
        let account = self.account().await?;
        let (secret, tags) = (&self.secret, claim::tags_of_ours(&self.secret, &account, &self.aws.0.seal));
        let send = |client: Client| {
            client
                .create_secret()
                .name(secret.name.as_str())
                .set_kms_key_id(secret.kms_key.as_ref().map(KmsKey::to_string))
                .set_tags(Some(tags.clone()))
                .r#type(partner_type.as_str())
                .client_request_token(version.as_str())
                .secret_string(value::render(value))
                .send()
        };
        let answer = self.call("CreateSecret", send).await?;
        self.made(&answer)
    }

    /// `TagResource`: our claim, and nothing else, onto a secret that was there.
    pub async fn claim(&self) -> Result<(), Fault> {
        self.writable()?;
        let account = self.account().await?;
        let (id, tags) = (self.id(), claim::tags(&self.secret, &account, &self.aws.0.seal));
        self.call("TagResource", |client| client.tag_resource().secret_id(&id).set_tags(Some(tags.clone())).send())
            .await?;
        Ok(())
    }

    /// `TagResource`: how what the secret owes is paid, under our seal; `None`: it owes nothing any more.
    pub async fn owe(&self, debt: Option<&Debt>) -> Result<(), Fault> {
        self.writable()?;
        let account = self.account().await?;
        let (id, tags) = (self.id(), claim::owing(debt, &self.secret, &account, &self.aws.0.seal));
        self.call("TagResource", |client| client.tag_resource().secret_id(&id).set_tags(Some(tags.clone())).send())
            .await?;
        Ok(())
    }

    /// `UpdateSecretVersionStage`: the label of what is owed onto `version`, which no other version has.
    pub async fn mark_owed(&self, version: &VersionId) -> Result<(), Fault> {
        self.restage(owed(version)?.as_str(), Some(version), None).await
    }

    /// … and off it. `Conflict`: it was not on it.
    pub async fn unmark_owed(&self, version: &VersionId) -> Result<(), Fault> {
        self.restage(owed(version)?.as_str(), None, Some(version)).await
    }

    /// `PutSecretValue` of the first version, which becomes AWSCURRENT. The same bytes again are a success;
    /// `Exists`: the version has other bytes.
    pub async fn put_first(&self, version: &VersionId, value: &Value) -> Result<(), Fault> {
        self.put(version, value, Stage::CURRENT).await
    }

    /// `PutSecretValue` of a candidate, which becomes AWSPENDING. The same bytes again are a success;
    /// `Exists`: the version has other bytes.
    pub async fn put_pending(&self, version: &VersionId, value: &Value) -> Result<(), Fault> {
        self.put(version, value, Stage::PENDING).await
    }

    /// `UpdateSecretVersionStage`: AWSCURRENT from `from` to `to`, or onto `to` if no version has it. `Conflict`: it
    /// was not on `from` (or already on `to`); nothing was moved.
    pub async fn promote(&self, to: &VersionId, from: Option<&VersionId>) -> Result<(), Fault> {
        self.restage(Stage::CURRENT, Some(to), from).await
    }

    /// `UpdateSecretVersionStage`: AWSPENDING off `version`. `Conflict`: it was not on it.
    pub async fn discard_pending(&self, version: &VersionId) -> Result<(), Fault> {
        self.restage(Stage::PENDING, None, Some(version)).await
    }

    /// `UpdateSecretVersionStage`: AWSPREVIOUS off `version`. `Conflict`: it was not on it.
    pub async fn discard_previous(&self, version: &VersionId) -> Result<(), Fault> {
        self.restage(Stage::PREVIOUS, None, Some(version)).await
    }

    /// Whether a label could be moved now, without moving one: AWSPENDING from `version` onto `version`. Refused for what it
    /// says (`Conflict`), or taken, the right to call was checked first; only what is denied, or fails, is an error.
    pub async fn rehearse(&self, version: &VersionId) -> Result<(), Fault> {
        match self.restage(Stage::PENDING, Some(version), Some(version)).await {
            Err(fault) if fault.kind == FaultKind::Conflict => Ok(()),
            tried => tried,
        }
    }

    /// `ReplicateSecretToRegions`, one region; with AWS's own key there if none is named. Success means that AWS began.
    pub async fn replicate(&self, region: &Region, kms_key: Option<&KmsKey>) -> Result<(), Fault> {
        self.writable()?;
        let kms_key = kms_key.map(KmsKey::to_string);
        let replica = ReplicaRegionType::builder().region(region.as_str()).set_kms_key_id(kms_key).build();
        let id = self.id();
        let send = |client: Client| {
            client.replicate_secret_to_regions().secret_id(&id).add_replica_regions(replica.clone()).send()
        };
        let answer = self.call("ReplicateSecretToRegions", send).await?;
        self.met(answer.arn())
    }

    /// `RemoveRegionsFromReplication`, one region: the replica is gone at once, without a window.
    pub async fn remove_replica(&self, region: &Region) -> Result<(), Fault> {
        self.writable()?;
        let id = self.id();
        let send = |client: Client| {
            client.remove_regions_from_replication().secret_id(&id).remove_replica_regions(region.as_str()).send()
        };
        let answer = self.call("RemoveRegionsFromReplication", send).await?;
        self.met(answer.arn())
    }

    /// `DeleteSecret`: unreadable now, gone after `recovery_window_days` (7 to 30). `WrongState` with code
    /// `HasReplicas`: they go first.
    pub async fn delete(&self, recovery_window_days: u8) -> Result<(), Fault> {
        self.writable()?;
        let (id, days) = (self.id(), i64::from(recovery_window_days));
        let send = |client: Client| client.delete_secret().secret_id(&id).recovery_window_in_days(days).send();
        let answer = self.call("DeleteSecret", send).await?;
        self.met(answer.arn())
    }

    /// `RotateSecret`: role, metadata and schedule declared to AWS, which rotates at once if `immediately`.
    /// `WrongState` with code `PreviousRotationIncomplete`: even a change of schedule waits for it; with
    /// `RoleNotAssumable`: IAM may not know the role yet.
    pub async fn delegate(&self, delegation: &Delegation, immediately: bool) -> Result<(), Fault> {
        self.writable()?;
        let id = self.id();
        let metadata = delegation
            .metadata
            .iter()
            .map(|(key, value)| ExternalSecretRotationMetadataItem::builder().key(key).value(value).build());
        let metadata: Vec<_> = metadata.collect();
        let send = |client: Client| {
            client
                .rotate_secret()
                .secret_id(&id)
                .external_secret_rotation_role_arn(delegation.role.as_str())
                .set_external_secret_rotation_metadata(Some(metadata.clone()))
                .set_rotation_rules(rules(delegation))
                .rotate_immediately(immediately)
                .send()
        };
        let answer = self.call("RotateSecret", send).await?;
        self.met(answer.arn())
    }

    async fn put(&self, version: &VersionId, value: &Value, stage: &str) -> Result<(), Fault> {
        self.writable()?;
        let id = self.id();
        let send = |client: Client| {
            client
                .put_secret_value()
                .secret_id(&id)
                .client_request_token(version.as_str())
                .secret_string(value::render(value))
                .version_stages(stage)
                .send()
        };
        let answer = self.call("PutSecretValue", send).await?;
        self.met(answer.arn())
    }

    async fn restage(&self, stage: &str, to: Option<&VersionId>, from: Option<&VersionId>) -> Result<(), Fault> {
        self.writable()?;
        let id = self.id();
        let send = |client: Client| {
            client
                .update_secret_version_stage()
                .secret_id(&id)
                .version_stage(stage)
                .set_move_to_version_id(to.map(VersionId::to_string))
                .set_remove_from_version_id(from.map(VersionId::to_string))
                .send()
        };
        let answer = self.call("UpdateSecretVersionStage", send).await.map_err(swapped)?;
        self.met(answer.arn())
    }

    /// The account that the secret is in, or will be: as it was described, as the store declares it, or, where it does
    /// not, whose the session is.
    async fn account(&self) -> Result<String, Fault> {
        if let Some(account) = self.arn().as_ref().and_then(account_of) {
            return Ok(account.to_owned());
        }
        match &self.secret.account {
            Some(account) => Ok(account.to_string()),
            None => self.aws.within(self.session.account()).await.map(ToString::to_string),
        }
    }

    /// What is only observed or only read has no writer: a bug of ours must not reach AWS.
    fn writable(&self) -> Result<(), Fault> {
        match self.secret.read_only {
            false => Ok(()),
            true => Err(Fault::new(Place::Guard, FaultKind::Undeclared, "ReadOnly")),
        }
    }

    fn made(&self, answer: &CreateSecretOutput) -> Result<(), Fault> {
        // Written already, if elsewhere: its fate is not "nothing happened".
        let arn = self.ours(&self.secret.primary, answer.arn(), FaultKind::Unknown)?;
        self.know(Some(arn));
        Ok(())
    }

    fn met(&self, answered: Option<&str>) -> Result<(), Fault> {
        self.ours(&self.secret.primary, answered, FaultKind::Unknown).map(drop)
    }
}

fn owed(version: &VersionId) -> Result<Stage, Fault> {
    Stage::owed(version).ok_or_else(|| Fault::new(Place::Guard, FaultKind::Rejected, "NoLabel"))
}

/// A label that was not where the caller said is AWS's "invalid parameter" (or request): our input is well formed, so
/// somebody else moved it first. States with a code of their own stay what they are.
fn swapped(fault: Fault) -> Fault {
    match fault.code.as_str() {
        "InvalidParameterException" | "InvalidRequestException" => Fault { kind: FaultKind::Conflict, ..fault },
        _ => fault,
    }
}

fn rules(delegation: &Delegation) -> Option<RotationRulesType> {
    let schedule = delegation.schedule.as_ref()?;
    Some(RotationRulesType::builder().schedule_expression(schedule).set_duration(delegation.window.clone()).build())
}

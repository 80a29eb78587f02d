//! Copies of a secret in other regions.
//!
//! Invariant: a copy is made later than the write it copies, from the primary as it is at that later instant; a region
//! where it fails keeps what it had; a replica never changes but by its primary. Called by `answer` and `settle`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Answered, constraint, encryption, invalid_parameter, invalid_request};
use super::lifecycle::{check_kms_key_form, key_usable};
use super::model::{Replica, ReplicaState, Rotation, Secret};
use super::{Appointment, Backstage, Context, Home, SecretsManager, home_of};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReplicaRegion {
    pub(super) region: String,
    pub(super) kms_key_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Replicate {
    secret_id: String,
    add_replica_regions: Vec<ReplicaRegion>,
    #[serde(default)]
    force_overwrite_replica_secret: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveRegions {
    secret_id: String,
    remove_replica_regions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StopReplication {
    secret_id: String,
}

impl SecretsManager {
    pub(super) fn replicate_secret_to_regions(&mut self, input: Replicate, ctx: &mut Context<'_>) -> Answered<Value> {
        if input.add_replica_regions.is_empty() {
            return Err(constraint("addReplicaRegions", "have length greater than or equal to 1"));
        }
        check_regions(&input.add_replica_regions, ctx)?;
        self.change(&input.secret_id, ctx, |secret, ctx| {
            secret.primary_region = Some(ctx.region.to_owned());
            for wanted in input.add_replica_regions {
                // A region that is there already is sent again: this is the retry after `Failed`.
                secret.replicas.retain(|replica| replica.region != wanted.region);
                secret.replicas.push(Replica {
                    region: wanted.region,
                    kms_key: wanted.kms_key_id.filter(|key| !key.is_empty()),
                    state: ReplicaState::InProgress,
                    message: None,
                    overwrite: input.force_overwrite_replica_secret,
                });
            }
            Ok(json!({"ARN": secret.arn(), "ReplicationStatus": secret.replication_status()}))
        })
    }

    pub(super) fn remove_regions_from_replication(
        &mut self,
        input: RemoveRegions,
        ctx: &mut Context<'_>,
    ) -> Answered<Value> {
        if input.remove_replica_regions.is_empty() {
            return Err(constraint("removeReplicaRegions", "have length greater than or equal to 1"));
        }
        let secret = self.readable(&input.secret_id, ctx)?;
        if secret.is_replica() {
            return Err(super::on_replica());
        }
        let mut kept = secret.clone();
        for region in &input.remove_replica_regions {
            if !kept.replicas.iter().any(|replica| replica.region == *region) {
                // Undocumented: the words.
                return Err(invalid_parameter(format!("The secret isn't replicated to Region {region}.")));
            }
            kept.replicas.retain(|replica| replica.region != *region);
        }
        if kept.replicas.is_empty() {
            kept.primary_region = None;
        }
        kept.changed = ctx.now;
        // A replica goes at once, without a recovery window. A foreign secret of the same name stays.
        for region in &input.remove_replica_regions {
            let there = Home { region: region.clone(), ..home_of(&kept) };
            if self.at(&there).is_some_and(|found| is_copy_of(found, &kept)) {
                self.shelf(&there.account, &there.region).remove(&there.name);
            }
        }
        let told = json!({"ARN": kept.arn(), "ReplicationStatus": kept.replication_status()});
        self.shelf(ctx.account, ctx.region).insert(kept.name.clone(), kept);
        Ok(told)
    }

    /// Called in the replica's region: the replica stands on its own from here, with its value and without rotation.
    pub(super) fn stop_replication_to_replica(
        &mut self,
        input: StopReplication,
        ctx: &mut Context<'_>,
    ) -> Answered<Value> {
        let secret = self.readable(&input.secret_id, ctx)?;
        if !secret.is_replica() {
            // Undocumented: the words.
            return Err(invalid_request("You can't stop replication of a secret that isn't a replica."));
        }
        let home = home_of(secret);
        let told = json!({"ARN": secret.arn()});
        let primary = Home { region: secret.primary_region.clone().unwrap_or_default(), ..home.clone() };
        if let Some(secret) = self.at_mut(&home) {
            secret.primary_region = None;
        }
        if let Some(primary) = self.at_mut(&primary) {
            primary.replicas.retain(|replica| replica.region != home.region);
            if primary.replicas.is_empty() {
                primary.primary_region = None;
            }
        }
        Ok(told)
    }

    /// Keeps the appointment of one copy.
    pub(super) fn copy_to(&mut self, home: Home, region: String, at: Timestamp, backstage: &mut Backstage<'_>) {
        let Some(primary) = self.at(&home) else { return };
        let Some(replica) = primary.replicas.iter().find(|replica| replica.region == region).cloned() else { return };
        if backstage.knobs.unreachable_regions.contains_key(&region) {
            self.parked.push(Appointment::Replicate { home, region });
            return;
        }
        let there = Home { region: region.clone(), ..home.clone() };
        let present = self.at(&there);
        let foreign = present.is_some_and(|found| !is_copy_of(found, primary));
        let (state, message) = if let Some(message) = backstage.knobs.replication_failures.get(&region) {
            (ReplicaState::Failed, Some(message.clone()))
        } else if !key_usable(replica.kms_key.as_deref(), &home.account, &region, backstage.knobs) {
            // Found out only when the copy is made: the call that asked for it succeeded.
            (ReplicaState::Failed, Some(encryption().message))
        } else if foreign && !replica.overwrite {
            (ReplicaState::Failed, Some("Secret with this name already exists in this region".to_owned()))
        } else {
            let copy = copied(primary, &replica, present.filter(|_| !foreign), at);
            self.shelf(&there.account, &there.region).insert(there.name.clone(), copy);
            (ReplicaState::InSync, None)
        };
        let Some(primary) = self.at_mut(&home) else { return };
        if let Some(replica) = primary.replicas.iter_mut().find(|replica| replica.region == region) {
            replica.state = state;
            replica.message = message;
        }
    }
}

fn is_copy_of(found: &Secret, primary: &Secret) -> bool {
    found.suffix == primary.suffix && found.primary_region.as_deref() == Some(primary.region.as_str())
}

fn copied(primary: &Secret, replica: &Replica, present: Option<&Secret>, at: Timestamp) -> Secret {
    let mut copy = primary.clone();
    copy.region.clone_from(&replica.region);
    copy.kms_key.clone_from(&replica.kms_key);
    for version in &mut copy.versions {
        version.kms_key.clone_from(&replica.kms_key);
        version.accessed = None;
    }
    // A placeholder without a value is the primary's own business.
    copy.versions.retain(|version| version.contents.is_some());
    copy.replicas = Vec::new();
    // Rotation happens in the primary only.
    copy.rotation = Rotation { last: primary.rotation.last, ..Rotation::default() };
    copy.created = present.map_or(at, |present| present.created);
    copy.accessed = present.and_then(|present| present.accessed);
    copy.changed = at;
    copy.stale = None;
    copy
}

/// Regions exist, are told once, aren't the primary, and their keys are their own.
pub(super) fn check_regions(wanted: &[ReplicaRegion], ctx: &Context<'_>) -> Answered<()> {
    for (place, one) in wanted.iter().enumerate() {
        let region = &one.region;
        if !well_formed(region) {
            return Err(constraint(
                "addReplicaRegions.member.region",
                "satisfy regular expression pattern: ^([a-z]+-)+\\d+$",
            ));
        }
        // Undocumented: the words of these three.
        if region == ctx.region {
            return Err(invalid_parameter(format!("You can't replicate the secret to its primary Region {region}.")));
        }
        if !ctx.knobs.regions.contains(region) {
            return Err(invalid_parameter(format!("The Region {region} is invalid or not enabled.")));
        }
        if wanted[..place].iter().any(|earlier| earlier.region == *region) {
            return Err(invalid_parameter(format!("The Region {region} is specified more than once.")));
        }
        check_kms_key_form(one.kms_key_id.as_deref(), region)?;
    }
    Ok(())
}

fn well_formed(region: &str) -> bool {
    let Some((words, digits)) = region.rsplit_once('-') else { return false };
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && words.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

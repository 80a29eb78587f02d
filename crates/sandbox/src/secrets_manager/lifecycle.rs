//! A secret comes, changes what is not its value, goes, and comes back.
//!
//! Invariant: a name is taken from `CreateSecret` until the purge, also while it is scheduled for deletion.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errors::{
    Answered, Failure, constraint, encryption, exists, invalid_parameter, invalid_request, on_replica, token_in_use,
};
use super::model::{CURRENT, Pair, Replica, ReplicaState, Rotation, Secret, epoch};
use super::replication::{ReplicaRegion, check_regions};
use super::types::Type;
use super::versions::{ValueIn, add_version, check_token};
use super::{Appointment, Context, LETTERS_AND_DIGITS, SecretsManager, characters, check_length, home_of, named};
use crate::knobs::Knobs;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(flatten)]
    value: ValueIn,
    #[serde(default)]
    tags: Vec<Pair>,
    #[serde(default)]
    add_replica_regions: Vec<ReplicaRegion>,
    #[serde(default)]
    force_overwrite_replica_secret: bool,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    secret_id: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    #[serde(flatten)]
    value: ValueIn,
    r#type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    secret_id: String,
    recovery_window_in_days: Option<i64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    pub(super) secret_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    secret_id: String,
    tags: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Untag {
    secret_id: String,
    tag_keys: Vec<String>,
}

impl SecretsManager {
    pub(super) fn create_secret(&mut self, input: Create, ctx: &mut Context<'_>) -> Answered<Value> {
        check_length("name", &input.name, 1, 512)?;
        check_name_characters(&input.name)?;
        check_description(input.description.as_deref())?;
        check_tags(&input.tags)?;
        check_kms_key(input.kms_key_id.as_deref(), ctx.account, ctx.region, ctx)?;
        check_regions(&input.add_replica_regions, ctx)?;
        let kind = input.r#type.filter(|kind| !kind.is_empty());
        check_kind(kind.as_deref())?;
        let contents = input.value.read()?;
        let token = contents.is_some().then(|| check_token(input.client_request_token)).transpose()?;
        if let Some(present) = self.shelf(ctx.account, ctx.region).get(&input.name) {
            ctx.resource = Some(present.arn());
            if present.deleted.is_some() {
                return Err(invalid_request(
                    "You can't create this secret because a secret with this name is already scheduled for deletion.",
                ));
            }
            // The same call again is the same secret; with another value its token is taken.
            if let Some(version) = token.as_deref().and_then(|token| present.version(token)) {
                return if version.contents == contents {
                    Ok(created(present, Some(&version.id)))
                } else {
                    Err(token_in_use(&version.id, &present.arn()))
                };
            }
            return Err(exists(format!("The operation failed because the secret {} already exists.", input.name)));
        }
        let mut secret = Secret {
            suffix: characters(ctx.random, 6, LETTERS_AND_DIGITS),
            name: input.name,
            account: ctx.account.to_owned(),
            region: ctx.region.to_owned(),
            description: input.description.filter(|text| !text.is_empty()),
            kms_key: input.kms_key_id.filter(|key| !key.is_empty()),
            kind,
            owning_service: None,
            tags: Vec::new(),
            created: ctx.now,
            changed: ctx.now,
            accessed: None,
            deleted: None,
            versions: Vec::new(),
            rotation: Rotation::default(),
            policy: None,
            primary_region: None,
            replicas: Vec::new(),
            stale: None,
        };
        put_tags(&mut secret, input.tags)?;
        for wanted in input.add_replica_regions {
            secret.primary_region = Some(ctx.region.to_owned());
            secret.replicas.push(Replica {
                region: wanted.region,
                kms_key: wanted.kms_key_id.filter(|key| !key.is_empty()),
                state: ReplicaState::InProgress,
                message: None,
                overwrite: input.force_overwrite_replica_secret,
            });
        }
        if let (Some(token), Some(contents)) = (&token, contents) {
            add_version(&mut secret, token, contents, &[CURRENT.to_owned()], ctx.now)?;
        }
        ctx.resource = Some(secret.arn());
        let told = created(&secret, token.as_deref());
        if ctx.knobs.consistency_lag_ms > 0 {
            // A reader by label sees a secret without versions until the write has spread.
            let mut past = secret.clone();
            past.versions.clear();
            secret.stale = Some((super::later(ctx.now, ctx.knobs.consistency_lag_ms), Box::new(past)));
        }
        self.keep(secret, ctx.now, ctx.knobs);
        Ok(told)
    }

    pub(super) fn update_secret(&mut self, input: Update, ctx: &mut Context<'_>) -> Answered<Value> {
        check_description(input.description.as_deref())?;
        check_kms_key(input.kms_key_id.as_deref(), ctx.account, ctx.region, ctx)?;
        check_kind(input.r#type.as_deref().filter(|kind| !kind.is_empty()))?;
        let contents = input.value.read()?;
        let told = self.change(&input.secret_id, ctx, |secret, ctx| {
            if contents.is_some() {
                refuse_manual_write(secret, ctx)?;
            }
            if let Some(kind) = input.r#type {
                if secret.rotation.enabled && secret.rotation.lambda.is_some() {
                    return Err(invalid_request("You must cancel the Lambda rotation before you set the type."));
                }
                // Only "none to a partner" is documented. Undocumented: that another change is refused.
                match &secret.kind {
                    Some(present) if *present != kind => {
                        return Err(invalid_request(format!(
                            "You can't change the type of the secret from {present} after it was set."
                        )));
                    }
                    _ => secret.kind = Some(kind).filter(|kind| !kind.is_empty()),
                }
            }
            if let Some(description) = input.description {
                secret.description = Some(description).filter(|text| !text.is_empty());
            }
            if let Some(key) = input.kms_key_id {
                secret.kms_key = Some(key).filter(|key| !key.is_empty());
                let key = secret.kms_key.clone();
                // The labelled versions are encrypted anew, the deprecated ones keep their key.
                for version in secret.versions.iter_mut().filter(|version| !version.labels.is_empty()) {
                    version.kms_key.clone_from(&key);
                }
            }
            let mut told = named(secret);
            if let Some(contents) = contents {
                let token = check_token(input.client_request_token)?;
                // Unlike PutSecretValue: by the API reference any present token is an error.
                if secret.version(&token).is_some() {
                    return Err(token_in_use(&token, &secret.arn()));
                }
                add_version(secret, &token, contents, &[CURRENT.to_owned()], ctx.now)?;
                told.insert("VersionId".into(), token.into());
            }
            Ok(Value::Object(told))
        })?;
        self.after_value_moved(&input.secret_id, ctx);
        Ok(told)
    }

    pub(super) fn delete_secret(&mut self, input: Delete, ctx: &mut Context<'_>) -> Answered<Value> {
        let forced = input.force_delete_without_recovery;
        if forced && input.recovery_window_in_days.is_some() {
            return Err(invalid_parameter(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        let days = input.recovery_window_in_days.unwrap_or(30);
        if !(7..=30).contains(&days) {
            return Err(invalid_parameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."));
        }
        let due = if forced { ctx.now } else { after_days(ctx.now, days) };
        let mut secret = match self.find(&input.secret_id, ctx) {
            Ok(secret) => secret.clone(),
            // By the API reference a forced delete of a missing secret gives no ResourceNotFoundException.
            Err(failure) if forced && failure.code == "ResourceNotFoundException" => {
                return Ok(json!({"ARN": format!("arn:aws:secretsmanager:{}:{}:secret:{}", ctx.region, ctx.account,
                    input.secret_id), "Name": input.secret_id, "DeletionDate": epoch(due)}));
            }
            Err(failure) => return Err(failure),
        };
        if secret.is_replica() {
            return Err(on_replica());
        }
        if !secret.replicas.is_empty() {
            let regions: Vec<&str> = secret.replicas.iter().map(|replica| replica.region.as_str()).collect();
            return Err(invalid_parameter(format!(
                "You can't delete secret {} that still has replica regions [{}]",
                secret.name,
                regions.join(", ")
            )));
        }
        if secret.deleted.is_some() && !forced {
            return Err(invalid_request(
                "You tried to perform the operation on a secret that's currently marked deleted.",
            ));
        }
        let mut told = named(&secret);
        told.insert("DeletionDate".into(), epoch(due));
        if forced {
            self.shelf(ctx.account, ctx.region).remove(&secret.name);
        } else {
            secret.deleted = Some(due);
            secret.stale = None;
            self.appoint(due, Appointment::Purge { home: home_of(&secret) });
            self.shelf(ctx.account, ctx.region).insert(secret.name.clone(), secret);
        }
        Ok(Value::Object(told))
    }

    pub(super) fn restore_secret(&mut self, input: Named, ctx: &mut Context<'_>) -> Answered<Value> {
        let secret = self.find(&input.secret_id, ctx)?;
        if secret.is_replica() {
            return Err(on_replica());
        }
        let home = home_of(secret);
        let told = named(secret);
        if let Some(secret) = self.at_mut(&home) {
            secret.deleted = None;
        }
        self.appoint_schedule(&home, ctx.now);
        Ok(Value::Object(told))
    }

    pub(super) fn describe_secret(&self, input: Named, ctx: &mut Context<'_>) -> Answered<Value> {
        let now = ctx.now;
        Ok(Value::Object(self.find(&input.secret_id, ctx)?.seen(now).described(false)))
    }

    pub(super) fn tag_resource(&mut self, input: Tag, ctx: &mut Context<'_>) -> Answered<Value> {
        check_tags(&input.tags)?;
        self.change(&input.secret_id, ctx, |secret, _| put_tags(secret, input.tags))?;
        Ok(Value::Object(Map::new()))
    }

    pub(super) fn untag_resource(&mut self, input: Untag, ctx: &mut Context<'_>) -> Answered<Value> {
        self.change(&input.secret_id, ctx, |secret, _| {
            secret.tags.retain(|tag| !input.tag_keys.contains(&tag.key));
            Ok(())
        })?;
        Ok(Value::Object(Map::new()))
    }
}

fn created(secret: &Secret, version: Option<&str>) -> Value {
    let mut told = named(secret);
    if let Some(id) = version {
        told.insert("VersionId".into(), id.into());
    }
    if !secret.replicas.is_empty() {
        told.insert("ReplicationStatus".into(), secret.replication_status());
    }
    Value::Object(told)
}

fn after_days(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MAX)
}

/// AWS warns of managed external secrets: "programmatic prevention for manual secret value updates". Which call it
/// refuses and in which words is undocumented; the first value of such a secret must be allowed.
pub(super) fn refuse_manual_write(secret: &Secret, ctx: &Context<'_>) -> Answered<()> {
    let has_value = secret.versions.iter().any(|version| version.contents.is_some());
    match &secret.kind {
        Some(kind) if ctx.knobs.refuse_manual_writes && has_value => Err(invalid_request(format!(
            "You can't update the value of the secret manually because it is a managed external secret of type {kind}."
        ))),
        _ => Ok(()),
    }
}

/// Undocumented: that an unknown `Type` is refused, and how. The API model has no enumeration.
fn check_kind(kind: Option<&str>) -> Answered<()> {
    match kind {
        Some(kind) if Type::named(kind).is_none() => {
            Err(invalid_parameter(format!("The type {kind} is not a supported managed external secret type.")))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_name_characters(name: &str) -> Answered<()> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/_+=.@!".contains(&byte)) {
        return Ok(());
    }
    // Seen at smithy-lang/smithy-typescript#1546.
    Err(Failure::new(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

fn check_description(description: Option<&str>) -> Answered<()> {
    description.map_or(Ok(()), |text| check_length("description", text, 0, 2048))
}

/// A key of another region, a malformed one, one that is not declared or is disabled can't encrypt.
fn check_kms_key(key: Option<&str>, account: &str, region: &str, ctx: &Context<'_>) -> Answered<()> {
    check_kms_key_form(key, region)?;
    if key_usable(key, account, region, ctx.knobs) { Ok(()) } else { Err(encryption()) }
}

/// Whether the key exists and is enabled. AWS's own key always is.
pub(super) fn key_usable(key: Option<&str>, account: &str, region: &str, knobs: &Knobs) -> bool {
    let Some(key) = key.filter(|key| !key.is_empty() && !key.ends_with("alias/aws/secretsmanager")) else {
        return true;
    };
    let declared = knobs.kms_keys.as_ref().is_none_or(|known| {
        known.iter().any(|one| one == key || *one == format!("arn:aws:kms:{region}:{account}:{key}"))
    });
    declared && !knobs.disabled_kms_keys.iter().any(|one| one == key)
}

/// What can be refused without asking KMS.
pub(super) fn check_kms_key_form(key: Option<&str>, region: &str) -> Answered<()> {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok(()) };
    check_length("kmsKeyId", key, 0, 2048)?;
    let local = match key.strip_prefix("arn:aws:kms:") {
        Some(rest) => match rest.splitn(3, ':').collect::<Vec<_>>()[..] {
            [of_region, of_account, local] if of_region == region && of_account.len() == 12 => local,
            [_, _, _] => {
                return Err(invalid_parameter(format!(
                    "Invalid KMS key: the key must be in the Region {region} of the secret."
                )));
            }
            _ => return Err(invalid_parameter("Invalid KMS key ARN.")),
        },
        None => key,
    };
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte))
    };
    let id = |text: &str| {
        text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            || text.starts_with("mrk-")
    };
    let well_formed = match (local.strip_prefix("alias/"), local.strip_prefix("key/")) {
        (Some(alias), _) => word(alias),
        (_, Some(key)) => id(key),
        _ => id(local),
    };
    if !well_formed {
        return Err(invalid_parameter(
            "Invalid KMS key: specify the ARN, key ID or alias of a key in the Region of the secret.",
        ));
    }
    Ok(())
}

fn check_tags(tags: &[Pair]) -> Answered<()> {
    for tag in tags {
        check_length("tags.member.key", &tag.key, 1, 128)?;
        check_length("tags.member.value", &tag.value, 0, 256)?;
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter("Tag keys can't start with the reserved prefix aws:."));
        }
        let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _./=+-@:".contains(c));
        if !allowed(&tag.key) || !allowed(&tag.value) {
            return Err(constraint("tags", "satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$"));
        }
    }
    Ok(())
}

fn put_tags(secret: &mut Secret, tags: Vec<Pair>) -> Answered<()> {
    for tag in tags {
        match secret.tags.iter_mut().find(|own| own.key == tag.key) {
            Some(own) => *own = tag,
            None => secret.tags.push(tag),
        }
    }
    if secret.tags.len() > 50 {
        return Err(invalid_parameter("A secret can have at most 50 tags."));
    }
    Ok(())
}

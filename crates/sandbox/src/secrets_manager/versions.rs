//! Versions, their values and their staging labels.
//!
//! Invariant: a label sits on one version; AWSCURRENT never leaves a secret that has it; when AWSCURRENT moves,
//! AWSPREVIOUS goes to the version that it left. `UpdateSecretVersionStage` is a compare-and-swap.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{
    Answered, constraint, decryption, encryption, invalid_parameter, invalid_request, limit, no_value, no_version,
    token_in_use,
};
use super::lifecycle::refuse_manual_write;
use super::model::{CURRENT, Contents, PENDING, PREVIOUS, Secret, Version, day, epoch};
use super::{Context, SecretsManager, check_length, home_of, named};

/// Labels across all versions of a secret.
const MOST_LABELS: usize = 20;
/// Versions of a secret above which AWS removes old deprecated ones.
const MOST_VERSIONS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ValueIn {
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    secret_id: String,
    client_request_token: Option<String>,
    #[serde(flatten)]
    value: ValueIn,
    version_stages: Option<Vec<String>>,
    rotation_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Get {
    pub(super) secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stage {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

impl ValueIn {
    pub(super) fn read(self) -> Answered<Option<Contents>> {
        match (self.secret_string, self.secret_binary) {
            (Some(_), Some(_)) => Err(invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            )),
            (Some(text), None) => {
                check_length("secretString", &text, 1, 65_536)?;
                Ok(Some(Contents::Text(Arc::from(text))))
            }
            (None, Some(encoded)) => {
                let bytes =
                    STANDARD.decode(encoded).map_err(|_| constraint("secretBinary", "be a base64-encoded blob"))?;
                match bytes.len() {
                    0 => Err(constraint("secretBinary", "have length greater than or equal to 1")),
                    1..=65_536 => Ok(Some(Contents::Binary(Arc::from(bytes)))),
                    _ => Err(constraint("secretBinary", "have length less than or equal to 65536")),
                }
            }
            (None, None) => Ok(None),
        }
    }
}

impl SecretsManager {
    pub(super) fn get_secret_value(&mut self, input: Get, ctx: &mut Context<'_>) -> Answered<Value> {
        let now = ctx.now;
        let secret = self.readable(&input.secret_id, ctx)?;
        let told = value_told(secret, input.version_id.as_deref(), input.version_stage.as_deref(), ctx)?;
        let touched_today = secret.accessed.is_some_and(|at| day(at) == day(now));
        if !touched_today {
            let home = home_of(secret);
            if let Some(secret) = self.at_mut(&home) {
                secret.accessed = Some(now);
                let id = told["VersionId"].as_str().unwrap_or_default();
                if let Some(version) = secret.version_mut(id) {
                    version.accessed = Some(now);
                }
            }
        }
        Ok(told)
    }

    pub(super) fn put_secret_value(&mut self, input: Put, ctx: &mut Context<'_>) -> Answered<Value> {
        let contents = input
            .value
            .read()?
            .ok_or_else(|| invalid_request("You must provide either SecretString or SecretBinary."))?;
        let token = check_token(input.client_request_token)?;
        if let Some(token) = &input.rotation_token {
            check_length("rotationToken", token, 36, 256)?;
        }
        let stages = input.version_stages.unwrap_or_else(|| vec![CURRENT.to_owned()]);
        if stages.is_empty() {
            return Err(constraint("versionStages", "have length greater than or equal to 1"));
        }
        for stage in &stages {
            check_length("versionStages.member", stage, 1, 256)?;
        }
        // The same call again changes nothing at all, so it must not pass through `change`.
        let present = self.readable(&input.secret_id, ctx)?;
        if let Some(version) = present.version(&token)
            && let Some(stored) = &version.contents
        {
            if present.is_replica() {
                return Err(super::on_replica());
            }
            return if *stored == contents {
                Ok(put_told(present, version))
            } else {
                Err(token_in_use(&token, &present.arn()))
            };
        }
        let told = self.change(&input.secret_id, ctx, |secret, ctx| {
            refuse_manual_write(secret, ctx)?;
            if key_disabled(secret.kms_key.as_deref(), ctx) {
                return Err(encryption());
            }
            add_version(secret, &token, contents, &stages, ctx.now)?;
            let version = secret.version(&token).ok_or_else(|| no_version(&token))?;
            Ok(put_told(secret, version))
        })?;
        if told["VersionStages"].as_array().is_some_and(|stages| stages.iter().any(|stage| stage == CURRENT)) {
            self.after_value_moved(&input.secret_id, ctx);
        }
        Ok(told)
    }

    pub(super) fn update_secret_version_stage(&mut self, input: Stage, ctx: &mut Context<'_>) -> Answered<Value> {
        check_length("versionStage", &input.version_stage, 1, 256)?;
        for (member, id) in
            [("removeFromVersionId", &input.remove_from_version_id), ("moveToVersionId", &input.move_to_version_id)]
        {
            if let Some(id) = id {
                check_length(member, id, 32, 64)?;
            }
        }
        let told = self.change(&input.secret_id, ctx, |secret, _| {
            swap_label(
                secret,
                &input.version_stage,
                input.remove_from_version_id.as_deref(),
                input.move_to_version_id.as_deref(),
            )?;
            Ok(Value::Object(named(secret)))
        })?;
        if input.version_stage == CURRENT {
            self.after_value_moved(&input.secret_id, ctx);
        }
        Ok(told)
    }
}

fn put_told(secret: &Secret, version: &Version) -> Value {
    let mut told = named(secret);
    told.insert("VersionId".into(), version.id.clone().into());
    told.insert("VersionStages".into(), json!(version.labels));
    Value::Object(told)
}

/// `GetSecretValue` of one secret. By id it reads what is, by label what has spread so far.
pub(super) fn value_told(secret: &Secret, id: Option<&str>, label: Option<&str>, ctx: &Context<'_>) -> Answered<Value> {
    let version = match (id, label) {
        (Some(id), label) => {
            check_length("versionId", id, 32, 64)?;
            let version = secret.version(id).ok_or_else(|| no_value("VersionId", id))?;
            if label.is_some_and(|label| !version.carries(label)) {
                // Both may be given if they name the same version.
                return Err(invalid_request(
                    "You provided a VersionStage that is not associated to the provided VersionId.",
                ));
            }
            version.contents.is_some().then_some(version).ok_or_else(|| no_value("VersionId", id))?
        }
        (None, label) => {
            let label = label.unwrap_or(CURRENT);
            let seen = secret.seen(ctx.now).holder(label).filter(|version| version.contents.is_some());
            seen.ok_or_else(|| no_value("staging label", label))?
        }
    };
    if key_disabled(version.kms_key.as_deref(), ctx) {
        return Err(decryption());
    }
    let mut told = named(secret);
    told.insert("VersionId".into(), version.id.clone().into());
    if let Some(contents) = &version.contents {
        contents.tell(&mut told);
    }
    told.insert("VersionStages".into(), json!(version.labels));
    told.insert("CreatedDate".into(), epoch(version.created));
    Ok(Value::Object(told))
}

fn key_disabled(key: Option<&str>, ctx: &Context<'_>) -> bool {
    key.is_some_and(|key| ctx.knobs.disabled_kms_keys.iter().any(|one| one == key))
}

/// The token is the id of the version to be. SDKs make one if the caller does not; the bare API demands it.
pub(super) fn check_token(token: Option<String>) -> Answered<String> {
    let token = token.ok_or_else(|| {
        invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    })?;
    check_length("clientRequestToken", &token, 32, 64)?;
    Ok(token)
}

/// Makes the version, or fills the placeholder of a rotation, and moves the labels to it.
pub(super) fn add_version(
    secret: &mut Secret,
    token: &str,
    contents: Contents,
    stages: &[String],
    now: Timestamp,
) -> Answered<()> {
    let first = !secret.versions.iter().any(|version| version.contents.is_some());
    let kms_key = secret.kms_key.clone();
    match secret.version_mut(token) {
        Some(placeholder) => placeholder.contents = Some(contents),
        None => {
            prune(secret, now)?;
            secret.versions.push(Version {
                id: token.to_owned(),
                contents: Some(contents),
                labels: Vec::new(),
                created: now,
                accessed: None,
                kms_key,
            });
        }
    }
    for stage in stages {
        move_label(secret, stage, token);
    }
    if first {
        // The first version is current whatever labels were asked for.
        move_label(secret, CURRENT, token);
    }
    check_labels(secret)
}

/// Puts a label on a version and takes it from where it was; AWSPREVIOUS follows AWSCURRENT.
pub(super) fn move_label(secret: &mut Secret, label: &str, to: &str) {
    let from = secret.holder(label).map(|version| version.id.clone());
    if from.as_deref() == Some(to) {
        return;
    }
    take_label(secret, label);
    if let Some(version) = secret.version_mut(to) {
        version.labels.push(label.to_owned());
        version.labels.sort_unstable();
    }
    if label == CURRENT {
        if let Some(left) = from {
            move_label(secret, PREVIOUS, &left);
        }
        abandon_rotation(secret, to);
    }
    drop_empty(secret);
}

pub(super) fn take_label(secret: &mut Secret, label: &str) {
    for version in &mut secret.versions {
        version.labels.retain(|own| own != label);
    }
}

/// A new AWSCURRENT made during a rotation abandons it and takes its pending label away (`RotationAbandoned`).
fn abandon_rotation(secret: &mut Secret, current: &str) {
    if secret.rotation.running.take_if(|running| running != current).is_some() {
        take_label(secret, PENDING);
    }
}

fn drop_empty(secret: &mut Secret) {
    secret.versions.retain(|version| version.contents.is_some() || !version.labels.is_empty());
}

fn check_labels(secret: &Secret) -> Answered<()> {
    let labels: usize = secret.versions.iter().map(|version| version.labels.len()).sum();
    if labels > MOST_LABELS {
        return Err(limit("The maximum number of staging labels for the secret, 20, would be exceeded."));
    }
    Ok(())
}

/// Removes deprecated versions older than a day, the oldest first, while there are too many; refuses the new one if
/// that leaves no room.
fn prune(secret: &mut Secret, now: Timestamp) -> Answered<()> {
    while secret.versions.len() >= MOST_VERSIONS {
        let removable = secret.versions.iter().position(|version| {
            version.labels.is_empty() && now.duration_since(version.created) > SignedDuration::from_hours(24)
        });
        match removable {
            Some(place) => secret.versions.remove(place),
            None => {
                return Err(limit(
                    "You've reached the maximum number of versions for the secret, 100, none of which can be removed.",
                ));
            }
        };
    }
    Ok(())
}

/// The compare-and-swap.
fn swap_label(secret: &mut Secret, label: &str, from: Option<&str>, to: Option<&str>) -> Answered<()> {
    let holder = secret.holder(label).map(|version| version.id.clone());
    for id in [from, to].into_iter().flatten() {
        if secret.version(id).is_none() {
            return Err(no_version(id));
        }
    }
    match (from, to) {
        (None, None) => {
            return Err(invalid_parameter("You must provide a value for MoveToVersionId or RemoveFromVersionId."));
        }
        (None, Some(to)) if holder.as_deref().is_some_and(|holder| holder != to) => {
            return Err(invalid_parameter(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to \
                 version {}, so you must explicitly reference that version in RemoveFromVersionId.",
                holder.unwrap_or_default()
            )));
        }
        (Some(from), _) if holder.as_deref() != Some(from) => {
            return Err(invalid_parameter(match holder {
                Some(holder) => format!(
                    "Staging label {label} is currently attached to version {holder}, so you must explicitly \
                     reference that version in RemoveFromVersionId."
                ),
                None => format!("Staging label {label} isn't attached to version {from}."),
            }));
        }
        (Some(_), None) if label == CURRENT => {
            return Err(invalid_parameter(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely \
                 removed.",
            ));
        }
        (Some(_), None) => {
            take_label(secret, label);
            if label == PENDING {
                secret.rotation.running = None;
            }
            drop_empty(secret);
        }
        (_, Some(to)) => {
            // Undocumented: the placeholder of a rotation can't become current. AWS would have nothing to answer.
            if label == CURRENT && secret.version(to).is_some_and(|version| version.contents.is_none()) {
                return Err(invalid_request(format!(
                    "You can't attach staging label AWSCURRENT to version {to} because it has no value."
                )));
            }
            move_label(secret, label, to);
        }
    }
    check_labels(secret)
}

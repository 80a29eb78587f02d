//! Rotation by the service itself, for secrets with a `Type`; for a Lambda only the part that AWS does.
//!
//! Invariant: a rotation begins with AWSPENDING on a version without a value, and ends with AWSCURRENT on that version
//! and AWSPENDING nowhere, or fails and leaves AWSPENDING behind, which blocks the next one. The stand-in has no
//! Lambda: a secret with `RotationLambdaARN` keeps its placeholder until a caller plays the function.

use jiff::Timestamp;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

use super::authorization;
use super::errors::{Answered, Failure, invalid_parameter, invalid_request, on_replica, rotation_unfinished};
use super::lifecycle::Named;
use super::model::{CURRENT, Contents, PENDING, Pair, Secret, Version};
use super::schedule::Rules;
use super::types::Type;
use super::versions::{move_label, take_label};
use super::{
    Appointment, Backstage, Context, Home, SecretsManager, characters, check_length, home_of, later, named, uuid,
};
use crate::iam::Principal;
use crate::knobs::{Knobs, RotationFailure};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Rotate {
    secret_id: String,
    client_request_token: Option<String>,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: Option<String>,
    rotation_rules: Option<Rules>,
    external_secret_rotation_metadata: Option<Vec<Pair>>,
    external_secret_rotation_role_arn: Option<String>,
    rotate_immediately: Option<bool>,
}

impl SecretsManager {
    pub(super) fn rotate_secret(&mut self, input: Rotate, ctx: &mut Context<'_>) -> Answered<Value> {
        check(&input)?;
        let secret = self.readable(&input.secret_id, ctx)?;
        if secret.is_replica() {
            return Err(on_replica());
        }
        let token = input.client_request_token.clone().unwrap_or_else(|| uuid(ctx.random));
        if secret.version(&token).is_some() {
            // The id of the new version: said again, the rotation is the one that was begun.
            let mut told = named(secret);
            told.insert("VersionId".into(), token.into());
            return Ok(Value::Object(told));
        }
        let home = home_of(secret);
        if let Some(pending) = unfinished(secret) {
            // "That rotation will be reattempted": also when only the schedule was to change.
            if secret.kind.is_some() && secret.rotation.running.is_none() {
                self.reattempt(&home, &pending, ctx.now, ctx.knobs);
            }
            return Err(rotation_unfinished());
        }
        let immediately = input.rotate_immediately.unwrap_or(true);
        let told = self.change(&input.secret_id.clone(), ctx, |secret, ctx| {
            configure(secret, input, ctx)?;
            let mut told = named(secret);
            if immediately {
                begin(secret, &token, ctx.now);
                told.insert("VersionId".into(), token.clone().into());
            }
            Ok(Value::Object(told))
        })?;
        if immediately && self.at(&home).is_some_and(|secret| secret.kind.is_some()) {
            self.appoint(
                later(ctx.now, ctx.knobs.rotation_lag_ms),
                Appointment::FinishRotation { home: home.clone(), version: token },
            );
        }
        self.appoint_schedule(&home, ctx.now);
        Ok(told)
    }

    /// Turns rotation off. A running one is cut off where it is, so AWSPENDING can stay behind.
    pub(super) fn cancel_rotate_secret(&mut self, input: Named, ctx: &mut Context<'_>) -> Answered<Value> {
        self.change(&input.secret_id, ctx, |secret, _| {
            let rotation = &mut secret.rotation;
            if !rotation.enabled {
                return Err(invalid_request(
                    "You can't cancel rotation for a secret that does not have rotation enabled.",
                ));
            }
            let cut = rotation.running.take();
            rotation.enabled = false;
            rotation.next = None;
            rotation.ticket = 0;
            let mut told = named(secret);
            if let Some(id) = cut {
                told.insert("VersionId".into(), id.into());
            }
            Ok(Value::Object(told))
        })
    }

    /// A new value counts as a rotation: the schedule counts from it.
    pub(super) fn after_value_moved(&mut self, id: &str, ctx: &mut Context<'_>) {
        let Ok(secret) = self.find(id, ctx) else { return };
        let home = home_of(secret);
        self.appoint_schedule(&home, ctx.now);
    }

    /// Makes the appointment of the next scheduled rotation, counted from `now`, in place of any earlier one.
    pub(super) fn appoint_schedule(&mut self, home: &Home, now: Timestamp) {
        let ticket = self.ticket();
        let Some(secret) = self.at_mut(home) else { return };
        let rotation = &mut secret.rotation;
        if !rotation.enabled || secret.deleted.is_some() {
            return;
        }
        rotation.ticket = ticket;
        let window = rotation.rules.as_ref().and_then(|rules| rules.next_window(now));
        rotation.next = window.map(|window| window.ends);
        if let Some(window) = window {
            self.appoint(window.opens, Appointment::RotateOnSchedule { home: home.clone(), ticket });
        }
    }

    pub(super) fn rotate_on_schedule(
        &mut self,
        home: &Home,
        ticket: u64,
        at: Timestamp,
        backstage: &mut Backstage<'_>,
    ) {
        let Some(secret) = self.at_mut(home) else { return };
        if secret.rotation.ticket != ticket || !secret.rotation.enabled || secret.deleted.is_some() {
            return;
        }
        let managed = secret.kind.is_some();
        let version = match unfinished(secret) {
            Some(pending) => pending,
            None => {
                let token = uuid(backstage.random);
                begin(secret, &token, at);
                token
            }
        };
        if managed {
            self.reattempt(home, &version, at, backstage.knobs);
        }
    }

    fn reattempt(&mut self, home: &Home, version: &str, now: Timestamp, knobs: &Knobs) {
        if let Some(secret) = self.at_mut(home) {
            secret.rotation.running = Some(version.to_owned());
        }
        self.appoint(
            later(now, knobs.rotation_lag_ms),
            Appointment::FinishRotation { home: home.clone(), version: version.to_owned() },
        );
    }

    /// Keeps the appointment of a running rotation: all four steps at one instant.
    pub(super) fn finish_rotation(&mut self, home: &Home, version: &str, at: Timestamp, backstage: &mut Backstage<'_>) {
        let Some(secret) = self.at(home) else { return };
        // Cancelled, abandoned by a new AWSCURRENT, or its label taken away: nothing to finish.
        let runs = secret.rotation.running.as_deref() == Some(version)
            && secret.version(version).is_some_and(|version| version.carries(PENDING));
        if !runs || secret.deleted.is_some() {
            return;
        }
        let mut draft = secret.clone();
        draft.stale = None;
        if rotate(&mut draft, version, at, backstage) {
            draft.rotation.running = None;
            draft.rotation.last = Some(at);
            draft.changed = at;
            self.keep(draft, at, backstage.knobs);
            self.appoint_schedule(home, at);
        } else {
            // `NextRotationDate` stays, and so can lie in the past. AWS tries again by itself; count and spacing
            // are not published.
            draft.rotation.running = None;
            draft.rotation.ticket = self.ticket();
            let retry = Appointment::RotateOnSchedule { home: home.clone(), ticket: draft.rotation.ticket };
            self.keep(draft, at, backstage.knobs);
            self.appoint(later(at, backstage.knobs.rotation_retry_ms.max(1)), retry);
        }
    }
}

fn check(input: &Rotate) -> Answered<()> {
    if let Some(token) = &input.client_request_token {
        check_length("clientRequestToken", token, 32, 64)?;
    }
    if let Some(role) = &input.external_secret_rotation_role_arn {
        check_length("externalSecretRotationRoleArn", role, 20, 2048)?;
    }
    for pair in input.external_secret_rotation_metadata.iter().flatten() {
        check_length("externalSecretRotationMetadata.member.key", &pair.key, 1, 256)?;
        check_length("externalSecretRotationMetadata.member.value", &pair.value, 1, 2048)?;
    }
    input.rotation_rules.as_ref().map_or(Ok(()), Rules::check)
}

/// AWSPENDING on another version than AWSCURRENT: a rotation runs, or one failed.
fn unfinished(secret: &Secret) -> Option<String> {
    secret.holder(PENDING).filter(|version| !version.carries(CURRENT)).map(|version| version.id.clone())
}

/// Takes over what the call says; what it leaves out stays as it was set before.
fn configure(secret: &mut Secret, input: Rotate, ctx: &Context<'_>) -> Answered<()> {
    let external =
        input.external_secret_rotation_role_arn.is_some() || input.external_secret_rotation_metadata.is_some();
    if secret.kind.is_some() {
        // Undocumented: the words of these refusals.
        if input.rotation_lambda_arn.as_ref().is_some_and(|arn| !arn.is_empty()) {
            return Err(invalid_parameter("You can't specify RotationLambdaARN for a managed external secret."));
        }
        if let Some(role) = input.external_secret_rotation_role_arn {
            secret.rotation.role = Some(role);
        }
        if let Some(metadata) = input.external_secret_rotation_metadata {
            secret.rotation.metadata = metadata;
        }
        let Some(role) = &secret.rotation.role else {
            return Err(invalid_parameter(
                "You must specify ExternalSecretRotationRoleArn to rotate a managed external secret.",
            ));
        };
        assume(role, ctx.knobs)?;
    } else if external {
        return Err(invalid_parameter(
            "You can't specify ExternalSecretRotationMetadata or ExternalSecretRotationRoleArn for a secret without a \
             managed external secret Type.",
        ));
    } else if let Some(lambda) = input.rotation_lambda_arn.filter(|arn| !arn.is_empty()) {
        secret.rotation.lambda = Some(lambda);
    } else if secret.rotation.lambda.is_none() {
        return Err(invalid_request("No Lambda rotation function ARN is associated with this secret."));
    }
    if secret.holder(CURRENT).is_none() {
        return Err(invalid_request("You can't rotate a secret that has no AWSCURRENT version."));
    }
    if let Some(rules) = input.rotation_rules {
        secret.rotation.rules = Some(rules);
    }
    secret.rotation.enabled = true;
    Ok(())
}

/// "The rotation role you provide is validated during setup." Words after the report of the Terraform provider.
fn assume(role: &str, knobs: &Knobs) -> Answered<()> {
    let well_formed = role.starts_with("arn:aws:iam::") && role.contains(":role/");
    if well_formed && !knobs.refused_roles.iter().any(|refused| refused == role) {
        return Ok(());
    }
    Err(unable_to_assume(role))
}

pub(super) fn unable_to_assume(role: &str) -> Failure {
    invalid_request(format!("Secrets Manager is unable to assume role {role}."))
}

/// The placeholder: a version id with AWSPENDING and no value.
fn begin(secret: &mut Secret, token: &str, now: Timestamp) {
    let kms_key = secret.kms_key.clone();
    secret.versions.push(Version {
        id: token.to_owned(),
        contents: None,
        labels: Vec::new(),
        created: now,
        accessed: None,
        kms_key,
    });
    move_label(secret, PENDING, token);
    secret.rotation.running = Some(token.to_owned());
}

/// Whether the rotation succeeded; the draft is what it left.
fn rotate(secret: &mut Secret, version: &str, now: Timestamp, backstage: &mut Backstage<'_>) -> bool {
    let knobs = backstage.knobs;
    let allowed = secret.rotation.role.as_ref().is_some_and(|role| assume(role, knobs).is_ok());
    if !allowed || !permitted(secret, backstage) || knobs.rotation_failure == Some(RotationFailure::EmptyPending) {
        return false;
    }
    let ready = secret.version(version).and_then(|version| version.contents.clone());
    let Some(contents) = ready.or_else(|| replacement(secret, now, backstage)) else { return false };
    if let Some(version) = secret.version_mut(version) {
        version.contents = Some(contents);
    }
    if knobs.rotation_failure == Some(RotationFailure::PendingWithValue) {
        return false;
    }
    move_label(secret, CURRENT, version);
    take_label(secret, PENDING);
    true
}

/// Whether the role's own policies let the service do what a rotation does.
fn permitted(secret: &Secret, backstage: &mut Backstage<'_>) -> bool {
    let (Some(iam), Some(role)) = (backstage.iam.as_deref_mut(), &secret.rotation.role) else { return true };
    let admin = secret.rotation.metadata.iter().find(|pair| pair.key == "adminSecretArn");
    let asks = authorization::rotation(secret, role, admin.map(|pair| pair.value.as_str()), iam);
    let who = Principal::Aws { account: secret.account.clone(), arn: role.clone(), session: None };
    authorization::allowed(iam, &who, &[], role, asks).is_ok()
}

/// The current value with its rotated fields new; none if value or metadata lack what the type needs.
fn replacement(secret: &Secret, now: Timestamp, backstage: &mut Backstage<'_>) -> Option<Contents> {
    let kind = Type::named(secret.kind.as_deref()?)?;
    let Contents::Text(text) = secret.holder(CURRENT)?.contents.as_ref()? else { return None };
    let mut fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    let has = |key: &&str| fields.get(*key).is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let told = |key: &&str| secret.rotation.metadata.iter().any(|pair| pair.key == **key);
    if !kind.required.iter().all(has) || !kind.metadata.iter().all(told) {
        return None;
    }
    if kind.name == "SalesforceClientSecret"
        && let Some((key, secret)) = backstage.partners.salesforce.rotated_by_aws(&fields, now, backstage.random)?
    {
        fields.insert("consumerKey".into(), key.into());
        fields.insert("consumerSecret".into(), secret.into());
    } else {
        for key in kind.rotated {
            let former = fields.get(*key).and_then(Value::as_str).unwrap_or_default();
            fields.insert((*key).into(), like(former, backstage.random).into());
        }
    }
    serde_json::to_string(&fields).ok().map(|text| Contents::Text(Arc::from(text)))
}

/// A new text of the old one's shape: letters for letters, digits for digits, the rest and a prefix as they were.
fn like(former: &str, random: &mut StdRng) -> String {
    let kept = former.rfind(['_', ':']).map_or(0, |at| at + 1);
    let fresh = former.char_indices().map(|(at, letter)| match letter {
        _ if at < kept => letter.to_string(),
        'a'..='f' | '0'..='9' => characters(random, 1, b"abcdef0123456789"),
        'g'..='z' => characters(random, 1, b"ghijklmnopqrstuvwxyz"),
        'A'..='Z' => characters(random, 1, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        _ => letter.to_string(),
    });
    fresh.collect()
}

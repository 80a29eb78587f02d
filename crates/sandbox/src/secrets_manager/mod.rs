//! AWS Secrets Manager in many accounts and regions, after the behaviour that AWS documents.
//!
//! Invariant: an operation happens whole or not at all (it works on a draft), and everything that AWS does by itself
//! (copy to a region, rotate, purge) is an appointment that is kept at its own instant, before the next call is
//! answered. Called by `world` for every request whose `X-Amz-Target` begins with `secretsmanager.`.

pub(crate) mod authorization;
pub(crate) mod errors;
mod lifecycle;
mod listing;
mod model;
mod policy;
mod replication;
mod rotation;
mod schedule;
mod types;
mod versions;

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::iam::Iam;
use crate::knobs::Knobs;
use crate::partners::Partners;
pub(crate) use errors::Answered;
pub use errors::Failure;
use errors::{constraint, not_found, on_replica, scheduled_for_deletion};
use model::Secret;

/// One region's secrets by name.
type Shelf = BTreeMap<String, Secret>;

/// Every secret of every account, and what AWS itself is about to do.
#[derive(Default)]
pub(crate) struct SecretsManager {
    accounts: HashMap<String, HashMap<String, Shelf>>,
    agenda: BTreeMap<(Timestamp, u64), Appointment>,
    /// Copies that wait for a region to be reachable again.
    parked: Vec<Appointment>,
    appointments: u64,
}

/// A secret as an observer sees it, past every permission.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Where it is.
    pub region: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whether it is a copy of another region's.
    pub replica: bool,
    /// Whether it is scheduled for deletion.
    pub deleted: bool,
    /// Its versions: id, labels, value as text.
    pub versions: Vec<(&'a str, &'a [String], Option<&'a str>)>,
}

impl<'a> Shown<'a> {
    /// The version with this label: id and value.
    pub fn labelled(&self, label: &str) -> Option<(&'a str, Option<&'a str>)> {
        let found = self.versions.iter().find(|(_, labels, _)| labels.iter().any(|each| each == label));
        found.map(|(id, _, value)| (*id, *value))
    }
}

/// What one call may know and use.
pub(crate) struct Context<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) knobs: &'a Knobs,
    pub(crate) random: &'a mut StdRng,
    /// The ARN of the secret that the call was about, for the log of calls.
    pub(crate) resource: Option<String>,
}

/// Where a secret lives.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Home {
    account: String,
    region: String,
    name: String,
}

#[derive(Clone)]
enum Appointment {
    Replicate { home: Home, region: String },
    FinishRotation { home: Home, version: String },
    RotateOnSchedule { home: Home, ticket: u64 },
    Purge { home: Home },
}

/// What AWS's own doings may use.
pub(crate) struct Backstage<'a> {
    pub(crate) knobs: &'a Knobs,
    pub(crate) random: &'a mut StdRng,
    pub(crate) partners: &'a mut Partners,
    /// Judges the role of a rotation, once policies are loaded.
    pub(crate) iam: Option<&'a mut Iam>,
}

impl SecretsManager {
    /// Answers one operation, named without its prefix. The caller has called [`Self::settle`] before.
    pub(crate) fn answer(&mut self, operation: &str, body: &[u8], ctx: &mut Context<'_>) -> Answered<Value> {
        match operation {
            "GetSecretValue" => self.get_secret_value(read(body)?, ctx),
            "DescribeSecret" => self.describe_secret(read(body)?, ctx),
            "CreateSecret" => self.create_secret(read(body)?, ctx),
            "PutSecretValue" => self.put_secret_value(read(body)?, ctx),
            "UpdateSecret" => self.update_secret(read(body)?, ctx),
            "UpdateSecretVersionStage" => self.update_secret_version_stage(read(body)?, ctx),
            "DeleteSecret" => self.delete_secret(read(body)?, ctx),
            "RestoreSecret" => self.restore_secret(read(body)?, ctx),
            "ListSecrets" => self.list_secrets(read(body)?, ctx),
            "ListSecretVersionIds" => self.list_secret_version_ids(read(body)?, ctx),
            "BatchGetSecretValue" => self.batch_get_secret_value(read(body)?, ctx),
            "ReplicateSecretToRegions" => self.replicate_secret_to_regions(read(body)?, ctx),
            "RemoveRegionsFromReplication" => self.remove_regions_from_replication(read(body)?, ctx),
            "StopReplicationToReplica" => self.stop_replication_to_replica(read(body)?, ctx),
            "RotateSecret" => self.rotate_secret(read(body)?, ctx),
            "CancelRotateSecret" => self.cancel_rotate_secret(read(body)?, ctx),
            "TagResource" => self.tag_resource(read(body)?, ctx),
            "UntagResource" => self.untag_resource(read(body)?, ctx),
            "GetRandomPassword" => policy::random_password(read(body)?, ctx),
            "PutResourcePolicy" => self.put_resource_policy(read(body)?, ctx),
            "GetResourcePolicy" => self.resource_policy(read(body)?, ctx),
            "DeleteResourcePolicy" => self.delete_resource_policy(read(body)?, ctx),
            "ValidateResourcePolicy" => self.validate_resource_policy(read(body)?, ctx),
            _ => Err(Failure::new("UnknownOperationException", "")),
        }
    }

    /// Keeps every appointment due by `now`, each at its own instant.
    pub(crate) fn settle(&mut self, now: Timestamp, backstage: &mut Backstage<'_>) {
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                return;
            }
            match entry.remove() {
                Appointment::Replicate { home, region } => self.copy_to(home, region, at, backstage),
                Appointment::FinishRotation { home, version } => self.finish_rotation(&home, &version, at, backstage),
                Appointment::RotateOnSchedule { home, ticket } => {
                    self.rotate_on_schedule(&home, ticket, at, backstage);
                }
                Appointment::Purge { home } => self.purge(&home, at),
            }
        }
    }

    /// Sends parked copies on their way again: the set of unreachable regions changed.
    pub(crate) fn unpark(&mut self, now: Timestamp) {
        for appointment in std::mem::take(&mut self.parked) {
            self.appoint(now, appointment);
        }
    }

    /// Every secret of an account, in order of region and name.
    pub(crate) fn shown(&self, account: &str) -> Vec<Shown<'_>> {
        let shelves: BTreeMap<_, _> = self.accounts.get(account).into_iter().flatten().collect();
        let secrets = shelves.values().flat_map(|shelf| shelf.values());
        secrets
            .map(|secret| Shown {
                region: &secret.region,
                name: &secret.name,
                replica: secret.is_replica(),
                deleted: secret.deleted.is_some(),
                versions: secret
                    .versions
                    .iter()
                    .map(|version| {
                        let text = match &version.contents {
                            Some(model::Contents::Text(text)) => Some(&**text),
                            Some(model::Contents::Binary(_)) | None => None,
                        };
                        (version.id.as_str(), version.labels.as_slice(), text)
                    })
                    .collect(),
            })
            .collect()
    }

    /// Makes a secret one that a service of AWS's keeps for itself. Whether it is there.
    pub(crate) fn own(&mut self, account: &str, region: &str, name: &str, service: &str) -> bool {
        let shelf = self.accounts.get_mut(account).and_then(|regions| regions.get_mut(region));
        let secret = shelf.and_then(|shelf| shelf.get_mut(name));
        secret.map(|secret| secret.owning_service = Some(service.to_owned())).is_some()
    }

    fn appoint(&mut self, at: Timestamp, appointment: Appointment) {
        let ticket = self.ticket();
        self.agenda.insert((at, ticket), appointment);
    }

    /// A number that was never given before.
    fn ticket(&mut self) -> u64 {
        self.appointments += 1;
        self.appointments
    }

    fn purge(&mut self, home: &Home, at: Timestamp) {
        // Restored meanwhile, or deleted again with another date: then this appointment is not the one.
        if self.at(home).is_some_and(|secret| secret.deleted.is_some_and(|due| due <= at)) {
            self.shelf(&home.account, &home.region).remove(&home.name);
        }
    }

    fn shelf(&mut self, account: &str, region: &str) -> &mut Shelf {
        self.accounts.entry(account.to_owned()).or_default().entry(region.to_owned()).or_default()
    }

    fn at(&self, home: &Home) -> Option<&Secret> {
        self.accounts.get(&home.account)?.get(&home.region)?.get(&home.name)
    }

    fn at_mut(&mut self, home: &Home) -> Option<&mut Secret> {
        self.accounts.get_mut(&home.account)?.get_mut(&home.region)?.get_mut(&home.name)
    }

    /// Finds by name, ARN, or ARN without its six random characters.
    fn find(&self, id: &str, ctx: &mut Context<'_>) -> Answered<&Secret> {
        let found = self.look(id, ctx.account, ctx.region)?;
        ctx.resource = Some(found.arn());
        Ok(found)
    }

    fn look(&self, id: &str, account: &str, region: &str) -> Answered<&Secret> {
        check_length("secretId", id, 1, 2048)?;
        if let Some(rest) = id.strip_prefix("arn:") {
            // partition:service:region:account:secret:name. Another account's secret needs a policy that the
            // stand-in does not evaluate, another region's is not served here: both are "can't find".
            let parts: Vec<&str> = rest.splitn(6, ':').collect();
            let [_, "secretsmanager", of_region, of_account, "secret", name] = parts[..] else {
                return Err(not_found());
            };
            if of_region != region || of_account != account {
                return Err(not_found());
            }
            let shelf = self.accounts.get(account).and_then(|regions| regions.get(region)).ok_or_else(not_found)?;
            if let Some((name, suffix)) = name.rsplit_once('-')
                && let Some(secret) = shelf.get(name).filter(|secret| secret.suffix == suffix)
            {
                return Ok(secret);
            }
            return shelf.get(name).ok_or_else(not_found);
        }
        lifecycle::check_name_characters(id)?;
        self.accounts.get(account).and_then(|regions| regions.get(region)?.get(id)).ok_or_else(not_found)
    }

    /// Finds a secret to read it: one that is scheduled for deletion refuses.
    fn readable(&self, id: &str, ctx: &mut Context<'_>) -> Answered<&Secret> {
        let secret = self.find(id, ctx)?;
        if secret.deleted.is_some() { Err(scheduled_for_deletion()) } else { Ok(secret) }
    }

    /// Changes a primary that is not scheduled for deletion, on a draft: an error leaves no trace. What changed goes
    /// to every replica.
    fn change<T>(
        &mut self,
        id: &str,
        ctx: &mut Context<'_>,
        edit: impl FnOnce(&mut Secret, &mut Context<'_>) -> Answered<T>,
    ) -> Answered<T> {
        let secret = self.readable(id, ctx)?;
        if secret.is_replica() {
            return Err(on_replica());
        }
        let mut draft = secret.clone();
        draft.stale = None;
        let past = draft.clone();
        let told = edit(&mut draft, ctx)?;
        draft.changed = ctx.now;
        if ctx.knobs.consistency_lag_ms > 0 {
            draft.stale = Some((later(ctx.now, ctx.knobs.consistency_lag_ms), Box::new(past)));
        }
        self.keep(draft, ctx.now, ctx.knobs);
        Ok(told)
    }

    /// Puts a changed primary on its shelf and sends it to its replicas.
    fn keep(&mut self, mut secret: Secret, now: Timestamp, knobs: &Knobs) {
        let home = home_of(&secret);
        for replica in &mut secret.replicas {
            if !(knobs.stale_in_sync && replica.state == model::ReplicaState::InSync) {
                replica.state = model::ReplicaState::InProgress;
                replica.message = None;
            }
            let appointment = Appointment::Replicate { home: home.clone(), region: replica.region.clone() };
            let ticket = self.ticket();
            self.agenda.insert((later(now, knobs.replication_lag_ms), ticket), appointment);
        }
        self.shelf(&home.account, &home.region).insert(home.name, secret);
    }
}

fn home_of(secret: &Secret) -> Home {
    Home { account: secret.account.clone(), region: secret.region.clone(), name: secret.name.clone() }
}

fn later(now: Timestamp, milliseconds: u64) -> Timestamp {
    let lag = SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    now.checked_add(lag).unwrap_or(Timestamp::MAX)
}

/// Reads the parameters, and says of a missing one what AWS's front end says.
fn read<T: DeserializeOwned>(body: &[u8]) -> Answered<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        // serde's own message is not passed on: it can quote what it could not read, and that may be a value.
        let text = error.to_string();
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(field) => constraint(&lower_first(field), "not be null"),
            None => Failure::new("SerializationException", "The request body could not be read."),
        }
    })
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn check_length(member: &str, text: &str, min: usize, max: usize) -> Answered<()> {
    let length = text.chars().count();
    if length < min {
        return Err(constraint(member, format!("have length greater than or equal to {min}")));
    }
    if length > max {
        return Err(constraint(member, format!("have length less than or equal to {max}")));
    }
    Ok(())
}

fn characters(random: &mut StdRng, count: usize, alphabet: &[u8]) -> String {
    (0..count).map(|_| char::from(alphabet[random.random_range(0..alphabet.len())])).collect()
}

const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A version id as AWS makes them: a UUID of version 4.
fn uuid(random: &mut StdRng) -> String {
    crate::world::uuid(random)
}

/// `{ARN, Name}`, the answer of most writes.
fn named(secret: &Secret) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("ARN".into(), secret.arn().into());
    told.insert("Name".into(), secret.name.clone().into());
    told
}

//! A resource's status on the wire, from what a pass saw and from what was there.
//!
//! Invariant: what a pass did not read stays as it was, and a condition keeps its transition time while its status
//! stays, so that an unchanged resource gives an equal status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mes_core::status::{self, Truth, View};

use crate::api;

/// The conditions that are there: status and reason by type.
pub fn conditions_of(conditions: &[Condition]) -> BTreeMap<String, (Truth, String)> {
    let truth = |text: &str| match text {
        "True" => Truth::True,
        "False" => Truth::False,
        _ => Truth::Unknown,
    };
    conditions.iter().map(|each| (each.type_.clone(), (truth(&each.status), each.reason.clone()))).collect()
}

/// `before` as `view` changes it, speaking of `generation`, at `now`.
pub fn status(
    before: &api::ManagedExternalSecretStatus,
    view: &View,
    generation: i64,
    now: Timestamp,
) -> api::ManagedExternalSecretStatus {
    let mut after = before.clone();
    after.observed_generation = Some(generation);
    after.conditions = merged(&before.conditions, &view.conditions, &view.absent, generation, now);
    if let Some(identities) = view.identities.as_ref().filter(|identities| !identities.is_empty()) {
        after.identities = identities.iter().map(ToString::to_string).collect();
    }
    if let Some((name, arn)) = &view.secret {
        after.secret = Some(api::SecretStatus { name: name.to_string(), arn: arn.to_string() });
    }
    if let Some(version) = &view.version {
        after.version_id = Some(version.to_string());
    }
    if let Some(versions) = &view.versions {
        after.versions = versions.iter().map(version).collect();
    }
    if let Some(regions) = &view.regions {
        after.regions = regions.iter().map(region).collect();
    }
    if let Some(wanted) = &view.wanted_targets {
        after.targets.retain(|target| wanted.iter().any(|name| name.as_str() == target.name));
    }
    for target in view.targets.values() {
        let entry = api::TargetStatus {
            name: target.name.to_string(),
            version_id: target.version.as_ref().map(ToString::to_string),
            reason: target.reason.map(str::to_owned),
        };
        match after.targets.iter_mut().find(|each| each.name == entry.name) {
            Some(there) => *there = entry,
            None => after.targets.push(entry),
        }
    }
    after.targets.sort_by(|one, other| one.name.cmp(&other.name));
    after.active_rotation = view.active_rotation.as_ref().map(ToString::to_string);
    after.last_rotation_time = view.last_rotation.map(whole).or(before.last_rotation_time.clone());
    if let Some(next) = view.next_rotation {
        after.next_rotation_time = next.map(whole);
    }
    after.pending_revocations = u32::try_from(view.pending_revocations).ok().filter(|owed| *owed > 0);
    after
}

/// Conditions set, taken away or left; one whose status stays keeps its time.
pub fn merged(
    before: &[Condition],
    set: &[status::Condition],
    absent: &[&str],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut after: Vec<Condition> =
        before.iter().filter(|each| !absent.contains(&each.type_.as_str())).cloned().collect();
    for condition in set {
        let text = match condition.truth {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        };
        let there = after.iter().position(|each| each.type_ == condition.kind);
        let since = there
            .and_then(|at| after.get(at))
            .filter(|each| each.status == text)
            .map(|each| each.last_transition_time.clone());
        let new = Condition {
            type_: condition.kind.to_owned(),
            status: text.to_owned(),
            reason: condition.reason.to_owned(),
            message: condition.message.clone(),
            observed_generation: Some(generation),
            last_transition_time: since.unwrap_or_else(|| whole(now)),
        };
        match there.and_then(|at| after.get_mut(at)) {
            Some(there) => *there = new,
            None => after.push(new),
        }
    }
    after
}

/// The wire has whole seconds; a time that came from there must be equal to itself.
fn whole(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

fn version(version: &status::Version) -> api::VersionStatus {
    api::VersionStatus {
        id: version.id.to_string(),
        state: match version.state {
            status::VersionState::Candidate => api::VersionState::Candidate,
            status::VersionState::Current => api::VersionState::Current,
            status::VersionState::Superseded => api::VersionState::Superseded,
            status::VersionState::Revoked => api::VersionState::Revoked,
            status::VersionState::Unknown => api::VersionState::Unknown,
        },
        stages: version.stages.iter().map(ToString::to_string).collect(),
        partner_id: None,
        create_time: None,
        revoke_after_time: version.revoke_after.map(whole),
    }
}

fn region(region: &status::RegionView) -> api::RegionStatus {
    api::RegionStatus {
        name: region.name.to_string(),
        role: Some(if region.primary { api::RegionRole::Primary } else { api::RegionRole::Replica }),
        state: Some(match region.state {
            "InSync" => api::RegionState::InSync,
            "Failed" => api::RegionState::Failed,
            "Unreachable" => api::RegionState::Unreachable,
            _ => api::RegionState::InProgress,
        }),
        version_id: region.version.as_ref().map(ToString::to_string),
        reason: region.reason.map(str::to_owned),
    }
}

//! Liveness: how a world looks that has come to rest.

use mes_core::partner::Recognised;
use sandbox::kubernetes::ApiServer;
use sandbox::{ACCOUNT, Sandbox, Shown};

use super::{Scene, Subject, bytes, condition, decoded, scene};

/// What is not as it shall be once nothing disturbs (L1); empty: at rest.
pub(crate) fn at_rest(sandbox: &Sandbox, kube: &ApiServer, now: jiff::Timestamp) -> Vec<String> {
    let secrets = sandbox.secrets(ACCOUNT);
    let scene = scene(sandbox, kube, &secrets, now);
    scene.subjects.iter().flat_map(|subject| missing(subject, now)).chain(owing(&scene)).chain(stayed(&scene)).collect()
}

/// What is to be revoked after its resource: the Secrets that stayed hold what was promoted.
fn owing(scene: &Scene<'_>) -> Vec<String> {
    let meant = |secret: &Shown<'_>| scene.subjects.iter().any(|subject| subject.stored == secret.name);
    let left = scene.secrets.iter().filter(|secret| !secret.replica && !secret.deleted && !meant(secret));
    left.flat_map(|secret| {
        let owed =
            secret.versions.iter().filter(|(id, labels, _)| labels.contains(&format!("managed-secrets.io/owed/{id}")));
        owed.map(|(id, ..)| format!("{}: owes {id}", secret.name))
    })
    .collect()
}

/// Which Secrets that stayed hold something else than what was promoted last.
fn stayed(scene: &Scene<'_>) -> Vec<String> {
    scene
        .stayed()
        .filter_map(|(secret, of)| {
            let metadata = &secret["metadata"];
            let holds = metadata["annotations"]["managed-secrets.io/version-id"].as_str()?;
            let of = format!("/{of}");
            let there = |stored: &&Shown<'_>| !stored.replica && !stored.deleted && stored.name.ends_with(&of);
            let (current, _) = scene.secrets.iter().find(there)?.labelled("AWSCURRENT")?;
            (current != holds).then(|| format!("Secret {} holds {holds}, and not {current}", metadata["name"]))
        })
        .collect()
}

/// What a resource lacks, told with its path.
struct Missing {
    path: String,
    found: Vec<String>,
}

impl Missing {
    fn of(subject: &Subject<'_>) -> Self {
        Self { path: subject.path(), found: Vec::new() }
    }

    fn want(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.found.push(format!("{}: {}", self.path, what.into()));
        }
    }
}

fn missing(subject: &Subject<'_>, now: jiff::Timestamp) -> Vec<String> {
    let mut missing = Missing::of(subject);
    missing.want(!subject.leaving(), "is on its way out");
    if subject.mes["spec"]["suspend"] == true {
        return missing.found;
    }
    let ready = condition(subject.mes, "Ready");
    let reason =
        subject.mes["status"]["conditions"].as_array().into_iter().flatten().find(|each| each["type"] == "Ready");
    let reason = reason.map_or(String::new(), |ready| format!("{}: {}", ready["reason"], ready["message"]));
    missing.want(ready.is_some_and(|(status, _)| status == "True"), format!("is not Ready ({reason})"));
    let observed = subject.mes["status"]["observedGeneration"] == subject.mes["metadata"]["generation"];
    missing.want(observed, "its newest generation was not looked at");
    for rotation in subject.open_rotations() {
        let waiting = &rotation["status"]["waitingFor"];
        if needs_a_person(subject, waiting) || rotation["status"]["phase"].is_null() && held_by_an_orphan(subject) {
            return carried(subject, now);
        }
        missing.want(
            false,
            format!(
                "{} is open, phase {}, waiting for {waiting}",
                rotation["metadata"]["name"], rotation["status"]["phase"]
            ),
        );
    }
    for rotation in &subject.rotations {
        missing.want(
            rotation["metadata"]["deletionTimestamp"].is_null(),
            format!("{} is on its way out", rotation["metadata"]["name"]),
        );
    }
    let Some(primary) = subject.primary else {
        missing.want(false, "has no secret");
        return missing.found;
    };
    missing.want(primary.labelled("AWSPENDING").is_none(), "AWSPENDING is on a version");
    if let Some(account) = subject.account.filter(|_| subject.mes["spec"]["onboard"]["observe"].is_null()) {
        // What a lost put left at a partner that takes no tag needs a person (PROTOCOL 5): it is in no version of ours.
        let untagged = subject.cell.is_some_and(|cell| cell.contract.recognised == Recognised::ByDifference);
        let orphan = |secret: &str| {
            untagged && primary.versions.iter().all(|(_, _, value)| value.and_then(bytes).as_deref() != Some(secret))
        };
        let live = account.live(now).filter(|each| !each.foreign && !orphan(&each.secret)).count();
        missing.want(live == 1, format!("{live} credentials live"));
    }
    // One that is no longer wanted is left, unless the store's axis says otherwise.
    let tidy = subject.mes["spec"]["deletion"]["store"] == "Delete";
    let wanted = copies(subject);
    for replica in subject.replicas.iter().filter(|_| tidy) {
        missing.want(wanted.contains(&replica.region), format!("region {} has a copy still", replica.region));
    }
    missing.found.extend(carried(subject, now));
    missing.found
}

/// What is not served as it shall be, whatever a rotation waits for; nothing before it was in service.
fn carried(subject: &Subject<'_>, now: jiff::Timestamp) -> Vec<String> {
    let onboarded = condition(subject.mes, "Onboarded").is_some_and(|(status, _)| status == "True");
    let Some(primary) = subject.primary.filter(|_| onboarded) else { return Vec::new() };
    let (version, value) = primary.labelled("AWSCURRENT").unwrap_or(("none", None));
    let secret = value.and_then(bytes).unwrap_or_default();
    let mut missing = Missing::of(subject);
    missing.want(subject.accepted(&secret, now), "AWSCURRENT is refused");
    for region in copies(subject) {
        let held = subject.replicas.iter().find(|replica| replica.region == region);
        let held = held.and_then(|replica| replica.labelled("AWSCURRENT")).map(|(id, _)| id);
        missing.want(held == Some(version), format!("region {region} holds {held:?}"));
    }
    for target in subject.mes["spec"]["targets"].as_array().into_iter().flatten() {
        let held = subject.targets.iter().find(|held| held["metadata"]["name"] == target["name"]);
        let held = held.and_then(|held| decoded(held, "secret"));
        missing.want(
            held.as_deref() == Some(secret.as_str()),
            format!("target {} does not hold AWSCURRENT", target["name"]),
        );
    }
    missing.found
}

/// The regions beside the primary one that are wanted.
fn copies<'a>(subject: &Subject<'a>) -> Vec<&'a str> {
    let wanted = subject.mes["spec"]["regions"].as_array().into_iter().flatten();
    wanted.filter_map(|region| region["name"].as_str()).filter(|name| *name != "us-west-2").collect()
}

/// The same of a Rotation that has not begun: only its resource tells.
fn held_by_an_orphan(subject: &Subject<'_>) -> bool {
    let conditions = subject.mes["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|each| needs_a_person(subject, &serde_json::json!([each]))))
}

/// Whether the last place is taken by what nobody but a person may end: an untagged orphan.
fn needs_a_person(subject: &Subject<'_>, waiting: &serde_json::Value) -> bool {
    let untagged = subject.cell.is_some_and(|cell| cell.contract.recognised == Recognised::ByDifference);
    let taken = |each: &serde_json::Value| {
        matches!(each["reason"].as_str(), Some("OrphanSuspected" | "QuotaUsedByOthers" | "LastPlaceTaken"))
    };
    untagged && waiting.as_array().is_some_and(|all| all.iter().any(taken))
}

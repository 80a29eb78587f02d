//! Liveness: how a world looks that has come to rest.

use sandbox::kubernetes::ApiServer;
use sandbox::{ACCOUNT, Sandbox};

use super::{Subject, bytes, condition, decoded, scene};

/// What is not as it shall be once nothing disturbs (L1); empty: at rest.
pub(crate) fn at_rest(sandbox: &Sandbox, kube: &ApiServer, now: jiff::Timestamp) -> Vec<String> {
    let secrets = sandbox.secrets(ACCOUNT);
    let scene = scene(sandbox, kube, &secrets, now);
    scene.subjects.iter().flat_map(|subject| missing(subject, now)).collect()
}

fn missing(subject: &Subject<'_>, now: jiff::Timestamp) -> Vec<String> {
    let mut missing = Vec::new();
    let mut want = |holds: bool, what: String| {
        if !holds {
            missing.push(format!("{}: {what}", subject.path()));
        }
    };
    want(!subject.leaving(), "is on its way out".to_owned());
    if subject.mes["spec"]["suspend"] == true {
        return missing;
    }
    let ready = condition(subject.mes, "Ready");
    let reason =
        subject.mes["status"]["conditions"].as_array().into_iter().flatten().find(|each| each["type"] == "Ready");
    let reason = reason.map_or("no condition", |ready| ready["reason"].as_str().unwrap_or_default());
    want(ready.is_some_and(|(status, _)| status == "True"), format!("is not Ready ({reason})"));
    let observed = subject.mes["status"]["observedGeneration"] == subject.mes["metadata"]["generation"];
    want(observed, "its newest generation was not looked at".to_owned());
    for rotation in subject.open_rotations() {
        let waiting = &rotation["status"]["waitingFor"];
        want(
            false,
            format!(
                "{} is open, phase {}, waiting for {waiting}",
                rotation["metadata"]["name"], rotation["status"]["phase"]
            ),
        );
    }
    for rotation in &subject.rotations {
        want(
            rotation["metadata"]["deletionTimestamp"].is_null(),
            format!("{} is on its way out", rotation["metadata"]["name"]),
        );
    }
    let Some(primary) = subject.primary else {
        want(false, "has no secret".to_owned());
        return missing;
    };
    want(primary.labelled("AWSPENDING").is_none(), "AWSPENDING is on a version".to_owned());
    let current = primary.labelled("AWSCURRENT");
    let (version, value) = current.unwrap_or(("none", None));
    let secret = value.and_then(bytes).unwrap_or_default();
    want(subject.accepted(&secret, now), "AWSCURRENT is refused".to_owned());
    if let Some(account) = subject.account.filter(|_| subject.mes["spec"]["onboard"]["observe"].is_null()) {
        let live = account.live(now).filter(|each| !each.foreign).count();
        want(live == 1, format!("{live} credentials live"));
    }
    let wanted = subject.mes["spec"]["regions"].as_array().into_iter().flatten();
    let wanted: Vec<&str> =
        wanted.filter_map(|region| region["name"].as_str()).filter(|name| *name != "us-west-2").collect();
    for region in &wanted {
        let held = subject.replicas.iter().find(|replica| replica.region == *region);
        let held = held.and_then(|replica| replica.labelled("AWSCURRENT")).map(|(id, _)| id);
        want(held == Some(version), format!("region {region} holds {held:?}"));
    }
    for replica in &subject.replicas {
        want(wanted.contains(&replica.region), format!("region {} has a copy still", replica.region));
    }
    for target in subject.mes["spec"]["targets"].as_array().into_iter().flatten() {
        let held = subject.targets.iter().find(|held| held["metadata"]["name"] == target["name"]);
        let held = held.and_then(|held| decoded(held, "secret"));
        want(held.as_deref() == Some(secret.as_str()), format!("target {} does not hold AWSCURRENT", target["name"]));
    }
    missing
}

//! Safety: what holds at every instant.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use mes_core::partner::{Overlap, Recognised};
use sandbox::synthetic::{Account, Credential};
use serde_json::Value;

use super::{Broken, Checkers, Scene, Subject, Tracked, UNDER_WAY, bytes, decoded};
use crate::call::{Call, Door, Named};
use crate::synthetic::{ADMIN, CELLS, Cell};

type Checker = fn(&mut Checkers, &Scene<'_>) -> Vec<Broken>;

/// All, in order of their ids.
pub(super) const ALL: &[Checker] = &[s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16, s18];

/// So long ago a login may be to prove that a credential works.
const PROVEN: SignedDuration = SignedDuration::from_mins(10);

fn broken(id: &'static str, what: String) -> Broken {
    Broken { id, what }
}

/// AWSCURRENT is accepted by the partner at every instant, once onboarded.
fn s1(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in scene.subjects.iter().filter(|subject| subject.kept(checkers) && !subject.in_place()) {
        let current = subject.primary.and_then(|secret| secret.labelled("AWSCURRENT"));
        let secret = current.and_then(|(_, value)| bytes(value?));
        if !secret.as_deref().is_some_and(|secret| subject.accepted(secret, scene.now)) {
            let version = current.map_or("none", |(id, _)| id);
            found.push(broken("S1", format!("AWSCURRENT of {} ({version}) is refused by the partner", subject.path())));
        }
    }
    found
}

/// A version that takes AWSCURRENT from another was tried at the partner before.
fn s2(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in scene.subjects.iter().filter(|subject| subject.served(checkers)) {
        if checkers.hands || checkers.tracked.get(subject.uid).is_none_or(|tracked| tracked.history.len() < 2) {
            continue;
        }
        let Some(secret) = subject.current() else { continue };
        let tried = |account: &sandbox::synthetic::Account| {
            account.credentials.iter().any(|each| each.secret == secret && each.logins > 0)
        };
        if !subject.account.is_some_and(tried) {
            found.push(broken("S2", format!("AWSCURRENT of {} was never tried at the partner", subject.path())));
        }
    }
    found
}

/// What a region or a target holds is accepted: nothing that is held was revoked, nor is it once its resource is gone.
fn s3(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in scene.subjects.iter().filter(|subject| subject.kept(checkers) && !subject.in_place()) {
        let regions = subject.replicas.iter().filter_map(|replica| {
            let (_, value) = replica.labelled("AWSCURRENT")?;
            Some((format!("region {}", replica.region), bytes(value?)?))
        });
        let targets = subject
            .targets
            .iter()
            .filter_map(|target| Some((format!("target {}", target["metadata"]["name"]), decoded(target, "secret")?)));
        for (holder, secret) in regions.chain(targets) {
            if subject.issued(&secret) && !subject.accepted(&secret, scene.now) {
                found.push(broken("S3", format!("what {holder} of {} holds is refused", subject.path())));
            }
        }
    }
    for (secret, of) in scene.stayed().filter(|(secret, of)| is_refused(checkers, scene, secret, of)) {
        let what = format!("what {} holds is refused, and {of} is gone", secret["metadata"]["name"]);
        found.push(broken("S3", what));
    }
    found
}

/// Whether the partner refuses now what it once gave out, and a Secret of the resource that is gone still holds, where nothing
/// was to be revoked.
fn is_refused(checkers: &Checkers, scene: &Scene<'_>, secret: &Value, of: &str) -> bool {
    let kept = |tracked: &&Tracked| tracked.path == of && tracked.onboarded && tracked.axes.0 != "Revoke";
    let Some(tracked) = checkers.tracked.values().find(kept) else { return false };
    let in_place = |cell: &Cell| cell.host() == tracked.host && matches!(cell.contract.overlap, Overlap::None);
    let account = scene.sandbox.synthetic_account(&tracked.host, &tracked.account);
    let (Some(account), Some(value)) = (account, decoded(secret, "secret")) else { return false };
    let issued = account.credentials.iter().any(|each| each.secret == value);
    issued && !CELLS.iter().any(in_place) && !account.accepted(scene.now).any(|each| each.secret == value)
}

/// Nothing is revoked unless what AWSCURRENT holds logged in a short while ago.
fn s4(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for (named, _) in checkers.calls.iter().filter(|(named, _)| named.verb == "partner.revoke") {
        // What a pass read it may act upon, within its deadline.
        if checkers.unreadable.is_some_and(|since| named.at.duration_since(since) > UNDER_WAY) {
            found.push(broken("S4", format!("{} is revoked while AWSCURRENT can't be read", named.about)));
        }
        let about = scene.subjects.iter().find(|subject| subject.is_about(named));
        let Some(subject) = about.filter(|subject| subject.kept(checkers)) else { continue };
        let secret = subject.current().unwrap_or_default();
        let proven = |each: &&Credential| {
            each.accepted(scene.now) && each.used.is_some_and(|used| scene.now.duration_since(used) < PROVEN)
        };
        let credentials = subject.account.into_iter().flat_map(|account| &account.credentials);
        if !credentials.filter(|each| each.secret == secret).any(|each| proven(&each)) {
            let what = format!("{} is revoked, and AWSCURRENT of {} was not tried lately", named.about, subject.path());
            found.push(broken("S4", what));
        }
    }
    found
}

/// Live credentials stay few, faults or not.
fn s5(_: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in &scene.subjects {
        let Some(account) = subject.account else { continue };
        let live = account.live(scene.now).filter(|each| !each.foreign).count();
        if live > 5 {
            found.push(broken("S5", format!("{live} credentials of {} live at once", subject.path())));
        }
    }
    found
}

/// No create without a durable record made before: a Rotation names the version that its tag is for.
fn s6(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for (named, call) in &checkers.calls {
        if named.verb != "partner.create" {
            continue;
        }
        let tag = tag(call);
        let known =
            |rotation: &Value| rotation["status"]["versionID"].as_str().is_some_and(|version| tag.ends_with(version));
        // A late one may land after its attempt was given up: then a later attempt of the same Rotation is recorded.
        let of_same = |rotation: &Value| {
            rotation["metadata"]["uid"].as_str().is_some_and(|uid| tag.contains(uid))
                && rotation["status"]["attempt"].as_u64().is_some()
        };
        if !scene.kube.objects("rotations").any(|rotation| known(rotation) || of_same(rotation)) {
            found.push(broken("S6", format!("{} is made and no Rotation intended it", named.about)));
        }
    }
    found
}

/// At most one create an attempt takes effect.
fn s7(checkers: &mut Checkers, _: &Scene<'_>) -> Vec<Broken> {
    let twice = checkers.creates.iter().filter(|(_, count)| **count > 1);
    twice.map(|(tag, count)| broken("S7", format!("{count} creates of one attempt ({tag})"))).collect()
}

/// AWSCURRENT never goes back to a version that it left.
fn s8(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    if checkers.hands {
        return Vec::new();
    }
    let mut found = Vec::new();
    for subject in &scene.subjects {
        let Some(history) = checkers.tracked.get(subject.uid).map(|tracked| &tracked.history) else { continue };
        if let Some((last, before)) = history.split_last()
            && before.contains(last)
        {
            found.push(broken("S8", format!("AWSCURRENT of {} went back to {last}", subject.path())));
        }
    }
    found
}

/// AWSCURRENT is moved by compare-and-swap alone, and never put along with a value that has a predecessor.
fn s9(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for (named, call) in &checkers.calls {
        let body: Value = serde_json::from_slice(&call.request.body().clone()).unwrap_or(Value::Null);
        let moved = named.verb == "sm.UpdateSecretVersionStage"
            && body["VersionStage"] == "AWSCURRENT"
            && body["MoveToVersionId"].is_string()
            && body["RemoveFromVersionId"].is_null();
        // Nobody had it, or the version itself (AWS gives it to the first): there was nothing to compare with.
        let moved_to = body["MoveToVersionId"].as_str();
        let alone = |uid: &str| {
            let history = checkers.tracked.get(uid).map(|tracked| tracked.history.as_slice()).unwrap_or_default();
            history.is_empty() || matches!(history, [only] if Some(only.as_str()) == moved_to)
        };
        let about = scene.subjects.iter().find(|subject| subject.is_about(named));
        if moved && !about.is_some_and(|subject| alone(subject.uid)) {
            found.push(broken("S9", format!("AWSCURRENT of {} is moved without naming who had it", named.about)));
        }
    }
    found
}

/// What a person made at the partner is never ended.
fn s10(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in &scene.subjects {
        for each in subject.account.iter().flat_map(|account| &account.credentials) {
            if each.foreign && checkers.foreign.contains(&each.id) && (each.ended.is_some() || each.until <= scene.now)
            {
                found
                    .push(broken("S10", format!("{}, which a person made for {}, was ended", each.id, subject.path())));
            }
        }
    }
    found
}

/// A target holds the bytes of one version, whole: the one that it names.
fn s11(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in &scene.subjects {
        for target in &subject.targets {
            let named = target["metadata"]["annotations"]["managed-secrets.io/version-id"].as_str();
            let Some(named) = named else { continue };
            let version = subject.primary.and_then(|secret| secret.versions.iter().find(|(id, ..)| *id == named));
            let Some((_, _, Some(value))) = version else { continue };
            let value: Value = serde_json::from_str(value).unwrap_or(Value::Null);
            let whole = value.as_object().is_some_and(|fields| {
                fields.iter().all(|(key, text)| decoded(target, key).as_deref() == text.as_str())
            });
            // A person's edit of its data is seen and mended: that is drift, and told by `hands`.
            if !whole && !checkers.hands {
                let name = &target["metadata"]["name"];
                found.push(broken("S11", format!("target {name} of {} is not {named}", subject.path())));
            }
        }
    }
    found
}

/// How often a resource may have been due since it was made, by a schedule or by the lifetime of its credential.
fn due(subject: &Subject<'_>, now: Timestamp) -> usize {
    let scheduled = subject.mes["spec"]["rotation"]["schedule"].is_string();
    // Windows of a schedule open four hours apart at the least.
    let shortest = scheduled.then(|| SignedDuration::from_hours(4));
    let expires = subject.cell.and_then(|cell| cell.contract.lifetime).map(|life| life / 3 * 2);
    let made = subject.mes["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let (Some(period), Some(made)) = (shortest.into_iter().chain(expires).min(), made) else { return 0 };
    usize::try_from(now.duration_since(made).as_secs() / period.as_secs()).unwrap_or_default()
}

/// The operator begins a rotation of its own for a reason alone: the first replacement, once, and what is due by then.
fn s12(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in &scene.subjects {
        let Some(tracked) = checkers.tracked.get(subject.uid) else { continue };
        // One that failed is followed by another.
        let well = tracked.own.values().filter(|failed| !**failed).count();
        if well > 1 + due(subject, scene.now) {
            found.push(broken("S12", format!("{} rotated {well} times of its own accord", subject.path())));
        }
    }
    found
}

/// Nothing outside is changed for a suspended resource.
fn s13(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for subject in &scene.subjects {
        let since = checkers.tracked.get(subject.uid).and_then(|tracked| tracked.suspended);
        let still =
            since.is_some_and(|since| scene.now.duration_since(since) > UNDER_WAY + SignedDuration::from_secs(90));
        if !still || subject.leaving() {
            continue;
        }
        for (named, call) in &checkers.calls {
            let about = subject.is_about(named);
            if about && named.mutates && named.door != Door::Kubernetes && !is_rehearsal(named, call) {
                found.push(broken("S13", format!("{} though {} is suspended", named.verb, subject.path())));
            }
        }
    }
    found
}

/// A label moved from a version to itself: asked to see whether a later write would be taken.
fn is_rehearsal(named: &Named, call: &Call) -> bool {
    let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
    named.verb == "sm.UpdateSecretVersionStage" && body["MoveToVersionId"] == body["RemoveFromVersionId"]
}

/// The credential with which the operator acts is left alone.
fn s14(_: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let admins = scene.kube.objects("secrets").filter(|secret| secret["type"] == "managed-secrets.io/admin");
    let changed = admins.filter(|secret| decoded(secret, "bearer").as_deref() != Some(ADMIN));
    changed.map(|secret| broken("S14", format!("the admin Secret {} is changed", secret["metadata"]["name"]))).collect()
}

/// Whoever is gone left behind what its spec said, and nothing else.
fn s15(checkers: &mut Checkers, scene: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    let there: BTreeSet<&str> = scene.subjects.iter().map(|subject| subject.uid).collect();
    let gone = checkers.tracked.iter_mut().filter(|(uid, tracked)| !there.contains(uid.as_str()) && !tracked.buried);
    for (_, tracked) in gone {
        tracked.buried = true;
        let account = scene.sandbox.synthetic_account(&tracked.host, &tracked.account);
        let stored = scene.secrets.iter().find(|secret| secret.name == tracked.stored && !secret.replica);
        // What a lost create left at a partner that takes no mark is in no version of ours: a person's to judge (R7).
        let untagged = CELLS
            .iter()
            .any(|cell| cell.host() == tracked.host && cell.contract.recognised == Recognised::ByDifference);
        let held = |secret: &str| {
            let mut values =
                stored.iter().flat_map(|stored| &stored.versions).filter_map(|(.., value)| bytes((*value)?));
            values.any(|value| value == secret)
        };
        let live = account.into_iter().flat_map(|account| account.live(scene.now)).filter(|each| !each.foreign);
        let live = live.filter(|each| !untagged || held(&each.secret)).count();
        let current = stored.and_then(|secret| secret.labelled("AWSCURRENT")).and_then(|(_, value)| bytes(value?));
        let works = current.as_ref().is_some_and(|secret| {
            account.is_some_and(|account| account.accepted(scene.now).any(|each| each.secret == *secret))
        });
        match (tracked.axes.0.as_str(), tracked.axes.1.as_str()) {
            // What a person brought and that never came into service is the person's.
            ("Revoke", _) if live > 0 && (tracked.onboarded || tracked.minted) => {
                found.push(broken("S15", format!("{} is gone, {live} live", tracked.stored)))
            }
            (_, "Delete") if stored.is_some_and(|secret| !secret.deleted) => {
                found.push(broken("S15", format!("{} is there still", tracked.stored)))
            }
            ("Retain" | "", "Retain" | "") if tracked.onboarded && !works => {
                found.push(broken("S15", format!("what was retained of {} does not work", tracked.stored)));
            }
            _ => {}
        }
        // Whoever leaves what is in use leaves no former one beside it that nobody is told of (T29, L6).
        // What the partner ends by itself in a while is owed by nobody.
        let lasts = |each: &Credential| each.until == Timestamp::MAX;
        let lives = |secret: &String| {
            let found =
                |account: &Account| account.accepted(scene.now).any(|each| each.secret == *secret && lasts(each));
            Some(secret) != current.as_ref() && account.is_some_and(found)
        };
        let forgotten = stored.into_iter().flat_map(|secret| &secret.versions).filter(|(id, labels, value)| {
            let owed = labels.contains(&format!("managed-secrets.io/owed/{id}"));
            !owed && value.and_then(bytes).as_ref().is_some_and(lives)
        });
        for (id, ..) in forgotten {
            found.push(broken("S15", format!("{} is gone, and nobody owes {id}, which lives", tracked.stored)));
        }
    }
    found
}

/// AWS and partners are asked about what resources name, and about nothing else.
fn s16(checkers: &mut Checkers, _: &Scene<'_>) -> Vec<Broken> {
    let mut found = Vec::new();
    for (named, call) in &checkers.calls {
        let known = |name: &str| {
            checkers.tracked.values().any(|tracked| {
                // An ARN ends with six characters of AWS's own.
                name == tracked.stored || name.rsplit_once('-').is_some_and(|(name, _)| name == tracked.stored)
            })
        };
        match named.door {
            Door::Aws => {
                let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
                let name = ["SecretId", "Name"].iter().find_map(|key| body[*key].as_str());
                let name = name.map(|name| name.rsplit(':').next().unwrap_or_default());
                if name.is_some_and(|name| !known(name)) {
                    found.push(broken("S16", format!("{} about {}", named.verb, name.unwrap_or_default())));
                }
            }
            Door::Partner => {
                let account = call.request.uri().path().split('/').nth(3).unwrap_or_default();
                if !checkers.tracked.values().any(|tracked| tracked.account == account) {
                    found.push(broken("S16", format!("{} at account {account}", named.verb)));
                }
            }
            Door::Kubernetes => {}
        }
    }
    found
}

/// A create whose fate is unknown is not repeated before the partner was asked what there is.
fn s18(checkers: &mut Checkers, _: &Scene<'_>) -> Vec<Broken> {
    checkers.repeated.drain(..).map(|account| broken("S18", format!("{account}: made again without a look"))).collect()
}

/// Keeps the counts that S7 and S18 judge by.
pub(super) fn count(checkers: &mut Checkers, named: &Named, call: &Call, fine: bool) {
    match named.verb.as_str() {
        "partner.create" => {
            if fine {
                *checkers.creates.entry(tag(call)).or_default() += 1;
            }
            let account = named.about.clone();
            if !checkers.unlisted.insert(account.clone()) {
                checkers.repeated.push(account);
            }
        }
        "partner.list" if fine => {
            checkers.unlisted.remove(&named.about);
        }
        _ => {}
    }
}

fn tag(call: &Call) -> String {
    let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
    body["tag"].as_str().unwrap_or_default().to_owned()
}

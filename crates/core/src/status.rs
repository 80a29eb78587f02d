//! The decision as people read it: conditions, printed fields, events. Equal if nothing changed.
//!
//! Invariant: built from types that may be shown, by [`Reason`]'s own texts; data lives in fields, never in a message. A
//! fact that this pass did not read leaves its field as it was, so that quiet writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::case::Case;
use crate::decide::{Decision, Goal, Step, Verdict};
use crate::effect::Effect;
use crate::facts::{Facts, Holder, Look, ReplicationState, Sight, StoreSecret};
use crate::fault::{Fault, FaultKind, Place};
use crate::goals::rotated::due;
use crate::journal::{Entry, Journal, Outcome, Rotation, Trigger};
use crate::names::{Arn, Identity, ObjectName, Region, SecretName, Stage, TargetName, VersionId};
use crate::reason::Reason;
use crate::spec::{Engine, Onboard, Resource, Spec};

/// A condition's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

/// A condition as it shall be; its transition time is kept by the writer unless the status changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `type`.
    pub kind: &'static str,
    /// `status`.
    pub truth: Truth,
    /// `reason`.
    pub reason: &'static str,
    /// `message`: printable ASCII.
    pub message: String,
}

/// The state of a version, as told to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// Brought in by a rotation under way.
    Candidate,
    /// AWSCURRENT.
    Current,
    /// Still accepted, to be revoked.
    Superseded,
    /// Revoked.
    Revoked,
    /// Not known.
    Unknown,
}

/// A version in `status.versions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Its state.
    pub state: VersionState,
    /// Its staging labels.
    pub stages: BTreeSet<Stage>,
    /// When it is revoked at the earliest.
    pub revoke_after: Option<Timestamp>,
}

/// A region in `status.regions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionView {
    /// Its name.
    pub name: Region,
    /// Whether it is the primary.
    pub primary: bool,
    /// `InSync`, `InProgress`, `Failed` or `Unreachable`.
    pub state: &'static str,
    /// AWSCURRENT there, as read there.
    pub version: Option<VersionId>,
    /// Why it is not in sync.
    pub reason: Option<&'static str>,
}

/// A target in `status.targets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub name: TargetName,
    /// The version that it carries.
    pub version: Option<VersionId>,
    /// Why it is not up to date.
    pub reason: Option<&'static str>,
}

/// `.status` as far as this pass knows it; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Conditions to set.
    pub conditions: Vec<Condition>,
    /// Condition types to take away.
    pub absent: Vec<&'static str>,
    /// Whom it rotates.
    pub identities: Option<BTreeSet<Identity>>,
    /// Its secret.
    pub secret: Option<(SecretName, Arn)>,
    /// AWSCURRENT.
    pub version: Option<VersionId>,
    /// Labelled versions.
    pub versions: Option<Vec<Version>>,
    /// Regions.
    pub regions: Option<Vec<RegionView>>,
    /// Targets; only those that were read.
    pub targets: BTreeMap<TargetName, TargetView>,
    /// The names that `status.targets` may hold.
    pub wanted_targets: Option<BTreeSet<TargetName>>,
    /// The rotation under way.
    pub active_rotation: Option<ObjectName>,
    /// When AWSCURRENT was last moved by a rotation.
    pub last_rotation: Option<Timestamp>,
    /// When the next one starts.
    pub next_rotation: Option<Timestamp>,
    /// Revocations owed.
    pub pending_revocations: usize,
}

/// An event to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether a person should look.
    pub warning: bool,
    /// `reason`.
    pub reason: &'static str,
    /// `note`.
    pub note: String,
    /// `related`: the Rotation.
    pub rotation: Option<ObjectName>,
}

/// What `.status` says after this pass. `was` are the conditions that are there, by type.
pub fn view(
    resource: &Resource,
    facts: &Facts,
    journal: &Journal,
    decision: &Decision,
    was: &BTreeMap<String, (Truth, String)>,
    now: Timestamp,
) -> View {
    let case = Case { resource, journal, now, facts };
    let secret = facts.store_secret();
    let open = journal.open();
    let current = secret.and_then(StoreSecret::current);
    let regions = resource.spec.as_ref().ok().zip(secret).map(|(spec, secret)| regions(facts, spec, secret));
    let (conditions, absent) = conditions(case, decision, was);
    View {
        conditions,
        absent,
        identities: resource
            .spec
            .as_ref()
            .ok()
            .map(|spec| spec.scope.identities.iter().map(|identity| (**identity).clone()).collect()),
        secret: resource
            .spec
            .as_ref()
            .ok()
            .zip(secret)
            .map(|(spec, secret)| (spec.scope.store_secret.name.clone(), secret.arn.clone())),
        version: if decision.verdict(Goal::Onboarded).is_some_and(Result::is_ok) || resource.noted.onboarded {
            current.cloned()
        } else {
            None
        },
        versions: secret.map(|secret| versions(journal, secret)),
        regions,
        targets: targets(facts, resource),
        wanted_targets: resource.spec.as_ref().ok().map(|spec| spec.scope.targets.keys().cloned().collect()),
        active_rotation: open.filter(|open| open.attempt.is_some() || open.aborting).map(|open| open.name.clone()),
        last_rotation: journal.last_promoted().and_then(|rotation| rotation.promoted).max(resource.noted.last_rotation),
        next_rotation: if resource.suspended { None } else { next(case, secret) },
        pending_revocations: journal.pending_revocations(),
    }
}

fn next(case: Case<'_>, secret: Option<&StoreSecret>) -> Option<Timestamp> {
    match &case.resource.spec.as_ref().ok()?.rotation.engine {
        Engine::SecretsManager(_) => secret?.rotation.as_ref()?.next,
        Engine::Operator(_) if case.resource.noted.onboarded => due::next(case),
        Engine::Operator(_) | Engine::None => None,
    }
}

fn versions(journal: &Journal, secret: &StoreSecret) -> Vec<Version> {
    let open = journal.open();
    let version = |(id, stages): (&VersionId, &BTreeSet<Stage>)| {
        let owed = open.is_some_and(|open| open.owed.values().any(|owed| owed.version.as_ref() == Some(id)));
        let candidate = open.is_some_and(|open| open.promoted.is_none() && open.version() == Some(id));
        let revoked = journal.rotations.iter().any(|rotation| {
            let over = matches!(rotation.ended, Some((Outcome::Revoked | Outcome::RevokedByPartner, _)));
            over && rotation.attempt.as_ref().is_some_and(|attempt| attempt.supersedes.as_ref() == Some(id))
        });
        let state = match () {
            () if secret.current() == Some(id) => VersionState::Current,
            () if owed => VersionState::Superseded,
            () if candidate => VersionState::Candidate,
            () if revoked => VersionState::Revoked,
            () => VersionState::Unknown,
        };
        let revoke_after = open.filter(|_| owed).and_then(|open| Some(open.promoted? + open.overlap?));
        Version { id: id.clone(), state, stages: stages.clone(), revoke_after }
    };
    secret.versions.iter().map(version).take(10).collect()
}

fn regions(facts: &Facts, spec: &Spec, secret: &StoreSecret) -> Vec<RegionView> {
    let primary = RegionView {
        name: spec.scope.store_secret.primary.clone(),
        primary: true,
        state: "InSync",
        version: secret.current().cloned(),
        reason: None,
    };
    let wanted = spec.replicas.iter().map(|region| &region.name);
    let there = secret.replication.keys();
    let names: BTreeSet<&Region> = wanted.chain(there).collect();
    let replica = |name: &Region| {
        let reported = secret.replication.get(name);
        let read = facts.seen(&Look::Replica(name.clone()));
        let version = match read {
            Some(Sight::Replica(Ok(Some(replica)))) => replica.current.clone(),
            _ => None,
        };
        let (state, reason) = match (reported.map(|replication| replication.state), read) {
            (Some(ReplicationState::Failed), _) => (
                "Failed",
                Some(if reported.is_some_and(|failed| failed.name_taken) { "NameTaken" } else { "RegionFailed" }),
            ),
            (_, Some(Sight::Replica(Err(_)))) => ("Unreachable", Some("RegionUnreachable")),
            (Some(ReplicationState::InSync), Some(_)) if version.as_ref() != secret.current() => {
                ("InProgress", Some("CarriesOld"))
            }
            (Some(ReplicationState::InSync), _) => ("InSync", None),
            (Some(ReplicationState::InProgress) | None, _) => ("InProgress", None),
        };
        let retained = !spec.replicas.iter().any(|wanted| wanted.name == *name);
        RegionView {
            name: name.clone(),
            primary: false,
            state,
            version,
            reason: if retained { Some("Retained") } else { reason },
        }
    };
    std::iter::once(primary).chain(names.into_iter().map(replica)).collect()
}

fn targets(facts: &Facts, resource: &Resource) -> BTreeMap<TargetName, TargetView> {
    let Ok(spec) = &resource.spec else { return BTreeMap::new() };
    let read = spec.scope.targets.keys().filter_map(|name| {
        let Some(Sight::Target(answer)) = facts.seen(&Look::Target(name.clone())) else { return None };
        let (version, reason) = match answer {
            Err(_) => return None,
            Ok(None) => (None, Some("Absent")),
            Ok(Some(seen)) => match seen.holder {
                Holder::AnotherResource | Holder::Foreign => (None, Some("TargetConflict")),
                Holder::Consenting => (None, None),
                Holder::Us if seen.render.is_some() => (seen.version.clone(), Some("TemplateInvalid")),
                Holder::Us => (seen.version.clone(), None),
            },
        };
        Some((name.clone(), TargetView { name: name.clone(), version, reason }))
    });
    read.collect()
}

fn conditions(
    case: Case<'_>,
    decision: &Decision,
    was: &BTreeMap<String, (Truth, String)>,
) -> (Vec<Condition>, Vec<&'static str>) {
    let resource = case.resource;
    if resource.deleting.is_some() {
        let why = decision
            .next()
            .err()
            .map_or(Reason::Deleting, |step| reason_of(&step).cloned().unwrap_or(Reason::Deleting));
        let mut conditions =
            vec![told("Ready", Truth::False, "Deleting", &why), told("Reconciling", Truth::True, "Deleting", &why)];
        let stalled = why.is_stalled();
        if stalled {
            conditions.push(told("Stalled", Truth::True, why.code(), &why));
        }
        return (conditions, if stalled { vec![] } else { vec!["Stalled"] });
    }
    let verdict = |goal| decision.verdict(goal).cloned().unwrap_or(Ok(()));
    let (onboarded, replicated, synced, rotated) =
        (verdict(Goal::Onboarded), verdict(Goal::Replicated), verdict(Goal::Synced), verdict(Goal::Rotated));
    let served = onboarded.is_ok() || resource.noted.onboarded;
    let onboarded = if held_up(&onboarded, &rotated) { rotated.clone() } else { onboarded };
    let stalled = [&onboarded, &replicated, &synced, &rotated]
        .into_iter()
        .find_map(|verdict| reason(verdict).filter(|reason| reason.is_stalled()));
    let mut conditions: Vec<Condition> = [
        onboarded_condition(case, &onboarded, served),
        replicated_condition(case, &replicated, served),
        synced_condition(case, &synced, served),
        rotated_condition(case, &rotated, served),
    ]
    .into_iter()
    .flatten()
    .collect();
    let held = |kind: &str| {
        let new = conditions.iter().find(|condition| condition.kind == kind).map(|condition| condition.truth);
        new.or_else(|| was.get(kind).map(|(truth, _)| *truth)) == Some(Truth::True)
    };
    let serves = served
        && held("Replicated")
        && (held("Synced") || transitional(case, &synced))
        && stalled.is_none_or(|reason| !stops_service(reason));
    let ready = ready(case, served, serves, stalled, &onboarded, &replicated, &synced, was);
    let is_ready = ready.truth == Truth::True;
    conditions.push(ready);
    let mut absent = Vec::new();
    match stalled {
        Some(reason) => conditions.push(told("Stalled", Truth::True, reason.code(), reason)),
        None => absent.push("Stalled"),
    }
    match reconciling(case, is_ready, stalled.is_some(), &onboarded) {
        Some(condition) => conditions.push(condition),
        None => absent.push("Reconciling"),
    }
    (conditions, absent)
}

/// Whether a first value that a rotation makes is held up by what people should know of: then that is told, and not that it
/// is on its way.
fn held_up(onboarded: &Verdict, rotated: &Verdict) -> bool {
    let news = |reason: &Reason| {
        matches!(
            reason,
            Reason::Fault(_) | Reason::QuotaUsedByOthers(_) | Reason::OrphanSuspected(_) | Reason::JournalUnreadable(_)
        )
    };
    reason(onboarded) == Some(&Reason::Onboarding) && reason(rotated).is_some_and(news)
}

/// A reason that a person must see to, but that takes nothing away from who reads the credential now.
fn stops_service(reason: &Reason) -> bool {
    !matches!(reason, Reason::RotatedElsewhere | Reason::OwnershipContested(_))
}

fn ready(
    case: Case<'_>,
    served: bool,
    serves: bool,
    stalled: Option<&Reason>,
    onboarded: &Verdict,
    replicated: &Verdict,
    synced: &Verdict,
    was: &BTreeMap<String, (Truth, String)>,
) -> Condition {
    let resource = case.resource;
    let plain = |truth, reason, message: &str| Condition { kind: "Ready", truth, reason, message: message.to_owned() };
    if let Some(reason) = stalled.filter(|_| !serves) {
        return told("Ready", Truth::False, reason.code(), reason);
    }
    if resource.suspended && served {
        return told("Ready", Truth::True, "Suspended", &Reason::Suspended);
    }
    if !served {
        return match onboarded {
            Err(Step::Wait { reason: reason @ Reason::Fault(fault), .. }) if unobserved(fault) => {
                told("Ready", Truth::Unknown, "NotObserved", reason)
            }
            Err(step) => told("Ready", Truth::False, "Onboarding", reason_of(step).unwrap_or(&Reason::Onboarding)),
            Ok(()) => plain(Truth::False, "Onboarding", "the first value is on its way"),
        };
    }
    if serves {
        let open = case.journal.open().filter(|open| open.attempt.is_some());
        return match open {
            None if due::overdue(case).is_some() => {
                plain(Truth::True, "RotationOverdue", "in service; its rotation is overdue")
            }
            None => plain(Truth::True, "InService", "valid, served by every region, carried by every target"),
            Some(open) if revocation_held(case, open) => plain(
                Truth::True,
                "RevocationHeld",
                "in service; the superseded credential is kept until all carry the new one; see the Rotation",
            ),
            Some(_) => plain(Truth::True, "Rotating", "in service; a rotation is under way"),
        };
    }
    let was_ready = was.get("Ready").is_some_and(|(truth, _)| *truth == Truth::True);
    match (reason(replicated), reason(synced)) {
        (Some(why), _) if !transitional(case, replicated) => told("Ready", Truth::False, "NotReplicated", why),
        (_, Some(why)) if !transitional(case, synced) && !(was_ready && matches!(why, Reason::Fault(_))) => {
            told("Ready", Truth::False, "NotSynced", why)
        }
        _ if was_ready => plain(Truth::True, "InService", "valid, served by every region, carried by every target"),
        _ => plain(Truth::False, "Onboarding", "the first value is on its way"),
    }
}

/// Whether the fault leaves open how things are, rather than telling what is wrong.
fn unobserved(fault: &Fault) -> bool {
    match fault.place {
        Place::Partner => false,
        Place::Guard => fault.kind != FaultKind::Denied,
        Place::Cluster | Place::SecretsManager | Place::Sts => true,
    }
}

fn revocation_held(case: Case<'_>, open: &Rotation) -> bool {
    let over = open.promoted.zip(open.overlap).map(|(promoted, overlap)| promoted + overlap);
    over.is_some_and(|over| case.now > over + case.bounds().overdue)
}

fn reconciling(case: Case<'_>, ready: bool, stalled: bool, onboarded: &Verdict) -> Option<Condition> {
    let resource = case.resource;
    if stalled || (ready && resource.noted.onboarded) {
        return None;
    }
    match onboarded {
        Err(Step::Wait {
            reason:
                reason @ (Reason::SeedMissing(_)
                | Reason::SecretNotFound(_)
                | Reason::AccountNotFound(_)
                | Reason::StoreNotFound(_)),
            ..
        }) => Some(told("Reconciling", Truth::True, reason.code(), reason)),
        _ if !resource.noted.onboarded => {
            (!ready).then(|| told("Reconciling", Truth::True, "Onboarding", &Reason::Onboarding))
        }
        _ => (resource.noted.settled_generation != Some(resource.generation)).then(|| Condition {
            kind: "Reconciling",
            truth: Truth::True,
            reason: "SpecChanged",
            message: "the changed spec is being realised".to_owned(),
        }),
    }
}

fn onboarded_condition(case: Case<'_>, verdict: &Verdict, served: bool) -> Option<Condition> {
    if !served {
        let why = reason(verdict)?;
        let code = if why.is_stalled() { why.code() } else { "Waiting" };
        return Some(told("Onboarded", Truth::False, code, why));
    }
    let (code, message) = match case.resource.spec.as_ref().ok()?.onboard {
        Onboard::FromSecret => ("Seeded", "the seed is in the store; delete the seed"),
        Onboard::Mint => ("Minted", "made by the operator; nobody ever knew it"),
        Onboard::Adopt => ("Adopted", "the existing AWS secret was taken over"),
        Onboard::Observe => ("Observed", "the existing AWS secret is read"),
    };
    Some(Condition { kind: "Onboarded", truth: Truth::True, reason: code, message: message.to_owned() })
}

fn replicated_condition(case: Case<'_>, verdict: &Verdict, served: bool) -> Option<Condition> {
    let Some(why) = reason(verdict) else {
        let alone = case.resource.spec.as_ref().is_ok_and(|spec| spec.replicas.is_empty());
        let (code, message) = if alone {
            ("SingleRegion", "only the store's own region serves it")
        } else {
            ("InSync", "every region serves AWSCURRENT")
        };
        return Some(Condition { kind: "Replicated", truth: Truth::True, reason: code, message: message.to_owned() });
    };
    if transitional(case, verdict) {
        return None;
    }
    let code = match why {
        Reason::RegionFailed { .. } => "RegionFailed",
        Reason::RegionUnreachable(_) => "RegionUnreachable",
        _ => "InProgress",
    };
    Some(told("Replicated", if served { Truth::False } else { Truth::Unknown }, code, why))
}

fn synced_condition(case: Case<'_>, verdict: &Verdict, served: bool) -> Option<Condition> {
    let Some(why) = reason(verdict) else {
        let none = case.resource.spec.as_ref().is_ok_and(|spec| spec.targets.is_empty());
        let (code, message) =
            if none { ("NoTargets", "no target is wanted") } else { ("UpToDate", "every target carries AWSCURRENT") };
        return Some(Condition { kind: "Synced", truth: Truth::True, reason: code, message: message.to_owned() });
    };
    if transitional(case, verdict) {
        return None;
    }
    let code = match why {
        Reason::TargetConflict { .. } => "TargetConflict",
        Reason::TemplateInvalid { .. } => "TemplateInvalid",
        Reason::TargetForbidden(_) => "TargetForbidden",
        Reason::Fault(fault) if fault.place == Place::Cluster && fault.kind == FaultKind::Denied => "TargetForbidden",
        Reason::SecretMissing(_) | Reason::NotOnboarded => "SecretMissing",
        _ => "ReadFailed",
    };
    Some(told("Synced", if served { Truth::False } else { Truth::Unknown }, code, why))
}

fn rotated_condition(case: Case<'_>, verdict: &Verdict, served: bool) -> Option<Condition> {
    let spec = case.resource.spec.as_ref().ok();
    let yes = |code, message: &str| {
        Some(Condition { kind: "Rotated", truth: Truth::True, reason: code, message: message.to_owned() })
    };
    let no = |code, message: &str| {
        Some(Condition { kind: "Rotated", truth: Truth::False, reason: code, message: message.to_owned() })
    };
    if !served {
        return Some(told("Rotated", Truth::Unknown, "NotOnboarded", &Reason::NotOnboarded));
    }
    let failed = case
        .journal
        .rotations
        .iter()
        .filter(|rotation| rotation.attempt.is_some())
        .max_by_key(|rotation| rotation.created);
    let failed = failed
        .is_some_and(|rotation| matches!(rotation.ended, Some((Outcome::Exhausted | Outcome::PartnerRejected, _))));
    let owed_long = case
        .journal
        .waiting()
        .flat_map(|rotation| rotation.owed.values())
        .any(|owed| owed.doomed.is_some_and(|doomed| case.now > doomed + case.bounds().overdue));
    match reason(verdict) {
        // The guard stands before the partner: an admin credential that is missing or of the wrong kind, a host refused.
        Some(why @ Reason::Fault(fault)) if matches!(fault.place, Place::Partner | Place::Guard) => {
            Some(told("Rotated", Truth::False, "PartnerUnavailable", why))
        }
        Some(why)
            if why.is_stalled()
                || matches!(
                    why,
                    Reason::RotationFailed | Reason::JournalUnreadable(_) | Reason::QuotaUsedByOthers(_)
                ) =>
        {
            Some(told("Rotated", Truth::False, "RotationFailed", why))
        }
        _ if owed_long => no("RevocationOverdue", "a revocation that was announced is not done; see the Rotation"),
        _ if failed => no("RotationFailed", "the last rotation failed; see the Rotation"),
        _ if due::overdue(case).is_some_and(|late| late > case.bounds().overdue) => {
            no("Overdue", "the schedule's window passed without a rotation")
        }
        _ => match spec.map(|spec| (&spec.rotation.engine, spec.rotation.schedule.is_some())) {
            Some((Engine::None, _)) => yes("ManagedElsewhere", "somebody else rotates it"),
            Some((Engine::Operator(_), true) | (Engine::SecretsManager(_), _)) => {
                yes("OnSchedule", "as fresh as its schedule asks")
            }
            _ => yes("NoSchedule", "rotated on request"),
        },
    }
}

/// What passes by itself within seconds during a routine rotation, and is no news to anybody.
fn transitional(case: Case<'_>, verdict: &Verdict) -> bool {
    let known = |region: &Region| case.resource.noted.regions.contains(region);
    match reason(verdict) {
        Some(Reason::Settling | Reason::TargetCarriesOld(_)) => true,
        Some(Reason::RegionCarriesOld(region) | Reason::ReplicaInProgress(region)) => known(region),
        _ => false,
    }
}

fn reason(verdict: &Verdict) -> Option<&Reason> {
    verdict.as_ref().err().and_then(reason_of)
}

fn reason_of(step: &Step) -> Option<&Reason> {
    match step {
        Step::Wait { reason, .. } | Step::Blocked(reason) => Some(reason),
        Step::Look(_) | Step::Act(_) => None,
    }
}

fn told(kind: &'static str, truth: Truth, code: &'static str, reason: &Reason) -> Condition {
    Condition { kind, truth, reason: code, message: printable(&reason.to_string()) }
}

/// Printable ASCII of at most 1,024 characters: what a terminal, a log and a page can show without harm.
pub fn printable(text: &str) -> String {
    let shown = text.chars().flat_map(|c| {
        if c == '\u{2026}' {
            ['.', '.', '.'].to_vec()
        } else if (' '..='~').contains(&c) {
            vec![c]
        } else {
            vec!['?']
        }
    });
    shown.take(1024).collect()
}

/// The event of an effect that went well.
pub fn event(effect: &Effect) -> Option<Event> {
    let event = |reason, note: String, rotation: Option<&ObjectName>| {
        Some(Event { warning: false, reason, note: printable(&note), rotation: rotation.cloned() })
    };
    match effect {
        Effect::Mint { version, .. } | Effect::Compose { version, .. } => {
            event("CandidateCreated", format!("a candidate was made and stored as {version}"), None)
        }
        Effect::Claim => event("TakenBack", "the AWS secret carries the claim of this resource".to_owned(), None),
        Effect::ApplyTarget { target, version, .. } => {
            event("TargetUpdated", format!("Secret {target} carries version {version}"), None)
        }
        Effect::Revoke { credential, .. } => event("Revoked", format!("{credential} was revoked at the partner"), None),
        Effect::Record { rotation, entries, .. } => entries.iter().find_map(|entry| match entry {
            Entry::Intend { number: 1, .. } => {
                event("RotationStarted", format!("Rotation {rotation} began"), Some(rotation))
            }
            Entry::Accepted(1) => {
                event("CandidateVerified", "the partner accepts the stored candidate".to_owned(), Some(rotation))
            }
            Entry::Promoted => event("Promoted", "AWSCURRENT is on the new version".to_owned(), Some(rotation)),
            Entry::End(outcome) if outcome.failed() => Some(Event {
                warning: true,
                reason: "RotationFailed",
                note: format!("Rotation {rotation} ended: {}", outcome_code(*outcome)),
                rotation: Some(rotation.clone()),
            }),
            Entry::End(outcome) => event(
                "RotationCompleted",
                format!("Rotation {rotation} ended: {}", outcome_code(*outcome)),
                Some(rotation),
            ),
            _ => None,
        }),
        _ => None,
    }
}

/// The events of conditions that changed. `was`: status and reason by type.
pub fn events_of_change(view: &View, was: &BTreeMap<String, (Truth, String)>) -> Vec<Event> {
    let mut events = Vec::new();
    for condition in &view.conditions {
        let before = was.get(condition.kind);
        if before.is_some_and(|(truth, reason)| *truth == condition.truth && *reason == condition.reason) {
            continue;
        }
        let first_true = condition.truth == Truth::True && before.is_none_or(|(truth, _)| *truth != Truth::True);
        let (warning, reason) = match (condition.kind, condition.truth, condition.reason) {
            ("Stalled", Truth::True, reason) => (true, reason),
            ("Onboarded", Truth::True, _) if first_true => (false, "Onboarded"),
            ("Replicated", Truth::True, "InSync") if first_true => (false, "RegionInSync"),
            ("Replicated", Truth::False, "RegionFailed" | "RegionUnreachable") => (true, "RegionFailed"),
            ("Rotated", Truth::False, "PartnerUnavailable") => (true, "PartnerUnavailable"),
            ("Ready", Truth::True, "RevocationHeld") => (true, "RevocationHeld"),
            _ => continue,
        };
        events.push(Event { warning, reason, note: condition.message.clone(), rotation: view.active_rotation.clone() });
    }
    events
}

/// The event of an AWSCURRENT that somebody else moved. `view` is what is about to be told. It is followed, since a person
/// may have had to; where AWS rotates, or others own the secret, it is no news.
pub fn changed_outside(resource: &Resource, journal: &Journal, view: &View) -> Option<Event> {
    let spec = resource.spec.as_ref().ok()?;
    if !matches!(spec.rotation.engine, Engine::Operator(_)) || !resource.noted.onboarded {
        return None;
    }
    let (before, now) = (resource.noted.version.as_ref()?, view.version.as_ref()?);
    let ours = |rotation: &Rotation| rotation.version() == Some(now);
    if before == now || journal.open().is_some_and(ours) || journal.last_promoted().is_some_and(ours) {
        return None;
    }
    let note = format!(
        "AWSCURRENT was moved from {before} to {now} by somebody else; it is followed, and nothing is revoked for it"
    );
    Some(Event {
        warning: true,
        reason: "ChangedOutside",
        note: printable(&note),
        rotation: view.active_rotation.clone(),
    })
}

/// The code of an outcome: reason of conditions `Complete` and `Failed`.
pub fn outcome_code(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Revoked => "Revoked",
        Outcome::Kept => "Kept",
        Outcome::RevokedByPartner => "RevokedByPartner",
        Outcome::Merged => "Merged",
        Outcome::Cancelled => "Cancelled",
        Outcome::Exhausted => "Exhausted",
        Outcome::NotDue => "NotDue",
        Outcome::Restored => "Restored",
        Outcome::EngineNotSupported => "EngineNotSupported",
        Outcome::ResourceDeleted => "ResourceDeleted",
        Outcome::PartnerRejected => "PartnerRejected",
    }
}

/// The code of a trigger.
pub fn trigger_code(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Onboarding => "Onboarding",
        Trigger::Schedule => "Schedule",
        Trigger::Request => "Request",
    }
}

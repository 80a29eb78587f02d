//! The decision as people read it: conditions, printed fields, events. Equal if nothing changed.
//!
//! Invariant: built from types that may be shown, by [`Reason`]'s own texts; data lives in fields, never in a message. A
//! fact that this pass did not read leaves its field as it was, so that quiet writes nothing.

mod conditions;
mod event;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::case::{Case, later};
use crate::decide::{Decision, Goal};
use crate::facts::{Facts, Holder, Look, ReplicationState, Sight, StoreSecret};
use crate::goals::rotated::due;
use crate::journal::{Journal, Outcome};
use crate::names::{Arn, Identity, ObjectName, Region, SecretName, Stage, TargetName, VersionId};
use crate::spec::{Engine, Resource, Spec};

pub use event::{Event, changed_outside, event, events_of_change, lost, outcome_code, trigger_code};

use conditions::conditions;

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
    /// When the next one starts, if ever; the outer `None` leaves it as it is.
    pub next_rotation: Option<Option<Timestamp>>,
    /// Revocations owed.
    pub pending_revocations: usize,
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
        // What somebody else made current is noted once it is known to work: until then it is tried in each pass.
        version: current.filter(|_| decision.verdict(Goal::Onboarded).is_some_and(Result::is_ok)).cloned(),
        versions: secret.map(|secret| versions(journal, secret)),
        regions,
        targets: targets(facts, resource),
        wanted_targets: resource.spec.as_ref().ok().map(|spec| spec.scope.targets.keys().cloned().collect()),
        active_rotation: open.filter(|open| open.attempt.is_some() || open.aborting).map(|open| open.name.clone()),
        last_rotation: journal.last_promoted().and_then(|rotation| rotation.promoted).max(resource.noted.last_rotation),
        next_rotation: if resource.suspended { Some(None) } else { next(case, secret) },
        pending_revocations: journal.pending_revocations(),
    }
}

fn next(case: Case<'_>, secret: Option<&StoreSecret>) -> Option<Option<Timestamp>> {
    let Ok(spec) = &case.resource.spec else { return Some(None) };
    match &spec.rotation.engine {
        // AWS tells it with the secret; where that was not read, nobody knows anew.
        Engine::SecretsManager(_) => secret.map(|secret| secret.rotation.as_ref()?.next),
        Engine::Operator(_) if case.resource.noted.onboarded => Some(due::next(case)),
        Engine::Operator(_) | Engine::None => Some(None),
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
        let revoke_after = open.filter(|_| owed).and_then(|open| Some(later(open.promoted?, open.overlap?)));
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
            // Of one that is retained only a rotation reads the version: shown, it would come and go.
            version: version.filter(|_| !retained),
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

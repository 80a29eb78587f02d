//! The conditions: one reading of the verdicts, each reason from the closed list of the API.

use std::collections::BTreeMap;

use super::{Condition, Truth, printable};
use crate::case::{Case, later};
use crate::decide::{Decision, Goal, Step, Verdict};
use crate::fault::{Fault, FaultKind, Place};
use crate::goals::rotated::due;
use crate::journal::{Outcome, Rotation};
use crate::names::Region;
use crate::reason::Reason;
use crate::spec::{Engine, Onboard};

pub(super) fn conditions(
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
    let ready = ready(case, serves, stalled, [&onboarded, &replicated, &synced], was);
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
            Reason::Fault(_)
                | Reason::QuotaUsedByOthers(_)
                | Reason::LastPlaceTaken(_)
                | Reason::OrphanSuspected(_)
                | Reason::JournalUnreadable(_)
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
    serves: bool,
    stalled: Option<&Reason>,
    [onboarded, replicated, synced]: [&Verdict; 3],
    was: &BTreeMap<String, (Truth, String)>,
) -> Condition {
    let resource = case.resource;
    let served = onboarded.is_ok() || resource.noted.onboarded;
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
        // A read that failed takes nothing from what was delivered before.
        (_, Some(why)) if !transitional(case, synced) && (!was_ready || !matches!(why, Reason::Fault(_))) => {
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
    let over = open.promoted.zip(open.overlap).map(|(promoted, overlap)| later(promoted, overlap));
    over.is_some_and(|over| case.now > later(over, case.bounds().overdue))
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
    let failed = failed.is_some_and(|rotation| {
        matches!(
            rotation.ended,
            Some((Outcome::Exhausted | Outcome::PartnerRejected | Outcome::CandidateRejected(_), _))
        )
    });
    let owed_long = case
        .journal
        .waiting()
        .flat_map(|rotation| rotation.owed.values())
        .any(|owed| owed.doomed.is_some_and(|doomed| case.now > later(doomed, case.bounds().overdue)));
    match reason(verdict) {
        // The guard stands before the partner: an admin credential that is missing or of the wrong kind, a host refused.
        Some(why @ Reason::Fault(fault)) if matches!(fault.place, Place::Partner | Place::Guard) => {
            Some(told("Rotated", Truth::False, "PartnerUnavailable", why))
        }
        // All answer, only too slowly to act: nothing else would tell that the rotation stands still.
        Some(why @ Reason::Fault(fault)) if fault.code.as_str() == Fault::TOO_SLOW => {
            Some(told("Rotated", Truth::False, "RotationFailed", why))
        }
        Some(why)
            if why.is_stalled()
                || matches!(
                    why,
                    Reason::RotationFailed
                        | Reason::JournalUnreadable(_)
                        | Reason::QuotaUsedByOthers(_)
                        | Reason::LastPlaceTaken(_)
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
    // A region that lagged once in this rotation is no longer among the noted ones; that all held at this generation says
    // as much.
    let settled = case.resource.noted.settled_generation == Some(case.resource.generation);
    let known = |region: &Region| settled || case.resource.noted.regions.contains(region);
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

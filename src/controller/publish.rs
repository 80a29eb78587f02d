//! What people see: the resource's status on change, its events, what its Rotation waits for.

use jiff::Timestamp;
use mes_core::decide::{Decision, Goal, Step};
use mes_core::facts::{Facts, Holder};
use mes_core::fault::Fault;
use mes_core::names::{ObjectName, Revision, TargetName, Uid};
use mes_core::reason::Reason;
use mes_core::shown::Printed;
use mes_core::status::{self, Event};
use mes_core::tries::Tries;

use super::context::Context;
use super::subject::Subject;
use crate::api::{self, ManagedExternalSecretStatus, parse};
use crate::cluster::{EventKind, Notice};

/// Writes the status if it differs, then tells what changed. Gives the status as it is now.
pub(super) async fn publish(
    context: &Context,
    subject: &Subject,
    facts: &Facts,
    decision: &Decision,
    now: Timestamp,
) -> Result<ManagedExternalSecretStatus, Fault> {
    let before = subject.mes.status.clone().unwrap_or_default();
    let was = parse::conditions_of(&before.conditions);
    let view = status::view(&subject.resource, facts, &subject.journal, decision, &was, now);
    let after = parse::status(&before, &view, subject.resource.generation, now);
    if after != before && subject.reach.namespace.publish(&subject.mes, &after).await? {
        let outside = status::changed_outside(&subject.resource, &subject.journal, &view);
        for event in status::events_of_change(&view, &was).into_iter().chain(outside) {
            tell(context, subject, &event, now).await;
        }
    }
    waits(subject, decision).await?;
    Ok(after)
}

/// Tells an event; one that can't be told is only counted, since nothing waits for it.
pub(super) async fn tell(context: &Context, subject: &Subject, event: &Event, now: Timestamp) {
    let rotation = event.rotation.as_ref().and_then(|name| {
        let uid = subject.journal.rotations.iter().find(|rotation| rotation.name == *name)?.uid.clone();
        Some((name.clone(), uid))
    });
    let note = Printed::parse(&event.note);
    let notice = Notice {
        kind: if event.warning { EventKind::Warning } else { EventKind::Normal },
        reason: event.reason,
        action: "Reconcile",
        note: &note,
        rotation: rotation.as_ref().map(|(name, uid): &(ObjectName, Uid)| (name, uid)),
    };
    if let Err(fault) = context.announcer.tell(&subject.resource.own, notice, now).await {
        context.tally.failed(&fault);
    }
}

/// Targets that were seen intact rest at the revision they were seen with.
pub(super) fn settle_targets(subject: &Subject, facts: &Facts, tries: &mut Tries) {
    let Ok(spec) = &subject.resource.spec else { return };
    for name in spec.scope.targets.keys() {
        if let Some(seen) = facts.target(name)
            && seen.holder == Holder::Us
            && seen.intact == Some(true)
            && let Some(version) = &seen.version
        {
            tries.settle(TargetName::clone(name), Revision::clone(&seen.revision), version.clone());
        }
    }
}

/// `waitingFor` of the Rotation under way, on change.
async fn waits(subject: &Subject, decision: &Decision) -> Result<(), Fault> {
    let Some(open) = subject.journal.open().filter(|open| !open.unreadable) else { return Ok(()) };
    let Some(Err(Step::Wait { reason, .. } | Step::Blocked(reason))) = decision.verdict(Goal::Rotated) else {
        return Ok(());
    };
    if matches!(reason, Reason::Settling) {
        return Ok(());
    }
    let Some(wire) =
        subject.rotations.iter().find(|rotation| rotation.metadata.uid.as_deref() == Some(open.uid.as_str()))
    else {
        return Ok(());
    };
    let before = wire.status.clone().unwrap_or_default();
    let (kind, name) = match reason {
        Reason::RegionCarriesOld(region) | Reason::RegionUnreachable(region) => ("Region", region.to_string()),
        Reason::TargetCarriesOld(target) => ("Secret", target.to_string()),
        Reason::CandidateMissing(secret) => ("Secret", secret.to_string()),
        Reason::RevocationAnnounced(id) | Reason::LastPlaceTaken(id) | Reason::OrphanSuspected(id) => {
            ("Credential", id.to_string())
        }
        Reason::QuotaUsedByOthers(Some(slot)) => ("Slot", slot.to_string()),
        _ => ("Rotation", open.name.to_string()),
    };
    let after = api::RotationStatus {
        waiting_for: vec![api::WaitingFor { kind: kind.to_owned(), name, reason: reason.code().to_owned() }],
        ..before.clone()
    };
    if after.waiting_for == before.waiting_for {
        return Ok(());
    }
    subject.reach.namespace.record(&open.name, &open.revision, &before, &after).await
}

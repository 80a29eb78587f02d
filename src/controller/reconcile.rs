//! The loop: decide, look or act, decide again. It holds no rule.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use mes_core::decide::{Decision, Step, decide};
use mes_core::effect::{Acting, Effect};
use mes_core::facts::{Facts, Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::goals::deleted;
use mes_core::journal::Entry;
use mes_core::names::{ObjectName, PartnerTypeName, Uid};
use mes_core::shown::Code;

use super::context::{CALL, Context};
use super::look::look_at;
use super::pass_clock::PassClock;
use super::perform::{acting, perform};
use super::publish;
use super::subject::Subject;
use super::sweep;
use super::tally::Line;
use crate::api::ManagedExternalSecret;

/// Steps of one pass at the most: a resource that wants more lets others go first.
const STEPS: usize = 200;

/// One pass over one resource.
pub(super) async fn reconcile(mes: Arc<ManagedExternalSecret>, context: Arc<Context>) -> Result<Action, Fault> {
    // Its secret may owe something of an earlier resource of its name: who pays that is done within one pass.
    if sweep::secret_of(&context, &mes).is_some_and(|secret| context.sweeps.is_being_paid(&secret)) {
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    let mut subject = Subject::cached(&context, &mes)?;
    let mut live = false;
    // What a pass changed it reads once more before it rests: the status shall tell what is, not what was before.
    let mut acted = false;
    let clock = PassClock::begin(&*context.outside.clock, context.began);
    let mut facts = subject.at_a_glance(&context, &clock, acted);
    for _ in 0..STEPS {
        let now = clock.now();
        if facts.expire(now) {
            // Nothing may be done on facts that old: the pass looks again, and somebody should know why nothing moves.
            context.tally.failed(&Fault::new(Place::Guard, FaultKind::Unsent, Fault::TOO_SLOW));
            context.memory.keep(&subject.resource.own.uid, facts.tries().clone(), &clock);
            tracing::warn!(namespace = %subject.resource.own.namespace, name = %subject.resource.own.name, "looking took longer than --deadline allows; it begins anew");
        }
        let decision = decide(&subject.resource, &facts, &subject.journal, now);
        tracing::trace!(namespace = %subject.resource.own.namespace, name = %subject.resource.own.name, live, next = ?decision.next(), "decided");
        match decision.next() {
            Err(Step::Look(_) | Step::Act(_)) if !context.lease.allows_a_call(CALL) => {
                return Ok(Action::requeue(Duration::from_secs(5)));
            }
            // A store that this process has not checked yet is no news of the resource's: its first round wakes us.
            Err(Step::Look(_) | Step::Act(_)) if subject.reach.store_unseen => {
                return Ok(Action::requeue(Duration::from_millis(500)));
            }
            Err(Step::Look(questions)) if live => {
                let note = |question: &Look, sight: &Sight| {
                    if let Look::Credentials { acting: Acting::Admin, .. } = question {
                        note_admin(&context, &subject, &sight_fault(sight));
                    }
                };
                look_at(&subject, &mut facts, questions, now, &clock, note).await;
                context.memory.keep(&subject.resource.own.uid, facts.tries().clone(), &clock);
                continue;
            }
            Err(Step::Act(effect)) if live => {
                act(&context, &clock, &subject, &mut facts, &effect).await;
                acted = true;
            }
            Err(Step::Look(_) | Step::Act(_)) => live = true,
            settled @ (Ok(()) | Err(Step::Wait { .. } | Step::Blocked(_))) => {
                let until = match settled {
                    Err(Step::Wait { until, .. }) => until,
                    _ => None,
                };
                return settle(&context, &clock, &subject, facts, &decision, until, live).await;
            }
        }
        match subject.live(&context).await? {
            Some(again) => subject = again,
            None => return Ok(gone(&context, &mes)),
        }
        facts = subject.at_a_glance(&context, &clock, acted);
    }
    Ok(Action::requeue(Duration::ZERO))
}

async fn act(context: &Context, clock: &PassClock, subject: &Subject, facts: &mut Facts, effect: &Effect) {
    let own = &subject.resource.own;
    let outcome = perform(context, subject, effect).await;
    let now = clock.now();
    facts.tried(effect, &outcome, now);
    context.memory.keep(&own.uid, facts.tries().clone(), clock);
    match &outcome {
        Ok(()) => tracing::info!(namespace = %own.namespace, name = %own.name, effect = effect.verb(), "done"),
        Err(fault) => {
            tracing::warn!(namespace = %own.namespace, name = %own.name, effect = effect.verb(), %fault, "failed")
        }
    }
    if acting(effect) == Some(&Acting::Admin) {
        note_admin(context, subject, &outcome.as_ref().err().cloned());
    }
    if let Err(fault) = &outcome {
        context.tally.failed(fault);
        return;
    }
    counted(context, subject, effect);
    if let Some(event) = mes_core::status::lost(&subject.resource, &subject.journal, effect) {
        tracing::warn!(namespace = %own.namespace, name = %own.name, "what is owed could be written nowhere, and is lost");
        publish::tell(context, subject, &event, now).await;
    }
    if let Some(event) = mes_core::status::event(effect) {
        publish::tell(context, subject, &event, now).await;
    }
}

/// Ended rotations are counted where they end.
fn counted(context: &Context, subject: &Subject, effect: &Effect) {
    let Effect::Record { uid, entries, .. } = effect else { return };
    for entry in entries {
        if let Entry::End(outcome) = entry
            && let Some(rotation) = subject.journal.rotations.iter().find(|rotation| rotation.uid == *uid)
        {
            context.tally.rotation_ended(partner_type(subject).as_ref(), rotation.trigger, *outcome);
        }
    }
}

/// Nothing is left to do now: the status says so, and the next moment is known.
async fn settle(
    context: &Context,
    clock: &PassClock,
    subject: &Subject,
    facts: Facts,
    decision: &Decision,
    until: Option<Timestamp>,
    live: bool,
) -> Result<Action, Fault> {
    let now = clock.now();
    let mut tries = facts.tries().clone();
    tries.waiting(decision, now);
    if live {
        publish::settle_targets(subject, &facts, &mut tries);
        if let (Some(seen), Ok(spec)) = (facts.store_secret(), &subject.resource.spec) {
            // Whole passes alone count: one that a fault cut short has not read everything.
            subject.checked(context, clock);
            context.sweeps.learn(&spec.scope.store_secret.store, &spec.scope.store_secret.name, seen);
        }
    }
    context.memory.keep(&subject.resource.own.uid, tries.clone(), clock);
    let written = publish::publish(context, subject, &facts, decision, now).await?;
    observe(context, subject, &written, now);
    // Whatever else it waits for: then its finalizers go.
    let released = deleted::released_at(&subject.resource, &context.settings.bounds).filter(|at| *at > now);
    let next = [until, subject.next_check(context, clock), released].into_iter().flatten().min();
    Ok(match next {
        Some(at) => Action::requeue(delay(at, now)),
        None => Action::await_change(),
    })
}

fn delay(at: Timestamp, now: Timestamp) -> Duration {
    let least = SignedDuration::from_millis(200);
    let wait = now.duration_until(at).max(least).min(SignedDuration::from_hours(24));
    Duration::try_from(wait).unwrap_or(Duration::from_secs(1))
}

/// How the resource looks now, for metrics.
fn observe(context: &Context, subject: &Subject, status: &crate::api::ManagedExternalSecretStatus, now: Timestamp) {
    let own = &subject.resource.own;
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let late = status
        .next_rotation_time
        .as_ref()
        .map(|time| time.0)
        .filter(|next| *next + context.settings.bounds.overdue < now);
    context.tally.observe(
        &own.uid,
        Line {
            namespace: own.namespace.clone(),
            name: own.name.clone(),
            partner_type: partner_type(subject),
            ready: ready.and_then(|ready| match ready.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }),
            reason: Code::parse(ready.map_or("NotObserved", |ready| ready.reason.as_str())),
            pending_revocations: subject.journal.pending_revocations(),
            overdue_since: late,
        },
    );
}

fn partner_type(subject: &Subject) -> Option<PartnerTypeName> {
    subject.mes.spec.partner.as_ref().and_then(|partner| PartnerTypeName::parse(partner.type_.as_str()).ok())
}

/// What the last call with an account's admin credential said: shown as the account's condition.
fn note_admin(context: &Context, subject: &Subject, fault: &Option<Fault>) {
    let Some(account) = subject.mes.spec.partner.as_ref().and_then(|partner| partner.account_ref.as_ref()) else {
        return;
    };
    if let Ok(name) = ObjectName::parse(account.name.as_str()) {
        context.sweeps.note_account(&name, fault.clone());
    }
}

fn sight_fault(sight: &Sight) -> Option<Fault> {
    match sight {
        Sight::Credentials(Err(fault)) => Some(fault.clone()),
        _ => None,
    }
}

/// The resource is gone: nothing of it is remembered.
fn gone(context: &Context, mes: &ManagedExternalSecret) -> Action {
    if let Some(uid) = mes.metadata.uid.clone().and_then(|uid| Uid::parse(uid).ok()) {
        context.memory.forget(&uid);
        context.tally.forget(&uid);
        context.sweeps.wake_each(&context.claims.forget(&uid));
    }
    Action::await_change()
}

/// When a pass was cut short: again after a little, more slowly where the API server refuses us.
pub(super) fn after_fault(mes: &Arc<ManagedExternalSecret>, fault: &Fault, context: &Context) -> Action {
    context.tally.failed(fault);
    let name = mes.metadata.name.as_deref().unwrap_or_default();
    let namespace = mes.metadata.namespace.as_deref().unwrap_or_default();
    tracing::warn!(namespace, name, %fault, "the pass was cut short");
    let seconds = match (fault.place, fault.kind) {
        // What was written meanwhile wakes us as soon as the watch shows it: until then our copy is as old as it was.
        (Place::Cluster, FaultKind::Conflict) => 1,
        (_, FaultKind::Denied) => 30,
        _ => 2,
    };
    Action::requeue(Duration::from_secs(seconds))
}

//! Pays what an AWS secret owes after its resource, from the sealed debt in its tags. It holds no rule.
//!
//! Invariant: nothing is done for a secret that a resource of the cluster means, also one that is being deleted or not
//! served: that one pays by itself, and takes turns with this ([`Sweeps::pays`](super::sweep::Sweeps)). Grants are asked
//! again, and what a living resource holds at the partner is left alone. Called after each sweep of a store.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use mes_core::debt::Debt;
use mes_core::decide::{Step, outlived};
use mes_core::names::{ObjectName, SecretOfStore};
use mes_core::reason::Reason;
use mes_core::spec::Claim;

use super::context::{CALL, Context};
use super::look::look_at;
use super::pass_clock::PassClock;
use super::perform::perform;
use super::subject::Subject;
use super::sweep;

/// Secrets at the same time.
const AT_ONCE: usize = 4;
/// Steps of one pass at the most.
const STEPS: usize = 100;

/// One pass over every secret of a store that owes something and is nobody's.
pub(super) async fn pay(context: Arc<Context>, store: ObjectName) {
    let owing = sweep::owing(&context, &store);
    let of_resources = meant(&context);
    let owing: Vec<_> = owing.into_iter().filter(|(secret, ..)| !of_resources.contains(secret)).collect();
    context.tally.owing(&store, owing.len());
    context.sweeps.unpaid.keep(&store, &owing.iter().map(|(secret, ..)| secret).collect::<Vec<_>>());
    // Until then nobody is asked for it.
    let now = context.outside.clock.now();
    let due = owing.into_iter().filter(|(.., debt)| debt.due().is_none_or(|due| due <= now));
    let due = due.filter(|(secret, ..)| context.sweeps.unpaid.is_due(secret));
    let context = &context;
    let each = async |(secret, claim, debt): (SecretOfStore, Claim, Debt)| {
        let _turn = context.sweeps.pays(&secret);
        if let Some(why_not) = paid(context, &secret, &claim, &debt).await
            && context.sweeps.unpaid.failed(&secret, why_not.code(), context.settings.sweep)
        {
            let (namespace, name, reason) = (&claim.namespace, &secret.name, why_not.code());
            tracing::warn!(%namespace, secret = %name, reason, message = %why_not, "an AWS secret owes a revocation after its resource, which can't be made yet");
        }
    };
    futures::stream::iter(due).for_each_concurrent(AT_ONCE, each).await;
}

/// Every secret that a resource of the cluster means.
fn meant(context: &Context) -> BTreeSet<SecretOfStore> {
    context.caches.resources.state().iter().filter_map(|mes| sweep::secret_of(context, mes)).collect()
}

/// One pass; why it ended before everything was paid.
async fn paid(context: &Context, secret: &SecretOfStore, claim: &Claim, debt: &Debt) -> Option<Reason> {
    for _ in 0..STEPS {
        // Made again meanwhile.
        if meant(context).contains(secret) || !context.lease.is_leader() {
            return None;
        }
        let Some(subject) = Subject::outlived(context, secret, claim, debt) else {
            if context.sweeps.unpaid.failed(secret, "Unreadable", context.settings.sweep) {
                tracing::warn!(namespace = %claim.namespace, secret = %secret.name, "an AWS secret owes a revocation in words that this version does not read");
            }
            return None;
        };
        if let Err(refused) = &subject.resource.spec {
            return Some(refused.clone());
        }
        let clock = PassClock::begin(&*context.outside.clock, context.began);
        let mut facts = subject.at_a_glance(context, &clock, false);
        let effect = loop {
            let now = clock.now();
            if facts.expire(now) || !context.lease.allows_a_call(CALL) {
                context.memory.keep(&claim.uid, facts.tries().clone(), &clock);
                return None;
            }
            match outlived(&subject.resource, &facts, now) {
                Err(Step::Look(questions)) => {
                    look_at(&subject, &mut facts, questions, now, &clock, |_, _| {}).await;
                    context.memory.keep(&claim.uid, facts.tries().clone(), &clock);
                }
                Err(Step::Act(effect)) => break effect,
                Err(Step::Wait { reason, .. } | Step::Blocked(reason)) => return Some(reason),
                Ok(()) => {
                    tracing::info!(namespace = %claim.namespace, secret = %secret.name, "owes nothing any more");
                    context.memory.forget(&claim.uid);
                    context.sweeps.paid(secret);
                    return None;
                }
            }
        };
        // Made again while we looked: whoever took it back reads it anew.
        if meant(context).contains(secret) {
            return None;
        }
        let outcome = perform(context, &subject, &effect).await;
        facts.tried(&effect, &outcome, clock.now());
        context.memory.keep(&claim.uid, facts.tries().clone(), &clock);
        let (namespace, name, effect) = (&claim.namespace, &secret.name, effect.verb());
        match &outcome {
            Ok(()) => tracing::info!(%namespace, secret = %name, effect, "done after its resource"),
            Err(fault) => {
                context.tally.failed(fault);
                tracing::warn!(%namespace, secret = %name, effect, %fault, "failed");
            }
        }
    }
    None
}

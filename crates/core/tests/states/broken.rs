//! That the search can fail: `decide` with one rule taken out, or Secrets Manager and the cluster without their comparisons,
//! each caught by the property of that rule.

use jiff::{SignedDuration, Timestamp};
use mes_core::decide::{Decision, Goal, Step, decide};
use mes_core::effect::{Acting, Effect, Right};
use mes_core::facts::{Acceptance, Facts, Look, Sight};
use mes_core::journal::{Entry, IntentStep, Journal, Outcome as Ended, Rotation};
use mes_core::names::{Stage, Tag};
use mes_core::reason::Reason;
use mes_core::spec::Resource;

use crate::bounds::{Bounds, ONE};
use crate::hands::Kinds;
use crate::search::Blind;
use crate::world::{Judge, Kind};

/// A rule taken out.
pub(crate) struct Broken {
    /// The property that must say so.
    pub(crate) rule: &'static str,
    pub(crate) how: &'static str,
    pub(crate) kind: Kind,
    pub(crate) bounds: Bounds,
    pub(crate) judge: Judge,
    pub(crate) blind: Blind,
}

const FAULT: Bounds = Bounds { faults: 1, ..ONE };

/// Every way.
pub(crate) fn all() -> Vec<Broken> {
    let broken = |rule, how, kind, bounds, judge| Broken { rule, how, kind, bounds, judge, blind: Blind::No };
    let hand = |kinds| Bounds { hands: 1, of: kinds, ..ONE };
    vec![
        broken("S2", "a candidate is taken for accepted without being tried", Kind::Slots, ONE, untried),
        broken("S3", "targets are taken for delivered without being read", Kind::Tagged, ONE, unread),
        broken("S7", "a create whose fate is unknown is made again", Kind::Tagged, FAULT, again),
        broken("P4", "a create whose fate is unknown is made again", Kind::Untagged, FAULT, again),
        broken("S10", "what merely is not known is revoked", Kind::Untagged, FAULT, by_difference),
        broken(
            "S15",
            "a deletion revokes nothing",
            Kind::Tagged,
            Bounds { of: &[Kinds::Deletes], ..hand(&[]) },
            leaves_all,
        ),
        broken("P1", "finalizers are taken for on", Kind::Tagged, ONE, unheld),
        broken(
            "P1",
            "a finalizer that was there before is taken for written anew",
            Kind::Tagged,
            Bounds { leaders: 2, pauses: 1, rotations: 2, ..ONE },
            as_it_was,
        ),
        broken("P2", "stored is what has a label", Kind::Tagged, hand(&[Kinds::Labels]), by_label),
        broken("P3", "an attempt is burned while its create may be on its way", Kind::Tagged, FAULT, impatient),
        broken("P7", "nothing is owed", Kind::Tagged, ONE, owes_nothing),
        broken(
            "P8",
            "a rotation is undone though its promotion was announced",
            Kind::Tagged,
            Bounds { leaders: 2, pauses: 1, ..hand(&[Kinds::Cancels]) },
            undoes_promoting,
        ),
        broken(
            "P9",
            "AWSPREVIOUS says nothing",
            Kind::Tagged,
            Bounds { faults: 1, ..hand(&[Kinds::Labels]) },
            without_previous,
        ),
        broken("P12", "a credential is revoked that nothing doomed", Kind::Tagged, ONE, undoomed),
        broken("P14", "a revocation waits for nothing", Kind::Tagged, ONE, at_once),
        broken("P15", "what is doomed is taken for paid", Kind::Tagged, ONE, pays_by_word),
        Broken {
            blind: Blind::Targets,
            ..broken(
                "P16",
                "a target is written onto whatever revision",
                Kind::InPlacePartner,
                Bounds { leaders: 2, pauses: 1, rotations: 2, ..ONE },
                decide,
            )
        },
        Broken {
            blind: Blind::Labels,
            ..broken(
                "P17",
                "AWSCURRENT is moved from wherever it is",
                Kind::Tagged,
                Bounds { pauses: 1, ..hand(&[Kinds::Labels]) },
                decide,
            )
        },
        broken(
            "P18",
            "labels are believed that are older than the last promotion",
            Kind::Tagged,
            Bounds { stale: 1, ..hand(&[Kinds::Asks]) },
            forgetful,
        ),
        broken("P19", "who makes way hands nothing over", Kind::Tagged, hand(&[Kinds::Asks]), hands_nothing_over),
        broken("P20", "AWSCURRENT stays on what must not be in use", Kind::Tagged, hand(&[Kinds::Labels]), stays),
        broken(
            "P21",
            "a slot is filled while an older call on it may be on its way",
            Kind::Slots,
            Bounds { faults: 1, rotations: 2, ..hand(&[Kinds::Cancels]) },
            impatient,
        ),
        broken("P22", "AWSPENDING is left", Kind::Tagged, ONE, leaves_pending),
        broken("L1", "no rotation ends", Kind::Tagged, ONE, endless),
        broken(
            "L1",
            "a rotation that another overtook keeps its finalizer",
            Kind::Slots,
            Bounds { leaders: 2, pauses: 2, ..hand(&[Kinds::Asks]) },
            side_by_side,
        ),
    ]
}

const LATER: SignedDuration = SignedDuration::from_hours(24);

fn acts(effect: Effect) -> Decision {
    Decision { goals: vec![(Goal::Rotated, Err(Step::Act(effect)))] }
}

fn next_act(decision: &Decision) -> Option<Effect> {
    match decision.next() {
        Err(Step::Act(effect)) => Some(effect),
        _ => None,
    }
}

fn waits(decision: &Decision, what: impl Fn(&Reason) -> bool) -> bool {
    let waiting = decision.verdict(Goal::Rotated);
    !matches!(decision.next(), Err(Step::Act(_) | Step::Look(_)))
        && matches!(waiting, Some(Err(Step::Wait { reason, .. })) if what(reason))
}

fn record(rotation: &Rotation, entries: Vec<Entry>) -> Effect {
    Effect::Record {
        rotation: rotation.name.clone(),
        uid: rotation.uid.clone(),
        attempt: rotation.attempt.as_ref().map(|attempt| attempt.number),
        onto: rotation.revision.clone(),
        entries,
    }
}

/// Answers that `decide` is given in place of the world's.
fn told(
    resource: &Resource,
    facts: &Facts,
    journal: &Journal,
    now: Timestamp,
    answer: impl Fn(&Look) -> Option<Sight>,
) -> Decision {
    let mut facts = facts.clone();
    loop {
        let decision = decide(resource, &facts, journal, now);
        let Err(Step::Look(questions)) = decision.next() else { return decision };
        let answers: Vec<(Look, Sight)> =
            questions.into_iter().filter_map(|look| answer(&look).map(|sight| (look, sight))).collect();
        if answers.is_empty() {
            return decision;
        }
        for (look, sight) in answers {
            facts.learn(look, sight, now);
        }
    }
}

fn untried(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let candidate = journal.open().and_then(Rotation::version);
    told(resource, facts, journal, now, |look| match look {
        Look::Acceptance(version) if Some(version) == candidate => {
            Some(Sight::Acceptance(Ok(Some(Acceptance::Accepted))))
        }
        _ => None,
    })
}

fn unread(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let current = facts.store_secret().and_then(|secret| secret.current()).cloned();
    told(resource, facts, journal, now, |look| match look {
        Look::Target(_) => Some(Sight::Target(Ok(Some(mes_core::facts::Target {
            uid: resource.own.uid.clone(),
            revision: crate::state::newest(),
            holder: mes_core::facts::Holder::Us,
            version: current.clone(),
            intact: Some(true),
            wrong_type: false,
            immutable: false,
            render: None,
        })))),
        Look::Labelled => Some(Sight::Labelled(Ok(None))),
        _ => None,
    })
}

fn again(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    let open = journal.open().filter(|_| waits(&decision, |reason| *reason == Reason::Settling));
    let Some((open, attempt)) = open.and_then(|open| Some((open, open.attempt.as_ref()?))) else { return decision };
    if attempt.step != IntentStep::Create {
        return decision;
    }
    acts(Effect::Mint {
        version: attempt.version.clone(),
        basis: attempt.supersedes.clone(),
        tag: Tag::of(&resource.own.cluster, &attempt.version),
        acting: Acting::Admin,
        right: Right { rotation: open.uid.clone(), attempt: attempt.number, step: IntentStep::Create },
    })
}

fn by_difference(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match (decision.verdict(Goal::Rotated), journal.open()) {
        (Some(Err(Step::Wait { reason: Reason::LastPlaceTaken(id), .. })), Some(open)) => acts(Effect::Revoke {
            debtor: open.uid.clone(),
            credential: id.clone(),
            version: None,
            proven: true,
            acting: Acting::Admin,
        }),
        _ => decision,
    }
}

fn leaves_all(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let mut resource = resource.clone();
    resource.deletion.partner = mes_core::spec::Fate::Retain;
    decide(&resource, facts, journal, now)
}

fn unheld(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let mut journal = journal.clone();
    journal.rotations.iter_mut().for_each(|rotation| rotation.held |= rotation.ended.is_none());
    decide(resource, facts, &journal, now)
}

fn as_it_was(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match (next_act(&decision), journal.open()) {
        (Some(Effect::Release { .. }), Some(open)) => {
            acts(Effect::HoldRotation { rotation: open.name.clone(), onto: open.revision.clone() })
        }
        _ => decision,
    }
}

fn side_by_side(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let mut alone = journal.clone();
    let first = journal.open().map(|open| open.uid.clone());
    let waits =
        |each: &&mut Rotation| each.ended.is_none() && each.attempt.is_none() && Some(&each.uid) != first.as_ref();
    alone.rotations.iter_mut().filter(waits).for_each(|each| each.held = false);
    decide(resource, facts, &alone, now)
}

fn by_label(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let labelled = facts.store_secret().map(|secret| secret.versions.clone()).unwrap_or_default();
    told(resource, facts, journal, now, |look| match look {
        Look::Version(version) if !labelled.contains_key(version) => Some(Sight::Version(Ok(None))),
        _ => None,
    })
}

fn impatient(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    let idle =
        |reason: &Reason| matches!(reason, Reason::Settling | Reason::CandidateNotAccepted | Reason::AttemptsSpaced);
    let undecided = journal.open().is_some_and(|open| open.promoted.is_none() && open.owed.is_empty());
    if undecided && waits(&decision, idle) { decide(resource, facts, journal, now + LATER) } else { decision }
}

fn owes_nothing(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match next_act(&decision) {
        Some(Effect::Record { rotation, uid, attempt, onto, mut entries }) if entries.contains(&Entry::Promoting) => {
            entries.retain(|entry| !matches!(entry, Entry::Owe(_)));
            acts(Effect::Record { rotation, uid, attempt, onto, entries })
        }
        _ => decision,
    }
}

fn undoes_promoting(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let undone = journal.open().filter(|open| open.deleting.is_some() && open.promoted.is_none() && !open.aborting);
    let moved = |open: &Rotation| facts.store_secret().and_then(|secret| secret.current()) == open.version();
    match undone.filter(|open| open.promoting() && !moved(open)) {
        Some(open) => acts(record(open, vec![Entry::Abort])),
        None => decide(resource, facts, journal, now),
    }
}

fn without_previous(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let Some(mut secret) = facts.store_secret().cloned() else { return decide(resource, facts, journal, now) };
    let previous = Stage::parse(Stage::PREVIOUS).unwrap();
    secret.versions.values_mut().for_each(|stages| drop(stages.take(&previous)));
    let mut facts = facts.clone();
    facts.learn(Look::StoreSecret, Sight::StoreSecret(Ok(Some(secret))), now);
    decide(resource, &facts, journal, now)
}

fn undoomed(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match next_act(&decision) {
        Some(Effect::Record { uid, entries, .. }) => match entries.as_slice() {
            [Entry::Doom(id, version)] => acts(Effect::Revoke {
                debtor: uid,
                credential: id.clone(),
                version: version.clone(),
                proven: true,
                acting: Acting::Admin,
            }),
            _ => decision,
        },
        _ => decision,
    }
}

fn announced(reason: &Reason) -> bool {
    matches!(reason, Reason::RevocationAnnounced(_))
}

fn at_once(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    if waits(&decision, announced) { decide(resource, facts, journal, now + LATER) } else { decision }
}

fn pays_by_word(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    let open = journal.open().filter(|_| waits(&decision, announced));
    let paid = open.and_then(|open| Some(record(open, vec![Entry::Paid(open.owed.keys().next()?.clone())])));
    paid.map_or(decision, acts)
}

fn forgetful(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let mut journal = journal.clone();
    if journal.waiting().next().is_some() {
        journal.rotations.retain(|rotation| rotation.ended.is_none());
    }
    decide(resource, facts, &journal, now)
}

fn hands_nothing_over(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match (next_act(&decision), journal.open()) {
        (Some(Effect::Record { uid, entries, .. }), Some(open))
            if uid != open.uid && entries.iter().all(|entry| matches!(entry, Entry::Owe(_) | Entry::Doom(..))) =>
        {
            acts(record(open, vec![Entry::End(Ended::Superseded)]))
        }
        _ => decision,
    }
}

fn stays(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match next_act(&decision) {
        // It ends as if that were a decision.
        Some(Effect::Promote { right: None, .. }) => match journal.open() {
            Some(open) => acts(record(open, vec![Entry::End(Ended::Kept)])),
            None => Decision { goals: Vec::new() },
        },
        _ => decision,
    }
}

fn leaves_pending(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match (next_act(&decision), journal.open()) {
        (Some(Effect::Discard { .. }), Some(open)) => acts(record(open, vec![Entry::End(Ended::Revoked)])),
        _ => decision,
    }
}

fn endless(resource: &Resource, facts: &Facts, journal: &Journal, now: Timestamp) -> Decision {
    let decision = decide(resource, facts, journal, now);
    match next_act(&decision) {
        Some(Effect::Record { entries, .. }) if matches!(entries.as_slice(), [Entry::End(_)]) => {
            Decision { goals: vec![(Goal::Rotated, Err(Step::Blocked(Reason::CredentialRejected)))] }
        }
        _ => decision,
    }
}

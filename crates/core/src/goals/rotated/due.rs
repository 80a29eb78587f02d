//! When a rotation starts and why; its name; what becomes of requests.
//!
//! Invariant: a rotation starts for a due time, the first replacement of a seed, or a person's request or alarm; never for a
//! restart, a relist, or an edit (S12). Triggers of the operator are derived again from facts: a forged or restored
//! object rotates nothing.

use jiff::{SignedDuration, Timestamp};

use crate::case::{Case, later};
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::StoreSecret;
use crate::goals::rotated::brought;
use crate::journal::{Entry, Outcome, Rotation, Trigger};
use crate::names::{ObjectName, VersionId};
use crate::partner::Contract;
use crate::reason::Reason;
use crate::schedule::due_within;
use crate::spec::{Engine, Onboard, Spec};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const MOST_ROTATIONS: u64 = 1_000_000_000;

/// Nothing is due yet; or a rotation is opened.
pub fn due(case: Case<'_>, spec: &Spec) -> Verdict {
    match trigger(case, spec) {
        Ok((trigger, _)) => case.act(opening(case, trigger)),
        Err(until) => until.map_or(Ok(()), |until| {
            let reason = if spent(case) == Some(until) { Reason::AttemptsSpaced } else { Reason::NotDue };
            Err(Step::Wait { reason, until: Some(until) })
        }),
    }
}

/// Until when no rotation starts by itself, since one used up the attempts of its day (L3): an endless row of rotations
/// would make candidates without end. A person may still ask for one.
pub fn spent(case: Case<'_>) -> Option<Timestamp> {
    let exhausted = case.journal.rotations.iter().filter_map(|rotation| match rotation.ended {
        Some((Outcome::Exhausted, at)) => Some(later(at, DAY)),
        _ => None,
    });
    exhausted.max().filter(|until| *until > case.now)
}

/// When the next rotation starts by itself, if it ever does. What is due already was so at an instant that stays: a status that
/// told the present one would be another in each pass, and its write would bring about the next pass.
pub fn next(case: Case<'_>) -> Option<Timestamp> {
    let spec = case.resource.spec.as_ref().ok()?;
    match trigger(case, spec) {
        Ok((_, since)) => Some(since),
        Err(until) => until,
    }
}

/// How long the schedule's window has been over without a rotation, if it is.
pub fn overdue(case: Case<'_>) -> Option<SignedDuration> {
    let spec = case.resource.spec.as_ref().ok()?;
    let schedule = spec.rotation.schedule.as_ref()?;
    let missed = schedule.due(last(case), case.now)?.overdue_since?;
    Some(case.now.duration_since(missed))
}

/// The effect that opens a rotation under the next free name: the highest number ever and one (pruning lowers the count).
pub fn opening(case: Case<'_>, trigger: Trigger) -> Effect {
    let own = case.resource.own.name.as_str();
    let number = |rotation: &Rotation| rotation.name.as_str().strip_prefix(own)?.strip_prefix('-')?.parse::<u64>().ok();
    // A name with a number beyond all that we can have counted to is somebody's joke, and must not use up the numbers.
    let ours = |number: &u64| *number < MOST_ROTATIONS;
    let highest = case.journal.rotations.iter().filter_map(number).filter(ours).max().unwrap_or(0);
    // A squatted name is refused by the API server (`Exists`); then the next number is tried.
    let taken = (1..=64).find(|step| {
        let fault = name(own, highest.saturating_add(*step)).map(|rotation| Effect::Open { rotation, trigger });
        fault.is_some_and(|effect| {
            case.tries().fault_of_effect(&effect).is_none_or(|fault| fault.kind != crate::fault::FaultKind::Exists)
        })
    });
    let rotation =
        name(own, highest.saturating_add(taken.unwrap_or(1))).unwrap_or_else(|| case.resource.own.name.clone());
    Effect::Open { rotation, trigger }
}

/// Requests that an earlier rotation satisfies, and objects that ask for what the facts do not bear out, are ended.
pub fn answered(case: Case<'_>) -> Verdict {
    let open = case.journal.open();
    for waiting in case.journal.waiting() {
        if waiting.unreadable {
            continue;
        }
        let begun = waiting.attempt.is_some() || waiting.aborting;
        let outcome = match waiting.trigger {
            _ if begun => None,
            _ if waiting.owned == Some(false) => Some(Outcome::Restored),
            _ if waiting.cancelled() => Some(Outcome::Cancelled),
            Trigger::Request | Trigger::Compromise if case.resource.contract().is_none() => {
                Some(Outcome::EngineNotSupported)
            }
            Trigger::Request | Trigger::Compromise if waiting.candidate.is_some() => brought::refused(case, waiting)?,
            // A person's own candidate takes the place of what had not begun when it did.
            _ if replaced(waiting, open) => Some(Outcome::Superseded),
            // Asked for before the running one began: that one makes it true.
            Trigger::Request if merged(waiting, open) => Some(Outcome::Merged),
            // Only another compromise, that revokes as soon, is what this one asks for.
            Trigger::Compromise if merged(waiting, open.filter(|open| covers(open, waiting))) => Some(Outcome::Merged),
            Trigger::Request | Trigger::Compromise => None,
            Trigger::Schedule | Trigger::Expiry | Trigger::Onboarding if waiting.candidate.is_some() => {
                Some(Outcome::NotDue)
            }
            Trigger::Schedule | Trigger::Expiry | Trigger::Onboarding => {
                let derived = case
                    .resource
                    .spec
                    .as_ref()
                    .is_ok_and(|spec| trigger(case, spec).is_ok_and(|(trigger, _)| trigger == waiting.trigger));
                let none_yet = !case.resource.noted.onboarded && case.journal.last_promoted().is_none();
                let minting = waiting.trigger == Trigger::Onboarding && none_yet && is_mint(case);
                if derived || minting {
                    None
                } else {
                    // What is in use is among the reasons, and before AWS has told it, nothing is ended for it.
                    case.store_secret()?;
                    Some(Outcome::NotDue)
                }
            }
        };
        if let Some(outcome) = outcome {
            return case.record(waiting, vec![Entry::End(outcome)]);
        }
    }
    Ok(())
}

fn merged(request: &Rotation, open: Option<&Rotation>) -> bool {
    // What a person brought is not the new credential that is asked for.
    open.is_some_and(|open| open.candidate.is_none() && begun_since(request, open))
}

fn replaced(waiting: &Rotation, open: Option<&Rotation>) -> bool {
    let goes_first = |open: &&Rotation| open.candidate.is_some() && !waiting.pre_empts();
    open.filter(goes_first).is_some_and(|open| begun_since(waiting, open))
}

fn begun_since(waiting: &Rotation, open: &Rotation) -> bool {
    let goes_on = open.uid != waiting.uid && !open.aborting && open.deleting.is_none();
    let first = open.attempt.as_ref().filter(|attempt| goes_on && attempt.number == 1);
    first.is_some_and(|attempt| waiting.created < attempt.time)
}

fn covers(open: &Rotation, waiting: &Rotation) -> bool {
    open.is_alarm() && open.revocation >= waiting.revocation && waiting.owed.is_empty()
}

fn is_mint(case: Case<'_>) -> bool {
    case.resource.spec.as_ref().is_ok_and(|spec| spec.onboard == Onboard::Mint)
}

/// Why a rotation starts now, and since when that is due; or when the next one starts by itself.
fn trigger(case: Case<'_>, spec: &Spec) -> Result<(Trigger, Timestamp), Option<Timestamp>> {
    match (spent(case), derived(case, spec)) {
        (None, derived) => derived,
        (Some(until), Ok(_)) => Err(Some(until)),
        // Where nothing would be due by then, nothing starts then.
        (Some(until), Err(at)) => Err(at.map(|at| at.max(until))),
    }
}

/// The same, whatever the attempts of the day came to.
fn derived(case: Case<'_>, spec: &Spec) -> Result<(Trigger, Timestamp), Option<Timestamp>> {
    let Engine::Operator(contract) = &spec.rotation.engine else { return Err(None) };
    if spec.rotation.first_immediately && still_first(case) {
        return Ok((Trigger::Onboarding, case.resource.own.created));
    }
    let ends = expiring(case, contract);
    let schedule = spec.rotation.schedule.as_ref().and_then(|schedule| schedule.due(last(case), case.now));
    let scheduled = schedule.map(|due| {
        let starts = due_within(&due.window, case.resource.own.uid.spread());
        if due.overdue_since.is_some() { starts.min(case.now) } else { starts }
    });
    match (scheduled, ends) {
        (Some(at), _) if at <= case.now => Ok((Trigger::Schedule, at)),
        (_, Some(at)) if at <= case.now => Ok((Trigger::Expiry, at)),
        (scheduled, ends) => Err([scheduled, ends].into_iter().flatten().min()),
    }
}

/// When a credential that the partner ends by itself is replaced at the latest: at two thirds of its life, so that a
/// partner that is down for the last third is no outage. What came in is as old as its resource, as far as we can know.
fn expiring(case: Case<'_>, contract: &Contract) -> Option<Timestamp> {
    contract.lifetime.map(|life| later(last(case), SignedDuration::from_secs(life.as_secs() / 3 * 2)))
}

/// Whether AWSCURRENT is what came in, never replaced by us: told by its version id as AWS has it now, so also after a lost or
/// a late status. Where a person went back to it, it was.
fn still_first(case: Case<'_>) -> bool {
    let (noted, own) = (&case.resource.noted, &case.resource.own);
    let seeded =
        |version: &VersionId| (0..=u16::from(u8::MAX)).any(|number| VersionId::first(&own.uid, number) == *version);
    let current = case.facts.store_secret().map_or(noted.version.as_ref(), StoreSecret::current);
    let came_in = current.is_some_and(|version| is_adopted(case) || seeded(version));
    came_in && noted.last_rotation.is_none() && case.journal.last_promoted().is_none()
}

fn is_adopted(case: Case<'_>) -> bool {
    case.resource.spec.as_ref().is_ok_and(|spec| spec.onboard == Onboard::Adopt)
}

/// When it was rotated last; before any rotation, when the resource was made.
fn last(case: Case<'_>) -> Timestamp {
    let journal = case.journal.last_promoted().and_then(|rotation| rotation.promoted);
    case.resource.noted.last_rotation.max(journal).unwrap_or(case.resource.own.created)
}

fn name(own: &str, number: u64) -> Option<ObjectName> {
    ObjectName::parse(format!("{own}-{number}")).ok()
}

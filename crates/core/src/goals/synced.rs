//! `Synced`: every target carries the bytes of AWSCURRENT, untouched.
//!
//! Invariant: a Secret that is not ours is written only with its owner's consent on it; an effect names the revision that
//! it was decided upon, so a late write never replaces a newer value (P16).

use crate::case::Case;
use crate::decide::{Step, Verdict, every};
use crate::effect::Effect;
use crate::facts::{Holder, StoreSecret, Target};
use crate::fault::{FaultKind, Place};
use crate::goals::rotated::{outside, promotion};
use crate::names::{TargetName, VersionId};
use crate::reason::{Conflict, Reason};
use crate::spec::{Fate, Onboard, Spec};

/// The rule.
pub fn synced(case: Case<'_>) -> Verdict {
    let spec = case.spec()?;
    let not_yet = || Err(Step::Wait { reason: Reason::NotOnboarded, until: None });
    let Some(secret) = case.store_secret()? else { return not_yet() };
    if spec.onboard != Onboard::Observe && secret.ownership != crate::facts::Ownership::Ours {
        return not_yet();
    }
    let Some(current) = secret.current() else { return not_yet() };
    if !deliverable(case, secret, current)? {
        return case.wait(Reason::Settling, 5);
    }
    let wanted = spec
        .scope
        .targets
        .keys()
        .map(|name| carries(case, name, current).map_err(|step| named_if_forbidden(step, name)));
    let taken = spec.targets.iter().filter_map(|target| {
        // Granted to an older resource: never written by this one, whatever lies there.
        let target =
            TargetName::parse(target.name.as_str()).ok().filter(|name| !spec.scope.targets.contains_key(name))?;
        Some(Err(Step::Blocked(Reason::TargetConflict { target, why: Conflict::AnotherResource })))
    });
    every(wanted.chain(taken).chain([surplus(case, spec)]))
}

/// Holds once the targets that stay when their resource goes carry AWSCURRENT, as far as they can: nobody brings it to them
/// afterwards, and what they hold is not revoked. What is not there is not made again.
pub fn kept(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    let Some(current) = secret.current() else { return Ok(()) };
    if !deliverable(case, secret, current)? {
        return Ok(());
    }
    every(spec.scope.targets.keys().map(|name| match case.target(name)? {
        Some(seen) if seen.holder == Holder::Us => match carries(case, name, current) {
            Err(Step::Blocked(_)) => Ok(()),
            verdict => verdict,
        },
        Some(_) | None => Ok(()),
    }))
}

/// Whether AWSCURRENT, where it is now, may be delivered.
fn deliverable(case: Case<'_>, secret: &StoreSecret, current: &VersionId) -> Verdict<bool> {
    // What is being revoked is delivered to nobody, nor is what a Describe older than the journal says (P16, P18).
    promotion::settled(case, secret)?;
    if case.journal.unfit(current) {
        return Ok(false);
    }
    // Nor is what somebody else made current, before it is known to work.
    match outside::fit(case, current) {
        Ok(()) => promotion::is_burned(case, secret, current).map(|burned| !burned),
        Err(look @ Step::Look(_)) => Err(look),
        Err(_) => Ok(false),
    }
}

fn carries(case: Case<'_>, name: &TargetName, current: &VersionId) -> Verdict {
    let apply = |onto| Effect::ApplyTarget { target: name.clone(), version: current.clone(), onto };
    let Some(seen) = case.target(name)? else {
        return match case.version(current)?.and_then(|stored| stored.renders.get(name)) {
            Some(problem) => {
                Err(Step::Blocked(Reason::TemplateInvalid { target: name.clone(), problem: problem.clone() }))
            }
            None => case.act(apply(None)),
        };
    };
    if let Some(why) = conflict(seen) {
        return Err(Step::Blocked(Reason::TargetConflict { target: name.clone(), why }));
    }
    if let Some(problem) = &seen.render {
        return Err(Step::Blocked(Reason::TemplateInvalid { target: name.clone(), problem: problem.clone() }));
    }
    match seen.intact {
        Some(true) if seen.holder == Holder::Us && seen.version.as_ref() == Some(current) => Ok(()),
        Some(_) => case.act(apply(Some((seen.uid.clone(), seen.revision.clone())))),
        // The version's bytes could not be read: nobody knows whether the target carries them.
        None => case.wait(Reason::Settling, 2),
    }
}

/// A right that is missing is told with the Secret's name: where each is lent by name, one can be missing.
fn named_if_forbidden(step: Step, name: &TargetName) -> Step {
    match step {
        Step::Wait { reason: Reason::Fault(fault), until }
            if fault.place == Place::Cluster && fault.kind == FaultKind::Denied =>
        {
            Step::Wait { reason: Reason::TargetForbidden(name.clone()), until }
        }
        other => other,
    }
}

/// Why a Secret must not be written, if it must not.
pub(crate) fn conflict(seen: &Target) -> Option<Conflict> {
    match seen.holder {
        Holder::AnotherResource => Some(Conflict::AnotherResource),
        Holder::Foreign => Some(Conflict::Foreign),
        Holder::Us | Holder::Consenting if seen.wrong_type => Some(Conflict::WrongType),
        Holder::Us | Holder::Consenting if seen.immutable && seen.intact != Some(true) => Some(Conflict::Immutable),
        Holder::Us | Holder::Consenting => None,
    }
}

/// A Secret of ours that the spec no longer names: left, unless the targets' axis says otherwise.
fn surplus(case: Case<'_>, spec: &Spec) -> Verdict {
    let dropped = |name: &TargetName| !spec.scope.targets.contains_key(name);
    if case.resource.deletion.targets == Fate::Retain || !case.glimpse().targets.keys().any(dropped) {
        return Ok(());
    }
    match case.labelled()?.iter().find(|secret| dropped(&secret.name)) {
        Some(secret) => case.act(Effect::RemoveTarget {
            target: secret.name.clone(),
            onto: (secret.uid.clone(), secret.revision.clone()),
        }),
        None => Ok(()),
    }
}

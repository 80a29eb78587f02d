//! `Onboarded`: the store holds a first value, it works, and it is ours.
//!
//! Invariant: nothing is made anywhere before what is to be taken in was found well formed and accepted; a secret that
//! is not ours is left to the byte as it is (R2, R4).

use crate::case::Case;
use crate::decide::{Step, Verdict};
use crate::effect::Effect;
use crate::facts::{Acceptance, Ownership, Seed, StoreSecret};
use crate::goals::rotated::{due, outside};
use crate::journal::Trigger;
use crate::names::VersionId;
use crate::reason::{Reason, SeedProblem};
use crate::spec::{Engine, Onboard, Spec};

/// How often a seed that was edited midway is put anew before a person is asked.
const SEED_TRIES: u16 = 8;

/// The rule.
pub fn onboarded(case: Case<'_>) -> Verdict {
    let spec = case.spec()?;
    let secret = case.store_secret()?;
    if let Some(secret) = secret {
        servable(spec, secret)?;
    }
    if case.resource.noted.onboarded {
        return kept(case, spec, secret);
    }
    match spec.onboard {
        Onboard::Observe => observed(case, spec, secret),
        Onboard::Adopt => adopted(case, spec, secret),
        Onboard::FromSecret => seeded(case, spec, secret),
        Onboard::Mint => minted(case, spec, secret),
    }
}

/// Whether the secret is surely ours, so that a rotation may touch it.
pub fn claimed<'a>(case: Case<'a>) -> Verdict<&'a StoreSecret> {
    owned(case, case.spec()?)
}

/// The same, by what a resource may only look at.
pub fn owned<'a>(case: Case<'a>, spec: &Spec) -> Verdict<&'a StoreSecret> {
    match case.store_secret()? {
        Some(secret) if secret.ownership == Ownership::Ours => {
            servable(spec, secret)?;
            Ok(secret)
        }
        _ => Err(Step::Wait { reason: Reason::NotOnboarded, until: None }),
    }
}

fn servable(spec: &Spec, secret: &StoreSecret) -> Verdict {
    let name = || spec.scope.store_secret.name.clone();
    if secret.scheduled_for_deletion {
        return Err(Step::Blocked(Reason::SecretScheduledForDeletion(name())));
    }
    if spec.onboard == Onboard::Observe {
        return Ok(());
    }
    let rotation = secret.rotation.as_ref();
    let by_aws = rotation.is_some_and(|rotation| rotation.enabled) || secret.secret_type.is_some();
    match spec.rotation.engine {
        Engine::Operator(_) if by_aws => Err(Step::Blocked(Reason::RotatedElsewhere)),
        Engine::SecretsManager(_) if rotation.is_some_and(|rotation| rotation.lambda) => {
            Err(Step::Blocked(Reason::RotatedElsewhere))
        }
        _ if secret.owning_service || secret.replica_of.is_some() => {
            Err(Step::Blocked(Reason::SecretOwnedByAnother(name())))
        }
        _ => Ok(()),
    }
}

/// Onboarded before: still there, still ours, still accepted.
fn kept(case: Case<'_>, spec: &Spec, secret: Option<&StoreSecret>) -> Verdict {
    let name = || spec.scope.store_secret.name.clone();
    let Some(secret) = secret else { return Err(Step::Blocked(Reason::SecretMissing(name()))) };
    // Vouched for by the store's `takeOver`, as where the key of the seal was lost: this very resource seals it anew.
    if matches!(&secret.ownership, Ownership::OursBefore(Some(uid)) if *uid == case.resource.own.uid) {
        return case.act(Effect::Claim);
    }
    if spec.onboard != Onboard::Observe && secret.ownership != Ownership::Ours {
        // An observed secret became an adopted one. Anything else changed hands behind our back, also where all tags are
        // gone: whoever took ours off may be about to put theirs on.
        let first = spec.onboard == Onboard::Adopt && case.resource.noted.observed;
        return if first && secret.ownership == Ownership::Nobodys {
            adopted(case, spec, Some(secret))
        } else {
            Err(Step::Blocked(Reason::OwnershipContested(name())))
        };
    }
    let Some(current) = secret.current() else { return Err(Step::Blocked(Reason::SecretMissing(name()))) };
    outside::followed(case, secret, current)?;
    if case.glimpse().verify_due && matches!(spec.rotation.engine, Engine::Operator(_)) {
        return accepted(case, current);
    }
    Ok(())
}

fn observed(case: Case<'_>, spec: &Spec, secret: Option<&StoreSecret>) -> Verdict {
    let current = present(spec, secret)?;
    match case.version(current)? {
        Some(_) => Ok(()),
        None => case.wait(Reason::Settling, 2),
    }
}

fn adopted(case: Case<'_>, spec: &Spec, secret: Option<&StoreSecret>) -> Verdict {
    let current = present(spec, secret)?;
    let ownership = secret.map(|secret| &secret.ownership);
    match ownership {
        Some(Ownership::Ours | Ownership::OursBefore(_) | Ownership::Nobodys) => {}
        _ => return Err(Step::Blocked(Reason::SecretOwnedByAnother(spec.scope.store_secret.name.clone()))),
    }
    works(case, spec, current)?;
    if ownership == Some(&Ownership::Ours) { Ok(()) } else { case.act(Effect::Claim) }
}

fn seeded(case: Case<'_>, spec: &Spec, secret: Option<&StoreSecret>) -> Verdict {
    let managed = matches!(spec.rotation.engine, Engine::SecretsManager(_));
    let first = |number| VersionId::first(&case.resource.own.uid, number);
    let Some(secret) = secret else {
        fit(case, spec)?;
        return case.act(if managed { Effect::CreateManaged { version: first(0) } } else { Effect::CreateSecret });
    };
    ours(case, spec, secret)?;
    let Some(current) = secret.current() else {
        fit(case, spec)?;
        return case.act(Effect::Onboard { version: first(0) });
    };
    let put_before = (0..SEED_TRIES).find(|number| first(*number) == *current);
    match (works(case, spec, current), put_before) {
        // The seed was edited after it was put: the next number takes the new text. Its old text is accepted by nobody.
        (Err(Step::Blocked(Reason::CredentialRejected)), Some(number)) if !managed && number + 1 < SEED_TRIES => {
            fit(case, spec)?;
            case.act(Effect::Onboard { version: first(number + 1) })
        }
        (verdict, _) => verdict,
    }
}

fn minted(case: Case<'_>, spec: &Spec, secret: Option<&StoreSecret>) -> Verdict {
    let Some(secret) = secret else {
        return if case.resource.held { case.act(Effect::CreateSecret) } else { case.act(Effect::Hold) };
    };
    ours(case, spec, secret)?;
    match (case.journal.open_first(), secret.current()) {
        (Some(open), _) if open.promoted.is_none() && case.journal.last_promoted().is_none() => {
            Err(Step::Wait { reason: Reason::Onboarding, until: None })
        }
        (open, Some(current)) => match (case.acceptance(current)?, open) {
            (Some(Acceptance::Accepted), _) => Ok(()),
            // One more would only wait behind the one that is open.
            (Some(_), Some(_)) => Err(Step::Blocked(Reason::CredentialRejected)),
            (None, Some(_)) => case.wait(Reason::Settling, 2),
            (_, None) => first_opened(case),
        },
        (_, None) => first_opened(case),
    }
}

fn first_opened(case: Case<'_>) -> Verdict {
    match due::spent(case) {
        Some(until) => Err(Step::Wait { reason: Reason::AttemptsSpaced, until: Some(until) }),
        None => case.act(due::opening(case, Trigger::Onboarding)),
    }
}

/// The claim on a secret of our own name: ours, or taken back, or left alone.
fn ours(case: Case<'_>, spec: &Spec, secret: &StoreSecret) -> Verdict {
    match &secret.ownership {
        Ownership::Ours => Ok(()),
        Ownership::OursBefore(_) => case.act(Effect::Claim),
        // Tags come in the call that creates, so a secret of our name without them was made by somebody else.
        Ownership::Nobodys | Ownership::Neighbours(_) | Ownership::Anothers => {
            Err(Step::Blocked(Reason::SecretOwnedByAnother(spec.scope.store_secret.name.clone())))
        }
    }
}

fn present<'a>(spec: &Spec, secret: Option<&'a StoreSecret>) -> Verdict<&'a VersionId> {
    let name = || spec.scope.store_secret.name.clone();
    let Some(secret) = secret else { return Err(Step::Wait { reason: Reason::SecretNotFound(name()), until: None }) };
    secret.current().ok_or_else(|| Step::Blocked(Reason::SecretMissing(name())))
}

/// The stored bytes work: accepted at the partner, or, without a driver of ours, there and of the type's format.
fn works(case: Case<'_>, spec: &Spec, version: &VersionId) -> Verdict {
    if matches!(spec.rotation.engine, Engine::Operator(_)) {
        return accepted(case, version);
    }
    match case.version(version)? {
        None => case.wait(Reason::Settling, 2),
        Some(stored) if stored.problems.is_empty() => Ok(()),
        Some(stored) => Err(Step::Blocked(Reason::SeedInvalid(SeedProblem::Fields(stored.problems.clone())))),
    }
}

/// The partner accepts the stored bytes of a version.
pub(crate) fn accepted(case: Case<'_>, version: &VersionId) -> Verdict {
    match case.acceptance(version)? {
        Some(Acceptance::Accepted) => Ok(()),
        Some(Acceptance::Alien) => Err(Step::Blocked(Reason::EndpointMismatch)),
        Some(Acceptance::Refused | Acceptance::Malformed) => Err(Step::Blocked(Reason::CredentialRejected)),
        None => case.wait(Reason::Settling, 2),
    }
}

/// The seed is there, of the type's format, of the right host and identity, and accepted.
fn fit(case: Case<'_>, spec: &Spec) -> Verdict {
    let blocked = |reason| Err(Step::Blocked(reason));
    match case.seed()? {
        None => {
            let name = spec.scope.seed.as_ref().map(|name| (**name).clone());
            Err(Step::Wait { reason: name.map_or(Reason::NotOnboarded, Reason::SeedMissing), until: None })
        }
        Some(Seed::Accepted { .. }) => Ok(()),
        Some(Seed::WrongType) => blocked(Reason::SeedInvalid(SeedProblem::WrongType)),
        Some(Seed::Malformed(problems)) => blocked(Reason::SeedInvalid(SeedProblem::Fields(problems.clone()))),
        Some(Seed::WrongHost) if spec.scope.origin.is_some() => blocked(Reason::EndpointMismatch),
        Some(Seed::WrongHost) => blocked(Reason::SeedInvalid(SeedProblem::Host)),
        Some(Seed::NotGranted(Some(identity))) => blocked(Reason::IdentityNotAllowed(identity.clone())),
        Some(Seed::NotGranted(None)) => blocked(Reason::SeedInvalid(SeedProblem::Identity)),
        Some(Seed::InUse(identity)) => blocked(Reason::IdentityInUse(identity.clone())),
        Some(Seed::Admins) => blocked(Reason::RotatesOwnAdmin),
        Some(Seed::Refused) => blocked(Reason::SeedRejected),
    }
}

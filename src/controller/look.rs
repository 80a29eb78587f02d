//! A question answered: `Look` to `Sight`, one arm each. No rule is here; bytes are read, compared and dropped.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use jiff::Timestamp;
use mes_core::effect::Acting;
use mes_core::facts::{Acceptance, Facts, Look, Rehearsed, Seed, Sight, Stored, Target};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{ObjectName, TargetName, VersionId};
use mes_core::partner::Contract;
use mes_core::partner::format::{FieldProblem, ProblemKind};
use mes_core::scope::{Granted, inspect_seed, origin_of, seed_of_a_rotation, spares_admin};
use mes_core::secret::Value;
use mes_core::spec::{Engine, Fate, Spec};
use mes_core::target::{RenderError, render};

use super::pass_clock::PassClock;
use super::reach::{Reach, bound, guard};
use super::subject::Subject;
use crate::cluster::{SeedSecret, Wanted};

/// Asks all that a decision of `asked` wants to know at once, and takes it in with how long it took. `told` hears each answer.
pub(super) async fn look_at(
    subject: &Subject,
    facts: &mut Facts,
    questions: BTreeSet<Look>,
    asked: Timestamp,
    clock: &PassClock,
    told: impl Fn(&Look, &Sight),
) {
    let sights = join_all(questions.iter().map(async |question| (look(subject, question).await, clock.now())));
    let sights = sights.await;
    for (question, (sight, answered)) in questions.into_iter().zip(sights) {
        facts.took(&question, asked, answered);
        told(&question, &sight);
        facts.learn(question, sight, answered);
    }
}

/// Answers `question`.
async fn look(subject: &Subject, question: &Look) -> Sight {
    let reach = &subject.reach;
    let spec = subject.resource.reachable().ok_or_else(|| guard("SpecNotServed"));
    match question {
        Look::Seed => Sight::Seed(match spec {
            Ok(spec) => {
                let operated = matches!(spec.rotation.engine, Engine::Operator(_));
                seed(reach, spec, spec.scope.seed.as_ref(), operated).await
            }
            Err(fault) => Err(fault),
        }),
        Look::Brought(name) => Sight::Seed(match spec {
            Ok(spec) => {
                let pure = subject.resource.contract().is_some_and(Contract::verification_is_pure);
                seed(reach, spec, Some(&seed_of_a_rotation(spec, name)), pure).await
            }
            Err(fault) => Err(fault),
        }),
        Look::StoreSecret => Sight::StoreSecret(match reach.store_in_turn().await {
            Ok(store) => store.describe().await,
            Err(fault) => Err(fault),
        }),
        Look::Replica(region) => Sight::Replica(match reach.store_in_turn().await {
            Ok(store) => store.replica(region).await,
            Err(fault) => Err(fault),
        }),
        Look::Version(version) => Sight::Version(match spec {
            Ok(spec) => held(subject, spec, version).await,
            Err(fault) => Err(fault),
        }),
        Look::Acceptance(version) => Sight::Acceptance(match spec {
            Ok(spec) => acceptance(reach, spec, version).await,
            Err(fault) => Err(fault),
        }),
        Look::Credentials { acting, known } => Sight::Credentials(match spec {
            Ok(spec) => {
                async {
                    let mut values = Vec::new();
                    for version in known {
                        // A version without labels may be gone from the store: then nothing holds its bytes any more.
                        if let Some(value) = reach.read(version).await? {
                            values.push((version.clone(), value));
                        }
                    }
                    let bound = reach.bound(spec, acting).await?;
                    if *acting == Acting::Admin {
                        spares_admin(spec, values.iter().map(|(_, value)| value), bound.acting())?;
                    }
                    reach.partner_in_turn().await?.list(&bound, &values).await.map(Some)
                }
                .await
            }
            Err(fault) => Err(fault),
        }),
        Look::Target(name) => Sight::Target(match spec {
            Ok(spec) => target(subject, spec, name).await,
            Err(fault) => Err(fault),
        }),
        Look::Versions => Sight::Versions(match reach.store_in_turn().await {
            Ok(store) => store.versions().await,
            Err(fault) => Err(fault),
        }),
        Look::Labelled if reach.namespace_is_gone => Sight::Labelled(Ok(None)),
        Look::Labelled => Sight::Labelled(reach.namespace.labelled().await),
        Look::Rehearsal { write, version } => Sight::Rehearsal(match spec {
            Ok(spec) => rehearsal(subject, spec, write, version).await,
            Err(fault) => Err(fault),
        }),
    }
}

/// `tried`: whether the partner is asked.
async fn seed(
    reach: &Reach,
    spec: &Spec,
    name: Option<&Granted<ObjectName>>,
    tried: bool,
) -> Result<Option<Seed>, Fault> {
    let Some(name) = name else { return Ok(None) };
    let value = match reach.namespace.seed(name).await? {
        None => return Ok(None),
        Some(SeedSecret::WrongType) => return Ok(Some(Seed::WrongType)),
        Some(SeedSecret::Seed { not_text, .. }) if !not_text.is_empty() => {
            let kind = ProblemKind::Malformed { expected: "text in UTF-8" };
            let problems = not_text.into_iter().map(|field| FieldProblem { field, kind }).collect();
            return Ok(Some(Seed::Malformed(problems)));
        }
        Some(SeedSecret::Seed { value, .. }) => value,
    };
    let admin = reach.admin(spec).await?;
    let inspected = match inspect_seed(spec, &value, admin.as_ref()) {
        Ok(inspected) => inspected,
        Err(refused) => return Ok(Some(refused)),
    };
    let identity = inspected.identity.map(|identity| (*identity).clone());
    if !tried {
        return Ok(Some(Seed::Accepted { identity }));
    }
    let Some(origin) = inspected.origin else { return Ok(Some(Seed::WrongHost)) };
    Ok(Some(match reach.partner_in_turn().await?.verify(&bound(spec, origin, admin), &value).await? {
        Acceptance::Accepted => Seed::Accepted { identity },
        Acceptance::Refused => Seed::Refused,
        Acceptance::Alien | Acceptance::Malformed => Seed::WrongHost,
    }))
}

async fn acceptance(reach: &Reach, spec: &Spec, version: &VersionId) -> Result<Option<Acceptance>, Fault> {
    let Some(value) = reach.read(version).await? else { return Ok(None) };
    if spec.partner.is_some_and(|partner| partner.format.check(&value).is_err()) {
        return Ok(Some(Acceptance::Malformed));
    }
    let Ok(origin) = origin_of(spec, &value) else { return Ok(Some(Acceptance::Alien)) };
    // Whose credential it is, at some partners only the admin may read. An admin that can't be had is no refusal of
    // these bytes: without one the driver answers with a fault where it needs it.
    let admin = reach.admin(spec).await.ok().flatten();
    spares_admin(spec, [&value], admin.as_ref())?;
    reach.partner_in_turn().await?.verify(&bound(spec, origin, admin), &value).await.map(Some)
}

/// A later write, tried with the bytes that it would carry and without effect.
async fn rehearsal(
    subject: &Subject,
    spec: &Spec,
    write: &Rehearsed,
    version: &VersionId,
) -> Result<Option<()>, Fault> {
    let reach = &subject.reach;
    match write {
        Rehearsed::Label => reach.store_in_turn().await?.rehearse(version).await.map(Some),
        Rehearsed::Target(name) => {
            let Some(value) = reach.read(version).await? else { return Ok(None) };
            let wanted = wanted(subject, spec, name)?;
            let rendered = render(wanted.spec, &value)
                .map_err(|_| Fault::new(Place::Guard, FaultKind::Rejected, "TemplateInvalid"))?;
            reach.namespace.rehearse(wanted, &rendered, version).await.map(Some)
        }
    }
}

/// A stored version. What AWS is to rotate is tried at its partner by nobody, so that it is not what the account logs in
/// with is asked here, until it is onboarded: afterwards AWS alone writes it.
async fn held(subject: &Subject, spec: &Spec, version: &VersionId) -> Result<Option<Stored>, Fault> {
    let reach = &subject.reach;
    let Some(value) = reach.read(version).await? else { return Ok(None) };
    if matches!(spec.rotation.engine, Engine::SecretsManager(_)) && !subject.resource.noted.onboarded {
        spares_admin(spec, [&value], reach.admin(spec).await?.as_ref())?;
    }
    Ok(Some(stored(spec, &value)))
}

fn stored(spec: &Spec, value: &Value) -> Stored {
    let problems = spec.partner.map_or(Ok(()), |partner| partner.format.check(value)).err().unwrap_or_default();
    let renders = spec.targets.iter().filter_map(|target| {
        let problem = render(target, value).err()?;
        Some((TargetName::parse(target.name.as_str()).ok()?, problem))
    });
    Stored { problems, renders: renders.collect::<BTreeMap<TargetName, RenderError>>() }
}

async fn target(subject: &Subject, spec: &Spec, name: &TargetName) -> Result<Option<Target>, Fault> {
    let wanted = wanted(subject, spec, name)?;
    // What protects is read before what it protects: the Secret's revision is taken by the read below, and the bytes
    // that `perform` writes are read after that again (P16).
    let value = subject.reach.store_in_turn().await?.read_current().await;
    let (rendered, problem) = match &value {
        Ok(Some((_, value))) => match render(wanted.spec, value) {
            Ok(rendered) => (Some(rendered), None),
            Err(problem) => (None, Some(problem)),
        },
        Ok(None) | Err(_) => (None, None),
    };
    let seen = subject.reach.namespace.target(wanted, rendered.as_ref()).await?;
    Ok(seen.map(|seen| Target { render: problem, ..seen }))
}

/// A target as it shall be.
pub(super) fn wanted<'a>(subject: &Subject, spec: &'a Spec, name: &TargetName) -> Result<Wanted<'a>, Fault> {
    let granted = spec.scope.targets.get(name).ok_or_else(|| guard("TargetNotGranted"))?;
    let declared =
        spec.targets.iter().find(|target| target.name == name.as_str()).ok_or_else(|| guard("TargetNotGranted"))?;
    Ok(Wanted { spec: declared, name: granted, with_owner: subject.resource.deletion.targets == Fate::Remove })
}

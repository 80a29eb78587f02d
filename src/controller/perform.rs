//! An effect done: one arm each, one call outside where that is possible. Which bytes go where is decided by the version
//! id in the effect; bytes live in the arm alone.

use mes_core::effect::{Acting, Effect};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::Candidate;
use mes_core::names::{ObjectName, VersionId};
use mes_core::partner::made;
use mes_core::scope::{Granted, inspect_seed, seed_of_a_rotation, spares_admin};
use mes_core::secret::Value;
use mes_core::spec::{Engine, Spec};
use mes_core::target::render;

use super::context::Context;
use super::look::wanted;
use super::reach::{bound, guard, partner_type};
use super::subject::Subject;
use crate::api::parse;
use crate::cluster::SeedSecret;

/// How often the put that follows a create is made, with the same token: a lost value can't be had again.
const PUTS: u8 = 3;

/// Does `effect`.
pub(super) async fn perform(context: &Context, subject: &Subject, effect: &Effect) -> Result<(), Fault> {
    let reach = &subject.reach;
    let spec = || subject.resource.spec.as_ref().map_err(|_| guard("SpecNotServed"));
    // What ends a credential, which is done for debts too.
    let ending = || subject.resource.reachable().ok_or_else(|| guard("SpecNotServed"));
    match effect {
        Effect::Hold => reach.namespace.hold().await,
        Effect::Release { onto } => reach.namespace.release(onto).await,
        Effect::HoldRotation { rotation, onto } => reach.namespace.hold_rotation(rotation, onto).await,
        Effect::ReleaseRotation { rotation, onto } => reach.namespace.release_rotation(rotation, onto).await,
        Effect::CreateSecret => reach.store_in_turn().await?.create().await,
        Effect::Claim => reach.store_in_turn().await?.claim().await,
        Effect::CreateManaged { version } => {
            let (spec, value) = (spec()?, seed(subject, spec()?, spec()?.scope.seed.as_ref()).await?);
            reach.store_in_turn().await?.create_managed(version, &value, &type_name(spec)?).await
        }
        Effect::Delegate { immediately } => match &spec()?.rotation.engine {
            Engine::SecretsManager(delegation) => {
                current_spares_admin(subject, spec()?).await?;
                reach.store_in_turn().await?.delegate(delegation, *immediately).await
            }
            Engine::Operator(_) | Engine::None => Err(guard("NotDelegated")),
        },
        Effect::Onboard { version } => {
            let value = seed(subject, spec()?, spec()?.scope.seed.as_ref()).await?;
            reach.store_in_turn().await?.put_first(version, &value).await
        }
        Effect::Mint { version, basis, tag, acting, .. } => {
            let basis = basis_of(subject, basis.as_ref()).await?;
            let bound = reach.bound(spec()?, acting).await?;
            let value = reach.partner_in_turn().await?.create(&bound, basis.as_ref(), tag).await?;
            put(context, subject, version, &value, basis.as_ref()).await
        }
        Effect::Compose { version, basis, slot, .. } => {
            let spec = spec()?;
            let basis = basis_of(subject, basis.as_ref()).await?;
            let origin = match (&spec.scope.origin, &basis) {
                (Some(origin), _) => origin.clone(),
                (None, Some(basis)) => {
                    mes_core::scope::origin_of(spec, basis).map_err(|_| guard("EndpointMismatch"))?
                }
                (None, None) => return Err(guard("NoEndpoint")),
            };
            let random = &*context.outside.random;
            let value = reach.partner()?.compose(&bound(spec, origin, None), basis.as_ref(), slot.as_ref(), random)?;
            reach.store_in_turn().await?.put_pending(version, &value).await
        }
        Effect::Bring { version, from } => {
            let value = match from {
                Candidate::FromSecret(name) => seed(subject, spec()?, Some(&seed_of_a_rotation(spec()?, name))).await?,
                Candidate::Version(earlier) => reach.must_read(earlier).await?,
                Candidate::Unchecked => return Err(guard("NoAuthorityPolicy")),
            };
            reach.store_in_turn().await?.put_pending(version, &value).await
        }
        Effect::Register { version, acting, .. } => {
            let value = reach.must_read(version).await?;
            let bound = reach.bound(spec()?, acting).await?;
            reach.partner_in_turn().await?.register(&bound, &value).await
        }
        Effect::Activate { version, acting } => {
            let value = reach.must_read(version).await?;
            let bound = reach.bound(ending()?, acting).await?;
            reach.partner_in_turn().await?.activate(&bound, &value).await
        }
        Effect::Promote { to, from, .. } => reach.store_in_turn().await?.promote(to, from.as_ref()).await,
        Effect::Discard { version } => reach.store_in_turn().await?.discard_pending(version).await,
        Effect::Forget { version } => reach.store_in_turn().await?.discard_previous(version).await,
        Effect::WriteDebt(debt) => reach.store_in_turn().await?.owe(Some(debt)).await,
        Effect::CloseDebt => reach.store_in_turn().await?.owe(None).await,
        Effect::MarkOwed { version } => reach.store_in_turn().await?.mark_owed(version).await,
        Effect::UnmarkOwed { version } => reach.store_in_turn().await?.unmark_owed(version).await,
        Effect::Revoke { credential, version, acting, .. } => {
            let held = match version {
                Some(version) => reach.read(version).await?,
                None => None,
            };
            let bound = reach.bound(ending()?, acting).await?;
            reach.partner_in_turn().await?.revoke(&bound, credential, held.as_ref()).await
        }
        Effect::Replicate { region, kms_key } => reach.store_in_turn().await?.replicate(region, kms_key.as_ref()).await,
        Effect::RemoveReplica { region } => reach.store_in_turn().await?.remove_replica(region).await,
        Effect::DeleteSecret { recovery_window_days } => {
            reach.store_in_turn().await?.delete(*recovery_window_days).await
        }
        Effect::ApplyTarget { target, version, onto } => {
            let wanted = wanted(subject, spec()?, target)?;
            // Read after the revision that protects, and only if still AWSCURRENT (P16).
            let (current, value) = reach.store_in_turn().await?.read_current().await?.ok_or_else(moved)?;
            if current != *version {
                return Err(moved());
            }
            let rendered = render(wanted.spec, &value)
                .map_err(|_| Fault::new(Place::Guard, FaultKind::Rejected, "TemplateInvalid"))?;
            reach.namespace.apply_target(wanted, &rendered, version, onto.as_ref()).await
        }
        Effect::RemoveTarget { target, onto } => reach.namespace.remove_target(target, onto).await,
        Effect::Open { rotation, trigger } => reach.namespace.open(rotation, *trigger).await,
        Effect::Record { rotation, onto, entries, .. } => {
            let seen = wire(subject, rotation)?;
            let (holder, now) = (context.lease.holder(), context.outside.clock.now());
            let after = parse::recorded(seen, &subject.resource.own.uid, entries, &holder, now)
                .map_err(|_| Fault::new(Place::Guard, FaultKind::Rejected, "IllegalEntry"))?;
            let before = seen.status.clone().unwrap_or_default();
            reach.namespace.record(rotation, onto, &before, &after).await
        }
        Effect::Prune { rotation } => {
            let uid = subject.journal.rotations.iter().find(|each| each.name == *rotation).map(|each| each.uid.clone());
            reach.namespace.prune(rotation, &uid.ok_or_else(|| guard("NoSuchRotation"))?).await
        }
    }
}

/// With whose rights an effect asks the partner, if it does.
pub(super) fn acting(effect: &Effect) -> Option<&Acting> {
    match effect {
        Effect::Mint { acting, .. }
        | Effect::Register { acting, .. }
        | Effect::Activate { acting, .. }
        | Effect::Revoke { acting, .. } => Some(acting),
        _ => None,
    }
}

/// What was made at the partner is put at once. From here on a fault is of unknown fate, whatever its kind (P4).
async fn put(
    context: &Context,
    subject: &Subject,
    version: &VersionId,
    value: &Value,
    basis: Option<&Value>,
) -> Result<(), Fault> {
    let lost = |code: &str| Fault::new(Place::SecretsManager, FaultKind::Unknown, code);
    let spec = subject.resource.spec.as_ref().map_err(|_| lost("SpecNotServed"))?;
    let format = &partner_type(spec).map_err(|_| lost("SpecNotServed"))?.format;
    made::check(format, value, basis).map_err(|unfit| Fault::new(Place::Partner, FaultKind::Unknown, unfit.code()))?;
    let store = subject.reach.store().map_err(|_| lost("StoreNotServed"))?;
    let mut tries = 1;
    loop {
        match store.put_pending(version, value).await {
            Ok(()) => return Ok(()),
            Err(fault)
                if tries < PUTS
                    && fault.kind != FaultKind::Exists
                    && context.lease.allows_a_call(super::context::CALL) =>
            {
                tries += 1;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            Err(fault) => return Err(Fault { kind: FaultKind::Unknown, ..fault }),
        }
    }
}

async fn basis_of(subject: &Subject, basis: Option<&VersionId>) -> Result<Option<Value>, Fault> {
    match basis {
        Some(version) => subject.reach.must_read(version).await.map(Some),
        None => Ok(None),
    }
}

/// A seed's bytes, inspected again: it may have been edited since it was looked at.
async fn seed(subject: &Subject, spec: &Spec, name: Option<&Granted<ObjectName>>) -> Result<Value, Fault> {
    let gone = || Fault::new(Place::Cluster, FaultKind::Conflict, "SeedChanged");
    let name = name.ok_or_else(gone)?;
    match subject.reach.namespace.seed(name).await? {
        Some(SeedSecret::Seed { value, not_text, .. }) if not_text.is_empty() => {
            let admin = subject.reach.admin(spec).await?;
            inspect_seed(spec, &value, admin.as_ref()).map_err(|_| gone())?;
            Ok(value)
        }
        _ => Err(gone()),
    }
}

/// Whether AWS may be told to rotate what is AWSCURRENT now: with an admin's rights it must not be the admin's own
/// credential, whoever put it there and whichever account was named since.
async fn current_spares_admin(subject: &Subject, spec: &Spec) -> Result<(), Fault> {
    let Some(admin) = subject.reach.admin(spec).await? else { return Ok(()) };
    let (_, current) = subject.reach.store_in_turn().await?.read_current().await?.ok_or_else(moved)?;
    spares_admin(spec, [&current], Some(&admin))
}

fn type_name(spec: &Spec) -> Result<mes_core::names::PartnerTypeName, Fault> {
    mes_core::names::PartnerTypeName::parse(partner_type(spec)?.name).map_err(|_| guard("NoPartner"))
}

fn wire<'a>(subject: &'a Subject, name: &ObjectName) -> Result<&'a crate::api::Rotation, Fault> {
    let found = subject.rotations.iter().find(|rotation| rotation.metadata.name.as_deref() == Some(name.as_str()));
    found.ok_or_else(|| Fault::new(Place::Cluster, FaultKind::Conflict, "Conflict"))
}

fn moved() -> Fault {
    Fault::new(Place::SecretsManager, FaultKind::Conflict, "AWSCURRENTMoved")
}

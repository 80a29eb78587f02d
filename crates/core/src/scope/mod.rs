//! From what is written and named to `Granted<…>` and a `Spec`, or a `Reason`: every reference and every grant (R1-R3, R5).
//!
//! Invariant: the only maker of [`Granted`], and adapters take nothing else. Closed by default: what no grant covers is
//! refused before any connection. Total and pure, so it runs anew on each pass. Called by `controller/subject.rs`
//! ([`resolve`]) and, inside one arm that holds a value, by `controller/{look,perform}.rs` ([`inspect_seed`],
//! [`origin_of`], [`admin_matches`]).

mod debts;
mod endpoint;
#[cfg(feature = "assume-granted")]
pub mod forms;
mod grants;
mod named;
mod partner;
mod pattern;
mod rotation;
mod store;
mod value;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

pub use debts::Debts;
pub use grants::{Audience, Operator, Requirement, Selector};
pub use named::{Account, AccountGrant, AdminReference, Held, Holding, Named, Older, Reference, Store, StoreGrant};
pub use partner::IdentityGrants;
pub use value::{Inspected, admin_matches, inspect_seed, origin_of, spares_admin};
pub use written::{First, Frame, Source, Written, WrittenPartner, WrittenRotation};

use crate::names::{ObjectName, TargetName};
use crate::reason::Reason;
use crate::spec::{Onboard, Own, Resource, Scope, Spec};
use crate::target::TargetSpec;

/// Proof that a resource may use this: made by [`resolve`] and its siblings alone.
///
/// Nobody else makes one, of any capability:
/// - an AWS secret:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::spec::RemoteSecret) -> mes_core::scope::Granted<mes_core::spec::RemoteSecret> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - an origin, where credentials are sent:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::spec::Origin) -> mes_core::scope::Granted<mes_core::spec::Origin> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - an admin credential:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::spec::Admin) -> mes_core::scope::Granted<mes_core::spec::Admin> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - an identity at a partner:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::names::Identity) -> mes_core::scope::Granted<mes_core::names::Identity> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - a seed:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::names::ObjectName) -> mes_core::scope::Granted<mes_core::names::ObjectName> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - a target:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::names::TargetName) -> mes_core::scope::Granted<mes_core::names::TargetName> {
///     mes_core::scope::Granted(it)
/// }
/// ```
/// - whom a namespace's rights serve:
/// ```compile_fail,E0423
/// fn forged(it: mes_core::spec::Own) -> mes_core::scope::Granted<mes_core::spec::Own> {
///     mes_core::scope::Granted(it)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Granted<T>(T);

impl<T> Granted<T> {
    /// For tests of adapters, which have no resource to resolve. Not in the shipped binary: the feature is off there.
    #[cfg(feature = "assume-granted")]
    pub fn assume(thing: T) -> Self {
        Self(thing)
    }
}

impl<T> Deref for Granted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a resource is, wants and may: `frame` is kept whatever becomes of the rest, so that a resource whose spec can't be
/// read or served is still deletable. `written` is the parser's, `named` what the references of it name, as found now.
///
/// Total: never panics, and gives the first reason in the order store, type, account, parameters, engine, identity,
/// schedule, overlap, secret, regions. What is being deleted is rotated no more: where `spec.rotation` alone can't be kept, the
/// rest of it still pays what is owed (T29).
pub fn resolve(frame: Frame, written: Result<Written, Reason>, named: Named<'_>) -> Resource {
    let own = Granted(frame.own);
    let leaving = written.as_ref().ok().filter(|_| frame.deleting.is_some()).map(Written::leaving);
    let spec = written.and_then(|written| spec(&own, written, &named));
    let spec =
        spec.or_else(|refused| leaving.and_then(|written| self::spec(&own, written, &named).ok()).ok_or(refused));
    Resource {
        own,
        generation: frame.generation,
        revision: frame.revision,
        deleting: frame.deleting,
        namespace_deleting: frame.namespace_deleting,
        held: frame.held,
        suspended: frame.suspended,
        abandoned: frame.abandoned,
        deletion: frame.deletion,
        noted: frame.noted,
        spec,
        debts: None,
    }
}

fn spec(own: &Own, written: Written, named: &Named<'_>) -> Result<Spec, Reason> {
    let store = store::granted(own, &written.store, named)?;
    let served = match &written.partner {
        Some(partner) if written.onboard != Source::Observe => {
            Some(partner::served(own, &written, partner, store, named)?)
        }
        None if written.onboard == Source::Observe => None,
        Some(_) => return Err(invalid("partner", "absent with onboard.observe, which only reads")),
        None => return Err(invalid("partner", "set: only onboard.observe goes without")),
    };
    let rotation = rotation::wanted(&written, served.as_ref(), store, named)?;
    let store_secret = store::secret(own, &written, store, named)?;
    if served
        .as_ref()
        .and_then(|served| served.account)
        .is_some_and(|account| partner::keeps_admin(account, &store_secret, named))
    {
        return Err(Reason::RotatesOwnAdmin);
    }
    let replicas = store::replicas(&written, store)?;
    let (seed, onboard) = match written.onboard {
        Source::FromSecret(name) => (Some(Granted(name)), Onboard::FromSecret),
        Source::Mint => (None, Onboard::Mint),
        Source::Adopt => (None, Onboard::Adopt),
        Source::Observe => (None, Onboard::Observe),
    };
    let targets = targets(&written.targets, named)?;
    Ok(match served {
        Some(served) => Spec {
            partner: Some(served.type_),
            scope: Scope {
                store_secret,
                origin: served.origin,
                admin: served.admin,
                seed,
                targets,
                identities: served.identities,
                identity_grants: served.identity_grants,
            },
            parameters: served.parameters,
            onboard,
            rotation,
            replicas,
            targets: written.targets,
            live_limit: served.live_limit,
            slots: served.slots,
        },
        None => Spec {
            partner: None,
            scope: Scope {
                store_secret,
                origin: None,
                admin: None,
                seed,
                targets,
                identities: Default::default(),
                identity_grants: IdentityGrants::default(),
            },
            parameters: BTreeMap::new(),
            onboard,
            rotation,
            replicas,
            targets: written.targets,
            live_limit: None,
            slots: Vec::new(),
        },
    })
}

/// The Secret that a Rotation brings its candidate from. A resource that is served may read a seed in its own namespace, and
/// no other: a name is all that there is to it, adapters add the namespace, and only a Secret of the type of seeds is read.
pub fn seed_of_a_rotation(_served: &Spec, name: &ObjectName) -> Granted<ObjectName> {
    Granted(name.clone())
}

/// The targets that may be written: each name once, and no older resource's.
fn targets(targets: &[TargetSpec], named: &Named<'_>) -> Result<BTreeMap<TargetName, Granted<TargetName>>, Reason> {
    let mut granted = BTreeMap::new();
    let mut names = BTreeSet::new();
    for target in targets {
        let name =
            TargetName::parse(&target.name).map_err(|_| invalid("targets", "named as Kubernetes names Secrets"))?;
        if !names.insert(name.clone()) {
            return Err(invalid("targets", "a list that names each Secret once"));
        }
        if !named.older.targets.contains(&name) {
            granted.insert(name.clone(), Granted(name));
        }
    }
    Ok(granted)
}

fn invalid(field: &'static str, expected: &'static str) -> Reason {
    Reason::InvalidSpec { field, expected }
}

#[cfg(test)]
mod tests;

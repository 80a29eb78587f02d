//! What one resource may touch: its secret, its partner, its namespace. The whole of what look and perform have.
//!
//! Invariant: made from `Granted<…>` alone. Bytes of a value live inside one function here or in an arm of `look` and
//! `perform`, and are dropped with it. No call begins without enough left of the Lease (PROTOCOL section 0): an effect reads
//! what its call is made with before that call, and the process may have stood still between the two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mes_core::effect::Acting;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::VersionId;
use mes_core::partner::PartnerType;
use mes_core::scope::{Granted, admin_matches, origin_of};
use mes_core::secret::Value;
use mes_core::spec::{Admin, Origin, Resource, Spec};

use super::budget::Budget;
use super::context::{CALL, Context};
use crate::aws::StoreSecret;
use crate::cluster::{Home, LeaseHandle, Namespace};
use crate::partners::{Bound, Partner};

/// Under which name somebody is asked, and how often at the most.
pub(super) type Turn = (String, Option<Duration>);

/// The reach of one resource in one pass.
pub(super) struct Reach {
    pub(super) namespace: Namespace,
    pub(super) store_secret: Option<StoreSecret>,
    /// Whether its store was not checked yet since this process began.
    pub(super) store_unseen: bool,
    /// Why its store must not be asked.
    pub(super) store_refused: Option<Fault>,
    pub(super) partner: Option<Arc<dyn Partner>>,
    /// Its namespace is surely gone, and every Secret in it: then none is asked for, which nobody may any more.
    pub(super) namespace_is_gone: bool,
    admin_store: Option<StoreSecret>,
    home: Home,
    lease: LeaseHandle,
    budget: Arc<Budget>,
    store_turn: Turn,
    account_turn: Turn,
}

impl Reach {
    /// `turns`: under which names its store and its account are asked, and how often each may be.
    pub(super) fn of(context: &Context, resource: &Resource, turns: (Turn, Turn)) -> Self {
        let spec = resource.reachable();
        let scope = spec.map(|spec| &spec.scope);
        let partner = spec.and_then(|spec| context.registry.find(spec.partner?.name, &context.outside.partners));
        Self {
            namespace: Namespace::of(&context.outside.cluster, &resource.own),
            store_secret: scope.map(|scope| context.aws.secret(&scope.store_secret)),
            store_unseen: scope.is_some_and(|scope| !context.sweeps.has_seen(&scope.store_secret.store)),
            store_refused: scope.and_then(|scope| context.sweeps.refusal(&scope.store_secret.store)),
            partner,
            namespace_is_gone: false,
            admin_store: scope.and_then(|scope| scope.admin.as_ref()).and_then(|admin| context.aws.admin(admin)),
            home: context.home.clone(),
            lease: context.lease.clone(),
            budget: context.budget.clone(),
            store_turn: turns.0,
            account_turn: turns.1,
        }
    }

    /// Its secret, once its store may be asked.
    pub(super) async fn store_in_turn(&self) -> Result<&StoreSecret, Fault> {
        let store = self.store()?;
        self.turn(Place::SecretsManager, &self.store_turn).await?;
        Ok(store)
    }

    /// Its partner's driver, once the account may be asked.
    pub(super) async fn partner_in_turn(&self) -> Result<&dyn Partner, Fault> {
        let partner = self.partner()?;
        self.turn(Place::Partner, &self.account_turn).await?;
        Ok(partner)
    }

    async fn turn(&self, place: Place, (name, every): &Turn) -> Result<(), Fault> {
        self.budget.turn(place, name, *every).await?;
        match self.lease.allows_a_call(CALL) {
            true => Ok(()),
            false => Err(Fault::lease_ending()),
        }
    }

    /// Its secret, if its store may be asked at all.
    pub(super) fn store(&self) -> Result<&StoreSecret, Fault> {
        if let Some(refused) = &self.store_refused {
            return Err(refused.clone());
        }
        self.store_secret.as_ref().ok_or_else(|| guard("SpecNotServed"))
    }

    /// Its partner's driver.
    pub(super) fn partner(&self) -> Result<&dyn Partner, Fault> {
        self.partner.as_deref().ok_or_else(|| guard("NoDriver"))
    }

    /// The bytes of a version.
    pub(super) async fn read(&self, version: &VersionId) -> Result<Option<Value>, Fault> {
        self.store_in_turn().await?.read(version).await
    }

    /// The bytes of a version that must be there.
    pub(super) async fn must_read(&self, version: &VersionId) -> Result<Value, Fault> {
        self.read(version)
            .await?
            .ok_or_else(|| Fault::new(Place::SecretsManager, FaultKind::NotFound, "VersionWithoutValue"))
    }

    /// The account's admin credential, held against the account's endpoint (R5).
    pub(super) async fn admin(&self, spec: &Spec) -> Result<Option<Value>, Fault> {
        let Some(admin) = &spec.scope.admin else { return Ok(None) };
        let value = match (&**admin, &self.admin_store) {
            (Admin::Secret(name), _) => self.home.admin(name).await.map_err(|fault| match fault.kind {
                FaultKind::Rejected => guard("AdminInvalid"),
                _ => fault,
            })?,
            (Admin::StoreSecret(_), Some(secret)) => secret.read_current().await?.map(|(_, value)| value),
            (Admin::StoreSecret(_), None) => None,
        };
        let value = value.ok_or_else(|| Fault::new(Place::Guard, FaultKind::Denied, "AdminMissing"))?;
        admin_matches(spec, &value)?;
        Ok(Some(value))
    }

    /// A credential and the one place where it may be sent, with these rights.
    pub(super) async fn bound(&self, spec: &Spec, acting: &Acting) -> Result<Bound, Fault> {
        match acting {
            Acting::Admin => {
                let admin = self.admin(spec).await?;
                let origin = spec.scope.origin.clone().ok_or_else(|| guard("NoEndpoint"))?;
                Ok(bound(spec, origin, admin))
            }
            Acting::As(version) => {
                let value = self.must_read(version).await?;
                let origin = origin_of(spec, &value).map_err(|_| guard("EndpointMismatch"))?;
                Ok(bound(spec, origin, Some(value)))
            }
        }
    }
}

pub(super) fn bound(spec: &Spec, origin: Granted<Origin>, acting: Option<Value>) -> Bound {
    let parameters: BTreeMap<String, String> = spec.parameters.clone();
    Bound::new(origin, acting, parameters, spec.slots.clone()).granting(spec.scope.identities.clone())
}

pub(super) fn partner_type(spec: &Spec) -> Result<&'static PartnerType, Fault> {
    spec.partner.ok_or_else(|| guard("NoPartner"))
}

pub(super) fn guard(code: &str) -> Fault {
    Fault::new(Place::Guard, FaultKind::Denied, code)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;
    use mes_core::names::{self, ObjectName, Uid};
    use mes_core::spec::Own;

    use super::*;

    fn reach() -> Reach {
        let nobody = tower::service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let client = crate::cluster::client::over(nobody, "mes-system");
        let uid = || Uid::parse("7d9b2a52-4c1e-4f0b-9b1e-2f6f3c1a5d10").expect("a UID");
        let namespace = names::Namespace::parse("payments").expect("a namespace");
        let own = Own {
            cluster: uid(),
            namespace: namespace.clone(),
            namespace_uid: uid(),
            name: ObjectName::parse("crm").expect("a name"),
            uid: uid(),
            created: jiff::Timestamp::UNIX_EPOCH,
        };
        Reach {
            namespace: Namespace::of(&client, &Granted::assume(own)),
            store_secret: None,
            store_unseen: false,
            store_refused: None,
            partner: None,
            namespace_is_gone: false,
            admin_store: None,
            home: Home::of(&client, &namespace),
            lease: LeaseHandle::just_renewed(),
            budget: Arc::default(),
            store_turn: ("default".to_owned(), None),
            account_turn: ("pg-main".to_owned(), None),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_begins_when_the_lease_could_end_before_it() {
        let reach = reach();
        assert_eq!(reach.turn(Place::Partner, &reach.account_turn).await, Ok(()));
        tokio::time::advance(Duration::from_secs(6)).await;
        for (place, turn) in [(Place::Partner, &reach.account_turn), (Place::SecretsManager, &reach.store_turn)] {
            let fault = reach.turn(place, turn).await.expect_err("less than a call's ten seconds are left");
            assert!(fault.surely_nothing_happened(), "{fault}");
        }
    }
}

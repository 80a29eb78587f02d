//! What one resource may touch: its secret, its partner, its namespace. The whole of what look and perform have.
//!
//! Invariant: made from `Granted<…>` alone. Bytes of a value live inside one function here or in an arm of `look` and
//! `perform`, and are dropped with it.

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
use super::context::Context;
use crate::aws::StoreSecret;
use crate::cluster::{Home, Namespace};
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
    admin_store: Option<StoreSecret>,
    home: Home,
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
            admin_store: scope.and_then(|scope| scope.admin.as_ref()).and_then(|admin| context.aws.admin(admin)),
            home: context.home.clone(),
            budget: context.budget.clone(),
            store_turn: turns.0,
            account_turn: turns.1,
        }
    }

    /// Its secret, once its store may be asked.
    pub(super) async fn store_in_turn(&self) -> Result<&StoreSecret, Fault> {
        let store = self.store()?;
        self.budget.turn(Place::SecretsManager, &self.store_turn.0, self.store_turn.1).await?;
        Ok(store)
    }

    /// Its partner's driver, once the account may be asked.
    pub(super) async fn partner_in_turn(&self) -> Result<&dyn Partner, Fault> {
        let partner = self.partner()?;
        self.budget.turn(Place::Partner, &self.account_turn.0, self.account_turn.1).await?;
        Ok(partner)
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

//! With whose rights a partner is asked, and the one place where that may happen.
//!
//! Invariant (SECURITY R5): the origin is part of the credential. A driver has no other address to send anything to.
//! Made by `controller/reach.rs` for one call, dropped with its bytes after it.

use std::collections::BTreeSet;

use mes_core::fault::Fault;
use mes_core::names::{Identity, Slot};
use mes_core::partner::{Parameters, PartnerType};
use mes_core::scope::Granted;
use mes_core::secret::{Sensitive, Value};
use mes_core::spec::Origin;

use super::doors::{Destination, rejected};

/// A credential that acts, bound to where it may be sent, with what the resource says of its partner.
#[derive(Debug)]
pub struct Bound {
    origin: Granted<Origin>,
    acting: Option<Value>,
    parameters: Parameters,
    slots: Vec<Slot>,
    identities: BTreeSet<Granted<Identity>>,
}

impl Bound {
    /// Binds `acting` (the admin's value or the credential's own; `None`: nobody acts, as for a first `verify`) to its
    /// origin. `parameters` are the account's and the resource's, checked; `slots` are the contract's two, or none.
    pub fn new(origin: Granted<Origin>, acting: Option<Value>, parameters: Parameters, slots: Vec<Slot>) -> Self {
        Self { origin, acting, parameters, slots, identities: BTreeSet::new() }
    }

    /// With the identities that the resource may rotate (`Scope::identities`, `HOST/IDENTITY`): `verify` says `Alien` of any
    /// other. Without them a driver can only compare hosts and slots.
    pub fn granting(self, identities: BTreeSet<Granted<Identity>>) -> Self {
        Self { identities, ..self }
    }

    /// Whether the identity (in the type's own form) is granted at this origin.
    pub(crate) fn grants_identity(&self, identity: &str) -> bool {
        let granted =
            |granted: &Granted<Identity>| granted.as_str().split_once('/').is_some_and(|(_, of)| of == identity);
        self.identities.is_empty() || self.identities.iter().any(granted)
    }

    /// The one place.
    pub fn origin(&self) -> &Granted<Origin> {
        &self.origin
    }

    /// The credential that acts.
    pub fn acting(&self) -> Option<&Value> {
        self.acting.as_ref()
    }

    /// A field of the credential that acts; without it a fault `Rejected`, since the same call will fail again.
    pub fn acting_field(&self, field: &str) -> Result<&Sensitive, Fault> {
        self.acting.as_ref().and_then(|acting| acting.get(field)).ok_or_else(|| rejected("NoActingCredential"))
    }

    /// A parameter of the resource or its account.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// All parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The two slots of a slot contract, in order; empty for others.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Where a call of `verb` for this partner type goes.
    pub fn destination(&self, partner: &'static PartnerType, verb: &'static str) -> Destination<'_> {
        Destination { origin: &self.origin, partner, verb }
    }
}

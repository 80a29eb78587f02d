//! What every partner can be asked: six verbs and what it says of itself.
//!
//! Invariant: `describe` and the code agree; the conformance suite (`tests/conformance/`) holds them to it in both
//! directions. A driver decides nothing about a rotation: it looks and acts, and the core orders.
//!
//! What a [`Fault`] must mean here: `Unsent` only if surely nothing reached the partner; an effect whose answer was lost or
//! unreadable is `Unknown`; `Denied` speaks of the acting credential, never of the one that is tried.

use async_trait::async_trait;
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{CredentialId, Slot, Tag, VersionId};
use mes_core::partner::PartnerType;
use mes_core::secret::Value;

use super::Bound;
use crate::clock::Random;

/// One partner type.
#[async_trait]
pub trait Partner: Send + Sync {
    /// Format, parameters, identity, hosts and contracts, as data.
    fn describe(&self) -> &'static PartnerType;

    /// All that lives at the partner under the granted identity, foreign credentials too. `versions` of each are those of
    /// `known` whose bytes it has: the driver compares bytes, the core sees ids. A list that may be cut off is a fault.
    async fn list(&self, bound: &Bound, known: &[(VersionId, Value)]) -> Result<Vec<Credential>, Fault>;

    /// Tries `value` at the partner. `Refused` only on a definite refusal; an outage is a fault.
    async fn verify(&self, bound: &Bound, value: &Value) -> Result<Acceptance, Fault>;

    /// Ends `credential`; already gone is `Ok`. Where the id alone does not prove which bytes die, ends it only while the
    /// partner still accepts or shows the bytes of `held`, else refuses. One that no list shows has its version's id.
    async fn revoke(&self, bound: &Bound, credential: &CredentialId, held: Option<&Value>) -> Result<(), Fault>;

    /// `Chooser::Partner`: makes a candidate, with the marker `tag` where the partner takes one and all fields that do not
    /// rotate from `basis` (absent: from parameters). Where the contract is `readable_again`, gives a pending one back.
    async fn create(&self, _bound: &Bound, _basis: Option<&Value>, _tag: &Tag) -> Result<Value, Fault> {
        Err(undeclared("create"))
    }

    /// `Chooser::Caller`: a candidate of our own making, for `slot` where the contract has slots. No I/O.
    fn compose(
        &self,
        _bound: &Bound,
        _basis: Option<&Value>,
        _slot: Option<&Slot>,
        _random: &dyn Random,
    ) -> Result<Value, Fault> {
        Err(undeclared("compose"))
    }

    /// `Chooser::Caller`: makes the partner accept `value`. The same bytes again change nothing.
    async fn register(&self, _bound: &Bound, _value: &Value) -> Result<(), Fault> {
        Err(undeclared("register"))
    }

    /// `Activation::AfterPromotion`: makes `value` the main one, which dooms the other. Already main is `Ok`.
    async fn activate(&self, _bound: &Bound, _value: &Value) -> Result<(), Fault> {
        Err(undeclared("activate"))
    }
}

fn undeclared(verb: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Undeclared, verb)
}

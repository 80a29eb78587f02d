//! A driver whose every verb ends in time, however many exchanges it takes.
//!
//! Invariant (PROTOCOL section 0): no call to a partner outlives [`LONGEST`], so that a lease and a pass outlive each call.
//! What is cut off may have happened. Put around every driver by the registry.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{CredentialId, Slot, Tag, VersionId};
use mes_core::partner::PartnerType;
use mes_core::secret::Value;
use tokio::time::timeout;

use super::{Bound, Partner};
use crate::clock::Random;

/// The longest that one verb may take.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// The driver, cut off in time.
pub(super) struct Within(pub(super) Arc<dyn Partner>);

async fn cut<T: Send>(verb: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
    let late = |_| Fault::new(Place::Partner, FaultKind::Unknown, "Timeout");
    timeout(LONGEST, verb).await.map_err(late)?
}

#[async_trait]
impl Partner for Within {
    fn describe(&self) -> &'static PartnerType {
        self.0.describe()
    }

    async fn list(&self, bound: &Bound, known: &[(VersionId, Value)]) -> Result<Vec<Credential>, Fault> {
        cut(self.0.list(bound, known)).await
    }

    async fn verify(&self, bound: &Bound, value: &Value) -> Result<Acceptance, Fault> {
        cut(self.0.verify(bound, value)).await
    }

    async fn revoke(&self, bound: &Bound, credential: &CredentialId, held: Option<&Value>) -> Result<(), Fault> {
        cut(self.0.revoke(bound, credential, held)).await
    }

    async fn create(&self, bound: &Bound, basis: Option<&Value>, tag: &Tag) -> Result<Value, Fault> {
        cut(self.0.create(bound, basis, tag)).await
    }

    fn compose(
        &self,
        bound: &Bound,
        basis: Option<&Value>,
        slot: Option<&Slot>,
        random: &dyn Random,
    ) -> Result<Value, Fault> {
        self.0.compose(bound, basis, slot, random)
    }

    async fn register(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        cut(self.0.register(bound, value)).await
    }

    async fn activate(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        cut(self.0.activate(bound, value)).await
    }
}

//! What a withdrawn grant leaves: enough to pay what is owed, and nothing else.
//!
//! A credential that was superseded under a grant is to be revoked whatever becomes of the grant (R1): otherwise whoever
//! withdraws one makes a live credential that nobody looks after. The proof that there was a grant is a [`Spec`] that was
//! resolved under it, kept by the very process that resolved it: no status says it, since whoever may write a status would
//! then reach accounts that were never granted. So a restart forgets it, and the debt waits for the grant.
//!
//! Invariant: narrower than the spec it is made of: the secret is only read, no seed. Every effect but the ending of a
//! credential asks for `Resource::spec`, which is an error then. Made by `controller/subject.rs`, used by `goals::rotated`.

use std::ops::Deref;

use super::Granted;
use crate::reason::Reason;
use crate::spec::{RemoteSecret, Spec};

/// What a resource could use while it was granted, reduced to what a revocation needs.
#[derive(Debug, Clone)]
pub struct Debts(Box<Spec>);

impl Debts {
    /// What is left of `granted`.
    pub fn of(granted: &Spec) -> Self {
        let mut spec = granted.clone();
        let secret = RemoteSecret { read_only: true, ..RemoteSecret::clone(&spec.scope.store_secret) };
        spec.scope.store_secret = Granted(secret);
        spec.scope.seed = None;
        Self(Box::new(spec))
    }

    /// Whether a resource is refused because a grant was taken back, and for nothing that it says itself.
    pub fn are_left_by(refused: &Reason) -> bool {
        matches!(
            refused,
            Reason::StoreNotAllowed(_)
                | Reason::SecretNameNotAllowed(_)
                | Reason::RegionNotAllowed(_)
                | Reason::AccountNotAllowed(_)
                | Reason::IdentityNotAllowed(_)
        )
    }
}

impl Deref for Debts {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.0
    }
}

//! How a partner lets its credential be replaced: the table of properties from which the rotation takes its order.
//!
//! Invariant: plain data, known at compile time; a driver declares it and the conformance suite holds the driver to it.
//! Read by the goals and by `mes partners`.

use jiff::SignedDuration;
use thiserror::Error;

/// Who makes the new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chooser {
    /// We do: it is stored first, then registered, and registering again with the same bytes changes nothing.
    Caller,
    /// The partner does: the attempt is tagged where possible, the answer stored at once, orphans found by listing.
    Partner,
}

/// For how long the superseded credential and the candidate are both accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Two places that take turns (alternating users, primary and secondary key).
    TwoSlots,
    /// Any number up to the live limit; the superseded one lives until it is revoked.
    CreateThenRevoke,
    /// The partner ends the superseded one by itself, this long after the candidate was made.
    Grace(SignedDuration),
    /// Not at all: the moment the candidate lives, the superseded one is dead.
    None,
}

/// How a listed credential is recognised as one that we made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// By a name or comment that we gave it.
    ByTag,
    /// By trying our versions' bytes, or by a hash that the partner lists.
    ByValue,
    /// Only by its absence from the list taken before: never enough to revoke.
    ByDifference,
    /// Not at all. A type that is neither listed nor idempotent is refused.
    Never,
}

/// What brings the candidate into force beyond its being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing: it is accepted once it has spread, and verifying it changes nothing.
    None,
    /// Its first use, so also our verification: tried only once the value is durable and `Promoting` recorded.
    AtFirstUse,
    /// A call of its own that also puts the superseded one on its way out: made with the revocation.
    AfterPromotion,
}

/// What the core must know of a partner to order one rotation. Build it from [`Contract::DEFAULT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Who makes the new value.
    pub chooser: Chooser,
    /// Whether and how old and new live side by side.
    pub overlap: Overlap,
    /// How our own credentials are found in the partner's list.
    pub recognised: Recognised,
    /// Whether the partner shows a pending candidate again, so that `create` may be repeated after a lost reply.
    pub readable_again: bool,
    /// What brings the candidate into force. `AtFirstUse` also says that verifying is not pure.
    pub activation: Activation,
    /// How many credentials of one identity may live at once; `None`: not limited in practice.
    pub live_limit: Option<u8>,
    /// Longest overlap that the partner keeps; `None`: until we revoke.
    pub overlap_limit: Option<SignedDuration>,
    /// How long after a change at the partner a refusal still proves nothing: verification polls until then.
    pub propagation: SignedDuration,
    /// How many acceptances in a row prove that the candidate has spread; at least 1.
    pub successes: u8,
    /// How long a call that may still be on its way can take effect, where longer than the operator's own setting.
    pub settling: Option<SignedDuration>,
    /// How long a credential lives from its making; `None`: until it is revoked.
    pub lifetime: Option<SignedDuration>,
}

/// Before which call of a rotation it can still be undone, beside the promotion that is the last such call of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReturn {
    /// Promotion alone: until then the superseded credential lives, whatever becomes of the candidate.
    Promote,
    /// `create`: it ends the superseded credential, so its value must not be lost, and may be.
    Create,
    /// `register`: it ends the superseded credential, and may be repeated with the same stored bytes.
    Register,
}

/// Why a contract can't be kept safely, whatever order the calls are made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsafe {
    /// A lost answer would leave a credential behind that nobody ever finds, and that lives for ever.
    #[error(
        "its credentials are neither listed nor marked, making one can't be repeated, and they never expire: a lost answer would leave one alive for ever"
    )]
    Unfindable,
    /// Slots whose content can't be told: one that somebody else uses would be overwritten.
    #[error("it has slots whose content can't be told, so one that somebody else uses would be overwritten")]
    BlindSlots,
    /// Both must live side by side, and only one may.
    #[error("old and new must live side by side, and it allows one credential at a time")]
    NoRoom,
    /// Making the main one is a step of its own, yet the other is already dead.
    #[error(
        "the new credential takes the place of the old one when it is made, so it can't be activated after promotion"
    )]
    ActivatedTooLate,
    /// Trying a value that we chose would already use it, before it could be registered again.
    #[error("a value of our own making is tried before and after it is registered, which must change nothing")]
    UsedByTrying,
    /// No number of acceptances is enough.
    #[error("it proves a candidate by no acceptance at all")]
    NothingProves,
}

impl Contract {
    /// The commonest partner: makes the value itself, keeps two side by side, spreads in half a minute. No tags.
    pub const DEFAULT: Self = Self {
        chooser: Chooser::Partner,
        overlap: Overlap::CreateThenRevoke,
        recognised: Recognised::ByDifference,
        readable_again: false,
        activation: Activation::None,
        live_limit: None,
        overlap_limit: None,
        propagation: SignedDuration::from_secs(30),
        successes: 1,
        settling: None,
        lifetime: None,
    };

    /// Why a rotation by this contract could lose or end a credential that it should not, if it could: total over all
    /// contracts, so that a driver that declares a new one is refused rather than run on hope.
    pub const fn problem(&self) -> Option<Unsafe> {
        let by_partner = matches!(self.chooser, Chooser::Partner);
        let unseen = matches!(self.recognised, Recognised::Never);
        let limit_of_one = matches!(self.live_limit, Some(0 | 1));
        let slots = matches!((self.overlap, self.chooser), (Overlap::TwoSlots, Chooser::Caller));
        let untold = matches!(self.recognised, Recognised::Never | Recognised::ByDifference);
        let late = matches!(self.activation, Activation::AfterPromotion);
        // What we chose is known and may be registered again; where it replaces the other, nothing is ever left over.
        let repeatable = self.readable_again || !by_partner && self.in_place();
        match () {
            () if unseen && !repeatable && self.lifetime.is_none() => Some(Unsafe::Unfindable),
            () if slots && untold => Some(Unsafe::BlindSlots),
            () if !self.in_place() && limit_of_one => Some(Unsafe::NoRoom),
            () if self.in_place() && late => Some(Unsafe::ActivatedTooLate),
            () if !by_partner && !self.verification_is_pure() => Some(Unsafe::UsedByTrying),
            () if self.successes == 0 => Some(Unsafe::NothingProves),
            () => None,
        }
    }

    /// The call from which there is no way back.
    pub const fn no_return(&self) -> NoReturn {
        match (self.in_place(), self.activation, self.chooser) {
            // Made, and of no effect until it is used: and that is announced as the promotion is.
            (false, ..) | (true, Activation::AtFirstUse, _) => NoReturn::Promote,
            (true, _, Chooser::Partner) => NoReturn::Create,
            (true, _, Chooser::Caller) => NoReturn::Register,
        }
    }

    /// How long the superseded credential outlives the candidate's making, where the partner ends it by itself.
    pub const fn grace(&self) -> Option<SignedDuration> {
        match self.overlap {
            Overlap::None => Some(SignedDuration::ZERO),
            Overlap::Grace(grace) => Some(grace),
            Overlap::TwoSlots | Overlap::CreateThenRevoke => None,
        }
    }

    /// Whether the superseded one dies with, or by itself soon after, the making of the candidate: such a rotation
    /// needs `rotation.disruption: Allow` and has a point of no return before promotion.
    pub const fn in_place(&self) -> bool {
        matches!(self.overlap, Overlap::None | Overlap::Grace(_))
    }

    /// Whether trying a credential changes nothing at the partner.
    pub const fn verification_is_pure(&self) -> bool {
        !matches!(self.activation, Activation::AtFirstUse)
    }

    /// The longest overlap that this partner can hold: zero without overlap, `None` if it ends only by our revocation.
    pub fn longest_overlap(&self) -> Option<SignedDuration> {
        self.grace().into_iter().chain(self.overlap_limit).min()
    }

    /// The overlap of a rotation: as stated if it can hold, else min(24 h, half of `interval`, the partner's limit).
    ///
    /// `interval` is the schedule's shortest spacing (`None`: no schedule). A stated overlap must end before the next
    /// rotation begins, or the third credential would find the place taken.
    pub fn overlap(
        &self,
        stated: Option<SignedDuration>,
        interval: Option<SignedDuration>,
    ) -> Result<SignedDuration, OverlapProblem> {
        let limit = self.longest_overlap();
        let Some(stated) = stated else {
            let half = interval.map(|interval| interval / 2);
            return Ok([Some(SignedDuration::from_hours(24)), half, limit]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or_default());
        };
        if let Some(limit) = limit.filter(|limit| stated > *limit) {
            return Err(OverlapProblem::BeyondPartner { stated, limit });
        }
        match interval {
            Some(interval) if stated >= interval => Err(OverlapProblem::BeyondInterval { stated, interval }),
            _ => Ok(stated),
        }
    }
}

/// Why a stated overlap cannot hold (reason `InvalidOverlap`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OverlapProblem {
    /// The partner ends the superseded credential earlier.
    #[error(
        "rotation.overlap {stated:#} is longer than the {limit:#} for which this partner accepts the superseded credential; state at most that, or leave it out"
    )]
    BeyondPartner {
        /// What the resource asks for.
        stated: SignedDuration,
        /// What the partner keeps.
        limit: SignedDuration,
    },
    /// The next rotation begins before the overlap ends.
    #[error(
        "rotation.overlap {stated:#} does not end before the next rotation, {interval:#} after the last at the earliest; shorten the overlap or rotate less often"
    )]
    BeyondInterval {
        /// What the resource asks for.
        stated: SignedDuration,
        /// The schedule's shortest spacing.
        interval: SignedDuration,
    },
}

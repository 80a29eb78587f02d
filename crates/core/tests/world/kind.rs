//! The contracts of the partners of this world.

use mes_core::names::Slot;
use mes_core::partner::{Activation, Chooser, Contract, Overlap, Recognised};

use super::GRACE;

/// How the partner of a world lets its credential be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two alternating users, values of our own making (PostgreSQL).
    Slots,
    /// A main and a staged pair made by the partner, readable again, activated after promotion (Salesforce).
    Staged,
    /// Any number side by side, made by the partner, with our tag.
    Tagged,
    /// Two side by side, made by the partner, without any mark: a lost one is found by its absence before, and never ended.
    Untagged,
    /// One user, values of our own making: registering the new one ends the old one (PostgreSQL with one role).
    InPlaceCaller,
    /// Made by the partner, whose making ends the old one in the same call (a GitLab token that rotates itself).
    InPlacePartner,
    /// Made by the partner, which ends the old one an hour later, and spreads it so that it takes two acceptances.
    Grace,
    /// Made by the partner, shown again, in force from its first use; the old one ends an hour after that (Paddle).
    FirstUse,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Slots,
        Self::Staged,
        Self::Tagged,
        Self::Untagged,
        Self::InPlaceCaller,
        Self::InPlacePartner,
        Self::Grace,
        Self::FirstUse,
    ];

    pub(super) fn contract(self) -> Contract {
        match self {
            Self::Slots => Contract {
                chooser: Chooser::Caller,
                overlap: Overlap::TwoSlots,
                recognised: Recognised::ByValue,
                live_limit: Some(2),
                ..Contract::DEFAULT
            },
            Self::Staged => Contract {
                overlap: Overlap::TwoSlots,
                recognised: Recognised::ByValue,
                readable_again: true,
                activation: Activation::AfterPromotion,
                live_limit: Some(2),
                ..Contract::DEFAULT
            },
            Self::Tagged => Contract { recognised: Recognised::ByTag, ..Contract::DEFAULT },
            Self::Untagged => {
                Contract { recognised: Recognised::ByDifference, live_limit: Some(2), ..Contract::DEFAULT }
            }
            Self::InPlaceCaller => Contract {
                chooser: Chooser::Caller,
                overlap: Overlap::None,
                recognised: Recognised::ByValue,
                live_limit: Some(1),
                ..Contract::DEFAULT
            },
            Self::InPlacePartner => Contract { overlap: Overlap::None, ..Contract::DEFAULT },
            Self::Grace => Contract { overlap: Overlap::Grace(GRACE), successes: 2, ..Contract::DEFAULT },
            Self::FirstUse => Contract {
                overlap: Overlap::Grace(GRACE),
                recognised: Recognised::ByValue,
                readable_again: true,
                activation: Activation::AtFirstUse,
                ..Contract::DEFAULT
            },
        }
    }

    pub(super) fn slots(self) -> Vec<Slot> {
        let names: &[&str] = match self {
            Self::Slots => &["a", "b"],
            Self::InPlaceCaller => &["a"],
            _ => &[],
        };
        names.iter().map(|name| Slot::parse(*name).unwrap()).collect()
    }
}

//! How far a search goes.

use crate::hands::Kinds;

/// The bounds of one search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) leaders: usize,
    pub(crate) faults: u8,
    pub(crate) hands: u8,
    /// Whose hands.
    pub(crate) of: &'static [Kinds],
    pub(crate) pauses: u8,
    pub(crate) stale: u8,
    pub(crate) rotations: u8,
}

/// One leader, one rotation, nothing in its way.
pub(crate) const ONE: Bounds = Bounds { leaders: 1, faults: 0, hands: 0, of: &[], pauses: 0, stale: 0, rotations: 1 };

/// People who leave the resource be.
const PEOPLE: &[Kinds] = &[Kinds::Labels, Kinds::Strangers, Kinds::Asks, Kinds::Cancels];

/// What every test run searches.
pub(crate) const EVERY_RUN: &[Bounds] = &[
    Bounds { faults: 2, ..ONE },
    Bounds { faults: 1, stale: 1, ..ONE },
    Bounds { stale: 1, rotations: 2, ..ONE },
    Bounds { hands: 1, of: PEOPLE, pauses: 1, ..ONE },
    Bounds { hands: 1, of: &[Kinds::Deletes], pauses: 1, ..ONE },
    Bounds { leaders: 2, faults: 1, pauses: 1, ..ONE },
    Bounds { leaders: 2, hands: 1, of: &[Kinds::Labels], pauses: 1, ..ONE },
];

/// What is searched when it may take its time.
pub(crate) const WHOLE: &[Bounds] = &[
    Bounds { faults: 3, ..ONE },
    Bounds { faults: 2, stale: 1, ..ONE },
    Bounds { hands: 1, faults: 1, of: &[Kinds::Labels, Kinds::Strangers, Kinds::Cancels], pauses: 1, ..ONE },
    Bounds { hands: 1, faults: 1, of: &[Kinds::Asks], ..ONE },
    Bounds { hands: 1, faults: 1, of: &[Kinds::Deletes], pauses: 1, ..ONE },
    Bounds { hands: 2, of: &[Kinds::Labels, Kinds::Strangers], pauses: 1, ..ONE },
    Bounds { hands: 1, stale: 1, of: PEOPLE, ..ONE },
    Bounds { leaders: 2, faults: 2, pauses: 1, ..ONE },
    Bounds { leaders: 2, faults: 1, pauses: 2, ..ONE },
    Bounds { leaders: 2, hands: 1, of: PEOPLE, pauses: 2, ..ONE },
    Bounds { leaders: 2, pauses: 2, rotations: 2, ..ONE },
];

impl Bounds {
    pub(crate) fn deletes(&self) -> bool {
        self.of.contains(&Kinds::Deletes)
    }
}

//! What is to go wrong: a fate for each call, by its number or by chance.
//!
//! Invariant: the same seed gives the same fates. Names as in the catalogue of faults (F1 crash before, F2 after the effect,
//! F3 after the reply, F4 lost reply, F5 late effect, F6 throttled, F7 refused with or without effect, F8 denied, F17 conflict).
//! What lasts longer than a call (F11, F13, F18-F22, F24) are steps of a scenario, or a cell's own habits (F10, F11); of F22 also
//! that a process stands still at a call.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::StdRng;

use crate::call::{Door, Named};

/// What a call meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    CrashBefore,
    CrashAfterEffect,
    CrashAfterReply,
    LostReply,
    /// The process stands still between the effect and the answer for longer than its Lease, and wakes.
    StandsStill,
    Late(SignedDuration),
    Refused {
        status: u16,
        effect: bool,
    },
    /// It goes well, and somebody does this right after its effect.
    Then(Hand),
}

/// What people do between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// Makes a credential of the account (F13).
    Stranger,
    /// Disables the key of the secret, for [`scenario::KEY_OFF`](crate::scenario::KEY_OFF) (F14).
    Key,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => f.write_str("fine"),
            Self::CrashBefore => f.write_str("crash before the call"),
            Self::CrashAfterEffect => f.write_str("crash after the effect"),
            Self::CrashAfterReply => f.write_str("crash after the reply"),
            Self::LostReply => f.write_str("the reply is lost"),
            Self::StandsStill => f.write_str("the process stands still before the reply"),
            Self::Late(by) => write!(f, "the effect comes {} s late", by.as_secs()),
            Self::Refused { status, effect: false } => write!(f, "refused with {status}"),
            Self::Refused { status, effect: true } => write!(f, "done and refused with {status}"),
            Self::Then(Hand::Stranger) => f.write_str("then a person makes a credential"),
            Self::Then(Hand::Key) => f.write_str("then the key is disabled"),
        }
    }
}

impl Fate {
    /// Those of the exhaustive campaigns, by their names in the catalogue.
    const NAMED: [(&str, Self); 7] = [
        ("F1", Self::CrashBefore),
        ("F2", Self::CrashAfterEffect),
        ("F3", Self::CrashAfterReply),
        ("F4", Self::LostReply),
        ("F13", Self::Then(Hand::Stranger)),
        ("F14", Self::Then(Hand::Key)),
        ("F22", Self::StandsStill),
    ];

    fn name(&self) -> &'static str {
        Self::NAMED.iter().find(|(_, fate)| fate == self).map_or("", |(name, _)| name)
    }
}

/// The faults of a run.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// None.
    Calm,
    /// These, by the call's number.
    At(BTreeMap<u64, Fate>),
    /// So many of a thousand calls meet one, until then.
    Chaos { until: Timestamp, permille: u32, crashes: u32 },
}

impl Plan {
    pub(crate) fn one(number: u64, fate: Fate) -> Self {
        Self::At([(number, fate)].into())
    }

    /// `386:F2,401:F4`, as [`Self::schedule`] tells it.
    pub(crate) fn of_schedule(text: &str) -> Option<Self> {
        let fate = |one: &str| {
            let (number, name) = one.split_once(':')?;
            let (_, fate) = Fate::NAMED.into_iter().find(|(known, _)| *known == name)?;
            Some((number.parse().ok()?, fate))
        };
        text.split(',').map(fate).collect::<Option<_>>().map(Self::At)
    }

    /// What strikes which call, to run it again.
    pub(crate) fn schedule(&self) -> String {
        let Self::At(fates) = self else { return String::new() };
        let each = fates.iter().map(|(number, fate)| format!("{number}:{}", fate.name()));
        each.collect::<Vec<_>>().join(",")
    }

    pub(crate) fn fate(&mut self, number: u64, named: &Named, now: Timestamp, random: &mut StdRng) -> Fate {
        match self {
            Self::Calm => Fate::Fine,
            Self::At(fates) => fates.get(&number).cloned().unwrap_or(Fate::Fine),
            Self::Chaos { until, .. } if now >= *until => Fate::Fine,
            Self::Chaos { permille, crashes, .. } => {
                let (draw, which) = (random.random_range(0..1000), random.random_range(0..100));
                let late = SignedDuration::from_secs(random.random_range(1..90));
                if draw >= *permille {
                    return Fate::Fine;
                }
                let crash = |fate: Fate, crashes: &mut u32| {
                    if *crashes == 0 {
                        return Fate::LostReply;
                    }
                    *crashes -= 1;
                    fate
                };
                match which {
                    0..8 => crash(Fate::CrashBefore, crashes),
                    8..20 => crash(Fate::CrashAfterEffect, crashes),
                    20..26 => crash(Fate::CrashAfterReply, crashes),
                    26..50 => Fate::LostReply,
                    // The API server's own writes are over with the connection; a late one would be another's bug.
                    50..62 if named.mutates && named.door != Door::Kubernetes => Fate::Late(late),
                    50..70 => Fate::Refused { status: 500, effect: false },
                    70..80 => Fate::Refused { status: 503, effect: true },
                    80..92 => Fate::Refused { status: 429, effect: false },
                    92..97 if named.door == Door::Kubernetes && named.mutates => {
                        Fate::Refused { status: 409, effect: false }
                    }
                    _ => Fate::Refused { status: 403, effect: false },
                }
            }
        }
    }
}

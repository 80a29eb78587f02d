//! What people do, at any moment: with labels, at the partner, with objects.

use std::collections::BTreeSet;

use mes_core::journal::{Candidate, Revocation};
use mes_core::names::{ObjectName, Slot, Stage, VersionId};
use mes_core::spec::{Deletion, Fate};

use crate::search::Search;
use crate::state::{Past, State};
use crate::world::{Kind, Live, World};

/// Whose hands a search has in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// Move AWSCURRENT, take other labels off, put a value of their own.
    Labels,
    /// Make credentials at the partner.
    Strangers,
    /// Ask for rotations, alarms, rollbacks.
    Asks,
    /// Delete the rotation under way.
    Cancels,
    /// Delete the resource, with everything that it may take along.
    Deletes,
}

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hand {
    Moves(VersionId),
    Unlabels(&'static str, VersionId),
    Puts,
    Strangers(Option<Slot>),
    Requests,
    Alarms(Revocation),
    RollsBack(VersionId),
    Cancels(ObjectName),
    Deletes,
}

/// All axes but the secret's own.
pub(crate) const TAKE_ALONG: Deletion =
    Deletion { targets: Fate::Remove, store: Fate::Retain, partner: Fate::Remove, recovery_window_days: 30 };

/// Bytes of a credential that somebody else made, and of one that a person put.
const STRANGE: u32 = 9000;
const OWN: u32 = 8000;

/// Every deed that there is something to do for.
pub(crate) fn possible(search: &Search, state: &State) -> Vec<Hand> {
    let world = search.world(state);
    let mut hands = Vec::new();
    if state.slim.deleting.is_some() {
        return hands;
    }
    for kinds in search.hands {
        match kinds {
            Kinds::Labels => labels(&world, &mut hands),
            Kinds::Strangers => strangers(search.kind, &world, &mut hands),
            Kinds::Asks => asks(&world, &mut hands),
            Kinds::Cancels => {
                let open = world.journal.open().filter(|open| open.deleting.is_none());
                hands.extend(open.map(|open| Hand::Cancels(open.name.clone())));
            }
            Kinds::Deletes => hands.push(Hand::Deletes),
        }
    }
    hands
}

fn labels(world: &World, hands: &mut Vec<Hand>) {
    let elsewhere = world.bytes.keys().filter(|version| world.is_live(version) && Some(*version) != world.current());
    hands.extend(elsewhere.cloned().map(Hand::Moves));
    for stage in [Stage::PENDING, Stage::PREVIOUS] {
        hands.extend(world.labelled(stage).cloned().map(|version| Hand::Unlabels(stage, version)));
    }
    if world.kind == Kind::Tagged && !world.bytes.values().any(|(bytes, _)| *bytes == OWN) {
        hands.push(Hand::Puts);
    }
}

fn strangers(kind: Kind, world: &World, hands: &mut Vec<Hand>) {
    match kind {
        Kind::Tagged => hands.push(Hand::Strangers(None)),
        Kind::Untagged if world.live.len() < 2 => hands.push(Hand::Strangers(None)),
        Kind::Slots => {
            let empty = |slot: &&Slot| !world.live.iter().any(|live| live.slot.as_ref() == Some(*slot));
            hands.extend(world.spec().slots.iter().find(empty).cloned().map(|slot| Hand::Strangers(Some(slot))));
        }
        _ => {}
    }
}

fn asks(world: &World, hands: &mut Vec<Hand>) {
    hands.push(Hand::Requests);
    hands.extend([Revocation::WhenProven, Revocation::AtOnce].map(Hand::Alarms));
    hands.extend(world.labelled(Stage::PREVIOUS).cloned().map(Hand::RollsBack));
}

impl Hand {
    pub(crate) fn lay(&self, world: &mut World, past: &mut Past, opened: u32) {
        past.hands = true;
        let labelled = |world: &World| -> BTreeSet<u32> {
            let versions = [Stage::CURRENT, Stage::PREVIOUS].into_iter().flat_map(|stage| world.labelled(stage));
            versions.filter_map(|version| world.bytes.get(version).map(|(bytes, _)| *bytes)).collect()
        };
        let before = labelled(world);
        match self {
            Self::Moves(to) => {
                past.moved = true;
                past.moved_onto.insert(to.clone());
                let current = world.current().and_then(|current| world.bytes.get(current)).map(|(bytes, _)| *bytes);
                past.unlabelled.extend(current.filter(|bytes| *bytes == OWN));
                world.moved_by_hand(to);
            }
            Self::Unlabels(stage, version) => {
                past.hidden |= *stage == Stage::PREVIOUS;
                world.unlabel(stage, version);
            }
            Self::Puts => {
                past.moved = true;
                let version = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
                world.live.insert(Live { bytes: OWN, slot: None, main: true, tag: None });
                world.bytes.insert(version.clone(), (OWN, None));
                world.moved_by_hand(&version);
            }
            Self::Strangers(slot) => {
                past.strangers.insert(STRANGE);
                world.live.insert(Live { bytes: STRANGE, slot: slot.clone(), main: slot.is_some(), tag: None });
            }
            Self::Requests => world.request(&format!("crm-more{opened}")),
            Self::Alarms(revocation) => world.alarm(&format!("crm-alarm{opened}"), *revocation),
            Self::RollsBack(to) => world.bring(&format!("crm-back{opened}"), Candidate::Version(to.clone())),
            Self::Cancels(name) => world.delete_rotation(name),
            Self::Deletes => world.delete_resource(TAKE_ALONG),
        }
        past.unlabelled.extend(before.difference(&labelled(world)));
    }
}

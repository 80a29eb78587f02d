//! What lives at the partner, what it makes, and when it ends something by itself.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use mes_core::effect::{Acting, Effect};
use mes_core::facts::Credential;
use mes_core::fault::{Fault, FaultKind};
use mes_core::journal::{IntentStep, Outcome as Ended, Rejection};
use mes_core::names::{CredentialId, Slot, Tag, VersionId};

use super::{Kind, World, fault};

/// A credential at the partner, by the number of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Live {
    pub(crate) bytes: u32,
    pub(crate) slot: Option<Slot>,
    pub(crate) main: bool,
    pub(crate) tag: Option<Tag>,
}

/// How long a partner with grace leaves the old credential.
pub(crate) const GRACE: SignedDuration = SignedDuration::from_hours(1);

impl World {
    /// What the partner ends by itself has ended.
    pub(crate) fn reap(&mut self) {
        let now = self.now;
        self.live.retain(|live| self.deaths.get(&live.bytes).is_none_or(|at| *at > now));
    }

    /// A credential that is in force from its first use was tried.
    pub(crate) fn used(&mut self, version: &VersionId) {
        let Some((bytes, _)) = self.bytes.get(version).cloned() else { return };
        let pending = self.live.iter().find(|live| live.bytes == bytes && !live.main).cloned();
        let Some(pending) = pending else { return };
        let promoting = self.journal.waiting().any(|open| open.version() == Some(version) && open.promoting());
        let not_announced = !promoting && !self.legal_or_refused;
        self.hold(!not_announced, "P8", || "a candidate was used before that was announced");
        let now = self.now;
        self.live.remove(&pending);
        self.deaths.extend(self.live.iter().map(|old| (old.bytes, now + GRACE)));
        self.live.insert(Live { main: true, ..pending });
    }

    /// Whether, in place, the old credential may be dead and the new one not yet in use: from the point of no return to the
    /// promotion, and where a lost value was told.
    pub(crate) fn between(&self) -> bool {
        let from = match self.kind {
            Kind::InPlaceCaller => IntentStep::Register,
            Kind::InPlacePartner | Kind::Grace => IntentStep::Create,
            _ => return false,
        };
        let open = self.journal.waiting().filter(|open| open.promoted.is_none());
        let begun = open.filter_map(|open| open.attempt.as_ref()).any(|attempt| attempt.step >= from);
        begun || self.told_lost()
    }

    /// Whether the last rotation that made something said that its value is lost.
    pub(crate) fn told_lost(&self) -> bool {
        let made = self.journal.rotations.iter().filter(|rotation| rotation.attempt.is_some());
        let last = made.max_by_key(|rotation| (rotation.created, rotation.ended.map(|(_, at)| at)));
        last.is_some_and(|last| {
            last.ended.is_some_and(|(outcome, _)| outcome == Ended::CandidateRejected(Rejection::Lost))
        })
    }

    /// A create whose put never came: the value is lost for good, whatever the partner made.
    pub(super) fn tear(&mut self, effect: &Effect) -> Result<(), Fault> {
        if let Effect::Mint { tag, .. } = effect {
            let bytes = self.create(tag);
            self.lost.insert(bytes);
            return Err(fault(FaultKind::Unknown));
        }
        self.perform(effect).and(Err(fault(FaultKind::Unknown)))
    }

    /// The partner's part of a mint: the bytes that it gave out.
    pub(crate) fn create(&mut self, tag: &Tag) -> u32 {
        let pending = self.live.iter().find(|live| !live.main).map(|live| live.bytes);
        if let Some(bytes) = pending.filter(|_| matches!(self.kind, Kind::Staged | Kind::FirstUse)) {
            self.lost.remove(&bytes);
            return bytes;
        }
        let bytes = self.fresh();
        self.creates += 1;
        self.mints.push(self.now);
        let first = self.minted.insert(tag.clone());
        self.hold(first, "S7", || "one attempt created twice");
        let tag = (self.kind == Kind::Tagged).then(|| tag.clone());
        match self.kind {
            Kind::InPlacePartner => {
                self.live.clear();
                self.lost.clear();
            }
            Kind::Grace => {
                let end = self.now + GRACE;
                let ends: Vec<u32> = self.live.iter().map(|live| live.bytes).collect();
                for bytes in ends {
                    self.deaths.entry(bytes).or_insert(end);
                }
            }
            _ => {}
        }
        self.live.insert(Live { bytes, slot: None, main: false, tag });
        bytes
    }

    pub(super) fn acts(&self, acting: &Acting) -> Result<(), Fault> {
        match acting {
            Acting::As(version) if !self.is_live(version) => Err(fault(FaultKind::Denied)),
            Acting::As(_) | Acting::Admin => Ok(()),
        }
    }

    pub(super) fn credential(&self, live: &Live, known: &BTreeSet<VersionId>) -> Credential {
        let versions: BTreeSet<VersionId> = known
            .iter()
            .filter(|version| self.bytes.get(*version).is_some_and(|(bytes, _)| *bytes == live.bytes))
            .cloned()
            .collect();
        let id = versions.first().map_or(format!("unknown-{}", live.bytes), ToString::to_string);
        Credential {
            id: CredentialId::parse(id).unwrap(),
            tag: live.tag.clone(),
            versions,
            slot: live.slot.clone(),
            main: live.main,
        }
    }

    pub(super) fn fresh(&mut self) -> u32 {
        self.next_bytes += 1;
        self.next_bytes
    }
}

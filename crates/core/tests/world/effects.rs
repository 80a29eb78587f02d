//! What an effect does to the world: its journal, the secret, copies, targets.

use std::collections::{BTreeMap, BTreeSet};

use mes_core::effect::Effect;
use mes_core::fault::{Fault, FaultKind};
use mes_core::journal::{Candidate, Revocation, Rotation, Trigger};
use mes_core::names::{ObjectName, Revision, Slot, Stage, Uid, VersionId};

use super::{Live, World, fault, uid};

impl World {
    /// The resource's finalizer off, as it is now.
    pub(crate) fn release(&self) -> Effect {
        Effect::Release { onto: self.resource.revision.clone() }
    }

    pub(crate) fn perform(&mut self, effect: &Effect) -> Result<(), Fault> {
        let by = self.late.clone().unwrap_or_else(|| self.who());
        if let Effect::Mint { acting, .. }
        | Effect::Register { acting, .. }
        | Effect::Activate { acting, .. }
        | Effect::Revoke { acting, .. } = effect
        {
            self.blind.clone().map_or(Ok(()), Err)?;
            self.acts(acting)?;
        }
        match effect {
            // Each write to the object names the UID that it is for.
            Effect::Hold | Effect::Release { .. } if by != self.who() => return Err(fault(FaultKind::NotFound)),
            Effect::Hold => (self.resource.held, self.resource.revision) = (true, self.revise()),
            Effect::Release { onto } if *onto != self.resource.revision => return Err(fault(FaultKind::Conflict)),
            Effect::Release { .. } => (self.resource.held, self.resource.revision) = (false, self.revise()),
            Effect::HoldRotation { rotation, onto } => {
                let at = self.rotation(rotation, Some(onto))?;
                self.journal.rotations[at].revision = self.revise();
                self.journal.rotations[at].held = true;
            }
            Effect::ReleaseRotation { rotation, onto } => {
                let at = self.rotation(rotation, Some(onto))?;
                self.journal.rotations[at].revision = self.revise();
                self.journal.rotations[at].held = false;
                self.journal.rotations.retain(|rotation| rotation.held || rotation.deleting.is_none());
            }
            Effect::CreateSecret if self.made => return Err(fault(FaultKind::Exists)),
            Effect::CreateSecret => (self.made, self.claim) = (true, Some(by)),
            Effect::Claim => self.claim = Some(by),
            Effect::Onboard { version } => self.put(version, 1, self.spec().slots.first().cloned(), Stage::CURRENT)?,
            Effect::Compose { version, slot, .. } => {
                let bytes = self.fresh();
                self.mints.push(self.now);
                self.put(version, bytes, slot.clone(), Stage::PENDING)?;
            }
            Effect::Mint { version, tag, .. } => {
                let bytes = self.create(tag);
                self.put(version, bytes, None, Stage::PENDING)?;
            }
            Effect::Bring { version, from } => {
                let (bytes, slot) = match from {
                    Candidate::FromSecret(name) => self.secrets.get(name).cloned(),
                    Candidate::Version(earlier) => self.bytes.get(earlier).cloned(),
                    Candidate::Unchecked => None,
                }
                .ok_or(fault(FaultKind::Conflict))?;
                self.put(version, bytes, slot, Stage::PENDING)?;
            }
            Effect::Register { version, .. } => {
                let (bytes, slot) = self.bytes.get(version).cloned().ok_or(fault(FaultKind::NotFound))?;
                self.live.retain(|live| live.slot != slot);
                self.live.insert(Live { bytes, slot, main: true, tag: None });
            }
            Effect::Activate { version, .. } => {
                let (bytes, _) = self.bytes[version].clone();
                self.live = self.live.iter().map(|live| Live { main: live.bytes == bytes, ..live.clone() }).collect();
            }
            Effect::Promote { to, from, .. } => {
                if self.current() != from.as_ref() && self.current() != Some(to) {
                    return Err(fault(FaultKind::Conflict));
                }
                if self.current() != Some(to) {
                    if let Some(from) = from {
                        self.label(Stage::PREVIOUS, &from.clone());
                    }
                    self.label(Stage::CURRENT, to);
                }
                self.spread();
            }
            Effect::Discard { version } => self.unlabel(Stage::PENDING, version),
            Effect::Forget { version } => self.unlabel(Stage::PREVIOUS, version),
            Effect::WriteDebt(debt) => self.debt = Some(debt.clone()),
            Effect::CloseDebt => self.debt = None,
            Effect::MarkOwed { version } => {
                let owed = Stage::owed(version).unwrap();
                self.stages.entry(version.clone()).or_default().insert(owed);
            }
            Effect::UnmarkOwed { version } => {
                let owed = Stage::owed(version).unwrap();
                self.unlabel(owed.as_str(), version);
            }
            Effect::Revoke { version, credential, .. } => {
                let bytes = version.as_ref().and_then(|version| self.bytes.get(version)).map(|(bytes, _)| *bytes);
                // This world names what no version holds by its bytes: the name is nothing's once a version holds them.
                let held: BTreeSet<u32> = self.bytes.values().map(|(bytes, _)| *bytes).collect();
                let named = |live: &Live| {
                    !held.contains(&live.bytes) && credential.as_str() == format!("unknown-{}", live.bytes)
                };
                self.live.retain(|live| Some(live.bytes) != bytes && !named(live));
            }
            Effect::Replicate { .. } => self.replica = Some(self.current().cloned()),
            Effect::RemoveReplica { .. } => self.replica = None,
            Effect::DeleteSecret { .. } => self.made = false,
            Effect::ApplyTarget { version, onto, .. } => {
                let there = self.target.as_ref().map(|(revision, _)| revision.to_string());
                if there != onto.as_ref().map(|(_, revision)| revision.to_string()) || self.current() != Some(version) {
                    return Err(fault(FaultKind::Conflict));
                }
                self.revision += 1;
                self.target = Some((self.revision, version.clone()));
            }
            Effect::RemoveTarget { .. } => self.target = None,
            Effect::Open { rotation, trigger } => {
                if self.rotation(rotation, None).is_ok() {
                    return Err(fault(FaultKind::Exists));
                }
                let uid = uid(&format!("66666666-0000-4000-8000-{:0>12}", self.revision));
                self.open(rotation.clone(), uid, *trigger, Some(by == self.who()));
            }
            Effect::Record { rotation, onto, entries, .. } => {
                let at = self.rotation(rotation, Some(onto))?;
                let mut recorded = self.journal.rotations[at].clone();
                for entry in entries {
                    recorded = match recorded.with(entry, self.now) {
                        Ok(recorded) => recorded,
                        Err(_) if self.legal_or_refused || self.told.is_some() => {
                            return Err(fault(FaultKind::Rejected));
                        }
                        Err(_) => panic!("illegal entry {entry:?}"),
                    };
                }
                recorded.revision = self.revise();
                self.journal.rotations[at] = recorded;
            }
            Effect::Prune { rotation } => self.journal.rotations.retain(|each| each.name != *rotation),
            Effect::CreateManaged { .. } | Effect::Delegate { .. } => unreachable!("engine Operator"),
        }
        Ok(())
    }

    pub(crate) fn put(
        &mut self,
        version: &VersionId,
        bytes: u32,
        slot: Option<Slot>,
        stage: &str,
    ) -> Result<(), Fault> {
        if self.bytes.get(version).is_some_and(|(there, _)| *there != bytes) {
            return Err(fault(FaultKind::Exists));
        }
        let first = self.bytes.is_empty();
        self.bytes.insert(version.clone(), (bytes, slot));
        self.made_at.entry(version.clone()).or_insert(self.now);
        self.label(stage, version);
        if first {
            self.label(Stage::CURRENT, version);
        }
        self.spread();
        Ok(())
    }

    pub(super) fn label(&mut self, stage: &str, version: &VersionId) {
        let stage = Stage::parse(stage).unwrap();
        for stages in self.stages.values_mut() {
            stages.remove(&stage);
        }
        self.stages.entry(version.clone()).or_default().insert(stage);
        self.stages.retain(|_, stages| !stages.is_empty());
    }

    pub(crate) fn unlabel(&mut self, stage: &str, version: &VersionId) {
        let stage = Stage::parse(stage).unwrap();
        self.stages.entry(version.clone()).or_default().remove(&stage);
        self.stages.retain(|_, stages| !stages.is_empty());
    }

    pub(super) fn spread(&mut self) {
        let current = self.current().cloned();
        if let Some(replica) = &mut self.replica {
            *replica = current;
        }
    }

    pub(super) fn rotation(&mut self, name: &ObjectName, onto: Option<&Revision>) -> Result<usize, Fault> {
        let found = self
            .journal
            .rotations
            .iter()
            .position(|rotation| rotation.name == *name && onto.is_none_or(|onto| rotation.revision == *onto));
        found.ok_or(fault(FaultKind::Conflict))
    }

    pub(super) fn open(&mut self, name: ObjectName, uid: Uid, trigger: Trigger, owned: Option<bool>) {
        let revision = self.revise();
        self.journal.rotations.push(Rotation {
            name,
            uid,
            revision,
            created: self.now,
            trigger,
            revocation: Revocation::default(),
            candidate: None,
            owned,
            generated: true,
            held: false,
            deleting: None,
            attempt: None,
            failed_attempts: 0,
            last_failure: None,
            overlap: None,
            promoted: None,
            owed: BTreeMap::new(),
            aborting: false,
            ended: None,
            unreadable: false,
        });
    }

    pub(super) fn revise(&mut self) -> Revision {
        self.revision += 1;
        Revision::parse(self.revision.to_string()).unwrap()
    }
}

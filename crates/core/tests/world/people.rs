//! What people do: requests, deletions, labels moved and credentials made by hand.

use mes_core::journal::{Candidate, Revocation, Trigger};
use mes_core::names::{ObjectName, Stage, Uid, VersionId};
use mes_core::scope::Granted;
use mes_core::spec::{Deletion, Noted, Own, RemoteSecret};

use super::{Kind, Live, World, uid};

impl World {
    /// A person moves AWSCURRENT, as `UpdateSecretVersionStage` does: AWSPREVIOUS goes where it was.
    pub(crate) fn moved_by_hand(&mut self, to: &VersionId) {
        if let Some(from) = self.current().cloned().filter(|from| from != to) {
            self.label(Stage::PREVIOUS, &from);
            self.label(Stage::CURRENT, to);
            self.spread();
        }
    }

    /// The resource is gone, and another of its name is made; `namespace`: in a namespace that was made again, too. What the
    /// old one owned is collected at once, or, `restored`, is still there.
    pub(crate) fn made_again(&mut self, namespace: Option<Uid>, restored: bool) {
        let mut own = Own::clone(&self.resource.own);
        own.uid = uid("77777777-0000-4000-8000-000000000000");
        own.created = self.now;
        own.namespace_uid = namespace.unwrap_or(own.namespace_uid);
        let spec = self.resource.spec.as_mut().unwrap();
        let mut secret = RemoteSecret::clone(&spec.scope.store_secret);
        (secret.claim.uid, secret.claim.namespace_uid) = (own.uid.clone(), own.namespace_uid.clone());
        spec.scope.store_secret = Granted::assume(secret);
        self.resource.own = Granted::assume(own);
        (self.resource.held, self.resource.deleting) = (false, None);
        self.resource.noted = Noted::default();
        self.journal.rotations.retain(|_| restored);
        self.journal.rotations.iter_mut().for_each(|rotation| rotation.owned = Some(false));
        self.crash();
    }

    /// `kubectl delete rotation`.
    pub(crate) fn delete_rotation(&mut self, name: &ObjectName) {
        let Some(at) = self.journal.rotations.iter().position(|rotation| rotation.name == *name) else { return };
        if self.journal.rotations[at].held {
            self.journal.rotations[at].revision = self.revise();
            self.journal.rotations[at].deleting = Some(self.now);
        } else {
            self.journal.rotations.remove(at);
        }
    }

    /// `kubectl delete mes`, with these axes.
    pub(crate) fn delete_resource(&mut self, deletion: Deletion) {
        self.resource.deleting = Some(self.now);
        self.resource.deletion = deletion;
    }

    /// The bytes that a version holds are refused by the partner from now on.
    pub(crate) fn dies(&mut self, version: &VersionId) {
        let bytes = self.bytes[version].0;
        self.live.retain(|live| live.bytes != bytes);
    }

    /// A person's Rotation.
    pub(crate) fn request(&mut self, name: &str) {
        let uid = uid(&format!("44444444-0000-4000-8000-{:0>12}", self.revision));
        self.open(ObjectName::parse(name).unwrap(), uid, Trigger::Request, None);
    }

    /// A person's alarm.
    pub(crate) fn alarm(&mut self, name: &str, revocation: Revocation) {
        let uid = uid(&format!("88888888-0000-4000-8000-{:0>12}", self.revision));
        self.open(ObjectName::parse(name).unwrap(), uid, Trigger::Compromise, None);
        self.journal.rotations.last_mut().unwrap().revocation = revocation;
    }

    /// A person's Rotation with a candidate of his own.
    pub(crate) fn bring(&mut self, name: &str, candidate: Candidate) {
        let uid = uid(&format!("99999999-0000-4000-8000-{:0>12}", self.revision));
        self.open(ObjectName::parse(name).unwrap(), uid, Trigger::Request, None);
        self.journal.rotations.last_mut().unwrap().candidate = Some(candidate);
    }

    /// A person makes a credential at the partner and puts it into the Secret `name`. `instead`: in the place of the one in
    /// use, which ends; else beside it. `None`: there is no place beside it.
    pub(crate) fn made_by_hand(&mut self, name: &str, instead: bool) -> Option<u32> {
        let bytes = self.fresh();
        let used = self.current().map(|current| self.bytes[current].0)?;
        let in_use = self.live.iter().find(|live| live.bytes == used).cloned();
        let slots = self.spec().slots.clone();
        let free = slots.iter().find(|slot| !self.live.iter().any(|live| live.slot.as_ref() == Some(*slot)));
        let full = self.kind == Kind::Staged && self.live.len() > 1 || !slots.is_empty() && free.is_none();
        let made = if instead {
            self.killed.insert(used);
            self.live.retain(|live| live.bytes != used);
            if self.kind == Kind::FirstUse {
                // The first use of what is pending would end it.
                self.killed.extend(self.live.iter().map(|live| live.bytes));
                self.live.clear();
            }
            let slot = in_use.as_ref().map_or(self.bytes[self.current()?].1.clone(), |live| live.slot.clone());
            Live { bytes, slot, main: in_use.is_none_or(|live| live.main), tag: None }
        } else if full {
            return None;
        } else {
            Live { bytes, slot: free.cloned(), main: self.kind == Kind::FirstUse, tag: None }
        };
        self.secrets.insert(ObjectName::parse(name).unwrap(), (bytes, made.slot.clone()));
        self.live.retain(|live| made.slot.is_none() || live.slot != made.slot);
        self.live.insert(made);
        Some(bytes)
    }

    /// Nothing acts at the partner but the credential itself.
    pub(crate) fn without_admin(&mut self) {
        self.resource.spec.as_mut().unwrap().scope.admin = None;
    }
}

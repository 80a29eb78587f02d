//! A small world around `decide`: a store with labels, a partner by contract, a region, a target, a journal. It answers
//! looks and applies effects, in one process at a time; a crash drops that process's memory.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mes_core::debt::Debt;
use mes_core::decide::{Decision, Step, Verdict, decide};
use mes_core::effect::{Acting, Effect};
use mes_core::facts::{
    Acceptance, Bounds, Credential, Facts, Glimpse, Holder, Labelled, Look, Ownership, Replica, Replication,
    ReplicationState, Seed, Sight, StoreSecret, Stored, SweepLine, Target,
};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Candidate, IntentStep, Journal, Outcome as Ended, Rejection, Revocation, Rotation, Trigger};
use mes_core::names::{
    Arn, CredentialId, Namespace, ObjectName, Region, Revision, SecretName, Slot, Stage, Tag, TargetName, Uid,
    VersionId,
};
use mes_core::partner::{Activation, Chooser, Contract, Overlap, Recognised};
use mes_core::scope::Granted;
use mes_core::spec::{
    Access, Claim, Deletion, Engine, Fate, Noted, Onboard, Own, RemoteSecret, Resource, RotationSpec, Scope, Spec,
    WantedRegion,
};
use mes_core::target::{SecretType, TargetSpec};
use mes_core::tries::Tries;

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

    fn contract(self) -> Contract {
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

    fn slots(self) -> Vec<Slot> {
        let names: &[&str] = match self {
            Self::Slots => &["a", "b"],
            Self::InPlaceCaller => &["a"],
            _ => &[],
        };
        names.iter().map(|name| Slot::parse(*name).unwrap()).collect()
    }
}

/// How long a partner with grace leaves the old credential.
pub(crate) const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What becomes of one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It happens and is answered.
    Fine,
    /// The process dies before it.
    CrashBefore,
    /// It happens, and the process dies before it hears.
    CrashAfter,
    /// It happens, and the answer is lost.
    Lost,
    /// It does not happen, and the answer is an outage.
    Refused,
    /// The partner makes a candidate, and the put of its value never comes. For other effects: `Lost`.
    Torn,
}

/// A credential at the partner, by the number of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Live {
    pub(crate) bytes: u32,
    pub(crate) slot: Option<Slot>,
    pub(crate) main: bool,
    pub(crate) tag: Option<Tag>,
}

/// The world.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) kind: Kind,
    pub(crate) now: Timestamp,
    pub(crate) resource: Resource,
    pub(crate) made: bool,
    /// UIDs of namespace and resource in the claim on the secret; `None`: whoever asks has it.
    pub(crate) claim: Option<(Uid, Uid)>,
    /// Who acts, if it is not the resource of today: a call that was on its way when the resource was made again.
    pub(crate) late: Option<(Uid, Uid)>,
    pub(crate) bytes: BTreeMap<VersionId, (u32, Option<Slot>)>,
    pub(crate) stages: BTreeMap<VersionId, BTreeSet<Stage>>,
    /// What the tags of the secret say of what it owes.
    pub(crate) debt: Option<Debt>,
    pub(crate) live: BTreeSet<Live>,
    pub(crate) next_bytes: u32,
    pub(crate) replica: Option<Option<VersionId>>,
    pub(crate) target: Option<(u32, VersionId)>,
    pub(crate) journal: Journal,
    pub(crate) creates: u32,
    pub(crate) bounds: Bounds,
    /// How far a wait moves the clock at most.
    pub(crate) longest_sleep: SignedDuration,
    pub(crate) minted: BTreeSet<Tag>,
    /// When each version was put.
    pub(crate) made_at: BTreeMap<VersionId, Timestamp>,
    /// When the partner made a candidate, or one of our own making was put.
    pub(crate) mints: Vec<Timestamp>,
    /// When a credential that was replaced ends by itself.
    pub(crate) deaths: BTreeMap<u32, Timestamp>,
    /// Credentials whose value never reached the store.
    pub(crate) lost: BTreeSet<u32>,
    /// Credentials that a person ended at the partner, in use or not.
    pub(crate) killed: BTreeSet<u32>,
    /// Seeds of candidates: the bytes in each Secret, and their slot.
    pub(crate) secrets: BTreeMap<ObjectName, (u32, Option<Slot>)>,
    /// An entry that the table does not allow is refused, as the shell does, and no failure of the test.
    pub(crate) legal_or_refused: bool,
    /// The partner, its account or the admin credential is gone: what everybody hears who asks.
    pub(crate) blind: Option<Fault>,
    /// The partner refuses whatever is not in use.
    pub(crate) refuses_candidates: bool,
    /// Answers that differ from what the world would say.
    pub(crate) answers: BTreeMap<Look, Sight>,
    /// What a list of the partner's shows in place of what lives there.
    pub(crate) listed: Option<BTreeSet<Live>>,
    pub(crate) revision: u32,
    pub(crate) tries: Tries,
    /// What decides; else than [`decide`] where a test breaks a rule on purpose.
    pub(crate) judge: Judge,
    /// What is told here in place of a panic, where a test looks for it.
    pub(crate) told: Option<BTreeSet<&'static str>>,
}

/// What [`decide`] is.
pub(crate) type Judge = fn(&Resource, &Facts, &Journal, Timestamp) -> Decision;

const REGION: &str = "eu-west-1";

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

pub(crate) fn fault(kind: FaultKind) -> Fault {
    Fault::new(Place::Partner, kind, "Test")
}

impl World {
    /// A resource that is onboarded as `onboard` says and wants one region and one target.
    pub(crate) fn new(kind: Kind, onboard: Onboard) -> Self {
        let contract = kind.contract();
        assert_eq!(contract.problem(), None);
        let own = Own {
            cluster: uid("11111111-0000-4000-8000-000000000000"),
            namespace: Namespace::parse("payments").unwrap(),
            namespace_uid: uid("22222222-0000-4000-8000-000000000000"),
            name: ObjectName::parse("crm").unwrap(),
            uid: uid("33333333-0000-4000-8000-000000000000"),
            created: Timestamp::UNIX_EPOCH,
        };
        let claim = Claim {
            owner: "p/payments/crm".to_owned(),
            cluster: own.cluster.clone(),
            namespace: own.namespace.clone(),
            namespace_uid: own.namespace_uid.clone(),
            uid: own.uid.clone(),
        };
        let store_secret = RemoteSecret {
            store: ObjectName::parse("default").unwrap(),
            access: Access { endpoint: None, keys: None, role: None, external_id: "x".to_owned() },
            account: None,
            primary: Region::parse("us-west-2").unwrap(),
            name: SecretName::parse("p/payments/crm").unwrap(),
            kms_key: None,
            claim,
            tags: BTreeMap::new(),
            take_over: BTreeSet::new(),
            read_only: false,
        };
        let target = TargetName::parse("crm").unwrap();
        let spec = Spec {
            partner: None,
            scope: Scope {
                store_secret: Granted::assume(store_secret),
                origin: None,
                admin: Some(Granted::assume(mes_core::spec::Admin::Secret(ObjectName::parse("admin").unwrap()))),
                seed: Some(Granted::assume(ObjectName::parse("seed").unwrap())),
                targets: BTreeMap::from([(target.clone(), Granted::assume(target))]),
                identities: BTreeSet::new(),
                identity_grants: mes_core::scope::IdentityGrants::default(),
            },
            parameters: BTreeMap::new(),
            rotation: RotationSpec {
                engine: Engine::Operator(contract),
                schedule: None,
                first_immediately: onboard == Onboard::FromSecret,
                overlap: SignedDuration::from_hours(1),
            },
            onboard,
            replicas: vec![WantedRegion { name: Region::parse(REGION).unwrap(), kms_key: None }],
            targets: vec![TargetSpec {
                name: "crm".to_owned(),
                type_: SecretType::Opaque,
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
                data: None,
            }],
            live_limit: None,
            slots: kind.slots(),
        };
        let mut world = Self {
            kind,
            now: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1),
            resource: Resource {
                own: Granted::assume(own),
                generation: 1,
                deleting: None,
                namespace_deleting: None,
                held: false,
                suspended: false,
                abandoned: false,
                deletion: Deletion {
                    targets: Fate::Retain,
                    store: Fate::Retain,
                    partner: Fate::Retain,
                    recovery_window_days: 30,
                },
                noted: Noted::default(),
                spec: Ok(spec),
                debts: None,
            },
            made: false,
            claim: None,
            late: None,
            bytes: BTreeMap::new(),
            stages: BTreeMap::new(),
            debt: None,
            live: BTreeSet::new(),
            next_bytes: 100,
            replica: None,
            target: None,
            journal: Journal::default(),
            creates: 0,
            bounds: bounds(),
            longest_sleep: SignedDuration::from_hours(24 * 400),
            minted: BTreeSet::new(),
            made_at: BTreeMap::new(),
            mints: Vec::new(),
            deaths: BTreeMap::new(),
            lost: BTreeSet::new(),
            killed: BTreeSet::new(),
            secrets: BTreeMap::new(),
            legal_or_refused: false,
            blind: None,
            refuses_candidates: false,
            answers: BTreeMap::new(),
            listed: None,
            revision: 0,
            tries: Tries::default(),
            judge: decide,
            told: None,
        };
        if world.spec().onboard == Onboard::FromSecret {
            world.live.insert(Live { bytes: 1, slot: world.spec().slots.first().cloned(), main: true, tag: None });
        }
        world
    }

    pub(crate) fn spec(&self) -> &Spec {
        self.resource.spec.as_ref().unwrap()
    }

    /// A person moves AWSCURRENT, as `UpdateSecretVersionStage` does: AWSPREVIOUS goes where it was.
    pub(crate) fn moved_by_hand(&mut self, to: &VersionId) {
        if let Some(from) = self.current().cloned().filter(|from| from != to) {
            self.label(Stage::PREVIOUS, &from);
            self.label(Stage::CURRENT, to);
            self.spread();
        }
    }

    /// Who acts and what its claim says: UIDs of namespace and resource.
    pub(crate) fn who(&self) -> (Uid, Uid) {
        (self.resource.own.namespace_uid.clone(), self.resource.own.uid.clone())
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

    fn acts(&self, acting: &Acting) -> Result<(), Fault> {
        match acting {
            Acting::As(version) if !self.is_live(version) => Err(fault(FaultKind::Denied)),
            Acting::As(_) | Acting::Admin => Ok(()),
        }
    }

    fn open(&mut self, name: ObjectName, uid: Uid, trigger: Trigger, owned: Option<bool>) {
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

    fn revise(&mut self) -> Revision {
        self.revision += 1;
        Revision::parse(self.revision.to_string()).unwrap()
    }

    /// The process dies; another begins with nothing in memory.
    pub(crate) fn crash(&mut self) {
        self.tries = Tries::default();
    }

    pub(crate) fn current(&self) -> Option<&VersionId> {
        self.labelled(Stage::CURRENT)
    }

    pub(crate) fn labelled(&self, stage: &str) -> Option<&VersionId> {
        self.stages
            .iter()
            .find(|(_, stages)| stages.iter().any(|each| each.as_str() == stage))
            .map(|(version, _)| version)
    }

    pub(crate) fn is_live(&self, version: &VersionId) -> bool {
        self.bytes.get(version).is_some_and(|(bytes, _)| self.live.iter().any(|live| live.bytes == *bytes))
    }

    /// What this process would do now, with all that it asked to know that.
    pub(crate) fn decided(&mut self) -> (Verdict, Decision, Facts) {
        self.reap();
        self.tries.saw(&self.journal, self.resource.deleting.is_some(), self.now);
        let mut facts = Facts::at_a_glance(self.glimpse(), self.bounds.clone(), self.tries.clone());
        for _ in 0..50 {
            let decision = (self.judge)(&self.resource, &facts, &self.journal, self.now);
            let Err(Step::Look(questions)) = decision.next() else { return (decision.next(), decision, facts) };
            for question in questions {
                let sight = self.answer(&question);
                if let (Look::Acceptance(version), Kind::FirstUse) = (&question, self.kind) {
                    self.used(&version.clone());
                }
                facts.learn(question, sight, self.now);
            }
        }
        panic!("more than 50 looks in one pass");
    }

    /// A rule that this world sees to: broken, that is told or a failure.
    fn hold(&mut self, holds: bool, rule: &'static str, what: fn() -> &'static str) {
        match &mut self.told {
            _ if holds => {}
            Some(told) => drop(told.insert(rule)),
            None => panic!("{rule}: {}: {:#?}", what(), self.journal),
        }
    }

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

    /// Passes without faults until one would do what `stop` names; then that effect, not done.
    pub(crate) fn until(&mut self, what: &str, stop: impl Fn(&Effect) -> bool) -> Effect {
        for _ in 0..400 {
            if let (Err(Step::Act(effect)), ..) = self.decided()
                && stop(&effect)
            {
                return effect;
            }
            self.pass(|_| Outcome::Fine);
        }
        panic!("{what} never came: {:#?} live {:?} stages {:?}", self.journal, self.live, self.stages);
    }

    /// One pass: looks until there is something to do, does it with this fate, or waits. Says whether anything moved.
    pub(crate) fn pass(&mut self, fate: impl FnOnce(&Effect) -> Outcome) -> Option<Effect> {
        let (next, decision, facts) = self.decided();
        match next {
            Err(Step::Act(effect)) => {
                let fate = fate(&effect);
                self.finish(&effect, facts, fate);
                self.now += SignedDuration::from_secs(1);
                Some(effect)
            }
            next => {
                self.tries = facts.tries().clone();
                self.tries.waiting(&decision, self.now);
                self.settle(&decision);
                let soon = self.now + SignedDuration::from_secs(1);
                self.now = match next {
                    Err(Step::Wait { until: Some(until), .. }) => until.clamp(soon, self.now + self.longest_sleep),
                    _ => soon,
                };
                None
            }
        }
    }

    /// An effect that was decided upon `facts` is done, with this fate.
    pub(crate) fn finish(&mut self, effect: &Effect, mut facts: Facts, fate: Outcome) {
        let outcome = match fate {
            Outcome::CrashBefore => Err(fault(FaultKind::Unknown)),
            Outcome::Refused => Err(fault(FaultKind::Unsent)),
            Outcome::Torn => self.tear(effect),
            Outcome::Fine | Outcome::CrashAfter => self.perform(effect),
            Outcome::Lost => self.perform(effect).and(Err(fault(FaultKind::Unknown))),
        };
        facts.tried(effect, &outcome, self.now);
        self.tries = facts.tries().clone();
        if matches!(fate, Outcome::CrashBefore | Outcome::CrashAfter) {
            self.crash();
        }
    }

    /// A create whose put never came: the value is lost for good, whatever the partner made.
    fn tear(&mut self, effect: &Effect) -> Result<(), Fault> {
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

    /// What a pass that ends writes to `.status`.
    pub(crate) fn settle(&mut self, decision: &Decision) {
        use mes_core::decide::Goal;
        let holds = |goal| decision.verdict(goal).is_some_and(Result::is_ok);
        self.resource.noted.onboarded |= holds(Goal::Onboarded);
        self.resource.noted.secret |= self.made && self.resource.spec.is_ok();
        if holds(Goal::Onboarded) {
            self.resource.noted.version = self.current().cloned();
        }
        self.resource.noted.last_rotation =
            self.journal.last_promoted().and_then(|rotation| rotation.promoted).max(self.resource.noted.last_rotation);
        if holds(Goal::Replicated) {
            self.resource.noted.regions.insert(Region::parse(REGION).unwrap());
        }
    }

    pub(crate) fn glimpse(&self) -> Glimpse {
        let sweep = SweepLine {
            arn: None,
            current: self.current().cloned(),
            versions: self.stages.clone(),
            changed: None,
            scheduled_for_deletion: false,
            debt: None,
        };
        let targets = self.target.iter().map(|(revision, version)| {
            (TargetName::parse("crm").unwrap(), (Revision::parse(revision.to_string()).unwrap(), Some(version.clone())))
        });
        Glimpse { sweep: Some(sweep), targets: targets.collect(), verify_due: false, read_again: false }
    }

    pub(crate) fn answer(&self, look: &Look) -> Sight {
        if let Some(other) = self.answers.get(look) {
            return other.clone();
        }
        match (look, &self.blind) {
            (Look::Credentials { .. }, Some(fault)) => return Sight::Credentials(Err(fault.clone())),
            (Look::Acceptance(_), Some(fault)) => return Sight::Acceptance(Err(fault.clone())),
            (Look::Acceptance(version), None) if self.refuses_candidates && self.current() != Some(version) => {
                return Sight::Acceptance(Ok(Some(Acceptance::Refused)));
            }
            _ => {}
        }
        match look {
            Look::Seed => Sight::Seed(Ok(Some(Seed::Accepted { identity: None }))),
            Look::StoreSecret => Sight::StoreSecret(Ok(self.made.then(|| self.describe()))),
            Look::Replica(_) => Sight::Replica(Ok(self.replica.clone().map(|current| Replica { current }))),
            Look::Version(version) => Sight::Version(Ok(self
                .bytes
                .get(version)
                .map(|_| Stored { problems: vec![], renders: BTreeMap::new() }))),
            Look::Acceptance(version) => {
                let accepted = if self.is_live(version) { Acceptance::Accepted } else { Acceptance::Refused };
                Sight::Acceptance(Ok(self.bytes.get(version).map(|_| accepted)))
            }
            Look::Brought(name) => Sight::Seed(Ok(self.secrets.get(name).map(|(bytes, _)| {
                let refused = !self.live.iter().any(|live| live.bytes == *bytes) && self.kind != Kind::FirstUse;
                if refused { Seed::Refused } else { Seed::Accepted { identity: None } }
            }))),
            Look::Credentials { acting, .. } if self.acts(acting).is_err() => {
                Sight::Credentials(Err(fault(FaultKind::Denied)))
            }
            Look::Credentials { known, .. } => {
                let listed = self.listed.as_ref().unwrap_or(&self.live);
                Sight::Credentials(Ok(Some(listed.iter().map(|live| self.credential(live, known)).collect())))
            }
            Look::Target(_) => Sight::Target(Ok(self.target.as_ref().map(|(revision, version)| Target {
                uid: uid("55555555-0000-4000-8000-000000000000"),
                revision: Revision::parse(revision.to_string()).unwrap(),
                holder: Holder::Us,
                version: Some(version.clone()),
                intact: Some(Some(version) == self.current()),
                wrong_type: false,
                immutable: false,
                render: None,
            }))),
            Look::Rehearsal { version, .. } => Sight::Rehearsal(Ok(self.bytes.get(version).map(|_| ()))),
            Look::Versions => Sight::Versions(Ok(self.made.then(|| self.made_at.clone()))),
            Look::Labelled => Sight::Labelled(Ok(Some(
                self.target
                    .iter()
                    .map(|(revision, version)| Labelled {
                        name: TargetName::parse("crm").unwrap(),
                        uid: uid("55555555-0000-4000-8000-000000000000"),
                        revision: Revision::parse(revision.to_string()).unwrap(),
                        version: Some(version.clone()),
                    })
                    .collect(),
            ))),
        }
    }

    fn describe(&self) -> StoreSecret {
        let replica = self.replica.as_ref().map(|_| Replication {
            state: ReplicationState::InSync,
            name_taken: false,
            kms_key: None,
        });
        StoreSecret {
            arn: Arn::parse("arn:aws:secretsmanager:us-west-2:123456789012:secret:p/payments/crm-AbCdEf").unwrap(),
            ownership: match &self.claim {
                Some((namespace, _)) if *namespace != self.resource.own.namespace_uid => Ownership::Anothers,
                Some((_, uid)) if *uid != self.resource.own.uid => Ownership::OursBefore(Some(uid.clone())),
                Some(_) | None => Ownership::Ours,
            },
            secret_type: None,
            owning_service: false,
            rotation: None,
            versions: self.stages.clone(),
            replica_of: None,
            debt: self.debt.clone().map(Box::new),
            scheduled_for_deletion: false,
            replication: replica.into_iter().map(|replica| (Region::parse(REGION).unwrap(), replica)).collect(),
        }
    }

    fn credential(&self, live: &Live, known: &BTreeSet<VersionId>) -> Credential {
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

    fn label(&mut self, stage: &str, version: &VersionId) {
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

    fn spread(&mut self) {
        let current = self.current().cloned();
        if let Some(replica) = &mut self.replica {
            *replica = current;
        }
    }

    fn rotation(&mut self, name: &ObjectName, onto: Option<&Revision>) -> Result<usize, Fault> {
        let found = self
            .journal
            .rotations
            .iter()
            .position(|rotation| rotation.name == *name && onto.is_none_or(|onto| rotation.revision == *onto));
        found.ok_or(fault(FaultKind::Conflict))
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
            Effect::Hold | Effect::Release if by != self.who() => return Err(fault(FaultKind::NotFound)),
            Effect::Hold => self.resource.held = true,
            Effect::Release => self.resource.held = false,
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

    fn fresh(&mut self) -> u32 {
        self.next_bytes += 1;
        self.next_bytes
    }
}

/// Seconds instead of minutes, as a demo sets them.
fn bounds() -> Bounds {
    Bounds {
        deadline: SignedDuration::from_secs(6),
        settling: SignedDuration::from_secs(3),
        acceptance: SignedDuration::from_secs(30),
        attempts: 50,
        mints_per_day: 1000,
        spacing: SignedDuration::from_secs(1),
        ..Bounds::default()
    }
}

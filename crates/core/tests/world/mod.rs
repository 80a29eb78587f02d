//! A small world around `decide`: a store with labels, a partner by contract, a region, a target, a journal. It answers
//! looks and applies effects, in one process at a time; a crash drops that process's memory.

mod answers;
mod effects;
mod kind;
pub(crate) mod moments;
mod partner;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mes_core::debt::Debt;
use mes_core::decide::{Decision, Step, Verdict, decide};
use mes_core::effect::Effect;
use mes_core::facts::{Bounds, Facts, Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::Journal;
use mes_core::names::{
    Namespace, ObjectName, Region, Revision, SecretName, Slot, Stage, Tag, TargetName, Uid, VersionId,
};
use mes_core::scope::Granted;
use mes_core::spec::{
    Access, Claim, Deletion, Engine, Fate, Noted, Onboard, Own, RemoteSecret, Resource, RotationSpec, Scope, Spec,
    WantedRegion,
};
use mes_core::target::{SecretType, TargetSpec};
use mes_core::tries::Tries;

pub(crate) use kind::Kind;
pub(crate) use partner::{GRACE, Live};

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
                revision: Revision::parse("0").unwrap(),
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

    /// Who acts and what its claim says: UIDs of namespace and resource.
    pub(crate) fn who(&self) -> (Uid, Uid) {
        (self.resource.own.namespace_uid.clone(), self.resource.own.uid.clone())
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

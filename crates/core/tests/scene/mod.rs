//! Random scenes: a life lived for a while under random faults, then anything in it changed at random: what is wanted, the
//! status, the journal, what the world answers. The same seed gives the same scene.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mes_core::debt::Debt;
use mes_core::decide::{Decision, Step, decide};
use mes_core::facts::{
    Acceptance, Credential, Facts, Glimpse, Holder, Look, ManagedRotation, Ownership, Replica, Seed, Sight,
    StoreSecret, Stored,
};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{
    Attempt, Candidate, IntentStep, Journal, Outcome as Ended, Owed, Revocation, Rotation, Trigger,
};
use mes_core::names::{CredentialId, ObjectName, Region, RoleArn, Slot, Stage, Tag, Uid, VersionId};
use mes_core::reason::Reason;
use mes_core::schedule::Schedule;
use mes_core::spec::{Delegation, Deletion, Engine, Fate, Onboard, Resource};

use crate::world::{Kind, Outcome, World};

/// Numbers from a seed (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One time in `of`.
    pub(crate) fn once_in(&mut self, of: u64) -> bool {
        self.roll().is_multiple_of(of)
    }

    pub(crate) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll() % of.len() as u64).unwrap()].clone()
    }
}

/// All that a decision is made of.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// How often an answer is not the world's own: one time in so many.
    lies: u64,
    seed: u64,
    pub(crate) glimpse: Glimpse,
}

const FAULTS: [FaultKind; 5] =
    [FaultKind::Denied, FaultKind::NotFound, FaultKind::Throttled, FaultKind::Unknown, FaultKind::Unsent];

impl Scene {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let kind = dice.one(&Kind::ALL);
        let onboard = dice.one(&[Onboard::FromSecret, Onboard::FromSecret, Onboard::Mint, Onboard::Adopt]);
        let mut world = World::new(kind, onboard);
        for _ in 0..dice.roll() % 70 {
            let fate = dice.one(&[
                Outcome::Fine,
                Outcome::Fine,
                Outcome::Fine,
                Outcome::Lost,
                Outcome::CrashAfter,
                Outcome::Torn,
            ]);
            world.pass(|_| fate);
        }
        wanted(&mut dice, &mut world);
        remembered(&mut dice, &mut world.resource);
        if dice.once_in(2) {
            world.journal = journal(&mut dice, &world);
        }
        let mut glimpse = world.glimpse();
        glimpse.verify_due = dice.once_in(2);
        glimpse.read_again = dice.once_in(4);
        if dice.once_in(4) {
            glimpse.sweep = None;
        }
        world.tries.saw(&world.journal, world.resource.deleting.is_some(), world.now);
        // Whatever was announced is over by now, or just begins to be.
        world.now += SignedDuration::from_secs(dice.one(&[0, 5, 60, 7200]));
        let lies = dice.one(&[2, 4, 16, u64::MAX]);
        Self { world, lies, seed, glimpse }
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts::at_a_glance(self.glimpse.clone(), self.world.bounds.clone(), self.world.tries.clone())
    }

    pub(crate) fn decide(&self, facts: &Facts) -> Decision {
        decide(&self.world.resource, facts, &self.world.journal, self.world.now)
    }

    /// The decision when every goal had its questions answered, and the questions. `blind`: this one could not be read.
    pub(crate) fn whole(&self, blind: Option<&Look>) -> (Decision, BTreeSet<Look>) {
        let mut facts = self.facts();
        let mut asked = BTreeSet::new();
        for _ in 0..80 {
            let decision = self.decide(&facts);
            let open: BTreeSet<Look> = decision
                .goals
                .iter()
                .filter_map(|(_, verdict)| match verdict {
                    Err(Step::Look(questions)) => Some(questions.clone()),
                    _ => None,
                })
                .flatten()
                .collect();
            if open.is_empty() {
                return (decision, asked);
            }
            for question in open {
                assert!(asked.insert(question.clone()), "asked again after it was answered: {question:?}");
                let sight = match blind {
                    Some(blind) if *blind == question => unread(&question),
                    _ => self.answer(&question),
                };
                facts.learn(question, sight, self.world.now);
            }
        }
        panic!("questions without end");
    }

    /// What lives at the partner, as the decision saw it.
    pub(crate) fn credentials(&self, look: &Look) -> Option<Vec<Credential>> {
        match self.answer(look) {
            Sight::Credentials(Ok(listed)) => Some(listed.unwrap_or_default()),
            _ => None,
        }
    }

    /// The secret, as the decision saw it.
    pub(crate) fn store_secret(&self) -> Option<StoreSecret> {
        match self.answer(&Look::StoreSecret) {
            Sight::StoreSecret(Ok(secret)) => secret,
            _ => None,
        }
    }

    /// Whether the partner accepts a version, as the decision saw it.
    pub(crate) fn accepts(&self, version: &VersionId) -> bool {
        self.answer(&Look::Acceptance(version.clone())) == Sight::Acceptance(Ok(Some(Acceptance::Accepted)))
    }

    fn answer(&self, look: &Look) -> Sight {
        let mark = format!("{look:?}").bytes().fold(self.seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(31));
        let mut dice = Dice(mark);
        let truth = self.world.answer(look);
        if self.lies == u64::MAX || !dice.once_in(self.lies) {
            return truth;
        }
        if dice.once_in(3) {
            return unread(look);
        }
        changed(&mut dice, truth, &self.world)
    }
}

/// It could not be read.
pub(crate) fn unread(look: &Look) -> Sight {
    let fault = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
    match look {
        Look::Seed | Look::Brought(_) => Sight::Seed(Err(fault)),
        Look::StoreSecret => Sight::StoreSecret(Err(fault)),
        Look::Replica(_) => Sight::Replica(Err(fault)),
        Look::Version(_) => Sight::Version(Err(fault)),
        Look::Acceptance(_) => Sight::Acceptance(Err(fault)),
        Look::Credentials { .. } => Sight::Credentials(Err(fault)),
        Look::Target(_) => Sight::Target(Err(fault)),
        Look::Labelled => Sight::Labelled(Err(fault)),
        Look::Versions => Sight::Versions(Err(fault)),
        Look::Rehearsal { .. } => Sight::Rehearsal(Err(fault)),
    }
}

fn version(dice: &mut Dice, world: &World) -> VersionId {
    let mut known: Vec<VersionId> = world.bytes.keys().cloned().collect();
    known.push(VersionId::parse("somebody-elses-version-0123456789abcdef").unwrap());
    known.push(VersionId::first(&world.resource.own.uid, 0));
    known.extend(world.journal.rotations.iter().map(|rotation| VersionId::of(&rotation.uid, 1)));
    dice.one(&known)
}

fn changed(dice: &mut Dice, truth: Sight, world: &World) -> Sight {
    match truth {
        Sight::Seed(_) => {
            Sight::Seed(Ok(dice.one(&[None, Some(Seed::WrongType), Some(Seed::Refused), Some(Seed::NotGranted(None))])))
        }
        Sight::StoreSecret(Ok(Some(mut secret))) => {
            if dice.once_in(6) {
                return Sight::StoreSecret(Ok(None));
            }
            secret.ownership = dice.one(&[
                Ownership::Ours,
                Ownership::Ours,
                Ownership::OursBefore(None),
                Ownership::Nobodys,
                Ownership::Anothers,
            ]);
            secret.scheduled_for_deletion = dice.once_in(6);
            secret.owning_service = dice.once_in(8);
            if dice.once_in(4) {
                secret.rotation = Some(ManagedRotation { enabled: dice.once_in(2), ..ManagedRotation::default() });
            }
            if dice.once_in(2) {
                secret.versions.clear();
                for stage in [Stage::CURRENT, Stage::PREVIOUS, Stage::PENDING] {
                    if !dice.once_in(4) {
                        let stages = secret.versions.entry(version(dice, world)).or_default();
                        stages.insert(Stage::parse(stage).unwrap());
                    }
                }
            }
            if dice.once_in(3) {
                let owed = version(dice, world);
                secret.versions.entry(owed.clone()).or_default().insert(Stage::owed(&owed).unwrap());
                secret.debt = Some(Box::<Debt>::default()).filter(|_| dice.once_in(2));
            }
            Sight::StoreSecret(Ok(Some(secret)))
        }
        Sight::Replica(_) => Sight::Replica(Ok(dice.one(&[
            None,
            Some(Replica { current: None }),
            Some(Replica { current: Some(version(&mut dice.clone(), world)) }),
        ]))),
        Sight::Version(_) => Sight::Version(Ok(if dice.once_in(2) {
            None
        } else {
            Some(Stored { problems: vec![], renders: BTreeMap::new() })
        })),
        Sight::Acceptance(_) => Sight::Acceptance(Ok(dice.one(&[
            None,
            Some(Acceptance::Accepted),
            Some(Acceptance::Refused),
            Some(Acceptance::Alien),
            Some(Acceptance::Malformed),
        ]))),
        Sight::Credentials(Ok(Some(mut listed))) => {
            if dice.once_in(2) {
                listed.clear();
            }
            for number in 0..dice.roll() % 4 {
                let some = if dice.once_in(2) { BTreeSet::new() } else { BTreeSet::from([version(dice, world)]) };
                let of = version(dice, world);
                listed.push(Credential {
                    id: CredentialId::parse(format!("listed-{number}")).unwrap(),
                    tag: Some(Tag::of(&world.resource.own.cluster, &of)).filter(|_| dice.once_in(2)),
                    versions: some,
                    slot: dice.one(&[None, Slot::parse("a").ok(), Slot::parse("b").ok()]),
                    main: dice.once_in(2),
                });
            }
            Sight::Credentials(Ok(Some(listed)))
        }
        Sight::Target(Ok(Some(mut target))) => {
            target.holder = dice.one(&[Holder::Us, Holder::Foreign, Holder::AnotherResource, Holder::Consenting]);
            target.intact = dice.one(&[None, Some(true), Some(false)]);
            target.version = Some(version(dice, world));
            target.immutable = dice.once_in(3);
            Sight::Target(Ok(Some(target)))
        }
        Sight::Labelled(_) if dice.once_in(2) => Sight::Labelled(Ok(None)),
        other => other,
    }
}

fn wanted(dice: &mut Dice, world: &mut World) {
    world.bounds.attempts = dice.one(&[0, 1, 3, 50]);
    let resource = &mut world.resource;
    resource.suspended = dice.once_in(6);
    resource.held = dice.once_in(2);
    resource.abandoned = dice.once_in(8);
    let fate = |dice: &mut Dice| dice.one(&[Fate::Retain, Fate::Remove]);
    resource.deletion =
        Deletion { targets: fate(dice), store: fate(dice), partner: fate(dice), recovery_window_days: 7 };
    if dice.once_in(4) {
        resource.deleting = Some(world.now);
    }
    if dice.once_in(12) {
        resource.spec = Err(dice.one(&[Reason::UnknownPartnerType, Reason::Onboarding]));
        return;
    }
    let Ok(spec) = &mut resource.spec else { return };
    spec.rotation.schedule = dice.one(&[None, Schedule::parse("rate(4 hours)", None, None).ok()]);
    spec.rotation.first_immediately = dice.once_in(2);
    spec.live_limit = dice.one(&[None, Some(0), Some(1), Some(2)]);
    spec.rotation.overlap = dice.one(&[SignedDuration::ZERO, SignedDuration::from_hours(1), SignedDuration::MAX]);
    if dice.once_in(10) {
        spec.onboard = dice.one(&[Onboard::Observe, Onboard::Adopt, Onboard::Mint]);
    }
    if dice.once_in(8) {
        spec.replicas.clear();
    }
    if dice.once_in(10) {
        spec.scope.targets.clear();
    }
    if dice.once_in(3) {
        // It rotates itself.
        spec.scope.admin = None;
    }
    if dice.once_in(10) {
        spec.rotation.engine = dice.one(&[
            Engine::None,
            Engine::SecretsManager(Delegation {
                partner_type: mes_core::names::PartnerTypeName::parse("BigIDClientSecret").unwrap(),
                metadata: BTreeMap::new(),
                role: RoleArn::parse("arn:aws:iam::123456789012:role/rotation").unwrap(),
                schedule: None,
                window: None,
                immediately: true,
            }),
        ]);
    }
}

fn remembered(dice: &mut Dice, resource: &mut Resource) {
    let noted = &mut resource.noted;
    if dice.once_in(3) {
        noted.onboarded = dice.once_in(2);
    }
    noted.settled_generation = dice.one(&[None, Some(1), Some(7)]);
    if dice.once_in(3) {
        noted.regions = BTreeSet::from([Region::parse("eu-west-1").unwrap()]);
    }
    if dice.once_in(6) {
        noted.last_rotation = dice.one(&[None, Some(Timestamp::MIN), Some(Timestamp::MAX)]);
    }
    if dice.once_in(6) {
        noted.version = None;
    }
}

/// Journals older, newer, edited, lying.
pub(crate) fn journal(dice: &mut Dice, world: &World) -> Journal {
    let mut rotations = world.journal.rotations.clone();
    for number in 0..dice.roll() % 3 {
        let uid = Uid::parse(format!("88888888-0000-4000-8000-{number:0>12}")).unwrap();
        let name = dice.one(&["crm-1", "crm-2", "crm-byhand", "crm-18446744073709551615", "crm-999999999"]);
        rotations.push(Rotation {
            name: ObjectName::parse(name).unwrap(),
            uid,
            revision: mes_core::names::Revision::parse(format!("9{number}")).unwrap(),
            created: world.now,
            trigger: dice.one(&[
                Trigger::Onboarding,
                Trigger::Schedule,
                Trigger::Expiry,
                Trigger::Request,
                Trigger::Compromise,
            ]),
            revocation: dice.one(&[Revocation::WhenProven, Revocation::AtOnce]),
            candidate: match dice.roll() % 4 {
                0 => Some(Candidate::FromSecret(ObjectName::parse("crm-new").unwrap())),
                1 => Some(Candidate::Version(version(dice, world))),
                _ => None,
            },
            owned: dice.one(&[None, Some(true), Some(false)]),
            generated: dice.once_in(2),
            held: dice.once_in(2),
            deleting: Some(world.now).filter(|_| dice.once_in(4)),
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
    let times = [Timestamp::MIN, Timestamp::UNIX_EPOCH, world.now, Timestamp::MAX];
    for rotation in &mut rotations {
        if dice.once_in(2) {
            continue;
        }
        if dice.once_in(2) {
            rotation.attempt = Some(Attempt {
                number: dice.one(&[0, 1, 2, 400, u16::MAX]),
                version: if dice.once_in(3) { version(dice, world) } else { VersionId::of(&rotation.uid, 1) },
                supersedes: Some(version(dice, world)).filter(|_| dice.once_in(2)),
                slot: dice.one(&[None, Slot::parse("a").ok(), Slot::parse("zz").ok()]),
                baseline: BTreeSet::new(),
                step: dice.one(&[IntentStep::Create, IntentStep::Register, IntentStep::Promote]),
                time: dice.one(&times),
                candidate: None,
                accepted: dice.one(&[0, 1, u8::MAX]),
            });
        }
        for number in 0..dice.roll() % 4 {
            let id = dice.one(&["somebody-elses", "unknown-1", "not-listed", "listed-0", "listed-1"]);
            let id = if dice.once_in(2) { id.to_owned() } else { version(dice, world).to_string() };
            let owed = Owed {
                version: Some(version(dice, world)).filter(|_| number > 0 || dice.once_in(2)),
                doomed: Some(dice.one(&times)).filter(|_| dice.once_in(2)),
            };
            rotation.owed.insert(CredentialId::parse(id).unwrap(), owed);
        }
        rotation.promoted = Some(dice.one(&times)).filter(|_| dice.once_in(2));
        rotation.overlap = dice.one(&[None, Some(SignedDuration::MAX), Some(SignedDuration::MIN)]);
        rotation.aborting = dice.once_in(4);
        rotation.deleting = Some(world.now).filter(|_| dice.once_in(4));
        rotation.unreadable = dice.once_in(8);
        rotation.ended = Some((
            dice.one(&[Ended::Revoked, Ended::Kept, Ended::Cancelled, Ended::Exhausted, Ended::Merged]),
            dice.one(&times),
        ))
        .filter(|_| dice.once_in(3));
    }
    // An older journal: what came last is missing.
    if dice.once_in(4) {
        rotations.pop();
    }
    Journal { rotations }
}

/// A fault of any kind.
pub(crate) fn any_fault(dice: &mut Dice) -> Fault {
    Fault::new(Place::Partner, dice.one(&FAULTS), "Test")
}

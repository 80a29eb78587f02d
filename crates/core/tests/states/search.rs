//! The state space: who may do what next, and what becomes of it.
//!
//! A leader's pass is one action: it looks, `decide` is asked, and the effect it gives is done, with any fate; or it pauses
//! between the two, and others act meanwhile. Time goes by a tick at a time, and only where a leader waits for it; no call
//! outlives the tick after the one in which its pass began (D). Called by `main.rs` and by `rest.rs`.

use mes_core::decide::{Decision, Step, Verdict};
use mes_core::effect::Effect;
use mes_core::facts::Look;
use mes_core::fault::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::Timestamp;
use stateright::{Model, Property};

use crate::bounds::Bounds;
use crate::hands::{self, Hand, Kinds};
use crate::rules;
use crate::state::{Before, Call, Leader, Left, Past, Slim, State, TICK};
use crate::world::{Kind, Live, Outcome, World, fault};
use mes_core::fault::FaultKind;

/// What is searched.
pub(crate) struct Search {
    pub(crate) kind: Kind,
    pub(crate) base: World,
    pub(crate) first: State,
    pub(crate) hands: &'static [Kinds],
    pub(crate) blind: Blind,
    /// Whether each state is walked on from to its rest.
    pub(crate) walks: bool,
    /// States from which one leader alone is known to come to rest.
    pub(crate) rests: Mutex<BTreeSet<u64>>,
}

/// What is written without a comparison, in a search that must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blind {
    No,
    Labels,
    Targets,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It happens and is answered.
    Fine,
    /// It happens, and its answer is lost.
    Lost,
    /// It does not happen, and no answer says so.
    Vanished,
    /// It surely does not happen.
    Refused,
    /// Its answer is given up, and it happens later.
    Late,
    /// The candidate is made; its put is given up, and happens later.
    LatePut,
    /// The candidate is made, and its put never happens.
    Torn,
    /// The process dies before it,
    CrashBefore,
    /// … after it,
    CrashAfter,
    /// … while it is on its way,
    CrashLate,
    /// … between the making of a candidate and its put.
    CrashTorn,
}

/// Which answer of a pass is older than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stale {
    Nothing,
    /// The labels as they were so many changes ago.
    Labels(usize),
    List,
}

const STALE: &[Stale] = &[Stale::Nothing, Stale::Labels(0), Stale::Labels(1), Stale::Labels(2), Stale::List];

/// What a pass did by looking: trying a credential may be using it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Used {
    live: BTreeSet<Live>,
    deaths: BTreeMap<u32, Timestamp>,
    told: BTreeSet<&'static str>,
}

/// One action.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// A pass of a leader and its effect.
    Pass(usize, Stale, Effect, Fate, Option<Used>),
    /// A pass of a leader, which pauses before its effect …
    Decides(usize, Stale, Effect, Option<Used>),
    /// … and makes it now.
    Calls(usize, Fate),
    /// A pass of a leader that makes a candidate, and pauses before the put of its value.
    Makes(usize, Effect, Option<Used>),
    /// A late call lands.
    Lands(usize),
    /// A pass that ends without an effect, and writes that down.
    Ends(usize, Option<Used>),
    /// A tick of time, in which one leader pauses or none.
    Tick(bool),
    /// A person does something.
    Hand(Hand),
    /// A rotation is asked for.
    Asks,
}

/// A pass of one leader.
pub(crate) struct Pass {
    pub(crate) next: Verdict,
    pub(crate) decision: Decision,
    pub(crate) used: Option<Used>,
    pub(crate) world: World,
}

impl Search {
    /// From a resource at rest, of which a rotation is asked.
    pub(crate) fn new(kind: Kind, bounds: Bounds) -> Self {
        let mut world = World::new(kind, mes_core::spec::Onboard::FromSecret);
        world.bounds.deadline = TICK;
        world.bounds.settling = TICK;
        world.bounds.acceptance = TICK * 3;
        world.bounds.spacing = TICK;
        world.bounds.attempts = 3;
        world.told = Some(BTreeSet::new());
        if bounds.deletes() {
            world.resource.deletion = hands::TAKE_ALONG;
        }
        let spec = world.resource.spec.as_mut().unwrap();
        spec.rotation.first_immediately = false;
        spec.rotation.overlap = jiff::SignedDuration::ZERO;
        let mut idle = 0;
        while idle < 5 {
            idle = if world.pass(|_| Outcome::Fine).is_some() { 0 } else { idle + 1 };
        }
        assert!(world.resource.noted.onboarded);
        world.now = Timestamp::UNIX_EPOCH + TICK * 100_000;
        let mut base = world.clone();
        base.journal.rotations.clear();
        let past = Past { was_current: world.current().cloned().into_iter().collect(), ..Past::default() };
        let mut first = State {
            slim: Slim::of(&world, 1),
            before: Before::default(),
            leaders: vec![Leader::default(); bounds.leaders],
            late: Vec::new(),
            left: Left {
                faults: bounds.faults,
                hands: bounds.hands,
                pauses: bounds.pauses,
                stale: bounds.stale,
                rotations: bounds.rotations,
            },
            past,
        };
        first.settle_revisions();
        let mut search =
            Self { kind, base, first, hands: bounds.of, blind: Blind::No, walks: true, rests: Mutex::default() };
        search.first = search.asked(&search.first);
        search
    }

    pub(crate) fn asked(&self, state: &State) -> State {
        let mut world = self.world(state);
        world.request(&format!("crm-asked{}", state.slim.opened));
        let mut next = state.clone();
        next.left.rotations = next.left.rotations.saturating_sub(1);
        self.moved(&mut next, &world, state.slim.opened + 1);
        next
    }

    pub(crate) fn world(&self, state: &State) -> World {
        state.slim.world(&self.base)
    }

    /// A pass of a leader up to what it would do.
    pub(crate) fn pass(&self, state: &State, leader: usize, stale: Stale) -> Option<Pass> {
        let mut world = self.world(state);
        match stale {
            Stale::Nothing => {}
            Stale::Labels(ago) => {
                let (stages, _) = state.before.stages.get(ago)?;
                let mut then = world.clone();
                then.stages = stages.clone();
                world.answers.insert(Look::StoreSecret, then.answer(&Look::StoreSecret));
            }
            Stale::List => world.listed = Some(state.before.live.as_ref()?.0.clone()),
        }
        world.tries = state.leaders[leader].tries(&world.journal, world.now);
        let (live, deaths) = (world.live.clone(), world.deaths.clone());
        let (next, decision, _) = world.decided();
        let told = world.told.clone().unwrap_or_default();
        let used = (live != world.live || deaths != world.deaths || !told.is_empty()).then(|| Used {
            live: world.live.clone(),
            deaths: world.deaths.clone(),
            told,
        });
        world.answers.clear();
        world.listed = None;
        Some(Pass { next, decision, used, world })
    }

    fn looked(&self, state: &State, used: Option<&Used>) -> (World, State) {
        let mut world = self.world(state);
        let mut next = state.clone();
        if let Some(used) = used {
            world.live = used.live.clone();
            world.deaths = used.deaths.clone();
            next.past.broken.extend(&used.told);
        }
        (world, next)
    }

    /// The world has moved.
    fn moved(&self, next: &mut State, world: &World, opened: u32) {
        if next.left.stale > 0 {
            if next.slim.stages != world.stages {
                next.before.stages.insert(0, (next.slim.stages.clone(), 0));
                next.before.stages.truncate(3);
            }
            if next.slim.live != world.live {
                next.before.live = Some((next.slim.live.clone(), 0));
            }
        } else {
            next.before = Before::default();
        }
        next.past.broken.extend(world.told.iter().flatten());
        // One attempt, one create: that is both.
        if next.past.broken.contains("S7") {
            next.past.broken.insert("P4");
        }
        next.past.was_current.extend(world.current().cloned());
        next.slim = Slim::of(world, opened);
        // Each change has a moment of its own, so that what came first is told.
        next.slim.now += jiff::SignedDuration::from_millis(1);
        next.settle_revisions();
    }

    /// A call is made, with this fate, by a leader, or by nobody who hears of it.
    fn made(&self, world: &mut World, next: &mut State, who: Option<usize>, call: Call, fate: Fate, seen: bool) {
        if fate != Fate::Fine {
            next.left.faults -= 1;
        }
        let before = world.clone();
        let answer = match fate {
            Fate::Fine | Fate::CrashAfter => self.perform(world, &call),
            Fate::Lost => self.perform(world, &call).and(Err(fault(FaultKind::Unknown))),
            Fate::Vanished | Fate::CrashBefore => {
                world.lost.extend(call.put);
                Err(fault(FaultKind::Unknown))
            }
            Fate::Refused => Err(fault(FaultKind::Unsent)),
            Fate::Late | Fate::CrashLate => {
                next.late.push(call.clone());
                Err(fault(FaultKind::Unknown))
            }
            Fate::LatePut | Fate::Torn | Fate::CrashTorn => {
                if let Some(bytes) = call.put.or_else(|| mint(world, &call.effect)) {
                    if fate == Fate::LatePut {
                        next.late.push(Call { put: Some(bytes), ..call.clone() });
                    } else {
                        world.lost.insert(bytes);
                    }
                }
                Err(fault(FaultKind::Unknown))
            }
        };
        rules::after(self, &before, world, &call, seen, &mut next.past);
        let Some(who) = who else { return };
        if matches!(fate, Fate::CrashBefore | Fate::CrashAfter | Fate::CrashLate | Fate::CrashTorn) {
            next.leaders[who] = Leader::default();
        } else {
            let surely_not = answer.as_ref().err().is_some_and(Fault::surely_nothing_happened);
            next.leaders[who].heard(&call.effect, answer.is_ok(), surely_not);
        }
    }

    fn perform(&self, world: &mut World, call: &Call) -> Result<(), Fault> {
        match (&call.effect, call.put) {
            (Effect::Mint { version, .. }, Some(bytes)) => {
                world.put(version, bytes, None, mes_core::names::Stage::PENDING)
            }
            (Effect::ApplyTarget { version, .. }, _) if self.blind == Blind::Targets => {
                world.target = Some((2, version.clone()));
                Ok(())
            }
            (Effect::Promote { to, right, .. }, _) if self.blind == Blind::Labels => {
                let from = world.current().cloned();
                world.perform(&Effect::Promote { to: to.clone(), from, right: right.clone() })
            }
            (effect, _) => world.perform(effect),
        }
    }

    fn fates(state: &State, call: &Call) -> Vec<Fate> {
        let mut fates = vec![Fate::Fine];
        if state.left.faults == 0 {
            return fates;
        }
        fates.extend([Fate::Lost, Fate::Vanished, Fate::CrashBefore, Fate::CrashAfter]);
        let outside = !matches!(call.effect, Effect::Hold | Effect::Release { .. } | Effect::HoldRotation { .. });
        if outside && call.age == 0 {
            fates.extend([Fate::Late, Fate::CrashLate]);
        }
        if call.effect.right().is_some() && call.put.is_none() {
            fates.push(Fate::Refused);
        }
        if matches!(call.effect, Effect::Mint { .. }) {
            fates.extend([Fate::Torn, Fate::CrashTorn]);
            fates.extend((call.age == 0).then_some(Fate::LatePut));
        }
        fates
    }

    /// What a leader may do; whether it waits for time, and whether it has something to do.
    fn of_leader(&self, state: &State, who: usize, actions: &mut Vec<Action>) -> (bool, bool) {
        if let Some(call) = &state.leaders[who].decided {
            actions.extend(Self::fates(state, call).into_iter().map(|fate| Action::Calls(who, fate)));
            return (false, false);
        }
        let (mut waits, mut acts) = (false, false);
        let stale: &[Stale] = if state.left.stale > 0 { STALE } else { &[Stale::Nothing] };
        for stale in stale {
            let Some(pass) = self.pass(state, who, *stale) else { continue };
            match pass.next {
                Err(Step::Act(effect)) => {
                    acts |= *stale == Stale::Nothing;
                    let call = Call { effect: effect.clone(), put: None, age: 0 };
                    for fate in Self::fates(state, &call) {
                        actions.push(Action::Pass(who, *stale, effect.clone(), fate, pass.used.clone()));
                    }
                    if state.left.pauses > 0 {
                        actions.push(Action::Decides(who, *stale, effect.clone(), pass.used.clone()));
                        if matches!(effect, Effect::Mint { .. }) && *stale == Stale::Nothing {
                            actions.push(Action::Makes(who, effect, pass.used));
                        }
                    }
                }
                next if *stale == Stale::Nothing => {
                    waits |= matches!(next, Err(Step::Wait { until: Some(_), .. }));
                    let mut world = pass.world;
                    world.settle(&pass.decision);
                    if world.resource.noted != state.slim.noted || pass.used.is_some() {
                        actions.push(Action::Ends(who, pass.used));
                    }
                }
                _ => {}
            }
        }
        (waits, acts)
    }

    pub(crate) fn tick(state: &State) -> State {
        let mut next = state.clone();
        let deleting = next.slim.deleting.is_some();
        for leader in &mut next.leaders {
            leader.waits(&state.slim.journal, deleting);
        }
        next.late.iter_mut().for_each(|call| call.age += 1);
        next.before.stages.retain(|(_, age)| *age == 0);
        next.before.stages.iter_mut().for_each(|(_, age)| *age = 1);
        next.before.live = next.before.live.take().filter(|(_, age)| *age == 0).map(|(was, _)| (was, 1));
        next.slim.now += TICK;
        let now = next.slim.now;
        let dead: Vec<u32> = next.slim.deaths.iter().filter(|(_, at)| **at <= now).map(|(bytes, _)| *bytes).collect();
        next.slim.live.retain(|live| !dead.contains(&live.bytes));
        next.slim.deaths.retain(|_, at| *at > now);
        next
    }

    /// Whether every call on its way may still be on it a tick later.
    fn may_tick(state: &State) -> bool {
        let decided = state.leaders.iter().filter_map(|leader| leader.decided.as_ref());
        decided.chain(&state.late).all(|call| call.age == 0)
    }

    /// A call whose leader is gone lands.
    pub(crate) fn landed(&self, state: &State, call: Call) -> State {
        let mut next = state.clone();
        let mut world = self.world(state);
        self.made(&mut world, &mut next, None, call, Fate::Fine, false);
        let opens = u32::from(world.journal.rotations.len() > state.slim.journal.rotations.len());
        self.moved(&mut next, &world, state.slim.opened + opens);
        next
    }

    /// An effect of the one leader is done.
    pub(crate) fn acts(&self, state: &State, effect: Effect, used: Option<Used>) -> State {
        self.one(state, &Action::Pass(0, Stale::Nothing, effect, Fate::Fine, used)).unwrap()
    }

    /// A pass of the one leader ends.
    pub(crate) fn ended(&self, state: &State) -> State {
        self.one(state, &Action::Ends(0, None)).unwrap()
    }

    fn one(&self, state: &State, action: &Action) -> Option<State> {
        let opened = state.slim.opened;
        let next = match action {
            Action::Pass(who, stale, effect, fate, used) => {
                let (mut world, mut next) = self.looked(state, used.as_ref());
                next.left.stale -= u8::from(*stale != Stale::Nothing);
                next.past.broken.extend(rules::decided(self, &world, state, *who, effect, *stale));
                let call = Call { effect: effect.clone(), put: None, age: 0 };
                self.made(&mut world, &mut next, Some(*who), call, *fate, *stale != Stale::List);
                let opens = u32::from(world.journal.rotations.len() > state.slim.journal.rotations.len());
                self.moved(&mut next, &world, opened + opens);
                next
            }
            Action::Decides(who, stale, effect, used) => {
                let (world, mut next) = self.looked(state, used.as_ref());
                next.left.stale -= u8::from(*stale != Stale::Nothing);
                next.left.pauses -= 1;
                next.past.broken.extend(rules::decided(self, &world, state, *who, effect, *stale));
                next.leaders[*who].decided = Some(Call { effect: effect.clone(), put: None, age: 0 });
                self.moved(&mut next, &world, opened);
                next
            }
            Action::Makes(who, effect, used) => {
                let (mut world, mut next) = self.looked(state, used.as_ref());
                next.left.pauses -= 1;
                let put = mint(&mut world, effect);
                next.leaders[*who].decided = Some(Call { effect: effect.clone(), put, age: 0 });
                self.moved(&mut next, &world, opened);
                next
            }
            Action::Calls(who, fate) => {
                let mut next = state.clone();
                let mut world = self.world(state);
                let call = next.leaders[*who].decided.take()?;
                self.made(&mut world, &mut next, Some(*who), call, *fate, false);
                let opens = u32::from(world.journal.rotations.len() > state.slim.journal.rotations.len());
                self.moved(&mut next, &world, opened + opens);
                next
            }
            Action::Lands(which) => {
                let mut rest = state.clone();
                let call = rest.late.remove(*which);
                self.landed(&rest, call)
            }
            Action::Ends(who, _) => {
                let pass = self.pass(state, *who, Stale::Nothing)?;
                let (_, mut next) = self.looked(state, pass.used.as_ref());
                let mut world = pass.world;
                world.settle(&pass.decision);
                self.moved(&mut next, &world, opened);
                next
            }
            Action::Tick(pauses) => {
                let mut next = Self::tick(state);
                next.left.pauses -= u8::from(*pauses);
                next.settle_revisions();
                next
            }
            Action::Hand(hand) => {
                let mut next = state.clone();
                let mut world = self.world(state);
                next.left.hands -= 1;
                hand.lay(&mut world, &mut next.past, opened);
                let opens = u32::from(world.journal.rotations.len() > state.slim.journal.rotations.len());
                self.moved(&mut next, &world, opened + opens);
                next
            }
            Action::Asks => self.asked(state),
        };
        Some(next)
    }
}

/// The partner's part of a mint.
fn mint(world: &mut World, effect: &Effect) -> Option<u32> {
    let Effect::Mint { tag, .. } = effect else { return None };
    Some(world.create(tag))
}

impl Model for Search {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first.clone()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // What was broken stays broken: nothing is learned beyond.
        if !state.past.broken.is_empty() {
            return;
        }
        let (mut waits, mut acts) = (false, false);
        for who in 0..state.leaders.len() {
            // Two that are alike do alike.
            if who == 0 || state.leaders[who] != state.leaders[who - 1] {
                let (waiting, acting) = self.of_leader(state, who, actions);
                (waits, acts) = (waits | waiting, acts | acting);
            }
        }
        actions.extend((0..state.late.len()).map(Action::Lands));
        // One that has something to do and lets a tick go by pauses.
        if waits && Self::may_tick(state) && (!acts || state.left.pauses > 0) {
            actions.push(Action::Tick(acts));
        }
        if state.left.hands > 0 {
            actions.extend(hands::possible(self, state).into_iter().map(Action::Hand));
        }
        if state.left.rotations > 0 && state.slim.journal.waiting().next().is_none() {
            actions.push(Action::Asks);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = self.one(state, &action)?;
        rules::always(self, &mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rules::properties()
    }
}

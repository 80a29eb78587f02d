//! Outside hands, at every step of a life: a person moves AWSCURRENT, deletes a Rotation or the resource, puts a value of
//! their own into the idle slot; Secrets Manager answers with what was true before; a second leader works beside the first.

use jiff::SignedDuration;
use mes_core::effect::Effect;
use mes_core::facts::{Facts, Look, Sight};
use mes_core::names::{Slot, VersionId};
use mes_core::spec::{Deletion, Fate, Onboard};
use mes_core::tries::Tries;

use super::{Lives, live, rested, safe, subjects};
use crate::world::{Kind, Live, Outcome, World};

/// What a hand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    /// AWSCURRENT onto the n-th version that works.
    Moves(usize),
    /// A live credential of a person's own, put as AWSCURRENT.
    Puts,
    /// `kubectl delete rotation` of the one under way.
    DeletesRotation,
    /// `kubectl delete mes`, with everything that it can take along.
    DeletesResource,
    /// The idle slot gets a value that is not ours.
    FillsSlot,
    /// One Describe answers with what was true so many effects ago.
    Stale(usize),
}

const HANDS: [Hand; 9] = [
    Hand::Moves(0),
    Hand::Moves(1),
    Hand::Moves(2),
    Hand::Puts,
    Hand::DeletesRotation,
    Hand::DeletesResource,
    Hand::FillsSlot,
    Hand::Stale(1),
    Hand::Stale(3),
];

const TAKE_ALL: Deletion =
    Deletion { targets: Fate::Remove, store: Fate::Retain, partner: Fate::Remove, recovery_window_days: 30 };

/// Whether the hand found anything to do.
fn lay(hand: Hand, world: &mut World, seen: &[Sight]) -> bool {
    match hand {
        Hand::Moves(nth) => {
            let works = |version: &&VersionId| world.is_live(version) && Some(*version) != world.current();
            let to = world.bytes.keys().filter(works).nth(nth).cloned();
            to.filter(|_| world.resource.noted.onboarded).map(|to| world.moved_by_hand(&to)).is_some()
        }
        Hand::Puts => {
            if world.kind != Kind::Tagged || !world.resource.noted.onboarded {
                return false;
            }
            let version = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
            world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
            world.bytes.insert(version.clone(), (8000, None));
            world.moved_by_hand(&version);
            true
        }
        Hand::DeletesRotation => {
            let open = world.journal.open().map(|open| open.name.clone());
            open.map(|open| world.delete_rotation(&open)).is_some()
        }
        Hand::DeletesResource => {
            world.delete_resource(TAKE_ALL);
            true
        }
        Hand::FillsSlot => {
            let slot = ["a", "b"].map(|slot| Slot::parse(slot).unwrap());
            let empty = slot.into_iter().find(|slot| !world.live.iter().any(|live| live.slot.as_ref() == Some(slot)));
            let Some(slot) = empty.filter(|_| world.kind == Kind::Slots) else { return false };
            world.live.insert(Live { bytes: 9000, slot: Some(slot), main: true, tag: None })
        }
        Hand::Stale(ago) => {
            let Some(then) = seen.len().checked_sub(ago + 1).map(|at| seen[at].clone()) else { return false };
            world.answers.insert(Look::StoreSecret, then);
            true
        }
    }
}

/// A life with one hand laid on it just before effect `at`, and, if asked for, a crash right after that effect. `None`:
/// there was nothing for the hand to do.
fn handled(kind: Kind, onboard: Onboard, at: usize, hand: Hand, crash: bool) -> Option<()> {
    let told = [(at, if crash { Outcome::CrashAfter } else { Outcome::Fine })];
    let mut world = World::new(kind, onboard);
    // The finalizer of a resource that promised to take its credentials along.
    world.resource.deletion = if hand == Hand::DeletesResource { TAKE_ALL } else { world.resource.deletion };
    let (mut effects, mut idle, mut requests, mut laid) = (0, 0, 0, false);
    let mut seen = Vec::new();
    for _ in 0..3000 {
        if effects == at && !laid {
            laid = true;
            if !lay(hand, &mut world, &seen) {
                return None;
            }
        }
        let fate = if laid && effects == at && crash { Outcome::CrashAfter } else { Outcome::Fine };
        let moved = world.pass(|_| fate);
        world.answers.clear();
        match &moved {
            Some(effect) => {
                effects += 1;
                idle = 0;
                safe(&world, effect, &told);
                seen.push(world.answer(&Look::StoreSecret));
            }
            None => idle += 1,
        }
        if hand == Hand::FillsSlot && laid && idle > 20 {
            let foreign = world.live.iter().any(|live| live.bytes == 9000);
            let ours = world.journal.rotations.iter().filter(|rotation| rotation.promoted.is_some()).count();
            assert!(foreign, "a foreign value was touched after {ours} rotations: {:#?}", world.journal);
            // Its owner consents, as the message says.
            world.live.retain(|live| live.bytes != 9000);
            idle = 0;
        }
        if world.resource.deleting.is_some() {
            // A main pair ends only by another's taking its place: told (`StillMain`), and let go as the message says.
            if kind == Kind::Staged && idle > 20 && world.resource.held {
                let main: Vec<bool> = world.live.iter().map(|live| live.main).collect();
                assert_eq!(main, [true], "told before everything else was revoked: {:?}", world.live);
                world.live.clear();
                world.resource.deletion.partner = Fate::Retain;
                // What a rotation still owes could be proven by nothing that works: it stands on the secret after a day.
                world.now += SignedDuration::from_hours(24);
                idle = 0;
            }
            if !world.resource.held && world.journal.rotations.iter().all(|rotation| !rotation.held) && idle > 3 {
                // A seed that never came in is its owner's.
                let seed = |live: &Live| live.bytes == 1 && !world.resource.noted.onboarded;
                assert!(world.live.iter().all(seed), "S15: {hand:?} at {at}: {:?} {:#?}", world.live, world.journal);
                return Some(());
            }
            continue;
        }
        let at_rest = world.resource.noted.onboarded && world.journal.waiting().next().is_none();
        if idle > 8 && at_rest {
            if requests == 2 {
                if laid {
                    rested_after(&world, hand, at);
                }
                return laid.then_some(());
            }
            // What a person's decision left alive, the next rotation owes.
            requests += 1;
            world.request(&format!("crm-byhand{requests}"));
            idle = 0;
        }
    }
    panic!(
        "{kind:?} {hand:?} at {at} crash {crash} never came to rest: {:#?} live {:?} stages {:?} target {:?}",
        world.journal, world.live, world.stages, world.target
    );
}

fn rested_after(world: &World, hand: Hand, at: usize) {
    let mut world = world.clone();
    if hand == Hand::Puts {
        let own = world.current().is_some_and(|current| world.bytes[current].0 == 8000);
        world.live.retain(|live| live.bytes != 8000 || own);
    }
    rested(&world, &[(at, Outcome::Fine)]);
}

#[test]
fn outside_hands_at_any_step_break_nothing_and_it_comes_to_rest() {
    let mut lives = Lives::default();
    for (kind, onboard) in subjects() {
        let (_, effects) = live(kind, onboard.clone(), &[]);
        for at in 0..effects {
            for hand in HANDS {
                for crash in [false, true] {
                    if handled(kind, onboard.clone(), at, hand, crash).is_some() {
                        lives.count(kind);
                    }
                }
            }
        }
    }
    lives.told("lives with an outside hand");
    assert!(lives.0.values().all(|lives| *lives > 200), "{:?}", lives.0);
}

/// Two processes that both think they lead, by a seeded scheduler: each pauses between its decision and its call for as
/// long as D allows, loses answers and dies.
fn two_leaders(kind: Kind, onboard: Onboard, seed: u64) {
    let mut random = seed;
    let mut roll = move |of: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % of
    };
    let mut world = World::new(kind, onboard);
    let mut memories = [Tries::default(), Tries::default()];
    let mut decided: [Option<(Effect, Facts, jiff::Timestamp)>; 2] = [None, None];
    let mut requested = false;
    for step in 0..400 {
        let who = usize::from(roll(2) == 1);
        std::mem::swap(&mut world.tries, &mut memories[who]);
        let fate = [Outcome::Fine, Outcome::Fine, Outcome::Fine, Outcome::Fine, Outcome::Lost, Outcome::CrashAfter]
            [usize::try_from(roll(6)).unwrap()];
        let moved = match decided[who].take() {
            Some((effect, facts, _)) => {
                world.finish(&effect, facts, fate);
                Some(effect)
            }
            None => match world.decided() {
                (Err(mes_core::decide::Step::Act(effect)), _, facts) if roll(3) == 0 => {
                    decided[who] = Some((effect, facts, world.now));
                    None
                }
                _ => {
                    let others_call = decided[1 - who].is_some();
                    let one = jiff::SignedDuration::from_secs(1);
                    world.longest_sleep = if others_call { one } else { jiff::SignedDuration::from_hours(2) };
                    world.pass(|_| fate)
                }
            },
        };
        std::mem::swap(&mut world.tries, &mut memories[who]);
        if let Some(effect) = &moved {
            safe(&world, effect, &[(step, fate)]);
        }
        // No call is later than D after its first look.
        for who in [0, 1] {
            let late = |at: &jiff::Timestamp| {
                world.now.duration_since(*at) >= world.bounds.deadline - jiff::SignedDuration::from_secs(1)
            };
            if decided[who].as_ref().is_some_and(|(_, _, at)| late(at)) {
                let (effect, facts, _) = decided[who].take().unwrap();
                std::mem::swap(&mut world.tries, &mut memories[who]);
                world.finish(&effect, facts, Outcome::Fine);
                std::mem::swap(&mut world.tries, &mut memories[who]);
                safe(&world, &effect, &[(step, Outcome::Fine)]);
            }
        }
        if step > 150 && !requested {
            requested = true;
            world.request("crm-byhand");
        }
    }
    for who in [0, 1] {
        if let Some((effect, facts, _)) = decided[who].take() {
            world.finish(&effect, facts, Outcome::Fine);
        }
    }
    // One is left.
    world.crash();
    world.longest_sleep = jiff::SignedDuration::from_hours(2);
    let mut idle = 0;
    for _ in 0..2000 {
        match world.pass(|_| Outcome::Fine) {
            Some(effect) => {
                safe(&world, &effect, &[]);
                idle = 0;
            }
            None => idle += 1,
        }
        if idle > 8 && world.resource.noted.onboarded && world.journal.waiting().next().is_none() {
            rested(&world, &[]);
            return;
        }
    }
    panic!("{kind:?} seed {seed} never came to rest: {:#?} live {:?}", world.journal, world.live);
}

#[test]
fn two_leaders_break_nothing_and_the_last_one_comes_to_rest() {
    let lives = 60;
    for seed in 0..lives {
        for (kind, onboard) in subjects() {
            two_leaders(kind, onboard, seed);
        }
    }
    println!("{lives} lives of two leaders for each contract");
}

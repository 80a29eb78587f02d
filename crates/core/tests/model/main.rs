//! The protocol under faults, over the same `decide` that ships: every effect of a life, each with every fate, alone and
//! in pairs. After every effect the safety invariants are checked; at the end, that all came to rest.
//!
//! S1, S2, S4: AWSCURRENT works once onboarded, so it moved only onto what works, and is never revoked. S3: nothing that a
//! region or the target holds is revoked. S7: one create an attempt. S8, S9: AWSCURRENT moves from the version that was
//! recorded, or forward from a doomed one. L1: it ends, with one live credential, no stray label and a closed journal.

mod alarms;
mod brought;
mod hands;
mod mints;
#[allow(dead_code, reason = "other tests use the rest of this world")]
#[path = "../world/mod.rs"]
mod world;

use mes_core::effect::Effect;
use mes_core::names::{Stage, VersionId};
use mes_core::spec::Onboard;
use world::{Kind, Outcome, World};

const FATES: [Outcome; 5] = [Outcome::CrashBefore, Outcome::CrashAfter, Outcome::Lost, Outcome::Refused, Outcome::Torn];

/// Every contract, and a first value of our own making.
fn subjects() -> Vec<(Kind, Onboard)> {
    Kind::ALL.map(|kind| (kind, Onboard::FromSecret)).into_iter().chain([(Kind::Slots, Onboard::Mint)]).collect()
}

/// How many lives each contract had.
#[derive(Default)]
struct Lives(std::collections::BTreeMap<String, usize>);

impl Lives {
    fn count(&mut self, kind: Kind) {
        *self.0.entry(format!("{kind:?}")).or_default() += 1;
    }

    fn told(&self, of: &str) {
        println!("{} {of}: {:?}", self.0.values().sum::<usize>(), self.0);
    }
}

/// A life: onboarded, rotated once on request, until nothing moves. `faults`: effect number to fate.
fn live(kind: Kind, onboard: Onboard, faults: &[(usize, Outcome)]) -> (World, usize) {
    let mut world = World::new(kind, onboard);
    let (mut effects, mut idle, mut requested) = (0, 0, false);
    for _ in 0..3000 {
        let moved =
            world.pass(|_| faults.iter().find(|(at, _)| *at == effects).map_or(Outcome::Fine, |(_, fate)| *fate));
        match &moved {
            Some(effect) => {
                effects += 1;
                idle = 0;
                safe(&world, effect, faults);
            }
            None => idle += 1,
        }
        // A lost value is told and rests there: whoever brings a new one is a person (`candidate.fromSecret`).
        if world.told_lost() && idle > 8 {
            return (world, effects);
        }
        // Nothing tells a lost credential from somebody's: its owner ends it, and so it goes on.
        if idle > 20 && !world.lost.is_empty() {
            let lost = std::mem::take(&mut world.lost);
            world.live.retain(|live| !lost.contains(&live.bytes));
            idle = 0;
        }
        let at_rest = world.resource.noted.onboarded && world.journal.waiting().next().is_none();
        if idle > 3 && at_rest && !requested {
            world.request("crm-byhand");
            requested = true;
            idle = 0;
        }
        if idle > 8 && at_rest && requested {
            return (world, effects);
        }
    }
    panic!(
        "{kind:?} {faults:?} never came to rest: {:#?} live {:?} stages {:?}",
        world.journal, world.live, world.stages
    );
}

fn safe(world: &World, after: &Effect, faults: &[(usize, Outcome)]) {
    let told = || {
        format!(
            "after {after:?}\nwith {faults:?}\njournal {:#?}\nlive {:?}\nstages {:?}",
            world.journal, world.live, world.stages
        )
    };
    // A person may put AWSCURRENT onto what is already being revoked: then it goes forward (PROTOCOL 5, P20).
    let by_hand = |version: &VersionId| world.killed.contains(&world.bytes[version].0);
    let works = |version: &VersionId| world.is_live(version) || world.journal.doomed(version) || by_hand(version);
    if world.resource.noted.onboarded && world.resource.deleting.is_none() {
        let current = world.current().unwrap_or_else(|| panic!("S1: no AWSCURRENT {}", told()));
        // In place it is dead from the point of no return to the promotion, and holders until they have the new one.
        let between = world.between();
        let by_consent = [Kind::InPlaceCaller, Kind::InPlacePartner].contains(&world.kind)
            && world.journal.waiting().next().is_some();
        assert!(between || works(current), "S1, S4: AWSCURRENT is dead {}", told());
        // Or by a person's word, until the next write of the target.
        let by_word = world.journal.rotations.iter().any(mes_core::journal::Rotation::at_once);
        if let Some((_, version)) = &world.target {
            assert!(
                between || by_consent || by_word || world.is_live(version) || by_hand(version),
                "S3: the target's credential is dead {}",
                told()
            );
        }
        if let Some(Some(version)) = world.replica.as_ref().filter(|_| !between) {
            assert!(works(version), "S3: the replica's credential is dead {}", told());
        }
    }
    if let Effect::Promote { from, right, .. } = after {
        let recorded = right.as_ref().and_then(|right| {
            let rotation = world.journal.rotations.iter().find(|rotation| rotation.uid == right.rotation)?;
            rotation.attempt.as_ref()?.supersedes.clone()
        });
        let unfit = |from: &VersionId| world.journal.unfit(from) || !world.is_live(from);
        let forward = from.as_ref().is_some_and(unfit);
        assert!(forward || recorded.is_none() && right.is_some() || recorded == *from, "S9 {}", told());
    }
}

fn rested(world: &World, faults: &[(usize, Outcome)]) {
    let told =
        || format!("with {faults:?}\njournal {:#?}\nlive {:?}\nstages {:?}", world.journal, world.live, world.stages);
    let lost = world.live.iter().filter(|live| world.lost.contains(&live.bytes)).count();
    // By its mark a lost one is known for ours, and ended.
    let told_apart = world.kind == Kind::Tagged;
    assert!(told_apart || lost == world.lost.len(), "R7: what nobody can tell apart was ended {}", told());
    if world.told_lost() {
        let torn = faults.iter().any(|(_, fate)| *fate == Outcome::Torn);
        assert!(torn && lost == 1, "only what was surely lost is told so {}", told());
        assert_eq!(world.live.len(), 1, "and nothing was made after it {}", told());
        return;
    }
    assert_eq!(world.live.len(), 1 + lost, "L1: one credential lives {}", told());
    for stages in world.stages.values() {
        assert!(
            stages.iter().all(|stage| [Stage::CURRENT, Stage::PREVIOUS].contains(&stage.as_str())),
            "L1: a label is left {}",
            told()
        );
    }
    assert_eq!(
        world.target.as_ref().map(|(_, version)| version),
        world.current(),
        "L1: the target carries AWSCURRENT {}",
        told()
    );
    assert!(!world.resource.held, "L1: the finalizer is gone {}", told());
}

#[test]
fn an_undisturbed_life_ends_with_one_credential_and_creates_no_more_than_it_needs() {
    for kind in Kind::ALL {
        let (world, effects) = live(kind, Onboard::FromSecret, &[]);
        rested(&world, &[]);
        // The seed is replaced at once (first: Immediate), then the request is served.
        let promoted = world.journal.rotations.iter().filter(|rotation| rotation.promoted.is_some()).count();
        assert_eq!(promoted, 2, "{kind:?}: {:#?}", world.journal);
        assert!(
            [Kind::Slots, Kind::InPlaceCaller].contains(&kind) || world.creates == 2,
            "{kind:?} created {} times",
            world.creates
        );
        assert!(effects < 60, "{kind:?} took {effects} effects");
    }
    let (world, _) = live(Kind::Slots, Onboard::Mint, &[]);
    rested(&world, &[]);
}

#[test]
fn one_fault_at_any_effect_breaks_nothing_and_comes_to_rest() {
    let mut lives = Lives::default();
    for (kind, onboard) in subjects() {
        let (_, effects) = live(kind, onboard.clone(), &[]);
        for at in 0..effects {
            for fate in FATES {
                let faults = [(at, fate)];
                let (world, _) = live(kind, onboard.clone(), &faults);
                rested(&world, &faults);
                lives.count(kind);
            }
        }
    }
    lives.told("lives with one fault");
}

#[test]
fn any_pair_of_faults_breaks_nothing_and_comes_to_rest() {
    let mut lives = Lives::default();
    for (kind, onboard) in subjects() {
        let (_, effects) = live(kind, onboard.clone(), &[]);
        for first in 0..effects {
            for second in first + 1..(first + 6).min(effects + 4) {
                for fates in [
                    (Outcome::CrashAfter, Outcome::CrashBefore),
                    (Outcome::CrashBefore, Outcome::CrashAfter),
                    (Outcome::Lost, Outcome::Lost),
                    (Outcome::CrashAfter, Outcome::Lost),
                    (Outcome::Torn, Outcome::CrashAfter),
                    (Outcome::Torn, Outcome::Torn),
                ] {
                    let faults = [(first, fates.0), (second, fates.1)];
                    let (world, _) = live(kind, onboard.clone(), &faults);
                    rested(&world, &faults);
                    lives.count(kind);
                }
            }
        }
    }
    lives.told("lives with two faults");
}

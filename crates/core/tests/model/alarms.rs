//! A `Compromise` at every effect of a life (P19): what runs makes way, nothing that works is lost but what a person gave
//! up by name, every earlier credential dies without an overlap, and it ends.

use jiff::SignedDuration;
use mes_core::journal::{Outcome as Ended, Revocation};
use mes_core::names::ObjectName;
use mes_core::spec::Onboard;

use super::{Lives, live, rested, safe, subjects};
use crate::world::{Kind, Outcome, World};

const ALARM: &str = "crm-alarm";

/// What comes after the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// The process dies right after the effect that follows it.
    Crash,
    /// A person deletes it so many effects later.
    Deleted(usize),
}

/// A life with an alarm just before effect `at`. `None`: the life is shorter.
fn alarmed(kind: Kind, onboard: Onboard, at: usize, revocation: Revocation, then: Then) -> Option<()> {
    let told = [(at, if then == Then::Crash { Outcome::CrashAfter } else { Outcome::Fine })];
    let mut world = World::new(kind, onboard);
    let (mut effects, mut idle, mut requests) = (0, 0, 0);
    let mut raised = None;
    for _ in 0..3000 {
        if effects == at && raised.is_none() {
            let before: Vec<u32> = world.live.iter().map(|live| live.bytes).collect();
            let served = world.resource.noted.onboarded;
            world.alarm(ALARM, revocation);
            raised = Some((world.now, before, served));
        }
        let fate = if effects == at && then == Then::Crash { Outcome::CrashAfter } else { Outcome::Fine };
        if let Some(effect) = world.pass(|_| fate) {
            effects += 1;
            idle = 0;
            safe(&world, &effect, &told);
            if then == Then::Deleted(effects.saturating_sub(at)) {
                world.delete_rotation(&ObjectName::parse(ALARM).unwrap());
            }
        } else {
            idle += 1;
        }
        if world.told_lost() && idle > 8 {
            return Some(());
        }
        let at_rest = world.resource.noted.onboarded && world.journal.waiting().next().is_none();
        if idle > 8 && at_rest {
            let needed = if matches!(then, Then::Deleted(_)) { 2 } else { 1 };
            if requests < needed {
                requests += 1;
                world.request(&format!("crm-byhand{requests}"));
                idle = 0;
                continue;
            }
            rested(&world, &told);
            let (_, before, _) = raised?;
            let left = world.live.iter().find(|live| before.contains(&live.bytes));
            assert!(left.is_none(), "{kind:?} at {at}: {left:?} outlived the alarm: {:#?}", world.journal);
            return Some(());
        }
        let Some((since, before, true)) = &raised else { continue };
        let alarm = world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == ALARM);
        let Some((outcome, ended)) = alarm.and_then(|alarm| alarm.ended) else { continue };
        if matches!(then, Then::Deleted(_)) {
            continue;
        }
        assert!(!outcome.failed() && outcome != Ended::Superseded, "{kind:?} at {at}: the alarm ended {outcome:?}");
        let took = ended.duration_since(*since);
        let by_partner = matches!(kind, Kind::Grace | Kind::FirstUse);
        assert!(by_partner || took < SignedDuration::from_mins(10), "{kind:?} at {at}: it took {took:?}");
        let left = world.live.iter().find(|live| before.contains(&live.bytes));
        assert!(
            left.is_none(),
            "{kind:?} {then:?} at {at}: {left:?} is alive at the alarm's end: {:#?}",
            world.journal
        );
    }
    panic!(
        "{kind:?} {revocation:?} {then:?} at {at} never came to rest: {:#?} live {:?} stages {:?} target {:?}",
        world.journal, world.live, world.stages, world.target
    );
}

#[test]
fn an_alarm_at_any_effect_breaks_nothing_leaves_nothing_and_ends() {
    let mut lives = Lives::default();
    for (kind, onboard) in subjects() {
        let (_, effects) = live(kind, onboard.clone(), &[]);
        for at in 0..effects {
            for revocation in [Revocation::WhenProven, Revocation::AtOnce] {
                for then in [Then::Nothing, Then::Crash, Then::Deleted(1), Then::Deleted(3), Then::Deleted(6)] {
                    if alarmed(kind, onboard.clone(), at, revocation, then).is_some() {
                        lives.count(kind);
                    }
                }
            }
        }
    }
    lives.told("lives with an alarm");
    assert!(lives.0.values().all(|lives| *lives > 100), "{:?}", lives.0);
}

//! A person's own candidate at every effect of a life: a new credential in a Secret, or an earlier version. What it is, is
//! in use at its end, or it says why not and nothing that works was ended for it; and all comes to rest.

use mes_core::effect::Effect;
use mes_core::journal::{Candidate, Outcome as Ended, Rejection, Rotation};
use mes_core::names::{ObjectName, VersionId};
use mes_core::spec::Onboard;

use super::{Lives, live, rested, safe, subjects};
use crate::world::{Kind, Outcome, World};

const OWN: &str = "crm-own";
const SECRET: &str = "crm-new";

/// What a person brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brings {
    /// A credential made beside the one in use.
    Beside,
    /// One made in the place of the one in use, which is dead from then on.
    Instead,
    /// One that the partner does not know.
    Dead,
    /// The n-th version that lives and is not current.
    Back(usize),
    /// The oldest version, whether it lives or not.
    First,
}

const BRINGS: [Brings; 6] =
    [Brings::Beside, Brings::Instead, Brings::Dead, Brings::Back(0), Brings::Back(1), Brings::First];

/// What becomes of the effects that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    /// So many effects later one meets this fate.
    Fate(usize, Outcome),
    /// So many effects later a person deletes the Rotation.
    Deleted(usize),
    /// So many effects later a person brings another credential.
    Again(usize),
}

/// The bytes that are to be in use, where there is something to bring.
fn bring(world: &mut World, brings: Brings) -> Option<u32> {
    let (bytes, candidate) = match brings {
        Brings::Beside | Brings::Instead => {
            let bytes = world.made_by_hand(SECRET, brings == Brings::Instead)?;
            (bytes, Candidate::FromSecret(ObjectName::parse(SECRET).unwrap()))
        }
        Brings::Dead => {
            world.secrets.insert(ObjectName::parse(SECRET).unwrap(), (7777, None));
            (7777, Candidate::FromSecret(ObjectName::parse(SECRET).unwrap()))
        }
        Brings::Back(nth) => {
            let works = |version: &&VersionId| world.is_live(version) && Some(*version) != world.current();
            let version = world.bytes.keys().filter(works).nth(nth)?.clone();
            (world.bytes[&version].0, Candidate::Version(version))
        }
        Brings::First => {
            let version = VersionId::first(&world.resource.own.uid, 0);
            (world.bytes.get(&version)?.0, Candidate::Version(version))
        }
    };
    world.bring(OWN, candidate);
    Some(bytes)
}

fn own(world: &World) -> Option<&Rotation> {
    world.journal.rotations.iter().find(|rotation| rotation.name.as_str() == OWN)
}

/// A life with something brought just before effect `at`. `None`: the life is shorter, or there was nothing to bring.
fn brought(kind: Kind, onboard: Onboard, at: usize, brings: Brings, then: Then) -> Option<()> {
    let mut world = World::new(kind, onboard);
    let (mut effects, mut idle, mut requests, mut asked) = (0, 0, 0, false);
    let (mut wanted, mut again, mut judged, mut promoted) = (None, None, false, false);
    let told = |world: &World| {
        format!(
            "{kind:?} {brings:?} {then:?} at {at}: {:#?} live {:?} bytes {:?} stages {:?} target {:?}",
            world.journal, world.live, world.bytes, world.stages, world.target
        )
    };
    for _ in 0..3000 {
        if effects == at && wanted.is_none() {
            if !world.resource.noted.onboarded {
                return None;
            }
            wanted = Some(bring(&mut world, brings)?);
        }
        let since = wanted.map(|_| effects - at);
        if let (Then::Again(later), Some(since), None) = (then, since, again)
            && since >= later
        {
            again = Some(world.made_by_hand("crm-newer", true));
            world.bring("crm-own-again", Candidate::FromSecret(ObjectName::parse("crm-newer").unwrap()));
        }
        let fate = match (then, since) {
            (Then::Fate(later, fate), Some(since)) if since == later => fate,
            _ => Outcome::Fine,
        };
        let moved: Option<Effect> = world.pass(|_| fate);
        if let Some(effect) = &moved {
            effects += 1;
            idle = 0;
            let faults = [(at, fate)];
            safe(&world, effect, &faults);
            if wanted.is_some() && then == Then::Deleted(effects - at) {
                world.delete_rotation(&ObjectName::parse(OWN).unwrap());
            }
        } else {
            idle += 1;
        }
        if let (Some(wanted), Some(rotation), false) = (wanted, own(&world), judged)
            && rotation.ended.is_some()
        {
            judged = true;
            ended(&world, rotation, brings, then, wanted, &told(&world));
        }
        if world.told_lost() && wanted.is_none() && idle > 8 {
            return None;
        }
        if idle > 20 && !world.lost.is_empty() {
            let lost = std::mem::take(&mut world.lost);
            world.live.retain(|live| !lost.contains(&live.bytes));
            idle = 0;
        }
        promoted |= own(&world).is_some_and(|own| own.promoted.is_some());
        // What he gave up is his own, and he takes it away where it stands in the way (`QuotaUsedByOthers`).
        let pending = world.journal.waiting().any(|open| open.candidate.is_some() && !open.aborting);
        if idle > 20 && !pending && world.current().is_some_and(|current| !world.is_live(current)) {
            // He ended what is in use, and gave up what was to take its place: so he brings another.
            world.made_by_hand("crm-last", true);
            world.bring(&format!("crm-last-{effects}"), Candidate::FromSecret(ObjectName::parse("crm-last").unwrap()));
            idle = 0;
        } else if idle > 20 && !pending {
            let used = world.current().map(|current| world.bytes[current].0);
            let his = |bytes: u32| (wanted == Some(bytes) || again == Some(Some(bytes))) && used != Some(bytes);
            world.live.retain(|live| !his(live.bytes));
        }
        let at_rest = world.resource.noted.onboarded && world.journal.waiting().next().is_none();
        if idle > 8 && at_rest && wanted.is_none() {
            // The life of `live`: one more rotation, on request.
            if asked {
                return None;
            }
            asked = true;
            world.request("crm-byhand");
            idle = 0;
        }
        if idle > 8 && at_rest && wanted.is_some() {
            // What a person left alive, the next rotation owes; what only he knows is his.
            if requests == 2 {
                // Given up, what he brought is left to him.
                if !promoted {
                    world.live.retain(|live| Some(live.bytes) != wanted);
                }
                let known: Vec<u32> = world.bytes.values().map(|(bytes, _)| *bytes).collect();
                let lost = world.lost.clone();
                world.live.retain(|live| known.contains(&live.bytes) || lost.contains(&live.bytes));
                rested(&world, &[(at, Outcome::Torn)]);
                return Some(());
            }
            requests += 1;
            world.request(&format!("crm-byhand{requests}"));
            idle = 0;
        }
    }
    panic!("it never came to rest: {}", told(&world));
}

/// What is true when the Rotation of what was brought ends.
fn ended(world: &World, rotation: &Rotation, brings: Brings, then: Then, wanted: u32, told: &str) {
    let (outcome, _) = rotation.ended.unwrap();
    let version = rotation.version();
    let stored = version.and_then(|version| world.bytes.get(version)).map(|(bytes, _)| *bytes);
    assert!(stored.is_none_or(|bytes| bytes == wanted), "it stored something else: {told}");
    if rotation.promoted.is_some() {
        assert!(!outcome.failed(), "{told}");
        assert!(brings != Brings::Dead, "what the partner refuses is never in use: {told}");
        return;
    }
    let disturbed = matches!(then, Then::Deleted(_) | Then::Again(_));
    match outcome {
        Ended::Cancelled | Ended::Superseded if disturbed => {}
        Ended::CandidateRejected(Rejection::Refused) => {
            let dead = !world.live.iter().any(|live| live.bytes == wanted);
            assert!(dead, "it is accepted: {told}");
            // Where trying is not using, nothing was written for it.
            assert!(rotation.attempt.is_none() || world.kind == Kind::FirstUse || disturbed, "{told}");
        }
        Ended::VersionNotLive => {
            let of = rotation.wanted().unwrap();
            let lives = world.is_live(of) && !world.journal.unfit(of);
            let given_up = world.journal.rotations.iter().any(|each| each.burned().any(|burned| burned == *of));
            let never_current = |each: &Rotation| each.promoted.is_none() && each.version() == Some(of);
            let candidate = world.journal.rotations.iter().any(never_current);
            assert!(!lives || given_up || candidate, "it lives: {told}");
        }
        _ => panic!("it ended {outcome:?}: {told}"),
    }
    for stages in world.stages.iter().filter(|(of, _)| Some(*of) == version).map(|(_, stages)| stages) {
        assert!(stages.is_empty(), "a label is left: {told}");
    }
}

#[test]
fn whatever_a_person_brings_at_any_effect_is_in_use_in_the_end_or_told_why_not_and_ends_nothing_else() {
    let fates = [Outcome::CrashBefore, Outcome::CrashAfter, Outcome::Lost, Outcome::Refused];
    let mut lives = Lives::default();
    // In place a person's hand can stand in the way of what can't be undone any more: that has tests of its own.
    let side_by_side = [Kind::Slots, Kind::Staged, Kind::Tagged, Kind::Untagged];
    for (kind, onboard) in subjects().into_iter().filter(|(kind, _)| side_by_side.contains(kind)) {
        let (_, effects) = live(kind, onboard.clone(), &[]);
        for at in 0..effects {
            for brings in BRINGS {
                // Every fate of every effect that follows, over the lives of all effects and contracts.
                let turn = (0..3).map(|nth| (at + 4 * nth) % 12);
                let mut all = vec![Then::Nothing];
                all.extend(turn.map(|later| Then::Fate(later, fates[(at / 3 + later) % fates.len()])));
                all.push(Then::Deleted(1 + at % 8));
                all.push(Then::Again(at % 8));
                for then in all {
                    if brought(kind, onboard.clone(), at, brings, then).is_some() {
                        lives.count(kind);
                    }
                }
            }
        }
    }
    lives.told("lives with a candidate of a person's own");
    assert!(lives.0.len() == 4 && lives.0.values().all(|lives| *lives > 100), "{:?}", lives.0);
}

/// A credential that rotates itself and is dead can't ask for another: a person's own heals it, also beside an attempt
/// that was under way, whose traces only the new one has the right to see.
#[test]
fn a_dead_credential_that_rotates_itself_is_healed_by_a_new_one_at_any_effect() {
    let mut healed = std::collections::BTreeMap::<String, usize>::new();
    for kind in [Kind::Staged, Kind::Tagged, Kind::Untagged, Kind::InPlacePartner, Kind::Grace, Kind::FirstUse] {
        for at in 0..60 {
            for crash in [at % 12, (at + 5) % 12] {
                let mut world = World::new(kind, Onboard::FromSecret);
                world.without_admin();
                let (mut effects, mut bytes) = (0, None);
                for _ in 0..2000 {
                    if effects == at && bytes.is_none() && world.resource.noted.onboarded {
                        bytes = bring(&mut world, Brings::Instead);
                    }
                    let dies = bytes.is_some() && effects == at + crash;
                    let moved = world.pass(|_| if dies { Outcome::CrashAfter } else { Outcome::Fine });
                    if let Some(effect) = moved {
                        effects += 1;
                        safe(&world, &effect, &[(at, Outcome::CrashAfter)]);
                    }
                    if own(&world).is_some_and(|own| own.ended.is_some()) {
                        break;
                    }
                }
                let Some(bytes) = bytes else { continue };
                let own = own(&world).unwrap_or_else(|| panic!("{kind:?} at {at}: {:#?}", world.journal));
                let told = || {
                    format!(
                        "{kind:?} at {at} crash {crash}: {:#?} live {:?} {:?}",
                        world.journal, world.live, world.stages
                    )
                };
                assert!(
                    own.promoted.is_some() && own.ended.is_some_and(|(outcome, _)| !outcome.failed()),
                    "{}",
                    told()
                );
                assert_eq!(world.bytes[own.version().unwrap()].0, bytes, "{}", told());
                assert!(world.current().is_some_and(|current| world.is_live(current)), "{}", told());
                *healed.entry(format!("{kind:?}")).or_default() += 1;
            }
        }
    }
    println!("healed {healed:?}");
    assert!(healed.len() == 6 && healed.values().all(|lives| *lives > 20), "{healed:?}");
}

/// The remedy that a lost value names.
#[test]
fn after_a_value_was_lost_in_place_a_new_credential_ends_the_outage() {
    for kind in [Kind::InPlacePartner, Kind::Grace] {
        let mut world = World::new(kind, Onboard::FromSecret);
        world.without_admin();
        world.until("the create", |effect| matches!(effect, Effect::Mint { .. }));
        world.pass(|_| Outcome::Torn);
        for _ in 0..400 {
            world.pass(|_| Outcome::Fine);
        }
        assert!(world.told_lost(), "{kind:?} {:#?}", world.journal);
        let dead = world.current().cloned().unwrap();
        assert!(!world.is_live(&dead));
        let bytes = bring(&mut world, Brings::Instead).unwrap();
        for _ in 0..400 {
            world.pass(|_| Outcome::Fine);
        }
        let current = world.current().cloned().unwrap();
        assert_eq!(world.bytes[&current].0, bytes, "{kind:?} {:#?}", world.journal);
        assert_eq!(world.target.as_ref().map(|(_, version)| version), Some(&current));
        assert!(world.journal.waiting().next().is_none(), "{:#?}", world.journal);
    }
}

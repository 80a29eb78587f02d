//! The rules as properties: what is told of a decision, of a call that lands, and of every state.
//!
//! A rule that was broken on the way to a state is in `past.broken`, and the property of its id is false there.

use mes_core::effect::Effect;
use mes_core::journal::{Entry, Outcome as Ended, Rotation};
use mes_core::names::{Uid, VersionId};
use stateright::Property;

use crate::rest;
use crate::search::{Search, Stale};
use crate::state::{Call, Past, State};
use crate::world::{Kind, World};

macro_rules! rules {
    ($($id:literal: $words:literal,)*) => {
        /// Every rule of the protocol and every promise of safety that a state can break.
        pub(crate) fn properties() -> Vec<Property<Search>> {
            vec![
                $(Property::always(concat!($id, " ", $words), |_, state: &State| !state.past.broken.contains($id)),)*
                Property::sometimes("a rotation is whole", |_, state: &State| {
                    state.slim.journal.rotations.iter().any(|each| {
                        matches!(each.ended, Some((Ended::Revoked | Ended::RevokedByPartner, _)))
                    })
                }),
            ]
        }
    };
}

rules! {
    "S1": "what AWSCURRENT holds is accepted by the partner",
    "S2": "a value becomes AWSCURRENT only after its stored bytes logged in",
    "S3": "what a region or a target holds is not revoked",
    "S7": "one attempt makes one credential",
    "S8": "AWSCURRENT never returns to a version that it left, but from what must not be in use",
    "S10": "what somebody else made is not ended",
    "S15": "deleted, it leaves nothing behind that its spec does not say",
    "P1": "the finalizers are on before anything is announced",
    "P2": "an attempt whose value is stored by its id, works, and was made for what is current is not given up",
    "P3": "nothing is made for an attempt that a record gave up, and only what a record gave up is swept",
    "P4": "an announced create is made by who announced it, once",
    "P5": "every credential of ours that no version in use holds is gone at rest; one that a rotation wants is not swept",
    "P6": "the baseline of a rotation is taken once",
    "P7": "before AWSCURRENT moves every live credential of ours but the candidate is owed, the superseded one always",
    "P8": "a promotion is announced, and lands on no rotation that was given up",
    "P9": "a promotion that a person undid is not repeated",
    "P10": "a rotation moves AWSCURRENT onto its own version alone",
    "P11": "a rotation dooms what it owes only while AWSCURRENT is its own version",
    "P12": "whatever is revoked or put out of force was doomed before",
    "P13": "what is in use, held or wanted is neither revoked nor overwritten",
    "P14": "between the record of a doom and its revocation every older call is over",
    "P15": "what is recorded as paid is dead",
    "P16": "a target is given AWSCURRENT alone, and nothing that is dead",
    "P17": "a rotation moves AWSCURRENT only from where it was when it began",
    "P18": "no rotation begins, and nothing is delivered, on labels that are older than the last promotion",
    "P19": "what a rotation owes that makes way is owed by another",
    "P20": "at rest AWSCURRENT is on nothing that must not be in use",
    "P21": "a late call on a slot ends nothing newer",
    "P22": "at rest no version is AWSPENDING",
    "L1": "from every state one leader alone brings it to rest",
}

const IN_PLACE: [Kind; 4] = [Kind::InPlaceCaller, Kind::InPlacePartner, Kind::Grace, Kind::FirstUse];

/// An effect was decided upon, in this world, by `who`.
pub(crate) fn decided(
    search: &Search,
    world: &World,
    state: &State,
    who: usize,
    effect: &Effect,
    stale: Stale,
) -> Vec<&'static str> {
    let mut broken = Vec::new();
    let fresh = stale == Stale::Nothing;
    let mut hold = |holds: bool, rule: &'static str| {
        if !holds {
            broken.push(rule);
        }
    };
    match effect {
        Effect::Record { uid, entries, .. } => {
            let Some(rotation) = world.journal.rotations.iter().find(|each| each.uid == *uid) else { return broken };
            for entry in entries {
                match entry {
                    Entry::Abort => hold(may_give_up(world, rotation), "P2"),
                    Entry::Intend { number, supersedes, .. } => {
                        hold(*number == 1 || may_give_up(world, rotation), "P2");
                        let believed = supersedes.as_ref() == world.current() || state.past.moved;
                        hold(believed, "P18");
                    }
                    // What older labels take for in use, the heir owes with its own promotion (P7).
                    Entry::End(Ended::Superseded) => hold(!fresh || handed_over(world, rotation), "P19"),
                    Entry::Promoting if rotation.candidate.is_none() => {
                        hold(owes_all(world, rotation, entries, fresh && stale != Stale::List), "P7");
                    }
                    Entry::Doom(_, Some(version)) if entries.len() == 1 => {
                        hold(!is_wanted(world, version) || search.kind == Kind::InPlacePartner, "P3");
                        let own = world.current() == rotation.version();
                        let stray = given_up(world, version);
                        hold(!fresh || rotation.promoted.is_none() || own || stray, "P11");
                    }
                    _ => {}
                }
            }
        }
        Effect::ApplyTarget { version, .. } => {
            let promoted = world.journal.last_promoted().and_then(Rotation::version);
            hold(promoted != world.current() || Some(version) == promoted || state.past.moved, "P18");
        }
        Effect::Revoke { debtor, credential, version, proven, .. } => {
            let deleting = world.resource.deleting.is_some();
            hold(deleting || doomed(world, debtor, credential.as_str()), "P12");
            hold(deleting || state.leaders[who].is_over(debtor, credential, at_once(world, debtor)), "P14");
            if let Some(version) = version.as_ref().filter(|_| fresh && !deleting) {
                hold(!in_use(world, version), "P13");
                hold(!*proven || !is_held(world, version), "P13");
                hold(!is_wanted(world, version), "P5");
            }
        }
        Effect::Activate { .. } => {
            let deleting = world.resource.deleting.is_some();
            let any = world.journal.waiting().any(|each| each.owed.values().any(|owed| owed.doomed.is_some()));
            hold(deleting || any, "P12");
        }
        Effect::Promote { to, from, right, .. } => {
            hold(world.is_live(to), "S2");
            let undone = fresh && world.current() != Some(to) && state.past.was_current.contains(to);
            hold(right.is_none() || !undone || state.past.hides(world, to), "P9");
            let unfit = |from: &VersionId| world.journal.unfit(from) || !world.is_live(from);
            hold(
                right.is_some() || !fresh || from.as_ref().is_some_and(unfit) || alarm_owes(world, from.as_ref()),
                "S8",
            );
        }
        _ => {}
    }
    broken
}

/// A call landed, or not. `seen`: in the pass that decided upon it, which saw all as it is.
pub(crate) fn after(search: &Search, before: &World, after: &World, call: &Call, seen: bool, past: &mut Past) {
    let hidden = matches!(&call.effect, Effect::Promote { to, .. } if past.hides(before, to));
    let Past { broken, was_current, strangers, moved, moved_onto, .. } = past;
    let mut hold = |holds: bool, rule: &'static str| {
        if !holds {
            broken.insert(rule);
        }
    };
    let of = |uid: &Uid| before.journal.rotations.iter().find(|each| each.uid == *uid);
    let ended: Vec<u32> = before.live.difference(&after.live).map(|live| live.bytes).collect();
    let ended: Vec<u32> =
        ended.into_iter().filter(|bytes| !after.live.iter().any(|live| live.bytes == *bytes)).collect();
    let own = |version: &VersionId, bytes: u32| before.bytes.get(version).is_some_and(|(own, _)| *own == bytes);
    match &call.effect {
        Effect::Mint { right, .. } if call.put.is_none() && after.next_bytes > before.next_bytes => {
            let attempt = of(&right.rotation).and_then(|rotation| rotation.attempt.as_ref());
            hold(attempt.is_some_and(|attempt| attempt.number == right.attempt), "P3");
            hold(of(&right.rotation).is_some_and(|rotation| rotation.held) && before.resource.held, "P1");
        }
        Effect::Promote { to, right: Some(right), .. } if before.current() != after.current() => {
            let rotation = of(&right.rotation);
            let announced = rotation.is_some_and(|each| {
                !each.aborting
                    && each.ended.is_none()
                    && each.promoting()
                    && each.attempt.as_ref().is_some_and(|attempt| attempt.number == right.attempt)
            });
            hold(announced, "P8");
            hold(VersionId::of(&right.rotation, right.attempt) == *to, "P10");
            let supersedes =
                rotation.and_then(|each| each.attempt.as_ref()).and_then(|attempt| attempt.supersedes.as_ref());
            hold(IN_PLACE.contains(&search.kind) || supersedes == before.current(), "P17");
            // A label that went there and back looks untouched to a call that was decided upon before.
            let there_and_back = !seen && moved_onto.contains(to);
            hold(!was_current.contains(to) || hidden || there_and_back, "P9");
        }
        Effect::Promote { to, right: None, from } if before.current() != after.current() => {
            let left = from.as_ref();
            hold(
                left.is_none_or(|from| before.journal.unfit(from) || !before.is_live(from))
                    || *moved
                    || after.is_live(to),
                "S8",
            );
        }
        Effect::Revoke { version, .. } => {
            for bytes in &ended {
                let meant = version.as_ref().filter(|version| before.bytes.contains_key(*version));
                hold(meant.is_none_or(|version| own(version, *bytes)), "P21");
                hold(!strangers.contains(bytes), "S10");
                let unmarked = search.kind == Kind::Untagged && before.lost.contains(bytes);
                hold(!unmarked, "S10");
                let wanted = before.journal.waiting().filter(|each| !each.aborting && each.promoted.is_none());
                let wanted = wanted.filter_map(Rotation::version).any(|version| own(version, *bytes));
                hold(!wanted || before.resource.deleting.is_some(), "P3");
            }
        }
        Effect::Register { version, right, .. } => {
            for bytes in ended.iter().filter(|bytes| !own(version, **bytes)) {
                let of_now = |each: &&Rotation| !each.aborting && each.ended.is_none();
                let attempt = of(&right.rotation).filter(of_now).and_then(|each| each.attempt.as_ref());
                hold(attempt.is_some_and(|attempt| attempt.number == right.attempt), "P21");
                let current = before.current().is_some_and(|current| own(current, *bytes));
                hold(!current || search.kind == Kind::InPlaceCaller, "P13");
                // No slot can be fenced against what comes between a look and its call, or is too new for a list (PROTOCOL 5).
                hold(!strangers.contains(bytes) || !seen, "S10");
            }
        }
        Effect::ApplyTarget { version, .. } if before.target != after.target => {
            hold(after.current() == Some(version), "P16");
            let fit = after.is_live(version) || after.journal.doomed(version) || after.between();
            hold(fit, "P16");
        }
        Effect::Record { uid, entries, .. } if before.journal != after.journal => {
            let Some(rotation) = of(uid) else { return };
            for entry in entries {
                match entry {
                    Entry::Paid(id) => {
                        let version = rotation.owed.get(id).and_then(|owed| owed.version.as_ref());
                        let version = version.cloned().or_else(|| VersionId::parse(id.as_str()).ok());
                        hold(version.is_none_or(|version| !before.is_live(&version)), "P15");
                    }
                    Entry::Intend { number, .. } if *number > 1 => {
                        let now = after.journal.rotations.iter().find(|each| each.uid == *uid);
                        let baseline = |each: &Rotation| each.attempt.as_ref().map(|attempt| attempt.baseline.clone());
                        hold(now.and_then(baseline) == baseline(rotation), "P6");
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// What every state must show.
pub(crate) fn always(search: &Search, state: &mut State) {
    let world = search.world(state);
    let mut hold = |holds: bool, rule: &'static str| {
        if !holds {
            state.past.broken.insert(rule);
        }
    };
    if world.resource.deleting.is_none() {
        for rotation in world.journal.waiting().filter(|each| each.attempt.is_some()) {
            hold(rotation.held && world.resource.held, "P1");
        }
        let works = |version: &VersionId| world.is_live(version) || world.journal.doomed(version);
        let between = world.between() || lost_in_place(&world);
        hold(between || world.current().is_some_and(works), "S1");
        let consented = [Kind::InPlaceCaller, Kind::InPlacePartner].contains(&search.kind)
            && world.journal.waiting().next().is_some();
        let by_word = world.journal.rotations.iter().any(Rotation::at_once);
        if let Some((_, version)) = &world.target {
            hold(between || consented || by_word || world.is_live(version), "S3");
        }
        if let Some(Some(version)) = &world.replica {
            hold(between || works(version), "S3");
        }
    }
    if state.past.broken.is_empty() && search.walks {
        let broken = rest::broken(search, state);
        state.past.broken.extend(broken);
    }
}

/// P2, P3: whether the attempt under way may be given up.
fn may_give_up(world: &World, rotation: &Rotation) -> bool {
    let Some(attempt) = &rotation.attempt else { return true };
    let asked =
        rotation.deleting.is_some() || world.resource.deleting.is_some() || !world.journal.heirs(rotation).is_empty();
    let works = world.is_live(&attempt.version) && world.current() == attempt.supersedes.as_ref();
    asked || !works || rotation.candidate.is_some()
}

fn owes_all(world: &World, rotation: &Rotation, entries: &[Entry], fresh: bool) -> bool {
    let Some(attempt) = &rotation.attempt else { return true };
    let bytes = |version: &VersionId| world.bytes.get(version).map(|(bytes, _)| *bytes);
    let announced = entries.iter().filter_map(|entry| match entry {
        Entry::Owe(owed) => Some(owed.values().flatten().cloned().collect::<Vec<_>>()),
        _ => None,
    });
    let before = rotation.owed.values().filter_map(|owed| owed.version.clone());
    let owed: Vec<VersionId> = announced.flatten().chain(before).collect();
    let is_owed =
        |version: &VersionId| world.journal.doomed(version) || owed.iter().any(|each| bytes(each) == bytes(version));
    let own = bytes(&attempt.version);
    let known = world.stages.keys().chain(attempt.supersedes.as_ref());
    let all = known.filter(|version| world.is_live(version) && bytes(version) != own).all(is_owed);
    attempt.supersedes.as_ref().is_none_or(is_owed) && (all || !fresh)
}

fn handed_over(world: &World, rotation: &Rotation) -> bool {
    let others: Vec<&Rotation> = world.journal.waiting().filter(|each| each.uid != rotation.uid).collect();
    rotation.owed.iter().all(|(id, owed)| {
        let Some(version) = owed.version.as_ref().filter(|version| world.is_live(version)) else { return true };
        let wanted = others.iter().filter_map(|each| each.wanted());
        others.iter().any(|each| each.owed.contains_key(id))
            || world.current() == Some(version)
            || wanted.into_iter().any(|wanted| world.journal.same_bytes(wanted).contains(version))
    })
}

fn at_once(world: &World, debtor: &Uid) -> bool {
    world.journal.rotations.iter().any(|each| each.uid == *debtor && each.at_once())
}

fn doomed(world: &World, debtor: &Uid, credential: &str) -> bool {
    let rotation = world.journal.rotations.iter().find(|each| each.uid == *debtor);
    rotation.is_some_and(|each| each.owed.iter().any(|(id, owed)| id.as_str() == credential && owed.doomed.is_some()))
}

/// A person may go on to what a compromise owes, under whichever version.
fn alarm_owes(world: &World, from: Option<&VersionId>) -> bool {
    let bytes = |version: &VersionId| world.bytes.get(version).map(|(bytes, _)| *bytes);
    let Some(from) = from.and_then(bytes) else { return false };
    let mut owed = world.journal.rotations.iter().filter(|each| each.is_alarm()).flat_map(|each| each.owed.values());
    owed.any(|owed| owed.version.as_ref().and_then(bytes) == Some(from))
}

fn same(world: &World, one: &VersionId, other: &VersionId) -> bool {
    world.bytes.get(one).map(|(bytes, _)| bytes) == world.bytes.get(other).map(|(bytes, _)| bytes)
}

fn in_use(world: &World, version: &VersionId) -> bool {
    world.current().is_some_and(|current| same(world, current, version))
}

fn is_held(world: &World, version: &VersionId) -> bool {
    let target = world.target.iter().map(|(_, held)| held);
    target.chain(world.replica.iter().flatten()).any(|held| same(world, held, version))
}

fn is_wanted(world: &World, version: &VersionId) -> bool {
    let open = world.journal.waiting().filter(|each| !each.aborting);
    open.filter_map(Rotation::version).any(|wanted| wanted == version)
}

fn given_up(world: &World, version: &VersionId) -> bool {
    world.journal.rotations.iter().any(|each| each.burned().any(|burned| burned == *version))
}

/// Whether the value that took the place of the one in use is lost.
fn lost_in_place(world: &World) -> bool {
    matches!(world.kind, Kind::InPlacePartner | Kind::Grace) && !world.lost.is_empty()
}

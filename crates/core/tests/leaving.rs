//! Deletion of what can't be used: a resource for which nothing was ever made is let go at once, whatever is wrong with its spec,
//! its store or its account; one for which something was made is held within its bound, and told.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mes_core::effect::Effect;
use mes_core::facts::{Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Entry, Journal};
use mes_core::names::{Identity, ObjectName};
use mes_core::reason::Reason;
use mes_core::spec::{Deletion, Fate, Onboard};
use mes_core::status::{self, Truth};
use world::{Kind, Outcome, World};

const ALL: Deletion =
    Deletion { targets: Fate::Remove, store: Fate::Remove, partner: Fate::Remove, recovery_window_days: 30 };
const RETAIN: Deletion =
    Deletion { targets: Fate::Retain, store: Fate::Retain, partner: Fate::Retain, recovery_window_days: 30 };

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn bad_spec() -> Reason {
    Reason::InvalidSpec { field: "rotation.engine", expected: "known" }
}

/// What a spec, its store and its account may be refused for.
fn refusals() -> Vec<Reason> {
    let store = [Reason::StoreNotFound(name("default")), Reason::StoreNotAllowed(name("default"))];
    let unreadable = [true, false].map(|store| Reason::UnreadableReference { store, name: name("main") });
    let identity = Identity::parse("db.example:5432/payments_a").unwrap();
    let account = [
        Reason::AccountNotFound(name("main")),
        Reason::AccountNotAllowed(name("main")),
        Reason::AdminUnseen(name("main")),
        Reason::IdentityNotAllowed(identity),
        Reason::EndpointMismatch,
    ];
    [bad_spec(), Reason::UnknownPartnerType].into_iter().chain(store).chain(unreadable).chain(account).collect()
}

/// Waits for its seed with our finalizer on it, since its axes promise something; a person asked for a rotation meanwhile.
fn waiting() -> World {
    let mut world = World::new(Kind::Slots, Onboard::FromSecret);
    world.resource.deletion = ALL;
    world.answers.insert(Look::Seed, Sight::Seed(Ok(None)));
    for _ in 0..10 {
        world.pass(|_| Outcome::Fine);
    }
    world.request("crm-byhand");
    assert!(world.resource.held && !world.made && !world.resource.noted.onboarded);
    world
}

/// A mint up to the making of its AWS secret, which goes like this.
fn minting(fate: Outcome) -> World {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.resource.deletion = ALL;
    world.until("CreateSecret", |effect| *effect == Effect::CreateSecret);
    world.pass(|_| fate);
    assert!(world.resource.held);
    world
}

/// In service, all delivered.
fn onboarded(kind: Kind) -> World {
    let mut world = World::new(kind, Onboard::FromSecret);
    world.resource.deletion = ALL;
    for _ in 0..300 {
        world.pass(|_| Outcome::Fine);
    }
    assert!(world.resource.held && world.resource.noted.onboarded && world.journal.waiting().next().is_none());
    world
}

/// One pass; when it rests, a little later.
fn step(world: &mut World) -> Option<Effect> {
    world.longest_sleep = SignedDuration::from_mins(10);
    let effect = world.pass(|_| Outcome::Fine);
    if effect.is_none() {
        world.now += SignedDuration::from_mins(5);
    }
    effect
}

/// Everything that is done until it is gone, and how long it took.
fn leaves(world: &mut World, axes: Deletion) -> (Vec<Effect>, SignedDuration) {
    let began = world.now;
    world.delete_resource(axes);
    let mut effects = Vec::new();
    while world.resource.held || world.journal.rotations.iter().any(|rotation| rotation.held) {
        effects.extend(step(world));
        assert!(world.now.duration_since(began) < SignedDuration::from_hours(25), "it never goes: {effects:?}");
    }
    (effects, world.now.duration_since(began))
}

fn at_once((effects, took): (Vec<Effect>, SignedDuration), what: &dyn std::fmt::Debug) {
    assert!(matches!(effects[..], [Effect::Release { .. }]), "{what:?}: {effects:?}");
    assert!(took < SignedDuration::from_secs(10), "{what:?}: {took:?}");
}

/// What is told of it now: status and reason of each condition, and the events of what changed.
fn told(world: &mut World) -> (BTreeMap<&'static str, (Truth, &'static str)>, Vec<&'static str>) {
    let (_, decision, facts) = world.decided();
    let was = BTreeMap::from([("Ready".to_owned(), (Truth::True, "InService".to_owned()))]);
    let view = status::view(&world.resource, &facts, &world.journal, &decision, &was, world.now);
    let events = status::events_of_change(&view, &was).into_iter().map(|event| event.reason).collect();
    let conditions = view.conditions.into_iter();
    (conditions.map(|condition| (condition.kind, (condition.truth, condition.reason))).collect(), events)
}

#[test]
fn t19_what_was_never_onboarded_goes_at_once_though_its_spec_its_store_or_its_account_is_refused() {
    for reason in refusals() {
        for mut world in [waiting(), minting(Outcome::Refused)] {
            world.resource.spec = Err(reason.clone());
            at_once(leaves(&mut world, ALL), &reason);
            assert!(!world.made && world.bytes.is_empty());
        }
        // A restart remembers nothing, and needs to remember nothing.
        let mut world = waiting();
        world.resource.spec = Err(reason.clone());
        world.crash();
        at_once(leaves(&mut world, ALL), &reason);
    }
}

#[test]
fn what_was_never_onboarded_goes_at_once_where_aws_refuses_its_store_and_within_its_bound_where_aws_is_silent() {
    for (kind, silent) in [(FaultKind::Denied, false), (FaultKind::Unsent, true)] {
        let mut world = waiting();
        let refused = Fault::new(Place::SecretsManager, kind, "Test");
        world.answers.insert(Look::StoreSecret, Sight::StoreSecret(Err(refused)));
        let (effects, took) = leaves(&mut world, ALL);
        assert!(matches!(effects[..], [Effect::Release { .. }]), "{effects:?}");
        assert_eq!(took >= SignedDuration::from_hours(24), silent, "{took:?}");
    }
}

/// What is there, and how.
type Changed = (&'static str, fn(&mut World));

#[test]
fn what_may_have_been_made_is_not_taken_for_nothing() {
    let may: [Changed; 5] = [
        ("status.secret", |world| world.resource.noted.secret = true),
        ("status.versionID", |world| world.resource.noted.version = Some(mes_core::names::VersionId::of(&uid(), 1))),
        ("status.lastRotationTime", |world| world.resource.noted.last_rotation = Some(Timestamp::UNIX_EPOCH)),
        ("condition Onboarded", |world| world.resource.noted.onboarded = true),
        ("an unreadable journal", |world| world.journal.rotations[0].unreadable = true),
    ];
    for (what, changed) in may {
        let mut world = waiting();
        changed(&mut world);
        world.resource.spec = Err(bad_spec());
        let (_, took) = leaves(&mut world, ALL);
        assert!(took >= SignedDuration::from_hours(24), "{what}: {took:?}");
    }
    // Made, or not: its answer was lost.
    let mut world = minting(Outcome::Lost);
    world.resource.spec = Err(bad_spec());
    assert!(leaves(&mut world, ALL).1 >= SignedDuration::from_hours(24));
}

fn uid() -> mes_core::names::Uid {
    mes_core::names::Uid::parse("66666666-0000-4000-8000-000000000000").unwrap()
}

#[test]
fn t29_what_was_onboarded_and_then_broken_is_held_and_told_and_when_its_time_is_up_what_is_left_is_named() {
    for kind in [Kind::Slots, Kind::Staged, Kind::Tagged, Kind::Untagged] {
        let mut world = onboarded(kind);
        let live = world.live.clone();
        world.resource.spec = Err(bad_spec());
        world.delete_resource(ALL);
        let (conditions, events) = told(&mut world);
        assert_eq!(conditions["Ready"], (Truth::False, "Deleting"));
        assert_eq!(conditions["Stalled"], (Truth::True, "InvalidSpec"));
        assert_eq!(events, ["InvalidSpec"]);
        let (effects, took) = leaves(&mut world, ALL);
        assert!(matches!(effects.last(), Some(Effect::Release { .. })));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Revoke { .. } | Effect::DeleteSecret { .. })));
        assert!(took >= SignedDuration::from_hours(24) && world.live == live && world.made, "{kind:?}");
        let lost = status::lost(&world.resource, &world.journal, &world.release()).expect("something is left");
        assert!(lost.warning && lost.reason == "RevocationLost", "{lost:?}");
        assert!(lost.note.contains("the credentials in its AWS secret, the AWS secret"), "{}", lost.note);
    }
}

#[test]
fn what_promises_nothing_and_owes_nothing_goes_though_it_is_broken_and_a_candidate_under_way_is_waited_for_and_named() {
    let mut world = onboarded(Kind::Tagged);
    world.resource.spec = Err(bad_spec());
    at_once(leaves(&mut world, RETAIN), &"nothing to take along");
    assert_eq!(status::lost(&world.resource, &world.journal, &world.release()), None);

    let mut world = onboarded(Kind::Tagged);
    world.request("crm-again");
    world.until(
        "Promoting",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoting)),
    );
    let made = world.live.len();
    world.resource.spec = Err(bad_spec());
    let before = world.journal.clone();
    let (_, took) = leaves(&mut world, RETAIN);
    assert!(took >= SignedDuration::from_hours(24) && world.live.len() == made, "{took:?}");
    let version = before.open().unwrap().version().unwrap().to_string();
    let lost = status::lost(&world.resource, &before, &world.release()).expect("a candidate is left");
    assert!(lost.note.contains(&version), "{} does not name {version}", lost.note);
}

#[test]
fn a_rotation_that_was_deleted_too_is_named_before_it_is_gone_and_named_once() {
    let mut world = onboarded(Kind::Tagged);
    world.request("crm-again");
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    world.pass(|_| Outcome::Fine);
    let owed: Vec<String> = world.journal.indebted().unwrap().owed.keys().map(ToString::to_string).collect();
    world.delete_rotation(&name("crm-again"));
    world.resource.spec = Err(bad_spec());
    world.delete_resource(RETAIN);
    let mut notes = Vec::new();
    for _ in 0..1000 {
        let before: Journal = world.journal.clone();
        let Some(effect) = step(&mut world) else { continue };
        notes.extend(status::lost(&world.resource, &before, &effect).map(|lost| lost.note));
        if matches!(effect, Effect::Release { .. }) {
            break;
        }
    }
    assert!(!world.resource.held && notes.len() == 1, "{notes:?}");
    assert!(owed.iter().all(|owed| notes[0].contains(owed)), "{notes:?} {owed:?}");
}

// F11: what the partner lists may be a while old.

#[test]
fn what_a_deletion_brought_to_its_promotion_is_looked_for_only_in_a_list_that_is_newer_than_that() {
    let mut world = World::new(Kind::Grace, Onboard::FromSecret);
    // From here it goes on to its promotion, whoever deletes it.
    world.until("Mint", |effect| matches!(effect, Effect::Mint { .. }));
    world.pass(|_| Outcome::Fine);
    let candidate = world.journal.open().and_then(|open| open.version()).cloned().unwrap();
    world.delete_resource(ALL);
    // It stays so for longer than all that was under way when it was deleted.
    let silent = Fault::new(Place::Partner, FaultKind::Unknown, "Timeout");
    world.answers.insert(Look::Acceptance(candidate.clone()), Sight::Acceptance(Err(silent)));
    let (deleted, over) = (world.now, world.bounds.deadline * 2 + world.bounds.settling);
    while world.now.duration_since(deleted) < over {
        step(&mut world);
    }
    world.answers.clear();
    world.until(
        "Promoted",
        |effect| matches!(effect, Effect::Record { entries, .. } if entries.contains(&Entry::Promoted)),
    );
    let promoted = world.now;
    let revoke =
        |effect: &Effect| matches!(effect, Effect::Revoke { version: Some(version), .. } if *version == candidate);
    world.until("Revoke", revoke);
    assert!(world.now.duration_since(promoted) >= over, "after {}", world.now.duration_since(promoted));
}

//! A candidate of a person's own, before anything gives way or is written for it and after.

use jiff::SignedDuration;
use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::facts::{Acceptance, Look, Sight};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::journal::{Candidate, Entry, Outcome as Ended, Rejection, Revocation};
use mes_core::names::{ObjectName, VersionId};
use mes_core::reason::Reason;
use mes_core::spec::Onboard;

use super::world::{Kind, Live, Outcome, World};
use super::{
    act, asks, candidate, ended, is_intend, is_promote, is_promoting, overlapping, pass, passes, recorded, records,
    rested, rotated, rotation, says, waits,
};

fn is_bring(effect: &Effect) -> bool {
    matches!(effect, Effect::Bring { .. })
}

fn secret(name: &str) -> Candidate {
    Candidate::FromSecret(ObjectName::parse(name).unwrap())
}

/// A person's own credential is about to be taken in.
fn bringing(kind: Kind, what: &str, stop: impl Fn(&Effect) -> bool) -> World {
    let mut world = rested(kind);
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    world.until(what, stop);
    world
}

// Who makes way

#[test]
fn a_running_rotation_makes_way_for_a_good_candidate_and_goes_on_while_one_is_missing() {
    let mut world = overlapping(Kind::Tagged);
    let ends = rotation(&world, "crm-byhand").promoted.unwrap() + SignedDuration::from_hours(1);
    let overlap = |until| Err(Step::Wait { reason: Reason::WaitingForOverlap, until: Some(until) });
    assert_eq!(rotated(&mut world), overlap(ends));
    // Nobody tells of a Secret that came: it is looked for, but no sooner than that.
    world.bring("crm-own", secret("crm-new"));
    let soon = world.now + SignedDuration::from_secs(5);
    assert_eq!(rotated(&mut world), overlap(soon));
    let silent = Fault::new(Place::Partner, FaultKind::Unknown, "Timeout");
    let look = Look::Brought(ObjectName::parse("crm-new").unwrap());
    world.answers.insert(look.clone(), Sight::Seed(Err(silent)));
    assert_eq!(rotated(&mut world), overlap(soon));
    world.answers.remove(&look);
    world.journal.rotations.retain(|each| each.name.as_str() != "crm-own");
    world.now = ends - SignedDuration::from_secs(1);
    world.bring("crm-own", secret("crm-new"));
    assert_eq!(rotated(&mut world), overlap(ends));
    world.made_by_hand("crm-new", false);
    assert!(matches!(act(&mut world), Effect::HoldRotation { rotation, .. } if rotation.as_str() == "crm-own"));
    assert!(matches!(recorded(&rotated(&mut world)), ("crm-own", [Entry::Owe(_)])));
}

#[test]
fn behind_a_journal_that_nobody_can_read_a_missing_secret_is_not_looked_for() {
    let mut world = overlapping(Kind::Tagged);
    world.bring("crm-own", secret("crm-new"));
    world.journal.rotations.iter_mut().find(|each| each.name.as_str() == "crm-byhand").unwrap().unreadable = true;
    let until = world.now + SignedDuration::from_mins(5);
    let reason = Reason::JournalUnreadable(ObjectName::parse("crm-byhand").unwrap());
    assert_eq!(rotated(&mut world), Err(Step::Wait { reason, until: Some(until) }));
}

#[test]
fn before_anything_is_in_use_a_candidate_takes_no_ones_place() {
    let mut world = World::new(Kind::Tagged, Onboard::Mint);
    world.until("the create", |effect| matches!(effect, Effect::Mint { .. }));
    let name = world.journal.open().unwrap().name.to_string();
    world.secrets.insert(ObjectName::parse("crm-new").unwrap(), (8000, None));
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    world.bring("crm-own", secret("crm-new"));
    assert!(matches!(act(&mut world), Effect::Mint { .. }));
    // An alarm does.
    world.alarm("crm-alarm", Revocation::WhenProven);
    assert_eq!(recorded(&rotated(&mut world)), (name.as_str(), &[Entry::Abort][..]));
}

// P14, P21

#[test]
fn an_attempt_is_announced_only_when_no_earlier_call_can_end_what_a_person_put_into_its_place() {
    let announced_after = |kind: Kind, change: &dyn Fn(&mut World)| {
        let mut world = rested(kind);
        world.now += SignedDuration::from_hours(1);
        let _ = world.decided();
        world.made_by_hand("crm-new", false);
        change(&mut world);
        world.bring("crm-own", secret("crm-new"));
        let began = world.now;
        world.until("Intend", is_intend);
        world.now.duration_since(began)
    };
    let over = SignedDuration::from_secs(15);
    let ended_now = |world: &mut World| world.crash();
    assert!(announced_after(Kind::Slots, &ended_now) >= over, "a revocation may be on its way");
    assert!(announced_after(Kind::Tagged, &ended_now) < over, "it has a place of its own");
    assert!(announced_after(Kind::Slots, &|_| {}) < over);
    let never_began = |world: &mut World| {
        world.request("crm-0");
        world.journal.rotations.last_mut().unwrap().ended = Some((Ended::Cancelled, world.now));
    };
    assert!(announced_after(Kind::Slots, &never_began) < over, "it called nobody");
    // What it took over may be revoked by a call that is on its way.
    let mut world = overlapping(Kind::Tagged);
    world.until("Revoke", |effect| matches!(effect, Effect::Revoke { .. }));
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    world.until("the take-over", |effect| records(effect, |entry| matches!(entry, Entry::Doom(..))));
    let taken = world.now;
    let mut told = false;
    passes(&mut world, |world| {
        told |= matches!(rotated(world), Err(Step::Wait { reason: Reason::RevocationAnnounced(_), .. }));
        rotation(world, "crm-own").attempt.is_some()
    });
    assert!(told && world.now.duration_since(taken) >= over);
}

#[test]
fn a_candidate_that_has_not_come_is_named_before_its_attempt() {
    let mut world = rested(Kind::Tagged);
    world.bring("crm-own", secret("crm-new"));
    act(&mut world);
    act(&mut world);
    assert_eq!(waits(&mut world), Reason::CandidateMissing(ObjectName::parse("crm-new").unwrap()));
}

// What is stored

#[test]
fn what_was_stored_is_read_back_until_something_follows_from_it_and_not_again() {
    let mut world = bringing(Kind::Tagged, "Promote", is_promote);
    let silent = Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout");
    world.answers.insert(Look::Version(candidate(&world)), Sight::Version(Err(silent)));
    assert!(matches!(rotated(&mut world), Err(Step::Act(effect)) if is_promote(&effect)));
}

#[test]
fn what_an_attempt_stored_is_what_the_next_one_is_about_though_the_secret_is_gone_by_then() {
    let mut world = bringing(Kind::Tagged, "Promote", is_promote);
    let first = candidate(&world);
    // A version of no attempt is nobody's earlier one.
    let none = VersionId::of(&rotation(&world, "crm-own").uid, 0);
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    let other = VersionId::parse("put-by-a-person-0123456789abcdef01").unwrap();
    world.bytes.extend([(other.clone(), (8000, None)), (none.clone(), (8001, None))]);
    world.moved_by_hand(&other);
    world.secrets.clear();
    let again = world.until("the put", is_bring);
    assert!(matches!(&again, Effect::Bring { from: Candidate::Version(from), .. } if *from == first), "{again:?}");
    let mut world = rested(Kind::Tagged);
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    world.bytes.insert(VersionId::of(&rotation(&world, "crm-own").uid, 0), (8001, None));
    let put = world.until("the put", is_bring);
    assert!(matches!(&put, Effect::Bring { from: Candidate::FromSecret(_), .. }), "{put:?}");
}

#[test]
fn a_refusal_of_what_was_just_stored_proves_nothing_for_as_long_as_the_partner_takes_to_spread_it() {
    let mut world = bringing(Kind::Tagged, "the put", is_bring);
    let announced = rotation(&world, "crm-own").attempt.as_ref().unwrap().time;
    pass(&mut world, 1);
    says(&mut world, Acceptance::Refused);
    let propagation = world.resource.contract().unwrap().propagation;
    world.now = announced + propagation - SignedDuration::from_nanos(1);
    assert_eq!(waits(&mut world), Reason::CandidateNotAccepted);
    world.now = announced + propagation;
    assert_eq!(recorded(&rotated(&mut world)), ("crm-own", &[Entry::Abort][..]));
}

// How it ends

#[test]
fn a_stored_candidate_that_is_given_up_says_why() {
    let told = |candidate: &dyn Fn(&mut World) -> Candidate, change: &dyn Fn(&mut World)| {
        let mut world = overlapping(Kind::Tagged);
        let candidate = candidate(&mut world);
        world.bring("crm-own", candidate);
        world.until("the put", is_bring);
        pass(&mut world, 1);
        says(&mut world, Acceptance::Alien);
        assert_eq!(recorded(&rotated(&mut world)), ("crm-own", &[Entry::Abort][..]));
        act(&mut world);
        change(&mut world);
        passes(&mut world, |world| ended(world, "crm-own").is_some());
        ended(&world, "crm-own").unwrap()
    };
    let by_secret = |world: &mut World| {
        world.made_by_hand("crm-new", false);
        secret("crm-new")
    };
    let back = |world: &mut World| {
        Candidate::Version(rotation(world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap())
    };
    assert_eq!(told(&by_secret, &|_| {}), Ended::CandidateRejected(Rejection::Refused));
    assert_eq!(told(&back, &|_| {}), Ended::VersionNotLive);
    // Accepted after all, it was given up for another reason.
    assert_eq!(told(&by_secret, &|world| world.answers.clear()), Ended::Superseded);
    let last = |world: &mut World| {
        world.answers.clear();
        world.bounds.attempts = 1;
    };
    assert_eq!(told(&by_secret, &last), Ended::Exhausted);
    // What a compromise is about meanwhile comes back by no Secret.
    let burned = |world: &mut World| {
        world.answers.clear();
        let version = rotation(world, "crm-own").version().cloned().unwrap();
        let copy = VersionId::parse("copied-0123456789abcdef0123456789").unwrap();
        let bytes = world.bytes[&version].clone();
        world.bytes.insert(copy.clone(), bytes);
        let now = world.now;
        let doomed = mes_core::journal::Owed { version: Some(copy), doomed: Some(now) };
        let id = mes_core::names::CredentialId::parse("announced").unwrap();
        world.journal.rotations[0].owed.insert(id, doomed);
    };
    assert_eq!(told(&by_secret, &burned), Ended::CandidateRejected(Rejection::Burned));
    // Never accepted before, it asks for nothing: where nobody else can, that is not found out.
    let unasked = |world: &mut World| {
        burned(world);
        world.without_admin();
        let current = world.current().cloned().unwrap();
        world.dies(&current);
    };
    assert_eq!(told(&by_secret, &unasked), Ended::Superseded);
}

#[test]
fn where_trying_is_using_what_was_given_up_is_not_tried_to_say_why() {
    let mut world = bringing(Kind::FirstUse, "Using", |effect| records(effect, |entry| *entry == Entry::Using));
    act(&mut world);
    says(&mut world, Acceptance::Alien);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-own", &[Entry::Abort][..]));
    act(&mut world);
    says(&mut world, Acceptance::Accepted);
    passes(&mut world, |world| ended(world, "crm-own").is_some());
    assert_eq!(ended(&world, "crm-own"), Some(Ended::CandidateRejected(Rejection::Refused)));
}

/// A plain rotation whose candidate is stored, and which makes way for this one.
fn giving_way(change: &dyn Fn(&mut World)) -> World {
    let mut world = rested(Kind::Tagged);
    world.request("crm-byhand");
    world.until("the create", |effect| matches!(effect, Effect::Mint { .. }));
    pass(&mut world, 1);
    change(&mut world);
    assert_eq!(recorded(&rotated(&mut world)), ("crm-byhand", &[Entry::Abort][..]));
    act(&mut world);
    let _ = world.decided();
    world.now += SignedDuration::from_mins(1);
    world
}

fn brought_instead(world: &mut World) {
    world.made_by_hand("crm-new", true);
    world.bring("crm-own", secret("crm-new"));
}

#[test]
fn what_a_rotation_left_is_the_heirs_where_nobody_can_end_it_now_and_the_heir_brings_what_works() {
    let superseded = ("crm-byhand", &[Entry::End(Ended::Superseded)][..]);
    // What is in use is dead, so that nothing may be ended beside it; or nobody may ask what there is.
    let mut world = giving_way(&brought_instead);
    assert!(matches!(act(&mut world), Effect::Discard { .. }));
    assert_eq!(recorded(&rotated(&mut world)), superseded);
    let mut world = giving_way(&|world| {
        world.without_admin();
        brought_instead(world);
    });
    assert!(matches!(act(&mut world), Effect::Discard { .. }));
    assert_eq!(recorded(&rotated(&mut world)), superseded);
    // An alarm brings nothing.
    let mut world = giving_way(&|world| {
        let current = world.current().cloned().unwrap();
        world.dies(&current);
        world.alarm("crm-alarm", Revocation::WhenProven);
    });
    assert_eq!(rotated(&mut world), Err(Step::Blocked(Reason::CredentialRejected)));
    // What may be asked later is asked later.
    let told = |admin: bool, place: Place, kind: FaultKind| {
        let mut world = giving_way(&|world| {
            if !admin {
                world.without_admin();
            }
            world.made_by_hand("crm-new", false);
            world.bring("crm-own", secret("crm-new"));
        });
        let listing = asks(&world, |look| matches!(look, Look::Credentials { .. })).unwrap();
        world.answers.insert(listing, Sight::Credentials(Err(Fault::new(place, kind, "Test"))));
        matches!(rotated(&mut world), Err(Step::Act(Effect::Discard { .. })))
    };
    assert!(told(false, Place::Partner, FaultKind::Denied) && told(false, Place::Partner, FaultKind::Rejected));
    assert!(!told(true, Place::Partner, FaultKind::Denied), "the admin's rights can be mended");
    assert!(!told(false, Place::Partner, FaultKind::Unknown), "an outage ends");
    assert!(!told(false, Place::SecretsManager, FaultKind::Denied), "it says nothing of the partner");
}

#[test]
fn what_was_taken_over_and_is_what_a_person_brings_is_not_owed_after_all() {
    let mut world = overlapping(Kind::Tagged);
    let old = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    let other = mes_core::journal::Owed { version: Some(VersionId::first(&world.resource.own.uid, 0)), doomed: None };
    let open = world.journal.rotations.iter_mut().find(|each| each.name.as_str() == "crm-byhand").unwrap();
    open.owed.insert(mes_core::names::CredentialId::parse("other").unwrap(), other);
    let own: Vec<_> =
        open.owed.iter().filter(|(_, owed)| owed.version.as_ref() == Some(&old)).map(|(id, _)| id.clone()).collect();
    world.secrets.insert(ObjectName::parse("crm-new").unwrap(), world.bytes[&old].clone());
    world.bring("crm-own", secret("crm-new"));
    let promoting = world.until("Promoting", is_promoting);
    let Effect::Record { entries, .. } = &promoting else { panic!("{promoting:?}") };
    let spared: Vec<_> =
        entries.iter().filter_map(|entry| if let Entry::Spare(id) = entry { Some(id.clone()) } else { None }).collect();
    assert_eq!(spared, own, "{entries:?}");
}

// With whose rights

/// A person went back in the overlap, so that two live.
fn two_alive(kind: Kind) -> World {
    let mut world = overlapping(kind);
    let old = rotation(&world, "crm-byhand").attempt.clone().unwrap().supersedes.unwrap();
    world.moved_by_hand(&old);
    passes(&mut world, |world| ended(world, "crm-byhand").is_some());
    assert_eq!((ended(&world, "crm-byhand"), world.live.len()), (Some(Ended::Kept), 2));
    world
}

fn owes(effect: &Effect) -> usize {
    let Effect::Record { entries, .. } = effect else { panic!("{effect:?}") };
    entries.iter().map(|entry| if let Entry::Owe(owed) = entry { owed.len() } else { 0 }).sum()
}

#[test]
fn all_that_lives_is_owed_wherever_the_partner_can_be_asked_before_the_promotion() {
    let promoting = |effect: &Effect| records(effect, |entry| matches!(entry, Entry::Promoting | Entry::Using));
    let mut world = two_alive(Kind::Tagged);
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    assert_eq!(owes(&world.until("Promoting", promoting)), 2, "by the admin");
    let mut world = two_alive(Kind::Tagged);
    world.without_admin();
    world.made_by_hand("crm-new", false);
    world.bring("crm-own", secret("crm-new"));
    assert_eq!(owes(&world.until("Promoting", promoting)), 2, "by itself, once it is accepted");
    let mut world = rested(Kind::FirstUse);
    let left = VersionId::parse("left-0123456789abcdef0123456789abcd").unwrap();
    world.bytes.insert(left.clone(), (8000, None));
    world.stages.entry(left).or_default().insert(mes_core::names::Stage::parse("staged-by-hand").unwrap());
    world.live.insert(Live { bytes: 8000, slot: None, main: true, tag: None });
    world.request("crm-plain");
    assert_eq!(owes(&world.until("Using", promoting)), 2, "before its first use");
}

#[test]
fn without_an_admin_what_may_be_dead_is_not_asked_for_a_persons_own_candidate_and_is_for_a_plain_one() {
    let promoting = |effect: &Effect| records(effect, |entry| matches!(entry, Entry::Promoting | Entry::Using));
    for kind in [Kind::Tagged, Kind::FirstUse] {
        let mut world = rested(kind);
        world.without_admin();
        world.made_by_hand("crm-new", true);
        world.bring("crm-own", secret("crm-new"));
        world.until("Promoting", promoting);
    }
    let mut world = rested(Kind::Tagged);
    world.without_admin();
    world.request("crm-plain");
    world.until("Promoting", promoting);
    let current = world.current().cloned().unwrap();
    world.dies(&current);
    let told = waits(&mut world);
    assert!(matches!(&told, Reason::Fault(fault) if fault.kind == FaultKind::Denied), "{told:?}");
}

// R12

#[test]
fn no_rotation_brings_back_what_another_gave_up_or_is_about_to_put_in_use() {
    let told = |change: &dyn Fn(&mut World) -> VersionId| {
        let mut world = rested(Kind::Tagged);
        world.request("crm-byhand");
        world.until("the create", |effect| matches!(effect, Effect::Mint { .. }));
        pass(&mut world, 1);
        let version = change(&mut world);
        world.bring("crm-back", Candidate::Version(version));
        match rotated(&mut world) {
            Err(Step::Act(Effect::Record { rotation, entries, .. })) if rotation.as_str() == "crm-back" => {
                assert_eq!(entries, [Entry::End(Ended::VersionNotLive)]);
                true
            }
            _ => false,
        }
    };
    fn running(world: &mut World) -> &mut mes_core::journal::Rotation {
        world.journal.rotations.iter_mut().find(|each| each.name.as_str() == "crm-byhand").unwrap()
    }
    assert!(told(&|world| candidate(world)), "another's candidate");
    let given_up = |world: &mut World| {
        let version = candidate(world);
        running(world).ended = Some((Ended::Cancelled, jiff::Timestamp::UNIX_EPOCH));
        version
    };
    assert!(told(&given_up), "given up");
    let promoted = |world: &mut World| {
        let version = candidate(world);
        world.moved_by_hand(&version);
        running(world).promoted = Some(jiff::Timestamp::UNIX_EPOCH);
        version
    };
    assert!(!told(&promoted), "in use before");
    let kept = |world: &mut World| {
        let version = candidate(world);
        running(world).promoted = Some(jiff::Timestamp::UNIX_EPOCH);
        running(world).ended = Some((Ended::Kept, jiff::Timestamp::UNIX_EPOCH));
        version
    };
    assert!(!told(&kept), "kept by a person");
    let announced = |world: &mut World| {
        let version = kept(world);
        let owed = mes_core::journal::Owed { version: Some(version.clone()), doomed: Some(world.now) };
        running(world).owed.insert(mes_core::names::CredentialId::parse("announced").unwrap(), owed);
        version
    };
    assert!(told(&announced), "its revocation is announced");
    let unreadable = |world: &mut World| {
        let version = world.current().cloned().unwrap();
        let flawed = mes_core::facts::Stored { problems: vec![], renders: Default::default() };
        world.answers.insert(Look::Version(version.clone()), Sight::Version(Ok(Some(flawed))));
        world.dies(&version);
        version
    };
    assert!(told(&unreadable), "dead");
    assert!(told(&|_| VersionId::parse("gone-0123456789abcdef0123456789abcd").unwrap()), "not there");
    assert!(!told(&|world| world.current().cloned().unwrap()), "it lives");
}

#[test]
fn a_rotation_may_bring_its_own_earlier_attempt_and_where_trying_is_using_a_stored_version_is_taken_unseen() {
    let mut world = rested(Kind::FirstUse);
    let former = VersionId::parse("former-0123456789abcdef0123456789").unwrap();
    world.bytes.insert(former.clone(), (8000, None));
    world.bring("crm-back", Candidate::Version(former.clone()));
    let refused = Sight::Acceptance(Ok(Some(Acceptance::Refused)));
    world.answers.insert(Look::Acceptance(former), refused);
    world.until("the put", is_bring);
    world.pass(|_| Outcome::Fine);
    assert_eq!(ended(&world, "crm-back"), None);
}

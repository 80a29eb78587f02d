//! Journals older, newer, edited, lying: what a record says is never enough to end what it should not.

#[allow(dead_code, reason = "the model uses the rest of its world")]
mod world;

#[allow(dead_code, reason = "other tests use the rest")]
mod scene;

use std::collections::BTreeSet;

use mes_core::decide::Step;
use mes_core::effect::Effect;
use mes_core::facts::Ownership;
use mes_core::names::VersionId;
use mes_core::spec::Onboard;
use proptest::prelude::*;
use scene::{Dice, Scene, journal};
use world::{Kind, Live, Outcome, World};

/// A life in which the journal was replaced by a lie at some moment, and lived on without faults.
fn lied_to(seed: u64) -> (World, BTreeSet<Live>) {
    let mut dice = Dice(seed);
    let kind = dice.one(&Kind::ALL);
    let onboard = if kind == Kind::Slots && dice.once_in(3) { Onboard::Mint } else { Onboard::FromSecret };
    let mut world = World::new(kind, onboard);
    for _ in 0..dice.roll() % 80 {
        world.pass(|_| Outcome::Fine);
    }
    // Somebody else's, beside ours. In a slot contract the partner has no other place.
    let foreign = Live { bytes: 9000, slot: None, main: true, tag: None };
    let foreign: BTreeSet<Live> = if kind == Kind::Tagged { BTreeSet::from([foreign]) } else { BTreeSet::new() };
    world.live.extend(foreign.iter().cloned());
    world.journal = journal(&mut dice, &world);
    (world, foreign)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// S1, S3, and whatever is not ours: a lying journal may stop a rotation, never end what is in use.
    #[test]
    fn t31_a_lying_journal_ends_nothing_that_is_in_use_or_not_ours(seed: u64) {
        let (mut world, foreign) = lied_to(seed);
        for _ in 0..120 {
            let before = world.current().cloned();
            let works = before.as_ref().is_some_and(|current| world.is_live(current));
            let mut lied = None;
            world.legal_or_refused = true;
            if let Some(effect) = world.pass(|_| Outcome::Fine) {
                lied = Some(effect);
            }
            if let (Some(effect), true, true) = (&lied, works, world.resource.noted.onboarded) {
                let current = world.current().cloned().unwrap();
                // In place the candidate ends it by contract, and only from its announced call to the promotion.
                // Or the partner does, after the time that it leaves it, whatever has become of the journal since.
                let by_contract = world.between() || world.deaths.contains_key(&world.bytes[&current].0);
                prop_assert!(by_contract || world.is_live(&current), "{:?} killed AWSCURRENT {} {:#?}", effect, current, world.journal);
            }
            prop_assert!(world.live.is_superset(&foreign), "{:?}", lied);
        }
    }

    /// A credential is revoked only if it is listed with a version of ours or our tag, or not listed at all and named with a
    /// version (whose bytes, read by id from our own secret, are all that a driver may end). Never AWSCURRENT's, but where
    /// the resource itself is being deleted; never one that another open rotation wants.
    #[test]
    fn t31_nothing_is_revoked_on_the_word_of_a_journal(seed: u64) {
        let scene = Scene::of(seed);
        let (decision, asked) = scene.whole(None);
        for (_, verdict) in &decision.goals {
            let Err(Step::Act(Effect::Revoke { credential, version, debtor, proven, .. })) = verdict else { continue };
            let listed = asked.iter().find_map(|look| scene.credentials(look)).expect("listed before");
            let there = listed.iter().find(|each| each.id == *credential);
            let ours = there.map(|there| !there.versions.is_empty() || there.tag.is_some());
            prop_assert!(ours.unwrap_or(version.is_some()), "{:?}", credential);
            let secret = scene.store_secret().expect("described before");
            prop_assert_eq!(&secret.ownership, &Ownership::Ours);
            if scene.world.resource.deleting.is_some() && *debtor == scene.world.resource.own.uid {
                continue;
            }
            let versions: BTreeSet<VersionId> = there.iter().flat_map(|there| there.versions.clone()).chain(version.clone()).collect();
            if scene.world.resource.noted.onboarded || scene.world.journal.last_promoted().is_some() {
                prop_assert!(secret.current().is_some_and(|current| !versions.contains(current)), "{:?}", versions);
            }
            for open in scene.world.journal.waiting().filter(|open| !open.aborting) {
                prop_assert!(open.version().is_none_or(|wanted| !versions.contains(wanted)), "{:?}", open);
            }
            if *debtor == scene.world.resource.own.uid {
                // No journal says so: the label does, on that very version.
                prop_assert!(version.as_ref().is_some_and(|version| secret.owes(version)) && *proven);
                continue;
            }
            let doomed = scene.world.journal.rotations.iter().any(|rotation| {
                rotation.uid == *debtor && rotation.owed.get(credential).is_some_and(|owed| owed.doomed.is_some())
            });
            prop_assert!(doomed, "announced first");
            let by_word = scene.world.journal.rotations.iter().any(|rotation| rotation.uid == *debtor && rotation.at_once());
            prop_assert!(*proven || by_word, "only a person's word stands for proof");
        }
    }

    /// A create is announced, in the Rotation that it belongs to, for the version that its number makes; one at a time.
    #[test]
    fn t31_at_most_one_candidate_is_made_and_only_as_announced(seed: u64) {
        let scene = Scene::of(seed);
        let (decision, _) = scene.whole(None);
        let made: Vec<(&VersionId, _)> = decision.goals.iter().filter_map(|(_, verdict)| match verdict {
            Err(Step::Act(Effect::Mint { version, right, .. } | Effect::Compose { version, right, .. })) => Some((version, right)),
            _ => None,
        }).collect();
        prop_assert!(made.len() <= 1);
        for (version, right) in made {
            let rotation = scene.world.journal.rotations.iter().find(|rotation| rotation.uid == right.rotation).unwrap();
            prop_assert!(rotation.ended.is_none() && !rotation.aborting && rotation.promoted.is_none());
            prop_assert_eq!(rotation.version(), Some(version));
        }
    }
}

//! Threats whose moment matters (docs/threats.md): each is tried after every call of a rotation, or all through one.
//!
//! Where time is short it is a sample of the moments, others with each first seed.

use std::time::Instant;

use crate::campaign::{self, Size};
use crate::faults::{Fate, Hand};
use crate::scenario::{self, Scenario, Step};
use crate::undisturbed;

#[test]
fn t27_names_of_rotations_that_somebody_took_hold_no_rotation_up_and_get_nothing() {
    let free = Scenario {
        steps: scenario::squatted().steps.into_iter().filter(|(_, step)| !matches!(step, Step::Squat(..))).collect(),
        ..scenario::squatted()
    };
    let (free, taken) = (undisturbed(free), undisturbed(scenario::squatted()));
    assert!(taken.broken.is_empty(), "{:?}", taken.broken);
    let made = |report: &crate::run::Report| report.effects["partner.create"];
    assert_eq!(made(&taken), made(&free));
    let number = |about: &str| about.rsplit_once('-')?.1.parse::<u32>().ok();
    let served = taken.steps.iter().filter(|named| named.mutates && named.verb.contains(" rotations"));
    let squatters: Vec<_> = served.filter(|named| number(&named.about).is_some_and(|number| number <= 25)).collect();
    assert!(squatters.is_empty(), "{squatters:?}");
}

#[test]
fn t42_a_persons_credential_made_at_any_point_of_a_rotation_is_never_ended() {
    let began = Instant::now();
    let names = ["SynTag", "SynTagSlow", "SynDiff", "SynLagDiff"].map(|cell| format!("mint-and-rotate/{cell}"));
    let scenarios = scenario::all().into_iter().filter(|each| names.contains(&each.name)).collect();
    assert!(
        campaign::interfered(&Size::of_environment(), "t42", &Fate::Then(Hand::Stranger), scenarios).told("t42", began)
    );
}

#[test]
fn t60_a_key_that_is_disabled_at_any_point_of_a_rotation_revokes_nothing_and_holds_nothing_up_for_ever() {
    let began = Instant::now();
    let scenarios = ["SynTag", "SynSlots", "SynGrace"].map(scenario::keyed).into();
    assert!(campaign::interfered(&Size::of_environment(), "t60", &Fate::Then(Hand::Key), scenarios).told("t60", began));
}

#[test]
fn t62_two_leaders_at_once_break_nothing() {
    let began = Instant::now();
    let scenarios = campaign::served().0.into_iter().map(scenario::two_leaders).collect();
    assert!(campaign::each(&Size::of_environment(), "t62", scenarios).told("t62", began));
}

#[test]
fn t62_a_process_that_stands_still_beyond_its_lease_at_any_call_begins_nothing_when_it_wakes() {
    let began = Instant::now();
    let kinds = ["mint-and-rotate/", "target/", "regions/", "delete/"];
    let cells = ["SynTag", "SynDiff", "SynSlots", "SynInPlace", "SynGrace"];
    let names: Vec<String> = kinds.iter().flat_map(|kind| cells.map(|cell| format!("{kind}{cell}"))).collect();
    let scenarios = scenario::all().into_iter().filter(|each| names.contains(&each.name)).collect();
    let outcome = campaign::interfered(&Size::of_environment(), "standing still", &Fate::StandsStill, scenarios);
    assert!(outcome.told("standing still", began));
}

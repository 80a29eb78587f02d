//! `kill -9` at random moments of rotations, under an application that logs in all the time.
//!
//! `MES_E2E_KILLS` sets how often (3 unless set), `MES_E2E_SEED` the moments of an earlier run.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::prober::Prober;
use crate::world::{Operator, World, condition_of, world};

const ROLES: [&str; 2] = ["payments_campaign_a", "payments_campaign_b"];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Effects that the operator has logged as done or failed.
fn effects(operator: &Operator) -> usize {
    operator.log().lines().filter(|line| line.contains("name=campaign") && line.contains("effect=")).count()
}

/// A moment of a rotation: after so many more effects of this process, and a little later.
fn a_moment(random: &mut StdRng, world: &World, operator: &Operator) -> (usize, u64) {
    let (after, later) = (random.random_range(0..18), random.random_range(0..400));
    let (before, began) = (effects(operator), Instant::now());
    let mut looked = began;
    while effects(operator) < before + after && began.elapsed() < Duration::from_secs(25) {
        std::thread::sleep(Duration::from_millis(3));
        if looked.elapsed() > Duration::from_secs(1) {
            looked = Instant::now();
            if open(world) == 0 {
                world.request_rotation("payments", "campaign");
            }
        }
    }
    std::thread::sleep(Duration::from_millis(later));
    (effects(operator) - before, later)
}

fn open(world: &World) -> usize {
    let ended = |rotation: &serde_json::Value| condition_of(rotation, "Complete")["status"] == "True";
    world.rotations("payments", "campaign").iter().filter(|rotation| !ended(rotation)).count()
}

#[test]
fn no_login_is_refused_while_the_operator_is_killed_at_random_moments_of_rotations() {
    let world = world();
    let kills = number("MES_E2E_KILLS").unwrap_or(3);
    let seed = number("MES_E2E_SEED").unwrap_or_else(rand::random);
    eprintln!("campaign: {kills} kills, MES_E2E_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    world.roles(&ROLES);
    world.lend_home();
    // With a Lease of its own the next process leads at once, while calls of the dead one may still land; every third
    // one has the Lease of the dead one, as a pod that restarts has, and waits until it has run out.
    // D is longer than elsewhere: a pass under load must fit into it, or nothing moves and the kills hit nothing.
    let start = |world: &World, number: u64| {
        let lease = format!("campaign-{}", number - u64::from(number % 3 == 2));
        world.operator(&["--lease-name", &lease, "--history", "1000", "--deadline", "6s"])
    };
    let mut operator = start(&world, 0);
    world.apply(&json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": "campaign", "namespace": "payments"},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": ROLES[0], "alternateUsername": ROLES[1], "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": "2s"}, "regions": [{"name": "eu-west-1"}], "targets": [{"name": "campaign"}]}}));
    world.condition(&["mes", "-n", "payments", "campaign"], "Ready", "True", Some("InService"), 90);
    let prober = Prober::start(&world, "payments", "campaign");
    let began = Instant::now();
    for kill in 1..=kills {
        if open(&world) == 0 {
            world.request_rotation("payments", "campaign");
        }
        let (effects, later) = a_moment(&mut random, &world, &operator);
        let words = operator.log();
        let last = words.lines().rfind(|line| line.contains("effect=")).unwrap_or("none").to_owned();
        operator.kill();
        let last = last.split("effect=").nth(1).unwrap_or("none").to_owned();
        eprintln!("kill {kill} at {:?}: {effects} effects, the last {last}, {later} ms later", began.elapsed());
        drop(operator);
        operator = start(&world, kill);
        let seen = prober.so_far();
        assert!(seen.refused.is_empty(), "after kill {kill}: {:?}", seen.refused);
    }
    world.eventually("every Rotation is complete", 180, |world| {
        if open(world) == 0 {
            Ok(())
        } else {
            Err(format!(
                "{:?}",
                world.rotations("payments", "campaign").iter().map(|each| each["status"].clone()).collect::<Vec<_>>()
            ))
        }
    });
    world.condition(&["mes", "-n", "payments", "campaign"], "Ready", "True", Some("InService"), 60);
    std::thread::sleep(Duration::from_secs(1));
    let seen = prober.stop();
    let rotations = world.rotations("payments", "campaign");
    eprintln!(
        "campaign: {kills} kills in {:?}, {} rotations, {} logins accepted, {} refused, {} failed otherwise",
        began.elapsed(),
        rotations.len(),
        seen.accepted,
        seen.refused.len(),
        seen.failed.len()
    );
    assert!(seen.refused.is_empty(), "{:?}", seen.refused);
    let (tried, slow) = (seen.accepted + seen.failed.len() as u64, seen.failed.len() as u64);
    assert!(seen.accepted > kills * 10, "the prober was at work: {}", seen.accepted);
    assert!(slow * 50 <= tried, "{slow} of {tried}: {:?}", seen.failed.first());
    for rotation in &rotations {
        let complete = condition_of(rotation, "Complete");
        assert!(["Revoked", "Kept", "Merged"].contains(&complete["reason"].as_str().unwrap_or_default()), "{rotation}");
    }
    let mut labels: Vec<String> = world.labels("e2e/payments/campaign").into_values().flatten().collect();
    labels.sort();
    assert_eq!(labels, ["AWSCURRENT", "AWSPREVIOUS"]);
    assert_eq!(world.logins(&ROLES), 1, "exactly one of the two roles accepts a login");
    assert!(world.logs_in("payments", "campaign"));
    world.delete(&["mes", "-n", "payments", "campaign"]);
    world.delete(&["secret", "-n", "payments", "campaign"]);
    world.drop_roles("payments_campaign_");
    drop(operator);
}

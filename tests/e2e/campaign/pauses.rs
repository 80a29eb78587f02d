//! A leader that stands still (SIGSTOP) beyond its Lease, while a second operator takes over and rotates, and then wakes.
//!
//! Every second time the second one stands still too while the first wakes: whatever changes in AWS, at PostgreSQL or in the
//! cluster meanwhile is the zombie's. The other times both are awake, as it happens in life.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::Value;

use super::watched::Watched;
use super::{Campaign, NAMESPACE, Plan, foreign};
use crate::world::{World, world, writes};

const LEASE: &str = "pauses";

#[test]
fn t62_a_leader_that_stood_still_beyond_its_lease_and_wakes_while_another_leads_has_no_effect() {
    if foreign(
        "t62_a_leader_that_stood_still_beyond_its_lease_and_wakes_while_another_leads_has_no_effect",
        "read its audit log",
    ) {
        return;
    }
    let world = world();
    let mut campaign = Campaign::prepare(&world, Plan { name: "pauses", faults: "pauses", few: 1, reachable: true });
    let mut leader = Watched::start(&world, LEASE);
    campaign.begin();
    let mut alone = true;
    while campaign.goes_on() {
        let mut second = Watched::start(&world, LEASE);
        // The second one has read the Lease once, or it would count from a later moment.
        campaign.wait(Duration::from_secs(3), &mut leader);
        let moment = campaign.moment(&mut leader, Duration::from_secs(25));
        assert!(leader.process().signal("STOP"));
        let stopped = Instant::now();
        while !second.leads() {
            assert!(stopped.elapsed() < Duration::from_secs(60), "the second one takes over");
            campaign.wait(Duration::from_millis(200), &mut second);
        }
        let over = stopped.elapsed();
        // It rotates: what the first one was about to write may be in the way of it by now.
        let led = Instant::now();
        while second.effects() == 0 {
            assert!(led.elapsed() < Duration::from_secs(60), "the second one works");
            campaign.wait(Duration::from_millis(200), &mut second);
        }
        let longest = if campaign.is_long() { 60_000 } else { 2_000 };
        let rotating = Duration::from_millis(campaign.random.random_range(0..longest));
        campaign.wait(rotating, &mut second);
        let effects = second.effects();
        wakes(&world, &mut leader, &mut second, alone);
        campaign.struck(&format!(
            "{moment}; taken over after {over:?}, woken after {effects} effects of the second, {}",
            if alone { "alone" } else { "beside the second" }
        ));
        alone = !alone;
        leader = second;
    }
    campaign.end(leader, "");
}

/// The zombie wakes, and has to end by itself; where it is alone, without any effect.
fn wakes(world: &World, zombie: &mut Watched<'_>, second: &mut Watched<'_>, alone: bool) {
    if alone {
        assert!(second.process().signal("STOP"));
        // What it had sent has landed.
        std::thread::sleep(Duration::from_secs(2));
    }
    let before = Outside::of(world);
    let woken = Instant::now();
    assert!(zombie.process().signal("CONT"));
    while !zombie.process().ended() {
        assert!(woken.elapsed() < Duration::from_secs(9), "the zombie ends by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    let effects = if alone { before.effects(world) } else { Vec::new() };
    assert!(second.process().signal("CONT"));
    assert!(effects.is_empty(), "of the zombie, within {:?}: {effects:#?}", woken.elapsed());
    let words = zombie.process().log();
    assert!(words.contains("the Lease was lost"), "{:?}", words.lines().last());
}

/// The world outside of the operators at a moment.
struct Outside {
    /// The sandbox's last call.
    mark: u64,
    /// Length of the audit log.
    audited: u64,
    /// What the server knows of the roles, verifiers and all. Never printed.
    roles: String,
}

impl Outside {
    fn of(world: &World) -> Self {
        let audited = std::fs::metadata(world.plane.audit_log()).expect("an audit log").len();
        Self { mark: world.mark(), audited, roles: roles(world) }
    }

    /// What the operator's account has changed since.
    fn effects(&self, world: &World) -> Vec<String> {
        let calls = world.calls(self.mark);
        let mut effects: Vec<String> = calls
            .iter()
            .filter(|entry| writes(entry) && entry.outcome == "ok")
            .map(|entry| format!("AWS: {} {:?}", entry.operation, entry.resource))
            .collect();
        let now = roles(world);
        let changed = now.lines().zip(self.roles.lines()).filter(|(now, before)| now != before);
        effects.extend(changed.map(|(now, _)| format!("PostgreSQL: {:?}", now.split('|').next())));
        effects.extend(self.written(world).iter().map(|entry| {
            let object = &entry["objectRef"];
            format!("Kubernetes: {} {} {} {}", entry["verb"], object["resource"], object["subresource"], object["name"])
        }));
        effects
    }

    /// The operator's writes that the API server has taken since. Without events: of what it did before it stood still, the
    /// zombie may still tell.
    fn written(&self, world: &World) -> Vec<Value> {
        let mut more = String::new();
        let mut log = File::open(world.plane.audit_log()).expect("an audit log");
        log.seek(SeekFrom::Start(self.audited)).and_then(|_| log.read_to_string(&mut more)).expect("read");
        let entries = more.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let taken = |entry: &Value| {
            let mutates = ["create", "update", "patch", "delete"].contains(&entry["verb"].as_str().unwrap_or_default());
            let told = entry["objectRef"]["resource"] == "events";
            let asked =
                entry["objectRef"]["apiGroup"].as_str().is_some_and(|group| group.ends_with("authorization.k8s.io"));
            mutates
                && !told
                && !asked
                && entry["user"]["username"] == "system:serviceaccount:mes-system:mes"
                && entry["responseStatus"]["code"].as_u64().is_some_and(|code| (200..300).contains(&code))
        };
        entries.filter(taken).collect()
    }
}

fn roles(world: &World) -> String {
    let sql = format!(
        "SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE rolname LIKE '{NAMESPACE}\\_pauses\\_%' ORDER BY 1"
    );
    world.postgres.psql(&sql).expect("listed")
}

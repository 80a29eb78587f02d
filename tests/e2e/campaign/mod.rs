//! Campaigns: faults at random moments of rotations that go on all the time, under applications that log in all the time.
//!
//! A campaign is short in a run of all tests. `cargo xtask campaign` makes it last (`MES_E2E_MINUTES`), over more resources;
//! `MES_E2E_SEED` sets the moments of an earlier run, as far as the machine repeats itself. Whatever happens between: at the
//! end each rotation has ended, nothing is left over, all holders hold AWSCURRENT, and no login was refused.

mod control_plane;
mod kills;
mod pacer;
mod pauses;
mod postgresql;
mod verdict;
mod watched;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use xtask::control_plane::CONTEXT;
use xtask::progress::short;

use self::pacer::{Known, Pacer};
use self::watched::Watched;
use crate::prober::{Application, Prober, Seen};
use crate::world::{World, condition_of};

const NAMESPACE: &str = "payments";
/// The primary region and the one with a replica.
const REGIONS: [&str; 2] = ["us-west-2", "eu-west-1"];
/// Resources of a campaign of some minutes, and of one in a run of all tests.
const MANY: usize = 20;
const FEW: usize = 4;
/// How often a person hears something.
const TELL: Duration = Duration::from_secs(15);
/// How long the last rotations may take to end.
const SETTLE: Duration = Duration::from_secs(240);

/// Flags that let rotations go on all the time. D is longer than elsewhere, the more resources the longer: a pass under load
/// must fit into it, or nothing moves and the faults hit nothing.
fn flags() -> [&'static str; 6] {
    let deadline = if minutes().is_some() { "6s" } else { "4s" };
    ["--deadline", deadline, "--history", "10", "--log-level", "info"]
}

/// For how long faults strike; none in a run of all tests.
fn minutes() -> Option<u64> {
    number("MES_E2E_MINUTES")
}

/// What a campaign is.
struct Plan {
    /// Its name, which its resources and roles have too.
    name: &'static str,
    /// What its faults are called.
    faults: &'static str,
    /// How many of them in a run of all tests.
    few: u64,
    /// Whether PostgreSQL is there all the time: then hardly a login fails.
    reachable: bool,
}

/// A campaign under way.
struct Campaign<'w> {
    world: &'w World,
    random: StdRng,
    plan: Plan,
    resources: Vec<String>,
    began: Instant,
    told: Instant,
    until: Option<Instant>,
    struck: u64,
    crowd: Option<(Prober, Pacer)>,
}

/// What a campaign came to.
struct Sums {
    took: Duration,
    rotations: Vec<Known>,
    seen: Seen,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether the control plane is somebody else's: then `test` is skipped, since nobody may `need` there.
fn foreign(test: &str, need: &str) -> bool {
    let foreign = std::env::var_os(CONTEXT).is_some_and(|context| !context.is_empty());
    if foreign {
        xtask::skip(test, &format!("on a foreign cluster nobody may {need}"));
    }
    foreign
}

/// The roles of a resource.
fn pair(resource: &str) -> [String; 2] {
    ['a', 'b'].map(|half| format!("{NAMESPACE}_{}_{half}", resource.replace('-', "_")))
}

impl<'w> Campaign<'w> {
    /// Makes the roles and the resources; no operator runs yet.
    fn prepare(world: &'w World, plan: Plan) -> Self {
        let minutes = minutes();
        let seed = number("MES_E2E_SEED").unwrap_or_else(rand::random);
        let count = if minutes.is_some() { MANY } else { FEW };
        let resources: Vec<String> = (0..count).map(|number| format!("{}-{number}", plan.name)).collect();
        eprintln!("{}: {count} resources, seed {seed}", plan.name);
        let roles: Vec<String> = resources.iter().flat_map(|resource| pair(resource)).collect();
        world.roles(&roles.iter().map(String::as_str).collect::<Vec<_>>());
        world.lend_home();
        let items: Vec<Value> = resources.iter().map(|resource| described(resource)).collect();
        world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
        let now = Instant::now();
        let until = minutes.map(|minutes| now + Duration::from_secs(60 * minutes));
        let random = StdRng::seed_from_u64(seed);
        Self { world, random, plan, resources, began: now, told: now, until, struck: 0, crowd: None }
    }

    /// Waits until all resources are in service, then lets the applications log in and people ask for rotations. The time of
    /// the campaign counts from here.
    fn begin(&mut self) {
        let limit = 60 + 5 * self.resources.len() as u64;
        self.world.eventually("all resources are in service", limit, |_| match self.not_in_service() {
            waiting if waiting.is_empty() => Ok(()),
            waiting => Err(format!("{waiting:?}")),
        });
        let application = |resource: &String| Application {
            target: resource.clone(),
            secret: format!("e2e/{NAMESPACE}/{resource}"),
            regions: REGIONS.to_vec(),
        };
        let prober = Prober::start(self.world, NAMESPACE, self.resources.iter().map(application).collect());
        let pacer = Pacer::start(self.world, NAMESPACE, self.resources.clone());
        let now = Instant::now();
        self.until = self.until.map(|until| until + (now - self.began));
        (self.began, self.told) = (now, now);
        self.crowd = Some((prober, pacer));
    }

    /// Whether another fault is due.
    fn goes_on(&self) -> bool {
        self.until.map_or(self.struck < self.plan.few, |until| Instant::now() < until)
    }

    /// Whether it lasts for minutes.
    fn is_long(&self) -> bool {
        self.until.is_some()
    }

    /// A moment of rotations: after so many more effects, and a little later; `within` at the most.
    fn moment(&mut self, operator: &mut Watched<'_>, within: Duration) -> String {
        let most = if self.is_long() { 12 } else { 6 } * self.resources.len();
        let (after, later) = (self.random.random_range(0..most), self.random.random_range(0..400));
        let (before, began) = (operator.effects(), Instant::now());
        while operator.effects() < before + after && began.elapsed() < within {
            operator.tend();
            std::thread::sleep(Duration::from_millis(5));
            self.tell();
        }
        std::thread::sleep(Duration::from_millis(later));
        format!("after {} effects, the last {}, {later} ms later", operator.effects() - before, operator.last())
    }

    /// Lets time pass.
    fn wait(&mut self, duration: Duration, operator: &mut Watched<'_>) {
        let until = Instant::now() + duration;
        while Instant::now() < until {
            operator.tend();
            std::thread::sleep(Duration::from_millis(50).min(duration));
            self.tell();
        }
    }

    /// A fault has struck; nobody may have been refused so far.
    fn struck(&mut self, what: &str) {
        self.struck += 1;
        eprintln!("{}: {} at {}: {what}", self.plan.name, self.struck, short(self.began.elapsed()));
        let refused = self.crowd.as_ref().map(|(prober, _)| prober.so_far().refused).unwrap_or_default();
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// A line each 15 s.
    fn tell(&mut self) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let (Some((prober, pacer)), Plan { name, faults, .. }) = (&self.crowd, &self.plan) else { return };
        let whole = self.until.map(|until| format!(" of {}", short(until - self.began))).unwrap_or_default();
        eprintln!(
            "  {name}: {}{whole}: {} {faults}, {}",
            short(self.began.elapsed()),
            self.struck,
            said(pacer.ended(), &prober.so_far())
        );
    }

    /// No more faults: all comes to rest, is judged, and is taken away.
    fn end(mut self, mut operator: Watched<'_>, more: &str) {
        let (_, pacer) = self.crowd.as_ref().expect("it has begun");
        pacer.hush();
        let until = Instant::now() + SETTLE;
        loop {
            operator.tend();
            self.tell();
            let (_, pacer) = self.crowd.as_ref().expect("it has begun");
            let (open, waiting) = (pacer.open(), self.not_in_service());
            if open.is_empty() && waiting.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "not at rest within {SETTLE:?}: open {open:?}, not in service {waiting:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
        // The last value is tried, too.
        self.wait(Duration::from_secs(1 + self.resources.len() as u64 / 5), &mut operator);
        let (prober, pacer) = self.crowd.take().expect("it has begun");
        let sums = Sums { took: self.began.elapsed(), rotations: pacer.stop(), seen: prober.stop() };
        let Plan { name, faults, reachable, .. } = self.plan;
        let left = verdict::left_over(self.world, &self.resources);
        let wrong = verdict::wrong(self.world, &self.resources, &sums, reachable);
        eprintln!(
            "campaign {name}: {} in {}: {} {faults}, {}, {left} left over{more}",
            if wrong.is_empty() { "passed" } else { "FAILED" },
            short(sums.took),
            self.struck,
            said(sums.rotations.iter().filter(|rotation| rotation.outcome.is_some()).count(), &sums.seen),
        );
        assert!(wrong.is_empty(), "{wrong:#?}");
        for kind in ["mes", "secret"] {
            let names = self.resources.iter().map(String::as_str);
            self.world.delete(&[kind, "-n", NAMESPACE].into_iter().chain(names).collect::<Vec<_>>());
        }
        self.world.drop_roles(&format!("{NAMESPACE}_{}_", self.plan.name.replace('-', "_")));
        drop(operator);
    }

    /// Those that are not in service now, and why.
    fn not_in_service(&self) -> Vec<String> {
        let list = self.world.get(&["mes", "-n", NAMESPACE]);
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let named = |name: &String| items.iter().find(|each| each["metadata"]["name"] == name.as_str());
        let waits = |name: &&String| {
            named(name).is_none_or(|each| {
                let ready = condition_of(each, "Ready");
                ready["status"] != "True" || ready["reason"] != "InService"
            })
        };
        let told = |name: &String| {
            format!(
                "{name}: {}",
                named(name).map(|each| condition_of(each, "Ready")["message"].clone()).unwrap_or_default()
            )
        };
        self.resources.iter().filter(waits).map(told).collect()
    }
}

fn said(rotations: usize, seen: &Seen) -> String {
    format!(
        "{rotations} rotations ended, {} logins accepted, {} refused, {} failed otherwise, {} reads failed",
        seen.accepted,
        seen.refused.len(),
        seen.unreachable.len(),
        seen.unread.len()
    )
}

fn described(resource: &str) -> Value {
    let [one, other] = pair(resource);
    json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "ManagedExternalSecret", "metadata": {"name": resource, "namespace": NAMESPACE},
        "spec": {"partner": {"type": "PostgreSQLRole", "accountRef": {"name": "pg-main"}, "parameters": {"username": one, "alternateUsername": other, "dbname": "postgres"}},
            "onboard": {"mint": {}}, "rotation": {"overlap": "2s"}, "regions": [{"name": REGIONS[1]}], "targets": [{"name": resource}]}})
}

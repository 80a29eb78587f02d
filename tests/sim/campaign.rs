//! Campaigns: which runs are made, by how many threads, and what they found.
//!
//! Invariant: a run that broke something is told with its campaign, scenario, seed or schedule and trace; run again by that,
//! it does the same. Each campaign gives how many of its runs passed and failed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::call::Named;
use crate::faults::{Fate, Hand, Plan};
use crate::invariants::Broken;
use crate::run::{Report, Setup, run};
use crate::sabotage;
use crate::scenario::{self, Scenario};
use crate::synthetic::CELLS;
use crate::world::BEGINNING;

/// Minutes in which each resource is checked at least once.
const CHECKS: u32 = 25;
/// Minutes of a day.
pub(crate) const DAY: u32 = 24 * 60;
/// Whose rotations meet every pair of faults: one of each way in which the old credential ends.
const MAIN: [&str; 5] = ["SynTag", "SynDiff", "SynSlots", "SynInPlace", "SynGrace"];

/// How large, from the environment.
#[derive(Clone)]
pub(crate) struct Size {
    pub(crate) seeds: u64,
    /// Whether somebody said how many.
    pub(crate) counted: bool,
    pub(crate) from: u64,
    pub(crate) jobs: usize,
    /// Only scenarios with this in their names.
    pub(crate) scenario: String,
    /// After this long no further run is begun; none: all are made.
    pub(crate) budget: Option<Duration>,
    /// Virtual minutes of silence of most runs.
    pub(crate) silence: u32,
}

impl Size {
    pub(crate) fn of_environment() -> Self {
        let text = |name: &str| std::env::var(name).ok();
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let whole = text("MES_SIM_WHOLE").is_some();
        let jobs = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            seeds: number("MES_SIM_SEEDS").unwrap_or(500),
            counted: text("MES_SIM_SEEDS").is_some(),
            from: number("MES_SIM_FROM").unwrap_or(1),
            jobs: number("MES_SIM_JOBS").and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(jobs).max(1),
            scenario: text("MES_SIM_SCENARIO").unwrap_or_default(),
            budget: (!whole).then(|| Duration::from_secs(number("MES_SIM_SECONDS").unwrap_or(25))),
            // A day is two thousand writes of the Lease even at its slowest: each twentieth seed has one.
            silence: if whole { 60 } else { 0 },
        }
    }
}

/// What a campaign came to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) left: usize,
    /// By what was broken: how often, and one run that shows it.
    pub(crate) failed: BTreeMap<String, (usize, String, Vec<String>)>,
}

impl Outcome {
    fn failures(&self) -> usize {
        self.failed.values().map(|(count, ..)| count).sum()
    }

    /// Tells all, and whether nothing was found.
    pub(crate) fn told(&self, campaign: &str, began: Instant) -> bool {
        for (what, (count, how, trace)) in &self.failed {
            println!("\n=== {campaign}: {what}\n    {count} runs; one is {how}");
            let shown = if std::env::var_os("MES_SIM_TRACE").is_some() { trace.len() } else { 60 };
            trace[trace.len().saturating_sub(shown)..].iter().for_each(|line| println!("    {line}"));
        }
        let left = if self.left > 0 { format!(", {} left out for want of time", self.left) } else { String::new() };
        let took = began.elapsed().as_secs();
        println!("sim {campaign}: {} passed, {} failed{left} ({took} s)", self.passed, self.failures());
        self.failed.is_empty()
    }
}

/// One run and how to tell of it.
struct Task {
    setup: Setup,
    how: String,
    /// What an undisturbed run did, to be compared with.
    calm: Option<std::sync::Arc<Report>>,
    /// Run it twice: both must be the same.
    twice: bool,
}

/// Makes the runs.
fn all(size: &Size, campaign: &str, tasks: Vec<Task>) -> Outcome {
    let began = Instant::now();
    let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    let said = Mutex::new(Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..size.jobs {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(at) else { return };
                    if size.budget.is_some_and(|budget| began.elapsed() > budget) {
                        outcome.lock().expect("no panic").left += 1;
                        continue;
                    }
                    let (found, trace) = judged(task);
                    let mut outcome = outcome.lock().expect("no panic");
                    match found.first() {
                        None => outcome.passed += 1,
                        Some(broken) => {
                            // One entry a kind of breach: names and numbers differ from run to run.
                            let kind: String =
                                broken.to_string().chars().filter(|each| !each.is_ascii_digit()).collect();
                            let kind: String = kind.chars().take(90).collect();
                            println!("  {campaign}: FAILED {}: {broken}", task.how);
                            let entry = outcome.failed.entry(kind).or_insert_with(|| (0, task.how.clone(), trace));
                            entry.0 += 1;
                        }
                    }
                    let mut said = said.lock().expect("no panic");
                    if said.elapsed() > Duration::from_secs(15) {
                        *said = Instant::now();
                        println!("  {campaign}: {at} of {}, {} failed", tasks.len(), outcome.failures());
                    }
                }
            });
        }
    });
    outcome.into_inner().expect("no panic")
}

fn judged(task: &Task) -> (Vec<Broken>, Vec<String>) {
    let mut report = run(task.setup.clone());
    if let Some(calm) = &task.calm {
        report.broken.extend(differences(calm, &report, &task.setup.plan));
    }
    if task.twice {
        let again = run(task.setup.clone());
        if again.trace != report.trace {
            let at = again.trace.iter().zip(&report.trace).position(|(one, other)| one != other);
            let line = |report: &Report| at.and_then(|at| report.trace.get(at)).cloned();
            let what =
                format!("the same seed went two ways at line {at:?}: {:?} and {:?}", line(&report), line(&again));
            report.broken.push(Broken { id: "deterministic", what });
        }
    }
    (report.broken, report.trace)
}

/// What differs from the undisturbed run beyond what its faults explain.
fn differences(calm: &Report, report: &Report, plan: &Plan) -> Vec<Broken> {
    let Plan::At(fates) = plan else { return Vec::new() };
    let count = |report: &Report, verb: &str| report.effects.get(verb).copied().unwrap_or_default();
    let faults = u64::try_from(fates.len()).unwrap_or_default();
    let mut found = Vec::new();
    // A lost create costs one more, and its revocation.
    for (verb, more) in [
        ("partner.create", faults),
        ("partner.revoke", faults),
        ("partner.register", faults),
        ("sm.CreateSecret", faults),
        ("sm.PutSecretValue", 2 * faults),
        ("sm.UpdateSecretVersionStage", 2 * faults),
        ("sm.ReplicateSecretToRegions", faults),
        ("sm.DeleteSecret", faults),
        ("kube.POST rotations", 0),
    ] {
        let (was, is) = (count(calm, verb), count(report, verb));
        if is > was + more {
            found.push(Broken { id: "differential", what: format!("{verb}: {is} times, undisturbed {was}") });
        }
    }
    found
}

/// The cells that the product serves: it is asked, by a run without faults.
pub(crate) fn served() -> (Vec<&'static str>, Vec<String>) {
    static ASKED: std::sync::OnceLock<(Vec<&'static str>, Vec<String>)> = std::sync::OnceLock::new();
    ASKED.get_or_init(asked).clone()
}

fn asked() -> (Vec<&'static str>, Vec<String>) {
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for cell in CELLS {
        let name = format!("mint-and-rotate/{}", cell.name());
        let Some(scenario) = scenario::all().into_iter().find(|each| each.name == name) else { continue };
        let scenario = Scenario { steps: scenario.steps.into_iter().take(1).collect(), length: 300, ..scenario };
        match run(Setup { seed: 1, plan: Plan::Calm, scenario, silence: 0, sabotage: None }).refused {
            None => served.push(cell.name()),
            Some(reason) => refused.push(format!("{} ({reason})", cell.name())),
        }
    }
    (served, refused)
}

/// Without a fault, each scenario once.
pub(crate) fn calm(size: &Size) -> Outcome {
    let (served, _) = served();
    let task = |scenario: Scenario| Task {
        how: format!("--scenario {}", scenario.name),
        setup: Setup { seed: 1, plan: Plan::Calm, scenario, silence: size.silence, sabotage: None },
        calm: None,
        twice: true,
    };
    all(size, "calm", wanted(size, &served).map(task).collect())
}

fn wanted<'a>(size: &'a Size, served: &'a [&'static str]) -> impl Iterator<Item = Scenario> + 'a {
    let of_served = |scenario: &Scenario| served.iter().any(|cell| scenario.name.ends_with(&format!("/{cell}")));
    let mut all = scenario::all();
    if size.budget.is_some() {
        // Each is run undisturbed first: where time is short, a few of them, others with each first seed.
        all.shuffle(&mut StdRng::seed_from_u64(size.from));
    }
    let few = if size.budget.is_some() { 4 } else { usize::MAX };
    all.into_iter().filter(move |each| of_served(each) && each.name.contains(&size.scenario)).take(few)
}

/// Every call of every scenario with every fate of a crash.
pub(crate) fn exhaustive(size: &Size) -> Outcome {
    let (served, _) = served();
    let mut tasks = Vec::new();
    for scenario in wanted(size, &served) {
        let setup = Setup { seed: 1, plan: Plan::Calm, scenario, silence: CHECKS, sabotage: None };
        let calm = std::sync::Arc::new(run(setup.clone()));
        for (number, named) in telling(&calm.steps) {
            for fate in fates(named) {
                let (what, plan) = (fate.to_string(), Plan::one(number, fate));
                tasks.push(Task {
                    how: format!(
                        "--scenario {} --at {} ({what}: {})",
                        setup.scenario.name,
                        plan.schedule(),
                        named.verb
                    ),
                    setup: Setup { plan, ..setup.clone() },
                    calm: Some(calm.clone()),
                    twice: false,
                });
            }
        }
    }
    spread(size, &mut tasks);
    all(size, "exhaustive", tasks)
}

/// Two faults, for the five main scenarios.
pub(crate) fn pairs(size: &Size) -> Outcome {
    let (served, _) = served();
    let mut tasks = Vec::new();
    for scenario in wanted(size, &served).filter(is_main) {
        let setup = Setup { seed: 1, plan: Plan::Calm, scenario, silence: CHECKS, sabotage: None };
        let calm = std::sync::Arc::new(run(setup.clone()));
        let points: Vec<(u64, Fate)> = telling(&calm.steps)
            .filter(|(_, named)| named.mutates)
            .flat_map(|(number, _)| [Fate::CrashAfterEffect, Fate::LostReply].map(|fate| (number, fate)))
            .collect();
        for (at, first) in points.iter().enumerate() {
            for second in points[at..].iter().filter(|second| second.0 > first.0) {
                let plan = Plan::At([first.clone(), second.clone()].into());
                let how = format!("--scenario {} --at {}", setup.scenario.name, plan.schedule());
                tasks.push(Task {
                    how,
                    setup: Setup { plan, ..setup.clone() },
                    calm: Some(calm.clone()),
                    twice: false,
                });
            }
        }
    }
    spread(size, &mut tasks);
    all(size, "pairs", tasks)
}

/// What happens right after the effect of any call of these scenarios.
pub(crate) fn interfered(size: &Size, campaign: &str, fate: &Fate, scenarios: Vec<Scenario>) -> Outcome {
    let mut tasks = Vec::new();
    for scenario in scenarios {
        let setup = Setup { seed: 1, plan: Plan::Calm, scenario, silence: CHECKS, sabotage: None };
        let calm = std::sync::Arc::new(run(setup.clone()));
        for (number, _) in telling(&calm.steps) {
            let plan = Plan::one(number, fate.clone());
            let how = format!("--scenario {} --at {}", setup.scenario.name, plan.schedule());
            // A quarter of an hour without the key explains what is tried again meanwhile.
            let calm = (*fate != Fate::Then(Hand::Key)).then(|| calm.clone());
            tasks.push(Task { how, setup: Setup { plan, ..setup.clone() }, calm, twice: false });
        }
    }
    spread(size, &mut tasks);
    all(size, campaign, tasks)
}

/// Each of these, with nothing else.
pub(crate) fn each(size: &Size, campaign: &str, scenarios: Vec<Scenario>) -> Outcome {
    let task = |scenario: Scenario| Task {
        how: format!("--scenario {} --at ''", scenario.name),
        setup: Setup { seed: 1, plan: Plan::Calm, scenario, silence: CHECKS, sabotage: None },
        calm: None,
        twice: false,
    };
    all(size, campaign, scenarios.into_iter().map(task).collect())
}

fn is_main(scenario: &Scenario) -> bool {
    scenario.name.strip_prefix("mint-and-rotate/").is_some_and(|cell| MAIN.contains(&cell))
}

/// Where time does not suffice for all, those that are made shall be of everywhere.
fn spread(size: &Size, tasks: &mut [Task]) {
    if size.budget.is_some() {
        tasks.shuffle(&mut StdRng::seed_from_u64(size.from));
    }
}

/// The steps that differ: of a poll the first two rounds.
fn telling(steps: &[Named]) -> impl Iterator<Item = (u64, &Named)> {
    let mut since: BTreeMap<(String, String), u32> = BTreeMap::new();
    (1..).zip(steps).filter(move |(_, named)| {
        if named.mutates {
            since.clear();
            return true;
        }
        let count = since.entry((named.verb.clone(), named.about.clone())).or_default();
        *count += 1;
        *count <= 2
    })
}

fn fates(named: &Named) -> Vec<Fate> {
    if named.mutates {
        vec![Fate::CrashBefore, Fate::CrashAfterEffect, Fate::CrashAfterReply, Fate::LostReply]
    } else {
        vec![Fate::CrashBefore, Fate::LostReply]
    }
}

/// Seeds: several resources, people, and a world that fails a lot for half an hour.
pub(crate) fn random(size: &Size) -> Outcome {
    let (served, _) = served();
    let task = |seed: u64| Task {
        how: format!("--seed {seed}"),
        setup: of_seed(seed, &served, if seed.is_multiple_of(20) { DAY } else { size.silence }),
        calm: None,
        // Others than those with a day of silence: that is long enough once.
        twice: seed % 20 == 10,
    };
    // So many were asked for: none is left out.
    let size = &Size { budget: size.budget.filter(|_| !size.counted), ..size.clone() };
    all(size, "random", (size.from..size.from + size.seeds).map(task).collect())
}

/// The run of a seed.
pub(crate) fn of_seed(seed: u64, served: &[&'static str], silence: u32) -> Setup {
    let mut chance = StdRng::seed_from_u64(seed);
    let scenario = scenario::random(served, &mut chance);
    let until = BEGINNING + SignedDuration::from_secs(i64::try_from(scenario::CHAOS + 200).unwrap_or_default());
    let plan = Plan::Chaos { until, permille: chance.random_range(0..60), crashes: chance.random_range(0..12) };
    Setup { seed, plan, scenario, silence, sabotage: None }
}

/// One schedule of a scenario.
pub(crate) fn of_schedule(name: &str, schedule: &str) -> Option<Setup> {
    let special = CELLS.iter().flat_map(|cell| [scenario::keyed(cell.name()), scenario::two_leaders(cell.name())]);
    let scenario = scenario::all().into_iter().chain(special).find(|each| each.name == name)?;
    let plan = if schedule.is_empty() { Plan::Calm } else { Plan::of_schedule(schedule)? };
    Some(Setup { seed: 1, plan, scenario, silence: CHECKS, sabotage: None })
}

/// Each way to break a rule, which its checker must catch.
pub(crate) fn broken(began: Instant) -> bool {
    let (mut caught, mut missed) = (0, 0);
    let size = Size::of_environment();
    let budget = size.budget;
    for (number, (sabotage, id, name)) in sabotage::ALL.into_iter().enumerate() {
        if budget.is_some_and(|budget| began.elapsed() > budget) {
            println!("sim broken: {} left out for want of time", sabotage::ALL.len() - number);
            break;
        }
        let Some(scenario) = scenario::all().into_iter().find(|each| each.name == name) else { continue };
        if !format!("{id} {sabotage:?}").contains(&size.scenario) {
            continue;
        }
        let report = run(Setup { seed: 1, plan: Plan::Calm, scenario, silence: CHECKS, sabotage: Some(sabotage) });
        let by: std::collections::BTreeSet<&str> = report.broken.iter().map(|broken| broken.id).collect();
        let fine = by.contains(id);
        (caught, missed) = if fine { (caught + 1, missed) } else { (caught, missed + 1) };
        println!("{id:<4} {} {sabotage:?} ({name}); told: {by:?}", if fine { "caught" } else { "MISSED" });
        if !fine {
            report.trace[report.trace.len().saturating_sub(60)..].iter().for_each(|line| println!("    {line}"));
        }
    }
    println!("sim broken: {caught} passed, {missed} failed ({} s)", began.elapsed().as_secs());
    missed == 0
}

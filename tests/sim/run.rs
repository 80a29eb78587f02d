//! One run: a world, its processes one after the other, and what people do meanwhile, until it is at rest for a day.
//!
//! Invariant: a run is a function of its seed, plan and scenario, in a thread of its own. A crash drops the runtime.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use mes_core::names::Uid;

use crate::call::Named;
use crate::determinism;
use crate::faults::Plan;
use crate::invariants::{Broken, at_rest, condition};
use crate::plug::Process;
use crate::process::{VERIFY, operate};
use crate::sabotage::Sabotage;
use crate::scenario::{self, Scenario, Step};
use crate::world::{BEGINNING, Inner, World, serving};

/// How long it may take to come to rest, once nothing disturbs any more.
const CALM: SignedDuration = SignedDuration::from_hours(6);

/// What a run is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) scenario: Scenario,
    /// Virtual minutes of silence at the end.
    pub(crate) silence: u32,
    /// Where the checkers are on trial.
    pub(crate) sabotage: Option<Sabotage>,
}

/// What it showed.
pub(crate) struct Report {
    pub(crate) trace: Vec<String>,
    pub(crate) broken: Vec<Broken>,
    /// The operator's steps, in order.
    pub(crate) steps: Vec<Named>,
    /// What changed something, by verb.
    pub(crate) effects: BTreeMap<String, u64>,
    /// How many seconds each rotation took that was asked for, by its resource's name.
    pub(crate) rotations: BTreeMap<String, i64>,
    /// Why the product does not serve the resource, if it says so (`Stalled`).
    pub(crate) refused: Option<String>,
}

/// Beyond the interval of checks.
const MARGIN: Duration = Duration::from_secs(90);

/// Where the script is.
struct Script {
    next: usize,
    processes: u32,
}

enum End {
    Crashed,
    Over,
}

/// Runs in a thread of its own.
pub(crate) fn run(setup: Setup) -> Report {
    let name = format!("{} seed {}", setup.scenario.name, setup.seed);
    // Once, and in no run's own thread: it would take of that run's randomness.
    serving();
    let running = std::thread::Builder::new().name(name.clone()).spawn(move || alone(&setup)).expect("a thread");
    running.join().unwrap_or_else(|_| Report {
        trace: Vec::new(),
        broken: vec![Broken { id: "panic", what: format!("{name}: it panicked, see above") }],
        steps: Vec::new(),
        effects: BTreeMap::new(),
        rotations: BTreeMap::new(),
        refused: None,
    })
}

fn alone(setup: &Setup) -> Report {
    determinism::seed(setup.seed);
    let world = World::new(setup.seed, setup.plan.clone());
    world.lock().sabotage = setup.sabotage;
    world.outside("the cluster is there", scenario::prepare);
    let mut script = Script { next: 0, processes: 0 };
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O");
        let end = runtime.block_on(life(&world, &mut script, setup));
        drop(runtime);
        if matches!(end, End::Over) {
            break;
        }
    }
    let now = world.now();
    let mut inner = world.lock();
    let inner = &mut *inner;
    inner.checkers.check_at_the_end(&inner.sandbox, &inner.kube, now);
    Report {
        refused: stalled(inner),
        rotations: rotations(inner),
        broken: inner.broken().to_vec(),
        trace: std::mem::take(&mut inner.trace),
        steps: std::mem::take(&mut inner.steps),
        effects: std::mem::take(&mut inner.effects),
    }
}

fn rotations(inner: &Inner) -> BTreeMap<String, i64> {
    let at = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let asked = inner
        .kube
        .objects("rotations")
        .filter(|each| each["spec"]["trigger"].as_str().unwrap_or("Request") == "Request");
    asked
        .filter_map(|each| {
            let took =
                at(&each["status"]["completionTime"])?.duration_since(at(&each["metadata"]["creationTimestamp"])?);
            Some((each["spec"]["resourceRef"]["name"].as_str()?.to_owned(), took.as_secs()))
        })
        .collect()
}

/// The reason for which a resource is not served at all.
fn stalled(inner: &Inner) -> Option<String> {
    let mut conditions = inner
        .kube
        .objects("managedexternalsecrets")
        .flat_map(|mes| mes["status"]["conditions"].as_array().into_iter().flatten());
    let stalled = conditions.find(|each| each["type"] == "Stalled" && each["status"] == "True")?;
    stalled["reason"].as_str().map(str::to_owned)
}

/// The life of one process.
async fn life(world: &Arc<World>, script: &mut Script, setup: &Setup) -> End {
    world.runtime_begins();
    if script.processes > 0 {
        // A pod is started again after a while.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let number = start(world, script, false);
    let end = tokio::select! {
        biased;
        () = world.dies(number) => End::Crashed,
        () = play(world, script, setup) => End::Over,
    };
    world.runtime_ends();
    end
}

fn start(world: &Arc<World>, script: &mut Script, alone: bool) -> u32 {
    script.processes += 1;
    let number = script.processes;
    world.begins(number, alone);
    let cluster = {
        let inner = world.lock();
        let found = inner.kube.objects("namespaces").find(|each| each["metadata"]["name"] == "kube-system");
        found.and_then(|each| each["metadata"]["uid"].as_str().map(str::to_owned)).expect("kube-system")
    };
    let process = Process { world: world.clone(), number };
    tokio::spawn(operate(process, Uid::parse(cluster).expect("a UID")));
    number
}

/// The script from where it stopped; then calm, rest, and silence.
async fn play(world: &Arc<World>, script: &mut Script, setup: &Setup) {
    let at = |seconds: u64| BEGINNING + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    while let Some((seconds, step)) = setup.scenario.steps.get(script.next).cloned() {
        until(world, at(seconds)).await;
        script.next += 1;
        world.outside(&told(&step), |inner, now| scenario::take(inner, &step, now));
        match step {
            Step::Kill => {
                let all: Vec<u32> = (1..=script.processes).filter(|number| world.lives(*number)).collect();
                all.into_iter().for_each(|number| world.kill(number));
            }
            Step::Rival(seconds) => {
                let rival = start(world, script, true);
                let world = world.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    world.kill(rival);
                });
            }
            _ => {}
        }
    }
    let calm = match setup.plan {
        Plan::Chaos { until, .. } => until.max(at(setup.scenario.length)),
        _ => at(setup.scenario.length),
    };
    until(world, calm).await;
    // On trial it is enough that it does not come to rest soon.
    let bound = if setup.sabotage.is_some() { SignedDuration::from_mins(20) } else { CALM };
    if rest(world, world.now().max(calm) + bound).await && !setup.scenario.scheduled {
        // What a process does not see in its caches (a copy that is only kept, and lags) it sees at the next check of each
        // resource, within one interval.
        until(world, world.now() + SignedDuration::try_from(VERIFY + MARGIN).unwrap_or_default()).await;
        silence(world, setup.silence).await;
    }
}

/// Waits until then; the world is looked at meanwhile: seldom where nobody does anything, since each step is looked at anyway.
async fn until(world: &Arc<World>, then: jiff::Timestamp) {
    loop {
        let now = world.now();
        let left = then.duration_since(now);
        if left <= SignedDuration::ZERO {
            return;
        }
        let pause = Duration::from_secs(if world.is_idle() { 30 } else { 5 });
        let pause = Duration::try_from(left).unwrap_or_default().min(pause);
        tokio::time::sleep(pause).await;
        world.look();
    }
}

/// Waits until the world is at rest (L1). `false`: it was not, within the bound.
async fn rest(world: &Arc<World>, mut bound: jiff::Timestamp) -> bool {
    let mut quiet = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.look();
        let now = world.now();
        let mut inner = world.lock();
        let missing = at_rest(&inner.sandbox, &inner.kube, now);
        quiet = if missing.is_empty() { quiet + 1 } else { 0 };
        // Status follows what is; whatever wakes once more at once is not at rest.
        if quiet >= 10 {
            inner.note(now, "at rest");
            return true;
        }
        // What a fault explains goes by, and is told for a while yet.
        let long_ago = |struck: jiff::Timestamp| now.duration_since(struck) > SignedDuration::from_hours(1);
        let stuck = stalled(&inner).is_some() && inner.struck.is_none_or(long_ago);
        bound = bound.max(again_at(&inner).unwrap_or(bound));
        if now > bound || stuck && now > bound - CALM + SignedDuration::from_mins(30) {
            let what = format!("not at rest within {} h: {}", CALM.as_hours(), missing.join("; "));
            inner.report(now, "L1", what);
            return false;
        }
    }
}

/// After a planned fault that strikes at rest, what follows from it is over.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(15);

/// For so many minutes that nothing disturbs, nothing changes.
async fn silence(world: &Arc<World>, minutes: u32) {
    let begin = || {
        let inner = world.lock();
        (inner.changes.len(), inner.calls)
    };
    let (mut mark, mut calls) = begin();
    let (mut undisturbed, mut since, mut retries) = (0, world.now(), 0);
    while undisturbed < minutes / 5 {
        tokio::time::sleep(Duration::from_secs(300)).await;
        world.look();
        undisturbed += 1;
        let (now, struck, again) = {
            let inner = world.lock();
            (world.now(), inner.struck, tries_again(&inner, since))
        };
        // Nothing disturbs any more: a second one that fails is a matter for L1.
        retries += u32::from(again);
        if again && (retries > 1 || !rest(world, now + CALM).await) {
            break;
        }
        if again || struck.is_some_and(|struck| now.duration_since(struck) < AFTERMATH) {
            (mark, calls) = begin();
            (undisturbed, since) = (0, world.now());
        }
    }
    let now = world.now();
    let mut inner = world.lock();
    let made = inner.changes.split_off(mark);
    if !made.is_empty() {
        let what = format!("{} changes in {minutes} min at rest: {}", made.len(), made[..made.len().min(5)].join(", "));
        inner.report(now, "L1", what);
    }
    let missing = at_rest(&inner.sandbox, &inner.kube, now);
    if !missing.is_empty() {
        let what = format!("at rest no more: {}", missing.join("; "));
        inner.report(now, "L1", what);
    }
    let asked = inner.calls - calls;
    // A check that began before may end in it.
    let allowed = u64::from(minutes + 5) * quiet_calls(&inner) / 60;
    if asked > allowed {
        let what = format!("{asked} calls in {minutes} min at rest, {allowed} are enough");
        inner.report(now, "L10", what);
    }
}

fn failed(rotation: &serde_json::Value) -> bool {
    condition(rotation, "Failed").is_some_and(|(status, _)| status == "True")
}

/// Until when a resource that is not in service may wait: its attempts are used up, and a day later it tries again.
fn again_at(inner: &Inner) -> Option<jiff::Timestamp> {
    let unserved = |rotation: &&serde_json::Value| {
        inner.kube.objects("managedexternalsecrets").any(|mes| {
            mes["metadata"]["namespace"] == rotation["metadata"]["namespace"]
                && mes["metadata"]["name"] == rotation["spec"]["resourceRef"]["name"]
                && condition(mes, "Onboarded").is_none_or(|(status, _)| status != "True")
        })
    };
    let ended = |each: &serde_json::Value| each["status"]["completionTime"].as_str()?.parse::<jiff::Timestamp>().ok();
    let last = inner.kube.objects("rotations").filter(|each| failed(each)).filter(unserved).filter_map(ended).max()?;
    Some(last + SignedDuration::from_hours(25))
}

/// Whether a resource whose rotation was given up was rotated anew since then, as it is a day later.
fn tries_again(inner: &Inner, since: jiff::Timestamp) -> bool {
    let all: Vec<_> = inner.kube.objects("rotations").collect();
    let begun = |each: &serde_json::Value| {
        let created = each["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        created.is_some_and(|created| created >= since)
    };
    let same = |one: &serde_json::Value, other: &serde_json::Value| {
        one["metadata"]["namespace"] == other["metadata"]["namespace"]
            && one["spec"]["resourceRef"] == other["spec"]["resourceRef"]
    };
    all.iter().any(|new| begun(new) && all.iter().any(|old| failed(old) && same(old, new)))
}

/// What an hour at rest may ask (L10): each account's admin Secret once a minute, a sweep of AWS each five minutes, and four
/// checks of each resource, of some fifteen calls; and one each five minutes where a rotation waits for a person.
fn quiet_calls(inner: &Inner) -> u64 {
    let count = |plural: &str| inner.kube.objects(plural).count() as u64;
    let waits = |rotation: &&serde_json::Value| rotation["status"]["completionTime"].is_null();
    let waiting = inner.kube.objects("rotations").filter(waits).count() as u64;
    60 * count("partneraccounts") + 12 * 3 + 18 * (4 * count("managedexternalsecrets") + 12 * waiting) + 12
}

fn told(step: &Step) -> String {
    match step {
        Step::Onboard(resource) => format!("-- {} of {} by {:?}", resource.path, resource.cell, resource.source),
        Step::Rotate(path) => format!("-- a rotation of {path} is asked for"),
        Step::Cancel(path) => format!("-- the rotation of {path} is deleted"),
        Step::Edit(path, spec) => format!("-- {path} is edited: {spec}"),
        Step::Delete(path) => format!("-- {path} is deleted"),
        Step::Drift(path) => format!("-- the target of {path} is edited"),
        Step::Lose(path) => format!("-- the target of {path} is deleted"),
        Step::Stranger(path) => format!("-- a person makes a credential of {path}"),
        Step::Turn(_) => "-- AWS behaves otherwise".to_owned(),
        Step::Lag(millis) => format!("-- watches are {millis} ms behind"),
        Step::Compact => "-- the API server forgets what was".to_owned(),
        Step::Dead(cell, seconds) => format!("-- the partner of {cell} is out of reach for {seconds} s"),
        Step::Outage(door, seconds) => format!("-- {door:?} is out of reach for {seconds} s"),
        Step::Limit(cell, per_minute) => format!("-- the partner of {cell} may be asked {per_minute} times a minute"),
        Step::Squat(path, from, count) => {
            format!("-- names of rotations of {path} are taken: {count} from {from} on")
        }
        Step::Stale(seconds) => format!("-- partners list what was {seconds} s ago"),
        Step::Clock(seconds) => format!("-- the wall clock is off by {seconds} s"),
        Step::Kill => "-- the process is killed".to_owned(),
        Step::Rival(seconds) => format!("-- another process believes to lead, for {seconds} s"),
    }
}

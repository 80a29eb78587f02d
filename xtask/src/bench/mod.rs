//! `cargo xtask bench`: what the operator takes, on the real control plane with the sandbox beside it.
//!
//! Invariant: the figures are measured, none is derived from what the operator says of itself. All servers, the sandbox
//! included, share the machine's cores with it. Called by `main`.

mod against;
mod load;
mod meter;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use self::load::{FOREIGN, Proxy};
use self::meter::{Meter, Reading};
use crate::demo::operator::{Operator, Plan};
use crate::demo::outside;
use crate::demo::stage::Stage;
use crate::failure::{Failure, Result};
use crate::progress::{Progress, short};

/// What the resources are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Our own job: PostgreSQL roles, minted, with a target each
    #[value(name = "mint")]
    Mint,
    /// Observed secrets of two keys beside 5,000 foreign Secrets of 3 kB: what External Secrets Operator does
    #[value(name = "observe")]
    Observe,
    /// Salesforce from a seed each, verified, stored and delivered; the first rotation comes by schedule
    #[value(name = "fromSecret")]
    FromSecret,
}

const STEADY: Duration = Duration::from_secs(60);
const AFTER_RESTART: Duration = Duration::from_secs(50);
/// Without a write and a call (but the sweep) for this long, it is quiet.
const QUIET: Duration = Duration::from_secs(5);

/// Measures `size` resources of a kind, of the operator at `program` or of this checkout's, and prints a table.
pub fn run(size: u32, kind: Kind, program: Option<&Path>) -> Result<()> {
    measured(size, kind, program).map(drop)
}

/// Measures an older operator and this one by turns, `pairs` times each, and prints how they compare. Whether counts are
/// equal, and processor time and memory no more than the bound.
pub fn compare(size: u32, kind: Kind, program: Option<&Path>, older: &Path, pairs: u32) -> Result<bool> {
    against::run(older, program, pairs, |program| measured(size, kind, program))
}

/// What one run took, phase by phase: a stage of its own, all servers new.
fn measured(size: u32, kind: Kind, program: Option<&Path>) -> Result<Phases> {
    if size == 0 {
        return Err(Failure::new("--size: at least 1"));
    }
    let stage = Stage::set(true, true)?;
    let proxy = Proxy::start(&stage)?;
    let preparing = Progress::begin(format!("preparing {size} of kind {kind:?}"), None);
    load::prepare(&stage, &proxy, kind, size + 1)?;
    preparing.done();
    let plan = stage.operator(program.map(PathBuf::from), &[("sweep-interval", "1m")])?;
    let mut bench =
        Bench { meter: Meter::new(&stage)?, operator: plan.start()?, stage: &stage, proxy, plan, kind, size };
    bench.machine();
    bench.measure()
}

/// What was taken in each phase, by its name.
type Phases = Vec<(&'static str, Reading)>;

struct Bench<'a> {
    stage: &'a Stage,
    proxy: Proxy,
    plan: Plan,
    operator: Operator,
    meter: Meter<'a>,
    kind: Kind,
    size: u32,
}

impl Bench<'_> {
    fn measure(&mut self) -> Result<Phases> {
        let idle = self.read()?;
        println!("{:<34} {:>9.1} MiB resident", "with no resource", idle.resident);

        let began = Instant::now();
        let created = load::create(&self.proxy, self.kind, 0, self.size)?;
        self.until_in_service(self.size)?;
        let took = began.elapsed();
        let done = self.read()?.since(&idle);
        println!("{:<34} {:>9} ({} of it to create them)", "all in service after", short(took), short(created));
        self.told("  for that", &done);
        self.each("  a resource", &done);

        let rest = self.until_quiet(Duration::from_secs(300))?;
        let all = self.read()?.since(&idle);
        println!("{:<34} {:>9}", "then quiet after", rest.map_or("not in 5 min".to_owned(), short));
        self.told("  in all until then", &all);

        let before = self.read()?;
        self.pass(STEADY)?;
        let steady = self.read()?.since(&before);
        self.told("a steady minute", &steady);

        let began = Instant::now();
        load::create(&self.proxy, self.kind, self.size, 1)?;
        let one = format!("mes/{}", load::name(self.size));
        let plane = &self.stage.plane;
        plane.kubectl_ok(["wait", "--for=condition=Ready", &one, "-n", "payments", "--timeout=120s"])?;
        println!("{:<34} {:>9}", "a new object in service after", short(began.elapsed()));
        self.until_quiet(Duration::from_secs(120))?;

        let before = self.read()?;
        self.operator.stop();
        self.operator = self.plan.start()?;
        let ready = Instant::now();
        let quiet = self.until_quiet(AFTER_RESTART)?;
        self.pass(AFTER_RESTART.saturating_sub(ready.elapsed()))?;
        let mut restarted = self.read()?;
        restarted.processor += before.processor; // the new process began at nothing
        let told = quiet.map_or("not in 50 s".to_owned(), short);
        println!("{:<34} {:>9}", "restart, nothing changed: quiet after", told);
        let restarted = restarted.since(&before);
        self.told("  50 s from there", &restarted);
        self.all_ready(self.size + 1)?;
        Ok(vec![("until all is quiet", all), ("a steady minute", steady), ("50 s from a restart", restarted)])
    }

    fn told(&self, what: &str, reading: &Reading) {
        println!(
            "{what:<34} {:>7.2} s processor, {:.1} MiB resident (most {:.1}), {} writes and {} of the Lease, {} calls",
            reading.processor,
            reading.resident,
            reading.peak,
            reading.written(),
            reading.lease,
            reading.calls.values().sum::<u64>(),
        );
        let list = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<String>>().join(", ")
        };
        if !reading.writes.is_empty() {
            println!("{:<34}   writes: {}", "", list(&reading.writes));
        }
        if !reading.calls.is_empty() {
            println!("{:<34}   calls: {}", "", list(&reading.calls));
        }
    }

    fn each(&self, what: &str, reading: &Reading) {
        let each = f64::from(self.size);
        println!(
            "{what:<34} {:>7.2} ms processor, {:.2} writes, {:.2} calls",
            reading.processor * 1000.0 / each,
            reading.written() as f64 / each,
            reading.called() as f64 / each,
        );
    }

    fn machine(&self) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let information = read("/proc/cpuinfo");
        let model = information.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = read("/proc/loadavg");
        let beside =
            if self.kind == Kind::Observe { format!(", beside {FOREIGN} foreign Secrets") } else { String::new() };
        println!("\n{} resources of kind {:?}{beside}", self.size, self.kind);
        println!(
            "on {cores} cores ({}), shared with etcd, kube-apiserver, the sandbox and PostgreSQL; load average {}",
            model.trim_start_matches([' ', '\t', ':']),
            load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
        );
        println!("flags beside the chart's: {}\n", self.plan.differences().join(" "));
    }

    fn read(&mut self) -> Result<Reading> {
        if let Some(failure) = self.operator.ended() {
            return Err(failure);
        }
        let pid = self.operator.pid().ok_or_else(|| Failure::new("the operator has no process"))?;
        self.meter.read(pid)
    }

    fn pass(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            std::thread::sleep(until.duration_since(Instant::now()).min(Duration::from_secs(1)));
            if let Some(failure) = self.operator.ended() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// By the operator's own metric, which costs the cluster nothing; [`Self::all_ready`] asks the cluster at the end.
    fn until_in_service(&mut self, count: u32) -> Result<()> {
        let limit = Duration::from_secs(120) + Duration::from_secs(u64::from(count));
        let began = Instant::now();
        let url = format!("http://127.0.0.1:{}/metrics", self.operator.port());
        let mut progress = Progress::quietly("waiting until all are in service");
        loop {
            let ready = ready(&outside::text(&url)?);
            if ready >= count {
                return Ok(());
            }
            if let Some(failure) = self.operator.ended() {
                return Err(failure);
            }
            if began.elapsed() > limit {
                let words = self.operator.last_words(20);
                return Err(Failure::new(format!("{ready} of {count} in service after {}\n{words}", short(limit))));
            }
            progress.tick(|| format!("{ready} of {count}"));
            std::thread::sleep(Duration::from_millis(if count > 200 { 1000 } else { 200 }));
        }
    }

    /// How long until the last write and the last call (but the sweep) before a pause; `None`: not within `limit`.
    fn until_quiet(&mut self, limit: Duration) -> Result<Option<Duration>> {
        let began = Instant::now();
        let mut last = self.read()?;
        let mut changed = Duration::ZERO;
        while began.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.read()?;
            if (now.written(), now.called()) != (last.written(), last.called()) {
                (last, changed) = (now, began.elapsed());
            } else if began.elapsed() > changed + QUIET {
                return Ok(Some(changed));
            }
        }
        Ok(None)
    }

    fn all_ready(&self, count: u32) -> Result<()> {
        let path = "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
        let told = self.stage.plane.kubectl_ok(["get", "mes", "-n", "payments", "-o", path])?;
        let ready = told.split_whitespace().filter(|status| *status == "True").count();
        if ready == count as usize {
            println!("\nAt the end all {count} are Ready, asked of the cluster.");
            return Ok(());
        }
        Err(Failure::new(format!("at the end {ready} of {count} are Ready")))
    }
}

/// How many resources a page of metrics says to be ready.
fn ready(metrics: &str) -> u32 {
    let lines = metrics.lines().filter(|line| line.starts_with("mes_resources{") && line.contains("ready=\"True\""));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).sum()
}

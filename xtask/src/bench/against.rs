//! Two programs of the operator, measured by turns and compared.
//!
//! Invariant: each run has a stage of its own, and who goes first changes with each pair, so that what the machine does
//! meanwhile strikes both alike. Called by `bench`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Phases;
use super::meter::Reading;
use crate::failure::{Failure, Result};

/// The most that the newer may take, as a part of what the older takes.
const BOUND: f64 = 1.1;

/// Measures both `pairs` times, and prints medians and ratios. Whether counts are equal and nothing is beyond the bound.
pub(super) fn run(
    older: &Path,
    newer: Option<&Path>,
    pairs: u32,
    measured: impl Fn(Option<&Path>) -> Result<Phases>,
) -> Result<bool> {
    if pairs == 0 {
        return Err(Failure::new("--pairs: at least 1"));
    }
    if !older.is_file() {
        return Err(Failure::new(format!("--against: {} is no file; give a program `mes`", older.display())));
    }
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for pair in 1..=pairs {
        let older_first = pair % 2 == 1;
        for is_older in [older_first, !older_first] {
            println!("\npair {pair} of {pairs}: the {} one", if is_older { "older" } else { "newer" });
            let (program, runs) = if is_older { (Some(older), &mut old) } else { (newer, &mut new) };
            runs.push(measured(program)?);
        }
    }
    let comparison = Comparison::of(&old, &new);
    comparison.print(pairs);
    Ok(comparison.holds())
}

/// Medians, older before newer.
#[derive(Debug, PartialEq)]
struct Comparison {
    /// Seconds of processor time, by phase, and of all.
    processor: Vec<(String, [f64; 2])>,
    /// MiB at the most, of a whole run.
    memory: [f64; 2],
    /// Writes and calls, by phase and name.
    counts: BTreeMap<String, [u64; 2]>,
}

impl Comparison {
    fn of(old: &[Phases], new: &[Phases]) -> Self {
        let both = |figure: &dyn Fn(&Phases) -> f64| [old, new].map(|runs| median(runs.iter().map(figure)));
        let names: Vec<&str> = old.iter().chain(new).next().into_iter().flatten().map(|(name, _)| *name).collect();
        let mut processor: Vec<(String, [f64; 2])> = names
            .iter()
            .map(|name| ((*name).to_owned(), both(&|run| of_phase(run, name, |it| it.processor))))
            .collect();
        processor.push(("in all".to_owned(), both(&|run| run.iter().map(|(_, reading)| reading.processor).sum())));
        let memory = both(&|run| run.iter().map(|(_, reading)| reading.peak).fold(0.0, f64::max));
        let counted: BTreeSet<(&str, String)> = old
            .iter()
            .chain(new)
            .flatten()
            .flat_map(|(phase, reading)| counts(reading).into_keys().map(|name| (*phase, name)))
            .collect();
        let counts = counted.into_iter().map(|(phase, name)| {
            let count = |run: &Phases| of_phase(run, phase, |it| counts(it).get(&name).copied().unwrap_or(0) as f64);
            (format!("{phase}: {name}"), both(&count).map(|count| count as u64))
        });
        Self { processor, memory, counts: counts.collect() }
    }

    fn unequal(&self) -> impl Iterator<Item = (&String, &[u64; 2])> {
        self.counts.iter().filter(|(_, [old, new])| old != new)
    }

    /// Of single phases the time may be a few ticks of the kernel's clock: the whole is held to the bound.
    fn holds(&self) -> bool {
        let whole = self.processor.last().map(|(_, both)| *both).into_iter().chain([self.memory]);
        self.unequal().next().is_none() && whole.into_iter().all(|both| ratio(both) <= BOUND)
    }

    fn print(&self, pairs: u32) {
        println!("\n{:<52} {:>9} {:>9} {:>6}", format!("medians of {pairs}"), "older", "newer", "ratio");
        let line = |what: &str, both: [f64; 2]| {
            println!("{what:<52} {:>9.2} {:>9.2} {:>6.2}", both[0], both[1], ratio(both));
        };
        self.processor.iter().for_each(|(phase, both)| line(&format!("processor, s, {phase}"), *both));
        line("memory, MiB at the most", self.memory);
        for (name, [old, new]) in self.unequal() {
            println!("{name:<52} {old:>9} {new:>9}  differs");
        }
        let alike = self.counts.len() - self.unequal().count();
        println!("{alike} of {} counts of writes and calls are equal", self.counts.len());
        let told = if self.holds() { "holds" } else { "does not hold" };
        println!("counts equal, processor time in all and memory at most {BOUND} of the older one's: {told}");
    }
}

fn of_phase(run: &Phases, phase: &str, figure: impl Fn(&Reading) -> f64) -> f64 {
    run.iter().find(|(name, _)| *name == phase).map_or(0.0, |(_, reading)| figure(reading))
}

/// Writes and calls. Sweeps come by the clock: how many fall into a phase says nothing.
fn counts(reading: &Reading) -> BTreeMap<String, u64> {
    let calls = reading.calls.iter().filter(|(name, _)| *name != "ListSecrets");
    let calls = calls.map(|(name, count)| (format!("call {name}"), *count));
    reading.writes.iter().map(|(name, count)| (format!("write, {name}"), *count)).chain(calls).collect()
}

fn ratio([old, new]: [f64; 2]) -> f64 {
    if new == old { 1.0 } else { new / old }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle.wrapping_sub(1)), figures.get(middle)) {
        (Some(low), Some(high)) if figures.len().is_multiple_of(2) => (low + high) / 2.0,
        (_, Some(high)) => *high,
        (_, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(processor: f64, peak: f64, calls: &[(&str, u64)]) -> Phases {
        let calls = calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        vec![("phase", Reading { processor, peak, calls, ..Reading::default() })]
    }

    #[test]
    fn medians_are_compared_and_what_the_clock_brings_is_not_counted() {
        let calls = [("GetSecretValue", 7), ("ListSecrets", 3)];
        let old = [run(1.0, 40.0, &calls), run(9.0, 41.0, &calls), run(2.0, 42.0, &calls)];
        let alike = |processor, peak| [run(processor, peak, &[("GetSecretValue", 7), ("ListSecrets", 4)])];
        assert!(Comparison::of(&old, &alike(2.2, 45.1)).holds());
        assert!(!Comparison::of(&old, &alike(2.3, 41.0)).holds(), "more processor time");
        assert!(!Comparison::of(&old, &alike(2.0, 46.0)).holds(), "more memory");
        let more = [run(2.0, 41.0, &[("GetSecretValue", 8), ("ListSecrets", 4)])];
        let comparison = Comparison::of(&old, &more);
        assert!(!comparison.holds(), "one call more");
        let expected = ("phase: call GetSecretValue".to_owned(), [7, 8]);
        assert_eq!(comparison.unequal().map(|(name, both)| (name.clone(), *both)).collect::<Vec<_>>(), [expected]);
        // Who does less than the older one, or what it never did, holds.
        assert!(Comparison::of(&old, &alike(0.0, 0.0)).holds());
    }
}

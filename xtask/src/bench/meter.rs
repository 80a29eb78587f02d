//! What the operator takes: processor time and memory by the kernel's account, writes by the API server's audit log,
//! calls by the sandbox's counts.
//!
//! Invariant: only the operator's own requests count, told by its ServiceAccount; its Lease counts apart. Called by
//! `bench`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::demo::stage::Stage;
use crate::failure::{Failure, Result, Tried};

const OPERATOR: &str = "system:serviceaccount:mes-system:mes";

/// What has been counted since the stage was set.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// By `verb resource`; without the Lease.
    pub(super) writes: BTreeMap<String, u64>,
    /// Of the Lease.
    pub(super) lease: u64,
    /// Of Secrets Manager, by operation.
    pub(super) calls: BTreeMap<String, u64>,
    /// Processor time of the operator, in seconds.
    pub(super) processor: f64,
    /// Resident memory of the operator now, in MiB.
    pub(super) resident: f64,
    /// The most that it ever had.
    pub(super) peak: f64,
}

impl Reading {
    /// All writes but the Lease's.
    pub(super) fn written(&self) -> u64 {
        self.writes.values().sum()
    }

    /// All calls but the sweep's walk of `ListSecrets`.
    pub(super) fn called(&self) -> u64 {
        self.calls.iter().filter(|(operation, _)| *operation != "ListSecrets").map(|(_, count)| count).sum()
    }

    /// What came since `before`; memory as it is now.
    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |now: &BTreeMap<String, u64>, then: &BTreeMap<String, u64>| {
            let difference = now.iter().map(|(key, count)| (key.clone(), count - then.get(key).unwrap_or(&0)));
            difference.filter(|(_, count)| *count > 0).collect()
        };
        Self {
            writes: less(&self.writes, &before.writes),
            lease: self.lease - before.lease,
            calls: less(&self.calls, &before.calls),
            processor: self.processor - before.processor,
            ..self.clone()
        }
    }
}

/// Reads it all.
pub(super) struct Meter<'a> {
    stage: &'a Stage,
    log: PathBuf,
    offset: u64,
    writes: BTreeMap<String, u64>,
    lease: u64,
    ticks: f64,
}

impl<'a> Meter<'a> {
    /// Of a stage whose API server keeps an audit log.
    pub(super) fn new(stage: &'a Stage) -> Result<Self> {
        let ticks = Command::new("getconf").arg("CLK_TCK").output().tried(|| "starting getconf".into())?;
        let ticks: f64 = String::from_utf8_lossy(&ticks.stdout).trim().parse().tried(|| "reading CLK_TCK".into())?;
        let log = stage.plane.audit_log();
        Ok(Self { stage, log, offset: 0, writes: BTreeMap::new(), lease: 0, ticks })
    }

    /// As it is now; `pid` is the operator's.
    pub(super) fn read(&mut self, pid: u32) -> Result<Reading> {
        self.read_log()?;
        let (processor, resident, peak) = self.process(pid)?;
        let calls = calls(&self.stage.outside.fetch("counts")?);
        Ok(Reading { writes: self.writes.clone(), lease: self.lease, calls, processor, resident, peak })
    }

    fn read_log(&mut self) -> Result<()> {
        let path = self.log.clone();
        let told = || format!("reading {}", path.display());
        let mut file = File::open(&path).tried(told)?;
        file.seek(SeekFrom::Start(self.offset)).tried(told)?;
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        while lines.read_line(&mut line).tried(told)? > 0 {
            if !line.ends_with('\n') {
                break;
            }
            self.offset += line.len() as u64;
            if line.contains(OPERATOR) {
                self.count(&line);
            }
            line.clear();
        }
        Ok(())
    }

    fn count(&mut self, line: &str) {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { return };
        let verb = entry["verb"].as_str().unwrap_or_default();
        if entry["user"]["username"] != OPERATOR || !["create", "update", "patch", "delete"].contains(&verb) {
            return;
        }
        let object = &entry["objectRef"];
        let resource = object["resource"].as_str().unwrap_or_default();
        if resource == "leases" {
            self.lease += 1;
            return;
        }
        let part = object["subresource"].as_str().map_or_else(String::new, |part| format!("/{part}"));
        *self.writes.entry(format!("{verb} {resource}{part}")).or_default() += 1;
    }

    fn process(&self, pid: u32) -> Result<(f64, f64, f64)> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).tried(|| format!("reading {path}"))
        };
        let stat = read("stat")?;
        // After the name, which may hold anything, utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let (Some(user), Some(system)) = (number(11), number(12)) else {
            return Err(Failure::new(format!("/proc/{pid}/stat is not as proc(5) says")));
        };
        let status = read("status")?;
        let mebibytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        Ok(((user + system) / self.ticks, mebibytes("VmRSS:"), mebibytes("VmHWM:")))
    }
}

fn calls(counts: &Value) -> BTreeMap<String, u64> {
    let of_ours = |callers: &Value| {
        let callers = callers.as_object().into_iter().flatten();
        let ours = callers.filter(|(caller, _)| !caller.contains("AKIADEMOADMIN"));
        ours.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    let counts = counts.as_object().into_iter().flatten();
    let ours = counts.filter_map(|(name, callers)| Some((name.strip_prefix("secretsmanager.")?, of_ours(callers))));
    ours.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

//! The operator of a campaign: how much it has done, read from its log as it grows; started again when it ends by itself, as a
//! kubelet does.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use super::flags;
use crate::world::{Operator, World};

/// A kubelet waits before it starts a container again; ten seconds and more, but then a campaign has few faults.
const BACK_OFF: Duration = Duration::from_secs(2);

pub(super) struct Watched<'w> {
    world: &'w World,
    lease: String,
    operator: Operator,
    /// How much of the log was read.
    offset: u64,
    effects: usize,
    last: String,
    /// Since when it has ended.
    ended: Option<Instant>,
    restarts: u64,
}

impl<'w> Watched<'w> {
    pub(super) fn start(world: &'w World, lease: &str) -> Self {
        let operator = started(world, lease);
        let (lease, last) = (lease.to_owned(), "none".to_owned());
        Self { world, lease, operator, offset: 0, effects: 0, last, ended: None, restarts: 0 }
    }

    /// Effects that its processes have logged as done or failed.
    pub(super) fn effects(&mut self) -> usize {
        self.read();
        self.effects
    }

    /// The last of them.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    /// Starts it again if it has ended; whether it has.
    pub(super) fn tend(&mut self) -> bool {
        if !self.operator.ended() {
            return false;
        }
        if self.ended.get_or_insert_with(Instant::now).elapsed() >= BACK_OFF {
            let lease = self.lease.clone();
            self.replace(&lease);
            self.restarts += 1;
        }
        true
    }

    /// How often it had to be started again.
    pub(super) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// `kill -9`, and another process that wants this Lease.
    pub(super) fn replace(&mut self, lease: &str) {
        self.operator.kill();
        self.read();
        self.operator = started(self.world, lease);
        self.lease = lease.to_owned();
        (self.offset, self.ended) = (0, None);
    }

    /// The process.
    pub(super) fn process(&mut self) -> &mut Operator {
        &mut self.operator
    }

    /// Whether it has led.
    pub(super) fn leads(&self) -> bool {
        self.operator.log().contains("leading")
    }

    fn read(&mut self) {
        let mut more = String::new();
        let read = File::open(self.operator.log_path()).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_string(&mut more)
        });
        // Whole lines alone: the rest comes again.
        let Some(whole) = read.ok().and_then(|_| more.rfind('\n')) else { return };
        self.offset += whole as u64 + 1;
        for line in more[..whole].lines() {
            if let Some((_, effect)) = line.split_once("effect=") {
                self.effects += 1;
                effect.clone_into(&mut self.last);
            }
        }
    }
}

fn started(world: &World, lease: &str) -> Operator {
    world.operator(&[&["--lease-name", lease], &flags()[..]].concat())
}

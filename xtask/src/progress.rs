//! What a person sees while something long is done: what, for how long already, and how long it may take.
//!
//! Lines, not a moving bar: the same on a terminal, in a log of CI and in a pipe. A line each 15 s. Goes to the
//! standard error, so that a command's own output stays clean. Called by everything here that takes long.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, Tried};

/// How often a line is printed.
const EACH: Duration = Duration::from_secs(15);

/// Something long that is under way.
pub struct Progress {
    what: String,
    estimate: Option<Duration>,
    limit: Option<Duration>,
    quiet: bool,
    began: Instant,
    said: Instant,
}

impl Progress {
    /// Says that it begins. `estimate`: how long it takes on this machine with nothing cached.
    pub fn begin(what: impl Into<String>, estimate: Option<Duration>) -> Self {
        let what = what.into();
        match estimate {
            Some(estimate) => eprintln!("{what}: about {} if nothing of it is cached", short(estimate)),
            None => eprintln!("{what}"),
        }
        Self { estimate, quiet: false, ..Self::quietly(what) }
    }

    /// Says nothing at the beginning or the end: only when it takes long.
    pub fn quietly(what: impl Into<String>) -> Self {
        let now = Instant::now();
        Self { what: what.into(), estimate: None, limit: None, quiet: true, began: now, said: now }
    }

    /// [`Self::run`] kills the command after `limit`.
    pub fn at_most(self, limit: Duration) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// To be called often: prints a line when 15 s have passed since the last. `sign` is a sign of life, or empty.
    pub fn tick(&mut self, sign: impl FnOnce() -> String) {
        if self.said.elapsed() < EACH {
            return;
        }
        self.said = Instant::now();
        let elapsed = self.began.elapsed();
        let estimate = match self.estimate {
            Some(estimate) if elapsed <= estimate => format!(" of about {}", short(estimate)),
            Some(estimate) => format!(", longer than the {} estimated: is the machine busy?", short(estimate)),
            None => String::new(),
        };
        let sign = sign();
        let sign = if sign.is_empty() { sign } else { format!(" ({sign})") };
        eprintln!("  {}: {}{estimate}{sign}", self.what, short(elapsed));
    }

    /// Says that it is done, and gives how long it took.
    pub fn done(self) -> Duration {
        let elapsed = self.began.elapsed();
        if !self.quiet {
            eprintln!("{}: done in {}", self.what, short(elapsed));
        }
        elapsed
    }

    /// Runs `command` to its end, its output in `log`, with lines of progress. `sign` makes a sign of life of the log.
    pub fn run(mut self, command: &mut Command, log: &Path, sign: impl Fn(&str) -> String) -> Result<Duration> {
        let output = File::create(log).tried(|| format!("writing {}", log.display()))?;
        let errors = output.try_clone().tried(|| format!("writing {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .tried(|| format!("{}: starting {program}", self.what))?;
        let read = || std::fs::read_to_string(log).unwrap_or_default();
        let status: ExitStatus = loop {
            if let Some(status) = child.try_wait().tried(|| format!("waiting for {program}"))? {
                break status;
            }
            if let Some(limit) = self.limit.filter(|limit| self.began.elapsed() > *limit) {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::new(format!("{}: {program} did not end within {}", self.what, short(limit))));
            }
            std::thread::sleep(Duration::from_millis(100));
            self.tick(|| sign(&read()));
        };
        if status.success() {
            return Ok(self.done());
        }
        let log = read();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
        Err(Failure::new(format!("{}: {program} failed ({status}):\n  {tail}", self.what)))
    }
}

/// A duration as people say it: `4.2 s`, `3 min 20 s`.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_as_people_say_it() {
        assert_eq!(short(Duration::from_millis(4_240)), "4.2 s");
        assert_eq!(short(Duration::from_secs(59)), "59 s");
        assert_eq!(short(Duration::from_secs(605)), "10 min 05 s");
    }
}

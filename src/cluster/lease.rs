//! The operator's own Lease: one process leads, the others wait.
//!
//! Invariant: leading ends by this process's own monotonic clock, whether or not the API server answers; every write
//! goes onto the revision that was read. The rule is `mes_core::lease`; a lease is advisory, and what protects a
//! rotation is the store's compare-and-swap. Started by `cli::run` on a client of its own with short timeouts
//! ([`super::client::connect_within`], [`REQUEST_TIMEOUT`]), which ends the process when leading is lost.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use mes_core::fault::{Fault, FaultKind};
use mes_core::lease::{self, LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD, Record, Seen, Standing};
use mes_core::names::{Namespace, ObjectName};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{FIELD_MANAGER, NO_SUCH_REVISION, fault};
use crate::clock::{Clock, Random};

/// The longest that one request of the Lease may take: two fit into the renew deadline.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Which Lease, and who wants it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's own namespace.
    pub namespace: Namespace,
    /// The Lease's name.
    pub name: ObjectName,
    /// Who we are: unique to the process ([`identity`]).
    pub identity: String,
}

/// How a campaign ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another leads, or nobody knows: this process must end at once.
    Lost,
    /// Given back on purpose.
    Released,
}

/// The name of the machine, which in a pod is the pod's.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "mes".to_owned() } else { name.trim().to_owned() }
}

/// A name that no other process has, and that a restarted one has not again: [`host`] and eight
/// hexadecimal digits.
pub fn identity(host: &str, random: &dyn Random) -> String {
    let mut suffix = [0; 4];
    random.fill(&mut suffix);
    let digits: String = suffix.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{digits}", host.chars().take(200).collect::<String>())
}

/// The task that acquires and renews. Dropped, it gives the Lease back in the background.
pub struct Campaign {
    handle: LeaseHandle,
    release: oneshot::Sender<()>,
    task: JoinHandle<End>,
}

/// What the rest of the process knows of the Lease. Cheap to clone.
#[derive(Clone)]
pub struct LeaseHandle {
    state: watch::Receiver<State>,
    origin: Instant,
    identity: Arc<str>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    leading: bool,
    /// When the last successful write was about to be sent, since the origin.
    renewed: Option<Duration>,
    transitions: u32,
}

impl Campaign {
    /// Starts to acquire the Lease, and to renew it from then on. `clock` gives the times that people read in it.
    pub fn start(client: Client, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let (sender, state) = watch::channel(State::default());
        let (release, released) = oneshot::channel();
        let origin = Instant::now();
        let handle = LeaseHandle { state, origin, identity: settings.identity.as_str().into() };
        let leases = Api::namespaced(client, settings.namespace.as_str());
        let candidate = Candidate { leases, settings, clock, origin, state: sender, held: None };
        Self { handle, release, task: tokio::spawn(candidate.run(released)) }
    }

    /// For the rest of the process.
    pub fn handle(&self) -> LeaseHandle {
        self.handle.clone()
    }

    /// Waits until leading has ended. Cancel-safe.
    pub async fn ended(&mut self) -> End {
        (&mut self.task).await.unwrap_or(End::Lost)
    }

    /// Gives the Lease back, so that the next process need not wait. Call it once nothing of ours acts any more.
    pub async fn release(self) -> End {
        // The task may have ended by itself; then there is nobody to tell.
        let _ = self.release.send(());
        self.task.await.unwrap_or(End::Lost)
    }
}

impl LeaseHandle {
    /// Of a process that leads and has renewed its Lease just now, for the last time.
    #[cfg(test)]
    pub(crate) fn just_renewed() -> Self {
        let state = State { leading: true, renewed: Some(Duration::ZERO), transitions: 0 };
        Self { state: watch::channel(state).1, origin: Instant::now(), identity: "mes-0".into() }
    }

    /// Whether this process leads now.
    pub fn is_leader(&self) -> bool {
        let state = *self.state.borrow();
        state.leading && state.renewed.is_some_and(|renewed| !lease::is_lost(renewed, self.now()))
    }

    /// Whether a call to the outside that takes at most `budget` may begin now.
    pub fn allows_a_call(&self, budget: Duration) -> bool {
        let state = *self.state.borrow();
        state.leading && lease::allows_a_call(state.renewed, self.now(), budget)
    }

    /// Who leads as this process, for people: identity and count of transitions (`intent.holder`).
    pub fn holder(&self) -> String {
        format!("{}/{}", self.identity, self.state.borrow().transitions)
    }

    /// Waits until this process leads. `false`: the campaign ended before it did.
    pub async fn leads(&mut self) -> bool {
        self.state.wait_for(|state| state.leading).await.is_ok()
    }

    /// Waits until the campaign has ended: lost or released.
    pub async fn ended(&mut self) {
        while self.state.changed().await.is_ok() {}
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

struct Candidate {
    leases: Api<Lease>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    origin: Instant,
    state: watch::Sender<State>,
    held: Option<Held>,
}

/// The Lease as we wrote it last.
#[derive(Clone)]
struct Held {
    metadata: ObjectMeta,
    transitions: u32,
    acquired: Timestamp,
    renewed: Duration,
}

impl Candidate {
    async fn run(mut self, mut released: oneshot::Receiver<()>) -> End {
        let end = tokio::select! {
            biased;
            end = self.contend() => end,
            _ = &mut released => End::Released,
        };
        self.state.send_modify(|state| state.leading = false);
        match end {
            End::Lost => tracing::error!(identity = self.settings.identity, "the Lease is lost"),
            End::Released => tracing::info!(identity = self.settings.identity, "stepping down"),
        }
        if end == End::Released && self.held.is_some() {
            // Where it does not come about in time, the next process waits for the Lease to run out.
            let _ = tokio::time::timeout(REQUEST_TIMEOUT, self.give_back()).await;
        }
        end
    }

    /// Takes our name off the Lease. Read anew, since a renewal may have been cut short, or may still land.
    async fn give_back(&self) {
        let name = self.settings.name.as_str();
        loop {
            let Ok(Some(lease)) = fault::absent(name, self.leases.get(name).await) else { return };
            let record = record(&lease);
            if record.holder.as_deref() != Some(&self.settings.identity) {
                return;
            }
            let acquired = self.held.as_ref().map_or_else(|| self.clock.now(), |held| held.acquired);
            match self.write(&lease.metadata, None, record.transitions, acquired).await {
                Err(fault) if fault.kind == FaultKind::Conflict => {}
                _ => return,
            }
        }
    }

    /// Ends only when leading is lost.
    async fn contend(&mut self) -> End {
        let mut seen = None;
        loop {
            let deadline = self.held.as_ref().map(|held| self.origin + held.renewed + RENEW_DEADLINE);
            let step = Box::pin(self.step(&mut seen));
            let standing = match deadline {
                None => step.await,
                // The moment to give up does not wait for an answer.
                Some(deadline) => match tokio::time::timeout_at(deadline, step).await {
                    Ok(standing) => standing,
                    Err(_) => return End::Lost,
                },
            };
            match &standing {
                Ok(Standing::Yield { .. }) if self.held.is_some() => return End::Lost,
                Err(fault) => tracing::warn!(%fault, "the Lease could not be read or written"),
                Ok(_) => {}
            }
            let wait = tokio::time::sleep(RETRY_PERIOD);
            match deadline {
                None => wait.await,
                Some(_) if self.is_lost() => return End::Lost,
                Some(_) => wait.await,
            }
        }
    }

    fn is_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| lease::is_lost(held.renewed, self.origin.elapsed()))
    }

    /// Looks, and acquires or renews where that is to be done.
    async fn step(&mut self, seen: &mut Option<Seen>) -> Result<Standing, Fault> {
        if let Some(held) = self.held.clone() {
            // Nobody else has written since, so no read is needed; where somebody has, the revision tells.
            if self.take(&held.metadata, held.transitions, held.acquired).await.is_ok() {
                return Ok(Standing::Renew);
            }
        }
        let name = self.settings.name.as_str();
        let found = fault::absent(name, self.leases.get(name).await)?;
        let now = self.origin.elapsed();
        *seen = found.as_ref().map(|lease| Seen::observe(seen.take(), record(lease), now));
        let standing = lease::evaluate(seen.as_ref(), &self.settings.identity, now);
        let metadata = found.map(|lease| lease.metadata).unwrap_or_default();
        let wall = self.clock.now();
        match standing {
            Standing::Acquire { transitions } => self.take(&metadata, transitions, wall).await?,
            Standing::Renew => {
                let acquired = self.held.as_ref().map_or(wall, |held| held.acquired);
                let transitions = seen.as_ref().map_or(0, |seen| seen.record.transitions);
                self.take(&metadata, transitions, acquired).await?;
            }
            Standing::Yield { .. } => {}
        }
        Ok(standing)
    }

    /// Writes us as holder onto what was read, and leads from then on.
    async fn take(&mut self, onto: &ObjectMeta, transitions: u32, acquired: Timestamp) -> Result<(), Fault> {
        let renewed = self.origin.elapsed();
        let identity = self.settings.identity.clone();
        let metadata = self.write(onto, Some(&identity), transitions, acquired).await?;
        if self.held.is_none() {
            tracing::info!(identity = self.settings.identity, transitions, "leading");
        }
        self.held = Some(Held { metadata, transitions, acquired, renewed });
        let state = State { leading: true, renewed: Some(renewed), transitions };
        self.state.send_replace(state);
        Ok(())
    }

    /// Applies the Lease onto the revision read; one that was not there is made, unless it is there by now.
    async fn write(
        &self,
        onto: &ObjectMeta,
        holder: Option<&str>,
        transitions: u32,
        acquired: Timestamp,
    ) -> Result<ObjectMeta, Fault> {
        let name = self.settings.name.as_str();
        let duration = holder.map_or(1, |_| LEASE_DURATION.as_secs());
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: i32::try_from(duration).ok(),
            lease_transitions: Some(i32::try_from(transitions).unwrap_or(i32::MAX)),
            acquire_time: Some(MicroTime(acquired)),
            renew_time: Some(MicroTime(self.clock.now())),
            ..LeaseSpec::default()
        };
        let mut metadata = json!({
            "name": name,
            "resourceVersion": onto.resource_version.as_deref().unwrap_or(NO_SUCH_REVISION),
        });
        if let Some(uid) = &onto.uid {
            metadata["uid"] = json!(uid);
        }
        let manifest = json!({
            "apiVersion": Lease::api_version(&()), "kind": Lease::kind(&()), "metadata": metadata, "spec": spec,
        });
        let forced = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.leases.patch(name, &forced, &Patch::Apply(manifest)).await;
        written.map(|lease| lease.metadata).map_err(|error| fault::of(&error))
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity,
        transitions: spec.lease_transitions.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        renewed: spec.renew_time.map(|time| time.0.to_string()),
    }
}

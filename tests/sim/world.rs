//! The one world of a run: AWS, the API server and the partners in one value, what is to go wrong, and what happened.
//!
//! Invariant: it outlives the processes of the operator. Every call is numbered and named; whatever changes it is followed
//! by every checker. Time is the paused clock of the process's runtime on top of when that began.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use mes_core::lease::LEASE_DURATION;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use sandbox::Sandbox;
use sandbox::kubernetes::{self, ApiServer, Watch};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::call::{Call, Door, Named, Reply, named, refused, status, written};
use crate::faults::{Fate, Plan};
use crate::invariants::{Broken, Checkers};
use crate::lease::Lease;
use crate::sabotage::Sabotage;
use crate::scenario;

/// When each world begins: a Sunday, so that schedules are easy to read.
pub(crate) const BEGINNING: Timestamp = Timestamp::constant(1_772_323_200, 0);

/// More calls than any run needs that comes to an end.
const HOT: u64 = 300_000;

/// After so long without a step the world is idle.
const IDLE: SignedDuration = SignedDuration::from_secs(30);
/// As slow as an answer about the Lease may be without a call having to wait for the next one: at its end, a renewal and an
/// answer later, the Lease has the time of a call left.
const SLOW: Duration = Duration::from_millis(1400);

pub(crate) struct World {
    inner: Mutex<Inner>,
    clock: Mutex<(Timestamp, Option<Instant>)>,
    changed: Notify,
    crashed: Notify,
}

pub(crate) struct Inner {
    pub(crate) sandbox: Sandbox,
    pub(crate) kube: ApiServer,
    /// The Lease that all contend for.
    lease: Lease,
    /// Of processes that believe to lead, whoever else does: their own.
    private: BTreeMap<u32, Lease>,
    pub(crate) plan: Plan,
    pub(crate) checkers: Checkers,
    pub(crate) trace: Vec<String>,
    pub(crate) calls: u64,
    /// The steps by number, for the exhaustive campaign.
    pub(crate) steps: Vec<Named>,
    /// What changed something, by verb.
    pub(crate) effects: BTreeMap<String, u64>,
    /// Changes that any process made, but for its Lease.
    pub(crate) changes: Vec<String>,
    /// When the last fault struck a call.
    pub(crate) struck: Option<Timestamp>,
    alive: BTreeSet<u32>,
    /// Processes that stood still for longer than their Lease, and at which call.
    overslept: BTreeMap<u32, String>,
    late: BTreeMap<(Timestamp, u64), (u32, Named, Call)>,
    /// What stands between the operator and the world, where the checkers are on trial.
    pub(crate) sabotage: Option<Sabotage>,
    /// Up to which revision garbage was collected.
    collected: u64,
    random: StdRng,
    /// How far behind watches are (F18).
    pub(crate) watch_lag: Duration,
    /// Until when nobody is reached behind a door (F19; AWS and partners alike): all, or who begins like this.
    outages: Vec<(Door, String, Timestamp)>,
    /// How far the operator's wall clock is off (F24). Its monotonic one never is.
    pub(crate) skew: SignedDuration,
    /// Until when the key of secrets is disabled.
    pub(crate) key_off: Option<Timestamp>,
    /// When the last step was made. While none is, an answer about the Lease takes long: that many fewer are needed.
    last: Timestamp,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Arc<Self> {
        let inner = Inner {
            sandbox: Sandbox::new(seed),
            kube: serving().emptied(seed),
            lease: Lease::default(),
            private: BTreeMap::new(),
            plan,
            checkers: Checkers::default(),
            trace: Vec::new(),
            calls: 0,
            steps: Vec::new(),
            effects: BTreeMap::new(),
            changes: Vec::new(),
            struck: None,
            alive: BTreeSet::new(),
            overslept: BTreeMap::new(),
            late: BTreeMap::new(),
            sabotage: None,
            collected: 0,
            random: StdRng::seed_from_u64(seed ^ 0x5eed),
            watch_lag: Duration::ZERO,
            outages: Vec::new(),
            skew: SignedDuration::ZERO,
            key_off: None,
            last: BEGINNING,
        };
        let world = Self {
            inner: Mutex::new(inner),
            clock: Mutex::new((BEGINNING, None)),
            changed: Notify::new(),
            crashed: Notify::new(),
        };
        Arc::new(world)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        let (base, origin) = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = origin.map_or(Duration::ZERO, |origin| origin.elapsed());
        base + SignedDuration::try_from(elapsed).expect("less than an age")
    }

    /// A runtime begins: its clock goes on from where the last one stopped.
    pub(crate) fn runtime_begins(&self) {
        let now = self.now();
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = (now, Some(Instant::now()));
    }

    /// A runtime ends. Still within it.
    pub(crate) fn runtime_ends(&self) {
        let now = self.now();
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = (now, None);
        self.lock().alive.clear();
    }

    /// A process begins. `alone`: it believes to lead, whoever else does.
    pub(crate) fn begins(&self, process: u32, alone: bool) {
        let mut inner = self.lock();
        inner.alive.insert(process);
        if alone {
            inner.private.insert(process, Lease::default());
        }
        let now = self.now();
        inner.note(now, &format!("process {process} begins{}", if alone { ", and believes to lead" } else { "" }));
    }

    /// It makes no further call, and no answer reaches it.
    pub(crate) fn kill(&self, process: u32) {
        let now = self.now();
        let mut inner = self.lock();
        inner.alive.remove(&process);
        inner.note(now, &format!("process {process} is dead"));
        drop(inner);
        self.crashed.notify_one();
    }

    pub(crate) fn lives(&self, process: u32) -> bool {
        self.lock().alive.contains(&process)
    }

    /// Whether no step was made for a while, and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        let now = self.now();
        let inner = self.lock();
        inner.late.is_empty() && now.duration_since(inner.last) > IDLE
    }

    /// Waits until this process is dead.
    pub(crate) async fn dies(&self, process: u32) {
        while self.lives(process) {
            self.crashed.notified().await;
        }
    }

    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.lock().random.fill_bytes(bytes);
    }

    pub(crate) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// The lines of a watch that are due; `None`: it was cut.
    pub(crate) async fn read(&self, process: u32, watch: &mut Watch) -> Option<Vec<Bytes>> {
        if !self.lives(process) {
            std::future::pending::<()>().await;
        }
        let lag = self.lock().watch_lag;
        if !lag.is_zero() {
            tokio::time::sleep(lag).await;
        }
        let now = self.now();
        let mut inner = self.lock();
        if inner.is_out(Door::Kubernetes, "", now) {
            return None;
        }
        Some(inner.kube.read(watch, now))
    }

    /// One call of a process. `None`: the connection broke before an answer came.
    pub(crate) async fn call(self: &Arc<Self>, process: u32, call: Call) -> Option<Reply> {
        let named = named(&call, self.now());
        if named.is_lease() {
            return self.contend(process, &call.request).await;
        }
        let begun = self.lock().begin(process, &named, self.now());
        let Some(Begun { number, fate, there, back }) = begun else { return std::future::pending().await };
        if fate == Fate::CrashBefore {
            return self.crash(process).await;
        }
        tokio::time::sleep(there).await;
        if !self.lives(process) {
            return std::future::pending().await;
        }
        if self.lock().is_out(call.door, &named.about, self.now()) {
            return None;
        }
        let before = self.lock().kube.revision();
        let answer = self.strike(process, number, &named, call, &fate);
        // A read is no news to any watch.
        if self.lock().kube.revision() != before {
            self.changed.notify_waiters();
        }
        if fate == Fate::CrashAfterEffect {
            return self.crash(process).await;
        }
        if fate == Fate::StandsStill {
            self.stand_still(process, &named);
            return answer;
        }
        tokio::time::sleep(back).await;
        if !self.lives(process) {
            return std::future::pending().await;
        }
        if fate == Fate::CrashAfterReply {
            // Whoever asked goes on until it asks again.
            self.kill(process);
        }
        answer
    }

    /// The whole process stands still beyond its Lease, and goes on right here: who asked has its answer before anybody else
    /// learns how late it is.
    fn stand_still(&self, process: u32, at: &Named) {
        self.lock().overslept.insert(process, at.verb.clone());
        let mut nobody = Context::from_waker(Waker::noop());
        // The first poll puts the clock forward; what follows it would let all others go first.
        let _ = pin!(tokio::time::advance(LEASE_DURATION + Duration::from_secs(5))).poll(&mut nobody);
    }

    /// A call about the Lease: no step, and nothing ever strikes it but the death of who asks.
    async fn contend(&self, process: u32, request: &Request<Bytes>) -> Option<Reply> {
        if !self.lives(process) {
            return std::future::pending().await;
        }
        if self.lock().is_out(Door::Kubernetes, "", self.now()) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            return None;
        }
        let answer = {
            let mut inner = self.lock();
            let Inner { private, lease, .. } = &mut *inner;
            private.get_mut(&process).unwrap_or(lease).answer(request)
        };
        tokio::time::sleep(if self.is_idle() { SLOW } else { Duration::from_millis(1) }).await;
        if !self.lives(process) {
            return std::future::pending().await;
        }
        Some(Reply::Whole(answer))
    }

    /// The call meets its fate, and the world all checkers.
    fn strike(&self, process: u32, number: u64, named: &Named, call: Call, fate: &Fate) -> Option<Reply> {
        let now = self.now();
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.settle(now);
        let (reply, told) = match fate {
            Fate::Fine | Fate::CrashBefore | Fate::CrashAfterEffect | Fate::CrashAfterReply | Fate::StandsStill => {
                let reply = inner.act(process, named, call, now);
                let told = status(&reply);
                (Some(reply), told)
            }
            Fate::LostReply => {
                let told = status(&inner.act(process, named, call, now));
                (None, format!("{told}, the answer is lost"))
            }
            Fate::Late(by) => {
                inner.late.insert((now + *by, number), (process, named.clone(), call));
                (None, format!("nothing yet: it lands {} s later", by.as_secs()))
            }
            Fate::Then(hand) => {
                let reply = inner.act(process, named, call, now);
                scenario::interfere(inner, *hand, now);
                let told = status(&reply);
                (Some(reply), told)
            }
            Fate::Refused { status: refusal, effect } => {
                let told = if *effect { status(&inner.act(process, named, call, now)) } else { "nothing".to_owned() };
                (Some(Reply::Whole(refused(named.door, *refusal))), format!("{told}, told {refusal}"))
            }
        };
        if named.counts {
            inner.note(now, &format!("#{number} p{process} {} {} -> {told}", named.verb, named.about));
        }
        reply
    }

    async fn crash<T>(&self, process: u32) -> T {
        self.kill(process);
        std::future::pending().await
    }

    /// What somebody else than the operator does: a person, Argo CD, the clock.
    pub(crate) fn outside<T>(&self, what: &str, act: impl FnOnce(&mut Inner, Timestamp) -> T) -> T {
        let now = self.now();
        let mut inner = self.lock();
        inner.settle(now);
        inner.note(now, what);
        inner.checkers.statuses.clear();
        let told = act(&mut inner, now);
        inner.check(now);
        drop(inner);
        self.changed.notify_waiters();
        told
    }

    /// Time alone went on.
    pub(crate) fn look(&self) {
        let now = self.now();
        let mut inner = self.lock();
        inner.settle(now);
        inner.check(now);
        drop(inner);
        self.changed.notify_waiters();
    }
}

/// Whether a call only ends what began with the one before it: a session of AWS is had for one operation, and the value that
/// a partner shows once is stored come what may. PROTOCOL takes both for calls that come late.
fn completes(before: &str, named: &Named) -> bool {
    before == "sm.sts" && named.door == Door::Aws || before == "partner.create" && named.verb == "sm.PutSecretValue"
}

struct Begun {
    number: u64,
    fate: Fate,
    there: Duration,
    back: Duration,
}

impl Inner {
    fn begin(&mut self, process: u32, named: &Named, now: Timestamp) -> Option<Begun> {
        if !self.alive.contains(&process) {
            return None;
        }
        if !named.counts {
            return Some(Begun { number: 0, fate: Fate::Fine, there: Duration::from_millis(1), back: Duration::ZERO });
        }
        if self.overslept.get(&process).is_some_and(|at| named.mutates && !completes(at, named)) {
            self.report(now, "L5", format!("{} {} begins after the Lease is over", named.verb, named.about));
        }
        self.calls += 1;
        self.last = now;
        let newest = || self.trace[self.trace.len().saturating_sub(30)..].join("\n");
        assert!(self.calls < HOT, "L10: {HOT} calls without an end; the last are\n{}", newest());
        self.steps.push(named.clone());
        let fate = self.plan.fate(self.calls, named, now, &mut self.random);
        let pause = |random: &mut StdRng| Duration::from_millis(random.random_range(1..40));
        let (there, back) = (pause(&mut self.random), pause(&mut self.random));
        if fate != Fate::Fine {
            self.struck = Some(now);
            self.checkers.statuses.clear();
            self.note(now, &format!("#{} p{process} {} {}: {fate}", self.calls, named.verb, named.about));
        }
        Some(Begun { number: self.calls, fate, there, back })
    }

    /// From now on nobody is reached behind this door whose name begins like this, for so long.
    pub(crate) fn cut(&mut self, door: Door, who: &str, until: Timestamp) {
        self.outages.push((door, who.to_owned(), until));
    }

    fn is_out(&self, door: Door, about: &str, now: Timestamp) -> bool {
        self.outages.iter().any(|(cut, who, until)| *cut == door && about.starts_with(who) && now < *until)
    }

    pub(crate) fn note(&mut self, now: Timestamp, what: &str) {
        let since = now.duration_since(BEGINNING);
        let (seconds, millis) = (since.as_secs(), since.subsec_millis());
        let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        self.trace.push(format!("{days}d {hours:02}:{minutes:02}:{seconds:02}.{millis:03} {what}"));
    }

    /// What landed late lands, each at its own instant.
    fn settle(&mut self, now: Timestamp) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((due, number), (process, named, call)) = entry.remove_entry();
            let told = status(&self.act(process, &named, call, due));
            self.note(now, &format!("#{number} p{process} {} {} lands late -> {told}", named.verb, named.about));
        }
        if self.key_off.take_if(|until| *until <= now).is_some() {
            self.sandbox.turn(now, |knobs| knobs.disabled_kms_keys.clear());
            self.checkers.unreadable = None;
            self.note(now, "-- the key is enabled");
        }
        if self.collected != self.kube.revision() {
            self.kube.collect(now);
            self.collected = self.kube.revision();
        }
    }

    pub(crate) fn act(&mut self, process: u32, named: &Named, mut call: Call, now: Timestamp) -> Reply {
        // One at a time: what a sabotage does is not sabotaged.
        let sabotage = self.sabotage.take();
        let answered = sabotage.and_then(|sabotage| sabotage.before(named, &mut call));
        let reply = answered.unwrap_or_else(|| self.take_effect(named, &call, now));
        if let Some(sabotage) = sabotage {
            sabotage.after(self, process, named, &call, now);
            self.check(now);
        }
        self.sabotage = sabotage;
        reply
    }

    fn take_effect(&mut self, named: &Named, call: &Call, now: Timestamp) -> Reply {
        self.checkers.before(named, call);
        let reply = match call.door {
            Door::Kubernetes => match self.kube.answer(&call.request, now) {
                kubernetes::Reply::Whole(response) => Reply::Whole(response),
                kubernetes::Reply::Watch(watch) => Reply::Watch(watch),
            },
            Door::Aws | Door::Partner => {
                let door = if call.door == Door::Aws { sandbox::Door::Aws } else { sandbox::Door::Partner };
                let answer = self.sandbox.call(door, &call.request, now);
                let mut response = Response::new(answer.bytes());
                *response.status_mut() = http::StatusCode::from_u16(answer.status()).unwrap_or_default();
                Reply::Whole(response)
            }
        };
        if let Reply::Whole(response) = &reply
            && named.mutates
            && response.status().is_success()
        {
            *self.effects.entry(named.verb.clone()).or_default() += 1;
            if named.counts {
                self.changes.push(format!("{} {} {}", named.verb, named.about, written(named, call)));
            }
        }
        if named.counts {
            // Two that lead may each tell what they know.
            if self.alive.len() > 1 {
                self.checkers.statuses.clear();
            }
            self.checkers.after(
                named,
                call,
                matches!(&reply, Reply::Whole(response) if response.status().is_success()),
            );
            // A read changes nothing, and time alone is looked at every few seconds.
            if named.mutates {
                self.check(now);
            }
        }
        reply
    }

    fn check(&mut self, now: Timestamp) {
        let found = self.checkers.check(&mut self.sandbox, &self.kube, now);
        for broken in found {
            self.note(now, &format!("BROKEN {broken}"));
        }
    }

    /// What only the script of a run can judge is broken.
    pub(crate) fn report(&mut self, now: Timestamp, id: &'static str, what: String) {
        self.note(now, &format!("BROKEN {id}: {what}"));
        self.checkers.report(id, what);
    }

    /// What was broken so far.
    pub(crate) fn broken(&self) -> &[Broken] {
        &self.checkers.broken
    }

    /// What a person does at the API server. Gives the answer's status and body.
    pub(crate) fn ask(&mut self, method: Method, path: &str, body: &Value, now: Timestamp) -> (u16, Value) {
        let media = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("content-type", media).body(bytes);
        match self.kube.answer(&request.expect("a request"), now) {
            kubernetes::Reply::Whole(response) => {
                let told = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
                (response.status().as_u16(), told)
            }
            kubernetes::Reply::Watch(_) => (0, Value::Null),
        }
    }

    /// The same, which must go well.
    pub(crate) fn must(&mut self, method: Method, path: &str, body: &Value, now: Timestamp) -> Value {
        let (status, told) = self.ask(method.clone(), path, body, now);
        assert!((200..300).contains(&status), "{method} {path}: {status} {told}");
        told
    }

    /// Secrets Manager asked by somebody else than the operator.
    pub(crate) fn aws(&mut self, region: &str, operation: &str, body: &Value, now: Timestamp) -> Value {
        let scope = format!("AKIASOMEBODYELSE0001/20260101/{region}/secretsmanager/aws4_request");
        let request = Request::post("http://sandbox/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        self.sandbox.call(sandbox::Door::Aws, &request, now).json()
    }
}

/// A server of the definitions as they are committed.
pub(crate) fn serving() -> &'static ApiServer {
    static SERVING: OnceLock<ApiServer> = OnceLock::new();
    SERVING.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).expect("crds").map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        let mut server = ApiServer::new(0);
        for path in paths {
            let text = std::fs::read_to_string(path).expect("a definition");
            server.define(&serde_yaml::from_str(&text).expect("YAML")).expect("a definition that can be read");
        }
        server
    })
}

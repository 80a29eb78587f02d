//! Every stand-in in one value, and the one way to call it.
//!
//! Invariant: a call is one step. It is numbered and named, its fate is asked, everything due before it happens first,
//! then it takes effect or not, and it is written down, all under one `&mut`. No clock and no randomness but what was
//! given: `now` is an argument, the seed is an option. Called by `serve` over HTTP and by tests in process.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::body::{Answer, Content, Outcome, respond};
use crate::control;
use crate::faults::{Fate, Fault, FaultPlan, Struck};
use crate::iam::{Iam, Judgement, Setup};
use crate::journal::{Counts, Entry, Journal};
use crate::knobs::{Knobs, Unreachable};
use crate::partners::synthetic::{Account, Habits};
use crate::partners::{Partners, salesforce::App};
use crate::secrets_manager::{
    Answered, Backstage, Context, Failure, SecretsManager, Shown, authorization, errors::throttled,
};
use crate::sts::{self, Caller, Sts};
use crate::throttle::Throttle;

/// The account of every access key that the knobs don't give to another.
pub const ACCOUNT: &str = "123456789012";

/// Through which door a call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// AWS's endpoint: Secrets Manager, STS, and below `/_sandbox/` the control API.
    Aws,
    /// A partner, told by its host.
    Partner,
}

/// The world.
pub struct Sandbox {
    pub(crate) knobs: Knobs,
    pub(crate) faults: FaultPlan,
    pub(crate) journal: Journal,
    pub(crate) partners: Partners,
    pub(crate) shift: SignedDuration,
    secrets_manager: SecretsManager,
    sts: Sts,
    iam: Option<Iam>,
    throttle: Throttle,
    random: StdRng,
    /// Calls whose callers were told nothing and that take effect at their instant.
    late: BTreeMap<(Timestamp, u64), (Door, Request<Bytes>)>,
}

/// A call with its name.
struct Named {
    door: &'static str,
    operation: String,
    region: String,
    caller: Caller,
    refused: Option<Failure>,
    form: HashMap<String, String>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new(rand::rng().random())
    }
}

impl Sandbox {
    /// An empty world. The same seed and the same calls make the same ids.
    pub fn new(seed: u64) -> Self {
        Self {
            knobs: Knobs::default(),
            faults: FaultPlan::default(),
            journal: Journal::default(),
            partners: Partners::default(),
            shift: SignedDuration::ZERO,
            secrets_manager: SecretsManager::default(),
            sts: Sts::default(),
            iam: None,
            throttle: Throttle::default(),
            random: StdRng::seed_from_u64(seed),
            late: BTreeMap::new(),
        }
    }

    /// One call. `now` is the caller's clock; the world adds the shift that was set.
    pub fn call(&mut self, door: Door, request: &Request<Bytes>, now: Timestamp) -> Answer {
        let shifted = self.now(now);
        self.settle(shifted);
        if door == Door::Aws && request.uri().path().starts_with("/_sandbox") {
            return Answer::reply(control::answer(self, request, now));
        }
        let now = shifted;
        let number = self.journal.number();
        let named = self.name(door, request, now);
        if let Some(answer) = self.unreachable(&named) {
            self.write(number, now, &named, None, "unreachable", None);
            return answer;
        }
        let struck = Struck {
            door: named.door,
            operation: &named.operation,
            region: &named.region,
            caller: &named.caller.arn,
            access_key: &named.caller.access_key,
        };
        let fate = self.faults.fate(&struck, || subject(door, request));
        match fate {
            None => {
                let (answer, resource, outcome) = self.act(door, request, &named, now);
                self.write(number, now, &named, resource, &outcome, None);
                answer
            }
            Some((fate, effect)) => {
                if let Fate::Late { ms } = fate {
                    let lag = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
                    let due = now.checked_add(lag).unwrap_or(Timestamp::MAX);
                    self.late.insert((due, number), (door, request.clone()));
                }
                let effect = effect || fate.lets_pass();
                let done = effect.then(|| self.act(door, request, &named, now));
                let (truth, resource, outcome) = match done {
                    Some((answer, resource, outcome)) => (Some(answer), resource, outcome),
                    None => (None, None, "no effect".to_owned()),
                };
                self.write(number, now, &named, resource, &outcome, Some(kind(&fate)));
                fate.strike(request, truth, |failure| told(&named, failure, &mut self.random))
            }
        }
    }

    /// The world's clock, given the caller's.
    pub fn now(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.shift).unwrap_or(Timestamp::MAX)
    }

    /// Moves the world's clock further on (or back, if negative).
    pub fn advance(&mut self, by: SignedDuration) {
        self.shift = self.shift.saturating_add(by);
    }

    /// Lets every session of a role live longer. Whoever was given one judges its end by a clock of his own, which
    /// [`Self::advance`] does not move.
    pub fn prolong_sessions(&mut self, by: SignedDuration) {
        self.sts.prolong(by);
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// Turns knobs. What is due before `now` still happens under the old ones; copies that waited for an unreachable
    /// region are sent again.
    pub fn turn(&mut self, now: Timestamp, set: impl FnOnce(&mut Knobs)) {
        let now = self.now(now);
        self.settle(now);
        set(&mut self.knobs);
        self.secrets_manager.unpark(now);
    }

    /// Plants a fault and tells its number.
    pub fn plant(&mut self, fault: Fault) -> u64 {
        self.faults.plant(fault)
    }

    /// Pulls every fault.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// How often each operation was called, by whom.
    pub fn counts(&self) -> Counts {
        self.journal.counts()
    }

    /// The calls after a number (0: all that are kept).
    pub fn log(&self, after: u64) -> Vec<Entry> {
        self.journal.after(after).cloned().collect()
    }

    /// Makes a Salesforce app with its first pair. `host` without scheme and port.
    pub fn salesforce_app(&mut self, host: &str, name: &str, may_manage: bool) -> App {
        self.partners.salesforce.make_app(host, name, may_manage, &mut self.random)
    }

    /// Whether a Salesforce pair logs in now, and how many pairs of its app are live.
    pub fn salesforce_logs_in(&self, key: &str, secret: &str, now: Timestamp) -> (bool, usize) {
        self.partners.salesforce.logs_in(key, secret, self.now(now))
    }

    /// Opens a host of the synthetic partner with these habits, without accounts.
    pub fn synthetic(&mut self, host: &str, habits: Habits) {
        self.partners.synthetic.host(host, habits);
    }

    /// From now on the lists of every host of the synthetic partner are so old at the least (see [`Habits::list_lag`]).
    pub fn synthetic_lists_lag(&mut self, lag: SignedDuration) {
        self.partners.synthetic.list_lag = lag;
    }

    /// What an account of the synthetic partner has. `None`: nobody asked for it yet.
    pub fn synthetic_account(&self, host: &str, account: &str) -> Option<&Account> {
        self.partners.synthetic.account(host, account)
    }

    /// Makes a credential of the synthetic partner as a person does (`foreign`: not for the operator). Gives its id and
    /// bytes; `None`: there is no such host.
    pub fn synthetic_credential(
        &mut self,
        host: &str,
        account: &str,
        slot: Option<&str>,
        foreign: bool,
        now: Timestamp,
    ) -> Option<(String, String)> {
        let now = self.now(now);
        self.partners.synthetic.plant(host, account, slot, foreign, now, &mut self.random)
    }

    /// Keeps every appointment due, as the next call would.
    pub fn keep_appointments(&mut self, now: Timestamp) {
        let now = self.now(now);
        self.settle(now);
    }

    /// Every secret of an account, region by region.
    pub fn secrets(&self, account: &str) -> Vec<Shown<'_>> {
        self.secrets_manager.shown(account)
    }

    /// Makes a secret of [`ACCOUNT`] one that a service of AWS's keeps for itself. Whether it is there.
    pub fn owned_by(&mut self, region: &str, name: &str, service: &str) -> bool {
        self.secrets_manager.own(ACCOUNT, region, name, service)
    }

    /// Session tags by the access key of an assumed role.
    pub fn session_tags(&self, access_key: &str) -> Option<&[(String, String)]> {
        self.sts.session_tags(access_key)
    }

    /// Loads policies in place of those before: from now on every request to Secrets Manager and STS is judged by them.
    /// `None`: by nothing.
    ///
    /// # Errors
    /// Which document can't be read, and why.
    pub fn judge_by(&mut self, setup: Option<&Setup>) -> Result<(), String> {
        let mut loaded = setup.map(Iam::load).transpose()?;
        if let (Some(after), Some(before)) = (&mut loaded, self.iam.take()) {
            after.follow(before);
        }
        self.iam = loaded;
        Ok(())
    }

    /// What was judged since policies were first loaded, each different judgement once.
    pub fn judgements(&self) -> Vec<Judgement> {
        self.iam.iter().flat_map(Iam::judgements).cloned().collect()
    }

    /// Forgets what was judged.
    pub fn forget_judgements(&mut self) {
        self.iam.iter_mut().for_each(Iam::forget);
    }

    /// Keeps every appointment due, as the next call would.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((due, number), (door, request)) = entry.remove_entry();
            self.settle_aws(due);
            let named = self.name(door, &request, due);
            let (_, resource, outcome) = self.act(door, &request, &named, due);
            self.write(number, due, &named, resource, &outcome, Some("late"));
        }
        self.settle_aws(now);
    }

    fn settle_aws(&mut self, now: Timestamp) {
        let mut backstage = Backstage {
            knobs: &self.knobs,
            random: &mut self.random,
            partners: &mut self.partners,
            iam: self.iam.as_mut(),
        };
        self.secrets_manager.settle(now, &mut backstage);
    }

    fn name(&self, door: Door, request: &Request<Bytes>, now: Timestamp) -> Named {
        if door == Door::Partner {
            let host = host(request);
            let (door, operation) = (Partners::name(&host), Partners::operation(request, &host).to_owned());
            let caller = Caller { arn: host, ..Caller::anonymous() };
            return Named { door, operation, region: String::new(), caller, refused: None, form: HashMap::new() };
        }
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        let (door, operation, form) = match target.and_then(|target| target.strip_prefix("secretsmanager.")) {
            Some(operation) => ("secretsmanager", operation.to_owned(), HashMap::new()),
            None => {
                let form: HashMap<String, String> = url::form_urlencoded::parse(request.body()).into_owned().collect();
                ("sts", form.get("Action").cloned().unwrap_or_default(), form)
            }
        };
        let (caller, region, refused) = match signed_by(request) {
            Some((access_key, region)) => match self.sts.caller(access_key, now, &self.knobs, self.iam.as_ref()) {
                Ok(caller) => (caller, region.to_owned(), None),
                Err(failure) => {
                    let caller = Caller { access_key: access_key.to_owned(), ..Caller::anonymous() };
                    (caller, region.to_owned(), Some(failure))
                }
            },
            None if operation == "AssumeRoleWithWebIdentity" => (Caller::anonymous(), String::new(), None),
            None => {
                let failure = Failure::new("MissingAuthenticationTokenException", "Missing Authentication Token");
                (Caller::anonymous(), String::new(), Some(failure))
            }
        };
        Named { door, operation, region, caller, refused, form }
    }

    fn unreachable(&self, named: &Named) -> Option<Answer> {
        let how = self.knobs.unreachable_regions.get(&named.region)?;
        Some(match how {
            Unreachable::Unavailable => Answer::reply(respond(503, "text/plain", "")),
            Unreachable::Close => Answer { delay: std::time::Duration::ZERO, outcome: Outcome::Closed },
            Unreachable::Silence => Answer { delay: std::time::Duration::ZERO, outcome: Outcome::Silence },
        })
    }

    /// Lets the call take effect: the answer, the resource it was about, and its outcome for the log.
    fn act(
        &mut self,
        door: Door,
        request: &Request<Bytes>,
        named: &Named,
        now: Timestamp,
    ) -> (Answer, Option<String>, String) {
        if door == Door::Partner {
            let answer = self.partners.answer(request, &named.caller.arn, now, &self.knobs, &mut self.random);
            let outcome = format!("HTTP {}", answer.status());
            return (answer, Some(request.uri().path().to_owned()), outcome);
        }
        if let Some(failure) = &named.refused {
            let response = told(named, failure, &mut self.random);
            return (Answer::reply(response), None, failure.code.clone());
        }
        if named.door == "sts" {
            let iam = self.iam.as_mut();
            let answered = self.sts.answer(&named.form, &named.caller, now, &self.knobs, &mut self.random, iam);
            return match answered {
                Ok(xml) => (Answer::reply(respond(200, "text/xml", xml)), None, "ok".into()),
                Err(failure) => {
                    let response = told(named, &failure, &mut self.random);
                    (Answer::reply(response), None, failure.code)
                }
            };
        }
        let admitted =
            !self.knobs.throttling || self.throttle.admits(&named.caller.account, &named.region, &named.operation, now);
        let permitted = if admitted { self.permitted(named, request.body()) } else { Err(throttled()) };
        let mut ctx = Context {
            account: &named.caller.account,
            region: &named.region,
            now,
            knobs: &self.knobs,
            random: &mut self.random,
            resource: None,
        };
        let answered = permitted.and_then(|()| self.secrets_manager.answer(&named.operation, request.body(), &mut ctx));
        let resource = ctx.resource;
        match answered {
            Ok(value) => {
                let mut response = respond(200, "application/x-amz-json-1.1", value.to_string());
                identify(&mut response, &mut self.random);
                (Answer::reply(response), resource, "ok".into())
            }
            Err(failure) => {
                let response = told(named, &failure, &mut self.random);
                (Answer::reply(response), resource, failure.code)
            }
        }
    }

    /// What IAM says of a call to Secrets Manager.
    fn permitted(&mut self, named: &Named, body: &[u8]) -> Answered<()> {
        let Some(iam) = &mut self.iam else { return Ok(()) };
        let Caller { account, arn, tags, .. } = &named.caller;
        let asks = self.secrets_manager.asks(&named.operation, body, account, &named.region, iam);
        authorization::allowed(iam, &named.caller.principal(), tags, arn, asks)
    }

    fn write(
        &mut self,
        number: u64,
        now: Timestamp,
        named: &Named,
        resource: Option<String>,
        outcome: &str,
        fault: Option<&'static str>,
    ) {
        let entry = Entry {
            number,
            at: now.to_string(),
            door: named.door.to_owned(),
            operation: named.operation.clone(),
            caller: named.caller.arn.clone(),
            region: named.region.clone(),
            resource,
            outcome: outcome.to_owned(),
            fault,
        };
        self.journal.write(entry, self.knobs.log_limit);
    }
}

/// An error as the door tells it.
fn told(named: &Named, failure: &Failure, random: &mut StdRng) -> Response<Content> {
    match named.door {
        "sts" => sts::told_failure(failure, random),
        "salesforce" | "synthetic" if failure.code == "ThrottlingException" => respond(429, "application/json", ""),
        "salesforce" | "synthetic" => Partners::told_failure(named.door, failure),
        _ => {
            let mut response = respond(failure.status, "application/x-amz-json-1.1", failure.body().to_string());
            identify(&mut response, random);
            response
        }
    }
}

fn identify(response: &mut Response<Content>, random: &mut StdRng) {
    if let Ok(id) = http::HeaderValue::from_str(&uuid(random)) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
}

fn kind(fate: &Fate) -> &'static str {
    match fate {
        Fate::Error { .. } => "error",
        Fate::Throttle => "throttle",
        Fate::Delay { .. } => "delay",
        Fate::DropReply => "drop_reply",
        Fate::Close => "close",
        Fate::Silence => "silence",
        Fate::Late { .. } => "late",
        Fate::Html { .. } => "html",
        Fate::Redirect { .. } => "redirect",
        Fate::Status { .. } => "status",
        Fate::Huge { .. } => "huge",
        Fate::Body { .. } => "body",
        Fate::Echo { .. } => "echo",
        Fate::Slow { .. } => "slow",
    }
}

/// Access key and region of the credential scope: `Credential=AKID/DATE/REGION/SERVICE/aws4_request`.
fn signed_by(request: &Request<Bytes>) -> Option<(&str, &str)> {
    let header = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let scope = header.split_once("Credential=")?.1.split(',').next()?;
    let mut parts = scope.trim().split('/');
    let (access_key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
    (!access_key.is_empty() && !region.is_empty()).then_some((access_key, region))
}

/// What the call is about: the path at a partner, `SecretId` or `Name` at Secrets Manager, the role at STS.
fn subject(door: Door, request: &Request<Bytes>) -> String {
    if door == Door::Partner {
        return request.uri().path().to_owned();
    }
    match serde_json::from_slice::<serde_json::Value>(request.body()) {
        Ok(body) => ["SecretId", "Name"].iter().find_map(|key| body[*key].as_str()).unwrap_or_default().to_owned(),
        Err(_) => {
            let mut form = url::form_urlencoded::parse(request.body());
            form.find(|(key, _)| key == "RoleArn").map(|(_, role)| role.into_owned()).unwrap_or_default()
        }
    }
}

/// The host that was asked for, without its port.
fn host(request: &Request<Bytes>) -> String {
    let header = request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
    let host = header.or_else(|| request.uri().host()).unwrap_or_default();
    host.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

/// A UUID of version 4 from the world's own randomness.
pub(crate) fn uuid(random: &mut StdRng) -> String {
    let bits: u128 = random.random();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

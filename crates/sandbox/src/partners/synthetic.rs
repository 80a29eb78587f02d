//! A partner of no vendor: every way in which partners let a credential be replaced, by knobs, a host each.
//!
//! Invariant: what an account accepts at an instant follows from its credentials' own times alone (`from`, `until`), so that
//! an observer can ask for any instant without a call. Below `/v1/accounts/ACCOUNT/`; whoever administers sends
//! `Authorization: Bearer` with the host's admin secret, or with one that the account accepts. Filled by
//! [`crate::Sandbox::synthetic`], asked through the partners' door by its host.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

use crate::body::{Answer, Content, respond};
use crate::secrets_manager::Failure;

/// Every host of this partner ends so.
pub const DOMAIN: &str = ".synthetic.example";

/// How one host lets its credentials be replaced.
#[derive(Clone, Debug)]
pub struct Habits {
    /// For how long old and new are both accepted.
    pub overlap: Overlap,
    /// What brings a new one into force.
    pub activation: Activation,
    /// Whether a credential keeps the tag that its maker gave it.
    pub tags: bool,
    /// How many of an account may live at once.
    pub live_limit: Option<usize>,
    /// From its making until a credential is accepted.
    pub acceptance_lag: SignedDuration,
    /// From its revocation until a credential is refused.
    pub revocation_lag: SignedDuration,
    /// How old a list is: what was made since is not in it, what was ended since still is. Such a list has no order.
    pub list_lag: SignedDuration,
    /// How long a credential lives from its making; none: until it is ended.
    pub lifetime: Option<SignedDuration>,
    /// The secret of whoever administers.
    pub admin: String,
}

/// For how long old and new are both accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Until the old one is revoked.
    UntilRevoked,
    /// So long after the new one was made (or came into force).
    Grace(SignedDuration),
    /// Not at all.
    None,
}

/// What brings a new one into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// Its first login, which also ends the others as the overlap says.
    AtFirstUse,
    /// A call of its own: the others then end after thirty days.
    ByCall,
}

/// One credential, as an observer sees it.
#[derive(Clone, Debug)]
pub struct Credential {
    /// As the partner names it.
    pub id: String,
    /// The principal or slot that it is of, where the caller chose one.
    pub slot: Option<String>,
    /// Its maker's mark.
    pub tag: Option<String>,
    /// Its bytes.
    pub secret: String,
    /// Whether it is the main one.
    pub main: bool,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it is accepted.
    pub from: Timestamp,
    /// Until when it is accepted.
    pub until: Timestamp,
    /// When somebody ended it.
    pub ended: Option<Timestamp>,
    /// How often it logged in.
    pub logins: u64,
    /// When it did last.
    pub used: Option<Timestamp>,
    /// Whether a person made it, past the API.
    pub foreign: bool,
}

/// What one account has, and what was done to it.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// All that it ever had, in order of making.
    pub credentials: Vec<Credential>,
    /// How often a credential was made or a slot given other bytes.
    pub made: u64,
    /// How often one was ended by a call.
    pub revoked: u64,
    /// How often it was listed.
    pub listed: u64,
}

#[derive(Default)]
pub(crate) struct Synthetic {
    hosts: BTreeMap<String, (Habits, BTreeMap<String, Account>)>,
    /// How old each host's lists are at the least.
    pub(crate) list_lag: SignedDuration,
}

type Refusal = (u16, &'static str);

impl Credential {
    /// Whether it logs in at this instant.
    pub fn accepted(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it counts against the limit.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.until
    }

    /// Whether it was there at this instant.
    fn lived(&self, then: Timestamp) -> bool {
        self.made <= then && then < self.until && self.ended.is_none_or(|ended| then < ended)
    }
}

impl Habits {
    /// From when and until when a credential is accepted that is made now.
    fn life(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        (later(now, self.acceptance_lag), self.lifetime.map_or(Timestamp::MAX, |life| later(now, life)))
    }
}

impl Synthetic {
    pub(crate) fn host(&mut self, host: &str, habits: Habits) {
        self.hosts.insert(host.to_owned(), (habits, BTreeMap::new()));
    }

    pub(crate) fn account(&self, host: &str, account: &str) -> Option<&Account> {
        self.hosts.get(host)?.1.get(account)
    }

    /// Makes one as a person does, past every check. Gives its id and bytes.
    pub(crate) fn plant(
        &mut self,
        host: &str,
        account: &str,
        slot: Option<&str>,
        foreign: bool,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Option<(String, String)> {
        let (_, accounts) = self.hosts.get_mut(host)?;
        let account = accounts.entry(account.to_owned()).or_default();
        let secret = secret(random);
        let main = account.credentials.iter().all(|each| !each.lives(now));
        let id = account.add(slot, None, &secret, main, now, (now, Timestamp::MAX), foreign, random);
        Some((id, secret))
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Answer {
        Answer::reply(match self.answered(request, host, now, random) {
            Ok(told) => respond(200, "application/json", told.to_string()),
            Err((status, code)) => respond(status, "application/json", json!({"error": code}).to_string()),
        })
    }

    fn answered(
        &mut self,
        request: &Request<Bytes>,
        host: &str,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Result<Value, Refusal> {
        let list_lag = self.list_lag;
        let (habits, accounts) = self.hosts.get_mut(host).ok_or((404, "NoSuchHost"))?;
        let parts: Vec<&str> = request.uri().path().split('/').collect();
        let ["", "v1", "accounts", name, what @ ..] = &parts[..] else { return Err((404, "NoSuchPath")) };
        let account = accounts.entry((*name).to_owned()).or_default();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let given = body["secret"].as_str();
        if (request.method(), what) == (&Method::POST, &["login"][..]) {
            return account.login(habits, given.ok_or((400, "NoSecret"))?, body["slot"].as_str(), now);
        }
        account.admits(habits, request, now)?;
        match (request.method(), what) {
            (&Method::GET, ["credentials"]) => Ok(account.list(habits.list_lag.max(list_lag), now, random)),
            (&Method::POST, ["whose"]) => {
                let given = given.ok_or((400, "NoSecret"))?;
                let found = account.credentials.iter().find(|each| each.lives(now) && each.secret == given);
                Ok(json!({"id": found.map(|each| each.id.clone())}))
            }
            (&Method::POST, ["credentials"]) => account.make(habits, body["tag"].as_str(), now, random),
            (&Method::PUT, ["slots", slot]) => account.fill(habits, slot, given.ok_or((400, "NoSecret"))?, now, random),
            (&Method::DELETE, ["credentials", id]) => account.end(habits, id, now),
            (&Method::POST, ["main", id]) => account.activate(habits, id, now),
            _ => Err((404, "NoSuchPath")),
        }
    }
}

impl Account {
    /// Those that log in at this instant.
    pub fn accepted(&self, now: Timestamp) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().filter(move |each| each.accepted(now))
    }

    /// Those that were not ended.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Credential> {
        self.credentials.iter().filter(move |each| each.lives(now))
    }

    fn admits(&self, habits: &Habits, request: &Request<Bytes>, now: Timestamp) -> Result<(), Refusal> {
        let header = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or((401, "NoBearer"))?;
        let own = self.accepted(now).any(|each| each.secret == bearer);
        if bearer == habits.admin || own { Ok(()) } else { Err((401, "BearerRefused")) }
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one row, and this is its only maker")]
    fn add(
        &mut self,
        slot: Option<&str>,
        tag: Option<&str>,
        secret: &str,
        main: bool,
        now: Timestamp,
        (from, until): (Timestamp, Timestamp),
        foreign: bool,
        random: &mut StdRng,
    ) -> String {
        let id = format!("cred-{}", letters(random, 12));
        self.credentials.push(Credential {
            id: id.clone(),
            slot: slot.map(str::to_owned),
            tag: tag.map(str::to_owned),
            secret: secret.to_owned(),
            main,
            made: now,
            from,
            until,
            ended: None,
            logins: 0,
            used: None,
            foreign,
        });
        id
    }

    /// As it was so long ago.
    fn list(&mut self, lag: SignedDuration, now: Timestamp, random: &mut StdRng) -> Value {
        self.listed += 1;
        let told = |each: &Credential| json!({"id": each.id, "slot": each.slot, "tag": each.tag, "main": each.main});
        let then = now - lag;
        let mut listed: Vec<Value> = self.credentials.iter().filter(|each| each.lived(then)).map(told).collect();
        if !lag.is_zero() {
            listed.shuffle(random);
        }
        json!({"credentials": listed})
    }

    fn login(&mut self, habits: &Habits, secret: &str, slot: Option<&str>, now: Timestamp) -> Result<Value, Refusal> {
        let fits = |each: &Credential| {
            each.accepted(now) && each.secret == secret && slot.is_none_or(|slot| each.slot.as_deref() == Some(slot))
        };
        let at = self.credentials.iter().position(fits).ok_or((401, "Refused"))?;
        let first = self.credentials[at].logins == 0;
        self.credentials[at].logins += 1;
        self.credentials[at].used = Some(now);
        let id = self.credentials[at].id.clone();
        if habits.activation == Activation::AtFirstUse && first && !self.credentials[at].main {
            self.supersede(habits, &id, now);
        }
        Ok(json!({"id": id}))
    }

    fn make(
        &mut self,
        habits: &Habits,
        tag: Option<&str>,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Result<Value, Refusal> {
        if habits.live_limit.is_some_and(|limit| self.live(now).count() >= limit) {
            return Err((409, "LimitReached"));
        }
        self.made += 1;
        let secret = secret(random);
        let first = self.live(now).next().is_none();
        let id = self.add(None, tag.filter(|_| habits.tags), &secret, first, now, habits.life(now), false, random);
        if !first && habits.activation == Activation::None && habits.overlap != Overlap::UntilRevoked {
            self.supersede(habits, &id, now);
        }
        Ok(json!({"id": id, "secret": secret}))
    }

    /// Gives a slot these bytes; the same ones again change nothing.
    fn fill(
        &mut self,
        habits: &Habits,
        slot: &str,
        secret: &str,
        now: Timestamp,
        random: &mut StdRng,
    ) -> Result<Value, Refusal> {
        let held = self.live(now).find(|each| each.slot.as_deref() == Some(slot));
        if let Some(held) = held.filter(|held| held.secret == secret) {
            return Ok(json!({"id": held.id}));
        }
        self.made += 1;
        for each in self.credentials.iter_mut().filter(|each| each.slot.as_deref() == Some(slot) && each.lives(now)) {
            each.ended = Some(now);
            each.until = match habits.overlap {
                Overlap::Grace(grace) => later(now, grace),
                _ => now,
            };
        }
        let id = self.add(Some(slot), None, secret, true, now, habits.life(now), false, random);
        Ok(json!({"id": id}))
    }

    fn end(&mut self, habits: &Habits, id: &str, now: Timestamp) -> Result<Value, Refusal> {
        let found = self.credentials.iter_mut().find(|each| each.id == id && each.lives(now)).ok_or((404, "Gone"))?;
        if found.main && habits.activation == Activation::ByCall {
            return Err((409, "StillMain"));
        }
        found.ended = Some(now);
        found.until = found.until.min(later(now, habits.revocation_lag));
        self.revoked += 1;
        Ok(json!({}))
    }

    fn activate(&mut self, habits: &Habits, id: &str, now: Timestamp) -> Result<Value, Refusal> {
        if habits.activation != Activation::ByCall || !self.live(now).any(|each| each.id == id) {
            return Err((404, "Gone"));
        }
        self.supersede(habits, id, now);
        Ok(json!({}))
    }

    /// `id` is the main one from now on; the others end as the host's habits say.
    fn supersede(&mut self, habits: &Habits, id: &str, now: Timestamp) {
        for each in self.credentials.iter_mut().filter(|each| each.until > now) {
            each.main = each.id == id;
            if each.id == id {
                continue;
            }
            let until = match (habits.activation, habits.overlap) {
                (Activation::ByCall, _) => later(now, SignedDuration::from_hours(30 * 24)),
                (_, Overlap::Grace(grace)) => later(now, grace),
                (_, Overlap::None) => now,
                (_, Overlap::UntilRevoked) => Timestamp::MAX,
            };
            each.until = each.until.min(until);
            if habits.activation != Activation::ByCall && habits.overlap != Overlap::UntilRevoked {
                each.ended.get_or_insert(now);
            }
        }
    }
}

/// The operation's name, for faults and counts.
pub(crate) fn operation(request: &Request<Bytes>) -> &'static str {
    let parts: Vec<&str> = request.uri().path().split('/').skip(4).collect();
    match (request.method(), &parts[..]) {
        (&Method::POST, ["login"]) => "login",
        (&Method::GET, ["credentials"]) => "list",
        (&Method::POST, ["whose"]) => "whose",
        (&Method::POST, ["credentials"]) => "create",
        (&Method::PUT, ["slots", _]) => "register",
        (&Method::DELETE, ["credentials", _]) => "revoke",
        (&Method::POST, ["main", _]) => "activate",
        _ => "unknown",
    }
}

/// A planted error, as this partner tells errors.
pub(crate) fn told_failure(failure: &Failure) -> Response<Content> {
    respond(failure.status, "application/json", json!({"error": failure.code}).to_string())
}

fn secret(random: &mut StdRng) -> String {
    format!("syn_{}", letters(random, 36))
}

fn letters(random: &mut StdRng, count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..count).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

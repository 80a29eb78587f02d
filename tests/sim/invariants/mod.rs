//! The invariants, a checker each, named by its id; run after every change of the world.
//!
//! Invariant: a checker reads the world and the history that [`Checkers`] keeps, never what the operator says of itself,
//! but for `Onboarded`, from which on a promise holds. What is broken is told once.

mod confidentiality;
mod liveness;
mod safety;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use mes_core::partner::Overlap;
use sandbox::kubernetes::ApiServer;
use sandbox::synthetic::Account;
use sandbox::{ACCOUNT, Sandbox, Shown};
use serde_json::Value;

use crate::call::{Call, Named};
use crate::synthetic::{CELLS, Cell};

pub(crate) use liveness::at_rest;

/// A status tells a few things one after the other while nothing else happens, and then rests (L10).
const ALONE: u32 = 16;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    pub(crate) id: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.what)
    }
}

/// What is remembered of a resource.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    /// It was in service once.
    pub(crate) onboarded: bool,
    /// Which versions had AWSCURRENT, in order.
    pub(crate) history: Vec<String>,
    /// Since when it is suspended.
    pub(crate) suspended: Option<Timestamp>,
    /// Rotations that nobody asked for, and whether they failed, or were deleted before they began.
    pub(crate) own: BTreeMap<String, bool>,
    /// Those that have not begun.
    pub(crate) idle: BTreeSet<String>,
    /// Its namespace and name.
    pub(crate) path: String,
    /// Its host and account at the partner, its secret's name in AWS.
    pub(crate) host: String,
    pub(crate) account: String,
    pub(crate) stored: String,
    /// What its spec says about its end: at the partner, in AWS.
    pub(crate) axes: (String, String),
    /// Its first credential was of the operator's own making.
    pub(crate) minted: bool,
    /// It is gone, and that was judged.
    pub(crate) buried: bool,
}

/// All checkers and their history.
#[derive(Default)]
pub(crate) struct Checkers {
    pub(crate) broken: Vec<Broken>,
    told: BTreeSet<Broken>,
    pub(crate) tracked: BTreeMap<String, Tracked>,
    /// Creates by the tag that they carry.
    pub(crate) creates: BTreeMap<String, u64>,
    /// Accounts with a create that was not followed by a list yet.
    pub(crate) unlisted: BTreeSet<String>,
    /// Those of which one was made again meanwhile.
    pub(crate) repeated: Vec<String>,
    /// What a call showed, to be judged with the world.
    pub(crate) calls: Vec<(Named, Call)>,
    /// Credentials that a person made and that are not for the operator, by id.
    pub(crate) foreign: BTreeSet<String>,
    /// How often each resource's status was written while nothing else happened.
    pub(crate) statuses: BTreeMap<String, u32>,
    /// Since when AWSCURRENT can't be read.
    pub(crate) unreadable: Option<Timestamp>,
    /// A person moved labels or keys: the order of versions says nothing any more.
    pub(crate) hands: bool,
    now: Option<Timestamp>,
}

/// One resource with all that is its.
pub(crate) struct Subject<'a> {
    pub(crate) mes: &'a Value,
    pub(crate) uid: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) cell: Option<&'static Cell>,
    pub(crate) account: Option<&'a Account>,
    pub(crate) account_name: String,
    /// What its secret is called in AWS.
    pub(crate) stored: String,
    /// Its secret in its primary region.
    pub(crate) primary: Option<&'a Shown<'a>>,
    /// Its copies.
    pub(crate) replicas: Vec<&'a Shown<'a>>,
    /// Secrets of the cluster that carry its label.
    pub(crate) targets: Vec<&'a Value>,
    pub(crate) rotations: Vec<&'a Value>,
}

/// The world as the checkers see it.
pub(crate) struct Scene<'a> {
    pub(crate) kube: &'a ApiServer,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) secrets: &'a [Shown<'a>],
    pub(crate) now: Timestamp,
    pub(crate) subjects: Vec<Subject<'a>>,
}

impl Scene<'_> {
    /// The Secrets that stayed when their resource went, each with its namespace and name.
    fn stayed(&self) -> impl Iterator<Item = (&Value, String)> {
        let there: BTreeSet<String> = self.subjects.iter().map(Subject::path).collect();
        let labelled = self.kube.objects("secrets").filter_map(|secret| {
            let (metadata, label) = (&secret["metadata"], &secret["metadata"]["labels"]["managed-secrets.io/resource"]);
            Some((secret, format!("{}/{}", metadata["namespace"].as_str()?, label.as_str()?)))
        });
        labelled.filter(move |(_, of)| !there.contains(of))
    }
}

impl Checkers {
    /// A call is about to take effect.
    pub(crate) fn before(&mut self, named: &Named, call: &Call) {
        self.calls.push((named.clone(), call.clone()));
    }

    /// It did, or was refused.
    pub(crate) fn after(&mut self, named: &Named, call: &Call, fine: bool) {
        safety::count(self, named, call, fine);
        if named.verb == "kube.PATCH managedexternalsecrets/status" {
            let written = self.statuses.entry(named.about.clone()).or_default();
            *written += 1;
            if *written > ALONE {
                let what =
                    format!("the status of {} was written {written} times while nothing else happened", named.about);
                self.report("L10", what);
            }
        } else if named.mutates && !named.verb.ends_with(" events") {
            self.statuses.clear();
        }
    }

    /// Runs every checker. Gives what is newly broken.
    pub(crate) fn check(&mut self, sandbox: &mut Sandbox, kube: &ApiServer, now: Timestamp) -> Vec<Broken> {
        sandbox.keep_appointments(now);
        let sandbox = &*sandbox;
        let secrets = sandbox.secrets(ACCOUNT);
        let scene = scene(sandbox, kube, &secrets, now);
        self.now = Some(now);
        self.track(&scene);
        let mut found = Vec::new();
        for checker in safety::ALL {
            found.extend(checker(self, &scene));
        }
        found.extend(confidentiality::c4(self, &scene));
        self.calls.clear();
        let new: Vec<Broken> = found.into_iter().filter(|broken| self.told.insert(broken.clone())).collect();
        self.broken.extend(new.iter().cloned());
        new
    }

    /// Runs what is asked at the end of a run alone.
    pub(crate) fn check_at_the_end(&mut self, sandbox: &Sandbox, kube: &ApiServer, now: Timestamp) {
        let secrets = sandbox.secrets(ACCOUNT);
        let scene = scene(sandbox, kube, &secrets, now);
        let found = confidentiality::in_objects(&scene);
        self.broken.extend(found.into_iter().filter(|broken| self.told.insert(broken.clone())));
    }

    pub(crate) fn report(&mut self, id: &'static str, what: String) {
        let broken = Broken { id, what };
        if self.told.insert(broken.clone()) {
            self.broken.push(broken);
        }
    }

    fn track(&mut self, scene: &Scene<'_>) {
        for subject in &scene.subjects {
            let tracked = self.tracked.entry(subject.uid.to_owned()).or_default();
            tracked.onboarded |= condition(subject.mes, "Onboarded") == Some(("True", true));
            for rotation in &subject.rotations {
                let trigger = rotation["spec"]["trigger"].as_str().unwrap_or("Request");
                let uid = rotation["metadata"]["uid"].as_str().filter(|_| trigger != "Request");
                let failed = condition(rotation, "Failed").is_some_and(|(status, _)| status == "True");
                if let Some(uid) = uid {
                    tracked.own.insert(uid.to_owned(), failed);
                    if rotation["status"]["attempt"].is_null() {
                        tracked.idle.insert(uid.to_owned())
                    } else {
                        tracked.idle.remove(uid)
                    };
                }
            }
            let there = |uid: &String| subject.rotations.iter().any(|each| each["metadata"]["uid"] == uid.as_str());
            // A person deleted it, and it went at once.
            for gone in tracked.idle.extract_if(.., |uid| !there(uid)) {
                tracked.own.insert(gone, true);
            }
            tracked.host = subject.cell.map(Cell::host).unwrap_or_default();
            tracked.path = subject.path();
            tracked.account = subject.account_name.clone();
            tracked.stored = subject.stored.clone();
            tracked.minted = subject.mes["spec"]["onboard"]["mint"].is_object();
            let axis = |name: &str| subject.mes["spec"]["deletion"][name].as_str().unwrap_or_default().to_owned();
            tracked.axes = (axis("partner"), axis("store"));
            let suspended = subject.mes["spec"]["suspend"] == true;
            tracked.suspended = suspended.then(|| tracked.suspended.unwrap_or(scene.now));
            let current = subject.primary.and_then(|secret| secret.labelled("AWSCURRENT")).map(|(id, _)| id);
            if let Some(current) = current.filter(|id| tracked.history.last().map(String::as_str) != Some(*id)) {
                tracked.history.push(current.to_owned());
            }
        }
    }
}

impl Subject<'_> {
    /// For people.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the operator serves it: onboarded once, and not on its way out.
    pub(crate) fn served(&self, checkers: &Checkers) -> bool {
        checkers.tracked.get(self.uid).is_some_and(|tracked| tracked.onboarded) && !self.leaving()
    }

    /// Whether what is in use must work: it was onboarded once, and its credentials are not to be revoked with it.
    pub(crate) fn kept(&self, checkers: &Checkers) -> bool {
        let revokes = self.mes["spec"]["deletion"]["partner"] == "Revoke";
        checkers.tracked.get(self.uid).is_some_and(|tracked| tracked.onboarded) && !(self.leaving() && revokes)
    }

    pub(crate) fn leaving(&self) -> bool {
        self.mes["metadata"]["deletionTimestamp"].is_string()
    }

    /// Whether its partner ends the old credential as the new one is made.
    pub(crate) fn in_place(&self) -> bool {
        self.cell.is_some_and(|cell| matches!(cell.contract.overlap, Overlap::None))
    }

    /// Whether a call to AWS or the partner is about what is its.
    pub(crate) fn is_about(&self, named: &Named) -> bool {
        let stored = self.primary.is_some_and(|secret| named.about.contains(&format!(" {}", secret.name)));
        stored || named.about.split(' ').next().is_some_and(|of| of.ends_with(&format!("/{}", self.account_name)))
    }

    /// The bytes that AWSCURRENT holds.
    pub(crate) fn current(&self) -> Option<String> {
        bytes(self.primary?.labelled("AWSCURRENT")?.1?)
    }

    /// Whether these bytes log in now.
    pub(crate) fn accepted(&self, secret: &str, now: Timestamp) -> bool {
        self.account.is_some_and(|account| account.accepted(now).any(|each| each.secret == secret))
    }

    /// Whether the partner ever made or took these bytes.
    pub(crate) fn issued(&self, secret: &str) -> bool {
        self.account.is_some_and(|account| account.credentials.iter().any(|each| each.secret == secret))
    }

    pub(crate) fn open_rotations(&self) -> impl Iterator<Item = &Value> {
        self.rotations.iter().copied().filter(|each| each["status"]["completionTime"].is_null())
    }
}

/// A condition: its status, and whether it is of this generation.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, bool)> {
    let found = object["status"]["conditions"].as_array()?.iter().find(|each| each["type"] == kind)?;
    Some((found["status"].as_str()?, true))
}

/// The secret bytes in a value as AWS keeps it.
pub(crate) fn bytes(value: &str) -> Option<String> {
    let value: Value = serde_json::from_str(value).ok()?;
    value["secret"].as_str().map(str::to_owned)
}

/// A key of a Secret's data, decoded.
pub(crate) fn decoded(secret: &Value, key: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).ok()?).ok()
}

fn scene<'a>(sandbox: &'a Sandbox, kube: &'a ApiServer, secrets: &'a [Shown<'a>], now: Timestamp) -> Scene<'a> {
    let subjects = kube.objects("managedexternalsecrets").map(|mes| subject(sandbox, kube, secrets, mes)).collect();
    Scene { kube, sandbox, secrets, now, subjects }
}

fn subject<'a>(sandbox: &'a Sandbox, kube: &'a ApiServer, secrets: &'a [Shown<'a>], mes: &'a Value) -> Subject<'a> {
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    let (namespace, name) = (text(&mes["metadata"]["namespace"]), text(&mes["metadata"]["name"]));
    let type_ = text(&mes["spec"]["partner"]["type"]);
    let cell = CELLS.iter().find(|cell| cell.name() == type_);
    let account_name = text(&mes["spec"]["partner"]["parameters"]["account"]).to_owned();
    let stored = mes["spec"]["storeRef"]["secretName"].as_str().map(str::to_owned);
    let stored = stored.unwrap_or_else(|| format!("sim/{namespace}/{name}"));
    let own = || secrets.iter().filter(|secret| secret.name == stored);
    let of_us = |object: &&Value| object["metadata"]["namespace"] == namespace;
    let labelled = |secret: &&Value| secret["metadata"]["labels"]["managed-secrets.io/resource"] == name;
    Subject {
        mes,
        uid: text(&mes["metadata"]["uid"]),
        namespace,
        name,
        cell,
        account: cell.and_then(|cell| sandbox.synthetic_account(&cell.host(), &account_name)),
        account_name,
        primary: own().find(|secret| !secret.replica),
        replicas: own().filter(|secret| secret.replica).collect(),
        targets: kube.objects("secrets").filter(of_us).filter(labelled).collect(),
        stored: stored.clone(),
        rotations: kube
            .objects("rotations")
            .filter(of_us)
            .filter(|each| each["spec"]["resourceRef"]["name"] == name)
            .collect(),
    }
}

/// After how long a suspended resource must have stopped: what was under way ends.
pub(crate) const UNDER_WAY: SignedDuration = SignedDuration::from_secs(40);

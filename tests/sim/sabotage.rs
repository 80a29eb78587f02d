//! The tests are tested: one way to break each invariant, which its checker must catch.
//!
//! Invariant: a sabotage stands between the unmodified operator and the world, and does what a broken operator would: leaves
//! a precondition out, revokes too early, makes twice. Who catches it is known before: the id is in the table.

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::call::{Call, Door, Named, Reply};
use crate::synthetic::{ADMIN, CELLS};
use crate::world::Inner;

/// One way to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    RevokesWhatIsInUse,
    PromotesUntried,
    RevokesAtPromotion,
    MakesManyMore,
    MakesWithoutIntent,
    MakesTwice,
    MovesBack,
    MovesBlindly,
    RevokesAStrangers,
    MixesVersions,
    ActsThoughSuspended,
    RepeatsBlindly,
    TellsAValue,
    TellsAHash,
    AsksByAddress,
    RotatesUnasked,
    RotatesItsAdmin,
    LooksElsewhere,
    NeverRests,
    NeverRevokes,
}

/// Each with the checker that must catch it, and the scenario in which it is tried.
pub(crate) const ALL: [(Sabotage, &str, &str); 22] = [
    (Sabotage::RevokesWhatIsInUse, "S1", "mint-and-rotate/SynTag"),
    (Sabotage::PromotesUntried, "S2", "mint-and-rotate/SynTag"),
    (Sabotage::RevokesAtPromotion, "S3", "mint-and-rotate/SynTag"),
    (Sabotage::PromotesUntried, "S4", "mint-and-rotate/SynTag"),
    (Sabotage::MakesManyMore, "S5", "mint-and-rotate/SynTag"),
    (Sabotage::MakesWithoutIntent, "S6", "mint-and-rotate/SynDiff"),
    (Sabotage::MakesTwice, "S7", "mint-and-rotate/SynTag"),
    (Sabotage::MovesBack, "S8", "mint-and-rotate/SynTag"),
    (Sabotage::MovesBlindly, "S9", "mint-and-rotate/SynTag"),
    (Sabotage::RevokesAStrangers, "S10", "stranger/SynTag"),
    (Sabotage::MixesVersions, "S11", "mint-and-rotate/SynTag"),
    (Sabotage::RotatesUnasked, "S12", "mint-and-rotate/SynTag"),
    (Sabotage::ActsThoughSuspended, "S13", "suspend/SynTag"),
    (Sabotage::RotatesItsAdmin, "S14", "mint-and-rotate/SynTag"),
    (Sabotage::NeverRevokes, "S15", "delete/SynTag"),
    (Sabotage::LooksElsewhere, "S16", "mint-and-rotate/SynTag"),
    (Sabotage::RepeatsBlindly, "S18", "mint-and-rotate/SynTag"),
    (Sabotage::TellsAValue, "C1", "mint-and-rotate/SynTag"),
    (Sabotage::TellsAHash, "C2", "mint-and-rotate/SynTag"),
    (Sabotage::AsksByAddress, "C4", "mint-and-rotate/SynTag"),
    (Sabotage::NeverRests, "L10", "mint-and-rotate/SynTag"),
    (Sabotage::NeverRevokes, "L1", "mint-and-rotate/SynTag"),
];

impl Sabotage {
    /// Before the call takes effect: the call that is made instead, or the answer without any.
    pub(crate) fn before(self, named: &Named, call: &mut Call) -> Option<Reply> {
        let target = named.verb == "kube.PATCH secrets" && !named.about.contains("mes-system");
        match (self, named.verb.as_str()) {
            (Self::PromotesUntried, "partner.login") => Some(fine(&json!({"id": "x"}))),
            (Self::NeverRevokes, "partner.revoke") => Some(fine(&json!({}))),
            (Self::LooksElsewhere, "sm.DescribeSecret") => {
                edit(call, |body| body["SecretId"] = json!("sim/orders/z"));
                None
            }
            (Self::AsksByAddress, "partner.login") => {
                let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
                let address = format!("{}?key={}", call.request.uri(), body["secret"].as_str().unwrap_or_default());
                if let Ok(address) = address.parse() {
                    *call.request.uri_mut() = address;
                }
                None
            }
            (Self::MakesWithoutIntent, "partner.create") => {
                edit(call, |body| body["tag"] = json!("mes-of-nobody"));
                None
            }
            (Self::MovesBlindly, "sm.UpdateSecretVersionStage") => {
                edit(call, |body| {
                    if body["VersionStage"] == "AWSCURRENT" {
                        body.as_object_mut().map(|body| body.remove("RemoveFromVersionId"));
                    }
                });
                None
            }
            (Self::MixesVersions, _) if target => {
                edit(call, |body| body["data"]["secret"] = json!("b3RoZXI="));
                None
            }
            _ => None,
        }
    }

    /// After the call took effect.
    pub(crate) fn after(self, world: &mut Inner, process: u32, named: &Named, call: &Call, now: Timestamp) {
        let promoted = named.verb == "sm.UpdateSecretVersionStage" && {
            let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
            body["VersionStage"] == "AWSCURRENT" && body["RemoveFromVersionId"].is_string()
        };
        let created = named.verb == "partner.create";
        match self {
            Self::RevokesWhatIsInUse if promoted => end(world, now, |_, newest| newest),
            Self::RevokesAtPromotion if promoted => end(world, now, |_, newest| !newest),
            Self::RevokesAStrangers if named.verb == "partner.revoke" => end(world, now, |foreign, _| foreign),
            Self::MakesManyMore if created => (0..6).for_each(|_| {
                world.sandbox.call(sandbox::Door::Partner, &call.request, now);
            }),
            Self::MakesTwice if created => {
                world.act(process, named, call.clone(), now);
            }
            Self::RepeatsBlindly if created => world.checkers.after(named, call, false),
            Self::MovesBack if promoted => {
                let body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
                let back = json!({"SecretId": body["SecretId"], "VersionStage": "AWSCURRENT",
                    "MoveToVersionId": body["RemoveFromVersionId"], "RemoveFromVersionId": body["MoveToVersionId"]});
                world.aws("us-west-2", "UpdateSecretVersionStage", &back, now);
            }
            Self::TellsAValue | Self::TellsAHash if created => {
                let told = accounts(world, now).into_iter().next().map(|(.., secret)| secret).unwrap_or_default();
                let hash: String = Sha256::digest(&told).iter().map(|byte| format!("{byte:02x}")).collect();
                annotate(world, "example.org/last", if self == Self::TellsAHash { &hash } else { &told }, now);
            }
            Self::RotatesUnasked if promoted => {
                let rotations = "/apis/managed-secrets.io/v1alpha1/namespaces/payments/rotations";
                let body = json!({"apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation",
                    "metadata": {"name": format!("a-{}", 70 + world.kube.objects("rotations").count())},
                    "spec": {"resourceRef": {"name": "a"}, "trigger": "Onboarding"}});
                world.ask(Method::POST, rotations, &body, now);
            }
            Self::RotatesItsAdmin if created => {
                let path = "/api/v1/namespaces/mes-system/secrets/syntag";
                world.ask(
                    Method::PATCH,
                    path,
                    &json!({"stringData": {"bearer": "another-bearer-0123456789abcdef"}}),
                    now,
                );
            }
            // Ten times a minute the resource is to be read anew.
            Self::NeverRests if named.verb.starts_with("kube.GET") => {
                annotate(world, "managed-secrets.io/sync", &(now.as_second() / 6).to_string(), now);
            }
            Self::ActsThoughSuspended => {
                let long = |since: Timestamp| now.duration_since(since) > SignedDuration::from_mins(5);
                if world.checkers.tracked.values().any(|tracked| tracked.suspended.is_some_and(long)) {
                    world.act(process, &register(now), request(Method::PUT, "/v1/accounts/payments_a/slots/x"), now);
                }
            }
            _ => {}
        }
    }
}

fn register(at: Timestamp) -> Named {
    let (verb, about) = ("partner.register".to_owned(), "syntag/payments_a x".to_owned());
    Named { at, door: Door::Partner, verb, about, mutates: true, counts: true }
}

fn annotate(world: &mut Inner, key: &str, text: &str, now: Timestamp) {
    let path = "/apis/managed-secrets.io/v1alpha1/namespaces/payments/managedexternalsecrets/a";
    world.ask(Method::PATCH, path, &json!({"metadata": {"annotations": {key: text}}}), now);
}

/// Ends those that `which` says, by whether they are a stranger's and whether they are the newest.
fn end(world: &mut Inner, now: Timestamp, which: fn(bool, bool) -> bool) {
    let all: Vec<(String, bool, bool)> = {
        let found = accounts(world, now);
        let newest = found.iter().filter(|(_, foreign, ..)| !foreign).map(|(id, ..)| id.clone()).next_back();
        found.into_iter().map(|(id, foreign, _)| (id.clone(), foreign, Some(&id) == newest.as_ref())).collect()
    };
    for (id, ..) in all.into_iter().filter(|(_, foreign, newest)| which(*foreign, *newest)) {
        let call = request(Method::DELETE, &format!("/v1/accounts/payments_a/credentials/{id}"));
        world.sandbox.call(sandbox::Door::Partner, &call.request, now);
    }
}

/// Credentials that live: id, whether a stranger's, bytes; in order of making.
fn accounts(world: &Inner, now: Timestamp) -> Vec<(String, bool, String)> {
    let account = world.sandbox.synthetic_account(&host(), "payments_a");
    let live = account.into_iter().flat_map(|account| account.live(now));
    live.map(|each| (each.id.clone(), each.foreign, each.secret.clone())).collect()
}

fn host() -> String {
    CELLS.iter().find(|cell| cell.name() == "SynTag").map(crate::synthetic::Cell::host).unwrap_or_default()
}

fn request(method: Method, path: &str) -> Call {
    let request = Request::builder().method(method).uri(path).header("host", host());
    let request = request.header("authorization", format!("Bearer {ADMIN}"));
    let body = Bytes::from_static(br#"{"secret":"syn_made_by_nobody_at_all"}"#);
    Call { door: Door::Partner, request: request.body(body).expect("a request") }
}

fn edit(call: &mut Call, change: impl FnOnce(&mut Value)) {
    let mut body: Value = serde_json::from_slice(call.request.body()).unwrap_or(Value::Null);
    change(&mut body);
    *call.request.body_mut() = Bytes::from(body.to_string());
}

fn fine(body: &Value) -> Reply {
    Reply::Whole(Response::new(Bytes::from(body.to_string())))
}

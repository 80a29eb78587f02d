//! Drivers of the sandbox's synthetic partner: one partner type a cell of the table of contracts.
//!
//! Invariant: a cell is data, a [`Contract`] and a host that behaves so; which cells are served is the product's word
//! (`scope`), never a list here. Registered by the simulation alone: nothing of this ships.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use jiff::SignedDuration;
use managed_external_secrets::clock::Random;
use managed_external_secrets::partners::registry::Driver;
use managed_external_secrets::partners::{Bound, Doors, Partner};
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{CredentialId, Slot, Tag, VersionId};
use mes_core::partner::{
    Activation, Chooser, Contract, Field, Format, Host, Operated, Overlap, Parameter, PartnerType, Pattern, Recognised,
};
use mes_core::secret::{Sensitive, Value};
use sandbox::synthetic::{self as stand_in, Habits};
use serde_json::{Value as Json, json};

/// The bearer of whoever administers, at every host.
pub(crate) const ADMIN: &str = "synthetic-administrator-0123456789";

/// Of what the partner ends by itself.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(3);

const HOUR: SignedDuration = SignedDuration::from_hours(1);

static ADMIN_FORMAT: Format = Format::new(&[Field::required("bearer", Pattern::TOKEN, "bearer of the administrator")]);

/// The partner chooses: id and secret.
static GIVEN: Format = Format::new(&[
    Field::required("host", Pattern::HOST, "host").public(),
    Field::required("account", Pattern::WORD, "account").public(),
    Field::required("keyId", Pattern::WORD, "id of the credential").rotated().public(),
    Field::required("secret", Pattern::TOKEN, "its secret").rotated(),
]);

/// The caller chooses: principal and secret.
static CHOSEN: Format = Format::new(&[
    Field::required("host", Pattern::HOST, "host").public(),
    Field::required("account", Pattern::WORD, "account").public(),
    Field::required("principal", Pattern::WORD, "principal").rotated().public(),
    Field::required("secret", Pattern::TOKEN, "its secret").rotated(),
]);

static PARAMETERS: &[Parameter] = &[
    Parameter::required("account", Pattern::WORD, "account"),
    Parameter::optional("first", Pattern::WORD, "first principal"),
    Parameter::optional("second", Pattern::WORD, "second principal"),
];

/// A cell of the table.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) type_: &'static PartnerType,
    pub(crate) contract: &'static Contract,
}

impl Cell {
    pub(crate) fn name(&self) -> &'static str {
        self.type_.name
    }

    pub(crate) fn host(&self) -> String {
        format!("{}{}", self.type_.name.to_ascii_lowercase(), stand_in::DOMAIN)
    }

    /// Two principals take turns.
    pub(crate) fn slots(&self) -> bool {
        self.contract.overlap == Overlap::TwoSlots
    }

    /// Who logs in with a value that we chose: a slot of the resource's, or the account's only one, which is called as it is.
    pub(crate) fn principal<'a>(&self, slot: &'a str, account: &'a str) -> Option<&'a str> {
        match self.contract.chooser {
            Chooser::Partner => None,
            Chooser::Caller if self.slots() => Some(slot),
            Chooser::Caller => Some(account),
        }
    }

    /// How the stand-in behaves where this contract holds.
    pub(crate) fn habits(&self) -> Habits {
        let half = |lag: SignedDuration| lag / 2;
        Habits {
            overlap: match self.contract.overlap {
                Overlap::TwoSlots | Overlap::CreateThenRevoke => stand_in::Overlap::UntilRevoked,
                Overlap::Grace(grace) => stand_in::Overlap::Grace(grace),
                Overlap::None => stand_in::Overlap::None,
            },
            activation: match self.contract.activation {
                Activation::None => stand_in::Activation::None,
                Activation::AtFirstUse => stand_in::Activation::AtFirstUse,
                Activation::AfterPromotion => stand_in::Activation::ByCall,
            },
            tags: self.contract.recognised == Recognised::ByTag,
            live_limit: self.contract.live_limit.map(usize::from),
            acceptance_lag: half(self.contract.propagation),
            // Where changes take a while to take effect, they are seen and felt late as well, but within that while.
            revocation_lag: self.contract.settling.map(half).unwrap_or_default(),
            list_lag: self.contract.settling.map(|lag| lag / 4 * 3).unwrap_or_default(),
            lifetime: self.contract.lifetime,
            admin: ADMIN.to_owned(),
        }
    }
}

macro_rules! cells {
    ($($cell:ident $name:literal $format:ident $identities:expr => $contract:expr;)*) => {
        $(mod $cell {
            use super::*;
            pub(super) static CONTRACT: Contract = $contract;
            pub(super) static TYPE: PartnerType = PartnerType {
                name: $name,
                partner: "nobody",
                format: $format,
                parameters: PARAMETERS,
                identities: $identities,
                reserved: &[],
                scheme: "https",
                host: Host::Name("host"),
                vendor_hosts: &[],
                operator: Some(Operated { contract: |_, admin| admin.then_some(&CONTRACT), admin: Some(&ADMIN_FORMAT) }),
                secrets_manager: None,
            };
            pub(super) fn describe() -> &'static PartnerType {
                &TYPE
            }
            pub(super) fn open(doors: Doors) -> Arc<dyn Partner> {
                Arc::new(Synthetic { doors, type_: &TYPE, contract: &CONTRACT })
            }
        })*
        /// Every cell.
        pub(crate) static CELLS: &[Cell] = &[$(Cell { type_: &$cell::TYPE, contract: &$cell::CONTRACT }),*];
        /// Their drivers.
        pub(crate) static DRIVERS: &[Driver] = &[$(Driver { describe: $cell::describe, open: $cell::open }),*];
    };
}

const ONE: &[&[&str]] = &[&["{account}"]];
const TWO: &[&[&str]] = &[&["{first}"], &["{second}"]];
const QUICK: SignedDuration = SignedDuration::from_secs(30);
/// Longer than what the operator allows anybody.
const LAG: SignedDuration = SignedDuration::from_mins(2);

cells! {
    by_tag "SynTag" GIVEN ONE => Contract { recognised: Recognised::ByTag, ..Contract::DEFAULT };
    by_tag_two "SynTagTwo" GIVEN ONE => Contract { recognised: Recognised::ByTag, live_limit: Some(2), ..Contract::DEFAULT };
    by_difference "SynDiff" GIVEN ONE => Contract { propagation: QUICK, ..Contract::DEFAULT };
    by_difference_three "SynDiffThree" GIVEN ONE => Contract { live_limit: Some(3), ..Contract::DEFAULT };
    slow_tag "SynTagSlow" GIVEN ONE => Contract {
        recognised: Recognised::ByTag, propagation: SignedDuration::from_mins(4), successes: 3, ..Contract::DEFAULT
    };
    lagging_tag "SynLagTag" GIVEN ONE => Contract {
        recognised: Recognised::ByTag, settling: Some(LAG), live_limit: Some(3), ..Contract::DEFAULT
    };
    lagging_difference "SynLagDiff" GIVEN ONE => Contract { settling: Some(LAG), ..Contract::DEFAULT };
    slots "SynSlots" CHOSEN TWO => Contract {
        chooser: Chooser::Caller, overlap: Overlap::TwoSlots, recognised: Recognised::ByValue, live_limit: Some(2),
        propagation: SignedDuration::from_secs(10), ..Contract::DEFAULT
    };
    lagging_slots "SynLagSlots" CHOSEN TWO => Contract {
        chooser: Chooser::Caller, overlap: Overlap::TwoSlots, recognised: Recognised::ByValue, live_limit: Some(2),
        settling: Some(LAG), ..Contract::DEFAULT
    };
    in_place_chosen "SynInPlace" CHOSEN ONE => Contract {
        chooser: Chooser::Caller, overlap: Overlap::None, recognised: Recognised::ByValue, live_limit: Some(1), ..Contract::DEFAULT
    };
    in_place_given "SynReplaced" GIVEN ONE => Contract {
        overlap: Overlap::None, recognised: Recognised::ByTag, live_limit: None, ..Contract::DEFAULT
    };
    grace "SynGrace" GIVEN ONE => Contract { overlap: Overlap::Grace(HOUR), recognised: Recognised::ByTag, ..Contract::DEFAULT };
    first_use "SynFirstUse" GIVEN ONE => Contract {
        recognised: Recognised::ByTag, activation: Activation::AtFirstUse, overlap: Overlap::Grace(HOUR), ..Contract::DEFAULT
    };
    expiring "SynExpires" GIVEN ONE => Contract {
        recognised: Recognised::ByTag, lifetime: Some(LIFETIME), ..Contract::DEFAULT
    };
    never "SynNever" GIVEN ONE => Contract { recognised: Recognised::Never, ..Contract::DEFAULT };
}

struct Synthetic {
    doors: Doors,
    type_: &'static PartnerType,
    contract: &'static Contract,
}

impl Synthetic {
    async fn call(
        &self,
        bound: &Bound,
        verb: &'static str,
        method: Method,
        path: String,
        body: Json,
    ) -> Result<(StatusCode, Json), Fault> {
        let bearer = bound.acting().and_then(|acting| acting.get("bearer").or_else(|| acting.get("secret")));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {}", bearer.expose()));
        }
        let request = request.body(Bytes::from(body.to_string())).map_err(|_| rejected("Request"))?;
        let answer = self.doors.http.send(bound.destination(self.type_, verb), request).await?;
        let told = serde_json::from_slice(answer.body()).map_err(|_| unknown("NotJson"));
        if answer.status().is_success() {
            return Ok((answer.status(), told?));
        }
        Ok((answer.status(), told.unwrap_or(Json::Null)))
    }

    fn account(&self, bound: &Bound, value: Option<&Value>) -> Result<String, Fault> {
        let of_value = || value.and_then(|value| value.get("account")).map(|text| text.expose().to_owned());
        bound.parameter("account").map(str::to_owned).or_else(of_value).ok_or_else(|| rejected("NoAccount"))
    }

    async fn listed(&self, bound: &Bound, account: &str, verb: &'static str) -> Result<Vec<Json>, Fault> {
        let path = format!("/v1/accounts/{account}/credentials");
        let (status, told) = self.call(bound, verb, Method::GET, path, Json::Null).await?;
        done(status, &told)?;
        told["credentials"].as_array().cloned().ok_or_else(|| unknown("UnexpectedJson"))
    }

    /// The id of the credential with these bytes.
    async fn whose(
        &self,
        bound: &Bound,
        account: &str,
        value: &Value,
        verb: &'static str,
    ) -> Result<Option<String>, Fault> {
        if self.contract.chooser == Chooser::Partner && self.contract.recognised != Recognised::ByValue {
            return Ok(value.get("keyId").map(|id| id.expose().to_owned()));
        }
        let secret = value.get("secret").ok_or_else(|| rejected("NoSecret"))?;
        let path = format!("/v1/accounts/{account}/whose");
        let (status, told) = self.call(bound, verb, Method::POST, path, json!({"secret": secret.expose()})).await?;
        done(status, &told)?;
        Ok(told["id"].as_str().map(str::to_owned))
    }
}

#[async_trait]
impl Partner for Synthetic {
    fn describe(&self) -> &'static PartnerType {
        self.type_
    }

    async fn list(&self, bound: &Bound, known: &[(VersionId, Value)]) -> Result<Vec<Credential>, Fault> {
        let account = self.account(bound, known.first().map(|(_, value)| value))?;
        let mut ids = Vec::new();
        for (version, value) in known {
            ids.push((version.clone(), self.whose(bound, &account, value, "list").await?));
        }
        let mut credentials = Vec::new();
        for each in self.listed(bound, &account, "list").await? {
            let id = each["id"].as_str().ok_or_else(|| unknown("UnexpectedJson"))?;
            let holding = ids.iter().filter(|(_, whose)| whose.as_deref() == Some(id));
            let versions: BTreeSet<VersionId> = holding.map(|(version, _)| version.clone()).collect();
            let slot = each["slot"].as_str().and_then(|slot| Slot::parse(slot).ok());
            // A slot's credential has no id of its own: it is the slot, and the version whose bytes it has.
            let named = match &slot {
                Some(slot) => format!("{slot}/{}", versions.first().map_or("foreign", VersionId::as_str)),
                None => id.to_owned(),
            };
            credentials.push(Credential {
                id: CredentialId::parse(named).map_err(|_| unknown("UnexpectedId"))?,
                tag: each["tag"].as_str().and_then(|tag| Tag::parse(tag).ok()),
                versions,
                slot,
                main: false,
            });
        }
        Ok(credentials)
    }

    async fn verify(&self, bound: &Bound, value: &Value) -> Result<Acceptance, Fault> {
        if self.type_.format.check(value).is_err() {
            return Ok(Acceptance::Malformed);
        }
        let account = self.account(bound, Some(value))?;
        if value.get("account").is_none_or(|text| text.expose() != account) {
            return Ok(Acceptance::Alien);
        }
        let secret = value.get("secret").ok_or_else(|| rejected("NoSecret"))?;
        let slot = value.get("principal").map(|text| text.expose().to_owned());
        let path = format!("/v1/accounts/{account}/login");
        let body = json!({"secret": secret.expose(), "slot": slot});
        match self.call(bound, "verify", Method::POST, path, body).await? {
            (StatusCode::UNAUTHORIZED, told) if told["error"] == "Refused" => Ok(Acceptance::Refused),
            (status, told) => done(status, &told).map(|()| Acceptance::Accepted),
        }
    }

    async fn revoke(&self, bound: &Bound, credential: &CredentialId, held: Option<&Value>) -> Result<(), Fault> {
        let account = self.account(bound, held)?;
        let id = if self.contract.chooser == Chooser::Caller {
            let held = held.ok_or_else(|| rejected("NothingHeld"))?;
            match self.whose(bound, &account, held, "revoke").await.map_err(before)? {
                Some(id) => id,
                None => return Ok(()),
            }
        } else {
            credential.as_str().to_owned()
        };
        let path = format!("/v1/accounts/{account}/credentials/{id}");
        match self.call(bound, "revoke", Method::DELETE, path, Json::Null).await? {
            (StatusCode::NOT_FOUND, told) if told["error"] == "Gone" => Ok(()),
            (status, told) => done(status, &told),
        }
    }

    async fn create(&self, bound: &Bound, basis: Option<&Value>, tag: &Tag) -> Result<Value, Fault> {
        let account = self.account(bound, basis)?;
        let path = format!("/v1/accounts/{account}/credentials");
        let (status, told) = self.call(bound, "create", Method::POST, path, json!({"tag": tag.as_str()})).await?;
        done(status, &told)?;
        let text = |name: &str| told[name].as_str().map(str::to_owned).ok_or_else(|| unknown("UnexpectedJson"));
        Ok(value(
            bound,
            &account,
            [("keyId", Sensitive::new(text("id")?)), ("secret", Sensitive::new(text("secret")?))],
        ))
    }

    fn compose(
        &self,
        bound: &Bound,
        basis: Option<&Value>,
        slot: Option<&Slot>,
        random: &dyn Random,
    ) -> Result<Value, Fault> {
        let account = self.account(bound, basis)?;
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let principal = slot.map_or(account.as_str(), Slot::as_str).to_owned();
        let parts = [("principal", Sensitive::new(principal)), ("secret", Sensitive::new(format!("syn_{secret}")))];
        Ok(value(bound, &account, parts))
    }

    async fn register(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        let account = self.account(bound, Some(value))?;
        let text = |name: &str| value.get(name).map(Sensitive::expose).ok_or_else(|| rejected("NoPrincipal"));
        let path = format!("/v1/accounts/{account}/slots/{}", text("principal")?);
        let (status, told) =
            self.call(bound, "register", Method::PUT, path, json!({"secret": text("secret")?})).await?;
        done(status, &told)
    }

    async fn activate(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        let account = self.account(bound, Some(value))?;
        let id = self.whose(bound, &account, value, "activate").await.map_err(before)?;
        let path = format!("/v1/accounts/{account}/main/{}", id.ok_or_else(|| rejected("NotThere"))?);
        let (status, told) = self.call(bound, "activate", Method::POST, path, Json::Null).await?;
        done(status, &told)
    }
}

fn value(bound: &Bound, account: &str, parts: [(&str, Sensitive); 2]) -> Value {
    let fixed = [("host", bound.origin().host.clone()), ("account", account.to_owned())];
    let fixed = fixed.into_iter().map(|(name, text)| (name.to_owned(), Sensitive::new(text)));
    fixed.chain(parts.into_iter().map(|(name, text)| (name.to_owned(), text))).collect()
}

/// What a status says of a call with the acting credential.
fn done(status: StatusCode, told: &Json) -> Result<(), Fault> {
    let kind = match status {
        status if status.is_success() => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FaultKind::Denied,
        StatusCode::TOO_MANY_REQUESTS => FaultKind::Throttled,
        StatusCode::CONFLICT if told["error"] == "LimitReached" => FaultKind::Limit,
        StatusCode::NOT_FOUND => FaultKind::NotFound,
        status if status.is_client_error() => FaultKind::Rejected,
        _ => FaultKind::Unknown,
    };
    Err(Fault::new(Place::Partner, kind, status.as_str()))
}

/// A fault of a look before the effect: the effect surely did not happen.
fn before(fault: Fault) -> Fault {
    if fault.kind == FaultKind::Unknown { Fault { kind: FaultKind::Unsent, ..fault } } else { fault }
}

fn rejected(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Rejected, code)
}

fn unknown(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, code)
}

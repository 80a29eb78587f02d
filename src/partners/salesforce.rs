//! Salesforce: consumer key and secret of an External Client App, rotating itself or by an admin's pair.
//!
//! A consumer has a main pair and at most one staged one. `create` stages, `activate` makes the staged one main (the
//! former main is then the staged one, in state *rotated*, for 30 days), `revoke` deletes the staged one.
//!
//! Invariant: which app is meant is told by the value at hand, never by the acting credential, whose app may be the
//! admin's own. Sources: AWS `mes-partner-salesforce`; Salesforce help `xcloud.eca_stage_oauth_credentials`; where they are
//! silent, the open clients that call it. Whether the list of staged pairs shows their bytes is not documented: both hold.

mod api;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{CredentialId, Tag, VersionId};
use mes_core::partner::{
    Activation, Chooser, Contract, Field, Format, Operated, Overlap, PartnerType, Pattern, Recognised, aws_types,
};
use mes_core::secret::Value;

use self::api::{Api, KEY, Pair, SECRET, Staged, State};
use super::doors::rejected;
use super::{Bound, Doors, Partner};

static TYPE: PartnerType = match aws_types::find("SalesforceClientSecret") {
    Some(row) => row.operated(Operated { contract: |_, _| Some(&CONTRACT), admin: Some(&ADMIN) }),
    None => panic!("AWS's table has this type"),
};

static ADMIN: Format = Format::new(&[
    Field::required(KEY, Pattern::TOKEN, "consumer key of an app that may manage External Client Apps"),
    Field::required(SECRET, Pattern::TOKEN, "its consumer secret"),
]);

static CONTRACT: Contract = Contract {
    chooser: Chooser::Partner,
    overlap: Overlap::TwoSlots,
    recognised: Recognised::ByValue,
    readable_again: true,
    activation: Activation::AfterPromotion,
    live_limit: Some(2),
    // Not documented: a fresh pair may be refused at first.
    propagation: SignedDuration::from_secs(120),
    ..Contract::DEFAULT
};

/// What it says of itself.
pub(super) fn describe() -> &'static PartnerType {
    &TYPE
}

/// The driver over these doors.
pub(super) fn open(doors: Doors) -> Arc<dyn Partner> {
    Arc::new(Salesforce { doors })
}

struct Salesforce {
    doors: Doors,
}

#[async_trait]
impl Partner for Salesforce {
    fn describe(&self) -> &'static PartnerType {
        &TYPE
    }

    async fn list(&self, bound: &Bound, known: &[(VersionId, Value)]) -> Result<Vec<Credential>, Fault> {
        let whole = || known.iter().filter(|(_, value)| TYPE.format.check(value).is_ok());
        let (_, sample) = whole().next().ok_or_else(|| rejected("AppUnknown"))?;
        let api = self.acting(bound, sample, "list").await?;
        let known = || whole().filter(|(_, value)| same_app(value, sample));
        let main = api.main_pair().await?;
        let mut listed = Vec::from([credential("main", known().filter(|(_, value)| main.is_of(value)), true)]);
        for staged in api.staged().await? {
            let mut holding = Vec::new();
            for entry in known() {
                if !main.is_of(&entry.1) && self.is_staged(bound, &staged, &entry.1, "list").await? {
                    holding.push(entry);
                }
            }
            listed.push(credential(&format!("staged:{}", staged.id), holding.into_iter(), false));
        }
        listed.into_iter().collect()
    }

    async fn verify(&self, bound: &Bound, value: &Value) -> Result<Acceptance, Fault> {
        if TYPE.format.check(value).is_err() {
            return Ok(Acceptance::Malformed);
        }
        if !at_home(bound, value) {
            return Ok(Acceptance::Alien);
        }
        let Some(own) = api::login(&self.doors, bound.destination(&TYPE, "verify"), value).await? else {
            return Ok(Acceptance::Refused);
        };
        // Whose pair it is, only a reader of the app can tell: the credential itself if it may, else the acting one.
        let own = Api::of(&self.doors, bound, "verify", own, value)?;
        let belongs = match own.has(value).await {
            Err(fault) if fault.kind == FaultKind::Denied && bound.acting().is_some() => {
                self.acting(bound, value, "verify").await?.has(value).await
            }
            told => told,
        };
        Ok(if belongs? { Acceptance::Accepted } else { Acceptance::Alien })
    }

    async fn revoke(&self, bound: &Bound, _credential: &CredentialId, held: Option<&Value>) -> Result<(), Fault> {
        let held = held.ok_or_else(|| rejected("NothingHeld"))?;
        let api = self.acting(bound, held, "revoke").await.map_err(before)?;
        if api.main_pair().await.map_err(before)?.is_of(held) {
            // The main pair has no deletion: it is staged first, by activating the other one.
            return Err(rejected("StillMain"));
        }
        for staged in api.staged().await.map_err(before)? {
            if self.is_staged(bound, &staged, held, "revoke").await.map_err(before)? {
                return api.delete(&staged).await;
            }
            if staged.pair.is_none() {
                // Its bytes are not shown, and `held` is not accepted (yet): it may be the one, or another's.
                return Err(rejected("NotProven"));
            }
        }
        Ok(())
    }

    async fn create(&self, bound: &Bound, basis: Option<&Value>, _tag: &Tag) -> Result<Value, Fault> {
        let basis = basis.ok_or_else(|| rejected("NeedsBasis"))?;
        let api = self.acting(bound, basis, "create").await.map_err(before)?;
        let main = api.main_pair().await.map_err(before)?;
        for staged in api.staged().await.map_err(before)? {
            // The slot is taken by a superseded pair, or by the very one in use: both end elsewhere.
            if staged.state != State::Active || !main.is_of(basis) {
                return Err(Fault::new(Place::Partner, FaultKind::Limit, "StagedSlotTaken"));
            }
            match staged.pair {
                // Pending: staged by this attempt, whose answer was lost. Never a second one beside it.
                Some(pending) => return Ok(pending.into_value(basis)),
                // Nobody has its secret any more, and it was never the main one: it only blocks the slot.
                None => api.delete(&staged).await.map_err(before)?,
            }
        }
        Ok(api.stage().await?.into_value(basis))
    }

    async fn activate(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        let api = self.acting(bound, value, "activate").await.map_err(before)?;
        if api.main_pair().await.map_err(before)?.is_of(value) {
            return Ok(());
        }
        for staged in api.staged().await.map_err(before)? {
            let active = staged.state == State::Active;
            if active && self.is_staged(bound, &staged, value, "activate").await.map_err(before)? {
                return api.rotate(&staged).await;
            }
        }
        Err(rejected("NotStaged"))
    }
}

impl Salesforce {
    /// The API of the app that `value` is of, with the rights of the acting credential.
    async fn acting<'a>(&'a self, bound: &'a Bound, value: &Value, verb: &'static str) -> Result<Api<'a>, Fault> {
        if !at_home(bound, value) {
            return Err(rejected("AnotherHost"));
        }
        let acting = bound.acting().ok_or_else(|| rejected("NoActingCredential"))?;
        let token = api::login(&self.doors, bound.destination(&TYPE, verb), acting).await?;
        let token = token.ok_or_else(|| Fault::new(Place::Partner, FaultKind::Denied, "InvalidClient"))?;
        Api::of(&self.doors, bound, verb, token, value)
    }

    /// Whether the staged pair is that of `value`, which is not the main one. Where its bytes are not shown, a login
    /// tells: no third pair of a consumer logs in.
    async fn is_staged(
        &self,
        bound: &Bound,
        staged: &Staged,
        value: &Value,
        verb: &'static str,
    ) -> Result<bool, Fault> {
        match &staged.pair {
            Some(pair) => Ok(pair.is_of(value)),
            None => Ok(api::login(&self.doors, bound.destination(&TYPE, verb), value).await?.is_some()),
        }
    }
}

/// The credential with these versions. Its id is the version that holds its bytes, so that it stays the same when the
/// main pair becomes the staged one; `unknown` where none does.
fn credential<'a>(
    unknown: &str,
    holding: impl Iterator<Item = &'a (VersionId, Value)>,
    main: bool,
) -> Result<Credential, Fault> {
    let versions: BTreeSet<VersionId> = holding.map(|(version, _)| version.clone()).collect();
    let id = versions.first().map_or(unknown, VersionId::as_str);
    let id = CredentialId::parse(id).map_err(|_| Fault::new(Place::Partner, FaultKind::Unknown, "UnexpectedId"))?;
    Ok(Credential { id, tag: None, versions, slot: None, main })
}

/// Whether the value is of the origin's org, and of a granted app.
fn at_home(bound: &Bound, value: &Value) -> bool {
    let host = TYPE.host.of(value);
    host.as_deref() == Some(bound.origin().host.as_str())
        && value.get("appId").is_some_and(|app| bound.grants_identity(app.expose()))
}

fn same_app(left: &Value, right: &Value) -> bool {
    ["baseUri", "appId", "consumerId"].iter().all(|field| match (left.get(field), right.get(field)) {
        (Some(left), Some(right)) => left.same(right),
        _ => false,
    })
}

/// A fault of a look before the effect: the effect surely did not happen.
fn before(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Unknown => Fault { kind: FaultKind::Unsent, ..fault },
        _ => fault,
    }
}

impl Pair {
    fn into_value(self, basis: &Value) -> Value {
        basis.replacing([(KEY.to_owned(), self.key), (SECRET.to_owned(), self.secret)])
    }
}

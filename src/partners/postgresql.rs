//! PostgreSQL: the password of a login role, or of two roles that take turns.
//!
//! One role: the new password takes the old one's place (`register`); sessions that are open go on.
//! Two roles: the idle one gets the new password (`register`), and is emptied again (`revoke`: `NOLOGIN PASSWORD NULL`) once
//! the other one is in use everywhere. A role without LOGIN is an empty slot.
//!
//! Invariant: the server never sees a password in a statement, only a SCRAM verifier that we computed, because
//! `log_statement=ddl` logs ALTER ROLE in clear. Whose bytes a role has is told by logging in; no role with power over
//! others is ever touched. Measured on PostgreSQL 15.

mod role;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use mes_core::facts::{Acceptance, Credential};
use mes_core::fault::{Fault, FaultKind};
use mes_core::names::{CredentialId, Slot, VersionId};
use mes_core::partner::{
    Activation, Chooser, Contract, Field, Format, Host, Operated, Overlap, Parameter, Parameters, PartnerType, Pattern,
    Recognised, Shape,
};
use mes_core::secret::{Sensitive, Value};

use self::role::Admin;
use super::doors::{Login, Session, rejected};
use super::{Bound, Doors, Partner, compose};
use crate::clock::Random;

const ROLE: Pattern = Pattern::new(
    Shape::Sized { others: "_-.", shortest: 1, longest: 63 },
    "the name of a role: 1 to 63 letters, digits, '_', '-' and '.'",
);
const DATABASE: Pattern = Pattern::new(
    Shape::Sized { others: "_-.", shortest: 1, longest: 63 },
    "the name of a database: 1 to 63 letters, digits, '_', '-' and '.'",
);

static TYPE: PartnerType = PartnerType {
    name: "PostgreSQLRole",
    partner: "PostgreSQL",
    format: Format::new(&[
        Field::required("host", Pattern::HOST, "host of the server").public(),
        Field::required("port", Pattern::PORT, "its port").public(),
        Field::required("dbname", DATABASE, "database").public(),
        Field::required("username", ROLE, "role").rotated().public(),
        Field::required("password", Pattern::LINE, "the role's password").rotated().at_most(1024),
    ]),
    parameters: &[
        Parameter::required("username", ROLE, "role whose password is rotated; alone, in place"),
        Parameter::optional("alternateUsername", ROLE, "second role, so that the two take turns without downtime"),
        Parameter::optional("dbname", DATABASE, "database that both log in to; needed where the value is minted"),
    ],
    identities: &[&["{username}"], &["{alternateUsername}", "{username}"]],
    reserved: &["postgres", "pg_*"],
    scheme: "postgresql",
    host: Host::Name("host"),
    vendor_hosts: &[],
    operator: Some(Operated { contract, admin: Some(&ADMIN) }),
    secrets_manager: None,
};

static ADMIN: Format = Format::new(&[
    Field::required("username", ROLE, "role that may alter the rotated ones (CREATEROLE)").public(),
    Field::required("password", Pattern::LINE, "its password").at_most(1024),
]);

static TWO_ROLES: Contract = Contract {
    chooser: Chooser::Caller,
    overlap: Overlap::TwoSlots,
    recognised: Recognised::ByValue,
    activation: Activation::None,
    live_limit: Some(2),
    // ALTER ROLE holds from the next login on.
    propagation: SignedDuration::from_secs(5),
    ..Contract::DEFAULT
};

static ONE_ROLE: Contract = Contract { overlap: Overlap::None, live_limit: Some(1), ..TWO_ROLES };

/// Two roles that take turns, or one in place; by an admin, since a role that may alter itself could not be stopped.
fn contract(parameters: &Parameters, admin: bool) -> Option<&'static Contract> {
    match parameters.get("alternateUsername") {
        _ if !admin => None,
        None => Some(&ONE_ROLE),
        Some(alternate) => (parameters.get("username") != Some(alternate)).then_some(&TWO_ROLES),
    }
}

/// What it says of itself.
pub(super) fn describe() -> &'static PartnerType {
    &TYPE
}

/// The driver over these doors.
pub(super) fn open(doors: Doors) -> Arc<dyn Partner> {
    Arc::new(PostgreSql { doors })
}

struct PostgreSql {
    doors: Doors,
}

#[async_trait]
impl Partner for PostgreSql {
    fn describe(&self) -> &'static PartnerType {
        &TYPE
    }

    async fn list(&self, bound: &Bound, known: &[(VersionId, Value)]) -> Result<Vec<Credential>, Fault> {
        let mut admin = Admin::login(&self.doors, bound, "list").await?;
        let mut listed = Vec::new();
        for slot in bound.slots() {
            if !admin.role(bound, slot.as_str()).await?.can_login {
                continue;
            }
            let mut versions = BTreeSet::new();
            for (version, value) in known {
                if is_for(bound, value, slot.as_str()) && self.session(bound, value, "list").await?.is_some() {
                    versions.insert(version.clone());
                }
            }
            listed.push(Credential {
                id: id(slot, versions.first())?,
                tag: None,
                versions,
                slot: Some(slot.clone()),
                main: false,
            });
        }
        Ok(listed)
    }

    async fn verify(&self, bound: &Bound, value: &Value) -> Result<Acceptance, Fault> {
        if TYPE.format.check(value).is_err() {
            return Ok(Acceptance::Malformed);
        }
        let user = value.get("username").map(Sensitive::expose).unwrap_or_default();
        if !at_home(bound, value) || !is_ours(bound, user) {
            return Ok(Acceptance::Alien);
        }
        let Some(mut session) = self.session(bound, value, "verify").await? else { return Ok(Acceptance::Refused) };
        // Not current_user, which `ALTER ROLE … SET role` makes the owner of both.
        let who = role::one_text(session.as_mut(), "select session_user").await?;
        Ok(if who.expose() == user { Acceptance::Accepted } else { Acceptance::Alien })
    }

    async fn revoke(&self, bound: &Bound, credential: &CredentialId, held: Option<&Value>) -> Result<(), Fault> {
        let held = held.ok_or_else(|| rejected("NothingHeld"))?;
        // A debt that was not listed is named by its version alone: then its own bytes say which role it is of.
        let named = credential.as_str().rsplit_once('@').map(|(slot, _)| slot);
        let slot = named.or_else(|| held.get("username").map(Sensitive::expose)).unwrap_or_default();
        if !is_ours(bound, slot) || !is_for(bound, held, slot) {
            return Err(rejected("AnotherSlot"));
        }
        let mut admin = Admin::login(&self.doors, bound, "revoke").await?;
        admin.role(bound, slot).await?;
        // Only while the slot has these very bytes: somebody may have given it others.
        if self.session(bound, held, "revoke").await?.is_none() {
            return Ok(());
        }
        admin.empty(slot).await
    }

    fn compose(
        &self,
        bound: &Bound,
        basis: Option<&Value>,
        slot: Option<&Slot>,
        random: &dyn Random,
    ) -> Result<Value, Fault> {
        let slot = slot.filter(|slot| is_ours(bound, slot.as_str())).ok_or_else(|| rejected("NoSlot"))?;
        let database = role::database(bound, basis).ok_or_else(|| rejected("NoDatabase"))?;
        let fields = [
            ("host", Sensitive::new(bound.origin().host.clone())),
            ("port", Sensitive::new(bound.origin().port.to_string())),
            ("dbname", Sensitive::new(database.to_owned())),
            ("username", Sensitive::new(slot.as_str().to_owned())),
            ("password", compose::password(random)),
        ];
        Ok(fields.into_iter().map(|(name, text)| (name.to_owned(), text)).collect())
    }

    async fn register(&self, bound: &Bound, value: &Value) -> Result<(), Fault> {
        let (Some(user), Some(password)) = (value.get("username"), value.get("password")) else {
            return Err(rejected("Malformed"));
        };
        let user = user.expose();
        if !at_home(bound, value) || !is_ours(bound, user) {
            return Err(rejected("AnotherSlot"));
        }
        let mut admin = Admin::login(&self.doors, bound, "register").await?;
        admin.role(bound, user).await?;
        admin.fill(user, password).await
    }
}

impl PostgreSql {
    /// A login with the bytes of `value`; `None`: definitely refused.
    async fn session(
        &self,
        bound: &Bound,
        value: &Value,
        verb: &'static str,
    ) -> Result<Option<Box<dyn Session>>, Fault> {
        let text = |field: &str| value.get(field).ok_or_else(|| rejected("Malformed"));
        let login =
            Login { user: text("username")?.expose(), password: text("password")?, database: text("dbname")?.expose() };
        let session = self.doors.console.login(bound.destination(&TYPE, verb), &login).await;
        // `Denied` would speak of the admin: here it is the tried role that may not enter (pg_hba.conf, CONNECT).
        session.map_err(|fault| match fault.kind {
            FaultKind::Denied => Fault { kind: FaultKind::Rejected, ..fault },
            _ => fault,
        })
    }
}

/// `ROLE@VERSION`; where no known version has its bytes, `ROLE@unknown`.
fn id(slot: &Slot, version: Option<&VersionId>) -> Result<CredentialId, Fault> {
    let version = version.map_or("unknown", VersionId::as_str);
    CredentialId::parse(format!("{slot}@{version}")).map_err(|_| rejected("RoleName"))
}

/// Whether the value is sent to the origin, and for this role.
fn is_for(bound: &Bound, value: &Value, slot: &str) -> bool {
    TYPE.format.check(value).is_ok()
        && at_home(bound, value)
        && value.get("username").is_some_and(|user| user.expose() == slot)
}

fn at_home(bound: &Bound, value: &Value) -> bool {
    let port = bound.origin().port.to_string();
    TYPE.host.of(value).as_deref() == Some(bound.origin().host.as_str())
        && value.get("port").is_some_and(|text| text.expose() == port)
}

/// Whether the role is one that the resource may rotate.
fn is_ours(bound: &Bound, role: &str) -> bool {
    bound.slots().iter().any(|slot| slot.as_str() == role) && bound.grants_identity(role)
}

//! Whom the resource is at its partner, with whose rights, by which contract.

use std::collections::BTreeSet;

use super::endpoint::{self, Endpoint};
use super::pattern::Pattern;
use super::store::{self, includes};
use super::{Account, AdminReference, Granted, Held, Named, Reference, Source, Store, Written, WrittenPartner};
use crate::names::{Identity, Slot};
use crate::partner::{
    self, AdminSecret, Chooser, Contract, Host, IdentityProblem, Overlap, ParameterProblem, ParameterProblemKind,
    Parameters, PartnerType,
};
use crate::reason::Reason;
use crate::spec::{Admin, Origin, Own, RemoteSecret};

/// Which identities a resource may rotate, and which an older resource has.
#[derive(Debug, Clone, Default)]
pub struct IdentityGrants {
    /// Without an admin credential whoever holds a value may rotate it: the value itself is the proof.
    any: bool,
    patterns: Vec<Pattern>,
    held: Held,
}

/// Why an identity is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    NotGranted(Identity),
    InUse(Identity),
    /// It has characters that can't be shown, or is too long.
    Malformed,
}

impl IdentityGrants {
    /// `identity` at `host`, if it is granted and no older resource's.
    pub(super) fn grant(&self, host: &str, identity: &str) -> Result<Granted<Identity>, Refused> {
        let named = Identity::parse(format!("{host}/{identity}")).map_err(|_| Refused::Malformed)?;
        if !self.any && !self.patterns.iter().any(|pattern| pattern.covers(identity)) {
            return Err(Refused::NotGranted(named));
        }
        if self.held.has(&named) {
            return Err(Refused::InUse(named));
        }
        Ok(Granted(named))
    }

    /// Whether every identity is granted, so that a value without one is too.
    pub(super) fn any(&self) -> bool {
        self.any
    }
}

/// What is served of `spec.partner`.
pub(super) struct Served<'a> {
    pub(super) type_: &'static PartnerType,
    pub(super) parameters: Parameters,
    pub(super) rotation: Rotates,
    pub(super) origin: Option<Granted<Origin>>,
    pub(super) admin: Option<Granted<Admin>>,
    pub(super) identities: BTreeSet<Granted<Identity>>,
    pub(super) identity_grants: IdentityGrants,
    pub(super) live_limit: Option<u8>,
    pub(super) slots: Vec<Slot>,
    pub(super) account: Option<&'a Account>,
}

/// By which engine.
pub(super) enum Rotates {
    Operator(Contract),
    SecretsManager,
}

/// All rules about `spec.partner`, in the order of [`super::resolve`].
pub(super) fn served<'a>(
    own: &Own,
    written: &Written,
    partner: &WrittenPartner,
    store: &Store,
    named: &Named<'a>,
) -> Result<Served<'a>, Reason> {
    let type_ = (named.partner_type)(&partner.type_name).ok_or(Reason::UnknownPartnerType)?;
    let account = account(own, partner, type_, named)?;
    let parameters = parameters(partner, type_, account)?;
    let acting = match written.rotation.engine {
        partner::Engine::Operator => operated(written, type_, &parameters, account)?,
        partner::Engine::SecretsManager => delegated(written, type_, account, store)?,
    };
    let origin = origin(type_, account, &acting)?;
    let admin = admin(own, account.filter(|_| acting.admin), named)?;
    let identity_grants = identity_grants(own, account, named);
    let host = host(type_, origin.as_ref(), None);
    let identities = identities(written, type_, &parameters, host.as_deref(), &identity_grants)?;
    if acting.admin && type_.identities.is_empty() {
        // An admin can rotate everybody's credential, and no grant could say whose this one is.
        return Err(account.map_or(Reason::AccountRequired, |account| Reason::AccountNotAllowed(account.name.clone())));
    }
    let (live_limit, slots) = match &acting.rotates {
        Rotates::Operator(contract) => (live_limit(contract, account), slots(contract, type_, &parameters)?),
        Rotates::SecretsManager => (None, Vec::new()),
    };
    Ok(Served {
        type_,
        parameters,
        rotation: acting.rotates,
        origin: origin.map(Granted),
        admin,
        identities,
        identity_grants,
        live_limit,
        slots,
        account,
    })
}

/// The account, if one is named, is there, and serves the namespace and the type.
fn account<'a>(
    own: &Own,
    partner: &WrittenPartner,
    type_: &PartnerType,
    named: &Named<'a>,
) -> Result<Option<&'a Account>, Reason> {
    let Some(name) = &partner.account else { return Ok(None) };
    let account = match named.account {
        Reference::Found(account) => account,
        Reference::Unreadable => return Err(Reason::UnreadableReference { store: false, name: name.clone() }),
        Reference::NotNamed | Reference::Absent => return Err(Reason::AccountNotFound(name.clone())),
    };
    let serves_type = account.partner_types.contains(type_.name);
    let serves_namespace = account.grants.iter().any(|grant| includes(&grant.to, own, named));
    if serves_type && serves_namespace { Ok(Some(account)) } else { Err(Reason::AccountNotAllowed(name.clone())) }
}

/// The team's parameters and the account's, which win: a team that repeats one with another text is refused.
fn parameters(partner: &WrittenPartner, type_: &PartnerType, account: Option<&Account>) -> Result<Parameters, Reason> {
    let mut parameters = partner.parameters.clone();
    let mut problems = Vec::new();
    // An account may serve several types: what this one does not know is not for it.
    let fixed = account.into_iter().flat_map(|account| &account.parameters);
    for (key, text) in fixed.filter(|(key, _)| type_.parameters.iter().any(|known| known.name == key.as_str())) {
        if parameters.insert(key.clone(), text.clone()).is_some_and(|teams| teams != *text) {
            problems.push(ParameterProblem { key: key.clone(), kind: ParameterProblemKind::FixedByAccount });
        }
    }
    problems.extend(type_.check_parameters(&parameters).err().unwrap_or_default());
    if problems.is_empty() { Ok(parameters) } else { Err(Reason::InvalidParameters(problems)) }
}

/// How it is rotated, and whether an admin acts.
struct Acting {
    rotates: Rotates,
    admin: bool,
}

fn operated(
    written: &Written,
    type_: &'static PartnerType,
    parameters: &Parameters,
    account: Option<&Account>,
) -> Result<Acting, Reason> {
    let operated = type_.operator.ok_or(Reason::EngineNotSupported { aws_does: type_.secrets_manager.is_some() })?;
    let required = || account.map_or(Reason::AccountRequired, |account| Reason::AdminRequired(account.name.clone()));
    let admin = operated.admin.is_some() && account.is_some_and(|account| account.admin.is_some());
    if account.is_none() && type_.needs_account() || written.onboard == Source::Mint && !admin {
        return Err(required());
    }
    match type_.contract(parameters, admin) {
        Some(contract) if contract.problem().is_some() => {
            Err(contract.problem().map_or(Reason::UnknownPartnerType, Reason::ContractUnsafe))
        }
        Some(contract) if contract.in_place() && !written.rotation.disruption => Err(Reason::DisruptionNotAllowed),
        Some(contract) => Ok(Acting { rotates: Rotates::Operator(*contract), admin }),
        None if !admin && type_.contract(parameters, true).is_some() => Err(required()),
        None => Err(Reason::DisruptionNotAllowed),
    }
}

fn delegated(
    written: &Written,
    type_: &'static PartnerType,
    account: Option<&Account>,
    store: &Store,
) -> Result<Acting, Reason> {
    let delegated = type_.secrets_manager.ok_or(Reason::EngineNotSupported { aws_does: false })?;
    if written.onboard == Source::Mint {
        return Err(Reason::InvalidSpec { field: "rotation.engine", expected: "Operator with onboard.mint" });
    }
    if store.rotation_role.is_none() {
        return Err(Reason::RotationRoleMissing(store.name.clone()));
    }
    let acting = |admin| Acting { rotates: Rotates::SecretsManager, admin };
    match (delegated.admin, account.and_then(|account| Some((account, account.admin.as_ref()?)))) {
        (AdminSecret::None, _) => Ok(acting(false)),
        (AdminSecret::Required(_), None) => {
            Err(account.map_or(Reason::AccountRequired, |account| Reason::AdminRequired(account.name.clone())))
        }
        (_, None) => Ok(acting(false)),
        // AWS reads the admin secret itself, so it must lie where the resource's own secret lies.
        (_, Some((_, AdminReference::StoreSecret { store: admins, .. }))) if *admins == store.name => Ok(acting(true)),
        (_, Some((account, _))) => Err(Reason::AdminElsewhere(account.name.clone())),
    }
}

/// The one place that credentials go to, if it does not depend on the value.
fn origin(type_: &PartnerType, account: Option<&Account>, acting: &Acting) -> Result<Option<Origin>, Reason> {
    let by_us = matches!(acting.rotates, Rotates::Operator(_));
    let invalid = |account: &Account| Reason::InvalidEndpoint {
        account: account.name.clone(),
        expected: endpoint::expected(type_.scheme),
    };
    if let Some((account, text)) = account.and_then(|account| Some((account, account.endpoint.as_ref()?))) {
        let endpoint = Endpoint::parse(type_.scheme, text).ok_or_else(|| invalid(account))?;
        return Ok(Some(placed(type_, endpoint, Some(account))));
    }
    match (exact_vendor_host(type_), account) {
        // AWS connects, with a credential that nobody but the team has: where to is theirs.
        (_, None) if !by_us => Ok(None),
        (Some(host), account) => {
            let endpoint = Endpoint { host: host.to_owned(), port: 443, path: String::new() };
            Ok(Some(placed(type_, endpoint, account)))
        }
        // One of the vendor's hosts, and the value says which: never for an admin's credential, which the value's author
        // could call to a tenant of theirs.
        (None, Some(account)) if acting.admin && type_.host.field().is_some() => Err(invalid(account)),
        (None, account) if by_us && type_.host.field().is_none() => {
            Err(account.map_or(Reason::AccountRequired, invalid))
        }
        (None, _) => Ok(None),
    }
}

fn placed(type_: &PartnerType, endpoint: Endpoint, account: Option<&Account>) -> Origin {
    Origin {
        scheme: type_.scheme.to_owned(),
        host: endpoint.host,
        port: endpoint.port,
        path: endpoint.path,
        ca_bundle: account.and_then(|account| account.ca_bundle.clone()),
        private_networks: account.map(|account| account.private_networks.clone()).unwrap_or_default(),
        account: account.map(|account| account.name.clone()),
    }
}

/// The vendor's host, if there is exactly one.
pub(super) fn exact_vendor_host(type_: &PartnerType) -> Option<&'static str> {
    match type_.vendor_hosts {
        [host] if !host.starts_with('*') => Some(host),
        _ => None,
    }
}

/// The admin credential, where one acts.
fn admin(own: &Own, account: Option<&Account>, named: &Named<'_>) -> Result<Option<Granted<Admin>>, Reason> {
    let Some(account) = account else { return Ok(None) };
    match &account.admin {
        None => Ok(None),
        Some(AdminReference::Secret(name)) => Ok(Some(Granted(Admin::Secret(name.clone())))),
        Some(AdminReference::StoreSecret { store, name }) => match named.admin_store {
            Reference::Found(found) if found.name == *store => {
                Ok(Some(Granted(Admin::StoreSecret(Box::new(store::admin(own, found, name))))))
            }
            Reference::Unreadable => Err(Reason::UnreadableReference { store: true, name: store.clone() }),
            Reference::Found(_) | Reference::NotNamed | Reference::Absent => Err(Reason::StoreNotFound(store.clone())),
        },
        Some(AdminReference::Unreadable) => {
            Err(Reason::UnreadableReference { store: false, name: account.name.clone() })
        }
    }
}

/// Whether the account's admin credential lies in this very secret. A store that can't be read is no proof that it does not.
pub(super) fn keeps_admin(account: &Account, secret: &RemoteSecret, named: &Named<'_>) -> bool {
    let Some(AdminReference::StoreSecret { store, name }) = &account.admin else { return false };
    if *name != secret.name || *store == secret.store {
        return *name == secret.name;
    }
    // Two stores may lead to one account of AWS.
    match named.admin_store {
        Reference::Found(admins) if admins.name == *store => {
            let other_account =
                admins.account.is_some() && secret.account.is_some() && admins.account != secret.account;
            admins.region == secret.primary && !other_account
        }
        _ => true,
    }
}

fn identity_grants(own: &Own, account: Option<&Account>, named: &Named<'_>) -> IdentityGrants {
    let held = named.older.identities.clone();
    let Some(account) = account else { return IdentityGrants { any: true, patterns: Vec::new(), held } };
    let grants = || account.grants.iter().filter(|grant| includes(&grant.to, own, named));
    let patterns = grants().flat_map(|grant| &grant.identities);
    IdentityGrants {
        // Whether or not the admin acts for this type: an account with one is granted by identity, always.
        any: account.admin.is_none() && grants().any(|grant| grant.identities.is_empty()),
        patterns: patterns.filter_map(|text| Pattern::parse(text, &own.namespace)).collect(),
        held,
    }
}

/// The identities that the parameters already tell. None at all, if the value must say them.
fn identities(
    written: &Written,
    type_: &PartnerType,
    parameters: &Parameters,
    host: Option<&str>,
    grants: &IdentityGrants,
) -> Result<BTreeSet<Granted<Identity>>, Reason> {
    let identities = match type_.identities(parameters, None) {
        Ok(identities) => identities,
        Err(IdentityProblem::Unknown { .. }) if written.onboard != Source::Mint => return Ok(BTreeSet::new()),
        Err(problem) => return Err(Reason::InvalidIdentity(problem)),
    };
    let Some(host) = host else { return Ok(BTreeSet::new()) };
    let granted = identities.iter().map(|identity| grants.grant(host, identity));
    granted.collect::<Result<_, _>>().map_err(|refused| match refused {
        Refused::NotGranted(identity) => Reason::IdentityNotAllowed(identity),
        Refused::InUse(identity) => Reason::IdentityInUse(identity),
        Refused::Malformed => Reason::InvalidIdentity(IdentityProblem::Forged { name: "it".to_owned() }),
    })
}

/// The host of an identity `HOST/IDENTITY`, with its port where that is not the usual one.
pub(super) fn host(type_: &PartnerType, origin: Option<&Origin>, of_value: Option<String>) -> Option<String> {
    let usual = if type_.scheme == "postgresql" { 5432 } else { 443 };
    let vendor = || type_.vendor_hosts.first().filter(|_| type_.host == Host::Vendor);
    match origin {
        Some(origin) if origin.port == usual => Some(origin.host.clone()),
        Some(origin) => Some(format!("{}:{}", origin.host, origin.port)),
        None => of_value.or_else(|| vendor().map(|host| host.trim_start_matches("*.").to_owned())),
    }
}

/// The lower of the account's limit and the contract's.
fn live_limit(contract: &Contract, account: Option<&Account>) -> Option<u8> {
    account.and_then(|account| account.live_credentials).into_iter().chain(contract.live_limit).min()
}

/// The two principals of a slot contract, or the one of a contract in place with a value of our own making, in the order
/// of the type's identities.
fn slots(contract: &Contract, type_: &PartnerType, parameters: &Parameters) -> Result<Vec<Slot>, Reason> {
    let in_place = contract.in_place() && contract.chooser == Chooser::Caller;
    if contract.overlap != Overlap::TwoSlots && !in_place {
        return Ok(Vec::new());
    }
    let known = |name: &str| parameters.get(name).map(String::as_str);
    let forms = type_
        .identities
        .iter()
        .filter_map(|forms| forms.iter().find(|form| partner::names(form).all(|name| known(name).is_some())));
    let mut slots: Vec<Slot> = Vec::new();
    for form in forms {
        let slot = partner::filled(form, known).map_err(Reason::InvalidIdentity)?;
        let slot = Slot::parse(slot).map_err(|_| {
            Reason::InvalidIdentity(IdentityProblem::Forged { name: form.trim_matches(['{', '}']).to_owned() })
        })?;
        if slots.contains(&slot) {
            if in_place {
                continue;
            }
            let key = partner::names(form).next().unwrap_or_default().to_owned();
            let kind = ParameterProblemKind::Malformed { expected: "another principal than the first" };
            return Err(Reason::InvalidParameters(vec![ParameterProblem { key, kind }]));
        }
        slots.push(slot);
    }
    Ok(slots)
}

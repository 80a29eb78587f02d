//! What one value says of itself, against what its resource may: asked inside the one arm that holds the bytes.
//!
//! Invariant: no answer holds a text of a value but its public identity, and nothing here sends anything. A value that
//! names another host, another identity or the admin's own credential is never used, whoever wrote it.

use std::collections::BTreeSet;

use super::Granted;
use super::endpoint::Endpoint;
use super::partner::{Refused, exact_vendor_host, host};
use crate::facts::Seed;
use crate::fault::{Fault, FaultKind, Place};
use crate::names::Identity;
use crate::partner::format::{FieldProblem, ProblemKind};
use crate::partner::{self, Field, Host, PartnerType, aws_types};
use crate::secret::{Sensitive, Value};
use crate::spec::{Engine, Origin, Spec};

/// What a value is, granted.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Where it may be sent; `None`: nowhere by us (engine `SecretsManager` without an account).
    pub origin: Option<Granted<Origin>>,
    /// Whom it authenticates, `HOST/IDENTITY`; `None`: the type has no identities.
    pub identity: Option<Granted<Identity>>,
}

/// Whether a seed is a whole credential of its type, at an allowed host, of a granted identity that no older resource has,
/// and not the one that the account logs in with (`admin`: that credential, where an admin acts). No I/O.
pub fn inspect_seed(spec: &Spec, value: &Value, admin: Option<&Value>) -> Result<Inspected, Seed> {
    let Some(type_) = spec.partner else { return Err(Seed::WrongType) };
    type_.format.check(value).map_err(Seed::Malformed)?;
    needs_no_other_admin(spec, type_, value)?;
    let (origin, identity) = belongs(spec, type_, value)?;
    if admin.is_some_and(|admin| is_admins(spec, type_, value, admin)) {
        return Err(Seed::Admins);
    }
    Ok(Inspected { origin, identity })
}

/// Where a stored value may be sent: for each version before it is tried or acts. The error is why it is alien; a value
/// without its fields is `Malformed`.
pub fn origin_of(spec: &Spec, value: &Value) -> Result<Granted<Origin>, Seed> {
    let Some(type_) = spec.partner else { return Err(Seed::WrongType) };
    let (origin, _) = belongs(spec, type_, value)?;
    origin.ok_or(Seed::WrongHost)
}

/// Whether the admin credential belongs to the account's endpoint (R5), so that whoever may only edit the account can
/// neither redirect it nor change whose certificates are believed; and is not what this resource rotates. Where AWS rotates,
/// we send it nowhere, and the account's endpoint leads nobody.
///
/// Faults: `EndpointMismatch`, `RotatesOwnAdmin`, both before anything was sent.
pub fn admin_matches(spec: &Spec, admin: &Value) -> Result<(), Fault> {
    let denied = |code| Fault::new(Place::Guard, FaultKind::Denied, code);
    let Some(type_) = spec.partner else { return Err(denied("EndpointMismatch")) };
    if let (Engine::Operator(_), Some(origin)) = (&spec.rotation.engine, &spec.scope.origin)
        && !(same_place(type_, origin, admin) && same_roots(origin, admin))
    {
        return Err(denied("EndpointMismatch"));
    }
    if same_principal(spec, type_, None, admin) {
        return Err(denied("RotatesOwnAdmin"));
    }
    Ok(())
}

/// Whether none of these stored values is what the account logs in with: rotated, it would lock out every other resource
/// of the account. A seed is asked by [`inspect_seed`]; this is for what is adopted, or was put into the secret by others,
/// and for what AWS is about to be told to rotate.
///
/// Fault: `RotatesOwnAdmin`, before anything was sent.
pub fn spares_admin<'a>(
    spec: &Spec,
    values: impl IntoIterator<Item = &'a Value>,
    admin: Option<&Value>,
) -> Result<(), Fault> {
    let (Some(type_), Some(admin)) = (spec.partner, admin) else { return Ok(()) };
    if values.into_iter().any(|value| is_admins(spec, type_, value, admin)) {
        return Err(Fault::new(Place::Guard, FaultKind::Denied, "RotatesOwnAdmin"));
    }
    Ok(())
}

type Belonging = (Option<Granted<Origin>>, Option<Granted<Identity>>);

/// Host and identity of a value, if both are its resource's.
fn belongs(spec: &Spec, type_: &PartnerType, value: &Value) -> Result<Belonging, Seed> {
    let origin = place(spec, type_, value)?;
    let of_value = type_.host.of(value);
    let identities = type_.identities(&spec.parameters, Some(value)).map_err(|_| Seed::NotGranted(None))?;
    // Parameters win over fields there. A value that says something else is somebody else's.
    let own = stated(type_, value).ok_or(Seed::NotGranted(None))?;
    if !own.is_subset(&identities) || identities.is_empty() && !spec.scope.identity_grants.any() {
        return Err(Seed::NotGranted(None));
    }
    let Some(host) = host(type_, origin.as_deref(), of_value) else { return Ok((origin, None)) };
    let mut granted = BTreeSet::new();
    for identity in &identities {
        let each = spec.scope.identity_grants.grant(&host, identity).map_err(|refused| match refused {
            Refused::InUse(identity) => Seed::InUse(identity),
            Refused::NotGranted(identity) => Seed::NotGranted(Some(identity)),
            Refused::Malformed => Seed::NotGranted(None),
        })?;
        if own.is_empty() || own.contains(identity) {
            granted.insert(each);
        }
    }
    Ok((origin, granted.into_iter().next()))
}

/// Where the value may be sent.
fn place(spec: &Spec, type_: &PartnerType, value: &Value) -> Result<Option<Granted<Origin>>, Seed> {
    let stated = stated_place(type_, value)?;
    if let Some(origin) = &spec.scope.origin {
        return match stated {
            Some(stated) if stated.host != origin.host => Err(Seed::WrongHost),
            Some(stated) if stated.port != 443 && stated.port != origin.port => Err(Seed::WrongHost),
            _ => Ok(Some(origin.clone())),
        };
    }
    let vendors = |stated: &Endpoint| stated.port == 443 && type_.is_vendor_host(&stated.host);
    match (&spec.rotation.engine, stated) {
        // The vendor's own hosts alone, in public networks, by public roots: nobody but the value names this one.
        (Engine::Operator(_), Some(stated)) if vendors(&stated) => Ok(Some(Granted(Origin {
            scheme: type_.scheme.to_owned(),
            host: stated.host,
            port: stated.port,
            path: stated.path,
            ca_bundle: None,
            private_networks: Vec::new(),
            account: None,
        }))),
        (Engine::Operator(_) | Engine::None, _) => Err(Seed::WrongHost),
        (Engine::SecretsManager(_), _) => Ok(None),
    }
}

/// The place that a value names, if its type has a field for it and the value has the field.
fn stated_place(type_: &PartnerType, value: &Value) -> Result<Option<Endpoint>, Seed> {
    let Some(text) = type_.host.field().and_then(|field| value.get(field)) else { return Ok(None) };
    let endpoint = match type_.host {
        Host::Url(_) => Endpoint::parse("https", text.expose()),
        Host::Vendor | Host::Name(_) | Host::Within { .. } => {
            type_.host.of(value).and_then(|host| Endpoint::parse("https", &format!("https://{host}")))
        }
    };
    // As a name it has no port: then the account's holds.
    endpoint.map(Some).ok_or(Seed::WrongHost)
}

/// The identities that the value's own public fields tell; `None`: one of them is no identity.
fn stated(type_: &PartnerType, value: &Value) -> Option<BTreeSet<String>> {
    let known = |name: &str| {
        let field = type_.format.field(name).filter(|field| field.public)?;
        value.get(field.name).map(|text| text.expose())
    };
    let forms = type_.identities.iter();
    let forms =
        forms.filter_map(|forms| forms.iter().find(|form| partner::names(form).all(|name| known(name).is_some())));
    forms.map(|form| partner::filled(form, known).ok()).collect()
}

/// Whether the value is the credential that the account logs in with: the same principal, or in common one secret or id
/// that a rotation changes. Ids count since AWS's engine, given an admin, acts by an id alone: whoever wrote the
/// value need not know the secret that it ends.
fn is_admins(spec: &Spec, type_: &PartnerType, value: &Value, admin: &Value) -> bool {
    let admins = admins_type(type_).filter(|_| !matches!(spec.rotation.engine, Engine::Operator(_))).unwrap_or(type_);
    let of_admin: Vec<_> = rotated(admins, admin).collect();
    same_principal(spec, type_, Some(value), admin)
        || rotated(type_, value).any(|text| of_admin.iter().any(|admin| text.same(admin)))
}

/// Whether the admin authenticates whom this resource rotates. An admin of another type of AWS's is another kind of
/// credential, of the same principal by design: Datadog's application keys belong to their admin's service account.
fn same_principal(spec: &Spec, type_: &PartnerType, value: Option<&Value>, admin: &Value) -> bool {
    let another_kind = matches!(spec.rotation.engine, Engine::SecretsManager(_))
        && admins_type(type_).is_some_and(|admins| admins.name != type_.name);
    let rotated = type_.identities(&spec.parameters, value).unwrap_or_default();
    !another_kind && stated(type_, admin).unwrap_or_default().iter().any(|own| rotated.contains(own))
}

/// The type of the admin secret that AWS acts with.
fn admins_type(type_: &PartnerType) -> Option<&'static PartnerType> {
    type_.secrets_manager.and_then(|delegated| delegated.admin.of_type()).and_then(aws_types::find)
}

/// The secrets and ids that a rotation of this type changes. Two things may have one name, if they are not one principal's.
fn rotated<'a>(type_: &PartnerType, value: &'a Value) -> impl Iterator<Item = &'a Sensitive> {
    let is_name = |field: &Field| field.public && field.pattern.is_any_line();
    let fields = type_.format.fields.iter().filter(move |field| field.rotated && !is_name(field));
    fields.filter_map(move |field| value.get(field.name))
}

/// AWS rotates some values of a type only with an admin: told before the secret is made.
fn needs_no_other_admin(spec: &Spec, type_: &PartnerType, value: &Value) -> Result<(), Seed> {
    let Engine::SecretsManager(_) = spec.rotation.engine else { return Ok(()) };
    let Some(delegated) = type_.secrets_manager.filter(|_| spec.scope.admin.is_none()) else { return Ok(()) };
    if !delegated.admin.is_required(Some(value)) {
        return Ok(());
    }
    let field = match delegated.admin {
        partner::AdminSecret::RequiredIf { field, .. } => field,
        _ => "",
    };
    let expected = "of a kind that rotates itself: for this kind AWS needs an admin, name a PartnerAccount with one";
    Err(Seed::Malformed(vec![FieldProblem { field: field.to_owned(), kind: ProblemKind::Malformed { expected } }]))
}

/// Whether the admin credential says that it belongs to this origin: by its key `endpoint`, or by the host field of its
/// type. It may be silent only where the vendor has one host, and that is the origin.
fn same_place(type_: &PartnerType, origin: &Origin, admin: &Value) -> bool {
    if let Some(text) = admin.get("endpoint") {
        return Endpoint::parse(type_.scheme, text.expose()).is_some_and(|endpoint| {
            endpoint.host == origin.host && endpoint.port == origin.port && endpoint.path == origin.path
        });
    }
    let hosts = [Some(type_.host), admins_type(type_).map(|admins| admins.host)];
    match hosts.into_iter().flatten().find_map(|host| host.of(admin)) {
        Some(host) => host == origin.host,
        None => exact_vendor_host(type_) == Some(origin.host.as_str()),
    }
}

/// Whether account and admin credential believe the same certificates.
fn same_roots(origin: &Origin, admin: &Value) -> bool {
    let lines = |pem: &str| pem.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let account = origin.ca_bundle.as_deref().map(lines);
    account == admin.get("ca.crt").map(|pem| lines(pem.expose()))
}

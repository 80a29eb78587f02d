//! Manifests to fill in: a seed and a resource for a team, an account and its admin Secret for the platform.
//!
//! Invariant: valid YAML that the API server takes; what a person must put in stands as `<what it is: what it must look
//! like>`, which the operator refuses as long as it stands there. Called by `cli::partners`.

use std::fmt::Write;

use jiff::SignedDuration;
use mes_core::partner::{AdminSecret, Engine, Parameter, PartnerType};

use super::words;
use crate::api::GROUP;

/// Of the kinds that are printed.
const API_VERSION: &str = "managed-secrets.io/v1alpha1";

/// How a Secret is made without leaving its values elsewhere.
const CREATED: &str = "# Make it with `kubectl create` or `kubectl apply --server-side`: a plain apply writes its values into an annotation, too.\n";

/// The seed and the `ManagedExternalSecret`; where nobody needs to know the first value, the latter alone.
pub(super) fn resource(type_: &PartnerType) -> String {
    let name = name(type_);
    let mut text = String::new();
    let minted = is_minted(type_);
    if !minted {
        text.push_str("# Delete the seed once the resource is Onboarded; its credential is then superseded by the first rotation.\n");
        text.push_str(CREATED);
        secret(&mut text, &format!("{name}-seed"), "seed", type_.format.seed());
        text.push_str("---\n");
    }
    let _ = write!(
        text,
        "apiVersion: {API_VERSION}\nkind: ManagedExternalSecret\nmetadata:\n  name: {name}\nspec:\n  partner:\n    type: {}\n",
        type_.name
    );
    if needs_account(type_) {
        let _ = writeln!(
            text,
            "    # Of the platform's administrators: `mes partners {} --account`\n    accountRef: {{name: {name}}}",
            type_.name
        );
    }
    parameters(&mut text, type_);
    if minted {
        text.push_str("  # Nobody ever knows the value. To bring one instead: fromSecret, with a Secret of type managed-secrets.io/seed\n  # that has the fields above.\n  onboard: {mint: {}}\n");
    } else {
        let _ = writeln!(text, "  onboard: {{fromSecret: {{name: {name}-seed}}}}");
    }
    text.push_str("  rotation:\n");
    if engine(type_) == Engine::SecretsManager {
        text.push_str("    engine: SecretsManager\n");
    }
    let _ = writeln!(text, "    schedule: rate({} days)", days(type_));
    let _ = writeln!(text, "  targets:\n  - name: {name}");
    text
}

/// The account and, where an admin credential acts, its Secret; `None`: the type never has an account.
pub(super) fn account(type_: &PartnerType) -> Option<String> {
    let name = name(type_);
    let operated = type_.operator.and_then(|operated| operated.admin);
    let of_aws = type_.secrets_manager.and_then(|delegated| delegated.admin.of_type());
    let mut text = String::new();
    let named = type_.operator.is_some() && type_.needs_account();
    let admin = match (operated, of_aws) {
        (Some(format), _) => {
            text.push_str(
                "# In the operator's namespace, and named in the chart's value adminSecrets. For a private authority add ca.crt.\n",
            );
            text.push_str(CREATED);
            let endpoint = ("endpoint", endpoint(type_));
            secret(&mut text, &format!("{name}-admin"), "admin", std::iter::once(endpoint).chain(format.seed()));
            text.push_str("---\n");
            format!("  admin: {{secretRef: {{name: {name}-admin}}}}\n")
        }
        (None, _) if named => String::new(),
        (None, Some(of_type)) => format!(
            "  # A secret of type {of_type} in the account of the store that its users name.\n  admin: {{storeRef: {{name: default, secretName: {name}-admin}}}}\n"
        ),
        (None, None) => return None,
    };
    let _ = write!(
        text,
        "apiVersion: {API_VERSION}\nkind: PartnerAccount\nmetadata:\n  name: {name}\nspec:\n  partnerTypes: [{}]\n",
        type_.name
    );
    if operated.is_some() {
        text.push_str("  # The same text as in the admin Secret.\n");
    }
    if operated.is_some() || named {
        let _ = writeln!(text, "  endpoint: {}", quoted(&endpoint(type_)));
    }
    text.push_str(&admin);
    text.push_str("  grants:\n  - namespaces: [payments]\n    # Exact, or a prefix and *; {namespace} stands for the namespace's name.\n");
    let _ = writeln!(text, "    identities: [{}]", identities(type_));
    Some(text)
}

/// How `spec.rotation` has it rotated unless a team says otherwise: by the operator where it can.
fn engine(type_: &PartnerType) -> Engine {
    if type_.operator.is_some() { Engine::Operator } else { Engine::SecretsManager }
}

fn needs_account(type_: &PartnerType) -> bool {
    match engine(type_) {
        Engine::Operator => type_.needs_account() || words::contract(type_, false).is_none(),
        Engine::SecretsManager => {
            matches!(type_.secrets_manager.map(|delegated| delegated.admin), Some(AdminSecret::Required(_)))
        }
    }
}

/// Whether the operator can make the first value: by an admin credential, for identities that the parameters name.
fn is_minted(type_: &PartnerType) -> bool {
    let told = |name: &&str| type_.parameters.iter().any(|known| known.name == *name);
    engine(type_) == Engine::Operator
        && needs_account(type_)
        && !type_.identities.is_empty()
        && type_.identity_names().iter().all(told)
}

/// A month, or less where the credential would end before.
fn days(type_: &PartnerType) -> u32 {
    let fits = |days: &u32| {
        let interval = SignedDuration::from_hours(i64::from(*days) * 24);
        type_.interval_problem(&mes_core::partner::Parameters::new(), interval).is_none()
    };
    [30, 7].into_iter().find(|days| engine(type_) == Engine::Operator || fits(days)).unwrap_or(1)
}

fn parameters(text: &mut String, type_: &PartnerType) {
    if type_.parameters.is_empty() {
        return;
    }
    let (active, idle): (Vec<&Parameter>, Vec<_>) =
        type_.parameters.iter().partition(|known| known.required || is_minted(type_));
    text.push_str(if active.is_empty() { "    # parameters:\n" } else { "    parameters:\n" });
    for known in active {
        let _ = writeln!(text, "      {}: {}", known.name, quoted(&placeholder(known)));
    }
    for known in idle {
        let text_of = known.default.map_or_else(|| placeholder(known), str::to_owned);
        let _ = writeln!(text, "    #   {}: {}", known.name, quoted(&text_of));
    }
}

fn secret(text: &mut String, name: &str, kind: &str, fields: impl Iterator<Item = (&'static str, String)>) {
    let _ =
        write!(text, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\ntype: {GROUP}/{kind}\nstringData:\n");
    for (field, placeholder) in fields {
        let _ = writeln!(text, "  {field}: {}", quoted(&placeholder));
    }
}

fn placeholder(parameter: &Parameter) -> String {
    format!("<{}: {}>", parameter.doc, parameter.pattern.expected)
}

/// An endpoint of the right kind at a name that nobody has (RFC 2606).
fn endpoint(type_: &PartnerType) -> String {
    let host = match type_.vendor_hosts.first() {
        Some(host) => host.replace('*', "acme"),
        None => "host.example.com".to_owned(),
    };
    match type_.scheme {
        "postgresql" => format!("postgresql://{host}:5432/postgres"),
        scheme => format!("{scheme}://{host}"),
    }
}

/// What a grant may name: each identity in its first form, with what must be filled in between < and >.
fn identities(type_: &PartnerType) -> String {
    let forms = type_.identities.iter().filter_map(|forms| forms.first());
    let told = forms.map(|form| quoted(&form.replace('{', "<").replace('}', ">")));
    told.collect::<Vec<_>>().join(", ")
}

/// The partner's name as the name of an object.
fn name(type_: &PartnerType) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = type_.partner.chars().map(plain).collect();
    name.trim_matches('-').to_owned()
}

/// As a double-quoted scalar: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! A partner type's tables in words, for the terminal and for the docs.
//!
//! Called by `cli::partners` and `cli::docs`.

use mes_core::partner::{
    Activation, AdminSecret, Chooser, Contract, Engine, IntervalLimit, Overlap, Parameters, PartnerType, Recognised,
};

/// The engines that rotate it, as `spec.rotation.engine` spells them.
pub(in crate::cli) fn engines(type_: &PartnerType) -> String {
    let name = |engine| match engine {
        Engine::Operator => "Operator",
        Engine::SecretsManager => "SecretsManager",
    };
    type_.engines().into_iter().map(name).collect::<Vec<_>>().join(", ")
}

/// One sentence an engine: whether the superseded credential and the new one live side by side.
pub(in crate::cli) fn overlaps(type_: &PartnerType) -> Vec<String> {
    let alone = alone(type_).map(|(contract, names)| format!("; with {names} alone {}", overlap(contract)));
    let ours = contract(type_, true).or_else(|| contract(type_, false)).map(overlap);
    let ours = ours.map(|ours| format!("{ours}{}", alone.unwrap_or_default()));
    let aws = type_.secrets_manager.map(|delegated| delegated.overlap.to_owned());
    match (ours, aws) {
        (Some(ours), Some(aws)) => vec![format!("Operator: {ours}"), format!("SecretsManager: {aws}")],
        (ours, aws) => ours.into_iter().chain(aws).collect(),
    }
}

/// The operator's contract with every parameter given, and with or without an admin credential.
pub(in crate::cli) fn contract(type_: &PartnerType, admin: bool) -> Option<&'static Contract> {
    let given: Parameters =
        type_.parameters.iter().map(|known| (known.name.to_owned(), known.name.to_owned())).collect();
    type_.contract(&given, admin)
}

/// The contract in place that it has with the required parameters alone, where more parameters give another; and their names.
pub(in crate::cli) fn alone(type_: &PartnerType) -> Option<(&'static Contract, String)> {
    let required = type_.parameters.iter().filter(|known| known.required).map(|known| known.name);
    let names: Vec<&str> = required.collect();
    let given: Parameters = names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
    let in_place = |admin| type_.contract(&given, admin).filter(|contract| contract.in_place());
    let contract = in_place(true).or_else(|| in_place(false))?;
    let other = contract != self::contract(type_, true).or_else(|| self::contract(type_, false))?;
    other.then(|| (contract, names.join(", ")))
}

/// A contract, a sentence a property.
pub(in crate::cli) fn properties(contract: &Contract) -> Vec<String> {
    let mut all = vec![
        match contract.chooser {
            Chooser::Caller => "the operator makes the new value, stores it, then registers it at the partner",
            Chooser::Partner => "the partner makes the new value; the operator stores it at once",
        }
        .to_owned(),
        format!("overlap: {}", overlap(contract)),
        match contract.recognised {
            Recognised::ByTag => "credentials that are ours are known by a mark of ours",
            Recognised::ByValue => "credentials that are ours are known by their bytes",
            Recognised::ByDifference => {
                "credentials that are ours are known by what was not listed before; that alone is never enough to revoke"
            }
            Recognised::Never => "credentials that are ours can't be told from others",
        }
        .to_owned(),
        match contract.activation {
            Activation::None => "trying a credential changes nothing",
            Activation::AtFirstUse => "its first use brings the new one into force",
            Activation::AfterPromotion => "a call after the promotion makes the new one the main one",
        }
        .to_owned(),
    ];
    all.extend(contract.live_limit.map(|limit| format!("credentials of one identity that may live: {limit}")));
    all.extend(contract.overlap_limit.map(|limit| format!("longest overlap: {limit:#}")));
    all.push(format!("a fresh credential may be refused for {:#}", contract.propagation));
    all
}

/// What limits AWS's engine, a sentence each.
pub(in crate::cli) fn delegated(type_: &PartnerType) -> Vec<String> {
    let Some(delegated) = type_.secrets_manager else { return Vec::new() };
    let mut all = vec![format!("overlap: {}", delegated.overlap)];
    all.push(match delegated.admin {
        AdminSecret::None => "rotates itself".to_owned(),
        AdminSecret::Optional(of_type) => format!(
            "rotates itself, or by an admin secret of type {of_type}: a PartnerAccount with admin.storeRef names it"
        ),
        AdminSecret::Required(of_type) => {
            format!("needs an admin secret of type {of_type}: a PartnerAccount with admin.storeRef names it")
        }
        AdminSecret::RequiredIf { of_type, field, is } => {
            let texts = is.join(" or ");
            format!(
                "needs an admin secret of type {of_type} if {field} is {texts}: a PartnerAccount with admin.storeRef names it"
            )
        }
    });
    all.push(match delegated.interval {
        IntervalLimit::None => "interval: 4 hours to 999 days".to_owned(),
        IntervalLimit::AtMostDays(days) => format!("interval: 4 hours to {days} days"),
        IntervalLimit::BelowParameter(parameter) => {
            format!("interval: 4 hours to less than the days of parameter {parameter}")
        }
    });
    all
}

/// Where its credentials may be sent, a sentence.
pub(in crate::cli) fn hosts(type_: &PartnerType) -> String {
    let of_value = match type_.host.field() {
        Some(field) => format!("the value's field {field} names it"),
        None => "the value names none".to_owned(),
    };
    let vendor = match type_.vendor_hosts {
        [] => "the vendor has none of its own: a PartnerAccount names the endpoint".to_owned(),
        hosts => format!("the vendor's own are {}", hosts.join(", ")),
    };
    format!("{of_value}; {vendor}")
}

/// What grants are matched against: each identity, and the forms that it may have.
pub(in crate::cli) fn identities(type_: &PartnerType) -> Vec<String> {
    type_.identities.iter().map(|forms| forms.join(", else ")).collect()
}

fn overlap(contract: &Contract) -> String {
    match contract.overlap {
        Overlap::TwoSlots => "yes, two places that take turns; the old one lives until it is revoked".to_owned(),
        Overlap::CreateThenRevoke => "yes, the old one lives until it is revoked".to_owned(),
        Overlap::Grace(grace) => format!("for {grace:#}, then the partner ends the old one"),
        Overlap::None => "no, the old one dies when the new one is made".to_owned(),
    }
}

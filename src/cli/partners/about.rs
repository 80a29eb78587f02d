//! All that is known of one type, as comments above the manifests to fill in.
//!
//! Called by `cli::partners`.

use std::fmt::Write;

use mes_core::partner::{Field, Format, Parameter, PartnerType};

use super::words;

/// Everything about `type_`, each line a YAML comment.
pub(super) fn about(type_: &PartnerType) -> String {
    let mut text = String::new();
    line(&mut text, &format!("{} ({}), rotated by engine {}", type_.name, type_.partner, words::engines(type_)));
    fields(&mut text, "Fields of the value", &type_.format);
    if !type_.parameters.is_empty() {
        section(&mut text, "Parameters (spec.partner.parameters)", type_.parameters.iter().map(parameter));
    }
    section(&mut text, "Identity at the partner, which a PartnerAccount grants", identities(type_));
    section(&mut text, "Host that it is sent to", [words::hosts(type_)]);
    let operator_admin = type_.operator.and_then(|operated| operated.admin);
    let by_admin = words::contract(type_, true).filter(|_| operator_admin.is_some());
    let by_itself = words::contract(type_, false);
    for (contract, how) in [(by_admin, "with an account's admin credential"), (by_itself, "rotating itself")] {
        if let Some(contract) = contract {
            section(&mut text, &format!("Engine Operator, {how}"), words::properties(contract));
        }
    }
    if let Some((contract, names)) = words::alone(type_) {
        let title = format!("Engine Operator, with {names} alone: in place, needs rotation.disruption Allow");
        section(&mut text, &title, words::properties(contract));
    }
    if let Some(admin) = operator_admin {
        fields(&mut text, "Fields of the admin credential, beside endpoint and perhaps ca.crt", admin);
    }
    if type_.secrets_manager.is_some() {
        section(&mut text, "Engine SecretsManager", words::delegated(type_));
    }
    text.push_str("#\n");
    text
}

fn identities(type_: &PartnerType) -> Vec<String> {
    let mut all = words::identities(type_);
    if all.is_empty() {
        all.push("none that can be told: an account with an admin credential can't serve it".to_owned());
    }
    if !type_.reserved.is_empty() {
        all.push(format!("never rotated: {}", type_.reserved.join(", ")));
    }
    all
}

fn fields(text: &mut String, title: &str, format: &Format) {
    section(text, title, format.fields.iter().map(field));
    if !format.exclusive.is_empty() {
        line(text, &format!("  at most one of {}", format.exclusive.join(", ")));
    }
}

fn field(field: &Field) -> String {
    let marks = [
        (!field.required).then_some("optional"),
        (!field.public).then_some("secret"),
        field.rotated.then_some("changed by a rotation"),
    ];
    let marks: Vec<_> = marks.into_iter().flatten().collect();
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    format!("{}{marks}: {}; {}", field.name, field.doc, field.pattern.expected)
}

fn parameter(parameter: &Parameter) -> String {
    let mark = match (parameter.required, parameter.default) {
        (true, _) => " (required)".to_owned(),
        (false, Some(default)) => format!(" (absent: {default})"),
        (false, None) => String::new(),
    };
    format!("{}{mark}: {}; {}", parameter.name, parameter.doc, parameter.pattern.expected)
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    text.push_str("#\n");
    line(text, title);
    for each in lines {
        line(text, &format!("  {each}"));
    }
}

fn line(text: &mut String, content: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "# {content}");
}

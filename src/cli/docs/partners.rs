//! The page of all types of credential: engines, overlap, fields, parameters and identity of each.
//!
//! Called by `cli::docs`.

use std::fmt::Write;

use mes_core::partner::PartnerType;

use super::{GENERATED, code, row};
use crate::cli::partners::words;
use crate::partners::registry::registry;

pub(super) fn page() -> String {
    let mut text = format!(
        "# Types of credential\n\n{GENERATED}\n\n`mes partners` prints this list, and `mes partners TYPE` all about one \
         type with manifests to fill in. Engine `Operator` means that the operator itself rotates the credential at the \
         partner; `SecretsManager` that AWS does (managed external secrets).\n\n"
    );
    text.push_str(&row(["type", "partner", "engine", "old and new side by side"]));
    text.push_str(&row(["---"; 4]));
    let types = registry().types();
    for known in &types {
        let link = format!("[{}](#{})", known.name, known.name.to_ascii_lowercase());
        text.push_str(&row([&link, known.partner, &words::engines(known), &words::overlaps(known).join("; ")]));
    }
    types.iter().for_each(|known| section(&mut text, known));
    text
}

fn section(text: &mut String, known: &PartnerType) {
    let _ = writeln!(text, "\n## {}\n", known.name);
    let identities = words::identities(known);
    if !identities.is_empty() {
        let _ =
            writeln!(text, "Identity: {}.", identities.iter().map(|form| code(form)).collect::<Vec<_>>().join(" and "));
    }
    let _ = writeln!(text, "Host: {}.", words::hosts(known));
    let delegated = words::delegated(known);
    if !delegated.is_empty() {
        let _ = writeln!(text, "AWS's engine: {}.", delegated[1..].join("; "));
    }
    text.push('\n');
    text.push_str(&row(["field", "", "must be"]));
    text.push_str(&row(["---"; 3]));
    for field in known.format.fields {
        let optional = if field.required { "" } else { "optional; " };
        let secret = if field.public { "" } else { "secret; " };
        let rotated = if field.rotated { "changed by a rotation; " } else { "" };
        text.push_str(&row([
            &code(field.name),
            &format!("{optional}{secret}{rotated}{}", field.doc),
            field.pattern.expected,
        ]));
    }
    if known.parameters.is_empty() {
        return;
    }
    text.push('\n');
    text.push_str(&row(["parameter", "", "must be"]));
    text.push_str(&row(["---"; 3]));
    for parameter in known.parameters {
        let mark = match (parameter.required, parameter.default) {
            (true, _) => "required; ".to_owned(),
            (false, Some(default)) => format!("absent: {default}; "),
            (false, None) => String::new(),
        };
        text.push_str(&row([&code(parameter.name), &format!("{mark}{}", parameter.doc), parameter.pattern.expected]));
    }
}

//! `mes partners`: which types of credential there are, and all about one of them.
//!
//! Invariant: everything is read from the tables by which the operator works, so that what is printed is what holds.
//! Called by `cli`.

mod about;
mod manifests;
pub(super) mod words;

use mes_core::partner::PartnerType;

use super::Error;
use crate::partners::registry::registry;

/// What `mes partners` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A type, such as PostgreSQLRole: its fields, parameters, identity, hosts, limits and contract, and a seed and a
    /// ManagedExternalSecret to fill in. All of it is YAML: `mes partners TYPE > crm.yaml`
    #[arg(value_name = "TYPE")]
    name: Option<String>,
    /// For the platform's administrators: the PartnerAccount and the Secret of its admin credential, to fill in
    #[arg(long, requires = "name")]
    account: bool,
}

/// The list of all types, or what is known of one.
pub(super) fn run(arguments: &Args) -> Result<String, Error> {
    let Some(name) = &arguments.name else { return Ok(list()) };
    let type_ = registry().partner_type(name).ok_or_else(|| Error::UnknownPartnerType {
        name: name.chars().take(64).collect(),
        like: registry().types().iter().map(|known| known.name).find(|known| known.eq_ignore_ascii_case(name)),
    })?;
    if arguments.account {
        return manifests::account(type_).ok_or(Error::NoAccount(type_.name));
    }
    Ok(format!("{}{}", about::about(type_), manifests::resource(type_)))
}

/// All types, one a line. The last column is free text.
fn list() -> String {
    let rows = registry().types().into_iter().map(row);
    let header = ["TYPE", "PARTNER", "ENGINE", "OLD AND NEW SIDE BY SIDE"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2)];
    let line = |[name, partner, engine, overlap]: &[String; 4]| {
        let [first, second, third] = widths;
        format!("{name:first$}  {partner:second$}  {engine:third$}  {overlap}\n")
    };
    rows.iter().map(line).collect()
}

fn row(type_: &PartnerType) -> [String; 4] {
    [type_.name.to_owned(), type_.partner.to_owned(), words::engines(type_), words::overlaps(type_).join("; ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(name: &str, account: bool) -> Result<String, Error> {
        run(&Args { name: Some(name.to_owned()), account })
    }

    #[test]
    fn every_type_is_listed_on_a_line_of_its_own() {
        let list = list();
        for known in registry().types() {
            let lines = list.lines().filter(|line| line.split(' ').next() == Some(known.name)).count();
            assert_eq!(lines, 1, "{}", known.name);
        }
        assert_eq!(list.lines().count(), registry().types().len() + 1);
        assert!(list.lines().all(|line| !line.ends_with("  ")), "{list}");
    }

    #[test]
    fn all_about_a_type_names_each_field_and_parameter_of_it() {
        for known in registry().types() {
            let all = printed(known.name, false).unwrap();
            let names = known.format.fields.iter().map(|field| field.name);
            for name in names.chain(known.parameters.iter().map(|parameter| parameter.name)) {
                assert!(all.contains(name), "{}: {name}", known.name);
            }
        }
    }

    #[test]
    fn a_type_in_the_wrong_case_is_refused_with_the_right_one() {
        let error = printed("postgresqlrole", false).unwrap_err().to_string();
        assert!(error.contains("did you mean PostgreSQLRole?"), "{error}");
        assert!(printed("Nope", false).unwrap_err().to_string().contains("`mes partners` lists them"));
    }

    #[test]
    fn a_seed_that_is_not_filled_in_is_refused_by_its_own_format() {
        use mes_core::partner::ProblemKind;
        use mes_core::secret::{Sensitive, Value};
        for known in registry().types() {
            let value: Value =
                known.format.seed().map(|(field, text)| (field.to_owned(), Sensitive::new(text))).collect();
            let problems = known.format.check(&value).unwrap_err();
            assert!(problems.iter().all(|problem| problem.kind == ProblemKind::Placeholder), "{}", known.name);
        }
    }
}

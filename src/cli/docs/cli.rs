//! The page of subcommands and flags, from the definition by which they are read.
//!
//! Called by `cli::docs`.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::{GENERATED, code, row};
use crate::cli::Cli;

pub(super) fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = format!("# The program `mes`\n\n{GENERATED}\n\n{}.\n", about(&command));
    for each in command.get_subcommands().filter(|each| !each.is_hide_set() && each.get_name() != "help") {
        subcommand(&mut text, each);
    }
    text
}

fn subcommand(text: &mut String, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").replace('\n', " ");
    let _ = write!(text, "\n## `{}`\n\n{}.\n", usage.trim(), about(command));
    let shown =
        |argument: &&Arg| !argument.is_hide_set() && argument.get_id() != "help" && argument.get_id() != "version";
    let arguments: Vec<&Arg> = command.get_arguments().filter(shown).collect();
    if arguments.is_empty() {
        return;
    }
    text.push('\n');
    text.push_str(&row(["argument", "default", "environment", "meaning"]));
    text.push_str(&row(["---"; 4]));
    for argument in arguments {
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
        let default = defaults.collect::<Vec<_>>().join(",");
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        text.push_str(&row([&code(&spelt(argument)), &code(&default), &code(&variable), &meaning(argument)]));
    }
}

/// As it is typed: `--flag <VALUE>` or `<VALUE>`.
fn spelt(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let takes_a_value = argument.get_action().takes_values();
    let value = names.first().map(|name| format!("<{name}>")).filter(|_| takes_a_value).unwrap_or_default();
    let flag = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    [flag, value].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    let switch = values.iter().all(|value| matches!(value.get_name(), "true" | "false"));
    if switch {
        return help;
    }
    let names: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    format!("{help} ({})", names.join(", "))
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_argument_of_every_shown_subcommand() {
        let page = page();
        let command = Cli::command();
        for each in command.get_subcommands().filter(|each| !each.is_hide_set()) {
            assert!(page.contains(&format!("## `mes {}", each.get_name())), "{page}");
            for argument in each.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let value = argument.get_value_names().and_then(|names| names.first()).map(|name| format!("<{name}>"));
                let spelt = argument.get_long().map(|long| format!("--{long}")).or(value);
                let spelt = spelt.unwrap_or_else(|| format!("<{}>", argument.get_id().as_str().to_uppercase()));
                assert!(page.contains(&spelt), "{spelt}");
            }
        }
        assert!(!page.contains("docs"), "hidden ones are not shown");
    }
}

//! `mes docs`: the pages of the documentation that are made from the code.
//!
//! Invariant: functions of the code alone; `cargo xtask generate` writes them into `docs/`, and fails with `--check` where
//! a committed page differs. Called by `cli`.

mod cli;
mod kinds;
mod metrics;
mod partners;
mod reasons;

use super::Error;

/// What `mes docs` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    page: Page,
}

#[derive(Debug, clap::Subcommand)]
enum Page {
    /// Every subcommand and flag
    Cli,
    /// Every metric
    Metrics,
    /// Every condition and reason
    Reasons,
    /// Every type of credential
    Partners,
    /// Every field of a kind
    Kinds {
        /// Its plural, such as rotations
        plural: String,
    },
}

/// The page, as Markdown.
pub(super) fn run(arguments: &Args) -> Result<String, Error> {
    match &arguments.page {
        Page::Cli => Ok(cli::page()),
        Page::Metrics => Ok(metrics::page()),
        Page::Reasons => Ok(reasons::page()),
        Page::Partners => Ok(partners::page()),
        Page::Kinds { plural } => kinds::page(plural),
    }
}

/// What stands below the title of a page that nobody edits.
const GENERATED: &str = "<!-- Made by `cargo xtask generate`; edit the code instead. -->";

/// A row of a table.
fn row<const N: usize>(cells: [&str; N]) -> String {
    format!("| {} |\n", cells.map(cell).join(" | "))
}

/// A text that ends no cell and, outside of code, begins no markup.
fn cell(text: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() };
    let escaped: Vec<_> = text.split('`').enumerate().map(part).collect();
    escaped.join("`").replace('|', "\\|").replace('\n', " ")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

//! The command line: one subcommand a file.
//!
//! Invariant: every subcommand but `run` is a function of the code alone; it asks neither the cluster nor AWS. Called by
//! `main`; tests and `cargo xtask generate` read what the others print.

pub mod crds;
mod docs;
pub mod partners;
pub mod run;
pub mod told;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Onboards, rotates, replicates and delivers third-party credentials by AWS Secrets Manager
#[derive(Debug, Parser)]
#[command(name = "mes", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator
    Run(Box<run::Arguments>),
    /// Prints the CustomResourceDefinitions, for `mes crds | kubectl apply -f -`
    Crds(crds::Args),
    /// Lists the types of credential, or prints all about one with manifests to fill in
    Partners(partners::Args),
    /// Prints pages of the documentation, for `cargo xtask generate`
    #[command(hide = true)]
    Docs(docs::Args),
}

/// Why a subcommand failed, for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such type of credential.
    #[error("no type of credential is named {name:?}{}; `mes partners` lists them", perhaps(.like))]
    UnknownPartnerType {
        /// As it was typed.
        name: String,
        /// The type that differs in case alone.
        like: Option<&'static str>,
    },
    /// The type takes no account.
    #[error("{0} rotates itself at the vendor's own hosts: it needs no PartnerAccount")]
    NoAccount(&'static str),
    /// No such kind.
    #[error(
        "no kind of ours has the plural {0:?}: managedexternalsecrets, rotations, partneraccounts, secretsmanagerstores"
    )]
    UnknownKind(String),
    /// A definition could not be written, which is a fault of ours.
    #[error("writing YAML: {0}")]
    Yaml(#[from] serde_yaml::ser::Error),
    /// A definition could not be read, which is a fault of ours.
    #[error("reading a definition: {0}")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed or full.
    #[error("writing to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Cli {
    /// Does what was typed; what goes wrong is told on standard error. Blocks.
    pub fn run(self) -> ExitCode {
        let text = match self.command {
            Command::Run(arguments) => return run::run(*arguments),
            Command::Crds(arguments) => crds::run(&arguments),
            Command::Partners(arguments) => partners::run(&arguments),
            Command::Docs(arguments) => docs::run(&arguments),
        };
        match text.and_then(|text| print(&text)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

fn print(text: &str) -> Result<(), Error> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough (`mes partners | head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn perhaps(like: &Option<&'static str>) -> String {
    like.map(|like| format!(", did you mean {like}?")).unwrap_or_default()
}

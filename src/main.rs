//! The operator's program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use managed_external_secrets::cli::run;

#[derive(Parser)]
#[command(name = "mes", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the operator.
    Run(run::Arguments),
}

fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return ExitCode::FAILURE;
    }
    match Cli::parse().command {
        Command::Run(arguments) => run::run(arguments),
    }
}

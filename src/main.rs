//! The program `mes`: the operator (`mes run`), and what a person asks beside it.

use std::process::ExitCode;

use clap::Parser;
use managed_external_secrets::cli::Cli;

fn main() -> ExitCode {
    // Before anything can open a TLS connection: two providers in one process would each be half chosen.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("error: another provider of cryptography than ring was installed in this process");
        return ExitCode::FAILURE;
    }
    Cli::parse().run()
}

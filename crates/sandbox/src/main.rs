//! `sandbox`: the stand-ins behind HTTP, until Ctrl-C or SIGTERM.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use clap::Parser;

/// Secrets Manager in several regions, STS and the partners' APIs, for tests and demonstrations. Nothing is kept.
#[derive(Parser)]
#[command(name = "sandbox", after_long_help = sandbox::control::HELP)]
struct Arguments {
    /// Address of AWS's endpoint and of the control API.
    #[arg(long, default_value = "127.0.0.1:4599")]
    listen: SocketAddr,
    /// Address of the partners, over TLS.
    #[arg(long, default_value = "127.0.0.1:0")]
    partners_listen: SocketAddr,
    /// Folder for `ca.pem`; a temporary one if absent.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Makes every id repeatable.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let options = sandbox::Options {
        listen: arguments.listen,
        partners_listen: arguments.partners_listen,
        dir: arguments.dir,
        seed: arguments.seed,
    };
    let served = sandbox::serve(options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", served.url())?;
    writeln!(out, "partners on https://{}", served.partners_addr())?;
    writeln!(out, "ca {}", served.ca_path().display())?;
    out.flush()?;
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminated.recv() => Ok(()),
    }
}

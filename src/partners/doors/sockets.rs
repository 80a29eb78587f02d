//! The two acts by which the dialer leaves the process: a name is resolved, an address is connected to.
//!
//! Invariant: nobody else in this program does either for a partner (clippy.toml, tests/tidy.rs), so that whoever counts here
//! counts everything. What is read of one connection is bounded, whatever is spoken over it. Called by the dialer alone.
#![allow(clippy::disallowed_methods, reason = "the one file that resolves and connects; clippy.toml bans it elsewhere")]

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Join, Take};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The most that is read of one connection, TLS and all: a handshake, and an answer of 1 MiB with its framing. What has no
/// bound of its own ends here: 1xx answers, chunks of one byte, notices, rows.
pub(super) const MOST_READ: u64 = 2 * 1024 * 1024;

/// A connection that ends after [`MOST_READ`].
pub(super) type Stream = Join<Take<OwnedReadHalf>, OwnedWriteHalf>;

/// Resolving and connecting.
#[async_trait]
pub(super) trait Sockets: Send + Sync {
    /// All addresses of `name`, which ends in a dot: no search list.
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>>;

    /// A connection, and whom it reached.
    async fn connect(&self, address: SocketAddr) -> io::Result<(TcpStream, IpAddr)>;
}

/// The operating system's.
pub(super) struct System;

#[async_trait]
impl Sockets for System {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<(TcpStream, IpAddr)> {
        let stream = TcpStream::connect(address).await?;
        let peer = stream.peer_addr()?.ip();
        Ok((stream, peer))
    }
}

/// The same connection, bounded.
pub(super) fn bounded(stream: TcpStream) -> Stream {
    let (read, write) = stream.into_split();
    ending(read, write)
}

fn ending<R: AsyncRead, W: AsyncWrite>(read: R, write: W) -> Join<Take<R>, W> {
    tokio::io::join(read.take(MOST_READ), write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t39_a_connection_ends_when_enough_was_read() {
        let mut endless = ending(tokio::io::repeat(b'x'), tokio::io::sink());
        let mut buffer = vec![0; 1 << 16];
        let mut all = 0;
        loop {
            match endless.read(&mut buffer).await.unwrap() {
                0 => break,
                some => all += some as u64,
            }
        }
        assert_eq!(all, MOST_READ);
    }
}

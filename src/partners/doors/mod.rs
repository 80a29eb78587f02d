//! The ways out to partners: a request over HTTPS, a login at a server's console.
//!
//! Invariant: nobody else in `partners` opens anything. [`open`] makes the real ones over the dialer; the simulation plugs
//! its own. A door takes a [`Destination`], never a URL or a host.

mod address;
mod counted;
mod dialer;
mod host;
mod http;
mod loopback;
mod postgresql;
mod sockets;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::partner::PartnerType;
use mes_core::scope::Granted;
use mes_core::secret::Sensitive;
use mes_core::shown::Code;
use mes_core::spec::Origin;

use self::http::Https;
use dialer::Dialer;
pub use dialer::Egress;
pub(crate) use host::is_pattern as is_host_pattern;
pub use loopback::{Loopback, LoopbackProblem};
use postgresql::PostgreSql;

/// Where a call goes, for which partner type, in which verb.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The one place that the acting credential may be sent to.
    pub origin: &'a Granted<Origin>,
    /// Whose vendor hosts bound an origin that no account names.
    pub partner: &'static PartnerType,
    /// The verb of [`super::Partner`] that calls: for metrics.
    pub verb: &'static str,
}

/// Both doors. Cheap to clone.
#[derive(Clone)]
pub struct Doors {
    /// HTTPS.
    pub http: Arc<dyn Http>,
    /// Servers that one logs in to (PostgreSQL).
    pub console: Arc<dyn Console>,
}

/// Told of every call to a partner: partner type, verb, and code (`ok`, HTTP status, SQLSTATE, or our own).
pub type Calls = Arc<dyn Fn(&'static str, &'static str, &str) + Send + Sync>;

/// The real doors over one dialer. `budget` is the longest that one exchange, or one login with its statements, may take
/// (10 s, PROTOCOL section 0). `calls` is told of each.
pub fn open(egress: Egress, budget: Duration, calls: Calls) -> Doors {
    let dialer = Arc::new(Dialer::new(egress));
    let http = Arc::new(Https::new(dialer.clone(), budget));
    let console = Arc::new(PostgreSql::new(dialer, budget));
    counted::doors(http, console, calls)
}

/// One HTTPS exchange.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends `request`, whose target is in origin form (path and query), below the origin's path. Gives any answer that
    /// was read whole, whatever its status; a redirect is a fault. Bytes of the answer may be secret: parse and drop them.
    async fn send(
        &self,
        to: Destination<'_>,
        request: ::http::Request<Bytes>,
    ) -> Result<::http::Response<Bytes>, Fault>;
}

/// A server with logins and commands.
#[async_trait]
pub trait Console: Send + Sync {
    /// Logs in. `None`: the server definitely refused these bytes.
    async fn login(&self, to: Destination<'_>, login: &Login<'_>) -> Result<Option<Box<dyn Session>>, Fault>;
}

/// Who logs in.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// The user's or role's name.
    pub user: &'a str,
    /// Its password.
    pub password: &'a Sensitive,
    /// The database, where the server has several.
    pub database: &'a str,
}

/// A row of an answer, in text form; `None` is SQL's NULL.
pub type Row = Vec<Option<Sensitive>>;

/// A login that lasts until dropped.
#[async_trait]
pub trait Session: Send {
    /// Runs one command (for SQL one statement, made by the typed encoders). The inner error is the server's own code: the
    /// command had no effect. A fault after sending is `Unknown`.
    async fn run(&mut self, command: &[Sensitive]) -> Result<Result<Vec<Row>, Code>, Fault>;
}

#[cfg(test)]
mod forbidden_tests;

/// A request that is refused and will be again.
pub(crate) fn rejected(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Rejected, code)
}

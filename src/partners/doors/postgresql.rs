//! Logins and statements at a PostgreSQL server.
//!
//! Invariant (SECURITY section 7, step 9): no DSN, no service or password file, no Unix socket; TLS with the name checked,
//! and SCRAM bound to the channel, so that no relay learns or uses a password. Names in a statement mean the server's own
//! tables, functions and operators, whatever the database's owner set. Of an error only its SQLSTATE is kept.
//! tokio_postgres logs statements at DEBUG: the log filter caps it at WARN.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::secret::Sensitive;
use mes_core::shown::Code;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::dialer::{Dialer, refused, unsent};
use super::sockets::Stream;
use super::{Console, Destination, Login, Row, Session, trust};

/// The most rows of an answer that are taken: we ask for a role or two.
const MOST_ROWS: usize = 1000;

/// The real door.
pub(super) struct PostgreSql {
    dialer: Arc<Dialer>,
    budget: Duration,
}

impl PostgreSql {
    pub(super) fn new(dialer: Arc<Dialer>, budget: Duration) -> Self {
        Self { dialer, budget }
    }

    async fn opened(&self, to: Destination<'_>, login: &Login<'_>) -> Result<Option<(Client, Driven)>, Fault> {
        let dialed = self.dialer.dial(to, "postgresql").await?;
        let mut tls = MakeRustlsConnect::new((*dialed.tls).clone());
        let tls = MakeTlsConnect::<Stream>::make_tls_connect(&mut tls, &dialed.host).map_err(|_| refused("Host"))?;
        match config(login).connect_raw(dialed.stream, tls).await {
            Ok((client, connection)) => {
                let task = tokio::spawn(async move {
                    // Its error reaches the caller through the client; notices are dropped unread.
                    let _ = connection.await;
                });
                Ok(Some((client, Driven(task))))
            }
            Err(error) => not_logged_in(&error).map(|()| None),
        }
    }
}

#[async_trait]
impl Console for PostgreSql {
    async fn login(&self, to: Destination<'_>, login: &Login<'_>) -> Result<Option<Box<dyn Session>>, Fault> {
        let deadline = Instant::now() + self.budget;
        // No statement was sent: whatever went wrong, nothing happened.
        let opened = timeout_at(deadline, self.opened(to, login)).await.map_err(|_| unsent("LoginTimeout"))??;
        Ok(opened
            .map(|(client, driven)| Box::new(Statements { client, _driven: driven, deadline }) as Box<dyn Session>))
    }
}

fn config(login: &Login<'_>) -> Config {
    let mut config = Config::new();
    config
        .user(login.user)
        .password(login.password.expose())
        .dbname(login.database)
        .application_name("managed-external-secrets")
        // Whoever owns the database may give it a search_path of its own, and with it tables and operators by our names
        // that run with the admin's rights. What a session is opened with wins.
        .options("-c search_path=pg_catalog")
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(SslNegotiation::Postgres)
        .channel_binding(ChannelBinding::Require);
    config
}

/// `Ok`: the server definitely refused these bytes.
fn not_logged_in(error: &tokio_postgres::Error) -> Result<(), Fault> {
    let Some(server) = error.as_db_error() else {
        // No server's answer: TLS, no channel binding, connection lost. tokio_postgres tells most of these apart in words
        // alone, which may quote; whichever it was, no statement was sent.
        return Err(unsent(trust::code(error, "NotLoggedIn")));
    };
    let code = server.code();
    if *code == SqlState::INVALID_PASSWORD || no_login(server) {
        return Ok(());
    }
    // Another 28000 is pg_hba.conf: a matter of where we come from, not of these bytes.
    let denied = [&SqlState::INVALID_AUTHORIZATION_SPECIFICATION, &SqlState::INSUFFICIENT_PRIVILEGE].contains(&code);
    let gone = *code == SqlState::INVALID_CATALOG_NAME;
    let kind = match () {
        () if denied => FaultKind::Denied,
        () if gone => FaultKind::Rejected,
        () => FaultKind::Unsent,
    };
    Err(Fault::new(Place::Partner, kind, code.code()))
}

/// `NOLOGIN`: told after the password was found right, as 28000 by the routine that sets up the session.
fn no_login(server: &DbError) -> bool {
    *server.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        && server.routine().is_some_and(|routine| routine.starts_with("InitializeSessionUserId"))
}

/// The task that moves the bytes; it ends with the session.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Statements {
    client: Client,
    _driven: Driven,
    deadline: Instant,
}

#[async_trait]
impl Session for Statements {
    async fn run(&mut self, command: &[Sensitive]) -> Result<Result<Vec<Row>, Code>, Fault> {
        let [statement] = command else { return Err(refused("OneStatement")) };
        // A process that stood still wakes with the answer before this one in hand, and a timeout asks what it limits once
        // before it looks at the time: the statement would go out, onto what another leader has made of the role since.
        if Instant::now() >= self.deadline {
            return Err(unsent("Timeout"));
        }
        let asked = self.client.simple_query(statement.expose());
        let answer = timeout_at(self.deadline, asked).await.map_err(|_| unknown("Timeout"))?;
        match answer {
            Ok(messages) => rows(messages).map(Ok),
            Err(error) => match error.code() {
                Some(code) => Ok(Err(Code::parse(code.code()))),
                None => Err(unknown("ConnectionLost")),
            },
        }
    }
}

fn rows(messages: Vec<SimpleQueryMessage>) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let cell = |index: usize| row.try_get(index).map(|cell| cell.map(|text| Sensitive::new(text.to_owned())));
            rows.push((0..row.len()).map(cell).collect::<Result<Row, _>>().map_err(|_| unknown("UnexpectedRow"))?);
        }
        if rows.len() > MOST_ROWS {
            return Err(unknown("TooLarge"));
        }
    }
    Ok(rows)
}

fn unknown(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, code)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_postgres::NoTls;

    use super::*;

    /// AuthenticationOk and ReadyForQuery.
    const WELCOME: [u8; 15] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0, b'Z', 0, 0, 0, 5, b'I'];

    async fn session(deadline: Instant) -> (Statements, DuplexStream) {
        let (ours, mut server) = tokio::io::duplex(4096);
        let mut config = Config::new();
        config.user("admin").ssl_mode(SslMode::Disable);
        let serve = async {
            let mut startup = [0; 4096];
            assert!(server.read(&mut startup).await.expect("a startup message") > 0);
            server.write_all(&WELCOME).await.expect("written");
        };
        let (connected, ()) = tokio::join!(config.connect_raw(ours, NoTls), serve);
        let (client, connection) = connected.expect("logged in");
        let driven = tokio::spawn(async move {
            let _ = connection.await;
        });
        (Statements { client, _driven: Driven(driven), deadline }, server)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_wakes_after_its_time_sends_no_statement() {
        let (mut session, mut server) = session(Instant::now() + Duration::from_secs(10)).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let fault = session.run(&[Sensitive::new("alter role one nologin".to_owned())]).await.expect_err("too late");
        let mut heard = [0; 64];
        let heard = tokio::time::timeout(Duration::from_secs(1), server.read(&mut heard)).await;
        assert!(heard.is_err(), "the server heard something");
        assert_eq!(fault.kind, FaultKind::Unsent);
        drop(session);
    }
}

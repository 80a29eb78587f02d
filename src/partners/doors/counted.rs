//! Doors that tell of every call: partner type, verb, code. For metrics.
//!
//! Invariant: what is told is a status, an SQLSTATE or a fault's code; nothing of a request or an answer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mes_core::fault::Fault;
use mes_core::secret::Sensitive;
use mes_core::shown::Code;

use super::{Calls, Console, Destination, Doors, Http, Login, Row, Session};

/// Both doors, told of.
pub(super) fn doors(http: Arc<dyn Http>, console: Arc<dyn Console>, calls: Calls) -> Doors {
    Doors {
        http: Arc::new(Counted { door: http, calls: calls.clone() }),
        console: Arc::new(Counted { door: console, calls }),
    }
}

struct Counted<D: ?Sized> {
    calls: Calls,
    door: Arc<D>,
}

#[async_trait]
impl Http for Counted<dyn Http> {
    async fn send(&self, to: Destination<'_>, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Fault> {
        let answer = self.door.send(to, request).await;
        let code = answer.as_ref().map(|answer| answer.status().as_str().to_owned());
        (self.calls)(to.partner.name, to.verb, &code.unwrap_or_else(|fault| fault.code.to_string()));
        answer
    }
}

#[async_trait]
impl Console for Counted<dyn Console> {
    async fn login(&self, to: Destination<'_>, login: &Login<'_>) -> Result<Option<Box<dyn Session>>, Fault> {
        let answer = self.door.login(to, login).await;
        let code = match &answer {
            Ok(Some(_)) => "ok",
            Ok(None) => "refused",
            Err(fault) => fault.code.as_str(),
        };
        (self.calls)(to.partner.name, to.verb, code);
        let session = answer?;
        Ok(session.map(|session| {
            let told = Told { session, partner: to.partner.name, verb: to.verb, calls: self.calls.clone() };
            Box::new(told) as Box<dyn Session>
        }))
    }
}

struct Told {
    session: Box<dyn Session>,
    partner: &'static str,
    verb: &'static str,
    calls: Calls,
}

#[async_trait]
impl Session for Told {
    async fn run(&mut self, command: &[Sensitive]) -> Result<Result<Vec<Row>, Code>, Fault> {
        let answer = self.session.run(command).await;
        let code = match &answer {
            Ok(Ok(_)) => "ok",
            Ok(Err(code)) => code.as_str(),
            Err(fault) => fault.code.as_str(),
        };
        (self.calls)(self.partner, self.verb, code);
        answer
    }
}

//! What the admin reads and changes of a role.
//!
//! Invariant: one statement a change, so that no crash leaves half of it; names and verifiers enter a statement through the
//! typed encoders alone. A role that is reserved, missing, the admin's own or has power over others, itself or by a role
//! that it is a member of, is refused.

use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::secret::{Sensitive, Value};
use postgres_protocol::password::scram_sha_256;

use crate::partners::doors::{Login, Row, Session, rejected};
use crate::partners::encode::{Identifier, Literal, Sql, statement};
use crate::partners::{Bound, Doors};

/// Whether a role may log in, and whether it, or any role that it is a member of, has power over others.
///
/// `member` sees through every chain of memberships, whatever they inherit: `SET ROLE` needs no inheritance, attributes are
/// never inherited, and whoever has the ADMIN option alone may give itself the rest. Of the server's own roles those are
/// harmless which reach nobody's data, session or setting; one that a later server adds is not known to be. Who owns the
/// database that we are in is a member of `pg_database_owner`.
const POWERS: &str = "select r.rolcanlogin, exists (select from pg_roles g where pg_has_role(r.oid, g.oid, 'member') \
                      and (g.rolsuper or g.rolcreaterole or g.rolreplication or g.rolbypassrls or g.rolname = 'postgres' \
                      or left(g.rolname, 3) = 'pg_' and g.rolname not in \
                      ('pg_database_owner', 'pg_checkpoint', 'pg_use_reserved_connections'))) \
                      from pg_roles r where r.rolname = ";

/// A session of the account's admin.
pub(super) struct Admin {
    session: Box<dyn Session>,
}

/// What is read of a role.
pub(super) struct Role {
    pub(super) can_login: bool,
}

impl Admin {
    /// Logs in as the acting credential.
    pub(super) async fn login(doors: &Doors, bound: &Bound, verb: &'static str) -> Result<Self, Fault> {
        let user = bound.acting_field("username")?;
        let password = bound.acting_field("password")?;
        let database = database(bound, bound.acting()).unwrap_or("postgres");
        let login = Login { user: user.expose(), password, database };
        let session = doors.console.login(bound.destination(super::describe(), verb), &login).await?;
        let session = session.ok_or_else(|| Fault::new(Place::Partner, FaultKind::Denied, "28P01"))?;
        Ok(Self { session })
    }

    /// The role, if it is one that may be rotated.
    pub(super) async fn role(&mut self, bound: &Bound, name: &str) -> Result<Role, Fault> {
        if bound.acting_field("username")?.expose() == name {
            return Err(rejected("RotatesOwnAdmin"));
        }
        if super::describe().is_reserved(name) {
            return Err(rejected("RoleReserved"));
        }
        let literal = Literal::of(name).ok_or_else(|| rejected("RoleName"))?;
        let asked = statement(&[Sql::Words(POWERS), Sql::Literal(&literal)]);
        let rows = run(self.session.as_mut(), asked).await?;
        let [row] = rows.as_slice() else { return Err(rejected("RoleMissing")) };
        match (truth(row, 0)?, truth(row, 1)?) {
            (_, true) => Err(rejected("RoleReserved")),
            (can_login, false) => Ok(Role { can_login }),
        }
    }

    /// Makes the role accept this password, and log in at all.
    pub(super) async fn fill(&mut self, name: &str, password: &Sensitive) -> Result<(), Fault> {
        let role = Identifier::of(name).ok_or_else(|| rejected("RoleName"))?;
        let verifier = Sensitive::new(scram_sha_256(password.expose().as_bytes()));
        let verifier = Literal::of(verifier.expose()).ok_or_else(|| rejected("Verifier"))?;
        let filled = statement(&[
            Sql::Words("alter role "),
            Sql::Identifier(&role),
            Sql::Words(" login password "),
            Sql::Literal(&verifier),
        ]);
        run(self.session.as_mut(), filled).await.map(drop)
    }

    /// Makes the role accept no login.
    pub(super) async fn empty(&mut self, name: &str) -> Result<(), Fault> {
        let role = Identifier::of(name).ok_or_else(|| rejected("RoleName"))?;
        let parts = [Sql::Words("alter role "), Sql::Identifier(&role), Sql::Words(" nologin password null")];
        run(self.session.as_mut(), statement(&parts)).await.map(drop)
    }
}

/// Which database is logged in to: the parameter, else that of the value, else that of the endpoint.
pub(super) fn database<'a>(bound: &'a Bound, value: Option<&'a Value>) -> Option<&'a str> {
    let of_value = value.and_then(|value| value.get("dbname")).map(Sensitive::expose);
    let of_endpoint = Some(bound.origin().path.trim_matches('/')).filter(|path| !path.is_empty());
    bound.parameter("dbname").or(of_value).or(of_endpoint)
}

/// The one text that a statement gives.
pub(super) async fn one_text(session: &mut dyn Session, words: &'static str) -> Result<Sensitive, Fault> {
    let mut rows = run(session, statement(&[Sql::Words(words)])).await?;
    let text = rows.pop().filter(|_| rows.is_empty()).and_then(|mut row| row.pop().flatten());
    text.ok_or_else(unexpected)
}

async fn run(session: &mut dyn Session, statement: Sensitive) -> Result<Vec<Row>, Fault> {
    session.run(&[statement]).await?.map_err(|code| refusal(code.as_str()))
}

/// An error of the server: the statement had no effect.
fn refusal(code: &str) -> Fault {
    let kind = match code {
        // insufficient_privilege, invalid_authorization_specification.
        "42501" | "28000" | "28P01" => FaultKind::Denied,
        _ => match code.get(..2) {
            // Transaction rollback, object in use, too few resources, operator intervention, system error: again later.
            Some("40" | "55" | "53" | "57" | "58") => FaultKind::Unsent,
            _ => FaultKind::Rejected,
        },
    };
    Fault::new(Place::Partner, kind, code)
}

fn truth(row: &Row, column: usize) -> Result<bool, Fault> {
    match row.get(column).and_then(Option::as_ref).map(Sensitive::expose) {
        Some("t") => Ok(true),
        Some("f") => Ok(false),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, "UnexpectedRow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_server_had_no_effect_and_says_whose_fault_it_is() {
        let table = [
            ("42501", FaultKind::Denied),
            ("28P01", FaultKind::Denied),
            ("42704", FaultKind::Rejected),
            ("25006", FaultKind::Rejected),
            ("53300", FaultKind::Unsent),
            ("57P01", FaultKind::Unsent),
            ("40P01", FaultKind::Unsent),
        ];
        for (code, kind) in table {
            assert_eq!(refusal(code).kind, kind, "{code}");
            assert!(refusal(code).surely_nothing_happened());
        }
    }
}

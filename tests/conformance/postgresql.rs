//! PostgreSQL, a real one: TLS with the name checked, SCRAM bound to the channel.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use async_trait::async_trait;
use managed_external_secrets::clock::SystemRandom;
use mes_core::facts::Acceptance;
use mes_core::fault::FaultKind;
use mes_core::names::{CredentialId, ObjectName, Slot};
use mes_core::secret::Value;
use mes_core::spec::Origin;
use xtask::PostgreSql;

use crate::bench::{Bench, World, drivers, text, value, version, with};

/// One server for all tests of this process; each test has roles of its own.
fn server() -> &'static PostgreSql {
    static SERVER: OnceLock<PostgreSql> = OnceLock::new();
    SERVER.get_or_init(|| PostgreSql::start().unwrap())
}

async fn psql(sql: String) -> String {
    tokio::task::spawn_blocking(move || server().psql(&sql).unwrap()).await.unwrap()
}

async fn psql_in(database: &str, sql: &str) -> String {
    psql(format!("\\connect {database}\n{sql}")).await
}

struct Server {
    /// The role that a candidate is for.
    place: String,
}

/// Two login roles below a NOLOGIN owner, the first in use; an admin with CREATEROLE and nothing more.
pub(crate) async fn two_roles() -> Bench {
    roles(true).await
}

/// One login role, in use, whose password is replaced in place; the same admin.
pub(crate) async fn one_role() -> Bench {
    roles(false).await
}

async fn roles(two: bool) -> Bench {
    static NUMBER: AtomicU16 = AtomicU16::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let (one, other, admin) = (format!("app{number}_a"), format!("app{number}_b"), format!("rotator{number}"));
    let password = format!("first-{number}-{}", "x".repeat(32));
    psql(format!(
        "create role owner{number} nologin;
         create role {one} login password '{password}' in role owner{number};
         create role {other} nologin in role owner{number};
         alter role {one} set role owner{number};
         alter role {other} set role owner{number};
         create role {admin} login createrole password 'admin-{number}';"
    ))
    .await;
    let (host, port) = (server().host(), server().port());
    let (partner, unreachable, calls) = drivers("PostgreSQLRole", host, port, server().ca_pem_path());
    let names = if two { vec![one.clone(), other.clone()] } else { vec![one.clone()] };
    let keys = ["username", "alternateUsername"].map(str::to_owned);
    let place = names.last().cloned().unwrap_or_default();
    Bench {
        partner,
        unreachable,
        world: Box::new(Server { place }),
        current: value([
            ("host", host),
            ("port", "5432"),
            ("dbname", "postgres"),
            ("username", &one),
            ("password", &password),
        ]),
        slots: names.iter().map(|name| Slot::parse(name.clone()).unwrap()).collect(),
        origin: Origin {
            scheme: "postgresql".to_owned(),
            host: host.to_owned(),
            port: 5432,
            path: String::new(),
            ca_bundle: None,
            private_networks: Vec::new(),
            account: Some(ObjectName::parse("main").unwrap()),
        },
        identities: names.clone(),
        parameters: keys.into_iter().zip(names).collect(),
        admin: Some(value([("username", admin.as_str()), ("password", &format!("admin-{number}"))])),
        calls,
    }
}

#[async_trait]
impl World for Server {
    async fn accepts(&self, value: &Value) -> bool {
        let (user, password) = (text(value, "username").to_owned(), text(value, "password").to_owned());
        let asked = move || server().psql_as(&user, &password, "select 1").unwrap().status.success();
        tokio::task::spawn_blocking(asked).await.unwrap()
    }

    async fn intrude(&self) -> Value {
        let password = "somebody-elses-0123456789";
        psql(format!("alter role {} login password '{password}'", self.place)).await;
        value([
            ("host", server().host()),
            ("port", "5432"),
            ("dbname", "postgres"),
            ("username", &self.place),
            ("password", password),
        ])
    }

    fn lose_the_next_answer(&self) -> bool {
        false
    }

    fn wrong(&self, value: &Value) -> Value {
        with(value, "password", "not-the-password-0123456789")
    }

    fn elsewhere(&self, value: &Value) -> Value {
        with(value, "host", "other.databases.svc")
    }
}

/// The faults of everything that would touch `role`.
async fn refused(bench: &mut Bench, role: &str) -> Vec<(FaultKind, String)> {
    let slot = Slot::parse(role).unwrap();
    bench.slots = vec![bench.slots[0].clone(), slot.clone()];
    bench.identities.push(role.to_owned());
    let bound = bench.bound();
    let aimed = bench.partner.compose(&bound, Some(&bench.current), Some(&slot), &SystemRandom).unwrap();
    let id = CredentialId::parse(format!("{role}@{}", version(1))).unwrap();
    let faults = [
        bench.partner.list(&bound, &[]).await.unwrap_err(),
        bench.partner.register(&bound, &aimed).await.unwrap_err(),
        bench.partner.revoke(&bound, &id, Some(&aimed)).await.unwrap_err(),
    ];
    faults.into_iter().map(|fault| (fault.kind, fault.code.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_with_power_a_missing_one_and_the_admins_own_are_never_touched() {
    let mut bench = two_roles().await;
    let tail = text(&bench.current, "username").to_owned();
    for power in ["superuser", "createrole", "replication", "bypassrls"] {
        psql(format!("create role {power}_{tail} login {power} password 'power-0123456789'")).await;
        let faults = refused(&mut bench, &format!("{power}_{tail}")).await;
        assert_eq!(faults, vec![(FaultKind::Rejected, "RoleReserved".to_owned()); 3], "{power}");
    }
    for reserved in ["postgres", "pg_monitor"] {
        let faults = refused(&mut bench, reserved).await;
        assert_eq!(faults, vec![(FaultKind::Rejected, "RoleReserved".to_owned()); 3], "{reserved}");
    }
    let faults = refused(&mut bench, &format!("missing_{tail}")).await;
    assert_eq!(faults, vec![(FaultKind::Rejected, "RoleMissing".to_owned()); 3]);
    let own = text(bench.admin.as_ref().unwrap(), "username").to_owned();
    let faults = refused(&mut bench, &own).await;
    assert_eq!(faults, vec![(FaultKind::Rejected, "RotatesOwnAdmin".to_owned()); 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_a_role_that_is_a_member_of_a_powerful_one_by_any_chain_is_never_touched() {
    let mut bench = two_roles().await;
    let tail = text(&bench.current, "username").to_owned();
    // Powerful by an attribute, which no membership inherits, or by name.
    psql(format!(
        "create role boss_{tail} superuser; create role maker_{tail} createrole;
         create role copier_{tail} replication; create role passer_{tail} bypassrls;"
    ))
    .await;
    let own = ["boss", "maker", "copier", "passer"].map(|power| format!("{power}_{tail}"));
    let servers = "select rolname from pg_roles where oid < 16384 and rolname <> 'admin' order by 1";
    let servers: Vec<String> = psql(servers.to_owned()).await.lines().map(str::to_owned).collect();
    assert!(servers.iter().any(|name| name == "pg_execute_server_program"), "{servers:?}");
    let harmless = ["pg_database_owner", "pg_checkpoint", "pg_use_reserved_connections"];
    let powers = own.iter().map(String::as_str).chain(servers.iter().map(String::as_str));
    for (number, power) in powers.filter(|name| !harmless.contains(name)).enumerate() {
        // The chain of a direct member, of one through two others, and of one that inherits nothing and may only set role.
        let (direct, far, set) =
            (format!("direct{number}_{tail}"), format!("far{number}_{tail}"), format!("set{number}_{tail}"));
        psql(format!(
            "create role {direct} login in role {power};
             create role near{number}_{tail} in role {power}; create role between{number}_{tail} in role near{number}_{tail};
             create role {far} login in role between{number}_{tail};
             create role {set} login noinherit in role {power};"
        ))
        .await;
        for role in [direct, far, set] {
            let faults = refused(&mut bench, &role).await;
            assert_eq!(faults, vec![(FaultKind::Rejected, "RoleReserved".to_owned()); 3], "{role} of {power}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_owns_its_database_and_is_a_member_of_harmless_roles_is_rotated() {
    let mut bench = two_roles().await;
    let (one, other) = (bench.slots[0].to_string(), bench.slots[1].to_string());
    psql(format!("create database home_{one} owner {other}")).await;
    psql(format!("grant pg_checkpoint to {other}")).await;
    bench.parameters.insert("dbname".to_owned(), format!("home_{one}"));
    let candidate = bench.candidate().await;
    assert!(bench.world.accepts(&candidate).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_whoever_owns_the_database_runs_nothing_with_the_admins_rights() {
    let mut bench = two_roles().await;
    let (one, tail) = (bench.slots[1].to_string(), text(&bench.current, "username").to_owned());
    let database = format!("trap_{tail}");
    psql(format!("create database {database} owner {one}")).await;
    psql(format!("alter database {database} set search_path = trap, pg_catalog")).await;
    // Looked at by whoever trusts the path: a table by the server's name that notes who read it and calls every role plain.
    let trap = format!(
        "set role {one}; create schema trap; grant usage on schema trap to public; create table trap.fell (who text);
         grant all on trap.fell to public;
         create function trap.fall() returns boolean language sql volatile as
             'insert into trap.fell values (current_user) returning true';
         create view trap.pg_roles as select oid, rolname, rolcanlogin, false as rolsuper, false as rolcreaterole,
             false as rolreplication, false as rolbypassrls from pg_catalog.pg_roles where trap.fall();
         grant select on trap.pg_roles to public;"
    );
    psql_in(&database, &trap).await;
    bench.parameters.insert("dbname".to_owned(), database.clone());
    bench.candidate().await;
    psql(format!("create role boss_{tail} login superuser")).await;
    let faults = refused(&mut bench, &format!("boss_{tail}")).await;
    assert_eq!(faults, vec![(FaultKind::Rejected, "RoleReserved".to_owned()); 3]);
    assert_eq!(psql_in(&database, "select who from trap.fell").await, "", "nobody fell into it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_somebody_filled_anew_is_not_emptied() {
    let bench = two_roles().await;
    let candidate = bench.candidate().await;
    let foreign = bench.world.intrude().await;
    let id = CredentialId::parse(format!("{}@{}", text(&candidate, "username"), version(2))).unwrap();
    bench.partner.revoke(&bench.bound(), &id, Some(&candidate)).await.unwrap();
    assert!(bench.world.accepts(&foreign).await && !bench.world.accepts(&candidate).await);
    // Held bytes of one slot under the id of the other.
    let crossed = bench.partner.revoke(&bench.bound(), &id, Some(&bench.current)).await.unwrap_err();
    assert_eq!((crossed.kind, crossed.code.as_str()), (FaultKind::Rejected, "AnotherSlot"));
    assert!(bench.world.accepts(&bench.current).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_of_a_role_without_login_is_refused() {
    let bench = two_roles().await;
    let candidate = bench.candidate().await;
    psql(format!("alter role {} nologin", text(&candidate, "username"))).await;
    assert_eq!(bench.partner.verify(&bench.bound(), &candidate).await, Ok(Acceptance::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_admin_and_one_without_rights_are_denied() {
    let bench = two_roles().await;
    let dead = bench.acting(with(bench.admin.as_ref().unwrap(), "password", "dead"));
    assert_eq!(bench.partner.list(&dead, &[]).await.unwrap_err().kind, FaultKind::Denied);
    let user = text(bench.admin.as_ref().unwrap(), "username").to_owned();
    psql(format!("alter role {user} nocreaterole")).await;
    let value = with(&bench.current, "username", bench.slots[1].as_str());
    let fault = bench.partner.register(&bench.bound(), &value).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Denied, "42501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_database_says_nothing_of_the_password() {
    let bench = two_roles().await;
    let elsewhere = with(&bench.current, "dbname", "nowhere");
    let fault = bench.partner.verify(&bench.bound(), &elsewhere).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Rejected, "3D000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_name_is_never_spoken_to() {
    let mut bench = two_roles().await;
    let host = "impostor.databases.svc";
    let (partner, _, _) = drivers("PostgreSQLRole", host, server().port(), server().ca_pem_path());
    bench.origin.host = host.to_owned();
    let value = with(&bench.current, "host", host);
    let fault = partner.verify(&bench.bound(), &value).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "CertificateName"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_connect_is_no_fault_of_the_admin() {
    let bench = two_roles().await;
    let database = format!("closed_{}", text(&bench.current, "username"));
    psql(format!("create database {database}")).await;
    psql(format!("revoke connect on database {database} from public")).await;
    let fault = bench.partner.verify(&bench.bound(), &with(&bench.current, "dbname", &database)).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Rejected, "42501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_for_another_port_or_another_role_is_alien() {
    let bench = two_roles().await;
    let verify = async |value: &Value| bench.partner.verify(&bench.bound(), value).await;
    assert_eq!(verify(&with(&bench.current, "port", "5433")).await, Ok(Acceptance::Alien));
    let user = text(bench.admin.as_ref().unwrap(), "username");
    let admins = with(&bench.current, "username", user);
    assert_eq!(
        verify(&with(&admins, "password", text(bench.admin.as_ref().unwrap(), "password"))).await,
        Ok(Acceptance::Alien)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_by_another_authority_is_never_spoken_to() {
    let bench = two_roles().await;
    let folder = std::env::temp_dir().join(format!("authority-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let stranger = xtask::certificates::Authority::new("a stranger").unwrap();
    std::fs::write(folder.join("ca.pem"), stranger.pem()).unwrap();
    let (stranger, _, _) = drivers("PostgreSQLRole", server().host(), server().port(), &folder.join("ca.pem"));
    let fault = stranger.verify(&bench.bound(), &bench.current).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unsent, "CertificateIssuer"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_never_sees_a_password_in_a_statement() {
    let bench = two_roles().await;
    psql("alter system set log_statement = 'all'; select pg_reload_conf();".to_owned()).await;
    // The reload is seen by new sessions a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let candidate = bench.candidate().await;
    let role = text(&candidate, "username");
    let stored = psql(format!("select rolpassword from pg_authid where rolname = '{role}'")).await;
    assert!(stored.starts_with("SCRAM-SHA-256$"));
    let log = server().ca_pem_path().with_file_name("postgresql.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(&format!("alter role \"{role}\" login password 'SCRAM-SHA-256$")), "the statement was logged");
    assert!(!log.contains(text(&candidate, "password")));
}

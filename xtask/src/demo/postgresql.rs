//! Story 1: a PostgreSQL password that nobody ever knew.

use super::tell::{Held, Teller};
use crate::failure::Result;

const RESOURCE: &str = include_str!("manifests/orders-db.yaml");
const ROTATION: &str = include_str!("manifests/rotation.yaml");
const REGIONS: [&str; 3] = ["us-west-2", "eu-west-1", "ap-southeast-2"];
const AT_AWS: &str = "demo/payments/orders-db";

/// Tells it.
pub(super) fn tell(teller: &Teller<'_>) -> Result<()> {
    teller.title("1. PostgreSQL: a password that nobody ever knew");
    teller.say("The database's administrator made two roles, payments_a and payments_b, that may not log in.");
    for role in ["payments_a", "payments_b"] {
        teller.stage.postgres.psql(&format!("CREATE ROLE {role} NOLOGIN"))?;
    }
    teller.check("at the server: neither role may log in", logins(teller)? == 0)?;
    teller.say("The team declares what it needs. `mint` means: no value to begin with; the operator makes the first.");
    teller.apply(RESOURCE)?;
    teller.wait("Ready", "mes/orders-db", "payments")?;
    teller.say("Ready. The operator made a password, stored it, tried it at the server, and only then delivered it.");
    teller.show("get mes orders-db -n payments")?;
    let first = delivered_everywhere(teller)?;
    teller.check("the Secret payments/orders-db logs in (TLS, channel binding)", logs_in(teller, &first)?)?;
    teller.check("at the server: exactly one of the two roles may log in", logins(teller)? == 1)?;

    teller.say("Somebody wants a new one now: an object of kind Rotation is the request and, later, the record.");
    println!("         $ kubectl create -f - <<EOF");
    ROTATION.lines().for_each(|line| println!("           {line}"));
    println!("         EOF");
    let made = teller.stage.plane.kubectl_with(["create", "-f", "-", "-o", "name"], ROTATION)?;
    let name = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    teller.check(&format!("the API server took it as {name}"), made.status.success() && !name.is_empty())?;
    let rotation = format!("rot/{name}");
    teller.wait("Promoted", &rotation, "payments")?;
    teller
        .say("Promoted: the other role got a new password, it was tried, and it is AWSCURRENT and in the Secret now.");
    teller.show("get rot -n payments")?;
    let second = teller.until("the Secret carries the new password", || {
        let now = teller.secret("orders-db", "payments")?;
        Ok((now != first).then_some(now))
    })?;
    teller.check("the new credential logs in", logs_in(teller, &second)?)?;
    teller.wait("Complete", &rotation, "payments")?;
    teller.say("Complete: regions and Secret carry the new one, the overlap (5s here) is over, the old one is dead.");
    teller.say("(Its end was announced 7s before, so that no older call of anybody's could still be under way.)");
    teller.show(&format!("get rot {name} -n payments"))?;
    teller.check("the old credential is refused by the server", !logs_in(teller, &first)?)?;
    teller
        .check("the new one still logs in, and is the only one", logs_in(teller, &second)? && logins(teller)? == 1)?;
    delivered_everywhere(teller)?;
    let labels = teller.labels_at_aws(AT_AWS)?;
    teller.check("AWS has AWSCURRENT and AWSPREVIOUS, and no other label", labels == ["AWSCURRENT", "AWSPREVIOUS"])
}

/// The Secret, after it was compared with what each region serves.
fn delivered_everywhere(teller: &Teller<'_>) -> Result<Held> {
    let secret = teller.secret("orders-db", "payments")?;
    let mut ids = Vec::new();
    for region in REGIONS {
        let (value, id) = teller.at_aws(AT_AWS, region)?;
        let same = ["username", "password"].iter().all(|field| value.field(field) == secret.field(field));
        teller.check(&format!("{region} serves the same credential as the Secret holds"), same)?;
        ids.push(id);
    }
    ids.dedup();
    teller.check("all three regions serve one and the same version", ids.len() == 1)?;
    Ok(secret)
}

fn logs_in(teller: &Teller<'_>, held: &Held) -> Result<bool> {
    let tried = teller.stage.postgres.psql_as(held.field("username"), held.field("password"), "SELECT 1")?;
    Ok(tried.status.success())
}

fn logins(teller: &Teller<'_>) -> Result<usize> {
    let names = "SELECT rolname FROM pg_roles WHERE rolname IN ('payments_a', 'payments_b') AND rolcanlogin";
    Ok(teller.stage.postgres.psql(names)?.lines().count())
}

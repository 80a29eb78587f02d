//! Story 2: Salesforce, from a value that somebody once typed, to one that nobody knows.

use serde_json::json;

use super::tell::{Held, Teller};
use crate::failure::{Failure, Result};

const RESOURCE: &str = include_str!("manifests/crm.yaml");
const AT_AWS: &str = "demo/payments/crm";

/// Tells it.
pub(super) fn tell(teller: &Teller<'_>) -> Result<()> {
    teller.title("2. Salesforce: from a seed that a person typed");
    teller.say("Somebody made an External Client App in Salesforce and copied its key and secret: they are known now.");
    let app = teller.stage.outside.post("salesforce/apps", &json!({"name": "crm"}))?;
    let seed = Held::of_json(&app);
    let found = logs_in(teller, &seed)?;
    teller.check("at Salesforce: the copied pair logs in, and is the only one", found == (true, 1))?;
    teller.say("They go into a Secret of type managed-secrets.io/seed.");
    teller.create_seed("crm-seed", "payments", &app)?;
    teller.say("The resource names the seed. The credential may rotate itself: no admin account is needed.");
    teller.apply(RESOURCE)?;
    let first = teller.until("the first rotation of crm", || {
        let failed = teller.failed_rotation("crm", "payments")?;
        failed.map_or(Ok(()), |why| Err(Failure::new(format!("the rotation of crm failed: {why}"))))?;
        let done = teller.rotations("crm", "payments")?.into_iter().find(|(_, reason)| reason == "Revoked");
        Ok(done.map(|(name, _)| name))
    })?;
    teller.wait("Ready", "mes/crm", "payments")?;
    teller
        .say("What a person has seen is rotated at once: stored, replaced by a new pair, and the seed's pair revoked.");
    teller.show("get mes crm -n payments")?;
    teller.show(&format!("get rot {first} -n payments"))?;
    let current = teller.secret("crm", "payments")?;
    teller.check("the Secret payments/crm holds another pair than the seed", differs(&current, &seed))?;
    teller
        .check("at Salesforce: the new pair logs in, and is the only one", logs_in(teller, &current)? == (true, 1))?;
    teller.check("at Salesforce: the pair that a person has seen is refused", !logs_in(teller, &seed)?.0)?;
    let (at_aws, _) = teller.at_aws(AT_AWS, "us-west-2")?;
    teller.check("AWS serves the same pair as the Secret holds", !differs(&at_aws, &current))?;
    teller.say("The seed has done its work; the resource says so, and nothing needs it any more.");
    teller.show("delete secret crm-seed -n payments")?;
    teller.stage.plane.kubectl_ok(["annotate", "mes/crm", "-n", "payments", "managed-secrets.io/sync=now"])?;
    teller.wait("Ready", "mes/crm", "payments")?;
    teller.check("without its seed, crm is Ready, and its pair logs in", logs_in(teller, &current)?.0)
}

fn differs(one: &Held, other: &Held) -> bool {
    ["consumerKey", "consumerSecret"].iter().any(|field| one.field(field) != other.field(field))
}

/// Whether Salesforce accepts the pair, and how many pairs of its app it accepts in all.
fn logs_in(teller: &Teller<'_>, held: &Held) -> Result<(bool, u64)> {
    let pair = json!({"consumerKey": held.field("consumerKey"), "consumerSecret": held.field("consumerSecret")});
    let said = teller.stage.outside.post("salesforce/logs-in", &pair)?;
    Ok((said["logs_in"] == true, said["live"].as_u64().unwrap_or_default()))
}

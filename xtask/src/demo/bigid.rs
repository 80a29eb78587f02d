//! Story 3: BigID, rotated by Secrets Manager itself.

use serde_json::json;

use super::tell::Teller;
use crate::failure::Result;
use crate::scratch::random_hex;

const RESOURCE: &str = include_str!("manifests/bigid.yaml");
const AT_AWS: &str = "demo/privacy/bigid";
const REGION: &str = "us-west-2";

/// Tells it.
pub(super) fn tell(teller: &Teller<'_>) -> Result<()> {
    teller.title("3. BigID: rotated by AWS's own engine, followed by us");
    teller.say("For eighteen partners Secrets Manager can rotate by itself. The seed, again, is a value typed once.");
    let seed = json!({"hostname": "acme.bigid.cloud", "refreshToken": format!("demo.{}", random_hex(16)?)});
    teller.create_seed("bigid-seed", "privacy", &seed)?;
    teller.apply(RESOURCE)?;
    teller.wait("Ready", "mes/bigid", "privacy")?;
    teller.say("Ready. The operator made the secret with its Type, the role and the schedule; AWS does the rotations.");
    teller.show("get mes bigid -n privacy")?;
    let described = teller.stage.outside.aws(REGION, "DescribeSecret", &json!({"SecretId": AT_AWS}))?;
    teller.check("at AWS: its Type is BigIDClientSecret", described["Type"] == "BigIDClientSecret")?;
    let schedule = &described["RotationRules"]["ScheduleExpression"];
    let rotated = described["RotationEnabled"] == true && schedule == "rate(30 days)";
    teller.check("at AWS: rotation is enabled, each 30 days", rotated)?;
    let before = teller.until("the Secret carries what AWS made of the seed", || in_step(teller))?;

    let known = teller.rotations("bigid", "privacy")?.len();
    teller.say("Now AWS rotates: here because somebody presses `Rotate secret immediately` in its console.");
    // AWS refuses while it still tries the rotation that the operator has just set up; whoever presses presses again.
    teller.until("AWS to take it", || {
        let now = json!({"SecretId": AT_AWS, "RotateImmediately": true});
        Ok(teller.stage.outside.aws(REGION, "RotateSecret", &now).ok())
    })?;
    let name = teller.until("a Rotation that tells of it", || {
        let all = teller.rotations("bigid", "privacy")?;
        Ok(all
            .get(known..)
            .and_then(|new| new.iter().find(|(_, reason)| !reason.is_empty()))
            .map(|(name, _)| name.clone()))
    })?;
    teller.say(
        "The operator saw it in its next look at the store. It wrote a Rotation, so that all rotations read alike.",
    );
    teller.show(&format!("get rot {name} -n privacy"))?;
    let after = teller.until("the Secret follows", || Ok(in_step(teller)?.filter(|id| *id != before)))?;
    let labels = teller.labels_at_aws(AT_AWS)?;
    teller.check("AWS has AWSCURRENT and AWSPREVIOUS, and no other label", labels == ["AWSCURRENT", "AWSPREVIOUS"])?;
    teller.check("the Secret privacy/bigid holds what AWS serves, and it is another version", after != before)?;
    teller.wait("Ready", "mes/bigid", "privacy")?;
    teller.show("get mes bigid -n privacy")
}

/// The version that AWS serves, once the Secret holds the same token.
fn in_step(teller: &Teller<'_>) -> Result<Option<String>> {
    let secret = teller.secret("bigid", "privacy")?;
    let (at_aws, id) = teller.at_aws(AT_AWS, REGION)?;
    Ok((at_aws.field("refreshToken") == secret.field("refreshToken")).then_some(id))
}

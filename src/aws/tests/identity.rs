//! What is decided upon one secret never meets another (T02, T55).

use super::*;

#[tokio::test]
async fn t55_a_strangers_secret_of_our_name_in_another_region_is_no_replica() {
    let world = world().await;
    let stranger = world.secret(|remote| remote.primary = region(AWAY));
    stranger.create().await.unwrap();
    stranger.put_first(&version(7), &value("strange")).await.unwrap();
    let secret = world.secret(|_| ());
    // Before a Describe it is met by name, afterwards by ARN.
    secret.create().await.unwrap();
    assert_eq!(world.secret(|_| ()).replica(&region(AWAY)).await, Ok(None));
    described(&secret).await;
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(None));
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.replicate(&region(AWAY), None).await.unwrap();
    let replication = &described(&secret).await.replication[&region(AWAY)];
    assert_eq!((replication.state, replication.name_taken), (ReplicationState::Failed, true));
    assert_eq!(password(&stranger.read_current().await.unwrap().unwrap().1), "strange");
}

#[tokio::test]
async fn t02_what_was_decided_upon_one_secret_never_meets_another_of_its_name() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    described(&secret).await;
    // Deleted, and after its window made anew by somebody.
    secret.delete(7).await.unwrap();
    world.served.with(|sandbox| sandbox.advance(jiff::SignedDuration::from_hours(24 * 40)));
    let anew = world.secret(|remote| remote.claim.uid = uid("resource-2"));
    anew.create().await.unwrap();
    assert_eq!(kind_and_code(secret.put_first(&version(1), &value("one")).await).0, FaultKind::NotFound);
    assert!(described(&anew).await.versions.is_empty());
    // A fresh Describe sees what is there now.
    assert_eq!(described(&secret).await.ownership, Ownership::OursBefore(Some(uid("resource-2"))));
}

#[tokio::test]
async fn an_answer_about_another_secret_is_never_ours() {
    let world = world().await;
    let secret = world.secret(|_| ());
    let told = |arn: &str| secret.ours(&region(HOME), Some(arn), FaultKind::Denied).is_ok();
    let ours = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-AbC123";
    assert!(told(ours));
    for other in [
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mes/pay/crm-AbC123",
        "arn:aws:secretsmanager:eu-west-1:210987654321:secret:mes/pay/crm-AbC123",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-2-AbC123",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/cr-AbC123",
        "arn:aws:ssm:eu-west-1:123456789012:secret:mes/pay/crm-AbC123",
        "",
    ] {
        assert!(!told(other), "{other}");
    }
    assert!(secret.ours(&region(HOME), None, FaultKind::Denied).is_err());
    // Once it is described, another suffix is another secret.
    secret.know(Some(Arn::parse(ours).unwrap()));
    assert!(told(ours) && !told(&ours.replace("AbC123", "XyZ789")));
}

#[tokio::test]
async fn a_secret_of_another_account_is_not_taken_for_ours() {
    let world = world().await;
    world.secret(|_| ()).create().await.unwrap();
    let other = |remote: &mut RemoteSecret| remote.account = Some(AccountId::parse("999999999999").unwrap());
    let wrong = world.secret(other);
    assert_eq!(kind_and_code(wrong.describe().await), (FaultKind::Denied, "WrongAccount".to_owned()));
    let made = world.secret(|remote| {
        other(remote);
        remote.name = SecretName::parse("mes/pay/other").unwrap();
    });
    let fault = made.create().await.unwrap_err();
    assert!(!fault.surely_nothing_happened(), "it was made, in the wrong account");
}

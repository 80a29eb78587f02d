//! A secret's life, call by call: made, filled, promoted, replicated, claimed, deleted.

use super::*;

#[tokio::test]
async fn a_secret_is_made_filled_promoted_replicated_and_deleted() {
    let world = world().await;
    let secret = world.secret(|_| ());
    assert_eq!(secret.describe().await, Ok(None));

    secret.create().await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.ownership, Ownership::Ours);
    assert!(seen.versions.is_empty() && seen.rotation.is_none() && seen.replica_of.is_none());
    assert!(secret.read_current().await.unwrap().is_none());

    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.put_pending(&version(2), &value("two")).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.current(), Some(&version(1)));
    assert_eq!(seen.labelled(Stage::PENDING), Some(&version(2)));
    assert_eq!(password(&secret.read(&version(2)).await.unwrap().unwrap()), "two");
    assert!(secret.read(&version(3)).await.unwrap().is_none());

    secret.promote(&version(2), Some(&version(1))).await.unwrap();
    secret.discard_pending(&version(2)).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.current(), Some(&version(2)));
    assert_eq!(seen.labelled(Stage::PREVIOUS), Some(&version(1)));
    assert_eq!(seen.labelled(Stage::PENDING), None);
    let (told, current) = secret.read_current().await.unwrap().unwrap();
    assert_eq!((told, password(&current)), (version(2), "two"));

    let key = KmsKey::parse("alias/away").unwrap();
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(None));
    secret.replicate(&region(AWAY), Some(&key)).await.unwrap();
    // The copy is made by the next call that finds it due.
    let seen = described(&secret).await;
    assert_eq!(seen.replication[&region(AWAY)].state, ReplicationState::InSync);
    assert_eq!(seen.replication[&region(AWAY)].kms_key.as_deref(), Some("alias/away"));
    assert_eq!(secret.replica(&region(AWAY)).await, Ok(Some(Replica { current: Some(version(2)) })));

    assert_eq!(kind_and_code(secret.delete(30).await), (FaultKind::WrongState, "HasReplicas".to_owned()));
    secret.remove_replica(&region(AWAY)).await.unwrap();
    secret.delete(7).await.unwrap();
    assert!(described(&secret).await.scheduled_for_deletion);
    let refused = (FaultKind::WrongState, "ScheduledForDeletion".to_owned());
    assert_eq!(kind_and_code(secret.read(&version(2)).await), refused);
    assert_eq!(kind_and_code(secret.put_pending(&version(3), &value("x")).await), refused);
    assert_eq!(kind_and_code(secret.create().await), refused);
}

#[tokio::test]
async fn a_promotion_from_a_version_that_is_not_current_moves_nothing() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.put_pending(&version(2), &value("two")).await.unwrap();
    for from in [None, Some(version(2))] {
        let (kind, _) = kind_and_code(secret.promote(&version(2), from.as_ref()).await);
        assert_eq!(kind, FaultKind::Conflict);
    }
    secret.promote(&version(2), Some(&version(1))).await.unwrap();
    assert_eq!(kind_and_code(secret.promote(&version(2), Some(&version(1))).await).0, FaultKind::Conflict);
    assert_eq!(described(&secret).await.current(), Some(&version(2)));
}

#[tokio::test]
async fn the_same_bytes_again_are_a_success_and_other_bytes_are_refused() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    assert_eq!(kind_and_code(secret.create().await).0, FaultKind::Exists);
    secret.put_first(&version(1), &value("one")).await.unwrap();
    for _ in 0..2 {
        secret.put_pending(&version(2), &value("two")).await.unwrap();
    }
    assert_eq!(kind_and_code(secret.put_pending(&version(2), &value("other")).await).0, FaultKind::Exists);
    assert_eq!(password(&secret.read(&version(2)).await.unwrap().unwrap()), "two");
}

#[tokio::test]
async fn a_secret_that_others_made_is_claimed_with_nothing_else_changed() {
    let world = world().await;
    let secret = world.secret(|_| ());
    let client = secret.session.client(&region(HOME)).await.unwrap();
    let theirs = aws_sdk_secretsmanager::types::Tag::builder().key("made-by").value("terraform").build();
    client.create_secret().name("mes/pay/crm").tags(theirs).send().await.map_err(drop).unwrap();
    assert_eq!(described(&secret).await.ownership, Ownership::Nobodys);
    secret.claim().await.unwrap();
    assert_eq!(described(&secret).await.ownership, Ownership::Ours);
    let answer = client.describe_secret().secret_id("mes/pay/crm").send().await.map_err(drop).unwrap();
    let keys: Vec<&str> = answer.tags().iter().filter_map(|tag| tag.key()).collect();
    assert!(
        keys.contains(&"made-by")
            && !keys.contains(&"team")
            && keys.contains(&"managed-secrets.io/seal")
            && keys.len() == 7,
        "{keys:?}"
    );
    let stranger = world.secret(|remote| remote.claim.cluster = uid("another-cluster"));
    assert_eq!(described(&stranger).await.ownership, Ownership::Anothers);
}

#[tokio::test]
async fn awss_own_rotation_is_declared_and_described() {
    let world = world().await;
    world.turn(|knobs| knobs.rotation_lag_ms = 0);
    let secret = world.secret(|_| ());
    let bigid: Value = ["hostname", "refreshToken"]
        .map(|name| (name.to_owned(), Sensitive::new(format!("{name}.example.com"))))
        .into_iter()
        .collect();
    let partner_type = PartnerTypeName::parse("BigIDClientSecret").unwrap();
    secret.create_managed(&version(0), &bigid, &partner_type).await.unwrap();
    let delegation = Delegation {
        partner_type,
        metadata: BTreeMap::new(),
        role: RoleArn::parse("arn:aws:iam::123456789012:role/mes-rotation").unwrap(),
        schedule: Some("rate(10 days)".to_owned()),
        window: Some("4h".to_owned()),
        immediately: true,
    };
    secret.delegate(&delegation, true).await.unwrap();
    let seen = described(&secret).await;
    assert_eq!(seen.secret_type.as_deref(), Some("BigIDClientSecret"));
    let rotation = seen.rotation.clone().unwrap();
    assert!(rotation.enabled && !rotation.lambda);
    assert_eq!(rotation.schedule, delegation.schedule);
    assert_eq!(rotation.window, delegation.window);
    assert_eq!(rotation.role.as_deref(), Some(delegation.role.as_str()));
    assert_ne!(seen.current(), Some(&version(0)), "AWS has rotated at once");
    // AWS refuses manual writes to such a secret; we must be told, not believe.
    assert!(secret.put_pending(&version(1), &bigid).await.is_err());
}

#[tokio::test]
async fn an_observed_secret_is_read_from_a_replica_and_never_written() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    secret.put_first(&version(1), &value("one")).await.unwrap();
    secret.replicate(&region(AWAY), None).await.unwrap();
    described(&secret).await;
    let observed = world.secret(|remote| {
        remote.primary = region(AWAY);
        remote.read_only = true;
    });
    assert_eq!(described(&observed).await.replica_of, Some(region(HOME)));
    assert_eq!(password(&observed.read(&version(1)).await.unwrap().unwrap()), "one");
    let before = world.calls().len();
    let refused = (FaultKind::Undeclared, "ReadOnly".to_owned());
    assert_eq!(kind_and_code(observed.create().await), refused);
    assert_eq!(kind_and_code(observed.claim().await), refused);
    assert_eq!(kind_and_code(observed.put_pending(&version(2), &value("x")).await), refused);
    assert_eq!(kind_and_code(observed.promote(&version(2), None).await), refused);
    assert_eq!(kind_and_code(observed.delete(30).await), refused);
    assert_eq!(world.calls().len(), before);
    // Where a replica is not only observed, AWS refuses by itself.
    let replica = world.secret(|remote| remote.primary = region(AWAY));
    let refused = kind_and_code(replica.put_pending(&version(2), &value("x")).await);
    assert_eq!(refused, (FaultKind::WrongState, "ReplicaSecret".to_owned()));
}

#[tokio::test]
async fn plain_text_is_a_field_where_it_is_observed_and_unusable_where_it_is_ours() {
    let world = world().await;
    let secret = world.secret(|_| ());
    secret.create().await.unwrap();
    let client = secret.session.client(&region(HOME)).await.unwrap();
    let put = client.put_secret_value().secret_id("mes/pay/crm").secret_string(CANARY);
    put.client_request_token(version(1).as_str()).send().await.map_err(drop).unwrap();
    assert_eq!(kind_and_code(secret.read_current().await), (FaultKind::Rejected, "NotAnObject".to_owned()));
    let observed = world.secret(|remote| remote.read_only = true);
    let (_, value) = observed.read_current().await.unwrap().unwrap();
    assert_eq!(value.get("value").unwrap().expose(), CANARY);
    let admin = world.aws.admin(&Granted::assume(Admin::StoreSecret(world.remote().into()))).unwrap();
    assert!(admin.read_current().await.unwrap().is_some());
}

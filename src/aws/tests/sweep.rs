//! Lists of what is claimed and what is named.

use super::*;

#[tokio::test]
async fn a_sweep_finds_what_is_claimed_and_what_is_named_page_by_page() {
    let world = world().await;
    let named = |n: usize| SecretName::parse(format!("mes/pay/{n}")).unwrap();
    for n in 0..120 {
        world.secret(|remote| remote.name = named(n)).create().await.unwrap();
    }
    world.secret(|remote| remote.name = named(119)).delete(7).await.unwrap();
    world.secret(|remote| remote.name = named(0)).put_first(&version(1), &value("one")).await.unwrap();
    for n in 120..123 {
        let other = |remote: &mut RemoteSecret| {
            remote.name = named(n);
            remote.claim.cluster = uid("another-cluster");
        };
        world.secret(other).create().await.unwrap();
    }
    let lines = world.aws.sweep(&world.store(|_| ()), &BTreeSet::from([named(121)])).await.unwrap();
    assert_eq!(lines.len(), 121);
    assert_eq!(lines[&named(0)].current, Some(version(1)));
    assert!(lines[&named(0)].changed.is_some());
    assert!(lines[&named(119)].scheduled_for_deletion);
    assert!(lines.contains_key(&named(121)) && !lines.contains_key(&named(120)));
    assert_eq!(world.calls_of("ListSecrets"), 3);

    let denied = Fate::Error { code: "AccessDeniedException".to_owned(), status: None, message: String::new() };
    world.strike("ListSecrets", denied);
    let swept = world.aws.sweep(&world.store(|_| ()), &BTreeSet::new()).await;
    assert_eq!(kind_and_code(swept).0, FaultKind::Denied);
}

#[tokio::test]
async fn a_sweep_lists_as_the_pod_in_its_own_account_and_as_the_role_in_another() {
    let world = world().await;
    for (account, lister) in [
        ("123456789012", "arn:aws:iam::123456789012:user/AKIAPOD"),
        ("210987654321", "arn:aws:sts::210987654321:assumed-role/mes-store/mes-_sweep"),
    ] {
        let role = RoleArn::parse(format!("arn:aws:iam::{account}:role/mes-store")).unwrap();
        let store = world.store(|access| access.role = Some(role));
        world.aws.sweep(&store, &BTreeSet::new()).await.unwrap();
        let (_, caller) = world.calls().into_iter().rfind(|(operation, _)| operation == "ListSecrets").unwrap();
        assert_eq!(caller, lister);
        assert_eq!(world.aws.identity(&store).await.unwrap().as_str(), account);
    }
}

//! What is served, and what of it is granted.

use super::*;

#[test]
fn nothing_is_granted_by_default() {
    let mut empty = minted();
    empty.store().grants.clear();
    empty.account().grants.clear();
    assert_eq!(empty.refusal(), Reason::StoreNotAllowed(object("default")));
    empty.store = Some(store());
    assert_eq!(empty.refusal(), Reason::AccountNotAllowed(object("main")));
    assert!(!IdentityGrants::default().any());
    assert!(IdentityGrants::default().grant("host", "anybody").is_err());
}

#[test]
fn a_resource_that_is_not_served_keeps_all_that_its_deletion_needs() {
    let mut world = seeded();
    world.store = None;
    let resource = world.resource();
    assert!(resource.spec.is_err());
    assert_eq!(*resource.own, world.own);
    assert_eq!(resource.deletion.recovery_window_days, 30);
}

#[test]
fn a_minted_database_credential_is_complete() {
    let spec = minted().spec();
    assert_eq!(spec.scope.store_secret.name.as_str(), "prod/payments/orders");
    assert_eq!(spec.scope.store_secret.claim.owner, "prod/payments/orders");
    assert_eq!(spec.scope.store_secret.access.external_id, "c1u5ter0-0000-4000-8000-000000000000");
    assert!(!spec.scope.store_secret.read_only);
    let origin = spec.scope.origin.as_deref().unwrap();
    assert_eq!(
        (&*origin.scheme, &*origin.host, origin.port, &*origin.path),
        ("postgresql", "db.example.com", 5432, "postgres")
    );
    assert_eq!(origin.private_networks, ["10.0.0.1/32"]);
    assert_eq!(spec.scope.admin.as_deref(), Some(&Admin::Secret(object("admin"))));
    let identities: Vec<_> = spec.scope.identities.iter().map(|identity| identity.as_str()).collect();
    assert_eq!(identities, ["db.example.com/payments_a", "db.example.com/payments_b"]);
    assert_eq!(spec.slots.iter().map(Slot::as_str).collect::<Vec<_>>(), ["payments_a", "payments_b"]);
    assert_eq!(spec.live_limit, Some(2));
    assert_eq!(spec.rotation.overlap, SignedDuration::from_hours(24));
    assert!(!spec.rotation.first_immediately, "nobody knows what was minted");
    assert!(spec.scope.seed.is_none() && spec.scope.targets.contains_key(&TargetName::parse("orders").unwrap()));
}

#[test]
fn slots_keep_the_order_in_which_the_type_names_its_users() {
    let mut world = minted();
    world.partner().parameters = pairs(&[("username", "payments_z"), ("alternateUsername", "payments_a")]);
    assert_eq!(world.spec().slots.iter().map(Slot::as_str).collect::<Vec<_>>(), ["payments_z", "payments_a"]);
}

#[test]
fn without_an_account_a_credential_rotates_itself_where_its_value_says() {
    let spec = seeded().spec();
    assert!(spec.scope.origin.is_none() && spec.scope.admin.is_none() && spec.scope.identities.is_empty());
    assert!(spec.rotation.first_immediately, "a person knows the seed");
    assert!(matches!(spec.rotation.engine, Engine::Operator(_)));
    assert_eq!(spec.scope.seed.as_deref(), Some(&object("seed")));
}

#[test]
fn aws_is_told_the_stores_role_and_the_accounts_admin_alone() {
    let spec = delegated().spec();
    let Engine::SecretsManager(delegation) = &spec.rotation.engine else { panic!("not delegated") };
    assert_eq!(delegation.role.as_str(), "arn:aws:iam::123456789012:role/rotation");
    let arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:dd-AbCdEf";
    assert_eq!(delegation.metadata, pairs(&[("adminSecretArn", arn)]));
    assert_eq!(delegation.schedule.as_deref(), Some("rate(30 days)"));
    assert!(matches!(spec.scope.admin.as_deref(), Some(Admin::StoreSecret(secret)) if secret.read_only));
}

#[test]
fn the_accounts_parameters_hold_for_all_its_users() {
    let mut world = minted();
    world.account().parameters = pairs(&[("username", "payments_a"), ("ofAnotherType", "x")]);
    drop(world.partner().parameters.remove("username"));
    let spec = world.spec();
    assert_eq!(spec.parameters, pairs(&[("username", "payments_a"), ("alternateUsername", "payments_b")]));
}

#[test]
fn each_region_gets_the_resources_key_or_the_stores() {
    let mut world = seeded();
    let keys = |world: &World| {
        let spec = world.spec();
        let replica = spec.replicas.first().and_then(|replica| replica.kms_key.clone());
        (spec.scope.store_secret.kms_key.clone().unwrap().to_string(), replica.map(|key| key.to_string()))
    };
    assert_eq!(keys(&world), ("alias/store".to_owned(), None));
    world.written.regions = vec![wanted("eu-west-1", None), wanted("us-west-2", Some("alias/mine"))];
    assert_eq!(keys(&world), ("alias/mine".to_owned(), Some("alias/eu".to_owned())));
    world.written.regions = vec![wanted("us-west-2", None), wanted("eu-west-1", Some("alias/ours"))];
    assert_eq!(keys(&world), ("alias/store".to_owned(), Some("alias/ours".to_owned())));
    assert_eq!(world.spec().replicas.len(), 1, "the primary is no replica");
}

#[test]
fn an_existing_secret_is_adopted_or_observed_by_its_own_grant() {
    let mut adopted = existing(Source::Adopt, "legacy/payments/mail");
    adopted.store().grants[0].manage = vec!["legacy/{namespace}/*".into()];
    let spec = adopted.spec();
    assert!(!spec.scope.store_secret.read_only && !spec.rotation.first_immediately);
    assert_eq!(spec.scope.store_secret.claim.owner, "prod/payments/orders");
    let mut observed = existing(Source::Observe, "shared/mail");
    observed.store().grants[0].observe = vec!["shared/*".into()];
    observed
        .older
        .secrets
        .insert(SecretOfStore { store: object("default"), name: SecretName::parse("shared/mail").unwrap() });
    let spec = observed.spec();
    assert!(spec.scope.store_secret.read_only && matches!(spec.rotation.engine, Engine::None), "reading takes nothing");
}

#[test]
fn what_lies_below_the_namespaces_own_path_may_be_adopted_to_rename_but_not_observed() {
    existing(Source::Adopt, "prod/payments/former").spec();
    // A namespace that was made anew under an old name must not read what the former one left.
    let observed = existing(Source::Observe, "prod/payments/former").refusal();
    assert_eq!(observed.code(), "SecretNameNotAllowed");
}

#[test]
fn a_target_of_an_older_resource_is_not_granted_and_nothing_else_stops() {
    let mut world = seeded();
    world.written.targets = vec![target("orders"), target("shared")];
    world.older.targets.extend([TargetName::parse("shared").unwrap()]);
    let spec = world.spec();
    assert_eq!(spec.targets.len(), 2);
    assert_eq!(spec.scope.targets.keys().map(TargetName::as_str).collect::<Vec<_>>(), ["orders"]);
}

#[test]
fn grants_speak_to_namespaces_by_label_too() {
    let requirement = |operator, values: &[&str]| Requirement {
        key: "team".to_owned(),
        operator,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let selector = |requirements| Audience::Selector(Selector { labels: BTreeMap::new(), requirements });
    let mut world = seeded();
    let mut served = |labels: &[(&str, &str)], audience: Audience| {
        world.labels = pairs(labels);
        world.store().grants[0].to = audience;
        world.resource().spec.is_ok()
    };
    let labels =
        |labels: &[(&str, &str)]| Audience::Selector(Selector { labels: pairs(labels), requirements: Vec::new() });
    assert!(served(&[], labels(&[])), "the empty selector is all");
    assert!(served(&[("team", "a"), ("x", "y")], labels(&[("team", "a")])));
    assert!(!served(&[("team", "b")], labels(&[("team", "a")])) && !served(&[], labels(&[("team", "a")])));
    assert!(served(&[("team", "a")], selector(vec![requirement(Operator::In, &["a", "b"])])));
    assert!(!served(&[], selector(vec![requirement(Operator::In, &["a"])])));
    assert!(served(&[], selector(vec![requirement(Operator::NotIn, &["a"])])));
    assert!(!served(&[("team", "a")], selector(vec![requirement(Operator::NotIn, &["a"])])));
    assert!(served(&[("team", "")], selector(vec![requirement(Operator::Exists, &[])])));
    assert!(!served(&[("team", "")], selector(vec![requirement(Operator::DoesNotExist, &[])])));
}

#[test]
fn a_secret_that_is_called_as_the_admins_in_another_account_or_region_is_another() {
    let mut world = adopts_admin();
    let name = SecretName::parse("prod/payments/pg").unwrap();
    world.account().admin = Some(AdminReference::StoreSecret { store: object("admins"), name });
    let elsewhere = Store { name: object("admins"), ..store() };
    world.admin_store = Some(Store { region: region("eu-west-1"), ..elsewhere.clone() });
    world.spec();
    world.admin_store = Some(Store { account: Some(AccountId::parse("999999999999").unwrap()), ..elsewhere });
    world.spec();
}

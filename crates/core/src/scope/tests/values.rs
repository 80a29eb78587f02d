//! What a value may say of itself, and whose admin credential goes where.

use super::*;
use crate::fault::Fault;

const SEED: &[(&str, &str)] = &[
    ("consumerKey", "key"),
    ("consumerSecret", "c4nary-v4lue"),
    ("baseUri", "https://acme.my.salesforce.com"),
    ("appId", "0xH5e0000000001"),
    ("consumerId", "888"),
];

fn with(field: &str, text: &str) -> Value {
    value(SEED).replacing([(field.to_owned(), Sensitive::new(text.to_owned()))])
}

/// Salesforce with an admin.
fn administered() -> World {
    let mut world = seeded();
    world.partner().account = Some(object("main"));
    let endpoint = Some("https://acme.my.salesforce.com");
    world.account = Some(account("SalesforceClientSecret", endpoint, &["0xH5e0000000001"]));
    world
}

#[test]
fn a_seed_at_the_vendors_own_host_is_taken_and_sent_nowhere_else() {
    let inspected = inspect_seed(&seeded().spec(), &value(SEED), None).unwrap();
    let origin = inspected.origin.unwrap();
    assert_eq!((&*origin.host, origin.port, &origin.account), ("acme.my.salesforce.com", 443, &None));
    assert!(origin.private_networks.is_empty() && origin.ca_bundle.is_none());
    assert_eq!(inspected.identity.unwrap().as_str(), "acme.my.salesforce.com/0xH5e0000000001");
    assert_eq!(origin_of(&seeded().spec(), &value(SEED)).unwrap(), origin);
}

#[test]
fn a_seed_that_is_no_credential_of_its_type_is_refused_field_by_field() {
    let refused = inspect_seed(&seeded().spec(), &value(&SEED[..4]), None).unwrap_err();
    assert!(matches!(&refused, Seed::Malformed(problems) if problems.len() == 1 && problems[0].field == "consumerId"));
    let elsewhere = with("baseUri", "https://acme.my.salesforce.com.evil.example.com");
    assert!(matches!(inspect_seed(&seeded().spec(), &elsewhere, None), Err(Seed::Malformed(_))));
}

#[test]
fn t13_a_value_that_names_another_host_than_the_account_is_refused_before_any_call() {
    let evil = with("baseUri", "https://evil.my.salesforce.com");
    assert_eq!(inspect_seed(&administered().spec(), &evil, None).unwrap_err(), Seed::WrongHost);
    assert_eq!(origin_of(&administered().spec(), &evil).unwrap_err(), Seed::WrongHost);
    inspect_seed(&administered().spec(), &value(SEED), None).unwrap();
}

#[test]
fn t13_under_awss_engine_too_a_value_must_name_the_accounts_host() {
    let mut world = administered();
    world.written.rotation.engine = partner::Engine::SecretsManager;
    let name = SecretName::parse("prod/mes-system/crm").unwrap();
    world.account().admin = Some(AdminReference::StoreSecret { store: object("default"), name });
    world.admin_arn = Some(Arn::parse("arn:aws:secretsmanager:us-west-2:123456789012:secret:crm-AbCdEf").unwrap());
    let evil = with("baseUri", "https://evil.my.salesforce.com");
    assert_eq!(inspect_seed(&world.spec(), &evil, None).unwrap_err(), Seed::WrongHost);
    inspect_seed(&world.spec(), &value(SEED), None).unwrap();
}

#[test]
fn t13_of_each_type_with_a_host_field_an_admin_is_never_sent_where_the_value_says() {
    for row in aws_types::all().iter().filter(|row| row.host.field().is_some()) {
        let Some(aws) = row.secrets_manager.filter(|aws| aws.admin.of_type().is_some()) else { continue };
        let mut world = delegated();
        world.partner().type_name = row.name.to_owned();
        world.account().partner_types = [row.name.to_owned()].into();
        world.account().endpoint = None;
        let required = row.parameters.iter().filter(|parameter| parameter.required);
        world.partner().parameters = required.map(|each| (each.name.to_owned(), "v65.0".to_owned())).collect();
        // One host for all: fixed. Else the account must say which.
        match world.resource().spec {
            Ok(spec) => assert!(spec.scope.origin.is_some(), "{} {aws:?}", row.name),
            Err(reason) => {
                assert!(["EndpointMismatch", "InvalidParameters"].contains(&reason.code()), "{}: {reason}", row.name)
            }
        }
    }
}

#[test]
fn a_value_of_an_identity_that_is_not_granted_is_refused() {
    let other = with("appId", "0xH5e0000000002");
    assert!(matches!(inspect_seed(&administered().spec(), &other, None).unwrap_err(), Seed::NotGranted(_)));
    assert!(matches!(origin_of(&administered().spec(), &other).unwrap_err(), Seed::NotGranted(_)));
}

#[test]
fn a_value_of_an_identity_that_an_older_resource_has_is_refused() {
    let mut world = seeded();
    let identity = Identity::parse("acme.my.salesforce.com/0xH5e0000000001").unwrap();
    let held = identity.clone();
    world.older.identities = Held::by(move |asked| *asked == held);
    assert_eq!(inspect_seed(&world.spec(), &value(SEED), None).unwrap_err(), Seed::InUse(identity));
}

#[test]
fn a_value_that_says_another_user_than_the_parameters_is_refused() {
    let mut world = minted();
    world.written.onboard = Source::FromSecret(object("seed"));
    let of = |user: &str| value(&[("host", "db.example.com"), ("username", user), ("password", "c4nary-v4lue")]);
    for ours in ["payments_a", "payments_b"] {
        let identity = inspect_seed(&world.spec(), &of(ours), None).unwrap().identity.unwrap();
        assert_eq!(identity.as_str(), format!("db.example.com/{ours}"));
    }
    for others in ["payments_c", "payroll_a", "postgres"] {
        assert!(matches!(inspect_seed(&world.spec(), &of(others), None).unwrap_err(), Seed::NotGranted(_)), "{others}");
    }
}

#[test]
fn the_credential_that_the_account_logs_in_with_is_never_rotated() {
    let spec = administered().spec();
    let admin = value(&[("endpoint", "https://acme.my.salesforce.com"), ("consumerKey", "key")]);
    assert_eq!(inspect_seed(&spec, &value(SEED), Some(&admin)).unwrap_err(), Seed::Admins, "the same key");
    let same_app = value(&[("consumerKey", "another"), ("appId", "0xH5e0000000001")]);
    assert_eq!(inspect_seed(&spec, &value(SEED), Some(&same_app)).unwrap_err(), Seed::Admins, "the same app");
    inspect_seed(&spec, &value(SEED), Some(&value(&[("consumerKey", "another")]))).unwrap();
    let logs_in = value(&[("endpoint", "postgresql://db.example.com:5432/postgres"), ("username", "payments_b")]);
    assert_eq!(code(admin_matches(&minted().spec(), &logs_in)), Some("RotatesOwnAdmin".to_owned()));
}

#[test]
fn a_stored_value_that_the_account_logs_in_with_is_never_rotated_either() {
    let spec = administered().spec();
    let told = |value: &Value, admin: Option<&Value>| code(spares_admin(&spec, [value], admin));
    let own = Some("RotatesOwnAdmin".to_owned());
    assert_eq!(told(&value(SEED), Some(&value(&[("consumerKey", "key")]))), own, "the same key");
    assert_eq!(told(&value(SEED), Some(&value(&[("consumerSecret", "c4nary-v4lue")]))), own, "the same secret");
    assert_eq!(told(&value(SEED), Some(&value(&[("appId", "0xH5e0000000001")]))), own, "the same app");
    let another = value(&[("consumerKey", "another"), ("appId", "0xH5e0000000009")]);
    assert_eq!(told(&value(SEED), Some(&another)), None);
    assert_eq!(told(&value(SEED), None), None, "without an admin a credential rotates itself");
    let versions = [with("consumerKey", "former"), value(SEED)];
    assert_eq!(code(spares_admin(&spec, &versions, Some(&value(&[("consumerKey", "key")])))), own, "any version");
}

fn code(matched: Result<(), Fault>) -> Option<String> {
    matched.err().map(|fault| fault.code.as_str().to_owned())
}

#[test]
fn the_admin_credential_goes_only_where_it_says_itself() {
    let spec = minted().spec();
    let mismatch = Some("EndpointMismatch".to_owned());
    for same in ["postgresql://db.example.com/postgres", "postgresql://DB.example.com:5432/postgres/"] {
        let admin = value(&[("endpoint", same), ("username", "admin"), ("password", "c4nary-v4lue")]);
        assert_eq!(code(admin_matches(&spec, &admin)), None, "{same}");
    }
    for other in [
        "postgresql://evil.example.com/postgres",
        "postgresql://db.example.com:5433/postgres",
        "postgresql://db.example.com/other",
        "https://db.example.com",
        "",
    ] {
        let admin = value(&[("endpoint", other), ("username", "admin")]);
        assert_eq!(code(admin_matches(&spec, &admin)), mismatch, "{other}");
    }
    let silent = value(&[("username", "admin"), ("password", "c4nary-v4lue")]);
    assert_eq!(code(admin_matches(&spec, &silent)), mismatch, "an admin Secret that says nothing goes nowhere");
}

#[test]
fn the_admin_credential_of_one_of_awss_types_says_its_host_by_its_field() {
    let spec = administered().spec();
    assert_eq!(code(admin_matches(&spec, &value(&[("baseUri", "https://acme.my.salesforce.com")]))), None);
    let other = value(&[("baseUri", "https://other.my.salesforce.com")]);
    assert_eq!(code(admin_matches(&spec, &other)), Some("EndpointMismatch".to_owned()));
}

#[test]
fn whoever_edits_the_account_cannot_change_whose_certificates_are_believed() {
    let mut world = minted();
    let endpoint = ("endpoint", "postgresql://db.example.com/postgres");
    let admin = |roots: Option<&str>| {
        let fields: Vec<_> = [endpoint].into_iter().chain(roots.map(|roots| ("ca.crt", roots))).collect();
        value(&fields)
    };
    let mismatch = Some("EndpointMismatch".to_owned());
    assert_eq!(code(admin_matches(&world.spec(), &admin(Some("A B")))), mismatch, "the account's was removed");
    world.account().ca_bundle = Some("A\nB\n".to_owned());
    assert_eq!(code(admin_matches(&world.spec(), &admin(None))), mismatch, "the account's was added");
    assert_eq!(code(admin_matches(&world.spec(), &admin(Some("A\nC")))), mismatch, "the account's was changed");
    assert_eq!(code(admin_matches(&world.spec(), &admin(Some("A\r\nB")))), None);
}

#[test]
fn no_answer_holds_a_text_that_is_secret() {
    let spec = seeded().spec();
    let answers = [
        format!("{:?}", inspect_seed(&spec, &value(SEED), None)),
        format!("{:?}", inspect_seed(&spec, &with("consumerId", "c4nary-v4lue\0"), None)),
        format!("{:?}", inspect_seed(&spec, &with("baseUri", "https://c4nary-v4lue"), None)),
        format!("{:?}", admin_matches(&spec, &with("endpoint", "https://c4nary-v4lue"))),
    ];
    assert!(answers.iter().all(|answer| !answer.contains("c4nary")), "{answers:?}");
}

/// A type of AWS's, under AWS's engine, by an account without an admin.
fn of_aws(type_name: &str, endpoint: Option<&str>, identities: &[&str]) -> World {
    let mut world = delegated();
    world.partner().type_name = type_name.to_owned();
    world.account = Some(account(type_name, endpoint, identities));
    world.account().admin = None;
    world
}

#[test]
fn a_value_without_identity_is_nobodys_where_grants_name_identities() {
    let bigid = value(&[("hostname", "acme.bigid.cloud"), ("refreshToken", "c4nary-v4lue")]);
    let granted =
        |identities: &[&str]| inspect_seed(&of_aws("BigIDClientSecret", None, identities).spec(), &bigid, None);
    assert!(matches!(granted(&["somebody"]).unwrap_err(), Seed::NotGranted(_)));
    assert_eq!(granted(&[]).unwrap().identity, None);
}

const SONAR: &[(&str, &str)] =
    &[("token", "squ_c4nary"), ("tokenName", "n"), ("login", "ci"), ("sonarqubeUrl", "https://sonar.example.com")];

#[test]
fn a_port_in_the_value_must_be_the_accounts() {
    let spec = of_aws("SonarQubeToken", Some("https://sonar.example.com:8443"), &[]).spec();
    let at = |url: &str| value(SONAR).replacing([("sonarqubeUrl".to_owned(), Sensitive::new(url.to_owned()))]);
    let identity = |url| inspect_seed(&spec, &at(url), None).map(|inspected| inspected.identity.unwrap().to_string());
    assert_eq!(identity("https://sonar.example.com:8443").as_deref(), Ok("sonar.example.com:8443/ci"));
    assert_eq!(identity("https://sonar.example.com").as_deref(), Ok("sonar.example.com:8443/ci"));
    assert_eq!(identity("https://sonar.example.com:9443"), Err(Seed::WrongHost));
}

#[test]
fn at_the_vendors_own_hosts_no_port_but_the_usual_is_spoken_to() {
    let mut world = seeded();
    *world.partner() = WrittenPartner { type_name: "Addressed".into(), account: None, parameters: pairs(&[]) };
    let at = |url: &str| {
        let fields = [("refreshToken", "c4nary"), ("organizationId", "o"), ("apiKeyId", "k"), ("apiBaseUrl", url)];
        origin_of(&world.spec(), &value(&fields))
            .map(|origin| format!("{}:{}{}", origin.host, origin.port, origin.path))
    };
    assert_eq!(at("https://api.cisco.com/v1").as_deref(), Ok("api.cisco.com:443/v1"));
    for evil in [
        "https://api.cisco.com:8443/v1",
        "https://api.cisco.com.evil.example",
        "https://evilcisco.com",
        "http://api.cisco.com",
    ] {
        assert_eq!(at(evil), Err(Seed::WrongHost), "{evil}");
    }
}

#[test]
fn what_aws_rotates_only_with_an_admin_is_refused_before_it_is_made() {
    let spec = of_aws("SonarQubeToken", None, &[]).spec();
    let kind = |kind: &str| value(SONAR).replacing([("tokenType".to_owned(), Sensitive::new(kind.to_owned()))]);
    inspect_seed(&spec, &kind("USER_TOKEN"), None).unwrap();
    let refused = inspect_seed(&spec, &kind("GLOBAL_ANALYSIS_TOKEN"), None).unwrap_err();
    assert!(matches!(&refused, Seed::Malformed(problems) if problems[0].field == "tokenType"));
}

#[test]
fn a_silent_admin_credential_goes_to_none_of_a_vendors_many_hosts() {
    let silent = value(&[("consumerKey", "k"), ("consumerSecret", "c4nary")]);
    assert_eq!(code(admin_matches(&administered().spec(), &silent)), Some("EndpointMismatch".to_owned()));
}

#[test]
fn a_name_that_the_admins_credential_shares_is_no_sameness() {
    let spec = of_aws("SonarQubeToken", None, &[]).spec();
    let admin = value(&[("token", "squ_other"), ("tokenName", "n"), ("login", "root")]);
    inspect_seed(&spec, &value(SONAR), Some(&admin)).unwrap();
}

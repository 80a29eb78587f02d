//! What holds for each row of AWS's table, and under each engine.

use super::*;
use crate::partner::tests::documented::{DOCUMENTED, Documented};

/// What a team might hope to raise: scope, role, lifetime, who acts, where to.
const RAISING: &[&str] = &[
    "adminSecretArn",
    "AdminSecretArn",
    "externalSecretRotationRoleArn",
    "rotationRoleARN",
    "roleArn",
    "role",
    "roles",
    "scope",
    "scopes",
    "permissions",
    "accessLevel",
    "expiresAt",
    "lifetime",
    "ttl",
    "endpoint",
    "host",
    "url",
    "",
];

/// What a required parameter may be.
fn parameters_of(row: &PartnerType) -> Parameters {
    let fitting = |each: &Parameter| {
        let texts = ["v65.0", "2025-03-12", "60", "true", "acme"];
        texts.into_iter().find(|text| each.pattern.accepts(text)).unwrap_or_else(|| panic!("{}", each.name)).to_owned()
    };
    let required = row.parameters.iter().filter(|each| each.required);
    required.map(|each| (each.name.to_owned(), fitting(each))).collect()
}

/// A resource of this type by an account at `endpoint`: by AWS's engine, with an admin where AWS takes one, or by ours.
fn of(documented: &Documented, engine: partner::Engine, endpoint: Option<&str>) -> World {
    let row = aws_types::find(documented.name).unwrap();
    let mut world = delegated();
    let by_admin = row.secrets_manager.is_some_and(|aws| aws.admin.of_type().is_some());
    let name = match engine {
        partner::Engine::SecretsManager => row.name.to_owned(),
        partner::Engine::Operator => format!("Operated{}", row.name),
    };
    let admin = world.account().admin.take().filter(|_| by_admin && engine == partner::Engine::SecretsManager);
    world.written.rotation.engine = engine;
    world.written.rotation.schedule = Some("rate(7 days)".to_owned());
    *world.partner() =
        WrittenPartner { type_name: name.clone(), account: Some(object("main")), parameters: parameters_of(row) };
    let identities: Vec<String> = documented.identities.iter().map(|identity| identity.replace(' ', "-")).collect();
    world.account = Some(account(&name, endpoint, &identities.iter().map(String::as_str).collect::<Vec<_>>()));
    world.account().admin = admin;
    world
}

#[test]
fn t05_no_key_but_those_of_its_own_type_is_taken_and_none_that_the_account_fixes() {
    let all = || DOCUMENTED.iter().map(|documented| aws_types::find(documented.name).unwrap());
    let keys: BTreeSet<&str> =
        all().flat_map(|row| row.parameters).map(|each| each.name).chain(RAISING.iter().copied()).collect();
    let (mut foreign, mut fixed) = (0, 0);
    for documented in DOCUMENTED {
        let row = aws_types::find(documented.name).unwrap();
        let refused = |world: World, words: &str| {
            let reason = world.refusal();
            assert_eq!(reason.code(), "InvalidParameters", "{} {words}: {reason}", row.name);
            assert!(reason.to_string().contains(words), "{} {words}: {reason}", row.name);
        };
        let world = || of(documented, partner::Engine::SecretsManager, None);
        for key in keys.iter().filter(|key| row.parameters.iter().all(|own| own.name != **key)) {
            let mut world = world();
            world.partner().parameters.insert((*key).to_owned(), "1".to_owned());
            refused(world, if *key == "adminSecretArn" { "not for a team to set" } else { "is unknown" });
            foreign += 1;
        }
        for own in row.parameters {
            let mut fixes = world();
            fixes.account().parameters = pairs(&[(own.name, "the account's")]);
            fixes.partner().parameters.insert(own.name.to_owned(), "the team's".to_owned());
            refused(fixes, "is fixed by the PartnerAccount");
            let mut spelled = world();
            spelled.partner().parameters.insert(own.name.to_uppercase(), "1".to_owned());
            refused(spelled, "is unknown");
            fixed += 1;
        }
    }
    assert!(foreign > 18 * RAISING.len() && fixed > 10, "{foreign} {fixed}");
    println!("{foreign} foreign keys, {fixed} that an account fixed");
}

/// The documented value of a type, as an identity that is shown: AWS's partner allows a space in a user's name.
fn example_of(documented: &Documented, row: &PartnerType) -> Value {
    let of_identity = |name: &str| row.identity_names().contains(name);
    let plain = |name: &str, text: &str| if of_identity(name) { text.replace(' ', "-") } else { text.to_owned() };
    let fields = documented.example.iter().map(|(name, text)| ((*name).to_owned(), plain(name, text)));
    fields.map(|(name, text)| (name, Sensitive::new(text))).collect()
}

/// The account's endpoint that fits it, where the value names one, with its port.
fn home_of(documented: &Documented, row: &PartnerType, example: &Value) -> Option<String> {
    row.host.field()?;
    Some(match row.host {
        Host::Url(field) => example.get(field).unwrap().expose().to_owned(),
        _ => format!("https://{}", documented.host.unwrap()),
    })
}

#[test]
fn t05_of_each_type_what_shares_a_rotated_text_with_the_admin_is_not_awss_to_rotate() {
    let (mut refused, mut types) = (0, 0);
    for documented in DOCUMENTED {
        let row = aws_types::find(documented.name).unwrap();
        let Some(admins) = row.secrets_manager.and_then(|aws| aws.admin.of_type()).and_then(aws_types::find) else {
            continue;
        };
        types += 1;
        let example = example_of(documented, row);
        let spec =
            of(documented, partner::Engine::SecretsManager, home_of(documented, row, &example).as_deref()).spec();
        // An admin of another principal, whose texts are all its own.
        let fields = admins.format.fields.iter();
        let apart: Value =
            fields.map(|field| (field.name.to_owned(), Sensitive::new(format!("admins-{}", field.name)))).collect();
        let replaced = |field: &str, text: &Sensitive| {
            apart.replacing([(field.to_owned(), Sensitive::new(text.expose().to_owned()))])
        };
        let told = |admin: &Value| {
            let inspected = inspect_seed(&spec, &example, Some(admin)).err();
            let spared = spares_admin(&spec, [&example], Some(admin)).err();
            assert_eq!(inspected.is_some(), spared.is_some(), "{}: asked alike", row.name);
            inspected.inspect(|refusal| assert_eq!(*refusal, Seed::Admins, "{}", row.name)).is_some()
        };
        assert!(!told(&apart), "{}: another's", row.name);
        let of_admin = admins.format.fields.iter().filter(|field| field.rotated);
        for admins in of_admin {
            for field in row.format.fields.iter().filter(|field| field.rotated) {
                let Some(text) = example.get(field.name) else { continue };
                if [field.name, admins.name].contains(&"tokenName") {
                    assert!(!told(&replaced(admins.name, text)), "a name is chosen by people");
                    continue;
                }
                assert!(told(&replaced(admins.name, text)), "{}: {} as {}", row.name, field.name, admins.name);
                refused += 1;
            }
        }
        // Of the same principal: the admin's own where it is of the same type, AWS's design where it is of another.
        let whom = row.identity_names().into_iter().filter(|name| !row.format.field(name).unwrap().rotated);
        let shared: Vec<_> = whom.filter_map(|name| Some((name, example.get(name)?))).collect();
        let same = apart.replacing(
            shared.iter().map(|(name, text)| ((*name).to_owned(), Sensitive::new(text.expose().to_owned()))),
        );
        if !shared.is_empty() {
            assert_eq!(told(&same), admins.name == row.name, "{}: of the same principal", row.name);
        }
    }
    println!("{refused} values of {types} types");
    assert!(types >= 10 && refused > 20, "{types} types, {refused} values");
}

#[test]
fn t13_a_value_of_each_type_with_a_host_field_is_refused_unless_it_names_the_accounts_host_whoever_rotates() {
    let mut tried = 0;
    for documented in DOCUMENTED {
        let row = aws_types::find(documented.name).unwrap();
        let example = example_of(documented, row);
        let Some(home) = home_of(documented, row, &example) else { continue };
        for engine in [partner::Engine::SecretsManager, partner::Engine::Operator] {
            let told = format!("{} by {engine:?}", row.name);
            let of = |endpoint: &str| {
                let resource = of(documented, engine, Some(endpoint)).resource();
                resource.spec.unwrap_or_else(|reason| panic!("{told}: {reason}"))
            };
            let inspected = inspect_seed(&of(&home), &example, None);
            assert!(inspected.is_ok(), "{told}: {inspected:?}");
            for evil in ["https://evil.example.com", &format!("https://evil.{}", documented.host.unwrap())] {
                let spec = of(evil);
                assert_eq!(inspect_seed(&spec, &example, None).unwrap_err(), Seed::WrongHost, "{told}");
                assert_eq!(origin_of(&spec, &example).unwrap_err(), Seed::WrongHost, "{told}");
            }
            tried += 1;
        }
    }
    println!("{tried} types and engines");
    assert!(tried >= 10, "{tried}");
}

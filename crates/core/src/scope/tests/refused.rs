//! What is not served, by a table: each rule with its reason and what its message names.

use super::*;

pub(super) type Row = (&'static str, &'static str, fn() -> World, fn(&mut World));

/// Code, words that the message must have, a served resource, and how it is spoilt.
pub(super) const REFUSED: &[Row] = &[
    ("StoreNotFound", "default", seeded, |w| w.store = None),
    ("StoreNotAllowed", "default", seeded, |w| w.store().grants.clear()),
    ("StoreNotAllowed", "default", seeded, |w| w.store().grants[0].to = to(&["payments-x", "pay"])),
    ("StoreNotAllowed", "default", seeded, |w| w.store().grants[0].to = Audience::Nobody),
    ("StoreNotAllowed", "default", seeded, |w| w.store().grants[0].to = to(&[])),
    ("UnknownPartnerType", "mes partners", seeded, |w| w.partner().type_name = "salesforceClientSecret".to_owned()),
    ("InvalidSpec", "spec.partner", seeded, |w| w.written.partner = None),
    ("InvalidSpec", "observe", seeded, |w| w.written.onboard = Source::Observe),
    ("AccountNotFound", "main", minted, |w| w.account = None),
    ("AccountNotAllowed", "main", minted, |w| w.account().grants.clear()),
    ("AccountNotAllowed", "main", minted, |w| w.account().grants[0].to = Audience::Nobody),
    ("AccountNotAllowed", "main", minted, |w| w.account().partner_types.clear()),
    ("AccountRequired", "accountRef", minted, |w| w.partner().account = None),
    ("AccountRequired", "accountRef", seeded, |w| w.written.onboard = Source::Mint),
    ("AccountRequired", "main", minted, |w| w.account().admin = None),
    ("AccountRequired", "accountRef", delegated, |w| w.partner().account = None),
    ("AccountRequired", "main", delegated, |w| w.account().admin = None),
    ("InvalidParameters", "nope", seeded, |w| drop(w.partner().parameters.insert("nope".into(), "x".into()))),
    ("InvalidParameters", "apiVersion", seeded, |w| w.partner().parameters.clear()),
    ("InvalidParameters", "apiVersion", seeded, |w| w.partner().parameters = pairs(&[("apiVersion", "65")])),
    ("InvalidParameters", "adminSecretArn", seeded, |w| {
        drop(w.partner().parameters.insert("adminSecretArn".into(), "arn".into()));
    }),
    ("InvalidParameters", "fixed by the PartnerAccount", minted, |w| {
        w.account().parameters = pairs(&[("username", "payments_c")]);
    }),
    ("InvalidParameters", "alternateUsername", minted, |w| {
        drop(w.partner().parameters.insert("alternateUsername".into(), "payments_a".into()));
    }),
    ("EngineNotSupported", "engine: SecretsManager", seeded, |w| {
        *w.partner() = WrittenPartner { type_name: "BigIDClientSecret".into(), account: None, parameters: pairs(&[]) };
    }),
    ("EngineNotSupported", "AWS does not rotate", minted, |w| {
        w.written.rotation.engine = partner::Engine::SecretsManager;
        w.written.onboard = Source::FromSecret(object("seed"));
    }),
    ("EngineNotSupported", "rotationRoleARN", delegated, |w| w.store().rotation_role = None),
    ("EngineNotSupported", "storeRef", delegated, |w| w.account().admin = Some(AdminReference::Secret(object("a")))),
    ("EngineNotSupported", "spec.admin.storeRef", delegated, |w| {
        let name = SecretName::parse("prod/mes-system/datadog").unwrap();
        w.account().admin = Some(AdminReference::StoreSecret { store: object("another"), name });
    }),
    ("AccountNotAllowed", "main", minted, |w| {
        w.partner().type_name = "Nameless".into();
        w.account().partner_types = ["Nameless".to_owned()].into();
    }),
    ("AccountNotFound", "admin secret", delegated, |w| w.admin_arn = None),
    ("AccountNotAllowed", "does not read", minted, |w| w.account().admin = Some(AdminReference::Unreadable)),
    ("InvalidSpec", "rotation.engine", delegated, |w| w.written.onboard = Source::Mint),
    ("InvalidSpec", "rotation.overlap", delegated, |w| w.written.rotation.overlap = Some("1h".into())),
    ("InvalidSpec", "rotation.timeZone", delegated, |w| w.written.rotation.zone = Some("Europe/Berlin".into())),
    ("DisruptionNotAllowed", "alternateUsername", minted, |w| {
        drop(w.partner().parameters.remove("alternateUsername"));
    }),
    ("ContractUnsafe", "not rotated by the operator", minted, |w| {
        w.partner().type_name = "Lossy".into();
        w.account().partner_types = ["Lossy".to_owned()].into();
    }),
    ("EndpointMismatch", "postgresql://HOST", minted, |w| w.account().endpoint = None),
    ("EndpointMismatch", "postgresql://HOST", minted, |w| w.account().endpoint = Some("https://db.example.com".into())),
    ("EndpointMismatch", "https://HOST", seeded, |w| {
        w.partner().account = Some(object("main"));
        w.account = Some(account("SalesforceClientSecret", None, &["*"]));
    }),
    ("IdentityNotAllowed", "payroll_a", minted, |w| {
        drop(w.partner().parameters.insert("username".into(), "payroll_a".into()));
    }),
    ("IdentityNotAllowed", "payroll_b", minted, |w| {
        drop(w.partner().parameters.insert("alternateUsername".into(), "payroll_b".into()));
    }),
    ("IdentityNotAllowed", "reserved", minted, |w| {
        w.account().grants[0].identities = vec!["*".into()];
        drop(w.partner().parameters.insert("username".into(), "postgres".into()));
    }),
    ("IdentityNotAllowed", "db.example.com/payments_a", minted, |w| w.account().grants[0].identities.clear()),
    ("RotatesOwnAdmin", "admin credential of its own", adopts_admin, |_| ()),
    ("RotatesOwnAdmin", "admin credential of its own", adopts_admin, |w| {
        // By another store that leads to the same account and region, and by one that can't be read.
        let name = SecretName::parse("prod/payments/pg").unwrap();
        w.account().admin = Some(AdminReference::StoreSecret { store: object("admins"), name });
        w.admin_store = Some(Store { name: object("admins"), account: None, ..store() });
    }),
    ("RotatesOwnAdmin", "admin credential of its own", adopts_admin, |w| {
        w.own = own("payments", "pg");
        w.written.onboard = Source::FromSecret(object("seed"));
        w.written.secret_name = None;
    }),
    ("IdentityInUse", "db.example.com/payments_b", minted, |w| {
        w.older.identities = Held::by(|asked| asked.as_str() == "db.example.com/payments_b");
    }),
    ("InvalidSchedule", "rate", seeded, |w| w.written.rotation.schedule = Some("every day".into())),
    ("InvalidSchedule", "zone", seeded, |w| w.written.rotation.zone = Some("Mars/Olympus".into())),
    ("InvalidSpec", "rotation.schedule", seeded, |w| {
        w.written.rotation.schedule = None;
        w.written.rotation.window = Some("3h".into());
    }),
    ("InvalidSchedule", "50 days", delegated, |w| {
        w.written.rotation.schedule = Some("rate(60 days)".into());
        let type_name = "CiscoSecurityPlatformApiKey".into();
        *w.partner() = WrittenPartner { type_name, account: None, parameters: pairs(&[]) };
    }),
    ("InvalidOverlap", "rotation.overlap", seeded, |w| w.written.rotation.overlap = Some("2 days".into())),
    ("InvalidOverlap", "rotation.overlap", seeded, |w| w.written.rotation.overlap = Some("720h".into())),
    ("RegionNotAllowed", "ap-south-1", seeded, |w| w.written.regions = vec![wanted("ap-south-1", None)]),
    ("InvalidSpec", "regions", seeded, |w| {
        w.written.regions = vec![wanted("eu-west-1", None), wanted("eu-west-1", None)];
    }),
    ("InvalidSpec", "targets", seeded, |w| w.written.targets = vec![target("a"), target("a")]),
    ("InvalidSpec", "targets", seeded, |w| w.written.targets = vec![target("A_b")]),
    ("SecretNameNotAllowed", "legacy/mail", || existing(Source::Adopt, "legacy/mail"), |_| ()),
    (
        "SecretNameNotAllowed",
        "legacy/mail",
        || existing(Source::Observe, "legacy/mail"),
        |w| {
            w.store().grants[0].manage = vec!["legacy/*".into()];
        },
    ),
    (
        "SecretNameNotAllowed",
        "legacy/mail",
        || existing(Source::Adopt, "legacy/mail"),
        |w| {
            w.store().grants[0].observe = vec!["legacy/*".into()];
        },
    ),
    (
        "SecretNameNotAllowed",
        "legacy/mail",
        || existing(Source::Adopt, "legacy/mail"),
        |w| {
            w.store().grants.push(StoreGrant {
                to: to(&["other"]),
                manage: vec!["legacy/*".into()],
                observe: Vec::new(),
            });
        },
    ),
    (
        "SecretOwnedByAnother",
        "legacy/mail",
        || existing(Source::Adopt, "legacy/mail"),
        |w| {
            w.store().grants[0].manage = vec!["legacy/*".into()];
            w.older
                .secrets
                .insert(SecretOfStore { store: object("default"), name: SecretName::parse("legacy/mail").unwrap() });
        },
    ),
];

#[test]
fn each_rule_refuses_with_its_reason_and_names_what_to_mend() {
    for (number, (code, words, served, spoil)) in REFUSED.iter().enumerate() {
        let mut world = served();
        spoil(&mut world);
        let reason = world.refusal();
        assert_eq!(reason.code(), *code, "row {number}: {reason}");
        assert!(reason.to_string().contains(words), "row {number}: {reason} does not say {words}");
    }
}

#[test]
fn what_the_table_spoils_is_served_before() {
    for world in [seeded(), minted(), delegated()] {
        world.spec();
    }
}

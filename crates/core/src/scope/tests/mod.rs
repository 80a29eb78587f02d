//! Every rule of the resolver, by a table of what is written and named and what comes of it.

mod attacks;
mod every_type;
mod leaving;
mod values;

use super::*;
use crate::facts::Seed;
use crate::names::*;
use crate::partner::{
    self, Contract, Field, Format, Host, Operated, Parameter, Parameters, PartnerType, Pattern as Shape, Recognised,
    aws_types,
};
use crate::secret::{Sensitive, Value};
use crate::spec::{Admin, Deletion, Engine, Fate, Noted, WantedRegion};
use crate::target::{SecretType, TargetSpec};
use jiff::{SignedDuration, Timestamp};

static ADMIN: Format = Format::new(&[]);

static CRM: PartnerType = match aws_types::find("SalesforceClientSecret") {
    Some(row) => row.operated(Operated { contract: |_, _| Some(&Contract::DEFAULT), admin: Some(&ADMIN) }),
    None => panic!("not in the table"),
};

static TWO_ROLES: Contract = Contract { overlap: partner::Overlap::TwoSlots, live_limit: Some(2), ..Contract::DEFAULT };
static ONE_ROLE: Contract = Contract { overlap: partner::Overlap::None, ..Contract::DEFAULT };

/// A database with two roles, which an admin alters.
static SQL: PartnerType = PartnerType {
    name: "PostgreSQLRole",
    partner: "PostgreSQL",
    format: Format::new(&[
        Field::required("host", Shape::HOST, "host").public(),
        Field::required("username", Shape::LINE, "role").rotated().public(),
        Field::required("password", Shape::LINE, "password").rotated(),
    ]),
    parameters: &[
        Parameter::required("username", Shape::LINE, "role"),
        Parameter::optional("alternateUsername", Shape::LINE, "second role"),
    ],
    identities: &[&["{username}"], &["{alternateUsername}", "{username}"]],
    reserved: &["postgres", "pg_*"],
    scheme: "postgresql",
    host: Host::Name("host"),
    vendor_hosts: &[],
    operator: Some(Operated {
        contract: |parameters, admin| match parameters.contains_key("alternateUsername") {
            _ if !admin => None,
            true => Some(&TWO_ROLES),
            false => Some(&ONE_ROLE),
        },
        admin: Some(&ADMIN),
    }),
    secrets_manager: None,
};

/// As `SQL`, and nobody can say whom a credential of it authenticates.
static NAMELESS: PartnerType = PartnerType {
    name: "Nameless",
    identities: &[],
    operator: Some(Operated { contract: |_, _| Some(&Contract::DEFAULT), admin: Some(&ADMIN) }),
    ..SQL
};

/// A type whose lost credentials nobody would ever find.
static LOSSY: PartnerType = PartnerType {
    name: "Lossy",
    operator: Some(Operated { contract: |_, _| Some(&NEVER), admin: Some(&ADMIN) }),
    ..SQL
};

static NEVER: Contract = Contract { recognised: Recognised::Never, ..Contract::DEFAULT };

/// Cisco's, as if we rotated it: its value names an address that may have a port, at one of many hosts.
static ADDRESSED: PartnerType = match aws_types::find("CiscoSecurityPlatformApiKey") {
    Some(row) => PartnerType {
        name: "Addressed",
        ..row.operated(Operated { contract: |_, _| Some(&Contract::DEFAULT), admin: None })
    },
    None => panic!("not in the table"),
};

fn types(name: &str) -> Option<&'static PartnerType> {
    if let Some(row) = name.strip_prefix("Operated").and_then(aws_types::find) {
        let operated = Operated { contract: |_, _| Some(&Contract::DEFAULT), admin: None };
        return Some(Box::leak(Box::new(PartnerType {
            name: format!("Operated{}", row.name).leak(),
            ..row.operated(operated)
        })));
    }
    [&CRM, &SQL, &NAMELESS, &LOSSY, &ADDRESSED]
        .into_iter()
        .find(|known| known.name == name)
        .or_else(|| aws_types::find(name))
}

fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn value(fields: &[(&str, &str)]) -> Value {
    fields.iter().map(|(name, text)| ((*name).to_owned(), Sensitive::new((*text).to_owned()))).collect()
}

/// What one test writes and names: a resource `payments/orders` that is served, to be spoilt.
struct World {
    own: Own,
    written: Written,
    store: Option<Store>,
    account: Option<Account>,
    admin_arn: Option<Arn>,
    /// The store that the admin's secret lies in; absent: the resource's own.
    admin_store: Option<Store>,
    labels: BTreeMap<String, String>,
    older: Older,
}

fn own(namespace: &str, name: &str) -> Own {
    Own {
        cluster: Uid::parse("c1u5ter0-0000-4000-8000-000000000000").unwrap(),
        namespace: Namespace::parse(namespace).unwrap(),
        namespace_uid: Uid::parse("n0000000-0000-4000-8000-000000000000").unwrap(),
        name: object(name),
        uid: Uid::parse("r0000000-0000-4000-8000-000000000000").unwrap(),
        created: jiff::Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn to(namespaces: &[&str]) -> Audience {
    Audience::Namespaces(namespaces.iter().map(|name| (*name).to_owned()).collect())
}

fn store() -> Store {
    Store {
        name: object("default"),
        region: region("us-west-2"),
        account: Some(AccountId::parse("123456789012").unwrap()),
        endpoint: None,
        keys: None,
        role: None,
        external_id: None,
        prefix: "prod".to_owned(),
        kms_key: Some(KmsKey::parse("alias/store").unwrap()),
        tags: BTreeMap::new(),
        rotation_role: Some(RoleArn::parse("arn:aws:iam::123456789012:role/rotation").unwrap()),
        take_over: BTreeSet::new(),
        regions: [(region("eu-west-1"), Some(KmsKey::parse("alias/eu").unwrap()))].into(),
        grants: vec![StoreGrant { to: to(&["payments"]), manage: Vec::new(), observe: Vec::new() }],
        requests_per_second: None,
    }
}

fn account(type_: &str, endpoint: Option<&str>, identities: &[&str]) -> Account {
    Account {
        name: object("main"),
        partner_types: [type_.to_owned()].into(),
        endpoint: endpoint.map(str::to_owned),
        ca_bundle: None,
        private_networks: vec!["10.0.0.1/32".to_owned()],
        parameters: Parameters::new(),
        admin: Some(AdminReference::Secret(object("admin"))),
        grants: vec![AccountGrant {
            to: to(&["payments"]),
            identities: identities.iter().map(|identity| (*identity).to_owned()).collect(),
        }],
        requests_per_minute: None,
        live_credentials: None,
    }
}

/// PostgreSQL, minted by an admin.
fn minted() -> World {
    let mut world = seeded();
    world.written.onboard = Source::Mint;
    world.written.partner = Some(WrittenPartner {
        type_name: "PostgreSQLRole".to_owned(),
        account: Some(object("main")),
        parameters: pairs(&[("username", "payments_a"), ("alternateUsername", "payments_b")]),
    });
    world.account = Some(account("PostgreSQLRole", Some("postgresql://db.example.com/postgres"), &["{namespace}_*"]));
    world
}

/// Salesforce, by its own credential.
fn seeded() -> World {
    World {
        own: own("payments", "orders"),
        written: Written {
            partner: Some(WrittenPartner {
                type_name: "SalesforceClientSecret".to_owned(),
                account: None,
                parameters: pairs(&[("apiVersion", "v65.0")]),
            }),
            onboard: Source::FromSecret(object("seed")),
            store: object("default"),
            secret_name: None,
            regions: Vec::new(),
            rotation: WrittenRotation { schedule: Some("rate(30 days)".to_owned()), ..WrittenRotation::default() },
            targets: vec![target("orders")],
        },
        store: Some(store()),
        account: None,
        admin_arn: None,
        admin_store: None,
        labels: BTreeMap::new(),
        older: Older::default(),
    }
}

/// Datadog, by AWS's engine and an admin in the same store.
fn delegated() -> World {
    let mut world = seeded();
    world.written.rotation.engine = partner::Engine::SecretsManager;
    world.written.partner = Some(WrittenPartner {
        type_name: "DatadogApiKey".to_owned(),
        account: Some(object("main")),
        parameters: Parameters::new(),
    });
    let mut account = account("DatadogApiKey", None, &["api-key/*"]);
    let name = SecretName::parse("prod/mes-system/datadog").unwrap();
    account.admin = Some(AdminReference::StoreSecret { store: object("default"), name });
    world.account = Some(account);
    world.admin_arn = Some(Arn::parse("arn:aws:secretsmanager:us-west-2:123456789012:secret:dd-AbCdEf").unwrap());
    world
}

/// PostgreSQL, adopting the secret that the account's admin credential lies in: it is below the namespace's own path.
fn adopts_admin() -> World {
    let mut world = minted();
    let name = SecretName::parse("prod/payments/pg").unwrap();
    world.written.onboard = Source::Adopt;
    world.written.secret_name = Some(name.clone());
    world.account().admin = Some(AdminReference::StoreSecret { store: object("default"), name });
    world
}

/// An existing secret.
fn existing(onboard: Source, name: &str) -> World {
    let mut world = seeded();
    if onboard == Source::Observe {
        world.written.partner = None;
        world.written.rotation = WrittenRotation::default();
    }
    world.written.onboard = onboard;
    world.written.secret_name = Some(SecretName::parse(name).unwrap());
    world
}

fn target(name: &str) -> TargetSpec {
    TargetSpec {
        name: name.to_owned(),
        type_: SecretType::Opaque,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        data: None,
    }
}

impl World {
    fn resource(&self) -> Resource {
        self.resource_in(None)
    }

    /// The same, whose deletion was asked for then.
    fn resource_in(&self, deleting: Option<Timestamp>) -> Resource {
        let deletion =
            Deletion { targets: Fate::Retain, store: Fate::Retain, partner: Fate::Retain, recovery_window_days: 30 };
        let frame = Frame {
            own: self.own.clone(),
            generation: 1,
            deleting,
            namespace_deleting: None,
            held: false,
            suspended: false,
            abandoned: false,
            deletion,
            noted: Noted::default(),
        };
        let named = Named {
            store: self.store.as_ref().map_or(Reference::Absent, Reference::Found),
            account: self.account.as_ref().map_or(Reference::Absent, Reference::Found),
            admin_store: self.admin_store.as_ref().or(self.store.as_ref()).map_or(Reference::Absent, Reference::Found),
            admin_arn: self.admin_arn.as_ref(),
            namespace_labels: Some(&self.labels),
            older: &self.older,
            partner_type: &types,
        };
        resolve(frame, Ok(self.written.clone()), named)
    }

    fn spec(&self) -> Spec {
        self.resource().spec.unwrap()
    }

    fn refusal(&self) -> Reason {
        self.resource().spec.expect_err("it was served")
    }

    fn partner(&mut self) -> &mut WrittenPartner {
        self.written.partner.as_mut().unwrap()
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn account(&mut self) -> &mut Account {
        self.account.as_mut().unwrap()
    }
}

type Row = (&'static str, &'static str, fn() -> World, fn(&mut World));

/// Code, words that the message must have, a served resource, and how it is spoilt.
const REFUSED: &[Row] = &[
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
            w.older.secrets.extend([(object("default"), SecretName::parse("legacy/mail").unwrap())]);
        },
    ),
];

fn wanted(name: &str, key: Option<&str>) -> WantedRegion {
    WantedRegion { name: region(name), kms_key: key.map(|key| KmsKey::parse(key).unwrap()) }
}

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
    observed.older.secrets.extend([(object("default"), SecretName::parse("shared/mail").unwrap())]);
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

//! Every rule of the resolver: what is written and named, and what comes of it. Here the worlds that a test spoils.

mod attacks;
mod every_type;
mod leaving;
mod refused;
mod served;
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
            revision: Revision::parse("1").unwrap(),
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

fn wanted(name: &str, key: Option<&str>) -> WantedRegion {
    WantedRegion { name: region(name), kms_key: key.map(|key| KmsKey::parse(key).unwrap()) }
}

//! The examples that people copy are served as they stand, beside the store and the accounts of the same folder.

use std::path::Path;

use mes_core::names::ObjectName;
use mes_core::partner::{Contract, Field, Format, Host, Operated, Parameter, PartnerType, Pattern};
use mes_core::scope::{Account, Store};
use mes_core::spec::Engine;

use super::*;

static ADMIN: Format = Format::new(&[]);
static CONTRACT: Contract = Contract::DEFAULT;

/// As the drivers declare them: of what this test sees, parameters and identities.
static SALESFORCE: PartnerType = match aws_types::find("SalesforceClientSecret") {
    Some(row) => row.operated(Operated { contract: |_, _| Some(&CONTRACT), admin: Some(&ADMIN) }),
    None => panic!("not in the table"),
};
static POSTGRESQL: PartnerType = PartnerType {
    name: "PostgreSQLRole",
    partner: "PostgreSQL",
    format: Format::new(&[Field::required("username", Pattern::LINE, "role").public()]),
    parameters: &[
        Parameter::required("username", Pattern::WORD, "role"),
        Parameter::optional("alternateUsername", Pattern::WORD, "second role"),
        Parameter::optional("dbname", Pattern::WORD, "database"),
    ],
    identities: &[&["{username}"], &["{alternateUsername}", "{username}"]],
    reserved: &[],
    scheme: "postgresql",
    host: Host::Vendor,
    vendor_hosts: &[],
    operator: Some(Operated { contract: |_, admin| admin.then_some(&CONTRACT), admin: Some(&ADMIN) }),
    secrets_manager: None,
};

fn types(name: &str) -> Option<&'static PartnerType> {
    [&SALESFORCE, &POSTGRESQL].into_iter().find(|known| known.name == name).or_else(|| aws_types::find(name))
}

/// Every object of `examples/`.
fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|file| file.extension().is_some_and(|kind| kind == "yaml")).map(std::fs::read_to_string);
    texts
        .flat_map(|text| text.unwrap().split("\n---").map(str::to_owned).collect::<Vec<_>>())
        .map(|text| serde_yaml::from_str(&text).unwrap())
        .collect()
}

#[test]
fn every_example_is_served() {
    let of = |kind: &str| examples().into_iter().filter(|each| each["kind"] == kind).collect::<Vec<_>>();
    let stores: BTreeMap<ObjectName, Store> = of("SecretsManagerStore")
        .into_iter()
        .map(|each| super::super::store(&serde_json::from_value(each).unwrap()).unwrap())
        .map(|store| (store.name.clone(), store))
        .collect();
    let accounts: BTreeMap<ObjectName, Account> = of("PartnerAccount")
        .into_iter()
        .map(|each| super::super::account(&serde_json::from_value(each).unwrap()).unwrap())
        .map(|account| (account.name.clone(), account))
        .collect();
    let mut served = BTreeMap::new();
    for mut example in of("ManagedExternalSecret") {
        example["metadata"]["uid"] = json!("uid");
        example["metadata"]["resourceVersion"] = json!("1");
        example["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        let mes: api::ManagedExternalSecret = serde_json::from_value(example).unwrap();
        let name = mes.metadata.name.clone().unwrap();
        let wish = written(&mes).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let account = wish.partner.as_ref().and_then(|partner| partner.account.clone());
        let named = Named {
            store: stores.get(&wish.store).map_or(Reference::Absent, Reference::Found),
            account: account.and_then(|account| accounts.get(&account)).map_or(Reference::Absent, Reference::Found),
            admin_store: Reference::NotNamed,
            admin_arn: None,
            namespace_labels: Some(&[("db".to_owned(), "main".to_owned())].into()),
            older: &Older::default(),
            partner_type: &types,
        };
        let own = own(&mes, &uid("cluster"), &uid("namespace")).unwrap();
        let spec =
            resource(&mes, own, Ok(wish), named).unwrap().spec.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        let engine = match spec.rotation.engine {
            Engine::Operator(_) => "Operator",
            Engine::SecretsManager(_) => "SecretsManager",
            Engine::None => "None",
        };
        served.insert(name, (spec.scope.store_secret.name.to_string(), engine));
    }
    let of = |name: &str| served.get(name).map(|(secret, engine)| (secret.as_str(), *engine));
    assert_eq!(of("crm"), Some(("eks-prod/payments/crm", "Operator")));
    assert_eq!(of("orders-db"), Some(("eks-prod/payments/orders-db", "Operator")));
    assert_eq!(of("bigid"), Some(("eks-prod/privacy/bigid", "SecretsManager")));
    assert_eq!(of("shared-smtp"), Some(("shared/smtp", "None")));
    assert!(served.len() >= 7, "{served:?}");
}

//! `PartnerAccount`: what the server takes and what it refuses.

use crate::table::Then::{self, Refused, Taken};
use crate::table::{Row, judge, row};

const PEM: &str = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n";

fn account(says: &'static str, more: &str, then: Then) -> Row {
    row("PartnerAccount", says, &format!("{{partnerTypes: [PostgreSQLRole], {more}}}"), then)
}

fn endpoint(says: &'static str, endpoint: &str, then: Then) -> Row {
    account(says, &format!("endpoint: '{endpoint}'"), then)
}

fn grant(says: &'static str, grant: &str, then: Then) -> Row {
    account(says, &format!("admin: {{secretRef: {{name: admin}}}}, grants: [{grant}]"), then)
}

#[test]
pub(crate) fn an_account_is_a_place_reached_over_tls() {
    judge(&[
        row("PartnerAccount", "types alone", "{partnerTypes: [A, B]}", Taken),
        row("PartnerAccount", "no type", "{partnerTypes: []}", Refused("spec.partnerTypes", "at least 1 items")),
        row("PartnerAccount", "nothing", "{}", Refused("spec.partnerTypes", "Required value")),
        row(
            "PartnerAccount",
            "the same type twice",
            "{partnerTypes: [A, A]}",
            Refused("spec.partnerTypes[1]", "Duplicate value"),
        ),
        row(
            "PartnerAccount",
            "a type with a space",
            "{partnerTypes: ['Postgre SQL']}",
            Refused("spec.partnerTypes", "`mes partners` prints them"),
        ),
        endpoint("a site", "https://acme.example", Taken),
        endpoint("a site with a path", "https://acme.example/api/v4", Taken),
        endpoint("a database", "postgresql://db.databases.svc:5432/postgres", Taken),
        endpoint("a host alone", "acme.example", Refused("spec.endpoint", "a URL with a host")),
        endpoint("a URL without a host", "https:///x", Refused("spec.endpoint", "a URL with a host")),
        endpoint("without TLS", "http://acme.example", Refused("spec.endpoint", "https://")),
        endpoint("with a user", "postgresql://root:hunter2@db.example:5432/x", Refused("spec.endpoint", "spec.admin")),
        endpoint(
            "with a query",
            "postgresql://db.example/x?sslmode=disable",
            Refused("spec.endpoint", "spec.parameters"),
        ),
        endpoint("with a fragment", "https://acme.example/#x", Refused("spec.endpoint", "fragment")),
        account("an authority of its own", &format!("caBundle: \"{PEM}\""), Taken),
        account("an authority that is none", "caBundle: acme", Refused("spec.caBundle", "certificates in PEM")),
        account(
            "an authority with its private key",
            &format!("caBundle: \"{PEM}-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----\\n\""),
            Refused("spec.caBundle", "certificates only"),
        ),
        account("private networks", "privateNetworks: [10.20.0.0/16, 'fd00::1/128']", Taken),
        account(
            "an address that is no network",
            "privateNetworks: [10.20.0.1]",
            Refused("spec.privateNetworks", "/32"),
        ),
        account("a name for a network", "privateNetworks: [db.example]", Refused("spec.privateNetworks", "/32")),
        account("parameters", "parameters: {apiVersion: v65.0}", Taken),
        account(
            "the admin's secret among an account's parameters",
            "parameters: {adminSecretArn: x}",
            Refused("spec.parameters", "spec.admin"),
        ),
        account("limits", "limits: {requestsPerMinute: 60, liveCredentials: 2}", Taken),
        account(
            "no request a minute",
            "limits: {requestsPerMinute: 0}",
            Refused("spec.limits.requestsPerMinute", "greater than or equal to 1"),
        ),
    ]);
}

#[test]
pub(crate) fn an_admin_is_one_and_a_grant_beside_it_names_identities() {
    let refused = Refused("spec.grants[0].identities", "end in one *");
    judge(&[
        account("an admin in a Secret", "admin: {secretRef: {name: admin}}", Taken),
        account("an admin in a store", "admin: {storeRef: {name: default, secretName: eks/mes-system/a}}", Taken),
        account("an admin in the store by default", "admin: {storeRef: {secretName: eks/mes-system/a}}", Taken),
        account("an admin nowhere", "admin: {}", Refused("spec.admin", "exactly one of secretRef and storeRef")),
        account(
            "an admin in two places",
            "admin: {secretRef: {name: a}, storeRef: {secretName: b}}",
            Refused("spec.admin", "exactly one of secretRef and storeRef"),
        ),
        account(
            "an admin by ARN",
            "admin: {storeRef: {secretName: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:a'}}",
            Refused("spec.admin.storeRef.secretName", "not an ARN"),
        ),
        grant("an exact identity", "{namespaces: [payments], identities: [project/4711]}", Taken),
        grant("a prefix", "{namespaces: [payments], identities: ['payments_*']}", Taken),
        grant("the namespace's own", "{namespaceSelector: {}, identities: ['{namespace}_*']}", Taken),
        grant("the namespace itself", "{namespaceSelector: {}, identities: ['ns/{namespace}']}", Taken),
        grant(
            "a namespace's name that another begins with",
            "{namespaceSelector: {}, identities: ['{namespace}-*']}",
            refused,
        ),
        grant("a namespace's name and a star", "{namespaceSelector: {}, identities: ['{namespace}*']}", refused),
        grant("a star in the middle", "{namespaces: [payments], identities: ['a*b']}", refused),
        grant("a variable that does not exist", "{namespaces: [payments], identities: ['{team}_*']}", refused),
        grant("no identity beside an admin", "{namespaces: [payments]}", Refused("spec.grants", "name the identities")),
        grant(
            "an empty list of identities beside an admin",
            "{namespaces: [payments], identities: []}",
            Refused("spec.grants", "name the identities"),
        ),
        account("no identity and no admin", "grants: [{namespaces: [payments]}]", Taken),
        grant(
            "a grant to nobody in particular",
            "{identities: [a]}",
            Refused("spec.grants[0]", "exactly one of namespaces"),
        ),
        grant(
            "a grant by both",
            "{namespaces: [payments], namespaceSelector: {}, identities: [a]}",
            Refused("spec.grants[0]", "exactly one of namespaces"),
        ),
    ]);
}

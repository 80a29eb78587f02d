//! `SecretsManagerStore`: what the server takes and what it refuses.

use crate::table::Then::{self, Refused, Taken};
use crate::table::{Row, judge, row};

fn store(says: &'static str, more: &str, then: Then) -> Row {
    row("SecretsManagerStore", says, &format!("{{region: us-west-2, prefix: eks-prod, {more}}}"), then)
}

fn bare(says: &'static str, spec: &str, then: Then) -> Row {
    row("SecretsManagerStore", says, spec, then)
}

#[test]
pub(crate) fn a_store_is_an_account_a_region_and_a_prefix() {
    judge(&[
        bare("the least", "{region: us-west-2, prefix: eks-prod}", Taken),
        bare("no prefix", "{region: us-west-2}", Refused("spec.prefix", "Required value")),
        bare("no region", "{prefix: eks-prod}", Refused("spec.region", "Required value")),
        bare("a region that is none", "{region: oregon, prefix: eks}", Refused("spec.region", "such as us-west-2")),
        bare(
            "a prefix within another",
            "{region: us-west-2, prefix: eks/prod}",
            Refused("spec.prefix", "without a slash"),
        ),
        store("an account", "accountID: '123456789012'", Taken),
        store(
            "an account that is a number",
            "accountID: 123456789012",
            Refused("spec.accountID", "must be of type string"),
        ),
        store("an account of eleven digits", "accountID: '12345678901'", Refused("spec.accountID", "12 digits")),
        store("a role", "auth: {assumeRole: {roleARN: 'arn:aws:iam::123456789012:role/mes'}}", Taken),
        store(
            "a role of another account",
            "accountID: '210987654321', auth: {assumeRole: {roleARN: 'arn:aws:iam::123456789012:role/mes'}}",
            Refused("spec.auth.assumeRole.roleARN", "its own account only"),
        ),
        store(
            "a role by its name",
            "auth: {assumeRole: {roleARN: mes}}",
            Refused("spec.auth.assumeRole.roleARN", "arn:aws:iam::123456789012:role/NAME"),
        ),
        store("static keys", "auth: {secretRef: {name: aws}}", Taken),
        store("a login that says nothing", "auth: {}", Refused("spec.auth", "leave auth out")),
        store("an endpoint", "endpoint: 'https://vpce-1.secretsmanager.us-west-2.vpce.amazonaws.com'", Taken),
        store("an endpoint on this machine, for a try", "endpoint: 'http://127.0.0.1:4566'", Taken),
        store("an endpoint that is no URL", "endpoint: localhost", Refused("spec.endpoint", "https:// URL")),
        store("a malformed key of the store", "kmsKeyID: my key", Refused("spec.kmsKeyID", "or alias/")),
        store("tags", "tags: {team: platform}", Taken),
        store("a tag of ours", "tags: {managed-secrets.io/owner: x}", Refused("spec.tags", "remove them")),
        store("a tag of AWS's", "tags: {'aws:cloudformation': x}", Refused("spec.tags", "remove them")),
        store("regions with keys", "regions: [{name: eu-west-1, kmsKeyID: alias/mes}, {name: us-west-2}]", Taken),
        store(
            "a store's region twice",
            "regions: [{name: eu-west-1}, {name: eu-west-1}]",
            Refused("spec.regions[1]", "Duplicate value"),
        ),
        store("a role for AWS's engine", "rotationRoleARN: 'arn:aws:iam::123456789012:role/rot'", Taken),
        store(
            "a role for AWS's engine by name",
            "rotationRoleARN: rot",
            Refused("spec.rotationRoleARN", "ARN of an IAM role"),
        ),
        store("what is taken back after a disaster", "takeOver: [1234abcd-12ab-34cd-56ef-1234567890ab]", Taken),
        store(
            "a namespace taken back by name",
            "takeOver: [payments]",
            Refused("spec.takeOver", "kubectl get namespace"),
        ),
        store("a pace", "limits: {requestsPerSecond: 20}", Taken),
        store(
            "regions given up, which a later version brings",
            "lostRegions: [us-east-1]",
            Refused("unknown field", "spec.lostRegions"),
        ),
    ]);
}

#[test]
pub(crate) fn a_store_grants_names_and_never_anothers_namespace() {
    judge(&[
        store("everybody their own", "grants: [{namespaceSelector: {}}]", Taken),
        store(
            "some beside their own",
            "grants: [{namespaces: [payments], manage: ['legacy/{namespace}/*'], observe: ['shared/*']}]",
            Taken,
        ),
        store(
            "a prefix that reaches another namespace",
            "grants: [{namespaceSelector: {}, manage: ['legacy-{namespace}*']}]",
            Refused("spec.grants[0].manage", "end in one *"),
        ),
        store(
            "a star in the middle of what is read",
            "grants: [{namespaceSelector: {}, observe: ['*/smtp']}]",
            Refused("spec.grants[0].observe", "end in one *"),
        ),
        store("a grant to nobody", "grants: [{manage: [a]}]", Refused("spec.grants[0]", "exactly one of namespaces")),
    ]);
}

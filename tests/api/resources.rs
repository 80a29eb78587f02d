//! `ManagedExternalSecret`: what the server takes and what it refuses.

use serde_json::json;

use crate::table::Then::{self, Refused, Taken};
use crate::table::{Row, judge, named, row};

const SEEDED: &str = "partner: {type: T}, onboard: {fromSecret: {name: s}}";
const MINTED: &str = "partner: {type: T, accountRef: {name: a}}, onboard: {mint: {}}";
const ADOPTED: &str = "partner: {type: T}, onboard: {adopt: {}}, storeRef: {secretName: legacy/x}";
const OBSERVED: &str = "onboard: {observe: {}}, storeRef: {secretName: shared/x}";

fn mes(says: &'static str, spec: &str, then: Then) -> Row {
    row("ManagedExternalSecret", says, spec, then)
}

fn with(says: &'static str, base: &str, more: &str, then: Then) -> Row {
    mes(says, &format!("{{{base}, {more}}}"), then)
}

fn target(says: &'static str, target: &str, then: Then) -> Row {
    with(says, SEEDED, &format!("targets: [{target}]"), then)
}

fn rotation(says: &'static str, rotation: &str, then: Then) -> Row {
    with(says, SEEDED, &format!("rotation: {rotation}"), then)
}

#[test]
pub(crate) fn a_name_leaves_room_for_what_is_named_after_it() {
    let long = |length, then, says| {
        let metadata = json!({"name": "a".repeat(length)});
        named("ManagedExternalSecret", says, metadata, &format!("{{{SEEDED}}}"), then)
    };
    judge(&[
        long(52, Taken, "a name of 52 characters"),
        long(53, Refused("metadata.name", "at most 52 characters"), "a name of 53 characters"),
        long(253, Refused("metadata.name", "at most 52 characters"), "a name of 253 characters"),
        named(
            "ManagedExternalSecret",
            "a name that is no name of an object",
            json!({"name": "Crm_1"}),
            &format!("{{{SEEDED}}}"),
            Refused("metadata.name", "lower case alphanumeric"),
        ),
    ]);
}

#[test]
pub(crate) fn onboarding_has_one_source_and_what_that_source_needs() {
    judge(&[
        mes("a seed", &format!("{{{SEEDED}}}"), Taken),
        mes("minted by an account", &format!("{{{MINTED}}}"), Taken),
        mes("adopted", &format!("{{{ADOPTED}}}"), Taken),
        mes("observed", &format!("{{{OBSERVED}}}"), Taken),
        mes("no spec", "{}", Refused("spec.onboard", "Required value")),
        mes("no source", "{partner: {type: T}, onboard: {}}", Refused("spec.onboard", "exactly one of fromSecret")),
        mes(
            "two sources",
            "{partner: {type: T, accountRef: {name: a}}, onboard: {mint: {}, fromSecret: {name: s}}}",
            Refused("spec.onboard", "exactly one of fromSecret"),
        ),
        mes(
            "a source that this version does not know",
            "{partner: {type: T}, onboard: {copy: {}}}",
            Refused("unknown field", "spec.onboard.copy"),
        ),
        mes(
            "a seed without a name",
            "{partner: {type: T}, onboard: {fromSecret: {}}}",
            Refused("spec.onboard.fromSecret.name", "Required value"),
        ),
        mes(
            "a seed in another namespace",
            "{partner: {type: T}, onboard: {fromSecret: {name: s, namespace: kube-system}}}",
            Refused("unknown field", "spec.onboard.fromSecret.namespace"),
        ),
        mes(
            "a seed's name with a slash",
            "{partner: {type: T}, onboard: {fromSecret: {name: kube-system/s}}}",
            Refused("spec.onboard.fromSecret.name", "name of a Kubernetes object"),
        ),
        mes("no partner", "{onboard: {fromSecret: {name: s}}}", Refused("spec.partner", "`mes partners` lists them")),
        with("observed with a partner", OBSERVED, "partner: {type: T}", Refused("spec.partner", "onboard.adopt")),
        with("observed with a rotation", OBSERVED, "rotation: {}", Refused("spec.rotation", "onboard.adopt")),
        with("observed with regions", OBSERVED, "regions: [{name: eu-west-1}]", Refused("spec.regions", "the owner")),
        with("observed with an empty list of regions, as a chart renders it", OBSERVED, "regions: []", Taken),
        mes(
            "minted without an account",
            "{partner: {type: T}, onboard: {mint: {}}}",
            Refused("spec.partner.accountRef", "name the PartnerAccount"),
        ),
        with(
            "minted under AWS's engine",
            MINTED,
            "rotation: {engine: SecretsManager}",
            Refused("spec.rotation.engine", "onboard.fromSecret"),
        ),
        with("minted with a rotation that says nothing", MINTED, "rotation: {}", Taken),
        mes(
            "adopted without naming the secret",
            "{partner: {type: T}, onboard: {adopt: {}}}",
            Refused("spec.storeRef.secretName", "name the existing secret"),
        ),
        mes(
            "observed without naming the secret",
            "{onboard: {observe: {}}, storeRef: {name: other}}",
            Refused("spec.storeRef.secretName", "name the existing secret"),
        ),
        with(
            "a seed with a secret's name of its own",
            SEEDED,
            "storeRef: {secretName: mine}",
            Refused("spec.storeRef.secretName", "remove it"),
        ),
    ]);
}

#[test]
pub(crate) fn a_partner_and_a_store_are_named_never_pointed_at() {
    let long = "p".repeat(64);
    judge(&[
        with("another store", SEEDED, "storeRef: {name: other}", Taken),
        with("a store by default", SEEDED, "storeRef: {}", Taken),
        with("a store's name in capitals", SEEDED, "storeRef: {name: Other}", Refused("spec.storeRef.name", "smstore")),
        mes(
            "a secret by its ARN",
            "{onboard: {observe: {}}, storeRef: {secretName: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:x'}}",
            Refused("spec.storeRef.secretName", "not an ARN"),
        ),
        mes(
            "a role in the resource",
            "{onboard: {observe: {}}, storeRef: {secretName: x, roleARN: 'arn:aws:iam::1:role/x'}}",
            Refused("unknown field", "spec.storeRef.roleARN"),
        ),
        mes(
            "a partner type that nobody knows yet: the set is open, a condition tells",
            "{partner: {type: Nobody2}, onboard: {fromSecret: {name: s}}}",
            Taken,
        ),
        mes(
            "a partner type with a hyphen",
            "{partner: {type: postgre-sql}, onboard: {fromSecret: {name: s}}}",
            Refused("spec.partner.type", "`mes partners` prints it"),
        ),
        mes(
            "an empty partner type",
            "{partner: {type: ''}, onboard: {fromSecret: {name: s}}}",
            Refused("spec.partner.type", "at least 1 chars long"),
        ),
        mes(
            "a partner without a type",
            "{partner: {}, onboard: {fromSecret: {name: s}}}",
            Refused("spec.partner.type", "Required value"),
        ),
        mes(
            "a partner type of 64 characters",
            &format!("{{partner: {{type: {long}}}, onboard: {{fromSecret: {{name: s}}}}}}"),
            Refused("spec.partner.type", "more than 63"),
        ),
        mes(
            "the admin's secret among the parameters",
            "{partner: {type: T, parameters: {adminSecretArn: x}}, onboard: {fromSecret: {name: s}}}",
            Refused("spec.partner.parameters", "accountRef"),
        ),
        mes(
            "a parameter that is a number",
            "{partner: {type: T, parameters: {days: 60}}, onboard: {fromSecret: {name: s}}}",
            Refused("spec.partner.parameters.days", "must be of type string"),
        ),
        mes(
            "a parameter that is a number in quotes",
            "{partner: {type: T, parameters: {days: '60'}}, onboard: {fromSecret: {name: s}}}",
            Taken,
        ),
        mes(
            "an endpoint in the resource",
            "{partner: {type: T, endpoint: 'https://evil.example'}, onboard: {fromSecret: {name: s}}}",
            Refused("unknown field", "spec.partner.endpoint"),
        ),
        mes(
            "an account in another namespace",
            "{partner: {type: T, accountRef: {name: a, namespace: b}}, onboard: {mint: {}}}",
            Refused("unknown field", "spec.partner.accountRef.namespace"),
        ),
    ]);
}

#[test]
pub(crate) fn a_region_is_a_region_once_with_a_key_of_its_own() {
    let regions = |says, regions: &str, then| with(says, SEEDED, &format!("regions: [{regions}]"), then);
    let seventeen: Vec<String> = (1..=17).map(|n| format!("{{name: eu-west-{n}}}")).collect();
    judge(&[
        regions("two regions", "{name: us-west-2}, {name: eu-west-1}", Taken),
        regions("a region of the government", "{name: us-gov-west-1}", Taken),
        regions("a key by alias", "{name: eu-west-1, kmsKeyID: alias/mes}", Taken),
        regions("a key by id", "{name: eu-west-1, kmsKeyID: 1234abcd-12ab-34cd-56ef-1234567890ab}", Taken),
        regions("a key of many regions", "{name: eu-west-1, kmsKeyID: mrk-1234abcd12ab34cd56ef1234567890ab}", Taken),
        regions(
            "a key by ARN",
            "{name: eu-west-1, kmsKeyID: 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'}",
            Taken,
        ),
        regions(
            "a key of another region",
            "{name: eu-west-1, kmsKeyID: 'arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'}",
            Refused("spec.regions[0]", "name a key of that region"),
        ),
        regions(
            "a malformed key",
            "{name: eu-west-1, kmsKeyID: mes}",
            Refused("spec.regions[0].kmsKeyID", "or alias/"),
        ),
        regions(
            "the same region twice",
            "{name: eu-west-1}, {name: eu-west-1, kmsKeyID: alias/mes}",
            Refused("spec.regions[1]", "Duplicate value"),
        ),
        regions("a zone for a region", "{name: eu-west-1a}", Refused("spec.regions[0].name", "such as eu-west-1")),
        regions("a region in words", "{name: Ireland}", Refused("spec.regions[0].name", "such as eu-west-1")),
        regions("a region without a name", "{kmsKeyID: alias/mes}", Refused("spec.regions[0].name", "Required value")),
        regions("seventeen regions", &seventeen.join(", "), Refused("spec.regions", "at most 16 items")),
    ]);
}

#[test]
pub(crate) fn a_schedule_is_one_that_secrets_manager_knows() {
    let schedule = |says, schedule: &str, then| rotation(says, &format!("{{schedule: '{schedule}'}}"), then);
    let refused = Refused("spec.rotation.schedule", "such as cron(0 2 ? * SUN *)");
    judge(&[
        schedule("every thirty days", "rate(30 days)", Taken),
        schedule("every day, in the singular", "rate(1 day)", Taken),
        schedule("every four hours", "rate(4 hours)", Taken),
        schedule("Sundays at two", "cron(0 2 ? * SUN *)", Taken),
        schedule("the last day of a month", "cron(0 8 L * ? *)", Taken),
        schedule("the first Monday", "cron(0 18 ? 1-12/2 2#1 *)", Taken),
        schedule("a schedule that is no schedule", "every monday", refused),
        schedule("an empty schedule", "", Refused("spec.rotation.schedule", "at least 1 chars long")),
        schedule("minutes, which Secrets Manager has not", "rate(30 minutes)", refused),
        schedule("a rate of nothing", "rate(0 days)", refused),
        schedule("a rate without a unit", "rate(30)", refused),
        schedule("cron as crontab writes it", "0 2 * * 0", refused),
        schedule("cron with five fields", "cron(0 2 * * SUN)", refused),
        schedule("cron with seven fields", "cron(0 0 2 ? * SUN *)", refused),
        schedule("a rate in capitals", "RATE(30 days)", refused),
        rotation("a window", "{schedule: rate(30 days), window: 24h}", Taken),
        rotation(
            "a window of 25 hours",
            "{schedule: rate(30 days), window: 25h}",
            Refused("spec.rotation.window", "1h to 24h"),
        ),
        rotation(
            "a window in minutes",
            "{schedule: rate(30 days), window: 90m}",
            Refused("spec.rotation.window", "1h to 24h"),
        ),
        rotation("a window without a schedule", "{window: 3h}", Refused("spec.rotation.window", "add a schedule")),
        rotation("a zone", "{schedule: rate(30 days), timeZone: America/Argentina/Ushuaia}", Taken),
        rotation(
            "a zone that nobody knows: a condition tells",
            "{schedule: rate(30 days), timeZone: Mars/Base}",
            Taken,
        ),
        rotation(
            "a zone that is no name",
            "{schedule: rate(30 days), timeZone: '../etc/passwd'}",
            Refused("spec.rotation.timeZone", "Europe/Berlin"),
        ),
        rotation("a zone without a schedule", "{timeZone: UTC}", Refused("spec.rotation.timeZone", "add a schedule")),
    ]);
}

#[test]
pub(crate) fn a_rotation_policy_fits_its_engine() {
    judge(&[
        rotation("disruption allowed", "{disruption: Allow}", Taken),
        rotation("disruption forbidden", "{disruption: Forbid}", Taken),
        rotation("another disruption", "{disruption: Maybe}", Refused("spec.rotation.disruption", "supported values")),
        rotation("an overlap", "{overlap: 1h30m}", Taken),
        rotation("no overlap at all", "{overlap: 0s}", Taken),
        rotation("an overlap in days", "{overlap: 2d}", Refused("spec.rotation.overlap", "days are not understood")),
        rotation("an overlap without a unit", "{overlap: '24'}", Refused("spec.rotation.overlap", "such as 48h")),
        rotation("a negative overlap", "{overlap: -1h}", Refused("spec.rotation.overlap", "such as 48h")),
        rotation(
            "an overlap that is a number",
            "{overlap: 24}",
            Refused("spec.rotation.overlap", "must be of type string"),
        ),
        rotation("the first one now", "{first: Immediate}", Taken),
        rotation(
            "the first one at some time",
            "{first: Later}",
            Refused("spec.rotation.first", "\"Immediate\", \"Scheduled\""),
        ),
        rotation("AWS's engine", "{engine: SecretsManager, schedule: rate(30 days), window: 4h}", Taken),
        rotation(
            "an engine of nobody",
            "{engine: Vault}",
            Refused("spec.rotation.engine", "\"Operator\", \"SecretsManager\""),
        ),
        rotation(
            "an overlap under AWS's engine",
            "{engine: SecretsManager, overlap: 24h}",
            Refused("spec.rotation.overlap", "remove it"),
        ),
        rotation(
            "a zone under AWS's engine",
            "{engine: SecretsManager, schedule: rate(30 days), timeZone: Europe/Berlin}",
            Refused("spec.rotation.timeZone", "remove it"),
        ),
        rotation(
            "a role in the resource's rotation",
            "{engine: SecretsManager, roleARN: 'arn:aws:iam::1:role/x'}",
            Refused("unknown field", "spec.rotation.roleARN"),
        ),
    ]);
}

#[test]
pub(crate) fn a_target_carries_fields_of_the_credential_and_nothing_of_ours() {
    let data = |says, data: &str, then| target(says, &format!("{{name: t, data: {data}}}"), then);
    let only = Refused("spec.targets[0].data", "only $(current.FIELD) is understood");
    let nine: Vec<String> = (1..=9).map(|n| format!("{{name: t{n}}}")).collect();
    judge(&[
        target("a target with every field", "{name: t}", Taken),
        data("one field under another name", "{PASSWORD: $(current.password)}", Taken),
        data("a field with a dash and a dot", "{a.b: $(current.db-1.host_name)}", Taken),
        data("a template", "{URL: 'https://$(current.user):$(current.password)@host'}", only),
        data("a filter", "{URL: $(current.password | uri)}", only),
        data("the previous value", "{OLD: $(previous.password)}", only),
        data("a literal", "{MODE: production}", only),
        data("a template of Helm", "{X: '{{ .password }}'}", only),
        data("a field without a name", "{X: $(current.)}", only),
        data("no key", "{}", Refused("spec.targets[0].data", "leave it out")),
        target("two targets", "{name: a}, {name: b}", Taken),
        target(
            "the same target twice",
            "{name: a}, {name: a, type: Opaque}",
            Refused("spec.targets[1]", "Duplicate value"),
        ),
        target("nine targets", &nine.join(", "), Refused("spec.targets", "at most 8 items")),
        target("a target in capitals", "{name: T}", Refused("spec.targets[0].name", "name of a Secret")),
        target(
            "a target in another namespace",
            "{name: kube-system/t}",
            Refused("spec.targets[0].name", "name of a Secret"),
        ),
        target("a target without a name", "{type: Opaque}", Refused("spec.targets[0].name", "Required value")),
        target(
            "a certificate",
            "{name: t, type: kubernetes.io/tls, data: {tls.crt: $(current.certificate), tls.key: $(current.key)}}",
            Taken,
        ),
        target(
            "a certificate without its key",
            "{name: t, type: kubernetes.io/tls, data: {tls.crt: $(current.certificate)}}",
            Refused("spec.targets[0].data", "tls.crt and tls.key"),
        ),
        target(
            "a certificate without data",
            "{name: t, type: kubernetes.io/tls}",
            Refused("spec.targets[0].data", "tls.crt and tls.key"),
        ),
        target("a login", "{name: t, type: kubernetes.io/basic-auth, data: {password: $(current.token)}}", Taken),
        target(
            "a login without a user or a password",
            "{name: t, type: kubernetes.io/basic-auth, data: {token: $(current.token)}}",
            Refused("spec.targets[0].data", "username or password"),
        ),
        target(
            "a key of SSH under another name",
            "{name: t, type: kubernetes.io/ssh-auth, data: {id_rsa: $(current.key)}}",
            Refused("spec.targets[0].data", "ssh-privatekey"),
        ),
        target(
            "a pull secret",
            "{name: t, type: kubernetes.io/dockerconfigjson, data: {.dockerconfigjson: $(current.config)}}",
            Refused("spec.targets[0].type", "use Opaque"),
        ),
        target(
            "a token of a ServiceAccount",
            "{name: t, type: kubernetes.io/service-account-token}",
            Refused("spec.targets[0].type", "supported values"),
        ),
        target("labels and annotations", "{name: t, labels: {app: crm}, annotations: {example.com/a: b}}", Taken),
        target(
            "a label of ours",
            "{name: t, labels: {managed-secrets.io/resource: other}}",
            Refused("spec.targets[0].labels", "remove them"),
        ),
        target(
            "an annotation of ours",
            "{name: t, annotations: {managed-secrets.io/version-id: x}}",
            Refused("spec.targets[0].annotations", "remove them"),
        ),
    ]);
}

#[test]
pub(crate) fn deletion_has_three_answers_and_never_takes_what_was_not_ours() {
    judge(&[
        with("everything goes", MINTED, "deletion: {targets: Delete, store: Delete, partner: Revoke}", Taken),
        with("one axis", SEEDED, "deletion: {targets: Delete, recoveryWindowDays: 7}", Taken),
        with(
            "a word of another axis",
            SEEDED,
            "deletion: {partner: Delete}",
            Refused("spec.deletion.partner", "\"Revoke\""),
        ),
        with(
            "six days of recovery",
            SEEDED,
            "deletion: {store: Delete, recoveryWindowDays: 6}",
            Refused("spec.deletion.recoveryWindowDays", "greater than or equal to 7"),
        ),
        with(
            "31 days of recovery",
            SEEDED,
            "deletion: {store: Delete, recoveryWindowDays: 31}",
            Refused("spec.deletion.recoveryWindowDays", "less than or equal to 30"),
        ),
        with(
            "an adopted secret deleted",
            ADOPTED,
            "deletion: {store: Delete}",
            Refused("spec.deletion.store", "must be Retain"),
        ),
        with("an adopted credential revoked", ADOPTED, "deletion: {partner: Revoke}", Taken),
        with(
            "an observed secret deleted",
            OBSERVED,
            "deletion: {store: Delete}",
            Refused("spec.deletion.store", "must be Retain"),
        ),
        with(
            "an observed credential revoked",
            OBSERVED,
            "deletion: {partner: Revoke}",
            Refused("spec.deletion.partner", "must be Retain"),
        ),
        with("an observed secret's targets deleted", OBSERVED, "deletion: {targets: Delete}", Taken),
        with("suspended", SEEDED, "suspend: true", Taken),
        with("suspended by a word", SEEDED, "suspend: 'yes'", Refused("spec.suspend", "must be of type boolean")),
        with("empty keys, as a chart renders them", SEEDED, "rotation: null, deletion: null, suspend: null", Taken),
        with(
            "a field that does not exist",
            SEEDED,
            "refreshInterval: 1h",
            Refused("unknown field", "spec.refreshInterval"),
        ),
    ]);
}

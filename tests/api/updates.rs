//! What may change after a thing is made, and what is fixed: on stored objects, change by change.

use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::server::{create, object, patch};
use crate::table::Then::{self, Refused, Taken};
use crate::table::misjudged;

/// An object, and the changes to it in order, each with what becomes of it.
struct Update {
    says: &'static str,
    kind: &'static str,
    spec: &'static str,
    onboarded: bool,
    changes: &'static [(&'static str, Then)],
}

const SEEDED: &str = "{partner: {type: A, accountRef: {name: a}}, onboard: {fromSecret: {name: s}}}";
const OTHER_STORE: &str = "{partner: {type: A}, onboard: {fromSecret: {name: s}}, storeRef: {name: other}}";
const OBSERVED: &str = "{onboard: {observe: {}}, storeRef: {secretName: shared/x}}";
const ADOPTED: &str = "{partner: {type: A}, onboard: {adopt: {}}, storeRef: {secretName: legacy/x}}";
const BY_AWS: &str = "{partner: {type: A}, onboard: {fromSecret: {name: s}}, rotation: {engine: SecretsManager}}";
const STORE: &str = "{region: us-west-2, prefix: PREFIX, accountID: '123456789012'}";

const ENGINE: Then = Refused("spec.rotation.engine", "make a new ManagedExternalSecret");
const IN_STORE: Then = Refused("spec.storeRef.name", "make a new ManagedExternalSecret");
const SECRET_NAME: Then = Refused("spec.storeRef.secretName", "make a new ManagedExternalSecret");
const SOURCE: Then = Refused("spec.onboard", "make a new ManagedExternalSecret");
const TYPE: Then = Refused("spec.partner.type", "make a new ManagedExternalSecret");

fn once(says: &'static str, spec: &'static str, changes: &'static [(&'static str, Then)]) -> Update {
    Update { says, kind: "ManagedExternalSecret", spec, onboarded: true, changes }
}

fn before(says: &'static str, spec: &'static str, changes: &'static [(&'static str, Then)]) -> Update {
    Update { onboarded: false, ..once(says, spec, changes) }
}

fn of(kind: &'static str, says: &'static str, spec: &'static str, changes: &'static [(&'static str, Then)]) -> Update {
    Update { kind, onboarded: false, ..once(says, spec, changes) }
}

#[test]
pub(crate) fn what_is_fixed_once_onboarded_can_be_mended_until_then() {
    judge(&[
        before(
            "everything, before",
            SEEDED,
            &[
                ("{partner: {type: B}}", Taken),
                ("{storeRef: {name: other}}", Taken),
                ("{rotation: {engine: SecretsManager}}", Taken),
                ("{onboard: {fromSecret: null, adopt: {}}, storeRef: {secretName: legacy/x}}", Taken),
            ],
        ),
        once("the partner's type", SEEDED, &[("{partner: {type: B}}", TYPE)]),
        once(
            "the account, the seed and the parameters",
            SEEDED,
            &[
                ("{partner: {accountRef: {name: b}}, onboard: {fromSecret: {name: t}}}", Taken),
                ("{partner: {accountRef: null, parameters: {a: b}}}", Taken),
            ],
        ),
        once("the source", SEEDED, &[("{onboard: {fromSecret: null, mint: {}}}", SOURCE)]),
        once(
            "the source, to a secret that exists",
            SEEDED,
            &[("{onboard: {fromSecret: null, adopt: {}}, storeRef: {secretName: legacy/x}}", SOURCE)],
        ),
        once("the engine", SEEDED, &[("{rotation: {engine: SecretsManager}}", ENGINE)]),
        once(
            "the engine, by saying what it is already",
            SEEDED,
            &[("{rotation: {engine: Operator, schedule: rate(30 days)}}", Taken), ("{rotation: null}", Taken)],
        ),
        once(
            "AWS's engine, by removing it and adding another",
            BY_AWS,
            &[
                ("{rotation: null}", ENGINE),
                ("{rotation: {engine: Operator}}", ENGINE),
                ("{rotation: {schedule: rate(30 days)}}", Taken),
            ],
        ),
        once("the store", SEEDED, &[("{storeRef: {name: other}}", IN_STORE)]),
        once(
            "the store, by saying what it is already",
            SEEDED,
            &[("{storeRef: {name: default}}", Taken), ("{storeRef: null}", Taken)],
        ),
        once(
            "another store, by removing it and adding a third",
            OTHER_STORE,
            &[
                ("{storeRef: null}", IN_STORE),
                ("{storeRef: {name: third}}", IN_STORE),
                ("{storeRef: {name: other}}", Taken),
            ],
        ),
        once("the secret that is read", OBSERVED, &[("{storeRef: {secretName: shared/y}}", SECRET_NAME)]),
        once(
            "the secret that was taken over",
            ADOPTED,
            &[
                ("{storeRef: {secretName: legacy/y}}", SECRET_NAME),
                ("{onboard: {adopt: null, observe: {}}, partner: null}", SOURCE),
            ],
        ),
        once(
            "from observing to adopting, and not back",
            OBSERVED,
            &[
                (
                    "{onboard: {observe: null, adopt: {}}, storeRef: {secretName: shared/y}, partner: {type: A}}",
                    SECRET_NAME,
                ),
                ("{onboard: {observe: null, fromSecret: {name: s}}, storeRef: null, partner: {type: A}}", SOURCE),
                (
                    "{onboard: {observe: null, adopt: {}}, partner: {type: A}, rotation: {schedule: rate(30 days)}}",
                    Taken,
                ),
                ("{partner: {type: B}}", TYPE),
                ("{onboard: {observe: {}, adopt: null}, partner: null, rotation: null}", SOURCE),
            ],
        ),
        once(
            "what is never fixed",
            SEEDED,
            &[
                (
                    "{targets: [{name: a}, {name: b}], regions: [{name: eu-west-1}], deletion: {store: Delete}, suspend: true}",
                    Taken,
                ),
                ("{targets: null, regions: null, deletion: null, suspend: null}", Taken),
            ],
        ),
    ]);
}

#[test]
pub(crate) fn a_rotation_never_changes_and_a_store_keeps_its_prefix_and_region() {
    judge(&[
        of(
            "Rotation",
            "a rotation's trigger",
            "{resourceRef: {name: crm}, trigger: Schedule}",
            &[
                ("{trigger: Request}", Refused("spec", "create another Rotation")),
                ("{trigger: null}", Refused("spec", "create another Rotation")),
                ("{resourceRef: {name: other}}", Refused("spec", "create another Rotation")),
                ("{resourceRef: {name: crm}}", Taken),
            ],
        ),
        of(
            "Rotation",
            "a rotation's candidate",
            "{resourceRef: {name: crm}, candidate: {fromSecret: {name: crm-new}}}",
            &[
                ("{candidate: {fromSecret: {name: other}}}", Refused("spec", "create another Rotation")),
                ("{candidate: null}", Refused("spec", "create another Rotation")),
            ],
        ),
        of(
            "SecretsManagerStore",
            "a store's prefix and region",
            STORE,
            &[
                ("{prefix: other}", Refused("spec.prefix", "make a new SecretsManagerStore")),
                ("{region: eu-west-1}", Refused("spec.region", "make a new SecretsManagerStore")),
                ("{accountID: null, kmsKeyID: alias/other, grants: [{namespaceSelector: {}}]}", Taken),
            ],
        ),
        of(
            "PartnerAccount",
            "an account",
            "{partnerTypes: [A], endpoint: 'https://a.example'}",
            &[("{partnerTypes: [A, B], endpoint: 'https://b.example'}", Taken), ("{endpoint: null}", Taken)],
        ),
    ]);
}

fn judge(updates: &[Update]) {
    let wrong: Vec<String> = updates.iter().filter_map(wrongly).collect();
    assert!(wrong.is_empty(), "{} of {} updates:\n\n{}", wrong.len(), updates.len(), wrong.join("\n\n"));
}

fn wrongly(update: &Update) -> Option<String> {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let name = format!("u{}", COUNT.fetch_add(1, Ordering::Relaxed));
    create(&object(update.kind, &name, update.spec), false)
        .unwrap_or_else(|refusal| panic!("{}: {refusal}", update.says));
    if update.onboarded {
        patch(update.kind, &name, &json!({"status": {"versionID": "v1"}})).expect("the status is taken");
    }
    update.changes.iter().find_map(|(change, then)| {
        let spec: Value = serde_yaml::from_str(change).unwrap();
        let answer = patch(update.kind, &name, &json!({"spec": spec}));
        Some(format!("{}, {change}: {}", update.says, misjudged(&answer, *then)?))
    })
}

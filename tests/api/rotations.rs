//! `Rotation`: what the server takes and what it refuses.

use serde_json::json;

use crate::table::Then::{self, Refused, Taken};
use crate::table::{Row, judge, named, row};

fn rotation(says: &'static str, spec: &str, then: Then) -> Row {
    row("Rotation", says, spec, then)
}

#[test]
pub(crate) fn a_rotation_is_asked_for_in_one_line() {
    judge(&[
        rotation("a request", "{resourceRef: {name: crm}}", Taken),
        rotation("a request that says so", "{resourceRef: {name: crm}, trigger: Request}", Taken),
        rotation("what the operator makes", "{resourceRef: {name: crm}, trigger: Schedule}", Taken),
        rotation("what it makes before an end", "{resourceRef: {name: crm}, trigger: Expiry}", Taken),
        named(
            "Rotation",
            "one named by the server",
            json!({"generateName": "crm-"}),
            "{resourceRef: {name: crm}}",
            Taken,
        ),
        rotation("a rotation of nothing", "{}", Refused("spec.resourceRef", "Required value")),
        rotation("a resource without a name", "{resourceRef: {}}", Refused("spec.resourceRef.name", "Required value")),
        rotation(
            "an empty name",
            "{resourceRef: {name: ''}}",
            Refused("spec.resourceRef.name", "at least 1 chars long"),
        ),
        rotation(
            "a resource in another namespace",
            "{resourceRef: {name: crm, namespace: orders}}",
            Refused("unknown field", "spec.resourceRef.namespace"),
        ),
        rotation(
            "a trigger that is none",
            "{resourceRef: {name: crm}, trigger: Now}",
            Refused("spec.trigger", "\"Onboarding\", \"Schedule\", \"Expiry\", \"Request\", \"Compromise\""),
        ),
        rotation("an alarm", "{resourceRef: {name: crm}, trigger: Compromise}", Taken),
        rotation(
            "an alarm that waits for no proof",
            "{resourceRef: {name: crm}, trigger: Compromise, revocation: AtOnce}",
            Taken,
        ),
        rotation("the default written out", "{resourceRef: {name: crm}, revocation: WhenProven}", Taken),
        rotation(
            "a request that waits for no proof",
            "{resourceRef: {name: crm}, revocation: AtOnce}",
            Refused("spec.revocation", "only with trigger Compromise"),
        ),
        rotation(
            "a revocation that is none",
            "{resourceRef: {name: crm}, trigger: Compromise, revocation: Now}",
            Refused("spec.revocation", "\"WhenProven\", \"AtOnce\""),
        ),
        rotation(
            "a candidate, which a later version brings",
            "{resourceRef: {name: crm}, candidate: {fromSecret: {name: new}}}",
            Refused("unknown field", "spec.candidate"),
        ),
    ]);
}

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
    ]);
}

#[test]
pub(crate) fn a_candidate_of_ones_own_is_one_secret_here_or_one_version() {
    const ID: &str = "0d5f6b1e-6b6e-5c0e-9b1a-2f6f0a7f3f11";
    let own = |says, candidate: &str, then| {
        rotation(says, &format!("{{resourceRef: {{name: crm}}, candidate: {candidate}}}"), then)
    };
    let with = |says, trigger: &str, then| {
        let spec = format!("{{resourceRef: {{name: crm}}, trigger: {trigger}, candidate: {{versionID: {ID}}}}}");
        rotation(says, &spec, then)
    };
    const ONE: Then = Refused("spec.candidate", "candidate must hold exactly one of fromSecret and versionID");
    const PERSONS: Then = Refused("spec.candidate", "a candidate of your own is for trigger Request or Compromise");
    judge(&[
        own("a new credential", "{fromSecret: {name: crm-new}}", Taken),
        own("an earlier version", &format!("{{versionID: {ID}}}"), Taken),
        with("one of a request", "Request", Taken),
        with("one of an alarm", "Compromise", Taken),
        with("one of the schedule", "Schedule", PERSONS),
        with("one before an end", "Expiry", PERSONS),
        with("one of the onboarding", "Onboarding", PERSONS),
        own("an empty one", "{}", ONE),
        own("two at once", &format!("{{fromSecret: {{name: crm-new}}, versionID: {ID}}}"), ONE),
        own("a Secret without a name", "{fromSecret: {}}", Refused("spec.candidate.fromSecret.name", "Required value")),
        own(
            "a Secret of another namespace",
            "{fromSecret: {name: crm-new, namespace: orders}}",
            Refused("unknown field", "spec.candidate.fromSecret.namespace"),
        ),
        own(
            "a path for a Secret",
            "{fromSecret: {name: orders/crm-new}}",
            Refused("spec.candidate.fromSecret.name", "name must be the name of a Kubernetes object"),
        ),
        own(
            "a label for a version",
            "{versionID: AWSPREVIOUS}",
            Refused("spec.candidate.versionID", "at least 32 chars"),
        ),
        own(
            "two words for a version",
            "{versionID: '0d5f6b1e-6b6e-5c0e-9b1a 2f6f0a7f3f11'}",
            Refused("spec.candidate.versionID", "versionID must be the id of a version of the AWS secret"),
        ),
        own("a value in the open", "{password: hunter2}", Refused("unknown field", "spec.candidate.password")),
    ]);
}

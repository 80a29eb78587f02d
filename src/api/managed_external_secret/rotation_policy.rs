//! When and how a credential is rotated, as its team wishes it.
//!
//! Invariant: CEL refuses only what is surely wrong by its shape; whether a schedule ever fires, or an overlap fits the
//! partner, is told by a condition, since it depends on more than this object.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rule;

/// When and how the credential is rotated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule(
        ".window",
        "!has(self.window) || has(self.schedule)",
        "rotation.window needs rotation.schedule: add a schedule, or remove the window"
    ),
    validation = rule(
        ".timeZone",
        "!has(self.timeZone) || has(self.schedule)",
        "rotation.timeZone needs rotation.schedule: add a schedule, or remove the time zone"
    ),
    validation = rule(
        ".timeZone",
        "!has(self.timeZone) || self.engine != 'SecretsManager'",
        "rotation.timeZone does not go with engine SecretsManager, which reads schedules in UTC: remove it"
    ),
    validation = rule(
        ".overlap",
        "!has(self.overlap) || self.engine != 'SecretsManager'",
        "rotation.overlap does not go with engine SecretsManager, where AWS decides when the old credential ends: remove it"
    )
)]
pub struct RotationPolicy {
    /// Operator = this operator rotates. SecretsManager = AWS's own rotation for the types that it knows. Fixed once onboarded.
    #[serde(default)]
    pub engine: Engine,
    /// rate(30 days), rate(12 hours) or cron(0 2 ? * SUN *), Secrets Manager's grammar, four hours apart at least; absent = only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = (
        r"self.matches(r'^(rate\([1-9][0-9]{0,4} (hours?|days?)\)|cron\([^ ()]+( [^ ()]+){5}\))$')",
        "rotation.schedule must be rate(N hours), rate(N days) or cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK YEAR) with all six fields, such as cron(0 2 ? * SUN *)"
    ))]
    pub schedule: Option<String>,
    /// How long after a due time a rotation may still start: 1h to 24h. Needs a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = (
        "self.matches(r'^([1-9]|1[0-9]|2[0-4])h$')",
        "rotation.window must be whole hours from 1h to 24h, such as 3h"
    ))]
    pub window: Option<String>,
    /// IANA name of the zone in which the schedule is read, such as Europe/Berlin; absent = UTC. Needs a schedule, not with SecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = (
        "self.matches(r'^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$')",
        "rotation.timeZone must be an IANA name such as Europe/Berlin or UTC"
    ))]
    pub time_zone: Option<String>,
    /// Immediate = rotate as soon as onboarded. Absent = Immediate with onboard.fromSecret, otherwise Scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstRotation>,
    /// How long the superseded credential lives on after promotion, such as 1h30m; absent = 24h, half the interval or the partner's limit, whichever is least. Not with SecretsManager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = (
        "self.matches(r'^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') && self != ''",
        "rotation.overlap must be hours, minutes and seconds in this order, such as 48h, 1h30m or 90s; days are not understood"
    ))]
    pub overlap: Option<String>,
    /// Allow = rotate also where the old credential dies when the new one is made, so that users of it fail until they have the new one. Forbid = refuse that (DisruptionNotAllowed).
    #[serde(default)]
    pub disruption: Disruption,
}

/// Allow = rotate also where the old credential dies when the new one is made, so that users of it fail until they have the new one. Forbid = refuse that (DisruptionNotAllowed).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Disruption {
    #[default]
    Forbid,
    Allow,
    /// Of a newer version of us; never written. Read as Forbid.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// Operator = this operator rotates. SecretsManager = AWS's own rotation for the types that it knows. Fixed once onboarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    #[default]
    Operator,
    SecretsManager,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// Immediate = rotate as soon as onboarded. Absent = Immediate with onboard.fromSecret, otherwise Scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FirstRotation {
    Immediate,
    Scheduled,
    /// Of a newer version of us; never written.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

//! The page of conditions and reasons: what each says, whether a person must act, and the remedy that its message names.
//!
//! The messages are the ones of the code, told of an example. A test holds the page to every reason in the code.
//! Called by `cli::docs`.

use jiff::Timestamp;
use mes_core::duration::DurationProblem;
use mes_core::facts::Rehearsed;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{CredentialId, Identity, ObjectName, Region, SecretName, Slot, TargetName};
use mes_core::partner::{
    FieldProblem, IdentityProblem, IntervalProblem, ParameterProblem, ParameterProblemKind, ProblemKind, Unsafe,
};
use mes_core::reason::{Conflict, Reason, SeedProblem};
use mes_core::schedule::ScheduleError;
use mes_core::target::RenderError;

use super::{GENERATED, code, row};

/// What conditions say where nothing is wrong, and where a reason of the second table is summed up.
/// `(kind and condition, status, reason, meaning)`
const CONDITIONS: &[(&str, &str, &str, &str)] = &[
    ("Ready", "True", "InService", "valid, served by every region, carried by every target"),
    ("Ready", "True", "Rotating", "in service while a rotation is under way"),
    (
        "Ready",
        "True",
        "RevocationHeld",
        "in service; the overlap is long over, and the superseded credential is kept because something does not carry the new one",
    ),
    ("Ready", "True", "RotationOverdue", "in service; its rotation is overdue"),
    ("Ready", "True", "Suspended", "in service; nothing changes anywhere until spec.suspend is false"),
    ("Ready", "False", "Onboarding", "there is no first value yet; Onboarded says why"),
    ("Ready", "False", "NotReplicated", "a region does not serve it; Replicated says why"),
    ("Ready", "False", "NotSynced", "a target does not carry it; Synced says why"),
    ("Ready", "False", "Deleting", "being deleted; the message says what is waited for"),
    ("Ready", "Unknown", "NotObserved", "the store or the cluster does not answer, so nothing is known"),
    ("Onboarded", "True", "Seeded", "the seed is in the store; delete the seed"),
    ("Onboarded", "True", "Minted", "made by the operator; nobody ever knew it"),
    ("Onboarded", "True", "Adopted", "an existing AWS secret was taken over"),
    ("Onboarded", "True", "Observed", "an existing AWS secret is read"),
    ("Onboarded", "False", "Waiting", "the message says for what"),
    ("Replicated", "True", "InSync", "every region serves AWSCURRENT"),
    ("Replicated", "True", "SingleRegion", "only the store's own region is wanted"),
    ("Synced", "True", "UpToDate", "every target carries AWSCURRENT"),
    ("Synced", "True", "NoTargets", "no target is wanted"),
    ("Synced", "False", "SecretMissing", "there is nothing to deliver"),
    ("Synced", "False", "ReadFailed", "the target or the value could not be read"),
    ("Rotated", "True", "OnSchedule", "as fresh as its schedule asks"),
    ("Rotated", "True", "NoSchedule", "rotated on request alone"),
    ("Rotated", "True", "ManagedElsewhere", "observed: somebody else rotates it"),
    ("Rotated", "False", "Overdue", "the schedule's window passed without a rotation"),
    ("Rotated", "False", "RevocationOverdue", "a revocation that was announced is not done"),
    ("Rotated", "False", "RotationFailed", "the last rotation failed, or can't go on"),
    ("Rotated", "Unknown", "NotOnboarded", "there is nothing to rotate yet"),
    (
        "Reconciling",
        "True",
        "SpecChanged",
        "a changed spec is being realised; the condition is there only while it is True",
    ),
    ("Stalled", "True", "any reason below that needs a person", "the condition is there only while it is True"),
    ("Rotation Complete", "True", "Revoked", "the superseded credential was revoked"),
    ("Rotation Complete", "True", "Kept", "there was nothing to revoke, or the partner keeps it"),
    ("Rotation Complete", "True", "RevokedByPartner", "the partner ended it by itself"),
    (
        "Rotation Complete",
        "True",
        "Superseded",
        "a Compromise or a candidate of a person's own made it give way, and took over what it owed",
    ),
    ("Rotation Complete", "True", "Merged", "a rotation that was under way satisfied the request"),
    ("Rotation Failed", "True", "Cancelled", "deleted before its promotion; the candidate was undone"),
    ("Rotation Failed", "True", "Exhausted", "every attempt failed; the credential in use is untouched"),
    ("Rotation Failed", "True", "NotDue", "its trigger does not hold"),
    (
        "Rotation Failed",
        "True",
        "Restored",
        "restored from a backup: it belongs to an earlier resource, and was not run",
    ),
    (
        "Rotation Failed",
        "True",
        "EngineNotSupported",
        "nothing rotates by request here: AWS does on its own schedule, or the secret is only observed",
    ),
    ("Rotation Failed", "True", "ResourceDeleted", "its resource is gone"),
    (
        "Rotation Failed",
        "True",
        "CandidateRejected",
        "the value that replaced the credential in use was lost, or the partner refuses it; bring a new one; or a candidate of a person's own is refused: by the partner, because its revocation is announced or a Compromise is about it, or since nobody here checks who may; lastFailureReason says which",
    ),
    (
        "Rotation Failed",
        "True",
        "SeedInvalid",
        "the Secret of candidate.fromSecret is missing or no seed for the resource; lastFailureReason and the message say why",
    ),
    (
        "Rotation Failed",
        "True",
        "VersionNotLive",
        "the version of candidate.versionID is gone, given up, refused, being revoked, or was superseded by a Compromise",
    ),
    ("Rotation Failed", "True", "PartnerRejected", "the partner refuses the request, and will again"),
    ("Store Ready", "True", "Verified", "the account answers and lists its secrets"),
    ("Store Ready", "True", "VerifiedWithoutList", "ListSecrets is refused, so each secret is described"),
    (
        "Store Ready",
        "False",
        "WrongAccount",
        "the credentials belong to another account than spec.accountID; nothing is asked there",
    ),
    ("Store Ready", "False", "AuthFailed", "STS, or the Secret with the keys, refuses; see spec.auth"),
    ("Store Ready", "False", "AccessDenied", "AWS refuses the calls, or spec.endpoint is not allowed"),
    ("Store Ready", "False", "Unreachable", "AWS does not answer"),
    (
        "Store IsolatedByIAM",
        "True",
        "SessionPerNamespace",
        "each namespace has a session of its own, so IAM tells them apart",
    ),
    ("Store IsolatedByIAM", "False", "NoRole", "without spec.auth.assumeRole IAM does not tell namespaces apart"),
    ("Account Ready", "True", "Verified", "the admin credential is there"),
    ("Account Ready", "True", "NoAdmin", "credentials rotate themselves"),
    ("Account Ready", "False", "AdminMissing", "the admin Secret is not there, or the operator may not read it"),
    ("Account Ready", "False", "AdminInvalid", "the admin Secret has the wrong type, lacks endpoint, or is no text"),
    ("Account Ready", "False", "AdminRejected", "the partner refuses the admin credential"),
    ("Account Ready", "False", "Unreachable", "the partner does not answer"),
    ("Account Ready", "False", "UnknownPartnerType", "one of spec.partnerTypes is not known"),
];

pub(super) fn page() -> String {
    let mut text = format!(
        "# Conditions and reasons\n\n{GENERATED}\n\nReasons are part of the API; messages are for people and may change. \
         `kubectl describe` shows both. A reason of the second table may stand in any condition, in `waitingFor` of a \
         Rotation, and, where a person must act, in the condition `Stalled`.\n\n## Conditions\n\n"
    );
    text.push_str(&row(["condition", "status", "reason", "meaning"]));
    text.push_str(&row(["---"; 4]));
    for (condition, status, reason, meaning) in CONDITIONS {
        text.push_str(&row([condition, status, reason, meaning]));
    }
    text.push_str("\n## Reasons, with their messages\n\nThe names in the messages are examples.\n\n");
    text.push_str(&row(["reason", "a person must act", "message"]));
    text.push_str(&row(["---"; 3]));
    let mut samples = samples();
    samples.sort_by_key(|reason| (!reason.is_stalled(), reason.code()));
    for reason in samples {
        let act = if reason.is_stalled() { "yes" } else { "" };
        text.push_str(&row([&code(reason.code()), act, &reason.to_string()]));
    }
    text
}

/// One of each reason and, where the messages differ much, of each message.
#[rustfmt::skip] // A reason a line.
fn samples() -> Vec<Reason> {
    let store = || of(ObjectName::parse("default"));
    let account = || of(ObjectName::parse("pg-main"));
    let region = || of(Region::parse("eu-west-1"));
    let target = || of(TargetName::parse("orders-db"));
    let secret = || of(SecretName::parse("eks-prod/payments/orders-db"));
    let identity = || of(Identity::parse("pg.example.com/payments_a"));
    let credential = || of(CredentialId::parse("payments_a@0d5f6b1e"));
    let seed = |kind| Reason::SeedInvalid(SeedProblem::Fields(vec![FieldProblem { field: "baseUri".to_owned(), kind }]));
    let conflict = |why| Reason::TargetConflict { target: target(), why };
    let denied = Fault::new(Place::SecretsManager, FaultKind::Denied, "AccessDeniedException");
    vec![
        Reason::UnknownPartnerType,
        Reason::InvalidSpec { field: "rotation.engine", expected: "Operator with onboard.mint" },
        Reason::UnreadableReference { store: true, name: store() },
        Reason::UnreadableReference { store: false, name: account() },
        Reason::InvalidEndpoint { account: account(), expected: "postgresql://HOST:PORT/DATABASE" },
        Reason::AdminRequired(account()),
        Reason::AdminElsewhere(account()),
        Reason::RotationRoleMissing(store()),
        Reason::InvalidParameters(vec![ParameterProblem { key: "dbnam".to_owned(), kind: ParameterProblemKind::Unknown { known: vec!["username", "alternateUsername", "dbname"] } }]),
        Reason::InvalidIdentity(IdentityProblem::Unknown { needed: "{username}".to_owned() }),
        Reason::InvalidIdentity(IdentityProblem::Reserved { identity: "postgres".to_owned() }),
        Reason::InvalidSchedule(ScheduleError::NotASchedule),
        Reason::InvalidSchedule(ScheduleError::TooOften),
        Reason::InvalidSchedule(ScheduleError::NeverFires),
        Reason::InvalidInterval(IntervalProblem::AtMost { most: 50, type_name: "CiscoSecurityPlatformApiKey" }),
        Reason::InvalidDuration(DurationProblem::Malformed),
        Reason::AccountRequired,
        Reason::AccountNotAllowed(account()),
        Reason::IdentityNotAllowed(identity()),
        Reason::IdentityInUse(identity()),
        Reason::EndpointMismatch,
        Reason::RotatesOwnAdmin,
        Reason::DisruptionNotAllowed,
        Reason::ContractUnsafe(Unsafe::Unfindable),
        Reason::EngineNotSupported { aws_does: true },
        Reason::EngineNotSupported { aws_does: false },
        Reason::RotatedElsewhere,
        Reason::StoreNotAllowed(store()),
        Reason::SecretNameNotAllowed(secret()),
        Reason::SecretOwnedByAnother(secret()),
        Reason::OwnershipContested(secret()),
        Reason::SecretMissing(secret()),
        Reason::SecretScheduledForDeletion(secret()),
        Reason::RegionNotAllowed(region()),
        Reason::SeedInvalid(SeedProblem::WrongType),
        Reason::SeedInvalid(SeedProblem::Host),
        Reason::SeedInvalid(SeedProblem::Identity),
        seed(ProblemKind::Missing),
        seed(ProblemKind::Placeholder),
        Reason::SeedRejected,
        Reason::CredentialRejected,
        conflict(Conflict::Foreign),
        conflict(Conflict::AnotherResource),
        conflict(Conflict::Immutable),
        conflict(Conflict::WrongType),
        Reason::TemplateInvalid { target: target(), problem: RenderError::MissingFields { target: "orders-db".to_owned(), fields: ["user".to_owned()].into(), known: ["username".to_owned(), "password".to_owned()].into() } },
        Reason::AccessDenied(denied),
        Reason::SeedMissing(of(ObjectName::parse("crm-seed"))),
        Reason::CandidateMissing(of(ObjectName::parse("crm-new"))),
        Reason::SecretNotFound(secret()),
        Reason::AccountNotFound(account()),
        Reason::AdminUnseen(account()),
        Reason::StoreNotFound(store()),
        Reason::Onboarding,
        Reason::NotOnboarded,
        Reason::Deleting,
        Reason::Suspended,
        Reason::AwaitingSweep,
        Reason::ReplicaInProgress(region()),
        Reason::RegionFailed { region: region(), name_taken: true },
        Reason::RegionFailed { region: region(), name_taken: false },
        Reason::RegionUnreachable(region()),
        Reason::TargetForbidden(target()),
        Reason::Fault(Fault::new(Place::Partner, FaultKind::Throttled, "429")),
        Reason::Fault(Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout")),
        Reason::NotRehearsed(Rehearsed::Label),
        Reason::NotRehearsed(Rehearsed::Target(target())),
        Reason::GraceRunning,
        Reason::Settling,
        Reason::CandidateNotAccepted,
        Reason::AttemptsSpaced,
        Reason::MintsOfTheDay { most: 3, until: Timestamp::UNIX_EPOCH },
        Reason::NotDue,
        Reason::RegionCarriesOld(region()),
        Reason::TargetCarriesOld(target()),
        Reason::WaitingForOverlap,
        Reason::RevocationAnnounced(credential()),
        Reason::QuotaUsedByOthers(Some(of(Slot::parse("payments_b")))),
        Reason::QuotaUsedByOthers(None),
        Reason::LastPlaceTaken(credential()),
        Reason::OrphanSuspected(credential()),
        Reason::StillMain,
        Reason::JournalUnreadable(of(ObjectName::parse("crm-8"))),
        Reason::RotationFailed,
    ]
}

fn of<T, E: std::fmt::Debug>(parsed: Result<T, E>) -> T {
    // A literal of this file, in a page that a test makes.
    parsed.expect("an example that is well formed")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The reasons in the source of the core: between quotes, letters alone, beginning as a name does.
    fn quoted(source: &str) -> BTreeSet<&str> {
        let product = source.split("#[cfg(test)]").next().unwrap_or_default();
        let parts = product.split('"').skip(1).step_by(2);
        let is_name = |text: &&str| {
            text.len() > 4
                && text.starts_with(|c: char| c.is_ascii_uppercase())
                && text.chars().all(|c| c.is_ascii_alphabetic())
        };
        parts.filter(is_name).collect()
    }

    #[test]
    fn every_reason_in_the_code_has_a_line_on_the_page() {
        let page = page();
        // Of the codes alone: other texts there are codes of faults.
        let source = include_str!("../../../crates/core/src/reason.rs");
        let codes = &source[source.find("pub fn code(").unwrap()..source.find("impl fmt::Display for Reason").unwrap()];
        let conditions = quoted(codes);
        assert!(conditions.len() > 40, "{conditions:?}");
        for reason in conditions {
            assert!(page.contains(&format!("| `{reason}` |")), "{reason}");
        }
        // Of the status, without what is no reason of a condition: types, states of a region, events.
        let status = concat!(
            include_str!("../../../crates/core/src/status/conditions.rs"),
            include_str!("../../../crates/core/src/status/event.rs")
        );
        let conditions_of = |from: &str, to: &str| {
            let start = status.find(from).unwrap();
            let end = status[start..].find(to).unwrap() + start;
            quoted(&status[start..end])
        };
        let types = ["Ready", "Onboarded", "Replicated", "Synced", "Rotated", "Reconciling", "Stalled"];
        let told = conditions_of("fn conditions(", "//! The events of effects");
        let told = told.into_iter().filter(|name| !types.contains(name));
        let outcomes = conditions_of("pub fn outcome_code", "pub fn trigger_code");
        for reason in told.chain(outcomes) {
            assert!(page.contains(&format!("| {reason} |")) || page.contains(&format!("| `{reason}` |")), "{reason}");
        }
    }
}

//! What went wrong at the API server, as a [`Fault`]: a kind and a short code, never its text.
//!
//! Invariant: absent is only what the API server says of the very object that was asked for; a refused, unserved or
//! lost question is not. Messages are dropped here, because those of Secrets quote values. Called by this room alone.

use kube::core::Status;
use mes_core::fault::{Fault, FaultKind, Place};

use super::client::{LeaseEnding, TimedOut};

/// The fault that `error` is. Nothing of its text is kept.
pub(super) fn of(error: &kube::Error) -> Fault {
    let (kind, code) = match error {
        kube::Error::Api(status) => return of_status(status),
        kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => (FaultKind::Unsent, "RequestInvalid"),
        kube::Error::Auth(_) => (FaultKind::Unsent, "NoCredentials"),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => (FaultKind::Unknown, "AnswerInvalid"),
        kube::Error::Service(error) if error.is::<LeaseEnding>() => return Fault::lease_ending(),
        kube::Error::Service(error) if error.is::<TimedOut>() => (FaultKind::Unknown, "Timeout"),
        kube::Error::Service(error) if never_connected(error.as_ref()) => (FaultKind::Unsent, "Unreachable"),
        _ => (FaultKind::Unknown, "ConnectionLost"),
    };
    Fault::new(Place::Cluster, kind, code)
}

/// What of [`Fault`] a body is that was answered and can't be an object of the asked kind.
pub(super) fn invalid(code: &'static str) -> Fault {
    Fault::new(Place::Cluster, FaultKind::Unknown, code)
}

/// `Ok(None)` where the API server says that the object called `name` is not there.
pub(super) fn absent<T>(name: &str, outcome: kube::Result<T>) -> Result<Option<T>, Fault> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if says_absent(&status, name) => Ok(None),
        Err(error) => Err(of(&error)),
    }
}

/// Whether the answer speaks of this object, and not of a kind that is not served, or of a proxy's own page.
fn says_absent(status: &Status, name: &str) -> bool {
    status.code == 404
        && status.reason == "NotFound"
        && status.details.as_ref().is_some_and(|details| details.name == name)
}

fn of_status(status: &Status) -> Fault {
    let kind = match (status.code, status.reason.as_str()) {
        (401 | 403, _) => FaultKind::Denied,
        (404, "NotFound") if names_an_object(status) => FaultKind::NotFound,
        (409, "AlreadyExists") => FaultKind::Exists,
        (409 | 410, _) => FaultKind::Conflict,
        // A patch that names another UID: refused as a change of an immutable field.
        (422, _) if only_preconditions(status) => FaultKind::Conflict,
        (429, _) => FaultKind::Throttled,
        (400..=499, _) if status.code != 408 => FaultKind::Rejected,
        _ => FaultKind::Unknown,
    };
    let fault = Fault::new(Place::Cluster, kind, &code(status));
    match status.details.as_ref().map_or(0, |details| details.retry_after_seconds) {
        0 => fault,
        seconds => fault.after(seconds),
    }
}

/// The reason, or the HTTP status where there is none of one word. A namespace that is being deleted gives `Forbidden`,
/// but its cause is worth more.
fn code(status: &Status) -> String {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    if causes.any(|cause| cause.reason == "NamespaceTerminating") {
        return "NamespaceTerminating".to_owned();
    }
    let plain = !status.reason.is_empty() && status.reason.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { status.reason.clone() } else { status.code.to_string() }
}

fn names_an_object(status: &Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

fn only_preconditions(status: &Status) -> bool {
    let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
    !causes.is_empty()
        && causes.iter().all(|cause| ["metadata.uid", "metadata.resourceVersion"].contains(&&*cause.field))
}

/// Whether no connection came about, so that nothing can have happened.
fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        next = error.source();
    }
    false
}

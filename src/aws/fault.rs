//! From an `SdkError` to a [`Fault`]: by the error's code, and by whether the request can have arrived.
//!
//! Invariant: nothing of the answer goes on but a short code. The message is compared with words of AWS's that tell two
//! states under one code apart, and dropped; an `SdkError` is never formatted, since its `Debug` prints the raw
//! response. Called for every answer by [`super::Aws`].

use std::error::Error;
use std::io;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mes_core::fault::{Fault, FaultKind, Place};

/// What went wrong with one call at `place`.
pub(super) fn of<E: ProvideErrorMetadata>(place: Place, error: &SdkError<E, HttpResponse>) -> Fault {
    match error {
        SdkError::ServiceError(answer) => {
            answered(place, answer.raw().status().as_u16(), answer.err().code(), answer.err().message())
        }
        // It arrived and was answered, but nobody can read the answer.
        SdkError::ResponseError(_) => Fault::new(place, FaultKind::Unknown, "UnreadableAnswer"),
        SdkError::ConstructionFailure(_) => Fault::new(place, FaultKind::Unsent, "NotConstructed"),
        SdkError::TimeoutError(_) => Fault::new(place, FaultKind::Unknown, "Timeout"),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(connector) => dispatched(place, connector),
            None => Fault::new(place, FaultKind::Unknown, "Dispatch"),
        },
        // The enum may grow; a failure of a new kind may have had its effect.
        _ => Fault::new(place, FaultKind::Unknown, "Unrecognised"),
    }
}

/// An answer that AWS gave, by HTTP status, code and message.
pub(super) fn answered(place: Place, status: u16, code: Option<&str>, message: Option<&str>) -> Fault {
    let Some(code) = code else {
        // A gateway's page, or a body that is none of AWS's: the status is all that is known.
        return Fault::new(place, kind_by_status(status), &format!("Http{status}"));
    };
    let message = message.unwrap_or_default().to_ascii_lowercase();
    match state(code, &message) {
        Some(ours) => Fault::new(place, FaultKind::WrongState, ours),
        None => Fault::new(place, kind(code).unwrap_or_else(|| kind_by_status(status)), code),
    }
}

/// States that AWS tells by message alone. Codes of our own, so that a rule can tell them apart.
fn state(code: &str, message: &str) -> Option<&'static str> {
    let says = |words: &str| message.contains(words);
    match code {
        "InvalidRequestException" if says("deletion") || says("marked deleted") => Some("ScheduledForDeletion"),
        "InvalidRequestException" if says("previous rotation") => Some("PreviousRotationIncomplete"),
        "InvalidRequestException" if says("assume") => Some("RoleNotAssumable"),
        "InvalidRequestException" if says("owned by") || says("managed by") => Some("OwnedByService"),
        "InvalidRequestException" => Some("InvalidRequestException"),
        // Documented as bad input, but the input is right and the place is wrong.
        "InvalidParameterException" if says("replica secret") => Some("ReplicaSecret"),
        "InvalidParameterException" if says("replica region") => Some("HasReplicas"),
        "PreconditionNotMetException" => Some("PreconditionNotMetException"),
        _ => None,
    }
}

/// The kinds of codes that AWS gives (the API model's, and the common ones that no model lists).
fn kind(code: &str) -> Option<FaultKind> {
    Some(match code {
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "OptInRequired"
        | "NotAuthorized"
        | "RegionDisabledException"
        | "IDPRejectedClaim"
        | "InvalidIdentityToken" => FaultKind::Denied,
        // The key is disabled, deleted or not ours to use: a person must act, and retrying slowly finds it mended.
        "EncryptionFailure" | "DecryptionFailure" => FaultKind::Denied,
        "ResourceNotFoundException" => FaultKind::NotFound,
        "ResourceExistsException" => FaultKind::Exists,
        "InvalidParameterException"
        | "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "MalformedPolicyDocumentException"
        | "MalformedPolicyDocument"
        | "PublicPolicyException"
        | "UnknownOperationException" => FaultKind::Rejected,
        "InvalidNextTokenException" => FaultKind::Conflict,
        // Refused before anything was done, whatever the status.
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "SlowDown" => FaultKind::Throttled,
        "LimitExceededException" => FaultKind::Limit,
        "InternalServiceError"
        | "InternalServiceErrorException"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "PriorRequestNotComplete" => FaultKind::Unknown,
        _ => return None,
    })
}

fn kind_by_status(status: u16) -> FaultKind {
    match status {
        401 | 403 => FaultKind::Denied,
        408 => FaultKind::Unknown,
        429 => FaultKind::Throttled,
        400..=499 => FaultKind::Rejected,
        _ => FaultKind::Unknown,
    }
}

/// No answer came. Surely unsent only if no connection ever stood; a connection that broke may have carried the request.
fn dispatched(place: Place, error: &ConnectorError) -> Fault {
    if never_connected(error) {
        Fault::new(place, FaultKind::Unsent, "Unreachable")
    } else if error.is_timeout() {
        Fault::new(place, FaultKind::Unknown, "Timeout")
    } else {
        Fault::new(place, FaultKind::Unknown, "ConnectionLost")
    }
}

fn never_connected(error: &ConnectorError) -> bool {
    // `ConnectorError` knows whether it never connected, but does not tell; hyper does.
    let mut next = Some(error as &(dyn Error + 'static));
    while let Some(cause) = next {
        let by_hyper =
            cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect());
        let by_system = cause.downcast_ref::<io::Error>().is_some_and(|error| {
            use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        });
        if by_hyper || by_system {
            return true;
        }
        next = cause.source();
    }
    false
}

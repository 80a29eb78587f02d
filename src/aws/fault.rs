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
    match told_by_message(code, &message) {
        Some((kind, ours)) => Fault::new(place, kind, ours),
        None => Fault::new(place, kind(code).unwrap_or_else(|| kind_by_status(status)), word(code)),
    }
}

/// AWS names its errors by words. Whatever else stands there, a proxy put in, and it may be what the request held.
fn word(code: &str) -> &str {
    if code.bytes().all(|byte| byte.is_ascii_alphabetic()) { code } else { "Unrecognised" }
}

/// What AWS tells by message alone. Codes of our own, so that rules and people can tell them apart.
fn told_by_message(code: &str, message: &str) -> Option<(FaultKind, &'static str)> {
    let says = |words: &str| message.contains(words);
    let state = |ours| Some((FaultKind::WrongState, ours));
    match code {
        "InvalidRequestException" if says("deletion") || says("marked deleted") => state("ScheduledForDeletion"),
        "InvalidRequestException" if says("previous rotation") => state("PreviousRotationIncomplete"),
        "InvalidRequestException" if says("assume") => state("RoleNotAssumable"),
        "InvalidRequestException" if says("owned by") || says("managed by") => state("OwnedByService"),
        // Documented as bad input, but the input is right and the place is wrong.
        "InvalidParameterException" if says("replica secret") => state("ReplicaSecret"),
        "InvalidParameterException" if says("replica region") => state("HasReplicas"),
        // Another policy than the one for secrets refuses: the key's.
        "AccessDeniedException" if says("kms") => Some((FaultKind::Denied, "AccessDeniedByKms")),
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
        "InvalidRequestException" | "PreconditionNotMetException" => FaultKind::WrongState,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, code: &str, message: &str) -> (FaultKind, String) {
        let fault = answered(Place::SecretsManager, status, Some(code), Some(message));
        (fault.kind, fault.code.as_str().to_owned())
    }

    #[test]
    fn each_documented_error_has_its_kind() {
        use FaultKind::*;
        for (status, code, kind) in [
            (400, "ThrottlingException", Throttled),
            (500, "InternalServiceError", Unknown),
            (400, "RequestTimeoutException", Unknown),
            (400, "LimitExceededException", Limit),
            (400, "ResourceNotFoundException", NotFound),
            (400, "ResourceExistsException", Exists),
            (400, "InvalidRequestException", WrongState),
            (400, "InvalidParameterException", Rejected),
            (400, "ValidationException", Rejected),
            (400, "PreconditionNotMetException", WrongState),
            (400, "EncryptionFailure", Denied),
            (400, "DecryptionFailure", Denied),
            (400, "AccessDeniedException", Denied),
            (400, "UnrecognizedClientException", Denied),
            (400, "ExpiredTokenException", Denied),
            (400, "InvalidNextTokenException", Conflict),
            (400, "SomethingNewException", Rejected),
            (503, "SomethingNewException", Unknown),
        ] {
            assert_eq!(told(status, code, ""), (kind, code.to_owned()), "{code}");
        }
    }

    #[test]
    fn states_under_one_code_are_told_apart_by_awss_words() {
        for (code, message, ours) in [
            (
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
                "ScheduledForDeletion",
            ),
            (
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
                "ScheduledForDeletion",
            ),
            (
                "InvalidRequestException",
                "A previous rotation isn't complete. That rotation will be reattempted.",
                "PreviousRotationIncomplete",
            ),
            (
                "InvalidRequestException",
                "Secrets Manager is unable to assume role arn:aws:iam::123456789012:role/x",
                "RoleNotAssumable",
            ),
            (
                "InvalidParameterException",
                "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
                "ReplicaSecret",
            ),
            (
                "InvalidParameterException",
                "You can't delete secret x that still has replica regions [eu-west-1].",
                "HasReplicas",
            ),
        ] {
            assert_eq!(told(400, code, message), (FaultKind::WrongState, ours.to_owned()), "{message}");
        }
    }

    #[test]
    fn a_refusal_by_the_key_is_told_from_one_by_the_secret() {
        let denied = |message| told(400, "AccessDeniedException", message);
        assert_eq!(denied("Access to KMS is not allowed"), (FaultKind::Denied, "AccessDeniedByKms".to_owned()));
        assert_eq!(denied("User x is not authorized"), (FaultKind::Denied, "AccessDeniedException".to_owned()));
    }

    #[test]
    fn nothing_of_an_answer_goes_on_but_a_short_code() {
        let hostile = "canary {\"password\": \"hunter2\"}";
        let fault = answered(Place::SecretsManager, 400, Some(hostile), Some(hostile));
        assert_eq!(fault, Fault::new(Place::SecretsManager, FaultKind::Rejected, "Unrecognised"));
        let page = answered(Place::SecretsManager, 502, None, Some(hostile));
        assert_eq!(page, Fault::new(Place::SecretsManager, FaultKind::Unknown, "Http502"));
    }

    #[test]
    fn only_a_connection_that_never_stood_is_surely_unsent() {
        let refused = ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        assert_eq!(dispatched(Place::Sts, &refused).kind, FaultKind::Unsent);
        let reset = ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into());
        assert_eq!(dispatched(Place::Sts, &reset).kind, FaultKind::Unknown);
        let late = ConnectorError::timeout(io::Error::from(io::ErrorKind::TimedOut).into());
        assert_eq!(dispatched(Place::Sts, &late).kind, FaultKind::Unknown);
    }
}

//! What Secrets Manager says when it refuses, in AWS's own names and words.
//!
//! Every refusal of the stand-in is made here, so that a text is written once. Texts seen from AWS are quoted as they
//! are; the others are plausible and marked *undocumented*. Called by every file of `secrets_manager`.

use serde_json::{Value, json};

/// A refusal: error name, HTTP status and message as they go over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error's name, the `__type` of the body: `ResourceNotFoundException`.
    pub code: String,
    /// HTTP status, 400 or 500.
    pub status: u16,
    /// The message. Never holds a value.
    pub message: String,
}

pub(crate) type Answered<T> = Result<T, Failure>;

impl Failure {
    /// A refusal with HTTP status 400, which AWS's JSON protocol uses for every fault of the caller.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), status: 400, message: message.into() }
    }

    /// The body on the wire. Modelled errors spell `Message`, those of the front end `message`; SDKs read both.
    pub(crate) fn body(&self) -> Value {
        match self.code.as_str() {
            "ThrottlingException"
            | "ValidationException"
            | "SerializationException"
            | "UnrecognizedClientException" => {
                json!({"__type": self.code, "message": self.message})
            }
            _ => json!({"__type": self.code, "Message": self.message}),
        }
    }
}

pub(crate) fn not_found() -> Failure {
    Failure::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

/// No such version, or a version without a value: AWS tells neither from the other.
pub(crate) fn no_value(selector: &str, wanted: &str) -> Failure {
    Failure::new(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret value for {selector}: {wanted}"),
    )
}

pub(crate) fn no_version(id: &str) -> Failure {
    Failure::new(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret version for VersionId: {id}"),
    )
}

pub(crate) fn invalid_parameter(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterException", message)
}

pub(crate) fn invalid_request(message: impl Into<String>) -> Failure {
    Failure::new("InvalidRequestException", message)
}

pub(crate) fn exists(message: impl Into<String>) -> Failure {
    Failure::new("ResourceExistsException", message)
}

pub(crate) fn limit(message: impl Into<String>) -> Failure {
    Failure::new("LimitExceededException", message)
}

pub(crate) fn scheduled_for_deletion() -> Failure {
    invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
}

/// Text seen at lgallard/terraform-aws-secrets-manager#188: a wrong *parameter*, not a wrong request.
pub(crate) fn on_replica() -> Failure {
    invalid_parameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
}

/// Text seen at hashicorp/terraform-provider-aws#35023.
pub(crate) fn rotation_unfinished() -> Failure {
    invalid_request("A previous rotation isn't complete. That rotation will be reattempted.")
}

pub(crate) fn token_in_use(token: &str, arn: &str) -> Failure {
    exists(format!(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    ))
}

/// The check of the API model itself, in the words of AWS's front end. The value is left out, as AWS does for
/// sensitive members.
pub(crate) fn constraint(member: &str, rule: impl AsRef<str>) -> Failure {
    Failure::new(
        "ValidationException",
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must {}",
            rule.as_ref()
        ),
    )
}

pub(crate) fn throttled() -> Failure {
    Failure::new("ThrottlingException", "Rate exceeded")
}

pub(crate) fn encryption() -> Failure {
    Failure::new(
        "EncryptionFailure",
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is \
         available, enabled, and not in an invalid state.",
    )
}

pub(crate) fn decryption() -> Failure {
    Failure::new(
        "DecryptionFailure",
        "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
    )
}

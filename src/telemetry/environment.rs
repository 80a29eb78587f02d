//! Variables under which the process refuses to start, because they make a library print or send secrets elsewhere.
//!
//! Called by `cli::run` before anything else. Only names are looked at and shown, never what a variable holds.

use std::ffi::OsString;

/// A variable with which the operator does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refusing to start: the environment variable {variable} {harm}; {remedy}")]
pub struct Refused {
    /// Its name.
    pub variable: String,
    harm: &'static str,
    remedy: &'static str,
}

const UNSET: &str = "unset it";

/// Looks through the names of all variables. `endpoints_allowed`: a flag allows `AWS_ENDPOINT_URL…`.
pub fn check(names: impl IntoIterator<Item = OsString>, endpoints_allowed: bool) -> Result<(), Refused> {
    for name in names {
        let variable = name.to_string_lossy().into_owned();
        let found = match variable.as_str() {
            "LOG_SENSITIVE_BODIES" => Some(("makes the AWS SDK print secret values", UNSET)),
            "SSLKEYLOGFILE" => Some(("makes TLS write its session keys to a file", UNSET)),
            name if name.starts_with("KUBE_RS_DEBUG_") => Some(("changes how the API server is trusted", UNSET)),
            name if name.starts_with("AWS_ENDPOINT_URL") && !endpoints_allowed => Some((
                "sends credentials to another place than AWS",
                "unset it and set spec.endpoint of the SecretsManagerStore, or allow it with the operator's flag",
            )),
            _ => None,
        };
        if let Some((harm, remedy)) = found {
            return Err(Refused { variable, harm, remedy });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    fn refused(name: &str, endpoints_allowed: bool) -> Option<String> {
        check(["PATH".into(), name.into()], endpoints_allowed).err().map(|refused| refused.variable)
    }

    #[test]
    fn variables_that_make_libraries_leak_stop_the_start() {
        for name in ["LOG_SENSITIVE_BODIES", "SSLKEYLOGFILE", "KUBE_RS_DEBUG_IMPERSONATE_USER"] {
            assert_eq!(refused(name, true).as_deref(), Some(name));
        }
        assert_eq!(
            refused("AWS_ENDPOINT_URL_SECRETS_MANAGER", false).as_deref(),
            Some("AWS_ENDPOINT_URL_SECRETS_MANAGER")
        );
        assert_eq!(refused("AWS_ENDPOINT_URL", true), None);
        assert_eq!(refused("AWS_REGION", false), None);
    }
}

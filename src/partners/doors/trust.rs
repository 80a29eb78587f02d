//! Why a TLS handshake failed, as a short code.
//!
//! Invariant: a handful of fixed words; nothing of a certificate or of the other side's text. Called by both doors.

use std::error::Error;

use rustls::CertificateError;

/// The code of the TLS error at the root of `error`; `otherwise` if there is none.
pub(super) fn code(error: &(dyn Error + 'static), otherwise: &'static str) -> &'static str {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        // An io::Error hides the error that it wraps from `source`, and shows that one's source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    otherwise
}

fn of_tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "CertificateName",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "CertificateExpired",
            CertificateError::UnknownIssuer => "CertificateIssuer",
            _ => "Certificate",
        },
        _ => "Tls",
    }
}

//! An HTTP answer of a partner: a value of the expected shape, or a fault. Its text is never echoed.
//!
//! Invariant: bytes of an answer go straight into the driver's own types, texts that may be secret into [`Secret`]; what a
//! fault carries is a status or a short code. Called by the drivers that speak HTTP.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::secret::Sensitive;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// Deepest nesting of objects and arrays that is read.
const DEEPEST: usize = 32;

/// A text of an answer that may be secret.
#[derive(Debug)]
pub(super) struct Secret(pub(super) Sensitive);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Sensitive::new(text)))
    }
}

/// The body of a successful answer; of any other a fault by its status.
pub(super) fn read<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T, Fault> {
    succeeded(response)?;
    parse(response.body())
}

/// Whether the call went well; its body is not looked at.
pub(super) fn succeeded(response: &Response<Bytes>) -> Result<(), Fault> {
    if response.status().is_success() { Ok(()) } else { Err(fault(response)) }
}

/// The JSON of a body. What is no JSON of this shape is an answer that tells nothing: `Unknown`.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Fault> {
    if !shallow(body) {
        return Err(unknown("TooDeep"));
    }
    serde_json::from_slice(body).map_err(|error| {
        // The error's text may quote the body: only its class is kept.
        let shape = error.classify() == serde_json::error::Category::Data;
        unknown(if shape { "UnexpectedJson" } else { "NotJson" })
    })
}

/// What a status says of a call with the acting credential.
pub(super) fn fault(response: &Response<Bytes>) -> Fault {
    let status = response.status();
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FaultKind::Denied,
        StatusCode::NOT_FOUND | StatusCode::GONE => FaultKind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => FaultKind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => FaultKind::Throttled,
        // The request may have reached what was to be changed, or may be on its way there.
        StatusCode::REQUEST_TIMEOUT => FaultKind::Unknown,
        status if status.is_client_error() => FaultKind::Rejected,
        _ => FaultKind::Unknown,
    };
    let fault = Fault::new(Place::Partner, kind, status.as_str());
    match retry_after(response) {
        Some(seconds) => fault.after(seconds),
        None => fault,
    }
}

/// `Retry-After` in seconds; [`Fault::after`] caps it. A date is not read: clocks differ, and our own pace will do.
fn retry_after(response: &Response<Bytes>) -> Option<u32> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Whether brackets nest no deeper than allowed; those inside of texts don't count.
fn shallow(body: &[u8]) -> bool {
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    for byte in body {
        match (text, escaped, byte) {
            (true, true, _) => escaped = false,
            (true, false, b'\\') => escaped = true,
            (true, false, b'"') => text = false,
            (true, false, _) => {}
            (false, _, b'"') => text = true,
            (false, _, b'{' | b'[') => depth += 1,
            (false, _, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

fn unknown(code: &str) -> Fault {
    Fault::new(Place::Partner, FaultKind::Unknown, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from(body.to_owned())).unwrap()
    }

    fn kind(status: u16) -> FaultKind {
        fault(&answer(status, "")).kind
    }

    #[test]
    fn a_status_becomes_the_kind_that_its_effect_allows() {
        use FaultKind::{Conflict, Denied, NotFound, Rejected, Throttled, Unknown};
        let table = [
            (400, Rejected),
            (401, Denied),
            (403, Denied),
            (404, NotFound),
            (405, Rejected),
            (408, Unknown),
            (409, Conflict),
            (410, NotFound),
            (412, Conflict),
            (422, Rejected),
            (429, Throttled),
            (500, Unknown),
            (502, Unknown),
            (503, Unknown),
            (504, Unknown),
            (599, Unknown),
        ];
        for (status, expected) in table {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    #[test]
    fn an_absurd_retry_after_is_capped_and_a_date_is_not_read() {
        let after = |text: &str| {
            let response = Response::builder().status(429).header("Retry-After", text).body(Bytes::new()).unwrap();
            fault(&response).retry_after
        };
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("99999999999999999999"), Some(3600));
        for unread in ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "1.5"] {
            assert_eq!(after(unread), None, "{unread}");
        }
    }

    #[derive(Debug, Deserialize)]
    struct Pair {
        key: Secret,
    }

    #[test]
    fn t48_what_is_not_the_expected_json_is_unknown_and_nothing_of_it_is_echoed() {
        let read = |body: &str| read::<Pair>(&answer(200, body)).map_err(|fault| format!("{fault} {fault:?}"));
        assert_eq!(read(r#"{"key":"k","more":[1]}"#).unwrap().key.0.expose(), "k");
        for (body, code) in [
            ("<html>canary</html>", "NotJson"),
            ("", "NotJson"),
            ("{\"key\":\"canary\"", "NotJson"),
            (r#"{"other":"canary"}"#, "UnexpectedJson"),
            (r#"{"key":{"canary":1}}"#, "UnexpectedJson"),
            (&"[".repeat(33), "TooDeep"),
        ] {
            let told = read(body).unwrap_err();
            assert!(told.contains(code) && !told.contains("canary"), "{told}");
        }
        assert!(format!("{:?}", Secret(Sensitive::new("canary".into()))).contains("redacted"));
    }

    #[test]
    fn brackets_inside_of_a_text_are_not_nesting() {
        let body = format!(r#"{{"key":"{}\"["}}"#, "[{".repeat(64));
        assert!(read::<Pair>(&answer(200, &body)).is_ok());
    }
}

//! The seal: what only this cluster's operator can make, over what it must be able to recognise as its own (R4).
//!
//! Invariant: one key, one function. Each domain and each part is encoded with its length, so that no two lists of parts
//! have the same seal; the key leaves this file in no form. Read from the cluster by `cluster::seal`, used by `aws`.

use std::fmt;
use std::fmt::Write as _;

use ring::hmac;
use zeroize::Zeroizing;

/// What a seal is over: a seal of one domain proves nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The claim on a secret of AWS: its tags, and where the secret is.
    Claim,
    /// What a secret owes after its resource: its tags, under which claim, and where the secret is.
    Debt,
}

impl Domain {
    fn name(self) -> &'static str {
        match self {
            Self::Claim => "managed-secrets.io/claim/v1",
            Self::Debt => "managed-secrets.io/debt/v1",
        }
    }
}

/// The key, ready for use.
#[derive(Clone)]
pub struct Seal(hmac::Key);

impl Seal {
    /// Length of the key, in bytes.
    pub const KEY: usize = 32;

    /// The seal with this key; `None`: it has another length.
    pub fn with(key: &[u8]) -> Option<Self> {
        (key.len() == Self::KEY).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// HMAC-SHA256 over a domain and its parts, in 64 hexadecimal digits.
    pub fn seal(&self, domain: Domain, parts: &[&str]) -> String {
        let sealed = hmac::sign(&self.0, &encoded(domain, parts));
        sealed.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing into a String can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether `said` is the seal of these parts: whole, as it is written, compared in constant time.
    pub fn is_over(&self, domain: Domain, parts: &[&str], said: &str) -> bool {
        let Some(bytes) = decoded(said) else { return false };
        hmac::verify(&self.0, &encoded(domain, parts), &bytes).is_ok()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// How many parts there are, and each after its length: `["a", "b"]` and `["ab", ""]` differ.
fn encoded(domain: Domain, parts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.extend((parts.len() as u64).to_be_bytes());
    for part in std::iter::once(&domain.name()).chain(parts) {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    Zeroizing::new(bytes)
}

/// Lower case alone: one seal has one spelling.
fn decoded(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal(byte: u8) -> Seal {
        Seal::with(&[byte; Seal::KEY]).unwrap()
    }

    #[test]
    fn it_is_hmac_sha256_over_parts_with_their_lengths() {
        // Computed apart, with Python's hmac: count, then length and text of the domain and of each part.
        let told = seal(7).seal(Domain::Claim, &["a", "bc"]);
        assert_eq!(told, "c7aa25c78f542b12080f6e9e8b3cc74a653b6b56ae30934404e4f9b104f60423");
        assert!(seal(7).is_over(Domain::Claim, &["a", "bc"], &told));
    }

    #[test]
    fn no_other_key_parts_or_spelling_will_do() {
        let (ours, parts) = (seal(7), ["cluster", "namespace", "crm"]);
        let told = ours.seal(Domain::Claim, &parts);
        assert!(!seal(8).is_over(Domain::Claim, &parts, &told));
        for other in [&["cluster", "namespace", "cr"][..], &["clustern", "amespace", "crm"], &["cluster", "namespace"]]
        {
            assert!(!ours.is_over(Domain::Claim, other, &told), "{other:?}");
        }
        let cut =
            [&told[..63], &told[..32], "", &format!("{told}0"), &told.to_uppercase(), &format!(" {}", &told[1..])]
                .map(str::to_owned);
        for said in cut {
            assert!(!ours.is_over(Domain::Claim, &parts, &said), "{said}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_none_and_no_key_is_shown() {
        assert!(Seal::with(&[0; 31]).is_none() && Seal::with(&[0; 33]).is_none() && Seal::with(&[]).is_none());
        assert_eq!(format!("{:?}", seal(7)), "<redacted>");
    }

    proptest! {
        #[test]
        fn two_lists_of_parts_never_have_the_same_encoding(
            one in proptest::collection::vec("[ab/]{0,3}", 0..4),
            other in proptest::collection::vec("[ab/]{0,3}", 0..4),
        ) {
            let bytes = |parts: &[String]| {
                encoded(Domain::Claim, &parts.iter().map(String::as_str).collect::<Vec<_>>()).to_vec()
            };
            prop_assert_eq!(one == other, bytes(&one) == bytes(&other));
        }
    }
}

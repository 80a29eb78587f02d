//! Credentials of our own making.
//!
//! Invariant: each character is drawn uniformly from the given randomness; nothing is derived from names or time. Called by
//! drivers whose partner takes a value that the caller chose.

use mes_core::secret::Sensitive;
use zeroize::Zeroizing;

use crate::clock::Random;

/// Unreserved in URLs and harmless in SQL, shells, YAML and JSON. 64 of them: six bits each, so that no draw is biased.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of a password: 240 bits, more than SCRAM-SHA-256 keeps of it to any use.
const LENGTH: usize = 40;

/// A password of 40 characters of `A-Za-z0-9-_`. The first is a letter or digit, since some programs take a word with a
/// leading hyphen for an option.
pub(super) fn password(random: &dyn Random) -> Sensitive {
    loop {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        random.fill(bytes.as_mut());
        if ALPHABET[usize::from(bytes[0] & 63)].is_ascii_alphanumeric() {
            return Sensitive::new(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemRandom;

    #[test]
    fn a_password_has_its_length_and_alphabet_and_is_never_the_same() {
        let mut seen = std::collections::BTreeSet::new();
        let mut letters = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let password = password(&SystemRandom);
            let text = password.expose();
            assert_eq!(text.len(), LENGTH);
            assert!(text.bytes().all(|byte| ALPHABET.contains(&byte)) && !text.starts_with(['-', '_']));
            letters.extend(text.bytes());
            assert!(seen.insert(text.to_owned()));
        }
        assert_eq!(letters.len(), ALPHABET.len());
    }
}

//! Durations as people write them: `24h`, `1h30m`.
//!
//! Invariant: what is taken is exact, positive and at most a year. Called by the API's parser for `rotation.overlap`.

use jiff::SignedDuration;
use thiserror::Error;

/// The longest duration that is taken: a year.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DurationProblem {
    /// Not numbers with units.
    #[error("is no duration: write whole hours, minutes and seconds in this order, as 24h, 90m or 1h30m")]
    Malformed,
    /// Zero.
    #[error("is zero: write a positive duration, or leave the field out for its default")]
    Zero,
    /// More than a year.
    #[error("is longer than a year (8784h): shorten it")]
    TooLong,
}

/// Reads Go's notation as far as people use it: whole `h`, `m` and `s`, each at most once, in this order.
/// Days, fractions and signs are refused: Go has no days, and `1.5h` has a plain spelling.
pub fn parse(text: &str) -> Result<SignedDuration, DurationProblem> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    for (unit, length) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((digits, after)) = rest.split_once(unit) else { continue };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DurationProblem::Malformed);
        }
        let number: i64 = digits.parse().map_err(|_| DurationProblem::TooLong)?;
        seconds = number.checked_mul(length).and_then(|s| s.checked_add(seconds)).ok_or(DurationProblem::TooLong)?;
        rest = after;
    }
    match SignedDuration::from_secs(seconds) {
        _ if text.is_empty() || !rest.is_empty() => Err(DurationProblem::Malformed),
        SignedDuration::ZERO => Err(DurationProblem::Zero),
        long if long > LONGEST => Err(DurationProblem::TooLong),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly_and_nothing_else_is() {
        let seconds = |text| parse(text).map(|duration| duration.as_secs());
        for (text, wanted) in
            [("24h", 86_400), ("1h30m", 5400), ("90m", 5400), ("45s", 45), ("1h1s", 3601), ("0h5m", 300)]
        {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for text in
            ["", "h", "24", "1.5h", "-1h", "+1h", "1 h", "1d", "30m1h", "1h1h", "1h30", "1H", "300ms", "1h ", "١h"]
        {
            assert_eq!(seconds(text), Err(DurationProblem::Malformed), "{text}");
        }
        assert_eq!(seconds("0h0m0s"), Err(DurationProblem::Zero));
        for text in ["8785h", "99999999999999999999h", "9223372036854775807h"] {
            assert_eq!(seconds(text), Err(DurationProblem::TooLong), "{text}");
        }
        assert_eq!(parse("8784h"), Ok(LONGEST));
    }
}

//! Conditions: operators over the context of a request.
//!
//! Rules (IAM user guide, "Condition operators", "Multivalued context keys"): every operator and key must hold; the
//! values of one are alternatives, of a negated operator all excluded. An absent key fails a plain operator, satisfies
//! a negated one, any with `IfExists`, and `ForAllValues`; it fails `ForAnyValue`. Called by `document`.

use serde_json::Value;

use super::context::{Context, is_multivalued};
use super::pattern::Pattern;

/// One operator with one key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    set: Option<Set>,
    test: Test,
    if_exists: bool,
    key: String,
    values: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    All,
    Any,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Null,
    Compare { how: Comparison, negated: bool },
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equals,
    EqualsIgnoringCase,
    Like,
    Arn,
    Bool,
    Number(fn(f64, f64) -> bool),
}

/// Reads the `Condition` of a statement.
///
/// # Errors
/// An operator that is not evaluated here, and a key of many values without `ForAllValues` or `ForAnyValue`: a policy
/// that means something else than it says must not pass a test.
pub(super) fn parse(block: &Value) -> Result<Vec<Condition>, String> {
    let operators = block.as_object().ok_or("Condition must be an object")?;
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let keys = keys.as_object().ok_or_else(|| format!("{operator} must be an object"))?;
        for (key, values) in keys {
            all.push(one(operator, key, values)?);
        }
    }
    Ok(all)
}

fn one(operator: &str, key: &str, values: &Value) -> Result<Condition, String> {
    let (set, plain) = match operator.split_once(':') {
        Some(("ForAllValues", plain)) => (Some(Set::All), plain),
        Some(("ForAnyValue", plain)) => (Some(Set::Any), plain),
        Some(_) => return Err(format!("{operator} is no condition operator")),
        None => (None, operator),
    };
    let (plain, if_exists) = plain.strip_suffix("IfExists").map_or((plain, false), |plain| (plain, true));
    let test = test(plain).ok_or_else(|| format!("{operator} is not evaluated here"))?;
    let is_null = matches!(test, Test::Null);
    if is_null && (set.is_some() || if_exists) {
        return Err(format!("{operator}: Null goes with nothing"));
    }
    let key = key.to_ascii_lowercase();
    if is_multivalued(&key) && set.is_none() && !is_null {
        return Err(format!("{key} has many values: use ForAllValues:{plain} or ForAnyValue:{plain}"));
    }
    let texts = super::document::texts(values).ok_or_else(|| format!("{key} must be a text or a list of texts"))?;
    let values = texts.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
    Ok(Condition { set, test, if_exists, key, values })
}

fn test(name: &str) -> Option<Test> {
    use Comparison::{Arn, Bool, Equals, EqualsIgnoringCase, Like, Number};
    let (how, negated) = match name {
        "Null" => return Some(Test::Null),
        "StringEquals" => (Equals, false),
        "StringNotEquals" => (Equals, true),
        "StringEqualsIgnoreCase" => (EqualsIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (EqualsIgnoringCase, true),
        "StringLike" => (Like, false),
        "StringNotLike" => (Like, true),
        // The two behave alike.
        "ArnEquals" | "ArnLike" => (Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Arn, true),
        "Bool" => (Bool, false),
        "NumericEquals" => (Number(|value, wanted| value == wanted), false),
        "NumericNotEquals" => (Number(|value, wanted| value == wanted), true),
        "NumericLessThan" => (Number(|value, wanted| value < wanted), false),
        "NumericLessThanEquals" => (Number(|value, wanted| value <= wanted), false),
        "NumericGreaterThan" => (Number(|value, wanted| value > wanted), false),
        "NumericGreaterThanEquals" => (Number(|value, wanted| value >= wanted), false),
        _ => return None,
    };
    Some(Test::Compare { how, negated })
}

impl Condition {
    /// Whether it holds in this context.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let present = context.values(&self.key);
        let (how, negated) = match self.test {
            Test::Null => {
                // "true": the key must be absent.
                return self.values.iter().any(|wanted| {
                    wanted.literal(context).is_some_and(|wanted| (wanted == "true") == present.is_empty())
                });
            }
            Test::Compare { how, negated } => (how, negated),
        };
        if present.is_empty() {
            return match self.set {
                Some(Set::All) => true,
                Some(Set::Any) => self.if_exists,
                None => negated || self.if_exists,
            };
        }
        let accepted = |value: &String| self.values.iter().any(|wanted| how.accepts(value, wanted, context)) != negated;
        match self.set {
            Some(Set::Any) => present.iter().any(accepted),
            Some(Set::All) | None => present.iter().all(accepted),
        }
    }
}

impl Comparison {
    fn accepts(self, value: &str, wanted: &Pattern, context: &Context) -> bool {
        let literal = || wanted.literal(context);
        match self {
            Self::Equals => literal().is_some_and(|wanted| wanted == value),
            Self::EqualsIgnoringCase => literal().is_some_and(|wanted| wanted.to_lowercase() == value.to_lowercase()),
            Self::Like => wanted.matches(value, context),
            Self::Arn => wanted.matches_arn(value, context),
            Self::Bool => literal().is_some_and(|wanted| wanted.eq_ignore_ascii_case(value)),
            Self::Number(compare) => match (value.parse(), literal().map(|wanted| wanted.parse())) {
                (Ok(value), Some(Ok(wanted))) => compare(value, wanted),
                _ => false,
            },
        }
    }
}

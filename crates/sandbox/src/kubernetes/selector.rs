//! Selectors: by labels and by fields.
//!
//! Invariant: what can't be understood is a bad request, never a selector that matches all. Called by `list` and `watch`.

use serde_json::Value;

use super::kind::Kind;
use super::request::Query;
use super::status::{Answered, Refusal};

/// Which objects of a resource are meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Also true where the label is missing.
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Selector {
    /// What `labelSelector` and `fieldSelector` say, and the name in the path of a watch of one object.
    pub(super) fn of(kind: &Kind, query: &Query, name: Option<&str>) -> Answered<Self> {
        let labels = requirements(query.text("labelSelector").unwrap_or_default())?;
        let mut fields = Vec::new();
        for part in query.text("fieldSelector").unwrap_or_default().split(',').filter(|part| !part.trim().is_empty()) {
            let (field, equal, value) = comparison(part).ok_or_else(|| {
                Refusal::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'"))
            })?;
            let always = field == "metadata.name" || (field == "metadata.namespace" && kind.namespaced);
            if !always && !kind.selectable.contains(&field) {
                let message = format!("field label not supported: {field}");
                return Err(Refusal::bad_request(message));
            }
            fields.push((field, equal, value));
        }
        fields.extend(name.map(|name| ("metadata.name".to_owned(), true, name.to_owned())));
        Ok(Self { labels, fields })
    }

    /// Whether the object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let labelled = self.labels.iter().all(|(key, test)| {
            let value = labels[key].as_str();
            match test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|each| each == value)),
                Test::NotIn(values) => !value.is_some_and(|value| values.iter().any(|each| each == value)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
            }
        });
        labelled && self.fields.iter().all(|(field, equal, wanted)| (text(object, field) == *wanted) == *equal)
    }
}

/// The field as selectors see it: what is missing is empty.
fn text(object: &Value, field: &str) -> String {
    match field.split('.').fold(object, |value, part| &value[part]) {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn comparison(part: &str) -> Option<(String, bool, String)> {
    let (field, equal, value) = match (part.split_once("!="), part.split_once("=="), part.split_once('=')) {
        (Some((field, value)), ..) => (field, false, value),
        (_, Some((field, value)), _) | (_, _, Some((field, value))) => (field, true, value),
        _ => return None,
    };
    Some((field.trim().to_owned(), equal, value.trim().to_owned()))
}

fn requirements(text: &str) -> Answered<Vec<(String, Test)>> {
    let parts = split(text);
    parts.iter().map(|part| requirement(part).ok_or_else(|| unparsable(part))).collect()
}

fn unparsable(part: &str) -> Refusal {
    Refusal::bad_request(format!("unable to parse requirement: {part}"))
}

/// At commas that are in no parentheses.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn requirement(part: &str) -> Option<(String, Test)> {
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    let (key, test) = if let Some(key) = part.strip_prefix('!') {
        (key.trim(), Test::Missing)
    } else if let Some((head, rest)) = part.split_once('(') {
        let values = rest.strip_suffix(')')?.split(',').map(|value| value.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => (*key, Test::In(values)),
            [key, "notin"] => (*key, Test::NotIn(values)),
            _ => return None,
        }
    } else if let Some((key, equal, value)) = comparison(part) {
        let test = if equal { Test::In(vec![value]) } else { Test::NotIn(vec![value]) };
        return is_key(&key).then_some((key, test));
    } else {
        (part, Test::Exists)
    };
    is_key(key).then(|| (key.to_owned(), test))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn labelled(selector: &str, object: &Value) -> bool {
        let labels = requirements(selector).unwrap();
        Selector { labels, fields: Vec::new() }.matches(object)
    }

    #[test]
    fn a_missing_label_is_not_equal_and_not_in() {
        let object = json!({"metadata": {"labels": {"a": "1"}}});
        for (selector, wanted) in [
            ("a=1", true),
            ("a==2", false),
            ("b!=1", true),
            ("a", true),
            ("!a", false),
            ("a in (1, 2),!b", true),
            ("b notin (1)", true),
            ("a notin (1)", false),
            ("", true),
        ] {
            assert_eq!(labelled(selector, &object), wanted, "{selector}");
        }
        assert!(requirements("a in 1").is_err() && requirements("a b").is_err());
    }
}

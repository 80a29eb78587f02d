//! A policy document and its statements.
//!
//! Invariant: a document that loads is evaluated whole. What is not understood (an unknown element, operator or
//! version) is refused on loading, never ignored. Called by `iam`.

use serde_json::{Map, Value};

use super::condition::{self, Condition};
use super::context::Context;
use super::pattern::Pattern;

/// A policy document, read.
#[derive(Clone, Debug)]
pub(crate) struct Document(Vec<Statement>);

/// One statement.
#[derive(Clone, Debug)]
struct Statement {
    sid: String,
    allows: bool,
    principals: Option<Vec<Who>>,
    actions: Listed,
    resources: Option<Listed>,
    conditions: Vec<Condition>,
}

/// A list to be in, or not to be in.
#[derive(Clone, Debug)]
struct Listed {
    not: bool,
    patterns: Vec<Pattern>,
}

/// Whom a statement of a trust or resource policy is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Everybody,
    /// All of an account that its own identity policies allow.
    Account(String),
    Aws(String),
    Service(String),
    Federated(String),
}

/// Who asks, as principals are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A user, a role, or a session of a role: its account, the ARN of the user or role, and that of the session.
    Aws {
        /// Twelve digits.
        account: String,
        /// `arn:aws:iam::ACCOUNT:role/NAME`, or of a user: what `aws:PrincipalArn` is.
        arn: String,
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION` of a session.
        session: Option<String>,
    },
    /// A service of AWS: `secretsmanager.amazonaws.com`.
    Service(String),
    /// An identity provider: the ARN of the provider.
    Federated(String),
}

/// What one request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `secretsmanager:GetSecretValue`.
    pub(crate) action: String,
    /// An ARN, or `*` for what is about no resource.
    pub(crate) resource: String,
    /// The keys of the request.
    pub(crate) context: Context,
}

/// What one document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The `Sid` of a statement that denies.
    pub(super) denied: Option<String>,
    /// The `Sid` of a statement that allows the principal itself.
    pub(super) allowed: Option<String>,
    /// The `Sid` of a statement that allows the principal's account to decide.
    pub(super) delegated: Option<String>,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong, with the statement's `Sid`.
    pub(crate) fn parse(document: &Value) -> Result<Self, String> {
        let version = document["Version"].as_str();
        if version != Some("2012-10-17") {
            return Err("Version must be 2012-10-17: with another, variables are plain text".into());
        }
        let statements = match &document["Statement"] {
            Value::Array(all) => all.as_slice(),
            one @ Value::Object(_) => std::slice::from_ref(one),
            _ => return Err("Statement must be an object or a list".into()),
        };
        let read = |(place, one): (usize, &Value)| {
            let sid = one["Sid"].as_str().map_or_else(|| format!("#{place}"), str::to_owned);
            Statement::parse(&sid, one).map_err(|error| format!("{sid}: {error}"))
        };
        Ok(Self(statements.iter().enumerate().map(read).collect::<Result<_, _>>()?))
    }

    /// What it says as a policy of the identity that asks.
    pub(super) fn of_identity(&self, asked: &Asked) -> Verdict {
        self.judge(asked, |statement| statement.principals.is_none().then_some(false))
    }

    /// What it says as a policy of the thing that is asked for: a role's trust, or a key's policy.
    pub(super) fn of_resource(&self, asked: &Asked, who: &Principal) -> Verdict {
        self.judge(asked, |statement| who.is_among(statement.principals.as_deref().unwrap_or_default()))
    }

    /// `named` tells whether a statement is about who asks, and if so, whether only through its account.
    fn judge(&self, asked: &Asked, named: impl Fn(&Statement) -> Option<bool>) -> Verdict {
        let mut verdict = Verdict::default();
        for statement in &self.0 {
            let Some(by_account) = named(statement) else { continue };
            if !statement.applies(asked) {
                continue;
            }
            let place = match (statement.allows, by_account) {
                (false, _) => &mut verdict.denied,
                (true, false) => &mut verdict.allowed,
                (true, true) => &mut verdict.delegated,
            };
            place.get_or_insert_with(|| statement.sid.clone());
        }
        verdict
    }
}

impl Statement {
    fn parse(sid: &str, statement: &Value) -> Result<Self, String> {
        const ELEMENTS: &[&str] =
            &["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        let elements = statement.as_object().ok_or("a statement must be an object")?;
        if let Some(unknown) = elements.keys().find(|key| !ELEMENTS.contains(&key.as_str())) {
            return Err(format!("{unknown} is not evaluated here"));
        }
        let allows = match statement["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect must be Allow or Deny".into()),
        };
        // Actions have no case.
        let actions = listed(elements, "Action", "NotAction", str::to_ascii_lowercase)?
            .ok_or("one of Action and NotAction is needed")?;
        Ok(Self {
            sid: sid.to_owned(),
            allows,
            principals: elements.get("Principal").map(principals).transpose()?,
            actions,
            resources: listed(elements, "Resource", "NotResource", str::to_owned)?,
            conditions: elements.get("Condition").map_or(Ok(Vec::new()), condition::parse)?,
        })
    }

    fn applies(&self, asked: &Asked) -> bool {
        self.actions.has(&asked.action.to_ascii_lowercase(), &asked.context)
            // A trust policy has no resource: it is its role's.
            && self.resources.as_ref().is_none_or(|resources| resources.has(&asked.resource, &asked.context))
            && self.conditions.iter().all(|condition| condition.holds(&asked.context))
    }
}

impl Listed {
    fn has(&self, text: &str, context: &Context) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, context)) != self.not
    }
}

impl Principal {
    /// Whether it is named, and if so, whether only through its account.
    fn is_among(&self, named: &[Who]) -> Option<bool> {
        let directly = named.iter().any(|who| match (who, self) {
            (Who::Everybody, _) => true,
            (Who::Aws(named), Self::Aws { arn, session, .. }) => named == arn || Some(named) == session.as_ref(),
            (Who::Service(named), Self::Service(name)) => named == name,
            (Who::Federated(named), Self::Federated(name)) => named == name,
            _ => false,
        });
        if directly {
            return Some(false);
        }
        let by_account =
            |who: &Who| matches!((who, self), (Who::Account(named), Self::Aws { account, .. }) if named == account);
        named.iter().any(by_account).then_some(true)
    }
}

/// A text, or a list of texts; numbers and truth values as their texts.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(all) => all.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn listed(
    elements: &Map<String, Value>,
    plain: &str,
    negated: &str,
    spelled: impl Fn(&str) -> String,
) -> Result<Option<Listed>, String> {
    let (value, not) = match (elements.get(plain), elements.get(negated)) {
        (Some(_), Some(_)) => return Err(format!("{plain} and {negated} exclude each other")),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) => return Ok(None),
    };
    let texts = texts(value).ok_or_else(|| format!("{plain} must be a text or a list of texts"))?;
    let patterns = texts.iter().map(|text| Pattern::parse(&spelled(text))).collect::<Result<_, _>>()?;
    Ok(Some(Listed { not, patterns }))
}

fn principals(principal: &Value) -> Result<Vec<Who>, String> {
    if principal == "*" {
        return Ok(vec![Who::Everybody]);
    }
    let kinds = principal.as_object().ok_or("Principal must be \"*\" or an object")?;
    let mut all = Vec::new();
    for (kind, names) in kinds {
        for name in texts(names).ok_or_else(|| format!("Principal.{kind} must be a text or a list of texts"))? {
            all.push(match kind.as_str() {
                "AWS" => aws(&name)?,
                "Service" => Who::Service(name),
                "Federated" => Who::Federated(name),
                _ => return Err(format!("Principal.{kind} is not evaluated here")),
            });
        }
    }
    Ok(all)
}

fn aws(name: &str) -> Result<Who, String> {
    let account = name.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")).unwrap_or(name);
    match name {
        "*" => Ok(Who::Everybody),
        _ if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(Who::Account(account.to_owned()))
        }
        _ if name.starts_with("arn:") && !name.contains(['*', '?']) => Ok(Who::Aws(name.to_owned())),
        // AWS refuses a pattern there as well; `aws:PrincipalArn` in a condition takes one.
        _ => Err(format!("{name} is no principal: an account, or the ARN of a user, role or session")),
    }
}

//! Resource policies, kept and checked for shape; and random passwords.
//!
//! A secret's own policy is never evaluated (those of identities and keys are, see `iam`). What is refused is what AWS
//! refuses on writing one.

use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Answered, Failure, constraint, invalid_parameter};
use super::lifecycle::Named;
use super::{Context, SecretsManager, check_length, named};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutPolicy {
    secret_id: String,
    resource_policy: String,
    #[serde(default)]
    block_public_policy: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ValidatePolicy {
    secret_id: Option<String>,
    resource_policy: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RandomPassword {
    password_length: usize,
    exclude_characters: String,
    exclude_numbers: bool,
    exclude_punctuation: bool,
    exclude_uppercase: bool,
    exclude_lowercase: bool,
    include_space: bool,
    require_each_included_type: bool,
}

impl Default for RandomPassword {
    fn default() -> Self {
        Self {
            password_length: 32,
            exclude_characters: String::new(),
            exclude_numbers: false,
            exclude_punctuation: false,
            exclude_uppercase: false,
            exclude_lowercase: false,
            include_space: false,
            require_each_included_type: true,
        }
    }
}

impl SecretsManager {
    pub(super) fn put_resource_policy(&mut self, input: PutPolicy, ctx: &mut Context<'_>) -> Answered<Value> {
        check_length("resourcePolicy", &input.resource_policy, 1, 20_480)?;
        let policy = parse(&input.resource_policy)?;
        if input.block_public_policy && is_public(&policy) {
            return Err(Failure::new("PublicPolicyException", "You can't attach a policy that allows public access."));
        }
        self.change(&input.secret_id, ctx, |secret, _| {
            secret.policy = Some(input.resource_policy);
            Ok(Value::Object(named(secret)))
        })
    }

    pub(super) fn resource_policy(&mut self, input: Named, ctx: &mut Context<'_>) -> Answered<Value> {
        let secret = self.readable(&input.secret_id, ctx)?;
        let mut told = named(secret);
        if let Some(policy) = &secret.policy {
            told.insert("ResourcePolicy".into(), policy.clone().into());
        }
        Ok(Value::Object(told))
    }

    pub(super) fn delete_resource_policy(&mut self, input: Named, ctx: &mut Context<'_>) -> Answered<Value> {
        self.change(&input.secret_id, ctx, |secret, _| {
            secret.policy = None;
            Ok(Value::Object(named(secret)))
        })
    }

    pub(super) fn validate_resource_policy(&mut self, input: ValidatePolicy, ctx: &mut Context<'_>) -> Answered<Value> {
        check_length("resourcePolicy", &input.resource_policy, 1, 20_480)?;
        if let Some(id) = &input.secret_id {
            self.find(id, ctx)?;
        }
        let policy = parse(&input.resource_policy)?;
        let errors = if is_public(&policy) {
            json!([{"CheckName": "PUBLIC_POLICY", "ErrorMessage": "The policy allows public access."}])
        } else {
            json!([])
        };
        Ok(json!({"PolicyValidationPassed": !is_public(&policy), "ValidationErrors": errors}))
    }
}

fn parse(text: &str) -> Answered<Value> {
    let policy: Option<Value> = serde_json::from_str(text).ok();
    policy.filter(|policy| policy.get("Statement").is_some()).ok_or_else(|| {
        Failure::new("MalformedPolicyDocumentException", "This resource policy contains a syntax error.")
    })
}

/// Everybody is allowed, without a condition. AWS reasons further; this is the plain case.
fn is_public(policy: &Value) -> bool {
    let statements = match &policy["Statement"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    statements.iter().any(|statement| {
        let everybody = [&statement["Principal"], &statement["Principal"]["AWS"]]
            .iter()
            .any(|who| **who == "*" || who.as_array().is_some_and(|list| list.iter().any(|one| one == "*")));
        statement["Effect"] == "Allow" && everybody && statement.get("Condition").is_none()
    })
}

pub(super) fn random_password(input: RandomPassword, ctx: &mut Context<'_>) -> Answered<Value> {
    if !(1..=4096).contains(&input.password_length) {
        return Err(constraint("passwordLength", "have value between 1 and 4096"));
    }
    let kinds = [
        (!input.exclude_lowercase, "abcdefghijklmnopqrstuvwxyz"),
        (!input.exclude_uppercase, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (!input.exclude_numbers, "0123456789"),
        (!input.exclude_punctuation, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        (input.include_space, " "),
    ];
    let kinds: Vec<Vec<char>> = kinds
        .iter()
        .filter(|(included, _)| *included)
        .map(|(_, letters)| letters.chars().filter(|c| !input.exclude_characters.contains(*c)).collect::<Vec<_>>())
        .filter(|letters| !letters.is_empty())
        .collect();
    let all: Vec<char> = kinds.concat();
    if all.is_empty() {
        return Err(invalid_parameter("All characters are excluded: no password can be made."));
    }
    let each = input.require_each_included_type;
    if each && input.password_length < kinds.len() {
        return Err(invalid_parameter("The password length is too short to include each required character type."));
    }
    let random: &mut StdRng = ctx.random;
    let pick = |letters: &[char], random: &mut StdRng| letters[random.random_range(0..letters.len())];
    let mut password: Vec<char> = Vec::with_capacity(input.password_length);
    if each {
        password.extend(kinds.iter().map(|letters| pick(letters, random)));
    }
    while password.len() < input.password_length {
        password.push(pick(&all, random));
    }
    password.shuffle(random);
    Ok(json!({"RandomPassword": password.into_iter().collect::<String>()}))
}

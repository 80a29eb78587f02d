//! IAM, as far as Secrets Manager, STS and KMS ask it: identity, trust and key policies over session tags.
//!
//! Invariant: nothing is allowed that no statement allows, and one denying statement wins over all. Off until somebody
//! loads a [`Setup`]; from then on every request to Secrets Manager and STS is judged, and each judgement is kept, so
//! that a test can compare what was allowed with what was used. Source: IAM user guide, "Policy evaluation logic".
//! Policies on secrets, permissions boundaries, session policies and organisations are not evaluated.

mod condition;
mod context;
mod document;
mod pattern;
mod templates;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use context::Context;
use document::Verdict;
pub(crate) use document::{Asked, Document, Principal};
pub use templates::{DOCUMENTS, Install};

/// What is loaded: who there is, what they may, and the keys.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Setup {
    /// Roles and users by ARN.
    pub principals: BTreeMap<String, Entity>,
    /// Access keys that belong to a role or user: id to ARN.
    pub access_keys: BTreeMap<String, String>,
    /// Policies of KMS keys by the key's ARN.
    pub keys: BTreeMap<String, Value>,
    /// Aliases of keys: `arn:aws:kms:REGION:ACCOUNT:alias/NAME` to the key's ARN.
    pub aliases: BTreeMap<String, String>,
}

/// A role or a user.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entity {
    /// The trust policy of a role.
    pub trust: Option<Value>,
    /// Identity policies by name.
    pub policies: BTreeMap<String, Value>,
}

impl Setup {
    /// Takes in another: documents of one place get the statements of both.
    pub fn merge(&mut self, other: Self) {
        for (arn, entity) in other.principals {
            let own = self.principals.entry(arn).or_default();
            own.trust = match (own.trust.take(), entity.trust) {
                (Some(mut one), Some(other)) => {
                    join(&mut one, other);
                    Some(one)
                }
                (one, other) => one.or(other),
            };
            entity.policies.into_iter().for_each(|(name, policy)| put(&mut own.policies, name, policy));
        }
        other.keys.into_iter().for_each(|(arn, policy)| put(&mut self.keys, arn, policy));
        self.access_keys.extend(other.access_keys);
        self.aliases.extend(other.aliases);
    }
}

fn put(documents: &mut BTreeMap<String, Value>, name: String, document: Value) {
    match documents.get_mut(&name) {
        Some(own) => join(own, document),
        None => {
            documents.insert(name, document);
        }
    }
}

fn join(document: &mut Value, mut other: Value) {
    let (Some(own), Some(more)) = (document["Statement"].as_array_mut(), other["Statement"].as_array_mut()) else {
        return;
    };
    for statement in more.drain(..) {
        if !own.contains(&statement) {
            own.push(statement);
        }
    }
}

/// One judgement, as often as it was made the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Judgement {
    /// ARN of the role or user; name of a service or provider.
    pub principal: String,
    /// `secretsmanager:GetSecretValue`.
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The statements that decided, as `POLICY/SID`; the trust of a role is policy `trust`, that of a key `key`.
    pub by: Vec<String>,
}

/// The loaded policies, and what they were asked.
pub(crate) struct Iam {
    entities: BTreeMap<String, ReadEntity>,
    access_keys: BTreeMap<String, String>,
    keys: BTreeMap<String, Document>,
    aliases: BTreeMap<String, String>,
    judgements: BTreeMap<Judgement, u64>,
}

#[derive(Default)]
struct ReadEntity {
    trust: Option<Document>,
    policies: BTreeMap<String, Document>,
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A statement denies it.
    Denied,
    /// No statement allows it.
    NotAllowed,
}

impl Iam {
    /// Reads what is to be loaded.
    ///
    /// # Errors
    /// Which document can't be read, and why.
    pub(crate) fn load(setup: &Setup) -> Result<Self, String> {
        let read = |name: &str, document: &Value| Document::parse(document).map_err(|error| format!("{name}: {error}"));
        let mut entities = BTreeMap::new();
        for (arn, entity) in &setup.principals {
            let trust = entity.trust.as_ref().map(|trust| read(&format!("{arn}: trust"), trust)).transpose()?;
            let policy = |(name, policy)| Ok((String::clone(name), read(&format!("{arn}: {name}"), policy)?));
            let policies = entity.policies.iter().map(policy).collect::<Result<_, String>>()?;
            entities.insert(arn.clone(), ReadEntity { trust, policies });
        }
        if let Some((key, arn)) = setup.access_keys.iter().find(|(_, arn)| !entities.contains_key(*arn)) {
            return Err(format!("access key {key}: no principal {arn}"));
        }
        let key = |(arn, policy)| Ok((String::clone(arn), read(arn, policy)?));
        Ok(Self {
            entities,
            access_keys: setup.access_keys.clone(),
            keys: setup.keys.iter().map(key).collect::<Result<_, String>>()?,
            aliases: setup.aliases.clone(),
            judgements: BTreeMap::new(),
        })
    }

    /// The ARN of the role or user that an access key belongs to.
    pub(crate) fn owner(&self, access_key: &str) -> Option<&str> {
        self.access_keys.get(access_key).map(String::as_str)
    }

    /// The ARN of a customer's key, however it was named; absent for AWS's own key and for an alias of nothing.
    pub(crate) fn key_arn(&self, named: Option<&str>, account: &str, region: &str) -> Option<String> {
        let named = named.filter(|named| !named.is_empty() && !named.ends_with("alias/aws/secretsmanager"))?;
        let arn = match named {
            _ if named.starts_with("arn:") => named.to_owned(),
            _ if named.starts_with("alias/") => format!("arn:aws:kms:{region}:{account}:{named}"),
            _ => format!("arn:aws:kms:{region}:{account}:key/{named}"),
        };
        if arn.contains(":alias/") { self.aliases.get(&arn).cloned() } else { Some(arn) }
    }

    /// Judges a request by the policies of who asks.
    pub(crate) fn identity(&mut self, who: &Principal, asked: &Asked) -> Result<(), Refusal> {
        let verdict = self.of_identity(who, asked);
        let outcome = match &verdict {
            Verdict { denied: Some(sid), .. } => (Err(Refusal::Denied), vec![sid.clone()]),
            Verdict { allowed: Some(sid), .. } => (Ok(()), vec![sid.clone()]),
            _ => (Err(Refusal::NotAllowed), Vec::new()),
        };
        self.judged(who, asked, outcome)
    }

    /// Judges a use of a key, whose ARN is the resource. A key that is not loaded allows nobody.
    pub(crate) fn key(&mut self, who: &Principal, asked: &Asked) -> Result<(), Refusal> {
        let of_key = self.keys.get(&asked.resource).map(|policy| policy.of_resource(asked, who)).unwrap_or_default();
        self.with_resource(who, asked, named("key", of_key))
    }

    /// Judges the assuming of a role, whose ARN is the resource. A role that is not loaded trusts nobody.
    pub(crate) fn trust(&mut self, who: &Principal, asked: &Asked) -> Result<(), Refusal> {
        let trust = self.entities.get(&asked.resource).and_then(|role| role.trust.as_ref());
        let of_role = trust.map(|policy| policy.of_resource(asked, who)).unwrap_or_default();
        self.with_resource(who, asked, named("trust", of_role))
    }

    /// Forgets what was judged.
    pub(crate) fn forget(&mut self) {
        self.judgements.clear();
    }

    /// Keeps what was judged by the policies before these.
    pub(crate) fn follow(&mut self, before: Self) {
        self.judgements = before.judgements;
    }

    /// What was judged since the policies were loaded.
    pub(crate) fn judgements(&self) -> impl Iterator<Item = &Judgement> {
        self.judgements.keys()
    }

    /// Keys and roles must allow by their own policy: who asks by name, or its account and the account who asks. Across
    /// accounts both sides must.
    fn with_resource(&mut self, who: &Principal, asked: &Asked, resource: Verdict) -> Result<(), Refusal> {
        let identity = self.of_identity(who, asked);
        let same_account = match who {
            Principal::Aws { account, .. } => asked.resource.split(':').nth(4) == Some(account),
            // A service or provider has no policies: the resource alone decides.
            Principal::Service(_) | Principal::Federated(_) => true,
        };
        let outcome = if let Some(sid) = identity.denied.or(resource.denied) {
            (Err(Refusal::Denied), vec![sid])
        } else {
            match (resource.allowed, resource.delegated, identity.allowed) {
                (Some(sid), _, None) if same_account => (Ok(()), vec![sid]),
                (Some(sid), _, Some(own)) | (None, Some(sid), Some(own)) => (Ok(()), vec![sid, own]),
                _ => (Err(Refusal::NotAllowed), Vec::new()),
            }
        };
        self.judged(who, asked, outcome)
    }

    fn of_identity(&self, who: &Principal, asked: &Asked) -> Verdict {
        let mut all = Verdict::default();
        let Principal::Aws { arn, .. } = who else { return all };
        for (name, policy) in self.entities.get(arn).into_iter().flat_map(|entity| &entity.policies) {
            let verdict = named(name, policy.of_identity(asked));
            all.denied = all.denied.or(verdict.denied);
            all.allowed = all.allowed.or(verdict.allowed);
        }
        all
    }

    fn judged(
        &mut self,
        who: &Principal,
        asked: &Asked,
        (outcome, by): (Result<(), Refusal>, Vec<String>),
    ) -> Result<(), Refusal> {
        let principal = match who {
            Principal::Aws { arn, .. } => arn,
            Principal::Service(name) | Principal::Federated(name) => name,
        };
        let judgement = Judgement {
            principal: principal.clone(),
            action: asked.action.clone(),
            resource: asked.resource.clone(),
            allowed: outcome.is_ok(),
            by,
        };
        *self.judgements.entry(judgement).or_default() += 1;
        outcome
    }
}

impl Principal {
    /// What every request of this principal says about it, with the tags of its session.
    pub(crate) fn describe(&self, tags: &[(String, String)], context: &mut Context) {
        if let Self::Aws { account, arn, .. } = self {
            context.put("aws:PrincipalArn", arn);
            context.put("aws:PrincipalAccount", account);
        }
        for (key, value) in tags {
            context.put(&format!("aws:PrincipalTag/{key}"), value);
        }
    }
}

/// Names the statements of a verdict by their policy.
fn named(policy: &str, verdict: Verdict) -> Verdict {
    let name = |sid: Option<String>| sid.map(|sid| format!("{policy}/{sid}"));
    Verdict { denied: name(verdict.denied), allowed: name(verdict.allowed), delegated: name(verdict.delegated) }
}

//! STS: who calls, and sessions that later name the caller. Query protocol, XML answers.
//!
//! Invariant: a session's access key names account, role and session name until it expires; signatures are not
//! verified, so an access key that nobody knows is the user of that name in the sandbox's account.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng};

use crate::body::{Content, respond};
use crate::iam::{Asked, Context, Iam, Principal};
use crate::knobs::Knobs;
use crate::secrets_manager::{Answered, Failure};
use crate::world::{ACCOUNT, uuid};
use http::Response;

#[derive(Default)]
pub(crate) struct Sts {
    sessions: HashMap<String, Session>,
}

struct Session {
    account: String,
    arn: String,
    role: String,
    expires: Timestamp,
    tags: Vec<(String, String)>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) account: String,
    pub(crate) arn: String,
    /// The role or user that policies are attached to, if that is not `arn` itself.
    pub(crate) role: Option<String>,
    /// Tags of the session.
    pub(crate) tags: Vec<(String, String)>,
}

impl Caller {
    /// A call without a signature, which `AssumeRoleWithWebIdentity` is.
    pub(crate) fn anonymous() -> Self {
        Self {
            access_key: String::new(),
            account: ACCOUNT.into(),
            arn: "anonymous".into(),
            role: None,
            tags: Vec::new(),
        }
    }

    /// As policies name it.
    pub(crate) fn principal(&self) -> Principal {
        let (arn, session) = match &self.role {
            Some(role) => (role.clone(), Some(self.arn.clone())),
            None => (self.arn.clone(), None),
        };
        Principal::Aws { account: self.account.clone(), arn, session }
    }
}

impl Sts {
    /// Who an access key is, or AWS's refusal of it in the names of the JSON protocol.
    pub(crate) fn caller(
        &self,
        access_key: &str,
        now: Timestamp,
        knobs: &Knobs,
        iam: Option<&Iam>,
    ) -> Result<Caller, Failure> {
        if knobs.refused_access_keys.iter().any(|refused| refused == access_key) {
            let message = "The security token included in the request is invalid.";
            return Err(Failure::new("UnrecognizedClientException", message));
        }
        if let Some(session) = self.sessions.get(access_key) {
            if now >= session.expires {
                let message = "The security token included in the request is expired";
                return Err(Failure::new("ExpiredTokenException", message));
            }
            return Ok(Caller {
                access_key: access_key.into(),
                account: session.account.clone(),
                arn: session.arn.clone(),
                role: Some(session.role.clone()),
                tags: session.tags.clone(),
            });
        }
        let elsewhere = knobs.access_key_accounts.contains_key(access_key);
        if let Some(owner) = iam.and_then(|iam| iam.owner(access_key)).filter(|_| !elsewhere) {
            let account = owner.split(':').nth(4).unwrap_or(ACCOUNT).to_owned();
            // Keys of a role are those of a session, as a pod has them; its name is of no matter here.
            let session = owner.split_once(":role/").map(|(_, path)| {
                let name = path.rsplit('/').next().unwrap_or(path);
                format!("arn:aws:sts::{account}:assumed-role/{name}/{access_key}")
            });
            let role = session.is_some().then(|| owner.to_owned());
            let arn = session.unwrap_or_else(|| owner.to_owned());
            return Ok(Caller { access_key: access_key.into(), account, arn, role, tags: Vec::new() });
        }
        let account = knobs.access_key_accounts.get(access_key).map_or(ACCOUNT, String::as_str);
        Ok(Caller {
            access_key: access_key.into(),
            account: account.into(),
            arn: format!("arn:aws:iam::{account}:user/{access_key}"),
            role: None,
            tags: Vec::new(),
        })
    }

    /// The tags of a session, by its access key: what a test of the operator's session tags reads.
    pub(crate) fn session_tags(&self, access_key: &str) -> Option<&[(String, String)]> {
        self.sessions.get(access_key).map(|session| session.tags.as_slice())
    }

    pub(crate) fn prolong(&mut self, by: SignedDuration) {
        for session in self.sessions.values_mut() {
            session.expires = session.expires.saturating_add(by).unwrap_or(Timestamp::MAX);
        }
    }

    pub(crate) fn answer(
        &mut self,
        form: &HashMap<String, String>,
        caller: &Caller,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
        iam: Option<&mut Iam>,
    ) -> Result<String, Failure> {
        let action = form.get("Action").map_or("", String::as_str);
        let result = match action {
            "GetCallerIdentity" => {
                let user = caller.arn.rsplit('/').next().unwrap_or_default();
                format!(
                    "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                    escape(&caller.arn),
                    escape(user),
                    caller.account
                )
            }
            "AssumeRole" => {
                if let Some(iam) = iam {
                    trusts(form, caller, iam)?;
                }
                self.assume(form, &caller.arn, now, knobs, random)?
            }
            "AssumeRoleWithWebIdentity" => {
                let token = form.get("WebIdentityToken").filter(|token| !token.is_empty());
                let subject = token.and_then(|token| subject_of(token)).ok_or_else(|| Failure {
                    code: "InvalidIdentityToken".into(),
                    status: 400,
                    message: "The ID Token provided is not a valid JWT.".into(),
                })?;
                if let Some(iam) = iam {
                    trusts_token(form, token.map_or("", String::as_str), &subject, iam)?;
                }
                let session = self.assume(form, &subject, now, knobs, random)?;
                format!(
                    "{session}<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken>\
                     <Audience>sts.amazonaws.com</Audience>",
                    escape(&subject)
                )
            }
            _ => {
                let message = format!("Could not find operation {action} for version 2011-06-15");
                return Err(Failure::new("InvalidAction", message));
            }
        };
        Ok(format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}\
             </{action}Result><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{action}Response>",
            uuid(random)
        ))
    }

    fn assume(
        &mut self,
        form: &HashMap<String, String>,
        who: &str,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
    ) -> Result<String, Failure> {
        let wanted = |name: &str| {
            form.get(name).filter(|text| !text.is_empty()).ok_or_else(|| {
                let member =
                    name.chars().next().map(|c| c.to_ascii_lowercase()).into_iter().chain(name.chars().skip(1));
                Failure::new(
                    "ValidationError",
                    format!(
                        "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not \
                         be null",
                        member.collect::<String>()
                    ),
                )
            })
        };
        let role = wanted("RoleArn")?;
        let name = wanted("RoleSessionName")?;
        let well_formed = (2..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte));
        if !well_formed {
            return Err(Failure::new(
                "ValidationError",
                "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: [\\w+=,.@-]*",
            ));
        }
        let parsed = role.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
        let Some((account, path)) = parsed.filter(|(account, path)| account.len() == 12 && !path.is_empty()) else {
            return Err(Failure::new("ValidationError", format!("{role} is invalid")));
        };
        let external_id = knobs.role_external_ids.get(role);
        let trusted = external_id.is_none_or(|id| form.get("ExternalId") == Some(id));
        if !trusted || knobs.refused_roles.iter().any(|refused| refused == role) {
            // AWS does not tell a missing role from one that does not trust the caller, nor a wrong external id.
            return Err(refused(who, "sts:AssumeRole", role));
        }
        let seconds = form.get("DurationSeconds").map_or(Some(3_600), |text| text.parse::<i64>().ok());
        let Some(seconds) = seconds.filter(|seconds| (900..=43_200).contains(seconds)) else {
            return Err(Failure::new(
                "ValidationError",
                "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must \
                 have value between 900 and 43200",
            ));
        };
        let expires = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        let access_key = format!("ASIA{}", upper(random, 16));
        let id = format!("AROA{}", upper(random, 17));
        let role_name = path.rsplit('/').next().unwrap_or(path);
        let arn = format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}");
        let told = format!(
            "<AssumedRoleUser><AssumedRoleId>{id}:{name}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>",
            STANDARD.encode(bytes::<30>(random)),
            STANDARD.encode(bytes::<96>(random)),
            expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        );
        let session = Session { account: account.into(), arn, role: role.clone(), expires, tags: tags(form) };
        self.sessions.insert(access_key, session);
        Ok(told)
    }
}

/// Whether the role and who calls allow `AssumeRole`, and `TagSession` where tags come along.
fn trusts(form: &HashMap<String, String>, caller: &Caller, iam: &mut Iam) -> Answered<()> {
    let role = form.get("RoleArn").map_or("", String::as_str);
    let mut context = Context::default();
    caller.principal().describe(&caller.tags, &mut context);
    let tags = tags(form);
    for (key, value) in &tags {
        context.put(&format!("aws:RequestTag/{key}"), value);
        context.put("aws:TagKeys", key);
    }
    let mut assume = context.clone();
    assume.put_some("sts:ExternalId", form.get("ExternalId").map(String::as_str));
    assume.put_some("sts:RoleSessionName", form.get("RoleSessionName").map(String::as_str));
    // The authorization reference lists the external id for the one and not for the other.
    let asked = [("sts:AssumeRole", Some(assume)), ("sts:TagSession", (!tags.is_empty()).then_some(context))];
    for (action, context) in asked {
        let Some(context) = context else { continue };
        let asked = Asked { action: action.into(), resource: role.to_owned(), context };
        iam.trust(&caller.principal(), &asked).map_err(|_| refused(&caller.arn, action, role))?;
    }
    Ok(())
}

/// Whether the role trusts the provider and what it says of the caller. Signatures are not verified.
fn trusts_token(form: &HashMap<String, String>, token: &str, subject: &str, iam: &mut Iam) -> Answered<()> {
    let role = form.get("RoleArn").map_or("", String::as_str);
    let claims = claims_of(token).unwrap_or_default();
    let issuer = claims["iss"].as_str().unwrap_or_default().trim_start_matches("https://");
    let audiences = match &claims["aud"] {
        serde_json::Value::Array(all) => all.first().and_then(serde_json::Value::as_str),
        one => one.as_str(),
    };
    let mut context = Context::default();
    context.put(&format!("{issuer}:sub"), subject);
    context.put_some(&format!("{issuer}:aud"), audiences);
    let account = role.split(':').nth(4).unwrap_or_default();
    let provider = Principal::Federated(format!("arn:aws:iam::{account}:oidc-provider/{issuer}"));
    let action = "sts:AssumeRoleWithWebIdentity";
    let asked = Asked { action: action.into(), resource: role.to_owned(), context };
    iam.trust(&provider, &asked).map_err(|_| refused(subject, action, role))
}

/// AWS does not tell a missing role from one that does not trust the caller.
fn refused(who: &str, action: &str, role: &str) -> Failure {
    Failure {
        code: "AccessDenied".into(),
        status: 403,
        message: format!("User: {who} is not authorized to perform: {action} on resource: {role}"),
    }
}

/// An STS error on the wire.
pub(crate) fn told_failure(failure: &Failure, random: &mut StdRng) -> Response<Content> {
    // The JSON protocol's names have other spellings here.
    let (code, status) = match failure.code.as_str() {
        "UnrecognizedClientException" => ("InvalidClientTokenId", 403),
        "ExpiredTokenException" => ("ExpiredToken", 403),
        "MissingAuthenticationTokenException" => ("MissingAuthenticationToken", 403),
        "ThrottlingException" => ("Throttling", 400),
        code => (code, failure.status),
    };
    let xml = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
        escape(code),
        escape(&failure.message),
        uuid(random)
    );
    respond(status, "text/xml", xml)
}

fn tags(form: &HashMap<String, String>) -> Vec<(String, String)> {
    (1..=50)
        .map_while(|place| {
            let key = form.get(&format!("Tags.member.{place}.Key"))?;
            Some((key.clone(), form.get(&format!("Tags.member.{place}.Value")).cloned().unwrap_or_default()))
        })
        .collect()
}

/// `sub` of a JWT; its signature is not verified, like every other here.
fn subject_of(token: &str) -> Option<String> {
    claims_of(token)?["sub"].as_str().map(ToOwned::to_owned)
}

fn claims_of(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn upper(random: &mut StdRng, count: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    (0..count).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

fn bytes<const N: usize>(random: &mut StdRng) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes[..]);
    bytes
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

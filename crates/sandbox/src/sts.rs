//! STS: who calls, and sessions that later name the caller. Query protocol, XML answers.
//!
//! Invariant: a session's access key names account, role and session name until it expires; signatures are not
//! verified, so an access key that nobody knows is the user of that name in the sandbox's account.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, rngs::StdRng};

use crate::body::{Content, respond};
use crate::knobs::Knobs;
use crate::secrets_manager::Failure;
use crate::world::{ACCOUNT, uuid};
use http::Response;

#[derive(Default)]
pub(crate) struct Sts {
    sessions: HashMap<String, Session>,
}

struct Session {
    account: String,
    arn: String,
    expires: Timestamp,
    tags: Vec<(String, String)>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) account: String,
    pub(crate) arn: String,
}

impl Caller {
    /// A call without a signature, which `AssumeRoleWithWebIdentity` is.
    pub(crate) fn anonymous() -> Self {
        Self { access_key: String::new(), account: ACCOUNT.into(), arn: "anonymous".into() }
    }
}

impl Sts {
    /// Who an access key is, or AWS's refusal of it in the names of the JSON protocol.
    pub(crate) fn caller(&self, access_key: &str, now: Timestamp, knobs: &Knobs) -> Result<Caller, Failure> {
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
            });
        }
        let account = knobs.access_key_accounts.get(access_key).map_or(ACCOUNT, String::as_str);
        Ok(Caller {
            access_key: access_key.into(),
            account: account.into(),
            arn: format!("arn:aws:iam::{account}:user/{access_key}"),
        })
    }

    /// The tags of a session, by its access key: what a test of the operator's session tags reads.
    pub(crate) fn session_tags(&self, access_key: &str) -> Option<&[(String, String)]> {
        self.sessions.get(access_key).map(|session| session.tags.as_slice())
    }

    pub(crate) fn answer(
        &mut self,
        form: &HashMap<String, String>,
        caller: &Caller,
        now: Timestamp,
        knobs: &Knobs,
        random: &mut StdRng,
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
            "AssumeRole" => self.assume(form, &caller.arn, now, knobs, random)?,
            "AssumeRoleWithWebIdentity" => {
                let token = form.get("WebIdentityToken").filter(|token| !token.is_empty());
                let subject = token.and_then(|token| subject_of(token)).ok_or_else(|| Failure {
                    code: "InvalidIdentityToken".into(),
                    status: 400,
                    message: "The ID Token provided is not a valid JWT.".into(),
                })?;
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
            return Err(Failure {
                code: "AccessDenied".into(),
                status: 403,
                message: format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}"),
            });
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
        let session = Session { account: account.into(), arn, expires, tags: tags(form) };
        self.sessions.insert(access_key, session);
        Ok(told)
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
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    claims["sub"].as_str().map(ToOwned::to_owned)
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

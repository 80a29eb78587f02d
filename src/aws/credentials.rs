//! With whose rights a store is reached: the pod's own identity, static keys, or a role assumed once a (store,
//! namespace) and hour with session tags, so that IAM, and not only our resolver, keeps namespaces apart (R9).
//!
//! Invariant: a failure to become somebody is a fault of STS or of the cluster and never `Unknown`: the call that it
//! was for was surely not sent. Credentials live in memory alone. Made and kept by [`super::regions`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_sdk_sts::types::Tag;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{AccountId, ObjectName, Region, RoleArn, Uid};
use mes_core::secret::Sensitive;
use mes_core::shown::Code;

use super::transport::Transport;
use super::{Counted, fault, regions};

/// How long a session of an assumed role lives: the most that a role assumed by a role may.
const SESSION: Duration = Duration::from_secs(3600);
/// How long credentials without an end of their own are held, so that exchanged keys are seen.
const UNENDING: Duration = Duration::from_secs(300);
/// How long before their end credentials are renewed, if they live long enough.
const MARGIN: Duration = Duration::from_secs(300);
/// The longest `RoleSessionName` that STS takes.
const SESSION_NAME: usize = 64;

/// Static keys of an AWS principal.
#[derive(Debug)]
pub struct StaticKeys {
    /// `AccessKeyId`: no secret.
    pub access_key_id: String,
    /// `SecretAccessKey`.
    pub secret_access_key: Sensitive,
    /// `SessionToken`, for keys that end.
    pub session_token: Option<Sensitive>,
}

/// Reads static keys: done by the controller, since they lie in a Secret of the operator's own namespace.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The keys in the Secret with this name in the operator's own namespace; `None`: surely not there, or not keys.
    async fn keys(&self, secret: &ObjectName) -> Result<Option<StaticKeys>, Fault>;
}

/// Whose credentials a session holds.
pub(super) enum Source {
    /// The pod's.
    Ambient,
    /// Those in a Secret of the operator's own namespace.
    Keys(ObjectName, Arc<dyn KeySource>),
    /// A role's, assumed with another session's.
    Role(Role),
}

/// A role to assume, and for whom.
pub(super) struct Role {
    pub(super) base: Arc<Session>,
    pub(super) arn: RoleArn,
    pub(super) external_id: String,
    pub(super) cluster: Uid,
    /// A namespace's name, or `_sweep`.
    pub(super) namespace: String,
}

/// Credentials that are held while they live, and a client a region made with them.
pub(super) struct Session {
    pub(super) transport: Transport,
    pub(super) counted: Counted,
    pub(super) endpoint: Option<String>,
    /// Where STS is asked.
    pub(super) home: Region,
    pub(super) source: Source,
    held: tokio::sync::Mutex<Option<Held>>,
    account: tokio::sync::OnceCell<AccountId>,
}

struct Held {
    credentials: Credentials,
    until: SystemTime,
    clients: regions::Clients,
}

impl Session {
    pub(super) fn new(
        transport: Transport,
        counted: Counted,
        endpoint: Option<String>,
        home: Region,
        source: Source,
    ) -> Self {
        Self { transport, counted, endpoint, home, source, held: Default::default(), account: Default::default() }
    }

    /// The client for `region`, with credentials that live.
    pub(super) async fn client(&self, region: &Region) -> Result<aws_sdk_secretsmanager::Client, Fault> {
        // Held across the call to STS, so that a burst of resources of one namespace assumes the role once.
        let mut held = self.held.lock().await;
        let held = self.living(&mut held).await?;
        let credentials = &held.credentials;
        Ok(held.clients.of(region, || regions::config(&self.transport, self.endpoint.as_deref(), credentials, region)))
    }

    /// Credentials that live.
    pub(super) async fn credentials(&self) -> Result<Credentials, Fault> {
        let mut held = self.held.lock().await;
        Ok(self.living(&mut held).await?.credentials.clone())
    }

    /// The account that the credentials belong to, by `GetCallerIdentity`, asked anew.
    pub(super) async fn identity(&self) -> Result<AccountId, Fault> {
        let asked = match self.asked_whose().await {
            // Dropped by now: a new one is asked once.
            Err(fault) if is_of_an_ended_session(&fault) => self.asked_whose().await,
            answer => answer,
        };
        let answer = asked?;
        let account = answer.account().and_then(|account| AccountId::parse(account).ok());
        account.ok_or_else(|| Fault::new(Place::Sts, FaultKind::Unknown, "UnreadableAnswer"))
    }

    async fn asked_whose(&self) -> Result<GetCallerIdentityOutput, Fault> {
        let sts = self.sts(&self.credentials().await?);
        let answer = sts.get_caller_identity().send().await;
        self.told("GetCallerIdentity", self, answer).await
    }

    /// The same, remembered: a session's account does not change while the process lives, or a restart is due.
    pub(super) async fn account(&self) -> Result<&AccountId, Fault> {
        self.account.get_or_try_init(|| self.identity()).await
    }

    /// Drops what is held, after AWS has said that it is not valid.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }

    /// Whether nothing that lives is held. A session in use is not idle.
    pub(super) fn is_idle(&self) -> bool {
        let now = self.transport.time.now();
        self.held.try_lock().is_ok_and(|held| held.as_ref().is_none_or(|held| held.until <= now))
    }

    async fn living<'a>(&self, held: &'a mut Option<Held>) -> Result<&'a mut Held, Fault> {
        let now = self.transport.time.now();
        if held.as_ref().is_some_and(|held| held.until <= now) {
            *held = None;
        }
        match held {
            Some(held) => Ok(held),
            None => {
                let credentials = self.fetch().await?;
                let until = renewal(credentials.expiry(), now);
                Ok(held.insert(Held { credentials, until, clients: Default::default() }))
            }
        }
    }

    async fn fetch(&self) -> Result<Credentials, Fault> {
        match &self.source {
            Source::Ambient => self.transport.ambient.provide_credentials().await.map_err(|error| ambient(&error)),
            Source::Keys(secret, keys) => match keys.keys(secret).await.map_err(unsent)? {
                Some(keys) => Ok(of_keys(&keys)),
                None => Err(Fault::new(Place::Cluster, FaultKind::Denied, "KeysMissing")),
            },
            // Boxed: a role is assumed with another session's credentials, which is this function again.
            Source::Role(role) => Box::pin(self.assume(role)).await,
        }
    }

    async fn assume(&self, role: &Role) -> Result<Credentials, Fault> {
        match self.assumed(role).await {
            // The base's own session, dropped by now.
            Err(fault) if is_of_an_ended_session(&fault) => self.assumed(role).await,
            credentials => credentials,
        }
    }

    async fn assumed(&self, role: &Role) -> Result<Credentials, Fault> {
        let sts = self.sts(&role.base.credentials().await?);
        let mut name = format!("mes-{}", role.namespace);
        name.truncate(SESSION_NAME);
        let answer = sts
            .assume_role()
            .role_arn(role.arn.as_str())
            .role_session_name(name)
            .external_id(&role.external_id)
            .duration_seconds(SESSION.as_secs() as i32)
            .tags(tag("mes-cluster", role.cluster.as_str())?)
            .tags(tag("mes-namespace", &role.namespace)?)
            .send()
            .await;
        let answer = self.told("AssumeRole", &role.base, answer).await.map_err(unsent)?;
        let unreadable = || Fault::new(Place::Sts, FaultKind::Unsent, "UnreadableAnswer");
        let given = answer.credentials.ok_or_else(unreadable)?;
        let expiry = SystemTime::try_from(given.expiration).map_err(|_| unreadable())?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "AssumeRole",
        ))
    }

    fn sts(&self, credentials: &Credentials) -> aws_sdk_sts::Client {
        let config = regions::config(&self.transport, self.endpoint.as_deref(), credentials, &self.home);
        aws_sdk_sts::Client::new(&config)
    }

    /// What STS answered to a call with the credentials of `acting`, which drops them if they are what it refuses.
    async fn told<T, E>(
        &self,
        verb: &'static str,
        acting: &Self,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, Fault>
    where
        E: ProvideErrorMetadata,
    {
        let answer = answer.map_err(|error| fault::of(Place::Sts, &error));
        super::count(&self.counted, verb, &self.home, &answer);
        if answer.as_ref().is_err_and(is_about_credentials) {
            acting.forget().await;
        }
        answer
    }
}

/// Whether AWS refused the credentials themselves, so that newer ones may help.
pub(super) fn is_about_credentials(fault: &Fault) -> bool {
    matches!(
        fault.code.as_str(),
        "ExpiredToken"
            | "ExpiredTokenException"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
    )
}

/// Whether AWS says that the session is over, as a person or a clock can end it early: the call did nothing.
pub(super) fn is_of_an_ended_session(fault: &Fault) -> bool {
    fault.kind == FaultKind::Denied && matches!(fault.code.as_str(), "ExpiredToken" | "ExpiredTokenException")
}

/// When credentials are renewed: well before their end, but not at once if they live only briefly.
fn renewal(expiry: Option<SystemTime>, now: SystemTime) -> SystemTime {
    let Some(expiry) = expiry else { return now + UNENDING };
    let left = expiry.duration_since(now).unwrap_or_default();
    expiry - MARGIN.min(left / 4)
}

fn of_keys(keys: &StaticKeys) -> Credentials {
    let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
    Credentials::new(&keys.access_key_id, keys.secret_access_key.expose(), token, None, "StaticKeys")
}

fn tag(key: &str, value: &str) -> Result<Tag, Fault> {
    let tag = Tag::builder().key(key).value(value).build();
    tag.map_err(|_| Fault::new(Place::Sts, FaultKind::Unsent, "NotConstructed"))
}

/// A failure before the call that credentials were wanted for: whatever became of it, that call was not sent.
fn unsent(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Unknown | FaultKind::Exists => Fault { kind: FaultKind::Unsent, ..fault },
        _ => fault,
    }
}

fn ambient(error: &CredentialsError) -> Fault {
    let (kind, code) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (FaultKind::Denied, "NoCredentials"),
        CredentialsError::InvalidConfiguration(_) => (FaultKind::Denied, "InvalidCredentialsConfiguration"),
        CredentialsError::ProviderTimedOut(_) => (FaultKind::Unsent, "Timeout"),
        _ => (FaultKind::Unsent, "CredentialsUnavailable"),
    };
    match refusal_of_web_identity(error) {
        Some(code) => Fault { code, ..Fault::new(Place::Sts, FaultKind::Denied, "") },
        None => Fault::new(Place::Sts, kind, code),
    }
}

/// The code by which STS refused the pod's token (IRSA): it names what a person must mend.
fn refusal_of_web_identity(error: &CredentialsError) -> Option<Code> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(refusal) = cause.downcast_ref::<AssumeRoleWithWebIdentityError>() {
            // The status is not at hand; a code that is not known counts as a server's failure, and is retried.
            let fault = fault::answered(Place::Sts, 500, refusal.code(), None);
            return (fault.kind == FaultKind::Denied).then_some(fault.code);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn refused(code: &str) -> CredentialsError {
        let meta = ErrorMetadata::builder().code(code).message("canary").build();
        CredentialsError::provider_error(AssumeRoleWithWebIdentityError::generic(meta))
    }

    #[test]
    fn the_pods_identity_is_missing_refused_or_only_late() {
        let told = |error| {
            let fault = ambient(&error);
            assert_eq!(fault.place, Place::Sts);
            (fault.kind, fault.code.as_str().to_owned())
        };
        assert_eq!(told(CredentialsError::not_loaded("x")), (FaultKind::Denied, "NoCredentials".to_owned()));
        assert_eq!(told(refused("AccessDenied")), (FaultKind::Denied, "AccessDenied".to_owned()));
        assert_eq!(told(refused("InvalidIdentityToken")), (FaultKind::Denied, "InvalidIdentityToken".to_owned()));
        let late = (FaultKind::Unsent, "CredentialsUnavailable".to_owned());
        assert_eq!(told(refused("InternalFailure")), late);
        assert_eq!(told(CredentialsError::provider_error("no route")), late);
    }

    #[test]
    fn credentials_are_renewed_well_before_their_end_but_not_at_once() {
        let now = SystemTime::UNIX_EPOCH;
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(renewal(Some(after(3600)), now), after(3300));
        assert_eq!(renewal(Some(after(400)), now), after(300));
        assert_eq!(renewal(Some(now), after(5)), now);
        assert_eq!(renewal(None, now), after(300));
    }
}

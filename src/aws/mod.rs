//! The only place that names the AWS SDK: one secret in Secrets Manager, in its regions.
//!
//! Invariant: nothing is reached that is not `Granted`. Each method of [`StoreSecret`] is one API call, over within the
//! time that [`Aws::new`] is given, sessions included, and never repeated here: the core paces tries. A secret is
//! addressed by its full ARN once a Describe has told it, and the ARN of every answer must have our account, region and
//! name. Values are in no log, no fault and no metric: only verbs, names, regions and codes are. Called by the controller.

mod claim;
mod credentials;
mod fault;
mod read;
mod regions;
mod sweep;
mod transport;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_smithy_async::rt::sleep::AsyncSleep;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mes_core::fault::{Fault, FaultKind, Place};
use mes_core::names::{Arn, Namespace, Region};
use mes_core::scope::Granted;
use mes_core::spec::{Admin, RemoteSecret};

pub use self::credentials::{KeySource, StaticKeys};
use self::credentials::{Session, is_about_credentials, is_of_an_ended_session};
use self::regions::{For, Sessions};
pub use self::sweep::StoreAt;
pub use self::transport::Transport;
use crate::seal::Seal;

/// Told of each call when it is over: the operation as AWS names it (`GetSecretValue`), the region asked, and the code
/// of the answer (`OK` for success).
pub type Counted = Arc<dyn Fn(&'static str, &Region, &str) + Send + Sync>;

/// The door to AWS. Cheap to clone: all clones share sessions and connections.
#[derive(Clone)]
pub struct Aws(Arc<Door>);

struct Door {
    transport: Transport,
    sessions: Sessions,
    /// The operator's own namespace.
    home: Namespace,
    counted: Counted,
    limit: Duration,
    seal: Seal,
}

/// One secret of one resource. Made for a pass and dropped with it, since a secret of this name may get another ARN.
pub struct StoreSecret {
    aws: Aws,
    secret: RemoteSecret,
    session: Arc<Session>,
    arn: Mutex<Option<Arn>>,
}

impl Aws {
    /// A door on `transport`; `keys` reads static keys, `home` is the operator's own namespace, `counted` is told of each
    /// call, and `limit` is the whole time that one call may take, becoming somebody included (10 s in the product);
    /// claims are sealed and judged with `seal`. Makes no call.
    pub fn new(
        transport: Transport,
        keys: Arc<dyn KeySource>,
        home: Namespace,
        counted: Counted,
        limit: Duration,
        seal: Seal,
    ) -> Self {
        let sessions = Sessions::new(transport.clone(), keys, counted.clone());
        Self(Arc::new(Door { transport, sessions, home, counted, limit, seal }))
    }

    /// The secret that a resource may use. Makes no call.
    pub fn secret(&self, secret: &Granted<RemoteSecret>) -> StoreSecret {
        self.open(RemoteSecret::clone(secret), secret.claim.namespace.clone())
    }

    /// The store secret that holds an account's admin credential, to be read alone; `None` if a Secret of the cluster
    /// holds it. It is read in a session of the operator's own: were it the team's, IAM would have to open the admin
    /// credential to every team. Makes no call.
    pub fn admin(&self, admin: &Granted<Admin>) -> Option<StoreSecret> {
        match &**admin {
            Admin::StoreSecret(secret) => {
                let secret = RemoteSecret { read_only: true, ..RemoteSecret::clone(secret) };
                Some(self.open(secret, self.0.home.clone()))
            }
            Admin::Secret(_) => None,
        }
    }

    fn open(&self, secret: RemoteSecret, namespace: Namespace) -> StoreSecret {
        let whom = For::Namespace(secret.claim.cluster.clone(), namespace);
        let session = self.0.sessions.of(&secret.access, &secret.primary, whom);
        StoreSecret { aws: self.clone(), secret, session, arn: Mutex::new(None) }
    }

    /// One call to Secrets Manager, and once more with a new session where AWS has ended the one that it came with: then
    /// surely nothing was done. Both within the time of one call.
    async fn call<T, E, F>(
        &self,
        verb: &'static str,
        session: &Session,
        region: &Region,
        send: impl Fn(Client) -> F,
    ) -> Result<T, Fault>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut time_is_up = self.0.transport.sleep.sleep(self.0.limit);
        let mut renewed = false;
        loop {
            let client = tokio::select! {
                biased;
                client = session.client(region) => client?,
                () = &mut time_is_up => return Err(Fault::new(Place::Sts, FaultKind::Unsent, "Timeout")),
            };
            let answer = tokio::select! {
                biased;
                answer = send(client) => answer.map_err(|error| fault::of(Place::SecretsManager, &error)),
                () = &mut time_is_up => Err(Fault::new(Place::SecretsManager, FaultKind::Unknown, "Timeout")),
            };
            count(&self.0.counted, verb, region, &answer);
            if answer.as_ref().is_err_and(is_about_credentials) {
                session.forget().await;
            }
            if renewed || !answer.as_ref().is_err_and(is_of_an_ended_session) {
                return answer;
            }
            renewed = true;
        }
    }

    /// Something that asks STS alone, within the time of a call.
    async fn within<T>(&self, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            answer = asking => answer,
            () = self.0.transport.sleep.sleep(self.0.limit) => Err(Fault::new(Place::Sts, FaultKind::Unsent, "Timeout")),
        }
    }
}

impl StoreSecret {
    /// How the secret is addressed in its primary region: by full ARN once it is known, so that what was decided upon
    /// one secret never meets another that got its name.
    fn id(&self) -> String {
        self.arn().map_or_else(|| self.secret.name.to_string(), |arn| arn.to_string())
    }

    fn arn(&self) -> Option<Arn> {
        self.arn.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, arn: Option<Arn>) {
        *self.arn.lock().unwrap_or_else(PoisonError::into_inner) = arn;
    }

    /// One call to the primary region about this secret.
    async fn call<T, E, F>(&self, verb: &'static str, send: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.aws.call(verb, &self.session, &self.secret.primary, send).await
    }

    /// The ARN of an answer from `region`, if it is of our account and name there; and of the secret that was
    /// described, if one was. Fault (`Denied`, or what `kind` says): `WrongAccount`, `WrongSecret`.
    fn ours(&self, region: &Region, answered: Option<&str>, kind: FaultKind) -> Result<Arn, Fault> {
        let fault = |code| Fault::new(Place::SecretsManager, kind, code);
        let arn = answered.and_then(|arn| Arn::parse(arn).ok()).ok_or_else(|| fault("WrongSecret"))?;
        let parts: Vec<&str> = arn.as_str().splitn(7, ':').collect();
        let ["arn", partition, "secretsmanager", in_region, account, "secret", name] = parts[..] else {
            return Err(fault("WrongSecret"));
        };
        // aws, aws-cn, aws-us-gov, …: nobody's text of another kind becomes part of what is shown and asked for.
        if !partition.starts_with("aws") || !partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return Err(fault("WrongSecret"));
        }
        if self.secret.account.as_ref().is_some_and(|ours| ours.as_str() != account) {
            return Err(fault("WrongAccount"));
        }
        let named = is_name_and_suffix(name, self.secret.name.as_str());
        let described = self.arn().is_none_or(|known| in_region_of(&known, region) == arn.as_str());
        if in_region == region.as_str() && named && described { Ok(arn) } else { Err(fault("WrongSecret")) }
    }
}

/// Whether `text` is `name`, a hyphen and AWS's six characters.
fn is_name_and_suffix(text: &str, name: &str) -> bool {
    text.strip_prefix(name)
        .and_then(|suffix| suffix.strip_prefix('-'))
        .is_some_and(|suffix| suffix.len() == 6 && suffix.bytes().all(|each| each.is_ascii_alphanumeric()))
}

/// The account in an ARN.
fn account_of(arn: &Arn) -> Option<&str> {
    arn.as_str().split(':').nth(4).filter(|account| !account.is_empty())
}

/// The ARN of a replica: that of its primary but for the region.
fn in_region_of(arn: &Arn, region: &Region) -> String {
    let mut parts: Vec<&str> = arn.as_str().splitn(7, ':').collect();
    if let Some(part) = parts.get_mut(3) {
        *part = region.as_str();
    }
    parts.join(":")
}

fn count<T>(counted: &Counted, verb: &'static str, region: &Region, answer: &Result<T, Fault>) {
    let code = answer.as_ref().map_or_else(|fault| fault.code.as_str(), |_| "OK");
    tracing::debug!(verb, %region, code, "AWS answered");
    counted(verb, region, code);
}

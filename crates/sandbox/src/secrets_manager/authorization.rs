//! What each operation asks of IAM and of KMS: actions, resources and the keys of the request.
//!
//! Source: service authorization reference of Secrets Manager; for dependent actions and KMS the API reference and
//! "Secret encryption and decryption". Secrets Manager uses a customer's key in the caller's name (forward access), so
//! the key's use is judged as the caller's, with `kms:ViaService` and the secret's ARN as encryption context. AWS's own
//! key `aws/secretsmanager` allows whoever may use the secret, so it asks nothing. Not modelled: keys used when a later
//! write is copied to a region. Called by `world` before an operation takes effect, and by `rotation`.

use serde_json::Value;

use super::SecretsManager;
use super::errors::{Answered, Failure};
use super::model::{CURRENT, Secret};
use super::rotation::unable_to_assume;
use crate::iam::{Asked, Context, Iam, Principal, Refusal};

/// One thing that must be allowed.
pub(crate) struct Ask {
    pub(crate) of: Of,
    pub(crate) asked: Asked,
    /// The resource as a refusal names it: a secret that is not there by the name that was given.
    pub(crate) shown: String,
}

/// Whose policies judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Those of who calls.
    Identity,
    /// A key's, with those of who calls.
    Key,
    /// A role's trust in Secrets Manager.
    Trust,
}

/// Secrets Manager as a principal, to a role that it assumes.
fn service() -> Principal {
    Principal::Service("secretsmanager.amazonaws.com".into())
}

/// The words for a check of a key that is for no secret in particular.
const VALIDATION: &str = "RequestToValidateKeyAccess";

struct Request<'a> {
    body: &'a Value,
    account: &'a str,
    region: &'a str,
    iam: &'a Iam,
    secret: Option<&'a Secret>,
    resource: String,
    shown: String,
}

impl SecretsManager {
    /// Everything that must be allowed before this operation is begun.
    pub(crate) fn asks(&self, operation: &str, body: &[u8], account: &str, region: &str, iam: &Iam) -> Vec<Ask> {
        // What can't be read is refused by the operation itself, which then does nothing.
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let request = |id: Option<&str>| self.request(&body, id, account, region, iam);
        match operation {
            "ListSecrets" | "GetRandomPassword" => vec![request(None).ask(operation, Context::default())],
            "BatchGetSecretValue" => {
                let mut asks = vec![request(None).ask(operation, Context::default())];
                // AWS reports those that are not allowed each by itself; here one refuses all.
                for id in body["SecretIdList"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    asks.extend(request(Some(id)).all("GetSecretValue"));
                }
                if body.get("Filters").is_some() {
                    asks.push(request(None).ask("ListSecrets", Context::default()));
                }
                asks
            }
            "CreateSecret" => request(body["Name"].as_str()).all(operation),
            _ => request(body["SecretId"].as_str()).all(operation),
        }
    }

    fn request<'a>(
        &'a self,
        body: &'a Value,
        id: Option<&str>,
        account: &'a str,
        region: &'a str,
        iam: &'a Iam,
    ) -> Request<'a> {
        let secret = id.and_then(|id| self.look(id, account, region).ok());
        let resource = match (id, secret) {
            (None, _) => "*".to_owned(),
            (_, Some(secret)) => secret.arn(),
            (Some(id), None) if id.starts_with("arn:") => id.to_owned(),
            (Some(name), None) => format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}"),
        };
        let shown = match (id, secret) {
            (Some(id), None) => id.to_owned(),
            _ => resource.clone(),
        };
        Request { body, account, region, iam, secret, resource, shown }
    }
}

impl Request<'_> {
    fn ask(&self, operation: &str, more: Context) -> Ask {
        let mut context = more;
        context.put("aws:RequestedRegion", self.region);
        let asked = Asked { action: format!("secretsmanager:{operation}"), resource: self.resource.clone(), context };
        Ask { of: Of::Identity, asked, shown: self.shown.clone() }
    }

    fn all(&self, operation: &str) -> Vec<Ask> {
        let mut context = self.of_secret(operation);
        self.of_body(operation, &mut context);
        let mut asks = vec![self.ask(operation, context)];
        match operation {
            "CreateSecret" => {
                if !self.tag_keys().is_empty() {
                    let mut context = Context::default();
                    self.tags(&mut context);
                    asks.push(self.ask("TagResource", context));
                }
                if !self.regions("AddReplicaRegions").is_empty() {
                    let mut context = Context::default();
                    self.replicas(&mut context);
                    asks.push(self.ask("ReplicateSecretToRegions", context));
                    asks.extend(self.replica_keys());
                }
                let at = if self.has_value() { self.resource.as_str() } else { VALIDATION };
                let key = self.key(self.body["KmsKeyId"].as_str(), self.region);
                asks.extend(self.uses(key.as_deref(), &["GenerateDataKey", "Decrypt"], self.region, at));
            }
            "UpdateSecret" => {
                if let Some(named) = self.body["KmsKeyId"].as_str() {
                    let key = self.key(Some(named), self.region);
                    asks.extend(self.uses(key.as_deref(), &["GenerateDataKey", "Decrypt"], self.region, VALIDATION));
                }
                if self.has_value() {
                    asks.extend(self.writes());
                }
            }
            "PutSecretValue" => asks.extend(self.writes()),
            "GetSecretValue" => {
                let key = self.key(self.read_with(), self.region);
                asks.extend(self.uses(key.as_deref(), &["Decrypt"], self.region, &self.resource));
            }
            "ReplicateSecretToRegions" => {
                let key = self.key(self.secret.and_then(|secret| secret.kms_key.as_deref()), self.region);
                asks.extend(self.uses(key.as_deref(), &["Decrypt"], self.region, &self.resource));
                asks.extend(self.replica_keys());
            }
            "RotateSecret" => {
                if let Some(role) = self.body["ExternalSecretRotationRoleArn"].as_str() {
                    let mut context = Context::default();
                    context.put("iam:PassedToService", "secretsmanager.amazonaws.com");
                    let asked = Asked { action: "iam:PassRole".into(), resource: role.to_owned(), context };
                    asks.push(Ask { of: Of::Identity, asked, shown: role.to_owned() });
                    asks.push(assume(role, self.account, &self.resource));
                }
            }
            _ => {}
        }
        asks
    }

    /// Keys of the secret as it is. `CreateSecret` has none yet.
    fn of_secret(&self, operation: &str) -> Context {
        match self.secret.filter(|_| operation != "CreateSecret") {
            Some(secret) => of_secret(secret),
            None => Context::default(),
        }
    }

    /// Keys of what the call says.
    fn of_body(&self, operation: &str, context: &mut Context) {
        let text = |member: &str| self.body[member].as_str().filter(|text| !text.is_empty());
        let flag = |member: &str| self.body[member].as_bool().map(|flag| flag.to_string());
        match operation {
            "CreateSecret" | "UpdateSecret" => {
                context.put_some("secretsmanager:Name", text("Name"));
                context.put_some("secretsmanager:Description", text("Description"));
                context.put_some("secretsmanager:Type", text("Type"));
                context.put_some("secretsmanager:KmsKeyArn", self.key(text("KmsKeyId"), self.region));
                if operation == "CreateSecret" {
                    self.tags(context);
                    self.replicas(context);
                }
            }
            "TagResource" => self.tags(context),
            "UntagResource" => {
                for key in self.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    context.put("aws:TagKeys", key);
                }
            }
            "DeleteSecret" => {
                let days = self.body["RecoveryWindowInDays"].as_i64().map(|days| days.to_string());
                context.put_some("secretsmanager:RecoveryWindowInDays", days);
                context.put_some("secretsmanager:ForceDeleteWithoutRecovery", flag("ForceDeleteWithoutRecovery"));
            }
            "ReplicateSecretToRegions" => self.replicas(context),
            "RotateSecret" => {
                context.put_some("secretsmanager:RotationLambdaARN", text("RotationLambdaARN"));
                context.put_some("secretsmanager:ExternalSecretRotationRoleArn", text("ExternalSecretRotationRoleArn"));
                context.put_some("secretsmanager:RotateImmediately", flag("RotateImmediately"));
            }
            "GetSecretValue" => {
                context.put_some("secretsmanager:VersionId", text("VersionId"));
                context.put("secretsmanager:VersionStage", text("VersionStage").unwrap_or(CURRENT));
            }
            "UpdateSecretVersionStage" => context.put_some("secretsmanager:VersionStage", text("VersionStage")),
            "PutResourcePolicy" => context.put_some("secretsmanager:BlockPublicPolicy", flag("BlockPublicPolicy")),
            _ => {}
        }
    }

    fn tag_keys(&self) -> Vec<(&str, &str)> {
        let tags = self.body["Tags"].as_array().into_iter().flatten();
        tags.filter_map(|tag| Some((tag["Key"].as_str()?, tag["Value"].as_str().unwrap_or_default()))).collect()
    }

    fn tags(&self, context: &mut Context) {
        for (key, value) in self.tag_keys() {
            context.put(&format!("aws:RequestTag/{key}"), value);
            context.put("aws:TagKeys", key);
        }
    }

    fn regions(&self, member: &str) -> Vec<(&str, Option<&str>)> {
        let regions = self.body[member].as_array().into_iter().flatten();
        regions.filter_map(|one| Some((one["Region"].as_str()?, one["KmsKeyId"].as_str()))).collect()
    }

    fn replicas(&self, context: &mut Context) {
        for (region, _) in self.regions("AddReplicaRegions") {
            context.put("secretsmanager:AddReplicaRegions", region);
        }
        let forced = self.body["ForceOverwriteReplicaSecret"].as_bool().map(|forced| forced.to_string());
        context.put_some("secretsmanager:ForceOverwriteReplicaSecret", forced);
    }

    fn has_value(&self) -> bool {
        ["SecretString", "SecretBinary"]
            .iter()
            .any(|member| self.body.get(member).is_some_and(|value| !value.is_null()))
    }

    fn writes(&self) -> Vec<Ask> {
        let key = self.key(self.secret.and_then(|secret| secret.kms_key.as_deref()), self.region);
        self.uses(key.as_deref(), &["GenerateDataKey", "Decrypt"], self.region, &self.resource)
    }

    /// The key of the version that is read.
    fn read_with(&self) -> Option<&str> {
        let secret = self.secret?;
        let version = match (self.body["VersionId"].as_str(), self.body["VersionStage"].as_str()) {
            (Some(id), _) => secret.version(id),
            (None, stage) => secret.holder(stage.unwrap_or(CURRENT)),
        };
        version.map_or(secret.kms_key.as_deref(), |version| version.kms_key.as_deref())
    }

    fn replica_keys(&self) -> Vec<Ask> {
        let copied = |(region, named): (&str, Option<&str>)| {
            let key = self.key(named, region);
            let there = in_region(&self.resource, region);
            self.uses(key.as_deref(), &["GenerateDataKey", "Encrypt"], region, &there)
        };
        self.regions("AddReplicaRegions").into_iter().flat_map(copied).collect()
    }

    fn key(&self, named: Option<&str>, region: &str) -> Option<String> {
        self.iam.key_arn(named, self.account, region)
    }

    fn uses(&self, key: Option<&str>, operations: &[&str], region: &str, secret: &str) -> Vec<Ask> {
        let one = |operation: &&str| key.map(|key| uses_key(key, operation, region, self.account, secret));
        operations.iter().filter_map(one).collect()
    }
}

/// What the service's own rotation asks, as the role that was given to it: its trust, the secret, the key.
/// And the admin secret of another ARN, if the metadata names one.
pub(super) fn rotation(secret: &Secret, role: &str, admin: Option<&str>, iam: &Iam) -> Vec<Ask> {
    let arn = secret.arn();
    let mut asks = vec![assume(role, &secret.account, &arn)];
    for operation in ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"] {
        let mut context = of_secret(secret);
        context.put("aws:RequestedRegion", &secret.region);
        let asked = Asked { action: format!("secretsmanager:{operation}"), resource: arn.clone(), context };
        asks.push(Ask { of: Of::Identity, asked, shown: arn.clone() });
    }
    for operation in ["DescribeSecret", "GetSecretValue"] {
        let asked = |arn: &str| Asked {
            action: format!("secretsmanager:{operation}"),
            resource: arn.to_owned(),
            context: Context::default(),
        };
        asks.extend(admin.map(|arn| Ask { of: Of::Identity, asked: asked(arn), shown: arn.to_owned() }));
    }
    if let Some(key) = iam.key_arn(secret.kms_key.as_deref(), &secret.account, &secret.region) {
        for operation in ["Decrypt", "GenerateDataKey"] {
            asks.push(uses_key(&key, operation, &secret.region, &secret.account, &arn));
        }
    }
    asks
}

fn of_secret(secret: &Secret) -> Context {
    let mut context = Context::default();
    context.put("secretsmanager:SecretId", secret.arn());
    for tag in &secret.tags {
        context.put(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
        context.put(&format!("secretsmanager:ResourceTag/{}", tag.key), &tag.value);
    }
    context.put_some("secretsmanager:resource/Type", secret.kind.as_deref());
    context.put_some("secretsmanager:resource/AllowRotationLambdaArn", secret.rotation.lambda.as_deref());
    context.put("secretsmanager:SecretPrimaryRegion", secret.primary_region.as_deref().unwrap_or(&secret.region));
    context
}

fn assume(role: &str, account: &str, secret: &str) -> Ask {
    let mut context = Context::default();
    context.put("aws:SourceAccount", account);
    context.put("aws:SourceArn", secret);
    let asked = Asked { action: "sts:AssumeRole".into(), resource: role.to_owned(), context };
    Ask { of: Of::Trust, asked, shown: role.to_owned() }
}

fn uses_key(key: &str, operation: &str, region: &str, account: &str, secret: &str) -> Ask {
    let mut context = Context::default();
    context.put("kms:ViaService", format!("secretsmanager.{region}.amazonaws.com"));
    context.put("kms:CallerAccount", account);
    context.put("kms:EncryptionContext:SecretARN", secret);
    let asked = Asked { action: format!("kms:{operation}"), resource: key.to_owned(), context };
    Ask { of: Of::Key, asked, shown: key.to_owned() }
}

fn in_region(arn: &str, region: &str) -> String {
    let mut parts: Vec<&str> = arn.splitn(7, ':').collect();
    if let Some(part) = parts.get_mut(3) {
        *part = region;
    }
    parts.join(":")
}

/// Judges everything that is asked, as this principal with these session tags; the first refusal in AWS's words.
pub(crate) fn allowed(
    iam: &mut Iam,
    who: &Principal,
    tags: &[(String, String)],
    user: &str,
    asks: Vec<Ask>,
) -> Answered<()> {
    for Ask { of, mut asked, shown } in asks {
        let outcome = match of {
            Of::Trust => iam.trust(&service(), &asked),
            Of::Identity | Of::Key => {
                who.describe(tags, &mut asked.context);
                if of == Of::Key { iam.key(who, &asked) } else { iam.identity(who, &asked) }
            }
        };
        outcome.map_err(|refusal| match of {
            Of::Identity => refused(user, &asked.action, &shown, refusal),
            Of::Key => Failure::new("AccessDeniedException", "Access to KMS is not allowed"),
            Of::Trust => unable_to_assume(&shown),
        })?;
    }
    Ok(())
}

/// AWS's words for what identity policies refuse.
pub(crate) fn refused(user: &str, action: &str, resource: &str, refusal: Refusal) -> Failure {
    let because = match refusal {
        Refusal::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        Refusal::NotAllowed => format!("because no identity-based policy allows the {action} action"),
    };
    let message = format!("User: {user} is not authorized to perform: {action} on resource: {resource} {because}");
    Failure::new("AccessDeniedException", message)
}

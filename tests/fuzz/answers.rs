//! What other machines answer: a partner, Secrets Manager, the API server's copy of a journal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use jiff::Timestamp;
use managed_external_secrets::api;
use managed_external_secrets::aws::{Aws, KeySource, StaticKeys, Transport};
use managed_external_secrets::partners::doors::{Console, Http, Login, Session};
use managed_external_secrets::partners::{Bound, Destination, Doors, registry};
use managed_external_secrets::seal::Seal;
use mes_core::fault::Fault;
use mes_core::journal::Entry;
use mes_core::names::{
    AccountId, CredentialId, Identity, Namespace, ObjectName, Region, SecretName, Tag, Uid, VersionId,
};
use mes_core::scope::Granted;
use mes_core::secret::{Sensitive, Value};
use mes_core::spec::{Access, Claim, Origin, RemoteSecret};
use tokio::runtime::Runtime;

use crate::{fuzz, shown};

const UID: &str = "0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn uid() -> Uid {
    Uid::parse(UID).unwrap()
}

/// A partner that gives every request the same answer.
struct Same(Mutex<(u16, Bytes)>);

#[async_trait]
impl Http for Same {
    async fn send(&self, _: Destination<'_>, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Fault> {
        // Whatever was answered before: what is asked is a path of ours.
        let path = request.uri().path();
        assert!(path.starts_with("/services/") && !path.contains("..") && !path.contains('%'), "{path}");
        let (status, body) = self.0.lock().unwrap().clone();
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

struct Nobody;

#[async_trait]
impl Console for Nobody {
    async fn login(&self, _: Destination<'_>, _: &Login<'_>) -> Result<Option<Box<dyn Session>>, Fault> {
        Ok(None)
    }
}

#[test]
fn partner_answers() {
    let words = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\"id\"",
        "\"key\"",
        "\"secret\"",
        "\"state\"",
        "\"active\"",
        "\"access_token\"",
        "\"stagedCredentials\"",
        "\"error\"",
        "\"invalid_client\"",
        "\"errorCode\"",
        "null",
        "true",
        "-1",
        "1e999",
        "\\u0000",
        "\\ud800",
        "c4N4ry",
        "../",
    ];
    let corpus = &[
        r#"{"access_token":"t","instance_url":"https://evil.example","token_type":"Bearer"}"#,
        r#"{"stagedCredentials":[{"id":"0Hz1","key":"k","secret":"c4N4ry-c4N4ry-c4N4ry","state":"active","url":"/x"}],"url":"/y"}"#,
        r#"{"access_token":"t","id":"0Hz1","key":"k","secret":"s","state":"Active"}"#,
        r#"{"access_token":"t","id":"../x","key":"k","secret":"s","state":"Active"}"#,
        r#"{"error":"invalid_client","error_description":"c4N4ry"}"#,
        r#"[{"errorCode":"LIMIT_EXCEEDED","message":"c4N4ry-c4N4ry"}]"#,
        r#"{"access_token":"t\r\nHost: evil","key":"k","secret":"s"}"#,
        "<html>c4N4ry</html>",
        "",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        "null",
        "\u{feff}{}",
    ];
    let same = Arc::new(Same(Mutex::new((200, Bytes::new()))));
    let doors = Doors { http: same.clone(), console: Arc::new(Nobody) };
    let partner = registry().find("SalesforceClientSecret", &doors).unwrap();
    let pair = || -> Value {
        [
            ("baseUri", "https://acme.my.salesforce.com"),
            ("appId", "0x1"),
            ("consumerId", "888"),
            ("consumerKey", "k"),
            ("consumerSecret", "s"),
        ]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Sensitive::new(text.to_owned())))
        .collect()
    };
    let origin = Origin {
        scheme: "https".into(),
        host: "acme.my.salesforce.com".into(),
        port: 443,
        path: String::new(),
        ca_bundle: None,
        private_networks: Vec::new(),
        account: None,
    };
    let identity = Granted::assume(Identity::parse("acme.my.salesforce.com/0x1").unwrap());
    let parameters = [("apiVersion".to_owned(), "v65.0".to_owned())].into();
    let bound = Bound::new(Granted::assume(origin), Some(pair()), parameters, Vec::new()).granting([identity].into());
    let (version, runtime) = (VersionId::of(&uid(), 1), runtime());
    let (tag, id) = (Tag::of(&uid(), &version), CredentialId::parse(version.as_str()).unwrap());
    fuzz("partner_answers", words, corpus, |text| {
        for status in [200, 400, 401, 403, 404, 429, 500] {
            *same.0.lock().unwrap() = (status, Bytes::copy_from_slice(text.as_bytes()));
            let told = runtime.block_on(async {
                let mut told = Vec::new();
                told.extend(partner.verify(&bound, &pair()).await.err());
                match partner.list(&bound, &[(version.clone(), pair())]).await {
                    Ok(listed) => listed.iter().for_each(|credential| shown(&credential.id.to_string())),
                    Err(fault) => told.push(fault),
                }
                told.extend(partner.create(&bound, Some(&pair()), &tag).await.err());
                told.extend(partner.activate(&bound, &pair()).await.err());
                told.extend(partner.revoke(&bound, &id, Some(&pair())).await.err());
                told
            });
            for fault in told {
                let told = format!("{fault} {fault:?}");
                shown(&told);
                assert!(!told.contains("c4N4ry"), "{told}");
            }
        }
    });
}

/// Secrets Manager, and what it says to everything.
#[derive(Debug, Clone, Default)]
struct Says(Arc<Mutex<(u16, String)>>);

impl HttpConnector for Says {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.0.lock().unwrap().clone();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

struct NoKeys;

#[async_trait]
impl KeySource for NoKeys {
    async fn keys(&self, _: &ObjectName) -> Result<Option<StaticKeys>, Fault> {
        Ok(None)
    }
}

#[test]
fn secrets_manager_answers() {
    let words = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\"SecretString\"",
        "\"ARN\"",
        "\"VersionId\"",
        "\"VersionStages\"",
        "\"AWSCURRENT\"",
        "\"VersionIdsToStages\"",
        "\"ReplicationStatus\"",
        "\"Tags\"",
        "\"SecretList\"",
        "\"__type\"",
        "\"message\"",
        "null",
        "true",
        "-1",
        "1e999",
        "\\u0000",
        "c4N4ry",
        "1790000000.5",
    ];
    let corpus = &[
        r#"{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-AbCdEf","Name":"mes/pay/crm","VersionId":"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1","SecretString":"{\"password\":\"c4N4ry\"}","VersionStages":["AWSCURRENT"],"CreatedDate":1790000000.5}"#,
        r#"{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-AbCdEf","Name":"mes/pay/crm","VersionIdsToStages":{"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1":["AWSCURRENT"]},"Tags":[{"Key":"managed-secrets.io/owner","Value":"x"}],"ReplicationStatus":[{"Region":"eu-central-1","Status":"Failed","StatusMessage":"c4N4ry"}]}"#,
        r#"{"ARN":"arn:aws:secretsmanager:eu-west-1:999999999999:secret:other-AbCdEf","Name":"other","SecretString":"c4N4ry"}"#,
        r#"{"__type":"ResourceNotFoundException","message":"c4N4ry"}"#,
        r#"{"__type":"c4N4ry c4N4ry","Message":"c4N4ry"}"#,
        r#"{"ARN":"arn:!aws:secretsmanager:eu-west-1:123456789012:secret:mes/pay/crm-AbCdEf","Name":"mes/pay/crm","CreatedDate":1790000000.5}"#,
        r#"{"SecretString":12}"#,
        "<html>c4N4ry</html>",
        "",
        "[]",
        "{\"SecretString\":\"{\\\"a\\\":{\\\"b\\\":[1,\\\"}\\\"]}}\"}",
    ];
    let says = Says::default();
    let connector = SharedHttpConnector::new(says.clone());
    let pod = Credentials::new("AKIAPOD", "secret", None, None, "fuzz");
    let transport = Transport {
        http: http_client_fn(move |_, _| connector.clone()),
        ambient: SharedCredentialsProvider::new(pod),
        ..Transport::real()
    };
    let seal = Seal::with(&[7; Seal::KEY]).unwrap();
    let home = Namespace::parse("mes-system").unwrap();
    let aws = Aws::new(transport, Arc::new(NoKeys), home, Arc::new(|_, _, _| ()), Duration::from_secs(10), seal);
    let remote = RemoteSecret {
        store: ObjectName::parse("default").unwrap(),
        access: Access { endpoint: None, keys: None, role: None, external_id: UID.to_owned() },
        account: Some(AccountId::parse("123456789012").unwrap()),
        primary: Region::parse("eu-west-1").unwrap(),
        name: SecretName::parse("mes/pay/crm").unwrap(),
        kms_key: None,
        claim: Claim {
            owner: "mes/pay/crm".to_owned(),
            cluster: uid(),
            namespace: Namespace::parse("pay").unwrap(),
            namespace_uid: uid(),
            uid: uid(),
        },
        tags: BTreeMap::new(),
        take_over: Default::default(),
        read_only: false,
    };
    let (runtime, version) = (runtime(), VersionId::of(&uid(), 1));
    let away = Region::parse("eu-central-1").unwrap();
    fuzz("secrets_manager_answers", words, corpus, |text| {
        for status in [200, 400, 500] {
            *says.0.lock().unwrap() = (status, text.to_owned());
            let secret = aws.secret(&Granted::assume(remote.clone()));
            let told = runtime.block_on(async {
                let mut told = Vec::new();
                match secret.describe().await {
                    Ok(Some(found)) => {
                        // Of another account, region or name is nothing of ours.
                        let parts: Vec<&str> = found.arn.as_str().splitn(4, ':').collect();
                        let ["arn", partition, "secretsmanager", rest] = parts[..] else { panic!("{}", found.arn) };
                        let place = "eu-west-1:123456789012:secret:mes/pay/crm-";
                        let plain = partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                        assert!(rest.starts_with(place) && partition.starts_with("aws") && plain, "{}", found.arn);
                    }
                    Ok(None) => {}
                    Err(fault) => told.push(fault),
                }
                told.extend(secret.read(&version).await.err());
                told.extend(secret.read_current().await.err());
                told.extend(secret.replica(&away).await.err());
                told.extend(secret.promote(&version, None).await.err());
                told
            });
            for fault in told {
                let told = format!("{fault} {fault:?}");
                shown(&told);
                // A word of a code's form is AWS's name of an error.
                assert!(!told.contains("c4N4ry") || text.contains("__type") || text.contains("code"), "{told}");
            }
        }
    });
}

#[test]
fn journal_status() {
    let words = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\"intent\"",
        "\"effect\"",
        "\"Create\"",
        "\"Register\"",
        "\"Promote\"",
        "\"time\"",
        "\"owed\"",
        "\"versionID\"",
        "\"supersededVersionID\"",
        "\"candidatePartnerID\"",
        "\"attempt\"",
        "\"snapshot\"",
        "\"overlap\"",
        "\"1h\"",
        "null",
        "true",
        "-1",
        "65536",
        "\"2026-01-01T00:00:00Z\"",
        "\"9999-12-31T23:59:59Z\"",
        "\"promoteTime\"",
        "\"baseline\"",
        "\"completionTime\"",
    ];
    let corpus = &[
        "{}",
        r#"{"attempt":1,"intent":{"effect":"Create","time":"2026-01-01T00:00:00Z","holder":"mes-0/1"},"versionID":"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1","supersededVersionID":"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-0"}"#,
        r#"{"attempt":65535,"intent":{"effect":"Promote","time":"2026-01-01T00:00:00Z","holder":"x"},"versionID":"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-65535","promoteTime":"9999-12-31T23:59:59Z","snapshot":{"overlap":"8760h"},"owed":[{"partnerID":"x","versionID":"0d5f6b1e-6b6e-4c0e-9b1a-2f6f0a7f3f11-1","doomTime":"2026-01-01T00:00:00Z"}]}"#,
        r#"{"conditions":[{"type":"Complete","status":"True","reason":"Revoked","message":"x","lastTransitionTime":"2026-01-01T00:00:00Z"}],"completionTime":"2026-01-01T00:00:00Z"}"#,
        r#"{"aborting":true,"failedAttempts":4294967295,"lastFailureTime":"-0001-01-01T00:00:00Z"}"#,
        r#"{"owed":[{},{"partnerID":"../x"},{"partnerID":"x"},{"partnerID":"x"}]}"#,
    ];
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    fuzz("journal_status", words, corpus, |text| {
        let Ok(status) = serde_json::from_str::<api::RotationStatus>(text) else { return };
        let mut rotation: api::Rotation = serde_json::from_value(serde_json::json!({
            "apiVersion": "managed-secrets.io/v1alpha1", "kind": "Rotation", "spec": {"resourceRef": {"name": "crm"}},
            "metadata": {"name": "crm-1", "namespace": "pay", "uid": UID, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        }))
        .unwrap();
        rotation.status = Some(status);
        let Ok(journal) = api::parse::journal(std::slice::from_ref(&rotation), &uid()) else { return };
        let read = &journal.rotations[0];
        let _ = (journal.open(), journal.last_promoted(), journal.pending_revocations());
        for entry in [Entry::Registering, Entry::Promoting] {
            // Taken or refused, never a panic; what was taken is read back.
            if let Ok(after) = api::parse::recorded(&rotation, &uid(), std::slice::from_ref(&entry), "mes-0/1", now) {
                let again = api::Rotation { status: Some(after), ..rotation.clone() };
                api::parse::journal(&[again], &uid()).unwrap();
            }
        }
        let again = api::Rotation { status: Some(api::parse::rotation_status(read)), ..rotation.clone() };
        let again = api::parse::journal(&[again], &uid()).unwrap();
        assert_eq!(again.rotations[0].owed, read.owed, "what is owed is never lost by writing");
    });
}

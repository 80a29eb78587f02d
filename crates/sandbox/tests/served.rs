//! The stand-ins over real sockets: what a caller meets when a fault strikes, Salesforce over TLS, and AWS's own SDK.

use std::{process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use sandbox::{Options, Served, Unreachable, serve};
use serde_json::{Value, json};
use tokio::net::TcpStream;

type Reply = Result<(StatusCode, http::HeaderMap, Bytes), Box<dyn std::error::Error + Send + Sync>>;

async fn converse<S>(stream: S, request: Request<Full<Bytes>>) -> Reply
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    Ok((head.status, head.headers, body.collect().await?.to_bytes()))
}

async fn aws(served: &Served, region: &str, operation: &str, body: Value) -> Reply {
    let credential = format!("AWS4-HMAC-SHA256 Credential=AKIASERVED/20260101/{region}/secretsmanager/aws4_request, S");
    let request = Request::post("/")
        .header("host", "sandbox")
        .header("x-amz-target", format!("secretsmanager.{operation}"))
        .header("authorization", credential)
        .body(Full::from(body.to_string()))?;
    converse(TcpStream::connect(served.url().trim_start_matches("http://")).await?, request).await
}

async fn control(served: &Served, method: Method, path: &str, body: Value) -> Value {
    let request = Request::builder().method(method).uri(format!("/_sandbox/{path}")).header("host", "sandbox");
    let request = request.body(Full::from(body.to_string())).unwrap();
    let stream = TcpStream::connect(served.url().trim_start_matches("http://")).await.unwrap();
    let (status, _, body) = converse(stream, request).await.unwrap();
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

async fn fault(served: &Served, fault: Value) {
    control(served, Method::POST, "faults", fault).await;
}

/// A call to `https://acme.my.salesforce.com`, with the sandbox's CA as the only root.
async fn salesforce(served: &Served, method: Method, path: &str, bearer: &str, body: &str) -> Reply {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(served.ca_path())?)?;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(served.partners_addr()).await?;
    let name = ServerName::try_from("acme.my.salesforce.com")?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "acme.my.salesforce.com")
        .header("authorization", format!("Bearer {bearer}"))
        .body(Full::from(body.to_owned()))?;
    converse(stream, request).await
}

async fn log_in(served: &Served, key: &str, secret: &str) -> Result<String, String> {
    let body = format!("grant_type=client_credentials&client_id={key}&client_secret={secret}");
    let (status, _, told) =
        salesforce(served, Method::POST, "/services/oauth2/token", "", &body).await.map_err(|e| e.to_string())?;
    let told: Value = serde_json::from_slice(&told).unwrap();
    if status == 200 { Ok(text(&told, "access_token")) } else { Err(text(&told, "error")) }
}

async fn api(served: &Served, method: Method, path: &str, bearer: &str, body: &str) -> (u16, Value) {
    let path = format!("/services/data/v65.0/apps/oauth/{path}");
    let (status, _, told) = salesforce(served, method, &path, bearer, body).await.unwrap();
    (status.as_u16(), serde_json::from_slice(&told).unwrap_or(Value::Null))
}

fn text(told: &Value, key: &str) -> String {
    told[key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned()
}

fn value_of(number: u8) -> Value {
    json!({"Name": "s", "SecretString": "one", "ClientRequestToken": format!("{number:032}")})
}

#[tokio::test]
async fn a_dropped_reply_comes_after_the_effect_and_a_close_before_it() {
    let served = serve(Options::default()).await.unwrap();
    fault(&served, json!({"operation": "CreateSecret", "count": 1, "fate": {"kind": "close"}})).await;
    assert!(aws(&served, "us-east-1", "CreateSecret", value_of(1)).await.is_err());
    let missing = aws(&served, "us-east-1", "DescribeSecret", json!({"SecretId": "s"})).await.unwrap();
    assert_eq!(missing.0, 400);
    fault(&served, json!({"operation": "CreateSecret", "count": 1, "fate": {"kind": "drop_reply"}})).await;
    assert!(aws(&served, "us-east-1", "CreateSecret", value_of(1)).await.is_err());
    let present = aws(&served, "us-east-1", "DescribeSecret", json!({"SecretId": "s"})).await.unwrap();
    assert_eq!(present.0, 200);
}

#[tokio::test]
async fn a_fault_strikes_only_the_calls_that_fit_it() {
    let served = serve(Options::default()).await.unwrap();
    aws(&served, "us-east-1", "CreateSecret", value_of(1)).await.unwrap();
    aws(&served, "eu-west-1", "CreateSecret", value_of(1)).await.unwrap();
    let get = |region| aws(&served, region, "GetSecretValue", json!({"SecretId": "s"}));
    let planted = json!({"door": "secretsmanager", "operation": "GetSecretValue", "region": "eu-west-1",
        "resource": "s", "skip": 1, "count": 2, "fate": {"kind": "error", "code": "InternalServiceError"}});
    fault(&served, planted).await;
    let mut statuses = Vec::new();
    for region in ["eu-west-1", "us-east-1", "eu-west-1", "eu-west-1", "eu-west-1"] {
        statuses.push(get(region).await.unwrap().0.as_u16());
    }
    assert_eq!(statuses, [200, 200, 500, 500, 200]);
    assert_eq!(control(&served, Method::GET, "faults", json!({})).await, json!([]));
}

#[tokio::test]
async fn hostile_answers_are_what_they_say() {
    let served = serve(Options::default()).await.unwrap();
    let list = || aws(&served, "us-east-1", "ListSecrets", json!({}));
    let once = |fate: Value| json!({"count": 1, "fate": fate});
    fault(&served, once(json!({"kind": "throttle"}))).await;
    let (status, _, body) = list().await.unwrap();
    assert!(status == 400 && body.starts_with(br#"{"__type":"ThrottlingException""#));
    fault(&served, once(json!({"kind": "html", "status": 502}))).await;
    let (status, headers, _) = list().await.unwrap();
    assert_eq!((status.as_u16(), headers["content-type"].to_str().unwrap()), (502, "text/html; charset=utf-8"));
    fault(&served, once(json!({"kind": "status", "status": 429, "retry_after": "999999999"}))).await;
    assert_eq!(list().await.unwrap().1["retry-after"], "999999999");
    fault(&served, once(json!({"kind": "redirect", "location": "http://169.254.169.254/"}))).await;
    assert_eq!(list().await.unwrap().1["location"], "http://169.254.169.254/");
    fault(&served, once(json!({"kind": "huge", "bytes": 3_000_000}))).await;
    assert_eq!(list().await.unwrap().2.len(), 3_000_000);
    fault(&served, once(json!({"kind": "slow", "ms": 3}))).await;
    let began = std::time::Instant::now();
    let (_, _, body) = list().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(3 * (body.len() as u64 - 1)));
    fault(&served, once(json!({"kind": "delay", "ms": 120}))).await;
    let began = std::time::Instant::now();
    assert_eq!(list().await.unwrap().0, 200);
    assert!(began.elapsed() >= Duration::from_millis(120));
    fault(&served, once(json!({"kind": "silence"}))).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), list()).await.is_err());
}

#[tokio::test]
async fn an_unreachable_region_closes_and_the_others_answer() {
    let served = serve(Options::default()).await.unwrap();
    control(&served, Method::POST, "knobs", json!({"unreachable_regions": {"eu-west-1": "close"}})).await;
    served.with(|world| assert_eq!(world.knobs().unreachable_regions["eu-west-1"], Unreachable::Close));
    assert!(aws(&served, "eu-west-1", "ListSecrets", json!({})).await.is_err());
    assert_eq!(aws(&served, "us-east-1", "ListSecrets", json!({})).await.unwrap().0, 200);
}

#[tokio::test]
async fn calls_are_counted_by_operation_and_caller_and_logged_without_values() {
    let served = serve(Options::default()).await.unwrap();
    let create = json!({"Name": "s", "SecretString": "canary-value", "ClientRequestToken": "1".repeat(32)});
    aws(&served, "us-east-1", "CreateSecret", create).await.unwrap();
    aws(&served, "us-east-1", "GetSecretValue", json!({"SecretId": "s"})).await.unwrap();
    let counts = control(&served, Method::GET, "counts", json!({})).await;
    assert_eq!(counts["secretsmanager.GetSecretValue"]["arn:aws:iam::123456789012:user/AKIASERVED"], 1);
    let log = control(&served, Method::GET, "log?after=1", json!({})).await;
    assert_eq!((&log[0]["operation"], &log[0]["region"]), (&json!("GetSecretValue"), &json!("us-east-1")));
    assert!(text(&log[0], "resource").starts_with("arn:aws:secretsmanager:us-east-1:123456789012:secret:s-"));
    assert!(!served.with(|world| json!(world.log(0)).to_string()).contains("canary-value"));
    control(&served, Method::DELETE, "counts", json!({})).await;
    assert_eq!(control(&served, Method::GET, "counts", json!({})).await, json!({}));
}

#[tokio::test]
async fn the_clock_moves_by_the_control_api_and_reset_forgets_everything() {
    let served = serve(Options::default()).await.unwrap();
    aws(&served, "us-east-1", "CreateSecret", value_of(1)).await.unwrap();
    aws(&served, "us-east-1", "DeleteSecret", json!({"SecretId": "s"})).await.unwrap();
    control(&served, Method::POST, "clock", json!({"advance_seconds": 31 * 86_400})).await;
    let told = aws(&served, "us-east-1", "DescribeSecret", json!({"SecretId": "s"})).await.unwrap();
    assert_eq!(told.0, 400, "purged");
    control(&served, Method::POST, "reset", json!({})).await;
    assert_eq!(control(&served, Method::GET, "clock", json!({})).await["offset_seconds"], 0);
}

#[tokio::test]
async fn salesforce_stages_verifies_rotates_and_revokes() {
    let served = serve(Options::default()).await.unwrap();
    let app = control(&served, Method::POST, "salesforce/apps", json!({"host": "acme.my.salesforce.com"})).await;
    let (old_key, old_secret) = (text(&app, "consumerKey"), text(&app, "consumerSecret"));
    let of_app = format!("credentials/{}", text(&app, "appId"));
    let of_consumer = format!("{of_app}/{}", text(&app, "consumerId"));
    let staged_path = format!("{of_consumer}/staged");
    let bearer = log_in(&served, &old_key, &old_secret).await.unwrap();
    let bearer = bearer.as_str();
    let (_, usage) = api(&served, Method::GET, "usage", bearer, "").await;
    assert_eq!(usage["apps"][0]["identifier"], app["appId"]);
    let (_, consumers) = api(&served, Method::GET, &of_app, bearer, "").await;
    assert_eq!(consumers["consumers"][0]["id"], app["consumerId"]);
    assert_eq!(api(&served, Method::GET, &staged_path, bearer, "").await.0, 404);

    control(&served, Method::POST, "knobs", json!({"salesforce_acceptance_lag_ms": 60_000})).await;
    let (status, told) = api(&served, Method::POST, &staged_path, bearer, "{}").await;
    assert_eq!(status, 201);
    let staged = &told["stagedCredentials"][0];
    let (new_key, new_secret, staged_id) = (text(staged, "key"), text(staged, "secret"), text(staged, "id"));
    assert!(log_in(&served, &new_key, &new_secret).await.is_err(), "accepted before its time");
    control(&served, Method::POST, "clock", json!({"advance_seconds": 60})).await;
    log_in(&served, &new_key, &new_secret).await.unwrap();
    assert_eq!(api(&served, Method::POST, &staged_path, bearer, "{}").await.0, 400, "one staged at most");

    let rotate = format!("{staged_path}/{staged_id}");
    let (status, _) = api(&served, Method::PATCH, &rotate, bearer, r#"{"command":"rotate"}"#).await;
    assert_eq!(status, 200);
    let (_, main) = api(&served, Method::GET, &format!("{of_consumer}?part=keyandsecret"), bearer, "").await;
    assert_eq!((text(&main, "key"), text(&main, "secret")), (new_key.clone(), new_secret.clone()));
    let login = json!({"consumerKey": old_key, "consumerSecret": old_secret});
    let told = control(&served, Method::POST, "salesforce/logs-in", login.clone()).await;
    assert_eq!(told, json!({"logs_in": true, "live": 2}));
    let (_, listed) = api(&served, Method::GET, &staged_path, bearer, "").await;
    let former = &listed["stagedCredentials"][0];
    assert_eq!((former["state"].as_str(), former.get("secret")), (Some("rotated"), None));
    let former = format!("{staged_path}/{}", text(former, "id"));
    assert_eq!(api(&served, Method::DELETE, &former, bearer, "").await.0, 204);
    assert_eq!(api(&served, Method::DELETE, &former, bearer, "").await.0, 404, "already gone");
    assert_eq!(log_in(&served, &old_key, &old_secret).await, Err("invalid_client_id".into()));
    let login = json!({"consumerKey": new_key, "consumerSecret": new_secret});
    let told = control(&served, Method::POST, "salesforce/logs-in", login).await;
    assert_eq!(told, json!({"logs_in": true, "live": 1}));
}

#[tokio::test]
async fn salesforce_refuses_a_wrong_secret_an_expired_token_a_missing_permission_and_an_empty_body() {
    let served = serve(Options::default()).await.unwrap();
    let app = control(&served, Method::POST, "salesforce/apps", json!({"may_manage": false})).await;
    assert_eq!(log_in(&served, &text(&app, "consumerKey"), "wrong").await, Err("invalid_client".into()));
    let bearer = log_in(&served, &text(&app, "consumerKey"), &text(&app, "consumerSecret")).await.unwrap();
    let (status, told) = api(&served, Method::GET, "usage", &bearer, "").await;
    assert_eq!((status, told[0]["errorCode"].as_str()), (403, Some("INSUFFICIENT_ACCESS")));
    control(&served, Method::POST, "clock", json!({"advance_seconds": 7_200})).await;
    assert_eq!(api(&served, Method::GET, "usage", &bearer, "").await.0, 401);
    let admin = control(&served, Method::POST, "salesforce/apps", json!({"name": "admin"})).await;
    let bearer = log_in(&served, &text(&admin, "consumerKey"), &text(&admin, "consumerSecret")).await.unwrap();
    let path = format!(
        "/services/data/v65.0/apps/oauth/credentials/{}/{}/staged",
        text(&app, "appId"),
        text(&app, "consumerId")
    );
    assert!(salesforce(&served, Method::POST, &path, &bearer, "").await.is_err(), "the connection is reset");
    fault(&served, json!({"door": "salesforce", "operation": "stage", "fate": {"kind": "throttle"}})).await;
    assert_eq!(salesforce(&served, Method::POST, &path, &bearer, "{}").await.unwrap().0, 429);
}

#[tokio::test]
async fn a_rotated_salesforce_pair_ends_after_thirty_days() {
    let served = serve(Options::default()).await.unwrap();
    let app = served.with(|world| world.salesforce_app("acme.my.salesforce.com", "x", true));
    let value = json!({"consumerKey": app.consumer_key, "consumerSecret": app.consumer_secret,
        "baseUri": app.base_uri, "appId": app.app_id, "consumerId": app.consumer_id});
    let create = json!({"Name": "sf", "Type": "SalesforceClientSecret", "SecretString": value.to_string(),
        "ClientRequestToken": "1".repeat(32)});
    aws(&served, "us-east-1", "CreateSecret", create).await.unwrap();
    let rotate = json!({"SecretId": "sf", "ExternalSecretRotationRoleArn": "arn:aws:iam::123456789012:role/rotation",
        "ExternalSecretRotationMetadata": [{"Key": "apiVersion", "Value": "v65.0"}]});
    aws(&served, "us-east-1", "RotateSecret", rotate).await.unwrap();
    control(&served, Method::POST, "clock", json!({"advance_seconds": 1})).await;
    let (_, _, told) = aws(&served, "us-east-1", "GetSecretValue", json!({"SecretId": "sf"})).await.unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let rotated: Value = serde_json::from_str(told["SecretString"].as_str().unwrap()).unwrap();
    let now = jiff::Timestamp::now();
    let live = |key: &str, secret: &str| served.with(|world| world.salesforce_logs_in(key, secret, now));
    assert_eq!(live(&text(&rotated, "consumerKey"), &text(&rotated, "consumerSecret")), (true, 2));
    assert_eq!(live(&app.consumer_key, &app.consumer_secret), (true, 2));
    control(&served, Method::POST, "clock", json!({"advance_seconds": 30 * 86_400})).await;
    assert!(!live(&app.consumer_key, &app.consumer_secret).0);
}

/// AWS's own SDK for Python and its command line, as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_and_the_aws_cli_are_served_as_they_are() {
    let served = serve(Options::default()).await.unwrap();
    let url = served.url();
    let ran = tokio::task::spawn_blocking(move || {
        let present = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
        };
        if !present("python3", &["-c", "import boto3"]) {
            println!("skipped: python3 with boto3 is not here");
            return;
        }
        let output = Command::new("python3").args(["-c", SCRIPT, &url]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if !present("aws", &["--version"]) {
            println!("skipped: the AWS CLI is not here");
            return;
        }
        let output = Command::new("aws")
            .args(["--endpoint-url", &url, "--region", "us-east-1", "--output", "text"])
            .args(["secretsmanager", "get-secret-value", "--secret-id", "team/one", "--query", "VersionStages[0]"])
            .env("AWS_ACCESS_KEY_ID", "AKIACLI")
            .env("AWS_SECRET_ACCESS_KEY", "x")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "AWSCURRENT");
    });
    ran.await.unwrap();
}

const SCRIPT: &str = r#"
import sys, time, uuid, boto3
from botocore.exceptions import ClientError
def client(service, region="us-east-1", key="AKIABOTO", token=None):
    return boto3.client(service, region_name=region, endpoint_url=sys.argv[1], aws_access_key_id=key,
                        aws_secret_access_key="x", aws_session_token=token)
sm, sts = client("secretsmanager"), client("sts")
first = sm.create_secret(Name="team/one", SecretString="1", AddReplicaRegions=[{"Region": "eu-west-1"}])
token = str(uuid.uuid4())
sm.put_secret_value(SecretId="team/one", SecretString="2", ClientRequestToken=token, VersionStages=["AWSPENDING"])
promote = dict(SecretId="team/one", VersionStage="AWSCURRENT", MoveToVersionId=token,
               RemoveFromVersionId=first["VersionId"])
sm.update_secret_version_stage(**promote)
try:
    sm.update_secret_version_stage(**promote)
    sys.exit("a second promotion passed")
except sm.exceptions.InvalidParameterException:
    pass
assert sm.get_secret_value(SecretId="team/one")["SecretString"] == "2"
time.sleep(0.6)
replica = client("secretsmanager", "eu-west-1")
assert replica.get_secret_value(SecretId="team/one")["VersionId"] == token
assert sm.describe_secret(SecretId="team/one")["ReplicationStatus"][0]["Status"] == "InSync"
assert sts.get_caller_identity()["Account"] == "123456789012"
assumed = sts.assume_role(RoleArn="arn:aws:iam::999999999999:role/tenant", RoleSessionName="session")["Credentials"]
identity = client("sts", key=assumed["AccessKeyId"], token=assumed["SessionToken"]).get_caller_identity()
assert identity["Arn"] == "arn:aws:sts::999999999999:assumed-role/tenant/session", identity
try:
    sts.assume_role(RoleArn="nonsense-nonsense-nonsense", RoleSessionName="session")
    sys.exit("a role that is none was assumed")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationError", error
assert [one["Name"] for page in sm.get_paginator("list_secrets").paginate() for one in page["SecretList"]] == ["team/one"]
"#;

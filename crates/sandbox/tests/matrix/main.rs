//! What AWS documents of Secrets Manager, sentence by sentence, over the stand-in in process.
//!
//! Each row is a fact of the API reference or the user guide, or one seen from AWS; the row's name is the fact. No row
//! waits: time is an argument. Where somebody else's emulator can be asked the same, it is asked too (see [`second`]).

macro_rules! refused {
    ($refusal:expr, $begins:expr) => {{
        let refusal: String = $refusal;
        assert!(refusal.starts_with(&*$begins), "{refusal}");
    }};
}

/// Each row a test of its own, named by the fact; all of a file as a table.
macro_rules! facts {
    ($($name:ident($aws:ident) $body:block)+) => {
        pub(super) const ROWS: &[Row] = &[$((stringify!($name), $name)),+];
        $(fn $name($aws: &mut Aws) $body)+
        mod holds {
            $(#[test] fn $name() { super::$name(&mut super::Aws::ours()); })+
        }
    };
}

mod creation;
mod deletion;
mod lists;
mod replication;
mod rotation;
mod second;
mod versions;

use std::panic::panic_any;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Door, Knobs, RotationFailure, Sandbox};
use serde_json::{Value, json};

/// A fact, and the calls that show it.
type Row = (&'static str, fn(&mut Aws));

/// An AWS to talk to: whose it is, a clock that only moves when told, a region and a caller.
struct Aws {
    side: Side,
    now: Timestamp,
    region: &'static str,
    access_key: &'static str,
}

enum Side {
    Ours(Box<Sandbox>),
    /// Another emulator, at this URL.
    Second(String),
}

/// Why a row ends that another emulator can't be asked: it turns a knob of ours, or moves its clock.
struct OursAlone;

impl Aws {
    fn ours() -> Self {
        Self::of(Side::Ours(Box::new(Sandbox::new(7))), "2026-01-01T10:20:00Z".parse().unwrap())
    }

    fn of(side: Side, now: Timestamp) -> Self {
        Self { side, now, region: "us-east-1", access_key: "AKIAMATRIX" }
    }

    fn world(&mut self) -> &mut Sandbox {
        match &mut self.side {
            Side::Ours(world) => world,
            Side::Second(_) => panic_any(OursAlone),
        }
    }

    /// Status and body of the answer; 0 if none comes.
    fn call(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        let scope = format!("{}/20260101/{}/secretsmanager/aws4_request", self.access_key, self.region);
        let request = Request::post("http://sandbox/")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        match &mut self.side {
            Side::Ours(world) => {
                let answer = world.call(Door::Aws, &request, self.now);
                (answer.status(), answer.json())
            }
            Side::Second(url) => second::call(url, request),
        }
    }

    fn ok(&mut self, operation: &str, body: Value) -> Value {
        let (status, told) = self.call(operation, &body);
        assert_eq!(status, 200, "{operation}: {told}");
        told
    }

    /// The refusal as `Name: message`.
    fn no(&mut self, operation: &str, body: Value) -> String {
        let (status, told) = self.call(operation, &body);
        // The second one answers 404 where AWS answers 400: the name of the error is what is compared.
        let refused = status == 400 || matches!(self.side, Side::Second(_)) && status == 404;
        assert!(refused, "{operation}: {status} {told}");
        let message = told["Message"].as_str().or(told["message"].as_str()).unwrap_or_default();
        format!("{}: {message}", told["__type"].as_str().unwrap())
    }

    fn create(&mut self, name: &str) -> String {
        let told = self.ok("CreateSecret", json!({"Name": name, "SecretString": "one", "ClientRequestToken": id(1)}));
        told["ARN"].as_str().unwrap().to_owned()
    }

    fn put(&mut self, number: u8, value: &str, stages: Value) -> Value {
        self.ok(
            "PutSecretValue",
            json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": id(number), "VersionStages": stages}),
        )
    }

    fn describe(&mut self) -> Value {
        self.ok("DescribeSecret", json!({"SecretId": "s"}))
    }

    fn labels(&mut self, number: u8) -> Vec<String> {
        let described = self.describe();
        let mut labels: Vec<String> =
            serde_json::from_value(described["VersionIdsToStages"][id(number)].clone()).unwrap_or_default();
        labels.sort();
        labels
    }

    fn value(&mut self, selector: Value) -> String {
        let mut body = json!({"SecretId": "s"});
        for (key, value) in selector.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.ok("GetSecretValue", body)["SecretString"].as_str().unwrap().to_owned()
    }

    fn swap(&self, label: &str, from: Option<u8>, to: Option<u8>) -> Value {
        let mut body = json!({"SecretId": "s", "VersionStage": label});
        if let Some(from) = from {
            body["RemoveFromVersionId"] = id(from).into();
        }
        if let Some(to) = to {
            body["MoveToVersionId"] = id(to).into();
        }
        body
    }

    /// What takes a second here is done at once by an emulator that knows no delays.
    fn wait(&mut self, seconds: i64) {
        if matches!(self.side, Side::Second(_)) && seconds > 5 {
            panic_any(OursAlone);
        }
        self.now += SignedDuration::from_secs(seconds);
    }

    fn turn(&mut self, set: impl FnOnce(&mut Knobs)) {
        let now = self.now;
        self.world().turn(now, set);
    }

    /// A secret `s` with a replica in eu-west-1 that is in sync.
    fn replicated(&mut self) -> String {
        let arn = self.create("s");
        self.ok("ReplicateSecretToRegions", json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]}));
        self.wait(1);
        arn
    }

    fn status(&mut self) -> Value {
        self.describe()["ReplicationStatus"][0].clone()
    }

    /// A managed external secret `s` of BigID's, whose rotation is not yet set.
    fn managed(&mut self) {
        let value = json!({"hostname": "acme.bigid.cloud", "refreshToken": "abc.def"}).to_string();
        self.ok(
            "CreateSecret",
            json!({"Name": "s", "SecretString": value, "ClientRequestToken": id(1), "Type": "BigIDClientSecret"}),
        );
    }

    fn rotate(&self, number: u8) -> Value {
        json!({"SecretId": "s", "ClientRequestToken": id(number), "ExternalSecretRotationRoleArn": ROLE,
            "RotationRules": {"ScheduleExpression": "rate(10 days)"}})
    }
}

const ROLE: &str = "arn:aws:iam::123456789012:role/rotation";

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

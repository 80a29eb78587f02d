//! What AWS documents of Secrets Manager, sentence by sentence, over the stand-in in process.
//!
//! Each row is a fact of the API reference or the user guide, or one seen from AWS; the row's name is the fact. No row
//! waits: time is an argument.

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Door, Knobs, RotationFailure, Sandbox};
use serde_json::{Value, json};

/// An AWS to talk to: one world, a clock that only moves when told, a region and a caller.
struct Aws {
    world: Sandbox,
    now: Timestamp,
    region: &'static str,
    access_key: &'static str,
}

impl Aws {
    fn new() -> Self {
        let now = "2026-01-01T10:20:00Z".parse().unwrap();
        Self { world: Sandbox::new(7), now, region: "us-east-1", access_key: "AKIAMATRIX" }
    }

    fn call(&mut self, operation: &str, body: &Value) -> sandbox::Answer {
        let scope = format!("{}/20260101/{}/secretsmanager/aws4_request", self.access_key, self.region);
        let request = Request::post("http://sandbox/")
            .header("x-amz-target", format!("secretsmanager.{operation}"))
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        self.world.call(Door::Aws, &request, self.now)
    }

    fn ok(&mut self, operation: &str, body: Value) -> Value {
        let answer = self.call(operation, &body);
        assert_eq!(answer.status(), 200, "{operation}: {}", answer.json());
        answer.json()
    }

    /// The refusal as `Name: message`.
    fn no(&mut self, operation: &str, body: Value) -> String {
        let answer = self.call(operation, &body);
        assert_eq!(answer.status(), 400, "{operation}: {}", answer.json());
        let told = answer.json();
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

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn turn(&mut self, set: impl FnOnce(&mut Knobs)) {
        self.world.turn(self.now, set);
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

/// Each row a test of its own, named by the fact.
macro_rules! facts {
    ($($(#[$note:meta])* $name:ident($aws:ident) $body:block)+) => {
        $(#[test] $(#[$note])* fn $name() { let mut world = Aws::new(); let $aws = &mut world; $body })+
    };
}

macro_rules! refused {
    ($refusal:expr, $begins:expr) => {{
        let refusal: String = $refusal;
        assert!(refusal.starts_with(&*$begins), "{refusal}");
    }};
}

// Names, ARNs, creation.
facts! {
    an_arn_ends_in_six_random_characters(aws) {
        let arn = aws.create("team/db");
        let suffix = arn.strip_prefix("arn:aws:secretsmanager:us-east-1:123456789012:secret:team/db-").unwrap();
        assert!(suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
    a_secret_is_found_by_name_by_arn_and_by_arn_without_its_suffix(aws) {
        let arn = aws.create("s");
        for id in ["s", &arn, &arn[..arn.len() - 7]] {
            assert_eq!(aws.ok("DescribeSecret", json!({"SecretId": id}))["ARN"], arn);
        }
    }
    a_missing_secret_is_resource_not_found(aws) {
        assert_eq!(aws.no("GetSecretValue", json!({"SecretId": "s"})),
            "ResourceNotFoundException: Secrets Manager can't find the specified secret.");
    }
    an_arn_of_another_region_is_not_found_here(aws) {
        let arn = aws.create("s").replace("us-east-1", "us-west-2");
        refused!(aws.no("DescribeSecret", json!({"SecretId": arn})), "ResourceNotFoundException");
    }
    each_region_has_its_own_secrets(aws) {
        aws.create("s");
        aws.region = "eu-west-1";
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
    }
    each_account_has_its_own_secrets(aws) {
        aws.create("s");
        aws.turn(|knobs| { knobs.access_key_accounts.insert("AKIAOTHER".into(), "999999999999".into()); });
        aws.access_key = "AKIAOTHER";
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
    }
    a_name_with_other_characters_is_a_validation_exception(aws) {
        assert_eq!(aws.no("CreateSecret", json!({"Name": "a b"})), "ValidationException: Invalid name. Must be a valid \
            name containing alphanumeric characters, or any of the following: -/_+=.@!");
    }
    a_name_is_taken_once(aws) {
        aws.create("s");
        assert_eq!(aws.no("CreateSecret", json!({"Name": "s", "SecretString": "x", "ClientRequestToken": id(2)})),
            "ResourceExistsException: The operation failed because the secret s already exists.");
    }
    the_same_create_again_is_the_same_secret(aws) {
        assert_eq!(aws.create("s"), aws.create("s"));
    }
    the_same_create_with_another_value_is_refused(aws) {
        aws.create("s");
        let again = json!({"Name": "s", "SecretString": "two", "ClientRequestToken": id(1)});
        refused!(aws.no("CreateSecret", again), "ResourceExistsException: You can't use ClientRequestToken");
    }
    a_secret_without_a_value_has_no_version(aws) {
        assert_eq!(aws.ok("CreateSecret", json!({"Name": "s"}))["VersionId"], Value::Null);
        assert_eq!(aws.describe()["VersionIdsToStages"], Value::Null);
        assert_eq!(aws.no("GetSecretValue", json!({"SecretId": "s"})), "ResourceNotFoundException: Secrets Manager \
            can't find the specified secret value for staging label: AWSCURRENT");
    }
    a_client_request_token_has_32_to_64_characters(aws) {
        for token in ["x".repeat(31), "x".repeat(65)] {
            let body = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": token});
            refused!(aws.no("CreateSecret", body), "ValidationException: 1 validation error detected");
        }
    }
    a_value_has_at_most_65536_characters(aws) {
        aws.create("s");
        aws.put(2, &"x".repeat(65_536), json!(["AWSCURRENT"]));
        let body = json!({"SecretId": "s", "SecretString": "x".repeat(65_537), "ClientRequestToken": id(3)});
        refused!(aws.no("PutSecretValue", body), "ValidationException: 1 validation error detected: Value at \
            'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536");
    }
    a_missing_parameter_must_not_be_null(aws) {
        refused!(aws.no("GetSecretValue", json!({})), "ValidationException");
    }
    text_and_binary_at_once_is_an_invalid_parameter(aws) {
        let body = json!({"Name": "s", "SecretString": "x", "SecretBinary": "eA==", "ClientRequestToken": id(1)});
        refused!(aws.no("CreateSecret", body), "InvalidParameterException");
    }
    a_binary_value_comes_back_as_it_was(aws) {
        aws.ok("CreateSecret", json!({"Name": "s", "SecretBinary": "AAH/", "ClientRequestToken": id(1)}));
        let told = aws.ok("GetSecretValue", json!({"SecretId": "s"}));
        assert_eq!((told["SecretBinary"].as_str(), told.get("SecretString")), (Some("AAH/"), None));
    }
    a_key_of_another_region_is_refused(aws) {
        let key = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000001";
        refused!(aws.no("CreateSecret", json!({"Name": "s", "KmsKeyId": key})), "InvalidParameterException");
    }
    a_key_that_does_not_exist_is_an_encryption_failure(aws) {
        aws.turn(|knobs| knobs.kms_keys = Some(vec!["alias/known".into()]));
        aws.ok("CreateSecret", json!({"Name": "s", "KmsKeyId": "alias/known"}));
        refused!(aws.no("CreateSecret", json!({"Name": "t", "KmsKeyId": "alias/typo"})), "EncryptionFailure");
    }
    a_disabled_key_makes_a_value_unreadable_and_unwritable(aws) {
        let body = json!({"Name": "s", "SecretString": "x", "ClientRequestToken": id(1), "KmsKeyId": "alias/k"});
        aws.ok("CreateSecret", body);
        aws.turn(|knobs| knobs.disabled_kms_keys = vec!["alias/k".into()]);
        refused!(aws.no("GetSecretValue", json!({"SecretId": "s"})), "DecryptionFailure");
        let body = json!({"SecretId": "s", "SecretString": "y", "ClientRequestToken": id(2)});
        refused!(aws.no("PutSecretValue", body), "EncryptionFailure");
    }
    a_request_without_a_signature_is_refused(aws) {
        let request = Request::post("/").header("x-amz-target", "secretsmanager.ListSecrets").body(Bytes::new());
        let answer = aws.world.call(Door::Aws, &request.unwrap(), aws.now);
        assert_eq!(answer.json()["__type"], "MissingAuthenticationTokenException");
    }
    an_unknown_access_key_is_an_unrecognized_client(aws) {
        aws.turn(|knobs| knobs.refused_access_keys = vec!["AKIAMATRIX".into()]);
        refused!(aws.no("ListSecrets", json!({})), "UnrecognizedClientException");
    }
}

// Versions and labels.
facts! {
    the_first_version_is_current_whatever_labels_are_asked_for(aws) {
        aws.ok("CreateSecret", json!({"Name": "s"}));
        aws.put(2, "x", json!(["AWSPENDING"]));
        assert_eq!(aws.labels(2), ["AWSCURRENT", "AWSPENDING"]);
    }
    put_without_stages_moves_awscurrent_at_once(aws) {
        aws.create("s");
        aws.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": id(2)}));
        assert_eq!((aws.labels(1), aws.labels(2)), (vec!["AWSPREVIOUS".into()], vec!["AWSCURRENT".to_owned()]));
    }
    put_as_pending_leaves_current_alone(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        assert_eq!(aws.value(json!({})), "one");
        assert_eq!(aws.value(json!({"VersionStage": "AWSPENDING"})), "two");
        assert_eq!(aws.value(json!({"VersionId": id(2)})), "two");
    }
    the_same_put_again_does_nothing(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let before = aws.describe();
        aws.wait(5);
        assert_eq!(aws.put(2, "two", json!(["AWSCURRENT"]))["VersionStages"], json!(["AWSPENDING"]));
        assert_eq!(aws.describe(), before);
    }
    a_token_with_another_value_is_resource_exists(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let body = json!({"SecretId": "s", "SecretString": "three", "ClientRequestToken": id(2)});
        refused!(aws.no("PutSecretValue", body),
            format!("ResourceExistsException: You can't use ClientRequestToken {} because that value is already in use \
                for a version of secret arn:aws:secretsmanager:us-east-1:123456789012:secret:s-", id(2)));
    }
    update_secret_refuses_any_token_that_exists(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "SecretString": "one", "ClientRequestToken": id(1)});
        refused!(aws.no("UpdateSecret", body), "ResourceExistsException");
    }
    update_secret_with_a_value_moves_awscurrent(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": id(2), "Description": "d"});
        assert_eq!(aws.ok("UpdateSecret", body)["VersionId"], id(2));
        assert_eq!((aws.labels(2), aws.describe()["Description"].as_str().unwrap().to_owned()),
            (vec!["AWSCURRENT".to_owned()], "d".to_owned()));
    }
    put_without_a_value_is_an_invalid_request(aws) {
        aws.create("s");
        assert_eq!(aws.no("PutSecretValue", json!({"SecretId": "s", "ClientRequestToken": id(2)})),
            "InvalidRequestException: You must provide either SecretString or SecretBinary.");
    }
    a_label_moves_only_from_the_version_that_has_it(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        aws.put(3, "three", json!(["mine"]));
        let body = aws.swap("AWSCURRENT", Some(3), Some(2));
        refused!(aws.no("UpdateSecretVersionStage", body), "InvalidParameterException");
        assert_eq!(aws.labels(1), ["AWSCURRENT"]);
    }
    a_label_in_use_does_not_move_without_remove_from(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let body = aws.swap("AWSCURRENT", None, Some(2));
        assert_eq!(aws.no("UpdateSecretVersionStage", body), format!("InvalidParameterException: The parameter \
            RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version {}, so you \
            must explicitly reference that version in RemoveFromVersionId.", id(1)));
    }
    promotion_puts_awsprevious_on_the_version_left(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let body = aws.swap("AWSCURRENT", Some(1), Some(2));
        aws.ok("UpdateSecretVersionStage", body);
        assert_eq!((aws.labels(1), aws.labels(2)),
            (vec!["AWSPREVIOUS".to_owned()], vec!["AWSCURRENT".to_owned(), "AWSPENDING".to_owned()]));
    }
    a_second_promotion_with_the_same_ids_fails(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let body = aws.swap("AWSCURRENT", Some(1), Some(2));
        aws.ok("UpdateSecretVersionStage", body.clone());
        refused!(aws.no("UpdateSecretVersionStage", body), "InvalidParameterException: Staging label AWSCURRENT is \
            currently attached to version");
    }
    moving_back_to_awsprevious_is_a_rollback(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSCURRENT"]));
        let body = aws.swap("AWSCURRENT", Some(2), Some(1));
        aws.ok("UpdateSecretVersionStage", body);
        assert_eq!((aws.labels(1), aws.labels(2)), (vec!["AWSCURRENT".to_owned()], vec!["AWSPREVIOUS".to_owned()]));
    }
    awscurrent_can_not_be_taken_away(aws) {
        aws.create("s");
        let body = aws.swap("AWSCURRENT", Some(1), None);
        assert_eq!(aws.no("UpdateSecretVersionStage", body), "InvalidParameterException: You can only move staging \
            label AWSCURRENT to a different secret version. It can't be completely removed.");
    }
    a_label_is_taken_away_by_remove_from_alone(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSPENDING"]));
        let wrong = aws.swap("AWSPENDING", Some(1), None);
        refused!(aws.no("UpdateSecretVersionStage", wrong), "InvalidParameterException");
        let body = aws.swap("AWSPENDING", Some(2), None);
        aws.ok("UpdateSecretVersionStage", body);
        assert_eq!(aws.labels(2), Vec::<String>::new());
    }
    a_free_label_is_added_by_move_to_alone(aws) {
        aws.create("s");
        let body = aws.swap("mine", None, Some(1));
        aws.ok("UpdateSecretVersionStage", body);
        assert_eq!(aws.labels(1), ["AWSCURRENT", "mine"]);
    }
    moving_to_a_version_that_is_not_there_is_not_found(aws) {
        aws.create("s");
        let body = aws.swap("mine", None, Some(9));
        refused!(aws.no("UpdateSecretVersionStage", body), "ResourceNotFoundException");
    }
    a_version_id_with_a_label_it_lacks_is_an_invalid_request(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "VersionId": id(1), "VersionStage": "AWSPENDING"});
        refused!(aws.no("GetSecretValue", body), "InvalidRequestException");
    }
    a_secret_has_at_most_twenty_labels(aws) {
        aws.create("s");
        let stages: Vec<String> = (0..19).map(|n| format!("label-{n}")).collect();
        aws.put(2, "two", json!(stages));
        let body = aws.swap("one-more", None, Some(1));
        refused!(aws.no("UpdateSecretVersionStage", body), "LimitExceededException");
        assert_eq!(aws.labels(1), ["AWSCURRENT"], "a refused write leaves no trace");
    }
    young_versions_are_never_removed_and_a_hundred_is_the_quota(aws) {
        aws.create("s");
        for number in 2..=100 {
            let token = format!("00000000-0000-4000-8000-{number:012}");
            aws.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": token, "ClientRequestToken": token}));
        }
        let more = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": "f".repeat(32)});
        refused!(aws.no("PutSecretValue", more.clone()), "LimitExceededException");
        aws.wait(24 * 3600 + 1);
        aws.ok("PutSecretValue", more);
    }
    deprecated_versions_older_than_a_day_are_removed_above_a_hundred_labelled_ones_stay(aws) {
        aws.create("s");
        let body = aws.swap("keep", None, Some(1));
        aws.ok("UpdateSecretVersionStage", body);
        for number in 2..=130 {
            aws.wait(3600);
            let token = format!("00000000-0000-4000-8000-{number:012}");
            aws.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": token, "ClientRequestToken": token}));
        }
        let list = aws.ok("ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true}));
        assert_eq!(list["Versions"].as_array().unwrap().len(), 100);
        assert_eq!(aws.value(json!({"VersionStage": "keep"})), "one");
    }
    deprecated_versions_are_listed_only_if_asked_for(aws) {
        aws.create("s");
        aws.put(2, "two", json!(["AWSCURRENT"]));
        aws.put(3, "three", json!(["AWSCURRENT"]));
        let count = |told: Value| told["Versions"].as_array().unwrap().len();
        assert_eq!(count(aws.ok("ListSecretVersionIds", json!({"SecretId": "s"}))), 2);
        assert_eq!(count(aws.ok("ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true}))), 3);
    }
    with_lagging_consistency_a_label_is_old_and_a_version_id_is_true(aws) {
        aws.create("s");
        aws.turn(|knobs| knobs.consistency_lag_ms = 2_000);
        aws.put(2, "two", json!(["AWSPENDING"]));
        refused!(aws.no("GetSecretValue", json!({"SecretId": "s", "VersionStage": "AWSPENDING"})), "ResourceNotFound");
        assert_eq!(aws.value(json!({"VersionId": id(2)})), "two");
        aws.wait(2);
        assert_eq!(aws.value(json!({"VersionStage": "AWSPENDING"})), "two");
    }
}

// Deletion.
facts! {
    deletion_waits_thirty_days_unless_told_seven_to_thirty(aws) {
        aws.create("s");
        for days in [6, 31] {
            let body = json!({"SecretId": "s", "RecoveryWindowInDays": days});
            refused!(aws.no("DeleteSecret", body), "InvalidParameterException");
        }
        let told = aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        assert_eq!(told["DeletionDate"].as_f64().unwrap() - aws.now.as_second() as f64, 30.0 * 86_400.0);
        assert_eq!(aws.describe()["DeletedDate"], told["DeletionDate"]);
    }
    a_secret_scheduled_for_deletion_can_be_described_and_nothing_else(aws) {
        aws.create("s");
        aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        aws.describe();
        for (operation, body) in [
            ("GetSecretValue", json!({"SecretId": "s"})),
            ("PutSecretValue", json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": id(2)})),
            ("TagResource", json!({"SecretId": "s", "Tags": []})),
            ("UpdateSecret", json!({"SecretId": "s", "Description": "d"})),
            ("RotateSecret", json!({"SecretId": "s"})),
        ] {
            assert_eq!(aws.no(operation, body), "InvalidRequestException: You can't perform this operation on the \
                secret because it was marked for deletion.");
        }
    }
    the_name_of_a_secret_scheduled_for_deletion_is_taken(aws) {
        aws.create("s");
        aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        assert_eq!(aws.no("CreateSecret", json!({"Name": "s"})), "InvalidRequestException: You can't create this \
            secret because a secret with this name is already scheduled for deletion.");
    }
    a_restored_secret_is_as_before(aws) {
        aws.create("s");
        aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        aws.ok("RestoreSecret", json!({"SecretId": "s"}));
        assert_eq!(aws.describe().get("DeletedDate"), None);
        aws.wait(40 * 86_400);
        assert_eq!(aws.value(json!({})), "one");
    }
    after_its_recovery_window_a_secret_is_gone(aws) {
        aws.create("s");
        aws.ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}));
        aws.wait(7 * 86_400);
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
        aws.create("s");
    }
    a_forced_delete_is_at_once_and_never_not_found(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true});
        aws.ok("DeleteSecret", body.clone());
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
        aws.ok("DeleteSecret", body);
    }
    force_and_window_exclude_each_other(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true, "RecoveryWindowInDays": 7});
        refused!(aws.no("DeleteSecret", body), "InvalidParameterException");
    }
    a_list_hides_what_is_scheduled_for_deletion_unless_asked(aws) {
        aws.create("s");
        aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        assert_eq!(aws.ok("ListSecrets", json!({}))["SecretList"], json!([]));
        let list = aws.ok("ListSecrets", json!({"IncludePlannedDeletion": true}));
        assert!(list["SecretList"][0]["DeletedDate"].is_number());
    }
}

// Replication.
facts! {
    a_replica_has_the_same_arn_but_for_the_region(aws) {
        let arn = aws.replicated();
        aws.region = "eu-west-1";
        let told = aws.describe();
        assert_eq!(told["ARN"], arn.replace("us-east-1", "eu-west-1"));
        assert_eq!(told["PrimaryRegion"], "us-east-1");
    }
    replication_is_in_progress_and_then_in_sync(aws) {
        aws.create("s");
        let body = json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]});
        assert_eq!(aws.ok("ReplicateSecretToRegions", body)["ReplicationStatus"][0]["Status"], "InProgress");
        aws.wait(1);
        assert_eq!(aws.status()["Status"], "InSync");
    }
    a_new_value_reaches_a_replica_later_under_the_same_version_id(aws) {
        aws.replicated();
        aws.put(2, "two", json!(["AWSCURRENT"]));
        aws.region = "eu-west-1";
        assert_eq!(aws.value(json!({})), "one");
        aws.wait(1);
        assert_eq!(aws.value(json!({"VersionId": id(2)})), "two");
        assert_eq!(aws.labels(1), ["AWSPREVIOUS"]);
    }
    in_sync_can_describe_the_previous_write(aws) {
        aws.replicated();
        aws.turn(|knobs| knobs.stale_in_sync = true);
        aws.put(2, "two", json!(["AWSCURRENT"]));
        assert_eq!(aws.status()["Status"], "InSync");
        aws.region = "eu-west-1";
        assert_eq!(aws.value(json!({})), "one");
    }
    a_replica_refuses_writes_as_an_invalid_parameter(aws) {
        aws.replicated();
        aws.region = "eu-west-1";
        let stage = aws.swap("mine", None, Some(1));
        for (operation, body) in [
            ("PutSecretValue", json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": id(2)})),
            ("UpdateSecret", json!({"SecretId": "s", "Description": "d"})),
            ("DeleteSecret", json!({"SecretId": "s"})),
            ("TagResource", json!({"SecretId": "s", "Tags": []})),
            ("RotateSecret", json!({"SecretId": "s"})),
            ("UpdateSecretVersionStage", stage),
        ] {
            assert_eq!(aws.no(operation, body), "InvalidParameterException: Operation not permitted on a replica \
                secret. Call must be made in primary secret's region.");
        }
    }
    a_name_that_exists_in_the_region_fails_the_replica_and_stays_untouched(aws) {
        aws.region = "eu-west-1";
        let foreign = aws.create("s");
        aws.region = "us-east-1";
        aws.replicated();
        let status = aws.status();
        assert_eq!((status["Status"].as_str(), status["StatusMessage"].as_str()),
            (Some("Failed"), Some("Secret with this name already exists in this region")));
        aws.region = "eu-west-1";
        assert_eq!(aws.describe()["ARN"], foreign);
    }
    force_overwrite_destroys_the_other_secret(aws) {
        aws.region = "eu-west-1";
        let foreign = aws.create("s");
        aws.region = "us-east-1";
        aws.create("s");
        let body = json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}],
            "ForceOverwriteReplicaSecret": true});
        aws.ok("ReplicateSecretToRegions", body);
        aws.wait(1);
        assert_eq!(aws.status()["Status"], "InSync");
        aws.region = "eu-west-1";
        assert_ne!(aws.describe()["ARN"], foreign);
    }
    a_replica_key_of_the_primary_region_is_refused_and_a_missing_one_fails_the_replica(aws) {
        aws.turn(|knobs| knobs.kms_keys = Some(vec![]));
        aws.create("s");
        let replica = |key: &str| json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1", "KmsKeyId": key}]});
        let own = "arn:aws:kms:us-east-1:123456789012:alias/k";
        refused!(aws.no("ReplicateSecretToRegions", replica(own)), "InvalidParameterException");
        aws.ok("ReplicateSecretToRegions", replica("alias/missing"));
        aws.wait(1);
        assert_eq!(aws.status()["Status"], "Failed");
        aws.region = "eu-west-1";
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
    }
    where_replication_fails_the_old_versions_stay(aws) {
        aws.replicated();
        aws.turn(|knobs| { knobs.replication_failures.insert("eu-west-1".into(), "Access to KMS is not allowed".into()); });
        aws.put(2, "two", json!(["AWSCURRENT"]));
        aws.wait(1);
        assert_eq!(aws.status()["StatusMessage"], "Access to KMS is not allowed");
        aws.region = "eu-west-1";
        assert_eq!(aws.value(json!({})), "one");
    }
    replicating_again_retries_what_failed(aws) {
        aws.turn(|knobs| { knobs.replication_failures.insert("eu-west-1".into(), "no".into()); });
        aws.replicated();
        assert_eq!(aws.status()["Status"], "Failed");
        aws.turn(|knobs| knobs.replication_failures.clear());
        aws.ok("ReplicateSecretToRegions", json!({"SecretId": "s", "AddReplicaRegions": [{"Region": "eu-west-1"}]}));
        aws.wait(1);
        assert_eq!(aws.status()["Status"], "InSync");
    }
    an_unreachable_region_catches_up_when_it_is_back(aws) {
        aws.replicated();
        aws.turn(|knobs| { knobs.unreachable_regions.insert("eu-west-1".into(), sandbox::Unreachable::Unavailable); });
        aws.put(2, "two", json!(["AWSCURRENT"]));
        aws.wait(600);
        assert_eq!(aws.status()["Status"], "InProgress");
        aws.region = "eu-west-1";
        assert_eq!(aws.call("DescribeSecret", &json!({"SecretId": "s"})).status(), 503);
        aws.turn(|knobs| knobs.unreachable_regions.clear());
        aws.wait(1);
        assert_eq!(aws.value(json!({})), "two");
    }
    a_removed_region_loses_its_replica_at_once(aws) {
        aws.replicated();
        let told = aws.ok("RemoveRegionsFromReplication", json!({"SecretId": "s", "RemoveReplicaRegions": ["eu-west-1"]}));
        assert_eq!(told["ReplicationStatus"], json!([]));
        assert_eq!(aws.describe().get("PrimaryRegion"), None);
        aws.region = "eu-west-1";
        refused!(aws.no("DescribeSecret", json!({"SecretId": "s"})), "ResourceNotFoundException");
    }
    a_primary_with_replicas_can_not_be_deleted(aws) {
        aws.replicated();
        assert_eq!(aws.no("DeleteSecret", json!({"SecretId": "s"})), "InvalidParameterException: You can't delete \
            secret s that still has replica regions [eu-west-1]");
    }
    a_stopped_replica_stands_alone_with_its_value(aws) {
        aws.replicated();
        refused!(aws.no("StopReplicationToReplica", json!({"SecretId": "s"})), "InvalidRequestException");
        aws.region = "eu-west-1";
        aws.ok("StopReplicationToReplica", json!({"SecretId": "s"}));
        aws.put(2, "own", json!(["AWSCURRENT"]));
        aws.region = "us-east-1";
        assert_eq!((aws.describe().get("ReplicationStatus"), aws.value(json!({}))), (None, "one".to_owned()));
    }
    tags_and_policies_are_copied(aws) {
        aws.replicated();
        aws.ok("TagResource", json!({"SecretId": "s", "Tags": [{"Key": "team", "Value": "a"}]}));
        aws.ok("PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": "{\"Statement\":[]}"}));
        aws.wait(1);
        aws.region = "eu-west-1";
        assert_eq!(aws.describe()["Tags"], json!([{"Key": "team", "Value": "a"}]));
        assert_eq!(aws.ok("GetResourcePolicy", json!({"SecretId": "s"}))["ResourcePolicy"], "{\"Statement\":[]}");
    }
    a_secret_is_not_replicated_to_its_own_region_nor_to_one_that_is_unknown(aws) {
        aws.create("s");
        for region in ["us-east-1", "mars-north-1"] {
            let body = json!({"SecretId": "s", "AddReplicaRegions": [{"Region": region}]});
            refused!(aws.no("ReplicateSecretToRegions", body), "InvalidParameterException");
        }
    }
}

// Rotation by the service.
facts! {
    rotation_begins_with_a_pending_version_without_a_value(aws) {
        aws.managed();
        let body = aws.rotate(2);
        assert_eq!(aws.ok("RotateSecret", body)["VersionId"], id(2));
        assert_eq!(aws.labels(2), ["AWSPENDING"]);
        refused!(aws.no("GetSecretValue", json!({"SecretId": "s", "VersionId": id(2)})), "ResourceNotFoundException");
        let list = aws.ok("ListSecretVersionIds", json!({"SecretId": "s", "IncludeDeprecated": true}));
        assert_eq!(list["Versions"].as_array().unwrap().len(), 1, "the placeholder is hidden here");
    }
    rotation_ends_with_a_new_current_and_no_pending(aws) {
        aws.managed();
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        assert_eq!((aws.labels(1), aws.labels(2)), (vec!["AWSPREVIOUS".to_owned()], vec!["AWSCURRENT".to_owned()]));
        let value: Value = serde_json::from_str(&aws.value(json!({}))).unwrap();
        assert_eq!(value["hostname"], "acme.bigid.cloud");
        assert_ne!(value["refreshToken"], "abc.def");
        let told = aws.describe();
        assert!(told["LastRotatedDate"].is_number() && told["RotationEnabled"] == true);
        assert_eq!(told["ExternalSecretRotationRoleArn"], ROLE);
    }
    the_schedule_rotates_when_its_window_opens(aws) {
        aws.managed();
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        let next = aws.describe()["NextRotationDate"].as_f64().unwrap();
        assert_eq!(next, "2026-01-12T00:00:00Z".parse::<Timestamp>().unwrap().as_second() as f64);
        aws.wait(11 * 86_400);
        assert_eq!(aws.labels(2), ["AWSPREVIOUS"]);
        assert!(aws.describe()["NextRotationDate"].as_f64().unwrap() > next);
    }
    a_failed_rotation_leaves_pending_on_an_empty_version_and_blocks_the_next(aws) {
        aws.managed();
        aws.turn(|knobs| knobs.rotation_failure = Some(RotationFailure::EmptyPending));
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        assert_eq!(aws.labels(2), ["AWSPENDING"]);
        refused!(aws.no("GetSecretValue", json!({"SecretId": "s", "VersionId": id(2)})), "ResourceNotFoundException");
        let again = aws.rotate(3);
        assert_eq!(aws.no("RotateSecret", again), "InvalidRequestException: A previous rotation isn't complete. That \
            rotation will be reattempted.");
    }
    a_failed_rotation_is_reattempted_as_the_error_says(aws) {
        aws.managed();
        aws.turn(|knobs| knobs.rotation_failure = Some(RotationFailure::PendingWithValue));
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        aws.turn(|knobs| knobs.rotation_failure = None);
        let again = aws.rotate(3);
        refused!(aws.no("RotateSecret", again), "InvalidRequestException");
        aws.wait(1);
        assert_eq!(aws.labels(2), ["AWSCURRENT"]);
    }
    taking_pending_away_lets_a_rotation_begin_anew(aws) {
        aws.managed();
        aws.turn(|knobs| knobs.rotation_failure = Some(RotationFailure::EmptyPending));
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        aws.turn(|knobs| knobs.rotation_failure = None);
        let body = aws.swap("AWSPENDING", Some(2), None);
        aws.ok("UpdateSecretVersionStage", body);
        let body = aws.rotate(3);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        assert_eq!(aws.labels(3), ["AWSCURRENT"]);
    }
    a_role_that_can_not_be_assumed_is_an_invalid_request(aws) {
        aws.managed();
        aws.turn(|knobs| knobs.refused_roles = vec![ROLE.into()]);
        let body = aws.rotate(2);
        refused!(aws.no("RotateSecret", body), "InvalidRequestException: Secrets Manager is unable to assume role");
        assert_eq!(aws.describe().get("RotationEnabled"), None);
    }
    a_secret_without_type_and_lambda_does_not_rotate(aws) {
        aws.create("s");
        assert_eq!(aws.no("RotateSecret", json!({"SecretId": "s", "ClientRequestToken": id(2)})),
            "InvalidRequestException: No Lambda rotation function ARN is associated with this secret.");
        let body = aws.rotate(2);
        refused!(aws.no("RotateSecret", body), "InvalidParameterException");
    }
    a_wrong_value_is_accepted_and_fails_the_rotation(aws) {
        aws.ok("CreateSecret", json!({"Name": "s", "SecretString": "{}", "ClientRequestToken": id(1),
            "Type": "BigIDClientSecret"}));
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.wait(1);
        assert_eq!((aws.labels(1), aws.labels(2)), (vec!["AWSCURRENT".to_owned()], vec!["AWSPENDING".to_owned()]));
    }
    a_value_of_a_managed_external_secret_is_not_written_by_hand(aws) {
        aws.managed();
        for operation in ["PutSecretValue", "UpdateSecret"] {
            let body = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": id(2)});
            refused!(aws.no(operation, body), "InvalidRequestException");
        }
    }
    a_secret_is_migrated_to_a_type_by_update(aws) {
        aws.create("s");
        let value = json!({"hostname": "h", "refreshToken": "t"}).to_string();
        let body = json!({"SecretId": "s", "Type": "BigIDClientSecret", "SecretString": value,
            "ClientRequestToken": id(2)});
        aws.ok("UpdateSecret", body);
        assert_eq!(aws.describe()["Type"], "BigIDClientSecret");
    }
    an_unknown_type_is_refused(aws) {
        refused!(aws.no("CreateSecret", json!({"Name": "s", "Type": "Acme"})), "InvalidParameterException");
    }
    cancelling_turns_rotation_off_and_can_leave_pending_behind(aws) {
        aws.managed();
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        assert_eq!(aws.ok("CancelRotateSecret", json!({"SecretId": "s"}))["VersionId"], id(2));
        aws.wait(20 * 86_400);
        let told = aws.describe();
        assert_eq!((told["RotationEnabled"].as_bool(), told.get("NextRotationDate")), (Some(false), None));
        assert_eq!(aws.labels(2), ["AWSPENDING"]);
    }
    rotate_immediately_false_only_sets_the_schedule(aws) {
        aws.managed();
        let mut body = aws.rotate(2);
        body["RotateImmediately"] = false.into();
        aws.ok("RotateSecret", body);
        aws.wait(1);
        assert_eq!(aws.labels(1), ["AWSCURRENT"]);
        assert!(aws.describe()["NextRotationDate"].is_number());
    }
    a_new_current_during_a_rotation_abandons_it(aws) {
        aws.managed();
        aws.turn(|knobs| knobs.refuse_manual_writes = false);
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        aws.put(3, "by hand", json!(["AWSCURRENT"]));
        aws.wait(1);
        assert_eq!((aws.labels(2), aws.labels(3)), (vec![], vec!["AWSCURRENT".to_owned()]));
    }
    days_and_expression_exclude_each_other_and_the_calculated_days_are_told(aws) {
        aws.managed();
        let mut body = aws.rotate(2);
        body["RotationRules"]["AutomaticallyAfterDays"] = 10.into();
        refused!(aws.no("RotateSecret", body), "InvalidParameterException");
        let body = aws.rotate(2);
        aws.ok("RotateSecret", body);
        assert_eq!(aws.describe()["RotationRules"],
            json!({"ScheduleExpression": "rate(10 days)", "AutomaticallyAfterDays": 10}));
    }
    rotation_more_often_than_every_four_hours_is_refused(aws) {
        aws.managed();
        let mut body = aws.rotate(2);
        body["RotationRules"] = json!({"ScheduleExpression": "rate(3 hours)"});
        refused!(aws.no("RotateSecret", body), "InvalidParameterException");
    }
}

// Lists, tags, policies, rates.
facts! {
    a_list_comes_in_pages(aws) {
        for number in 0..7 {
            aws.ok("CreateSecret", json!({"Name": format!("n{number}")}));
        }
        let mut names = Vec::new();
        let mut body = json!({"MaxResults": 3});
        loop {
            let told = aws.ok("ListSecrets", body.clone());
            names.extend(told["SecretList"].as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap().to_owned()));
            match told.get("NextToken") {
                Some(token) => body["NextToken"] = token.clone(),
                None => break,
            }
        }
        assert_eq!(names, ["n0", "n1", "n2", "n3", "n4", "n5", "n6"]);
    }
    a_wrong_page_token_is_refused(aws) {
        refused!(aws.no("ListSecrets", json!({"NextToken": "?"})), "InvalidNextTokenException");
    }
    a_page_has_at_most_a_hundred_entries(aws) {
        refused!(aws.no("ListSecrets", json!({"MaxResults": 101})), "ValidationException");
    }
    filters_match_by_prefix_tags_apart_and_an_exclamation_mark_negates(aws) {
        aws.ok("CreateSecret", json!({"Name": "team-a/x", "Tags": [{"Key": "team", "Value": "a"}]}));
        aws.ok("CreateSecret", json!({"Name": "team-b/x", "Tags": [{"Key": "owner", "Value": "b"}]}));
        for (key, value, found) in [
            ("name", "team-a", json!(["team-a/x"])),
            ("name", "TEAM-A", json!([])),
            ("name", "!team-a", json!(["team-b/x"])),
            ("tag-key", "own", json!(["team-b/x"])),
            ("tag-value", "a", json!(["team-a/x"])),
            ("all", "TEAM", json!(["team-a/x", "team-b/x"])),
        ] {
            let told = aws.ok("ListSecrets", json!({"Filters": [{"Key": key, "Values": [value]}]}));
            let names: Value = told["SecretList"].as_array().unwrap().iter().map(|one| one["Name"].clone()).collect();
            assert_eq!(names, found, "{key}={value}");
        }
    }
    a_batch_tells_values_and_failures_side_by_side(aws) {
        aws.create("s");
        let told = aws.ok("BatchGetSecretValue", json!({"SecretIdList": ["s", "missing"]}));
        assert_eq!(told["SecretValues"][0]["SecretString"], "one");
        assert_eq!((&told["Errors"][0]["SecretId"], &told["Errors"][0]["ErrorCode"]),
            (&json!("missing"), &json!("ResourceNotFoundException")));
    }
    a_batch_takes_ids_or_filters_and_at_most_twenty(aws) {
        let both = json!({"SecretIdList": ["s"], "Filters": [{"Key": "name", "Values": ["s"]}]});
        refused!(aws.no("BatchGetSecretValue", both), "InvalidParameterException");
        refused!(aws.no("BatchGetSecretValue", json!({"SecretIdList": vec!["s"; 21]})), "ValidationException");
        refused!(aws.no("BatchGetSecretValue", json!({"SecretIdList": ["s"], "MaxResults": 5})), "InvalidParameter");
    }
    a_tag_key_is_overwritten_fifty_are_the_most_and_aws_is_reserved(aws) {
        aws.create("s");
        for value in ["a", "b"] {
            aws.ok("TagResource", json!({"SecretId": "s", "Tags": [{"Key": "team", "Value": value}]}));
        }
        assert_eq!(aws.describe()["Tags"], json!([{"Key": "team", "Value": "b"}]));
        let many: Vec<Value> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
        refused!(aws.no("TagResource", json!({"SecretId": "s", "Tags": many})), "InvalidParameterException");
        let reserved = json!({"SecretId": "s", "Tags": [{"Key": "aws:x", "Value": ""}]});
        refused!(aws.no("TagResource", reserved), "InvalidParameterException");
        aws.ok("UntagResource", json!({"SecretId": "s", "TagKeys": ["team", "absent"]}));
        assert_eq!(aws.describe()["Tags"], json!([]));
    }
    a_policy_must_be_a_policy_and_can_be_kept_from_the_public(aws) {
        aws.create("s");
        refused!(aws.no("PutResourcePolicy", json!({"SecretId": "s", "ResourcePolicy": "{"})),
            "MalformedPolicyDocumentException");
        let public = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
        let body = json!({"SecretId": "s", "ResourcePolicy": public, "BlockPublicPolicy": true});
        refused!(aws.no("PutResourcePolicy", body), "PublicPolicyException");
        let told = aws.ok("ValidateResourcePolicy", json!({"ResourcePolicy": public}));
        assert_eq!(told["PolicyValidationPassed"], false);
    }
    a_random_password_has_each_included_kind(aws) {
        let body = json!({"PasswordLength": 4, "ExcludePunctuation": false});
        let told = aws.ok("GetRandomPassword", body);
        let password = told["RandomPassword"].as_str().unwrap();
        assert!(password.len() == 4 && password.chars().any(char::is_numeric) && password.chars().any(char::is_lowercase)
            && password.chars().any(char::is_uppercase) && password.chars().any(|c| c.is_ascii_punctuation()));
    }
    writes_share_fifty_a_second_for_an_account_and_region(aws) {
        aws.create("s");
        aws.turn(|knobs| knobs.throttling = true);
        let body = json!({"SecretId": "s", "Description": "d"});
        for _ in 0..50 {
            aws.ok("UpdateSecret", body.clone());
        }
        assert_eq!(aws.no("UpdateSecret", body.clone()), "ThrottlingException: Rate exceeded");
        aws.describe();
        aws.region = "us-west-2";
        refused!(aws.no("UpdateSecret", body.clone()), "ResourceNotFoundException");
        aws.region = "us-east-1";
        aws.wait(1);
        aws.ok("UpdateSecret", body);
    }
    the_last_access_is_told_by_the_day(aws) {
        aws.create("s");
        assert_eq!(aws.describe().get("LastAccessedDate"), None, "describing is no access");
        aws.value(json!({}));
        assert_eq!(aws.describe()["LastAccessedDate"].as_f64().unwrap() % 86_400.0, 0.0);
    }
    a_late_call_takes_effect_after_its_caller_gave_up(aws) {
        aws.create("s");
        let fault = json!({"operation": "PutSecretValue", "count": 1, "fate": {"kind": "late", "ms": 5_000}});
        aws.world.plant(serde_json::from_value(fault).unwrap());
        let body = json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": id(2)});
        assert!(matches!(aws.call("PutSecretValue", &body).outcome, sandbox::Outcome::Closed));
        assert_eq!(aws.value(json!({})), "one");
        aws.wait(5);
        assert_eq!(aws.value(json!({})), "two");
    }
    an_operation_that_does_not_exist_is_unknown(aws) {
        refused!(aws.no("RotateEverything", json!({})), "UnknownOperationException");
    }
}

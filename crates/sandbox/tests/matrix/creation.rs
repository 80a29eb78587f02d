//! Names, ARNs, creation.

use super::*;

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
        let now = aws.now;
        let answer = aws.world().call(Door::Aws, &request.unwrap(), now);
        assert_eq!(answer.json()["__type"], "MissingAuthenticationTokenException");
    }
    an_unknown_access_key_is_an_unrecognized_client(aws) {
        aws.turn(|knobs| knobs.refused_access_keys = vec!["AKIAMATRIX".into()]);
        refused!(aws.no("ListSecrets", json!({})), "UnrecognizedClientException");
    }
}

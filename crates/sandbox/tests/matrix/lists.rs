//! Lists, tags, policies, rates.

use super::*;

facts! {
    a_list_comes_in_pages(aws) {
        for number in 0..7 {
            aws.ok("CreateSecret", json!({"Name": format!("n{number}")}));
        }
        let mut names = Vec::new();
        let mut body = json!({"MaxResults": 3});
        for _ in 0..4 {
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
        aws.world().plant(serde_json::from_value(fault).unwrap());
        let body = json!({"SecretId": "s", "SecretString": "two", "ClientRequestToken": id(2)});
        assert_eq!(aws.call("PutSecretValue", &body).0, 0, "no answer");
        assert_eq!(aws.value(json!({})), "one");
        aws.wait(5);
        assert_eq!(aws.value(json!({})), "two");
    }
    an_operation_that_does_not_exist_is_unknown(aws) {
        refused!(aws.no("RotateEverything", json!({})), "UnknownOperationException");
    }
}

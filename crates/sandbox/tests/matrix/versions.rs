//! Versions and labels.

use super::*;

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

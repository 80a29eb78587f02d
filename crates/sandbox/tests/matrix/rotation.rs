//! Rotation by the service.

use super::*;

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

//! Deletion.

use super::*;

facts! {
    deletion_waits_thirty_days_unless_told_seven_to_thirty(aws) {
        aws.create("s");
        for days in [6, 31] {
            let body = json!({"SecretId": "s", "RecoveryWindowInDays": days});
            refused!(aws.no("DeleteSecret", body), "InvalidParameterException");
        }
        let told = aws.ok("DeleteSecret", json!({"SecretId": "s"}));
        let days = (told["DeletionDate"].as_f64().unwrap() - aws.now.as_second() as f64) / 86_400.0;
        assert!((days - 30.0).abs() < 0.001, "{days}");
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

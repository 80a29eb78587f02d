//! Replication.

use super::*;

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
        assert_eq!(aws.call("DescribeSecret", &json!({"SecretId": "s"})).0, 503);
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

//! The same rows asked of an emulator that is not ours: what both say is no invention of ours.
//!
//! Invariant: [`RIGHT`] is every row that it can be asked and that it agrees with, and no other. Of those that it does not
//! agree with it is known to be wrong: it checks few inputs, takes a token twice, knows no managed external secrets, and
//! its replicas are its primaries. So a row that fails here and not on our side is one to look up in AWS's documentation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::*;

/// Where it is right.
const RIGHT: &[&str] = &[
    "an_arn_ends_in_six_random_characters",
    "a_secret_is_found_by_name_by_arn_and_by_arn_without_its_suffix",
    "a_missing_secret_is_resource_not_found",
    "an_arn_of_another_region_is_not_found_here",
    "each_region_has_its_own_secrets",
    "a_name_is_taken_once",
    "the_same_create_again_is_the_same_secret",
    "the_same_create_with_another_value_is_refused",
    "a_secret_without_a_value_has_no_version",
    "a_binary_value_comes_back_as_it_was",
    "the_first_version_is_current_whatever_labels_are_asked_for",
    "put_without_stages_moves_awscurrent_at_once",
    "put_as_pending_leaves_current_alone",
    "update_secret_with_a_value_moves_awscurrent",
    "put_without_a_value_is_an_invalid_request",
    "a_label_moves_only_from_the_version_that_has_it",
    "a_label_in_use_does_not_move_without_remove_from",
    "promotion_puts_awsprevious_on_the_version_left",
    "moving_back_to_awsprevious_is_a_rollback",
    "a_label_is_taken_away_by_remove_from_alone",
    "a_free_label_is_added_by_move_to_alone",
    "a_version_id_with_a_label_it_lacks_is_an_invalid_request",
    "deletion_waits_thirty_days_unless_told_seven_to_thirty",
    "a_forced_delete_is_at_once_and_never_not_found",
    "force_and_window_exclude_each_other",
    "a_list_hides_what_is_scheduled_for_deletion_unless_asked",
    "a_replica_has_the_same_arn_but_for_the_region",
    "force_overwrite_destroys_the_other_secret",
    "a_removed_region_loses_its_replica_at_once",
    "a_primary_with_replicas_can_not_be_deleted",
    "a_list_comes_in_pages",
    "filters_match_by_prefix_tags_apart_and_an_exclamation_mark_negates",
    "a_batch_tells_values_and_failures_side_by_side",
    "a_random_password_has_each_included_kind",
];

#[test]
fn a_second_emulator_says_the_same_where_it_is_right() {
    let moto = xtask::Moto::start().expect("moto");
    let groups = [creation::ROWS, versions::ROWS, deletion::ROWS, replication::ROWS, rotation::ROWS, lists::ROWS];
    let (mut agreed, mut apart, mut differs) = (Vec::new(), 0, Vec::new());
    for (name, row) in groups.concat() {
        ureq::post(format!("{}/moto-api/reset", moto.url())).send_empty().expect("an empty emulator");
        let mut aws = Aws::of(Side::Second(moto.url().to_owned()), Timestamp::now());
        match catch_unwind(AssertUnwindSafe(|| row(&mut aws))) {
            Ok(()) => agreed.push(name),
            Err(why) if why.is::<OursAlone>() => apart += 1,
            Err(_) => differs.push(name),
        }
    }
    println!("{} rows hold there too, {} do not ({differs:?}), {apart} are ours alone", agreed.len(), differs.len());
    assert_eq!(agreed, RIGHT);
}

/// Status and body of its answer.
pub(super) fn call(url: &str, request: Request<Bytes>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into();
    let (mut head, body) = request.into_parts();
    head.uri = url.parse().expect("a URL");
    let mut response = agent.run(Request::from_parts(head, body.to_vec())).expect("an answer");
    let told = response.body_mut().read_to_string().unwrap_or_default();
    (response.status().as_u16(), without_nulls(serde_json::from_str(&told).unwrap_or_default()))
}

/// It tells what is not there as null.
fn without_nulls(told: Value) -> Value {
    match told {
        Value::Object(fields) => {
            let there = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(each) => Value::Array(each.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

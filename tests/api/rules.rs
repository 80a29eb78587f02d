//! No rule without a manifest that it refuses: one that can't refuse, or that nobody tried, is worse than none.

use serde_json::Value;

use crate::server::yaml_files;
use crate::table::refusals;
use crate::{accounts, resources, rotations, stores, updates};

#[test]
fn every_rule_of_the_definitions_refuses_something_in_the_tables() {
    // Each is a test of its own too; asked here again, since tests run in no order.
    let tables: &[fn()] = &[
        accounts::an_account_is_a_place_reached_over_tls,
        accounts::an_admin_is_one_and_a_grant_beside_it_names_identities,
        resources::a_name_leaves_room_for_what_is_named_after_it,
        resources::onboarding_has_one_source_and_what_that_source_needs,
        resources::a_partner_and_a_store_are_named_never_pointed_at,
        resources::a_region_is_a_region_once_with_a_key_of_its_own,
        resources::a_schedule_is_one_that_secrets_manager_knows,
        resources::a_rotation_policy_fits_its_engine,
        resources::a_target_carries_fields_of_the_credential_and_nothing_of_ours,
        resources::deletion_has_three_answers_and_never_takes_what_was_not_ours,
        rotations::a_rotation_is_asked_for_in_one_line,
        rotations::a_candidate_of_ones_own_is_one_secret_here_or_one_version,
        stores::a_store_is_an_account_a_region_and_a_prefix,
        stores::a_store_grants_names_and_never_anothers_namespace,
        updates::what_is_fixed_once_onboarded_can_be_mended_until_then,
        updates::a_rotation_never_changes_and_a_store_keeps_its_prefix_and_region,
    ];
    tables.iter().for_each(|table| table());
    let seen = refusals();
    let mut sentences = Vec::new();
    for file in yaml_files("crds") {
        let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        rules(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut sentences);
    }
    assert!(sentences.len() > 50, "{} rules", sentences.len());
    sentences.retain(|sentence| !seen.contains(sentence.as_str()));
    assert!(sentences.is_empty(), "nothing was refused with:\n{}", sentences.join("\n"));
}

/// The sentences of all rules, at every depth.
fn rules(schema: &Value, sentences: &mut Vec<String>) {
    let own = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    sentences.extend(own.map(|rule| rule["message"].as_str().expect("every rule has a sentence").to_owned()));
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, property)| rules(property, sentences));
    if schema["items"].is_object() {
        rules(&schema["items"], sentences);
    }
}

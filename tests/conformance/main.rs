//! One suite for every partner: what a driver says of itself and what it does are held to each other in both directions.
//!
//! Runs against a real PostgreSQL and, for Salesforce, the sandbox over TLS; what a credential can do is asked by other
//! clients than the drivers (psql, the stand-in itself). A new partner adds a bench and one line below.

mod bench;
mod hostile;
mod postgresql;
mod salesforce;
mod suite;

use std::collections::BTreeSet;

use managed_external_secrets::partners::registry;

/// The cases of the suite, each a function of its name in `suite`.
macro_rules! cases {
    ($set_up:path) => {
        cases! { $set_up:
            it_has_a_contract_for_what_it_is_asked_to_do
            what_was_made_is_accepted_and_listed_with_its_version
            a_wrong_credential_is_refused_one_of_another_host_is_alien_a_maimed_one_malformed
            making_it_again_leaves_one_candidate
            the_superseded_one_is_revoked_once_and_no_other
            a_revocation_ends_only_the_bytes_that_are_held
            verbs_that_the_contract_lacks_are_undeclared
            an_outage_is_a_fault_and_never_a_refusal
            a_foreign_credential_is_listed_without_version_and_never_touched
            what_is_told_of_calls_holds_no_value
        }
    };
    ($set_up:path: $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            crate::suite::$case(&$set_up().await).await;
        }
    )*};
}

mod postgresql_by_an_admin {
    cases!(crate::postgresql::two_roles);
}

mod postgresql_in_place {
    cases!(crate::postgresql::one_role);
}

mod salesforce_by_itself {
    cases!(crate::salesforce::by_itself);
}

mod salesforce_by_an_admin {
    cases!(crate::salesforce::by_an_admin);
}

const BENCHES: &[&str] = &["PostgreSQLRole", "SalesforceClientSecret"];

#[test]
fn every_driver_has_a_bench() {
    let drivers: BTreeSet<_> = registry().drivers().iter().map(|driver| (driver.describe)().name).collect();
    assert_eq!(drivers, BENCHES.iter().copied().collect());
}

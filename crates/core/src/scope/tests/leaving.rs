//! What of a broken spec still counts once the resource is being deleted.

use super::*;

/// What a row of the table is refused for lies in `spec.rotation` alone, but for who rotates.
fn of_the_rotation(reason: &Reason) -> bool {
    match reason {
        Reason::InvalidSchedule(_)
        | Reason::InvalidDuration(_)
        | Reason::InvalidInterval(_)
        | Reason::InvalidOverlap(_)
        | Reason::DisruptionNotAllowed => true,
        Reason::InvalidSpec { field, .. } => field.starts_with("rotation.") && *field != "rotation.engine",
        _ => false,
    }
}

#[test]
fn t29_a_rotation_policy_broken_on_purpose_keeps_nothing_from_being_paid_and_all_else_is_refused_as_ever() {
    let mut paid = 0;
    for (number, (_, _, served, spoil)) in refused::REFUSED.iter().enumerate() {
        let mut world = served();
        spoil(&mut world);
        let refusal = world.refusal();
        let leaving = world.resource_in(Some(Timestamp::UNIX_EPOCH)).spec;
        if of_the_rotation(&refusal) {
            let spec = leaving.unwrap_or_else(|reason| panic!("row {number}: {reason}"));
            let whole = served().spec();
            assert_eq!(spec.scope.store_secret, whole.scope.store_secret, "row {number}");
            assert_eq!(spec.scope.targets, whole.scope.targets, "row {number}: all that may hold it is asked");
            assert!(spec.rotation.schedule.is_none(), "row {number}");
            paid += 1;
        } else {
            assert_eq!(leaving.expect_err("refused"), refusal, "row {number}");
        }
    }
    assert_eq!(paid, 9);
}

#[test]
fn a_rotation_policy_that_can_be_kept_is_kept_while_it_is_deleted() {
    let mut world = minted();
    world.written.rotation.overlap = Some("90m".to_owned());
    let spec = world.resource_in(Some(Timestamp::UNIX_EPOCH)).spec.unwrap();
    assert_eq!(spec.rotation.overlap, SignedDuration::from_mins(90));
    assert!(spec.rotation.schedule.is_some());
}

#[test]
fn what_is_broken_beside_the_rotation_policy_is_told_as_it_was_before() {
    let mut world = seeded();
    world.written.rotation.schedule = Some("every day".into());
    world.written.targets = vec![target("a"), target("a")];
    let before = world.refusal();
    assert_eq!(world.resource_in(Some(Timestamp::UNIX_EPOCH)).spec.expect_err("refused"), before);
    assert!(matches!(before, Reason::InvalidSchedule(_)));
}

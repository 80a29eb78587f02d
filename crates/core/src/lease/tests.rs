use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record(holder: &str, transitions: u32, renewed: &str) -> Record {
    let holder = Some(holder.to_owned()).filter(|holder| !holder.is_empty());
    Record { holder, transitions, renewed: Some(renewed.to_owned()) }
}

fn seen(holder: &str, since: u64) -> Seen {
    Seen { record: record(holder, 7, "any"), since: seconds(since) }
}

#[test]
fn an_absent_lease_is_taken_as_the_first_of_its_kind() {
    assert_eq!(evaluate(None, "me", seconds(0)), Standing::Acquire { transitions: 0 });
}

#[test]
fn our_own_lease_is_renewed_however_old_it_is() {
    assert_eq!(evaluate(Some(&seen("me", 0)), "me", seconds(1)), Standing::Renew);
    assert_eq!(evaluate(Some(&seen("me", 0)), "me", seconds(1000)), Standing::Renew);
}

#[test]
fn a_released_lease_is_taken_at_once_with_one_more_transition() {
    let released = Seen { record: Record { holder: None, transitions: 7, renewed: None }, since: seconds(0) };
    assert_eq!(evaluate(Some(&released), "me", seconds(0)), Standing::Acquire { transitions: 8 });
    let emptied = Seen { record: Record { holder: Some(String::new()), ..released.record }, since: seconds(0) };
    assert_eq!(evaluate(Some(&emptied), "me", seconds(0)), Standing::Acquire { transitions: 8 });
}

#[test]
fn anothers_lease_ends_fifteen_seconds_after_we_first_saw_it_not_sooner() {
    let theirs = seen("other", 100);
    assert_eq!(evaluate(Some(&theirs), "me", seconds(100)), Standing::Yield { until: seconds(115) });
    let just_before = seconds(115) - Duration::from_nanos(1);
    assert_eq!(evaluate(Some(&theirs), "me", just_before), Standing::Yield { until: seconds(115) });
    assert_eq!(evaluate(Some(&theirs), "me", seconds(115)), Standing::Acquire { transitions: 8 });
}

#[test]
fn a_record_from_a_clock_that_is_wrong_by_years_stands_as_long_as_any() {
    for renewed in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "no time at all"] {
        let theirs = Seen::observe(None, record("other", 7, renewed), seconds(5));
        assert_eq!(evaluate(Some(&theirs), "me", seconds(19)), Standing::Yield { until: seconds(20) }, "{renewed}");
        assert_eq!(evaluate(Some(&theirs), "me", seconds(20)), Standing::Acquire { transitions: 8 }, "{renewed}");
    }
}

#[test]
fn seeing_the_same_record_again_does_not_prolong_it_and_a_renewed_one_does() {
    let first = Seen::observe(None, record("other", 7, "a"), seconds(5));
    let again = Seen::observe(Some(first), record("other", 7, "a"), seconds(18));
    assert_eq!(again.since, seconds(5));
    let renewed = Seen::observe(Some(again), record("other", 7, "b"), seconds(19));
    assert_eq!(renewed.since, seconds(19));
    assert_eq!(Seen::observe(Some(renewed), record("third", 8, "b"), seconds(21)).since, seconds(21));
}

#[test]
fn a_restarted_process_waits_for_its_predecessor_of_the_same_pod() {
    assert!(matches!(evaluate(Some(&seen("pod-a/1", 0)), "pod-a/2", seconds(1)), Standing::Yield { .. }));
}

#[test]
fn the_last_transition_does_not_overflow() {
    let last = Seen { record: record("", u32::MAX, "any"), since: seconds(0) };
    assert_eq!(evaluate(Some(&last), "me", seconds(0)), Standing::Acquire { transitions: u32::MAX });
    assert!(!allows_a_call(Some(seconds(0)), Duration::MAX, Duration::MAX));
    assert!(is_lost(seconds(0), Duration::MAX));
}

#[test]
fn a_call_begins_only_with_more_than_its_budget_left_of_the_lease() {
    let budget = seconds(10);
    assert!(!allows_a_call(None, seconds(0), budget), "never held");
    assert!(allows_a_call(Some(seconds(100)), seconds(100), budget));
    assert!(allows_a_call(Some(seconds(100)), seconds(105) - Duration::from_nanos(1), budget));
    assert!(!allows_a_call(Some(seconds(100)), seconds(105), budget), "exactly the budget is not more");
    assert!(allows_a_call(Some(seconds(100)), seconds(112), seconds(2)));
    assert!(!allows_a_call(Some(seconds(100)), seconds(500), Duration::ZERO));
}

#[test]
fn a_leader_gives_up_before_another_may_begin() {
    assert!(!is_lost(seconds(100), seconds(110) - Duration::from_nanos(1)));
    assert!(is_lost(seconds(100), seconds(110)));
    // whoever saw the renewal no earlier than it was sent waits longer than the leader goes on
    assert!(RENEW_DEADLINE + RETRY_PERIOD < LEASE_DURATION);
}

//! Secrets Manager's schedules: AWS's documented examples and the edges, as tables; then what must hold for all.

use jiff::{SignedDuration, Timestamp};
use mes_core::schedule::{Due, Schedule, ScheduleError, Window, due_within};
use proptest::prelude::*;

const FOUR_HOURS: SignedDuration = SignedDuration::from_hours(4);

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn schedule(expression: &str, window: &str, zone: &str) -> Schedule {
    let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    let (window, zone): (&'static str, &'static str) = (window.to_owned().leak(), zone.to_owned().leak());
    Schedule::parse(expression, given(window), given(zone)).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// Expression, window, shortest spacing in hours.
const TAKEN: &[(&str, &str, i64)] = &[
    // AWS's examples
    ("rate(4 hours)", "", 4),
    ("rate(1 day)", "", 24),
    ("rate(10 days)", "", 240),
    ("cron(0 /8 * * ? *)", "", 8),
    ("cron(0 8/8 * * ? *)", "", 8),
    ("cron(0 2/10 * * ? *)", "", 4),
    ("cron(0 4/12 * * ? *)", "", 12),
    ("cron(0 10 * * ? *)", "", 24),
    ("cron(0 18 ? * SAT *)", "", 7 * 24),
    ("cron(0 8 1 * ? *)", "", 28 * 24),
    ("cron(0 1 ? 1/3 SUN#1 *)", "", 84 * 24),
    ("cron(0 17 L * ? *)", "", 28 * 24),
    ("cron(0 8 ? * MON-FRI *)", "", 24),
    ("cron(0 16 1,15 * ? *)", "", 14 * 24),
    ("cron(0 0 ? * SUN#1 *)", "", 28 * 24),
    ("cron(0 8 SUNL * ? *)", "", 28 * 24),
    ("cron(0 8 1/2 * ? *)", "", 24), // 31st, then 1st
    ("cron(0 8 ? * 1/2 *)", "", 24), // Saturday, then Sunday
    ("cron(0 8 1 JAN,APR,JUL,OCT ? *)", "", 90 * 24),
    ("cron(0 8 ? 1-3 1,4 *)", "", 3 * 24),
    // edges of the grammar
    ("rate(4 hour)", "", 4),
    ("rate(2 day)", "", 48),
    ("rate(999 days)", "24h", 999 * 24),
    ("rate(23976 hours)", "24h", 23_976),
    ("cron(0 /4 * * ? *)", "4h", 4),
    ("cron(0 /5 * * ? *)", "", 4),
    ("cron(0 3/10 * * ? *)", "", 4),
    ("cron(0 0/7 1 * ? *)", "", 7), // 21:00 and 00:00 never meet: one day a month
    ("cron(0 20/8 * * ? *)", "", 24),
    ("cron(0 0 ? * L *)", "", 7 * 24),
    ("cron(0 0 ? * FRIL *)", "", 28 * 24),
    ("cron(0 0 ? * 6L *)", "", 28 * 24),
    ("cron(0 0 15,L * ? *)", "", 13 * 24),
    ("cron(0 0 10-20/5 * ? *)", "", 5 * 24),
    ("cron(0 0 /10 * ? *)", "", 24),
    ("cron(0 0 29 2 ? *)", "", 1461 * 24),
    ("cron(0 0 ? FEB SUN#5 *)", "", 28 * 366 * 24), // once in 28 years: 2004, 2032
    ("cron(0 0 ? jan sun *)", "", 7 * 24),
    ("rate(30 days)", "24h", 720),
    ("cron(0 22 * * ? *)", "2h", 24),
    ("cron(0 2/10 * * ? *)", "4h", 4),
    ("cron(0 /8 * * ? *)", "8h", 8),
];

#[test]
fn what_secrets_manager_takes_is_taken_with_its_shortest_spacing() {
    for (expression, window, hours) in TAKEN {
        let spacing = schedule(expression, window, "").interval();
        assert_eq!(spacing, SignedDuration::from_hours(*hours), "{expression} {window}");
    }
}

/// Expression, window, zone, and a word of the sentence that refuses it.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("", "", "", "neither rate"),
    ("every day", "", "", "neither rate"),
    ("@daily", "", "", "neither rate"),
    ("0 10 * * *", "", "", "neither rate"),
    (" rate(4 hours)", "", "", "neither rate"),
    ("rate(4 hours", "", "", "neither rate"),
    ("RATE(4 hours)", "", "", "neither rate"),
    ("rate()", "", "", "whole number"),
    ("rate(4hours)", "", "", "whole number"),
    ("rate(4  hours)", "", "", "whole number"),
    ("rate(4 weeks)", "", "", "whole number"),
    ("rate(1.5 days)", "", "", "whole number"),
    ("rate(-1 days)", "", "", "whole number"),
    ("rate(0 days)", "", "", "whole number"),
    ("rate(1 hour)", "", "", "every four hours"),
    ("rate(3 hours)", "", "", "every four hours"),
    ("rate(1000 days)", "", "", "999 days"),
    ("rate(23977 hours)", "", "", "999 days"),
    ("rate(99999999999999999999 days)", "", "", "999 days"),
    ("cron()", "", "", "six fields"),
    ("cron(0 10 * * ?)", "", "", "six fields"),
    ("cron(0  10 * * ? *)", "", "", "six fields"),
    ("cron(0 0 10 * * ? *)", "", "", "six fields"),
    ("cron(30 10 * * ? *)", "", "", "minutes"),
    ("cron(* 10 * * ? *)", "", "", "minutes"),
    ("cron(0 10 * * ? 2026)", "", "", "year"),
    ("cron(0 * * * ? *)", "", "", "hours of cron"),
    ("cron(0 */8 * * ? *)", "", "", "hours of cron"),
    ("cron(0 8,20 * * ? *)", "", "", "hours of cron"),
    ("cron(0 8-20 * * ? *)", "", "", "hours of cron"),
    ("cron(0 24 * * ? *)", "", "", "hours of cron"),
    ("cron(0 2/0 * * ? *)", "", "", "hours of cron"),
    ("cron(0 1 * 1/3 SUN *)", "", "", "exactly one"),
    ("cron(0 10 * * * *)", "", "", "exactly one"),
    ("cron(0 10 ? * ? *)", "", "", "exactly one"),
    ("cron(0 10 0 * ? *)", "", "", "day-of-month"),
    ("cron(0 10 32 * ? *)", "", "", "day-of-month"),
    ("cron(0 10 15W * ? *)", "", "", "day-of-month"),
    ("cron(0 10 L-3 * ? *)", "", "", "day-of-month"),
    ("cron(0 10 1, * ? *)", "", "", "day-of-month"),
    ("cron(0 10 20-10 * ? *)", "", "", "backwards"),
    ("cron(0 10 1 13 ? *)", "", "", "month"),
    ("cron(0 10 1 L ? *)", "", "", "month"),
    ("cron(0 10 ? * 0 *)", "", "", "day-of-week"),
    ("cron(0 10 ? * 8 *)", "", "", "day-of-week"),
    ("cron(0 10 ? * MOON *)", "", "", "day-of-week"),
    ("cron(0 10 ? * FRI-MON *)", "", "", "backwards"),
    ("cron(0 10 ? * TUE#6 *)", "", "", "# in day-of-week"),
    ("cron(0 10 ? * TUE#0 *)", "", "", "# in day-of-week"),
    ("cron(0 10 ? * TUE#1,FRI#2 *)", "", "", "# in day-of-week"),
    ("cron(0 /3 * * ? *)", "", "", "every four hours"),
    ("cron(0 0/7 * * ? *)", "", "", "every four hours"), // 21:00, then 00:00
    ("cron(0 0/11 L,1 * ? *)", "", "", "every four hours"), // 22:00 on the last, 00:00 on the first
    ("cron(0 0 31 2 ? *)", "", "", "never fires"),
    ("cron(0 0 30 FEB ? *)", "", "", "never fires"),
    ("cron(0 0 31 4,6,9,11 ? *)", "", "", "never fires"),
    ("rate(30 days)", "25h", "", "from 1h to 24h"),
    ("rate(30 days)", "0h", "", "from 1h to 24h"),
    ("rate(30 days)", "03h", "", "from 1h to 24h"),
    ("rate(30 days)", "3", "", "from 1h to 24h"),
    ("rate(30 days)", "90m", "", "from 1h to 24h"),
    ("rate(4 hours)", "5h", "", "at most 4h"),
    ("cron(0 /8 * * ? *)", "9h", "", "at most 8h"),
    ("cron(0 2/10 * * ? *)", "5h", "", "at most 4h"),
    ("cron(0 22 * * ? *)", "3h", "", "from 22:00 reaches into the next day"),
    ("cron(0 18 ? * SAT *)", "7h", "", "at most 6h"),
    ("rate(30 days)", "", "Mars/Olympus", "no IANA time zone"),
    ("rate(30 days)", "", "+02:00", "no IANA time zone"),
    ("rate(30 days)", "", "../../etc/passwd", "no IANA time zone"),
];

#[test]
fn what_secrets_manager_refuses_is_refused_by_a_sentence_that_names_field_and_remedy() {
    for (expression, window, zone, words) in REFUSED {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let error = match Schedule::parse(expression, given(window), given(zone)) {
            Ok(_) => panic!("taken: {expression} {window} {zone}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(words), "{expression} {window} {zone}: {error}");
        assert!(error.starts_with("rotation."), "{error}");
    }
    assert_eq!(Schedule::parse("rate(1 day)", None, Some("")).unwrap_err(), ScheduleError::UnknownZone);
}

/// Expression, window, zone, last rotation; the next window opens, closes.
const NEXT: &[(&str, &str, &str, &str, &str, &str)] = &[
    // AWS's examples, in UTC
    ("rate(4 hours)", "", "", "2026-01-05T08:20:00Z", "2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z"),
    ("rate(4 hours)", "", "", "2026-01-05T10:20:00Z", "2026-01-05T16:00:00Z", "2026-01-05T17:00:00Z"), // by request
    ("rate(4 hours)", "4h", "", "2026-01-05T10:20:00Z", "2026-01-05T14:20:00Z", "2026-01-05T16:00:00Z"),
    ("rate(12 hours)", "", "", "2026-01-05T12:40:00Z", "2026-01-06T00:00:00Z", "2026-01-06T01:00:00Z"),
    ("rate(12 hours)", "", "", "2026-01-05T05:00:00Z", "2026-01-05T12:00:00Z", "2026-01-05T13:00:00Z"), // nearest
    ("rate(12 hours)", "", "", "2026-01-05T07:00:00Z", "2026-01-06T00:00:00Z", "2026-01-06T01:00:00Z"),
    ("rate(1 day)", "", "", "2026-01-05T10:20:00Z", "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"),
    ("rate(10 days)", "", "", "2026-01-05T13:20:00Z", "2026-01-15T00:00:00Z", "2026-01-16T00:00:00Z"),
    ("cron(0 /8 * * ? *)", "", "", "2026-07-15T00:20:00Z", "2026-07-15T08:00:00Z", "2026-07-15T09:00:00Z"),
    ("cron(0 8/8 * * ? *)", "", "", "2026-07-15T16:20:00Z", "2026-07-16T08:00:00Z", "2026-07-16T09:00:00Z"),
    ("cron(0 2/10 * * ? *)", "", "", "2026-07-15T12:30:00Z", "2026-07-15T22:00:00Z", "2026-07-15T23:00:00Z"),
    ("cron(0 2/10 * * ? *)", "", "", "2026-07-15T22:30:00Z", "2026-07-16T02:00:00Z", "2026-07-16T03:00:00Z"),
    ("cron(0 4/12 * * ? *)", "", "", "2026-07-15T16:59:59Z", "2026-07-16T04:00:00Z", "2026-07-16T05:00:00Z"),
    ("cron(0 10 * * ? *)", "", "", "2026-07-15T00:00:00Z", "2026-07-15T10:00:00Z", "2026-07-16T00:00:00Z"),
    ("cron(0 18 ? * SAT *)", "", "", "2026-07-15T00:00:00Z", "2026-07-18T18:00:00Z", "2026-07-19T00:00:00Z"),
    ("cron(0 8 1 * ? *)", "", "", "2026-12-15T00:00:00Z", "2027-01-01T08:00:00Z", "2027-01-02T00:00:00Z"),
    ("cron(0 1 ? 1/3 SUN#1 *)", "", "", "2026-07-15T00:00:00Z", "2026-10-04T01:00:00Z", "2026-10-05T00:00:00Z"),
    ("cron(0 17 L * ? *)", "", "", "2026-07-15T00:00:00Z", "2026-07-31T17:00:00Z", "2026-08-01T00:00:00Z"),
    ("cron(0 17 L * ? *)", "", "", "2028-02-01T00:00:00Z", "2028-02-29T17:00:00Z", "2028-03-01T00:00:00Z"),
    ("cron(0 8 ? * MON-FRI *)", "", "", "2026-07-24T09:00:00Z", "2026-07-27T08:00:00Z", "2026-07-28T00:00:00Z"),
    ("cron(0 16 1,15 * ? *)", "", "", "2026-07-15T16:00:00Z", "2026-08-01T16:00:00Z", "2026-08-02T00:00:00Z"),
    ("cron(0 0 ? * SUN#1 *)", "", "", "2026-06-30T00:00:00Z", "2026-07-05T00:00:00Z", "2026-07-06T00:00:00Z"),
    ("cron(0 8 SUNL * ? *)", "2h", "", "2026-07-01T00:00:00Z", "2026-07-26T08:00:00Z", "2026-07-26T10:00:00Z"),
    ("cron(0 8 ? * TUE#3 *)", "", "", "2026-07-01T00:00:00Z", "2026-07-21T08:00:00Z", "2026-07-22T00:00:00Z"),
    ("cron(0 8 ? * 2 *)", "", "", "2026-07-15T00:00:00Z", "2026-07-20T08:00:00Z", "2026-07-21T00:00:00Z"), // 2 = Monday
    ("cron(0 8 ? * L *)", "", "", "2026-07-15T00:00:00Z", "2026-07-18T08:00:00Z", "2026-07-19T00:00:00Z"), // Saturday
    // months and years
    ("cron(0 0 31 * ? *)", "", "", "2026-08-31T01:00:00Z", "2026-10-31T00:00:00Z", "2026-11-01T00:00:00Z"),
    ("cron(0 0 29 2 ? *)", "", "", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
    ("cron(0 0 29 2 ? *)", "", "", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", "2104-03-01T00:00:00Z"),
    ("cron(0 0 ? FEB SUN#5 *)", "", "", "2032-03-01T00:00:00Z", "2060-02-29T00:00:00Z", "2060-03-01T00:00:00Z"),
    ("rate(999 days)", "6h", "", "2026-01-01T05:00:00Z", "2028-09-26T00:00:00Z", "2028-09-26T06:00:00Z"),
    // never closer than four hours: a rotation outside a window puts the near one off, and cuts the start of a long one
    ("cron(0 4 * * ? *)", "1h", "", "2026-07-15T03:59:00Z", "2026-07-16T04:00:00Z", "2026-07-16T05:00:00Z"),
    ("cron(0 4 * * ? *)", "1h", "", "2026-07-15T00:00:00Z", "2026-07-15T04:00:00Z", "2026-07-15T05:00:00Z"),
    ("cron(0 0 * * ? *)", "", "", "2026-07-15T23:50:00Z", "2026-07-16T03:50:00Z", "2026-07-17T00:00:00Z"),
    ("rate(1 day)", "", "", "2026-01-05T23:50:00Z", "2026-01-06T03:50:00Z", "2026-01-07T00:00:00Z"),
    ("rate(1 day)", "1h", "", "2026-01-05T23:50:00Z", "2026-01-07T00:00:00Z", "2026-01-07T01:00:00Z"),
    ("rate(1 day)", "1h", "", "2026-01-05T20:00:00Z", "2026-01-06T00:00:00Z", "2026-01-06T01:00:00Z"),
    ("cron(0 2 ? * SUN *)", "3h", "", "2026-07-18T23:00:00Z", "2026-07-19T03:00:00Z", "2026-07-19T05:00:00Z"),
    ("cron(0 2 ? * SUN *)", "3h", "", "2026-07-19T01:00:00Z", "2026-07-26T02:00:00Z", "2026-07-26T05:00:00Z"),
    (
        "cron(0 /4 * * ? *)",
        "4h",
        "Europe/Berlin",
        "2026-03-28T23:00:00Z",
        "2026-03-29T03:00:00Z",
        "2026-03-29T06:00:00Z",
    ),
    ("cron(0 /4 * * ? *)", "4h", "", "2026-07-15T03:30:00Z", "2026-07-15T07:00:00Z", "2026-07-15T08:00:00Z"),
    ("cron(0 /4 * * ? *)", "1h", "", "2026-07-15T00:59:59Z", "2026-07-15T04:00:00Z", "2026-07-15T05:00:00Z"),
    ("cron(0 /4 * * ? *)", "1h", "", "2026-07-15T01:00:00Z", "2026-07-15T08:00:00Z", "2026-07-15T09:00:00Z"),
    ("cron(0 2/10 * * ? *)", "4h", "", "2026-07-15T01:30:00Z", "2026-07-15T05:00:00Z", "2026-07-15T06:00:00Z"),
    // zones
    (
        "cron(0 2 ? * SUN *)",
        "3h",
        "Europe/Berlin",
        "2026-07-15T00:00:00Z",
        "2026-07-19T00:00:00Z",
        "2026-07-19T03:00:00Z",
    ),
    ("cron(0 2 * * ? *)", "1h", "Asia/Kolkata", "2026-07-15T12:00:00Z", "2026-07-15T20:30:00Z", "2026-07-15T21:30:00Z"),
    (
        "cron(0 10 * * ? *)",
        "1h",
        "America/New_York",
        "2026-01-05T16:00:00Z",
        "2026-01-06T15:00:00Z",
        "2026-01-06T16:00:00Z",
    ),
    ("rate(1 day)", "", "Pacific/Kiritimati", "2026-07-15T11:00:00Z", "2026-07-16T10:00:00Z", "2026-07-17T10:00:00Z"),
    ("rate(4 hours)", "", "Asia/Kolkata", "2026-07-15T08:20:00Z", "2026-07-15T12:00:00Z", "2026-07-15T13:00:00Z"),
    // 02:00 is skipped on 29 March 2026 in Berlin: once, at 03:00
    (
        "cron(0 2 * * ? *)",
        "1h",
        "Europe/Berlin",
        "2026-03-28T01:10:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T02:00:00Z",
    ),
    (
        "cron(0 2 * * ? *)",
        "1h",
        "Europe/Berlin",
        "2026-03-29T01:10:00Z",
        "2026-03-30T00:00:00Z",
        "2026-03-30T01:00:00Z",
    ),
    // 02:00 comes twice on 25 October 2026: once, the first time, with both hours to it
    (
        "cron(0 2 * * ? *)",
        "1h",
        "Europe/Berlin",
        "2026-10-24T00:10:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T02:00:00Z",
    ),
    (
        "cron(0 2 * * ? *)",
        "1h",
        "Europe/Berlin",
        "2026-10-25T01:10:00Z",
        "2026-10-26T01:00:00Z",
        "2026-10-26T02:00:00Z",
    ),
    // 04:00 is three hours after midnight on a short day: left out; five on a long one
    ("cron(0 /4 * * ? *)", "", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T06:00:00Z", "2026-03-29T07:00:00Z"),
    ("cron(0 /4 * * ? *)", "", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z", "2026-10-25T04:00:00Z"),
    ("rate(1 day)", "", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"),
    // midnight itself is skipped in Beirut
    ("rate(1 day)", "", "Asia/Beirut", "2026-03-28T10:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
    // a whole day is skipped in Samoa
    (
        "cron(0 10 * * ? *)",
        "1h",
        "Pacific/Apia",
        "2011-12-29T20:00:00Z",
        "2011-12-30T20:00:00Z",
        "2011-12-30T21:00:00Z",
    ),
    (
        "cron(0 10 * * ? *)",
        "1h",
        "Pacific/Apia",
        "2011-12-30T20:00:00Z",
        "2011-12-31T20:00:00Z",
        "2011-12-31T21:00:00Z",
    ),
];

#[test]
fn the_next_window_opens_and_closes_when_secrets_manager_says() {
    for (expression, window, zone, last, opens, closes) in NEXT {
        let next = schedule(expression, window, zone).next(at(last)).expect(expression);
        assert_eq!(next, Window { opens: at(opens), closes: at(closes) }, "{expression} {window} {zone} after {last}");
    }
}

/// Expression, window, last rotation, now; the window, and since when it is overdue.
const DUE: &[(&str, &str, &str, &str, &str, &str, &str)] = &[
    // not yet
    (
        "cron(0 2 ? * SUN *)",
        "3h",
        "2026-07-12T02:30:00Z",
        "2026-07-15T00:00:00Z",
        "2026-07-19T02:00:00Z",
        "2026-07-19T05:00:00Z",
        "",
    ),
    // open
    (
        "cron(0 2 ? * SUN *)",
        "3h",
        "2026-07-12T02:30:00Z",
        "2026-07-19T04:59:59Z",
        "2026-07-19T02:00:00Z",
        "2026-07-19T05:00:00Z",
        "",
    ),
    // missed: the next window of the cron, overdue since the end of the one that was missed
    (
        "cron(0 2 ? * SUN *)",
        "3h",
        "2026-07-12T02:30:00Z",
        "2026-07-19T05:00:00Z",
        "2026-07-26T02:00:00Z",
        "2026-07-26T05:00:00Z",
        "2026-07-19T05:00:00Z",
    ),
    (
        "cron(0 2 ? * SUN *)",
        "3h",
        "2026-07-12T02:30:00Z",
        "2026-08-02T03:00:00Z",
        "2026-08-02T02:00:00Z",
        "2026-08-02T05:00:00Z",
        "2026-07-19T05:00:00Z",
    ),
    // missed by a rate in days: not another 30 days, but the next day at the same hours
    (
        "rate(30 days)",
        "6h",
        "2026-06-01T00:30:00Z",
        "2026-07-01T06:00:00Z",
        "2026-07-02T00:00:00Z",
        "2026-07-02T06:00:00Z",
        "2026-07-01T06:00:00Z",
    ),
    (
        "rate(30 days)",
        "6h",
        "2026-06-01T00:30:00Z",
        "2026-07-09T05:00:00Z",
        "2026-07-09T00:00:00Z",
        "2026-07-09T06:00:00Z",
        "2026-07-01T06:00:00Z",
    ),
    // by a rate in hours: in its next window, of a slow one on the next day
    (
        "rate(12 hours)",
        "",
        "2026-07-01T00:30:00Z",
        "2026-07-01T13:20:00Z",
        "2026-07-02T00:00:00Z",
        "2026-07-02T01:00:00Z",
        "2026-07-01T13:00:00Z",
    ),
    (
        "rate(240 hours)",
        "",
        "2026-07-06T00:30:00Z",
        "2026-07-20T13:20:00Z",
        "2026-07-21T00:00:00Z",
        "2026-07-21T01:00:00Z",
        "2026-07-16T01:00:00Z",
    ),
];

#[test]
fn a_window_is_ahead_open_or_missed() {
    for (expression, window, last, now, opens, closes, overdue) in DUE {
        let due = schedule(expression, window, "").due(at(last), at(now)).expect(expression);
        let overdue_since = (!overdue.is_empty()).then(|| at(overdue));
        let wanted = Due { window: Window { opens: at(opens), closes: at(closes) }, overdue_since };
        assert_eq!(due, wanted, "{expression} {window} last {last} now {now}");
        assert_eq!(due.is_open(at(now)), at(opens) <= at(now), "{expression} {now}");
    }
}

#[test]
fn the_calendar_ends_without_a_window_and_without_a_panic() {
    for (expression, ..) in TAKEN {
        for moment in [Timestamp::MAX, Timestamp::MIN] {
            let _ = schedule(expression, "", "Pacific/Apia").next(moment);
            let _ = schedule(expression, "", "").due(Timestamp::MIN, moment);
        }
        assert_eq!(schedule(expression, "", "").next(Timestamp::MAX), None, "{expression}");
    }
}

fn expressions() -> impl Strategy<Value = String> {
    let hours = prop_oneof![
        (0..24_u8).prop_map(|hour| hour.to_string()),
        (0..24_u8, 4..24_u8).prop_map(|(hour, step)| format!("{hour}/{step}")),
        (4..24_u8).prop_map(|step| format!("/{step}")),
    ];
    let weekday = || prop::sample::select(vec!["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);
    let days = prop_oneof![
        Just("* M ?".to_owned()),
        Just("L M ?".to_owned()),
        (1..32_u8).prop_map(|day| format!("{day} M ?")),
        (1..32_u8, 1..32_u8).prop_map(|(one, other)| format!("{one},{other} M ?")),
        weekday().prop_map(|day| format!("{day}L M ?")),
        weekday().prop_map(|day| format!("? M {day}")),
        (weekday(), 1..6_u8).prop_map(|(day, count)| format!("? M {day}#{count}")),
        Just("? M MON-FRI".to_owned()),
    ];
    let months =
        prop_oneof![Just("*".to_owned()), (1..13_u8).prop_map(|month| month.to_string()), Just("1/3".to_owned())];
    prop_oneof![
        (4..2000_u32).prop_map(|hours| format!("rate({hours} hours)")),
        (1..1000_u32).prop_map(|days| format!("rate({days} days)")),
        (hours, days, months)
            .prop_map(|(hours, days, month)| format!("cron(0 {hours} {} *)", days.replace('M', &month))),
    ]
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let zones = vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Beirut",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
    ];
    let windows = prop_oneof![Just(None), (1..25_u8).prop_map(|hours| Some(format!("{hours}h")))];
    (expressions(), windows, prop::sample::select(zones)).prop_filter_map("refused", |(expression, window, zone)| {
        Schedule::parse(&expression, window.as_deref(), Some(zone)).ok()
    })
}

fn moments() -> impl Strategy<Value = Timestamp> {
    // 1990 to 2060: all changes of the zones' rules, and days beyond them
    (631_152_000..2_840_140_800_i64).prop_map(|second| Timestamp::from_second(second).expect("in range"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(expression in ".{0,40}", window in ".{0,4}", zone in ".{0,20}") {
        let _ = Schedule::parse(&expression, Some(&window), Some(&zone));
        let _ = Schedule::parse(&format!("cron({expression})"), None, None);
        let _ = Schedule::parse(&format!("rate({expression})"), None, None);
    }

    #[test]
    fn no_field_makes_the_parser_panic(fields in prop::collection::vec("[0-9LW#*?/,A-Z-]{0,6}", 6)) {
        let _ = Schedule::parse(&format!("cron({})", fields.join(" ")), None, None);
        let _ = Schedule::parse(&format!("cron(0 2 ? * {} *)", fields[0]), None, None);
        let _ = Schedule::parse(&format!("cron(0 2 {} * ? *)", fields[0]), None, None);
    }

    #[test]
    fn the_next_window_is_later_is_not_empty_and_is_due_inside(schedule in schedules(), last in moments(), spread: u64) {
        let window = schedule.next(last).expect("the calendar goes on");
        prop_assert!(window.opens > last);
        prop_assert!(window.opens.duration_until(window.closes) >= SignedDuration::from_hours(1));
        let start = due_within(&window, spread);
        prop_assert!(window.opens <= start && start < window.closes);
        prop_assert_eq!(start, due_within(&window, spread));
        let late = start.duration_until(window.closes);
        prop_assert!(late >= SignedDuration::from_mins(30));
    }

    #[test]
    fn windows_open_at_least_four_hours_apart_and_each_fires_once(schedule in schedules(), last in moments()) {
        let mut window = schedule.next(last).expect("the calendar goes on");
        for _ in 0..20 {
            let next = schedule.next(window.opens).expect("the calendar goes on");
            prop_assert!(window.opens.duration_until(next.opens) >= FOUR_HOURS, "{} {}", window.opens, next.opens);
            prop_assert!(next.opens >= window.closes, "{} {}", window.closes, next.opens);
            // wherever in its window a rotation was, it has had that window
            let end = window.closes.checked_sub(SignedDuration::from_secs(1)).expect("in range");
            prop_assert!(schedule.next(end).is_some_and(|after| after.opens >= window.closes && after.closes >= next.closes));
            window = next;
        }
    }

    #[test]
    fn a_later_rotation_never_brings_an_earlier_window(schedule in schedules(), last in moments(), later in 0..400_000_i64) {
        let later = last.checked_add(SignedDuration::from_secs(later)).expect("in range");
        prop_assert!(schedule.next(last).map(|window| window.opens) <= schedule.next(later).map(|window| window.opens));
    }

    #[test]
    fn what_is_due_never_lies_wholly_in_the_past(schedule in schedules(), last in moments(), passed in 0..40_000_000_i64) {
        let now = last.checked_add(SignedDuration::from_secs(passed)).expect("in range");
        let due = schedule.due(last, now).expect("the calendar goes on");
        prop_assert!(now < due.window.closes);
        prop_assert!(due.overdue_since.is_none_or(|since| since <= now && since > last));
    }
}

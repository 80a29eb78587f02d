//! The grammar of rotation schedules, stricter than EventBridge's, and the windows that it opens.
//!
//! Invariant: a window opens on the hour, in UTC, and ends on the same UTC day. The stand-in rotates when the window
//! opens, and `NextRotationDate` is its end: AWS says "some time inside the window" and "the latest date".

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Answered, constraint, invalid_parameter};

/// `RotationRules` as given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Rules {
    automatically_after_days: Option<i64>,
    duration: Option<String>,
    schedule_expression: Option<String>,
}

/// Seconds of a window: opens, ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) opens: Timestamp,
    pub(crate) ends: Timestamp,
}

enum Schedule {
    Hours(i64),
    Days(i64),
    Cron(Cron),
}

struct Cron {
    hours: Vec<i8>,
    /// The hours came from a step, so that the window is one hour long unless told otherwise.
    stepped: bool,
    days: Option<Vec<Term>>,
    months: Vec<Term>,
    weekdays: Option<Vec<Term>>,
}

enum Term {
    Span { from: i8, to: i8, step: i8 },
    Last,
    LastWeekday(i8),
    Nth { weekday: i8, nth: i8 },
}

impl Rules {
    /// Refuses what AWS refuses.
    pub(crate) fn check(&self) -> Answered<()> {
        match (self.automatically_after_days, &self.schedule_expression) {
            (Some(_), Some(_)) => {
                return Err(invalid_parameter(
                    "You can't specify both AutomaticallyAfterDays and ScheduleExpression in RotationRules.",
                ));
            }
            (Some(days), None) if !(1..=1000).contains(&days) => {
                return Err(constraint("rotationRules.automaticallyAfterDays", "have value between 1 and 1000"));
            }
            _ => {}
        }
        let hours = self.hours()?;
        match (self.schedule()?, hours) {
            (Some(Schedule::Hours(every)), Some(hours)) if hours > every => {
                Err(invalid_parameter("The Duration of the rotation window must not extend into the next window."))
            }
            (Some(Schedule::Days(_)), Some(hours)) if hours > 24 => {
                Err(invalid_parameter("The Duration of the rotation window must not extend into the next UTC day."))
            }
            (Some(Schedule::Cron(cron)), Some(hours))
                if cron.hours.iter().any(|start| i64::from(*start) + hours > 24) =>
            {
                Err(invalid_parameter("The Duration of the rotation window must not extend into the next UTC day."))
            }
            _ => Ok(()),
        }
    }

    /// The first window that opens after the instant; none without a schedule or if it never fires within ten years.
    pub(crate) fn next_window(&self, after: Timestamp) -> Option<Window> {
        let hours = self.hours().ok().flatten();
        match self.schedule().ok()?? {
            Schedule::Hours(every) => {
                let hour = after.as_second().div_euclid(3600) * 3600;
                let opens = Timestamp::from_second(hour + every * 3600).ok()?;
                Some(window(opens, hours.or(Some(1))))
            }
            Schedule::Days(every) => {
                let date = date_of(after).checked_add(every.days()).ok()?;
                Some(window(midnight(date)?, hours))
            }
            Schedule::Cron(cron) => {
                let opens = cron.next(after)?;
                Some(window(opens, hours.or(cron.stepped.then_some(1))))
            }
        }
    }

    /// The rules as they are told. `AutomaticallyAfterDays` is calculated when a schedule expression is set.
    pub(crate) fn told(&self) -> Value {
        let mut told = json!({});
        let calculated = || {
            let first = self.next_window(Timestamp::UNIX_EPOCH)?;
            let second = self.next_window(first.opens)?;
            let seconds = second.opens.duration_since(first.opens).as_secs();
            Some(((seconds + 86_399) / 86_400).max(1))
        };
        if let Some(days) = self.automatically_after_days.or_else(calculated) {
            told["AutomaticallyAfterDays"] = days.into();
        }
        if let Some(duration) = &self.duration {
            told["Duration"] = duration.clone().into();
        }
        if let Some(expression) = &self.schedule_expression {
            told["ScheduleExpression"] = expression.clone().into();
        }
        told
    }

    fn hours(&self) -> Answered<Option<i64>> {
        let Some(text) = &self.duration else { return Ok(None) };
        let hours = text.strip_suffix('h').filter(|digits| (1..=2).contains(&digits.len()));
        match hours.and_then(|digits| digits.parse().ok()) {
            Some(hours) if hours >= 1 => Ok(Some(hours)),
            _ => Err(constraint("rotationRules.duration", "satisfy regular expression pattern: [0-9h]+")),
        }
    }

    fn schedule(&self) -> Answered<Option<Schedule>> {
        if let Some(days) = self.automatically_after_days {
            return Ok(Some(Schedule::Days(days)));
        }
        let Some(expression) = self.schedule_expression.as_deref() else { return Ok(None) };
        let wrong = || invalid_parameter(format!("The ScheduleExpression {expression} is not valid."));
        let inner = |prefix: &str| expression.strip_prefix(prefix)?.strip_suffix(')');
        if let Some(rate) = inner("rate(") {
            let (count, unit) = rate.split_once(' ').ok_or_else(wrong)?;
            let count: i64 = count.parse().map_err(|_| wrong())?;
            return match unit {
                "hour" | "hours" if (4..=999 * 24).contains(&count) => Ok(Some(Schedule::Hours(count))),
                "hour" | "hours" => Err(invalid_parameter("Rotation can't happen more often than every four hours.")),
                "day" | "days" if (1..=999).contains(&count) => Ok(Some(Schedule::Days(count))),
                _ => Err(wrong()),
            };
        }
        inner("cron(").and_then(Cron::parse).map(|cron| Some(Schedule::Cron(cron))).ok_or_else(wrong)
    }
}

impl Cron {
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, year] = fields[..] else { return None };
        if minutes != "0" || year != "*" || (days == "?") == (weekdays == "?") {
            return None;
        }
        let (hours, stepped) = hours_of(hours)?;
        let optional = |text: &str, names: &[&str], low, high| {
            if text == "?" { Some(None) } else { terms(text, names, low, high).map(Some) }
        };
        Some(Self {
            hours,
            stepped,
            days: optional(days, &[], 1, 31)?,
            months: terms(months, MONTHS, 1, 12)?,
            weekdays: optional(weekdays, WEEKDAYS, 1, 7)?,
        })
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut date = date_of(after);
        for _ in 0..3_660 {
            if self.fires_on(date) {
                let start = midnight(date)?;
                let found = self.hours.iter().map(|hour| start + SignedDuration::from_hours(i64::from(*hour)));
                if let Some(opens) = found.into_iter().find(|opens| *opens > after) {
                    return Some(opens);
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn fires_on(&self, date: Date) -> bool {
        // Sunday is 1: "day-of-week 2 is Monday".
        let weekday = date.weekday().to_sunday_one_offset();
        let last = date.days_in_month();
        let on = |terms: &[Term], value: i8| {
            terms.iter().any(|term| match term {
                Term::Span { from, to, step } => (*from..=*to).contains(&value) && (value - from) % step == 0,
                Term::Last => date.day() == last,
                Term::LastWeekday(wanted) => weekday == *wanted && date.day() + 7 > last,
                Term::Nth { weekday: wanted, nth } => weekday == *wanted && (date.day() - 1) / 7 + 1 == *nth,
            })
        };
        on(&self.months, date.month())
            && self.days.as_ref().is_none_or(|terms| on(terms, date.day()))
            && self.weekdays.as_ref().is_none_or(|terms| on(terms, weekday))
    }
}

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One hour, or a step of at least four: no list, no range, no star.
fn hours_of(text: &str) -> Option<(Vec<i8>, bool)> {
    match text.split_once('/') {
        None => Some((vec![text.parse().ok().filter(|hour| (0..=23).contains(hour))?], false)),
        Some((from, step)) => {
            let from: i8 =
                if from.is_empty() { 0 } else { from.parse().ok().filter(|hour| (0..=23).contains(hour))? };
            let step: usize = step.parse().ok().filter(|step| (4..=23).contains(step))?;
            Some(((from..=23).step_by(step).collect(), true))
        }
    }
}

fn terms(text: &str, names: &[&str], low: i8, high: i8) -> Option<Vec<Term>> {
    text.split(',').map(|part| term(part, names, low, high)).collect()
}

fn term(text: &str, names: &[&str], low: i8, high: i8) -> Option<Term> {
    let value = |text: &str| -> Option<i8> {
        let named = names.iter().position(|name| *name == text).and_then(|place| i8::try_from(place + 1).ok());
        named.or_else(|| text.parse().ok()).filter(|value| (low..=high).contains(value))
    };
    let weekdays = high == 7;
    if text == "L" {
        return Some(if weekdays { Term::Span { from: 7, to: 7, step: 1 } } else { Term::Last });
    }
    if high == 12 && text.contains(['L', '#']) && value(text).is_none() && !text.contains('-') {
        return None;
    }
    if let Some((weekday, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
        return weekdays.then_some(Term::Nth { weekday: value(weekday)?, nth });
    }
    if let Some(weekday) = text.strip_suffix('L').filter(|_| value(text).is_none()) {
        // `SUNL` is the last Sunday, in either of the two day fields.
        let named = WEEKDAYS.iter().position(|name| *name == weekday).and_then(|place| i8::try_from(place + 1).ok());
        return named.or_else(|| weekdays.then(|| value(weekday)).flatten()).map(Term::LastWeekday);
    }
    let (span, step) = match text.split_once('/') {
        Some((span, step)) => (span, Some(step.parse().ok().filter(|step| (1..=high).contains(step))?)),
        None => (text, None),
    };
    let (from, to) = match span {
        "*" | "" if span == "*" || step.is_some() => (low, high),
        _ => match span.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None => (value(span)?, if step.is_some() { high } else { value(span)? }),
        },
    };
    (from <= to).then_some(Term::Span { from, to, step: step.unwrap_or(1) })
}

fn window(opens: Timestamp, hours: Option<i64>) -> Window {
    let ends = match hours {
        Some(hours) => opens + SignedDuration::from_hours(hours),
        None => midnight(date_of(opens)).unwrap_or(opens) + SignedDuration::from_hours(24),
    };
    Window { opens, ends }
}

fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn midnight(date: Date) -> Option<Timestamp> {
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(expression: &str) -> Rules {
        Rules { automatically_after_days: None, duration: None, schedule_expression: Some(expression.into()) }
    }

    fn opens(expression: &str, after: &str) -> String {
        let after: Timestamp = after.parse().unwrap();
        rules(expression).next_window(after).unwrap().opens.to_string()
    }

    #[test]
    fn hour_steps_reset_every_day() {
        let cron = "cron(0 2/10 * * ? *)";
        assert_eq!(opens(cron, "2026-01-01T00:30:00Z"), "2026-01-01T02:00:00Z");
        assert_eq!(opens(cron, "2026-01-01T12:00:00Z"), "2026-01-01T22:00:00Z");
        assert_eq!(opens(cron, "2026-01-01T22:00:00Z"), "2026-01-02T02:00:00Z");
    }

    #[test]
    fn day_of_week_two_is_monday() {
        assert_eq!(opens("cron(0 5 ? * 2 *)", "2026-01-01T00:00:00Z"), "2026-01-05T05:00:00Z");
        assert_eq!(opens("cron(0 5 ? * MON#2 *)", "2026-01-01T00:00:00Z"), "2026-01-12T05:00:00Z");
        assert_eq!(opens("cron(0 5 ? JAN-MAR SUNL *)", "2026-01-01T00:00:00Z"), "2026-01-25T05:00:00Z");
    }

    #[test]
    fn the_last_day_of_a_month_is_l() {
        assert_eq!(opens("cron(0 8 L * ? *)", "2026-02-01T00:00:00Z"), "2026-02-28T08:00:00Z");
    }

    #[test]
    fn a_rate_of_days_opens_at_midnight_and_lasts_the_day() {
        let window = rules("rate(10 days)").next_window("2026-01-01T15:20:00Z".parse().unwrap()).unwrap();
        assert_eq!(window.opens.to_string(), "2026-01-11T00:00:00Z");
        assert_eq!(window.ends.to_string(), "2026-01-12T00:00:00Z");
    }

    #[test]
    fn what_the_stricter_grammar_lacks_is_refused() {
        for wrong in [
            "rate(3 hours)",
            "rate(1000 days)",
            "rate(4)",
            "cron(5 8 * * ? *)",
            "cron(0 * * * ? *)",
            "cron(0 8,12 * * ? *)",
            "cron(0 /2 * * ? *)",
            "cron(0 8 * * * *)",
            "cron(0 8 ? * ? *)",
            "cron(0 8 1W * ? *)",
            "cron(0 8 * * ? 2027)",
            "cron(0 8 32 * ? *)",
            "every day",
        ] {
            assert!(rules(wrong).check().is_err(), "{wrong} was accepted");
        }
    }
}

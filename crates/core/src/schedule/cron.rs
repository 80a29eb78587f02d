//! Secrets Manager's `cron()`: stricter than EventBridge's, and other than Unix's (Sunday is 1, `?` is needed).
//!
//! Invariant: what parses fires at least once in 28 years and never twice within four hours, by the clock on the wall.
//! Source of the grammar: AWS user guide, "Schedule expressions in Secrets Manager rotation". Called by [`super`] only.

use jiff::civil::{Date, DateTime};

use super::ScheduleError;

/// Years after which weekdays, leap years and days of the month come round again (within a century).
const CYCLE_YEARS: i16 = 28;
/// As many months as the longest pause of a schedule that fires at all: 29 February on one weekday, across 2100.
const SEARCH_MONTHS: usize = 41 * 12;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A parsed expression: sets of bits, bit *n* for the number *n* as AWS writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    hours: u32,
    days: Days,
    months: u32,
    /// Written with an increment of hours: a schedule in hours, as AWS says.
    pub(super) in_hours: bool,
    /// The shortest time between two firings, in hours on the wall.
    pub(super) spacing: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Days {
    of_month: u32,
    last_of_month: bool,
    /// 1 = Sunday.
    of_week: u32,
    last_weekdays: u32,
    /// Weekday and its number within the month.
    nth: Option<(u32, u32)>,
}

/// One field's name, bounds and words: what its items are parsed against.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const DAY_OF_MONTH: Field = Field { name: "day-of-month", least: 1, most: 31, words: &[] };
const MONTH: Field = Field { name: "month", least: 1, most: 12, words: &MONTHS };
const DAY_OF_WEEK: Field = Field { name: "day-of-week", least: 1, most: 7, words: &WEEKDAYS };

impl Cron {
    /// Reads what stands between the brackets of `cron(…)`.
    pub(super) fn parse(inner: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = inner.split(' ').collect();
        let [minutes, hours, of_month, month, of_week, year] = fields.as_slice() else {
            return Err(ScheduleError::CronFields);
        };
        if *minutes != "0" {
            return Err(ScheduleError::CronMinutes);
        }
        if *year != "*" {
            return Err(ScheduleError::CronYear);
        }
        let (hours, in_hours) = parse_hours(hours)?;
        let days = match (*of_month, *of_week) {
            ("?", "?") | ("", _) | (_, "") => return Err(ScheduleError::CronDays),
            ("?", of_week) => parse_of_week(of_week)?,
            (of_month, "?") => parse_of_month(of_month)?,
            _ => return Err(ScheduleError::CronDays),
        };
        let months = parse_list(&MONTH, month)?;
        let mut cron = Self { hours, days, months, in_hours, spacing: 0 };
        cron.spacing = cron.shortest_spacing()?;
        if cron.spacing < super::LEAST_HOURS {
            return Err(ScheduleError::TooOften);
        }
        Ok(cron)
    }

    /// Every firing from this day on, by the clock on the wall, in order. Ends with the calendar, or after 41 years.
    pub(super) fn from(&self, first: Date) -> impl Iterator<Item = DateTime> + '_ {
        let hours =
            |day: Date| bits(self.hours).filter_map(move |hour| Some(day.at(i8::try_from(hour).ok()?, 0, 0, 0)));
        self.days_from(first).flat_map(hours)
    }

    fn days_from(&self, first: Date) -> impl Iterator<Item = Date> + '_ {
        let months = std::iter::successors(Some(first.first_of_month()), |month| next_month(*month));
        let days = months.take(SEARCH_MONTHS).flat_map(|month| {
            let days = self.days_of(month);
            bits(days).filter_map(move |day| Date::new(month.year(), month.month(), i8::try_from(day).ok()?).ok())
        });
        days.filter(move |day| *day >= first)
    }

    /// The first hour of the day at which it fires.
    pub(super) fn first_hour(&self) -> i64 {
        i64::from(self.hours.trailing_zeros())
    }

    /// The days of a month on which it fires; `month` is its first day.
    fn days_of(&self, month: Date) -> u32 {
        if self.months & bit(u32::from(month.month().unsigned_abs())) == 0 {
            return 0;
        }
        let length = u32::from(month.days_in_month().unsigned_abs());
        let first = u32::from(month.weekday().to_sunday_zero_offset().unsigned_abs()); // 0 = Sunday
        let weekday = |day: u32| (first + day - 1) % 7 + 1;
        (1..=length)
            .filter(|day| {
                let of_week = bit(weekday(*day));
                let last_seven = day + 7 > length;
                self.days.of_month & bit(*day) != 0
                    || (self.days.last_of_month && *day == length)
                    || self.days.of_week & of_week != 0
                    || (last_seven && self.days.last_weekdays & of_week != 0)
                    || self.days.nth == Some((weekday(*day), day.div_ceil(7)))
            })
            .fold(0, |days, day| days | bit(day))
    }

    fn shortest_spacing(&self) -> Result<i64, ScheduleError> {
        let hours: Vec<i64> = bits(self.hours).map(i64::from).collect();
        let within = hours.iter().zip(hours.iter().skip(1)).map(|(one, next)| next - one).min();
        let (first, last) = hours.first().zip(hours.last()).ok_or(ScheduleError::CronHours)?;
        let across = self.shortest_days()?.map(|days| days * 24 - (last - first));
        Ok(within.into_iter().chain(across).min().unwrap_or(i64::from(CYCLE_YEARS) * 366 * 24))
    }

    /// The least number of days between two on which it fires; `None`: once in the whole cycle.
    fn shortest_days(&self) -> Result<Option<i64>, ScheduleError> {
        let start = Date::constant(2000, 1, 1);
        let mut days = self.days_from(start).take_while(|day| day.year() < start.year() + CYCLE_YEARS);
        let mut earlier = days.next().ok_or(ScheduleError::NeverFires)?;
        let mut shortest = None;
        for day in days {
            let between = earlier.duration_until(day).as_hours() / 24;
            shortest = shortest.into_iter().chain([between]).min();
            if between <= 1 {
                break;
            }
            earlier = day;
        }
        Ok(shortest)
    }
}

fn parse_hours(text: &str) -> Result<(u32, bool), ScheduleError> {
    let hour = |text: &str| number(text).filter(|hour| *hour <= 23);
    let parsed = match text.split_once('/') {
        None => hour(text).map(|hour| (bit(hour), false)),
        Some((start, step)) => {
            let start = if start.is_empty() { Some(0) } else { hour(start) };
            let step = number(step).filter(|step| (1..=23).contains(step));
            start.zip(step).map(|(start, step)| (stepped(start, 23, step), true))
        }
    };
    parsed.ok_or(ScheduleError::CronHours)
}

fn parse_of_month(text: &str) -> Result<Days, ScheduleError> {
    let mut days = Days::default();
    for item in text.split(',') {
        match (item, last_weekday(item)) {
            ("L" | "l", _) => days.last_of_month = true,
            (_, Some(weekday)) => days.last_weekdays |= bit(weekday),
            _ => days.of_month |= parse_item(&DAY_OF_MONTH, item)?,
        }
    }
    Ok(days)
}

fn parse_of_week(text: &str) -> Result<Days, ScheduleError> {
    let mut days = Days::default();
    if let Some((weekday, count)) = text.split_once('#') {
        let weekday = DAY_OF_WEEK.value(weekday);
        let count = number(count).filter(|count| (1..=5).contains(count));
        days.nth = Some(weekday.zip(count).ok_or(ScheduleError::CronNth)?);
        return Ok(days);
    }
    for item in text.split(',') {
        match (item, last_weekday(item)) {
            ("L" | "l", _) => days.of_week |= bit(7),
            (_, Some(weekday)) => days.last_weekdays |= bit(weekday),
            _ => days.of_week |= parse_item(&DAY_OF_WEEK, item)?,
        }
    }
    Ok(days)
}

/// `SUNL` or `1L`: the last such day of the month.
fn last_weekday(item: &str) -> Option<u32> {
    DAY_OF_WEEK.value(item.strip_suffix(['L', 'l'])?)
}

fn parse_list(field: &Field, text: &str) -> Result<u32, ScheduleError> {
    text.split(',').try_fold(0, |set, item| Ok(set | parse_item(field, item)?))
}

/// `*`, `n`, `n-m`, and each with `/step`; `/step` alone begins at the field's least.
fn parse_item(field: &Field, item: &str) -> Result<u32, ScheduleError> {
    let wrong = || ScheduleError::CronField { field: field.name, least: field.least, most: field.most };
    let (base, step) = match item.split_once('/') {
        None => (item, None),
        Some((base, step)) => {
            let step = number(step).filter(|step| (1..=field.most).contains(step)).ok_or_else(wrong)?;
            (base, Some(step))
        }
    };
    let (start, end) = match (base, base.split_once('-')) {
        ("*", _) => (field.least, field.most),
        ("", _) if step.is_some() => (field.least, field.most),
        (_, Some((start, end))) => {
            let (start, end) = field.value(start).zip(field.value(end)).ok_or_else(wrong)?;
            if start > end {
                return Err(ScheduleError::CronBackwards { field: field.name });
            }
            (start, end)
        }
        (single, None) => {
            let start = field.value(single).ok_or_else(wrong)?;
            (start, if step.is_some() { field.most } else { start })
        }
    };
    Ok(stepped(start, end, step.unwrap_or(1)))
}

impl Field {
    fn value(&self, text: &str) -> Option<u32> {
        let by_word = || {
            let place = self.words.iter().position(|word| word.eq_ignore_ascii_case(text))?;
            u32::try_from(place).ok().map(|place| place + 1)
        };
        number(text).or_else(by_word).filter(|value| (self.least..=self.most).contains(value))
    }
}

/// One or two digits.
fn number(text: &str) -> Option<u32> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn stepped(start: u32, end: u32, step: u32) -> u32 {
    let width = usize::try_from(step.max(1)).unwrap_or(1);
    (start..=end).step_by(width).fold(0, |set, value| set | bit(value))
}

fn bit(value: u32) -> u32 {
    1_u32.checked_shl(value).unwrap_or(0)
}

fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |value| set & bit(*value) != 0)
}

fn next_month(month: Date) -> Option<Date> {
    month.last_of_month().tomorrow().ok()
}

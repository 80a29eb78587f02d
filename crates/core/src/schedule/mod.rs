//! When a credential is rotated: Secrets Manager's own grammar of schedules and windows, in a zone of one's choice.
//!
//! Invariants: two windows of a schedule open at least four hours apart, whatever the clocks of the zone do; a window
//! that falls into an hour that is skipped opens after it, one in an hour that comes twice opens once, the first time.
//! No clock is read: the last rotation and the present are arguments. Called by `goals::rotated::due` and the API's parser.
//!
//! Source: AWS user guide, "Schedule expressions in Secrets Manager rotation". What AWS leaves open, and what holds here:
//! the windows of `rate(N hours)` open every N hours counted from a midnight, whenever the last rotation was (counted from
//! that they would drift by the time within the window); after a rotation outside a window (by request, or made up) the
//! one nearest to N hours later is next. `rate(N days)` counts from the day of the last rotation. A rotation outside a
//! window puts off those that would open within four hours after it.

mod cron;

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};
use thiserror::Error;

use cron::Cron;

/// The least number of hours between two windows: Secrets Manager's.
const LEAST_HOURS: i64 = 4;
/// Secrets Manager's longest rate.
const MOST_DAYS: i64 = 999;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The zones that this program was built with. Never the machine's: the same resource must be due at the same time
/// everywhere, and a container has none.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// When rotations may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    kind: Kind,
    /// Length of a window in hours; `None`: to the end of the day.
    window: Option<i64>,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Hours(i64),
    Days(i64),
    Cron(Cron),
}

/// A time in which a rotation may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From then on.
    pub opens: Timestamp,
    /// Until just before then.
    pub closes: Timestamp,
}

/// What a schedule says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The window in which the next rotation starts: open now, or the next to open.
    pub window: Window,
    /// When the window closed that should have seen it, if that was missed.
    pub overdue_since: Option<Timestamp>,
}

/// Why the texts are no schedule (reason `InvalidSchedule`). Each says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// Neither rate nor cron.
    #[error("rotation.schedule is neither rate(…) nor cron(…): write for example rate(30 days) or cron(0 2 ? * SUN *)")]
    NotASchedule,
    /// A rate without number and unit.
    #[error("rotation.schedule: rate takes a whole number and hours or days, as rate(12 hours) or rate(30 days)")]
    Rate,
    /// Slower than Secrets Manager takes.
    #[error(
        "rotation.schedule rotates less often than every 999 days, the longest rate of Secrets Manager: shorten it"
    )]
    TooSlow,
    /// More often than every four hours.
    #[error(
        "rotation.schedule fires more often than every four hours, the shortest interval of Secrets Manager: use rate(4 hours) or slower, or hours that stay four apart also across midnight"
    )]
    TooOften,
    /// A cron that matches no day.
    #[error("rotation.schedule never fires: no year has such a day; check day-of-month against month")]
    NeverFires,
    /// Not six fields with one blank between.
    #[error(
        "rotation.schedule: cron takes six fields with one blank between them, minutes hours day-of-month month day-of-week year, as cron(0 2 ? * SUN *)"
    )]
    CronFields,
    /// Minutes other than 0.
    #[error("rotation.schedule: the minutes of cron must be 0, since windows open on the hour")]
    CronMinutes,
    /// A year.
    #[error("rotation.schedule: the year of cron must be *")]
    CronYear,
    /// Hours that Secrets Manager does not take.
    #[error(
        "rotation.schedule: the hours of cron must be one hour from 0 to 23, or an increment as /8 or 2/10; lists, ranges and * are not taken"
    )]
    CronHours,
    /// Both or neither kind of day.
    #[error(
        "rotation.schedule: exactly one of day-of-month and day-of-week of cron must be ?, as cron(0 2 ? * SUN *) or cron(0 2 1 * ? *)"
    )]
    CronDays,
    /// Another field is wrong.
    #[error(
        "rotation.schedule: {field} of cron must be made of *, numbers from {least} to {most} or names, ranges as {least}-{most}, increments as {least}/2, with commas between"
    )]
    CronField {
        /// The field's name in AWS's words.
        field: &'static str,
        /// Its least number.
        least: u32,
        /// Its greatest number.
        most: u32,
    },
    /// A range from more to less.
    #[error("rotation.schedule: a range in {field} of cron runs backwards: write two ranges with a comma between")]
    CronBackwards {
        /// The field's name in AWS's words.
        field: &'static str,
    },
    /// `#` wrongly used.
    #[error(
        "rotation.schedule: # in day-of-week of cron stands alone between one weekday and a number from 1 to 5, as TUE#3"
    )]
    CronNth,
    /// Not `Nh`.
    #[error("rotation.window must be whole hours from 1h to 24h, as 3h")]
    Window,
    /// A window that reaches the next one.
    #[error(
        "rotation.window of {window}h reaches into the next window, {most}h after this one: shorten it to at most {most}h"
    )]
    WindowBeyondNext {
        /// Hours asked for.
        window: i64,
        /// Hours at most.
        most: i64,
    },
    /// A window that reaches the next day.
    #[error(
        "rotation.window of {window}h from {hour}:00 reaches into the next day: shorten it to at most {most}h, or start earlier"
    )]
    WindowBeyondDay {
        /// Hours asked for.
        window: i64,
        /// The hour at which it opens.
        hour: i64,
        /// Hours at most.
        most: i64,
    },
    /// No such zone.
    #[error("rotation.timeZone is no IANA time zone: write for example Europe/Berlin, or leave it out for UTC")]
    UnknownZone,
}

impl Window {
    /// An hour before it closes: the latest moment to which its opening is ever put off.
    fn last_start(&self) -> Timestamp {
        self.closes.checked_sub(HOUR).unwrap_or(self.opens)
    }
}

impl Due {
    /// Whether a rotation may start at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.window.opens <= now && now < self.window.closes
    }
}

impl Schedule {
    /// Reads `rotation.schedule`, `rotation.window` (hours as `3h`) and `rotation.timeZone` (IANA; absent: UTC).
    pub fn parse(expression: &str, window: Option<&str>, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let kind = Kind::parse(expression)?;
        let window = kind.window(window.map(parse_window).transpose()?)?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => ZONES.get(name).map_err(|_| ScheduleError::UnknownZone)?,
        };
        Ok(Self { kind, window, zone })
    }

    /// The window in which the rotation after the one at `last` is due (before any: after the onboarding).
    ///
    /// It opens later than `last` and at least four hours after the window in which `last` lies, or after `last` itself
    /// where that was outside any; the first hours of a long window are cut where they are nearer, a short one is left
    /// out. `None` only at the end of the calendar.
    pub fn next(&self, last: Timestamp) -> Option<Window> {
        let apart = SignedDuration::from_hours(LEAST_HOURS);
        let soonest = last.checked_add(apart).ok()?;
        let fits = |window: &Window, before: Option<Window>| {
            let inside =
                before.filter(|before| last < before.closes).and_then(|before| before.opens.checked_add(apart).ok());
            window.opens >= inside.unwrap_or(soonest) || window.last_start() >= soonest
        };
        let day = self.zone.to_datetime(last).date();
        let window = match &self.kind {
            Kind::Hours(hours) => {
                let step = SignedDuration::from_hours(*hours);
                let before = self.elapsed(aligned(last, *hours)?)?;
                let nearest = || last.checked_add(apart.max(step / 2));
                let earliest = if last < before.closes { before.opens.checked_add(step) } else { nearest() }.ok()?;
                let opens = aligned(earliest, *hours)?;
                self.elapsed(if opens < earliest { opens.checked_add(step).ok()? } else { opens })
            }
            Kind::Days(days) => {
                let before = self.on_the_wall(day.at(0, 0, 0, 0));
                let due = day.checked_add(Span::new().try_days(*days).ok()?).ok()?;
                let windows = [Some(due), due.tomorrow().ok()].into_iter().flatten();
                windows.filter_map(|day| self.on_the_wall(day.at(0, 0, 0, 0))).find(|window| fits(window, before))
            }
            Kind::Cron(cron) => {
                // Two days back: the window in which `last` lies may have opened on the day before.
                let first = day.checked_sub(Span::new().days(2)).ok()?;
                let mut windows = cron.from(first).filter_map(|opens| self.on_the_wall(opens)).peekable();
                let before = std::iter::from_fn(|| windows.next_if(|window| window.opens <= last)).last();
                windows.find(|window| fits(window, before))
            }
        }?;
        Some(Window { opens: window.opens.max(soonest.min(window.last_start())), ..window })
    }

    /// What holds at `now`, the last rotation having been at `last`: the window that is open or comes next, and whether
    /// one was missed. A missed rotation is made up in the next window, of a rate slower than daily on the next day at the
    /// same hours: never outside a window, because that is when people said that it may disturb.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Option<Due> {
        let wanted = self.next(last)?;
        if now < wanted.closes {
            return Some(Due { window: wanted, overdue_since: None });
        }
        let window = match &self.kind {
            Kind::Hours(hours) => {
                let step = (*hours).min(24);
                let latest = aligned(now, step)?;
                let openings = [Some(latest), latest.checked_add(SignedDuration::from_hours(step)).ok()];
                openings
                    .into_iter()
                    .flatten()
                    .filter_map(|opens| self.elapsed(opens))
                    .find(|window| now < window.closes)
            }
            Kind::Days(_) => {
                let today = self.zone.to_datetime(now).date();
                let days = [Some(today), today.tomorrow().ok()].into_iter().flatten();
                days.filter_map(|day| self.on_the_wall(day.at(0, 0, 0, 0))).find(|window| now < window.closes)
            }
            Kind::Cron(cron) => {
                let first = self.zone.to_datetime(now).date().checked_sub(Span::new().days(2)).ok()?;
                cron.from(first).filter_map(|opens| self.on_the_wall(opens)).find(|window| now < window.closes)
            }
        }?;
        Some(Due { window, overdue_since: Some(wanted.closes) })
    }

    /// The shortest time between two windows, from which the default overlap is taken.
    pub fn interval(&self) -> SignedDuration {
        SignedDuration::from_hours(self.kind.spacing())
    }

    /// A window of elapsed hours from a moment.
    fn elapsed(&self, opens: Timestamp) -> Option<Window> {
        let closes = opens.checked_add(SignedDuration::from_hours(self.window.unwrap_or(1))).ok()?;
        Some(Window { opens, closes })
    }

    /// A window by the clock on the wall. A skipped hour moves to the one after it, of a doubled one the first counts;
    /// at least an hour is left of a window that such a change would swallow.
    fn on_the_wall(&self, opens: DateTime) -> Option<Window> {
        let closes = match self.window {
            Some(hours) => opens.checked_add(Span::new().try_hours(hours).ok()?).ok()?,
            None => opens.date().tomorrow().ok()?.at(0, 0, 0, 0),
        };
        let moment = |at: DateTime| self.zone.to_ambiguous_timestamp(at).compatible().ok();
        let opens = moment(opens)?;
        Some(Window { opens, closes: moment(closes)?.max(opens.checked_add(HOUR).ok()?) })
    }
}

/// When to start within a window: the same moment for the same `spread` (a hash of the resource's UID), in its first
/// half, so that the rotation also ends inside and that not all start on the hour.
pub fn due_within(window: &Window, spread: u64) -> Timestamp {
    let half = window.opens.duration_until(window.closes).as_secs() / 2;
    let offset = u64::try_from(half).ok().and_then(|half| spread.checked_rem(half)).unwrap_or_default();
    let offset = SignedDuration::from_secs(i64::try_from(offset).unwrap_or_default());
    window.opens.checked_add(offset).unwrap_or(window.opens)
}

impl Kind {
    fn parse(expression: &str) -> Result<Self, ScheduleError> {
        let inside = |function: &str| expression.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inside("rate") {
            return Self::parse_rate(rate);
        }
        Ok(Self::Cron(Cron::parse(inside("cron").ok_or(ScheduleError::NotASchedule)?)?))
    }

    fn parse_rate(inner: &str) -> Result<Self, ScheduleError> {
        let (number, unit) = inner.split_once(' ').ok_or(ScheduleError::Rate)?;
        let plain = !number.is_empty() && !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
        let hours = matches!(unit, "hour" | "hours");
        if !plain || !(hours || matches!(unit, "day" | "days")) {
            return Err(ScheduleError::Rate);
        }
        let most = if hours { MOST_DAYS * 24 } else { MOST_DAYS };
        let number = number.parse().ok().filter(|number| *number <= most).ok_or(ScheduleError::TooSlow)?;
        match (hours, number) {
            (true, ..LEAST_HOURS) => Err(ScheduleError::TooOften),
            (true, number) => Ok(Self::Hours(number)),
            (false, number) => Ok(Self::Days(number)),
        }
    }

    /// The length of a window in hours, `None`: to the end of the day.
    fn window(&self, wanted: Option<i64>) -> Result<Option<i64>, ScheduleError> {
        let in_hours = match self {
            Self::Hours(_) => true,
            Self::Days(_) => false,
            Self::Cron(cron) => cron.in_hours,
        };
        let Some(window) = wanted else { return Ok(in_hours.then_some(1)) };
        let hour = match self {
            Self::Cron(cron) if !cron.in_hours => cron.first_hour(),
            _ => 0,
        };
        match (in_hours, self.spacing(), 24 - hour) {
            (true, most, _) if window > most => Err(ScheduleError::WindowBeyondNext { window, most }),
            (false, _, most) if window > most => Err(ScheduleError::WindowBeyondDay { window, hour, most }),
            _ => Ok(Some(window)),
        }
    }

    /// Hours between two windows at least.
    fn spacing(&self) -> i64 {
        match self {
            Self::Hours(hours) => *hours,
            Self::Days(days) => days * 24,
            Self::Cron(cron) => cron.spacing,
        }
    }
}

fn parse_window(text: &str) -> Result<i64, ScheduleError> {
    let digits = text.strip_suffix('h').filter(|digits| !digits.starts_with('0') && digits.len() <= 2);
    let hours = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).and_then(|d| d.parse().ok());
    hours.filter(|hours| (1..=24).contains(hours)).ok_or(ScheduleError::Window)
}

/// The latest multiple of so many hours, counted from a midnight (UTC, 1 January 1970), that is not after the moment.
/// By UTC: zones that differ by half an hour, or change by it, must not shorten a rate.
fn aligned(moment: Timestamp, hours: i64) -> Option<Timestamp> {
    let seconds = moment.as_second();
    Timestamp::from_second(seconds - seconds.checked_rem_euclid(hours.checked_mul(3600)?)?).ok()
}

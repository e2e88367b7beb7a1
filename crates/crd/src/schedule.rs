//! When a scheduled application is due: five cron fields, descriptors and `@every`, in a time zone.
//!
//! The semantics are those of `robfig/cron`, which `CronJob` and `sparkoperator.k8s.io` use: if
//! both days of the month and days of the week are restricted, either is enough; times in an hour
//! that a clock change skips do not occur, and times in an hour that it repeats occur twice. No
//! crate combines these semantics with `@every` and zones in the text, so they are implemented
//! here.

mod fields;

use fields::Fields;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// The text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Its form is wrong.
    #[error(
        "`{0}` is not a schedule; write five cron fields, `@daily` or the like, or `@every 3m`"
    )]
    Form(String),
    /// One of the five fields is wrong.
    #[error("`{text}` cannot be {field} of a schedule: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its text.
        text: String,
        /// The problem.
        problem: String,
    },
    /// The descriptor does not exist.
    #[error("there is no `{0}`; there are @yearly, @monthly, @weekly, @daily, @hourly and @every")]
    Descriptor(String),
    /// The period is wrong.
    #[error("`{0}` is not a period; write at least one second, such as 90s, 3m or 1h30m")]
    Every(String),
    /// The time zone does not exist.
    #[error("there is no time zone `{name}`{}", did_you_mean(nearest.as_deref()))]
    Zone {
        /// Its name.
        name: String,
        /// The zone that was probably meant.
        nearest: Option<String>,
    },
    /// Two time zones are given.
    #[error("the schedule names the time zone {0}, but the field timeZone names another one")]
    TwoZones(String),
    /// The schedule is never due.
    #[error("`{0}` is never due")]
    Never(String),
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The machine's zone, as other operators name it; a pod's is UTC.
const LOCAL: &str = "Local";

/// Number of days searched for the next run: the next 29 February may be eight years away.
const HORIZON_DAYS: i64 = 9 * 366;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Fields(Fields),
    Every(SignedDuration),
}

impl Schedule {
    /// Reads a schedule and the time zone given beside it. Without a zone, and with `Local`, the
    /// zone is UTC.
    ///
    /// # Errors
    /// If either is invalid, or the schedule is never due.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, BadSchedule> {
        let text = text.trim();
        let (prefix, text) = split_zone(text)?;
        let zone = match (prefix, zone.filter(|zone| !matches!(*zone, "" | LOCAL))) {
            (Some(prefix), Some(_)) => return Err(BadSchedule::TwoZones(prefix.to_owned())),
            (Some(zone), None) | (None, Some(zone)) => read_zone(zone)?,
            (None, None) => TimeZone::UTC,
        };
        let when = match text.strip_prefix('@') {
            Some(descriptor) => read_descriptor(descriptor)?,
            None => When::Fields(Fields::parse(text)?),
        };
        let schedule = Self { when, zone };
        if schedule.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(BadSchedule::Never(text.to_owned()));
        }
        Ok(schedule)
    }

    /// The first time after `instant` at which it is due; `None` if there is none within nine
    /// years.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Every(period) => whole_second(instant).checked_add(*period).ok(),
            When::Fields(fields) => {
                // A clock set back over midnight shows the day before again.
                let today = self.zone.to_datetime(instant).date();
                let first = today.yesterday().ok()?;
                (0..HORIZON_DAYS).find_map(|offset| {
                    let day = first.checked_add(offset.days()).ok()?;
                    let here = self.first_on(fields, day, instant)?;
                    let beside = self.first_on(fields, day.tomorrow().ok()?, instant);
                    Some(beside.map_or(here, |beside| beside.min(here)))
                })
            }
        }
    }

    /// The last time after `since` and not after `now` at which it was due; `None` if there was
    /// none. Of missed runs only this one still starts.
    pub fn last_due(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if let When::Every(period) = &self.when {
            let since = whole_second(since);
            let periods = now.duration_since(since).as_secs().max(0) / period.as_secs().max(1);
            let passed = SignedDuration::from_secs(periods.checked_mul(period.as_secs())?);
            return (periods > 0).then(|| since.checked_add(passed).ok()).flatten();
        }
        // Searches backwards in growing steps, so that a month without an operator is not traversed
        // minute by minute.
        let mut back = SignedDuration::from_hours(1);
        loop {
            let start = now.checked_sub(back).map_or(since, |start| start.max(since));
            let mut last = self.next_after(start).filter(|due| *due <= now);
            while let Some(next) = last.and_then(|due| self.next_after(due)) {
                if next > now {
                    return last;
                }
                last = Some(next);
            }
            if last.is_some() || start <= since {
                return last;
            }
            back *= 2;
        }
    }

    /// The first time after `instant` that the zone's clocks show on a day.
    fn first_on(&self, fields: &Fields, day: Date, instant: Timestamp) -> Option<Timestamp> {
        if !fields.is_on(day) {
            return None;
        }
        let mut times = fields.times().map(|(hour, minute)| day.at(hour, minute, 0, 0));
        if let Some(offset) = self.offset_around(day) {
            // The times of the day come in order, and each once.
            let passed = offset.to_datetime(instant);
            return offset.to_timestamp(times.find(|local| *local > passed)?).ok();
        }
        times
            .flat_map(|local| {
                let offsets = match self.zone.to_ambiguous_timestamp(local).offset() {
                    AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
                    AmbiguousOffset::Fold { before, after } => [Some(before), Some(after)],
                    AmbiguousOffset::Gap { .. } => [None, None],
                };
                offsets
                    .into_iter()
                    .flatten()
                    .filter_map(move |offset| offset.to_timestamp(local).ok())
            })
            .filter(|found| *found > instant)
            .min()
    }

    /// The offset of the zone's clocks, if they do not change around a day.
    fn offset_around(&self, day: Date) -> Option<Offset> {
        let at = |day: Date| {
            let midnight = Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?;
            Some(self.zone.to_offset(midnight))
        };
        let first = day.yesterday().ok()?;
        let offset = at(first)?;
        let same = |days: i64| first.checked_add(days.days()).ok().and_then(at) == Some(offset);
        (1..=3).all(same).then_some(offset)
    }
}

/// An instant without its fraction of a second.
fn whole_second(instant: Timestamp) -> Timestamp {
    let part = instant.subsec_nanosecond().rem_euclid(1_000_000_000);
    instant.checked_sub(SignedDuration::from_nanos(part.into())).unwrap_or(instant)
}

/// The name of the run that is due at an instant: always the same, so that a run cannot start
/// twice.
pub fn run_name(schedule: &str, due: Timestamp) -> String {
    format!("{schedule}-{}", due.as_second())
}

fn split_zone(text: &str) -> Result<(Option<&str>, &str), BadSchedule> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((None, text));
    };
    let (zone, rest) =
        rest.split_once(char::is_whitespace).ok_or_else(|| BadSchedule::Form(text.to_owned()))?;
    Ok((Some(zone), rest.trim()))
}

/// A zone of the built-in database, so that the rules are the same on every machine, and in an
/// image without a database.
fn read_zone(name: &str) -> Result<TimeZone, BadSchedule> {
    if name == LOCAL {
        return Ok(TimeZone::UTC);
    }
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map_err(|_| BadSchedule::Zone {
        name: name.to_owned(),
        nearest: zones
            .available()
            .map(|zone| (strsim::jaro_winkler(zone.as_str(), name), zone))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, zone)| zone.to_string()),
    })
}

fn read_descriptor(text: &str) -> Result<When, BadSchedule> {
    let fields = match text {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let period = text
                .strip_prefix("every")
                .filter(|rest| rest.starts_with(char::is_whitespace))
                .ok_or_else(|| BadSchedule::Descriptor(format!("@{text}")))?
                .trim();
            return read_period(period)
                .map(When::Every)
                .ok_or_else(|| BadSchedule::Every(period.to_owned()));
        }
    };
    Fields::parse(fields).map(When::Fields)
}

/// A duration in Go's notation: `1h30m`, `90s`, `1.5h`. Whole seconds, at least one.
fn read_period(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit: i128 = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, unit)?)?;
        rest = after;
    }
    let seconds = i64::try_from(nanos / 1_000_000_000).ok()?;
    // A period longer than a century is a typo, and would leave the calendar.
    (1..=3_155_760_000).contains(&seconds).then(|| SignedDuration::from_secs(seconds))
}

/// A decimal number times a unit.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || whole.len() > 18 || part.len() > 15 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let power = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    digits(whole)?.checked_mul(unit)?.checked_add(digits(part)?.checked_mul(unit)? / power)
}

#[cfg(test)]
mod tests;

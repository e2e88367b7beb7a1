//! Dates and timestamps as text, as casts read and write them.

use crate::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone, checked_days, civil};
use std::fmt::Write;

/// Whose clock shows a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// One in a time zone: values are instants.
    Zoned(Zone),
    /// One without zone: values are what it shows.
    Local,
}

impl Clock {
    /// What the clock shows.
    pub fn shows(self, micros: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_local(micros),
            Self::Local => micros,
        }
    }

    /// The value at which the clock shows a time.
    pub fn at(self, local: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_utc(local),
            Self::Local => local,
        }
    }

    /// The value at which the clock shows a time, moved there from another value: where the clock
    /// shows it twice, it keeps its offset.
    pub fn moved(self, local: i64, from: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_utc_from(local, from),
            Self::Local => local,
        }
    }
}

/// `2024-01-31`; years beyond four digits have a sign.
pub fn write_date(days: i64, out: &mut String) {
    let Civil { year, month, day } = civil(days);
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        10_000.. => write!(out, "+{year}-{month:02}-{day:02}"),
        _ => write!(out, "-{:04}-{month:02}-{day:02}", -year),
    };
}

/// `2024-01-31 10:00:00.123`, the fraction without its last zeros.
pub fn write_timestamp(micros: i64, clock: Clock, out: &mut String) {
    let local = clock.shows(micros);
    write_date(local.div_euclid(MICROS_PER_DAY), out);
    out.push(' ');
    write_time(local.rem_euclid(MICROS_PER_DAY), out);
}

/// `10:00:00.123`, the fraction without its last zeros.
pub(super) fn write_time(micros: i64, out: &mut String) {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        let _ = write!(out, ".{fraction:06}");
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// A fraction of a second with its point, without its last zeros; nothing for zero.
pub fn microseconds_text(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

/// Microseconds of the digits behind the point of a second, of which six count.
pub(crate) fn fraction_micros(digits: &str) -> Option<i64> {
    let missing = 6_usize.checked_sub(digits.len())?;
    let value: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some(value * 10_i64.pow(u32::try_from(missing).ok()?))
}

/// Digits at the start of a text, of which there must be some number, and the rest.
fn number_at_start(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<(i64, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let value = text.get(..end).filter(|d| digits.contains(&d.len()))?.parse().ok()?;
    Some((value, &text[end..]))
}

/// Reads `[+-]yyyy[-m[m][-d[d]]]` at the start; says whether the day was there.
fn date_at_start(text: &str) -> Option<(i64, bool, &str)> {
    let (negative, rest) = match text.split_at_checked(1) {
        Some(("-", rest)) => (true, rest),
        Some(("+", rest)) => (false, rest),
        _ => (false, text),
    };
    let (year, mut rest) = number_at_start(rest, 4..=7)?;
    let year = if negative { -year } else { year };
    let mut parts = [1, 1];
    let mut found = 0;
    for part in &mut parts {
        let Some(after) = rest.strip_prefix('-') else { break };
        (*part, rest) = number_at_start(after, 1..=2)?;
        found += 1;
    }
    let days = checked_days(year, u32::try_from(parts[0]).ok()?, u32::try_from(parts[1]).ok()?)?;
    Some((days, found == 2, rest))
}

/// A text as a date, by Spark's rules: parts from the right may be missing, and after a `T` or a
/// space anything may follow.
pub fn parse_date(text: &str) -> Option<i32> {
    let (days, full, rest) = date_at_start(text.trim())?;
    let ends = rest.is_empty() || (full && rest.starts_with(['T', ' ']));
    i32::try_from(days).ok().filter(|_| ends)
}

/// A text as a timestamp: the time that it shows, in microseconds, and the zone it names.
pub fn parse_timestamp(text: &str, today: i64) -> Option<(i64, Option<Zone>)> {
    let text = text.trim();
    let (days, time) = match date_at_start(text) {
        Some((days, _, "")) => return Some((days * MICROS_PER_DAY, None)),
        Some((days, true, rest)) => (days, rest.strip_prefix(['T', ' '])?),
        // A time alone is today's.
        _ => (today, text.strip_prefix('T').or_else(|| text.contains(':').then_some(text))?),
    };
    if time.is_empty() {
        return Some((days * MICROS_PER_DAY, None));
    }
    let (hour, mut rest) = number_at_start(time, 1..=2)?;
    let mut parts = [0, 0];
    for part in &mut parts {
        let Some(after) = rest.strip_prefix(':') else { break };
        (*part, rest) = number_at_start(after, 1..=2)?;
    }
    let mut micros = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let end = after.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
        micros = fraction_micros(&after[..end.min(6)])?;
        rest = &after[end..];
    }
    if hour > 23 || parts[0] > 59 || parts[1] > 59 {
        return None;
    }
    let zone = match rest.trim() {
        "" => None,
        name => Some(Zone::parse(name)?),
    };
    let seconds = hour * 3600 + parts[0] * 60 + parts[1];
    let of_day = seconds * MICROS_PER_SECOND + micros;
    Some((days.checked_mul(MICROS_PER_DAY)?.checked_add(of_day)?, zone))
}

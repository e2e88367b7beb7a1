//! Intervals as text and from text.

use super::datetime::microseconds_text;
use super::number::{parse_decimal, rescale};
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use arrow::datatypes::IntervalMonthDayNano;
use std::fmt::Write;

/// `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub(super) fn write_day_time(micros: i64, out: &mut String) {
    write_fields(Span::DayTime(micros), (0, 3), out);
}

/// `INTERVAL '1-2' YEAR TO MONTH`.
pub(super) fn write_year_month(months: i32, out: &mut String) {
    write_fields(Span::YearMonth(months), (0, 1), out);
}

/// An interval that has fields.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// Microseconds.
    DayTime(i64),
    /// Months.
    YearMonth(i32),
}

/// Writes an interval with its fields from one to another, both counted from the largest that there
/// is.
pub fn write_fields(span: Span, (first, last): (usize, usize), out: &mut String) {
    const DAY_TIME: [&str; 4] = ["DAY", "HOUR", "MINUTE", "SECOND"];
    const YEAR_MONTH: [&str; 2] = ["YEAR", "MONTH"];
    let (negative, mut rest, names): (bool, u64, &[&str]) = match span {
        Span::DayTime(micros) => (micros < 0, micros.unsigned_abs(), &DAY_TIME),
        Span::YearMonth(months) => (months < 0, months.unsigned_abs().into(), &YEAR_MONTH),
    };
    let size = |at: usize| match span {
        Span::DayTime(_) => MICROS_OF_FIELDS[at].unsigned_abs(),
        Span::YearMonth(_) => MONTHS_OF_FIELDS[at].unsigned_abs().into(),
    };
    let last = last.min(names.len() - 1);
    let first = first.min(last);
    out.push_str(if negative { "INTERVAL '-" } else { "INTERVAL '" });
    for (at, name) in names.iter().enumerate().take(last + 1).skip(first) {
        if at > first {
            out.push(match *name {
                "HOUR" => ' ',
                "MONTH" => '-',
                _ => ':',
            });
        }
        let width = if matches!(*name, "HOUR" | "MINUTE" | "SECOND") { 2 } else { 1 };
        let _ = write!(out, "{:0width$}", rest / size(at));
        rest %= size(at);
        if *name == "SECOND" {
            out.push_str(&microseconds_text(i64::try_from(rest).unwrap_or_default()));
        }
    }
    let _ = write!(out, "' {}", names[first]);
    if last > first {
        let _ = write!(out, " TO {}", names[last]);
    }
}

/// Months of a year and a month.
pub const MONTHS_OF_FIELDS: [i32; 2] = [12, 1];
/// Microseconds of a day, an hour, a minute and a second.
pub const MICROS_OF_FIELDS: [i64; 4] =
    [MICROS_PER_DAY, 3600 * MICROS_PER_SECOND, 60 * MICROS_PER_SECOND, MICROS_PER_SECOND];

/// `1 years 2 months 3 days 4 hours 5 minutes 6.7 seconds`.
pub(super) fn write_calendar(interval: IntervalMonthDayNano, out: &mut String) {
    let mut parts = Vec::new();
    let mut part = |value: i64, unit: &str| {
        if value != 0 {
            parts.push(format!("{value} {unit}"));
        }
    };
    part((interval.months / 12).into(), "years");
    part((interval.months % 12).into(), "months");
    part(interval.days.into(), "days");
    let micros = interval.nanoseconds / 1000;
    let seconds = micros / MICROS_PER_SECOND;
    part(seconds / 3600, "hours");
    part(seconds / 60 % 60, "minutes");
    let (rest, fraction) = (seconds % 60, micros % MICROS_PER_SECOND);
    if rest != 0 || fraction != 0 {
        let sign = if rest < 0 || fraction < 0 { "-" } else { "" };
        parts.push(format!("{sign}{}{} seconds", rest.abs(), microseconds_text(fraction.abs())));
    }
    out.push_str(&if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(" ") });
}

/// Reads `3 days 2 hours`, with or without `interval` before it.
pub fn parse_interval(text: &str) -> Option<IntervalMonthDayNano> {
    let lower = text.trim().to_lowercase();
    let mut words = lower.split_whitespace().skip_while(|w| *w == "interval").peekable();
    words.peek()?;
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    while let Some(value) = words.next() {
        let unit = words.next()?;
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        if unit == "second" {
            let (unscaled, scale) = parse_decimal(value)?;
            micros += i64::try_from(rescale(unscaled, scale, (18, 6))?).ok()?;
            continue;
        }
        let value: i64 = value.parse().ok()?;
        match unit {
            "year" => months += value.checked_mul(12)?,
            "month" => months += value,
            "week" => days += value.checked_mul(7)?,
            "day" => days += value,
            "hour" => micros += value.checked_mul(3600 * MICROS_PER_SECOND)?,
            "minute" => micros += value.checked_mul(60 * MICROS_PER_SECOND)?,
            "millisecond" => micros += value.checked_mul(1000)?,
            "microsecond" => micros += value,
            _ => return None,
        }
    }
    Some(IntervalMonthDayNano::new(
        i32::try_from(months).ok()?,
        i32::try_from(days).ok()?,
        micros.checked_mul(1000)?,
    ))
}

/// The text between the quotes of `INTERVAL '…' UNIT`, or the whole.
fn body(text: &str) -> (&str, bool) {
    let text = text.trim();
    let inner =
        text.find('\'').and_then(|start| text.rfind('\'').and_then(|end| text.get(start + 1..end)));
    let negative = text.to_ascii_uppercase().starts_with("INTERVAL -'");
    (inner.unwrap_or(text).trim(), negative)
}

/// `[+-]y-m`.
pub fn parse_year_month(text: &str) -> Option<i32> {
    let (text, outer) = body(text);
    let (negative, digits) = signed(text);
    let (years, months) = digits.split_once('-')?;
    let months: i32 = months.parse().ok().filter(|m| *m < 12)?;
    let total = years.parse::<i32>().ok()?.checked_mul(12)?.checked_add(months)?;
    Some(if negative == outer { total } else { -total })
}

/// `[+-]d h:m:s.f`.
pub fn parse_day_time(text: &str) -> Option<i64> {
    let (text, outer) = body(text);
    let (negative, rest) = signed(text);
    let (days, time) = rest.split_once(' ')?;
    let mut parts = time.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let (unscaled, scale) = parse_decimal(parts.next()?)?;
    let micros = i64::try_from(rescale(unscaled, scale, (18, 6))?).ok()?;
    let seconds = hours * 3600 + minutes * 60;
    let total = days
        .parse::<i64>()
        .ok()?
        .checked_mul(MICROS_PER_DAY)?
        .checked_add(seconds * MICROS_PER_SECOND + micros)?;
    Some(if negative == outer { total } else { -total })
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

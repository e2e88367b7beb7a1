//! Casts of dates and timestamps: from and to text, numbers and each other.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, not_impl_err};

use super::CastMode;
use super::convert::{How, days_of};
use super::number;
use crate::calendar::{Civil, MICROS_PER_DAY, MICROS_PER_SECOND, Zone, checked_days, civil};

/// Whose clock shows a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// One in a time zone: values are instants.
    Zoned(Zone),
    /// One without zone: values are what it shows.
    Local,
}

impl Clock {
    /// What the clock shows.
    pub(crate) fn shows(self, micros: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_local(micros),
            Self::Local => micros,
        }
    }

    /// The value at which the clock shows a time.
    pub(crate) fn at(self, local: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_utc(local),
            Self::Local => local,
        }
    }

    /// The value at which the clock shows a time, moved there from another value: where the clock shows it twice, it keeps its offset.
    pub(crate) fn moved(self, local: i64, from: i64) -> i64 {
        match self {
            Self::Zoned(zone) => zone.to_utc_from(local, from),
            Self::Local => local,
        }
    }
}

/// `2024-01-31`; years beyond four digits have a sign.
pub(crate) fn write_date(days: i64, out: &mut String) {
    let Civil { year, month, day } = civil(days);
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        10_000.. => write!(out, "+{year}-{month:02}-{day:02}"),
        _ => write!(out, "-{:04}-{month:02}-{day:02}", -year),
    };
}

/// `2024-01-31 10:00:00.123`, the fraction without its last zeros.
pub(crate) fn write_timestamp(micros: i64, clock: Clock, out: &mut String) {
    let local = clock.shows(micros);
    write_date(local.div_euclid(MICROS_PER_DAY), out);
    let of_day = local.rem_euclid(MICROS_PER_DAY);
    let seconds = of_day / MICROS_PER_SECOND;
    let _ = write!(out, " {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.push_str(&microseconds_text(of_day % MICROS_PER_SECOND));
}

/// A fraction of a second with its point, without its last zeros; nothing for zero.
pub(crate) fn microseconds_text(micros: i64) -> String {
    if micros == 0 {
        return String::new();
    }
    format!(".{micros:06}").trim_end_matches('0').to_owned()
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

/// A text as a date, by Spark's rules: parts from the right may be missing, and after a `T` or a space anything may follow.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let (days, full, rest) = date_at_start(text.trim())?;
    let ends = rest.is_empty() || (full && rest.starts_with(['T', ' ']));
    i32::try_from(days).ok().filter(|_| ends)
}

/// A text as a timestamp: the time that it shows, in microseconds, and the zone it names.
pub(crate) fn parse_timestamp(text: &str, today: i64) -> Option<(i64, Option<Zone>)> {
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
        let digits = format!("{:0<6}", &after[..end.min(6)]);
        micros = digits.parse().ok()?;
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

/// Texts to dates.
pub(super) fn text_to_date(texts: &StringArray, how: &How) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        out.push(match text.map(|text| (text, parse_date(text))) {
            None => None,
            Some((_, Some(days))) => Some(days),
            Some((text, None)) => how.malformed_text(text, &DataType::Date32)?,
        });
    }
    Ok(Arc::new(PrimitiveArray::<Date32Type>::from(out)))
}

/// Texts to timestamps as a clock shows them.
pub(super) fn text_to_timestamp(
    texts: &StringArray,
    (to, clock): (&DataType, Clock),
    how: &How,
) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            out.push(None);
            continue;
        };
        out.push(match (parse_timestamp(text, 0), clock) {
            (Some((local, Some(zone))), Clock::Zoned(_)) => Some(zone.to_utc(local)),
            // A clock without zone shows what the text shows, whatever zone it names.
            (Some((local, _)), clock) => Some(clock.at(local)),
            (None, _) => how.malformed_text(text, to)?,
        });
    }
    timestamps(out, to)
}

fn timestamps(values: Vec<Option<i64>>, to: &DataType) -> Result<ArrayRef> {
    let array = PrimitiveArray::<TimestampMicrosecondType>::from(values);
    Ok(Arc::new(array.with_data_type(to.clone())))
}

/// Dates and timestamps to and from each other and numbers.
pub(super) fn convert(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Timestamp};
    let zone = |zoned: bool| if zoned { Clock::Zoned(how.zone) } else { Clock::Local };
    match (array.data_type(), to) {
        (Date32, Timestamp(_, zoned)) => {
            let clock = zone(zoned.is_some());
            let days = array.as_primitive::<Date32Type>();
            timestamps(
                days.iter().map(|d| d.map(|d| clock.at(i64::from(d) * MICROS_PER_DAY))).collect(),
                to,
            )
        }
        (Timestamp(_, zoned), Date32) => Ok(days_of(array, zoned.as_ref().map(|_| how.zone))),
        (Timestamp(_, from), Timestamp(..)) => {
            let values = array.as_primitive::<TimestampMicrosecondType>();
            let shift = |v| if from.is_some() { how.zone.to_local(v) } else { how.zone.to_utc(v) };
            timestamps(values.iter().map(|v| v.map(shift)).collect(), to)
        }
        (Timestamp(..), Decimal128(..)) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let seconds: PrimitiveArray<Decimal128Type> =
                micros.iter().map(|v| v.map(i128::from)).collect();
            let seconds = seconds.with_data_type(Decimal128(20, 6));
            number::number_to_number(&(Arc::new(seconds) as ArrayRef), to, how)
        }
        (Timestamp(..), Float64 | Float32) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            #[expect(
                clippy::cast_precision_loss,
                reason = "a double of seconds is what is asked for"
            )]
            let seconds = micros.unary::<_, Float64Type>(|v| v as f64 / 1e6);
            Ok(compute::cast(&seconds, to)?)
        }
        (Timestamp(..), Boolean) => {
            let longs = compute::cast(array, &DataType::Int64)?;
            number::number_to_boolean(&longs)
        }
        (Timestamp(..), _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let seconds = micros.unary::<_, Int64Type>(|v| v.div_euclid(MICROS_PER_SECOND));
            number::number_to_number(&(Arc::new(seconds) as ArrayRef), to, how)
        }
        (Date32, _) => Ok(arrow::array::new_null_array(to, array.len())),
        // A truth is a microsecond after 1970.
        (Boolean, Timestamp(..)) => {
            let bits = array.as_boolean();
            timestamps(bits.iter().map(|bit| bit.map(i64::from)).collect(), to)
        }
        (_, Timestamp(..)) => numbers_to_timestamps(array, to, how),
        (from, to) => not_impl_err!("a cast from {from} to {to}"),
    }
}

fn numbers_to_timestamps(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(array.len());
    match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let doubles = compute::cast(array, &DataType::Float64)?;
            for value in doubles.as_primitive::<Float64Type>() {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "fractions of a microsecond are cut off; the rest saturates as in Java"
                )]
                let micros = value.filter(|v| v.is_finite()).map(|v| (v * 1e6) as i64);
                let lost = value.is_some() && micros.is_none();
                out.push(match (micros, value) {
                    (None, Some(value)) if lost && how.mode == CastMode::Ansi => {
                        how.malformed(&super::java_double(value), "DOUBLE", to)?
                    }
                    _ => micros,
                });
            }
        }
        DataType::Decimal128(_, scale) => {
            for value in array.as_primitive::<Decimal128Type>() {
                let micros = value.and_then(|v| number::rescale(v, (*scale).into(), (38, 6)));
                out.push(micros.and_then(|v| i64::try_from(v).ok()));
            }
        }
        _ => {
            let longs = compute::cast(array, &DataType::Int64)?;
            let seconds = longs.as_primitive::<Int64Type>();
            out.extend(seconds.iter().map(|v| v.map(|v| v.saturating_mul(MICROS_PER_SECOND))));
        }
    }
    timestamps(out, to)
}

//! Timestamps: construction from parts, addition and difference in units, and conversion between
//! time zones.

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use errors::condition;

use super::date::out_of_bounds;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, add_months, checked_days, civil};
use crate::cast::{Clock, zone_of};
use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::number::arithmetic::overflowed;
use crate::types::{TIMESTAMP_NTZ, timestamp};
use crate::{CastMode, FunctionError, cast};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("make_timestamp", "iiiiia?s", |call| make(call, true, false)),
    with("make_timestamp_ltz", "iiiiia?s", |call| make(call, true, false)),
    with("make_timestamp_ntz", "iiiiia", |call| make(call, false, false)),
    with("try_make_timestamp", "iiiiia?s", |call| make(call, true, true)),
    with("try_make_timestamp_ltz", "iiiiia?s", |call| make(call, true, true)),
    with("try_make_timestamp_ntz", "iiiiia", |call| make(call, false, true)),
    with("timestampadd", "slt", move_by),
    with("timestampdiff", "stt", count),
    with("convert_timezone", "sa?a", convert),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[MAKE, MOVE, COUNT, CONVERT];

const MAKE: Kernel = Kernel::new("spark_make_timestamp", returns::timestamp, timestamp_of_parts)
    .nulls(Nulls::Possible);
/// Arguments: unit, number, time, time zone.
const MOVE: Kernel = Kernel::new("spark_timestampadd", |types, _| Ok(types[2].clone()), moved);
/// Arguments: unit, start, end, time zone.
const COUNT: Kernel = Kernel::new("spark_timestampdiff", returns::long, counted);
/// Arguments: source zone, target zone, time.
const CONVERT: Kernel = Kernel::new(
    "spark_convert_timezone",
    |_, _| Ok(TIMESTAMP_NTZ),
    |args| {
        let (from, to) = (args.strings(0)?, args.strings(1)?);
        let times = args.values::<TimestampMicrosecondType>(2)?;
        args.number_rows::<TimestampMicrosecondType>(|row| {
            let instant = zone_of(from.value(row))?.to_utc(times.value(row));
            Ok(Some(zone_of(to.value(row))?.to_local(instant)))
        })
    },
);

/// Arguments: year, month, day, hour, minute, seconds with fraction, time zone. A flag is added:
/// whether invalid values are an error or null.
fn make(mut call: Call<'_>, zoned: bool, tries: bool) -> Result<Expr, FunctionError> {
    call.cast(5, &DataType::Decimal128(16, 6))?;
    if call.args.len() == 6 {
        if zoned { call.push_zone() } else { call.push(ScalarValue::from("UTC")) }
    }
    call.push(ScalarValue::from(call.ctx.ansi && !tries));
    let ctx = call.ctx;
    let result = call.apply(MAKE);
    if zoned {
        return Ok(result);
    }
    let utc = crate::Context { time_zone: "UTC".to_owned(), ..ctx.clone() };
    cast(result, &timestamp(), &TIMESTAMP_NTZ, CastMode::Ansi, &utc)
}

fn timestamp_of_parts(args: &Args<'_>) -> Result<ArrayRef> {
    let parts = (0..5).map(|i| args.values::<Int32Type>(i)).collect::<Result<Vec<_>>>()?;
    let (seconds, zones, fail) =
        (args.values::<Decimal128Type>(5)?, args.strings(6)?, args.booleans(7)?);
    args.number_rows::<TimestampMicrosecondType>(|row| {
        let number = |index: usize| parts[index].value(row);
        let unsigned = |index: usize| u32::try_from(number(index)).unwrap_or_default();
        let days = checked_days(number(0).into(), unsigned(1), unsigned(2));
        let micros = i64::try_from(seconds.value(row)).unwrap_or(-1);
        let (hour, minute) = (i64::from(number(3)), i64::from(number(4)));
        let fits = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60 * MICROS_PER_SECOND).contains(&micros);
        match days {
            Some(days) if fits => {
                let local = days * MICROS_PER_DAY
                    + (hour * 3600 + minute * 60) * MICROS_PER_SECOND
                    + micros;
                Ok(Some(zone_of(zones.value(row))?.to_utc(local)))
            }
            _ if fail.value(row) => Err(out_of_bounds(number(0), number(1), number(2))),
            _ => Ok(None),
        }
    })
}

/// A unit of time: months, days, or microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

impl Unit {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "YEAR" => Self::Months(12),
            "QUARTER" => Self::Months(3),
            "MONTH" => Self::Months(1),
            "WEEK" => Self::Days(7),
            "DAY" | "DAYOFYEAR" => Self::Days(1),
            "HOUR" => Self::Micros(3600 * MICROS_PER_SECOND),
            "MINUTE" => Self::Micros(60 * MICROS_PER_SECOND),
            "SECOND" => Self::Micros(MICROS_PER_SECOND),
            "MILLISECOND" => Self::Micros(1000),
            "MICROSECOND" => Self::Micros(1),
            _ => return None,
        })
    }
}

/// Checks the unit, which must be a constant.
fn unit(call: &Call<'_>) -> Result<(), FunctionError> {
    match call.string(0) {
        Some(name) if Unit::named(name).is_some() => Ok(()),
        found => {
            let (function, shown) = (format!("`{}`", call.name), found.unwrap_or("NULL"));
            Err(FunctionError::Invalid {
                condition: condition::INVALID_PARAMETER_VALUE_DATETIME_UNIT,
                message: format!(
                    "The value of parameter(s) `unit` in {function} is invalid: expects one of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, but got the string literal '{shown}'."
                ),
                parameters: vec![
                    ("functionName", function.clone()),
                    ("parameter", "`unit`".to_owned()),
                    ("invalidValue", format!("'{shown}'")),
                ],
            })
        }
    }
}

fn move_by(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    unit(&call)?;
    if call.types[2] == DataType::Date32 {
        call.cast(2, &timestamp())?;
    }
    call.push_zone();
    Ok(call.apply(MOVE))
}

fn clock(args: &Args<'_>, index: usize) -> Result<Clock> {
    Ok(match args.array(index)?.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone_of(args.constant_string(3)?)?),
        _ => Clock::Local,
    })
}

fn moved(args: &Args<'_>) -> Result<ArrayRef> {
    let (units, numbers) = (args.strings(0)?, args.values::<Int64Type>(1)?);
    let (times, clock) = (args.values::<TimestampMicrosecondType>(2)?, clock(args, 2)?);
    args.number_rows::<TimestampMicrosecondType>(|row| {
        let (number, time) = (numbers.value(row), times.value(row));
        // Days and months are added to the wall-clock time, shorter units to the instant.
        let days = |months: i64, days: i64| {
            let local = clock.shows(time);
            let limit = 10_000_000 * 12;
            if !(-limit..limit).contains(&months) {
                return None;
            }
            let day = add_months(local.div_euclid(MICROS_PER_DAY), months).checked_add(days)?;
            let local =
                day.checked_mul(MICROS_PER_DAY)?.checked_add(local.rem_euclid(MICROS_PER_DAY))?;
            Some(clock.moved(local, time))
        };
        let moved = match Unit::named(units.value(row)) {
            Some(Unit::Months(each)) => number.checked_mul(each).and_then(|n| days(n, 0)),
            Some(Unit::Days(each)) => number.checked_mul(each).and_then(|n| days(0, n)),
            Some(Unit::Micros(each)) => number.checked_mul(each).and_then(|n| time.checked_add(n)),
            None => None,
        };
        moved.map(Some).ok_or_else(|| overflowed("timestamp overflow", ""))
    })
}

fn count(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    unit(&call)?;
    // Two timestamps without time zone are compared as they are, all others as instants.
    let target =
        if call.types[1..] == [TIMESTAMP_NTZ, TIMESTAMP_NTZ] { TIMESTAMP_NTZ } else { timestamp() };
    call.cast(1, &target)?;
    call.cast(2, &target)?;
    call.push_zone();
    Ok(call.apply(COUNT))
}

fn counted(args: &Args<'_>) -> Result<ArrayRef> {
    let (units, clock) = (args.strings(0)?, clock(args, 1)?);
    let starts = args.values::<TimestampMicrosecondType>(1)?;
    let ends = args.values::<TimestampMicrosecondType>(2)?;
    args.number_rows::<Int64Type>(|row| {
        let (start, end) = (clock.shows(starts.value(row)), clock.shows(ends.value(row)));
        Ok(match Unit::named(units.value(row)) {
            Some(Unit::Months(each)) => Some(months_between(start, end) / each),
            Some(Unit::Days(each)) => Some((end - start) / (each * MICROS_PER_DAY)),
            Some(Unit::Micros(each)) => Some((end - start) / each),
            None => None,
        })
    })
}

/// Whole months between two wall-clock times.
fn months_between(start: i64, end: i64) -> i64 {
    let parts = |local: i64| {
        let day = civil(local.div_euclid(MICROS_PER_DAY));
        (day.year * 12 + i64::from(day.month), (day.day, local.rem_euclid(MICROS_PER_DAY)))
    };
    let ((from, first), (to, last)) = (parts(start), parts(end));
    let months = to - from;
    match months {
        1.. if last < first => months - 1,
        ..=-1 if last > first => months + 1,
        _ => months,
    }
}

/// `convert_timezone([from,] to, time)`; `from` defaults to the session time zone.
fn convert(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.len() == 2 {
        let zone = ScalarValue::from(call.ctx.time_zone.as_str());
        call.args.insert(0, Expr::Literal(zone, None));
        call.types.insert(0, DataType::Utf8);
    }
    call.cast(1, &DataType::Utf8)?;
    call.cast(2, &TIMESTAMP_NTZ)?;
    Ok(call.apply(CONVERT))
}

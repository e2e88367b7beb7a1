//! Extraction of fields from dates, timestamps and intervals.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Int32Type, IntervalUnit,
    IntervalYearMonthType, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;
use errors::condition;

use crate::FunctionError;
use crate::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil, day_of_year, iso_week, iso_weekday,
};
use crate::cast::{Clock, zone_of};
use crate::function::Call;
use crate::kernel::{Args, Kernel, returns};
use crate::types::timestamp;

/// A field of a date, timestamp or interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scalar) enum Part {
    Year,
    YearOfWeek,
    Quarter,
    Month,
    Week,
    Day,
    /// 1 is Sunday.
    DayOfWeek,
    /// 1 is Monday.
    IsoDayOfWeek,
    /// 0 is Monday.
    Weekday,
    DayOfYear,
    Hour,
    Minute,
    Second,
}

pub(in crate::scalar) const KERNELS: &[Kernel] = &[PART, SECONDS];

/// Arguments: value, field number, time zone.
const PART: Kernel = Kernel::new("spark_date_part", returns::int, run);
/// Seconds with fraction.
const SECONDS: Kernel = Kernel::new(
    "spark_seconds_part",
    |_, _| Ok(DataType::Decimal128(8, 6)),
    |args| {
        let clock = clock(args, 1)?;
        let micros = args.array(0)?;
        args.number_rows::<Decimal128Type>(|row| {
            let of_day = match micros.data_type() {
                DataType::Duration(_) => {
                    micros.as_primitive::<DurationMicrosecondType>().value(row)
                }
                _ => clock
                    .shows(micros.as_primitive::<TimestampMicrosecondType>().value(row))
                    .rem_euclid(MICROS_PER_DAY),
            };
            Ok(Some((of_day % (60 * MICROS_PER_SECOND)).into()))
        })
    },
);

const ALL: [Part; 13] = [
    Part::Year,
    Part::YearOfWeek,
    Part::Quarter,
    Part::Month,
    Part::Week,
    Part::Day,
    Part::DayOfWeek,
    Part::IsoDayOfWeek,
    Part::Weekday,
    Part::DayOfYear,
    Part::Hour,
    Part::Minute,
    Part::Second,
];

/// Extracts a field of the first argument.
pub(in crate::scalar) fn part(mut call: Call<'_>, part: Part) -> Result<Expr, FunctionError> {
    if call.types[0] == DataType::Date32 && matches!(part, Part::Hour | Part::Minute | Part::Second)
    {
        call.cast(0, &timestamp())?;
    }
    call.args.truncate(1);
    call.types.truncate(1);
    let number = ALL.iter().position(|p| *p == part).unwrap_or_default();
    call.push(ScalarValue::from(i32::try_from(number).unwrap_or_default()));
    call.push_zone();
    Ok(call.apply(PART))
}

/// `extract(field FROM source)`, `date_part('field', source)`.
pub(in crate::scalar) fn extract(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let Some(field) = call.string(0).map(str::to_ascii_uppercase) else {
        return Err(call.mismatch(0, "foldable \"STRING\""));
    };
    call.args.remove(0);
    let source = call.types.remove(0);
    debug_assert_eq!(source, DataType::Utf8);
    if matches!(call.types[0], DataType::Utf8 | DataType::Null) {
        call.cast(0, &timestamp())?;
    }
    let found = match field.as_str() {
        "YEAR" | "Y" | "YEARS" | "YR" | "YRS" => Part::Year,
        "YEAROFWEEK" => Part::YearOfWeek,
        "QUARTER" | "QTR" => Part::Quarter,
        "MONTH" | "MON" | "MONS" | "MONTHS" => Part::Month,
        "WEEK" | "W" | "WEEKS" => Part::Week,
        "DAY" | "D" | "DAYS" => Part::Day,
        "DAYOFWEEK" | "DOW" => Part::DayOfWeek,
        "DAYOFWEEK_ISO" | "DOW_ISO" => Part::IsoDayOfWeek,
        "DOY" => Part::DayOfYear,
        "HOUR" | "H" | "HOURS" | "HR" | "HRS" => Part::Hour,
        "MINUTE" | "M" | "MIN" | "MINS" | "MINUTES" => Part::Minute,
        "SECOND" | "S" | "SEC" | "SECONDS" | "SECS" => {
            if call.types[0] == DataType::Date32 {
                call.cast(0, &timestamp())?;
            }
            call.push_zone();
            return Ok(call.apply(SECONDS));
        }
        _ => {
            return Err(FunctionError::Invalid {
                condition: condition::INVALID_EXTRACT_FIELD,
                message: format!("Cannot extract `{field}` from the source."),
                parameters: vec![("field", format!("`{field}`"))],
            });
        }
    };
    let is_interval = matches!(call.types[0], DataType::Duration(_) | DataType::Interval(_));
    if !is_interval && !matches!(call.types[0], DataType::Date32 | DataType::Timestamp(..)) {
        return Err(call.mismatch(0, "(\"DATE\" or \"TIMESTAMP\" or \"INTERVAL\")"));
    }
    part(call, found)
}

fn clock(args: &Args<'_>, zone: usize) -> Result<Clock> {
    Ok(match args.array(0)?.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone_of(args.constant_string(zone)?)?),
        _ => Clock::Local,
    })
}

fn run(args: &Args<'_>) -> Result<ArrayRef> {
    let numbers = args.values::<Int32Type>(1)?;
    let number = if numbers.is_empty() { 0 } else { numbers.value(0) };
    let part = usize::try_from(number).ok().and_then(|n| ALL.get(n)).copied().unwrap_or(Part::Year);
    let array = args.array(0)?;
    match array.data_type() {
        DataType::Date32 => {
            let dates = array.as_primitive::<Date32Type>();
            args.number_rows::<Int32Type>(|row| Ok(Some(of_day(dates.value(row).into(), part))))
        }
        DataType::Timestamp(..) => {
            let clock = clock(args, 2)?;
            let times = array.as_primitive::<TimestampMicrosecondType>();
            args.number_rows::<Int32Type>(|row| {
                let local = clock.shows(times.value(row));
                let seconds = local.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
                Ok(Some(match part {
                    Part::Hour => small(seconds / 3600),
                    Part::Minute => small(seconds / 60 % 60),
                    Part::Second => small(seconds % 60),
                    _ => of_day(local.div_euclid(MICROS_PER_DAY), part),
                }))
            })
        }
        DataType::Duration(_) => {
            let durations = array.as_primitive::<DurationMicrosecondType>();
            args.number_rows::<Int32Type>(|row| {
                let seconds = durations.value(row) / MICROS_PER_SECOND;
                Ok(Some(match part {
                    Part::Day => small(seconds / 86_400),
                    Part::Hour => small(seconds / 3600 % 24),
                    Part::Minute => small(seconds / 60 % 60),
                    _ => return not_impl_err!("this field of a day-time interval"),
                }))
            })
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>();
            args.number_rows::<Int32Type>(|row| {
                Ok(Some(match part {
                    Part::Year => months.value(row) / 12,
                    Part::Month => months.value(row) % 12,
                    _ => return not_impl_err!("this field of a year-month interval"),
                }))
            })
        }
        other => not_impl_err!("fields of {other}"),
    }
}

fn small(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn of_day(day: i64, part: Part) -> i32 {
    let date = civil(day);
    small(match part {
        Part::Year => date.year,
        Part::YearOfWeek => iso_week(day).0,
        Part::Quarter => (i64::from(date.month) - 1) / 3 + 1,
        Part::Month => date.month.into(),
        Part::Week => iso_week(day).1,
        Part::Day => date.day.into(),
        Part::DayOfWeek => iso_weekday(day) % 7 + 1,
        Part::IsoDayOfWeek => iso_weekday(day),
        Part::Weekday => iso_weekday(day) - 1,
        Part::DayOfYear => day_of_year(day),
        Part::Hour | Part::Minute | Part::Second => 0,
    })
}

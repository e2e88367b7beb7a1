//! Dates and timestamps: fields, calculations, formatting and parsing.

use errors::condition;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, PrimitiveArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion_spark::function::datetime as native_date;

use super::date_part::{Part, part};
use crate::calendar::{
    MICROS_PER_DAY, MICROS_PER_SECOND, Zone, add_months, checked_days, civil, days, days_in_month,
    iso_weekday,
};
use crate::cast::{Clock, zone_of};
use crate::function::{Call, Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::types::{TIMESTAMP_NTZ, timestamp};
use crate::{CastMode, FunctionError, cast, run_time_error};
use formats::pattern::Pattern;

macro_rules! field {
    ($name:literal, $part:ident) => {
        with($name, "t", |call| part(call, Part::$part))
    };
}

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("current_date", "", current_date),
    with("curdate", "", current_date),
    with("current_timestamp", "", |call| Ok(now(&call))),
    with("now", "", |call| Ok(now(&call))),
    with("localtimestamp", "", |call| {
        let expr = now(&call);
        cast(expr, &timestamp(), &TIMESTAMP_NTZ, CastMode::Ansi, call.ctx)
    }),
    with("current_timezone", "", |call| {
        Ok(Expr::Literal(ScalarValue::from(call.ctx.time_zone.as_str()), None))
    }),
    field!("year", Year),
    field!("quarter", Quarter),
    field!("month", Month),
    field!("day", Day),
    field!("dayofmonth", Day),
    field!("dayofweek", DayOfWeek),
    field!("weekday", Weekday),
    field!("dayofyear", DayOfYear),
    field!("weekofyear", Week),
    field!("hour", Hour),
    field!("minute", Minute),
    field!("second", Second),
    with("extract", "sa", super::date_part::extract),
    with("date_part", "sa", super::date_part::extract),
    with("datepart", "sa", super::date_part::extract),
    native("date_add", "Di", native_date::date_add),
    native("dateadd", "Di", native_date::date_add),
    native("date_sub", "Di", native_date::date_sub),
    kernel("datediff", "DD", DATE_DIFF),
    kernel("date_diff", "DD", DATE_DIFF),
    kernel(
        "add_months",
        "Di",
        Kernel::new("spark_add_months", returns::date, |args| {
            let (dates, months) = (args.values::<Date32Type>(0)?, args.values::<Int32Type>(1)?);
            args.number_rows::<Date32Type>(|row| {
                day(add_months(dates.value(row).into(), months.value(row).into())).map(Some)
            })
        }),
    ),
    with("months_between", "TT?B", |mut call| {
        call.default(3, ScalarValue::from(true));
        call.push_zone();
        Ok(call.apply(MONTHS_BETWEEN))
    }),
    kernel(
        "last_day",
        "D",
        Kernel::new("spark_last_day", returns::date, |args| {
            let dates = args.values::<Date32Type>(0)?;
            args.number_rows::<Date32Type>(|row| {
                let date = civil(dates.value(row).into());
                day(days(date.year, date.month, days_in_month(date.year, date.month))).map(Some)
            })
        }),
    ),
    with("next_day", "Ds", |call| {
        let kernel = if call.ctx.ansi { NEXT_DAY } else { NEXT_DAY_OR_NULL };
        Ok(call.apply(kernel))
    }),
    with("trunc", "Ds", |call| Ok(call.apply(TRUNC))),
    with("date_trunc", "st", date_trunc),
    with("make_date", "iii", |call| {
        let kernel = if call.ctx.ansi { MAKE_DATE } else { TRY_MAKE_DATE };
        Ok(call.apply(kernel))
    }),
    with("date_format", "ts", date_format),
    with("to_date", "a?s", |call| to_date(call, false)),
    with("try_to_date", "a?s", |call| to_date(call, true)),
    with("date", "a", |mut call| {
        call.cast(0, &DataType::Date32)?;
        Ok(call.only())
    }),
    with("to_timestamp", "a?s", |call| to_timestamp(call, &timestamp(), false)),
    with("to_timestamp_ltz", "a?s", |call| to_timestamp(call, &timestamp(), false)),
    with("to_timestamp_ntz", "a?s", |call| to_timestamp(call, &TIMESTAMP_NTZ, false)),
    with("try_to_timestamp", "a?s", |call| to_timestamp(call, &timestamp(), true)),
    with("timestamp", "a", |mut call| {
        call.cast(0, &timestamp())?;
        Ok(call.only())
    }),
    with("unix_timestamp", "?as", unix_timestamp),
    with("to_unix_timestamp", "a?s", unix_timestamp),
    with("from_unixtime", "l?s", from_unixtime),
    kernel(
        "from_utc_timestamp",
        "Ts",
        Kernel::new("spark_from_utc_timestamp", returns::timestamp, |args| {
            shifted(args, Zone::to_local)
        }),
    ),
    kernel(
        "to_utc_timestamp",
        "Ts",
        Kernel::new("spark_to_utc_timestamp", returns::timestamp, |args| {
            shifted(args, Zone::to_utc)
        }),
    ),
    kernel("monthname", "D", Kernel::new("spark_monthname", returns::string, month_names)),
    with("dayname", "D", |mut call| {
        call.push(ScalarValue::from("E"));
        date_format(call)
    }),
];

const NEXT_DAY: Kernel = Kernel::new("spark_next_day", returns::date, |args| next_day(args, true));
const NEXT_DAY_OR_NULL: Kernel =
    Kernel::new("spark_next_day_or_null", returns::date, |args| next_day(args, false))
        .nulls(Nulls::Possible);

pub(in crate::scalar) const KERNELS: &[Kernel] = &[
    NEXT_DAY,
    NEXT_DAY_OR_NULL,
    MONTHS_BETWEEN,
    TRUNC,
    TRUNC_TIME,
    MAKE_DATE,
    TRY_MAKE_DATE,
    FORMAT,
    READ,
    TRY_READ,
];

const DATE_DIFF: Kernel = Kernel::new("spark_datediff", returns::int, |args| {
    let (end, start) = (args.values::<Date32Type>(0)?, args.values::<Date32Type>(1)?);
    let result: PrimitiveArray<Int32Type> = compute::binary(end, start, i32::wrapping_sub)?;
    Ok(Arc::new(result))
});
const MONTHS_BETWEEN: Kernel = Kernel::new("spark_months_between", returns::double, months_between);
const TRUNC: Kernel = Kernel::new("spark_trunc", returns::date, trunc).nulls(Nulls::Possible);
const TRUNC_TIME: Kernel =
    Kernel::new("spark_date_trunc", |types, _| Ok(types[1].clone()), trunc_time)
        .nulls(Nulls::Possible);
const MAKE_DATE: Kernel =
    Kernel::new("spark_make_date", returns::date, |args| make_date(args, true));
const TRY_MAKE_DATE: Kernel =
    Kernel::new("spark_try_make_date", returns::date, |args| make_date(args, false))
        .nulls(Nulls::Possible);
const FORMAT: Kernel = Kernel::new("spark_date_format", returns::string, formatted);
const READ: Kernel = Kernel::new("spark_to_timestamp", returns::timestamp, |args| read(args, true));
const TRY_READ: Kernel =
    Kernel::new("spark_try_to_timestamp", returns::timestamp, |args| read(args, false))
        .nulls(Nulls::Possible);

fn now(call: &Call<'_>) -> Expr {
    Expr::Literal(
        ScalarValue::TimestampMicrosecond(Some(call.ctx.now_micros), Some("UTC".into())),
        None,
    )
}

fn current_date(call: Call<'_>) -> Result<Expr, FunctionError> {
    cast(now(&call), &timestamp(), &DataType::Date32, CastMode::Ansi, call.ctx)
}

fn day(days: i64) -> Result<i32> {
    i32::try_from(days)
        .map_err(|_| crate::scalar::number::arithmetic::overflowed("integer overflow", ""))
}

fn months_between(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) =
        (args.values::<TimestampMicrosecondType>(0)?, args.values::<TimestampMicrosecondType>(1)?);
    let (round, zone) = (args.booleans(2)?, zone_of(args.constant_string(3)?)?);
    args.number_rows::<Float64Type>(|row| {
        let (l, r) = (zone.to_local(left.value(row)), zone.to_local(right.value(row)));
        let (ld, rd) = (civil(l.div_euclid(MICROS_PER_DAY)), civil(r.div_euclid(MICROS_PER_DAY)));
        let months = ld.year * 12 + i64::from(ld.month) - rd.year * 12 - i64::from(rd.month);
        let is_last = |d: crate::calendar::Civil| d.day == days_in_month(d.year, d.month);
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of months and seconds of a month are small"
        )]
        let result = if ld.day == rd.day || (is_last(ld) && is_last(rd)) {
            months as f64
        } else {
            let seconds = |local: i64| local.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
            let apart = (i64::from(ld.day) - i64::from(rd.day)) * 86_400 + seconds(l) - seconds(r);
            months as f64 + apart as f64 / (31.0 * 86_400.0)
        };
        Ok(Some(if round.value(row) { (result * 1e8).round() / 1e8 } else { result }))
    })
}

fn next_day(args: &Args<'_>, fails: bool) -> Result<ArrayRef> {
    let (dates, names) = (args.values::<Date32Type>(0)?, args.strings(1)?);
    args.number_rows::<Date32Type>(|row| {
        let name = names.value(row).trim().to_ascii_uppercase();
        let wanted = match name.as_str() {
            "MO" | "MON" | "MONDAY" => 1,
            "TU" | "TUE" | "TUESDAY" => 2,
            "WE" | "WED" | "WEDNESDAY" => 3,
            "TH" | "THU" | "THURSDAY" => 4,
            "FR" | "FRI" | "FRIDAY" => 5,
            "SA" | "SAT" | "SATURDAY" => 6,
            "SU" | "SUN" | "SUNDAY" => 7,
            _ if !fails => return Ok(None),
            _ => {
                return Err(run_time_error(
                    condition::ILLEGAL_DAY_OF_WEEK,
                    format!("Illegal input for day of week: {}.", names.value(row)),
                ));
            }
        };
        let date = i64::from(dates.value(row));
        let ahead = (wanted - iso_weekday(date)).rem_euclid(7);
        day(date + if ahead == 0 { 7 } else { ahead }).map(Some)
    })
}

/// First day of the unit; `None` if the unit is shorter than a week or unknown.
fn first_day(date: i64, unit: &str) -> Option<i64> {
    let civil = civil(date);
    Some(match unit {
        "YEAR" | "YYYY" | "YY" => days(civil.year, 1, 1),
        "QUARTER" => days(civil.year, (civil.month - 1) / 3 * 3 + 1, 1),
        "MONTH" | "MON" | "MM" => days(civil.year, civil.month, 1),
        "WEEK" => date - iso_weekday(date) + 1,
        _ => return None,
    })
}

fn trunc(args: &Args<'_>) -> Result<ArrayRef> {
    let (dates, units) = (args.values::<Date32Type>(0)?, args.strings(1)?);
    args.number_rows::<Date32Type>(|row| {
        first_day(dates.value(row).into(), &units.value(row).to_ascii_uppercase())
            .map(day)
            .transpose()
    })
}

fn date_trunc(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.types[1] == DataType::Date32 {
        call.cast(1, &timestamp())?;
    }
    call.push_zone();
    Ok(call.apply(TRUNC_TIME))
}

fn trunc_time(args: &Args<'_>) -> Result<ArrayRef> {
    let (units, times) = (args.strings(0)?, args.values::<TimestampMicrosecondType>(1)?);
    let clock = match times.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone_of(args.constant_string(2)?)?),
        _ => Clock::Local,
    };
    args.number_rows::<TimestampMicrosecondType>(|row| {
        let local = clock.shows(times.value(row));
        let unit = units.value(row).to_ascii_uppercase();
        let to = |size: i64| local - local.rem_euclid(size);
        let start = match unit.as_str() {
            "MICROSECOND" => local,
            "MILLISECOND" => to(1000),
            "SECOND" => to(MICROS_PER_SECOND),
            "MINUTE" => to(60 * MICROS_PER_SECOND),
            "HOUR" => to(3600 * MICROS_PER_SECOND),
            "DAY" | "DD" => to(MICROS_PER_DAY),
            unit => match first_day(local.div_euclid(MICROS_PER_DAY), unit) {
                Some(day) => return Ok(Some(clock.at(day * MICROS_PER_DAY))),
                None => return Ok(None),
            },
        };
        Ok(Some(clock.moved(start, times.value(row))))
    })
}

fn make_date(args: &Args<'_>, fail: bool) -> Result<ArrayRef> {
    let (years, months) = (args.values::<Int32Type>(0)?, args.values::<Int32Type>(1)?);
    let day_numbers = args.values::<Int32Type>(2)?;
    args.number_rows::<Date32Type>(|row| {
        let number = |value: i32| u32::try_from(value).unwrap_or_default();
        let (month, day_number) = (months.value(row), day_numbers.value(row));
        match checked_days(years.value(row).into(), number(month), number(day_number)) {
            Some(days) => day(days).map(Some),
            None if fail => Err(out_of_bounds(years.value(row), month, day_number)),
            None => Ok(None),
        }
    })
}

pub(in crate::scalar) fn out_of_bounds(
    year: i32,
    month: i32,
    day: i32,
) -> datafusion::common::DataFusionError {
    let message = if !(1..=12).contains(&month) {
        format!("Invalid value for MonthOfYear (valid values 1 - 12): {month}.")
    } else if !(1..=31).contains(&day) {
        format!("Invalid value for DayOfMonth (valid values 1 - 28/31): {day}.")
    } else {
        format!("Invalid date '{year}-{month}-{day}'.")
    };
    run_time_error(
        condition::DATETIME_FIELD_OUT_OF_BOUNDS_WITH_SUGGESTION,
        format!(
            "{message} If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
        ),
    )
}

/// Parsed patterns of a batch, usually one.
#[derive(Default)]
struct Patterns(HashMap<String, Pattern>);

impl Patterns {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if !self.0.contains_key(text) {
            self.0.insert(text.to_owned(), pattern(text)?);
        }
        Ok(&self.0[text])
    }
}

/// Parses a pattern, with Spark's error if it is invalid.
pub(in crate::scalar) fn pattern(text: &str) -> Result<Pattern> {
    Pattern::parse(text).ok_or_else(|| {
        run_time_error(
            condition::INVALID_DATETIME_PATTERN,
            format!("Unrecognized datetime pattern: {text}. Please, check that it is one of Spark's: 'https://spark.apache.org/docs/latest/sql-ref-datetime-pattern.html'."),
        )
    })
}

fn month_names(args: &Args<'_>) -> Result<ArrayRef> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let dates = args.values::<Date32Type>(0)?;
    args.string_rows(|row| {
        let month = civil(dates.value(row).into()).month;
        Ok(usize::try_from(month - 1).ok().and_then(|at| NAMES.get(at)).map(|&n| n.to_owned()))
    })
}

fn date_format(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.types[0] == DataType::Date32 {
        call.cast(0, &TIMESTAMP_NTZ)?;
    }
    call.push_zone();
    Ok(call.apply(FORMAT))
}

fn formatted(args: &Args<'_>) -> Result<ArrayRef> {
    let (times, patterns) = (args.values::<TimestampMicrosecondType>(0)?, args.strings(1)?);
    let name = args.constant_string(2)?;
    let zone = zone_of(name)?;
    let clock = match times.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone),
        _ => Clock::Local,
    };
    let mut cache = Patterns::default();
    args.string_rows(|row| {
        let local = clock.shows(times.value(row));
        let instant = if clock == Clock::Local { zone.to_utc(local) } else { times.value(row) };
        let mut out = String::new();
        cache.get(patterns.value(row))?.write(local, (zone, name), instant, &mut out);
        Ok(Some(out))
    })
}

fn to_date(mut call: Call<'_>, tries: bool) -> Result<Expr, FunctionError> {
    let mode = if tries { CastMode::Try } else { CastMode::session(call.ctx) };
    let ctx = call.ctx;
    if call.args.len() == 2 && call.types[0] == DataType::Utf8 {
        // In UTC, so that no day is lost in a DST gap.
        let read = read_text(&mut call, tries, "UTC");
        let utc = crate::Context { time_zone: "UTC".to_owned(), ..ctx.clone() };
        return cast(read, &timestamp(), &DataType::Date32, mode, &utc);
    }
    let from = call.types[0].clone();
    call.args.truncate(1);
    cast(call.only(), &from, &DataType::Date32, mode, ctx)
}

fn read_text(call: &mut Call<'_>, tries: bool, zone: &str) -> Expr {
    let mut args = std::mem::take(&mut call.args);
    args.push(Expr::Literal(ScalarValue::from(zone), None));
    let kernel = if tries || !call.ctx.ansi { TRY_READ } else { READ };
    kernel.udf().call(args)
}

fn to_timestamp(mut call: Call<'_>, target: &DataType, tries: bool) -> Result<Expr, FunctionError> {
    let mode = if tries { CastMode::Try } else { CastMode::session(call.ctx) };
    let ctx = call.ctx;
    if call.args.len() == 2 && call.types[0] == DataType::Utf8 {
        let read = read_text(&mut call, tries, &ctx.time_zone);
        return cast(read, &timestamp(), target, mode, ctx);
    }
    let from = call.types[0].clone();
    call.args.truncate(1);
    cast(call.only(), &from, target, mode, ctx)
}

fn read(args: &Args<'_>, fail: bool) -> Result<ArrayRef> {
    let (texts, patterns, zone) =
        (args.strings(0)?, args.strings(1)?, zone_of(args.constant_string(2)?)?);
    let mut cache = Patterns::default();
    args.number_rows::<TimestampMicrosecondType>(|row| {
        let text = texts.value(row);
        match cache.get(patterns.value(row))?.read(text) {
            Some((local, named)) => Ok(Some(named.unwrap_or(zone).to_utc(local))),
            None if fail => Err(run_time_error(
                condition::CANNOT_PARSE_TIMESTAMP,
                format!("Text '{text}' could not be parsed. Use `try_to_timestamp` to tolerate invalid input string and return NULL instead."),
            )),
            None => Ok(None),
        }
    })
}

fn unix_timestamp(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    if call.args.is_empty() {
        let seconds = call.ctx.now_micros.div_euclid(MICROS_PER_SECOND);
        return Ok(Expr::Literal(ScalarValue::from(seconds), None));
    }
    if call.types[0] == DataType::Utf8 {
        call.default(2, ScalarValue::from("yyyy-MM-dd HH:mm:ss"));
    }
    let ctx = call.ctx;
    let time = to_timestamp(call, &timestamp(), false)?;
    cast(time, &timestamp(), &DataType::Int64, CastMode::session(ctx), ctx)
}

fn from_unixtime(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.default(2, ScalarValue::from("yyyy-MM-dd HH:mm:ss"));
    call.cast(0, &timestamp())?;
    call.push_zone();
    Ok(call.apply(FORMAT))
}

fn shifted(args: &Args<'_>, of: fn(Zone, i64) -> i64) -> Result<ArrayRef> {
    let (times, zones) = (args.values::<TimestampMicrosecondType>(0)?, args.strings(1)?);
    args.number_rows::<TimestampMicrosecondType>(|row| {
        Ok(Some(of(zone_of(zones.value(row))?, times.value(row))))
    })
}

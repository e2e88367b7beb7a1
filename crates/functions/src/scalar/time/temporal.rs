//! Arithmetic with dates, timestamps and intervals.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Float64Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;
use datafusion_spark::function::datetime as native_date;

use crate::calendar::{MICROS_PER_DAY, add_months};
use crate::cast::{Clock, zone_of};
use crate::function::Call;
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::number::arithmetic::{Operator, Overflow, overflowed, zero};
use crate::types::{DAY_TIME, YEAR_MONTH, timestamp};
use crate::{CastMode, FunctionError, run_time_error};

pub(in crate::scalar) const KERNELS: &[Kernel] = &[
    TIME_ADD,
    TIME_SUBTRACT,
    DATE_DIFFERENCE,
    TIME_DIFFERENCE,
    SCALE,
    SCALE_DOWN,
    TRY_SCALE,
    TRY_SCALE_DOWN,
    INTERVAL_ADD,
    INTERVAL_SUBTRACT,
    TIMES,
    TIMES_OR_NULL,
];

const TIME_ADD: Kernel = Kernel::new("spark_time_add", returns::first, |args| time_add(args, 1));
const TIME_SUBTRACT: Kernel =
    Kernel::new("spark_time_subtract", returns::first, |args| time_add(args, -1));
const DATE_DIFFERENCE: Kernel =
    Kernel::new("spark_date_difference", returns::day_time, date_difference);
const TIME_DIFFERENCE: Kernel =
    Kernel::new("spark_time_difference", returns::day_time, time_difference);
const SCALE: Kernel =
    Kernel::new("spark_interval_multiply", returns::first, |args| scale(args, Operator::Multiply));
const TRY_SCALE: Kernel = Kernel::new("spark_try_interval_multiply", returns::first, |args| {
    try_scale(args, Operator::Multiply)
})
.nulls(Nulls::Possible);
const TRY_SCALE_DOWN: Kernel = Kernel::new("spark_try_interval_divide", returns::first, |args| {
    try_scale(args, Operator::Divide)
})
.nulls(Nulls::Possible);
const SCALE_DOWN: Kernel =
    Kernel::new("spark_interval_divide", returns::first, |args| scale(args, Operator::Divide))
        .nulls(Nulls::Strict);
const INTERVAL_ADD: Kernel =
    Kernel::new("spark_interval_add", returns::calendar_interval, |args| calendar(args, 1));
const INTERVAL_SUBTRACT: Kernel =
    Kernel::new("spark_interval_subtract", returns::calendar_interval, |args| calendar(args, -1));

const TIMES: Kernel = Kernel::new("spark_interval_div", returns::long, |args| times(args, true));
const TIMES_OR_NULL: Kernel =
    Kernel::new("spark_interval_div_or_null", returns::long, |args| times(args, false))
        .nulls(Nulls::Possible);

/// Whether a type is a date, a timestamp or an interval.
pub(in crate::scalar) fn is_temporal(data_type: &DataType) -> bool {
    is_interval(data_type) || matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

fn is_interval(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Duration(_) | DataType::Interval(_))
}

/// `left operator right` where an operand is a date, a timestamp or an interval.
pub(in crate::scalar) fn build(
    mut call: Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<Expr, FunctionError> {
    use DataType::{Date32, Timestamp, Utf8};
    // A null is cast to a type that suits the other operand.
    for index in 0..2 {
        if call.types[index] == DataType::Null {
            let other = &call.types[1 - index];
            let target = if *other == Date32 { DataType::Int32 } else { DAY_TIME };
            call.cast(index, &if is_interval(other) { other.clone() } else { target })?;
        }
    }
    let moves_left =
        operator == Operator::Add && (is_interval(&call.types[0]) || !is_temporal(&call.types[0]));
    if moves_left && matches!(call.types[1], Date32 | Timestamp(..) | Utf8) {
        call.args.swap(0, 1);
        call.types.swap(0, 1);
    }
    let same_fields = call.types[0] == call.types[1] && has_fields(&call.types[0]);
    match operator {
        Operator::Add | Operator::Subtract if is_interval(&call.types[0]) => {
            intervals(call, operator, overflow)
        }
        Operator::Add | Operator::Subtract => moved(call, operator == Operator::Subtract),
        Operator::Multiply | Operator::Divide => scaled(call, operator, overflow),
        Operator::Div if same_fields => {
            let kernel = if call.ctx.ansi { TIMES } else { TIMES_OR_NULL };
            Ok(call.apply(kernel))
        }
        Operator::Div | Operator::Remainder | Operator::Pmod => Err(differing(&call)),
    }
}

/// Whether it is a year-month or a day-time interval.
fn has_fields(data_type: &DataType) -> bool {
    *data_type == DAY_TIME || *data_type == YEAR_MONTH
}

/// Adds days to a date, or subtracts them.
fn plus_days(call: Call<'_>, subtracts: bool) -> Expr {
    let udf = if subtracts { native_date::date_sub() } else { native_date::date_add() };
    udf.call(call.args)
}

/// Adds to or subtracts from a value that is not an interval; includes the difference of two times.
fn moved(mut call: Call<'_>, subtracts: bool) -> Result<Expr, FunctionError> {
    use DataType::{Date32, Int64, Timestamp, Utf8};
    match (call.types[0].clone(), call.types[1].clone()) {
        (Date32, Int64) => Err(call.mismatch(1, DAYS)),
        (Date32, right) if crate::types::is_integral(&right) => {
            call.cast(1, &DataType::Int32)?;
            Ok(plus_days(call, subtracts))
        }
        // Outside ANSI mode, text beside a date is a number of days, which must be an integer.
        (Date32, Utf8) | (Utf8, Date32) if subtracts && !call.ctx.ansi => {
            Err(call.mismatch(1, DAYS))
        }
        (Date32 | Timestamp(..) | Utf8, Date32 | Timestamp(..) | Utf8) if subtracts => {
            let common = call.unify_compared()?;
            if common == Date32 {
                return Ok(call.apply(DATE_DIFFERENCE));
            }
            call.push_zone();
            Ok(call.apply(TIME_DIFFERENCE))
        }
        (_, right) if is_interval(&right) => time_and_interval(call, subtracts),
        _ => Err(differing(&call)),
    }
}

/// Addition and subtraction of intervals.
fn intervals(
    call: Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<Expr, FunctionError> {
    if call.types[0] == call.types[1] && has_fields(&call.types[0]) {
        return Ok(call.apply(crate::scalar::operator::kernel_of(operator, overflow)));
    }
    if !is_interval(&call.types[1]) {
        return Err(differing(&call));
    }
    Ok(call.apply(if operator == Operator::Subtract { INTERVAL_SUBTRACT } else { INTERVAL_ADD }))
}

/// Multiplication and division of intervals by numbers.
fn scaled(
    mut call: Call<'_>,
    operator: Operator,
    overflow: Overflow,
) -> Result<Expr, FunctionError> {
    if !is_interval(&call.types[0]) && operator == Operator::Multiply {
        call.args.swap(0, 1);
        call.types.swap(0, 1);
    }
    let number = &call.types[1];
    let is_number = crate::types::is_numeric(number) || *number == DataType::Utf8;
    if !has_fields(&call.types[0]) || !is_number {
        return Err(differing(&call));
    }
    call.cast(1, &DataType::Float64)?;
    Ok(call.apply(match (operator, overflow) {
        (Operator::Multiply, Overflow::Null) => TRY_SCALE,
        (Operator::Multiply, _) => SCALE,
        (_, Overflow::Null) => TRY_SCALE_DOWN,
        (..) => SCALE_DOWN,
    }))
}

/// Types allowed for a number of days beside a date.
const DAYS: &str = "(\"INT\" or \"SMALLINT\" or \"TINYINT\")";

fn differing(call: &Call<'_>) -> FunctionError {
    FunctionError::DifferingTypes { name: call.name.to_owned(), types: call.types.clone() }
}

fn time_and_interval(mut call: Call<'_>, subtracts: bool) -> Result<Expr, FunctionError> {
    match (&call.types[0], &call.types[1]) {
        (DataType::Date32 | DataType::Timestamp(..), _) => {}
        // Text is cast to a timestamp, and the result back to text.
        (DataType::Utf8, interval) if *interval != YEAR_MONTH => {
            call.cast(0, &timestamp())?;
            let ctx = call.ctx;
            let moved = time_and_interval(call, subtracts)?;
            return crate::cast(moved, &timestamp(), &DataType::Utf8, CastMode::session(ctx), ctx);
        }
        _ => return Err(differing(&call)),
    }
    if call.types[0] == DataType::Date32 && call.types[1] == DAY_TIME {
        // Spark derives from the interval's type that it contains only days; here only a constant
        // shows it.
        let whole_days = match &call.args[1] {
            Expr::Literal(ScalarValue::DurationMicrosecond(Some(micros)), _)
                if micros % MICROS_PER_DAY == 0 =>
            {
                i32::try_from(micros / MICROS_PER_DAY).ok()
            }
            _ => None,
        };
        if let Some(days) = whole_days {
            call.args.truncate(1);
            call.push(ScalarValue::from(days));
            return Ok(plus_days(call, subtracts));
        }
        call.cast(0, &timestamp())?;
    }
    if matches!(call.types[0], DataType::Timestamp(_, Some(_))) {
        call.push_zone();
    } else {
        call.push(ScalarValue::from("UTC"));
    }
    Ok(call.apply(if subtracts { TIME_SUBTRACT } else { TIME_ADD }))
}

/// Months, days and microseconds of an interval of any type.
fn parts(array: &ArrayRef, row: usize) -> Result<(i64, i64, i64)> {
    Ok(match array.data_type() {
        DataType::Duration(_) => {
            let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
            (0, micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            (array.as_primitive::<IntervalYearMonthType>().value(row).into(), 0, 0)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months.into(), value.days.into(), value.nanoseconds / 1000)
        }
        other => return not_impl_err!("an interval of type {other}"),
    })
}

fn time_add(args: &Args<'_>, sign: i64) -> Result<ArrayRef> {
    let (times, intervals) = (args.array(0)?, args.array(1)?);
    let both = |row| times.is_valid(row) && intervals.is_valid(row);
    if let DataType::Date32 = times.data_type() {
        let dates = args.values::<Date32Type>(0)?;
        let mut out = Vec::with_capacity(args.rows);
        for row in 0..args.rows {
            if !both(row) {
                out.push(None);
                continue;
            }
            let (months, days, micros) = parts(intervals, row)?;
            if micros != 0 {
                return Err(run_time_error(
                    condition::INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION,
                    "Cannot add an interval to a date because its microseconds part is not 0. To resolve this, cast the input date to a timestamp, which supports the addition of intervals with non-zero microseconds.",
                ));
            }
            let day = add_months(dates.value(row).into(), sign * months) + sign * days;
            out.push(Some(i32::try_from(day).map_err(|_| overflowed("integer overflow", ""))?));
        }
        return Ok(Arc::new(PrimitiveArray::<Date32Type>::from(out)));
    }
    let clock = match times.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone_of(args.constant_string(2)?)?),
        _ => Clock::Local,
    };
    let values = args.values::<TimestampMicrosecondType>(0)?;
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if !both(row) {
            out.push(None);
            continue;
        }
        let (months, days, micros) = parts(intervals, row)?;
        // Months first, then days, both in wall-clock time, then the rest as elapsed time.
        let value = on_clock(clock, values.value(row), |day| add_months(day, sign * months));
        let value = value.and_then(|value| on_clock(clock, value, |day| day + sign * days));
        let value = value.and_then(|value| value.checked_add(sign * micros));
        out.push(Some(value.ok_or_else(|| overflowed("long overflow", ""))?));
    }
    let array = PrimitiveArray::<TimestampMicrosecondType>::from(out);
    Ok(Arc::new(array.with_data_type(times.data_type().clone())))
}

/// Moves a timestamp to another day, at the same wall-clock time.
fn on_clock(clock: Clock, value: i64, to: impl Fn(i64) -> i64) -> Option<i64> {
    let local = clock.shows(value);
    let day = local.div_euclid(MICROS_PER_DAY);
    let moved = to(day);
    if moved == day {
        return Some(value);
    }
    let local = moved.checked_mul(MICROS_PER_DAY)?.checked_add(local.rem_euclid(MICROS_PER_DAY))?;
    Some(clock.moved(local, value))
}

fn date_difference(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) = (args.values::<Date32Type>(0)?, args.values::<Date32Type>(1)?);
    let result: PrimitiveArray<DurationMicrosecondType> = compute::binary(left, right, |l, r| {
        (i64::from(l) - i64::from(r)).saturating_mul(MICROS_PER_DAY)
    })?;
    Ok(Arc::new(result))
}

/// Difference in wall-clock time, which differs from the elapsed time across a DST transition.
fn time_difference(args: &Args<'_>) -> Result<ArrayRef> {
    let (left, right) =
        (args.values::<TimestampMicrosecondType>(0)?, args.values::<TimestampMicrosecondType>(1)?);
    let clock = match left.data_type() {
        DataType::Timestamp(_, Some(_)) => Clock::Zoned(zone_of(args.constant_string(2)?)?),
        _ => Clock::Local,
    };
    let result: PrimitiveArray<DurationMicrosecondType> =
        compute::binary(left, right, |l, r| clock.shows(l).wrapping_sub(clock.shows(r)))?;
    Ok(Arc::new(result))
}

/// Quotient of two intervals.
fn times(args: &Args<'_>, fails: bool) -> Result<ArrayRef> {
    let longs = |index: usize| -> Result<Vec<i64>> {
        if *args.array(index)?.data_type() == DAY_TIME {
            return Ok(args.values::<DurationMicrosecondType>(index)?.values().to_vec());
        }
        let months = args.values::<IntervalYearMonthType>(index)?.values().iter();
        Ok(months.map(|months| i64::from(*months)).collect())
    };
    let (left, right) = (longs(0)?, longs(1)?);
    args.number_rows::<Int64Type>(|row| match right[row] {
        0 if fails => Err(zero(Operator::Div)),
        0 => Ok(None),
        divisor => Ok(Some(left[row].wrapping_div(divisor))),
    })
}

/// [`scale`], with null instead of an error.
fn try_scale(args: &Args<'_>, operator: Operator) -> Result<ArrayRef> {
    let rows = (0..args.rows).map(|row| {
        let arrays: Vec<_> = args.arrays.iter().map(|array| array.slice(row, 1)).collect();
        scale(&Args { arrays: &arrays, rows: 1, returns: args.returns }, operator)
            .or_else(|_| Ok(arrow::array::new_null_array(args.returns, 1)))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = rows.iter().map(AsRef::as_ref).collect();
    if rows.is_empty() {
        return Ok(arrow::array::new_empty_array(args.returns));
    }
    Ok(compute::concat(&rows)?)
}

fn scale(args: &Args<'_>, operator: Operator) -> Result<ArrayRef> {
    let factors = args.values::<Float64Type>(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the result is rounded to whole units, checked against the range"
    )]
    let of = |value: i64, factor: f64| {
        if operator == Operator::Divide && factor == 0.0 {
            return Err(run_time_error(
                condition::INTERVAL_DIVIDED_BY_ZERO,
                "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
            ));
        }
        let result = if operator == Operator::Divide {
            value as f64 / factor
        } else {
            value as f64 * factor
        };
        let rounded = result.round();
        if rounded.abs() < 9.2e18 {
            Ok(rounded as i64)
        } else {
            Err(overflowed("interval overflow", ""))
        }
    };
    let intervals = args.array(0)?;
    let longs: Vec<Option<i64>> = match intervals.data_type() {
        DataType::Duration(_) => args.values::<DurationMicrosecondType>(0)?.iter().collect(),
        _ => args.values::<IntervalYearMonthType>(0)?.iter().map(|v| v.map(i64::from)).collect(),
    };
    let mut out = Vec::with_capacity(args.rows);
    for (value, factor) in longs.into_iter().zip(factors) {
        out.push(match (value, factor) {
            (Some(value), Some(factor)) => Some(of(value, factor)?),
            _ => None,
        });
    }
    if *intervals.data_type() == DAY_TIME {
        return Ok(Arc::new(PrimitiveArray::<DurationMicrosecondType>::from(out)));
    }
    let months: Option<Vec<Option<i32>>> = out
        .into_iter()
        .map(|v| v.map_or(Some(None), |v| i32::try_from(v).ok().map(Some)))
        .collect();
    let months = months.ok_or_else(|| overflowed("interval overflow", ""))?;
    debug_assert_eq!(*intervals.data_type(), YEAR_MONTH);
    Ok(Arc::new(PrimitiveArray::<IntervalYearMonthType>::from(months)))
}

/// Adds intervals of any type as calendar intervals.
fn calendar(args: &Args<'_>, sign: i64) -> Result<ArrayRef> {
    let (left, right) = (args.array(0)?, args.array(1)?);
    let mut out = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        if left.is_null(row) || right.is_null(row) {
            out.push(None);
            continue;
        }
        let ((m1, d1, u1), (m2, d2, u2)) = (parts(left, row)?, parts(right, row)?);
        let months = i32::try_from(m1 + sign * m2).ok();
        let days = i32::try_from(d1 + sign * d2).ok();
        let nanos = u1.checked_add(sign * u2).and_then(|u| u.checked_mul(1000));
        match (months, days, nanos) {
            (Some(months), Some(days), Some(nanos)) => {
                out.push(Some(IntervalMonthDayNano::new(months, days, nanos)));
            }
            _ => return Err(overflowed("interval overflow", "")),
        }
    }
    Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(out)))
}

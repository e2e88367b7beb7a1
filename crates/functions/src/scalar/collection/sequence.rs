//! `sequence(start, stop, step)` of integers, dates and timestamps.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, PrimitiveArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Int32Type, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType,
};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::Expr;

use super::elements::limit;
use crate::calendar::{MICROS_PER_DAY, Zone, add_months};
use crate::cast::zone_of;
use crate::function::Call;
use crate::kernel::{Args, Kernel};
use crate::types::{element, is_integral, list};
use crate::{FunctionError, run_time_error};

/// Arguments: start, stop, step, time zone.
pub(in crate::scalar) const SEQUENCE: Kernel =
    Kernel::new("spark_sequence", |types, _| Ok(list(types[0].clone())), sequence);

/// Builds a call.
pub(in crate::scalar) fn build(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let pair = [call.types[0].clone(), call.types[1].clone()];
    let common = crate::common_type(&pair, call.ctx).ok_or_else(|| {
        FunctionError::DifferingTypes { name: "sequence".into(), types: pair.to_vec() }
    })?;
    call.cast(0, &common)?;
    call.cast(1, &common)?;
    if is_integral(&common) {
        if call.args.len() < 3 {
            call.push(ScalarValue::Int64(None));
        }
        call.cast(2, &DataType::Int64)?;
    } else if matches!(common, DataType::Date32 | DataType::Timestamp(..)) {
        call.default(3, ScalarValue::DurationMicrosecond(Some(MICROS_PER_DAY)));
        if !matches!(call.types[2], DataType::Duration(_) | DataType::Interval(_)) {
            return Err(call.mismatch(2, "\"INTERVAL\""));
        }
    } else {
        return Err(call.mismatch(0, "(\"INTEGRAL\" or \"DATE\" or \"TIMESTAMP\")"));
    }
    call.push_zone();
    Ok(call.apply(SEQUENCE))
}

fn step_error(start: i64, stop: i64, by: i64) -> datafusion::common::DataFusionError {
    run_time_error(
        condition::INTERNAL_ERROR,
        format!("Illegal sequence boundaries: {start} to {stop} by {by}"),
    )
}

/// Months and microseconds of a step.
fn step_parts(array: &ArrayRef, row: usize) -> Result<(i64, i64)> {
    Ok(match array.data_type() {
        DataType::Duration(_) => (0, array.as_primitive::<DurationMicrosecondType>().value(row)),
        DataType::Interval(IntervalUnit::YearMonth) => {
            (array.as_primitive::<IntervalYearMonthType>().value(row).into(), 0)
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months.into(), i64::from(value.days) * MICROS_PER_DAY + value.nanoseconds / 1000)
        }
        other => return not_impl_err!("a step of {other}"),
    })
}

fn sequence(args: &Args<'_>) -> Result<ArrayRef> {
    let data_type = args.array(0)?.data_type().clone();
    let as_longs = |array: &ArrayRef| -> Result<ArrayRef> {
        let whole = if data_type == DataType::Date32 {
            compute::cast(array, &DataType::Int32)?
        } else {
            Arc::clone(array)
        };
        Ok(compute::cast(&whole, &DataType::Int64)?)
    };
    let (starts, stops) = (as_longs(args.array(0)?)?, as_longs(args.array(1)?)?);
    let (starts, stops) = (starts.as_primitive::<Int64Type>(), stops.as_primitive::<Int64Type>());
    let strides = args.array(2)?;
    let zone = zone_of(args.constant_string(3)?)?;
    let mut values = Vec::new();
    let mut lengths = Vec::with_capacity(args.rows);
    let mut valid = Vec::with_capacity(args.rows);
    for row in 0..args.rows {
        let before = values.len();
        let complete = starts.is_valid(row) && stops.is_valid(row);
        valid.push(complete && (is_integral(&data_type) || strides.is_valid(row)));
        if valid[row] {
            let (start, stop) = (starts.value(row), stops.value(row));
            if is_integral(&data_type) {
                let default = if start <= stop { 1 } else { -1 };
                let by = strides.as_primitive::<Int64Type>();
                numbers(
                    start,
                    stop,
                    if by.is_null(row) { default } else { by.value(row) },
                    &mut values,
                )?;
            } else {
                let zoned = matches!(data_type, DataType::Timestamp(_, Some(_)));
                let zone = if zoned { zone } else { Zone::Fixed(0) };
                let scale = if data_type == DataType::Date32 { MICROS_PER_DAY } else { 1 };
                times(
                    (start * scale, stop * scale),
                    step_parts(strides, row)?,
                    (zone, scale),
                    &mut values,
                )?;
            }
        }
        lengths.push(values.len() - before);
    }
    let values = PrimitiveArray::<Int64Type>::from(values);
    let values: ArrayRef = if data_type == DataType::Date32 {
        Arc::new(
            compute::cast(&values, &DataType::Int32)?
                .as_primitive::<Int32Type>()
                .reinterpret_cast::<Date32Type>(),
        )
    } else {
        compute::cast(&values, &data_type)?
    };
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(
        element(data_type),
        offsets,
        values,
        Some(NullBuffer::from(valid)),
    )?))
}

fn numbers(start: i64, stop: i64, by: i64, out: &mut Vec<i64>) -> Result<()> {
    let fits = (by > 0 && start <= stop) || (by < 0 && start >= stop) || (by == 0 && start == stop);
    if !fits {
        return Err(step_error(start, stop, by));
    }
    let count =
        if by == 0 { 1 } else { (i128::from(stop) - i128::from(start)) / i128::from(by) + 1 };
    let count = limit(count, "sequence")?;
    out.extend(std::iter::successors(Some(start), |v| v.checked_add(by)).take(count));
    Ok(())
}

fn times(
    (start, stop): (i64, i64),
    (months, micros): (i64, i64),
    (zone, scale): (Zone, i64),
    out: &mut Vec<i64>,
) -> Result<()> {
    let forward = if months != 0 { months > 0 } else { micros > 0 };
    if (months == 0 && micros == 0 && start != stop)
        || (start < stop && !forward)
        || (start > stop && forward)
    {
        return Err(step_error(
            start / scale,
            stop / scale,
            if months != 0 { months } else { micros },
        ));
    }
    let local = zone.to_local(start);
    for index in 0.. {
        let day = add_months(local.div_euclid(MICROS_PER_DAY), months * index);
        let moved = day * MICROS_PER_DAY + local.rem_euclid(MICROS_PER_DAY);
        // Steps of whole days are added to the wall-clock time, others to the instant.
        let value = if micros % MICROS_PER_DAY == 0 {
            zone.to_utc_from(moved + micros * index, start)
        } else {
            zone.to_utc_from(moved, start) + micros * index
        };
        if (forward && value > stop) || (!forward && value < stop) {
            break;
        }
        limit(index.into(), "sequence")?;
        out.push(value.div_euclid(scale));
        if months == 0 && micros == 0 {
            break;
        }
    }
    Ok(())
}

//! `window`: the time window of a fixed length that contains a timestamp; `window_time`: the last
//! microsecond of a window.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Expr;

use crate::FunctionError;
use crate::calendar::MICROS_PER_DAY;
use crate::cast::parse_interval;
use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls};

pub(in crate::scalar) const FUNCTIONS: &[Function] =
    &[with("window", "ts?ss", window), with("window_time", "S", window_time)];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[WINDOW, TIME];

/// Arguments: timestamp, length and offset in microseconds.
const WINDOW: Kernel = Kernel::new(
    "spark_window",
    |types, _| {
        let side = |name| Field::new(name, types[0].clone(), true);
        Ok(DataType::Struct(Fields::from(vec![side("start"), side("end")])))
    },
    windows,
);
const TIME: Kernel = Kernel::new(
    "spark_window_time",
    |types, _| match &types[0] {
        DataType::Struct(sides) if sides.len() == 2 => Ok(sides[1].data_type().clone()),
        _ => internal_err!("a window has a start and an end"),
    },
    |args| {
        let windows = args.array(0)?.as_struct();
        let ends = windows.column(1).as_primitive::<TimestampMicrosecondType>();
        let nulls = NullBuffer::union(windows.nulls(), ends.nulls());
        let last = ends.iter().map(|end| end.map_or(0, |end| end.saturating_sub(1)));
        let last = PrimitiveArray::<TimestampMicrosecondType>::new(last.collect(), nulls);
        Ok(Arc::new(last.with_data_type(args.returns.clone())))
    },
)
.nulls(Nulls::Possible);

/// The time argument of a `window` expression; `None` for any other expression.
pub fn time_of_window(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == WINDOW.name => call.args.first(),
        _ => None,
    }
}

fn window_time(call: Call<'_>) -> Result<Expr, FunctionError> {
    let is_time = |field: &Arc<Field>| matches!(field.data_type(), DataType::Timestamp(..));
    match &call.types[0] {
        DataType::Struct(sides) if sides.len() == 2 && sides.iter().all(is_time) => {
            Ok(call.apply(TIME))
        }
        _ => Err(call.mismatch(0, "\"STRUCT<start: TIMESTAMP, end: TIMESTAMP>\"")),
    }
}

fn window(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let length = duration(&call, 1)?;
    let slide = if call.args.len() > 2 { duration(&call, 2)? } else { length };
    let offset = if call.args.len() > 3 { span(&call, 3)? } else { 0 };
    if slide != length {
        return Err(FunctionError::Unsupported {
            what: "window with a slide that is not its length".to_owned(),
        });
    }
    if offset.unsigned_abs() >= slide.unsigned_abs() {
        return Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_PARAMETER_CONSTRAINT_VIOLATION,
            message: "Cannot resolve \"window\" due to data type mismatch: The `abs(start_time)` must be < the `slide_duration`.".to_owned(),
            parameters: Vec::new(),
        });
    }
    if call.types[0] == DataType::Date32 {
        call.cast(0, &crate::types::timestamp())?;
    }
    call.args.truncate(1);
    call.types.truncate(1);
    call.push(ScalarValue::from(length));
    call.push(ScalarValue::from(offset));
    Ok(call.apply(WINDOW))
}

fn duration(call: &Call<'_>, index: usize) -> Result<i64, FunctionError> {
    let micros = span(call, index)?;
    if micros > 0 {
        return Ok(micros);
    }
    Err(FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_VALUE_OUT_OF_RANGE,
        message: "Cannot resolve \"window\" due to data type mismatch: A duration must be between (0, 9223372036854775807].".to_owned(),
        parameters: Vec::new(),
    })
}

/// Microseconds of a constant such as `5 minutes`; intervals with months are rejected.
fn span(call: &Call<'_>, index: usize) -> Result<i64, FunctionError> {
    let text = call.string(index).unwrap_or_default();
    let found = parse_interval(text).and_then(|span| {
        let days = i64::from(span.days).checked_mul(MICROS_PER_DAY)?;
        if span.months == 0 { days.checked_add(span.nanoseconds / 1000) } else { None }
    });
    found.ok_or_else(|| FunctionError::Invalid {
        condition: condition::CANNOT_PARSE_INTERVAL,
        message: format!(
            "Unable to parse '{text}'. Please ensure that the value provided is in a valid format for defining an interval, without months."
        ),
        parameters: vec![("intervalString", format!("'{text}'"))],
    })
}

fn windows(args: &Args<'_>) -> Result<ArrayRef> {
    let DataType::Struct(sides) = args.returns else {
        return internal_err!("a window is a struct");
    };
    let instants = args.values::<TimestampMicrosecondType>(0)?;
    let (lengths, offsets) = (args.values::<Int64Type>(1)?, args.values::<Int64Type>(2)?);
    let start = |row: usize| {
        let (instant, length) = (instants.value(row), lengths.value(row));
        instant.saturating_sub(instant.saturating_sub(offsets.value(row)).rem_euclid(length))
    };
    let side = |of: &dyn Fn(usize) -> i64| -> ArrayRef {
        let times = (0..args.rows).map(|row| instants.is_valid(row).then(|| of(row)));
        let times: PrimitiveArray<TimestampMicrosecondType> = times.collect();
        Arc::new(times.with_data_type(instants.data_type().clone()))
    };
    let starts = side(&start);
    let ends = side(&|row| start(row).saturating_add(lengths.value(row)));
    let nulls = instants.nulls().cloned();
    Ok(Arc::new(StructArray::try_new(sides.clone(), vec![starts, ends], nulls)?))
}

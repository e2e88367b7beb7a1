//! Conversion between timestamps and numbers since the Unix epoch.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use crate::FunctionError;
use crate::calendar::MICROS_PER_SECOND;
use crate::function::{Call, Function, kernel, with};
use crate::kernel::{Args, Kernel, returns};
use crate::types::timestamp;

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("timestamp_seconds", "n", timestamp_seconds),
    kernel(
        "timestamp_millis",
        "l",
        Kernel::new("spark_timestamp_millis", returns::timestamp, |args| scaled(args, 1000)),
    ),
    kernel(
        "timestamp_micros",
        "l",
        Kernel::new("spark_timestamp_micros", returns::timestamp, |args| scaled(args, 1)),
    ),
    kernel(
        "unix_seconds",
        "T",
        Kernel::new("spark_unix_seconds", returns::long, |args| unix(args, MICROS_PER_SECOND)),
    ),
    kernel(
        "unix_millis",
        "T",
        Kernel::new("spark_unix_millis", returns::long, |args| unix(args, 1000)),
    ),
    kernel(
        "unix_micros",
        "T",
        Kernel::new("spark_unix_micros", returns::long, |args| unix(args, 1)),
    ),
    kernel(
        "unix_date",
        "D",
        Kernel::new("spark_unix_date", returns::int, |args| {
            let dates = args.values::<Date32Type>(0)?;
            Ok(Arc::new(dates.unary::<_, Int32Type>(|d| d)))
        }),
    ),
    kernel(
        "date_from_unix_date",
        "i",
        Kernel::new("spark_date_from_unix_date", returns::date, |args| {
            let numbers = args.values::<Int32Type>(0)?;
            Ok(Arc::new(numbers.unary::<_, Date32Type>(|d| d)))
        }),
    ),
];

fn timestamp_seconds(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.cast(0, &timestamp())?;
    Ok(call.only())
}

fn scaled(args: &Args<'_>, factor: i64) -> Result<ArrayRef> {
    let values = args.values::<Int64Type>(0)?;
    args.number_rows::<TimestampMicrosecondType>(|row| {
        let micros = values.value(row).checked_mul(factor);
        micros
            .map(Some)
            .ok_or_else(|| crate::scalar::number::arithmetic::overflowed("long overflow", ""))
    })
}

fn unix(args: &Args<'_>, unit: i64) -> Result<ArrayRef> {
    let values = args.values::<TimestampMicrosecondType>(0)?;
    Ok(Arc::new(values.unary::<_, Int64Type>(|v| v.div_euclid(unit))))
}

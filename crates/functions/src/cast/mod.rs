//! Spark's casts: the rules for which are allowed, and their implementation by plain `DataFusion`
//! casts or else by a function of ours.

mod convert;
mod datetime;
mod how;
mod interval;
mod number;

use errors::condition;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, ScalarUDF};

pub(crate) use convert::convert;
pub(crate) use formats::text::{
    Clock, MICROS_OF_FIELDS, MONTHS_OF_FIELDS, Span, Style, parse_decimal, parse_interval, rescale,
    write_decimal, write_fields, write_value,
};
pub use how::CastMode;
pub(crate) use how::How;

use crate::calendar::Zone;
use crate::kernel::{Args, Kernel, Nulls};

use crate::types::{self, decimal_of, is_integral, is_numeric};
use crate::{Context, FunctionError};

/// Casts an expression by Spark's rules.
pub fn cast(
    expr: Expr,
    from: &DataType,
    to: &DataType,
    mode: CastMode,
    ctx: &Context,
) -> Result<Expr, FunctionError> {
    if from == to {
        return Ok(expr);
    }
    if !is_allowed(from, to, mode) {
        return Err(FunctionError::Cast { from: from.clone(), to: to.clone() });
    }
    if *from == DataType::Null {
        if let Expr::Literal(..) = expr {
            let null = ScalarValue::try_from(to);
            return null
                .map(|null| Expr::Literal(null, None))
                .map_err(|_| FunctionError::Cast { from: from.clone(), to: to.clone() });
        }
        return Ok(datafusion::logical_expr::cast(expr, to.clone()));
    }
    if is_plain(from, to) {
        if let Expr::Literal(value, _) = &expr
            && let Ok(value) = value.cast_to(to)
        {
            return Ok(Expr::Literal(value, None));
        }
        return Ok(datafusion::logical_expr::cast(expr, to.clone()));
    }
    let target = ScalarValue::try_from(to)
        .map_err(|_| FunctionError::Cast { from: from.clone(), to: to.clone() })?;
    let zone = ScalarValue::from(ctx.time_zone.as_str());
    let function = match mode {
        CastMode::Ansi => &CASTS.0,
        CastMode::Legacy => &CASTS.1,
        CastMode::Try => &CASTS.2,
    };
    Ok(function.call(vec![expr, Expr::Literal(target, None), Expr::Literal(zone, None)]))
}

/// Whether an Arrow cast is equivalent to Spark's: it cannot fail, and no strings or time zones are
/// involved.
fn is_plain(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, Float32, Float64, List, Map, Struct, Timestamp, Utf8,
    };
    match (from, to) {
        (Float32, Float64) => true,
        (from, Float32 | Float64) if is_integral(from) => true,
        (from, to) if is_integral(from) && is_integral(to) => decimal_of(from) <= decimal_of(to),
        (from, Decimal128(precision, scale)) => decimal_of(from).is_some_and(|(p, s)| {
            *scale >= s && i32::from(*precision) - i32::from(*scale) >= i32::from(p) - i32::from(s)
        }),
        (Boolean, to) if is_integral(to) => true,
        (Utf8, Binary) => true,
        (Date32, Timestamp(_, None)) => true,
        (List(from), List(to)) => same_or_plain(from.data_type(), to.data_type()),
        (Map(..), Map(..)) => match (types::entry_types(from), types::entry_types(to)) {
            (Some((fk, fv)), Some((tk, tv))) => same_or_plain(fk, tk) && same_or_plain(fv, tv),
            _ => false,
        },
        (Struct(from), Struct(to)) => {
            // Arrow matches fields by name, Spark by position: equivalent only if the names agree.
            from.len() == to.len()
                && from.iter().zip(to.iter()).all(|(f, t)| {
                    f.name() == t.name() && same_or_plain(f.data_type(), t.data_type())
                })
        }
        _ => false,
    }
}

fn same_or_plain(from: &DataType, to: &DataType) -> bool {
    from == to || is_plain(from, to)
}

/// Whether Spark allows the cast.
fn is_allowed(from: &DataType, to: &DataType, mode: CastMode) -> bool {
    use DataType::{
        Binary, Boolean, Date32, Duration, Interval, List, Map, Null, Struct, Timestamp, Utf8,
    };
    let ansi = mode != CastMode::Legacy;
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (_, Utf8) => true,
        (List(from), List(to)) => is_allowed(from.data_type(), to.data_type(), mode),
        (Map(..), Map(..)) => match (types::entry_types(from), types::entry_types(to)) {
            (Some((fk, fv)), Some((tk, tv))) => {
                is_allowed(fk, tk, mode) && is_allowed(fv, tv, mode)
            }
            _ => false,
        },
        (Struct(from), Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to.iter())
                    .all(|(f, t)| is_allowed(f.data_type(), t.data_type(), mode))
        }
        (Utf8, Binary | Boolean | Date32 | Timestamp(..) | Duration(_) | Interval(_)) => true,
        (Utf8, to) => is_numeric(to),
        (from, to) if is_numeric(from) && is_numeric(to) => true,
        (Boolean, to) => is_numeric(to) || (!ansi && matches!(to, Timestamp(_, Some(_)))),
        (from, Boolean) => {
            is_numeric(from) || (!ansi && matches!(from, Timestamp(_, Some(_)) | Date32))
        }
        (from, Binary) => is_integral(from) && !ansi,
        (Date32, Timestamp(..)) | (Timestamp(..), Date32 | Timestamp(..)) => true,
        (Timestamp(_, Some(_)), to) => is_numeric(to),
        (from, Timestamp(_, Some(_))) => is_numeric(from),
        (Date32, to) => !ansi && is_numeric(to),
        (Duration(_) | Interval(arrow::datatypes::IntervalUnit::YearMonth), to) => is_integral(to),
        (from, Duration(_) | Interval(arrow::datatypes::IntervalUnit::YearMonth)) => {
            is_integral(from)
        }
        _ => false,
    }
}

/// The functions for casts that are not plain. Arguments: value, null of the target type, time
/// zone.
static CASTS: LazyLock<(Arc<ScalarUDF>, Arc<ScalarUDF>, Arc<ScalarUDF>)> = LazyLock::new(|| {
    let make = |name, run| Kernel::new(name, target_type, run).nulls(Nulls::Possible).udf();
    (
        make("spark_cast", |args| run(args, CastMode::Ansi)),
        make("spark_cast_legacy", |args| run(args, CastMode::Legacy)),
        make("spark_try_cast", |args| run(args, CastMode::Try)),
    )
});

/// The functions that implement casts.
pub(crate) fn udfs() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::clone(&CASTS.0), Arc::clone(&CASTS.1), Arc::clone(&CASTS.2)]
}

fn target_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types.get(1).cloned().unwrap_or(DataType::Null))
}

fn run(args: &Args<'_>, mode: CastMode) -> Result<ArrayRef> {
    let zone = zone_of(args.constant_string(2)?)?;
    convert(args.array(0)?, args.returns, &How { mode, zone })
}

/// The time zone named by an argument.
pub(crate) fn zone_of(name: &str) -> Result<Zone> {
    Zone::parse(name).ok_or_else(|| {
        crate::run_time_error(
            condition::INVALID_PARAMETER_VALUE,
            format!("The value of the time zone is invalid: '{name}'."),
        )
    })
}

/// Formats every value as `show()` does, null as `NULL`.
pub fn show(array: &dyn Array, time_zone: &str) -> Result<StringArray> {
    let casts = Style::of_casts(zone_of(time_zone)?);
    let style = Style { null: "NULL", binary_as_hex: true, ..casts };
    let mut out = String::new();
    let mut texts = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        out.clear();
        write_value(array, row, &style, &mut out)?;
        texts.push(out.clone());
    }
    Ok(StringArray::from(texts))
}

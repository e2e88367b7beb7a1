//! Intervals: construction from parts, formatting, truncation.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, DurationMicrosecondType, Int32Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalYearMonthType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

use crate::FunctionError;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::cast::{MICROS_OF_FIELDS, MONTHS_OF_FIELDS, Span, write_fields};
use crate::function::{Call, Function, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::scalar::number::arithmetic::overflowed;
use crate::types::YEAR_MONTH;

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("make_interval", "?iiiiiia", |call| {
        let kernel = if call.ctx.ansi { MAKE } else { TRY_MAKE };
        of_parts(call, 6, kernel)
    }),
    with("try_make_interval", "?iiiiiia", |call| of_parts(call, 6, TRY_MAKE)),
    with("make_dt_interval", "?iiia", |call| of_parts(call, 3, MAKE_DAY_TIME)),
    with("make_ym_interval", "?ii", |mut call| {
        call.default(1, ScalarValue::from(0_i32));
        call.default(2, ScalarValue::from(0_i32));
        Ok(call.apply(MAKE_YEAR_MONTH))
    }),
];

pub(in crate::scalar) const KERNELS: &[Kernel] =
    &[MAKE, TRY_MAKE, MAKE_DAY_TIME, MAKE_YEAR_MONTH, FIELDS, CUT];

const MAKE: Kernel =
    Kernel::new("spark_make_interval", returns::calendar_interval, |args| made(args, true));
const TRY_MAKE: Kernel =
    Kernel::new("spark_try_make_interval", returns::calendar_interval, |args| made(args, false))
        .nulls(Nulls::Possible);
const MAKE_DAY_TIME: Kernel = Kernel::new("spark_make_dt_interval", returns::day_time, day_time);
const MAKE_YEAR_MONTH: Kernel = Kernel::new(
    "spark_make_ym_interval",
    |_, _| Ok(YEAR_MONTH),
    |args| {
        let (years, months) = (args.values::<Int32Type>(0)?, args.values::<Int32Type>(1)?);
        args.number_rows::<IntervalYearMonthType>(|row| {
            let total = years.value(row).checked_mul(12);
            let total = total.and_then(|total| total.checked_add(months.value(row)));
            total.map(Some).ok_or_else(|| overflowed("integer overflow", ""))
        })
    },
);

/// Arguments: interval, first and last field.
const FIELDS: Kernel = Kernel::new("spark_interval_text", returns::string, |args| {
    let (first, last) = (args.values::<Int32Type>(1)?, args.values::<Int32Type>(2)?);
    let field = |number: i32| usize::try_from(number).unwrap_or_default();
    args.string_rows(|row| {
        let fields = (field(first.value(row)), field(last.value(row)));
        Ok(fields_text(args.array(0)?, row, fields))
    })
});
/// Arguments: interval, last field. Smaller units are truncated.
const CUT: Kernel = Kernel::new("spark_interval_cut", returns::first, |args| {
    let last = args.values::<Int32Type>(1)?;
    let field = |row: usize| usize::try_from(last.value(row)).unwrap_or_default();
    if *args.array(0)?.data_type() == YEAR_MONTH {
        let months = args.values::<IntervalYearMonthType>(0)?;
        return args.number_rows::<IntervalYearMonthType>(|row| {
            let size = MONTHS_OF_FIELDS.get(field(row)).copied().unwrap_or(1);
            Ok(Some(months.value(row) / size * size))
        });
    }
    let micros = args.values::<DurationMicrosecondType>(0)?;
    args.number_rows::<DurationMicrosecondType>(|row| {
        let size = MICROS_OF_FIELDS.get(field(row)).copied().unwrap_or(1);
        Ok(Some(micros.value(row) / size * size))
    })
});

/// Formats an interval with the fields of its type, numbered from the largest.
pub fn interval_text(interval: Expr, (first, last): (i32, i32)) -> Expr {
    let field = |number: i32| Expr::Literal(ScalarValue::from(number), None);
    FIELDS.udf().call(vec![interval, field(first), field(last)])
}

/// Truncates an interval to its last field, numbered from the largest.
pub fn interval_cut(interval: Expr, last: i32) -> Expr {
    CUT.udf().call(vec![interval, Expr::Literal(ScalarValue::from(last), None)])
}

/// A number of units as an interval of a type; the unit is the interval's last field, numbered from
/// the largest.
pub fn interval_of(
    number: Expr,
    data_type: &DataType,
    (target, last): (&DataType, i32),
    ctx: &crate::Context,
) -> Result<Expr, FunctionError> {
    let last = usize::try_from(last).unwrap_or_default();
    let unit = match target {
        DataType::Duration(_) => ScalarValue::DurationMicrosecond(Some(MICROS_OF_FIELDS[last])),
        _ => ScalarValue::IntervalYearMonth(Some(MONTHS_OF_FIELDS[last])),
    };
    let args = vec![Expr::Literal(unit, None), number];
    crate::Registry::new().scalar("*", args, &[target.clone(), data_type.clone()], ctx)
}

/// Formats one interval; `None` for a null or another type.
pub fn fields_text(array: &dyn Array, row: usize, fields: (usize, usize)) -> Option<String> {
    let span = match array.data_type() {
        _ if array.is_null(row) => return None,
        DataType::Duration(_) => {
            Span::DayTime(array.as_primitive_opt::<DurationMicrosecondType>()?.value(row))
        }
        _ => Span::YearMonth(array.as_primitive_opt::<IntervalYearMonthType>()?.value(row)),
    };
    let mut out = String::new();
    write_fields(span, fields, &mut out);
    Some(out)
}

/// Omitted parts are zero; the last part is seconds with fraction.
fn of_parts(mut call: Call<'_>, seconds: usize, kernel: Kernel) -> Result<Expr, FunctionError> {
    for count in 1..=seconds {
        call.default(count, ScalarValue::from(0_i32));
    }
    call.default(seconds + 1, ScalarValue::Decimal128(Some(0), 18, 6));
    call.cast(seconds, &DataType::Decimal128(18, 6))?;
    Ok(call.apply(kernel))
}

fn made(args: &Args<'_>, fail: bool) -> Result<ArrayRef> {
    let parts = (0..6).map(|i| args.values::<Int32Type>(i)).collect::<Result<Vec<_>>>()?;
    let seconds = args.values::<Decimal128Type>(6)?;
    let mut out = Vec::with_capacity(args.rows);
    for row in args.valid_rows() {
        let Some(row) = row else {
            out.push(None);
            continue;
        };
        let of = |index: usize| parts[index].value(row);
        let interval = || {
            let months = of(0).checked_mul(12)?.checked_add(of(1))?;
            let days = of(2).checked_mul(7)?.checked_add(of(3))?;
            let micros = clock(of(4), of(5), seconds.value(row))?;
            Some(IntervalMonthDayNano::new(months, days, micros.checked_mul(1000)?))
        };
        match interval() {
            None if fail => return Err(overflowed("integer overflow", "")),
            made => out.push(made),
        }
    }
    Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(out)))
}

/// Microseconds of hours, minutes and seconds; `seconds` is in microseconds.
fn clock(hours: i32, minutes: i32, seconds: i128) -> Option<i64> {
    let whole = i64::from(hours).checked_mul(3600)?.checked_add(i64::from(minutes) * 60)?;
    whole.checked_mul(MICROS_PER_SECOND)?.checked_add(i64::try_from(seconds).ok()?)
}

fn day_time(args: &Args<'_>) -> Result<ArrayRef> {
    let parts = (0..3).map(|i| args.values::<Int32Type>(i)).collect::<Result<Vec<_>>>()?;
    let seconds = args.values::<Decimal128Type>(3)?;
    args.number_rows::<DurationMicrosecondType>(|row| {
        let of = |index: usize| parts[index].value(row);
        let days = i64::from(of(0)).checked_mul(MICROS_PER_DAY);
        let micros = clock(of(1), of(2), seconds.value(row));
        let total = days.zip(micros).and_then(|(days, micros)| days.checked_add(micros));
        total.map(Some).ok_or_else(|| overflowed("long overflow", ""))
    })
}

//! Values as text, as Spark's cast to string and `show()` write them.

use std::fmt::Write;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, TimestampMicrosecondType,
};
use datafusion::common::{Result, not_impl_err};

use super::datetime::{Clock, write_date, write_timestamp};
use super::interval::{write_calendar, write_day_time, write_year_month};
use crate::calendar::Zone;

/// What casts and `show()` write differently.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// A null, also inside arrays, maps and structs.
    pub(crate) null: &'static str,
    /// `[41 42]` rather than the bytes as text.
    pub(crate) binary_as_hex: bool,
    pub(crate) zone: Zone,
}

/// Writes one value.
pub(crate) fn write_value(
    array: &dyn Array,
    row: usize,
    style: &Style,
    out: &mut String,
) -> Result<()> {
    if array.is_null(row) {
        out.push_str(style.null);
        return Ok(());
    }
    // Writing to a string cannot fail.
    let _ = match array.data_type() {
        DataType::Null => {
            out.push_str(style.null);
            Ok(())
        }
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            java_float(&format!("{value:e}"), f64::from(value), out);
            Ok(())
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            java_float(&format!("{value:e}"), value, out);
            Ok(())
        }
        DataType::Decimal128(_, scale) => {
            write_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out);
            Ok(())
        }
        DataType::Utf8 => out.write_str(array.as_string::<i32>().value(row)),
        DataType::Utf8View => out.write_str(array.as_string_view().value(row)),
        DataType::Binary => {
            write_binary(array.as_binary::<i32>().value(row), style, out);
            Ok(())
        }
        DataType::Date32 => {
            write_date(array.as_primitive::<Date32Type>().value(row).into(), out);
            Ok(())
        }
        DataType::Timestamp(_, zone) => {
            let clock = if zone.is_some() { Clock::Zoned(style.zone) } else { Clock::Local };
            write_timestamp(
                array.as_primitive::<TimestampMicrosecondType>().value(row),
                clock,
                out,
            );
            Ok(())
        }
        DataType::Duration(_) => {
            write_day_time(array.as_primitive::<DurationMicrosecondType>().value(row), out);
            Ok(())
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            write_year_month(array.as_primitive::<IntervalYearMonthType>().value(row), out);
            Ok(())
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            write_calendar(array.as_primitive::<IntervalMonthDayNanoType>().value(row), out);
            Ok(())
        }
        _ => return write_nested(array, row, style, out),
    };
    Ok(())
}

fn write_nested(array: &dyn Array, row: usize, style: &Style, out: &mut String) -> Result<()> {
    match array.data_type() {
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..values.len() {
                separate(index, out);
                write_value(values.as_ref(), index, style, out)?;
            }
            out.push(']');
        }
        DataType::Struct(_) => {
            out.push('{');
            for (index, column) in array.as_struct().columns().iter().enumerate() {
                separate(index, out);
                write_value(column.as_ref(), row, style, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for index in 0..entries.len() {
                separate(index, out);
                write_value(entries.column(0).as_ref(), index, style, out)?;
                out.push_str(" -> ");
                write_value(entries.column(1).as_ref(), index, style, out)?;
            }
            out.push('}');
        }
        other => return not_impl_err!("the text of {other}"),
    }
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push_str(", ");
    }
}

fn write_binary(bytes: &[u8], style: &Style, out: &mut String) {
    if !style.binary_as_hex {
        out.push_str(&String::from_utf8_lossy(bytes));
        return;
    }
    out.push('[');
    for (index, byte) in bytes.iter().enumerate() {
        let _ = write!(out, "{}{byte:02X}", if index > 0 { " " } else { "" });
    }
    out.push(']');
}

/// A decimal without exponent.
pub(crate) fn write_decimal(unscaled: i128, scale: i8, out: &mut String) {
    if unscaled < 0 {
        out.push('-');
    }
    let digits = unscaled.unsigned_abs().to_string();
    let Ok(scale) = usize::try_from(scale) else {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        return;
    };
    if scale == 0 {
        out.push_str(&digits);
        return;
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let _ = write!(out, "{whole}.{fraction}");
}

/// A double as Java writes it: `1.0`, `1.0E10`, `NaN`, `Infinity`.
pub(crate) fn java_double(value: f64) -> String {
    let mut out = String::new();
    java_float(&format!("{value:e}"), value, &mut out);
    out
}

/// `shortest` is the shortest text that reads back as the value, with exponent: `1.25e-3`.
fn java_float(shortest: &str, value: f64, out: &mut String) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        out.push_str("Infinity");
        return;
    }
    let (mantissa, exponent) =
        shortest.trim_start_matches('-').split_once('e').unwrap_or((shortest, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let fraction =
        |digits: &str| if digits.is_empty() { "0".to_owned() } else { digits.to_owned() };
    let point = usize::try_from(exponent + 1).unwrap_or_default();
    let _ = match exponent {
        0..=6 if digits.len() > point => write!(out, "{}.{}", &digits[..point], &digits[point..]),
        0..=6 => write!(out, "{digits:0<point$}.0"),
        -3..=-1 => write!(
            out,
            "0.{}{digits}",
            "0".repeat(usize::try_from(-exponent - 1).unwrap_or_default())
        ),
        _ => write!(out, "{}.{}E{exponent}", &digits[..1], fraction(&digits[1..])),
    };
}

//! Values as text, as Spark's cast to string and `show()` write them.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType, Time64NanosecondType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use std::fmt::Write;

use super::datetime::{Clock, write_date, write_time, write_timestamp};
use super::interval::{write_calendar, write_day_time, write_year_month};
use super::number::{write_decimal, write_double, write_float, write_java_decimal};
use super::times::TimeText;
use crate::calendar::Zone;

/// What casts and `show()` write differently.
#[derive(Debug, Clone, Copy)]
pub struct Style<'a> {
    /// A null, also inside arrays, maps and structs.
    pub null: &'static str,
    /// `[41 42]` rather than the bytes as text.
    pub binary_as_hex: bool,
    /// The zone in which instants are shown.
    pub zone: Zone,
    /// Patterns of dates and times, where they are not written as casts write them.
    pub times: Option<&'a TimeText>,
    /// Whether a decimal with many zeros behind its point is written with an exponent.
    pub exponents: bool,
}

impl<'a> Style<'a> {
    /// As casts to text write.
    pub fn of_casts(zone: Zone) -> Self {
        Self { null: "null", binary_as_hex: false, zone, times: None, exponents: false }
    }

    /// As text formats write: by patterns, and nothing for null.
    pub fn of_formats(times: &'a TimeText) -> Self {
        let zone = times.zone();
        Self { null: "", binary_as_hex: true, zone, times: Some(times), exponents: true }
    }
}

/// Writes one value.
pub fn write_value(
    array: &dyn Array,
    row: usize,
    style: &Style<'_>,
    out: &mut String,
) -> Result<(), ArrowError> {
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
            write_float(value, out);
            Ok(())
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            write_double(value, out);
            Ok(())
        }
        DataType::Decimal128(_, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            if style.exponents {
                write_java_decimal(value, *scale, out);
            } else {
                write_decimal(value, *scale, out);
            }
            Ok(())
        }
        DataType::Utf8 => out.write_str(array.as_string::<i32>().value(row)),
        DataType::Utf8View => out.write_str(array.as_string_view().value(row)),
        DataType::Binary => {
            write_binary(array.as_binary::<i32>().value(row), style, out);
            Ok(())
        }
        _ => return write_time_or_nested(array, row, style, out),
    };
    Ok(())
}

/// Writes a value that is neither a number nor text.
fn write_time_or_nested(
    array: &dyn Array,
    row: usize,
    style: &Style<'_>,
    out: &mut String,
) -> Result<(), ArrowError> {
    match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            match style.times {
                Some(times) => times.write_date(days, out),
                None => write_date(days.into(), out),
            }
        }
        DataType::Timestamp(_, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            match style.times {
                Some(times) => times.write_timestamp(micros, zone.is_some(), out),
                None if zone.is_some() => write_timestamp(micros, Clock::Zoned(style.zone), out),
                None => write_timestamp(micros, Clock::Local, out),
            }
        }
        DataType::Time64(_) => {
            write_time(array.as_primitive::<Time64NanosecondType>().value(row) / 1000, out);
        }
        DataType::Duration(_) => {
            write_day_time(array.as_primitive::<DurationMicrosecondType>().value(row), out);
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            write_year_month(array.as_primitive::<IntervalYearMonthType>().value(row), out);
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            write_calendar(array.as_primitive::<IntervalMonthDayNanoType>().value(row), out);
        }
        _ => return write_nested(array, row, style, out),
    }
    Ok(())
}

fn write_nested(
    array: &dyn Array,
    row: usize,
    style: &Style<'_>,
    out: &mut String,
) -> Result<(), ArrowError> {
    match array.data_type() {
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..values.len() {
                write_item(values.as_ref(), index, (index > 0).then_some(","), style, out)?;
            }
            out.push(']');
        }
        DataType::Struct(_) => {
            out.push('{');
            for (index, column) in array.as_struct().columns().iter().enumerate() {
                write_item(column.as_ref(), row, (index > 0).then_some(","), style, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            out.push('{');
            for index in 0..entries.len() {
                let comma = (index > 0).then_some(",");
                write_item(entries.column(0).as_ref(), index, comma, style, out)?;
                write_item(entries.column(1).as_ref(), index, Some(" ->"), style, out)?;
            }
            out.push('}');
        }
        other => {
            return Err(ArrowError::NotYetImplemented(format!("the text of {other}")));
        }
    }
    Ok(())
}

/// Writes a value inside another one, behind a separator and a blank; without the blank if nothing
/// is written.
fn write_item(
    array: &dyn Array,
    row: usize,
    separator: Option<&str>,
    style: &Style<'_>,
    out: &mut String,
) -> Result<(), ArrowError> {
    if let Some(separator) = separator {
        out.push_str(separator);
        let is_null = array.is_null(row) || *array.data_type() == DataType::Null;
        if !(is_null && style.null.is_empty()) {
            out.push(' ');
        }
    }
    write_value(array, row, style, out)
}

fn write_binary(bytes: &[u8], style: &Style<'_>, out: &mut String) {
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

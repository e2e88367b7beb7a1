//! Conversion of arrays: dispatches on the source and target types, and recurses into nested types.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, ListArray, MapArray, StringBuilder,
    StructArray, new_null_array,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, DurationMicrosecondType, FieldRef, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalYearMonthType,
};
use datafusion::common::{Result, not_impl_err};

use super::how::How;
use super::{Clock, Style, datetime, interval, number, write_value};
use crate::types::{is_integral, is_numeric};

/// Converts every value of an array.
pub(crate) fn convert(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    use DataType::{
        Binary, Boolean, Date32, Decimal128, Duration, Interval, List, Map, Null, Struct,
        Timestamp, Utf8,
    };
    let from = array.data_type();
    match (from, to) {
        (from, to) if from == to => Ok(Arc::clone(array)),
        (Null, _) => Ok(new_null_array(to, array.len())),
        (from, to) if super::is_plain(from, to) => Ok(compute::cast(array, to)?),
        (Binary, Utf8) => binary_to_text(array),
        (_, Utf8) => to_text(array, how),
        (List(_), List(field)) => list(array.as_list::<i32>(), field, how),
        (Map(..), Map(field, sorted)) => map(array.as_map(), (field, *sorted), how),
        (Struct(_), Struct(_)) => structure(array.as_struct(), to, how),
        (Utf8, Boolean) => text_to_boolean(array, how),
        (Utf8, Date32) => datetime::text_to_date(array.as_string(), how),
        (Utf8, Timestamp(_, zone)) => {
            let clock = if zone.is_some() { Clock::Zoned(how.zone) } else { Clock::Local };
            datetime::text_to_timestamp(array.as_string(), (to, clock), how)
        }
        (Utf8, Duration(_) | Interval(_)) => interval::text_to_interval(array.as_string(), to, how),
        (Utf8, Decimal128(..)) => number::text_to_decimal(array.as_string(), to, how),
        (Utf8, to) if is_numeric(to) => number::text_to_number(array.as_string(), to, how),
        (from, Boolean) if is_numeric(from) => number::number_to_boolean(array),
        (Boolean, Decimal128(..)) => convert(&compute::cast(array, &DataType::Int32)?, to, how),
        (Boolean, to) if is_numeric(to) => {
            Ok(compute::cast(&compute::cast(array, &DataType::Int8)?, to)?)
        }
        (from, to) if is_numeric(from) && is_numeric(to) => {
            number::number_to_number(array, to, how)
        }
        (from, Binary) if is_integral(from) => big_endian(array),
        (Date32 | Timestamp(..), _) | (_, Timestamp(..)) => datetime::convert(array, to, how),
        (Duration(_), to) if is_integral(to) => {
            let micros = array.as_primitive::<DurationMicrosecondType>();
            let days = micros.unary::<_, Int64Type>(|v| v / 1_000_000);
            number::number_to_number(&(Arc::new(days) as ArrayRef), to, how)
        }
        (Interval(_), to) if is_integral(to) => {
            let months =
                array.as_primitive::<IntervalYearMonthType>().reinterpret_cast::<Int32Type>();
            number::number_to_number(&(Arc::new(months) as ArrayRef), to, how)
        }
        _ => not_impl_err!("a cast from {from} to {to}"),
    }
}

fn to_text(array: &ArrayRef, how: &How) -> Result<ArrayRef> {
    let style = Style::of_casts(how.zone);
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        write_value(array.as_ref(), row, &style, &mut text)?;
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

fn binary_to_text(array: &ArrayRef) -> Result<ArrayRef> {
    let values = array.as_binary::<i32>();
    let mut out = StringBuilder::with_capacity(values.len(), values.value_data().len());
    for value in values {
        out.append_option(value.map(String::from_utf8_lossy));
    }
    Ok(Arc::new(out.finish()))
}

fn text_to_boolean(array: &ArrayRef, how: &How) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(array.len());
    for text in array.as_string::<i32>() {
        let Some(text) = text else {
            out.push(None);
            continue;
        };
        out.push(match text.trim().to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "1" => Some(true),
            "f" | "false" | "n" | "no" | "0" => Some(false),
            _ => how.malformed_text(text, &DataType::Boolean)?,
        });
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn big_endian(array: &ArrayRef) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        match array.data_type() {
            DataType::Int8 => {
                out.append_value(array.as_primitive::<Int8Type>().value(row).to_be_bytes());
            }
            DataType::Int16 => {
                out.append_value(array.as_primitive::<Int16Type>().value(row).to_be_bytes());
            }
            DataType::Int32 => {
                out.append_value(array.as_primitive::<Int32Type>().value(row).to_be_bytes());
            }
            _ => out.append_value(array.as_primitive::<Int64Type>().value(row).to_be_bytes()),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn list(array: &ListArray, field: &FieldRef, how: &How) -> Result<ArrayRef> {
    let values = convert(array.values(), field.data_type(), how)?;
    let list = ListArray::try_new(
        Arc::clone(field),
        array.offsets().clone(),
        values,
        array.nulls().cloned(),
    )?;
    Ok(Arc::new(list))
}

fn map(array: &MapArray, (field, sorted): (&FieldRef, bool), how: &How) -> Result<ArrayRef> {
    let entries = structure(array.entries(), field.data_type(), how)?;
    let map = MapArray::try_new(
        Arc::clone(field),
        array.offsets().clone(),
        entries.as_struct().clone(),
        array.nulls().cloned(),
        sorted,
    )?;
    Ok(Arc::new(map))
}

fn structure(array: &StructArray, to: &DataType, how: &How) -> Result<ArrayRef> {
    let DataType::Struct(fields) = to else {
        return not_impl_err!("a cast from a struct to {to}");
    };
    let columns = array
        .columns()
        .iter()
        .zip(fields.iter())
        .map(|(column, field)| convert(column, field.data_type(), how))
        .collect::<Result<Vec<_>>>()?;
    if columns.is_empty() {
        return Ok(Arc::new(array.clone()));
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, array.nulls().cloned())?))
}

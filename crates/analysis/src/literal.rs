//! Literals: conversion of Spark's representation to Arrow's, and column names derived from them.

use super::{Result, error};
use arrow::array::{ArrayRef, ListArray, MapArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType as Arrow, IntervalMonthDayNano};
use chrono::NaiveTime;
use datafusion::common::ScalarValue;
use errors::condition;
use formats::types;
use plan::{DataType, Literal};
use std::fmt::Write;
use std::sync::Arc;

/// The value of a literal, its type, and its text.
pub(super) fn scalar(
    literal: &Literal,
    context: &functions::Context,
) -> Result<(ScalarValue, DataType, String)> {
    let data_type = literal.data_type();
    let text = text(literal, context);
    let value = match literal {
        Literal::Null(data_type) => ScalarValue::try_from(&types::to_arrow(data_type))?,
        Literal::Boolean(v) => ScalarValue::Boolean(Some(*v)),
        Literal::Byte(v) => ScalarValue::Int8(Some(*v)),
        Literal::Short(v) => ScalarValue::Int16(Some(*v)),
        Literal::Integer(v) => ScalarValue::Int32(Some(*v)),
        Literal::Long(v) => ScalarValue::Int64(Some(*v)),
        Literal::Float(v) => ScalarValue::Float32(Some(*v)),
        Literal::Double(v) => ScalarValue::Float64(Some(*v)),
        Literal::Decimal { unscaled, precision, scale } => {
            ScalarValue::Decimal128(Some(*unscaled), *precision, *scale)
        }
        Literal::String(v) => ScalarValue::Utf8(Some(v.clone())),
        Literal::Binary(v) => ScalarValue::Binary(Some(v.clone())),
        Literal::Date(v) => ScalarValue::Date32(Some(*v)),
        Literal::Timestamp(v) => {
            ScalarValue::TimestampMicrosecond(Some(*v), Some(types::TIMESTAMP_ZONE.into()))
        }
        Literal::TimestampNtz(v) => ScalarValue::TimestampMicrosecond(Some(*v), None),
        Literal::Time(v) => ScalarValue::Time64Nanosecond(Some(*v)),
        Literal::TimestampText(v) => return timestamp(v, context),
        Literal::YearMonthInterval(v) => ScalarValue::IntervalYearMonth(Some(*v)),
        Literal::DayTimeInterval(v) => ScalarValue::DurationMicrosecond(Some(*v)),
        Literal::CalendarInterval { months, days, microseconds } => {
            let nanoseconds = microseconds.saturating_mul(1000);
            let value = IntervalMonthDayNano::new(*months, *days, nanoseconds);
            ScalarValue::IntervalMonthDayNano(Some(value))
        }
        Literal::Array { .. } | Literal::Map { .. } | Literal::Struct(_) => {
            nested(literal, &data_type, context)?
        }
    };
    Ok((value, data_type, text))
}

/// Parses a timestamp in the session's time zone.
fn timestamp(text: &str, context: &functions::Context) -> Result<(ScalarValue, DataType, String)> {
    let expr = datafusion::logical_expr::lit(text);
    let target = types::to_arrow(&DataType::Timestamp);
    let cast = functions::cast(expr, &Arrow::Utf8, &target, functions::CastMode::Ansi, context);
    let invalid = || {
        let shown = format!("'{text}'");
        error::analysis(
            condition::INVALID_TYPED_LITERAL,
            format!("The value of the typed literal \"TIMESTAMP\" is invalid: {shown}."),
            &[("valueType", "\"TIMESTAMP\""), ("value", &shown)],
        )
    };
    let value = cast.ok().and_then(super::rows::constant).ok_or_else(invalid)?;
    match value {
        ScalarValue::TimestampMicrosecond(Some(_), _) => {
            Ok((value, DataType::Timestamp, format!("TIMESTAMP '{text}'")))
        }
        _ => Err(invalid()),
    }
}

fn nested(
    literal: &Literal,
    data_type: &DataType,
    context: &functions::Context,
) -> Result<ScalarValue> {
    let arrow = types::to_arrow(data_type);
    Ok(match (literal, &arrow) {
        (Literal::Array { values, .. }, Arrow::List(element)) => {
            let items = array(values.iter(), element.data_type(), context)?;
            let offsets = OffsetBuffer::from_lengths([items.len()]);
            let list = ListArray::try_new(Arc::clone(element), offsets, items, None);
            ScalarValue::List(Arc::new(list.map_err(datafusion::error::DataFusionError::from)?))
        }
        (Literal::Map { entries, .. }, Arrow::Map(field, _)) => {
            let Arrow::Struct(pair) = field.data_type() else {
                return Err(error::unsupported("a map literal of this type"));
            };
            let keys = array(entries.iter().map(|(key, _)| key), pair[0].data_type(), context)?;
            let values = array(entries.iter().map(|(_, v)| v), pair[1].data_type(), context)?;
            let rows = StructArray::new(pair.clone(), vec![keys, values], None);
            let offsets = OffsetBuffer::from_lengths([entries.len()]);
            let map = MapArray::try_new(Arc::clone(field), offsets, rows, None, false);
            ScalarValue::Map(Arc::new(map.map_err(datafusion::error::DataFusionError::from)?))
        }
        (Literal::Struct(values), Arrow::Struct(fields)) => {
            let columns = values
                .iter()
                .zip(fields)
                .map(|((_, value), field)| array([value].into_iter(), field.data_type(), context))
                .collect::<Result<Vec<_>>>()?;
            ScalarValue::Struct(Arc::new(StructArray::new(fields.clone(), columns, None)))
        }
        _ => return Err(error::unsupported("a nested literal of this type")),
    })
}

/// Converts literals to an array of a type.
fn array<'l>(
    values: impl Iterator<Item = &'l Literal>,
    data_type: &Arrow,
    context: &functions::Context,
) -> Result<ArrayRef> {
    let scalars = values
        .map(|value| Ok(scalar(value, context)?.0.cast_to(data_type)?))
        .collect::<Result<Vec<_>>>()?;
    if scalars.is_empty() {
        return Ok(arrow::array::new_empty_array(data_type));
    }
    let array = ScalarValue::iter_to_array(scalars)?;
    if array.data_type() == data_type {
        return Ok(array);
    }
    Ok(arrow::compute::cast(&array, data_type).map_err(datafusion::error::DataFusionError::from)?)
}

/// Spark's name for a column that is this literal.
pub(crate) fn text(literal: &Literal, context: &functions::Context) -> String {
    let list = |values: Vec<String>| values.join(", ");
    match literal {
        Literal::Null(_) => "NULL".to_owned(),
        Literal::Boolean(v) => v.to_string(),
        Literal::Byte(v) => v.to_string(),
        Literal::Short(v) => v.to_string(),
        Literal::Integer(v) => v.to_string(),
        Literal::Long(v) => v.to_string(),
        Literal::Float(v) => shown(&ScalarValue::from(*v), "UTC"),
        Literal::Double(v) => shown(&ScalarValue::from(*v), "UTC"),
        Literal::Decimal { unscaled, scale, .. } => decimal(*unscaled, *scale),
        Literal::String(v) | Literal::TimestampText(v) => v.clone(),
        Literal::Binary(v) => {
            let mut digits = String::new();
            for byte in v {
                let _ = write!(digits, "{byte:02X}");
            }
            format!("X'{digits}'")
        }
        Literal::Date(v) => format!("DATE '{}'", shown(&ScalarValue::Date32(Some(*v)), "UTC")),
        Literal::Timestamp(v) => format!("TIMESTAMP '{}'", instant(*v, &context.time_zone)),
        Literal::TimestampNtz(v) => format!("TIMESTAMP_NTZ '{}'", instant(*v, "UTC")),
        Literal::Time(v) => {
            let seconds = u32::try_from(v / 1_000_000_000).unwrap_or(0);
            let nanos = u32::try_from(v % 1_000_000_000).unwrap_or(0);
            let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos);
            format!("TIME '{}'", time.unwrap_or_default())
        }
        Literal::YearMonthInterval(v) => {
            let sign = if *v < 0 { "-" } else { "" };
            let months = v.unsigned_abs();
            format!("INTERVAL '{sign}{}-{}' YEAR TO MONTH", months / 12, months % 12)
        }
        Literal::DayTimeInterval(v) => format!("INTERVAL '{}' DAY TO SECOND", day_time(*v)),
        Literal::CalendarInterval { months, days, microseconds } => {
            format!("{months} months {days} days {microseconds} microseconds")
        }
        Literal::Array { values, .. } => {
            format!("array({})", list(values.iter().map(|v| text(v, context)).collect()))
        }
        Literal::Map { entries, .. } => {
            let entries =
                entries.iter().flat_map(|(k, v)| [text(k, context), text(v, context)]).collect();
            format!("map({})", list(entries))
        }
        Literal::Struct(fields) => {
            let fields =
                fields.iter().flat_map(|(name, v)| [name.clone(), text(v, context)]).collect();
            format!("named_struct({})", list(fields))
        }
    }
}

fn decimal(unscaled: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else { return unscaled.to_string() };
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn instant(micros: i64, zone: &str) -> String {
    let utc = Some(types::TIMESTAMP_ZONE.into());
    shown(&ScalarValue::TimestampMicrosecond(Some(micros), utc), zone)
}

/// A value as Spark prints it.
fn shown(value: &ScalarValue, zone: &str) -> String {
    let text = value.to_array().and_then(|array| functions::show(&array, zone));
    text.map_or_else(|_| value.to_string(), |text| text.value(0).to_owned())
}

fn day_time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let total = micros.unsigned_abs();
    let (seconds, fraction) = (total / 1_000_000, total % 1_000_000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:06}").trim_end_matches('0').to_owned()
    };
    format!("{sign}{days} {clock}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_names_its_column_as_spark_does() {
        let cases = [
            (Literal::Integer(1), "1"),
            (Literal::Decimal { unscaled: 150, precision: 3, scale: 2 }, "1.50"),
            (Literal::Decimal { unscaled: -5, precision: 2, scale: 2 }, "-0.05"),
            (Literal::String("abc".into()), "abc"),
            (Literal::Date(0), "DATE '1970-01-01'"),
            (Literal::Timestamp(1_500_000), "TIMESTAMP '1970-01-01 00:00:01.5'"),
            (Literal::DayTimeInterval(86_400_000_000), "INTERVAL '1 00:00:00' DAY TO SECOND"),
            (Literal::Null(DataType::Null), "NULL"),
        ];
        for (literal, expected) in cases {
            assert_eq!(text(&literal, &functions::Context::default()), expected);
        }
    }
}

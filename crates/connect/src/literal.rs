//! Constants, in both directions.

use crate::context::Context;
use crate::error::{Required, invalid};
use crate::pb;
use crate::pb::expression::literal as lit;
use crate::pb::expression::literal::LiteralType;
use crate::pb::expression::literal::specialized_array::ValueType;
use crate::types::{data_type, data_type_message};
use plan::{DataType, Literal, SparkError};

type Message = pb::expression::Literal;

/// Converts a message to a constant.
pub(crate) fn literal(message: Message, context: Context<'_>) -> Result<Literal, SparkError> {
    let context = context.deeper()?;
    let Message { data_type: of, literal_type } = message;
    let of = of.map(|t| data_type(t, context)).transpose()?;
    Ok(match literal_type.required("literal.literal_type")? {
        LiteralType::Null(t) if t.kind.is_none() => Literal::Null(of.unwrap_or(DataType::Null)),
        LiteralType::Null(t) => Literal::Null(data_type(t, context)?),
        LiteralType::Binary(bytes) => Literal::Binary(bytes.into()),
        LiteralType::Boolean(value) => Literal::Boolean(value),
        LiteralType::Byte(n) => Literal::Byte(narrow(n, "byte")?),
        LiteralType::Short(n) => Literal::Short(narrow(n, "short")?),
        LiteralType::Integer(n) => Literal::Integer(n),
        LiteralType::Long(n) => Literal::Long(n),
        LiteralType::Float(x) => Literal::Float(x),
        LiteralType::Double(x) => Literal::Double(x),
        LiteralType::Decimal(d) => decimal(&d)?,
        LiteralType::String(text) => Literal::String(text),
        LiteralType::Date(days) => Literal::Date(days),
        LiteralType::Timestamp(micros) => Literal::Timestamp(micros),
        LiteralType::TimestampNtz(micros) => Literal::TimestampNtz(micros),
        LiteralType::CalendarInterval(i) => Literal::CalendarInterval {
            months: i.months,
            days: i.days,
            microseconds: i.microseconds,
        },
        LiteralType::YearMonthInterval(months) => Literal::YearMonthInterval(months),
        LiteralType::DayTimeInterval(micros) => Literal::DayTimeInterval(micros),
        LiteralType::Time(time) => Literal::Time(time.nano),
        LiteralType::Array(array) => array_literal(array, of, context)?,
        LiteralType::Map(map) => map_literal(map, of, context)?,
        LiteralType::Struct(value) => struct_literal(value, of, context)?,
        LiteralType::SpecializedArray(array) => specialized(array)?,
        LiteralType::TimestampNtzNanos(_) | LiteralType::TimestampLtzNanos(_) => {
            return Err(SparkError::unsupported("A timestamp literal with nanoseconds"));
        }
    })
}

/// Converts several messages, in order.
pub(crate) fn literals(
    messages: Vec<Message>,
    context: Context<'_>,
) -> Result<Vec<Literal>, SparkError> {
    messages.into_iter().map(|m| literal(m, context)).collect()
}

fn narrow<T: TryFrom<i32>>(n: i32, name: &str) -> Result<T, SparkError> {
    T::try_from(n).map_err(|_| invalid(format!("{n} does not fit the type {name}.")))
}

fn decimal(message: &lit::Decimal) -> Result<Literal, SparkError> {
    let bad = || invalid(format!("`{}` is not a decimal.", message.value));
    let (digits, exponent) = match message.value.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| bad())?),
        None => (message.value.as_str(), 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.chars().all(|c| c.is_ascii_digit()) || fraction.len() > 40 {
        return Err(bad());
    }
    let mut unscaled: i128 = format!("{whole}{fraction}").parse().map_err(|_| bad())?;
    let mut scale =
        i32::try_from(fraction.len()).map_err(|_| bad())?.checked_sub(exponent).ok_or_else(bad)?;
    // The client's type is only a lower bound: PySpark sends `decimal(10,0)` with any value.
    let wanted = message.scale.unwrap_or(0).max(scale).max(0);
    if unscaled == 0 {
        scale = wanted;
    }
    // A value with fewer fractional digits than its type is widened; one with more does not fit.
    while scale < wanted {
        unscaled = unscaled.checked_mul(10).ok_or_else(bad)?;
        scale += 1;
    }
    let needed = i32::try_from(unscaled.unsigned_abs().to_string().len()).map_err(|_| bad())?;
    let precision = message.precision.unwrap_or(0).max(needed).max(scale);
    if scale != wanted || needed > precision {
        return Err(bad());
    }
    match crate::types::decimal(precision, scale)? {
        DataType::Decimal { precision, scale } => {
            Ok(Literal::Decimal { unscaled, precision, scale })
        }
        _ => Err(bad()),
    }
}

#[expect(deprecated, reason = "older clients send the type of elements in the old place")]
fn array_literal(
    array: lit::Array,
    of: Option<DataType>,
    context: Context<'_>,
) -> Result<Literal, SparkError> {
    let given = match of {
        Some(DataType::Array { element, .. }) => Some(*element),
        _ => array.element_type.map(|t| data_type(t, context)).transpose()?,
    };
    let values = elements(array.elements, given.as_ref(), context)?;
    let element = given.unwrap_or_else(|| common_type(&values));
    Ok(Literal::Array { element, values })
}

#[expect(deprecated, reason = "older clients send the types of keys and values in the old place")]
fn map_literal(
    map: lit::Map,
    of: Option<DataType>,
    context: Context<'_>,
) -> Result<Literal, SparkError> {
    let (key, value) = match of {
        Some(DataType::Map { key, value, .. }) => (Some(*key), Some(*value)),
        _ => (
            map.key_type.map(|t| data_type(t, context)).transpose()?,
            map.value_type.map(|t| data_type(t, context)).transpose()?,
        ),
    };
    if map.keys.len() != map.values.len() {
        return Err(invalid("A map literal has a different number of keys and values."));
    }
    let keys = elements(map.keys, key.as_ref(), context)?;
    let values = elements(map.values, value.as_ref(), context)?;
    Ok(Literal::Map {
        key: key.unwrap_or_else(|| common_type(&keys)),
        value: value.unwrap_or_else(|| common_type(&values)),
        entries: keys.into_iter().zip(values).collect(),
    })
}

#[expect(deprecated, reason = "older clients send the type of a struct in the old place")]
fn struct_literal(
    value: lit::Struct,
    of: Option<DataType>,
    context: Context<'_>,
) -> Result<Literal, SparkError> {
    let of = match of {
        Some(of) => of,
        None => data_type(value.struct_type.required("literal.data_type")?, context)?,
    };
    let DataType::Struct(fields) = of else {
        return Err(invalid(format!("A struct literal has the type {of}.")));
    };
    if fields.len() != value.elements.len() {
        return Err(invalid("A struct literal has a different number of values and fields."));
    }
    let values = fields
        .into_iter()
        .zip(value.elements)
        .map(|(field, element)| Ok((field.name, typed(element, Some(&field.data_type), context)?)));
    Ok(Literal::Struct(values.collect::<Result<_, SparkError>>()?))
}

fn elements(
    messages: Vec<Message>,
    of: Option<&DataType>,
    context: Context<'_>,
) -> Result<Vec<Literal>, SparkError> {
    messages.into_iter().map(|m| typed(m, of, context)).collect()
}

/// An element's type is known only from its container.
fn typed(
    mut message: Message,
    of: Option<&DataType>,
    context: Context<'_>,
) -> Result<Literal, SparkError> {
    if message.data_type.is_none() {
        message.data_type = of.map(data_type_message);
    }
    literal(message, context)
}

fn specialized(array: lit::SpecializedArray) -> Result<Literal, SparkError> {
    let (element, values) = match array.value_type.required("specialized_array.value_type")? {
        ValueType::Bools(v) => {
            (DataType::Boolean, v.values.into_iter().map(Literal::Boolean).collect())
        }
        ValueType::Ints(v) => {
            (DataType::Integer, v.values.into_iter().map(Literal::Integer).collect())
        }
        ValueType::Longs(v) => (DataType::Long, v.values.into_iter().map(Literal::Long).collect()),
        ValueType::Floats(v) => {
            (DataType::Float, v.values.into_iter().map(Literal::Float).collect())
        }
        ValueType::Doubles(v) => {
            (DataType::Double, v.values.into_iter().map(Literal::Double).collect())
        }
        ValueType::Strings(v) => {
            (DataType::String, v.values.into_iter().map(Literal::String).collect())
        }
    };
    Ok(Literal::Array { element, values })
}

/// The type of the first non-null value, nullable inside where the other values have nulls.
fn common_type(values: &[Literal]) -> DataType {
    let known = values.iter().map(Literal::data_type).find(|of| *of != DataType::Null);
    known.map_or(DataType::Null, DataType::nullable_inside)
}

/// Converts a constant to a message.
pub(crate) fn literal_message(of: &Literal) -> Message {
    let value = match of {
        Literal::Null(data_type) => LiteralType::Null(data_type_message(data_type)),
        Literal::Boolean(value) => LiteralType::Boolean(*value),
        Literal::Byte(n) => LiteralType::Byte(i32::from(*n)),
        Literal::Short(n) => LiteralType::Short(i32::from(*n)),
        Literal::Integer(n) => LiteralType::Integer(*n),
        Literal::Long(n) => LiteralType::Long(*n),
        Literal::Float(x) => LiteralType::Float(*x),
        Literal::Double(x) => LiteralType::Double(*x),
        Literal::Decimal { unscaled, precision, scale } => LiteralType::Decimal(lit::Decimal {
            value: decimal_text(*unscaled, *scale),
            precision: Some(i32::from(*precision)),
            scale: Some(i32::from(*scale)),
        }),
        Literal::String(text) | Literal::TimestampText(text) => LiteralType::String(text.clone()),
        Literal::Binary(bytes) => LiteralType::Binary(bytes.clone().into()),
        Literal::Date(days) => LiteralType::Date(*days),
        Literal::Timestamp(micros) => LiteralType::Timestamp(*micros),
        Literal::TimestampNtz(micros) => LiteralType::TimestampNtz(*micros),
        Literal::Time(nano) => LiteralType::Time(lit::Time { nano: *nano, precision: Some(6) }),
        Literal::YearMonthInterval(months) => LiteralType::YearMonthInterval(*months),
        Literal::DayTimeInterval(micros) => LiteralType::DayTimeInterval(*micros),
        Literal::CalendarInterval { months, days, microseconds } => {
            LiteralType::CalendarInterval(lit::CalendarInterval {
                months: *months,
                days: *days,
                microseconds: *microseconds,
            })
        }
        Literal::Array { .. } | Literal::Map { .. } | Literal::Struct(_) => nested_message(of),
    };
    let nested = matches!(of, Literal::Array { .. } | Literal::Map { .. } | Literal::Struct(_));
    let data_type = nested.then(|| data_type_message(&of.data_type()));
    Message { data_type, literal_type: Some(value) }
}

#[expect(deprecated, reason = "clients before 4.1 read the types in the old places")]
fn nested_message(of: &Literal) -> LiteralType {
    match of {
        Literal::Array { element, values } => LiteralType::Array(lit::Array {
            element_type: Some(data_type_message(element)),
            elements: values.iter().map(literal_message).collect(),
        }),
        Literal::Map { key, value, entries } => LiteralType::Map(lit::Map {
            key_type: Some(data_type_message(key)),
            value_type: Some(data_type_message(value)),
            keys: entries.iter().map(|(k, _)| literal_message(k)).collect(),
            values: entries.iter().map(|(_, v)| literal_message(v)).collect(),
        }),
        Literal::Struct(fields) => LiteralType::Struct(lit::Struct {
            struct_type: Some(data_type_message(&of.data_type())),
            elements: fields.iter().map(|(_, v)| literal_message(v)).collect(),
        }),
        _ => LiteralType::Null(data_type_message(&DataType::Null)),
    }
}

fn decimal_text(unscaled: i128, scale: i8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    }
}

//! Casts of numbers: from strings and to other numeric types.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringArray,
};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type,
};
use datafusion::common::{Result, not_impl_err};

use super::how::{CastMode, How};
use crate::run_time_error;
use crate::types::is_integral;
use formats::text::{java_double, parse_decimal, parse_double, rescale, trimmed, write_decimal};

/// Casts strings to whole or floating-point numbers.
pub(super) fn text_to_number(texts: &StringArray, to: &DataType, how: &How) -> Result<ArrayRef> {
    match to {
        DataType::Int8 => whole_texts::<Int8Type>(texts, to, how),
        DataType::Int16 => whole_texts::<Int16Type>(texts, to, how),
        DataType::Int32 => whole_texts::<Int32Type>(texts, to, how),
        DataType::Int64 => whole_texts::<Int64Type>(texts, to, how),
        DataType::Float32 => each::<Float32Type>(texts, to, how, |text| {
            // A float is not parsed as a double first: that would round twice.
            let value = parse_double(text)?;
            let trimmed = text.trim().trim_end_matches(['f', 'F', 'd', 'D']);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "named values, such as infinity, stay what they are"
            )]
            Some(trimmed.parse().unwrap_or(value as f32))
        }),
        DataType::Float64 => each::<Float64Type>(texts, to, how, parse_double),
        _ => not_impl_err!("a cast from text to {to}"),
    }
}

fn each<T: ArrowPrimitiveType>(
    texts: &StringArray,
    to: &DataType,
    how: &How,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        out.push(match text.map(|text| (text, parse(text))) {
            None => None,
            Some((_, Some(value))) => Some(value),
            Some((text, None)) => how.malformed_text(text, to)?,
        });
    }
    Ok(Arc::new(out.into_iter().collect::<PrimitiveArray<T>>()))
}

fn whole_texts<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(
    texts: &StringArray,
    to: &DataType,
    how: &How,
) -> Result<ArrayRef> {
    let fractions = how.mode != CastMode::Ansi;
    each::<T>(texts, to, how, |text| T::Native::try_from(parse_whole(text, fractions)?).ok())
}

/// Parses a whole number; with `fractions`, decimal places are truncated, as before ANSI mode.
fn parse_whole(text: &str, fractions: bool) -> Option<i64> {
    let text = trimmed(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if fractions => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    let only_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !only_digits(whole) || !only_digits(fraction) || digits.is_empty() || digits == "." {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    if whole.is_empty() { Some(0) } else { format!("{sign}{whole}").parse().ok() }
}

/// Casts strings to decimals.
pub(super) fn text_to_decimal(texts: &StringArray, to: &DataType, how: &How) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else {
        return not_impl_err!("a cast from text to {to}");
    };
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        out.push(match text.map(|text| (text, parse_decimal(text))) {
            None => None,
            Some((text, None)) => how.malformed_text(text, to)?,
            Some((text, Some((value, from)))) => match rescale(value, from, (precision, scale)) {
                Some(value) => Some(value),
                None => out_of_range(text, to, how)?,
            },
        });
    }
    decimals(out, to)
}

fn decimals(values: Vec<Option<i128>>, to: &DataType) -> Result<ArrayRef> {
    let array: PrimitiveArray<Decimal128Type> = values.into_iter().collect();
    Ok(Arc::new(array.with_data_type(to.clone())))
}

fn out_of_range(value: &str, to: &DataType, how: &How) -> Result<Option<i128>> {
    let DataType::Decimal128(precision, scale) = to else { return Ok(None) };
    if how.mode != CastMode::Ansi {
        return Ok(None);
    }
    Err(run_time_error(
        condition::NUMERIC_VALUE_OUT_OF_RANGE_WITH_SUGGESTION,
        format!(
            "The {value} cannot be represented as Decimal({precision}, {scale}). If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error, and return NULL instead."
        ),
    ))
}

/// Casts numbers to boolean: `false` for zero, `true` otherwise.
pub(super) fn number_to_boolean(array: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Decimal128(..) = array.data_type() {
        let values = array.as_primitive::<Decimal128Type>();
        return Ok(Arc::new(values.iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()));
    }
    let doubles = compute::cast(array, &DataType::Float64)?;
    let values = doubles.as_primitive::<Float64Type>();
    Ok(Arc::new(values.iter().map(|v| v.map(|v| v != 0.0)).collect::<BooleanArray>()))
}

/// Casts between numeric types where digits or range can be lost.
pub(super) fn number_to_number(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let from = array.data_type().clone();
    match (&from, to) {
        (from, to) if from == to => Ok(Arc::clone(array)),
        (_, DataType::Decimal128(..)) => number_to_decimal(array, to, how),
        (DataType::Decimal128(..), to) if is_integral(to) => decimal_to_whole(array, to, how),
        (DataType::Decimal128(_, scale), _) => decimal_to_float(array, *scale, to),
        (DataType::Float64 | DataType::Float32, to) if is_integral(to) => {
            float_to_whole(array, to, how)
        }
        (from, to) if is_integral(from) && is_integral(to) => {
            let longs = compute::cast(array, &DataType::Int64)?;
            narrow(longs.as_primitive(), (&from.clone(), to), how)
        }
        _ => Ok(compute::cast(array, to)?),
    }
}

fn number_to_decimal(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else {
        return not_impl_err!("a cast to {to}");
    };
    let mut out = Vec::with_capacity(array.len());
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.push(None);
            continue;
        }
        text.clear();
        let found = match array.data_type() {
            DataType::Decimal128(_, from) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                write_decimal(value, *from, &mut text);
                Some((value, i32::from(*from)))
            }
            DataType::Float64 | DataType::Float32 => {
                let value = compute::cast(&array.slice(row, 1), &DataType::Float64)?;
                text = java_double(value.as_primitive::<Float64Type>().value(0));
                parse_decimal(&text)
            }
            _ => {
                let value = compute::cast(&array.slice(row, 1), &DataType::Int64)?;
                let value = value.as_primitive::<Int64Type>().value(0);
                text = value.to_string();
                Some((value.into(), 0))
            }
        };
        out.push(match found.and_then(|(value, from)| rescale(value, from, (precision, scale))) {
            Some(value) => Some(value),
            None => out_of_range(&text, to, how)?,
        });
    }
    decimals(out, to)
}

fn decimal_to_whole(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = *array.data_type() else {
        return not_impl_err!("a cast to {to}");
    };
    let values = array.as_primitive::<Decimal128Type>();
    let divisor = 10_i128.pow(scale.max(0).unsigned_abs().into());
    let mut out = Vec::with_capacity(values.len());
    for value in values {
        let Some(value) = value else {
            out.push(None);
            continue;
        };
        let (low, high) = bounds(to);
        let whole = value / divisor;
        out.push(match i64::try_from(whole) {
            Ok(whole) if (low..=high).contains(&whole) => Some(whole),
            _ if how.mode == CastMode::Legacy => Some(low_bits(low_long(whole), to)),
            _ => how.overflow(
                || {
                    let mut text = String::new();
                    write_decimal(value, scale, &mut text);
                    text.push_str("BD");
                    text
                },
                array.data_type(),
                to,
            )?,
        });
    }
    Ok(compute::cast(&PrimitiveArray::<Int64Type>::from(out), to)?)
}

fn decimal_to_float(array: &ArrayRef, scale: i8, to: &DataType) -> Result<ArrayRef> {
    // Converted through text, because a single division would round twice.
    let values = array.as_primitive::<Decimal128Type>();
    let mut text = String::new();
    let doubles: PrimitiveArray<Float64Type> = values
        .iter()
        .map(|value| {
            text.clear();
            write_decimal(value?, scale, &mut text);
            text.parse::<f64>().ok()
        })
        .collect();
    Ok(compute::cast(&doubles, to)?)
}

/// Minimum and maximum of an integral type.
fn bounds(to: &DataType) -> (i64, i64) {
    match to {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

fn float_to_whole(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let doubles = compute::cast(array, &DataType::Float64)?;
    let (low, high) = bounds(to);
    #[expect(
        clippy::cast_precision_loss,
        reason = "the bound of bigint becomes 2^63, which is what Java compares with"
    )]
    let (lowest, highest) = (low as f64, high as f64);
    let mut out = Vec::with_capacity(doubles.len());
    for value in doubles.as_primitive::<Float64Type>() {
        let Some(value) = value else {
            out.push(None);
            continue;
        };
        let fits = value.floor() <= highest && value.ceil() >= lowest;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the fraction is cut off; bounds were checked or saturate as in Java"
        )]
        let whole = value as i64;
        out.push(match how.mode {
            _ if fits => Some(whole),
            // As in Java: small types are converted through int, of which they keep the low bits.
            CastMode::Legacy if *to == DataType::Int64 => Some(whole),
            CastMode::Legacy => Some(low_bits(whole.clamp(i32::MIN.into(), i32::MAX.into()), to)),
            CastMode::Ansi | CastMode::Try => how.overflow(
                || {
                    format!(
                        "{}{}",
                        java_double(value),
                        if *array.data_type() == DataType::Float32 { "" } else { "D" }
                    )
                },
                array.data_type(),
                to,
            )?,
        });
    }
    Ok(compute::cast(&PrimitiveArray::<Int64Type>::from(out), to)?)
}

#[expect(clippy::cast_possible_truncation, reason = "low bits are what is asked for")]
fn low_bits(value: i64, to: &DataType) -> i64 {
    match to {
        DataType::Int8 => (value as i8).into(),
        DataType::Int16 => (value as i16).into(),
        DataType::Int32 => (value as i32).into(),
        _ => value,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "low bits are what is asked for")]
fn low_long(value: i128) -> i64 {
    value as i64
}

/// Casts whole numbers to a narrower type; `types` are the source and target types.
fn narrow(
    longs: &PrimitiveArray<Int64Type>,
    types: (&DataType, &DataType),
    how: &How,
) -> Result<ArrayRef> {
    let (from, to) = types;
    let (low, high) = bounds(to);
    let suffix = match from {
        DataType::Int64 => "L",
        DataType::Int16 => "S",
        _ => "",
    };
    let mut out = Vec::with_capacity(longs.len());
    for value in longs {
        out.push(match value {
            Some(value) if (low..=high).contains(&value) => Some(value),
            Some(value) if how.mode == CastMode::Legacy => Some(low_bits(value, to)),
            Some(value) => how.overflow(|| format!("{value}{suffix}"), from, to)?,
            None => None,
        });
    }
    Ok(compute::cast(&PrimitiveArray::<Int64Type>::from(out), to)?)
}

//! Casts of dates and timestamps: from and to strings, numbers and each other.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, StringArray};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, not_impl_err};

use super::how::{CastMode, How, days_of};
use super::number;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use formats::text::{Clock, java_double, parse_date, parse_timestamp, rescale};

/// Casts strings to dates.
pub(super) fn text_to_date(texts: &StringArray, how: &How) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        out.push(match text.map(|text| (text, parse_date(text))) {
            None => None,
            Some((_, Some(days))) => Some(days),
            Some((text, None)) => how.malformed_text(text, &DataType::Date32)?,
        });
    }
    Ok(Arc::new(PrimitiveArray::<Date32Type>::from(out)))
}

/// Casts strings to timestamps, with or without time zone.
pub(super) fn text_to_timestamp(
    texts: &StringArray,
    (to, clock): (&DataType, Clock),
    how: &How,
) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(text) = text else {
            out.push(None);
            continue;
        };
        out.push(match (parse_timestamp(text, 0), clock) {
            (Some((local, Some(zone))), Clock::Zoned(_)) => Some(zone.to_utc(local)),
            // Without time zone, the wall-clock time of the text is used, whatever zone it names.
            (Some((local, _)), clock) => Some(clock.at(local)),
            (None, _) => how.malformed_text(text, to)?,
        });
    }
    timestamps(out, to)
}

fn timestamps(values: Vec<Option<i64>>, to: &DataType) -> Result<ArrayRef> {
    let array = PrimitiveArray::<TimestampMicrosecondType>::from(values);
    Ok(Arc::new(array.with_data_type(to.clone())))
}

/// Casts dates and timestamps from and to each other and numbers.
pub(super) fn convert(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Timestamp};
    let zone = |zoned: bool| if zoned { Clock::Zoned(how.zone) } else { Clock::Local };
    match (array.data_type(), to) {
        (Date32, Timestamp(_, zoned)) => {
            let clock = zone(zoned.is_some());
            let days = array.as_primitive::<Date32Type>();
            timestamps(
                days.iter().map(|d| d.map(|d| clock.at(i64::from(d) * MICROS_PER_DAY))).collect(),
                to,
            )
        }
        (Timestamp(_, zoned), Date32) => Ok(days_of(array, zoned.as_ref().map(|_| how.zone))),
        (Timestamp(_, from), Timestamp(..)) => {
            let values = array.as_primitive::<TimestampMicrosecondType>();
            let shift = |v| if from.is_some() { how.zone.to_local(v) } else { how.zone.to_utc(v) };
            timestamps(values.iter().map(|v| v.map(shift)).collect(), to)
        }
        (Timestamp(..), Decimal128(..)) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let seconds: PrimitiveArray<Decimal128Type> =
                micros.iter().map(|v| v.map(i128::from)).collect();
            let seconds = seconds.with_data_type(Decimal128(20, 6));
            number::number_to_number(&(Arc::new(seconds) as ArrayRef), to, how)
        }
        (Timestamp(..), Float64 | Float32) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            #[expect(
                clippy::cast_precision_loss,
                reason = "a double of seconds is what is asked for"
            )]
            let seconds = micros.unary::<_, Float64Type>(|v| v as f64 / 1e6);
            Ok(compute::cast(&seconds, to)?)
        }
        (Timestamp(..), Boolean) => {
            let longs = compute::cast(array, &DataType::Int64)?;
            number::number_to_boolean(&longs)
        }
        (Timestamp(..), _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>();
            let seconds = micros.unary::<_, Int64Type>(|v| v.div_euclid(MICROS_PER_SECOND));
            number::number_to_number(&(Arc::new(seconds) as ArrayRef), to, how)
        }
        (Date32, _) => Ok(arrow::array::new_null_array(to, array.len())),
        // `true` is one microsecond after the epoch, `false` the epoch.
        (Boolean, Timestamp(..)) => {
            let bits = array.as_boolean();
            timestamps(bits.iter().map(|bit| bit.map(i64::from)).collect(), to)
        }
        (_, Timestamp(..)) => numbers_to_timestamps(array, to, how),
        (from, to) => not_impl_err!("a cast from {from} to {to}"),
    }
}

fn numbers_to_timestamps(array: &ArrayRef, to: &DataType, how: &How) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(array.len());
    match array.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let doubles = compute::cast(array, &DataType::Float64)?;
            for value in doubles.as_primitive::<Float64Type>() {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "fractions of a microsecond are cut off; the rest saturates as in Java"
                )]
                let micros = value.filter(|v| v.is_finite()).map(|v| (v * 1e6) as i64);
                let lost = value.is_some() && micros.is_none();
                out.push(match (micros, value) {
                    (None, Some(value)) if lost && how.mode == CastMode::Ansi => {
                        how.malformed(&java_double(value), "DOUBLE", to)?
                    }
                    _ => micros,
                });
            }
        }
        DataType::Decimal128(_, scale) => {
            for value in array.as_primitive::<Decimal128Type>() {
                let micros = value.and_then(|v| rescale(v, (*scale).into(), (38, 6)));
                out.push(micros.and_then(|v| i64::try_from(v).ok()));
            }
        }
        _ => {
            let longs = compute::cast(array, &DataType::Int64)?;
            let seconds = longs.as_primitive::<Int64Type>();
            out.extend(seconds.iter().map(|v| v.map(|v| v.saturating_mul(MICROS_PER_SECOND))));
        }
    }
    timestamps(out, to)
}

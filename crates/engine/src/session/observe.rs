//! Observed metrics: each is computed by a separate job alongside the action, and reported to its
//! runner.

use super::{Analyzed, Session};
use crate::RunJob;
use analysis::Purpose;
use arrow::array::{Array, AsArray};
use datafusion::common::ScalarValue;
use plan::{DataType, Field, Literal, SparkError};

impl Session {
    /// Reports the metrics that were requested within a relation.
    pub(super) async fn observe(
        &self,
        analyzed: &Analyzed,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        for observed in &analyzed.observed {
            let env = Some(observed.env.clone());
            let metrics = self.resolve(&observed.metrics, Purpose::Run, env, run).await?;
            let answer = self.compute(metrics, run).await?;
            let mut values = Vec::new();
            for (index, field) in answer.schema.iter().enumerate() {
                let value = match answer.batches.first() {
                    Some(row) => value_at(row.column(index).as_ref(), 0, &field.data_type)?,
                    None => Literal::Null(field.data_type.clone()),
                };
                values.push((field.name.clone(), value));
            }
            run.observed(&observed.name, values);
        }
        Ok(())
    }
}

/// A value of an array as a literal.
pub(super) fn value_at(
    array: &dyn Array,
    row: usize,
    kind: &DataType,
) -> Result<Literal, SparkError> {
    // An array of type null has no validity bitmap.
    if *kind == DataType::Null || array.is_null(row) {
        return Ok(Literal::Null(kind.clone()));
    }
    if let Some(nested) = nested_at(array, row, kind)? {
        return Ok(nested);
    }
    let scalar =
        ScalarValue::try_from_array(array, row).map_err(|error| functions::spark_error(&error))?;
    let value = match scalar {
        ScalarValue::Boolean(Some(v)) => Literal::Boolean(v),
        ScalarValue::Int8(Some(v)) => Literal::Byte(v),
        ScalarValue::Int16(Some(v)) => Literal::Short(v),
        ScalarValue::Int32(Some(v)) => Literal::Integer(v),
        ScalarValue::Int64(Some(v)) => Literal::Long(v),
        ScalarValue::Float32(Some(v)) => Literal::Float(v),
        ScalarValue::Float64(Some(v)) => Literal::Double(v),
        ScalarValue::Decimal128(Some(unscaled), precision, scale) => {
            Literal::Decimal { unscaled, precision, scale }
        }
        ScalarValue::Utf8(Some(v)) => Literal::String(v),
        ScalarValue::Binary(Some(v)) => Literal::Binary(v),
        ScalarValue::Date32(Some(v)) => Literal::Date(v),
        ScalarValue::TimestampMicrosecond(Some(v), Some(_)) => Literal::Timestamp(v),
        ScalarValue::TimestampMicrosecond(Some(v), None) => Literal::TimestampNtz(v),
        ScalarValue::Time64Nanosecond(Some(v)) => Literal::Time(v),
        ScalarValue::IntervalYearMonth(Some(v)) => Literal::YearMonthInterval(v),
        ScalarValue::DurationMicrosecond(Some(v)) => Literal::DayTimeInterval(v),
        _ => return Err(SparkError::unsupported(format!("an observed metric of the type {kind}"))),
    };
    Ok(value)
}

fn nested_at(
    array: &dyn Array,
    row: usize,
    kind: &DataType,
) -> Result<Option<Literal>, SparkError> {
    let all = |items: &dyn Array, kind: &DataType| {
        (0..items.len()).map(|at| value_at(items, at, kind)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match kind {
        DataType::Array { element, .. } => {
            let Some(list) = array.as_list_opt::<i32>() else { return Ok(None) };
            let values = all(list.value(row).as_ref(), element)?;
            Some(Literal::Array { element: (**element).clone(), values })
        }
        DataType::Map { key, value, .. } => {
            let Some(map) = array.as_map_opt() else { return Ok(None) };
            let entries = map.value(row);
            let keys = all(entries.column(0).as_ref(), key)?;
            let values = all(entries.column(1).as_ref(), value)?;
            let entries = keys.into_iter().zip(values).collect();
            Some(Literal::Map { key: (**key).clone(), value: (**value).clone(), entries })
        }
        DataType::Struct(fields) => {
            let Some(parts) = array.as_struct_opt() else { return Ok(None) };
            let value = |(field, column): (&Field, &arrow::array::ArrayRef)| {
                Ok((field.name.clone(), value_at(column.as_ref(), row, &field.data_type)?))
            };
            let values = fields.iter().zip(parts.columns()).map(value);
            Some(Literal::Struct(values.collect::<Result<_, SparkError>>()?))
        }
        _ => None,
    })
}

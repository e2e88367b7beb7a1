//! Spark's types and Arrow's: how each is held in memory. The mapping loses the length of `char(n)`
//! and the units of an interval; whoever needs those keeps the Spark type. So does whoever needs to
//! know where nulls cannot be inside of a value: in plans every part of a value may be null, so
//! that a type is held in one way only. Schemas of what leaves say it exactly.

use super::{list, map};
use arrow::datatypes::{
    DataType as Arrow, Field as ArrowField, Fields, IntervalUnit as ArrowInterval, Schema,
    SchemaRef, TimeUnit,
};
use plan::{DataType, Field, IntervalUnit, SparkError};
use std::sync::Arc;

/// Zone of the timestamps in memory. The session's zone matters only where text is made or read.
pub const TIMESTAMP_ZONE: &str = "UTC";

/// How values of a Spark type are held in plans.
pub fn to_arrow(data_type: &DataType) -> Arrow {
    held(data_type, Parts::Nullable)
}

/// What is said of the parts of arrays, maps and structs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// All of them may be null.
    Nullable,
    /// As the Spark type says, under the names that Spark gives them.
    Exact,
}

fn held(data_type: &DataType, parts: Parts) -> Arrow {
    let exact = parts == Parts::Exact;
    match data_type {
        DataType::Array { element, .. } if !exact => list(held(element, parts)),
        DataType::Map { key, value, .. } if !exact => map(held(key, parts), held(value, parts)),
        DataType::Null => Arrow::Null,
        DataType::Boolean => Arrow::Boolean,
        DataType::Byte => Arrow::Int8,
        DataType::Short => Arrow::Int16,
        DataType::Integer => Arrow::Int32,
        DataType::Long => Arrow::Int64,
        DataType::Float => Arrow::Float32,
        DataType::Double => Arrow::Float64,
        DataType::Decimal { precision, scale } => Arrow::Decimal128(*precision, *scale),
        DataType::String | DataType::Char(_) | DataType::Varchar(_) => Arrow::Utf8,
        DataType::Binary | DataType::Variant => Arrow::Binary,
        DataType::UserDefined(defined) => held(&defined.sql_type, parts),
        DataType::Date => Arrow::Date32,
        DataType::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some(TIMESTAMP_ZONE.into())),
        DataType::TimestampNtz => Arrow::Timestamp(TimeUnit::Microsecond, None),
        DataType::Time(_) => Arrow::Time64(TimeUnit::Nanosecond),
        DataType::YearMonthInterval { .. } => Arrow::Interval(ArrowInterval::YearMonth),
        DataType::DayTimeInterval { .. } => Arrow::Duration(TimeUnit::Microsecond),
        DataType::CalendarInterval => Arrow::Interval(ArrowInterval::MonthDayNano),
        DataType::Array { element, contains_null } => {
            let element = ArrowField::new("element", held(element, parts), *contains_null);
            Arrow::List(Arc::new(element))
        }
        DataType::Map { key, value, value_contains_null } => {
            let key = ArrowField::new("key", held(key, parts), false);
            let value = ArrowField::new("value", held(value, parts), *value_contains_null);
            let entries = Arrow::Struct(Fields::from(vec![key, value]));
            Arrow::Map(Arc::new(ArrowField::new("entries", entries, false)), false)
        }
        DataType::Struct(fields) => {
            let field = |field: &Field| {
                let nullable = !exact || field.nullable;
                ArrowField::new(&field.name, held(&field.data_type, parts), nullable)
            };
            Arrow::Struct(fields.iter().map(field).collect())
        }
    }
}

/// How a column is held in plans.
pub fn field_to_arrow(field: &Field) -> ArrowField {
    ArrowField::new(&field.name, to_arrow(&field.data_type), field.nullable)
}

/// How rows of a schema are held in plans.
pub fn schema_in_plans(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(field_to_arrow).collect::<Fields>()))
}

/// How rows of a schema are held where they leave: on their way to a client, and in files.
pub fn schema_to_arrow(fields: &[Field]) -> SchemaRef {
    let field = |field: &Field| {
        ArrowField::new(&field.name, held(&field.data_type, Parts::Exact), field.nullable)
    };
    Arc::new(Schema::new(fields.iter().map(field).collect::<Fields>()))
}

/// How values that are held like this in plans are held where they leave.
pub fn leaving(data_type: &Arrow) -> Result<Arrow, SparkError> {
    if !data_type.is_nested() {
        return Ok(data_type.clone());
    }
    Ok(held(&from_arrow(data_type)?, Parts::Exact))
}

/// The first and the last field of an interval, counted from the largest that there is: years or
/// days.
pub fn interval_fields(data_type: &DataType) -> Option<(usize, usize)> {
    let place = |unit: IntervalUnit| match unit {
        IntervalUnit::Year | IntervalUnit::Day => 0,
        IntervalUnit::Month | IntervalUnit::Hour => 1,
        IntervalUnit::Minute => 2,
        IntervalUnit::Second => 3,
    };
    match data_type {
        DataType::YearMonthInterval { start, end } | DataType::DayTimeInterval { start, end } => {
            Some((place(*start), place(*end)))
        }
        _ => None,
    }
}

/// The Spark type of values held like this.
pub fn from_arrow(data_type: &Arrow) -> Result<DataType, SparkError> {
    Ok(match data_type {
        Arrow::Null => DataType::Null,
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int8 => DataType::Byte,
        Arrow::Int16 | Arrow::UInt8 => DataType::Short,
        Arrow::Int32 | Arrow::UInt16 => DataType::Integer,
        Arrow::Int64 | Arrow::UInt32 => DataType::Long,
        Arrow::UInt64 => DataType::Decimal { precision: 20, scale: 0 },
        Arrow::Float16 | Arrow::Float32 => DataType::Float,
        Arrow::Float64 => DataType::Double,
        Arrow::Decimal32(precision, scale)
        | Arrow::Decimal64(precision, scale)
        | Arrow::Decimal128(precision, scale) => {
            DataType::Decimal { precision: *precision, scale: *scale }
        }
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView | Arrow::FixedSizeBinary(_) => {
            DataType::Binary
        }
        Arrow::Date32 | Arrow::Date64 => DataType::Date,
        Arrow::Timestamp(_, Some(_)) => DataType::Timestamp,
        Arrow::Timestamp(_, None) => DataType::TimestampNtz,
        Arrow::Time32(_) | Arrow::Time64(_) => DataType::Time(6),
        Arrow::Interval(ArrowInterval::YearMonth) => DataType::YEAR_MONTH,
        Arrow::Interval(ArrowInterval::DayTime) | Arrow::Duration(_) => DataType::DAY_TIME,
        Arrow::Interval(ArrowInterval::MonthDayNano) => DataType::CalendarInterval,
        Arrow::List(element) | Arrow::LargeList(element) | Arrow::FixedSizeList(element, _) => {
            DataType::Array {
                element: Box::new(from_arrow(element.data_type())?),
                contains_null: element.is_nullable(),
            }
        }
        Arrow::Map(entries, _) => match entries.data_type() {
            Arrow::Struct(pair) if pair.len() == 2 => DataType::Map {
                key: Box::new(from_arrow(pair[0].data_type())?),
                value: Box::new(from_arrow(pair[1].data_type())?),
                value_contains_null: pair[1].is_nullable(),
            },
            other => return Err(unsupported(other)),
        },
        Arrow::Struct(fields) => DataType::Struct(
            fields.iter().map(|f| field_from_arrow(f)).collect::<Result<_, SparkError>>()?,
        ),
        Arrow::Dictionary(_, value) => from_arrow(value)?,
        other => return Err(unsupported(other)),
    })
}

/// The Spark column held like this.
pub fn field_from_arrow(field: &ArrowField) -> Result<Field, SparkError> {
    Ok(Field::new(field.name(), from_arrow(field.data_type())?, field.is_nullable()))
}

/// The Spark schema of rows held like this.
pub fn schema_from_arrow(schema: &Schema) -> Result<Vec<Field>, SparkError> {
    schema.fields().iter().map(|field| field_from_arrow(field)).collect()
}

fn unsupported(data_type: &Arrow) -> SparkError {
    SparkError::unsupported(format!("data of the Arrow type {data_type}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_survives_the_way_to_arrow_and_back() {
        let cases = [
            DataType::Null,
            DataType::Long,
            DataType::Decimal { precision: 12, scale: 2 },
            DataType::Timestamp,
            DataType::TimestampNtz,
            DataType::YEAR_MONTH,
            DataType::DAY_TIME,
            DataType::CalendarInterval,
            DataType::array(DataType::String),
            DataType::Map {
                key: Box::new(DataType::String),
                value: Box::new(DataType::Date),
                value_contains_null: true,
            },
            DataType::Struct(vec![Field::new("a", DataType::Double, true)]),
        ];
        for case in cases {
            assert_eq!(from_arrow(&to_arrow(&case)).unwrap(), case);
        }
    }

    #[test]
    fn what_leaves_says_where_nulls_cannot_be() {
        let inner = DataType::Struct(vec![Field::new("a", DataType::Long, false)]);
        let exact = DataType::Array { element: Box::new(inner), contains_null: false };
        let columns = [Field::new("c", exact.clone(), false)];
        assert_eq!(schema_from_arrow(&schema_to_arrow(&columns)).unwrap(), columns);
        let loose = DataType::array(DataType::Struct(vec![Field::new("a", DataType::Long, true)]));
        assert_eq!(from_arrow(&to_arrow(&exact)).unwrap(), loose);
    }
}

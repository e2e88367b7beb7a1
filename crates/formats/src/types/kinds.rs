//! The types of values in plans that stand for Spark's, and what kind of value a type is.

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// The type of Spark's `timestamp`.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The type of Spark's `timestamp_ntz`.
pub const TIMESTAMP_NTZ: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// The type of Spark's day-time interval.
pub const DAY_TIME: DataType = DataType::Duration(TimeUnit::Microsecond);
/// The type of Spark's year-month interval.
pub const YEAR_MONTH: DataType = DataType::Interval(IntervalUnit::YearMonth);

/// The elements of an array. In plans they have this one name, and any of them may be null.
pub fn element(data_type: DataType) -> FieldRef {
    Arc::new(Field::new_list_field(data_type, true))
}

/// The type of arrays in plans.
pub fn list(of: DataType) -> DataType {
    DataType::List(element(of))
}

/// The type of maps in plans.
pub fn map(key: DataType, value: DataType) -> DataType {
    let fields = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
}

/// Key and value type of a map.
pub fn entry_types(data_type: &DataType) -> Option<(&DataType, &DataType)> {
    let DataType::Map(entries, _) = data_type else { return None };
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => {
            Some((fields[0].data_type(), fields[1].data_type()))
        }
        _ => None,
    }
}

/// Whether values are whole numbers of a machine width.
pub fn is_integral(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

/// Whether values are numbers.
pub fn is_numeric(data_type: &DataType) -> bool {
    is_integral(data_type)
        || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal128(..))
}

/// The decimal that holds every value of an integral type.
pub fn decimal_of(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((20, 0)),
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

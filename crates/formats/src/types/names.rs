//! The names that Spark gives to types, in messages and as simple strings.

use super::entry_types;
use arrow::datatypes::{DataType, IntervalUnit};

/// A type's name in Spark's error messages: `BIGINT`, `ARRAY<STRING>`.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "VOID".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BINARY".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".into(),
        DataType::Duration(_) => "INTERVAL DAY TO SECOND".into(),
        DataType::Interval(IntervalUnit::YearMonth) => "INTERVAL YEAR TO MONTH".into(),
        DataType::Interval(_) => "INTERVAL".into(),
        DataType::List(element) => format!("ARRAY<{}>", sql_type(element.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| format!("{}: {}", f.name(), sql_type(f.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Map(..) => match entry_types(data_type) {
            Some((key, value)) => format!("MAP<{}, {}>", sql_type(key), sql_type(value)),
            None => "MAP".into(),
        },
        other => other.to_string().to_uppercase(),
    }
}

/// A type's simple string: `bigint`, `array<string>`, `struct<a:int>`.
pub fn simple_type(data_type: &DataType) -> String {
    match data_type {
        DataType::List(element) => format!("array<{}>", simple_type(element.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| format!("{}:{}", f.name(), simple_type(f.data_type())))
                .collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(..) => match entry_types(data_type) {
            Some((key, value)) => format!("map<{},{}>", simple_type(key), simple_type(value)),
            None => "map".into(),
        },
        other => sql_type(other).to_lowercase(),
    }
}

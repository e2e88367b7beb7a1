//! Types and schemas as JSON, in the form that Spark writes into Parquet files and clients send.

use crate::{DataType, Field, IntervalUnit, UserDefined};
use serde_json::{Map, Value};

/// The text is not a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJsonType {
    /// It is malformed, or contains an unknown type name.
    #[error("{0}")]
    Malformed(String),
    /// It is a type that is not supported.
    #[error("{0} is not supported")]
    Unsupported(String),
}

type Result<T> = std::result::Result<T, BadJsonType>;

impl DataType {
    /// Parses a type from JSON: the inverse of [`DataType::json`].
    pub fn from_json(text: &str) -> Result<Self> {
        // The JSON parser limits nesting, which bounds the recursion below.
        let value: Value = serde_json::from_str(text)
            .map_err(|e| malformed(format!("A schema in JSON could not be read: {e}.")))?;
        data_type(&value)
    }
}

fn malformed(message: impl Into<String>) -> BadJsonType {
    BadJsonType::Malformed(message.into())
}

fn data_type(value: &Value) -> Result<DataType> {
    match value {
        Value::String(name) => simple(name),
        Value::Object(object) => match object.get("type").and_then(Value::as_str) {
            Some("struct") => structure(value),
            Some("array") => Ok(DataType::Array {
                element: Box::new(data_type(member(value, "elementType")?)?),
                contains_null: flag(value, "containsNull"),
            }),
            Some("map") => Ok(DataType::Map {
                key: Box::new(data_type(member(value, "keyType")?)?),
                value: Box::new(data_type(member(value, "valueType")?)?),
                value_contains_null: flag(value, "valueContainsNull"),
            }),
            Some("udt") => user_defined(object, value),
            Some(other) => Err(unknown(other)),
            None => Err(malformed("A type in JSON has no `type`.")),
        },
        other => Err(unknown(&other.to_string())),
    }
}

fn user_defined(object: &Map<String, Value>, value: &Value) -> Result<DataType> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(DataType::UserDefined(Box::new(UserDefined {
        jvm_class: text("class"),
        python_class: text("pyClass"),
        serialized_class: text("serializedClass"),
        sql_type: data_type(member(value, "sqlType")?)?,
    })))
}

fn structure(value: &Value) -> Result<DataType> {
    let fields = member(value, "fields")?
        .as_array()
        .ok_or_else(|| malformed("`fields` of a struct in JSON is not a list."))?;
    Ok(DataType::Struct(fields.iter().map(field).collect::<Result<_>>()?))
}

fn field(value: &Value) -> Result<Field> {
    let name = member(value, "name")?
        .as_str()
        .ok_or_else(|| malformed("`name` of a field in JSON is not text."))?;
    let metadata = match value.get("metadata") {
        Some(Value::Object(entries)) if !entries.is_empty() => {
            Some(Value::Object(entries.clone()).to_string())
        }
        _ => None,
    };
    let data_type = data_type(member(value, "type")?)?;
    Ok(Field { name: name.to_owned(), data_type, nullable: flag(value, "nullable"), metadata })
}

fn member<'a>(value: &'a Value, key: &str) -> Result<&'a Value> {
    value.get(key).ok_or_else(|| malformed(format!("A type in JSON has no `{key}`.")))
}

/// Spark's flags default to true.
fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(true)
}

fn unknown(name: &str) -> BadJsonType {
    malformed(format!("`{name}` is not a type in JSON."))
}

fn simple(name: &str) -> Result<DataType> {
    Ok(match name {
        "void" | "null" => DataType::Null,
        "boolean" => DataType::Boolean,
        "byte" | "tinyint" => DataType::Byte,
        "short" | "smallint" => DataType::Short,
        "integer" | "int" => DataType::Integer,
        "long" | "bigint" => DataType::Long,
        "float" => DataType::Float,
        "double" => DataType::Double,
        "decimal" => DataType::Decimal { precision: 10, scale: 0 },
        "string" => DataType::String,
        "binary" => DataType::Binary,
        "date" => DataType::Date,
        "timestamp" | "timestamp_ltz" => DataType::Timestamp,
        "timestamp_ntz" => DataType::TimestampNtz,
        "interval" => DataType::CalendarInterval,
        "variant" => DataType::Variant,
        other => return with_arguments(other),
    })
}

/// `decimal(10,2)`, `char(3)`, `time(6)`, `interval day to second`, `string collate X`.
fn with_arguments(text: &str) -> Result<DataType> {
    if let Some(units) = text.strip_prefix("interval ") {
        return interval(units).ok_or_else(|| unknown(text));
    }
    if let Some(collation) = text.strip_prefix("string collate ") {
        return if collation.trim().eq_ignore_ascii_case("UTF8_BINARY") {
            Ok(DataType::String)
        } else {
            Err(BadJsonType::Unsupported(format!("The collation {}", collation.trim())))
        };
    }
    let (name, arguments) = text
        .strip_suffix(')')
        .and_then(|open| open.split_once('('))
        .ok_or_else(|| unknown(text))?;
    let arguments: Vec<i32> = arguments
        .split(',')
        .map(|n| n.trim().parse().map_err(|_| unknown(text)))
        .collect::<Result<_>>()?;
    let length = || u32::try_from(arguments[0]).map_err(|_| unknown(text));
    match (name, arguments.as_slice()) {
        ("decimal", [precision]) => decimal(*precision, 0).ok_or_else(|| unknown(text)),
        ("decimal", [precision, scale]) => decimal(*precision, *scale).ok_or_else(|| unknown(text)),
        ("char", [_]) => Ok(DataType::Char(length()?)),
        ("varchar", [_]) => Ok(DataType::Varchar(length()?)),
        ("time", [precision]) => match u8::try_from(*precision) {
            Ok(precision @ 0..=9) => Ok(DataType::Time(precision)),
            _ => Err(unknown(text)),
        },
        _ => Err(unknown(text)),
    }
}

fn decimal(precision: i32, scale: i32) -> Option<DataType> {
    let fits = (0..=38).contains(&precision) && (0..=precision).contains(&scale);
    let (precision, scale) = (u8::try_from(precision).ok()?, i8::try_from(scale).ok()?);
    fits.then_some(DataType::Decimal { precision, scale })
}

fn interval(units: &str) -> Option<DataType> {
    let unit = |name: &str| {
        use IntervalUnit::{Day, Hour, Minute, Month, Second, Year};
        [Year, Month, Day, Hour, Minute, Second].into_iter().find(|u| u.name() == name)
    };
    let (start, end) = match units.split_once(" to ") {
        Some((start, end)) => (unit(start)?, unit(end)?),
        None => (unit(units)?, unit(units)?),
    };
    match (start <= IntervalUnit::Month, end <= IntervalUnit::Month) {
        _ if start > end => None,
        (true, true) => Some(DataType::YearMonthInterval { start, end }),
        (false, false) => Some(DataType::DayTimeInterval { start, end }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_in_json_is_read_and_written_alike() {
        let texts = [
            r#"{"type":"struct","fields":[{"name":"a b","type":"long","nullable":false,"metadata":{"comment":"it's"}},{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"decimal(10,2)","containsNull":false},"valueContainsNull":true},"nullable":true,"metadata":{}},{"name":"i","type":"interval day to second","nullable":true,"metadata":{}}]}"#,
            r#"{"type":"udt","pyClass":"m.PointUDT","serializedClass":"gAWV","sqlType":{"type":"array","elementType":"double","containsNull":false}}"#,
            r#"{"type":"udt","class":"a.PointUDT","pyClass":"m.PointUDT","sqlType":"long"}"#,
        ];
        for text in texts {
            assert_eq!(DataType::from_json(text).unwrap().json(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        let cases = [
            "",
            "{",
            "3",
            r#""unicorn""#,
            r#"{"type":"struct"}"#,
            r#"{"type":"struct","fields":3}"#,
            r#"{"type":"struct","fields":[{"type":"long"}]}"#,
            r#"{"type":"array"}"#,
            r#"{"type":"udt","pyClass":"a.B"}"#,
            r#""decimal(99,2)""#,
            r#""decimal(a)""#,
            r#""char(-1)""#,
            r#""interval second to day""#,
            r#""interval month to day""#,
            r#""string collate UNICODE_CI""#,
        ];
        for text in cases {
            assert!(DataType::from_json(text).is_err(), "{text}");
        }
    }
}

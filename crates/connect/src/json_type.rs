//! Types and schemas as JSON text, as clients send them for local data and readers; and types as DDL text.

use crate::reader::invalid;
use crate::types;
use plan::{DataType, Field, IntervalUnit, SparkError};
use serde_json::Value;

/// A type from its JSON text.
pub(crate) fn parse(text: &str) -> Result<DataType, SparkError> {
    // The JSON parser has a limit of its own on nesting, so the recursion below is bounded.
    let value: Value = serde_json::from_str(text)
        .map_err(|e| invalid(format!("A schema in JSON could not be read: {e}.")))?;
    data_type(&value)
}

fn data_type(value: &Value) -> Result<DataType, SparkError> {
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
            Some("udt") => {
                let class = ["pyClass", "class"].iter().find_map(|k| object.get(*k)?.as_str());
                Err(types::unsupported_udt(class.map(str::to_owned)))
            }
            Some(other) => Err(unknown(other)),
            None => Err(invalid("A type in JSON has no `type`.")),
        },
        other => Err(unknown(&other.to_string())),
    }
}

fn structure(value: &Value) -> Result<DataType, SparkError> {
    let fields = member(value, "fields")?
        .as_array()
        .ok_or_else(|| invalid("`fields` of a struct in JSON is not a list."))?;
    Ok(DataType::Struct(fields.iter().map(field).collect::<Result<_, _>>()?))
}

fn field(value: &Value) -> Result<Field, SparkError> {
    let name = member(value, "name")?
        .as_str()
        .ok_or_else(|| invalid("`name` of a field in JSON is not text."))?;
    let metadata = match value.get("metadata") {
        Some(Value::Object(entries)) if !entries.is_empty() => {
            Some(Value::Object(entries.clone()).to_string())
        }
        _ => None,
    };
    let data_type = data_type(member(value, "type")?)?;
    Ok(Field { name: name.to_owned(), data_type, nullable: flag(value, "nullable"), metadata })
}

fn member<'a>(value: &'a Value, key: &str) -> Result<&'a Value, SparkError> {
    value.get(key).ok_or_else(|| invalid(format!("A type in JSON has no `{key}`.")))
}

/// Spark's flags are all true where they are not given.
fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(true)
}

fn unknown(name: &str) -> SparkError {
    invalid(format!("`{name}` is not a type in JSON."))
}

fn simple(name: &str) -> Result<DataType, SparkError> {
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
fn with_arguments(text: &str) -> Result<DataType, SparkError> {
    if let Some(units) = text.strip_prefix("interval ") {
        return interval(units).ok_or_else(|| unknown(text));
    }
    if let Some(collation) = text.strip_prefix("string collate ") {
        return types::string(collation.trim());
    }
    let (name, arguments) = text
        .strip_suffix(')')
        .and_then(|open| open.split_once('('))
        .ok_or_else(|| unknown(text))?;
    let arguments: Vec<i32> = arguments
        .split(',')
        .map(|n| n.trim().parse().map_err(|_| unknown(text)))
        .collect::<Result<_, _>>()?;
    let length = || u32::try_from(arguments[0]).map_err(|_| unknown(text));
    match (name, arguments.as_slice()) {
        ("decimal", [precision]) => types::decimal(*precision, 0),
        ("decimal", [precision, scale]) => types::decimal(*precision, *scale),
        ("char", [_]) => Ok(DataType::Char(length()?)),
        ("varchar", [_]) => Ok(DataType::Varchar(length()?)),
        ("time", [precision]) => Ok(DataType::Time(types::time_precision(*precision)?)),
        _ => Err(unknown(text)),
    }
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

/// A schema as DDL text: `a INT NOT NULL,b STRING`.
pub(crate) fn ddl(of: &DataType) -> String {
    let DataType::Struct(fields) = of else { return of.sql() };
    let fields: Vec<String> = fields
        .iter()
        .map(|f| {
            let not_null = if f.nullable { "" } else { " NOT NULL" };
            format!(
                "{} {}{not_null}{}",
                plan::quote_if_needed(&f.name),
                f.data_type.sql(),
                comment(f)
            )
        })
        .collect();
    fields.join(",")
}

fn comment(field: &Field) -> String {
    let comment = field
        .metadata
        .as_deref()
        .and_then(|m| serde_json::from_str::<Value>(m).ok())
        .and_then(|m| Some(m.get("comment")?.as_str()?.replace('\'', "\\'")));
    comment.map(|c| format!(" COMMENT '{c}'")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_in_json_is_read_and_written_alike() {
        let text = r#"{"type":"struct","fields":[{"name":"a b","type":"long","nullable":false,"metadata":{"comment":"it's"}},{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"decimal(10,2)","containsNull":false},"valueContainsNull":true},"nullable":true,"metadata":{}},{"name":"i","type":"interval day to second","nullable":true,"metadata":{}}]}"#;
        let parsed = parse(text).unwrap();
        assert_eq!(parsed.json(), text);
        assert_eq!(
            ddl(&parsed),
            r"`a b` BIGINT NOT NULL COMMENT 'it\'s',m MAP<STRING, ARRAY<DECIMAL(10,2)>>,i INTERVAL DAY TO SECOND"
        );
    }

    #[test]
    fn what_is_not_a_type_is_refused() {
        let cases = [
            "",
            "{",
            "3",
            r#""unicorn""#,
            r#"{"type":"struct"}"#,
            r#"{"type":"struct","fields":3}"#,
            r#"{"type":"struct","fields":[{"type":"long"}]}"#,
            r#"{"type":"array"}"#,
            r#""decimal(99,2)""#,
            r#""decimal(a)""#,
            r#""char(-1)""#,
            r#""interval second to day""#,
            r#""interval month to day""#,
            r#"{"type":"udt","pyClass":"a.B","sqlType":"long"}"#,
            r#""string collate UNICODE_CI""#,
        ];
        for text in cases {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

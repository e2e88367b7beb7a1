//! Types and schemas as JSON text, in the form that clients send for local data and readers, and
//! types as DDL text.

use crate::error::invalid;
use plan::{BadJsonType, DataType, Field, SparkError};
use serde_json::Value;

/// Parses a type from JSON text.
pub(crate) fn parse(text: &str) -> Result<DataType, SparkError> {
    DataType::from_json(text).map_err(|bad| match bad {
        BadJsonType::Malformed(message) => invalid(message),
        BadJsonType::Unsupported(what) => SparkError::unsupported(what),
    })
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
    fn a_schema_is_written_as_columns_of_a_table() {
        let text = r#"{"type":"struct","fields":[{"name":"a b","type":"long","nullable":false,"metadata":{"comment":"it's"}},{"name":"m","type":{"type":"map","keyType":"string","valueType":{"type":"array","elementType":"decimal(10,2)","containsNull":false},"valueContainsNull":true},"nullable":true,"metadata":{}},{"name":"i","type":"interval day to second","nullable":true,"metadata":{}}]}"#;
        let parsed = parse(text).unwrap();
        assert_eq!(
            ddl(&parsed),
            r"`a b` BIGINT NOT NULL COMMENT 'it\'s',m MAP<STRING, ARRAY<DECIMAL(10,2)>>,i INTERVAL DAY TO SECOND"
        );
    }
}

//! Functions whose result type is given as text by an argument: `from_json`.

use super::typed::Typed;
use super::{Resolver, Result, error};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr as DfExpr;
use errors::condition;
use plan::{DataType, Field, SparkError};
use serde_json::Value;

/// Nesting limit of a type in JSON.
const DEPTH: usize = 100;

impl Resolver<'_> {
    /// The arguments, with the type's text replaced by a null of that type.
    pub(super) fn with_type_of_text(&self, mut args: Vec<Typed>) -> Result<Vec<Typed>> {
        let Some(schema) = args.get_mut(1) else { return Ok(args) };
        let Some(ScalarValue::Utf8(Some(text))) = super::rows::constant(schema.expr.clone()) else {
            let shown = format!("\"{}\"", schema.name);
            return Err(error::analysis(
                condition::INVALID_SCHEMA_NON_STRING_LITERAL,
                format!(
                    "The input schema {shown} is not a valid schema string. The input expression must be string literal and not null."
                ),
                &[("inputSchema", &shown)],
            ));
        };
        let data_type = nullable(self.type_of_text(&text)?);
        schema.expr =
            DfExpr::Literal(ScalarValue::try_from(&formats::types::to_arrow(&data_type))?, None);
        schema.data_type = data_type;
        Ok(args)
    }

    /// Parses a type, given as a list of columns or in JSON.
    fn type_of_text(&self, text: &str) -> Result<DataType> {
        if text.trim_start().starts_with('{') {
            let invalid = || invalid_schema(text);
            let value: Value = serde_json::from_str(text).map_err(|_| invalid())?;
            return self.type_in_json(&value, DEPTH)?.ok_or_else(invalid);
        }
        Ok(self.context.parser.data_type(text).map_err(SparkError::from)?)
    }

    /// Parses a type in JSON; `None` if it is not a type.
    fn type_in_json(&self, value: &Value, depth: usize) -> Result<Option<DataType>> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(None) };
        if let Value::String(name) = value {
            return Ok(self.context.parser.data_type(name).ok());
        }
        let member = |key: &str| value.get(key).unwrap_or(&Value::Null);
        let flag = |key: &str| member(key).as_bool().unwrap_or(true);
        let inner = |key: &str| self.type_in_json(member(key), depth);
        Ok(match member("type").as_str() {
            Some("array") => inner("elementType")?.map(|element| DataType::Array {
                element: Box::new(element),
                contains_null: flag("containsNull"),
            }),
            Some("map") => match (inner("keyType")?, inner("valueType")?) {
                (Some(key), Some(value)) => Some(DataType::Map {
                    key: Box::new(key),
                    value: Box::new(value),
                    value_contains_null: flag("valueContainsNull"),
                }),
                _ => None,
            },
            Some("struct") => {
                let Some(list) = member("fields").as_array() else { return Ok(None) };
                let mut fields = Vec::with_capacity(list.len());
                for field in list {
                    let name = field.get("name").and_then(Value::as_str);
                    let data_type = field.get("type").unwrap_or(&Value::Null);
                    match (name, self.type_in_json(data_type, depth)?) {
                        (Some(name), Some(of)) => fields.push(Field::new(name, of, true)),
                        _ => return Ok(None),
                    }
                }
                Some(DataType::Struct(fields))
            }
            _ => None,
        })
    }
}

fn invalid_schema(text: &str) -> super::Stop {
    let shown = format!("\"{text}\"");
    error::analysis(
        condition::INVALID_SCHEMA_PARSE_ERROR,
        format!("The input schema {shown} is not a valid schema string. Cannot parse the schema."),
        &[("inputSchema", &shown)],
    )
}

/// Any part of a value parsed from text may be missing.
fn nullable(data_type: DataType) -> DataType {
    match data_type {
        DataType::Array { element, .. } => DataType::array(nullable(*element)),
        DataType::Map { key, value, .. } => DataType::Map {
            key: Box::new(nullable(*key)),
            value: Box::new(nullable(*value)),
            value_contains_null: true,
        },
        DataType::Struct(fields) => {
            let field = |field: Field| Field {
                data_type: nullable(field.data_type),
                nullable: true,
                ..field
            };
            DataType::Struct(fields.into_iter().map(field).collect())
        }
        simple => simple,
    }
}

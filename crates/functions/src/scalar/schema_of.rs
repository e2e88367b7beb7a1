//! `schema_of_json` and `schema_of_csv`: the type that a sample of text has.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::csv::{Dialect, READ_OPTIONS};
use super::json_value::Json;
use super::options::Options;
use crate::FunctionError;
use crate::cast::{parse_date, parse_timestamp};
use crate::registry::{Call, Function, with};
use crate::types::{list, sql_type, wider_decimal};

pub(super) const FUNCTIONS: &[Function] = &[
    with("schema_of_json", "s?a", |call| {
        Options::of(&call, 1)?.only(call.name, &["mode"])?;
        let text = sample(&call)?;
        let value = Json::parse(text).ok_or_else(|| malformed(&call, text))?;
        Ok(described(&settled(of_json(&value))))
    }),
    with("schema_of_csv", "s?a", |call| {
        let options = Options::of(&call, 1)?;
        options.only(call.name, READ_OPTIONS)?;
        let dialect = Dialect::of(&options)?;
        let fields = dialect.split(sample(&call)?);
        let null = options.get("nullvalue").unwrap_or_default();
        let field = |(at, text): (usize, String)| {
            let data_type = if text == null { DataType::Utf8 } else { of_word(&text) };
            Field::new(format!("_c{at}"), data_type, true)
        };
        let fields = fields.into_iter().enumerate().map(field).collect();
        Ok(described(&DataType::Struct(fields)))
    }),
];

fn described(data_type: &DataType) -> Expr {
    Expr::Literal(ScalarValue::from(sql_type(data_type)), None)
}

fn sample<'a>(call: &'a Call<'_>) -> Result<&'a str, FunctionError> {
    call.string(0).ok_or_else(|| FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
        message: format!(
            "Cannot resolve \"{}\" due to data type mismatch: the input should be a foldable \"STRING\" expression that is not null.",
            call.name
        ),
        parameters: vec![("inputType", "\"STRING\"".to_owned())],
    })
}

fn malformed(call: &Call<'_>, text: &str) -> FunctionError {
    FunctionError::Invalid {
        condition: condition::MALFORMED_RECORD_IN_PARSING_WITHOUT_SUGGESTION,
        message: format!(
            "Malformed records are detected in record parsing: {text}. Parse Mode: FAILFAST."
        ),
        parameters: vec![("badRecord", text.to_owned()), ("funcName", format!("`{}`", call.name))],
    }
}

fn of_json(value: &Json) -> DataType {
    match value {
        Json::Text(_) => DataType::Utf8,
        Json::Other(word) => match word.as_str() {
            "null" => DataType::Null,
            "true" | "false" => DataType::Boolean,
            word if word.parse::<i64>().is_ok() => DataType::Int64,
            word => whole_decimal(word).unwrap_or(DataType::Float64),
        },
        Json::Array(values) => {
            let types = values.iter().map(of_json);
            list(types.fold(DataType::Null, both))
        }
        Json::Object(entries) => {
            let mut fields: Vec<Field> = Vec::with_capacity(entries.len());
            for (name, value) in entries {
                let found = of_json(value);
                match fields.iter_mut().find(|field| field.name() == name) {
                    Some(known) => *known = Field::new(name, found, true),
                    None => fields.push(Field::new(name, found, true)),
                }
            }
            sorted(fields)
        }
    }
}

fn sorted(mut fields: Vec<Field>) -> DataType {
    fields.sort_by(|a, b| a.name().cmp(b.name()));
    DataType::Struct(fields.into())
}

/// A whole number that a `bigint` does not hold.
fn whole_decimal(word: &str) -> Option<DataType> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    let precision = u8::try_from(digits.len()).ok().filter(|count| whole && *count <= 38)?;
    Some(DataType::Decimal128(precision, 0))
}

/// The type of elements of one array.
fn both(left: DataType, right: DataType) -> DataType {
    use DataType::{Decimal128, Float64, Int64, List, Null, Struct, Utf8};
    match (left, right) {
        (Null, other) | (other, Null) => other,
        (left, right) if left == right => left,
        (Int64 | Float64 | Decimal128(..), Float64) | (Float64, Int64 | Decimal128(..)) => Float64,
        (Int64, Decimal128(p, s)) | (Decimal128(p, s), Int64) => wider_decimal((20, 0), (p, s)),
        (Decimal128(p, s), Decimal128(q, t)) => wider_decimal((p, s), (q, t)),
        (List(l), List(r)) => list(both(l.data_type().clone(), r.data_type().clone())),
        (Struct(l), Struct(r)) => {
            let mut fields: Vec<Field> = l.iter().map(|field| field.as_ref().clone()).collect();
            for field in &r {
                match fields.iter_mut().find(|known| known.name() == field.name()) {
                    Some(known) => {
                        let found = field.data_type().clone();
                        let common = both(known.data_type().clone(), found);
                        *known = Field::new(known.name(), common, true);
                    }
                    None => fields.push(field.as_ref().clone()),
                }
            }
            sorted(fields)
        }
        _ => Utf8,
    }
}

/// What is nothing but null is a string.
fn settled(data_type: DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::Utf8,
        DataType::List(field) => list(settled(field.data_type().clone())),
        DataType::Struct(fields) => {
            let field = |f: &Arc<Field>| Field::new(f.name(), settled(f.data_type().clone()), true);
            DataType::Struct(fields.iter().map(field).collect::<Fields>())
        }
        simple => simple,
    }
}

/// The narrowest type of a word in CSV.
fn of_word(text: &str) -> DataType {
    let is_number =
        text.ends_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok();
    if text.parse::<i32>().is_ok() {
        DataType::Int32
    } else if text.parse::<i64>().is_ok() {
        DataType::Int64
    } else if is_number {
        whole_decimal(text).unwrap_or(DataType::Float64)
    } else if text.len() == 10 && parse_date(text).is_some() {
        DataType::Date32
    } else if text.len() > 10 && parse_timestamp(text, 0).is_some() {
        crate::types::timestamp()
    } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        DataType::Boolean
    } else {
        DataType::Utf8
    }
}

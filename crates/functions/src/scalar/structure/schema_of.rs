//! `schema_of_json` and `schema_of_csv`: the type of a text sample.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use errors::condition;
use formats::csv::{Csv, CsvTypes};
use formats::json::{Json, JsonTypes};

use super::json::not_json;
use super::options::Given;
use crate::FunctionError;
use crate::function::{Call, Function, with};

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("schema_of_json", "s?a", |call| {
        let given = Given::of(&call, 1)?;
        let json = Json::new(&given.options(), call.defaults())?;
        let text = sample(&call)?;
        let found = JsonTypes::new(&json)?.of(text).map_err(not_json(&call, text))?;
        Ok(described(found.sql()))
    }),
    with("schema_of_csv", "s?a", |call| {
        let given = Given::of(&call, 1)?;
        let csv = Csv::read(&given.options(), call.defaults())?;
        let found = CsvTypes::of(&csv, sample(&call)?.as_bytes())?;
        Ok(described(found.sql()))
    }),
];

fn described(data_type: String) -> Expr {
    Expr::Literal(ScalarValue::from(data_type), None)
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

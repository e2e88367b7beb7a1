//! Functions that take functions: `transform`, `filter`, `exists`, `forall`.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::functions_nested::array_any_match::array_any_match_higher_order_function;
use datafusion::functions_nested::array_filter::array_filter_higher_order_function;
use datafusion::functions_nested::array_transform::array_transform_higher_order_function;
use datafusion::logical_expr::expr::{HigherOrderFunction, Lambda};
use datafusion::logical_expr::{Expr, HigherOrderUDF};

use crate::registry::unknown;
use crate::{CastMode, Context, FunctionError, cast};

const NAMES: [&str; 4] = ["transform", "filter", "exists", "forall"];
/// Spark's functions of this kind that are not served yet.
const REFUSED: [&str; 9] = [
    "aggregate",
    "reduce",
    "zip_with",
    "map_filter",
    "map_zip_with",
    "transform_keys",
    "transform_values",
    "array_sort",
    "any_match",
];

/// Names of the functions served.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// Whether a function takes a function.
pub(crate) fn is_higher_order(name: &str) -> bool {
    NAMES.contains(&name) || (REFUSED[..7].contains(&name))
}

/// The functions of `DataFusion` that serve them.
pub(crate) fn udfs() -> Vec<Arc<HigherOrderUDF>> {
    vec![
        array_transform_higher_order_function(),
        array_filter_higher_order_function(),
        array_any_match_higher_order_function(),
    ]
}

/// Types of a lambda's parameters.
pub(crate) fn lambda_parameters(
    name: &str,
    types: &[DataType],
    (index, arity): (usize, usize),
) -> Result<Vec<DataType>, FunctionError> {
    if !NAMES.contains(&name) {
        return Err(refused(name));
    }
    let Some(DataType::List(element)) = types.first() else {
        return Err(FunctionError::InputType {
            name: name.to_owned(),
            index: 0,
            required: "\"ARRAY\"".to_owned(),
            actual: types.first().cloned().unwrap_or(DataType::Null),
        });
    };
    match (index, arity) {
        (1, 1) => Ok(vec![element.data_type().clone()]),
        (1, 2) if matches!(name, "transform" | "filter") => Err(FunctionError::Unsupported {
            what: format!("a lambda of element and index in {name}"),
        }),
        _ => Err(FunctionError::Invalid {
            class: "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
            message: format!(
                "Invalid lambda function call. A higher order function expects 1 arguments, but got {arity}."
            ),
            parameters: vec![("expectedNumArgs", "1".into()), ("actualNumArgs", arity.to_string())],
        }),
    }
}

fn refused(name: &str) -> FunctionError {
    if is_higher_order(name) {
        return FunctionError::Unsupported { what: format!("the function {name}") };
    }
    unknown(name)
}

/// A call.
pub(crate) fn build(
    name: &str,
    args: Vec<Expr>,
    types: &[DataType],
    ctx: &Context,
) -> Result<Expr, FunctionError> {
    let udf = match name {
        "transform" => array_transform_higher_order_function(),
        "filter" => array_filter_higher_order_function(),
        "exists" | "forall" => array_any_match_higher_order_function(),
        _ => return Err(refused(name)),
    };
    let count = args.len();
    let Ok([array, Expr::Lambda(lambda)]) = <[Expr; 2]>::try_from(args) else {
        return Err(FunctionError::WrongNumArgs {
            name: name.to_owned(),
            expected: "2".to_owned(),
            actual: count,
        });
    };
    if name == "transform" {
        return Ok(call(udf, array, lambda));
    }
    let result = types.get(1).cloned().unwrap_or(DataType::Boolean);
    let body = cast(*lambda.body, &result, &DataType::Boolean, CastMode::session(ctx), ctx)?;
    if name == "forall" {
        // All match if none fails to.
        let fails = Lambda { params: lambda.params, body: Box::new(Expr::Not(Box::new(body))) };
        return Ok(Expr::Not(Box::new(call(udf, array, fails))));
    }
    Ok(call(udf, array, Lambda { params: lambda.params, body: Box::new(body) }))
}

fn call(udf: Arc<HigherOrderUDF>, array: Expr, lambda: Lambda) -> Expr {
    Expr::HigherOrderFunction(HigherOrderFunction::new(udf, vec![array, Expr::Lambda(lambda)]))
}

//! Higher-order functions: the parameter types of their lambdas, and the translation of a call to
//! an expression.

mod aggregate;
mod array;
mod elements;
mod function;
mod map;
mod sort;

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::expr::{HigherOrderFunction, Lambda};
use datafusion::logical_expr::{Expr, HigherOrderUDF};

use crate::function::unknown;
use crate::types::entry_types;
use crate::{CastMode, Context, FunctionError, cast};
use function::Taking;

/// Name, argument kinds, and implementation. `A` is an array, `M` a map, `a` any value; a digit is
/// a lambda with that many parameters, `i` one of an element and optionally its index. Arguments
/// after `?` are optional.
const FUNCTIONS: [(&str, &str, Taking); 12] = [
    ("transform", "Ai", array::TRANSFORM),
    ("filter", "Ai", array::FILTER),
    ("exists", "A1", array::EXISTS),
    ("forall", "A1", array::FORALL),
    ("zip_with", "AA2", array::ZIP_WITH),
    ("aggregate", "Aa2?1", aggregate::AGGREGATE),
    ("reduce", "Aa2?1", aggregate::AGGREGATE),
    ("array_sort", "A2", sort::SORT),
    ("map_filter", "M2", map::FILTER),
    ("transform_keys", "M2", map::TRANSFORM_KEYS),
    ("transform_values", "M2", map::TRANSFORM_VALUES),
    ("map_zip_with", "MM3", map::ZIP_WITH),
];

/// Names of the supported functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// Whether a function is a higher-order function.
pub(crate) fn is_higher_order(name: &str) -> bool {
    names().any(|known| known == name)
}

/// The `DataFusion` functions that expressions contain.
pub(crate) fn udfs() -> Vec<Arc<HigherOrderUDF>> {
    let hidden = [map::TRANSFORM_KEYS_LAST_WIN];
    FUNCTIONS.iter().map(|(.., taking)| *taking).chain(hidden).map(Taking::udf).collect()
}

fn entry(name: &str) -> Result<(&'static str, Taking), FunctionError> {
    let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    found.map(|(_, shape, taking)| (*shape, *taking)).ok_or_else(|| unknown(name))
}

/// Parameter types of the lambda at argument `index`. `types` are those of the value arguments.
pub(crate) fn lambda_parameters(
    name: &str,
    types: &[DataType],
    (index, arity): (usize, usize),
) -> Result<Vec<DataType>, FunctionError> {
    let (shape, taking) = entry(name)?;
    let kinds: Vec<u8> = shape.bytes().filter(|kind| *kind != b'?').collect();
    check_values(name, &kinds, types)?;
    let (least, most) = match kinds.get(index) {
        Some(b'i') => (1, 2),
        Some(digit @ b'1'..=b'3') => (usize::from(digit - b'0'), usize::from(digit - b'0')),
        _ => return Err(wrong_count(name, shape, index + 1)),
    };
    if !(least..=most).contains(&arity) {
        let (expected, actual) = (most.to_string(), arity.to_string());
        return Err(FunctionError::Invalid {
            condition: condition::INVALID_LAMBDA_FUNCTION_CALL_NUM_ARGS_MISMATCH,
            message: format!(
                "Invalid lambda function call. A higher order function expects {expected} arguments, but got {actual}."
            ),
            parameters: vec![("expectedNumArgs", expected), ("actualNumArgs", actual)],
        });
    }
    let before = kinds[..index].iter().filter(|kind| is_lambda(**kind)).count();
    let mut all = (taking.parameters)(types);
    Ok(if before < all.len() { all.swap_remove(before) } else { Vec::new() })
}

fn is_lambda(kind: u8) -> bool {
    matches!(kind, b'i' | b'1'..=b'3')
}

fn check_values(name: &str, kinds: &[u8], types: &[DataType]) -> Result<(), FunctionError> {
    let places = kinds.iter().enumerate().filter(|(_, kind)| !is_lambda(**kind));
    for ((index, kind), data_type) in places.zip(types) {
        let required = match (kind, data_type) {
            (b'A', DataType::List(_)) | (b'M', DataType::Map(..)) | (b'a', _) => continue,
            (b'A', _) => "\"ARRAY\"",
            _ => "\"MAP\"",
        };
        return Err(FunctionError::InputType {
            name: name.to_owned(),
            index,
            required: required.to_owned(),
            actual: data_type.clone(),
        });
    }
    Ok(())
}

fn wrong_count(name: &str, shape: &str, actual: usize) -> FunctionError {
    let most = shape.bytes().filter(|kind| *kind != b'?').count();
    let expected = match shape.find('?') {
        Some(least) => format!("[{least}, {most}]"),
        None => most.to_string(),
    };
    FunctionError::WrongNumArgs { name: name.to_owned(), expected, actual }
}

/// Builds a call. For lambdas, `types` contains the types of their results.
pub(crate) fn build(
    name: &str,
    mut args: Vec<Expr>,
    types: &[DataType],
    ctx: &Context,
) -> Result<Expr, FunctionError> {
    let (shape, mut taking) = entry(name)?;
    let kinds: Vec<u8> = shape.bytes().filter(|kind| *kind != b'?').collect();
    let least = shape.find('?').unwrap_or(kinds.len());
    let fits = |(arg, kind): (&Expr, &u8)| matches!(arg, Expr::Lambda(_)) == is_lambda(*kind);
    if !(least..=kinds.len()).contains(&args.len()) || !args.iter().zip(&kinds).all(fits) {
        return Err(wrong_count(name, shape, args.len()));
    }
    let of = |index: usize| types.get(index).cloned().unwrap_or(DataType::Null);
    match name {
        "filter" | "exists" | "forall" | "map_filter" => {
            condition(name, &mut args[1], &of(1), ctx)?;
        }
        "aggregate" | "reduce" if of(1) != of(2) => {
            return Err(FunctionError::InputType {
                name: name.to_owned(),
                index: 2,
                required: format!("\"{}\"", crate::sql_type(&of(1))),
                actual: of(2),
            });
        }
        "array_sort" => cast_body(&mut args[1], &of(1), &DataType::Int32, ctx)?,
        "map_zip_with" => same_keys(name, types)?,
        "transform_keys" if ctx.last_key_wins => taking = map::TRANSFORM_KEYS_LAST_WIN,
        _ => {}
    }
    Ok(Expr::HigherOrderFunction(HigherOrderFunction::new(taking.udf(), args)))
}

fn condition(
    name: &str,
    lambda: &mut Expr,
    result: &DataType,
    ctx: &Context,
) -> Result<(), FunctionError> {
    if !matches!(result, DataType::Boolean | DataType::Null) {
        return Err(FunctionError::InputType {
            name: name.to_owned(),
            index: 1,
            required: "\"BOOLEAN\"".to_owned(),
            actual: result.clone(),
        });
    }
    cast_body(lambda, result, &DataType::Boolean, ctx)
}

fn cast_body(
    lambda: &mut Expr,
    from: &DataType,
    to: &DataType,
    ctx: &Context,
) -> Result<(), FunctionError> {
    if let Expr::Lambda(Lambda { body, .. }) = lambda {
        **body = cast(std::mem::take(body.as_mut()), from, to, CastMode::session(ctx), ctx)?;
    }
    Ok(())
}

/// Two maps can be combined only if their keys have the same type.
fn same_keys(name: &str, types: &[DataType]) -> Result<(), FunctionError> {
    let key = |index: usize| types.get(index).and_then(entry_types).map(|(key, _)| key);
    if key(0) == key(1) {
        return Ok(());
    }
    Err(FunctionError::DifferingTypes { name: name.to_owned(), types: types[..2].to_vec() })
}

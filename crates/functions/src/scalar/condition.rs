//! Conditional functions and null handling.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::core as native;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, Operator};

use crate::FunctionError;
use crate::function::{Call, Function, with};
use crate::kernel::Kernel;
use crate::normal::{comparison, ordered, ordered_form};

pub(super) const FUNCTIONS: &[Function] = &[
    with("isnull", "a", |call| Ok(Expr::IsNull(Box::new(call.only())))),
    with("isnotnull", "a", |call| Ok(Expr::IsNotNull(Box::new(call.only())))),
    with("when", "aa*", when),
    with("if", "aaa", when),
    with("coalesce", "aa*", coalesce),
    with("nvl", "aa", coalesce),
    with("ifnull", "aa", coalesce),
    with("nvl2", "aaa", nvl2),
    with("nullif", "aa", nullif),
    with("nullifzero", "n", nullif_zero),
    with("zeroifnull", "n", zero_if_null),
    with("greatest", "aaa*", |call| extreme(call, native::greatest)),
    with("least", "aaa*", |call| extreme(call, native::least)),
    with("isnan", "n", is_nan),
    with("nanvl", "nn", nanvl),
];

pub(super) const KERNELS: &[Kernel] = &[];

/// Returns the value of the first branch whose condition is true.
fn when(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let count = call.args.len();
    if count < 2 {
        return Err(FunctionError::WrongNumArgs {
            name: call.name.to_owned(),
            expected: "> 1".into(),
            actual: count,
        });
    }
    let is_value = |index: usize| index % 2 == 1 || (index + 1 == count);
    let values: Vec<DataType> =
        (0..count).filter(|i| is_value(*i)).map(|i| call.types[i].clone()).collect();
    let common = crate::common_type(&values, call.ctx).ok_or_else(|| {
        FunctionError::DifferingTypes { name: call.name.to_owned(), types: values }
    })?;
    for index in 0..count {
        if is_value(index) {
            call.cast(index, &common)?;
        } else if call.types[index] == DataType::Null {
            call.cast(index, &DataType::Boolean)?;
        } else if call.types[index] != DataType::Boolean {
            return Err(call.mismatch(index, "\"BOOLEAN\""));
        }
    }
    let mut args = call.args.into_iter().map(Box::new).peekable();
    let mut branches = Vec::new();
    let mut otherwise = None;
    while let Some(condition) = args.next() {
        match args.next() {
            Some(value) => branches.push((condition, value)),
            None => otherwise = Some(condition),
        }
    }
    Ok(Expr::Case(Case::new(None, branches, otherwise)))
}

fn coalesce(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.unify(0)?;
    let last = call.args.pop().unwrap_or_default();
    if call.args.is_empty() {
        return Ok(last);
    }
    // `DataFusion` has a function for this, but only its optimizer can turn it into something
    // executable.
    let branch =
        |value: Expr| (Box::new(Expr::IsNotNull(Box::new(value.clone()))), Box::new(value));
    let branches = call.args.into_iter().map(branch).collect();
    Ok(Expr::Case(Case::new(None, branches, Some(Box::new(last)))))
}

fn choose(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    let branch = (Box::new(condition), Box::new(then));
    Expr::Case(Case::new(None, vec![branch], Some(Box::new(otherwise))))
}

fn nvl2(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.unify(1)?;
    let mut args = call.args.into_iter();
    let mut next = || args.next().unwrap_or_default();
    Ok(choose(Expr::IsNotNull(Box::new(next())), next(), next()))
}

fn nullif(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    let (value, value_type) = (call.args[0].clone(), call.types[0].clone());
    ordered(&call)?;
    let common = call.unify_compared()?;
    let null = ScalarValue::try_from(&value_type).map_err(|_| call.mismatch(0, "\"ANY\""))?;
    let mut args = call.args.into_iter();
    let mut next = || args.next().unwrap_or_default();
    let equal = comparison(next(), Operator::Eq, next(), &common);
    Ok(choose(equal, Expr::Literal(null, None), value))
}

fn nullif_zero(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.push(ScalarValue::from(0_i32));
    nullif(call)
}

fn zero_if_null(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.push(ScalarValue::from(0_i32));
    coalesce(call)
}

fn extreme(
    mut call: Call<'_>,
    udf: fn() -> std::sync::Arc<datafusion::logical_expr::ScalarUDF>,
) -> Result<Expr, FunctionError> {
    ordered(&call)?;
    let common = call.unify_without_text(0)?;
    let args = call.args.into_iter().map(|arg| ordered_form(arg, &common));
    Ok(udf().call(args.collect()))
}

/// Null is not NaN: the result is false, never null.
fn is_nan(call: Call<'_>) -> Result<Expr, FunctionError> {
    let is_float = matches!(call.types[0], DataType::Float32 | DataType::Float64);
    if !is_float {
        return Ok(Expr::Literal(ScalarValue::from(false), None));
    }
    let found = datafusion::functions::math::isnan().call(call.args);
    Ok(Expr::IsTrue(Box::new(found)))
}

fn nanvl(mut call: Call<'_>) -> Result<Expr, FunctionError> {
    call.cast(0, &DataType::Float64)?;
    call.cast(1, &DataType::Float64)?;
    Ok(datafusion::functions::math::nanvl().call(call.args))
}

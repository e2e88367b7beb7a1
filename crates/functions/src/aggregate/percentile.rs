//! Validation of calls of `percentile` and related functions.

use errors::condition;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::logical_expr::{AggregateUDF, Expr};

use super::{collected, folded, literal, weighted};
use crate::FunctionError;
use crate::function::Call;
use crate::types::is_integral;

pub(super) fn percentile_disc(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    fractions(call)?;
    Ok(collected::PERCENTILE_DISC.udaf())
}

pub(super) fn percentile(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if call.args.len() > 2 {
        return with_frequency(call);
    }
    fractions(call)?;
    Ok(collected::PERCENTILE.udaf())
}

/// Combines value and frequency into one argument. A constant frequency of 1 has no effect.
fn with_frequency(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if !is_integral(&call.types[2]) && call.types[2] != DataType::Null {
        return Err(FunctionError::InputType {
            name: call.name.to_owned(),
            index: 3,
            required: "\"INTEGRAL\"".to_owned(),
            actual: call.types[2].clone(),
        });
    }
    call.cast(2, &DataType::Int64)?;
    let frequency = call.args.remove(2);
    call.types.truncate(2);
    fractions(call)?;
    let name = |text: &str| Expr::Literal(ScalarValue::from(text), None);
    let value = call.args[0].clone();
    call.args[0] = named_struct(vec![name("value"), value, name("frequency"), frequency]);
    Ok(weighted::PERCENTILE.udaf())
}

pub(super) fn median(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    call.push(ScalarValue::from(0.5_f64));
    Ok(collected::PERCENTILE.udaf())
}

pub(super) fn percentile_approx(call: &mut Call<'_>) -> Result<Arc<AggregateUDF>, FunctionError> {
    if call.types[0] == DataType::Utf8 {
        call.cast(0, &DataType::Float64)?;
    }
    fractions(call)?;
    Ok(collected::PERCENTILE_APPROX.udaf())
}

/// Casts the second argument to a double, or an array of doubles, between 0 and 1.
fn fractions(call: &mut Call<'_>) -> Result<(), FunctionError> {
    // The accuracy argument is ignored, because the result is exact.
    call.args.truncate(2);
    let target = match call.types[1] {
        DataType::List(_) => crate::types::list(DataType::Float64),
        _ => DataType::Float64,
    };
    call.cast(1, &target)?;
    let Some(value) = folded(&call.args[1]) else {
        return Err(FunctionError::Invalid {
            condition: condition::DATATYPE_MISMATCH_NON_FOLDABLE_INPUT,
            message: format!(
                "Cannot resolve \"{}\" due to data type mismatch: the input `percentage` should be a foldable \"DOUBLE\" expression.",
                call.name
            ),
            parameters: vec![
                ("inputName", "`percentage`".into()),
                ("inputType", "\"DOUBLE\"".into()),
            ],
        });
    };
    let parts = match &value {
        ScalarValue::List(parts) if parts.is_valid(0) => Some(parts.value(0)),
        ScalarValue::List(_) => None,
        one => one.to_array().ok(),
    };
    let parts = parts.filter(|parts| parts.null_count() == 0);
    let Some(parts) = parts else { return Err(without_fraction(call.name)) };
    let mut fractions = parts.as_primitive::<Float64Type>().values().iter();
    if !fractions.all(|fraction| (0.0..=1.0).contains(fraction)) {
        return Err(outside(call.name));
    }
    call.args[1] = literal(value);
    Ok(())
}

fn without_fraction(name: &str) -> FunctionError {
    FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_UNEXPECTED_NULL,
        message: format!(
            "Cannot resolve \"{name}\" due to data type mismatch: The percentage must not be null."
        ),
        parameters: vec![("exprName", "percentage".into())],
    }
}

fn outside(name: &str) -> FunctionError {
    FunctionError::Invalid {
        condition: condition::DATATYPE_MISMATCH_VALUE_OUT_OF_RANGE,
        message: format!(
            "Cannot resolve \"{name}\" due to data type mismatch: The percentage must be between [0.0, 1.0]."
        ),
        parameters: vec![("exprName", "`percentage`".into()), ("valueRange", "[0.0, 1.0]".into())],
    }
}

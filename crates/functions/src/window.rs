//! Window functions: those of their own, and aggregate functions over a window.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_window as native;
use datafusion::logical_expr::{Expr, WindowFunctionDefinition};

use crate::registry::{AggregateCall, Call, WindowCall};
use crate::types::common_type;
use crate::{Context, FunctionError, aggregate};

/// Name, parameters.
const WINDOW: [(&str, &str); 9] = [
    ("row_number", ""),
    ("rank", ""),
    ("dense_rank", ""),
    ("percent_rank", ""),
    ("cume_dist", ""),
    ("ntile", "?i"),
    ("lag", "a?ia"),
    ("lead", "a?ia"),
    ("nth_value", "a?iB"),
];

/// Names of the window functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    WINDOW.iter().map(|(name, _)| *name)
}

/// Whether a function needs a window.
pub(crate) fn is_window(name: &str) -> bool {
    names().any(|n| n == name)
}

/// A window function.
pub(crate) fn build(
    request: AggregateCall<'_>,
    ctx: &Context,
) -> Result<WindowCall, FunctionError> {
    let lower = request.name.to_lowercase();
    let Some((name, parameters)) = WINDOW.into_iter().find(|(name, _)| *name == lower) else {
        return over_window(request, ctx);
    };
    let mut call = Call { name, args: request.args, types: request.types.to_vec(), ctx };
    call.fit(parameters)?;
    let udwf = match name {
        "row_number" => native::row_number::row_number_udwf(),
        "rank" => native::rank::rank_udwf(),
        "dense_rank" => native::rank::dense_rank_udwf(),
        "percent_rank" => native::rank::percent_rank_udwf(),
        "cume_dist" => native::cume_dist::cume_dist_udwf(),
        "ntile" => {
            call.default(1, ScalarValue::from(1_i32));
            call.cast(0, &DataType::Int64)?;
            native::ntile::ntile_udwf()
        }
        "lag" | "lead" => {
            offset_arguments(&mut call)?;
            if name == "lag" { native::lead_lag::lag_udwf() } else { native::lead_lag::lead_udwf() }
        }
        _ => {
            call.default(2, ScalarValue::from(1_i32));
            call.cast(1, &DataType::Int64)?;
            call.args.truncate(2);
            native::nth_value::nth_value_udwf()
        }
    };
    Ok(WindowCall {
        function: WindowFunctionDefinition::WindowUDF(udwf),
        args: call.args,
        // `DataFusion` counts without sign; Spark's ranks are `int`.
        result: matches!(name, "row_number" | "rank" | "dense_rank" | "ntile")
            .then_some(DataType::Int32),
        ignore_nulls: request.ignore_nulls,
        distinct: false,
        filter: None,
    })
}

/// `lag(value, offset, default)`: the default takes the value's type.
fn offset_arguments(call: &mut Call<'_>) -> Result<(), FunctionError> {
    call.default(2, ScalarValue::from(1_i32));
    call.cast(1, &DataType::Int64)?;
    if call.args.len() == 3 {
        let pair = [call.types[0].clone(), call.types[2].clone()];
        let common = common_type(&pair, call.ctx).ok_or_else(|| FunctionError::DifferingTypes {
            name: call.name.to_owned(),
            types: pair.to_vec(),
        })?;
        call.cast(0, &common)?;
        call.cast(2, &common)?;
    }
    Ok(())
}

fn over_window(request: AggregateCall<'_>, ctx: &Context) -> Result<WindowCall, FunctionError> {
    let lower = request.name.to_lowercase();
    // Over a window these are native window functions, which know frames and skipping of nulls.
    let udwf = match lower.as_str() {
        "first" | "first_value" | "any_value" => Some(native::nth_value::first_value_udwf()),
        "last" | "last_value" => Some(native::nth_value::last_value_udwf()),
        _ => None,
    };
    if let Some(udwf) = udwf {
        let ignore_nulls = request.ignore_nulls || aggregate::ignores_nulls(&request.args);
        let first = request.args.into_iter().next();
        let arg = first.ok_or_else(|| FunctionError::WrongNumArgs {
            name: lower,
            expected: "[1, 2]".to_owned(),
            actual: 0,
        })?;
        return Ok(WindowCall {
            function: WindowFunctionDefinition::WindowUDF(udwf),
            args: vec![arg],
            result: None,
            ignore_nulls,
            distinct: false,
            filter: request.filter,
        });
    }
    match aggregate::build(request, ctx)? {
        Expr::AggregateFunction(aggregate) => Ok(WindowCall {
            function: WindowFunctionDefinition::AggregateUDF(aggregate.func),
            args: aggregate.params.args,
            result: None,
            ignore_nulls: aggregate.params.null_treatment
                == Some(datafusion::logical_expr::expr::NullTreatment::IgnoreNulls),
            distinct: aggregate.params.distinct,
            filter: aggregate.params.filter.map(|f| *f),
        }),
        other => Err(FunctionError::Unsupported { what: format!("{other} over a window") }),
    }
}

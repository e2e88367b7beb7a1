//! Window functions: dedicated ones, and aggregate functions over a window.

mod fold;
mod frame;
mod framed;

pub use frame::{Frame, FrameEdge};
pub use framed::{FrameBound, decode_window, encode_window};

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_window as native;
use datafusion::logical_expr::{
    Expr, WindowFrame, WindowFrameUnits, WindowFunctionDefinition, WindowUDF,
};

use crate::aggregate::AggregateCall;
use crate::function::Call;
use crate::{Context, FunctionError, aggregate};
use framed::{Framed, Over};

/// A call of a window function, complete except for the partitioning and order of its window.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// The function.
    pub function: WindowFunctionDefinition,
    /// Its arguments, with casts.
    pub args: Vec<Expr>,
    /// The frame to pass to `DataFusion`.
    pub frame: WindowFrame,
}

/// Name and parameters.
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

/// Whether a function requires a window.
pub(crate) fn is_window(name: &str) -> bool {
    names().any(|n| n == name)
}

/// Builds a call of a window function over a frame.
pub(crate) fn build(
    request: AggregateCall<'_>,
    frame: Frame,
    ctx: &Context,
) -> Result<WindowCall, FunctionError> {
    let lower = request.name.to_lowercase();
    let Some((name, parameters)) = WINDOW.into_iter().find(|(name, _)| *name == lower) else {
        return over_window(request, frame, ctx);
    };
    if request.filter.is_some() {
        return Err(FunctionError::Syntax { name: lower, syntax: "FILTER CLAUSE" });
    }
    let mut call = Call { name, args: request.args, types: request.types.to_vec(), ctx };
    call.fit(parameters)?;
    if !matches!(name, "lag" | "lead" | "nth_value") {
        if request.ignore_nulls {
            return Err(FunctionError::Syntax { name: lower, syntax: "IGNORE NULLS" });
        }
        let udwf = ranking(&mut call)?;
        return Ok(WindowCall {
            function: WindowFunctionDefinition::WindowUDF(udwf),
            args: call.args,
            frame: whole(),
        });
    }
    let (over, frame, ignore_nulls) = if name == "nth_value" {
        call.default(2, ScalarValue::from(1_i32));
        let nth = aggregate::constant_count(&mut call, 1, (1, i64::from(i32::MAX)))?;
        let ignore_nulls = request.ignore_nulls || is_true(call.args.get(2));
        call.args.truncate(1);
        (Over::Nth(nth.unsigned_abs()), frame, ignore_nulls)
    } else {
        let distance = offset(&mut call)?;
        let distance = if name == "lag" { -distance } else { distance };
        (Over::Offset(distance), Frame::whole(), request.ignore_nulls)
    };
    Ok(framed(over, call.args, (None, ignore_nulls), frame))
}

/// Row number, rank and similar functions.
fn ranking(call: &mut Call<'_>) -> Result<Arc<WindowUDF>, FunctionError> {
    Ok(match call.name {
        "row_number" => native::row_number::row_number_udwf(),
        "rank" => native::rank::rank_udwf(),
        "dense_rank" => native::rank::dense_rank_udwf(),
        "percent_rank" => native::rank::percent_rank_udwf(),
        "cume_dist" => native::cume_dist::cume_dist_udwf(),
        _ => {
            call.default(1, ScalarValue::from(1_i32));
            call.cast(0, &DataType::Int64)?;
            native::ntile::ntile_udwf()
        }
    })
}

fn is_true(flag: Option<&Expr>) -> bool {
    matches!(flag, Some(Expr::Literal(ScalarValue::Boolean(Some(true)), _)))
}

/// Removes and returns the offset of `lag(value, offset, default)`; the default follows the value
/// and is cast to its type.
fn offset(call: &mut Call<'_>) -> Result<i64, FunctionError> {
    call.default(2, ScalarValue::from(1_i32));
    let most = i64::from(i32::MAX);
    let distance = aggregate::constant_count(call, 1, (-most, most))?;
    call.args.remove(1);
    call.types.remove(1);
    if call.args.len() == 2 {
        let (to, cast) = if call.types[0] == DataType::Null { (1, 0) } else { (0, 1) };
        let to = call.types[to].clone();
        call.cast(cast, &to)?;
    }
    Ok(distance)
}

fn over_window(
    request: AggregateCall<'_>,
    frame: Frame,
    ctx: &Context,
) -> Result<WindowCall, FunctionError> {
    let lower = request.name.to_lowercase();
    let ends = match lower.as_str() {
        "first" | "first_value" | "any_value" => Some(Over::Nth(1)),
        "last" | "last_value" => Some(Over::Last),
        _ => None,
    };
    let made = match aggregate::build(request, ctx)? {
        Expr::AggregateFunction(made) => made,
        other => {
            return Err(FunctionError::Unsupported { what: format!("{other} over a window") });
        }
    };
    let params = made.params;
    if params.distinct {
        return Err(FunctionError::Unsupported {
            what: format!("{lower}(DISTINCT …) over a window"),
        });
    }
    let filter = params.filter.map(|filter| *filter);
    if let Some(over) = ends {
        let ignore_nulls = params.null_treatment.is_some();
        return Ok(framed(over, params.args, (filter, ignore_nulls), frame));
    }
    // A growing frame is computed incrementally; all other frames need the whole partition.
    match frame.growing() {
        Some(frame) if filter.is_none() => Ok(WindowCall {
            function: WindowFunctionDefinition::AggregateUDF(made.func),
            args: params.args,
            frame,
        }),
        _ => Ok(framed(Over::Aggregate(made.func), params.args, (filter, false), frame)),
    }
}

/// A call that yields a boundary of each row's frame, as a `long`.
pub fn frame_bound(frame: Frame, bound: FrameBound) -> WindowCall {
    framed(Over::Bound(bound), Vec::new(), (None, false), frame)
}

fn framed(
    over: Over,
    mut args: Vec<Expr>,
    (filter, ignore_nulls): (Option<Expr>, bool),
    frame: Frame,
) -> WindowCall {
    let arity = args.len();
    let filtered = filter.is_some();
    args.extend(filter);
    let (ends, values) = frame.parted();
    args.extend(values);
    let function = Framed { over, arity, filtered, ignore_nulls, ends }.udwf();
    WindowCall { function: WindowFunctionDefinition::WindowUDF(function), args, frame: whole() }
}

/// All rows of the partition.
fn whole() -> WindowFrame {
    let (lower, upper) = frame::unbounded();
    WindowFrame::new_bounds(WindowFrameUnits::Rows, lower, upper)
}

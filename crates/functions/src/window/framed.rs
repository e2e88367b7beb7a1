//! Our window functions. The whole call (function, frame, skipped rows) is part of the function, so
//! that it is preserved when a plan is serialised. A partition is evaluated at once: skipped rows
//! are removed, and frames become ranges of the remaining rows.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt64Array};
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    AggregateUDF, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use serde::{Deserialize, Serialize};

use super::fold;
use super::frame::Ends;

/// The computation over the rows of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Over {
    /// An aggregate function.
    Aggregate(Arc<AggregateUDF>),
    /// The value of the first or the n-th row.
    Nth(u64),
    /// The value of the last row.
    Last,
    /// The value of the row at this offset after the current row, or before it if negative. The
    /// second argument is the default where there is no such row.
    Offset(i64),
    /// The number of the frame's first row, or of the row after its last, from the beginning of the
    /// partition.
    Bound(FrameBound),
}

/// A boundary of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameBound {
    /// The first row.
    Begin,
    /// The row after the last.
    End,
}

/// A call. Its arguments are those of the function, then the `FILTER` condition, then the columns
/// that the frame needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Framed {
    pub(super) over: Over,
    /// Number of the function's arguments.
    pub(super) arity: usize,
    /// Whether a filter condition follows them.
    pub(super) filtered: bool,
    /// Whether rows whose first argument is null are skipped.
    pub(super) ignore_nulls: bool,
    pub(super) ends: Ends,
}

/// The serialised form of a call. An aggregate function is looked up by name.
#[derive(Serialize, Deserialize)]
struct Sent {
    over: SentOver,
    arity: usize,
    filtered: bool,
    ignore_nulls: bool,
    ends: Ends,
}

#[derive(Serialize, Deserialize)]
enum SentOver {
    Aggregate(String),
    Nth(u64),
    Last,
    Offset(i64),
    Bound(FrameBound),
}

impl Framed {
    pub(super) fn udwf(self) -> Arc<WindowUDF> {
        let name = match &self.over {
            Over::Aggregate(function) => format!("framed_{}", function.name()),
            Over::Nth(1) => "framed_first".to_owned(),
            Over::Nth(n) => format!("framed_nth_{n}"),
            Over::Last => "framed_last".to_owned(),
            Over::Offset(rows) => format!("framed_offset_{rows}"),
            Over::Bound(FrameBound::Begin) => "framed_begin".to_owned(),
            Over::Bound(FrameBound::End) => "framed_end".to_owned(),
        };
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(WindowUDF::new_from_impl(FramedFunction { name, call: self, signature }))
    }
}

/// Serialises a window function for another process, if it is one of ours that is not identified by
/// its name alone.
pub fn encode_window(function: &WindowUDF) -> Result<Option<Vec<u8>>> {
    let Some(function) = function.inner().downcast_ref::<FramedFunction>() else {
        return Ok(None);
    };
    let Framed { over, arity, filtered, ignore_nulls, ends } = function.call.clone();
    let over = match over {
        Over::Aggregate(function) => SentOver::Aggregate(function.name().to_owned()),
        Over::Nth(n) => SentOver::Nth(n),
        Over::Last => SentOver::Last,
        Over::Offset(rows) => SentOver::Offset(rows),
        Over::Bound(bound) => SentOver::Bound(bound),
    };
    let sent = Sent { over, arity, filtered, ignore_nulls, ends };
    let bytes = serde_json::to_vec(&sent).map_err(|e| DataFusionError::External(Box::new(e)))?;
    Ok(Some(bytes))
}

/// Deserialises a window function encoded by [`encode_window`]. `aggregate` looks up an aggregate
/// function by name.
pub fn decode_window(
    bytes: &[u8],
    aggregate: impl FnOnce(&str) -> Result<Arc<AggregateUDF>>,
) -> Result<Arc<WindowUDF>> {
    let bad = |_| exec_datafusion_err!("a window function does not decode");
    let Sent { over, arity, filtered, ignore_nulls, ends } =
        serde_json::from_slice(bytes).map_err(bad)?;
    let over = match over {
        SentOver::Aggregate(name) => Over::Aggregate(aggregate(&name)?),
        SentOver::Nth(n) => Over::Nth(n),
        SentOver::Last => Over::Last,
        SentOver::Offset(rows) => Over::Offset(rows),
        SentOver::Bound(bound) => Over::Bound(bound),
    };
    Ok(Framed { over, arity, filtered, ignore_nulls, ends }.udwf())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FramedFunction {
    name: String,
    call: Framed,
    signature: Signature,
}

impl WindowUDFImpl for FramedFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // The registry has inserted Spark's casts already.
        Ok(types.to_vec())
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let values = args.input_fields().get(..self.call.arity).unwrap_or_default();
        let data_type = match (&self.call.over, values.first()) {
            (Over::Aggregate(function), _) => {
                return Ok(Arc::new(
                    function.return_field(values)?.as_ref().clone().with_name(args.name()),
                ));
            }
            (Over::Bound(_), _) => DataType::Int64,
            (_, Some(value)) => value.data_type().clone(),
            (_, None) => return internal_err!("{} needs an argument", self.name),
        };
        Ok(Arc::new(Field::new(args.name(), data_type, true)))
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let arity = self.call.arity;
        let exprs = args.input_exprs().get(..arity).unwrap_or_default().to_vec();
        let fields = args.input_fields().get(..arity).unwrap_or_default().to_vec();
        Ok(Box::new(Evaluator { call: self.call.clone(), exprs, fields }))
    }
}

#[derive(Debug)]
struct Evaluator {
    call: Framed,
    /// The function's arguments and their fields.
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    fields: Vec<FieldRef>,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let (values, rest) = columns.split_at(self.call.arity);
        let (filter, ends) = rest.split_at(usize::from(self.call.filtered));
        let counted = counted(filter.first(), values.first().filter(|_| self.call.ignore_nulls))?;
        let mut values = values.to_vec();
        let places = match &counted {
            None => None,
            Some(counted) => {
                // The default for a missing row is that of the current row, so it is not filtered.
                let looked_at =
                    if matches!(self.call.over, Over::Offset(_)) { 1 } else { usize::MAX };
                for column in values.iter_mut().take(looked_at) {
                    *column = compute::filter(column, counted)?;
                }
                Some(places(counted))
            }
        };
        let place = |row: usize| places.as_ref().map_or(row, |places| places[row]);
        if let Over::Offset(distance) = self.call.over {
            let target = |row| offset(distance, (place(row), place(row + 1)));
            return at_offset(&values, &columns[0], (0..rows).map(target), distance);
        }
        let ranges = self.call.ends.ranges(ends, rows)?;
        let ranges = ranges.into_iter().map(|range| place(range.start)..place(range.end));
        match &self.call.over {
            Over::Aggregate(function) => {
                fold::over_ranges(function, (&self.exprs, &self.fields), &values, ranges)
            }
            Over::Nth(n) => {
                let before = usize::try_from(*n - 1).unwrap_or(usize::MAX);
                let nth = |range: Range<usize>| {
                    range.start.checked_add(before).filter(|at| *at < range.end)
                };
                taken(&values[0], ranges.map(nth))
            }
            Over::Bound(bound) => {
                let bound = |range: Range<usize>| match bound {
                    FrameBound::Begin => range.start,
                    FrameBound::End => range.end,
                };
                let bounds = ranges.map(|range| i64::try_from(bound(range)).ok());
                Ok(Arc::new(bounds.collect::<Int64Array>()))
            }
            Over::Last | Over::Offset(_) => {
                let last = |range: Range<usize>| (!range.is_empty()).then(|| range.end - 1);
                taken(&values[0], ranges.map(last))
            }
        }
    }
}

/// The rows that are not skipped; `None` if no row is skipped.
fn counted(filter: Option<&ArrayRef>, not_null: Option<&ArrayRef>) -> Result<Option<BooleanArray>> {
    let filter = match filter {
        // A null condition counts as false.
        Some(filter) if filter.null_count() > 0 => {
            Some(compute::prep_null_mask_filter(filter.as_boolean()))
        }
        Some(filter) => Some(filter.as_boolean().clone()),
        None => None,
    };
    let not_null = not_null.map(|values| compute::is_not_null(values)).transpose()?;
    Ok(match (filter, not_null) {
        (Some(filter), Some(not_null)) => Some(compute::and(&filter, &not_null)?),
        (one, other) => one.or(other),
    })
}

/// The number of counted rows before each row, and in total.
fn places(counted: &BooleanArray) -> Vec<usize> {
    let mut before = 0;
    let mut places = Vec::with_capacity(counted.len() + 1);
    places.push(0);
    for row in 0..counted.len() {
        before += usize::from(counted.value(row));
        places.push(before);
    }
    places
}

/// The index, among the counted rows, of the row at a distance from the current row, given the
/// numbers of counted rows before the current row and up to and including it.
fn offset(distance: i64, (before, up_to): (usize, usize)) -> Option<usize> {
    let rows = usize::try_from(distance.unsigned_abs()).ok()?;
    if distance < 0 { before.checked_sub(rows) } else { up_to.checked_add(rows)?.checked_sub(1) }
}

fn at_offset(
    values: &[ArrayRef],
    all: &ArrayRef,
    targets: impl Iterator<Item = Option<usize>>,
    distance: i64,
) -> Result<ArrayRef> {
    if distance == 0 {
        return Ok(Arc::clone(all));
    }
    let count = values[0].len();
    let targets: Vec<_> = targets.map(|target| target.filter(|at| *at < count)).collect();
    let found = taken(&values[0], targets.iter().copied())?;
    let Some(default) = values.get(1) else { return Ok(found) };
    let has_row: BooleanArray = targets.iter().map(|target| Some(target.is_some())).collect();
    Ok(compute::kernels::zip::zip(&has_row, &found, default)?)
}

/// The values at these indices, null for `None`.
fn taken(values: &ArrayRef, places: impl Iterator<Item = Option<usize>>) -> Result<ArrayRef> {
    let places: UInt64Array = places.map(|place| place.map(|at| at as u64)).collect();
    Ok(compute::take(values, &places, None)?)
}

//! Aggregate functions over many ranges of the same rows. Each range's result depends on its own
//! rows only: rows are added and partial states are merged, in order, but rows are never retracted,
//! because retraction leaves traces (of NaN, of large numbers) and few functions support it.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{Accumulator, AggregateUDF};
use datafusion::physical_expr::PhysicalExpr;

use crate::Stop;

/// Rows per block: partial states of blocks are kept for the ranges that contain whole blocks.
const BLOCK: usize = 256;
/// Minimum length of a range that is computed from blocks.
const LONG: usize = 4 * BLOCK;

/// Computes the aggregate of each range of the rows of `values`.
pub(super) fn over_ranges(
    function: &Arc<AggregateUDF>,
    (exprs, fields): (&[Arc<dyn PhysicalExpr>], &[FieldRef]),
    values: &[ArrayRef],
    ranges: impl Iterator<Item = Range<usize>>,
) -> Result<ArrayRef> {
    let schema = Schema::empty();
    let return_field = function.return_field(fields)?;
    let start = || {
        function.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&return_field),
            schema: &schema,
            ignore_nulls: false,
            order_bys: &[],
            is_reversed: false,
            name: function.name(),
            is_distinct: false,
            exprs,
            expr_fields: fields,
        })
    };
    let mut folder = Folder { start, values, blocks: None };
    let mut results: Vec<ScalarValue> = Vec::new();
    let mut current: Option<(Box<dyn Accumulator>, Range<usize>)> = None;
    for range in ranges {
        Stop::check_current()?;
        if let (Some((_, seen)), Some(result)) = (&current, results.last())
            && *seen == range
        {
            results.push(result.clone());
            continue;
        }
        let (mut accumulator, seen) = match current.take() {
            Some((known, seen)) if seen.start == range.start && seen.end <= range.end => {
                (known, seen)
            }
            _ => ((folder.start)()?, range.start..range.start),
        };
        folder.add(accumulator.as_mut(), seen.end..range.end)?;
        results.push(accumulator.evaluate()?);
        current = Some((accumulator, range));
    }
    ScalarValue::iter_to_array(results)
}

struct Folder<'a, F> {
    start: F,
    values: &'a [ArrayRef],
    /// The state of each complete block: one column per state field, one row per block.
    blocks: Option<Vec<ArrayRef>>,
}

impl<F: Fn() -> Result<Box<dyn Accumulator>>> Folder<'_, F> {
    /// Adds a range of rows.
    fn add(&mut self, accumulator: &mut dyn Accumulator, range: Range<usize>) -> Result<()> {
        if range.len() < LONG {
            return self.add_rows(accumulator, range);
        }
        let (first, last) = (range.start.div_ceil(BLOCK), range.end / BLOCK);
        self.add_rows(accumulator, range.start..first * BLOCK)?;
        let blocks = match self.blocks.take() {
            Some(blocks) => blocks,
            None => self.states()?,
        };
        let states: Vec<_> =
            blocks.iter().map(|column| column.slice(first, last - first)).collect();
        self.blocks = Some(blocks);
        accumulator.merge_batch(&states)?;
        self.add_rows(accumulator, last * BLOCK..range.end)
    }

    fn add_rows(&self, accumulator: &mut dyn Accumulator, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> =
            self.values.iter().map(|column| column.slice(range.start, range.len())).collect();
        accumulator.update_batch(&rows)
    }

    fn states(&self) -> Result<Vec<ArrayRef>> {
        let rows = self.values.first().map_or(0, |column| column.len());
        let mut columns: Vec<Vec<ScalarValue>> = Vec::new();
        for block in 0..rows / BLOCK {
            Stop::check_current()?;
            let mut accumulator = (self.start)()?;
            self.add_rows(accumulator.as_mut(), block * BLOCK..(block + 1) * BLOCK)?;
            let state = accumulator.state()?;
            columns.resize_with(state.len(), Vec::new);
            columns.iter_mut().zip(state).for_each(|(column, part)| column.push(part));
        }
        columns.into_iter().map(ScalarValue::iter_to_array).collect()
    }
}

//! Window frames: the rows of a partition that a window function covers for each row.

use std::ops::Range;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Expr, WindowFrame, WindowFrameBound, WindowFrameUnits};
use serde::{Deserialize, Serialize};

/// A frame boundary, as specified by a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FrameEdge {
    /// The first or the last row of the partition.
    Unbounded,
    /// The row at this offset after the current row; before it if negative.
    Rows(i64),
    /// The first or the last row whose keys equal these values, or the position where it would be
    /// if there is none.
    Values(Vec<Expr>),
}

/// A frame, as specified by a call.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The lower boundary.
    pub lower: FrameEdge,
    /// The upper boundary, inclusive.
    pub upper: FrameEdge,
    /// The sort keys of the partition.
    pub keys: Vec<Expr>,
    /// The sort order of each key.
    pub order: Vec<SortOptions>,
}

impl Frame {
    /// All rows of the partition.
    pub fn whole() -> Self {
        let (lower, upper) = (FrameEdge::Unbounded, FrameEdge::Unbounded);
        Self { lower, upper, keys: Vec::new(), order: Vec::new() }
    }

    /// The equivalent `DataFusion` frame, if it starts with the partition and includes the current
    /// row.
    pub(super) fn growing(&self) -> Option<WindowFrame> {
        if self.lower != FrameEdge::Unbounded {
            return None;
        }
        let rows = |count: i64| ScalarValue::UInt64(Some(count.unsigned_abs()));
        let (units, upper) = match &self.upper {
            FrameEdge::Unbounded => (WindowFrameUnits::Rows, unbounded().1),
            FrameEdge::Rows(0) => (WindowFrameUnits::Rows, WindowFrameBound::CurrentRow),
            FrameEdge::Rows(count) if *count > 0 => {
                (WindowFrameUnits::Rows, WindowFrameBound::Following(rows(*count)))
            }
            FrameEdge::Values(values) if *values == self.keys => {
                (WindowFrameUnits::Range, WindowFrameBound::CurrentRow)
            }
            // It may be empty, and `DataFusion` does not ask the accumulator for the result of an
            // empty frame.
            FrameEdge::Rows(_) | FrameEdge::Values(_) => return None,
        };
        Some(WindowFrame::new_bounds(units, unbounded().0, upper))
    }

    /// The frame, and the arguments that it needs from each row.
    pub(super) fn parted(self) -> (Ends, Vec<Expr>) {
        let mut values = Vec::new();
        let mut end = |edge| match edge {
            FrameEdge::Unbounded => End::Unbounded,
            FrameEdge::Rows(count) => End::Rows(count),
            FrameEdge::Values(of_row) => {
                values.extend(of_row);
                End::Values
            }
        };
        let (lower, upper) = (end(self.lower), end(self.upper));
        if values.is_empty() {
            return (Ends { lower, upper, order: Vec::new() }, Vec::new());
        }
        let order = self.order.iter().map(|key| (key.descending, key.nulls_first)).collect();
        (Ends { lower, upper, order }, self.keys.into_iter().chain(values).collect())
    }
}

/// The boundaries of a frame that covers the whole partition.
pub(super) fn unbounded() -> (WindowFrameBound, WindowFrameBound) {
    let all = ScalarValue::UInt64(None);
    (WindowFrameBound::Preceding(all.clone()), WindowFrameBound::Following(all))
}

/// The serialised form of a frame boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum End {
    Unbounded,
    Rows(i64),
    Values,
}

/// The serialised form of a frame. The keys, the values of the lower boundary and those of the
/// upper boundary, where needed, are arguments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Ends {
    lower: End,
    upper: End,
    /// For each key, whether it is descending and whether nulls come first.
    order: Vec<(bool, bool)>,
}

impl Ends {
    /// The frame of each row of a partition as a range of rows. `columns` are the arguments from
    /// [`Frame::parted`].
    pub(super) fn ranges(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Range<usize>>> {
        let mut columns = columns;
        let keys = self.next(&mut columns)?;
        let lower = if self.lower == End::Values { self.next(&mut columns)? } else { None };
        let upper = if self.upper == End::Values { self.next(&mut columns)? } else { None };
        let found = |row: usize, end: End, values: Option<&Rows>, after: bool| {
            let at = match (end, values, keys.as_ref()) {
                (End::Values, Some(values), Some(keys)) => {
                    let value = values.row(row);
                    let before = |key| if after { key <= value } else { key < value };
                    partition_point(rows, |row| before(keys.row(row)))
                }
                (End::Rows(count), ..) => shifted(row, count + i64::from(after), rows),
                _ if after => rows,
                _ => 0,
            };
            at.min(rows)
        };
        let range = |row| {
            let start = found(row, self.lower, lower.as_ref(), false);
            let end = found(row, self.upper, upper.as_ref(), true);
            start..end.max(start)
        };
        Ok((0..rows).map(range).collect())
    }

    /// Takes one column per key, and converts them to rows that compare in the order of the
    /// partition.
    fn next(&self, columns: &mut &[ArrayRef]) -> Result<Option<Rows>> {
        if self.order.is_empty() {
            return Ok(None);
        }
        let Some((first, rest)) = columns.split_at_checked(self.order.len()) else {
            return internal_err!("a window frame lacks the values of its ends");
        };
        *columns = rest;
        let field = |(column, order): (&ArrayRef, &(bool, bool))| {
            let options = SortOptions { descending: order.0, nulls_first: order.1 };
            SortField::new_with_options(column.data_type().clone(), options)
        };
        let converter = RowConverter::new(first.iter().zip(&self.order).map(field).collect())?;
        Ok(Some(converter.convert_columns(first)?))
    }
}

fn shifted(row: usize, count: i64, rows: usize) -> usize {
    let distance = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 { row.saturating_sub(distance) } else { row.saturating_add(distance).min(rows) }
}

/// The first row for which the predicate is false; it is true for all rows before.
fn partition_point(rows: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

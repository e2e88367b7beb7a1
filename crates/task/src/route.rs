//! Routing of rows to readers. The hash is the same in every executor and every run.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::physical_expr::{Partitioning, PhysicalExpr, PhysicalSortExpr, RangePartitioning};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use std::sync::Arc;

/// Routes the rows of one map task to readers.
#[derive(Debug)]
pub(crate) enum Router {
    /// All rows go to the only reader.
    Single,
    /// Rows go to the readers in turn.
    RoundRobin { readers: u32, next: u32 },
    /// Rows are routed by hash of the keys.
    Hash { keys: Vec<Arc<dyn PhysicalExpr>>, readers: u32 },
    /// Rows are routed by comparison with bounds.
    Range(Box<Bounds>),
}

impl Router {
    /// The router of the map task with index `map`.
    pub(crate) fn new(partitioning: &Partitioning, map: u32) -> Result<Self> {
        let count = partitioning.partition_count();
        let readers = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Ok(match partitioning {
            _ if readers == 1 => Self::Single,
            // Tasks start at different readers: otherwise the first readers would get every task's
            // surplus.
            Partitioning::RoundRobinBatch(_) => Self::RoundRobin { readers, next: map % readers },
            Partitioning::Hash(keys, _) => Self::Hash { keys: keys.clone(), readers },
            Partitioning::Range(range) => Self::Range(Box::new(Bounds::new(range)?)),
            Partitioning::UnknownPartitioning(_) => {
                return not_impl_err!("a shuffle with an unknown partitioning");
            }
        })
    }

    /// Appends the reader of each row to `out`.
    pub(crate) fn route(&mut self, batch: &RecordBatch, out: &mut Vec<u32>) -> Result<()> {
        let rows = batch.num_rows();
        match self {
            Self::Single => out.resize(out.len() + rows, 0),
            Self::RoundRobin { readers, next } => {
                for _ in 0..rows {
                    out.push(*next);
                    *next = if *next + 1 == *readers { 0 } else { *next + 1 };
                }
            }
            Self::Hash { keys, readers } => {
                let keys = keys
                    .iter()
                    .map(|key| key.evaluate(batch)?.into_array(rows))
                    .collect::<Result<Vec<_>>>()?;
                let mut hashes = vec![0; rows];
                create_hashes(&keys, REPARTITION_RANDOM_STATE.random_state(), &mut hashes)?;
                let readers = u64::from(*readers);
                // The remainder is below `readers`, so it fits.
                out.extend(hashes.iter().map(|hash| u32::try_from(hash % readers).unwrap_or(0)));
            }
            Self::Range(bounds) => bounds.route(batch, out)?,
        }
        Ok(())
    }
}

/// The bounds of a range partitioning. Rows are compared as sorts compare them.
#[derive(Debug)]
pub(crate) struct Bounds {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    rows: RowConverter,
    points: Rows,
}

impl Bounds {
    /// At least one bound.
    fn new(range: &RangePartitioning) -> Result<Self> {
        let points = range.split_points();
        let columns = (0..range.ordering().len())
            .map(|key| {
                let values = points.iter().map(|point| point.values()[key].clone());
                ScalarValue::iter_to_array(values)
            })
            .collect::<Result<Vec<_>>>()?;
        let field = |(key, column): (&PhysicalSortExpr, &ArrayRef)| {
            SortField::new_with_options(column.data_type().clone(), key.options)
        };
        let fields = range.ordering().iter().zip(&columns).map(field).collect();
        let rows = RowConverter::new(fields)?;
        let points = rows.convert_columns(&columns)?;
        let keys = range.ordering().iter().map(|key| Arc::clone(&key.expr)).collect();
        Ok(Self { keys, rows, points })
    }

    /// Appends the reader of each row to `out`: the number of bounds that are not above it.
    fn route(&self, batch: &RecordBatch, out: &mut Vec<u32>) -> Result<()> {
        let count = batch.num_rows();
        let keys = self
            .keys
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(count))
            .collect::<Result<Vec<_>>>()?;
        let rows = self.rows.convert_columns(&keys)?;
        out.extend(rows.iter().map(|row| self.below(row)));
        Ok(())
    }

    fn below(&self, row: Row<'_>) -> u32 {
        let (mut low, mut high) = (0, self.points.num_rows());
        while low < high {
            let middle = low.midpoint(high);
            if self.points.row(middle) <= row {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32::try_from(low).unwrap_or(u32::MAX)
    }
}

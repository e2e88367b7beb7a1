//! Routing of rows to readers. The hash is the same in every executor and every run.

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::utils::compare_rows;
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::physical_expr::{Partitioning, PhysicalExpr, RangePartitioning};
use datafusion::physical_plan::repartition::REPARTITION_RANDOM_STATE;
use std::cmp::Ordering;
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
    Range(RangePartitioning),
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
            Partitioning::Range(range) => Self::Range(range.clone()),
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
            Self::Range(range) => route_by_range(range, batch, out)?,
        }
        Ok(())
    }
}

fn route_by_range(
    range: &RangePartitioning,
    batch: &RecordBatch,
    out: &mut Vec<u32>,
) -> Result<()> {
    let options: Vec<SortOptions> = range.ordering().iter().map(|key| key.options).collect();
    let keys = range
        .ordering()
        .iter()
        .map(|key| key.expr.evaluate(batch)?.into_array(batch.num_rows()))
        .collect::<Result<Vec<_>>>()?;
    let mut row = Vec::with_capacity(keys.len());
    for i in 0..batch.num_rows() {
        row.clear();
        for key in &keys {
            row.push(ScalarValue::try_from_array(key, i)?);
        }
        let mut failed = None;
        let reader = range.split_points().partition_point(|bound| {
            match compare_rows(&row, bound.values(), &options) {
                Ok(order) => order != Ordering::Less,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        out.push(u32::try_from(reader).unwrap_or(u32::MAX));
    }
    Ok(())
}

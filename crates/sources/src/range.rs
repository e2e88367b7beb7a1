//! `range(start, end, step, partitions)`: numbers generated in tasks.

use arrow::array::{ArrayRef, Int64Array, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream, Statistics,
};
use futures::stream;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A run of a range: `first`, `first + step`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first number.
    pub first: i64,
    /// Difference between neighbours.
    pub step: i64,
    /// Number of values.
    pub count: u64,
}

/// A table with one non-null `bigint` column: the numbers from `start` up to, but not including,
/// `end`.
#[derive(Debug)]
pub struct RangeTable {
    schema: SchemaRef,
    runs: Vec<Run>,
}

/// Whether two tables are the same numbers in the same partitions.
pub fn same_range(one: &dyn TableProvider, other: &dyn TableProvider) -> bool {
    let runs = |table: &dyn TableProvider| Some(table.downcast_ref::<RangeTable>()?.runs.clone());
    runs(one).is_some_and(|one| Some(one) == runs(other))
}

impl RangeTable {
    /// Creates the table with a column called `name`. A `step` of 0, or one that leads away from
    /// `end`, yields no rows.
    pub fn new(name: &str, (start, end, step): (i64, i64, i64), partitions: u32) -> Self {
        let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, false)]));
        let total = count(start, end, step);
        let partitions = i128::from(partitions.max(1));
        let bound = |i: i128| i * total / partitions;
        let runs = (0..partitions).map(|i| {
            let (from, to) = (bound(i), bound(i + 1));
            // The first number of an empty run at the end may overflow; it is never used.
            let first = i128::from(start) + from * i128::from(step);
            Run {
                first: i64::try_from(first).unwrap_or(start),
                step,
                count: u64::try_from(to - from).unwrap_or(0),
            }
        });
        Self { schema, runs: runs.collect() }
    }
}

/// The number of values.
fn count(start: i64, end: i64, step: i64) -> i128 {
    let (start, end, step) = (i128::from(start), i128::from(end), i128::from(step));
    match step {
        0 => 0,
        step if step > 0 => ((end - start).max(0) + step - 1) / step,
        step => ((start - end).max(0) - step - 1) / -step,
    }
}

#[async_trait::async_trait]
impl TableProvider for RangeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        Ok(Arc::new(RangeExec::new(schema, self.runs.clone())))
    }
}

/// Generates the numbers, one run per partition. The schema may have no columns, if only the number
/// of rows matters.
#[derive(Debug)]
pub struct RangeExec {
    runs: Vec<Run>,
    properties: Arc<PlanProperties>,
}

impl RangeExec {
    /// Creates the node with one partition per run.
    pub fn new(schema: SchemaRef, runs: Vec<Run>) -> Self {
        let partitioning = Partitioning::UnknownPartitioning(runs.len());
        Self { runs, properties: crate::properties::unordered(schema, partitioning) }
    }

    /// Runs by partition.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

impl DisplayAs for RangeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.runs.iter().map(|run| run.count).sum();
        write!(f, "RangeExec: {rows} rows, {} partitions", self.runs.len())
    }
}

impl ExecutionPlan for RangeExec {
    fn name(&self) -> &'static str {
        "RangeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(run) = self.runs.get(partition).copied() else {
            return internal_err!("a range has no partition {partition}");
        };
        let size = context.session_config().batch_size() as u64;
        let schema = self.schema();
        let batches = (0..run.count.div_ceil(size)).map({
            let schema = Arc::clone(&schema);
            move |i| numbers(&schema, run, i * size, size.min(run.count - i * size))
        });
        let rows = RecordBatchStreamAdapter::new(schema, stream::iter(batches));
        Ok(Box::pin(cooperative(rows)))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let rows: u64 = match args.partition() {
            Some(i) => self.runs.get(i).map_or(0, |run| run.count),
            None => self.runs.iter().map(|run| run.count).sum(),
        };
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let schema = self.schema();
        let bytes = rows.saturating_mul(8 * schema.fields().len());
        let statistics = Statistics::new_unknown(&schema)
            .with_num_rows(Precision::Exact(rows))
            .with_total_byte_size(Precision::Exact(bytes));
        Ok(Arc::new(statistics))
    }
}

/// The numbers of a run from index `from`.
fn numbers(schema: &SchemaRef, run: Run, from: u64, count: u64) -> Result<RecordBatch> {
    let number = |i: u64| run.first.wrapping_add(run.step.wrapping_mul(i.cast_signed()));
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|_| Arc::new(Int64Array::from_iter_values((from..from + count).map(number))) as _)
        .collect();
    let rows = usize::try_from(count).unwrap_or(usize::MAX);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_split_as_spark_splits_it() {
        let cases: [((i64, i64, i64), u32, &[(i64, u64)]); 6] = [
            ((0, 10, 1), 3, &[(0, 3), (3, 3), (6, 4)]),
            ((2, 10, 2), 2, &[(2, 2), (6, 2)]),
            ((10, 0, -3), 2, &[(10, 2), (4, 2)]),
            ((0, 1, 1), 2, &[(0, 0), (0, 1)]),
            ((5, 0, 1), 1, &[(5, 0)]),
            ((i64::MIN, i64::MAX, i64::MAX), 1, &[(i64::MIN, 3)]),
        ];
        for (range, partitions, expected) in cases {
            let table = RangeTable::new("id", range, partitions);
            let runs: Vec<_> = table.runs.iter().map(|run| (run.first, run.count)).collect();
            assert_eq!(runs, expected, "{range:?}");
        }
    }
}

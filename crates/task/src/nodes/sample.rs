//! A random sample of each partition, with the number of rows that each sampled row represents. The
//! choice depends only on row numbers, so a retried task samples the same rows.

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, SendableRecordBatchStream,
};
use futures::{StreamExt, stream};
use std::fmt;
use std::sync::Arc;

/// A sampling node (see the module).
#[derive(Debug)]
pub struct SampleExec {
    input: Arc<dyn ExecutionPlan>,
    rows: u32,
    properties: Arc<PlanProperties>,
}

impl SampleExec {
    /// Samples this many rows of each partition.
    pub fn new(input: Arc<dyn ExecutionPlan>, rows: u32) -> Self {
        let weight = Arc::new(Field::new("weight", DataType::Float64, false));
        let fields: Vec<_> =
            input.schema().fields().iter().map(Arc::clone).chain([weight]).collect();
        let schema = Arc::new(Schema::new(fields));
        let count = input.output_partitioning().partition_count();
        let properties = sources::unordered(schema, Partitioning::UnknownPartitioning(count));
        Self { input, rows, properties }
    }

    /// Sample size of each partition.
    pub fn rows(&self) -> u32 {
        self.rows
    }
}

impl DisplayAs for SampleExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SampleExec: {} rows of each partition", self.rows)
    }
}

impl ExecutionPlan for SampleExec {
    fn name(&self) -> &'static str {
        "SampleExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.rows)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let schema = self.schema();
        let sample = sample(rows, self.rows as usize, Arc::clone(&schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(sample))))
    }
}

/// Reservoir sampling: each row replaces an earlier one with the probability that makes all rows
/// equally likely in the end.
async fn sample(
    mut rows: SendableRecordBatchStream,
    keep: usize,
    schema: SchemaRef,
) -> Result<RecordBatch> {
    let mut kept = RecordBatch::new_empty(rows.schema());
    let mut seen = 0u64;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let mut places: Vec<(usize, usize)> = (0..kept.num_rows()).map(|row| (0, row)).collect();
        for row in 0..batch.num_rows() {
            seen += 1;
            if places.len() < keep {
                places.push((1, row));
                continue;
            }
            // The remainder is below `seen`, and matters only below `keep`.
            let place = usize::try_from(mixed(seen) % seen).unwrap_or(usize::MAX);
            if let Some(place) = places.get_mut(place) {
                *place = (1, row);
            }
        }
        kept = interleave_record_batch(&[&kept, &batch], &places)?;
    }
    let weight =
        if kept.num_rows() == 0 { 0.0 } else { as_f64(seen) / as_f64(kept.num_rows() as u64) };
    let weights: ArrayRef = Arc::new(Float64Array::from(vec![weight; kept.num_rows()]));
    let (_, mut columns, _) = kept.into_parts();
    columns.push(weights);
    Ok(RecordBatch::try_new(schema, columns)?)
}

#[expect(clippy::cast_precision_loss, reason = "a weight need not be exact")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A pseudo-random number derived from `number`.
fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

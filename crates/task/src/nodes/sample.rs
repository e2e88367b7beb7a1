//! A random sample of each partition: the keys of the sampled rows, each with the number of rows
//! and bytes that it represents. The choice depends only on row numbers, so a retried task samples
//! the same rows.

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
    keys: u32,
    properties: Arc<PlanProperties>,
}

impl SampleExec {
    /// Samples this many rows of each partition. Their keys are the last `keys` columns.
    pub fn new(input: Arc<dyn ExecutionPlan>, rows: u32, keys: u32) -> Self {
        let measure = |name| Arc::new(Field::new(name, DataType::Float64, false));
        let measures = ["rows", "bytes"].map(measure);
        let of_input = input.schema();
        let first = of_input.fields().len().saturating_sub(keys as usize);
        let fields: Vec<_> =
            of_input.fields()[first..].iter().map(Arc::clone).chain(measures).collect();
        let schema = Arc::new(Schema::new(fields));
        let count = input.output_partitioning().partition_count();
        let properties = sources::unordered(schema, Partitioning::UnknownPartitioning(count));
        Self { input, rows, keys, properties }
    }

    /// The same sample size for all of so many partitions together.
    #[must_use]
    pub fn divided(&self, partitions: u32, input: Arc<dyn ExecutionPlan>) -> Self {
        Self::new(input, self.rows.div_ceil(partitions.max(1)), self.keys)
    }

    /// Sample size of each partition.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Number of keys, which are the last columns of the input.
    pub fn keys(&self) -> u32 {
        self.keys
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
        Ok(Arc::new(Self::new(children.swap_remove(0), self.rows, self.keys)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let schema = self.schema();
        let sample = sample(rows, self.rows as usize, self.keys as usize, Arc::clone(&schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(sample))))
    }
}

/// Reservoir sampling: each row replaces an earlier one with the probability that makes all rows
/// equally likely in the end.
async fn sample(
    mut rows: SendableRecordBatchStream,
    keep: usize,
    keys: usize,
    schema: SchemaRef,
) -> Result<RecordBatch> {
    let columns = rows.schema().fields().len();
    let keys: Vec<usize> = (columns.saturating_sub(keys)..columns).collect();
    let mut kept = RecordBatch::new_empty(Arc::new(rows.schema().project(&keys)?));
    let (mut seen, mut bytes) = (0u64, 0u64);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        bytes += size(&batch)?;
        let mut places: Vec<(usize, usize)> = (0..kept.num_rows()).map(|row| (0, row)).collect();
        let mut changed = false;
        for row in 0..batch.num_rows() {
            seen += 1;
            if places.len() < keep {
                places.push((1, row));
                changed = true;
                continue;
            }
            // The remainder is below `seen`, and matters only below `keep`.
            let place = usize::try_from(mixed(seen) % seen).unwrap_or(usize::MAX);
            if let Some(place) = places.get_mut(place) {
                *place = (1, row);
                changed = true;
            }
        }
        if changed {
            kept = interleave_record_batch(&[&kept, &batch.project(&keys)?], &places)?;
        }
    }
    let count = kept.num_rows();
    let each = |total: u64| -> ArrayRef {
        Arc::new(Float64Array::from(vec![as_f64(total) / as_f64(count as u64); count]))
    };
    let (_, mut columns, _) = kept.into_parts();
    columns.extend([each(seen), each(bytes)]);
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// The bytes of a batch's rows.
fn size(batch: &RecordBatch) -> Result<u64> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<Result<usize, _>>()? as u64)
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

//! The read side of a shuffle: decodes blocks of map outputs to rows, ordered by map index, so that
//! a retried task gets its rows in the same order.

use super::broadcast_rows::BroadcastRows;
use super::narrow::widen;
use super::writer::END_OF_STREAM;
use super::{BlockSource, FetchError, Wanted};
use crate::nodes::{Equivalences, rename};
use arrow::array::{
    Array, ArrayRef, MutableArrayData, RecordBatch, RecordBatchOptions, make_array,
};
use arrow::buffer::Buffer;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::metrics::{
    Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use model::{BlockProblem, TaskFailure, Unreadable};
use std::fmt;
use std::sync::Arc;

/// Limits of one request: total size and number of its blocks.
const REQUEST_BYTES: u64 = 8 << 20;
const REQUEST_BLOCKS: usize = 256;

/// Limit on the unused memory that a column may keep alive, in bytes.
const DETACH_FROM: usize = 256 << 10;

/// Concurrent requests per stream.
const REQUESTS: usize = 2;

/// Reads blocks: each list of blocks is a partition.
#[derive(Debug)]
pub(crate) struct ShuffleReadExec {
    streams: Vec<Vec<Wanted>>,
    source: Arc<dyn BlockSource>,
    /// If all tasks read the same: where the executor keeps the rows of small ones.
    broadcast: Option<Arc<BroadcastRows>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ShuffleReadExec {
    pub(crate) fn new(
        schema: SchemaRef,
        streams: Vec<Vec<Wanted>>,
        source: Arc<dyn BlockSource>,
        equivalences: &Equivalences,
    ) -> Self {
        let partitioning = Partitioning::UnknownPartitioning(streams.len());
        let properties = equivalences.properties(schema, partitioning);
        Self { streams, source, broadcast: None, properties, metrics: Default::default() }
    }

    /// The blocks to read.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Wanted> {
        self.streams.iter().flatten()
    }

    /// Marks a read that all tasks have in common; its rows are kept for those of this executor.
    pub(crate) fn broadcast(self, rows: Arc<BroadcastRows>) -> Self {
        Self { broadcast: Some(rows), ..self }
    }

    /// Whether all tasks have it in common.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.broadcast.is_some()
    }
}

impl DisplayAs for ShuffleReadExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: usize = self.streams.iter().map(Vec::len).sum();
        write!(f, "ShuffleReadExec: {blocks} blocks")
    }
}

impl ExecutionPlan for ShuffleReadExec {
    fn name(&self) -> &'static str {
        "ShuffleReadExec"
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
        let Some(blocks) = self.streams.get(partition) else {
            return internal_err!("a shuffle read has no partition {partition}");
        };
        let read = Read {
            bytes: MetricBuilder::new(&self.metrics).counter("bytes_read", partition),
            rows: MetricBuilder::new(&self.metrics).counter("rows_read", partition),
        };
        let schema = self.schema();
        let rows = rows_of(Arc::clone(&self.source), blocks.clone(), read, Arc::clone(&schema));
        let kept = self.broadcast.as_ref().filter(|kept| kept.keeps(blocks));
        let rows = match kept {
            None if schema.fields().is_empty() => rows.boxed(),
            None => {
                let size = context.session_config().batch_size();
                of_size(rows, &schema, size).boxed()
            }
            Some(kept) => {
                let (kept, blocks) = (Arc::clone(kept), blocks.clone());
                let (named, pool) = (Arc::clone(&schema), Arc::clone(context.memory_pool()));
                let all = async move {
                    let all = kept.get(&blocks, &pool, rows.try_collect()).await?;
                    let rows = all.into_iter().map(move |batch| rename(batch, &named));
                    Ok::<_, DataFusionError>(stream::iter(rows))
                };
                stream::once(all).try_flatten().boxed()
            }
        };
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(schema, rows))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Counters of bytes and rows read.
#[derive(Debug, Clone)]
struct Read {
    bytes: Count,
    rows: Count,
}

/// Groups blocks into requests.
fn requests(blocks: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut requests: Vec<Vec<Wanted>> = Vec::new();
    let mut bytes = 0;
    for block in blocks {
        let size = block.bytes();
        match requests.last_mut() {
            Some(last) if bytes + size <= REQUEST_BYTES && last.len() < REQUEST_BLOCKS => {
                bytes += size;
                last.push(block);
            }
            _ => {
                bytes = size;
                requests.push(vec![block]);
            }
        }
    }
    requests
}

/// The rows of blocks, in order, with the types of `schema`.
fn rows_of(
    source: Arc<dyn BlockSource>,
    blocks: Vec<Wanted>,
    read: Read,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let Read { bytes: read, rows } = read;
    stream::iter(requests(blocks))
        .map(move |request| {
            let (source, read) = (Arc::clone(&source), read.clone());
            async move {
                let bytes = source.fetch(&request).await.map_err(FetchError)?;
                read.add(bytes.iter().map(Bytes::len).sum());
                Ok::<_, DataFusionError>(request.into_iter().zip(bytes).collect::<Vec<_>>())
            }
        })
        .buffered(REQUESTS)
        .map_ok(move |blocks| {
            let schema = Arc::clone(&schema);
            stream::iter(blocks).map(move |(block, bytes)| {
                Ok::<_, DataFusionError>(decode(block, bytes, Arc::clone(&schema)))
            })
        })
        .try_flatten()
        .try_flatten()
        .inspect_ok(move |batch: &RecordBatch| rows.add(batch.num_rows()))
}

/// Decodes a block: one or more Arrow IPC streams, whose columns are as narrow as their writer
/// could make them.
fn decode(
    block: Wanted,
    bytes: Bytes,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let mut decoder = StreamDecoder::new();
    let mut buffer = Buffer::from(bytes);
    stream::iter(std::iter::from_fn(move || {
        while buffer.starts_with(&END_OF_STREAM) {
            buffer.advance(END_OF_STREAM.len());
            decoder = StreamDecoder::new();
        }
        match decoder.decode(&mut buffer) {
            Ok(Some(batch)) => Some(widen(&batch, &schema)),
            Ok(None) => None,
            Err(error) => {
                buffer = Buffer::default();
                Some(Err(damaged(&block, &error).into()))
            }
        }
    }))
}

/// Copies columns that keep a whole block in memory: uncompressed columns are slices of it, and an
/// operator that collects rows would count the block once per batch.
pub(crate) fn detached(batch: RecordBatch) -> Result<RecordBatch> {
    with_columns(&batch, |column| {
        let own = column.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
        if column.get_buffer_memory_size() / 2 <= own.saturating_add(DETACH_FROM) {
            Ok(Arc::clone(column))
        } else {
            copied(column)
        }
    })
}

/// Rows of a batch in batches of at most `size` rows. What is cut is copied, so that whoever holds
/// a part of a batch does not hold the rest.
fn cut(batch: RecordBatch, size: usize) -> Vec<Result<RecordBatch>> {
    let rows = batch.num_rows();
    if rows <= size {
        return vec![detached(batch)];
    }
    let starts = (0..rows).step_by(size);
    starts.map(|start| with_columns(&batch.slice(start, size.min(rows - start)), copied)).collect()
}

/// A column in buffers of its own.
fn copied(column: &ArrayRef) -> Result<ArrayRef> {
    let data = column.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}

fn with_columns(
    batch: &RecordBatch,
    change: impl FnMut(&ArrayRef) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(change).collect::<Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &rows)?)
}

/// The failure for a block with a correct checksum that is not valid Arrow: what was written is
/// unusable.
fn damaged(block: &Wanted, error: &ArrowError) -> FetchError {
    FetchError(TaskFailure::FetchFailed {
        unreadable: vec![Unreadable::new(&block.output, BlockProblem::Damaged)],
        message: format!("block for reader {} does not decode: {error}", block.reader),
    })
}

/// Combines small batches, as operators have a cost per batch, and cuts those that were written
/// larger than they are wanted: an operator that is short of memory holds several whole ones.
fn of_size(
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    schema: &SchemaRef,
    size: usize,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'static {
    let merger = BatchCoalescer::new(Arc::clone(schema), size)
        .with_biggest_coalesce_batch_size(Some(size / 2));
    let rows = rows.map_ok(move |batch| stream::iter(cut(batch, size))).try_flatten();
    stream::try_unfold(
        (Box::pin(rows), merger, false),
        move |(mut rows, mut merger, mut ended)| async move {
            loop {
                if let Some(batch) = merger.next_completed_batch() {
                    return Ok(Some((batch, (rows, merger, ended))));
                }
                if ended {
                    return Ok(None);
                }
                if let Some(batch) = rows.try_next().await? {
                    merger.push_batch(batch)?;
                } else {
                    merger.finish_buffered_batch()?;
                    ended = true;
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    /// Ten small batches and a large one, wanted in batches of 1,000 rows.
    #[tokio::test]
    async fn batches_are_neither_small_nor_larger_than_wanted() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let large = (10, 90_000);
        let ranges = (0..10).map(|n| (n, 1)).chain([large]);
        let rows = ranges.map(|(from, count)| {
            let numbers = Int64Array::from_iter_values(from..from + count);
            Ok(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(numbers)])?)
        });
        let rows = stream::iter(rows.collect::<Vec<_>>());
        let read: Vec<_> = of_size(rows, &schema, 1000).try_collect().await.unwrap();
        assert!(read.len() <= 92, "{} batches", read.len());
        assert!(read.iter().all(|batch| batch.num_rows() <= 1000));
        let largest = read.iter().map(|batch| batch.column(0).get_buffer_memory_size()).max();
        assert!(largest.unwrap() < 20_000, "a part of a batch holds all of it");
        let numbers =
            read.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values());
        assert!(numbers.copied().eq(0..90_010));
    }
}

//! Window functions that need all rows of a partition. DataFusion's node for them collects all that
//! its task gets before it computes anything, in memory that nobody accounts for. Here a task
//! computes one partition after the other. The rows of one that is too large are spilled; what its
//! functions need of it has to fit into memory, which is nothing for aggregates of the whole.

mod open;

use crate::reader::detached;
use crate::writer::sliced_bytes;
use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::compute::{concat, concat_batches, partition};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::WindowAggExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ReplaceChildrenOptions,
    SendableRecordBatchStream, SpillManager,
};
use futures::{TryStreamExt, stream};
use open::{Open, Replay};
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Name with which the rows of a partition are reserved.
pub(crate) const WINDOW: &str = "window functions over all rows of a partition";

/// The bound plan of a task, in which window functions over whole partitions keep to its memory.
pub(crate) fn with_bounded_windows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let bounded = plan.transform_up(|plan| match plan.downcast_ref::<WindowAggExec>() {
        Some(window) => {
            let functions: Arc<[_]> = window.window_expr().into();
            let metrics = ExecutionPlanMetricsSet::new();
            Ok(Transformed::yes(Arc::new(WindowsExec { window: plan, functions, metrics }) as _))
        }
        None => Ok(Transformed::no(plan)),
    })?;
    Ok(bounded.data)
}

/// Computes window functions, one partition after the other (see the module).
#[derive(Debug)]
struct WindowsExec {
    /// The planned node.
    window: Arc<dyn ExecutionPlan>,
    functions: Arc<[Arc<dyn WindowExpr>]>,
    metrics: ExecutionPlanMetricsSet,
}

impl DisplayAs for WindowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowsExec")
    }
}

impl ExecutionPlan for WindowsExec {
    fn name(&self) -> &'static str {
        "WindowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.window.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.window.children()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.window.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let window = Arc::clone(&self.window).replace_children(children, options)?;
        let functions = Arc::clone(&self.functions);
        Ok(Arc::new(Self { window, functions, metrics: ExecutionPlanMetricsSet::new() }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.window.children()[0].execute(partition, Arc::clone(&context))?;
        let metrics = SpillMetrics::new(&self.metrics, partition);
        let spill = SpillManager::new(context.runtime_env(), metrics, input.schema());
        // What cannot be spilled has a reservation of its own.
        let reserve = |spills| {
            let consumer = MemoryConsumer::new(WINDOW).with_can_spill(spills);
            consumer.register(context.memory_pool())
        };
        let work = Work {
            open: Open::new(&self.functions, spill, (reserve(true), reserve(false))),
            functions: Arc::clone(&self.functions),
            schema: self.schema(),
            input,
            ended: false,
            replay: None,
            ready: VecDeque::new(),
            batch_size: context.session_config().batch_size(),
        };
        let rows = stream::try_unfold(work, |mut work| async move {
            let next = work.next().await?;
            Ok(next.map(|batch| (batch, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// A task's rows on their way through its window functions.
struct Work {
    functions: Arc<[Arc<dyn WindowExpr>]>,
    schema: SchemaRef,
    input: SendableRecordBatchStream,
    ended: bool,
    /// The partition whose end has not been seen.
    open: Open,
    /// The rows that come out next: those of a partition that was spilled, then the others.
    replay: Option<Replay>,
    ready: VecDeque<RecordBatch>,
    batch_size: usize,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(replay) = &mut self.replay {
                if let Some(batch) = replay.next(&self.schema).await? {
                    return Ok(Some(batch));
                }
                self.replay = None;
            }
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            match self.input.try_next().await? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => self.push(batch)?,
                None => {
                    self.ended = true;
                    self.close(None)?;
                }
            }
        }
    }

    /// Takes rows. Partitions that end within them are computed.
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let keys = self.keys(&batch)?;
        let ranges = ranges(&keys, batch.num_rows())?;
        let continues = self.open.continues(&keys)?;
        let last = ranges.last().map_or(0, |range| range.start);
        if last > 0 || !continues {
            // What is spilled comes out by itself, so only its own rows may join it.
            let own = if continues { ranges[0].end } else { 0 };
            let with = if self.open.is_spilled() { own } else { last };
            self.close(Some(batch.slice(0, with)))?;
            if with < last {
                let rest = batch.slice(with, last - with);
                self.compute(&[rest])?;
            }
        }
        let key = keys.iter().map(|key| key.slice(last, 1)).collect();
        self.open.add(batch.slice(last, batch.num_rows() - last), key)
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let keys = self.functions.first().map_or(&[][..], |function| function.partition_by());
        keys.iter().map(|key| key.evaluate(batch)?.into_array(batch.num_rows())).collect()
    }

    /// Computes the open partition, with the last rows that were missing.
    fn close(&mut self, last: Option<RecordBatch>) -> Result<()> {
        let mut open = self.open.take();
        open.batches.extend(last.filter(|last| last.num_rows() > 0));
        if open.is_spilled() {
            self.replay = Some(open.replay()?);
            return Ok(());
        }
        self.compute(&open.batches)
    }

    /// Computes whole partitions.
    fn compute(&mut self, batches: &[RecordBatch]) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let all = match batches {
            [one] => one.clone(),
            _ => concat_batches(&first.schema(), batches)?,
        };
        let ranges = ranges(&self.keys(&all)?, all.num_rows())?;
        let parts: Vec<_> =
            ranges.iter().map(|range| all.slice(range.start, range.len())).collect();
        let results = self.functions.iter().map(|function| {
            let results = parts.iter().map(|part| function.evaluate(part));
            let results = results.collect::<Result<Vec<_>>>()?;
            if let [one] = &results[..] {
                return Ok(Arc::clone(one));
            }
            let results: Vec<_> = results.iter().map(AsRef::as_ref).collect();
            Ok(concat(&results)?)
        });
        let results = results.collect::<Result<Vec<_>>>()?;
        let mut at = 0;
        for batch in batches {
            for start in (0..batch.num_rows()).step_by(self.batch_size) {
                let count = self.batch_size.min(batch.num_rows() - start);
                let rows = beside(&batch.slice(start, count), &results, at + start, &self.schema)?;
                self.ready.push_back(if count < all.num_rows() { detached(rows)? } else { rows });
            }
            at += batch.num_rows();
        }
        Ok(())
    }
}

/// Rows with their parts of the results, which begin at `at`.
fn beside(
    rows: &RecordBatch,
    results: &[ArrayRef],
    at: usize,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let results = results.iter().map(|result| result.slice(at, count));
    let columns = rows.columns().iter().cloned().chain(results).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// Rows with the same keys, which are next to each other.
fn ranges(keys: &[ArrayRef], rows: usize) -> Result<Vec<Range<usize>>> {
    if keys.is_empty() {
        return Ok(std::iter::once(0..rows).collect());
    }
    Ok(partition(keys)?.ranges())
}

/// Memory for rows and what is computed of them: they are copied once.
fn needed(batch: &RecordBatch) -> usize {
    2 * sliced_bytes(batch)
}

#[cfg(test)]
mod tests;

//! Plan node that passes the rows of a task to a sink. It yields one row, the result of the task's
//! side of the write, for the driver, which knows the attempts that count.

use crate::{TaskSink, registry, unordered};
use arrow::array::{AsArray, BinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
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
use tokio::sync::mpsc;

/// Batches buffered for the writing thread.
const AHEAD: usize = 2;

/// A write (see the module).
#[derive(Debug)]
pub struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    source: String,
    spec: String,
    properties: Arc<PlanProperties>,
}

impl WriteExec {
    /// Writes the rows of `input`, each partition separately, to a source given by name, with the
    /// specification from its [`Sink`](crate::Sink).
    pub fn new(input: Arc<dyn ExecutionPlan>, source: &str, spec: &str) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = unordered(schema(), Partitioning::UnknownPartitioning(partitions));
        Self { input, source: source.to_owned(), spec: spec.to_owned(), properties }
    }

    /// Name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The specification for tasks.
    pub fn spec(&self) -> &str {
        &self.spec
    }
}

/// Extracts the results of a write's tasks from the rows that they yielded.
pub fn written(partitions: &[Vec<RecordBatch>]) -> Vec<Bytes> {
    let batches = partitions.iter().flatten();
    let words = batches.flat_map(|batch| batch.column(0).as_binary::<i32>().iter().flatten());
    words.map(Bytes::copy_from_slice).collect()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("written", DataType::Binary, false)]))
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {} {}", self.source, self.spec)
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &'static str {
        "WriteExec"
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
        Ok(Arc::new(Self::new(children.swap_remove(0), &self.source, &self.spec)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let source = registry::planned(&self.source)?;
        let sink = source.task_sink(&self.spec, self.input.schema(), &context)?;
        let rows = self.input.execute(partition, context)?;
        let written = write(rows, sink);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), stream::once(written))))
    }
}

/// A batch, or the end of all rows. Without an end, the task was cancelled.
enum Message {
    Rows(RecordBatch),
    End,
}

async fn write(
    mut rows: SendableRecordBatchStream,
    mut sink: Box<dyn TaskSink>,
) -> Result<RecordBatch> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let writer = SpawnedTask::spawn_blocking(move || {
        loop {
            match receiver.blocking_recv() {
                Some(Message::Rows(batch)) => sink.write(&batch)?,
                Some(Message::End) => return sink.commit(),
                None => return exec_err!("the write was cancelled"),
            }
        }
    });
    while let Some(batch) = rows.next().await {
        if sender.send(Message::Rows(batch?)).await.is_err() {
            // The writer has failed; it reports the reason below.
            break;
        }
    }
    let _ = sender.send(Message::End).await;
    drop(sender);
    let written =
        writer.join().await.map_err(|_| exec_datafusion_err!("the writer was stopped"))??;
    let column = BinaryArray::from_iter_values([written]);
    Ok(RecordBatch::try_new(schema(), vec![Arc::new(column)])?)
}

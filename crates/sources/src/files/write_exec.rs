//! The node that writes the rows of a task to files under temporary names. What it yields says which; the driver, who knows which
//! attempt counts, gives them their names.

use super::output::{Outputs, Written};
use super::write::WriteTask;
use crate::node::unordered;
use arrow::array::{RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, exec_datafusion_err};
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

/// Batches on their way to the thread that writes.
const AHEAD: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    task: WriteTask,
    properties: Arc<PlanProperties>,
}

impl WriteExec {
    /// Writes the rows of `input`, each of its partitions by itself.
    pub fn new(input: Arc<dyn ExecutionPlan>, task: WriteTask) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = unordered(schema(), Partitioning::UnknownPartitioning(partitions));
        Self { input, task, properties }
    }

    /// How the rows are written.
    pub fn task(&self) -> &WriteTask {
        &self.task
    }
}

/// What the node yields: one row per file.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("directory", DataType::Utf8, false),
        Field::new("file", DataType::Utf8, false),
        Field::new("rows", DataType::UInt64, false),
    ]))
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteExec: {}", self.task)
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
        Ok(Arc::new(Self::new(children.swap_remove(0), self.task.clone())))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let written = write(rows, self.task.clone());
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), stream::once(written))))
    }
}

/// A batch, or the end of all rows. Without the end the writer takes the task to be cancelled.
pub(crate) enum Message {
    Rows(RecordBatch),
    End,
}

async fn write(mut rows: SendableRecordBatchStream, task: WriteTask) -> Result<RecordBatch> {
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let outputs = Outputs::new(task, rows.schema())?;
    let writer = SpawnedTask::spawn_blocking(move || outputs.write(|| receiver.blocking_recv()));
    while let Some(batch) = rows.next().await {
        if sender.send(Message::Rows(batch?)).await.is_err() {
            // The writer has failed; it tells why below.
            break;
        }
    }
    let _ = sender.send(Message::End).await;
    drop(sender);
    let written =
        writer.join().await.map_err(|_| exec_datafusion_err!("the writer was stopped"))?;
    as_rows(&written?)
}

fn as_rows(written: &[Written]) -> Result<RecordBatch> {
    let directories = written.iter().map(|file| file.directory.as_str());
    let files = written.iter().map(|file| file.file.as_str());
    let rows = written.iter().map(|file| file.rows);
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from_iter_values(directories)),
            Arc::new(StringArray::from_iter_values(files)),
            Arc::new(UInt64Array::from_iter_values(rows)),
        ],
    )?)
}

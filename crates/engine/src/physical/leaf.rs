//! Leaves of a physical plan: extracts what they read, task by task.

use super::piece::{Piece, Spread};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::common::Result;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use functions::spark_error;
use plan::SparkError;
use sources::{RangeExec, Split};
use std::sync::Arc;
use task::codec::Input;
use task::nodes::{Equivalences, LeafExec, LeafKind};

/// Turns a leaf node into a piece of a stage.
pub(crate) fn leaf(plan: &Arc<dyn ExecutionPlan>) -> Result<Piece, SparkError> {
    let piece = if let Some(range) = plan.downcast_ref::<RangeExec>() {
        let tasks = range.runs().iter().map(|run| vec![Input::Run(*run)]).collect();
        Ok(piece((LeafKind::Range, plan), shape(plan), tasks))
    } else if let Some(memory) = memory(plan) {
        rows(plan, memory)
    } else if let Some((name, split)) = sources::split(plan).map_err(|e| spark_error(&e))? {
        Ok(source(plan, name, split))
    } else if plan.is::<EmptyExec>() {
        Ok(bare(shape(plan), plan))
    } else if plan.is::<PlaceholderRowExec>() {
        Ok(bare(Arc::new(PlaceholderRowExec::new(plan.schema())), plan))
    } else {
        return Err(SparkError::unsupported(format!("{} in a distributed plan", plan.name())));
    };
    piece.map_err(|error| spark_error(&error))
}

/// A plan that provides the schema of a leaf.
pub(crate) fn shape(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    Arc::new(EmptyExec::new(plan.schema()))
}

fn piece(
    (kind, plan): (LeafKind, &Arc<dyn ExecutionPlan>),
    shape: Arc<dyn ExecutionPlan>,
    tasks: Vec<Vec<Input>>,
) -> Piece {
    let leaf = LeafExec::new(kind, shape, Equivalences::of(plan));
    Piece { plan: Arc::new(leaf), tasks, parents: Vec::new(), spread: Spread::Fixed }
}

/// A leaf whose tasks are all the same.
pub(crate) fn bare(one: Arc<dyn ExecutionPlan>, plan: &Arc<dyn ExecutionPlan>) -> Piece {
    let count = plan.output_partitioning().partition_count().max(1);
    Piece { plan: one, tasks: vec![Vec::new(); count], parents: Vec::new(), spread: Spread::Fixed }
}

/// The rows of the program that a scan reads.
fn memory(plan: &Arc<dyn ExecutionPlan>) -> Option<&MemorySourceConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<MemorySourceConfig>()
}

fn source(plan: &Arc<dyn ExecutionPlan>, name: &str, split: Split) -> Piece {
    if split.partitions.is_empty() {
        return bare(shape(plan), plan);
    }
    let kind = LeafKind::Source { name: name.to_owned(), spec: split.spec };
    let tasks = split.partitions.into_iter().map(|part| vec![Input::Partition(part)]).collect();
    piece((kind, plan), split.shape, tasks)
}

fn rows(plan: &Arc<dyn ExecutionPlan>, memory: &MemorySourceConfig) -> Result<Piece> {
    let schema = plan.schema();
    let task = |batches: &Vec<RecordBatch>| {
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        // A limit that the optimizer pushed into the scan applies to each partition; the task would
        // not know it.
        let mut left = plan.fetch().unwrap_or(usize::MAX);
        for batch in batches {
            let batch = batch.slice(0, left.min(batch.num_rows()));
            left -= batch.num_rows();
            let batch = match memory.projection() {
                Some(columns) => batch.project(columns)?,
                None => batch,
            };
            writer.write(&batch)?;
        }
        Ok(vec![Input::Rows(writer.into_inner()?.into())])
    };
    let mut tasks = memory.partitions().iter().map(task).collect::<Result<Vec<_>>>()?;
    if tasks.is_empty() {
        tasks.push(task(&Vec::new())?);
    }
    Ok(piece((LeafKind::Rows, plan), shape(plan), tasks))
}

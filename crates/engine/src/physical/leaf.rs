//! Leaves of a physical plan that make their own rows: what they read is taken out of the plan, task by task.

use super::stage::Piece;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::common::{Result, Statistics, exec_err};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use functions::spark_error;
use plan::SparkError;
use sources::RangeExec;
use sources::files::TextScanExec;
use std::sync::Arc;
use task::codec::{self, Input};
use task::nodes::{Known, LeafExec, LeafKind};

/// A leaf node as a piece of a stage.
pub(crate) fn leaf(plan: &Arc<dyn ExecutionPlan>) -> Result<Piece, SparkError> {
    let known = if let Some(range) = plan.downcast_ref::<RangeExec>() {
        let tasks = range.runs().iter().map(|run| vec![Input::Run(*run)]).collect();
        Ok(piece((LeafKind::Range, plan), shape(plan), tasks))
    } else if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        source(plan, scan)
    } else if let Some(scan) = plan.downcast_ref::<TextScanExec>() {
        text(plan, scan)
    } else if plan.is::<EmptyExec>() {
        Ok(bare(shape(plan), plan))
    } else if plan.is::<PlaceholderRowExec>() {
        Ok(bare(Arc::new(PlaceholderRowExec::new(plan.schema())), plan))
    } else {
        return Err(SparkError::unsupported(format!("{} in a distributed plan", plan.name())));
    };
    known.map_err(|error| spark_error(&error))
}

/// What says the schema of a leaf.
pub(crate) fn shape(plan: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    Arc::new(EmptyExec::new(plan.schema()))
}

fn piece(
    (kind, plan): (LeafKind, &Arc<dyn ExecutionPlan>),
    shape: Arc<dyn ExecutionPlan>,
    tasks: Vec<Vec<Input>>,
) -> Piece {
    let leaf = LeafExec::new(kind, shape, Known::of(plan));
    Piece { plan: Arc::new(leaf), tasks, parents: Vec::new() }
}

/// A leaf whose tasks are all alike.
fn bare(one: Arc<dyn ExecutionPlan>, plan: &Arc<dyn ExecutionPlan>) -> Piece {
    let count = plan.output_partitioning().partition_count().max(1);
    Piece { plan: one, tasks: vec![Vec::new(); count], parents: Vec::new() }
}

fn source(plan: &Arc<dyn ExecutionPlan>, scan: &DataSourceExec) -> Result<Piece> {
    if let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() {
        return files(plan, config);
    }
    if let Some(memory) = scan.data_source().downcast_ref::<MemorySourceConfig>() {
        return rows(plan, memory);
    }
    exec_err!("a scan of an unknown source cannot be sent to executors: {scan:?}")
}

fn text(plan: &Arc<dyn ExecutionPlan>, scan: &TextScanExec) -> Result<Piece> {
    let kind = LeafKind::Text(Box::new(scan.scan().clone()), scan.limit());
    let tasks = scan.groups().iter().map(task).collect::<Result<_>>()?;
    Ok(piece((kind, plan), shape(plan), tasks))
}

/// The files of one task.
fn task(group: &FileGroup) -> Result<Vec<Input>> {
    // Statistics served the planner; an executor has no use for them.
    let bare = group.files().iter().cloned().map(|mut file| {
        file.statistics = None;
        file
    });
    Ok(vec![Input::Files(codec::encode_files(&FileGroup::new(bare.collect()))?)])
}

fn files(plan: &Arc<dyn ExecutionPlan>, config: &FileScanConfig) -> Result<Piece> {
    if config.file_groups.is_empty() {
        return Ok(bare(shape(plan), plan));
    }
    let tasks = config.file_groups.iter().map(task).collect::<Result<_>>()?;
    let schema = config.file_source().table_schema().table_schema();
    let statistics = Statistics::new_unknown(schema);
    let scan = FileScanConfigBuilder::from(config.clone())
        .with_file_groups(vec![FileGroup::new(Vec::new())])
        .with_statistics(statistics)
        .with_output_ordering(Vec::new())
        .build();
    Ok(piece((LeafKind::Files, plan), DataSourceExec::from_data_source(scan), tasks))
}

fn rows(plan: &Arc<dyn ExecutionPlan>, memory: &MemorySourceConfig) -> Result<Piece> {
    let schema = plan.schema();
    let task = |batches: &Vec<RecordBatch>| {
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        // A limit that the optimizer moved into the scan holds for each partition; the task would not know of it.
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

//! The node that reads files of text: a leaf of a plan, whose tasks each read some files or parts of them.

use super::csv_rows::CsvRows;
use super::json_rows::JsonRows;
use super::lines::{Lines, is_compressed};
use super::rows::{Rows, check_length};
use super::values::Values;
use super::{Mode, Plain, TextFormat, TextScan};
use crate::Location;
use crate::node::unordered;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics, exec_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::FileGroup;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::PlanProperties;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, SendableRecordBatchStream,
};
use errors::condition;
use futures::stream;
use plan::SparkError;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches on their way from the thread that reads.
const AHEAD: usize = 2;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct TextScanExec {
    scan: TextScan,
    groups: Vec<FileGroup>,
    statistics: Statistics,
    /// Rows that one task has to yield, at most.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TextScanExec {
    /// One task for each group of files.
    pub(crate) fn new(scan: TextScan, groups: Vec<FileGroup>, schema: SchemaRef) -> Self {
        let partitioning = Partitioning::UnknownPartitioning(groups.len());
        let statistics = Statistics::new_unknown(&schema);
        let properties = unordered(schema, partitioning);
        let metrics = ExecutionPlanMetricsSet::new();
        Self { scan, groups, statistics, limit: None, properties, metrics }
    }

    /// The scan, of whose rows this is known.
    pub(crate) fn with_statistics(self, statistics: Statistics) -> Self {
        Self { statistics, ..self }
    }

    /// The scan, of which each task yields at most `limit` rows.
    #[must_use]
    pub(crate) fn with_limit(self, limit: Option<usize>) -> Self {
        Self { limit, ..self }
    }

    /// What is read, and how.
    pub(crate) fn scan(&self) -> &TextScan {
        &self.scan
    }

    /// The files of each task.
    pub(crate) fn groups(&self) -> &[FileGroup] {
        &self.groups
    }

    /// How many rows of a task are enough.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }
}

impl DisplayAs for TextScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.scan.format {
            TextFormat::Plain(_) => "text",
            TextFormat::Csv(_) => "csv",
            TextFormat::Json(_) => "json",
        };
        let schema = self.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let columns = columns.join(", ");
        write!(f, "TextScanExec: {format}, columns=[{columns}], tasks={}", self.groups.len())
    }
}

impl ExecutionPlan for TextScanExec {
    fn name(&self) -> &'static str {
        "TextScanExec"
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

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(group) = self.groups.get(partition).cloned() else {
            return internal_err!("a scan has no partition {partition}");
        };
        let batch = context.session_config().batch_size();
        let (schema, scan, limit) = (self.schema(), self.scan.clone(), self.limit);
        let counted = MetricBuilder::new(&self.metrics).output_rows(partition);
        let bytes: u64 = group.files().iter().map(PartitionedFile::effective_size).sum();
        let scanned = MetricBuilder::new(&self.metrics).counter("bytes_scanned", partition);
        scanned.add(usize::try_from(bytes).unwrap_or(usize::MAX));
        let files = located(&scan, &group, &context)?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let reader = SpawnedTask::spawn_blocking({
            let schema = Arc::clone(&schema);
            move || {
                let mut left = limit.unwrap_or(usize::MAX);
                let emit = |rows: RecordBatch| {
                    let rows = rows.slice(0, left.min(rows.num_rows()));
                    left -= rows.num_rows();
                    counted.add(rows.num_rows());
                    sender.blocking_send(Ok(rows)).is_ok() && left > 0
                };
                if let Err(error) = read(&scan, &files, schema, batch, emit) {
                    // Nobody listens to a task that was stopped.
                    let _ = sender.blocking_send(Err(error));
                }
            }
        });
        let batches =
            stream::unfold((receiver, Some(reader)), |(mut receiver, mut reader)| async {
                if let Some(next) = receiver.recv().await {
                    return Some((next, (receiver, reader)));
                }
                match reader.take()?.join().await {
                    Ok(()) => None,
                    Err(_) => {
                        Some((exec_err!("the reader of a file was stopped"), (receiver, None)))
                    }
                }
            });
        let rows = RecordBatchStreamAdapter::new(schema, Box::pin(batches));
        Ok(Box::pin(cooperative(rows)))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::new(match args.partition() {
            Some(_) => Statistics::new_unknown(&self.schema()),
            None => self.statistics.clone(),
        }))
    }
}

/// An error of ours inside one of DataFusion's.
pub(super) fn external(error: SparkError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Reads the files of a task until `emit` has enough.
fn read(
    scan: &TextScan,
    files: &[(Location, PartitionedFile)],
    schema: SchemaRef,
    batch: usize,
    mut emit: impl FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let mut decoder = Decoder::new(scan, schema)?;
    for (location, file) in files {
        let mut goes_on = || -> Result<bool> {
            let part = file.range.as_ref().filter(|_| !is_compressed(location.name()));
            let part = part.map(|r| (r.start.cast_unsigned(), r.end.cast_unsigned()));
            let mut lines = Lines::open(location, part, decoder.line_sep())?;
            decoder.begin(&mut lines, part.is_none_or(|(start, _)| start == 0))?;
            loop {
                let more = decoder.read(&mut lines)?;
                if (!more || decoder.rows().is_full(batch))
                    && let Some(rows) = decoder.rows().finish(&file.partition_values)?
                    && !emit(rows)
                {
                    return Ok(false);
                }
                if !more {
                    return Ok(true);
                }
            }
        };
        if !goes_on().map_err(|error| in_file(location, error))? {
            break;
        }
    }
    Ok(())
}

/// The files of a task, with their places.
fn located(
    scan: &TextScan,
    group: &FileGroup,
    context: &TaskContext,
) -> Result<Vec<(Location, PartitionedFile)>> {
    let (store, runtime) = (ObjectStoreUrl::parse(&scan.store)?, context.runtime_env());
    let located =
        |file: &PartitionedFile| Ok((Location::of_file(&store, file, &runtime)?, file.clone()));
    group.files().iter().map(located).collect()
}

/// An error that says where it happened, unless it says more.
fn in_file(location: &Location, error: DataFusionError) -> DataFusionError {
    if functions::raised(&error).is_some() {
        return error;
    }
    let class = match error.find_root() {
        DataFusionError::IoError(io) if io.kind() == std::io::ErrorKind::NotFound => {
            condition::FAILED_READ_FILE_FILE_NOT_EXIST
        }
        _ => condition::FAILED_READ_FILE_NO_HINT,
    };
    let message = format!("Encountered error while reading file {location}. {error}");
    functions::run_time_error(class, message)
}

/// Rows out of the lines of one format.
#[derive(Debug)]
enum Decoder {
    Plain { plain: Plain, rows: Rows, done: bool },
    Csv(Box<CsvRows>, Option<String>),
    Json(Box<JsonRows>, Option<String>),
}

impl Decoder {
    fn new(scan: &TextScan, schema: SchemaRef) -> Result<Self> {
        Ok(match &scan.format {
            TextFormat::Plain(plain) => {
                let rows = Rows::new(scan, Mode::Permissive, schema)?;
                Self::Plain { plain: plain.clone(), rows, done: false }
            }
            TextFormat::Csv(csv) => {
                let separator = csv.records.line_sep.clone();
                Self::Csv(Box::new(CsvRows::new(scan, csv, schema)?), separator)
            }
            TextFormat::Json(json) => {
                let separator = json.records.line_sep.clone();
                Self::Json(Box::new(JsonRows::new(scan, json, schema)?), separator)
            }
        })
    }

    fn line_sep(&self) -> Option<&str> {
        match self {
            Self::Plain { plain, .. } => plain.line_sep.as_deref(),
            Self::Csv(_, separator) | Self::Json(_, separator) => separator.as_deref(),
        }
    }

    fn rows(&mut self) -> &mut Rows {
        match self {
            Self::Plain { rows, .. } => rows,
            Self::Csv(csv, _) => &mut csv.rows,
            Self::Json(json, _) => &mut json.rows,
        }
    }

    fn begin(&mut self, lines: &mut Lines, at_start: bool) -> Result<()> {
        match self {
            Self::Plain { done, .. } => *done = false,
            Self::Csv(csv, _) if at_start => csv.skip_header(lines)?,
            Self::Csv(..) => {}
            Self::Json(json, _) => json.begin(),
        }
        Ok(())
    }

    /// Reads the next record. False at the end of the file or of the part.
    fn read(&mut self, lines: &mut Lines) -> Result<bool> {
        match self {
            Self::Csv(csv, _) => csv.read(lines),
            Self::Json(json, _) => json.read(lines),
            Self::Plain { plain, rows, done } => {
                let line = if !plain.whole {
                    lines.next()?
                } else if std::mem::replace(done, true) {
                    None
                } else {
                    Some(lines.whole()?)
                };
                let Some(line) = line else { return Ok(false) };
                check_length(line)?;
                for (_, values) in rows.fields() {
                    match values {
                        Values::Text(builder) => {
                            builder.append_value(String::from_utf8_lossy(line));
                        }
                        other => other.push_null(),
                    }
                }
                rows.end(line, false)?;
                Ok(true)
            }
        }
    }
}

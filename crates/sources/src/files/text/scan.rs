//! Plan node that scans text files: a leaf whose tasks each read some files or parts of files.

use super::csv;
use super::lines::{Lines, is_compressed};
use super::plain::Plain;
use super::specification::{TextFormat, TextScan, failed};
use crate::Location;
use crate::properties::unordered;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
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
use formats::csv::CsvReader;
use formats::json::{JsonReader, Root};
use formats::records::Mode;
use formats::rows::Origin;
use formats::rows::{Rows, check_length};
use formats::values::Values;
use functions::IntoExternal;
use futures::stream;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches buffered between the reading thread and the task.
const AHEAD: usize = 2;

/// A scan (see the module).
#[derive(Debug, Clone)]
pub(crate) struct TextScanExec {
    scan: TextScan,
    groups: Vec<FileGroup>,
    statistics: Statistics,
    /// Limit on the rows of a task.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl TextScanExec {
    /// Creates a scan with one task per group of files.
    pub(crate) fn new(scan: TextScan, groups: Vec<FileGroup>, schema: SchemaRef) -> Self {
        let partitioning = Partitioning::UnknownPartitioning(groups.len());
        let statistics = Statistics::new_unknown(&schema);
        let properties = unordered(schema, partitioning);
        let metrics = ExecutionPlanMetricsSet::new();
        Self { scan, groups, statistics, limit: None, properties, metrics }
    }

    /// The scan, with statistics.
    pub(crate) fn with_statistics(self, statistics: Statistics) -> Self {
        Self { statistics, ..self }
    }

    /// The scan, with a limit on the rows of each task.
    #[must_use]
    pub(crate) fn with_limit(self, limit: Option<usize>) -> Self {
        Self { limit, ..self }
    }

    /// The specification of the scan.
    pub(crate) fn scan(&self) -> &TextScan {
        &self.scan
    }

    /// Files by task.
    pub(crate) fn groups(&self) -> &[FileGroup] {
        &self.groups
    }

    /// Limit on the rows of a task.
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
                    // Nobody receives from a task that was stopped.
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

/// Reads the files of a task until `emit` has enough rows.
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
            let mut lines = Lines::open(location, part, decoder.separator.as_deref())?;
            decoder.begin(&mut lines, part.is_none_or(|(start, _)| start == 0))?;
            loop {
                let more = decoder.read(&mut lines)?;
                if (!more || decoder.rows.is_full(batch))
                    && let Some(rows) = decoder.finish(file)?
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

/// The files of a task, with their locations.
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

/// Adds the file to an error, unless that is already more specific.
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

/// Decoder from the lines of a format to rows.
#[derive(Debug)]
struct Decoder {
    rows: Rows,
    format: Format,
    separator: Option<String>,
    /// Whether the file that is read as a whole has been.
    done: bool,
}

#[derive(Debug)]
enum Format {
    Plain(Plain),
    Csv(Box<CsvReader>),
    Json { reader: Box<JsonReader>, multi_line: bool },
}

impl Decoder {
    fn new(scan: &TextScan, schema: SchemaRef) -> Result<Self> {
        let records = scan.format.records();
        let mode = records.map_or(Mode::Permissive, |records| records.mode);
        let rows = Rows::new(&scan.origins, mode, Arc::clone(&schema)).map_err(failed)?;
        let (format, separator) = match &scan.format {
            TextFormat::Plain(plain) => (Format::Plain(plain.clone()), plain.line_sep.clone()),
            TextFormat::Csv(csv) => {
                let reader = CsvReader::new(csv, scan.width, &rows);
                let reader = reader.map_err(IntoExternal::into_external)?;
                (Format::Csv(Box::new(reader)), csv.records.line_sep.clone())
            }
            TextFormat::Json(json) => {
                let columns = schema.fields().iter().zip(&scan.origins);
                let fields = columns.filter(|(_, origin)| matches!(origin, Origin::Field(_)));
                let names = fields.map(|(field, _)| field.name().as_str());
                let reader = JsonReader::new(json, Root::Rows, names);
                let reader = Box::new(reader.map_err(IntoExternal::into_external)?);
                let multi_line = json.records.multi_line;
                (Format::Json { reader, multi_line }, json.records.line_sep.clone())
            }
        };
        Ok(Self { rows, format, separator, done: false })
    }

    fn begin(&mut self, lines: &mut Lines, at_start: bool) -> Result<()> {
        self.done = false;
        match &mut self.format {
            Format::Csv(reader) if at_start => Ok(csv::skip_header(reader, lines)?),
            Format::Csv(_) | Format::Plain(_) | Format::Json { .. } => Ok(()),
        }
    }

    /// Reads the next record. Returns false at the end of the file or part.
    fn read(&mut self, lines: &mut Lines) -> Result<bool> {
        let is_whole = match &self.format {
            Format::Plain(plain) => plain.whole,
            Format::Json { multi_line, .. } => *multi_line,
            Format::Csv(_) => false,
        };
        if let Format::Csv(reader) = &mut self.format {
            return csv::read(reader, lines, &mut self.rows).map_err(failed);
        }
        let record = if !is_whole {
            lines.next()?
        } else if std::mem::replace(&mut self.done, true) {
            None
        } else {
            Some(lines.whole()?)
        };
        let Some(record) = record else { return Ok(false) };
        match &mut self.format {
            Format::Json { reader, .. } => reader.read(record, &mut self.rows).map_err(failed)?,
            Format::Plain(_) | Format::Csv(_) => push_line(record, &mut self.rows)?,
        }
        Ok(true)
    }

    /// The rows so far, with the values of the file's directory names.
    fn finish(&mut self, file: &PartitionedFile) -> Result<Option<RecordBatch>> {
        let given = |at: usize, rows: usize| match file.partition_values.get(at) {
            Some(value) => {
                value.to_array_of_size(rows).map_err(|e| ArrowError::ExternalError(Box::new(e)))
            }
            None => Err(ArrowError::SchemaError("a file lacks a partition value".to_owned())),
        };
        self.rows.finish(given).map_err(failed)
    }
}

/// Appends a line of plain text.
fn push_line(line: &[u8], rows: &mut Rows) -> Result<()> {
    check_length(line).map_err(failed)?;
    for (_, values) in rows.fields() {
        match values {
            Values::Text(builder) => builder.append_value(String::from_utf8_lossy(line)),
            other => other.push_null(),
        }
    }
    rows.end(line, false).map_err(failed)
}

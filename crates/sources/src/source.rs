//! The interfaces for reading and writing rows.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::catalog::TableProvider;
use datafusion::common::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::ExecutionPlan;
use model::conf::Conf;
use plan::{Field, ScanOptions, SparkError, Write};
use std::fmt;
use std::sync::Arc;

/// A kind of storage to read from or write to: what `format("csv")` names.
///
/// # Expected flow
///
/// *Reading.* The driver calls [`Source::open`] once per relation. The resulting table takes part
/// in planning: it provides its schema and statistics and is asked for a scan, with the columns,
/// filters and limit that the optimizer pushes down; filters it does not accept are evaluated above
/// it. When a stage is cut, [`Source::split`] divides the scan into what all tasks share and what
/// each task reads. Each task calls [`Source::bind`] with both and runs the resulting plan.
///
/// *Writing.* The driver calls [`Source::sink`]; see [`Sink`]. Each task calls
/// [`Source::task_sink`] with the result of [`Sink::task`].
///
/// # Guarantees of a source
///
/// - A bound scan yields the rows that the driver's plan promised, in columns of the same types,
///   whenever it is run. If the data may have changed since, it fails instead.
/// - **Identity.** The result of [`Source::split`] names everything that the rows depend on (for
///   files: path, size and modification time), because fingerprints are derived from it: equal
///   bytes mean that previously written rows are reused.
/// - Neither part contains credentials: both are stored, displayed and logged.
///
/// # Assumptions
///
/// Driver and executors have the same version; what is encoded here is decoded by the same code. A
/// task may run several times, on several executors concurrently, and be dropped at any await.
///
/// # Errors
///
/// User errors are [`SparkError`]s with a condition; a task's failure carries one through
/// DataFusion (`IntoExternal` of `functions`).
#[async_trait::async_trait]
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// Name of the source in lower case, as programs write it.
    fn name(&self) -> &'static str;

    /// Whether a path alone says what to read, as in ``csv.`/data` ``.
    fn reads_paths(&self) -> bool {
        false
    }

    /// Determines what there is to read.
    async fn open(&self, read: ReadRequest<'_>) -> Result<SourceTable, SparkError>;

    /// Takes apart a scan of a table of this source; `None` if it belongs to another source.
    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Split>>;

    /// Reassembles a scan for one of its partitions: a plan with exactly one partition, which
    /// returns the columns of `shape`. `shape` is that of the split.
    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        partition: &Bytes,
    ) -> PlanResult<Arc<dyn ExecutionPlan>>;

    /// Prepares a write; `None` if its mode leaves existing data alone.
    async fn sink(&self, write: WriteRequest<'_>) -> Result<Option<Box<dyn Sink>>, SparkError>;

    /// Creates a task's side of a write of rows with this schema.
    fn task_sink(
        &self,
        spec: &str,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> PlanResult<Box<dyn TaskSink>>;
}

/// Request to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest<'a> {
    /// Paths, options, and the schema if the program gave one; text has already been parsed.
    pub scan: &'a ScanOptions,
    /// The settings of the session.
    pub conf: &'a Conf,
    /// Number of task slots: the default parallelism if the settings give none.
    pub slots: u32,
    /// Runtime to look up object stores by URL.
    pub runtime: &'a RuntimeEnv,
}

/// Request to write.
#[derive(Debug, Clone, Copy)]
pub struct WriteRequest<'a> {
    /// Target, mode, options, partition columns.
    pub write: &'a Write,
    /// Spark's schema of the rows.
    pub schema: &'a [Field],
    /// The settings of the session.
    pub conf: &'a Conf,
    /// Runtime to look up object stores by URL.
    pub runtime: &'a RuntimeEnv,
}

/// A relation that can be read.
#[derive(Debug)]
pub struct SourceTable {
    /// Spark's schema.
    pub schema: Vec<Field>,
    /// Provider of the rows; its columns are those of `schema` and, of files, all of
    /// [`FileColumn`](crate::FileColumn).
    pub provider: Arc<dyn TableProvider>,
    /// The files, as URIs, if it consists of files.
    pub files: Vec<String>,
}

/// A scan, taken apart.
#[derive(Debug)]
pub struct Split {
    /// The specification shared by all tasks, apart from the shape.
    pub spec: String,
    /// A plan with the scan's schema, possibly without columns, that DataFusion can encode; an
    /// empty plan of that schema will do.
    pub shape: Arc<dyn ExecutionPlan>,
    /// Encoded input of each task.
    pub partitions: Vec<Bytes>,
}

/// The driver's side of a write.
///
/// # Expected flow
///
/// [`Sink::begin`] comes before the first task; then a job, whose tasks each write their part with
/// a [`TaskSink`]; finally [`Sink::commit`] with the results of the attempts that count, or
/// [`Sink::abort`].
///
/// # Guarantees of a sink
///
/// - Nothing is visible at the target before [`Sink::commit`]. A write that fails before leaves the
///   target unchanged.
/// - Of several attempts of a task, only the one whose result is passed to [`Sink::commit`] counts.
/// - [`Sink::abort`] may be called at any time after [`Sink::begin`], even after a failed commit,
///   and while abandoned tasks still write.
#[async_trait::async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// The specification of the write for its tasks.
    fn task(&self) -> String;

    /// Prepares the target for tasks.
    async fn begin(&self) -> Result<(), SparkError>;

    /// Makes the rows visible. `written` has the result of each task's [`TaskSink::commit`],
    /// ordered by partition.
    async fn commit(&self, written: &[Bytes]) -> Result<(), SparkError>;

    /// Removes everything the write has created.
    async fn abort(&self);
}

/// A task's side of a write, used on a thread that may block, within the runtime.
///
/// Rows are written until [`TaskSink::commit`]; if dropped before, because the task failed or was
/// cancelled, the sink removes what it wrote.
pub trait TaskSink: Send {
    /// Appends rows.
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()>;

    /// Ends the attempt; returns what [`Sink::commit`] needs to know about it.
    fn commit(self: Box<Self>) -> PlanResult<Bytes>;
}

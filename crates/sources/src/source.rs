//! The doors by which rows come in and go out.

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

/// A kind of place that rows come from or go to: what `format("csv")` names.
///
/// # Flow
///
/// *Reading.* The driver calls [`Source::open`] once for a relation. The table that comes out takes
/// part in planning: it tells its schema and statistics and is asked for a scan with the columns,
/// the filters and the limit that the optimizer gives it; filters that it does not take are
/// computed above it. When a stage is cut, [`Source::split`] takes that scan apart into what all
/// tasks share and what each reads. Each task calls [`Source::bind`] with both and runs the plan
/// that comes out.
///
/// *Writing.* The driver calls [`Source::sink`]; see [`Sink`]. Each task calls
/// [`Source::task_sink`] with what [`Sink::task`] said.
///
/// # Guarantees of a source
///
/// - A scan that is bound yields the rows that the driver's plan promised, in columns of the same
///   types, each time it is run. A source whose data may change under it fails instead.
/// - **Identity.** What [`Source::split`] returns names everything that the rows depend on (for
///   files: path, size and time of change), because fingerprints are made of it: equal bytes mean
///   that the rows written before are used again.
/// - Neither part holds a credential: both are kept, shown and logged.
///
/// # Assumptions
///
/// Driver and executors are one version; what is encoded here is read by the same code. A task may
/// run several times, on several executors at once, and be dropped at any await.
///
/// # Errors
///
/// What a user did wrong is a [`SparkError`] of a condition; a task's failure carries one through
/// DataFusion (`IntoExternal` of `functions`).
#[async_trait::async_trait]
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The name in lower case, as programs write it.
    fn name(&self) -> &'static str;

    /// Finds out what there is to read.
    async fn open(&self, read: ReadRequest<'_>) -> Result<SourceTable, SparkError>;

    /// Takes the scan of a table of this source apart; `None` if the scan is another's.
    fn split(&self, scan: &Arc<dyn ExecutionPlan>) -> PlanResult<Option<Split>>;

    /// Puts a scan together for one partition of it. `shape` is that of the split.
    fn bind(
        &self,
        spec: &str,
        shape: &Arc<dyn ExecutionPlan>,
        partition: &Bytes,
    ) -> PlanResult<Arc<dyn ExecutionPlan>>;

    /// Prepares a write; `None` if its mode says that what is there stays.
    async fn sink(&self, write: WriteRequest<'_>) -> Result<Option<Box<dyn Sink>>, SparkError>;

    /// A task's part of a write of rows of that schema.
    fn task_sink(
        &self,
        spec: &str,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> PlanResult<Box<dyn TaskSink>>;
}

/// What a program asks to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest<'a> {
    /// Paths, options, and the schema if the program gave one; one given as text is parsed before.
    pub scan: &'a ScanOptions,
    /// The settings of the session.
    pub conf: &'a Conf,
    /// Task slots: the default parallelism where the settings name none.
    pub slots: u32,
    /// Where stores are found by URL.
    pub runtime: &'a RuntimeEnv,
}

/// What a program asks to write.
#[derive(Debug, Clone, Copy)]
pub struct WriteRequest<'a> {
    /// Target, mode, options, partition columns.
    pub write: &'a Write,
    /// Spark's schema of the rows.
    pub schema: &'a [Field],
    /// The settings of the session.
    pub conf: &'a Conf,
    /// Where stores are found by URL.
    pub runtime: &'a RuntimeEnv,
}

/// Something that can be read.
#[derive(Debug)]
pub struct SourceTable {
    /// Spark's schema.
    pub schema: Vec<Field>,
    /// The rows; its columns are those of `schema`.
    pub provider: Arc<dyn TableProvider>,
    /// The files, as URIs, if it is made of files.
    pub files: Vec<String>,
}

/// A scan, taken apart.
#[derive(Debug)]
pub struct Split {
    /// What all tasks share, beside the shape.
    pub spec: String,
    /// A plan that DataFusion's encoding holds and that has the scan's schema.
    pub shape: Arc<dyn ExecutionPlan>,
    /// What each task reads.
    pub partitions: Vec<Bytes>,
}

/// The driver's side of a write.
///
/// # Flow
///
/// [`Sink::begin`] before the first task; then a job whose tasks each write their part by a
/// [`TaskSink`]; then [`Sink::commit`] with what the attempts that count said, or [`Sink::abort`].
///
/// # Guarantees of a sink
///
/// - Nothing is seen at the target before [`Sink::commit`]. A write that fails before it leaves the
///   target as it was.
/// - Of several attempts of a task only the one whose words are given to [`Sink::commit`] counts.
/// - [`Sink::abort`] may be called at any time after [`Sink::begin`], also after a failed commit,
///   while tasks that nobody waits for still write.
#[async_trait::async_trait]
pub trait Sink: fmt::Debug + Send + Sync {
    /// What each task is told.
    fn task(&self) -> String;

    /// Makes ready for tasks.
    async fn begin(&self) -> Result<(), SparkError>;

    /// Makes the rows visible. `written` is what each task's [`TaskSink::commit`] returned, in
    /// order of the partitions.
    async fn commit(&self, written: &[Bytes]) -> Result<(), SparkError>;

    /// Removes what the write has made.
    async fn abort(&self);
}

/// A task's side of a write: on a thread that may block, within the runtime.
///
/// Rows come until [`TaskSink::commit`]; one that is dropped before, because the task failed or was
/// cancelled, removes what it wrote.
pub trait TaskSink: Send {
    /// Takes rows.
    fn write(&mut self, rows: &RecordBatch) -> PlanResult<()>;

    /// Ends the attempt, and says what [`Sink::commit`] has to know of it.
    fn commit(self: Box<Self>) -> PlanResult<Bytes>;
}

//! The driver's view of a query: stages, tasks, and what each reads and writes. The plans
//! themselves are opaque to the driver: bytes written and read by this crate.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use errors::{Exception, condition};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use model::{CacheId, Fingerprint, MapOutput, ResourceProfile, ShuffleId};
use plan::{Literal, SparkError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One action, cut into stages. Parents precede the stages that read them. The last stage is the
/// result stage; or it is a map stage, whose outputs are then all that is wanted.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The stages. A map stage with several readers appears once.
    pub stages: Vec<StagePlan>,
    /// The result partitions to compute: all of them, except for a `take`.
    pub result_partitions: Vec<u32>,
    /// Whether each task of the result stage starts at most once, because what it does must not be
    /// done twice. Any failure of one fails the job.
    pub single_attempt: bool,
    /// The caches that it stores or reads, each with the shuffle that holds its rows.
    pub kept: Vec<(CacheId, ShuffleId)>,
}

/// One stage: the plan of its tasks, and their inputs.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// Identity of its result. For a map stage, also the identity of its shuffle.
    pub fingerprint: Fingerprint,
    /// The encoded plan of one task, sent to each executor once. Its leaves are placeholders.
    pub template: Bytes,
    /// Encoded inputs of the leaves by task; empty if the partition's index is enough. The length
    /// is the number of tasks.
    pub bindings: Vec<Bytes>,
    /// Map stages that it reads, as indices in `JobPlan::stages`, in order of first use.
    pub parents: Vec<usize>,
    /// Output of its tasks.
    pub output: StageOutput,
    /// Whether each attempt of a task yields the same rows (in any order).
    pub deterministic: bool,
    /// Whether all its tasks have to run at once.
    pub barrier: bool,
    /// What its tasks and their executors need, if that is not as the settings say.
    pub profile: ResourceProfile,
    /// How long it may take from its first launch, if a broadcast waits for it.
    pub time_limit: Option<Duration>,
    /// Schema of the rows that it yields.
    pub schema: SchemaRef,
    /// Short description for users: the names of its operators.
    pub label: String,
}

/// Output of a stage's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageOutput {
    /// A map output per task, with one block per reader partition.
    Shuffle {
        /// Number of reader partitions.
        readers: u32,
    },
    /// Rows, sent to the driver.
    Rows,
}

impl StagePlan {
    /// Number of tasks.
    pub fn partitions(&self) -> u32 {
        u32::try_from(self.bindings.len()).expect("a stage has fewer than 2^32 tasks")
    }

    /// The shuffle that the stage writes.
    pub fn shuffle(&self) -> ShuffleId {
        ShuffleId(self.fingerprint)
    }
}

/// What the map outputs of a shuffle hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShuffleSizes {
    /// Bytes for each reader partition, as written (compressed).
    pub bytes: Vec<u64>,
    /// Number of rows in all.
    pub rows: u64,
    /// Number of map outputs.
    pub maps: u32,
}

impl ShuffleSizes {
    /// Adds up map outputs.
    pub fn of<'a>(outputs: impl IntoIterator<Item = &'a MapOutput>) -> Self {
        let mut sizes = Self::default();
        for output in outputs {
            sizes.rows += output.rows;
            sizes.maps += 1;
            if sizes.bytes.len() < output.block_bytes.len() {
                sizes.bytes.resize(output.block_bytes.len(), 0);
            }
            for (sum, bytes) in sizes.bytes.iter_mut().zip(&output.block_bytes) {
                *sum += bytes;
            }
        }
        sizes
    }
}

/// A job that has failed.
#[derive(Debug)]
pub struct Unfinished {
    /// Why.
    pub error: SparkError,
    /// The rows of each requested result partition, of those whose tasks were done.
    pub done: Vec<Option<Vec<RecordBatch>>>,
    /// Whether the program's code reported the error: then it has ended, and with this error. Else
    /// a task may have done more than is known, as its attempt was lost or stopped.
    pub reported: bool,
}

impl From<SparkError> for Unfinished {
    fn from(error: SparkError) -> Self {
        Self { error, done: Vec::new(), reported: false }
    }
}

/// Batches of rows, one after the other.
pub type BatchStream = BoxStream<'static, Result<RecordBatch, SparkError>>;

/// The rows of a job, which need not be in memory. They can be read several times.
pub struct Rows(Box<dyn Fn() -> BatchStream + Send + Sync>);

impl Rows {
    /// Rows that this function begins to read.
    pub fn new(read: impl Fn() -> BatchStream + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }

    /// Reads them from the first.
    pub fn read(&self) -> BatchStream {
        (self.0)()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rows")
    }
}

/// Runs jobs for a session; the driver implements it.
///
/// # Expected flow
///
/// A session plans, calls [`RunJob::run`], and uses the rows. It may do so several times per
/// statement: planning itself needs jobs (for the value of a scalar subquery, the bounds of a range
/// partitioning, the distinct values of a pivot), and a write is a job whose rows describe what was
/// written.
///
/// # Guarantees
///
/// - The rows of a result partition come from a single attempt of its task; each partition is
///   returned exactly once, in the order of [`JobPlan::result_partitions`]. A failed job returns
///   nothing, except from [`RunJob::run_partly`].
/// - Map stages whose outputs are known are skipped; the rows are the same.
/// - Dropping the future cancels the job; its tasks stop soon, but nobody waits for them.
///
/// # Assumptions
///
/// The plan comes from this crate: stages in order, parents before children, templates and bindings
/// that match. Executors have the same version.
///
/// # Errors
///
/// A [`SparkError`] for the program: the failure of the task that ended the job, with the condition
/// that it raised; a result that exceeds the driver's limit; the end of the application.
#[async_trait::async_trait]
pub trait RunJob: Send + Sync {
    /// Runs a job to its end; returns the rows of each requested result partition.
    async fn run(&self, job: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError>;

    /// As `run`, for rows that are read batch by batch: all of them may be more than memory.
    async fn rows(&self, job: JobPlan) -> Result<Rows, SparkError> {
        let batches: Vec<_> = self.run(job).await?.into_iter().flatten().collect();
        Ok(Rows::new(move || stream::iter(batches.clone()).map(Ok).boxed()))
    }

    /// As `run`, and once `stop` is ready the job is cancelled. If it fails, or is cancelled, also
    /// what its tasks have done, for those who must undo it.
    async fn run_partly(
        &self,
        job: JobPlan,
        stop: BoxFuture<'_, ()>,
    ) -> Result<Vec<Vec<RecordBatch>>, Unfinished> {
        tokio::select! {
            rows = self.run(job) => Ok(rows?),
            () = stop => {
                let error = SparkError::new(condition::OPERATION_CANCELED, "Job cancelled", &[]);
                Err(error.raised_as(Exception::Spark).into())
            }
        }
    }

    /// A runner of the same jobs, for work that goes on when nobody waits for it any more.
    fn detached(&self) -> Arc<dyn RunJob>;

    /// What jobs, stages and executors are doing, as JSON
    /// (`docs/decisions/0015-rdds-over-connect.md`).
    async fn application_status(&self) -> Result<String, SparkError>;

    /// Gives up a cache: what is stored of it is deleted once no job uses it.
    async fn uncache(&self, cache: CacheId) -> Result<(), SparkError>;

    /// The number of partitions of a cache that are stored, and their bytes.
    async fn stored(&self, cache: CacheId) -> Result<(u64, u64), SparkError>;

    /// How much the known map outputs of a shuffle hold.
    async fn sizes(&self, shuffle: ShuffleId) -> Result<ShuffleSizes, SparkError>;

    /// Reports the metrics of an observation.
    fn observed(&self, _name: &str, _values: Vec<(String, Literal)>) {}

    /// Number of task slots of all executors: the default parallelism unless the session sets one.
    fn slots(&self) -> u32;
}

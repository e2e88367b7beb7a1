//! What the driver needs to know of a query to run it: stages, tasks, what each reads and writes. The plans themselves are opaque
//! to it: bytes made and read by this room.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use model::{Fingerprint, ShuffleId};
use plan::{Literal, SparkError};

/// One action, cut into stages. Parents come before the stages that read them; the last one is the result stage.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// The stages. A map stage that several others read stands here once.
    pub stages: Vec<StagePlan>,
    /// Which partitions of the result stage are wanted; all of them, except for a `take`.
    pub result_partitions: Vec<u32>,
}

/// One stage: what its tasks do, and on what.
#[derive(Debug, Clone)]
pub struct StagePlan {
    /// What it computes. For a map stage this is the identity of its shuffle.
    pub fingerprint: Fingerprint,
    /// The encoded plan of one task: sent to each executor once. Its leaves are placeholders.
    pub template: Bytes,
    /// Per task, what its leaves read, encoded; empty where the partition's index says it all. Its length is the number of tasks.
    pub bindings: Vec<Bytes>,
    /// Indices in `JobPlan::stages` of the map stages it reads, in order of first use.
    pub parents: Vec<usize>,
    /// What its tasks leave behind.
    pub output: StageOutput,
    /// Whether each try of a task yields the same rows (in any order).
    pub deterministic: bool,
    /// Schema of the rows it yields.
    pub schema: SchemaRef,
    /// Short text for people: the operators in it.
    pub label: String,
}

/// What the tasks of a stage leave behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageOutput {
    /// A map output each, with one block per reader partition.
    Shuffle {
        /// Reader partitions.
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

    /// The shuffle that it writes.
    pub fn shuffle(&self) -> ShuffleId {
        ShuffleId(self.fingerprint)
    }
}

/// Runs jobs for a session; the driver implements it.
///
/// # Flow
///
/// A session plans, calls [`RunJob::run`], and uses the rows. It may do so several times for one
/// statement: planning itself needs jobs (a scalar subquery's value, the bounds of a partitioning by
/// range, the distinct values of a pivot), and a write is a job whose rows say what was written.
///
/// # Guarantees
///
/// - The rows of a result partition come from one attempt of its task, each partition exactly once,
///   in the order of [`JobPlan::result_partitions`]. Nothing is returned of a job that fails.
/// - Map stages whose outputs are known are not run; the rows are the same.
/// - Dropping the future cancels the job; its tasks end soon, without anybody waiting for them.
///
/// # Assumptions
///
/// The plan is one of this room's: stages in order, parents before children, templates and
/// bindings that fit each other. The executor's version is this one.
///
/// # Errors
///
/// A [`SparkError`] as the program is told it: the failure of the task that ended the job, with the
/// condition that it raised; a result larger than the driver takes; the end of the application.
#[async_trait::async_trait]
pub trait RunJob: Send + Sync {
    /// Runs a job to its end, and returns the rows of each wanted result partition.
    async fn run(&self, job: JobPlan) -> Result<Vec<Vec<RecordBatch>>, SparkError>;

    /// Is told the metrics of an observation.
    fn observed(&self, _name: &str, _values: Vec<(String, Literal)>) {}

    /// Task slots of all executors: the default parallelism unless the session sets one.
    fn slots(&self) -> u32;
}

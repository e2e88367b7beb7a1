//! What the event loop is told, and what it tells, in our own words: the services translate them to
//! and from messages. No channels: whoever waits for an answer is known by the number of the
//! stream, the ticket or the operation that the answer names.

use crate::rows::{Piece, Rows};
use crate::settings::Forget;
use crate::sums::Added;
use engine::{JobPlan, ShuffleSizes};
use model::executor::{AccumulatorUpdate, Registration, Report};
use model::{
    Attempt, ByteSize, CacheId, ExecutorId, ExecutorRequest, ProfileId, Properties, ShuffleId,
    StageId, TaskMetrics, VolumeId,
};
use scheduler::JobFailure;
use std::sync::Arc;

/// Something that the core is told.
#[derive(Debug, Clone)]
pub enum Message {
    /// An action is to run.
    Submit(Submission),
    /// Nobody waits for the end of this ticket's job any more.
    Abandon { ticket: u64, reason: String },
    /// Nobody looks at the progress of this operation any more.
    Unwatch { operation: u64 },
    /// An executor opened its stream.
    ExecutorAttached { serial: u64, registration: Registration },
    /// An executor says something.
    ExecutorSaid { connection: Connection, report: Report },
    /// An executor sends the next piece of what an attempt yields.
    ExecutorYields { connection: Connection, attempt: Attempt, piece: Piece },
    /// The stream of an executor ended.
    ExecutorClosed { connection: Connection, reason: String },
    /// An executor does not read its stream: what it is told finds no room.
    ExecutorStuck { connection: Connection },
    /// The cluster manager opened its stream. A later one replaces it.
    ManagerAttached { serial: u64 },
    /// The cluster manager says something.
    ManagerSaid { serial: u64, fact: FromManager },
    /// The stream of the cluster manager ended, or is not read.
    ManagerClosed { serial: u64 },
    /// Somebody asks something.
    Asked { ticket: u64, question: Question },
    /// The program has given up a cache.
    Uncache { cache: CacheId },
    /// A session is closed, and with it its caches are given up.
    SessionClosed { session: u64 },
    /// The driver is to end: all jobs are cancelled, the executors leave, the manager is told.
    End { ending: Ending },
}

/// An action to run.
#[derive(Debug, Clone)]
pub struct Submission {
    /// By which its sender names it. Unique in this process.
    pub ticket: u64,
    pub plan: JobPlan,
    /// What it is part of.
    pub operation: Operation,
}

/// What jobs belong together: those of one request.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Unique in this process.
    pub id: u64,
    /// For people.
    pub description: Arc<str>,
    /// Properties of the thread that asked for it.
    pub properties: Properties,
    /// Whether somebody looks at its progress.
    pub watched: bool,
}

/// How far an operation is: all stages of all its jobs so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub stages: Vec<StageStatus>,
}

/// How a job ended: the rows of each wanted partition, in their order, each an Arrow IPC stream.
pub type JobEnd = Result<Vec<Rows>, JobFailed>;

/// The answer to a submission: how its job ended, and what its tasks added to accumulators.
pub type JobAnswer = (JobEnd, Vec<AccumulatorUpdate>);

/// A failed job: why, and what people call its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct JobFailed {
    pub failure: JobFailure,
    /// Host of the executor that the failure names.
    pub host: Option<String>,
    /// The rows of the result partitions, of those that were done.
    pub done: Vec<Option<Rows>>,
}

/// Why an executor may not attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

/// One stream of one executor: what a replaced or broken one still says is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection {
    pub executor: ExecutorId,
    /// Number of the stream. Unique in this process.
    pub serial: u64,
}

/// What the cluster manager says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromManager {
    /// All executors that it knows.
    Executors(Vec<(ExecutorId, Fact)>),
    /// The bounds of dynamic allocation from now on.
    Bounds { min: u32, max: u32 },
    /// The driver is to end.
    Stop { reason: String },
}

/// What a manager knows of an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Starting,
    Running,
    Leaving { reason: String },
    Ended { reason: String, app_caused: bool, lost_volumes: Vec<VolumeId> },
}

/// What the cluster manager is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToManager {
    Wish {
        executors: u32,
        cores: u32,
        memory_bytes: u64,
        release: Vec<ExecutorId>,
        profiles: Vec<ProfileWish>,
    },
    Status(Status),
    Ended(Ending),
}

/// The executors that are wanted for a resource profile, beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileWish {
    pub profile: ProfileId,
    /// What it says of an executor.
    pub request: ExecutorRequest,
    pub executors: u32,
}

/// How the program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Exit code of the program.
    pub exit_code: i32,
    /// Why, if the driver itself ended it.
    pub message: String,
    /// Whether executors remove what is on the application's volumes.
    pub forget: bool,
}

impl Ending {
    /// The program came to its end.
    pub fn of_itself(exit_code: i32, forget: Forget) -> Self {
        Self { exit_code, message: String::new(), forget: forget.after(exit_code) }
    }

    /// The driver ended it.
    pub fn stopped(exit_code: i32, message: String) -> Self {
        Self { exit_code, message, forget: false }
    }
}

/// How the application stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    pub application: String,
    pub name: String,
    pub jobs: Vec<JobStatus>,
    pub executors: Vec<ExecutorStatus>,
    /// Memory of each executor.
    pub executor_memory: ByteSize,
    /// Jobs that ended and are no longer listed.
    pub forgotten_jobs: u64,
    pub connect_url: String,
}

/// What can be asked of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How the application stands.
    Status,
    /// How much of a cache is stored.
    Stored(CacheId),
    /// How much the map outputs of a shuffle hold.
    Sizes(ShuffleId),
}

/// The answer to a question of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Status(Status),
    Stored(Stored),
    Sizes(ShuffleSizes),
}

/// How much of a cache is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    pub partitions: u64,
    pub bytes: u64,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    pub job: model::JobId,
    pub state: JobState,
    pub description: Arc<str>,
    /// Properties of the thread that asked for it.
    pub properties: Properties,
    pub stages: Vec<StageStatus>,
    /// Why it failed.
    pub message: String,
}

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// How a stage of a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStatus {
    pub stage: StageId,
    pub label: Arc<str>,
    pub tasks: u32,
    pub done: u32,
    pub running: u32,
    pub failed: u32,
    pub state: StageState,
    /// Of all attempts that ended.
    pub metrics: TaskMetrics,
    /// What its tasks have added to accumulators.
    pub added: Arc<Added>,
}

/// State of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageState {
    Waiting,
    Running,
    Done,
    /// Its output was there already.
    Skipped,
    Failed,
    /// Its job ended before it did.
    Cancelled,
}

/// How an executor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorStatus {
    pub executor: ExecutorId,
    pub host: String,
    /// Where its peers fetch blocks: `host:port`.
    pub address: String,
    pub slots: u32,
    pub running_tasks: u32,
    pub finished_tasks: u64,
    pub failed_tasks: u64,
    pub alive: bool,
    pub profile: ProfileId,
}

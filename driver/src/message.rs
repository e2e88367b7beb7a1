//! What the event loop is told, and what it tells, in our own words: the services translate them to and from messages.

use crate::settings::Forget;
use bytes::Bytes;
use engine::JobPlan;
use model::{
    Attempt, ExecutorId, MapOutput, ShuffleId, StageId, TaskFailure, TaskMetrics, VolumeId,
};
use scheduler::JobFailure;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Messages that may wait for the event loop. Whoever sends more waits; the event loop itself waits for nobody.
pub(crate) const INBOX_LIMIT: usize = 4096;

/// Messages that may wait for one executor. One that does not read its stream that long counts as gone.
pub(crate) const OUTBOX_LIMIT: usize = 1024;

/// The way into the event loop.
pub(crate) type Inbox = mpsc::Sender<Message>;

/// What the event loop is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// An action is to run.
    Submit(Submission),
    /// Nobody waits for the answer of this ticket any more.
    Abandon { ticket: u64, reason: String },
    /// An executor opened its stream.
    ExecutorAttached {
        registration: Registration,
        outbox: mpsc::Sender<ToExecutor>,
        answer: oneshot::Sender<Result<Connection, Refusal>>,
    },
    /// An executor says something.
    ExecutorSaid { connection: Connection, report: Report },
    /// The cluster manager opened its stream. A later one replaces it.
    ManagerAttached { serial: u64, outbox: mpsc::Sender<ToManager> },
    /// The cluster manager says something.
    ManagerSaid { serial: u64, fact: FromManager },
    /// Somebody asks how the application stands.
    StatusAsked { answer: oneshot::Sender<Status> },
    /// The driver is to end: all jobs are cancelled, the executors leave, the manager is told.
    End { ending: Ending, done: oneshot::Sender<()> },
}

/// An action to run.
#[derive(Debug)]
pub(crate) struct Submission {
    /// By which its sender names it. Unique in this process.
    pub ticket: u64,
    pub plan: JobPlan,
    /// What it is part of.
    pub operation: Operation,
    pub answer: oneshot::Sender<JobEnd>,
}

/// What jobs belong together: those of one request.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// Unique in this process.
    pub id: u64,
    /// For people.
    pub description: Arc<str>,
    /// Where its progress is shown, if anywhere.
    pub progress: Option<Arc<watch::Sender<Progress>>>,
}

/// How far an operation is: all stages of all its jobs so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub stages: Vec<StageStatus>,
}

/// How a job ended: the rows of each wanted partition, in their order, each an Arrow IPC stream.
pub(crate) type JobEnd = Result<Vec<Bytes>, JobFailed>;

/// A failed job: why, and what people call its parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobFailed {
    pub failure: JobFailure,
    /// Host of the executor that the failure names.
    pub host: Option<String>,
}

/// How an executor introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub executor: ExecutorId,
    pub host: String,
    pub slots: u32,
    /// Where its peers and the driver fetch blocks.
    pub block_address: String,
    /// The volumes that it mounts and what they hold.
    pub volumes: Vec<(VolumeId, Vec<MapOutput>)>,
}

/// Why an executor may not attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal(pub String);

/// One stream of one executor: what a replaced or broken one still says is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Connection {
    pub executor: ExecutorId,
    pub serial: u64,
}

/// What an executor says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    Heartbeat,
    Ends(Vec<TaskEnd>),
    /// The next bytes of the rows of a result task that has not ended.
    Part {
        attempt: Attempt,
        bytes: Bytes,
    },
    /// It was told to end, and will when what it runs has ended.
    Decommission {
        reason: String,
    },
    /// Its stream ended.
    Closed {
        reason: String,
    },
}

/// An attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskEnd {
    pub attempt: Attempt,
    pub outcome: Outcome,
    pub metrics: TaskMetrics,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Wrote(MapOutput),
    /// Rows as an Arrow IPC stream, or what of it has not come in parts before.
    Yielded(Bytes),
    Failed(TaskFailure),
}

/// What an executor is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToExecutor {
    Welcome { heartbeat: Duration, timeout: Duration },
    Work(Work),
    Leave { reason: String, forget: bool },
}

/// What an executor is to do, to be taken in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Work {
    pub stages: Vec<Arc<Stage>>,
    pub outputs: Vec<Arc<Located>>,
    /// Map outputs whose files are to be removed, if they are still those of that attempt.
    pub discards: Vec<MapOutput>,
    pub launches: Vec<Launch>,
    pub cancels: Vec<(Attempt, String)>,
    /// Stages whose plans can be forgotten.
    pub forget: Vec<StageId>,
}

impl Work {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { stages, outputs, discards, launches, cancels, forget } = self;
        stages.is_empty()
            && outputs.is_empty()
            && discards.is_empty()
            && launches.is_empty()
            && cancels.is_empty()
            && forget.is_empty()
    }
}

/// What the tasks of a stage do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub id: StageId,
    pub template: Bytes,
    /// The shuffle that it writes and its number of readers; `None` for a result stage.
    pub writes: Option<(ShuffleId, u32)>,
    pub inputs: Vec<ShuffleId>,
}

/// Where all map outputs of a shuffle are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub shuffle: ShuffleId,
    pub generation: u64,
    /// In map order, each with the addresses that serve it.
    pub outputs: Vec<(MapOutput, Vec<String>)>,
}

/// An attempt to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub attempt: Attempt,
    pub binding: Bytes,
}

/// What the cluster manager says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromManager {
    /// All executors that it knows.
    Executors(Vec<(ExecutorId, Fact)>),
    Stop {
        reason: String,
    },
    /// Its stream ended.
    Closed,
}

/// What a manager knows of an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    Starting,
    Running,
    Leaving { reason: String },
    Ended { reason: String, app_caused: bool, lost_volumes: Vec<VolumeId> },
}

/// What the cluster manager is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToManager {
    Wish { executors: u32, cores: u32, memory_bytes: u64, release: Vec<ExecutorId> },
    Status(Status),
    Ended(Ending),
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
pub(crate) struct Status {
    pub application: String,
    pub name: String,
    pub jobs: Vec<JobStatus>,
    pub executors: Vec<ExecutorStatus>,
    /// Jobs that ended and are no longer listed.
    pub forgotten_jobs: u64,
    pub connect_url: String,
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobStatus {
    pub job: model::JobId,
    pub state: JobState,
    pub description: Arc<str>,
    pub stages: Vec<StageStatus>,
    /// Why it failed.
    pub message: String,
}

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// How a stage of a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageStatus {
    pub stage: StageId,
    pub label: Arc<str>,
    pub tasks: u32,
    pub done: u32,
    pub running: u32,
    pub failed: u32,
    pub state: StageState,
    /// Of all attempts that ended.
    pub metrics: TaskMetrics,
}

/// State of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageState {
    Waiting,
    Running,
    Done,
    /// Its output was there already.
    Skipped,
    Failed,
}

/// How an executor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutorStatus {
    pub executor: ExecutorId,
    pub host: String,
    pub slots: u32,
    pub running_tasks: u32,
    pub finished_tasks: u64,
    pub failed_tasks: u64,
    pub alive: bool,
}

//! What the scheduler is told, and what it tells.

use model::{
    Attempt, BlockProblem, ExecutorId, JobId, MapOutput, ShuffleId, StageId, TaskFailure, VolumeId,
};
use std::collections::BTreeSet;

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An executor is there with free slots and the volumes that it mounts. Said again of one that is known, it updates both.
    ExecutorRegistered {
        /// Which.
        executor: ExecutorId,
        /// Tasks that it can run at once.
        slots: u32,
        /// Volumes whose map outputs it can read and serve, and where it writes its own. Without any it gets no tasks.
        volumes: BTreeSet<VolumeId>,
    },
    /// An executor is gone.
    ExecutorLost {
        /// Which.
        executor: ExecutorId,
        /// Whether the program caused it (a crash, out of memory), so that its tasks count a failure.
        app_caused: bool,
        /// What happened, for people.
        reason: String,
    },
    /// A volume is gone with all that it held, as one step.
    VolumeLost {
        /// Which.
        volume: VolumeId,
    },
    /// Map outputs were found on a volume (at a start, or after a driver restart): they count as finished.
    MapOutputsFound {
        /// The outputs.
        outputs: Vec<MapOutput>,
    },
    /// An action was submitted.
    JobSubmitted {
        /// Its id; larger than those before.
        job: JobId,
        /// Its shape.
        shape: JobShape,
    },
    /// Nobody wants the job any more.
    JobCancelled {
        /// Which.
        job: JobId,
        /// Why, for people.
        reason: String,
    },
    /// An attempt of a task of a map stage committed its output.
    MapFinished {
        /// The attempt that reports. Its output may be that of another attempt that committed first.
        attempt: Attempt,
        /// The committed output.
        output: MapOutput,
    },
    /// An attempt of a task of a result stage is done.
    ResultFinished {
        /// Which.
        attempt: Attempt,
        /// Bytes of its result.
        result_bytes: u64,
    },
    /// An attempt failed.
    TaskFailed {
        /// Which.
        attempt: Attempt,
        /// Why.
        failure: TaskFailure,
    },
    /// Time has passed: a deadline that `next_deadline` named may be due.
    Tick,
}

/// A job as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobShape {
    /// Stages, parents first; the last is the result stage, all others write shuffles.
    pub stages: Vec<StageShape>,
    /// The partitions wanted of the result stage.
    pub result_partitions: Vec<u32>,
}

/// A stage as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageShape {
    /// The shuffle that it writes; `None` for the result stage. A shuffle known from an earlier job is the same stage: what it
    /// wrote is used again.
    pub shuffle: Option<ShuffleId>,
    /// Tasks.
    pub partitions: u32,
    /// Indices in `JobShape::stages` of those that it reads.
    pub parents: Vec<usize>,
    /// Whether each try yields the same rows.
    pub deterministic: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run an attempt. All map outputs that it reads are in `Scheduler::map_outputs`, once all commands of this event are out.
    Launch {
        /// The attempt.
        attempt: Attempt,
        /// Where.
        executor: ExecutorId,
    },
    /// Stop an attempt: nobody needs it. Its slot stays taken until the attempt's end is reported.
    Cancel {
        /// The attempt.
        attempt: Attempt,
        /// Where.
        executor: ExecutorId,
        /// Why, for people.
        reason: String,
    },
    /// A map output must not be used again: it is gone, damaged or made of outputs that are. Its file is to be deleted, so that
    /// another attempt can commit in its place.
    Discard {
        /// The output.
        output: MapOutput,
        /// Why.
        reason: DiscardReason,
    },
    /// A result partition is done; this attempt's result is the one that counts.
    DeliverResult {
        /// Whose.
        job: JobId,
        /// Partition of the result stage.
        partition: u32,
        /// The attempt.
        attempt: Attempt,
    },
    /// A job has all its results.
    JobFinished {
        /// Which.
        job: JobId,
    },
    /// A job has failed.
    JobFailed {
        /// Which.
        job: JobId,
        /// Why.
        failure: JobFailure,
    },
    /// How a stage of a job stands has changed (declared, skipped, running, done): for progress.
    StageChanged {
        /// Which.
        stage: StageId,
    },
}

/// Why a map output must not be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscardReason {
    /// A reader met this.
    Unreadable(BlockProblem),
    /// It went with its volume.
    VolumeLost,
    /// It was made by, or of what was made by, a run that another has taken the place of.
    RolledBack,
    /// The stage has fewer partitions.
    OutOfRange,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq)]
pub enum JobFailure {
    /// A task failed too often; the last failure.
    TaskFailed {
        /// The last attempt.
        attempt: Attempt,
        /// Failures that counted.
        failures: u32,
        /// Where it ran.
        executor: ExecutorId,
        /// The last failure.
        failure: TaskFailure,
    },
    /// A stage met fetch failures too often in a row.
    StageAborted {
        /// Which.
        stage: StageId,
        /// Attempts in a row that failed.
        attempts: u32,
        /// The last failure.
        failure: TaskFailure,
    },
    /// A stage that does not yield the same rows again lost output after a consumer had finished with it.
    NotRepeatable {
        /// Which.
        stage: StageId,
    },
    /// The results are larger than `spark.driver.maxResultSize`.
    ResultTooLarge {
        /// Bytes so far.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// It was cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// Its shape contradicts itself, or what is known of a shuffle that it names.
    Malformed {
        /// What is wrong.
        problem: String,
    },
}

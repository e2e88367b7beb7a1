//! Events that the scheduler handles, and commands that it returns.

use model::{
    Attempt, BlockProblem, ExecutorId, JobId, MapOutput, ProfileId, ShuffleId, StageId,
    TaskFailure, VolumeId,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// An event: something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An executor is available, with its slots and the volumes that it mounts. Repeating it for a
    /// known executor updates these.
    ExecutorRegistered {
        /// The executor.
        executor: ExecutorId,
        /// The host that it runs on.
        host: String,
        /// Its kind: only stages that ask for it run there.
        profile: ProfileId,
        /// Number of tasks that it can run at once, if each takes one slot.
        slots: u32,
        /// Volumes whose map outputs it can read and serve, and on which it writes its own. Without
        /// volumes it gets no tasks.
        volumes: BTreeSet<VolumeId>,
    },
    /// An executor is lost.
    ExecutorLost {
        /// The executor.
        executor: ExecutorId,
        /// Whether the program caused the loss (a crash, out of memory), so that it counts as a
        /// failure of its tasks.
        app_caused: bool,
        /// The reason, for people.
        reason: String,
    },
    /// A volume is lost with everything on it, in one step.
    VolumeLost {
        /// The volume.
        volume: VolumeId,
    },
    /// Volumes whose executor leaves, so that they will be out of reach.
    VolumesLeave {
        /// The volumes.
        volumes: BTreeSet<VolumeId>,
    },
    /// A map output was copied to another volume, because its executor leaves.
    MapOutputMoved {
        /// The copy.
        copy: MapOutput,
    },
    /// Map outputs were found on a volume (when it was mounted, or after a driver restart). They
    /// count as finished. Those that must not count are discarded, so that they are not in the way
    /// of new ones.
    MapOutputsFound {
        /// The outputs.
        outputs: Vec<MapOutput>,
    },
    /// The outputs of a shuffle are no longer wanted: the program has given up the cache that they
    /// were stored for, or they have lasted long enough (`Scheduler::surplus`). They are discarded
    /// once no job has the stage. If a job is submitted that has it, they are wanted again.
    ShuffleReleased {
        /// The shuffle.
        shuffle: ShuffleId,
    },
    /// An action was submitted.
    JobSubmitted {
        /// Its id; larger than all earlier ones.
        job: JobId,
        /// Its shape.
        shape: JobShape,
    },
    /// The job is no longer wanted.
    JobCancelled {
        /// The job.
        job: JobId,
        /// The reason, for people.
        reason: String,
    },
    /// A stage did not end in the time that it had.
    StageOverdue {
        /// The stage.
        stage: StageId,
        /// The time.
        limit: Duration,
    },
    /// How far an attempt is. Nothing is launched because of it; it may come again and again, and
    /// for the last time before its end.
    TaskProgressed {
        /// The attempt.
        attempt: Attempt,
        /// How far it is.
        progress: TaskProgress,
    },
    /// An attempt of a map task committed its output.
    MapFinished {
        /// The reporting attempt. The output may be another attempt's that committed first.
        attempt: Attempt,
        /// The committed output.
        output: MapOutput,
    },
    /// An attempt of a result task finished.
    ResultFinished {
        /// The attempt.
        attempt: Attempt,
        /// Size of its result in bytes.
        result_bytes: u64,
    },
    /// An attempt failed.
    TaskFailed {
        /// The attempt.
        attempt: Attempt,
        /// The failure.
        failure: TaskFailure,
    },
    /// Time has passed: a deadline announced by `next_deadline` may be due.
    Tick,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskProgress {
    /// Rows read so far.
    pub rows: u64,
    /// Time that it took.
    pub run: Duration,
}

/// A job as the scheduler sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobShape {
    /// Stages, parents first. The last one is the result stage, all others write shuffles. If the
    /// last one writes a shuffle, too, its map outputs are all that is wanted.
    pub stages: Vec<StageShape>,
    /// The wanted partitions of the result stage; empty without one.
    pub result_partitions: Vec<u32>,
    /// Whether each task of the result stage is launched at most once, because what it does must
    /// not be done twice. Any failure of one fails the job.
    pub single_attempt: bool,
    /// Shuffles that hold cached partitions, of which each reader takes its own.
    pub cached: BTreeSet<ShuffleId>,
    /// The pool that it takes slots from, if jobs share these fairly; empty for the default one.
    pub pool: String,
}

/// A stage as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageShape {
    /// The shuffle that it writes; `None` for a result stage. A shuffle known from an earlier job
    /// is the same stage, and its outputs are reused.
    pub shuffle: Option<ShuffleId>,
    /// Number of tasks.
    pub partitions: u32,
    /// Indices in `JobShape::stages` of the stages that it reads.
    pub parents: Vec<usize>,
    /// Whether every attempt yields the same rows.
    pub deterministic: bool,
    /// Whether all its tasks are launched at once, and run again together if one of them has to.
    pub barrier: bool,
    /// Slots that each of its tasks takes, at least one.
    pub task_slots: u32,
    /// The kind of executors that run its tasks.
    pub profile: ProfileId,
    /// Slots of each of these, if that is not [`Limits::capacity`](crate::Limits).
    pub executor_slots: Option<u32>,
}

/// A command for the driver to carry out.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Launch an attempt. It runs when its executor has as many slots free as its stage says, in
    /// the order of the launches. All map outputs that it reads are in `Scheduler::map_outputs`
    /// once all commands of this event have been returned.
    Launch {
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: ExecutorId,
    },
    /// Cancel an attempt that is no longer needed. Its slot stays taken until the attempt's end is
    /// reported.
    Cancel {
        /// The attempt.
        attempt: Attempt,
        /// The executor.
        executor: ExecutorId,
        /// The reason, for people.
        reason: String,
    },
    /// Have an executor replaced by another one: it is excluded, or in the place of one that could
    /// do what it may not.
    Replace {
        /// The executor.
        executor: ExecutorId,
        /// The reason, for people.
        reason: String,
    },
    /// Discard a map output: it is lost, damaged, or made from such outputs. Its file is to be
    /// deleted, so that another attempt can commit in its place.
    Discard {
        /// The output.
        output: MapOutput,
        /// The reason.
        reason: DiscardReason,
    },
    /// Deliver a result partition; this attempt's result is the one that counts.
    DeliverResult {
        /// The job.
        job: JobId,
        /// Partition of the result stage.
        partition: u32,
        /// The attempt.
        attempt: Attempt,
    },
    /// A job has all its results.
    JobFinished {
        /// The job.
        job: JobId,
    },
    /// A job has failed.
    JobFailed {
        /// The job.
        job: JobId,
        /// The reason.
        failure: JobFailure,
    },
    /// The progress of a stage has changed (declared, skipped, running, done).
    StageChanged {
        /// The stage.
        stage: StageId,
    },
}

/// Why a map output must not be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscardReason {
    /// A reader reported this problem.
    Unreadable(BlockProblem),
    /// Its volume is lost.
    VolumeLost,
    /// It was made by a run that has been superseded, or from that run's outputs.
    RolledBack,
    /// The stage has fewer partitions.
    OutOfRange,
    /// Another attempt's output was there first, on another volume.
    Redundant,
    /// It is of a barrier stage that runs again as a whole.
    BarrierBroken,
    /// It is no longer wanted.
    Released,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq)]
pub enum JobFailure {
    /// A task failed too often, or in a way that no retry can fix.
    TaskFailed {
        /// The last attempt.
        attempt: Attempt,
        /// Number of failures that counted.
        failures: u32,
        /// The executor that it ran on.
        executor: ExecutorId,
        /// The last failure.
        failure: TaskFailure,
    },
    /// A stage met fetch failures too often in a row.
    StageAborted {
        /// The stage.
        stage: StageId,
        /// Number of consecutive failed rounds.
        attempts: u32,
        /// The last failure.
        failure: TaskFailure,
    },
    /// A task of a barrier stage with results failed: it cannot run again alone, and with others
    /// that have succeeded not as a whole.
    BarrierFailed {
        /// The attempt.
        attempt: Attempt,
        /// The failure.
        failure: TaskFailure,
    },
    /// A task that is launched at most once failed, or its attempt was lost.
    SingleAttemptFailed {
        /// The attempt.
        attempt: Attempt,
        /// The executor that it ran on.
        executor: ExecutorId,
        /// The failure.
        failure: TaskFailure,
    },
    /// A barrier stage has more tasks than all executors together have slots.
    TooFewSlots {
        /// The stage.
        stage: StageId,
        /// Its tasks.
        tasks: u32,
        /// The slots.
        slots: u32,
    },
    /// Each of a stage's tasks takes more slots than an executor has.
    TaskTooLarge {
        /// The stage.
        stage: StageId,
        /// Slots that a task takes.
        task_slots: u32,
        /// Slots of an executor.
        slots: u32,
    },
    /// A barrier stage, while executors come and go with the tasks that there are.
    BarrierRefused {
        /// The stage.
        stage: StageId,
    },
    /// A non-deterministic stage lost an output after a consumer's result had been delivered, or
    /// while a consumer ran that is launched at most once.
    NotRepeatable {
        /// The stage.
        stage: StageId,
    },
    /// A stage that it waits for did not end in the time that it had.
    StageOverdue {
        /// The stage.
        stage: StageId,
        /// The time.
        limit: Duration,
    },
    /// A task may not run on any executor, and no other one has come.
    Unschedulable {
        /// The stage.
        stage: StageId,
        /// The task's partition.
        partition: u32,
        /// The stage's last failure, if it is for failures of this stage.
        failure: Option<TaskFailure>,
    },
    /// The results exceed `spark.driver.maxResultSize`.
    ResultTooLarge {
        /// Bytes so far.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The job was cancelled.
    Cancelled {
        /// The reason.
        reason: String,
    },
    /// Its shape contradicts itself, or the known stage of a shuffle that it names.
    Malformed {
        /// The contradiction.
        problem: String,
    },
}

//! One stage: its kind, its phase, and its tasks.

use crate::delay::Delay;
use crate::exclusion::Failures;
use crate::speculation::Pace;
use crate::tasks::{TaskState, Tasks};
use model::{Attempt, JobId, ProfileId, ShuffleId, StageId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The product of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Map {
        shuffle: ShuffleId,
        deterministic: bool,
    },
    /// `single_attempt`: whether its tasks are launched at most once.
    Result {
        job: JobId,
        single_attempt: bool,
    },
}

/// Whether a stage's tasks may be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not needed: it is complete, or its readers are.
    Idle,
    /// Requested, and waiting for this many incomplete inputs.
    Waiting { missing: u32 },
    /// Requested, and held until this time, because more lost outputs may become known.
    Held { until: Duration },
    /// Its pending tasks may be launched.
    Active,
}

/// Rounds of the stage as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounds {
    /// Number of the round. Grows when inputs are lost while the stage runs; attempts of an earlier
    /// round have read those.
    pub(crate) round: u32,
    /// Number of rounds that ended with a fetch failure since the stage was last complete.
    pub(crate) failed_in_a_row: u32,
}

/// A stage of one or more jobs that have not ended.
#[derive(Debug)]
pub struct Stage {
    pub(crate) id: StageId,
    pub(crate) kind: Kind,
    /// Whether all its tasks run at once.
    pub(crate) barrier: bool,
    /// Slots that each of its tasks takes.
    pub(crate) task_slots: u32,
    /// The kind of executors that run them, and the slots of each if they are not as usual.
    pub(crate) profile: ProfileId,
    pub(crate) executor_slots: Option<u32>,
    pub(crate) parents: Vec<StageId>,
    pub(crate) children: BTreeSet<StageId>,
    /// The jobs that have it in their graph, and its index in their shapes.
    pub(crate) jobs: BTreeMap<JobId, usize>,
    /// Of a map stage: the jobs that want its outputs and nothing else.
    pub(crate) awaited_by: BTreeSet<JobId>,
    pub(crate) phase: Phase,
    pub(crate) rounds: Rounds,
    pub(crate) tasks: Tasks,
    pub(crate) pace: Pace,
    pub(crate) failures: Failures,
    pub(crate) delay: Delay,
    /// Whether tasks wait for an executor that mounts the volume that they prefer, and not only for
    /// its host.
    pub(crate) waits_for_executor: bool,
    /// Whether its outputs are cached partitions, of which each reader takes its own.
    pub(crate) is_cache: bool,
}

impl Stage {
    /// Its id.
    pub fn id(&self) -> StageId {
        self.id
    }

    /// Whether all its tasks run at once.
    pub fn is_barrier(&self) -> bool {
        self.barrier
    }

    /// Slots that each of its tasks takes.
    pub fn task_slots(&self) -> u32 {
        self.task_slots
    }

    /// The kind of executors that run its tasks.
    pub fn profile(&self) -> ProfileId {
        self.profile
    }

    /// The shuffle that it writes; `None` for a result stage.
    pub fn shuffle(&self) -> Option<ShuffleId> {
        match self.kind {
            Kind::Map { shuffle, .. } => Some(shuffle),
            Kind::Result { .. } => None,
        }
    }

    /// The stages that it reads, ordered by id, which need not be the order in the job's shape.
    pub fn parents(&self) -> &[StageId] {
        &self.parents
    }

    /// The jobs that it belongs to, oldest first, with its index in each one's `JobShape::stages`.
    /// Never empty.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, usize)> {
        self.jobs.iter().map(|(&job, &index)| (job, index))
    }

    /// Number of partitions, wanted or not.
    pub fn partitions(&self) -> u32 {
        self.tasks.len()
    }

    /// Number of wanted tasks: all of a map stage, the chosen ones of a result stage.
    pub fn tasks(&self) -> u32 {
        self.tasks.wanted()
    }

    /// Number of running tasks.
    pub fn running(&self) -> u32 {
        self.tasks.running()
    }

    /// Number of tasks whose output or result exists.
    pub fn done(&self) -> u32 {
        self.tasks.done()
    }

    /// Number of attempts launched.
    pub(crate) fn launches(&self) -> u64 {
        self.tasks.launches()
    }

    /// Number of failed attempts.
    pub fn failed(&self) -> u32 {
        self.tasks.failed()
    }

    /// State of one of its tasks; `None` if there is no such partition.
    pub fn task(&self, partition: u32) -> Option<TaskState> {
        self.tasks.state(partition)
    }

    /// The attempts that one of its tasks waits for; the first one that succeeds counts.
    pub fn attempts(&self, partition: u32) -> impl Iterator<Item = Attempt> {
        let task = TaskId { stage: self.id, partition };
        self.tasks.attempts(partition).iter().map(move |&number| Attempt { task, number })
    }

    /// Whether every wanted task is done.
    pub fn is_complete(&self) -> bool {
        self.tasks.is_complete()
    }

    /// Whether it is requested: running, waiting for its inputs, or held for a moment.
    pub fn is_requested(&self) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::Waiting { .. } | Phase::Held { .. } | Phase::Active => true,
        }
    }

    /// Whether another attempt of a task may yield other rows.
    pub(crate) fn is_unrepeatable(&self) -> bool {
        matches!(self.kind, Kind::Map { deterministic: false, .. })
    }

    /// Whether its tasks are launched at most once.
    pub(crate) fn is_single_attempt(&self) -> bool {
        matches!(self.kind, Kind::Result { single_attempt: true, .. })
    }

    /// Whether it is a barrier stage of which only some tasks run: the others wait for them.
    pub(crate) fn is_broken(&self) -> bool {
        self.barrier && self.tasks.running() > 0 && self.tasks.pending() > 0
    }

    /// The oldest job that it belongs to, which determines when it gets slots.
    pub(crate) fn first_job(&self) -> JobId {
        *self.jobs.keys().next().expect("a stage without a job is dropped with its last job")
    }
}

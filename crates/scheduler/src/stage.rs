//! One stage: what it is, where it stands, and its tasks.

use crate::tasks::{TaskState, Tasks};
use model::{JobId, ShuffleId, StageId, VolumeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a stage leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Map { shuffle: ShuffleId, deterministic: bool },
    Result { job: JobId },
}

/// Whether a stage's tasks may be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody needs it to run: it is complete, or what it would feed is.
    Idle,
    /// It is to run when that many stages that it reads are complete.
    Waiting { missing: u32 },
    /// It is to run at that time: more of what it has to do again may become known until then.
    Held { until: Duration },
    /// Its pending tasks may be launched.
    Active,
}

/// Tries of the stage as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rounds {
    /// Rises when outputs that the stage reads are lost while it runs; attempts of an earlier round have seen these.
    pub(crate) round: u32,
    /// Rounds that ended with a fetch failure since the stage was last complete.
    pub(crate) failed_in_a_row: u32,
}

/// One stage of one or more jobs that are not over.
#[derive(Debug)]
pub struct Stage {
    pub(crate) id: StageId,
    pub(crate) kind: Kind,
    pub(crate) parents: Vec<StageId>,
    pub(crate) children: BTreeSet<StageId>,
    /// The jobs that have it in their graph, and its index in their shapes.
    pub(crate) jobs: BTreeMap<JobId, usize>,
    pub(crate) phase: Phase,
    pub(crate) rounds: Rounds,
    pub(crate) tasks: Tasks,
    /// Volume that holds a large part of what each partition reads; empty if that is not known or does not matter.
    pub(crate) preferred: Vec<Option<VolumeId>>,
}

impl Stage {
    /// Its id.
    pub fn id(&self) -> StageId {
        self.id
    }

    /// The shuffle that it writes; `None` for a result stage.
    pub fn shuffle(&self) -> Option<ShuffleId> {
        match self.kind {
            Kind::Map { shuffle, .. } => Some(shuffle),
            Kind::Result { .. } => None,
        }
    }

    /// The stages that it reads, by id: that need not be the order in the job's shape.
    pub fn parents(&self) -> &[StageId] {
        &self.parents
    }

    /// The jobs that it belongs to, oldest first, with its index in each one's `JobShape::stages`. Never empty.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, usize)> {
        self.jobs.iter().map(|(&job, &index)| (job, index))
    }

    /// Partitions of the stage, wanted or not.
    pub fn partitions(&self) -> u32 {
        self.tasks.len()
    }

    /// Tasks that are wanted: all of a map stage, the chosen ones of a result stage.
    pub fn tasks(&self) -> u32 {
        self.tasks.wanted()
    }

    /// Tasks that run now.
    pub fn running(&self) -> u32 {
        self.tasks.running()
    }

    /// Tasks whose output or result is there.
    pub fn done(&self) -> u32 {
        self.tasks.done()
    }

    /// Attempts that were launched.
    pub(crate) fn launches(&self) -> u64 {
        self.tasks.launches()
    }

    /// Attempts that failed.
    pub fn failed(&self) -> u32 {
        self.tasks.failed()
    }

    /// How one of its tasks stands; `None` if it has no such partition.
    pub fn task(&self, partition: u32) -> Option<TaskState> {
        self.tasks.state(partition)
    }

    /// Whether all that is wanted of it is there.
    pub fn is_complete(&self) -> bool {
        self.tasks.is_complete()
    }

    /// Whether it is to run: it runs, waits for what it reads, or is held back for a moment.
    pub fn is_requested(&self) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::Waiting { .. } | Phase::Held { .. } | Phase::Active => true,
        }
    }

    /// Whether another try of a task may yield other rows.
    pub(crate) fn is_unrepeatable(&self) -> bool {
        matches!(self.kind, Kind::Map { deterministic: false, .. })
    }

    /// The oldest job that it belongs to decides when it gets slots.
    pub(crate) fn first_job(&self) -> JobId {
        *self.jobs.keys().next().expect("a stage without a job is dropped with its last job")
    }
}

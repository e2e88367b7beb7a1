//! What the driver and its executors say to each other, in the order in which one stream carries
//! it. The wire format of these words is `proto`'s.

use crate::{
    Attempt, ExecutorId, MapOutput, ProfileId, Properties, ShuffleId, StageId, TaskFailure,
    TaskMetrics, VolumeId,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How an executor introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its id, which is never given out twice.
    pub executor: ExecutorId,
    /// The host that it runs on, for people.
    pub host: String,
    /// Its kind.
    pub profile: ProfileId,
    /// Its cores.
    pub slots: u32,
    /// Where its peers fetch blocks.
    pub block_address: String,
    /// The volumes that it mounts and what they hold.
    pub volumes: Vec<(VolumeId, Vec<MapOutput>)>,
    /// Those of them that nobody else can mount once it has ended.
    pub private: BTreeSet<VolumeId>,
}

/// Message from the driver to an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToExecutor {
    /// Answer to the registration.
    Welcome {
        /// Time between heartbeats.
        heartbeat: Duration,
        /// Silence after which each side holds the other for gone.
        timeout: Duration,
    },
    /// Things to do.
    Work(Work),
    /// Order to end, whatever still runs.
    Leave {
        /// Why, for people.
        reason: String,
        /// Whether what is on its volumes is of no more use to anybody.
        forget: bool,
    },
}

/// What an executor is to do, taken in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Templates of the launches, each sent once to each executor.
    pub templates: Vec<Arc<Template>>,
    /// Places of the map outputs that the launches read.
    pub places: Vec<Arc<Places>>,
    /// Map outputs whose files are to be removed, if they are still those of that attempt.
    pub discards: Vec<MapOutput>,
    /// Attempts to start.
    pub launches: Vec<Launch>,
    /// Attempts to stop, and why.
    pub cancels: Vec<(Attempt, String)>,
    /// Stages whose templates are not needed any more, and with them the places that only they
    /// read.
    pub forget: Vec<StageId>,
    /// Answers to attempts that wait for the others of their barrier stage.
    pub barriers: Vec<BarrierAnswer>,
    /// Map outputs to copy to its own volume, each with the addresses that serve it.
    pub moves: Vec<(Arc<MapOutput>, Vec<String>)>,
}

impl Work {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self { templates, places, discards, launches, cancels, forget, barriers, moves } = self;
        templates.is_empty()
            && places.is_empty()
            && discards.is_empty()
            && launches.is_empty()
            && cancels.is_empty()
            && forget.is_empty()
            && barriers.is_empty()
            && moves.is_empty()
    }
}

/// What all tasks of a stage have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The stage.
    pub stage: StageId,
    /// The encoded plan of one task.
    pub plan: Bytes,
    /// Slots that each task takes.
    pub slots: u32,
    /// The shuffle that it writes and its number of readers; `None` for a result stage.
    pub writes: Option<(ShuffleId, u32)>,
    /// The shuffles that it reads.
    pub inputs: Vec<ShuffleId>,
    /// Properties of the job that it was launched for first.
    pub properties: Properties,
}

/// Where all map outputs of a shuffle are. Replaces what was said of that shuffle before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The shuffle.
    pub shuffle: ShuffleId,
    /// Number of this version of the places.
    pub generation: u64,
    /// In map order, each with the addresses that serve it.
    pub outputs: Vec<(Arc<MapOutput>, Vec<String>)>,
}

/// An attempt to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The attempt.
    pub attempt: Attempt,
    /// What the leaves of its template read.
    pub binding: Bytes,
    /// In a barrier stage: the hosts of all its tasks, in their order.
    pub hosts: Hosts,
}

/// The hosts of the tasks of a barrier stage; none of other stages.
pub type Hosts = Option<Arc<[String]>>;

/// The end of the wait of an attempt for the others of its barrier stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarrierAnswer {
    /// The attempt.
    pub attempt: Attempt,
    /// The messages of all tasks, in their order; or why they do not come together.
    pub messages: Result<Vec<String>, String>,
}

/// Message from an executor to the driver, after its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "each is handled at once")]
pub enum Report {
    /// Sign of life.
    Heartbeat {
        /// Attempts that it runs.
        running_tasks: u32,
        /// What those did so far that have run since the heartbeat before.
        progress: Vec<(Attempt, TaskMetrics)>,
    },
    /// Attempts that ended.
    Ends(Vec<TaskEnd>),
    /// The next bytes of the rows of a result task that has not ended.
    Part {
        /// The attempt.
        attempt: Attempt,
        /// The bytes.
        bytes: Bytes,
    },
    /// An attempt waits for all others of its barrier stage.
    Barrier {
        /// The attempt.
        attempt: Attempt,
        /// What it tells the others, if each is to get the messages of all.
        message: Option<String>,
    },
    /// A map output that it was told to copy.
    Moved {
        /// The output, where it was.
        output: MapOutput,
        /// The same output where it is now as well; or why it is not there, for people.
        copy: Result<MapOutput, String>,
    },
    /// It was told to end, and will when what it runs has ended.
    Decommission {
        /// Why, for people.
        reason: String,
    },
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnd {
    /// The attempt.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
    /// What it took.
    pub metrics: TaskMetrics,
    /// What it adds to accumulators, if it succeeded.
    pub accumulators: Vec<AccumulatorUpdate>,
}

/// What a task adds to an accumulator of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccumulatorUpdate {
    /// The program's id of the accumulator.
    pub id: i64,
    /// The pickled pair of the id and the value to add.
    pub value: Bytes,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A map task's output is committed; it may be that of another attempt that committed first.
    Wrote(MapOutput),
    /// Rows of a result task as an Arrow IPC stream, or the rest of it that has not come in parts
    /// before.
    Yielded(Bytes),
    /// It failed.
    Failed(TaskFailure),
}

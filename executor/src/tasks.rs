//! The stages that this executor knows, and the attempts that it runs.

use model::{Attempt, Epoch, MapOutput, ShuffleId, StageId, TaskFailure, TaskId, TaskMetrics};
use proto::{BadField, pb};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use task::{Launch, Stage, Stop, TaskOutcome, TaskRuntime};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// An attempt that ended.
#[derive(Debug)]
pub(crate) struct End {
    /// Which.
    pub attempt: Attempt,
    /// How.
    pub outcome: Result<TaskOutcome, TaskFailure>,
    /// Nanoseconds that it ran.
    pub run_nanos: u64,
}

/// The map outputs of a shuffle, complete and in order of the map index.
type Outputs = Arc<[Arc<MapOutput>]>;

/// What this executor has been told, and what it runs.
#[derive(Debug)]
pub(crate) struct Tasks {
    runtime: Arc<TaskRuntime>,
    threads: Handle,
    epoch: Epoch,
    stages: BTreeMap<StageId, Known>,
    outputs: BTreeMap<ShuffleId, Outputs>,
    /// Attempts that run, and what ends them: where they pause, and where they compute.
    running: BTreeMap<Attempt, (AbortHandle, Stop)>,
    ends: mpsc::UnboundedSender<End>,
}

#[derive(Debug)]
struct Known {
    plan: Arc<Plan>,
    shuffle: Option<ShuffleId>,
    inputs: Vec<ShuffleId>,
    /// Attempts that were launched: one that arrives twice is run once.
    seen: BTreeSet<Attempt>,
}

/// A stage's plan, decoded by the first task that needs it.
#[derive(Debug)]
struct Plan {
    template: bytes::Bytes,
    decoded: OnceLock<Result<Arc<Stage>, TaskFailure>>,
}

impl Plan {
    fn decoded(&self, runtime: &TaskRuntime) -> Result<Arc<Stage>, TaskFailure> {
        self.decoded.get_or_init(|| runtime.decode_stage(&self.template)).clone()
    }
}

impl Tasks {
    /// Tasks on these threads; their ends come out of the channel. At most as many as the driver launched are in it.
    pub(crate) fn new(
        runtime: Arc<TaskRuntime>,
        threads: Handle,
        epoch: Epoch,
    ) -> (Self, mpsc::UnboundedReceiver<End>) {
        let (ends, out) = mpsc::unbounded_channel();
        let tasks = Self {
            runtime,
            threads,
            epoch,
            stages: BTreeMap::new(),
            outputs: BTreeMap::new(),
            running: BTreeMap::new(),
            ends,
        };
        (tasks, out)
    }

    /// Attempts that run now.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Learns a stage.
    pub(crate) fn add_stage(&mut self, stage: pb::Stage) -> Result<(), BadField> {
        let pb::Stage { stage, template, shuffle, readers: _, inputs } = stage;
        let shuffle = if shuffle.is_empty() {
            None
        } else {
            Some(proto::shuffle_id(&shuffle, "Stage.shuffle")?)
        };
        let inputs = inputs
            .iter()
            .map(|input| proto::shuffle_id(input, "Stage.inputs"))
            .collect::<Result<_, _>>()?;
        let plan = Arc::new(Plan { template, decoded: OnceLock::new() });
        self.stages.insert(StageId(stage), Known { plan, shuffle, inputs, seen: BTreeSet::new() });
        Ok(())
    }

    /// Learns where the map outputs of a shuffle are. What was known of it before is gone.
    pub(crate) fn set_outputs(&mut self, shuffle: ShuffleId, outputs: Vec<MapOutput>) {
        self.outputs.insert(shuffle, outputs.into_iter().map(Arc::new).collect());
    }

    /// Forgets a stage, and the outputs that only it read.
    pub(crate) fn forget(&mut self, stage: StageId) {
        self.stages.remove(&stage);
        let read: BTreeSet<ShuffleId> =
            self.stages.values().flat_map(|known| &known.inputs).copied().collect();
        self.outputs.retain(|shuffle, _| read.contains(shuffle));
    }

    /// Starts attempts.
    pub(crate) fn launch(&mut self, launch: pb::Launch) {
        let stage = StageId(launch.stage);
        for pb::launch::Task { partition, number, binding } in launch.tasks {
            let attempt = Attempt { task: TaskId { stage, partition }, number };
            let Some(known) = self.stages.get_mut(&stage) else {
                self.fail(attempt, format!("{stage} is not known here"));
                continue;
            };
            if !known.seen.insert(attempt) {
                continue;
            }
            let inputs: Option<HashMap<ShuffleId, Outputs>> = known
                .inputs
                .iter()
                .map(|id| Some((*id, Arc::clone(self.outputs.get(id)?))))
                .collect();
            let Some(inputs) = inputs else {
                self.fail(
                    attempt,
                    format!("the map outputs that {stage} reads are not known here"),
                );
                continue;
            };
            let stop = Stop::default();
            let launch = Launch {
                attempt,
                epoch: self.epoch,
                shuffle: known.shuffle,
                binding,
                inputs,
                stop: stop.clone(),
            };
            let plan = Arc::clone(&known.plan);
            let (runtime, ends) = (Arc::clone(&self.runtime), self.ends.clone());
            let task = self.threads.spawn(async move {
                let started = Instant::now();
                let outcome = match plan.decoded(&runtime) {
                    Ok(stage) => runtime.run(&stage, launch).await,
                    Err(failure) => Err(failure),
                };
                let run_nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                // If nobody listens, the executor is ending.
                let _ = ends.send(End { attempt, outcome, run_nanos });
            });
            self.running.insert(attempt, (task.abort_handle(), stop));
        }
    }

    /// Stops an attempt, which is its end.
    pub(crate) fn cancel(&mut self, attempt: Attempt, reason: String) {
        if let Some((task, stop)) = self.running.get(&attempt) {
            stop.stop();
            task.abort();
            let _ = self.ends.send(End {
                attempt,
                outcome: Err(TaskFailure::Killed { reason }),
                run_nanos: 0,
            });
        }
    }

    /// Takes note of an end; only the first of an attempt is passed on.
    pub(crate) fn ended(&mut self, end: End) -> Option<End> {
        self.running.remove(&end.attempt).map(|_| end)
    }

    fn fail(&mut self, attempt: Attempt, message: String) {
        // It never ran, but its end must be passed on.
        let nothing = self.threads.spawn(async {}).abort_handle();
        self.running.insert(attempt, (nothing, Stop::default()));
        let outcome = Err(TaskFailure::Hopeless { message });
        let _ = self.ends.send(End { attempt, outcome, run_nanos: 0 });
    }
}

/// What goes to the driver about an end: parts of its rows, then the end itself.
pub(crate) fn messages(end: End) -> (Vec<pb::RowsPart>, pb::TaskEnd) {
    use pb::task_end::Outcome;
    let End { attempt, outcome, run_nanos } = end;
    let mut parts = Vec::new();
    let (outcome, metrics) = match outcome {
        Ok(TaskOutcome::Committed { output, metrics }) => {
            (Outcome::MapOutput(output.into()), metrics)
        }
        Ok(TaskOutcome::Rows { mut ipc, rows, metrics }) => {
            let bytes = ipc.len() as u64;
            while ipc.len() > proto::ROWS_PART_BYTES {
                let part = ipc.split_to(proto::ROWS_PART_BYTES);
                parts.push(pb::RowsPart { attempt: Some(attempt.into()), bytes: part });
            }
            let place = Some(pb::rows::Place::Inline(ipc));
            (Outcome::Rows(pb::Rows { rows, bytes, place }), metrics)
        }
        Err(failure) => (Outcome::Failure(failure.into()), TaskMetrics::default()),
    };
    let end = pb::TaskEnd {
        attempt: Some(attempt.into()),
        outcome: Some(outcome),
        metrics: Some(TaskMetrics { run_nanos, ..metrics }.into()),
    };
    (parts, end)
}

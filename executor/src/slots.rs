//! The threads that run attempts: what `tasks` decides is carried out here, and the ends come out
//! of a channel.

use crate::tasks::Start;
use model::executor::{AccumulatorUpdate, Outcome, TaskEnd, Template};
use model::{Attempt, Epoch, StageId, TaskFailure, TaskMetrics};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use task::{Launch, Stage, Stop, TaskOutcome, TaskOutput, TaskRuntime};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Where attempts run.
#[derive(Debug)]
pub(crate) struct Slots {
    runtime: Arc<TaskRuntime>,
    threads: Handle,
    epoch: Epoch,
    plans: BTreeMap<StageId, Arc<Plan>>,
    /// Attempts that run, and what ends them: where they pause, and where they compute.
    running: BTreeMap<Attempt, (AbortHandle, Stop)>,
    ends: mpsc::UnboundedSender<TaskEnd>,
}

/// A stage's plan, decoded by the first task that needs it.
#[derive(Debug)]
struct Plan {
    template: Arc<Template>,
    decoded: OnceLock<Result<Arc<Stage>, TaskFailure>>,
}

impl Plan {
    fn decoded(&self, runtime: &TaskRuntime) -> Result<Arc<Stage>, TaskFailure> {
        self.decoded.get_or_init(|| runtime.decode_stage(&self.template.plan)).clone()
    }
}

impl Slots {
    /// Slots on these threads; the ends of attempts come out of the channel. At most as many as the
    /// driver launched are in it.
    pub(crate) fn new(
        runtime: Arc<TaskRuntime>,
        threads: Handle,
        epoch: Epoch,
    ) -> (Self, mpsc::UnboundedReceiver<TaskEnd>) {
        let (ends, out) = mpsc::unbounded_channel();
        let (plans, running) = (BTreeMap::new(), BTreeMap::new());
        (Self { runtime, threads, epoch, plans, running, ends }, out)
    }

    /// Starts an attempt.
    pub(crate) fn start(&mut self, start: Start) {
        let Start { attempt, template, binding, inputs, hosts } = start;
        let stop = Stop::default();
        let launch = Launch {
            attempt,
            epoch: self.epoch,
            shuffle: template.writes.map(|(shuffle, _)| shuffle),
            binding,
            inputs,
            properties: template.properties.clone(),
            hosts,
            stop: stop.clone(),
        };
        let plan = self
            .plans
            .entry(template.stage)
            .or_insert_with(|| Arc::new(Plan { template, decoded: OnceLock::new() }));
        let plan = Arc::clone(plan);
        let (runtime, ends) = (Arc::clone(&self.runtime), self.ends.clone());
        let task = self.threads.spawn(async move {
            let started = Instant::now();
            let outcome = match plan.decoded(&runtime) {
                Ok(stage) => runtime.run(&stage, launch).await,
                Err(failure) => Err(failure),
            };
            let run_nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            // If nobody listens, the executor is ending.
            let _ = ends.send(end(attempt, outcome, run_nanos));
        });
        self.running.insert(attempt, (task.abort_handle(), stop));
    }

    /// Stops an attempt. That is its end, unless it has come to another one already.
    pub(crate) fn stop(&mut self, attempt: Attempt, reason: String) {
        if let Some((task, stop)) = self.running.get(&attempt) {
            stop.stop();
            task.abort();
            let _ = self.ends.send(end(attempt, Err(TaskFailure::Killed { reason }), 0));
        }
    }

    /// Drops what an attempt that has ended leaves here.
    pub(crate) fn clear(&mut self, attempt: Attempt) {
        self.running.remove(&attempt);
    }

    /// Drops the plan of a stage.
    pub(crate) fn forget(&mut self, stage: StageId) {
        self.plans.remove(&stage);
    }
}

fn end(attempt: Attempt, outcome: Result<TaskOutcome, TaskFailure>, run_nanos: u64) -> TaskEnd {
    let (outcome, metrics, accumulators) = match outcome {
        Ok(TaskOutcome { output, metrics, accumulators }) => {
            let outcome = match output {
                TaskOutput::Committed(output) => Outcome::Wrote(output),
                TaskOutput::Rows { ipc, rows: _ } => Outcome::Yielded(ipc),
            };
            (outcome, metrics, accumulators)
        }
        Err(failure) => (Outcome::Failed(failure), TaskMetrics::default(), Vec::new()),
    };
    let accumulators = accumulators.into_iter().map(|(id, value)| AccumulatorUpdate { id, value });
    let metrics = TaskMetrics { run_nanos, ..metrics };
    TaskEnd { attempt, outcome, metrics, accumulators: accumulators.collect() }
}

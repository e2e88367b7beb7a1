//! The threads that run attempts: what `tasks` decides is carried out here, and the ends come out
//! of a channel.

use crate::reaper::Reaper;
use crate::tasks::Start;
use model::executor::{AccumulatorUpdate, Outcome, TaskEnd, Template};
use model::{Attempt, Epoch, StageId, TaskFailure, TaskMetrics};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use task::{Gauge, Launch, Stage, Stop, TaskOutcome, TaskOutput, TaskRuntime};
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
    running: BTreeMap<Attempt, Running>,
    /// Who watches those that were stopped.
    pub(crate) reaper: Reaper,
    ends: mpsc::UnboundedSender<TaskEnd>,
}

/// An attempt that runs.
#[derive(Debug)]
struct Running {
    /// Ends it where it pauses.
    task: AbortHandle,
    /// Ends it where it computes.
    stop: Stop,
    gauge: Gauge,
    since: Instant,
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
        reaper: Reaper,
    ) -> (Self, mpsc::UnboundedReceiver<TaskEnd>) {
        let (ends, out) = mpsc::unbounded_channel();
        let (plans, running) = (BTreeMap::new(), BTreeMap::new());
        (Self { runtime, threads, epoch, plans, running, reaper, ends }, out)
    }

    /// Starts an attempt.
    pub(crate) fn start(&mut self, start: Start) {
        let Start { attempt, template, binding, inputs, hosts } = start;
        let (stop, gauge, since) = (Stop::default(), Gauge::default(), Instant::now());
        let launch = Launch {
            attempt,
            epoch: self.epoch,
            shuffle: template.writes.map(|(shuffle, _)| shuffle),
            binding,
            inputs,
            properties: template.properties.clone(),
            hosts,
            stop: stop.clone(),
            gauge: gauge.clone(),
        };
        let plan = self
            .plans
            .entry(template.stage)
            .or_insert_with(|| Arc::new(Plan { template, decoded: OnceLock::new() }));
        let plan = Arc::clone(plan);
        let (runtime, ends) = (Arc::clone(&self.runtime), self.ends.clone());
        let read = gauge.clone();
        let task = self.threads.spawn(async move {
            let started = Instant::now();
            let outcome = match plan.decoded(&runtime) {
                Ok(stage) => runtime.run(&stage, launch).await,
                Err(failure) => Err(failure),
            };
            // If nobody listens, the executor is ending.
            let _ = ends.send(end(attempt, outcome, (&read, started)));
        });
        let task = task.abort_handle();
        self.running.insert(attempt, Running { task, stop, gauge, since });
    }

    /// What attempts did so far that have run for at least that long.
    pub(crate) fn progress(&self, least: Duration) -> Vec<(Attempt, TaskMetrics)> {
        let long = self.running.iter().filter(|(_, running)| running.since.elapsed() >= least);
        long.map(|(attempt, running)| (*attempt, read(&running.gauge, running.since))).collect()
    }

    /// Stops an attempt. That is its end, unless it has come to another one already.
    pub(crate) fn stop(&mut self, attempt: Attempt, reason: String) {
        if let Some(Running { task, stop, gauge, since }) = self.running.get(&attempt) {
            stop.stop();
            task.abort();
            self.reaper.watch(attempt, task.clone(), gauge.clone());
            let killed = Err(TaskFailure::Killed { reason });
            let _ = self.ends.send(end(attempt, killed, (gauge, *since)));
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

/// What an attempt did since its start that has not succeeded, or not yet.
fn read(gauge: &Gauge, since: Instant) -> TaskMetrics {
    TaskMetrics { run_nanos: nanos(since), ..gauge.metrics() }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn end(
    attempt: Attempt,
    outcome: Result<TaskOutcome, TaskFailure>,
    (gauge, since): (&Gauge, Instant),
) -> TaskEnd {
    let (outcome, metrics, accumulators) = match outcome {
        Ok(TaskOutcome { output, metrics, accumulators }) => {
            let outcome = match output {
                TaskOutput::Committed(output) => Outcome::Wrote(output),
                TaskOutput::Rows { ipc, rows: _ } => Outcome::Yielded(ipc),
            };
            (outcome, TaskMetrics { run_nanos: nanos(since), ..metrics }, accumulators)
        }
        Err(failure) => (Outcome::Failed(failure), read(gauge, since), Vec::new()),
    };
    let accumulators = accumulators.into_iter().map(|(id, value)| AccumulatorUpdate { id, value });
    TaskEnd { attempt, outcome, metrics, accumulators: accumulators.collect() }
}

//! The promises about second attempts: who may have one, and that it costs nothing.

use crate::world::host_of;
use model::{Attempt, ExecutorId, StageId, TaskFailure, TaskId};
use scheduler::{Scheduler, Speculation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// When tasks get second attempts in this world.
pub(crate) const RULES: Speculation = Speculation {
    interval: Duration::from_millis(100),
    multiplier: 2.0,
    quantile: 0.5,
    min_runtime: Duration::from_millis(200),
    duration_threshold: Some(Duration::from_millis(500)),
    executor_slots: 2,
};

/// An attempt that runs beside another one, since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) attempt: Attempt,
    pub(crate) executor: ExecutorId,
    pub(crate) since: Duration,
}

/// A second attempt of a task that runs for long may be launched, elsewhere.
pub(crate) fn check(
    (attempt, executor, now): (Attempt, ExecutorId, Duration),
    beside: &[Beside],
    executors: impl Iterator<Item = ExecutorId>,
    scheduler: &Scheduler,
) -> Result<(), String> {
    let [first] = beside else {
        return Err(format!("{attempt} runs beside {beside:?}"));
    };
    let hosts: BTreeSet<String> = executors.map(host_of).collect();
    let near = host_of(executor) == host_of(first.executor);
    if executor == first.executor || (near && hosts.len() > 1) {
        return Err(format!("{attempt} is where {} is", first.attempt));
    }
    let StageId(stage) = attempt.task.stage;
    if scheduler.stage(attempt.task.stage).is_none_or(scheduler::Stage::is_barrier) {
        return Err(format!("a second attempt in the barrier stage {stage}"));
    }
    if now < first.since + RULES.min_runtime {
        return Err(format!("{} is not slow, and {attempt} launched", first.attempt));
    }
    Ok(())
}

/// Failures that were reported of attempts that had not been cancelled.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<TaskId, u32>);

impl Failures {
    pub(crate) fn note(&mut self, task: TaskId, failure: &TaskFailure) {
        if failure.counts() || matches!(failure, TaskFailure::CommitDenied) {
            *self.0.entry(task).or_default() += 1;
        }
    }

    /// Whether a task can have failed so often.
    pub(crate) fn has(&self, task: TaskId, failures: u32) -> bool {
        self.0.get(&task).is_some_and(|known| *known >= failures)
    }
}

//! The promises about second attempts: who may have one, and that it costs nothing.

use crate::world::host_of;
use model::{Attempt, ExecutorId, StageId};
use scheduler::{Efficiency, Scheduler, Speculation};
use std::collections::BTreeSet;
use std::time::Duration;

/// When tasks get second attempts in this world.
pub(crate) const RULES: Speculation = Speculation {
    interval: Duration::from_millis(100),
    multiplier: 2.0,
    quantile: 0.5,
    min_runtime: Duration::from_millis(200),
    duration_threshold: Some(Duration::from_millis(500)),
    executor_slots: 2,
    efficiency: Some(Efficiency { rate_multiplier: 0.75, long_run_factor: 2.0 }),
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

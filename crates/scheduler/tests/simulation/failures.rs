//! The promises about failures: how often a task may fail, and where it does not run again.

use crate::world::host_of;
use model::{Attempt, ExecutorId, StageId, TaskFailure, TaskId};
use scheduler::{Command, Exclusion};
use std::collections::BTreeMap;
use std::time::Duration;

/// When executors and hosts are excluded, in worlds in which they are.
pub(crate) const RULES: Exclusion = Exclusion {
    task_attempts_per_executor: 1,
    task_attempts_per_host: 2,
    stage_tasks_per_executor: 2,
    stage_executors_per_host: 2,
    tasks_per_executor: 2,
    executors_per_host: 2,
    timeout: Duration::from_secs(1),
    replaces: false,
    counts_fetch_failures: false,
    unschedulable_timeout: Duration::from_secs(5),
};

/// Failures that were reported of attempts that had not been cancelled.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    times: BTreeMap<TaskId, u32>,
    /// Where, since the stage was activated.
    on: BTreeMap<TaskId, Vec<ExecutorId>>,
}

impl Failures {
    pub(crate) fn note(&mut self, task: TaskId, executor: ExecutorId, failure: &TaskFailure) {
        if failure.counts() || matches!(failure, TaskFailure::CommitDenied) {
            *self.times.entry(task).or_default() += 1;
        }
        if failure.counts() {
            self.on.entry(task).or_default().push(executor);
        }
    }

    /// Whether a task can have failed so often.
    pub(crate) fn has(&self, task: TaskId, failures: u32) -> bool {
        self.times.get(&task).is_some_and(|known| *known >= failures)
    }

    /// A stage that begins anew runs anywhere.
    pub(crate) fn note_changes(&mut self, commands: &[Command]) {
        for command in commands {
            if let Command::StageChanged { stage } = command {
                self.on.retain(|task, _| task.stage != *stage);
            }
        }
    }

    /// A task does not run where it has failed, nor where two tasks of its stage have.
    pub(crate) fn check_launch(
        &self,
        attempt: Attempt,
        executor: ExecutorId,
    ) -> Result<(), String> {
        let here = self.on.get(&attempt.task).map_or(&[][..], Vec::as_slice);
        let on_host = here.iter().filter(|other| host_of(**other) == host_of(executor)).count();
        let on_host = u32::try_from(on_host).unwrap_or(u32::MAX);
        if here.contains(&executor) || on_host >= RULES.task_attempts_per_host {
            return Err(format!("{attempt} runs where it failed: {here:?}"));
        }
        if self.failed_on(attempt.task.stage, executor) >= RULES.stage_tasks_per_executor {
            return Err(format!("{attempt} runs where others of its stage failed"));
        }
        Ok(())
    }

    fn failed_on(&self, stage: StageId, executor: ExecutorId) -> usize {
        let of_stage = self.on.iter().filter(|(task, _)| task.stage == stage);
        of_stage.filter(|(_, on)| on.contains(&executor)).count()
    }
}

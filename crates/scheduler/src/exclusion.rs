//! Exclusion of executors and hosts on which tasks fail: for a task, for a stage (`Failures`), and
//! for all stages (`Health`). What cannot run anywhere waits for another executor, then fails.

use crate::event::{Command, JobFailure};
use crate::health::Health;
use crate::scheduler::Scheduler;
use crate::stage::{Phase, Stage};
use model::{ExecutorId, StageId, TaskFailure};
use std::collections::BTreeMap;
use std::time::Duration;

/// When executors and hosts are excluded (`spark.excludeOnFailure.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion {
    /// Failures of a task on an executor that exclude this for the task.
    pub task_attempts_per_executor: u32,
    /// Failures of a task on a host that exclude this for the task.
    pub task_attempts_per_host: u32,
    /// Tasks of a stage that fail on an executor until this is excluded for the stage.
    pub stage_tasks_per_executor: usize,
    /// Executors of a host that are excluded for a stage until the host is.
    pub stage_executors_per_host: usize,
    /// Tasks that fail on an executor, of stages that completed nevertheless, until this is
    /// excluded for all.
    pub tasks_per_executor: usize,
    /// Executors of a host that are excluded for all stages until the host is.
    pub executors_per_host: usize,
    /// How long a failure counts and an exclusion for all stages lasts.
    pub timeout: Duration,
    /// Whether executors that are excluded for all stages are replaced.
    pub replaces: bool,
    /// Whether an executor is excluded for all stages as soon as an output that only it serves
    /// cannot be read.
    pub counts_fetch_failures: bool,
    /// How long a stage waits for an executor that can run its task.
    pub unschedulable_timeout: Duration,
}

/// The counted failures of a stage since it was last activated, by executor.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) by_executor: BTreeMap<ExecutorId, OnExecutor>,
    last: Option<TaskFailure>,
    /// Until when it waits for an executor that can run one of its tasks.
    pub(crate) unschedulable_until: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct OnExecutor {
    pub(crate) host: String,
    /// By partition.
    pub(crate) failures: BTreeMap<u32, u32>,
    pub(crate) last: Duration,
}

impl Failures {
    pub(crate) fn note(
        &mut self,
        (executor, host): (ExecutorId, String),
        (partition, now): (u32, Duration),
        failure: &TaskFailure,
    ) {
        let failures = BTreeMap::new();
        let on = self.by_executor.entry(executor);
        let on = on.or_insert(OnExecutor { host, failures, last: now });
        *on.failures.entry(partition).or_default() += 1;
        on.last = now;
        self.last = Some(failure.clone());
    }

    /// Whether a task must not run on an executor of a host.
    fn exclude(
        &self,
        rules: &Exclusion,
        partition: u32,
        (executor, host): (ExecutorId, &str),
    ) -> bool {
        let of = |on: &OnExecutor| on.failures.get(&partition).copied().unwrap_or(0);
        let full = |on: &&OnExecutor| on.failures.len() >= rules.stage_tasks_per_executor;
        let here = self.by_executor.get(&executor);
        let on_host = || self.by_executor.values().filter(|on| on.host == host);
        here.is_some_and(|on| of(on) >= rules.task_attempts_per_executor || full(&on))
            || (!self.by_executor.is_empty()
                && (on_host().map(of).sum::<u32>() >= rules.task_attempts_per_host
                    || on_host().filter(full).count() >= rules.stage_executors_per_host))
    }
}

impl Scheduler {
    /// Has executors and hosts excluded on which tasks fail.
    #[must_use]
    pub fn with_exclusion(self, rules: Option<Exclusion>) -> Self {
        Self { health: Health::new(rules), ..self }
    }

    /// Whether a task may run on an executor now.
    pub(crate) fn may_run(&self, stage: &Stage, partition: u32, executor: ExecutorId) -> bool {
        let in_reach = stage.barrier || !self.reach.avoids(executor);
        in_reach
            && self.executors.profile(executor) == stage.profile
            && self.is_allowed(stage, partition, executor)
    }

    /// Whether no failure keeps a task from an executor.
    fn is_allowed(&self, stage: &Stage, partition: u32, executor: ExecutorId) -> bool {
        let Some(rules) = &self.health.rules else { return true };
        let host = self.executors.host(executor);
        !self.health.exclude(executor, host)
            && !stage.failures.exclude(rules, partition, (executor, host))
    }

    /// How many tasks of a stage to ask for executors that they may run on: one is enough unless
    /// executors are excluded for single ones.
    pub(crate) fn asked(&self) -> usize {
        if self.health.rules.is_some() { usize::MAX } else { 1 }
    }

    /// Whether an executor gets no tasks at all.
    pub(crate) fn is_excluded(&self, executor: ExecutorId) -> bool {
        self.health.exclude(executor, self.executors.host(executor))
    }

    /// Notes a counted failure. Those of a barrier are failures of its stage.
    pub(crate) fn note_failure(
        &mut self,
        now: Duration,
        (id, partition): (StageId, u32),
        (executor, host): (ExecutorId, &str),
        failure: &TaskFailure,
    ) {
        let Some(stage) = self.stages.get_mut(id).filter(|stage| !stage.barrier) else { return };
        if self.health.rules.is_some() {
            stage.failures.note((executor, host.to_owned()), (partition, now), failure);
        }
    }

    /// When a stage has waited long enough for an executor, or when one that a stage waits for gets
    /// tasks again.
    pub(crate) fn exclusion_deadline(&self) -> Option<Duration> {
        let waits = self.stages.iter().filter_map(|stage| stage.failures.unschedulable_until);
        let ends = [self.health.deadline(), self.reach.deadline()].into_iter().flatten();
        waits.chain(ends.filter(|_| !self.queue.is_empty())).min()
    }

    /// Fails the jobs of stages that have waited too long for an executor.
    pub(crate) fn give_up_unschedulable(&mut self, now: Duration) {
        let due =
            |stage: &&Stage| stage.failures.unschedulable_until.is_some_and(|until| until <= now);
        let due: Vec<StageId> = self.stages.iter().filter(due).map(|stage| stage.id).collect();
        for id in due {
            let stage = self.stages.get(id);
            if stage.is_some_and(|stage| self.excluded_everywhere(stage).is_some()) {
                self.abort_unschedulable(id);
            }
            self.forget_wait(id);
        }
    }

    /// Has stages wait, after nothing was launched, of which a task cannot run anywhere: for an
    /// executor in the place of one that is idle. If none is idle, there is nothing to wait for.
    pub(crate) fn find_unschedulable(&mut self, now: Duration) {
        let Some(rules) = self.health.rules else { return };
        let waits = |stage: &&Stage| {
            let active = stage.phase == Phase::Active && !stage.barrier;
            let waits = stage.failures.unschedulable_until.is_some();
            active && !waits && self.excluded_everywhere(stage).is_some()
        };
        let stuck: Vec<StageId> = self.stages.iter().filter(waits).map(|stage| stage.id).collect();
        for id in stuck {
            let profile = self.stages.get(id).map(|stage| stage.profile).unwrap_or_default();
            if let Some(executor) = self.executors.idle(profile) {
                let reason = "a task cannot run on any executor".to_owned();
                self.agenda.commands.push(Command::Replace { executor, reason });
            } else if !self.limits.dynamic {
                self.abort_unschedulable(id);
                continue;
            }
            if let Some(stage) = self.stages.get_mut(id) {
                let until = now.saturating_add(rules.unschedulable_timeout);
                stage.failures.unschedulable_until = Some(until);
            }
        }
    }

    /// Something was launched: there is an executor that works.
    pub(crate) fn forget_unschedulable(&mut self) {
        for stage in self.stages.iter_mut() {
            stage.failures.unschedulable_until = None;
        }
    }

    fn forget_wait(&mut self, id: StageId) {
        if let Some(stage) = self.stages.get_mut(id) {
            stage.failures.unschedulable_until = None;
        }
    }

    /// A pending task that no executor may run.
    fn excluded_everywhere(&self, stage: &Stage) -> Option<u32> {
        let partition = stage.tasks.first_pending()?;
        let mut executors = self.executors.of(stage.profile).peekable();
        executors.peek()?;
        let nowhere = executors.all(|executor| !self.is_allowed(stage, partition, executor));
        nowhere.then_some(partition)
    }

    fn abort_unschedulable(&mut self, id: StageId) {
        let Some(stage) = self.stages.get(id) else { return };
        let failure = stage.failures.last.clone();
        let partition = stage.tasks.first_pending().unwrap_or(0);
        self.fail_jobs(id, &JobFailure::Unschedulable { stage: id, partition, failure });
    }
}

//! Launches ahead: where tasks take next to no time, an executor gets more of them than it has
//! slots, and runs them in their order. So it has the next one when one ends, and what is said of
//! several is said at once.

use crate::scheduler::Scheduler;
use crate::stage::Stage;
use model::{Attempt, ExecutorId, StageId};
use std::time::Duration;

/// When executors get more tasks than they have slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaunchAhead {
    /// Time that tasks of the stage took of late, at most.
    pub brisk: Duration,
    /// Tasks of the stage that have to finish before that is known.
    pub finished: usize,
    /// Tasks that wait at an executor, for each of its slots.
    pub depth: u32,
    /// Time without the end of a task there after which they are taken back: another executor may
    /// be free sooner.
    pub patience: Duration,
}

impl Default for LaunchAhead {
    fn default() -> Self {
        Self {
            brisk: Duration::from_millis(5),
            finished: 8,
            depth: 8,
            patience: Duration::from_millis(50),
        }
    }
}

impl Scheduler {
    /// Has tasks wait at executors, and not here, where they take next to no time.
    #[must_use]
    pub fn with_launch_ahead(self, ahead: Option<LaunchAhead>) -> Self {
        Self { ahead, ..self }
    }

    /// Launches tasks on executors where one has ended, so that some wait there. Only where nothing
    /// else wants the slots, and each executor has its share of what is left.
    pub(crate) fn launch_ahead(&mut self, now: Duration) {
        let ended = self.executors.take_ended();
        let Some((id, rules)) = self.stage_ahead() else { return };
        let Some(stage) = self.stages.get(id) else { return };
        let shares = self.executors.of(stage.profile).count().saturating_mul(2).max(1);
        for executor in ended {
            let Some(stage) = self.stages.get(id) else { return };
            let Some(first) = stage.tasks.first_pending() else { return };
            if !self.may_run(stage, first, executor) {
                continue;
            }
            let share = stage.tasks.pending() as usize / shares;
            let most = self.executors.full_slots(executor).saturating_mul(rules.depth) as usize;
            let waiting = self.executors.waiting_at(executor);
            for _ in waiting..most.min(share) {
                self.launch_behind(now, id, executor);
            }
        }
    }

    /// The stage of which tasks are launched ahead: the only one with tasks to launch, if these may
    /// be taken back and run anywhere.
    fn stage_ahead(&self) -> Option<(StageId, LaunchAhead)> {
        let rules = self.ahead.filter(|_| self.health.rules.is_none())?;
        let mut ready = self.queue.ready();
        let (_, id) = ready.next().filter(|_| ready.next().is_none())?;
        let stage = self.stages.get(id)?;
        let may = stage.may_wait_at_executors() && !stage.tasks.have_preferences();
        let may = may && stage.pace.is_brisk(&rules);
        may.then_some((id, rules))
    }

    fn launch_behind(&mut self, now: Duration, id: StageId, executor: ExecutorId) {
        if let Some(partition) = self.stages.get(id).and_then(|stage| stage.tasks.first_pending()) {
            self.launch(now, id, (partition, executor), true);
        }
    }

    /// When tasks are taken back, unless one ends before.
    pub(crate) fn ahead_deadline(&self) -> Option<Duration> {
        let patience = self.ahead?.patience;
        self.executors.stirred().map(|(_, at)| at.saturating_add(patience)).min()
    }

    /// Takes tasks back that wait too long, because one before them takes longer than others did.
    pub(crate) fn take_back(&mut self, now: Duration) {
        let Some(rules) = self.ahead else { return };
        let due = |(_, at): &(ExecutorId, Duration)| now >= at.saturating_add(rules.patience);
        let due: Vec<ExecutorId> = self.executors.stirred().filter(due).map(|(id, _)| id).collect();
        for executor in due {
            for attempt in self.executors.give_back(executor) {
                self.give_back(attempt, rules.patience);
            }
        }
    }

    fn give_back(&mut self, attempt: Attempt, took: Duration) {
        if let Some(stage) = self.stages.get_mut(attempt.task.stage) {
            stage.pace.is_not_brisk(took);
        }
        if self.retry(attempt) {
            self.cancel(attempt, "it waits for a task that takes long");
        }
    }
}

impl Stage {
    /// Whether tasks of it may wait at executors: they may be taken back, and it is known how long
    /// others took.
    pub fn may_wait_at_executors(&self) -> bool {
        let may_return = !self.barrier && !self.is_single_attempt();
        may_return && self.task_slots == 1 && self.pace.is_known()
    }
}

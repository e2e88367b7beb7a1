//! Executors that the driver reaches and another executor does not: they get no tasks for a while.
//!
//! Of two that do not reach each other one has to be left out: the one that was out of reach more
//! often, else the one that did not answer. Each time it waits twice as long.

use crate::scheduler::Scheduler;
use crate::stage::Stage;
use model::{BlockProblem, ExecutorId, Unreadable};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an executor gets no tasks at the longest.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy, Default)]
struct OutOfReach {
    times: u32,
    /// Until when it gets no tasks, if it waits.
    until: Option<Duration>,
}

/// The executors that were out of reach of others.
#[derive(Debug, Default)]
pub(crate) struct Reach(BTreeMap<ExecutorId, OutOfReach>);

impl Reach {
    /// Whether an executor gets no tasks now.
    pub(crate) fn avoids(&self, executor: ExecutorId) -> bool {
        self.0.get(&executor).is_some_and(|it| it.until.is_some())
    }

    /// When an executor gets tasks again.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.0.values().filter_map(|it| it.until).min()
    }

    /// Ends the waits that are over.
    pub(crate) fn expire(&mut self, now: Duration) {
        for it in self.0.values_mut() {
            it.until.take_if(|until| *until <= now);
        }
    }

    pub(crate) fn remove(&mut self, executor: ExecutorId) {
        self.0.remove(&executor);
    }

    fn times(&self, executor: ExecutorId) -> u32 {
        self.0.get(&executor).map_or(0, |it| it.times)
    }

    /// Has an executor wait, unless it does so already.
    fn add(&mut self, now: Duration, executor: ExecutorId, wait: Duration) {
        let it = self.0.entry(executor).or_default();
        if it.until.is_none() {
            let wait = wait.saturating_mul(1 << it.times.min(16)).min(LONGEST);
            (it.times, it.until) = (it.times + 1, Some(now.saturating_add(wait)));
        }
    }

    fn end_waits(&mut self) {
        self.expire(Duration::MAX);
    }
}

impl Scheduler {
    /// Whether an executor gets no tasks now, because another one did not reach it.
    pub fn is_out_of_reach(&self, executor: ExecutorId) -> bool {
        self.reach.avoids(executor)
    }

    /// A task on `reader` could not read these. Returns whether that speaks against the reader
    /// itself, whatever it says of others.
    pub(crate) fn judge_reach(
        &mut self,
        now: Duration,
        reader: ExecutorId,
        unreadable: &[Unreadable],
    ) -> bool {
        let unreached = |it: &&Unreadable| it.problem == BlockProblem::Unreachable;
        let volumes: BTreeSet<_> =
            unreadable.iter().filter(unreached).map(|it| &it.volume).collect();
        let mut blamed = false;
        for volume in volumes {
            let Some(server) = self.executors.server(volume) else { continue };
            if server == reader || self.reach.avoids(server) || !self.executors.is_known(reader) {
                continue;
            }
            if self.reach.avoids(reader) || self.reach.times(reader) > self.reach.times(server) {
                self.reach.add(now, reader, self.limits.unreached_wait);
                blamed = true;
            } else {
                self.reach.add(now, server, self.limits.unreached_wait);
                self.move_tasks(server);
            }
        }
        blamed
    }

    /// Runs the tasks of an executor elsewhere: what they write could not be read.
    fn move_tasks(&mut self, executor: ExecutorId) {
        for attempt in self.executors.running_on(executor) {
            let stage = self.stages.get(attempt.task.stage);
            let can_move = |stage: &Stage| !stage.barrier && !stage.is_single_attempt();
            if stage.is_some_and(can_move) && self.retry(attempt) {
                self.cancel(attempt, "other executors do not reach this one");
            }
        }
    }

    /// Somebody has to work: if all executors are out of reach, none is.
    pub(crate) fn keep_one_in_reach(&mut self) {
        if self.reach.deadline().is_some()
            && self.executors.with_slots().all(|executor| self.reach.avoids(executor))
        {
            self.reach.end_waits();
        }
    }
}
